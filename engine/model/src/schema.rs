//! What a resource type is: its fields, their attributes, its outputs, and how an object of it is found again.

use serde::Serialize;

use crate::value::Value;

/// Everything that phx knows of a resource type without asking a cloud. Made by `#[derive(Resource)]`.
#[derive(Debug)]
pub struct Schema {
    /// `aws:ec2:Subnet`.
    pub type_name: &'static str,
    /// Terraform's name for it: `aws_subnet`.
    pub terraform: Option<&'static str>,
    /// CloudFormation's name for it: `AWS::EC2::Subnet`.
    pub cloudformation: Option<&'static str>,
    /// The struct's doc comment.
    pub doc: &'static str,
    /// How an object whose creation was journaled but whose answer never came is found again.
    pub identity: Identity,
    /// The fields whose values no two living objects may share. If none of them changes in a replacement, the old object
    /// must be deleted before the new one is created. Empty: the new one comes first.
    pub unique: &'static [&'static str],
    /// The field that names the object of which this one is a part: when the cloud deletes that, this one goes with it and needs no call.
    pub vanishes_with: Option<&'static str>,
    /// What the program sets.
    pub fields: &'static [Field],
    /// What the cloud decides.
    pub outputs: &'static [OutputField],
}

impl Schema {
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|f| f.name == name)
    }

    /// Whether objects of the type carry tags, so that default tags apply to them.
    pub fn tagged(&self) -> bool {
        self.field("tags").is_some()
    }

    /// The last part of the type's name: `Subnet`.
    pub fn short_name(&self) -> &'static str {
        self.type_name.rsplit(':').next().unwrap_or(self.type_name)
    }
}

/// How a create whose outcome is unknown (the process was killed, the answer was lost) is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// The request carries a token; sent again with the same token, it answers with the same object.
    ClientToken,
    /// The object has a name that the program gave; whoever owns it is checked before it is adopted.
    NaturalKey,
    /// The object is tagged with the intent at creation and is searched for by that tag.
    IntentTag,
    /// The cloud offers nothing of the sort. Such an intent stays unknown and the user is asked.
    None,
}

/// One field of a resource or of a block.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // each is an attribute that a type's author writes by name
pub struct Field {
    /// The name, AWS's own in snake_case.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// Its type as its author wrote it, without spaces: `Vec<VpcEncryption>`. For what is written about a type; `kind` says what values it takes.
    pub rust: &'static str,
    /// The field's doc comment.
    pub doc: &'static str,
    /// The cloud refuses an object without it.
    pub required: bool,
    /// A change needs a new object. Of a part of a block: a change of a part that was set.
    pub replace: bool,
    /// The value is kept from view and encrypted in state.
    pub secret: bool,
    /// The cloud never tells the value: it is compared with what was last sent.
    pub write_only: bool,
    /// The cloud fills it in when it is not set: no drift, and taking it out of the program changes nothing.
    pub cloud_default: bool,
    /// A list whose order means nothing.
    pub set: bool,
    /// The form in which two values are compared, for fields that the cloud rewrites (IAM policies).
    pub normalize: Option<fn(&Value) -> Value>,
}

/// One output.
#[derive(Debug)]
pub struct OutputField {
    /// The name.
    pub name: &'static str,
    /// What value it has.
    pub kind: Kind,
    /// Its doc comment.
    pub doc: &'static str,
    /// Kept from view and encrypted in state.
    pub secret: bool,
    /// An update of the object may change it: while one is planned, it is unknown.
    pub volatile: bool,
    /// The fields of which one has to change for it to change too, if it is volatile. Empty: it may be any.
    pub follows: &'static [&'static str],
}

/// The kinds of values.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A truth value.
    Bool,
    /// A whole number.
    Int,
    /// Any number.
    Float,
    /// Text.
    String,
    /// A typed id, by its Rust name: `VpcId`.
    Id(&'static str),
    /// An IPv4 range.
    Ipv4Cidr,
    /// A JSON document.
    Json,
    /// A list of one kind.
    List(&'static Kind),
    /// Names to values of one kind.
    Map(&'static Kind),
    /// A group of fields.
    Block(&'static [Field]),
}

impl Kind {
    /// How the schema pages write it: `list<SubnetId>`.
    pub fn describe(&self) -> String {
        match self {
            Self::Bool => "bool".into(),
            Self::Int => "int".into(),
            Self::Float => "float".into(),
            Self::String => "string".into(),
            Self::Id(name) => (*name).into(),
            Self::Ipv4Cidr => "ipv4 cidr".into(),
            Self::Json => "json".into(),
            Self::List(inner) => format!("list<{}>", inner.describe()),
            Self::Map(inner) => format!("map<{}>", inner.describe()),
            Self::Block(fields) => {
                format!("{{{}}}", fields.iter().map(|f| f.name).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// Whether two values of a field mean the same.
///
/// Absent, null and empty are one; a [`set`](Field::set)'s order does not matter; JSON compares as JSON; a
/// [`normalize`](Field::normalize) function has the last word. Unknown equals nothing, not even itself.
pub fn same(field: &Field, a: &Value, b: &Value) -> bool {
    if a.has_unknown() || b.has_unknown() {
        return false;
    }
    canonical(field, a) == canonical(field, b)
}

/// Whether what is there is what is wanted: [`same`], but parts of a block that the cloud fills in by itself count only where they are wanted.
pub fn satisfied(field: &Field, wanted: &Value, actual: &Value) -> bool {
    if same(field, wanted, actual) {
        return true;
    }
    match (&field.kind, wanted.expose(), actual.expose()) {
        (Kind::List(inner @ Kind::Block(_)), Value::List(wanted), Value::List(actual)) if field.set => {
            wanted.len() == actual.len() && matched(&Field { kind: **inner, set: false, ..*field }, wanted, actual)
        }
        _ => same(field, &filled(&field.kind, wanted, actual), actual),
    }
}

/// Whether each of the wanted members of a set has one that is there for itself alone.
fn matched(item: &Field, wanted: &[Value], actual: &[Value]) -> bool {
    let fits: Vec<Vec<usize>> = wanted
        .iter()
        .map(|wanted| (0..actual.len()).filter(|&at| satisfied(item, wanted, &actual[at])).collect())
        .collect();
    let mut taken = vec![None; actual.len()];
    (0..wanted.len()).all(|member| place(member, &fits, &mut taken, &mut vec![false; actual.len()]))
}

/// Finds a place for a member among those that fit it, moving others to another place of theirs if it must (augmenting ways).
fn place(member: usize, fits: &[Vec<usize>], taken: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    fits[member].iter().any(|&at| {
        if std::mem::replace(&mut tried[at], true) {
            return false;
        }
        let free = taken[at].is_none_or(|other| place(other, fits, taken, tried));
        if free {
            taken[at] = Some(member);
        }
        free
    })
}

/// `wanted` with the parts that the cloud fills in taken from what is there.
fn filled(kind: &Kind, wanted: &Value, actual: &Value) -> Value {
    match (kind, wanted.expose(), actual.expose()) {
        (Kind::Block(parts), Value::Map(wanted), Value::Map(actual)) => {
            let mut full = wanted.clone();
            for part in parts.iter() {
                let there = actual.get(part.name).unwrap_or(&Value::Null);
                match wanted.get(part.name).filter(|v| !v.is_empty()) {
                    Some(value) => full.insert(part.name.to_owned(), filled(&part.kind, value, there)),
                    None if part.cloud_default => full.insert(part.name.to_owned(), there.clone()),
                    None => None,
                };
            }
            Value::Map(full)
        }
        (Kind::List(inner), Value::List(wanted), Value::List(actual)) if wanted.len() == actual.len() => {
            Value::List(wanted.iter().zip(actual).map(|(w, a)| filled(inner, w, a)).collect())
        }
        _ => wanted.clone(),
    }
}

/// The form of a value in which equal meaning is equality.
pub fn canonical(field: &Field, value: &Value) -> Value {
    let value = value.expose();
    if value.is_empty() {
        return Value::Null;
    }
    let value = match field.normalize {
        Some(normalize) => normalize(value),
        None => canonical_kind(&field.kind, value),
    };
    match value {
        Value::List(mut items) if field.set => {
            items.sort_by_cached_key(sort_key);
            Value::List(items)
        }
        other => other,
    }
}

fn canonical_kind(kind: &Kind, value: &Value) -> Value {
    match (kind, value) {
        (Kind::List(inner), Value::List(items)) => {
            Value::List(items.iter().map(|v| canonical_kind(inner, v.expose())).collect())
        }
        (Kind::Map(inner), Value::Map(fields)) => {
            Value::Map(fields.iter().map(|(k, v)| (k.clone(), canonical_kind(inner, v.expose()))).collect())
        }
        (Kind::Block(schema), Value::Map(fields)) => Value::Map(
            schema
                .iter()
                .filter_map(|f| {
                    let value = canonical(f, fields.get(f.name)?);
                    (value != Value::Null).then(|| (f.name.to_owned(), value))
                })
                .collect(),
        ),
        (Kind::Json, Value::String(text)) => {
            serde_json::from_str::<serde_json::Value>(text).map_or_else(|_| value.clone(), Value::from)
        }
        // 5 and 5.0 are one number where any number is allowed.
        #[allow(clippy::cast_precision_loss)]
        (Kind::Float, Value::Int(i)) => Value::Float(*i as f64),
        _ => value.clone(),
    }
}

/// An order over values, only to bring equal sets to equal lists.
fn sort_key(value: &Value) -> String {
    value.to_plain_json().map(|j| j.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Field = Field {
        name: "f",
        kind: Kind::String,
        rust: "String",
        doc: "",
        required: false,
        replace: false,
        secret: false,
        write_only: false,
        cloud_default: false,
        set: false,
        normalize: None,
    };

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn sets_have_no_order_and_lists_do() {
        let list = Field { kind: Kind::List(&Kind::String), ..PLAIN };
        let set = Field { set: true, kind: Kind::List(&Kind::String), ..PLAIN };
        assert!(!same(&list, &json(r#"["a","b"]"#), &json(r#"["b","a"]"#)));
        assert!(same(&set, &json(r#"["a","b"]"#), &json(r#"["b","a"]"#)));
        assert!(!same(&set, &json(r#"["a","a"]"#), &json(r#"["a"]"#)));
    }

    #[test]
    fn absent_and_empty_are_one() {
        let map = Field { kind: Kind::Map(&Kind::String), ..PLAIN };
        assert!(same(&map, &Value::Null, &json("{}")));
        assert!(!same(&map, &Value::Null, &json(r#"{"a":"b"}"#)));
        assert!(!same(&map, &Value::Unknown, &Value::Unknown));
    }

    #[test]
    fn parts_that_the_cloud_fills_in_count_only_where_they_are_wanted() {
        const PARTS: &[Field] = &[Field { name: "mode", ..PLAIN }, Field { name: "key", cloud_default: true, ..PLAIN }];
        let block = Field { kind: Kind::Block(PARTS), ..PLAIN };
        let there = json(r#"{"mode":"on","key":"aws"}"#);
        assert!(satisfied(&block, &json(r#"{"mode":"on"}"#), &there));
        assert!(!satisfied(&block, &json(r#"{"mode":"off"}"#), &there));
        assert!(!satisfied(&block, &json(r#"{"mode":"on","key":"mine"}"#), &there));
        let blocks = Field { kind: Kind::List(&Kind::Block(PARTS)), ..PLAIN };
        let set = Field { set: true, ..blocks };
        let (one, other) = (r#"{"mode":"a","key":"x"}"#, r#"{"mode":"b","key":"y"}"#);
        let there_in = |order: [&str; 2]| json(&format!("[{},{}]", order[0], order[1]));
        let (loose, strict) = (r#"{"mode":"a"}"#, r#"{"mode":"a","key":"x"}"#);
        assert!(satisfied(&set, &there_in([loose, strict]), &there_in([one, r#"{"mode":"a","key":"y"}"#])));
        for order in [[one, other], [other, one]] {
            assert!(satisfied(&set, &json(r#"[{"mode":"a"},{"mode":"b"}]"#), &there_in(order)));
            assert!(!satisfied(&set, &json(r#"[{"mode":"a"},{"mode":"a"}]"#), &there_in(order)));
            assert!(!satisfied(&set, &json(r#"[{"mode":"a"}]"#), &there_in(order)));
        }
        assert!(satisfied(&blocks, &json(r#"[{"mode":"on"}]"#), &Value::List(vec![there])));
    }

    #[test]
    fn json_compares_by_meaning() {
        let doc = Field { kind: Kind::Json, ..PLAIN };
        assert!(same(&doc, &json(r#"{"a":1}"#), &Value::String(r#"{ "a" : 1 }"#.into())));
    }
}
