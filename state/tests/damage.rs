//! Damaged, hostile and newer files: found, named, never a crash; and the way back.
#![allow(clippy::unwrap_used, clippy::expect_used)] // the functions beside the tests are tests too

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{copy, entries, file, folder, holder, next, operation, recorded, stack, store, urn};
use phx_model::state::State;
use phx_model::store::{Store, StoreError};
use proptest::prelude::*;

/// A stack with two checkpoints, a journal and a history. Gives the state of each checkpoint and the present one.
async fn stack_at(root: &Path) -> Vec<State> {
    let session = store(root).acquire(&stack(), &holder()).await.unwrap();
    session.append(&[recorded("base")]).await.unwrap();
    let mut state = session.state().clone();
    state.apply(&recorded("base")).unwrap();
    let first = next(&state);
    session.checkpoint(&first).await.unwrap();
    let second = next(&first);
    session.checkpoint(&second).await.unwrap();
    session.append(&entries()).await.unwrap();
    session.record(&operation()).await.unwrap();
    session.release().await.unwrap();
    let mut present = second.clone();
    present.fold(&entries()).unwrap();
    vec![first, second, present]
}

fn checkpoint_of(root: &Path, serial: u64) -> PathBuf {
    fs::read_dir(folder(root).join("checkpoints"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| fs::read_to_string(p).unwrap().contains(&format!("\"serial\":{serial},")))
        .unwrap()
}

/// What loading and acquiring say of it, which is the same damage, in this file.
async fn found(root: &Path, path: &Path) -> String {
    let store = store(root);
    let name = path.file_name().unwrap().to_str().unwrap();
    let mut said = String::new();
    for error in [store.load(&stack()).await.err(), store.acquire(&stack(), &holder()).await.err()] {
        let error = error.expect("the damage was not found");
        assert!(matches!(error, StoreError::Damaged { .. } | StoreError::Newer { .. }), "{error}");
        said = error.to_string();
        assert!(said.contains(name), "{said}");
    }
    said
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// A changed byte in the head, the checkpoint or any line of the journal is found and its file named.
    #[test]
    fn a_changed_byte_is_found(samples in prop::collection::vec((0..3_usize, any::<prop::sample::Index>(), 1..=255_u8), 8)) {
        let root = tempfile::tempdir().unwrap();
        let runtime = runtime();
        runtime.block_on(stack_at(root.path()));
        let files = [folder(root.path()).join("head.json"), checkpoint_of(root.path(), 2), file(&folder(root.path()), "journal-")];
        for (which, at, change) in samples {
            let good = fs::read(&files[which]).unwrap();
            let mut bad = good.clone();
            bad[at.index(good.len())] ^= change;
            fs::write(&files[which], &bad).unwrap();
            runtime.block_on(found(root.path(), &files[which]));
            fs::write(&files[which], &good).unwrap();
        }
    }

    /// Whatever stands in a file, reading it ends with a state or an error.
    #[test]
    fn any_bytes_at_all_are_no_crash(which in 0..4_usize, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let root = tempfile::tempdir().unwrap();
        let runtime = runtime();
        runtime.block_on(stack_at(root.path()));
        let folder = folder(root.path());
        let files = [folder.join("head.json"), checkpoint_of(root.path(), 2), file(&folder, "journal-"), folder.join("lease.json")];
        fs::write(&files[which], &bytes).unwrap();
        let loaded = runtime.block_on(store(root.path()).load(&stack()));
        // Only an unfinished line in the journal is like a crash; and the lease is no part of the state.
        prop_assert!(loaded.is_err() || which == 3 || (which == 2 && !bytes.contains(&b'\n')));
        prop_assert!(runtime.block_on(store(root.path()).acquire(&stack(), &holder())).is_err() || which == 2);
    }
}

#[tokio::test]
async fn every_byte_of_the_last_line_matters() {
    // The last line is where damage could pass for a write cut short.
    let root = tempfile::tempdir().unwrap();
    stack_at(root.path()).await;
    let path = file(&folder(root.path()), "journal-");
    let good = fs::read(&path).unwrap();
    let start = good[..good.len() - 1].iter().rposition(|b| *b == b'\n').unwrap();
    let place = store(root.path());
    for at in start..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        assert!(place.load(&stack()).await.is_err(), "byte {at} of {}", good.len());
    }
}

#[tokio::test]
async fn missing_files_are_found() {
    let whole = tempfile::tempdir().unwrap();
    stack_at(whole.path()).await;
    for name in ["head.json", "journal-2.jsonl", "checkpoint"] {
        let root = tempfile::tempdir().unwrap();
        copy(whole.path(), root.path());
        let path = match name {
            "checkpoint" => checkpoint_of(root.path(), 2),
            name => folder(root.path()).join(name),
        };
        fs::remove_file(&path).unwrap();
        let said = found(root.path(), &path).await;
        assert!(said.contains("missing") && said.contains("rollback"), "{said}");
    }
}

#[tokio::test]
async fn a_newer_format_is_refused_and_nothing_touched() {
    let root = tempfile::tempdir().unwrap();
    stack_at(root.path()).await;
    for name in ["head.json", "journal-2.jsonl", "checkpoint"] {
        let path = match name {
            "checkpoint" => checkpoint_of(root.path(), 2),
            name => folder(root.path()).join(name),
        };
        let good = fs::read_to_string(&path).unwrap();
        let newer = good.replacen("\"format\":2", "\"format\":3", 1);
        fs::write(&path, &newer).unwrap();
        let said = found(root.path(), &path).await;
        assert!(said.contains("format 3") && said.contains("nothing was changed"), "{said}");
        assert_eq!(fs::read_to_string(&path).unwrap(), newer);
        fs::write(&path, good).unwrap();
    }
    assert!(store(root.path()).load(&stack()).await.unwrap().is_some());
}

#[tokio::test]
async fn hostile_files_are_refused() {
    let root = tempfile::tempdir().unwrap();
    stack_at(root.path()).await;
    let head = folder(root.path()).join("head.json");
    let journal = folder(root.path()).join("journal-2.jsonl");
    for (path, bytes) in [
        (&head, "[".repeat(60_000)),
        (&head, " ".repeat(10 << 20)),
        (&journal, format!("{}\n", "[".repeat(1 << 20))),
        (&journal, format!("{{\"a\":{}\n", "{\"a\":".repeat(1 << 20))),
        (&journal, "x".repeat(17 << 20)),
    ] {
        let good = fs::read(path).unwrap();
        fs::write(path, bytes).unwrap();
        found(root.path(), path).await;
        fs::write(path, good).unwrap();
    }
    fs::remove_file(&head).unwrap();
    fs::create_dir(&head).unwrap();
    found(root.path(), &head).await;
}

#[tokio::test]
async fn another_stacks_files_are_refused() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    stack_at(one.path()).await;
    stack_at(other.path()).await;
    let path = folder(one.path()).join("journal-2.jsonl");
    fs::copy(folder(other.path()).join("journal-2.jsonl"), &path).unwrap();
    let said = found(one.path(), &path).await;
    assert!(said.contains("line 1"), "{said}");
}

#[tokio::test]
async fn going_back_from_a_damaged_journal_keeps_what_is_good_of_it() {
    let root = tempfile::tempdir().unwrap();
    let states = stack_at(root.path()).await;
    let path = folder(root.path()).join("journal-2.jsonl");
    let good = fs::read_to_string(&path).unwrap();
    let third = good.lines().nth(2).unwrap();
    fs::write(&path, good.replacen(third, &third.replace("vpc", "xyz").replace("10.0", "10.1"), 1)).unwrap();
    let said = found(root.path(), &path).await;
    assert!(said.contains("line 3") && said.contains("phx state rollback --stack dev"), "{said}");

    let done = store(root.path()).rollback(&stack(), &holder(), None).await.unwrap();
    let mut expected = states[1].clone();
    expected.fold(&entries()[..2]).unwrap();
    assert_eq!(done.from, 2);
    assert_eq!(done.state, State { serial: 3, ..expected });
    assert!(done.set_aside.iter().any(|p| p.ends_with("journal-2.jsonl.before-3")), "{:?}", done.set_aside);
    let session = store(root.path()).acquire(&stack(), &holder()).await.unwrap();
    assert_eq!(*session.state(), done.state);
    session.append(&[recorded("later")]).await.unwrap();
}

#[tokio::test]
async fn going_back_from_a_damaged_head_or_checkpoint_finds_the_newest_good_one() {
    let whole = tempfile::tempdir().unwrap();
    let states = stack_at(whole.path()).await;
    // Without a head, the journal still follows the checkpoint that it was begun with, and nothing of it is lost.
    for (head, from, good) in [(true, 2, 2), (false, 1, 0)] {
        let root = tempfile::tempdir().unwrap();
        copy(whole.path(), root.path());
        let path = if head { folder(root.path()).join("head.json") } else { checkpoint_of(root.path(), 2) };
        fs::write(&path, "nonsense").unwrap();
        found(root.path(), &path).await;
        let done = store(root.path()).rollback(&stack(), &holder(), None).await.unwrap();
        assert_eq!(done.from, from);
        assert_eq!(done.state, State { serial: 3, ..states[good].clone() });
        assert_eq!(store(root.path()).load(&stack()).await.unwrap(), Some(done.state));
    }
}

#[tokio::test]
async fn going_back_without_a_head_takes_a_damaged_journal_as_far_as_it_is_good() {
    let root = tempfile::tempdir().unwrap();
    let states = stack_at(root.path()).await;
    fs::remove_file(folder(root.path()).join("head.json")).unwrap();
    let path = folder(root.path()).join("journal-2.jsonl");
    let good = fs::read_to_string(&path).unwrap();
    let third = good.lines().nth(2).unwrap();
    fs::write(&path, good.replacen(third, "nonsense", 1)).unwrap();
    let done = store(root.path()).rollback(&stack(), &holder(), None).await.unwrap();
    let mut expected = states[1].clone();
    expected.fold(&entries()[..2]).unwrap();
    assert_eq!((done.from, done.state), (2, State { serial: 3, ..expected }));
    assert_eq!(
        fs::read_to_string(folder(root.path()).join("journal-2.jsonl.before-3")).unwrap().lines().count(),
        good.lines().count()
    );
}

#[tokio::test]
async fn what_a_newer_phx_has_written_is_not_passed_over_on_the_way_back() {
    let root = tempfile::tempdir().unwrap();
    stack_at(root.path()).await;
    let checkpoint = checkpoint_of(root.path(), 2);
    let newer = fs::read_to_string(&checkpoint).unwrap().replacen("\"format\":2", "\"format\":3", 1);
    fs::write(&checkpoint, &newer).unwrap();
    let head = folder(root.path()).join("head.json");
    fs::write(&head, "nonsense").unwrap();
    let store = store(root.path());
    for to in [None, Some(1)] {
        let error = store.rollback(&stack(), &holder(), to).await.unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 3, .. }), "{to:?}: {error}");
    }
    let error = store.load(&stack()).await.unwrap_err().to_string();
    assert!(error.contains("head.json") && error.contains("a newer phx"), "{error}");
    assert_eq!(fs::read_to_string(&head).unwrap(), "nonsense");
    assert_eq!(fs::read_to_string(&checkpoint).unwrap(), newer);
}

#[tokio::test]
async fn going_back_without_damage_goes_to_the_checkpoint_before_or_the_one_named() {
    let root = tempfile::tempdir().unwrap();
    let states = stack_at(root.path()).await;
    let store = store(root.path());
    let done = store.rollback(&stack(), &holder(), None).await.unwrap();
    assert_eq!((done.from, done.state.serial), (1, 3));
    assert_eq!(done.state.resources, states[0].resources);
    let done = store.rollback(&stack(), &holder(), Some(2)).await.unwrap();
    assert_eq!((done.from, done.state.serial), (2, 4));
    let error = store.rollback(&stack(), &holder(), Some(99)).await.unwrap_err().to_string();
    assert!(error.contains("no good checkpoint 99"), "{error}");
    let session = store.acquire(&stack(), &holder()).await.unwrap();
    assert!(matches!(store.rollback(&stack(), &holder(), None).await, Err(StoreError::Leased(_))));
    assert_eq!(session.state().serial, 4);
}

#[tokio::test]
async fn a_damaged_lease_is_named_and_its_loss_harmless() {
    let root = tempfile::tempdir().unwrap();
    stack_at(root.path()).await;
    let path = folder(root.path()).join("lease.json");
    fs::write(&path, "nonsense").unwrap();
    let error = store(root.path()).acquire(&stack(), &holder()).await.err().unwrap().to_string();
    assert!(error.contains("lease.json") && error.contains("remove it"), "{error}");
    fs::remove_file(&path).unwrap();
    let session = store(root.path()).acquire(&stack(), &holder()).await.unwrap();
    assert_eq!(session.lease().generation, 2, "the generation began anew");
    session.append(&[recorded("z")]).await.unwrap();
    assert!(store(root.path()).load(&stack()).await.unwrap().unwrap().resources.contains_key(&urn("z")));
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_the_users_alone_and_kept_out_of_version_control() {
    use std::os::unix::fs::PermissionsExt;
    let base = tempfile::tempdir().unwrap();
    let root = base.path().join(".phx");
    stack_at(&root).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
            }
        }
    }
    assert_eq!(fs::read_to_string(root.join(".gitignore")).unwrap(), "*\n");
    // A folder that was there and is not phx's is not hidden.
    stack_at(base.path()).await;
    assert!(!base.path().join(".gitignore").exists());
}

#[tokio::test]
async fn the_last_hundred_checkpoints_are_kept() {
    let root = tempfile::tempdir().unwrap();
    let session = store(root.path()).acquire(&stack(), &holder()).await.unwrap();
    let mut state = session.state().clone();
    for _ in 0..110 {
        state = next(&state);
        session.checkpoint(&state).await.unwrap();
    }
    assert_eq!(fs::read_dir(folder(root.path()).join("checkpoints")).unwrap().count(), 100);
    assert_eq!(store(root.path()).load(&stack()).await.unwrap(), Some(state));
}
