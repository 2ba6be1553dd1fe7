//! `phx schema`: the resource types, and the fields of one.

use std::fmt::Write;

use anyhow::anyhow;
use phx_model::schema::{Field, Identity, Kind, Schema};
use serde_json::{Value as Json, json};

use super::exit::{Exit, Usage};
use super::wiring::Context;
use super::{args, docs};
use crate::render::style::{DIM, STRONG, paint};
use crate::render::table::{properties, table};

/// `phx schema`
pub(crate) fn schema(cx: &Context, args: &args::Schema) -> anyhow::Result<Exit> {
    let all = phx_aws::schemas();
    if let Some(dir) = &args.docs {
        return docs::write(cx, all, dir);
    }
    let chosen: Vec<&Schema> = match &args.name {
        None => all,
        Some(name) => find(&all, name)?,
    };
    if cx.ui.json {
        cx.ui.answer(&json!({ "types": chosen.iter().map(|s| as_json(s)).collect::<Vec<_>>() }))?;
        return Ok(Exit::Done);
    }
    match (&args.name, &chosen[..]) {
        (Some(_), [one]) => cx.ui.text(&page(one))?,
        _ => {
            let rows: Vec<_> = chosen
                .iter()
                .map(|s| {
                    let (terraform, cloudformation) =
                        (s.terraform.unwrap_or_default(), s.cloudformation.unwrap_or_default());
                    [s.type_name.to_owned(), terraform.to_owned(), cloudformation.to_owned(), first_sentence(s.doc)]
                })
                .collect();
            cx.ui.text(&table(["TYPE", "TERRAFORM", "CLOUDFORMATION", ""], &rows))?;
        }
    }
    Ok(Exit::Done)
}

/// The types that go by a name: the whole one, or the last part of one.
fn find<'a>(all: &[&'a Schema], name: &str) -> anyhow::Result<Vec<&'a Schema>> {
    let is = |other: Option<&str>| other.is_some_and(|o| o.eq_ignore_ascii_case(name));
    let whole = |s: &&&Schema| is(Some(s.type_name)) || is(s.terraform) || is(s.cloudformation);
    let short = |s: &&&Schema| is(Some(s.short_name()));
    let found: Vec<&Schema> = match all.iter().find(whole) {
        Some(one) => vec![*one],
        None => all.iter().filter(short).copied().collect(),
    };
    if found.is_empty() {
        return Err(anyhow!(Usage(format!("there is no resource type {name:?}\n  hint: `phx schema` lists them"))));
    }
    Ok(found)
}

fn first_sentence(doc: &str) -> String {
    let line = doc.lines().map(str::trim).take_while(|l| !l.is_empty()).collect::<Vec<_>>().join(" ");
    let end = line.find(". ").map_or(line.len(), |at| at + 1);
    line[..end].trim_end_matches('.').to_owned()
}

/// What a field's attributes come to, in words.
fn notes(field: &Field) -> String {
    let words = [
        (field.required, "required"),
        (field.replace, "replaces"),
        (field.secret, "secret"),
        (field.write_only, "write-only"),
        (field.cloud_default, "AWS decides if unset"),
        (field.set, "unordered"),
    ];
    words.iter().filter(|(set, _)| *set).map(|(_, word)| *word).collect::<Vec<_>>().join(", ")
}

fn page(schema: &Schema) -> String {
    let mut rows = Vec::new();
    rows.extend(schema.terraform.map(|t| ("terraform", t.to_owned())));
    rows.extend(schema.cloudformation.map(|c| ("cloudformation", c.to_owned())));
    rows.push(("after a crash", identity(schema.identity).to_owned()));
    if !schema.unique.is_empty() {
        rows.push(("no two with the same", schema.unique.join(", ")));
    }
    let mut text = format!("{}\n{}\n\n{}", paint(STRONG, schema.type_name), schema.doc.trim(), properties(&rows));
    let _ = writeln!(text, "\n{}", paint(STRONG, "Fields"));
    let mut rows = Vec::new();
    fields(schema.fields, "", &mut rows);
    text.push_str(&table(["NAME", "TYPE", "NOTES", ""], &rows));
    if !schema.outputs.is_empty() {
        let _ = writeln!(text, "\n{} {}", paint(STRONG, "Outputs"), paint(DIM, "(AWS decides)"));
        let rows: Vec<_> = schema
            .outputs
            .iter()
            .map(|o| {
                let words = [(o.secret, "secret"), (o.volatile, "an update may change it")];
                let notes = words.iter().filter(|(set, _)| *set).map(|(_, w)| *w).collect::<Vec<_>>().join(", ");
                [o.name.to_owned(), o.kind.describe(), notes, first_sentence(o.doc)]
            })
            .collect();
        text.push_str(&table(["NAME", "TYPE", "NOTES", ""], &rows));
    }
    text
}

/// The fields, each block's under it.
fn fields(of: &[Field], prefix: &str, rows: &mut Vec<[String; 4]>) {
    for field in of {
        let kind = match block(&field.kind) {
            Some(_) => "block".to_owned(),
            None => field.kind.describe(),
        };
        let kind = if matches!(field.kind, Kind::List(Kind::Block(_))) { "list of blocks".to_owned() } else { kind };
        rows.push([format!("{prefix}{}", field.name), kind, notes(field), first_sentence(field.doc)]);
        if let Some(inner) = block(&field.kind) {
            fields(inner, &format!("{prefix}  "), rows);
        }
    }
}

fn block(kind: &Kind) -> Option<&'static [Field]> {
    match kind {
        Kind::Block(fields) => Some(fields),
        Kind::List(inner) | Kind::Map(inner) => block(inner),
        _ => None,
    }
}

fn identity(identity: Identity) -> &'static str {
    match identity {
        Identity::ClientToken => "found again by sending the same client token",
        Identity::NaturalKey => "found again by its name",
        Identity::IntentTag => "found again by a tag that phx sets",
        Identity::None => "cannot be found again: you are asked",
    }
}

fn as_json(schema: &Schema) -> Json {
    json!({
        "type": schema.type_name, "terraform": schema.terraform, "cloudformation": schema.cloudformation,
        "doc": schema.doc.trim(), "identity": schema.identity, "unique": schema.unique,
        "fields": schema.fields.iter().map(field_json).collect::<Vec<_>>(),
        "outputs": schema.outputs.iter().map(|o| json!({
            "name": o.name, "kind": o.kind.describe(), "doc": o.doc.trim(), "computed": true,
            "secret": o.secret, "volatile": o.volatile,
        })).collect::<Vec<_>>(),
    })
}

fn field_json(field: &Field) -> Json {
    let mut json = json!({
        "name": field.name, "kind": field.kind.describe(), "doc": field.doc.trim(), "required": field.required,
        "replace": field.replace, "computed": false, "secret": field.secret, "write_only": field.write_only,
        "cloud_default": field.cloud_default, "set": field.set,
    });
    if let Some(inner) = block(&field.kind) {
        json["fields"] = inner.iter().map(field_json).collect();
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doc_comment_is_shortened_to_its_first_sentence() {
        assert_eq!(first_sentence(" A range of\n addresses. And more.\n\n More."), "A range of addresses");
        assert_eq!(first_sentence("Only this."), "Only this");
        assert_eq!(first_sentence(""), "");
    }
}
