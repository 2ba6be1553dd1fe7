//! Measures the engine's pure parts on large programs: graph, no-op plan and fold, in processor time and memory.
//!
//! `overhead` is what state, graph and plan take on the heap for one resource, beyond the values themselves: its URN, its id, and its fields and
//! outputs as JSON has them.
//!
//! `cargo run --release -p phx-tests --bin engine-scale`, or with the numbers of resources to measure. Each size runs in a process of its own, so that
//! each has a memory peak of its own.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a benchmark: what goes wrong ends it

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};
use std::time::Duration;

use phx_engine::graph::Graph;
use phx_engine::plan::Op;
use phx_engine::planner::{PlanInput, PlanOptions, plan};
use phx_model::state::{Record, State};
use phx_tests::scale::{journal, large};

/// Counts what is allocated.
#[global_allocator]
static HEAP: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// What one size took.
struct Measured {
    resources: usize,
    program: Duration,
    graph: Duration,
    plan: Duration,
    fold: Duration,
    /// Bytes of a resource's own values.
    values: u64,
    /// Bytes that state, graph and plan take beyond them, for one resource.
    overhead: u64,
    /// Of the whole process, with the program, the journal and the state in it.
    peak_kib: u64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, size] = &arguments[..]
        && flag == "--one"
    {
        let m = measure(size.parse().expect("a number of resources"));
        let micros = |d: Duration| d.as_micros();
        println!(
            "{} {} {} {} {} {} {} {}",
            m.resources,
            micros(m.program),
            micros(m.graph),
            micros(m.plan),
            micros(m.fold),
            m.values,
            m.overhead,
            m.peak_kib
        );
        return ExitCode::SUCCESS;
    }
    let sizes: Vec<usize> = match arguments.is_empty() {
        true => vec![10_000, 100_000],
        false => arguments.iter().map(|a| a.parse().expect("a number of resources")).collect(),
    };
    let measured: Vec<Measured> = sizes.into_iter().map(in_a_process).collect();
    println!(
        "{:>10}  {:>10}  {:>10}  {:>12}  {:>10}  {:>8}  {:>8}  {:>10}",
        "resources", "program", "graph", "no-op plan", "fold", "values", "overhead", "peak RSS"
    );
    for m in &measured {
        let (program, graph, plan, fold) = (ms(m.program), ms(m.graph), ms(m.plan), ms(m.fold));
        println!(
            "{:>10}  {program:>10}  {graph:>10}  {plan:>12}  {fold:>10}  {:>6} B  {:>6} B  {:>6} MiB",
            m.resources,
            m.values,
            m.overhead,
            m.peak_kib / 1024
        );
    }
    let (Some(first), Some(last)) = (measured.first(), measured.last()) else { return ExitCode::SUCCESS };
    if measured.len() < 2 {
        return ExitCode::SUCCESS;
    }
    let ratio = |f: fn(&Measured) -> f64| format!("{:.1}x", f(last) / f(first));
    println!(
        "{:>10}  {:>10}  {:>10}  {:>12}  {:>10}  {:>8}  {:>8}  {:>10}",
        ratio(|m| f64::from(u32::try_from(m.resources).unwrap_or(u32::MAX))),
        ratio(|m| m.program.as_secs_f64()),
        ratio(|m| m.graph.as_secs_f64()),
        ratio(|m| m.plan.as_secs_f64()),
        ratio(|m| m.fold.as_secs_f64()),
        "",
        "",
        ratio(|m| f64::from(u32::try_from(m.peak_kib).unwrap_or(u32::MAX))),
    );
    ExitCode::SUCCESS
}

fn ms(d: Duration) -> String {
    format!("{:.1} ms", d.as_secs_f64() * 1000.0)
}

fn in_a_process(resources: usize) -> Measured {
    let me = std::env::current_exe().expect("this program");
    let out = Command::new(me).args(["--one", &resources.to_string()]).output().expect("a process");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let line = String::from_utf8(out.stdout).expect("text");
    let n: Vec<u64> = line.split_whitespace().map(|n| n.parse().expect("a number")).collect();
    let [resources, program, graph, plan, fold, values, overhead, peak_kib] = n[..] else { panic!("{line:?}") };
    let micros = Duration::from_micros;
    Measured {
        resources: usize::try_from(resources).expect("a size"),
        program: micros(program),
        graph: micros(graph),
        plan: micros(plan),
        fold: micros(fold),
        values,
        overhead,
        peak_kib,
    }
}

fn measure(resources: usize) -> Measured {
    let (program, program_time) = best(1, || large(resources));
    let (graph, graph_time) = best(3, || Graph::new(&program).expect("a graph"));
    assert_eq!(graph.order().len(), program.resources.len());
    let entries = journal(&program);
    assert_eq!(entries.len(), 2 * program.resources.len());
    let (state, fold_time) = best(3, || {
        let mut state = State::empty("lineage");
        state.fold(&entries).expect("a journal that folds");
        state
    });
    drop(entries);
    drop(graph);
    // Once more, with nothing else on the heap but the program.
    let state: State = serde_json::from_slice(&serde_json::to_vec(&state).expect("a state")).expect("the same state");
    let (gone, adoptable, options) = (BTreeMap::new(), BTreeMap::new(), PlanOptions::default());
    let input = PlanInput { program: &program, state: &state, gone: &gone, adoptable: &adoptable, options: &options };
    let (made, plan_time) = best(3, || plan(&input).expect("a plan"));
    let same = made.steps.iter().filter(|s| s.op == Op::Same).count();
    assert_eq!(same, program.resources.len(), "nothing was to be done: {:?}", made.changes().next());
    let graph = Graph::new(&program).expect("a graph");
    let all = HEAP.current_usage();
    drop((made, graph));
    let values: usize = state.resources.iter().map(|(urn, record)| own_bytes(urn.as_str(), record)).sum();
    drop(state);
    let used = all.saturating_sub(HEAP.current_usage());
    let each = |bytes: usize| (bytes / program.resources.len()) as u64;
    Measured {
        values: each(values),
        overhead: each(used).saturating_sub(each(values)),
        resources: program.resources.len(),
        program: program_time,
        graph: graph_time,
        plan: plan_time,
        fold: fold_time,
        peak_kib: peak_kib(),
    }
}

/// The bytes of a resource's name and values.
fn own_bytes(urn: &str, record: &Record) -> usize {
    let json = |values: &phx_model::ValueMap| serde_json::to_string(values).expect("values").len();
    urn.len() + record.id.len() + json(&record.inputs) + json(&record.outputs)
}

/// The time that the processor has worked for this thread: a busy machine makes a run longer, but not this.
fn processor_time() -> Duration {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    Duration::from_nanos(times.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number"))
}

/// The last result, and the shortest time.
fn best<T>(times: u32, mut f: impl FnMut() -> T) -> (T, Duration) {
    let mut shortest = Duration::MAX;
    let mut last = None;
    for _ in 0..times {
        drop(last.take());
        let start = processor_time();
        let result = f();
        shortest = shortest.min(processor_time() - start);
        last = Some(result);
    }
    (last.expect("it ran"), shortest)
}

/// The most memory that this process ever had.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).expect("VmHWM");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
}
