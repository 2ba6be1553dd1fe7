//! What someone else has changed: what phx last set, compared with what the cloud has. Takes no lease and writes nothing.
//!
//! It may run beside an `up`. What a run is at work on is left out and counted; and before something is called drift that was seen while a
//! run may have been at work, it is seen once more, with the state as it was before, between and after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use phx_model::driver::Registry;
use phx_model::schema::{Field, Kind, Schema, canonical, satisfied};
use phx_model::state::{Change, Entry, ProviderKey, Record, State};
use phx_model::store::Store;
use phx_model::value::{REDACTED, Text};
use phx_model::{CloudError, Urn, Value, ValueMap};

use crate::diff;
use crate::engine::{EngineError, Place, Settings, own};
use crate::places;
use crate::plan::FieldDiff;
use crate::refresh::{Observations, Targets};

/// How often objects are looked at again while the state moves. What is still not clear then is left out.
const LOOKS: u32 = 5;
/// The first pause before another look; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// What differs between what phx last set and what the cloud has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drift {
    /// The state's lineage, which begins every mark on the stack's objects. Empty: the stack has no state.
    pub lineage: String,
    /// How many resources were compared.
    pub checked: u64,
    /// How many were not, since a run is at work on them, or was and has not finished.
    pub in_progress: u64,
    /// Those that differ, by URN.
    pub drifted: Vec<Drifted>,
    /// Those that could not be read, by URN. Of them nothing is known.
    pub failures: Vec<(Urn, CloudError)>,
}

/// A resource whose object is not as phx left it.
#[derive(Clone, Debug, PartialEq)]
pub struct Drifted {
    /// The resource.
    pub urn: Urn,
    /// The cloud's id of its object.
    pub id: String,
    /// Where it lies.
    pub provider: ProviderKey,
    /// What became of it.
    pub kind: DriftKind,
    /// Where it differs: `before` is what phx last set, `after` is what the cloud has. Empty for an object that is missing.
    pub diff: Vec<FieldDiff>,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DriftKind {
    /// It is there and differs.
    Changed,
    /// It is not there.
    Missing,
}

impl DriftKind {
    /// The contract's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Missing => "missing",
        }
    }
}

impl Drifted {
    /// As the command line's contract has it. What is secret is named and not shown.
    pub fn to_json(&self) -> serde_json::Value {
        let value = |d: &FieldDiff, v: &Value| if d.secret { REDACTED.into() } else { v.to_redacted_json() };
        let diff: Vec<_> = self
            .diff
            .iter()
            .map(|d| {
                let mut entry = serde_json::json!({
                    "path": d.path, "before": value(d, &d.before), "after": value(d, &d.after),
                });
                if d.secret {
                    entry["secret"] = true.into();
                }
                entry
            })
            .collect();
        let mut entry = serde_json::json!({
            "urn": self.urn, "type": self.urn.type_name(), "name": self.urn.name(), "id": self.id,
            "kind": self.kind.name(), "diff": diff,
        });
        if !self.provider.is_home() {
            entry["provider"] = self.provider.0.as_str().into();
        }
        entry
    }
}

/// What looking takes.
pub(crate) struct Look<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) store: &'a dyn Store,
    pub(crate) settings: &'a Settings,
}

/// How a resource's object was seen to differ.
type Seen = BTreeMap<Urn, Drifted>;

impl Look<'_> {
    /// Compares everything that the state knows. `reading` is told how many objects that is.
    pub(crate) async fn run(&self, place: Place<'_>, reading: impl FnOnce(usize)) -> Result<Drift, EngineError> {
        let stack = place.stack;
        let Some(state) = self.store.load(stack).await? else {
            reading(0);
            return Ok(Drift::default());
        };
        own::check(&state, &place, None)?;
        places::define(self.registry, &state, None);
        places::stay(self.registry, &state).await?;
        let mut state = Arc::new(state);
        let busy = busy(&state);
        let settled = |urn: &Urn, record: &Record| !record.incomplete && !busy.contains(urn);
        reading(state.resources.iter().filter(|(urn, record)| settled(urn, record)).count());
        let read = self.read(&state, settled).await?;
        let mut drift = Drift {
            lineage: state.lineage.clone(),
            checked: read.resources as u64,
            in_progress: (state.resources.len() - read.resources) as u64,
            ..Drift::default()
        };
        drift.in_progress += state.open.values().filter(|i| !state.resources.contains_key(&i.urn)).count() as u64;
        drift.failures = read.found.failures.clone();
        let (mut seen, mut unclear) = compare(self.registry, &state, read.found)?;
        // What was seen twice, with the same record all the time, is so.
        let mut suspected: Seen = Seen::new();
        let mut pause = FIRST_PAUSE;
        for look in 0..LOOKS {
            if seen.is_empty() {
                break;
            }
            let now = self.store.load(stack).await?.unwrap_or_else(|| State::empty(""));
            let quiet = now.serial == state.serial
                && now.lineage == state.lineage
                && now.open == state.open
                && self.store.lease(stack).await?.is_none();
            let (stayed, moved) = sort_out(&state, &now, seen);
            unclear.extend(moved.unclear);
            drift.checked = drift.checked.saturating_sub(moved.gone);
            if quiet {
                drift.drifted.extend(stayed.into_values());
                seen = Seen::new();
                break;
            }
            let dangling = dangling(self.registry, &now, &stayed);
            let (moving, stayed): (Seen, Seen) = stayed.into_iter().partition(|(urn, _)| dangling.contains(urn));
            unclear.extend(moving.into_keys());
            let (sure, unsure): (Seen, Seen) = stayed.into_iter().partition(|(urn, d)| suspected.get(urn) == Some(d));
            drift.drifted.extend(sure.into_values());
            seen = unsure;
            state = Arc::new(now);
            if seen.is_empty() || look + 1 == LOOKS {
                break;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
            // The state of just before the reading is the one to compare with.
            let now = self.store.load(stack).await?.unwrap_or_else(|| State::empty(""));
            let (stayed, moved) = sort_out(&state, &now, seen);
            unclear.extend(moved.unclear);
            drift.checked = drift.checked.saturating_sub(moved.gone);
            places::define(self.registry, &now, None);
            state = Arc::new(now);
            let again = self.read(&state, |urn, _| stayed.contains_key(urn)).await?;
            drift.failures.extend(again.found.failures.iter().cloned());
            suspected = stayed;
            let (found, more) = compare(self.registry, &state, again.found)?;
            unclear.extend(more);
            seen = found;
        }
        // Still moving: the next drift tells.
        unclear.extend(seen.into_keys());
        drift.in_progress += unclear.len() as u64;
        drift.checked = drift.checked.saturating_sub((unclear.len() + drift.failures.len()) as u64);
        drift.drifted.sort_by(|a, b| a.urn.cmp(&b.urn));
        drift.failures.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(drift)
    }

    async fn read(&self, state: &State, which: impl Fn(&Urn, &Record) -> bool) -> Result<Looked, EngineError> {
        let targets = Targets::own(state, which);
        let resources = targets.len();
        // What is not finished is not read, so nothing needs time to show itself.
        let found = targets.read(self.registry, self.settings.read_timeout(), Duration::ZERO).await?;
        Ok(Looked { resources, found })
    }
}

struct Looked {
    resources: usize,
    found: Observations,
}

/// The resources that an open intent is about.
fn busy(state: &State) -> BTreeSet<Urn> {
    state.open.values().map(|intent| intent.urn.clone()).collect()
}

/// What came of suspicions as the state moved on.
#[derive(Default)]
struct Moved {
    /// A run has changed these, or is at work on them.
    unclear: BTreeSet<Urn>,
    /// How many the state does not know any more.
    gone: u64,
}

/// Which suspicions are still about the objects that the state knows, untouched by any run.
fn sort_out(before: &State, now: &State, seen: Seen) -> (Seen, Moved) {
    let (mut stayed, mut moved) = (Seen::new(), Moved::default());
    let busy = busy(now);
    let replaced = Replaced::new(before, now);
    for (urn, drifted) in seen {
        match (before.resources.get(&urn), now.resources.get(&urn)) {
            (_, None) => moved.gone += 1,
            (Some(old), Some(new)) if unmoved(old, new) && !busy.contains(&urn) && !replaced.under(&urn) => {
                stayed.insert(urn, drifted);
            }
            _ => {
                moved.unclear.insert(urn);
            }
        }
    }
    (stayed, moved)
}

/// Whether two records tell of the same object and the same last change by phx. What a refresh has seen of it meanwhile does not matter.
fn unmoved(old: &Record, new: &Record) -> bool {
    old.id == new.id
        && old.provider == new.provider
        && old.inputs == new.inputs
        && old.uncertain == new.uncertain
        && old.incomplete == new.incomplete
}

/// What a run is deleting or making, so that what depends on it may vanish with it or lose its reference to it, which is recorded only
/// afterwards.
struct Replaced<'a> {
    before: &'a State,
    now: &'a State,
    urns: BTreeSet<&'a Urn>,
}

impl<'a> Replaced<'a> {
    fn new(before: &'a State, now: &'a State) -> Self {
        let open = before.open.values().chain(now.open.values());
        let replaces = |change: &Change| matches!(change, Change::Create { .. } | Change::Delete { .. });
        let urns = open.filter(|intent| replaces(&intent.change)).map(|intent| &intent.urn).collect();
        Self { before, now, urns }
    }

    /// Whether anything that the resource needs, and what that needs, is not the object any more that it was, or may not be.
    fn under(&self, urn: &Urn) -> bool {
        let (mut known, mut to_see) = (BTreeSet::new(), vec![urn]);
        while let Some(urn) = to_see.pop() {
            for needed in self.before.resources.get(urn).into_iter().flat_map(|record| &record.depends_on) {
                if !known.insert(needed) {
                    continue;
                }
                let id = |state: &'a State| state.resources.get(needed).map(|record| record.id.as_str());
                if self.urns.contains(needed) || id(self.before).is_none() || id(self.before) != id(self.now) {
                    return true;
                }
                to_see.push(needed);
            }
        }
        false
    }
}

/// Those that differ in a reference to what the state has no more: the run has replaced that, and comes to these next.
fn dangling(registry: &Registry, state: &State, seen: &Seen) -> BTreeSet<Urn> {
    let suspects: Vec<_> = seen
        .values()
        .filter_map(|d| Some((d, registry.get(d.urn.type_name())?.schema())))
        .map(|(d, schema)| {
            let refers = |diff: &&FieldDiff| {
                let head = diff.path.split(['.', '[']).next().unwrap_or_default();
                schema.field(head).is_some_and(|field| has_id(&field.kind))
            };
            let mut lost = BTreeSet::new();
            d.diff.iter().filter(refers).for_each(|diff| texts(&diff.before, &mut lost));
            (&d.urn, lost)
        })
        .filter(|(_, lost)| !lost.is_empty())
        .collect();
    if suspects.is_empty() {
        return BTreeSet::new();
    }
    let mut known = BTreeSet::new();
    for record in state.resources.values() {
        known.insert(record.id.as_str());
        record.outputs.values().for_each(|value| texts(value, &mut known));
    }
    let dangles = |lost: &BTreeSet<&str>| lost.iter().any(|id| !known.contains(id));
    suspects.into_iter().filter(|(_, lost)| dangles(lost)).map(|(urn, _)| urn.clone()).collect()
}

fn has_id(kind: &Kind) -> bool {
    match kind {
        Kind::Id(_) => true,
        Kind::List(inner) | Kind::Map(inner) => has_id(inner),
        Kind::Block(parts) => parts.iter().any(|part| has_id(&part.kind)),
        _ => false,
    }
}

fn texts<'a>(value: &'a Value, into: &mut BTreeSet<&'a str>) {
    match value.expose() {
        Value::String(text) => {
            into.insert(text);
        }
        Value::List(items) => items.iter().for_each(|item| texts(item, into)),
        Value::Map(fields) => fields.values().for_each(|field| texts(field, into)),
        _ => {}
    }
}

/// What was read, against what was last set. Beside it the resources that differ only in fields of which it is not known what phx has set.
fn compare(registry: &Registry, state: &State, found: Observations) -> Result<(Seen, BTreeSet<Urn>), EngineError> {
    let (mut seen, mut unclear) = (Seen::new(), BTreeSet::new());
    for (urn, id) in found.gone {
        let provider = state.resources.get(&urn).map(|r| r.provider.clone()).unwrap_or_default();
        seen.insert(urn.clone(), Drifted { urn, id, provider, kind: DriftKind::Missing, diff: Vec::new() });
    }
    let mut changed: BTreeMap<Urn, Box<Record>> = BTreeMap::new();
    for entry in found.entries {
        if let Entry::Recorded { urn, record } = entry {
            changed.insert(urn, record);
        }
    }
    for urn in found.drifted {
        let Some(record) = state.resources.get(&urn) else { continue };
        let driver = registry
            .get(urn.type_name())
            .ok_or_else(|| EngineError::UnknownType { urn: urn.clone(), type_name: urn.type_name().to_owned() })?;
        // What was recorded before as seen is not among the entries.
        let drift = changed.get(&urn).map_or(&record.drift, |new| &new.drift);
        let mut diff = differences(driver.schema(), record, drift);
        if diff.is_empty() {
            unclear.insert(urn);
            continue;
        }
        if !record.ignore_changes.is_empty() {
            diff = not_ignored(driver.schema(), record, drift);
        }
        if !diff.is_empty() {
            let id = record.id.clone();
            seen.insert(
                urn.clone(),
                Drifted { urn, id, provider: record.provider.clone(), kind: DriftKind::Changed, diff },
            );
        }
    }
    Ok((seen, unclear))
}

/// The differences, but those in what the program leaves alone: there it is as if phx had set what is there now, just as a plan sees it.
fn not_ignored(schema: &'static Schema, record: &Record, drift: &ValueMap) -> Vec<FieldDiff> {
    let seen = Record { drift: drift.clone(), ..record.clone() };
    let mut inputs = record.inputs.clone();
    diff::as_seen(&mut inputs, &seen, &record.ignore_changes);
    let still = drift.iter().filter(|(name, seen)| {
        schema.field(name).is_some_and(|field| !satisfied(field, inputs.get(name).unwrap_or(&Value::Null), seen))
    });
    let still = still.map(|(name, seen)| (name.clone(), seen.clone())).collect();
    differences(schema, &Record { inputs, ..seen }, &still)
}

/// Whether what was seen of an object differs in more than the program leaves alone.
pub(crate) fn counts(schema: &'static Schema, record: &Record) -> bool {
    if record.drift.is_empty() || record.ignore_changes.is_empty() {
        return !record.drift.is_empty();
    }
    let known = Record { uncertain: BTreeSet::new(), ..record.clone() };
    !not_ignored(schema, &known, &record.drift).is_empty()
}

/// The differences of an object, as fine as they can be named. Of an uncertain field nobody can say who has changed it.
fn differences(schema: &'static Schema, record: &Record, drift: &ValueMap) -> Vec<FieldDiff> {
    let mut out = Vec::new();
    for field in schema.fields.iter().filter(|f| !record.uncertain.contains(f.name)) {
        let Some(seen) = drift.get(field.name) else { continue };
        let set = record.inputs.get(field.name).unwrap_or(&Value::Null);
        let from = out.len();
        walk(&mut out, field.name, field, set, seen, field.secret);
        if out.len() == from {
            // They differ as a whole and in no part that has a name.
            push(&mut out, field.name, set, seen, field.secret);
        }
    }
    out
}

/// Goes down to what differs. `set` is phx's, `seen` is the cloud's.
fn walk(out: &mut Vec<FieldDiff>, path: &str, field: &Field, set: &Value, seen: &Value, secret: bool) {
    let agrees = if set.is_empty() { field.cloud_default || seen.is_empty() } else { satisfied(field, set, seen) };
    if agrees {
        return;
    }
    let secret = secret || field.secret || set.has_secret() || seen.has_secret();
    if secret || field.normalize.is_some() {
        return push(out, path, set, seen, secret);
    }
    let none = ValueMap::new();
    match (&field.kind, set, seen) {
        (Kind::Map(inner), Value::Map(_) | Value::Null, Value::Map(_) | Value::Null) => {
            let (set, seen) = (fields(set, &none), fields(seen, &none));
            let entry = part(field, **inner);
            let keys: BTreeSet<&Text> = set.keys().chain(seen.keys()).collect();
            for key in keys {
                let (set, seen) = (set.get(key).unwrap_or(&Value::Null), seen.get(key).unwrap_or(&Value::Null));
                walk(out, &format!("{path}.{key}"), &entry, set, seen, false);
            }
        }
        (Kind::Block(parts), Value::Map(set), Value::Map(seen)) => {
            for part in parts.iter() {
                let of = |fields: &ValueMap| fields.get(part.name).cloned().unwrap_or_default();
                walk(out, &format!("{path}.{}", part.name), part, &of(set), &of(seen), false);
            }
        }
        (Kind::List(inner), Value::List(_) | Value::Null, Value::List(_) | Value::Null) if field.set => {
            members(out, path, &part(field, **inner), items(set), items(seen));
        }
        (Kind::List(inner), Value::List(set), Value::List(seen)) if set.len() == seen.len() => {
            let item = part(field, **inner);
            for (at, (set, seen)) in set.iter().zip(seen).enumerate() {
                walk(out, &format!("{path}[{at}]"), &item, set, seen, false);
            }
        }
        _ => push(out, path, set, seen, false),
    }
}

/// What a set has lost and what it has gained, each member on its own: those that are texts or numbers by themselves, others by their places.
fn members(out: &mut Vec<FieldDiff>, path: &str, item: &Field, set: &[Value], seen: &[Value]) {
    // By their canonical forms, and as often as they occur.
    let mut left: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, value) in seen.iter().enumerate() {
        left.entry(key(item, value)).or_default().push(at);
    }
    for places in left.values_mut() {
        places.reverse();
    }
    let mut lost = Vec::new();
    for (at, value) in set.iter().enumerate() {
        if left.get_mut(&key(item, value)).and_then(Vec::pop).is_none() {
            lost.push(at);
        }
    }
    let mut gained: Vec<usize> = left.into_values().flatten().collect();
    gained.sort_unstable();
    // Members that differ only in what the cloud fills in are the same ones.
    lost.retain(|&lost| match gained.iter().position(|&gained| satisfied(item, &set[lost], &seen[gained])) {
        Some(at) => {
            gained.remove(at);
            false
        }
        None => true,
    });
    if let (Kind::Block(_), [lost], [gained]) = (item.kind, &lost[..], &gained[..]) {
        return walk(out, &format!("{path}[{lost}]"), item, &set[*lost], &seen[*gained], false);
    }
    let name = |at: usize, value: &Value| match value {
        Value::String(text) => format!("{path}[{text}]"),
        Value::Int(number) => format!("{path}[{number}]"),
        _ => format!("{path}[{at}]"),
    };
    for at in lost {
        push(out, &name(at, &set[at]), &set[at], &Value::Null, false);
    }
    for at in gained {
        push(out, &name(at, &seen[at]), &Value::Null, &seen[at], false);
    }
}

fn key(item: &Field, value: &Value) -> String {
    // Nothing secret comes here, and what is recorded is known; so the plain form is the whole of it.
    canonical(item, value).to_redacted_json().to_string()
}

/// An entry of a map or an item of a list as a field of its own.
fn part(field: &Field, kind: Kind) -> Field {
    Field { kind, set: false, normalize: None, cloud_default: false, ..*field }
}

fn fields<'a>(value: &'a Value, none: &'a ValueMap) -> &'a ValueMap {
    if let Value::Map(fields) = value { fields } else { none }
}

fn items(value: &Value) -> &[Value] {
    if let Value::List(items) = value { items } else { &[] }
}

fn push(out: &mut Vec<FieldDiff>, path: &str, before: &Value, after: &Value, secret: bool) {
    let value = |v: &Value| if secret && *v != Value::Null { v.clone().secret() } else { v.clone() };
    out.push(FieldDiff {
        path: path.to_owned(),
        before: value(before),
        after: value(after),
        forces_replace: false,
        secret,
    });
}

#[cfg(test)]
mod tests;
