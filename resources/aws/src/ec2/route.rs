//! [`Route`].

use std::net::IpAddr;

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::RouteOrigin;
use ipnet::IpNet;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Input;
use phx_model::value::Value;
use phx_model::{CloudError, Ipv4Cidr, Outputs, Resource};

use super::describe::{self, by};
use super::{
    CarrierGatewayId, EgressOnlyInternetGatewayId, InstanceId, InternetGatewayId, LocalGatewayId, NatGatewayId,
    NetworkInterfaceId, PrefixListId, RouteId, RouteTableId, TransitGatewayId, VpcEndpointId, VpcPeeringConnectionId,
    VpnGatewayId, once_known,
};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};

/// Where traffic to a range of addresses goes. One destination and one target are set.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateRoute.html>
///
/// AWS has no id for a route: its id here is its table's and its destination, as in `rtb-0a1b_10.0.0.0/16`.
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:Route",
    terraform = "aws_route",
    cloudformation = "AWS::EC2::Route",
    identity = NaturalKey,
    unique(route_table_id, destination_cidr_block, destination_ipv6_cidr_block, destination_prefix_list_id),
    vanishes_with(route_table_id)
)]
pub struct Route {
    /// The table that it is in.
    #[field(replace)]
    pub route_table_id: Input<RouteTableId>,
    /// Destination: IPv4 addresses.
    #[field(replace)]
    pub destination_cidr_block: Option<Input<Ipv4Cidr>>,
    /// Destination: IPv6 addresses.
    #[field(replace, normalize = canonical_range)]
    pub destination_ipv6_cidr_block: Option<Input<String>>,
    /// Destination: the ranges of a prefix list.
    #[field(replace)]
    pub destination_prefix_list_id: Option<Input<PrefixListId>>,
    /// Target: an internet gateway; see [`virtual_private_gateway`](Route::virtual_private_gateway) for the other kind.
    pub gateway_id: Option<Input<InternetGatewayId>>,
    /// Target: a NAT gateway.
    pub nat_gateway_id: Option<Input<NatGatewayId>>,
    /// Target: an egress-only internet gateway.
    pub egress_only_internet_gateway_id: Option<Input<EgressOnlyInternetGatewayId>>,
    /// Target: an instance with one network interface.
    pub instance_id: Option<Input<InstanceId>>,
    /// Target: a network interface.
    pub network_interface_id: Option<Input<NetworkInterfaceId>>,
    /// Target: a peering.
    pub vpc_peering_connection_id: Option<Input<VpcPeeringConnectionId>>,
    /// Target: a Gateway Load Balancer endpoint.
    pub vpc_endpoint_id: Option<Input<VpcEndpointId>>,
    /// Target: a transit gateway.
    pub transit_gateway_id: Option<Input<TransitGatewayId>>,
    /// Target: a local gateway.
    pub local_gateway_id: Option<Input<LocalGatewayId>>,
    /// Target: a carrier gateway.
    pub carrier_gateway_id: Option<Input<CarrierGatewayId>>,
    /// Target: a core network.
    pub core_network_arn: Option<Input<Arn>>,
    /// Target: an ODB network.
    pub odb_network_arn: Option<Input<Arn>>,
}

impl Route {
    /// Target: a virtual private gateway. `gateway_id` takes both kinds.
    #[must_use]
    pub fn virtual_private_gateway(mut self, gateway: impl Into<Input<VpnGatewayId>>) -> Self {
        self.gateway_id = Some(Input::from_expr(gateway.into().into_expr()));
        self
    }
}

/// What is known of a [`Route`] once it is there.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct RouteOutputs {
    /// Its table and destination: `rtb-0a1b_10.0.0.0/16`.
    pub id: RouteId,
}

impl Manage for Route {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let wanted = targets.iter().filter_map(|t| split(t.id)).map(|(table, _)| table);
        let tables = describe::route_tables(&ec2, by("route-table-id", wanted)).await?;
        let read = |target: &Target<'_>| {
            let Some((table, destination)) = split(target.id) else { return Found::Failed(malformed(target.id)) };
            let found = tables.iter().find(|t| t.route_table_id() == Some(table));
            match found.and_then(|table| matching(table, destination)) {
                Some(route) => {
                    Found::present(fields(table, route, target), RouteOutputs { id: RouteId::new(target.id) })
                }
                None => Found::Gone,
            }
        };
        Ok(targets.iter().map(read).collect())
    }

    async fn create(aws: &Aws, cx: &Cx, want: &RouteResolved, _: &IntentId) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let id = id(want)?;
        let request = ec2
            .create_route()
            .route_table_id(want.route_table_id.as_str())
            .set_destination_cidr_block(want.destination_cidr_block.map(|c| c.to_string()))
            .set_destination_ipv6_cidr_block(want.destination_ipv6_cidr_block.clone())
            .set_destination_prefix_list_id(want.destination_prefix_list_id.as_ref().map(ToString::to_string))
            .set_gateway_id(want.gateway_id.as_ref().map(ToString::to_string))
            .set_nat_gateway_id(want.nat_gateway_id.as_ref().map(ToString::to_string))
            .set_egress_only_internet_gateway_id(want.egress_only_internet_gateway_id.as_ref().map(ToString::to_string))
            .set_instance_id(want.instance_id.as_ref().map(ToString::to_string))
            .set_network_interface_id(want.network_interface_id.as_ref().map(ToString::to_string))
            .set_vpc_peering_connection_id(want.vpc_peering_connection_id.as_ref().map(ToString::to_string))
            .set_vpc_endpoint_id(want.vpc_endpoint_id.as_ref().map(ToString::to_string))
            .set_transit_gateway_id(want.transit_gateway_id.as_ref().map(ToString::to_string))
            .set_local_gateway_id(want.local_gateway_id.as_ref().map(ToString::to_string))
            .set_carrier_gateway_id(want.carrier_gateway_id.as_ref().map(ToString::to_string))
            .set_core_network_arn(want.core_network_arn.as_ref().map(ToString::to_string))
            .set_odb_network_arn(want.odb_network_arn.as_ref().map(ToString::to_string));
        let made = once_known(cx, || ec2.write("CreateRoute", || request.clone().send())).await;
        made.map_err(|error| match error.kind {
            ErrorKind::AlreadyExists => {
                error.hint(format!("the table has a route to there: remove it, or import it as {id}"))
            }
            _ => error,
        })?;
        Ok(Created { outputs: RouteOutputs { id: RouteId::new(&id) }, id, complete: true })
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        _: &str,
        want: &RouteResolved,
        _: &RouteChange,
    ) -> Result<Option<RouteOutputs>, CloudError> {
        // All that can change in place is the target, and ReplaceRoute takes the whole of it.
        let ec2 = aws.ec2(cx).await?;
        let request = ec2
            .replace_route()
            .route_table_id(want.route_table_id.as_str())
            .set_destination_cidr_block(want.destination_cidr_block.map(|c| c.to_string()))
            .set_destination_ipv6_cidr_block(want.destination_ipv6_cidr_block.clone())
            .set_destination_prefix_list_id(want.destination_prefix_list_id.as_ref().map(ToString::to_string))
            .set_gateway_id(want.gateway_id.as_ref().map(ToString::to_string))
            .set_nat_gateway_id(want.nat_gateway_id.as_ref().map(ToString::to_string))
            .set_egress_only_internet_gateway_id(want.egress_only_internet_gateway_id.as_ref().map(ToString::to_string))
            .set_instance_id(want.instance_id.as_ref().map(ToString::to_string))
            .set_network_interface_id(want.network_interface_id.as_ref().map(ToString::to_string))
            .set_vpc_peering_connection_id(want.vpc_peering_connection_id.as_ref().map(ToString::to_string))
            .set_vpc_endpoint_id(want.vpc_endpoint_id.as_ref().map(ToString::to_string))
            .set_transit_gateway_id(want.transit_gateway_id.as_ref().map(ToString::to_string))
            .set_local_gateway_id(want.local_gateway_id.as_ref().map(ToString::to_string))
            .set_carrier_gateway_id(want.carrier_gateway_id.as_ref().map(ToString::to_string))
            .set_core_network_arn(want.core_network_arn.as_ref().map(ToString::to_string))
            .set_odb_network_arn(want.odb_network_arn.as_ref().map(ToString::to_string));
        once_known(cx, || ec2.write_idempotent("ReplaceRoute", || request.clone().send())).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&RouteResolved>) -> Result<(), CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let Some((table, destination)) = split(id) else { return Err(malformed(id)) };
        let request = ec2.delete_route().route_table_id(table);
        let request = match kind(destination) {
            Destination::V4 => request.destination_cidr_block(destination),
            Destination::V6 => request.destination_ipv6_cidr_block(destination),
            Destination::PrefixList => request.destination_prefix_list_id(destination),
        };
        match ec2.write_idempotent("DeleteRoute", || request.clone().send()).await {
            // The route or its whole table.
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            done => done.map(drop),
        }
    }

    async fn find(aws: &Aws, cx: &Cx, want: &RouteResolved, _: &IntentId) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let id = id(want)?;
        let table = want.route_table_id.as_str();
        let tables = describe::route_tables(&ec2, by("route-table-id", [table])).await?;
        let table = tables.iter().find(|t| t.route_table_id() == Some(table));
        let destination = split(&id).map_or("", |(_, destination)| destination);
        let Some(route) = table.and_then(|table| matching(table, destination)) else { return Ok(None) };
        let inputs = <Self as phx_model::Resource>::fields(want);
        // The destination is the same, though it may be written in another way.
        let there = RouteResolved {
            destination_cidr_block: want.destination_cidr_block,
            destination_ipv6_cidr_block: want.destination_ipv6_cidr_block.clone(),
            ..fields(want.route_table_id.as_str(), route, &Target { id: &id, inputs: &inputs })
        };
        if there != *want {
            let message = format!("the table has a route to {destination}, with another target");
            return Err(
                CloudError::local(ErrorKind::AlreadyExists, message).hint(format!("remove it, or import it as {id}"))
            );
        }
        Ok(Some(Created { outputs: RouteOutputs { id: RouteId::new(&id) }, id, complete: true }))
    }
}

/// The three kinds of destination.
#[derive(Debug, PartialEq, Eq)]
enum Destination {
    V4,
    V6,
    PrefixList,
}

fn kind(destination: &str) -> Destination {
    if destination.starts_with("pl-") {
        Destination::PrefixList
    } else if destination.contains(':') {
        Destination::V6
    } else {
        Destination::V4
    }
}

/// The table and the destination that a route's id names.
fn split(id: &str) -> Option<(&str, &str)> {
    id.split_once('_').filter(|(table, destination)| table.starts_with("rtb-") && !destination.is_empty())
}

fn malformed(id: &str) -> CloudError {
    CloudError::local(ErrorKind::Invalid, format!("{id:?} is not the id of a route"))
        .hint("a route's id is its table's and its destination: rtb-0a1b_10.0.0.0/16")
}

fn id(want: &RouteResolved) -> Result<String, CloudError> {
    let v4 = want.destination_cidr_block.map(|c| c.to_string());
    let v6 = want.destination_ipv6_cidr_block.as_deref().map(canonical);
    let list = want.destination_prefix_list_id.as_ref().map(ToString::to_string);
    let mut destinations = [v4, v6, list].into_iter().flatten();
    match (destinations.next(), destinations.next()) {
        (Some(destination), None) => Ok(format!("{}_{destination}", want.route_table_id)),
        _ => Err(CloudError::local(ErrorKind::Invalid, "a route has one destination")
            .hint("set one of destination_cidr_block, destination_ipv6_cidr_block and destination_prefix_list_id")),
    }
}

/// The form in which AWS keeps a range: no bits beyond the prefix, IPv6 as short as it goes.
pub(super) fn canonical(range: &str) -> String {
    range.parse::<IpNet>().map_or_else(|_| range.to_owned(), |net| net.trunc().to_string())
}

/// [`canonical`] as fields compare with it; an address without a prefix is one address.
pub(super) fn canonical_range(value: &Value) -> Value {
    match value.expose() {
        Value::String(range) => Value::String(match range.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address).to_string().into(),
            Err(_) => canonical(range).into(),
        }),
        other => other.clone(),
    }
}

/// The table's route to a destination that somebody made: not the local one, nor one that a gateway announced.
fn matching<'a>(table: &'a sdk::RouteTable, destination: &str) -> Option<&'a sdk::Route> {
    let wanted = canonical(destination);
    table.routes().iter().filter(|r| matches!(r.origin(), None | Some(&RouteOrigin::CreateRoute))).find(|route| {
        let to = match kind(destination) {
            Destination::V4 => route.destination_cidr_block(),
            Destination::V6 => route.destination_ipv6_cidr_block(),
            Destination::PrefixList => route.destination_prefix_list_id(),
        };
        to.map(canonical).as_deref() == Some(wanted.as_str())
    })
}

/// A route as a program would write it. Answers name some targets twice or under another name.
fn fields(table: &str, route: &sdk::Route, target: &Target<'_>) -> RouteResolved {
    // A route to an instance goes to its interface, and the answer names both: the program's name counts.
    let by_interface = target.inputs.contains_key("network_interface_id") || route.instance_id().is_none();
    let gateway = route.gateway_id();
    let endpoint = gateway.filter(|g| g.starts_with("vpce-"));
    RouteResolved {
        route_table_id: RouteTableId::new(table),
        destination_cidr_block: route.destination_cidr_block().and_then(|c| c.parse().ok()),
        destination_ipv6_cidr_block: route.destination_ipv6_cidr_block.clone(),
        destination_prefix_list_id: route.destination_prefix_list_id().map(PrefixListId::new),
        gateway_id: gateway.filter(|_| endpoint.is_none()).map(InternetGatewayId::new),
        nat_gateway_id: route.nat_gateway_id().map(NatGatewayId::new),
        egress_only_internet_gateway_id: route.egress_only_internet_gateway_id().map(EgressOnlyInternetGatewayId::new),
        instance_id: route.instance_id().filter(|_| !by_interface).map(InstanceId::new),
        network_interface_id: route.network_interface_id().filter(|_| by_interface).map(NetworkInterfaceId::new),
        vpc_peering_connection_id: route.vpc_peering_connection_id().map(VpcPeeringConnectionId::new),
        vpc_endpoint_id: endpoint.map(VpcEndpointId::new),
        transit_gateway_id: route.transit_gateway_id().map(TransitGatewayId::new),
        local_gateway_id: route.local_gateway_id().map(LocalGatewayId::new),
        carrier_gateway_id: route.carrier_gateway_id().map(CarrierGatewayId::new),
        core_network_arn: route.core_network_arn().map(Arn::new),
        odb_network_arn: route.odb_network_arn().map(Arn::new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phx_model::value::ValueMap;

    #[test]
    fn a_routes_id_names_its_table_and_destination() {
        assert_eq!(split("rtb-1_10.0.0.0/16"), Some(("rtb-1", "10.0.0.0/16")));
        for bad in ["rtb-1", "rtb-1_", "10.0.0.0/16", "igw-1_0.0.0.0/0", ""] {
            assert_eq!(split(bad), None, "{bad}");
        }
        assert_eq!(kind("pl-0a1b"), Destination::PrefixList);
        assert_eq!(kind("::/0"), Destination::V6);
        assert_eq!(kind("0.0.0.0/0"), Destination::V4);
    }

    #[test]
    fn a_route_is_found_by_its_destination_however_it_is_written() {
        let route = |to: &str, origin: RouteOrigin| {
            sdk::Route::builder().destination_ipv6_cidr_block(to).gateway_id("vpce-1").origin(origin).build()
        };
        let table = sdk::RouteTable::builder()
            .routes(route("2001:db8::/32", RouteOrigin::CreateRouteTable))
            .routes(route("2001:db8:1::/48", RouteOrigin::CreateRoute))
            .build();
        assert!(matching(&table, "2001:db8::/32").is_none(), "the local route is nobody's");
        let found = matching(&table, "2001:0db8:0001:0::/48").unwrap();
        let inputs = ValueMap::new();
        let fields = fields("rtb-1", found, &Target { id: "", inputs: &inputs });
        assert_eq!(fields.vpc_endpoint_id, Some(VpcEndpointId::new("vpce-1")));
        assert_eq!(fields.gateway_id, None);
    }

    #[test]
    fn a_target_is_named_as_the_program_names_it() {
        let route = sdk::Route::builder().instance_id("i-1").network_interface_id("eni-1").build();
        let of = |inputs: &ValueMap| fields("rtb-1", &route, &Target { id: "", inputs });
        let instance = of(&ValueMap::new());
        assert_eq!((instance.instance_id, instance.network_interface_id), (Some(InstanceId::new("i-1")), None));
        let interface = of(&[("network_interface_id".to_owned(), Value::String("eni-1".into()))].into());
        assert_eq!(interface.network_interface_id, Some(NetworkInterfaceId::new("eni-1")));
        assert_eq!(interface.instance_id, None);
    }
}
