//! From a program and what is there to a plan. A pure function: the same inputs give the same plan, byte for byte.

use std::collections::{BTreeMap, BTreeSet};

use phx_model::driver::Read;
use phx_model::expr::{Env, EvalError};
use phx_model::map::Urns;
use phx_model::schema::{OutputField, Schema, canonical};
use phx_model::stack::Declared;
use phx_model::state::{Record, State};
use phx_model::urn::{NameError, ProjectName, StackName};
use phx_model::{Program, Urn, Value, ValueMap};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::diff::{self, Changed};
use crate::graph::{Graph, GraphError};
use crate::needs::needs;
use crate::plan::{Op, Plan, ReplaceOrder, Step};

mod adopt;
mod hash;

use adopt::Owners;
pub use hash::program_hash;

/// What a plan is made for.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// Plan for these only, and for what they depend on (in a destroy: what depends on them). Empty: for all.
    pub targets: Vec<Urn>,
    /// Replace these though nothing about them changes.
    pub replace: Vec<Urn>,
}

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// What is wanted.
    pub program: &'a Program,
    /// What is there: after a refresh, and after [`renames`].
    pub state: &'a State,
    /// Objects that the refresh did not find any more, with the ids they had.
    pub gone: &'a BTreeMap<Urn, String>,
    /// What was found under the ids of the `import` option.
    pub adoptable: &'a BTreeMap<Urn, Read>,
    /// For what.
    pub options: &'a PlanOptions,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// The program does not hang together.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// An alias is not a name.
    #[error("{urn}: the alias cannot be used: {error}")]
    Alias {
        /// The resource.
        urn: Urn,
        /// Why.
        error: NameError,
    },
    /// An input has no value.
    #[error("{urn}: {field}: {error}")]
    Input {
        /// The resource.
        urn: Urn,
        /// The field.
        field: String,
        /// Why.
        error: EvalError,
    },
    /// An export has no value.
    #[error("the export {name:?}: {error}")]
    Export {
        /// The export.
        name: String,
        /// Why.
        error: EvalError,
    },
    /// Protected objects would be deleted or replaced.
    #[error(
        "these are protected, and this would delete them:\n{}\n  hint: take `protect` off in the program, run `up`, then try again",
        .0.iter().map(|(urn, why)| format!("  {urn}: {why}")).collect::<Vec<_>>().join("\n")
    )]
    Protected(Vec<(Urn, String)>),
    /// The object to adopt is not there.
    #[error(
        "{urn}: there is no object {id:?} to adopt\n  hint: check the id and the region, or take the `import` option away to create one"
    )]
    NothingToAdopt {
        /// The resource.
        urn: Urn,
        /// The id.
        id: String,
    },
    /// The object to adopt is too different.
    #[error(
        "{urn}: {id:?} cannot be adopted, since it would have to be replaced to fit the program: {fields}\n  hint: set these fields to what the object has"
    )]
    AdoptedDiffers {
        /// The resource.
        urn: Urn,
        /// The id.
        id: String,
        /// The fields, with their values.
        fields: String,
    },
    /// The object to adopt is another resource's.
    #[error(
        "{urn}: {id:?} cannot be adopted, since it is the object of {other}, and what is done about one of the two would be done to the other\n  hint: if the resource only goes by another name now, give it the `alias` option with its old name instead of `import`"
    )]
    AdoptedTwice {
        /// The resource.
        urn: Urn,
        /// The id.
        id: String,
        /// Whose object it is.
        other: Urn,
    },
    /// A target is not a resource of the program or the state.
    #[error("{0} is neither in the program nor in the state\n  hint: `phx state list` and `phx preview` show the URNs")]
    UnknownTarget(Urn),
    /// A resource is to be replaced and is not among the targets.
    #[error(
        "{0} is to be replaced, and the targets leave it out\n  hint: name it with `--target` as well, or leave the targets out"
    )]
    ReplaceNotTargeted(Urn),
}

/// The resources that go by a new name, old to new: those of which the state knows an alias and not the name.
pub fn renames(program: &Program, state: &State) -> Result<Vec<(Urn, Urn)>, PlanError> {
    let declared: FxHashSet<&Urn> = program.resources.iter().map(|d| &d.urn).collect();
    let mut taken = BTreeSet::new();
    let mut found = Vec::new();
    for resource in &program.resources {
        for alias in &resource.options.aliases {
            let old = if alias.starts_with("urn:") {
                Urn::parse(alias)
            } else {
                Urn::new(&program.project, &program.stack, resource.schema.type_name, alias)
            };
            let wrong = |error| PlanError::Alias { urn: resource.urn.clone(), error };
            let old = old.map_err(wrong)?;
            let free = !declared.contains(&old) && state.resources.contains_key(&old);
            if free && old.type_name() != resource.schema.type_name {
                // Looked for as what it is not, its object would seem to be gone.
                let why = format!("it names a {}, and this is a {}", old.type_name(), resource.schema.type_name);
                return Err(wrong(NameError { what: "the name", given: alias.clone(), why }));
            }
            if free && !state.resources.contains_key(&resource.urn) && taken.insert(old.clone()) {
                found.push((old, resource.urn.clone()));
                break;
            }
        }
    }
    Ok(found)
}

/// The plan of an `up`.
pub fn plan(input: &PlanInput<'_>) -> Result<Plan, PlanError> {
    let graph = Graph::new(input.program)?;
    let index = index(input.program);
    Planner::new(input, &graph, &index)?.plan()
}

/// The places of a program's resources.
fn index(program: &Program) -> FxHashMap<&Urn, usize> {
    program.resources.iter().enumerate().map(|(at, declared)| (&declared.urn, at)).collect()
}

/// What is known of a resource's outputs at this point of the plan.
enum Known<'a> {
    /// It is new.
    Nothing,
    /// It stays.
    All(&'a ValueMap),
    /// It is changed in place, in these fields: all but the volatile ones that go by one of them.
    Stable(&'a ValueMap, Vec<String>),
    /// Its creation is finished first: those that it has so far, but the volatile ones.
    SoFar(&'a ValueMap),
}

struct Outputs<'a> {
    secrets: &'a ValueMap,
    /// The places of the resources in the program. Only looked up in, never gone through: so its order does not show.
    index: &'a FxHashMap<&'a Urn, usize>,
    /// By place; `None` for a resource that has not been come to yet.
    known: Vec<Option<(Known<'a>, &'static [OutputField])>>,
}

impl Env for Outputs<'_> {
    fn output(&self, urn: &Urn, output: &str) -> Option<Value> {
        let (known, fields) = self.known[*self.index.get(urn)?].as_ref()?;
        let field = fields.iter().find(|f| f.name == output)?;
        Some(match known {
            Known::Nothing => Value::Unknown,
            Known::SoFar(_) if field.volatile => Value::Unknown,
            Known::Stable(_, changed) if field.volatile && follows(field, changed) => Value::Unknown,
            Known::SoFar(values) => values.get(output).cloned().unwrap_or(Value::Unknown),
            Known::All(values) | Known::Stable(values, _) => values.get(output).cloned().unwrap_or(Value::Null),
        })
    }

    fn configured(&self, name: &str) -> Option<Value> {
        self.secrets.get(name).cloned()
    }
}

/// Whether a volatile output can change with a change of these fields.
fn follows(output: &OutputField, changed: &[String]) -> bool {
    output.follows.is_empty() || output.follows.iter().any(|field| changed.iter().any(|c| c == field))
}

/// The fields that a step changes.
fn changed(step: &Step) -> Vec<String> {
    step.diff.iter().filter_map(|d| d.path.split(['.', '[']).next()).map(str::to_owned).collect()
}

struct Planner<'a> {
    input: &'a PlanInput<'a>,
    graph: &'a Graph,
    index: &'a FxHashMap<&'a Urn, usize>,
    selected: Option<BTreeSet<Urn>>,
    outputs: Outputs<'a>,
    owners: Owners<'a>,
    steps: Vec<Step>,
    protected: Vec<(Urn, String)>,
}

impl<'a> Planner<'a> {
    fn new(
        input: &'a PlanInput<'a>,
        graph: &'a Graph,
        index: &'a FxHashMap<&'a Urn, usize>,
    ) -> Result<Self, PlanError> {
        let program = input.program;
        let options = input.options;
        for urn in options.targets.iter().chain(&options.replace) {
            if !index.contains_key(urn) && !input.state.resources.contains_key(urn) {
                return Err(PlanError::UnknownTarget(urn.clone()));
            }
        }
        let selected = (!options.targets.is_empty()).then(|| {
            let mut selected: BTreeSet<Urn> = BTreeSet::new();
            let mut todo: Vec<&Urn> = options.targets.iter().collect();
            while let Some(urn) = todo.pop() {
                if selected.insert(urn.clone())
                    && let Some(&at) = index.get(urn)
                {
                    todo.extend(graph.dependencies(at).iter().map(|&d| &program.resources[d].urn));
                }
            }
            selected
        });
        let is_left_out = |urn: &&Urn| selected.as_ref().is_some_and(|selected| !selected.contains(*urn));
        if let Some(urn) = options.replace.iter().find(is_left_out) {
            return Err(PlanError::ReplaceNotTargeted(urn.clone()));
        }
        let known = (0..program.resources.len()).map(|_| None).collect();
        let outputs = Outputs { secrets: &input.state.secrets, index, known };
        let steps = Vec::with_capacity(program.resources.len());
        let owners = Owners::new(program, input.state, index);
        Ok(Self { input, graph, index, selected, outputs, owners, steps, protected: Vec::new() })
    }

    fn is_selected(&self, urn: &Urn) -> bool {
        self.selected.as_ref().is_none_or(|s| s.contains(urn))
    }

    fn plan(mut self) -> Result<Plan, PlanError> {
        let PlanInput { program, state, adoptable, .. } = *self.input;
        // Both are in order or can be brought into it, so each record is met once instead of being searched for.
        let mut records: Vec<Option<&Record>> = vec![None; program.resources.len()];
        for (urn, record) in &state.resources {
            if let Some(&at) = self.index.get(urn) {
                records[at] = Some(record);
            }
        }
        for &at in self.graph.order() {
            let declared = &program.resources[at];
            let record = records[at];
            let known = if self.is_selected(&declared.urn) {
                let step = self.step(at, declared, record)?;
                let known = match (step.op, record) {
                    (Op::Same, Some(record)) => Known::All(&record.outputs),
                    (Op::Update, Some(record)) if record.incomplete => Known::SoFar(&record.outputs),
                    (Op::Update, Some(record)) => Known::Stable(&record.outputs, changed(&step)),
                    // It is there, and others that are adopted with it may refer to it.
                    (Op::Adopt, _) => match adoptable.get(&declared.urn) {
                        Some(Read::Present(seen)) if step.diff.is_empty() => Known::All(&seen.outputs),
                        Some(Read::Present(seen)) => Known::Stable(&seen.outputs, changed(&step)),
                        _ => Known::Nothing,
                    },
                    _ => Known::Nothing,
                };
                self.steps.push(step);
                known
            } else {
                record.map_or(Known::Nothing, |r| Known::All(&r.outputs))
            };
            self.outputs.known[at] = Some((known, declared.schema.outputs));
        }
        self.delete_dependents_first();
        let (selected, index) = (self.selected.take(), self.index);
        let ends = |urn: &Urn| !index.contains_key(urn) && selected.as_ref().is_none_or(|s| s.contains(urn));
        let deletions = deletions(state, ends, |urn| selected.as_ref().is_none_or(|s| s.contains(urn)));
        for step in &deletions {
            let record = state.resources.get(&step.urn).filter(|r| step.id.as_deref() == Some(&r.id));
            if step.op == Op::Delete && record.is_some_and(|r| r.protect) {
                self.protected.push((step.urn.clone(), "it is no longer in the program".to_owned()));
            }
        }
        self.steps.extend(deletions);
        if !self.protected.is_empty() {
            return Err(PlanError::Protected(self.protected));
        }
        let outputs = if selected.is_some() { BTreeMap::new() } else { self.exports()? };
        Ok(Plan {
            project: program.project.clone(),
            stack: program.stack.clone(),
            lineage: state.lineage.clone(),
            serial: state.serial,
            program_hash: program_hash(program),
            renames: Vec::new(),
            steps: self.steps,
            outputs,
        })
    }

    fn exports(&self) -> Result<BTreeMap<String, (Value, Value)>, PlanError> {
        let old = &self.input.state.outputs;
        let mut changes = BTreeMap::new();
        for (name, export) in &self.input.program.exports {
            let after = export.eval(&self.outputs).map_err(|error| PlanError::Export { name: name.clone(), error })?;
            let before = old.get(name).cloned().unwrap_or_default();
            if after != before {
                // What is a secret from now on is not shown for what it was before, either.
                let hide = after.has_secret() && !before.is_empty();
                changes.insert(name.clone(), (if hide { before.secret() } else { before }, after));
            }
        }
        for (name, before) in old {
            if !self.input.program.exports.contains_key(name.as_str()) {
                changes.insert(name.to_string(), (before.clone(), Value::Null));
            }
        }
        Ok(changes)
    }

    fn step(&mut self, at: usize, declared: &'a Declared, record: Option<&Record>) -> Result<Step, PlanError> {
        let urn = &declared.urn;
        let mut step = Step {
            urn: urn.clone(),
            op: Op::Same,
            reasons: Vec::new(),
            diff: Vec::new(),
            depends_on: self.dependencies(at, record),
            id: record.map(|r| r.id.clone()),
            provider: declared.options.provider.clone(),
            adopted: None,
        };
        let mut desired = inputs(declared, &self.outputs)?;
        let Some(record) = record else {
            if let Some(id) = &declared.options.import {
                self.adopt(&mut step, declared, desired, id)?;
                return Ok(step);
            }
            if let Some(id) = self.input.gone.get(urn) {
                step.reasons.push(format!("{id} is gone from the cloud"));
            }
            step.op = Op::Create;
            step.diff = diff::describe_new(declared.schema, &desired);
            return Ok(step);
        };
        diff::ignore(&mut desired, record, &declared.options.ignore_changes);
        let changes = diff::changed(declared.schema, &desired, record);
        step.diff = diff::describe(&changes);
        let replace = self.replace_reasons(declared, record, &changes)?;
        if !replace.is_empty() {
            step.op = Op::Replace(order(declared, record, &desired));
            step.reasons = replace;
            // The program's word counts before the one that was recorded: taking the protection off is how a person agrees.
            if declared.options.protect {
                self.protected.push((urn.clone(), format!("it would be replaced: {}", step.reasons.join("; "))));
            }
        } else if !changes.is_empty() || record.incomplete {
            step.op = Op::Update;
            if record.incomplete {
                step.reasons.push("its creation was not finished".to_owned());
            }
            for change in changes.iter().filter(|c| c.uncertain) {
                step.reasons.push(format!("it is not known whether the last change of {} arrived", change.field.name));
            }
        }
        Ok(step)
    }

    /// What a resource depends on. Where that is what is recorded, the two share it.
    fn dependencies(&self, at: usize, record: Option<&Record>) -> Urns {
        let mut urns: Vec<&Urn> =
            self.graph.dependencies(at).iter().map(|&d| &self.input.program.resources[d].urn).collect();
        urns.sort_unstable();
        match record {
            Some(record) if record.depends_on.iter().eq(urns.iter().copied()) => record.depends_on.clone(),
            _ => urns.into_iter().cloned().collect(),
        }
    }

    fn replace_reasons(
        &self,
        declared: &Declared,
        record: &Record,
        changes: &[Changed],
    ) -> Result<Vec<String>, PlanError> {
        let mut reasons = Vec::new();
        for change in changes {
            let Some(name) = diff::replaced_by(change.field, &change.before, &change.after) else { continue };
            reasons.push(if change.after.has_unknown() {
                format!("{name} {PERHAPS}")
            } else {
                format!("{name} cannot be changed in place")
            });
        }
        let (here, there) = (&record.provider, &declared.options.provider);
        if !here.is_where(there, &self.input.program.home) {
            reasons.push(format!("it moves from {here} to {there}, and no object can do so"));
        }
        let triggers = triggers(declared, &self.outputs)?;
        if triggers != record.replace_on {
            reasons.push("a value that it is to be replaced on changes".to_owned());
        }
        if self.input.options.replace.contains(&declared.urn) {
            reasons.push("asked for with --replace".to_owned());
        }
        Ok(reasons)
    }

    /// Where an object is deleted before its successor exists, so must be the replaced ones that depend on it, in whatever order they
    /// are declared.
    fn delete_dependents_first(&mut self) {
        let mut dependents: BTreeMap<&Urn, Vec<usize>> = BTreeMap::new();
        let mut first = Vec::new();
        for (at, step) in self.steps.iter().enumerate() {
            let Op::Replace(order) = step.op else { continue };
            if order == ReplaceOrder::DeleteBeforeCreate {
                first.push(at);
            }
            for needed in self.input.state.resources.get(&step.urn).into_iter().flat_map(|r| &r.depends_on) {
                dependents.entry(needed).or_default().push(at);
            }
        }
        while let Some(at) = first.pop() {
            for &dependent in dependents.get(&self.steps[at].urn).into_iter().flatten() {
                let step = &mut self.steps[dependent];
                if step.op == Op::Replace(ReplaceOrder::CreateBeforeDelete) {
                    step.op = Op::Replace(ReplaceOrder::DeleteBeforeCreate);
                    step.reasons.push("what it depends on is deleted before its successor exists".to_owned());
                    first.push(dependent);
                }
            }
        }
    }
}

/// Why an object is replaced for a value that the plan does not know. It may turn out to be the old one.
const PERHAPS: &str = "will be another one, and it cannot be changed in place";

/// Whether a step replaces an object for nothing but values that the plan does not know.
pub(crate) fn may_turn_out_needless(step: &Step) -> bool {
    step.op == Op::Replace(ReplaceOrder::CreateBeforeDelete) && step.reasons.iter().all(|why| why.ends_with(PERHAPS))
}

/// The values of a resource's inputs, as far as they are known; what is null is left out.
pub fn inputs(declared: &Declared, env: &dyn Env) -> Result<ValueMap, PlanError> {
    let mut values = ValueMap::new();
    for (field, expression) in &declared.inputs {
        let value = expression.eval(env).map_err(|error| PlanError::Input {
            urn: declared.urn.clone(),
            field: field.clone(),
            error,
        })?;
        if value != Value::Null {
            values.insert(field.clone(), value);
        }
    }
    Ok(values)
}

/// The values of a resource's `replace_on` option.
pub fn triggers(declared: &Declared, env: &dyn Env) -> Result<Vec<Value>, PlanError> {
    let error = |error| PlanError::Input { urn: declared.urn.clone(), field: "replace_on".to_owned(), error };
    declared.options.replace_on.iter().map(|e| e.eval(env).map_err(error)).collect()
}

/// The order of a replacement: as the program says, else the new object first unless it would have to share with the old one what no two
/// objects of the type may.
fn order(declared: &Declared, record: &Record, desired: &ValueMap) -> ReplaceOrder {
    let delete_first =
        declared.options.delete_before_replace.unwrap_or_else(|| shares_name(declared.schema, record, desired));
    if delete_first { ReplaceOrder::DeleteBeforeCreate } else { ReplaceOrder::CreateBeforeDelete }
}

/// Whether an object with these inputs would share with a recorded one what no two may.
pub(crate) fn shares_name(schema: &'static Schema, record: &Record, desired: &ValueMap) -> bool {
    !schema.unique.is_empty()
        && schema.unique.iter().all(|name| {
            let (old, new) = (record.actual(name), desired.get(*name).unwrap_or(&Value::Null));
            match schema.field(name) {
                // Two that are not set are equal here: both objects would get the same default.
                Some(field) => !new.has_unknown() && canonical(field, old) == canonical(field, new),
                None => false,
            }
        })
}

/// The plan of a `destroy`.
pub fn plan_destroy(
    project: &ProjectName,
    stack: &StackName,
    state: &State,
    options: &PlanOptions,
) -> Result<Plan, PlanError> {
    for urn in &options.targets {
        if !state.resources.contains_key(urn) {
            return Err(PlanError::UnknownTarget(urn.clone()));
        }
    }
    let selected = (!options.targets.is_empty()).then(|| with_dependents(state, &options.targets));
    let chosen = |urn: &Urn| selected.as_ref().is_none_or(|s| s.contains(urn));
    let steps = deletions(state, chosen, chosen);
    let protected: Vec<(Urn, String)> = steps
        .iter()
        .filter(|s| s.op == Op::Delete && state.resources.get(&s.urn).is_some_and(|r| r.protect))
        .map(|s| (s.urn.clone(), "the stack would be destroyed".to_owned()))
        .collect();
    if !protected.is_empty() {
        return Err(PlanError::Protected(protected));
    }
    let outputs = match selected {
        Some(_) => BTreeMap::new(),
        None => state.outputs.iter().map(|(k, v)| (k.to_string(), (v.clone(), Value::Null))).collect(),
    };
    Ok(Plan {
        project: project.clone(),
        stack: stack.clone(),
        lineage: state.lineage.clone(),
        serial: state.serial,
        program_hash: String::new(),
        renames: Vec::new(),
        steps,
        outputs,
    })
}

/// The targets and everything that the state knows to depend on them.
fn with_dependents(state: &State, targets: &[Urn]) -> BTreeSet<Urn> {
    let mut dependents: BTreeMap<&Urn, Vec<&Urn>> = BTreeMap::new();
    for (urn, record) in &state.resources {
        for needed in &record.depends_on {
            dependents.entry(needed).or_default().push(urn);
        }
    }
    let mut selected = BTreeSet::new();
    let mut todo: Vec<&Urn> = targets.iter().collect();
    while let Some(urn) = todo.pop() {
        if selected.insert(urn.clone()) {
            todo.extend(dependents.get(urn).into_iter().flatten());
        }
    }
    selected
}

/// The steps that end objects, dependents before what they depend on: the resources that `ends` names, and the deposed objects of those
/// that `chosen` names.
fn deletions(state: &State, ends: impl Fn(&Urn) -> bool, chosen: impl Fn(&Urn) -> bool) -> Vec<Step> {
    let objects: Vec<(&Urn, &Record, Op)> = state
        .resources
        .iter()
        .filter(|(urn, _)| ends(urn))
        .map(|(urn, r)| (urn, r, if r.retain { Op::Forget } else { Op::Delete }))
        .chain(state.deposed.iter().filter(|d| chosen(&d.urn)).map(|d| {
            // A run may have been cut short between making its successor and letting it go.
            (&d.urn, &d.record, if d.record.retain { Op::Forget } else { Op::DeleteDeposed })
        }))
        .collect();
    let needs = needs(&objects.iter().map(|(urn, record, _)| (*urn, *record)).collect::<Vec<_>>());
    let mut waiting = vec![0usize; objects.len()];
    for &needed in needs.iter().flatten() {
        waiting[needed] += 1;
    }
    let mut ready: BTreeSet<usize> = (0..objects.len()).filter(|&at| waiting[at] == 0).collect();
    let mut steps = Vec::with_capacity(objects.len());
    while let Some(at) = ready.pop_first() {
        let (urn, record, op) = objects[at];
        for &needed in &needs[at] {
            waiting[needed] -= 1;
            if waiting[needed] == 0 {
                ready.insert(needed);
            }
        }
        let reason = match op {
            Op::DeleteDeposed => vec!["a replacement has taken its place".to_owned()],
            Op::Forget => vec!["it is to be retained: the object stays in the cloud".to_owned()],
            _ => Vec::new(),
        };
        steps.push(Step {
            urn: urn.clone(),
            op,
            reasons: reason,
            diff: Vec::new(),
            depends_on: record.depends_on.clone(),
            id: Some(record.id.clone()),
            provider: record.provider.clone(),
            adopted: None,
        });
    }
    steps
}

/// What the tests of the pure parts share.
#[cfg(test)]
pub(crate) mod tests_support;

#[cfg(test)]
mod tests;
