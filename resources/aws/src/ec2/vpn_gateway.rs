//! [`VpnGateway`].
//!
//! No emulator keeps an attachment on its way; those parts follow the service model alone.

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::{GatewayType, ResourceType};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::{CloudError, Outputs, Resource};

use super::describe::{self, by, by_intent};
use super::place::Place;
use super::{Ec2, VpcId, VpnGatewayId, holders, once_free, once_known, tagging};
use crate::arn::Arn;
use crate::batch::align;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::wait::{Stage, until};

/// The AWS side of a site-to-site VPN, and its attachment to a VPC.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpnGateway.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:VpnGateway",
    terraform = "aws_vpn_gateway",
    cloudformation = "AWS::EC2::VPNGateway",
    identity = IntentTag
)]
pub struct VpnGateway {
    /// The kind of VPN: `ipsec.1`, the only value.
    #[field(replace)]
    pub r#type: Input<String>,
    /// The zone that it stands in, where AWS lets one choose.
    #[field(replace, cloud_default)]
    pub availability_zone: Option<Input<String>>,
    /// AWS's BGP AS number: 64512 to 65534, or 4200000000 to 4294967294. AWS's default: 64512.
    #[field(replace, cloud_default)]
    pub amazon_side_asn: Option<Input<i64>>,
    /// The VPC that it is attached to. A VPC has one at most.
    pub vpc_id: Option<Input<VpcId>>,
    /// Its tags.
    pub tags: Tags,
}

/// What AWS decides of a [`VpnGateway`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct VpnGatewayOutputs {
    /// Its id.
    pub id: VpnGatewayId,
    /// Its ARN.
    pub arn: Arn,
}

impl Manage for VpnGateway {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let place = Place::of(aws, cx).await?;
        let gateways = describe::vpn_gateways(&ec2, by("vpn-gateway-id", targets.iter().map(|t| t.id))).await?;
        Ok(align(targets, gateways, |gateway| gateway.vpn_gateway_id(), |_, gateway| present(&place, gateway)))
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &VpnGatewayResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let place = Place::of(aws, cx).await?;
        let request = ec2
            .create_vpn_gateway()
            .r#type(GatewayType::from(want.r#type.as_str()))
            .set_availability_zone(want.availability_zone.clone())
            .set_amazon_side_asn(want.amazon_side_asn)
            .tag_specifications(tagging::specification(ResourceType::VpnGateway, &want.tags, intent));
        let answer = ec2.write("CreateVpnGateway", || request.clone().send()).await?;
        let made = answer.vpn_gateway.and_then(|gateway| made(&place, &gateway));
        made.ok_or_else(|| ec2.unexpected("CreateVpnGateway", "the answer names no gateway"))
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &VpnGatewayResolved,
    ) -> Result<Option<VpnGatewayOutputs>, CloudError> {
        let ec2 = &aws.ec2(cx).await?;
        until(cx, &format!("vpn gateway {id}"), || async move {
            let gateway = one(ec2, id).await?;
            Ok(match gateway.as_ref().map(state) {
                Some("available") => Stage::Ready(()),
                Some(state) if is_over(state) => {
                    return Err(CloudError::local(ErrorKind::Other, format!("vpn gateway {id} is {state}")));
                }
                Some(state) => Stage::Waiting(state.to_owned()),
                None => Stage::Waiting("not listed yet".to_owned()),
            })
        })
        .await?;
        if let Some(vpc) = &want.vpc_id {
            attach(ec2, cx, id, vpc).await?;
        }
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &VpnGatewayResolved,
        change: &VpnGatewayChange,
    ) -> Result<Option<VpnGatewayOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        if let Some(vpc) = &change.vpc_id {
            let wanted = vpc.after.as_ref();
            detach_all(&ec2, cx, id, wanted).await?;
            if let Some(vpc) = wanted {
                attach(&ec2, cx, id, vpc).await?;
            }
        }
        tagging::update(&ec2, id, change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&VpnGatewayResolved>) -> Result<(), CloudError> {
        let ec2 = &aws.ec2(cx).await?;
        if one(ec2, id).await?.as_ref().is_none_or(|gateway| state(gateway) == "deleted") {
            return Ok(());
        }
        // Detached from where it is, which need not be where it was attached to.
        detach_all(ec2, cx, id, None).await?;
        let request = ec2.delete_vpn_gateway().vpn_gateway_id(id);
        let deleted = once_free(cx, || ec2.write_idempotent("DeleteVpnGateway", || request.clone().send())).await;
        holders::explain(deleted, users(ec2, id)).await?;
        until(cx, &format!("vpn gateway {id}"), || async move {
            let gateway = one(ec2, id).await?;
            Ok(match gateway.as_ref().map(state) {
                None | Some("deleted") => Stage::Ready(()),
                Some(state) => Stage::Waiting(state.to_owned()),
            })
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        _: &VpnGatewayResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let gateways = describe::vpn_gateways(&ec2, by_intent(intent)).await?;
        let found = gateways.iter().find(|g| tagging::has_intent(g.tags(), intent) && !is_over(state(g)));
        let place = Place::of(aws, cx).await?;
        Ok(found.and_then(|gateway| made(&place, gateway)))
    }
}

fn state(gateway: &sdk::VpnGateway) -> &str {
    gateway.state().map_or("in no state", sdk::VpnState::as_str)
}

fn is_over(state: &str) -> bool {
    matches!(state, "deleting" | "deleted")
}

fn outputs(place: &Place, gateway: &sdk::VpnGateway) -> Option<VpnGatewayOutputs> {
    let id = gateway.vpn_gateway_id()?;
    Some(VpnGatewayOutputs { id: VpnGatewayId::new(id), arn: place.arn("vpn-gateway", id) })
}

fn made(place: &Place, gateway: &sdk::VpnGateway) -> Option<Created<VpnGateway>> {
    outputs(place, gateway).map(|outputs| Created { id: outputs.id.to_string(), outputs, complete: false })
}

fn present(place: &Place, gateway: &sdk::VpnGateway) -> Found<VpnGateway> {
    if is_over(state(gateway)) {
        return Found::Gone;
    }
    let Some(outputs) = outputs(place, gateway) else { return Found::Gone };
    let fields = VpnGatewayResolved {
        r#type: gateway.r#type().map_or("ipsec.1", GatewayType::as_str).to_owned(),
        availability_zone: gateway.availability_zone.clone().filter(|zone| !zone.is_empty()),
        amazon_side_asn: gateway.amazon_side_asn(),
        vpc_id: attachments(gateway).find(|(_, state)| is_here(state)).map(|(vpc, _)| VpcId::new(vpc)),
        tags: tagging::read(gateway.tags()),
    };
    Found::present(fields, outputs)
}

/// The VPCs that it is or was attached to, and how far that is. Answers show detached ones for a while.
fn attachments(gateway: &sdk::VpnGateway) -> impl Iterator<Item = (&str, &str)> {
    let all = gateway.vpc_attachments().iter();
    all.filter_map(|a| Some((a.vpc_id()?, a.state().map_or("attached", sdk::AttachmentStatus::as_str))))
}

fn is_here(state: &str) -> bool {
    matches!(state, "attached" | "attaching")
}

async fn one(ec2: &Ec2, id: &str) -> Result<Option<sdk::VpnGateway>, CloudError> {
    let gateways = describe::vpn_gateways(ec2, by("vpn-gateway-id", [id])).await?;
    Ok(gateways.into_iter().find(|g| g.vpn_gateway_id() == Some(id)))
}

/// How far the attachment to a VPC is; `None`: there is none.
async fn attachment(ec2: &Ec2, id: &str, vpc: &str) -> Result<Option<String>, CloudError> {
    let gateway = one(ec2, id).await?;
    Ok(gateway.and_then(|gateway| attachments(&gateway).find(|(v, _)| *v == vpc).map(|(_, state)| state.to_owned())))
}

/// Attached already is attached. An attachment on its way out has to be gone first.
async fn attach(ec2: &Ec2, cx: &Cx, id: &str, vpc: &VpcId) -> Result<(), CloudError> {
    let what = format!("{id}'s attachment to {vpc}");
    let there = until(cx, &what, || async move {
        Ok(match attachment(ec2, id, vpc.as_str()).await?.as_deref() {
            Some("detaching") => Stage::Waiting("detaching".to_owned()),
            state => Stage::Ready(state.is_some_and(is_here)),
        })
    });
    if !there.await? {
        let request = ec2.attach_vpn_gateway().vpn_gateway_id(id).vpc_id(vpc.as_str());
        let attached = once_known(cx, || ec2.write_idempotent("AttachVpnGateway", || request.clone().send())).await;
        attached.map_err(|error| match error.code.as_deref() {
            Some("VpnGatewayAttachmentLimitExceeded") => {
                error.hint(format!("{vpc} has another virtual private gateway: detach that first, or import it"))
            }
            _ => error,
        })?;
    }
    until(cx, &what, || async move {
        Ok(match attachment(ec2, id, vpc.as_str()).await? {
            Some(state) if state == "attached" => Stage::Ready(()),
            Some(state) => Stage::Waiting(state),
            None => Stage::Waiting("not listed yet".to_owned()),
        })
    })
    .await
}

/// Detaches it from all VPCs but one.
async fn detach_all(ec2: &Ec2, cx: &Cx, id: &str, but: Option<&VpcId>) -> Result<(), CloudError> {
    let Some(gateway) = one(ec2, id).await? else { return Ok(()) };
    let others =
        attachments(&gateway).filter(|(vpc, state)| *state != "detached" && Some(*vpc) != but.map(VpcId::as_str));
    for (vpc, state) in others {
        if is_here(state) {
            let request = ec2.detach_vpn_gateway().vpn_gateway_id(id).vpc_id(vpc);
            once_free(cx, || ec2.write_idempotent("DetachVpnGateway", || request.clone().send())).await?;
        }
        until(cx, &format!("{id}'s attachment to {vpc}"), || async move {
            Ok(match attachment(ec2, id, vpc).await? {
                None => Stage::Ready(()),
                Some(state) if state == "detached" => Stage::Ready(()),
                Some(state) => Stage::Waiting(state),
            })
        })
        .await?;
    }
    Ok(())
}

/// The VPN connections that end at it.
async fn users(ec2: &Ec2, id: &str) -> Result<Vec<String>, CloudError> {
    let connections = describe::vpn_connections(ec2, by("vpn-gateway-id", [id])).await?;
    let mine = connections.iter().filter(|c| c.vpn_gateway_id() == Some(id));
    let living = mine.filter(|c| c.state().is_none_or(|s| s.as_str() != "deleted"));
    Ok(living.filter_map(|c| c.vpn_connection_id.clone()).collect())
}
