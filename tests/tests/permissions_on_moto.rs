//! `phx check --permissions`: on a moto that enforces IAM, a user with exactly the derived policy brings a program up, changes it and takes it away;
//! with one action less, it cannot.
//!
//! moto's enforcement is coarse. It compares a call's action with the `Action`s of the policies; of S3 it knows the bucket, and of all other services
//! it takes every call to be about `*`; a statement with a `Condition` it reads as a refusal, whatever the condition says; it does not ask for
//! what AWS asks for beside an action (`ec2:CreateTags` of a creation, `iam:PassRole`). So the tests give it the derived actions without their
//! resources and conditions, which the unit tests of `phx-aws` look after, and what they prove is that no action is missing.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::collections::BTreeSet;

use phx_tests::command::{Project, Said};
use phx_tests::emulator::Emulator;
use serde_json::{Value, json};

const USER: &str = "deployer";

/// The actions in the documents that a command printed.
fn actions(said: &Said) -> BTreeSet<String> {
    let printed = said.json();
    let documents = match &printed {
        Value::Array(several) => several.clone(),
        one => vec![one.clone()],
    };
    let statements = documents.iter().flat_map(|d| d["Statement"].as_array().expect("statements"));
    let named = statements.flat_map(|s| match &s["Action"] {
        Value::Array(many) => many.clone(),
        one => vec![one.clone()],
    });
    named.map(|action| action.as_str().expect("an action").to_owned()).collect()
}

/// A moto that enforces IAM from the moment on that it is told to, with a user of no rights.
struct Guarded {
    moto: Emulator,
    key: (String, String),
}

impl Guarded {
    fn new() -> Self {
        let moto = Emulator::moto_with_iam();
        moto.aws(&["iam", "create-user", "--user-name", USER]);
        let made = moto.aws(&["iam", "create-access-key", "--user-name", USER]);
        let text = |name: &str| made["AccessKey"][name].as_str().expect("a key").to_owned();
        let key = (text("AccessKeyId"), text("SecretAccessKey"));
        Self { moto, key }
    }

    /// After so many calls, moto asks for permissions.
    fn enforce_after(&self, calls: u64) {
        let url = format!("{}/moto-api/reset-auth", self.moto.url());
        ureq::post(&url).send(calls.to_string()).unwrap_or_else(|e| panic!("moto was not told: {e}"));
    }

    /// The user may do this, and nothing else.
    fn allow(&self, actions: &BTreeSet<String>) {
        self.enforce_after(u64::from(u32::MAX));
        // As an inline policy, whose length moto does not count.
        let policy = json!({
            "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}],
        });
        let document = policy.to_string();
        let name = ["--user-name", USER, "--policy-name", "derived"];
        self.moto.aws(&[&["iam", "put-user-policy"][..], &name, &["--policy-document", &document]].concat());
        self.enforce_after(0);
    }

    /// A program that works with the user's key.
    fn project(&self, folder: &str) -> Project {
        let project = Project::copy(folder).on(&self.moto);
        project.with("AWS_ACCESS_KEY_ID", &*self.key.0).with("AWS_SECRET_ACCESS_KEY", &*self.key.1)
    }

    /// What a policy for an operation says. Derived without enforcement, as by somebody who may read; what it says is what is tried.
    fn derive(&self, project: &Project, operation: &[&str]) -> BTreeSet<String> {
        self.enforce_after(u64::from(u32::MAX));
        let said = project.ok(&[&["check", "--permissions"][..], operation].concat());
        let found = actions(&said);
        assert!(!found.is_empty() && found.iter().all(|action| !action.contains('*')), "{found:?}");
        found
    }
}

/// Whether a run failed since it was not allowed an action, and said which.
fn denied(said: &Said, action: &str) -> bool {
    let told =
        format!("AccessDenied: User: arn:aws:iam::123456789012:user/{USER} is not authorized to perform: {action}");
    said.code() == 1 && said.err.contains(&told)
}

fn lifecycle(folder: &str, stack: &str, change: (&str, &str, &str), missing: &[&str]) {
    let guarded = Guarded::new();
    let project = guarded.project(folder);
    let stack = ["--stack", stack];

    // Without access, the same actions are derived as with it.
    let up = guarded.derive(&project, &stack);
    let offline = project.ok(&[&["check", "--permissions", "--refresh=false"][..], &stack].concat());
    assert_eq!(actions(&offline), up);

    // The proof can fail: with one action less, AWS's answer names what is missing.
    for action in missing {
        let guarded = Guarded::new();
        let mut less = up.clone();
        assert!(less.remove(*action), "{action} is not derived: {up:?}");
        guarded.allow(&less);
        let said = guarded.project(folder).run(&[&["up", "--yes"][..], &stack].concat());
        assert!(denied(&said, action), "without {action}: {}", said.err);
    }
    guarded.allow(&up);
    project.ok(&[&["up", "--yes"][..], &stack].concat());

    // A change takes what it takes, and what was created need not be created again.
    project.edit(change.0, change.1, change.2);
    let update = guarded.derive(&project, &stack);
    assert!(!update.iter().any(|action| action.contains(":Create") && action != "ec2:CreateTags"), "{update:?}");
    guarded.allow(&update);
    project.ok(&[&["up", "--yes"][..], &stack].concat());
    let again = project.ok(&[&["preview", "--detailed-exitcode"][..], &stack].concat());
    assert_eq!(again.code(), 0, "{again:?}");

    // Reading everything takes no right to change anything.
    let drift = guarded.derive(&project, &[&stack[..], &["--operation", "drift"]].concat());
    let reads = ["Describe", "Get", "List", "Head", "BatchGet"];
    let reading = |action: &String| reads.iter().any(|read| action.split(':').next_back().unwrap().starts_with(read));
    assert!(drift.iter().all(reading), "{drift:?}");
    guarded.allow(&drift);
    project.ok(&[&["drift"][..], &stack].concat());

    let destroy = guarded.derive(&project, &[&stack[..], &["--operation", "destroy"]].concat());
    guarded.allow(&destroy);
    project.ok(&[&["destroy", "--yes"][..], &stack].concat());

    // And what may be needed at all is no less than any of these.
    let all = guarded.derive(&project, &[&stack[..], &["--operation", "all"]].concat());
    for (name, one) in [("up", &up), ("update", &update), ("drift", &drift), ("destroy", &destroy)] {
        assert!(all.is_superset(one), "{name}: {:?}", one.difference(&all).collect::<Vec<_>>());
    }
}

#[test]
fn the_scale_case_goes_its_way_with_the_derived_policy() {
    let missing = ["ec2:CreateVpc", "logs:CreateLogGroup", "iam:CreateRole", "logs:PutRetentionPolicy"];
    lifecycle("examples/scale", "n20", ("n20.toml", "cells = 20", "cells = 20\nfirst_retention_in_days = 7"), &missing);
}

#[test]
fn the_policy_is_for_a_machine_and_the_summary_for_people() {
    let moto = Emulator::moto();
    let project = Project::copy("examples/scale").on(&moto);
    let said = project.ok(&["check", "--permissions", "--stack", "n20"]);
    let policy = said.json();
    assert_eq!(policy["Version"], "2012-10-17");
    assert!(said.err.contains("aws:ec2:Vpc") && said.err.contains("IAM takes 6144"), "{}", said.err);
    let again = project.ok(&["check", "--permissions", "--stack", "n20"]);
    assert_eq!(said.out, again.out, "the same plan has the same policy");

    let told = project.ok(&["check", "--permissions", "--stack", "n20", "--json"]).json();
    assert_eq!(told["operation"], "up");
    assert_eq!(told["policies"][0]["documents"], json!([policy]));
    assert!(told["policies"][0]["characters"][0].as_u64().expect("a number") <= 6144, "{told:#}");
    let roles = policy["Statement"]
        .as_array()
        .expect("statements")
        .iter()
        .filter(|s| s["Action"].to_string().contains("iam:CreateRole"));
    for statement in roles {
        let about = statement["Resource"].to_string();
        assert!(about.contains(":role/scale-0") && !about.contains("\"*\""), "{about}");
        assert_eq!(statement.get("Condition"), None, "IAM is no region's");
    }
}

#[test]
fn check_alone_calls_nobody() {
    // No endpoint, no credentials, no region: nothing of AWS is there.
    let project = Project::copy("examples/scale");
    let said = project.ok(&["check", "--stack", "n20"]);
    assert!(said.out.contains("101 resources of 5 types"), "{}", said.out);
    let told = project.ok(&["check", "--stack", "n20", "--json"]).json();
    assert_eq!((&told["findings"], &told["resources"]), (&json!([]), &json!(101)));

    project.edit("n20.toml", "cells = 20", "cells = \"twenty\"");
    let said = project.run(&["check", "--stack", "n20"]);
    assert!(said.code() == 1 && said.err.contains("n20.toml"), "{said:?}");
    // A policy without access is for any account.
    project.edit("n20.toml", "cells = \"twenty\"", "cells = 1");
    let policy = project.ok(&["check", "--permissions", "--refresh=false", "--stack", "n20"]).json();
    assert!(policy.to_string().contains("arn:aws:iam::*:role/scale-0"), "{policy:#}");
    // Looking for orphans takes more than looking for drift.
    let drift = ["check", "--permissions", "--refresh=false", "--stack", "n20", "--operation", "drift"];
    let orphans = actions(&project.ok(&[&drift[..], &["--orphans"]].concat()));
    assert!(orphans.is_superset(&actions(&project.ok(&drift))), "{orphans:?}");
    for action in ["tag:GetResources", "iam:GetAccountAuthorizationDetails"] {
        assert!(orphans.contains(action), "{action}: {orphans:?}");
    }
}
