//! What the options on a resource do.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use phx_engine::EngineError;
use phx_engine::engine::RunOptions;
use phx_engine::plan::{Op, Plan, ReplaceOrder};
use phx_engine::planner::{PlanError, PlanOptions};
use phx_model::stack::Options;
use phx_model::{Ipv4Cidr, Program, Resource, Urn, Value, ValueMap};
use phx_tests::sim::{Bucket, Group, Network, Outside, Rule, Server, Subnet};
use phx_tests::world::{Disturbance, World, options, program, urn};

fn cidr(text: &str) -> Ipv4Cidr {
    text.parse().unwrap()
}

fn text(s: &str) -> Value {
    Value::String(s.into())
}

fn op(plan: &Plan, urn: &Urn) -> Op {
    plan.steps.iter().find(|s| s.urn == *urn).unwrap_or_else(|| panic!("{urn} is not in the plan")).op
}

/// One bucket with options.
fn bucket(name: &str, versioning: bool, options: Options) -> Program {
    program(|stack| {
        stack.add_with("logs", Bucket::new(name).versioning(versioning).tag("owner", "us"), options)?;
        Ok(())
    })
}

fn nothing() -> Program {
    program(|_| Ok(()))
}

fn logs() -> Urn {
    urn("app:Bucket", "logs")
}

#[track_caller]
fn refused(world: &World, program: &Program) -> String {
    let before = world.cloud.objects();
    let error = world.up(program).result().expect_err("this is refused");
    assert!(matches!(error, EngineError::Plan(PlanError::Protected(_))), "{error}");
    assert_eq!(world.cloud.counts().changes(), 0);
    assert_eq!(world.cloud.objects(), before);
    let preview = world.preview(program).expect_err("the preview says so too");
    assert_eq!(preview.to_string(), error.to_string());
    error.to_string()
}

#[test]
fn what_is_protected_is_neither_deleted_nor_replaced_nor_destroyed() {
    let world = World::new(1);
    let protected = || Options::new().protect(true);
    world.up(&bucket("a", false, protected())).succeeded();
    for program in [nothing(), bucket("b", false, protected())] {
        let message = refused(&world, &program);
        assert!(message.contains(logs().as_str()) && message.contains("protect"), "{message}");
    }
    let error = world.destroy().result().expect_err("this is refused");
    assert!(matches!(error, EngineError::Plan(PlanError::Protected(_))), "{error}");
    assert_eq!(world.cloud.objects().len(), 1);
    // What leaves it in place is allowed.
    world.up(&bucket("a", true, protected())).succeeded();
    // The way out is the one that the message names.
    world.up(&bucket("a", true, Options::new())).succeeded();
    world.up(&nothing()).succeeded();
    world.assert_empty();
}

#[test]
fn what_is_retained_stays_in_the_cloud_and_is_forgotten() {
    let world = World::new(1);
    world.up(&bucket("a", false, Options::new().retain(true))).succeeded();
    let plan = world.preview(&nothing()).unwrap();
    assert_eq!(op(&plan, &logs()), Op::Forget);
    let report = world.up(&nothing()).succeeded();
    assert_eq!((report.summary.forget, report.summary.delete), (1, 0));
    assert_eq!(world.cloud.counts().deletes, 0);
    assert!(world.state().is_empty());
    assert_eq!(world.cloud.objects().len(), 1);
    assert_eq!(world.retained().len(), 1);
}

#[test]
fn a_destroy_retains_too() {
    let world = World::new(1);
    world.up(&bucket("a", false, Options::new().retain(true))).succeeded();
    world.destroy().succeeded();
    world.assert_empty();
    assert_eq!(world.retained().len(), 1);
}

/// An object that someone else made before.
fn foreign(world: &World, fields: &[(&str, Value)]) -> String {
    let fields: ValueMap = fields.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
    world.cloud.make(Bucket::schema(), &fields)
}

fn owner() -> Value {
    Value::Map([("owner".to_owned(), text("us"))].into())
}

#[test]
fn an_object_as_the_program_wants_it_is_adopted_without_a_change() {
    let world = World::new(1);
    let id = foreign(&world, &[("name", text("a")), ("versioning", Value::Bool(true)), ("tags", owner())]);
    let program = bucket("a", true, Options::new().import(&*id));
    assert_eq!(op(&world.preview(&program).unwrap(), &logs()), Op::Adopt);
    let report = world.up(&program).succeeded();
    assert_eq!(report.summary.adopt, 1);
    assert_eq!(world.cloud.counts().changes(), 0);
    assert_eq!(world.id(&logs()), id);
    world.assert_nothing_to_do(&program);
    // The option may stay or go.
    world.assert_nothing_to_do(&bucket("a", true, Options::new()));
    // And now it is phx's, to the end.
    world.destroy().succeeded();
    assert!(world.cloud.objects().is_empty());
}

#[test]
fn an_adopted_object_is_changed_where_it_differs() {
    let world = World::new(1);
    let id =
        foreign(&world, &[("name", text("a")), ("versioning", Value::Bool(false)), ("policy", text(r#"{"a":1}"#))]);
    let program = bucket("a", true, Options::new().import(&*id));
    let plan = world.preview(&program).unwrap();
    let step = &plan.steps[0];
    assert_eq!(step.op, Op::Adopt);
    let paths: Vec<&str> = step.diff.iter().map(|d| d.path.as_str()).collect();
    assert!(paths.contains(&"versioning"), "{paths:?}");
    world.up(&program).succeeded();
    world.assert_nothing_to_do(&program);
    let object = world.object(&logs());
    assert_eq!(object.fields["versioning"], Value::Bool(true));
    assert!(object.fields.contains_key("policy"), "the program never set the policy, so it is left alone");
}

#[test]
fn an_object_that_would_have_to_be_replaced_is_not_adopted() {
    let world = World::new(1);
    let id = foreign(&world, &[("name", text("b"))]);
    let error = world.up(&bucket("a", true, Options::new().import(&*id))).result().unwrap_err();
    assert!(matches!(error, EngineError::Plan(PlanError::AdoptedDiffers { .. })), "{error}");
    assert!(error.to_string().contains("name"), "{error}");
    let error = world.up(&bucket("a", true, Options::new().import("nobody"))).result().unwrap_err();
    assert!(matches!(error, EngineError::Plan(PlanError::NothingToAdopt { .. })), "{error}");
    assert_eq!(world.cloud.objects().len(), 1);
}

#[test]
fn ignored_fields_are_set_once_and_then_left_alone() {
    let world = World::new(1);
    let ignoring = || Options::new().ignore_changes(["versioning"]);
    world.up(&bucket("a", true, ignoring())).succeeded();
    assert_eq!(world.object(&logs()).fields["versioning"], Value::Bool(true));
    // Neither the program's wish nor someone else's change counts.
    let other = bucket("a", false, ignoring());
    world.assert_nothing_to_do(&other);
    world.cloud.outside("sim:app:Bucket", "a", &Outside::Set("versioning", Value::Bool(false)));
    world.assert_nothing_to_do(&bucket("a", true, ignoring()));
    world.up(&bucket("a", true, ignoring())).succeeded();
    assert_eq!(world.object(&logs()).fields["versioning"], Value::Bool(false));
    // Until it is ignored no more.
    world.up(&bucket("a", true, Options::new())).succeeded();
    assert_eq!(world.object(&logs()).fields["versioning"], Value::Bool(true));
}

#[test]
fn a_single_tag_can_be_ignored() {
    let world = World::new(1);
    let tagged = |stage: &str, ignored: &[&str]| {
        let options = Options::new().ignore_changes(ignored.iter().copied());
        let network = Network::new(cidr("10.0.0.0/16")).tag("owner", "us").tag("stage", stage);
        program(|stack| stack.add_with("main", network, options).map(drop))
    };
    world.up(&tagged("one", &["tags.owner", "tags.cost"])).succeeded();
    let main = urn("net:Network", "main");
    let id = world.id(&main);
    let meddle =
        |tag: &str, value: &str| world.cloud.outside("sim:net:Network", &id, &Outside::Tag(tag.into(), value.into()));
    meddle("owner", "them");
    meddle("cost", "42");
    world.assert_nothing_to_do(&tagged("one", &["tags.owner", "tags.cost"]));
    // The other tags count as ever.
    meddle("stage", "three");
    world.up(&tagged("two", &["tags.owner", "tags.cost"])).succeeded();
    let expected = [("cost", "42"), ("owner", "them"), ("stage", "two")];
    let expected: ValueMap = expected.iter().map(|(k, v)| ((*k).to_owned(), text(v))).collect();
    assert_eq!(world.object(&main).fields["tags"], Value::Map(expected));
    world.assert_nothing_to_do(&tagged("two", &["tags.owner", "tags.cost"]));
    // Without the option they are the program's again.
    world.up(&tagged("two", &[])).succeeded();
    let expected: ValueMap =
        [("owner", "us"), ("stage", "two")].iter().map(|(k, v)| ((*k).to_owned(), text(v))).collect();
    assert_eq!(world.object(&main).fields["tags"], Value::Map(expected));
}

#[test]
fn a_value_can_be_named_whose_change_replaces() {
    let world = World::new(1);
    let with = |value: Option<&str>| {
        let options = value.map_or_else(Options::new, |v| Options::new().replace_on(v));
        let network = Network::new(cidr("10.0.0.0/16"));
        program(|stack| stack.add_with("main", network, options).map(drop))
    };
    let main = urn("net:Network", "main");
    world.up(&with(Some("one"))).succeeded();
    let first = world.id(&main);
    world.assert_nothing_to_do(&with(Some("one")));
    let plan = world.preview(&with(Some("two"))).unwrap();
    assert!(matches!(op(&plan, &main), Op::Replace(_)), "{plan:?}");
    assert!(!plan.steps[0].reasons.is_empty());
    world.up(&with(Some("two"))).succeeded();
    assert_ne!(world.id(&main), first);
    world.assert_settled(&with(Some("two")));
    world.assert_nothing_to_do(&with(Some("two")));
}

/// A value that is another resource's output, and unknown while that one is replaced.
#[test]
fn a_replacement_can_follow_another_resources() {
    let world = World::new(1);
    let with = |description: &str| {
        program(|stack| {
            let network = stack.add("main", Network::new(cidr("10.0.0.0/16")))?;
            let group = stack.add("group", Group::new(network.id(), description))?;
            stack.add_with(
                "logs",
                Bucket::new("logs"),
                Options::new().replace_on(group.id()).delete_before_replace(true),
            )?;
            Ok(())
        })
    };
    world.up(&with("one")).succeeded();
    let made_by = world.object(&logs()).intent;
    world.up(&with("two")).succeeded();
    assert_ne!(world.object(&logs()).intent, made_by);
    world.assert_settled(&with("two"));
    world.assert_nothing_to_do(&with("two"));
}

#[test]
fn an_alias_renames_without_touching_anything() {
    let world = World::new(1);
    let named = |network: &str, subnet: &str, alias: Option<(&str, &str)>| {
        program(|stack| {
            let (of_network, of_subnet) = match alias {
                Some((n, s)) => (Options::new().alias(n), Options::new().alias(s)),
                None => (Options::new(), Options::new()),
            };
            let network = stack.add_with(network, Network::new(cidr("10.0.0.0/16")), of_network)?;
            let component = stack.component("inside")?;
            component.add_with(subnet, Subnet::new(network.id(), cidr("10.0.1.0/24")), of_subnet)?;
            Ok(())
        })
    };
    world.up(&named("old", "old", None)).succeeded();
    let ids = (world.id(&urn("net:Network", "old")), world.id(&urn("net:Subnet", "inside/old")));
    let whole = urn("net:Network", "old").to_string();
    let renamed = named("new", "new", Some((&whole, "inside/old")));
    let plan = world.preview(&renamed).unwrap();
    assert_eq!(plan.renames.len(), 2);
    assert!(plan.steps.iter().all(|s| s.op == Op::Same), "{plan:?}");
    world.up(&renamed).succeeded();
    assert_eq!(world.cloud.counts().changes(), 0);
    assert_eq!((world.id(&urn("net:Network", "new")), world.id(&urn("net:Subnet", "inside/new"))), ids);
    world.assert_settled(&renamed);
    world.assert_nothing_to_do(&renamed);
    // The alias has done its work and may go.
    world.assert_nothing_to_do(&named("new", "new", None));
}

#[test]
fn the_program_can_say_in_which_order_a_replacement_goes() {
    let with = |boot: &str, order: Option<bool>| {
        let options = order.map_or_else(Options::new, |yes| Options::new().delete_before_replace(yes));
        program(|stack| {
            let network = stack.add("main", Network::new(cidr("10.0.0.0/16")))?;
            let subnet = stack.add("subnet", Subnet::new(network.id(), cidr("10.0.1.0/24")))?;
            stack.add_with("server", Server::new(subnet.id(), "small").boot(boot), options)?;
            Ok(())
        })
    };
    let server = urn("app:Server", "server");
    for (order, expected, first) in [
        (None, ReplaceOrder::CreateBeforeDelete, "create"),
        (Some(false), ReplaceOrder::CreateBeforeDelete, "create"),
        (Some(true), ReplaceOrder::DeleteBeforeCreate, "delete"),
    ] {
        let world = World::new(1);
        world.up(&with("one", order)).succeeded();
        let plan = world.preview(&with("two", order)).unwrap();
        assert_eq!(op(&plan, &server), Op::Replace(expected));
        world.up(&with("two", order)).succeeded();
        let log = world.cloud.log();
        assert!(log[0].starts_with(first), "{log:?}");
        assert_eq!(log.len(), 3, "a create, a finish and a delete: {log:?}");
        world.assert_settled(&with("two", order));
    }
}

#[test]
fn an_order_without_a_reference_is_kept_both_ways() {
    let world = World::new(1);
    let program = program(|stack| {
        let first = stack.add("first", Bucket::new("first"))?;
        let second = stack.add_with("second", Bucket::new("second"), Options::new().depends_on(&first))?;
        let third = stack.add("third", Bucket::new("third"))?;
        stack.order(&second, &third)
    });
    world.up(&program).succeeded();
    let made = ["first", "second", "third"].iter().flat_map(|n| [format!("create {n}"), format!("finish {n}")]);
    assert_eq!(world.cloud.log(), made.collect::<Vec<_>>());
    world.destroy().succeeded();
    assert_eq!(world.cloud.log(), ["delete third", "delete second", "delete first"]);
}

#[test]
fn targets_take_what_they_need_along_and_leave_the_rest() {
    let world = World::new(1);
    let program = program(|stack| {
        let network = stack.add("main", Network::new(cidr("10.0.0.0/16")))?;
        let group = stack.add("group", Group::new(network.id(), "d"))?;
        stack.add("rule", Rule::new(group.id(), 443))?;
        stack.add("logs", Bucket::new("logs"))?;
        Ok(())
    });
    let group = urn("net:Group", "group");
    let only = |targets: Vec<Urn>| options(PlanOptions { targets, replace: Vec::new() });
    world.up_with(&program, &only(vec![group.clone()]), &Disturbance::default()).succeeded();
    let made: Vec<&str> = world.cloud.objects().iter().map(|o| o.type_name).collect();
    assert_eq!(made, ["sim:net:Group", "sim:net:Network"]);
    world.up(&program).succeeded();
    world.assert_settled(&program);
    let stranger = only(vec![urn("net:Group", "nobody")]);
    let error = world.up_with(&program, &stranger, &Disturbance::default()).result().unwrap_err();
    assert!(error.to_string().contains("nobody"), "{error}");
}

#[test]
fn a_replacement_can_be_asked_for() {
    let world = World::new(1);
    let program = bucket("a", true, Options::new());
    world.up(&program).succeeded();
    let first = world.object(&logs()).intent;
    let replace = options(PlanOptions { targets: Vec::new(), replace: vec![logs()] });
    let plan = world.preview_with(&program, &replace).unwrap();
    assert_eq!(op(&plan, &logs()), Op::Replace(ReplaceOrder::DeleteBeforeCreate), "two buckets cannot share a name");
    world.up_with(&program, &replace, &Disturbance::default()).succeeded();
    assert_ne!(world.object(&logs()).intent, first);
    world.assert_settled(&program);
}

#[test]
fn a_plan_that_is_not_approved_changes_nothing() {
    let world = World::new(1);
    let program = bucket("a", true, Options::new());
    let run = world.up_asking(&program, &RunOptions::default(), &Disturbance::default(), &|plan| {
        assert_eq!(plan.summary().create, 1);
        false
    });
    assert!(matches!(run.result(), Err(EngineError::Declined)));
    assert!(world.cloud.objects().is_empty());
    assert_eq!(world.cloud.counts().changes(), 0);
    // And the stack is free again.
    world.up(&program).succeeded();
}
