//! A stack under lease: everything that writes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use phx_model::state::{Entry, FORMAT, State};
use phx_model::store::{Holder, Lease, Operation, Session, StoreError};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;

use super::Shared;
use super::call::{Failure, Kind};
use super::lease::{self, Heartbeat, Held, Moment, Seen};
use super::objects::{self, HEAD_NAME, Object, Replace};
use super::place::{Place, SETTLING, remove_batches};
use super::table::{self, Before, HEAD, HeadItem, Item, LeaseItem, Renewal, number, text};
use crate::wire::{self, Chain, Checkpoint, Head, MAX_SMALL};

/// How long writing one object or item is tried, as long as the lease lasts.
const WRITING: Duration = Duration::from_secs(120);
/// How often a write is made that is refused for a reason that is not there when it is looked for.
const AGAIN: u32 = 5;

/// What a session writes with.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) place: Place,
    pub(super) held: Arc<Held>,
    pub(super) lease: Lease,
    pub(super) lineage: String,
    /// What the next head must find in its place.
    pub(super) before: Before,
    /// The checkpoint in force.
    pub(super) serial: Option<u64>,
    pub(super) chain: Chain,
    /// The sort keys of the journal's batches, to be removed after the next checkpoint.
    pub(super) batches: Vec<String>,
    recorded: u64,
    /// Why nothing can be written any more.
    doubt: Option<String>,
    /// What is being put in order after the last checkpoint.
    tidying: Option<JoinHandle<()>>,
}

/// Takes the lease, which may first take watching its holder. While a holder is alive it is waited for until `wait_until`.
pub(super) async fn take(
    shared: &Arc<Shared>,
    place: &Place,
    holder: &Holder,
    wait_until: Option<Instant>,
    mut first: Option<LeaseItem>,
    at_least: u64,
) -> Result<(Arc<Held>, LeaseItem), StoreError> {
    let what = || format!("taking the lease of stack {}", place.stack);
    loop {
        let free = match first {
            Some(held) if held.held => match lease::watch(shared, place, held, wait_until).await? {
                Seen::Takeable(found) => found,
                Seen::Alive(found) => return Err(StoreError::Leased(Box::new(found.lease))),
            },
            free => free,
        };
        let last = free.as_ref().map_or(0, |lease| lease.lease.generation).max(at_least);
        let generation = last
            .checked_add(1)
            .ok_or_else(|| StoreError::Unwritable { what: what(), why: "its generation would be too large".into() })?;
        let acquired = Timestamp::now();
        let expires = acquired.checked_add(shared.url.ttl).ok();
        let mine = LeaseItem {
            lease: Lease { holder: holder.clone(), generation, acquired, expires },
            nonce: uuid::Uuid::new_v4().simple().to_string(),
            renewals: free.as_ref().map_or(0, |lease| lease.renewals).wrapping_add(1),
            held: true,
            ttl: shared.url.ttl,
            tail: free.as_ref().and_then(|lease| lease.tail),
        };
        let sent = Moment::now();
        let patience = shared.patience(shared.url.ttl / 2, None);
        let taken = shared.table.take_lease(&shared.calls, &patience, &place.partition, &mine, free.as_ref()).await;
        let held = Arc::new(Held::new(place.partition.clone(), &mine, sent));
        let failure = match taken {
            Ok(()) => return Ok((held, mine)),
            Err(failure) if failure.kind == Kind::Condition || failure.maybe_done => failure,
            Err(failure) => return Err(failure.at(what())),
        };
        // Somebody else was as quick, or an attempt of ours succeeded and its answer was lost.
        let found = place.read_lease_item(shared, &shared.reading()).await?;
        if held.is(found.as_ref()) {
            return Ok((held, mine));
        }
        if failure.kind != Kind::Condition {
            return Err(failure.at(what()));
        }
        match found {
            // Whoever took it between the look and the try is alive, but for a stopped machine; watching tells.
            Some(found)
                if found.held && wait_until.is_none() && free.as_ref().is_none_or(|f| f.nonce != found.nonce) =>
            {
                return Err(StoreError::Leased(Box::new(found.lease)));
            }
            found => first = found,
        }
    }
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, place: Place, held: Arc<Held>, lease: Lease) -> Self {
        Self {
            shared,
            place,
            held,
            lease,
            lineage: String::new(),
            before: Before::Nothing,
            serial: None,
            chain: Chain::start(""),
            batches: Vec::new(),
            recorded: 0,
            doubt: None,
            tidying: None,
        }
    }

    /// Whether this session may still write.
    fn check(&self) -> Result<(), StoreError> {
        self.held.check()?;
        match &self.doubt {
            Some(why) => Err(StoreError::Io {
                what: format!("writing the state of stack {}", self.place.stack),
                why: format!(
                    "whether an earlier write arrived cannot be told ({why}); the next run goes on from what it finds"
                ),
            }),
            None => Ok(()),
        }
    }

    /// An item that goes by its own random name.
    fn item(&self, sort: &str) -> Item {
        Item::from([
            (table::PARTITION.into(), text(&self.place.partition)),
            (table::SORT.into(), text(sort)),
            ("format".into(), number(FORMAT.into())),
            ("generation".into(), number(self.lease.generation)),
            ("write".into(), text(uuid::Uuid::new_v4().to_string())),
        ])
    }

    /// Writes an item beside the lease: one transaction. What its answer leaves open is read back.
    async fn write(&mut self, item: Item, before: &Before, tail: Option<(u64, u64)>) -> Result<(), StoreError> {
        let sort = table::text_of(&item, table::SORT).unwrap_or_default().to_owned();
        let name = table::text_of(&item, "write").unwrap_or_default().to_owned();
        let what = format!("writing {}", self.place.item(&sort));
        let says = Renewal { at: Timestamp::now(), tail };
        for attempt in 1.. {
            self.held.check()?;
            let sent = Moment::now();
            let patience = self.shared.patience(WRITING, Some(&self.held));
            let written = self
                .shared
                .table
                .write_fenced(&self.shared.calls, &patience, &self.held, item.clone(), before, says)
                .await;
            let failure = match written {
                Ok(()) => {
                    // A repetition may be answered for an attempt that was sent much earlier, and only that one is sure to have renewed.
                    self.held.renewed(sent);
                    return Ok(());
                }
                Err(failure) => failure,
            };
            if failure.kind != Kind::Condition && !failure.maybe_done {
                self.held.check()?;
                return Err(failure.at(what));
            }
            // With patience of its own, since that the lease is over does not change what was written; but somebody waits.
            let reading = self.shared.reading_back();
            let found = self.shared.table.get(&self.shared.calls, &reading, &self.place.partition, &sort).await;
            let found = match found {
                Ok(found) => found,
                Err(unread) => {
                    self.doubt = Some(format!("{}; and reading it back failed: {}", failure.why, unread.why));
                    self.held.check()?;
                    return Err(failure.at(what));
                }
            };
            if found.as_ref().is_some_and(|item| table::text_of(item, "write") == Ok(&name)) {
                self.held.renewed(sent);
                return Ok(());
            }
            let lease = self.place.read_lease_item(&self.shared, &reading).await;
            if let Ok(lease) = &lease
                && !self.held.is(lease.as_ref())
            {
                return Err(self.held.superseded());
            }
            let unchanged = before.is(found.as_ref());
            // Both conditions hold, and the table said that one does not: it told of another moment, such as one between two attempts of
            // this very write. The same item is written again: whichever attempt arrives, it writes the same.
            if failure.kind == Kind::Condition && unchanged && lease.is_ok() && attempt < AGAIN {
                tracing::debug!(
                    what,
                    attempt,
                    why = failure.why,
                    "a refused write is repeated, since nothing stands against it"
                );
                continue;
            }
            // An attempt without an answer might even now be on its way.
            self.doubt = Some(failure.why.clone());
            self.held.check()?;
            if failure.kind == Kind::Condition && !unchanged {
                let why = "something else was written in its place, under a lease that nobody else has; is another program changing the table?";
                return Err(StoreError::Unwritable { what, why: why.into() });
            }
            return Err(failure.at(what));
        }
        // Attempts are counted in 32 bits, and few are made.
        Err(Failure::new(Kind::Unclear, "it was never answered").at(what))
    }

    /// Makes a checkpoint the present one. Until the head is replaced nothing has changed; from then on everything has.
    pub(super) async fn install(&mut self, checkpoint: &Checkpoint, serial: u64) -> Result<(), StoreError> {
        let key = self.place.key(&objects::checkpoint_name(serial, &checkpoint.sha256));
        self.put_immutable(&key, &checkpoint.bytes).await?;
        self.held.check()?;
        let head = Head::new(&self.lineage, serial, self.lease.generation, &checkpoint.sha256);
        let line = line_text(head.encode()?)?;
        let mut item = self.item(HEAD);
        item.insert("head".into(), text(&line));
        let before = self.before.clone();
        self.write(item, &before, Some((serial, 0))).await?;
        self.before = Before::Head(line.clone());
        self.serial = Some(serial);
        self.chain = Chain::start(&checkpoint.sha256);
        let old = std::mem::take(&mut self.batches);
        self.tidy(HeadItem { head, line }, old);
        Ok(())
    }

    /// Copies the head to the bucket and removes old batches, while the run goes on. The checkpoint is made; this is only order.
    pub(super) fn tidy(&mut self, head: HeadItem, old: Vec<String>) {
        let (shared, place, earlier) = (Arc::clone(&self.shared), self.place.clone(), self.tidying.take());
        self.tidying = Some(tokio::spawn(async move {
            if let Some(earlier) = earlier {
                // If it failed it has said so.
                let _ = earlier.await;
            }
            if let Err(e) = copy_head(&shared, &place, &head).await {
                tracing::warn!("the state is written, but the copy of its head in the bucket is an older one: {e}");
            }
            if let Err(e) = remove_batches(&shared, &place, head.head.serial, &old).await {
                tracing::warn!("the state is written, but an old journal was left beside it: {e}");
            }
        }));
    }

    pub(super) async fn put_immutable(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let patience = self.shared.patience(WRITING, Some(&self.held));
        let put = self.shared.bucket.put_immutable(&self.shared.calls, &patience, key, bytes).await;
        put.map_err(|failure| match self.held.check() {
            Err(over) => over,
            Ok(()) => failure.at(format!("writing {}{key}", self.place.bucket)),
        })
    }

    /// A new stack gets its first checkpoint, an empty one, before the first entry, so that its lineage is durable with it.
    async fn begin(&mut self) -> Result<u64, StoreError> {
        if let Some(serial) = self.serial {
            return Ok(serial);
        }
        let empty = State::empty(self.lineage.clone());
        self.install(&Checkpoint::encode(&empty)?, empty.serial).await?;
        Ok(empty.serial)
    }

    async fn append(&mut self, entries: &[String]) -> Result<(), StoreError> {
        self.check()?;
        if entries.is_empty() {
            return Ok(());
        }
        let serial = self.begin().await?;
        let mut chain = self.chain.clone();
        let mut lines = Vec::new();
        for entry in entries {
            chain.encode(self.lease.generation, entry, &mut lines);
        }
        let sort = table::journal_key(serial, self.chain.seq + 1);
        let sha256 = wire::sha256(&lines);
        let mut item = self.item(&sort);
        item.insert("sha256".into(), text(&sha256));
        if lines.len() > self.place.most_in_an_item {
            let key = self.place.key(&objects::spill_name(serial, &sha256));
            self.put_immutable(&key, &lines).await?;
            item.insert("spill".into(), text(&sha256));
        } else {
            item.insert("lines".into(), text(line_text(lines)?));
        }
        self.write(item, &Before::Nothing, Some((serial, chain.seq))).await?;
        self.chain = chain;
        self.batches.push(sort);
        Ok(())
    }

    async fn checkpoint(&mut self, checkpoint: &Checkpoint, serial: u64) -> Result<(), StoreError> {
        self.check()?;
        let last = self.begin().await?;
        wire::next_serial(last, serial)?;
        self.install(checkpoint, serial).await
    }

    async fn record(&mut self, line: Vec<u8>) -> Result<(), StoreError> {
        self.check()?;
        let generation = self.lease.generation;
        // The copy first: what the table names is also in the bucket.
        let key = self.place.key(&objects::history_name(generation, &wire::sha256(&line)));
        self.put_immutable(&key, &line).await?;
        let mut item = self.item(&table::history_key(generation, self.recorded + 1));
        item.insert("operation".into(), text(line_text(line)?));
        self.write(item, &Before::Nothing, None).await?;
        self.recorded += 1;
        Ok(())
    }

    /// Gives the lease back.
    pub(super) async fn give_back(&mut self) -> Result<(), StoreError> {
        if let Some(tidying) = self.tidying.take() {
            // If it failed it has said so.
            let _ = tidying.await;
        }
        let shared = &self.shared;
        // For longer than the lease would last it is not worth trying.
        let patience = shared.patience(shared.url.ttl.min(Duration::from_secs(10)), None);
        let Err(failure) = shared.table.renew(&shared.calls, &patience, &self.held, false).await else { return Ok(()) };
        let read_back = failure.kind == Kind::Condition || failure.maybe_done;
        // Given back by an attempt whose answer was lost, or taken over by another run: either way it is no longer ours.
        if read_back
            && let Ok(found) = self.place.read_lease_item(shared, &shared.reading_back()).await
            && !self.held.is(found.as_ref())
        {
            return Ok(());
        }
        let ttl = shared.url.ttl.as_secs_f32();
        let what =
            format!("giving back the lease of stack {} (it ends by itself {ttl} s after this run)", self.place.stack);
        Err(failure.at(what))
    }
}

/// Replaces the copy of the head in the bucket, unless it is newer.
async fn copy_head(shared: &Shared, place: &Place, head: &HeadItem) -> Result<(), StoreError> {
    let key = place.key(HEAD_NAME);
    let failed = |e: Failure| e.at(format!("writing {}{key}", place.bucket));
    let patience = shared.reading();
    for _ in 0..5 {
        let found = match shared.bucket.get(&shared.calls, &patience, &key, MAX_SMALL).await {
            // Whatever it is, it is no head.
            Err(e) if e.kind == Kind::TooLong => {
                let etag = shared.bucket.etag(&shared.calls, &patience, &key).await.map_err(failed)?;
                Some(Object { bytes: Vec::new(), etag })
            }
            found => found.map_err(failed)?,
        };
        let replace = match &found {
            None => Replace::Nothing,
            Some(found) if found.bytes == head.line.as_bytes() => return Ok(()),
            Some(found) => {
                // Another run may have come further meanwhile; then its copy stays. One that cannot be read is replaced.
                let newer = |other: &Head| (other.serial, other.generation) > (head.head.serial, head.head.generation);
                if Head::decode(&found.bytes).is_ok_and(|other| other.lineage == head.head.lineage && newer(&other)) {
                    return Ok(());
                }
                Replace::Tag(found.etag.as_deref().unwrap_or_default())
            }
        };
        match shared.bucket.put(&shared.calls, &patience, &key, head.line.as_bytes(), replace).await {
            Ok(_) => return Ok(()),
            // Changed meanwhile, by another run or by an attempt of ours: look again.
            Err(e) if e.kind == Kind::Condition || e.maybe_done => {}
            Err(e) => return Err(failed(e)),
        }
    }
    let why = "it is changed faster than it can be replaced".to_owned();
    Err(StoreError::Io { what: format!("writing {}{key}", place.bucket), why })
}

fn line_text(line: Vec<u8>) -> Result<String, StoreError> {
    String::from_utf8(line).map_err(|e| StoreError::Unwritable { what: "a line".into(), why: e.to_string() })
}

/// A stack in a bucket and a table, under lease.
pub(super) struct S3Session {
    lease: Lease,
    state: State,
    held: Arc<Held>,
    heartbeat: Heartbeat,
    writer: Arc<Mutex<Writer>>,
    released: bool,
}

impl S3Session {
    /// Takes the lease and reads the stack.
    pub(super) async fn acquire(
        shared: Arc<Shared>,
        place: Place,
        holder: &Holder,
        wait_until: Option<Instant>,
    ) -> Result<Self, StoreError> {
        // A newer format is refused before anything is touched.
        let (head, lease) = place.read_stack(&shared).await?;
        let at_least = match (&head, &lease) {
            // The lease's item was removed by hand. What is written from now on must be seen to come later than what is there.
            (Some(head), None) => {
                let found = place.read_under(&shared, head.clone(), None, false).await?;
                found.chain.generation.max(head.head.generation)
            }
            (head, _) => head.as_ref().map_or(0, |head| head.head.generation),
        };
        let (held, item) = take(&shared, &place, holder, wait_until, lease, at_least).await?;
        // From here on the lease is given back whatever happens.
        let mut session = Self::holding(Writer::new(shared, place, held, item.lease.clone()));
        match session.read(&item).await {
            Ok(()) => Ok(session),
            Err(error) => {
                if let Err(e) = Box::new(session).release().await {
                    tracing::warn!("{e}");
                }
                Err(error)
            }
        }
    }

    /// A session over a stack that is not read yet.
    pub(super) fn holding(writer: Writer) -> Self {
        let held = Arc::clone(&writer.held);
        Self {
            lease: writer.lease.clone(),
            state: State::empty(""),
            heartbeat: lease::keep(Arc::clone(&writer.shared), writer.place.clone(), Arc::clone(&held)),
            held,
            writer: Arc::new(Mutex::new(writer)),
            released: false,
        }
    }

    /// Its writer, for work that is done in one go.
    pub(super) async fn writer(&self) -> OwnedMutexGuard<Writer> {
        Arc::clone(&self.writer).lock_owned().await
    }

    /// Reads the stack as it is now that nobody else can change it.
    async fn read(&mut self, lease: &LeaseItem) -> Result<(), StoreError> {
        let mut writer = self.writer.lock().await;
        let (shared, place) = (Arc::clone(&writer.shared), writer.place.clone());
        let (head, _) = place.read_stack(&shared).await?;
        let Some(head) = head else {
            place.really_new(&shared).await?;
            self.state = State::empty(crate::new_lineage());
            writer.lineage = self.state.lineage.clone();
            return Ok(());
        };
        let found = match place.read_under(&shared, head.clone(), lease.tail, true).await {
            // What the last holder was writing when it died may be seen in one of its items a moment before it is in the other.
            Err(StoreError::Damaged { .. }) => {
                tokio::time::sleep(SETTLING).await;
                place.read_under(&shared, head, lease.tail, true).await?
            }
            found => found?,
        };
        writer.lineage = found.state.lineage.clone();
        writer.before = Before::Head(found.head.line.clone());
        writer.serial = Some(found.head.head.serial);
        writer.chain = found.chain;
        writer.batches = found.batches;
        self.state = found.state;
        if !found.left_over.is_empty() {
            writer.tidy(found.head, found.left_over);
        }
        Ok(())
    }

    /// Does one thing after the other, and to its end even if nobody waits for it any more: whether a write that was sent arrived must never depend
    /// on who is still there to ask.
    async fn write<T, F, Fut>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(OwnedMutexGuard<Writer>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, StoreError>> + Send,
    {
        let writer = Arc::clone(&self.writer);
        let done = tokio::spawn(async move { work(writer.lock_owned().await).await });
        done.await.map_err(|e| StoreError::Io {
            what: "writing the state".into(),
            why: format!("{e}; run again to go on from what was written"),
        })?
    }
}

#[async_trait]
impl Session for S3Session {
    fn lease(&self) -> &Lease {
        &self.lease
    }

    fn held(&self) -> Result<(), StoreError> {
        self.held.check()
    }

    fn state(&self) -> &State {
        &self.state
    }

    async fn append(&self, entries: &[Entry]) -> Result<(), StoreError> {
        // Everything that can be wrong with an entry shows here, before a byte is sent.
        let entries = entries.iter().map(wire::entry_text).collect::<Result<Vec<_>, _>>()?;
        self.write(move |mut writer| async move { writer.append(&entries).await }).await
    }

    async fn checkpoint(&self, state: &State) -> Result<(), StoreError> {
        wire::same_lineage(&self.state.lineage, state)?;
        let (state, serial) = (state.clone(), state.serial);
        let checkpoint = super::blocking(move || Checkpoint::encode(&state)).await?;
        self.write(move |mut writer| async move { writer.checkpoint(&checkpoint, serial).await }).await
    }

    async fn record(&self, operation: &Operation) -> Result<(), StoreError> {
        let line = wire::encode_operation(operation)?;
        self.write(move |mut writer| async move { writer.record(line).await }).await
    }

    async fn release(mut self: Box<Self>) -> Result<(), StoreError> {
        self.released = true;
        self.heartbeat.end(self.held.a_renewals_time()).await;
        self.write(move |mut writer| async move { writer.give_back().await }).await
    }
}

impl Drop for S3Session {
    fn drop(&mut self) {
        self.heartbeat.abort();
        if self.released {
            return;
        }
        // Whoever dropped it did not wait; if the lease can't be given back now, it ends by itself.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let writer = Arc::clone(&self.writer);
            runtime.spawn(async move {
                if let Err(e) = writer.lock().await.give_back().await {
                    tracing::warn!("{e}");
                }
            });
        }
    }
}
