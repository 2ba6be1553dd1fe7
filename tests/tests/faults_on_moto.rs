//! AWS at its worst: half of all calls throttled, 5xx, seconds of delay, connections reset before and after a call was done, answers cut short, in
//! front of the cloud and of the store. And disks at theirs: full, and not to be written to. Each run converges, or stops with everything recorded; once all
//! is calm the next one converges, with no orphan and no duplicate.
//!
//! What goes wrong comes from a seed, printed on failure. `PHX_SEED=n` begins with another one, `PHX_ROUNDS=n` goes round more often.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::process::Command;

use phx_tests::command::{Project, Said};
use phx_tests::emulator::{Emulator, Inventory};

const UP: [&str; 4] = ["up", "--stack", "dev", "--yes"];
const DESTROY: [&str; 4] = ["destroy", "--stack", "dev", "--yes"];

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |n| n.parse().expect("a number"))
}

fn sizes(inventory: &Inventory) -> Vec<(String, usize)> {
    inventory.iter().map(|(kind, items)| (kind.clone(), items.len())).collect()
}

/// What exists is what the state knows, and there is nothing to do.
fn assert_whole(moto: &Emulator, project: &Project, expected: &[(String, usize)], context: &str) {
    let inventory = moto.inventory();
    assert_eq!(sizes(&inventory), expected, "{context}: an orphan, a duplicate or something missing: {inventory:#?}");
    let listed = project.ok(&["state", "list", "--stack", "dev", "--json"]).json();
    let known: Vec<_> = listed["resources"].as_array().expect("resources").iter().map(|r| r["id"].clone()).collect();
    assert_eq!(known.len(), inventory.values().map(Vec::len).sum::<usize>(), "{context}");
    for item in inventory.values().flatten().filter(|i| i.tags.contains_key("phx:intent")) {
        assert!(known.iter().any(|id| *id == item.id), "{context}: the state does not know {item:?}");
    }
    let again = project.run(&["preview", "--stack", "dev", "--detailed-exitcode"]);
    assert_eq!(again.code(), 0, "{context}: {}{}", again.out, again.err);
}

/// One run while everything goes wrong. It may fail, and then says why; it does not panic, and it ends.
fn suffer(project: &Project, arguments: &[&str], context: &str) -> i32 {
    let said = project.run(arguments);
    assert!([0, 1].contains(&said.code()), "{context}: it ended with {:?}: {}", said.status, said.err);
    assert!(!said.err.contains("panicked"), "{context}: {}", said.err);
    let told = said.err.contains("error") || said.out.contains("failed");
    assert!(said.code() == 0 || told, "{context}: it failed without a word: {}{}", said.out, said.err);
    said.code()
}

/// Goes up and down in a storm. `of_the_store` is the storm in front of the store, if it has one of its own.
fn weather(faults: &[&str], of_the_store: Option<&[&str]>) {
    let first = number("PHX_SEED", 1);
    for seed in first..first + number("PHX_ROUNDS", 2) {
        let context = format!("PHX_SEED={seed} PHX_ROUNDS=1, {faults:?} and {of_the_store:?}");
        let moto = Emulator::moto();
        let seed = seed.to_string();
        let storm = |upstream: &Emulator, faults: &[&str]| {
            Emulator::faulty(upstream, &[&["--seed", seed.as_str()], faults].concat())
        };
        let cloud = storm(&moto, faults);
        let mut project = Project::network().on(&cloud);
        let store = of_the_store.map(|faults| {
            let store = Emulator::moto();
            let proxy = storm(&store, faults);
            (proxy, store)
        });
        if let Some((proxy, _)) = &store {
            project = project.with_state_in(proxy, "5s");
        }
        let set = |on: bool| {
            cloud.storm(on);
            store.iter().for_each(|(proxy, _)| proxy.storm(on));
        };

        // What there is when nothing goes wrong.
        project.ok(&UP);
        let expected = sizes(&moto.inventory());
        project.ok(&DESTROY);

        let mut codes = Vec::new();
        for (arguments, expected) in [(&UP, &expected[..]), (&DESTROY, &[])] {
            set(true);
            for _ in 0..4 {
                codes.push(suffer(&project, arguments, &context));
                if codes.last() == Some(&0) {
                    break;
                }
            }
            set(false);
            let calm = project.run(arguments);
            assert_eq!(calm.code(), 0, "{context}: {}", calm.err);
            assert_whole_or_gone(&moto, &project, expected, &context);
        }
        let counts = cloud.counts();
        let store_counts = store.as_ref().map(|(proxy, _)| proxy.counts());
        println!("{context}: {codes:?}, {} and {:?}", counts["faults"], store_counts.as_ref().map(|c| &c["faults"]));
        let any = |counts: &serde_json::Value| counts["faults"].as_object().is_some_and(|f| !f.is_empty());
        assert!(faults.is_empty() || any(&counts), "{context}: nothing went wrong");
        assert!(store_counts.as_ref().is_none_or(any), "{context}: nothing went wrong with the store");
    }
}

fn assert_whole_or_gone(moto: &Emulator, project: &Project, expected: &[(String, usize)], context: &str) {
    if expected.is_empty() {
        assert_eq!(moto.inventory(), Inventory::new(), "{context}: something is left");
    } else {
        assert_whole(moto, project, expected, context);
    }
}

#[test]
fn half_of_all_calls_are_throttled() {
    weather(&["--throttle", "0.5"], None);
}

#[test]
fn servers_fail() {
    weather(&["--errors", "0.2"], None);
}

#[test]
fn answers_take_seconds() {
    weather(&["--delay", "0.15:3000"], None);
}

#[test]
fn connections_break_before_and_after_the_call_was_done() {
    weather(&["--refuse", "0.1", "--lose", "0.15"], None);
}

#[test]
fn answers_are_cut_short() {
    weather(&["--truncate", "0.2"], None);
}

#[test]
fn everything_at_once() {
    let faults = ["--throttle", "0.2", "--errors", "0.05", "--refuse", "0.05", "--lose", "0.05", "--truncate", "0.05"];
    weather(&[&faults[..], &["--delay", "0.05:1000"]].concat(), None);
}

#[test]
fn the_store_in_s3_is_throttled_and_fails() {
    weather(&[], Some(&["--throttle", "0.3", "--errors", "0.1", "--delay", "0.05:500"]));
}

#[test]
fn the_store_in_s3_loses_answers() {
    weather(&[], Some(&["--refuse", "0.05", "--lose", "0.1", "--truncate", "0.05"]));
}

#[test]
fn the_store_and_the_cloud_at_once() {
    let both = ["--throttle", "0.15", "--errors", "0.05", "--refuse", "0.03", "--lose", "0.05", "--truncate", "0.03"];
    weather(&both, Some(&both));
}

/// A folder that cannot be written to. For a superuser no folder of a disk is, so there it is one of the kernel's.
#[test]
fn a_folder_that_cannot_be_written_to() {
    let moto = Emulator::moto();
    let counter = Emulator::counting(&moto, &[]);
    let folder = tempfile::tempdir().expect("a folder");
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o555)).expect("permissions");
    }
    let superuser = std::fs::write(folder.path().join("written"), "").is_ok();
    let place = match superuser {
        true => "/proc/phx-state-of-a-test".to_owned(),
        false => folder.path().join("state").display().to_string(),
    };
    let project = Project::network().on(&counter).with("PHX_STATE", format!("file://{place}"));
    let said = project.run(&UP);
    assert_eq!(said.code(), 1, "{}", said.err);
    assert!(said.err.contains(&place), "{}", said.err);
    assert_eq!(moto.inventory(), Inventory::new(), "something was made that cannot be remembered");
}

/// A disk that is full after so many kilobytes, at every stage of a run.
#[test]
fn a_disk_that_fills_up() {
    let moto = Emulator::moto();
    let project = Project::network().on(&moto);
    project.ok(&UP);
    let expected = sizes(&moto.inventory());
    project.ok(&DESTROY);

    let mut failed = 0;
    for blocks in [0, 1, 2, 4, 8, 12, 16, 24, 32, 48] {
        let context = format!("after {blocks} blocks of 512 bytes");
        // The limit is for each file; writing past it is an error as on a full disk, once the signal for it is ignored.
        let limited = |arguments: &[&str]| {
            let run = project.command(arguments);
            let mut command = Command::new("sh");
            command.args(["-c", "trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$@\"", "sh", &blocks.to_string()]);
            command.arg(run.get_program()).args(run.get_args()).current_dir(project.path()).env_clear();
            command.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
            command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
            Said::from(command.output().expect("sh starts"))
        };
        let said = limited(&UP);
        assert!([0, 1].contains(&said.code()), "{context}: {:?} {}", said.status, said.err);
        assert!(said.code() == 0 || said.err.contains(".phx"), "{context}: {}{}", said.out, said.err);
        failed += u32::from(said.code() == 1);
        let next = project.run(&UP);
        assert_eq!(next.code(), 0, "{context}: {}", next.err);
        assert_whole(&moto, &project, &expected, &context);

        let said = limited(&DESTROY);
        assert!([0, 1].contains(&said.code()), "{context}: {:?} {}", said.status, said.err);
        let next = project.run(&DESTROY);
        assert_eq!(next.code(), 0, "{context}: {}", next.err);
        assert_eq!(moto.inventory(), Inventory::new(), "{context}: something is left");
    }
    assert!(failed >= 3, "the disk was never full");
}
