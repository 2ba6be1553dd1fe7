//! Route tables, their routes and their associations.

use serde_json::{Value, json};

use super::{Answer, Kind, Object, Region, done, edit, text, values};
use crate::wire::{Fault, Params};

/// The request's parameter and the route's field, for destinations and for targets.
const DESTINATIONS: &[(&str, &str)] = &[
    ("DestinationCidrBlock", "destinationCidrBlock"),
    ("DestinationIpv6CidrBlock", "destinationIpv6CidrBlock"),
    ("DestinationPrefixListId", "destinationPrefixListId"),
];
const TARGETS: &[(&str, &str)] = &[
    ("GatewayId", "gatewayId"),
    ("NatGatewayId", "natGatewayId"),
    ("TransitGatewayId", "transitGatewayId"),
    ("VpcPeeringConnectionId", "vpcPeeringConnectionId"),
    ("EgressOnlyInternetGatewayId", "egressOnlyInternetGatewayId"),
    ("InstanceId", "instanceId"),
    ("NetworkInterfaceId", "networkInterfaceId"),
    ("LocalGatewayId", "localGatewayId"),
    ("CarrierGatewayId", "carrierGatewayId"),
    ("CoreNetworkArn", "coreNetworkArn"),
    ("OdbNetworkArn", "odbNetworkArn"),
    ("VpcEndpointId", "gatewayId"),
];

fn given<'a>(
    p: &'a Params,
    known: &[(&'static str, &'static str)],
    what: &str,
) -> Result<(&'static str, &'a str), Fault> {
    let mut found: Vec<_> = known.iter().filter_map(|(param, field)| Some((*field, p.get(param)?))).collect();
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (None, _) => Err(Fault::new("MissingParameter", format!("The request must contain a {what}"))),
        (Some(_), false) => {
            Err(Fault::new("InvalidParameterCombination", format!("The request must contain exactly one {what}")))
        }
    }
}

/// The destination in the form in which AWS keeps it.
fn destination(p: &Params) -> Result<(&'static str, String), Fault> {
    let (field, value) = given(p, DESTINATIONS, "destination")?;
    if field != "destinationCidrBlock" {
        return Ok((field, value.to_owned()));
    }
    match super::network::Range::parse(value) {
        Some(range) => Ok((field, range.to_string())),
        None => Err(Fault::invalid(format!(
            "Value ({value}) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block."
        ))),
    }
}

impl Region {
    pub(super) fn create_route_table(&mut self, p: &Params) -> Answer {
        if let Some(made) = self.made_before(Kind::RouteTable, p) {
            return Ok(json!({"routeTable": made, "clientToken": p.get("ClientToken")}));
        }
        let vpc_id = p.required("VpcId")?;
        let cidr = text(self.get(Kind::Vpc, vpc_id)?, "cidrBlock").to_owned();
        let id = self.add_route_table(vpc_id, &cidr, false, p);
        Ok(json!({"routeTable": self.show(&id), "clientToken": p.get("ClientToken")}))
    }

    pub(super) fn add_route_table(&mut self, vpc_id: &str, cidr: &str, main: bool, p: &Params) -> String {
        let local = json!({
            "destinationCidrBlock": cidr, "gatewayId": "local", "state": "active", "origin": "CreateRouteTable",
        });
        let fields = json!({"vpcId": vpc_id, "ownerId": self.account, "routeSet": [local], "associationSet": []});
        let id = self.add(Kind::RouteTable, "routeTableId", fields, p);
        if main {
            let association = association(&id, None);
            if let Some(table) = self.objects.get_mut(&id) {
                edit(table, "associationSet", |items| items.push(association));
            }
        }
        id
    }

    pub(super) fn delete_route_table(&mut self, p: &Params) -> Answer {
        let id = p.required("RouteTableId")?;
        if !values(&self.get(Kind::RouteTable, id)?.fields, "associationSet.routeTableAssociationId").is_empty() {
            return Err(Fault::dependency(format!("The routeTable '{id}' has dependencies and cannot be deleted.")));
        }
        self.objects.remove(id);
        self.forget_route_table(id);
        done()
    }

    /// A route from a request, its target checked as far as the sandbox has such objects.
    fn route(&self, table: &Object, p: &Params, origin: &str) -> Result<Value, Fault> {
        let (field, destination) = destination(p)?;
        let (target_field, target) = given(p, TARGETS, "target")?;
        if target.starts_with(Kind::InternetGateway.spec().prefix) {
            let missing =
                || Fault::new("InvalidGatewayID.NotFound", format!("The gateway ID '{target}' does not exist"));
            let gateway = self.get(Kind::InternetGateway, target).map_err(|_| missing())?;
            let vpc_id = text(table, "vpcId");
            if Self::attached_vpc(&gateway.fields).as_deref() != Some(vpc_id) {
                let message = format!(
                    "route table {} and network gateway {target} belong to different networks",
                    text(table, "routeTableId")
                );
                return Err(Fault::invalid(message));
            }
        }
        let living = |id: &str| self.get(Kind::Natgateway, id).is_ok_and(|n| text(n, "state") == "available");
        if target_field == "natGatewayId" && !living(target) {
            let message = format!("The natGateway ID '{target}' does not exist");
            return Err(Fault::new("InvalidNatGatewayID.NotFound", message));
        }
        if field == "destinationPrefixListId" {
            self.check_prefix_list(&destination)?;
        }
        let kinds = [
            Kind::EgressOnlyInternetGateway,
            Kind::VpcPeeringConnection,
            Kind::Instance,
            Kind::NetworkInterface,
            Kind::VpnGateway,
            Kind::VpcEndpoint,
        ];
        if let Some(kind) = kinds.into_iter().find(|kind| target.starts_with(kind.spec().prefix)) {
            match kind {
                Kind::NetworkInterface if self.described(kind).contains_key(target) => {}
                _ => drop(self.get(kind, target)?),
            }
        }
        Ok(json!({field: destination, target_field: target, "state": "active", "origin": origin}))
    }

    pub(super) fn create_route(&mut self, p: &Params) -> Answer {
        let id = p.required("RouteTableId")?;
        let table = self.get(Kind::RouteTable, id)?;
        let route = self.route(table, p, "CreateRoute")?;
        let (field, destination) = destination(p)?;
        if values(&table.fields, &format!("routeSet.{field}")).contains(&destination) {
            return Err(Fault::new(
                "RouteAlreadyExists",
                format!("The route identified by {destination} already exists."),
            ));
        }
        edit(self.get_mut(Kind::RouteTable, id)?, "routeSet", |routes| routes.push(route));
        done()
    }

    pub(super) fn replace_route(&mut self, p: &Params) -> Answer {
        let id = p.required("RouteTableId")?;
        let new = self.route(self.get(Kind::RouteTable, id)?, p, "CreateRoute")?;
        let (field, destination) = destination(p)?;
        let replace = |routes: &mut Vec<Value>| {
            let old = routes.iter_mut().find(|r| r[field] == json!(destination));
            old.map(|old| *old = new)
        };
        match edit(self.get_mut(Kind::RouteTable, id)?, "routeSet", replace) {
            Some(()) => done(),
            None => Err(no_route(id, &destination)),
        }
    }

    pub(super) fn delete_route(&mut self, p: &Params) -> Answer {
        let id = p.required("RouteTableId")?;
        let (field, destination) = destination(p)?;
        let table = self.get_mut(Kind::RouteTable, id)?;
        if field == "destinationPrefixListId" {
            let endpoint = |r: &&Value| {
                r[field] == json!(destination) && r["gatewayId"].as_str().is_some_and(|g| g.starts_with("vpce-"))
            };
            let routes = table.fields.get("routeSet").and_then(Value::as_array);
            if routes.into_iter().flatten().any(|r| endpoint(&r)) {
                return Err(Fault::invalid(format!(
                    "cannot remove VPC endpoint route {destination} in route table {id}"
                )));
            }
        }
        let is_it = |r: &Value| r[field] == json!(destination) && r["gatewayId"] != json!("local");
        let removed = edit(table, "routeSet", |routes| {
            let before = routes.len();
            routes.retain(|r| !is_it(r));
            before > routes.len()
        });
        if removed { done() } else { Err(no_route(id, &destination)) }
    }

    pub(super) fn associate_route_table(&mut self, p: &Params) -> Answer {
        let id = p.required("RouteTableId")?;
        self.get(Kind::RouteTable, id)?;
        let (field, target) = match (p.get("SubnetId"), p.get("GatewayId")) {
            (Some(subnet), None) => {
                self.get(Kind::Subnet, subnet)?;
                ("subnetId", subnet)
            }
            (None, Some(gateway)) => ("gatewayId", gateway),
            _ => return Err(Fault::new("MissingParameter", "The request must contain either SubnetId or GatewayId")),
        };
        if self.any(Kind::RouteTable, &format!("associationSet.{field}"), target) {
            let message =
                format!("the specified association for route table {id} conflicts with an existing association");
            return Err(Fault::new("Resource.AlreadyAssociated", message));
        }
        let new = association(id, Some((field, target)));
        let new_id = new["routeTableAssociationId"].clone();
        edit(self.get_mut(Kind::RouteTable, id)?, "associationSet", |items| items.push(new));
        Ok(json!({"associationId": new_id, "associationState": {"state": "associated"}}))
    }

    pub(super) fn replace_route_table_association(&mut self, p: &Params) -> Answer {
        let (association_id, id) = (p.required("AssociationId")?, p.required("RouteTableId")?);
        self.get(Kind::RouteTable, id)?;
        let mut moved = self.take_association(association_id)?;
        let new_id = format!("rtbassoc-0{}", &uuid::Uuid::new_v4().simple().to_string()[..16]);
        moved["routeTableAssociationId"] = json!(new_id);
        moved["routeTableId"] = json!(id);
        edit(self.get_mut(Kind::RouteTable, id)?, "associationSet", |items| items.push(moved));
        Ok(json!({"newAssociationId": new_id, "associationState": {"state": "associated"}}))
    }

    pub(super) fn disassociate_route_table(&mut self, p: &Params) -> Answer {
        let id = p.required("AssociationId")?;
        let main = |o: &Object| {
            let associations = o.fields.get("associationSet").and_then(Value::as_array);
            associations.is_some_and(|a| {
                a.iter().any(|a| a["routeTableAssociationId"] == json!(id) && a["main"] == json!(true))
            })
        };
        if self.of(Kind::RouteTable).any(|(_, o)| main(o)) {
            return Err(Fault::invalid(format!("cannot disassociate the main route table association {id}")));
        }
        self.take_association(id)?;
        done()
    }

    fn take_association(&mut self, id: &str) -> Result<Value, Fault> {
        let take = |items: &mut Vec<Value>| {
            let at = items.iter().position(|a| a["routeTableAssociationId"] == json!(id))?;
            Some(items.remove(at))
        };
        let mut tables = self.objects.values_mut().filter(|o| o.kind == Kind::RouteTable);
        tables.find_map(|table| edit(table, "associationSet", take)).ok_or_else(|| {
            Fault::new("InvalidAssociationID.NotFound", format!("The association ID '{id}' does not exist"))
        })
    }
}

fn association(table: &str, target: Option<(&str, &str)>) -> Value {
    let id = format!("rtbassoc-0{}", &uuid::Uuid::new_v4().simple().to_string()[..16]);
    let mut association = json!({
        "routeTableAssociationId": id, "routeTableId": table, "main": target.is_none(), "associationState": {"state": "associated"},
    });
    if let Some((field, id)) = target {
        association[field] = json!(id);
    }
    association
}

fn no_route(table: &str, destination: &str) -> Fault {
    let message = format!("no route with destination-cidr-block {destination} in route table {table}");
    Fault::new("InvalidRoute.NotFound", message)
}
