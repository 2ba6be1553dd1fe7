//! The page of a service.

use phx_model::schema::Schema;

use super::markdown::{code, first_sentence, table};
use super::{Known, type_page};

/// The page.
pub(super) fn page(known: &Known, service: &str) -> String {
    let rows: Vec<_> = known.of_service(service).map(row).collect();
    format!(
        "# {service}\n\n`use phx::aws::{service}::…;`\n\n{}{}\n[From Terraform to phx, argument by argument](../../terraform/{service}.md)\n",
        type_page::feature(known, service),
        table(["type", "Terraform", "CloudFormation", "what it is"], &rows),
    )
}

fn row(schema: &'static Schema) -> [String; 4] {
    let name = schema.short_name();
    [
        format!("[`{name}`]({name}.md)"),
        code(schema.terraform.unwrap_or_default()),
        code(schema.cloudformation.unwrap_or_default()),
        first_sentence(schema.doc),
    ]
}
