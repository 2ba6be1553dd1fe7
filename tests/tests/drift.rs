//! Drift: everything that someone else has changed, by field, and nothing else, whatever else is going on.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use phx_engine::drift::{Drift, DriftKind};
use phx_engine::engine::RunOptions;
use phx_model::schema::same;
use phx_model::stack::Options;
use phx_model::{Ipv4Cidr, Program, Urn, Value};
use phx_tests::sim::{Bucket, CANARY, Network, Outside, Server, Subnet, registry};
use phx_tests::spec::{Edit, Meddling, edits, meddlings, specs};
use phx_tests::world::{Disturbance, World, program, project, urn};
use proptest::prelude::*;

fn config(cases: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(cases);
    ProptestConfig { cases, max_shrink_iters: 5_000, failure_persistence: None, ..ProptestConfig::default() }
}

fn text(s: &str) -> Value {
    Value::String(s.into())
}

fn small(size: &str) -> Program {
    program(|stack| {
        let range: Ipv4Cidr = "10.0.0.0/16".parse().unwrap();
        let network = stack.add("main", Network::new(range).tag("Owner", "us"))?;
        let subnet = stack.add("subnet", Subnet::new(network.id(), range))?;
        stack.add("server", Server::new(subnet.id(), size.to_owned()).password(format!("{CANARY}1")))?;
        stack.add("logs", Bucket::new("logs").versioning(true))?;
        Ok(())
    })
}

/// What was found: the resource, what became of it, and the paths that differ.
fn found(drift: &Drift) -> BTreeMap<Urn, (DriftKind, Vec<String>)> {
    let paths = |d: &phx_engine::drift::Drifted| d.diff.iter().map(|f| f.path.clone()).collect();
    drift.drifted.iter().map(|d| (d.urn.clone(), (d.kind, paths(d)))).collect()
}

#[test]
fn a_stack_without_a_state_has_none() {
    assert_eq!(World::new(1).drift().unwrap(), Drift::default());
}

#[test]
fn what_someone_changed_is_named_by_field() {
    let world = World::new(1);
    world.up(&small("Large")).succeeded();
    let drift = world.drift().unwrap();
    assert_eq!((drift.checked, drift.in_progress, drift.drifted.len()), (4, 0, 0), "{drift:?}");

    let (main, server, logs) = (urn("net:Network", "main"), urn("app:Server", "server"), urn("app:Bucket", "logs"));
    let outside = |urn: &Urn, what| assert!(world.cloud.outside(urn.type_name(), &world.id(urn), &what));
    outside(&main, Outside::Tag("Owner".into(), "them".into()));
    outside(&main, Outside::Tag("Extra".into(), "x".into()));
    outside(&server, Outside::Set("size", text("tiny")));
    outside(&logs, Outside::Delete);
    let drift = world.drift().unwrap();
    let paths = |paths: &[&str]| paths.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        found(&drift),
        [
            (main, (DriftKind::Changed, paths(&["tags.Extra", "tags.Owner"]))),
            (server, (DriftKind::Changed, paths(&["size"]))),
            (logs.clone(), (DriftKind::Missing, paths(&[]))),
        ]
        .into()
    );
    let owner = drift.drifted.iter().flat_map(|d| &d.diff).find(|d| d.path == "tags.Owner").unwrap();
    assert_eq!((&owner.before, &owner.after), (&text("us"), &text("them")));
    assert_eq!(drift.checked, 4);

    // A refresh writes down what it sees; what phx has set stays what it was.
    world.refresh().ok();
    let mut after = found(&world.drift().unwrap());
    after.insert(logs, (DriftKind::Missing, Vec::new()));
    assert_eq!(after, found(&drift));
    // Set right again, it is over.
    world.up(&small("Large")).succeeded();
    assert!(world.drift().unwrap().drifted.is_empty());
}

#[test]
fn what_the_program_leaves_alone_is_no_drift() {
    let world = World::new(1);
    let left_alone = program(|stack| {
        let range: Ipv4Cidr = "10.0.0.0/16".parse().unwrap();
        let options = Options::new().ignore_changes(["tags.Owner"]);
        stack.add_with("main", Network::new(range).tag("Owner", "us"), options)?;
        Ok(())
    });
    world.up(&left_alone).succeeded();
    let main = urn("net:Network", "main");
    let tag = |name: &str| {
        assert!(world.cloud.outside(main.type_name(), &world.id(&main), &Outside::Tag(name.into(), "them".into())));
    };
    tag("Owner");
    assert_eq!(found(&world.drift().unwrap()), BTreeMap::new());
    tag("Owners");
    assert_eq!(found(&world.drift().unwrap()), [(main, (DriftKind::Changed, vec!["tags.Owners".to_owned()]))].into());
}

#[test]
fn what_a_run_left_open_is_counted_and_not_reported() {
    let mut left_open = 0;
    for kill in 0..8 {
        let world = World::new(1);
        world.up(&small("large")).succeeded();
        let how = Disturbance { kill: Some(kill), breaks: None };
        drop(world.up_with(&small("small"), &RunOptions::default(), &how));
        let open = world.state().open.len() as u64;
        let drift = world.drift().unwrap();
        assert!(drift.drifted.is_empty(), "{drift:?}");
        assert_eq!((drift.in_progress, drift.checked), (open, 4 - open));
        left_open += open;
    }
    assert!(left_open > 0, "no run was killed where it had something open");
}

#[test]
fn what_cannot_be_read_is_neither_missing_nor_changed_and_hides_nothing() {
    let world = World::new(1);
    world.up(&small("large")).succeeded();
    let logs = urn("app:Bucket", "logs");
    world.cloud.outside(logs.type_name(), &world.id(&logs), &Outside::Delete);
    world.cloud.set_read_fate(|kind, _| kind.ends_with("Server").then_some(phx_tests::sim::ReadFault::Call));
    let drift = world.drift().unwrap();
    assert_eq!(found(&drift).into_keys().collect::<Vec<_>>(), [logs]);
    assert_eq!(drift.failures.iter().map(|(urn, _)| urn.name()).collect::<Vec<_>>(), ["server"]);
    assert_eq!(drift.checked, 3);
}

/// What has to be found: the fields that phx set, or that the cloud does not fill in, that are not left alone, and that are not what they were.
fn expected(world: &World, before: &[phx_tests::sim::Object]) -> BTreeMap<Urn, (DriftKind, BTreeSet<String>)> {
    let registry = registry(&world.cloud);
    let mut expected = BTreeMap::new();
    for (urn, record) in &world.state().resources {
        let was = before.iter().find(|o| o.type_name == urn.type_name() && o.id == record.id).unwrap();
        let Some(now) = world.cloud.object(urn.type_name(), &record.id) else {
            expected.insert(urn.clone(), (DriftKind::Missing, BTreeSet::new()));
            continue;
        };
        let mut fields = BTreeSet::new();
        for field in registry.get(urn.type_name()).unwrap().schema().fields.iter().filter(|f| !f.write_only) {
            let of = |object: &phx_tests::sim::Object| object.fields.get(field.name).cloned().unwrap_or_default();
            let set = record.inputs.get(field.name).is_some_and(|v| !v.is_empty());
            // A single tag that is left alone is not the one that is meddled with.
            let left_alone = record.ignore_changes.iter().any(|path| path == field.name);
            if !left_alone && (set || !field.cloud_default) && !same(field, &of(was), &of(&now)) {
                fields.insert(field.name.to_owned());
            }
        }
        if !fields.is_empty() {
            expected.insert(urn.clone(), (DriftKind::Changed, fields));
        }
    }
    expected
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn every_outside_edit_is_found_and_nothing_else(
        spec in specs(12), more in prop::collection::vec(edits(), 0..6),
        meddling in prop::collection::vec(meddlings(), 0..8), seed in any::<u64>(),
    ) {
        let world = World::new(seed);
        let mut spec = spec.unprotected();
        world.up(&spec.program()).succeeded();
        prop_assert!(world.drift().unwrap().drifted.is_empty());
        spec.edit_all(&more);
        let spec = spec.unprotected();
        world.up(&spec.program()).succeeded();
        let drift = world.drift().unwrap();
        prop_assert!(drift.drifted.is_empty(), "untouched: {:?}", drift);
        prop_assert_eq!(drift.checked, world.state().resources.len() as u64);

        let before = world.cloud.objects();
        meddle(&world, &meddling);
        let drift = world.drift().unwrap();
        let head = |path: &String| path.split(['.', '[']).next().unwrap().to_owned();
        let heads: BTreeMap<Urn, (DriftKind, BTreeSet<String>)> =
            found(&drift).into_iter().map(|(urn, (kind, paths))| (urn, (kind, paths.iter().map(head).collect()))).collect();
        prop_assert_eq!(heads, expected(&world, &before));
        for path in found(&drift).into_values().flat_map(|(_, paths)| paths).filter(|p| p.starts_with("tags")) {
            prop_assert_eq!(path, "tags.meddler");
        }
        let told: String = drift.drifted.iter().map(|d| d.to_json().to_string()).collect();
        prop_assert!(!told.contains(CANARY), "a secret is told: {}", told);
        let debug = format!("{drift:?}");
        prop_assert!(!debug.contains(CANARY));
    }

    #[test]
    fn beside_a_running_up_there_is_no_false_report(
        spec in specs(10), rounds in prop::collection::vec(prop::collection::vec(edits(), 1..6), 1..3),
        every in 1..400u64, seed in any::<u64>(),
    ) {
        let world = World::new(seed);
        let mut spec = spec.unprotected();
        for round in std::iter::once(Vec::<Edit>::new()).chain(rounds) {
            spec.edit_all(&round);
            spec = spec.unprotected();
            let program = spec.program();
            let drifts = Arc::new(Mutex::new(Vec::new()));
            let seen = drifts.clone();
            let run = world.run(&Disturbance::default(), async |engine| {
                let options = RunOptions::default();
                let looking = async {
                    loop {
                        tokio::time::sleep(Duration::from_millis(every)).await;
                        let drift = engine.drift(&project(), world.stack(), &options).await;
                        seen.lock().unwrap().push(drift);
                    }
                };
                tokio::select! {
                    report = engine.up(&program, &options, &|_| true) => report,
                    () = looking => unreachable!("it looks for ever"),
                }
            });
            run.succeeded();
            for drift in drifts.lock().unwrap().iter() {
                let drift = drift.as_ref().unwrap();
                prop_assert!(drift.drifted.is_empty(), "{:#?}", drift);
            }
            prop_assert!(world.drift().unwrap().drifted.is_empty());
        }
    }
}

/// An edit that was made before a long `up` began, to an object that the run does not touch, is found beside it.
#[test]
fn beside_a_running_up_real_drift_is_still_found() {
    let world = World::new(3);
    let with = |more: bool| {
        program(move |stack| {
            stack.add("logs", Bucket::new("logs").versioning(true))?;
            if more {
                let range: Ipv4Cidr = "10.0.0.0/16".parse().unwrap();
                let network = stack.add("main", Network::new(range))?;
                stack.add("subnet", Subnet::new(network.id(), range))?;
            }
            Ok(())
        })
    };
    world.up(&with(false)).succeeded();
    world.cloud.set_latency(Duration::from_secs(5), Duration::from_secs(6));
    let logs = urn("app:Bucket", "logs");
    let id = world.id(&logs);
    let found = Arc::new(Mutex::new(None));
    let seen = found.clone();
    let run = world.run(&Disturbance::default(), async |engine| {
        let options = RunOptions { refresh: false, ..RunOptions::default() };
        let program = with(true);
        world.cloud.outside(logs.type_name(), &id, &Outside::Set("versioning", Value::Bool(false)));
        let looking = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            *seen.lock().unwrap() = Some(engine.drift(&project(), world.stack(), &options).await.unwrap());
            std::future::pending::<()>().await;
        };
        tokio::select! {
            report = engine.up(&program, &options, &|_| true) => report,
            () = looking => unreachable!("it waits for ever"),
        }
    });
    run.succeeded();
    let drift = found.lock().unwrap().take().expect("the run ended before it was looked at");
    assert_eq!(self::found(&drift), [(logs, (DriftKind::Changed, vec!["versioning".to_owned()]))].into());
    assert!(drift.in_progress > 0, "{drift:?}");
}

fn meddle(world: &World, meddling: &[Meddling]) {
    for one in meddling {
        let retained = world.retained();
        let objects: Vec<_> = world.cloud.objects().into_iter().filter(|o| !retained.contains(&o.id)).collect();
        if let Some((object, what)) = one.on(&objects) {
            world.cloud.outside(object.type_name, &object.id, &what);
        }
    }
}
