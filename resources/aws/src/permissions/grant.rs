//! From what is done to the actions that it needs, each with what it is about and under which conditions.

use std::collections::{BTreeMap, BTreeSet};

use phx_model::{Value, ValueMap};

use super::arns::{Filled, at, fill, named, partition};
use super::{Row, Verb, When, lookups, of};

/// Where an object lies, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// `aws`, `aws-cn`, `aws-us-gov`, …
    pub partition: String,
    /// The account's id.
    pub account: Option<String>,
    /// The region.
    pub region: Option<String>,
}

impl Place {
    /// An account and a region.
    pub fn new(account: Option<String>, region: Option<String>) -> Self {
        let partition = region.as_deref().map_or("aws", partition).to_owned();
        Self { partition, account, region }
    }
}

/// What is done with one object.
#[derive(Clone, Copy, Debug)]
pub struct Use<'a> {
    /// Its type.
    pub type_name: &'a str,
    /// Where it lies.
    pub place: &'a Place,
    /// AWS's id of it, if it is there already.
    pub id: Option<&'a str>,
    /// Its fields, as far as they are known.
    pub fields: &'a ValueMap,
    /// What is done with it.
    pub verbs: &'a [Verb],
    /// The fields that an update changes; `None`: it may be any.
    pub touched: Option<&'a BTreeSet<String>>,
    /// Whether everything counts that the verbs may ever need, and not only what these fields say.
    pub everything: bool,
}

static NO_FIELDS: std::sync::LazyLock<ValueMap> = std::sync::LazyLock::new(ValueMap::default);

impl<'a> Use<'a> {
    /// Nothing is done with nothing, in a place: for the fields that one has no use for.
    pub fn nothing(place: &'a Place) -> Self {
        Self { type_name: "", place, id: None, fields: &NO_FIELDS, verbs: &[], touched: None, everything: false }
    }
}

/// An action that is needed in one account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// The account, if it is known.
    pub account: Option<String>,
    /// The type that needs it.
    pub type_name: String,
    /// For what.
    pub verb: Verb,
    /// The IAM action.
    pub action: String,
    /// What it is about: `*`, or ARNs that may have `*` in them.
    pub resources: BTreeSet<String>,
    /// The conditions that hold for what phx does: keys and their values, one of which the request has.
    pub conditions: BTreeMap<String, BTreeSet<String>>,
}

/// Services that are the same in all regions, so that a request names none (or one that the stack does not lie in).
pub(crate) const GLOBAL: [&str; 6] = ["budgets", "ce", "iam", "organizations", "route53", "sts"];
/// Of a regional service, what is asked without a region.
const GLOBAL_ACTIONS: [&str; 1] = ["s3:ListAllMyBuckets"];
/// Fields that name further regions in which a type calls.
const REGIONS: [&str; 4] = ["peer_region", "service_region", "add_replica_regions.region", "replicas.region_name"];
/// So many ARNs of one action are told apart; beyond it the list is longer than any policy may be.
const MOST_RESOURCES: usize = 200;

/// What the uses need, sorted, each once.
pub fn grants(uses: &[Use<'_>]) -> BTreeSet<Grant> {
    let mut found = BTreeSet::new();
    for used in uses {
        for row in of(used.type_name) {
            for verb in row.verbs.iter().filter(|verb| used.verbs.contains(verb)) {
                found.extend(grant(row, *verb, used, uses));
            }
        }
    }
    found
}

/// What lookups need that called these operations (`ec2:DescribeImages`), as
/// [`Aws::api_calls_by_operation`](crate::Aws::api_calls_by_operation) names them. Lookups may be asked in any region, so there is no condition on it.
pub fn grants_for_lookups<'a>(account: Option<&str>, operations: impl IntoIterator<Item = &'a str>) -> BTreeSet<Grant> {
    let operations: BTreeSet<&str> = operations.into_iter().collect();
    let needed = lookups().iter().filter(|row| row.operation.is_some_and(|operation| operations.contains(operation)));
    let grant = |row: &Row| Grant {
        account: account.map(str::to_owned),
        type_name: "lookups".to_owned(),
        verb: Verb::Read,
        action: row.action.to_owned(),
        resources: BTreeSet::from(["*".to_owned()]),
        conditions: BTreeMap::new(),
    };
    needed.map(grant).collect()
}

fn grant(row: &Row, verb: Verb, used: &Use<'_>, uses: &[Use<'_>]) -> Option<Grant> {
    let needed = row.when.is_empty() || row.when.iter().any(|when| applies(*when, verb, used));
    let resources = if needed { resources(row, used, uses)? } else { return None };
    let mut conditions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (key, values) in &row.conditions {
        let values = values.iter().flat_map(|form| match fill(form, used, uses) {
            Filled::With(values) => values,
            Filled::Unset | Filled::Unknown => vec!["*".to_owned()],
        });
        let values = values.flat_map(|value| hosts(value, key, &used.place.partition));
        conditions.entry((*key).to_owned()).or_default().extend(values);
    }
    // What a type of a global service asks of another one, it asks in the one region that has what is global.
    let services =
        [row.action.split(':').next().unwrap_or_default(), row.type_name.split(':').nth(1).unwrap_or_default()];
    if let Some(region) = &used.place.region
        && !services.iter().any(|service| GLOBAL.contains(service))
        && !GLOBAL_ACTIONS.contains(&row.action)
        // CloudFront's web ACLs are in one region, wherever the stack is.
        && !at(used.fields, "scope").iter().any(|scope| scope.as_str() == Some("CLOUDFRONT"))
    {
        let further = REGIONS.iter().flat_map(|path| at(used.fields, path));
        let further: Vec<Option<&str>> = further.map(Value::as_str).collect();
        // A region that is not known yet is any region.
        if further.iter().all(Option::is_some) {
            let regions = further.into_iter().flatten().map(str::to_owned).chain([region.clone()]);
            conditions.insert("aws:RequestedRegion".to_owned(), regions.collect());
        }
    }
    Some(Grant {
        account: used.place.account.clone(),
        type_name: used.type_name.to_owned(),
        verb,
        action: row.action.to_owned(),
        resources,
        conditions,
    })
}

/// Some services have another domain in China, and some do not.
fn hosts(value: String, key: &str, partition: &str) -> Vec<String> {
    let names_a_host = matches!(key, "iam:PassedToService" | "iam:AWSServiceName" | "kms:ViaService");
    let service = names_a_host && value.ends_with(".amazonaws.com");
    if service && partition == "aws-cn" { vec![format!("{value}.cn"), value] } else { vec![value] }
}

fn applies(when: When, verb: Verb, used: &Use<'_>) -> bool {
    let set = |path: &str| !at(used.fields, path).is_empty();
    match when {
        When::Touched(path) => {
            let field = path.split('.').next().unwrap_or(path);
            let touched = |fields: &BTreeSet<String>| fields.contains(field);
            used.everything || if verb == Verb::Update { used.touched.is_none_or(touched) } else { set(path) }
        }
        When::Set(path) => set(path),
        When::Begins(path, begin) => {
            let begins = |value: &&Value| value.as_str().is_none_or(|text| text.starts_with(begin));
            at(used.fields, path).iter().any(begins)
        }
    }
}

/// What a row's action is about; `None` if nothing there is: a role that no field names is passed to nobody.
fn resources(row: &Row, used: &Use<'_>, uses: &[Use<'_>]) -> Option<BTreeSet<String>> {
    let everything = || Some(BTreeSet::from(["*".to_owned()]));
    let mut found = BTreeSet::new();
    for form in row.resources.iter().flat_map(|resource| named(used.type_name, resource)) {
        match fill(form, used, uses) {
            // A key may be named by its alias, of which policies know nothing.
            Filled::With(arns) if arns.iter().all(|arn| arn.starts_with("arn:")) => found.extend(arns),
            Filled::Unset => return None,
            Filled::With(_) | Filled::Unknown => return everything(),
        }
    }
    if found.is_empty() || found.len() > MOST_RESOURCES { everything() } else { Some(found) }
}
