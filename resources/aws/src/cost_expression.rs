//! The expressions by which Budgets and Cost Explorer choose costs, in JSON as AWS documents them.
//!
//! ```json
//! {"And": [{"Dimensions": {"Key": "SERVICE", "Values": ["Amazon Elastic Compute Cloud - Compute"]}},
//!          {"Not": {"Tags": {"Key": "team", "Values": ["platform"]}}}]}
//! ```
//!
//! <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_Expression.html>

use phx_model::error::ErrorKind;
use phx_model::value::Json;
use phx_model::{CloudError, Value};
use serde::{Deserialize, Serialize};

/// Where the tagging API knows the objects of services that are one for all regions of an account.
#[cfg(any(feature = "budgets", feature = "ce"))]
pub(crate) async fn home(
    aws: &crate::client::Aws,
    cx: &phx_model::driver::Cx,
) -> Result<phx_model::driver::Cx, CloudError> {
    let region = crate::arn::global_region(&aws.region(&cx.provider).await?);
    Ok(phx_model::driver::Cx { provider: cx.provider.in_region(region), ..cx.clone() })
}

/// One expression. Of its parts AWS takes one at a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Expression {
    /// One of these holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub or: Option<Vec<Self>>,
    /// All of these hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub and: Option<Vec<Self>>,
    /// This does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not: Option<Box<Self>>,
    /// A dimension has one of these values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<Values>,
    /// A tag has one of these values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Values>,
    /// A cost category has one of these values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_categories: Option<Values>,
    /// A product's attribute has one of these values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_attributes: Option<Values>,
}

/// A key and the values that it may have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Values {
    /// The dimension, the tag's key or the cost category.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// How values are compared: `EQUALS`, `ABSENT`, `STARTS_WITH`, …
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_options: Vec<String>,
}

impl Expression {
    /// Reads a document. `what` names the field, for the message.
    pub fn read(what: &str, json: &Json) -> Result<Self, CloudError> {
        let value = json.0.to_plain_json().unwrap_or_default();
        let read = match &value {
            serde_json::Value::String(text) => serde_json::from_str(text),
            _ => serde_json::from_value(value),
        };
        read.map_err(|e| {
            CloudError::local(ErrorKind::Invalid, format!("{what} is no expression of costs: {e}"))
                .hint("its parts are And, Or, Not, Dimensions, Tags, CostCategories and ProductAttributes; the last four have Key, Values and MatchOptions")
        })
    }

    /// The document.
    pub fn to_json(&self) -> Json {
        Json(serde_json::to_value(self).unwrap_or_default().into())
    }
}

/// The form in which equal expressions are equal: values have no order, and what AWS compares by unless told otherwise is not said.
pub fn canonical(value: &Value) -> Value {
    let plain = |text: &Value| matches!(text.as_str(), Some("EQUALS" | "CASE_SENSITIVE"));
    match value.expose() {
        Value::String(text) => match serde_json::from_str::<serde_json::Value>(text) {
            Ok(parsed) if parsed.is_object() => canonical(&parsed.into()),
            _ => value.clone(),
        },
        Value::Map(fields) => {
            let parts = fields.iter().filter_map(|(key, part)| {
                let mut part = canonical(part);
                if let (Value::List(items), "Values" | "MatchOptions") = (&mut part, key.as_str()) {
                    items.retain(|item| key == "Values" || !plain(item));
                    items.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
                }
                (!part.is_empty()).then(|| (key.clone(), part))
            });
            Value::Map(parts.collect())
        }
        Value::List(items) => Value::List(items.iter().map(canonical).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"And":[{"Dimensions":{"Key":"SERVICE","Values":["b","a"]}},{"Not":{"Tags":{"Key":"t","Values":["x"],"MatchOptions":["ABSENT"]}}}]}"#;

    #[test]
    fn a_document_is_read_and_written() {
        let json = Json::parse(TEXT).unwrap();
        let read = Expression::read("f", &json).unwrap();
        assert_eq!(read.to_json(), json);
        assert_eq!(Expression::read("f", &Json(Value::String(TEXT.into()))).unwrap(), read);
        let error = Expression::read("f", &Json::parse(r#"{"and":[]}"#).unwrap()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
    }

    #[test]
    fn order_and_defaults_do_not_matter() {
        let value = |text: &str| Json::parse(text).unwrap().0;
        let said = value(r#"{"Tags":{"Key":"k","Values":["a","b"],"MatchOptions":["EQUALS"]}}"#);
        assert_eq!(canonical(&said), canonical(&value(r#"{"Tags":{"Key":"k","Values":["b","a"]}}"#)));
        let other = value(r#"{"Tags":{"Key":"k","Values":["a","b"],"MatchOptions":["ABSENT"]}}"#);
        assert_ne!(canonical(&said), canonical(&other));
        assert_eq!(canonical(&Value::String(TEXT.into())), canonical(&value(TEXT)));
    }
}
