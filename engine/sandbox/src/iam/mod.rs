//! IAM, by phx itself.
//!
//! winterbaume 0.2 has all the operations, but loses what some of them set (boundaries that a creation names, a user's path, groups' and users'
//! boundaries), shows little of what it keeps (descriptions, tags), answers GetAccountAuthorizationDetails in one page and without half of it, has no
//! AWS-managed policies, deletes what is still in use, takes policies that are not JSON, and reads UTF-8 as if it were Latin-1.
//!
//! Users, groups, roles and instance profiles are alike in most: a name, a path, tags, policies. So they are one structure ([`Entity`]), and an
//! operation is looked up by its verb and by what it is about.

mod details;
mod entity;
mod operations;
mod policy;
mod provider;

use std::collections::{BTreeMap, BTreeSet};

use entity::Entity;
use policy::Policy;
use provider::Provider;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use winterbaume_core::MockResponse;

use super::service::{Call, GLOBAL, Model, Tags};
use super::wire::{Fault, Params, elements, request_id, response};

type Fields = Map<String, Value>;
type Answer = Result<Value, Fault>;

/// What is about all entities of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Kind {
    User,
    Group,
    Role,
    InstanceProfile,
}

impl Kind {
    const ALL: [Self; 4] = [Self::InstanceProfile, Self::User, Self::Group, Self::Role];

    /// As operations and parameters have it.
    fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
            Self::Role => "Role",
            Self::InstanceProfile => "InstanceProfile",
        }
    }

    /// As ARNs have it.
    fn in_arn(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Role => "role",
            Self::InstanceProfile => "instance-profile",
        }
    }

    /// What ids begin with.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>
    fn prefix(self) -> &'static str {
        match self {
            Self::User => "AIDA",
            Self::Group => "AGPA",
            Self::Role => "AROA",
            Self::InstanceProfile => "AIPA",
        }
    }

    fn field(self, what: &str) -> String {
        format!("{}{what}", self.name())
    }
}

/// What the account has.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Iam {
    #[serde(default)]
    users: BTreeMap<String, Entity>,
    #[serde(default)]
    groups: BTreeMap<String, Entity>,
    #[serde(default)]
    roles: BTreeMap<String, Entity>,
    #[serde(default)]
    instance_profiles: BTreeMap<String, Entity>,
    /// By ARN.
    #[serde(default)]
    policies: BTreeMap<String, Policy>,
    /// By ARN.
    #[serde(default)]
    providers: BTreeMap<String, Provider>,
    /// Access keys as ListAccessKeys shows them, by id.
    #[serde(default)]
    access_keys: BTreeMap<String, Fields>,
    #[serde(default)]
    password_policy: Option<Fields>,
}

impl Model for Iam {
    const GLOBAL: bool = true;

    fn call(&mut self, call: &Call) -> Result<MockResponse, Fault> {
        let p = &call.form;
        for document in ["AssumeRolePolicyDocument", "PolicyDocument"] {
            if p.get(document).is_some_and(|text| serde_json::from_str::<Fields>(text).is_err()) {
                return Err(Fault::new("MalformedPolicyDocument", format!("{document} is not a JSON object")));
            }
        }
        self.answer(&call.action, p).map(|result| answer(&call.action, result))
    }

    fn refusal(fault: &Fault, _call: &Call) -> MockResponse {
        fault.query_xml()
    }

    /// Policies, instance profiles and OIDC providers: the tagging API knows neither roles nor users.
    fn tagged(&self, region: &str) -> Vec<(String, Tags)> {
        if region != GLOBAL {
            return Vec::new();
        }
        let policies = self.policies.iter().map(|(arn, p)| (arn.clone(), p.tags.clone()));
        let profiles = self.instance_profiles.values().map(|e| (e.arn().to_owned(), e.tags.clone()));
        let providers = self.providers.iter().map(|(arn, p)| (arn.clone(), p.tags.clone()));
        policies.chain(profiles).chain(providers).filter(|(_, tags)| !tags.is_empty()).collect()
    }
}

impl Iam {
    fn all(&self, kind: Kind) -> &BTreeMap<String, Entity> {
        match kind {
            Kind::User => &self.users,
            Kind::Group => &self.groups,
            Kind::Role => &self.roles,
            Kind::InstanceProfile => &self.instance_profiles,
        }
    }

    fn all_mut(&mut self, kind: Kind) -> &mut BTreeMap<String, Entity> {
        match kind {
            Kind::User => &mut self.users,
            Kind::Group => &mut self.groups,
            Kind::Role => &mut self.roles,
            Kind::InstanceProfile => &mut self.instance_profiles,
        }
    }

    fn get(&self, kind: Kind, name: &str) -> Result<&Entity, Fault> {
        self.all(kind).get(name).ok_or_else(|| missing(kind.name(), name))
    }

    fn get_mut(&mut self, kind: Kind, name: &str) -> Result<&mut Entity, Fault> {
        self.all_mut(kind).get_mut(name).ok_or_else(|| missing(kind.name(), name))
    }

    /// Every entity.
    fn entities(&self) -> impl Iterator<Item = (Kind, &String, &Entity)> {
        Kind::ALL.into_iter().flat_map(|kind| self.all(kind).iter().map(move |(name, entity)| (kind, name, entity)))
    }

    /// Name, ARN and id of each instance profile.
    pub(super) fn profiles(&self) -> Vec<(String, String, String)> {
        let told =
            |(name, e): (&String, &Entity)| (name.clone(), e.arn().to_owned(), e.text("InstanceProfileId").to_owned());
        self.instance_profiles.iter().map(told).collect()
    }

    /// Whether there is a role with this ARN.
    pub(super) fn role_exists(&self, arn: &str) -> bool {
        self.roles.values().any(|role| role.arn() == arn)
    }
}

fn answer(action: &str, result: Value) -> MockResponse {
    let result = elements(&object(result), "member");
    let id = request_id();
    let xmlns = "https://iam.amazonaws.com/doc/2010-05-08/";
    let body = format!(
        "<{action}Response xmlns=\"{xmlns}\"><{action}Result>{result}</{action}Result>\
         <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{action}Response>"
    );
    response(200, "text/xml", body)
}

fn object(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        _ => Fields::new(),
    }
}

fn done() -> Answer {
    Ok(json!({}))
}

fn fault(status: u16, code: &str, message: String) -> Fault {
    Fault { status, ..Fault::new(code, message) }
}

fn missing(what: &str, name: &str) -> Fault {
    fault(404, "NoSuchEntity", format!("The {what} with name {name} cannot be found."))
}

fn taken(what: &str, name: &str) -> Fault {
    fault(409, "EntityAlreadyExists", format!("{what} with name {name} already exists."))
}

fn conflict(message: impl Into<String>) -> Fault {
    fault(409, "DeleteConflict", message.into())
}

fn over_limit(message: impl Into<String>) -> Fault {
    fault(409, "LimitExceeded", message.into())
}

fn new_id(prefix: &str) -> String {
    format!("{prefix}{}", &uuid::Uuid::new_v4().simple().to_string().to_uppercase()[..17])
}

/// The time, as IAM writes it.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn tag_list(tags: &Tags) -> Value {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

/// Puts the tags of a request over those that are there. Keys have no case, and keep the one that they were set with last.
fn tag(tags: &mut Tags, p: &Params) -> Result<(), Fault> {
    for (key, value) in p.tags("Tags.member") {
        if key.to_lowercase().starts_with("aws:") {
            let message = format!("Tag keys starting with 'aws:' are reserved for system use: {key}");
            return Err(Fault::new("InvalidInput", message));
        }
        tags.retain(|old, _| !old.eq_ignore_ascii_case(&key));
        tags.insert(key, value);
    }
    if tags.len() > 50 {
        return Err(over_limit("An entity cannot have more than 50 tags."));
    }
    Ok(())
}

fn untag(tags: &mut Tags, p: &Params) {
    for key in p.list("TagKeys.member") {
        tags.retain(|old, _| !old.eq_ignore_ascii_case(key));
    }
}

/// At most `MaxItems` (100) of some items, from where `Marker` says, under a name, with the marker of the next page.
fn page(name: &str, items: Vec<Value>, p: &Params) -> Answer {
    let (items, marker) = cut(items, p)?;
    Ok(json!({name: items, "IsTruncated": marker.is_some(), "Marker": marker}))
}

fn cut<T>(items: Vec<T>, p: &Params) -> Result<(Vec<T>, Option<String>), Fault> {
    let from = p.number("Marker")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let limit = p.number("MaxItems")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(100).clamp(1, 1000);
    let marker = (items.len() > from + limit).then(|| (from + limit).to_string());
    Ok((items.into_iter().skip(from).take(limit).collect(), marker))
}

/// The names of a set, as text for an answer.
fn sorted<'a>(names: impl IntoIterator<Item = &'a String>) -> BTreeSet<&'a String> {
    names.into_iter().collect()
}
