//! A stack's state and history as one document, to be kept elsewhere or moved to another store.
//!
//! It is one JSON object. `sha256` is over all the rest of it in compact form, so a document that was only laid out differently is the same
//! one. Secrets are in it as they are in a store: encrypted, with the key's header.

use jiff::Timestamp;
use phx_model::state::{FORMAT, State};
use phx_model::store::{Import, Operation, StoreError};
use phx_model::urn::{ProjectName, StackName};
use serde::{Deserialize, Serialize};

use crate::wire::{self, Checkpoint, MAX_CHECKPOINT, Unreadable, sha256};

/// What a document says it is.
const KIND: &str = "phx-state-export";
/// The longest document that is read.
pub const MAX_ARCHIVE: u64 = 2 * MAX_CHECKPOINT;

/// A state and what led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Archive {
    /// Whose state it is.
    pub project: ProjectName,
    /// Which of its stacks'.
    pub stack: StackName,
    /// When it was exported.
    pub exported: Timestamp,
    /// By whom: `user@host`.
    pub by: String,
    /// The state, with its journal folded in.
    pub state: State,
    /// The finished operations, oldest first.
    pub history: Vec<Operation>,
}

/// All that the sum is over.
#[derive(Serialize)]
struct Body<'a> {
    format: u32,
    kind: &'a str,
    project: &'a ProjectName,
    stack: &'a StackName,
    exported: Timestamp,
    by: &'a str,
    lineage: &'a str,
    serial: u64,
    history: &'a [Operation],
    state: &'a State,
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    body: Body<'a>,
    sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    kind: String,
    project: ProjectName,
    stack: StackName,
    exported: Timestamp,
    by: String,
    lineage: String,
    serial: u64,
    history: Vec<Operation>,
    state: State,
    sha256: String,
}

impl Archive {
    /// In the form of that version.
    fn body(&self, format: u32) -> Body<'_> {
        Body {
            format,
            kind: KIND,
            project: &self.project,
            stack: &self.stack,
            exported: self.exported,
            by: &self.by,
            lineage: &self.state.lineage,
            serial: self.state.serial,
            history: &self.history,
            state: &self.state,
        }
    }

    fn sum(&self, format: u32) -> serde_json::Result<String> {
        Ok(sha256(&serde_json::to_vec(&self.body(format))?))
    }

    /// The document. Fails, naming the resource, if something in the state has no stored form (a secret that is not sealed).
    pub fn encode(&self) -> Result<Vec<u8>, StoreError> {
        // It names what stands in the way, where there is something.
        Checkpoint::encode(&self.state)?;
        let written = || -> serde_json::Result<Vec<u8>> {
            let mut bytes = serde_json::to_vec_pretty(&Written { body: self.body(FORMAT), sha256: self.sum(FORMAT)? })?;
            bytes.push(b'\n');
            Ok(bytes)
        };
        written()
            .map_err(|e| StoreError::Unwritable { what: format!("the export of {}", self.stack), why: e.to_string() })
    }

    /// Reads a document and verifies it.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Probe {
            format: u64,
            kind: String,
        }
        let damaged = |why: String| Unreadable::Damaged(why);
        let probe: Probe =
            serde_json::from_slice(bytes).map_err(|e| damaged(format!("it is not an exported state: {e}")))?;
        if probe.kind != KIND {
            return Err(damaged(format!("it is not an exported state but {:?}", probe.kind)));
        }
        if probe.format > u64::from(FORMAT) {
            return Err(Unreadable::Newer(probe.format));
        }
        let stored: Stored =
            serde_json::from_slice(bytes).map_err(|e| damaged(format!("it is not an exported state: {e}")))?;
        let Stored { format, kind, project, stack, exported, by, lineage, serial, history, state, sha256 } = stored;
        if kind != KIND || !(1..=FORMAT).contains(&format) || !(1..=FORMAT).contains(&state.format) {
            return Err(damaged(format!("its format is {format}, and its state's {}", state.format)));
        }
        let mut archive = Self { project, stack, exported, by, state, history };
        let found = archive.sum(format).map_err(|e| damaged(e.to_string()))?;
        if found != sha256 {
            return Err(damaged(format!("its SHA-256 is {found}, and should be {sha256}")));
        }
        if (&lineage, serial) != (&archive.state.lineage, archive.state.serial) {
            return Err(damaged("its state is not the one that it says it is".into()));
        }
        archive.state = wire::migrated(archive.state);
        match crate::sound(&archive.stack, &archive.state).into_iter().next() {
            Some(why) => Err(damaged(why)),
            None => Ok(archive),
        }
    }

    /// What a store is to be given.
    pub fn into_import(self, force: bool) -> Import {
        Import { state: self.state, history: self.history, force }
    }
}

#[cfg(test)]
mod tests {
    use phx_model::state::{OperationId, Record};
    use phx_model::{Urn, Value};

    use super::*;

    fn archive() -> Archive {
        let mut state = State { serial: 7, ..State::empty("l") };
        let mut record = Record { id: "vpc-1".into(), ..Record::default() };
        record.inputs.insert("cidr", Value::Float(0.1));
        state.resources.insert(Urn::parse("urn:phx:demo:dev:test:net:Vpc:a").unwrap(), record);
        let history = vec![Operation {
            id: OperationId("op".into()),
            kind: "up".into(),
            started: Timestamp::UNIX_EPOCH,
            ended: Timestamp::UNIX_EPOCH,
            result: "succeeded".into(),
            summary: Default::default(),
            serial: 7,
            who: "a@b".into(),
            program_hash: "h".into(),
            pace: None,
        }];
        Archive {
            project: ProjectName::new("demo").unwrap(),
            stack: StackName::new("dev").unwrap(),
            exported: Timestamp::UNIX_EPOCH,
            by: "a@b".into(),
            state,
            history,
        }
    }

    #[test]
    fn a_document_is_read_back_however_it_is_laid_out() {
        let bytes = archive().encode().unwrap();
        assert_eq!(Archive::decode(&bytes).unwrap(), archive());
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(Archive::decode(value.to_string().as_bytes()).unwrap(), archive());
    }

    #[test]
    fn a_changed_document_is_refused() {
        let bytes = archive().encode().unwrap();
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            // Blanks between the parts say nothing, nor does the name of a count that is none.
            if let Ok(read) = Archive::decode(&bad) {
                assert_eq!(read, archive(), "byte {at}");
            }
            let only_blanks = bytes[at..].trim_ascii().is_empty();
            assert!(Archive::decode(&bytes[..at]).is_err() || only_blanks, "cut at {at}");
        }
    }

    #[test]
    fn another_stacks_resources_and_newer_forms_are_refused() {
        let other = Archive { stack: StackName::new("prod").unwrap(), ..archive() };
        let error = Archive::decode(&other.encode().unwrap()).unwrap_err();
        assert!(matches!(&error, Unreadable::Damaged(why) if why.contains("is of another stack")), "{error:?}");
        let newer = br#"{"format":9,"kind":"phx-state-export","what":"ever"}"#;
        assert_eq!(Archive::decode(newer), Err(Unreadable::Newer(9)));
        assert!(matches!(Archive::decode(b"[]"), Err(Unreadable::Damaged(_))));
    }

    #[test]
    fn a_secret_in_plaintext_is_never_exported() {
        let mut archive = archive();
        archive.state.outputs.insert("key", Value::String("hunter2".into()).secret());
        let error = archive.encode().unwrap_err().to_string();
        assert!(error.contains("key") && !error.contains("hunter2"), "{error}");
    }
}
