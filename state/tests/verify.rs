//! Verifying finds each fault that is planted in a stack's folder, all of them at once, and names it.
#![allow(clippy::unwrap_used, clippy::expect_used)] // the functions beside the tests are tests too

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{entries, file, folder, holder, next, operation, recorded, stack, store};
use phx_model::state::State;
use phx_model::store::{Store, Verification};

/// A stack with two checkpoints, a journal of some entries and two operations.
async fn stack_at(root: &Path) {
    let session = store(root).acquire(&stack(), &holder()).await.unwrap();
    session.append(&[recorded("base")]).await.unwrap();
    let mut state = session.state().clone();
    state.apply(&recorded("base")).unwrap();
    let first = next(&state);
    session.checkpoint(&first).await.unwrap();
    session.checkpoint(&next(&first)).await.unwrap();
    session.append(&entries()).await.unwrap();
    session.record(&operation()).await.unwrap();
    session.record(&operation()).await.unwrap();
    session.release().await.unwrap();
}

fn checkpoint_of(root: &Path, serial: u64) -> PathBuf {
    fs::read_dir(folder(root).join("checkpoints"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| fs::read_to_string(p).unwrap().contains(&format!("\"serial\":{serial},")))
        .unwrap()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at % bytes.len();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

async fn verify(root: &Path) -> Verification {
    store(root).verify(&stack()).await.unwrap()
}

/// What is planted, and which file and words the one fault that is found names.
type Planted = (&'static str, fn(&Path), fn(&Path) -> PathBuf, &'static str);

fn head(root: &Path) -> PathBuf {
    folder(root).join("head.json")
}
fn journal(root: &Path) -> PathBuf {
    file(&folder(root), "journal-")
}
fn history(root: &Path) -> PathBuf {
    folder(root).join("history.jsonl")
}
fn lease(root: &Path) -> PathBuf {
    folder(root).join("lease.json")
}

#[tokio::test]
async fn each_planted_fault_is_found_and_named() {
    let planted: [Planted; 9] = [
        ("a changed head", |root| flip(&head(root), 40), head, "checksum"),
        ("no head", |root| fs::remove_file(head(root)).unwrap(), head, "missing"),
        ("a changed line of the journal", |root| flip(&journal(root), 60), journal, "line 1"),
        ("no journal", |root| fs::remove_file(journal(root)).unwrap(), journal, "missing"),
        ("a changed operation", |root| flip(&history(root), 60), history, "line 1"),
        ("a changed lease", |root| flip(&lease(root), 60), lease, "checksum"),
        ("a newer lease", |root| fs::write(lease(root), "{\"format\":9}\n").unwrap(), lease, "format 9"),
        (
            "a changed checkpoint that is not in force",
            |root| flip(&checkpoint_of(root, 1), 99),
            |root| folder(root).join("checkpoints"),
            "SHA-256",
        ),
        (
            "a changed checkpoint in force",
            |root| flip(&checkpoint_of(root, 2), 99),
            |root| folder(root).join("checkpoints"),
            "SHA-256",
        ),
    ];
    for (what, plant, place, word) in planted {
        let root = tempfile::tempdir().unwrap();
        stack_at(root.path()).await;
        let good = verify(root.path()).await;
        assert!(good.faults.is_empty(), "{what}: {good:?}");
        // The empty one of serial 0, and two.
        assert_eq!((good.serial, good.checkpoints, good.operations), (Some(2), 3, 2));
        assert_eq!(good.entries, entries().len() as u64);
        let named = place(root.path()).display().to_string();
        plant(root.path());
        let found = verify(root.path()).await;
        let [fault] = &found.faults[..] else { panic!("{what}: {:#?}", found.faults) };
        assert!(fault.what.contains(&named), "{what}: {fault:?}");
        assert!(format!("{} {}", fault.what, fault.why).contains(word), "{what}: {fault:?}");
    }
}

#[tokio::test]
async fn faults_do_not_hide_each_other() {
    let root = tempfile::tempdir().unwrap();
    stack_at(root.path()).await;
    flip(&journal(root.path()), 60);
    flip(&history(root.path()), 60);
    flip(&checkpoint_of(root.path(), 2), 99);
    flip(&checkpoint_of(root.path(), 1), 99);
    let found = verify(root.path()).await;
    assert_eq!(found.faults.len(), 4, "{:#?}", found.faults);
    // What is good is counted beside them.
    assert_eq!((found.checkpoints, found.entries, found.operations), (1, 0, 1));
}

#[tokio::test]
async fn what_a_crash_leaves_is_no_fault() {
    let root = tempfile::tempdir().unwrap();
    stack_at(root.path()).await;
    for path in [journal(root.path()), history(root.path())] {
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(b"{\"format\":1,\"seq\":");
        fs::write(&path, bytes).unwrap();
    }
    fs::write(folder(root.path()).join("head.json.tmp"), "{").unwrap();
    fs::write(folder(root.path()).join("journal-1.jsonl"), "").unwrap();
    let found = verify(root.path()).await;
    assert!(found.faults.is_empty(), "{:#?}", found.faults);
}

/// Each part is as it was written, and it cannot be true all the same.
#[tokio::test]
async fn a_state_of_another_stack_is_a_fault() {
    let root = tempfile::tempdir().unwrap();
    let session = store(root.path()).acquire(&stack(), &holder()).await.unwrap();
    let urn = phx_model::Urn::parse("urn:phx:demo:elsewhere:test:net:Vpc:a").unwrap();
    let record = phx_model::state::Record { id: "vpc-1".into(), ..Default::default() };
    let state = State { resources: [(urn.clone(), record)].into(), ..next(session.state()) };
    session.checkpoint(&state).await.unwrap();
    session.release().await.unwrap();
    let found = verify(root.path()).await;
    let [fault] = &found.faults[..] else { panic!("{:#?}", found.faults) };
    assert!(fault.why.contains(urn.as_str()) && fault.why.contains("another stack"), "{fault:?}");
}
