//! Random edits of the Phoenix platform's configuration, in phx's own sandbox: each changes what it must, in the way that AWS can (in place, or by another
//! object), and nothing else; afterwards there is nothing to do and nothing has drifted.
//!
//! `PHX_SEED=n` walks another way, `PHX_EDITS=n` a longer one.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::collections::BTreeSet;

use phx_tests::command::Project;
use phx_tests::sim::Rng;

/// Operation and name of steps.
type Steps = BTreeSet<(&'static str, String)>;

/// One thing that the file says, the ways to say it, and what going from one to another comes to.
struct Knob {
    /// As dev.toml has it.
    written: &'static str,
    /// `@` is where `ways` differ.
    form: &'static str,
    ways: &'static [&'static str],
    comes_to: fn(old: &str, new: &str) -> Steps,
}

fn steps(op: &'static str, names: &[&str]) -> Steps {
    names.iter().map(|name| (op, (*name).to_owned())).collect()
}

macro_rules! updates {
    ($($name:literal),+) => { |_, _| steps("update", &[$($name),+]) };
}

/// Items of lists, which are objects of their own: those that come and those that go.
fn items(old: &str, new: &str, name: impl Fn(&str) -> String) -> Steps {
    let all = |list: &str| list.split(", ").filter(|i| !i.is_empty()).map(|i| name(i.trim_matches('"'))).collect();
    let (old, new): (BTreeSet<String>, BTreeSet<String>) = (all(old), all(new));
    let come = new.difference(&old).map(|name| ("create", name.clone()));
    come.chain(old.difference(&new).map(|name| ("delete", name.clone()))).collect()
}

const KNOBS: &[Knob] = &[
    Knob {
        written: "flow_log_retention_days = 7",
        form: "flow_log_retention_days = @",
        ways: &["7", "14", "365"],
        comes_to: updates!("networking/flow-logs"),
    },
    Knob {
        written: "nat_gateways = \"single\"",
        form: "nat_gateways = \"@\"",
        ways: &["single", "per-zone"],
        // The second gateway with its address and its alarms; the route goes by it, and the dashboard shows it.
        comes_to: |_, new| {
            let op = if new == "single" { "delete" } else { "create" };
            let gateway = steps(op, &["networking/nat-b", "alerting/nat-b-ports", "alerting/nat-b-drops"]);
            &gateway | &steps("update", &["networking/private-b-internet", "alerting/overview"])
        },
    },
    Knob {
        written: "gateway_endpoints = [\"s3\", \"dynamodb\"]",
        form: "gateway_endpoints = [@]",
        ways: &["\"s3\", \"dynamodb\"", "\"s3\"", ""],
        comes_to: |old, new| items(old, new, |service| format!("networking/{service}")),
    },
    Knob {
        written: "interface_endpoints = [\"ecr.api\", \"ecr.dkr\", \"sts\", \"logs\"]",
        form: "interface_endpoints = [@]",
        ways: &["\"ecr.api\", \"ecr.dkr\", \"sts\", \"logs\"", "\"sts\", \"ssm\"", "\"logs\", \"ecr.api\", \"sts\""],
        comes_to: |old, new| items(old, new, |service| format!("networking/{service}")),
    },
    Knob {
        written: "[eks]\nversion = \"1.34\"\nlog_retention_days = 7",
        form: "[eks]\nversion = \"1.34\"\nlog_retention_days = @",
        ways: &["7", "30"],
        comes_to: updates!("eks/control-plane"),
    },
    Knob {
        written: "policy = \"AmazonEKSClusterAdminPolicy\"",
        form: "policy = \"@\"",
        ways: &["AmazonEKSClusterAdminPolicy", "AmazonEKSAdminPolicy", "AmazonEKSViewPolicy"],
        // Which policy an entry has is what the association is.
        comes_to: |_, _| steps("replace", &["eks/admin"]),
    },
    Knob {
        written: "groups = [\"phoenix:developers\"]",
        form: "groups = [\"@\"]",
        ways: &["phoenix:developers", "phoenix:others"],
        comes_to: updates!("eks/developer"),
    },
    Knob {
        written: "min = 1\nmax = 3",
        form: "min = @",
        ways: &["1\nmax = 3", "2\nmax = 5", "1\nmax = 4"],
        comes_to: updates!("eks/general"),
    },
    Knob {
        written: "disk_gib = 30",
        form: "disk_gib = @",
        ways: &["30", "50", "80\nlabels = { tier = \"blue\" }", "30\ntaints = [\"dedicated=test:NoSchedule\"]"],
        comes_to: updates!("eks/general"),
    },
    Knob {
        written: "instance_types = [\"t4g.large\"]",
        form: "instance_types = [\"@\"]",
        ways: &["t4g.large", "t4g.xlarge", "m7g.large"],
        comes_to: |_, _| steps("replace", &["eks/general"]),
    },
    Knob {
        written: "instance_class = \"db.t4g.micro\"",
        form: "instance_class = \"@\"",
        ways: &["db.t4g.micro", "db.t4g.small", "db.t4g.medium"],
        // How many connections are too many goes by the machine.
        comes_to: updates!("rds/postgres", "alerting/database-connections"),
    },
    Knob {
        written: "multi_az = false",
        form: "multi_az = @",
        ways: &["false", "true"],
        comes_to: updates!("rds/postgres"),
    },
    Knob {
        written: "backup_retention_days = 7",
        form: "backup_retention_days = @",
        ways: &["7", "14", "35"],
        comes_to: updates!("rds/postgres"),
    },
    Knob {
        written: "maintenance_window = \"sun:09:30-sun:10:30\"",
        form: "maintenance_window = \"@\"",
        ways: &["sun:09:30-sun:10:30", "mon:10:00-mon:11:00"],
        comes_to: updates!("rds/postgres"),
    },
    Knob {
        written: "trail_retention_days = 90",
        form: "trail_retention_days = @",
        ways: &["90", "180"],
        comes_to: updates!("security/trail"),
    },
    Knob {
        written: "secrets = [\"grafana\"]",
        form: "secrets = [@]",
        ways: &["\"grafana\"", "\"grafana\", \"application\"", "\"grafana\", \"billing\""],
        comes_to: |old, new| items(old, new, |secret| format!("security/{secret}")),
    },
    Knob {
        written: "[backups]\nretention_days = 7",
        form: "[backups]\nretention_days = @",
        ways: &["7", "14", "30"],
        comes_to: updates!("backups/daily"),
    },
    Knob {
        written: "monthly_usd = 400",
        form: "monthly_usd = @",
        ways: &["400", "450", "1000"],
        comes_to: updates!("cost/monthly"),
    },
    Knob {
        written: "anomaly_usd = 20",
        form: "anomaly_usd = @",
        ways: &["20", "35"],
        comes_to: updates!("cost/anomalies"),
    },
    Knob {
        written: "warning_emails = [\"platform-dev@example.com\"]",
        form: "warning_emails = [@]",
        ways: &["\"platform-dev@example.com\"", "\"a@example.com\", \"b@example.com\"", "\"b@example.com\""],
        comes_to: |old, new| items(old, new, |mail| format!("alerting/warning-{}", mail.replace('@', "-at-"))),
    },
];

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn edits_change_what_they_must() {
    let (seed, rounds) = (number("PHX_SEED", 20_261_125), number("PHX_EDITS", 15));
    let mut random = Rng::new(seed);
    let mut pick = move |of: usize| usize::try_from(random.below(of as u64)).expect("an index");
    let project = Project::copy("stacks");
    let written = std::fs::read_to_string(project.path().join("dev.toml")).expect("dev.toml");
    let phx = |arguments: &[&str]| project.run(&[arguments, &["--stack", "dev", "--sandbox"]].concat());
    let up = |context: &str| {
        let said = phx(&["up", "--yes"]);
        assert_eq!(said.code(), 0, "{context}\n{}\n{}", said.out, said.err);
        for nothing in [&["preview", "--detailed-exitcode"][..], &["drift"]] {
            let said = phx(nothing);
            assert_eq!(said.code(), 0, "{nothing:?} after {context}\n{}\n{}", said.out, said.err);
        }
    };
    up("the first up");

    let mut ways = vec![0; KNOBS.len()];
    for round in 1..=rounds {
        let (mut expected, mut edits) = (Steps::new(), Vec::new());
        for _ in 0..=pick(3) {
            let at = pick(KNOBS.len());
            let knob = &KNOBS[at];
            let way = pick(knob.ways.len());
            if way != ways[at] && !edits.iter().any(|(edited, _)| *edited == at) {
                expected.extend((knob.comes_to)(knob.ways[ways[at]], knob.ways[way]));
                edits.push((at, way));
            }
        }
        edits.iter().for_each(|(at, way)| ways[*at] = *way);
        let file = KNOBS.iter().zip(&ways).fold(written.clone(), |file, (knob, way)| {
            assert_eq!(file.matches(knob.written).count(), 1, "dev.toml has not one {:?}", knob.written);
            file.replace(knob.written, &knob.form.replace('@', knob.ways[*way]))
        });
        std::fs::write(project.path().join("dev.toml"), &file).expect("dev.toml is written");

        let said = edits.iter().map(|(at, way)| KNOBS[*at].form.replace('@', KNOBS[*at].ways[*way]));
        let context = format!("PHX_SEED={seed}, round {round}: {:?}", said.collect::<Vec<_>>());
        let plan = phx(&["preview", "--json"]).json();
        let found = plan["steps"].as_array().expect("steps").iter().filter(|s| s["op"] != "same");
        let text = |v: &serde_json::Value| v.as_str().expect("a text").to_owned();
        let mut found: BTreeSet<(String, String)> = found.map(|s| (text(&s["op"]), text(&s["name"]))).collect();
        let mut expected: BTreeSet<_> = expected.into_iter().map(|(op, name)| (op.to_owned(), name)).collect();
        // What is replaced is not updated beside that; a template of the same name may be.
        for (_, name) in expected.clone().into_iter().filter(|(op, _)| op == "replace") {
            let update = ("update".to_owned(), name);
            expected.remove(&update);
            found.remove(&update);
        }
        assert_eq!(found, expected, "{context}\n{plan:#}");
        up(&context);
    }

    std::fs::write(project.path().join("dev.toml"), &written).expect("dev.toml is written");
    up("everything was taken back");
    let gone = phx(&["destroy", "--yes"]);
    assert_eq!(gone.code(), 0, "{}\n{}", gone.out, gone.err);
    let left = phx(&["state", "list", "--json"]).json();
    assert_eq!(left["resources"].as_array().map(Vec::len), Some(0), "{left}");
}
