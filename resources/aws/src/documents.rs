//! JSON documents to which AWS adds: what of one is the program's.

use phx_model::Value;

/// What a document's parts are that were set and of which AWS says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untold {
    /// Never told, such as a password: taken to be as they were set.
    Kept,
    /// Not there.
    Gone,
}

/// What of the document that is there the program set. What AWS added is left out. A list that holds the same in another order is as it was
/// set.
pub fn of(set: &Value, there: &Value, untold: Untold) -> Value {
    let part = match (set.expose(), there.expose()) {
        (Value::Map(set), Value::Map(there)) => {
            let parts = set.iter().filter_map(|(key, set)| match (there.get(key), untold) {
                (Some(there), _) => Some((key.clone(), of(set, there, untold))),
                (None, Untold::Kept) => Some((key.clone(), set.clone())),
                (None, Untold::Gone) => None,
            });
            Value::Map(parts.collect())
        }
        (Value::List(set), Value::List(there)) if set.len() == there.len() => list(set, there, untold),
        // 5 and 5.0 are one number.
        #[allow(clippy::cast_precision_loss)]
        (Value::Int(set), Value::Float(there)) if (*set as f64).to_bits() == there.to_bits() => Value::Int(*set),
        (_, there) => there.clone(),
    };
    if matches!(set, Value::Secret(_)) { part.secret() } else { part }
}

/// Whether everything that was set is there.
pub fn holds(set: &Value, there: &Value) -> bool {
    of(set, there, Untold::Gone) == *set
}

fn list(set: &[Value], there: &[Value], untold: Untold) -> Value {
    let mut left: Vec<&Value> = there.iter().collect();
    let reordered = set.iter().all(|one| {
        let at = left.iter().position(|there| of(one, there, untold) == *one);
        at.map(|at| left.swap_remove(at)).is_some()
    });
    if reordered {
        return Value::List(set.to_vec());
    }
    Value::List(set.iter().zip(there).map(|(set, there)| of(set, there, untold)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        serde_json::from_str::<serde_json::Value>(text).unwrap().into()
    }

    #[test]
    fn what_aws_adds_is_left_out() {
        let set = json(r#"{"a":1,"b":{"c":"x"},"l":[{"k":"1"},{"k":"2"}]}"#);
        let there = json(r#"{"a":1.0,"b":{"c":"x","d":1},"l":[{"k":"2","id":"y"},{"k":"1","id":"x"}],"arn":"z"}"#);
        assert_eq!(of(&set, &there, Untold::Kept), set);
        assert!(holds(&set, &there));
    }

    #[test]
    fn what_differs_is_told() {
        let set = json(r#"{"a":1,"b":{"c":"x"},"l":["1","2"],"secret":"s"}"#);
        let there = json(r#"{"a":2,"b":{"c":"y","d":1},"l":["1"]}"#);
        assert_eq!(of(&set, &there, Untold::Kept), json(r#"{"a":2,"b":{"c":"y"},"l":["1"],"secret":"s"}"#));
        assert_eq!(of(&set, &there, Untold::Gone), json(r#"{"a":2,"b":{"c":"y"},"l":["1"]}"#));
        assert_eq!(of(&json("[1,2]"), &json("[1,3]"), Untold::Kept), json("[1,3]"));
        assert!(!holds(&set, &there));
    }

    #[test]
    fn a_secret_stays_one() {
        let set = Value::String("s".into()).secret();
        assert!(of(&set, &json(r#""t""#), Untold::Kept).has_secret());
        assert_eq!(of(&set, &json(r#""s""#), Untold::Kept), set);
    }
}
