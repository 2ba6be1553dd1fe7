//! Which crate may depend on which: DESIGN.md's arrows, held against what cargo says.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// The workspace's crates.
fn packages() -> Vec<Package> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let offline = vec!["--offline".to_owned()];
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().other_options(offline).exec();
    metadata.expect("cargo metadata").packages
}

/// The workspace's crates, each with what it depends on to be built (not to be tested).
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let crates: BTreeMap<String, BTreeSet<String>> = packages()
        .iter()
        .map(|package| {
            let wanted = package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development);
            (package.name.to_string(), wanted.map(|d| d.name.clone()).collect())
        })
        .collect();
    for known in
        ["phx", "phx-model", "phx-derive", "phx-engine", "phx-state", "phx-aws", "phx-sandbox", "phx-tests", "phoenix"]
    {
        assert!(crates.contains_key(known), "{known} is not a crate of the workspace");
    }
    crates
}

fn ours(crates: &BTreeMap<String, BTreeSet<String>>, of: &str) -> BTreeSet<String> {
    crates[of].iter().filter(|d| crates.contains_key(*d)).cloned().collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

#[test]
fn the_arrows_point_one_way() {
    let crates = dependencies();
    assert_eq!(ours(&crates, "phx-derive"), set(&[]));
    assert_eq!(ours(&crates, "phx-model"), set(&["phx-derive"]));
    for on_the_model_only in ["phx-engine", "phx-state", "phx-aws"] {
        assert_eq!(ours(&crates, on_the_model_only), set(&["phx-model"]), "{on_the_model_only}");
    }
    assert_eq!(ours(&crates, "phx-sandbox"), set(&[]), "the emulator knows nothing of phx");
    assert_eq!(ours(&crates, "phx"), set(&["phx-model", "phx-engine", "phx-state", "phx-aws", "phx-sandbox"]));
    assert_eq!(
        ours(&crates, "phx-tests"),
        set(&["phx-model", "phx-engine", "phx-state"]),
        "the test kit is built without AWS"
    );
}

#[test]
fn programs_see_the_facade_only() {
    let crates = dependencies();
    let programs: Vec<&String> =
        crates.keys().filter(|name| *name == "phoenix" || name.starts_with("phx-example")).collect();
    assert!(programs.len() >= 4, "{programs:?}");
    for program in programs {
        assert_eq!(ours(&crates, program), set(&["phx"]), "{program}");
    }
}

#[test]
fn only_the_providers_know_their_clouds() {
    // `phx` wires the embedded emulator in, behind a feature; the emulator is no SDK. The store in S3 is behind a feature too, so that
    // whoever keeps states elsewhere builds without it.
    for package in packages() {
        let wanted = package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development);
        let sdk: Vec<_> = wanted.filter(|d| d.name.starts_with("aws-")).collect();
        match package.name.as_str() {
            "phx-aws" | "phx" => {}
            // It stands behind the SDK's HTTP client, and so has that client's types.
            "phx-sandbox" => {
                assert!(sdk.iter().all(|d| d.name.starts_with("aws-smithy-")), "the emulator uses the SDK")
            }
            "phx-state" => assert!(sdk.iter().all(|d| d.optional), "the store in S3 has to be behind a feature"),
            name => assert!(sdk.is_empty(), "{name} depends on {}", sdk[0].name),
        }
    }
}

#[test]
fn the_model_is_pure() {
    let crates = dependencies();
    for crate_name in ["phx-model", "phx-derive"] {
        for runtime in ["tokio", "async-std", "smol", "reqwest", "hyper", "rand", "whoami", "gethostname", "tempfile"] {
            assert!(!crates[crate_name].contains(runtime), "{crate_name} depends on {runtime}");
        }
    }
}

/// The engine knows no store and no cloud, and nobody but the command line prints or reads arguments.
#[test]
fn only_the_command_line_talks() {
    for (name, wanted) in dependencies() {
        for talker in ["clap", "indicatif", "anstream"] {
            assert!(!wanted.contains(talker) || name == "phx", "{name} depends on {talker}");
        }
    }
}

/// Every package outside the workspace that is compiled for such a build, with its features.
fn compiled(build: &[&str]) -> BTreeSet<String> {
    let tree = ["tree", "--offline", "--prefix", "none", "--format", "{p} {f}"];
    let done = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(tree)
        .args(build)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo tree");
    assert!(done.status.success(), "{build:?}: {}", String::from_utf8_lossy(&done.stderr));
    let lines = String::from_utf8(done.stdout).expect("UTF-8");
    let packages = lines.lines().map(|line| line.trim_end_matches(" (*)"));
    packages.filter(|line| !line.is_empty() && !line.contains('/')).map(str::to_owned).collect()
}

/// A build that wants other features of anything under the SDK compiles the SDK anew, which takes minutes: when somebody goes from the sandbox to
/// AWS, or from a program to its tests.
#[test]
fn the_sdk_is_compiled_once() {
    let all = compiled(&["--workspace", "--features", "phx/sandbox,phx/crash-points,phx-aws/full"]);
    assert!(all.iter().any(|line| line.starts_with("aws-sdk-ec2 ")), "{all:?}");
    for build in [
        &["-p", "phx", "-e", "normal,build"][..],
        &["-p", "phx", "-e", "normal,build", "--features", "sandbox"],
        &["-p", "phoenix", "-e", "normal,build"],
        &["-p", "phoenix", "-e", "normal,build", "--features", "phx/sandbox"],
    ] {
        let others: Vec<_> = compiled(build).difference(&all).cloned().collect();
        assert!(others.is_empty(), "{build:?} has features that the build of the whole workspace has not: {others:#?}");
    }
}
