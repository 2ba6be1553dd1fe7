//! One value, sealed and opened.
//!
//! The stored text is base64 of: the version 1 (one byte), the key's name (8), a nonce (12), the ciphertext of the value's JSON, GCM's tag (16).
//! Bound to it are the version, the key's name, the URN and the path.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use phx_model::Value;
use zeroize::Zeroizing;

use super::key::{DataKey, ID, NONCE, TAG};

const VERSION: u8 = 1;
/// How deeply a secret may be nested. The JSON reader's own limit is 127.
const MAX_DEPTH: usize = 100;

/// Where a value stands.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    urn: &'a str,
    path: String,
}

impl<'a> Place<'a> {
    pub(super) fn new(urn: &'a str, path: impl Into<String>) -> Self {
        Self { urn, path: path.into() }
    }

    /// One of the stack's own outputs or secrets.
    pub(super) fn named(what: &'a str, name: &str) -> Self {
        Self { urn: what, path: if is_simple(name) { name.to_owned() } else { format!("[{}]", quoted(name)) } }
    }

    /// The same place, in words.
    pub(super) fn shown(&self) -> String {
        match self.urn {
            super::walk::OUTPUTS => format!("the output {}", self.path),
            super::walk::SECRETS => format!("the secret {}", self.path),
            urn => format!("{urn}: {}", self.path),
        }
    }

    /// What is here under a key. Keys that look like something else are quoted, so that no two places are written alike.
    pub(super) fn field(&self, key: &str) -> Self {
        let path = &self.path;
        let path = if is_simple(key) { format!("{path}.{key}") } else { format!("{path}[{}]", quoted(key)) };
        Self { urn: self.urn, path }
    }

    /// What is here at a position.
    pub(super) fn item(&self, at: usize) -> Self {
        let mut path = self.path.clone();
        // Writing to a text cannot fail.
        let _ = write!(path, "[{at}]");
        Self { urn: self.urn, path }
    }

    fn bound_to(&self, key_id: [u8; ID]) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(key_id);
        // A URN has no line feed in it.
        bytes.extend(self.urn.as_bytes());
        bytes.push(b'\n');
        bytes.extend(self.path.as_bytes());
        bytes
    }
}

fn is_simple(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-'))
}

/// As JSON quotes it, which is the same in every version of everything.
fn quoted(key: &str) -> serde_json::Value {
    serde_json::Value::from(key)
}

/// A value that cannot be sealed or opened, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) place: String,
    pub(super) why: String,
}

/// Encrypts every secret in the value where it stands.
pub(super) fn seal(key: &DataKey, place: &Place<'_>, value: &mut Value) -> Result<(), Refused> {
    match value {
        Value::Secret(inner) => {
            // A secret may be inside of another.
            seal(key, place, inner)?;
            let refused = |why: String| Refused { place: place.shown(), why };
            if depth(inner) > MAX_DEPTH {
                return Err(refused(format!("it is nested more than {MAX_DEPTH} deep")));
            }
            // The error of the serializer names kinds only.
            let plain = serde_json::to_vec(&**inner).map(Zeroizing::new).map_err(|e| refused(e.to_string()))?;
            let sealed = key.encrypt(&plain, &place.bound_to(key.id_bytes())).map_err(refused)?;
            let mut bytes = vec![VERSION];
            bytes.extend(key.id_bytes());
            bytes.extend(sealed);
            *value = Value::Sealed(STANDARD.encode(bytes));
            Ok(())
        }
        Value::List(items) => items.iter_mut().enumerate().try_for_each(|(at, v)| seal(key, &place.item(at), v)),
        Value::Map(fields) => fields.iter_mut().try_for_each(|(k, v)| seal(key, &place.field(k), v)),
        _ => Ok(()),
    }
}

/// Decrypts everything in the value where it stands.
pub(super) fn open(key: &DataKey, place: &Place<'_>, value: &mut Value) -> Result<(), Refused> {
    match value {
        Value::Sealed(text) => {
            let mut inner = open_one(key, place, text)?;
            open(key, place, &mut inner)?;
            *value = Value::Secret(Box::new(inner));
            Ok(())
        }
        Value::List(items) => items.iter_mut().enumerate().try_for_each(|(at, v)| open(key, &place.item(at), v)),
        Value::Map(fields) => fields.iter_mut().try_for_each(|(k, v)| open(key, &place.field(k), v)),
        Value::Secret(inner) => open(key, place, inner),
        _ => Ok(()),
    }
}

fn open_one(key: &DataKey, place: &Place<'_>, text: &str) -> Result<Value, Refused> {
    let refused = |why: String| Refused { place: place.shown(), why };
    let bytes = STANDARD.decode(text).map_err(|_| refused("the encrypted text is not base64".into()))?;
    let Some((&[version], rest)) = bytes.split_first_chunk::<1>() else {
        return Err(refused("the encrypted text is empty".into()));
    };
    if version != VERSION {
        return Err(refused(format!("it is encrypted in a way (version {version}) that this phx does not know")));
    }
    let Some((&id, sealed)) = rest.split_first_chunk::<ID>().filter(|(_, s)| s.len() >= NONCE + TAG) else {
        return Err(refused("the encrypted text is cut short".into()));
    };
    if id != key.id_bytes() {
        let (found, known) = (hex::encode(id), key.id());
        return Err(refused(format!("it is encrypted with the key {found}, and the state's is {known}")));
    }
    let plain = key
        .decrypt(sealed, &place.bound_to(id))
        .ok_or_else(|| refused("it is not what was encrypted for this place: changed, or moved here".into()))?;
    // The reader's error could quote what it read.
    serde_json::from_slice(&plain).map_err(|_| refused("what was encrypted is not a value".into()))
}

fn depth(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        // A map with reserved keys is stored two lists deeper.
        Value::Map(fields) => 3 + fields.values().map(depth).max().unwrap_or(0),
        Value::Secret(inner) => depth(inner),
        _ => 0,
    }
}
