//! A store that watches the store behind it.
//!
//! It folds every entry as it becomes durable, so that each prefix of every journal is shown to be a valid state; it compares each checkpoint with the
//! fold; it passes the [boundaries](crate::life) at which runs are killed; the store behind it seals secrets; and it can break.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use phx_model::Urn;
use phx_model::state::{Change, Entry, Intent, Record, State};
use phx_model::store::{Holder, Lease, Operation, Session, Store, StoreError};
use phx_model::urn::StackName;

use crate::life::Life;

/// What is durable, as far as the tap has seen.
#[derive(Debug, Default)]
pub struct Durable {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    state: Option<State>,
    violations: Vec<String>,
    entries: Vec<Entry>,
    appends: u64,
    writes: u64,
    /// The objects that were let go on purpose, ever.
    retained: BTreeSet<String>,
    /// Whether anything was ever written for the stack.
    written: bool,
    /// Breaks the append of this number, from 0: with or without the entries being durable.
    breaks: Option<(u64, bool)>,
}

impl Durable {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run begins.
    pub fn begin_run(&self, breaks: Option<(u64, bool)>) {
        let mut inner = self.lock();
        inner.appends = 0;
        inner.writes = 0;
        inner.entries.clear();
        inner.breaks = breaks;
    }

    /// The state with all durable entries folded in.
    pub fn state(&self) -> Option<State> {
        self.lock().state.clone()
    }

    /// Another command than an engine's has written this state.
    pub fn written_elsewhere(&self, state: &State) {
        let mut inner = self.lock();
        inner.written = true;
        inner.state = Some(plain(state));
    }

    /// The entries that became durable in this run.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    /// How many appends there were in this run.
    pub fn appends(&self) -> u64 {
        self.lock().appends
    }

    /// How often anything was written in this run: leases taken, appends, checkpoints, operations.
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// What a correct engine would not have written; emptied by asking.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().violations)
    }

    /// The ids of objects that were let go because their records say `retain`.
    pub fn retained(&self) -> BTreeSet<String> {
        self.lock().retained.clone()
    }

    /// Whether such an intent is durable and open.
    pub fn open(&self, test: impl Fn(&Intent) -> bool) -> bool {
        self.lock().state.as_ref().is_some_and(|s| s.open.values().any(test))
    }

    /// Whether an intent to update these fields of the object is durable and open.
    pub fn intends_update(&self, id: &str, fields: &BTreeSet<String>) -> bool {
        let inner = self.lock();
        let Some(state) = &inner.state else { return false };
        state.open.values().any(|intent| match &intent.change {
            Change::Update { fields: intended, .. } => {
                state.resources.get(&intent.urn).is_some_and(|r| r.id == id) && fields.is_subset(intended)
            }
            _ => false,
        })
    }

    /// Whether an object of this id is durably known.
    pub fn knows(&self, id: &str) -> bool {
        let inner = self.lock();
        inner
            .state
            .as_ref()
            .is_some_and(|s| s.resources.values().chain(s.deposed.iter().map(|d| &d.record)).any(|r| r.id == id))
    }

    /// The resource's durable record.
    pub fn record(&self, urn: &Urn) -> Option<Record> {
        self.lock().state.as_ref().and_then(|s| s.resources.get(urn).cloned())
    }

    fn append(&self, entries: &[Entry]) {
        let mut inner = self.lock();
        inner.written = true;
        for entry in entries {
            let Some(state) = &inner.state else {
                inner.violations.push("an append without a state".into());
                return;
            };
            if let Entry::Forgotten { urn, id } = entry
                && state
                    .resources
                    .get(urn)
                    .into_iter()
                    .chain(state.deposed.iter().map(|d| &d.record))
                    .any(|r| r.id == *id && r.retain)
            {
                inner.retained.insert(id.clone());
            }
            let Some(state) = &mut inner.state else { return };
            if let Err(e) = state.apply(entry) {
                inner.violations.push(format!("an entry that cannot follow: {e}: {entry:?}"));
            }
            inner.entries.push(entry.clone());
        }
    }

    fn checkpoint(&self, written: &State) {
        let mut inner = self.lock();
        if let Some(folded) = &inner.state {
            let expected = State { serial: folded.serial + 1, ..folded.clone() };
            if expected != *written {
                inner.violations.push(format!(
                    "the checkpoint is not the fold of the journal:\n{written:#?}\nand not\n{expected:#?}"
                ));
            }
        }
        inner.written = true;
        inner.state = Some(written.clone());
    }
}

/// The watching store.
pub struct Tap {
    behind: Arc<dyn Store>,
    life: Arc<Life>,
    durable: Arc<Durable>,
}

impl Tap {
    /// Watches `behind`.
    pub fn new(behind: Arc<dyn Store>, life: Arc<Life>, durable: Arc<Durable>) -> Self {
        Self { behind, life, durable }
    }

    /// What was found when the lease was taken, noted; and the session, watched from here on.
    async fn watched(&self, session: Box<dyn Session>) -> Box<dyn Session> {
        let state = plain(session.state());
        {
            let mut inner = self.durable.lock();
            inner.writes += 1;
            let found = state.clone();
            // A stack that nothing was ever written for begins with another lineage each time.
            if let Some(known) = inner.state.replace(found.clone())
                && inner.written
                && known != found
            {
                inner.violations.push(format!(
                    "the store gave back another state than was written:\n{found:#?}\nand not\n{known:#?}"
                ));
            }
        }
        self.life.boundary(|| "after the lease".into()).await;
        Box::new(Watched { session, state, life: self.life.clone(), durable: self.durable.clone() })
    }
}

#[async_trait]
impl Store for Tap {
    fn location(&self) -> String {
        self.behind.location()
    }

    async fn stacks(&self) -> Result<Vec<StackName>, StoreError> {
        self.behind.stacks().await
    }

    async fn load(&self, stack: &StackName) -> Result<Option<State>, StoreError> {
        Ok(self.behind.load(stack).await?.map(|s| plain(&s)))
    }

    async fn acquire(&self, stack: &StackName, holder: &Holder) -> Result<Box<dyn Session>, StoreError> {
        self.life.boundary(|| "before the lease".into()).await;
        let session = self.behind.acquire(stack, holder).await?;
        Ok(self.watched(session).await)
    }

    async fn acquire_waiting(
        &self,
        stack: &StackName,
        holder: &Holder,
        wait: Duration,
    ) -> Result<Box<dyn Session>, StoreError> {
        self.life.boundary(|| "before the lease".into()).await;
        let session = self.behind.acquire_waiting(stack, holder, wait).await?;
        Ok(self.watched(session).await)
    }

    async fn break_lease(&self, stack: &StackName) -> Result<Option<Lease>, StoreError> {
        self.behind.break_lease(stack).await
    }

    async fn lease(&self, stack: &StackName) -> Result<Option<Lease>, StoreError> {
        self.behind.lease(stack).await
    }

    async fn history(&self, stack: &StackName) -> Result<Vec<Operation>, StoreError> {
        self.behind.history(stack).await
    }
}

/// The state as an engine would have it that had written all of it in one run: the store that seals makes the key, and keeps it.
fn plain(state: &State) -> State {
    State { key: None, ..state.clone() }
}

struct Watched {
    session: Box<dyn Session>,
    state: State,
    life: Arc<Life>,
    durable: Arc<Durable>,
}

#[async_trait]
impl Session for Watched {
    fn lease(&self) -> &Lease {
        self.session.lease()
    }

    fn held(&self) -> Result<(), StoreError> {
        self.session.held()
    }

    fn state(&self) -> &State {
        &self.state
    }

    async fn append(&self, entries: &[Entry]) -> Result<(), StoreError> {
        let what = || describe(entries);
        self.life.boundary(|| format!("before the append of {}", what())).await;
        let breaks = {
            let mut inner = self.durable.lock();
            let n = inner.appends;
            inner.appends += 1;
            inner.writes += 1;
            inner.breaks.filter(|(at, _)| *at == n)
        };
        if breaks.is_none_or(|(_, durable)| durable) {
            self.session.append(entries).await?;
            self.durable.append(entries);
        }
        self.life.boundary(|| format!("after the append of {}", what())).await;
        match breaks {
            Some(_) => Err(StoreError::Io { what: "writing the journal".into(), why: "the disk is gone".into() }),
            None => Ok(()),
        }
    }

    async fn checkpoint(&self, state: &State) -> Result<(), StoreError> {
        self.life.boundary(|| "before the checkpoint".into()).await;
        self.durable.lock().writes += 1;
        self.session.checkpoint(state).await?;
        self.durable.checkpoint(state);
        self.life.boundary(|| "after the checkpoint".into()).await;
        Ok(())
    }

    async fn record(&self, operation: &Operation) -> Result<(), StoreError> {
        self.life.boundary(|| "before the history".into()).await;
        self.durable.lock().writes += 1;
        self.session.record(operation).await
    }

    async fn release(self: Box<Self>) -> Result<(), StoreError> {
        self.life.boundary(|| "before the lease is given back".into()).await;
        self.session.release().await
    }
}

/// Entries in a few words.
fn describe(entries: &[Entry]) -> String {
    let words: Vec<String> = entries
        .iter()
        .map(|entry| match entry {
            Entry::Began { .. } => "began".into(),
            Entry::Intent(intent) => format!("intent to {} {}", intent.change.verb(), intent.urn.name()),
            Entry::Done { intent, .. } => format!("result of {intent}"),
            Entry::Recorded { urn, .. } => format!("record of {}", urn.name()),
            Entry::Forgotten { urn, .. } => format!("forgetting {}", urn.name()),
            Entry::Renamed { to, .. } => format!("renaming to {}", to.name()),
            Entry::Outputs { .. } => "outputs".into(),
            Entry::Moved { to, .. } => format!("renaming to {}", to.name()),
            Entry::Key { .. } => "key".into(),
            Entry::Secret { name, .. } => format!("secret {name}"),
            Entry::Took { .. } => "durations".into(),
            Entry::Provider { key, .. } => format!("place {}", key.0),
        })
        .collect();
    words.join(", ")
}
