//! What the derive macros' output calls, so that it stays small: a provider crate has hundreds of types. Not for people.

use std::fmt;

use crate::expr::Expr;
use crate::schema::Schema;
use crate::typed::FieldChange;
use crate::value::{REDACTED, Val, Value, ValueError, ValueMap};

pub use crate::driver::Delta;
pub use serde::{Deserialize, Deserializer, Serialize, Serializer};
pub use std::clone::Clone;
pub use std::collections::BTreeMap;
pub use std::convert::Into;
pub use std::default::Default;
pub use std::fmt::{Debug, Formatter, Result as FmtResult};
pub use std::option::Option::{self, None, Some};
pub use std::result::Result::{self, Ok};
pub use std::string::String;

/// Fields as expressions.
pub type ExprMap = BTreeMap<String, Expr>;
/// Fields' changes.
pub type Deltas = BTreeMap<String, Delta>;
/// Tags once they are known.
pub type TagMap = BTreeMap<String, String>;

/// Reads a field that must be there.
pub fn required<T: Val>(fields: &ValueMap, name: &str) -> Result<T::Resolved, ValueError> {
    T::from_value(fields.get(name).unwrap_or(&Value::Null)).map_err(|e| e.at(name))
}

/// Reads a field that may be absent.
pub fn optional<T: Val>(fields: &ValueMap, name: &str) -> Result<Option<T::Resolved>, ValueError> {
    match fields.get(name).map(Value::expose) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => T::from_value(value).map(Some).map_err(|e| e.at(name)),
    }
}

/// Reads tags; absent, there are none.
pub fn tags(fields: &ValueMap, name: &str) -> Result<TagMap, ValueError> {
    Ok(optional::<TagMap>(fields, name)?.unwrap_or_default())
}

/// Reads one field's change, if it changes.
pub fn changed<T: Val>(deltas: &Deltas, name: &str) -> Result<Option<FieldChange<T::Resolved>>, ValueError> {
    deltas.get(name).map(|delta| FieldChange::read::<T>(name, delta)).transpose()
}

/// Refuses a wish for a field that the type does not have: it would be dropped without a word. Taking such a field away is
/// no mistake, since an earlier version of the type may have had it.
pub fn only_known(schema: &Schema, deltas: &Deltas) -> Result<(), ValueError> {
    match deltas.iter().find(|(name, delta)| schema.field(name).is_none() && !delta.after.is_empty()) {
        Some((name, _)) => {
            Err(ValueError { path: name.clone(), why: format!("{} has no such field", schema.type_name) })
        }
        None => Ok(()),
    }
}

/// Writes a known field, if it is set.
pub fn write<T: Val>(map: &mut ValueMap, name: &str, known: Option<&T::Resolved>, secret: bool) {
    if let Some(known) = known {
        let value = T::to_value(known);
        map.insert(name.to_owned(), if secret { value.secret() } else { value });
    }
}

/// The fields of a block.
pub fn block<'a>(value: &'a Value, expected: &str) -> Result<&'a ValueMap, ValueError> {
    match value.expose() {
        Value::Map(fields) => Ok(fields),
        _ => Err(ValueError::expected(expected, value)),
    }
}

/// Stands where a secret would in `Debug` output.
#[derive(Clone, Copy)]
pub struct Redacted;

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Tells whether a secret is there, and no more.
pub fn redacted<T>(value: &Option<T>) -> Option<Redacted> {
    value.as_ref().map(|_| Redacted)
}
