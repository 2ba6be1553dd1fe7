//! What is known: a tree of values, with secrets that cannot be shown or written by accident.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::cidr::Ipv4Cidr;
use crate::schema::Kind;

pub use crate::map::ValueMap;

/// Text that is cheap to copy: a few letters have no allocation, and copies of longer ones share it.
pub type Text = smol_str::SmolStr;

/// A value of a field, an output or a part of one.
#[derive(Clone, PartialEq, Default)]
pub enum Value {
    /// Absent: not set.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    String(Text),
    /// An ordered list. Whether order matters is the schema's to say.
    List(Vec<Value>),
    /// Fields by name.
    Map(ValueMap),
    /// Will be decided by the cloud while `up` runs. Neither null nor absent; never stored.
    Unknown,
    /// A value that must never be seen. Neither `Debug`, `Display` nor `Serialize` shows or writes it.
    Secret(Box<Value>),
    /// A secret that is encrypted: base64 text that only a store with the key can read. It has a stored form and no value: it equals no
    /// [`Secret`](Self::Secret), and nothing can be worked out from it or sent to a cloud.
    Sealed(String),
}

/// What stands where a secret would.
pub const REDACTED: &str = "(secret)";

/// Why an encrypted value cannot be used.
pub(crate) const ENCRYPTED: &str = "this secret is encrypted, and no key was given\n  hint: give the passphrase in PHX_PASSPHRASE, or credentials that may use the stack's KMS key";

/// What stands where a value is not known yet.
pub const UNKNOWN: &str = "(known after up)";

impl Value {
    /// Marks the value as secret. Marking twice changes nothing.
    pub fn secret(self) -> Self {
        match self {
            Self::Secret(_) | Self::Sealed(_) => self,
            other => Self::Secret(Box::new(other)),
        }
    }

    /// The same structure with every value in it that is neither a list nor a map marked as secret.
    fn secret_within(&self) -> Self {
        match self.expose() {
            Self::List(items) => Self::List(items.iter().map(Self::secret_within).collect()),
            Self::Map(fields) => {
                Self::Map(fields.iter().map(|(name, value)| (name.clone(), value.secret_within())).collect())
            }
            value => value.clone().secret(),
        }
    }

    /// The value with no secret mark around it. The caller takes over keeping it from view. What is encrypted stays so.
    pub fn expose(&self) -> &Self {
        match self {
            Self::Secret(inner) => inner.expose(),
            other => other,
        }
    }

    /// Whether anything in it is unknown.
    pub fn has_unknown(&self) -> bool {
        self.any(&|v| matches!(v, Self::Unknown))
    }

    /// Whether anything in it is secret, encrypted or not.
    pub fn has_secret(&self) -> bool {
        self.any(&|v| matches!(v, Self::Secret(_) | Self::Sealed(_)))
    }

    /// Whether anything in it is a secret in plaintext, which cannot be stored.
    pub fn has_plain_secret(&self) -> bool {
        self.any(&|v| matches!(v, Self::Secret(_)))
    }

    /// Whether anything in it is encrypted, so that it is not known here.
    pub fn has_sealed(&self) -> bool {
        self.any(&|v| matches!(v, Self::Sealed(_)))
    }

    fn any(&self, test: &impl Fn(&Self) -> bool) -> bool {
        test(self)
            || match self {
                Self::List(items) => items.iter().any(|v| v.any(test)),
                Self::Map(fields) => fields.values().any(|v| v.any(test)),
                Self::Secret(inner) => inner.any(test),
                _ => false,
            }
    }

    /// Whether it says nothing: null, or a list or map with nothing in it. The cloud does not tell these apart.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::List(items) => items.is_empty(),
            Self::Map(fields) => fields.is_empty(),
            Self::Secret(inner) => inner.is_empty(),
            _ => false,
        }
    }

    /// The text, if it is one (secret or not).
    pub fn as_str(&self) -> Option<&str> {
        match self.expose() {
            Self::String(s) => Some(s),
            _ => None,
        }
    }

    /// What kind of thing it is, for error messages.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::String(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Unknown => "a value that is not known yet",
            Self::Secret(_) | Self::Sealed(_) => "a secret",
        }
    }

    /// The value as plain JSON for people and machines to read: secrets and unknowns are replaced by a word for them.
    pub fn to_redacted_json(&self) -> serde_json::Value {
        use serde_json::Value as J;
        match self {
            Self::Null => J::Null,
            Self::Bool(b) => J::Bool(*b),
            Self::Int(i) => J::from(*i),
            Self::Float(f) => J::from(*f),
            Self::String(s) => J::from(s.as_str()),
            Self::List(items) => items.iter().map(Self::to_redacted_json).collect(),
            Self::Map(fields) => J::Object(fields.iter().map(|(k, v)| (k.to_string(), v.to_redacted_json())).collect()),
            Self::Unknown => J::from(UNKNOWN),
            Self::Secret(_) | Self::Sealed(_) => J::from(REDACTED),
        }
    }

    /// The plaintext as JSON, for sending to a cloud. `None` while something in it is unknown or encrypted.
    pub fn to_plain_json(&self) -> Option<serde_json::Value> {
        use serde_json::Value as J;
        Some(match self {
            Self::Null => J::Null,
            Self::Bool(b) => J::Bool(*b),
            Self::Int(i) => J::from(*i),
            Self::Float(f) => J::from(*f),
            Self::String(s) => J::from(s.as_str()),
            Self::List(items) => items.iter().map(Self::to_plain_json).collect::<Option<_>>()?,
            Self::Map(fields) => {
                J::Object(fields.iter().map(|(k, v)| Some((k.to_string(), v.to_plain_json()?))).collect::<Option<_>>()?)
            }
            Self::Unknown | Self::Sealed(_) => return None,
            Self::Secret(inner) => inner.to_plain_json()?,
        })
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        use serde_json::Value as J;
        match json {
            J::Null => Self::Null,
            J::Bool(b) => Self::Bool(b),
            J::Number(n) => n.as_i64().map_or_else(|| Self::Float(n.as_f64().unwrap_or(f64::NAN)), Self::Int),
            J::String(s) => Self::String(s.into()),
            J::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            J::Object(fields) => Self::Map(fields.into_iter().map(|(k, v)| (k, v.into())).collect()),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(b) => b.fmt(f),
            Self::Int(i) => i.fmt(f),
            Self::Float(x) => x.fmt(f),
            Self::String(s) => s.fmt(f),
            Self::List(items) => items.fmt(f),
            Self::Map(fields) => fields.fmt(f),
            Self::Unknown => f.write_str(UNKNOWN),
            Self::Secret(_) | Self::Sealed(_) => f.write_str(REDACTED),
        }
    }
}

/// A map whose keys start so is phx's own: what a plain JSON document cannot say.
const RESERVED: &str = "$phx:";
const RESERVED_MAP: &str = "$phx:map";
const RESERVED_SEALED: &str = "$phx:sealed";

/// Values are stored as the JSON they look like. A secret has no stored form: it must be sealed (encrypted) first, and trying to write
/// one fails, so that no mistake elsewhere can put a plaintext on a disk.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => s.serialize_unit(),
            Self::Bool(b) => s.serialize_bool(*b),
            Self::Int(i) => s.serialize_i64(*i),
            Self::Float(x) if x.is_finite() => s.serialize_f64(*x),
            Self::Float(_) => Err(serde::ser::Error::custom("a number that is not finite cannot be stored")),
            Self::String(text) => s.serialize_str(text),
            Self::List(items) => {
                let mut seq = s.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Self::Map(fields) if fields.keys().any(|k| k.starts_with(RESERVED)) => {
                // A program's own key that looks like phx's: kept as a list of pairs, which nothing else looks like.
                let pairs: Vec<(&Text, &Self)> = fields.iter().collect();
                let mut map = s.serialize_map(Some(1))?;
                map.serialize_entry(RESERVED_MAP, &pairs)?;
                map.end()
            }
            Self::Map(fields) => fields.serialize(s),
            Self::Unknown => Err(serde::ser::Error::custom("a value that is not known yet cannot be stored")),
            Self::Secret(_) => Err(serde::ser::Error::custom(
                "a secret cannot be stored as plaintext; no key to encrypt it with was given",
            )),
            Self::Sealed(text) => {
                let mut map = s.serialize_map(Some(1))?;
                map.serialize_entry(RESERVED_SEALED, text)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_none<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
                Value::deserialize(d)
            }
            fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
                Ok(Value::Bool(b))
            }
            fn visit_i64<E>(self, i: i64) -> Result<Value, E> {
                Ok(Value::Int(i))
            }
            fn visit_u64<E: de::Error>(self, u: u64) -> Result<Value, E> {
                i64::try_from(u).map(Value::Int).map_err(|_| E::custom(format!("the number {u} is too large")))
            }
            fn visit_f64<E>(self, x: f64) -> Result<Value, E> {
                Ok(Value::Float(x))
            }
            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                Ok(Value::String(text.into()))
            }
            fn visit_string<E>(self, text: String) -> Result<Value, E> {
                Ok(Value::String(text.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                items.shrink_to_fit();
                Ok(Value::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                // Sorted once at the end: names may come in any order.
                let mut fields: Vec<(Text, Value)> = Vec::new();
                while let Some(key) = map.next_key::<Text>()? {
                    if key == RESERVED_MAP {
                        let pairs: Vec<(Text, Value)> = map.next_value()?;
                        fields.extend(pairs);
                        continue;
                    }
                    if key == RESERVED_SEALED {
                        let text: String = map.next_value()?;
                        if !fields.is_empty() || map.next_key::<de::IgnoredAny>()?.is_some() {
                            return Err(de::Error::custom("an encrypted value stands among other fields"));
                        }
                        return Ok(Value::Sealed(text));
                    }
                    if key.starts_with(RESERVED) {
                        return Err(de::Error::custom(format!(
                            "{key:?} is not a form of value that this version knows"
                        )));
                    }
                    fields.push((key, map.next_value()?));
                }
                fields.shrink_to_fit();
                Ok(Value::Map(fields.into_iter().collect()))
            }
        }
        d.deserialize_any(V)
    }
}

/// A value that does not have the form that a field asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct ValueError {
    /// Where in the resource's fields: `ingress[0].port`.
    pub path: String,
    /// What was expected and what was found, without the value if it is secret.
    pub why: String,
}

impl ValueError {
    /// Expected one kind of value and found another. Names kinds only, so it never shows a secret.
    pub fn expected(what: &str, found: &Value) -> Self {
        if let Value::Sealed(_) = found.expose() {
            return Self { path: String::new(), why: ENCRYPTED.to_owned() };
        }
        Self { path: String::new(), why: format!("expected {what}, found {}", found.kind_name()) }
    }

    /// The same error, seen from the value that holds this one under `field`.
    #[must_use]
    pub fn at(mut self, field: &str) -> Self {
        self.path = match self.path.chars().next() {
            None => field.to_owned(),
            Some('[') => format!("{field}{}", self.path),
            Some(_) => format!("{field}.{}", self.path),
        };
        self
    }
}

/// A Rust type that a field, an output or a block's part can have.
///
/// Blocks ([`derive(Block)`](crate::Block)) have a second form, [`Resolved`](Val::Resolved), in which every input is known; for
/// all other types that form is the type itself.
pub trait Val: Sized {
    /// The form in which everything is known.
    type Resolved: Clone + fmt::Debug + PartialEq + Send + Sync;

    /// What the schema says of it.
    const KIND: Kind;

    /// Writes it down as an expression (a literal, or for a block an expression of its inputs).
    fn into_expr(self) -> crate::Expr;

    /// Reads the known form back from a value.
    fn from_value(value: &Value) -> Result<Self::Resolved, ValueError>;

    /// Writes the known form as a value.
    fn to_value(resolved: &Self::Resolved) -> Value;
}

/// Implements [`Val`] for types that are their own known form.
macro_rules! plain_val {
    ($type:ty, $kind:expr, $what:literal, |$value:ident| $read:expr, |$this:ident| $write:expr) => {
        impl Val for $type {
            type Resolved = $type;
            const KIND: Kind = $kind;

            fn into_expr(self) -> crate::Expr {
                crate::Expr::Literal(<$type as Val>::to_value(&self))
            }
            fn from_value(value: &Value) -> Result<$type, ValueError> {
                let $value = value.expose();
                $read.ok_or_else(|| ValueError::expected($what, value))
            }
            fn to_value($this: &$type) -> Value {
                $write
            }
        }
    };
}

plain_val!(
    bool,
    Kind::Bool,
    "a boolean",
    |v| match v {
        Value::Bool(b) => Some(*b),
        _ => None,
    },
    |b| Value::Bool(*b)
);
plain_val!(
    i64,
    Kind::Int,
    "a whole number",
    |v| match v {
        Value::Int(i) => Some(*i),
        _ => None,
    },
    |i| Value::Int(*i)
);
plain_val!(
    i32,
    Kind::Int,
    "a whole number of 32 bits",
    |v| match v {
        Value::Int(i) => i32::try_from(*i).ok(),
        _ => None,
    },
    |i| Value::Int(i64::from(*i))
);
plain_val!(
    f64,
    Kind::Float,
    "a number",
    |v| match v {
        Value::Float(x) => Some(*x),
        #[allow(clippy::cast_precision_loss)] // what a field of this type can hold
        Value::Int(i) => Some(*i as f64),
        _ => None,
    },
    |x| Value::Float(*x)
);
plain_val!(
    String,
    Kind::String,
    "text",
    |v| match v {
        Value::String(s) => Some(s.to_string()),
        _ => None,
    },
    |s| Value::String(s.into())
);
plain_val!(
    Ipv4Cidr,
    Kind::Ipv4Cidr,
    "an IPv4 range such as 10.0.0.0/16",
    |v| match v {
        Value::String(s) => s.parse().ok(),
        _ => None,
    },
    |c| Value::String(c.to_string().into())
);

/// A JSON document, compared by what it means and not by how it is written.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Json(pub Value);

impl Val for Json {
    type Resolved = Self;
    const KIND: Kind = Kind::Json;

    fn into_expr(self) -> crate::Expr {
        crate::Expr::Literal(self.0)
    }
    fn from_value(value: &Value) -> Result<Self, ValueError> {
        // A document is sent as a whole, so nothing in it may be encrypted.
        if value.has_sealed() {
            return Err(ValueError::expected("a JSON document", value));
        }
        Ok(Self(if let Value::Secret(inner) = value { inner.secret_within() } else { value.clone() }))
    }
    fn to_value(resolved: &Self) -> Value {
        resolved.0.clone()
    }
}

impl Json {
    /// Parses a document.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<serde_json::Value>(text).map(|v| Self(v.into()))
    }

    /// The document as compact JSON text for an API. Unknown parts, which a resolved document does not have, are null.
    pub fn to_text(&self) -> String {
        self.0.to_plain_json().unwrap_or(serde_json::Value::Null).to_string()
    }
}

impl<T: Val> Val for Vec<T> {
    type Resolved = Vec<T::Resolved>;
    const KIND: Kind = Kind::List(&T::KIND);

    fn into_expr(self) -> crate::Expr {
        crate::Expr::List(self.into_iter().map(T::into_expr).collect())
    }
    fn from_value(value: &Value) -> Result<Self::Resolved, ValueError> {
        match value.expose() {
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(i, item)| T::from_value(item).map_err(|e| e.at(&format!("[{i}]"))))
                .collect(),
            _ => Err(ValueError::expected("a list", value)),
        }
    }
    fn to_value(resolved: &Self::Resolved) -> Value {
        Value::List(resolved.iter().map(T::to_value).collect())
    }
}

impl<T: Val> Val for BTreeMap<String, T> {
    type Resolved = BTreeMap<String, T::Resolved>;
    const KIND: Kind = Kind::Map(&T::KIND);

    fn into_expr(self) -> crate::Expr {
        crate::Expr::Map(self.into_iter().map(|(k, v)| (k, v.into_expr())).collect())
    }
    fn from_value(value: &Value) -> Result<Self::Resolved, ValueError> {
        match value.expose() {
            Value::Map(fields) => {
                fields.iter().map(|(k, v)| Ok((k.to_string(), T::from_value(v).map_err(|e| e.at(k))?))).collect()
            }
            _ => Err(ValueError::expected("a map", value)),
        }
    }
    fn to_value(resolved: &Self::Resolved) -> Value {
        Value::Map(resolved.iter().map(|(k, v)| (k, T::to_value(v))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_neither_shown_nor_written() {
        let value = Value::List(vec![Value::String("hunter2".into()).secret()]);
        assert!(!format!("{value:?}").contains("hunter2"));
        assert!(!value.to_redacted_json().to_string().contains("hunter2"));
        assert!(serde_json::to_string(&value).unwrap_err().to_string().contains("plaintext"));
        let error = bool::from_value(&Value::String("hunter2".into()).secret()).unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn what_is_encrypted_is_stored_and_neither_shown_nor_used() {
        let text = r#"[{"$phx:sealed":"AQID"}]"#;
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(value, Value::List(vec![Value::Sealed("AQID".into())]));
        assert_eq!(serde_json::to_string(&value).unwrap(), text);
        assert!(!format!("{value:?}{}", value.to_redacted_json()).contains("AQID"));
        assert!(value.has_secret() && value.has_sealed() && !value.has_plain_secret());
        assert_eq!(value.to_plain_json(), None);
        assert_ne!(Value::Sealed("AQID".into()), Value::String("AQID".into()).secret());
        let sealed = Value::Sealed("AQID".into());
        assert!(String::from_value(&sealed).unwrap_err().to_string().contains("encrypted"));
        assert!(Json::from_value(&value).is_err());
        for wrong in [r#"{"$phx:sealed":1}"#, r#"{"$phx:sealed":"x","a":1}"#, r#"{"a":1,"$phx:sealed":"x"}"#] {
            assert!(serde_json::from_str::<Value>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_document_that_is_secret_is_so_in_all_its_parts() {
        let document = Json::parse(r#"{"a":["hunter2"],"b":{"c":1}}"#).unwrap();
        let read = Json::from_value(&document.0.clone().secret()).unwrap();
        let Value::Map(parts) = &read.0 else { panic!("{read:?}") };
        assert_eq!(parts["a"], Value::List(vec![Value::String("hunter2".into()).secret()]));
        assert_eq!(read.to_text(), document.to_text());
        assert!(!format!("{read:?}").contains("hunter2"));
    }

    #[test]
    fn values_are_stored_as_the_json_they_look_like() {
        let text = r#"{"a":[1,2.5,"x",null,true],"b":{"c":{}}}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&value).unwrap(), text);
    }

    #[test]
    fn a_key_that_looks_like_phxs_own_survives() {
        let value = Value::Map([("$phx:secret", Value::Int(1))].into());
        let text = serde_json::to_string(&value).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert!(serde_json::from_str::<Value>(r#"{"$phx:other":1}"#).is_err());
    }
}
