//! The guide from Terraform's `aws_*` to phx.

use std::collections::BTreeMap;

use phx_aws::terraform::{Row, Target};
use phx_model::schema::Schema;

use super::markdown::{code, table};
use super::{Known, service_of};

/// The chapter's first page: what is alike for all types, and where to find each of Terraform's.
pub(super) fn index(known: &Known) -> String {
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for schema in &known.schemas {
        if let Some(name) = schema.terraform {
            found.entry(name).or_default().push(link(schema, ".."));
        }
    }
    for part in &known.parts {
        let Some(schema) = known.schemas.iter().find(|s| s.type_name == part.type_name) else { continue };
        let fields: Vec<String> = part.fields.iter().map(|field| format!("`{field}`")).collect();
        let of = if fields.is_empty() { String::new() } else { format!("{} of ", fields.join(", ")) };
        found.entry(part.terraform).or_default().push(format!("{of}{}", link(schema, "..")));
    }
    let rows: Vec<_> = found.into_iter().map(|(name, places)| [code(name), places.join(", ")]).collect();
    let table = table(["Terraform", "phx"], &rows);
    include_str!("pages/terraform.md").replace("{{types}}", table.trim_end())
}

/// The chapter of a service.
pub(super) fn chapter(known: &Known, service: &str) -> String {
    let mut text = format!(
        "# {service}: from Terraform to phx\n\n[What is alike for all types](index.md#alike-for-all-types)\n\n"
    );
    for schema in known.of_service(service) {
        let title = schema.terraform.unwrap_or(schema.type_name);
        text += &format!("## {title} {{#{title}}}\n\n{} It is {}.\n\n", lead(schema), link(schema, ".."));
        if let Some(rows) = arguments(known, schema, "..") {
            text += &format!("{rows}\n");
        }
    }
    text
}

/// A sentence before the table.
pub(super) fn lead(schema: &Schema) -> String {
    match schema.terraform {
        Some(name) => format!("What becomes of the arguments of `{name}`."),
        None => "Terraform has no such resource.".to_owned(),
    }
}

/// The table of a type's arguments; none if nothing is known.
pub(super) fn arguments(known: &Known, schema: &Schema, root: &str) -> Option<String> {
    let of_type = |row: &&Row| row.type_name == schema.type_name;
    let (set, new): (Vec<&Row>, Vec<&Row>) =
        known.terraform.iter().filter(of_type).partition(|row| row.argument.is_some());
    if set.is_empty() {
        return None;
    }
    let rows: Vec<_> = set
        .iter()
        .filter(|row| !told_by_its_block(row, &set))
        .map(|row| [code(&shown(row.argument.unwrap_or_default())), place(known, row, root), row.note.to_owned()])
        .collect();
    let mut text = table(["Terraform", "phx", "to know"], &rows);
    if !new.is_empty() {
        let rows: Vec<_> = new.iter().map(|row| [place(known, row, root), row.note.to_owned()]).collect();
        text += "\nWhat phx has beyond the arguments of this resource:\n\n";
        text += &table(["phx", "to know"], &rows);
    }
    Some(text)
}

/// A part of a block that phx has nothing for, or says in JSON, is told with the block.
fn told_by_its_block(row: &Row, all: &[&Row]) -> bool {
    let Some((outer, _)) = row.argument.and_then(|argument| argument.rsplit_once('.')) else { return false };
    all.iter().any(|other| {
        other.argument == Some(outer)
            && !row.note.is_empty()
            && (other.targets(), other.note) == (row.targets(), row.note)
    })
}

fn shown(argument: &str) -> String {
    argument.strip_suffix(".**").unwrap_or(argument).to_owned()
}

fn place(known: &Known, row: &Row, root: &str) -> String {
    let targets = row.targets();
    if targets.is_empty() {
        return "–".to_owned();
    }
    let places: Vec<String> = targets
        .into_iter()
        .map(|target| match target {
            Target::Field { path, .. } => format!("`{path}`"),
            Target::Option("provider") => format!("[the provider context]({root}/options.md)"),
            Target::Option(name) => format!("[`Options::{name}`]({root}/options.md)"),
            Target::Other { type_name, field } => {
                let other = known.schemas.iter().find(|s| s.type_name == type_name);
                let other = other.map_or_else(|| format!("`{type_name}`"), |schema| link(schema, root));
                field.map_or_else(|| other.clone(), |field| format!("`{field}` of {other}"))
            }
        })
        .collect();
    places.join(", ")
}

fn link(schema: &Schema, root: &str) -> String {
    format!("[`{}`]({root}/aws/{}/{}.md)", schema.type_name, service_of(schema), schema.short_name())
}
