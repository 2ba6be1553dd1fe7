//! What phx remembers of a stack: records of objects, the journal's entries, and the fold of entries over a state.
//!
//! The journal is a checked state machine. Every entry is either applied or refused with a [`FoldError`]; every prefix of a journal
//! folds to a valid state. Stores write [`State`]s (checkpoints) and [`Entry`]s (journals); what happens between is here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use jiff::Timestamp;
use rustc_hash::FxHashSet;
use serde::{Deserialize, Deserializer, Serialize};

use crate::key::KeyHeader;
use crate::map::Urns;
use crate::provider::Provider;
use crate::urn::Urn;
use crate::value::{Value, ValueMap};

mod fold;

pub use fold::{Fold, FoldError};

/// The version of the stored forms in this file. A store refuses a newer one.
pub const FORMAT: u32 = 2;

/// The account and region an object lives in, and in whose name: the key under which calls are grouped and limited. Its forms are told
/// [with provider contexts](crate::provider).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProviderKey(pub String);

/// Names one whole run (`up`, `destroy`, …) across its lease, journal, history and tags.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OperationId(pub String);

/// Names one intended change. It is written on the object itself where the cloud has room for it (the tag [`INTENT_TAG`]), and begins
/// with the stack's lineage, so that an object can always be traced to the state that owns it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IntentId(pub String);

/// The tag that carries an [`IntentId`].
pub const INTENT_TAG: &str = "phx:intent";

impl IntentId {
    /// The `n`-th intent of an operation.
    pub fn new(lineage: &str, operation: &OperationId, n: u64) -> Self {
        Self(format!("{lineage}.{}.{n}", operation.0))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When the operation that it belongs to began, to the millisecond, if the operation's name tells: phx's own are UUIDs of version 7.
    pub fn begun(&self) -> Option<Timestamp> {
        let operation = self.0.split('.').nth(1)?;
        let (time, rest) = operation.split_at_checked(12)?;
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
        if operation.len() != 32 || !rest.starts_with('7') || !digits(operation) {
            return None;
        }
        Timestamp::from_millisecond(i64::from_str_radix(time, 16).ok()?).ok()
    }
}

impl fmt::Display for IntentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What phx knows of one object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The cloud's id. Empty only in the intent to create it.
    pub id: String,
    /// Where it lives.
    #[serde(default, skip_serializing_if = "is_default")]
    pub provider: ProviderKey,
    /// What the program set, as last applied.
    #[serde(default, skip_serializing_if = "ValueMap::is_empty")]
    pub inputs: ValueMap,
    /// What the cloud decided.
    #[serde(default, skip_serializing_if = "ValueMap::is_empty")]
    pub outputs: ValueMap,
    /// Fields that a refresh saw to differ from `inputs`, with the values it saw.
    #[serde(default, skip_serializing_if = "ValueMap::is_empty")]
    pub drift: ValueMap,
    /// Fields of which it is not known whether the last value sent arrived (an update that failed or was cut short).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub uncertain: BTreeSet<String>,
    /// Fields that may hold a secret though `inputs` has none there, since a change of which it is not known whether it arrived would have put one
    /// there: what is seen of them is kept from view.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub hidden: BTreeSet<String>,
    /// The object exists, but what follows its creation is not known to be done.
    #[serde(default, skip_serializing_if = "is_default")]
    pub incomplete: bool,
    /// What it needs to exist before it and to be deleted after it.
    #[serde(default, skip_serializing_if = "Urns::is_empty")]
    pub depends_on: Urns,
    /// Never deleted or replaced.
    #[serde(default, skip_serializing_if = "is_default")]
    pub protect: bool,
    /// Left in the cloud when it leaves the program.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retain: bool,
    /// The values of the `replace_on` option, as last applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replace_on: Vec<Value>,
    /// Fields, and tags (`tags.Owner`), whose differences the program leaves alone: they are no drift.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore_changes: Vec<String>,
    /// The delete timeout in seconds that the program asked for, kept for the day when the program no longer names the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_timeout: Option<u64>,
}

/// Reads the records in one go: grown entry by entry in their order, a tree's nodes stay half empty.
fn at_once<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<Urn, Record>, D::Error> {
    struct Entries;
    impl<'de> serde::de::Visitor<'de> for Entries {
        type Value = BTreeMap<Urn, Record>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries: Vec<(Urn, Record)> = Vec::new();
            while let Some(entry) = map.next_entry()? {
                entries.push(entry);
            }
            // A URN is named by its record and by all that depend on it: kept once.
            let known: FxHashSet<Urn> = entries.iter().map(|(urn, _)| urn.clone()).collect();
            for (_, record) in &mut entries {
                record.depends_on = record.depends_on.iter().map(|urn| known.get(urn).unwrap_or(urn).clone()).collect();
            }
            Ok(entries.into_iter().collect())
        }
    }
    d.deserialize_map(Entries)
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Record {
    /// What the object's field is in the cloud, as far as phx knows.
    pub fn actual(&self, field: &str) -> &Value {
        self.drift.get(field).or_else(|| self.inputs.get(field)).unwrap_or(&Value::Null)
    }
}

/// An old object that a replacement has superseded and that is still to be deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deposed {
    /// The resource whose object it was.
    pub urn: Urn,
    /// The object.
    pub record: Record,
}

/// Everything phx remembers of a stack. A checkpoint is one of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The version of this form: [`FORMAT`].
    pub format: u32,
    /// The stack's identity over its whole life: a random name given when the state was first written. A state of another lineage
    /// never takes its place.
    pub lineage: String,
    /// Counts checkpoints.
    pub serial: u64,
    /// The objects.
    #[serde(deserialize_with = "at_once")]
    pub resources: BTreeMap<Urn, Record>,
    /// Old objects that are still to be deleted, oldest first.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub deposed: VecDeque<Deposed>,
    /// Intents without a result. Empty unless a run was cut short.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub open: BTreeMap<IntentId, Intent>,
    /// What the program exported at the last successful `up`.
    #[serde(default, skip_serializing_if = "ValueMap::is_empty")]
    pub outputs: ValueMap,
    /// What the secrets in here are encrypted with. `None`: there has never been one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyHeader>,
    /// The secrets that were configured for the stack, by name. Encrypted wherever they are stored.
    #[serde(default, skip_serializing_if = "ValueMap::is_empty")]
    pub secrets: ValueMap,
    /// How long verbs took in earlier runs, in milliseconds, by type and verb (`aws:ec2:NatGateway create`): what the next run goes by when it
    /// decides what to begin first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub durations: BTreeMap<String, u64>,
    /// What the keys mean that records name as their place: those whose roles must be assumed, for the day when the program is not run or says
    /// nothing of them any more; and the stack's own, with the region that it was made in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub providers: BTreeMap<ProviderKey, Provider>,
}

/// A change that is about to be made. Durable before the first call of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// Its name.
    pub id: IntentId,
    /// The resource.
    pub urn: Urn,
    /// When it was written.
    pub time: Timestamp,
    /// What is to be done.
    pub change: Change,
}

/// What an intent intends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// Make a new object. Whatever object the resource had becomes deposed once the new one exists.
    Create {
        /// The record it shall have; the id is empty, and the outputs too.
        record: Box<Record>,
    },
    /// Do what is left after the object exists, and apply `record`'s inputs while at it.
    Finish,
    /// Change fields of the object.
    Update {
        /// The fields that change.
        fields: BTreeSet<String>,
        /// The record it shall have.
        record: Box<Record>,
    },
    /// Delete the object.
    Delete {
        /// The cloud's id, since a deposed object of the resource may be meant.
        id: String,
    },
}

/// How an intent ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "was", rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// The object exists.
    Created {
        /// The cloud's id.
        id: String,
        /// What the cloud decided.
        outputs: ValueMap,
        /// Whether nothing is left to do.
        complete: bool,
    },
    /// The update or the finishing was done.
    Applied {
        /// The outputs, if they changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outputs: Option<ValueMap>,
    },
    /// The object is gone.
    Deleted,
    /// It failed. A create had no effect; of an update, the fields are uncertain.
    Failed {
        /// The error's text, without secrets.
        error: String,
    },
    /// A later run found that it cannot be told, or need not be: a create that the cloud knows nothing of, an update or delete whose
    /// effect the next refresh shows.
    Abandoned,
}

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    /// A run begins.
    Began {
        /// Which.
        operation: OperationId,
        /// `up`, `destroy`, `refresh`, `import`, `recover`.
        kind: String,
        /// When.
        time: Timestamp,
    },
    /// A change is about to be made.
    Intent(Intent),
    /// A change has ended.
    Done {
        /// Which.
        intent: IntentId,
        /// How.
        outcome: Outcome,
    },
    /// The record is replaced as a whole, without a call that changes anything: refresh, adoption, changed options.
    Recorded {
        /// Whose.
        urn: Urn,
        /// The new record.
        record: Box<Record>,
    },
    /// The object is no longer phx's concern: found to be gone, or retained.
    Forgotten {
        /// Whose.
        urn: Urn,
        /// Which object: the resource's own, or a deposed one.
        id: String,
    },
    /// The resource goes by another name.
    Renamed {
        /// The old name.
        from: Urn,
        /// The new name.
        to: Urn,
    },
    /// What the program exports.
    Outputs {
        /// By name.
        outputs: ValueMap,
    },
    /// The resource goes by another name and has encrypted values, which are good only under the name that they were encrypted for: so
    /// these are its records as they are under the new one. Stores write this where an engine writes [`Renamed`](Self::Renamed).
    Moved {
        /// The old name.
        from: Urn,
        /// The new name.
        to: Urn,
        /// The record of its object.
        record: Box<Record>,
        /// The records of its deposed objects, in their order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        deposed: Vec<Record>,
    },
    /// From now on there is a key that secrets are encrypted with.
    Key {
        /// The key, wrapped.
        header: KeyHeader,
    },
    /// A secret was configured.
    Secret {
        /// Under this name.
        name: String,
        /// Its value. `None`: there is no such secret any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<Value>,
    },
    /// How long verbs took in this run: see [`State::durations`].
    Took {
        /// Milliseconds, the mean of each type and verb.
        durations: BTreeMap<String, u64>,
    },
    /// What a key means from now on: see [`State::providers`].
    Provider {
        /// The key.
        key: ProviderKey,
        /// What it means. `None`: nothing lies there any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider: Option<Provider>,
    },
}

impl State {
    /// The state of a stack that has nothing yet.
    pub fn empty(lineage: impl Into<String>) -> Self {
        Self {
            format: FORMAT,
            lineage: lineage.into(),
            serial: 0,
            resources: BTreeMap::new(),
            deposed: VecDeque::new(),
            open: BTreeMap::new(),
            outputs: ValueMap::new(),
            key: None,
            secrets: ValueMap::new(),
            durations: BTreeMap::new(),
            providers: BTreeMap::new(),
        }
    }

    /// The key of [`durations`](Self::durations).
    pub fn verb_of(type_name: &str, verb: &str) -> String {
        format!("{type_name} {verb}")
    }

    /// How long a verb of a type usually takes in this stack, in milliseconds; `None` if it has not been done yet.
    pub fn usual_ms(&self, type_name: &str, verb: &str) -> Option<u64> {
        self.durations.get(&Self::verb_of(type_name, verb)).copied()
    }

    /// The places of everything that it knows of, or is unsure of.
    pub fn places(&self) -> BTreeSet<&ProviderKey> {
        let known = self.resources.values().chain(self.deposed.iter().map(|d| &d.record));
        let intended = self.open.values().filter_map(|intent| match &intent.change {
            Change::Create { record } | Change::Update { record, .. } => Some(&**record),
            Change::Finish | Change::Delete { .. } => None,
        });
        known.chain(intended).map(|record| &record.provider).collect()
    }

    /// Whether there is nothing in the cloud that it knows of, and nothing that it is unsure of.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.deposed.is_empty() && self.open.is_empty()
    }
}

impl Change {
    /// The verb for it: "create".
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Finish => "finish",
            Self::Update { .. } => "update",
            Self::Delete { .. } => "delete",
        }
    }
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Self::Created { .. } => "created",
            Self::Applied { .. } => "applied",
            Self::Deleted => "deleted",
            Self::Failed { .. } => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urn(name: &str) -> Urn {
        Urn::parse(&format!("urn:phx:p:s:test:net:Vpc:{name}")).unwrap()
    }

    fn record(id: &str) -> Record {
        serde_json::from_str(&format!(r#"{{"id":"{id}"}}"#)).unwrap()
    }

    fn intent(n: u64, name: &str, change: Change) -> Entry {
        let id = IntentId::new("l", &OperationId("o".into()), n);
        Entry::Intent(Intent { id, urn: urn(name), time: Timestamp::UNIX_EPOCH, change })
    }

    fn done(n: u64, outcome: Outcome) -> Entry {
        Entry::Done { intent: IntentId::new("l", &OperationId("o".into()), n), outcome }
    }

    fn created(id: &str) -> Outcome {
        Outcome::Created { id: id.into(), outputs: ValueMap::new(), complete: true }
    }

    #[test]
    fn a_replacement_leaves_the_old_object_deposed_until_it_is_deleted() {
        let mut state = State::empty("l");
        let create = || Change::Create { record: Box::new(record("")) };
        state
            .fold(&[
                intent(1, "a", create()),
                done(1, created("old")),
                intent(2, "a", create()),
                done(2, created("new")),
            ])
            .unwrap();
        assert_eq!(state.resources[&urn("a")].id, "new");
        assert_eq!(state.deposed[0].record.id, "old");
        state.fold(&[intent(3, "a", Change::Delete { id: "old".into() }), done(3, Outcome::Deleted)]).unwrap();
        assert!(state.deposed.is_empty());
        assert_eq!(state.resources[&urn("a")].id, "new");
    }

    #[test]
    fn of_two_objects_of_one_id_the_old_one_goes_first() {
        let mut state = State::empty("l");
        let there = ProviderKey("eu-west-1".into());
        state.resources.insert(urn("a"), record("x"));
        state.deposed.push_back(Deposed { urn: urn("a"), record: Record { provider: there, ..record("x") } });
        let delete = |n| [intent(n, "a", Change::Delete { id: "x".into() }), done(n, Outcome::Deleted)];
        state.fold(&delete(1)).unwrap();
        assert!(state.deposed.is_empty() && state.resources[&urn("a")].provider.is_home());
        state.fold(&delete(2)).unwrap();
        assert!(state.is_empty());
        assert!(state.apply(&Entry::Forgotten { urn: urn("a"), id: "x".into() }).is_err());
    }

    #[test]
    fn an_update_that_failed_makes_its_fields_uncertain() {
        let mut state = State::empty("l");
        state.resources.insert(urn("a"), record("x"));
        let fields: BTreeSet<String> = ["size".to_owned()].into();
        let change = Change::Update { fields: fields.clone(), record: Box::new(record("x")) };
        state.fold(&[intent(1, "a", change), done(1, Outcome::Failed { error: "no".into() })]).unwrap();
        assert_eq!(state.resources[&urn("a")].uncertain, fields);
    }

    #[test]
    fn entries_that_cannot_follow_are_refused() {
        let mut state = State::empty("l");
        assert!(matches!(state.apply(&done(1, Outcome::Deleted)), Err(FoldError::NotOpen(_))));
        let open = intent(1, "a", Change::Create { record: Box::new(record("")) });
        state.apply(&open).unwrap();
        assert!(matches!(state.apply(&open), Err(FoldError::IntentTwice(_))));
        assert!(matches!(state.apply(&done(1, Outcome::Deleted)), Err(FoldError::Outcome { .. })));
        assert!(state.apply(&intent(2, "nobody", Change::Finish)).is_err());
    }

    #[test]
    fn a_rename_takes_every_reference_along() {
        let mut state = State::empty("l");
        state.resources.insert(urn("a"), record("x"));
        state.resources.insert(urn("b"), Record { depends_on: [urn("a")].into(), ..record("y") });
        state.apply(&Entry::Renamed { from: urn("a"), to: urn("c") }).unwrap();
        assert_eq!(state.resources[&urn("b")].depends_on, [urn("c")].into());
        assert!(state.apply(&Entry::Renamed { from: urn("b"), to: urn("c") }).is_err());
    }

    #[test]
    fn renames_that_follow_each_other_are_as_renames_one_by_one() {
        let renamed = |from: &str, to: &str| Entry::Renamed { from: urn(from), to: urn(to) };
        let before = {
            let mut state = State::empty("l");
            let on = |names: &[&str]| names.iter().map(|n| urn(n)).collect();
            for (name, depends_on) in [("a", on(&[])), ("b", on(&["a"])), ("c", on(&["a", "b"])), ("d", on(&["c"]))] {
                let record = Record { id: name.into(), depends_on, ..Record::default() };
                state.resources.insert(urn(name), record);
            }
            state
        };
        // A chain, a circle of names, a name taken over, and one there and back.
        for renames in [
            vec![renamed("a", "x"), renamed("x", "y")],
            vec![renamed("a", "x"), renamed("b", "a"), renamed("x", "b")],
            vec![renamed("c", "x"), renamed("b", "c")],
            vec![renamed("a", "x"), renamed("x", "a")],
            // The last one cannot be; those before it count.
            vec![renamed("a", "x"), renamed("b", "c")],
        ] {
            let (mut at_once, mut one_by_one) = (before.clone(), before.clone());
            let result = at_once.fold(&renames);
            assert_eq!(result, renames.iter().try_for_each(|entry| one_by_one.apply(entry)), "{renames:?}");
            assert_eq!(at_once, one_by_one, "{renames:?}");
        }
    }

    #[test]
    fn a_field_that_may_have_got_a_secret_is_remembered_as_such() {
        let mut state = State::empty("l");
        state.resources.insert(urn("a"), Record { id: "a".into(), ..Record::default() });
        let inputs = [("open".to_owned(), Value::Int(1)), ("shut".to_owned(), Value::Int(2).secret())].into();
        let record = Box::new(Record { id: "a".into(), inputs, ..Record::default() });
        let fields = ["open".to_owned(), "shut".to_owned()].into();
        let id = IntentId("i".into());
        let change = Change::Update { fields, record };
        let intent = Intent { id: id.clone(), urn: urn("a"), time: Timestamp::UNIX_EPOCH, change };
        state.fold(&[Entry::Intent(intent), Entry::Done { intent: id, outcome: Outcome::Abandoned }]).unwrap();
        assert_eq!(state.resources[&urn("a")].hidden, ["shut".to_owned()].into());
    }

    #[test]
    fn an_intent_tells_when_its_operation_began() {
        let begun = |operation: &str| IntentId::new("lineage", &OperationId(operation.into()), 3).begun();
        let at = begun("01a205f2252b7521a1ab1e98019c6c9b").unwrap();
        assert_eq!(at.to_string(), "2026-11-23T01:08:05.035Z");
        for other in [
            "",
            "o",
            "preview",
            "01a205f2252b4521a1ab1e98019c6c9b",
            "01a205f2252b7521a1ab1e98019c6c9",
            "zza205f2252b7521a1ab1e98019c6c9b",
        ] {
            assert_eq!(begun(other), None, "{other}");
        }
        assert_eq!(IntentId("x".into()).begun(), None);
    }

    #[test]
    fn unknown_fields_of_a_stored_record_are_refused() {
        assert!(serde_json::from_str::<Record>(r#"{"id":"x","colour":"red"}"#).is_err());
    }
}
