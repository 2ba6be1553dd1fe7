//! Logical names. A [`Urn`] says which resource of which stack of which project is meant, whatever the cloud calls it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A name that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {given:?} is not valid: {why}")]
pub struct NameError {
    /// What was being named: "resource name", "stack name", "URN".
    pub what: &'static str,
    /// The text that was given.
    pub given: String,
    /// What is wrong with it, and what would be right.
    pub why: String,
}

fn check_segment(what: &'static str, given: &str) -> Result<(), NameError> {
    let error = |why: String| NameError { what, given: given.to_owned(), why };
    if given.is_empty() {
        return Err(error("it is empty".into()));
    }
    if given.len() > 128 {
        return Err(error(format!("it has {} bytes, and 128 is the most", given.len())));
    }
    if let Some(bad) = given.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))) {
        return Err(error(format!("it contains {bad:?}; letters, digits, '-', '_' and '.' are allowed")));
    }
    if given.starts_with('.') || given.starts_with('-') {
        return Err(error("it starts with '.' or '-'; start with a letter, a digit or '_'".into()));
    }
    Ok(())
}

/// The name of a stack ("dev"). It is also a file and a folder name, so it is checked when it is made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackName(Arc<str>);

/// The name of a project, as `phx.toml` gives it. The same rules as for a [`StackName`].
pub type ProjectName = StackName;

impl StackName {
    /// Checks the name: 1 to 128 letters, digits, '-', '_' and '.', not starting with '-' or '.'.
    pub fn new(name: &str) -> Result<Self, NameError> {
        check_segment("stack or project name", name)?;
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for StackName {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for StackName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// A resource's logical identity: `urn:phx:<project>:<stack>:<type>:<name>`, with component paths in the name, joined by `/`.
///
/// It stays the same while the object behind it is replaced. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Urn(Arc<str>);

impl Urn {
    /// Builds a URN from its parts. `name` may contain `/` between component names.
    pub fn new(project: &ProjectName, stack: &StackName, type_name: &str, name: &str) -> Result<Self, NameError> {
        for segment in name.split('/') {
            check_segment("resource name", segment).map_err(|e| NameError { given: name.to_owned(), ..e })?;
        }
        Ok(Self(format!("urn:phx:{project}:{stack}:{type_name}:{name}").into()))
    }

    /// Reads a URN back, checking its form.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let error = |why: &str| NameError { what: "URN", given: text.to_owned(), why: why.to_owned() };
        let parts: Vec<&str> = text.split(':').collect();
        let [head, scheme, project, stack, provider, service, kind, name] = parts[..] else {
            return Err(error("expected urn:phx:<project>:<stack>:<provider>:<service>:<Type>:<name>"));
        };
        if (head, scheme) != ("urn", "phx") {
            return Err(error("it does not start with urn:phx:"));
        }
        for part in [provider, service, kind] {
            check_segment("type name", part).map_err(|e| NameError { given: text.to_owned(), ..e })?;
        }
        Self::new(&StackName::new(project)?, &StackName::new(stack)?, &format!("{provider}:{service}:{kind}"), name)
    }

    /// The whole URN as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn part(&self, n: usize) -> &str {
        // Every constructor checks the form, so the parts are there; an empty text is never wrong here.
        self.0.splitn(n + 2, ':').nth(n).unwrap_or_default()
    }

    /// The project's name.
    pub fn project(&self) -> &str {
        self.part(2)
    }

    /// The stack's name.
    pub fn stack(&self) -> &str {
        self.part(3)
    }

    /// The resource type, as `aws:ec2:Subnet`.
    pub fn type_name(&self) -> &str {
        let start = self.prefix_len();
        &self.0[start..self.0.rfind(':').unwrap_or(start)]
    }

    fn prefix_len(&self) -> usize {
        "urn:phx:".len() + self.project().len() + self.stack().len() + 2
    }

    /// The name with its component path: `networking/private-a`.
    pub fn name(&self) -> &str {
        self.0.rsplit(':').next().unwrap_or_default()
    }

    /// The component path without the resource's own name, if it is inside a component: `networking`.
    pub fn parent(&self) -> Option<&str> {
        self.name().rsplit_once('/').map(|(parent, _)| parent)
    }
}

impl fmt::Display for Urn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Urn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Urn {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Urn {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(s: &str) -> StackName {
        StackName::new(s).unwrap()
    }

    #[test]
    fn a_urn_names_its_parts() {
        let urn = Urn::new(&name("phoenix"), &name("dev"), "aws:ec2:Subnet", "networking/private-a").unwrap();
        assert_eq!(urn.as_str(), "urn:phx:phoenix:dev:aws:ec2:Subnet:networking/private-a");
        assert_eq!(urn.project(), "phoenix");
        assert_eq!(urn.stack(), "dev");
        assert_eq!(urn.type_name(), "aws:ec2:Subnet");
        assert_eq!(urn.name(), "networking/private-a");
        assert_eq!(urn.parent(), Some("networking"));
        assert_eq!(Urn::parse(urn.as_str()).unwrap(), urn);
    }

    #[test]
    fn names_that_would_break_a_path_or_a_urn_are_refused() {
        for bad in ["", "a:b", "a b", "../x", ".hidden", "-rf", "a/b", "ä", &"x".repeat(129)] {
            assert!(StackName::new(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a//b", "/a", "a/", "a:b"] {
            assert!(Urn::new(&name("p"), &name("s"), "a:b:C", bad).is_err(), "{bad:?}");
        }
        for bad in ["", "urn:phx:p:s:aws:ec2:Vpc", "urn:aws:p:s:aws:ec2:Vpc:x", "urn:phx:p:s:aws:ec2:Vpc:x:y"] {
            assert!(Urn::parse(bad).is_err(), "{bad:?}");
        }
    }
}
