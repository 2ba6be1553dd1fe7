//! [`TargetGroup`].
//!
//! No emulator keeps target control ports; that part follows the service model alone.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::{Block, CloudError, Input, Outputs, Resource};

use super::{
    Elb, ONE_BY_ONE, PAGE, changed_attributes, created_tags, list_tags, managed, text, unless_absent, update_tags,
};
use crate::arn::Arn;
use crate::client::Aws;
use crate::ids::VpcId;
use crate::manage::{Created, Found, Manage, Target};
use crate::{batch, owner, wait};

/// For so long a listener that was just deleted may hold the group.
const UNTIL_FREE: Duration = Duration::from_secs(60);

/// What a load balancer sends traffic to, and how it knows what of it is healthy.
///
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:elbv2:TargetGroup",
    terraform = "aws_lb_target_group",
    cloudformation = "AWS::ElasticLoadBalancingV2::TargetGroup",
    identity = NaturalKey,
    unique(name)
)]
pub struct TargetGroup {
    /// The name, unique in account and region: up to 32 letters, digits and hyphens.
    #[field(replace)]
    pub name: Input<String>,
    /// `HTTP`, `HTTPS`, `TCP`, `TLS`, `UDP`, `TCP_UDP`, `QUIC`, `TCP_QUIC` or `GENEVE`. Not for functions.
    #[field(replace)]
    pub protocol: Option<Input<String>>,
    /// `HTTP1` (AWS's default), `HTTP2` or `GRPC`, of HTTP and HTTPS.
    #[field(replace, cloud_default)]
    pub protocol_version: Option<Input<String>>,
    /// The port of targets that name none. Not for functions.
    #[field(replace)]
    pub port: Option<Input<i32>>,
    /// The VPC that the targets are in. Not for functions.
    #[field(replace)]
    pub vpc_id: Option<Input<VpcId>>,
    /// The protocol of health checks. AWS's default: HTTP, for network load balancers TCP.
    #[field(cloud_default)]
    pub health_check_protocol: Option<Input<String>>,
    /// The port of health checks; `traffic-port`, AWS's default, is the target's.
    #[field(cloud_default)]
    pub health_check_port: Option<Input<String>>,
    /// Whether health is checked, which only for functions may be left off.
    #[field(cloud_default)]
    pub health_check_enabled: Option<Input<bool>>,
    /// The path of health checks over HTTP. AWS's default: `/`.
    #[field(cloud_default)]
    pub health_check_path: Option<Input<String>>,
    /// Seconds between two checks, 5 to 300. AWS's default: 30.
    #[field(cloud_default)]
    pub health_check_interval_seconds: Option<Input<i32>>,
    /// Seconds after which a check without an answer has failed, 2 to 120.
    #[field(cloud_default)]
    pub health_check_timeout_seconds: Option<Input<i32>>,
    /// How many checks in a row make a target healthy, 2 to 10. AWS's default: 5.
    #[field(cloud_default)]
    pub healthy_threshold_count: Option<Input<i32>>,
    /// How many failed checks in a row make a target unhealthy, 2 to 10. AWS's default: 2.
    #[field(cloud_default)]
    pub unhealthy_threshold_count: Option<Input<i32>>,
    /// Which answers to a check are healthy.
    #[field(cloud_default)]
    pub matcher: Option<Input<Matcher>>,
    /// What the targets are: `instance` (AWS's default), `ip`, `lambda` or `alb`.
    #[field(replace, cloud_default)]
    pub target_type: Option<Input<String>>,
    /// `ipv4` or `ipv6`.
    #[field(replace, cloud_default)]
    pub ip_address_type: Option<Input<String>>,
    /// The port on which targets tell the load balancer how much more they can take.
    #[field(replace)]
    pub target_control_port: Option<Input<i32>>,
    /// Attributes, of which those that are not set stay as they are: `deregistration_delay.timeout_seconds`, `stickiness.enabled` … .
    /// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html>
    #[field(cloud_default)]
    pub attributes: Option<Input<BTreeMap<String, String>>>,
    /// The tags.
    pub tags: Tags,
}

/// Which answers to a health check are healthy.
#[derive(Clone, Debug, Block)]
pub struct Matcher {
    /// Of HTTP: `200`, `200,202`, `200-299`.
    #[field(cloud_default)]
    pub http_code: Option<Input<String>>,
    /// Of gRPC: `12`, `0,1`, `0-99`.
    #[field(cloud_default)]
    pub grpc_code: Option<Input<String>>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct TargetGroupOutputs {
    /// The ARN.
    pub arn: Arn,
    /// The last part of the ARN, which is the dimension `TargetGroup` of its metrics: `targetgroup/web/0a1b2c3d4e5f6a7b`.
    pub target_group_full_name: Option<String>,
}

impl Manage for TargetGroup {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let elb = &aws.elbv2(cx).await?;
        let groups = &describe(elb, targets).await?;
        let there = |target: &&Target<'_>| matches!(groups.get(target.id), Some(Ok(_)));
        let mut tags = list_tags(elb, targets.iter().filter(there).filter(|t| t.wants("tags")).map(|t| t.id)).await?;
        let tags: Vec<_> = targets.iter().map(|t| tags.remove(t.id).unwrap_or_default()).collect();
        batch::each(targets.iter().zip(tags), |(target, tags)| async move {
            Ok(match groups.get(target.id) {
                None => Found::Gone,
                Some(Err(error)) => Found::Failed(error.clone()),
                Some(Ok(group)) => match attributes(elb, target).await {
                    Ok(Some(attributes)) => shown(group, managed(target, attributes), tags),
                    Ok(None) => Found::Gone,
                    Err(error) => Found::Failed(error),
                },
            })
        })
        .await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &TargetGroupResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        if let Some(there) = Self::find(aws, cx, want, intent).await? {
            return Ok(there);
        }
        let elb = &aws.elbv2(cx).await?;
        let request = elb
            .create_target_group()
            .name(&want.name)
            .set_protocol(want.protocol.as_deref().map(Into::into))
            .set_protocol_version(want.protocol_version.clone())
            .set_port(want.port)
            .set_vpc_id(want.vpc_id.as_ref().map(ToString::to_string))
            .set_health_check_protocol(want.health_check_protocol.as_deref().map(Into::into))
            .set_health_check_port(want.health_check_port.clone())
            .set_health_check_enabled(want.health_check_enabled)
            .set_health_check_path(want.health_check_path.clone())
            .set_health_check_interval_seconds(want.health_check_interval_seconds)
            .set_health_check_timeout_seconds(want.health_check_timeout_seconds)
            .set_healthy_threshold_count(want.healthy_threshold_count)
            .set_unhealthy_threshold_count(want.unhealthy_threshold_count)
            .set_matcher(want.matcher.as_ref().map(to_matcher))
            .set_target_type(want.target_type.as_deref().map(Into::into))
            .set_ip_address_type(want.ip_address_type.as_deref().map(Into::into))
            .set_target_control_port(want.target_control_port)
            .set_tags(created_tags(&want.tags, intent));
        let answer = match elb.write("CreateTargetGroup", || request.clone().send()).await {
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                return Self::find(aws, cx, want, intent).await?.ok_or(taken);
            }
            answer => answer?,
        };
        let made = answer.target_groups.unwrap_or_default().into_iter().next();
        made.and_then(|group| created(&group, want))
            .ok_or_else(|| elb.unexpected("CreateTargetGroup", "the answer describes no target group"))
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &TargetGroupResolved,
    ) -> Result<Option<TargetGroupOutputs>, CloudError> {
        let elb = &aws.elbv2(cx).await?;
        set_attributes(elb, id, want.attributes.clone().unwrap_or_default()).await?;
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &TargetGroupResolved,
        change: &TargetGroupChange,
    ) -> Result<Option<TargetGroupOutputs>, CloudError> {
        let elb = &aws.elbv2(cx).await?;
        let health = change.health_check_protocol.is_some()
            || change.health_check_port.is_some()
            || change.health_check_enabled.is_some()
            || change.health_check_path.is_some()
            || change.health_check_interval_seconds.is_some()
            || change.health_check_timeout_seconds.is_some()
            || change.healthy_threshold_count.is_some()
            || change.unhealthy_threshold_count.is_some()
            || change.matcher.is_some();
        if health {
            let request = elb
                .modify_target_group()
                .target_group_arn(id)
                .set_health_check_protocol(want.health_check_protocol.as_deref().map(Into::into))
                .set_health_check_port(want.health_check_port.clone())
                .set_health_check_enabled(want.health_check_enabled)
                .set_health_check_path(want.health_check_path.clone())
                .set_health_check_interval_seconds(want.health_check_interval_seconds)
                .set_health_check_timeout_seconds(want.health_check_timeout_seconds)
                .set_healthy_threshold_count(want.healthy_threshold_count)
                .set_unhealthy_threshold_count(want.unhealthy_threshold_count)
                .set_matcher(want.matcher.as_ref().map(to_matcher));
            elb.write_idempotent("ModifyTargetGroup", || request.clone().send()).await?;
        }
        set_attributes(elb, id, changed_attributes(change.attributes.as_ref())).await?;
        update_tags(elb, id, change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _was: Option<&TargetGroupResolved>) -> Result<(), CloudError> {
        let elb = &aws.elbv2(cx).await?;
        let request = elb.delete_target_group().target_group_arn(id);
        // What only just stopped sending traffic to it may hold it for a moment; then nothing is listed any more, and no hint is given.
        let passing = |e: &CloudError| e.kind == ErrorKind::InUse && e.hint.is_none();
        let deleted = wait::eventually(cx, UNTIL_FREE, passing, || async {
            match elb.write_idempotent("DeleteTargetGroup", || request.clone().send()).await {
                Err(error) if error.kind == ErrorKind::InUse => {
                    let holders = get(elb, id).await?.and_then(|g| g.load_balancer_arns).unwrap_or_default();
                    let hint = format!("listeners of {} still send traffic to it", holders.join(", "));
                    Err(if holders.is_empty() { error } else { error.hint(hint) })
                }
                answer => answer,
            }
        });
        unless_absent(deleted.await).map(drop)
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &TargetGroupResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let elb = &aws.elbv2(cx).await?;
        let request = elb.describe_target_groups().names(&want.name);
        let answer = unless_absent(elb.read("DescribeTargetGroups", || request.clone().send()).await)?;
        let groups = answer.and_then(|a| a.target_groups).unwrap_or_default();
        let named = groups.iter().find(|g| g.target_group_name() == Some(want.name.as_str()));
        let Some(made) = named.and_then(|group| created(group, want)) else { return Ok(None) };
        let Some(tags) = list_tags(elb, [made.id.as_str()]).await?.remove(&made.id) else { return Ok(None) };
        owner::check(&format!("the target group {}", want.name), &tags, intent)?;
        Ok(Some(made))
    }
}

fn outputs(group: &sdk::TargetGroup) -> Option<TargetGroupOutputs> {
    let arn = group.target_group_arn()?;
    Some(TargetGroupOutputs {
        arn: Arn::new(arn),
        target_group_full_name: arn.rsplit_once(':').map(|(_, name)| name.to_owned()),
    })
}

fn created(group: &sdk::TargetGroup, want: &TargetGroupResolved) -> Option<Created<TargetGroup>> {
    let outputs = outputs(group)?;
    let complete = want.attributes.as_ref().is_none_or(BTreeMap::is_empty);
    Some(Created { id: outputs.arn.to_string(), outputs, complete })
}

fn to_matcher(want: &MatcherResolved) -> sdk::Matcher {
    sdk::Matcher::builder().set_http_code(want.http_code.clone()).set_grpc_code(want.grpc_code.clone()).build()
}

async fn get(elb: &Elb, arn: &str) -> Result<Option<sdk::TargetGroup>, CloudError> {
    let request = elb.describe_target_groups().target_group_arns(arn);
    let answer = unless_absent(elb.read("DescribeTargetGroups", || request.clone().send()).await)?;
    let groups = answer.and_then(|a| a.target_groups).unwrap_or_default();
    Ok(groups.into_iter().find(|g| g.target_group_arn() == Some(arn)))
}

/// Target groups by ARN: few one by one, many from the list of all.
async fn describe(
    elb: &Elb,
    targets: &[Target<'_>],
) -> Result<HashMap<String, Result<sdk::TargetGroup, CloudError>>, CloudError> {
    if targets.len() <= ONE_BY_ONE {
        let asked = batch::each(targets, |target| async { Ok((target.id, get(elb, target.id).await.transpose())) });
        return Ok(asked.await?.into_iter().filter_map(|(id, found)| Some((id.to_owned(), found?))).collect());
    }
    let all = batch::pages(|marker| async move {
        let request = elb.describe_target_groups().page_size(PAGE).set_marker(marker);
        let answer = elb.read("DescribeTargetGroups", || request.clone().send()).await?;
        Ok((answer.target_groups.unwrap_or_default(), answer.next_marker))
    });
    Ok(all.await?.into_iter().filter_map(|g| Some((g.target_group_arn.clone()?, Ok(g)))).collect())
}

/// The attributes take a call for each group: asked only for what the program sets. `None`: the group is gone by now.
async fn attributes(elb: &Elb, target: &Target<'_>) -> Result<Option<BTreeMap<String, String>>, CloudError> {
    if !target.wants("attributes") {
        return Ok(Some(BTreeMap::new()));
    }
    let request = elb.describe_target_group_attributes().target_group_arn(target.id);
    let answer = unless_absent(elb.read("DescribeTargetGroupAttributes", || request.clone().send()).await)?;
    Ok(answer.map(|answer| {
        let told = answer.attributes.unwrap_or_default().into_iter();
        told.filter_map(|a| Some((a.key?, a.value.unwrap_or_default()))).collect()
    }))
}

fn shown(
    group: &sdk::TargetGroup,
    attributes: Option<BTreeMap<String, String>>,
    tags: BTreeMap<String, String>,
) -> Found<TargetGroup> {
    let Some(outputs) = outputs(group) else { return Found::Gone };
    let matcher =
        group.matcher().map(|m| MatcherResolved { http_code: text(m.http_code()), grpc_code: text(m.grpc_code()) });
    let fields = TargetGroupResolved {
        name: group.target_group_name().unwrap_or_default().to_owned(),
        protocol: group.protocol().map(|p| p.as_str().to_owned()),
        protocol_version: text(group.protocol_version()),
        port: group.port,
        vpc_id: group.vpc_id().filter(|id| !id.is_empty()).map(VpcId::new),
        health_check_protocol: group.health_check_protocol().map(|p| p.as_str().to_owned()),
        health_check_port: text(group.health_check_port()),
        health_check_enabled: group.health_check_enabled,
        health_check_path: text(group.health_check_path()),
        health_check_interval_seconds: group.health_check_interval_seconds,
        health_check_timeout_seconds: group.health_check_timeout_seconds,
        healthy_threshold_count: group.healthy_threshold_count,
        unhealthy_threshold_count: group.unhealthy_threshold_count,
        matcher: matcher.filter(|m| m.http_code.is_some() || m.grpc_code.is_some()),
        target_type: group.target_type().map(|t| t.as_str().to_owned()),
        ip_address_type: group.ip_address_type().map(|t| t.as_str().to_owned()),
        target_control_port: group.target_control_port,
        attributes,
        tags,
    };
    Found::present(fields, outputs)
}

async fn set_attributes(elb: &Elb, id: &str, attributes: BTreeMap<String, String>) -> Result<(), CloudError> {
    if attributes.is_empty() {
        return Ok(());
    }
    let one = |(key, value)| sdk::TargetGroupAttribute::builder().key(key).value(value).build();
    let attributes = attributes.into_iter().map(one).collect();
    let request = elb.modify_target_group_attributes().target_group_arn(id).set_attributes(Some(attributes));
    elb.write_idempotent("ModifyTargetGroupAttributes", || request.clone().send()).await.map(drop)
}
