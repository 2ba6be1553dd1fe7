use super::*;

use crate::planner::tests_support::FIELD;

const PARTS: &[Field] = &[
    Field { name: "mode", ..FIELD },
    Field { name: "key", cloud_default: true, ..FIELD },
    Field { name: "pin", secret: true, ..FIELD },
];

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The differences as `path: before -> after`.
fn said(field: &Field, set: &str, seen: &str) -> Vec<String> {
    let mut out = Vec::new();
    walk(&mut out, field.name, field, &json(set), &json(seen), false);
    let line = |d: &FieldDiff| format!("{}: {} -> {}", d.path, d.before.to_redacted_json(), d.after.to_redacted_json());
    out.iter().map(line).collect()
}

#[test]
fn tags_are_named_one_by_one() {
    let tags = Field { name: "tags", kind: Kind::Map(&Kind::String), ..FIELD };
    assert_eq!(
        said(&tags, r#"{"a":"1","b":"2","c":"3"}"#, r#"{"a":"1","b":"x","d":"4"}"#),
        [r#"tags.b: "2" -> "x""#, r#"tags.c: "3" -> null"#, r#"tags.d: null -> "4""#]
    );
    assert_eq!(said(&tags, "null", r#"{"a":"1"}"#), [r#"tags.a: null -> "1""#]);
    assert!(said(&tags, "{}", "null").is_empty());
}

#[test]
fn members_of_a_set_are_named_and_its_order_is_not() {
    let set = Field { name: "groups", set: true, kind: Kind::List(&Kind::String), ..FIELD };
    assert!(said(&set, r#"["a","b"]"#, r#"["b","a"]"#).is_empty());
    assert_eq!(
        said(&set, r#"["a","b","b"]"#, r#"["c","b","a"]"#),
        [r#"groups[b]: "b" -> null"#, r#"groups[c]: null -> "c""#]
    );
    assert_eq!(said(&set, r#"["a"]"#, "null"), [r#"groups[a]: "a" -> null"#]);
    let blocks = Field { name: "rules", kind: Kind::List(&Kind::Block(PARTS)), ..set };
    assert_eq!(
        said(&blocks, r#"[{"mode":"a"},{"mode":"b"}]"#, r#"[{"mode":"b"},{"mode":"c"}]"#),
        [r#"rules[0].mode: "a" -> "c""#]
    );
}

#[test]
fn lists_are_compared_in_their_order() {
    let list = Field { name: "list", kind: Kind::List(&Kind::Int), ..FIELD };
    assert_eq!(said(&list, "[1,2,3]", "[1,5,3]"), ["list[1]: 2 -> 5"]);
    assert_eq!(said(&list, "[1,2]", "[1]"), ["list: [1,2] -> [1]"]);
}

#[test]
fn what_the_cloud_fills_in_is_no_drift_and_secrets_are_not_shown() {
    let block = Field { name: "enc", kind: Kind::Block(PARTS), ..FIELD };
    assert!(said(&block, r#"{"mode":"on"}"#, r#"{"mode":"on","key":"aws"}"#).is_empty());
    assert_eq!(said(&block, r#"{"mode":"on"}"#, r#"{"mode":"off","key":"aws"}"#), [r#"enc.mode: "on" -> "off""#]);
    assert_eq!(
        said(&block, r#"{"mode":"on","pin":"1"}"#, r#"{"mode":"on","pin":"2"}"#),
        [r#"enc.pin: "(secret)" -> "(secret)""#]
    );
    let document = Field { name: "policy", kind: Kind::Json, ..FIELD };
    assert!(said(&document, r#"{"a":[1]}"#, r#""{ \"a\": [1] }""#).is_empty());
}

#[test]
fn a_field_that_phx_may_have_changed_itself_is_not_reported() {
    static SCHEMA: Schema = Schema {
        type_name: "test:unit:Two",
        terraform: None,
        cloudformation: None,
        doc: "",
        identity: phx_model::schema::Identity::None,
        unique: &[],
        vanishes_with: None,
        fields: &[Field { name: "a", ..FIELD }, Field { name: "b", ..FIELD }],
        outputs: &[],
    };
    let map = |text: &str| serde_json::from_str::<ValueMap>(text).unwrap();
    let mut record = Record { inputs: map(r#"{"a":"1","b":"1"}"#), ..Record::default() };
    let paths = |record: &Record| -> Vec<String> {
        differences(&SCHEMA, record, &map(r#"{"a":"2","b":"2"}"#)).into_iter().map(|d| d.path).collect()
    };
    assert_eq!(paths(&record), ["a", "b"]);
    record.uncertain.insert("a".into());
    assert_eq!(paths(&record), ["b"]);
}

#[test]
fn what_vanishes_with_its_parent_waits_for_it() {
    let urn = |name: &str| Urn::parse(&format!("urn:phx:p:s:test:net:Rule:{name}")).unwrap();
    let record = |id: &str, on: &[&str]| Record {
        id: id.into(),
        depends_on: on.iter().map(|n| urn(n)).collect(),
        ..Record::default()
    };
    let mut before = State::empty("l");
    before.resources.insert(urn("vpc"), record("v", &[]));
    before.resources.insert(urn("group"), record("g", &["vpc"]));
    before.resources.insert(urn("rule"), record("r", &["group"]));
    let missing = || {
        let drifted = Drifted {
            urn: urn("rule"),
            id: "r".into(),
            provider: ProviderKey::default(),
            kind: DriftKind::Missing,
            diff: Vec::new(),
        };
        Seen::from([(urn("rule"), drifted)])
    };
    let sorted = |now: &State| {
        let (stayed, moved) = sort_out(&before, now, missing());
        (stayed.len(), moved.unclear.len(), moved.gone)
    };
    assert_eq!(sorted(&before), (1, 0, 0));
    let mut now = before.clone();
    now.resources.remove(&urn("group"));
    assert_eq!(sorted(&now), (0, 1, 0), "its group is gone, and it with it");
    now.resources.remove(&urn("rule"));
    assert_eq!(sorted(&now), (0, 0, 1), "and so does the state say by now");
}
