//! IAM policy documents, typed; and when two of them mean the same.
//!
//! It belongs to no service's cargo feature: keys, secrets, buckets, topics and queues have policies too.
//!
//! ```
//! use phx_aws::policy::{PolicyDocument, Statement};
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

mod form;

pub use form::{canonical, parse, text};

use std::collections::BTreeMap;

use phx_model::typed::AnyInput;
use phx_model::value::Json;
use phx_model::{Expr, Input, Value};

use form::SCHEME;

/// The version of the policy language that everything written today is in.
const VERSION: &str = "2012-10-17";

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

    /// The trust policy that lets a Kubernetes service account of an EKS cluster take on a role through the cluster's identity provider
    /// (IRSA). `provider` is the provider's ARN, `issuer` its URL, with or without `https://`: an output of the `aws:iam:OidcProvider` or of
    /// the cluster. The account is given as namespace and name; with `*` in
    /// one of them use [`assume_role_by_service_accounts`](Self::assume_role_by_service_accounts).
    ///
    /// <https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html>
    pub fn assume_role_by_service_account(
        provider: impl Into<AnyInput>,
        issuer: impl Into<Input<String>>,
        namespace: impl Into<Input<String>>,
        service_account: impl Into<Input<String>>,
    ) -> Self {
        Self::irsa("StringEquals", provider.into(), issuer.into(), namespace.into(), service_account.into())
    }

    /// The same for all service accounts that patterns with `*` and `?` stand for.
    pub fn assume_role_by_service_accounts(
        provider: impl Into<AnyInput>,
        issuer: impl Into<Input<String>>,
        namespace: impl Into<Input<String>>,
        service_account: impl Into<Input<String>>,
    ) -> Self {
        Self::irsa("StringLike", provider.into(), issuer.into(), namespace.into(), service_account.into())
    }

    fn irsa(
        operator: &str,
        provider: AnyInput,
        issuer: Input<String>,
        namespace: Input<String>,
        account: Input<String>,
    ) -> Self {
        let issuer = match issuer.into_expr() {
            Expr::Literal(Value::String(url)) => literal(url.strip_prefix(SCHEME).unwrap_or(&url)),
            other => other,
        };
        let key = |claim: &str| Input::<String>::from_expr(joined([issuer.clone(), literal(claim)]));
        let parts = [literal("system:serviceaccount:"), namespace.into_expr(), literal(":"), account.into_expr()];
        let subject = AnyInput(joined(parts));
        Self::new().statement(
            Statement::allow()
                .action("sts:AssumeRoleWithWebIdentity")
                .principal(Principal::federated(provider))
                .condition("StringEquals", key(":aud"), "sts.amazonaws.com")
                .condition(operator, key(":sub"), subject),
        )
    }

    /// The trust policy that lets EKS Pod Identity give a role to pods. Which ones is said by the cluster's pod identity associations.
    ///
    /// <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html>
    pub fn assume_role_by_pod_identity() -> Self {
        Self::new().statement(
            Statement::allow()
                .actions(["sts:AssumeRole", "sts:TagSession"])
                .principal(Principal::service("pods.eks.amazonaws.com")),
        )
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

    fn into_document(self) -> Document {
        let statements = self.statements.into_iter().map(Statement::into_document).collect();
        let mut fields = vec![named("Version", Document::Leaf(literal(VERSION)))];
        fields.push(named("Statement", Document::List(statements)));
        fields.extend(self.id.map(|id| named("Id", Document::Leaf(id))));
        Document::Map(fields)
    }
}

impl From<PolicyDocument> for Input<Json> {
    fn from(document: PolicyDocument) -> Self {
        Self::from_expr(document.into_document().into_expr())
    }
}

/// A document whose keys may be expressions, which [`Expr::Map`]'s cannot be: an identity provider's condition keys begin with its name.
enum Document {
    Leaf(Expr),
    List(Vec<Document>),
    Map(Vec<(Expr, Document)>),
}

fn named(name: &str, value: Document) -> (Expr, Document) {
    (literal(name), value)
}

impl Document {
    /// As a structure if all keys are known, and as text otherwise. Either means the same to [`canonical`] and [`text`](self::text).
    fn into_expr(self) -> Expr {
        if self.is_known() {
            return self.structure();
        }
        let (mut parts, mut text) = (Vec::new(), String::new());
        self.write(&mut parts, &mut text);
        parts.push(Expr::Literal(Value::String(text.into())));
        Expr::Concat(parts)
    }

    fn is_known(&self) -> bool {
        match self {
            Self::Leaf(_) => true,
            Self::List(items) => items.iter().all(Self::is_known),
            Self::Map(fields) => {
                fields.iter().all(|(key, value)| matches!(key, Expr::Literal(Value::String(_))) && value.is_known())
            }
        }
    }

    fn structure(self) -> Expr {
        match self {
            Self::Leaf(expr) => expr,
            Self::List(items) => Expr::List(items.into_iter().map(Self::structure).collect()),
            Self::Map(fields) => {
                let fields = fields.into_iter().filter_map(|(key, value)| match key {
                    Expr::Literal(Value::String(key)) => Some((key.into(), value.structure())),
                    _ => None,
                });
                Expr::Map(fields.collect())
            }
        }
    }

    /// Writes JSON: what is known now to the end of `text`, and what is not to `parts`, with the text before it.
    fn write(self, parts: &mut Vec<Expr>, text: &mut String) {
        match self {
            Self::Leaf(expr) => leaf(expr, parts, text),
            Self::List(items) => {
                for (at, item) in items.into_iter().enumerate() {
                    text.push(if at == 0 { '[' } else { ',' });
                    item.write(parts, text);
                }
                text.push(']');
            }
            Self::Map(fields) => {
                for (at, (key, value)) in fields.into_iter().enumerate() {
                    text.push(if at == 0 { '{' } else { ',' });
                    leaf(key, parts, text);
                    text.push(':');
                    value.write(parts, text);
                }
                text.push('}');
            }
        }
    }
}

fn leaf(expr: Expr, parts: &mut Vec<Expr>, text: &mut String) {
    match expr {
        Expr::Literal(Value::String(known)) => text.push_str(&serde_json::Value::from(known.as_str()).to_string()),
        other => {
            parts.push(Expr::Literal(Value::String(std::mem::take(text).into())));
            parts.push(Expr::ToJson(Box::new(other)));
        }
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
    conditions: BTreeMap<String, Vec<(Expr, Vec<Expr>)>>,
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
    /// operator and key are alternatives. Keys have no case: `aws:SourceAccount` and `AWS:sourceaccount` are one.
    pub fn condition(
        mut self,
        operator: impl Into<String>,
        key: impl Into<Input<String>>,
        value: impl Into<AnyInput>,
    ) -> Self {
        let keys = self.conditions.entry(operator.into()).or_default();
        let (key, value) = (key.into().into_expr(), value.into().0);
        match keys.iter_mut().find(|(known, _)| is_one_key(known, &key)) {
            Some((_, values)) => append(values, value),
            None => {
                let mut values = Vec::new();
                append(&mut values, value);
                keys.push((key, values));
            }
        }
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

    fn into_document(self) -> Document {
        let mut fields = vec![named("Effect", Document::Leaf(literal(self.effect)))];
        fields.extend(self.sid.map(|sid| named("Sid", Document::Leaf(sid))));
        fields.extend(self.lists.into_iter().map(|(element, items)| named(element, one_or_list(items))));
        fields.extend(self.principals.into_iter().map(|(element, who)| {
            let who = match who {
                Who::Everyone => Document::Leaf(literal("*")),
                Who::These(kinds) => {
                    Document::Map(kinds.into_iter().map(|(kind, items)| named(kind, one_or_list(items))).collect())
                }
            };
            named(element, who)
        }));
        if !self.conditions.is_empty() {
            let operators = self.conditions.into_iter().map(|(operator, keys)| {
                let keys = keys.into_iter().map(|(key, values)| (key, one_or_list(values))).collect();
                named(&operator, Document::Map(keys))
            });
            fields.push(named("Condition", Document::Map(operators.collect())));
        }
        Document::Map(fields)
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

/// Whether two keys of conditions are one to AWS, which heeds no case in them. A policy that has both would say the same thing twice, and AWS takes
/// none like that.
fn is_one_key(a: &Expr, b: &Expr) -> bool {
    let bare = |key: &str| key.strip_prefix(SCHEME).unwrap_or(key).to_ascii_lowercase();
    match (a, b) {
        (Expr::Literal(Value::String(a)), Expr::Literal(Value::String(b))) => bare(a) == bare(b),
        _ => a == b,
    }
}

/// One text after the other; what is known already is put together at once.
fn joined(parts: impl IntoIterator<Item = Expr>) -> Expr {
    let mut joined: Vec<Expr> = Vec::new();
    for part in parts {
        match (joined.last_mut(), part) {
            (Some(Expr::Literal(Value::String(text))), Expr::Literal(Value::String(more))) => {
                *text = std::format!("{text}{more}").into();
            }
            (_, part) => joined.push(part),
        }
    }
    match (joined.len(), joined.pop()) {
        (1, Some(one)) => one,
        (_, last) => Expr::Concat(joined.into_iter().chain(last).collect()),
    }
}

/// Adds one, or all of a list that is written out.
fn append(list: &mut Vec<Expr>, expr: Expr) {
    match expr {
        Expr::List(items) => list.extend(items),
        one => list.push(one),
    }
}

fn one_or_list(mut items: Vec<Expr>) -> Document {
    match (items.len(), items.pop()) {
        (1, Some(one)) => Document::Leaf(one),
        (_, last) => Document::List(items.into_iter().chain(last).map(Document::Leaf).collect()),
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
