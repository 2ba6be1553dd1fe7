//! Writing a program down: what ends up in the graph, and which mistakes are found on the way.
#![allow(clippy::unwrap_used)] // also outside the test functions

use std::collections::BTreeMap;

use phx_model::config::ConfigSource;
use phx_model::expr::Env;
use phx_model::stack::ProgramError;
use phx_model::typed::Tags;
use phx_model::urn::StackName;
use phx_model::{Block, Expr, Input, Ipv4Cidr, Options, Outputs, Resource, Stack, Urn, Value};

phx_model::id_type! {
    /// A network's id.
    NetId;
}

/// A network.
#[derive(Clone, Debug, Resource)]
#[resource(type = "test:net:Net", identity = ClientToken)]
pub struct Net {
    /// The range.
    #[field(replace)]
    pub range: Input<Ipv4Cidr>,
    /// The tags.
    pub tags: Tags,
}

/// What the cloud decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct NetOutputs {
    /// The id.
    pub id: NetId,
    /// The range it got.
    pub range: Ipv4Cidr,
    /// The zones it spans.
    pub zones: Vec<String>,
}

/// One way out.
#[derive(Clone, Debug, Block)]
pub struct Hop {
    /// Where to.
    pub to: Input<Ipv4Cidr>,
    /// Through which network.
    pub through: Option<Input<NetId>>,
}

/// A router, which has no tags.
#[derive(Clone, Debug, Resource)]
#[resource(type = "test:net:Router", identity = IntentTag)]
pub struct Router {
    /// Its networks.
    pub nets: Input<Vec<NetId>>,
    /// Its name.
    pub name: Option<Input<String>>,
    /// Its zones.
    pub zones: Option<Input<Vec<String>>>,
    /// Its ways out.
    pub hops: Option<Input<Vec<Hop>>>,
    /// The range it serves.
    pub range: Option<Input<Ipv4Cidr>>,
}

/// What the cloud decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct RouterOutputs {
    /// The id.
    pub id: String,
}

fn stack(default_tags: &[(&str, &str)]) -> Stack {
    let tags = default_tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Stack::new(StackName::new("p").unwrap(), StackName::new("dev").unwrap(), ConfigSource::default(), tags)
}

fn range() -> Ipv4Cidr {
    "10.0.0.0/16".parse().unwrap()
}

fn literal(text: &str) -> Expr {
    Expr::Literal(Value::String(text.into()))
}

/// Outputs that are decided.
struct Known(BTreeMap<(Urn, String), Value>);

impl Env for Known {
    fn output(&self, urn: &Urn, output: &str) -> Option<Value> {
        self.0.get(&(urn.clone(), output.to_owned())).cloned()
    }
}

#[test]
fn resources_keep_the_order_of_their_declaration() {
    let stack = stack(&[]);
    let b = stack.add("b", Net::new(range())).unwrap();
    let a = stack.add("a", Net::new(range())).unwrap();
    let router = stack.add("b", Router::new([b.id(), a.id()])).unwrap();
    let program = stack.finish();
    let urns: Vec<&Urn> = program.resources.iter().map(|d| &d.urn).collect();
    assert_eq!(urns, [b.urn(), a.urn(), router.urn()]);
    assert_eq!(router.urn().as_str(), "urn:phx:p:dev:test:net:Router:b");
    let nets = &program.resources[2].inputs["nets"];
    assert_eq!(nets.references().into_iter().collect::<Vec<_>>(), [a.urn(), b.urn()]);
    assert_eq!(program.resources[0].schema.type_name, "test:net:Net");
}

#[test]
fn components_nest_names() {
    let stack = stack(&[]);
    let inner = stack.component("net").unwrap().component("private").unwrap();
    let net = inner.add("a", Net::new(range())).unwrap();
    assert_eq!(net.urn().name(), "net/private/a");
    // The same name in another component is another resource.
    stack.component("net").unwrap().add("a", Net::new(range())).unwrap();
    assert!(matches!(stack.component("a:b"), Err(ProgramError::Name(_))));
    assert_eq!(stack.finish().resources.len(), 2);
}

#[test]
fn a_name_is_given_once_per_type() {
    let stack = stack(&[]);
    let net = stack.add("main", Net::new(range())).unwrap();
    stack.add("main", Router::new([net.id()])).unwrap();
    let error = stack.add("main", Net::new(range())).unwrap_err();
    assert_eq!(error, ProgramError::Duplicate(net.urn().clone()));
    assert!(error.to_string().starts_with("urn:phx:p:dev:test:net:Net:main is declared twice"), "{error}");
}

#[test]
fn default_tags_are_added_where_there_are_tags() {
    let stack = stack(&[("Owner", "platform"), ("Stage", "dev")]);
    let net = stack.add("main", Net::new(range()).tag("Owner", "me").tag("Name", "main")).unwrap();
    stack.add("bare", Net::new(range())).unwrap();
    stack.add("main", Router::new([net.id()])).unwrap();
    let program = stack.finish();
    let tags = |pairs: &[(&str, &str)]| Expr::Map(pairs.iter().map(|(k, v)| ((*k).to_owned(), literal(v))).collect());
    assert_eq!(program.resources[0].inputs["tags"], tags(&[("Owner", "me"), ("Stage", "dev"), ("Name", "main")]));
    assert_eq!(program.resources[1].inputs["tags"], tags(&[("Owner", "platform"), ("Stage", "dev")]));
    assert!(!program.resources[2].inputs.contains_key("tags"));
}

#[test]
fn without_default_tags_nothing_is_added() {
    let stack = stack(&[]);
    stack.add("main", Net::new(range())).unwrap();
    assert!(!stack.finish().resources[0].inputs.contains_key("tags"));
}

#[test]
fn ignore_changes_names_fields_that_exist() {
    let stack = stack(&[]);
    let ignoring = |field: &str| Options::new().ignore_changes([field]);
    stack.add_with("one", Net::new(range()), ignoring("range")).unwrap();
    stack.add_with("two", Net::new(range()), ignoring("tags.Owner")).unwrap();
    let error = stack.add_with("three", Net::new(range()), ignoring("rnage")).unwrap_err();
    let ProgramError::UnknownField { field, type_name, known, .. } = &error else { panic!("{error:?}") };
    assert_eq!((field.as_str(), *type_name, known.as_str()), ("rnage", "test:net:Net", "range, tags"));
    // What was refused is not declared.
    assert_eq!(stack.finish().resources.len(), 2);
}

#[test]
fn ordering_takes_declared_resources() {
    let here = stack(&[]);
    let a = here.add("a", Net::new(range())).unwrap();
    let b = here.add_with("b", Net::new(range()), Options::new().depends_on(&a)).unwrap();
    let c = here.add("c", Net::new(range())).unwrap();
    here.order(&b, &c).unwrap();
    let elsewhere = stack(&[]).add("elsewhere", Net::new(range())).unwrap();
    let undeclared = ProgramError::Undeclared(elsewhere.urn().clone());
    assert_eq!(here.order(&elsewhere, &c), Err(undeclared.clone()));
    assert_eq!(here.order(&a, &elsewhere), Err(undeclared));
    let program = here.finish();
    let depends_on: Vec<&[Urn]> = program.resources.iter().map(|d| d.options.depends_on.as_slice()).collect();
    assert_eq!(depends_on, [&[] as &[Urn], &[a.urn().clone()], &[b.urn().clone()]]);
}

#[test]
fn exports_have_names_of_their_own() {
    let stack = stack(&[]);
    let net = stack.add("main", Net::new(range())).unwrap();
    stack.export("net", net.id()).unwrap();
    stack.export("zones", net.zones()).unwrap();
    stack.export("answer", 42_i64).unwrap();
    assert_eq!(stack.export("net", "again"), Err(ProgramError::DuplicateExport("net".to_owned())));
    let exports = stack.finish().exports;
    assert_eq!(exports.keys().collect::<Vec<_>>(), ["answer", "net", "zones"]);
    assert_eq!(exports["answer"], Expr::Literal(Value::Int(42)));
    assert_eq!(exports["net"], Expr::Ref { urn: net.urn().clone(), output: "id".to_owned() });
}

#[test]
fn expressions_over_outputs_have_their_values_once_those_are_known() {
    let stack = stack(&[]);
    let net = stack.add("main", Net::new(range())).unwrap();
    let zones = Input::from(net.zones());
    stack
        .add(
            "main",
            Router::new(vec![net.id()])
                .name(phx_model::format!("{}-router-{}", net.id(), 7_i64))
                .zones(zones.each(|zone| phx_model::format!("{}!", zone)))
                .hops(vec![Hop::new(range()).through(net.id()), Hop::new(Input::from(net.range()).subnet(8, 3))])
                .range(Input::from(net.range()).subnet(4, 1)),
        )
        .unwrap();
    let program = stack.finish();
    let router = &program.resources[1];
    let text = |t: &str| Value::String(t.into());
    let known = Known(
        [("id", text("net-1")), ("range", text("10.0.0.0/16")), ("zones", Value::List(vec![text("a"), text("b")]))]
            .map(|(name, value)| ((net.urn().clone(), name.to_owned()), value))
            .into(),
    );
    let inputs = router.inputs.iter().map(|(k, e)| (k.clone(), e.eval(&known).unwrap())).collect();
    let resolved = Router::resolve(&inputs).unwrap();
    assert_eq!(resolved.nets, [NetId::new("net-1")]);
    assert_eq!(resolved.name.as_deref(), Some("net-1-router-7"));
    assert_eq!(resolved.zones, Some(vec!["a!".to_owned(), "b!".to_owned()]));
    assert_eq!(resolved.range, Some("10.0.16.0/20".parse().unwrap()));
    let hops = resolved.hops.unwrap();
    assert_eq!(hops[0], HopResolved { to: range(), through: Some(NetId::new("net-1")) });
    assert_eq!(hops[1], HopResolved { to: "10.0.3.0/24".parse().unwrap(), through: None });
}

#[test]
fn what_is_not_decided_stays_unknown_inside_blocks_and_lists() {
    let stack = stack(&[]);
    let net = stack.add("main", Net::new(range())).unwrap();
    stack.add("main", Router::new([net.id()]).hops([Hop::new(range()).through(net.id())])).unwrap();
    let program = stack.finish();
    let undecided = Known([((net.urn().clone(), "id".to_owned()), Value::Unknown)].into());
    let hops = program.resources[1].inputs["hops"].eval(&undecided).unwrap();
    let Value::List(hops) = hops else { panic!("{hops:?}") };
    let Value::Map(hop) = &hops[0] else { panic!("{hops:?}") };
    assert_eq!(hop["through"], Value::Unknown);
    assert_eq!(hop["to"], Value::String("10.0.0.0/16".into()));
}

#[test]
fn secrets_stay_secret_through_expressions() {
    let stack = stack(&[]);
    let net = stack.add("main", Net::new(range())).unwrap();
    let name = phx_model::format!("x-{}", Input::<String>::from("hunter2").secret());
    stack.add("main", Router::new([net.id()]).name(name)).unwrap();
    let program = stack.finish();
    assert!(!format!("{program:?}").contains("hunter2"));
    let value = program.resources[1].inputs["name"].eval(&Known(BTreeMap::new())).unwrap();
    assert_eq!(value, Value::String("x-hunter2".into()).secret());
}

#[test]
fn resources_lie_where_their_options_or_their_scope_says() {
    use phx_model::Provider;
    use phx_model::provider::Home;

    let stack = stack(&[]).with_home(Home { region: Some("us-west-2".into()), account: None });
    let replica = stack.provider("replica", Provider::new().region("us-east-1")).unwrap();
    let arn = "arn:aws:iam::210987654321:role/phx";
    let tenant = stack.provider("tenant", Provider::new().assume_role(arn)).unwrap();
    let here = stack.provider("here", Provider::new().region("us-west-2")).unwrap();
    let far = stack.with_provider(&tenant);
    far.add("a", Net::new(range())).unwrap();
    far.component("x").unwrap().add("b", Net::new(range())).unwrap();
    far.add_with("c", Net::new(range()), Options::new().provider(&replica)).unwrap();
    far.at_home().add("d", Net::new(range())).unwrap();
    stack.add_with("e", Net::new(range()), Options::new().provider(&here)).unwrap();
    let again = stack.provider("replica", Provider::new().region("eu-west-1")).unwrap_err();
    assert_eq!(again, ProgramError::DuplicateProvider("replica".into()));
    for name in ["", "a/b", "a@b"] {
        let error = stack.provider(name, Provider::new().region("eu-west-1")).unwrap_err();
        assert!(matches!(error, ProgramError::Provider { .. }), "{name}");
    }
    let elsewhere = self::stack(&[]).add_with("a", Net::new(range()), Options::new().provider(&tenant)).unwrap_err();
    assert!(matches!(elsewhere, ProgramError::UnknownProvider { .. }), "{elsewhere}");
    let program = stack.finish();
    let places: Vec<&str> = program.resources.iter().map(|d| d.options.provider.0.as_str()).collect();
    let account = "210987654321/us-west-2@tenant";
    assert_eq!(places, [account, account, "us-east-1", "", ""]);
    let keys: Vec<&str> = program.providers.keys().map(|key| key.0.as_str()).collect();
    assert_eq!(keys, [account, "us-east-1"], "what is the stack's own place has no key");
}
