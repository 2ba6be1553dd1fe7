//! [`Record`].
//!
//! No emulator serves routing by address ranges or by proximity; those parts follow the service model alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_route53::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::record_blocks::{self as blocks, AliasTarget, CidrRoutingConfig, GeoLocation, GeoProximityLocation};
use super::{HostedZoneId, Route53, plain_name, wire_name};
use crate::client::Aws;
use crate::forms::off_is_unset;
use crate::manage::{Created, Found, Manage, Target};
use crate::{batch, owner};

/// ListResourceRecordSets gives so many at once.
const PAGE: i32 = 300;
/// A name has up to so many records of one type.
const SAME_NAME: i32 = 100;
/// Up to so many records of one zone are asked for one by one, all at once.
const ONE_BY_ONE: usize = 3;

/// What a name of a zone resolves to.
///
/// A record bears no mark: one with its name, type and set identifier that is already there is taken over if it is just as the program wants it,
/// and otherwise left alone. It need not have reached all of Route 53's servers, which takes up to a minute, to be created.
///
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:route53:Record",
    terraform = "aws_route53_record",
    cloudformation = "AWS::Route53::RecordSet",
    identity = NaturalKey,
    unique(hosted_zone_id, name, r#type, set_identifier)
)]
pub struct Record {
    /// The zone.
    #[field(replace)]
    pub hosted_zone_id: Input<HostedZoneId>,
    /// The whole name: `www.example.com`.
    #[field(replace, normalize = super::name)]
    pub name: Input<String>,
    /// `A`, `AAAA`, `CAA`, `CNAME`, `DS`, `HTTPS`, `MX`, `NAPTR`, `NS`, `PTR`, `SOA`, `SPF`, `SRV`, `SSHFP`, `SVCB`, `TLSA` or `TXT`.
    #[field(replace)]
    pub r#type: Input<String>,
    /// For how many seconds others may remember the answer. Not with `alias_target`.
    pub ttl: Option<Input<i64>>,
    /// The answers, each in the form of its type: `192.0.2.1`, `10 mail.example.com`, `"v=spf1 -all"` (with the quotes). Not with `alias_target`.
    #[field(set)]
    pub resource_records: Option<Input<Vec<String>>>,
    /// Another name of AWS's whose addresses are the answer.
    pub alias_target: Option<Input<AliasTarget>>,
    /// What tells this record from others of its name and type, if there are several, of which a routing policy chooses.
    #[field(replace)]
    pub set_identifier: Option<Input<String>>,
    /// Weighted routing: its share of all answers, from 0 to 255.
    pub weight: Option<Input<i64>>,
    /// Latency routing: the region that its target lies in.
    pub region: Option<Input<String>>,
    /// Routing by where the questions come from.
    pub geo_location: Option<Input<GeoLocation>>,
    /// Failover routing: `PRIMARY` or `SECONDARY`.
    pub failover: Option<Input<String>>,
    /// Multivalue routing: whether it is one of up to eight answers. Unset: no.
    #[field(normalize = off_is_unset)]
    pub multi_value_answer: Option<Input<bool>>,
    /// The health check without which it is not an answer.
    pub health_check_id: Option<Input<String>>,
    /// Routing by the addresses that questions come from.
    pub cidr_routing_config: Option<Input<CidrRoutingConfig>>,
    /// Routing by how near its target lies.
    pub geo_proximity_location: Option<Input<GeoProximityLocation>>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct RecordOutputs {
    /// Zone, type and name, and after a space the set identifier, if it has one: `Z0A1B2/A/www.example.com blue`.
    pub id: String,
    /// The name, without the dot at its end.
    pub fqdn: String,
}

/// A record's place: zone, type, name without escapes, set identifier. In a name a space is written `\040`, so that the first one ends it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    zone: String,
    kind: String,
    name: String,
    identifier: Option<String>,
}

impl Key {
    fn of(want: &RecordResolved) -> Self {
        Self {
            zone: want.hosted_zone_id.to_string(),
            kind: want.r#type.clone(),
            name: plain_name(&want.name),
            identifier: want.set_identifier.clone(),
        }
    }

    fn of_set(zone: &str, set: &sdk::ResourceRecordSet) -> Self {
        Self {
            zone: zone.to_owned(),
            kind: set.r#type.as_str().to_owned(),
            name: plain_name(&set.name),
            identifier: set.set_identifier.clone(),
        }
    }

    fn parse(id: &str) -> Result<Self, CloudError> {
        let parts = || {
            let (zone, rest) = id.split_once('/')?;
            let (kind, rest) = rest.split_once('/')?;
            let (name, identifier) = match rest.split_once(' ') {
                Some((name, identifier)) => (name, Some(identifier.to_owned())),
                None => (rest, None),
            };
            let whole = !zone.is_empty() && !kind.is_empty() && !name.is_empty();
            whole.then(|| Self { zone: zone.to_owned(), kind: kind.to_owned(), name: plain_name(name), identifier })
        };
        parts().ok_or_else(|| {
            CloudError::local(ErrorKind::Invalid, format!("{id:?} names no record"))
                .hint("write it as ZONE/TYPE/NAME, with a space and the set identifier if it has one: Z0A1B2/A/www.example.com")
        })
    }

    fn id(&self) -> String {
        let identifier = self.identifier.as_ref().map(|i| format!(" {i}")).unwrap_or_default();
        format!("{}/{}/{}{identifier}", self.zone, self.kind, self.name.replace(' ', "\\040"))
    }

    fn outputs(&self) -> RecordOutputs {
        RecordOutputs { id: self.id(), fqdn: self.name.clone() }
    }

    fn describe(&self) -> String {
        let identifier = self.identifier.as_ref().map(|i| format!(" ({i})")).unwrap_or_default();
        format!("the {} record {}{identifier}", self.kind, self.name)
    }
}

/// The records of a zone that were found; `None` for one that is not there.
type Sets = HashMap<Key, Option<sdk::ResourceRecordSet>>;

impl Manage for Record {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let route53 = &aws.route53(cx).await?;
        let keys: Vec<Result<Key, CloudError>> = targets.iter().map(|t| Key::parse(t.id)).collect();
        let mut zones: BTreeMap<&str, BTreeSet<&Key>> = BTreeMap::new();
        for key in keys.iter().flatten() {
            zones.entry(&key.zone).or_default().insert(key);
        }
        let asked = batch::each(zones, |(zone, keys)| async move { Ok((zone, of_zone(route53, zone, &keys).await)) });
        let sets: HashMap<&str, Result<Sets, CloudError>> = asked.await?.into_iter().collect();
        let found = |key: &Result<Key, CloudError>| {
            let key = match key {
                Ok(key) => key,
                Err(error) => return Found::Failed(error.clone()),
            };
            match sets.get(key.zone.as_str()) {
                Some(Ok(sets)) => match sets.get(key) {
                    Some(Some(set)) => Found::present(blocks::from_set(&key.zone, set), key.outputs()),
                    _ => Found::Gone,
                },
                Some(Err(error)) => Found::Failed(error.clone()),
                None => Found::Gone,
            }
        };
        Ok(keys.iter().map(found).collect())
    }

    async fn create(aws: &Aws, cx: &Cx, want: &RecordResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let route53 = &aws.route53(cx).await?;
        let key = Key::of(want);
        match send(route53, &key.zone, [(sdk::ChangeAction::Create, blocks::to_set(want)?)]).await {
            Ok(()) => Ok(created(&key)),
            Err(error) if says(&error, "already exists") => {
                let apex = "Route 53 makes the NS and SOA records of a zone's own name with the zone: adopt them with `phx import`";
                let found = Self::find(aws, cx, want, intent)
                    .await
                    .map_err(|other| if matches!(key.kind.as_str(), "NS" | "SOA") { other.hint(apex) } else { other });
                found?.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &RecordResolved,
        change: &RecordChange,
    ) -> Result<Option<RecordOutputs>, CloudError> {
        let route53 = &aws.route53(cx).await?;
        let key = Key::parse(id)?;
        let mut set = blocks::to_set(want)?;
        // The whole record is written over: a health check that the program never set is sent as it is.
        let keeps_check = want.health_check_id.is_none() && change.health_check_id.is_none();
        let there = if keeps_check || changes_policy(change) { get(route53, &key).await? } else { None };
        if keeps_check {
            set.health_check_id = there.as_ref().and_then(|there| there.health_check_id.clone());
        }
        // Only another routing policy keeps a record from being written over: then the old one is taken away in the same batch.
        match there.filter(|there| policy(there) != policy(&set)) {
            Some(there) => {
                let batch = [(sdk::ChangeAction::Delete, there), (sdk::ChangeAction::Create, set)];
                send(route53, &key.zone, batch).await?;
            }
            None => send(route53, &key.zone, [(sdk::ChangeAction::Upsert, set)]).await?,
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _was: Option<&RecordResolved>) -> Result<(), CloudError> {
        let route53 = &aws.route53(cx).await?;
        let key = Key::parse(id)?;
        // Route 53 deletes what is described just as it is.
        let Some(there) = get(route53, &key).await? else { return Ok(()) };
        match send(route53, &key.zone, [(sdk::ChangeAction::Delete, there)]).await {
            Err(error) if error.kind == ErrorKind::NotFound || says(&error, "not found") => Ok(()),
            done => done,
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &RecordResolved,
        _intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let route53 = &aws.route53(cx).await?;
        let key = Key::of(want);
        let Some(there) = get(route53, &key).await? else { return Ok(None) };
        owner::check_alike::<Self>(&key.describe(), want, &blocks::from_set(&key.zone, &there))?;
        Ok(Some(created(&key)))
    }
}

fn created(key: &Key) -> Created<Record> {
    Created { id: key.id(), outputs: key.outputs(), complete: true }
}

/// A batch is refused with one code, whatever is wrong with it.
fn says(error: &CloudError, text: &str) -> bool {
    error.code.as_deref() == Some("InvalidChangeBatch") && error.message.contains(text)
}

/// Whether a field that makes a routing policy changes.
fn changes_policy(change: &RecordChange) -> bool {
    change.weight.is_some()
        || change.region.is_some()
        || change.geo_location.is_some()
        || change.failover.is_some()
        || change.multi_value_answer.is_some()
        || change.cidr_routing_config.is_some()
        || change.geo_proximity_location.is_some()
}

/// Which kind of routing chooses the record.
fn policy(set: &sdk::ResourceRecordSet) -> [bool; 7] {
    [
        set.weight.is_some(),
        set.region.is_some(),
        set.geo_location.is_some(),
        set.failover.is_some(),
        set.multi_value_answer == Some(true),
        set.cidr_routing_config.is_some(),
        set.geo_proximity_location.is_some(),
    ]
}

async fn send(
    route53: &Route53,
    zone: &str,
    changes: impl IntoIterator<Item = (sdk::ChangeAction, sdk::ResourceRecordSet)>,
) -> Result<(), CloudError> {
    let invalid = |e: aws_sdk_route53::error::BuildError| CloudError::local(ErrorKind::Invalid, e.to_string());
    let one = |(action, set)| sdk::Change::builder().action(action).resource_record_set(set).build().map_err(invalid);
    let changes = changes.into_iter().map(one).collect::<Result<Vec<_>, _>>()?;
    let batch = sdk::ChangeBatch::builder().set_changes(Some(changes)).build().map_err(invalid)?;
    let request = route53.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch);
    // A repeated CREATE or DELETE is refused, which is judged by whoever calls.
    route53.write_idempotent("ChangeResourceRecordSets", || request.clone().send()).await.map(drop)
}

/// Reads one record: the list begins at its place.
async fn get(route53: &Route53, key: &Key) -> Result<Option<sdk::ResourceRecordSet>, CloudError> {
    let request = route53
        .list_resource_record_sets()
        .hosted_zone_id(&key.zone)
        .start_record_name(wire_name(&key.name))
        .start_record_type(key.kind.as_str().into())
        .set_start_record_identifier(key.identifier.clone())
        .max_items(SAME_NAME);
    match route53.read("ListResourceRecordSets", || request.clone().send()).await {
        // Not every endpoint heeds the identifier.
        Ok(answer) => Ok(answer.resource_record_sets.into_iter().find(|set| Key::of_set(&key.zone, set) == *key)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads records of one zone, few one by one, many with the list of all. A zone that is not there has none.
async fn of_zone(route53: &Route53, zone: &str, keys: &BTreeSet<&Key>) -> Result<Sets, CloudError> {
    if keys.len() <= ONE_BY_ONE {
        let asked = batch::each(keys.iter().copied(), |key| async move { Ok((key.clone(), get(route53, key).await?)) });
        return Ok(asked.await?.into_iter().collect());
    }
    let mut sets = Sets::new();
    let request = route53.list_resource_record_sets().hosted_zone_id(zone).max_items(PAGE);
    let mut next = request.clone();
    loop {
        let answer = match route53.read("ListResourceRecordSets", || next.clone().send()).await {
            Ok(answer) => answer,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(Sets::new()),
            Err(error) => return Err(error),
        };
        for set in answer.resource_record_sets {
            let key = Key::of_set(zone, &set);
            if keys.contains(&key) {
                sets.insert(key, Some(set));
            }
        }
        if !answer.is_truncated || answer.next_record_name.is_none() || sets.len() == keys.len() {
            return Ok(sets);
        }
        next = request
            .clone()
            .set_start_record_name(answer.next_record_name)
            .set_start_record_type(answer.next_record_type)
            .set_start_record_identifier(answer.next_record_identifier);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_zone_type_name_and_identifier() {
        for (id, name, identifier) in [
            ("Z1/A/www.example.com", "www.example.com", None),
            ("Z1/A/www.example.com blue green/1", "www.example.com", Some("blue green/1")),
            ("Z1/PTR/0/25.2.0.192.in-addr.arpa", "0/25.2.0.192.in-addr.arpa", None),
            ("Z1/TXT/a\\040b.example.com x", "a b.example.com", Some("x")),
        ] {
            let key = Key::parse(id).unwrap();
            assert_eq!((key.name.as_str(), key.identifier.as_deref()), (name, identifier), "{id}");
            assert_eq!(key.id(), id);
        }
        assert_eq!(Key::parse("Z1/A/\\052.Example.com.").unwrap().id(), "Z1/A/*.example.com");
        for bad in ["", "Z1", "Z1/A", "Z1/A/", "/A/x", "Z1//x"] {
            assert_eq!(Key::parse(bad).unwrap_err().kind, ErrorKind::Invalid, "{bad}");
        }
    }

    #[test]
    fn another_policy_is_noticed() {
        let set = || sdk::ResourceRecordSet::builder().name("a").r#type(sdk::RrType::A);
        let weighted = set().weight(1).build().unwrap();
        assert_eq!(policy(&weighted), policy(&set().weight(2).build().unwrap()));
        assert_ne!(policy(&weighted), policy(&set().region("us-west-2".into()).build().unwrap()));
        assert_eq!(policy(&set().build().unwrap()), policy(&set().multi_value_answer(false).build().unwrap()));
    }
}
