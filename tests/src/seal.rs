//! Sealing of secrets, as a store with a key would do it, so that programs with secrets can be run. This is a disguise and no encryption.

use phx_model::state::{Change, Deposed, Entry, Intent, Outcome, Record, State};
use phx_model::{Value, ValueMap};

const MARK: &str = "sim:sealed";
const MASK: u8 = 0xa5;

/// The state with its secrets sealed.
pub fn seal_state(state: &State) -> State {
    map_state(state, &seal)
}

/// The state with its secrets readable again.
pub fn unseal_state(state: &State) -> State {
    map_state(state, &unseal)
}

/// The entry with its secrets sealed.
pub fn seal_entry(entry: &Entry) -> Entry {
    map_entry(entry, &seal)
}

/// The entry with its secrets readable again.
pub fn unseal_entry(entry: &Entry) -> Entry {
    map_entry(entry, &unseal)
}

fn map_entry(entry: &Entry, f: &impl Fn(&Value) -> Value) -> Entry {
    match entry.clone() {
        Entry::Intent(intent) => Entry::Intent(map_intent(&intent, f)),
        Entry::Done { intent, outcome } => Entry::Done {
            intent,
            outcome: match outcome {
                Outcome::Created { id, outputs, complete } => {
                    Outcome::Created { id, outputs: map(&outputs, f), complete }
                }
                Outcome::Applied { outputs } => Outcome::Applied { outputs: outputs.map(|o| map(&o, f)) },
                other => other,
            },
        },
        Entry::Recorded { urn, record } => Entry::Recorded { urn, record: Box::new(map_record(&record, f)) },
        Entry::Outputs { outputs } => Entry::Outputs { outputs: map(&outputs, f) },
        other => other,
    }
}

fn map_state(state: &State, f: &impl Fn(&Value) -> Value) -> State {
    State {
        resources: state.resources.iter().map(|(urn, r)| (urn.clone(), map_record(r, f))).collect(),
        deposed: state
            .deposed
            .iter()
            .map(|d| Deposed { urn: d.urn.clone(), record: map_record(&d.record, f) })
            .collect(),
        open: state.open.iter().map(|(id, i)| (id.clone(), map_intent(i, f))).collect(),
        outputs: map(&state.outputs, f),
        ..state.clone()
    }
}

fn map_intent(intent: &Intent, f: &impl Fn(&Value) -> Value) -> Intent {
    let change = match intent.change.clone() {
        Change::Create { record } => Change::Create { record: Box::new(map_record(&record, f)) },
        Change::Update { fields, record } => Change::Update { fields, record: Box::new(map_record(&record, f)) },
        other => other,
    };
    Intent { change, ..intent.clone() }
}

fn map_record(record: &Record, f: &impl Fn(&Value) -> Value) -> Record {
    Record {
        inputs: map(&record.inputs, f),
        outputs: map(&record.outputs, f),
        drift: map(&record.drift, f),
        replace_on: record.replace_on.iter().map(f).collect(),
        ..record.clone()
    }
}

fn map(values: &ValueMap, f: &impl Fn(&Value) -> Value) -> ValueMap {
    values.iter().map(|(k, v)| (k.clone(), f(v))).collect()
}

fn seal(value: &Value) -> Value {
    match value {
        Value::Secret(inner) => {
            let text = inner.to_plain_json().unwrap_or_default().to_string();
            let sealed = text.bytes().map(|b| Value::Int(i64::from(b ^ MASK))).collect();
            Value::Map([(MARK.to_owned(), Value::List(sealed))].into())
        }
        Value::List(items) => Value::List(items.iter().map(seal).collect()),
        Value::Map(fields) => Value::Map(map(fields, &seal)),
        other => other.clone(),
    }
}

fn unseal(value: &Value) -> Value {
    match value {
        Value::Map(fields) => match fields.get(MARK) {
            Some(Value::List(sealed)) => {
                let byte =
                    |v: &Value| if let Value::Int(i) = v { u8::try_from(*i).unwrap_or_default() ^ MASK } else { 0 };
                let bytes: Vec<u8> = sealed.iter().map(byte).collect();
                let json =
                    serde_json::from_slice::<serde_json::Value>(&bytes).expect("a sealed value is as it was sealed");
                Value::from(json).secret()
            }
            _ => Value::Map(map(fields, &unseal)),
        },
        Value::List(items) => Value::List(items.iter().map(unseal).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_can_be_stored_and_read_again() {
        let secret = Value::List(vec![Value::String("canary-x".into()).secret(), Value::Int(1)]);
        let sealed = seal(&secret);
        assert!(!serde_json::to_string(&sealed).unwrap().contains("canary"));
        assert_eq!(unseal(&sealed), secret);
    }
}
