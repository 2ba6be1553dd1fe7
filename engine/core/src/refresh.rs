//! What the cloud has, read in batches: one `read_many` for each type and place, all of them at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use phx_model::driver::{Cx, Driver, Observed, Read, ReadTarget, Registry};
use phx_model::error::ErrorKind;
use phx_model::schema::{Field, Kind, Schema, same, satisfied};
use phx_model::stack::Declared;
use phx_model::state::{Entry, ProviderKey, Record, State};
use phx_model::{CloudError, Expr, Program, Urn, Value, ValueMap};
use rustc_hash::FxHashMap;
use tokio::time::Instant;

use crate::drift;
use crate::engine::EngineError;

/// Which objects are read.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// All that the state knows.
    All,
    /// Those of these resources.
    Only(&'a BTreeSet<Urn>),
}

impl Scope<'_> {
    fn includes(self, urn: &Urn) -> bool {
        match self {
            Self::All => true,
            Self::Only(urns) => urns.contains(urn),
        }
    }
}

/// What reading the cloud found.
#[derive(Debug, Default)]
pub struct Observations {
    /// What there is to record: only what is not recorded already.
    pub entries: Vec<Entry>,
    /// Resources whose object is not there any more, with the id that it had.
    pub gone: BTreeMap<Urn, String>,
    /// What is there under the ids of the `import` option.
    pub adoptable: BTreeMap<Urn, Read>,
    /// Resources whose object is not as phx left it.
    pub drifted: Vec<Urn>,
    /// Objects that could not be read. They are as the state says, as far as anyone knows.
    pub failures: Vec<(Urn, CloudError)>,
}

#[derive(Clone, Copy)]
enum Target<'a> {
    /// A resource's own, with what the program says of it.
    Own(&'a Urn, &'a Record, Option<&'a Declared>),
    Deposed(&'a Urn, &'a Record),
    Import(&'a Declared, &'a str),
}

impl<'a> Target<'a> {
    fn urn(&self) -> &'a Urn {
        match self {
            Self::Own(urn, ..) | Self::Deposed(urn, _) => urn,
            Self::Import(declared, _) => &declared.urn,
        }
    }

    /// Whether it is not known that the object's creation was finished.
    fn is_incomplete(&self) -> bool {
        match self {
            Self::Own(_, record, _) | Self::Deposed(_, record) => record.incomplete,
            Self::Import(..) => false,
        }
    }
}

/// The objects to read, by place and type: each group is one call of a driver.
pub struct Targets<'a> {
    groups: BTreeMap<(&'a ProviderKey, &'a str), Vec<Target<'a>>>,
}

impl<'a> Targets<'a> {
    /// The objects of the state that the scope includes, and what the program would adopt.
    pub fn new(state: &'a State, program: Option<&'a Program>, scope: Scope<'_>) -> Self {
        let mut groups: BTreeMap<_, Vec<Target<'a>>> = BTreeMap::new();
        let declared: FxHashMap<&Urn, &Declared> =
            program.into_iter().flat_map(|p| &p.resources).map(|declared| (&declared.urn, declared)).collect();
        let own = state
            .resources
            .iter()
            .map(|(urn, record)| (&record.provider, Target::Own(urn, record, declared.get(urn).copied())));
        let deposed = state.deposed.iter().map(|d| (&d.record.provider, Target::Deposed(&d.urn, &d.record)));
        for (provider, target) in own.chain(deposed).filter(|(_, t)| scope.includes(t.urn())) {
            groups.entry((provider, target.urn().type_name())).or_default().push(target);
        }
        for declared in program.into_iter().flat_map(|p| &p.resources) {
            if let Some(id) = &declared.options.import
                && !state.resources.contains_key(&declared.urn)
            {
                let key = (&declared.options.provider, declared.schema.type_name);
                groups.entry(key).or_default().push(Target::Import(declared, id));
            }
        }
        Self { groups }
    }

    /// The resources' own objects of which `which` says so.
    pub(crate) fn own(state: &'a State, which: impl Fn(&Urn, &Record) -> bool) -> Self {
        let mut groups: BTreeMap<_, Vec<Target<'a>>> = BTreeMap::new();
        for (urn, record) in state.resources.iter().filter(|(urn, record)| which(urn, record)) {
            groups.entry((&record.provider, urn.type_name())).or_default().push(Target::Own(urn, record, None));
        }
        Self { groups }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.groups.values().map(Vec::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Reads them. `timeout` is for each group; `grace` is how long an object may stay unseen whose creation was not finished.
    pub async fn read(
        self,
        registry: &Registry,
        timeout: Duration,
        grace: Duration,
    ) -> Result<Observations, EngineError> {
        let mut reads = Vec::with_capacity(self.groups.len());
        for ((provider, type_name), targets) in self.groups {
            let Some(first) = targets.first() else { continue };
            let driver = registry.get(type_name).ok_or_else(|| EngineError::UnknownType {
                urn: first.urn().clone(),
                type_name: type_name.to_owned(),
            })?;
            reads.push(read_patiently(driver, provider, targets, timeout, grace));
        }
        let mut found = Observations::default();
        for (schema, targets, answers) in futures::future::join_all(reads).await {
            for (target, answer) in targets.into_iter().zip(answers) {
                found.take(registry, schema, target, answer);
            }
        }
        found.drifted.sort();
        found.failures.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(found)
    }
}

/// Reads the objects of one type in one place. One whose creation an earlier run could not finish may be so new that the cloud does
/// not show it yet; to take it for gone would be to make a second one. So such ones are looked for until the grace is over.
async fn read_patiently<'a>(
    driver: &Arc<dyn Driver>,
    provider: &ProviderKey,
    targets: Vec<Target<'a>>,
    timeout: Duration,
    grace: Duration,
) -> (&'static Schema, Vec<Target<'a>>, Vec<Read>) {
    let deadline = Instant::now() + grace;
    let mut answers = read_group(driver, provider, &targets, timeout).await;
    let mut pause = Duration::from_millis(100);
    loop {
        let unseen: Vec<usize> =
            (0..targets.len()).filter(|&at| matches!(answers[at], Read::Gone) && targets[at].is_incomplete()).collect();
        let now = Instant::now();
        if unseen.is_empty() || now >= deadline {
            return (driver.schema(), targets, answers);
        }
        tokio::time::sleep(pause.min(deadline - now)).await;
        pause = (pause * 2).min(Duration::from_secs(2));
        let again: Vec<Target<'_>> = unseen.iter().map(|&at| targets[at]).collect();
        for (at, answer) in unseen.into_iter().zip(read_group(driver, provider, &again, timeout).await) {
            answers[at] = answer;
        }
    }
}

/// Reads objects with one call of the driver. There is an answer for each target, whatever happens.
async fn read_group(
    driver: &Arc<dyn Driver>,
    provider: &ProviderKey,
    targets: &[Target<'_>],
    timeout: Duration,
) -> Vec<Read> {
    let nothing = ValueMap::new();
    let wanted: Vec<ReadTarget<'_>> = targets
        .iter()
        .map(|target| match target {
            Target::Own(_, record, _) | Target::Deposed(_, record) => {
                ReadTarget { id: &record.id, inputs: &record.inputs }
            }
            Target::Import(_, id) => ReadTarget { id, inputs: &nothing },
        })
        .collect();
    let cx = Cx::new(provider.clone(), Arc::new(|_| {}), timeout);
    let answers = match tokio::time::timeout(timeout, driver.read_many(&cx, &wanted)).await {
        Ok(Ok(answers)) if answers.len() == targets.len() => Ok(answers),
        Ok(Ok(answers)) => Err(CloudError::local(
            ErrorKind::Other,
            format!("the driver was asked for {} objects and answered for {}", targets.len(), answers.len()),
        )),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(CloudError::local(ErrorKind::TimedOut, format!("reading took longer than {timeout:?}"))),
    };
    answers.unwrap_or_else(|error| vec![Read::Failed(error); targets.len()])
}

impl Observations {
    /// Itself, if everything could be read. What is not known is no ground to plan on.
    pub fn complete(self) -> Result<Self, EngineError> {
        if self.failures.is_empty() { Ok(self) } else { Err(EngineError::RefreshFailed(self.failures)) }
    }

    fn take(&mut self, registry: &Registry, schema: &'static Schema, target: Target<'_>, answer: Read) {
        let urn = target.urn().clone();
        match (target, answer) {
            (_, Read::Failed(error)) => self.failures.push((urn, error)),
            (Target::Own(_, record, declared), Read::Present(mut observed)) => {
                let set = take_over(registry, schema, record, declared, &mut observed.fields);
                let new = observe(schema, set.as_ref().unwrap_or(record), observed);
                if drift::counts(schema, &new) {
                    self.drifted.push(urn.clone());
                }
                if new != *record {
                    self.entries.push(Entry::Recorded { urn, record: Box::new(new) });
                }
            }
            (Target::Own(_, record, _), Read::Gone) => {
                self.gone.insert(urn.clone(), record.id.clone());
                self.entries.push(Entry::Forgotten { urn, id: record.id.clone() });
            }
            // It is only going to be deleted, so it does not matter how it looks.
            (Target::Deposed(..), Read::Present(_)) => {}
            (Target::Deposed(_, record), Read::Gone) => {
                self.entries.push(Entry::Forgotten { urn, id: record.id.clone() });
            }
            (Target::Import(declared, _), Read::Present(mut observed)) => {
                mark_secrets(schema.fields, &mut observed.fields);
                hide(registry, declared, &mut observed.fields);
                mark_secret_outputs(schema, &mut observed.outputs);
                self.adoptable.insert(urn, Read::Present(observed));
            }
            (Target::Import(..), Read::Gone) => {
                self.adoptable.insert(urn, Read::Gone);
            }
        }
    }
}

/// Nor is anybody to see what is there now of what the program keeps from view.
fn hide(registry: &Registry, declared: &Declared, observed: &mut ValueMap) {
    for (name, _) in declared.inputs.iter().filter(|(_, expression)| is_secret(expression, registry)) {
        if let Some(value) = observed.get_mut(name).filter(|value| **value != Value::Null) {
            *value = std::mem::take(value).secret();
        }
    }
}

/// The record with what the cloud filled in by itself and the program sets from now on: that begins with what is there. To set what is there already
/// is no change, and no reason to replace anything.
fn take_over(
    registry: &Registry,
    schema: &'static Schema,
    record: &Record,
    declared: Option<&Declared>,
    observed: &mut ValueMap,
) -> Option<Record> {
    let declared = declared?;
    let is_new = |field: &&Field| {
        let says = declared.inputs.get(field.name).is_some_and(|e| !matches!(e, Expr::Literal(v) if v.is_empty()));
        says && record.inputs.get(field.name).is_none_or(Value::is_empty)
            && observed.get(field.name).is_some_and(|seen| !seen.is_empty())
    };
    // A part that was never set of a block must not seem to be taken away.
    let fits = |field: &&Field| field.replace || !has_parts(&field.kind);
    let defaults = schema.fields.iter().filter(|f| f.cloud_default && !f.write_only);
    let new: Vec<&Field> = defaults.filter(fits).filter(is_new).collect();
    if new.is_empty() {
        return None;
    }
    mark_secrets(schema.fields, observed);
    hide(registry, declared, observed);
    let mut set = record.clone();
    for field in new {
        set.inputs.insert(field.name.to_owned(), observed.get(field.name).cloned().unwrap_or_default());
    }
    Some(set)
}

fn has_parts(kind: &Kind) -> bool {
    match kind {
        Kind::Block(_) => true,
        Kind::List(inner) | Kind::Map(inner) => has_parts(inner),
        _ => false,
    }
}

/// The record of an object as it was seen. What the program set stays what it was; what was seen to differ lies over it.
fn observe(schema: &'static Schema, record: &Record, mut observed: Observed) -> Record {
    mark_secrets(schema.fields, &mut observed.fields);
    mark_secret_outputs(schema, &mut observed.outputs);
    let mut new = Record { drift: ValueMap::new(), ..record.clone() };
    for field in schema.fields.iter().filter(|f| !f.write_only) {
        let mut seen = observed.fields.remove(field.name).unwrap_or_default();
        // What the program keeps from view stays so, whoever has changed it.
        let secret = record.hidden.contains(field.name) || record.inputs.get(field.name).is_some_and(Value::has_secret);
        // What means nothing, as a flag that is off, is nothing.
        let says_something = |seen: &Value| !seen.is_empty() && !same(field, &Value::Null, seen);
        let drifted = match record.inputs.get(field.name).filter(|v| !v.is_empty()) {
            Some(set) => !satisfied(field, set, &seen),
            // An update of phx's own may have set it, of which nobody knows whether it arrived. So it is phx's, to be taken away again.
            None if !field.cloud_default && record.uncertain.contains(field.name) && says_something(&seen) => {
                new.inputs.insert(field.name.to_owned(), if secret { seen.secret() } else { seen });
                continue;
            }
            None => !field.cloud_default && says_something(&seen),
        };
        if drifted {
            if secret {
                seen = seen.secret();
            }
            new.drift.insert(field.name.to_owned(), seen);
        }
    }
    // Now it is known what these are; the cloud never tells the write-only ones.
    new.uncertain.retain(|name| schema.field(name).is_some_and(|f| f.write_only));
    for output in schema.outputs.iter().filter(|o| o.secret) {
        // Some secrets are told once, when the object is created, and never again.
        if let Some(told) = new.outputs.remove(output.name) {
            observed.outputs.get_or_insert_with(output.name, || told);
        }
    }
    new.outputs = observed.outputs;
    new
}

/// Whether anything in an expression is a secret, or will be.
fn is_secret(expression: &Expr, registry: &Registry) -> bool {
    let is_secret_output = |urn: &Urn, output: &str| {
        let schema = registry.get(urn.type_name()).map(|driver| driver.schema());
        schema.is_some_and(|schema| schema.outputs.iter().any(|o| o.secret && o.name == output))
    };
    let mut found = false;
    expression.visit(&mut |part| {
        found |= match part {
            Expr::Secret(_) | Expr::Configured(_) => true,
            Expr::Literal(value) => value.has_secret(),
            Expr::Ref { urn, output } => is_secret_output(urn, output),
            _ => false,
        };
    });
    found
}

/// Marks the outputs that the schema calls secret, whether or not the driver did.
pub(crate) fn mark_secret_outputs(schema: &'static Schema, outputs: &mut ValueMap) {
    for output in schema.outputs.iter().filter(|o| o.secret) {
        if let Some(value) = outputs.get_mut(output.name) {
            *value = std::mem::take(value).secret();
        }
    }
}

/// Marks what the schema calls secret in an object's fields.
pub(crate) fn mark_secrets(fields: &[Field], values: &mut ValueMap) {
    for field in fields {
        let Some(value) = values.get_mut(field.name) else { continue };
        if field.secret && *value != Value::Null {
            *value = std::mem::take(value).secret();
        } else {
            mark_inside(&field.kind, value);
        }
    }
}

fn mark_inside(kind: &Kind, value: &mut Value) {
    match (kind, value) {
        (Kind::Block(fields), Value::Map(values)) => mark_secrets(fields, values),
        (Kind::List(inner), Value::List(items)) => items.iter_mut().for_each(|item| mark_inside(inner, item)),
        (Kind::Map(inner), Value::Map(values)) => values.values_mut().for_each(|value| mark_inside(inner, value)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::tests_support::{FIELD, ProgramBuilder, THING};
    use phx_model::schema::Identity;

    fn map(json: &str) -> ValueMap {
        serde_json::from_str(json).unwrap()
    }

    fn seen(inputs: &str, fields: &str) -> ValueMap {
        let record = Record { inputs: map(inputs), ..Record::default() };
        let observed = Observed { fields: map(fields), outputs: ValueMap::new() };
        observe(&THING, &record, observed).drift
    }

    #[test]
    fn only_what_differs_from_what_was_set_is_drift() {
        assert!(seen(r#"{"name":"a","size":1}"#, r#"{"name":"a","size":1,"tags":{}}"#).is_empty());
        assert_eq!(seen(r#"{"size":1}"#, r#"{"size":2}"#), map(r#"{"size":2}"#));
        assert_eq!(seen(r#"{"size":1}"#, "{}"), map(r#"{"size":null}"#));
        assert_eq!(seen("{}", r#"{"size":2}"#), map(r#"{"size":2}"#), "set by someone else");
        assert!(seen("{}", r#"{"zone":"z"}"#).is_empty(), "filled in by the cloud");
        assert_eq!(seen(r#"{"zone":"y"}"#, r#"{"zone":"z"}"#), map(r#"{"zone":"z"}"#));
    }

    #[test]
    fn what_the_program_sets_anew_begins_with_what_the_cloud_filled_in() {
        let mut p = ProgramBuilder::new();
        p.add("a", &[]).set("a", "zone", Expr::Literal(Value::String("z".into())));
        let declared = p.program.resources.first();
        let set = |inputs: &str, fields: &str| {
            let record = Record { inputs: map(inputs), ..Record::default() };
            let mut fields = map(fields);
            take_over(&Registry::new(), &THING, &record, declared, &mut fields).map(|record| record.inputs)
        };
        assert_eq!(set("{}", r#"{"zone":"z","size":2}"#), Some(map(r#"{"zone":"z"}"#)), "the size is not the cloud's");
        assert_eq!(set(r#"{"zone":"y"}"#, r#"{"zone":"z"}"#), None);
        assert_eq!(set("{}", "{}"), None);
    }

    #[test]
    fn a_form_of_nothing_is_no_drift() {
        fn off_is_unset(value: &Value) -> Value {
            if *value.expose() == Value::Bool(false) { Value::Null } else { value.clone() }
        }
        static SWITCH: Schema = Schema {
            fields: &[Field { name: "on", kind: Kind::Bool, normalize: Some(off_is_unset), ..FIELD }],
            outputs: &[],
            ..crate::planner::tests_support::copy(&THING)
        };
        let seen = |fields: &str| {
            let observed = Observed { fields: map(fields), outputs: ValueMap::new() };
            observe(&SWITCH, &Record::default(), observed).drift
        };
        assert!(seen(r#"{"on":false}"#).is_empty(), "the cloud says what the program leaves out");
        assert_eq!(seen(r#"{"on":true}"#), map(r#"{"on":true}"#));
    }

    #[test]
    fn what_is_secret_stays_so_and_what_is_write_only_stays_uncertain() {
        static SECRETIVE: Schema = Schema {
            type_name: "test:unit:Secretive",
            terraform: None,
            cloudformation: None,
            doc: "",
            identity: Identity::IntentTag,
            unique: &[],
            vanishes_with: None,
            fields: &[
                Field { name: "key", secret: true, ..FIELD },
                Field { name: "password", secret: true, write_only: true, ..FIELD },
            ],
            outputs: &[phx_model::schema::OutputField {
                name: "token",
                kind: Kind::String,
                doc: "",
                secret: true,
                volatile: false,
                follows: &[],
            }],
        };
        let text = |s: &str| Value::String(s.into());
        let record = Record {
            inputs: [("key".to_owned(), text("a").secret())].into(),
            outputs: [("token".to_owned(), text("once").secret())].into(),
            uncertain: ["key".to_owned(), "password".to_owned()].into(),
            ..Record::default()
        };
        let fields = [("key".to_owned(), text("b"))].into();
        let new = observe(&SECRETIVE, &record, Observed { fields, outputs: ValueMap::new() });
        assert_eq!(new.drift["key"], text("b").secret());
        assert_eq!(new.uncertain, ["password".to_owned()].into());
        assert_eq!(new.outputs["token"], text("once").secret(), "a secret told once is kept");
    }

    #[test]
    fn what_may_have_become_a_secret_is_kept_from_view() {
        let text = |s: &str| Value::String(s.into());
        let record = Record {
            inputs: [("size".to_owned(), Value::Int(1))].into(),
            hidden: ["name".to_owned(), "size".to_owned()].into(),
            uncertain: ["name".to_owned(), "size".to_owned()].into(),
            ..Record::default()
        };
        let fields = [("name".to_owned(), text("hunter2")), ("size".to_owned(), Value::Int(4711))].into();
        let new = observe(&THING, &record, Observed { fields, outputs: ValueMap::new() });
        assert_eq!((&new.inputs["name"], &new.drift["size"]), (&text("hunter2").secret(), &Value::Int(4711).secret()));
    }
}
