//! Elastic IP addresses, NAT gateways, and the network interfaces that these have.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::spec::Kind;
use super::{Answer, Fields, Region, Tags, done, edit, refuse, text, values};
use crate::wire::{Fault, Params};

impl Region {
    pub(super) fn allocate_address(&mut self, p: &Params) -> Answer {
        refuse(p, &["IpamPoolId", "CustomerOwnedIpv4Pool"])?;
        let taken = |ip: &String| self.any(Kind::ElasticIp, "publicIp", ip);
        // 203.0.113.0/24 and 198.51.100.0/24 are reserved for documentation: nobody is ever reached at them.
        let all = (1..=254).flat_map(|n| [format!("203.0.113.{n}"), format!("198.51.100.{n}")]);
        let ip = p.get("Address").map(str::to_owned).or_else(|| all.into_iter().find(|ip| !taken(ip)));
        let full = || Fault::new("AddressLimitExceeded", "The maximum number of addresses has been reached.");
        let ip = ip.ok_or_else(full)?;
        let border = p.get("NetworkBorderGroup").unwrap_or(&self.name);
        let pool = p.get("PublicIpv4Pool").unwrap_or("amazon");
        let fields = json!({"publicIp": ip, "domain": "vpc", "networkBorderGroup": border, "publicIpv4Pool": pool});
        let id = self.add(Kind::ElasticIp, "allocationId", fields, p);
        Ok(self.show(&id))
    }

    /// Only NAT gateways have addresses here (`AssociateAddress` is not part of the sandbox), and nobody takes theirs from them.
    pub(super) fn disassociate_address(&self, p: &Params) -> Answer {
        let id = p.required("AssociationId")?;
        if self.any(Kind::ElasticIp, "associationId", id) {
            return Err(Fault::new("AuthFailure", "You do not have permission to access the specified resource."));
        }
        Err(Fault::new("InvalidAssociationID.NotFound", format!("The association ID '{id}' does not exist")))
    }

    /// The reverse DNS names of addresses: none has one, since the sandbox gives out none.
    pub(super) fn describe_addresses_attribute(&self, p: &Params) -> Answer {
        for id in p.list("AllocationId") {
            self.get(Kind::ElasticIp, id)?;
        }
        Ok(json!({"addressSet": []}))
    }

    pub(super) fn release_address(&mut self, p: &Params) -> Answer {
        let id = p.required("AllocationId")?;
        let address = self.get(Kind::ElasticIp, id)?;
        if address.fields.contains_key("associationId") {
            let ip = text(address, "publicIp");
            return Err(Fault::new("InvalidIPAddress.InUse", format!("Address {ip} is in use.")));
        }
        self.objects.remove(id);
        done()
    }

    /// A NAT gateway of one subnet. (Regional ones, which have a VPC instead, are not part of the sandbox.)
    pub(super) fn create_nat_gateway(&mut self, p: &Params) -> Answer {
        if let Some(made) = self.made_before(Kind::Natgateway, p) {
            return Ok(json!({"natGateway": made, "clientToken": p.get("ClientToken")}));
        }
        if p.get("AvailabilityMode") == Some("regional") {
            return Err(Fault::not_implemented("regional NAT gateways"));
        }
        let subnet_id = p.required("SubnetId")?;
        let vpc_id = text(self.get(Kind::Subnet, subnet_id)?, "vpcId").to_owned();
        let connectivity = p.get("ConnectivityType").unwrap_or("public");
        let mut allocations = p.list("SecondaryAllocationId");
        match (connectivity, p.get("AllocationId")) {
            ("public", _) => allocations.insert(0, p.required("AllocationId")?),
            (_, Some(_)) => return Err(Fault::invalid("A private NAT gateway takes no AllocationId")),
            _ => {}
        }
        self.check_free(&allocations)?;
        let count = p.number("SecondaryPrivateIpAddressCount")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let mut private = vec![p.get("PrivateIpAddress")];
        private.extend(p.list("SecondaryPrivateIpAddress").into_iter().map(Some));
        private.resize(private.len().max(allocations.len()).max(1 + count), None);

        let mut fields = json!({
            "vpcId": vpc_id, "subnetId": subnet_id, "state": "available", "connectivityType": connectivity,
            "availabilityMode": "zonal", "createTime": jiff::Timestamp::now().to_string(),
        });
        // As in AWS, the request is accepted and the gateway then fails.
        let failed = connectivity == "public" && !self.any(Kind::InternetGateway, "attachmentSet.vpcId", &vpc_id);
        if failed {
            fields["state"] = json!("failed");
            fields["failureCode"] = json!("Gateway.NotAttached");
            fields["failureMessage"] = json!(format!("Network {vpc_id} has no Internet gateway attached"));
        }
        let id = self.add(Kind::Natgateway, "natGatewayId", fields, p);
        if !failed {
            for (i, ip) in private.into_iter().enumerate() {
                self.add_nat_address(&id, allocations.get(i).copied(), ip)?;
            }
        }
        Ok(json!({"natGateway": self.show(&id), "clientToken": p.get("ClientToken")}))
    }

    /// Refuses addresses that do not exist or are in use.
    fn check_free(&self, allocations: &[&str]) -> Result<(), Fault> {
        for id in allocations {
            if self.get(Kind::ElasticIp, id)?.fields.contains_key("associationId") {
                return Err(Fault::new("Resource.AlreadyAssociated", format!("resource {id} is already associated")));
            }
        }
        Ok(())
    }

    /// Gives a NAT gateway one more address; its first is the primary one.
    fn add_nat_address(&mut self, id: &str, allocation: Option<&str>, private: Option<&str>) -> Result<(), Fault> {
        let nat = self.get(Kind::Natgateway, id)?;
        let interfaces = values(&nat.fields, "natGatewayAddressSet.networkInterfaceId");
        let private = match private {
            Some(ip) => ip.to_owned(),
            None => self.free_address(text(nat, "subnetId"))?,
        };
        let new = || uuid::Uuid::new_v4().simple().to_string()[..16].to_owned();
        let interface = interfaces.first().cloned().unwrap_or_else(|| format!("eni-0{}", new()));
        let mut address = json!({
            "isPrimary": interfaces.is_empty(), "status": "succeeded", "networkInterfaceId": interface, "privateIp": private,
        });
        if let Some(allocation) = allocation {
            let association = format!("eipassoc-0{}", new());
            let eip = &mut self.get_mut(Kind::ElasticIp, allocation)?.fields;
            address["allocationId"] = json!(allocation);
            address["associationId"] = json!(association);
            address["publicIp"] = eip.get("publicIp").cloned().unwrap_or(Value::Null);
            for (field, value) in
                [("associationId", &association), ("networkInterfaceId", &interface), ("privateIpAddress", &private)]
            {
                eip.insert(field.to_owned(), json!(value));
            }
        }
        edit(self.get_mut(Kind::Natgateway, id)?, "natGatewayAddressSet", |items| items.push(address));
        Ok(())
    }

    /// Secondary addresses, public by their allocations or private by their own value.
    pub(super) fn add_nat_addresses(&mut self, p: &Params) -> Answer {
        let id = p.required("NatGatewayId")?;
        self.get(Kind::Natgateway, id)?;
        let (allocations, private) = (p.list("AllocationId"), p.list("PrivateIpAddress"));
        self.check_free(&allocations)?;
        let count = p.number("PrivateIpAddressCount")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        for i in 0..allocations.len().max(private.len()).max(count) {
            self.add_nat_address(id, allocations.get(i).copied(), private.get(i).copied())?;
        }
        let addresses = self.show(id)["natGatewayAddressSet"].take();
        Ok(json!({"natGatewayId": id, "natGatewayAddressSet": addresses}))
    }

    pub(super) fn remove_nat_addresses(&mut self, p: &Params) -> Answer {
        let id = p.required("NatGatewayId")?;
        let (associations, private) = (p.list("AssociationId"), p.list("PrivateIpAddress"));
        let named = |a: &Value, field: &str, values: &[&str]| a[field].as_str().is_some_and(|v| values.contains(&v));
        let leaves = |a: &Value| named(a, "associationId", &associations) || named(a, "privateIp", &private);
        let nat = self.get_mut(Kind::Natgateway, id)?;
        let mut left =
            edit(nat, "natGatewayAddressSet", |items| items.extract_if(.., |a| leaves(a)).collect::<Vec<_>>());
        if let Some(primary) = left.iter().position(|a| a["isPrimary"] == json!(true)) {
            let primary = left.remove(primary);
            edit(self.get_mut(Kind::Natgateway, id)?, "natGatewayAddressSet", |items| items.insert(0, primary));
            return Err(Fault::invalid(format!("The primary address of {id} cannot be removed")));
        }
        self.free(&left);
        Ok(json!({"natGatewayId": id, "natGatewayAddressSet": left}))
    }

    /// Takes the Elastic IPs out of the addresses of a NAT gateway.
    fn free(&mut self, addresses: &[Value]) {
        for allocation in addresses.iter().filter_map(|a| a["allocationId"].as_str()) {
            if let Some(eip) = self.objects.get_mut(allocation) {
                let used = ["associationId", "networkInterfaceId", "privateIpAddress"];
                eip.fields.retain(|name, _| !used.contains(&name.as_str()));
            }
        }
    }

    /// As in AWS, a deleted NAT gateway is described as `deleted` for an hour.
    pub(super) fn delete_nat_gateway(&mut self, p: &Params) -> Answer {
        let id = p.required("NatGatewayId")?;
        let nat = self.get_mut(Kind::Natgateway, id)?;
        if text(nat, "state") != "deleted" {
            nat.fields.insert("state".to_owned(), json!("deleted"));
            nat.fields.insert("deleteTime".to_owned(), json!(jiff::Timestamp::now().to_string()));
            // The same token may now make another.
            nat.hidden.clear();
            let addresses = edit(nat, "natGatewayAddressSet", |items| items.clone());
            self.free(&addresses);
        }
        Ok(json!({"natGatewayId": id}))
    }

    /// Forgets the NAT gateways and instances that were deleted over an hour ago.
    pub(super) fn forget_deleted(&mut self) {
        let hour_ago = jiff::Timestamp::now().as_second() - 3600;
        let old = |time: &str| time.parse::<jiff::Timestamp>().is_ok_and(|t| t.as_second() < hour_ago);
        self.objects.retain(|_, o| match o.kind {
            Kind::Natgateway => !old(text(o, "deleteTime")),
            _ => !o.hidden.get("deletedAt").and_then(Value::as_str).is_some_and(old),
        });
    }

    /// The interfaces of living NAT gateways.
    pub(super) fn network_interfaces(&self) -> BTreeMap<String, (Fields, &Tags)> {
        static NO_TAGS: Tags = Tags::new();
        let mut interfaces = BTreeMap::new();
        for (id, nat) in self.of(Kind::Natgateway).filter(|(_, o)| text(o, "state") == "available") {
            let addresses = nat.fields.get("natGatewayAddressSet").and_then(Value::as_array);
            let Some(primary) = addresses.and_then(|a| a.first()) else { continue };
            let association = primary.get("publicIp").map(|ip| {
                json!({"publicIp": ip, "allocationId": primary["allocationId"], "associationId": primary["associationId"]})
            });
            let fields = json!({
                "networkInterfaceId": primary["networkInterfaceId"], "subnetId": text(nat, "subnetId"), "vpcId": text(nat, "vpcId"),
                "description": format!("Interface for NAT Gateway {id}"), "ownerId": self.account, "requesterManaged": true,
                "status": "in-use", "interfaceType": "nat_gateway", "privateIpAddress": primary["privateIp"],
                "association": association, "groupSet": [],
            });
            if let (Value::Object(fields), Some(id)) = (fields, primary["networkInterfaceId"].as_str()) {
                interfaces.insert(id.to_owned(), (fields, &NO_TAGS));
            }
        }
        interfaces
    }
}
