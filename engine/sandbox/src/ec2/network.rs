//! VPCs, subnets and internet gateways.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};

use super::options::DEFAULT_DHCP;
use super::spec::Kind;
use super::{Answer, Fields, Filters, Object, Region, Tags, done, edit, object, refuse, text, values};
use crate::wire::{Fault, Params};

/// An IPv4 range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    first: u32,
    bits: u8,
}

impl Range {
    /// Bits below the mask are cleared, as EC2 does.
    pub(super) fn parse(cidr: &str) -> Option<Self> {
        let (address, bits) = cidr.split_once('/')?;
        let address = u32::from(address.parse::<Ipv4Addr>().ok()?);
        let bits = bits.parse().ok().filter(|b| *b <= 32)?;
        Some(Self { first: address & Self::mask(bits), bits })
    }

    fn mask(bits: u8) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)
    }

    fn contains(self, other: Self) -> bool {
        self.bits <= other.bits && other.first & Self::mask(self.bits) == self.first
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// The number of the last address.
    pub(super) fn last(self) -> u32 {
        !Self::mask(self.bits)
    }

    /// Whether an address is in it that is nobody's but its user's: AWS keeps the first four and the last one.
    pub(super) fn holds(self, address: &str) -> bool {
        let number = address.parse::<Ipv4Addr>().ok().and_then(|a| u32::from(a).checked_sub(self.first));
        number.is_some_and(|n| (4..self.last()).contains(&n))
    }

    /// The n-th address.
    pub(super) fn address(self, n: u32) -> String {
        Ipv4Addr::from(self.first.saturating_add(n)).to_string()
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.first), self.bits)
    }
}

/// EC2 allows VPCs and subnets from /16 to /28.
fn block(p: &Params, code: &str) -> Result<Range, Fault> {
    let cidr = p.required("CidrBlock")?;
    let range = Range::parse(cidr).ok_or_else(|| {
        Fault::invalid(format!("Value ({cidr}) for parameter cidrBlock is invalid. This is not a valid CIDR block."))
    })?;
    if (16..=28).contains(&range.bits) {
        Ok(range)
    } else {
        Err(Fault::new(code, format!("The CIDR '{cidr}' is invalid.")))
    }
}

fn associated(of: &str, field: &str, cidr: &str) -> Value {
    let id = format!("{of}-cidr-assoc-0{}", &uuid::Uuid::new_v4().simple().to_string()[..16]);
    let state = format!("{field}State");
    json!({"associationId": id, field: cidr, state: {"state": "associated"}})
}

/// The one attribute that a Modify call carries. EC2 takes one at a time.
fn one_attribute<'a>(p: &'a Params, known: &[(&'static str, &'static str)]) -> Result<(&'static str, &'a str), Fault> {
    let given = known.iter().filter_map(|(param, field)| {
        let value = p.get(&format!("{param}.Value")).or_else(|| p.get(param))?;
        Some((*field, value))
    });
    let mut given: Vec<_> = given.collect();
    match (given.pop(), given.is_empty()) {
        (Some(one), true) => Ok(one),
        (None, _) => {
            Err(Fault::new("MissingParameter", "The request must contain exactly one attribute that can be modified"))
        }
        (Some(_), false) => {
            Err(Fault::new("InvalidParameterCombination", "Fields for multiple attribute types specified"))
        }
    }
}

fn scalar(value: &str) -> Value {
    match value {
        "true" => json!(true),
        "false" => json!(false),
        other => other.parse::<i64>().map_or_else(|_| json!(other), |n| json!(n)),
    }
}

impl Region {
    pub(super) fn create_vpc(&mut self, p: &Params) -> Answer {
        let pools = ["Ipv4IpamPoolId", "Ipv6IpamPoolId", "Ipv6Pool", "Ipv6CidrBlock", "VpcEncryptionControl"];
        refuse(p, &pools)?;
        let cidr = block(p, "InvalidVpc.Range")?.to_string();
        self.need_default_dhcp();
        let id = self.add(
            Kind::Vpc,
            "vpcId",
            json!({
                "state": "available", "ownerId": self.account, "cidrBlock": cidr, "isDefault": false,
                "dhcpOptionsId": DEFAULT_DHCP, "instanceTenancy": p.get("InstanceTenancy").unwrap_or("default"),
                "cidrBlockAssociationSet": [associated("vpc", "cidrBlock", &cidr)],
            }),
            p,
        );
        let vpc = self.get_mut(Kind::Vpc, &id)?;
        vpc.hidden.insert("enableDnsSupport".to_owned(), json!(true));
        if p.flag("AmazonProvidedIpv6CidrBlock") == Some(true) {
            self.add_amazon_ipv6(&id)?;
        }
        // What AWS makes along with a VPC.
        self.add_network_acl(&id, true, &Params::default());
        self.add_route_table(&id, &cidr, true, &Params::default());
        self.add_security_group("default", "default VPC security group", &id, &Params::default());
        Ok(json!({"vpc": self.show(&id)}))
    }

    /// A range of Amazon's IPv6 addresses that no other VPC has.
    fn add_amazon_ipv6(&mut self, vpc_id: &str) -> Result<Value, Fault> {
        let range = |n: u32| format!("2600:1f14:{:x}:{:x}00::/56", 0x1000 + n / 0x100, n % 0x100);
        let free =
            (0..0x10_0000).map(range).find(|r| !self.any(Kind::Vpc, "ipv6CidrBlockAssociationSet.ipv6CidrBlock", r));
        let mut association = associated("vpc", "ipv6CidrBlock", &free.unwrap_or_default());
        association["ipv6Pool"] = json!("Amazon");
        association["networkBorderGroup"] = json!(self.name);
        let shown = association.clone();
        edit(self.get_mut(Kind::Vpc, vpc_id)?, "ipv6CidrBlockAssociationSet", |items| items.push(association));
        Ok(shown)
    }

    pub(super) fn associate_vpc_cidr_block(&mut self, p: &Params) -> Answer {
        refuse(p, &["CidrBlock", "Ipv4IpamPoolId", "Ipv6IpamPoolId", "Ipv6Pool", "Ipv6CidrBlock"])?;
        let id = p.required("VpcId")?;
        if !values(&self.get(Kind::Vpc, id)?.fields, "ipv6CidrBlockAssociationSet.ipv6CidrBlock").is_empty() {
            return Err(Fault::new("CidrLimitExceeded", format!("The vpc '{id}' has its IPv6 range already")));
        }
        Ok(json!({"vpcId": id, "ipv6CidrBlockAssociation": self.add_amazon_ipv6(id)?}))
    }

    pub(super) fn associate_subnet_cidr_block(&mut self, p: &Params) -> Answer {
        refuse(p, &["Ipv6IpamPoolId"])?;
        let (id, range) = (p.required("SubnetId")?, p.required("Ipv6CidrBlock")?);
        let association = self.subnet_ipv6(text(self.get(Kind::Subnet, id)?, "vpcId"), range)?;
        let shown = association.clone();
        edit(self.get_mut(Kind::Subnet, id)?, "ipv6CidrBlockAssociationSet", |items| items.push(association));
        Ok(json!({"subnetId": id, "ipv6CidrBlockAssociation": shown}))
    }

    /// An IPv6 range for a subnet: a /64 in its VPC's, and nobody else's.
    fn subnet_ipv6(&self, vpc_id: &str, range: &str) -> Result<Value, Fault> {
        let wrong = || Fault::new("InvalidSubnet.Range", format!("The CIDR '{range}' is invalid."));
        let prefix = |range: &str, bits: &str| {
            let address = range.strip_suffix(bits)?.parse::<Ipv6Addr>().ok()?;
            Some(u128::from(address) >> 72)
        };
        let mine = prefix(range, "/64").ok_or_else(wrong)?;
        let vpc = values(&self.get(Kind::Vpc, vpc_id)?.fields, "ipv6CidrBlockAssociationSet.ipv6CidrBlock");
        if !vpc.iter().any(|v| prefix(v, "/56") == Some(mine)) {
            return Err(wrong());
        }
        if self.any(Kind::Subnet, "ipv6CidrBlockAssociationSet.ipv6CidrBlock", range) {
            return Err(Fault::new(
                "InvalidSubnet.Conflict",
                format!("The CIDR '{range}' conflicts with another subnet"),
            ));
        }
        Ok(associated("subnet", "ipv6CidrBlock", range))
    }

    pub(super) fn disassociate_cidr_block(&mut self, kind: Kind, p: &Params) -> Answer {
        let id = p.required("AssociationId")?;
        let path = "ipv6CidrBlockAssociationSet.associationId";
        let owner =
            self.of(kind).find(|(_, o)| values(&o.fields, path).iter().any(|a| a == id)).map(|(id, _)| id.clone());
        let missing = || {
            Fault::new("InvalidCidrBlockAssociationID.NotFound", format!("The association ID '{id}' does not exist"))
        };
        let owner = owner.ok_or_else(missing)?;
        let used = |o: &Object| text(o, "vpcId") == owner && !values(&o.fields, path).is_empty();
        if kind == Kind::Vpc && self.of(Kind::Subnet).any(|(_, o)| used(o)) {
            return Err(Fault::dependency(format!("A subnet of '{owner}' still has a part of the range")));
        }
        edit(self.get_mut(kind, &owner)?, "ipv6CidrBlockAssociationSet", |items| {
            items.retain(|a| a["associationId"] != json!(id))
        });
        done()
    }

    pub(super) fn delete_vpc(&mut self, p: &Params) -> Answer {
        let id = p.required("VpcId")?.to_owned();
        self.get(Kind::Vpc, &id)?;
        let made_with_it = |o: &Object| {
            text(o, "groupName") == "default"
                || values(&o.fields, "associationSet.main").contains(&"true".to_owned())
                || (o.kind == Kind::NetworkAcl && o.fields.get("default") == Some(&json!(true)))
        };
        let holds = |o: &Object| {
            o.kind != Kind::Vpc
                && (text(o, "vpcId") == id
                    || ["attachmentSet.vpcId", "attachments.vpcId"]
                        .iter()
                        .any(|at| values(&o.fields, at).contains(&id)))
                && text(o, "state") != "deleted"
                && !made_with_it(o)
        };
        let holders: Vec<&str> = self.objects.iter().filter(|(_, o)| holds(o)).map(|(id, _)| id.as_str()).collect();
        if !holders.is_empty() {
            return Err(Fault::dependency(format!(
                "The vpc '{id}' has dependencies and cannot be deleted: {}",
                holders.join(", ")
            )));
        }
        let groups: Vec<String> =
            self.of(Kind::SecurityGroup).filter(|(_, o)| text(o, "vpcId") == id).map(|g| g.0.clone()).collect();
        self.objects.retain(|_, o| text(o, "vpcId") != id && !groups.iter().any(|g| text(o, "groupId") == g));
        self.forget_flow_logs(&id);
        self.forget_peerings(&id);
        done()
    }

    pub(super) fn describe_vpc_attribute(&self, p: &Params) -> Answer {
        let id = p.required("VpcId")?;
        let vpc = self.get(Kind::Vpc, id)?;
        let name = p.required("Attribute")?;
        if !["enableDnsSupport", "enableDnsHostnames", "enableNetworkAddressUsageMetrics"].contains(&name) {
            return Err(Fault::invalid(format!(
                "Value ({name}) for parameter attribute is invalid. Unknown attribute."
            )));
        }
        Ok(json!({"vpcId": id, name: {"value": vpc.hidden.get(name).unwrap_or(&json!(false))}}))
    }

    pub(super) fn modify_vpc_attribute(&mut self, p: &Params) -> Answer {
        let (name, value) = one_attribute(
            p,
            &[
                ("EnableDnsSupport", "enableDnsSupport"),
                ("EnableDnsHostnames", "enableDnsHostnames"),
                ("EnableNetworkAddressUsageMetrics", "enableNetworkAddressUsageMetrics"),
            ],
        )?;
        self.get_mut(Kind::Vpc, p.required("VpcId")?)?.hidden.insert(name.to_owned(), scalar(value));
        done()
    }

    pub(super) fn create_subnet(&mut self, p: &Params) -> Answer {
        let vpc_id = p.required("VpcId")?;
        let vpc = self.get(Kind::Vpc, vpc_id)?;
        refuse(p, &["Ipv4IpamPoolId", "Ipv6IpamPoolId", "Ipv6Native"])?;
        let range = block(p, "InvalidSubnet.Range")?;
        if !Range::parse(text(vpc, "cidrBlock")).is_some_and(|v| v.contains(range)) {
            return Err(Fault::new("InvalidSubnet.Range", format!("The CIDR '{range}' is invalid.")));
        }
        let conflicts = |o: &Object| {
            text(o, "vpcId") == vpc_id && Range::parse(text(o, "cidrBlock")).is_some_and(|r| r.overlaps(range))
        };
        if self.of(Kind::Subnet).any(|(_, o)| conflicts(o)) {
            return Err(Fault::new(
                "InvalidSubnet.Conflict",
                format!("The CIDR '{range}' conflicts with another subnet"),
            ));
        }
        let zone = self.zone(p.get("AvailabilityZone"), p.get("AvailabilityZoneId"))?;
        let (zone, zone_id) = zone.or_else(|| self.zones().into_iter().next()).unwrap_or_default();
        let v6 = p.get("Ipv6CidrBlock").map(|range| self.subnet_ipv6(vpc_id, range)).transpose()?;
        let id = self.add(
            Kind::Subnet,
            "subnetId",
            json!({
                "state": "available", "ownerId": self.account, "vpcId": vpc_id, "cidrBlock": range.to_string(),
                "availableIpAddressCount": (1_u64 << (32 - range.bits)) - 5,
                "availabilityZone": zone, "availabilityZoneId": zone_id, "defaultForAz": false,
                "mapPublicIpOnLaunch": false, "mapCustomerOwnedIpOnLaunch": false, "assignIpv6AddressOnCreation": false,
                "enableDns64": false, "ipv6Native": false, "outpostArn": p.get("OutpostArn"),
                "ipv6CidrBlockAssociationSet": v6.map(|v6| json!([v6])),
                "privateDnsNameOptionsOnLaunch": {
                    "hostnameType": "ip-name", "enableResourceNameDnsARecord": false, "enableResourceNameDnsAAAARecord": false,
                },
            }),
            p,
        );
        let arn = self.arn(Kind::Subnet, &id);
        self.get_mut(Kind::Subnet, &id)?.fields.insert("subnetArn".to_owned(), json!(arn));
        let vpc_id = vpc_id.to_owned();
        self.put_behind_default_acl(&vpc_id, &id);
        Ok(json!({"subnet": self.show(&id)}))
    }

    pub(super) fn delete_subnet(&mut self, p: &Params) -> Answer {
        let id = p.required("SubnetId")?.to_owned();
        self.get(Kind::Subnet, &id)?;
        let living = |o: &Object| text(o, "subnetId") == id && text(o, "state") != "deleted";
        if [Kind::Natgateway, Kind::NetworkInterface].into_iter().any(|kind| self.of(kind).any(|(_, o)| living(o))) {
            return Err(Fault::dependency(format!("The subnet '{id}' has dependencies and cannot be deleted.")));
        }
        self.objects.remove(&id);
        // Route tables and ACLs let go of a deleted subnet by themselves.
        for holder in self.objects.values_mut().filter(|o| [Kind::RouteTable, Kind::NetworkAcl].contains(&o.kind)) {
            edit(holder, "associationSet", |items| items.retain(|a| a["subnetId"] != json!(id)));
        }
        self.forget_flow_logs(&id);
        done()
    }

    pub(super) fn modify_subnet_attribute(&mut self, p: &Params) -> Answer {
        // The two that go together.
        if let (Some(map), Some(pool)) = (p.flag("MapCustomerOwnedIpOnLaunch.Value"), p.get("CustomerOwnedIpv4Pool")) {
            let fields = &mut self.get_mut(Kind::Subnet, p.required("SubnetId")?)?.fields;
            fields.insert("mapCustomerOwnedIpOnLaunch".to_owned(), json!(map));
            fields.insert("customerOwnedIpv4Pool".to_owned(), json!(pool));
            return done();
        }
        let (name, value) = one_attribute(
            p,
            &[
                ("MapPublicIpOnLaunch", "mapPublicIpOnLaunch"),
                ("AssignIpv6AddressOnCreation", "assignIpv6AddressOnCreation"),
                ("MapCustomerOwnedIpOnLaunch", "mapCustomerOwnedIpOnLaunch"),
                ("EnableDns64", "enableDns64"),
                ("EnableLniAtDeviceIndex", "enableLniAtDeviceIndex"),
                ("DisableLniAtDeviceIndex", "disableLniAtDeviceIndex"),
                ("PrivateDnsHostnameTypeOnLaunch", "hostnameType"),
                ("EnableResourceNameDnsARecordOnLaunch", "enableResourceNameDnsARecord"),
                ("EnableResourceNameDnsAAAARecordOnLaunch", "enableResourceNameDnsAAAARecord"),
            ],
        )?;
        let fields = &mut self.get_mut(Kind::Subnet, p.required("SubnetId")?)?.fields;
        let nested =
            ["hostnameType", "enableResourceNameDnsARecord", "enableResourceNameDnsAAAARecord"].contains(&name);
        if name == "disableLniAtDeviceIndex" {
            fields.remove("enableLniAtDeviceIndex");
            return done();
        }
        let options = fields.get_mut("privateDnsNameOptionsOnLaunch").and_then(Value::as_object_mut);
        match options.filter(|_| nested) {
            Some(options) => options.insert(name.to_owned(), scalar(value)),
            None => fields.insert(name.to_owned(), scalar(value)),
        };
        done()
    }

    pub(super) fn create_internet_gateway(&mut self, p: &Params) -> Answer {
        let fields = json!({"ownerId": self.account, "attachmentSet": []});
        let id = self.add(Kind::InternetGateway, "internetGatewayId", fields, p);
        Ok(json!({"internetGateway": self.show(&id)}))
    }

    pub(super) fn attach_internet_gateway(&mut self, p: &Params) -> Answer {
        let (id, vpc_id) = (p.required("InternetGatewayId")?, p.required("VpcId")?);
        self.get(Kind::Vpc, vpc_id)?;
        let gateway = self.get(Kind::InternetGateway, id)?;
        if !values(&gateway.fields, "attachmentSet.vpcId").is_empty() {
            return Err(Fault::new(
                "Resource.AlreadyAssociated",
                format!("resource {id} is already attached to a network"),
            ));
        }
        if self.any(Kind::InternetGateway, "attachmentSet.vpcId", vpc_id) {
            let message = format!("Network {vpc_id} already has an internet gateway attached");
            return Err(Fault::invalid(message));
        }
        let attachment = json!({"vpcId": vpc_id, "state": "available"});
        edit(self.get_mut(Kind::InternetGateway, id)?, "attachmentSet", |items| items.push(attachment));
        done()
    }

    pub(super) fn detach_internet_gateway(&mut self, p: &Params) -> Answer {
        let (id, vpc_id) = (p.required("InternetGatewayId")?, p.required("VpcId")?);
        self.get(Kind::Vpc, vpc_id)?;
        let gateway = self.get(Kind::InternetGateway, id)?;
        if !values(&gateway.fields, "attachmentSet.vpcId").iter().any(|v| v == vpc_id) {
            return Err(Fault::new(
                "Gateway.NotAttached",
                format!("resource {id} is not attached to network {vpc_id}"),
            ));
        }
        let public = |o: &Object| {
            text(o, "vpcId") == vpc_id && text(o, "connectivityType") == "public" && text(o, "state") != "deleted"
        };
        let mapped = |o: &Object| text(o, "vpcId") == vpc_id && o.fields.contains_key("association");
        if self.of(Kind::Natgateway).any(|(_, o)| public(o)) || self.of(Kind::NetworkInterface).any(|(_, o)| mapped(o))
        {
            return Err(Fault::dependency(format!(
                "Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway."
            )));
        }
        edit(self.get_mut(Kind::InternetGateway, id)?, "attachmentSet", Vec::clear);
        done()
    }

    pub(super) fn delete_internet_gateway(&mut self, p: &Params) -> Answer {
        let id = p.required("InternetGatewayId")?;
        let gateway = self.get(Kind::InternetGateway, id)?;
        if !values(&gateway.fields, "attachmentSet.vpcId").is_empty() {
            return Err(Fault::dependency(format!(
                "The internetGateway '{id}' has dependencies and cannot be deleted."
            )));
        }
        self.objects.remove(id);
        done()
    }

    /// Names and ids of the region's availability zones.
    pub(super) fn zones(&self) -> Vec<(String, String)> {
        let letters = match self.name.as_str() {
            "us-east-1" => "abcdef",
            "us-west-2" => "abcd",
            _ => "abc",
        };
        // us-west-2 → usw2, ap-southeast-1 → apse1.
        let mut short = self.name.clone();
        for (word, letter) in
            [("north", "n"), ("south", "s"), ("east", "e"), ("west", "w"), ("central", "c"), ("-", "")]
        {
            short = short.replace(word, letter);
        }
        letters
            .chars()
            .zip(1..)
            .map(|(letter, n)| (format!("{}{letter}", self.name), format!("{short}-az{n}")))
            .collect()
    }

    /// The zone that a request names by its name or its id; `None` if it names none.
    pub(super) fn zone(&self, name: Option<&str>, id: Option<&str>) -> Result<Option<(String, String)>, Fault> {
        let Some(wanted) = name.or(id) else { return Ok(None) };
        let zones = self.zones();
        let names: Vec<&str> = zones.iter().map(|zone| zone.0.as_str()).collect();
        let message = format!(
            "Value ({wanted}) for parameter availabilityZone is invalid. Subnets can currently only be created in the following \
             availability zones: {}.",
            names.join(", ")
        );
        let is_it = |zone: &(String, String)| if name.is_some() { zone.0 == wanted } else { zone.1 == wanted };
        zones.iter().find(|zone| is_it(zone)).cloned().map(Some).ok_or_else(|| Fault::invalid(message))
    }

    pub(super) fn availability_zones(&self, p: &Params) -> Answer {
        let filters = Filters::parse(
            p,
            &[
                ("zone-name", "zoneName"),
                ("zone-id", "zoneId"),
                ("zone-type", "zoneType"),
                ("state", "zoneState"),
                ("region-name", "regionName"),
                ("group-name", "groupName"),
                ("opt-in-status", "optInStatus"),
            ],
        )?;
        let zone = |(name, id): (String, String)| {
            object(json!({
                "zoneName": name, "zoneId": id, "zoneState": "available", "regionName": self.name, "zoneType": "availability-zone",
                "groupName": self.name, "networkBorderGroup": self.name, "optInStatus": "opt-in-not-required",
            }))
        };
        let all = self.zones();
        let (names, ids) = (p.list("ZoneName"), p.list("ZoneId"));
        let known = |wanted: &str| all.iter().any(|(name, id)| [name, id].iter().any(|z| *z == wanted));
        if let Some(unknown) = names.iter().chain(&ids).find(|wanted| !known(wanted)) {
            return Err(Fault::invalid(format!("Invalid availability zone: [{unknown}]")));
        }
        let wanted = |zone: &(String, String)| {
            (names.is_empty() || names.contains(&zone.0.as_str())) && (ids.is_empty() || ids.contains(&zone.1.as_str()))
        };
        let zones = all.iter().filter(|zone| wanted(zone)).cloned().map(zone);
        let zones: Vec<Fields> = zones.filter(|fields| filters.accept(fields, &Tags::new())).collect();
        Ok(json!({"availabilityZoneInfo": zones}))
    }

    /// The VPC that an internet gateway is attached to.
    pub(super) fn attached_vpc(gateway: &Fields) -> Option<String> {
        values(gateway, "attachmentSet.vpcId").pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let range = |s: &str| Range::parse(s).unwrap();
        assert_eq!(range("10.0.3.7/16").to_string(), "10.0.0.0/16");
        assert!(range("0.0.0.0/0").contains(range("255.255.255.255/32")));
        assert!(
            range("10.0.0.0/24").overlaps(range("10.0.0.128/25"))
                && !range("10.0.0.0/24").overlaps(range("10.0.1.0/24"))
        );
        for bad in ["10.0.0.0", "10.0.0/8", "10.0.0.0/33", "a/8"] {
            assert!(Range::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn zone_ids_follow_the_region() {
        for (name, expected) in
            [("us-west-2", "usw2-az1"), ("ap-southeast-2", "apse2-az1"), ("eu-central-1", "euc1-az1")]
        {
            let region = Region { name: name.to_owned(), ..Region::default() };
            assert_eq!(region.zones()[0].1, expected);
        }
    }
}
