//! From Terraform's `aws_*` to phx: what becomes of each argument of a resource.
//!
//! The rows stand in `terraform/<service>.tsv`, one an argument of a resource of Terraform's AWS provider 5.100.0, as `terraform providers schema`
//! names it (nested blocks with a dot), in the columns
//!
//! | column | what stands there |
//! |---|---|
//! | type | phx's: `aws:ec2:Vpc` |
//! | Terraform's type | `aws_vpc` |
//! | argument | `cidr_block`, `timeouts.create`; `rule.statement.**` is an argument with everything in it; `-` if Terraform has none |
//! | field | where it is said in phx, see [`Target`]; several with commas; `-` nowhere |
//! | note | what else there is to know, or why it is nowhere |
//!
//! `terraform/parts.tsv` names the resources of Terraform's that phx has as fields of another type: see [`parts`].
//!
//! What is alike for all types has no rows: `id`, `tags_all` and attributes that only AWS sets are outputs, `timeouts` are
//! [`Options`](phx_model::Options), and `region` is the provider context's. `tests/terraform.rs` compares the rows with the schemas.

use phx_model::schema::{Field, Kind, Schema};

/// What becomes of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// phx's type.
    pub type_name: &'static str,
    /// Terraform's.
    pub terraform: &'static str,
    /// The argument, nested ones with dots. `None`: phx has a field, and Terraform no argument.
    pub argument: Option<&'static str>,
    /// Where phx says it, as it stands in the table; [`targets`](Self::targets) reads it.
    field: &'static str,
    /// What else there is to know. Of an argument that phx does not have, why.
    pub note: &'static str,
}

/// Where phx says what an argument says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// In a field: `options.tunnel_options`.
    Field {
        /// Its path.
        path: &'static str,
        /// Whether everything in it belongs to the argument too: `path.**` in the table.
        whole: bool,
    },
    /// In another resource: `other:aws:ec2:Route.destination_cidr_block`.
    Other {
        /// Its type.
        type_name: &'static str,
        /// A field of it.
        field: Option<&'static str>,
    },
    /// In the resource's [`Options`](phx_model::Options): `option:retain`.
    Option(&'static str),
}

impl Row {
    /// Where phx says it; empty if nowhere.
    pub fn targets(&self) -> Vec<Target> {
        self.field.split(',').filter(|target| *target != "-").map(target).collect()
    }

    /// Whether the row is about a field of the type, or about one that it is in.
    pub fn reaches(&self, path: &str) -> bool {
        let below = |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
        self.targets().into_iter().any(|target| match target {
            Target::Field { path: reached, whole } => {
                reached == path || below(path, reached) || whole && below(reached, path)
            }
            _ => false,
        })
    }
}

fn target(text: &'static str) -> Target {
    if let Some(option) = text.strip_prefix("option:") {
        return Target::Option(option);
    }
    if let Some(other) = text.strip_prefix("other:") {
        return match other.split_once('.') {
            Some((type_name, field)) => Target::Other { type_name, field: Some(field) },
            None => Target::Other { type_name: other, field: None },
        };
    }
    match text.strip_suffix(".**") {
        Some(path) => Target::Field { path, whole: true },
        None => Target::Field { path: text, whole: false },
    }
}

/// The field of a type that a path names, through blocks and lists of them.
pub fn field(schema: &Schema, path: &str) -> Option<&'static Field> {
    let mut parts = path.split('.');
    let mut at = schema.field(parts.next()?)?;
    for part in parts {
        at = block(&at.kind)?.iter().find(|field| field.name == part)?;
    }
    Some(at)
}

/// The fields of a block, of a list of blocks or of a map of them.
pub fn block(kind: &Kind) -> Option<&'static [Field]> {
    match kind {
        Kind::Block(fields) => Some(fields),
        Kind::List(inner) | Kind::Map(inner) => block(inner),
        _ => None,
    }
}

/// The rows of all services, those of a type together. The error is a line that is not of this form.
pub fn rows() -> Result<Vec<Row>, &'static str> {
    SERVICES.iter().flat_map(|table| table.lines()).filter(|line| !line.starts_with('#')).map(row).collect()
}

fn row(line: &'static str) -> Result<Row, &'static str> {
    let mut columns = line.split('\t');
    let mut next = || columns.next().filter(|column| !column.is_empty());
    let (Some(type_name), Some(terraform), Some(argument), Some(field)) = (next(), next(), next(), next()) else {
        return Err(line);
    };
    let note = next().unwrap_or_default();
    // Whoever leaves out both sides says nothing, and what is left out needs a reason.
    if columns.next().is_some() || field == "-" && (argument == "-" || note.is_empty()) {
        return Err(line);
    }
    Ok(Row { type_name, terraform, argument: Some(argument).filter(|argument| *argument != "-"), field, note })
}

/// A resource of Terraform's that phx has as a part of another type, or as a type under another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Terraform's type: `aws_s3_bucket_versioning`.
    pub terraform: &'static str,
    /// phx's type: `aws:s3:Bucket`.
    pub type_name: &'static str,
    /// The fields of it; none if it is the whole type.
    pub fields: Vec<&'static str>,
}

/// The parts, which stand in `terraform/parts.tsv`. The error is a line that is not of its form.
pub fn parts() -> Result<Vec<Part>, &'static str> {
    let lines = include_str!("../terraform/parts.tsv").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
            [terraform, type_name, fields] => {
                let fields = fields.split(',').filter(|field| *field != "-").collect();
                Ok(Part { terraform, type_name, fields })
            }
            _ => Err(line),
        })
        .collect()
}

/// A program is told of every service, whichever it builds: who looks for a type finds out which feature has it.
const SERVICES: &[&str] = &[
    include_str!("../terraform/acm.tsv"),
    include_str!("../terraform/autoscaling.tsv"),
    include_str!("../terraform/backup.tsv"),
    include_str!("../terraform/budgets.tsv"),
    include_str!("../terraform/ce.tsv"),
    include_str!("../terraform/cloudcontrol.tsv"),
    include_str!("../terraform/cloudtrail.tsv"),
    include_str!("../terraform/cloudwatch.tsv"),
    include_str!("../terraform/config.tsv"),
    include_str!("../terraform/dynamodb.tsv"),
    include_str!("../terraform/ec2.tsv"),
    include_str!("../terraform/ecr.tsv"),
    include_str!("../terraform/eks.tsv"),
    include_str!("../terraform/elbv2.tsv"),
    include_str!("../terraform/events.tsv"),
    include_str!("../terraform/guardduty.tsv"),
    include_str!("../terraform/iam.tsv"),
    include_str!("../terraform/kms.tsv"),
    include_str!("../terraform/logs.tsv"),
    include_str!("../terraform/rds.tsv"),
    include_str!("../terraform/route53.tsv"),
    include_str!("../terraform/s3.tsv"),
    include_str!("../terraform/secretsmanager.tsv"),
    include_str!("../terraform/securityhub.tsv"),
    include_str!("../terraform/sns.tsv"),
    include_str!("../terraform/sqs.tsv"),
    include_str!("../terraform/ssm.tsv"),
    include_str!("../terraform/wafv2.tsv"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_becomes_of_an_argument() {
        let read = |line: &'static str| row(line).map(|row| row.targets());
        let field = |path, whole| Target::Field { path, whole };
        assert_eq!(read("aws:a:B\taws_b\tx\ty.z"), Ok(vec![field("y.z", false)]));
        assert_eq!(read("aws:a:B\taws_b\tx\ty.**,z\tnote"), Ok(vec![field("y", true), field("z", false)]));
        assert_eq!(read("aws:a:B\taws_b\tx\toption:retain"), Ok(vec![Target::Option("retain")]));
        assert_eq!(
            read("aws:a:B\taws_b\tx\tother:aws:c:D.e"),
            Ok(vec![Target::Other { type_name: "aws:c:D", field: Some("e") }])
        );
        assert_eq!(read("aws:a:B\taws_b\tx\t-\twhy"), Ok(vec![]));
        for wrong in ["aws:a:B\taws_b\tx\t-", "aws:a:B\taws_b\t-\t-\twhy", "aws:a:B\taws_b\tx", "a\tb\tc\td\te\tf"] {
            assert_eq!(read(wrong), Err(wrong));
        }
    }

    #[test]
    fn a_row_reaches_its_field_what_that_is_in_and_if_it_says_so_what_is_in_that() {
        let reaches = |field: &'static str, path: &str| {
            Row { type_name: "", terraform: "", argument: None, field, note: "" }.reaches(path)
        };
        assert!(reaches("a.b", "a.b") && reaches("a.b", "a") && reaches("a.**", "a.b.c"));
        assert!(!reaches("a.b", "a.b.c") && !reaches("a.b", "a.bc") && !reaches("a.bc", "a.b"));
    }
}
