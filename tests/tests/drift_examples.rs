//! `examples/drift`: what can be checked of the schedules without cron, systemd, Kubernetes and GitHub.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use phx_tests::command::Project;
use phx_tests::workspace;
use serde_json::Value;

fn example(file: &str) -> String {
    std::fs::read_to_string(workspace().join("examples/drift").join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

fn documents(file: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&example(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_owned()).collect()
}

/// Whether one field of a schedule (`17`, `*`, `*/5`, `1-5`, `0,30`) is within its range.
fn in_range(field: &str, least: u32, most: u32) -> bool {
    let number = |text: &str| text.parse().is_ok_and(|n: u32| (least..=most).contains(&n));
    field.split(',').all(|part| {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let range = match range.split_once('-') {
            Some((from, to)) => number(from) && number(to),
            None => range == "*" || number(range),
        };
        range && step.is_none_or(|s| s.parse().is_ok_and(|n: u32| n > 0 && n <= most))
    })
}

/// Whether the five fields of cron are in their ranges.
#[track_caller]
fn assert_schedule(schedule: &str) {
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    assert_eq!(fields.len(), 5, "{schedule}");
    for (field, (least, most)) in fields.iter().zip([(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]) {
        assert!(in_range(field, least, most), "{field:?} in {schedule:?}");
    }
}

/// The settings and the jobs of a crontab: each job is its schedule and its command.
fn crontab() -> (BTreeMap<String, String>, Vec<(String, String)>) {
    let (mut settings, mut jobs) = (BTreeMap::new(), Vec::new());
    for line in example("crontab").lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let setting = line.split_once('=').filter(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
        if let Some((name, value)) = setting {
            settings.insert(name.to_owned(), value.to_owned());
            continue;
        }
        let fields: Vec<&str> = line.splitn(6, char::is_whitespace).collect();
        let (schedule, [command]) = fields.split_at(5) else { panic!("{line}") };
        jobs.push((schedule.join(" "), (*command).to_owned()));
    }
    (settings, jobs)
}

/// A unit's sections: each directive's name and values, in order. A line that is neither is an error.
fn unit(file: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let mut sections: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let mut section = None;
    for line in example(file).lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = Some(name.to_owned());
            continue;
        }
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{file}: {line}"));
        assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()), "{file}: {line}");
        let section = section.clone().unwrap_or_else(|| panic!("{file}: {line} is in no section"));
        sections.entry(section).or_default().push((name.to_owned(), value.to_owned()));
    }
    sections
}

#[track_caller]
fn directive<'a>(sections: &'a BTreeMap<String, Vec<(String, String)>>, section: &str, name: &str) -> &'a str {
    let found: Vec<_> = sections[section].iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
    let [value] = found.as_slice() else { panic!("[{section}] {name}= is there {} times", found.len()) };
    value
}

/// The arguments of each `phx` in a line of a shell.
fn phx_in(line: &str) -> Vec<Vec<String>> {
    let commands = line.split([';', '|', '&', '\n']);
    let after_phx = |command: &str| {
        let words: Vec<&str> = command.split_whitespace().collect();
        let phx = words.iter().position(|w| Path::new(w).file_name().is_some_and(|f| f == "phx"))?;
        let arguments = words[phx + 1..].iter().take_while(|w| !w.starts_with(['>', '<']));
        Some(arguments.map(|w| (*w).to_owned()).collect())
    };
    commands.filter_map(after_phx).collect()
}

fn service_account_and_cron_job() -> (Value, Value) {
    let [account, job] = documents("cronjob.yaml").try_into().expect("two documents");
    (account, job)
}

fn container() -> Value {
    service_account_and_cron_job().1["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0].clone()
}

fn workflow_steps() -> Vec<Value> {
    let [workflow] = documents("github-actions.yml").try_into().expect("one document");
    workflow["jobs"]["drift"]["steps"].as_array().expect("steps").clone()
}

/// Every `phx` command line in the examples, by the file that it is in.
fn command_lines() -> Vec<(&'static str, Vec<String>)> {
    let cron = crontab().1.into_iter().flat_map(|(_, command)| phx_in(&command)).map(|a| ("crontab", a));
    let service = unit("phx-drift.service");
    let systemd = phx_in(directive(&service, "Service", "ExecStart")).into_iter().map(|a| ("phx-drift.service", a));
    let kubernetes = [("cronjob.yaml", strings(&container()["args"]))];
    let runs = workflow_steps().into_iter().filter_map(|step| step["run"].as_str().map(phx_in)).flatten();
    let github: Vec<_> = runs.map(|a| ("github-actions.yml", a)).collect();
    let lines: Vec<_> = cron.chain(systemd).chain(kubernetes).chain(github).collect();
    let files: BTreeSet<_> = lines.iter().map(|(file, _)| *file).collect();
    assert_eq!(files.len(), 4, "a file has no command line: {lines:?}");
    lines
}

#[test]
fn every_command_line_is_one_that_phx_takes() {
    let project = Project::network()
        .with("PHX_PAGERDUTY_KEY", "0123456789abcdef0123456789abcdef")
        .with("PHX_SLACK_URL", "https://hooks.slack.com/services/T0/B0/x");
    let help = project.ok(&["drift", "--help"]).out;
    for (file, arguments) in command_lines() {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        assert!(words.contains(&"drift") && words.contains(&"--notify"), "{file}: {words:?}");
        for flag in words.iter().filter(|w| w.starts_with("--")) {
            let name = flag.split('=').next().unwrap();
            assert!(help.contains(name), "{file}: `phx drift --help` does not have {name}");
        }
        // What comes before --help is parsed and checked, and nothing is done.
        let said = project.ok(&[&words[..], &["--help"]].concat());
        assert!(said.out.contains("--notify"), "{file}: {said:?}");
        let wrong = project.run(&[&words[..], &["--no-such-flag", "--help"]].concat());
        assert_eq!(wrong.code(), 64, "{file}: {wrong:?}");
    }
    let keyless = project.with("PHX_PAGERDUTY_KEY", "");
    assert_eq!(keyless.run(&["drift", "--notify", "pagerduty:", "--help"]).code(), 64);
}

#[test]
fn the_crontab_is_one() {
    let (settings, jobs) = crontab();
    assert!(settings.contains_key("MAILTO") && settings.contains_key("PATH"), "{settings:?}");
    let [(schedule, command)] = jobs.as_slice() else { panic!("{jobs:?}") };
    assert_schedule(schedule);
    // cron makes a line end of it.
    assert!(!command.contains('%'), "{command}");
    let shell = std::process::Command::new("sh").args(["-n", "-c", command]).status().unwrap();
    assert!(shell.success(), "the shell does not understand {command}");
    assert!(!in_range("60", 0, 59) && !in_range("*/0", 0, 59) && in_range("*/5,1-9", 0, 59), "the check checks");
}

#[test]
fn the_units_belong_together() {
    let (service, timer) = (unit("phx-drift.service"), unit("phx-drift.timer"));
    let sections = |unit: &BTreeMap<String, _>| unit.keys().cloned().collect::<Vec<String>>();
    assert_eq!(sections(&service), ["Service", "Unit"]);
    assert_eq!(sections(&timer), ["Install", "Timer", "Unit"]);
    assert_eq!(directive(&service, "Service", "Type"), "oneshot");
    assert_eq!(directive(&service, "Service", "SuccessExitStatus"), "2", "drift is no failure of the unit");
    let command = directive(&service, "Service", "ExecStart");
    assert!(command.starts_with('/'), "systemd wants a path: {command}");
    let folder = format!("/var/lib/{}/", directive(&service, "Service", "StateDirectory"));
    let metrics = command.split_whitespace().skip_while(|w| *w != "--metrics").nth(1).unwrap();
    assert!(metrics.starts_with(&folder), "{metrics} cannot be written: {folder} can");
    // A timer starts the service of its own name.
    assert!(timer["Timer"].iter().all(|(name, _)| name != "Unit"));
    assert_eq!(directive(&timer, "Install", "WantedBy"), "timers.target");

    let calendar = directive(&timer, "Timer", "OnCalendar");
    let (date, time) = calendar.split_once(' ').unwrap();
    assert_eq!(date, "*-*-*");
    let time: Vec<&str> = time.split(':').collect();
    let [hour, minute, second] = time.as_slice() else { panic!("{calendar}") };
    assert!(in_range(hour, 0, 23) && in_range(minute, 0, 59) && in_range(second, 0, 59), "{calendar}");
}

#[test]
fn systemd_understands_the_calendar_where_it_is_there_to_ask() {
    let timer = unit("phx-drift.timer");
    let calendar = directive(&timer, "Timer", "OnCalendar");
    match std::process::Command::new("systemd-analyze").args(["calendar", calendar]).output() {
        Ok(said) => assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr)),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}"),
    }
}

#[test]
fn the_cron_job_runs_as_its_service_account_and_can_write_nothing() {
    let (account, job) = service_account_and_cron_job();
    assert_eq!((&account["apiVersion"], &account["kind"]), (&Value::from("v1"), &Value::from("ServiceAccount")));
    assert_eq!((&job["apiVersion"], &job["kind"]), (&Value::from("batch/v1"), &Value::from("CronJob")));
    assert_schedule(job["spec"]["schedule"].as_str().unwrap());
    let role = account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].as_str().unwrap();
    assert!(role.starts_with("arn:aws:iam::") && role.contains(":role/"), "{role}");
    assert_eq!(account["metadata"]["namespace"], job["metadata"]["namespace"]);

    let pod = &job["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], account["metadata"]["name"]);
    assert_eq!(pod["restartPolicy"], "Never");
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    let container = container();
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
    assert!(container["image"].as_str().unwrap().contains("REPLACE-ME"));
    assert_eq!(strings(&container["command"]), ["/usr/local/bin/phx"]);
    let names: Vec<&str> = container["env"].as_array().unwrap().iter().filter_map(|v| v["name"].as_str()).collect();
    assert_eq!(names, ["AWS_REGION", "PHX_PAGERDUTY_KEY"]);
    assert!(container["env"][1]["valueFrom"]["secretKeyRef"]["key"].is_string(), "the key is no plain text");
}

#[test]
fn the_workflow_takes_a_role_by_a_token() {
    let [workflow] = documents("github-actions.yml").try_into().expect("one document");
    assert_schedule(workflow["on"]["schedule"][0]["cron"].as_str().unwrap());
    assert_eq!(workflow["permissions"]["id-token"], "write");
    assert_eq!(workflow["permissions"]["contents"], "read");
    let steps = workflow_steps();
    let uses: Vec<&str> = steps.iter().filter_map(|s| s["uses"].as_str()).collect();
    assert!(uses.iter().any(|u| u.starts_with("actions/checkout@")), "{uses:?}");
    let role = steps.iter().find(|s| s["uses"].as_str().is_some_and(|u| u.starts_with("aws-actions/")));
    let role = role.unwrap()["with"]["role-to-assume"].as_str().unwrap();
    assert!(role.starts_with("arn:aws:iam::") && role.contains(":role/"), "{role}");
    let secret = steps.last().unwrap()["env"]["PHX_SLACK_URL"].as_str().unwrap();
    assert_eq!(secret, "${{ secrets.PHX_SLACK_URL }}");
}

/// The string literals of a file that are the name of an operation that reads.
fn reads(text: &str, into: &mut BTreeSet<String>) {
    for literal in text.split('"').skip(1).step_by(2) {
        let rest = ["Describe", "Get", "List", "Head"].iter().find_map(|verb| literal.strip_prefix(verb));
        let is_name =
            |r: &str| r.starts_with(|c: char| c.is_ascii_uppercase()) && r.bytes().all(|b| b.is_ascii_alphanumeric());
        if rest.is_some_and(is_name) {
            into.insert(literal.to_owned());
        }
    }
}

/// The IAM action that allows an operation; S3 has names of its own for them.
fn action(service: &str, operation: &str) -> String {
    let name = match (service, operation) {
        ("s3", "HeadBucket") => "ListBucket",
        ("s3", "ListBuckets") => "ListAllMyBuckets",
        ("s3", "ListObjectVersions") => "ListBucketVersions",
        ("s3", "GetBucketEncryption") => "GetEncryptionConfiguration",
        ("s3", "GetBucketLifecycleConfiguration") => "GetLifecycleConfiguration",
        ("s3", "GetBucketReplication") => "GetReplicationConfiguration",
        ("s3", "GetPublicAccessBlock") => "GetBucketPublicAccessBlock",
        ("s3", "GetObjectLockConfiguration") => "GetBucketObjectLockConfiguration",
        (_, "GetResources") => return "tag:GetResources".to_owned(),
        (_, operation) => operation,
    };
    format!("{service}:{name}")
}

#[test]
fn the_policy_lets_it_read_every_type_and_change_nothing() {
    let policy: Value = serde_json::from_str(&example("policy.json")).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    let actions: Vec<String> = statements.iter().flat_map(|s| strings(&s["Action"])).collect();
    for action in &actions {
        let (_, name) = action.split_once(':').unwrap();
        let reads = ["Describe", "Get", "List", "Query", "Decrypt"].iter().any(|verb| name.starts_with(verb));
        assert!(reads, "{action} is no reading");
    }
    // What everything may be read of, the resource types' own code tells; that of what holds data may be read of the state alone.
    let broad = statements.iter().find(|s| s["Resource"] == "*").unwrap();
    let broad = strings(&broad["Action"]);
    let allowed = |action: &str| {
        broad.iter().any(|a| a.strip_suffix('*').map_or(a == action, |prefix| action.starts_with(prefix)))
    };
    for service in ["ec2", "iam", "logs", "s3"] {
        let mut operations = BTreeSet::new();
        for file in std::fs::read_dir(workspace().join("resources/aws/src").join(service)).unwrap() {
            let file = file.unwrap();
            // To read an object as a resource is to read data: whoever manages one allows it of its bucket.
            if !file.file_name().to_string_lossy().starts_with("object") {
                reads(&std::fs::read_to_string(file.path()).unwrap(), &mut operations);
            }
        }
        assert!(!operations.is_empty(), "{service}: no operation was found");
        for operation in operations {
            let action = action(service, &operation);
            assert!(allowed(&action), "policy.json does not allow {action}");
        }
    }
    assert!(!allowed("s3:GetObject") && !allowed("dynamodb:GetItem") && !allowed("kms:Decrypt"));
}

#[test]
fn the_readme_names_every_file() {
    let readme = example("README.md");
    for entry in std::fs::read_dir(workspace().join("examples/drift")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "README.md" || readme.contains(&format!("({name})")), "{name}");
    }
}
