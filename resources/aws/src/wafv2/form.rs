//! Fields in the form of AWS's JSON, and back. Names are AWS's in both, here in `snake_case` and there in `PascalCase`, so that the schema says
//! how to convert; only actions and the texts that bytes are compared with have forms of their own.

use phx_model::schema::{Field, Kind};
use phx_model::value::{Value, ValueMap};
use serde_json::{Map, Value as Json};

/// The blocks in which an action stands for an object whose one key is the action.
const ACTIONS: [&str; 3] = ["default_action", "action", "override_action"];

/// A field's name in AWS's JSON.
pub(super) fn pascal(name: &str) -> String {
    if name == "alb_low_reputation_mode" {
        return "ALBLowReputationMode".to_owned();
    }
    let part = |part: &str| {
        let mut chars = part.chars();
        chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
    };
    name.split('_').map(part).collect()
}

/// A field's value in AWS's JSON; `None` if it is not set.
pub(super) fn to_wire(field: &Field, value: &Value) -> Option<Json> {
    let value = value.expose();
    if matches!(value, Value::Null) {
        return None;
    }
    if ACTIONS.contains(&field.name)
        && let (Kind::Block(parts), Value::Map(action)) = (&field.kind, value)
    {
        return Some(action_to_wire(parts, action));
    }
    kind_to_wire(&field.kind, value)
}

fn kind_to_wire(kind: &Kind, value: &Value) -> Option<Json> {
    match (kind, value.expose()) {
        (Kind::Block(parts), Value::Map(values)) => Some(Json::Object(block_to_wire(parts, values))),
        (Kind::List(inner), Value::List(items)) => {
            Some(items.iter().filter_map(|item| kind_to_wire(inner, item)).collect())
        }
        (Kind::Map(inner), Value::Map(values)) => {
            let pairs = values.iter().filter_map(|(key, value)| Some((key.to_string(), kind_to_wire(inner, value)?)));
            Some(Json::Object(pairs.collect()))
        }
        (Kind::Json, value) => statement_to_wire(value).to_plain_json(),
        (_, value) => value.to_plain_json(),
    }
}

fn block_to_wire(parts: &[Field], values: &ValueMap) -> Map<String, Json> {
    let pairs = parts.iter().filter_map(|part| Some((pascal(part.name), to_wire(part, values.get(part.name)?)?)));
    pairs.collect()
}

fn action_to_wire(parts: &[Field], action: &ValueMap) -> Json {
    let name = action.get("action").and_then(Value::as_str).unwrap_or_default();
    let rest: Vec<&Field> = parts.iter().filter(|part| part.name != "action").collect();
    let pairs = rest.iter().filter_map(|part| Some((pascal(part.name), to_wire(part, action.get(part.name)?)?)));
    Json::Object(Map::from_iter([(name.to_owned(), Json::Object(pairs.collect()))]))
}

/// A field's value from AWS's JSON; `None` if there is nothing.
pub(super) fn from_wire(field: &Field, json: &Json) -> Option<Value> {
    if ACTIONS.contains(&field.name)
        && let (Kind::Block(parts), Json::Object(action)) = (&field.kind, json)
    {
        return action_from_wire(parts, action);
    }
    kind_from_wire(&field.kind, json)
}

fn kind_from_wire(kind: &Kind, json: &Json) -> Option<Value> {
    let value = match (kind, json) {
        (_, Json::Null) => return None,
        (Kind::Block(parts), Json::Object(object)) => Value::Map(block_from_wire(parts, object)),
        (Kind::List(inner), Json::Array(items)) => {
            Value::List(items.iter().filter_map(|item| kind_from_wire(inner, item)).collect())
        }
        (Kind::Map(inner), Json::Object(object)) => {
            let pairs = object.iter().filter_map(|(key, json)| Some((key.clone(), kind_from_wire(inner, json)?)));
            Value::Map(pairs.collect())
        }
        (Kind::Json, json) => statement_from_wire(&Value::from(json.clone())),
        (Kind::String, Json::String(text)) if text.is_empty() => return None,
        (_, json) => Value::from(json.clone()),
    };
    (!value.is_empty()).then_some(value)
}

fn block_from_wire(parts: &[Field], object: &Map<String, Json>) -> ValueMap {
    let pairs =
        parts.iter().filter_map(|part| Some((part.name.to_owned(), from_wire(part, object.get(&pascal(part.name))?)?)));
    pairs.collect()
}

fn action_from_wire(parts: &[Field], action: &Map<String, Json>) -> Option<Value> {
    let (name, settings) = action.iter().find(|(_, settings)| !settings.is_null())?;
    let mut values = match settings {
        Json::Object(settings) => block_from_wire(parts, settings),
        _ => ValueMap::new(),
    };
    values.insert("action".to_owned(), Value::String(name.clone().into()));
    Some(Value::Map(values))
}

/// The key of the bytes that a statement looks for, and what a program writes for bytes that are no text.
const TEXT: &str = "SearchString";
const BYTES: &str = "SearchStringBase64";

/// A statement as AWS takes it: what it looks for in Base64.
fn statement_to_wire(statement: &Value) -> Value {
    match statement.expose() {
        Value::String(text) => match serde_json::from_str::<Json>(text) {
            Ok(parsed @ Json::Object(_)) => statement_to_wire(&parsed.into()),
            _ => statement.clone(),
        },
        _ => walk(statement, &|key, value| match (key, value.as_str()) {
            (TEXT, Some(text)) => Some((TEXT, aws_smithy_types::base64::encode(text))),
            (BYTES, Some(text)) => Some((TEXT, text.to_owned())),
            _ => None,
        }),
    }
}

/// A statement as a program writes it: what it looks for as text, if it is text.
fn statement_from_wire(statement: &Value) -> Value {
    walk(statement, &|key, value| {
        let encoded = value.as_str().filter(|_| key == TEXT)?;
        let text = aws_smithy_types::base64::decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        Some(text.map_or_else(|| (BYTES, encoded.to_owned()), |text| (TEXT, text)))
    })
}

/// The form in which equal statements are equal.
pub(super) fn canonical(statement: &Value) -> Value {
    statement_from_wire(&statement_to_wire(statement))
}

/// The same document with some of its texts under another key or in another form.
fn walk(value: &Value, change: &impl Fn(&str, &Value) -> Option<(&'static str, String)>) -> Value {
    match value.expose() {
        Value::Map(fields) => {
            let fields = fields.iter().map(|(key, value)| match change(key, value) {
                Some((key, text)) => (key.into(), Value::String(text.into())),
                None => (key.clone(), walk(value, change)),
            });
            Value::Map(fields.collect())
        }
        Value::List(items) => Value::List(items.iter().map(|item| walk(item, change)).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wafv2::WebAcl;
    use phx_model::Resource;

    fn json(text: &str) -> Json {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn names_are_aws_own() {
        for (ours, aws) in [
            ("name", "Name"),
            ("cloud_watch_metrics_enabled", "CloudWatchMetricsEnabled"),
            ("on_source_d_do_s_protection_config", "OnSourceDDoSProtectionConfig"),
            ("alb_low_reputation_mode", "ALBLowReputationMode"),
        ] {
            assert_eq!(pascal(ours), aws);
        }
    }

    #[test]
    fn rules_go_to_aws_and_come_back() {
        let field = WebAcl::schema().field("rules").unwrap();
        let aws = json(
            r#"[{"Name":"r","Priority":1,"Action":{"Block":{"CustomResponse":{"ResponseCode":403}}},
                "Statement":{"AndStatement":{"Statements":[{"ByteMatchStatement":{"SearchString":"YmFk"}},
                    {"ByteMatchStatement":{"SearchString":"/w=="}}]}},
                "RuleLabels":[{"Name":"l"}],
                "VisibilityConfig":{"SampledRequestsEnabled":true,"CloudWatchMetricsEnabled":false,"MetricName":"m"}},
               {"Name":"g","Priority":2,"OverrideAction":{"None":{}},
                "Statement":{"ManagedRuleGroupStatement":{"VendorName":"AWS","Name":"AWSManagedRulesCommonRuleSet"}},
                "VisibilityConfig":{"SampledRequestsEnabled":true,"CloudWatchMetricsEnabled":true,"MetricName":"g"}}]"#,
        );
        let ours = from_wire(field, &aws).unwrap();
        let text = ours.to_plain_json().unwrap().to_string();
        assert!(text.contains(r#""action":{"action":"Block","custom_response":{"response_code":403}}"#), "{text}");
        assert!(text.contains(r#""override_action":{"action":"None"}"#), "{text}");
        assert!(text.contains(r#""SearchString":"bad""#) && text.contains(r#""SearchStringBase64":"/w==""#), "{text}");
        assert_eq!(to_wire(field, &ours), Some(aws));
    }

    #[test]
    fn a_statement_is_one_however_it_is_written() {
        let value = |text: &str| Value::from(json(text));
        let said = value(r#"{"ByteMatchStatement":{"SearchStringBase64":"YmFk"}}"#);
        assert_eq!(canonical(&said), value(r#"{"ByteMatchStatement":{"SearchString":"bad"}}"#));
        assert_eq!(
            canonical(&Value::String(r#"{"ByteMatchStatement":{"SearchString":"bad"}}"#.into())),
            canonical(&said)
        );
    }
}
