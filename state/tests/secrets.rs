//! Secrets through the stores: what is encrypted, for whom, and that no plaintext is in any file.
#![allow(clippy::unwrap_used, clippy::expect_used)] // the functions beside the tests are tests too

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use common::{done, entries, holder, intent, next, record, recorded, stack, store, urn};
use jiff::Timestamp;
use phx_model::key::KeyHeader;
use phx_model::state::{Change, Deposed, Entry, OperationId, Outcome, Record, State};
use phx_model::store::{Session, Store, StoreError};
use phx_model::urn::{ProjectName, StackName};
use phx_model::{Value, ValueMap};
use phx_state::conformance::{Subject, run_sealing};
use phx_state::secret::{Cost, DataKey, KeySource, Keys, Passphrase, SealedStore};
use phx_state::{LocalStore, MemoryStore};
use proptest::prelude::*;

const CHEAP: Cost = Cost { m_kib: 8, t: 1, p: 1 };

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.to_owned()).cost(CHEAP)
}

fn keys() -> Arc<Keys> {
    Arc::new(Keys::none().with_passphrase(passphrase("correct horse")))
}

fn sealing(inner: impl Store + 'static) -> SealedStore {
    SealedStore::new(Arc::new(inner), keys())
}

/// A key source that counts how often it is asked.
#[derive(Default, Clone)]
struct Counted(Arc<AtomicUsize>);

#[async_trait]
impl KeySource for Counted {
    async fn create(&self, stack: &StackName) -> Result<(KeyHeader, DataKey), StoreError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        passphrase("correct horse").create(stack).await
    }
    async fn open(&self, stack: &StackName, header: &KeyHeader) -> Result<DataKey, StoreError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        passphrase("correct horse").open(stack, header).await
    }
}

fn secret(text: &str) -> Value {
    Value::String(text.into()).secret()
}

/// A record with a secret in every place that one can be in.
fn secretive(id: &str, word: &str) -> Record {
    let nested =
        Value::Map([("a.b".to_owned(), Value::List(vec![Value::Int(1), secret(&format!("{word}-nested"))]))].into());
    let one = |name: &str, value| -> ValueMap { [(name.to_owned(), value)].into() };
    Record {
        inputs: [("password".to_owned(), secret(&format!("{word}-input"))), ("nested".to_owned(), nested)].into(),
        outputs: one("token", secret(&format!("{word}-output"))),
        drift: one("password", secret(&format!("{word}-drift"))),
        replace_on: vec![Value::Null, secret(&format!("{word}-trigger"))],
        ..record(id)
    }
}

/// Entries with secrets in every place that an entry can have one, which fold over an empty state.
fn secret_entries(word: &str) -> Vec<Entry> {
    let say = |part: &str| secret(&format!("{word}-{part}"));
    let outputs = |part: &str| -> ValueMap { [("token".to_owned(), say(part))].into() };
    let create = |part: &str| Change::Create { record: Box::new(secretive("", &format!("{word}-{part}"))) };
    let update = Change::Update {
        fields: ["password".to_owned()].into(),
        record: Box::new(secretive("x-1", &format!("{word}-update"))),
    };
    vec![
        Entry::Began { operation: OperationId("op-1".into()), kind: "up".into(), time: Timestamp::UNIX_EPOCH },
        intent(101, "x", create("create")),
        done(101, Outcome::Created { id: "x-1".into(), outputs: outputs("created"), complete: false }),
        intent(102, "x", Change::Finish),
        done(102, Outcome::Applied { outputs: Some(outputs("finished")) }),
        intent(103, "x", update.clone()),
        done(103, Outcome::Applied { outputs: None }),
        // A replacement: x-1 becomes deposed with its secrets.
        intent(104, "x", create("replace")),
        done(104, Outcome::Created { id: "x-2".into(), outputs: outputs("replaced"), complete: true }),
        Entry::Renamed { from: urn("x"), to: urn("y") },
        // After the renaming only some values are written anew.
        intent(105, "y", Change::Finish),
        done(105, Outcome::Applied { outputs: Some(outputs("after")) }),
        Entry::Recorded { urn: urn("z"), record: Box::new(secretive("z-1", &format!("{word}-recorded"))) },
        Entry::Outputs { outputs: [("a b.c".to_owned(), say("stack")), ("plain".to_owned(), Value::Int(1))].into() },
        Entry::Secret { name: "db".into(), value: Some(say("configured")) },
        Entry::Secret { name: "gone".into(), value: Some(say("removed")) },
        Entry::Secret { name: "gone".into(), value: None },
        intent(106, "open", create("open")),
    ]
}

/// What the entries come to, without the key that a store adds.
fn folded(session: &dyn Session, entries: &[Entry]) -> State {
    let mut state = session.state().clone();
    state.fold(entries).unwrap();
    state
}

fn without_key(state: State) -> State {
    State { key: None, ..state }
}

/// Fails if the word is in any file below the folder, as it is, in hexadecimal or in base64 at any alignment.
fn assert_nowhere(folder: &Path, word: &str) {
    let mut forms: Vec<Vec<u8>> = vec![word.into(), hex::encode(word).into(), hex::encode_upper(word).into()];
    for pad in 0..3 {
        let text = [vec![b'x'; pad], word.as_bytes().to_vec()].concat();
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&text).into_bytes();
            // Without the characters at either end that depend on what stands beside the word.
            forms.push(encoded[if pad == 0 { 0 } else { pad + 1 }..encoded.len() - 2].to_vec());
        }
    }
    let mut todo = vec![folder.to_owned()];
    let mut files = 0;
    while let Some(at) = todo.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
                continue;
            }
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            for form in &forms {
                let found = bytes.windows(form.len()).any(|w| w == form);
                assert!(!found, "{} has {:?}", path.display(), String::from_utf8_lossy(form));
            }
        }
    }
    assert!(files > 2, "only {files} files were searched");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sealing_store_over_memory_conforms() {
    let make = || {
        let store = MemoryStore::new();
        let other = store.clone();
        Subject {
            store: Arc::new(sealing(store)),
            supersede: Some(Box::new(move |stack| other.steal(stack))),
            keep: Box::new(()),
        }
    };
    run_sealing(make).await.unwrap_or_else(|failed| panic!("{failed}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sealing_store_over_a_folder_conforms() {
    let make = || {
        let folder = tempfile::tempdir().unwrap();
        let inner = LocalStore::new(folder.path().join("state"), ProjectName::new("demo").unwrap());
        Subject { store: Arc::new(sealing(inner)), supersede: None, keep: Box::new(folder) }
    };
    run_sealing(make).await.unwrap_or_else(|failed| panic!("{failed}"));
}

#[tokio::test]
async fn every_place_of_a_state_and_an_entry_goes_there_and_back_and_no_plaintext_is_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let inner = store(folder.path());
    let sealed = sealing(inner.clone());
    let session = sealed.acquire(&stack(), &holder()).await.unwrap();
    let entries = secret_entries("canary7");
    let expected = folded(&*session, &entries);
    // One by one and in batches: the renaming then has what it renames in its own batch, or before it.
    for batch in entries.chunks(3) {
        session.append(batch).await.unwrap();
    }
    let loaded = sealed.load(&stack()).await.unwrap().unwrap();
    assert!(loaded.key.is_some());
    assert_eq!(without_key(loaded), expected);
    session.release().await.unwrap();
    // Another process with the passphrase.
    let again = sealing(inner.clone());
    let session = again.acquire(&stack(), &holder()).await.unwrap();
    assert_eq!(without_key(session.state().clone()), expected);
    assert_nowhere(folder.path(), "canary7");
    // A checkpoint of a state that does not know of the key.
    session.checkpoint(&next(&expected)).await.unwrap();
    let loaded = again.load(&stack()).await.unwrap().unwrap();
    assert_eq!(loaded.key, session.state().key, "the key stays the same");
    assert_eq!(without_key(loaded), next(&expected));
    assert_nowhere(folder.path(), "canary7");
    // Whoever looks without a key sees that there are secrets, and none of them.
    let raw = inner.load(&stack()).await.unwrap().unwrap();
    assert_eq!(raw.outputs["plain"], Value::Int(1));
    assert!(raw.secrets["db"].has_sealed() && !format!("{raw:?}").contains("canary7"));
    assert_eq!(raw.deposed, [Deposed { urn: urn("y"), record: raw.deposed[0].record.clone() }]);
}

#[tokio::test]
async fn without_the_key_or_with_a_wrong_one_nothing_is_given_out_and_the_lease_is_free() {
    let inner = MemoryStore::new();
    let session = sealing(inner.clone()).acquire(&stack(), &holder()).await.unwrap();
    session.append(&secret_entries("canary7")).await.unwrap();
    session.release().await.unwrap();
    let wrong = Keys::none().with_passphrase(passphrase("wrong"));
    for keys in [Keys::none(), wrong] {
        let store = SealedStore::new(Arc::new(inner.clone()), Arc::new(keys));
        let errors = [store.load(&stack()).await.unwrap_err(), store.acquire(&stack(), &holder()).await.err().unwrap()];
        for error in errors {
            assert!(matches!(&error, StoreError::Key { .. }) && error.to_string().contains("stack dev"), "{error}");
        }
        assert!(inner.lease(&stack()).await.unwrap().is_none(), "the lease was kept");
    }
    // And nothing that is new is written without one.
    let keyless = SealedStore::new(Arc::new(MemoryStore::new()), Arc::new(Keys::none()));
    let session = keyless.acquire(&stack(), &holder()).await.unwrap();
    session.append(&[recorded("a")]).await.unwrap();
    let error = session.append(&secret_entries("canary7")).await.unwrap_err();
    assert!(error.to_string().contains("no key was given"), "{error}");
    let state = State { secrets: [("db".to_owned(), secret("x"))].into(), ..next(session.state()) };
    assert!(session.checkpoint(&state).await.is_err());
}

#[tokio::test]
async fn a_stack_without_secrets_asks_for_no_key() {
    let counted = Counted::default();
    let inner = MemoryStore::new();
    let store = SealedStore::new(Arc::new(inner.clone()), Arc::new(counted.clone()));
    let session = store.acquire(&stack(), &holder()).await.unwrap();
    session.append(&entries()).await.unwrap();
    let state = folded(&*session, &entries());
    session.checkpoint(&next(&state)).await.unwrap();
    session.append(&[Entry::Renamed { from: urn("d"), to: urn("q") }]).await.err();
    session.release().await.unwrap();
    store.load(&stack()).await.unwrap();
    store.acquire(&stack(), &holder()).await.unwrap().release().await.unwrap();
    assert_eq!(counted.0.load(Ordering::SeqCst), 0);
    assert!(inner.load(&stack()).await.unwrap().unwrap().key.is_none());
    // And one with secrets asks once in one run.
    let session = store.acquire(&stack(), &holder()).await.unwrap();
    session.append(&[Entry::Secret { name: "a".into(), value: Some(secret("x")) }]).await.unwrap();
    session.append(&[Entry::Secret { name: "b".into(), value: Some(secret("y")) }]).await.unwrap();
    session.release().await.unwrap();
    store.load(&stack()).await.unwrap();
    assert_eq!(counted.0.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn after_a_failed_write_the_same_key_is_tried_again() {
    let inner = MemoryStore::new();
    let store = sealing(inner.clone());
    let session = store.acquire(&stack(), &holder()).await.unwrap();
    let entry = [Entry::Secret { name: "a".into(), value: Some(secret("x")) }];
    inner.fail_writes_after(Some(0));
    assert!(session.append(&entry).await.is_err());
    assert!(session.checkpoint(&State { serial: 1, ..folded(&*session, &entry) }).await.is_err());
    inner.fail_writes_after(None);
    session.append(&entry).await.unwrap();
    session.append(&entry).await.unwrap();
    let keys = inner.journal(&stack()).into_iter().filter(|e| matches!(e, Entry::Key { .. })).count();
    assert_eq!(keys, 1);
    assert_eq!(store.load(&stack()).await.unwrap().unwrap().secrets["a"], secret("x"));
}

#[tokio::test]
async fn what_is_moved_changed_or_taken_from_elsewhere_is_refused_and_named() {
    let inner = MemoryStore::new();
    let store = sealing(inner.clone());
    let session = store.acquire(&stack(), &holder()).await.unwrap();
    session.append(&secret_entries("canary7")).await.unwrap();
    session.release().await.unwrap();
    let raw = inner.load(&stack()).await.unwrap().unwrap();
    let refused = async |state: State, place: &str| {
        let other = MemoryStore::new();
        other.put(&stack(), state);
        let error = sealing(other).load(&stack()).await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, StoreError::Damaged { .. }) && text.contains(place), "{text}");
        assert!(!text.contains("canary7"), "{text}");
    };
    let mut state = raw.clone();
    let stolen = state.resources[&urn("y")].inputs["password"].clone();
    state.resources.get_mut(&urn("z")).unwrap().inputs.insert("password", stolen.clone());
    refused(state, "Vpc:z: inputs.password").await;
    let mut state = raw.clone();
    state.outputs.insert("shown", stolen.clone());
    refused(state, "the output shown").await;
    let mut state = raw.clone();
    state.resources.get_mut(&urn("y")).unwrap().outputs.insert("token", stolen);
    refused(state, "Vpc:y: outputs.token").await;
    let mut state = raw.clone();
    let old = state.resources.remove(&urn("y")).unwrap();
    state.resources.insert(urn("w"), old);
    refused(state, "Vpc:w: ").await;
    let mut state = raw.clone();
    state.key = None;
    refused(state, "the state of stack dev").await;
}

#[tokio::test]
async fn a_renaming_keeps_what_is_stored_readable_and_only_that_is_written_anew() {
    let inner = MemoryStore::new();
    let store = sealing(inner.clone());
    let session = store.acquire(&stack(), &holder()).await.unwrap();
    session
        .append(&[
            Entry::Recorded { urn: urn("a"), record: Box::new(secretive("a-1", "w")) },
            recorded("b"),
            Entry::Recorded {
                urn: urn("c"),
                record: Box::new(Record { depends_on: [urn("a")].into(), ..record("c-1") }),
            },
        ])
        .await
        .unwrap();
    session.release().await.unwrap();
    // In a session that wrote no secret itself.
    let session = store.acquire(&stack(), &holder()).await.unwrap();
    let renames = [
        Entry::Renamed { from: urn("a"), to: urn("a2") },
        Entry::Renamed { from: urn("b"), to: urn("b2") },
        Entry::Renamed { from: urn("a2"), to: urn("a3") },
    ];
    let expected = folded(&*session, &renames);
    session.append(&renames).await.unwrap();
    assert_eq!(store.load(&stack()).await.unwrap().unwrap(), expected);
    assert_eq!(expected.resources[&urn("c")].depends_on, [urn("a3")].into());
    let journal = inner.journal(&stack());
    let last = &journal[journal.len() - 3..];
    assert!(matches!(last, [Entry::Moved { .. }, Entry::Renamed { .. }, Entry::Moved { .. }]), "{last:?}");
}

#[tokio::test]
async fn a_rotation_encrypts_everything_anew_and_the_old_passphrase_is_good_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let inner = store(folder.path());
    let old = sealing(inner.clone());
    let session = old.acquire(&stack(), &holder()).await.unwrap();
    let entries = secret_entries("canary7");
    let expected = folded(&*session, &entries);
    session.append(&entries).await.unwrap();
    session.release().await.unwrap();
    let before = inner.load(&stack()).await.unwrap().unwrap();
    let header = old.rotate(&stack(), &holder(), &passphrase("battery staple")).await.unwrap();
    assert_ne!(Some(&header), before.key.as_ref());
    let after = inner.load(&stack()).await.unwrap().unwrap();
    assert_eq!((after.serial, after.key.as_ref()), (before.serial + 1, Some(&header)));
    assert_eq!(without_key(old.load(&stack()).await.unwrap().unwrap()), next(&expected), "the one that rotated has it");
    let new =
        SealedStore::new(Arc::new(inner.clone()), Arc::new(Keys::none().with_passphrase(passphrase("battery staple"))));
    assert_eq!(without_key(new.load(&stack()).await.unwrap().unwrap()), next(&expected));
    assert!(matches!(sealing(inner.clone()).load(&stack()).await, Err(StoreError::Key { .. })));
    assert_eq!(inner.history(&stack()).await.unwrap().len(), 1);
    assert!(inner.lease(&stack()).await.unwrap().is_none());
    assert_nowhere(folder.path(), "canary7");
    // A rotation that fails changes nothing and gives the lease back.
    assert!(new.rotate(&stack(), &holder(), &Keys::none()).await.is_err());
    assert_eq!(inner.load(&stack()).await.unwrap().unwrap(), after);
    assert!(inner.lease(&stack()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_state_from_elsewhere_brings_its_key() {
    let from = MemoryStore::new();
    let session = sealing(from.clone()).acquire(&stack(), &holder()).await.unwrap();
    session.append(&secret_entries("canary7")).await.unwrap();
    session.release().await.unwrap();
    let exported = from.load(&stack()).await.unwrap().unwrap();
    let plain = sealing(from).load(&stack()).await.unwrap().unwrap();
    let to = MemoryStore::new();
    let store = sealing(to.clone());
    let session = store.acquire(&stack(), &holder()).await.unwrap();
    let lineage = session.state().lineage.clone();
    session.checkpoint(&State { serial: 1, lineage: lineage.clone(), ..exported }).await.unwrap();
    let loaded = store.load(&stack()).await.unwrap().unwrap();
    assert_eq!(without_key(loaded), without_key(State { serial: 1, lineage, ..plain }));
    // A single encrypted value is nobody's.
    let entry = Entry::Secret { name: "a".into(), value: Some(Value::Sealed(STANDARD.encode([1; 40]))) };
    assert!(matches!(session.append(&[entry]).await, Err(StoreError::Unwritable { .. })));
}

/// A step of a random run.
#[derive(Clone, Debug)]
enum Act {
    Create(u8),
    Finish(u8, bool),
    Update(u8, bool),
    Rename(u8, u8),
    Refresh(u8),
    Output,
    Configure(u8),
    Checkpoint,
    Restart,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let one = prop_oneof![
        4 => (0_u8..4).prop_map(Act::Create),
        2 => ((0_u8..4), any::<bool>()).prop_map(|(n, o)| Act::Finish(n, o)),
        2 => ((0_u8..4), any::<bool>()).prop_map(|(n, o)| Act::Update(n, o)),
        4 => ((0_u8..4), (0_u8..4)).prop_map(|(a, b)| Act::Rename(a, b)),
        2 => (0_u8..4).prop_map(Act::Refresh),
        1 => Just(Act::Output),
        1 => (0_u8..2).prop_map(Act::Configure),
        1 => Just(Act::Checkpoint),
        1 => Just(Act::Restart),
    ];
    prop::collection::vec(one, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_a_run_writes_the_next_one_reads(acts in acts(), every in 1_usize..4) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let inner = MemoryStore::new();
            let store = sealing(inner.clone());
            let mut session = store.acquire(&stack(), &holder()).await.unwrap();
            let mut state = session.state().clone();
            let mut batch: Vec<Entry> = Vec::new();
            for (n, act) in acts.iter().enumerate() {
                let id = n as u64 + 200;
                let outputs = || -> ValueMap { [("token".to_owned(), secret(&format!("canary7-{n}")))].into() };
                let name = |n: &u8| format!("r{n}");
                let made = match act {
                    Act::Create(r) => vec![
                        intent(id, &name(r), Change::Create { record: Box::new(secretive("", &format!("canary7-{n}"))) }),
                        done(id, Outcome::Created { id: format!("o-{n}"), outputs: outputs(), complete: true }),
                    ],
                    Act::Finish(r, told) => vec![
                        intent(id, &name(r), Change::Finish),
                        done(id, Outcome::Applied { outputs: told.then(outputs) }),
                    ],
                    Act::Update(r, told) => {
                        let Some(old) = state.resources.get(&urn(&name(r))) else { continue };
                        let record = Box::new(secretive(&old.id.clone(), &format!("canary7-{n}")));
                        vec![
                            intent(id, &name(r), Change::Update { fields: ["password".to_owned()].into(), record }),
                            done(id, Outcome::Applied { outputs: told.then(outputs) }),
                        ]
                    }
                    Act::Rename(a, b) => vec![Entry::Renamed { from: urn(&name(a)), to: urn(&name(b)) }],
                    Act::Refresh(r) => {
                        let Some(old) = state.resources.get(&urn(&name(r))) else { continue };
                        let record = Record { drift: outputs(), ..old.clone() };
                        vec![Entry::Recorded { urn: urn(&name(r)), record: Box::new(record) }]
                    }
                    Act::Output => vec![Entry::Outputs { outputs: outputs() }],
                    Act::Configure(s) => vec![Entry::Secret { name: name(s), value: Some(secret(&format!("canary7-{n}"))) }],
                    Act::Checkpoint | Act::Restart => Vec::new(),
                };
                let mut after = state.clone();
                if after.fold(&made).is_err() {
                    continue;
                }
                state = after;
                batch.extend(made);
                let pause = matches!(act, Act::Checkpoint | Act::Restart);
                if batch.len() >= every || pause {
                    session.append(&std::mem::take(&mut batch)).await.unwrap();
                }
                match act {
                    Act::Checkpoint => {
                        state.serial += 1;
                        session.checkpoint(&state).await.unwrap();
                    }
                    Act::Restart => {
                        session.release().await.unwrap();
                        session = store.acquire(&stack(), &holder()).await.unwrap();
                        // A stack that nothing was written to has another lineage each time.
                        state.lineage = session.state().lineage.clone();
                        assert_eq!(without_key(session.state().clone()), without_key(state.clone()));
                    }
                    _ => {}
                }
            }
            session.append(&batch).await.unwrap();
            match sealing(inner.clone()).load(&stack()).await.unwrap() {
                Some(loaded) => assert_eq!(without_key(loaded), without_key(state)),
                None => assert!(state.is_empty() && state.secrets.is_empty() && state.outputs.is_empty()),
            }
            for entry in inner.journal(&stack()) {
                assert!(!serde_json::to_string(&entry).unwrap().contains("canary7"));
            }
        });
    }
}

#[tokio::test]
async fn a_document_has_the_states_key_or_one_of_its_own() {
    let inner = MemoryStore::new();
    let store = sealing(inner.clone());
    let entry = Entry::Recorded { urn: urn("a"), record: Box::new(secretive("a-1", "canary7")) };
    let own = store.document_key(&stack(), None).await.unwrap();
    let sealed = own.seal(entry.clone()).unwrap();
    assert!(!serde_json::to_string(&sealed).unwrap().contains("canary7"));
    let again = sealing(inner).document_key(&stack(), Some(own.header())).await.unwrap();
    assert_eq!(again.open(sealed.clone()).unwrap(), entry);
    let Entry::Recorded { record, .. } = sealed else { panic!("it is another entry") };
    assert!(again.open(Entry::Recorded { urn: urn("b"), record }).is_err());
}
