//! Format 1 as it was first written: it must stay readable, and until there is a format 2 it must be written the same.
//! `PHX_WRITE_FIXTURES=1` writes the files anew, which is right only before the first release of a format.
#![allow(clippy::unwrap_used, clippy::expect_used)] // the functions beside the tests are tests too

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{copy, done, entries, folder, holder, intent, operation, record, stack, store, urn};
use jiff::Timestamp;
use phx_model::state::{Change, Deposed, State};
use phx_model::store::{Lease, Store};
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

/// Every file of the stack, by its place in the folder.
fn written() -> Vec<(PathBuf, Vec<u8>)> {
    let checkpoint = Checkpoint::encode(&base()).unwrap();
    let head = Head::new(&base().lineage, base().serial, 3, &checkpoint.sha256);
    let lease = Lease { holder: holder(), generation: 4, acquired: Timestamp::UNIX_EPOCH, expires: None };
    let mut chain = Chain::start(&checkpoint.sha256);
    let mut journal = Vec::new();
    for (n, entry) in entries().iter().enumerate() {
        chain.encode(3 + n as u64 / 10, &wire::entry_text(entry).unwrap(), &mut journal);
    }
    vec![
        (PathBuf::from("checkpoints").join(format!("{}.json", checkpoint.sha256)), checkpoint.bytes),
        ("head.json".into(), head.encode().unwrap()),
        ("history.jsonl".into(), wire::encode_operation(&operation()).unwrap().repeat(2)),
        ("journal-12.jsonl".into(), journal),
        ("lease.json".into(), wire::encode_lease(&lease).unwrap()),
    ]
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1")
}

#[test]
fn format_1_is_written_as_it_always_was() {
    let folder = folder(&fixtures());
    if std::env::var_os("PHX_WRITE_FIXTURES").is_some() {
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
async fn format_1_is_read() {
    // A copy, because a run writes beside what it reads.
    let root = tempfile::tempdir().unwrap();
    copy(&fixtures(), root.path());
    let store = store(root.path());
    let mut expected = base();
    expected.fold(&entries()).unwrap();
    assert_eq!(store.stacks().await.unwrap(), [stack()]);
    assert_eq!(store.load(&stack()).await.unwrap(), Some(expected.clone()));
    assert_eq!(store.history(&stack()).await.unwrap(), [operation(), operation()]);
    assert!(store.lease(&stack()).await.unwrap().is_none());
    let session = store.acquire(&stack(), &holder()).await.unwrap();
    assert_eq!(*session.state(), expected);
    assert_eq!(session.lease().generation, 5);
    // It goes on in the journal it found.
    let failed = done(7, phx_model::state::Outcome::Abandoned);
    session.append(std::slice::from_ref(&failed)).await.unwrap();
    expected.apply(&failed).unwrap();
    assert_eq!(store.load(&stack()).await.unwrap(), Some(expected));
}
