//! Changes of an object's properties as JSON patches (RFC 6902).

use phx_model::Value;
use phx_model::value::ValueMap;
use serde_json::{Value as Json, json};

use crate::documents::holds;

/// What is to be done for the properties that are there to become what is wished.
///
/// AWS applies it to what it tells of the object, and hands the outcome to the type's handler. So a property that AWS never tells, such as a password,
/// would be lost with the change of another one: it is said again with every change.
/// <https://docs.aws.amazon.com/cloudcontrolapi/latest/userguide/resource-operations-update.html>
#[derive(Default)]
pub(super) struct Patch {
    /// What changes.
    operations: Vec<Json>,
    /// What is said again, by its path.
    again: Vec<(String, Json)>,
}

impl Patch {
    /// Whether nothing changes.
    pub(super) fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// As AWS takes it.
    pub(super) fn text(&self) -> String {
        self.all().to_string()
    }

    fn all(&self) -> Json {
        let again = self.again.iter().filter(|_| !self.is_empty()).map(|(_, operation)| operation);
        Json::Array(self.operations.iter().chain(again).cloned().collect())
    }

    /// Does not say again what these pointers name, or a part of it: AWS cannot change it, and so it cannot be lost. Whether there was any.
    pub(super) fn spare(&mut self, pointers: &[impl AsRef<str>]) -> bool {
        let all = self.again.len();
        self.again.retain(|(path, _)| {
            let named = |pointer: &str| is_within(path, pointer) || is_within(pointer, path);
            !pointers.iter().any(|pointer| named(pointer.as_ref()))
        });
        self.again.len() < all
    }
}

/// `before` is what the program set until now: only that is taken away, since the rest is AWS's or others'.
pub(super) fn patch(before: &Value, after: &Value, there: &Value) -> Patch {
    let mut patch = Patch::default();
    walk(&mut patch, "", Some(before), after, Some(there));
    patch
}

fn walk(patch: &mut Patch, path: &str, before: Option<&Value>, after: &Value, there: Option<&Value>) {
    let Some(there) = there else {
        // Never told.
        let add = operation("add", path, Some(after));
        match before {
            Some(before) if alike(before, after) => patch.again.push((path.to_owned(), add)),
            _ => patch.operations.push(add),
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
                walk(patch, &step(path, key), before.get(key), after, there.get(key));
            }
            for key in before.keys().filter(|key| !after.contains_key(*key) && there.contains_key(*key)) {
                patch.operations.push(operation("remove", &step(path, key), None));
            }
        }
        // AWS may keep a list in an order of its own. That the program puts it into another one is a change all the same.
        (Value::List(_), Value::List(_)) if holds(after, there) => {
            if before.is_some_and(|before| !alike(before, after)) && !in_order(after, there) {
                patch.operations.push(operation("replace", path, Some(after)));
            }
        }
        _ if holds(after, there) => {}
        _ => patch.operations.push(operation("replace", path, Some(after))),
    }
}

/// Whether two values say the same, whichever of them are kept from view: what was seen of a secret document is secret in all its parts.
fn alike(a: &Value, b: &Value) -> bool {
    a.to_plain_json() == b.to_plain_json()
}

/// Whether what was set stands in its order where it is there, whatever AWS adds to it.
fn in_order(set: &Value, there: &Value) -> bool {
    match (set.expose(), there.expose()) {
        (Value::Map(set), Value::Map(there)) => {
            set.iter().all(|(key, set)| there.get(key).is_some_and(|there| in_order(set, there)))
        }
        (Value::List(set), Value::List(there)) => set.iter().zip(there).all(|(set, there)| in_order(set, there)),
        _ => holds(set, there),
    }
}

fn operation(name: &str, path: &str, value: Option<&Value>) -> Json {
    match value.and_then(Value::to_plain_json) {
        Some(value) => json!({"op": name, "path": path, "value": value}),
        None => json!({"op": name, "path": path}),
    }
}

fn is_within(path: &str, whole: &str) -> bool {
    path.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
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
        patch(&value(before), &value(after), &value(there)).all()
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
    fn what_is_never_told_is_said_again_with_every_change() {
        let set = json!({"Days": 1, "Password": "s", "From": {"Snapshot": "x"}});
        let mut after = set.clone();
        after["Days"] = json!(2);
        let of = |after: &Json| patch(&value(&set), &value(after), &value(&json!({"Days": 1, "From": {}})));
        assert!(of(&set).is_empty() && of(&set).all() == json!([]), "nothing else changes");
        let days = json!({"op": "replace", "path": "/Days", "value": 2});
        let password = json!({"op": "add", "path": "/Password", "value": "s"});
        let snapshot = json!({"op": "add", "path": "/From/Snapshot", "value": "x"});
        let mut patch = of(&after);
        assert_eq!(patch.all(), json!([days, snapshot, password]));
        // A part of it cannot be changed; what does change is not spared.
        assert!(!patch.spare(&["/Pass", "/Days", "/From/Snap"]));
        assert!(patch.spare(&["/From"]));
        assert_eq!(patch.all(), json!([days, password]));
        assert!(patch.spare(&["/Password/Part"]) && !patch.spare(&["/Password/Part"]));
        assert_eq!(patch.all(), json!([days]));
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
    fn a_list_that_the_program_puts_into_another_order_is_changed() {
        let (set, turned) = (json!({"L": ["a", "b"]}), json!({"L": ["b", "a"]}));
        assert_eq!(of(&set, &turned, &set), json!([{"op": "replace", "path": "/L", "value": ["b", "a"]}]));
        assert_eq!(of(&set, &turned, &turned), json!([]), "it is there already");
        assert_eq!(of(&turned, &turned, &set), json!([]), "the order is AWS's own");
        let (before, after) = (json!({"L": [{"a": 1}]}), json!({"L": [{"a": 2}]}));
        let there = json!({"L": [{"a": 2, "arn": "x"}]});
        assert_eq!(of(&before, &after, &there), json!([]), "what AWS adds is no other order");
    }

    #[test]
    fn what_is_kept_from_view_is_no_other_value() {
        let seen = [("Days", Value::Int(1).secret()), ("From", Value::String("x".into()).secret())];
        let after = value(&json!({"Days": 2, "From": "x"}));
        let mut patch = patch(&Value::Map(seen.into()), &after, &value(&json!({"Days": 1})));
        assert!(patch.spare(&["/From"]), "it is only said again");
        assert_eq!(patch.all(), json!([{"op": "replace", "path": "/Days", "value": 2}]));
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
