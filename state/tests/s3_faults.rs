//! The S3 store when requests fail: none may be lost, done twice or guessed at, and whatever a crash leaves, the next run goes on from.
#![allow(clippy::unwrap_used, clippy::expect_used)] // the functions beside the tests are tests too

mod common;
#[path = "common/s3.rs"]
mod s3;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{entries, holder, next, operation, recorded};
use futures::StreamExt;
use phx_model::Value;
use phx_model::state::{Entry, State};
use phx_model::store::{Operation, Store, StoreError};
use phx_model::urn::StackName;
use phx_state::S3Store;
use s3::{Fate, Ready, Wire};

/// What one life of a stack does, in order.
enum Act {
    Append(Vec<Entry>),
    Checkpoint,
    Record,
}

/// Everything a session can do, with a batch too large for an item (more than 16 KB here), and a journal before, between and after checkpoints.
fn acts() -> Vec<Act> {
    let large = Entry::Outputs { outputs: [("big".to_owned(), Value::String("x".repeat(20_000).into()))].into() };
    vec![
        Act::Append(entries()),
        Act::Append(vec![recorded("m"), large]),
        Act::Checkpoint,
        Act::Append(vec![recorded("n")]),
        Act::Append(vec![Entry::Outputs { outputs: [("big".to_owned(), Value::Int(1))].into() }]),
        Act::Checkpoint,
        Act::Record,
        Act::Append(vec![recorded("o")]),
    ]
}

/// How far a life has come.
#[derive(Clone, Default)]
struct Progress {
    /// The state that was acknowledged, and the one that the act under way makes.
    done: Option<State>,
    under_way: Option<State>,
    recorded: usize,
}

/// Lives once. Everything that was acknowledged is in `progress`, also if it ends in the middle.
async fn live(store: &S3Store, stack: &StackName, progress: &Mutex<Progress>) -> Result<(), StoreError> {
    let session = store.acquire(stack, &holder()).await?;
    let mut state = session.state().clone();
    for act in acts() {
        let mut after = state.clone();
        match &act {
            Act::Append(entries) => after.fold(entries).unwrap(),
            Act::Checkpoint => after = next(&after),
            Act::Record => {}
        }
        progress.lock().unwrap().under_way = Some(after.clone());
        match &act {
            Act::Append(entries) => session.append(entries).await?,
            Act::Checkpoint => session.checkpoint(&after).await?,
            Act::Record => session.record(&operation()).await?,
        }
        state = after;
        let mut progress = progress.lock().unwrap();
        progress.done = Some(state.clone());
        progress.recorded += usize::from(matches!(act, Act::Record));
    }
    session.release().await
}

/// The store over a connection, with a small bound of what goes into an item.
fn over(ready: &Ready, wire: &Wire) -> S3Store {
    ready.over(wire).spilling_above(16 * 1024)
}

fn stack(name: &str) -> StackName {
    StackName::new(name).unwrap()
}

/// The state that a life leaves, but for its lineage.
fn expected() -> State {
    let mut state = State::empty("");
    for act in acts() {
        match act {
            Act::Append(entries) => state.fold(&entries).unwrap(),
            Act::Checkpoint => state = next(&state),
            Act::Record => {}
        }
    }
    state
}

async fn lived_well(store: &S3Store, stack: &StackName, context: &str) {
    let found = store.load(stack).await.unwrap_or_else(|e| panic!("{context}: {e}")).unwrap();
    assert_eq!(State { lineage: String::new(), ..found }, expected(), "{context}");
    let history: Vec<Operation> = store.history(stack).await.unwrap();
    assert_eq!(history, [operation()], "{context}");
    assert_eq!(store.lease(stack).await.unwrap(), None, "{context}");
}

/// The requests that a life takes.
async fn length(ready: &Ready) -> Vec<String> {
    let (wire, stack) = (Wire::new(), stack(&format!("length-{}", uuid::Uuid::new_v4().simple())));
    live(&over(ready, &wire), &stack, &Mutex::default()).await.unwrap();
    lived_well(&ready.other(), &stack, "undisturbed").await;
    assert!(wire.sent() > 20, "{:?}", wire.log());
    wire.log()
}

/// Each request in turn (or every `step`-th, or only those that write) meets each fate, once: nothing of it may be seen from outside.
async fn one_fault(ready: &Ready, side_by_side: usize, step: usize, only_writes: bool, fates: &[Fate]) {
    let reads = |what: &String| ["GET ", "GetItem ", "Query "].iter().any(|read| what.starts_with(read));
    let requests = (0..).zip(length(ready).await).filter(|(_, what)| !(only_writes && reads(what))).map(|(at, _)| at);
    let cases = requests.flat_map(|at| fates.iter().map(move |fate| (*fate, at)));
    futures::stream::iter(cases.enumerate().step_by(step))
        .for_each_concurrent(side_by_side, |(n, (fate, at))| async move {
            let wire = Wire::new();
            wire.decide(move |i, _| if i == at { fate } else { Fate::Passes });
            let (stack, context) = (stack(&format!("{n}-{}", fates.len())), format!("{fate:?} at request {at}"));
            let lived = live(&over(ready, &wire), &stack, &Mutex::default()).await;
            lived.unwrap_or_else(|e| panic!("{context}: {e}\n{:#?}", wire.log()));
            lived_well(&ready.other(), &stack, &context).await;
        })
        .await;
}

// moto ignores request tokens: what was done is refused the second time, and has to be recognised. But a transaction that it cancels also undoes
// whatever else was written to the table meanwhile; so there, one life after the other.

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_answer_that_is_lost_is_read_back_on_moto() {
    one_fault(&Ready::new("moto", "lost", "").await, 1, 1, true, &[Fate::AnswerLost]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_fault_anywhere_is_not_seen_from_outside() {
    let ready = Ready::new("ministack", "fault", "").await;
    one_fault(&ready, 8, 1, false, &[Fate::AnswerLost]).await;
    // Five kinds, so every fourth case is each kind at every fourth request.
    let others = [Fate::DoneAndRefused(500), Fate::Lost, Fate::Cut, Fate::Throttled, Fate::Refused(503)];
    one_fault(&ready, 8, 4, false, &others).await;
}

/// A generator of numbers that gives the same ones for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn faults_on_half_of_all_requests_only_cost_time() {
    for (emulator, seeds, side_by_side) in [("ministack", 6_u64, 6), ("moto", 2, 1)] {
        let ready = Ready::new(emulator, "half", "").await;
        let ready = &ready;
        futures::stream::iter(0..seeds)
            .for_each_concurrent(side_by_side, |seed| async move {
                let wire = Wire::new();
                let random = Mutex::new(Random(seed));
                wire.decide(move |_, _| {
                    let mut random = random.lock().unwrap();
                    match random.below(16) {
                        0..4 => Fate::Throttled,
                        4 => Fate::AnswerLost,
                        5 => Fate::Lost,
                        6 => Fate::DoneAndRefused(500),
                        7 => Fate::Late(random.below(300)),
                        _ => Fate::Passes,
                    }
                });
                let (stack, context) = (stack(&format!("s{seed}")), format!("{emulator}, seed {seed}"));
                let lived = live(&over(ready, &wire), &stack, &Mutex::default()).await;
                lived.unwrap_or_else(|e| panic!("{context}: {e}\n{:#?}", wire.log()));
                lived_well(&ready.other(), &stack, &context).await;
            })
            .await;
    }
}

/// A process that ends at one request, before or after it arrives.
fn crash(ready: &Ready, stack: &StackName, at: u64, fate: Fate) -> Progress {
    let wire = Wire::new();
    wire.decide(move |i, _| match i.cmp(&at) {
        std::cmp::Ordering::Less => Fate::Passes,
        std::cmp::Ordering::Equal => fate,
        std::cmp::Ordering::Greater => Fate::Lost,
    });
    let progress: Arc<Mutex<Progress>> = Arc::default();
    let (store, stack, watched) = (over(ready, &wire), stack.clone(), Arc::clone(&progress));
    std::thread::spawn(move || {
        // A runtime of its own, which ends with all its tasks where they stand.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let life = tokio::spawn(async move { live(&store, &stack, &watched).await });
            tokio::select! {
                () = wire.crashed.notified() => {}
                lived = life => lived.unwrap().unwrap(),
            }
        });
        runtime.shutdown_background();
    })
    .join()
    .unwrap();
    progress.lock().unwrap().clone()
}

/// After each request, and before every fifth (that is mostly the same as after the one before it).
async fn crash_everywhere(emulator: &str, step: usize, side_by_side: usize) {
    let ready = Ready::new(emulator, "crash", "").await;
    let requests = length(&ready).await.len() as u64;
    let after = (0..requests).map(|at| (Fate::CrashAfter, at));
    let cases = after.chain((0..requests).step_by(5).map(|at| (Fate::Crash, at)));
    let ready = Arc::new(ready);
    futures::stream::iter(cases.enumerate().step_by(step))
        .for_each_concurrent(side_by_side, |(n, (fate, at))| {
            let ready = Arc::clone(&ready);
            async move {
                let (stack, context) = (stack(&format!("s{n}")), format!("{emulator}: {fate:?} at request {at}"));
                let progress = {
                    let (ready, stack) = (Arc::clone(&ready), stack.clone());
                    tokio::task::spawn_blocking(move || crash(&ready, &stack, at, fate)).await.unwrap()
                };
                let store = ready.other();
                let found = store.load(&stack).await.unwrap_or_else(|e| panic!("{context}: {e}"));
                // All that was acknowledged, and what was under way whole or not at all. A stack's first write makes an empty state first.
                let empty = found.as_ref().map(|found| State::empty(found.lineage.clone()));
                let before = progress.done.clone();
                let good = found == before
                    || (found.is_some() && found == progress.under_way)
                    || (before.is_none() && found == empty);
                assert!(good, "{context}: {found:#?}\nand not\n{before:#?}");
                assert!(store.history(&stack).await.unwrap().len() >= progress.recorded, "{context}");
                // The next run takes over and goes on. (It would wait for the lease's end; that is tested elsewhere.)
                store.break_lease(&stack).await.unwrap();
                let session = store.acquire(&stack, &holder()).await.unwrap_or_else(|e| panic!("{context}: {e}"));
                if let Some(found) = &found {
                    assert_eq!(session.state(), found, "{context}");
                }
                let mut state = session.state().clone();
                session.append(&[recorded("after")]).await.unwrap_or_else(|e| panic!("{context}: {e}"));
                state.apply(&recorded("after")).unwrap();
                session.checkpoint(&next(&state)).await.unwrap_or_else(|e| panic!("{context}: {e}"));
                session.release().await.unwrap_or_else(|e| panic!("{context}: {e}"));
                assert_eq!(store.load(&stack).await.unwrap(), Some(next(&state)), "{context}");
                assert_eq!(store.stacks().await.unwrap().iter().filter(|s| **s == stack).count(), 1, "{context}");
            }
        })
        .await;
    // Nothing is left lying about: no batch, in the table or in the bucket, that no head names.
    let hand = ready.by_hand();
    let batches = hand.keys().await.into_iter().filter(|k| k.contains("/journal/"));
    assert_eq!(batches.collect::<Vec<_>>(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_crash_at_any_request_the_next_run_goes_on() {
    crash_everywhere("ministack", 1, 8).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_crash_at_some_requests_the_next_run_goes_on_on_moto() {
    crash_everywhere("moto", 6, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_cannot_be_told_is_not_guessed_at() {
    let ready = Ready::new("ministack", "doubt", "&ttl=2s").await;
    let session = ready.store.acquire(&stack("s"), &holder()).await.unwrap();
    session.append(&[recorded("a")]).await.unwrap();
    // The write arrives, its answer doesn't, and neither does anything else until the session gives up.
    let first = Mutex::new(true);
    ready.wire.decide(move |_, what| match what {
        "TransactWriteItems" if std::mem::take(&mut *first.lock().unwrap()) => Fate::AnswerLost,
        _ => Fate::Lost,
    });
    let error = session.append(&[recorded("b")]).await.unwrap_err();
    assert!(matches!(error, StoreError::Expired { .. } | StoreError::Io { .. }), "{error}");
    ready.wire.pass_all();
    session.append(&[recorded("c")]).await.unwrap_err();
    drop(session);
    let session = ready.other().acquire(&stack("s"), &holder()).await.unwrap();
    // All of it or none of it; and here it is there.
    assert_eq!(session.state().resources.len(), 2);
}

/// As an emulator does that undoes one attempt when a repetition of it fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refusal_for_no_reason_is_not_believed() {
    let ready = Ready::new("ministack", "contradiction", "").await;
    let session = ready.store.acquire(&stack("s"), &holder()).await.unwrap();
    session.append(&[recorded("a")]).await.unwrap();
    for refusals in [1, 3] {
        let left = Mutex::new(refusals);
        ready.wire.decide(move |_, what| match what {
            "TransactWriteItems" if *left.lock().unwrap() > 0 => {
                *left.lock().unwrap() -= 1;
                Fate::Refused(412)
            }
            _ => Fate::Passes,
        });
        session.append(&[recorded(&format!("b{refusals}"))]).await.unwrap();
    }
    let checkpoint = next(&ready.other().load(&stack("s")).await.unwrap().unwrap());
    let once = Mutex::new(true);
    ready.wire.decide(move |_, what| match what {
        "TransactWriteItems" if std::mem::take(&mut *once.lock().unwrap()) => Fate::Refused(412),
        _ => Fate::Passes,
    });
    session.checkpoint(&checkpoint).await.unwrap();
    assert_eq!(ready.other().load(&stack("s")).await.unwrap().unwrap().resources.len(), 3);
    // One that goes on for ever is told, and ends the session.
    ready.wire.decide(|_, what| if what == "TransactWriteItems" { Fate::Refused(412) } else { Fate::Passes });
    let error = session.append(&[recorded("c")]).await.unwrap_err();
    assert!(matches!(&error, StoreError::Io { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_write_goes_on_to_its_end_when_nobody_waits_for_it() {
    let ready = Ready::new("ministack", "dropped", "").await;
    let session = ready.store.acquire(&stack("s"), &holder()).await.unwrap();
    ready.wire.decide(|_, _| Fate::Late(20));
    for n in 0..10 {
        let batch = [recorded(&format!("a{n}"))];
        // Left in the middle.
        let _ = tokio::time::timeout(Duration::from_millis(5), session.append(&batch)).await;
    }
    session.append(&[recorded("last")]).await.unwrap();
    assert_eq!(ready.other().load(&stack("s")).await.unwrap().unwrap().resources.len(), 11);
}
