//! Reading everything that a stack's folder has, to name each fault in it.

use std::fs;
use std::time::Duration;

use phx_model::state::State;
use phx_model::store::{Fault, StoreError, Verification};

use super::place::Place;
use super::session;
use crate::wire::{Head, Unreadable};

/// Reads beside a writer, who may replace the head between two of this reader's steps: what is wrong counts only if the head is still the same
/// afterwards.
pub(super) fn verify(place: &Place) -> Result<Verification, StoreError> {
    for _ in 0..20 {
        let before = fs::read(place.head()).ok();
        let found = look(place)?;
        if found.faults.is_empty() || fs::read(place.head()).ok() == before {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(StoreError::Io {
        what: format!("verifying {}", place.folder.display()),
        why: "it changed faster than it could be read; try again".into(),
    })
}

fn look(place: &Place) -> Result<Verification, StoreError> {
    let mut found = Verification::default();
    let head = match place.read_head() {
        Ok(head) => head,
        Err(error) => {
            found.faults.push(error.into());
            None
        }
    };
    if let Some(head) = &head {
        (found.lineage, found.serial) = (Some(head.lineage.clone()), Some(head.serial));
        in_force(place, head, &mut found);
    }
    for sha256 in place.kept()? {
        let path = place.checkpoint(&sha256);
        let hint = "it is not in force; moved away, nothing but the way back to it is lost";
        match place.read_checkpoint(&sha256) {
            Ok(Some(_)) => found.checkpoints += 1,
            // The one in force has been looked at, and one that a writer has removed meanwhile is no fault.
            Ok(None) => {}
            Err(_) if head.as_ref().is_some_and(|head| head.checkpoint == sha256) => {}
            Err(error) => found.faults.push(error.at(&path, hint).into()),
        }
    }
    match place.read_history_lines() {
        Ok(lines) => {
            for line in lines {
                match line {
                    Ok(_) => found.operations += 1,
                    Err(error) => found.faults.push(error.into()),
                }
            }
        }
        Err(error) => found.faults.push(error.into()),
    }
    found.faults.extend(place.read_lease().err().map(Fault::from));
    // A lock that cannot be asked for keeps every run out.
    found.faults.extend(session::look(place).err().map(Fault::from).filter(|fault| !found.faults.contains(fault)));
    Ok(found)
}

/// The checkpoint that the head names, and the journal after it.
fn in_force(place: &Place, head: &Head, found: &mut Verification) {
    let mut state = match place.read_base(head) {
        Ok(state) => state,
        Err(error) => {
            found.faults.push(error.into());
            // Without what it follows, a journal's lines can still be told from damaged ones.
            State::empty(head.lineage.clone())
        }
    };
    let (entries, stopped) = place.walk_journal(head, |entry| match found.faults.is_empty() {
        true => state.apply(&entry).map_err(|e| e.to_string()),
        false => Ok(()),
    });
    found.entries = entries;
    found.faults.extend(stopped.map(Fault::from));
    if found.faults.is_empty() {
        let of = format!("checkpoint {} with its journal", head.serial);
        found.faults.extend(crate::sound(&place.stack, &state).into_iter().map(|why| {
            Fault::from(
                Unreadable::Damaged(why).at(of.clone(), "`phx state rollback` goes back to an earlier checkpoint"),
            )
        }));
    }
}
