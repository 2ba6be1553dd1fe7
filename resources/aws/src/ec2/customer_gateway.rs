//! [`CustomerGateway`].
//!
//! No emulator keeps a certificate, a device's name or a long AS number; those parts follow the service model alone.

use std::time::Duration;

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::{GatewayType, ResourceType};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::{CloudError, Outputs, Resource};

use super::describe::{self, by, by_intent};
use super::place::Place;
use super::{CustomerGatewayId, Ec2, tagging};
use crate::arn::Arn;
use crate::batch::align;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::owner;
use crate::wait::{Stage, eventually, until};

/// A VPN connection that was just deleted may hold the gateway for so long.
const UNTIL_FREE: Duration = Duration::from_secs(60);

/// The far end of a site-to-site VPN: what AWS knows of one's own device.
///
/// Two gateways of an account cannot have the same type, address and AS number.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateCustomerGateway.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:CustomerGateway",
    terraform = "aws_customer_gateway",
    cloudformation = "AWS::EC2::CustomerGateway",
    identity = IntentTag,
    unique(ip_address, bgp_asn, bgp_asn_extended)
)]
pub struct CustomerGateway {
    /// The kind of VPN: `ipsec.1`, the only value.
    #[field(replace)]
    pub r#type: Input<String>,
    /// The device's BGP AS number up to 2147483647. AWS's default: 65000.
    #[field(replace, cloud_default)]
    pub bgp_asn: Option<Input<i32>>,
    /// The device's BGP AS number from 2147483648 to 4294967295, in place of `bgp_asn`.
    #[field(replace, cloud_default)]
    pub bgp_asn_extended: Option<Input<i64>>,
    /// The device's outside address, IPv4 or IPv6. It may be left out if there is a certificate.
    #[field(replace)]
    pub ip_address: Option<Input<String>>,
    /// The certificate that the device shows, of ACM's private authority.
    #[field(replace)]
    pub certificate_arn: Option<Input<Arn>>,
    /// A name for the device.
    #[field(replace)]
    pub device_name: Option<Input<String>>,
    /// Its tags.
    pub tags: Tags,
}

/// What AWS decides of a [`CustomerGateway`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct CustomerGatewayOutputs {
    /// Its id.
    pub id: CustomerGatewayId,
    /// Its ARN.
    pub arn: Arn,
}

impl Manage for CustomerGateway {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let place = Place::of(aws, cx).await?;
        let query = by("customer-gateway-id", targets.iter().map(|t| t.id));
        let gateways = describe::customer_gateways(&ec2, query).await?;
        Ok(align(targets, gateways, |gateway| gateway.customer_gateway_id(), |_, gateway| present(&place, gateway)))
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &CustomerGatewayResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let place = Place::of(aws, cx).await?;
        let request = ec2
            .create_customer_gateway()
            .r#type(GatewayType::from(want.r#type.as_str()))
            .set_bgp_asn(want.bgp_asn)
            .set_bgp_asn_extended(want.bgp_asn_extended)
            .set_ip_address(want.ip_address.clone())
            .set_certificate_arn(want.certificate_arn.as_ref().map(Arn::to_string))
            .set_device_name(want.device_name.clone())
            .tag_specifications(tagging::specification(ResourceType::CustomerGateway, &want.tags, intent));
        let answer = ec2.write("CreateCustomerGateway", || request.clone().send()).await?;
        let gateway = answer.customer_gateway;
        let gateway =
            gateway.ok_or_else(|| ec2.unexpected("CreateCustomerGateway", "the answer describes no gateway"))?;
        let made = made(&place, &gateway)
            .ok_or_else(|| ec2.unexpected("CreateCustomerGateway", "the answer names no gateway"))?;
        if !tagging::has_intent(gateway.tags(), intent) {
            // AWS answers with the gateway that has this address and number already. Whose that is, its tags say.
            let there = one(&ec2, &made.id).await?.unwrap_or(gateway);
            let what = format!("the customer gateway {} with this address and AS number", made.id);
            owner::check(&what, &tagging::read(there.tags()), intent)?;
        }
        Ok(made)
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &CustomerGatewayResolved,
    ) -> Result<Option<CustomerGatewayOutputs>, CloudError> {
        let ec2 = &aws.ec2(cx).await?;
        until(cx, &format!("customer gateway {id}"), || async move {
            let gateway = one(ec2, id).await?;
            Ok(match gateway.as_ref().map(state) {
                Some("available") => Stage::Ready(()),
                Some(state) if is_over(state) => {
                    let message = format!("customer gateway {id} is {state}");
                    return Err(CloudError::local(ErrorKind::Other, message));
                }
                Some(state) => Stage::Waiting(state.to_owned()),
                None => Stage::Waiting("not listed yet".to_owned()),
            })
        })
        .await?;
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &CustomerGatewayResolved,
        change: &CustomerGatewayChange,
    ) -> Result<Option<CustomerGatewayOutputs>, CloudError> {
        // Everything else makes a new gateway.
        tagging::update(&aws.ec2(cx).await?, id, change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&CustomerGatewayResolved>) -> Result<(), CloudError> {
        let ec2 = &aws.ec2(cx).await?;
        if one(ec2, id).await?.as_ref().is_none_or(|gateway| state(gateway) == "deleted") {
            return Ok(());
        }
        let request = ec2.delete_customer_gateway().customer_gateway_id(id);
        // IncorrectState: a VPN connection still uses it.
        let held = |e: &CloudError| e.kind == ErrorKind::InUse || e.code.as_deref() == Some("IncorrectState");
        let send = || ec2.write_idempotent("DeleteCustomerGateway", || request.clone().send());
        match eventually(cx, UNTIL_FREE, held, send).await {
            Ok(_) => {}
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            Err(error) if held(&error) => {
                let users = users(ec2, id).await.unwrap_or_default();
                if users.is_empty() {
                    return Err(error);
                }
                return Err(error.hint(format!("still used by {}; delete that first", users.join(", "))));
            }
            Err(error) => return Err(error),
        }
        until(cx, &format!("customer gateway {id}"), || async move {
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
        _: &CustomerGatewayResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let gateways = describe::customer_gateways(&ec2, by_intent(intent)).await?;
        let found = gateways.iter().find(|g| tagging::has_intent(g.tags(), intent) && !is_over(state(g)));
        let place = Place::of(aws, cx).await?;
        Ok(found.and_then(|gateway| made(&place, gateway)))
    }
}

fn state(gateway: &sdk::CustomerGateway) -> &str {
    gateway.state().unwrap_or("in no state")
}

fn is_over(state: &str) -> bool {
    matches!(state, "deleting" | "deleted")
}

fn outputs(place: &Place, gateway: &sdk::CustomerGateway) -> Option<CustomerGatewayOutputs> {
    let id = gateway.customer_gateway_id()?;
    Some(CustomerGatewayOutputs { id: CustomerGatewayId::new(id), arn: place.arn("customer-gateway", id) })
}

fn made(place: &Place, gateway: &sdk::CustomerGateway) -> Option<Created<CustomerGateway>> {
    outputs(place, gateway).map(|outputs| Created { id: outputs.id.to_string(), outputs, complete: false })
}

fn present(place: &Place, gateway: &sdk::CustomerGateway) -> Found<CustomerGateway> {
    if is_over(state(gateway)) {
        return Found::Gone;
    }
    let Some(outputs) = outputs(place, gateway) else { return Found::Gone };
    let text = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(str::to_owned);
    let fields = CustomerGatewayResolved {
        r#type: gateway.r#type().unwrap_or("ipsec.1").to_owned(),
        bgp_asn: gateway.bgp_asn().and_then(|asn| asn.parse().ok()),
        bgp_asn_extended: gateway.bgp_asn_extended().and_then(|asn| asn.parse().ok()),
        ip_address: text(gateway.ip_address()),
        certificate_arn: text(gateway.certificate_arn()).map(Arn::new),
        device_name: text(gateway.device_name()),
        tags: tagging::read(gateway.tags()),
    };
    Found::present(fields, outputs)
}

async fn one(ec2: &Ec2, id: &str) -> Result<Option<sdk::CustomerGateway>, CloudError> {
    let gateways = describe::customer_gateways(ec2, by("customer-gateway-id", [id])).await?;
    Ok(gateways.into_iter().find(|g| g.customer_gateway_id() == Some(id)))
}

/// The VPN connections that lead to it.
async fn users(ec2: &Ec2, id: &str) -> Result<Vec<String>, CloudError> {
    let connections = describe::vpn_connections(ec2, by("customer-gateway-id", [id])).await?;
    let mine = connections.iter().filter(|c| c.customer_gateway_id() == Some(id));
    let living = mine.filter(|c| c.state().is_none_or(|s| s.as_str() != "deleted"));
    Ok(living.filter_map(|c| c.vpn_connection_id.clone()).collect())
}
