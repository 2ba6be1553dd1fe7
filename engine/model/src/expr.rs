//! What is not known yet: a closed language of expressions over other resources' outputs.
//!
//! Expressions are data and not closures, so that a plan can be saved, hashed, compared and drawn.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::cidr::{CidrError, Ipv4Cidr};
use crate::urn::Urn;
use crate::value::{ENCRYPTED, REDACTED, Value, ValueMap};

/// An expression whose value is known once the outputs that it refers to are.
///
/// Its `Debug` form is for people and shows no secret.
#[derive(Clone, PartialEq)]
pub enum Expr {
    /// A value that is known now.
    Literal(Value),
    /// An output of another resource.
    Ref {
        /// Whose output.
        urn: Urn,
        /// Which one, by its name in the type's schema.
        output: String,
    },
    /// The parts as text, one after another.
    Concat(Vec<Expr>),
    /// The value as a JSON document in text form.
    ToJson(Box<Expr>),
    /// The element of a list at a position, from 0.
    Select(Box<Expr>, usize),
    /// The field of a map.
    Get(Box<Expr>, String),
    /// A list.
    List(Vec<Expr>),
    /// A map.
    Map(BTreeMap<String, Expr>),
    /// The same expression for each element of a list; [`Expr::Item`] stands for the element.
    ForEach {
        /// The list.
        list: Box<Expr>,
        /// What is made of each element.
        body: Box<Expr>,
    },
    /// The element at hand inside [`Expr::ForEach`].
    Item,
    /// A part of an address range: see [`Ipv4Cidr::subnet`].
    CidrSubnet {
        /// The range.
        base: Box<Expr>,
        /// How many bits longer the part's prefix is.
        new_bits: u8,
        /// Which part, from 0.
        index: u32,
    },
    /// An address of a range: see [`Ipv4Cidr::host`].
    CidrHost {
        /// The range.
        base: Box<Expr>,
        /// Which address, from 0.
        index: u32,
    },
    /// The value, kept from view.
    Secret(Box<Expr>),
    /// A secret that was configured for the stack (`phx secret set NAME`), by its name. Read from the state, so that a program is written
    /// down without it.
    Configured(String),
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(value) => value.fmt(f),
            Self::Ref { urn, output } => write!(f, "{urn}.{output}"),
            Self::Concat(parts) => {
                f.write_str("concat")?;
                parts.fmt(f)
            }
            Self::ToJson(inner) => write!(f, "json({inner:?})"),
            Self::Select(list, index) => write!(f, "{list:?}[{index}]"),
            Self::Get(map, field) => write!(f, "{map:?}.{field}"),
            Self::List(items) => items.fmt(f),
            Self::Map(fields) => fields.fmt(f),
            Self::ForEach { list, body } => write!(f, "each({list:?}, {body:?})"),
            Self::Item => f.write_str("item"),
            Self::CidrSubnet { base, new_bits, index } => write!(f, "subnet({base:?}, {new_bits}, {index})"),
            Self::CidrHost { base, index } => write!(f, "host({base:?}, {index})"),
            Self::Secret(_) => f.write_str(REDACTED),
            Self::Configured(name) => write!(f, "secrets.{name}"),
        }
    }
}

/// An expression that has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The resource has no output of this name, or is not there.
    #[error("{urn} has no output {output:?}")]
    NoOutput {
        /// Whose.
        urn: Urn,
        /// Which.
        output: String,
    },
    /// An operand has the wrong kind.
    #[error("{operation} needs {needed}, and got {got}")]
    Kind {
        /// What was to be done.
        operation: &'static str,
        /// The kind of operand it works on.
        needed: &'static str,
        /// What it got.
        got: &'static str,
    },
    /// A list has no element at the position, or a map no such field.
    #[error("{0}")]
    Missing(String),
    /// Address arithmetic that leaves the range.
    #[error(transparent)]
    Cidr(#[from] CidrError),
    /// The program wants a secret that was not configured.
    #[error("the secret {0:?} is not set for this stack\n  hint: set it with `phx secret set {0}`")]
    NotConfigured(String),
    /// A value is needed that is encrypted, and there is no key to read it with.
    #[error("{0}: {ENCRYPTED}")]
    Encrypted(String),
}

/// Where the outputs that an expression refers to come from.
pub trait Env {
    /// The output's value: [`Value::Unknown`] while it is undecided, `None` if there is no such output.
    fn output(&self, urn: &Urn, output: &str) -> Option<Value>;

    /// The value of the secret that was configured under a name, `None` if there is none.
    fn configured(&self, name: &str) -> Option<Value> {
        let _ = name;
        None
    }
}

impl Expr {
    /// The value, as far as it is known.
    pub fn eval(&self, env: &dyn Env) -> Result<Value, EvalError> {
        self.eval_in(env, None)
    }

    fn eval_in(&self, env: &dyn Env, item: Option<&Value>) -> Result<Value, EvalError> {
        let eval = |e: &Expr| e.eval_in(env, item);
        Ok(match self {
            Self::Literal(value) => readable(value.clone(), || "a value".to_owned())?,
            Self::Ref { urn, output } => {
                let value = env
                    .output(urn, output)
                    .ok_or_else(|| EvalError::NoOutput { urn: urn.clone(), output: output.clone() })?;
                readable(value, || format!("{urn}.{output}"))?
            }
            Self::Configured(name) => {
                let value = env.configured(name).ok_or_else(|| EvalError::NotConfigured(name.clone()))?;
                readable(value, || format!("the secret {name:?}"))?.secret()
            }
            Self::Concat(parts) => {
                let mut text = String::new();
                let mut secret = false;
                let mut unknown = false;
                for part in parts {
                    let value = eval(part)?;
                    secret |= value.has_secret();
                    match value.expose() {
                        Value::Unknown => unknown = true,
                        Value::String(s) => text.push_str(s),
                        Value::Int(i) => text.push_str(&i.to_string()),
                        Value::Float(x) => text.push_str(&x.to_string()),
                        Value::Bool(b) => text.push_str(if *b { "true" } else { "false" }),
                        other => return Err(kind("joining text", "text or a number", other)),
                    }
                }
                marked(if unknown { Value::Unknown } else { Value::String(text.into()) }, secret)
            }
            Self::ToJson(inner) => {
                let value = eval(inner)?;
                let text = value.to_plain_json().map_or(Value::Unknown, |json| Value::String(json.to_string().into()));
                marked(text, value.has_secret())
            }
            Self::Select(list, index) => over(&eval(list)?, |value| match value {
                Value::List(items) => items.get(*index).cloned().ok_or_else(|| {
                    EvalError::Missing(format!("the list has {} elements and none at {index}", items.len()))
                }),
                other => Err(kind("selecting an element", "a list", other)),
            })?,
            Self::Get(map, field) => over(&eval(map)?, |value| match value {
                Value::Map(fields) => fields
                    .get(field.as_str())
                    .cloned()
                    .ok_or_else(|| EvalError::Missing(format!("the map has no field {field:?}"))),
                other => Err(kind("reading a field", "a map", other)),
            })?,
            Self::List(items) => Value::List(items.iter().map(eval).collect::<Result<_, _>>()?),
            Self::Map(fields) => Value::Map(eval_map(fields, |e| eval(e))?),
            Self::ForEach { list, body } => over(&eval(list)?, |value| match value {
                Value::List(items) => {
                    Ok(Value::List(items.iter().map(|one| body.eval_in(env, Some(one))).collect::<Result<_, _>>()?))
                }
                other => Err(kind("going through a list", "a list", other)),
            })?,
            Self::Item => item
                .cloned()
                .ok_or_else(|| EvalError::Missing("there is no list element here to refer to".to_owned()))?,
            Self::CidrSubnet { base, new_bits, index } => over(&eval(base)?, |value| {
                Ok(Value::String(range(value)?.subnet(*new_bits, *index)?.to_string().into()))
            })?,
            Self::CidrHost { base, index } => {
                over(&eval(base)?, |value| Ok(Value::String(range(value)?.host(*index)?.to_string().into())))?
            }
            Self::Secret(inner) => eval(inner)?.secret(),
        })
    }

    /// The resources it refers to, each once, in order.
    pub fn references(&self) -> BTreeSet<&Urn> {
        let mut found = BTreeSet::new();
        self.visit(&mut |e| {
            if let Self::Ref { urn, .. } = e {
                found.insert(urn);
            }
        });
        found
    }

    /// Calls `f` with this expression and every one inside it.
    pub fn visit<'a>(&'a self, f: &mut impl FnMut(&'a Expr)) {
        f(self);
        match self {
            Self::Literal(_) | Self::Ref { .. } | Self::Configured(_) | Self::Item => {}
            Self::Concat(items) | Self::List(items) => items.iter().for_each(|e| e.visit(f)),
            Self::Map(fields) => fields.values().for_each(|e| e.visit(f)),
            Self::ToJson(e)
            | Self::Select(e, _)
            | Self::Get(e, _)
            | Self::CidrSubnet { base: e, .. }
            | Self::CidrHost { base: e, .. }
            | Self::Secret(e) => e.visit(f),
            Self::ForEach { list, body } => {
                list.visit(f);
                body.visit(f);
            }
        }
    }
}

/// Evaluates each field of a map, keeping the names.
pub fn eval_map(
    fields: &BTreeMap<String, Expr>,
    mut eval: impl FnMut(&Expr) -> Result<Value, EvalError>,
) -> Result<ValueMap, EvalError> {
    fields.iter().map(|(name, e)| Ok((name.clone(), eval(e)?))).collect()
}

fn kind(operation: &'static str, needed: &'static str, got: &Value) -> EvalError {
    EvalError::Kind { operation, needed, got: got.kind_name() }
}

/// Refuses what is encrypted, before anything is made of it.
fn readable(value: Value, what: impl FnOnce() -> String) -> Result<Value, EvalError> {
    if value.has_sealed() { Err(EvalError::Encrypted(what())) } else { Ok(value) }
}

fn marked(value: Value, secret: bool) -> Value {
    if secret { value.secret() } else { value }
}

/// Applies `f` to what is under a secret mark, keeping the mark; what is unknown stays so.
fn over(value: &Value, f: impl FnOnce(&Value) -> Result<Value, EvalError>) -> Result<Value, EvalError> {
    match value.expose() {
        Value::Unknown => Ok(value.clone()),
        plain => {
            let secret = matches!(value, Value::Secret(_));
            let result = f(plain).map_err(|error| match error {
                // It quotes what it was given.
                EvalError::Cidr(_) if secret => {
                    EvalError::Cidr(CidrError("a secret value is not an IPv4 range, or has no such part".to_owned()))
                }
                error => error,
            })?;
            Ok(marked(result, secret))
        }
    }
}

fn range(value: &Value) -> Result<Ipv4Cidr, EvalError> {
    match value {
        Value::String(text) => Ok(text.parse::<Ipv4Cidr>()?),
        other => Err(kind("address arithmetic", "an address range in text form", other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Option<Value>);
    impl Env for Fixed {
        fn output(&self, _: &Urn, _: &str) -> Option<Value> {
            self.0.clone()
        }
    }

    fn reference() -> Expr {
        let urn = Urn::parse("urn:phx:p:s:test:net:Vpc:main").unwrap();
        Expr::Ref { urn, output: "id".into() }
    }

    fn text(s: &str) -> Expr {
        Expr::Literal(Value::String(s.into()))
    }

    #[test]
    fn what_depends_on_the_unknown_is_unknown_and_the_rest_is_not() {
        let env = Fixed(Some(Value::Unknown));
        let joined = Expr::Concat(vec![text("a-"), reference()]);
        assert_eq!(joined.eval(&env), Ok(Value::Unknown));
        let list = Expr::List(vec![text("x"), reference()]);
        assert_eq!(list.eval(&env), Ok(Value::List(vec![Value::String("x".into()), Value::Unknown])));
        assert_eq!(Expr::Select(Box::new(list), 0).eval(&env), Ok(Value::String("x".into())));
    }

    #[test]
    fn secrecy_is_contagious() {
        let env = Fixed(Some(Value::String("s3cret".into()).secret()));
        for e in [
            Expr::Concat(vec![text("a-"), reference()]),
            Expr::ToJson(Box::new(Expr::List(vec![reference()]))),
            Expr::Select(Box::new(Expr::Secret(Box::new(Expr::List(vec![text("x")])))), 0),
        ] {
            assert!(e.eval(&env).unwrap().has_secret(), "{e:?}");
        }
    }

    #[test]
    fn no_error_quotes_a_secret() {
        let secret = || Box::new(Expr::Secret(Box::new(text("hunter2"))));
        let list = Expr::Secret(Box::new(Expr::List(vec![text("hunter2")])));
        let host_of_item = Expr::CidrHost { base: Box::new(Expr::Item), index: 0 };
        for e in [
            Expr::CidrSubnet { base: secret(), new_bits: 4, index: 0 },
            Expr::CidrHost { base: secret(), index: 0 },
            Expr::ForEach { list: Box::new(list), body: Box::new(host_of_item) },
        ] {
            let error = e.eval(&Fixed(None)).unwrap_err();
            assert!(matches!(error, EvalError::Cidr(_)) && !error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_configured_secret_is_secret_and_what_is_missing_or_encrypted_is_named() {
        struct Secrets;
        impl Env for Secrets {
            fn output(&self, _: &Urn, _: &str) -> Option<Value> {
                Some(Value::List(vec![Value::Sealed("AQID".into())]))
            }
            fn configured(&self, name: &str) -> Option<Value> {
                (name == "db").then(|| Value::String("hunter2".into()))
            }
        }
        let db = Expr::Configured("db".into());
        assert_eq!(db.eval(&Secrets), Ok(Value::String("hunter2".into()).secret()));
        assert!(Expr::Concat(vec![text("a"), db]).eval(&Secrets).unwrap().has_secret());
        let error = Expr::Configured("other".into()).eval(&Secrets).unwrap_err().to_string();
        assert!(error.contains("\"other\"") && error.contains("phx secret set other"), "{error}");
        let error = Expr::ToJson(Box::new(reference())).eval(&Secrets).unwrap_err().to_string();
        assert!(error.contains("Vpc:main.id") && error.contains("encrypted"), "{error}");
        assert!(Expr::Configured("db".into()).eval(&Fixed(None)).is_err());
    }

    #[test]
    fn each_operation_says_what_it_cannot_do() {
        let env = Fixed(None);
        assert!(matches!(reference().eval(&env), Err(EvalError::NoOutput { .. })));
        assert!(Expr::Select(Box::new(text("x")), 0).eval(&env).is_err());
        assert!(Expr::Select(Box::new(Expr::List(vec![])), 0).eval(&env).is_err());
        assert!(Expr::Item.eval(&env).is_err());
        let outside = Expr::CidrSubnet { base: Box::new(text("10.0.0.0/16")), new_bits: 4, index: 16 };
        assert!(matches!(outside.eval(&env), Err(EvalError::Cidr(_))));
    }

    #[test]
    fn lists_are_mapped() {
        let e = Expr::ForEach {
            list: Box::new(Expr::List(vec![text("a"), text("b")])),
            body: Box::new(Expr::Concat(vec![Expr::Item, text("!")])),
        };
        let got = e.eval(&Fixed(None)).unwrap();
        assert_eq!(got, Value::List(vec![Value::String("a!".into()), Value::String("b!".into())]));
    }
}
