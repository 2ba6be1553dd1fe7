//! Policy documents as APIs take and tell them, and when two of them mean the same.

use std::collections::BTreeSet;
use std::fmt;

use phx_model::value::{Json, Text};
use phx_model::{Value, ValueMap};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The version of a document that names none.
const VERSION_OF_OLD: &str = "2008-10-17";

/// A document as an API takes it: compact JSON, whether the program wrote it as a structure or as text.
pub fn text(document: &Json) -> String {
    let parsed = match document.0.expose() {
        Value::String(text) => match parsed(text) {
            Some(document) => document,
            // AWS says what is wrong with it.
            None => return text.to_string(),
        },
        other => other.clone(),
    };
    Json(without_scheme(parsed)).to_text()
}

/// A document that is written as text. `None`: it is no JSON, or says something twice: of two conditions of one name, reading it would keep the
/// last, and the policy would be wider than it was written. AWS takes no such document.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>
fn parsed(text: &str) -> Option<Value> {
    serde_json::from_str::<OnceEach>(text).ok()?;
    serde_json::from_str::<serde_json::Value>(text).ok().map(Value::from)
}

/// Reads JSON of which no object has a name twice, and keeps nothing of it.
struct OnceEach;

impl<'de> Deserialize<'de> for OnceEach {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for OnceEach {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self, A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = fields.next_key::<String>()? {
            fields.next_value::<Self>()?;
            if !names.insert(name) {
                return Err(A::Error::custom("a name stands there twice"));
            }
        }
        Ok(self)
    }
}

/// A document as an API tells it: JSON, which IAM percent-encodes.
pub fn parse(text: &str) -> Json {
    let text = decoded(text);
    Json::parse(&text).unwrap_or(Json(Value::String(text.into())))
}

/// Undoes RFC 3986's encoding. A document that begins as JSON is not encoded.
pub(super) fn decoded(text: &str) -> String {
    if text.trim_start().starts_with('{') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).filter(|hex| *first == b'%' && hex.iter().all(u8::is_ascii_hexdigit));
        match hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// How issuers' URLs begin, and their names in condition keys do not.
pub(super) const SCHEME: &str = "https://";

/// Takes the scheme off condition keys. No key has one, but an EKS cluster tells its issuer with it, and no expression takes it away.
fn without_scheme(document: Value) -> Value {
    let Value::Map(mut fields) = document else { return document };
    let statements = match fields.get_mut("Statement") {
        Some(Value::List(statements)) => statements.iter_mut().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    for statement in statements {
        let Value::Map(elements) = statement else { continue };
        let Some(Value::Map(operators)) = elements.get_mut("Condition") else { continue };
        for keys in operators.values_mut() {
            if let Value::Map(keys) = keys {
                let bare = |key: &Text| key.strip_prefix(SCHEME).map_or(key.clone(), Text::from);
                let distinct: BTreeSet<Text> = keys.keys().map(bare).collect();
                // Where two would become one, and one of them be lost, they stay as they are written.
                if distinct.len() == keys.len() {
                    *keys = std::mem::take(keys).into_iter().map(|(key, value)| (bare(&key), value)).collect();
                }
            }
        }
    }
    Value::Map(fields)
}

/// The form of a policy document in which equal meaning is equality. What it brings together, by AWS's documentation of the elements:
///
/// - a document as text and as a structure; one statement and a list of one; a version that is not named and the oldest;
/// - the order of statements (their `Sid`s stay), and within one, of actions, resources, principals and condition values;
/// - one of these and a list of one, and one that is there twice;
/// - upper and lower case in actions and condition keys, and `https://` before an issuer's name in one;
/// - an account's id and the ARN of its root, among `AWS` principals;
/// - numbers and booleans as condition values, with and without quotes.
///
/// `"*"` and `{"AWS": "*"}` as principals stay apart: services differ in what they make of them. What is no policy document is left as it is, and so
/// is text that says something twice.
pub fn canonical(document: &Value) -> Value {
    let document = match document.expose() {
        Value::String(text) => match parsed(text) {
            Some(document) => document,
            None => return Value::String(text.clone()),
        },
        other => other.clone(),
    };
    let fields = match without_scheme(document) {
        Value::Map(fields) => fields,
        other => return other,
    };
    let mut out = mapped(&fields, |name, value| match name {
        "Statement" => set(items(value).iter().map(statement).collect()),
        _ => value.clone(),
    });
    out.get_or_insert_with("Version", || Value::String(VERSION_OF_OLD.into()));
    Value::Map(out)
}

fn statement(value: &Value) -> Value {
    let Value::Map(fields) = value else { return value.clone() };
    Value::Map(mapped(fields, |name, value| match name {
        "Action" | "NotAction" => set(items(value).into_iter().map(|v| map_text(v, str::to_ascii_lowercase)).collect()),
        "Resource" | "NotResource" => set(items(value)),
        "Principal" | "NotPrincipal" => principals(value),
        "Condition" => conditions(value),
        _ => value.clone(),
    }))
}

fn principals(value: &Value) -> Value {
    let Value::Map(kinds) = value else { return value.clone() };
    Value::Map(mapped(kinds, |kind, value| match kind {
        "AWS" => set(items(value).into_iter().map(|v| map_text(v, account)).collect()),
        _ => set(items(value)),
    }))
}

/// An account's root is meant by its id too.
pub(super) fn account(principal: &str) -> String {
    let mut parts = principal.splitn(6, ':');
    let fixed = [parts.next(), parts.nth(1), parts.next(), parts.next(), parts.next()];
    match fixed {
        [Some("arn"), Some("iam"), Some(""), Some(id), Some("root")]
            if id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit()) =>
        {
            id.to_owned()
        }
        _ => principal.to_owned(),
    }
}

fn conditions(value: &Value) -> Value {
    let Value::Map(operators) = value else { return value.clone() };
    Value::Map(mapped(operators, |_, value| {
        let Value::Map(keys) = value else { return value.clone() };
        // Two keys that differ in case only are a mistake that must stay visible.
        let lower: BTreeSet<String> = keys.keys().map(|k| k.to_ascii_lowercase()).collect();
        let distinct = lower.len() == keys.len();
        let keys = keys.iter().map(|(key, value)| {
            let key = if distinct { key.to_ascii_lowercase().into() } else { key.clone() };
            (key, set(items(value).into_iter().map(quoted).collect()))
        });
        Value::Map(keys.collect())
    }))
}

fn quoted(value: Value) -> Value {
    match value {
        Value::Bool(b) => Value::String(b.to_string().into()),
        Value::Int(i) => Value::String(i.to_string().into()),
        Value::Float(x) => Value::String(x.to_string().into()),
        other => other,
    }
}

/// Each field through `f`; what says nothing is left out.
fn mapped(fields: &ValueMap, f: impl Fn(&str, &Value) -> Value) -> ValueMap {
    let fields = fields.iter().filter(|(_, v)| !v.is_empty());
    fields.map(|(name, value)| (name.clone(), f(name, value.expose()))).collect()
}

/// The elements of a list, or the one thing that stands for a list of one.
fn items(value: &Value) -> Vec<Value> {
    match value.expose() {
        Value::List(items) => items.iter().map(|v| v.expose().clone()).collect(),
        one => vec![one.clone()],
    }
}

fn map_text(value: Value, f: impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(f(&text).into()),
        other => other,
    }
}

/// A list whose order and repetitions say nothing.
fn set(items: Vec<Value>) -> Value {
    let key = |v: &Value| v.to_plain_json().map(|json| json.to_string()).unwrap_or_default();
    let mut items: Vec<(String, Value)> = items.into_iter().map(|v| (key(&v), v)).collect();
    items.sort_by(|a, b| a.0.cmp(&b.0));
    items.dedup_by(|a, b| a.0 == b.0);
    Value::List(items.into_iter().map(|(_, v)| v).collect())
}
