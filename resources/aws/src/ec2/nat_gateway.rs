//! [`NatGateway`].
//!
//! No emulator keeps a gateway pending, fails one, or serves secondary addresses and regional gateways; those parts follow the service
//! model alone.
use std::collections::BTreeSet;

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::{AvailabilityMode, ConnectivityType, ResourceType};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::{Block, CloudError, Outputs, Resource};

use super::describe::{self, by, by_intent};
use super::{AllocationId, Ec2, NatGatewayId, NetworkInterfaceId, SubnetId, VpcId, once_known, tagging};
use crate::batch::align;
use crate::call::client_token;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::wait::{Stage, until};

/// The way out of private subnets. <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNatGateway.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:NatGateway",
    terraform = "aws_nat_gateway",
    cloudformation = "AWS::EC2::NatGateway",
    identity = IntentTag,
    unique(allocation_id)
)]
pub struct NatGateway {
    /// The subnet that a zonal gateway stands in.
    #[field(replace)]
    pub subnet_id: Option<Input<SubnetId>>,
    /// The address that a public zonal gateway sends from.
    #[field(replace)]
    pub allocation_id: Option<Input<AllocationId>>,
    /// `public` or `private`. AWS's default: `public`.
    #[field(replace, cloud_default)]
    pub connectivity_type: Option<Input<String>>,
    /// `zonal` or `regional`. AWS's default: `zonal`.
    #[field(replace, cloud_default)]
    pub availability_mode: Option<Input<String>>,
    /// The VPC that a regional gateway serves.
    #[field(replace, cloud_default)]
    pub vpc_id: Option<Input<VpcId>>,
    /// The zones that a regional gateway serves, and from which addresses. Not set: all zones in use, and AWS finds addresses.
    #[field(replace, set, cloud_default)]
    pub availability_zone_addresses: Option<Input<Vec<ZoneAddresses>>>,
    /// Its address in the subnet.
    #[field(replace, cloud_default)]
    pub private_ip_address: Option<Input<String>>,
    /// More addresses that a public gateway sends from.
    #[field(set, cloud_default)]
    pub secondary_allocation_ids: Option<Input<Vec<AllocationId>>>,
    /// More addresses that a private gateway has in the subnet; for a public one, the private addresses of the secondary ones.
    #[field(set, cloud_default)]
    pub secondary_private_ip_addresses: Option<Input<Vec<String>>>,
    /// How many more addresses AWS shall choose for a private gateway. Only the creation uses it: leaving it out later changes nothing.
    #[field(replace, write_only, cloud_default)]
    pub secondary_private_ip_address_count: Option<Input<i32>>,
    /// Its tags.
    pub tags: Tags,
}

/// The addresses that a regional NAT gateway sends from in one zone. One of the two names of the zone is set.
#[derive(Clone, Debug, Block)]
pub struct ZoneAddresses {
    /// The zone: `us-west-2a`.
    #[field(cloud_default)]
    pub availability_zone: Option<Input<String>>,
    /// The zone's id: `usw2-az1`.
    #[field(cloud_default)]
    pub availability_zone_id: Option<Input<String>>,
    /// The addresses.
    #[field(set)]
    pub allocation_ids: Option<Input<Vec<AllocationId>>>,
}

/// What AWS decides of a [`NatGateway`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct NatGatewayOutputs {
    /// Its id.
    pub id: NatGatewayId,
    /// The VPC that it serves.
    pub vpc_id: Option<VpcId>,
    /// Its public address, if it is public and zonal.
    pub public_ip: Option<String>,
    /// Its address in the subnet.
    pub private_ip: Option<String>,
    /// Its network interface.
    pub network_interface_id: Option<NetworkInterfaceId>,
}

impl Manage for NatGateway {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let gateways = describe::nat_gateways(&ec2, by("nat-gateway-id", targets.iter().map(|t| t.id))).await?;
        Ok(align(targets, gateways, |gateway| gateway.nat_gateway_id(), present))
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &NatGatewayResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let zones = want.availability_zone_addresses.as_ref().map(|zones| zones.iter().map(zone).collect());
        let request = ec2
            .create_nat_gateway()
            .client_token(client_token(intent))
            .set_subnet_id(want.subnet_id.as_ref().map(ToString::to_string))
            .set_allocation_id(want.allocation_id.as_ref().map(ToString::to_string))
            // Said even where it is what EC2 would choose: not every stand-in for EC2 tells a choice that it made itself.
            .connectivity_type(
                want.connectivity_type.as_deref().map_or(ConnectivityType::Public, ConnectivityType::from),
            )
            .set_availability_mode(want.availability_mode.as_deref().map(AvailabilityMode::from))
            .set_vpc_id(want.vpc_id.as_ref().map(ToString::to_string))
            .set_availability_zone_addresses(zones)
            .set_private_ip_address(want.private_ip_address.clone())
            .set_secondary_allocation_ids(want.secondary_allocation_ids.as_ref().map(|ids| texts(ids)))
            .set_secondary_private_ip_addresses(want.secondary_private_ip_addresses.clone())
            .set_secondary_private_ip_address_count(want.secondary_private_ip_address_count)
            .tag_specifications(tagging::specification(ResourceType::Natgateway, &want.tags, intent));
        let answer = once_known(cx, || ec2.write("CreateNatGateway", || request.clone().send())).await?;
        let outputs = answer.nat_gateway.as_ref().and_then(outputs);
        let outputs = outputs.ok_or_else(|| ec2.unexpected("CreateNatGateway", "the answer names no gateway"))?;
        Ok(Created { id: outputs.id.to_string(), outputs, complete: false })
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &NatGatewayResolved,
    ) -> Result<Option<NatGatewayOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        available(&ec2, cx, id).await.map(|gateway| outputs(&gateway))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &NatGatewayResolved,
        change: &NatGatewayChange,
    ) -> Result<Option<NatGatewayOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        if change.secondary_allocation_ids.is_some() || change.secondary_private_ip_addresses.is_some() {
            let gateway = available(&ec2, cx, id).await?;
            let private = gateway.connectivity_type() == Some(&ConnectivityType::Private);
            if private {
                update_private(&ec2, id, want, &gateway).await?
            } else {
                update_public(&ec2, id, want, &gateway).await?
            }
            settle_addresses(&ec2, cx, id).await?;
        }
        tagging::update(&ec2, id, change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&NatGatewayResolved>) -> Result<(), CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let request = ec2.delete_nat_gateway().nat_gateway_id(id);
        match ec2.write_idempotent("DeleteNatGateway", || request.clone().send()).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            done => done?,
        };
        // Until then its address and its place in the subnet are taken.
        until(cx, &format!("nat gateway {id}"), || async {
            Ok(match one(&ec2, id).await? {
                None => Stage::Ready(()),
                Some(gateway) => match state(&gateway) {
                    "deleted" => Stage::Ready(()),
                    state => Stage::Waiting(state.to_owned()),
                },
            })
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        _: &NatGatewayResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let gateways = describe::nat_gateways(&ec2, by_intent(intent)).await?;
        let found = gateways.iter().find(|g| tagging::has_intent(g.tags(), intent) && !is_over(state(g)));
        Ok(found.and_then(outputs).map(|outputs| Created { id: outputs.id.to_string(), outputs, complete: false }))
    }
}

fn texts(ids: &[AllocationId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

fn zone(want: &ZoneAddressesResolved) -> sdk::AvailabilityZoneAddress {
    sdk::AvailabilityZoneAddress::builder()
        .set_availability_zone(want.availability_zone.clone())
        .set_availability_zone_id(want.availability_zone_id.clone())
        .set_allocation_ids(want.allocation_ids.as_ref().map(|ids| texts(ids)))
        .build()
}

fn state(gateway: &sdk::NatGateway) -> &str {
    gateway.state().map_or("in no state", sdk::NatGatewayState::as_str)
}

/// Whether it is gone as far as a program is concerned. AWS shows deleted ones for an hour, and removes failed ones by itself.
fn is_over(state: &str) -> bool {
    matches!(state, "deleted" | "deleting" | "failed")
}

fn primary(gateway: &sdk::NatGateway) -> Option<&sdk::NatGatewayAddress> {
    let addresses = gateway.nat_gateway_addresses();
    addresses
        .iter()
        .find(|a| a.is_primary() == Some(true))
        .or_else(|| addresses.first().filter(|a| a.is_primary().is_none()))
}

/// The secondary addresses that are there or on their way in.
fn secondaries(gateway: &sdk::NatGateway) -> impl Iterator<Item = &sdk::NatGatewayAddress> {
    let leaving = |a: &sdk::NatGatewayAddress| {
        a.status().is_some_and(|s| matches!(s.as_str(), "disassociating" | "unassigning" | "failed"))
    };
    gateway.nat_gateway_addresses().iter().filter(move |a| a.is_primary() == Some(false) && !leaving(a))
}

fn is_regional(gateway: &sdk::NatGateway) -> bool {
    gateway.availability_mode() == Some(&AvailabilityMode::Regional)
}

fn outputs(gateway: &sdk::NatGateway) -> Option<NatGatewayOutputs> {
    let primary = primary(gateway).filter(|_| !is_regional(gateway));
    Some(NatGatewayOutputs {
        id: NatGatewayId::new(gateway.nat_gateway_id()?),
        vpc_id: gateway.vpc_id().map(VpcId::new),
        public_ip: primary.and_then(|a| a.public_ip.clone()),
        private_ip: primary.and_then(|a| a.private_ip.clone()),
        network_interface_id: primary.and_then(|a| a.network_interface_id()).map(NetworkInterfaceId::new),
    })
}

fn present(target: &Target<'_>, gateway: &sdk::NatGateway) -> Found<NatGateway> {
    if is_over(state(gateway)) {
        return Found::Gone;
    }
    let Some(outputs) = outputs(gateway) else { return Found::Gone };
    let regional = is_regional(gateway);
    let primary = primary(gateway).filter(|_| !regional);
    let private = gateway.connectivity_type() == Some(&ConnectivityType::Private);
    let allocations = secondaries(gateway).filter_map(|a| a.allocation_id()).map(AllocationId::new).collect();
    let addresses = secondaries(gateway).filter_map(|a| a.private_ip.clone()).collect();
    let fields = NatGatewayResolved {
        subnet_id: gateway.subnet_id().filter(|s| !s.is_empty()).map(SubnetId::new),
        allocation_id: primary.and_then(|a| a.allocation_id()).map(AllocationId::new),
        connectivity_type: gateway.connectivity_type().map(|t| t.as_str().to_owned()),
        availability_mode: gateway.availability_mode().map(|m| m.as_str().to_owned()),
        vpc_id: outputs.vpc_id.clone(),
        // A gateway that finds its addresses by itself shows them too: they are the program's only if it set them.
        availability_zone_addresses: (regional && target.wants("availability_zone_addresses"))
            .then(|| zones(gateway, target)),
        private_ip_address: primary.and_then(|a| a.private_ip.clone()),
        secondary_allocation_ids: (!regional && !private).then_some(allocations),
        secondary_private_ip_addresses: (!regional).then_some(addresses),
        secondary_private_ip_address_count: None,
        tags: tagging::read(gateway.tags()),
    };
    Found::present(fields, outputs)
}

/// The zones and addresses of a regional gateway, each zone under the name that the program calls it by.
fn zones(gateway: &sdk::NatGateway, target: &Target<'_>) -> Vec<ZoneAddressesResolved> {
    let set = target.inputs.get("availability_zone_addresses").map(phx_model::Value::expose);
    let by_name = match set {
        Some(phx_model::Value::List(zones)) => zones.iter().any(
            |zone| matches!(zone.expose(), phx_model::Value::Map(fields) if fields.contains_key("availability_zone")),
        ),
        _ => true,
    };
    let mut zones: Vec<ZoneAddressesResolved> = Vec::new();
    for address in gateway.nat_gateway_addresses() {
        let name = address.availability_zone.clone().filter(|_| by_name);
        let id = address.availability_zone_id.clone().filter(|_| !by_name);
        let allocation = address.allocation_id().map(AllocationId::new);
        match zones.iter_mut().find(|z| z.availability_zone == name && z.availability_zone_id == id) {
            Some(zone) => zone.allocation_ids.get_or_insert_default().extend(allocation),
            None => zones.push(ZoneAddressesResolved {
                availability_zone: name,
                availability_zone_id: id,
                allocation_ids: allocation.map(|a| vec![a]),
            }),
        }
    }
    zones
}

async fn one(ec2: &Ec2, id: &str) -> Result<Option<sdk::NatGateway>, CloudError> {
    let read = |ids: BTreeSet<String>| async move {
        let gateways = describe::nat_gateways(ec2, by("nat-gateway-id", ids.iter().map(String::as_str))).await?;
        Ok(gateways.into_iter().filter_map(|g| Some((g.nat_gateway_id.clone()?, g))).collect())
    };
    ec2.joint("NAT gateways").one(id, read).await
}

async fn available(ec2: &Ec2, cx: &Cx, id: &str) -> Result<sdk::NatGateway, CloudError> {
    until(cx, &format!("nat gateway {id}"), || async {
        // A new one may not be listed yet.
        let Some(gateway) = one(ec2, id).await? else { return Ok(Stage::Waiting("not listed yet".to_owned())) };
        match state(&gateway) {
            "available" => Ok(Stage::Ready(gateway)),
            state if is_over(state) => {
                let code = gateway.failure_code.clone();
                let why = gateway.failure_message().unwrap_or("AWS gives no reason");
                let message = format!("nat gateway {id} is {state}: {why}");
                let error = CloudError { code, ..CloudError::local(ErrorKind::Other, message) };
                Err(error.hint("put right what it says; the next `up` makes a new gateway, and AWS removes this one within an hour"))
            }
            state => Ok(Stage::Waiting(state.to_owned())),
        }
    })
    .await
}

async fn settle_addresses(ec2: &Ec2, cx: &Cx, id: &str) -> Result<(), CloudError> {
    until(cx, &format!("nat gateway {id}'s addresses"), || async {
        let Some(gateway) = one(ec2, id).await? else { return Ok(Stage::Ready(())) };
        for address in gateway.nat_gateway_addresses() {
            match address.status().map(sdk::NatGatewayAddressStatus::as_str) {
                None | Some("succeeded") => {}
                Some("failed") => {
                    let which = address.allocation_id().or(address.private_ip()).unwrap_or("an address");
                    let why = address.failure_message().unwrap_or("AWS gives no reason");
                    return Err(CloudError::local(ErrorKind::Other, format!("{id} does not get {which}: {why}")));
                }
                Some(state) => return Ok(Stage::Waiting(state.to_owned())),
            }
        }
        Ok(Stage::Ready(()))
    })
    .await
}

/// Brings a public gateway's secondary addresses to what is wished.
async fn update_public(
    ec2: &Ec2,
    id: &str,
    want: &NatGatewayResolved,
    gateway: &sdk::NatGateway,
) -> Result<(), CloudError> {
    // What the program never set is left alone.
    let Some(want) = want.secondary_allocation_ids.as_deref() else { return Ok(()) };
    let want: BTreeSet<String> = texts(want).into_iter().collect();
    let extra: Vec<String> = secondaries(gateway)
        .filter(|a| a.allocation_id().is_none_or(|a| !want.contains(a)))
        .filter_map(|a| a.association_id.clone())
        .collect();
    let have: BTreeSet<&str> = secondaries(gateway).filter_map(|a| a.allocation_id()).collect();
    let missing: Vec<String> = want.iter().filter(|a| !have.contains(a.as_str())).cloned().collect();
    if !extra.is_empty() {
        let request = ec2.disassociate_nat_gateway_address().nat_gateway_id(id).set_association_ids(Some(extra));
        ec2.write_idempotent("DisassociateNatGatewayAddress", || request.clone().send()).await?;
    }
    if !missing.is_empty() {
        let request = ec2.associate_nat_gateway_address().nat_gateway_id(id).set_allocation_ids(Some(missing));
        ec2.write("AssociateNatGatewayAddress", || request.clone().send()).await?;
    }
    Ok(())
}

/// Brings a private gateway's secondary addresses to what is wished.
async fn update_private(
    ec2: &Ec2,
    id: &str,
    want: &NatGatewayResolved,
    gateway: &sdk::NatGateway,
) -> Result<(), CloudError> {
    // What the program never set is left alone.
    let Some(want) = want.secondary_private_ip_addresses.as_deref() else { return Ok(()) };
    let want: BTreeSet<&str> = want.iter().map(String::as_str).collect();
    let have: BTreeSet<&str> = secondaries(gateway).filter_map(|a| a.private_ip()).collect();
    let texts = |ips: Vec<&&str>| {
        Some(ips.into_iter().map(|ip| (*ip).to_owned()).collect::<Vec<_>>()).filter(|ips| !ips.is_empty())
    };
    if let Some(extra) = texts(have.difference(&want).collect()) {
        let request =
            ec2.unassign_private_nat_gateway_address().nat_gateway_id(id).set_private_ip_addresses(Some(extra));
        ec2.write_idempotent("UnassignPrivateNatGatewayAddress", || request.clone().send()).await?;
    }
    if let Some(missing) = texts(want.difference(&have).collect()) {
        let request =
            ec2.assign_private_nat_gateway_address().nat_gateway_id(id).set_private_ip_addresses(Some(missing));
        ec2.write("AssignPrivateNatGatewayAddress", || request.clone().send()).await?;
    }
    Ok(())
}
