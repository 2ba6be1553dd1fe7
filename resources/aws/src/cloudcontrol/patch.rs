//! Changes of an object's properties as JSON patches (RFC 6902).

use phx_model::Value;
use phx_model::value::ValueMap;
use serde_json::{Value as Json, json};

use crate::documents::holds;

/// What is to be done for the properties that are there to become what is wished. `before` is what the program set until now: only that is
/// taken away, since the rest is AWS's or others'.
pub(super) fn patch(before: &Value, after: &Value, there: &Value) -> Vec<Json> {
    let mut operations = Vec::new();
    walk(&mut operations, "", Some(before), after, Some(there));
    operations
}

fn walk(operations: &mut Vec<Json>, path: &str, before: Option<&Value>, after: &Value, there: Option<&Value>) {
    let Some(there) = there else {
        // Never told, such as a password: sent if it is another one.
        if before != Some(after) {
            operations.push(operation("add", path, Some(after)));
        }
        return;
    };
    match (after.expose(), there.expose()) {
        (Value::Map(after), Value::Map(there)) => {
            let none = ValueMap::new();
            let before = match before.map(Value::expose) {
                Some(Value::Map(before)) => before,
                _ => &none,
            };
            for (key, after) in after {
                walk(operations, &step(path, key), before.get(key), after, there.get(key));
            }
            for key in before.keys().filter(|key| !after.contains_key(*key) && there.contains_key(*key)) {
                operations.push(operation("remove", &step(path, key), None));
            }
        }
        _ if holds(after, there) => {}
        _ => operations.push(operation("replace", path, Some(after))),
    }
}

fn operation(name: &str, path: &str, value: Option<&Value>) -> Json {
    match value.and_then(Value::to_plain_json) {
        Some(value) => json!({"op": name, "path": path, "value": value}),
        None => json!({"op": name, "path": path}),
    }
}

fn step(path: &str, key: &str) -> String {
    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &Json) -> Value {
        json.clone().into()
    }

    fn of(before: &Json, after: &Json, there: &Json) -> Json {
        Json::Array(patch(&value(before), &value(after), &value(there)))
    }

    #[test]
    fn only_what_differs_is_patched() {
        let before = json!({"Name": "a", "Days": 1, "Old": {"x": 1}, "Secret": "s"});
        let there =
            json!({"Name": "a", "Days": 1, "Old": {"x": 1}, "Arn": "arn", "Tags": [{"Key": "k", "Value": "v"}]});
        assert_eq!(of(&before, &before, &there), json!([]));
        let after = json!({"Name": "a", "Days": 2, "New": {"y/z": [1]}, "Secret": "t"});
        assert_eq!(
            of(&before, &after, &there),
            json!([
                {"op": "replace", "path": "/Days", "value": 2},
                {"op": "add", "path": "/New", "value": {"y/z": [1]}},
                {"op": "add", "path": "/Secret", "value": "t"},
                {"op": "remove", "path": "/Old"},
            ])
        );
    }

    #[test]
    fn parts_are_patched_where_they_are() {
        let before = json!({"A": {"b/c": 1, "d": 2, "e": [1, 2]}});
        let there = json!({"A": {"b/c": 1, "d": 2, "e": [2, 1], "aws": true}});
        let after = json!({"A": {"b/c": 3, "e": [1, 2]}});
        assert_eq!(
            of(&before, &after, &there),
            json!([{"op": "replace", "path": "/A/b~1c", "value": 3}, {"op": "remove", "path": "/A/d"}])
        );
        let after = json!({"A": {"b/c": 1, "d": 2, "e": [1]}});
        assert_eq!(of(&before, &after, &there), json!([{"op": "replace", "path": "/A/e", "value": [1]}]));
    }

    #[test]
    fn what_drifted_is_put_right_and_what_is_gone_is_not_removed() {
        let set = json!({"Days": 1, "Old": 2});
        let there = json!({"Days": 7});
        assert_eq!(of(&set, &json!({"Days": 1}), &there), json!([{"op": "replace", "path": "/Days", "value": 1}]));
        // Of an adopted object nothing is taken away.
        assert_eq!(of(&json!({}), &json!({"Days": 7}), &json!({"Days": 7, "Else": 1})), json!([]));
    }
}
