//! Several regions and accounts on an emulator that keeps them apart: the program in `examples/regions`, run as a person would.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use phx_tests::command::Project;
use phx_tests::emulator::Emulator;
use serde_json::Value;

const ROLE: &str = "arn:aws:iam::210987654321:role/phx";

/// The example with an account that is managed along.
fn project(moto: &Emulator) -> Project {
    let project = Project::copy("examples/regions").on(moto);
    let tenant = format!("[tenant]\nrole = \"{ROLE}\"\nexternal_id = \"tenant-7\"\nregion = \"eu-west-1\"\n");
    project.edit("dev.toml", "[aws]", &format!("{tenant}\n[aws]"));
    project
}

/// The names of the log groups in a place.
fn logs(moto: &Emulator, region: &str, role: Option<&str>) -> Vec<String> {
    let told = moto.aws_in(region, role, &["logs", "describe-log-groups"]);
    told["logGroups"].as_array().unwrap().iter().map(|g| g["logGroupName"].as_str().unwrap().to_owned()).collect()
}

/// How many VPCs there are in a place beside the default one.
fn vpcs(moto: &Emulator, region: &str, role: Option<&str>) -> usize {
    let told = moto.aws_in(region, role, &["ec2", "describe-vpcs", "--filters", "Name=is-default,Values=false"]);
    told["Vpcs"].as_array().unwrap().len()
}

fn step<'a>(plan: &'a Value, name: &str) -> &'a Value {
    plan["steps"].as_array().unwrap().iter().find(|s| s["name"] == name).unwrap_or_else(|| panic!("{name}: {plan:#}"))
}

#[test]
fn a_whole_life_in_two_accounts_and_three_regions() {
    let moto = Emulator::moto();
    let project = project(&moto);
    let plan = project.ok(&["preview", "--json"]).json();
    assert_eq!(step(&plan, "audit").get("provider"), None);
    assert_eq!(step(&plan, "audit-replica")["provider"], "us-east-1");
    assert_eq!(step(&plan, "tenant/app")["provider"], "210987654321/eu-west-1@tenant");
    let said = project.ok(&["up", "--yes"]);
    assert!(said.out.contains("in 210987654321/eu-west-1"), "{}", said.out);
    assert!(!said.out.contains("tenant-7") && !said.err.contains("tenant-7"), "the external id is shown: {said:?}");

    let (audit, app) = ("/regions/123456789012/audit".to_owned(), "/regions/210987654321/app".to_owned());
    assert_eq!((logs(&moto, "us-west-2", None), logs(&moto, "us-east-1", None)), (vec![audit.clone()], vec![audit]));
    assert_eq!(logs(&moto, "eu-west-1", Some(ROLE)), [app]);
    assert_eq!(logs(&moto, "eu-west-1", None), [""; 0]);
    assert_eq!((vpcs(&moto, "us-west-2", None), vpcs(&moto, "eu-west-1", Some(ROLE))), (1, 1));
    assert_eq!((vpcs(&moto, "eu-west-1", None), vpcs(&moto, "us-west-2", Some(ROLE))), (0, 0));
    let outputs = project.ok(&["stack", "outputs", "--json"]).json();
    let arn = "arn:aws:logs:eu-west-1:210987654321:log-group:/regions/210987654321/app";
    assert_eq!(outputs["outputs"]["tenant_log_group"], arn, "{outputs:#}");
    let shown = project.ok(&["state", "show", "tenant/app"]).out;
    assert!(shown.contains("210987654321/eu-west-1") && shown.contains(ROLE), "{shown}");

    // Nothing is left to do, nothing has drifted, nothing is an orphan; and what is changed there is seen.
    let again = project.ok(&["preview", "--json", "--detailed-exitcode"]).json();
    assert_eq!(again["summary"]["same"], 8, "{again:#}");
    let clean = project.ok(&["drift", "--orphans", "--json"]).json();
    assert_eq!((&clean["drifted"], &clean["orphans"]), (&Value::Array(vec![]), &Value::Array(vec![])), "{clean:#}");
    moto.aws_in(
        "eu-west-1",
        Some(ROLE),
        &["logs", "delete-log-group", "--log-group-name", "/regions/210987654321/app"],
    );
    let drift = project.run(&["drift", "--json"]);
    assert_eq!(drift.code(), 2, "{}", drift.err);
    let drift = drift.json();
    let drifted = drift["drifted"].as_array().unwrap();
    assert_eq!(drifted.len(), 1, "{drift:#}");
    assert_eq!(
        (&drifted[0]["urn"], &drifted[0]["provider"]),
        (&"urn:phx:regions:dev:aws:logs:LogGroup:tenant/app".into(), &"210987654321/eu-west-1@tenant".into())
    );
    project.ok(&["up", "--yes"]);

    // An object there that no state knows any more.
    project.ok(&["state", "rm", "tenant/app", "--yes"]);
    let orphans = project.run(&["drift", "--orphans", "--json"]).json();
    let orphans = orphans["orphans"].as_array().unwrap().clone();
    moto.aws_in(
        "eu-west-1",
        Some(ROLE),
        &["logs", "delete-log-group", "--log-group-name", "/regions/210987654321/app"],
    );
    assert!(orphans.iter().any(|o| o["arn"].as_str().unwrap().starts_with(arn)), "{orphans:?}");
    project.ok(&["up", "--yes"]);

    // It is destroyed without the program's word: `destroy` does not run it.
    project.ok(&["destroy", "--yes"]);
    for (region, role) in [("us-west-2", None), ("us-east-1", None), ("eu-west-1", Some(ROLE))] {
        assert_eq!((logs(&moto, region, role), vpcs(&moto, region, role)), (vec![], 0), "{region} {role:?}");
    }
}

#[test]
fn a_move_is_a_replacement_and_a_role_by_another_name_is_not() {
    let moto = Emulator::moto();
    let project = project(&moto);
    project.ok(&["up", "--yes"]);
    // Another role of the same account.
    project.edit("dev.toml", "role/phx", "role/other");
    let plan = project.ok(&["preview", "--json"]).json();
    assert_eq!(plan["summary"]["same"], 8, "{plan:#}");
    project.ok(&["up", "--yes"]);
    // Another region.
    project.edit("dev.toml", "replica_region = \"us-east-1\"", "replica_region = \"us-east-2\"");
    let plan = project.ok(&["preview", "--json"]).json();
    assert_eq!(step(&plan, "audit-replica")["op"], "replace", "{plan:#}");
    assert_eq!(
        step(&plan, "audit-replica")["reasons"][0],
        "it moves from us-east-1 to us-east-2, and no object can do so"
    );
    project.ok(&["up", "--yes"]);
    assert_eq!(logs(&moto, "us-east-1", None), [""; 0]);
    assert_eq!(logs(&moto, "us-east-2", None).len(), 1);
    // The tenant leaves the program: what it had goes, by the role that the state knows.
    let text = std::fs::read_to_string(project.path().join("dev.toml")).unwrap();
    let (before, rest) = text.split_once("[tenant]\nrole").unwrap();
    let (_, after) = rest.split_once("\n\n").unwrap();
    std::fs::write(project.path().join("dev.toml"), format!("{before}{after}")).unwrap();
    project.ok(&["up", "--yes"]);
    assert_eq!((logs(&moto, "eu-west-1", Some(ROLE)), vpcs(&moto, "eu-west-1", Some(ROLE))), (vec![], 0));
    project.ok(&["destroy", "--yes"]);
}

#[test]
fn lookups_are_few_calls_and_another_answer_makes_a_saved_plan_stale() {
    let moto = Emulator::moto();
    let counter = Emulator::counting(&moto, &[]);
    let project = Project::copy("examples/regions").on(&counter);
    project.ok(&["preview", "--refresh=false"]);
    let calls = counter.counts();
    assert_eq!(calls["total"], 2, "{calls:#}");
    for operation in ["ec2:DescribeAvailabilityZones", "sts:GetCallerIdentity"] {
        assert_eq!(calls["ops"][operation]["n"], 1, "{calls:#}");
    }
    assert_eq!(project.ok(&["graph", "--format", "json"]).json()["nodes"].as_array().unwrap().len(), 5);

    project.ok(&["preview", "--out", "plan.json"]);
    // The same stack in another account: AWS now answers with another account id.
    let credentials = moto.aws(&["sts", "assume-role", "--role-arn", ROLE, "--role-session-name", "test"]);
    let of = |name: &str| credentials["Credentials"][name].as_str().unwrap().to_owned();
    let other = project
        .with("AWS_ACCESS_KEY_ID", of("AccessKeyId"))
        .with("AWS_SECRET_ACCESS_KEY", of("SecretAccessKey"))
        .with("AWS_SESSION_TOKEN", of("SessionToken"));
    let said = other.run(&["up", "--plan", "plan.json", "--yes"]);
    assert_eq!(said.code(), 5, "{said:?}");
    assert!(said.err.contains("stale"), "{}", said.err);
    // A stack of one account does not even ask by the credentials of another.
    other.edit("dev.toml", "[aws]\n", "[aws]\naccount_id = \"123456789012\"\n");
    let said = other.run(&["preview"]);
    assert_eq!(said.code(), 1);
    assert!(
        said.err.contains("belong to the AWS account 210987654321, and the stack is for 123456789012"),
        "{}",
        said.err
    );
}

#[test]
fn a_lookup_without_an_answer_says_what_was_asked() {
    let project = Project::copy("examples/regions")
        .with("AWS_REGION", "us-west-2")
        .with("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let project = project.with("AWS_ACCESS_KEY_ID", "test").with("AWS_SECRET_ACCESS_KEY", "test");
    let said = project.run(&["preview"]);
    assert_eq!(said.code(), 1);
    assert!(
        said.err.contains("the lookup aws:sts:CallerIdentity: ") && said.err.contains("nothing answers"),
        "{}",
        said.err
    );
}

#[test]
fn lookups_and_regions_in_the_sandbox() {
    let project = Project::copy("examples/regions");
    let said = project.ok(&["up", "--sandbox", "--yes"]);
    assert!(said.out.contains("in us-east-1"), "{}", said.out);
    let listed = project.ok(&["state", "list", "--sandbox", "--json"]).json();
    let names: Vec<&str> =
        listed["resources"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"network/us-west-2a") && names.contains(&"network/us-west-2b"), "{names:?}");
    project.ok(&["destroy", "--sandbox", "--yes"]);
}
