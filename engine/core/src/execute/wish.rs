//! What is wanted of a resource, once the outputs that it refers to are known.
#![allow(clippy::result_large_err)] // as in `step`

use std::collections::BTreeMap;

use phx_model::driver::Delta;
use phx_model::error::ErrorKind;
use phx_model::expr::Env;
use phx_model::map::Urns;
use phx_model::schema::Schema;
use phx_model::stack::Declared;
use phx_model::state::{Record, State};
use phx_model::{CloudError, Urn, Value, ValueMap};

use crate::diff;
use crate::planner;

/// The program's resources by name.
pub(super) type Index<'a> = std::collections::HashMap<&'a Urn, &'a Declared>;

/// The outputs that are recorded. An output that the type has and the object hasn't is null, once the object is finished: what is not may still
/// get it.
pub(super) struct Recorded<'a> {
    pub(super) state: &'a State,
    pub(super) index: &'a Index<'a>,
}

impl Env for Recorded<'_> {
    fn output(&self, urn: &Urn, output: &str) -> Option<Value> {
        let record = self.state.resources.get(urn)?;
        if let Some(value) = record.outputs.get(output) {
            return Some(value.clone());
        }
        if record.incomplete {
            return None;
        }
        let declared = self.index.get(urn)?;
        declared.schema.outputs.iter().any(|o| o.name == output).then_some(Value::Null)
    }

    fn configured(&self, name: &str) -> Option<Value> {
        self.state.secrets.get(name).cloned()
    }
}

/// What the program wants a resource to be.
pub(super) struct Wish {
    inputs: ValueMap,
    triggers: Vec<Value>,
}

impl Changes {
    /// A field that cannot be changed in place.
    pub(super) fn replaced(&self, schema: &'static Schema) -> Option<String> {
        self.fields.iter().find_map(|(name, delta)| diff::replaced_by(schema.field(name)?, &delta.before, &delta.after))
    }
}

impl Wish {
    /// Works out the expressions.
    pub(super) fn resolve(declared: &Declared, env: &Recorded<'_>) -> Result<Self, CloudError> {
        let error = |error: planner::PlanError| {
            let hint = "look at what the resource that it refers to has come to with `phx state show`";
            CloudError::local(ErrorKind::Invalid, error.to_string()).hint(hint)
        };
        let inputs = planner::inputs(declared, env).map_err(error)?;
        let triggers = planner::triggers(declared, env).map_err(error)?;
        Ok(Self { inputs, triggers })
    }

    /// The record of a new object.
    pub(super) fn new_record(self, declared: &Declared, depends_on: &Urns) -> Record {
        with_options(Record::default(), declared, depends_on, self)
    }

    /// Whether an object would share with a recorded one what no two of its type may.
    pub(super) fn shares_name(&self, declared: &Declared, record: &Record) -> bool {
        planner::shares_name(declared.schema, record, &self.inputs)
    }

    /// What has to change about an object, and its record once that is done.
    pub(super) fn change(mut self, declared: &Declared, depends_on: &Urns, record: &Record) -> Changes {
        diff::ignore(&mut self.inputs, record, &declared.options.ignore_changes);
        let changed = diff::changed(declared.schema, &self.inputs, record);
        let fields: BTreeMap<String, Delta> = changed
            .into_iter()
            .map(|c| (c.field.name.to_owned(), Delta { before: c.before, after: c.after }))
            .collect();
        let mut new = record.clone();
        new.uncertain.retain(|name| !fields.contains_key(name));
        new.hidden.retain(|name| !fields.contains_key(name));
        // What someone else set and the program never did stays as it is, and stays recorded.
        new.drift.retain(|name, _| {
            let unset = |values: &ValueMap| values.get(name).is_none_or(Value::is_empty);
            unset(&record.inputs) && unset(&self.inputs)
        });
        let new = with_options(new, declared, depends_on, self);
        Changes { fields, record: new }
    }
}

/// What has to change about an object.
pub(super) struct Changes {
    /// The fields that a call must change. May be empty.
    pub(super) fields: BTreeMap<String, Delta>,
    /// The record once they are.
    pub(super) record: Record,
}

fn with_options(record: Record, declared: &Declared, depends_on: &Urns, wish: Wish) -> Record {
    let options = &declared.options;
    Record {
        // Another name for the same place at most: what moves is replaced.
        provider: options.provider.clone(),
        inputs: wish.inputs,
        depends_on: depends_on.clone(),
        protect: options.protect,
        retain: options.retain,
        replace_on: wish.triggers,
        ignore_changes: options.ignore_changes.clone(),
        delete_timeout: options.timeouts.delete.map(|t| t.as_secs().max(1)),
        ..record
    }
}
