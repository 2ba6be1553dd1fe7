//! Network interfaces: those of instances and of VPC endpoints are objects; those of NAT gateways are read off these.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};

use super::network::Range;
use super::spec::Kind;
use super::{Answer, Fields, Object, Region, done, edit, form, new_id, object, text, values};
use crate::wire::{Fault, Params};

/// AWS keeps the first addresses of a subnet and the last one for itself.
const RESERVED: u32 = 4;

impl Region {
    /// The groups of a request as answers show them; the VPC's default group if it names none.
    pub(super) fn group_set(&self, groups: &[&str], vpc_id: &str) -> Result<Vec<Value>, Fault> {
        let shown = |id: &str, group: &Object| json!({"groupId": id, "groupName": text(group, "groupName")});
        if groups.is_empty() {
            let default = |g: &Object| text(g, "vpcId") == vpc_id && text(g, "groupName") == "default";
            let found = self.of(Kind::SecurityGroup).filter(|(_, g)| default(g));
            return Ok(found.map(|(id, g)| shown(id, g)).collect());
        }
        let mut set = Vec::new();
        for id in groups {
            let group = self.get(Kind::SecurityGroup, id)?;
            if text(group, "vpcId") != vpc_id {
                let message = format!("Security group {id} and the subnet belong to different networks.");
                return Err(Fault::new("InvalidParameter", message));
            }
            set.push(shown(id, group));
        }
        Ok(set)
    }

    /// Makes an interface in a subnet. `more` is what it has beside the fields that all have.
    pub(super) fn add_interface(
        &mut self,
        subnet_id: &str,
        groups: Vec<Value>,
        address: Option<&str>,
        more: Value,
    ) -> Result<String, Fault> {
        let address = match address {
            Some(wanted) => self.wanted_address(subnet_id, wanted)?,
            None => self.free_address(subnet_id)?,
        };
        let subnet = self.get(Kind::Subnet, subnet_id)?;
        let random = uuid::Uuid::new_v4().simple().to_string();
        let mac: Vec<&str> = (0..5).map(|n| &random[2 * n..2 * n + 2]).collect();
        let mut fields = object(json!({
            "subnetId": subnet_id, "vpcId": text(subnet, "vpcId"), "availabilityZone": text(subnet, "availabilityZone"),
            "availabilityZoneId": text(subnet, "availabilityZoneId"), "ownerId": self.account, "requesterManaged": false,
            "status": "in-use", "macAddress": format!("02:{}", mac.join(":")), "privateIpAddress": address,
            "privateDnsName": self.private_name(&address), "sourceDestCheck": true, "interfaceType": "interface", "groupSet": groups,
            "privateIpAddressesSet": [self.private_address(&address, true)], "ipv6AddressesSet": [], "description": "",
        }));
        form::over(&mut fields, object(more));
        Ok(self.add(Kind::NetworkInterface, "networkInterfaceId", Value::Object(fields), &Params::default()))
    }

    fn private_address(&self, address: &str, primary: bool) -> Value {
        json!({"privateIpAddress": address, "privateDnsName": self.private_name(address), "primary": primary})
    }

    /// The name that an address has inside its VPC.
    /// <https://docs.aws.amazon.com/vpc/latest/userguide/vpc-dns.html>
    pub(super) fn private_name(&self, address: &str) -> String {
        let host = format!("ip-{}", address.replace('.', "-"));
        if self.name == "us-east-1" {
            format!("{host}.ec2.internal")
        } else {
            format!("{host}.{}.compute.internal", self.name)
        }
    }

    /// The name that a public address has.
    pub(super) fn public_name(&self, address: &str) -> String {
        let zone = if self.name == "us-east-1" { "compute-1".to_owned() } else { format!("{}.compute", self.name) };
        format!("ec2-{}.{zone}.amazonaws.com", address.replace('.', "-"))
    }

    /// Every address of a subnet that something has.
    fn used_addresses(&self, subnet_id: &str) -> Vec<String> {
        let here = |o: &Object| text(o, "subnetId") == subnet_id;
        let nats = self.of(Kind::Natgateway).filter(|(_, o)| here(o) && text(o, "state") != "deleted");
        let mut used: Vec<String> =
            nats.flat_map(|(_, o)| values(&o.fields, "natGatewayAddressSet.privateIp")).collect();
        for (_, interface) in self.of(Kind::NetworkInterface).filter(|(_, o)| here(o)) {
            used.extend(values(&interface.fields, "privateIpAddressesSet.privateIpAddress"));
        }
        used
    }

    /// An address of a subnet that is asked for by its value.
    pub(super) fn wanted_address(&self, subnet_id: &str, wanted: &str) -> Result<String, Fault> {
        let range = Range::parse(text(self.get(Kind::Subnet, subnet_id)?, "cidrBlock"));
        let inside = wanted.parse::<Ipv4Addr>().is_ok() && range.is_some_and(|range| range.holds(wanted));
        if !inside {
            let message = format!("Address {wanted} does not fall within the subnet's address range");
            return Err(Fault::invalid(message));
        }
        if self.used_addresses(subnet_id).iter().any(|used| used == wanted) {
            return Err(Fault::new("InvalidIPAddress.InUse", format!("Address {wanted} is in use.")));
        }
        Ok(wanted.to_owned())
    }

    /// The first address of a subnet that nothing has.
    pub(super) fn free_address(&self, subnet_id: &str) -> Result<String, Fault> {
        let range = Range::parse(text(self.get(Kind::Subnet, subnet_id)?, "cidrBlock"));
        let used = self.used_addresses(subnet_id);
        let mut all = range.into_iter().flat_map(|range| (RESERVED..range.last()).map(move |n| range.address(n)));
        all.find(|ip| !used.contains(ip)).ok_or_else(|| {
            Fault::new("InsufficientFreeAddressesInSubnet", format!("No address is free in {subnet_id}"))
        })
    }

    /// Gives an interface a public address, or takes it away. 192.0.2.0/24 is reserved for documentation: nobody is ever reached at it.
    pub(super) fn set_public_address(&mut self, id: &str, public: bool) -> Result<(), Fault> {
        let taken = |ip: &String| self.any(Kind::NetworkInterface, "association.publicIp", ip);
        let free = (1..255).map(|n| format!("192.0.2.{n}")).find(|ip| !taken(ip));
        let association = match (public, free) {
            (false, _) => None,
            (true, Some(ip)) => {
                Some(json!({"publicIp": ip, "publicDnsName": self.public_name(&ip), "ipOwnerId": "amazon"}))
            }
            (true, None) => {
                let message = "The maximum number of addresses has been reached.";
                return Err(Fault::new("AddressLimitExceeded", message));
            }
        };
        let interface = self.get_mut(Kind::NetworkInterface, id)?;
        if public && interface.fields.contains_key("association") {
            return Ok(());
        }
        edit(interface, "privateIpAddressesSet", |all| {
            if let Some(Value::Object(first)) = all.first_mut() {
                put(first, "association", association.clone());
            }
        });
        put(&mut interface.fields, "association", association);
        Ok(())
    }

    /// Gives an interface secondary addresses, by their values or of its subnet's free ones.
    pub(super) fn assign_ipv4(&mut self, id: &str, wanted: &[&str], more: usize) -> Result<(), Fault> {
        let subnet = text(self.get(Kind::NetworkInterface, id)?, "subnetId").to_owned();
        for n in 0..wanted.len() + more {
            let address = match wanted.get(n) {
                Some(wanted) => self.wanted_address(&subnet, wanted)?,
                None => self.free_address(&subnet)?,
            };
            let item = self.private_address(&address, false);
            edit(self.get_mut(Kind::NetworkInterface, id)?, "privateIpAddressesSet", |all| all.push(item));
        }
        Ok(())
    }

    /// Gives an interface IPv6 addresses, by their values or of its subnet's free ones.
    pub(super) fn assign_ipv6(&mut self, id: &str, wanted: &[&str], more: usize) -> Result<(), Fault> {
        if wanted.is_empty() && more == 0 {
            return Ok(());
        }
        let subnet_id = text(self.get(Kind::NetworkInterface, id)?, "subnetId").to_owned();
        let subnet = self.get(Kind::Subnet, &subnet_id)?;
        let range = values(&subnet.fields, "ipv6CidrBlockAssociationSet.ipv6CidrBlock").pop();
        let prefix = range.as_deref().and_then(|r| r.split('/').next()?.parse::<Ipv6Addr>().ok()).map(u128::from);
        let Some(prefix) = prefix else {
            return Err(Fault::invalid(format!("Subnet {subnet_id} does not have an associated IPv6 CIDR block.")));
        };
        for n in 0..wanted.len() + more {
            let path = "ipv6AddressesSet.ipv6Address";
            let taken = |ip: &String| self.any(Kind::NetworkInterface, path, ip);
            let address = match wanted.get(n) {
                Some(wanted) => {
                    let wrong =
                        || Fault::invalid(format!("Address {wanted} does not fall within the subnet's IPv6 range"));
                    let address: Ipv6Addr = wanted.parse().map_err(|_| wrong())?;
                    if u128::from(address) >> 64 != prefix >> 64 {
                        return Err(wrong());
                    }
                    Some(address.to_string()).filter(|ip| !taken(ip))
                }
                None => (0x10_u128..0x1_0000).map(|n| Ipv6Addr::from(prefix + n).to_string()).find(|ip| !taken(ip)),
            };
            let address = address.ok_or_else(|| Fault::new("InvalidIPAddress.InUse", "The address is in use."))?;
            let item = json!({"ipv6Address": address, "isPrimaryIpv6": false});
            edit(self.get_mut(Kind::NetworkInterface, id)?, "ipv6AddressesSet", |all| all.push(item));
        }
        Ok(())
    }

    pub(super) fn assign_addresses(&mut self, p: &Params) -> Answer {
        super::refuse(p, &["Ipv4PrefixCount", "Ipv6PrefixCount"])?;
        let id = p.required("NetworkInterfaceId")?.to_owned();
        self.get(Kind::NetworkInterface, &id)?;
        let count = |name: &str| Ok::<_, Fault>(p.number(name)?.and_then(|n| usize::try_from(n).ok()).unwrap_or(0));
        self.assign_ipv4(&id, &p.list("PrivateIpAddress"), count("SecondaryPrivateIpAddressCount")?)?;
        self.assign_ipv6(&id, &p.list("Ipv6Addresses"), count("Ipv6AddressCount")?)?;
        let interface = self.get_mut(Kind::NetworkInterface, &id)?;
        for (param, field, set) in PREFIXES {
            for prefix in p.list(param) {
                edit(interface, set, |all| all.push(json!({*field: prefix})));
            }
        }
        Ok(json!({"networkInterfaceId": id}))
    }

    pub(super) fn unassign_addresses(&mut self, p: &Params) -> Answer {
        let id = p.required("NetworkInterfaceId")?;
        let interface = self.get_mut(Kind::NetworkInterface, id)?;
        let lists = [
            ("PrivateIpAddress", "privateIpAddress", "privateIpAddressesSet"),
            ("Ipv6Addresses", "ipv6Address", "ipv6AddressesSet"),
        ];
        for (param, field, set) in lists.iter().chain(PREFIXES) {
            let gone = p.list(param);
            let goes = |item: &Value| item[*field].as_str().is_some_and(|value| gone.contains(&value));
            let path = format!("{set}.{field}");
            if let Some(unknown) = gone.iter().find(|ip| !values(&interface.fields, &path).iter().any(|v| v == *ip)) {
                return Err(Fault::invalid(format!("{unknown} is not assigned to interface {id}")));
            }
            let first = gone.contains(&text(interface, "privateIpAddress"));
            if *param == "PrivateIpAddress" && first {
                return Err(Fault::invalid(format!("The primary address of {id} cannot be unassigned")));
            }
            if !gone.is_empty() {
                edit(interface, set, |all| all.retain(|item| !goes(item)));
            }
        }
        Ok(json!({"networkInterfaceId": id, "return": true}))
    }

    pub(super) fn modify_network_interface_attribute(&mut self, p: &Params) -> Answer {
        let id = p.required("NetworkInterfaceId")?.to_owned();
        let interface = self.get(Kind::NetworkInterface, &id)?;
        let vpc_id = text(interface, "vpcId").to_owned();
        let groups = p.list("SecurityGroupId");
        let groups = if groups.is_empty() { None } else { Some(self.group_set(&groups, &vpc_id)?) };
        if let Some(attachment) = p.get("Attachment.AttachmentId")
            && !values(&interface.fields, "attachment.attachmentId").iter().any(|id| id == attachment)
        {
            let message = format!("The attachment ID '{attachment}' does not exist");
            return Err(Fault::new("InvalidAttachmentID.NotFound", message));
        }
        if let Some(public) = p.flag("AssociatePublicIpAddress") {
            self.set_public_address(&id, public)?;
        }
        let interface = self.get_mut(Kind::NetworkInterface, &id)?;
        if let Some(groups) = groups {
            interface.fields.insert("groupSet".to_owned(), Value::Array(groups));
        }
        if let Some(description) = p.get("Description.Value") {
            interface.fields.insert("description".to_owned(), json!(description));
        }
        if let Some(check) = p.flag("SourceDestCheck.Value") {
            interface.fields.insert("sourceDestCheck".to_owned(), json!(check));
        }
        let mut attachment = Fields::new();
        if let Some(delete) = p.flag("Attachment.DeleteOnTermination") {
            attachment.insert("deleteOnTermination".to_owned(), json!(delete));
        }
        for (param, field) in
            [("EnaSrdSpecification", Some("enaSrdSpecification")), ("ConnectionTrackingSpecification", None)]
        {
            let structure = form::shown(p, param);
            match (structure.is_empty(), field) {
                (true, _) => {}
                (false, Some(field)) => drop(attachment.insert(field.to_owned(), Value::Object(structure))),
                (false, None) => {
                    interface.fields.insert("connectionTrackingConfiguration".to_owned(), Value::Object(structure));
                }
            }
        }
        if !attachment.is_empty() {
            form::over(&mut interface.fields, object(json!({"attachment": attachment})));
        }
        if let Some(primary) = p.flag("EnablePrimaryIpv6") {
            set_primary_ipv6(interface, primary)?;
        }
        done()
    }

    /// The interfaces of an instance, the first one first.
    pub(super) fn interfaces_of(&self, instance: &str) -> Vec<(&String, &Object)> {
        let mine = |o: &Object| values(&o.fields, "attachment.instanceId").iter().any(|id| id == instance);
        let mut all: Vec<_> = self.of(Kind::NetworkInterface).filter(|(_, o)| mine(o)).collect();
        let index =
            |o: &Object| values(&o.fields, "attachment.deviceIndex").first().and_then(|n| n.parse::<i64>().ok());
        all.sort_by_key(|(_, o)| index(o));
        all
    }
}

/// Prefixes of an interface: the request's parameter, an item's field, and the list.
const PREFIXES: &[(&str, &str, &str)] =
    &[("Ipv4Prefix", "ipv4Prefix", "ipv4PrefixSet"), ("Ipv6Prefix", "ipv6Prefix", "ipv6PrefixSet")];

/// Makes the first IPv6 address the primary one, for good.
pub(super) fn set_primary_ipv6(interface: &mut Object, primary: bool) -> Result<(), Fault> {
    let is = values(&interface.fields, "ipv6AddressesSet.isPrimaryIpv6").contains(&"true".to_owned());
    match (is, primary) {
        (true, false) => Err(Fault::invalid("A primary IPv6 address cannot be disabled")),
        (false, true) => edit(interface, "ipv6AddressesSet", |all| match all.first_mut() {
            Some(first) => {
                first["isPrimaryIpv6"] = json!(true);
                Ok(())
            }
            None => Err(Fault::invalid("The network interface has no IPv6 address")),
        }),
        _ => Ok(()),
    }
}

/// What connects an instance with an interface.
pub(super) fn attachment(instance: &str, account: &str, index: i64, card: i64, delete: bool) -> Value {
    json!({
        "attachmentId": new_id("eni-attach-"), "instanceId": instance, "instanceOwnerId": account, "deviceIndex": index,
        "networkCardIndex": card, "status": "attached", "attachTime": jiff::Timestamp::now().to_string(),
        "deleteOnTermination": delete,
    })
}

fn put(fields: &mut Fields, name: &str, value: Option<Value>) {
    match value {
        Some(value) => fields.insert(name.to_owned(), value),
        None => fields.remove(name),
    };
}
