//! `kill -9` at random instants: the next `up` alone brings the stack to where an uninterrupted one would have.
//!
//! The instants come from a seed, printed on failure. `PHX_SEED=n` runs another one, `PHX_KILLS=n` until more or fewer kills have hit a running `up`.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use phx_tests::command::Project;
use phx_tests::emulator::{Emulator, Inventory};

/// xorshift: enough to choose instants, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn sizes(inventory: &Inventory) -> Vec<(String, usize)> {
    inventory.iter().map(|(kind, items)| (kind.clone(), items.len())).collect()
}

fn ids(project: &Project) -> BTreeSet<String> {
    let listed = project.ok(&["state", "list", "--stack", "dev", "--json"]).json();
    let resources = listed["resources"].as_array().expect("resources");
    resources.iter().map(|r| r["id"].as_str().expect("an id").to_owned()).collect()
}

fn timed(work: impl FnOnce()) -> u64 {
    let started = std::time::Instant::now();
    work();
    millis(started.elapsed())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).expect("a short time")
}

/// Starts a command and ends it with SIGKILL after `after`. Whether it was still running then.
fn killed(project: &Project, arguments: &[&str], after: Duration) -> bool {
    let mut child = project.start(arguments);
    std::thread::sleep(after); // the instant is the test's input, not a wait for something
    let running = child.try_wait().expect("the child").is_none();
    if running {
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
        kill(pid, Signal::SIGKILL).expect("SIGKILL");
    }
    child.wait().expect("the child");
    running
}

#[test]
fn the_next_up_alone_converges() {
    let seed = number("PHX_SEED", 20_261_122).max(1);
    let mut dice = Dice(seed);
    let moto = Emulator::moto();
    let project = Project::network().on(&moto);

    // The first run makes the emulator load what it loads once; how long a run takes is measured on the second.
    project.ok(&["up", "--stack", "dev", "--yes"]);
    let expected = sizes(&moto.inventory());
    project.ok(&["destroy", "--stack", "dev", "--yes"]);
    let mut whole = timed(|| drop(project.ok(&["up", "--stack", "dev", "--yes"])));
    project.ok(&["destroy", "--stack", "dev", "--yes"]);

    let (kills, mut hits, mut round) = (number("PHX_KILLS", 25), 0, 0);
    while hits < kills {
        round += 1;
        assert!(round <= 10 * kills, "PHX_SEED={seed}: of {round} kills only {hits} hit a running up");
        let after = Duration::from_millis(dice.below(whole));
        let context = format!("PHX_SEED={seed}, round {round}, killed after {after:?}");
        let hit = killed(&project, &["up", "--stack", "dev", "--yes"], after);
        hits += u64::from(hit);
        // One that ended before its kill shows that a run is shorter than was measured while the machine had other work.
        whole = if hit { whole } else { millis(after).max(1) };
        let next = project.run(&["up", "--stack", "dev", "--yes"]);
        assert_eq!(next.code(), 0, "{context}: {}", next.err);
        let inventory = moto.inventory();
        assert_eq!(sizes(&inventory), expected, "{context}: an orphan, a duplicate or something missing");
        let known = ids(&project);
        for item in inventory.values().flatten().filter(|i| i.tags.contains_key("phx:intent")) {
            assert!(known.contains(&item.id), "{context}: the state does not know {item:?}");
        }
        // Every other time the way down is cut short as well.
        if round % 2 == 1 {
            killed(&project, &["destroy", "--stack", "dev", "--yes"], Duration::from_millis(dice.below(whole)));
        }
        let down = project.run(&["destroy", "--stack", "dev", "--yes"]);
        assert_eq!(down.code(), 0, "{context}: {}", down.err);
        assert_eq!(sizes(&moto.inventory()), [], "{context}: something is left");
    }
    println!("{hits} of {round} kills hit a running up");
}
