//! The way back from damage: to an older checkpoint, or to what is left of the present.

use std::fs;

use phx_model::state::State;
use phx_model::store::{Holder, Import, RolledBack, StoreError};

use super::files;
use super::place::{Good, Place, journal_serial};
use super::session::{Writer, enter};
use crate::wire::{self, Checkpoint, Head};

/// Makes an older state the present one, as a new checkpoint. `to`: of this serial. Otherwise the newest that is good: what the
/// present's journal says up to its first bad line; if the present's checkpoint is damaged, the newest good one; if the head is, the
/// same with the journal that follows it; and if nothing is damaged, the checkpoint before the present one.
pub(super) fn roll_back(place: Place, holder: &Holder, to: Option<u64>) -> Result<RolledBack, StoreError> {
    let head = present(&place)?;
    let held = enter(&place, holder, head.as_ref().map_or(0, |head| head.generation))?;
    // Read again: until the lease was ours it could move.
    let head = present(&place)?;
    let (from, state) = choose(&place, head.as_ref(), to)?;
    let mut writer = Writer::blank(place, held, state.lineage.clone());
    install(&mut writer, head.as_ref(), from, state, true)
}

/// Makes a state from elsewhere the present one, as a new checkpoint.
pub(super) fn import(place: Place, holder: &Holder, import: &Import) -> Result<RolledBack, StoreError> {
    let head = present(&place)?;
    let held = enter(&place, holder, head.as_ref().map_or(0, |head| head.generation))?;
    // Read under the lease, so that what is compared is what is replaced.
    let head = present(&place)?;
    let found = place.read().map(|found| found.map(|found| found.state));
    import.may_replace(&found)?;
    let history = match place.read_history() {
        Err(StoreError::Damaged { .. }) if import.force => Vec::new(),
        history => history?,
    };
    let mut writer = match &found {
        // A new stack gets a head first, an empty one, so that its history is never without.
        Ok(None) => Writer::blank(place, held, import.state.lineage.clone()),
        _ => Writer::going_on(place, held, import.state.lineage.clone(), head.clone()),
    };
    // The history first: whoever finds the state there finds what led to it.
    for operation in import.missing_in(&history) {
        writer.record(&wire::encode_operation(operation)?)?;
    }
    let keep = !matches!(found, Ok(None));
    install(&mut writer, head.as_ref(), import.state.serial, import.state.clone(), keep)
}

/// Writes `state` with a serial after all there are, and with `keep` keeps what was in force.
fn install(
    writer: &mut Writer,
    head: Option<&Head>,
    from: u64,
    mut state: State,
    keep: bool,
) -> Result<RolledBack, StoreError> {
    let place = writer.place.clone();
    let newest = place.newest_good(|_| true)?.map_or(0, |good| good.state.serial);
    let journals = place.journals()?;
    let named = journals.iter().filter_map(|path| journal_serial(path)).max().unwrap_or(0);
    let last = newest.max(named).max(head.map_or(0, |head| head.serial)).max(state.serial);
    state.serial = last.checked_add(1).ok_or_else(|| StoreError::Unwritable {
        what: format!("a checkpoint of stack {}", place.stack),
        why: "its serial would be too large".into(),
    })?;

    // Copies, so that until the new head is there everything is as it was.
    let mut set_aside = Vec::new();
    let in_force = journals.into_iter().chain([place.head()]).filter(|_| keep);
    for path in in_force.filter(|path| fs::metadata(path).is_ok_and(|f| f.len() > 0)) {
        let mut name = path.clone().into_os_string();
        name.push(format!(".before-{}", state.serial));
        let copy = std::path::PathBuf::from(name);
        files::copy(&path, &copy)?;
        set_aside.push(copy);
    }
    writer.install(&Checkpoint::encode(&state)?, state.serial)?;
    Ok(RolledBack { state, from, set_aside })
}

/// The head, unless it is damaged.
pub(super) fn present(place: &Place) -> Result<Option<Head>, StoreError> {
    match place.read_head() {
        Err(StoreError::Damaged { .. }) => Ok(None),
        other => other,
    }
}

fn choose(place: &Place, head: Option<&Head>, to: Option<u64>) -> Result<(u64, State), StoreError> {
    let nothing = |why: String| StoreError::Damaged {
        what: place.checkpoints().display().to_string(),
        why,
        hint: "restore the stack's folder from a backup".into(),
    };
    // Another lineage is another stack's past.
    let ours = |good: &Good| head.is_none_or(|head| head.lineage == good.state.lineage);
    if let Some(serial) = to {
        let found = place.newest_good(|good| ours(good) && good.state.serial == serial)?;
        let found = found.ok_or_else(|| nothing(format!("there is no good checkpoint {serial} in it")))?;
        return Ok((serial, found.state));
    }
    if let Some(head) = head {
        match place.read_base(head) {
            Ok(mut state) => match place.read_journal(head, &mut state) {
                Ok(_) => {}
                Err(StoreError::Damaged { .. }) => return Ok((head.serial, state)),
                Err(e) => return Err(e),
            },
            Err(StoreError::Damaged { .. }) => {}
            Err(e) => return Err(e),
        }
    }
    let older = place.newest_good(|good| ours(good) && head.is_none_or(|head| good.state.serial < head.serial))?;
    let Good { sha256, mut state } =
        older.ok_or_else(|| nothing("there is no good checkpoint in it to go back to".into()))?;
    let serial = state.serial;
    if head.is_none() {
        // Without a head it is still known which journal follows the checkpoint: its first line is sealed with the checkpoint's hash. What it says
        // up to its end, or its first bad line, are objects that would be forgotten.
        let lost = Head::new(&state.lineage, serial, 0, &sha256);
        match place.read_journal(&lost, &mut state) {
            Ok(_) | Err(StoreError::Damaged { .. }) => {}
            Err(e) => return Err(e),
        }
    }
    Ok((serial, state))
}
