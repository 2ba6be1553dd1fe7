//! A stack under lease: the lock, and everything that writes.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use phx_model::state::{Entry, State};
use phx_model::store::{Holder, Lease, Operation, Session, StoreError};

use super::blocking;
use super::files::{self, Kind, io_error, private};
use super::journal::Appender;
use super::place::Place;
use crate::wire::{self, Chain, Checkpoint, Head, MAX_SMALL};

/// How many checkpoints are kept.
const KEEP: usize = 100;
/// How long the gate may be held by others. They hold it for the time of two small files.
const PATIENCE: Duration = Duration::from_secs(10);

/// The lease's lock, held.
pub(super) struct Held {
    lock: File,
    lease: Lease,
}

/// Takes the lock and writes down who has it.
pub(super) fn enter(place: &Place, holder: &Holder, at_least: u64) -> Result<Held, StoreError> {
    files::make_folder(&place.folder)?;
    let open = |path: &Path| {
        private()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|e| io_error("opening", path, &e))
    };
    let gate = open(&place.gate())?;
    files::lock_briefly(&gate, &place.gate(), Kind::Exclusive, PATIENCE)?;
    let lock = open(&place.lock())?;
    if !files::try_lock(&lock, &place.lock(), Kind::Exclusive)? {
        return Err(StoreError::Leased(Box::new(holder_of(place)?)));
    }
    let last = place.read_lease()?.map_or(0, |lease| lease.generation);
    let mut held = Held { lock, lease: lease(holder, last.max(at_least)) };
    held.write(place)?;
    Ok(held)
}

fn lease(holder: &Holder, after: u64) -> Lease {
    Lease { holder: holder.clone(), generation: after.saturating_add(1), acquired: Timestamp::now(), expires: None }
}

impl Held {
    fn write(&mut self, place: &Place) -> Result<(), StoreError> {
        files::replace(&place.lease(), &wire::encode_lease(&self.lease)?, &place.points, "lease-moved")?;
        place.points.pass("lease-durable");
        Ok(())
    }

    /// Makes the generation greater than `last`, for the case that lease.json was lost and began to count anew.
    fn outrun(&mut self, place: &Place, last: u64) -> Result<(), StoreError> {
        if self.lease.generation <= last {
            self.lease = lease(&self.lease.holder, last);
            self.write(place)?;
        }
        Ok(())
    }
}

/// Who holds the lock that somebody holds. Asked with the gate held, so it is written already.
fn holder_of(place: &Place) -> Result<Lease, StoreError> {
    place.read_lease()?.ok_or_else(|| StoreError::Io {
        what: format!("reading {}", place.lease().display()),
        why: "it is missing, and another process holds the stack's lock".into(),
    })
}

/// Who has the lease.
pub(super) fn look(place: &Place) -> Result<Option<Lease>, StoreError> {
    let open = |path: &Path| match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io_error("opening", path, &e)),
    };
    let Some(gate) = open(&place.gate())? else { return Ok(None) };
    files::lock_briefly(&gate, &place.gate(), Kind::Shared, PATIENCE)?;
    let Some(lock) = open(&place.lock())? else { return Ok(None) };
    if files::try_lock(&lock, &place.lock(), Kind::Shared)? {
        return Ok(None);
    }
    holder_of(place).map(Some)
}

/// What a session writes with.
pub(super) struct Writer {
    pub(super) place: Place,
    held: Held,
    pub(super) lineage: String,
    pub(super) head: Option<Head>,
    journal: Option<Appender<File>>,
    /// Something was written under a head before, so that a history needs none to be begun.
    had_a_head: bool,
    /// The lock is somebody else's to take.
    given_back: bool,
    /// Why nothing can be written any more.
    doubt: Option<String>,
}

impl Writer {
    /// A writer of a stack whose present is not read. What it installs takes the place of whatever is there.
    pub(super) fn blank(place: Place, held: Held, lineage: String) -> Self {
        Self { place, held, lineage, head: None, journal: None, had_a_head: false, given_back: false, doubt: None }
    }

    /// The same, of a stack that has had a head: nothing is put before what there is.
    pub(super) fn going_on(place: Place, held: Held, lineage: String, head: Option<Head>) -> Self {
        Self { head, had_a_head: true, ..Self::blank(place, held, lineage) }
    }

    /// Takes the lease and reads the stack.
    pub(super) fn acquire(place: Place, holder: &Holder) -> Result<(Self, State), StoreError> {
        // A newer format is refused before anything is touched.
        let written_under = place.read_head()?.map_or(0, |head| head.generation);
        let mut held = enter(&place, holder, written_under)?;
        let Some(found) = place.read()? else {
            let state = State::empty(crate::new_lineage());
            let writer = Self::blank(place, held, state.lineage.clone());
            writer.sweep()?;
            return Ok((writer, state));
        };
        held.outrun(&place, found.tail.chain.generation.max(found.head.generation))?;
        let journal = Appender::open(place.journal(found.head.serial), found.tail)?;
        let lineage = found.state.lineage.clone();
        let (head, journal) = (Some(found.head), Some(journal));
        let writer = Self { place, held, lineage, head, journal, had_a_head: true, given_back: false, doubt: None };
        writer.sweep()?;
        Ok((writer, found.state))
    }

    fn lease(&self) -> &Lease {
        &self.held.lease
    }

    /// Whether this session may still write.
    fn check(&self) -> Result<(), StoreError> {
        if self.given_back {
            return Err(StoreError::Io {
                what: format!("writing {}", self.place.folder.display()),
                why: "the stack's lease was given back".into(),
            });
        }
        if let Some(why) = &self.doubt {
            return Err(StoreError::Io {
                what: format!("writing {}", self.place.folder.display()),
                why: format!(
                    "an earlier write of head.json failed ({why}) and left it in doubt; the next run goes on from what it finds"
                ),
            });
        }
        match self.place.read_lease()? {
            Some(found) if found.generation == self.lease().generation => Ok(()),
            Some(_) => Err(StoreError::Superseded { held: self.lease().generation }),
            None => Err(StoreError::Damaged {
                what: self.place.lease().display().to_string(),
                why: "it is gone: the stack's folder was moved or removed while this run was at work".into(),
                hint: "put the folder back where it was, and run again".into(),
            }),
        }
    }

    fn append(&mut self, entries: &[String]) -> Result<(), StoreError> {
        self.check()?;
        if entries.is_empty() {
            return Ok(());
        }
        let (generation, points) = (self.lease().generation, self.place.points.clone());
        self.begin()?.append(generation, entries, &points)
    }

    /// The journal. A new stack gets its first checkpoint, an empty one, before the first entry, so that its lineage is durable with it.
    fn begin(&mut self) -> Result<&mut Appender<File>, StoreError> {
        if self.journal.is_none() {
            let empty = State::empty(self.lineage.clone());
            self.install(&Checkpoint::encode(&empty)?, empty.serial)?;
        }
        self.journal.as_mut().ok_or_else(|| StoreError::Io {
            what: format!("writing {}", self.place.folder.display()),
            why: "the stack has no journal".into(),
        })
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint, serial: u64) -> Result<(), StoreError> {
        self.check()?;
        self.begin()?;
        wire::next_serial(self.head.as_ref().map_or(0, |head| head.serial), serial)?;
        let on_disk = self.place.read_head()?;
        if on_disk != self.head {
            let found =
                on_disk.map_or("none".into(), |head| format!("checkpoint {} of lineage {}", head.serial, head.lineage));
            return Err(StoreError::Unwritable {
                what: format!("checkpoint {serial} of stack {}", self.place.stack),
                why: format!("head.json was changed by something else: it names {found}"),
            });
        }
        self.install(checkpoint, serial)
    }

    /// Makes a checkpoint the present one. Until the head is replaced nothing has changed; from then on everything has.
    pub(super) fn install(&mut self, checkpoint: &Checkpoint, serial: u64) -> Result<(), StoreError> {
        let place = &self.place;
        place.write_checkpoint(checkpoint)?;
        let journal = Appender::create(place.journal(serial), Chain::start(&checkpoint.sha256))?;
        files::sync_folder(&place.folder)?;
        place.points.pass("journal-created");
        let head = Head::new(&self.lineage, serial, self.held.lease.generation, &checkpoint.sha256);
        let moved = files::replace(&place.head(), &head.encode()?, &place.points, "head-moved");
        if let Err(e) = moved {
            // If the old head is still there, the old journal goes on. Otherwise it cannot be told which of the two a power cut would leave.
            if !self.place.read_head().is_ok_and(|found| found == self.head) {
                self.doubt = Some(e.to_string());
            }
            return Err(e);
        }
        self.place.points.pass("head-durable");
        self.head = Some(head);
        self.journal = Some(journal);
        // The checkpoint is made, and whatever is left lying about is only that.
        if let Err(e) = self.sweep().and_then(|()| self.prune()) {
            tracing::warn!("the state is written, but something old was left in its folder: {e}");
        }
        Ok(())
    }

    /// Removes what a crash or an earlier checkpoint left: journals that the head does not name, unfinished files.
    fn sweep(&self) -> Result<(), StoreError> {
        let current = self.head.as_ref().map(|head| self.place.folder.join(&head.journal));
        let old = self.place.journals()?.into_iter().filter(|path| Some(path) != current.as_ref());
        let unfinished =
            self.place.list(&self.place.folder)?.into_iter().chain(self.place.list(&self.place.checkpoints())?);
        for path in old.chain(unfinished.filter(|path| path.extension().is_some_and(|e| e == "tmp"))) {
            fs::remove_file(&path).map_err(|e| io_error("removing", &path, &e))?;
            self.place.points.pass("left-over-removed");
        }
        Ok(())
    }

    /// Removes the oldest checkpoints beyond [`KEEP`].
    fn prune(&self) -> Result<(), StoreError> {
        for sha256 in self.place.kept()?.into_iter().skip(KEEP) {
            if self.head.as_ref().is_none_or(|head| head.checkpoint != sha256) {
                let path = self.place.checkpoint(&sha256);
                fs::remove_file(&path).map_err(|e| io_error("removing", &path, &e))?;
            }
        }
        Ok(())
    }

    pub(super) fn record(&mut self, line: &[u8]) -> Result<(), StoreError> {
        self.check()?;
        // A stack with a past has a head: without one, its history would be taken for what is left of a damaged stack.
        if !self.had_a_head {
            self.begin()?;
        }
        let path = self.place.history();
        let failed = |e: std::io::Error| io_error("writing", &path, &e);
        let mut file = private().read(true).append(true).create(true).open(&path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        // A line that a crash cut short must not stay in front of this one.
        let look_back = len.min(MAX_SMALL);
        file.seek(SeekFrom::Start(len - look_back)).map_err(failed)?;
        let mut end = Vec::new();
        Read::by_ref(&mut file).take(look_back).read_to_end(&mut end).map_err(failed)?;
        let torn = end.iter().rev().take_while(|b| **b != b'\n').count() as u64;
        let good = len - torn;
        if torn > 0 {
            file.set_len(good).map_err(failed)?;
        }
        if let Err(e) = file.write_all(line).and_then(|()| file.sync_data()) {
            // If this fails too, the next record finds the unfinished line and takes it away.
            let _ = file.set_len(good);
            return Err(failed(e));
        }
        if len == 0 {
            files::sync_folder(&self.place.folder)?;
        }
        self.place.points.pass("operation-durable");
        Ok(())
    }
}

/// A stack in a folder, under lease. The lock ends with it.
pub(super) struct LocalSession {
    lease: Lease,
    state: State,
    writer: Arc<Mutex<Writer>>,
}

impl LocalSession {
    pub(super) async fn acquire(place: Place, holder: Holder) -> Result<Self, StoreError> {
        let (writer, state) = blocking(move || Writer::acquire(place, &holder)).await?;
        Ok(Self { lease: writer.lease().clone(), state, writer: Arc::new(Mutex::new(writer)) })
    }

    /// Does one thing after the other, away from the runtime's threads, and to its end even if nobody waits for it any more.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let writer = Arc::clone(&self.writer);
        blocking(move || {
            let mut writer = writer.lock().map_err(|_| StoreError::Io {
                what: "writing the state".into(),
                why: "an earlier write panicked; run again to go on from what it left".into(),
            })?;
            work(&mut writer)
        })
        .await
    }
}

#[async_trait]
impl Session for LocalSession {
    fn lease(&self) -> &Lease {
        &self.lease
    }

    fn state(&self) -> &State {
        &self.state
    }

    async fn append(&self, entries: &[Entry]) -> Result<(), StoreError> {
        // Everything that can be wrong with an entry shows here, before a byte is written.
        let entries = entries.iter().map(wire::entry_text).collect::<Result<Vec<_>, _>>()?;
        self.write(move |writer| writer.append(&entries)).await
    }

    async fn checkpoint(&self, state: &State) -> Result<(), StoreError> {
        wire::same_lineage(&self.state.lineage, state)?;
        let checkpoint = Checkpoint::encode(state)?;
        let serial = state.serial;
        self.write(move |writer| writer.checkpoint(&checkpoint, serial)).await
    }

    async fn record(&self, operation: &Operation) -> Result<(), StoreError> {
        let line = wire::encode_operation(operation)?;
        self.write(move |writer| writer.record(&line)).await
    }

    async fn release(self: Box<Self>) -> Result<(), StoreError> {
        self.write(|writer| {
            // A write that nobody waited for may come only now, and the lease's generation is still the one in the folder.
            writer.given_back = true;
            let path = writer.place.lock();
            writer.held.lock.unlock().map_err(|e| io_error("unlocking", &path, &e))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use phx_model::ValueMap;
    use phx_model::state::OperationId;
    use phx_model::urn::StackName;

    use super::*;

    #[tokio::test]
    async fn what_comes_after_the_lease_was_given_back_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let stack = StackName::new("dev").unwrap();
        let place = Place { folder: folder.path().join("dev"), stack, points: files::Points::default() };
        let holder = Holder { who: "me@here".into(), pid: 7, kind: "up".into(), operation: OperationId("op".into()) };
        let session = LocalSession::acquire(place, holder).await.unwrap();
        let outputs = || Entry::Outputs { outputs: ValueMap::new() };
        session.append(&[outputs()]).await.unwrap();
        let writer = Arc::clone(&session.writer);
        Box::new(session).release().await.unwrap();
        let error = writer.lock().unwrap().append(&[wire::entry_text(&outputs()).unwrap()]).unwrap_err().to_string();
        assert!(error.contains("given back"), "{error}");
    }
}
