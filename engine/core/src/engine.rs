//! The whole of it: preview, up, destroy, refresh.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use phx_model::driver::Registry;
use phx_model::stack::Declared;
use phx_model::state::{Entry, OperationId, Record, State};
use phx_model::store::{Holder, Operation, Pace, Session, Store, StoreError, Summary};
use phx_model::urn::{ProjectName, StackName};
use phx_model::{CloudError, Program, Urn, ValueMap};
use tokio::time::Instant;

use crate::drift::{Drift, DriftKind, Look};
use crate::events::{Event, EventError, EventSink, RunResult, StepOp};
use crate::execute::{Executed, Run};
use crate::graph::Graph;
use crate::journal::{Compaction, Journal};
use crate::places;
use crate::plan::{Op, Plan, Step};
use crate::planner::{self, PlanInput, PlanOptions};
use crate::recover::Recovery;
use crate::refresh::{Observations, Scope, Targets};
use crate::saved::{self, SavedPlan};
use crate::verify::{Verified, Verify};

mod error;
mod interrupt;
pub(crate) mod own;

pub use error::EngineError;
pub use interrupt::Interrupt;

/// How an engine works, whatever it works on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many steps work at once; those that wait for the cloud do not count. `None`: as many as there are, up to 512.
    pub parallel: Option<usize>,
    /// How long an object that was just created may take to show itself to a search.
    pub recovery_grace: Duration,
    /// How long a verb may take where the resource's options say nothing.
    pub timeout: Duration,
    /// When a checkpoint is written in the middle of a run.
    pub compaction: Compaction,
}

impl Settings {
    /// How long reading may take: never as long as making something may.
    pub(crate) fn read_timeout(&self) -> Duration {
        self.timeout.min(Duration::from_secs(20 * 60))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            parallel: None,
            recovery_grace: Duration::from_secs(10),
            // Clusters and databases take most of an hour to be upgraded.
            timeout: Duration::from_secs(90 * 60),
            compaction: Compaction::default(),
        }
    }
}

/// How one operation goes.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// What is planned for.
    pub plan: PlanOptions,
    /// Whether the cloud is read first. Otherwise the plan goes by what was recorded last.
    pub refresh: bool,
    /// Asks it to stop.
    pub interrupt: Interrupt,
    /// Who runs it, for the lease and the history: `user@host`.
    pub holder_who: String,
    /// How long to wait for a lease that somebody alive holds.
    pub wait: Duration,
    /// Asked once an `up` of the whole program has succeeded and is recorded. The lease is given back by then.
    pub verify: Option<Arc<dyn Verify>>,
}

impl Default for RunOptions {
    fn default() -> Self {
        let (plan, interrupt) = (PlanOptions::default(), Interrupt::new());
        Self { plan, refresh: true, interrupt, holder_who: String::new(), wait: Duration::ZERO, verify: None }
    }
}

/// Asked once, when the plan is made and before anything is changed. `false`: nothing is.
pub type Approve<'a> = dyn Fn(&Plan) -> bool + Send + Sync + 'a;

/// What came of an operation.
#[derive(Clone, Debug)]
pub struct Report {
    /// How it ended.
    pub result: RunResult,
    /// What was planned.
    pub plan: Plan,
    /// What was done.
    pub summary: Summary,
    /// What failed.
    pub failures: Vec<Failure>,
    /// What was not begun, and due to which resource's failure; none if the run was stopped.
    pub skipped: Vec<(Urn, StepOp, Option<Urn>)>,
    /// What the stack exports now.
    pub outputs: ValueMap,
    /// How long it took.
    pub elapsed: Duration,
    /// How near its steps came to the fastest way in which they could have been done; none if it had none.
    pub pace: Option<Pace>,
    /// What the checks came to; none if none were made.
    pub checks: Option<Verified>,
}

/// A step that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The resource.
    pub urn: Urn,
    /// What was tried.
    pub op: StepOp,
    /// Why.
    pub error: CloudError,
}

/// Plans and changes stacks.
#[derive(Clone)]
pub struct Engine {
    registry: Registry,
    store: Arc<dyn Store>,
    sink: Arc<dyn EventSink>,
    settings: Settings,
}

/// What an operation does once it has the lease.
enum Job<'a> {
    Up { program: &'a Program, approve: &'a Approve<'a> },
    Saved { program: &'a Program, saved: &'a SavedPlan, approve: &'a Approve<'a> },
    Destroy { approve: &'a Approve<'a> },
    Refresh,
}

impl<'a> Job<'a> {
    fn kind(&self) -> &'static str {
        match self {
            Self::Up { .. } | Self::Saved { .. } => "up",
            Self::Destroy { .. } => "destroy",
            Self::Refresh => "refresh",
        }
    }

    /// Whether afterwards everything is as a program says, if it succeeds.
    fn is_whole(&self, options: &RunOptions) -> bool {
        match self {
            Self::Up { .. } => options.plan.targets.is_empty(),
            Self::Saved { saved, .. } => saved.options().targets.is_empty(),
            Self::Destroy { .. } | Self::Refresh => false,
        }
    }

    fn program(&self) -> Option<&'a Program> {
        match self {
            Self::Up { program, .. } | Self::Saved { program, .. } => Some(program),
            Self::Destroy { .. } | Self::Refresh => None,
        }
    }
}

/// Which stack.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) project: &'a ProjectName,
    pub(crate) stack: &'a StackName,
}

impl Engine {
    /// An engine for the resource types of `registry` and the stacks of `store`, which tells `sink` what happens.
    pub fn new(registry: Registry, store: Arc<dyn Store>, sink: Arc<dyn EventSink>, settings: Settings) -> Self {
        Self { registry, store, sink, settings }
    }

    /// What [`up`](Self::up) would do. Takes no lease and changes nothing, not even the state.
    pub async fn preview(&self, program: &Program, options: &RunOptions) -> Result<Plan, EngineError> {
        self.check(program)?;
        let place = Place { project: &program.project, stack: &program.stack };
        let journal = look(self.store.load(&program.stack).await?, place, Some(program))?;
        let observed = self.observe(&journal, Some(program), options, options.refresh, true).await?.complete()?;
        let plan = plan_up(&journal, program, &observed, options)?;
        self.sink.event(&Event::Planned { summary: plan.summary() });
        Ok(plan)
    }

    /// The same, and what has to be kept of it so that [`up_saved`](Self::up_saved) does exactly this.
    pub async fn preview_to_save(
        &self,
        program: &Program,
        options: &RunOptions,
    ) -> Result<(Plan, SavedPlan), EngineError> {
        self.check(program)?;
        let found = self.store.load(&program.stack).await?;
        let base = saved::Base::new(found.as_ref())?;
        let journal = look(found, Place { project: &program.project, stack: &program.stack }, Some(program))?;
        let observed = self.observe(&journal, Some(program), options, options.refresh, true).await?.complete()?;
        let plan = plan_up(&journal, program, &observed, options)?;
        let saved = base.plan(program, &options.plan, observed, &plan);
        self.sink.event(&Event::Planned { summary: plan.summary() });
        Ok((plan, saved))
    }

    /// What [`destroy`](Self::destroy) would do. Takes no lease and changes nothing, not even the state.
    pub async fn preview_destroy(
        &self,
        project: &ProjectName,
        stack: &StackName,
        options: &RunOptions,
    ) -> Result<Plan, EngineError> {
        let journal = look(self.store.load(stack).await?, Place { project, stack }, None)?;
        self.observe(&journal, None, options, options.refresh, true).await?.complete()?;
        let plan = planner::plan_destroy(project, stack, &journal.snapshot(), &options.plan)?;
        self.sink.event(&Event::Planned { summary: plan.summary() });
        Ok(plan)
    }

    /// Makes the cloud what the program says. What fails is in the report; an error means that something stood in the way of the whole.
    pub async fn up(
        &self,
        program: &Program,
        options: &RunOptions,
        approve: &Approve<'_>,
    ) -> Result<Report, EngineError> {
        self.check(program)?;
        let place = Place { project: &program.project, stack: &program.stack };
        self.operate(place, Job::Up { program, approve }, options).await
    }

    /// Does what a saved plan says, if the program and the state are still the ones that it was made from. The cloud is not read, so the plan is the same
    /// one whatever has happened there since. Of the options, those for planning and refreshing are the plan's own.
    pub async fn up_saved(
        &self,
        program: &Program,
        saved: &SavedPlan,
        options: &RunOptions,
        approve: &Approve<'_>,
    ) -> Result<Report, EngineError> {
        self.check(program)?;
        saved.belongs_to(&program.project, &program.stack)?;
        let place = Place { project: &program.project, stack: &program.stack };
        self.operate(place, Job::Saved { program, saved, approve }, options).await
    }

    /// Deletes everything that the state knows of, dependents first.
    pub async fn destroy(
        &self,
        project: &ProjectName,
        stack: &StackName,
        options: &RunOptions,
        approve: &Approve<'_>,
    ) -> Result<Report, EngineError> {
        self.operate(Place { project, stack }, Job::Destroy { approve }, options).await
    }

    /// Records what the cloud has. The report's plan is empty; its summary counts as forgotten what was found to be gone.
    pub async fn refresh(
        &self,
        project: &ProjectName,
        stack: &StackName,
        options: &RunOptions,
    ) -> Result<Report, EngineError> {
        self.operate(Place { project, stack }, Job::Refresh, options).await
    }

    /// What someone else has changed about the stack's objects. Takes no lease and changes nothing, not even the state; may run beside an
    /// [`up`](Self::up). A stack without a state has no drift. Of the options only the interrupt counts.
    pub async fn drift(
        &self,
        project: &ProjectName,
        stack: &StackName,
        options: &RunOptions,
    ) -> Result<Drift, EngineError> {
        let (registry, store, settings) = (&self.registry, &*self.store, &self.settings);
        let (started, mut resources) = (Instant::now(), 0);
        let reading = |count| {
            resources = count;
            self.sink.event(&Event::RefreshStarted { resources: count });
        };
        let drift =
            unless_interrupted(options, Look { registry, store, settings }.run(Place { project, stack }, reading))
                .await?;
        let of = |kind| drift.drifted.iter().filter(move |d| d.kind == kind).map(|d| d.urn.clone()).collect();
        self.sink.event(&Event::Refreshed {
            resources,
            gone: of(DriftKind::Missing),
            drifted: of(DriftKind::Changed),
            elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
        Ok(drift)
    }

    /// What can be said of a program before anything is called.
    fn check(&self, program: &Program) -> Result<(), EngineError> {
        Graph::new(program)?;
        match program.resources.iter().find(|d| self.registry.get(d.schema.type_name).is_none()) {
            Some(d) => Err(EngineError::UnknownType { urn: d.urn.clone(), type_name: d.schema.type_name.to_owned() }),
            None => Ok(()),
        }
    }

    /// An operation from taking the lease to giving it back, which happens however it ends.
    async fn operate(&self, place: Place<'_>, job: Job<'_>, options: &RunOptions) -> Result<Report, EngineError> {
        let (clock, started) = (Instant::now(), Timestamp::now());
        let operation = OperationId(uuid::Uuid::now_v7().simple().to_string());
        let who = options.holder_who.clone();
        let kind = job.kind();
        let holder = Holder { who, pid: std::process::id(), kind: kind.to_owned(), operation: operation.clone() };
        let session = self.lease(place.stack, &holder, options).await?;
        if let Err(error) = own::check(session.state(), &place, job.program()) {
            session.release().await?;
            return Err(error);
        }
        self.sink.event(&Event::OperationStarted {
            kind,
            stack: place.stack.to_string(),
            operation: operation.0.clone(),
            lease: session.lease().clone(),
        });
        let began = Entry::Began { operation: operation.clone(), kind: kind.to_owned(), time: started };
        let journal = Journal::open(session, operation.clone(), began, self.settings.compaction);
        let mut outcome = tokio::select! {
            biased;
            // Whatever is under way stops where it is: nothing of it could be recorded, and another run may be at work on the same objects.
            error = journal.lost() => Err(error.into()),
            outcome = self.run(place, &job, &journal, options) => outcome,
        };
        // What was looked at and turned down is no part of the stack's history.
        let declined = matches!(outcome, Err(EngineError::Declined));
        let ended = self.end(
            &journal,
            &job,
            (!declined).then(|| Operation {
                id: operation,
                kind: kind.to_owned(),
                started,
                ended: started,
                result: result_of(&outcome).name().to_owned(),
                summary: outcome.as_ref().map(|report| report.summary).unwrap_or_default(),
                serial: 0,
                who: holder.who.clone(),
                program_hash: String::new(),
                pace: outcome.as_ref().ok().and_then(|report| report.pace),
            }),
        );
        if let Err(error) = ended.await {
            match &outcome {
                Ok(_) => outcome = Err(error),
                // The first error is the cause, and most often the store says the same again.
                Err(first) if first.to_string() == error.to_string() => {}
                Err(first) => tracing::warn!(%first, %error, "the operation could not be ended properly either"),
            }
        }
        let elapsed = clock.elapsed();
        if let Ok(report) = &mut outcome {
            report.elapsed = elapsed;
            if let (Some(verify), RunResult::Succeeded, true) = (&options.verify, report.result, job.is_whole(options))
            {
                report.checks = verify.verify(&journal.snapshot(), &options.interrupt).await;
            }
        }
        self.sink.event(&Event::OperationDone {
            result: result_of(&outcome),
            summary: outcome.as_ref().map(|report| report.summary).unwrap_or_default(),
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            pace: outcome.as_ref().ok().and_then(|report| report.pace),
            error: outcome.as_ref().err().map(EventError::from),
            checks: outcome.as_ref().ok().and_then(|report| report.checks.clone()),
            outputs: journal.with(|state| state.outputs.clone()),
        });
        outcome
    }

    /// Takes the stack's lease. While somebody alive holds it, it is waited for, for as long as the options say.
    async fn lease(
        &self,
        stack: &StackName,
        holder: &Holder,
        options: &RunOptions,
    ) -> Result<Box<dyn Session>, EngineError> {
        let began = Instant::now();
        let held = match self.store.acquire(stack, holder).await {
            Err(StoreError::Leased(held)) if !options.wait.is_zero() => held,
            session => return Ok(session?),
        };
        let wait_ms = u64::try_from(options.wait.as_millis()).unwrap_or(u64::MAX);
        self.sink.event(&Event::LeaseAwaited { lease: *held, wait_ms });
        let left = options.wait.saturating_sub(began.elapsed());
        tokio::select! {
            biased;
            () = options.interrupt.draining() => Err(EngineError::Interrupted),
            session = self.store.acquire_waiting(stack, holder, left) => Ok(session?),
        }
    }

    /// Writes the checkpoint and the history, and gives the lease back whatever becomes of the two.
    async fn end(&self, journal: &Journal, job: &Job<'_>, operation: Option<Operation>) -> Result<(), EngineError> {
        let checkpoint = journal.checkpoint().await;
        let recorded = match operation {
            Some(operation) => {
                let operation = Operation {
                    ended: Timestamp::now(),
                    serial: journal.with(|state| state.serial),
                    program_hash: job.program().map(planner::program_hash).unwrap_or_default(),
                    ..operation
                };
                journal.record(operation).await
            }
            None => Ok(()),
        };
        let released = journal.release().await;
        checkpoint?;
        recorded?;
        Ok(released?)
    }

    async fn run(
        &self,
        place: Place<'_>,
        job: &Job<'_>,
        journal: &Journal,
        options: &RunOptions,
    ) -> Result<Report, EngineError> {
        match job {
            Job::Up { program, approve } => {
                let observed =
                    self.observe(journal, Some(program), options, options.refresh, false).await?.complete()?;
                let plan = plan_up(journal, program, &observed, options)?;
                self.carry_out(journal, program, plan, options, approve, true).await
            }
            Job::Saved { program, saved, approve } => {
                let moved = saved.check(&journal.snapshot(), program);
                if !moved.is_empty() {
                    return Err(EngineError::Stale(moved));
                }
                let state = journal.snapshot();
                places::define(&self.registry, &state, Some(program));
                unless_interrupted(options, places::stay(&self.registry, &state)).await?;
                unless_interrupted(options, places::open(&self.registry, &state, Some(program))).await?;
                journal.stage(places::renamed(&state, Some(program)))?;
                drop(state);
                let mut observed = saved.observations();
                journal.stage(std::mem::take(&mut observed.entries))?;
                let options = RunOptions { plan: saved.options().clone(), ..options.clone() };
                let plan = plan_up(journal, program, &observed, &options)?;
                saved.confirm(&plan, program).map_err(EngineError::Stale)?;
                self.carry_out(journal, program, plan, &options, approve, true).await
            }
            Job::Destroy { approve } => {
                self.observe(journal, None, options, options.refresh, false).await?.complete()?;
                let plan = planner::plan_destroy(place.project, place.stack, &journal.snapshot(), &options.plan)?;
                let nothing = Program::empty(place.project.clone(), place.stack.clone());
                self.carry_out(journal, &nothing, plan, options, approve, false).await
            }
            Job::Refresh => {
                let plan = journal.with(|state| error::empty_plan(place.project, place.stack, state));
                let observed = self.observe(journal, None, options, true, false).await?;
                // What could be read is recorded, also if the rest could not.
                journal.append(Vec::new()).await?;
                let observed = observed.complete()?;
                let summary = Summary { forget: observed.gone.len() as u64, ..Summary::default() };
                let executed = Executed {
                    result: RunResult::Succeeded,
                    summary,
                    failures: Vec::new(),
                    skipped: Vec::new(),
                    pace: None,
                };
                Ok(report(journal, plan, executed))
            }
        }
    }

    /// Settles what an earlier run left open, then reads the cloud. What is seen is in the journal's state afterwards, and staged to be written
    /// with whatever is written next.
    async fn observe(
        &self,
        journal: &Journal,
        program: Option<&Program>,
        options: &RunOptions,
        refresh: bool,
        only_look: bool,
    ) -> Result<Observations, EngineError> {
        let state = journal.snapshot();
        places::define(&self.registry, &state, program);
        unless_interrupted(options, places::stay(&self.registry, &state)).await?;
        if refresh || !only_look {
            unless_interrupted(options, places::open(&self.registry, &state, program)).await?;
        }
        journal.stage(places::renamed(&state, program))?;
        drop(state);
        let imports = program.into_iter().flat_map(|p| &p.resources);
        let recovery = Recovery {
            registry: &self.registry,
            journal,
            sink: &*self.sink,
            settings: &self.settings,
            imports: imports.filter_map(|d| Some((&d.urn, d.options.import.as_deref()?))).collect(),
            only_look,
        };
        let touched = unless_interrupted(options, recovery.run()).await?;
        let scope = if refresh { Scope::All } else { Scope::Only(&touched) };
        let state = journal.snapshot();
        let targets = Targets::new(&state, program, scope);
        let resources = targets.len();
        if !refresh && resources == 0 {
            return Ok(Observations::default());
        }
        self.sink.event(&Event::RefreshStarted { resources });
        let started = Instant::now();
        let reading = targets.read(&self.registry, self.settings.read_timeout(), self.settings.recovery_grace);
        let mut observed = unless_interrupted(options, reading).await?;
        drop(state);
        self.sink.event(&Event::Refreshed {
            resources,
            gone: observed.gone.keys().cloned().collect(),
            drifted: observed.drifted.clone(),
            elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
        // Whoever only looks may want to save what was seen.
        let entries = if only_look { observed.entries.clone() } else { std::mem::take(&mut observed.entries) };
        journal.stage(entries)?;
        Ok(observed)
    }

    /// Asks for approval and does what the plan says.
    async fn carry_out(
        &self,
        journal: &Journal,
        program: &Program,
        plan: Plan,
        options: &RunOptions,
        approve: &Approve<'_>,
        exports: bool,
    ) -> Result<Report, EngineError> {
        if !ask(approve, &plan) {
            return Err(EngineError::Declined);
        }
        self.sink.event(&Event::Planned { summary: plan.summary() });
        let renames = plan.renames.iter().map(|(from, to)| Entry::Renamed { from: from.clone(), to: to.clone() });
        let home = places::home(&self.registry).await;
        let learned = journal.with(|state| places::learned(&self.registry, state, program, home));
        journal.append(renames.chain(learned).collect()).await?;
        let fates = journal.with(|state| fates(state, &plan, program));
        if !fates.is_empty() {
            journal.append(fates).await?;
        }
        let run = Run::new(&self.registry, journal, &self.sink, &self.settings, &options.interrupt, program, &plan);
        let executed = run.execute().await?;
        if options.plan.targets.is_empty() {
            let complete = executed.result == RunResult::Succeeded;
            let outputs = if exports { outputs(journal, &run, complete)? } else { ValueMap::new() };
            let changed = journal.with(|state| state.outputs != outputs);
            // A destroy that came only half way leaves what the other half exports.
            if changed && (exports || complete) {
                journal.append(vec![Entry::Outputs { outputs }]).await?;
            }
        }
        drop(run);
        let unused = journal.with(places::unused);
        if !unused.is_empty() {
            journal.append(unused).await?;
        }
        Ok(report(journal, plan, executed))
    }
}

/// A stack's state, to be worked on in memory.
fn look(found: Option<State>, place: Place<'_>, program: Option<&Program>) -> Result<Journal, EngineError> {
    let state = found.unwrap_or_else(|| State::empty(""));
    own::check(&state, &place, program)?;
    Ok(Journal::in_memory(state, OperationId("preview".to_owned())))
}

/// Whether objects that are about to be replaced are left in the cloud, by the program's word, where another one is recorded: what becomes of them
/// must not hang on whether this run comes to its end.
fn fates(state: &State, plan: &Plan, program: &Program) -> Vec<Entry> {
    let is_replaced = |step: &&Step| matches!(step.op, Op::Replace(_));
    let replaced: BTreeSet<&Urn> = plan.steps.iter().filter(is_replaced).map(|step| &step.urn).collect();
    let declared = program.resources.iter().filter(|declared| replaced.contains(&declared.urn));
    let fate = |declared: &Declared| {
        let (record, retain) = (state.resources.get(&declared.urn)?, declared.options.retain);
        let record = (record.retain != retain).then(|| Box::new(Record { retain, ..record.clone() }))?;
        Some(Entry::Recorded { urn: declared.urn.clone(), record })
    };
    declared.filter_map(fate).collect()
}

/// What the stack exports now. After a run that did not do everything, what cannot be known keeps its last value.
fn outputs(journal: &Journal, run: &Run<'_>, complete: bool) -> Result<ValueMap, EngineError> {
    let mut outputs = ValueMap::new();
    for (name, value) in run.exports() {
        let value = match value {
            Ok(value) => Some(value),
            Err(error) if complete => return Err(EngineError::Export { name: name.clone(), error }),
            Err(_) => journal.with(|state| state.outputs.get(name).cloned()),
        };
        if let Some(value) = value {
            outputs.insert(name.clone(), value);
        }
    }
    Ok(outputs)
}

/// The plan of an `up`, with the renames that go before it.
fn plan_up(
    journal: &Journal,
    program: &Program,
    observed: &Observations,
    options: &RunOptions,
) -> Result<Plan, EngineError> {
    let mut state = journal.snapshot();
    let renames = planner::renames(program, &state)?;
    if !renames.is_empty() {
        let entries: Vec<Entry> =
            renames.iter().map(|(from, to)| Entry::Renamed { from: from.clone(), to: to.clone() }).collect();
        Arc::make_mut(&mut state).fold(&entries)?;
    }
    let (gone, adoptable) = (&observed.gone, &observed.adoptable);
    let plan = planner::plan(&PlanInput { program, state: &state, gone, adoptable, options: &options.plan })?;
    Ok(Plan { renames, ..plan })
}

fn report(journal: &Journal, plan: Plan, executed: Executed) -> Report {
    let Executed { result, summary, failures, skipped, pace } = executed;
    let outputs = journal.with(|state| state.outputs.clone());
    Report { result, plan, summary, failures, skipped, outputs, elapsed: Duration::ZERO, pace, checks: None }
}

fn result_of(outcome: &Result<Report, EngineError>) -> RunResult {
    match outcome {
        Ok(report) => report.result,
        Err(EngineError::Declined | EngineError::Interrupted) => RunResult::Interrupted,
        Err(_) => RunResult::Failed,
    }
}

/// Before the first step there is nothing to drain: then to stop means to stop at once.
async fn unless_interrupted<T>(
    options: &RunOptions,
    work: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    tokio::select! {
        biased;
        () = options.interrupt.draining() => Err(EngineError::Interrupted),
        result = work => result,
    }
}

/// Asks for approval. Whoever is asked may take their time, and the lease must be kept up meanwhile.
fn ask(approve: &Approve<'_>, plan: &Plan) -> bool {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|h| h.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(|| approve(plan)),
        _ => approve(plan),
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("registry", &self.registry)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
