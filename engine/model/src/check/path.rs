//! Where in an object something is: `endpoint.port`, `ingress[0].cidr_ip`, `tags["kubernetes.io/cluster"]`.

use std::fmt;

use crate::value::{Value, ValueMap};

/// A place in an object's fields and outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    field: String,
    rest: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Key(String),
    Element(usize),
}

impl Path {
    /// Reads it. What is wrong with it is said in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("{text:?} is not a path to a field: {why}"));
        let mut parts: Vec<Part> = Vec::new();
        let mut left = text;
        while !left.is_empty() {
            if let Some(inside) = left.strip_prefix("[\"") {
                let Some((key, after)) = inside.split_once("\"]") else { return wrong("a [\" is not closed") };
                parts.push(Part::Key(key.to_owned()));
                left = after;
            } else if let Some(inside) = left.strip_prefix('[') {
                let Some((digits, after)) = inside.split_once(']') else { return wrong("a [ is not closed") };
                let Ok(at) = digits.parse() else {
                    return wrong("in [ ] stands the number of an element, or a key in quotes");
                };
                parts.push(Part::Element(at));
                left = after;
            } else {
                let name = if parts.is_empty() { Some(left) } else { left.strip_prefix('.') };
                let Some(name) = name else { return wrong("after a ] comes a dot") };
                let end = name.find(['.', '[']).unwrap_or(name.len());
                let (name, after) = name.split_at(end);
                if name.is_empty() {
                    return wrong("a name is missing");
                }
                parts.push(Part::Key(name.to_owned()));
                left = after;
            }
        }
        let mut parts = parts.into_iter();
        match parts.next() {
            Some(Part::Key(field)) => Ok(Self { field, rest: parts.collect() }),
            _ => wrong("it begins with the name of a field or an output"),
        }
    }

    /// The field or output that it is in.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Whether it is the whole field.
    pub fn is_whole(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is there in a set of fields; [`Value::Null`] if nothing is. What is inside something secret is secret.
    pub fn find(&self, fields: &ValueMap) -> Value {
        let Some(mut at) = fields.get(self.field.as_str()) else { return Value::Null };
        let mut secret = matches!(at, Value::Secret(_));
        for part in &self.rest {
            let next = match (part, at.expose()) {
                (Part::Key(key), Value::Map(fields)) => fields.get(key.as_str()),
                (Part::Element(n), Value::List(items)) => items.get(*n),
                _ => None,
            };
            let Some(next) = next else { return Value::Null };
            at = next;
            secret |= matches!(at, Value::Secret(_));
        }
        if secret { at.clone().secret() } else { at.clone() }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.field)?;
        for part in &self.rest {
            match part {
                Part::Element(at) => write!(f, "[{at}]")?,
                Part::Key(key) if key.contains(['.', '[', '"']) => write!(f, "[\"{key}\"]")?,
                Part::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_into_blocks_lists_and_maps() {
        let fields: ValueMap = serde_json::from_str(
            r#"{"status":"ACTIVE","endpoint":{"port":5432},"rules":[{"ip":"a"},{"ip":"b"}],"tags":{"k8s.io/x":"owned"}}"#,
        )
        .unwrap();
        let at = |path: &str| Path::parse(path).unwrap().find(&fields);
        let text = |t: &str| Value::String(t.into());
        assert_eq!(at("status"), text("ACTIVE"));
        assert_eq!(at("endpoint.port"), Value::Int(5432));
        assert_eq!(at("rules[1].ip"), text("b"));
        assert_eq!(at(r#"tags["k8s.io/x"]"#), text("owned"));
        for nowhere in ["other", "status.x", "rules[2]", "rules.ip", "endpoint[0]", "endpoint.host"] {
            assert_eq!(at(nowhere), Value::Null, "{nowhere}");
        }
        for path in ["a", "a.b[0].c", r#"a["b.c"][1]"#] {
            assert_eq!(Path::parse(path).unwrap().to_string(), path);
        }
    }

    #[test]
    fn what_is_inside_a_secret_is_secret() {
        let inner = Value::Map([("user", Value::String("ada".into()))].into());
        let fields: ValueMap = [("login".to_owned(), inner.secret())].into();
        assert_eq!(Path::parse("login.user").unwrap().find(&fields), Value::String("ada".into()).secret());
    }

    #[test]
    fn a_path_that_is_none_says_why() {
        for (path, why) in [
            ("", "begins with"),
            ("[0]", "begins with"),
            ("a[", "not closed"),
            ("a[x]", "number"),
            ("a..b", "missing"),
            (".a", "missing"),
            ("a[0]b", "dot"),
            ("a[\"x]", "not closed"),
        ] {
            let said = Path::parse(path).unwrap_err();
            assert!(said.contains(why), "{path:?}: {said}");
        }
    }
}
