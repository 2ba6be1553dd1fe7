//! Random programs, random edits, random troubles, on the simulated cloud.
//!
//! `PROPTEST_CASES` sets how many cases each property is tried with. What failed is printed in its smallest form, and kept as a seed
//! in `tests/properties.txt`, so that it is tried again first.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use phx_engine::EngineError;
use phx_engine::engine::{Report, RunOptions};
use phx_engine::planner::PlanError;
use phx_model::Program;
use phx_model::store::Summary;
use phx_tests::sim::{CANARY, Fault, ReadFault, Rng, Verb};
use phx_tests::spec::{Edit, Meddling, Spec, edits, meddlings, specs};
use phx_tests::world::{Disturbance, Ended, World, project, stack_name};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

fn config(cases: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(cases);
    ProptestConfig {
        cases,
        max_shrink_iters: 20_000,
        max_shrink_time: 60_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/properties.txt"))),
        ..ProptestConfig::default()
    }
}

/// Some edits, some meddling, and then an `up`.
#[derive(Clone, Debug)]
struct Round {
    edits: Vec<Edit>,
    meddling: Vec<Meddling>,
}

/// What goes wrong in a run.
#[derive(Clone, Debug)]
struct Trouble {
    faults: Vec<(u8, Fault)>,
    reads: Vec<(u8, ReadFault)>,
    breaks: Option<(u8, bool)>,
    kill: Option<u16>,
}

impl Trouble {
    fn begin(&self, world: &World) -> Disturbance {
        let faults: BTreeMap<u64, Fault> = self.faults.iter().map(|(n, f)| (u64::from(*n), *f)).collect();
        world.cloud.set_fate(move |call| {
            let fault = *faults.get(&call.n)?;
            // A disk whose creation had no answer cannot be found again; what becomes of it is the user's to say.
            let lost = !matches!(fault, Fault::Refused | Fault::Throttled | Fault::Unreachable);
            let disk = call.type_name == "sim:app:Disk" && call.verb == Verb::Create;
            Some(if lost && disk { Fault::Refused } else { fault })
        });
        let reads: BTreeMap<u64, ReadFault> = self.reads.iter().map(|(n, f)| (u64::from(*n), *f)).collect();
        world.cloud.set_read_fate(move |_, n| reads.get(&n).copied());
        Disturbance { kill: self.kill.map(u64::from), breaks: self.breaks.map(|(n, durable)| (u64::from(n), durable)) }
    }
}

fn rounds(most: usize) -> impl Strategy<Value = Vec<Round>> {
    let round = (prop::collection::vec(edits(), 0..6), prop::collection::vec(meddlings(), 0..3))
        .prop_map(|(edits, meddling)| Round { edits, meddling });
    prop::collection::vec(round, 0..=most)
}

fn faults() -> impl Strategy<Value = Trouble> {
    let fault = prop_oneof![
        3 => Just(Fault::Refused),
        1 => Just(Fault::Throttled),
        1 => Just(Fault::Unreachable),
        3 => Just(Fault::RequestLost),
        3 => Just(Fault::AnswerLost),
        1 => Just(Fault::Hangs),
        1 => Just(Fault::HangsDone),
    ];
    let read = prop_oneof![Just(ReadFault::Call), Just(ReadFault::One)];
    let breaks = prop_oneof![5 => Just(None), 1 => (0..12u8, any::<bool>()).prop_map(Some)];
    (prop::collection::vec((0..24u8, fault), 0..5), prop::collection::vec((0..8u8, read), 0..2), breaks)
        .prop_map(|(faults, reads, breaks)| Trouble { faults, reads, breaks, kill: None })
}

fn kills() -> impl Strategy<Value = Trouble> {
    (faults(), prop::bool::weighted(0.3), 0..90u16).prop_map(|(faults, both, kill)| {
        let kill = Some(kill);
        if both { Trouble { kill, ..faults } } else { Trouble { faults: vec![], reads: vec![], breaks: None, kill } }
    })
}

/// One `up` that has to succeed, and everything that has to hold afterwards. Where something protected is in the way, its protection
/// is taken off as the message says: by an `up` of the program before the edit.
fn converge(world: &World, before: &mut Spec, spec: &mut Spec) -> Report {
    let mut run = world.up(&spec.program()).result();
    if let Err(EngineError::Plan(PlanError::Protected(_))) = run {
        *before = before.unprotected();
        world.up(&before.program()).succeeded();
        *spec = spec.unprotected();
        run = world.up(&spec.program()).result();
    }
    let report = run.unwrap_or_else(|e| panic!("up failed: {e}"));
    assert!(report.failures.is_empty() && report.skipped.is_empty(), "{:#?} {:#?}", report.failures, report.skipped);
    let program = spec.program();
    world.assert_settled(&program);
    world.assert_nothing_to_do(&program);
    *before = spec.clone();
    report
}

fn meddle(world: &World, meddling: &[Meddling]) {
    for one in meddling {
        // Only with what is phx's; what is retained is nobody's concern.
        let retained = world.retained();
        let objects: Vec<_> = world.cloud.objects().into_iter().filter(|o| !retained.contains(&o.id)).collect();
        if let Some((object, what)) = one.on(&objects) {
            world.cloud.outside(object.type_name, &object.id, &what);
        }
    }
}

fn tear_down(world: &World, spec: &Spec, trouble: Option<&Trouble>) {
    let spec = spec.unprotected();
    world.up(&spec.program()).succeeded();
    if let Some(trouble) = trouble {
        let how = trouble.begin(world);
        world.destroy_with(&how);
        world.cloud.calm();
    }
    world.destroy().succeeded();
    world.assert_empty();
    assert!(world.preview_destroy().unwrap().is_empty());
}

proptest! {
    #![proptest_config(config(350))]

    #[test]
    fn an_up_makes_the_cloud_what_the_program_says(
        spec in specs(10), rounds in rounds(4), seed in any::<u64>(),
    ) {
        let world = World::new(seed);
        let (mut before, mut spec) = (spec.unprotected(), spec);
        converge(&world, &mut before, &mut spec);
        for round in &rounds {
            spec.edit_all(&round.edits);
            meddle(&world, &round.meddling);
            let planned = world.preview(&spec.program());
            let report = converge(&world, &mut before, &mut spec);
            if let Ok(planned) = planned {
                prop_assert_eq!(planned.to_json().to_string(), report.plan.to_json().to_string(), "up did not do what preview said");
                // What was to be replaced for a value that turned out to be the old one is kept, and updated.
                let (planned, done) = (planned.summary(), report.summary);
                prop_assert!(done.replace <= planned.replace);
                let kept = |sum: Summary| Summary { update: sum.update + sum.replace, replace: 0, ..sum };
                prop_assert_eq!(kept(planned), kept(done));
            }
        }
        tear_down(&world, &spec, None);
    }

    #[test]
    fn whatever_goes_wrong_the_next_up_converges(
        spec in specs(8), rounds in prop::collection::vec((rounds(1), faults()), 1..4), end in faults(), seed in any::<u64>(),
    ) {
        let world = World::new(seed);
        let (mut before, mut spec) = (Spec::default(), spec);
        // When the store breaks, a disk may have been created whose result could not be written; that too is the user's to say.
        let disks = rounds.iter().all(|(_, trouble)| trouble.breaks.is_none());
        for (round, trouble) in &rounds {
            for round in round {
                spec.edit_all(&round.edits);
                meddle(&world, &round.meddling);
            }
            if !disks {
                spec = spec.without_disks();
            }
            let how = trouble.begin(&world);
            let run = world.up_with(&spec.program(), &RunOptions::default(), &how);
            if let Ended::Returned(Ok(report)) = &run.ended {
                named(report, &spec.program());
            }
            world.cloud.calm();
            converge(&world, &mut before, &mut spec);
        }
        tear_down(&world, &spec, Some(&end));
    }

    #[test]
    fn killed_at_any_moment_the_next_up_converges(
        spec in specs(8), rounds in prop::collection::vec((rounds(1), kills(), prop::option::of(kills())), 1..3), end in kills(),
        pause in 0..4000u64, seed in any::<u64>(),
    ) {
        let mut world = World::new(seed);
        world.pause = Duration::from_millis(pause);
        let (mut before, mut spec) = (Spec::default(), spec.without_disks());
        for (round, first, second) in &rounds {
            for round in round {
                spec.edit_all(&round.edits);
                spec = spec.without_disks();
                meddle(&world, &round.meddling);
            }
            // The second kill may hit the recovery from the first.
            for trouble in [Some(first), second.as_ref()].into_iter().flatten() {
                let how = trouble.begin(&world);
                world.up_with(&spec.program(), &RunOptions::default(), &how);
            }
            world.cloud.calm();
            converge(&world, &mut before, &mut spec);
        }
        tear_down(&world, &spec, Some(&end));
    }

    #[test]
    fn the_order_of_declaration_does_not_matter(
        spec in specs(10), edits in prop::collection::vec(edits(), 0..8), meddling in prop::collection::vec(meddlings(), 0..3),
        seed in any::<u64>(),
    ) {
        let world = World::new(seed);
        let mut spec = spec.unprotected();
        world.up(&spec.program()).succeeded();
        spec.edit_all(&edits);
        let spec = spec.unprotected();
        meddle(&world, &meddling);
        let Ok(plan) = world.preview(&spec.program()) else { return Ok(()) };
        let steps = |program: &Program| -> BTreeSet<String> {
            let plan = world.preview(program).unwrap();
            plan.to_json()["steps"].as_array().unwrap().iter().map(ToString::to_string).collect()
        };
        let expected: BTreeSet<String> = plan.to_json()["steps"].as_array().unwrap().iter().map(ToString::to_string).collect();
        let mut rng = Rng::new(seed);
        for _ in 0..3 {
            let shuffled = spec.shuffled(rng.next_u64());
            prop_assert_eq!(&steps(&shuffled), &expected);
        }
        prop_assert!(!plan.to_json().to_string().contains(CANARY));
        // And carrying out a shuffled one comes to the same.
        world.up(&spec.shuffled(seed)).succeeded();
        world.assert_settled(&spec.program());
        world.assert_nothing_to_do(&spec.program());
    }
}

/// Every failure is named, and everything that was not done because of one.
fn named(report: &Report, program: &Program) {
    let done: u64 = report.summary.changes();
    let known: BTreeSet<_> = program.resources.iter().map(|d| &d.urn).collect();
    assert!(report.failures.is_empty() || report.result != phx_engine::events::RunResult::Succeeded);
    for (urn, _, because) in &report.skipped {
        if let Some(because) = because {
            assert!(
                report.failures.iter().any(|f| f.urn == *because),
                "{urn} was skipped because of {because}, which did not fail: {:?}",
                report.failures
            );
        }
        assert!(known.contains(urn) || report.plan.steps.iter().any(|s| s.urn == *urn));
    }
    assert!(done <= report.plan.summary().changes() + 1, "{:?} of {:?}", report.summary, report.plan.summary());
}

/// Secrets are in no stored byte: the whole folder of a local store is searched.
#[test]
fn no_secret_is_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = phx_state::LocalStore::new(dir.path().join(".phx"), project());
    let world = World::with_store(7, Arc::new(store));
    let mut spec = Spec::default();
    use phx_tests::spec::{Choices, Kind};
    for kind in [Kind::Network, Kind::Subnet, Kind::Server] {
        spec.append(kind, [1, 1, 1], 0, Choices::default());
    }
    let program = spec.program();
    // Killed in the middle, so that a journal is left too.
    world.up_with(&program, &RunOptions::default(), &Disturbance { kill: Some(20), breaks: None });
    world.up(&program).succeeded();
    world.assert_settled(&program);
    let mut seen = 0;
    let mut todo = vec![dir.path().to_owned()];
    while let Some(path) = todo.pop() {
        for entry in std::fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                todo.push(entry.path());
                continue;
            }
            let bytes = std::fs::read(entry.path()).unwrap();
            seen += bytes.len();
            let found = bytes.windows(CANARY.len()).any(|w| w == CANARY.as_bytes());
            assert!(!found, "{} holds a secret", entry.path().display());
        }
    }
    assert!(seen > 1000, "the store is not where it was looked for in {}", stack_name());
}
