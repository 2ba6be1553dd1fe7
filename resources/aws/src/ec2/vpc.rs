//! [`Vpc`]. It is the example for all other types: fields, outputs, then the verbs in the order in which they happen.
//!
//! No emulator serves encryption control or IPv6 pools; those parts follow the service model alone.

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::{ResourceType, Tenancy, VpcAttributeName};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{FieldChange, Input, Tags};
use phx_model::value::Value;
use phx_model::{Block, CloudError, Ipv4Cidr, Outputs, Resource};

use super::describe::{self, by, by_intent};
use super::route::{canonical, canonical_range};
use super::{Ec2, IpamPoolId, VpcId, arn, boolean, holders, once_free, once_known, tagging};
use crate::arn::Arn;
use crate::batch::{align, each};
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::wait::{Stage, until};

/// A virtual network of one region. <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpc.html>
///
/// Its IPv6 range is exchanged in place: the old one goes first, which AWS refuses while a subnet has a part of it. Other ranges of the VPC are left
/// alone.
#[derive(Clone, Debug, Resource)]
#[resource(type = "aws:ec2:Vpc", terraform = "aws_vpc", cloudformation = "AWS::EC2::VPC", identity = IntentTag)]
pub struct Vpc {
    /// The range of its IPv4 addresses, /16 to /28.
    #[field(replace)]
    pub cidr_block: Input<Ipv4Cidr>,
    /// Whether instances with public addresses get public DNS names. AWS's default: no.
    #[field(cloud_default)]
    pub enable_dns_hostnames: Option<Input<bool>>,
    /// Whether Amazon's DNS server answers in it. AWS's default: yes.
    #[field(cloud_default)]
    pub enable_dns_support: Option<Input<bool>>,
    /// Whether network address usage is measured. AWS's default: no.
    #[field(cloud_default)]
    pub enable_network_address_usage_metrics: Option<Input<bool>>,
    /// How instances share hardware: `default` or `dedicated`. A VPC that is `dedicated` can become `default`, but not the other way round: that is
    /// refused with the advice to replace the VPC.
    #[field(cloud_default)]
    pub instance_tenancy: Option<Input<String>>,
    /// Whether Amazon gives it a /56 of IPv6 addresses.
    #[field(cloud_default)]
    pub amazon_provided_ipv6_cidr_block: Option<Input<bool>>,
    /// The range of its IPv6 addresses, out of `ipv6_pool` or `ipv6_ipam_pool_id`.
    #[field(cloud_default, normalize = canonical_range)]
    pub ipv6_cidr_block: Option<Input<String>>,
    /// The pool of one's own IPv6 addresses to take the range from.
    #[field(cloud_default)]
    pub ipv6_pool: Option<Input<String>>,
    /// The location from which its IPv6 addresses are advertised.
    #[field(cloud_default)]
    pub ipv6_cidr_block_network_border_group: Option<Input<String>>,
    /// The IPAM pool to take `cidr_block` from. It counts when the VPC is made, and may be left out afterwards.
    #[field(replace, write_only, cloud_default)]
    pub ipv4_ipam_pool_id: Option<Input<IpamPoolId>>,
    /// The IPAM pool to take an IPv6 range from. Without it the range goes. AWS does not tell which pool a range is of: from one pool to another it
    /// takes two steps.
    #[field(write_only)]
    pub ipv6_ipam_pool_id: Option<Input<IpamPoolId>>,
    /// How long a prefix the range from the IPv6 IPAM pool shall have.
    #[field(write_only)]
    pub ipv6_netmask_length: Option<Input<i32>>,
    /// Whether traffic must be encrypted.
    #[field(cloud_default)]
    pub vpc_encryption_control: Option<Input<VpcEncryption>>,
    /// Its tags.
    pub tags: Tags,
}

/// Whether traffic in a VPC must be encrypted, and what is exempt. An exemption is `enable` or `disable`.
#[derive(Clone, Debug, Block)]
pub struct VpcEncryption {
    /// `monitor` or `enforce`.
    pub mode: Input<String>,
    /// Exempts internet gateways.
    #[field(cloud_default)]
    pub internet_gateway_exclusion: Option<Input<String>>,
    /// Exempts egress-only internet gateways.
    #[field(cloud_default)]
    pub egress_only_internet_gateway_exclusion: Option<Input<String>>,
    /// Exempts NAT gateways.
    #[field(cloud_default)]
    pub nat_gateway_exclusion: Option<Input<String>>,
    /// Exempts virtual private gateways.
    #[field(cloud_default)]
    pub virtual_private_gateway_exclusion: Option<Input<String>>,
    /// Exempts peerings.
    #[field(cloud_default)]
    pub vpc_peering_exclusion: Option<Input<String>>,
    /// Exempts Lambda functions.
    #[field(cloud_default)]
    pub lambda_exclusion: Option<Input<String>>,
    /// Exempts VPC Lattice.
    #[field(cloud_default)]
    pub vpc_lattice_exclusion: Option<Input<String>>,
    /// Exempts Elastic File System.
    #[field(cloud_default)]
    pub elastic_file_system_exclusion: Option<Input<String>>,
}

/// What AWS decides of a [`Vpc`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct VpcOutputs {
    /// Its id.
    pub id: VpcId,
    /// Its ARN.
    pub arn: Option<Arn>,
    /// The account that owns it.
    pub owner_id: Option<String>,
    /// The range of its IPv4 addresses.
    pub cidr_block: Option<Ipv4Cidr>,
    /// The range of its IPv6 addresses, if it has one.
    #[output(volatile)]
    pub ipv6_cidr_block: Option<String>,
}

impl Manage for Vpc {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let region = aws.region(&cx.provider).await?;
        let vpcs = describe::vpcs(&ec2, by("vpc-id", targets.iter().map(|t| t.id))).await?;
        let mut found = align(targets, vpcs, |vpc| vpc.vpc_id(), |target, vpc| present(&region, target, vpc));
        // What DescribeVpcs leaves out takes a call for each VPC and attribute: asked only for what the program sets.
        let asked: Vec<_> = targets
            .iter()
            .enumerate()
            .filter(|(at, _)| matches!(found[*at], Found::Present { .. }))
            .flat_map(|(at, target)| {
                ATTRIBUTES.iter().filter(|a| target.wants(a.field)).map(move |a| (at, target.id, a))
            })
            .collect();
        let ec2 = &ec2;
        let answers =
            each(asked, |(at, id, attribute)| async move { Ok((at, attribute, attribute.read(ec2, id).await)) });
        for (at, attribute, answer) in answers.await? {
            match (answer, &mut found[at]) {
                (Ok(value), Found::Present { fields, .. }) => *(attribute.of)(fields) = value,
                // It went away between two calls.
                (Err(error), slot) if error.kind == ErrorKind::NotFound => *slot = Found::Gone,
                (Err(error), slot) => *slot = Found::Failed(error),
                (Ok(_), _) => {}
            }
        }
        Ok(found)
    }

    async fn create(aws: &Aws, cx: &Cx, want: &VpcResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let request = ec2
            .create_vpc()
            .cidr_block(want.cidr_block.to_string())
            .set_instance_tenancy(want.instance_tenancy.as_deref().map(Tenancy::from))
            .set_amazon_provided_ipv6_cidr_block(want.amazon_provided_ipv6_cidr_block)
            .set_ipv6_cidr_block(want.ipv6_cidr_block.clone())
            .set_ipv6_pool(want.ipv6_pool.clone())
            .set_ipv6_cidr_block_network_border_group(want.ipv6_cidr_block_network_border_group.clone())
            .set_ipv4_ipam_pool_id(want.ipv4_ipam_pool_id.as_ref().map(ToString::to_string))
            .set_ipv6_ipam_pool_id(want.ipv6_ipam_pool_id.as_ref().map(ToString::to_string))
            .set_ipv6_netmask_length(want.ipv6_netmask_length)
            .set_vpc_encryption_control(want.vpc_encryption_control.as_ref().map(encryption))
            .tag_specifications(tagging::specification(ResourceType::Vpc, &want.tags, intent));
        let answer = ec2.write("CreateVpc", || request.clone().send()).await?;
        let vpc = answer.vpc.ok_or_else(|| ec2.unexpected("CreateVpc", "the answer describes no VPC"))?;
        let outputs = outputs(&aws.region(&cx.provider).await?, &vpc)
            .ok_or_else(|| ec2.unexpected("CreateVpc", "the answer names no VPC"))?;
        let complete = !wants_ipv6(want) && ATTRIBUTES.iter().all(|a| a.change(want).is_none());
        Ok(Created { id: outputs.id.to_string(), outputs, complete })
    }

    async fn finish(aws: &Aws, cx: &Cx, id: &str, want: &VpcResolved) -> Result<Option<VpcOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        for attribute in ATTRIBUTES {
            if let Some(value) = attribute.change(want) {
                once_known(cx, || attribute.write(&ec2, id, value)).await?;
            }
        }
        if !wants_ipv6(want) {
            return Ok(None);
        }
        settle_ipv6(aws, cx, &ec2, id).await.map(Some)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &VpcResolved,
        change: &VpcChange,
    ) -> Result<Option<VpcOutputs>, CloudError> {
        // What cannot be done is said before anything is.
        check_pools(id, change.ipv6_ipam_pool_id.as_ref())?;
        let ec2 = aws.ec2(cx).await?;
        if let Some(tenancy) = change.instance_tenancy.as_ref().and_then(|c| c.after.as_deref()) {
            update_tenancy(&ec2, id, tenancy).await?;
        }
        let set = |change: &Option<FieldChange<bool>>| change.as_ref().and_then(|c| c.after);
        let (support, hostnames) = (set(&change.enable_dns_support), set(&change.enable_dns_hostnames));
        // AWS refuses host names without support: support goes first when it is switched on, and last when it is switched off.
        let mut attributes = vec![(&DNS_SUPPORT, support.filter(|on| *on)), (&DNS_HOSTNAMES, hostnames)];
        attributes.push((&DNS_SUPPORT, support.filter(|on| !*on)));
        attributes.push((&USAGE_METRICS, set(&change.enable_network_address_usage_metrics)));
        for (attribute, value) in attributes {
            if let Some(value) = value {
                attribute.write(&ec2, id, value).await?;
            }
        }
        if let Some(control) = &change.vpc_encryption_control {
            update_encryption(&ec2, id, control.after.as_ref()).await?;
        }
        tagging::update(&ec2, id, change.tags.as_ref()).await?;
        if changes_ipv6(change) { update_ipv6(aws, cx, &ec2, id, want, change).await.map(Some) } else { Ok(None) }
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&VpcResolved>) -> Result<(), CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let request = ec2.delete_vpc().vpc_id(id);
        let deleted = once_free(cx, || ec2.write_idempotent("DeleteVpc", || request.clone().send())).await;
        holders::explain(deleted, holders::of_vpc(&ec2, id)).await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &VpcResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let vpcs = describe::vpcs(&ec2, by_intent(intent)).await?;
        let Some(vpc) = vpcs.iter().find(|v| tagging::has_intent(v.tags(), intent)) else { return Ok(None) };
        let outputs = outputs(&aws.region(&cx.provider).await?, vpc);
        let complete = !wants_ipv6(want) && ATTRIBUTES.iter().all(|a| a.change(want).is_none());
        Ok(outputs.map(|outputs| Created { id: outputs.id.to_string(), outputs, complete }))
    }
}

/// An attribute that takes a call of its own to read and to write.
struct Attribute {
    field: &'static str,
    name: VpcAttributeName,
    default: bool,
    of: fn(&mut VpcResolved) -> &mut Option<bool>,
    want: fn(&VpcResolved) -> Option<bool>,
}

static DNS_SUPPORT: Attribute = Attribute {
    field: "enable_dns_support",
    name: VpcAttributeName::EnableDnsSupport,
    default: true,
    of: |fields| &mut fields.enable_dns_support,
    want: |fields| fields.enable_dns_support,
};
static DNS_HOSTNAMES: Attribute = Attribute {
    field: "enable_dns_hostnames",
    name: VpcAttributeName::EnableDnsHostnames,
    default: false,
    of: |fields| &mut fields.enable_dns_hostnames,
    want: |fields| fields.enable_dns_hostnames,
};
static USAGE_METRICS: Attribute = Attribute {
    field: "enable_network_address_usage_metrics",
    name: VpcAttributeName::EnableNetworkAddressUsageMetrics,
    default: false,
    of: |fields| &mut fields.enable_network_address_usage_metrics,
    want: |fields| fields.enable_network_address_usage_metrics,
};
static ATTRIBUTES: [&Attribute; 3] = [&DNS_SUPPORT, &DNS_HOSTNAMES, &USAGE_METRICS];

impl Attribute {
    /// What a new VPC's attribute has to be set to, if it is not so already.
    fn change(&self, want: &VpcResolved) -> Option<bool> {
        (self.want)(want).filter(|value| *value != self.default)
    }

    async fn read(&self, ec2: &Ec2, id: &str) -> Result<Option<bool>, CloudError> {
        let request = ec2.describe_vpc_attribute().vpc_id(id).attribute(self.name.clone());
        let answer = ec2.read("DescribeVpcAttribute", || request.clone().send()).await?;
        let value = match self.name {
            VpcAttributeName::EnableDnsSupport => answer.enable_dns_support,
            VpcAttributeName::EnableDnsHostnames => answer.enable_dns_hostnames,
            _ => answer.enable_network_address_usage_metrics,
        };
        Ok(value.and_then(|v| v.value))
    }

    /// `ModifyVpcAttribute` takes one attribute at a time.
    async fn write(&self, ec2: &Ec2, id: &str, value: bool) -> Result<(), CloudError> {
        let request = ec2.modify_vpc_attribute().vpc_id(id);
        let request = match self.name {
            VpcAttributeName::EnableDnsSupport => request.enable_dns_support(boolean(value)),
            VpcAttributeName::EnableDnsHostnames => request.enable_dns_hostnames(boolean(value)),
            _ => request.enable_network_address_usage_metrics(boolean(value)),
        };
        ec2.write_idempotent("ModifyVpcAttribute", || request.clone().send()).await.map(drop)
    }
}

fn outputs(region: &str, vpc: &sdk::Vpc) -> Option<VpcOutputs> {
    let id = vpc.vpc_id()?;
    Some(VpcOutputs {
        id: VpcId::new(id),
        arn: arn(region, vpc.owner_id(), "vpc", id),
        owner_id: vpc.owner_id.clone(),
        cidr_block: vpc.cidr_block().and_then(|c| c.parse().ok()),
        ipv6_cidr_block: associated(vpc).next().and_then(|a| a.ipv6_cidr_block.clone()),
    })
}

fn present(region: &str, target: &Target<'_>, vpc: &sdk::Vpc) -> Found<Vpc> {
    let Some(outputs) = outputs(region, vpc) else { return Found::Gone };
    let Some(cidr_block) = outputs.cidr_block else {
        let message = format!("{} has no IPv4 range that can be read: {:?}", outputs.id, vpc.cidr_block());
        return Found::Failed(CloudError::local(ErrorKind::Other, message));
    };
    // A VPC can have several ranges: what counts is the program's, wherever it stands among them. Where it is not there any more, another one is
    // not told in its place: that would be taken for what has to go for the program's to come.
    let set = target.inputs.get("ipv6_cidr_block").and_then(Value::as_str).map(canonical);
    let ipv6 = associated(vpc).find(|a| set.is_none() || a.ipv6_cidr_block().map(canonical) == set);
    let amazon = associated(vpc).any(is_amazons);
    let fields = VpcResolved {
        cidr_block,
        enable_dns_hostnames: None,
        enable_dns_support: None,
        enable_network_address_usage_metrics: None,
        instance_tenancy: vpc.instance_tenancy().map(|t| t.as_str().to_owned()),
        amazon_provided_ipv6_cidr_block: Some(amazon),
        ipv6_cidr_block: ipv6.and_then(|a| a.ipv6_cidr_block.clone()),
        ipv6_pool: ipv6.filter(|a| !is_amazons(a)).and_then(|a| a.ipv6_pool.clone()),
        ipv6_cidr_block_network_border_group: ipv6.and_then(|a| a.network_border_group.clone()),
        ipv4_ipam_pool_id: None,
        ipv6_ipam_pool_id: None,
        ipv6_netmask_length: None,
        vpc_encryption_control: vpc.encryption_control().and_then(encryption_of),
        tags: tagging::read(vpc.tags()),
    };
    Found::present(fields, outputs)
}

/// What the pool of Amazon's own IPv6 addresses is called in answers.
const AMAZON_POOL: &str = "Amazon";
/// What the ids of pools of one's own addresses begin with. A range of an IPAM pool is neither of these nor Amazon's.
const OWN_POOL: &str = "ipv6pool-";

fn wants_ipv6(want: &VpcResolved) -> bool {
    want.amazon_provided_ipv6_cidr_block == Some(true)
        || want.ipv6_cidr_block.is_some()
        || want.ipv6_pool.is_some()
        || want.ipv6_ipam_pool_id.is_some()
}

/// The IPv6 ranges in use. Ranges that were taken away stay in the answer for a while.
fn associated(vpc: &sdk::Vpc) -> impl Iterator<Item = &sdk::VpcIpv6CidrBlockAssociation> {
    vpc.ipv6_cidr_block_association_set().iter().filter(|a| ipv6_state(a) == Some("associated"))
}

fn is_amazons(association: &sdk::VpcIpv6CidrBlockAssociation) -> bool {
    association.ipv6_pool() == Some(AMAZON_POOL)
}

fn ipv6_state(association: &sdk::VpcIpv6CidrBlockAssociation) -> Option<&str> {
    Some(association.ipv6_cidr_block_state()?.state()?.as_str())
}

async fn one(ec2: &Ec2, id: &str) -> Result<sdk::Vpc, CloudError> {
    let vpcs = describe::vpcs(ec2, by("vpc-id", [id])).await?;
    vpcs.into_iter().find(|v| v.vpc_id() == Some(id)).ok_or_else(|| CloudError {
        kind: ErrorKind::NotFound,
        ..ec2.unexpected("DescribeVpcs", format!("there is no {id}"))
    })
}

/// Waits until no IPv6 range is on its way in or out.
async fn settle_ipv6(aws: &Aws, cx: &Cx, ec2: &Ec2, id: &str) -> Result<VpcOutputs, CloudError> {
    let region = aws.region(&cx.provider).await?;
    until(cx, &format!("the IPv6 range of {id}"), || async {
        let vpc = one(ec2, id).await?;
        for association in vpc.ipv6_cidr_block_association_set() {
            match ipv6_state(association) {
                Some(state @ ("associating" | "disassociating" | "failing")) => {
                    return Ok(Stage::Waiting(state.to_owned()));
                }
                Some("failed") => {
                    let why = association
                        .ipv6_cidr_block_state()
                        .and_then(|s| s.status_message())
                        .unwrap_or("no reason given");
                    let message = format!("{id} gets no IPv6 range: {why}");
                    return Err(CloudError::local(ErrorKind::Other, message));
                }
                _ => {}
            }
        }
        let outputs =
            outputs(&region, &vpc).ok_or_else(|| ec2.unexpected("DescribeVpcs", "the answer names no VPC"))?;
        Ok(Stage::Ready(outputs))
    })
    .await
}

/// A VPC's hardware can only become shared.
async fn update_tenancy(ec2: &Ec2, id: &str, want: &str) -> Result<(), CloudError> {
    let now = one(ec2, id).await?.instance_tenancy;
    if now.as_ref().map(Tenancy::as_str) == Some(want) {
        return Ok(());
    }
    if want != Tenancy::Default.as_str() {
        let message = format!("{id} shares hardware, and AWS makes no VPC {want} that is not so from its beginning");
        return Err(CloudError::local(ErrorKind::Invalid, message).hint(
            "take instance_tenancy out of the program and set the tenancy of instances, or have a new VPC with `phx up --replace`",
        ));
    }
    let request = ec2.modify_vpc_tenancy().vpc_id(id).instance_tenancy(sdk::VpcTenancy::Default);
    ec2.write_idempotent("ModifyVpcTenancy", || request.clone().send()).await.map(drop)
}

/// Whether a change is about the IPv6 range.
fn changes_ipv6(change: &VpcChange) -> bool {
    change.amazon_provided_ipv6_cidr_block.is_some()
        || change.ipv6_cidr_block.is_some()
        || change.ipv6_pool.is_some()
        || change.ipv6_cidr_block_network_border_group.is_some()
        || change.ipv6_ipam_pool_id.is_some()
        || change.ipv6_netmask_length.is_some()
}

/// Answers do not tell which IPAM pool a range is of, so it could not be seen whether an exchange was made that was cut off.
pub(super) fn check_pools(id: &str, pool: Option<&FieldChange<IpamPoolId>>) -> Result<(), CloudError> {
    match pool.map(|c| (&c.before, &c.after)) {
        Some((Some(old), Some(new))) if old != new => {
            let message = format!("the IPv6 range of {id} cannot go from the pool {old} to {new} in one step");
            Err(CloudError::local(ErrorKind::Invalid, message).hint(
                "take ipv6_ipam_pool_id out of the program and run `phx up`, which gives the range back; then name the new pool",
            ))
        }
        _ => Ok(()),
    }
}

/// What was wished before a change, as far as it is about the IPv6 range.
fn wished_before(want: &VpcResolved, change: &VpcChange) -> VpcResolved {
    let mut wish = want.clone();
    if let Some(c) = &change.amazon_provided_ipv6_cidr_block {
        wish.amazon_provided_ipv6_cidr_block = c.before;
    }
    if let Some(c) = &change.ipv6_cidr_block {
        wish.ipv6_cidr_block.clone_from(&c.before);
    }
    if let Some(c) = &change.ipv6_pool {
        wish.ipv6_pool.clone_from(&c.before);
    }
    if let Some(c) = &change.ipv6_cidr_block_network_border_group {
        wish.ipv6_cidr_block_network_border_group.clone_from(&c.before);
    }
    if let Some(c) = &change.ipv6_ipam_pool_id {
        wish.ipv6_ipam_pool_id.clone_from(&c.before);
    }
    if let Some(c) = &change.ipv6_netmask_length {
        wish.ipv6_netmask_length = c.before;
    }
    // Where the program's range is not there any more, another one of the same pool is somebody else's.
    if change.ipv6_cidr_block.as_ref().is_some_and(|c| c.before.is_none()) {
        wish.ipv6_pool = None;
        wish.ipv6_ipam_pool_id = None;
    }
    wish
}

/// Whether a range is what a wish asks for.
fn fits(association: &sdk::VpcIpv6CidrBlockAssociation, wish: &VpcResolved) -> bool {
    let (range, pool) = (association.ipv6_cidr_block(), association.ipv6_pool());
    let of_ipam = || !is_amazons(association) && !pool.is_some_and(|pool| pool.starts_with(OWN_POOL));
    let length = || range.and_then(|range| range.rsplit_once('/')).and_then(|(_, length)| length.parse::<i32>().ok());
    wants_ipv6(wish)
        && (wish.amazon_provided_ipv6_cidr_block != Some(true) || is_amazons(association))
        && wish.ipv6_cidr_block.as_deref().is_none_or(|wanted| range.map(canonical) == Some(canonical(wanted)))
        && wish.ipv6_pool.as_deref().is_none_or(|wanted| pool == Some(wanted))
        && (wish.ipv6_ipam_pool_id.is_none() || of_ipam())
        && wish.ipv6_netmask_length.is_none_or(|wanted| length() == Some(wanted))
        && wish
            .ipv6_cidr_block_network_border_group
            .as_deref()
            .is_none_or(|wanted| association.network_border_group() == Some(wanted))
}

/// Brings the program's IPv6 range to what is wished. The old one goes first: of Amazon's a VPC has one for each place from which they are
/// advertised.
async fn update_ipv6(
    aws: &Aws,
    cx: &Cx,
    ec2: &Ec2,
    id: &str,
    want: &VpcResolved,
    change: &VpcChange,
) -> Result<VpcOutputs, CloudError> {
    let vpc = one(ec2, id).await?;
    let before = wished_before(want, change);
    let old: Vec<&str> =
        associated(&vpc).filter(|a| fits(a, &before) && !fits(a, want)).filter_map(|a| a.association_id()).collect();
    for association in &old {
        let request = ec2.disassociate_vpc_cidr_block().association_id(*association);
        ec2.write_idempotent("DisassociateVpcCidrBlock", || request.clone().send()).await?;
    }
    // One that is on its way in may come of a call whose answer was lost: a second call would add a second range.
    let mut all = vpc.ipv6_cidr_block_association_set().iter();
    let there = all.any(|a| matches!(ipv6_state(a), Some("associated" | "associating")) && fits(a, want));
    if wants_ipv6(want) && !there {
        if !old.is_empty() {
            settle_ipv6(aws, cx, ec2, id).await?;
        }
        let amazons = want.amazon_provided_ipv6_cidr_block.filter(|on| *on);
        let request = ec2
            .associate_vpc_cidr_block()
            .vpc_id(id)
            .set_amazon_provided_ipv6_cidr_block(amazons)
            // Which of its ranges it is, Amazon decides.
            .set_ipv6_cidr_block(want.ipv6_cidr_block.clone().filter(|_| amazons.is_none()))
            .set_ipv6_pool(want.ipv6_pool.clone())
            .set_ipv6_cidr_block_network_border_group(want.ipv6_cidr_block_network_border_group.clone())
            .set_ipv6_ipam_pool_id(want.ipv6_ipam_pool_id.as_ref().map(ToString::to_string))
            .set_ipv6_netmask_length(want.ipv6_netmask_length);
        ec2.write("AssociateVpcCidrBlock", || request.clone().send()).await?;
    }
    settle_ipv6(aws, cx, ec2, id).await
}

fn exclusion(text: &str) -> sdk::VpcEncryptionControlExclusionStateInput {
    text.into()
}

fn encryption(want: &VpcEncryptionResolved) -> sdk::VpcEncryptionControlConfiguration {
    let exempt = |text: &Option<String>| text.as_deref().map(exclusion);
    sdk::VpcEncryptionControlConfiguration::builder()
        .mode(want.mode.as_str().into())
        .set_internet_gateway_exclusion(exempt(&want.internet_gateway_exclusion))
        .set_egress_only_internet_gateway_exclusion(exempt(&want.egress_only_internet_gateway_exclusion))
        .set_nat_gateway_exclusion(exempt(&want.nat_gateway_exclusion))
        .set_virtual_private_gateway_exclusion(exempt(&want.virtual_private_gateway_exclusion))
        .set_vpc_peering_exclusion(exempt(&want.vpc_peering_exclusion))
        .set_lambda_exclusion(exempt(&want.lambda_exclusion))
        .set_vpc_lattice_exclusion(exempt(&want.vpc_lattice_exclusion))
        .set_elastic_file_system_exclusion(exempt(&want.elastic_file_system_exclusion))
        .build()
}

/// Answers say what is ("enabled", "enabling"), requests what shall be ("enable").
fn encryption_of(control: &sdk::VpcEncryptionControl) -> Option<VpcEncryptionResolved> {
    if control.state().is_some_and(|s| s.as_str().starts_with("delet")) {
        return None;
    }
    let all = control.resource_exclusions();
    let exempt = |of: fn(&sdk::VpcEncryptionControlExclusions) -> Option<&sdk::VpcEncryptionControlExclusion>| {
        let state = of(all?)?.state()?.as_str();
        Some(if state.starts_with("enabl") { "enable" } else { "disable" }.to_owned())
    };
    Some(VpcEncryptionResolved {
        mode: control.mode()?.as_str().to_owned(),
        internet_gateway_exclusion: exempt(|e| e.internet_gateway()),
        egress_only_internet_gateway_exclusion: exempt(|e| e.egress_only_internet_gateway()),
        nat_gateway_exclusion: exempt(|e| e.nat_gateway()),
        virtual_private_gateway_exclusion: exempt(|e| e.virtual_private_gateway()),
        vpc_peering_exclusion: exempt(|e| e.vpc_peering()),
        lambda_exclusion: exempt(|e| e.lambda()),
        vpc_lattice_exclusion: exempt(|e| e.vpc_lattice()),
        elastic_file_system_exclusion: exempt(|e| e.elastic_file_system()),
    })
}

async fn update_encryption(ec2: &Ec2, id: &str, want: Option<&VpcEncryptionResolved>) -> Result<(), CloudError> {
    let vpc = one(ec2, id).await?;
    let living = vpc.encryption_control.filter(|c| encryption_of(c).is_some());
    let current = living.and_then(|c| c.vpc_encryption_control_id);
    let (current, want) = match (current, want) {
        (None, None) => return Ok(()),
        (Some(current), None) => {
            let request = ec2.delete_vpc_encryption_control().vpc_encryption_control_id(current);
            return ec2.write_idempotent("DeleteVpcEncryptionControl", || request.clone().send()).await.map(drop);
        }
        (Some(current), Some(want)) => (Some(current), want),
        (None, Some(want)) => {
            let request = ec2.create_vpc_encryption_control().vpc_id(id);
            let answer = ec2.write("CreateVpcEncryptionControl", || request.clone().send()).await?;
            (answer.vpc_encryption_control.and_then(|c| c.vpc_encryption_control_id), want)
        }
    };
    let exempt = |text: &Option<String>| text.as_deref().map(exclusion);
    let request = ec2
        .modify_vpc_encryption_control()
        .set_vpc_encryption_control_id(current)
        .mode(want.mode.as_str().into())
        .set_internet_gateway_exclusion(exempt(&want.internet_gateway_exclusion))
        .set_egress_only_internet_gateway_exclusion(exempt(&want.egress_only_internet_gateway_exclusion))
        .set_nat_gateway_exclusion(exempt(&want.nat_gateway_exclusion))
        .set_virtual_private_gateway_exclusion(exempt(&want.virtual_private_gateway_exclusion))
        .set_vpc_peering_exclusion(exempt(&want.vpc_peering_exclusion))
        .set_lambda_exclusion(exempt(&want.lambda_exclusion))
        .set_vpc_lattice_exclusion(exempt(&want.vpc_lattice_exclusion))
        .set_elastic_file_system_exclusion(exempt(&want.elastic_file_system_exclusion));
    ec2.write_idempotent("ModifyVpcEncryptionControl", || request.clone().send()).await.map(drop)
}
