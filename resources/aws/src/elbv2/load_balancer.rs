//! [`LoadBalancer`].
//!
//! No emulator keeps a load balancer provisioning or fails one, or serves reserved capacity, address pools and source NAT; those parts follow the
//! service model alone.

use std::collections::{BTreeMap, HashMap};

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
use crate::forms::in_order_of;
use crate::ids::{AllocationId, HostedZoneId, IpamPoolId, SecurityGroupId, SubnetId, VpcId};
use crate::manage::{Created, Found, Manage, Target};
use crate::wait::{Stage, until};
use crate::{batch, owner};

/// Spreads traffic over targets: an application, network or gateway load balancer.
///
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:elbv2:LoadBalancer",
    terraform = "aws_lb",
    cloudformation = "AWS::ElasticLoadBalancingV2::LoadBalancer",
    identity = NaturalKey,
    unique(name)
)]
pub struct LoadBalancer {
    /// The name, unique in account and region: up to 32 letters, digits and hyphens.
    #[field(replace)]
    pub name: Input<String>,
    /// `application` (AWS's default), `network` or `gateway`.
    #[field(replace, cloud_default)]
    pub r#type: Option<Input<String>>,
    /// `internet-facing` (AWS's default) or `internal`.
    #[field(replace, cloud_default)]
    pub scheme: Option<Input<String>>,
    /// The subnets that it stands in, one a zone. Set either them or `subnet_mappings`.
    #[field(set, cloud_default)]
    pub subnets: Option<Input<Vec<SubnetId>>>,
    /// The subnets that it stands in, and the addresses that it has there.
    #[field(set, cloud_default)]
    pub subnet_mappings: Option<Input<Vec<SubnetMapping>>>,
    /// What may reach it. AWS's default, for an application load balancer: the VPC's default group.
    #[field(set, cloud_default)]
    pub security_groups: Option<Input<Vec<SecurityGroupId>>>,
    /// `ipv4`, `dualstack` or `dualstack-without-public-ipv4`.
    #[field(cloud_default)]
    pub ip_address_type: Option<Input<String>>,
    /// The pool of one's own addresses on an Outpost.
    #[field(replace)]
    pub customer_owned_ipv4_pool: Option<Input<String>>,
    /// Whether a network load balancer translates IPv6 sources, for UDP: `on` or `off`.
    #[field(cloud_default)]
    pub enable_prefix_for_ipv6_source_nat: Option<Input<String>>,
    /// The IPAM pools that its addresses come from.
    pub ipam_pools: Option<Input<IpamPools>>,
    /// Whether a network load balancer's groups also judge what comes through PrivateLink: `on` or `off`.
    #[field(cloud_default)]
    pub enforce_security_group_inbound_rules_on_private_link_traffic: Option<Input<String>>,
    /// Capacity that is held ready for it.
    pub minimum_load_balancer_capacity: Option<Input<MinimumLoadBalancerCapacity>>,
    /// Attributes, of which those that are not set stay as they are: `idle_timeout.timeout_seconds`, `access_logs.s3.enabled` … .
    /// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html>
    #[field(cloud_default)]
    pub attributes: Option<Input<BTreeMap<String, String>>>,
    /// The tags.
    pub tags: Tags,
}

/// A subnet that a load balancer stands in, and its addresses there.
#[derive(Clone, Debug, Block)]
pub struct SubnetMapping {
    /// The subnet.
    pub subnet_id: Input<SubnetId>,
    /// Its Elastic IP address there, if it faces the internet.
    #[field(cloud_default)]
    pub allocation_id: Option<Input<AllocationId>>,
    /// Its private address there, if it is internal.
    #[field(cloud_default)]
    pub private_ipv4_address: Option<Input<String>>,
    /// Its IPv6 address there.
    #[field(cloud_default)]
    pub ipv6_address: Option<Input<String>>,
    /// The range of addresses that it translates IPv6 sources to, or `auto_assigned`.
    #[field(cloud_default)]
    pub source_nat_ipv6_prefix: Option<Input<String>>,
}

/// The IPAM pools that a load balancer's addresses come from.
#[derive(Clone, Debug, Block)]
pub struct IpamPools {
    /// For IPv4.
    pub ipv4_ipam_pool_id: Option<Input<IpamPoolId>>,
}

/// Capacity that is held ready for a load balancer.
#[derive(Clone, Debug, Block)]
pub struct MinimumLoadBalancerCapacity {
    /// The capacity units.
    pub capacity_units: Input<i32>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct LoadBalancerOutputs {
    /// The ARN.
    pub arn: Arn,
    /// The name by which it is reached.
    pub dns_name: Option<String>,
    /// The zone of that name, for alias records.
    pub canonical_hosted_zone_id: Option<HostedZoneId>,
    /// The VPC that it stands in.
    pub vpc_id: Option<VpcId>,
    /// The last part of the ARN, which is the dimension `LoadBalancer` of its metrics: `app/web/0a1b2c3d4e5f6a7b`.
    pub load_balancer_full_name: Option<String>,
}

impl Manage for LoadBalancer {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let elb = &aws.elbv2(cx).await?;
        let balancers = &describe(elb, targets).await?;
        let there = |target: &&Target<'_>| matches!(balancers.get(target.id), Some(Ok(_)));
        let tagged = targets.iter().filter(there).filter(|t| t.wants("tags")).map(|t| t.id);
        let mut tags = list_tags(elb, tagged).await?;
        let tags: Vec<_> = targets.iter().map(|t| tags.remove(t.id).unwrap_or_default()).collect();
        batch::each(targets.iter().zip(tags), |(target, tags)| async move {
            Ok(match balancers.get(target.id) {
                None => Found::Gone,
                Some(Err(error)) => Found::Failed(error.clone()),
                Some(Ok(balancer)) => match extras(elb, target).await {
                    Ok(Some(extras)) => shown(target, balancer, extras, tags),
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
        want: &LoadBalancerResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        if let Some(there) = Self::find(aws, cx, want, intent).await? {
            return Ok(there);
        }
        let elb = &aws.elbv2(cx).await?;
        let request = elb
            .create_load_balancer()
            .name(&want.name)
            .set_type(want.r#type.as_deref().map(Into::into))
            .set_scheme(want.scheme.as_deref().map(Into::into))
            .set_subnets(want.subnets.as_ref().map(|s| s.iter().map(ToString::to_string).collect()))
            .set_subnet_mappings(want.subnet_mappings.as_ref().map(|m| m.iter().map(to_mapping).collect()))
            .set_security_groups(want.security_groups.as_ref().map(|g| g.iter().map(ToString::to_string).collect()))
            .set_ip_address_type(want.ip_address_type.as_deref().map(Into::into))
            .set_customer_owned_ipv4_pool(want.customer_owned_ipv4_pool.clone())
            .set_enable_prefix_for_ipv6_source_nat(want.enable_prefix_for_ipv6_source_nat.as_deref().map(Into::into))
            .set_ipam_pools(want.ipam_pools.as_ref().map(to_pools))
            .set_tags(created_tags(&want.tags, intent));
        let answer = match elb.write("CreateLoadBalancer", || request.clone().send()).await {
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                return Self::find(aws, cx, want, intent).await?.ok_or(taken);
            }
            answer => answer?,
        };
        let made = answer.load_balancers.unwrap_or_default().into_iter().next();
        made.as_ref()
            .and_then(created)
            .ok_or_else(|| elb.unexpected("CreateLoadBalancer", "the answer describes no load balancer"))
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &LoadBalancerResolved,
    ) -> Result<Option<LoadBalancerOutputs>, CloudError> {
        let elb = &aws.elbv2(cx).await?;
        let outputs = active(elb, cx, id, &want.name).await?;
        set_attributes(elb, id, want.attributes.clone().unwrap_or_default()).await?;
        if let Some(enforce) = &want.enforce_security_group_inbound_rules_on_private_link_traffic {
            set_security_groups(elb, id, want, Some(enforce)).await?;
        }
        if let Some(capacity) = &want.minimum_load_balancer_capacity {
            reserve(elb, id, Some(capacity.capacity_units)).await?;
        }
        Ok(Some(outputs))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &LoadBalancerResolved,
        change: &LoadBalancerChange,
    ) -> Result<Option<LoadBalancerOutputs>, CloudError> {
        let elb = &aws.elbv2(cx).await?;
        let address_type = change.ip_address_type.is_some();
        if change.subnets.is_some()
            || change.subnet_mappings.is_some()
            || change.enable_prefix_for_ipv6_source_nat.is_some()
        {
            let request = elb
                .set_subnets()
                .load_balancer_arn(id)
                .set_subnets(want.subnets.as_ref().map(|s| s.iter().map(ToString::to_string).collect()))
                .set_subnet_mappings(want.subnet_mappings.as_ref().map(|m| m.iter().map(to_mapping).collect()))
                .set_ip_address_type(want.ip_address_type.as_deref().filter(|_| address_type).map(Into::into))
                .set_enable_prefix_for_ipv6_source_nat(
                    want.enable_prefix_for_ipv6_source_nat.as_deref().map(Into::into),
                );
            elb.write_idempotent("SetSubnets", || request.clone().send()).await?;
        } else if address_type {
            let kind = want.ip_address_type.as_deref().map(Into::into);
            let request = elb.set_ip_address_type().load_balancer_arn(id).set_ip_address_type(kind);
            elb.write_idempotent("SetIpAddressType", || request.clone().send()).await?;
        }
        if change.security_groups.is_some()
            || change.enforce_security_group_inbound_rules_on_private_link_traffic.is_some()
        {
            // Said with other groups as well: what the call leaves out is AWS's default, which is on.
            let enforce = want.enforce_security_group_inbound_rules_on_private_link_traffic.as_ref();
            set_security_groups(elb, id, want, enforce).await?;
        }
        if change.ipam_pools.is_some() {
            let request = match want.ipam_pools.as_ref().filter(|p| p.ipv4_ipam_pool_id.is_some()) {
                Some(pools) => elb.modify_ip_pools().load_balancer_arn(id).ipam_pools(to_pools(pools)),
                None => elb.modify_ip_pools().load_balancer_arn(id).remove_ipam_pools(sdk::RemoveIpamPoolEnum::Ipv4),
            };
            elb.write_idempotent("ModifyIpPools", || request.clone().send()).await?;
        }
        if let Some(capacity) = &change.minimum_load_balancer_capacity {
            reserve(elb, id, capacity.after.as_ref().map(|c| c.capacity_units)).await?;
        }
        set_attributes(elb, id, changed_attributes(change.attributes.as_ref())).await?;
        update_tags(elb, id, change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, was: Option<&LoadBalancerResolved>) -> Result<(), CloudError> {
        let elb = &aws.elbv2(cx).await?;
        let request = elb.delete_load_balancer().load_balancer_arn(id);
        match elb.write_idempotent("DeleteLoadBalancer", || request.clone().send()).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            Err(error) if error.code.as_deref() == Some("OperationNotPermitted") => {
                return Err(
                    error.hint("if it is protected, set its attribute deletion_protection.enabled to false first")
                );
            }
            answer => answer?,
        };
        let what = was.map_or_else(|| id.to_owned(), |was| format!("load balancer {}", was.name));
        until(cx, &what, || async {
            Ok(match get(elb, id).await? {
                None => Stage::Ready(()),
                Some(_) => Stage::Waiting("being deleted".to_owned()),
            })
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &LoadBalancerResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let elb = &aws.elbv2(cx).await?;
        let request = elb.describe_load_balancers().names(&want.name);
        let answer = unless_absent(elb.read("DescribeLoadBalancers", || request.clone().send()).await)?;
        let balancers = answer.and_then(|a| a.load_balancers).unwrap_or_default();
        let named = balancers.iter().find(|b| b.load_balancer_name() == Some(want.name.as_str()));
        let Some(made) = named.and_then(created) else { return Ok(None) };
        let Some(tags) = list_tags(elb, [made.id.as_str()]).await?.remove(&made.id) else { return Ok(None) };
        owner::check(&format!("the load balancer {}", want.name), &tags, intent)?;
        Ok(Some(made))
    }
}

fn outputs(balancer: &sdk::LoadBalancer) -> Option<LoadBalancerOutputs> {
    let arn = balancer.load_balancer_arn()?;
    Some(LoadBalancerOutputs {
        arn: Arn::new(arn),
        dns_name: balancer.dns_name.clone(),
        canonical_hosted_zone_id: balancer.canonical_hosted_zone_id().map(HostedZoneId::new),
        vpc_id: balancer.vpc_id().map(VpcId::new),
        load_balancer_full_name: arn.split_once(":loadbalancer/").map(|(_, name)| name.to_owned()),
    })
}

fn created(balancer: &sdk::LoadBalancer) -> Option<Created<LoadBalancer>> {
    let outputs = outputs(balancer)?;
    Some(Created { id: outputs.arn.to_string(), outputs, complete: false })
}

fn to_mapping(want: &SubnetMappingResolved) -> sdk::SubnetMapping {
    sdk::SubnetMapping::builder()
        .subnet_id(want.subnet_id.as_str())
        .set_allocation_id(want.allocation_id.as_ref().map(ToString::to_string))
        .set_private_ipv4_address(want.private_ipv4_address.clone())
        .set_ipv6_address(want.ipv6_address.clone())
        .set_source_nat_ipv6_prefix(want.source_nat_ipv6_prefix.clone())
        .build()
}

fn from_zone(zone: &sdk::AvailabilityZone) -> Option<SubnetMappingResolved> {
    let addresses = zone.load_balancer_addresses();
    let any = |of: fn(&sdk::LoadBalancerAddress) -> Option<&str>| text(addresses.iter().find_map(of));
    Some(SubnetMappingResolved {
        subnet_id: SubnetId::new(zone.subnet_id()?),
        allocation_id: any(|a| a.allocation_id()).map(AllocationId::new),
        private_ipv4_address: any(|a| a.private_ipv4_address()),
        ipv6_address: any(|a| a.ipv6_address()),
        source_nat_ipv6_prefix: zone.source_nat_ipv6_prefixes().first().cloned(),
    })
}

fn to_pools(want: &IpamPoolsResolved) -> sdk::IpamPools {
    sdk::IpamPools::builder().set_ipv4_ipam_pool_id(want.ipv4_ipam_pool_id.as_ref().map(ToString::to_string)).build()
}

async fn get(elb: &Elb, arn: &str) -> Result<Option<sdk::LoadBalancer>, CloudError> {
    let request = elb.describe_load_balancers().load_balancer_arns(arn);
    let answer = unless_absent(elb.read("DescribeLoadBalancers", || request.clone().send()).await)?;
    let balancers = answer.and_then(|a| a.load_balancers).unwrap_or_default();
    Ok(balancers.into_iter().find(|b| b.load_balancer_arn() == Some(arn)))
}

/// Load balancers by ARN: few one by one, many from the list of all.
async fn describe(
    elb: &Elb,
    targets: &[Target<'_>],
) -> Result<HashMap<String, Result<sdk::LoadBalancer, CloudError>>, CloudError> {
    if targets.len() <= ONE_BY_ONE {
        let asked = batch::each(targets, |target| async { Ok((target.id, get(elb, target.id).await.transpose())) });
        return Ok(asked.await?.into_iter().filter_map(|(id, found)| Some((id.to_owned(), found?))).collect());
    }
    let all = batch::pages(|marker| async move {
        let request = elb.describe_load_balancers().page_size(PAGE).set_marker(marker);
        let answer = elb.read("DescribeLoadBalancers", || request.clone().send()).await?;
        Ok((answer.load_balancers.unwrap_or_default(), answer.next_marker))
    });
    Ok(all.await?.into_iter().filter_map(|b| Some((b.load_balancer_arn.clone()?, Ok(b)))).collect())
}

/// What DescribeLoadBalancers leaves out takes a call for each load balancer: asked only for what the program sets.
#[derive(Default)]
struct Extras {
    attributes: Option<BTreeMap<String, String>>,
    capacity: Option<i32>,
}

/// `None`: the load balancer is gone by now.
async fn extras(elb: &Elb, target: &Target<'_>) -> Result<Option<Extras>, CloudError> {
    let mut extras = Extras::default();
    if target.wants("attributes") {
        let request = elb.describe_load_balancer_attributes().load_balancer_arn(target.id);
        let answer = elb.read("DescribeLoadBalancerAttributes", || request.clone().send()).await;
        let Some(answer) = unless_absent(answer)? else { return Ok(None) };
        let told = answer.attributes.unwrap_or_default().into_iter();
        let told = told.filter_map(|a| Some((a.key?, a.value.unwrap_or_default()))).collect();
        extras.attributes = managed(target, told);
    }
    if target.wants("minimum_load_balancer_capacity") {
        let request = elb.describe_capacity_reservation().load_balancer_arn(target.id);
        match unless_absent(elb.read("DescribeCapacityReservation", || request.clone().send()).await) {
            Ok(Some(answer)) => {
                extras.capacity = answer.minimum_load_balancer_capacity.and_then(|c| c.capacity_units);
            }
            Ok(None) => return Ok(None),
            // Being adopted, an object need not have it where it cannot be told: gateway load balancers, emulators.
            Err(error) if target.inputs.is_empty() => tracing::debug!(%error, "reserved capacity is not known"),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(extras))
}

fn shown(
    target: &Target<'_>,
    balancer: &sdk::LoadBalancer,
    extras: Extras,
    tags: BTreeMap<String, String>,
) -> Found<LoadBalancer> {
    let Some(outputs) = outputs(balancer) else { return Found::Gone };
    let mappings = balancer.availability_zones().iter().filter_map(from_zone).collect();
    let mappings = in_order_of::<SubnetMapping>(target.inputs.get("subnet_mappings"), mappings);
    let groups = balancer.security_groups().iter().map(SecurityGroupId::new).collect();
    let pool = balancer.ipam_pools().and_then(|p| p.ipv4_ipam_pool_id()).map(IpamPoolId::new);
    let fields = LoadBalancerResolved {
        name: balancer.load_balancer_name().unwrap_or_default().to_owned(),
        r#type: balancer.r#type().map(|t| t.as_str().to_owned()),
        scheme: balancer.scheme().map(|s| s.as_str().to_owned()),
        subnets: Some(mappings.iter().map(|m| m.subnet_id.clone()).collect()),
        subnet_mappings: Some(mappings),
        security_groups: Some(groups),
        ip_address_type: balancer.ip_address_type().map(|t| t.as_str().to_owned()),
        customer_owned_ipv4_pool: text(balancer.customer_owned_ipv4_pool()),
        enable_prefix_for_ipv6_source_nat: balancer
            .enable_prefix_for_ipv6_source_nat()
            .map(|prefix| prefix.as_str().to_owned()),
        ipam_pools: pool.map(|pool| IpamPoolsResolved { ipv4_ipam_pool_id: Some(pool) }),
        enforce_security_group_inbound_rules_on_private_link_traffic: text(
            balancer.enforce_security_group_inbound_rules_on_private_link_traffic(),
        ),
        minimum_load_balancer_capacity: extras
            .capacity
            .map(|capacity_units| MinimumLoadBalancerCapacityResolved { capacity_units }),
        attributes: extras.attributes,
        tags,
    };
    Found::present(fields, outputs)
}

/// Waits until a new load balancer is up.
async fn active(elb: &Elb, cx: &Cx, id: &str, name: &str) -> Result<LoadBalancerOutputs, CloudError> {
    until(cx, &format!("load balancer {name}"), || async {
        let Some(balancer) = get(elb, id).await? else {
            let message = format!("the load balancer {name} went away while it was waited for");
            return Err(CloudError { kind: ErrorKind::NotFound, ..elb.unexpected("DescribeLoadBalancers", message) });
        };
        let state = balancer.state();
        match state.and_then(|s| s.code()).map(|c| c.as_str()) {
            Some("failed") => {
                let why = state.and_then(|s| s.reason()).unwrap_or("no reason given");
                Err(CloudError::local(ErrorKind::Other, format!("the load balancer {name} failed: {why}")))
            }
            Some("provisioning") => Ok(Stage::Waiting("provisioning".to_owned())),
            // `active`, or `active_impaired`: it serves, but cannot grow.
            _ => outputs(&balancer)
                .map(Stage::Ready)
                .ok_or_else(|| elb.unexpected("DescribeLoadBalancers", "the answer names no load balancer")),
        }
    })
    .await
}

async fn set_attributes(elb: &Elb, id: &str, attributes: BTreeMap<String, String>) -> Result<(), CloudError> {
    if attributes.is_empty() {
        return Ok(());
    }
    let one = |(key, value)| sdk::LoadBalancerAttribute::builder().key(key).value(value).build();
    let attributes = attributes.into_iter().map(one).collect();
    let request = elb.modify_load_balancer_attributes().load_balancer_arn(id).set_attributes(Some(attributes));
    elb.write_idempotent("ModifyLoadBalancerAttributes", || request.clone().send()).await.map(drop)
}

/// Sets the groups, which the call must name even if only PrivateLink's traffic is at stake.
async fn set_security_groups(
    elb: &Elb,
    id: &str,
    want: &LoadBalancerResolved,
    enforce: Option<&String>,
) -> Result<(), CloudError> {
    let groups = match &want.security_groups {
        Some(groups) => groups.iter().map(ToString::to_string).collect(),
        None => get(elb, id).await?.and_then(|b| b.security_groups).unwrap_or_default(),
    };
    let request = elb
        .set_security_groups()
        .load_balancer_arn(id)
        .set_security_groups(Some(groups))
        .set_enforce_security_group_inbound_rules_on_private_link_traffic(enforce.map(|e| e.as_str().into()));
    elb.write_idempotent("SetSecurityGroups", || request.clone().send()).await.map(drop)
}

async fn reserve(elb: &Elb, id: &str, units: Option<i32>) -> Result<(), CloudError> {
    let request = elb.modify_capacity_reservation().load_balancer_arn(id);
    let request = match units {
        Some(units) => request
            .minimum_load_balancer_capacity(sdk::MinimumLoadBalancerCapacity::builder().capacity_units(units).build()),
        None => request.reset_capacity_reservation(true),
    };
    elb.write_idempotent("ModifyCapacityReservation", || request.clone().send()).await.map(drop)
}
