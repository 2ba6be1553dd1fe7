//! Making and changing a group: the request that makes it, the one that changes it, and the settings that have calls of their own.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::operation::create_auto_scaling_group::builders::CreateAutoScalingGroupFluentBuilder;
use aws_sdk_autoscaling::operation::update_auto_scaling_group::builders::UpdateAutoScalingGroupFluentBuilder;
use aws_sdk_autoscaling::types as sdk;
use phx_model::CloudError;
use phx_model::error::ErrorKind;
use phx_model::state::{INTENT_TAG, IntentId};
use phx_model::typed::FieldChange;

use super::group::{GroupChange, GroupResolved, describe};
use super::group_blocks::MixedInstancesPolicyResolved;
use super::{AutoScaling, group_convert as convert};
use crate::arn::Arn;
use crate::ids::SubnetId;
use crate::tags::TagDelta;

type TagMap = BTreeMap<String, String>;

/// How tags say what they are tags of.
const GROUP: &str = "auto-scaling-group";
/// The one granularity that there is.
const GRANULARITY: &str = "1Minute";
/// The calls that attach and detach what sends traffic take so many at once.
const ATTACHED: usize = 10;

fn tag(group: &str, key: &str, value: Option<&str>, propagate: bool) -> sdk::Tag {
    sdk::Tag::builder()
        .resource_id(group)
        .resource_type(GROUP)
        .key(key)
        .set_value(value.map(str::to_owned))
        .propagate_at_launch(propagate)
        .build()
}

fn to_tags(group: &str, own: &TagMap, propagated: &TagMap) -> Vec<sdk::Tag> {
    let own = own.iter().map(|(key, value)| tag(group, key, Some(value), false));
    own.chain(propagated.iter().map(|(key, value)| tag(group, key, Some(value), true))).collect()
}

fn subnets(want: Option<&Vec<SubnetId>>) -> Option<String> {
    want.map(|subnets| subnets.iter().map(SubnetId::as_str).collect::<Vec<_>>().join(","))
}

fn lifecycle(want: Option<&String>) -> Option<sdk::InstanceLifecyclePolicy> {
    want.map(|action| {
        let triggers = sdk::RetentionTriggers::builder().terminate_hook_abandon(action.as_str().into()).build();
        sdk::InstanceLifecyclePolicy::builder().retention_triggers(triggers).build()
    })
}

/// The request that makes the group, marked with the intent.
pub(super) fn creation(
    autoscaling: &AutoScaling,
    want: &GroupResolved,
    intent: &IntentId,
) -> Result<CreateAutoScalingGroupFluentBuilder, CloudError> {
    let name = want.auto_scaling_group_name.as_str();
    let propagated = want.propagated_tags.clone().unwrap_or_default();
    if let Some(key) = propagated.keys().find(|key| want.tags.contains_key(*key)) {
        let message = format!("the tag {key} stands in both tags and propagated_tags");
        return Err(CloudError::local(ErrorKind::Invalid, message)
            .hint("take it out of one of them, or of the stack's default tags"));
    }
    let mut tags = to_tags(name, &want.tags, &propagated);
    tags.push(tag(name, INTENT_TAG, Some(intent.as_str()), false));
    let operator = want.operator.as_ref().map(|principal| sdk::Operator::builder().principal(principal).build());
    Ok(autoscaling
        .create_auto_scaling_group()
        .auto_scaling_group_name(name)
        .min_size(want.min_size)
        .max_size(want.max_size)
        .set_desired_capacity(want.desired_capacity)
        .set_desired_capacity_type(want.desired_capacity_type.clone())
        .set_launch_template(want.launch_template.as_ref().map(convert::to_template))
        .set_mixed_instances_policy(want.mixed_instances_policy.as_ref().map(convert::to_mixed))
        .set_launch_configuration_name(want.launch_configuration_name.clone())
        .set_instance_id(want.instance_id.as_ref().map(ToString::to_string))
        .set_vpc_zone_identifier(subnets(want.vpc_zone_identifier.as_ref()))
        .set_availability_zones(want.availability_zones.clone())
        .set_availability_zone_ids(want.availability_zone_ids.clone())
        .set_availability_zone_distribution(want.availability_zone_distribution.as_ref().map(convert::to_zones))
        .set_availability_zone_impairment_policy(
            want.availability_zone_impairment_policy.as_ref().map(convert::to_impairment),
        )
        .set_skip_zonal_shift_validation(want.skip_zonal_shift_validation)
        .set_load_balancer_names(want.load_balancer_names.clone())
        .set_target_group_arns(want.target_group_arns.as_ref().map(|a| a.iter().map(Arn::to_string).collect()))
        .set_traffic_sources(want.traffic_sources.as_ref().map(|s| s.iter().map(convert::to_source).collect()))
        .set_health_check_type(want.health_check_type.clone())
        .set_health_check_grace_period(want.health_check_grace_period)
        .set_default_instance_warmup(want.default_instance_warmup)
        .set_default_cooldown(want.default_cooldown)
        .set_max_instance_lifetime(want.max_instance_lifetime)
        .set_termination_policies(want.termination_policies.clone())
        .set_new_instances_protected_from_scale_in(want.new_instances_protected_from_scale_in)
        .set_capacity_rebalance(want.capacity_rebalance)
        .set_placement_group(want.placement_group.clone())
        .set_instance_maintenance_policy(want.instance_maintenance_policy.as_ref().map(convert::to_maintenance))
        .set_capacity_reservation_specification(
            want.capacity_reservation_specification.as_ref().map(convert::to_reservations),
        )
        .set_instance_lifecycle_policy(lifecycle(want.instance_lifecycle_policy.as_ref()))
        .set_lifecycle_hook_specification_list(
            want.lifecycle_hook_specification_list.as_ref().map(|h| h.iter().map(convert::to_hook).collect()),
        )
        .set_deletion_protection(want.deletion_protection.as_deref().map(Into::into))
        .set_service_linked_role_arn(want.service_linked_role_arn.as_ref().map(Arn::to_string))
        .set_context(want.context.clone())
        .set_operator(operator)
        .set_tags(Some(tags)))
}

/// The policy to give a group that exists. What is not sent stays as it is, so overrides that are taken away are sent as an empty list.
fn mixed(want: &MixedInstancesPolicyResolved, change: &GroupChange) -> sdk::MixedInstancesPolicy {
    let mut want = want.clone();
    let before = change.mixed_instances_policy.as_ref().and_then(|change| change.before.as_ref());
    if before.is_some_and(|policy| policy.launch_template.overrides.is_some()) {
        want.launch_template.overrides.get_or_insert_default();
    }
    convert::to_mixed(&want)
}

/// The request that changes what UpdateAutoScalingGroup can change; `None` if nothing of that changes. What is not sent stays as it is, so
/// what is taken away is sent as the API says "none".
pub(super) fn modification(
    autoscaling: &AutoScaling,
    id: &str,
    want: &GroupResolved,
    change: &GroupChange,
) -> Option<UpdateAutoScalingGroupFluentBuilder> {
    let mut changes = false;
    let mut note = |changed: bool| {
        changes |= changed;
        changed
    };
    let c = change;
    let mut request = autoscaling.update_auto_scaling_group().auto_scaling_group_name(id);
    request = request
        .set_min_size(note(c.min_size.is_some()).then_some(want.min_size))
        .set_max_size(note(c.max_size.is_some()).then_some(want.max_size))
        .set_desired_capacity(want.desired_capacity.filter(|_| note(c.desired_capacity.is_some())))
        .set_desired_capacity_type(
            want.desired_capacity_type.clone().filter(|_| note(c.desired_capacity_type.is_some())),
        )
        .set_launch_template(
            want.launch_template.as_ref().filter(|_| note(c.launch_template.is_some())).map(convert::to_template),
        )
        .set_mixed_instances_policy(
            want.mixed_instances_policy
                .as_ref()
                .filter(|_| note(c.mixed_instances_policy.is_some()))
                .map(|policy| mixed(policy, c)),
        )
        .set_launch_configuration_name(
            want.launch_configuration_name.clone().filter(|_| note(c.launch_configuration_name.is_some())),
        )
        .set_vpc_zone_identifier(
            subnets(want.vpc_zone_identifier.as_ref()).filter(|_| note(c.vpc_zone_identifier.is_some())),
        )
        .set_availability_zones(want.availability_zones.clone().filter(|_| note(c.availability_zones.is_some())))
        .set_availability_zone_ids(
            want.availability_zone_ids.clone().filter(|_| note(c.availability_zone_ids.is_some())),
        )
        .set_availability_zone_distribution(
            want.availability_zone_distribution
                .as_ref()
                .filter(|_| note(c.availability_zone_distribution.is_some()))
                .map(convert::to_zones),
        )
        .set_health_check_type(want.health_check_type.clone().filter(|_| note(c.health_check_type.is_some())))
        .set_health_check_grace_period(
            want.health_check_grace_period.filter(|_| note(c.health_check_grace_period.is_some())),
        )
        .set_default_cooldown(want.default_cooldown.filter(|_| note(c.default_cooldown.is_some())))
        .set_termination_policies(want.termination_policies.clone().filter(|_| note(c.termination_policies.is_some())))
        .set_capacity_reservation_specification(
            want.capacity_reservation_specification
                .as_ref()
                .filter(|_| note(c.capacity_reservation_specification.is_some()))
                .map(convert::to_reservations),
        )
        .set_instance_lifecycle_policy(lifecycle(
            want.instance_lifecycle_policy.as_ref().filter(|_| note(c.instance_lifecycle_policy.is_some())),
        ))
        .set_deletion_protection(
            want.deletion_protection.as_deref().filter(|_| note(c.deletion_protection.is_some())).map(Into::into),
        )
        .set_service_linked_role_arn(
            want.service_linked_role_arn
                .as_ref()
                .filter(|_| note(c.service_linked_role_arn.is_some()))
                .map(Arn::to_string),
        );
    if note(c.availability_zone_impairment_policy.is_some()) {
        request = request
            .set_availability_zone_impairment_policy(
                want.availability_zone_impairment_policy.as_ref().map(convert::to_impairment),
            )
            .set_skip_zonal_shift_validation(want.skip_zonal_shift_validation);
    }
    if note(c.default_instance_warmup.is_some()) {
        request = request.default_instance_warmup(want.default_instance_warmup.unwrap_or(-1));
    }
    if note(c.max_instance_lifetime.is_some()) {
        request = request.max_instance_lifetime(want.max_instance_lifetime.unwrap_or(0));
    }
    if note(c.new_instances_protected_from_scale_in.is_some()) {
        let protected = want.new_instances_protected_from_scale_in.unwrap_or(false);
        request = request.new_instances_protected_from_scale_in(protected);
    }
    if note(c.capacity_rebalance.is_some()) {
        request = request.capacity_rebalance(want.capacity_rebalance.unwrap_or(false));
    }
    if note(c.placement_group.is_some()) {
        request = request.placement_group(want.placement_group.clone().unwrap_or_default());
    }
    if note(c.context.is_some()) {
        request = request.context(want.context.clone().unwrap_or_default());
    }
    if note(c.instance_maintenance_policy.is_some()) {
        let none = || {
            let none = sdk::InstanceMaintenancePolicy::builder();
            none.min_healthy_percentage(-1).max_healthy_percentage(-1).build()
        };
        let policy = want.instance_maintenance_policy.as_ref().map_or_else(none, convert::to_maintenance);
        request = request.instance_maintenance_policy(policy);
    }
    changes.then_some(request)
}

/// What is only in one of two lists: to be taken away, and to be added.
fn difference<T: Ord + Clone>(there: &[T], wanted: &[T]) -> (Vec<T>, Vec<T>) {
    let (there, wanted): (BTreeSet<&T>, BTreeSet<&T>) = (there.iter().collect(), wanted.iter().collect());
    let only = |a: &BTreeSet<&T>, b: &BTreeSet<&T>| a.difference(b).map(|t| (*t).clone()).collect();
    (only(&there, &wanted), only(&wanted, &there))
}

/// Changes what has calls of its own.
pub(super) async fn apply(
    autoscaling: &AutoScaling,
    id: &str,
    want: &GroupResolved,
    change: &GroupChange,
) -> Result<(), CloudError> {
    let attached =
        change.load_balancer_names.is_some() || change.target_group_arns.is_some() || change.traffic_sources.is_some();
    if attached || change.enabled_metrics.is_some() || change.suspended_processes.is_some() {
        // What is really there now: attaching what is attached, or detaching what is not, is refused.
        let group = describe(autoscaling, &[id]).await?.remove(id);
        let group = group.ok_or_else(|| CloudError {
            kind: ErrorKind::NotFound,
            ..autoscaling.unexpected("DescribeAutoScalingGroups", format!("there is no group {id}"))
        })?;
        if attached {
            attach(autoscaling, id, want, change, &group).await?;
        }
        if change.enabled_metrics.is_some() {
            let there: Vec<String> = group.enabled_metrics().iter().filter_map(|m| m.metric.clone()).collect();
            let (extra, missing) = difference(&there, want.enabled_metrics.as_deref().unwrap_or_default());
            if !extra.is_empty() {
                let request =
                    autoscaling.disable_metrics_collection().auto_scaling_group_name(id).set_metrics(Some(extra));
                autoscaling.write_idempotent("DisableMetricsCollection", || request.clone().send()).await?;
            }
            if !missing.is_empty() {
                enable_metrics(autoscaling, id, missing).await?;
            }
        }
        if change.suspended_processes.is_some() {
            let there = group.suspended_processes().iter().filter_map(|p| p.process_name.clone());
            let there: Vec<String> = there.collect();
            let (extra, missing) = difference(&there, want.suspended_processes.as_deref().unwrap_or_default());
            if !extra.is_empty() {
                let request =
                    autoscaling.resume_processes().auto_scaling_group_name(id).set_scaling_processes(Some(extra));
                autoscaling.write_idempotent("ResumeProcesses", || request.clone().send()).await?;
            }
            if !missing.is_empty() {
                suspend(autoscaling, id, missing).await?;
            }
        }
    }
    if change.lifecycle_hook_specification_list.is_some() {
        settle_hooks(autoscaling, id, want).await?;
    }
    update_tags(autoscaling, id, want, change).await
}

async fn attach(
    autoscaling: &AutoScaling,
    id: &str,
    want: &GroupResolved,
    change: &GroupChange,
    group: &sdk::AutoScalingGroup,
) -> Result<(), CloudError> {
    if let Some(FieldChange { after: Some(wanted), .. }) = &change.load_balancer_names {
        let (extra, missing) = difference(group.load_balancer_names(), wanted);
        for some in extra.chunks(ATTACHED) {
            let request = autoscaling.detach_load_balancers().auto_scaling_group_name(id);
            let request = request.set_load_balancer_names(Some(some.to_vec()));
            autoscaling.write_idempotent("DetachLoadBalancers", || request.clone().send()).await?;
        }
        for some in missing.chunks(ATTACHED) {
            let request = autoscaling.attach_load_balancers().auto_scaling_group_name(id);
            let request = request.set_load_balancer_names(Some(some.to_vec()));
            autoscaling.write_idempotent("AttachLoadBalancers", || request.clone().send()).await?;
        }
    }
    if let Some(FieldChange { after: Some(wanted), .. }) = &change.target_group_arns {
        let wanted: Vec<String> = wanted.iter().map(Arn::to_string).collect();
        let (extra, missing) = difference(group.target_group_arns(), &wanted);
        for some in extra.chunks(ATTACHED) {
            let request = autoscaling.detach_load_balancer_target_groups().auto_scaling_group_name(id);
            let request = request.set_target_group_arns(Some(some.to_vec()));
            autoscaling.write_idempotent("DetachLoadBalancerTargetGroups", || request.clone().send()).await?;
        }
        for some in missing.chunks(ATTACHED) {
            let request = autoscaling.attach_load_balancer_target_groups().auto_scaling_group_name(id);
            let request = request.set_target_group_arns(Some(some.to_vec()));
            autoscaling.write_idempotent("AttachLoadBalancerTargetGroups", || request.clone().send()).await?;
        }
    }
    if let Some(FieldChange { after: Some(wanted), .. }) = &change.traffic_sources {
        let there = group.traffic_sources();
        let is = |a: &sdk::TrafficSourceIdentifier, b: &sdk::TrafficSourceIdentifier| a.identifier() == b.identifier();
        let wanted: Vec<_> = wanted.iter().map(convert::to_source).collect();
        let extra: Vec<_> = there.iter().filter(|t| !wanted.iter().any(|w| is(w, t))).cloned().collect();
        let missing: Vec<_> = wanted.iter().filter(|w| !there.iter().any(|t| is(w, t))).cloned().collect();
        for some in extra.chunks(ATTACHED) {
            let request = autoscaling.detach_traffic_sources().auto_scaling_group_name(id);
            let request = request.set_traffic_sources(Some(some.to_vec()));
            autoscaling.write_idempotent("DetachTrafficSources", || request.clone().send()).await?;
        }
        for some in missing.chunks(ATTACHED) {
            let request = autoscaling
                .attach_traffic_sources()
                .auto_scaling_group_name(id)
                .set_traffic_sources(Some(some.to_vec()))
                .set_skip_zonal_shift_validation(want.skip_zonal_shift_validation);
            autoscaling.write_idempotent("AttachTrafficSources", || request.clone().send()).await?;
        }
    }
    Ok(())
}

pub(super) async fn enable_metrics(
    autoscaling: &AutoScaling,
    id: &str,
    metrics: Vec<String>,
) -> Result<(), CloudError> {
    let request = autoscaling
        .enable_metrics_collection()
        .auto_scaling_group_name(id)
        .set_metrics(Some(metrics))
        .granularity(GRANULARITY);
    autoscaling.write_idempotent("EnableMetricsCollection", || request.clone().send()).await.map(drop)
}

pub(super) async fn suspend(autoscaling: &AutoScaling, id: &str, processes: Vec<String>) -> Result<(), CloudError> {
    let request = autoscaling.suspend_processes().auto_scaling_group_name(id).set_scaling_processes(Some(processes));
    autoscaling.write_idempotent("SuspendProcesses", || request.clone().send()).await.map(drop)
}

pub(super) async fn hooks(autoscaling: &AutoScaling, id: &str) -> Result<Vec<sdk::LifecycleHook>, CloudError> {
    let request = autoscaling.describe_lifecycle_hooks().auto_scaling_group_name(id);
    let answer = autoscaling.read("DescribeLifecycleHooks", || request.clone().send()).await?;
    Ok(answer.lifecycle_hooks.unwrap_or_default())
}

async fn settle_hooks(autoscaling: &AutoScaling, id: &str, want: &GroupResolved) -> Result<(), CloudError> {
    let wanted = want.lifecycle_hook_specification_list.as_deref().unwrap_or_default();
    let there = hooks(autoscaling, id).await?;
    let names = there.iter().filter_map(|h| h.lifecycle_hook_name());
    for name in names.filter(|name| !wanted.iter().any(|w| w.lifecycle_hook_name == *name)) {
        let request = autoscaling.delete_lifecycle_hook().auto_scaling_group_name(id).lifecycle_hook_name(name);
        autoscaling.write_idempotent("DeleteLifecycleHook", || request.clone().send()).await?;
    }
    for hook in wanted {
        // What the program leaves to AWS is said as it is. A target that is not said stays; it is taken away by saying that it is nothing.
        let had = there.iter().find(|h| h.lifecycle_hook_name() == Some(hook.lifecycle_hook_name.as_str()));
        let target = hook.notification_target_arn.as_ref().map(Arn::to_string);
        let no_target =
            had.and_then(|h| h.notification_target_arn()).filter(|arn| !arn.is_empty()).map(|_| String::new());
        let request = autoscaling
            .put_lifecycle_hook()
            .auto_scaling_group_name(id)
            .lifecycle_hook_name(&hook.lifecycle_hook_name)
            .lifecycle_transition(&hook.lifecycle_transition)
            .set_notification_metadata(hook.notification_metadata.clone())
            .set_heartbeat_timeout(hook.heartbeat_timeout.or(had.and_then(|h| h.heartbeat_timeout)))
            .set_default_result(hook.default_result.clone().or(had.and_then(|h| h.default_result.clone())))
            .set_notification_target_arn(target.or(no_target))
            .set_role_arn(hook.role_arn.as_ref().map(Arn::to_string));
        autoscaling.write_idempotent("PutLifecycleHook", || request.clone().send()).await?;
    }
    Ok(())
}

/// The tags to set and the keys to take away. A key that moves from one of the two fields to the other is only set.
fn tag_changes(id: &str, want: &GroupResolved, change: &GroupChange) -> (Vec<sdk::Tag>, Vec<sdk::Tag>) {
    let delta = |change: Option<&FieldChange<TagMap>>| change.map(TagDelta::of).unwrap_or_default();
    let (own, propagated) = (delta(change.tags.as_ref()), delta(change.propagated_tags.as_ref()));
    let kept = |key: &&String| {
        want.tags.contains_key(*key) || want.propagated_tags.as_ref().is_some_and(|tags| tags.contains_key(*key))
    };
    let removed = own.remove.iter().chain(&propagated.remove).filter(|key| !kept(key));
    (to_tags(id, &own.set, &propagated.set), removed.map(|key| tag(id, key, None, false)).collect())
}

async fn update_tags(
    autoscaling: &AutoScaling,
    id: &str,
    want: &GroupResolved,
    change: &GroupChange,
) -> Result<(), CloudError> {
    let (set, remove) = tag_changes(id, want, change);
    // What is taken away goes first: a group has fifty tags at most.
    if !remove.is_empty() {
        let request = autoscaling.delete_tags().set_tags(Some(remove));
        autoscaling.write_idempotent("DeleteTags", || request.clone().send()).await?;
    }
    if !set.is_empty() {
        let request = autoscaling.create_or_update_tags().set_tags(Some(set));
        autoscaling.write_idempotent("CreateOrUpdateTags", || request.clone().send()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use phx_model::Resource;

    use super::*;
    use crate::autoscaling::Group;

    #[test]
    fn only_what_differs_is_attached() {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let (extra, missing) = difference(&names(&["a", "b"]), &names(&["c", "b"]));
        assert_eq!((extra, missing), (names(&["a"]), names(&["c"])));
    }

    #[test]
    fn a_tag_that_moves_is_not_taken_away() {
        let json = r#"{"auto_scaling_group_name":"g","min_size":0,"max_size":0,"propagated_tags":{"a":"1"}}"#;
        let want = Group::resolve(&serde_json::from_str(json).unwrap()).unwrap();
        let map = |keys: &[&str]| keys.iter().map(|k| ((*k).to_owned(), "1".to_owned())).collect::<TagMap>();
        let change = GroupChange {
            tags: Some(FieldChange { before: Some(map(&["a", "b"])), after: None }),
            propagated_tags: Some(FieldChange { before: None, after: Some(map(&["a"])) }),
            ..GroupChange::default()
        };
        let (set, remove) = tag_changes("g", &want, &change);
        assert_eq!(
            set.iter().map(|t| (t.key(), t.propagate_at_launch())).collect::<Vec<_>>(),
            [(Some("a"), Some(true))]
        );
        assert_eq!(remove.iter().map(|t| t.key()).collect::<Vec<_>>(), [Some("b")]);
    }
}
