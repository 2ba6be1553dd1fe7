#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use phx_aws::terraform::block;
use phx_model::schema::Field;

use super::*;

fn known() -> Known {
    Known {
        schemas: phx_aws::schemas(),
        terraform: phx_aws::terraform::rows().unwrap(),
        parts: phx_aws::terraform::parts().unwrap(),
        read_calls: phx_aws::read_calls::all().collect(),
        permissions: phx_aws::permissions::rows(),
        default_features: &["ec2", "iam", "logs", "s3"],
    }
}

fn page(type_name: &str) -> String {
    // What is needed in IAM is no matter of form, and has tests of its own.
    let known = Known { permissions: &[], ..known() };
    let schema = known.schemas.iter().find(|s| s.type_name == type_name).unwrap();
    type_page::page(&known, schema)
}

#[test]
fn a_page_of_a_simple_type() {
    insta::assert_snapshot!(page("aws:iam:RolePolicyAttachment"));
}

#[test]
fn a_page_of_a_type_with_blocks_in_lists() {
    insta::assert_snapshot!(page("aws:ec2:NetworkAcl"));
}

#[test]
fn a_chapter_of_the_guide() {
    insta::assert_snapshot!(guide::chapter(&known(), "logs"));
}

#[test]
fn the_same_types_make_the_same_book() {
    assert_eq!(book(&known()), book(&known()));
}

/// The links of a page: targets, without what goes to the web.
fn links(text: &str) -> Vec<&str> {
    let mut code = false;
    let lines = text.lines().filter(|line| {
        let fence = line.starts_with("```");
        code ^= fence;
        !code && !fence
    });
    lines
        .flat_map(|line| line.match_indices("](").map(move |(at, _)| &line[at + 2..]))
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        .filter(|target| !target.starts_with("http"))
        .collect()
}

/// The anchors of a page, as mdBook makes them of headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings =
        text.lines().filter_map(|line| line.strip_prefix('#').map(|rest| rest.trim_start_matches('#').trim()));
    headings
        .map(|heading| match heading.split_once(" {#") {
            Some((_, id)) => id.trim_end_matches('}').to_owned(),
            None => heading
                .to_lowercase()
                .chars()
                .filter_map(|c| match c {
                    ' ' => Some('-'),
                    c if c.is_alphanumeric() || c == '_' || c == '-' => Some(c),
                    _ => None,
                })
                .collect(),
        })
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let book = book(&known());
    let mut wrong = Vec::new();
    for (path, text) in book.iter().filter(|(path, _)| path.ends_with(".md")) {
        for link in links(text) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let mut there = PathBuf::from(path);
            if !file.is_empty() {
                there.pop();
                for part in Path::new(file).components() {
                    match part {
                        std::path::Component::ParentDir => assert!(there.pop(), "{path}: {link}"),
                        part => there.push(part),
                    }
                }
            }
            match book.get(there.to_str().unwrap()) {
                Some(target) if anchor.is_empty() || anchors(target).contains(anchor) => {}
                _ => wrong.push(format!("{path}: {link}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_is_in_the_contents_once_and_every_type_has_one() {
    let (book, known) = (book(&known()), known());
    let mut listed = links(&book["src/SUMMARY.md"]);
    let pages: BTreeSet<&str> =
        book.keys().filter_map(|p| p.strip_prefix("src/")).filter(|p| *p != "SUMMARY.md").collect();
    listed.sort_unstable();
    assert_eq!(listed, pages.into_iter().collect::<Vec<_>>());
    for schema in &known.schemas {
        let page = &book[&format!("src/aws/{}/{}.md", service_of(schema), schema.short_name())];
        for field in schema.fields {
            assert!(page.contains(&format!("`{}`", field.name)), "{}.{}", schema.type_name, field.name);
        }
        assert!(page.contains("https://docs.aws.amazon.com/"), "{}: no page of AWS's", schema.type_name);
    }
}

#[test]
fn no_two_sections_of_a_page_have_the_same_anchor() {
    for (path, text) in book(&known()) {
        let explicit: Vec<&str> = text.lines().filter_map(|l| l.split_once(" {#").map(|(_, id)| id)).collect();
        let different: BTreeSet<&&str> = explicit.iter().collect();
        assert_eq!(explicit.len(), different.len(), "{path}");
    }
}

/// The blocks in fields, and those in them, by the names that their pages have for them.
fn blocks(fields: &'static [Field]) -> Vec<&'static str> {
    let inner = fields.iter().filter_map(|field| Some((field, block(&field.kind)?)));
    inner.flat_map(|(field, parts)| [vec![type_page::constructor(field.rust)], blocks(parts)].concat()).collect()
}

/// The examples of a service as a module of the crate `examples/reference`, which compiles and runs them.
fn examples(known: &Known, service: &str) -> String {
    let (mut modules, mut list) = (String::new(), String::new());
    for schema in known.of_service(service) {
        let name = example::snake_case(schema.short_name());
        modules += &format!("\nmod {name}_example {{\n");
        for line in example::program(schema).replace("fn program(", "pub(super) fn program(").lines() {
            modules += &if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") };
        }
        modules += "}\n";
        list += &format!("    (\"{}\", {name}_example::program),\n", schema.type_name);
    }
    let blocks: BTreeSet<&str> = known.of_service(service).flat_map(|schema| blocks(schema.fields)).collect();
    if !blocks.is_empty() {
        let blocks: Vec<&str> = blocks.into_iter().collect();
        modules += &format!(
            "\n/// What the pages name, by that name.\n#[allow(unused_imports)]\nmod blocks {{\n    use phx::aws::{service}::{{{}}};\n}}\n",
            blocks.join(", ")
        );
    }
    format!(
        "//! The examples of `{service}` in the reference. Made by `engine/cli/src/docs/tests.rs`.\n\n\
         /// The examples by their types.\npub(crate) const ALL: &[crate::Example] = &[\n{list}];\n{modules}"
    )
}

/// What compiles and runs them all.
fn examples_lib(services: &[&str]) -> String {
    let modules: String = services.iter().map(|service| format!("#[rustfmt::skip]\nmod {service};\n")).collect();
    let all: String = services.iter().map(|service| format!("        {service}::ALL,\n")).collect();
    let frame = include_str!("tests/examples_lib.rs.txt");
    frame.replace("// {{modules}}\n", &modules).replace("        // {{all}}\n", &all)
}

#[test]
fn what_compiles_the_examples_has_all_of_them() {
    let known = known();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/reference/src");
    let mut files: Vec<(String, String)> =
        known.services().iter().map(|service| (format!("{service}.rs"), examples(&known, service))).collect();
    files.push((
        "network.rs".to_owned(),
        include_str!("pages/network.rs.txt").replacen("fn program(", "pub(crate) fn program(", 1),
    ));
    // Only with all services there is it known which they are.
    let there = |name: &str| known.schemas.iter().any(|s| s.type_name == name);
    if known.terraform.iter().all(|row| there(row.type_name)) {
        files.push(("lib.rs".to_owned(), examples_lib(&known.services())));
    }
    for (file, want) in files {
        let path = folder.join(&file);
        if std::env::var_os("PHX_BLESS").is_some_and(|set| set == "1") {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &want).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == want,
            "{} is not what the reference shows\nrenew it: PHX_BLESS=1 cargo test -p phx --features full docs",
            path.display()
        );
    }
}
