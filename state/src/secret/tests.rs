use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use phx_model::key::{KeyHeader, KeyWrap};
use phx_model::store::StoreError;
use phx_model::urn::StackName;
use phx_model::{Value, ValueMap};
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::key::{DataKey, KeySource, Keys};
use super::passphrase::{Ask, Cost, Passphrase};
use super::seal::{Place, open, seal};

const URN: &str = "urn:phx:p:s:test:net:Vpc:main";
const CHEAP: Cost = Cost { m_kib: 8, t: 1, p: 1 };

fn key(n: u8) -> DataKey {
    DataKey::new(&Zeroizing::new([n; 32]))
}

fn place() -> Place<'static> {
    Place::new(URN, "inputs").field("password")
}

fn sealed(value: &Value) -> Value {
    let mut value = value.clone();
    seal(&key(1), &place(), &mut value).unwrap();
    value
}

fn stack() -> StackName {
    StackName::new("dev").unwrap()
}

/// Any value that can be stored, with secrets anywhere in it, in each other too.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        prop::num::f64::NORMAL.prop_map(Value::Float),
        any::<String>().prop_map(|text| Value::String(text.into())),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let name = prop_oneof![any::<String>(), "[a-z.]{1,4}", Just("$phx:sealed".to_owned())];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map(name, inner.clone(), 0..4)
                .prop_map(|fields| Value::Map(fields.into_iter().collect())),
            inner.prop_map(Value::secret),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_sealed_and_stored_is_read_back(value in values()) {
        let sealed = sealed(&value);
        prop_assert!(!sealed.has_plain_secret());
        prop_assert_eq!(sealed.has_sealed(), value.has_secret());
        let text = serde_json::to_string(&sealed).unwrap();
        let mut read: Value = serde_json::from_str(&text).unwrap();
        open(&key(1), &place(), &mut read).unwrap();
        prop_assert_eq!(read, value);
    }

    #[test]
    fn every_changed_byte_is_found(plain in "[ -~]{0,40}", at in any::<prop::sample::Index>(), flip in 1_u8..=255) {
        let Value::Sealed(text) = sealed(&Value::String(plain.into()).secret()) else { panic!("it is not sealed") };
        let mut bytes = STANDARD.decode(&text).unwrap();
        let at_byte = at.index(bytes.len());
        bytes[at_byte] ^= flip;
        let mut changed = Value::Sealed(STANDARD.encode(&bytes));
        prop_assert!(open(&key(1), &place(), &mut changed).is_err());
        let mut text = text.into_bytes();
        let at_char = at.index(text.len());
        text[at_char] ^= flip;
        if let Ok(text) = String::from_utf8(text) {
            prop_assert!(open(&key(1), &place(), &mut Value::Sealed(text)).is_err());
        }
    }

    #[test]
    fn every_cut_is_found(cut in any::<prop::sample::Index>()) {
        let Value::Sealed(text) = sealed(&Value::Int(7).secret()) else { panic!("it is not sealed") };
        let bytes = STANDARD.decode(&text).unwrap();
        let mut short = Value::Sealed(STANDARD.encode(&bytes[..cut.index(bytes.len())]));
        prop_assert!(open(&key(1), &place(), &mut short).is_err());
    }

    #[test]
    fn no_two_places_are_one(a in places(), b in places()) {
        let sealed_at = |p: &[Step]| { let mut v = Value::Int(1).secret(); seal(&key(1), &at(p), &mut v).unwrap(); v };
        let mut value = sealed_at(&a);
        prop_assert_eq!(open(&key(1), &at(&b), &mut value).is_ok(), a == b);
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Item(usize),
}

fn places() -> impl Strategy<Value = Vec<Step>> {
    let name = prop_oneof!["[ab.]{0,3}", "[ab0\\[\\]\"]{0,4}"];
    prop::collection::vec(prop_oneof![name.prop_map(Step::Field), (0_usize..3).prop_map(Step::Item)], 1..3)
}

fn at(steps: &[Step]) -> Place<'static> {
    steps.iter().fold(Place::new(URN, "inputs"), |place, step| match step {
        Step::Field(name) => place.field(name),
        Step::Item(n) => place.item(*n),
    })
}

#[test]
fn a_secret_is_good_for_its_own_place_and_key_only() {
    let original = sealed(&Value::String("hunter2".into()).secret());
    let try_at = |key: &DataKey, place: Place<'_>| open(key, &place, &mut original.clone());
    assert!(try_at(&key(1), place()).is_ok());
    let error = try_at(&key(1), Place::new(URN, "inputs").field("user")).unwrap_err();
    assert!(error.place.contains("inputs.user") && error.why.contains("moved"), "{error:?}");
    assert!(try_at(&key(1), Place::new("urn:phx:p:s:test:net:Vpc:other", "inputs").field("password")).is_err());
    let error = try_at(&key(2), place()).unwrap_err();
    assert!(error.why.contains(&key(1).id()) && error.why.contains(&key(2).id()), "{error:?}");
}

#[test]
fn two_sealings_of_one_value_differ_and_hide_it() {
    let value = Value::String("hunter2".into()).secret();
    let texts = [serde_json::to_string(&sealed(&value)).unwrap(), serde_json::to_string(&sealed(&value)).unwrap()];
    assert_ne!(texts[0], texts[1]);
}

#[test]
fn what_cannot_be_read_again_is_not_sealed() {
    let deep = (0..200).fold(Value::Int(1), |v, _| Value::List(vec![v]));
    for value in [Value::Unknown, Value::Float(f64::NAN), deep] {
        let mut value = Value::List(vec![value.secret()]);
        let error = seal(&key(1), &place(), &mut value).unwrap_err();
        assert_eq!(error.place, format!("{URN}: inputs.password[0]"));
    }
}

#[tokio::test]
async fn a_passphrase_opens_what_it_wrapped_and_nothing_else_does() {
    let (header, made) = Passphrase::new("correct horse".to_owned()).cost(CHEAP).create(&stack()).await.unwrap();
    assert_eq!(header.id, made.id());
    let opened = Passphrase::new("correct horse".to_owned()).open(&stack(), &header).await.unwrap();
    assert_eq!(opened.id(), made.id());
    let error = Passphrase::new("wrong".to_owned()).open(&stack(), &header).await.unwrap_err();
    assert!(matches!(&error, StoreError::Key { .. }) && error.to_string().contains("not the passphrase"), "{error}");
    assert!(!error.to_string().contains("wrong"), "{error}");
    let again = Passphrase::new("correct horse".to_owned()).cost(CHEAP).create(&stack()).await.unwrap();
    assert_ne!(again.0, header, "one passphrase makes a different key each time");
}

#[tokio::test]
async fn an_empty_or_missing_passphrase_is_refused() {
    let error = Passphrase::new(String::new()).create(&stack()).await.unwrap_err().to_string();
    assert!(error.contains("empty") && error.contains("PHX_PASSPHRASE"), "{error}");
    let silent = Passphrase::asking(|stack, ask| Err(format!("nobody answers for {stack} ({ask:?})")));
    let error = silent.create(&stack()).await.unwrap_err().to_string();
    assert!(error.contains("nobody answers for dev (New)"), "{error}");
    assert_eq!(Ask::Known, Ask::Known);
}

#[tokio::test]
async fn a_hostile_header_is_refused_before_anything_is_spent_on_it() {
    let source = Passphrase::new("x".to_owned()).cost(CHEAP);
    let (header, _) = source.create(&stack()).await.unwrap();
    let KeyWrap::Passphrase { salt, m_kib, t, p, sealed } = header.wrap.clone() else { panic!("another kind") };
    let with = |wrap| KeyHeader { id: header.id.clone(), wrap };
    let asked = Passphrase::asking(|_, _| panic!("it was asked for a passphrase"));
    for (m_kib, t, p) in [(u32::MAX, t, p), (m_kib, u32::MAX, p), (m_kib, t, 17), (1024 * 1024 + 1, 1, 1)] {
        let wrap = KeyWrap::Passphrase { salt: salt.clone(), m_kib, t, p, sealed: sealed.clone() };
        let error = asked.open(&stack(), &with(wrap)).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }
    // What is within bounds but was not written so opens nothing: it is bound to the key.
    for (m_kib, t, p) in [(m_kib + 8, t, p), (m_kib, t + 1, p), (0, t, p), (m_kib, 0, p), (m_kib, t, 0)] {
        let wrap = KeyWrap::Passphrase { salt: salt.clone(), m_kib, t, p, sealed: sealed.clone() };
        assert!(source.open(&stack(), &with(wrap)).await.is_err(), "{m_kib} {t} {p}");
    }
    for (salt, sealed) in [("", &*sealed), ("!", &*sealed), (&*salt, ""), (&*salt, "AAAA"), (&*salt, "!")] {
        let wrap = KeyWrap::Passphrase { salt: salt.into(), m_kib, t, p, sealed: sealed.into() };
        assert!(source.open(&stack(), &with(wrap)).await.is_err(), "{salt:?} {sealed:?}");
    }
    let other = KeyHeader { id: "0011223344556677".into(), wrap: header.wrap.clone() };
    assert!(source.open(&stack(), &other).await.is_err());
}

#[tokio::test]
async fn without_a_source_the_error_says_which_is_missing() {
    let error = Keys::none().create(&stack()).await.unwrap_err().to_string();
    assert!(error.contains("stack dev") && error.contains("PHX_PASSPHRASE") && error.contains("kms"), "{error}");
    let wrap = KeyWrap::Kms { key: "arn".into(), ciphertext: String::new() };
    let header = KeyHeader { id: key(1).id(), wrap };
    let keys = Keys::none().with_passphrase(Passphrase::new("x".to_owned()).cost(CHEAP));
    let error = keys.open(&stack(), &header).await.unwrap_err().to_string();
    assert!(error.contains("KMS"), "{error}");
    assert!(keys.create(&stack()).await.is_ok());
}

#[test]
fn a_header_is_stored_as_it_is_described() {
    let wrap = KeyWrap::Passphrase { salt: "c2FsdA==".into(), m_kib: 65536, t: 3, p: 1, sealed: "AAAA".into() };
    let text = serde_json::to_string(&KeyHeader { id: "0011223344556677".into(), wrap }).unwrap();
    let expected = r#"{"id":"0011223344556677","wrap":{"by":"passphrase","salt":"c2FsdA==","m_kib":65536,"t":3,"p":1,"sealed":"AAAA"}}"#;
    assert_eq!(text, expected);
    assert!(serde_json::from_str::<KeyHeader>(r#"{"id":"a","wrap":{"by":"magic"}}"#).is_err());
}

#[test]
fn a_map_of_secrets_is_sealed_where_they_are() {
    let map: ValueMap = [("a".to_owned(), Value::Int(1)), ("b".to_owned(), Value::Int(2).secret())].into();
    let Value::Map(sealed) = sealed(&Value::Map(map)) else { panic!("it is no map any more") };
    assert_eq!(sealed["a"], Value::Int(1));
    assert!(matches!(sealed["b"], Value::Sealed(_)));
}
