//! The typed layer: inputs that take a value or another resource's output of the same type, and nothing else.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use crate::cidr::Ipv4Cidr;
use crate::driver::Delta;
use crate::expr::Expr;
use crate::schema::{OutputField, Schema};
use crate::urn::Urn;
use crate::value::{Val, ValueError, ValueMap};

/// A resource type. Derived: `#[derive(Resource)]` on the struct of its fields.
pub trait Resource: Sized + 'static {
    /// The same fields with their values known.
    type Resolved: Clone + fmt::Debug + PartialEq + Send + Sync;
    /// Which of the fields change, from what to what.
    type Change: Clone + fmt::Debug + Send + Sync;
    /// What the cloud decides.
    type Outputs: OutputSet;

    /// What the type is.
    fn schema() -> &'static Schema;
    /// The fields that are set, as expressions.
    fn into_inputs(self) -> BTreeMap<String, Expr>;
    /// Reads the known fields.
    fn resolve(fields: &ValueMap) -> Result<Self::Resolved, ValueError>;
    /// Writes known fields; what is unset is left out.
    fn fields(resolved: &Self::Resolved) -> ValueMap;
    /// Reads a change of fields.
    fn change(deltas: &BTreeMap<String, Delta>) -> Result<Self::Change, ValueError>;
}

/// The outputs of a resource type. Derived: `#[derive(Outputs)]` on the struct of them.
pub trait OutputSet: Clone + fmt::Debug + PartialEq + Send + Sync {
    /// A method for each output that gives a typed reference to it.
    type Handles: Clone + fmt::Debug;
    /// What the schema says of them.
    const FIELDS: &'static [OutputField];

    /// References to the outputs of one resource.
    fn handles(urn: &Urn) -> Self::Handles;
    /// The outputs as values.
    fn to_values(&self) -> ValueMap;
    /// Reads them back.
    fn from_values(values: &ValueMap) -> Result<Self, ValueError>;
}

/// One field's change, typed.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange<T> {
    /// What it is now; `None` if it is not set or cannot be known.
    pub before: Option<T>,
    /// What it shall be; `None` to take it away.
    pub after: Option<T>,
}

impl<T> FieldChange<T> {
    /// Reads a change of one field. What stands there now may have any form (someone else may have put it there), so that is read
    /// leniently; what shall stand there may not.
    pub fn read<V: Val<Resolved = T>>(name: &str, delta: &Delta) -> Result<Self, ValueError> {
        let after = match &delta.after {
            crate::Value::Null => None,
            value => Some(V::from_value(value).map_err(|e| e.at(name))?),
        };
        Ok(Self { before: V::from_value(&delta.before).ok(), after })
    }
}

/// A resource's output: a value of type `T` that the cloud decides.
pub struct Output<T> {
    urn: Urn,
    name: &'static str,
    of: PhantomData<fn() -> T>,
}

impl<T> Output<T> {
    /// A reference to an output. Called by derived code, which knows the type; hand-written calls can get it wrong.
    #[doc(hidden)]
    pub fn reference(urn: &Urn, name: &'static str) -> Self {
        Self { urn: urn.clone(), name, of: PhantomData }
    }

    fn expr(&self) -> Expr {
        Expr::Ref { urn: self.urn.clone(), output: self.name.to_owned() }
    }
}

impl<T> Clone for Output<T> {
    fn clone(&self) -> Self {
        Self { urn: self.urn.clone(), name: self.name, of: PhantomData }
    }
}

impl<T> fmt::Debug for Output<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.urn, self.name)
    }
}

/// What a field takes: a value, or an expression that will have one.
pub struct Input<T> {
    expr: Expr,
    of: PhantomData<fn() -> T>,
}

impl<T> Input<T> {
    /// An input of any expression. The caller vouches for the type.
    #[doc(hidden)]
    pub fn from_expr(expr: Expr) -> Self {
        Self { expr, of: PhantomData }
    }

    /// The expression.
    pub fn into_expr(self) -> Expr {
        self.expr
    }

    /// The same value, kept from view and encrypted wherever it is stored.
    #[must_use]
    pub fn secret(self) -> Self {
        Self::from_expr(match self.expr {
            marked @ Expr::Secret(_) => marked,
            plain => Expr::Secret(Box::new(plain)),
        })
    }
}

impl<T: Val> Input<Vec<T>> {
    /// The element at a position, from 0.
    #[must_use]
    pub fn at(self, index: usize) -> Input<T> {
        Input::from_expr(Expr::Select(Box::new(self.expr), index))
    }

    /// The same expression for each element.
    #[must_use]
    pub fn each<U: Val>(self, body: impl FnOnce(Input<T>) -> Input<U>) -> Input<Vec<U>> {
        let body = Box::new(body(Input::from_expr(Expr::Item)).expr);
        Input::from_expr(Expr::ForEach { list: Box::new(self.expr), body })
    }
}

impl Input<Ipv4Cidr> {
    /// A part of the range: see [`Ipv4Cidr::subnet`].
    #[must_use]
    pub fn subnet(self, new_bits: u8, index: u32) -> Self {
        Self::from_expr(Expr::CidrSubnet { base: Box::new(self.expr), new_bits, index })
    }

    /// An address of the range: see [`Ipv4Cidr::host`].
    #[must_use]
    pub fn host(self, index: u32) -> Input<String> {
        Input::from_expr(Expr::CidrHost { base: Box::new(self.expr), index })
    }
}

/// What a field of type `T` can be set to: everything that converts into an [`Input<T>`]. A trait of its own, so that the compiler can say in
/// phx's words what does not fit.
#[diagnostic::on_unimplemented(
    message = "a field of type `{T}` cannot be set to `{Self}`",
    label = "a `{T}` is wanted here",
    note = "a field takes a value of its own type, or another resource's output (or an expression) of that same type"
)]
pub trait IntoInput<T> {
    /// The input.
    fn into_input(self) -> Input<T>;
}

#[diagnostic::do_not_recommend]
impl<T, V: Into<Input<T>>> IntoInput<T> for V {
    fn into_input(self) -> Input<T> {
        self.into()
    }
}

impl<T> Clone for Input<T> {
    fn clone(&self) -> Self {
        Self::from_expr(self.expr.clone())
    }
}

impl<T> fmt::Debug for Input<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt(f)
    }
}

impl<T: Val> From<T> for Input<T> {
    fn from(value: T) -> Self {
        Self::from_expr(value.into_expr())
    }
}

impl<T: Val> From<Output<T>> for Input<T> {
    fn from(output: Output<T>) -> Self {
        Self::from_expr(output.expr())
    }
}

impl<T: Val> From<&Output<T>> for Input<T> {
    fn from(output: &Output<T>) -> Self {
        Self::from_expr(output.expr())
    }
}

impl From<&str> for Input<String> {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<Input<Ipv4Cidr>> for Input<String> {
    fn from(range: Input<Ipv4Cidr>) -> Self {
        Self::from_expr(range.expr)
    }
}

impl From<Ipv4Cidr> for Input<String> {
    fn from(range: Ipv4Cidr) -> Self {
        range.to_string().into()
    }
}

impl<T: Val> From<Vec<Input<T>>> for Input<Vec<T>> {
    fn from(items: Vec<Input<T>>) -> Self {
        Self::from_expr(Expr::List(items.into_iter().map(Input::into_expr).collect()))
    }
}

impl<T: Val> From<Vec<Output<T>>> for Input<Vec<T>> {
    fn from(items: Vec<Output<T>>) -> Self {
        Self::from_expr(Expr::List(items.iter().map(Output::expr).collect()))
    }
}

impl<T: Val, I: Into<Input<T>>, const N: usize> From<[I; N]> for Input<Vec<T>> {
    fn from(items: [I; N]) -> Self {
        Self::from_expr(Expr::List(items.into_iter().map(|i| i.into().expr).collect()))
    }
}

/// An input of any type, for places that take all of them: exports, text templates, `replace_on`.
#[derive(Clone, Debug)]
pub struct AnyInput(pub Expr);

impl<T> From<Input<T>> for AnyInput {
    fn from(input: Input<T>) -> Self {
        Self(input.expr)
    }
}

impl<T> From<Output<T>> for AnyInput {
    fn from(output: Output<T>) -> Self {
        Self(output.expr())
    }
}

impl<T> From<&Output<T>> for AnyInput {
    fn from(output: &Output<T>) -> Self {
        Self(output.expr())
    }
}

impl<T> From<Vec<Output<T>>> for AnyInput {
    fn from(items: Vec<Output<T>>) -> Self {
        Self(Expr::List(items.iter().map(Output::expr).collect()))
    }
}

macro_rules! any_input {
    ($($type:ty),*) => {$(
        impl From<$type> for AnyInput {
            fn from(value: $type) -> Self {
                Self(value.into_expr())
            }
        }
    )*};
}
any_input!(bool, i32, i64, f64, String, Ipv4Cidr, crate::value::Json);

impl From<&str> for AnyInput {
    fn from(text: &str) -> Self {
        Self(text.to_owned().into_expr())
    }
}

/// The tags of an object. Values may be expressions; the stack's default tags are added to them.
#[derive(Clone, Debug, Default)]
pub struct Tags(BTreeMap<String, Expr>);

impl Tags {
    /// Sets one tag.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Input<String>>) {
        self.0.insert(key.into(), value.into().into_expr());
    }

    /// The tags as an expression; `None` if there are none.
    pub fn into_expr(self) -> Option<Expr> {
        (!self.0.is_empty()).then_some(Expr::Map(self.0))
    }
}

impl<K: Into<String>, V: Into<Input<String>>, I: IntoIterator<Item = (K, V)>> From<I> for Tags {
    fn from(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.into(), v.into().into_expr())).collect())
    }
}

/// Joins a template and the inputs for its `{}` to a text input; used by [`format!`](crate::format).
#[doc(hidden)]
pub fn template(template: &str, inputs: Vec<AnyInput>) -> Input<String> {
    let mut parts = Vec::with_capacity(2 * inputs.len() + 1);
    let mut texts = template.split("{}");
    let literal = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(|t| t.to_owned().into_expr());
    parts.extend(literal(texts.next()));
    for input in inputs {
        parts.push(input.0);
        parts.extend(literal(texts.next()));
    }
    Input::from_expr(Expr::Concat(parts))
}

/// How many `{}` a template has; evaluated by the compiler.
#[doc(hidden)]
pub const fn placeholders(template: &str) -> usize {
    let bytes = template.as_bytes();
    let (mut count, mut i) = (0, 0);
    while i + 1 < bytes.len() {
        if bytes[i] == b'{' && bytes[i + 1] == b'}' {
            count += 1;
            i += 1;
        }
        i += 1;
    }
    count
}

/// Whether a template has something like `{name}` or `{:?}`, which `std::format!` would fill in; evaluated by the compiler. Other braces (JSON,
/// `${aws:username}`) are text.
#[doc(hidden)]
pub const fn has_filled_placeholder(template: &str) -> bool {
    let bytes = template.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i] == b'{' && (i == 0 || bytes[i - 1] != b'$') {
            let mut end = i + 1;
            while end < bytes.len()
                && (bytes[end].is_ascii_alphanumeric() || matches!(bytes[end], b'_' | b':' | b'?' | b'#'))
            {
                end += 1;
            }
            if end > i + 1 && end < bytes.len() && bytes[end] == b'}' {
                return true;
            }
        }
        i += 1;
    }
    false
}

/// Text with inputs in it, each in place of a `{}`: `phx::format!("{}-logs", bucket.id())`. A wrong number of inputs does not compile.
///
/// ```
/// use phx_model::{Expr, Input, Value};
///
/// let name: Input<String> = phx_model::format!("{}-{}", "logs", 7_i64);
/// let text = |t: &str| Expr::Literal(Value::String(t.into()));
/// assert_eq!(name.into_expr(), Expr::Concat(vec![text("logs"), text("-"), Expr::Literal(Value::Int(7))]));
/// ```
#[macro_export]
macro_rules! format {
    ($template:literal $(, $input:expr)* $(,)?) => {{
        const { assert!(
            $crate::typed::placeholders($template) == <[&str]>::len(&[$(::std::stringify!($input)),*]),
            "phx::format!: the template does not have as many placeholders as there are inputs"
        ) };
        const { assert!(
            !$crate::typed::has_filled_placeholder($template),
            "phx::format!: a placeholder is an empty pair of braces, and its input comes after the template"
        ) };
        $crate::typed::template($template, ::std::vec![$($crate::typed::AnyInput::from($input)),*])
    }};
}

/// Declares typed ids: text that only an object of one kind has.
#[macro_export]
macro_rules! id_type {
    ($($(#[$meta:meta])* $name:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// An id that is known beforehand, of an object that phx does not manage.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl $crate::__private::Serialize for $name {
            fn serialize<S: $crate::__private::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl<'de> $crate::__private::Deserialize<'de> for $name {
            fn deserialize<D: $crate::__private::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                <String as $crate::__private::Deserialize<'de>>::deserialize(d).map(Self)
            }
        }

        impl $crate::value::Val for $name {
            type Resolved = Self;
            const KIND: $crate::schema::Kind = $crate::schema::Kind::Id(stringify!($name));

            fn into_expr(self) -> $crate::Expr {
                $crate::Expr::Literal($crate::Value::String(self.0.into()))
            }
            fn from_value(value: &$crate::Value) -> Result<Self, $crate::value::ValueError> {
                match value.as_str() {
                    Some(text) => Ok(Self(text.to_owned())),
                    None => Err($crate::value::ValueError::expected(concat!("the text of a ", stringify!($name)), value)),
                }
            }
            fn to_value(resolved: &Self) -> $crate::Value {
                $crate::Value::String(resolved.0.as_str().into())
            }
        }
    )*};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_empty_braces_are_places() {
        for (template, places) in [("", 0), ("{}", 1), ("{}{}", 2), ("{{}}", 1), ("a{}b{}", 2), ("{ }", 0), ("}{", 0)] {
            assert_eq!(placeholders(template), places, "{template:?}");
            assert_eq!(template.matches("{}").count(), places, "{template:?}");
        }
    }

    #[test]
    fn what_std_would_fill_in_is_noticed_and_other_braces_are_text() {
        for template in ["{name}", "a{0}", "{:?}", "{}{x:#?}"] {
            assert!(has_filled_placeholder(template), "{template:?}");
        }
        for template in ["", "{}", "{", "${aws:username}", r#"{"a":1}"#, "{ name }", "{name"] {
            assert!(!has_filled_placeholder(template), "{template:?}");
        }
    }

    #[test]
    fn text_stands_around_the_inputs() {
        let text = |t: &str| Expr::Literal(crate::Value::String(t.into()));
        let made = |t: &str, inputs: Vec<AnyInput>| template(t, inputs).into_expr();
        assert_eq!(made("<{}>", vec!["x".into()]), Expr::Concat(vec![text("<"), text("x"), text(">")]));
        assert_eq!(made("{}", vec!["x".into()]), Expr::Concat(vec![text("x")]));
        assert_eq!(made("plain", vec![]), Expr::Concat(vec![text("plain")]));
    }
}
