//! What any store has to do, as checks that run against one. A new store passes these before anything else.
//!
//! Each check gets a store of its own without stacks.

use std::any::Any;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use phx_model::state::{Change, Entry, Intent, IntentId, OperationId, Outcome, Record, State};
use phx_model::store::{Holder, Lease, Operation, Session, Store, StoreError, Summary};
use phx_model::urn::{StackName, Urn};
use phx_model::{Value, ValueMap};

use keeping::{
    a_good_stack_verifies, a_state_from_elsewhere_is_imported, an_earlier_checkpoint_can_be_gone_back_to,
    an_import_that_would_lose_something_is_refused, an_operation_without_a_state_leaves_the_stack_usable,
};

/// A store to check.
pub struct Subject {
    /// The store.
    pub store: Arc<dyn Store>,
    /// How to take a stack's lease from its holder, as an expiry does, where the store can be brought to that.
    pub supersede: Option<Supersede>,
    /// What has to live as long as the store: its folder, its server.
    pub keep: Box<dyn Any + Send + Sync>,
}

/// Takes the lease of a stack away.
pub type Supersede = Box<dyn Fn(&StackName) + Send + Sync>;

type Check = Result<(), Box<dyn Error + Send + Sync>>;

macro_rules! ensure {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err(format!($($why)+).into());
        }
    };
}

mod keeping;

macro_rules! run_checks {
    ($make:ident, $($check:ident),+ $(,)?) => {{
        let mut failed = Vec::new();
        $(
            let subject = $make();
            if let Err(e) = $check(&subject).await {
                failed.push(format!("{}: {e}", stringify!($check)));
            }
        )+
        failed
    }};
}

/// Runs every check against a fresh store. The error names each check that failed, and why.
pub async fn run(make: impl Fn() -> Subject) -> Result<(), String> {
    let mut failed = run_common(&make).await;
    failed.extend(run_checks!(make, a_secret_is_refused_and_nothing_written));
    result(failed)
}

async fn run_common(make: &impl Fn() -> Subject) -> Vec<String> {
    run_checks!(
        make,
        a_new_stack_has_nothing,
        a_lease_is_exclusive_until_it_is_released,
        a_lease_is_waited_for,
        generations_increase,
        one_of_many_gets_the_lease,
        entries_are_durable_across_sessions,
        entries_are_folded_on_acquire_and_load,
        a_dropped_session_leaves_everything_appended,
        a_checkpoint_advances_the_serial_and_empties_the_journal,
        a_wrong_serial_is_refused,
        another_lineage_is_refused,
        the_lineage_stays,
        every_value_is_read_back,
        an_empty_batch_is_nothing,
        history_is_kept_in_order,
        stacks_are_listed_and_separate,
        loading_beside_a_writer_sees_whole_states,
        a_superseded_session_cannot_write,
        an_operation_without_a_state_leaves_the_stack_usable,
        a_good_stack_verifies,
        an_earlier_checkpoint_can_be_gone_back_to,
        a_state_from_elsewhere_is_imported,
        an_import_that_would_lose_something_is_refused,
    )
}

/// Runs what holds of a store that encrypts, beside all that holds of the others.
pub async fn run_sealing(make: impl Fn() -> Subject) -> Result<(), String> {
    let mut failed = run_common(&make).await;
    failed.extend(run_checks!(make, a_secret_is_read_back));
    result(failed)
}

fn result(failed: Vec<String>) -> Result<(), String> {
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

fn stack() -> Result<StackName, Box<dyn Error + Send + Sync>> {
    Ok(StackName::new("dev")?)
}

fn holder(name: &str) -> Holder {
    Holder { who: format!("{name}@test"), pid: 1, kind: "up".into(), operation: OperationId(format!("op-{name}")) }
}

fn urn(name: &str) -> Result<Urn, Box<dyn Error + Send + Sync>> {
    Ok(Urn::parse(&format!("urn:phx:demo:dev:test:net:Vpc:{name}"))?)
}

fn record(id: &str) -> Result<Record, Box<dyn Error + Send + Sync>> {
    Ok(serde_json::from_value(serde_json::json!({ "id": id }))?)
}

fn recorded(name: &str) -> Result<Entry, Box<dyn Error + Send + Sync>> {
    Ok(Entry::Recorded { urn: urn(name)?, record: Box::new(record(name)?) })
}

fn operation(name: &str) -> Operation {
    Operation {
        id: OperationId(name.into()),
        kind: "up".into(),
        started: Timestamp::UNIX_EPOCH,
        ended: Timestamp::UNIX_EPOCH,
        result: "succeeded".into(),
        summary: Summary { create: 3, ..Summary::default() },
        serial: 1,
        who: "a@test".into(),
        program_hash: "h".into(),
        pace: None,
    }
}

/// Whether two leases are one. When it ends changes while it is renewed.
fn same(a: &Lease, b: &Lease) -> bool {
    (&a.holder, a.generation, a.acquired) == (&b.holder, b.generation, b.acquired)
}

async fn acquire(subject: &Subject) -> Result<Box<dyn Session>, Box<dyn Error + Send + Sync>> {
    Ok(subject.store.acquire(&stack()?, &holder("a")).await?)
}

async fn load(subject: &Subject) -> Result<State, Box<dyn Error + Send + Sync>> {
    Ok(subject.store.load(&stack()?).await?.ok_or("there is no state")?)
}

fn next(state: &State) -> State {
    State { serial: state.serial + 1, ..state.clone() }
}

async fn a_new_stack_has_nothing(s: &Subject) -> Check {
    ensure!(s.store.load(&stack()?).await?.is_none(), "there is a state");
    ensure!(s.store.stacks().await?.is_empty(), "there are stacks");
    ensure!(s.store.lease(&stack()?).await?.is_none(), "there is a lease");
    ensure!(s.store.history(&stack()?).await?.is_empty(), "there is a history");
    let session = acquire(s).await?;
    ensure!(session.state().is_empty() && session.state().serial == 0, "its state is not empty");
    ensure!(!session.state().lineage.is_empty(), "it has no lineage");
    session.release().await?;
    ensure!(s.store.load(&stack()?).await?.is_none(), "a lease alone made a state");
    ensure!(s.store.stacks().await?.is_empty(), "a lease alone made a stack");
    Ok(())
}

async fn a_lease_is_exclusive_until_it_is_released(s: &Subject) -> Check {
    let session = acquire(s).await?;
    match s.store.acquire(&stack()?, &holder("b")).await {
        Err(StoreError::Leased(lease)) => {
            ensure!(same(&lease, session.lease()), "the error names another lease: {lease:?}")
        }
        Err(e) => return Err(format!("another error: {e}").into()),
        Ok(_) => return Err("a second session got the lease".into()),
    }
    let found = s.store.lease(&stack()?).await?;
    ensure!(
        found.as_ref().is_some_and(|found| same(found, session.lease())),
        "the store names another lease: {found:?}"
    );
    session.held()?;
    session.release().await?;
    ensure!(s.store.lease(&stack()?).await?.is_none(), "it is leased after the release");
    let again = s.store.acquire(&stack()?, &holder("b")).await?;
    ensure!(again.lease().holder == holder("b"), "the holder is {:?}", again.lease().holder);
    Ok(())
}

async fn a_lease_is_waited_for(s: &Subject) -> Check {
    let session = acquire(s).await?;
    let waited = s.store.acquire_waiting(&stack()?, &holder("b"), Duration::from_millis(50)).await;
    ensure!(matches!(waited, Err(StoreError::Leased(_))), "it did not say that the lease is held");
    let waiting = {
        let (store, stack) = (Arc::clone(&s.store), stack()?);
        tokio::spawn(async move { store.acquire_waiting(&stack, &holder("b"), Duration::from_secs(60)).await })
    };
    session.append(&[recorded("a")?]).await?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    ensure!(!waiting.is_finished(), "it did not wait");
    session.release().await?;
    let session = waiting.await??;
    ensure!(session.lease().holder == holder("b"), "the holder is {:?}", session.lease().holder);
    ensure!(session.state().resources.len() == 1, "what was written meanwhile is not there: {:?}", session.state());
    Ok(())
}

async fn generations_increase(s: &Subject) -> Check {
    let mut last = 0;
    for n in 0..4 {
        let session = acquire(s).await?;
        let generation = session.lease().generation;
        ensure!(generation > last, "generation {generation} came after {last}");
        last = generation;
        if n % 2 == 0 {
            session.append(&[recorded(&format!("r{n}"))?]).await?;
            session.release().await?;
        }
    }
    Ok(())
}

async fn one_of_many_gets_the_lease(s: &Subject) -> Check {
    let stack = stack()?;
    for _ in 0..5 {
        let tries = (0..8).map(|n| {
            let (store, stack) = (Arc::clone(&s.store), stack.clone());
            tokio::spawn(async move {
                store.lease(&stack).await?;
                store.acquire(&stack, &holder(&n.to_string())).await
            })
        });
        let mut sessions = Vec::new();
        let mut named = Vec::new();
        for one in futures::future::join_all(tries).await {
            match one? {
                Ok(session) => sessions.push(session),
                Err(StoreError::Leased(lease)) => named.push(*lease),
                Err(e) => return Err(e.into()),
            }
        }
        let [session] = &sessions[..] else { return Err(format!("{} sessions got the lease", sessions.len()).into()) };
        ensure!(
            named.iter().all(|lease| same(lease, session.lease())),
            "a loser was told of another holder: {named:?}"
        );
    }
    Ok(())
}

async fn entries_are_durable_across_sessions(s: &Subject) -> Check {
    let session = acquire(s).await?;
    session.append(&[recorded("a")?, recorded("b")?]).await?;
    session.append(&[recorded("c")?]).await?;
    let lineage = session.state().lineage.clone();
    session.release().await?;
    let session = acquire(s).await?;
    ensure!(session.state().resources.len() == 3, "it has {:?}", session.state());
    ensure!(session.state().lineage == lineage, "the lineage changed");
    session.append(&[recorded("d")?]).await?;
    session.release().await?;
    ensure!(load(s).await?.resources.len() == 4, "the second session's entry is not there");
    Ok(())
}

async fn entries_are_folded_on_acquire_and_load(s: &Subject) -> Check {
    let session = acquire(s).await?;
    let id = |n| IntentId::new(&session.state().lineage, &OperationId("o".into()), n);
    let intent = |n, name: &str| -> Result<Entry, Box<dyn Error + Send + Sync>> {
        let change = Change::Create { record: Box::new(record("")?) };
        Ok(Entry::Intent(Intent { id: id(n), urn: urn(name)?, time: Timestamp::UNIX_EPOCH, change }))
    };
    let created = Outcome::Created { id: "vpc-1".into(), outputs: ValueMap::new(), complete: true };
    let entries = [
        Entry::Began { operation: OperationId("o".into()), kind: "up".into(), time: Timestamp::UNIX_EPOCH },
        intent(1, "a")?,
        intent(2, "b")?,
        Entry::Done { intent: id(1), outcome: created },
        Entry::Outputs { outputs: [("vpc".to_owned(), Value::String("vpc-1".into()))].into() },
    ];
    let mut expected = session.state().clone();
    expected.fold(&entries)?;
    session.append(&entries[..2]).await?;
    session.append(&entries[2..]).await?;
    ensure!(load(s).await? == expected, "loaded beside the session: {:?}", load(s).await?);
    session.release().await?;
    let session = acquire(s).await?;
    ensure!(*session.state() == expected, "acquired: {:?}", session.state());
    ensure!(session.state().open.len() == 1, "the open intent is not there");
    Ok(())
}

async fn a_dropped_session_leaves_everything_appended(s: &Subject) -> Check {
    let session = acquire(s).await?;
    session.append(&[recorded("a")?]).await?;
    drop(session);
    let session = acquire(s).await?;
    ensure!(session.state().resources.len() == 1, "it has {:?}", session.state());
    session.checkpoint(&next(session.state())).await?;
    session.append(&[recorded("b")?]).await?;
    drop(session);
    let session = acquire(s).await?;
    ensure!(session.state().resources.len() == 2 && session.state().serial == 1, "it has {:?}", session.state());
    Ok(())
}

async fn a_checkpoint_advances_the_serial_and_empties_the_journal(s: &Subject) -> Check {
    let session = acquire(s).await?;
    session.append(&[recorded("a")?]).await?;
    // Without the journal's resource, to see that the checkpoint alone counts.
    let mut state = next(session.state());
    state.resources.insert(urn("x")?, record("x")?);
    session.checkpoint(&state).await?;
    ensure!(load(s).await? == state, "loaded: {:?}", load(s).await?);
    let second = next(&state);
    session.checkpoint(&second).await?;
    session.append(&[recorded("b")?]).await?;
    session.release().await?;
    let session = acquire(s).await?;
    ensure!(session.state().serial == 2 && session.state().resources.len() == 2, "acquired: {:?}", session.state());
    session.checkpoint(&next(session.state())).await?;
    ensure!(load(s).await?.serial == 3, "a later session could not go on");
    Ok(())
}

async fn a_wrong_serial_is_refused(s: &Subject) -> Check {
    let session = acquire(s).await?;
    let first = next(session.state());
    for serial in [0, 2, u64::MAX] {
        let wrong = State { serial, ..first.clone() };
        ensure!(session.checkpoint(&wrong).await.is_err(), "serial {serial} became the first checkpoint");
    }
    session.checkpoint(&first).await?;
    ensure!(session.checkpoint(&first).await.is_err(), "the same serial was written twice");
    ensure!(load(s).await? == first, "a refused checkpoint left something behind");
    Ok(())
}

async fn another_lineage_is_refused(s: &Subject) -> Check {
    let session = acquire(s).await?;
    session.append(&[recorded("a")?]).await?;
    let before = load(s).await?;
    let other = State { serial: 1, ..State::empty("another") };
    ensure!(session.checkpoint(&other).await.is_err(), "another stack's state was taken");
    ensure!(load(s).await? == before, "the refused checkpoint left something behind");
    session.append(&[recorded("b")?]).await?;
    Ok(())
}

async fn the_lineage_stays(s: &Subject) -> Check {
    let session = acquire(s).await?;
    let lineage = session.state().lineage.clone();
    session.append(&[recorded("a")?]).await?;
    drop(session);
    for _ in 0..3 {
        let session = acquire(s).await?;
        ensure!(session.state().lineage == lineage, "it became {}", session.state().lineage);
        session.checkpoint(&next(session.state())).await?;
        session.release().await?;
    }
    ensure!(load(s).await?.lineage == lineage, "the loaded lineage is another");
    Ok(())
}

async fn every_value_is_read_back(s: &Subject) -> Check {
    let text = "quotes \" and \\ and \n and \u{0} and \u{1F600} and \u{2028}, {\"sum\":\"";
    let values = [
        Value::Null,
        Value::Bool(true),
        Value::Int(i64::MIN),
        Value::Int(i64::MAX),
        Value::Float(0.1),
        Value::Float(1.0),
        Value::Float(f64::MAX),
        Value::String(text.into()),
        Value::Map([("$phx:secret".to_owned(), Value::Int(1)), (text.to_owned(), Value::Null)].into()),
    ];
    let outputs: ValueMap = values.iter().cloned().enumerate().map(|(n, v)| (format!("v{n}"), v)).collect();
    let session = acquire(s).await?;
    session.append(&[Entry::Outputs { outputs: outputs.clone() }]).await?;
    ensure!(load(s).await?.outputs == outputs, "through the journal: {:?}", load(s).await?.outputs);
    let state = State { outputs: outputs.clone(), ..next(session.state()) };
    session.checkpoint(&state).await?;
    ensure!(load(s).await?.outputs == outputs, "through a checkpoint: {:?}", load(s).await?.outputs);
    Ok(())
}

async fn a_secret_is_refused_and_nothing_written(s: &Subject) -> Check {
    let session = acquire(s).await?;
    let outputs: ValueMap = [("key".to_owned(), Value::String("hunter2".into()).secret())].into();
    let batch = [recorded("a")?, Entry::Outputs { outputs: outputs.clone() }];
    let refused = session.append(&batch).await;
    ensure!(matches!(refused, Err(StoreError::Unwritable { .. })), "the append gave {refused:?}");
    let state = State { outputs, ..next(session.state()) };
    let refused = session.checkpoint(&state).await;
    ensure!(matches!(refused, Err(StoreError::Unwritable { .. })), "the checkpoint gave {refused:?}");
    ensure!(s.store.load(&stack()?).await?.is_none(), "something was written");
    session.append(&batch[..1]).await?;
    Ok(())
}

async fn a_secret_is_read_back(s: &Subject) -> Check {
    let session = acquire(s).await?;
    let outputs: ValueMap = [("key".to_owned(), Value::String("hunter2".into()).secret())].into();
    session.append(&[recorded("a")?, Entry::Outputs { outputs: outputs.clone() }]).await?;
    ensure!(load(s).await?.outputs == outputs, "through the journal: {:?}", load(s).await?.outputs);
    let state = State { outputs: outputs.clone(), ..next(session.state()) };
    session.checkpoint(&state).await?;
    ensure!(load(s).await?.outputs == outputs, "through a checkpoint: {:?}", load(s).await?.outputs);
    session.release().await?;
    let session = acquire(s).await?;
    ensure!(session.state().outputs == outputs, "acquired: {:?}", session.state().outputs);
    ensure!(session.state().key.is_some(), "there is no key");
    Ok(())
}

async fn an_empty_batch_is_nothing(s: &Subject) -> Check {
    let session = acquire(s).await?;
    session.append(&[]).await?;
    ensure!(s.store.load(&stack()?).await?.is_none(), "it made a state");
    Ok(())
}

async fn history_is_kept_in_order(s: &Subject) -> Check {
    for n in 0..3 {
        let session = acquire(s).await?;
        session.checkpoint(&next(session.state())).await?;
        session.record(&operation(&format!("op-{n}"))).await?;
        session.release().await?;
    }
    let found = s.store.history(&stack()?).await?;
    let expected: Vec<Operation> = (0..3).map(|n| operation(&format!("op-{n}"))).collect();
    ensure!(found == expected, "it is {found:?}");
    Ok(())
}

async fn stacks_are_listed_and_separate(s: &Subject) -> Check {
    for name in ["prod", "dev"] {
        let session = s.store.acquire(&StackName::new(name)?, &holder(name)).await?;
        session.append(&[recorded(name)?]).await?;
        session.record(&operation(name)).await?;
        session.release().await?;
    }
    let both: Vec<StackName> = vec![StackName::new("dev")?, StackName::new("prod")?];
    ensure!(s.store.stacks().await? == both, "they are {:?}", s.store.stacks().await?);
    let a = s.store.acquire(&both[0], &holder("a")).await?;
    let b = s.store.acquire(&both[1], &holder("b")).await?;
    ensure!(a.state().lineage != b.state().lineage, "two stacks have one lineage");
    ensure!(a.state().resources.len() == 1 && b.state().resources.len() == 1, "one has the other's resources");
    ensure!(s.store.history(&both[0]).await?.len() == 1, "one has the other's history");
    Ok(())
}

async fn loading_beside_a_writer_sees_whole_states(s: &Subject) -> Check {
    let session = acquire(s).await?;
    session.append(&[recorded("r-first")?]).await?;
    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (store, stack, done) = (Arc::clone(&s.store), stack()?, Arc::clone(&done));
        tokio::spawn(async move {
            let (mut last, mut loads) = ((0, 0), 0_u32);
            loop {
                let finished = done.load(Ordering::SeqCst);
                let state = store.load(&stack).await.map_err(|e| e.to_string())?.ok_or("there was no state")?;
                let now = (state.serial, state.resources.len());
                if now.0 < last.0 || now.1 < last.1 {
                    return Err(format!("after (serial, resources) {last:?} came {now:?}"));
                }
                (last, loads) = (now, loads + 1);
                if finished {
                    return Ok((last, loads));
                }
            }
        })
    };
    let mut state = session.state().clone();
    state.apply(&recorded("r-first")?)?;
    for n in 0..20 {
        let entries = [recorded(&format!("r{n}"))?, recorded(&format!("s{n}"))?];
        session.append(&entries).await?;
        state.fold(&entries)?;
        state = next(&state);
        session.checkpoint(&state).await?;
    }
    done.store(true, Ordering::SeqCst);
    let (last, loads) = reader.await??;
    ensure!(last == (20, 41), "after {loads} loads the last was {last:?}");
    Ok(())
}

async fn a_superseded_session_cannot_write(s: &Subject) -> Check {
    let Some(supersede) = &s.supersede else { return Ok(()) };
    let old = acquire(s).await?;
    old.append(&[recorded("a")?]).await?;
    supersede(&stack()?);
    let new = s.store.acquire(&stack()?, &holder("b")).await?;
    ensure!(new.state().resources.len() == 1, "the new session has {:?}", new.state());
    new.append(&[recorded("b")?]).await?;
    let results = [
        old.append(&[recorded("c")?]).await,
        old.checkpoint(&next(old.state())).await,
        old.record(&operation("old")).await,
    ];
    for result in results {
        ensure!(matches!(result, Err(StoreError::Superseded { .. })), "the old session's write gave {result:?}");
    }
    ensure!(load(s).await?.resources.len() == 2, "the old session wrote: {:?}", load(s).await?);
    let lease = s.store.lease(&stack()?).await?;
    old.release().await?;
    let now = s.store.lease(&stack()?).await?;
    ensure!(
        lease.is_some_and(|lease| now.is_some_and(|now| same(&lease, &now))),
        "the old session's end took the new one's lease"
    );
    new.append(&[recorded("d")?]).await?;
    Ok(())
}
