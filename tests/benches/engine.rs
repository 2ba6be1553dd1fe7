//! The engine's pure parts by the size of the program: graph, no-op plan, fold. `cargo bench -p phx-tests` goes to 100,000 resources, and to 1,000,000
//! with `PHX_BENCH_LARGE=1`. For processor time and memory in one table see `engine-scale`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)] // a benchmark: what goes wrong ends it

use std::collections::BTreeMap;

use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use phx_engine::graph::Graph;
use phx_engine::planner::{PlanInput, PlanOptions, plan};
use phx_model::state::State;
use phx_tests::scale::{journal, large};

fn engine(criterion: &mut Criterion) {
    let mut sizes = vec![1_000, 10_000, 100_000];
    if std::env::var_os("PHX_BENCH_LARGE").is_some() {
        sizes.push(1_000_000);
    }
    let mut group = criterion.benchmark_group("engine");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for size in sizes {
        let program = large(size);
        let entries = journal(&program);
        let mut state = State::empty("lineage");
        state.fold(&entries).expect("a journal that folds");
        let (gone, adoptable, options) = (BTreeMap::new(), BTreeMap::new(), PlanOptions::default());
        let input =
            PlanInput { program: &program, state: &state, gone: &gone, adoptable: &adoptable, options: &options };
        group.throughput(Throughput::Elements(program.resources.len() as u64));
        group.bench_function(BenchmarkId::new("graph", size), |b| {
            b.iter_batched(|| (), |()| Graph::new(&program).expect("a graph"), BatchSize::PerIteration);
        });
        group.bench_function(BenchmarkId::new("no-op plan", size), |b| {
            b.iter_batched(|| (), |()| plan(&input).expect("a plan"), BatchSize::PerIteration);
        });
        group.bench_function(BenchmarkId::new("fold", size), |b| {
            let fold = |mut state: State| {
                state.fold(&entries).expect("a journal that folds");
                state
            };
            b.iter_batched(|| State::empty("lineage"), fold, BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, engine);
criterion_main!(benches);
