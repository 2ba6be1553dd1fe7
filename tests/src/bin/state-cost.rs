//! Measures what one step costs in a stack's state: bytes written and time, at stacks of different sizes.
//!
//! `cargo run --release -p phx-tests --bin state-cost`, or with the numbers of resources to measure. A step is an update of one resource: its intent is made
//! durable, then its result. It goes through the engine's journal as in a run, one step after the other, so that nothing is shared between steps.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a benchmark: what goes wrong ends it

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use phx_engine::journal::{Compaction, Journal};
use phx_model::state::{Change, Entry, Intent, OperationId, Outcome, Record, State};
use phx_model::store::{Holder, Store};
use phx_model::{Urn, Value};
use phx_state::{LocalStore, MemoryStore};
use phx_tests::scale::{CELL, journal, large};
use phx_tests::world::{project, stack_name};

/// How many steps are measured.
const STEPS: usize = 1000;

/// What one size took on one store.
struct Measured {
    store: &'static str,
    resources: usize,
    /// Of a step: half of them took no longer, and nine in ten.
    half: Duration,
    most: Duration,
    /// Of a step. `None`: the store writes no bytes.
    bytes: Option<u64>,
    /// Of the checkpoint at the end of the run.
    checkpoint: Duration,
    checkpoint_bytes: Option<u64>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let sizes: Vec<usize> = match arguments.is_empty() {
        true => vec![10, 1_000, 100_000],
        false => arguments.iter().map(|a| a.parse().expect("a number of resources")).collect(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    println!(
        "{:<8} {:>10} {:>14} {:>14} {:>14} {:>16} {:>16}",
        "store", "resources", "bytes a step", "time (median)", "time (90 %)", "last checkpoint", "its bytes"
    );
    for name in ["local", "memory"] {
        for &size in &sizes {
            let m = runtime.block_on(measure(name, size));
            let bytes = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
            let micros = |d: Duration| format!("{} µs", d.as_micros());
            println!(
                "{:<8} {:>10} {:>14} {:>14} {:>14} {:>16} {:>16}",
                m.store,
                m.resources,
                bytes(m.bytes),
                micros(m.half),
                micros(m.most),
                format!("{:.1} ms", m.checkpoint.as_secs_f64() * 1000.0),
                bytes(m.checkpoint_bytes),
            );
        }
    }
}

async fn measure(name: &'static str, size: usize) -> Measured {
    let folder = tempfile::tempdir().expect("a folder");
    let store: Arc<dyn Store> = match name {
        "local" => Arc::new(LocalStore::new(folder.path().to_owned(), project())),
        _ => Arc::new(MemoryStore::new()),
    };
    let state = prepare(&*store, size).await;
    let resources: Vec<(Urn, Record)> = state.resources.into_iter().collect();
    let operation = OperationId("measured".into());
    let session = store.acquire(&stack_name(), &holder(&operation)).await.expect("the lease");
    let began = Entry::Began { operation: operation.clone(), kind: "up".into(), time: Timestamp::UNIX_EPOCH };
    let handle = Journal::open(session, operation, began, Compaction::default());
    // The first append has more to do than any other.
    step(&handle, &resources, 0).await;
    let before = journal_bytes(folder.path());
    let mut times = Vec::with_capacity(STEPS);
    for n in 0..STEPS {
        let start = Instant::now();
        step(&handle, &resources, n).await;
        times.push(start.elapsed());
    }
    let written = journal_bytes(folder.path()) - before;
    let start = Instant::now();
    assert!(handle.checkpoint().await.expect("a checkpoint"));
    let checkpoint = start.elapsed();
    handle.release().await.expect("the lease is given back");
    times.sort();
    let kept = |bytes: u64| (name == "local").then_some(bytes);
    Measured {
        store: name,
        resources: resources.len(),
        half: times[STEPS / 2],
        most: times[STEPS * 9 / 10],
        bytes: kept(written / STEPS as u64),
        checkpoint,
        checkpoint_bytes: kept(newest_checkpoint(folder.path())),
    }
}

/// A stack of this many resources, and nothing in its journal.
async fn prepare(store: &dyn Store, size: usize) -> State {
    let session = store.acquire(&stack_name(), &holder(&OperationId("before".into()))).await.expect("the lease");
    let mut state = session.state().clone();
    state.fold(&journal(&large(size + CELL))).expect("a journal that folds");
    // Programs grow by whole cells.
    while state.resources.len() > size {
        state.resources.pop_last();
    }
    state.serial += 1;
    session.checkpoint(&state).await.expect("a checkpoint");
    session.release().await.expect("the lease is given back");
    state
}

fn holder(operation: &OperationId) -> Holder {
    Holder { who: "me@here".into(), pid: std::process::id(), kind: "up".into(), operation: operation.clone() }
}

/// One step: the n-th resource gets another tag.
async fn step(journal: &Journal, resources: &[(Urn, Record)], n: usize) {
    let (urn, record) = &resources[n.wrapping_mul(7919) % resources.len()];
    let mut record = record.clone();
    record.inputs.insert("tags", Value::Map([("n".to_owned(), Value::String(format!("{n:06}").into()))].into()));
    let id = journal.next_intent();
    let change = Change::Update { fields: ["tags".to_owned()].into(), record: Box::new(record) };
    let intent = Intent { id: id.clone(), urn: urn.clone(), time: Timestamp::now(), change };
    journal.append(vec![Entry::Intent(intent)]).await.expect("the intent is written");
    let outcome = Outcome::Applied { outputs: None };
    journal.append(vec![Entry::Done { intent: id, outcome }]).await.expect("the result is written");
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|e| e.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn size(path: &Path) -> u64 {
    path.metadata().expect("a file").len()
}

fn journal_bytes(folder: &Path) -> u64 {
    files(folder).iter().filter(|p| p.extension().is_some_and(|e| e == "jsonl")).map(|p| size(p)).sum()
}

fn newest_checkpoint(folder: &Path) -> u64 {
    let inside = |p: &&PathBuf| p.parent().and_then(Path::file_name).is_some_and(|name| name == "checkpoints");
    let found = files(folder);
    let newest = found.iter().filter(inside).max_by_key(|p| p.metadata().and_then(|m| m.modified()).expect("a time"));
    newest.map_or(0, |path| size(path))
}
