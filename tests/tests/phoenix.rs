//! The whole Phoenix platform, every stack of it: it comes up, stays as it is, changes as little as it must and goes away. In phx's own sandbox,
//! and on emulators that others wrote (see `phx_tests::cloud`).
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Instant;

use phx_tests::cloud::Cloud;
use phx_tests::command::{Project, Said};

/// One stack and the AWS that it lives in: the sandbox in the binary, if there is no other.
struct Life {
    project: Project,
    stack: &'static str,
    cloud: Option<Cloud>,
}

/// What a plan would do, by kind of step: `update`, and the names of resources.
type Steps = BTreeMap<String, BTreeSet<String>>;

fn steps(plan: &serde_json::Value) -> Steps {
    let text = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_owned();
    let mut steps = Steps::new();
    for step in plan["steps"].as_array().expect("steps").iter().filter(|s| s["op"] != "same") {
        steps.entry(text(&step["op"])).or_default().insert(text(&step["name"]));
    }
    steps
}

fn only(op: &str, names: &[&str]) -> Steps {
    [(op.to_owned(), names.iter().map(|n| (*n).to_owned()).collect())].into()
}

impl Life {
    fn in_the_sandbox(stack: &'static str) -> Self {
        Self { project: Project::copy("stacks"), stack, cloud: None }
    }

    fn on_emulators(stack: &'static str) -> Self {
        let project = Project::copy("stacks");
        // See `Cloud`: nobody else has EKS as AWS has it.
        project.edit(&format!("{stack}.toml"), "[network]\n", "[components]\neks = false\n\n[network]\n");
        let cloud = Cloud::start(project.binary());
        Self { project: project.in_cloud(&cloud), stack, cloud: Some(cloud) }
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let place: &[&str] = if self.cloud.is_none() { &["--sandbox"] } else { &[] };
        self.project.run(&[arguments, &["--stack", self.stack], place].concat())
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> Said {
        let said = self.run(arguments);
        assert_eq!(said.code(), 0, "{}: {arguments:?}\n{}\n{}", self.stack, said.out, said.err);
        said
    }

    /// Carries something out and says what it cost.
    #[track_caller]
    fn measured(&self, command: &str) {
        let began = Instant::now();
        let said = self.ok(&[command, "--yes", "--json"]);
        let done = said.events().into_iter().next_back().expect("events");
        assert_eq!(done["result"], "succeeded", "{done}");
        println!("{}: {command} took {:?} and {} calls", self.stack, began.elapsed(), done["api_calls"]);
    }

    #[track_caller]
    fn plan(&self) -> serde_json::Value {
        self.ok(&["preview", "--json"]).json()
    }

    /// There is nothing to do, and nothing has drifted.
    #[track_caller]
    fn settled(&self, context: &str) {
        let again = self.run(&["preview", "--json", "--detailed-exitcode"]);
        let plan = again.json();
        let diffs: Vec<_> = plan["steps"].as_array().expect("steps").iter().filter(|s| s["op"] != "same").collect();
        assert_eq!((again.code(), steps(&plan)), (0, Steps::new()), "{}, {context}: {diffs:#?}", self.stack);
        let drift = self.run(&["drift", "--json"]);
        assert_eq!(drift.code(), 0, "{}, {context}: {}{}", self.stack, drift.out, drift.err);
    }

    fn resources(&self) -> usize {
        let listed = self.ok(&["state", "list", "--json"]).json();
        listed["resources"].as_array().expect("resources").len()
    }

    fn edit(&self, from: &str, to: &str) {
        self.project.edit(&format!("{}.toml", self.stack), from, to);
    }

    /// An edit does these steps and no others; then there is nothing left to do.
    #[track_caller]
    fn change(&self, from: &str, to: &str, expected: &Steps) {
        self.edit(from, to);
        let plan = self.plan();
        assert_eq!(steps(&plan), *expected, "{}: {from} -> {to}: {plan:#}", self.stack);
        self.ok(&["up", "--yes"]);
        self.settled(to);
    }

    /// Everything is there that the state knows, and nothing else.
    fn assert_whole(&self) {
        let listed = self.resources();
        println!("{}: {listed} resources", self.stack);
        if let Some(cloud) = &self.cloud {
            let inventory = cloud.inventory();
            let found: usize = inventory.values().map(Vec::len).sum();
            let sizes: BTreeMap<_, _> = inventory.iter().map(|(kind, items)| (kind, items.len())).collect();
            assert_eq!(found, listed, "what exists is what the state knows: {sizes:#?}");
        }
    }

    /// Comes up, and stays as it is.
    fn comes_up(&self) {
        self.measured("up");
        self.assert_whole();
        self.settled("after the first up");
    }

    /// Goes away, and leaves nothing but so many of what is named.
    fn goes(&self, left: &[(&str, usize)]) {
        self.measured("destroy");
        assert_eq!(self.resources(), 0);
        if let Some(cloud) = &self.cloud {
            let inventory = cloud.inventory();
            let sizes: Vec<(&str, usize)> =
                inventory.iter().map(|(kind, items)| (kind.as_str(), items.len())).collect();
            assert_eq!(sizes, left, "something is left: {inventory:#?}");
        }
    }

    /// Its kubeconfig leads AWS's own command line to a token, as it leads kubectl there.
    #[track_caller]
    fn gives_a_way_to_its_cluster(&self) {
        let kubeconfig = self.ok(&["stack", "outputs", "kubeconfig"]).json();
        let exec = &kubeconfig["users"][0]["user"]["exec"];
        let arguments = exec["args"].as_array().expect("arguments").iter().map(|a| a.as_str().expect("a text"));
        let mut aws = Command::new(phx_tests::emulator::tool(exec["command"].as_str().expect("a command")));
        aws.args(arguments).env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        let answered = aws.output().expect("the AWS command line starts");
        assert!(answered.status.success(), "{exec}: {}", String::from_utf8_lossy(&answered.stderr));
        let credential: serde_json::Value = serde_json::from_slice(&answered.stdout).expect("JSON");
        assert_eq!((&credential["kind"], &credential["apiVersion"]), (&"ExecCredential".into(), &exec["apiVersion"]));
        let token = credential["status"]["token"].as_str().expect("a token");
        assert!(token.starts_with("k8s-aws-v1."), "{credential}");
    }

    fn changes_in_dev(&self) {
        let update = |name: &str| only("update", &[name]);
        self.change("flow_log_retention_days = 7", "flow_log_retention_days = 14", &update("networking/flow-logs"));
        // It waits for the window, and counts as made.
        // And how many connections are too many goes by the machine.
        let database = only("update", &["rds/postgres", "alerting/database-connections"]);
        self.change("\"db.t4g.micro\"", "\"db.t4g.small\"", &database);
        if self.cloud.is_none() {
            self.change("desired = 2", "desired = 3", &update("eks/general"));
            self.change("v1.20.4-eksbuild.2", "v1.21.1-eksbuild.3", &update("eks/vpc-cni"));
            // A larger disk is another version of the template, with which nodes are replaced one by one.
            self.change("disk_gib = 30", "disk_gib = 40", &update("eks/general"));
            // AWS cannot take the kind of machine from a group that is there: there is a new group, and then no old one.
            self.edit("\"t4g.large\"", "\"t4g.xlarge\"");
            let plan = self.plan();
            assert_eq!(steps(&plan), only("replace", &["eks/general"]), "{plan:#}");
            let replaced = plan["steps"].as_array().expect("steps").iter().find(|s| s["op"] == "replace");
            let order = replaced.map(|s| &s["replace_order"]);
            assert_eq!(order, Some(&"create_before_delete".into()), "pods have where to go");
            self.ok(&["up", "--yes"]);
            self.settled("after nodes of another kind");
        }
        // Another range is another network. Nobody wants that; it has to be told.
        self.edit("10.10.0.0/16", "10.11.0.0/16");
        let replaced = &steps(&self.plan())["replace"];
        for name in ["networking/vpc", "networking/private-a", "networking/nat-a"] {
            assert!(replaced.contains(name), "{name} stays: {replaced:?}");
        }
        self.edit("10.11.0.0/16", "10.10.0.0/16");
        self.settled("after the range was taken back");
    }

    /// A tag of everything is changed in place.
    fn changes_a_tag(&self) {
        self.edit("CostCenter = \"platform\"", "CostCenter = \"network\"");
        let plan = self.plan();
        let found = steps(&plan);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["update"], "{plan:#}");
        for step in plan["steps"].as_array().expect("steps").iter().filter(|s| s["op"] == "update") {
            let paths: BTreeSet<_> = step["diff"]
                .as_array()
                .expect("a diff")
                .iter()
                .map(|d| &d["path"])
                .map(|p| p.as_str().expect("a path"))
                .collect();
            assert!(paths.iter().all(|p| p.starts_with("tags")), "{}: {paths:?}", step["name"]);
        }
        assert!(found["update"].len() > 60, "{found:?}");
        self.ok(&["up", "--yes"]);
        self.settled("after a tag was changed");
    }
}

fn dev(life: &Life) {
    life.comes_up();
    if life.cloud.is_none() {
        life.gives_a_way_to_its_cluster();
    }
    life.changes_in_dev();
    life.goes(&[]);
}

fn staging(life: &Life) {
    life.comes_up();
    life.changes_a_tag();
    if life.cloud.is_none() {
        let size = |max| format!("max = {max}\ndisk_gib = 50\n\n[eks.node_groups.monitoring]");
        life.change(&size(4), &size(6), &only("update", &["eks/general"]));
    }
    life.change("monthly_usd = 1500", "monthly_usd = 1600", &only("update", &["cost/monthly"]));
    life.goes(&[]);
}

/// Production holds on to what it has: it has to be told twice.
fn prod(life: &Life) {
    life.comes_up();
    let refused = life.run(&["destroy", "--yes"]);
    assert_eq!(refused.code(), 1, "{}", refused.err);
    let cluster = life.cloud.is_none().then_some("eks/cluster");
    for name in ["rds/postgres", "backups/backups"].into_iter().chain(cluster) {
        assert!(refused.err.contains(name), "{name} is not named: {}", refused.err);
    }
    life.assert_whole();
    life.change(
        "instance_class = \"db.r7g.large\"",
        "instance_class = \"db.r7g.xlarge\"",
        &only("update", &["rds/postgres", "alerting/database-connections"]),
    );
    life.change("retention_days = 30\npoint", "retention_days = 35\npoint", &only("update", &["backups/daily"]));
    life.edit("protect = true", "protect = false");
    life.edit("deletion_protection = true", "deletion_protection = false");
    life.ok(&["up", "--yes"]);
    // The last snapshot, and the key without which nobody could read it.
    life.goes(&[("db_snapshot", 1), ("key", 1)]);
}

/// What the file leaves to choose: a read replica, a copy of the bucket in another region, a VPN, PagerDuty by an address that is kept secret.
#[test]
fn prod_lives_with_all_its_options() {
    const ADDRESS: &str = "https://events.pagerduty.com/integration/0123456789abcdef/enqueue";
    const PASSWORD: &str = "correct-horse-battery-staple";
    let mut life = Life::in_the_sandbox("prod");
    life.project = life.project.with("PHX_PASSPHRASE", "correct horse battery staple");
    for option in ["replica_class", "replica_region", "pagerduty"] {
        life.edit(&format!("# {option}"), option);
    }
    let vpn = "[security.vpn]\ncustomer_address = \"198.51.100.7\"\nbgp_asn = 65000\nroutes = [\"192.168.0.0/16\"]\n";
    life.edit("[backups]\n", &format!("{vpn}\n[backups]\n"));
    life.edit("protect = true", "protect = false");
    life.edit("deletion_protection = true", "deletion_protection = false");

    let unset = life.run(&["up", "--yes"]);
    assert!(unset.code() == 1 && unset.err.contains("phx secret set"), "{}", unset.err);
    for (name, secret) in [("pagerduty_url", ADDRESS), ("database_password", PASSWORD)] {
        let mut set = life.project.command(&["secret", "set", name, "--stack", "prod", "--sandbox"]);
        let mut child = set.stdin(std::process::Stdio::piped()).spawn().expect("the program starts");
        std::io::Write::write_all(&mut child.stdin.take().expect("stdin"), secret.as_bytes())
            .expect("the secret is told");
        assert!(child.wait().expect("the program ends").success());
    }

    life.comes_up();
    let shown = life.ok(&["state", "list", "--json"]).out + &life.ok(&["state", "export", "--json"]).out;
    assert!(!shown.contains(ADDRESS), "the address is told");
    assert!(!shown.contains(PASSWORD), "the password is told");
    life.goes(&[]);
}

#[test]
fn dev_lives_in_the_sandbox() {
    dev(&Life::in_the_sandbox("dev"));
}

#[test]
fn staging_lives_in_the_sandbox() {
    staging(&Life::in_the_sandbox("staging"));
}

#[test]
fn prod_lives_in_the_sandbox() {
    prod(&Life::in_the_sandbox("prod"));
}

#[test]
fn dev_lives_on_emulators() {
    dev(&Life::on_emulators("dev"));
}

#[test]
fn staging_lives_on_emulators() {
    staging(&Life::on_emulators("staging"));
}

#[test]
fn prod_lives_on_emulators() {
    prod(&Life::on_emulators("prod"));
}

/// README's sequence: a copy of the database as it was, beside it; then it serves.
#[test]
fn the_database_is_restored_to_a_moment() {
    let life = Life::on_emulators("dev");
    let off = ["security", "backups", "alerting", "cost"].map(|part| format!("{part} = false\n")).concat();
    life.edit("eks = false\n\n[network]\n", &format!("eks = false\n{off}\n[network]\n"));
    life.comes_up();
    life.change(
        "[database]\n",
        "[database]\nrestored = { to = \"latest\" }\n",
        &only("create", &["rds/postgres-restored"]),
    );
    life.change("{ to = \"latest\" }", "{ to = \"latest\", serves = true }", &only("update", &["rds/postgres"]));
    life.goes(&[]);
}
