//! What can be said of a program's inputs before anything is called: whether what is written down has the form that the types ask for.
//!
//! The Rust types of a program's structs hold most of it already; this holds it for what they cannot see (JSON in text form, ranges in expressions,
//! resources that are declared by schema alone), and for expressions over what is known.

use phx_model::expr::Env;
use phx_model::schema::{Field, Kind};
use phx_model::stack::Declared;
use phx_model::{Ipv4Cidr, Program, Urn, Value};

/// Something about an input that no cloud would take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The resource.
    pub urn: Urn,
    /// The field, with the way to the part of it: `rules[0].status`.
    pub path: String,
    /// What is wrong. It holds no value.
    pub message: String,
}

/// What was looked at, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Inputs whose whole value is known.
    pub literals: usize,
    /// Inputs that depend on what the cloud decides, or on a secret of the stack: only their known parts are checked.
    pub unknown: usize,
    /// What is wrong, in the order of declaration.
    pub findings: Vec<Finding>,
}

/// Nothing is known of what the cloud decides.
struct Nothing;

impl Env for Nothing {
    fn output(&self, _: &Urn, _: &str) -> Option<Value> {
        Some(Value::Unknown)
    }

    fn configured(&self, _: &str) -> Option<Value> {
        Some(Value::Unknown)
    }
}

/// Checks every input of a program.
pub fn check(program: &Program) -> Checked {
    let mut checked = Checked::default();
    for declared in &program.resources {
        check_one(declared, &mut checked);
    }
    checked
}

fn check_one(declared: &Declared, checked: &mut Checked) {
    let mut wrong = Vec::new();
    for field in declared.schema.fields.iter().filter(|f| f.required) {
        if !declared.inputs.contains_key(field.name) {
            wrong.push((field.name.to_owned(), "it is required, and not set".to_owned()));
        }
    }
    for (name, expression) in &declared.inputs {
        let Some(field) = declared.schema.field(name) else {
            wrong.push((name.clone(), format!("{} has no such field", declared.schema.type_name)));
            continue;
        };
        match expression.eval(&Nothing) {
            Ok(value) => {
                *(if value.has_unknown() { &mut checked.unknown } else { &mut checked.literals }) += 1;
                if field.required && value.expose() == &Value::Null {
                    wrong.push((name.clone(), "it is required, and null".to_owned()));
                }
                fits(&field.kind, &value, field.secret, name, &mut wrong);
            }
            Err(error) => wrong.push((name.clone(), error.to_string())),
        }
    }
    let findings = wrong.into_iter().map(|(path, message)| Finding { urn: declared.urn.clone(), path, message });
    checked.findings.extend(findings);
}

/// Whether a value is of a kind, as far as it is known. Null is the absence of a value, whatever the kind. Of what is secret no text is quoted.
fn fits(kind: &Kind, value: &Value, secret: bool, path: &str, wrong: &mut Vec<(String, String)>) {
    let secret = secret || matches!(value, Value::Secret(_));
    let mut say = |message: String| wrong.push((path.to_owned(), message));
    match (kind, value.expose()) {
        (_, Value::Null | Value::Unknown | Value::Sealed(_))
        | (Kind::Bool, Value::Bool(_))
        | (Kind::Int, Value::Int(_))
        | (Kind::Float, Value::Int(_) | Value::Float(_))
        | (Kind::String | Kind::Id(_), Value::String(_))
        | (Kind::Json, Value::Map(_) | Value::List(_)) => {}
        (Kind::Ipv4Cidr, Value::String(text)) => {
            if let Err(error) = text.parse::<Ipv4Cidr>() {
                say(if secret { "it is not an IPv4 range".to_owned() } else { error.to_string() });
            }
        }
        (Kind::Json, Value::String(text)) => {
            if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
                say(format!("it is not JSON: {error}"));
            }
        }
        (Kind::List(inner), Value::List(items)) => {
            items.iter().enumerate().for_each(|(at, item)| fits(inner, item, secret, &format!("{path}[{at}]"), wrong));
        }
        (Kind::Map(inner), Value::Map(fields)) => {
            fields.iter().for_each(|(name, value)| fits(inner, value, secret, &format!("{path}.{name}"), wrong));
        }
        (Kind::Block(parts), Value::Map(fields)) => {
            let set = |part: &Field| fields.get(part.name).is_some_and(|v| v.expose() != &Value::Null);
            for part in parts.iter().filter(|part| part.required && !set(part)) {
                wrong.push((format!("{path}.{}", part.name), "it is required, and not set".to_owned()));
            }
            for (name, value) in fields {
                match parts.iter().find(|part| part.name == name.as_str()) {
                    Some(part) => fits(&part.kind, value, secret || part.secret, &format!("{path}.{name}"), wrong),
                    None => {
                        let known = parts.iter().map(|part| part.name).collect::<Vec<_>>().join(", ");
                        wrong.push((format!("{path}.{name}"), format!("there is no such part; there are {known}")));
                    }
                }
            }
        }
        (kind, other) => say(format!("expected {}, and it is {}", kind.describe(), other.kind_name())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use phx_model::Options;
    use phx_model::config::ConfigSource;
    use phx_model::expr::Expr;
    use phx_model::schema::{Identity, Schema};
    use phx_model::urn::{ProjectName, StackName};

    use super::*;

    const PLAIN: Field = Field {
        name: "name",
        kind: Kind::String,
        rust: "String",
        doc: "",
        required: false,
        replace: false,
        secret: false,
        write_only: false,
        cloud_default: false,
        set: false,
        normalize: None,
    };
    const PARTS: &[Field] =
        &[Field { name: "mode", required: true, ..PLAIN }, Field { name: "size", kind: Kind::Int, ..PLAIN }];
    static THING: Schema = Schema {
        type_name: "test:net:Thing",
        terraform: None,
        cloudformation: None,
        doc: "",
        identity: Identity::None,
        unique: &[],
        vanishes_with: None,
        fields: &[
            Field { required: true, ..PLAIN },
            Field { name: "range", kind: Kind::Ipv4Cidr, ..PLAIN },
            Field { name: "mask", kind: Kind::Ipv4Cidr, secret: true, ..PLAIN },
            Field { name: "policy", kind: Kind::Json, secret: true, ..PLAIN },
            Field { name: "blocks", kind: Kind::List(&Kind::Block(PARTS)), ..PLAIN },
        ],
        outputs: &[],
    };

    fn findings(inputs: &str) -> Vec<(String, String)> {
        let [project, stack] = ["p", "s"].map(str::to_owned);
        let stack = phx_model::Stack::new(
            ProjectName::new(&project).unwrap(),
            StackName::new(&stack).unwrap(),
            ConfigSource::default(),
            BTreeMap::new(),
        );
        let Value::Map(values) = serde_json::from_str(inputs).unwrap() else { panic!("{inputs}") };
        let inputs = values.into_iter().map(|(name, value)| (name.to_string(), Expr::Literal(value))).collect();
        stack.declare("a", &THING, inputs, Options::new()).unwrap();
        check(&stack.finish()).findings.into_iter().map(|f| (f.path, f.message)).collect()
    }

    #[test]
    fn what_fits_is_not_found() {
        let good = r#"{"name":"a","range":"10.0.0.0/16","policy":"{}","blocks":[{"mode":"x","size":1}]}"#;
        assert_eq!(findings(good), []);
    }

    #[test]
    fn what_does_not_fit_is_named_and_its_value_is_not() {
        for (inputs, path, message) in [
            ("{}", "name", "required, and not set"),
            (r#"{"name":null}"#, "name", "required, and null"),
            (r#"{"name":5}"#, "name", "expected string"),
            (r#"{"name":"a","nmae":"b"}"#, "nmae", "no such field"),
            (r#"{"name":"a","range":"10.0.0.0"}"#, "range", "10.0.0.0"),
            (r#"{"name":"a","policy":"hunter2 {"}"#, "policy", "not JSON"),
            (r#"{"name":"a","mask":"hunter2"}"#, "mask", "not an IPv4 range"),
            (r#"{"name":"a","blocks":[{"size":1}]}"#, "blocks[0].mode", "required"),
            (r#"{"name":"a","blocks":[{"mode":"x","size":"1"}]}"#, "blocks[0].size", "expected int"),
            (r#"{"name":"a","blocks":[{"mode":"x","sise":1}]}"#, "blocks[0].sise", "there are mode, size"),
        ] {
            let found = findings(inputs);
            assert_eq!(found.len(), 1, "{inputs}: {found:?}");
            assert!(found[0].0 == path && found[0].1.contains(message), "{inputs}: {found:?}");
            assert!(!found[0].1.contains("hunter2"), "{found:?}");
        }
    }
}
