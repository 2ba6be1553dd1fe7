//! Group commit of journal entries.
//!
//! One task owns the store's session. Whoever has something to write hands it over and waits; everything that waits at one moment becomes
//! durable with one write. So a thousand steps that begin together cost a handful of writes, and each of them still begins only after
//! its intent is on the disk.
//!
//! A long run must not leave a journal that takes long to read. So where it has grown past a bound ([`Compaction`]) the task writes a checkpoint between
//! two batches. Calls that are under way go on meanwhile, and what they have to write waits until it is done.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use phx_model::state::{Entry, FoldError, IntentId, OperationId, State};
use phx_model::store::{Operation, Session, StoreError};
use tokio::sync::{mpsc, oneshot};

/// How often it is looked whether the lease is still held while calls are under way.
const LOOK: Duration = Duration::from_millis(50);

/// Why entries were not written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// The store failed, or another run has taken the lease over.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The entries do not follow from what is recorded; they were not written.
    #[error(
        "phx was about to write something that contradicts its own state, and stopped instead: {0}\n  hint: this is a bug in phx; please report it. `phx up` continues from what was written before"
    )]
    Contradiction(#[from] FoldError),
}

/// When a checkpoint is written in the middle of a run: when the journal since the last one has more entries or bytes than this, and more entries than
/// that checkpoint has records. So the checkpoints of a run cost no more than in proportion to its steps, however large the stack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// Entries.
    pub entries: u64,
    /// Bytes of the entries' JSON.
    pub bytes: u64,
}

impl Default for Compaction {
    fn default() -> Self {
        Self { entries: 10_000, bytes: 4 * 1024 * 1024 }
    }
}

/// The session, which the journal's task owns and its handles can ask whether it still holds.
type Held = Box<dyn Session>;

/// A handle to the journal and to the state that it folds to. Clones are the same journal.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
}

struct Shared {
    /// Behind an `Arc`, so that the parts of a run that only look can hold on to it while nothing writes.
    state: Arc<RwLock<Arc<State>>>,
    /// Observations: in the state already, and written ahead of the next append.
    staged: Arc<Mutex<Vec<Entry>>>,
    /// The task that owns the session. `None`: the journal is kept in memory only, for a preview.
    task: Option<mpsc::UnboundedSender<Request>>,
    /// The task's, only to ask whether it still holds.
    session: Weak<Held>,
    lineage: String,
    operation: OperationId,
    next: AtomicU64,
}

type Reply<T> = oneshot::Sender<Result<T, JournalError>>;

enum Request {
    Append(Vec<Entry>, Reply<()>),
    Checkpoint(Reply<bool>),
    Record(Box<Operation>, Reply<()>),
    Release(Reply<()>),
}

impl Journal {
    /// The journal of a session. `began` is written ahead of the first entries, so that a run that changes nothing writes nothing.
    pub fn open(session: Box<dyn Session>, operation: OperationId, began: Entry, compaction: Compaction) -> Self {
        let growth = Growth { entries: 0, bytes: 0, records: records(session.state()), bound: compaction };
        let (sender, requests) = mpsc::unbounded_channel();
        let session = Arc::new(session);
        let journal = Self::new(session.state().clone(), operation, Some((sender, Arc::downgrade(&session))));
        let task = Task {
            session,
            requests,
            state: journal.shared.state.clone(),
            staged: journal.shared.staged.clone(),
            prelude: vec![began],
            growth,
            failed: None,
            later: VecDeque::new(),
        };
        tokio::spawn(task.run());
        journal
    }

    /// A journal that is kept in memory and never written.
    pub fn in_memory(state: State, operation: OperationId) -> Self {
        Self::new(state, operation, None)
    }

    fn new(
        state: State,
        operation: OperationId,
        session: Option<(mpsc::UnboundedSender<Request>, Weak<Held>)>,
    ) -> Self {
        let lineage = state.lineage.clone();
        let state = Arc::new(RwLock::new(Arc::new(state)));
        let (task, session) = session.map_or((None, Weak::new()), |(task, session)| (Some(task), session));
        let next = AtomicU64::new(1);
        Self { shared: Arc::new(Shared { state, staged: Arc::default(), task, session, lineage, operation, next }) }
    }

    /// Whether the lease can still be relied on. Asked before every call to a cloud: an intent that was written in time does not make a call
    /// good that begins after the lease is over.
    pub fn held(&self) -> Result<(), JournalError> {
        match (&self.shared.task, self.shared.session.upgrade()) {
            (None, _) => Ok(()),
            (Some(_), Some(session)) => Ok(session.held()?),
            (Some(_), None) => Err(ended()),
        }
    }

    /// Waits until the lease is over, and says why. Never comes back while it is held.
    pub async fn lost(&self) -> JournalError {
        loop {
            if let Err(error) = self.held() {
                return error;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// A name for the next intent of this run.
    pub fn next_intent(&self) -> IntentId {
        let n = self.shared.next.fetch_add(1, Ordering::Relaxed);
        IntentId::new(&self.shared.lineage, &self.shared.operation, n)
    }

    /// Looks at the state as it is now. Writers wait meanwhile.
    pub fn with<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        // A panic while folding poisons the lock, and then the run is over; what can still be read is right for messages.
        look(&self.shared.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The state as it is now, to hold on to. Costs nothing unless something is written while it is held: then the state is copied.
    pub fn snapshot(&self) -> Arc<State> {
        self.shared.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts observations into the state at once, to be written with the next append, or never if there is none: what was only looked at need
    /// not be kept. To be called while no append is under way.
    pub fn stage(&self, entries: Vec<Entry>) -> Result<(), JournalError> {
        fold(&self.shared.state, &entries)?;
        if self.shared.task.is_some() {
            self.shared.staged.lock().unwrap_or_else(PoisonError::into_inner).extend(entries);
        }
        Ok(())
    }

    /// Writes entries, and whatever is staged before them. When it returns they are durable and part of the state. After an error nothing
    /// can be written any more: every later call fails likewise.
    pub async fn append(&self, entries: Vec<Entry>) -> Result<(), JournalError> {
        match &self.shared.task {
            None => fold(&self.shared.state, &entries),
            Some(_) => self.ask(|reply| Request::Append(entries, reply)).await,
        }
    }

    /// Writes the state as a checkpoint if anything was written since the last one. Says whether it did. Staged observations that nothing
    /// was written after are not for keeping: then the journal stays as it is, and the next run folds it.
    pub async fn checkpoint(&self) -> Result<bool, JournalError> {
        match &self.shared.task {
            None => Ok(false),
            Some(_) => self.ask(Request::Checkpoint).await,
        }
    }

    /// Adds a finished operation to the history.
    pub async fn record(&self, operation: Operation) -> Result<(), JournalError> {
        self.ask(|reply| Request::Record(Box::new(operation), reply)).await
    }

    /// Gives the lease back. Nothing can be written afterwards.
    pub async fn release(&self) -> Result<(), JournalError> {
        self.ask(Request::Release).await
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, JournalError> {
        let Some(task) = &self.shared.task else { return Err(ended()) };
        let (reply, answer) = oneshot::channel();
        task.send(request(reply)).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

fn ended() -> JournalError {
    let why = "the task that writes it has ended".to_owned();
    StoreError::Io { what: "writing the journal".to_owned(), why }.into()
}

fn fold(state: &RwLock<Arc<State>>, entries: &[Entry]) -> Result<(), JournalError> {
    let mut state = state.write().unwrap_or_else(PoisonError::into_inner);
    Ok(Arc::make_mut(&mut state).fold(entries)?)
}

/// The session itself. Whoever else holds it only asks whether it is held, which takes no time.
async fn alone(mut session: Arc<Held>) -> Held {
    loop {
        match Arc::try_unwrap(session) {
            Ok(session) => return session,
            Err(shared) => session = shared,
        }
        tokio::task::yield_now().await;
    }
}

/// How far the journal has grown since the last checkpoint.
struct Growth {
    entries: u64,
    bytes: u64,
    /// How many records the last checkpoint has.
    records: u64,
    bound: Compaction,
}

impl Growth {
    fn add(&mut self, entries: &[Entry]) {
        struct Length(u64);
        impl std::io::Write for Length {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0 += bytes.len() as u64;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut length = Length(0);
        for entry in entries {
            // Of an entry with a secret, which has no form of its own before it is sealed, only what stands before that is counted: this is a measure.
            let _ = serde_json::to_writer(&mut length, entry);
        }
        self.entries = self.entries.saturating_add(entries.len() as u64);
        self.bytes = self.bytes.saturating_add(length.0);
    }

    fn is_due(&self) -> bool {
        (self.entries > self.bound.entries || self.bytes > self.bound.bytes) && self.entries > self.records
    }

    /// The next one is due when it has grown as much again.
    fn begin_anew(&mut self, records: u64) {
        (self.entries, self.bytes, self.records) = (0, 0, records);
    }
}

fn records(state: &State) -> u64 {
    (state.resources.len() + state.deposed.len() + state.open.len()) as u64
}

struct Task {
    session: Arc<Held>,
    requests: mpsc::UnboundedReceiver<Request>,
    state: Arc<RwLock<Arc<State>>>,
    staged: Arc<Mutex<Vec<Entry>>>,
    /// Written ahead of the first entries. Empty once anything has been written.
    prelude: Vec<Entry>,
    growth: Growth,
    failed: Option<JournalError>,
    /// What was taken from the channel behind a batch of appends and is not one.
    later: VecDeque<Request>,
}

impl Task {
    async fn run(mut self) {
        while let Some(request) = self.next().await {
            // Whoever asked may have stopped waiting; what was written is written all the same.
            match request {
                Request::Append(entries, reply) => self.batch(entries, reply).await,
                Request::Checkpoint(reply) => {
                    let _ = reply.send(self.checkpoint().await);
                }
                Request::Record(operation, reply) => {
                    let result = match &self.failed {
                        Some(error) => Err(error.clone()),
                        None => self.session.record(&operation).await.map_err(JournalError::from),
                    };
                    let _ = reply.send(self.remember(result));
                }
                Request::Release(reply) => {
                    let released = alone(self.session).await.release().await;
                    let _ = reply.send(released.map_err(JournalError::from));
                    return;
                }
            }
        }
    }

    async fn next(&mut self) -> Option<Request> {
        match self.later.pop_front() {
            Some(request) => Some(request),
            None => self.requests.recv().await,
        }
    }

    /// Writes an append together with all that wait behind it.
    async fn batch(&mut self, mut entries: Vec<Entry>, reply: Reply<()>) {
        let mut replies = vec![reply];
        if self.later.is_empty() {
            // Steps that became ready at the same moment get the chance to hand in theirs.
            tokio::task::yield_now().await;
            while let Ok(request) = self.requests.try_recv() {
                match request {
                    Request::Append(more, reply) => {
                        entries.extend(more);
                        replies.push(reply);
                    }
                    other => {
                        self.later.push_back(other);
                        break;
                    }
                }
            }
        }
        let result = self.write(entries).await;
        let result = self.remember(result);
        for reply in replies {
            let _ = reply.send(result.clone());
        }
        self.compact().await;
    }

    /// Writes a checkpoint if the journal has grown past its bound. Nobody waits for it but what is appended meanwhile.
    async fn compact(&mut self) {
        let staged = !self.staged.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if self.failed.is_some() || staged || !self.growth.is_due() {
            return;
        }
        let state = self.next_serial();
        let result = self.session.checkpoint(&state).await;
        let records = records(&state);
        drop(state);
        match result {
            Ok(()) => self.growth.begin_anew(records),
            Err(error @ (StoreError::Superseded { .. } | StoreError::Expired { .. })) => {
                self.failed.get_or_insert(error.into());
            }
            Err(error) => {
                // Everything is in the journal, which goes on as long as it can, so that what is in flight is recorded. Where it cannot,
                // the next append says so.
                tracing::warn!(%error, "no checkpoint could be written in the middle of the run; the journal goes on");
                Arc::make_mut(&mut self.state.write().unwrap_or_else(PoisonError::into_inner)).serial -= 1;
                self.growth.begin_anew(self.growth.records);
            }
        }
    }

    /// The state as the next checkpoint has it.
    fn next_serial(&self) -> Arc<State> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut state).serial += 1;
        state.clone()
    }

    /// The entries are folded before they are written and not after: an entry that contradicts the state must never reach the journal, where
    /// it would stop every later run. Nobody acts on the folded state too early, since a step begins only after the appends of those that it
    /// needs have returned.
    async fn write(&mut self, mut entries: Vec<Entry>) -> Result<(), JournalError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        fold(&self.state, &entries)?;
        let staged = std::mem::take(&mut *self.staged.lock().unwrap_or_else(PoisonError::into_inner));
        if entries.is_empty() && staged.is_empty() {
            return Ok(());
        }
        let mut all = std::mem::take(&mut self.prelude);
        all.extend(staged);
        all.append(&mut entries);
        self.session.append(&all).await?;
        self.growth.add(&all);
        Ok(())
    }

    async fn checkpoint(&mut self) -> Result<bool, JournalError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let staged = !self.staged.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        let written = self.prelude.is_empty();
        if staged || !written {
            return Ok(false);
        }
        let state = self.next_serial();
        let result = self.session.checkpoint(&state).await.map_err(JournalError::from);
        self.remember(result).map(|()| true)
    }

    /// After the first error nothing more may be written: what is in the state might not be in the store.
    fn remember<T>(&mut self, result: Result<T, JournalError>) -> Result<T, JournalError> {
        if let (Err(error), None) = (&result, &self.failed) {
            self.failed = Some(error.clone());
        }
        result
    }
}

#[cfg(test)]
mod tests;
