//! Properties of an object with references among them.
//!
//! ```
//! use phx_aws::cloudcontrol::{Properties, Resource};
//!
//! let bucket = Resource::new(
//!     "AWS::S3::Bucket",
//!     Properties::new()
//!         .set("BucketName", "logs-of-mine")
//!         .set("VersioningConfiguration", Properties::new().set("Status", "Enabled")),
//! )
//! .replaced_by(["/BucketName"]);
//! ```

use std::collections::BTreeMap;

use phx_model::typed::AnyInput;
use phx_model::value::Json;
use phx_model::{Expr, Input};

/// Properties by their names. Values are texts, numbers, other objects' outputs, lists of them, and properties again.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Properties(BTreeMap<String, Expr>);

impl Properties {
    /// No properties.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one.
    pub fn set(mut self, name: impl Into<String>, value: impl Into<AnyInput>) -> Self {
        self.0.insert(name.into(), value.into().0);
        self
    }

    /// Sets one to a list.
    pub fn list<V: Into<AnyInput>>(mut self, name: impl Into<String>, values: impl IntoIterator<Item = V>) -> Self {
        let values = values.into_iter().map(|value| value.into().0).collect();
        self.0.insert(name.into(), Expr::List(values));
        self
    }
}

impl From<Properties> for AnyInput {
    fn from(properties: Properties) -> Self {
        Self(Expr::Map(properties.0))
    }
}

impl From<Properties> for Input<Json> {
    fn from(properties: Properties) -> Self {
        Self::from_expr(Expr::Map(properties.0))
    }
}

/// The part of a document that a JSON pointer names: `/BucketName`, `/Rules/0/Id`.
pub(super) fn at(document: &Expr, pointer: &str) -> Expr {
    steps(pointer).fold(document.clone(), |part, step| match step.parse() {
        Ok(index) => Expr::Select(Box::new(part), index),
        Err(_) => Expr::Get(Box::new(part), step),
    })
}

/// The steps of a JSON pointer (RFC 6901).
pub(super) fn steps(pointer: &str) -> impl Iterator<Item = String> + '_ {
    pointer
        .split('/')
        .skip(usize::from(pointer.starts_with('/')))
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use phx_model::Value;

    #[test]
    fn a_pointer_names_a_part() {
        let steps = |pointer| steps(pointer).collect::<Vec<_>>();
        assert_eq!(steps("/A/0/b~1c~0"), ["A", "0", "b/c~"]);
        assert_eq!(steps("A"), ["A"]);
        let document = Expr::Literal(Value::Null);
        let select = Expr::Select(Box::new(Expr::Get(Box::new(document.clone()), "A".into())), 1);
        assert_eq!(at(&document, "/A/1"), select);
    }
}
