//! The seam to a state store. The engine folds and decides; a store only keeps, durably and behind a fenced lease.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::state::{Entry, OperationId, State};
use crate::urn::StackName;

/// A place where states are kept.
#[async_trait]
pub trait Store: Send + Sync {
    /// Where it is, as a URL without credentials.
    fn location(&self) -> String;

    /// The stacks that have a state here, by name.
    async fn stacks(&self) -> Result<Vec<StackName>, StoreError>;

    /// The stack's state with its journal folded in, read without a lease. `None`: it has none.
    async fn load(&self, stack: &StackName) -> Result<Option<State>, StoreError>;

    /// Takes the stack's lease, or fails with [`StoreError::Leased`]. A store whose leases do not end with their process first finds out
    /// whether the holder is alive, which takes as long as its page says, and takes a dead holder's lease over.
    async fn acquire(&self, stack: &StackName, holder: &Holder) -> Result<Box<dyn Session>, StoreError>;

    /// The same, and waits up to `wait` for a live holder to give the lease back. This default cannot wait, since there is no clock here: it
    /// tries once. Every store that phx comes with does wait.
    async fn acquire_waiting(
        &self,
        stack: &StackName,
        holder: &Holder,
        wait: Duration,
    ) -> Result<Box<dyn Session>, StoreError> {
        let _ = wait;
        self.acquire(stack, holder).await
    }

    /// Takes the lease away from whoever holds it, for good: that session can write nothing more. Says whose it was; `None`: nobody's.
    async fn break_lease(&self, stack: &StackName) -> Result<Option<Lease>, StoreError> {
        Err(self.cannot(format!("breaking the lease of stack {stack}")))
    }

    /// Who holds the stack's lease. `None`: nobody.
    async fn lease(&self, stack: &StackName) -> Result<Option<Lease>, StoreError>;

    /// The stack's finished operations, oldest first.
    async fn history(&self, stack: &StackName) -> Result<Vec<Operation>, StoreError>;

    /// Reads everything that is kept of the stack, and names each fault in it. Takes no lease, changes nothing.
    async fn verify(&self, stack: &StackName) -> Result<Verification, StoreError> {
        Err(self.cannot(format!("verifying stack {stack}")))
    }

    /// The stack's checkpoints, good or not, newest first.
    async fn checkpoints(&self, stack: &StackName) -> Result<Vec<Kept>, StoreError> {
        Err(self.cannot(format!("listing the checkpoints of stack {stack}")))
    }

    /// Makes an older state the present one, under a lease of its own, as a new checkpoint with a new serial. What was in force is kept.
    ///
    /// `to` names a checkpoint by its serial. Without it: if the journal is damaged, what it says up to its first bad line; if the checkpoint or
    /// the head is, the newest good checkpoint; if nothing is, the checkpoint before the present one.
    async fn rollback(&self, stack: &StackName, holder: &Holder, to: Option<u64>) -> Result<RolledBack, StoreError> {
        let _ = (holder, to);
        Err(self.cannot(format!("rolling stack {stack} back")))
    }

    /// Makes a state from elsewhere the present one, under a lease of its own, as a new checkpoint with a new serial, and adds to the history what
    /// it does not have. What was in force is kept.
    async fn import(&self, stack: &StackName, holder: &Holder, import: &Import) -> Result<RolledBack, StoreError> {
        let _ = (holder, import);
        Err(self.cannot(format!("importing a state into stack {stack}")))
    }

    /// The error for what this store cannot do.
    fn cannot(&self, what: String) -> StoreError {
        StoreError::Unsupported { what, why: format!("the store {} cannot do that", self.location()) }
    }
}

/// What reading everything that is kept of a stack has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The lineage of the state in force. `None`: there is none, or it cannot be read.
    pub lineage: Option<String>,
    /// The serial of the checkpoint in force.
    pub serial: Option<u64>,
    /// How many good checkpoints there are.
    pub checkpoints: u64,
    /// How many good entries the journal has.
    pub entries: u64,
    /// How many good operations the history has.
    pub operations: u64,
    /// What is wrong. Empty: nothing.
    pub faults: Vec<Fault>,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Which file, entry or item.
    pub what: String,
    /// How that shows.
    pub why: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged { what, why, hint } => {
                Self { what, why, hint: Some(hint).filter(|hint| !hint.is_empty()) }
            }
            StoreError::Newer { what, found, known } => Self {
                what,
                why: format!("it has format {found}, and this phx knows formats up to {known}"),
                hint: Some("use the phx that wrote it, or a newer one".into()),
            },
            StoreError::Io { what, why } => Self { what, why, hint: None },
            other => Self { what: "the state".into(), why: other.to_string(), hint: None },
        }
    }
}

/// A checkpoint that a store keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Its serial. `None`: it cannot be told any more.
    pub serial: Option<u64>,
    /// SHA-256 of its bytes, by its name.
    pub sha256: String,
    /// It is the one in force.
    pub present: bool,
}

/// What going back, or importing, did.
#[derive(Clone, Debug, PartialEq)]
pub struct RolledBack {
    /// The state now, as a new checkpoint.
    pub state: State,
    /// The serial of the checkpoint it was made from.
    pub from: u64,
    /// What is no longer in force, kept beside the state.
    pub set_aside: Vec<PathBuf>,
}

/// A state from elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// The state.
    pub state: State,
    /// What led to it, oldest first.
    pub history: Vec<Operation>,
    /// It takes the place of whatever is there.
    pub force: bool,
}

impl Import {
    /// Whether this state may take the place of `present`, which is what [`Store::load`] gives of the stack.
    pub fn may_replace(&self, present: &Result<Option<State>, StoreError>) -> Result<(), StoreError> {
        let refused = |why: String| {
            Err(StoreError::Unsupported {
                what: "importing this state".into(),
                why: format!(
                    "{why}; nothing was changed\n  hint: `--force` puts the imported one in its place, and keeps what is there beside it"
                ),
            })
        };
        match present {
            // What a newer phx has written is not for this one to replace.
            Err(error @ StoreError::Newer { .. }) => Err(error.clone()),
            _ if self.force => Ok(()),
            Err(error) => Err(error.clone()),
            Ok(None) => Ok(()),
            Ok(Some(present)) if present.lineage != self.state.lineage => refused(format!(
                "the stack has a state of lineage {}, and this one is of lineage {}: it is another stack's",
                present.lineage, self.state.lineage
            )),
            Ok(Some(present)) if present.serial > self.state.serial => refused(format!(
                "the stack's state has come to serial {}, and this one is of serial {}",
                present.serial, self.state.serial
            )),
            Ok(Some(present)) if present.serial == self.state.serial && *present != self.state => refused(format!(
                "both states are of serial {}, and what each has recorded since is not the same",
                present.serial
            )),
            Ok(Some(_)) => Ok(()),
        }
    }

    /// The operations that a history does not have yet.
    pub fn missing_in(&self, history: &[Operation]) -> Vec<&Operation> {
        self.history.iter().filter(|operation| history.iter().all(|known| known.id != operation.id)).collect()
    }
}

/// A stack under lease. Every write is conditional on the lease's generation: after another holder has taken over, all of them fail with
/// [`StoreError::Superseded`].
#[async_trait]
pub trait Session: Send + Sync {
    /// The lease held.
    fn lease(&self) -> &Lease;

    /// Whether the lease can still be relied on, as far as is known here: it asks nobody, so it can be asked before every call. `Ok` is no
    /// promise that the next write succeeds; an error is one that it fails.
    fn held(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// The state with its journal folded in, as it was when the lease was taken. A stack without one gets an empty state of a new lineage.
    fn state(&self) -> &State;

    /// Appends to the journal. When it returns, the entries are durable, all of them; after an error, none or all of them may be.
    async fn append(&self, entries: &[Entry]) -> Result<(), StoreError>;

    /// Writes `state` as the new checkpoint and empties the journal, both at once. The serial must be one more than the last.
    async fn checkpoint(&self, state: &State) -> Result<(), StoreError>;

    /// Adds a finished operation to the history.
    async fn record(&self, operation: &Operation) -> Result<(), StoreError>;

    /// Gives the lease back.
    async fn release(self: Box<Self>) -> Result<(), StoreError>;
}

/// Who wants a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// `user@host`.
    pub who: String,
    /// The process.
    pub pid: u32,
    /// What it is doing: `up`.
    pub kind: String,
    /// Under which name.
    pub operation: OperationId,
}

/// A lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who has it.
    pub holder: Holder,
    /// Counts the stack's leases; what fences a superseded holder off.
    pub generation: u64,
    /// When it was taken.
    pub acquired: Timestamp,
    /// When it ends unless it is renewed. `None`: it ends with its process.
    pub expires: Option<Timestamp>,
}

/// One finished run, as `phx stack history` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its name.
    pub id: OperationId,
    /// `up`, `destroy`, `refresh`.
    pub kind: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// `succeeded`, `failed` or `interrupted`.
    pub result: String,
    /// How many steps of each kind were done.
    pub summary: Summary,
    /// The checkpoint it wrote.
    pub serial: u64,
    /// `user@host`.
    pub who: String,
    /// SHA-256 of the graph that it applied.
    pub program_hash: String,
    /// How long its steps took; none if it had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
}

/// How near a run's steps came to the fastest way in which they could have been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// From the beginning of the first step to the end of the last, in milliseconds.
    pub steps_ms: u64,
    /// The longest chain of steps of which each waits for the one before, in milliseconds: as long as they took in this run, no order of them takes
    /// less.
    pub critical_path_ms: u64,
}

/// How many resources each kind of step concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// New ones.
    pub create: u64,
    /// Changed in place.
    pub update: u64,
    /// Replaced by new objects.
    pub replace: u64,
    /// Deleted.
    pub delete: u64,
    /// Adopted without a change.
    pub adopt: u64,
    /// Left in the cloud and forgotten, or found gone.
    pub forget: u64,
    /// Nothing to do.
    pub same: u64,
}

impl Summary {
    /// How many resources something is done about.
    pub fn changes(&self) -> u64 {
        self.create + self.update + self.replace + self.delete + self.adopt + self.forget
    }
}

/// Why a store could not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Someone else holds the lease.
    #[error(
        "the stack is leased by {who} (process {pid}, {kind}, since {since})\n  hint: wait for it to end, or look at `phx lock status`",
        who = .0.holder.who, pid = .0.holder.pid, kind = .0.holder.kind, since = .0.acquired
    )]
    Leased(Box<Lease>),
    /// The lease was taken over; nothing more can be written.
    #[error(
        "the lease (generation {held}) was taken over by another run; nothing more was written and no further call was started"
    )]
    Superseded {
        /// The generation that was held.
        held: u64,
    },
    /// The lease could not be renewed in time. Whether or not another run has taken it, this one must stop.
    #[error(
        "the lease (generation {held}) could not be renewed for {seconds} s, so another run may have it; nothing more was written and no further call was started\n  the last attempt: {why}\n  hint: check the connection to the state store and run again; the next run continues from what was recorded"
    )]
    Expired {
        /// The generation that was held.
        held: u64,
        /// How long ago it was last renewed.
        seconds: u64,
        /// What became of the last attempt to renew it.
        why: String,
    },
    /// This store cannot do that.
    #[error("{what} is not possible: {why}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// Why not, and what is possible.
        why: String,
    },
    /// A stored file is not what was written.
    #[error("{what} is damaged: {why}\n  hint: {hint}")]
    Damaged {
        /// Which file or entry.
        what: String,
        /// How that shows.
        why: String,
        /// What to do.
        hint: String,
    },
    /// A stored file is of a version that this phx does not know.
    #[error(
        "{what} has format {found}, and this phx knows formats up to {known}; nothing was changed\n  hint: use the phx that wrote it, or a newer one"
    )]
    Newer {
        /// Which file.
        what: String,
        /// Its version.
        found: u64,
        /// The newest version known here.
        known: u32,
    },
    /// The file system or the network failed.
    #[error("{what}: {why}")]
    Io {
        /// What was being done, to what.
        what: String,
        /// The error.
        why: String,
    },
    /// There is no key for the secrets, or not the right one.
    #[error("{what}: {why}\n  hint: {hint}")]
    Key {
        /// Whose.
        what: String,
        /// What is wrong.
        why: String,
        /// What to do.
        hint: String,
    },
    /// A value cannot be stored.
    #[error("{what} cannot be written: {why}")]
    Unwritable {
        /// What.
        what: String,
        /// Why.
        why: String,
    },
}
