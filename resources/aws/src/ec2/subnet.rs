//! [`Subnet`].

use aws_sdk_ec2::operation::modify_subnet_attribute::builders::ModifySubnetAttributeFluentBuilder;
use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::{HostnameType, ResourceType};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{FieldChange, Input, Tags};
use phx_model::{CloudError, Ipv4Cidr, Outputs, Resource};

use super::describe::{self, by, by_intent};
use super::route::{canonical, canonical_range};
use super::vpc::check_pools;
use super::{Ec2, IpamPoolId, SubnetId, VpcId, arn, boolean, holders, once_free, once_known, tagging};
use crate::arn::Arn;
use crate::batch::align;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::wait::{Stage, until};

/// A range of a VPC's addresses in one availability zone. <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSubnet.html>
///
/// Its IPv6 range is exchanged in place: the old one goes first, which AWS refuses while something has an address of it.
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:Subnet",
    terraform = "aws_subnet",
    cloudformation = "AWS::EC2::Subnet",
    identity = IntentTag,
    unique(vpc_id, cidr_block)
)]
pub struct Subnet {
    /// The VPC that it is a part of.
    #[field(replace)]
    pub vpc_id: Input<VpcId>,
    /// The range of its IPv4 addresses, /16 to /28.
    #[field(replace)]
    pub cidr_block: Input<Ipv4Cidr>,
    /// The zone: `us-west-2a`. AWS chooses one if neither it nor `availability_zone_id` is set.
    #[field(replace, cloud_default)]
    pub availability_zone: Option<Input<String>>,
    /// The zone's id, which means the same place in every account: `usw2-az1`.
    #[field(replace, cloud_default)]
    pub availability_zone_id: Option<Input<String>>,
    /// The range of its IPv6 addresses, /44 to /64 in steps of 4.
    #[field(cloud_default, normalize = canonical_range)]
    pub ipv6_cidr_block: Option<Input<String>>,
    /// The IPAM pool to take an IPv6 range from, if there is none yet. Without it the range goes. AWS does not tell which pool a range is of: from one
    /// pool to another it takes two steps.
    #[field(write_only)]
    pub ipv6_ipam_pool_id: Option<Input<IpamPoolId>>,
    /// How long a prefix the range from the IPv6 IPAM pool shall have.
    #[field(write_only)]
    pub ipv6_netmask_length: Option<Input<i32>>,
    /// The Outpost that it lies on.
    #[field(replace)]
    pub outpost_arn: Option<Input<Arn>>,
    /// Whether instances started in it get a public IPv4 address. AWS's default: no.
    #[field(cloud_default)]
    pub map_public_ip_on_launch: Option<Input<bool>>,
    /// Whether network interfaces made in it get an IPv6 address. AWS's default: no.
    #[field(cloud_default)]
    pub assign_ipv6_address_on_creation: Option<Input<bool>>,
    /// Whether the DNS server answers with IPv6 addresses for hosts that have none. AWS's default: no.
    #[field(cloud_default)]
    pub enable_dns64: Option<Input<bool>>,
    /// What instances' host names are made of: `ip-name` or `resource-name`.
    #[field(cloud_default)]
    pub private_dns_hostname_type_on_launch: Option<Input<String>>,
    /// Whether host names resolve to IPv4 addresses.
    #[field(cloud_default)]
    pub enable_resource_name_dns_a_record_on_launch: Option<Input<bool>>,
    /// Whether host names resolve to IPv6 addresses.
    #[field(cloud_default)]
    pub enable_resource_name_dns_aaaa_record_on_launch: Option<Input<bool>>,
    /// Whether instances started in it get an address of `customer_owned_ipv4_pool`, which then must be set.
    #[field(cloud_default)]
    pub map_customer_owned_ip_on_launch: Option<Input<bool>>,
    /// The pool of one's own addresses on the Outpost.
    #[field(cloud_default)]
    pub customer_owned_ipv4_pool: Option<Input<String>>,
    /// The device position of local network interfaces. Not set: there are none.
    pub enable_lni_at_device_index: Option<Input<i32>>,
    /// Its tags.
    pub tags: Tags,
}

/// What AWS decides of a [`Subnet`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct SubnetOutputs {
    /// Its id.
    pub id: SubnetId,
    /// Its ARN.
    pub arn: Option<Arn>,
    /// The account that owns it.
    pub owner_id: Option<String>,
    /// The zone that it lies in.
    pub availability_zone: Option<String>,
    /// The id of that zone.
    pub availability_zone_id: Option<String>,
    /// The range of its IPv6 addresses, if it has one.
    #[output(volatile)]
    pub ipv6_cidr_block: Option<String>,
}

impl Manage for Subnet {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let region = aws.region(&cx.provider).await?;
        let subnets = describe::subnets(&ec2, by("subnet-id", targets.iter().map(|t| t.id))).await?;
        Ok(align(targets, subnets, |subnet| subnet.subnet_id(), |_, subnet| present(&region, subnet)))
    }

    async fn create(aws: &Aws, cx: &Cx, want: &SubnetResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let request = ec2
            .create_subnet()
            .vpc_id(want.vpc_id.as_str())
            .cidr_block(want.cidr_block.to_string())
            .set_availability_zone(want.availability_zone.clone())
            .set_availability_zone_id(want.availability_zone_id.clone())
            .set_ipv6_cidr_block(want.ipv6_cidr_block.clone())
            .set_ipv6_ipam_pool_id(want.ipv6_ipam_pool_id.as_ref().map(ToString::to_string))
            .set_ipv6_netmask_length(want.ipv6_netmask_length)
            .set_outpost_arn(want.outpost_arn.as_ref().map(ToString::to_string))
            .tag_specifications(tagging::specification(ResourceType::Subnet, &want.tags, intent));
        let answer = once_known(cx, || ec2.write("CreateSubnet", || request.clone().send())).await?;
        let subnet = answer.subnet.ok_or_else(|| ec2.unexpected("CreateSubnet", "the answer describes no subnet"))?;
        let outputs = outputs(&aws.region(&cx.provider).await?, &subnet)
            .ok_or_else(|| ec2.unexpected("CreateSubnet", "the answer names no subnet"))?;
        Ok(Created { id: outputs.id.to_string(), outputs, complete: is_complete(want) })
    }

    async fn finish(aws: &Aws, cx: &Cx, id: &str, want: &SubnetResolved) -> Result<Option<SubnetOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        // Addresses first: attributes that are about IPv6 need the range to be there.
        let outputs = if wants_ipv6(want) { Some(settle_ipv6(aws, cx, &ec2, id).await?) } else { None };
        let current = AttributeValues::default();
        for request in modifications(&ec2, id, &AttributeValues::of(want), &current) {
            once_known(cx, || ec2.write_idempotent("ModifySubnetAttribute", || request.clone().send())).await?;
        }
        Ok(outputs)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &SubnetResolved,
        change: &SubnetChange,
    ) -> Result<Option<SubnetOutputs>, CloudError> {
        // What cannot be done is said before anything is.
        check_pools(id, change.ipv6_ipam_pool_id.as_ref())?;
        let ec2 = aws.ec2(cx).await?;
        let before = AttributeValues::changed(change, |c| c.before.clone(), |c| c.before, |c| c.before);
        let mut after = AttributeValues::changed(change, |c| c.after.clone(), |c| c.after, |c| c.after);
        // Attributes that are about IPv6 need the range to be there: they are switched off before it may go, and on once it is there.
        let off = after.take_ipv6_off();
        for request in modifications(&ec2, id, &off, &AttributeValues::default()) {
            ec2.write_idempotent("ModifySubnetAttribute", || request.clone().send()).await?;
        }
        let outputs = if changes_ipv6(want, change) { Some(update_ipv6(aws, cx, &ec2, id, want).await?) } else { None };
        if after.map_customer_owned_ip.is_some() || after.customer_owned_pool.is_some() {
            // One call sets both, and AWS refuses the switch without the pool.
            after.map_customer_owned_ip = want.map_customer_owned_ip_on_launch;
            after.customer_owned_pool.clone_from(&want.customer_owned_ipv4_pool);
        }
        for request in modifications(&ec2, id, &after, &before) {
            ec2.write_idempotent("ModifySubnetAttribute", || request.clone().send()).await?;
        }
        tagging::update(&ec2, id, change.tags.as_ref()).await?;
        Ok(outputs)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&SubnetResolved>) -> Result<(), CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let request = ec2.delete_subnet().subnet_id(id);
        let deleted = once_free(cx, || ec2.write_idempotent("DeleteSubnet", || request.clone().send())).await;
        holders::explain(deleted, holders::of_subnet(&ec2, id)).await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &SubnetResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let subnets = describe::subnets(&ec2, by_intent(intent)).await?;
        let Some(subnet) = subnets.iter().find(|s| tagging::has_intent(s.tags(), intent)) else { return Ok(None) };
        let outputs = outputs(&aws.region(&cx.provider).await?, subnet);
        Ok(outputs.map(|outputs| Created { id: outputs.id.to_string(), outputs, complete: is_complete(want) }))
    }
}

fn outputs(region: &str, subnet: &sdk::Subnet) -> Option<SubnetOutputs> {
    let id = subnet.subnet_id()?;
    Some(SubnetOutputs {
        id: SubnetId::new(id),
        arn: subnet.subnet_arn().map(Arn::new).or_else(|| arn(region, subnet.owner_id(), "subnet", id)),
        owner_id: subnet.owner_id.clone(),
        availability_zone: subnet.availability_zone.clone(),
        availability_zone_id: subnet.availability_zone_id.clone(),
        ipv6_cidr_block: ipv6(subnet).and_then(|a| a.ipv6_cidr_block.clone()),
    })
}

fn present(region: &str, subnet: &sdk::Subnet) -> Found<Subnet> {
    let Some(outputs) = outputs(region, subnet) else { return Found::Gone };
    let (Some(vpc), Some(cidr_block)) = (subnet.vpc_id(), subnet.cidr_block().and_then(|c| c.parse().ok())) else {
        let message =
            format!("{} has no VPC, or no IPv4 range that can be read: {:?}", outputs.id, subnet.cidr_block());
        return Found::Failed(CloudError::local(ErrorKind::Other, message));
    };
    let names = subnet.private_dns_name_options_on_launch();
    let fields = SubnetResolved {
        vpc_id: VpcId::new(vpc),
        cidr_block,
        availability_zone: subnet.availability_zone.clone(),
        availability_zone_id: subnet.availability_zone_id.clone(),
        ipv6_cidr_block: outputs.ipv6_cidr_block.clone(),
        ipv6_ipam_pool_id: None,
        ipv6_netmask_length: None,
        outpost_arn: subnet.outpost_arn().map(Arn::new),
        map_public_ip_on_launch: subnet.map_public_ip_on_launch,
        assign_ipv6_address_on_creation: subnet.assign_ipv6_address_on_creation,
        enable_dns64: subnet.enable_dns64,
        private_dns_hostname_type_on_launch: names.and_then(|n| n.hostname_type()).map(|t| t.as_str().to_owned()),
        enable_resource_name_dns_a_record_on_launch: names.and_then(|n| n.enable_resource_name_dns_a_record()),
        enable_resource_name_dns_aaaa_record_on_launch: names.and_then(|n| n.enable_resource_name_dns_aaaa_record()),
        map_customer_owned_ip_on_launch: subnet.map_customer_owned_ip_on_launch,
        customer_owned_ipv4_pool: subnet.customer_owned_ipv4_pool.clone(),
        enable_lni_at_device_index: subnet.enable_lni_at_device_index,
        tags: tagging::read(subnet.tags()),
    };
    Found::present(fields, outputs)
}

/// The attributes that `CreateSubnet` does not take.
#[derive(Clone, Debug, Default, PartialEq)]
struct AttributeValues {
    map_public_ip: Option<bool>,
    assign_ipv6: Option<bool>,
    dns64: Option<bool>,
    hostname_type: Option<String>,
    a_record: Option<bool>,
    aaaa_record: Option<bool>,
    map_customer_owned_ip: Option<bool>,
    customer_owned_pool: Option<String>,
    lni_index: Option<i32>,
}

impl AttributeValues {
    /// What has to be set on a new subnet: what is wished for and is not AWS's default.
    fn of(want: &SubnetResolved) -> Self {
        let on = |value: Option<bool>| value.filter(|on| *on);
        Self {
            map_public_ip: on(want.map_public_ip_on_launch),
            assign_ipv6: on(want.assign_ipv6_address_on_creation),
            dns64: on(want.enable_dns64),
            hostname_type: want.private_dns_hostname_type_on_launch.clone(),
            a_record: want.enable_resource_name_dns_a_record_on_launch,
            aaaa_record: want.enable_resource_name_dns_aaaa_record_on_launch,
            // What is off beside a pool is said: the pool alone stands for on.
            map_customer_owned_ip: want
                .map_customer_owned_ip_on_launch
                .filter(|on| *on || want.customer_owned_ipv4_pool.is_some()),
            customer_owned_pool: want.customer_owned_ipv4_pool.clone(),
            lni_index: want.enable_lni_at_device_index,
        }
    }

    fn changed(
        change: &SubnetChange,
        text: impl Fn(&FieldChange<String>) -> Option<String>,
        flag: impl Fn(&FieldChange<bool>) -> Option<bool>,
        number: impl Fn(&FieldChange<i32>) -> Option<i32>,
    ) -> Self {
        Self {
            map_public_ip: change.map_public_ip_on_launch.as_ref().and_then(&flag),
            assign_ipv6: change.assign_ipv6_address_on_creation.as_ref().and_then(&flag),
            dns64: change.enable_dns64.as_ref().and_then(&flag),
            hostname_type: change.private_dns_hostname_type_on_launch.as_ref().and_then(&text),
            a_record: change.enable_resource_name_dns_a_record_on_launch.as_ref().and_then(&flag),
            aaaa_record: change.enable_resource_name_dns_aaaa_record_on_launch.as_ref().and_then(&flag),
            map_customer_owned_ip: change.map_customer_owned_ip_on_launch.as_ref().and_then(&flag),
            customer_owned_pool: change.customer_owned_ipv4_pool.as_ref().and_then(&text),
            lni_index: change.enable_lni_at_device_index.as_ref().and_then(&number),
        }
    }

    /// Takes what is about IPv6 and to be switched off.
    fn take_ipv6_off(&mut self) -> Self {
        let take = |value: &mut Option<bool>| if *value == Some(false) { value.take() } else { None };
        Self {
            assign_ipv6: take(&mut self.assign_ipv6),
            dns64: take(&mut self.dns64),
            aaaa_record: take(&mut self.aaaa_record),
            ..Self::default()
        }
    }
}

fn is_complete(want: &SubnetResolved) -> bool {
    !wants_ipv6(want) && AttributeValues::of(want) == AttributeValues::default()
}

/// `ModifySubnetAttribute` takes one attribute at a time, but for the customer-owned pool, which goes with its switch.
fn modifications(
    ec2: &Ec2,
    id: &str,
    want: &AttributeValues,
    current: &AttributeValues,
) -> Vec<ModifySubnetAttributeFluentBuilder> {
    let request = || ec2.modify_subnet_attribute().subnet_id(id);
    let mut requests = Vec::new();
    let flag = |value: Option<bool>| value.map(boolean);
    if want.map_public_ip.is_some() {
        requests.push(request().set_map_public_ip_on_launch(flag(want.map_public_ip)));
    }
    if want.assign_ipv6.is_some() {
        requests.push(request().set_assign_ipv6_address_on_creation(flag(want.assign_ipv6)));
    }
    if want.dns64.is_some() {
        requests.push(request().set_enable_dns64(flag(want.dns64)));
    }
    if let Some(hostname_type) = &want.hostname_type {
        requests.push(request().private_dns_hostname_type_on_launch(HostnameType::from(hostname_type.as_str())));
    }
    if want.a_record.is_some() {
        requests.push(request().set_enable_resource_name_dns_a_record_on_launch(flag(want.a_record)));
    }
    if want.aaaa_record.is_some() {
        requests.push(request().set_enable_resource_name_dns_aaaa_record_on_launch(flag(want.aaaa_record)));
    }
    if want.map_customer_owned_ip.is_some() || want.customer_owned_pool.is_some() {
        let switch = want.map_customer_owned_ip.unwrap_or(true);
        requests.push(
            request()
                .map_customer_owned_ip_on_launch(boolean(switch))
                .set_customer_owned_ipv4_pool(want.customer_owned_pool.clone()),
        );
    }
    match (want.lni_index, current.lni_index) {
        (Some(index), _) => requests.push(request().enable_lni_at_device_index(index)),
        (None, Some(_)) => requests.push(request().disable_lni_at_device_index(boolean(true))),
        (None, None) => {}
    }
    requests
}

fn wants_ipv6(want: &SubnetResolved) -> bool {
    want.ipv6_cidr_block.is_some() || want.ipv6_ipam_pool_id.is_some()
}

/// The IPv6 range in use. Ranges that were taken away stay in the answer for a while.
fn ipv6(subnet: &sdk::Subnet) -> Option<&sdk::SubnetIpv6CidrBlockAssociation> {
    subnet.ipv6_cidr_block_association_set().iter().find(|a| ipv6_state(a) == Some("associated"))
}

fn ipv6_state(association: &sdk::SubnetIpv6CidrBlockAssociation) -> Option<&str> {
    Some(association.ipv6_cidr_block_state()?.state()?.as_str())
}

async fn one(ec2: &Ec2, id: &str) -> Result<sdk::Subnet, CloudError> {
    let subnets = describe::subnets(ec2, by("subnet-id", [id])).await?;
    let missing =
        || CloudError { kind: ErrorKind::NotFound, ..ec2.unexpected("DescribeSubnets", format!("there is no {id}")) };
    subnets.into_iter().find(|s| s.subnet_id() == Some(id)).ok_or_else(missing)
}

/// Waits until no IPv6 range is on its way in or out.
async fn settle_ipv6(aws: &Aws, cx: &Cx, ec2: &Ec2, id: &str) -> Result<SubnetOutputs, CloudError> {
    let region = aws.region(&cx.provider).await?;
    let region = &region;
    until(cx, &format!("the IPv6 range of {id}"), || async move {
        let subnet = once_known(cx, || one(ec2, id)).await?;
        for association in subnet.ipv6_cidr_block_association_set() {
            match ipv6_state(association) {
                Some(state @ ("associating" | "disassociating" | "failing")) => {
                    return Ok(Stage::Waiting(state.to_owned()));
                }
                Some("failed") => {
                    let state = association.ipv6_cidr_block_state();
                    let why = state.and_then(|s| s.status_message()).unwrap_or("no reason given");
                    return Err(CloudError::local(ErrorKind::Other, format!("{id} gets no IPv6 range: {why}")));
                }
                _ => {}
            }
        }
        let outputs = outputs(region, &subnet);
        outputs.map(Stage::Ready).ok_or_else(|| ec2.unexpected("DescribeSubnets", "the answer names no subnet"))
    })
    .await
}

/// Whether a change is about the IPv6 range. Its length alone says nothing of one that is of no pool.
fn changes_ipv6(want: &SubnetResolved, change: &SubnetChange) -> bool {
    let length = change.ipv6_netmask_length.is_some() && want.ipv6_ipam_pool_id.is_some();
    change.ipv6_cidr_block.is_some() || change.ipv6_ipam_pool_id.is_some() || length
}

/// Whether the range that there is, or that there is none, is what is wished. Of what pool it is, AWS does not tell.
fn fits(range: Option<&str>, want: &SubnetResolved) -> bool {
    let Some(range) = range else { return !wants_ipv6(want) };
    let length = || range.rsplit_once('/').and_then(|(_, length)| length.parse::<i32>().ok());
    match &want.ipv6_cidr_block {
        Some(wanted) => canonical(range) == canonical(wanted),
        None => {
            want.ipv6_ipam_pool_id.is_some() && want.ipv6_netmask_length.is_none_or(|wanted| length() == Some(wanted))
        }
    }
}

/// The old range has to be gone before the new one comes: a subnet has one.
async fn update_ipv6(
    aws: &Aws,
    cx: &Cx,
    ec2: &Ec2,
    id: &str,
    want: &SubnetResolved,
) -> Result<SubnetOutputs, CloudError> {
    let subnet = one(ec2, id).await?;
    // One that is on its way in may come of a call whose answer was lost: a second one would be refused.
    let mut all = subnet.ipv6_cidr_block_association_set().iter();
    let current = all.find(|a| matches!(ipv6_state(a), Some("associated" | "associating")));
    if !fits(current.and_then(|a| a.ipv6_cidr_block()), want) {
        if let Some(association) = current.and_then(|a| a.association_id()) {
            let request = ec2.disassociate_subnet_cidr_block().association_id(association);
            ec2.write_idempotent("DisassociateSubnetCidrBlock", || request.clone().send()).await?;
            settle_ipv6(aws, cx, ec2, id).await?;
        }
        if wants_ipv6(want) {
            let request = ec2
                .associate_subnet_cidr_block()
                .subnet_id(id)
                .set_ipv6_cidr_block(want.ipv6_cidr_block.clone())
                .set_ipv6_ipam_pool_id(want.ipv6_ipam_pool_id.as_ref().map(ToString::to_string))
                .set_ipv6_netmask_length(want.ipv6_netmask_length);
            ec2.write("AssociateSubnetCidrBlock", || request.clone().send()).await?;
        }
    }
    settle_ipv6(aws, cx, ec2, id).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_subnet_takes_one_call() {
        let inputs = [("vpc_id", "vpc-1"), ("cidr_block", "10.0.0.0/24")]
            .map(|(k, v)| (k.to_owned(), phx_model::Value::String(v.into())))
            .into();
        let mut want = <Subnet as phx_model::Resource>::resolve(&inputs).unwrap();
        want.map_public_ip_on_launch = Some(false);
        assert!(is_complete(&want));
        want.map_public_ip_on_launch = Some(true);
        assert!(!is_complete(&want));
    }
}
