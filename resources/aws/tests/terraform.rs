//! The rows of `terraform/` against the schemas: each leads to a field that there is, and each field is reached.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use phx_aws::terraform::{Row, Target, block, field, parts, rows};
use phx_model::schema::{Field, Schema};
use serde_json::Value as Json;

fn schemas() -> BTreeMap<&'static str, &'static Schema> {
    phx_aws::schemas().into_iter().map(|s| (s.type_name, s)).collect()
}

/// What [`Options`](phx_model::Options) can say. `provider` stands for where a resource lies altogether.
const OPTIONS: &[&str] = &["create_timeout", "provider", "replace_on", "retain"];

#[test]
fn every_row_leads_to_something_that_there_is() {
    let schemas = schemas();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for row in rows().unwrap() {
        let Some(schema) = schemas.get(row.type_name) else {
            // Another service's, which is not built here.
            if cfg!(feature = "full") {
                panic!("{row:?}: there is no such type");
            }
            continue;
        };
        let mut complain = |why: &str| wrong.push(format!("{row:?}: {why}"));
        if schema.terraform != Some(row.terraform) {
            complain("the type is called otherwise in Terraform");
        }
        if !seen.insert((
            row.type_name,
            row.argument,
            row.argument.is_none().then(|| row.targets()).map(|t| format!("{t:?}")),
        )) {
            complain("it stands there twice");
        }
        for target in row.targets() {
            match target {
                Target::Field { path, whole } => match field(schema, path) {
                    None => complain("there is no such field"),
                    Some(field) if whole && block(&field.kind).is_none() => complain("there is nothing in the field"),
                    Some(_) => {}
                },
                Target::Option(option) if OPTIONS.contains(&option) => {}
                Target::Option(_) => complain("there is no such option"),
                Target::Other { type_name, field: path } => match (schemas.get(type_name), path) {
                    (Some(other), Some(path)) if field(other, path).is_none() => {
                        complain("the other type has no such field")
                    }
                    (None, _) if cfg!(feature = "full") => complain("there is no such type"),
                    _ => {}
                },
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_part_is_a_field_that_there_is() {
    let schemas = schemas();
    for part in parts().unwrap() {
        let Some(schema) = schemas.get(part.type_name) else {
            if cfg!(feature = "full") {
                panic!("{part:?}: there is no such type");
            }
            continue;
        };
        for name in &part.fields {
            assert!(schema.field(name).is_some(), "{part:?}: there is no field {name}");
        }
        assert!(schemas.values().all(|s| s.terraform != Some(part.terraform)), "{part:?} is a type of its own");
    }
}

#[test]
fn every_field_is_reached() {
    let rows = rows().unwrap();
    let mut wrong = Vec::new();
    for schema in phx_aws::schemas().into_iter().filter(|schema| schema.terraform.is_some()) {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.type_name == schema.type_name).collect();
        each_path(schema.fields, "", &mut |path| {
            if !rows.iter().any(|row| row.reaches(path)) {
                wrong.push(format!("{}\t{}\t-\t{path}", schema.type_name, schema.terraform.unwrap_or_default()));
            }
        });
    }
    assert!(
        wrong.is_empty(),
        "no row of terraform/ reaches these; where Terraform has no argument, the line is\n{}",
        wrong.join("\n")
    );
}

fn each_path(fields: &[Field], outer: &str, visit: &mut impl FnMut(&str)) {
    for field in fields {
        let path = if outer.is_empty() { field.name.to_owned() } else { format!("{outer}.{}", field.name) };
        visit(&path);
        if let Some(parts) = block(&field.kind) {
            each_path(parts, &path, visit);
        }
    }
}

/// The arguments that the provider's schema has for a resource: what can be set, but for what is alike for all types.
fn arguments(resource: &Json) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(&resource["block"], "", &mut found);
    found.retain(|path| {
        let first = path.split('.').next().unwrap();
        first != "timeouts" && !["id", "region", "tags_all"].contains(&path.as_str())
    });
    found
}

fn walk(block: &Json, outer: &str, found: &mut BTreeSet<String>) {
    let path = |name: &str| if outer.is_empty() { name.to_owned() } else { format!("{outer}.{name}") };
    for (name, attribute) in block["attributes"].as_object().into_iter().flatten() {
        let is = |what: &str| attribute[what].as_bool().unwrap_or(false);
        if is("computed") && !is("optional") && !is("required") {
            continue;
        }
        found.insert(path(name));
        walk(&attribute["nested_type"], &path(name), found);
        walk_type(&attribute["type"], &path(name), found);
    }
    for (name, inner) in block["block_types"].as_object().into_iter().flatten() {
        found.insert(path(name));
        walk(&inner["block"], &path(name), found);
    }
}

/// `["set", ["object", {"cidr_block": "string"}]]`
fn walk_type(kind: &Json, outer: &str, found: &mut BTreeSet<String>) {
    match (kind[0].as_str(), kind[1].as_object()) {
        (Some("object"), Some(parts)) => {
            for (name, inner) in parts {
                found.insert(format!("{outer}.{name}"));
                walk_type(inner, &format!("{outer}.{name}"), found);
            }
        }
        (Some(_), _) => walk_type(&kind[1], outer, found),
        _ => {}
    }
}

/// Needs `terraform` and, in `PHX_TF_MIRROR`, a folder of providers (the one above `registry.terraform.io`) with version 5.100.0 of the AWS provider.
#[test]
#[ignore = "needs Terraform and its AWS provider"]
fn the_arguments_are_all_of_the_providers_and_no_others() {
    let mirror = std::env::var("PHX_TF_MIRROR").expect("PHX_TF_MIRROR");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("terraform-schema");
    std::fs::create_dir_all(&folder).unwrap();
    let provider = "terraform {\n  required_providers {\n    aws = {\n      source  = \"hashicorp/aws\"\n      version = \"5.100.0\"\n    }\n  }\n}\n";
    std::fs::write(folder.join("main.tf"), provider).unwrap();
    let config = format!("provider_installation {{\n  filesystem_mirror {{\n    path = {mirror:?}\n  }}\n}}\n");
    std::fs::write(folder.join("terraform.rc"), config).unwrap();
    let terraform = |arguments: &[&str]| {
        let mut command = Command::new("terraform");
        command.args(arguments).current_dir(&folder).env("TF_CLI_CONFIG_FILE", folder.join("terraform.rc"));
        let done = command.env("CHECKPOINT_DISABLE", "1").output().unwrap();
        assert!(done.status.success(), "terraform {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    };
    terraform(&["init", "-input=false"]);
    let schema: Json = serde_json::from_slice(&terraform(&["providers", "schema", "-json"])).unwrap();
    let resources = &schema["provider_schemas"]["registry.terraform.io/hashicorp/aws"]["resource_schemas"];
    let rows = rows().unwrap();
    let mut wrong = Vec::new();
    let unknown = |part: &phx_aws::terraform::Part| resources[part.terraform].is_null();
    wrong.extend(parts().unwrap().into_iter().filter(unknown).map(|part| format!("there is no {}", part.terraform)));
    for schema in phx_aws::schemas() {
        let Some(name) = schema.terraform else { continue };
        let theirs = arguments(&resources[name]);
        let ours: BTreeSet<&str> =
            rows.iter().filter(|row| row.type_name == schema.type_name).filter_map(|row| row.argument).collect();
        let covered = |path: &str| {
            let within = |row: &&str| {
                row.strip_suffix(".**").is_some_and(|outer| path == outer || path.starts_with(&format!("{outer}.")))
            };
            ours.contains(path) || ours.iter().any(within)
        };
        wrong.extend(theirs.iter().filter(|path| !covered(path)).map(|path| format!("{name}.{path} has no row")));
        let known = |row: &str| theirs.contains(row.strip_suffix(".**").unwrap_or(row));
        wrong.extend(ours.iter().filter(|row| !known(row)).map(|row| format!("{name} has no {row}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
