//! Which IAM actions phx needs: for a type, for a verb of it, and for a plan as a policy.
//!
//! The facts are tables, `permissions/<service>.tsv`, compiled in. A line says that some verbs of a type need one action:
//!
//! | column | what it says |
//! |---|---|
//! | type | `aws:ec2:Vpc` |
//! | verbs | `read`, `create` (with what finishes it and what finds it again), `update`, `delete`, separated by commas |
//! | action | the IAM action |
//! | operation | the operation that needs it, as phx counts calls: `s3:HeadBucket`. `=`: of the action's own name. `-`: no call of phx's own; AWS asks for it beside one, and the note says why |
//! | when | only if one of these fields is set, or changes in an update. `=field`: is set, whatever changes. `=field=text`: begins with the text. Empty: always |
//! | resource | what the action is about, each by its name in `permissions/arns.tsv` or as a form of ARN. Empty: everything |
//! | condition | `key=value,value`, several separated by spaces |
//! | note | why, where the operation does not say it |
//!
//! Tests hold the tables against the sources (`tests/permissions.rs`), and the types' whole lives against the calls that they made
//! (`tests/kit`). The names are those of AWS's [Service Authorization
//! Reference](https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html); each table names its page.
//!
//! ```
//! use phx_aws::permissions::{Verb, of};
//!
//! let create: Vec<&str> = of("aws:logs:LogGroup").filter(|row| row.verbs.contains(&Verb::Create)).map(|row| row.action).collect();
//! assert!(create.contains(&"logs:CreateLogGroup"));
//! ```

mod arns;
mod grant;
mod policy;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::OnceLock;

pub use arns::{arn, partition};
pub(crate) use grant::GLOBAL;
pub use grant::{Grant, Place, Use, grants, grants_for_lookups};
pub use policy::{LIMIT, Policy, policies};

/// What is done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// It is read.
    Read,
    /// It is made, finished, and found again after a crash.
    Create,
    /// It is changed in place.
    Update,
    /// It is deleted.
    Delete,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::Create, Self::Update, Self::Delete];

    /// The word for it in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.name() == text)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// When an action is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The field is set; in an update: it changes. A part of a block is named with dots.
    Touched(&'static str),
    /// The field is set.
    Set(&'static str),
    /// The field is text that begins so.
    Begins(&'static str, &'static str),
}

/// One action that some verbs of a type need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The type.
    pub type_name: &'static str,
    /// The verbs.
    pub verbs: Vec<Verb>,
    /// The IAM action: `s3:ListBucket`.
    pub action: &'static str,
    /// The operation that needs it, as [`Aws::api_calls_by_operation`](crate::Aws::api_calls_by_operation) names it: `s3:HeadBucket`. `None`: AWS
    /// asks for the action beside another one.
    pub operation: Option<&'static str>,
    /// When: if any of these is so. Empty: always.
    pub when: Vec<When>,
    /// What it is about, in the forms of the tables. Empty: everything.
    pub resources: Vec<&'static str>,
    /// Keys of conditions and their values, in the forms of the tables.
    pub conditions: Vec<(&'static str, Vec<&'static str>)>,
    /// Why.
    pub note: &'static str,
}

/// The tables of the services that are compiled in.
const TABLES: &[&str] = &[
    #[cfg(feature = "acm")]
    include_str!("../permissions/acm.tsv"),
    #[cfg(feature = "autoscaling")]
    include_str!("../permissions/autoscaling.tsv"),
    #[cfg(feature = "backup")]
    include_str!("../permissions/backup.tsv"),
    #[cfg(feature = "budgets")]
    include_str!("../permissions/budgets.tsv"),
    #[cfg(feature = "ce")]
    include_str!("../permissions/ce.tsv"),
    #[cfg(feature = "cloudcontrol")]
    include_str!("../permissions/cloudcontrol.tsv"),
    #[cfg(feature = "cloudtrail")]
    include_str!("../permissions/cloudtrail.tsv"),
    #[cfg(feature = "cloudwatch")]
    include_str!("../permissions/cloudwatch.tsv"),
    #[cfg(feature = "config")]
    include_str!("../permissions/config.tsv"),
    #[cfg(feature = "dynamodb")]
    include_str!("../permissions/dynamodb.tsv"),
    #[cfg(feature = "ec2")]
    include_str!("../permissions/ec2.tsv"),
    #[cfg(feature = "ecr")]
    include_str!("../permissions/ecr.tsv"),
    #[cfg(feature = "eks")]
    include_str!("../permissions/eks.tsv"),
    #[cfg(feature = "elbv2")]
    include_str!("../permissions/elbv2.tsv"),
    #[cfg(feature = "events")]
    include_str!("../permissions/events.tsv"),
    #[cfg(feature = "guardduty")]
    include_str!("../permissions/guardduty.tsv"),
    #[cfg(feature = "iam")]
    include_str!("../permissions/iam.tsv"),
    #[cfg(feature = "kms")]
    include_str!("../permissions/kms.tsv"),
    #[cfg(feature = "logs")]
    include_str!("../permissions/logs.tsv"),
    #[cfg(feature = "rds")]
    include_str!("../permissions/rds.tsv"),
    #[cfg(feature = "route53")]
    include_str!("../permissions/route53.tsv"),
    #[cfg(feature = "s3")]
    include_str!("../permissions/s3.tsv"),
    #[cfg(feature = "secretsmanager")]
    include_str!("../permissions/secretsmanager.tsv"),
    #[cfg(feature = "securityhub")]
    include_str!("../permissions/securityhub.tsv"),
    #[cfg(feature = "sns")]
    include_str!("../permissions/sns.tsv"),
    #[cfg(feature = "sqs")]
    include_str!("../permissions/sqs.tsv"),
    #[cfg(feature = "ssm")]
    include_str!("../permissions/ssm.tsv"),
    #[cfg(feature = "wafv2")]
    include_str!("../permissions/wafv2.tsv"),
];

const LOOKUPS: &str = include_str!("../permissions/lookups.tsv");

/// The lines of a table, each as its columns, of which those at the end may be left out.
fn lines(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let told = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    told.map(|line| line.split('\t').map(str::trim).collect())
}

/// A line as a row; `None` if it is none.
fn row(columns: &[&'static str]) -> Option<Row> {
    let column = |at: usize| columns.get(at).copied().unwrap_or_default();
    let (type_name, action) = (column(0), column(2));
    let operation = match column(3) {
        "=" => Some(action),
        "-" => None,
        named => Some(named).filter(|name| name.contains(':')).map(Some)?,
    };
    let when = column(4).split_whitespace().map(|text| match text.strip_prefix('=') {
        None => When::Touched(text),
        Some(set) => set.split_once('=').map_or(When::Set(set), |(field, begin)| When::Begins(field, begin)),
    });
    let conditions = column(6).split_whitespace().map(|text| {
        let (key, values) = text.split_once('=')?;
        Some((key, values.split(',').collect()))
    });
    let named = type_name.starts_with("aws:") && action.contains(':') && columns.len() <= 8;
    named.then_some(Row {
        type_name,
        verbs: column(1).split(',').map(Verb::parse).collect::<Option<_>>()?,
        action,
        operation,
        when: when.collect(),
        resources: column(5).split_whitespace().collect(),
        conditions: conditions.collect::<Option<_>>()?,
        note: column(7),
    })
}

/// All rows of the services that are compiled in.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    // A test holds that every line is a row.
    ROWS.get_or_init(|| TABLES.iter().flat_map(|table| lines(table)).filter_map(|line| row(&line)).collect())
}

/// What lookups need, whichever services are compiled in: their type is their name with `lookup` in it (`aws:lookup:ec2:Ami`).
pub fn lookups() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| lines(LOOKUPS).filter_map(|line| row(&line)).collect())
}

/// A type's rows.
pub fn of(type_name: &str) -> impl Iterator<Item = &'static Row> {
    rows().iter().filter(move |row| row.type_name == type_name)
}

/// Whether a type's rows say what one of its verbs needs for an operation (`s3:HeadBucket`).
pub fn covers(type_name: &str, verb: Verb, operation: &str) -> bool {
    // The one operation that nobody needs a permission for.
    operation == "sts:GetCallerIdentity"
        || of(type_name).any(|row| row.operation == Some(operation) && row.verbs.contains(&verb))
}
