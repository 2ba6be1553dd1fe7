//! `phx drift` against an emulator: no drift where nobody has changed anything, and each of twenty edits behind phx's back named by its field.
//!
//! The edits come from a seed, printed on failure. `PHX_SEED=n` runs another one.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::collections::{BTreeMap, BTreeSet};

use phx_tests::command::Project;
use phx_tests::emulator::Emulator;
use phx_tests::sim::Rng;

/// An edit of one cell: the resource, what becomes of it, and the paths in which it then differs.
type Expected = (String, (String, BTreeSet<String>));

const EDITS: u32 = 20;
const CELLS: u32 = 20;

fn changed(resource: String, paths: &[&str]) -> Expected {
    (resource, ("changed".to_owned(), paths.iter().map(|p| (*p).to_owned()).collect()))
}

fn missing(resource: String) -> Expected {
    (resource, ("missing".to_owned(), BTreeSet::new()))
}

/// Makes the `kind`-th edit of a cell behind phx's back, with AWS's own command line.
fn edit(moto: &Emulator, ids: &BTreeMap<String, String>, kind: u32, cell: u32) -> Expected {
    let name = |what: &str| format!("cell-{cell}/{what}");
    let id = |what: &str| ids[&name(what)].as_str();
    let (logs, role, group) = (id("logs"), id("role"), id("group"));
    match kind {
        0 => {
            moto.aws(&["logs", "put-retention-policy", "--log-group-name", logs, "--retention-in-days", "7"]);
            changed(name("logs"), &["retention_in_days"])
        }
        1 => {
            moto.aws(&["logs", "delete-retention-policy", "--log-group-name", logs]);
            changed(name("logs"), &["retention_in_days"])
        }
        2 => {
            moto.aws(&["logs", "delete-log-group", "--log-group-name", logs]);
            missing(name("logs"))
        }
        3 => {
            moto.aws(&["iam", "tag-role", "--role-name", role, "--tags", "Key=Project,Value=other", "Key=New,Value=x"]);
            changed(name("role"), &["tags.Project", "tags.New"])
        }
        4 => {
            moto.aws(&["iam", "update-role", "--role-name", role, "--description", "somebody's"]);
            changed(name("role"), &["description"])
        }
        5 => {
            let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"}}]}"#;
            moto.aws(&["iam", "update-assume-role-policy", "--role-name", role, "--policy-document", trust]);
            changed(name("role"), &["assume_role_policy_document"])
        }
        6 => {
            moto.aws(&["ec2", "delete-tags", "--resources", group, "--tags", "Key=Name"]);
            changed(name("group"), &["tags.Name"])
        }
        7 => {
            let rule = format!(
                "SecurityGroupRuleId={},SecurityGroupRule={{IpProtocol=tcp,FromPort=443,ToPort=443,CidrIpv4=0.0.0.0/0}}",
                id("https")
            );
            moto.aws(&["ec2", "modify-security-group-rules", "--group-id", group, "--security-group-rules", &rule]);
            changed(name("https"), &["cidr_ip"])
        }
        _ => {
            moto.aws(&[
                "ec2",
                "revoke-security-group-ingress",
                "--group-id",
                group,
                "--security-group-rule-ids",
                id("https"),
            ]);
            missing(name("https"))
        }
    }
}

fn drift(project: &Project, arguments: &[&str]) -> (i32, serde_json::Value) {
    let said = project.run(&[&["drift", "--json"], arguments].concat());
    (said.code(), said.json())
}

#[test]
fn twenty_edits_are_twenty_found_and_named() {
    let seed = std::env::var("PHX_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_125);
    let mut rng = Rng::new(seed);
    let moto = Emulator::moto();
    let project = Project::copy("examples/scale").on(&moto);
    let stack = ["--stack", "n20"];
    project.ok(&[&["up", "--yes"], &stack[..]].concat());
    let (code, untouched) = drift(&project, &stack);
    assert_eq!((code, untouched["drifted"].as_array().map(Vec::len)), (0, Some(0)), "{untouched}");
    assert_eq!(untouched["checked"], 101);

    let listed = project.ok(&[&["state", "list", "--json"], &stack[..]].concat()).json();
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let ids: BTreeMap<String, String> =
        listed["resources"].as_array().expect("resources").iter().map(|r| (text(&r["name"]), text(&r["id"]))).collect();
    // One edit a cell, so that none hides another.
    let expected: BTreeMap<_, _> =
        (0..EDITS).map(|n| edit(&moto, &ids, u32::try_from(rng.below(9)).expect("small"), n % CELLS)).collect();
    assert_eq!(expected.len(), 20);

    let (code, found) = drift(&project, &stack);
    assert_eq!(code, 2, "PHX_SEED={seed}: {found}");
    let found: BTreeMap<String, (String, BTreeSet<String>)> = found["drifted"]
        .as_array()
        .expect("what has drifted")
        .iter()
        .map(|d| {
            let paths = d["diff"].as_array().expect("a diff").iter().map(|f| text(&f["path"])).collect();
            (text(&d["name"]), (text(&d["kind"]), paths))
        })
        .collect();
    assert_eq!(found, expected, "PHX_SEED={seed}");

    project.ok(&[&["up", "--yes"], &stack[..]].concat());
    // What the program never set, `up` leaves alone; drift goes on telling of it.
    let left = expected.values().filter(|(_, paths)| paths.contains("description")).count();
    let (code, after) = drift(&project, &stack);
    let after = after["drifted"].as_array().expect("what has drifted").clone();
    assert_eq!((code, after.len()), (if left > 0 { 2 } else { 0 }, left), "PHX_SEED={seed}: {after:?}");
    assert!(after.iter().all(|d| d["diff"][0]["path"] == "description"), "PHX_SEED={seed}: {after:?}");
}

#[test]
fn untouched_phoenix_stacks_have_none() {
    for stack in ["dev", "staging", "prod"] {
        let moto = Emulator::moto();
        let project = Project::network().on(&moto);
        project.ok(&["up", "--stack", stack, "--yes"]);
        let (code, drift) = drift(&project, &["--stack", stack, "--orphans"]);
        assert_eq!((code, drift["drifted"].as_array().map(Vec::len)), (0, Some(0)), "{stack}: {drift}");
    }
}
