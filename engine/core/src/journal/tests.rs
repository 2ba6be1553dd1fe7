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
    fail_checkpoint: Option<StoreError>,
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
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let mut log = self.log.lock().unwrap();
        if let Some(error) = log.fail_checkpoint.take() {
            return Err(error);
        }
        log.checkpoints.push(state.clone());
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
    open_with(log, Compaction::default())
}

fn open_with(log: &Arc<Mutex<Log>>, compaction: Compaction) -> Journal {
    let operation = OperationId("o".into());
    let holder = Holder { who: "me".into(), pid: 1, kind: "up".into(), operation: operation.clone() };
    let lease = Lease { holder, generation: 1, acquired: Timestamp::UNIX_EPOCH, expires: None };
    let session = Slow { lease, state: State::empty("l"), log: log.clone() };
    let began = Entry::Began { operation: operation.clone(), kind: "up".into(), time: Timestamp::UNIX_EPOCH };
    Journal::open(Box::new(session), operation, began, compaction)
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

fn done(intent: &Entry) -> Entry {
    let Entry::Intent(intent) = intent else { panic!() };
    let outcome = Outcome::Created { id: intent.urn.name().into(), outputs: ValueMap::new(), complete: true };
    Entry::Done { intent: intent.id.clone(), outcome }
}

/// Creates so many resources, one after the other, while a call begun before the first is still under way at the end.
async fn create_all(journal: &Journal, names: std::ops::Range<u32>) {
    for n in names {
        let intent = create(journal, &format!("r{n}"));
        journal.append(vec![intent.clone()]).await.unwrap();
        journal.append(vec![done(&intent)]).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_run_writes_checkpoints_in_its_middle_and_ever_fewer_of_them() {
    let log = Arc::default();
    let journal = open_with(&log, Compaction { entries: 8, bytes: u64::MAX });
    let slow = create(&journal, "slow");
    journal.append(vec![slow.clone()]).await.unwrap();
    create_all(&journal, 0..100).await;
    {
        let log = log.lock().unwrap();
        let records: Vec<usize> = log.checkpoints.iter().map(|c| c.resources.len()).collect();
        // Each when the journal has more entries than the last one has records: two for each new record.
        assert!((4..=12).contains(&records.len()), "{records:?}");
        assert!(records.iter().sum::<usize>() < 3 * 201, "in proportion to the entries: {records:?}");
        assert!(log.checkpoints.iter().enumerate().all(|(n, c)| c.serial == n as u64 + 1 && !c.open.is_empty()));
    }
    journal.append(vec![done(&slow)]).await.unwrap();
    assert!(journal.checkpoint().await.unwrap());
    assert_eq!(journal.with(|s| (s.resources.len(), s.open.len())), (101, 0));
    assert_eq!(log.lock().unwrap().checkpoints.last().unwrap().resources.len(), 101);
}

#[tokio::test(start_paused = true)]
async fn many_bytes_are_a_bound_too() {
    let log = Arc::default();
    let journal = open_with(&log, Compaction { entries: u64::MAX, bytes: 1000 });
    create_all(&journal, 0..20).await;
    assert!(!log.lock().unwrap().checkpoints.is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_such_a_checkpoint_but_the_next_append() {
    let log = Arc::default();
    let journal = open_with(&log, Compaction { entries: 1, bytes: u64::MAX });
    let start = tokio::time::Instant::now();
    let intent = create(&journal, "a");
    journal.append(vec![intent.clone()]).await.unwrap();
    assert!(start.elapsed() < std::time::Duration::from_millis(10), "its call may begin");
    journal.append(vec![done(&intent)]).await.unwrap();
    assert!(start.elapsed() > std::time::Duration::from_secs(1));
    assert_eq!(log.lock().unwrap().checkpoints.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_does_not_stop_the_journal_unless_the_lease_is_gone() {
    let full = StoreError::Io { what: "writing".into(), why: "the disk is full".into() };
    let log = Arc::new(Mutex::new(Log { fail_checkpoint: Some(full), ..Log::default() }));
    let journal = open_with(&log, Compaction { entries: 4, bytes: u64::MAX });
    create_all(&journal, 0..10).await;
    {
        let log = log.lock().unwrap();
        assert_eq!(log.appends.len(), 20);
        let serials: Vec<u64> = log.checkpoints.iter().map(|c| c.serial).collect();
        assert_eq!(serials, (1..=serials.len() as u64).collect::<Vec<_>>(), "no number is left out");
        assert!(!serials.is_empty());
    }
    log.lock().unwrap().fail_checkpoint = Some(StoreError::Superseded { held: 1 });
    let mut appended = 0;
    let error = loop {
        match journal.append(vec![create(&journal, &format!("x{appended}"))]).await {
            Ok(()) => appended += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, JournalError::Store(StoreError::Superseded { held: 1 })), "{error}");
    assert!(journal.checkpoint().await.is_err());
}
