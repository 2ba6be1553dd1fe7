//! Forms in which values are compared and told, common to services.

use phx_model::Value;
use phx_model::schema::{Field, satisfied};
use phx_model::typed::FieldChange;
use phx_model::value::{Json, Val};

use crate::arn::Arn;
use crate::documents::{self, Untold};

/// For a flag that is off unless it is set: off and unset are one. AWS may leave out what is off, or say it.
pub fn off_is_unset(value: &Value) -> Value {
    match value.expose() {
        Value::Bool(false) => Value::Null,
        other => other.clone(),
    }
}

/// For a number with which AWS says that there is no limit: it and unset are one.
pub fn minus_one_is_unset(value: &Value) -> Value {
    match value.expose() {
        Value::Int(-1) => Value::Null,
        other => other.clone(),
    }
}

/// For a text that AWS does not keep when it is empty: it and unset are one.
pub fn empty_is_unset(value: &Value) -> Value {
    match value.as_str() {
        Some("") => Value::Null,
        _ => value.expose().clone(),
    }
}

/// A KMS key as the program named it, where it named an alias or the bare id: AWS tells the ARN of the key that the alias stood for when it was
/// set.
pub fn key_as_set(set: Option<&Value>, told: Option<&str>) -> Option<Arn> {
    let told = told.filter(|told| !told.is_empty())?;
    let stands_for = |set: &&str| {
        set.starts_with("alias/")
            || set.contains(":alias/")
            || told.rsplit_once(":key/").is_some_and(|(_, id)| id == *set)
    };
    Some(Arn::new(set.and_then(Value::as_str).filter(stands_for).unwrap_or(told)))
}

/// For a document that AWS keeps as text: text and structure are one.
pub fn document(text: Option<&str>) -> Option<Json> {
    let text = text.filter(|t| !t.trim().is_empty())?;
    Some(Json::parse(text).unwrap_or_else(|_| Json(Value::String(text.into()))))
}

/// The text that a document is sent as. One that the program gives as text is sent as it is.
pub fn text(document: &Json) -> String {
    match document.0.expose() {
        Value::String(text) => text.to_string(),
        _ => document.to_text(),
    }
}

/// What of a document is the program's, where AWS fills in what was not set. `set` is the field as the program set it, if it did.
pub fn own(set: Option<&Value>, there: Option<Json>) -> Option<Json> {
    let set = match set.map(Value::expose) {
        None | Some(Value::Null) => return there,
        Some(Value::String(text)) => document(Some(text)).map_or(Value::Null, |document| document.0),
        Some(set) => set.clone(),
    };
    there.map(|there| Json(documents::of(&set, &there.0, Untold::Gone)))
}

/// A flag as those services write it whose attributes are text.
pub fn flag(text: Option<&str>) -> Option<bool> {
    text.and_then(|t| t.to_ascii_lowercase().parse().ok())
}

/// A number as those services write it whose attributes are text.
pub fn number(text: Option<&str>) -> Option<i32> {
    text.and_then(|t| t.trim().parse().ok())
}

/// What a field shall be, if it changes and is not taken away.
pub fn set<T>(change: Option<&FieldChange<T>>) -> Option<&T> {
    change.and_then(|change| change.after.as_ref())
}

/// Brings a list without an order into the order in which the program wrote it, as far as it is what the program wished: so each part that
/// AWS fills in stands beside the right one. What else there is follows.
pub fn in_order_of<T: Val>(wanted: Option<&Value>, there: Vec<T::Resolved>) -> Vec<T::Resolved> {
    let Some(Value::List(wanted)) = wanted.map(Value::expose) else { return there };
    let one = Field {
        name: "item",
        kind: T::KIND,
        rust: "",
        doc: "",
        required: false,
        replace: false,
        secret: false,
        write_only: false,
        cloud_default: false,
        set: false,
        normalize: None,
    };
    let mut left: Vec<(Value, T::Resolved)> = there.into_iter().map(|t| (T::to_value(&t), t)).collect();
    let mut ordered = Vec::with_capacity(left.len());
    for wanted in wanted {
        if let Some(at) = left.iter().position(|(value, _)| satisfied(&one, wanted, value)) {
            ordered.push(left.remove(at).1);
        }
    }
    ordered.extend(left.into_iter().map(|(_, t)| t));
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_and_unset_are_one() {
        assert_eq!(off_is_unset(&Value::Bool(false)), Value::Null);
        assert_eq!(off_is_unset(&Value::Bool(true).secret()), Value::Bool(true));
        assert_eq!(minus_one_is_unset(&Value::Int(-1)), Value::Null);
        assert_eq!(minus_one_is_unset(&Value::Int(5)), Value::Int(5));
    }

    #[test]
    fn an_empty_text_and_unset_are_one() {
        assert_eq!(empty_is_unset(&Value::String("".into())), Value::Null);
        assert_eq!(empty_is_unset(&Value::String("a".into()).secret()), Value::String("a".into()));
        assert_eq!(empty_is_unset(&Value::Null), Value::Null);
    }

    #[test]
    fn a_key_is_told_as_it_was_named() {
        let key = "arn:aws:kms:r:1:key/k";
        let told = |set: &str| key_as_set(Some(&Value::String(set.into())), Some(key));
        for named in ["alias/app", "arn:aws:kms:r:1:alias/app", "k"] {
            assert_eq!(told(named), Some(Arn::new(named)));
        }
        assert_eq!(told("arn:aws:kms:r:1:key/other"), Some(Arn::new(key)));
        assert_eq!(key_as_set(None, Some(key)), Some(Arn::new(key)));
        // To a key that is gone nobody may be blind.
        assert_eq!(key_as_set(Some(&Value::String("alias/app".into())), None), None);
    }

    #[test]
    fn attributes_are_text() {
        assert_eq!(flag(Some("True")), Some(true));
        assert_eq!(flag(Some("")), None);
        assert_eq!(number(Some("30")), Some(30));
        assert_eq!(document(Some(" ")), None);
        assert_eq!(document(Some(r#"{"a":1}"#)).map(|d| text(&d)).as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(text(&Json(Value::String("{ }".into()))), "{ }");
    }

    #[test]
    fn what_aws_fills_in_is_not_the_programs() {
        let json = |text: &str| Json::parse(text).unwrap();
        let there = || Some(json(r#"{"http":{"retries":{"n":3,"max":20},"throttle":null}}"#));
        let set = r#"{"http":{"retries":{"n":3}}}"#;
        for written in [json(set).0, Value::String(set.into())] {
            assert_eq!(own(Some(&written), there()), Some(json(set)));
        }
        assert_eq!(own(None, there()), there());
        assert_eq!(own(Some(&json(set).0), None), None);
        let other = json(r#"{"http":{"retries":{"n":5}}}"#);
        assert_eq!(own(Some(&other.0), there()), Some(json(set)));
    }

    #[test]
    fn a_list_is_told_in_the_programs_order() {
        let wanted = Value::List(["b", "c", "a"].map(|s| Value::String(s.into())).into());
        let there = ["x", "a", "b"].map(str::to_owned).to_vec();
        assert_eq!(in_order_of::<String>(Some(&wanted), there.clone()), ["b", "a", "x"]);
        assert_eq!(in_order_of::<String>(None, there.clone()), there);
    }
}
