//! What can go wrong with a call, what is counted of calls, and the seeded source of chance.

use phx_model::ValueMap;
use phx_model::error::{CloudError, ErrorKind};

/// A small generator of pseudo-random numbers (SplitMix64): the same seed, the same run.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// One that begins at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next_u64() % n
    }

    /// The items in another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let bound = u64::try_from(i).unwrap_or(u64::MAX - 1) + 1;
            let j = usize::try_from(self.below(bound)).unwrap_or(0);
            items.swap(i, j);
        }
    }
}

/// The verbs of a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// `read_many`
    Read,
    /// `find`
    Find,
    /// `create`
    Create,
    /// `finish`
    Finish,
    /// `update`
    Update,
    /// `delete`
    Delete,
}

/// A call, as those who decide about its fate see it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The verb.
    pub verb: Verb,
    /// The type.
    pub type_name: &'static str,
    /// The object's id; empty for a create, a find and a read of many.
    pub id: &'a str,
    /// The fields that the call is about.
    pub fields: &'a ValueMap,
    /// Which call it is of those that are not reads, from 0.
    pub n: u64,
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The cloud refuses: no effect.
    Refused,
    /// Too many calls, and the driver's own patience is over: no effect.
    Throttled,
    /// Nothing answers at the address: no effect.
    Unreachable,
    /// The call is lost on its way: no effect, and the caller cannot know.
    RequestLost,
    /// The answer is lost: done, and the caller cannot know.
    AnswerLost,
    /// No effect, and no answer ever.
    Hangs,
    /// Done, and no answer ever.
    HangsDone,
}

impl Fault {
    /// Whether the call has its effect all the same.
    pub fn takes_effect(self) -> bool {
        matches!(self, Self::AnswerLost | Self::HangsDone)
    }

    /// What the caller is told; `None`: it is told nothing, ever.
    pub(crate) fn error(self, operation: &str) -> Option<CloudError> {
        let (kind, message, code) = match self {
            Self::Refused => (ErrorKind::Other, "the cloud is out of order", Some("InternalRefusal")),
            Self::Throttled => (ErrorKind::Throttled, "too many calls", Some("Throttling")),
            Self::Unreachable => (ErrorKind::Unreachable, "connection refused", None),
            Self::RequestLost | Self::AnswerLost => {
                (ErrorKind::Ambiguous, "the connection was closed before an answer came", None)
            }
            Self::Hangs | Self::HangsDone => return None,
        };
        Some(error(kind, operation, code, message))
    }
}

/// What goes wrong with a read of one object, or of all that are read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFault {
    /// The whole read fails: nothing is known of any of them.
    Call,
    /// The first object's read fails.
    One,
}

/// How many calls there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls of `read_many`.
    pub reads: u64,
    /// Objects asked for in them.
    pub objects_read: u64,
    /// Calls of `find`.
    pub finds: u64,
    /// Calls of `create`.
    pub creates: u64,
    /// Calls of `finish`.
    pub finishes: u64,
    /// Calls of `update`.
    pub updates: u64,
    /// Calls of `delete`.
    pub deletes: u64,
}

impl Counts {
    /// Calls that are meant to change something.
    pub fn changes(&self) -> u64 {
        self.creates + self.finishes + self.updates + self.deletes
    }

    pub(crate) fn count(&mut self, verb: Verb) {
        *match verb {
            Verb::Read => &mut self.reads,
            Verb::Find => &mut self.finds,
            Verb::Create => &mut self.creates,
            Verb::Finish => &mut self.finishes,
            Verb::Update => &mut self.updates,
            Verb::Delete => &mut self.deletes,
        } += 1;
    }
}

pub(crate) fn error(kind: ErrorKind, operation: &str, code: Option<&str>, message: impl Into<String>) -> CloudError {
    CloudError {
        service: "sim".into(),
        operation: operation.into(),
        code: code.map(str::to_owned),
        ..CloudError::local(kind, message)
    }
}
