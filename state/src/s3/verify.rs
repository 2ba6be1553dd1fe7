//! Reading everything that the table and the bucket have of a stack, to name each fault in it.

use std::collections::BTreeSet;

use futures::StreamExt;
use phx_model::state::State;
use phx_model::store::{Fault, StoreError, Verification};

use super::objects::HEAD_NAME;
use super::place::{Place, SETTLING};
use super::table::{self, HEAD, HeadItem, Item, LeaseItem};
use super::{AT_ONCE, Shared};
use crate::wire::{Head, MAX_SMALL, Unreadable};

/// Reads beside a writer, who may move the head between two of this reader's requests: what is wrong counts only if the head is still the same
/// afterwards, and if it is seen twice.
pub(super) async fn verify(shared: &Shared, place: &Place) -> Result<Verification, StoreError> {
    let mut seen = None;
    for _ in 0..10 {
        let (item, lease) = place.read_items(shared).await?;
        let found = look(shared, place, item.as_ref(), lease.as_ref()).await?;
        if found.faults.is_empty() {
            return Ok(found);
        }
        if place.read_items(shared).await?.0 == item && seen.as_ref() == Some(&found.faults) {
            return Ok(found);
        }
        seen = Some(found.faults);
        tokio::time::sleep(SETTLING).await;
    }
    Err(StoreError::Io {
        what: format!("verifying stack {}", place.stack),
        why: "it changed faster than it could be read; try again".into(),
    })
}

/// Damage is what is looked for; anything else stands in the way of looking.
fn fault<T>(result: Result<T, StoreError>, found: &mut Verification) -> Result<Option<T>, StoreError> {
    match result {
        Ok(good) => Ok(Some(good)),
        Err(error @ (StoreError::Damaged { .. } | StoreError::Newer { .. })) => {
            found.faults.push(error.into());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

async fn look(
    shared: &Shared,
    place: &Place,
    item: Option<&Item>,
    lease: Option<&Item>,
) -> Result<Verification, StoreError> {
    let mut found = Verification::default();
    let lease = lease.map(|item| LeaseItem::decode(item).map_err(|why| place.damaged_lease(why))).transpose();
    let tail = fault(lease, &mut found)?.flatten().and_then(|lease| lease.tail);
    let head = item.map(|item| HeadItem::decode(item).map_err(|why| place.damaged(place.item(HEAD), why))).transpose();
    let head = fault(head, &mut found)?.flatten().map(|item| item.head);
    if item.is_none() {
        fault(place.really_new(shared).await, &mut found)?;
    }
    if let Some(head) = &head {
        (found.lineage, found.serial) = (Some(head.lineage.clone()), Some(head.serial));
        in_force(shared, place, head, tail, &mut found).await?;
    }
    checkpoints(shared, place, head.as_ref(), &mut found).await?;
    copy_of_head(shared, place, head.as_ref(), &mut found).await?;
    for operation in place.history_items(shared).await? {
        found.operations += u64::from(fault(operation, &mut found)?.is_some());
    }
    Ok(found)
}

/// The checkpoint that the head names, and the journal after it.
async fn in_force(
    shared: &Shared,
    place: &Place,
    head: &Head,
    tail: Option<(u64, u64)>,
    found: &mut Verification,
) -> Result<(), StoreError> {
    let base = fault(place.read_base(shared, head).await, found)?;
    let serial_of = |item: &Item| Some(table::journal_numbers(table::text_of(item, table::SORT).ok()?)?.0);
    let mut items = place.journal_items(shared, None).await?;
    let later: Vec<Item> = items.extract_if(.., |item| serial_of(item).is_none_or(|n| n > head.serial)).collect();
    for item in later {
        let sort = table::text_of(&item, table::SORT).unwrap_or_default();
        let why = format!("it follows a checkpoint after {}, which is the one in force", head.serial);
        found.faults.push(place.damaged(place.item(sort), Unreadable::Damaged(why)).into());
    }
    // Those of earlier checkpoints are superfluous, and a crash has left them.
    items.retain(|item| serial_of(item) == Some(head.serial));
    let Some(mut state) = base else { return Ok(()) };
    let journal = place.fold(shared, head, &items, tail, &mut state).await?;
    found.entries = journal.chain.seq;
    match journal.stopped {
        Some(error) => drop(fault::<()>(Err(error), found)?),
        None => found.faults.extend(unsound(place, head, &state)),
    }
    Ok(())
}

fn unsound(place: &Place, head: &Head, state: &State) -> Vec<Fault> {
    let of = format!("checkpoint {} with its journal", head.serial);
    let faults = crate::sound(&place.stack, state).into_iter();
    faults.map(|why| place.damaged(of.clone(), Unreadable::Damaged(why)).into()).collect()
}

async fn checkpoints(
    shared: &Shared,
    place: &Place,
    head: Option<&Head>,
    found: &mut Verification,
) -> Result<(), StoreError> {
    let kept: BTreeSet<(u64, String)> = place.checkpoints(shared).await?.into_iter().collect();
    let read = futures::stream::iter(kept).map(|(serial, sha256)| async move {
        let present = head.is_some_and(|head| (head.serial, &head.checkpoint) == (serial, &sha256));
        (present, place.read_checkpoint(shared, serial, &sha256).await)
    });
    let mut read = read.buffered(AT_ONCE);
    while let Some((present, one)) = read.next().await {
        match one {
            Ok(_) => found.checkpoints += 1,
            // It has been named already.
            Err(StoreError::Damaged { .. } | StoreError::Newer { .. }) if present => {}
            other => drop(fault(other, found)?),
        }
    }
    Ok(())
}

/// The copy may be behind. It is never ahead, and never of another stack.
async fn copy_of_head(
    shared: &Shared,
    place: &Place,
    head: Option<&Head>,
    found: &mut Verification,
) -> Result<(), StoreError> {
    let hint = "it is only a copy: the next checkpoint writes it anew";
    let bytes = place.read_object(shared, HEAD_NAME, MAX_SMALL).await.map_err(|error| match error {
        StoreError::Damaged { what, why, .. } => StoreError::Damaged { what, why, hint: hint.into() },
        other => other,
    });
    let Some(bytes) = fault(bytes, found)?.flatten() else { return Ok(()) };
    let bad = |why: Unreadable| why.at(place.object(HEAD_NAME), hint);
    let Some(copy) = fault(Head::decode(&bytes).map_err(bad), found)? else { return Ok(()) };
    if let Some(head) = head.filter(|head| copy.lineage == head.lineage && copy.serial > head.serial) {
        let why = format!("it names checkpoint {}, and the one in force is {}", copy.serial, head.serial);
        let error = place.damaged(place.object(HEAD_NAME), Unreadable::Damaged(why));
        found.faults.push(error.into());
    }
    Ok(())
}
