use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use phx_model::driver::Registry;
use phx_model::error::ErrorKind;
use phx_model::schema::{Field, Identity, Kind, Schema};
use phx_model::state::{Change, Deposed, Entry, ProviderKey, Record, State};
use phx_model::store::{Store, StoreError};
use phx_model::{Expr, Value};
use phx_state::MemoryStore;

use crate::engine::{Engine, EngineError, Interrupt, Report, RunOptions, Settings};
use crate::events::{Event, RunResult, StepOp};
use crate::planner::tests_support::{FIELD, ProgramBuilder, THING, UNIQUE, copy};

mod sim;

use sim::{Cloud, Fault, Sim, name_of};

struct World {
    p: ProgramBuilder,
    cloud: Arc<Mutex<Cloud>>,
    store: MemoryStore,
    events: Arc<Mutex<Vec<Event>>>,
    schema: &'static Schema,
    settings: Settings,
    options: RunOptions,
}

impl World {
    fn new() -> Self {
        Self {
            p: ProgramBuilder::new(),
            cloud: Arc::default(),
            store: MemoryStore::new(),
            events: Arc::default(),
            schema: &THING,
            settings: Settings::default(),
            options: RunOptions::default(),
        }
    }

    fn engine(&self) -> Engine {
        let mut registry = Registry::new();
        registry.add(Arc::new(Sim { cloud: self.cloud.clone(), schema: self.schema }));
        let events = self.events.clone();
        let sink = move |event: &Event| events.lock().unwrap().push(event.clone());
        Engine::new(registry, Arc::new(self.store.clone()), Arc::new(sink), self.settings.clone())
    }

    async fn try_up(&self) -> Result<Report, EngineError> {
        self.engine().up(&self.p.program, &self.options, &|_| true).await
    }

    async fn up(&self) -> Report {
        self.try_up().await.unwrap()
    }

    async fn destroy(&self) -> Report {
        let (project, stack) = (&self.p.program.project, &self.p.program.stack);
        self.engine().destroy(project, stack, &self.options, &|_| true).await.unwrap()
    }

    fn fault(&self, verb: &'static str, name: &str, faults: &[Fault]) {
        self.cloud.lock().unwrap().faults.insert((verb, name.to_owned()), faults.to_vec());
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.cloud.lock().unwrap().calls)
    }

    fn events(&self) -> Vec<Event> {
        std::mem::take(&mut self.events.lock().unwrap())
    }

    fn objects(&self) -> Vec<String> {
        self.cloud.lock().unwrap().objects.values().map(name_of).collect()
    }

    async fn state(&self) -> State {
        self.store.load(&self.p.program.stack).await.unwrap().unwrap()
    }

    /// Nothing is left to do, nothing is open, and there is one object for each resource.
    async fn assert_converged(&self) {
        let report = self.up().await;
        assert!(report.plan.is_empty(), "{:?}", report.plan.changes().collect::<Vec<_>>());
        let state = self.state().await;
        assert!(state.open.is_empty() && state.deposed.is_empty(), "{state:?}");
        let known: BTreeSet<String> = state.resources.values().map(|r| r.id.clone()).collect();
        let there: BTreeSet<String> = self.cloud.lock().unwrap().objects.keys().cloned().collect();
        assert_eq!(known, there);
        assert_eq!(state.resources.len(), self.p.program.resources.len());
        assert!(self.store.lease(&self.p.program.stack).await.unwrap().is_none(), "the lease was not given back");
    }
}

fn int(n: i64) -> Expr {
    Expr::Literal(Value::Int(n))
}

#[track_caller]
fn is_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test(start_paused = true)]
async fn an_up_makes_everything_and_a_second_one_writes_nothing_but_history() {
    let mut w = World::new();
    w.p.add("a", &[]).add("b", &[]).add("c", &["b"]);
    let id = w.p.output("a", "id");
    w.p.set("b", "zone", id.clone());
    w.p.program.exports.insert("id".into(), id);
    let engine = w.engine();
    let report = is_send(engine.up(&w.p.program, &w.options, &|_| true)).await.unwrap();
    assert_eq!((report.result, report.summary.create), (RunResult::Succeeded, 3));
    let state = w.state().await;
    let a = &state.resources[&w.p.urn("a")].id;
    assert_eq!(state.resources[&w.p.urn("b")].inputs["zone"], Value::String(a.as_str().into()));
    assert_eq!(report.outputs["id"], Value::String(a.as_str().into()));
    assert_eq!(w.calls(), ["create a", "create b", "create c"]);
    let (entries, checkpoints) = (w.store.journal(&w.p.program.stack), w.store.checkpoints(&w.p.program.stack));
    w.assert_converged().await;
    assert_eq!(w.calls(), ["read 3"]);
    assert_eq!(w.store.journal(&w.p.program.stack), entries);
    assert_eq!(w.store.checkpoints(&w.p.program.stack), checkpoints);
    assert_eq!(w.store.history(&w.p.program.stack).await.unwrap().len(), 2);
    assert_eq!(w.store.history(&w.p.program.stack).await.unwrap()[0].serial, 1);
    assert!(matches!(w.events().last(), Some(Event::OperationDone { result: RunResult::Succeeded, .. })));
}

#[tokio::test(start_paused = true)]
async fn every_call_that_changes_something_has_its_intent_written_before() {
    let mut w = World::new();
    w.p.add("a", &[]);
    w.store.fail_writes_after(Some(0));
    assert!(matches!(w.try_up().await, Err(EngineError::Store(StoreError::Io { .. }))));
    assert!(w.calls().is_empty(), "no intent, no call");
    w.store.fail_writes_after(None);
    w.assert_ends(&["create a"]).await;
}

impl World {
    /// One more run makes these calls that are more than reads, and then nothing is left to do.
    async fn assert_ends(&self, calls: &[&str]) {
        self.calls();
        self.up().await;
        let made: Vec<_> = self.calls().into_iter().filter(|c| !c.starts_with("read")).collect();
        assert_eq!(made, calls);
        self.assert_converged().await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_store_error_nothing_is_started_and_the_next_run_goes_on() {
    let mut w = World::new();
    w.p.add("a", &[]).add("b", &["a"]);
    // The intent is written; the result of the create is not.
    w.store.fail_writes_after(Some(1));
    assert!(matches!(w.try_up().await, Err(EngineError::Store(_))));
    assert_eq!(w.calls(), ["create a"]);
    w.store.fail_writes_after(None);
    let report = w.up().await;
    assert_eq!(report.result, RunResult::Succeeded);
    assert_eq!(w.calls(), ["find a", "read 1", "finish a", "create b"]);
    w.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_skips_what_depends_on_it_and_nothing_else() {
    let mut w = World::new();
    w.p.add("a", &[]).add("b", &["a"]).add("c", &["b"]).add("other", &[]);
    w.fault("create", "a", &[Fault::Refuse]);
    let report = w.up().await;
    assert_eq!(report.result, RunResult::Failed);
    assert_eq!((report.failures[0].urn.clone(), report.failures[0].op), (w.p.urn("a"), StepOp::Create));
    let because = Some(w.p.urn("a"));
    assert_eq!(
        report.skipped,
        [(w.p.urn("b"), StepOp::Create, because.clone()), (w.p.urn("c"), StepOp::Create, because)]
    );
    assert_eq!(w.objects(), ["other"]);
    assert!(w.state().await.open.is_empty(), "a refused create is closed");
    w.assert_ends(&["create a", "create b", "create c"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_found_out_and_a_lost_call_repeated() {
    let mut w = World::new();
    w.p.add("a", &[]).add("b", &[]);
    w.fault("create", "a", &[Fault::LoseAnswer]);
    w.fault("create", "b", &[Fault::LoseCall]);
    let report = w.up().await;
    assert_eq!(report.result, RunResult::Succeeded);
    let calls = w.calls();
    assert_eq!(calls.iter().filter(|c| *c == "create a").count(), 1);
    assert_eq!(calls.iter().filter(|c| *c == "create b").count(), 2);
    w.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn a_name_that_an_unheard_attempt_took_is_ours() {
    let mut w = World::new();
    w.p.add("a", &[]);
    // The first attempt's answer is lost, and the search does not see it at first.
    w.fault("create", "a", &[Fault::LoseAnswer]);
    w.fault("find", "a", &[Fault::LoseCall, Fault::LoseCall]);
    assert_eq!(w.up().await.result, RunResult::Succeeded);
    w.assert_converged().await;

    w.p.add("taken", &[]);
    w.fault("create", "taken", &[Fault::Taken]);
    let report = w.up().await;
    assert!(report.failures[0].error.hint.as_ref().unwrap().contains("import"), "{:?}", report.failures);
    assert!(w.state().await.open.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_stays_unclear_stays_open_and_the_next_run_settles_it_first() {
    let mut w = World::new();
    w.p.add("a", &[]);
    w.fault("create", "a", &[Fault::LoseAnswer, Fault::LoseCall, Fault::LoseCall]);
    w.fault("find", "a", &[Fault::Refuse]);
    let report = w.up().await;
    assert_eq!(report.result, RunResult::Failed);
    assert!(report.failures[0].error.hint.as_ref().unwrap().contains("next `phx up`"));
    assert_eq!(w.state().await.open.len(), 1);
    w.calls();
    w.events();
    w.fault("find", "a", &[Fault::Refuse]);
    assert!(matches!(w.try_up().await, Err(EngineError::RecoveryFailed(v)) if v.len() == 1));
    assert_eq!(w.calls(), ["find a"], "nothing else is done before it is settled");
    w.assert_ends(&["find a", "finish a"]).await;
    assert!(w.events().iter().any(|e| matches!(e, Event::Recovered { outcome, .. } if outcome.contains("obj-1"))));
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_was_not_finished_is_finished_by_the_next_run() {
    let mut w = World::new();
    w.p.add("a", &[]).add("b", &["a"]);
    w.p.set("a", "size", int(5));
    w.cloud.lock().unwrap().in_two_steps = true;
    w.fault("finish", "a", &[Fault::Refuse]);
    let report = w.up().await;
    assert_eq!((report.result, report.skipped.len()), (RunResult::Failed, 1));
    assert!(w.state().await.resources[&w.p.urn("a")].incomplete);
    w.calls();
    // Read as unset, finished to 5 and then wanted as 6: the finished value must not pass for the wanted one, nor what was read.
    w.p.set("a", "size", int(6));
    w.assert_ends(&["finish a", "update a", "create b", "finish b"]).await;
    assert_eq!(w.cloud.lock().unwrap().objects["obj-1"]["size"], Value::Int(6));
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_finishing_is_not_taken_for_what_is_there_after() {
    let mut w = World::new();
    w.p.add("a", &[]);
    w.p.set("a", "size", int(5));
    w.cloud.lock().unwrap().in_two_steps = true;
    w.fault("finish", "a", &[Fault::Refuse]);
    w.up().await;
    // The object has 7 when it is read, which is what is now wanted; finishing sets it to 5 as it was first wanted.
    w.cloud.lock().unwrap().objects.get_mut("obj-1").unwrap().insert("size", Value::Int(7));
    w.p.set("a", "size", int(7));
    w.up().await;
    assert_eq!(w.cloud.lock().unwrap().objects["obj-1"]["size"], Value::Int(7));
    w.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_update_is_sent_again_until_it_is_known_to_have_arrived() {
    let mut w = World::new();
    w.p.add("a", &[]);
    w.p.set("a", "size", int(1));
    w.up().await;
    w.p.set("a", "size", int(2));
    w.fault("update", "a", &[Fault::LoseAnswer; 3]);
    let report = w.up().await;
    assert_eq!(report.result, RunResult::Failed);
    assert!(w.state().await.resources[&w.p.urn("a")].uncertain.contains("size"));
    w.calls();
    // Reading shows that it arrived after all, so nothing is sent.
    w.assert_ends(&[]).await;
    assert_eq!(w.state().await.resources[&w.p.urn("a")].inputs["size"], Value::Int(2));
}

#[tokio::test(start_paused = true)]
async fn what_was_perhaps_renamed_is_looked_for_under_both_names() {
    static RENAMED: Schema = Schema {
        type_name: THING.type_name,
        terraform: None,
        cloudformation: None,
        doc: "",
        identity: THING.identity,
        unique: &["size"],
        vanishes_with: None,
        fields: THING.fields,
        outputs: THING.outputs,
    };
    for (fault, arrived) in [(Fault::LoseAnswer, true), (Fault::Refuse, false)] {
        let mut w = World::new();
        w.schema = &RENAMED;
        w.cloud.lock().unwrap().found_by_size = true;
        w.p.add("a", &[]);
        w.p.get("a").schema = &RENAMED;
        w.p.set("a", "size", int(1));
        w.up().await;
        w.p.set("a", "size", int(2));
        w.fault("update", "a", &[fault; 3]);
        assert_eq!(w.up().await.result, RunResult::Failed);
        assert_eq!(w.state().await.open.len(), 1, "under which name it is, is not known yet");
        // A name that cannot be looked up is not one that is free.
        w.cloud.lock().unwrap().unreadable = true;
        assert!(matches!(w.try_up().await, Err(EngineError::RecoveryFailed(v)) if v.len() == 1));
        w.cloud.lock().unwrap().unreadable = false;
        w.cloud.lock().unwrap().faults.clear();
        w.calls();
        let report = w.up().await;
        assert_eq!((report.result, report.summary.create), (RunResult::Succeeded, 0), "{:?}", w.calls());
        assert_eq!(report.summary.update, u64::from(!arrived));
        assert_eq!(w.cloud.lock().unwrap().objects.len(), 1, "there is no second one");
        assert_eq!(w.state().await.resources[&w.p.urn("a")].inputs["size"], Value::Int(2));
        w.assert_converged().await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_change_with_a_new_name_in_it_what_cannot_be_read_is_sent_again() {
    static RENAMED: Schema = Schema {
        unique: &["size"],
        fields: &[
            Field { name: "name", replace: true, ..FIELD },
            Field { name: "size", kind: Kind::Int, ..FIELD },
            Field { name: "key", write_only: true, ..FIELD },
        ],
        ..copy(&THING)
    };
    let mut w = World::new();
    w.schema = &RENAMED;
    w.cloud.lock().unwrap().found_by_size = true;
    w.p.add("a", &[]);
    w.p.get("a").schema = &RENAMED;
    for n in [1, 2] {
        w.p.set("a", "size", int(n)).set("a", "key", int(n));
        if n == 2 {
            w.fault("update", "a", &[Fault::LoseAnswer; 3]);
        }
        w.up().await;
    }
    assert_eq!(w.state().await.open.len(), 1);
    w.calls();
    // The name arrived; of the key nobody can say.
    assert_eq!(w.up().await.summary.update, 1);
    assert!(w.calls().contains(&"update a".to_owned()));
    w.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn replacements_go_in_their_order_and_keep_the_old_object_if_the_new_one_fails() {
    let mut w = World::new();
    w.p.add("a", &[]);
    w.up().await;
    w.calls();
    let named = Expr::Literal(Value::String("a2".into()));
    w.p.set("a", "name", named);
    w.fault("create", "a2", &[Fault::Refuse]);
    let report = w.up().await;
    assert_eq!((report.result, report.summary.changes()), (RunResult::Failed, 0));
    assert_eq!(w.objects(), ["a"]);
    w.fault("delete", "a", &[Fault::Refuse]);
    let report = w.up().await;
    assert_eq!((report.result, report.summary.create, report.summary.replace), (RunResult::Failed, 1, 0));
    assert_eq!(w.state().await.deposed.len(), 1);
    let report = w.up().await;
    assert_eq!((report.result, report.summary.delete), (RunResult::Succeeded, 1));
    assert_eq!(w.objects(), ["a2"]);
    w.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_lets_what_runs_end_and_starts_nothing() {
    let mut w = World::new();
    w.p.add("a", &[]).add("b", &["a"]);
    w.options.interrupt = Interrupt::new();
    let (interrupt, engine) = (w.options.interrupt.clone(), w.engine());
    let up = engine.up(&w.p.program, &w.options, &|_| true);
    let stop = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        interrupt.drain();
    };
    let (report, ()) = futures::future::join(up, stop).await;
    let report = report.unwrap();
    assert_eq!(report.result, RunResult::Interrupted);
    assert_eq!(report.skipped, [(w.p.urn("b"), StepOp::Create, None)]);
    assert_eq!(w.objects(), ["a"]);
    assert!(w.state().await.open.is_empty());
    assert_eq!(w.store.history(&w.p.program.stack).await.unwrap()[0].result, "interrupted");
    w.options.interrupt = Interrupt::new();
    w.calls();
    w.assert_ends(&["create b"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_interrupt_does_not_wait_and_leaves_the_intent_open() {
    let mut w = World::new();
    w.p.add("a", &[]).add("b", &["a"]);
    w.fault("create", "a", &[Fault::Hang]);
    let (interrupt, engine) = (w.options.interrupt.clone(), w.engine());
    let up = engine.up(&w.p.program, &w.options, &|_| true);
    let stop = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        interrupt.drain();
        tokio::time::sleep(Duration::from_millis(5)).await;
        interrupt.abort();
    };
    let (report, ()) = futures::future::join(up, stop).await;
    let report = report.unwrap();
    assert_eq!((report.result, report.failures.len(), report.skipped.len()), (RunResult::Interrupted, 1, 1));
    assert_eq!(w.state().await.open.len(), 1);
    w.options.interrupt = Interrupt::new();
    w.settings.recovery_grace = Duration::ZERO;
    w.calls();
    w.assert_ends(&["find a", "create a", "create b"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_step_that_takes_too_long_fails_and_does_not_hold_up_the_rest() {
    let mut w = World::new();
    w.p.add("a", &[]).add("b", &[]);
    w.p.get("a").options.timeouts.create = Some(Duration::from_secs(3));
    w.fault("create", "a", &[Fault::Hang]);
    let report = w.up().await;
    assert_eq!(report.failures[0].error.kind, ErrorKind::TimedOut);
    assert!(report.failures[0].error.message.contains("3s"), "{:?}", report.failures);
    assert_eq!(w.objects(), ["b"]);
    w.settings.recovery_grace = Duration::ZERO;
    w.up().await;
    w.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn no_more_steps_run_at_once_than_allowed() {
    let mut w = World::new();
    for n in 0..20 {
        w.p.add(&format!("r{n}"), &[]);
    }
    w.settings.parallel = Some(3);
    w.up().await;
    assert_eq!(w.cloud.lock().unwrap().most, 3);
    w.settings.parallel = None;
    w.destroy().await;
    assert_eq!(w.cloud.lock().unwrap().most, 20);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_waits_gives_its_place_to_another() {
    let mut w = World::new();
    for n in 0..20 {
        w.p.add(&format!("r{n}"), &[]);
    }
    w.settings.parallel = Some(2);
    {
        let mut cloud = w.cloud.lock().unwrap();
        cloud.in_two_steps = true;
        cloud.wait = Duration::from_secs(60);
    }
    let began = tokio::time::Instant::now();
    w.up().await;
    assert!(began.elapsed() < Duration::from_secs(70), "they waited one after another: {:?}", began.elapsed());
    assert_eq!(w.cloud.lock().unwrap().most, 2, "and no more than two worked at once");
}

#[tokio::test(start_paused = true)]
async fn a_destroy_deletes_dependents_first_and_forgets_the_exports() {
    let mut w = World::new();
    w.p.add("a", &[]).add("b", &["a"]);
    let id = w.p.output("a", "id");
    w.p.program.exports.insert("id".into(), id);
    w.up().await;
    w.calls();
    let report = w.destroy().await;
    assert_eq!(report.result, RunResult::Succeeded);
    assert_eq!(w.calls(), ["read 2", "delete b", "delete a"]);
    let state = w.state().await;
    assert!(state.is_empty() && state.outputs.is_empty());
}

#[tokio::test(start_paused = true)]
async fn changed_options_are_recorded_in_one_write_without_a_call() {
    let mut w = World::new();
    w.p.add("a", &[]).add("b", &[]).add("c", &[]);
    w.up().await;
    w.calls();
    let before = w.store.journal(&w.p.program.stack).len();
    w.p.depends("b", "a");
    w.p.get("a").options.protect = true;
    w.p.get("c").options.timeouts.delete = Some(Duration::from_secs(90));
    let report = w.up().await;
    assert!(report.plan.is_empty());
    assert_eq!(w.calls(), ["read 3"]);
    let new = w.store.journal(&w.p.program.stack).split_off(before);
    assert!(matches!(
        new[..],
        [Entry::Began { .. }, Entry::Recorded { .. }, Entry::Recorded { .. }, Entry::Recorded { .. }]
    ));
    let state = w.state().await;
    assert_eq!(state.resources[&w.p.urn("b")].depends_on, [w.p.urn("a")].into());
    assert!(state.resources[&w.p.urn("a")].protect);
    assert_eq!(state.resources[&w.p.urn("c")].delete_timeout, Some(90));
    w.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn what_someone_else_set_and_the_program_never_did_is_recorded_once() {
    let mut w = World::new();
    w.p.add("a", &[]);
    w.up().await;
    w.cloud.lock().unwrap().objects.get_mut("obj-1").unwrap().insert("size", Value::Int(9));
    assert!(w.up().await.plan.is_empty());
    let serial = w.state().await.serial;
    assert_eq!(w.state().await.resources[&w.p.urn("a")].drift["size"], Value::Int(9));
    w.assert_converged().await;
    assert_eq!(w.state().await.serial, serial, "and not again by every run");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_stops_everything_and_is_named() {
    let mut w = World::new();
    w.p.add("a", &[]).add("b", &[]);
    w.up().await;
    w.cloud.lock().unwrap().unreadable = true;
    w.p.set("a", "size", int(3));
    w.calls();
    let Err(error) = w.try_up().await else { panic!("it went on") };
    for name in ["a", "b"] {
        assert!(error.to_string().contains(w.p.urn(name).as_str()), "{error}");
    }
    assert_eq!(w.calls(), ["read 2"]);
    assert_eq!(w.state().await.resources.len(), 2, "what could not be read is not gone");
    w.options.refresh = false;
    assert_eq!(w.up().await.result, RunResult::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_preview_and_a_plan_that_is_declined_write_nothing() {
    let mut w = World::new();
    w.p.add("a", &[]).add("b", &[]);
    w.up().await;
    w.cloud.lock().unwrap().objects.remove("obj-1");
    let before = w.store.journal(&w.p.program.stack);
    let plan = w.engine().preview(&w.p.program, &w.options).await.unwrap();
    assert_eq!(plan.summary().create, 1);
    assert!(plan.changes().next().unwrap().reasons[0].contains("obj-1 is gone"));
    let declined = w.engine().up(&w.p.program, &w.options, &|_| false).await;
    assert!(matches!(declined, Err(EngineError::Declined)));
    assert_eq!(w.store.journal(&w.p.program.stack), before);
    assert_eq!(w.state().await.resources.len(), 2);
    assert!(w.store.lease(&w.p.program.stack).await.unwrap().is_none());
    assert_eq!(w.store.history(&w.p.program.stack).await.unwrap().len(), 1, "what was turned down is no history");
    w.up().await;
    w.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn a_preview_shows_what_recovery_will_find() {
    let mut w = World::new();
    w.p.add("a", &[]);
    w.store.fail_writes_after(Some(1));
    assert!(w.try_up().await.is_err());
    w.store.fail_writes_after(None);
    let before = w.store.journal(&w.p.program.stack);
    let plan = w.engine().preview(&w.p.program, &w.options).await.unwrap();
    let step = plan.changes().next().unwrap();
    assert!(step.reasons[0].contains("not finished"), "{step:?}");
    assert_eq!(w.store.journal(&w.p.program.stack), before);
    assert_eq!(w.state().await.open.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_cloud_cannot_find_again_is_asked_about_and_an_import_is_an_answer() {
    static UNFINDABLE: Schema = Schema {
        type_name: THING.type_name,
        terraform: None,
        cloudformation: None,
        doc: "",
        identity: Identity::None,
        unique: &[],
        vanishes_with: None,
        fields: THING.fields,
        outputs: THING.outputs,
    };
    let mut w = World::new();
    w.schema = &UNFINDABLE;
    w.p.add("a", &[]);
    w.p.get("a").schema = &UNFINDABLE;
    w.fault("create", "a", &[Fault::LoseAnswer]);
    let report = w.up().await;
    assert_eq!(report.result, RunResult::Failed);
    assert_eq!(w.calls(), ["create a"], "never tried again blindly");
    let Err(error) = w.try_up().await else { panic!("it went on") };
    assert!(error.to_string().contains(w.p.urn("a").as_str()) && error.to_string().contains("import"), "{error}");
    assert!(w.calls().is_empty());
    w.p.get("a").options.import = Some("obj-1".into());
    w.up().await;
    w.assert_converged().await;
    // The option has stayed in the program, and does not speak of the object that takes the place of that one.
    w.p.set("a", "name", Expr::Literal(Value::String("a2".into())));
    w.fault("create", "a2", &[Fault::LoseAnswer]);
    assert_eq!(w.up().await.result, RunResult::Failed);
    w.calls();
    assert!(matches!(w.try_up().await, Err(EngineError::Unsettled(v)) if v.len() == 1));
    assert!(w.calls().is_empty());
    w.p.get("a").options.import = Some("obj-2".into());
    w.up().await;
    assert_eq!(w.state().await.resources[&w.p.urn("a")].id, "obj-2");
    assert_eq!(w.objects(), ["a2"]);
    w.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn an_object_is_adopted_and_brought_to_what_is_wanted() {
    let mut w = World::new();
    let fields = [("name".to_owned(), Value::String("a".into())), ("size".to_owned(), Value::Int(1))].into();
    w.cloud.lock().unwrap().objects.insert("theirs".into(), fields);
    w.p.add("a", &[]);
    w.p.set("a", "size", int(2));
    w.p.get("a").options.import = Some("theirs".into());
    let report = w.up().await;
    assert_eq!((report.result, report.summary.adopt), (RunResult::Succeeded, 1));
    assert_eq!(w.calls(), ["read 1", "update a"]);
    w.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_program_keeps_secret_of_an_adopted_object_is_never_written_in_the_open() {
    let mut w = World::new();
    let fields = [("name", Value::String("a".into())), ("zone", Value::String("hunter2".into()))].into();
    w.cloud.lock().unwrap().objects.insert("theirs".into(), fields);
    w.p.add("a", &[]);
    w.p.set("a", "zone", Expr::Secret(Box::new(Expr::Literal(Value::String("hunter2".into())))));
    w.p.set("a", "size", int(2));
    w.p.get("a").options.import = Some("theirs".into());
    let (plan, saved) = w.engine().preview_to_save(&w.p.program, &w.options).await.unwrap();
    assert!(!format!("{plan:?}").contains("hunter2"));
    assert!(saved.has_secrets(), "what was seen of it is to be sealed");
    // The store refuses secrets that nobody has sealed, so this is as far as it goes.
    assert!(matches!(w.try_up().await, Err(EngineError::Store(StoreError::Unwritable { .. }))));
    assert!(!format!("{:?}", w.store.journal(&w.p.program.stack)).contains("hunter2"));
    assert_eq!(w.calls(), ["read 1", "read 1"]);
}

#[tokio::test(start_paused = true)]
async fn an_old_object_that_has_become_the_resources_own_is_not_deleted() {
    let mut w = World::new();
    w.p.add("a", &[]);
    w.up().await;
    let old_one = |w: &World, state: &State, place: &str| {
        let own = state.resources[&w.p.urn("a")].clone();
        let record = Record { provider: ProviderKey(place.into()), ..own };
        let mut state = state.clone();
        state.deposed.push_back(Deposed { urn: w.p.urn("a"), record });
        w.store.put(&w.p.program.stack, state);
    };
    let state = w.state().await;
    old_one(&w, &state, "");
    w.calls();
    assert_eq!(w.up().await.result, RunResult::Succeeded);
    assert_eq!(w.calls(), ["read 2"]);
    w.assert_converged().await;
    // One that has the same id in another place is another one: that is deleted there, and the record of the own one stays.
    let state = w.state().await;
    old_one(&w, &state, "elsewhere");
    w.calls();
    assert_eq!(w.up().await.result, RunResult::Succeeded);
    assert_eq!(w.calls(), ["read 1", "read 1", "delete a"]);
    let state = w.state().await;
    assert!(state.deposed.is_empty() && state.resources[&w.p.urn("a")].provider.is_home());
}

#[tokio::test(start_paused = true)]
async fn an_export_of_what_is_not_finished_keeps_its_value() {
    let mut w = World::new();
    w.p.add("a", &[]);
    let grade = w.p.output("a", "grade");
    w.p.program.exports.insert("grade".into(), grade);
    w.cloud.lock().unwrap().in_two_steps = true;
    w.fault("finish", "a", &[Fault::Refuse]);
    let report = w.up().await;
    assert_eq!(report.result, RunResult::Failed);
    assert!(!report.outputs.contains_key("grade"), "nobody knows yet what it will be: {:?}", report.outputs);
    assert_eq!(w.up().await.outputs["grade"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_verb_may_take_for_ever() {
    let mut w = World::new();
    w.p.add("a", &[]);
    w.p.get("a").options.timeouts.create = Some(Duration::MAX);
    assert_eq!(w.up().await.result, RunResult::Succeeded);
    w.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn a_rename_is_recorded_and_calls_nothing() {
    let mut w = World::new();
    w.p.add("old", &[]);
    w.up().await;
    w.p = ProgramBuilder::new();
    w.p.add("new", &[]);
    w.p.set("new", "name", Expr::Literal(Value::String("old".into())));
    w.p.get("new").options.aliases.push("old".into());
    w.calls();
    let report = w.up().await;
    assert_eq!(report.plan.renames.len(), 1);
    assert_eq!(w.calls(), ["read 1"]);
    w.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn a_refresh_records_what_is_there_and_what_is_gone() {
    let mut w = World::new();
    w.p.add("a", &[]).add("b", &[]);
    w.up().await;
    {
        let mut cloud = w.cloud.lock().unwrap();
        cloud.objects.remove("obj-1");
        cloud.objects.get_mut("obj-2").unwrap().insert("size", Value::Int(4));
    }
    let (project, stack) = (w.p.program.project.clone(), w.p.program.stack.clone());
    let report = w.engine().refresh(&project, &stack, &w.options).await.unwrap();
    assert_eq!(report.summary.forget, 1);
    let state = w.state().await;
    assert_eq!(state.resources.len(), 1);
    assert_eq!(state.resources[&w.p.urn("b")].drift["size"], Value::Int(4));
    assert_eq!(state.serial, 2);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_type_is_named_before_anything_is_called() {
    let mut w = World::new();
    w.p.add("a", &[]);
    w.up().await;
    let engine = Engine::new(Registry::new(), Arc::new(w.store.clone()), Arc::new(|_: &Event| {}), Settings::default());
    let (project, stack) = (w.p.program.project.clone(), w.p.program.stack.clone());
    for result in [
        engine.preview(&w.p.program, &w.options).await.map(drop),
        engine.up(&w.p.program, &w.options, &|_| true).await.map(drop),
        engine.destroy(&project, &stack, &w.options, &|_| true).await.map(drop),
    ] {
        assert!(matches!(result, Err(EngineError::UnknownType { .. })), "{result:?}");
    }
    assert!(w.store.lease(&stack).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn thousands_of_steps_cost_a_handful_of_writes() {
    let mut w = World::new();
    w.p.program.resources.clear();
    for n in 0..2_000 {
        let mut one = ProgramBuilder::new();
        one.add(&format!("r{n}"), &[]);
        w.p.program.resources.append(&mut one.program.resources);
    }
    let report = w.up().await;
    assert_eq!(report.summary.create, 2_000);
    let intents = w.store.journal(&w.p.program.stack);
    let open = |e: &&Entry| matches!(e, Entry::Intent(i) if matches!(i.change, Change::Create { .. }));
    assert_eq!(intents.iter().filter(open).count(), 2_000);
    w.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_turns_out_needless_keeps_the_object() {
    let mut w = World::new();
    w.p.add("a", &[]).add("b", &["a"]);
    let version = w.p.output("a", "version");
    w.p.set("b", "zone", version);
    w.up().await;
    let before = w.state().await.resources[&w.p.urn("b")].id.clone();
    w.calls();
    // An update may change the version, so the plan does not know it; it stays what it is.
    w.p.set("a", "size", int(7));
    let report = w.up().await;
    let planned = report.plan.steps.iter().find(|s| s.urn == w.p.urn("b")).unwrap();
    assert!(matches!(planned.op, crate::plan::Op::Replace(_)), "{planned:?}");
    assert_eq!(w.calls(), ["read 2", "update a"]);
    assert_eq!((report.summary.replace, report.summary.update, report.summary.delete), (0, 2, 0));
    assert_eq!(w.state().await.resources[&w.p.urn("b")].id, before);
    w.assert_converged().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_object_that_comes_to_the_old_ones_name_is_not_made_beside_it() {
    let mut w = World::new();
    w.p.add_as(&UNIQUE, "a", &[]).add_as(&UNIQUE, "b", &["a"]);
    w.schema = &UNIQUE;
    let version = w.p.output("a", "version");
    w.p.set("b", "size", version);
    w.p.set("b", "zone", Expr::Literal(Value::String("x".into())));
    w.up().await;
    w.calls();
    w.p.set("a", "size", int(7));
    w.p.set("b", "zone", Expr::Literal(Value::String("y".into())));
    let report = w.try_up().await.unwrap();
    assert_eq!(report.result, RunResult::Failed);
    let error = &report.failures[0].error;
    assert!(error.to_string().contains("there can be one of a name only"), "{error}");
    assert_eq!(w.calls(), ["read 2", "update a"]);
    w.up().await;
    w.assert_converged().await;
}
