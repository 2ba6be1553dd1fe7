//! What the types call, by their sources, is what the tables of permissions say.
//!
//! A type's own files (`vpc.rs`, `vpc_*.rs`) must be told of whole. Of the files that types share, what a verb reaches by calling functions by
//! their names is counted as the verb's; what it reaches by methods only is seen in the types' lives, whose every call the kit holds against the
//! tables.
#![cfg(feature = "full")]
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use phx_aws::permissions::{Row, Verb, lookups, of, rows};

/// Files that are no type's: the SDK's clients, messages, and the search for what is in no state.
const OTHERS: [&str; 5] = ["client.rs", "notify.rs", "orphans.rs", "call.rs", "places.rs"];

/// What a function calls for one kind of caller and not for another, and a scan of sources cannot tell: type, verb, operations.
const FOR_OTHERS: [(&str, Verb, &[&str]); 3] = [
    // One function reads the policies of users and of groups.
    ("aws:iam:Group", Verb::Read, &["GetUserPolicy"]),
    ("aws:iam:User", Verb::Read, &["GetGroupPolicy"]),
    // One function puts the role in and takes it out.
    ("aws:iam:InstanceProfile", Verb::Delete, &["AddRoleToInstanceProfile"]),
];

/// The sources by their paths below `src`, without comments and unit tests.
fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
            let text = std::fs::read_to_string(&path).unwrap();
            let text: Vec<&str> = text
                .lines()
                .take_while(|line| !line.starts_with("mod tests {"))
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect();
            if !name.contains("tests") && !name.starts_with("permissions") && !name.starts_with("terraform") {
                found.insert(name, text.join("\n"));
            }
        }
    }
    assert!(found.len() > 150, "{} files", found.len());
    found
}

/// The operations that a piece of source calls.
fn operations(text: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for call in [".read(", ".write(", ".write_idempotent(", "const OPERATION: &str ="] {
        for (at, _) in text.match_indices(call) {
            let after = text[at + call.len()..].trim_start();
            let named = after.strip_prefix('"').and_then(|rest| rest.split('"').next());
            found.extend(named.filter(|name| name.starts_with(char::is_uppercase)));
        }
    }
    found
}

/// The functions of a file by their names, as rustfmt lays them out: from `fn` to the brace in the same column. What a macro makes of a name and
/// an operation (`vpcs: "DescribeVpcs"`) counts as a function of that name.
fn functions(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut begin = 0;
    for line in text.split_inclusive('\n') {
        let (indent, code) = (line.len() - line.trim_start().len(), line.trim_start());
        let head = ["pub ", "pub(crate) ", "pub(super) ", "async ", "const "];
        let mut rest = code;
        while let Some(shorter) = head.iter().find_map(|word| rest.strip_prefix(word)) {
            rest = shorter;
        }
        if let Some(name) = rest.strip_prefix("fn ") {
            let name = name.split(['(', '<']).next().unwrap();
            let end = format!("\n{}}}", " ".repeat(indent));
            let length = text[begin..].find(&end).map_or(text.len() - begin, |at| at + end.len());
            // One line has it all, or it is a declaration.
            let one = line.trim_end().ends_with('}') || line.trim_end().ends_with(';');
            found.push((name, if one { line } else { &text[begin..begin + length] }));
        }
        begin += line.len();
    }
    for (at, _) in text.match_indices("\"Describe") {
        let operation = text[at + 1..].split('"').next().unwrap();
        let before = text[..at].trim_end();
        if let Some(name) =
            before.strip_suffix(':').map(|b| b.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
            && !name.is_empty()
        {
            found.push((name, &text[at - 1..at + operation.len() + 2]));
        }
        // `instances, instance: DbInstance = describe_db_instances("DescribeDBInstances", …)`
        if before.ends_with('(')
            && let Some((names, _)) =
                before.rsplit(';').next().unwrap().rsplit_once(':').filter(|_| before.contains("listings!"))
        {
            let names = names.rsplit('\n').find(|line| !line.trim().is_empty()).unwrap();
            found.extend(names.split(',').map(|name| (name.trim(), &text[at - 1..at + operation.len() + 2])));
        }
    }
    found
}

/// The operations in a piece of source, those of macros among them.
fn all_operations(text: &str) -> BTreeSet<&str> {
    let quoted = text.strip_prefix('(').or_else(|| text.strip_prefix(' ')).unwrap_or(text);
    match quoted.strip_prefix('"') {
        Some(named) => named.split('"').next().into_iter().collect(),
        None => operations(text),
    }
}

/// The words that are called in a piece of source as `name(…)` or `module::name(…)`, and not as methods.
fn called(text: &str) -> BTreeSet<(&str, &str)> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices('(') {
        let name = text[..at].rsplit(|c| !word(c)).next().unwrap();
        let before = &text[..at - name.len()];
        if name.is_empty() || before.ends_with('.') || before.ends_with("fn ") {
            continue;
        }
        let module = before.strip_suffix("::").map_or("", |b| b.rsplit(|c| !word(c)).next().unwrap());
        found.insert((module, name));
    }
    found
}

/// The types of the sources: name, file.
fn types(sources: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for (file, text) in sources {
        for (at, _) in text.match_indices("type = \"aws:") {
            found.push((text[at + 8..].split('"').next().unwrap(), file.as_str()));
        }
    }
    assert_eq!(found.len(), phx_aws::schemas().len(), "{found:?}");
    found
}

/// Whether a file is a part of a type's: `vpc_tunnel.rs` of `vpc.rs`'s, unless it is of one with a longer name.
fn belongs(file: &str, main: &str, mains: &BTreeSet<&str>) -> bool {
    let stem = |file: &str| file.strip_suffix(".rs").unwrap().to_owned();
    let part = |main: &str| file == main || file.starts_with(&format!("{}_", stem(main)));
    part(main) && !mains.iter().any(|other| other.len() > main.len() && part(other))
}

/// Whether a function is one of the trait's.
fn is_verb((name, text): &(&str, &str)) -> bool {
    let verbs = ["read_many", "create", "finish", "find", "update", "delete"];
    verbs.contains(name) && text.contains(": &Aws,") && text.contains(": &Cx,")
}

fn tells(type_name: &str, verbs: &[Verb], operation: &str) -> bool {
    let named = |row: &Row| row.operation.and_then(|o| o.split_once(':')).is_some_and(|(_, o)| o == operation);
    of(type_name).any(|row| named(row) && row.verbs.iter().any(|verb| verbs.contains(verb)))
}

#[test]
fn what_a_types_own_files_call_is_told_of_it() {
    let sources = sources();
    let types = types(&sources);
    let mains: BTreeSet<&str> = types.iter().map(|(_, file)| *file).collect();
    let mut untold = Vec::new();
    for (type_name, main) in &types {
        for (file, text) in sources.iter().filter(|(file, _)| belongs(file, main, &mains)) {
            let called = operations(text).into_iter().filter(|o| !tells(type_name, &Verb::ALL, o));
            untold.extend(called.map(|operation| format!("{type_name}: {operation} ({file})")));
        }
    }
    assert!(untold.is_empty(), "permissions/ does not tell of these calls:\n{}", untold.join("\n"));
}

#[test]
fn what_a_verb_reaches_is_told_of_it() {
    let sources = sources();
    let functions: BTreeMap<&str, Vec<(&str, &str)>> =
        sources.iter().map(|(file, text)| (file.as_str(), functions(text))).collect();
    let (mut untold, mut reached_all) = (Vec::new(), 0);
    for (type_name, main) in types(&sources) {
        let folder = main.split('/').next().unwrap();
        for (verb, names) in [
            (Verb::Read, &["read_many"][..]),
            (Verb::Create, &["create", "finish", "find"]),
            (Verb::Update, &["update"]),
            (Verb::Delete, &["delete"]),
        ] {
            let mut open: Vec<(&str, &str)> = functions[main]
                .iter()
                .filter(|f| is_verb(f) && names.contains(&f.0))
                .map(|(_, text)| (main, *text))
                .collect();
            let mut seen: BTreeSet<&str> = BTreeSet::new();
            while let Some((file, text)) = open.pop() {
                if !seen.insert(text) {
                    continue;
                }
                for operation in all_operations(text) {
                    reached_all += 1;
                    let for_others =
                        FOR_OTHERS.iter().any(|(t, v, o)| *t == type_name && *v == verb && o.contains(&operation));
                    if !for_others && !tells(type_name, &[verb], operation) {
                        untold.push(format!("{type_name}, to {verb}: {operation} ({file})"));
                    }
                }
                for (module, name) in called(text) {
                    // `Self::update` is the verb; a file's own functions are called by their bare names.
                    let there = match module {
                        "" => file.to_owned(),
                        module => format!("{folder}/{module}.rs"),
                    };
                    let Some((there, known)) = functions.get_key_value(there.as_str()) else { continue };
                    let same = known.iter().filter(|f| f.0 == name && !is_verb(f));
                    open.extend(same.map(|(_, t)| (*there, *t)));
                }
            }
        }
    }
    untold.sort();
    untold.dedup();
    assert!(untold.is_empty(), "permissions/ does not tell of these calls:\n{}", untold.join("\n"));
    assert!(reached_all > 700, "the scan sees less than there is: {reached_all}");
}

#[test]
fn what_is_told_is_called_or_explained() {
    let sources = sources();
    let mut wrong = Vec::new();
    for row in rows() {
        let Some((service, operation)) = row.operation.and_then(|o| o.split_once(':')) else {
            if row.note.is_empty() {
                wrong.push(format!("{}: {} is of no operation, and no note says why", row.type_name, row.action));
            }
            continue;
        };
        let folder = row.type_name.split(':').nth(1).unwrap();
        let within = |file: &str| file.starts_with(&format!("{folder}/")) || service == "tag" && file == "tagged.rs";
        let quoted = format!("\"{operation}\"");
        if !sources.iter().any(|(file, text)| within(file) && text.contains(&quoted)) {
            wrong.push(format!("{}: nothing calls {service}:{operation}", row.type_name));
        }
    }
    // What types share is of one of them at least.
    for (file, text) in sources.iter().filter(|(file, _)| !OTHERS.contains(&file.as_str())) {
        let told = |operation: &str| {
            rows()
                .iter()
                .chain(lookups())
                .filter_map(|row| row.operation)
                .any(|o| o.split_once(':').is_some_and(|(_, o)| o == operation))
        };
        wrong.extend(operations(text).into_iter().filter(|o| !told(o)).map(|o| format!("{file}: {o} is of no type")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_lookups_call_is_told_of_them() {
    let sources = sources();
    let told: BTreeSet<&str> = lookups().iter().filter_map(|row| row.operation?.split(':').nth(1)).collect();
    let (mut called_by, mut names) = (BTreeSet::new(), 0);
    for (file, text) in sources.iter().filter(|(file, _)| file.starts_with("lookup/")) {
        called_by.extend(operations(text));
        names += text.matches("const NAME: &'static str = ").count();
        // The lists of EC2 are those that the types read.
        let ec2 = functions(&sources["ec2/describe.rs"]);
        for (module, name) in called(text) {
            let lists = ec2.iter().filter(|(n, _)| module == "describe" && *n == name);
            called_by.extend(lists.flat_map(|(_, text)| all_operations(text)));
        }
        assert!(!text.contains("use crate::orphans"), "{file}");
    }
    assert_eq!(called_by, told);
    // Two need nothing: who calls, and which partition it is.
    let with_rows: BTreeSet<&str> = lookups().iter().map(|row| row.type_name).collect();
    assert_eq!(with_rows.len() + 2, names);
}

#[test]
fn every_type_is_in_the_tables() {
    let told: BTreeSet<&str> = rows().iter().map(|row| row.type_name).collect();
    let there: BTreeSet<&str> = phx_aws::schemas().into_iter().map(|schema| schema.type_name).collect();
    assert_eq!(told, there);
    for name in there {
        for verb in [Verb::Read, Verb::Create] {
            assert!(of(name).any(|row| row.verbs.contains(&verb)), "{name}: nothing to {verb}");
        }
    }
}

#[test]
fn the_scan_sees_calls() {
    let text = "pub(crate) async fn a(x: &X) -> Y {\n    x.write_idempotent(\n        \"PutIt\", || z())\n}\nfn b() {\n    m::a(1);\n    c.d(2)\n}\n";
    let found = functions(text);
    assert_eq!(found.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(operations(found[0].1), BTreeSet::from(["PutIt"]));
    assert_eq!(called(found[1].1), BTreeSet::from([("m", "a")]));
}
