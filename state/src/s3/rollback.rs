//! The way back from damage: to an older checkpoint, or to what is left of the present.

use std::path::PathBuf;

use phx_model::state::State;
use phx_model::store::{Holder, Import, RolledBack, Session, StoreError};
use phx_model::urn::StackName;

use super::objects::HEAD_NAME;
use super::place::{Place, sort_of};
use super::session::{S3Session, Writer, take};
use super::table::{self, Before, HeadItem, Item};
use super::{S3Store, Shared};
use crate::wire::{Checkpoint, Head, MAX_SMALL};

/// What is to become the present.
pub(super) enum Wanted<'a> {
    /// An earlier state, that of a checkpoint if its serial is named.
    Earlier(Option<u64>),
    /// A state from elsewhere.
    Import(&'a Import),
}

/// Makes a state the present one, under a lease of its own, as a new checkpoint with a new serial. The head and the journal that were in force are
/// kept in the bucket.
pub(super) async fn under_lease(
    store: &S3Store,
    stack: &StackName,
    holder: &Holder,
    wanted: &Wanted<'_>,
) -> Result<RolledBack, StoreError> {
    let (shared, place) = (&store.shared, store.place(stack));
    let (head, lease) = place.read_items(shared).await?;
    let written_under = present(&place, head.as_ref())?.map_or(0, |head| head.head.generation);
    let lease =
        lease.map(|item| table::LeaseItem::decode(&item).map_err(|why| place.damaged_lease(why))).transpose()?;
    let (held, item) = take(shared, &place, holder, None, lease, written_under).await?;
    let tail = item.tail;
    let session = S3Session::holding(Writer::new(shared.clone(), place.clone(), held, item.lease));
    let done = match wanted {
        Wanted::Earlier(to) => roll_back(shared, &place, &session, tail, *to).await,
        Wanted::Import(import) => bring_in(shared, &place, &session, tail, import).await,
    };
    let released = Box::new(session).release().await;
    let done = done?;
    released?;
    Ok(done)
}

/// Makes a state from elsewhere the present one.
async fn bring_in(
    shared: &Shared,
    place: &Place,
    session: &S3Session,
    tail: Option<(u64, u64)>,
    import: &Import,
) -> Result<RolledBack, StoreError> {
    // Nobody else changes it any more, so what is compared is what is replaced.
    import.may_replace(&place.load(shared).await)?;
    let history = match place.history(shared).await {
        Err(StoreError::Damaged { .. }) if import.force => Vec::new(),
        history => history?,
    };
    // The history first: whoever finds the state there finds what led to it.
    for operation in import.missing_in(&history) {
        session.record(operation).await?;
    }
    let found = Found::read(shared, place, tail).await?;
    found.replace(place, session, import.state.serial, import.state.clone()).await
}

/// The head, if it can be read. A newer format is not damage.
pub(super) fn present(place: &Place, item: Option<&Item>) -> Result<Option<HeadItem>, StoreError> {
    match item.map(HeadItem::decode) {
        Some(Ok(head)) => Ok(Some(head)),
        Some(Err(newer @ crate::wire::Unreadable::Newer(_))) => Err(newer.at(place.item(table::HEAD), "")),
        Some(Err(_)) | None => Ok(None),
    }
}

async fn roll_back(
    shared: &Shared,
    place: &Place,
    session: &S3Session,
    tail: Option<(u64, u64)>,
    to: Option<u64>,
) -> Result<RolledBack, StoreError> {
    // Read again: until the lease was ours it could move.
    let found = Found::read(shared, place, tail).await?;
    let (from, state) = choose(shared, place, &found, to).await?;
    found.replace(place, session, from, state).await
}

/// What is in force, good or not.
struct Found {
    /// The head's item.
    item: Option<Item>,
    head: Option<HeadItem>,
    /// All journals' batches.
    items: Vec<Item>,
    kept: Vec<(u64, String)>,
    /// The copy of the head in the bucket.
    copy: Option<Vec<u8>>,
    tail: Option<(u64, u64)>,
}

impl Found {
    async fn read(shared: &Shared, place: &Place, tail: Option<(u64, u64)>) -> Result<Self, StoreError> {
        let (item, _) = place.read_items(shared).await?;
        let head = present(place, item.as_ref())?;
        let items = place.journal_items(shared, None).await?;
        let kept = place.checkpoints(shared).await?;
        let copy = match place.read_object(shared, HEAD_NAME, MAX_SMALL).await {
            // It is only a copy, and the new head's takes its place.
            Err(StoreError::Damaged { .. }) => None,
            copy => copy?,
        };
        Ok(Self { item, head, items, kept, copy, tail })
    }

    /// The greatest serial that anything here has.
    fn last_serial(&self) -> u64 {
        let numbers = |item: &Item| table::journal_numbers(table::text_of(item, table::SORT).ok()?);
        let journals = self.items.iter().filter_map(numbers).map(|(serial, _)| serial);
        let copy = self.copy.iter().filter_map(|bytes| Some(Head::decode(bytes).ok()?.serial));
        let serials = journals
            .chain(self.kept.iter().map(|(serial, _)| *serial))
            .chain(self.head.iter().map(|head| head.head.serial))
            .chain(copy);
        serials.max().unwrap_or(0)
    }

    /// Puts `state` in its place, with a serial after all there are.
    async fn replace(
        &self,
        place: &Place,
        session: &S3Session,
        from: u64,
        mut state: State,
    ) -> Result<RolledBack, StoreError> {
        let last = self.last_serial().max(state.serial);
        state.serial = last.checked_add(1).ok_or_else(|| StoreError::Unwritable {
            what: format!("a checkpoint of stack {}", place.stack),
            why: "its serial would be too large".into(),
        })?;

        let mut set_aside = Vec::new();
        let mut keep = Vec::new();
        if let Some(line) = self.item.as_ref().and_then(|item| table::text_of(item, "head").ok()) {
            keep.push(("head.json", line.as_bytes().to_vec()));
        }
        let lines: Vec<u8> = self.items.iter().flat_map(|item| raw(item).into_bytes()).collect();
        if !lines.is_empty() {
            keep.push(("journal.jsonl", lines));
        }
        let mut writer = session.writer().await;
        for (name, bytes) in keep {
            // Of a spilled batch this is only the name; the bucket keeps the object itself as an old version.
            let key = place.key(&format!("before-{}/{}-{name}", state.serial, &crate::wire::sha256(&bytes)[..16]));
            writer.put_immutable(&key, &bytes).await?;
            set_aside.push(PathBuf::from(format!("{}{key}", place.bucket)));
        }
        writer.lineage = state.lineage.clone();
        writer.before = match (&self.item, &self.head) {
            (None, _) => Before::Nothing,
            (Some(_), Some(head)) => Before::Head(head.line.clone()),
            (Some(_), None) => Before::Anything,
        };
        writer.batches = self.items.iter().filter_map(sort_of).collect();
        let checkpoint = Checkpoint::encode(&state)?;
        writer.install(&checkpoint, state.serial).await?;
        Ok(RolledBack { state, from, set_aside })
    }
}

/// What an item says, for keeping: its lines, or which object has them.
fn raw(item: &Item) -> String {
    match (table::text_of(item, "lines"), table::text_of(item, "spill")) {
        (Ok(lines), _) => lines.to_owned(),
        (_, Ok(spill)) => format!("{{\"spill\":{spill:?}}}\n"),
        _ => format!("{{\"unreadable\":{:?}}}\n", format!("{item:?}")),
    }
}

/// The batches of the journal after a checkpoint.
fn of_journal(items: &[Item], serial: u64) -> Vec<Item> {
    let its = |item: &&Item| {
        let numbers = table::text_of(item, table::SORT).ok().and_then(table::journal_numbers);
        numbers.is_some_and(|(of, _)| of == serial)
    };
    items.iter().filter(its).cloned().collect()
}

/// The state to go back to, and the serial of the checkpoint it is made from.
async fn choose(shared: &Shared, place: &Place, found: &Found, to: Option<u64>) -> Result<(u64, State), StoreError> {
    let Found { head, items, kept, tail, .. } = found;
    let nothing = |why: String| StoreError::Io { what: format!("rolling stack {} back", place.stack), why };
    let wanted = |serial: u64| to.is_none_or(|to| serial == to);
    let mut below = u64::MAX;
    if let (Some(HeadItem { head, .. }), None) = (head, to) {
        below = head.serial;
        match place.read_base(shared, head).await {
            Ok(mut state) => {
                let current = of_journal(items, head.serial);
                match place.fold(shared, head, &current, *tail, &mut state).await?.stopped {
                    Some(StoreError::Damaged { .. }) => return Ok((head.serial, state)),
                    Some(error) => return Err(error),
                    None => {}
                }
            }
            Err(StoreError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    for (serial, sha256) in kept.iter().filter(|(serial, _)| wanted(*serial) && *serial < below) {
        match place.read_checkpoint(shared, *serial, sha256).await {
            // A state of another lineage is not this stack's, whatever lies in its folder.
            Ok(mut state) if head.as_ref().is_none_or(|head| head.head.lineage == state.lineage) => {
                if head.is_none() && to.is_none() {
                    // Without a head it is still known which journal follows the checkpoint: its first line is sealed with the checkpoint's hash.
                    // What it says up to its end, or its first bad line, are objects that would be forgotten.
                    let lost = Head::new(&state.lineage, *serial, 0, sha256);
                    let following = of_journal(items, *serial);
                    match place.fold(shared, &lost, &following, *tail, &mut state).await?.stopped {
                        None | Some(StoreError::Damaged { .. }) => {}
                        Some(error) => return Err(error),
                    }
                }
                return Ok((*serial, state));
            }
            Ok(_) | Err(StoreError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Err(nothing(match to {
        Some(serial) => format!("there is no good checkpoint {serial} in {}{}", place.bucket, place.folder),
        None => format!("there is no good checkpoint in {}{} to go back to", place.bucket, place.folder),
    }))
}
