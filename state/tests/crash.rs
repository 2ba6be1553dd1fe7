//! A crash at every point of every write: the folder is copied there, and a copy is what a killed process leaves.
#![allow(clippy::unwrap_used, clippy::expect_used)] // the functions beside the tests are tests too

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use common::{copy, entries, folder, holder, next, operation, recorded, stack, store, urn};
use phx_model::state::State;
use phx_model::store::{Store, StoreError};

/// The copies made so far: at which point, and where.
#[derive(Clone, Default)]
struct Copies(Arc<Mutex<Vec<(&'static str, PathBuf)>>>);

impl Copies {
    fn take(&self) -> Vec<(&'static str, PathBuf)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A copy's state is one of the two, it can be taken over, and goes on.
async fn goes_on(point: &str, copy: &Path, before: Option<&State>, after: &State) {
    let store = store(copy);
    let loaded = store.load(&stack()).await.unwrap_or_else(|e| panic!("at {point}: {e}"));
    assert!(
        loaded.as_ref() == before || loaded.as_ref() == Some(after),
        "at {point}: {loaded:?}\nbefore {before:?}\nafter {after:?}"
    );
    assert!(store.lease(&stack()).await.unwrap().is_none(), "at {point}: it is leased by the dead");

    let session = store.acquire(&stack(), &holder()).await.unwrap_or_else(|e| panic!("at {point}: {e}"));
    let mut state = session.state().clone();
    match &loaded {
        Some(loaded) => assert_eq!(state, *loaded, "at {point}"),
        None => assert!(state.is_empty(), "at {point}"),
    }
    let entry = recorded("one-more");
    session.append(std::slice::from_ref(&entry)).await.unwrap();
    state.apply(&entry).unwrap();
    assert_eq!(store.load(&stack()).await.unwrap().as_ref(), Some(&state), "at {point}");
    session.checkpoint(&next(&state)).await.unwrap();
    session.record(&operation()).await.unwrap();
    session.release().await.unwrap();
    assert_eq!(store.load(&stack()).await.unwrap(), Some(next(&state)), "at {point}");
    // Nothing unfinished is left lying about.
    let left: Vec<_> = fs::read_dir(folder(copy))
        .unwrap()
        .chain(fs::read_dir(folder(copy).join("checkpoints")).unwrap())
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".tmp"))
        .collect();
    assert!(left.is_empty(), "at {point}: {left:?}");
    common::file(&folder(copy), "journal-");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_every_point_the_state_is_the_old_or_the_new_one_and_goes_on() {
    let base = tempfile::tempdir().unwrap();
    let root = base.path().join("live");
    let copies = Copies::default();
    let watched = {
        let (copies, root, base) = (copies.clone(), root.clone(), base.path().to_owned());
        store(&root).watched(move |point| {
            let mut taken = copies.0.lock().unwrap();
            let to = tempfile::Builder::new().prefix("copy").tempdir_in(&base).unwrap().keep();
            copy(&root, &to);
            taken.push((point, to));
        })
    };
    let mut points = std::collections::BTreeSet::new();
    let mut before: Option<State> = None;
    for run in 0..3 {
        let session = watched.acquire(&stack(), &holder()).await.unwrap();
        let mut state = session.state().clone();
        for (point, copy) in copies.take() {
            points.insert(point);
            goes_on(point, &copy, before.as_ref(), &state).await;
        }
        // Batches of the first run's entries; the later runs' resources have names of their own.
        let batches = match run {
            0 => entries().chunks(5).map(<[_]>::to_vec).collect(),
            n => vec![vec![recorded(&format!("x{n}")), recorded(&format!("y{n}"))]],
        };
        for batch in batches {
            let empty = State::empty(state.lineage.clone());
            let began = state.clone();
            session.append(&batch).await.unwrap();
            state.fold(&batch).unwrap();
            for (point, copy) in copies.take() {
                points.insert(point);
                // The first append also makes the stack: then what was before may be an empty state, or none.
                let stored = store(&copy).load(&stack()).await.unwrap();
                let was = if stored == Some(empty.clone()) { Some(&empty) } else { before.as_ref() };
                goes_on(point, &copy, was, &state).await;
            }
            assert!(began != state);
            before = Some(state.clone());
        }
        let new = next(&state);
        session.checkpoint(&new).await.unwrap();
        for (point, copy) in copies.take() {
            points.insert(point);
            goes_on(point, &copy, Some(&state), &new).await;
        }
        session.record(&operation()).await.unwrap();
        for (point, copy) in copies.take() {
            points.insert(point);
            goes_on(point, &copy, Some(&new), &new).await;
        }
        session.release().await.unwrap();
        before = Some(new);
    }
    let expected = [
        "checkpoint-durable",
        "checkpoint-moved",
        "entries-durable",
        "entries-written",
        "file-written",
        "head-durable",
        "head-moved",
        "journal-created",
        "lease-durable",
        "lease-moved",
        "left-over-removed",
        "operation-durable",
    ];
    assert_eq!(points.into_iter().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_journal_cut_anywhere_is_a_prefix_and_goes_on() {
    let base = tempfile::tempdir().unwrap();
    let root = base.path().join("live");
    let session = store(&root).acquire(&stack(), &holder()).await.unwrap();
    let start = session.state().clone();
    let entries = entries();
    session.append(&entries).await.unwrap();
    session.release().await.unwrap();
    let bytes = fs::read(common::file(&folder(&root), "journal-")).unwrap();
    for len in 0..=bytes.len() {
        let whole = bytes[..len].iter().filter(|b| **b == b'\n').count();
        let mut expected = start.clone();
        expected.fold(&entries[..whole]).unwrap();
        fs::write(common::file(&folder(&root), "journal-"), &bytes[..len]).unwrap();
        assert_eq!(store(&root).load(&stack()).await.unwrap().unwrap(), expected, "cut at {len}");
        // Taking over costs a few syncs, so not at every length.
        if len % 97 == 0 {
            let to = base.path().join(format!("copy{len}"));
            copy(&root, &to);
            let session = store(&to).acquire(&stack(), &holder()).await.unwrap();
            assert_eq!(*session.state(), expected, "cut at {len}");
            session.append(&[recorded("g")]).await.unwrap();
            expected.apply(&recorded("g")).unwrap();
            assert_eq!(store(&to).load(&stack()).await.unwrap().unwrap(), expected, "cut at {len}");
        }
    }
}

#[tokio::test]
async fn a_history_cut_short_loses_its_last_line_only() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    let session = store.acquire(&stack(), &holder()).await.unwrap();
    session.record(&operation()).await.unwrap();
    session.record(&operation()).await.unwrap();
    let path = folder(root.path()).join("history.jsonl");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    assert_eq!(store.history(&stack()).await.unwrap().len(), 1);
    session.record(&operation()).await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[tokio::test]
async fn a_session_whose_folder_went_away_says_so() {
    let root = tempfile::tempdir().unwrap();
    let session = store(root.path()).acquire(&stack(), &holder()).await.unwrap();
    session.append(&[recorded("a")]).await.unwrap();
    fs::rename(folder(root.path()), root.path().join("elsewhere")).unwrap();
    let error = session.append(&[recorded("b")]).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(!session.state().resources.contains_key(&urn("b")));
}

#[tokio::test]
async fn a_write_goes_on_to_its_end_when_nobody_waits_for_it() {
    let root = tempfile::tempdir().unwrap();
    let session = store(root.path()).acquire(&stack(), &holder()).await.unwrap();
    for n in 0..20 {
        let batch = [recorded(&format!("a{n}"))];
        // Polled once, then dropped.
        let _ = futures::FutureExt::now_or_never(session.append(&batch));
    }
    session.append(&[recorded("last")]).await.unwrap();
    let state = store(root.path()).load(&stack()).await.unwrap().unwrap();
    assert!(state.resources.contains_key(&urn("last")));
}
