//! Policy documents: canonical, as few statements as the grants allow, and none longer than IAM takes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::Grant;

/// The longest managed policy that IAM takes, in characters without white space.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub const LIMIT: usize = 6144;

/// The policy for one account, in one or several documents, all of which have to be attached.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The account, if it is known.
    pub account: Option<String>,
    /// The documents.
    pub documents: Vec<Value>,
}

type Conditions = BTreeMap<String, BTreeSet<String>>;

/// One action with what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Allowed {
    resources: BTreeSet<String>,
    conditions: Conditions,
}

impl Allowed {
    /// Whether whatever the other allows is allowed by this one.
    fn includes(&self, other: &Self) -> bool {
        let about = self.resources.contains("*") || self.resources.is_superset(&other.resources);
        let under =
            self.conditions.iter().all(|(key, values)| other.conditions.get(key).is_some_and(|v| v.is_subset(values)));
        about && under
    }

    /// Both in one, if that allows nothing that neither does.
    fn joined(&self, other: &Self) -> Option<Self> {
        if self.conditions == other.conditions {
            let resources = self.resources.union(&other.resources).cloned().collect();
            return Some(Self { resources, conditions: self.conditions.clone() });
        }
        let same_keys = self.conditions.keys().eq(other.conditions.keys());
        let differing: Vec<&String> =
            self.conditions.keys().filter(|key| self.conditions.get(*key) != other.conditions.get(*key)).collect();
        let (true, [key], true) = (same_keys, &differing[..], self.resources == other.resources) else { return None };
        let mut conditions = self.conditions.clone();
        conditions.entry((*key).clone()).or_default().extend(other.conditions[*key].iter().cloned());
        Some(Self { resources: self.resources.clone(), conditions })
    }
}

/// Adds what is allowed to what is allowed already of the same action, in as few pieces as may be.
fn add(known: &mut Vec<Allowed>, mut new: Allowed) {
    if new.resources.contains("*") {
        new.resources = BTreeSet::from(["*".to_owned()]);
    }
    loop {
        if known.iter().any(|k| k.includes(&new)) {
            return;
        }
        known.retain(|k| !new.includes(k));
        let Some(at) = known.iter().position(|k| k.joined(&new).is_some()) else { break };
        if let Some(joined) = known.swap_remove(at).joined(&new) {
            new = joined;
        }
    }
    known.push(new);
}

/// The policies of all accounts, by account. `others` are statements of others' making, which go into the policy of the account `home`.
pub fn policies(grants: &BTreeSet<Grant>, home: Option<&str>, others: Vec<Value>) -> Vec<Policy> {
    let mut accounts: BTreeMap<Option<String>, BTreeMap<&str, Vec<Allowed>>> = BTreeMap::new();
    if !others.is_empty() {
        accounts.entry(home.map(str::to_owned)).or_default();
    }
    for grant in grants {
        let actions = accounts.entry(grant.account.clone()).or_default();
        let allowed = Allowed { resources: grant.resources.clone(), conditions: grant.conditions.clone() };
        add(actions.entry(&grant.action).or_default(), allowed);
    }
    let mut others = Some(others);
    let policies = accounts.into_iter().map(|(account, actions)| {
        let mut statements = statements(&actions);
        if account.as_deref() == home {
            statements.extend(others.take().unwrap_or_default());
        }
        Policy { account, documents: documents(statements) }
    });
    policies.collect()
}

/// What has the same resources and conditions goes into one statement.
fn statements(actions: &BTreeMap<&str, Vec<Allowed>>) -> Vec<Value> {
    let mut together: BTreeMap<(&Conditions, &BTreeSet<String>), BTreeSet<&str>> = BTreeMap::new();
    for (action, allowed) in actions {
        for allowed in allowed {
            together.entry((&allowed.conditions, &allowed.resources)).or_default().insert(action);
        }
    }
    let mut named: BTreeMap<String, usize> = BTreeMap::new();
    let mut sorted: Vec<_> = together.into_iter().map(|((c, r), a)| (a, r, c)).collect();
    sorted.sort();
    let statements = sorted.into_iter().map(|(actions, resources, conditions)| {
        let name = sid(&actions);
        let number = named.entry(name.clone()).and_modify(|n| *n += 1).or_insert(1);
        let sid = if *number == 1 { name } else { format!("{name}{number}") };
        let mut statement = json!({
            "Sid": sid, "Effect": "Allow", "Action": one_or_many(actions.into_iter()),
            "Resource": one_or_many(resources.iter().map(String::as_str)),
        });
        if !conditions.is_empty() {
            statement["Condition"] = condition(conditions);
        }
        statement
    });
    statements.collect()
}

/// What a statement is for, in letters and digits, as IAM wants it.
fn sid(actions: &BTreeSet<&str>) -> String {
    let services: BTreeSet<&str> = actions.iter().filter_map(|action| action.split(':').next()).collect();
    match actions.iter().copied().collect::<Vec<_>>()[..] {
        ["iam:PassRole"] => return "PassRole".to_owned(),
        ["iam:CreateServiceLinkedRole"] => return "ServiceLinkedRoles".to_owned(),
        ["sts:AssumeRole"] => return "AssumeRole".to_owned(),
        _ => {}
    }
    match services.into_iter().collect::<Vec<_>>()[..] {
        [one] => {
            let letters: String = one.chars().filter(char::is_ascii_alphanumeric).collect();
            let (first, rest) = letters.split_at(1.min(letters.len()));
            format!("{}{rest}", first.to_ascii_uppercase())
        }
        _ => "Stack".to_owned(),
    }
}

fn one_or_many<'a>(texts: impl Iterator<Item = &'a str>) -> Value {
    match texts.collect::<Vec<_>>()[..] {
        [one] => json!(one),
        ref many => json!(many),
    }
}

fn condition(conditions: &Conditions) -> Value {
    let mut operators: Map<String, Value> = Map::new();
    for (key, values) in conditions {
        let operator = if values.iter().any(|value| value.contains('*')) { "StringLike" } else { "StringEquals" };
        let values = one_or_many(values.iter().map(String::as_str));
        operators.entry(operator).or_insert_with(|| json!({}))[key] = values;
    }
    operators.into()
}

/// How IAM counts: without white space, of which the compact form has none but what stands in texts.
fn length(value: &Value) -> usize {
    value.to_string().chars().filter(|c| !c.is_whitespace()).count()
}

/// The statements in as few documents as they fit in, each in the first with room for it; one that is too long for any is cut.
fn documents(statements: Vec<Value>) -> Vec<Value> {
    let around = length(&json!({ "Version": "2012-10-17", "Statement": [] }));
    let mut filled: Vec<(usize, Vec<Value>)> = Vec::new();
    for statement in statements.into_iter().flat_map(|s| cut(s, LIMIT - around)) {
        // With the comma before it.
        let length = length(&statement) + 1;
        match filled.iter_mut().find(|(used, _)| used + length <= LIMIT) {
            Some((used, document)) => {
                *used += length;
                document.push(statement);
            }
            None => filled.push((around + length, vec![statement])),
        }
    }
    filled.into_iter().map(|(_, s)| json!({ "Version": "2012-10-17", "Statement": s })).collect()
}

/// A statement in pieces that are not too long: halves of its longer list, and so on.
fn cut(statement: Value, most: usize) -> Vec<Value> {
    if length(&statement) < most {
        return vec![statement];
    }
    let items = |key: &str| statement[key].as_array().map_or(0, Vec::len);
    let key = if items("Resource") >= items("Action") { "Resource" } else { "Action" };
    let Some(list) = statement[key].as_array().filter(|list| list.len() > 1) else { return vec![statement] };
    let (first, second) = list.split_at(list.len() / 2);
    let piece = |part: &[Value], end: &str| {
        let mut piece = statement.clone();
        piece[key] = json!(part);
        // An id stands once in a document, and pieces may come to stand in one.
        let sid = statement["Sid"].as_str().map(|sid| format!("{sid}{end}"));
        piece["Sid"] = json!(sid);
        cut(piece, most)
    };
    [piece(first, "a"), piece(second, "b")].concat()
}
