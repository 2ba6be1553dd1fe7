//! phx without its command line: a program of its own that previews a stack, applies it, and listens to what happens.
//!
//! `phx-example-library [DIR]`; DIR has the project's `phx.toml`. With `AWS_ENDPOINT_URL` set, it works on an emulator.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use phx::aws::logs::LogGroup;
use phx::engine::engine::{RunOptions, Settings};
use phx::engine::events::{Event, EventSink, RunResult};
use phx::engine::{Engine, Plan};
use phx::model::driver::Registry;
use phx::prelude::*;
use phx::project::Project;

/// Receives what happens. A service would write metrics here, or a line into its own log.
struct Listener;

impl EventSink for Listener {
    fn event(&self, event: &Event) {
        match event {
            Event::StepDone { urn, elapsed_ms, .. } => println!("{} is done after {elapsed_ms} ms", urn.name()),
            Event::StepFailed { urn, error, .. } => eprintln!("{} failed: {}", urn.name(), error.message),
            _ => {}
        }
    }
}

/// What this service runs for each of its tenants.
fn tenants(stack: &mut Stack) -> Result<()> {
    for tenant in ["ada", "grace"] {
        let scope = stack.component(tenant)?;
        scope.add("logs", LogGroup::new(format!("/tenants/{tenant}")).retention_in_days(14))?;
    }
    Ok(())
}

/// Only ever adds: a plan that would delete or replace anything is for a person to look at.
fn harmless(plan: &Plan) -> bool {
    plan.changes().all(|step| !step.op.deletes())
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let project = Project::find(Path::new(&folder))?;
    let stack = project.stack(&project.stack_name(None)?)?;
    let aws = stack.aws();
    // The program may look things up while it is written down: in the same AWS.
    let program = stack.write_down_with(stack.lookups(&aws), tenants)?;

    let mut registry = Registry::new();
    phx::aws::register(&mut registry, &aws);
    let store = phx::state::open("file://.phx", &project.dir, &project.name)?;
    let engine = Engine::new(registry, store, Arc::new(Listener), Settings::default());

    let report = engine.up(&program, &RunOptions::default(), &harmless).await?;
    println!(
        "{} created, {} changed, {} as they were",
        report.summary.create, report.summary.update, report.summary.same
    );
    Ok(if report.result == RunResult::Succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
