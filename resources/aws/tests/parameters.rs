//! Every parameter that AWS has for a type can be set, or `left-out/` says why not.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use phx_model::schema::Schema;

#[cfg(feature = "full")]
#[path = "parameters/tested.rs"]
mod tested;

fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The lines of a table, each as its columns.
fn table(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| {
        panic!("{}: {e}\nthe list of AWS's parameters is expected beside the workspace, in shared/", path.display())
    });
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// AWS's name as a field has it: `EnableResourceNameDnsAAAARecord` → `enable_resource_name_dns_aaaa_record`.
fn snake_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (i, c) in chars.iter().enumerate() {
        let after_lower = i > 0 && !chars[i - 1].is_uppercase();
        let before_lower = i > 0 && chars.get(i + 1).is_some_and(|next| next.is_lowercase());
        if c.is_uppercase() && (after_lower || before_lower) && i > 0 {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

#[test]
fn names_are_converted_as_aws_writes_them() {
    for (aws, ours) in [
        ("CidrBlock", "cidr_block"),
        ("Ipv6CidrBlockNetworkBorderGroup", "ipv6_cidr_block_network_border_group"),
        ("EnableDns64", "enable_dns64"),
        ("EnableResourceNameDnsARecordOnLaunch", "enable_resource_name_dns_a_record_on_launch"),
        ("EnableResourceNameDnsAAAARecordOnLaunch", "enable_resource_name_dns_aaaa_record_on_launch"),
        ("VpcId", "vpc_id"),
    ] {
        assert_eq!(snake_case(aws), ours);
    }
}

#[test]
fn every_parameter_can_be_set_or_is_left_out_for_a_reason() {
    let schemas: BTreeMap<&str, &Schema> = phx_aws::schemas().into_iter().map(|s| (s.type_name, s)).collect();
    let mut left_out: BTreeSet<Vec<String>> = BTreeSet::new();
    let mut wrong = Vec::new();
    for file in std::fs::read_dir(manifest("left-out")).unwrap() {
        let file = file.unwrap().path();
        for line in table(&file) {
            if line.len() != 4 || line[3].trim().is_empty() {
                wrong.push(format!("{}: not type, operation, parameter and reason: {line:?}", file.display()));
            } else if schemas.contains_key(line[0].as_str()) {
                left_out.insert(line[..3].to_vec());
            }
        }
    }
    let mut known = BTreeSet::new();
    let mut types = BTreeSet::new();
    for line in table(&manifest("../../../shared/api-parameters.tsv")) {
        let [type_name, operation, parameter, ..] = line.as_slice() else { panic!("{line:?}") };
        let Some(schema) = schemas.get(type_name.as_str()) else { continue };
        types.insert(type_name.clone());
        let key = vec![type_name.clone(), operation.clone(), parameter.clone()];
        match (schema.field(&snake_case(parameter)).is_some(), left_out.contains(&key)) {
            (true, false) | (false, true) => {}
            (true, true) => wrong.push(format!("{key:?} can be set and is listed as left out")),
            (false, false) => wrong.push(format!("{key:?} can neither be set nor is it listed in left-out/")),
        }
        known.insert(key);
    }
    wrong.extend(left_out.difference(&known).map(|key| format!("left-out/: AWS has no {key:?}")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(types.len() >= 11, "only {types:?} were compared");
}

#[test]
fn schemas_are_complete() {
    for schema in phx_aws::schemas() {
        assert!(!schema.doc.is_empty(), "{}", schema.type_name);
        assert!(schema.terraform.is_some(), "{}", schema.type_name);
        // CloudFormation attaches policies as a part of the role, or of the access entry.
        let inlined = [
            "aws:acm:CertificateValidation",
            "aws:cloudcontrol:Resource",
            "aws:dynamodb:TableItem",
            "aws:eks:AccessPolicyAssociation",
            "aws:events:Target",
            "aws:iam:RolePolicyAttachment",
            "aws:rds:DbSnapshot",
            "aws:s3:AccountPublicAccessBlock",
            "aws:s3:Object",
            "aws:secretsmanager:SecretVersion",
        ]
        .contains(&schema.type_name);
        assert_eq!(schema.cloudformation.is_none(), inlined, "{}", schema.type_name);
        assert!(schema.outputs.iter().any(|o| o.name == "id" || o.name == "arn"), "{}", schema.type_name);
        for name in schema.unique {
            assert!(schema.field(name).is_some(), "{}: unique names {name}", schema.type_name);
        }
        for field in schema.fields {
            assert!(!field.doc.is_empty(), "{}.{}", schema.type_name, field.name);
            assert!(!(field.required && field.write_only), "{}.{}", schema.type_name, field.name);
        }
    }
}

/// All types in one table, here and in short in README.md. It is right only for all services.
#[cfg(feature = "full")]
#[test]
fn types_md_is_up_to_date() {
    let (long, short) = types_md();
    let readme = std::fs::read_to_string(manifest("../../README.md")).unwrap();
    let (begin, end) = ("<!-- types:begin -->\n", "<!-- types:end -->");
    let (before, rest) = readme.split_once(begin).expect("README.md has no place for the table of types");
    let (_, after) = rest.split_once(end).expect("README.md's table of types does not end");
    same_or_blessed("TYPES.md", &long);
    same_or_blessed("../../README.md", &format!("{before}{begin}{short}{end}{after}"));
}

/// Holds a file to what it should be, or makes it so.
#[cfg(feature = "full")]
fn same_or_blessed(file: &str, want: &str) {
    let path = manifest(file);
    if std::env::var_os("PHX_BLESS").is_some_and(|set| set == "1") {
        std::fs::write(&path, want).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = there.lines().zip(want.lines()).find(|(there, want)| there != want);
    assert!(
        there == want,
        "{} is not what the types are{}\nrenew it: PHX_BLESS=1 cargo test -p phx-aws --features full --test parameters types_md",
        path.display(),
        differs.map(|(there, want)| format!(":\n  it says {there}\n  it is   {want}")).unwrap_or_default(),
    );
}

/// `TYPES.md`, and README's table.
#[cfg(feature = "full")]
fn types_md() -> (String, String) {
    use std::fmt::Write;

    use phx_model::schema::Identity;

    let mut listed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in table(&manifest("../../../shared/api-parameters.tsv")) {
        let [type_name, _, parameter, ..] = line.as_slice() else { panic!("{line:?}") };
        listed.entry(type_name.clone()).or_default().push(snake_case(parameter));
    }
    let mut schemas = phx_aws::schemas();
    schemas.sort_by_key(|schema| schema.type_name);
    let tested = tested::tested_on(&schemas.iter().map(|s| s.type_name).collect::<Vec<_>>());
    let (mut rows, mut short, mut all_set, mut all) = (String::new(), String::new(), 0, 0);
    let (mut emulated, mut counted) = (0, 0);
    for schema in &schemas {
        let name = |name: Option<&str>| name.map_or("–".to_owned(), |name| format!("`{name}`"));
        let parameters = listed.get(schema.type_name).map_or("–".to_owned(), |parameters| {
            let set = parameters.iter().filter(|name| schema.field(name).is_some()).count();
            all_set += set;
            all += parameters.len();
            format!("{set} / {}", parameters.len())
        });
        let places: Vec<&str> = tested.get(schema.type_name).into_iter().flatten().copied().collect();
        assert!(!places.is_empty(), "{} is tested nowhere", schema.type_name);
        emulated += usize::from(places.iter().any(|place| *place != "shapes"));
        let tested = places.join(", ");
        let counts: Vec<usize> = phx_aws::read_calls::of(schema.type_name).iter().map(|known| known.calls).collect();
        counted += usize::from(!counts.is_empty());
        let calls = match counts[..] {
            [] => "–".to_owned(),
            [one] => one.to_string(),
            [usual, .., most] => format!("{usual}, up to {most}"),
        };
        let key: Vec<String> = schema.unique.iter().map(|field| format!("`{field}`")).collect();
        let identity = match schema.identity {
            Identity::ClientToken => "the request's token".to_owned(),
            Identity::NaturalKey if key.is_empty() => "what it belongs to".to_owned(),
            Identity::NaturalKey => key.join(", "),
            Identity::IntentTag => "the tag `phx:intent`".to_owned(),
            Identity::None => "nothing".to_owned(),
        };
        let (terraform, cloudformation) = (name(schema.terraform), name(schema.cloudformation));
        let (type_name, fields) = (schema.type_name, schema.fields.len());
        writeln!(
            rows,
            "| `{type_name}` | {fields} | {parameters} | {tested} | {calls} | {identity} | {terraform} | {cloudformation} |"
        )
        .unwrap();
        writeln!(short, "| `{type_name}` | {parameters} | {tested} | {calls} | {identity} |").unwrap();
    }
    let what = format!(
        "*Parameters* are those of the operations of AWS's that make and change an object: how many of them are fields of the \
         type, and how many there are; together {all_set} / {all}. The others are set in another way (parts of one as fields of their own, tags as `tags`) or \
         are not for a program to set: `left-out/` says of each why. A type without these numbers is in no list of parameters. \
         *Tested on* names the emulators on which tests make objects of it ({emulated} of {} types), and `shapes` where answers in the form of the service's \
         model stand for AWS. *Calls to read 100* is what reading a hundred objects takes, and where it depends on what is set, what it takes at most in the tests \
         ({counted} types; `read-calls.tsv`). \
         *Found again by* is what an object is known by whose creation was cut short: a tag with the intent that made it, fields that no two \
         objects share, the token of the request, which AWS answers with the same object, or, where there is one only, what it belongs to.",
        schemas.len()
    );
    let long = format!(
        "# Resource types\n\n{} types. {what}\n\n\
         Made by `tests/parameters.rs`; `PHX_BLESS=1 cargo test -p phx-aws --features full --test parameters types_md` renews it.\n\n\
         | type | fields | parameters | tested on | calls to read 100 | found again by | Terraform | CloudFormation |\n\
         |---|---|---|---|---|---|---|---|\n{rows}",
        schemas.len()
    );
    let short = format!(
        "<details>\n<summary>All {} types</summary>\n\n{}\n\n\
         | type | parameters | tested on | calls to read 100 | found again by |\n|---|---|---|---|---|\n{short}\n</details>\n",
        schemas.len(),
        what.replace("`left-out/`", "`resources/aws/left-out/`")
            .replace("`read-calls.tsv`", "`resources/aws/read-calls.tsv`"),
    );
    (long, short)
}
