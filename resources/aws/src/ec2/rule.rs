//! What the rules of both directions share. AWS has one kind of rule with a direction; a program has two types, so that a rule cannot
//! change sides.

use std::collections::BTreeMap;

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::{
    IpPermission, IpRange, Ipv6Range, ResourceType, SecurityGroupRuleRequest, SecurityGroupRuleUpdate, UserIdGroupPair,
};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::value::Value;
use phx_model::{CloudError, Ipv4Cidr};

use super::describe::{self, by, by_intent};
use super::security_group::is_default;
use super::{Ec2, PrefixListId, SecurityGroupId, SecurityGroupRuleId, arn, once_known, tagging};
use crate::arn::Arn;
use crate::manage::Target;

/// Which way the traffic goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    In,
    Out,
}

/// A rule of either direction.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    pub(super) group_id: SecurityGroupId,
    pub(super) ip_protocol: String,
    pub(super) from_port: Option<i32>,
    pub(super) to_port: Option<i32>,
    pub(super) cidr_ip: Option<Ipv4Cidr>,
    pub(super) cidr_ipv6: Option<String>,
    pub(super) prefix_list_id: Option<PrefixListId>,
    pub(super) referenced_group_id: Option<SecurityGroupId>,
    pub(super) source_security_group_owner_id: Option<String>,
    pub(super) description: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
}

/// A rule's id and ARN.
pub(super) type Made = (SecurityGroupRuleId, Option<Arn>);

/// Protocols as AWS names them in answers: those with names by name, all others by number, `-1` for all.
pub(super) fn protocol(value: &Value) -> Value {
    match value.expose() {
        Value::String(text) => Value::String(protocol_name(text).into()),
        other => other.clone(),
    }
}

fn protocol_name(text: &str) -> String {
    match text.to_ascii_lowercase().as_str() {
        "6" => "tcp".to_owned(),
        "17" => "udp".to_owned(),
        "1" => "icmp".to_owned(),
        "58" => "icmpv6".to_owned(),
        "all" => "-1".to_owned(),
        other => other.to_owned(),
    }
}

/// The rules with these ids: asked for by their groups, of which there are fewer, or by themselves where the group is not known.
pub(super) async fn read_many(ec2: &Ec2, targets: &[Target<'_>]) -> Result<Vec<sdk::SecurityGroupRule>, CloudError> {
    let group = |target: &Target<'_>| target.inputs.get("group_id").and_then(|g| g.as_str().map(str::to_owned));
    let groups: Vec<String> = targets.iter().filter_map(group).collect();
    let rest = targets.iter().filter(|t| group(t).is_none()).map(|t| t.id);
    let by_group = describe::security_group_rules(ec2, by("group-id", groups.iter().map(String::as_str)));
    let by_id = describe::security_group_rules(ec2, by("security-group-rule-id", rest));
    let (mut rules, more) = futures::try_join!(by_group, by_id)?;
    rules.extend(more);
    Ok(rules)
}

/// A rule as a program would write it, with its id and ARN. `None`: it is of the other direction.
pub(super) fn read(
    region: &str,
    direction: Direction,
    rule: &sdk::SecurityGroupRule,
    target: &Target<'_>,
) -> Option<(Rule, Made)> {
    if rule.is_egress() != Some(direction == Direction::Out) {
        return None;
    }
    let made = made(region, rule)?;
    let ip_protocol = rule.ip_protocol()?.to_owned();
    // All protocols have no ports: AWS answers -1 whatever the program says of them.
    let all = ip_protocol == "-1";
    let port = |field: &str, actual: Option<i32>| match target.inputs.get(field).map(Value::expose) {
        Some(Value::Int(wanted)) if all => i32::try_from(*wanted).ok(),
        _ => actual,
    };
    let referenced = rule.referenced_group_info();
    let rule = Rule {
        group_id: SecurityGroupId::new(rule.group_id()?),
        from_port: port("from_port", rule.from_port()),
        to_port: port("to_port", rule.to_port()),
        ip_protocol,
        cidr_ip: rule.cidr_ipv4().and_then(|c| c.parse().ok()),
        cidr_ipv6: rule.cidr_ipv6.clone(),
        prefix_list_id: rule.prefix_list_id().map(PrefixListId::new),
        referenced_group_id: referenced.and_then(|g| g.group_id()).map(SecurityGroupId::new),
        source_security_group_owner_id: referenced.and_then(|g| g.user_id.clone()),
        description: rule.description.clone().filter(|d| !d.is_empty()),
        tags: tagging::read(rule.tags()),
    };
    Some((rule, made))
}

fn made(region: &str, rule: &sdk::SecurityGroupRule) -> Option<Made> {
    let id = rule.security_group_rule_id()?;
    let documented = || arn(region, rule.group_owner_id(), "security-group-rule", id);
    Some((SecurityGroupRuleId::new(id), rule.security_group_rule_arn().map(Arn::new).or_else(documented)))
}

impl Rule {
    fn permission(&self) -> IpPermission {
        let note = || self.description.clone();
        let v4 = self.cidr_ip.map(|c| IpRange::builder().cidr_ip(c.to_string()).set_description(note()).build());
        let v6 = self.cidr_ipv6.as_ref().map(|c| Ipv6Range::builder().cidr_ipv6(c).set_description(note()).build());
        let list = self
            .prefix_list_id
            .as_ref()
            .map(|id| sdk::PrefixListId::builder().prefix_list_id(id.as_str()).set_description(note()).build());
        let group = self.referenced_group_id.as_ref().map(|id| {
            let owner = self.source_security_group_owner_id.clone();
            UserIdGroupPair::builder().group_id(id.as_str()).set_user_id(owner).set_description(note()).build()
        });
        IpPermission::builder()
            .ip_protocol(&self.ip_protocol)
            .set_from_port(self.from_port)
            .set_to_port(self.to_port)
            .set_ip_ranges(v4.map(|range| vec![range]))
            .set_ipv6_ranges(v6.map(|range| vec![range]))
            .set_prefix_list_ids(list.map(|list| vec![list]))
            .set_user_id_group_pairs(group.map(|group| vec![group]))
            .build()
    }

    /// AWS would make one rule of each peer that a request names, and of one that names none, nothing.
    fn check(&self) -> Result<(), CloudError> {
        let peers = [
            self.cidr_ip.is_some(),
            self.cidr_ipv6.is_some(),
            self.prefix_list_id.is_some(),
            self.referenced_group_id.is_some(),
        ];
        match peers.into_iter().filter(|set| *set).count() {
            1 => Ok(()),
            n => Err(CloudError::local(ErrorKind::Invalid, format!("a rule has one peer, and this one has {n}"))
                .hint("set one of cidr_ip, cidr_ipv6, prefix_list_id and referenced_group_id")),
        }
    }

    fn matches(&self, region: &str, direction: Direction, there: &sdk::SecurityGroupRule) -> bool {
        let inputs = phx_model::ValueMap::new();
        let Some((there, _)) = read(region, direction, there, &Target { id: "", inputs: &inputs }) else {
            return false;
        };
        let all = protocol_name(&self.ip_protocol) == "-1";
        there.group_id == self.group_id
            && there.ip_protocol == protocol_name(&self.ip_protocol)
            && (all || (there.from_port, there.to_port) == (self.from_port, self.to_port))
            && there.cidr_ip == self.cidr_ip
            && there.cidr_ipv6.as_deref().map(canonical) == self.cidr_ipv6.as_deref().map(canonical)
            && there.prefix_list_id == self.prefix_list_id
            && there.referenced_group_id == self.referenced_group_id
    }
}

fn canonical(range: &str) -> Value {
    super::route::canonical_range(&Value::String(range.into()))
}

/// Makes the rule. The rule that AWS gives every new group is taken over if it is the one that is wanted: nobody has put a mark on it.
pub(super) async fn create(
    ec2: &Ec2,
    cx: &Cx,
    region: &str,
    direction: Direction,
    want: &Rule,
    intent: &IntentId,
) -> Result<Made, CloudError> {
    want.check()?;
    let tags = tagging::specification(ResourceType::SecurityGroupRule, &want.tags, intent);
    let group = want.group_id.as_str();
    let operation = match direction {
        Direction::In => "AuthorizeSecurityGroupIngress",
        Direction::Out => "AuthorizeSecurityGroupEgress",
    };
    let rules = match direction {
        Direction::In => {
            let request = ec2.authorize_security_group_ingress().group_id(group);
            let request = request.ip_permissions(want.permission()).tag_specifications(tags);
            once_known(cx, || ec2.write(operation, || request.clone().send()))
                .await
                .map(|answer| answer.security_group_rules)
        }
        Direction::Out => {
            let request = ec2.authorize_security_group_egress().group_id(group);
            let request = request.ip_permissions(want.permission()).tag_specifications(tags);
            once_known(cx, || ec2.write(operation, || request.clone().send()))
                .await
                .map(|answer| answer.security_group_rules)
        }
    };
    match rules {
        Ok(rules) => {
            let rule = rules.unwrap_or_default().into_iter().find(|rule| rule.group_id().is_none_or(|g| g == group));
            rule.and_then(|rule| made(region, &rule))
                .ok_or_else(|| ec2.unexpected(operation, "the answer names no rule"))
        }
        Err(error) if error.kind == ErrorKind::AlreadyExists => {
            taken(ec2, region, direction, want, intent, error).await
        }
        Err(error) => Err(error),
    }
}

/// There is such a rule already.
async fn taken(
    ec2: &Ec2,
    region: &str,
    direction: Direction,
    want: &Rule,
    intent: &IntentId,
    refused: CloudError,
) -> Result<Made, CloudError> {
    let rules = describe::security_group_rules(ec2, by("group-id", [want.group_id.as_str()])).await?;
    let Some(there) = rules.iter().find(|rule| want.matches(region, direction, rule)) else { return Err(refused) };
    let Some(made) = made(region, there) else { return Err(refused) };
    if !is_default(there) {
        let hint = format!("{} says the same: declare it once, or import it by that id", made.0);
        return Err(refused.hint(hint));
    }
    // The mark comes first: after a crash here, the rule is found by it.
    let tags = tagging::specification(ResourceType::SecurityGroupRule, &want.tags, intent).tags;
    let request = ec2.create_tags().resources(made.0.as_str()).set_tags(tags);
    ec2.write_idempotent("CreateTags", || request.clone().send()).await?;
    if want.description.is_some() {
        modify(ec2, made.0.as_str(), want).await?;
    }
    Ok(made)
}

/// Sets everything that a rule says; its kind of peer cannot change.
pub(super) async fn modify(ec2: &Ec2, id: &str, want: &Rule) -> Result<(), CloudError> {
    want.check()?;
    let rule = SecurityGroupRuleRequest::builder()
        .ip_protocol(&want.ip_protocol)
        .set_from_port(want.from_port)
        .set_to_port(want.to_port)
        .set_cidr_ipv4(want.cidr_ip.map(|c| c.to_string()))
        .set_cidr_ipv6(want.cidr_ipv6.clone())
        .set_prefix_list_id(want.prefix_list_id.as_ref().map(ToString::to_string))
        .set_referenced_group_id(want.referenced_group_id.as_ref().map(ToString::to_string))
        .set_description(want.description.clone())
        .build();
    let update = SecurityGroupRuleUpdate::builder().security_group_rule_id(id).security_group_rule(rule).build();
    let request = ec2.modify_security_group_rules().group_id(want.group_id.as_str()).security_group_rules(update);
    ec2.write_idempotent("ModifySecurityGroupRules", || request.clone().send()).await.map(drop)
}

/// Takes the rule away.
pub(super) async fn delete(ec2: &Ec2, direction: Direction, id: &str, group: Option<&str>) -> Result<(), CloudError> {
    let group = match group {
        Some(group) => group.to_owned(),
        // An adopted rule whose group is not on record.
        None => {
            let rules = describe::security_group_rules(ec2, by("security-group-rule-id", [id])).await?;
            let mine = rules.into_iter().find(|rule| rule.security_group_rule_id() == Some(id));
            match mine.and_then(|rule| rule.group_id) {
                Some(group) => group,
                None => return Ok(()),
            }
        }
    };
    let revoked = match direction {
        Direction::In => {
            let request = ec2.revoke_security_group_ingress().group_id(group).security_group_rule_ids(id);
            ec2.write_idempotent("RevokeSecurityGroupIngress", || request.clone().send()).await.map(drop)
        }
        Direction::Out => {
            let request = ec2.revoke_security_group_egress().group_id(group).security_group_rule_ids(id);
            ec2.write_idempotent("RevokeSecurityGroupEgress", || request.clone().send()).await.map(drop)
        }
    };
    match revoked {
        // The rule or its whole group.
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// The rule that an intent made.
pub(super) async fn find(ec2: &Ec2, region: &str, intent: &IntentId) -> Result<Option<Made>, CloudError> {
    let rules = describe::security_group_rules(ec2, by_intent(intent)).await?;
    Ok(rules.iter().find(|rule| tagging::has_intent(rule.tags(), intent)).and_then(|rule| made(region, rule)))
}

/// The verbs of one of the two types.
macro_rules! manage_rule {
    ($type:ident, $resolved:ident, $change:ident, $outputs:ident, $direction:expr) => {
        impl From<&$resolved> for rule::Rule {
            fn from(want: &$resolved) -> Self {
                Self {
                    group_id: want.group_id.clone(),
                    ip_protocol: want.ip_protocol.clone(),
                    from_port: want.from_port,
                    to_port: want.to_port,
                    cidr_ip: want.cidr_ip,
                    cidr_ipv6: want.cidr_ipv6.clone(),
                    prefix_list_id: want.prefix_list_id.clone(),
                    referenced_group_id: want.referenced_group_id.clone(),
                    source_security_group_owner_id: want.source_security_group_owner_id.clone(),
                    description: want.description.clone(),
                    tags: want.tags.clone(),
                }
            }
        }

        impl From<rule::Rule> for $resolved {
            fn from(rule: rule::Rule) -> Self {
                Self {
                    group_id: rule.group_id,
                    ip_protocol: rule.ip_protocol,
                    from_port: rule.from_port,
                    to_port: rule.to_port,
                    cidr_ip: rule.cidr_ip,
                    cidr_ipv6: rule.cidr_ipv6,
                    prefix_list_id: rule.prefix_list_id,
                    referenced_group_id: rule.referenced_group_id,
                    source_security_group_owner_id: rule.source_security_group_owner_id,
                    description: rule.description,
                    tags: rule.tags,
                }
            }
        }

        fn created((id, arn): rule::Made) -> Created<$type> {
            Created { id: id.to_string(), outputs: $outputs { id, arn }, complete: true }
        }

        impl Manage for $type {
            async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
                let ec2 = aws.ec2(cx).await?;
                let region = aws.region(&cx.provider).await?;
                let rules = rule::read_many(&ec2, targets).await?;
                Ok(align(
                    targets,
                    rules,
                    |rule| rule.security_group_rule_id(),
                    |target, rule| match rule::read(&region, $direction, rule, target) {
                        Some((rule, (id, arn))) => Found::present(rule.into(), $outputs { id, arn }),
                        None => Found::Gone,
                    },
                ))
            }

            async fn create(
                aws: &Aws,
                cx: &Cx,
                want: &$resolved,
                intent: &IntentId,
            ) -> Result<Created<Self>, CloudError> {
                let ec2 = aws.ec2(cx).await?;
                let region = aws.region(&cx.provider).await?;
                rule::create(&ec2, cx, &region, $direction, &want.into(), intent).await.map(created)
            }

            async fn update(
                aws: &Aws,
                cx: &Cx,
                id: &str,
                want: &$resolved,
                change: &$change,
            ) -> Result<Option<$outputs>, CloudError> {
                let ec2 = aws.ec2(cx).await?;
                if change.ip_protocol.is_some()
                    || change.from_port.is_some()
                    || change.to_port.is_some()
                    || change.cidr_ip.is_some()
                    || change.description.is_some()
                {
                    rule::modify(&ec2, id, &want.into()).await?;
                }
                tagging::update(&ec2, id, change.tags.as_ref()).await?;
                Ok(None)
            }

            async fn delete(aws: &Aws, cx: &Cx, id: &str, was: Option<&$resolved>) -> Result<(), CloudError> {
                let ec2 = aws.ec2(cx).await?;
                rule::delete(&ec2, $direction, id, was.map(|was| was.group_id.as_str())).await
            }

            async fn find(
                aws: &Aws,
                cx: &Cx,
                _: &$resolved,
                intent: &IntentId,
            ) -> Result<Option<Created<Self>>, CloudError> {
                let ec2 = aws.ec2(cx).await?;
                let region = aws.region(&cx.provider).await?;
                Ok(rule::find(&ec2, &region, intent).await?.map(created))
            }
        }
    };
}
pub(super) use manage_rule;

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> Rule {
        Rule {
            group_id: SecurityGroupId::new("sg-1"),
            ip_protocol: "tcp".into(),
            from_port: Some(443),
            to_port: Some(443),
            cidr_ip: Some("10.0.0.0/8".parse().unwrap()),
            cidr_ipv6: None,
            prefix_list_id: None,
            referenced_group_id: None,
            source_security_group_owner_id: None,
            description: Some("from inside".into()),
            tags: BTreeMap::new(),
        }
    }

    #[test]
    fn a_rule_has_one_peer() {
        assert!(rule().check().is_ok());
        assert!(Rule { cidr_ip: None, ..rule() }.check().is_err());
        assert!(Rule { referenced_group_id: Some(SecurityGroupId::new("sg-2")), ..rule() }.check().is_err());
    }

    #[test]
    fn protocols_have_one_name() {
        for (said, meant) in
            [("6", "tcp"), ("TCP", "tcp"), ("17", "udp"), ("all", "-1"), ("50", "50"), ("icmpv6", "icmpv6")]
        {
            assert_eq!(protocol_name(said), meant);
        }
    }

    #[test]
    fn ports_of_all_protocols_are_nobodys() {
        let there = || {
            sdk::SecurityGroupRule::builder()
                .security_group_rule_id("sgr-1")
                .group_id("sg-1")
                .is_egress(true)
                .ip_protocol("-1")
                .from_port(-1)
                .to_port(-1)
                .cidr_ipv4("0.0.0.0/0")
        };
        let named = there().description("mine").build();
        let there = there().build();
        let inputs = [("from_port".to_owned(), Value::Int(0))].into();
        let (read, _) = read("us-west-2", Direction::Out, &there, &Target { id: "sgr-1", inputs: &inputs }).unwrap();
        assert_eq!((read.from_port, read.to_port), (Some(0), Some(-1)));
        assert!(super::read("us-west-2", Direction::In, &there, &Target { id: "sgr-1", inputs: &inputs }).is_none());

        let want = Rule { ip_protocol: "-1".into(), cidr_ip: Some("0.0.0.0/0".parse().unwrap()), ..rule() };
        assert!(want.matches("us-west-2", Direction::Out, &there) && is_default(&there));
        assert!(!is_default(&named));
    }
}
