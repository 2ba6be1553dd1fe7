//! Replacements: both orders, what they drag along, names that change hands, and halves that fail.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use phx_engine::events::RunResult;
use phx_engine::plan::{Op, Plan, ReplaceOrder};
use phx_model::stack::Options;
use phx_model::{Ipv4Cidr, Program};
use phx_tests::sim::{Bucket, Fault, Group, Network, Rule, Server, Subnet, Verb};
use phx_tests::world::{World, program, urn};

const CREATE_FIRST: Op = Op::Replace(ReplaceOrder::CreateBeforeDelete);
const DELETE_FIRST: Op = Op::Replace(ReplaceOrder::DeleteBeforeCreate);

fn cidr(text: &str) -> Ipv4Cidr {
    text.parse().unwrap()
}

fn op(plan: &Plan, kind: &str, name: &str) -> Op {
    let urn = urn(kind, name);
    plan.steps.iter().find(|s| s.urn == urn).unwrap_or_else(|| panic!("{urn} is not in the plan")).op
}

/// A group with a rule, and a server in it, in a subnet.
fn site(description: &str, zone: &str, protocol: &str) -> Program {
    program(|stack| {
        let network = stack.add("main", Network::new(cidr("10.0.0.0/16")))?;
        let subnet = stack.add("subnet", Subnet::new(network.id(), cidr("10.0.1.0/24")).zone(zone))?;
        let group = stack.add("group", Group::new(network.id(), description))?;
        stack.add("rule", Rule::new(group.id(), 443).protocol(protocol))?;
        stack.add("server", Server::new(subnet.id(), "small").groups([group.id()]))?;
        Ok(())
    })
}

fn place(log: &[String], what: &str) -> usize {
    log.iter().position(|l| l == what).unwrap_or_else(|| panic!("no {what:?} in {log:?}"))
}

#[test]
fn the_new_one_comes_first_and_the_old_one_goes_when_nobody_needs_it() {
    let world = World::new(1);
    world.up(&site("one", "zone-a", "tcp")).succeeded();
    let id = |kind, name| world.id(&urn(kind, name));
    let (group, rule, server) = (id("net:Group", "group"), id("net:Rule", "rule"), id("app:Server", "server"));
    let program = site("two", "zone-a", "tcp");
    let plan = world.preview(&program).unwrap();
    assert_eq!(op(&plan, "net:Group", "group"), CREATE_FIRST);
    assert_eq!(op(&plan, "net:Rule", "rule"), CREATE_FIRST, "its group will be another one");
    assert_eq!(op(&plan, "app:Server", "server"), Op::Update, "its groups can be changed in place");
    assert_eq!(op(&plan, "net:Subnet", "subnet"), Op::Same);
    let report = world.up(&program).succeeded();
    assert_eq!((report.summary.replace, report.summary.update), (2, 1));
    let log = world.cloud.log();
    let new = world.id(&urn("net:Group", "group"));
    let created = place(&log, &format!("create {new}"));
    let deleted = place(&log, &format!("delete {group}"));
    for between in [format!("update {server}"), format!("create {new}:443")] {
        let at = place(&log, &between);
        assert!(created < at && at < deleted, "{between} is not between: {log:?}");
    }
    place(&log, &format!("delete {rule} with {group}"));
    world.assert_settled(&program);
    world.assert_nothing_to_do(&program);
}

#[test]
fn the_old_one_goes_first_where_the_two_cannot_live_side_by_side() {
    let world = World::new(1);
    world.up(&site("one", "zone-a", "tcp")).succeeded();
    let id = |kind, name| world.id(&urn(kind, name));
    let (subnet, server, rule) = (id("net:Subnet", "subnet"), id("app:Server", "server"), id("net:Rule", "rule"));
    // The subnet keeps its range, and the rule its port; the server is dragged along.
    let program = site("one", "zone-b", "udp");
    let plan = world.preview(&program).unwrap();
    assert_eq!(op(&plan, "net:Subnet", "subnet"), DELETE_FIRST);
    assert_eq!(op(&plan, "app:Server", "server"), DELETE_FIRST);
    assert_eq!(op(&plan, "net:Rule", "rule"), DELETE_FIRST);
    world.up(&program).succeeded();
    let log = world.cloud.log();
    let (new_subnet, new_server) = (world.id(&urn("net:Subnet", "subnet")), world.id(&urn("app:Server", "server")));
    let order = [
        format!("delete {server}"),
        format!("delete {subnet}"),
        format!("create {new_subnet}"),
        format!("create {new_server}"),
    ];
    assert!(order.windows(2).all(|w| place(&log, &w[0]) < place(&log, &w[1])), "{log:?}");
    // The rule's id is its group and port, so the new one has the old one's.
    assert_eq!(world.id(&urn("net:Rule", "rule")), rule);
    assert!(place(&log, &format!("delete {rule}")) < place(&log, &format!("create {rule}")));
    world.assert_settled(&program);
    world.assert_nothing_to_do(&program);
}

#[test]
fn an_old_object_that_could_not_be_deleted_is_deleted_by_the_next_up() {
    let world = World::new(1);
    world.up(&site("one", "zone-a", "tcp")).succeeded();
    let (group, rule) = (world.id(&urn("net:Group", "group")), world.id(&urn("net:Rule", "rule")));
    world
        .cloud
        .set_fate(|call| (call.verb == Verb::Delete && call.type_name == "sim:net:Group").then_some(Fault::Refused));
    let program = site("two", "zone-a", "tcp");
    let report = world.up(&program).ok();
    assert_eq!(report.result, RunResult::Failed);
    let new = world.id(&urn("net:Group", "group"));
    assert_ne!(new, group);
    assert_eq!(world.state().deposed.iter().map(|d| d.record.id.as_str()).collect::<Vec<_>>(), [group.as_str(), &rule]);
    world.cloud.calm();
    let plan = world.preview(&program).unwrap();
    assert_eq!(plan.changes().map(|s| s.op).collect::<Vec<_>>(), [Op::DeleteDeposed, Op::DeleteDeposed]);
    world.up(&program).succeeded();
    assert_eq!(world.cloud.log(), [format!("delete {group}"), format!("delete {rule} with {group}")]);
    world.assert_settled(&program);
    // A destroy takes it along too.
    world
        .cloud
        .set_fate(|call| (call.verb == Verb::Delete && call.type_name == "sim:net:Group").then_some(Fault::Refused));
    world.up(&site("three", "zone-a", "tcp")).ok();
    assert_eq!(world.state().deposed.len(), 2);
    world.cloud.calm();
    world.destroy().succeeded();
    world.assert_empty();
}

#[test]
fn a_replacement_whose_new_object_fails_leaves_the_old_one_in_place() {
    let world = World::new(1);
    world.up(&site("one", "zone-a", "tcp")).succeeded();
    let group = world.id(&urn("net:Group", "group"));
    world
        .cloud
        .set_fate(|call| (call.verb == Verb::Create && call.type_name == "sim:net:Group").then_some(Fault::Refused));
    let report = world.up(&site("two", "zone-a", "tcp")).ok();
    assert_eq!(report.failures.len(), 1);
    assert_eq!(world.cloud.counts().deletes, 0, "nothing that still works is taken away");
    assert_eq!(world.id(&urn("net:Group", "group")), group);
    world.cloud.calm();
    // And if the program goes back, there is nothing to do.
    world.assert_nothing_to_do(&site("one", "zone-a", "tcp"));
    world.up(&site("two", "zone-a", "tcp")).succeeded();
    world.assert_settled(&site("two", "zone-a", "tcp"));
}

#[test]
fn a_replacement_that_deleted_first_and_failed_then_creates_next_time() {
    let world = World::new(1);
    world.up(&site("one", "zone-a", "tcp")).succeeded();
    world
        .cloud
        .set_fate(|call| (call.verb == Verb::Create && call.type_name == "sim:net:Subnet").then_some(Fault::Refused));
    let program = site("one", "zone-b", "tcp");
    let report = world.up(&program).ok();
    assert_eq!(report.result, RunResult::Failed);
    assert!(!world.state().resources.contains_key(&urn("net:Subnet", "subnet")));
    world.cloud.calm();
    let report = world.up(&program).succeeded();
    assert_eq!(report.summary.create, 2, "the subnet and the server");
    world.assert_settled(&program);
}

#[test]
fn a_name_changes_hands_only_once_it_is_free() {
    let world = World::new(1);
    let named = |name: &str| program(|stack| stack.add(name, Bucket::new("the-bucket")).map(drop));
    world.up(&named("old")).succeeded();
    world.up(&named("new")).succeeded();
    assert_eq!(world.cloud.log(), ["delete the-bucket", "create the-bucket", "finish the-bucket"]);
    world.assert_settled(&named("new"));
    // The same with a range of addresses in a network that is there.
    let world = World::new(1);
    let named = |name: &str| {
        program(|stack| {
            let network = stack.add("main", Network::new(cidr("10.0.0.0/16")))?;
            stack.add(name, Subnet::new(network.id(), cidr("10.0.1.0/24")))?;
            Ok(())
        })
    };
    world.up(&named("old")).succeeded();
    world.up(&named("new")).succeeded();
    world.assert_settled(&named("new"));
}

/// First b needs a, then a needs b; and both are replaced on the way.
#[test]
fn a_dependency_can_turn_round() {
    for (first_a, first_b) in [(None, None), (Some(true), None), (None, Some(true)), (Some(true), Some(true))] {
        let server = |turned: bool, round: i64| {
            program(|stack| {
                let network = stack.add("main", Network::new(cidr("10.0.0.0/16")))?;
                let subnet = stack.add("subnet", Subnet::new(network.id(), cidr("10.0.1.0/24")))?;
                let options = |order: Option<bool>| {
                    let options = Options::new().replace_on(round);
                    order.map_or_else(|| options.clone(), |yes| options.clone().delete_before_replace(yes))
                };
                let server = || Server::new(subnet.id(), "small");
                let names = if turned { [("b", first_b), ("a", first_a)] } else { [("a", first_a), ("b", first_b)] };
                let [(one, of_one), (two, of_two)] = names;
                let one = stack.add_with(one, server(), options(of_one))?;
                stack.add_with(two, server().tag("other", one.address()), options(of_two))?;
                Ok(())
            })
        };
        let world = World::new(1);
        world.up(&server(false, 1)).succeeded();
        for (turned, round) in [(true, 2), (false, 2), (false, 3), (true, 3)] {
            let program = server(turned, round);
            world.up(&program).succeeded();
            world.assert_settled(&program);
            world.assert_nothing_to_do(&program);
        }
        // Also with old objects of both left behind, which need each other across.
        world.cloud.set_fate(|call| {
            (call.verb == Verb::Delete && call.type_name == "sim:app:Server").then_some(Fault::Refused)
        });
        world.up(&server(true, 4)).ok();
        world.up(&server(false, 5)).ok();
        world.cloud.calm();
        world.destroy().succeeded();
        world.assert_empty();
    }
}
