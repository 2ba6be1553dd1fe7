//! IAM policy documents, typed; and when two of them mean the same.
//!
//! ```
//! use phx_aws::iam::policy::{PolicyDocument, Statement};
//!
//! let trust = PolicyDocument::assume_role_by_service("ec2.amazonaws.com");
//! let read = PolicyDocument::new().statement(
//!     Statement::allow()
//!         .action("s3:GetObject")
//!         .resource("arn:aws:s3:::logs/*")
//!         .condition("StringEquals", "aws:SourceAccount", "123456789012"),
//! );
//! ```
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>

use std::collections::{BTreeMap, BTreeSet};

use phx_model::typed::AnyInput;
use phx_model::value::Json;
use phx_model::{Expr, Input, Value, ValueMap};

/// The version of the policy language that everything written today is in.
const VERSION: &str = "2012-10-17";
/// The version of a document that names none.
const VERSION_OF_OLD: &str = "2008-10-17";

/// A policy: who may do what with what. It goes wherever a field takes a JSON document.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct PolicyDocument {
    id: Option<Expr>,
    statements: Vec<Statement>,
}

impl PolicyDocument {
    /// A policy without statements.
    pub fn new() -> Self {
        Self::default()
    }

    /// The trust policy that lets an AWS service take on a role: `assume_role_by_service("ec2.amazonaws.com")`.
    pub fn assume_role_by_service(service: impl Into<Input<String>>) -> Self {
        Self::new().statement(Statement::allow().action("sts:AssumeRole").principal(Principal::service(service)))
    }

    /// Names the policy. Some services need it.
    pub fn id(mut self, id: impl Into<Input<String>>) -> Self {
        self.id = Some(id.into().into_expr());
        self
    }

    /// Adds a statement.
    pub fn statement(mut self, statement: Statement) -> Self {
        self.statements.push(statement);
        self
    }

    /// Adds statements.
    pub fn statements(mut self, statements: impl IntoIterator<Item = Statement>) -> Self {
        self.statements.extend(statements);
        self
    }

    fn into_expr(self) -> Expr {
        let mut fields = BTreeMap::from([
            ("Version".to_owned(), literal(VERSION)),
            ("Statement".to_owned(), Expr::List(self.statements.into_iter().map(Statement::into_expr).collect())),
        ]);
        fields.extend(self.id.map(|id| ("Id".to_owned(), id)));
        Expr::Map(fields)
    }
}

impl From<PolicyDocument> for Input<Json> {
    fn from(document: PolicyDocument) -> Self {
        Self::from_expr(document.into_expr())
    }
}

/// One rule of a policy. Actions, resources, principals and conditions that are added one after the other are added up.
#[derive(Clone, Debug)]
#[must_use]
pub struct Statement {
    effect: &'static str,
    sid: Option<Expr>,
    principals: BTreeMap<&'static str, Who>,
    /// `Action`, `NotAction`, `Resource`, `NotResource`.
    lists: BTreeMap<&'static str, Vec<Expr>>,
    /// Operator, key, values.
    conditions: BTreeMap<String, BTreeMap<String, Vec<Expr>>>,
}

/// Whom a statement is about.
#[derive(Clone, Debug)]
enum Who {
    Everyone,
    /// By kind: `AWS`, `Service`, `Federated`, `CanonicalUser`.
    These(BTreeMap<&'static str, Vec<Expr>>),
}

impl Statement {
    fn new(effect: &'static str) -> Self {
        Self { effect, sid: None, principals: BTreeMap::new(), lists: BTreeMap::new(), conditions: BTreeMap::new() }
    }

    /// A statement that allows.
    pub fn allow() -> Self {
        Self::new("Allow")
    }

    /// A statement that denies, whatever others allow.
    pub fn deny() -> Self {
        Self::new("Deny")
    }

    /// The statement's name within its policy.
    pub fn sid(mut self, sid: impl Into<Input<String>>) -> Self {
        self.sid = Some(sid.into().into_expr());
        self
    }

    /// Adds an action: `s3:GetObject`, `s3:*`.
    pub fn action(self, action: impl Into<Input<String>>) -> Self {
        self.add("Action", action.into().into_expr())
    }

    /// Adds actions.
    pub fn actions<I: Into<Input<String>>>(self, actions: impl IntoIterator<Item = I>) -> Self {
        actions.into_iter().fold(self, Self::action)
    }

    /// Adds an action to those that the statement is not about.
    pub fn not_action(self, action: impl Into<Input<String>>) -> Self {
        self.add("NotAction", action.into().into_expr())
    }

    /// Adds a resource: an ARN, a pattern of ARNs, `*`. An expression that is a list must be the statement's only one.
    pub fn resource(self, resource: impl Into<AnyInput>) -> Self {
        self.add("Resource", resource.into().0)
    }

    /// Adds resources.
    pub fn resources<I: Into<AnyInput>>(self, resources: impl IntoIterator<Item = I>) -> Self {
        resources.into_iter().fold(self, Self::resource)
    }

    /// Adds a resource to those that the statement is not about.
    pub fn not_resource(self, resource: impl Into<AnyInput>) -> Self {
        self.add("NotResource", resource.into().0)
    }

    /// Adds someone whom the statement is about.
    pub fn principal(self, principal: Principal) -> Self {
        self.add_principal("Principal", principal)
    }

    /// Adds someone whom the statement is not about.
    pub fn not_principal(self, principal: Principal) -> Self {
        self.add_principal("NotPrincipal", principal)
    }

    /// Adds a condition: an operator such as `StringEquals`, a key such as `aws:SourceAccount`, and a value. Several values under one
    /// operator and key are alternatives.
    pub fn condition(
        mut self,
        operator: impl Into<String>,
        key: impl Into<String>,
        value: impl Into<AnyInput>,
    ) -> Self {
        let values = self.conditions.entry(operator.into()).or_default().entry(key.into()).or_default();
        append(values, value.into().0);
        self
    }

    fn add(mut self, element: &'static str, expr: Expr) -> Self {
        append(self.lists.entry(element).or_default(), expr);
        self
    }

    fn add_principal(mut self, element: &'static str, principal: Principal) -> Self {
        let who = self.principals.entry(element).or_insert_with(|| Who::These(BTreeMap::new()));
        match (principal.0, who) {
            (None, who) => *who = Who::Everyone,
            (Some((kind, expr)), Who::These(kinds)) => append(kinds.entry(kind).or_default(), expr),
            // Everyone already includes them.
            (Some(_), Who::Everyone) => {}
        }
        self
    }

    fn into_expr(self) -> Expr {
        let mut fields = BTreeMap::from([("Effect".to_owned(), literal(self.effect))]);
        fields.extend(self.sid.map(|sid| ("Sid".to_owned(), sid)));
        fields.extend(self.lists.into_iter().map(|(element, items)| (element.to_owned(), one_or_list(items))));
        fields.extend(self.principals.into_iter().map(|(element, who)| {
            let who = match who {
                Who::Everyone => literal("*"),
                Who::These(kinds) => {
                    Expr::Map(kinds.into_iter().map(|(kind, items)| (kind.to_owned(), one_or_list(items))).collect())
                }
            };
            (element.to_owned(), who)
        }));
        if !self.conditions.is_empty() {
            let operators = self.conditions.into_iter().map(|(operator, keys)| {
                let keys = keys.into_iter().map(|(key, values)| (key, one_or_list(values))).collect();
                (operator, Expr::Map(keys))
            });
            fields.insert("Condition".to_owned(), Expr::Map(operators.collect()));
        }
        Expr::Map(fields)
    }
}

/// Someone whom a statement can be about.
#[derive(Clone, Debug)]
#[must_use]
pub struct Principal(Option<(&'static str, Expr)>);

impl Principal {
    /// Everyone, known to AWS or not: `"*"`.
    pub fn everyone() -> Self {
        Self(None)
    }

    /// An account (by its id or its root's ARN), a role or a user (by ARN), or `*` for all of AWS's.
    pub fn aws(who: impl Into<AnyInput>) -> Self {
        Self(Some(("AWS", who.into().0)))
    }

    /// A service: `ec2.amazonaws.com`.
    pub fn service(service: impl Into<Input<String>>) -> Self {
        Self(Some(("Service", service.into().into_expr())))
    }

    /// Whoever an identity provider vouches for; by the provider's ARN or domain.
    pub fn federated(provider: impl Into<AnyInput>) -> Self {
        Self(Some(("Federated", provider.into().0)))
    }

    /// An account by its canonical user id, as S3 knows it.
    pub fn canonical_user(id: impl Into<Input<String>>) -> Self {
        Self(Some(("CanonicalUser", id.into().into_expr())))
    }
}

fn literal(text: &str) -> Expr {
    Expr::Literal(Value::String(text.into()))
}

/// Adds one, or all of a list that is written out.
fn append(list: &mut Vec<Expr>, expr: Expr) {
    match expr {
        Expr::List(items) => list.extend(items),
        one => list.push(one),
    }
}

fn one_or_list(mut items: Vec<Expr>) -> Expr {
    match (items.len(), items.pop()) {
        (1, Some(one)) => one,
        (_, last) => Expr::List(items.into_iter().chain(last).collect()),
    }
}

/// The form of a policy document in which equal meaning is equality. What it brings together, by AWS's documentation of the elements:
///
/// - a document as text and as a structure; one statement and a list of one; a version that is not named and the oldest;
/// - the order of statements (their `Sid`s stay), and within one, of actions, resources, principals and condition values;
/// - one of these and a list of one, and one that is there twice;
/// - upper and lower case in actions and condition keys;
/// - an account's id and the ARN of its root, among `AWS` principals;
/// - numbers and booleans as condition values, with and without quotes.
///
/// `"*"` and `{"AWS": "*"}` as principals stay apart: services differ in what they make of them. What is no policy document is left as it is.
pub fn canonical(document: &Value) -> Value {
    let document = match document.expose() {
        Value::String(text) => match serde_json::from_str::<serde_json::Value>(text) {
            Ok(json) => Value::from(json),
            Err(_) => return Value::String(text.as_str().into()),
        },
        other => other.clone(),
    };
    let Value::Map(fields) = document else { return document };
    let mut out = mapped(&fields, |name, value| match name {
        "Statement" => set(items(value).iter().map(statement).collect()),
        _ => value.clone(),
    });
    out.get_or_insert_with("Version", || Value::String(VERSION_OF_OLD.into()));
    Value::Map(out)
}

fn statement(value: &Value) -> Value {
    let Value::Map(fields) = value else { return value.clone() };
    Value::Map(mapped(fields, |name, value| match name {
        "Action" | "NotAction" => set(items(value).into_iter().map(|v| text(v, str::to_ascii_lowercase)).collect()),
        "Resource" | "NotResource" => set(items(value)),
        "Principal" | "NotPrincipal" => principals(value),
        "Condition" => conditions(value),
        _ => value.clone(),
    }))
}

fn principals(value: &Value) -> Value {
    let Value::Map(kinds) = value else { return value.clone() };
    Value::Map(mapped(kinds, |kind, value| match kind {
        "AWS" => set(items(value).into_iter().map(|v| text(v, account)).collect()),
        _ => set(items(value)),
    }))
}

/// An account's root is meant by its id too.
fn account(principal: &str) -> String {
    let mut parts = principal.splitn(6, ':');
    let fixed = [parts.next(), parts.nth(1), parts.next(), parts.next(), parts.next()];
    match fixed {
        [Some("arn"), Some("iam"), Some(""), Some(id), Some("root")]
            if id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit()) =>
        {
            id.to_owned()
        }
        _ => principal.to_owned(),
    }
}

fn conditions(value: &Value) -> Value {
    let Value::Map(operators) = value else { return value.clone() };
    Value::Map(mapped(operators, |_, value| {
        let Value::Map(keys) = value else { return value.clone() };
        // Two keys that differ in case only are a mistake that must stay visible.
        let lower: BTreeSet<String> = keys.keys().map(|k| k.to_ascii_lowercase()).collect();
        let distinct = lower.len() == keys.len();
        let keys = keys.iter().map(|(key, value)| {
            let key = if distinct { key.to_ascii_lowercase().into() } else { key.clone() };
            (key, set(items(value).into_iter().map(quoted).collect()))
        });
        Value::Map(keys.collect())
    }))
}

fn quoted(value: Value) -> Value {
    match value {
        Value::Bool(b) => Value::String(b.to_string().into()),
        Value::Int(i) => Value::String(i.to_string().into()),
        Value::Float(x) => Value::String(x.to_string().into()),
        other => other,
    }
}

/// Each field through `f`; what says nothing is left out.
fn mapped(fields: &ValueMap, f: impl Fn(&str, &Value) -> Value) -> ValueMap {
    let fields = fields.iter().filter(|(_, v)| !v.is_empty());
    fields.map(|(name, value)| (name.clone(), f(name, value.expose()))).collect()
}

/// The elements of a list, or the one thing that stands for a list of one.
fn items(value: &Value) -> Vec<Value> {
    match value.expose() {
        Value::List(items) => items.iter().map(|v| v.expose().clone()).collect(),
        one => vec![one.clone()],
    }
}

fn text(value: Value, f: impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(f(&text).into()),
        other => other,
    }
}

/// A list whose order and repetitions say nothing.
fn set(items: Vec<Value>) -> Value {
    let key = |v: &Value| v.to_plain_json().map(|json| json.to_string()).unwrap_or_default();
    let mut items: Vec<(String, Value)> = items.into_iter().map(|v| (key(&v), v)).collect();
    items.sort_by(|a, b| a.0.cmp(&b.0));
    items.dedup_by(|a, b| a.0 == b.0);
    Value::List(items.into_iter().map(|(_, v)| v).collect())
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
