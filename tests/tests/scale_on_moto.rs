//! How many calls the scale case costs. Calls are counted by a proxy in front of the emulator, not by phx.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use phx_tests::command::Project;
use phx_tests::emulator::Emulator;

#[test]
fn calls_stay_within_their_budget() {
    let moto = Emulator::moto();
    let counter = Emulator::counting(&moto, &[]);
    let project = Project::copy("examples/scale").on(&counter);
    let calls = |what: &str| {
        let counts = counter.counts();
        counter.reset_counts();
        println!("{what}: {counts:#}");
        counts["total"].as_u64().expect("a number")
    };

    // 20 cells: 101 resources, of which a log group needs two calls.
    let up = project.ok(&["up", "--stack", "n20", "--yes", "--json"]).events();
    let last = up.last().expect("events").clone();
    assert_eq!(last["summary"]["create"], 101);
    let counted = calls("up");
    assert!(counted <= 126, "{counted} calls for 101 resources are more than 1.25 each");
    assert_eq!(last["api_calls"].as_u64(), Some(counted), "phx counts its calls as the proxy does");

    let preview = project.ok(&["preview", "--stack", "n20", "--json", "--detailed-exitcode"]).json();
    assert_eq!(preview["summary"]["same"], 101);
    let counted = calls("preview");
    assert!(counted <= 10, "{counted} calls to read 101 resources");

    project.edit("n20.toml", "cells = 20", "cells = 20\nfirst_retention_in_days = 60");
    let change = project.ok(&["up", "--stack", "n20", "--yes", "--json"]).events();
    assert_eq!(change.last().expect("events")["summary"]["update"], 1);
    let counted = calls("change of one field");
    assert!(counted <= 12, "{counted} calls to change one field");

    project.edit("n20.toml", "Environment = \"n20\"", "Environment = \"other\"");
    let changed = project.run(&["preview", "--stack", "n20", "--json", "--detailed-exitcode"]);
    assert_eq!(changed.code(), 2);
    assert_eq!(changed.json()["summary"]["update"], 101, "every resource has the default tags");

    calls("preview of a change");
    project.ok(&["destroy", "--stack", "n20", "--yes"]);
    let counted = calls("destroy");
    assert!(counted <= 75, "{counted} calls to delete 101 resources: a rule needs none of its own");
    assert_eq!(moto.inventory(), Default::default(), "nothing is left");
}
