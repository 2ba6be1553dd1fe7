//! The Phoenix platform's network on moto: every stack comes up, stays as it is, changes as little as it must and goes away. `phoenix.rs` has
//! the whole platform.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use phx_tests::command::Project;
use phx_tests::emulator::Emulator;

fn changes(plan: &serde_json::Value) -> Vec<(String, String)> {
    let text = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_owned();
    let steps = plan["steps"].as_array().expect("steps");
    steps.iter().filter(|s| s["op"] != "same").map(|s| (text(&s["op"]), text(&s["name"]))).collect()
}

fn lifecycle(stack: &str) {
    let moto = Emulator::moto();
    let project = Project::network().on(&moto);
    project.ok(&["up", "--stack", stack, "--yes"]);

    let listed = project.ok(&["state", "list", "--stack", stack, "--json"]).json();
    let listed = listed["resources"].as_array().expect("resources").len();
    let inventory = moto.inventory();
    let found: usize = inventory.values().map(Vec::len).sum();
    assert_eq!(found, listed, "what exists is what the state knows: {inventory:#?}");

    let again = project.run(&["preview", "--stack", stack, "--json", "--detailed-exitcode"]);
    assert_eq!((again.code(), changes(&again.json())), (0, vec![]), "{}", again.err);

    project.ok(&["destroy", "--stack", stack, "--yes"]);
    assert_eq!(moto.inventory(), Default::default(), "nothing is left");
    let empty = project.ok(&["state", "list", "--stack", stack, "--json"]).json();
    assert_eq!(empty["resources"], serde_json::json!([]));
}

#[test]
fn dev_comes_up_stays_and_goes() {
    lifecycle("dev");
}

#[test]
fn staging_comes_up_stays_and_goes() {
    lifecycle("staging");
}

#[test]
fn prod_comes_up_stays_and_goes() {
    lifecycle("prod");
}
