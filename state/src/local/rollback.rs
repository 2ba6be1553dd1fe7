//! The way back from damage: to an older checkpoint, or to what is left of the present.

use std::fs;

use phx_model::state::State;
use phx_model::store::{Holder, StoreError};

use super::files::io_error;
use super::place::{Good, Place, journal_serial};
use super::session::{Writer, enter};
use crate::wire::{Checkpoint, Head};

/// What going back did.
#[derive(Clone, Debug, PartialEq)]
pub struct RolledBack {
    /// The state now, as a new checkpoint.
    pub state: State,
    /// The serial of the checkpoint it was made from.
    pub from: u64,
    /// What is no longer in force, kept beside the state.
    pub set_aside: Vec<std::path::PathBuf>,
}

/// Makes an older state the present one, as a new checkpoint. `to`: of this serial. Otherwise the newest that is good: what the
/// present's journal says up to its first bad line; if the present's checkpoint or head is damaged, the newest good checkpoint;
/// and if nothing is damaged, the checkpoint before the present one.
pub(super) fn roll_back(place: Place, holder: &Holder, to: Option<u64>) -> Result<RolledBack, StoreError> {
    let head = present(&place)?;
    let held = enter(&place, holder, head.as_ref().map_or(0, |head| head.generation))?;
    // Read again: until the lease was ours it could move.
    let head = present(&place)?;
    let (from, mut state) = choose(&place, head.as_ref(), to)?;

    let newest = place.newest_good(|_| true)?.map_or(0, |good| good.state.serial);
    let journals = place.journals()?;
    let named = journals.iter().filter_map(|path| journal_serial(path)).max().unwrap_or(0);
    let last = newest.max(named).max(head.as_ref().map_or(0, |head| head.serial)).max(state.serial);
    state.serial = last.checked_add(1).ok_or_else(|| StoreError::Unwritable {
        what: format!("a checkpoint of stack {}", place.stack),
        why: "its serial would be too large".into(),
    })?;

    // Copies, so that until the new head is there everything is as it was.
    let mut set_aside = Vec::new();
    for path in journals.into_iter().chain([place.head()]).filter(|path| fs::metadata(path).is_ok_and(|f| f.len() > 0))
    {
        let mut name = path.clone().into_os_string();
        name.push(format!(".before-{}", state.serial));
        let copy = std::path::PathBuf::from(name);
        fs::copy(&path, &copy).map_err(|e| io_error("copying", &path, &e))?;
        set_aside.push(copy);
    }
    let mut writer = Writer::blank(place, held, state.lineage.clone());
    writer.install(&Checkpoint::encode(&state)?, state.serial)?;
    Ok(RolledBack { state, from, set_aside })
}

/// The head, unless it is damaged.
fn present(place: &Place) -> Result<Option<Head>, StoreError> {
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
    let older = older.ok_or_else(|| nothing("there is no good checkpoint in it to go back to".into()))?;
    Ok((older.state.serial, older.state))
}
