//! Adopting an object that is there already.

use std::fmt::Write as _;

use phx_model::driver::Read;
use phx_model::provider::Home;
use phx_model::stack::Declared;
use phx_model::state::{ProviderKey, Record, State};
use phx_model::value::REDACTED;
use phx_model::{Program, Urn, Value, ValueMap};
use rustc_hash::FxHashMap;

use super::{PlanError, Planner, triggers};
use crate::diff;
use crate::plan::{FieldDiff, Op, Step};

/// Which objects are whose. Only looked up in, never gone through: so its order does not show.
pub(super) struct Owners<'a> {
    by_id: FxHashMap<&'a str, Vec<(&'a Urn, &'a ProviderKey)>>,
    home: &'a Home,
}

impl<'a> Owners<'a> {
    /// Those of the state, if the program adopts anything. What is retained and has left the program is let go, and free to be adopted.
    pub(super) fn new(program: &'a Program, state: &'a State, index: &FxHashMap<&Urn, usize>) -> Self {
        let mut owners = Self { by_id: FxHashMap::default(), home: &program.home };
        if program.resources.iter().any(|declared| declared.options.import.is_some()) {
            let own = state.resources.iter().filter(|(urn, record)| index.contains_key(*urn) || !record.retain);
            let old = state.deposed.iter().filter(|d| !d.record.retain).map(|d| (&d.urn, &d.record));
            for (urn, record) in own.chain(old) {
                owners.by_id.entry(&record.id).or_default().push((urn, &record.provider));
            }
        }
        owners
    }

    /// Gives the object of an id to a resource, or says whose it is already.
    fn take(&mut self, declared: &'a Declared, id: &'a str) -> Option<&'a Urn> {
        let (urn, place) = (&declared.urn, &declared.options.provider);
        let owners = self.by_id.entry(id).or_default();
        let is_same = |(other, there): &&(&'a Urn, &'a ProviderKey)| {
            other.type_name() == urn.type_name() && there.is_where(place, self.home)
        };
        let other = owners.iter().find(is_same).map(|(other, _)| *other);
        owners.push((urn, place));
        other
    }
}

impl<'a> Planner<'a> {
    /// Plans to make the object of this id the resource's.
    pub(super) fn adopt(
        &mut self,
        step: &mut Step,
        declared: &'a Declared,
        mut desired: ValueMap,
        id: &'a str,
    ) -> Result<(), PlanError> {
        let urn = &declared.urn;
        if let Some(other) = self.owners.take(declared, id) {
            return Err(PlanError::AdoptedTwice { urn: urn.clone(), id: id.to_owned(), other: other.clone() });
        }
        let Some(Read::Present(observed)) = self.input.adoptable.get(urn) else {
            return Err(PlanError::NothingToAdopt { urn: urn.clone(), id: id.to_owned() });
        };
        let mut record = Record {
            id: id.to_owned(),
            provider: declared.options.provider.clone(),
            // Only what the program sets becomes phx's; the rest stays whoever's it is.
            inputs: observed
                .fields
                .iter()
                .filter(|(k, _)| desired.contains_key(*k))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
            outputs: observed.outputs.clone(),
            depends_on: step.depends_on.clone(),
            protect: declared.options.protect,
            retain: declared.options.retain,
            ..Record::default()
        };
        diff::ignore(&mut desired, &record, &declared.options.ignore_changes);
        step.reasons.push(format!("{id} exists and becomes this stack's"));
        for field in declared.schema.fields.iter().filter(|f| f.write_only && f.replace) {
            // Nobody will ever see what the object has there, and it was made with it for good: the program's word is all there is.
            let Some(value) = desired.get(field.name).filter(|v| !v.is_empty() && !v.has_unknown()) else { continue };
            record.inputs.insert(field.name, value.clone());
            step.reasons.push(format!("{} cannot be read, and is taken to be as the program says", field.name));
        }
        let changes = diff::changed(declared.schema, &desired, &record);
        step.diff = diff::describe(&changes);
        let wrong: Vec<&FieldDiff> = step.diff.iter().filter(|d| d.forces_replace).collect();
        if !wrong.is_empty() {
            let mut fields = String::new();
            for d in wrong {
                let shown = |value: &Value| if d.secret { REDACTED.to_owned() } else { format!("{value:?}") };
                let (before, after) = (shown(&d.before), shown(&d.after));
                let _ = write!(fields, "{} is {before} and would become {after}; ", d.path);
            }
            let fields = fields.trim_end_matches("; ").to_owned();
            return Err(PlanError::AdoptedDiffers { urn: urn.clone(), id: id.to_owned(), fields });
        }
        record.replace_on = triggers(declared, &self.outputs)?;
        step.op = Op::Adopt;
        step.id = Some(id.to_owned());
        step.adopted = Some(Box::new(record));
        Ok(())
    }
}
