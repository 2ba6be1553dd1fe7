//! What differs between what a program wants and what is there, field by field.

use phx_model::schema::{Field, Kind, Schema, same, satisfied};
use phx_model::state::Record;
use phx_model::value::Text;
use phx_model::{Value, ValueMap};

use crate::plan::FieldDiff;

/// One field that changes as a whole. What people read is the finer [`FieldDiff`].
#[derive(Clone, Debug)]
pub struct Changed {
    /// The field.
    pub field: &'static Field,
    /// What is there now.
    pub before: Value,
    /// What shall be there; null to take it away.
    pub after: Value,
    /// The values are equal, but whether the last one sent has arrived is not known.
    pub uncertain: bool,
}

/// The fields in which an object is to change.
///
/// A field that the program sets is compared with what is there. One that it no longer sets is taken away, unless the cloud then fills it
/// in by itself. One that it never set is left alone, whatever is there.
pub fn changed(schema: &'static Schema, desired: &ValueMap, record: &Record) -> Vec<Changed> {
    let mut found = Vec::new();
    for field in schema.fields {
        let actual = record.actual(field.name);
        let uncertain = record.uncertain.contains(field.name);
        let wanted = desired.get(field.name).filter(|v| !v.is_empty());
        // What phx may have set is its own as well.
        let owned = uncertain || record.inputs.get(field.name).is_some_and(|v| !v.is_empty());
        let after = match wanted {
            Some(wanted) if !satisfied(field, wanted, actual) || uncertain => wanted.clone(),
            None if owned && !field.cloud_default && (!actual.is_empty() || uncertain) => Value::Null,
            _ => continue,
        };
        let equal = satisfied(field, &after, actual);
        found.push(Changed { field, before: actual.clone(), after, uncertain: equal });
    }
    found
}

/// What of a change cannot be made in place: the path of the field, or of the part of a block that was set and is to become another one.
pub fn replaced_by(field: &Field, before: &Value, after: &Value) -> Option<String> {
    if field.replace {
        return Some(field.name.to_owned());
    }
    match (&field.kind, before.expose(), after.expose()) {
        (Kind::Block(parts), Value::Map(before), after) => {
            let after = if let Value::Map(after) = after { after } else { &ValueMap::new() };
            parts.iter().find_map(|part| {
                let (b, a) = (before.get(part.name)?, after.get(part.name).unwrap_or(&Value::Null));
                let unset_default = part.cloud_default && a.is_empty();
                if b.is_empty() || unset_default || satisfied(part, a, b) {
                    return None;
                }
                replaced_by(part, b, a).map(|path| format!("{}.{path}", field.name))
            })
        }
        (Kind::List(inner), Value::List(before), Value::List(after)) if before.len() == after.len() => {
            let item = Field { kind: **inner, set: false, normalize: None, replace: false, ..*field };
            let mut left: Vec<&Value> = after.iter().collect();
            let mut changed = before.iter().collect::<Vec<_>>();
            if field.set {
                // Members that stay are no change, wherever they stand.
                changed.retain(|b| match left.iter().position(|a| satisfied(&item, a, b)) {
                    Some(at) => {
                        left.remove(at);
                        false
                    }
                    None => true,
                });
            }
            if field.set {
                // Nor are those that can become one that is wanted.
                changed.retain(|b| match left.iter().position(|a| replaced_by(&item, b, a).is_none()) {
                    Some(at) => {
                        left.remove(at);
                        false
                    }
                    None => true,
                });
            }
            changed.into_iter().zip(left).find_map(|(b, a)| replaced_by(&item, b, a))
        }
        _ => None,
    }
}

/// Puts what is there in place of what is wanted for the fields (and single tags: `tags.Owner`) whose differences are to be left alone.
///
/// What the program neither sets nor has set is left alone without this: to want what is there would be to take it for the program's own, and to
/// want one of an object's tags would be to want the others away.
pub fn ignore(desired: &mut ValueMap, record: &Record, ignored: &[String]) {
    let is_set = |values: &ValueMap, field: &str| values.get(field).is_some_and(|value| !value.is_empty());
    for path in ignored {
        let field = path.split('.').next().unwrap_or(path);
        if is_set(desired, field) || is_set(&record.inputs, field) || record.uncertain.contains(field) {
            leave(desired, record, path);
        }
    }
}

/// The same of every field that is named, whether or not the program has ever set it: as if it had set what is there.
pub(crate) fn as_seen(inputs: &mut ValueMap, record: &Record, ignored: &[String]) {
    ignored.iter().for_each(|path| leave(inputs, record, path));
}

fn leave(desired: &mut ValueMap, record: &Record, path: &str) {
    let Some((field, key)) = path.split_once('.') else { return put(desired, path, record.actual(path)) };
    let whole = record.actual(field);
    let mut actual = match whole.expose() {
        Value::Map(map) => map.get(key).cloned().unwrap_or_default(),
        _ => Value::Null,
    };
    if matches!(whole, Value::Secret(_)) && actual != Value::Null {
        // What is inside of a secret is one.
        actual = actual.secret();
    }
    let entry = match desired.get_or_insert_with(field, || Value::Map(ValueMap::new())) {
        Value::Secret(inner) => &mut **inner,
        plain => plain,
    };
    if let Value::Map(map) = entry {
        put(map, key, &actual);
    }
}

fn put(map: &mut ValueMap, key: &str, value: &Value) {
    if *value == Value::Null {
        map.remove(key);
    } else {
        map.insert(key.to_owned(), value.clone());
    }
}

/// The differences of a change, as fine as people read them: maps and blocks key by key, the rest whole.
pub fn describe(changes: &[Changed]) -> Vec<FieldDiff> {
    let mut out = Vec::new();
    for change in changes {
        let rule = Rule { forces_replace: change.field.replace, secret: change.field.secret };
        let before = out.len();
        walk(&mut out, change.field.name, change.field, &change.before, &change.after, rule);
        if out.len() == before {
            // Equal in every part that people read, and yet to be sent again.
            push(&mut out, change.field.name, &change.before, &change.after, rule);
        }
        let named = out[before..].iter().any(|diff| diff.forces_replace);
        if !named && replaced_by(change.field, &change.before, &change.after).is_some() {
            // A part of what is shown as a whole.
            out[before..].iter_mut().for_each(|diff| diff.forces_replace = true);
        }
    }
    out
}

/// The differences of an object that is new: everything that is set.
pub fn describe_new(schema: &'static Schema, desired: &ValueMap) -> Vec<FieldDiff> {
    let mut out = Vec::new();
    for field in schema.fields {
        if let Some(after) = desired.get(field.name).filter(|v| !v.is_empty()) {
            push(&mut out, field.name, &Value::Null, after, Rule { forces_replace: false, secret: field.secret });
        }
    }
    out
}

#[derive(Clone, Copy)]
struct Rule {
    forces_replace: bool,
    secret: bool,
}

fn walk(out: &mut Vec<FieldDiff>, path: &str, field: &Field, before: &Value, after: &Value, rule: Rule) {
    let rule = Rule { secret: rule.secret || before.has_secret() || after.has_secret(), ..rule };
    match (&field.kind, before.expose(), after.expose()) {
        (Kind::Map(inner), Value::Map(b), Value::Map(a)) if !rule.secret => {
            let entry = Field { kind: **inner, set: false, normalize: None, ..*field };
            each_key(b, a, |key, b, a| {
                if !same(&entry, b, a) {
                    walk(out, &format!("{path}.{key}"), &entry, b, a, rule);
                }
            });
        }
        (Kind::Block(fields), Value::Map(b), Value::Map(a)) if field.normalize.is_none() => {
            for part in fields.iter() {
                let (b, a) = (b.get(part.name).unwrap_or(&Value::Null), a.get(part.name).unwrap_or(&Value::Null));
                let unset_default = part.cloud_default && a.is_empty();
                if !unset_default && !same(part, b, a) {
                    let forces_replace = rule.forces_replace || (part.replace && !b.is_empty());
                    let rule = Rule { secret: rule.secret || part.secret, forces_replace };
                    walk(out, &format!("{path}.{}", part.name), part, b, a, rule);
                }
            }
        }
        _ => push(out, path, before, after, rule),
    }
}

fn each_key(before: &ValueMap, after: &ValueMap, mut f: impl FnMut(&str, &Value, &Value)) {
    let keys: std::collections::BTreeSet<&Text> = before.keys().chain(after.keys()).collect();
    for key in keys {
        f(key, before.get(key).unwrap_or(&Value::Null), after.get(key).unwrap_or(&Value::Null));
    }
}

fn push(out: &mut Vec<FieldDiff>, path: &str, before: &Value, after: &Value, rule: Rule) {
    out.push(FieldDiff {
        path: path.to_owned(),
        before: before.clone(),
        after: after.clone(),
        forces_replace: rule.forces_replace,
        secret: rule.secret || before.has_secret() || after.has_secret(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::tests_support::{FIELD, THING};

    fn map(json: &str) -> ValueMap {
        serde_json::from_str(json).unwrap()
    }

    fn record(inputs: &str, drift: &str) -> Record {
        Record { id: "x".into(), inputs: map(inputs), drift: map(drift), ..Record::default() }
    }

    fn paths(desired: &str, record: &Record) -> Vec<(String, Value, Value)> {
        let changes = changed(&THING, &map(desired), record);
        describe(&changes).into_iter().map(|d| (d.path, d.before, d.after)).collect()
    }

    fn s(text: &str) -> Value {
        Value::String(text.into())
    }

    #[test]
    fn only_what_differs_is_named() {
        let r = record(r#"{"name":"a","size":1,"tags":{"x":"1","y":"2"}}"#, "{}");
        assert!(paths(r#"{"name":"a","size":1,"tags":{"x":"1","y":"2"}}"#, &r).is_empty());
        assert_eq!(
            paths(r#"{"name":"a","size":1,"tags":{"x":"1","y":"3"}}"#, &r),
            [("tags.y".to_owned(), s("2"), s("3"))]
        );
    }

    #[test]
    fn what_someone_else_changed_is_changed_back_and_what_we_never_set_is_left() {
        let r = record(r#"{"name":"a","tags":{"x":"1"}}"#, r#"{"size":7,"tags":{"x":"1","foreign":"t"}}"#);
        assert_eq!(paths(r#"{"name":"a","tags":{"x":"1"}}"#, &r), [("tags.foreign".to_owned(), s("t"), Value::Null)]);
    }

    #[test]
    fn what_is_no_longer_set_is_taken_away_unless_the_cloud_fills_it_in() {
        let r = record(r#"{"name":"a","size":5,"zone":"z"}"#, "{}");
        assert_eq!(paths(r#"{"name":"a"}"#, &r), [("size".to_owned(), Value::Int(5), Value::Null)]);
    }

    #[test]
    fn an_uncertain_field_is_sent_again_though_it_looks_equal() {
        let mut r = record(r#"{"name":"a","size":5}"#, "{}");
        r.uncertain.insert("size".into());
        assert_eq!(paths(r#"{"name":"a","size":5}"#, &r), [("size".to_owned(), Value::Int(5), Value::Int(5))]);
    }

    #[test]
    fn ignored_differences_are_left_alone() {
        let r = record(r#"{"name":"a","size":5,"tags":{"x":"1"}}"#, r#"{"tags":{"x":"2","o":"me"}}"#);
        let mut desired = map(r#"{"name":"a","size":9,"tags":{"x":"1"}}"#);
        ignore(&mut desired, &r, &["size".into(), "tags.x".into(), "tags.o".into()]);
        assert!(changed(&THING, &desired, &r).is_empty(), "{desired:?}");
    }

    #[test]
    fn what_the_program_never_set_is_neither_taken_over_nor_taken_away_by_being_ignored() {
        let r = record(r#"{"name":"a"}"#, r#"{"size":7,"tags":{"x":"1","o":"me"}}"#);
        let wished = map(r#"{"name":"a"}"#);
        let mut desired = wished.clone();
        ignore(&mut desired, &r, &["size".into(), "tags.x".into()]);
        assert_eq!(desired, wished);
        assert!(changed(&THING, &desired, &r).is_empty());
        // What phx may have set is its own as well.
        let uncertain = Record { uncertain: ["size".to_owned()].into(), ..r };
        ignore(&mut desired, &uncertain, &["size".into()]);
        assert_eq!(desired["size"], Value::Int(7));
    }

    #[test]
    fn what_is_ignored_inside_of_a_secret_stays_one() {
        let tags = |x: Value| Value::Map([("x", x)].into());
        let drift: ValueMap = [("tags", tags(s("hunter2")).secret())].into();
        let r = Record { drift, ..record(r#"{"tags":{"x":"1"}}"#, "{}") };
        for wished in [tags(s("1").secret()), tags(s("1")).secret()] {
            let mut desired: ValueMap = [("tags", wished)].into();
            ignore(&mut desired, &r, &["tags.x".into()]);
            assert!(changed(&THING, &desired, &r).is_empty(), "{desired:?}");
            assert!(!format!("{desired:?}").contains("hunter2"), "{desired:?}");
        }
    }

    #[test]
    fn a_part_of_a_block_can_force_a_replacement() {
        const PARTS: &[Field] =
            &[Field { name: "range", replace: true, cloud_default: true, ..FIELD }, Field { name: "public", ..FIELD }];
        let block = Field { name: "net", kind: Kind::Block(PARTS), ..FIELD };
        let value = |json: &str| serde_json::from_str::<Value>(json).unwrap();
        let forces = |before: &str, after: &str| replaced_by(&block, &value(before), &value(after));
        assert_eq!(forces(r#"{"range":"a","public":"x"}"#, r#"{"range":"b"}"#).as_deref(), Some("net.range"));
        for (before, after) in [
            (r#"{"range":"a","public":"x"}"#, r#"{"range":"a","public":"y"}"#),
            (r#"{"range":"a"}"#, r#"{"public":"y"}"#),
            (r#"{"public":"y"}"#, r#"{"range":"a"}"#),
            ("null", r#"{"range":"a"}"#),
        ] {
            assert_eq!(forces(before, after), None, "{before} to {after}");
        }
        let listed = Field { name: "nets", kind: Kind::List(&Kind::Block(PARTS)), ..FIELD };
        let forces = |b: &str, a: &str| replaced_by(&listed, &value(b), &value(a));
        assert_eq!(forces(r#"[{"range":"a"}]"#, r#"[{"range":"b"}]"#).as_deref(), Some("nets.range"));
        let set = Field { set: true, ..listed };
        let both = [r#"[{"range":"a","public":"x"},{"range":"b"}]"#, r#"[{"range":"b"},{"range":"a","public":"y"}]"#];
        assert_eq!(replaced_by(&set, &value(both[0]), &value(both[1])), None);
    }

    #[test]
    fn secrets_are_marked() {
        let r = record(r#"{"name":"a"}"#, "{}");
        let mut desired = map(r#"{"name":"a"}"#);
        desired.insert("size", Value::Int(1).secret());
        let diff = describe(&changed(&THING, &desired, &r));
        assert!(diff[0].secret);
    }
}
