//! Security groups. A rule is an object of its own, as AWS has it since 2021; a group's permissions are read off its rules.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::network::Range;
use super::{Answer, Fields, Kind, Object, Region, done, tag_set, text, values};
use crate::wire::{Fault, Params};

/// Where a rule's peer is: in the rule's fields, in a permission's list, and in a request's permission.
const PEERS: &[(&str, &str, &str, &str, &str)] = &[
    ("cidrIpv4", "ipRanges", "cidrIp", "IpRanges", "CidrIp"),
    ("cidrIpv6", "ipv6Ranges", "cidrIpv6", "Ipv6Ranges", "CidrIpv6"),
    ("prefixListId", "prefixListIds", "prefixListId", "PrefixListIds", "PrefixListId"),
    ("referencedGroupInfo", "groups", "groupId", "Groups", "GroupId"),
];

pub(super) type Rules<'a> = BTreeMap<&'a str, Vec<&'a Fields>>;

/// What makes two rules of a group the same rule.
fn key(rule: &Fields) -> Vec<Option<&Value>> {
    [
        "groupId",
        "isEgress",
        "ipProtocol",
        "fromPort",
        "toPort",
        "cidrIpv4",
        "cidrIpv6",
        "prefixListId",
        "referencedGroupInfo",
    ]
    .iter()
    .map(|f| rule.get(*f))
    .collect()
}

fn protocol(name: &str) -> String {
    match name {
        "6" => "tcp".to_owned(),
        "17" => "udp".to_owned(),
        "1" => "icmp".to_owned(),
        "58" => "icmpv6".to_owned(),
        "all" => "-1".to_owned(),
        other => other.to_lowercase(),
    }
}

impl Region {
    pub(super) fn create_security_group(&mut self, p: &Params) -> Answer {
        let (name, description) = (p.required("GroupName")?, p.required("GroupDescription")?);
        let vpc_id = p.required("VpcId")?;
        self.get(Kind::Vpc, vpc_id)?;
        if name.starts_with("sg-") || name == "default" {
            return Err(Fault::invalid(format!(
                "Value ({name}) for parameter groupName is invalid. The name is reserved"
            )));
        }
        if self.of(Kind::SecurityGroup).any(|(_, g)| text(g, "groupName") == name && text(g, "vpcId") == vpc_id) {
            let message = format!("The security group '{name}' already exists for VPC '{vpc_id}'");
            return Err(Fault::new("InvalidGroup.Duplicate", message));
        }
        let id = self.add_security_group(name, description, vpc_id, p);
        let group = self.get(Kind::SecurityGroup, &id)?;
        Ok(json!({
            "return": true, "groupId": id, "tagSet": tag_set(&group.tags), "securityGroupArn": text(group, "securityGroupArn"),
        }))
    }

    /// With the rules that let everything out, which AWS makes too: one, or with IPv6 two.
    pub(super) fn add_security_group(&mut self, name: &str, description: &str, vpc_id: &str, p: &Params) -> String {
        let fields =
            json!({"ownerId": self.account, "groupName": name, "groupDescription": description, "vpcId": vpc_id});
        let id = self.add(Kind::SecurityGroup, "groupId", fields, p);
        let arn = self.arn(Kind::SecurityGroup, &id);
        if let Some(group) = self.objects.get_mut(&id) {
            group.fields.insert("securityGroupArn".to_owned(), json!(arn));
        }
        let out = self.rule(&id, true, "-1", (None, None));
        let ipv6 = self
            .get(Kind::Vpc, vpc_id)
            .is_ok_and(|vpc| !values(&vpc.fields, "ipv6CidrBlockAssociationSet.ipv6CidrBlock").is_empty());
        self.add_rule(Value::Object(with(out.clone(), "cidrIpv4", json!("0.0.0.0/0"))), &Params::default());
        if ipv6 {
            self.add_rule(Value::Object(with(out, "cidrIpv6", json!("::/0"))), &Params::default());
        }
        id
    }

    pub(super) fn delete_security_group(&mut self, p: &Params) -> Answer {
        let id = p.required("GroupId")?;
        let group = self.get(Kind::SecurityGroup, id)?;
        if text(group, "groupName") == "default" {
            let message = format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user");
            return Err(Fault::new("CannotDelete", message));
        }
        let refers = |rule: &Object| {
            text(rule, "groupId") != id && values(&rule.fields, "referencedGroupInfo.groupId").iter().any(|g| g == id)
        };
        let used = self.any(Kind::NetworkInterface, "groupSet.groupId", id);
        if used || self.of(Kind::SecurityGroupRule).any(|(_, rule)| refers(rule)) {
            return Err(Fault::dependency(format!("resource {id} has a dependent object")));
        }
        self.objects.retain(|_, o| text(o, "groupId") != id);
        Ok(json!({"return": true, "groupId": id}))
    }

    /// A rule without its peer. AWS writes the ports of a rule for all protocols as -1.
    fn rule(&self, group: &str, egress: bool, name: &str, ports: (Option<i64>, Option<i64>)) -> Fields {
        let mut rule = Map::new();
        let name = protocol(name);
        let default = if name == "-1" { (Some(-1), Some(-1)) } else { ports };
        rule.insert("groupId".to_owned(), json!(group));
        rule.insert("groupOwnerId".to_owned(), json!(self.account));
        rule.insert("isEgress".to_owned(), json!(egress));
        rule.insert("ipProtocol".to_owned(), json!(name));
        for (field, port) in [("fromPort", default.0), ("toPort", default.1)] {
            rule.insert(field.to_owned(), json!(port.unwrap_or(-1)));
        }
        rule
    }

    fn add_rule(&mut self, fields: Value, p: &Params) -> String {
        let id = self.add(Kind::SecurityGroupRule, "securityGroupRuleId", fields, p);
        let arn = self.arn(Kind::SecurityGroupRule, &id);
        if let Some(rule) = self.objects.get_mut(&id) {
            rule.fields.insert("securityGroupRuleArn".to_owned(), json!(arn));
        }
        id
    }

    /// A peer as the rule keeps it.
    fn peer(&self, field: &str, value: &str) -> Result<Value, Fault> {
        match field {
            "cidrIpv4" => {
                let message = || Fault::new("InvalidParameterValue", format!("CIDR block {value} is malformed"));
                Ok(json!(Range::parse(value).ok_or_else(message)?.to_string()))
            }
            "referencedGroupInfo" => {
                self.get(Kind::SecurityGroup, value)?;
                Ok(json!({"groupId": value, "userId": self.account}))
            }
            "prefixListId" => {
                self.check_prefix_list(value)?;
                Ok(json!(value))
            }
            _ => Ok(json!(value)),
        }
    }

    /// The rules that a request's permissions stand for: one for each peer.
    fn requested(&self, p: &Params, group: &str, egress: bool) -> Result<Vec<Fields>, Fault> {
        let mut rules = Vec::new();
        for permission in p.members("IpPermissions") {
            let ports = (p.number(&format!("{permission}.FromPort"))?, p.number(&format!("{permission}.ToPort"))?);
            let rule = self.rule(group, egress, p.required(&format!("{permission}.IpProtocol"))?, ports);
            for (field, _, _, list, param) in PEERS {
                for peer in p.members(&format!("{permission}.{list}")) {
                    let value = self.peer(field, p.required(&format!("{peer}.{param}"))?)?;
                    let mut rule = with(rule.clone(), field, value);
                    if let Some(description) = p.get(&format!("{peer}.Description")) {
                        rule.insert("description".to_owned(), json!(description));
                    }
                    rules.push(rule);
                }
            }
        }
        // The short form, for one IPv4 range.
        if let Some(cidr) = p.get("CidrIp") {
            let ports = (p.number("FromPort")?, p.number("ToPort")?);
            let rule = self.rule(group, egress, p.required("IpProtocol")?, ports);
            rules.push(with(rule, "cidrIpv4", self.peer("cidrIpv4", cidr)?));
        }
        if rules.is_empty() {
            return Err(Fault::new("MissingParameter", "Either 'ipPermissions' or a rule with a peer is required"));
        }
        Ok(rules)
    }

    fn same_rule(&self, rule: &Fields) -> Option<String> {
        let group = rule.get("groupId");
        let same = |r: &Object| r.fields.get("groupId") == group && key(&r.fields) == key(rule);
        self.of(Kind::SecurityGroupRule).find(|(_, r)| same(r)).map(|(id, _)| id.clone())
    }

    pub(super) fn authorize(&mut self, p: &Params, egress: bool) -> Answer {
        let group = p.required("GroupId")?;
        self.get(Kind::SecurityGroup, group)?;
        let rules = self.requested(p, group, egress)?;
        if rules.iter().any(|rule| self.same_rule(rule).is_some()) {
            return Err(Fault::new("InvalidPermission.Duplicate", "the specified rule already exists"));
        }
        let ids: Vec<String> = rules.into_iter().map(|rule| self.add_rule(Value::Object(rule), p)).collect();
        let made: Vec<Value> = ids.iter().map(|id| self.show(id)).collect();
        Ok(json!({"return": true, "securityGroupRuleSet": made}))
    }

    pub(super) fn revoke(&mut self, p: &Params, egress: bool) -> Answer {
        let group = p.required("GroupId")?;
        self.get(Kind::SecurityGroup, group)?;
        let mut ids: Vec<String> = p.list("SecurityGroupRuleId").into_iter().map(str::to_owned).collect();
        for id in &ids {
            let rule = self.get(Kind::SecurityGroupRule, id)?;
            if text(rule, "groupId") != group || rule.fields.get("isEgress") != Some(&json!(egress)) {
                let code = Kind::SecurityGroupRule.spec().not_found;
                return Err(Fault::new(code, format!("The security group rule ID '{id}' does not exist")));
            }
        }
        if ids.is_empty() {
            for rule in self.requested(p, group, egress)? {
                ids.push(self.same_rule(&rule).ok_or_else(|| {
                    Fault::new(
                        "InvalidPermission.NotFound",
                        "The specified rule does not exist in this security group.",
                    )
                })?);
            }
        }
        ids.iter().for_each(|id| {
            self.objects.remove(id);
        });
        done()
    }

    pub(super) fn modify_security_group_rules(&mut self, p: &Params) -> Answer {
        let group = p.required("GroupId")?;
        self.get(Kind::SecurityGroup, group)?;
        let mut changed = Vec::new();
        for member in p.members("SecurityGroupRule") {
            let id = p.required(&format!("{member}.SecurityGroupRuleId"))?.to_owned();
            let old = self.get(Kind::SecurityGroupRule, &id)?;
            if text(old, "groupId") != group {
                let code = Kind::SecurityGroupRule.spec().not_found;
                return Err(Fault::new(code, format!("The security group rule ID '{id}' does not exist")));
            }
            let wanted = |name: &str| format!("{member}.SecurityGroupRule.{name}");
            let ports = (p.number(&wanted("FromPort"))?, p.number(&wanted("ToPort"))?);
            let egress = old.fields.get("isEgress") == Some(&json!(true));
            let mut rule = self.rule(group, egress, p.required(&wanted("IpProtocol"))?, ports);
            let peers = [
                ("cidrIpv4", "CidrIpv4"),
                ("cidrIpv6", "CidrIpv6"),
                ("prefixListId", "PrefixListId"),
                ("referencedGroupInfo", "ReferencedGroupId"),
            ];
            for (field, param) in peers {
                if let Some(value) = p.get(&wanted(param)) {
                    rule.insert(field.to_owned(), self.peer(field, value)?);
                }
            }
            if let Some(description) = p.get(&wanted("Description")) {
                rule.insert("description".to_owned(), json!(description));
            }
            if self.same_rule(&rule).is_some_and(|other| other != id) {
                return Err(Fault::new("InvalidPermission.Duplicate", "the specified rule already exists"));
            }
            for kept in ["securityGroupRuleId", "securityGroupRuleArn"] {
                rule.insert(kept.to_owned(), json!(text(old, kept)));
            }
            changed.push((id, rule));
        }
        for (id, rule) in changed {
            self.get_mut(Kind::SecurityGroupRule, &id)?.fields = rule;
        }
        done()
    }

    pub(super) fn update_rule_descriptions(&mut self, p: &Params, egress: bool) -> Answer {
        let group = p.required("GroupId")?;
        self.get(Kind::SecurityGroup, group)?;
        let mut changes = Vec::new();
        for member in p.members("SecurityGroupRuleDescription") {
            let id = p.required(&format!("{member}.SecurityGroupRuleId"))?;
            changes.push((id.to_owned(), p.get(&format!("{member}.Description")).map(str::to_owned)));
        }
        if changes.is_empty() {
            for rule in self.requested(p, group, egress)? {
                let id = self.same_rule(&rule).ok_or_else(|| {
                    Fault::new(
                        "InvalidPermission.NotFound",
                        "The specified rule does not exist in this security group.",
                    )
                })?;
                changes.push((id, rule.get("description").and_then(Value::as_str).map(str::to_owned)));
            }
        }
        for (id, description) in changes {
            let fields = &mut self.get_mut(Kind::SecurityGroupRule, &id)?.fields;
            match description {
                Some(description) => fields.insert("description".to_owned(), json!(description)),
                None => fields.remove("description"),
            };
        }
        done()
    }

    /// The rules of every group.
    pub(super) fn rules_by_group(&self) -> Rules<'_> {
        let mut rules = Rules::new();
        for (_, rule) in self.of(Kind::SecurityGroupRule) {
            rules.entry(text(rule, "groupId")).or_default().push(&rule.fields);
        }
        rules
    }

    /// The two lists of permissions in a described group: rules that differ only in their peer are one permission.
    pub(super) fn add_permissions(group: &mut Fields, rules: &[&Fields]) {
        for (egress, set) in [(false, "ipPermissions"), (true, "ipPermissionsEgress")] {
            let mut permissions: Vec<Value> = Vec::new();
            for rule in rules.iter().filter(|r| r.get("isEgress") == Some(&json!(egress))) {
                let same = |p: &Value| ["ipProtocol", "fromPort", "toPort"].iter().all(|f| p.get(f) == shown(rule, f));
                let at = permissions.iter().position(same).unwrap_or_else(|| {
                    let mut permission = Map::new();
                    for field in ["ipProtocol", "fromPort", "toPort"] {
                        permission.extend(shown(rule, field).map(|v| (field.to_owned(), v.clone())));
                    }
                    permission.extend(PEERS.iter().map(|peer| (peer.1.to_owned(), json!([]))));
                    permissions.push(Value::Object(permission));
                    permissions.len() - 1
                });
                for (field, list, item, ..) in PEERS {
                    let Some(peer) = rule.get(*field) else { continue };
                    let mut entry = match peer {
                        Value::Object(group) => group.clone(),
                        value => Map::from_iter([((*item).to_owned(), value.clone())]),
                    };
                    entry.extend(rule.get("description").map(|d| ("description".to_owned(), d.clone())));
                    if let Some(list) = permissions[at][*list].as_array_mut() {
                        list.push(Value::Object(entry));
                    }
                }
            }
            group.insert(set.to_owned(), Value::Array(permissions));
        }
    }
}

/// A permission for all protocols has no ports.
fn shown<'a>(rule: &'a Fields, field: &str) -> Option<&'a Value> {
    let all = rule.get("ipProtocol") == Some(&json!("-1"));
    rule.get(field).filter(|_| field == "ipProtocol" || !all)
}

fn with(mut fields: Fields, name: &str, value: Value) -> Fields {
    fields.insert(name.to_owned(), value);
    fields
}
