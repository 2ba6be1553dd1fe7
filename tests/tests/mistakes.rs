//! The mistakes that people make: each a clear message, the right exit code, and not one API call.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use phx_tests::command::{Project, Said};
use phx_tests::emulator::Emulator;

struct Case {
    counter: Emulator,
    project: Project,
    _moto: Emulator,
}

impl Case {
    fn new() -> Self {
        let moto = Emulator::moto();
        let counter = Emulator::counting(&moto, &[]);
        let project = Project::network().on(&counter);
        Self { counter, project, _moto: moto }
    }

    /// Runs `up`, which must fail with this code, say all of these words and call nothing.
    #[track_caller]
    fn refused(&self, arguments: &[&str], code: i32, words: &[&str]) -> Said {
        let said = self.project.run(arguments);
        assert_eq!(said.code(), code, "{arguments:?}: {said:?}");
        for word in words {
            assert!(said.err.contains(word), "{arguments:?} does not say {word:?}:\n{}", said.err);
        }
        assert!(!said.err.contains("panicked"), "{}", said.err);
        assert_eq!(self.counter.counts()["total"], 0, "no call is made");
        said
    }
}

const UP: &[&str] = &["up", "--stack", "dev", "--yes"];

#[test]
fn mistakes_in_a_stack_file_name_file_line_and_key() {
    for (from, to, words) in [
        ("zones = ", "zonez = ", &["dev.toml:LINE", "zonez"][..]),
        (
            "flow_log_retention_days = 7",
            "flow_log_retention_days = \"seven\"",
            &["dev.toml:", "network.flow_log_retention_days"],
        ),
        ("10.10.0.0/16", "10.10.0.0/33", &["dev.toml:", "network.cidr", "10.10.0.0/33"]),
        ("10.10.0.0/16", "10.10.0.1/16", &["dev.toml:", "10.10.0.0/16"]),
        ("[network]", "[network", &["dev.toml:"]),
        ("nat_gateways = \"single\"", "nat_gateways = \"none\"", &["dev.toml:", "nat_gateways", "none"]),
        ("region = \"us-west-2\"", "regoin = \"us-west-2\"", &["dev.toml:", "regoin", "region"]),
    ] {
        let case = Case::new();
        let text = std::fs::read_to_string(case.project.path().join("dev.toml")).expect("dev.toml");
        let line = text.lines().position(|l| l.contains(from)).map_or(0, |at| at + 1);
        case.project.edit("dev.toml", from, to);
        let words: Vec<String> = words.iter().map(|w| w.replace("LINE", &line.to_string())).collect();
        case.refused(UP, 1, &words.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[test]
fn unknown_stacks_and_missing_files_are_named() {
    let case = Case::new();
    case.refused(&["up", "--stack", "qa", "--yes"], 1, &["qa", "dev", "prod", "staging"]);
    case.refused(&["up", "--stack", "../etc", "--yes"], 1, &["../etc"]);
    // A slip in the folder's name does not lead to the project around it.
    case.refused(&["-C", "stakcs", "up", "--stack", "dev", "--yes"], 1, &["stakcs"]);
    std::fs::remove_file(case.project.path().join("phx.toml")).expect("removed");
    case.refused(UP, 1, &["phx.toml"]);
}

#[test]
fn wrong_usage_exits_with_64() {
    let case = Case::new();
    case.refused(&["upp"], 64, &["upp"]);
    case.refused(&["up", "--no-such-flag"], 64, &["--no-such-flag"]);
    case.refused(&["check", "--permissions", "--orphans"], 64, &["--operation drift"]);
}

#[test]
fn whoever_reads_may_stop_reading() {
    let project = Project::network();
    for arguments in [&["completions", "bash"][..], &["schema"], &["schema", "--json"], &["help"]] {
        let mut child = project
            .command(arguments)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("the program starts");
        // As `| head -0`: nobody reads any of it.
        drop(child.stdout.take());
        let said = Said::from(child.wait_with_output().expect("the program ends"));
        assert!([0, 1].contains(&said.code()), "{arguments:?}: {said:?}");
        assert_eq!(said.err, "", "{arguments:?}");
    }
}

#[test]
fn a_change_without_an_answer_is_refused() {
    let moto = Emulator::moto();
    let project = Project::network().on(&moto);
    let said = project.run(&["up", "--stack", "dev"]);
    assert_eq!(said.code(), 1);
    assert!(said.err.contains("--yes"), "{}", said.err);
    assert_eq!(moto.inventory(), Default::default());
}

#[test]
fn a_damaged_checkpoint_is_named_and_a_newer_format_is_left_unharmed() {
    let case = Case::new();
    let moto = Emulator::moto();
    let on_moto = Project::network().on(&moto);
    on_moto.ok(UP);
    let stack = on_moto.path().join(".phx/phoenix/dev");
    let checkpoint = std::fs::read_dir(stack.join("checkpoints"))
        .expect("checkpoints")
        .map(|e| e.expect("an entry").path())
        .max_by_key(|p| std::fs::metadata(p).expect("a file").len())
        .expect("a checkpoint");
    let whole = std::fs::read(&checkpoint).expect("the checkpoint");
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    std::fs::write(&checkpoint, &flipped).expect("written");
    let said = on_moto.run(UP);
    assert_eq!(said.code(), 1, "{said:?}");
    assert!(said.err.contains("damaged") && said.err.contains("hint"), "{}", said.err);
    // It hides none of the others.
    let listed = on_moto.run(&["stack", "list"]);
    assert!(listed.code() == 1 && listed.out.contains("staging"), "{listed:?}");
    assert!(listed.err.contains("reading the stack dev") && listed.err.contains("damaged"), "{}", listed.err);
    std::fs::write(&checkpoint, &whole).expect("written");

    let head = stack.join("head.json");
    let text = std::fs::read_to_string(&head).expect("the head");
    let (before, after) = text.split_once("\"format\":").expect("a format");
    let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    let newer = format!("{before}\"format\":99{rest}");
    assert_ne!(newer, text, "{text}");
    std::fs::write(&head, &newer).expect("written");
    let said = on_moto.run(UP);
    assert_eq!(said.code(), 1);
    assert!(said.err.contains("99"), "{}", said.err);
    assert_eq!(std::fs::read_to_string(&head).expect("the head"), newer, "left unharmed");
    drop(case);
}

#[test]
fn a_place_in_which_the_stacks_objects_are_not_is_refused() {
    let moto = Emulator::moto();
    let project = Project::copy("examples/scale").on(&moto);
    let run = |project: &Project, arguments: &[&str]| project.run(&[arguments, &["--stack", "n20"]].concat());
    assert_eq!(run(&project, &["up", "--yes"]).code(), 0);
    let all = |project: &Project| (moto.inventory(), run(project, &["state", "list", "--json"]).out);
    let before = all(&project);

    // Another region: everything would be taken for gone, forgotten, and made anew beside what there is.
    project.edit("n20.toml", "region = \"us-west-2\"", "region = \"us-east-1\"");
    for arguments in [
        &["preview"][..],
        &["up", "--yes"],
        &["up", "--yes", "--refresh=false"],
        &["refresh"],
        &["destroy", "--yes"],
        &["drift"],
    ] {
        let said = run(&project, arguments);
        assert_eq!(said.code(), 1, "{arguments:?}: {said:?}");
        for word in ["us-west-2", "its region is now us-east-1", "hint: set the region back"] {
            assert!(said.err.contains(word), "{arguments:?} does not say {word:?}:\n{}", said.err);
        }
    }
    assert_eq!(all(&project), before);
    project.edit("n20.toml", "region = \"us-east-1\"", "region = \"us-west-2\"");
    assert_eq!(run(&project, &["preview", "--detailed-exitcode"]).code(), 0);
}

#[test]
fn accounts_credentials_and_endpoints_that_are_wrong_stop_everything() {
    let moto = Emulator::moto();
    let project = Project::network().on(&moto);
    project.edit("dev.toml", "region = \"us-west-2\"", "region = \"us-west-2\"\naccount_id = \"999999999999\"");
    let said = project.run(UP);
    assert_eq!(said.code(), 1);
    assert!(said.err.contains("999999999999") && said.err.contains("123456789012"), "{}", said.err);
    assert_eq!(moto.inventory(), Default::default());

    let project = Project::network().on(&moto);
    let output = project
        .command(UP)
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .output()
        .expect("the program starts");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("credentials") && err.contains("AWS_PROFILE"), "{err}");

    let output =
        project.command(UP).env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").output().expect("the program starts");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("127.0.0.1:9"), "{err}");
    assert_eq!(moto.inventory(), Default::default());
}
