//! Where values stand in a state and in an entry.

use phx_model::state::{Change, Entry, Outcome, Record, State};
use phx_model::{Value, ValueMap};

use super::seal::{Place, Refused};

/// What stands for a URN with the stack's own outputs. No URN is called so.
pub(super) const OUTPUTS: &str = "outputs";
/// The same with its configured secrets.
pub(super) const SECRETS: &str = "secrets";

/// What is done to each value.
pub(super) type Work<'a> = dyn FnMut(&Place<'_>, &mut Value) -> Result<(), Refused> + 'a;

/// Works on every value of a record.
pub(super) fn record(urn: &str, record: &mut Record, work: &mut Work<'_>) -> Result<(), Refused> {
    map(urn, "inputs", &mut record.inputs, work)?;
    map(urn, "outputs", &mut record.outputs, work)?;
    map(urn, "drift", &mut record.drift, work)?;
    let triggers = Place::new(urn, "replace_on");
    record.replace_on.iter_mut().enumerate().try_for_each(|(at, value)| work(&triggers.item(at), value))
}

fn map(urn: &str, part: &str, values: &mut ValueMap, work: &mut Work<'_>) -> Result<(), Refused> {
    let place = Place::new(urn, part);
    values.iter_mut().try_for_each(|(name, value)| work(&place.field(name), value))
}

fn named(what: &str, values: &mut ValueMap, work: &mut Work<'_>) -> Result<(), Refused> {
    values.iter_mut().try_for_each(|(name, value)| work(&Place::named(what, name), value))
}

fn change(urn: &str, change: &mut Change, work: &mut Work<'_>) -> Result<(), Refused> {
    match change {
        Change::Create { record: r } | Change::Update { record: r, .. } => record(urn, r, work),
        Change::Finish | Change::Delete { .. } => Ok(()),
    }
}

/// Works on every value of a state.
pub(super) fn state(state: &mut State, work: &mut Work<'_>) -> Result<(), Refused> {
    for (urn, r) in &mut state.resources {
        record(urn.as_str(), r, work)?;
    }
    for deposed in &mut state.deposed {
        record(deposed.urn.as_str(), &mut deposed.record, work)?;
    }
    for intent in state.open.values_mut() {
        change(intent.urn.as_str(), &mut intent.change, work)?;
    }
    named(OUTPUTS, &mut state.outputs, work)?;
    named(SECRETS, &mut state.secrets, work)
}

/// Works on every value of an entry. `urn` is that of the intent whose result it is, if it is one.
pub(super) fn entry(entry: &mut Entry, urn: Option<&str>, work: &mut Work<'_>) -> Result<(), Refused> {
    match entry {
        Entry::Intent(intent) => change(intent.urn.as_str(), &mut intent.change, work),
        Entry::Done { intent, outcome } => {
            let (Outcome::Created { outputs, .. } | Outcome::Applied { outputs: Some(outputs) }) = outcome else {
                return Ok(());
            };
            let urn = urn.ok_or_else(|| Refused {
                place: format!("the result of intent {intent}"),
                why: "no such intent is open, so it is not known whose secret this is".into(),
            })?;
            map(urn, "outputs", outputs, work)
        }
        Entry::Recorded { urn, record: r } => record(urn.as_str(), r, work),
        Entry::Moved { to, record: r, deposed, .. } => {
            record(to.as_str(), r, work)?;
            deposed.iter_mut().try_for_each(|r| record(to.as_str(), r, work))
        }
        Entry::Outputs { outputs } => named(OUTPUTS, outputs, work),
        Entry::Secret { name, value: Some(value) } => work(&Place::named(SECRETS, name), value),
        Entry::Secret { value: None, .. }
        | Entry::Began { .. }
        | Entry::Forgotten { .. }
        | Entry::Renamed { .. }
        | Entry::Key { .. }
        | Entry::Provider { .. }
        | Entry::Took { .. } => Ok(()),
    }
}

/// Whether any value of a record passes the test.
pub(super) fn record_has(record: &Record, test: fn(&Value) -> bool) -> bool {
    let values = record.inputs.values().chain(record.outputs.values()).chain(record.drift.values());
    values.chain(&record.replace_on).any(test)
}

fn change_has(change: &Change, test: fn(&Value) -> bool) -> bool {
    match change {
        Change::Create { record } | Change::Update { record, .. } => record_has(record, test),
        Change::Finish | Change::Delete { .. } => false,
    }
}

/// Whether any value of a state passes the test.
pub(super) fn state_has(state: &State, test: fn(&Value) -> bool) -> bool {
    state.resources.values().any(|r| record_has(r, test))
        || state.deposed.iter().any(|d| record_has(&d.record, test))
        || state.open.values().any(|i| change_has(&i.change, test))
        || state.outputs.values().chain(state.secrets.values()).any(test)
}

/// Whether any value of an entry passes the test.
pub(super) fn entry_has(entry: &Entry, test: fn(&Value) -> bool) -> bool {
    match entry {
        Entry::Intent(intent) => change_has(&intent.change, test),
        Entry::Done { outcome, .. } => match outcome {
            Outcome::Created { outputs, .. } | Outcome::Applied { outputs: Some(outputs) } => {
                outputs.values().any(test)
            }
            Outcome::Applied { outputs: None } | Outcome::Deleted | Outcome::Failed { .. } | Outcome::Abandoned => {
                false
            }
        },
        Entry::Recorded { record, .. } => record_has(record, test),
        Entry::Moved { record, deposed, .. } => record_has(record, test) || deposed.iter().any(|r| record_has(r, test)),
        Entry::Outputs { outputs } => outputs.values().any(test),
        Entry::Secret { value, .. } => value.as_ref().is_some_and(test),
        Entry::Began { .. }
        | Entry::Forgotten { .. }
        | Entry::Renamed { .. }
        | Entry::Key { .. }
        | Entry::Provider { .. }
        | Entry::Took { .. } => false,
    }
}
