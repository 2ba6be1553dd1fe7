//! The S3 store against emulators that others wrote: the suite that every store passes, leases between several writers, and what lies where.
#![allow(clippy::unwrap_used, clippy::expect_used)] // the functions beside the tests are tests too

mod common;
#[path = "common/s3.rs"]
mod s3;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{entries, holder, next, operation, recorded, stack, urn};
use phx_model::Value;
use phx_model::state::{Entry, State};
use phx_model::store::{Holder, Session, Store, StoreError};
use phx_state::S3Store;
use phx_state::conformance::{Subject, run};
use s3::{Fate, INIT, Ready, Wire, fresh, shared};

fn conforming(emulator: &str) -> Subject {
    // Made on a thread of its own: the suite makes its subjects where nothing can be awaited.
    let emulator = emulator.to_owned();
    let ready = on_a_thread(move || async move { Ready::new(&emulator, "conform", "").await });
    let other = Arc::new(ready.other());
    Subject {
        store: Arc::new(ready.store.clone()),
        supersede: Some(Box::new(move |stack| {
            let (other, stack) = (Arc::clone(&other), stack.clone());
            on_a_thread(move || async move { other.break_lease(&stack).await.unwrap().unwrap() });
        })),
        keep: Box::new(ready),
    }
}

fn on_a_thread<T: Send + 'static, F: Future<Output = T>>(work: impl FnOnce() -> F + Send + 'static) -> T {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(move || runtime().block_on(work())).join().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_s3_store_conforms_on_moto() {
    let _running = shared("moto");
    run(|| conforming("moto")).await.unwrap_or_else(|failed| panic!("{failed}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_s3_store_conforms_on_ministack() {
    let _running = shared("ministack");
    run(|| conforming("ministack")).await.unwrap_or_else(|failed| panic!("{failed}"));
}

fn named(n: u32) -> Holder {
    Holder { pid: n, ..holder() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_twenty_gets_the_lease_and_the_others_are_told_who_has_it() {
    for emulator in ["moto", "ministack"] {
        let ready = Ready::new(emulator, "race", "").await;
        let began = Instant::now();
        let tries = (0..20).map(|n| {
            // Each as a process of its own would.
            let store = ready.other();
            tokio::spawn(async move { store.acquire(&stack(), &named(n)).await })
        });
        let (mut got, mut refused) = (Vec::new(), Vec::new());
        for one in futures::future::join_all(tries).await {
            match one.unwrap() {
                Ok(session) => got.push(session),
                Err(StoreError::Leased(lease)) => refused.push(*lease),
                Err(e) => panic!("{e}"),
            }
        }
        assert_eq!((got.len(), refused.len()), (1, 19));
        let lease = got[0].lease();
        assert!(refused.iter().all(|r| (r.generation, &r.holder) == (lease.generation, &lease.holder)), "{refused:?}");
        // A tenth of the lease, and what twenty of them cost an emulator.
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        got.remove(0).release().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_holders_lease_is_taken_over_after_its_duration_and_not_before() {
    let ready = Ready::new("ministack", "dead", "&ttl=2s").await;
    let session = ready.store.acquire(&stack(), &named(1)).await.unwrap();
    session.append(&[recorded("a")]).await.unwrap();
    // As with `kill -9`: from here on it sends nothing, neither a heartbeat nor its farewell.
    ready.wire.decide(|_, _| Fate::Lost);
    let died = Instant::now();
    let new = ready.other().acquire(&stack(), &named(2)).await.unwrap();
    let after = died.elapsed();
    assert!(after >= Duration::from_secs(2) && after < Duration::from_secs(6), "{after:?}");
    assert_eq!(new.lease().generation, session.lease().generation + 1);
    assert!(new.state().resources.contains_key(&urn("a")));

    // It comes back, and is told that it is over before it asks anyone.
    assert!(matches!(session.held(), Err(StoreError::Expired { .. })), "{:?}", session.held());
    ready.wire.pass_all();
    let errors =
        [session.append(&[recorded("b")]).await, session.checkpoint(&next(session.state())).await, session.record(&operation()).await];
    for error in errors {
        assert!(matches!(error, Err(StoreError::Expired { .. })), "{error:?}");
    }
    assert_eq!(ready.wire.sent(), 0, "{:?}", ready.wire.log());
    session.release().await.unwrap();
    new.append(&[recorded("c")]).await.unwrap();
    let names: Vec<_> = ready.other().load(&stack()).await.unwrap().unwrap().resources.into_keys().collect();
    assert_eq!(names, [urn("a"), urn("c")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_holder_that_does_nothing_keeps_its_lease() {
    let ready = Ready::new("ministack", "idle", "&ttl=1s").await;
    let session = ready.store.acquire(&stack(), &named(1)).await.unwrap();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        let error = ready.other().acquire(&stack(), &named(2)).await.map(drop).unwrap_err();
        assert!(matches!(error, StoreError::Leased(lease) if lease.holder == named(1)));
        session.held().unwrap();
    }
    session.append(&[recorded("a")]).await.unwrap();
    let seen = ready.other().lease(&stack()).await.unwrap().unwrap();
    assert!(seen.expires > session.lease().expires, "the lease was renewed and its end did not move");
    // Given back, it is free at once.
    session.release().await.unwrap();
    let began = Instant::now();
    ready.other().acquire(&stack(), &named(2)).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_cut_off_from_the_table_stops_before_anyone_else_can_begin() {
    let ready = Ready::new("ministack", "cutoff", "&ttl=2s").await;
    let session = ready.store.acquire(&stack(), &named(1)).await.unwrap();
    session.append(&[recorded("a")]).await.unwrap();
    ready.wire.decide(|_, _| Fate::Refused(503));
    let began = Instant::now();
    let error = session.append(&[recorded("b")]).await.unwrap_err();
    assert!(matches!(error, StoreError::Expired { .. }), "{error}");
    assert!(error.to_string().contains("503") || error.to_string().contains("no answer"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    // Nobody has taken over, the network is back, and it stays over all the same.
    ready.wire.pass_all();
    let error = session.append(&[recorded("c")]).await.unwrap_err();
    assert!(matches!(error, StoreError::Expired { .. }), "{error}");
    drop(session);
    let state = ready.other().acquire(&stack(), &named(2)).await.unwrap().state().clone();
    assert_eq!(state.resources.into_keys().collect::<Vec<_>>(), [urn("a")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_lease_ends_its_session_and_says_whose_it_was() {
    for emulator in ["moto", "ministack"] {
        let ready = Ready::new(emulator, "break", "").await;
        assert_eq!(ready.store.break_lease(&stack()).await.unwrap(), None);
        let session = ready.store.acquire(&stack(), &named(1)).await.unwrap();
        session.append(&entries()).await.unwrap();
        let broken = ready.other().break_lease(&stack()).await.unwrap().unwrap();
        assert_eq!((broken.generation, broken.holder), (session.lease().generation, named(1)));
        assert_eq!(ready.other().break_lease(&stack()).await.unwrap(), None);
        let error = session.append(&[recorded("x")]).await.unwrap_err();
        assert!(matches!(error, StoreError::Superseded { .. }), "{error}");
        assert!(matches!(session.held(), Err(StoreError::Superseded { .. })));
        // Without waiting for anything.
        let new = ready.other().acquire(&stack(), &named(2)).await.unwrap();
        assert!(new.lease().generation > session.lease().generation);
        assert_eq!(new.state().open.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_is_one_request_whatever_the_stacks_size() {
    let ready = Ready::new("ministack", "count", "").await;
    let session = ready.store.acquire(&stack(), &holder()).await.unwrap();
    let mut state = session.state().clone();
    session.append(&[recorded("first")]).await.unwrap();
    state.apply(&recorded("first")).unwrap();
    for n in 0..2_000 {
        state.apply(&recorded(&format!("r{n}"))).unwrap();
    }
    session.checkpoint(&next(&state)).await.unwrap();
    let transactions = || ready.store.requests_by_operation()["dynamodb:TransactWriteItems"];
    let (before, all) = (transactions(), ready.store.requests());
    for n in 0..20 {
        let batch: Vec<Entry> = (0..5).map(|m| recorded(&format!("x{n}-{m}"))).collect();
        session.append(&batch).await.unwrap();
    }
    assert_eq!(transactions() - before, 20);
    // The head's copy (two), the old journal's removal (one), and a heartbeat at the most.
    assert!(ready.store.requests() - all <= 24, "{:?}", ready.store.requests_by_operation());
    session.release().await.unwrap();
    assert_eq!(ready.store.load(&stack()).await.unwrap().unwrap().resources.len(), 2_101);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_too_large_for_an_item_goes_to_the_bucket() {
    for emulator in ["moto", "ministack"] {
        let ready = Ready::new(emulator, "spill", "").await;
        let large = |n: usize| Entry::Outputs { outputs: [("big".to_owned(), Value::String("x".repeat(n)))].into() };
        let session = ready.store.acquire(&stack(), &holder()).await.unwrap();
        let sizes = [10, 300_000, 357_000, 360_000, 5_000_000, 10];
        let mut expected = session.state().clone();
        for (n, size) in sizes.into_iter().enumerate() {
            let batch = [recorded(&format!("r{n}")), large(size)];
            session.append(&batch).await.unwrap();
            expected.fold(&batch).unwrap();
            assert_eq!(ready.other().load(&stack()).await.unwrap().unwrap(), expected, "{size}");
        }
        let spilled = keys(&ready).into_iter().filter(|k| k.contains("/journal/")).count();
        assert!((2..=3).contains(&spilled), "{:?}", keys(&ready));
        drop(session);
        let session = ready.store.acquire(&stack(), &holder()).await.unwrap();
        assert_eq!(*session.state(), expected);
        session.checkpoint(&next(&expected)).await.unwrap();
        session.release().await.unwrap();
        // The journal is gone with its large batches.
        assert!(!keys(&ready).iter().any(|k| k.contains("/journal/")), "{:?}", keys(&ready));
        assert!(!sorts(&ready).iter().any(|k| k.starts_with("journal#")), "{:?}", sorts(&ready));
        assert_eq!(ready.other().load(&stack()).await.unwrap().unwrap(), next(&expected));
    }
}

/// The keys in the bucket.
fn keys(ready: &Ready) -> Vec<String> {
    let found = ready.emulator.aws(&["s3api", "list-objects-v2", "--bucket", &ready.bucket]);
    let objects = found["Contents"].as_array().cloned().unwrap_or_default();
    objects.iter().map(|o| o["Key"].as_str().unwrap().to_owned()).collect()
}

/// The sort keys in the table.
fn sorts(ready: &Ready) -> Vec<String> {
    let found = ready.emulator.aws(&["dynamodb", "scan", "--table-name", &format!("{}-table", ready.bucket)]);
    found["Items"].as_array().unwrap().iter().map(|i| i["sk"]["S"].as_str().unwrap().to_owned()).collect()
}

/// Changes an item by hand, as somebody with the console would.
fn update(ready: &Ready, sort: &str, expression: &str, values: &str) {
    let key = format!(r#"{{"pk":{{"S":"{}/team/phx/demo/dev"}},"sk":{{"S":"{sort}"}}}}"#, ready.bucket);
    let table = format!("{}-table", ready.bucket);
    ready.emulator.aws(&[
        "dynamodb",
        "update-item",
        "--table-name",
        &table,
        "--key",
        &key,
        "--update-expression",
        expression,
        "--expression-attribute-values",
        values,
    ]);
}

fn delete(ready: &Ready, sort: &str) {
    let key = format!(r#"{{"pk":{{"S":"{}/team/phx/demo/dev"}},"sk":{{"S":"{sort}"}}}}"#, ready.bucket);
    ready.emulator.aws(&["dynamodb", "delete-item", "--table-name", &format!("{}-table", ready.bucket), "--key", &key]);
}

/// A stack with two checkpoints and a journal after them, given back. Gives the state at the second, and as it is.
async fn written(ready: &Ready) -> (State, State) {
    let session = ready.store.acquire(&stack(), &holder()).await.unwrap();
    session.append(&entries()).await.unwrap();
    let mut state = session.state().clone();
    state.fold(&entries()).unwrap();
    session.checkpoint(&next(&state)).await.unwrap();
    state = next(&next(&state));
    session.checkpoint(&state).await.unwrap();
    let base = state.clone();
    for name in ["x", "y", "z"] {
        session.append(&[recorded(name)]).await.unwrap();
        state.apply(&recorded(name)).unwrap();
    }
    session.release().await.unwrap();
    (base, state)
}

async fn damage(store: &S3Store) -> String {
    let loaded = store.load(&stack()).await.map(drop);
    let acquired = store.acquire(&stack(), &holder()).await.map(drop);
    for result in [&loaded, &acquired] {
        assert!(matches!(result, Err(StoreError::Damaged { .. })), "{result:?}");
    }
    // A failed acquire leaves no lease behind.
    assert_eq!(store.lease(&stack()).await.unwrap(), None);
    loaded.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_named_and_the_way_back_is_one_command() {
    let ready = Ready::new("ministack", "damage", "").await;
    let (base, whole) = written(&ready).await;
    let (store, serial) = (ready.other(), base.serial);
    let journal = |seq: u64| format!("journal#{serial:020}#{seq:020}");

    // A line that was changed.
    update(&ready, &journal(2), "SET #l = :x", r#"{":x":{"S":"{}\n"}}"#.replace("#l", "lines").as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn init_makes_everything_once_and_then_nothing() {
    for emulator in ["moto", "ministack"] {
        let running = shared(emulator);
        let (wire, bucket) = (Wire::new(), fresh("init"));
        let store = s3::store(&running.url(), &bucket, "", &wire);
        let report = store.init(&INIT).await.unwrap();
        assert!(report.changed.len() >= 6, "{emulator}: {report:?}");
        let again = store.init(&INIT).await.unwrap();
        assert_eq!(again.changed, Vec::<String>::new(), "{emulator}");
    }
}
