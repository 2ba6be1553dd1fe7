//! Reading configuration: what is read, and for each kind of mistake where it is said to be and what it is called.
#![allow(clippy::unwrap_used)] // also outside the test functions

use std::collections::BTreeMap;

use phx_model::Ipv4Cidr;
use phx_model::config::{ConfigError, ConfigSource};
use serde::Deserialize;

/// A program's configuration. It does not deny unknown fields by itself.
#[derive(Debug, PartialEq, Deserialize)]
struct Config {
    name: String,
    network: Network,
    #[serde(default)]
    groups: Vec<Group>,
    #[serde(default)]
    named: BTreeMap<String, Group>,
    strict: Option<Strict>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Network {
    cidr: Ipv4Cidr,
    zones: Vec<String>,
    #[serde(default)]
    nat: Nat,
    flow_logs: Option<bool>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Nat {
    #[default]
    None,
    Single,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Group {
    size: u16,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    retention_days: i64,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Aws {
    region: String,
}

const GOOD: &str = r#"
name = "dev"

[aws]
region = "us-west-2"

[network]
cidr = "10.0.0.0/16"
zones = ["a", "b"]
nat = "single"

[[groups]]
size = 3

[named.blue]
size = 1
"#;

fn source(text: &str) -> ConfigSource {
    ConfigSource { file: "dev.toml".to_owned(), text: text.to_owned(), reserved: &["aws"] }
}

/// `GOOD` with a piece of it replaced.
fn with(piece: &str, other: &str) -> ConfigSource {
    assert_eq!(GOOD.matches(piece).count(), 1, "{piece:?}");
    source(&GOOD.replace(piece, other))
}

/// Reads a file with a mistake in it, and checks where that is said to be.
fn mistake(source: &ConfigSource, line: usize, column: usize, key: &str) -> String {
    let error = source.read::<Config>().unwrap_err();
    let place = (error.file.as_str(), error.line, error.column, error.key.as_str());
    assert_eq!(place, ("dev.toml", line, column, key), "{error}");
    assert!(error.message.contains(key), "{error}");
    error.message
}

#[test]
fn a_file_without_mistakes_is_read() {
    let config: Config = source(GOOD).read().unwrap();
    assert_eq!(
        config,
        Config {
            name: "dev".to_owned(),
            network: Network {
                cidr: "10.0.0.0/16".parse().unwrap(),
                zones: vec!["a".to_owned(), "b".to_owned()],
                nat: Nat::Single,
                flow_logs: None,
            },
            groups: vec![Group { size: 3 }],
            named: [("blue".to_owned(), Group { size: 1 })].into(),
            strict: None,
        }
    );
}

#[test]
fn reserved_tables_are_read_apart() {
    assert_eq!(source(GOOD).table::<Aws>("aws").unwrap(), Some(Aws { region: "us-west-2".to_owned() }));
    assert_eq!(source("name = 'dev'").table::<Aws>("aws").unwrap(), None);

    let place = |e: &ConfigError| (e.line, e.column, e.key.clone());
    let error = with("region = \"us-west-2\"", "region = 2").table::<Aws>("aws").unwrap_err();
    assert_eq!(place(&error), (5, 10, "aws.region".to_owned()));
    let error = with("region = \"us-west-2\"", "").table::<Aws>("aws").unwrap_err();
    assert_eq!(place(&error), (4, 1, "aws.region".to_owned()));
    let error = with("region =", "acount = '1'\nregion =").table::<Aws>("aws").unwrap_err();
    assert_eq!(place(&error), (5, 1, "aws.acount".to_owned()));
    assert_eq!(error.message, "unknown key `aws.acount`\n  hint: the known keys are region");
    let error = source("aws = 1").table::<Aws>("aws").unwrap_err();
    assert_eq!(place(&error), (1, 7, "aws".to_owned()));
    assert_eq!(error.message, "`aws`: expected a table, found integer `1`");
}

#[test]
fn mistakes_in_reserved_tables_are_not_the_programs() {
    assert!(with("region = \"us-west-2\"", "whatever = 1").read::<Config>().is_ok());
}

#[test]
fn the_whole_message_names_the_place() {
    let error = with("size = 3", "size = 'x'").read::<Config>().unwrap_err();
    assert_eq!(error.to_string(), "dev.toml:13:8: `groups[0].size`: expected a whole number (u16), found string \"x\"");
}

#[test]
fn syntax() {
    let message = mistake(&with("size = 3", "size = "), 13, 8, "groups[0].size");
    assert!(message.starts_with("`groups[0].size`: "), "{message}");
    let message = mistake(&with("[network]", "[network"), 7, 9, "");
    assert!(message.contains("expected `]`"), "{message}");
    let message = mistake(&with("nat = \"single\"", "nat = \"single\"\nnat = \"none\""), 11, 1, "");
    assert!(message.contains("duplicate key"), "{message}");
    mistake(&with("\"us-west-2\"", "\"us-west-2"), 5, 20, "aws.region");
}

#[test]
fn a_value_of_another_type() {
    let message = mistake(&with("[\"a\", \"b\"]", "\"a\""), 9, 9, "network.zones");
    assert_eq!(message, "`network.zones`: expected a list, found string \"a\"");
    let message = mistake(&with("[\"a\", \"b\"]", "[\"a\", 7]"), 9, 15, "network.zones[1]");
    assert_eq!(message, "`network.zones[1]`: expected a string, found integer `7`");
    let message = mistake(&with("\"dev\"", "1"), 2, 8, "name");
    assert_eq!(message, "`name`: expected a string, found integer `1`");
    mistake(&with("size = 1", "size = true"), 16, 8, "named.blue.size");
    let message = mistake(&with("size = 1", "size = 70000"), 16, 8, "named.blue.size");
    assert_eq!(message, "`named.blue.size`: expected a whole number (u16), found integer `70000`");
    let message = mistake(&with("nat = \"single\"", "flow_logs = 1"), 10, 13, "network.flow_logs");
    assert_eq!(message, "`network.flow_logs`: expected true or false, found integer `1`");
    let message = mistake(&source("name = 'x'\nnetwork = 1"), 2, 11, "network");
    assert_eq!(message, "`network`: expected a table, found integer `1`");
}

#[test]
fn columns_count_letters() {
    mistake(&with("[\"a\", \"b\"]", "[\"äöü\", 7]"), 9, 17, "network.zones[1]");
}

#[test]
fn a_value_that_its_own_type_refuses() {
    let message = mistake(&with("10.0.0.0/16", "10.0.0.1/16"), 8, 8, "network.cidr");
    assert_eq!(
        message,
        "`network.cidr`: 10.0.0.1/16 has bits set after its first 16; the range it lies in is 10.0.0.0/16"
    );
    let message = mistake(&with("\"10.0.0.0/16\"", "true"), 8, 8, "network.cidr");
    assert_eq!(message, "`network.cidr`: expected a string, found boolean `true`");
    let message = mistake(&with("\"single\"", "\"double\""), 10, 7, "network.nat");
    assert_eq!(message, "`network.nat`: unknown variant `double`, expected `none` or `single`");
}

#[test]
fn a_key_that_is_missing() {
    let message = mistake(&with("name = \"dev\"", ""), 1, 1, "name");
    assert_eq!(message, "the key `name` is missing");
    let message = mistake(&with("cidr = \"10.0.0.0/16\"", ""), 7, 1, "network.cidr");
    assert_eq!(message, "the key `network.cidr` is missing");
    mistake(&with("size = 3", ""), 12, 1, "groups[0].size");
    mistake(&with("size = 1", ""), 15, 1, "named.blue.size");
    mistake(&source("name = 'x'"), 1, 1, "network");
    mistake(&source("name = 'x'\nnetwork = { zones = [] }"), 2, 11, "network.cidr");
    mistake(&source("name = 'x'\nnetwork.zones = []"), 2, 1, "network.cidr");
    mistake(&source(""), 1, 1, "name");
}

#[test]
fn a_key_that_is_not_known() {
    let message = mistake(&with("nat = \"single\"", "nat = \"single\"\nflow_log = true"), 11, 1, "network.flow_log");
    assert_eq!(
        message,
        "unknown key `network.flow_log`; did you mean `flow_logs`?\n  hint: the known keys are cidr, zones, nat, flow_logs"
    );
    let message = mistake(&with("name = \"dev\"", "name = \"dev\"\ncolour = 1"), 3, 1, "colour");
    assert_eq!(message, "unknown key `colour`\n  hint: the known keys are name, network, groups, named, strict, aws");
    // A table in a list and one under a name of the program's own.
    let message = mistake(&with("size = 3", "size = 3\n  sise = 4"), 14, 3, "groups[0].sise");
    assert!(message.contains("did you mean `size`?"), "{message}");
    let message = mistake(&with("size = 1", "size = 1\n\"odd key\" = 4"), 17, 1, "named.blue.\"odd key\"");
    assert!(message.ends_with("the known keys are size"), "{message}");
    // A whole table.
    let message = mistake(&with("[network]", "[awss]\n[network]"), 7, 2, "awss");
    assert!(message.contains("did you mean `aws`?"), "{message}");
}

#[test]
fn a_key_that_its_own_type_does_not_know() {
    let text = format!("{GOOD}[strict]\nretention_days = 1\nretention_day = 2\n");
    let message = mistake(&source(&text), 19, 1, "strict.retention_day");
    assert_eq!(
        message,
        "unknown key `strict.retention_day`; did you mean `retention_days`?\n  hint: the known keys are retention_days"
    );
}

#[test]
fn a_misspelt_key_is_one_mistake_and_not_two() {
    let message = mistake(&with("cidr =", "cdir ="), 8, 1, "network.cdir");
    assert!(message.starts_with("unknown key `network.cdir`; did you mean `cidr`?"), "{message}");
    let message = mistake(&with("name = \"dev\"", "nam = \"dev\""), 2, 1, "nam");
    assert!(message.starts_with("unknown key `nam`; did you mean `name`?"), "{message}");
}
