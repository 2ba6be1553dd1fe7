//! A store that ends with its process, for tests and for programs that embed the engine.
//!
//! It does what a durable store does, refuses what one refuses (a secret, a wrong serial, a superseded holder), and remembers
//! everything that was ever written to it, so that a test can look. Beyond that it folds every entry as it comes and refuses one that cannot
//! follow, so that an engine's mistake shows at the write and not at the next run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use phx_model::state::{Entry, State};
use phx_model::store::{
    Fault, Holder, Import, Kept, Lease, Operation, RolledBack, Session, Store, StoreError, Verification,
};
use phx_model::urn::StackName;

use crate::wire;

/// States in memory. Clones share them.
#[derive(Clone, Default)]
pub struct MemoryStore {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    stacks: BTreeMap<StackName, Slot>,
    /// How many more writes succeed. `None`: all.
    writes_left: Option<usize>,
}

#[derive(Default)]
struct Slot {
    /// The last checkpoint. `None`: nothing was ever written.
    base: Option<State>,
    /// The checkpoint with the journal folded in.
    current: Option<State>,
    /// Since the checkpoint.
    journal: Vec<Entry>,
    /// Since ever.
    entries: Vec<Entry>,
    checkpoints: Vec<State>,
    history: Vec<Operation>,
    generation: u64,
    lease: Option<Lease>,
}

impl MemoryStore {
    /// A store without stacks.
    pub fn new() -> Self {
        Self::default()
    }

    /// All entries ever appended to the stack's journals, in order, across checkpoints and sessions.
    pub fn journal(&self, stack: &StackName) -> Vec<Entry> {
        self.lock().stacks.get(stack).map(|slot| slot.entries.clone()).unwrap_or_default()
    }

    /// All checkpoints ever written for the stack, in order.
    pub fn checkpoints(&self, stack: &StackName) -> Vec<State> {
        self.lock().stacks.get(stack).map(|slot| slot.checkpoints.clone()).unwrap_or_default()
    }

    /// Makes `state` the stack's checkpoint, as if an earlier run had written it.
    pub fn put(&self, stack: &StackName, state: State) {
        let mut shared = self.lock();
        let slot = shared.stacks.entry(stack.clone()).or_default();
        slot.journal.clear();
        slot.current = Some(state.clone());
        slot.base = Some(state);
    }

    /// Takes the lease from whoever holds it, as its expiry does elsewhere: that session can write nothing more, and the next
    /// [`acquire`](Store::acquire) succeeds.
    pub fn steal(&self, stack: &StackName) {
        let mut shared = self.lock();
        let slot = shared.stacks.entry(stack.clone()).or_default();
        slot.generation += 1;
        slot.lease = None;
    }

    /// Lets `n` more writes (appends, checkpoints, records) succeed, and then all fail. `None`: all succeed again.
    pub fn fail_writes_after(&self, n: Option<usize>) {
        self.lock().writes_left = n;
    }

    fn take(&self, stack: &StackName, holder: &Holder) -> Result<MemorySession, StoreError> {
        let mut shared = self.lock();
        let slot = shared.stacks.entry(stack.clone()).or_default();
        if let Some(lease) = &slot.lease {
            return Err(StoreError::Leased(Box::new(lease.clone())));
        }
        slot.generation += 1;
        let lease =
            Lease { holder: holder.clone(), generation: slot.generation, acquired: Timestamp::now(), expires: None };
        slot.lease = Some(lease.clone());
        let state = slot.current.clone().unwrap_or_else(|| State::empty(crate::new_lineage()));
        Ok(MemorySession { store: self.clone(), stack: stack.clone(), lease, state })
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Nothing in here panics between two changes that belong together.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn location(&self) -> String {
        "memory://".to_owned()
    }

    async fn stacks(&self) -> Result<Vec<StackName>, StoreError> {
        let shared = self.lock();
        Ok(shared.stacks.iter().filter(|(_, slot)| slot.base.is_some()).map(|(name, _)| name.clone()).collect())
    }

    async fn load(&self, stack: &StackName) -> Result<Option<State>, StoreError> {
        Ok(self.lock().stacks.get(stack).and_then(|slot| slot.current.clone()))
    }

    async fn acquire(&self, stack: &StackName, holder: &Holder) -> Result<Box<dyn Session>, StoreError> {
        Ok(Box::new(self.take(stack, holder)?))
    }

    async fn acquire_waiting(
        &self,
        stack: &StackName,
        holder: &Holder,
        wait: Duration,
    ) -> Result<Box<dyn Session>, StoreError> {
        crate::waiting::poll(wait, || self.acquire(stack, holder)).await
    }

    async fn break_lease(&self, stack: &StackName) -> Result<Option<Lease>, StoreError> {
        let lease = self.lease(stack).await?;
        if lease.is_some() {
            self.steal(stack);
        }
        Ok(lease)
    }

    async fn lease(&self, stack: &StackName) -> Result<Option<Lease>, StoreError> {
        Ok(self.lock().stacks.get(stack).and_then(|slot| slot.lease.clone()))
    }

    async fn history(&self, stack: &StackName) -> Result<Vec<Operation>, StoreError> {
        Ok(self.lock().stacks.get(stack).map(|slot| slot.history.clone()).unwrap_or_default())
    }

    async fn verify(&self, stack: &StackName) -> Result<Verification, StoreError> {
        let shared = self.lock();
        let Some(slot) = shared.stacks.get(stack) else { return Ok(Verification::default()) };
        let fault = |why| Fault { what: format!("stack {stack} in memory"), why, hint: None };
        let faults = slot.current.iter().flat_map(|state| crate::sound(stack, state)).map(fault).collect();
        Ok(Verification {
            lineage: slot.base.as_ref().map(|state| state.lineage.clone()),
            serial: slot.base.as_ref().map(|state| state.serial),
            checkpoints: slot.kept().len() as u64,
            entries: slot.journal.len() as u64,
            operations: slot.history.len() as u64,
            faults,
        })
    }

    async fn checkpoints(&self, stack: &StackName) -> Result<Vec<Kept>, StoreError> {
        let shared = self.lock();
        let Some(slot) = shared.stacks.get(stack) else { return Ok(Vec::new()) };
        let present = slot.base.as_ref().map(|state| state.serial);
        let kept = slot.kept().into_iter().rev();
        kept.map(|state| {
            let sha256 = wire::Checkpoint::encode(state)?.sha256;
            Ok(Kept { serial: Some(state.serial), sha256, present: present == Some(state.serial) })
        })
        .collect()
    }

    async fn rollback(&self, stack: &StackName, holder: &Holder, to: Option<u64>) -> Result<RolledBack, StoreError> {
        let session = self.take(stack, holder)?;
        session.write(|slot| {
            let present = slot.base.as_ref().map_or(0, |state| state.serial);
            let wanted = |state: &&State| to.map_or(state.serial < present, |to| state.serial == to);
            let found = slot.kept().into_iter().rev().find(wanted).cloned();
            let found = found.ok_or_else(|| StoreError::Io {
                what: format!("rolling stack {stack} back"),
                why: match to {
                    Some(serial) => format!("there is no checkpoint {serial}"),
                    None => "there is no checkpoint to go back to".to_owned(),
                },
            })?;
            let from = found.serial;
            slot.install(found, from)
        })
    }

    async fn import(&self, stack: &StackName, holder: &Holder, import: &Import) -> Result<RolledBack, StoreError> {
        wire::Checkpoint::encode(&import.state)?;
        let session = self.take(stack, holder)?;
        session.write(|slot| {
            import.may_replace(&Ok(slot.current.clone()))?;
            let missing: Vec<Operation> = import.missing_in(&slot.history).into_iter().cloned().collect();
            slot.history.extend(missing);
            slot.install(import.state.clone(), import.state.serial)
        })
    }
}

impl Slot {
    /// The checkpoints, oldest first. One that was put there without a session is one of them.
    fn kept(&self) -> Vec<&State> {
        let put = self.base.iter().filter(|base| self.checkpoints.iter().all(|state| state.serial != base.serial));
        let mut kept: Vec<&State> = self.checkpoints.iter().chain(put).collect();
        kept.sort_by_key(|state| state.serial);
        kept
    }

    /// Makes a state the present one, with a serial after all there are.
    fn install(&mut self, mut state: State, from: u64) -> Result<RolledBack, StoreError> {
        let last = self.kept().last().map_or(0, |state| state.serial).max(state.serial);
        state.serial = last.checked_add(1).ok_or_else(|| StoreError::Unwritable {
            what: "a checkpoint".into(),
            why: "its serial would be too large".into(),
        })?;
        // The one in force stays among those that can be gone back to.
        if let Some(base) = self.base.take()
            && self.checkpoints.iter().all(|state| state.serial != base.serial)
        {
            self.checkpoints.push(base);
        }
        self.base = Some(state.clone());
        self.current = Some(state.clone());
        self.journal.clear();
        self.checkpoints.push(state.clone());
        Ok(RolledBack { state, from, set_aside: Vec::new() })
    }
}

/// A stack in memory, under lease. The lease ends with it, as a process's does.
struct MemorySession {
    store: MemoryStore,
    stack: StackName,
    lease: Lease,
    state: State,
}

impl MemorySession {
    /// Changes the stack, if this session still may.
    fn write<T>(&self, work: impl FnOnce(&mut Slot) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut shared = self.store.lock();
        let Shared { stacks, writes_left } = &mut *shared;
        let slot = stacks.entry(self.stack.clone()).or_default();
        if slot.generation != self.lease.generation {
            return Err(StoreError::Superseded { held: self.lease.generation });
        }
        if let Some(left) = writes_left {
            *left = left.checked_sub(1).ok_or_else(|| StoreError::Io {
                what: format!("writing stack {} in memory", self.stack),
                why: "this store was told to fail".into(),
            })?;
        }
        work(slot)
    }

    /// Gives the stack its first checkpoint, an empty one, if it has none.
    fn begin<'s>(&self, slot: &'s mut Slot) -> &'s mut State {
        let empty = || State::empty(self.state.lineage.clone());
        slot.base.get_or_insert_with(empty);
        slot.current.get_or_insert_with(empty)
    }
}

#[async_trait]
impl Session for MemorySession {
    fn lease(&self) -> &Lease {
        &self.lease
    }

    fn held(&self) -> Result<(), StoreError> {
        match self.store.lock().stacks.get(&self.stack) {
            Some(slot) if slot.generation == self.lease.generation => Ok(()),
            _ => Err(StoreError::Superseded { held: self.lease.generation }),
        }
    }

    fn state(&self) -> &State {
        &self.state
    }

    async fn append(&self, entries: &[Entry]) -> Result<(), StoreError> {
        entries.iter().try_for_each(|entry| wire::entry_text(entry).map(drop))?;
        self.write(|slot| {
            if entries.is_empty() {
                return Ok(());
            }
            if let Err(e) = self.begin(slot).fold(entries) {
                // Back to before the batch: none of it was written.
                slot.current = slot.base.clone();
                if let Some(current) = &mut slot.current {
                    // These were folded before, one by one.
                    let _ = current.fold(&slot.journal);
                }
                return Err(StoreError::Unwritable { what: "a journal entry".into(), why: e.to_string() });
            }
            slot.journal.extend_from_slice(entries);
            slot.entries.extend_from_slice(entries);
            Ok(())
        })
    }

    async fn checkpoint(&self, state: &State) -> Result<(), StoreError> {
        wire::same_lineage(&self.state.lineage, state)?;
        wire::Checkpoint::encode(state)?;
        self.write(|slot| {
            wire::next_serial(self.begin(slot).serial, state.serial)?;
            slot.base = Some(state.clone());
            slot.current = Some(state.clone());
            slot.journal.clear();
            slot.checkpoints.push(state.clone());
            Ok(())
        })
    }

    async fn record(&self, operation: &Operation) -> Result<(), StoreError> {
        wire::encode_operation(operation)?;
        self.write(|slot| {
            slot.history.push(operation.clone());
            Ok(())
        })
    }

    async fn release(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Drop for MemorySession {
    fn drop(&mut self) {
        let mut shared = self.store.lock();
        if let Some(slot) = shared.stacks.get_mut(&self.stack)
            && slot.lease.as_ref().is_some_and(|lease| lease.generation == self.lease.generation)
        {
            slot.lease = None;
        }
    }
}
