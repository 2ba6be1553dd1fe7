//! What the tests of the local store share.
#![allow(dead_code, clippy::unwrap_used)] // each test file uses its part

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use phx_model::provider::Provider;
use phx_model::state::{Change, Entry, Intent, IntentId, OperationId, Outcome, ProviderKey, Record, State};
use phx_model::store::{Holder, Operation, Pace, Summary};
use phx_model::urn::{ProjectName, StackName, Urn};
use phx_model::{Value, ValueMap};
use phx_state::LocalStore;

pub(crate) fn stack() -> StackName {
    StackName::new("dev").unwrap()
}

pub(crate) fn store(root: &Path) -> LocalStore {
    LocalStore::new(root.to_owned(), ProjectName::new("demo").unwrap())
}

pub(crate) fn folder(root: &Path) -> PathBuf {
    root.join("demo/dev")
}

pub(crate) fn holder() -> Holder {
    Holder { who: "me@here".into(), pid: 7, kind: "up".into(), operation: OperationId("op-1".into()) }
}

pub(crate) fn operation() -> Operation {
    Operation {
        id: OperationId("op-1".into()),
        kind: "up".into(),
        started: Timestamp::UNIX_EPOCH,
        ended: Timestamp::UNIX_EPOCH,
        result: "succeeded".into(),
        summary: Summary { create: 2, ..Summary::default() },
        serial: 1,
        who: "me@here".into(),
        program_hash: "h".into(),
        pace: None,
    }
}

pub(crate) fn urn(name: &str) -> Urn {
    Urn::parse(&format!("urn:phx:demo:dev:test:net:Vpc:{name}")).unwrap()
}

pub(crate) fn record(id: &str) -> Record {
    let mut record: Record = serde_json::from_str(&format!(r#"{{"id":"{id}"}}"#)).unwrap();
    record.inputs.insert("cidr", Value::String("10.0.0.0/16".into()));
    record
}

pub(crate) fn recorded(name: &str) -> Entry {
    Entry::Recorded { urn: urn(name), record: Box::new(record(name)) }
}

pub(crate) fn intent(n: u64, name: &str, change: Change) -> Entry {
    let id = IntentId::new("0123456789abcdef", &OperationId("op-1".into()), n);
    Entry::Intent(Intent { id, urn: urn(name), time: Timestamp::UNIX_EPOCH, change })
}

pub(crate) fn done(n: u64, outcome: Outcome) -> Entry {
    Entry::Done { intent: IntentId::new("0123456789abcdef", &OperationId("op-1".into()), n), outcome }
}

pub(crate) fn created(id: &str) -> Outcome {
    let outputs: ValueMap = [("arn".to_owned(), Value::String(format!("arn:{id}").into()))].into();
    Outcome::Created { id: id.into(), outputs, complete: true }
}

/// One of every kind of entry, and a journal that folds over a state without resources. It leaves one intent open and one object deposed.
pub(crate) fn entries() -> Vec<Entry> {
    let create = || Change::Create { record: Box::new(record("")) };
    let update = Change::Update { fields: ["cidr".to_owned()].into(), record: Box::new(record("vpc-1")) };
    vec![
        Entry::Began { operation: OperationId("op-1".into()), kind: "up".into(), time: Timestamp::UNIX_EPOCH },
        intent(1, "a", create()),
        intent(2, "b", create()),
        done(1, Outcome::Created { id: "vpc-1".into(), outputs: ValueMap::new(), complete: false }),
        done(2, Outcome::Failed { error: "VpcLimitExceeded: \"no\"".into() }),
        intent(3, "a", Change::Finish),
        done(3, Outcome::Applied { outputs: Some(ValueMap::new()) }),
        intent(4, "a", update),
        done(4, Outcome::Abandoned),
        recorded("c"),
        Entry::Renamed { from: urn("c"), to: urn("d") },
        intent(5, "d", Change::Delete { id: "c".into() }),
        done(5, Outcome::Deleted),
        intent(6, "a", create()),
        done(6, created("vpc-2")),
        recorded("e"),
        Entry::Forgotten { urn: urn("e"), id: "e".into() },
        Entry::Outputs { outputs: [("vpc".to_owned(), Value::String("vpc-2".into()))].into() },
        intent(7, "f", create()),
    ]
}

/// The key of a place that is a role's.
pub(crate) fn replica() -> ProviderKey {
    ProviderKey("210987654321/eu-west-1@replica".into())
}

/// What that key means.
pub(crate) fn provider() -> Provider {
    let arn = "arn:aws:iam::210987654321:role/phx";
    let role = Provider::new().region("eu-west-1").assume_role(arn).external_id("tenant-7");
    role.session_name("phx-dev").session_tag("team", "platform")
}

/// An operation with what format 2 has more than format 1.
pub(crate) fn operation_2() -> Operation {
    Operation { pace: Some(Pace { steps_ms: 1200, critical_path_ms: 1000 }), ..operation() }
}

/// The entries with what format 2 has more than format 1. One provider context is left, and one is not.
pub(crate) fn entries_2() -> Vec<Entry> {
    let mut there = record("");
    there.provider = replica();
    there.ignore_changes = vec!["tags.Owner".into()];
    let gone = ProviderKey("210987654321/eu-west-2@old".into());
    let mut entries = entries();
    entries.extend([
        Entry::Provider { key: replica(), provider: Some(provider()) },
        Entry::Provider { key: gone.clone(), provider: Some(Provider::new().region("eu-west-2")) },
        intent(8, "g", Change::Create { record: Box::new(there) }),
        done(8, created("vpc-8")),
        Entry::Took { durations: [("test:net:Vpc create".to_owned(), 1500)].into() },
        Entry::Provider { key: gone, provider: None },
    ]);
    entries
}

pub(crate) fn next(state: &State) -> State {
    State { serial: state.serial + 1, ..state.clone() }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The one file of the stack's folder whose name begins so.
pub(crate) fn file(folder: &Path, beginning: &str) -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.file_name().unwrap().to_str().unwrap().starts_with(beginning))
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}
