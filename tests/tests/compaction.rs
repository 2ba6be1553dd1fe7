//! Checkpoints in the middle of a run: written while steps run, and as good as any other wherever the run is killed.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::sync::Arc;

use phx_engine::engine::RunOptions;
use phx_engine::events::{Event, StepOp};
use phx_engine::journal::Compaction;
use phx_model::Program;
use phx_state::MemoryStore;
use phx_tests::scale::large;
use phx_tests::world::{Disturbance, Ended, World, stack_name};

/// A world whose journals are bounded, and the store behind it.
fn world(entries: u64) -> (World, MemoryStore) {
    let memory = MemoryStore::new();
    let mut world = World::with_store(3, Arc::new(memory.clone()));
    world.settings.compaction = Compaction { entries, bytes: u64::MAX };
    (world, memory)
}

#[test]
fn a_long_run_writes_checkpoints_while_steps_run() {
    let (world, memory) = world(20);
    let program = large(300);
    let run = world.up(&program);
    let created = |e: &Event| matches!(e, Event::StepDone { op: StepOp::Create, .. });
    assert_eq!(run.events.iter().filter(|e| created(e)).count(), program.resources.len());
    run.succeeded();
    world.assert_settled(&program);
    let checkpoints = memory.checkpoints(&stack_name());
    let (last, middle) = checkpoints.split_last().unwrap();
    assert!(middle.len() >= 4, "{} checkpoints", checkpoints.len());
    assert!(middle.iter().any(|c| !c.open.is_empty()), "calls are under way while they are written");
    assert!(last.open.is_empty() && last.resources.len() == program.resources.len());
    // In proportion to what was done: none follows before as much was written as the last one has.
    let entries = memory.journal(&stack_name()).len();
    let written: usize = checkpoints.iter().map(|c| c.resources.len() + c.deposed.len() + c.open.len()).sum();
    assert!(written < 3 * entries, "{written} records in checkpoints for {entries} entries");
    let serials: Vec<u64> = checkpoints.iter().map(|c| c.serial).collect();
    assert_eq!(serials, (1..=serials.len() as u64).collect::<Vec<_>>());
    // A short run over the same stack writes one, at its end; one that does nothing writes none.
    world.assert_nothing_to_do(&program);
    world.up(&program).succeeded();
    assert_eq!(memory.checkpoints(&stack_name()).len(), checkpoints.len());
    world.destroy().succeeded();
    world.assert_empty();
}

#[test]
fn a_run_can_be_killed_wherever_it_writes_one() {
    let program: Program = large(6);
    let boundaries = {
        let (world, memory) = world(3);
        let boundaries = world.up(&program).boundaries;
        assert!(memory.checkpoints(&stack_name()).len() > 2);
        boundaries
    };
    let mut at_checkpoints = 0;
    for kill in 0..boundaries {
        let (world, _) = world(3);
        let how = Disturbance { kill: Some(kill), breaks: None };
        let run = world.up_with(&program, &RunOptions::default(), &how);
        let Ended::Killed(place) = run.ended else { panic!("boundary {kill} of {boundaries} was not reached") };
        at_checkpoints += u32::from(place.contains("checkpoint"));
        world.up(&program).succeeded();
        world.assert_settled(&program);
        world.assert_nothing_to_do(&program);
    }
    assert!(at_checkpoints > 4, "{at_checkpoints} of {boundaries} boundaries are at checkpoints");
}
