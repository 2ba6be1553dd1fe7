//! The sandbox: a whole life of a stack on a laptop with no account, no Docker and no Python.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use phx_tests::command::Project;

#[test]
fn a_stack_lives_in_the_sandbox() {
    let project = Project::copy("stacks");
    project.ok(&["up", "--stack", "dev", "--sandbox", "--yes"]);
    let again = project.run(&["preview", "--stack", "dev", "--sandbox", "--json", "--detailed-exitcode"]);
    assert_eq!(again.code(), 0, "{}\n{}", again.out, again.err);

    project.edit("dev.toml", "flow_log_retention_days = 7", "flow_log_retention_days = 14");
    let changed = project.run(&["preview", "--stack", "dev", "--sandbox", "--json", "--detailed-exitcode"]);
    assert_eq!(changed.code(), 2, "{}", changed.err);
    let plan = changed.json();
    let steps: Vec<_> = plan["steps"].as_array().expect("steps").iter().filter(|s| s["op"] != "same").collect();
    assert_eq!(steps.len(), 1, "{steps:#?}");
    assert_eq!(steps[0]["op"], "update");
    assert_eq!(steps[0]["diff"][0]["path"], "retention_in_days");
    assert_eq!((&steps[0]["diff"][0]["before"], &steps[0]["diff"][0]["after"]), (&7.into(), &14.into()));
    project.ok(&["up", "--stack", "dev", "--sandbox", "--yes"]);

    project.ok(&["destroy", "--stack", "dev", "--sandbox", "--yes"]);
    let left = project.ok(&["state", "list", "--stack", "dev", "--sandbox", "--json"]).json();
    assert_eq!(left["resources"], serde_json::json!([]));
}

#[test]
fn nothing_of_the_environment_leads_out_of_the_sandbox() {
    let project = Project::copy("stacks");
    let output = project
        .command(&["up", "--stack", "dev", "--sandbox", "--yes"])
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .env("AWS_PROFILE", "production")
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
