//! Saved plans: executed exactly, or refused.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::sync::Arc;

use phx_engine::EngineError;
use phx_engine::engine::RunOptions;
use phx_engine::plan::{Op, Plan};
use phx_engine::planner::PlanOptions;
use phx_engine::saved::{SavedPlan, SavedPlanError, SealedPlan, Sealer};
use phx_model::key::{KeyHeader, KeyWrap};
use phx_model::stack::Options;
use phx_model::state::Entry;
use phx_model::store::StoreError;
use phx_model::urn::StackName;
use phx_model::{Ipv4Cidr, Program, Resource, Urn, Value};
use phx_state::MemoryStore;
use phx_state::secret::{Cost, DocumentKey, Keys, Passphrase, SealedStore};
use phx_tests::seal::{seal_entry, unseal_entry};
use phx_tests::sim::{Bucket, CANARY, Fault, Network, Outside, Server, Subnet, Verb};
use phx_tests::world::{Disturbance, Ended, Run, World, options, program, program_of, urn};

/// Seals as the test kit's store does.
struct Disguise;

impl Sealer for Disguise {
    fn seal(&self, entry: Entry) -> Result<Entry, StoreError> {
        Ok(seal_entry(&entry))
    }
    fn open(&self, entry: Entry) -> Result<Entry, StoreError> {
        Ok(unseal_entry(&entry))
    }
}

fn header() -> KeyHeader {
    let (key, ciphertext) = ("arn".to_owned(), String::new());
    KeyHeader { id: "0123456789abcdef".into(), wrap: KeyWrap::Kms { key, ciphertext } }
}

fn cidr(text: &str) -> Ipv4Cidr {
    text.parse().unwrap()
}

fn text(s: &str) -> Value {
    Value::String(s.into())
}

fn bucket_with(name: &str, versioning: bool, tag: &str, options: Options) -> Program {
    program(|stack| {
        stack.add_with("logs", Bucket::new(name).versioning(versioning).tag("owner", tag), options)?;
        Ok(())
    })
}

fn bucket(name: &str, versioning: bool, tag: &str) -> Program {
    bucket_with(name, versioning, tag, Options::new())
}

fn logs() -> Urn {
    urn("app:Bucket", "logs")
}

/// A server with a secret, and one more when `more` is set.
fn servers(size: &str, password: &str, more: bool) -> Program {
    program(|stack| {
        let network = stack.add("main", Network::new(cidr("10.0.0.0/16")))?;
        let subnet = stack.add("subnet", Subnet::new(network.id(), cidr("10.0.1.0/24")))?;
        let server = stack.add("server", Server::new(subnet.id(), size).password(password))?;
        if more {
            stack.add("more", Server::new(subnet.id(), "small").tag("peer", server.address()).password(password))?;
        }
        stack.export("key", server.key())
    })
}

/// Previews, and keeps the plan as a file's content.
#[track_caller]
fn save_with(world: &World, program: &Program, options: &RunOptions) -> (Plan, Vec<u8>) {
    let (objects, state) = (world.cloud.objects(), world.durable.state());
    let run = world.run(&Disturbance::default(), async |engine| engine.preview_to_save(program, options).await);
    assert_eq!((world.cloud.counts().changes(), world.durable.writes()), (0, 0), "a preview only looks");
    assert_eq!((world.cloud.objects(), world.durable.state()), (objects, state));
    let (plan, saved) = run.ok();
    let header = header();
    let bytes = saved.encode(Some((&header, &Disguise))).unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()["plan"], plan.to_json());
    (plan, bytes)
}

#[track_caller]
fn save(world: &World, program: &Program) -> (Plan, Vec<u8>) {
    save_with(world, program, &RunOptions::default())
}

fn read(bytes: &[u8]) -> Result<SavedPlan, SavedPlanError> {
    SealedPlan::read(bytes)?.open(Some(&Disguise))
}

fn execute(world: &World, program: &Program, bytes: &[u8]) -> Run<phx_engine::engine::Report> {
    let saved = read(bytes).unwrap();
    let options = RunOptions::default();
    world.run(&Disturbance::default(), async |engine| engine.up_saved(program, &saved, &options, &|_| true).await)
}

/// Refused, with nothing called and nothing written but the history.
#[track_caller]
fn stale(world: &World, program: &Program, bytes: &[u8], said: &str) {
    let (objects, state) = (world.cloud.objects(), world.durable.state());
    let error = execute(world, program, bytes).result().expect_err("this is stale");
    assert!(matches!(error, EngineError::Stale(_)) && error.to_string().contains(said), "{error}");
    assert_eq!((world.cloud.counts().changes(), world.cloud.objects()), (0, objects));
    assert_eq!(world.durable.entries(), []);
    if state.is_some() {
        assert_eq!(world.durable.state(), state);
    }
}

#[test]
fn what_was_planned_is_what_is_done() {
    let world = World::new(1);
    let first = bucket("a", false, "us");
    let (plan, bytes) = save(&world, &first);
    let report = execute(&world, &first, &bytes).succeeded();
    assert_eq!(report.plan, Plan { lineage: report.plan.lineage.clone(), ..plan }, "also of a stack without a state");
    world.assert_settled(&first);
    let second = bucket("b", true, "them");
    let (plan, bytes) = save(&world, &second);
    let report = execute(&world, &second, &bytes).succeeded();
    assert_eq!(report.plan, plan);
    assert_eq!(report.summary, plan.summary());
    world.assert_settled(&second);
    world.assert_nothing_to_do(&second);
    // It is done, and cannot be done again.
    stale(&world, &second, &bytes, "checkpoint");
    // A plan that does nothing can be saved too.
    let (plan, bytes) = save(&world, &second);
    assert!(plan.is_empty());
    assert_eq!(execute(&world, &second, &bytes).succeeded().summary.changes(), 0);
}

#[test]
fn its_targets_and_replacements_are_its_own() {
    let world = World::new(1);
    let before = servers("small", "a", true);
    world.up(&before).succeeded();
    let after = servers("large", "a", true);
    let server = urn("app:Server", "server");
    let chosen = PlanOptions { targets: vec![server.clone()], replace: vec![server.clone()] };
    let (plan, bytes) = save_with(&world, &after, &options(chosen));
    let old = world.id(&server);
    let report = execute(&world, &after, &bytes).succeeded();
    assert_eq!(report.plan, plan);
    assert_eq!((report.summary.replace, report.summary.update), (1, 0));
    assert_ne!(world.id(&server), old);
}

#[test]
fn an_outside_change_after_it_is_not_taken_in() {
    let world = World::new(1);
    world.up(&bucket("a", false, "us")).succeeded();
    let id = world.id(&logs());
    // What had happened before is in the plan, and what it says is done about it.
    world.cloud.outside(logs().type_name(), &id, &Outside::Set("versioning", Value::Bool(true)));
    let (plan, _) = save(&world, &bucket("a", false, "them"));
    assert_eq!(plan.steps[0].diff.len(), 2, "{plan:?}");
    // What happens afterwards is not.
    let program = bucket("a", true, "them");
    let (plan, bytes) = save(&world, &program);
    assert_eq!(plan.steps[0].diff.len(), 1, "{plan:?}");
    world.cloud.outside(logs().type_name(), &id, &Outside::Set("versioning", Value::Bool(false)));
    let report = execute(&world, &program, &bytes).succeeded();
    assert_eq!(report.plan, plan);
    assert_eq!(world.cloud.counts().reads, 0, "the cloud is not read");
    let object = world.object(&logs());
    assert_eq!(object.fields["versioning"], Value::Bool(false), "as someone else left it");
    assert_eq!(object.fields["tags"], Value::Map([("owner".to_owned(), text("them"))].into()));
    // The next one sees it.
    let next = world.preview(&program).unwrap();
    assert_eq!((next.steps[0].op, &*next.steps[0].diff[0].path), (Op::Update, "versioning"));
}

#[test]
fn an_object_that_was_gone_is_made_again_and_one_to_adopt_is_adopted() {
    let world = World::new(1);
    world.up(&bucket("a", false, "us")).succeeded();
    let id = world.id(&logs());
    world.cloud.outside(logs().type_name(), &id, &Outside::Delete);
    let program = bucket("a", false, "us");
    let (plan, bytes) = save(&world, &program);
    assert_eq!((plan.steps[0].op, plan.steps[0].reasons.len()), (Op::Create, 1));
    let report = execute(&world, &program, &bytes).succeeded();
    assert_eq!(report.plan, plan);
    world.assert_settled(&program);

    let world = World::new(1);
    let there = [("name".to_owned(), text("a")), ("versioning".to_owned(), Value::Bool(true))].into();
    let id = world.cloud.make(Bucket::schema(), &there);
    let program = bucket_with("a", true, "us", Options::new().import(&*id));
    let (plan, bytes) = save(&world, &program);
    let report = execute(&world, &program, &bytes).succeeded();
    assert_eq!(report.plan.steps, plan.steps);
    assert_eq!((plan.steps[0].op, report.summary.adopt), (Op::Adopt, 1));
    assert_eq!(world.id(&logs()), id);
    world.assert_nothing_to_do(&program);
}

#[test]
fn whatever_moves_on_makes_it_stale() {
    let world = World::new(1);
    let (a, b) = (bucket("a", false, "us"), bucket("a", true, "us"));
    let (_, first) = save(&world, &a);
    world.up(&a).succeeded();
    stale(&world, &a, &first, "checkpoint 0 to 1");
    let (_, bytes) = save(&world, &b);
    // Another program, or another word in it.
    stale(&world, &bucket("a", true, "them"), &bytes, "the program");
    // A refresh that records nothing is nothing.
    world.refresh().succeeded();
    execute(&world, &b, &bytes).succeeded();
    // One that records something is something.
    let (_, bytes) = save(&world, &a);
    let id = world.id(&logs());
    world.cloud.outside(logs().type_name(), &id, &Outside::Set("versioning", Value::Bool(false)));
    world.refresh().succeeded();
    stale(&world, &a, &bytes, "checkpoint");
    // A destroy and a new beginning.
    let (_, bytes) = save(&world, &a);
    world.destroy().succeeded();
    stale(&world, &a, &bytes, "checkpoint");
    // And several things at once are all told.
    let error = execute(&world, &b, &bytes).result().unwrap_err().to_string();
    assert!(error.contains("the program") && error.contains("checkpoint") && error.contains("hint: "), "{error}");
}

#[test]
fn another_life_of_the_stack_is_another_stack() {
    let (world, other) = (World::new(1), World::new(2));
    let (a, b) = (bucket("a", false, "us"), bucket("a", true, "us"));
    world.up(&a).succeeded();
    other.up(&a).succeeded();
    let (_, bytes) = save(&world, &b);
    stale(&other, &b, &bytes, "another one");
}

#[test]
fn a_plan_is_for_its_own_stack_only() {
    let world = World::new(1);
    let a = bucket("a", false, "us");
    let (_, bytes) = save(&world, &a);
    let elsewhere = program_of(StackName::new("prod").unwrap(), |stack| {
        stack.add("logs", Bucket::new("a").versioning(false).tag("owner", "us"))?;
        Ok(())
    });
    let saved = read(&bytes).unwrap();
    let run = world.run(&Disturbance::default(), async |engine| {
        engine.up_saved(&elsewhere, &saved, &RunOptions::default(), &|_| true).await
    });
    let error = run.result().unwrap_err();
    assert!(matches!(error, EngineError::Saved(SavedPlanError::Elsewhere { .. })), "{error}");
    assert!(error.to_string().contains("test of project sim") && error.to_string().contains("prod"), "{error}");
    assert_eq!(world.durable.writes(), 0, "not even the lease is taken");
}

#[test]
fn what_an_earlier_run_left_open_is_settled_first() {
    let world = World::new(1);
    let (a, b) = (bucket("a", false, "us"), bucket("a", true, "us"));
    world.up(&a).succeeded();
    let (_, before) = save(&world, &b);
    let how = |kill| Disturbance { kill: Some(kill), breaks: None };
    // Killed with the update's intent durable.
    let killed = (0..50).find(|&n| {
        let run = world.up_with(&b, &RunOptions::default(), &how(n));
        matches!(run.ended, Ended::Killed(_)) && !world.state().open.is_empty()
    });
    assert!(killed.is_some() && !world.state().open.is_empty());
    let run = world.run(&Disturbance::default(), async |e| e.preview_to_save(&b, &RunOptions::default()).await);
    let error = run.result().unwrap_err();
    assert!(matches!(error, EngineError::Saved(SavedPlanError::Open(_))), "{error}");
    assert!(error.to_string().contains(logs().as_str()) && error.to_string().contains("phx refresh"), "{error}");
    stale(&world, &b, &before, "was recorded");
    world.refresh().succeeded();
    let (plan, bytes) = save(&world, &b);
    assert_eq!(execute(&world, &b, &bytes).succeeded().plan, plan);
    world.assert_settled(&b);
}

#[test]
fn a_failed_step_leaves_it_stale_and_the_next_plan_goes_on() {
    let world = World::new(1);
    let program = servers("small", "a", true);
    let (_, bytes) = save(&world, &program);
    let mut left = 1;
    world.cloud.set_fate(move |call| {
        let hit = call.verb == Verb::Create && call.type_name.ends_with("Server") && left > 0;
        hit.then(|| left -= 1).map(|()| Fault::Refused)
    });
    let report = execute(&world, &program, &bytes).ok();
    assert_eq!(report.failures.len(), 1);
    world.cloud.calm();
    stale(&world, &program, &bytes, "checkpoint");
    let (plan, bytes) = save(&world, &program);
    assert_eq!(execute(&world, &program, &bytes).succeeded().plan, plan);
    world.assert_settled(&program);
}

#[test]
fn no_byte_of_it_can_be_changed() {
    let world = World::new(1);
    world.up(&bucket("a", false, "us")).succeeded();
    let id = world.id(&logs());
    world.cloud.outside(logs().type_name(), &id, &Outside::Set("versioning", Value::Bool(true)));
    let (_, bytes) = save(&world, &bucket("a", false, "them"));
    assert!(read(&bytes).is_ok());
    for at in 0..bytes.len() {
        for bit in [0x01, 0x20, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= bit;
            let refused = matches!(read(&changed), Err(SavedPlanError::Damaged(_) | SavedPlanError::Newer { .. }));
            assert!(refused, "byte {at} of {}", bytes.len());
        }
        assert!(matches!(read(&bytes[..at]), Err(SavedPlanError::Damaged(_))), "cut at {at}");
    }
    assert!(read(&[&bytes[..], b" "].concat()).is_err());
}

/// The content with a sum that is right for it.
fn resealed(text: &str) -> Vec<u8> {
    let body = &text[..text.rfind(",\n  \"sum\"").unwrap()];
    let sum = phx_state::wire::sha256(body.as_bytes());
    format!("{body},\n  \"sum\": \"{sum}\"\n}}\n").into_bytes()
}

#[test]
fn a_newer_format_is_refused_and_so_is_what_is_no_plan() {
    let world = World::new(1);
    let program = bucket("a", false, "us");
    let (_, bytes) = save(&world, &program);
    let whole = String::from_utf8(bytes).unwrap();
    assert!(read(&resealed(&whole)).is_ok());
    let edit = |from: &str, to: &str| {
        assert!(whole.contains(from), "{from}");
        read(&resealed(&whole.replacen(from, to, 1)))
    };
    assert!(matches!(edit("\"format\": 1", "\"format\": 2"), Err(SavedPlanError::Newer { found: 2 })));
    assert!(matches!(
        edit("\"format\": 1", "\"format\": 99, \"unheard\": 1"),
        Err(SavedPlanError::Newer { found: 99 })
    ));
    assert!(matches!(edit("\"format\": 1", "\"format\": 0"), Err(SavedPlanError::Damaged(_))));
    assert!(matches!(edit("\"kind\": \"plan\"", "\"kind\": \"state\""), Err(SavedPlanError::Damaged(_))));
    assert!(matches!(edit("\"serial\"", "\"colour\": 1, \"serial\""), Err(SavedPlanError::Damaged(_))));
    for bytes in [&b""[..], b"{}", b"[]", b"null", "[".repeat(1 << 20).as_bytes()] {
        assert!(matches!(read(bytes), Err(SavedPlanError::Damaged(_))));
    }
    assert!(matches!(read(br#"{"format": 7}"#), Err(SavedPlanError::Newer { found: 7 })));
}

#[test]
fn what_people_read_is_what_is_done() {
    let world = World::new(1);
    let program = bucket("a", false, "us");
    let (_, bytes) = save(&world, &program);
    let whole = String::from_utf8(bytes).unwrap();
    // Someone who makes the file show something else, and the checksum fit it.
    let forged = whole.replacen("\"op\": \"create\"", "\"op\": \"same\"", 1);
    assert_ne!(forged, whole);
    stale(&world, &program, &resealed(&forged), "the plan for people");
    // Or who makes it do something else, and show it.
    world.up(&program).succeeded();
    let (_, bytes) = save(&world, &bucket("a", true, "us"));
    let whole = String::from_utf8(bytes).unwrap();
    let forged = whole.replacen(
        "\"observed\": []",
        &format!("\"observed\": [{{\"entry\":\"forgotten\",\"urn\":\"{}\",\"id\":\"{}\"}}]", logs(), world.id(&logs())),
        1,
    );
    assert_ne!(forged, whole);
    stale(&world, &bucket("a", true, "us"), &resealed(&forged), "another plan");
}

#[test]
fn secrets_are_sealed_and_bound_all_the_same() {
    let world = World::new(1);
    let (one, two) = (format!("{CANARY}one"), format!("{CANARY}two"));
    world.up(&servers("small", &one, false)).succeeded();
    let server = urn("app:Server", "server");
    // What was seen of an object with secrets is in the file.
    world.cloud.outside(server.type_name(), &world.id(&server), &Outside::Tag("more".into(), "yes".into()));
    let after = servers("large", &two, true);
    let run = world.run(&Disturbance::default(), async |e| e.preview_to_save(&after, &RunOptions::default()).await);
    let (plan, saved) = run.ok();
    assert!(saved.has_secrets() && !format!("{saved:?}").contains(CANARY));
    assert!(matches!(saved.encode(None), Err(SavedPlanError::NoKey("seal"))));
    let header = header();
    let bytes = saved.encode(Some((&header, &Disguise))).unwrap();
    let content = String::from_utf8(bytes.clone()).unwrap();
    assert!(!content.contains(CANARY), "{content}");
    let stored: serde_json::Value = serde_json::from_str(&content).unwrap();
    assert_eq!(stored["key"]["id"], header.id);
    assert!(stored["state"].is_object() && stored["digest"].is_object(), "hashes over secrets are sealed: {content}");
    assert!(stored["observed"].as_array().is_some_and(|o| !o.is_empty()));
    assert_eq!(SealedPlan::read(&bytes).unwrap().key(), Some(&header));
    assert!(matches!(SealedPlan::read(&bytes).unwrap().open(None), Err(SavedPlanError::NoKey("open"))));
    // The program's hash does not know its secrets; the plan's does.
    stale(&world, &servers("large", &one, true), &bytes, "another plan");
    stale(&world, &servers("large", &format!("{CANARY}three"), true), &bytes, "a secret is another one");
    let report = execute(&world, &after, &bytes).succeeded();
    assert_eq!(report.plan, plan);
    world.assert_settled(&after);
}

#[test]
fn it_takes_no_key_where_there_is_no_secret() {
    let world = World::new(1);
    let program = bucket("a", false, "us");
    let run = world.run(&Disturbance::default(), async |e| e.preview_to_save(&program, &RunOptions::default()).await);
    let (_, saved) = run.ok();
    assert!(!saved.has_secrets());
    let bytes = saved.encode(None).unwrap();
    let sealed = SealedPlan::read(&bytes).unwrap();
    assert_eq!(sealed.key(), None);
    sealed.belongs_to(&program.project, &program.stack).unwrap();
    let prod = StackName::new("prod").unwrap();
    assert!(matches!(sealed.belongs_to(&program.project, &prod), Err(SavedPlanError::Elsewhere { .. })));
    sealed.open(None).unwrap();
}

/// A plan that this version wrote once. Every later one must read it.
#[test]
fn a_plan_of_version_1_is_read() {
    let bytes = include_bytes!("../fixtures/plan-v1.json");
    let sealed = SealedPlan::read(bytes).unwrap();
    assert_eq!(sealed.key(), None);
    let saved = sealed.open(None).unwrap();
    let summary = &saved.plan()["summary"];
    assert_eq!((&summary["update"], &summary["create"], &summary["adopt"]), (&1.into(), &1.into(), &1.into()));
    // And writes it again as it was.
    assert_eq!(saved.encode(None).unwrap(), bytes);
}

/// As the command line seals it.
struct Real(DocumentKey);

impl Sealer for Real {
    fn seal(&self, entry: Entry) -> Result<Entry, StoreError> {
        self.0.seal(entry)
    }
    fn open(&self, entry: Entry) -> Result<Entry, StoreError> {
        self.0.open(entry)
    }
}

#[test]
fn its_secrets_are_encrypted_with_a_key_that_the_file_leads_to() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let key = |passphrase: &str, known: Option<&KeyHeader>| {
        let cost = Cost { m_kib: 8, t: 1, p: 1 };
        let keys = Keys::none().with_passphrase(Passphrase::new(passphrase.to_owned()).cost(cost));
        let store = SealedStore::new(Arc::new(MemoryStore::new()), Arc::new(keys));
        let stack = StackName::new("test").unwrap();
        runtime.block_on(store.document_key(&stack, known)).map(Real)
    };
    let world = World::new(1);
    let secret = format!("{CANARY}one");
    world.up(&servers("small", &secret, false)).succeeded();
    let server = urn("app:Server", "server");
    world.cloud.outside(server.type_name(), &world.id(&server), &Outside::Tag("more".into(), "yes".into()));
    let after = servers("large", &format!("{CANARY}two"), true);
    let run = world.run(&Disturbance::default(), async |e| e.preview_to_save(&after, &RunOptions::default()).await);
    let (plan, saved) = run.ok();
    let new = key("correct horse", None).unwrap();
    let bytes = saved.encode(Some((new.0.header(), &new))).unwrap();
    let content = String::from_utf8(bytes.clone()).unwrap();
    assert!(!content.contains(CANARY) && content.contains("$phx:sealed"), "{content}");

    let sealed = SealedPlan::read(&bytes).unwrap();
    assert!(key("wrong", sealed.key()).is_err());
    let known = key("correct horse", sealed.key()).unwrap();
    // A sealed value that stands elsewhere is refused, whatever the checksum says.
    let moved = content.replacen("\"password\": {", "\"passphrase\": {", 1);
    assert_ne!(moved, content);
    assert!(SealedPlan::read(&resealed(&moved)).unwrap().open(Some(&known)).is_err());
    let saved = sealed.open(Some(&known)).unwrap();
    let options = RunOptions::default();
    let run = world.run(&Disturbance::default(), async |e| e.up_saved(&after, &saved, &options, &|_| true).await);
    assert_eq!(run.succeeded().plan, plan);
    world.assert_settled(&after);
}
