//! Several regions and accounts in one program: where things land, what moves, and what is known of a place when the program is not run.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use phx_engine::EngineError;
use phx_engine::engine::RunOptions;
use phx_engine::plan::Op;
use phx_model::provider::Provider;
use phx_model::stack::Options;
use phx_model::state::ProviderKey;
use phx_model::{Ipv4Cidr, Program};
use phx_tests::sim::{Bucket, Network, Server, Subnet};
use phx_tests::world::{Disturbance, Ended, World, program, urn};

const ROLE: &str = "arn:aws:iam::210987654321:role/phx";
const OTHER: &str = "arn:aws:iam::210987654321:role/other";
const THERE: &str = "210987654321/eu-west-1";

fn cidr(text: &str) -> Ipv4Cidr {
    text.parse().unwrap()
}

fn account(role: &str) -> Provider {
    Provider::new().region("eu-west-1").assume_role(role).external_id("tenant-7").session_tag("team", "platform")
}

/// A network at home; one with a server in another account; a bucket in another region.
fn spread(name: &str, provider: Provider, region: &str, size: &str) -> Program {
    program(|stack| {
        let there = stack.provider(name, provider)?;
        let replica = stack.provider("replica", Provider::new().region(region))?;
        stack.add("main", Network::new(cidr("10.0.0.0/16")))?;
        let far = stack.with_provider(&there).component("far")?;
        let network = far.add("main", Network::new(cidr("10.1.0.0/16")))?;
        let subnet = far.add("a", Subnet::new(network.id(), cidr("10.1.1.0/24")))?;
        far.add("app", Server::new(subnet.id(), size))?;
        far.at_home().add("near", Bucket::new("near"))?;
        stack.add_with("copy", Bucket::new("copy"), Options::new().provider(&replica))?;
        Ok(())
    })
}

fn usual() -> Program {
    spread("there", account(ROLE), "us-east-1", "small")
}

#[test]
fn everything_lands_where_it_belongs_and_is_destroyed_there_without_the_program() {
    let world = World::new(1);
    let program = usual();
    let plan = world.preview(&program).unwrap();
    let json = plan.to_json();
    let place =
        |name: &str| json["steps"].as_array().unwrap().iter().find(|s| s["name"] == name).unwrap()["provider"].clone();
    assert_eq!(place("main"), serde_json::Value::Null);
    assert_eq!((place("far/app"), place("copy")), (format!("{THERE}@there").into(), "us-east-1".into()));
    world.up(&program).succeeded();
    world.assert_settled(&program);
    world.assert_nothing_to_do(&program);
    assert_eq!(world.object(&urn("app:Server", "far/app")).place, THERE);
    assert_eq!(world.object(&urn("app:Bucket", "copy")).place, "us-east-1");
    assert_eq!(world.object(&urn("app:Bucket", "far/near")).place, "");
    let state = world.state();
    let key = ProviderKey(format!("{THERE}@there"));
    assert_eq!(state.providers.into_iter().collect::<Vec<_>>(), [(key, account(ROLE))]);
    assert!(world.drift().unwrap().drifted.is_empty());
    world.refresh().ok();
    world.destroy().succeeded();
    world.assert_empty();
    assert!(world.state().providers.is_empty(), "nothing lies there any more");
}

#[test]
fn another_region_or_account_is_a_replacement_and_is_told() {
    let world = World::new(1);
    world.up(&usual()).succeeded();
    let old = world.id(&urn("app:Server", "far/app"));
    let program = spread("there", account(ROLE).region("eu-west-2"), "us-east-2", "small");
    let plan = world.preview(&program).unwrap();
    for name in ["far/main", "copy", "far/app", "far/a"] {
        let step = plan.steps.iter().find(|s| s.urn.name() == name && s.op.makes()).unwrap();
        assert!(matches!(step.op, Op::Replace(_)), "{step:?}");
        let said = match name {
            "copy" => "it moves from us-east-1 to us-east-2, and no object can do so",
            _ => "it moves from 210987654321/eu-west-1 to 210987654321/eu-west-2, and no object can do so",
        };
        assert!(step.reasons.iter().any(|r| r == said), "{:?}", step.reasons);
    }
    world.up(&program).succeeded();
    world.assert_settled(&program);
    world.assert_nothing_to_do(&program);
    assert_ne!(world.id(&urn("app:Server", "far/app")), old);
    assert!(world.cloud.objects().iter().all(|o| o.place != THERE && o.place != "us-east-1"));
    let keys: Vec<ProviderKey> = world.state().providers.into_keys().collect();
    assert_eq!(keys, [ProviderKey("210987654321/eu-west-2@there".into())]);
    // And home again.
    let home = phx_tests::world::program(|stack| {
        stack.add("main", Network::new(cidr("10.0.0.0/16")))?;
        stack.add("copy", Bucket::new("copy")).map(drop)
    });
    world.up(&home).succeeded();
    world.assert_settled(&home);
    assert_eq!(world.object(&urn("app:Bucket", "copy")).place, "");
    assert!(world.state().providers.is_empty());
}

#[test]
fn another_role_or_name_for_the_same_place_moves_nothing() {
    let world = World::new(1);
    world.up(&usual()).succeeded();
    let ids = |world: &World| world.state().resources.into_values().map(|r| r.id).collect::<Vec<_>>();
    let before = ids(&world);
    // The old role is gone for good: everything is read, and changed, with the new one.
    world.cloud.forbid(ROLE, true);
    for program in [
        spread("there", account(OTHER), "us-east-1", "small"),
        spread("elsewhere", account(OTHER).external_id("tenant-8"), "us-east-1", "large"),
    ] {
        world.up(&program).succeeded();
        world.assert_settled(&program);
        world.assert_nothing_to_do(&program);
        assert_eq!(ids(&world), before);
    }
    let state = world.state();
    let key = ProviderKey(format!("{THERE}@elsewhere"));
    assert!(state.resources.values().filter(|r| r.provider.place().name.is_some()).all(|r| r.provider == key));
    assert_eq!(state.providers.into_iter().collect::<Vec<_>>(), [(key, account(OTHER).external_id("tenant-8"))]);
    world.destroy().succeeded();
    world.assert_empty();
}

#[test]
fn killed_anywhere_it_is_known_what_the_places_are() {
    let program = usual();
    let boundaries = World::new(3).up(&program).boundaries;
    for at in 0..boundaries {
        let how = Disturbance { kill: Some(at), ..Disturbance::default() };
        let world = World::new(3);
        let run = world.up_with(&program, &RunOptions::default(), &how);
        let Ended::Killed(place) = run.ended else { continue };
        // Without the program: all that is known is what the journal has.
        world.destroy().succeeded();
        if world.durable.state().is_some() {
            world.assert_empty();
        }
        assert!(world.cloud.objects().is_empty(), "killed {place}");
        // With the program, which meanwhile calls the place otherwise.
        let world = World::new(3);
        world.up_with(&program, &RunOptions::default(), &how);
        let renamed = spread("elsewhere", account(OTHER), "us-east-1", "small");
        world.up(&renamed).succeeded();
        world.assert_settled(&renamed);
        // And if it has become another place.
        let world = World::new(3);
        world.up_with(&program, &RunOptions::default(), &how);
        let moved = spread("there", account(ROLE).region("eu-west-2"), "us-east-2", "small");
        world.up(&moved).succeeded();
        world.assert_settled(&moved);
    }
}

#[test]
fn a_role_that_cannot_be_assumed_is_told_before_anything_is_changed() {
    let world = World::new(1);
    world.cloud.forbid(ROLE, true);
    let error = world.up(&usual()).result().unwrap_err();
    assert!(matches!(&error, EngineError::Place(e) if e.message.contains(ROLE)), "{error}");
    assert!(world.cloud.objects().is_empty());
    world.cloud.forbid(ROLE, false);
    world.up(&usual()).succeeded();
    // A look at what there is tells of the rest all the same.
    world.cloud.forbid(ROLE, true);
    let drift = world.drift().unwrap();
    let unread: Vec<&str> = drift.failures.iter().map(|(urn, _)| urn.name()).collect();
    assert_eq!(unread, ["far/app", "far/main", "far/a"]);
    assert_eq!(drift.checked, 3);
    assert!(matches!(world.preview(&usual()), Err(EngineError::Place(_))));
    assert!(matches!(world.destroy().result(), Err(EngineError::Place(_))));
    assert_eq!(world.cloud.objects().len(), 6);
}

#[test]
fn a_saved_plan_is_stale_if_a_place_is_another_one() {
    let world = World::new(1);
    let program = usual();
    let none = Disturbance::default();
    let options = RunOptions::default();
    let (_, saved) = world.run(&none, async |engine| engine.preview_to_save(&program, &options).await).ok();
    for other in [
        spread("there", account(ROLE).external_id("tenant-8"), "us-east-1", "small"),
        spread("there", account(OTHER), "us-east-1", "small"),
        spread("there", account(ROLE), "us-east-2", "small"),
    ] {
        let run = world.run(&none, async |engine| engine.up_saved(&other, &saved, &options, &|_| true).await);
        assert!(matches!(run.result(), Err(EngineError::Stale(_))));
    }
    world.run(&none, async |engine| engine.up_saved(&program, &saved, &options, &|_| true).await).succeeded();
    world.assert_settled(&program);
    // A plan that is saved while a place only gets another name is done as it was shown, too.
    let renamed = spread("elsewhere", account(OTHER), "us-east-1", "large");
    let (plan, saved) = world.run(&none, async |engine| engine.preview_to_save(&renamed, &options).await).ok();
    assert_eq!(plan.changes().count(), 1);
    world.run(&none, async |engine| engine.up_saved(&renamed, &saved, &options, &|_| true).await).succeeded();
    world.assert_settled(&renamed);
}
