//! Chaos: three stacks at once in one simulated cloud and one store. Their programs are edited, somebody outside meddles with their objects, calls fail,
//! are throttled, hang and lose their answers, the store breaks, runs are cancelled and killed, and everything is started again. Afterwards one
//! undisturbed `up` of each stack has to bring the cloud to what the programs say, with no phantom in a state and no orphan in the cloud.
//!
//! `PHX_CASES=n` tries n cases instead of 240, `PHX_SEED=n` others than usual. A failure prints the seed, and the case in its smallest form.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use phx_engine::engine::RunOptions;
use phx_engine::events::RunResult;
use phx_model::Resource;
use phx_model::state::State;
use phx_model::store::Store;
use phx_model::urn::StackName;
use phx_state::wire::Checkpoint;
use phx_state::{LocalStore, MemoryStore};
use phx_tests::sim::{Bucket, Fault, ReadFault, Rng, Rule};
use phx_tests::spec::{Edit, Meddling, Spec, edits, meddlings, specs};
use phx_tests::world::{Disturbance, Ended, Run, World, interrupt_after, project, sealing};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

/// What one process does.
#[derive(Clone, Copy, Debug)]
enum What {
    Up,
    Destroy,
    Refresh,
}

/// One process on one stack, and how it is disturbed.
#[derive(Clone, Debug)]
struct Process {
    what: What,
    /// It starts so many milliseconds after the one before it has ended.
    after: u64,
    kill: Option<u16>,
    /// Asked to stop after so many milliseconds, and to stop at once after so many more.
    cancel: Option<(u64, Option<u64>)>,
    breaks: Option<(u8, bool)>,
}

/// How often calls go wrong while a round lasts, in percent.
#[derive(Clone, Copy, Debug)]
struct Weather {
    throttled: u64,
    faults: u64,
    reads: u64,
    /// The longest that a call takes, in milliseconds.
    latency: u64,
    seed: u64,
}

/// Something that all stacks live through together.
#[derive(Clone, Debug)]
struct Round {
    edits: [Vec<Edit>; 3],
    before: Vec<Meddling>,
    /// While the processes run: so many milliseconds after the one before.
    meanwhile: Vec<(u64, Meddling)>,
    weather: Weather,
    processes: [Vec<Process>; 3],
    /// From the end of the round until the next one begins, in milliseconds.
    pause: u64,
}

#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    specs: [Spec; 3],
    rounds: Vec<Round>,
    /// How many steps of a stack may run at once.
    parallel: [Option<usize>; 3],
    /// In a folder, or in memory.
    on_disk: bool,
}

fn process() -> impl Strategy<Value = Process> {
    let what = prop_oneof![8 => Just(What::Up), 2 => Just(What::Destroy), 1 => Just(What::Refresh)];
    let kill = prop_oneof![2 => Just(None), 3 => (0..90_u16).prop_map(Some)];
    let cancel = prop_oneof![
        4 => Just(None),
        1 => (0..4_000_u64, prop::option::of(0..1_000_u64)).prop_map(Some),
    ];
    let breaks = prop_oneof![8 => Just(None), 1 => (0..12_u8, any::<bool>()).prop_map(Some)];
    (what, 0..3_000_u64, kill, cancel, breaks).prop_map(|(what, after, kill, cancel, breaks)| Process {
        what,
        after,
        kill,
        cancel,
        breaks,
    })
}

fn weather() -> impl Strategy<Value = Weather> {
    let rate = |most: u64| prop_oneof![1 => Just(0), 1 => 0..most];
    (rate(60), rate(40), rate(20), prop_oneof![Just(40_u64), Just(200), Just(5_000)], any::<u64>())
        .prop_map(|(throttled, faults, reads, latency, seed)| Weather { throttled, faults, reads, latency, seed })
}

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let of_each = || prop::collection::vec(process(), 0..3);
    let edited = || prop::collection::vec(edits(), 0..5);
    let round = (
        [edited(), edited(), edited()],
        prop::collection::vec(meddlings(), 0..3),
        prop::collection::vec((0..2_000_u64, meddlings()), 0..3),
        weather(),
        [of_each(), of_each(), of_each()],
        prop_oneof![Just(0_u64), 0..4_000_u64],
    )
        .prop_map(|(edits, before, meanwhile, weather, processes, pause)| Round {
            edits,
            before,
            meanwhile,
            weather,
            processes,
            pause,
        });
    prop::collection::vec(round, 1..5)
}

fn cases() -> impl Strategy<Value = Case> {
    let parallel = || prop_oneof![3 => Just(None), 1 => (1..4_usize).prop_map(Some)];
    let parallel = [parallel(), parallel(), parallel()];
    (any::<u64>(), [specs(6), specs(6), specs(6)], rounds(), parallel, prop::bool::weighted(0.1)).prop_map(
        |(seed, [a, b, c], rounds, parallel, on_disk)| {
            // Names that only one object in the cloud can have are made from these numbers.
            let specs = [a, b.numbered_from(10_000), c.numbered_from(20_000)];
            Case { seed, specs, rounds, parallel, on_disk }
        },
    )
}

/// What has happened, so that a test in which nothing does is found out.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    kills: u64,
    cancelled: u64,
    failed: u64,
    succeeded: u64,
    errors: u64,
    meddled: u64,
    faults: u64,
}

/// The disturbances are over for some: what can be made again by nobody is left out, and so is what phx refuses to delete.
fn tame(spec: &Spec) -> Spec {
    spec.without_disks().unprotected()
}

/// One process from its start to its end.
async fn run(world: &World, spec: &Spec, process: &Process) -> (Run<RunResult>, Vec<String>) {
    tokio::time::sleep(Duration::from_millis(process.after)).await;
    let breaks = process.breaks.map(|(n, durable)| (u64::from(n), durable));
    let how = Disturbance { kill: process.kill.map(u64::from), breaks };
    let (drain, abort) = process.cancel.unwrap_or((u64::MAX, None));
    let day = Duration::from_secs(24 * 3600);
    let (interrupt, asking) =
        interrupt_after(Duration::from_millis(drain).min(30 * day), abort.map(Duration::from_millis));
    let options = RunOptions { interrupt, ..RunOptions::default() };
    world
        .run_here(&how, async |engine| {
            let work = async {
                Ok(match process.what {
                    What::Up => {
                        let program = spec.program_of(world.stack());
                        engine.up(&program, &options, &|_| true).await?.result
                    }
                    What::Destroy => engine.destroy(&project(), world.stack(), &options, &|_| true).await?.result,
                    What::Refresh => engine.refresh(&project(), world.stack(), &options).await?.result,
                })
            };
            tokio::select! {
                result = work => result,
                () = asking => std::future::pending().await,
            }
        })
        .await
}

/// All processes of one stack in a round, one after the other. None follows one that was killed: it holds the lease until the round is over.
async fn processes(world: &World, spec: &Spec, of: &[Process]) -> Vec<(Run<RunResult>, Vec<String>)> {
    let mut ended = Vec::new();
    for process in of {
        let (run, broken) = run(world, spec, process).await;
        let killed = matches!(run.ended, Ended::Killed(_));
        ended.push((run, broken));
        if killed {
            break;
        }
    }
    ended
}

/// Somebody outside changes or deletes an object.
///
/// An object that no state has a record of yet, and that has no mark of the intent which made it but only its name, is told from a
/// stranger's by how it looks. Who changes it just then has made it a stranger's, and a person has to say whose it is. So not that.
fn meddle(worlds: &[World], with: &Meddling) -> bool {
    let named = [Rule::schema().type_name, Bucket::schema().type_name];
    let known = |id: &str| worlds.iter().any(|world| world.durable.knows(id));
    let mut objects = worlds[0].cloud.objects();
    objects.retain(|o| !named.contains(&o.type_name) || known(&o.id));
    with.on(&objects).is_some_and(|(object, what)| worlds[0].cloud.outside(object.type_name, &object.id, &what))
}

/// Lets calls go wrong. The count of those that did is added to as they do.
fn change_weather(world: &World, weather: Weather, faults: &Arc<std::sync::atomic::AtomicU64>) {
    let all =
        [Fault::Refused, Fault::Unreachable, Fault::RequestLost, Fault::AnswerLost, Fault::Hangs, Fault::HangsDone];
    let (mut rng, faults) = (Rng::new(weather.seed), faults.clone());
    world.cloud.set_fate(move |_| {
        let fault = if rng.below(100) < weather.throttled {
            Fault::Throttled
        } else if rng.below(100) < weather.faults {
            all[usize::try_from(rng.below(6)).unwrap()]
        } else {
            return None;
        };
        faults.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Some(fault)
    });
    let mut rng = Rng::new(!weather.seed);
    world.cloud.set_read_fate(move |_, _| {
        (rng.below(100) < weather.reads).then(|| if rng.below(2) == 0 { ReadFault::Call } else { ReadFault::One })
    });
    world.cloud.set_latency(Duration::from_millis(20), Duration::from_millis(weather.latency));
}

fn live_through(worlds: &[World], specs: &[Spec], round: &Round, seen: &mut Seen) {
    let faults = Arc::default();
    change_weather(&worlds[0], round.weather, &faults);
    let meddled = |with: &Meddling| u64::from(meddle(worlds, with));
    seen.meddled += round.before.iter().map(meddled).sum::<u64>();

    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    let all = runtime.block_on(async {
        worlds[0].cloud.begin_run();
        let running = join_all((0..3).map(|i| processes(&worlds[i], &specs[i], &round.processes[i])));
        let meddling = async {
            for (after, with) in &round.meanwhile {
                tokio::time::sleep(Duration::from_millis(*after)).await;
                meddle(worlds, with);
            }
            std::future::pending::<()>().await;
        };
        let all = tokio::select! {
            all = running => all,
            () = meddling => unreachable!("it has no end"),
        };
        worlds[0].cloud.end_run(Duration::from_millis(round.pause));
        all
    });
    drop(runtime);
    worlds[0].cloud.calm();
    worlds[0].cloud.set_latency(Duration::from_millis(20), Duration::from_millis(200));
    seen.faults += faults.load(std::sync::atomic::Ordering::Relaxed);
    for (world, ended) in worlds.iter().zip(all) {
        for (run, broken) in ended {
            match &run.ended {
                Ended::Killed(_) => seen.kills += 1,
                Ended::Returned(Ok(RunResult::Succeeded)) => seen.succeeded += 1,
                Ended::Returned(Ok(RunResult::Failed)) => seen.failed += 1,
                Ended::Returned(Ok(RunResult::Interrupted)) => seen.cancelled += 1,
                Ended::Returned(Err(_)) => seen.errors += 1,
            }
            world.check_run(&run, broken);
        }
    }
}

/// What the store has of a stack reads back as it was written, and the journal since ever folds to it.
fn verify(world: &World, store: &dyn Store, memory: Option<&MemoryStore>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let Some(state) = runtime.block_on(store.load(world.stack())).expect("a state that can be read") else {
        assert!(world.durable.state().is_none_or(|s| s.is_empty()), "the state of {} is lost", world.stack());
        return;
    };
    let written = Checkpoint::encode(&state).expect("a state that can be written");
    assert_eq!(Checkpoint::decode(&written.bytes, &written.sha256).expect("a state that can be read back"), state);
    assert!(runtime.block_on(store.lease(world.stack())).expect("the lease").is_none(), "the dead hold the lease");
    if let Some(memory) = memory {
        let mut folded = State::empty(state.lineage.clone());
        folded.fold(&memory.journal(world.stack())).expect("a journal that folds");
        // A secret is encrypted to another text each time, so both are compared with their secrets opened.
        let opened = |state: State| {
            let store = MemoryStore::new();
            store.put(world.stack(), state);
            runtime.block_on(sealing(Arc::new(store)).load(world.stack())).expect("secrets that can be read")
        };
        let folded = State { serial: state.serial, ..folded };
        assert_eq!(opened(folded), opened(state), "the journal since ever is not the state");
    }
}

fn live(case: &Case) -> Seen {
    let folder = tempfile::tempdir().expect("a folder");
    let memory = MemoryStore::new();
    let (store, in_memory): (Arc<dyn Store>, _) = match case.on_disk {
        true => (Arc::new(LocalStore::new(folder.path().join(".phx"), project())), None),
        false => (Arc::new(memory.clone()), Some(&memory)),
    };
    let first = World::with_store(case.seed, store.clone());
    let beside = |name| first.beside(StackName::new(name).expect("a name"));
    let (second, third) = (beside("second"), beside("third"));
    let mut worlds = [first, second, third];
    worlds.iter_mut().zip(case.parallel).for_each(|(world, parallel)| world.settings.parallel = parallel);
    let mut specs: Vec<Spec> = case.specs.iter().map(tame).collect();
    let mut seen = Seen::default();
    for round in &case.rounds {
        for (spec, edits) in specs.iter_mut().zip(&round.edits) {
            spec.edit_all(edits);
            *spec = tame(spec);
        }
        live_through(&worlds, &specs, round, &mut seen);
        worlds.iter().for_each(|world| verify(world, store.as_ref(), in_memory));
    }

    let programs: Vec<_> = worlds.iter().zip(&specs).map(|(world, spec)| spec.program_of(world.stack())).collect();
    for (world, program) in worlds.iter().zip(&programs) {
        world.up(program).succeeded();
    }
    for (world, program) in worlds.iter().zip(&programs) {
        world.assert_settled(program);
        world.assert_nothing_to_do(program);
        verify(world, store.as_ref(), in_memory);
    }
    // As many objects as there are resources: nothing is there twice, not even what no state knows.
    let resources: usize = programs.iter().map(|p| p.resources.len()).sum();
    assert_eq!(worlds[0].cloud.objects().len(), resources);
    for world in &worlds {
        world.destroy().succeeded();
        world.assert_empty();
        verify(world, store.as_ref(), in_memory);
    }
    assert_eq!(worlds[0].cloud.objects(), [], "something is left");
    seen
}

#[test]
fn after_any_chaos_one_up_puts_everything_right() {
    let number = |name: &str| std::env::var(name).ok().map(|n| n.parse::<u64>().expect("a number"));
    let seed = number("PHX_SEED").unwrap_or(20_261_122);
    let cases_wanted = u32::try_from(number("PHX_CASES").unwrap_or(240)).expect("a number of cases");
    let config = ProptestConfig {
        cases: cases_wanted,
        max_shrink_iters: 5_000,
        max_shrink_time: 120_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let total: RefCell<BTreeMap<&str, u64>> = RefCell::default();
    let outcome = runner.run(&cases(), |case| {
        let lived = std::panic::catch_unwind(|| live(&case)).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|t| (*t).to_owned()));
            TestCaseError::fail(text.unwrap_or_else(|| "it panicked".into()))
        })?;
        let Seen { kills, cancelled, failed, succeeded, errors, meddled, faults } = lived;
        let counts = [
            ("killed", kills),
            ("cancelled", cancelled),
            ("failed", failed),
            ("succeeded", succeeded),
            ("stopped by an error", errors),
            ("meddled", meddled),
            ("faults", faults),
        ];
        counts.into_iter().for_each(|(what, n)| *total.borrow_mut().entry(what).or_default() += n);
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, case)) => panic!(
            "again with: PHX_SEED={seed} PHX_CASES={cases_wanted} cargo test --release -p phx-tests --test chaos\n{why}\nthe smallest case that fails:\n{case:#?}"
        ),
        Err(TestError::Abort(why)) => panic!("PHX_SEED={seed}: {why}"),
    }
    println!("PHX_SEED={seed} PHX_CASES={cases_wanted}: {:?}", total.borrow());
    if cases_wanted >= 100 {
        for (what, n) in total.borrow().iter() {
            assert!(*n >= u64::from(cases_wanted) / 10, "hardly anything was {what}: {n} in {cases_wanted} cases");
        }
    }
}
