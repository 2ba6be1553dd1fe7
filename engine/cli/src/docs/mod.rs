//! The reference of all resource types as an mdBook, written from the schemas: `phx schema --docs DIR`.
//!
//! Everything here is a function from what is known to text; `cli::docs` writes the files. Same types, same book, byte for byte.

mod example;
mod guide;
mod markdown;
mod service;
#[cfg(test)]
mod tests;
mod type_page;

use std::collections::BTreeMap;

use phx_aws::permissions;
use phx_aws::read_calls::ReadCalls;
use phx_aws::terraform::{Part, Row};
use phx_model::schema::Schema;

/// What a book is written from.
pub(crate) struct Known {
    /// The types.
    pub schemas: Vec<&'static Schema>,
    /// What becomes of Terraform's arguments.
    pub terraform: Vec<Row>,
    /// What Terraform has as resources of their own.
    pub parts: Vec<Part>,
    /// How many calls reading a hundred objects takes.
    pub read_calls: Vec<ReadCalls>,
    /// Which IAM actions the types need.
    pub permissions: &'static [permissions::Row],
    /// The cargo features that a program has without naming any.
    pub default_features: &'static [&'static str],
}

impl Known {
    /// The types of a service, in the order of their names.
    fn of_service(&self, service: &str) -> impl Iterator<Item = &'static Schema> {
        let mut schemas: Vec<_> = self.schemas.iter().copied().filter(|s| service_of(s) == service).collect();
        schemas.sort_by_key(|s| s.type_name);
        schemas.into_iter()
    }

    /// The services that have types here, in the order of their names.
    fn services(&self) -> Vec<&'static str> {
        let mut services: Vec<_> = self.schemas.iter().map(|s| service_of(s)).collect();
        services.sort_unstable();
        services.dedup();
        services
    }
}

/// `ec2`, of `aws:ec2:Vpc`: the module and the cargo feature.
fn service_of(schema: &Schema) -> &'static str {
    schema.type_name.split(':').nth(1).unwrap_or(schema.type_name)
}

/// The pages that are the same for every book.
const PAGES: [(&str, &str); 5] = [
    ("src/index.md", include_str!("pages/index.md")),
    ("src/attributes.md", include_str!("pages/attributes.md")),
    ("src/options.md", include_str!("pages/options.md")),
    ("src/crash.md", include_str!("pages/crash.md")),
    ("src/terraform/network.md", include_str!("pages/network.md")),
];

const BOOK_TOML: &str = "\
# Made by `phx schema --docs`, as everything in this folder.
[book]
title = \"phx: resource types\"
language = \"en\"
src = \"src\"

[output.html]
smart-punctuation = false

# The examples need phx, which a playground does not have.
[output.html.playground]
runnable = false

[output.html.fold]
enable = true
level = 1
";

/// The book: its files by their paths, with `/`.
pub(crate) fn book(known: &Known) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = PAGES
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.replace("{{network.rs}}", include_str!("pages/network.rs.txt"))))
        .collect();
    files.insert("book.toml".to_owned(), BOOK_TOML.to_owned());
    files.insert("src/SUMMARY.md".to_owned(), summary(known));
    files.insert("src/terraform/index.md".to_owned(), guide::index(known));
    for service in known.services() {
        files.insert(format!("src/aws/{service}/index.md"), service::page(known, service));
        files.insert(format!("src/terraform/{service}.md"), guide::chapter(known, service));
        for schema in known.of_service(service) {
            files.insert(format!("src/aws/{service}/{}.md", schema.short_name()), type_page::page(known, schema));
        }
    }
    files
}

fn summary(known: &Known) -> String {
    let mut text = "# Summary\n\n[phx](index.md)\n\n# For all types\n\n\
                    - [Fields and their attributes](attributes.md)\n\
                    - [Options of a resource](options.md)\n\
                    - [After a crash](crash.md)\n\n\
                    # From Terraform\n\n\
                    - [From Terraform to phx](terraform/index.md)\n    - [A network, twice](terraform/network.md)\n"
        .to_owned();
    let services = known.services();
    for service in &services {
        text += &format!("    - [{service}](terraform/{service}.md)\n");
    }
    text += "\n# Resource types\n\n";
    for service in services {
        text += &format!("- [{service}](aws/{service}/index.md)\n");
        for schema in known.of_service(service) {
            text += &format!("    - [{0}](aws/{service}/{0}.md)\n", schema.short_name());
        }
    }
    text
}
