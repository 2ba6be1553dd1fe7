//! What can be asked of a field.

use crate::expr::{Env, EvalError, Expr};
use crate::schema::{Field, same};
use crate::value::{REDACTED, Value};

/// What must be true of a field or of a part of one.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// It is this.
    Equals(Expr),
    /// It is anything but this.
    DiffersFrom(Expr),
    /// It is one of these.
    OneOf(Vec<Expr>),
    /// It is there, and not empty.
    IsSet,
    /// It is not there, or empty.
    IsUnset,
    /// It is a number, and no smaller than this.
    AtLeast(Expr),
    /// It is a number, and no larger than this.
    AtMost(Expr),
    /// It is text with this in it, a list with this as an element, or a map with this key.
    Contains(Expr),
}

/// A condition whose operands are known.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// It is this.
    Equals(Value),
    /// It is anything but this.
    DiffersFrom(Value),
    /// It is one of these.
    OneOf(Vec<Value>),
    /// It is there, and not empty.
    IsSet,
    /// It is not there, or empty.
    IsUnset,
    /// It is a number, and no smaller than this.
    AtLeast(Value),
    /// It is a number, and no larger than this.
    AtMost(Value),
    /// It has this in it.
    Contains(Value),
}

impl Condition {
    /// What the field is compared with.
    pub fn operands(&self) -> Vec<&Expr> {
        match self {
            Self::Equals(e) | Self::DiffersFrom(e) | Self::AtLeast(e) | Self::AtMost(e) | Self::Contains(e) => vec![e],
            Self::OneOf(options) => options.iter().collect(),
            Self::IsSet | Self::IsUnset => Vec::new(),
        }
    }

    /// The condition with its operands worked out.
    pub fn eval(&self, env: &dyn Env) -> Result<Known, EvalError> {
        Ok(match self {
            Self::Equals(e) => Known::Equals(e.eval(env)?),
            Self::DiffersFrom(e) => Known::DiffersFrom(e.eval(env)?),
            Self::OneOf(options) => Known::OneOf(options.iter().map(|e| e.eval(env)).collect::<Result<_, _>>()?),
            Self::IsSet => Known::IsSet,
            Self::IsUnset => Known::IsUnset,
            Self::AtLeast(e) => Known::AtLeast(e.eval(env)?),
            Self::AtMost(e) => Known::AtMost(e.eval(env)?),
            Self::Contains(e) => Known::Contains(e.eval(env)?),
        })
    }
}

impl Known {
    /// Whether it is true of a value. `field` is what the schema says of it, if it is a whole field: then order and form count as little as
    /// they do in a plan.
    pub fn holds(&self, field: Option<&Field>, found: &Value) -> bool {
        let is = |wanted: &Value| match field {
            Some(field) => same(field, wanted, found),
            None => equal(wanted, found),
        };
        let set = !found.is_empty() && found.as_str() != Some("");
        match self {
            Self::Equals(wanted) => is(wanted),
            Self::DiffersFrom(other) => !is(other),
            Self::OneOf(options) => options.iter().any(is),
            Self::IsSet => set,
            Self::IsUnset => !set,
            Self::AtLeast(least) => matches!((number(found), number(least)), (Some(f), Some(l)) if f >= l),
            Self::AtMost(most) => matches!((number(found), number(most)), (Some(f), Some(m)) if f <= m),
            Self::Contains(part) => match (found.expose(), part.expose()) {
                (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
                (Value::List(items), part) => items.iter().any(|item| equal(item, part)),
                (Value::Map(fields), Value::String(key)) => fields.get(key.as_str()).is_some(),
                _ => false,
            },
        }
    }

    /// What must be true, in words that follow the field's name. A secret is not shown.
    pub fn words(&self) -> String {
        match self {
            Self::Equals(value) => format!("is {}", shown(value)),
            Self::DiffersFrom(value) => format!("is not {}", shown(value)),
            Self::OneOf(values) => {
                format!("is one of {}", values.iter().map(shown).collect::<Vec<_>>().join(", "))
            }
            Self::IsSet => "is set".to_owned(),
            Self::IsUnset => "is not set".to_owned(),
            Self::AtLeast(value) => format!("is at least {}", shown(value)),
            Self::AtMost(value) => format!("is at most {}", shown(value)),
            Self::Contains(value) => format!("contains {}", shown(value)),
        }
    }

    /// What was found, to be shown beside [`words`](Self::words). A value that is compared with a secret may be near to it, and is not shown.
    pub fn found(&self, found: &Value) -> String {
        let secret = match self {
            Self::Equals(v) | Self::DiffersFrom(v) | Self::AtLeast(v) | Self::AtMost(v) | Self::Contains(v) => {
                v.has_secret()
            }
            Self::OneOf(values) => values.iter().any(Value::has_secret),
            Self::IsSet | Self::IsUnset => false,
        };
        match found {
            Value::Null => "it is not set".to_owned(),
            _ if secret => format!("it is {REDACTED}"),
            _ => format!("it is {}", shown(found)),
        }
    }
}

/// A value as JSON, without its secrets.
fn shown(value: &Value) -> String {
    match value {
        Value::Secret(_) | Value::Sealed(_) => REDACTED.to_owned(),
        _ => value.to_redacted_json().to_string(),
    }
}

/// Whether two values are one, whatever is marked as secret in either. What is unknown or encrypted equals nothing.
fn equal(a: &Value, b: &Value) -> bool {
    match (a.expose(), b.expose()) {
        (Value::Unknown | Value::Sealed(_), _) | (_, Value::Unknown | Value::Sealed(_)) => false,
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key.as_str()).is_some_and(|other| equal(value, other)))
        }
        (a @ (Value::Int(_) | Value::Float(_)), b @ (Value::Int(_) | Value::Float(_))) => number(a) == number(b),
        (a, b) => a == b,
    }
}

/// The number that a value is, also one in text, as some APIs give them.
fn number(value: &Value) -> Option<f64> {
    match value.expose() {
        #[allow(clippy::cast_precision_loss)] // nobody compares counts beyond 2^53
        Value::Int(i) => Some(*i as f64),
        Value::Float(x) => Some(*x),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn every_condition_tells_right_from_wrong() {
        let cases: [(Known, &[&str], &[&str]); 11] = [
            (Known::Equals(value(r#""ACTIVE""#)), &[r#""ACTIVE""#], &[r#""active""#, "null", "1"]),
            (Known::Equals(value("5")), &["5", "5.0"], &["6", r#""5""#]),
            (Known::Equals(value(r#"{"a":[1]}"#)), &[r#"{"a":[1]}"#], &[r#"{"a":[1,2]}"#, r#"{"b":[1]}"#, "{}"]),
            (Known::DiffersFrom(value("true")), &["false", "null"], &["true"]),
            (Known::OneOf(vec![value(r#""a""#), value("1")]), &[r#""a""#, "1"], &[r#""b""#, "null"]),
            (Known::IsSet, &["0", "false", r#""x""#, "[1]"], &["null", r#""""#, "[]", "{}"]),
            (Known::IsUnset, &["null", r#""""#, "[]", "{}"], &["0", r#""x""#]),
            (Known::AtLeast(value("3")), &["3", "4", r#""3.5""#], &["2", "null", r#""x""#]),
            (Known::AtMost(value("3")), &["3", "-1"], &["4", "null"]),
            (
                Known::Contains(value(r#""ab""#)),
                &[r#""cabd""#, r#"["ab"]"#, r#"{"ab":1}"#],
                &[r#""ba""#, r#"["cab"]"#, "1"],
            ),
            (Known::Contains(value("2")), &["[1,2]"], &["[1]", r#""2""#]),
        ];
        for (condition, right, wrong) in cases {
            for json in right {
                assert!(condition.holds(None, &value(json)), "{condition:?} of {json}");
            }
            for json in wrong {
                assert!(!condition.holds(None, &value(json)), "{condition:?} of {json}");
            }
        }
    }

    #[test]
    fn secrets_are_compared_and_not_shown() {
        let secret = Value::String("hunter2".into()).secret();
        let condition = Known::Equals(secret.clone());
        assert!(condition.holds(None, &value(r#""hunter2""#)) && condition.holds(None, &secret));
        assert!(!condition.holds(None, &value(r#""hunter3""#)));
        let said = format!("{} {}", condition.words(), condition.found(&value(r#""hunter3""#)));
        assert_eq!(said, "is (secret) it is (secret)");
        assert_eq!(Known::IsSet.found(&secret), "it is (secret)");
        assert_eq!(Known::Equals(value("1")).found(&Value::Null), "it is not set");
        assert!(!Known::Equals(Value::Unknown).holds(None, &Value::Unknown));
    }
}
