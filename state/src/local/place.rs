//! One stack's folder: the names in it, and how it is read.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use phx_model::state::{Entry, State};
use phx_model::store::{Lease, Operation, StoreError};
use phx_model::urn::StackName;

use super::files::{self, Points, ReadError, io_error};
use super::journal::{self, Stop, Tail};
use crate::wire::{self, Chain, Checkpoint, Head, MAX_CHECKPOINT, MAX_LINE, MAX_SMALL, PEEK, Unreadable};

/// One stack's folder.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    pub(crate) stack: StackName,
    pub(crate) points: Points,
}

/// A stack as it was read.
pub(crate) struct Snapshot {
    pub(crate) head: Head,
    pub(crate) state: State,
    pub(crate) tail: Tail,
}

/// A checkpoint that was found in the folder and is good.
pub(crate) struct Good {
    pub(crate) sha256: String,
    pub(crate) state: State,
}

impl Place {
    pub(crate) fn head(&self) -> PathBuf {
        self.folder.join("head.json")
    }
    pub(crate) fn lease(&self) -> PathBuf {
        self.folder.join("lease.json")
    }
    pub(crate) fn lock(&self) -> PathBuf {
        self.folder.join("lock")
    }
    /// Held for moments: by whoever is taking the lease, alone, and by those who look who has it, together. So nobody sees a lock without the
    /// name of its holder, and a look at the lock never keeps anyone from taking it.
    pub(crate) fn gate(&self) -> PathBuf {
        self.folder.join("gate")
    }
    pub(crate) fn history(&self) -> PathBuf {
        self.folder.join("history.jsonl")
    }
    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.folder.join("checkpoints")
    }
    pub(crate) fn checkpoint(&self, sha256: &str) -> PathBuf {
        self.checkpoints().join(format!("{sha256}.json"))
    }
    pub(crate) fn journal(&self, serial: u64) -> PathBuf {
        self.folder.join(wire::journal_name(serial))
    }

    /// A damage and the way back from it.
    fn damaged(&self, what: impl std::fmt::Display, why: Unreadable, except: Option<&str>) -> StoreError {
        let stack = &self.stack;
        let hint = match self.newest_good(|good| except != Some(good.sha256.as_str())) {
            Ok(Some(Good { sha256, state })) => format!(
                "`phx state rollback --stack {stack}` goes back to what is good (checkpoint {serial} at the least, {path}) and keeps the damaged files",
                serial = state.serial,
                path = self.checkpoint(&sha256).display()
            ),
            Err(StoreError::Newer { what, .. }) => {
                format!(
                    "{what} was written by a newer phx; `phx state rollback --stack {stack}` of that one goes back to what is good"
                )
            }
            _ => format!(
                "no good checkpoint was found in {}; restore the folder from a backup",
                self.checkpoints().display()
            ),
        };
        why.at(what.to_string(), hint)
    }

    pub(crate) fn read_head(&self) -> Result<Option<Head>, StoreError> {
        let path = self.head();
        match read_small(&path, Head::decode) {
            Ok(None) => {}
            Ok(head) => return Ok(head),
            Err(ReadError::Io(e)) => return Err(e),
            Err(ReadError::Unreadable(why)) => return Err(self.damaged(path.display(), why, None)),
        }
        // A stack that never had a head is new. One that has lost it is not: to start over would forget every object it has.
        if self.had_a_head()? {
            // What shows it is written after the head; so if the stack is only now being begun by another run, the head is there by now.
            if let Ok(Some(head)) = read_small(&path, Head::decode) {
                return Ok(Some(head));
            }
            let why = Unreadable::Damaged("it is missing, and the stack has had one".into());
            return Err(self.damaged(path.display(), why, None));
        }
        Ok(None)
    }

    /// Whether there is something that is only written after a head. What comes before the first one (an empty checkpoint of serial 0 and an
    /// empty journal) may be left over from a crash.
    fn had_a_head(&self) -> Result<bool, StoreError> {
        let used = |path: &Path| fs::metadata(path).is_ok_and(|found| found.len() > 0);
        if used(&self.history()) || self.journals()?.iter().any(|path| used(path)) {
            return Ok(true);
        }
        for sha256 in self.kept()? {
            if self.read_checkpoint(&sha256).map_or(true, |state| state.is_none_or(|state| state.serial > 0)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(crate) fn read_lease(&self) -> Result<Option<Lease>, StoreError> {
        let path = self.lease();
        read_small(&path, wire::decode_lease)
            .map_err(|e| e.at(&path, "nothing is lost with it: when no phx is running, remove it and run again"))
    }

    /// A checkpoint, verified. `None`: there is no such file.
    pub(crate) fn read_checkpoint(&self, sha256: &str) -> Result<Option<State>, ReadError> {
        let Some(bytes) = files::read(&self.checkpoint(sha256), MAX_CHECKPOINT)? else { return Ok(None) };
        Ok(Some(Checkpoint::decode(&bytes, sha256)?))
    }

    /// The present state without its journal.
    pub(crate) fn read_base(&self, head: &Head) -> Result<State, StoreError> {
        let path = self.checkpoint(&head.checkpoint);
        let bad = |why| self.damaged(path.display(), why, Some(&head.checkpoint));
        let state = match self.read_checkpoint(&head.checkpoint) {
            Ok(Some(state)) => state,
            Ok(None) => return Err(bad(Unreadable::Damaged("it is missing, and head.json names it".into()))),
            Err(ReadError::Io(e)) => return Err(e),
            Err(ReadError::Unreadable(why)) => return Err(bad(why)),
        };
        if (&state.lineage, state.serial) != (&head.lineage, head.serial) {
            let why = format!(
                "it is serial {} of lineage {}, and head.json says serial {} of lineage {}",
                state.serial, state.lineage, head.serial, head.lineage
            );
            return Err(bad(Unreadable::Damaged(why)));
        }
        Ok(state)
    }

    /// Folds the journal over `state`, as far as it is good.
    pub(crate) fn read_journal(&self, head: &Head, state: &mut State) -> Result<Tail, StoreError> {
        let path = self.journal(head.serial);
        journal::fold(&path, Chain::start(&head.checkpoint), state).map_err(|stop| self.stopped(&path, stop))
    }

    /// Reads the journal as far as it is good. Says how many entries that is, and what stopped the reading.
    pub(crate) fn walk_journal(
        &self,
        head: &Head,
        mut each: impl FnMut(Entry) -> Result<(), String>,
    ) -> (u64, Option<StoreError>) {
        let path = self.journal(head.serial);
        let mut entries = 0;
        let read = journal::read(&path, Chain::start(&head.checkpoint), |entry| {
            each(entry)?;
            entries += 1;
            Ok(())
        });
        let stopped = read.err().map(|stop| self.stopped(&path, stop));
        (entries, stopped)
    }

    fn stopped(&self, path: &Path, stop: Stop) -> StoreError {
        match stop {
            Stop::Io(e) => e,
            Stop::Missing => {
                let why = Unreadable::Damaged("it is missing, and head.json names it".into());
                self.damaged(path.display(), why, None)
            }
            Stop::Bad { line, why } => self.damaged(format_args!("{} line {line}", path.display()), why, None),
        }
    }

    pub(crate) fn read(&self) -> Result<Option<Snapshot>, StoreError> {
        let Some(head) = self.read_head()? else { return Ok(None) };
        let mut state = self.read_base(&head)?;
        let tail = self.read_journal(&head, &mut state)?;
        Ok(Some(Snapshot { head, state, tail }))
    }

    pub(crate) fn read_history(&self) -> Result<Vec<Operation>, StoreError> {
        self.read_history_lines()?.into_iter().collect()
    }

    /// The same, good lines and bad ones.
    pub(crate) fn read_history_lines(&self) -> Result<Vec<Result<Operation, StoreError>>, StoreError> {
        let path = self.history();
        let hint = "move the file away to do without its past; the state does not need it";
        let bytes = files::read(&path, MAX_CHECKPOINT).map_err(|e| e.at(&path, hint))?.unwrap_or_default();
        // A last line without its end was cut short by a crash.
        let lines = bytes
            .split_inclusive(|b| *b == b'\n')
            .enumerate()
            .filter(|(_, line)| line.ends_with(b"\n") || line.len() as u64 > MAX_LINE);
        let read = |(n, line): (usize, &[u8])| {
            let bad = |why: Unreadable| why.at(format!("{} line {}", path.display(), n + 1), hint);
            if line.len() as u64 > MAX_LINE {
                return Err(bad(Unreadable::Damaged(format!("it is longer than {MAX_LINE} bytes"))));
            }
            wire::decode_operation(line).map_err(bad)
        };
        Ok(lines.map(read).collect())
    }

    /// The files in one of the stack's folders.
    pub(crate) fn list(&self, folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
        let failed = |e: io::Error| io_error("listing", folder, &e);
        match fs::read_dir(folder) {
            Ok(found) => found.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(failed(e)),
        }
    }

    /// All journals, the present one and left-over ones.
    pub(crate) fn journals(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut found = self.list(&self.folder)?;
        found.retain(|path| journal_serial(path).is_some());
        Ok(found)
    }

    /// The checkpoints in the folder, good or not, newest first. By their serials, since a restored backup's times say nothing; by time among
    /// those of one serial.
    pub(crate) fn kept(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.kept_with_serials()?.into_iter().map(|(_, sha256)| sha256).collect())
    }

    /// The same, with the serials that they claim.
    pub(crate) fn kept_with_serials(&self) -> Result<Vec<(Option<u64>, String)>, StoreError> {
        let mut found = Vec::new();
        for path in self.list(&self.checkpoints())? {
            let name = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".json"));
            let Some(sha256) = name.filter(|name| wire::is_sha256(name)) else { continue };
            let mut beginning = Vec::new();
            // One that cannot be read is still one of them; whoever then reads it learns why.
            let opened = File::open(&path).and_then(|file| file.take(PEEK).read_to_end(&mut beginning));
            let serial = opened.ok().and_then(|_| wire::peek_serial(&beginning));
            let time = fs::metadata(&path).and_then(|m| m.modified()).ok();
            found.push((serial, time, sha256.to_owned()));
        }
        found.sort_by(|a, b| b.cmp(a));
        Ok(found.into_iter().map(|(serial, _, sha256)| (serial, sha256)).collect())
    }

    /// The newest checkpoint that can be read and is wanted. One that a newer phx has written is not passed over as a damaged one is.
    pub(crate) fn newest_good(&self, wanted: impl Fn(&Good) -> bool) -> Result<Option<Good>, StoreError> {
        for sha256 in self.kept()? {
            match self.read_checkpoint(&sha256) {
                Ok(Some(state)) => {
                    let good = Good { sha256, state };
                    if wanted(&good) {
                        return Ok(Some(good));
                    }
                }
                Err(ReadError::Unreadable(why @ Unreadable::Newer(_))) => {
                    return Err(why.at(self.checkpoint(&sha256).display().to_string(), ""));
                }
                Ok(None) | Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Puts a checkpoint in the folder, under the name that its bytes have, and reads it back.
    pub(crate) fn write_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        files::make_folder(&self.checkpoints())?;
        let path = self.checkpoint(&checkpoint.sha256);
        let same = || matches!(files::read(&path, MAX_CHECKPOINT), Ok(Some(found)) if found == checkpoint.bytes);
        // It is there if a crash came after it and before the head; what is there and good is left alone. Its name may not be durable yet.
        if same() {
            files::sync_folder(&self.checkpoints())?;
        } else {
            files::replace(&path, &checkpoint.bytes, &self.points, "checkpoint-moved")?;
            if !same() {
                return Err(StoreError::Io {
                    what: format!("writing {}", path.display()),
                    why: "what is read back is not what was written".into(),
                });
            }
        }
        self.points.pass("checkpoint-durable");
        Ok(())
    }
}

fn read_small<T>(path: &Path, decode: impl FnOnce(&[u8]) -> Result<T, Unreadable>) -> Result<Option<T>, ReadError> {
    match files::read(path, MAX_SMALL)? {
        Some(bytes) => Ok(Some(decode(&bytes)?)),
        None => Ok(None),
    }
}

/// The serial in a journal's file name.
pub(crate) fn journal_serial(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix("journal-")?.strip_suffix(".jsonl")?.parse().ok()
}
