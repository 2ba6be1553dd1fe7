use std::time::Duration;

use super::*;
use crate::stack::{Options, ProgramError, Stack};
use crate::urn::StackName;
use crate::value::{Val, Value};

/// A thing, for the tests of checks.
#[derive(Clone, Debug, crate::Resource)]
#[resource(type = "test:unit:Thing", identity = ClientToken)]
pub(super) struct Thing {
    /// Its size.
    pub size: Option<crate::Input<i64>>,
}

/// What is decided of it.
#[derive(Clone, Debug, PartialEq, crate::Outputs)]
pub(super) struct ThingOutputs {
    /// Where it is.
    pub endpoint: String,
}

fn stack() -> Stack {
    let name = |n: &str| StackName::new(n).unwrap();
    Stack::new(name("p"), name("s"), Default::default(), Default::default())
}

#[test]
fn a_check_is_named_like_a_resource_and_knows_what_it_is_about() {
    let stack = stack();
    let inner = stack.component("net").unwrap();
    let thing = inner.add("thing", Thing::new()).unwrap();
    let other = stack.add("other", Thing::new()).unwrap();
    let check = Check::tcp(thing.endpoint(), 443).within(Duration::from_secs(60)).concerns(&other);
    inner.verify("api", check).unwrap();
    // A check may have a resource's name, and another component's check the same.
    stack.verify("api", Check::resource(&thing).field("endpoint").is_set().field("size").at_least(1)).unwrap();
    let program = stack.finish();
    let names: Vec<&str> = program.checks.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["net/api", "api"]);
    let [first, second] = [&program.checks[0].check, &program.checks[1].check];
    assert_eq!(first.urns(), [thing.urn(), other.urn()].into());
    assert_eq!((first.within, first.attempt_timeout()), (Duration::from_secs(60), Duration::from_secs(10)));
    assert_eq!((first.probe.kind(), second.probe.kind()), ("tcp", "resource"));
    assert_eq!(second.urns(), [thing.urn()].into());
    assert_eq!(second.within, WITHIN);
}

#[test]
fn mistakes_are_found_while_it_is_declared() {
    let stack = stack();
    let thing = stack.add("thing", Thing::new()).unwrap();
    let said = |check: Check| stack.verify("x", check).unwrap_err().to_string();
    for (check, why) in [
        (Check::tcp("h", 0).into(), "0 is not a port"),
        (Check::tls("h", 70000).into(), "70000 is not a port"),
        (Check::http("ftp://x").into(), "begins with http://"),
        (Check::http("http://x").header("a b", "c").into(), "name of a header"),
        (Check::http("http://x").status(99).into(), "99 is not a status"),
        (Check::dns("x").resolves_to(["localhost"]).into(), "not an IPv4"),
        (Check::command("").into(), "no name"),
        (Check::command("x").env("A=B", "c").into(), "name of a variable"),
        (Check::resource(&thing).field("sise").is_set().into(), "it has size, endpoint"),
        (Check::resource(&thing).field("size[").is_set().into(), "not closed"),
        (Check::resource(&thing).field("size").one_of([] as [i64; 0]).into(), "one of none"),
        (Check::existing::<Thing>("id").field("").is_set().into(), "begins with"),
    ] {
        let said = said(check);
        assert!(said.starts_with("the check \"x\": ") && said.contains(why), "{said}");
    }
    let elsewhere = Urn::parse("urn:phx:p:s:test:unit:Thing:elsewhere").unwrap();
    for check in [Check::resource(&elsewhere).into(), Check::from(Check::dns("x").concerns(&elsewhere))] {
        assert_eq!(stack.verify("x", check), Err(ProgramError::Undeclared(elsewhere.clone())));
    }
    assert!(matches!(stack.verify("a b", Check::dns("x")), Err(ProgramError::Name(_))));
    stack.verify("x", Check::dns("x")).unwrap();
    assert_eq!(stack.verify("x", Check::dns("y")), Err(ProgramError::DuplicateCheck("x".into())));
    // What is not known yet cannot be wrong yet.
    let port = stack.add_with("b", Thing::new(), Options::new()).unwrap();
    stack.verify("later", Check::tcp(port.endpoint(), 1)).unwrap();
}

#[test]
fn every_expression_of_a_check_is_seen() {
    let text = |t: &str| t.to_owned().into_expr();
    let all = |check: Check| check.probe.expressions().into_iter().cloned().collect::<Vec<_>>();
    let port = || Expr::Literal(Value::Int(1));
    assert_eq!(all(Check::tls("h", 1).server_name("n").roots("r").into()), [text("h"), port(), text("n"), text("r")]);
    let http = Check::http("http://u").header("a", "h").body_contains("b").answer_header("c", "d").roots("r");
    assert_eq!(all(http.into()), [text("http://u"), text("h"), text("b"), text("d"), text("r")]);
    assert_eq!(all(Check::dns("n").resolves_to(["192.0.2.1"]).into()), [text("n"), text("192.0.2.1")]);
    let command = Check::command("c").arg("x").args(["y"]).env("E", "e").prints("p");
    assert_eq!(all(command.into()), [text("c"), text("x"), text("y"), text("e"), text("p")]);
    let object = Check::existing::<Thing>("id").field("size").one_of(["a", "b"]).field("size").at_most(1);
    assert_eq!(all(object.into()), [text("id"), text("a"), text("b"), port()]);
}
