//! Group commit of journal entries.
//!
//! One task owns the store's session. Whoever has something to write hands it over and waits; everything that waits at one moment becomes
//! durable with one write. So a thousand steps that begin together cost a handful of writes, and each of them still begins only after
//! its intent is on the disk.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use phx_model::state::{Entry, FoldError, IntentId, OperationId, State};
use phx_model::store::{Operation, Session, StoreError};
use tokio::sync::{mpsc, oneshot};

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
    pub fn open(session: Box<dyn Session>, operation: OperationId, began: Entry) -> Self {
        let (sender, requests) = mpsc::unbounded_channel();
        let journal = Self::new(session.state().clone(), operation, Some(sender));
        let task = Task {
            session,
            requests,
            state: journal.shared.state.clone(),
            staged: journal.shared.staged.clone(),
            prelude: vec![began],
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

    fn new(state: State, operation: OperationId, task: Option<mpsc::UnboundedSender<Request>>) -> Self {
        let lineage = state.lineage.clone();
        let state = Arc::new(RwLock::new(Arc::new(state)));
        let shared = Shared { state, staged: Arc::default(), task, lineage, operation, next: AtomicU64::new(1) };
        Self { shared: Arc::new(shared) }
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

struct Task {
    session: Box<dyn Session>,
    requests: mpsc::UnboundedReceiver<Request>,
    state: Arc<RwLock<Arc<State>>>,
    staged: Arc<Mutex<Vec<Entry>>>,
    /// Written ahead of the first entries. Empty once anything has been written.
    prelude: Vec<Entry>,
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
                    let _ = reply.send(self.session.release().await.map_err(JournalError::from));
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
        Ok(self.session.append(&all).await?)
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
        let state = {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            Arc::make_mut(&mut state).serial += 1;
            state.clone()
        };
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
mod tests {
    use super::*;
    use async_trait::async_trait;
    use jiff::Timestamp;
    use phx_model::state::{Change, Intent, Outcome, Record};
    use phx_model::store::{Holder, Lease};
    use phx_model::{Urn, ValueMap};

    #[derive(Default)]
    struct Log {
        appends: Vec<Vec<Entry>>,
        checkpoints: Vec<State>,
        fail_append: Option<usize>,
    }

    struct Slow {
        lease: Lease,
        state: State,
        log: Arc<Mutex<Log>>,
    }

    #[async_trait]
    impl Session for Slow {
        fn lease(&self) -> &Lease {
            &self.lease
        }
        fn state(&self) -> &State {
            &self.state
        }
        async fn append(&self, entries: &[Entry]) -> Result<(), StoreError> {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            let mut log = self.log.lock().unwrap();
            log.appends.push(entries.to_vec());
            if log.fail_append.is_some_and(|n| log.appends.len() >= n) {
                return Err(StoreError::Superseded { held: 1 });
            }
            Ok(())
        }
        async fn checkpoint(&self, state: &State) -> Result<(), StoreError> {
            self.log.lock().unwrap().checkpoints.push(state.clone());
            Ok(())
        }
        async fn record(&self, _: &Operation) -> Result<(), StoreError> {
            Ok(())
        }
        async fn release(self: Box<Self>) -> Result<(), StoreError> {
            Ok(())
        }
    }

    fn open(log: &Arc<Mutex<Log>>) -> Journal {
        let operation = OperationId("o".into());
        let holder = Holder { who: "me".into(), pid: 1, kind: "up".into(), operation: operation.clone() };
        let lease = Lease { holder, generation: 1, acquired: Timestamp::UNIX_EPOCH, expires: None };
        let session = Slow { lease, state: State::empty("l"), log: log.clone() };
        let began = Entry::Began { operation: operation.clone(), kind: "up".into(), time: Timestamp::UNIX_EPOCH };
        Journal::open(Box::new(session), operation, began)
    }

    fn create(journal: &Journal, name: &str) -> Entry {
        Entry::Intent(Intent {
            id: journal.next_intent(),
            urn: Urn::parse(&format!("urn:phx:p:s:test:net:Vpc:{name}")).unwrap(),
            time: Timestamp::UNIX_EPOCH,
            change: Change::Create { record: Box::default() },
        })
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_waits_at_one_moment_is_one_write() {
        let log = Arc::default();
        let journal = open(&log);
        let all = (0..100).map(|n| {
            let journal = journal.clone();
            async move { journal.append(vec![create(&journal, &format!("r{n}"))]).await }
        });
        for result in futures::future::join_all(all).await {
            result.unwrap();
        }
        let log = log.lock().unwrap();
        assert!(log.appends.len() <= 2, "{} writes", log.appends.len());
        assert_eq!(log.appends.iter().map(Vec::len).sum::<usize>(), 101, "100 intents after the beginning");
        assert!(matches!(log.appends[0][0], Entry::Began { .. }));
        assert_eq!(journal.with(|s| s.open.len()), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_store_error_nothing_is_written_any_more() {
        let log = Arc::new(Mutex::new(Log { fail_append: Some(1), ..Log::default() }));
        let journal = open(&log);
        for _ in 0..3 {
            let error = journal.append(vec![create(&journal, "a")]).await.unwrap_err();
            assert!(matches!(error, JournalError::Store(StoreError::Superseded { held: 1 })), "{error}");
        }
        assert!(journal.checkpoint().await.is_err());
        let log = log.lock().unwrap();
        assert_eq!((log.appends.len(), log.checkpoints.len()), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn an_entry_that_contradicts_the_state_never_reaches_the_store() {
        let log = Arc::default();
        let journal = open(&log);
        let bad = Entry::Done { intent: IntentId("x".into()), outcome: Outcome::Deleted };
        assert!(matches!(journal.append(vec![bad]).await, Err(JournalError::Contradiction(_))));
        assert!(journal.append(vec![create(&journal, "a")]).await.is_err());
        assert!(log.lock().unwrap().appends.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_written_means_no_checkpoint_and_staged_entries_go_ahead_of_the_next_write() {
        let log = Arc::default();
        let journal = open(&log);
        assert!(!journal.checkpoint().await.unwrap());
        let record = Record { id: "x".into(), ..Record::default() };
        let urn = Urn::parse("urn:phx:p:s:test:net:Vpc:a").unwrap();
        journal.stage(vec![Entry::Recorded { urn: urn.clone(), record: Box::new(record) }]).unwrap();
        assert!(journal.with(|s| s.resources.contains_key(&urn)));
        assert!(!journal.checkpoint().await.unwrap(), "what is only staged is not for keeping");
        journal.append(vec![Entry::Outputs { outputs: ValueMap::new() }]).await.unwrap();
        assert!(journal.checkpoint().await.unwrap());
        let log = log.lock().unwrap();
        assert!(matches!(log.appends[0][..], [Entry::Began { .. }, Entry::Recorded { .. }, Entry::Outputs { .. }]));
        assert_eq!(log.checkpoints[0].serial, 1);
        assert!(log.checkpoints[0].resources.contains_key(&urn));
    }
}
