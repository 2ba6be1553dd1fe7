//! The page of a resource type.

use phx_aws::permissions::{Verb, When};
use phx_aws::terraform::block;
use phx_model::schema::{Field, Identity, Kind, OutputField, Schema};

use super::markdown::{code, doc, line, table};
use super::{Known, example, guide, service_of};

/// The page.
pub(super) fn page(known: &Known, schema: &Schema) -> String {
    let mut text = format!("# {}\n\n`{}`\n\n{}\n\n", schema.short_name(), schema.type_name, doc(schema.doc));
    text += &names(schema);
    text += &format!("## Example\n\n```rust\n{}```\n\n", example::program(schema));
    text += "Ids and ARNs come from the outputs of other resources, as `vpc.id()`, or are those of objects that phx does not manage.\n\n";
    text += &feature(known, service_of(schema));
    text += "## Fields\n\n";
    text += &format!(
        "What is required is taken by `{0}::new`, in this order; the others are set by chained calls. \
         [What the words mean](../../attributes.md).\n\n",
        schema.short_name()
    );
    text += &fields(schema.fields, "", "##");
    text += &outputs(schema.outputs);
    text += &crash(schema);
    text += &vanishing(known, schema);
    text += &reading(known, schema);
    text += &permissions(known, schema);
    text += &terraform(known, schema);
    text
}

fn names(schema: &Schema) -> String {
    let mut rows = Vec::new();
    if let Some(name) = schema.terraform {
        rows.push(["Terraform".to_owned(), code(name)]);
    }
    if let Some(name) = schema.cloudformation {
        rows.push(["CloudFormation".to_owned(), code(name)]);
    }
    if rows.is_empty() { String::new() } else { table(["elsewhere", "it is called"], &rows) + "\n" }
}

/// How a program comes to have a service's types.
pub(super) fn feature(known: &Known, service: &str) -> String {
    if known.default_features.contains(&service) {
        return format!("The cargo feature `{service}` is on by itself.\n\n");
    }
    format!(
        "In the program's `Cargo.toml`, the cargo feature `{service}` is named: `features = [\"{service}\"]` of the dependency `phx`, or `full` for all.\n\n"
    )
}

/// A table of fields, and a section for each block among them.
fn fields(of: &'static [Field], path: &str, level: &str) -> String {
    let full = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let rows: Vec<_> = of.iter().map(|field| row(field, &full(field.name), path.is_empty())).collect();
    let mut text = table(["field", "type", "required", "a change", "AWS's default", "what it is"], &rows) + "\n";
    // As deep as headings go; deeper blocks stand on the same level, told apart by their paths.
    let deeper = if level.len() < 4 { format!("{level}#") } else { level.to_owned() };
    for field in of {
        if let Some(parts) = block(&field.kind) {
            let path = full(field.name);
            text +=
                &format!("{deeper} {path} {{#{}}}\n\n{}{}", anchor(&path), shape(field), fields(parts, &path, &deeper));
        }
    }
    text
}

/// What a block is made with.
fn shape(field: &Field) -> String {
    let name = constructor(field.rust);
    let made = match field.kind {
        Kind::List(_) => format!("A list of `{name}::new(…)`."),
        Kind::Map(_) => format!("A map of names to `{name}::new(…)`."),
        _ => format!("`{name}::new(…)`."),
    };
    made + "\n\n"
}

/// The name of the innermost type: `Rule`, of `Vec<Rule>`.
pub(super) fn constructor(rust: &str) -> &str {
    let inner = rust.rsplit(['<', ',']).next().unwrap_or(rust).trim_end_matches('>');
    inner.rsplit("::").next().unwrap_or(inner)
}

fn row(field: &Field, path: &str, top: bool) -> [String; 6] {
    let name = match block(&field.kind) {
        Some(_) => format!("[`{}`](#{})", field.name, anchor(path)),
        None => format!("`{}`", field.name),
    };
    let change = match (field.replace, top) {
        (true, true) => "**replaces it**",
        (true, false) => "**replaces it**, if it was set",
        (false, _) => "in place",
    };
    [
        name,
        code(&rust(field)),
        if field.required { "yes" } else { "" }.to_owned(),
        change.to_owned(),
        aws_default(field).unwrap_or_default(),
        [said(field)].into_iter().chain(notes(field).map(str::to_owned)).collect::<Vec<_>>().join(" "),
    ]
}

/// The field's type as a program sees it: tags are called so.
fn rust(field: &Field) -> String {
    field.rust.replace(',', ", ")
}

/// What a comment says of what AWS does when the field is not set.
fn aws_default(field: &Field) -> Option<String> {
    let comment = line(field.doc);
    let (_, after) = comment.split_once("'s default: ")?;
    // To the end of the sentence, but not of an abbreviated number or version in it.
    let end = after.find(". ").unwrap_or(after.len());
    Some(after[..end].trim_end_matches('.').trim_end_matches(')').to_owned()).filter(|text| !text.is_empty())
}

/// The comment without the default, if that is a sentence of its own, since it stands in a column of its own.
fn said(field: &Field) -> String {
    let comment = line(field.doc);
    let Some(at) = comment.find("AWS's default: ").filter(|at| *at == 0 || comment[..*at].ends_with(". ")) else {
        return comment;
    };
    let end = comment[at..].find(". ").map_or(comment.len(), |end| at + end + 2);
    format!("{}{}", &comment[..at], &comment[end..]).trim_end().to_owned()
}

/// What the attributes come to.
fn notes(field: &Field) -> impl Iterator<Item = &'static str> {
    let tags = field.name == "tags";
    let words = [
        (field.secret, "*Secret: kept from view, encrypted in state.*"),
        (field.write_only, "*AWS never tells it: it is compared with what was last sent.*"),
        (field.cloud_default, "*AWS fills it in when it is not set: that is no drift.*"),
        (field.set, "*Its order means nothing.*"),
        (matches!(field.kind, Kind::Json) && field.normalize.is_none(), "*Compared as JSON.*"),
        (field.normalize.is_some(), "*Compared by what it means.*"),
        (tags, "*The stack's default tags are added.*"),
    ];
    words.into_iter().filter(|(holds, _)| *holds).map(|(_, words)| words)
}

/// The anchor of a block's section.
fn anchor(path: &str) -> String {
    format!("field-{}", path.replace(['.', '_'], "-"))
}

fn outputs(of: &[OutputField]) -> String {
    if of.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = of
        .iter()
        .map(|output| {
            let mut words = line(output.doc);
            if output.secret {
                words += " *Secret.*";
            }
            if output.volatile {
                words += " *An update may change it.*";
            }
            [code(output.name), code(&output.kind.describe()), words]
        })
        .collect();
    format!(
        "## Outputs\n\nWhat AWS decides: the handle that `add` returns has a method for each.\n\n{}\n",
        table(["output", "type", "what it is"], &rows)
    )
}

fn crash(schema: &Schema) -> String {
    let unique: Vec<String> = schema.unique.iter().map(|field| format!("`{field}`")).collect();
    let found = match schema.identity {
        Identity::ClientToken => {
            "The request carries a token; sent again with the same token, it is answered with the same object."
                .to_owned()
        }
        Identity::NaturalKey if unique.is_empty() => {
            "There is one of it where it belongs: it is found there, and adopted if it is this program's.".to_owned()
        }
        Identity::NaturalKey => {
            format!("It is found by what no two share ({}), and adopted if it is this program's.", unique.join(", "))
        }
        Identity::IntentTag => {
            "It is tagged with its intent (`phx:intent`) while it is made, and found by that tag.".to_owned()
        }
        Identity::None => "AWS offers nothing to find it by: you are asked.".to_owned(),
    };
    let mut text = format!("## After a crash\n\n{found} [How that works](../../crash.md).\n\n");
    if !unique.is_empty() {
        text += &format!(
            "No two living objects may have the same {}: a replacement that keeps them deletes the old object first.\n\n",
            unique.join(" and ")
        );
    }
    text
}

/// What goes with what.
fn vanishing(known: &Known, schema: &Schema) -> String {
    let mut text = String::new();
    if let Some(field) = schema.vanishes_with {
        text += &format!("It goes with the object that `{field}` names, without a call of its own.\n\n");
    }
    let own = schema.outputs.iter().find(|o| o.name == "id").map(|o| o.kind);
    // What is itself called by another object's id is not that object: a bucket's policy has the bucket's name.
    let named = |kind: &Kind, id: &str| matches!(kind, Kind::Id(name) if *name == id);
    let own = own
        .filter(|own| matches!(own, Kind::Id(id) if !schema.fields.iter().any(|f| f.required && named(&f.kind, id))));
    let parts: Vec<String> = known
        .schemas
        .iter()
        .filter(|other| {
            let field = other.vanishes_with.and_then(|field| other.field(field));
            matches!((field.map(|f| f.kind), own), (Some(Kind::Id(named)), Some(Kind::Id(own))) if named == own)
        })
        .map(|other| format!("[`{}`](../{}/{}.md)", other.type_name, service_of(other), other.short_name()))
        .collect();
    if !parts.is_empty() {
        text += &format!("With it go, without calls of their own: {}.\n\n", parts.join(", "));
    }
    if text.is_empty() { text } else { format!("## Deleting\n\n{text}") }
}

fn reading(known: &Known, schema: &Schema) -> String {
    let counts: Vec<_> = known.read_calls.iter().filter(|calls| calls.type_name == schema.type_name).collect();
    let Some((usual, others)) = counts.split_first() else { return String::new() };
    let calls = |n: usize| if n == 1 { "one call".to_owned() } else { format!("{n} calls") };
    let mut text = format!("## Reading\n\nA hundred of them are read with {}", calls(usual.calls));
    for other in others {
        text += &format!("; {}: {}", other.when, calls(other.calls));
    }
    text + ".\n\n"
}

fn permissions(known: &Known, schema: &Schema) -> String {
    let rows: Vec<_> = known
        .permissions
        .iter()
        .filter(|row| row.type_name == schema.type_name)
        .map(|row| {
            let verbs: Vec<&str> = row.verbs.iter().copied().map(Verb::name).collect();
            let when: Vec<String> = row
                .when
                .iter()
                .map(|when| match when {
                    When::Touched(field) => format!("`{field}` is set or changes"),
                    When::Set(field) => format!("`{field}` is set"),
                    When::Begins(field, text) => format!("`{field}` begins with `{text}`"),
                })
                .collect();
            [code(row.action), verbs.join(", "), when.join(", or "), line(row.note)]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!("## IAM actions\n\n{}\n", table(["action", "to", "if", "to know"], &rows))
}

fn terraform(known: &Known, schema: &Schema) -> String {
    match guide::arguments(known, schema, "../..") {
        Some(rows) => format!(
            "## From Terraform\n\n{} [What is alike for all types](../../terraform/index.md#alike-for-all-types).\n\n{rows}",
            guide::lead(schema)
        ),
        None => String::new(),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn the_innermost_type_is_what_a_block_is_made_with() {
        for (rust, name) in [("Rule", "Rule"), ("Vec<Rule>", "Rule"), ("BTreeMap<String,Vec<kube::Rule>>", "Rule")] {
            assert_eq!(constructor(rust), name);
        }
    }

    #[test]
    fn a_default_is_what_the_comment_says_up_to_the_end_of_its_sentence() {
        let field = |doc: &'static str| Field {
            name: "f",
            kind: Kind::String,
            rust: "String",
            doc,
            required: false,
            replace: false,
            secret: false,
            write_only: false,
            cloud_default: false,
            set: false,
            normalize: None,
        };
        for (doc, default) in [
            ("Whether it is on. AWS's default: no.", Some("no")),
            ("How. AWS's default: `0.0.0.0/0`. It can change.", Some("`0.0.0.0/0`")),
            ("The port.", None),
        ] {
            assert_eq!(aws_default(&field(doc)).as_deref(), default, "{doc}");
        }
        for (doc, rest) in [
            ("Whether it is on. AWS's default: no.", "Whether it is on."),
            ("How. AWS's default: `0.0.0.0/0`. It can change.", "How. It can change."),
            ("The port; AWS's default: 80.", "The port; AWS's default: 80."),
        ] {
            assert_eq!(said(&field(doc)), rest);
        }
    }
}
