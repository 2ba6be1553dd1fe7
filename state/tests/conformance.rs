//! The suite that every store passes, run against the stores that are here.
#![allow(clippy::unwrap_used, clippy::expect_used)] // the functions beside the tests are tests too

use std::sync::Arc;

use phx_model::urn::ProjectName;
use phx_state::conformance::{Subject, run};
use phx_state::{LocalStore, MemoryStore};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_local_store_conforms() {
    let make = || {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("state");
        let lock = root.join("demo");
        Subject {
            store: Arc::new(LocalStore::new(root, ProjectName::new("demo").unwrap())),
            // The operating system keeps the lock from being taken from a live process; only without its file can another take over.
            supersede: Some(Box::new(move |stack| {
                std::fs::remove_file(lock.join(stack.as_str()).join("lock")).unwrap()
            })),
            keep: Box::new(folder),
        }
    };
    run(make).await.unwrap_or_else(|failed| panic!("{failed}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_memory_store_conforms() {
    let make = || {
        let store = MemoryStore::new();
        let other = store.clone();
        Subject {
            store: Arc::new(store),
            supersede: Some(Box::new(move |stack| other.steal(stack))),
            keep: Box::new(()),
        }
    };
    run(make).await.unwrap_or_else(|failed| panic!("{failed}"));
}
