//! The formats as they were first written: each must stay readable, and until there is a newer one the last must be written the same.
//! `PHX_WRITE_FIXTURES=1` writes the last one's files anew, which is right only before its first release.
#![allow(clippy::unwrap_used, clippy::expect_used)] // the functions beside the tests are tests too

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{
    copy, done, entries, entries_2, folder, holder, intent, operation, operation_2, provider, record, replica, stack,
    store, urn,
};
use jiff::Timestamp;
use phx_model::state::{Change, Deposed, Entry, State};
use phx_model::store::{Lease, Operation, Store};
use phx_model::{Value, ValueMap};
use phx_state::wire::{self, Chain, Checkpoint, Head};

fn base() -> State {
    let mut state = State::empty("0123456789abcdef");
    state.serial = 12;
    let mut vpc = record("vpc-9");
    vpc.drift.insert("cidr", Value::Null);
    vpc.outputs.insert("n", Value::List(vec![Value::Int(-1), Value::Float(0.5), Value::Bool(true)]));
    vpc.outputs.insert("m", Value::Map(ValueMap::new()));
    vpc.uncertain.insert("cidr".into());
    vpc.depends_on = [urn("z")].into();
    vpc.protect = true;
    vpc.retain = true;
    vpc.delete_timeout = Some(600);
    vpc.replace_on.push(Value::String("ä\n".into()));
    state.resources.insert(urn("y"), vpc.clone());
    vpc.incomplete = true;
    state.deposed.push_back(Deposed { urn: urn("y"), record: vpc });
    state.apply(&intent(100, "y", Change::Delete { id: "vpc-9".into() })).unwrap();
    state.outputs.insert("vpc", Value::String("vpc-9".into()));
    state
}

/// The same with what format 2 has more.
fn base_2() -> State {
    let mut state = base();
    let mut there = record("vpc-there");
    there.provider = replica();
    there.ignore_changes = vec!["cidr".into(), "tags.Owner".into()];
    state.resources.insert(urn("there"), there);
    state.durations.insert("test:net:Vpc create".into(), 900);
    state.providers.insert(replica(), provider());
    state
}

/// What a stack of each format's fixture has: its checkpoint, its journal, each operation of its history.
fn contents(format: u32) -> (State, Vec<Entry>, Operation) {
    match format {
        1 => (base(), entries(), operation()),
        _ => (base_2(), entries_2(), operation_2()),
    }
}

/// Every file of the stack in the last format, by its place in the folder.
fn written() -> Vec<(PathBuf, Vec<u8>)> {
    let (base, entries, operation) = contents(2);
    let checkpoint = Checkpoint::encode(&base).unwrap();
    let head = Head::new(&base.lineage, base.serial, 3, &checkpoint.sha256);
    let lease = Lease { holder: holder(), generation: 4, acquired: Timestamp::UNIX_EPOCH, expires: None };
    let mut chain = Chain::start(&checkpoint.sha256);
    let mut journal = Vec::new();
    for (n, entry) in entries.iter().enumerate() {
        chain.encode(3 + n as u64 / 20, &wire::entry_text(entry).unwrap(), &mut journal);
    }
    vec![
        (PathBuf::from("checkpoints").join(format!("{}.json", checkpoint.sha256)), checkpoint.bytes),
        ("head.json".into(), head.encode().unwrap()),
        ("history.jsonl".into(), wire::encode_operation(&operation).unwrap().repeat(2)),
        ("journal-12.jsonl".into(), journal),
        ("lease.json".into(), wire::encode_lease(&lease).unwrap()),
    ]
}

fn fixtures(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/v{format}"))
}

#[test]
fn format_2_is_written_as_it_always_was() {
    let folder = folder(&fixtures(2));
    if std::env::var_os("PHX_WRITE_FIXTURES").is_some() {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("checkpoints")).unwrap();
        for (path, bytes) in written() {
            fs::write(folder.join(path), bytes).unwrap();
        }
    }
    for (path, bytes) in written() {
        let stored = fs::read(folder.join(&path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&stored), "{}", path.display());
    }
}

#[tokio::test]
async fn every_format_is_read() {
    for format in [1, 2] {
        let (mut expected, entries, operation) = contents(format);
        let stored = fs::read_to_string(folder(&fixtures(format)).join("head.json")).unwrap();
        assert!(stored.starts_with(&format!("{{\"format\":{format},")), "{stored}");
        // A copy, because a run writes beside what it reads.
        let root = tempfile::tempdir().unwrap();
        copy(&fixtures(format), root.path());
        let store = store(root.path());
        expected.fold(&entries).unwrap();
        assert_eq!(store.stacks().await.unwrap(), [stack()]);
        assert_eq!(store.load(&stack()).await.unwrap(), Some(expected.clone()), "{format}");
        assert_eq!(store.history(&stack()).await.unwrap(), [operation.clone(), operation]);
        assert!(store.lease(&stack()).await.unwrap().is_none());
        let session = store.acquire(&stack(), &holder()).await.unwrap();
        assert_eq!(*session.state(), expected);
        assert_eq!(session.lease().generation, 5);
        // It goes on in the journal it found, in today's format, and the next checkpoint is in that one too.
        let failed = done(7, phx_model::state::Outcome::Abandoned);
        session.append(std::slice::from_ref(&failed)).await.unwrap();
        expected.apply(&failed).unwrap();
        assert_eq!(store.load(&stack()).await.unwrap(), Some(expected.clone()));
        session.checkpoint(&common::next(&expected)).await.unwrap();
        session.release().await.unwrap();
        assert_eq!(store.load(&stack()).await.unwrap(), Some(common::next(&expected)));
        let head = fs::read_to_string(folder(root.path()).join("head.json")).unwrap();
        assert!(head.starts_with("{\"format\":2,"), "{head}");
        assert!(store.verify(&stack()).await.unwrap().faults.is_empty());
    }
}

#[test]
fn an_export_of_format_1_is_read() {
    let whole = |format: u32| {
        let mut state = base();
        state.format = format;
        let body = serde_json::json!({
            "format": format, "kind": "phx-state-export", "project": "demo", "stack": "dev", "exported": "1970-01-01T00:00:00Z",
            "by": "me@here", "lineage": state.lineage, "serial": state.serial, "history": [operation()], "state": state,
        });
        body
    };
    // The sum is over the fields in the order in which they are written, which `json!` does not keep.
    let sum = |body: &serde_json::Value| {
        let order = ["format", "kind", "project", "stack", "exported", "by", "lineage", "serial", "history"];
        let mut text = String::from("{");
        for name in order {
            let value = match name {
                "history" => serde_json::to_string(&[operation()]).unwrap(),
                _ => body[name].to_string(),
            };
            text.push_str(&format!("{name:?}:{value},"));
        }
        let state = State { format: u32::try_from(body["format"].as_u64().unwrap()).unwrap(), ..base() };
        text.push_str(&format!("\"state\":{}}}", serde_json::to_string(&state).unwrap()));
        wire::sha256(text.as_bytes())
    };
    for format in [1, 2] {
        let mut document = whole(format);
        document["sha256"] = sum(&document).into();
        let read = phx_state::archive::Archive::decode(document.to_string().as_bytes()).unwrap();
        assert_eq!(read.state, base(), "{format}");
    }
}
