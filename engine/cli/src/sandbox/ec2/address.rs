//! Elastic IP addresses and NAT gateways.

use serde_json::{Value, json};

use super::network::Range;
use super::{Answer, Kind, Region, done, text, values};
use crate::sandbox::wire::{Fault, Params};

impl Region {
    pub(super) fn allocate_address(&mut self, p: &Params) -> Answer {
        let taken = |ip: &String| self.any(Kind::ElasticIp, "publicIp", ip);
        // 203.0.113.0/24 and 198.51.100.0/24 are reserved for documentation: nobody is ever reached at them.
        let mut free =
            (1..=254).flat_map(|n| [format!("203.0.113.{n}"), format!("198.51.100.{n}")]).filter(|ip| !taken(ip));
        let ip = match p.get("Address") {
            Some(ip) => ip.to_owned(),
            None => free.next().ok_or_else(|| {
                Fault::new("AddressLimitExceeded", "The maximum number of addresses has been reached.")
            })?,
        };
        let border = p.get("NetworkBorderGroup").unwrap_or(&self.name);
        let pool = p.get("PublicIpv4Pool").unwrap_or("amazon");
        let fields = json!({"publicIp": ip, "domain": "vpc", "networkBorderGroup": border, "publicIpv4Pool": pool});
        let id = self.add(Kind::ElasticIp, "allocationId", fields, p);
        Ok(self.show(&id))
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
        let subnet = self.get(Kind::Subnet, subnet_id)?;
        let vpc_id = text(subnet, "vpcId").to_owned();
        let range = Range::parse(text(subnet, "cidrBlock"));
        let connectivity = p.get("ConnectivityType").unwrap_or("public");
        let public = connectivity == "public";

        let mut allocations = Vec::new();
        if public {
            allocations.push(p.required("AllocationId")?);
        } else if p.get("AllocationId").is_some() {
            return Err(Fault::invalid("A private NAT gateway takes no AllocationId"));
        }
        allocations.extend(p.list("SecondaryAllocationId"));
        for id in &allocations {
            if self.get(Kind::ElasticIp, id)?.fields.contains_key("associationId") {
                return Err(Fault::new("Resource.AlreadyAssociated", format!("resource {id} is already associated")));
            }
        }
        if public && !self.any(Kind::InternetGateway, "attachmentSet.vpcId", &vpc_id) {
            // AWS accepts the request and the gateway then fails; the reason is the same.
            return Err(Fault::new(
                "Gateway.NotAttached",
                format!("Network {vpc_id} has no Internet gateway attached"),
            ));
        }

        // The addresses that NAT gateways already have in this subnet come first.
        let used = self.of(Kind::Natgateway).filter(|(_, o)| text(o, "subnetId") == subnet_id);
        let mut next: usize =
            4 + used.map(|(_, o)| values(&o.fields, "natGatewayAddressSet.privateIp").len()).sum::<usize>();
        let mut private = |wanted: Option<&str>| {
            next += 1;
            wanted.map(str::to_owned).or_else(|| Some(range?.address(u32::try_from(next).ok()?)))
        };
        let mut wanted = vec![p.get("PrivateIpAddress")];
        wanted.extend(p.list("SecondaryPrivateIpAddress").into_iter().map(Some));
        let count = p.number("SecondaryPrivateIpAddressCount")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        wanted.resize(wanted.len().max(allocations.len()).max(1 + count), None);

        let id = self.add(
            Kind::Natgateway,
            "natGatewayId",
            json!({
                "vpcId": vpc_id, "subnetId": subnet_id, "state": "available", "connectivityType": connectivity,
                "createTime": jiff::Timestamp::now().to_string(),
            }),
            p,
        );
        let mut addresses = Vec::new();
        for (i, wanted) in wanted.into_iter().enumerate() {
            let interface = format!("eni-0{}{i:x}", &id[5..20]);
            let private_ip = private(wanted);
            let mut address = json!({
                "isPrimary": i == 0, "status": "succeeded", "networkInterfaceId": interface, "privateIp": private_ip,
            });
            if let Some(allocation) = allocations.get(i) {
                let association = format!("eipassoc-0{}{i:x}", &id[5..20]);
                let eip = &mut self.get_mut(Kind::ElasticIp, allocation)?.fields;
                address["allocationId"] = json!(allocation);
                address["associationId"] = json!(association);
                address["publicIp"] = eip.get("publicIp").cloned().unwrap_or(Value::Null);
                eip.insert("associationId".to_owned(), json!(association));
                eip.insert("networkInterfaceId".to_owned(), json!(interface));
                eip.insert("privateIpAddress".to_owned(), json!(private_ip));
            }
            addresses.push(address);
        }
        self.get_mut(Kind::Natgateway, &id)?.fields.insert("natGatewayAddressSet".to_owned(), Value::Array(addresses));
        Ok(json!({"natGateway": self.show(&id), "clientToken": p.get("ClientToken")}))
    }

    /// As in AWS, a deleted NAT gateway is described as `deleted` for an hour.
    pub(super) fn delete_nat_gateway(&mut self, p: &Params) -> Answer {
        let id = p.required("NatGatewayId")?;
        let nat = self.get_mut(Kind::Natgateway, id)?;
        if text(nat, "state") == "deleted" {
            return Ok(json!({"natGatewayId": id}));
        }
        nat.fields.insert("state".to_owned(), json!("deleted"));
        nat.fields.insert("deleteTime".to_owned(), json!(jiff::Timestamp::now().to_string()));
        nat.hidden.clear();
        for allocation in values(&nat.fields.clone(), "natGatewayAddressSet.allocationId") {
            if let Some(eip) = self.objects.get_mut(&allocation) {
                ["associationId", "networkInterfaceId", "privateIpAddress"].iter().for_each(|f| {
                    eip.fields.remove(*f);
                });
            }
        }
        Ok(json!({"natGatewayId": id}))
    }

    /// Forgets the NAT gateways that were deleted over an hour ago.
    pub(super) fn forget_deleted(&mut self) {
        let hour_ago = jiff::Timestamp::now().as_second() - 3600;
        let old = |time: &str| time.parse::<jiff::Timestamp>().is_ok_and(|t| t.as_second() < hour_ago);
        self.objects.retain(|_, o| o.kind != Kind::Natgateway || !old(text(o, "deleteTime")));
    }
}
