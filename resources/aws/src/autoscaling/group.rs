//! [`Group`].
//!
//! No emulator serves traffic sources as AWS does, zones' impairment and distribution, reserved capacity, lifecycle and maintenance policies,
//! deletion protection, or a group that takes time to delete; those parts follow the service model alone.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_autoscaling::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::group_blocks::{
    AvailabilityZoneDistribution, AvailabilityZoneImpairmentPolicy, CapacityReservationSpecification,
    InstanceMaintenancePolicy, LaunchTemplateSpecification, LifecycleHookSpecification, MixedInstancesPolicy,
    TrafficSourceIdentifier,
};
use super::{AutoScaling, AutoScalingGroupName, group_convert as convert, group_update as settings};
use crate::arn::Arn;
use crate::client::Aws;
use crate::forms::{in_order_of, off_is_unset};
use crate::ids::{InstanceId, SubnetId};
use crate::manage::{Created, Found, Manage, Target};
use crate::tags::is_hidden;
use crate::wait::{self, Stage, until};
use crate::{batch, owner};

/// DescribeAutoScalingGroups takes so many names.
const NAMES: usize = 100;
/// For so long an instance profile or a role that was just made may not be known where groups are made.
const UNTIL_KNOWN: Duration = Duration::from_secs(60);
/// For so long something else may be going on in a group that is to be deleted.
const UNTIL_FREE: Duration = Duration::from_secs(300);

/// As many instances as are wanted, made from one launch template and replaced when they fail.
///
/// Deleting it terminates its instances and waits until all are gone.
///
/// <https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:autoscaling:Group",
    terraform = "aws_autoscaling_group",
    cloudformation = "AWS::AutoScaling::AutoScalingGroup",
    identity = NaturalKey,
    unique(auto_scaling_group_name)
)]
pub struct Group {
    /// The name, unique in account and region.
    #[field(replace)]
    pub auto_scaling_group_name: Input<String>,
    /// The least instances.
    pub min_size: Input<i32>,
    /// The most instances.
    pub max_size: Input<i32>,
    /// How many instances there shall be. Unset: `min_size` at first, and then whatever scales the group decides.
    #[field(cloud_default)]
    pub desired_capacity: Option<Input<i32>>,
    /// What the capacity counts: `units` (AWS's default), `vcpu` or `memory-mib`.
    #[field(cloud_default)]
    pub desired_capacity_type: Option<Input<String>>,
    /// What instances are launched from. One of it, `mixed_instances_policy`, `launch_configuration_name` and `instance_id` is set.
    pub launch_template: Option<Input<LaunchTemplateSpecification>>,
    /// What instances of several types are launched from.
    pub mixed_instances_policy: Option<Input<MixedInstancesPolicy>>,
    /// A launch configuration, which launch templates have succeeded.
    pub launch_configuration_name: Option<Input<String>>,
    /// The instance that the group's instances are made like. Only the creation uses it: leaving it out later changes nothing, so the group
    /// can get a launch template in its place.
    #[field(replace, write_only, cloud_default)]
    pub instance_id: Option<Input<InstanceId>>,
    /// The subnets that instances are launched in.
    #[field(set)]
    pub vpc_zone_identifier: Option<Input<Vec<SubnetId>>>,
    /// The zones: `us-west-2a`. They follow from the subnets, where these are set.
    #[field(set, cloud_default)]
    pub availability_zones: Option<Input<Vec<String>>>,
    /// The zones by their ids: `usw2-az1`.
    #[field(set, cloud_default)]
    pub availability_zone_ids: Option<Input<Vec<String>>>,
    /// How instances are spread over zones. AWS's default: `balanced-best-effort`.
    #[field(cloud_default)]
    pub availability_zone_distribution: Option<Input<AvailabilityZoneDistribution>>,
    /// What happens while a zone is impaired.
    #[field(cloud_default)]
    pub availability_zone_impairment_policy: Option<Input<AvailabilityZoneImpairmentPolicy>>,
    /// Whether zonal shifts may be switched on even if a load balancer would then not spread traffic over the zones.
    #[field(write_only)]
    pub skip_zonal_shift_validation: Option<Input<bool>>,
    /// The classic load balancers that send it traffic.
    #[field(set, cloud_default)]
    pub load_balancer_names: Option<Input<Vec<String>>>,
    /// The target groups that its instances are registered with.
    #[field(set, cloud_default)]
    pub target_group_arns: Option<Input<Vec<Arn>>>,
    /// What sends it traffic, in place of the two fields before.
    #[field(set, cloud_default)]
    pub traffic_sources: Option<Input<Vec<TrafficSourceIdentifier>>>,
    /// Whose health checks count besides EC2's: `ELB`, `VPC_LATTICE`, `EBS`; several with commas between. AWS's default: `EC2`.
    #[field(cloud_default)]
    pub health_check_type: Option<Input<String>>,
    /// For how many seconds a new instance's health does not count. AWS's default: 0.
    #[field(cloud_default)]
    pub health_check_grace_period: Option<Input<i32>>,
    /// For how many seconds a new instance is not counted in metrics.
    pub default_instance_warmup: Option<Input<i32>>,
    /// For how many seconds simple scaling waits after it has scaled. AWS's default: 300.
    #[field(cloud_default)]
    pub default_cooldown: Option<Input<i32>>,
    /// After how many seconds an instance is replaced, 86400 at least. Unset: never.
    pub max_instance_lifetime: Option<Input<i32>>,
    /// Which instances are terminated first: `OldestInstance`, `Default` … .
    #[field(cloud_default)]
    pub termination_policies: Option<Input<Vec<String>>>,
    /// Whether new instances are protected from being scaled in. Unset: no.
    #[field(normalize = off_is_unset)]
    pub new_instances_protected_from_scale_in: Option<Input<bool>>,
    /// Whether spot instances are replaced when they are likely to be interrupted. Unset: no.
    #[field(normalize = off_is_unset)]
    pub capacity_rebalance: Option<Input<bool>>,
    /// The placement group.
    pub placement_group: Option<Input<String>>,
    /// How many instances stay in service while others are replaced.
    pub instance_maintenance_policy: Option<Input<InstanceMaintenancePolicy>>,
    /// Which reserved capacity instances use.
    #[field(cloud_default)]
    pub capacity_reservation_specification: Option<Input<CapacityReservationSpecification>>,
    /// What becomes of an instance whose termination hook is abandoned: `terminate` (AWS's default) or `retain`.
    #[field(cloud_default)]
    pub instance_lifecycle_policy: Option<Input<String>>,
    /// What must be done before instances serve, or before they are terminated.
    #[field(set)]
    pub lifecycle_hook_specification_list: Option<Input<Vec<LifecycleHookSpecification>>>,
    /// Which of the group's metrics are collected: `GroupInServiceInstances` … .
    #[field(set)]
    pub enabled_metrics: Option<Input<Vec<String>>>,
    /// What the group does not do for now: `Launch`, `Terminate`, `AZRebalance` … .
    #[field(set)]
    pub suspended_processes: Option<Input<Vec<String>>>,
    /// Whether the group can be deleted: `none` (AWS's default), `prevent-force-deletion` or `prevent-all-deletion`. phx deletes with force.
    #[field(cloud_default)]
    pub deletion_protection: Option<Input<String>>,
    /// The role with which it makes instances. AWS's default: `AWSServiceRoleForAutoScaling`.
    #[field(cloud_default)]
    pub service_linked_role_arn: Option<Input<Arn>>,
    /// Reserved by AWS.
    pub context: Option<Input<String>>,
    /// The service that from then on alone may change the group.
    #[field(replace)]
    pub operator: Option<Input<String>>,
    /// Tags of the group and of each instance that it launches. A key stands here or in `tags`.
    pub propagated_tags: Option<Input<BTreeMap<String, String>>>,
    /// The tags of the group alone.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct GroupOutputs {
    /// The name, by which other types refer to the group.
    pub auto_scaling_group_name: AutoScalingGroupName,
    /// The ARN. It is known once the group is.
    pub arn: Option<Arn>,
}

impl Manage for Group {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let autoscaling = &aws.autoscaling(cx).await?;
        let names: Vec<&str> = targets.iter().map(|t| t.id).collect();
        let groups = &describe(autoscaling, &names).await?;
        batch::each(targets, |target| async move {
            let Some(group) = groups.get(target.id).filter(|g| !is_going(g)) else { return Ok(Found::Gone) };
            if !target.wants("lifecycle_hook_specification_list") {
                return Ok(shown(target, group, Vec::new()));
            }
            Ok(match settings::hooks(autoscaling, target.id).await {
                Ok(hooks) => shown(target, group, hooks),
                Err(error) if is_absent(&error) => Found::Gone,
                Err(error) => Found::Failed(error),
            })
        })
        .await
    }

    async fn create(aws: &Aws, cx: &Cx, want: &GroupResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let autoscaling = &aws.autoscaling(cx).await?;
        let request = settings::creation(autoscaling, want, intent)?;
        let send = || autoscaling.write("CreateAutoScalingGroup", || request.clone().send());
        match wait::eventually(cx, UNTIL_KNOWN, not_yet_known, send).await {
            Ok(_) => Ok(created(want, None)),
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                Self::find(aws, cx, want, intent).await?.ok_or(taken)
            }
            Err(error) => Err(error),
        }
    }

    async fn finish(aws: &Aws, cx: &Cx, id: &str, want: &GroupResolved) -> Result<Option<GroupOutputs>, CloudError> {
        let autoscaling = &aws.autoscaling(cx).await?;
        if let Some(metrics) = want.enabled_metrics.as_ref().filter(|m| !m.is_empty()) {
            settings::enable_metrics(autoscaling, id, metrics.clone()).await?;
        }
        if let Some(processes) = want.suspended_processes.as_ref().filter(|p| !p.is_empty()) {
            settings::suspend(autoscaling, id, processes.clone()).await?;
        }
        let group = describe(autoscaling, &[id]).await?.remove(id);
        Ok(group.map(|group| outputs(id, &group)))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &GroupResolved,
        change: &GroupChange,
    ) -> Result<Option<GroupOutputs>, CloudError> {
        let autoscaling = &aws.autoscaling(cx).await?;
        if let Some(request) = settings::modification(autoscaling, id, want, change) {
            let send = || autoscaling.write_idempotent("UpdateAutoScalingGroup", || request.clone().send());
            let busy = |e: &CloudError| not_yet_known(e) || is_busy(e);
            wait::eventually(cx, UNTIL_KNOWN, busy, send).await?;
        }
        settings::apply(autoscaling, id, want, change).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _was: Option<&GroupResolved>) -> Result<(), CloudError> {
        let autoscaling = &aws.autoscaling(cx).await?;
        let request = autoscaling.delete_auto_scaling_group().auto_scaling_group_name(id).force_delete(true);
        let send = || autoscaling.write_idempotent("DeleteAutoScalingGroup", || request.clone().send());
        match wait::eventually(cx, UNTIL_FREE, is_busy, send).await {
            Ok(_) => {}
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error)
                if error.message.contains("deletion protection") || error.message.contains("DeletionProtection") =>
            {
                return Err(error.hint("set deletion_protection to none first"));
            }
            Err(error) => return Err(error),
        }
        until(cx, &format!("auto scaling group {id}"), || async {
            Ok(match describe(autoscaling, &[id]).await?.remove(id) {
                None => Stage::Ready(()),
                Some(group) => Stage::Waiting(group.status().unwrap_or("being deleted").to_ascii_lowercase()),
            })
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &GroupResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let autoscaling = &aws.autoscaling(cx).await?;
        let name = want.auto_scaling_group_name.as_str();
        let group = describe(autoscaling, &[name]).await?.remove(name);
        let Some(group) = group.filter(|g| !is_going(g)) else { return Ok(None) };
        let tags: BTreeMap<String, String> = tags_of(&group).map(|(key, value, _)| (key, value)).collect();
        owner::check(&format!("the auto scaling group {name}"), &tags, intent)?;
        Ok(Some(created(want, Some(&group))))
    }
}

fn created(want: &GroupResolved, group: Option<&sdk::AutoScalingGroup>) -> Created<Group> {
    let id = want.auto_scaling_group_name.clone();
    let unknown = || GroupOutputs { auto_scaling_group_name: AutoScalingGroupName::new(&id), arn: None };
    let outputs = group.map_or_else(unknown, |group| outputs(&id, group));
    // CreateAutoScalingGroup answers with nothing: what AWS decides is asked for afterwards.
    Created { id, outputs, complete: false }
}

fn outputs(name: &str, group: &sdk::AutoScalingGroup) -> GroupOutputs {
    GroupOutputs {
        auto_scaling_group_name: AutoScalingGroupName::new(name),
        arn: group.auto_scaling_group_arn().map(Arn::new),
    }
}

/// The service says of a group that is not there that the request is invalid.
pub(super) fn is_absent(error: &CloudError) -> bool {
    error.code.as_deref() == Some("ValidationError") && error.message.to_ascii_lowercase().contains("name not found")
}

fn is_busy(error: &CloudError) -> bool {
    matches!(error.code.as_deref(), Some("ScalingActivityInProgress" | "ResourceContention"))
        || error.kind == ErrorKind::InUse
}

/// What a launch template names may have been made a moment ago.
fn not_yet_known(error: &CloudError) -> bool {
    error.code.as_deref() == Some("ValidationError")
        && ["Invalid IAM Instance Profile", "invalid IAM Instance Profile", "specified roles could not be found"]
            .iter()
            .any(|text| error.message.contains(text))
}

/// Whether a group is on its way out.
fn is_going(group: &sdk::AutoScalingGroup) -> bool {
    group.status().is_some_and(|status| status.eq_ignore_ascii_case("delete in progress"))
}

/// Groups by name: a hundred a call.
pub(super) async fn describe(
    autoscaling: &AutoScaling,
    names: &[&str],
) -> Result<HashMap<String, sdk::AutoScalingGroup>, CloudError> {
    let chunks = batch::each(names.chunks(NAMES), |names| async move {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let request = autoscaling
            .describe_auto_scaling_groups()
            .set_auto_scaling_group_names(Some(names))
            .include_instances(false)
            .set_max_records(i32::try_from(NAMES).ok());
        batch::pages(|token| {
            let request = request.clone().set_next_token(token);
            async move {
                let answer = autoscaling.read("DescribeAutoScalingGroups", || request.clone().send()).await?;
                Ok((answer.auto_scaling_groups.unwrap_or_default(), answer.next_token))
            }
        })
        .await
    });
    let groups = chunks.await?.into_iter().flatten();
    Ok(groups.filter_map(|g| Some((g.auto_scaling_group_name.clone()?, g))).collect())
}

/// Key, value, and whether instances get it.
fn tags_of(group: &sdk::AutoScalingGroup) -> impl Iterator<Item = (String, String, bool)> {
    let tags = group.tags().iter();
    tags.filter_map(|t| {
        Some((t.key.clone()?, t.value.clone().unwrap_or_default(), t.propagate_at_launch == Some(true)))
    })
}

fn text(text: Option<&str>) -> Option<String> {
    text.filter(|t| !t.is_empty()).map(str::to_owned)
}

fn some<T>(all: Vec<T>) -> Option<Vec<T>> {
    Some(all).filter(|all| !all.is_empty())
}

fn shown(target: &Target<'_>, group: &sdk::AutoScalingGroup, hooks: Vec<sdk::LifecycleHook>) -> Found<Group> {
    let subnets = group.vpc_zone_identifier().unwrap_or_default().split(',').map(str::trim);
    let hooks = hooks.iter().filter_map(convert::from_hook).collect();
    let hooks =
        in_order_of::<LifecycleHookSpecification>(target.inputs.get("lifecycle_hook_specification_list"), hooks);
    let sources = group.traffic_sources().iter().filter_map(convert::from_source).collect();
    let sources = in_order_of::<TrafficSourceIdentifier>(target.inputs.get("traffic_sources"), sources);
    let propagated = tags_of(group).filter(|(key, _, propagated)| *propagated && !is_hidden(key));
    let retention = group.instance_lifecycle_policy().and_then(|p| p.retention_triggers());
    let fields = GroupResolved {
        auto_scaling_group_name: target.id.to_owned(),
        min_size: group.min_size.unwrap_or_default(),
        max_size: group.max_size.unwrap_or_default(),
        desired_capacity: group.desired_capacity,
        desired_capacity_type: text(group.desired_capacity_type()),
        launch_template: group.launch_template().map(convert::from_template),
        mixed_instances_policy: group.mixed_instances_policy().and_then(convert::from_mixed),
        launch_configuration_name: text(group.launch_configuration_name()),
        instance_id: None,
        vpc_zone_identifier: some(subnets.filter(|s| !s.is_empty()).map(SubnetId::new).collect()),
        availability_zones: some(group.availability_zones().to_vec()),
        availability_zone_ids: some(group.availability_zone_ids().to_vec()),
        availability_zone_distribution: group.availability_zone_distribution().and_then(convert::from_zones),
        availability_zone_impairment_policy: group
            .availability_zone_impairment_policy()
            .and_then(convert::from_impairment),
        skip_zonal_shift_validation: None,
        load_balancer_names: some(group.load_balancer_names().to_vec()),
        target_group_arns: some(group.target_group_arns().iter().map(Arn::new).collect()),
        traffic_sources: some(sources),
        health_check_type: text(group.health_check_type()),
        health_check_grace_period: group.health_check_grace_period,
        default_instance_warmup: group.default_instance_warmup.filter(|seconds| *seconds >= 0),
        default_cooldown: group.default_cooldown,
        max_instance_lifetime: group.max_instance_lifetime.filter(|seconds| *seconds > 0),
        termination_policies: some(group.termination_policies().to_vec()),
        new_instances_protected_from_scale_in: group.new_instances_protected_from_scale_in,
        capacity_rebalance: group.capacity_rebalance,
        placement_group: text(group.placement_group()),
        instance_maintenance_policy: group.instance_maintenance_policy().and_then(convert::from_maintenance),
        capacity_reservation_specification: group.capacity_reservation_specification().map(convert::from_reservations),
        instance_lifecycle_policy: retention.and_then(|t| t.terminate_hook_abandon()).map(|a| a.as_str().to_owned()),
        lifecycle_hook_specification_list: some(hooks),
        enabled_metrics: some(group.enabled_metrics().iter().filter_map(|m| m.metric.clone()).collect()),
        suspended_processes: some(group.suspended_processes().iter().filter_map(|p| p.process_name.clone()).collect()),
        deletion_protection: group.deletion_protection().map(|p| p.as_str().to_owned()),
        service_linked_role_arn: text(group.service_linked_role_arn()).map(Arn::new),
        context: text(group.context()),
        operator: group.operator().and_then(|o| text(o.principal())),
        propagated_tags: Some(propagated.map(|(key, value, _)| (key, value)).collect())
            .filter(|tags: &BTreeMap<String, String>| !tags.is_empty()),
        tags: tags_of(group).filter(|(.., propagated)| !propagated).map(|(key, value, _)| (key, value)).collect(),
    };
    Found::present(fields, outputs(target.id, group))
}
