//! Network ACLs, their entries and their associations. Every subnet has one ACL at any time: at first its VPC's default one.

use serde_json::{Map, Value, json};

use super::network::Range;
use super::spec::Kind;
use super::{Answer, Fields, Region, done, edit, new_id, text, values};
use crate::wire::{Fault, Params};

/// The entries at the end of each list, which nobody can change: everything else is refused.
const LAST_IPV4: i64 = 32767;
const LAST_IPV6: i64 = 32768;
/// AWS's default quota of entries in each direction.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>
const MOST_ENTRIES: usize = 20;

fn entry(number: i64, egress: bool, action: &str, field: &str, range: &str) -> Value {
    json!({"ruleNumber": number, "protocol": "-1", "ruleAction": action, "egress": egress, field: range})
}

/// The entries that AWS makes with an ACL: the default one lets everything through, others nothing.
fn first_entries(default: bool, ipv6: bool) -> Vec<Value> {
    let mut entries = Vec::new();
    for egress in [true, false] {
        for (field, range, allow, last) in
            [("cidrBlock", "0.0.0.0/0", 100, LAST_IPV4), ("ipv6CidrBlock", "::/0", 101, LAST_IPV6)]
        {
            if field == "ipv6CidrBlock" && !ipv6 {
                continue;
            }
            if default {
                entries.push(entry(allow, egress, "allow", field, range));
            }
            entries.push(entry(last, egress, "deny", field, range));
        }
    }
    entries
}

/// Whether an entry stands at a place.
fn is_at(entry: &Value, egress: bool, number: i64) -> bool {
    entry["egress"] == json!(egress) && entry["ruleNumber"] == json!(number)
}

impl Region {
    pub(super) fn create_network_acl(&mut self, p: &Params) -> Answer {
        if let Some(made) = self.made_before(Kind::NetworkAcl, p) {
            return Ok(json!({"networkAcl": made, "clientToken": p.get("ClientToken")}));
        }
        let vpc_id = p.required("VpcId")?.to_owned();
        self.get(Kind::Vpc, &vpc_id)?;
        let id = self.add_network_acl(&vpc_id, false, p);
        Ok(json!({"networkAcl": self.show(&id), "clientToken": p.get("ClientToken")}))
    }

    pub(super) fn add_network_acl(&mut self, vpc_id: &str, default: bool, p: &Params) -> String {
        let range = "ipv6CidrBlockAssociationSet.ipv6CidrBlock";
        let ipv6 = self.get(Kind::Vpc, vpc_id).is_ok_and(|vpc| !values(&vpc.fields, range).is_empty());
        let fields = json!({
            "vpcId": vpc_id, "ownerId": self.account, "default": default, "entrySet": first_entries(default, ipv6), "associationSet": [],
        });
        self.add(Kind::NetworkAcl, "networkAclId", fields, p)
    }

    /// Makes the default ACLs of VPCs that have none, with their subnets: those of a sandbox from before there were ACLs.
    pub(super) fn complete_network_acls(&mut self) {
        let vpcs: Vec<String> = self.of(Kind::Vpc).map(|(id, _)| id.clone()).collect();
        for vpc in vpcs.iter().filter(|vpc| self.default_acl(vpc).is_none()).collect::<Vec<_>>() {
            self.add_network_acl(vpc, true, &Params::default());
            let mine = self.of(Kind::Subnet).filter(|(_, o)| text(o, "vpcId") == vpc.as_str());
            let subnets: Vec<String> = mine.map(|(id, _)| id.clone()).collect();
            subnets.iter().for_each(|subnet| self.put_behind_default_acl(vpc, subnet));
        }
    }

    fn default_acl(&self, vpc_id: &str) -> Option<String> {
        let is_it = |o: &super::Object| text(o, "vpcId") == vpc_id && o.fields.get("default") == Some(&json!(true));
        self.of(Kind::NetworkAcl).find(|(_, o)| is_it(o)).map(|(id, _)| id.clone())
    }

    /// A new subnet's first association.
    pub(super) fn put_behind_default_acl(&mut self, vpc_id: &str, subnet_id: &str) {
        if let Some(acl) = self.default_acl(vpc_id) {
            self.associate_acl(&acl, subnet_id);
        }
    }

    fn associate_acl(&mut self, acl: &str, subnet_id: &str) -> String {
        let id = new_id("aclassoc-");
        let association = json!({"networkAclAssociationId": id, "networkAclId": acl, "subnetId": subnet_id});
        if let Some(acl) = self.objects.get_mut(acl) {
            edit(acl, "associationSet", |items| items.push(association));
        }
        id
    }

    pub(super) fn replace_network_acl_association(&mut self, p: &Params) -> Answer {
        let (association_id, acl_id) = (p.required("AssociationId")?, p.required("NetworkAclId")?.to_owned());
        let vpc_id = text(self.get(Kind::NetworkAcl, &acl_id)?, "vpcId").to_owned();
        let path = "associationSet.networkAclAssociationId";
        let has = |o: &super::Object| values(&o.fields, path).iter().any(|id| id == association_id);
        let from =
            self.of(Kind::NetworkAcl).find(|(_, o)| has(o)).map(|(id, o)| (id.clone(), text(o, "vpcId").to_owned()));
        let Some((from, from_vpc)) = from else {
            let message = format!("The association ID '{association_id}' does not exist");
            return Err(Fault::new("InvalidAssociationID.NotFound", message));
        };
        if from_vpc != vpc_id {
            return Err(Fault::invalid(format!("{acl_id} and {association_id} belong to different networks")));
        }
        let taken = edit(self.get_mut(Kind::NetworkAcl, &from)?, "associationSet", |items| {
            let at = items.iter().position(|a| a["networkAclAssociationId"] == json!(association_id))?;
            Some(items.remove(at))
        });
        let subnet = taken.and_then(|a| a["subnetId"].as_str().map(str::to_owned)).unwrap_or_default();
        Ok(json!({"newAssociationId": self.associate_acl(&acl_id, &subnet)}))
    }

    pub(super) fn delete_network_acl(&mut self, p: &Params) -> Answer {
        let id = p.required("NetworkAclId")?;
        let acl = self.get(Kind::NetworkAcl, id)?;
        if acl.fields.get("default") == Some(&json!(true)) {
            return Err(Fault::invalid(format!("cannot delete default network ACL {id}")));
        }
        if !values(&acl.fields, "associationSet.subnetId").is_empty() {
            return Err(Fault::dependency(format!("The networkAcl '{id}' has dependencies and cannot be deleted.")));
        }
        self.objects.remove(id);
        done()
    }

    pub(super) fn put_acl_entry(&mut self, p: &Params, replace: bool) -> Answer {
        let id = p.required("NetworkAclId")?;
        let new = requested(p)?;
        let (number, egress) = place(p)?;
        let acl = self.get(Kind::NetworkAcl, id)?;
        let entries = acl.fields.get("entrySet").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let there = entries.iter().any(|e| is_at(e, egress, number));
        if replace && !there {
            return Err(no_entry(id, number, egress));
        }
        if !replace && there {
            let message = format!("The network acl entry identified by {number} already exists.");
            return Err(Fault::new("NetworkAclEntryAlreadyExists", message));
        }
        let own = |e: &&Value| e["egress"] == json!(egress) && e["ruleNumber"].as_i64().is_some_and(|n| n < LAST_IPV4);
        if !replace && entries.iter().filter(own).count() >= MOST_ENTRIES {
            let message = format!("The maximum number of network acl entries has been reached for {id}.");
            return Err(Fault::new("NetworkAclEntryLimitExceeded", message));
        }
        edit(self.get_mut(Kind::NetworkAcl, id)?, "entrySet", |entries| {
            entries.retain(|e| !is_at(e, egress, number));
            let above = entries.iter().position(|e| {
                e["egress"] == json!(egress) && e["ruleNumber"].as_i64().is_some_and(|other| other > number)
            });
            entries.insert(above.unwrap_or(entries.len()), Value::Object(new));
        });
        done()
    }

    pub(super) fn delete_acl_entry(&mut self, p: &Params) -> Answer {
        let id = p.required("NetworkAclId")?;
        let (number, egress) = place(p)?;
        let removed = edit(self.get_mut(Kind::NetworkAcl, id)?, "entrySet", |entries| {
            let before = entries.len();
            entries.retain(|e| !is_at(e, egress, number));
            before > entries.len()
        });
        if removed { done() } else { Err(no_entry(id, number, egress)) }
    }
}

/// An entry's number and whether it is for what leaves: it has no other id.
fn place(p: &Params) -> Result<(i64, bool), Fault> {
    p.required("RuleNumber")?;
    let number = p.number("RuleNumber")?.unwrap_or_default();
    if !(1..LAST_IPV4).contains(&number) {
        let message = format!("Value ({number}) for parameter ruleNumber is invalid. It must be between 1 and 32766.");
        return Err(Fault::invalid(message));
    }
    Ok((number, p.flag("Egress") == Some(true)))
}

fn no_entry(id: &str, number: i64, egress: bool) -> Fault {
    let direction = if egress { "egress" } else { "ingress" };
    let message = format!("network acl {id} has no {direction} entry with the rule number {number}");
    Fault::new("InvalidNetworkAclEntry.NotFound", message)
}

/// The entry that a request describes. Protocols are numbers here.
fn requested(p: &Params) -> Result<Fields, Fault> {
    let (number, egress) = place(p)?;
    let protocol = match p.required("Protocol")? {
        "all" => "-1",
        "icmp" => "1",
        "tcp" => "6",
        "udp" => "17",
        "icmpv6" => "58",
        other => other,
    };
    if protocol.parse::<i16>().is_err() {
        return Err(Fault::invalid(format!("Invalid value '{protocol}' for IP protocol. Unknown protocol.")));
    }
    let action = p.required("RuleAction")?;
    if !["allow", "deny"].contains(&action) {
        return Err(Fault::invalid(format!("Invalid value '{action}' for ruleAction")));
    }
    let mut entry = Map::new();
    entry.insert("ruleNumber".to_owned(), json!(number));
    entry.insert("protocol".to_owned(), json!(protocol));
    entry.insert("ruleAction".to_owned(), json!(action));
    entry.insert("egress".to_owned(), json!(egress));
    match (p.get("CidrBlock"), p.get("Ipv6CidrBlock")) {
        (Some(range), None) => {
            let wrong = || Fault::invalid(format!("Value ({range}) for parameter cidrBlock is invalid."));
            entry.insert("cidrBlock".to_owned(), json!(Range::parse(range).ok_or_else(wrong)?.to_string()));
        }
        (None, Some(range)) => {
            let wrong = || Fault::invalid(format!("Value ({range}) for parameter ipv6CidrBlock is invalid."));
            let (address, bits) = range.split_once('/').ok_or_else(wrong)?;
            let address: std::net::Ipv6Addr = address.parse().map_err(|_| wrong())?;
            entry.insert("ipv6CidrBlock".to_owned(), json!(format!("{address}/{bits}")));
        }
        _ => {
            let message = "The request must contain exactly one of cidrBlock and ipv6CidrBlock";
            return Err(Fault::new("MissingParameter", message));
        }
    }
    match protocol {
        "6" | "17" => {
            let (from, to) = (p.number("PortRange.From")?, p.number("PortRange.To")?);
            let (Some(from), Some(to)) = (from, to) else {
                return Err(Fault::new("MissingParameter", "TCP and UDP need a port range"));
            };
            entry.insert("portRange".to_owned(), json!({"from": from, "to": to}));
        }
        "1" | "58" => {
            let (kind, code) = (p.number("Icmp.Type")?, p.number("Icmp.Code")?);
            let (Some(kind), Some(code)) = (kind, code) else {
                return Err(Fault::new("MissingParameter", "ICMP needs a type and a code"));
            };
            entry.insert("icmpTypeCode".to_owned(), json!({"type": kind, "code": code}));
        }
        _ => {}
    }
    Ok(entry)
}
