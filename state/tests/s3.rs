//! The S3 store against emulators that others wrote: the suite that every store passes, leases between several writers, and what lies where.
#![allow(clippy::unwrap_used, clippy::expect_used)] // the functions beside the tests are tests too

mod common;
#[path = "common/s3.rs"]
mod s3;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
    ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
};
use common::{entries, entries_2, holder, next, operation, operation_2, recorded, stack, urn};
use phx_model::Value;
use phx_model::state::{Entry, State};
use phx_model::store::{Holder, Store, StoreError};
use phx_state::S3Store;
use phx_state::conformance::{Subject, run};
use s3::{ByHand, Fate, Ready, Wire, fresh, shared};

fn conforming(emulator: &str) -> Subject {
    // Made on a thread of its own: the suite makes its subjects where nothing can be awaited.
    let emulator = emulator.to_owned();
    let ready = on_a_thread(move || async move { Ready::new(&emulator, "conform", "&ttl=5s").await });
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
        let ready = Ready::new(emulator, "race", "&ttl=10s").await;
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
    assert!(after >= Duration::from_secs(2), "{after:?}");
    assert_eq!(new.lease().generation, session.lease().generation + 1);
    assert!(new.state().resources.contains_key(&urn("a")));

    // It comes back, and is told that it is over before it asks anyone.
    assert!(matches!(session.held(), Err(StoreError::Expired { .. })), "{:?}", session.held());
    ready.wire.pass_all();
    let errors = [
        session.append(&[recorded("b")]).await,
        session.checkpoint(&next(session.state())).await,
        session.record(&operation()).await,
    ];
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
    // Given back, it is free at once: it is taken without being watched.
    session.release().await.unwrap();
    let other = ready.other();
    other.acquire(&stack(), &named(2)).await.unwrap();
    let reads = other.requests_by_operation().remove("dynamodb:GetItem");
    assert_eq!(reads, None, "{:?}", other.requests_by_operation());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_cut_off_from_the_table_stops_before_anyone_else_can_begin() {
    let ready = Ready::new("ministack", "cutoff", "&ttl=2s").await;
    let session = ready.store.acquire(&stack(), &named(1)).await.unwrap();
    session.append(&[recorded("a")]).await.unwrap();
    ready.wire.decide(|_, _| Fate::Refused(503));
    let error = session.append(&[recorded("b")]).await.unwrap_err();
    assert!(matches!(error, StoreError::Expired { .. }), "{error}");
    assert!(error.to_string().contains("503") || error.to_string().contains("no answer"), "{error}");
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
    // Given back, so that the checkpoint's tidying is over and what is counted is the appends' alone.
    session.release().await.unwrap();
    let session = ready.store.acquire(&stack(), &holder()).await.unwrap();
    let before = ready.store.requests_by_operation();
    for n in 0..20 {
        let batch: Vec<Entry> = (0..5).map(|m| recorded(&format!("x{n}-{m}"))).collect();
        session.append(&batch).await.unwrap();
    }
    let mut sent = ready.store.requests_by_operation();
    sent.retain(|operation, count| {
        *count -= before.get(operation).copied().unwrap_or_default();
        *count > 0
    });
    // A slow machine's heartbeats, as many as it takes.
    sent.remove("dynamodb:UpdateItem");
    assert_eq!(sent, [("dynamodb:TransactWriteItems", 20)].into());
    session.release().await.unwrap();
    assert_eq!(ready.store.load(&stack()).await.unwrap().unwrap().resources.len(), 2_101);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_too_large_for_an_item_goes_to_the_bucket() {
    for emulator in ["moto", "ministack"] {
        let ready = Ready::new(emulator, "spill", "").await;
        let large =
            |n: usize| Entry::Outputs { outputs: [("big".to_owned(), Value::String("x".repeat(n).into()))].into() };
        let session = ready.store.acquire(&stack(), &holder()).await.unwrap();
        let sizes = [10, 300_000, 357_000, 360_000, 1_000_000, 10];
        let mut expected = session.state().clone();
        for (n, size) in sizes.into_iter().enumerate() {
            let batch = [recorded(&format!("r{n}")), large(size)];
            session.append(&batch).await.unwrap();
            expected.fold(&batch).unwrap();
            assert_eq!(ready.other().load(&stack()).await.unwrap().unwrap(), expected, "{size}");
        }
        let hand = ready.by_hand();
        let spilled = hand.keys().await.into_iter().filter(|k| k.contains("/journal/")).count();
        assert_eq!(spilled, 2, "{:?}", hand.keys().await);
        drop(session);
        let session = ready.store.acquire(&stack(), &holder()).await.unwrap();
        assert_eq!(*session.state(), expected);
        session.checkpoint(&next(&expected)).await.unwrap();
        session.release().await.unwrap();
        // The journal is gone with its large batches.
        assert!(!hand.keys().await.iter().any(|k| k.contains("/journal/")), "{:?}", hand.keys().await);
        assert!(!hand.items().await.keys().any(|k| k.starts_with("journal#")), "{:?}", hand.items().await);
        assert_eq!(ready.other().load(&stack()).await.unwrap().unwrap(), next(&expected));
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
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
    let (mut base, whole) = written(&ready).await;
    let (store, hand) = (ready.other(), ready.by_hand());
    let journal = |serial: u64, seq: u64| format!("journal#{serial:020}#{seq:020}");

    // A line that was changed: what comes before it counts.
    let sort = journal(base.serial, 2);
    hand.set(&sort, "lines", text("{}\n")).await;
    let error = damage(&store).await;
    assert!(error.contains(&sort) && error.contains("SHA-256") && error.contains("phx state rollback"), "{error}");
    let back = store.rollback(&stack(), &holder(), None).await.unwrap();
    assert_eq!((back.from, back.state.serial), (base.serial, base.serial + 1));
    base.apply(&recorded("x")).unwrap();
    assert_eq!(back.state.resources, base.resources);
    assert_eq!(store.load(&stack()).await.unwrap().unwrap(), back.state);
    assert_eq!(back.set_aside.len(), 2);

    // A journal whose end is gone, with every line that is left in order.
    let append = async |store: &S3Store, names: &[&str]| {
        let session = store.acquire(&stack(), &holder()).await.unwrap();
        for name in names {
            session.append(&[recorded(name)]).await.unwrap();
        }
        session.release().await.unwrap();
    };
    append(&store, &["y", "z"]).await;
    assert_eq!(store.load(&stack()).await.unwrap().unwrap().resources, whole.resources);
    hand.remove(&journal(back.state.serial, 2)).await;
    let error = damage(&store).await;
    assert!(error.contains("ends with entry 1, and 2 were written"), "{error}");
    let back = store.rollback(&stack(), &holder(), None).await.unwrap();
    assert!(back.state.resources.contains_key(&urn("y")) && !back.state.resources.contains_key(&urn("z")));

    // A gap in it.
    append(&store, &["p", "q", "r"]).await;
    hand.remove(&journal(back.state.serial, 2)).await;
    let error = damage(&store).await;
    assert!(error.contains(&journal(back.state.serial, 3)), "{error}");
    let back = store.rollback(&stack(), &holder(), None).await.unwrap();
    assert!(back.state.resources.contains_key(&urn("p")) && !back.state.resources.contains_key(&urn("r")));

    // A checkpoint that was changed.
    append(&store, &["t"]).await;
    let key =
        hand.keys().await.into_iter().find(|k| k.contains(&format!("checkpoints/{:020}-", back.state.serial))).unwrap();
    hand.put(&key, "{}").await;
    let error = damage(&store).await;
    assert!(error.contains(&key) && error.contains("SHA-256"), "{error}");
    let again = store.rollback(&stack(), &holder(), None).await.unwrap();
    assert!(again.from < back.state.serial && again.state.serial > back.state.serial);

    // A head that was changed, and one that is gone. The journal still follows the checkpoint that it was begun with.
    append(&store, &["u", "v"]).await;
    let before = store.load(&stack()).await.unwrap().unwrap();
    hand.set("stack#head", "head", text("{\"format\":1}\n")).await;
    let error = damage(&store).await;
    assert!(error.contains("stack#head"), "{error}");
    let back = store.rollback(&stack(), &holder(), None).await.unwrap();
    assert_eq!(back.from, again.state.serial);
    assert_eq!(back.state, State { serial: again.state.serial + 1, ..before });
    hand.remove("stack#head").await;
    let error = damage(&store).await;
    assert!(error.contains("is missing") && error.contains("head.json"), "{error}");
    assert_eq!(store.stacks().await.unwrap(), [stack()]);
    let back = store.rollback(&stack(), &holder(), None).await.unwrap();
    assert_eq!(store.load(&stack()).await.unwrap().unwrap(), back.state);

    // Any checkpoint by its serial.
    let back = store.rollback(&stack(), &holder(), Some(0)).await.unwrap();
    assert!(back.state.is_empty());
    assert!(store.rollback(&stack(), &holder(), Some(999)).await.is_err());
    assert_eq!(store.load(&stack()).await.unwrap().unwrap(), back.state);
}

/// The copy of the head, replaced by something that is none and is longer than any.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_head_that_is_too_long_stands_in_nobodys_way() {
    for emulator in ["moto", "ministack"] {
        let ready = Ready::new(emulator, "toolong", "").await;
        let (_, state) = written(&ready).await;
        let (store, hand, key) = (ready.other(), ready.by_hand(), "team/phx/demo/dev/head.json");
        hand.put(key, &"x".repeat(100_000)).await;
        assert_eq!(store.load(&stack()).await.unwrap().unwrap(), state);
        let found = store.verify(&stack()).await.unwrap();
        let [fault] = &found.faults[..] else { panic!("{:#?}", found.faults) };
        assert!(fault.what.contains(key) && fault.why.contains("100000 bytes"), "{fault:?}");
        // Without the head it is all that shows that there was one.
        hand.remove("stack#head").await;
        assert_eq!(store.stacks().await.unwrap(), [stack()]);
        let error = damage(&store).await;
        assert!(error.contains(key) && error.contains("phx state rollback"), "{error}");
        let back = store.rollback(&stack(), &holder(), None).await.unwrap();
        assert_eq!(back.state.resources, state.resources);
        assert_eq!(hand.get(key).await, hand.items().await["stack#head"]["head"].as_s().unwrap().as_bytes());
        assert!(store.verify(&stack()).await.unwrap().faults.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_removed_or_broken_by_hand_costs_nothing() {
    let ready = Ready::new("ministack", "byhand", "").await;
    let hand = ready.by_hand();
    let session = ready.store.acquire(&stack(), &named(1)).await.unwrap();
    session.append(&[recorded("a")]).await.unwrap();
    hand.remove("stack#lease").await;
    let error = session.append(&[recorded("b")]).await.unwrap_err();
    assert!(matches!(error, StoreError::Superseded { .. }), "{error}");
    let session = ready.other().acquire(&stack(), &named(2)).await.unwrap();
    session.append(&[recorded("c")]).await.unwrap();
    drop(session);

    hand.set("stack#lease", "lease", text("nonsense")).await;
    let error = ready.other().acquire(&stack(), &named(3)).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("phx lock break"), "{error}");
    assert_eq!(ready.other().break_lease(&stack()).await.unwrap(), None);
    let session = ready.other().acquire(&stack(), &named(3)).await.unwrap();
    assert_eq!(session.state().resources.len(), 2);
    session.append(&[recorded("d")]).await.unwrap();
    session.checkpoint(&next(&ready.store.load(&stack()).await.unwrap().unwrap())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_format_is_refused_and_nothing_changed() {
    let ready = Ready::new("ministack", "newer", "").await;
    written(&ready).await;
    let hand = ready.by_hand();
    for sort in ["stack#head", "stack#lease"] {
        hand.set(sort, "format", AttributeValue::N("3".into())).await;
        let before = hand.items().await;
        for result in [
            ready.store.load(&stack()).await.map(drop),
            ready.store.acquire(&stack(), &holder()).await.map(drop),
            ready.store.rollback(&stack(), &holder(), None).await.map(drop),
        ] {
            assert!(matches!(result, Err(StoreError::Newer { found: 3, .. })), "{result:?}");
        }
        assert_eq!(hand.items().await, before);
        hand.set(sort, "format", AttributeValue::N("2".into())).await;
    }
    ready.store.load(&stack()).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_object_under_the_right_name_is_written_again() {
    for emulator in ["moto", "ministack"] {
        let ready = Ready::new(emulator, "mend", "").await;
        let session = ready.store.acquire(&stack(), &holder()).await.unwrap();
        let state = next(session.state());
        let checkpoint = phx_state::wire::Checkpoint::encode(&state).unwrap();
        let key = format!("team/phx/demo/dev/checkpoints/{:020}-{}.json", state.serial, checkpoint.sha256);
        ready.by_hand().put(&key, &"x".repeat(checkpoint.bytes.len() + 10)).await;
        session.checkpoint(&state).await.unwrap();
        assert_eq!(ready.other().load(&stack()).await.unwrap().unwrap(), state);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_copy_of_the_head_follows_and_history_has_its_copies() {
    for emulator in ["moto", "ministack"] {
        let ready = Ready::new(emulator, "copy", "").await;
        let session = ready.store.acquire(&stack(), &holder()).await.unwrap();
        let mut state = session.state().clone();
        for _ in 0..5 {
            state = next(&state);
            session.checkpoint(&state).await.unwrap();
            session.record(&operation()).await.unwrap();
        }
        session.release().await.unwrap();
        let hand = ready.by_hand();
        let copy = hand.get("team/phx/demo/dev/head.json").await;
        assert_eq!(copy, hand.items().await["stack#head"]["head"].as_s().unwrap().as_bytes());
        assert_eq!(hand.keys().await.iter().filter(|k| k.contains("/history/")).count(), 1);
        let kept = hand.keys().await.into_iter().filter(|k| k.contains("/checkpoints/")).count();
        // The empty one of serial 0, and five.
        assert_eq!(kept, 6);
        let serials: Vec<u64> =
            ready.store.checkpoints(&stack()).await.unwrap().into_iter().filter_map(|kept| kept.serial).collect();
        assert_eq!(serials, [5, 4, 3, 2, 1, 0]);
        assert_eq!(ready.store.history(&stack()).await.unwrap().len(), 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_says_how_to_make_it() {
    for emulator in ["moto", "ministack"] {
        let running = shared(emulator);
        let nowhere = s3::store(&running.url(), &fresh("nowhere"), "", &Wire::new());
        for error in [
            nowhere.load(&stack()).await.map(drop).unwrap_err(),
            nowhere.acquire(&stack(), &holder()).await.map(drop).unwrap_err(),
            nowhere.stacks().await.map(drop).unwrap_err(),
        ] {
            assert!(error.to_string().contains("`phx state init`"), "{emulator}: {error}");
        }
        // Another table with the same bucket is no reason to begin anew.
        let ready = Ready::new(emulator, "table", "").await;
        written(&ready).await;
        let other =
            phx_state::S3Url::parse(&format!("s3://{}/team/phx?table=another-{}", ready.bucket, ready.bucket)).unwrap();
        let config = s3::config(&running.url(), Wire::new());
        let project = phx_model::urn::ProjectName::new("demo").unwrap();
        let other = S3Store::new(&other, project, &config).unwrap();
        other.init(&Default::default()).await.unwrap();
        let error = damage(&other).await;
        assert!(error.contains("`table=`"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn init_makes_everything_once_and_then_nothing() {
    for emulator in ["moto", "ministack"] {
        let running = shared(emulator);
        let (wire, bucket) = (Wire::new(), fresh("init"));
        let store = s3::store(&running.url(), &bucket, "", &wire);
        let report = store.init(&Default::default()).await.unwrap();
        // A bucket is encrypted from the beginning, on AWS as on ministack.
        let already = usize::from(report.kept.contains(&"encrypted".to_owned()));
        assert_eq!((report.changed.len(), report.kept.len()), (8 - already, already), "{emulator}: {report:?}");
        assert!(report.left_out[0].contains("TLS"), "{report:?}");
        let again = store.init(&Default::default()).await.unwrap();
        // moto gives the answer to GetBucketVersioning a name that no SDK can read; what cannot be read is set anew.
        let expected = if emulator == "moto" { vec!["versioned".to_owned()] } else { vec![] };
        assert_eq!((again.kept.len() + expected.len(), again.changed), (8, expected), "{emulator}");

        let ByHand { bucket: s3, table, .. } = ByHand::new(&running, &bucket);
        if emulator != "moto" {
            let versioning = s3.get_bucket_versioning().bucket(&bucket).send().await.unwrap();
            assert_eq!(versioning.status, Some(BucketVersioningStatus::Enabled));
        }
        let public = s3.get_public_access_block().bucket(&bucket).send().await.unwrap();
        assert_eq!(public.public_access_block_configuration.unwrap().restrict_public_buckets, Some(true));
        let rules = s3.get_bucket_lifecycle_configuration().bucket(&bucket).send().await.unwrap().rules.unwrap();
        assert_eq!(rules[0].noncurrent_version_expiration.as_ref().unwrap().noncurrent_days, Some(90));
        let table = table.describe_table().table_name(format!("{bucket}-table")).send().await.unwrap().table.unwrap();
        assert_eq!(table.billing_mode_summary.unwrap().billing_mode, Some(BillingMode::PayPerRequest));
        assert_eq!(table.deletion_protection_enabled, Some(true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn init_waits_until_what_it_has_made_is_known_everywhere() {
    let running = shared("ministack");
    let (wire, bucket) = (Wire::new(), fresh("propagates"));
    let store = s3::store(&running.url(), &bucket, "", &wire);
    let (puts, updates) = (AtomicU64::new(0), AtomicU64::new(0));
    wire.decide(move |_, what| match what {
        // The first makes the bucket.
        "PUT" if puts.fetch_add(1, Ordering::SeqCst) == 1 => Fate::Says("NoSuchBucket"),
        "UpdateContinuousBackups" if updates.fetch_add(1, Ordering::SeqCst) == 0 => {
            Fate::Says("ContinuousBackupsUnavailableException")
        }
        _ => Fate::Passes,
    });
    store.init(&Default::default()).await.unwrap_or_else(|e| panic!("{e}\n{:#?}", wire.log()));
    let told: Vec<String> = wire.log().into_iter().filter(|line| line.contains("Says")).collect();
    assert_eq!(told.len(), 2, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn init_leaves_what_others_have_set_in_place() {
    let running = shared("ministack");
    let bucket = fresh("others");
    let ByHand { bucket: hand, table: tables, .. } = ByHand::new(&running, &bucket);
    let region = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::UsWest2).build();
    hand.create_bucket().bucket(&bucket).create_bucket_configuration(region).send().await.unwrap();
    let theirs = LifecycleRule::builder()
        .id("theirs")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("logs/").build())
        .expiration(LifecycleExpiration::builder().days(3).build())
        .build()
        .unwrap();
    let rules = BucketLifecycleConfiguration::builder().rules(theirs.clone()).build().unwrap();
    hand.put_bucket_lifecycle_configuration().bucket(&bucket).lifecycle_configuration(rules).send().await.unwrap();
    let store = s3::store(&running.url(), &bucket, "", &Wire::new());
    store.init(&Default::default()).await.unwrap();
    let rules = hand.get_bucket_lifecycle_configuration().bucket(&bucket).send().await.unwrap().rules.unwrap();
    assert_eq!((rules.len(), &rules[0], rules[1].id()), (2, &theirs, Some("phx-old-versions")));
    // A store without a prefix shares the bucket with others: its rule is for the project's objects and no others.
    let url = phx_state::S3Url::parse(&format!("s3://{bucket}?table={bucket}-table")).unwrap();
    let project = phx_model::urn::ProjectName::new("demo").unwrap();
    let whole = S3Store::new(&url, project, &s3::config(&running.url(), Wire::new())).unwrap();
    for _ in 0..2 {
        whole.init(&Default::default()).await.unwrap();
        let rules = hand.get_bucket_lifecycle_configuration().bucket(&bucket).send().await.unwrap().rules.unwrap();
        let prefixes: Vec<_> = rules.iter().map(|rule| rule.filter.as_ref().unwrap().prefix.as_deref()).collect();
        assert_eq!(prefixes, [Some("logs/"), Some("team/phx/"), Some("demo/")]);
    }

    // A table that was made for something else is refused.
    let table = format!("{bucket}-lock");
    let attribute = AttributeDefinition::builder().attribute_name("LockID").attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder().attribute_name("LockID").key_type(KeyType::Hash);
    tables
        .create_table()
        .table_name(&table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute.build().unwrap())
        .key_schema(key.build().unwrap())
        .send()
        .await
        .unwrap();
    let url = phx_state::S3Url::parse(&format!("s3://{bucket}/team/phx?table={table}")).unwrap();
    let project = phx_model::urn::ProjectName::new("demo").unwrap();
    let store = S3Store::new(&url, project, &s3::config(&running.url(), Wire::new())).unwrap();
    let error = store.init(&Default::default()).await.unwrap_err().to_string();
    assert!(error.contains("made for something else") && error.contains(&table), "{error}");
}

/// A stack as format 1 was first written: its items (but for the partition) and its objects. `PHX_WRITE_FIXTURES=1` writes it anew, which is right
/// only before the first release of a format.
#[tokio::test(flavor = "multi_thread")]
async fn every_format_is_read() {
    let path = |format: u32| {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/v{format}-s3.json"))
    };
    if std::env::var_os("PHX_WRITE_FIXTURES").is_some() {
        let ready = Ready::new("ministack", "write", "").await;
        let store = ready.store.clone().spilling_above(600);
        let session = store.acquire(&stack(), &holder()).await.unwrap();
        let mut state = session.state().clone();
        session.append(&[recorded("gone")]).await.unwrap();
        state.apply(&recorded("gone")).unwrap();
        session.checkpoint(&next(&state)).await.unwrap();
        session.record(&operation_2()).await.unwrap();
        for batch in entries_2().chunks(3) {
            session.append(batch).await.unwrap();
        }
        session.release().await.unwrap();
        std::fs::write(path(2), format!("{:#}\n", ready.by_hand().dump().await)).unwrap();
    }
    for (format, entries, operation) in [(1, entries(), operation()), (2, entries_2(), operation_2())] {
        let fixture: serde_json::Value = serde_json::from_slice(&std::fs::read(path(format)).unwrap()).unwrap();
        let ready = Ready::new("ministack", &format!("format{format}"), "").await;
        ready.by_hand().restore(&fixture).await;

        let store = &ready.store;
        assert_eq!(store.stacks().await.unwrap(), [stack()]);
        let state = store.load(&stack()).await.unwrap().unwrap();
        let mut expected = State { serial: 1, ..State::empty(state.lineage.clone()) };
        expected.apply(&recorded("gone")).unwrap();
        expected.fold(&entries).unwrap();
        assert_eq!(state, expected);
        assert_eq!(store.history(&stack()).await.unwrap(), [operation]);
        assert_eq!(store.lease(&stack()).await.unwrap(), None);
        // It goes on in the journal it found.
        let session = store.acquire(&stack(), &holder()).await.unwrap();
        assert_eq!((session.state(), session.lease().generation), (&expected, 2));
        session.append(&[recorded("new")]).await.unwrap();
        expected.apply(&recorded("new")).unwrap();
        session.checkpoint(&next(&expected)).await.unwrap();
        session.release().await.unwrap();
        assert_eq!(store.load(&stack()).await.unwrap().unwrap(), next(&expected));
        assert!(!ready.by_hand().keys().await.iter().any(|k| k.contains("/journal/")));
    }
}
