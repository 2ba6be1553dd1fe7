//! The lease: waited for while somebody holds it; and once it is over, no call begins, whatever was on its way.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use phx_engine::EngineError;
use phx_engine::engine::RunOptions;
use phx_engine::events::Event;
use phx_model::state::{Entry, State};
use phx_model::store::{Holder, Lease, Operation, Session, Store, StoreError};
use phx_model::urn::StackName;
use phx_model::{Ipv4Cidr, Program};
use phx_state::MemoryStore;
use phx_tests::sim::{Bucket, Fault, Network, Subnet, Verb};
use phx_tests::world::{Disturbance, World, interrupt_after, program, stack_name};
use tokio::time::Instant;

fn network() -> Program {
    program(|stack| {
        let range: Ipv4Cidr = "10.0.0.0/16".parse().unwrap();
        let network = stack.add("main", Network::new(range))?;
        stack.add("subnet", Subnet::new(network.id(), range))?;
        stack.add("logs", Bucket::new("logs"))?;
        Ok(())
    })
}

/// What somebody does at an append.
type AtAppend = Box<dyn Fn(&[Entry]) + Send + Sync>;

/// A store in which something happens at the very moment that an append has become durable.
struct Meddled {
    store: MemoryStore,
    at_append: Arc<AtAppend>,
}

struct MeddledSession {
    session: Box<dyn Session>,
    at_append: Arc<AtAppend>,
}

#[async_trait]
impl Store for Meddled {
    fn location(&self) -> String {
        self.store.location()
    }
    async fn stacks(&self) -> Result<Vec<StackName>, StoreError> {
        self.store.stacks().await
    }
    async fn load(&self, stack: &StackName) -> Result<Option<State>, StoreError> {
        self.store.load(stack).await
    }
    async fn acquire(&self, stack: &StackName, holder: &Holder) -> Result<Box<dyn Session>, StoreError> {
        let session = self.store.acquire(stack, holder).await?;
        Ok(Box::new(MeddledSession { session, at_append: self.at_append.clone() }))
    }
    async fn lease(&self, stack: &StackName) -> Result<Option<Lease>, StoreError> {
        self.store.lease(stack).await
    }
    async fn history(&self, stack: &StackName) -> Result<Vec<Operation>, StoreError> {
        self.store.history(stack).await
    }
}

#[async_trait]
impl Session for MeddledSession {
    fn lease(&self) -> &Lease {
        self.session.lease()
    }
    fn held(&self) -> Result<(), StoreError> {
        self.session.held()
    }
    fn state(&self) -> &State {
        self.session.state()
    }
    async fn append(&self, entries: &[Entry]) -> Result<(), StoreError> {
        self.session.append(entries).await?;
        (self.at_append)(entries);
        Ok(())
    }
    async fn checkpoint(&self, state: &State) -> Result<(), StoreError> {
        self.session.checkpoint(state).await
    }
    async fn record(&self, operation: &Operation) -> Result<(), StoreError> {
        self.session.record(operation).await
    }
    async fn release(self: Box<Self>) -> Result<(), StoreError> {
        self.session.release().await
    }
}

#[track_caller]
fn superseded(error: &EngineError) {
    assert!(matches!(error, EngineError::Store(StoreError::Superseded { .. })), "{error}");
}

/// The intent is durable, and before its call the lease is over.
#[test]
fn an_intent_that_was_written_in_time_does_not_make_a_late_call_good() {
    for at in 0..3 {
        let store = MemoryStore::new();
        let (appends, taken) = (AtomicU64::new(0), store.clone());
        let at_append: AtAppend = Box::new(move |entries| {
            let intends = entries.iter().any(|entry| matches!(entry, Entry::Intent(_)));
            if intends && appends.fetch_add(1, Ordering::SeqCst) == at {
                taken.steal(&stack_name());
            }
        });
        let meddled = Meddled { store: store.clone(), at_append: Arc::new(at_append) };
        let world = World::with_store(at, Arc::new(meddled));
        let stolen = store.clone();
        let late = Arc::new(AtomicU64::new(0));
        let seen = late.clone();
        world.cloud.set_fate(move |_| {
            // Whoever has the lease now is not this run.
            let nobody = futures::FutureExt::now_or_never(stolen.lease(&stack_name())).unwrap().unwrap().is_none();
            seen.fetch_add(u64::from(nobody), Ordering::SeqCst);
            None
        });
        superseded(&world.up(&network()).result().unwrap_err());
        assert_eq!(late.load(Ordering::SeqCst), 0, "calls began after the lease was over");
        assert!(!world.state().open.is_empty(), "the intent is not there for the next run to settle");
        world.cloud.calm();
        world.up(&network()).succeeded();
        world.assert_settled(&network());
    }
}

/// A call whose outcome is unclear is made again, but not once the lease is over.
#[test]
fn a_repetition_begins_only_under_the_lease() {
    let store = MemoryStore::new();
    let world = World::with_store(1, Arc::new(store.clone()));
    world.up(&network()).succeeded();
    let deletes = Arc::new(AtomicU64::new(0));
    let seen = deletes.clone();
    world.cloud.set_fate(move |call| {
        let delete = call.verb == Verb::Delete && call.type_name == "sim:net:Subnet";
        if delete && seen.fetch_add(1, Ordering::SeqCst) == 0 {
            store.steal(&stack_name());
        }
        delete.then_some(Fault::AnswerLost)
    });
    superseded(&world.destroy().result().unwrap_err());
    assert_eq!(deletes.load(Ordering::SeqCst), 1, "it was repeated after the lease was over");
    world.cloud.calm();
    world.destroy().succeeded();
    world.assert_empty();
}

/// One slow call is all that is under way, and nothing is to be written for an hour: the run ends all the same, and at once.
#[test]
fn a_run_that_waits_notices_that_its_lease_is_over() {
    let store = MemoryStore::new();
    let mut world = World::with_store(1, Arc::new(store.clone()));
    world.settings.timeout = Duration::from_secs(3600);
    world
        .cloud
        .set_fate(|call| (call.type_name == "sim:app:Bucket" || call.verb == Verb::Create).then_some(Fault::Hangs));
    let took = Mutex::new(Duration::ZERO);
    let run = world.run(&Disturbance::default(), async |engine| {
        let began = Instant::now();
        let thief = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            store.steal(&stack_name());
        };
        let (program, options) = (network(), RunOptions::default());
        let (result, ()) = tokio::join!(engine.up(&program, &options, &|_| true), thief);
        *took.lock().unwrap() = began.elapsed();
        result
    });
    superseded(&run.result().unwrap_err());
    let took = *took.lock().unwrap();
    assert!(took >= Duration::from_secs(60) && took < Duration::from_secs(61), "it took {took:?}");
}

#[test]
fn a_lease_is_waited_for_and_it_is_said_whose() {
    let world = World::new(1);
    let first_done = AtomicBool::new(false);
    let run = world.run(&Disturbance::default(), async |engine| {
        let program = network();
        let ours = RunOptions { holder_who: "ada@here".into(), ..RunOptions::default() };
        let theirs = RunOptions { wait: Duration::from_secs(3600), ..RunOptions::default() };
        let slow = |_: &phx_engine::Plan| true;
        let first = async {
            let report = engine.up(&program, &ours, &slow).await;
            first_done.store(true, Ordering::SeqCst);
            report
        };
        let second = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let report = engine.up(&program, &theirs, &slow).await;
            assert!(first_done.load(Ordering::SeqCst), "it did not wait");
            report
        };
        let (first, second) = tokio::join!(first, second);
        assert_eq!(first?.summary.create, 3);
        second
    });
    let said = run.events.iter().find_map(|event| match event {
        Event::LeaseAwaited { lease, wait_ms } => Some((lease.holder.who.clone(), *wait_ms)),
        _ => None,
    });
    assert_eq!(said, Some(("ada@here".to_owned(), 3_600_000)));
    let report = run.result().unwrap();
    assert!(report.plan.is_empty(), "the second found nothing to do");
}

#[test]
fn a_lease_that_is_not_given_back_in_time_is_still_somebodys() {
    let store = MemoryStore::new();
    let world = World::with_store(1, Arc::new(store.clone()));
    let held = |kind: &str| phx_state::holder(kind, phx_model::state::OperationId("other".into()));
    let run = world.run(&Disturbance::default(), async |engine| {
        let session = store.acquire(&stack_name(), &held("up")).await?;
        let options = RunOptions { wait: Duration::from_secs(5), ..RunOptions::default() };
        let refused = engine.up(&network(), &options, &|_| true).await;
        assert!(matches!(&refused, Err(EngineError::Store(StoreError::Leased(_)))), "{refused:?}");
        // And whoever is asked to stop meanwhile, stops.
        let (interrupt, later) = interrupt_after(Duration::from_secs(1), None);
        let options = RunOptions { wait: Duration::from_secs(3600), interrupt, ..RunOptions::default() };
        let program = network();
        let stopped = tokio::select! {
            stopped = engine.up(&program, &options, &|_| true) => stopped,
            () = later => unreachable!(),
        };
        session.release().await?;
        stopped
    });
    let error = run.result().unwrap_err();
    assert!(matches!(error, EngineError::Interrupted), "{error}");
}
