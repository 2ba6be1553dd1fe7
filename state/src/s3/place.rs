//! One stack's place in the table and the bucket, and how it is read.

use std::time::Duration;

use phx_model::state::{Fold, State};
use phx_model::store::{Operation, StoreError};
use phx_model::urn::StackName;

use super::Shared;
use super::call::Kind;
use super::objects::{self, HEAD_NAME};
use super::table::{self, HEAD, HeadItem, Item, LEASE, LeaseItem};
use crate::wire::{self, Chain, Checkpoint, Head, MAX_CHECKPOINT, MAX_LINE, MAX_SMALL, Unreadable};

/// The most that a spilled batch has: a batch is what was waiting at one moment.
const MAX_SPILL: u64 = MAX_CHECKPOINT;
/// How long after a transaction one of its items may still be seen as it was before, and another as it is now: a query is not isolated from it as a
/// whole. So damage is believed when it is seen a second time.
pub(super) const SETTLING: Duration = Duration::from_millis(250);

/// One stack.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) stack: StackName,
    /// Of its items.
    pub(super) partition: String,
    /// What the keys of its objects begin with, up to and with a `/`.
    pub(super) folder: String,
    /// `s3://bucket/`, for messages.
    pub(super) bucket: String,
    /// The table, for messages.
    pub(super) table: String,
    /// Longer batches go to the bucket.
    pub(super) most_in_an_item: usize,
}

/// A stack as it was read.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) head: HeadItem,
    pub(super) state: State,
    pub(super) chain: Chain,
    /// The sort keys of the journal's batches.
    pub(super) batches: Vec<String>,
    /// The sort keys of batches that earlier checkpoints have made superfluous.
    pub(super) left_over: Vec<String>,
}

/// A journal as far as it is good.
pub(super) struct Journal {
    pub(super) chain: Chain,
    /// The sort keys of all batches, good and bad.
    pub(super) batches: Vec<String>,
    /// What stopped the reading.
    pub(super) stopped: Option<StoreError>,
}

impl Place {
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.folder)
    }

    pub(super) fn object(&self, name: &str) -> String {
        format!("{}{}", self.bucket, self.key(name))
    }

    pub(super) fn item(&self, sort: &str) -> String {
        format!("item {sort} of {} in table {}", self.partition, self.table)
    }

    pub(super) fn damaged(&self, what: String, why: Unreadable) -> StoreError {
        let hint = format!(
            "`phx state rollback --stack {}` goes back to what is good and keeps what is damaged; the bucket keeps older versions of every object",
            self.stack
        );
        why.at(what, hint)
    }

    pub(super) fn damaged_lease(&self, why: Unreadable) -> StoreError {
        let hint = format!(
            "nothing is lost with it: when no phx is running, `phx lock break --stack {}` removes it",
            self.stack
        );
        why.at(self.item(LEASE), hint)
    }

    /// Head and lease, with one request.
    pub(super) async fn read_stack(
        &self,
        shared: &Shared,
    ) -> Result<(Option<HeadItem>, Option<LeaseItem>), StoreError> {
        let (head, lease) = self.read_items(shared).await?;
        let head = head.map(|item| HeadItem::decode(&item).map_err(|why| self.damaged(self.item(HEAD), why)));
        let lease = lease.map(|item| LeaseItem::decode(&item).map_err(|why| self.damaged_lease(why)));
        Ok((head.transpose()?, lease.transpose()?))
    }

    /// The same, whatever they say.
    pub(super) async fn read_items(&self, shared: &Shared) -> Result<(Option<Item>, Option<Item>), StoreError> {
        let items = shared.table.list(&shared.calls, &shared.reading(), &self.partition, "stack#").await;
        let items = items.map_err(|e| e.at(format!("reading stack {} in table {}", self.stack, self.table)))?;
        let (mut head, mut lease) = (None, None);
        for item in items {
            match table::text_of(&item, table::SORT) {
                Ok(HEAD) => head = Some(item),
                Ok(LEASE) => lease = Some(item),
                _ => {}
            }
        }
        Ok((head, lease))
    }

    /// Refuses to take a stack for a new one whose bucket shows that it has been in use: another table would make phx forget every object.
    pub(super) async fn really_new(&self, shared: &Shared) -> Result<(), StoreError> {
        let Some(found) = self.read_object(shared, HEAD_NAME, MAX_SMALL).await? else {
            // The other way around: the head is gone from the table, and there is a journal without it.
            let left = shared.table.list(&shared.calls, &shared.reading_pages(), &self.partition, "journal#").await;
            let left = left.map_err(|e| e.at(format!("reading stack {} in table {}", self.stack, self.table)))?;
            if left.is_empty() {
                return Ok(());
            }
            let why = "it is missing, and there is a journal that follows one".to_owned();
            return Err(self.damaged(self.item(HEAD), Unreadable::Damaged(why)));
        };
        let serial = match Head::decode(&found) {
            Ok(head) => format!(" of checkpoint {}", head.serial),
            Err(newer @ Unreadable::Newer(_)) => return Err(self.damaged(self.object(HEAD_NAME), newer)),
            Err(Unreadable::Damaged(_)) => String::new(),
        };
        Err(StoreError::Damaged {
            what: self.item(HEAD),
            why: format!("it is missing, and the bucket has a copy{serial} ({})", self.object(HEAD_NAME)),
            hint: format!(
                "check `table=` and `region=` of the state URL; if the table was lost, restore it from its point-in-time recovery, or `phx state rollback --stack {}` goes back to the newest checkpoint",
                self.stack
            ),
        })
    }

    /// An object of the stack, whole. `None`: there is none.
    pub(super) async fn read_object(
        &self,
        shared: &Shared,
        name: &str,
        most: u64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let found = shared.bucket.get(&shared.calls, &shared.reading(), &self.key(name), most).await;
        let found = found.map_err(|e| match e.kind {
            Kind::TooLong => self.damaged(self.object(name), Unreadable::Damaged(e.why)),
            _ => e.at(format!("reading {}", self.object(name))),
        })?;
        Ok(found.map(|object| object.bytes))
    }

    /// A checkpoint, verified.
    pub(super) async fn read_checkpoint(
        &self,
        shared: &Shared,
        serial: u64,
        sha256: &str,
    ) -> Result<State, StoreError> {
        let name = objects::checkpoint_name(serial, sha256);
        let bad = |why| self.damaged(self.object(&name), why);
        let Some(bytes) = self.read_object(shared, &name, MAX_CHECKPOINT).await? else {
            return Err(bad(Unreadable::Damaged("it is missing".into())));
        };
        let hash = sha256.to_owned();
        let state = super::blocking(move || Ok(Checkpoint::decode(&bytes, &hash))).await?.map_err(bad)?;
        if state.serial != serial {
            let why = format!("it is serial {}, and its name says {serial}", state.serial);
            return Err(bad(Unreadable::Damaged(why)));
        }
        Ok(state)
    }

    /// The checkpoint that a head names, verified.
    pub(super) async fn read_base(&self, shared: &Shared, head: &Head) -> Result<State, StoreError> {
        let state = self.read_checkpoint(shared, head.serial, &head.checkpoint).await?;
        if state.lineage != head.lineage {
            let why = format!("it is of lineage {}, and the head says {}", state.lineage, head.lineage);
            let name = objects::checkpoint_name(head.serial, &head.checkpoint);
            return Err(self.damaged(self.object(&name), Unreadable::Damaged(why)));
        }
        Ok(state)
    }

    /// The items of the journal after checkpoint `serial`, or with `None` of all journals.
    pub(super) async fn journal_items(&self, shared: &Shared, serial: Option<u64>) -> Result<Vec<Item>, StoreError> {
        let beginning = serial.map_or("journal#".to_owned(), |serial| format!("journal#{serial:020}#"));
        let items = shared.table.list(&shared.calls, &shared.reading_pages(), &self.partition, &beginning).await;
        items.map_err(|e| e.at(format!("reading the journal of stack {} in table {}", self.stack, self.table)))
    }

    /// Folds a journal over `state`, as far as it is good. `tail`: how far it must go at the least.
    pub(super) async fn fold(
        &self,
        shared: &Shared,
        head: &Head,
        items: &[Item],
        tail: Option<(u64, u64)>,
        state: &mut State,
    ) -> Result<Journal, StoreError> {
        let batches = items.iter().filter_map(sort_of).collect();
        let mut journal = Journal { chain: Chain::start(&head.checkpoint), batches, stopped: None };
        for item in items {
            let sort = table::text_of(item, table::SORT).unwrap_or_default();
            let lines = match self.lines(shared, item).await {
                Ok(lines) => lines,
                Err(Stop::Store(e)) => return Err(e),
                Err(Stop::Bad(why)) => {
                    journal.stopped = Some(self.damaged(self.item(sort), why));
                    return Ok(journal);
                }
            };
            // What the lines before a bad one say counts, as in a file.
            if let Err((line, why)) = apply(&lines, &mut journal.chain, state) {
                journal.stopped = Some(self.damaged(format!("line {line} of {}", self.item(sort)), why));
                return Ok(journal);
            }
        }
        if let Some((serial, seq)) = tail
            && serial == head.serial
            && seq > journal.chain.seq
        {
            let why = format!("it ends with entry {}, and {seq} were written", journal.chain.seq);
            let what = format!("the journal after checkpoint {serial} of {} in table {}", self.partition, self.table);
            journal.stopped = Some(self.damaged(what, Unreadable::Damaged(why)));
        }
        Ok(journal)
    }

    /// The lines of a batch, wherever they are, verified against the hash in its item.
    async fn lines(&self, shared: &Shared, item: &Item) -> Result<Vec<u8>, Stop> {
        table::known(item)?;
        let sha256 = table::text_of(item, "sha256")?;
        let lines = match item.get("spill") {
            None => table::text_of(item, "lines")?.as_bytes().to_vec(),
            Some(_) => {
                let spilled = table::text_of(item, "spill")?;
                // It leads to an object, so nothing but what phx writes is let through.
                if spilled != sha256 || !wire::is_sha256(spilled) {
                    return Err(Unreadable::Damaged("it does not name the object that has its lines".into()).into());
                }
                let numbers = table::text_of(item, table::SORT).ok().and_then(table::journal_numbers);
                let (serial, _) = numbers.ok_or_else(|| Unreadable::Damaged("its key is not a batch's".into()))?;
                let name = objects::spill_name(serial, spilled);
                let found = self.read_object(shared, &name, MAX_SPILL).await.map_err(Stop::Store)?;
                found.ok_or_else(|| Unreadable::Damaged(format!("{} is missing", self.object(&name))))?
            }
        };
        let found = wire::sha256(&lines);
        if found != sha256 {
            return Err(
                Unreadable::Damaged(format!("the SHA-256 of its lines is {found}, and should be {sha256}")).into()
            );
        }
        Ok(lines)
    }

    /// The stack under a head that was read, complete and good. With `all`, also finds what is left over of older journals.
    pub(super) async fn read_under(
        &self,
        shared: &Shared,
        head: HeadItem,
        tail: Option<(u64, u64)>,
        all: bool,
    ) -> Result<Snapshot, StoreError> {
        let serial = head.head.serial;
        let (mut state, mut items) = futures::future::try_join(
            self.read_base(shared, &head.head),
            self.journal_items(shared, (!all).then_some(serial)),
        )
        .await?;
        let serial_of = |item: &Item| Some(table::journal_numbers(table::text_of(item, table::SORT).ok()?)?.0);
        let left_over =
            items.extract_if(.., |item| serial_of(item).is_some_and(|other| other < serial)).collect::<Vec<_>>();
        let journal = self.fold(shared, &head.head, &items, tail, &mut state).await?;
        match journal.stopped {
            Some(error) => Err(error),
            None => Ok(Snapshot {
                head,
                state,
                chain: journal.chain,
                batches: journal.batches,
                left_over: left_over.iter().filter_map(sort_of).collect(),
            }),
        }
    }

    /// Reads beside a writer, who may move the head and remove the journal between two of this reader's requests. What was read counts if
    /// the head is still the same afterwards: a journal is removed only after the head has moved on from it.
    pub(super) async fn load(&self, shared: &Shared) -> Result<Option<State>, StoreError> {
        let (mut head, mut lease) = self.read_stack(shared).await?;
        let mut doubted = None;
        for _ in 0..100 {
            let Some(before) = head else {
                // A first checkpoint may come between the look at the table and the one at the bucket.
                let new = self.really_new(shared).await;
                (head, lease) = self.read_stack(shared).await?;
                if head.is_some() {
                    continue;
                }
                return new.map(|()| None);
            };
            let read = self.read_under(shared, before.clone(), lease.and_then(|lease| lease.tail), false).await;
            (head, lease) = self.read_stack(shared).await?;
            if head.as_ref() == Some(&before) {
                match read {
                    Err(StoreError::Damaged { .. }) if doubted.as_ref() != Some(&before) => {
                        doubted = Some(before);
                        tokio::time::sleep(SETTLING).await;
                    }
                    read => return read.map(|found| Some(found.state)),
                }
            }
        }
        Err(StoreError::Io {
            what: format!("reading stack {}", self.stack),
            why: "it changed faster than it could be read; try again".into(),
        })
    }

    pub(super) async fn history(&self, shared: &Shared) -> Result<Vec<Operation>, StoreError> {
        self.history_items(shared).await?.into_iter().collect()
    }

    /// The same, good ones and bad ones.
    pub(super) async fn history_items(
        &self,
        shared: &Shared,
    ) -> Result<Vec<Result<Operation, StoreError>>, StoreError> {
        let items = shared.table.list(&shared.calls, &shared.reading_pages(), &self.partition, "history#").await;
        let items = items.map_err(|e| e.at(format!("reading the history of stack {}", self.stack)))?;
        let read = |item: &Item| {
            let bad = |why: Unreadable| {
                let sort = table::text_of(item, table::SORT).unwrap_or("history#?");
                let hint = format!("a copy is below {}; the state does not need it", self.object("history/"));
                why.at(self.item(sort), hint)
            };
            table::known(item).map_err(bad)?;
            let line = table::text_of(item, "operation").map_err(bad)?;
            if line.len() as u64 > MAX_LINE {
                return Err(bad(Unreadable::Damaged(format!("it is longer than {MAX_LINE} bytes"))));
            }
            wire::decode_operation(line.as_bytes()).map_err(bad)
        };
        Ok(items.iter().map(read).collect())
    }

    /// The checkpoints in the bucket, good or not, newest first.
    pub(super) async fn checkpoints(&self, shared: &Shared) -> Result<Vec<(u64, String)>, StoreError> {
        let beginning = self.key("checkpoints/");
        let keys = shared.bucket.list(&shared.calls, &shared.reading(), &beginning, false).await;
        let keys = keys.map_err(|e| e.at(format!("listing {}{beginning}", self.bucket)))?;
        let name = |key: &String| key.strip_prefix(&self.folder).map(str::to_owned);
        let mut found: Vec<(u64, String)> = keys
            .iter()
            .filter_map(name)
            .filter_map(|name| objects::checkpoint_numbers(&name).map(|(serial, sha256)| (serial, sha256.to_owned())))
            .collect();
        found.sort_by(|a, b| b.cmp(a));
        Ok(found)
    }
}

/// Why a batch cannot be had.
enum Stop {
    /// The network, mostly.
    Store(StoreError),
    /// It is not what was written.
    Bad(Unreadable),
}

impl From<Unreadable> for Stop {
    fn from(why: Unreadable) -> Self {
        Self::Bad(why)
    }
}

fn apply(lines: &[u8], chain: &mut Chain, state: &mut State) -> Result<(), (u64, Unreadable)> {
    let Some(whole) = lines.strip_suffix(b"\n") else {
        return Err((1, Unreadable::Damaged("its end is missing".into())));
    };
    let mut fold = Fold::of(state);
    for (line, n) in whole.split(|b| *b == b'\n').zip(1..) {
        let entry = chain.decode(line).map_err(|why| (n, why))?;
        fold.apply(&entry).map_err(|e| (n, Unreadable::Damaged(e.to_string())))?;
    }
    Ok(())
}

pub(super) fn sort_of(item: &Item) -> Option<String> {
    table::text_of(item, table::SORT).ok().map(str::to_owned)
}

/// Removes what checkpoint `serial` has made superfluous: these batches, and all spilled ones before it, those of a run that crashed before their
/// item was written included.
pub(super) async fn remove_batches(
    shared: &Shared,
    place: &Place,
    serial: u64,
    sorts: &[String],
) -> Result<(), StoreError> {
    let patience = shared.reading();
    let removed = shared.table.remove_many(&shared.calls, &patience, &place.partition, sorts).await;
    removed.map_err(|e| e.at(format!("removing an old journal of stack {}", place.stack)))?;
    let beginning = place.key("journal/");
    let keys = shared.bucket.list(&shared.calls, &patience, &beginning, false).await;
    let keys = keys.map_err(|e| e.at(format!("listing {}{beginning}", place.bucket)))?;
    for key in keys {
        let old = key.strip_prefix(&place.folder).and_then(objects::spill_serial).is_some_and(|old| old < serial);
        if old {
            let removed = shared.bucket.delete(&shared.calls, &patience, &key).await;
            removed.map_err(|e| e.at(format!("removing {}{key}", place.bucket)))?;
        }
    }
    Ok(())
}
