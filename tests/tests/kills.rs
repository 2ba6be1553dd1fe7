//! A fixed program, killed at every boundary there is: before and after each thing that a run does to the cloud or the store.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::time::Duration;

use phx_engine::engine::RunOptions;
use phx_model::stack::Options;
use phx_model::value::Json;
use phx_model::{Program, Stack};
use phx_tests::sim::{Bucket, CANARY, Encryption, Group, Network, Rule, Server, Subnet};
use phx_tests::world::{Disturbance, Ended, World, program, urn};

/// The program's versions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    First,
    /// Everything that can be changed in place is.
    Updated,
    /// New objects before old ones are deleted; an addition, a removal, a rename.
    Replaced,
    /// Old objects before new ones are created.
    ReplacedDeleteFirst,
}

fn at(version: Version) -> Program {
    use Version::{First, Replaced, ReplacedDeleteFirst, Updated};
    program(|stack: &mut Stack| {
        let (updated, replaced, first) = (version >= Updated, version >= Replaced, version == ReplacedDeleteFirst);
        let tag = if updated { "two" } else { "one" };
        let network = stack.add(
            "main",
            Network::new("10.0.0.0/16".parse::<phx_model::Ipv4Cidr>().unwrap()).dns(!updated).tag("v", tag),
        )?;
        let subnet = |n: u8| {
            let range: phx_model::Ipv4Cidr = format!("10.0.{n}.0/24").parse().unwrap();
            Subnet::new(network.id(), range).zone(if first { "zone-b" } else { "zone-a" })
        };
        let private = stack.add("private", subnet(1).tag("v", tag))?;
        let public = stack.add("public", subnet(2).public(true))?;
        let group = stack.add("group", Group::new(network.id(), if replaced { "new" } else { "old" }))?;
        let mut server = Server::new(private.id(), if updated { "LARGE" } else { "small" })
            .groups([group.id()])
            .password(format!("{CANARY}{tag}"))
            .settings(Json::parse(&format!(r#"{{"v": "{tag}"}}"#)).unwrap())
            .tag("table", network.main_table());
        if replaced {
            server = server.boot("new");
        }
        let server = stack.add("server", server)?;
        let rule = Rule::new(group.id(), 443)
            .protocol(if first { "udp" } else { "tcp" })
            .description(phx_model::format!("{} {}", tag, server.address()));
        stack.add("rule", rule)?;
        let name = if replaced { "other-logs" } else { "logs" };
        let bucket = Bucket::new("the-bucket")
            .versioning(updated)
            .encryption(Encryption::new("own").key(tag))
            .policy(Json::parse(&format!(r#"{{"allow": "{tag}"}}"#)).unwrap());
        stack.add_with(name, bucket, Options::new().alias("logs").depends_on(&public))?;
        if version < Replaced {
            stack.add("old", Rule::new(group.id(), 80))?;
        } else {
            stack.add_with("new", Server::new(public.id(), "small"), Options::new().depends_on(&server))?;
        }
        match version {
            First => stack.export("address", server.address()),
            Updated | Replaced | ReplacedDeleteFirst => stack.export("key", server.key()),
        }
    })
}

/// A world in which the versions before were made one after another.
fn world_before(versions: &[Version], pause: Duration) -> World {
    let mut world = World::new(11);
    world.pause = pause;
    for version in versions {
        world.up(&at(*version)).succeeded();
    }
    world
}

/// Kills the run at each of its boundaries, each in a world of its own, and lets the next one go through.
fn kill_everywhere(before: &[Version], then: Option<Version>, pause: Duration) {
    let run = |world: &World, kill: Option<u64>| {
        let how = Disturbance { kill, breaks: None };
        match then {
            Some(version) => world.up_with(&at(version), &RunOptions::default(), &how),
            None => world.destroy_with(&how),
        }
    };
    let boundaries = run(&world_before(before, pause), None).boundaries;
    assert!(boundaries > 30, "only {boundaries} boundaries");
    for kill in 0..boundaries {
        let world = world_before(before, pause);
        let killed = run(&world, Some(kill));
        let Ended::Killed(place) = killed.ended else { panic!("boundary {kill} of {boundaries} was not reached") };
        let context = std::panic::AssertUnwindSafe(|| match then {
            Some(version) => {
                let program = at(version);
                world.up(&program).succeeded();
                world.assert_settled(&program);
                world.assert_nothing_to_do(&program);
            }
            None => {
                world.destroy().succeeded();
                world.assert_empty();
            }
        });
        if let Err(panic) = std::panic::catch_unwind(context) {
            eprintln!("after a kill at boundary {kill} of {boundaries}, {place}");
            std::panic::resume_unwind(panic);
        }
    }
}

const PAUSE: Duration = Duration::from_secs(2);

/// However far the replacement has come when it is cut short, the object that is to stay does.
#[test]
fn replacing_what_is_retained() {
    let main = urn("net:Network", "main");
    let with = |range: &str, retain: bool| {
        let range: phx_model::Ipv4Cidr = range.parse().unwrap();
        program(|stack| stack.add_with("main", Network::new(range), Options::new().retain(retain)).map(drop))
    };
    // The word of the program that replaces it counts, whatever was recorded before.
    for (before, after) in [(true, true), (false, true), (true, false)] {
        for kill in 0.. {
            let world = World::new(11);
            world.up(&with("10.0.0.0/16", before)).succeeded();
            let old = world.id(&main);
            let program = with("10.1.0.0/16", after);
            let how = Disturbance { kill: Some(kill), breaks: None };
            let run = world.up_with(&program, &RunOptions::default(), &how);
            let killed = matches!(run.ended, Ended::Killed(_));
            world.up(&program).succeeded();
            let stays = world.cloud.object("sim:net:Network", &old).is_some();
            assert_eq!(stays, after, "after a kill at boundary {kill}, {:?}", run.ended);
            world.assert_settled(&program);
            world.assert_nothing_to_do(&program);
            if !killed {
                assert!(kill > 5, "only {kill} boundaries");
                break;
            }
        }
    }
}

#[test]
fn creating() {
    kill_everywhere(&[], Some(Version::First), PAUSE);
}

#[test]
fn creating_and_going_on_at_once() {
    kill_everywhere(&[], Some(Version::First), Duration::ZERO);
}

#[test]
fn updating() {
    kill_everywhere(&[Version::First], Some(Version::Updated), PAUSE);
}

#[test]
fn replacing() {
    kill_everywhere(&[Version::Updated], Some(Version::Replaced), PAUSE);
}

#[test]
fn replacing_with_the_old_one_deleted_first() {
    kill_everywhere(&[Version::Replaced], Some(Version::ReplacedDeleteFirst), PAUSE);
}

#[test]
fn destroying() {
    kill_everywhere(&[Version::First], None, PAUSE);
}

/// Another program than the one that was killed: what it had begun is found, and ends.
#[test]
fn the_program_may_change_after_a_kill() {
    let boundaries = {
        let world = World::new(11);
        world.up(&at(Version::First)).boundaries
    };
    for kill in 0..boundaries {
        let world = World::new(11);
        world.up_with(&at(Version::First), &RunOptions::default(), &Disturbance { kill: Some(kill), breaks: None });
        let other = at(Version::ReplacedDeleteFirst);
        world.up(&other).succeeded();
        world.assert_settled(&other);
        world.assert_nothing_to_do(&other);
    }
}

/// Or nothing is wanted any more.
#[test]
fn a_destroy_may_follow_a_kill() {
    let boundaries = {
        let world = World::new(11);
        world.up(&at(Version::First)).boundaries
    };
    for kill in 0..boundaries {
        let world = World::new(11);
        world.up_with(&at(Version::First), &RunOptions::default(), &Disturbance { kill: Some(kill), breaks: None });
        world.destroy().succeeded();
        world.assert_empty();
    }
}

/// Each prefix of a journal is a valid state, also as the store gives it back.
#[test]
fn every_prefix_of_the_journal_folds() {
    let memory = phx_state::MemoryStore::new();
    let world = World::with_store(11, std::sync::Arc::new(memory.clone()));
    for version in [Version::First, Version::Updated, Version::Replaced, Version::ReplacedDeleteFirst] {
        world.up(&at(version)).succeeded();
    }
    world.destroy().succeeded();
    let entries = memory.journal(&phx_tests::world::stack_name());
    assert!(entries.len() > 60, "{} entries", entries.len());
    for end in 0..=entries.len() {
        let mut state = phx_model::state::State::empty("any");
        state.fold(&entries[..end]).unwrap_or_else(|e| panic!("the first {end} entries: {e}"));
        // And it is a state that can be stored.
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<phx_model::state::State>(&text).unwrap(), state);
    }
    let mut last = phx_model::state::State::empty("any");
    last.fold(&entries).unwrap();
    assert!(last.is_empty());
}
