//! Configured secrets, from `phx secret set` to the cloud.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::sync::Arc;

use phx_engine::plan::Op;
use phx_model::state::{Entry, OperationId};
use phx_model::store::{Holder, Store};
use phx_model::{Ipv4Cidr, Program, Value};
use phx_state::MemoryStore;
use phx_tests::sim::{Network, Server, Subnet};
use phx_tests::world::{World, program, sealing, urn};

fn with_password() -> Program {
    program(|stack| {
        let range: Ipv4Cidr = "10.0.0.0/16".parse().unwrap();
        let network = stack.add("main", Network::new(range))?;
        let subnet = stack.add("a", Subnet::new(network.id(), range.subnet(8, 0).unwrap()))?;
        let password = stack.secret("db")?;
        stack.add("web", Server::new(subnet.id(), "small").password(password.clone()))?;
        stack.export("url", phx_model::format!("https://admin:{}@web", password))?;
        Ok(())
    })
}

/// As `phx secret set` does it.
fn set(world: &World, memory: &MemoryStore, value: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let operation = OperationId("set".into());
        let holder = Holder { who: "me@here".into(), pid: 1, kind: "secret set".into(), operation };
        let session = sealing(Arc::new(memory.clone())).acquire(world.stack(), &holder).await.unwrap();
        let value = Some(Value::String(value.into()).secret());
        let entries = [Entry::Secret { name: "db".into(), value }];
        let mut state = session.state().clone();
        state.fold(&entries).unwrap();
        state.serial += 1;
        session.append(&entries).await.unwrap();
        session.checkpoint(&state).await.unwrap();
        session.release().await.unwrap();
        world.durable.written_elsewhere(&state);
    });
}

/// What is stored says nothing of it.
fn nothing_told(world: &World, memory: &MemoryStore) {
    for entry in memory.journal(world.stack()) {
        let text = serde_json::to_string(&entry).unwrap();
        assert!(!text.contains("canary-"), "{text}");
    }
    for state in memory.checkpoints(world.stack()) {
        assert!(!serde_json::to_string(&state).unwrap().contains("canary-"));
    }
}

#[test]
fn a_secret_that_is_not_set_is_named_before_anything_is_called() {
    let world = World::new(1);
    let error = world.preview(&with_password()).unwrap_err().to_string();
    let web = urn("app:Server", "web");
    assert!(
        error.contains(web.as_str()) && error.contains("password") && error.contains("phx secret set db"),
        "{error}"
    );
    world.up(&with_password()).result().unwrap_err();
    assert!(world.cloud.objects().is_empty());
}

#[test]
fn a_configured_secret_reaches_the_cloud_and_nothing_else_and_a_new_value_is_an_update() {
    let memory = MemoryStore::new();
    let world = World::with_store(2, Arc::new(memory.clone()));
    set(&world, &memory, "canary-first");
    let report = world.up(&with_password()).succeeded();
    assert!(!format!("{report:?}").contains("canary-"), "the report tells a secret");
    let password = || {
        let objects = world.cloud.objects();
        let server = objects.iter().find(|o| o.type_name == "sim:app:Server").unwrap();
        server.fields["password"].expose().clone()
    };
    assert_eq!(password(), Value::String("canary-first".into()));
    assert!(report.outputs["url"].has_secret(), "what is made of a secret is one");
    nothing_told(&world, &memory);
    world.assert_nothing_to_do(&with_password());

    set(&world, &memory, "canary-second");
    let plan = world.preview(&with_password()).unwrap();
    let step = plan.steps.iter().find(|s| s.op != Op::Same).unwrap();
    assert_eq!((step.op, &step.urn), (Op::Update, &urn("app:Server", "web")));
    assert_eq!(step.diff.iter().map(|d| (&*d.path, d.secret)).collect::<Vec<_>>(), [("password", true)]);
    let json = plan.to_json().to_string();
    assert!(json.contains("(secret)") && !json.contains("canary-"), "{json}");
    world.up(&with_password()).succeeded();
    assert_eq!(password(), Value::String("canary-second".into()));
    nothing_told(&world, &memory);
    world.assert_nothing_to_do(&with_password());
    world.destroy().succeeded();
    nothing_told(&world, &memory);
}
