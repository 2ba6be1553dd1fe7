//! On what each type is tested, as the tests' sources say: which types a test names that runs on an emulator, and which `tests/shapes` names.

use std::collections::{BTreeMap, BTreeSet};

use super::manifest;

/// The types of the Phoenix network, which end-to-end tests stand up, change and destroy, on moto (`tests/tests/phoenix_on_moto.rs`) and in the
/// sandbox (`tests/tests/in_the_sandbox.rs`).
const PHOENIX: &[&str] = &[
    "aws:ec2:Eip",
    "aws:ec2:InternetGateway",
    "aws:ec2:NatGateway",
    "aws:ec2:Route",
    "aws:ec2:RouteTable",
    "aws:ec2:RouteTableAssociation",
    "aws:ec2:SecurityGroup",
    "aws:ec2:SecurityGroupEgressRule",
    "aws:ec2:SecurityGroupIngressRule",
    "aws:ec2:Subnet",
    "aws:ec2:Vpc",
];

/// The emulators that tests of the type run on, and `shapes` where answers in the form of the service's model stand for AWS.
pub(crate) fn tested_on(types: &[&str]) -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut found: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    let mut note = |type_name: &str, place| {
        if types.contains(&type_name) {
            found.entry(type_name.to_owned()).or_default().insert(place);
        }
    };
    for source in sources("tests/emulated") {
        for (type_name, emulator) in in_source(&source) {
            note(&type_name, emulator);
        }
    }
    for source in sources("tests/shapes") {
        for type_name in named(&source, &constants(&source)) {
            note(&type_name, "shapes");
        }
    }
    // Each of these tests runs on the emulator that is built into phx.
    for source in sources("../../engine/sandbox/src/tests") {
        for type_name in named(&source, &constants(&source)) {
            note(&type_name, "sandbox");
        }
    }
    for type_name in PHOENIX {
        note(type_name, "moto");
        note(type_name, "sandbox");
    }
    found
}

/// The sources of a folder and of those in it.
fn sources(folder: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut folders = vec![manifest(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                texts.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }
    texts
}

/// Types, and the emulators of the tests that name them, by themselves or in functions that they call.
fn in_source(source: &str) -> BTreeSet<(String, &'static str)> {
    let constants = constants(source);
    let functions = functions(source);
    let mut found = BTreeSet::new();
    for test in functions.iter().filter(|f| f.test) {
        let (mut seen, mut ahead) = (BTreeSet::new(), vec![test]);
        while let Some(function) = ahead.pop() {
            if seen.insert(function.name) {
                let calls = |other: &&Function<'_>| words(function.body).any(|word| word == other.name);
                ahead.extend(functions.iter().filter(calls));
            }
        }
        let body: String = functions.iter().filter(|f| seen.contains(f.name)).map(|f| f.body).collect();
        for (call, emulator) in [("Emulator::moto(", "moto"), ("Emulator::ministack(", "ministack")] {
            if body.contains(call) {
                found.extend(named(&body, &constants).into_iter().map(|type_name| (type_name, emulator)));
            }
        }
    }
    found
}

struct Function<'a> {
    name: &'a str,
    body: &'a str,
    test: bool,
}

/// The functions of a source that stand at its outermost level, as rustfmt writes them.
fn functions(source: &str) -> Vec<Function<'_>> {
    let mut starts = Vec::new();
    let (mut at, mut test) = (0, false);
    for line in source.split_inclusive('\n') {
        if line.starts_with("#[") {
            test |= line.contains("test]");
        } else if !line.starts_with(char::is_whitespace)
            && let Some((before, after)) = line.split_once("fn ")
            && before.split_whitespace().all(|word| word == "async" || word.starts_with("pub"))
        {
            let name = after.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            starts.push((at, name, std::mem::take(&mut test)));
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).map(|(at, ..)| *at).chain([source.len()]).collect::<Vec<_>>();
    starts
        .into_iter()
        .zip(ends)
        .map(|((at, name, test), end)| Function { name, body: &source[at..end], test })
        .collect()
}

/// `const VAULT: &str = "aws:backup:Vault";`
fn constants(source: &str) -> BTreeMap<&str, &str> {
    source
        .lines()
        .filter_map(|line| {
            let (name, value) = line.trim().strip_prefix("const ")?.split_once(": &str = \"")?;
            Some((name, value.split('"').next().filter(|value| value.starts_with("aws:"))?))
        })
        .collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// The types that a text names: `"aws:ec2:Vpc"`, or the constant for it.
fn named(text: &str, constants: &BTreeMap<&str, &str>) -> BTreeSet<String> {
    let literal = text.match_indices("\"aws:").filter_map(|(at, _)| text[at + 1..].split('"').next());
    let constant = words(text).filter_map(|word| constants.get(word).copied());
    literal.chain(constant).map(str::to_owned).collect()
}

#[test]
fn a_type_is_tested_on_what_the_test_that_names_it_starts() {
    let source = "const A: &str = \"aws:a:A\";\n\
                  async fn make(b: &Bench) {\n    b.create(\"aws:b:B\");\n}\n\
                  #[tokio::test]\nasync fn on_moto() {\n    let e = Emulator::moto();\n    make(&b);\n    b.life(A);\n}\n\
                  #[tokio::test]\nasync fn on_the_other() {\n    let e = Emulator::ministack();\n    b.life(\"aws:c:C\");\n}\n\
                  fn unused() {\n    Emulator::moto();\n    b.life(\"aws:d:D\");\n}\n";
    let pair = |name: &str, emulator| (name.to_owned(), emulator);
    assert_eq!(
        in_source(source),
        [pair("aws:a:A", "moto"), pair("aws:b:B", "moto"), pair("aws:c:C", "ministack")].into()
    );
}

#[test]
fn the_phoenix_network_is_made_of_the_types_that_are_said_to_be_tested_with_it() {
    let read = |path: &str| std::fs::read_to_string(manifest(path)).unwrap();
    let program = read("../../stacks/src/networking.rs");
    for type_name in PHOENIX {
        let name = type_name.rsplit(':').next().unwrap();
        assert!(program.contains(&format!("{name}::new(")), "{type_name}");
    }
    for (test, stands_up) in
        [("phoenix_on_moto", "Project::network()"), ("in_the_sandbox", "Project::copy(\"stacks\")")]
    {
        assert!(
            read(&format!("../../tests/tests/{test}.rs")).contains(stands_up),
            "{test} has nothing to do with Phoenix"
        );
    }
}
