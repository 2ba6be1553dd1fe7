//! One cloud, one store, and the runs over them. After each run every invariant is checked that holds whatever happened in it.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use phx_engine::drift::Drift;
use phx_engine::engine::{Approve, Engine, EngineError, Interrupt, Report, RunOptions, Settings};
use phx_engine::events::{Event, StepOp};
use phx_engine::plan::Plan;
use phx_engine::planner::PlanOptions;
use phx_model::expr::Env;
use phx_model::state::State;
use phx_model::store::Store;
use phx_model::urn::{ProjectName, StackName};
use phx_model::{Program, Stack, Urn, Value};
use phx_state::MemoryStore;
use phx_state::secret::{Cost, Keys, Passphrase, SealedStore};

use crate::life::Life;
use crate::sim::{CANARY, Cloud, Object, registry};
use crate::tap::{Durable, Tap};

/// A whole simulated world. See the [module](self).
pub struct World {
    /// The cloud.
    pub cloud: Arc<Cloud>,
    /// What is durable in the store.
    pub durable: Arc<Durable>,
    /// The engine's settings.
    pub settings: Settings,
    /// How long it takes from a kill to the next run.
    pub pause: Duration,
    stack: StackName,
    life: Arc<Life>,
    behind: Arc<dyn Store>,
    /// What is durable of every stack in this cloud.
    everyone: Arc<Mutex<Vec<Arc<Durable>>>>,
}

/// How one run is disturbed.
#[derive(Clone, Debug, Default)]
pub struct Disturbance {
    /// It is killed at this boundary, counted from 0.
    pub kill: Option<u64>,
    /// The append of this number fails: with the entries durable, or not.
    pub breaks: Option<(u64, bool)>,
}

/// How a run ended.
#[derive(Debug)]
pub enum Ended<T> {
    /// By itself.
    Returned(T),
    /// It was killed, and where.
    Killed(String),
}

/// A run that has ended, with what it told.
#[derive(Debug)]
pub struct Run<T> {
    /// How it ended.
    pub ended: Ended<Result<T, EngineError>>,
    /// Its events.
    pub events: Vec<Event>,
    /// How many boundaries it passed.
    pub boundaries: u64,
}

impl<T> Run<T> {
    /// What it returned. Panics if it was killed.
    pub fn result(self) -> Result<T, EngineError> {
        match self.ended {
            Ended::Returned(result) => result,
            Ended::Killed(at) => panic!("the run was killed {at}"),
        }
    }

    /// What it returned. Panics with the error if it failed or was killed.
    #[track_caller]
    pub fn ok(self) -> T {
        match self.result() {
            Ok(done) => done,
            Err(e) => panic!("the run failed: {e}"),
        }
    }
}

impl Run<Report> {
    /// The report of a run that did all that was planned. Panics if there is none.
    #[track_caller]
    pub fn succeeded(self) -> Report {
        let report = self.ok();
        assert_eq!(
            report.result,
            phx_engine::events::RunResult::Succeeded,
            "failures: {:#?}\nskipped: {:#?}",
            report.failures,
            report.skipped
        );
        report
    }
}

/// The project that all simulated programs belong to.
pub fn project() -> ProjectName {
    ProjectName::new("sim").expect("a name")
}

/// The stack that all simulated programs describe.
pub fn stack_name() -> StackName {
    StackName::new("test").expect("a name")
}

/// Writes a program down.
pub fn program(write: impl FnOnce(&mut Stack) -> Result<(), phx_model::stack::ProgramError>) -> Program {
    program_of(stack_name(), write)
}

/// Writes the program of another stack down.
pub fn program_of(
    stack: StackName,
    write: impl FnOnce(&mut Stack) -> Result<(), phx_model::stack::ProgramError>,
) -> Program {
    let mut stack = Stack::new(project(), stack, phx_model::config::ConfigSource::default(), BTreeMap::new());
    write(&mut stack).expect("a program");
    stack.finish()
}

/// The URN of a simulated resource: `urn("net:Network", "main")`.
pub fn urn(kind: &str, name: &str) -> Urn {
    Urn::new(&project(), &stack_name(), &format!("sim:{kind}"), name).expect("a name")
}

/// A store that seals secrets before another one, as every world has it: as everywhere, but with a passphrase that costs nothing.
pub fn sealing(behind: Arc<dyn Store>) -> SealedStore {
    let passphrase = Passphrase::new("of the world".to_owned()).cost(Cost { m_kib: 8, t: 1, p: 1 });
    SealedStore::new(behind, Arc::new(Keys::none().with_passphrase(passphrase)))
}

impl World {
    /// A new world whose store is in memory.
    pub fn new(seed: u64) -> Self {
        Self::with_store(seed, Arc::new(MemoryStore::new()))
    }

    /// A new world over another store.
    pub fn with_store(seed: u64, behind: Arc<dyn Store>) -> Self {
        let behind = Arc::new(sealing(behind));
        let (life, durable) = (Arc::new(Life::default()), Arc::new(Durable::default()));
        let cloud = Arc::new(Cloud::new(seed, life.clone(), durable.clone()));
        let (settings, everyone) = (Settings::default(), Arc::new(Mutex::new(vec![durable.clone()])));
        let (pause, stack) = (Duration::from_secs(1), stack_name());
        Self { cloud, durable, settings, pause, stack, life, behind, everyone }
    }

    /// Another stack in the same cloud and the same store. Programs of the two must not want the same names.
    #[must_use]
    pub fn beside(&self, stack: StackName) -> Self {
        let (life, durable) = (Arc::new(Life::default()), Arc::new(Durable::default()));
        let cloud = Arc::new(self.cloud.seen_by(life.clone(), durable.clone()));
        self.lock_everyone().push(durable.clone());
        let (settings, behind, everyone) = (self.settings.clone(), self.behind.clone(), self.everyone.clone());
        Self { cloud, durable, settings, pause: self.pause, stack, life, behind, everyone }
    }

    fn lock_everyone(&self) -> MutexGuard<'_, Vec<Arc<Durable>>> {
        self.everyone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stack that it runs.
    pub fn stack(&self) -> &StackName {
        &self.stack
    }

    /// `up`.
    pub fn up(&self, program: &Program) -> Run<Report> {
        self.up_with(program, &RunOptions::default(), &Disturbance::default())
    }

    /// `up` with options, disturbed.
    pub fn up_with(&self, program: &Program, options: &RunOptions, how: &Disturbance) -> Run<Report> {
        self.up_asking(program, options, how, &|_| true)
    }

    /// `up` with options, disturbed, asking for approval.
    pub fn up_asking(
        &self,
        program: &Program,
        options: &RunOptions,
        how: &Disturbance,
        approve: &Approve,
    ) -> Run<Report> {
        let run = self.run(how, async |engine| engine.up(program, options, approve).await);
        if let Ended::Returned(Ok(report)) = &run.ended {
            self.check_order(&report.plan, &run.events);
        }
        run
    }

    /// `destroy`.
    pub fn destroy(&self) -> Run<Report> {
        self.destroy_with(&Disturbance::default())
    }

    /// `destroy`, disturbed.
    pub fn destroy_with(&self, how: &Disturbance) -> Run<Report> {
        let options = RunOptions::default();
        self.run(how, async |engine| engine.destroy(&project(), &self.stack, &options, &|_| true).await)
    }

    /// `refresh`.
    pub fn refresh(&self) -> Run<Report> {
        let options = RunOptions::default();
        self.run(&Disturbance::default(), async |engine| engine.refresh(&project(), &self.stack, &options).await)
    }

    /// `preview`. Panics if it changes anything, even in the state.
    #[track_caller]
    pub fn preview(&self, program: &Program) -> Result<Plan, EngineError> {
        self.preview_with(program, &RunOptions::default())
    }

    /// `preview` with options. Panics if it changes anything, even in the state.
    #[track_caller]
    pub fn preview_with(&self, program: &Program, options: &RunOptions) -> Result<Plan, EngineError> {
        self.looking(async |engine| engine.preview(program, options).await)
    }

    /// `preview` of a destroy. Panics if it changes anything, even in the state.
    #[track_caller]
    pub fn preview_destroy(&self) -> Result<Plan, EngineError> {
        let options = RunOptions::default();
        self.looking(async |engine| engine.preview_destroy(&project(), &self.stack, &options).await)
    }

    /// `drift`. Panics if it changes anything, even in the state.
    #[track_caller]
    pub fn drift(&self) -> Result<Drift, EngineError> {
        let options = RunOptions::default();
        self.looking(async |engine| engine.drift(&project(), &self.stack, &options).await)
    }

    #[track_caller]
    fn looking<T>(&self, f: impl AsyncFnOnce(&Engine) -> Result<T, EngineError>) -> Result<T, EngineError> {
        let (objects, state) = (self.cloud.objects(), self.durable.state());
        let run = self.run(&Disturbance::default(), f);
        assert_eq!(self.cloud.counts().changes(), 0, "a look called what changes something");
        assert_eq!(self.durable.writes(), 0, "a look wrote to the store");
        assert_eq!(self.cloud.objects(), objects);
        assert_eq!(self.durable.state(), state);
        run.result()
    }

    /// Runs something with a new engine on this world, in a process of its own as it were.
    #[track_caller]
    pub fn run<T>(&self, how: &Disturbance, f: impl AsyncFnOnce(&Engine) -> Result<T, EngineError>) -> Run<T> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
        let (run, broken) = runtime.block_on(async {
            self.cloud.begin_run();
            let ended = self.run_here(how, f).await;
            self.cloud.end_run(self.pause);
            ended
        });
        // Everything that the run has started dies with its runtime, whether it waited for it or not.
        drop(runtime);
        self.check_run(&run, broken);
        run
    }

    /// The same inside of a runtime that others run in as well, whose clock is paused and in which the cloud's run has begun. Nothing that this run
    /// has started may outlive that runtime, and a run that was killed holds its lease until then. What broken rules it noticed is
    /// returned beside it, for [`check_run`](Self::check_run).
    pub async fn run_here<T>(
        &self,
        how: &Disturbance,
        f: impl AsyncFnOnce(&Engine) -> Result<T, EngineError>,
    ) -> (Run<T>, Vec<String>) {
        self.life.begin(how.kill);
        self.durable.begin_run(how.breaks);
        let events = Arc::new(Mutex::new(Vec::new()));
        let broken = Arc::new(Mutex::new(Vec::new()));
        let sink = {
            let (events, broken, durable) = (events.clone(), broken.clone(), self.durable.clone());
            move |event: &Event| {
                let mut broken = broken.lock().unwrap_or_else(PoisonError::into_inner);
                broken.extend(check_durable(event, &durable));
                events.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
            }
        };
        let tap = Arc::new(Tap::new(self.behind.clone(), self.life.clone(), self.durable.clone()));
        let engine = Engine::new(registry(&self.cloud), tap, Arc::new(sink), self.settings.clone());
        let ended = tokio::select! {
            biased;
            () = self.life.death() => Ended::Killed(self.life.killed_at().unwrap_or_default()),
            // Simulated time jumps when nothing else can happen; so a run that waits for what never comes ends here.
            () = tokio::time::sleep(Duration::from_secs(30 * 24 * 3600)) => panic!("the run is stuck"),
            result = f(&engine) => Ended::Returned(result),
        };
        let events = std::mem::take(&mut *events.lock().unwrap_or_else(PoisonError::into_inner));
        let broken = std::mem::take(&mut *broken.lock().unwrap_or_else(PoisonError::into_inner));
        (Run { ended, events, boundaries: self.life.passed() }, broken)
    }

    /// What holds after every run, however it ended.
    #[track_caller]
    pub fn check_run<T>(&self, run: &Run<T>, mut broken: Vec<String>) {
        broken.extend(self.cloud.take_violations());
        broken.extend(self.durable.take_violations());
        let told = serde_json::to_string(&run.events).expect("events are serialisable");
        if told.contains(CANARY) {
            broken.push(format!("the events tell a secret: {told}"));
        }
        if format!("{:?}", run.events).contains(CANARY) {
            broken.push("the debug form of the events tells a secret".into());
        }
        if let Some(state) = self.durable.state()
            && format!("{state:?}").contains(CANARY)
        {
            broken.push(format!("a secret is not marked in the state: {state:?}"));
        }
        assert!(broken.is_empty(), "{}\nevents: {:#?}", broken.join("\n"), run.events);
    }

    /// The ids of objects that phx has let go on purpose, that are still there, and that it has not taken back.
    pub fn retained(&self) -> BTreeSet<String> {
        let everyone = self.lock_everyone();
        let known =
            |id: &String| everyone.iter().any(|d| d.state().is_some_and(|s| s.resources.values().any(|r| r.id == *id)));
        let objects = self.cloud.objects();
        let there = |id: &String| objects.iter().any(|o| o.id == *id);
        everyone.iter().flat_map(|d| d.retained()).filter(|id| there(id) && !known(id)).collect()
    }

    /// The state, which has to be there.
    #[track_caller]
    pub fn state(&self) -> State {
        self.durable.state().expect("a state")
    }

    /// The id of a resource's object, which has to be there.
    #[track_caller]
    pub fn id(&self, urn: &Urn) -> String {
        self.durable.record(urn).unwrap_or_else(|| panic!("{urn} has no record")).id
    }

    /// The object of a resource, which has to be there.
    #[track_caller]
    pub fn object(&self, urn: &Urn) -> Object {
        let id = self.id(urn);
        self.cloud.object(urn.type_name(), &id).unwrap_or_else(|| panic!("{id} of {urn} is not in the cloud"))
    }

    /// The cloud and the state are what the program says, all of it and nothing else.
    #[track_caller]
    pub fn assert_settled(&self, program: &Program) {
        let problems = self.problems(program);
        assert!(problems.is_empty(), "{}\nthis was done last: {:#?}", problems.join("\n"), self.cloud.log());
    }

    /// Another `up` would do nothing, and so would nothing that it records.
    #[track_caller]
    pub fn assert_nothing_to_do(&self, program: &Program) {
        let plan = self.preview(program).unwrap_or_else(|e| panic!("the preview failed: {e}"));
        assert!(plan.is_empty(), "there is something left to do: {:#}", plan.to_json());
        let again = self.preview(program).unwrap_or_else(|e| panic!("the preview failed: {e}"));
        assert_eq!(plan.to_json().to_string(), again.to_json().to_string(), "two plans of the same differ");
        assert!(!format!("{plan:?}{}", plan.to_json()).contains(CANARY), "the plan tells a secret");
    }

    /// Nothing is left: in the state nothing at all, in the cloud only what is retained and what others made.
    #[track_caller]
    pub fn assert_empty(&self) {
        let state = self.state();
        assert!(state.is_empty(), "{state:#?}");
        let retained = self.retained();
        let others = self.known_to_others();
        let left: Vec<Object> = self.cloud.objects();
        let known =
            |o: &Object| retained.contains(&o.id) || others.contains_key(&(o.type_name.to_owned(), o.id.clone()));
        let left: Vec<Object> = left.into_iter().filter(|o| o.intent.is_some() && !known(o)).collect();
        assert!(left.is_empty(), "orphans: {left:#?}");
    }

    /// What is not as the program says.
    pub fn problems(&self, program: &Program) -> Vec<String> {
        let mut problems = Vec::new();
        let Some(state) = self.durable.state() else { return vec!["there is no state".into()] };
        if !state.open.is_empty() {
            problems.push(format!("open intents: {:?}", state.open));
        }
        if !state.deposed.is_empty() {
            problems.push(format!("deposed objects: {:?}", state.deposed));
        }
        let graph = phx_engine::graph::Graph::new(program).expect("a graph");
        let env = Recorded(&state);
        for (at, declared) in program.resources.iter().enumerate() {
            let urn = &declared.urn;
            let Some(record) = state.resources.get(urn) else {
                problems.push(format!("{urn} has no record"));
                continue;
            };
            let wanted: phx_model::map::Urns =
                graph.dependencies(at).iter().map(|&d| program.resources[d].urn.clone()).collect();
            if record.depends_on != wanted {
                problems.push(format!("{urn} is recorded to depend on {:?} and not {wanted:?}", record.depends_on));
            }
            // Of a field that nobody sets any more it does not matter; and a run that has nothing to do writes nothing.
            if record.incomplete || record.uncertain.iter().any(|name| declared.inputs.contains_key(name)) {
                problems.push(format!("{urn} is incomplete or uncertain: {record:?}"));
            }
            if (record.protect, record.retain) != (declared.options.protect, declared.options.retain) {
                problems.push(format!("the options of {urn} are not recorded: {record:?}"));
            }
            let Some(object) = self.cloud.object(urn.type_name(), &record.id) else {
                problems.push(format!("{} of {urn} is not in the cloud", record.id));
                continue;
            };
            let place = declared.options.provider.0.split('@').next().unwrap_or_default();
            if object.place != place {
                problems.push(format!("{urn} is in {:?} and not in {place:?}", object.place));
            }
            problems.extend(differences(declared, &object, &env));
        }
        for (name, export) in &program.exports {
            let value = export.eval(&env).expect("an export");
            if state.outputs.get(name) != Some(&value) {
                problems.push(format!("the export {name} is {:?} and not {value:?}", state.outputs.get(name)));
            }
        }
        if let Some(urn) = state.resources.keys().find(|urn| !program.resources.iter().any(|d| d.urn == **urn)) {
            problems.push(format!("{urn} is recorded and not declared"));
        }
        problems.extend(self.strays(&state));
        problems
    }

    /// The objects that other stacks of this cloud have records of, and how many.
    fn known_to_others(&self) -> BTreeMap<(String, String), usize> {
        let mut known = BTreeMap::new();
        for other in self.lock_everyone().iter().filter(|d| !Arc::ptr_eq(d, &self.durable)) {
            let Some(state) = other.state() else { continue };
            let deposed = state.deposed.iter().map(|d| (&d.urn, &d.record));
            for (urn, record) in state.resources.iter().chain(deposed) {
                *known.entry((urn.type_name().to_owned(), record.id.clone())).or_default() += 1;
            }
        }
        known
    }

    /// Objects that phx made and does not know, and records that share an object.
    fn strays(&self, state: &State) -> Vec<String> {
        let mut known: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for (urn, record) in &state.resources {
            *known.entry((urn.type_name(), &record.id)).or_default() += 1;
        }
        let mut problems: Vec<String> =
            known.iter().filter(|(_, n)| **n > 1).map(|(id, n)| format!("{id:?} is recorded {n} times")).collect();
        let (retained, others) = (self.retained(), self.known_to_others());
        let shared = known.keys().filter(|(kind, id)| others.contains_key(&((*kind).to_owned(), (*id).to_owned())));
        problems.extend(shared.map(|id| format!("{id:?} is recorded in another stack as well")));
        for object in self.cloud.objects() {
            let elsewhere = others.contains_key(&(object.type_name.to_owned(), object.id.clone()));
            let owned = object.intent.is_some() && !retained.contains(&object.id) && !elsewhere;
            if owned && !known.contains_key(&(object.type_name, object.id.as_str())) {
                problems.push(format!("an orphan: {object:?}"));
            }
        }
        problems
    }

    /// Nothing began before what it needs was done.
    #[track_caller]
    fn check_order(&self, plan: &Plan, events: &[Event]) {
        let mut done: BTreeSet<&Urn> = BTreeSet::new();
        for event in events {
            match event {
                Event::StepStarted { urn, op: StepOp::Create | StepOp::Update | StepOp::Adopt } => {
                    let step = plan.steps.iter().find(|s| s.urn == *urn && s.op.makes());
                    let step = step.unwrap_or_else(|| panic!("{urn} began and is not in the plan"));
                    for needed in &step.depends_on {
                        let to_do = plan.steps.iter().any(|s| s.urn == *needed && s.op.makes());
                        assert!(!to_do || done.contains(needed), "{urn} began before {needed} was done: {events:#?}");
                    }
                }
                Event::StepDone { urn, op: StepOp::Create | StepOp::Update | StepOp::Adopt, .. } => {
                    done.insert(urn);
                }
                _ => {}
            }
        }
    }
}

/// No step counts as done before its result is durable.
fn check_durable(event: &Event, durable: &Durable) -> Option<String> {
    let Event::StepDone { urn, op, id, .. } = event else { return None };
    let record = durable.record(urn);
    let good = match op {
        StepOp::Create | StepOp::Adopt => record.is_some_and(|r| id.as_ref() == Some(&r.id) && !r.incomplete),
        StepOp::Update => record.is_some(),
        StepOp::Delete | StepOp::Forget => id.is_none() || record.is_none_or(|r| id.as_ref() != Some(&r.id)),
    };
    (!good).then(|| format!("done before it was durable: {event:?}"))
}

/// In what an object is not as declared.
fn differences(declared: &phx_model::stack::Declared, object: &Object, env: &dyn Env) -> Vec<String> {
    let mut found = Vec::new();
    for field in declared.schema.fields {
        let ignored = |path: &String| path.split('.').next() == Some(field.name);
        if declared.options.ignore_changes.iter().any(ignored) {
            continue;
        }
        let wanted = declared.inputs.get(field.name).map(|e| e.eval(env).expect("an input")).unwrap_or_default();
        let actual = object.fields.get(field.name).cloned().unwrap_or_default();
        // What the program does not set is the cloud's, or someone else's; but phx itself leaves nothing behind.
        let others = wanted.is_empty() && (field.cloud_default || object.foreign.contains(field.name));
        if !others && !phx_model::schema::same(field, &wanted, &actual) {
            found.push(format!("{} of {} is {actual:?} and not {:?}", field.name, declared.urn, wanted.expose()));
        }
    }
    found
}

struct Recorded<'a>(&'a State);

impl Env for Recorded<'_> {
    fn output(&self, urn: &Urn, output: &str) -> Option<Value> {
        Some(self.0.resources.get(urn)?.outputs.get(output).cloned().unwrap_or_default())
    }
}

/// An interrupt that drains after a while, and aborts after another; for use inside a run.
pub fn interrupt_after(drain: Duration, abort: Option<Duration>) -> (Interrupt, impl Future<Output = ()>) {
    let interrupt = Interrupt::new();
    let handle = interrupt.clone();
    (interrupt, async move {
        tokio::time::sleep(drain).await;
        handle.drain();
        if let Some(abort) = abort {
            tokio::time::sleep(abort).await;
            handle.abort();
        }
        std::future::pending::<()>().await;
    })
}

/// Options with targets and replacements.
pub fn options(plan: PlanOptions) -> RunOptions {
    RunOptions { plan, ..RunOptions::default() }
}
