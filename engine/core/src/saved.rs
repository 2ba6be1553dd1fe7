//! Saved plans: what a person has approved, kept in a file, and later done exactly so or not at all.
//!
//! A plan is a pure function of the program, the state and what the cloud was seen to have. So a saved plan need not be a list of orders that could do harm
//! in another situation: it keeps what was seen and from what it was made, and `up --plan` makes the plan again from the same. That this is the same plan
//! is then checked ([`SavedPlan::confirm`]), and that program and state have not moved on before it ([`SavedPlan::check`]).
//!
//! Two of its hashes are over values, and values may be secret. What is secret in the file is sealed by a [`Sealer`]; where a hash is over a secret,
//! the hash is, since a short secret could be guessed from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use phx_model::driver::{Observed, Read};
use phx_model::key::KeyHeader;
use phx_model::state::{Change, Entry, Record, State};
use phx_model::store::StoreError;
use phx_model::urn::{ProjectName, StackName};
use phx_model::{Expr, Program, Urn, Value, ValueMap};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::plan::{Plan, Step};
use crate::planner::{self, PlanOptions};
use crate::refresh::Observations;

/// The version of the stored form. A newer one is refused.
pub const FORMAT: u32 = 1;
/// The largest file that is written or read.
pub const MAX_BYTES: u64 = 1024 * 1024 * 1024;

const KIND: &str = "plan";
const SUM_BEFORE: &str = ",\n  \"sum\": \"";
const SUM_LEN: usize = 64;
const SUM_AFTER: &str = "\"\n}\n";

/// Seals what is secret in an entry, so that it can be written to a file, and opens it again.
pub trait Sealer: Send + Sync {
    /// The entry with each secret in it sealed.
    fn seal(&self, entry: Entry) -> Result<Entry, StoreError>;

    /// The entry as it was before it was sealed. Fails if it was changed since, or sealed with another key.
    fn open(&self, entry: Entry) -> Result<Entry, StoreError>;
}

/// Why a plan cannot be saved, or a saved one not used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SavedPlanError {
    /// It is not what was written.
    #[error("the saved plan is damaged: {0}; nothing was changed\n  hint: save it anew with `phx preview --out FILE`")]
    Damaged(String),
    /// It was written by a newer phx.
    #[error(
        "the saved plan has format {found}, and this phx knows formats up to {FORMAT}; nothing was changed\n  hint: use the phx that saved it, or a newer one"
    )]
    Newer {
        /// Its version.
        found: u64,
    },
    /// It is another stack's.
    #[error("the saved plan is for stack {planned}, and this is stack {here}; nothing was changed")]
    Elsewhere {
        /// Project and stack that it was made for.
        planned: String,
        /// Project and stack that it was to be used on.
        here: String,
    },
    /// An earlier run was cut short.
    #[error(
        "this plan cannot be saved, since an earlier run was cut short and it is not settled what became of its last changes:\n{}\n  hint: `phx refresh` or `phx up` settles them; then save the plan",
        .0.iter().map(|(urn, verb)| format!("  {urn}: to {verb} it")).collect::<Vec<_>>().join("\n")
    )]
    Open(Vec<(Urn, &'static str)>),
    /// It holds secrets, and there is no key for them.
    #[error("the plan holds secrets, and there is no key to {0} them with")]
    NoKey(&'static str),
    /// Its secrets could not be sealed or opened.
    #[error(transparent)]
    Seal(#[from] StoreError),
    /// It cannot be written.
    #[error("the plan cannot be saved: {0}")]
    Unwritable(String),
}

/// A plan that was saved, or is about to be. See the [module](self).
pub struct SavedPlan {
    project: ProjectName,
    stack: StackName,
    /// `None`: the stack had no state.
    lineage: Option<String>,
    serial: u64,
    state: Print,
    /// The state's key, if it has one.
    key: Option<KeyHeader>,
    program: String,
    options: PlanOptions,
    observed: Observations,
    plan: serde_json::Value,
    digest: Print,
}

impl fmt::Debug for SavedPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The hashes may be over secrets.
        f.debug_struct("SavedPlan").field("project", &self.project).field("stack", &self.stack).finish_non_exhaustive()
    }
}

/// A SHA-256 in hexadecimal, and whether a secret went into it.
#[derive(Clone)]
struct Print {
    hash: String,
    secret: bool,
}

/// What a plan that is to be saved is made from: the state as it is before anything is observed.
pub(crate) struct Base {
    lineage: Option<String>,
    serial: u64,
    state: Print,
    key: Option<KeyHeader>,
}

impl Base {
    /// Refuses a state of which it is not settled what became of its last changes: to settle them means to record them.
    pub(crate) fn new(found: Option<&State>) -> Result<Self, SavedPlanError> {
        let empty = State::empty("");
        let state = found.unwrap_or(&empty);
        if !state.open.is_empty() {
            let open = state.open.values().map(|intent| (intent.urn.clone(), intent.change.verb()));
            return Err(SavedPlanError::Open(open.collect()));
        }
        let lineage = found.map(|state| state.lineage.clone());
        Ok(Self { lineage, serial: state.serial, state: print_state(state), key: state.key.clone() })
    }

    /// The plan that was made from it, to be saved.
    pub(crate) fn plan(
        self,
        program: &Program,
        options: &PlanOptions,
        observed: Observations,
        plan: &Plan,
    ) -> SavedPlan {
        let Self { lineage, serial, state, key } = self;
        SavedPlan {
            project: plan.project.clone(),
            stack: plan.stack.clone(),
            lineage,
            serial,
            state,
            key,
            program: plan.program_hash.clone(),
            options: options.clone(),
            observed,
            plan: plan.to_json(),
            digest: print_plan(plan, program),
        }
    }
}

impl SavedPlan {
    /// The plan as people approved it: as [`Plan::to_json`] has it.
    pub fn plan(&self) -> &serde_json::Value {
        &self.plan
    }

    /// Refuses to be used on another stack.
    pub fn belongs_to(&self, project: &ProjectName, stack: &StackName) -> Result<(), SavedPlanError> {
        belongs((&self.project, &self.stack), (project, stack))
    }

    /// What has moved on since the plan was made; empty if nothing has.
    pub(crate) fn check(&self, state: &State, program: &Program) -> Vec<String> {
        let mut moved = Vec::new();
        if planner::program_hash(program) != self.program {
            moved.push("the program, or its configuration, is not the one that the plan was made from".to_owned());
        }
        if self.lineage.as_ref().is_some_and(|lineage| *lineage != state.lineage) {
            moved.push("the state is another one, of a stack that was made anew under the same name".to_owned());
        } else if self.serial != state.serial {
            moved.push(format!("the state has gone on from checkpoint {} to {}", self.serial, state.serial));
        } else if self.state.hash != print_state(state).hash {
            moved.push(format!("something was recorded in the state after checkpoint {}", self.serial));
        }
        moved
    }

    /// What the cloud was seen to have, and the entries that put it into the state.
    pub(crate) fn observations(&self) -> Observations {
        let Observations { entries, gone, adoptable, .. } = &self.observed;
        let (entries, gone, adoptable) = (entries.clone(), gone.clone(), adoptable.clone());
        Observations { entries, gone, adoptable, ..Observations::default() }
    }

    /// What it was planned for.
    pub(crate) fn options(&self) -> &PlanOptions {
        &self.options
    }

    /// Whether this is the plan that was saved, and the one that people were shown.
    pub(crate) fn confirm(&self, plan: &Plan, program: &Program) -> Result<(), Vec<String>> {
        if print_plan(plan, program).hash != self.digest.hash {
            return Err(vec![
                "the same program and state now lead to another plan: a secret is another one, or this is another phx"
                    .to_owned(),
            ]);
        }
        if plan.to_json() != self.plan {
            return Err(vec!["the plan for people that the file shows is not the one that would be done".to_owned()]);
        }
        Ok(())
    }

    /// The key that its secrets are best sealed with: the state's, so that whoever may use the state may use the plan.
    pub fn key(&self) -> Option<&KeyHeader> {
        self.key.as_ref()
    }

    /// Whether it takes a [`Sealer`] to write it down.
    pub fn has_secrets(&self) -> bool {
        let in_entry = |entry: &Entry| values_of(entry).any(Value::has_secret);
        let in_read = |read: &Read| match read {
            Read::Present(seen) => seen.fields.values().chain(seen.outputs.values()).any(Value::has_secret),
            Read::Gone | Read::Failed(_) => false,
        };
        self.state.secret
            || self.digest.secret
            || self.observed.entries.iter().any(in_entry)
            || self.observed.adoptable.values().any(in_read)
    }

    /// The file's content. `key` is what seals the secrets, with what the file has to say so that the key is found again; it is used only if there
    /// are any.
    pub fn encode(&self, key: Option<(&KeyHeader, &dyn Sealer)>) -> Result<Vec<u8>, SavedPlanError> {
        let key = if self.has_secrets() { Some(key.ok_or(SavedPlanError::NoKey("seal"))?) } else { None };
        let seal = |entry: Entry| match key {
            Some((_, sealer)) => sealer.seal(entry),
            None => Ok(entry),
        };
        let seen = |urn: &Urn, seen: &Observed| {
            let record = Record { inputs: seen.fields.clone(), outputs: seen.outputs.clone(), ..Record::default() };
            Entry::Recorded { urn: urn.clone(), record: Box::new(record) }
        };
        let (mut adoptable, mut absent) = (Vec::new(), BTreeSet::new());
        for (urn, read) in &self.observed.adoptable {
            match read {
                Read::Present(observed) => adoptable.push(seal(seen(urn, observed))?),
                Read::Gone | Read::Failed(_) => drop(absent.insert(urn.clone())),
            }
        }
        let print = |print: &Print| {
            let hash = Value::String(print.hash.as_str().into());
            if print.secret { hash.secret() } else { hash }
        };
        let prints = [("state".to_owned(), print(&self.state)), ("digest".to_owned(), print(&self.digest))];
        let (state, digest) = prints_of(seal(Entry::Outputs { outputs: prints.into() })?)?;
        let stored = Stored {
            format: FORMAT,
            kind: KIND.to_owned(),
            project: self.project.clone(),
            stack: self.stack.clone(),
            lineage: self.lineage.clone(),
            serial: self.serial,
            state,
            program: self.program.clone(),
            targets: self.options.targets.clone(),
            replace: self.options.replace.clone(),
            plan: self.plan.clone(),
            key: key.map(|(header, _)| header.clone()),
            observed: self.observed.entries.iter().cloned().map(&seal).collect::<Result<_, _>>()?,
            gone: self.observed.gone.clone(),
            adoptable,
            absent,
            digest,
        };
        let text = serde_json::to_string_pretty(&stored).map_err(|e| SavedPlanError::Unwritable(e.to_string()))?;
        let body = text.strip_suffix("\n}").unwrap_or(&text);
        let out = [body, SUM_BEFORE, &sum(body.as_bytes()), SUM_AFTER].concat().into_bytes();
        // What is written must also be readable: not nested deeper, and no longer.
        SealedPlan::read(&out).map_err(|e| SavedPlanError::Unwritable(e.to_string()))?;
        Ok(out)
    }
}

/// A saved plan as it is in the file: whole and of a known format, and its secrets still sealed.
#[derive(Debug)]
pub struct SealedPlan(Stored);

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    kind: String,
    project: ProjectName,
    stack: StackName,
    lineage: Option<String>,
    serial: u64,
    state: Value,
    program: String,
    targets: Vec<Urn>,
    replace: Vec<Urn>,
    plan: serde_json::Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<KeyHeader>,
    observed: Vec<Entry>,
    gone: BTreeMap<Urn, String>,
    adoptable: Vec<Entry>,
    absent: BTreeSet<Urn>,
    digest: Value,
}

impl SealedPlan {
    /// Reads a file's content. Whatever it is, this neither panics nor takes more memory than in proportion to it.
    pub fn read(bytes: &[u8]) -> Result<Self, SavedPlanError> {
        let damaged = |why: &str| newer_or(bytes, why.to_owned());
        if bytes.len() as u64 > MAX_BYTES {
            return Err(SavedPlanError::Damaged(format!("it has {} bytes, and {MAX_BYTES} is the most", bytes.len())));
        }
        let cut = bytes.len().checked_sub(SUM_BEFORE.len() + SUM_LEN + SUM_AFTER.len());
        let Some((body, rest)) = cut.map(|cut| bytes.split_at(cut)) else {
            return Err(damaged("it is too short"));
        };
        if rest != [SUM_BEFORE, &sum(body), SUM_AFTER].concat().as_bytes() {
            return Err(damaged("its checksum does not match what it says"));
        }
        let whole = [body, b"\n}"].concat();
        let stored: Stored = serde_json::from_slice(&whole).map_err(|e| newer_or(&whole, e.to_string()))?;
        match stored.format {
            FORMAT if stored.kind == KIND => Ok(Self(stored)),
            FORMAT => Err(SavedPlanError::Damaged(format!("it is {:?} and not a plan", stored.kind))),
            0 => Err(SavedPlanError::Damaged("its format is 0, which there never was".to_owned())),
            newer => Err(SavedPlanError::Newer { found: newer.into() }),
        }
    }

    /// What was kept of the key that seals its secrets. `None`: it has none.
    pub fn key(&self) -> Option<&KeyHeader> {
        self.0.key.as_ref()
    }

    /// Refuses to be used on another stack.
    pub fn belongs_to(&self, project: &ProjectName, stack: &StackName) -> Result<(), SavedPlanError> {
        belongs((&self.0.project, &self.0.stack), (project, stack))
    }

    /// Opens its secrets.
    pub fn open(self, sealer: Option<&dyn Sealer>) -> Result<SavedPlan, SavedPlanError> {
        let stored = self.0;
        let sealer = match stored.key {
            Some(_) => Some(sealer.ok_or(SavedPlanError::NoKey("open"))?),
            None => None,
        };
        let open = |entry: Entry| match sealer {
            Some(sealer) => sealer.open(entry),
            None => Ok(entry),
        };
        let mut observed = Observations { gone: stored.gone, ..Observations::default() };
        observed.entries = stored.observed.into_iter().map(open).collect::<Result<_, _>>()?;
        for entry in stored.adoptable {
            let Entry::Recorded { urn, record } = open(entry)? else {
                return Err(SavedPlanError::Damaged("it adopts what is not an object".to_owned()));
            };
            let Record { inputs: fields, outputs, .. } = *record;
            observed.adoptable.insert(urn, Read::Present(Observed { fields, outputs }));
        }
        observed.adoptable.extend(stored.absent.into_iter().map(|urn| (urn, Read::Gone)));
        let prints = [("state".to_owned(), stored.state), ("digest".to_owned(), stored.digest)];
        let (state, digest) = prints_of(open(Entry::Outputs { outputs: prints.into() })?)?;
        let print = |value: Value| match value.as_str() {
            Some(hash) => Ok(Print { hash: hash.to_owned(), secret: matches!(value, Value::Secret(_)) }),
            None => Err(SavedPlanError::Damaged("its state or digest is not a hash".to_owned())),
        };
        Ok(SavedPlan {
            project: stored.project,
            stack: stored.stack,
            lineage: stored.lineage,
            serial: stored.serial,
            state: print(state)?,
            key: stored.key,
            program: stored.program,
            options: PlanOptions { targets: stored.targets, replace: stored.replace },
            observed,
            plan: stored.plan,
            digest: print(digest)?,
        })
    }
}

fn belongs(planned: (&ProjectName, &StackName), here: (&ProjectName, &StackName)) -> Result<(), SavedPlanError> {
    if planned == here {
        return Ok(());
    }
    let name = |(project, stack)| format!("{stack} of project {project}");
    Err(SavedPlanError::Elsewhere { planned: name(planned), here: name(here) })
}

/// Bytes that do not read as they should may be of a newer format, which still says so itself.
fn newer_or(bytes: &[u8], why: String) -> SavedPlanError {
    #[derive(Deserialize)]
    struct Probe {
        format: u64,
    }
    match serde_json::from_slice::<Probe>(bytes) {
        Ok(Probe { format }) if format > u64::from(FORMAT) => SavedPlanError::Newer { found: format },
        _ => SavedPlanError::Damaged(why),
    }
}

fn sum(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

/// The two hashes, sealed or not, out of the entry that they were put into.
fn prints_of(entry: Entry) -> Result<(Value, Value), SavedPlanError> {
    if let Entry::Outputs { mut outputs } = entry
        && let (Some(state), Some(digest)) = (outputs.remove("state"), outputs.remove("digest"))
    {
        return Ok((state, digest));
    }
    Err(SavedPlanError::Damaged("its state or digest is missing".to_owned()))
}

fn values_of_record(record: &Record) -> impl Iterator<Item = &Value> {
    let Record { inputs, outputs, drift, replace_on, .. } = record;
    inputs.values().chain(outputs.values()).chain(drift.values()).chain(replace_on)
}

/// The values in an entry that an observation can be.
fn values_of(entry: &Entry) -> impl Iterator<Item = &Value> {
    let record = match entry {
        Entry::Recorded { record, .. } => Some(&**record),
        _ => None,
    };
    record.into_iter().flat_map(values_of_record)
}

/// Hashes everything that is in the state but its lineage, which is compared by itself.
fn print_state(state: &State) -> Print {
    // All of it by name, so that nothing can be added and be forgotten here.
    let State { format, lineage: _, serial, resources, deposed, open, outputs, key, secrets, durations, providers } =
        state;
    let mut printer = Printer::default();
    printer.shown(&[format as &dyn fmt::Debug, serial, resources, deposed, open, outputs, key, secrets, durations]);
    if !providers.is_empty() {
        // As they are stored: what they show to people leaves something out.
        printer.put(format_args!("{}", serde_json::to_string(providers).unwrap_or_default()));
    }
    for record in resources.values().chain(deposed.iter().map(|d| &d.record)) {
        printer.hidden(values_of_record(record));
    }
    for intent in open.values() {
        if let Change::Create { record } | Change::Update { record, .. } = &intent.change {
            printer.hidden(values_of_record(record));
        }
    }
    printer.hidden(outputs.values().chain(secrets.values()));
    printer.finish()
}

/// Hashes everything that is in the plan but the lineage; and where it has secrets that it does not know yet, what they will be made of. The program's
/// own hash has none of that.
fn print_plan(plan: &Plan, program: &Program) -> Print {
    let Plan { project, stack, lineage: _, serial, program_hash, renames, steps, outputs } = plan;
    let mut printer = Printer::default();
    printer.shown(&[project as &dyn fmt::Debug, stack, serial, program_hash, renames, steps, outputs]);
    for step in steps {
        for diff in &step.diff {
            printer.secret |= diff.secret;
            printer.hidden([&diff.before, &diff.after]);
        }
        printer.hidden(step.adopted.iter().flat_map(|record| values_of_record(record)));
    }
    printer.hidden(outputs.values().flat_map(|(before, after)| [before, after]));
    let is_open = |step: &&Step| step.diff.iter().any(|diff| diff.secret && diff.after.has_unknown());
    let open: BTreeSet<&Urn> = steps.iter().filter(is_open).map(|step| &step.urn).collect();
    for declared in program.resources.iter().filter(|declared| open.contains(&declared.urn)) {
        declared.inputs.values().for_each(|expression| printer.parts(expression));
    }
    printer.finish()
}

/// Hashes the debug form of a thing, which shows all of it but its secrets, and then the secrets.
#[derive(Default)]
struct Printer {
    hasher: Sha256,
    secret: bool,
}

impl fmt::Write for Printer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.hasher.update(text.as_bytes());
        Ok(())
    }
}

impl Printer {
    fn put(&mut self, what: fmt::Arguments<'_>) {
        // Writing to a hasher cannot fail.
        let _ = self.write_fmt(what);
    }

    fn shown(&mut self, things: &[&dyn fmt::Debug]) {
        self.put(format_args!("{things:?}"));
    }

    fn hidden<'a>(&mut self, values: impl IntoIterator<Item = &'a Value>) {
        for value in values {
            if value.has_secret() {
                self.secret = true;
                self.value(value);
            }
        }
    }

    /// The secret literals in an expression.
    fn parts(&mut self, expression: &Expr) {
        expression.visit(&mut |outer| match outer {
            Expr::Literal(value) => self.hidden([value]),
            Expr::Secret(inner) => inner.visit(&mut |part| {
                if let Expr::Literal(value) = part {
                    self.secret = true;
                    self.value(value);
                }
            }),
            _ => {}
        });
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Secret(inner) => {
                self.put(format_args!("secret "));
                self.value(inner);
            }
            // A store without its key gives these: then they are told apart by their encrypted form.
            Value::Sealed(text) => self.put(format_args!("sealed {text:?};")),
            Value::List(items) => {
                self.put(format_args!("list {} ", items.len()));
                items.iter().for_each(|item| self.value(item));
            }
            Value::Map(fields) => self.map(fields),
            plain => self.put(format_args!("{plain:?};")),
        }
    }

    fn map(&mut self, fields: &ValueMap) {
        self.put(format_args!("map {} ", fields.len()));
        for (name, value) in fields {
            self.put(format_args!("{name:?} "));
            self.value(value);
        }
    }

    fn finish(self) -> Print {
        Print { hash: hex::encode(self.hasher.finalize()), secret: self.secret }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::tests_support::ProgramBuilder;

    #[test]
    fn what_a_secret_will_be_made_of_is_bound_before_it_is_known() {
        let of = |password: &str| {
            let mut p = ProgramBuilder::new();
            p.add("a", &[]).add("b", &[]);
            let parts = vec![Expr::Literal(Value::String(password.into())), p.output("a", "id")];
            p.set("b", "zone", Expr::Secret(Box::new(Expr::Concat(parts))));
            let plan = p.plan(&State::empty("l")).unwrap();
            (planner::program_hash(&p.program), print_plan(&plan, &p.program))
        };
        let ((hash, one), (other_hash, other)) = (of("one-"), of("two-"));
        assert_eq!(hash, other_hash, "the program's hash knows no secret");
        assert!(one.secret && one.hash != other.hash);
        assert_eq!(one.hash, of("one-").1.hash);
    }
}
