//! Items in DynamoDB's own JSON, `{"id": {"S": "a"}, "count": {"N": "3"}}`: to and from the SDK's structures, and when two mean the same.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_types::base64;
use phx_model::value::Json;
use phx_model::{CloudError, Value, ValueMap};

use super::invalid;

/// An item, or a part of one.
pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) fn to_item(document: &Json) -> Result<Item, CloudError> {
    match parsed(&document.0) {
        Value::Map(attributes) => {
            attributes.iter().map(|(name, v)| Ok((name.to_string(), to_value(name, v)?))).collect()
        }
        _ => Err(invalid(r#"an item is written as {"id": {"S": "a"}}"#)),
    }
}

pub(super) fn from_item<'a>(item: impl IntoIterator<Item = (&'a String, &'a AttributeValue)>) -> Json {
    Json(Value::Map(item.into_iter().map(|(name, value)| (name.clone(), from_value(value))).collect()))
}

/// The form in which two items are compared: sets have no order, and numbers no more digits than they need.
pub(super) fn canonical(document: &Value) -> Value {
    match to_item(&Json(document.clone())) {
        Ok(item) if item.is_empty() => Value::Null,
        Ok(item) => from_item(item.iter().collect::<BTreeMap<_, _>>()).0,
        Err(_) => document.expose().clone(),
    }
}

fn parsed(document: &Value) -> Value {
    match document.expose() {
        Value::String(text) => {
            serde_json::from_str::<serde_json::Value>(text).map_or_else(|_| document.expose().clone(), Value::from)
        }
        other => other.clone(),
    }
}

fn to_value(name: &str, value: &Value) -> Result<AttributeValue, CloudError> {
    let wrong = |what: &str| invalid(format!("{name}: {what}"));
    let Value::Map(parts) = value.expose() else {
        return Err(wrong(r#"an attribute is written as {"S": "text"} or {"N": "1"}"#));
    };
    let mut entries = parts.iter();
    let (Some((kind, value)), None) = (entries.next(), entries.next()) else {
        return Err(wrong("an attribute has one type"));
    };
    let value = value.expose();
    let text = |value: &Value| match value.expose() {
        Value::String(text) => Ok(text.to_string()),
        Value::Int(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        _ => Err(wrong("text was expected")),
    };
    let bytes = |value: &Value| {
        text(value)
            .and_then(|coded| base64::decode(coded).map(Blob::new).map_err(|e| wrong(&format!("not base64: {e}"))))
    };
    let list = || match value {
        Value::List(items) => Ok(items.iter()),
        _ => Err(wrong("a list was expected")),
    };
    Ok(match (kind.as_str(), value) {
        ("S", value) => AttributeValue::S(text(value)?),
        ("N", value) => AttributeValue::N(text(value)?),
        ("B", value) => AttributeValue::B(bytes(value)?),
        ("BOOL", Value::Bool(on)) => AttributeValue::Bool(*on),
        ("NULL", Value::Bool(_)) => AttributeValue::Null(true),
        ("SS", _) => AttributeValue::Ss(list()?.map(text).collect::<Result<_, _>>()?),
        ("NS", _) => AttributeValue::Ns(list()?.map(text).collect::<Result<_, _>>()?),
        ("BS", _) => AttributeValue::Bs(list()?.map(bytes).collect::<Result<_, _>>()?),
        ("L", _) => AttributeValue::L(list()?.map(|v| to_value(name, v)).collect::<Result<_, _>>()?),
        ("M", Value::Map(parts)) => AttributeValue::M(
            parts.iter().map(|(n, v)| Ok((n.to_string(), to_value(n, v)?))).collect::<Result<_, CloudError>>()?,
        ),
        (other, _) => return Err(wrong(&format!("{other:?} is no type of DynamoDB's, or not of this value"))),
    })
}

fn from_value(value: &AttributeValue) -> Value {
    let text = |text: &str| Value::String(text.into());
    let list = |mut items: Vec<String>| {
        items.sort_unstable();
        Value::List(items.into_iter().map(|item| Value::String(item.into())).collect())
    };
    let (kind, value) = match value {
        AttributeValue::S(s) => ("S", text(s)),
        AttributeValue::N(n) => ("N", text(&number(n))),
        AttributeValue::B(b) => ("B", Value::String(base64::encode(b.as_ref()).into())),
        AttributeValue::Bool(b) => ("BOOL", Value::Bool(*b)),
        AttributeValue::Null(_) => ("NULL", Value::Bool(true)),
        AttributeValue::Ss(s) => ("SS", list(s.clone())),
        AttributeValue::Ns(n) => ("NS", list(n.iter().map(|n| number(n)).collect())),
        AttributeValue::Bs(b) => ("BS", list(b.iter().map(|b| base64::encode(b.as_ref())).collect())),
        AttributeValue::L(l) => ("L", Value::List(l.iter().map(from_value).collect())),
        AttributeValue::M(m) => ("M", Value::Map(m.iter().map(|(n, v)| (n.clone(), from_value(v))).collect())),
        _ => ("", Value::Null),
    };
    Value::Map(ValueMap::from([(kind.to_owned(), value)]))
}

/// A number without zeros that say nothing.
fn number(text: &str) -> String {
    let text = text.trim().trim_start_matches('+');
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        // With an exponent: as it is.
        return text.to_owned();
    }
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    match (whole, part) {
        ("0", "") => "0".to_owned(),
        (whole, "") => format!("{sign}{whole}"),
        (whole, part) => format!("{sign}{whole}.{part}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text).unwrap()
    }

    #[test]
    fn items_come_back_as_they_were_sent() {
        let text = r#"{"a":{"S":"x"},"b":{"N":"1.5"},"c":{"B":"AQI="},"d":{"BOOL":false},"e":{"NULL":true},
            "f":{"SS":["a","b"]},"g":{"NS":["1","2"]},"h":{"BS":["AQI="]},"i":{"L":[{"S":"y"}]},"j":{"M":{"k":{"N":"0"}}}}"#;
        let item = to_item(&json(text)).unwrap();
        assert_eq!(from_item(&item), json(text));
        assert_eq!(canonical(&Value::String(text.into())), json(text).0);
    }

    #[test]
    fn equal_items_are_equal() {
        let same = |a: &str, b: &str| canonical(&json(a).0) == canonical(&json(b).0);
        assert!(same(r#"{"a":{"N":"1.50"}}"#, r#"{"a":{"N":"01.5"}}"#));
        assert!(same(r#"{"a":{"N":3}}"#, r#"{"a":{"N":"3.0"}}"#));
        assert!(same(r#"{"a":{"SS":["x","y"]}}"#, r#"{"a":{"SS":["y","x"]}}"#));
        assert!(!same(r#"{"a":{"L":[{"S":"x"},{"S":"y"}]}}"#, r#"{"a":{"L":[{"S":"y"},{"S":"x"}]}}"#));
        assert_eq!(number("-0.0"), "0");
        assert_eq!(number("1E5"), "1E5");
        assert_eq!(canonical(&json("{}").0), Value::Null);
    }

    #[test]
    fn what_is_no_item_is_told() {
        for bad in [r#"{"a":"x"}"#, r#"{"a":{"S":"x","N":"1"}}"#, r#"{"a":{"X":"1"}}"#, r#"{"a":{"B":"?"}}"#, "[]"] {
            assert!(to_item(&json(bad)).is_err(), "{bad}");
        }
    }
}
