//! Checks: what a program says must be true once `up` is done, made by the real program in the sandbox.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use phx_tests::command::{Project, Said};
use serde_json::{Value, json};

const COMMAND: &str = r#"command = ["sh", "-c", "test -n \"$BUCKET\""]"#;

fn project() -> Project {
    Project::copy("examples/checks").with("PHX_PASSPHRASE", "correct horse battery staple")
}

fn up(project: &Project, more: &[&str]) -> Said {
    project.run(&[&["up", "--sandbox", "--yes"], more].concat())
}

/// The names of a run's events of one kind, and what is under a key in each.
fn told<'e>(events: &'e [Value], event: &str, key: &str) -> Vec<&'e Value> {
    events.iter().filter(|e| e["event"] == event).map(|e| &e[key]).collect()
}

/// What the stack's state and history are.
fn recorded(project: &Project) -> (Value, Value) {
    let list = project.ok(&["state", "list", "--sandbox", "--json"]).json();
    (list, project.ok(&["stack", "history", "--sandbox", "--json"]).json())
}

#[test]
fn up_makes_the_checks_in_the_end_and_again_when_there_is_nothing_to_do() {
    let project = project();
    let preview = project.ok(&["preview", "--sandbox"]);
    assert!(preview.out.contains("3 checks after `up`"), "{}", preview.out);
    let said = up(&project, &["--json"]);
    assert_eq!(said.code(), 0, "{}\n{}", said.out, said.err);
    let events = said.events();
    let mut passed = told(&events, "check_passed", "check");
    passed.sort_by_key(|name| name.to_string());
    assert_eq!(passed, [&json!("archive/versioned"), &json!("command"), &json!("kept")]);
    let kept = events.iter().find(|e| e["event"] == "check_passed" && e["check"] == "kept").unwrap();
    assert_eq!(kept["found"], "retention_in_days is 7");
    assert_eq!(kept["kind"], "resource");
    assert_eq!(kept["urns"], json!(["urn:phx:checks:dev:aws:logs:LogGroup:live"]));
    let done = events.last().unwrap();
    assert_eq!((&done["event"], &done["result"]), (&json!("operation_done"), &json!("succeeded")));
    assert_eq!((&done["checks"]["passed"], &done["checks"]["failed"]), (&json!(3), &json!(0)));
    assert!(done["checks"].get("failures").is_none());

    let again = up(&project, &[]);
    assert_eq!(again.code(), 0, "{}", again.err);
    assert!(again.out.contains("2 unchanged") && again.out.contains("checks are true: 3 true"), "{}", again.out);
}

#[test]
fn a_failed_check_fails_up_and_loses_nothing() {
    let project = project();
    project.edit("dev.toml", COMMAND, r#"command = ["sh", "-c", "echo no $BUCKET here; exit 3"]"#);
    let said = up(&project, &[]);
    assert_eq!(said.code(), 1, "{}\n{}", said.out, said.err);
    assert!(said.out.contains("up is done: 2 created"), "{}", said.out);
    for line in [
        "failed command check command: sh -c \"echo no $BUCKET here; exit 3\"",
        "    expected: exit code 0",
        "    found:    exit code 3, and it said:",
        "no phx-example-checks-7f3a91 here",
        "    about:    urn:phx:checks:dev:aws:s3:Bucket:archive/bucket",
        "checks failed: 2 true, 1 not true",
    ] {
        assert!(said.out.contains(line), "{line:?} is not in:\n{}", said.out);
    }
    assert!(said.err.contains("up is done and recorded, and 1 check failed"), "{}", said.err);
    let (before, history) = recorded(&project);
    assert_eq!(before["resources"].as_array().unwrap().len(), 2);
    assert_eq!(history["operations"][0]["result"], "succeeded");
    let lock = project.ok(&["lock", "status", "--sandbox", "--json"]).json();
    assert_eq!(lock["held"], false, "{lock}");

    // There is nothing to do, and the check is made again.
    let again = up(&project, &["--json"]);
    assert_eq!(again.code(), 1, "{}", again.err);
    let events = again.events();
    assert_eq!(told(&events, "step_started", "urn"), [] as [&Value; 0]);
    let failed = events.iter().find(|e| e["event"] == "check_failed").unwrap();
    assert_eq!(
        (&failed["check"], &failed["kind"], &failed["expected"]),
        (&json!("command"), &json!("command"), &json!("exit code 0"))
    );
    assert!(failed["found"].as_str().unwrap().starts_with("exit code 3"), "{failed}");
    let done = events.last().unwrap();
    assert_eq!((&done["event"], &done["result"]), (&json!("operation_done"), &json!("succeeded")));
    assert_eq!((&done["checks"]["failed"], &done["checks"]["failures"]), (&json!(1), &json!(["command"])));
    assert_eq!(recorded(&project).0["resources"], before["resources"]);

    let without = up(&project, &["--verify=false", "--json"]);
    assert_eq!(without.code(), 0, "{}", without.err);
    let events = without.events();
    assert_eq!(told(&events, "check_started", "check"), [] as [&Value; 0]);
    assert!(events.last().unwrap().get("checks").is_none());
    let aimed = up(&project, &["--target", "live"]);
    assert_eq!(aimed.code(), 0, "{}", aimed.err);
    assert!(aimed.out.contains("The checks were left out"), "{}", aimed.out);
}

#[test]
fn verify_makes_them_alone_and_changes_nothing() {
    let project = project();
    let early = project.run(&["verify", "--sandbox", "--json"]);
    assert_eq!(early.code(), 1, "{}", early.err);
    let early = early.json();
    assert_eq!(early["summary"]["failed"], 3);
    let found = early["checks"][0]["found"].as_str().unwrap();
    assert_eq!(found, "urn:phx:checks:dev:aws:logs:LogGroup:live is not in the state");
    assert_eq!(early["checks"][0]["hint"], "`phx up` makes it, and `phx state list` shows what there is");

    assert_eq!(up(&project, &["--verify=false"]).code(), 0);
    let before = recorded(&project);
    let said = project.ok(&["verify", "--sandbox"]);
    assert!(said.out.contains("checks are true: 3 true"), "{}", said.out);
    assert!(said.out.contains("checked kept"), "{}", said.out);
    project.edit("dev.toml", "retention_in_days = 7", "retention_in_days = 14");
    let said = project.run(&["verify", "--sandbox", "--json"]);
    assert_eq!(said.code(), 1, "{}", said.err);
    let answer = said.json();
    assert_eq!((&answer["stack"], &answer["summary"]["passed"]), (&json!("dev"), &json!(2)));
    let kept = &answer["checks"][0];
    assert_eq!(
        (&kept["check"], &kept["result"], &kept["expected"], &kept["found"]),
        (&json!("kept"), &json!("failed"), &json!("retention_in_days is 14"), &json!("retention_in_days: it is 7"))
    );
    assert_eq!(answer["checks"][1]["result"], "passed");
    assert_eq!(recorded(&project), before);
}

#[test]
fn what_answers_over_http_is_asked() {
    let project = project();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/healthz", listener.local_addr().unwrap());
    // Not well at first, and well from the third time on.
    std::thread::spawn(move || {
        for n in 0.. {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            let answer = if n < 2 { "503 No\r\nContent-Length: 0" } else { "200 OK\r\nContent-Length: 2" };
            let body = if n < 2 { "" } else { "ok" };
            let _ = stream.write_all(format!("HTTP/1.1 {answer}\r\nConnection: close\r\n\r\n{body}").as_bytes());
        }
    });
    project.edit(
        "dev.toml",
        "# health_url = \"https://api.example.com/healthz\"",
        &format!("health_url = \"{url}\"\npatience_seconds = 30"),
    );
    let said = up(&project, &["--json"]);
    assert_eq!(said.code(), 0, "{}\n{}", said.out, said.err);
    let events = said.events();
    let healthy = events.iter().find(|e| e["event"] == "check_passed" && e["check"] == "healthy").unwrap();
    assert_eq!((&healthy["attempts"], &healthy["found"]), (&json!(3), &json!("status 200, \"ok\" in the body")));
    assert_eq!(healthy["urns"], json!(["urn:phx:checks:dev:aws:s3:Bucket:archive/bucket"]));
}

#[test]
fn no_secret_is_told() {
    let project = project();
    let mut set = project.command(&["secret", "set", "token", "--sandbox"]).stdin(Stdio::piped()).spawn().unwrap();
    set.stdin.take().unwrap().write_all(b"hunter2-hunter2").unwrap();
    assert!(set.wait().unwrap().success());
    let script = r#"command = ["sh", "-c", "echo $TOKEN; echo passphrase $PHX_PASSPHRASE; exit 1"]"#;
    project.edit("dev.toml", COMMAND, &format!("token = true\n{script}"));
    for more in [&["--json"][..], &[], &["-v"]] {
        let said = up(&project, more);
        assert_eq!(said.code(), 1, "{}\n{}", said.out, said.err);
        let all = format!("{}{}", said.out, said.err);
        assert!(!all.contains("hunter2") && !all.contains("battery"), "{all}");
        assert!(all.contains("(secret)"), "{all}");
    }
    let said = project.run(&["verify", "--sandbox", "--json"]);
    assert_eq!(said.json()["checks"][2]["found"], "exit code 1, and it said:\n(secret)\npassphrase");
}

#[test]
fn ctrl_c_ends_them_and_the_work_stays_done() {
    let project = project();
    let file = project.path().join("running");
    let script = format!("touch {}; sleep 100", file.display());
    project.edit("dev.toml", COMMAND, &format!("command = [\"sh\", \"-c\", \"{script}\"]"));
    for arguments in [&["up", "--sandbox", "--yes", "--json"][..], &["verify", "--sandbox", "--json"]] {
        let child = project.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let began = Instant::now();
        while !file.exists() {
            assert!(began.elapsed() < Duration::from_secs(60), "the command was never run");
            std::thread::sleep(Duration::from_millis(50));
        }
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
        let said = Said::from(child.wait_with_output().unwrap());
        assert_eq!(said.code(), 130, "{arguments:?}: {}\n{}", said.out, said.err);
        let checks = match arguments[0] {
            "up" => said.events().last().unwrap()["checks"].clone(),
            _ => said.json()["summary"].clone(),
        };
        assert_eq!((&checks["not_done"], &checks["failed"]), (&json!(1), &json!(0)), "{checks}");
        std::fs::remove_file(&file).unwrap();
    }
    let (list, history) = recorded(&project);
    assert_eq!(list["resources"].as_array().unwrap().len(), 2);
    assert_eq!(history["operations"][0]["result"], "succeeded");
}
