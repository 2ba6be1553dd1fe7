//! [`VpnConnection`].
//!
//! No emulator serves options, tunnels, static routes or changes of a connection; those parts follow the service model alone.

use std::collections::BTreeSet;

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::{ResourceType, TunnelInsideIpVersion, VpnTunnelBandwidth};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::value::Val;
use phx_model::{CloudError, Outputs, Resource};

use super::describe::{self, by, by_intent};
use super::place::Place;
use super::vpn_tunnel::{self, VpnConnectionOptions, VpnConnectionOptionsResolved, VpnTunnelOptionsResolved};
use super::{CustomerGatewayId, Ec2, TransitGatewayId, VpnConnectionId, VpnGatewayId, once_known, tagging};
use crate::arn::Arn;
use crate::batch::align;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::owner;
use crate::wait::{Stage, until};

/// A site-to-site VPN: two tunnels between a customer gateway and a virtual private gateway or transit gateway.
///
/// The file with which the customer's device is set up holds the tunnels' keys, so it is no output: the console and
/// `aws ec2 describe-vpn-connections` give it.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpnConnection.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:VpnConnection",
    terraform = "aws_vpn_connection",
    cloudformation = "AWS::EC2::VPNConnection",
    identity = IntentTag
)]
pub struct VpnConnection {
    /// The kind of VPN: `ipsec.1`, the only value.
    #[field(replace)]
    pub r#type: Input<String>,
    /// The customer's side.
    pub customer_gateway_id: Input<CustomerGatewayId>,
    /// AWS's side, if it is a virtual private gateway. It can be exchanged for another, or for a transit gateway.
    #[field(cloud_default)]
    pub vpn_gateway_id: Option<Input<VpnGatewayId>>,
    /// AWS's side, if it is a transit gateway. It can be exchanged for another, or for a virtual private gateway.
    #[field(cloud_default)]
    pub transit_gateway_id: Option<Input<TransitGatewayId>>,
    /// AWS's side, if it is a VPN concentrator.
    #[field(replace, cloud_default)]
    pub vpn_concentrator_id: Option<Input<String>>,
    /// Where the tunnels' keys are kept: `Standard`, or `SecretsManager`, which does not tell them any more. AWS's default: `Standard`.
    #[field(cloud_default)]
    pub pre_shared_key_storage: Option<Input<String>>,
    /// Whether routes are told by `routes` and not by BGP. AWS's default: no.
    #[field(replace, cloud_default)]
    pub static_routes_only: Option<Input<bool>>,
    /// Whether the tunnels go by AWS Global Accelerator; for transit gateways. AWS's default: no.
    #[field(replace, cloud_default)]
    pub enable_acceleration: Option<Input<bool>>,
    /// `ipv4` or `ipv6` (for transit gateways): what the tunnels carry. AWS's default: `ipv4`.
    #[field(replace, cloud_default)]
    pub tunnel_inside_ip_version: Option<Input<String>>,
    /// `PublicIpv4`, `PrivateIpv4` or `Ipv6`: the addresses between which the tunnels run. AWS's default: `PublicIpv4`.
    #[field(replace, cloud_default)]
    pub outside_ip_address_type: Option<Input<String>>,
    /// The transit gateway's attachment that tunnels between private addresses go by.
    #[field(replace, cloud_default)]
    pub transport_transit_gateway_attachment_id: Option<Input<String>>,
    /// How it and its tunnels work. What of AWS's `Options` cannot be changed is set by fields of its own, above.
    #[field(cloud_default)]
    pub options: Option<Input<VpnConnectionOptions>>,
    /// The ranges on the customer's side, if there are static routes only and AWS's side is a virtual private gateway.
    #[field(set)]
    pub routes: Option<Input<Vec<String>>>,
    /// Its tags.
    pub tags: Tags,
}

/// What AWS decides of a [`VpnConnection`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct VpnConnectionOutputs {
    /// Its id.
    pub id: VpnConnectionId,
    /// Its ARN.
    pub arn: Arn,
    /// The address of the first tunnel on AWS's side.
    #[output(volatile)]
    pub tunnel1_address: Option<String>,
    /// The address of the second tunnel on AWS's side.
    #[output(volatile)]
    pub tunnel2_address: Option<String>,
    /// The secret that holds the tunnels' keys, if they are kept in Secrets Manager.
    #[output(volatile)]
    pub pre_shared_key_arn: Option<Arn>,
}

impl Manage for VpnConnection {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let place = Place::of(aws, cx).await?;
        let query = by("vpn-connection-id", targets.iter().map(|t| t.id));
        let connections = describe::vpn_connections(&ec2, query).await?;
        Ok(align(
            targets,
            connections,
            |connection| connection.vpn_connection_id(),
            |target, connection| present(&ec2, &place, target, connection),
        ))
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &VpnConnectionResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let place = Place::of(aws, cx).await?;
        let request = ec2
            .create_vpn_connection()
            .r#type(&want.r#type)
            .customer_gateway_id(want.customer_gateway_id.as_str())
            .set_vpn_gateway_id(want.vpn_gateway_id.as_ref().map(ToString::to_string))
            .set_transit_gateway_id(want.transit_gateway_id.as_ref().map(ToString::to_string))
            .set_vpn_concentrator_id(want.vpn_concentrator_id.clone())
            .set_pre_shared_key_storage(want.pre_shared_key_storage.clone())
            .set_options(options(want))
            .tag_specifications(tagging::specification(ResourceType::VpnConnection, &want.tags, intent));
        let answer = once_known(cx, || ec2.write("CreateVpnConnection", || request.clone().send())).await?;
        let connection = answer.vpn_connection;
        let connection =
            connection.ok_or_else(|| ec2.unexpected("CreateVpnConnection", "the answer describes no connection"))?;
        let made = made(&place, want, &connection)
            .ok_or_else(|| ec2.unexpected("CreateVpnConnection", "the answer names no connection"))?;
        if !tagging::has_intent(connection.tags(), intent) {
            // AWS may answer with the connection that these gateways have already. Whose that is, its tags say.
            let there = one(&ec2, &made.id).await?.unwrap_or(connection);
            let what = format!("the vpn connection {} between these gateways", made.id);
            owner::check(&what, &tagging::read(there.tags()), intent)?;
        }
        Ok(made)
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &VpnConnectionResolved,
    ) -> Result<Option<VpnConnectionOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let connection = available(&ec2, cx, id).await?;
        if want.routes.as_ref().is_some_and(|routes| !routes.is_empty()) {
            set_routes(&ec2, cx, id, &connection, want).await?;
        }
        Ok(outputs(&Place::of(aws, cx).await?, tunnels_set(want.options.as_ref()), &connection))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &VpnConnectionResolved,
        change: &VpnConnectionChange,
    ) -> Result<Option<VpnConnectionOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let mut connection = available(&ec2, cx, id).await?;
        let customer = change.customer_gateway_id.as_ref().and_then(|c| c.after.as_ref()).map(ToString::to_string);
        let private = change.vpn_gateway_id.as_ref().and_then(|c| c.after.as_ref()).map(ToString::to_string);
        let transit = change.transit_gateway_id.as_ref().and_then(|c| c.after.as_ref()).map(ToString::to_string);
        if customer.is_some() || private.is_some() || transit.is_some() {
            let request = ec2
                .modify_vpn_connection()
                .vpn_connection_id(id)
                .set_customer_gateway_id(customer)
                .set_vpn_gateway_id(private)
                .set_transit_gateway_id(transit);
            ec2.write_idempotent("ModifyVpnConnection", || request.clone().send()).await?;
            connection = available(&ec2, cx, id).await?;
        }
        if let (Some(change), Some(wanted)) = (&change.options, &want.options) {
            set_ranges(&ec2, cx, id, &connection, wanted).await?;
            let before = change.before.as_ref();
            set_tunnels(&ec2, cx, id, &connection, wanted, before).await?;
            connection = available(&ec2, cx, id).await?;
        }
        if let Some(storage) = change.pre_shared_key_storage.as_ref().and_then(|c| c.after.as_ref()) {
            set_storage(&ec2, cx, id, &connection, storage).await?;
            connection = available(&ec2, cx, id).await?;
        }
        if change.routes.is_some() {
            set_routes(&ec2, cx, id, &connection, want).await?;
        }
        tagging::update(&ec2, id, change.tags.as_ref()).await?;
        Ok(outputs(&Place::of(aws, cx).await?, tunnels_set(want.options.as_ref()), &connection))
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&VpnConnectionResolved>) -> Result<(), CloudError> {
        let ec2 = &aws.ec2(cx).await?;
        if one(ec2, id).await?.as_ref().is_none_or(|connection| state(connection) == "deleted") {
            return Ok(());
        }
        let request = ec2.delete_vpn_connection().vpn_connection_id(id);
        match ec2.write_idempotent("DeleteVpnConnection", || request.clone().send()).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            done => done?,
        };
        // Until then its gateways are in use.
        until(cx, &format!("vpn connection {id}"), || async move {
            let connection = one(ec2, id).await?;
            Ok(match connection.as_ref().map(state) {
                None | Some("deleted") => Stage::Ready(()),
                Some(state) => Stage::Waiting(state.to_owned()),
            })
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &VpnConnectionResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let connections = describe::vpn_connections(&ec2, by_intent(intent)).await?;
        let mine = connections.iter().find(|c| tagging::has_intent(c.tags(), intent) && !is_over(state(c)));
        let place = Place::of(aws, cx).await?;
        Ok(mine.and_then(|connection| made(&place, want, connection)))
    }
}

fn state(connection: &sdk::VpnConnection) -> &str {
    connection.state().map_or("in no state", sdk::VpnState::as_str)
}

fn is_over(state: &str) -> bool {
    matches!(state, "deleting" | "deleted")
}

/// The tunnels that the program says something of.
fn tunnels_set(options: Option<&VpnConnectionOptionsResolved>) -> &[VpnTunnelOptionsResolved] {
    options.and_then(|options| options.tunnel_options.as_deref()).unwrap_or_default()
}

fn options(want: &VpnConnectionResolved) -> Option<sdk::VpnConnectionOptionsSpecification> {
    let options = want.options.as_ref();
    let text = |of: fn(&VpnConnectionOptionsResolved) -> &Option<String>| options.and_then(|o| of(o).clone());
    let tunnels: Vec<_> = tunnels_set(options).iter().map(vpn_tunnel::new_tunnel).collect();
    let empty = sdk::VpnConnectionOptionsSpecification::builder().build();
    let options = sdk::VpnConnectionOptionsSpecification::builder()
        .set_static_routes_only(want.static_routes_only)
        .set_enable_acceleration(want.enable_acceleration)
        .set_tunnel_inside_ip_version(want.tunnel_inside_ip_version.as_deref().map(TunnelInsideIpVersion::from))
        .set_outside_ip_address_type(want.outside_ip_address_type.clone())
        .set_transport_transit_gateway_attachment_id(want.transport_transit_gateway_attachment_id.clone())
        .set_local_ipv4_network_cidr(text(|o| &o.local_ipv4_network_cidr))
        .set_remote_ipv4_network_cidr(text(|o| &o.remote_ipv4_network_cidr))
        .set_local_ipv6_network_cidr(text(|o| &o.local_ipv6_network_cidr))
        .set_remote_ipv6_network_cidr(text(|o| &o.remote_ipv6_network_cidr))
        .set_tunnel_bandwidth(text(|o| &o.tunnel_bandwidth).as_deref().map(VpnTunnelBandwidth::from))
        .set_tunnel_options(Some(tunnels).filter(|tunnels| !tunnels.is_empty()))
        .build();
    (options != empty).then_some(options)
}

fn outputs(
    place: &Place,
    set: &[VpnTunnelOptionsResolved],
    connection: &sdk::VpnConnection,
) -> Option<VpnConnectionOutputs> {
    let id = connection.vpn_connection_id()?;
    let tunnels = connection.options().map(|o| vpn_tunnel::in_order(o.tunnel_options(), set)).unwrap_or_default();
    let address = |at: usize| tunnels.get(at).and_then(|t| t.outside_ip_address.clone());
    Some(VpnConnectionOutputs {
        id: VpnConnectionId::new(id),
        arn: place.arn("vpn-connection", id),
        tunnel1_address: address(0),
        tunnel2_address: address(1),
        pre_shared_key_arn: connection.pre_shared_key_arn().filter(|arn| !arn.is_empty()).map(Arn::new),
    })
}

fn made(
    place: &Place,
    want: &VpnConnectionResolved,
    connection: &sdk::VpnConnection,
) -> Option<Created<VpnConnection>> {
    let outputs = outputs(place, tunnels_set(want.options.as_ref()), connection)?;
    Some(Created { id: outputs.id.to_string(), outputs, complete: false })
}

fn present(ec2: &Ec2, place: &Place, target: &Target<'_>, connection: &sdk::VpnConnection) -> Found<VpnConnection> {
    if is_over(state(connection)) {
        return Found::Gone;
    }
    let set = target.inputs.get("options").and_then(|options| VpnConnectionOptions::from_value(options).ok());
    let set = tunnels_set(set.as_ref());
    let Some(outputs) = outputs(place, set, connection) else { return Found::Gone };
    let Some(customer) = connection.customer_gateway_id() else {
        let message = format!("the answer does not say which customer gateway {} leads to", outputs.id);
        return Found::Failed(ec2.unexpected("DescribeVpnConnections", message));
    };
    let options = connection.options();
    let kept = if outputs.pre_shared_key_arn.is_some() { "SecretsManager" } else { "Standard" };
    let routes: Vec<String> = living_routes(connection).map(str::to_owned).collect();
    let fields = VpnConnectionResolved {
        r#type: connection.r#type().map_or("ipsec.1", sdk::GatewayType::as_str).to_owned(),
        customer_gateway_id: CustomerGatewayId::new(customer),
        vpn_gateway_id: connection.vpn_gateway_id().filter(|id| !id.is_empty()).map(VpnGatewayId::new),
        transit_gateway_id: connection.transit_gateway_id().filter(|id| !id.is_empty()).map(TransitGatewayId::new),
        vpn_concentrator_id: connection.vpn_concentrator_id.clone().filter(|id| !id.is_empty()),
        pre_shared_key_storage: Some(kept.to_owned()),
        static_routes_only: options.and_then(|o| o.static_routes_only()),
        enable_acceleration: options.and_then(|o| o.enable_acceleration()),
        tunnel_inside_ip_version: options.and_then(|o| o.tunnel_inside_ip_version()).map(|v| v.as_str().to_owned()),
        outside_ip_address_type: options.and_then(|o| o.outside_ip_address_type.clone()),
        transport_transit_gateway_attachment_id: options
            .and_then(|o| o.transport_transit_gateway_attachment_id.clone()),
        options: options.map(|options| read_options(options, set)),
        routes: Some(routes).filter(|routes| !routes.is_empty()),
        tags: tagging::read(connection.tags()),
    };
    Found::present(fields, outputs)
}

/// The options as the program has them: as many tunnels as it names, in its order, and the keys of those to which it gives one.
fn read_options(options: &sdk::VpnConnectionOptions, set: &[VpnTunnelOptionsResolved]) -> VpnConnectionOptionsResolved {
    let shown = vpn_tunnel::in_order(options.tunnel_options(), set);
    let count = if set.is_empty() { shown.len() } else { set.len() };
    let tunnels: Vec<VpnTunnelOptionsResolved> = shown
        .into_iter()
        .take(count)
        .enumerate()
        .map(|(at, shown)| {
            let key = set.get(at).and_then(|set| set.pre_shared_key.clone());
            // One that is kept in Secrets Manager is not told.
            let told = shown.pre_shared_key.clone().filter(|key| !key.is_empty() && !key.contains('*'));
            let pre_shared_key = key.map(|key| told.unwrap_or(key));
            VpnTunnelOptionsResolved { pre_shared_key, ..vpn_tunnel::tunnel(shown) }
        })
        .collect();
    VpnConnectionOptionsResolved {
        local_ipv4_network_cidr: options.local_ipv4_network_cidr.clone(),
        remote_ipv4_network_cidr: options.remote_ipv4_network_cidr.clone(),
        local_ipv6_network_cidr: options.local_ipv6_network_cidr.clone(),
        remote_ipv6_network_cidr: options.remote_ipv6_network_cidr.clone(),
        tunnel_bandwidth: options.tunnel_bandwidth().map(|b| b.as_str().to_owned()),
        tunnel_options: Some(tunnels).filter(|tunnels| !tunnels.is_empty()),
    }
}

/// The static routes that are there or on their way in.
fn living_routes(connection: &sdk::VpnConnection) -> impl Iterator<Item = &str> {
    let over = |route: &sdk::VpnStaticRoute| route.state().is_some_and(|s| is_over(s.as_str()));
    connection.routes().iter().filter(move |route| !over(route)).filter_map(|route| route.destination_cidr_block())
}

async fn one(ec2: &Ec2, id: &str) -> Result<Option<sdk::VpnConnection>, CloudError> {
    let connections = describe::vpn_connections(ec2, by("vpn-connection-id", [id])).await?;
    Ok(connections.into_iter().find(|c| c.vpn_connection_id() == Some(id)))
}

/// Waits until the connection is as it was last asked to be; changes take minutes.
async fn available(ec2: &Ec2, cx: &Cx, id: &str) -> Result<sdk::VpnConnection, CloudError> {
    until(cx, &format!("vpn connection {id}"), || async move {
        let Some(connection) = one(ec2, id).await? else { return Ok(Stage::Waiting("not listed yet".to_owned())) };
        match state(&connection) {
            "available" => Ok(Stage::Ready(connection)),
            state if is_over(state) => {
                Err(CloudError::local(ErrorKind::Other, format!("vpn connection {id} is {state}")))
            }
            state => Ok(Stage::Waiting(state.to_owned())),
        }
    })
    .await
}

/// Changes what is about the connection as a whole.
async fn set_ranges(
    ec2: &Ec2,
    cx: &Cx,
    id: &str,
    connection: &sdk::VpnConnection,
    want: &VpnConnectionOptionsResolved,
) -> Result<(), CloudError> {
    let now = connection.options().map(|options| read_options(options, &[]));
    let changed = |of: fn(&VpnConnectionOptionsResolved) -> &Option<String>| {
        of(want).clone().filter(|wanted| now.as_ref().and_then(|now| of(now).as_ref()) != Some(wanted))
    };
    let (local4, remote4) = (changed(|o| &o.local_ipv4_network_cidr), changed(|o| &o.remote_ipv4_network_cidr));
    let (local6, remote6) = (changed(|o| &o.local_ipv6_network_cidr), changed(|o| &o.remote_ipv6_network_cidr));
    let bandwidth = changed(|o| &o.tunnel_bandwidth);
    if [&local4, &remote4, &local6, &remote6, &bandwidth].iter().all(|change| change.is_none()) {
        return Ok(());
    }
    let request = ec2
        .modify_vpn_connection_options()
        .vpn_connection_id(id)
        .set_local_ipv4_network_cidr(local4)
        .set_remote_ipv4_network_cidr(remote4)
        .set_local_ipv6_network_cidr(local6)
        .set_remote_ipv6_network_cidr(remote6)
        .set_tunnel_bandwidth(bandwidth.as_deref().map(VpnTunnelBandwidth::from));
    ec2.write_idempotent("ModifyVpnConnectionOptions", || request.clone().send()).await?;
    available(ec2, cx, id).await.map(drop)
}

/// Changes the tunnels, one after the other, so that one of them is up all the time.
async fn set_tunnels(
    ec2: &Ec2,
    cx: &Cx,
    id: &str,
    connection: &sdk::VpnConnection,
    want: &VpnConnectionOptionsResolved,
    before: Option<&VpnConnectionOptionsResolved>,
) -> Result<(), CloudError> {
    let Some(options) = connection.options() else { return Ok(()) };
    let wanted = tunnels_set(Some(want));
    // They were last told apart by what they were: a new inside range is not there yet.
    let known = if tunnels_set(before).is_empty() { wanted } else { tunnels_set(before) };
    let shown = vpn_tunnel::in_order(options.tunnel_options(), known);
    for (at, (want, shown)) in wanted.iter().zip(shown).enumerate() {
        let key = want.pre_shared_key.as_deref();
        let told = shown.pre_shared_key().filter(|key| !key.is_empty() && !key.contains('*'));
        let old = told.or_else(|| tunnels_set(before).get(at).and_then(|b| b.pre_shared_key.as_deref()));
        let Some(change) = vpn_tunnel::difference(want, &vpn_tunnel::tunnel(shown), key == old) else { continue };
        let Some(address) = shown.outside_ip_address() else {
            let message = format!("{id}'s tunnel {} has no address by which it could be changed", at + 1);
            return Err(ec2.unexpected("DescribeVpnConnections", message));
        };
        let request = ec2
            .modify_vpn_tunnel_options()
            .vpn_connection_id(id)
            .vpn_tunnel_outside_ip_address(address)
            .tunnel_options(vpn_tunnel::changed_tunnel(&change));
        ec2.write_idempotent("ModifyVpnTunnelOptions", || request.clone().send()).await?;
        available(ec2, cx, id).await?;
    }
    Ok(())
}

/// Moves the tunnels' keys to where they shall be kept.
async fn set_storage(
    ec2: &Ec2,
    cx: &Cx,
    id: &str,
    connection: &sdk::VpnConnection,
    storage: &str,
) -> Result<(), CloudError> {
    let tunnels = connection.options().map(|o| o.tunnel_options()).unwrap_or_default();
    for address in tunnels.iter().filter_map(|t| t.outside_ip_address()) {
        let request = ec2
            .modify_vpn_tunnel_options()
            .vpn_connection_id(id)
            .vpn_tunnel_outside_ip_address(address)
            .tunnel_options(sdk::ModifyVpnTunnelOptionsSpecification::builder().build())
            .pre_shared_key_storage(storage);
        ec2.write_idempotent("ModifyVpnTunnelOptions", || request.clone().send()).await?;
        available(ec2, cx, id).await?;
    }
    Ok(())
}

/// Brings the static routes to what is wished.
async fn set_routes(
    ec2: &Ec2,
    cx: &Cx,
    id: &str,
    connection: &sdk::VpnConnection,
    want: &VpnConnectionResolved,
) -> Result<(), CloudError> {
    let want: BTreeSet<&str> = want.routes.iter().flatten().map(String::as_str).collect();
    let have: BTreeSet<&str> = living_routes(connection).collect();
    for range in have.difference(&want) {
        let request = ec2.delete_vpn_connection_route().vpn_connection_id(id).destination_cidr_block(*range);
        match ec2.write_idempotent("DeleteVpnConnectionRoute", || request.clone().send()).await {
            Err(error) if error.kind != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    for range in want.difference(&have) {
        let request = ec2.create_vpn_connection_route().vpn_connection_id(id).destination_cidr_block(*range);
        ec2.write_idempotent("CreateVpnConnectionRoute", || request.clone().send()).await?;
    }
    let want = &want;
    until(cx, &format!("{id}'s routes"), || async move {
        let Some(connection) = one(ec2, id).await? else { return Ok(Stage::Ready(())) };
        let there: BTreeSet<&str> = living_routes(&connection).collect();
        let on_their_way = connection.routes().iter().filter_map(|r| r.state()).map(sdk::VpnState::as_str);
        let on_their_way = on_their_way.filter(|state| matches!(*state, "pending" | "deleting")).max();
        Ok(match on_their_way {
            Some(state) => Stage::Waiting(state.to_owned()),
            None if there == *want => Stage::Ready(()),
            None => Stage::Waiting("not all listed yet".to_owned()),
        })
    })
    .await
}
