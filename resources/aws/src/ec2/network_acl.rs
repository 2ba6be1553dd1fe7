//! [`NetworkAcl`].
//!
//! No emulator limits the number of entries, or forgets an association between two calls; those parts follow the service model alone.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::{ResourceType, RuleAction};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::value::Value;
use phx_model::{Block, CloudError, Ipv4Cidr, Outputs, Resource, Val};

use super::describe::{self, by, by_intent};
use super::route::canonical_range;
use super::{Ec2, NetworkAclId, SubnetId, VpcId, arn, holders, once_free, once_known, tagging};
use crate::arn::Arn;
use crate::batch::{align, each};
use crate::call::client_token;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};

/// Above it are the entries that AWS puts at the end of every list: everything else is refused.
const LAST_RULE: i32 = 32766;
/// An association can be replaced by someone else between the two calls that it takes. So often it is looked up at most.
const LOOKS: usize = 4;

/// A stateless firewall around subnets, with its entries and with the subnets that it stands around: no others are left there.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkAcl.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:NetworkAcl",
    terraform = "aws_network_acl",
    cloudformation = "AWS::EC2::NetworkAcl",
    identity = IntentTag
)]
pub struct NetworkAcl {
    /// The VPC that it belongs to.
    #[field(replace)]
    pub vpc_id: Input<VpcId>,
    /// What it lets through. What no entry allows is refused.
    #[field(set)]
    pub entries: Option<Input<Vec<NetworkAclEntry>>>,
    /// The subnets that it stands around. A subnet always has one ACL: one that is taken out gets the VPC's default one.
    #[field(set)]
    pub subnet_ids: Option<Input<Vec<SubnetId>>>,
    /// Its tags.
    pub tags: Tags,
}

/// One entry of a [`NetworkAcl`]. One of the two ranges is set.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkAclEntry.html>
#[derive(Clone, Debug, Block)]
pub struct NetworkAclEntry {
    /// Its place, 1 to 32766: entries of one direction are tried from the lowest, and the first that fits counts.
    pub rule_number: Input<i32>,
    /// Whether it is about traffic that leaves the subnets; otherwise it is about traffic that enters.
    pub egress: Input<bool>,
    /// `allow` or `deny`.
    pub rule_action: Input<String>,
    /// The protocol's number, or `tcp`, `udp`, `icmp` or `icmpv6`; `-1` for all of them.
    #[field(normalize = protocol)]
    pub protocol: Input<String>,
    /// The IPv4 addresses at the other end.
    pub cidr_block: Option<Input<Ipv4Cidr>>,
    /// The IPv6 addresses at the other end.
    #[field(normalize = canonical_range)]
    pub ipv6_cidr_block: Option<Input<String>>,
    /// The ports at the receiving end; required for TCP and UDP, and for no other protocol.
    pub port_range: Option<Input<PortRange>>,
    /// The kind of message; required for ICMP and ICMPv6, and for no other protocol.
    pub icmp_type_code: Option<Input<IcmpTypeCode>>,
}

/// Ports, the first and the last of them included.
#[derive(Clone, Debug, Block)]
pub struct PortRange {
    /// The first, 0 to 65535.
    pub from: Input<i32>,
    /// The last, 0 to 65535.
    pub to: Input<i32>,
}

/// A kind of ICMP message.
#[derive(Clone, Debug, Block)]
pub struct IcmpTypeCode {
    /// The type; -1 for all.
    pub r#type: Input<i32>,
    /// The code; -1 for all of the type.
    pub code: Input<i32>,
}

/// What AWS decides of a [`NetworkAcl`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct NetworkAclOutputs {
    /// Its id.
    pub id: NetworkAclId,
    /// Its ARN.
    pub arn: Option<Arn>,
    /// The account that owns it.
    pub owner_id: Option<String>,
}

impl Manage for NetworkAcl {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let region = aws.region(&cx.provider).await?;
        let acls = describe::network_acls_by_ids(&ec2, targets.iter().map(|t| t.id)).await?;
        Ok(align(targets, acls, |acl| acl.network_acl_id(), |_, acl| present(&region, acl)))
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &NetworkAclResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        check(want)?;
        let ec2 = aws.ec2(cx).await?;
        let region = aws.region(&cx.provider).await?;
        let request = ec2
            .create_network_acl()
            .client_token(client_token(intent))
            .vpc_id(want.vpc_id.as_str())
            .tag_specifications(tagging::specification(ResourceType::NetworkAcl, &want.tags, intent));
        let answer = once_known(cx, || ec2.write("CreateNetworkAcl", || request.clone().send())).await?;
        let outputs = answer.network_acl.as_ref().and_then(|acl| outputs(&region, acl));
        let outputs = outputs.ok_or_else(|| ec2.unexpected("CreateNetworkAcl", "the answer names no ACL"))?;
        Ok(Created { id: outputs.id.to_string(), outputs, complete: is_complete(want) })
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &NetworkAclResolved,
    ) -> Result<Option<NetworkAclOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        // Entries first: no subnet shall stand behind an ACL that lets nothing through yet.
        if let Some(entries) = want.entries.as_deref().filter(|all| !all.is_empty()) {
            set_entries(&ec2, cx, id, entries).await?;
        }
        let subnets = subnets(want);
        if !subnets.is_empty() {
            set_subnets(&ec2, cx, id, &subnets).await?;
        }
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &NetworkAclResolved,
        change: &NetworkAclChange,
    ) -> Result<Option<NetworkAclOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        if change.entries.is_some() {
            check(want)?;
            set_entries(&ec2, cx, id, want.entries.as_deref().unwrap_or_default()).await?;
        }
        if change.subnet_ids.is_some() {
            set_subnets(&ec2, cx, id, &subnets(want)).await?;
        }
        tagging::update(&ec2, id, change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&NetworkAclResolved>) -> Result<(), CloudError> {
        let ec2 = aws.ec2(cx).await?;
        match one(&ec2, id).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            // One that subnets stand behind cannot be deleted.
            Ok(acl) if !acl.associations().is_empty() => set_subnets(&ec2, cx, id, &BTreeSet::new()).await?,
            done => drop(done?),
        }
        let request = ec2.delete_network_acl().network_acl_id(id);
        let deleted = once_free(cx, || ec2.write_idempotent("DeleteNetworkAcl", || request.clone().send())).await;
        holders::explain(deleted, async {
            let acl = one(&ec2, id).await?;
            let held = acl.associations().iter().filter_map(|a| a.subnet_id());
            Ok(held.map(|subnet| format!("its association with {subnet}")).collect())
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &NetworkAclResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let region = aws.region(&cx.provider).await?;
        let acls = describe::network_acls(&ec2, by_intent(intent)).await?;
        let found = acls.iter().find(|a| tagging::has_intent(a.tags(), intent)).and_then(|a| outputs(&region, a));
        Ok(found.map(|outputs| Created { id: outputs.id.to_string(), outputs, complete: is_complete(want) }))
    }
}

fn is_complete(want: &NetworkAclResolved) -> bool {
    want.entries.as_ref().is_none_or(Vec::is_empty) && want.subnet_ids.as_ref().is_none_or(Vec::is_empty)
}

fn subnets(want: &NetworkAclResolved) -> BTreeSet<&str> {
    want.subnet_ids.iter().flatten().map(SubnetId::as_str).collect()
}

fn outputs(region: &str, acl: &sdk::NetworkAcl) -> Option<NetworkAclOutputs> {
    let id = acl.network_acl_id()?;
    let arn = arn(region, acl.owner_id(), "network-acl", id);
    Some(NetworkAclOutputs { id: NetworkAclId::new(id), arn, owner_id: acl.owner_id.clone() })
}

fn present(region: &str, acl: &sdk::NetworkAcl) -> Found<NetworkAcl> {
    let Some(outputs) = outputs(region, acl) else { return Found::Gone };
    let Some(vpc) = acl.vpc_id() else {
        let message = format!("the answer names no VPC of {}", outputs.id);
        return Found::Failed(CloudError::local(ErrorKind::Other, message));
    };
    let fields = NetworkAclResolved {
        vpc_id: VpcId::new(vpc),
        entries: Some(entries(acl)),
        subnet_ids: Some(acl.associations().iter().filter_map(|a| a.subnet_id()).map(SubnetId::new).collect()),
        tags: tagging::read(acl.tags()),
    };
    Found::present(fields, outputs)
}

/// The entries that somebody made.
fn entries(acl: &sdk::NetworkAcl) -> Vec<NetworkAclEntryResolved> {
    acl.entries().iter().filter(|e| e.rule_number().is_some_and(|n| n <= LAST_RULE)).filter_map(entry).collect()
}

fn entry(entry: &sdk::NetworkAclEntry) -> Option<NetworkAclEntryResolved> {
    let ports = entry.port_range().and_then(|p| Some(PortRangeResolved { from: p.from()?, to: p.to()? }));
    let icmp = entry.icmp_type_code().and_then(|i| Some(IcmpTypeCodeResolved { r#type: i.r#type()?, code: i.code()? }));
    Some(NetworkAclEntryResolved {
        rule_number: entry.rule_number()?,
        egress: entry.egress()?,
        rule_action: entry.rule_action()?.as_str().to_owned(),
        protocol: entry.protocol()?.to_owned(),
        cidr_block: entry.cidr_block().and_then(|c| c.parse().ok()),
        ipv6_cidr_block: entry.ipv6_cidr_block.clone(),
        port_range: ports,
        icmp_type_code: icmp,
    })
}

/// Protocols by their numbers, as AWS has them here; for security groups it has names.
fn protocol(value: &Value) -> Value {
    match value.as_str() {
        Some(text) => Value::String(protocol_number(text).into()),
        None => value.clone(),
    }
}

fn protocol_number(text: &str) -> String {
    match text.to_ascii_lowercase().as_str() {
        "icmp" => "1",
        "tcp" => "6",
        "udp" => "17",
        "icmpv6" => "58",
        "all" => "-1",
        _ => text,
    }
    .to_owned()
}

/// An entry's direction and number: it has no other id.
type Place = (bool, i32);

/// What turns one list of entries into another.
#[derive(Debug, Default, PartialEq)]
struct Difference<'a> {
    replace: Vec<&'a NetworkAclEntryResolved>,
    create: Vec<&'a NetworkAclEntryResolved>,
    delete: Vec<Place>,
}

fn place(entry: &NetworkAclEntryResolved) -> Place {
    (entry.egress, entry.rule_number)
}

/// Of two entries in one place only one could be made, and nobody would hear of the other.
fn check(want: &NetworkAclResolved) -> Result<(), CloudError> {
    let mut places = BTreeSet::new();
    match want.entries.iter().flatten().find(|entry| !places.insert(place(entry))) {
        None => Ok(()),
        Some(twice) => {
            let direction = if twice.egress { "leaving" } else { "entering" };
            let message = format!("two entries for {direction} traffic have the rule_number {}", twice.rule_number);
            Err(CloudError::local(ErrorKind::Invalid, message)
                .hint("give each entry of a direction a number of its own"))
        }
    }
}

fn difference<'a>(there: &[NetworkAclEntryResolved], want: &'a [NetworkAclEntryResolved]) -> Difference<'a> {
    let there: BTreeMap<Place, &NetworkAclEntryResolved> = there.iter().map(|e| (place(e), e)).collect();
    let wanted: BTreeMap<Place, &NetworkAclEntryResolved> = want.iter().map(|e| (place(e), e)).collect();
    let mut difference = Difference::default();
    for (at, entry) in &wanted {
        match there.get(at) {
            None => difference.create.push(*entry),
            Some(old) if !same(old, entry) => difference.replace.push(*entry),
            Some(_) => {}
        }
    }
    difference.delete = there.into_keys().filter(|at| !wanted.contains_key(at)).collect();
    difference
}

fn same(a: &NetworkAclEntryResolved, b: &NetworkAclEntryResolved) -> bool {
    let plain = |entry: &NetworkAclEntryResolved| {
        let mut entry = entry.clone();
        entry.protocol = protocol_number(&entry.protocol);
        entry.ipv6_cidr_block = entry
            .ipv6_cidr_block
            .map(|range| canonical_range(&Value::String(range.into())))
            .and_then(|range| range.as_str().map(str::to_owned));
        NetworkAclEntry::to_value(&entry)
    };
    plain(a) == plain(b)
}

async fn one(ec2: &Ec2, id: &str) -> Result<sdk::NetworkAcl, CloudError> {
    let acls = describe::network_acls_by_ids(ec2, [id]).await?;
    acls.into_iter().find(|a| a.network_acl_id() == Some(id)).ok_or_else(|| CloudError {
        kind: ErrorKind::NotFound,
        ..ec2.unexpected("DescribeNetworkAcls", format!("there is no {id}"))
    })
}

/// Brings the entries to what is wished. What is let through stays so meanwhile: the old ones go last.
async fn set_entries(ec2: &Ec2, cx: &Cx, id: &str, want: &[NetworkAclEntryResolved]) -> Result<(), CloudError> {
    let acl = once_known(cx, || one(ec2, id)).await?;
    let there = entries(&acl);
    let Difference { replace, create, delete } = difference(&there, want);
    each(replace, |entry| once_known(cx, move || put(ec2, id, entry, true))).await?;
    // Not all at once: an ACL holds few entries, and whether there is room shows at the first that finds none.
    let mut delete = Some(delete).filter(|places| !places.is_empty());
    for entry in create {
        let made = once_known(cx, || put(ec2, id, entry, false)).await;
        match (made, delete.take()) {
            (Err(full), Some(places)) if full.code.as_deref() == Some("NetworkAclEntryLimitExceeded") => {
                remove(ec2, id, places).await?;
                put(ec2, id, entry, false).await?;
            }
            (done, rest) => {
                delete = rest;
                done?;
            }
        }
    }
    remove(ec2, id, delete.unwrap_or_default()).await
}

/// Makes an entry, or replaces the one in its place.
async fn put(ec2: &Ec2, id: &str, want: &NetworkAclEntryResolved, replace: bool) -> Result<(), CloudError> {
    if !replace {
        let request = ec2
            .create_network_acl_entry()
            .network_acl_id(id)
            .rule_number(want.rule_number)
            .egress(want.egress)
            .rule_action(RuleAction::from(want.rule_action.as_str()))
            .protocol(protocol_number(&want.protocol))
            .set_cidr_block(want.cidr_block.map(|c| c.to_string()))
            .set_ipv6_cidr_block(want.ipv6_cidr_block.clone())
            .set_port_range(want.port_range.as_ref().map(ports))
            .set_icmp_type_code(want.icmp_type_code.as_ref().map(icmp));
        match ec2.write_idempotent("CreateNetworkAclEntry", || request.clone().send()).await {
            // Made by a call whose answer was lost, or by someone else meanwhile: then it is replaced.
            Err(error) if error.kind == ErrorKind::AlreadyExists => {}
            done => return done.map(drop),
        }
    }
    let request = ec2
        .replace_network_acl_entry()
        .network_acl_id(id)
        .rule_number(want.rule_number)
        .egress(want.egress)
        .rule_action(RuleAction::from(want.rule_action.as_str()))
        .protocol(protocol_number(&want.protocol))
        .set_cidr_block(want.cidr_block.map(|c| c.to_string()))
        .set_ipv6_cidr_block(want.ipv6_cidr_block.clone())
        .set_port_range(want.port_range.as_ref().map(ports))
        .set_icmp_type_code(want.icmp_type_code.as_ref().map(icmp));
    ec2.write_idempotent("ReplaceNetworkAclEntry", || request.clone().send()).await.map(drop)
}

fn ports(want: &PortRangeResolved) -> sdk::PortRange {
    sdk::PortRange::builder().from(want.from).to(want.to).build()
}

fn icmp(want: &IcmpTypeCodeResolved) -> sdk::IcmpTypeCode {
    sdk::IcmpTypeCode::builder().r#type(want.r#type).code(want.code).build()
}

async fn remove(ec2: &Ec2, id: &str, places: Vec<Place>) -> Result<(), CloudError> {
    each(places, |(egress, number)| async move {
        let request = ec2.delete_network_acl_entry().network_acl_id(id).egress(egress).rule_number(number);
        match ec2.write_idempotent("DeleteNetworkAclEntry", || request.clone().send()).await {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            done => done.map(drop),
        }
    })
    .await
    .map(drop)
}

/// A subnet's association, and the ACL that it is with.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Association {
    id: String,
    acl: String,
}

fn associations(acls: &[sdk::NetworkAcl]) -> BTreeMap<String, Association> {
    let all = acls.iter().flat_map(|acl| acl.associations().iter().map(move |a| (acl, a)));
    all.filter_map(|(acl, association)| {
        let id = association.network_acl_association_id.clone()?;
        Some((association.subnet_id.clone()?, Association { id, acl: acl.network_acl_id.clone()? }))
    })
    .collect()
}

/// Brings the subnets to what is wished. Every subnet has one association, with some ACL, and the only way to change it is to replace it,
/// which gives it a new id.
async fn set_subnets(ec2: &Ec2, cx: &Cx, id: &str, want: &BTreeSet<&str>) -> Result<(), CloudError> {
    for _ in 0..LOOKS {
        let moves = once_known(cx, || moves(ec2, id, want)).await?;
        let moved = each(moves, |(association, acl)| async move {
            let request = ec2.replace_network_acl_association().association_id(association).network_acl_id(acl);
            match ec2.write_idempotent("ReplaceNetworkAclAssociation", || request.clone().send()).await {
                Ok(_) => Ok(true),
                // Replaced meanwhile, perhaps by this very call when its answer was lost; or the subnet is gone.
                Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            }
        });
        if moved.await?.into_iter().all(|moved| moved) {
            return Ok(());
        }
    }
    let message = format!("the associations of {id} change all the time");
    Err(CloudError::local(ErrorKind::Other, message).hint("something else manages the ACLs of its subnets"))
}

/// Which associations have to be replaced, and with which ACL.
async fn moves(ec2: &Ec2, id: &str, want: &BTreeSet<&str>) -> Result<Vec<(String, String)>, CloudError> {
    let acl = one(ec2, id).await?;
    let mine = associations(std::slice::from_ref(&acl));
    let mut moves = Vec::new();
    let missing: Vec<&str> = want.iter().copied().filter(|subnet| !mine.contains_key(*subnet)).collect();
    if !missing.is_empty() {
        let others = describe::network_acls(ec2, by("association.subnet-id", missing.iter().copied())).await?;
        let others = associations(&others);
        for subnet in missing {
            // A new subnet's association shows a little later than the subnet itself.
            let other = others.get(subnet).ok_or_else(|| CloudError {
                kind: ErrorKind::NotFound,
                ..ec2.unexpected("DescribeNetworkAcls", format!("there is no subnet {subnet} in any ACL"))
            })?;
            moves.push((other.id.clone(), id.to_owned()));
        }
    }
    let extra: Vec<&Association> =
        mine.iter().filter(|(subnet, _)| !want.contains(subnet.as_str())).map(|(_, a)| a).collect();
    if !extra.is_empty() {
        let vpc = acl.vpc_id().unwrap_or_default();
        let all = describe::network_acls(ec2, by("vpc-id", [vpc])).await?;
        let default = all.iter().find(|a| a.vpc_id() == Some(vpc) && a.is_default() == Some(true));
        let default = default.and_then(|a| a.network_acl_id()).ok_or_else(|| {
            ec2.unexpected("DescribeNetworkAcls", format!("{vpc} has no default ACL that its subnets could get"))
        })?;
        // The default ACL itself keeps its subnets.
        moves.extend(extra.into_iter().filter(|_| default != id).map(|a| (a.id.clone(), default.to_owned())));
    }
    Ok(moves)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(number: i32, egress: bool, protocol: &str, range: &str) -> NetworkAclEntryResolved {
        NetworkAclEntryResolved {
            rule_number: number,
            egress,
            rule_action: "allow".to_owned(),
            protocol: protocol.to_owned(),
            cidr_block: None,
            ipv6_cidr_block: Some(range.to_owned()),
            port_range: None,
            icmp_type_code: None,
        }
    }

    #[test]
    fn only_what_differs_is_touched() {
        let there = [rule(1, true, "6", "::/0"), rule(2, true, "6", "::/0"), rule(1, false, "-1", "::/0")];
        let want = [rule(1, true, "tcp", "0::/0"), rule(2, true, "udp", "::/0"), rule(3, false, "6", "::/0")];
        let difference = difference(&there, &want);
        assert_eq!(difference.replace, [&want[1]]);
        assert_eq!(difference.create, [&want[2]]);
        assert_eq!(difference.delete, [(false, 1)]);
    }
}
