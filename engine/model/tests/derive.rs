//! What the derive macros write, through the eyes of those who use it: a program, a driver, the engine.

#![deny(missing_docs)] // what the macros write is documented even where its source is not

use std::collections::BTreeMap;

use phx_model::driver::Delta;
use phx_model::schema::{Identity, Kind};
use phx_model::typed::{FieldChange, OutputSet, Tags};
use phx_model::value::{Json, ValueError};
use phx_model::{Block, Expr, Input, Ipv4Cidr, Outputs, Resource, Urn, Val, Value};

phx_model::id_type! {
    /// A network's id.
    NetId;
    /// A database's id.
    DatabaseId;
}

/// A network.
///
/// It has two paragraphs.
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
    /// The zones it spans.
    pub zones: Vec<String>,
}

/// One rule of a firewall.
#[derive(Clone, Debug, Block)]
pub struct Rule {
    /// The port.
    pub port: Input<i64>,
    /// Where from.
    pub from: Option<Input<Ipv4Cidr>>,
    /// The password.
    #[field(secret, write_only)]
    pub knock: Option<Input<String>>,
}

/// A database.
#[derive(Clone, Debug, Resource)]
#[resource(type = "test:db:Database", terraform = "test_database", cloudformation = "Test::Db::Database",
           identity = NaturalKey, unique(name, r#type))]
pub struct Database {
    /// Where it lives.
    #[field(replace)]
    pub net: Input<NetId>,
    /// Its name.
    #[field(replace)]
    pub name: Input<String>,
    /// Its kind.
    pub r#type: Option<Input<String>>,
    /// Who may connect.
    #[field(set)]
    pub rules: Option<Input<Vec<Rule>>>,
    /// The administrator's password.
    #[field(secret, write_only)]
    pub password: Option<Input<String>>,
    /// Who may do what.
    #[field(json, normalize = normalize)]
    pub policy: Option<Input<Json>>,
    /// Whether it is spread out.
    #[field(cloud_default)]
    pub multi_zone: Option<Input<bool>>,
    #[allow(missing_docs)]
    pub undocumented: Option<Input<i32>>,
    /// The tags.
    pub tags: Tags,
}

fn normalize(value: &Value) -> Value {
    value.clone()
}

/// What the cloud decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct DatabaseOutputs {
    /// The id.
    pub id: DatabaseId,
    /// Where it listens.
    #[output(volatile)]
    pub address: Option<String>,
    /// The key it made.
    #[output(secret)]
    pub key: String,
}

/// As the facade crate has it: phx's model under another name.
mod facade {
    pub(crate) use phx_model as model;
}

/// Nothing is required of it, and it has no tags.
#[derive(Clone, Debug, Resource)]
#[resource(type = "test:x:Bare", identity = None, crate = facade::model)]
pub struct Bare {
    /// Some number.
    pub number: Option<Input<f64>>,
}

/// What the cloud decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
#[outputs(crate = facade::model)]
pub struct BareOutputs {}

fn text(text: &str) -> Value {
    Value::String(text.into())
}

fn values<const N: usize>(pairs: [(&str, Value); N]) -> phx_model::ValueMap {
    pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}

fn full() -> phx_model::ValueMap {
    let rule = Value::Map(values([
        ("port", Value::Int(5432)),
        ("from", text("10.0.0.0/8")),
        ("knock", text("swordfish").secret()),
    ]));
    values([
        ("net", text("net-1")),
        ("name", text("main")),
        ("type", text("big")),
        ("rules", Value::List(vec![rule])),
        ("password", text("hunter2").secret()),
        ("policy", Value::Map(values([("allow", text("all"))]))),
        ("multi_zone", Value::Bool(true)),
        ("undocumented", Value::Int(7)),
        ("tags", Value::Map(values([("Owner", text("me"))]))),
    ])
}

#[test]
fn the_schema_says_what_the_struct_does() {
    let schema = Database::schema();
    assert_eq!(schema.type_name, "test:db:Database");
    assert_eq!(schema.short_name(), "Database");
    assert_eq!(schema.terraform, Some("test_database"));
    assert_eq!(schema.cloudformation, Some("Test::Db::Database"));
    assert_eq!(schema.doc, "A database.");
    assert_eq!(schema.identity, Identity::NaturalKey);
    assert_eq!(schema.unique, ["name", "type"]);
    assert!(schema.tagged());

    let names: Vec<&str> = schema.fields.iter().map(|f| f.name).collect();
    assert_eq!(names, ["net", "name", "type", "rules", "password", "policy", "multi_zone", "undocumented", "tags"]);
    let with = |pick: fn(&phx_model::schema::Field) -> bool| -> Vec<&str> {
        schema.fields.iter().filter(|f| pick(f)).map(|f| f.name).collect()
    };
    assert_eq!(with(|f| f.required), ["net", "name"]);
    assert_eq!(with(|f| f.replace), ["net", "name"]);
    assert_eq!(with(|f| f.set), ["rules"]);
    assert_eq!(with(|f| f.secret), ["password"]);
    assert_eq!(with(|f| f.write_only), ["password"]);
    assert_eq!(with(|f| f.cloud_default), ["multi_zone"]);
    assert_eq!(with(|f| f.normalize.is_some()), ["policy"]);
    let kinds: Vec<String> = schema.fields.iter().map(|f| f.kind.describe()).collect();
    assert_eq!(
        kinds,
        ["NetId", "string", "string", "list<{port, from, knock}>", "string", "json", "bool", "int", "map<string>"]
    );
    assert_eq!(schema.field("name").unwrap().doc, "Its name.");
    assert_eq!(schema.field("undocumented").unwrap().doc, "");

    let outputs: Vec<_> = schema.outputs.iter().map(|o| (o.name, o.doc, o.secret, o.volatile)).collect();
    assert_eq!(
        outputs,
        [
            ("id", "The id.", false, false),
            ("address", "Where it listens.", false, true),
            ("key", "The key it made.", true, false)
        ]
    );

    assert_eq!(Net::schema().doc, "A network.\n\nIt has two paragraphs.");
    assert_eq!((Net::schema().terraform, Net::schema().unique.len()), (None, 0));
    assert_eq!(Bare::schema().identity, Identity::None);
    assert!(!Bare::schema().tagged());
}

#[test]
fn a_blocks_fields_have_attributes_too() {
    let Kind::Block(fields) = Rule::KIND else { panic!("{:?}", Rule::KIND) };
    let port = &fields[0];
    let knock = &fields[2];
    assert!(port.required && !port.secret);
    assert!(knock.secret && knock.write_only && !knock.required);
    assert_eq!(knock.doc, "The password.");
}

#[test]
fn new_takes_what_is_required_and_setters_the_rest() {
    let inputs = Database::new(NetId::new("net-1"), "main").into_inputs();
    let expected = [("net".to_owned(), Expr::Literal(text("net-1"))), ("name".to_owned(), Expr::Literal(text("main")))];
    assert_eq!(inputs, expected.into());

    let inputs = Database::new(NetId::new("net-1"), "main")
        .r#type("big")
        .multi_zone(false)
        .undocumented(7)
        .tags([("a", "1"), ("b", "2")])
        .tag("b", "3")
        .into_inputs();
    assert_eq!(inputs["type"], Expr::Literal(text("big")));
    assert_eq!(inputs["multi_zone"], Expr::Literal(Value::Bool(false)));
    let tags = [("a".to_owned(), Expr::Literal(text("1"))), ("b".to_owned(), Expr::Literal(text("3")))];
    assert_eq!(inputs["tags"], Expr::Map(tags.into()));
    assert!(Bare::new().into_inputs().is_empty());
}

#[test]
fn setting_all_tags_forgets_earlier_ones() {
    let inputs = Net::new("10.0.0.0/16".parse::<Ipv4Cidr>().unwrap()).tag("a", "1").tags([("b", "2")]).into_inputs();
    assert_eq!(inputs["tags"], Expr::Map([("b".to_owned(), Expr::Literal(text("2")))].into()));
}

#[test]
fn known_fields_come_back_as_they_were() {
    let resolved = Database::resolve(&full()).unwrap();
    assert_eq!(resolved.net, NetId::new("net-1"));
    assert_eq!(resolved.r#type.as_deref(), Some("big"));
    assert_eq!(resolved.password.as_deref(), Some("hunter2"));
    let rule = &resolved.rules.as_ref().unwrap()[0];
    assert_eq!((rule.port, rule.from), (5432, Some("10.0.0.0/8".parse().unwrap())));
    assert_eq!(resolved.tags["Owner"], "me");
    // Secrets are secrets again, so that a driver that reports what it read cannot write them out.
    assert_eq!(Database::fields(&resolved), full());
}

#[test]
fn what_is_unset_is_left_out() {
    let least = values([("net", text("net-1")), ("name", text("main"))]);
    let resolved = Database::resolve(&least).unwrap();
    assert_eq!(resolved.multi_zone, None);
    assert!(resolved.tags.is_empty());
    assert_eq!(Database::fields(&resolved), least);

    let mut with_nulls = least.clone();
    with_nulls.insert("multi_zone".to_owned(), Value::Null);
    with_nulls.insert("password".to_owned(), Value::Null.secret());
    with_nulls.insert("tags".to_owned(), Value::Null);
    assert_eq!(Database::resolve(&with_nulls).unwrap(), resolved);
}

#[test]
fn a_value_of_the_wrong_form_is_named_by_its_path() {
    let error = |name: &str, value: Value| -> String {
        let mut fields = full();
        fields.insert(name.to_owned(), value);
        Database::resolve(&fields).unwrap_err().to_string()
    };
    assert_eq!(error("name", Value::Null), "name: expected text, found nothing");
    assert_eq!(error("net", Value::Unknown), "net: expected the text of a NetId, found a value that is not known yet");
    assert_eq!(error("rules", Value::List(vec![text("x")])), "rules[0]: expected a Rule, found text");
    let rule = Value::Map(values([("port", text("http"))]));
    assert_eq!(error("rules", Value::List(vec![rule])), "rules[0].port: expected a whole number, found text");
    assert_eq!(
        error("tags", Value::Map(values([("a", Value::Int(1))]))),
        "tags.a: expected text, found a whole number"
    );
    let mut fields = full();
    fields.remove("net");
    assert_eq!(Database::resolve(&fields).unwrap_err().path, "net");
}

#[test]
fn a_change_says_which_fields_from_what_to_what() {
    let deltas = BTreeMap::from([
        ("type".to_owned(), Delta { before: text("big"), after: Value::Null }),
        // What stands there may have any form; what shall stand there may not.
        ("multi_zone".to_owned(), Delta { before: text("yes"), after: Value::Bool(true) }),
        ("tags".to_owned(), Delta { before: Value::Null, after: Value::Map(values([("Owner", text("me"))])) }),
    ]);
    let change = Database::change(&deltas).unwrap();
    assert_eq!(change.r#type, Some(FieldChange { before: Some("big".to_owned()), after: None }));
    assert_eq!(change.multi_zone, Some(FieldChange { before: None, after: Some(true) }));
    assert_eq!(change.tags.unwrap().after.unwrap()["Owner"], "me");
    assert!(change.name.is_none() && change.rules.is_none() && change.password.is_none());

    let wrong = BTreeMap::from([("name".to_owned(), Delta { before: text("a"), after: Value::Int(1) })]);
    assert_eq!(Database::change(&wrong).unwrap_err().to_string(), "name: expected text, found a whole number");
}

#[test]
fn a_change_of_a_field_that_does_not_exist_is_not_dropped_silently() {
    let to = |after: Value| BTreeMap::from([("colour".to_owned(), Delta { before: text("red"), after })]);
    let error: ValueError = Database::change(&to(text("blue"))).unwrap_err();
    assert_eq!(error.to_string(), "colour: test:db:Database has no such field");
    // An earlier version of the type may have had it.
    assert!(Database::change(&to(Value::Null)).is_ok());
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", Database::resolve(&full()).unwrap());
    assert!(!shown.contains("hunter2") && !shown.contains("swordfish"), "{shown}");
    assert!(shown.contains("password: Some((secret))") && shown.contains("knock: Some((secret))"), "{shown}");

    let deltas = BTreeMap::from([
        ("password".to_owned(), Delta { before: text("hunter1"), after: text("hunter2") }),
        ("name".to_owned(), Delta { before: text("old-name"), after: text("new-name") }),
    ]);
    let shown = format!("{:?}", Database::change(&deltas).unwrap());
    assert!(!shown.contains("hunter"), "{shown}");
    assert!(shown.contains("old-name") && shown.contains("new-name"), "{shown}");

    let declared =
        Database::new(NetId::new("net-1"), "main").password("hunter2").rules([Rule::new(1).knock("swordfish")]);
    let shown = format!("{declared:?} {:?}", declared.clone().into_inputs());
    assert!(!shown.contains("hunter2") && !shown.contains("swordfish"), "{shown}");
}

#[test]
fn a_secret_field_is_marked_however_it_was_set() {
    let mut database = Database::new(NetId::new("net-1"), "main").password("hunter2");
    let expected = Expr::Secret(Box::new(Expr::Literal(text("hunter2"))));
    assert_eq!(database.clone().into_inputs()["password"], expected);
    database.password = Some("hunter2".into());
    assert_eq!(database.into_inputs()["password"], expected);

    let Expr::Map(rule) = Rule::new(1).knock("swordfish").into_expr() else { panic!("a block is a map") };
    assert_eq!(rule["knock"], Expr::Secret(Box::new(Expr::Literal(text("swordfish")))));
}

#[test]
fn outputs_are_typed_references() {
    let urn = Urn::parse("urn:phx:p:dev:test:db:Database:main").unwrap();
    let handles = DatabaseOutputs::handles(&urn);
    let reference = |output: &str| Expr::Ref { urn: urn.clone(), output: output.to_owned() };
    assert_eq!(Input::<DatabaseId>::from(handles.id()).into_expr(), reference("id"));
    // An optional output's reference is of the type it has when it is there.
    assert_eq!(Input::<String>::from(&handles.address()).into_expr(), reference("address"));
    assert_eq!(format!("{:?}", handles.key()), "urn:phx:p:dev:test:db:Database:main.key");
}

#[test]
fn outputs_come_back_as_they_were() {
    let outputs = DatabaseOutputs { id: DatabaseId::new("db-1"), address: None, key: "k".to_owned() };
    let written = outputs.to_values();
    assert_eq!(written, values([("id", text("db-1")), ("key", text("k").secret())]));
    assert_eq!(DatabaseOutputs::from_values(&written).unwrap(), outputs);

    let outputs = DatabaseOutputs { address: Some("db.example".to_owned()), ..outputs };
    assert_eq!(outputs.to_values()["address"], text("db.example"));
    assert_eq!(DatabaseOutputs::from_values(&outputs.to_values()).unwrap(), outputs);

    let error = DatabaseOutputs::from_values(&values([("key", text("k"))])).unwrap_err();
    assert_eq!(error.to_string(), "id: expected the text of a DatabaseId, found nothing");
}
