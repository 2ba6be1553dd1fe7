//! One action: its intent, its calls and its result.
// A cloud's error carries everything that the cloud said, and is made at most once for a step: its size costs nothing.
#![allow(clippy::result_large_err)]

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use phx_model::driver::{Created, Cx, Driver};
use phx_model::error::ErrorKind;
use phx_model::schema::{Identity, Kind};
use phx_model::stack::Declared;
use phx_model::state::{Change, Entry, Intent, IntentId, Outcome, ProviderKey, Record};
use phx_model::{CloudError, Urn, Value, ValueMap};
use tokio::time::Instant;

use super::Run;
use super::places::Own;
use super::wish::{Changes, Recorded, Wish};
use crate::events::{Event, StepOp};
use crate::journal::{Journal, JournalError};
use crate::plan::{Op, ReplaceOrder, Step};
use crate::planner;
use crate::recover::{find_until, renames};
use crate::refresh::mark_secret_outputs;
use crate::schedule::{Action, Work};

/// How often a call whose outcome is unclear is made before the step fails.
const ATTEMPTS: u32 = 3;

/// Why an action did not come to its end.
pub(super) enum Stop {
    /// The cloud refused, and that is recorded.
    Failed(CloudError),
    /// Nothing can be recorded any more.
    Journal(JournalError),
}

impl From<JournalError> for Stop {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl From<CloudError> for Stop {
    fn from(error: CloudError) -> Self {
        Self::Failed(error)
    }
}

/// Why there is no new object.
enum NotCreated {
    /// The cloud refused: there is none.
    Refused(CloudError),
    /// It cannot be told whether there is one.
    Unclear(CloudError),
    /// The lease was over before a call could be made.
    Stopped(JournalError),
}

/// Why a call gave nothing.
enum Missed {
    /// The cloud's answer.
    Cloud(CloudError),
    /// The lease was over, so it was not made.
    Lease(JournalError),
}

impl Work {
    /// What events call it.
    pub(super) fn op(&self) -> StepOp {
        match self {
            Self::Create => StepOp::Create,
            Self::Update => StepOp::Update,
            Self::Delete { .. } | Self::Vanish { .. } => StepOp::Delete,
            Self::Adopt => StepOp::Adopt,
            Self::Forget { .. } => StepOp::Forget,
        }
    }
}

/// When an action began, and its place among those that work at the same time.
#[derive(Clone, Copy)]
struct Begun<'a> {
    at: Instant,
    place: &'a Arc<Own>,
}

/// A verb at work on an object: whom it tells what it waits for, and until when it may take.
struct Verb<'a> {
    driver: &'a dyn Driver,
    journal: &'a Journal,
    cx: Cx,
    deadline: Instant,
}

impl Verb<'_> {
    /// Makes a call, for as long as the verb may take; but none once the lease is over, however long ago the intent was written.
    async fn call<T>(&self, call: impl Future<Output = Result<T, CloudError>>) -> Result<T, Missed> {
        self.journal.held().map_err(Missed::Lease)?;
        match tokio::time::timeout_at(self.deadline, call).await {
            Ok(result) => result.map_err(Missed::Cloud),
            Err(_) => Err(Missed::Cloud(
                CloudError::local(ErrorKind::TimedOut, format!("it took longer than {:?}", self.cx.timeout))
                    .hint("if it needs more time than that, give it more with the `timeouts` option"),
            )),
        }
    }

    /// Makes a call that may be repeated, and repeats it while it is not clear whether it had an effect.
    async fn repeat<T, F>(&self, mut call: impl FnMut() -> F) -> Result<T, Missed>
    where
        F: Future<Output = Result<T, CloudError>>,
    {
        let mut pause = Duration::from_millis(200);
        for _ in 1..ATTEMPTS {
            match self.call(call()).await {
                Err(Missed::Cloud(error)) if error.kind == ErrorKind::Ambiguous => {}
                result => return result,
            }
            tokio::time::sleep_until(self.deadline.min(Instant::now() + pause)).await;
            pause *= 2;
        }
        self.call(call()).await
    }
}

impl Run<'_> {
    /// An action as it turns out to be once the values are there that its plan did not know. An object that was to be replaced for a value which
    /// comes to what it was is kept, so that the new one is but an update, and there is no old one to be deleted: `None`.
    pub(super) fn as_it_turned_out<'a>(&self, action: &'a Action) -> Option<Cow<'a, Action>> {
        let step = &self.plan.steps[action.step];
        let as_planned = Some(Cow::Borrowed(action));
        if !planner::may_turn_out_needless(step) {
            return as_planned;
        }
        let (Ok(declared), Ok(record)) = (self.declared(&action.urn), self.record(&action.urn)) else {
            return as_planned;
        };
        match &action.work {
            Work::Create => {
                let wish = self.wish(declared).ok();
                let changes = wish.map(|wish| wish.change(declared, &step.depends_on, &record));
                match changes.is_some_and(|changes| changes.replaced(declared.schema).is_none()) {
                    true => Some(Cow::Owned(Action { work: Work::Update, ..action.clone() })),
                    false => as_planned,
                }
            }
            // It comes after the creation: if the object is still there, nothing was created.
            Work::Delete { id } | Work::Forget { id } if record.id == *id => None,
            _ => as_planned,
        }
    }

    /// Does an action. Returns the cloud's id of the object.
    pub(super) async fn act(&self, action: &Action, started: Instant, place: &Arc<Own>) -> Result<String, Stop> {
        let step = &self.plan.steps[action.step];
        let started = Begun { at: started, place };
        match &action.work {
            Work::Create => self.create(action, step, started).await,
            Work::Update => self.update(action, step, started).await,
            Work::Delete { id } => self.delete(action, step, id, started).await,
            Work::Adopt => self.adopt(action, step, started).await,
            Work::Forget { id } | Work::Vanish { id } => {
                self.journal.append(vec![Entry::Forgotten { urn: action.urn.clone(), id: id.clone() }]).await?;
                Ok(id.clone())
            }
        }
    }

    fn verb(
        &self,
        action: &Action,
        started: Begun<'_>,
        provider: &ProviderKey,
        timeout: Option<Duration>,
    ) -> Result<Verb<'_>, CloudError> {
        let urn = action.urn.clone();
        let driver = self.registry.get(urn.type_name()).ok_or_else(|| {
            CloudError::local(
                ErrorKind::Unsupported,
                format!("the type {} is not known to this program", urn.type_name()),
            )
        })?;
        let timeout = timeout.unwrap_or(self.settings.timeout);
        let (sink, op, began) = (self.sink.clone(), action.work.op(), started.at);
        let usual = |verb| self.journal.with(|state| state.usual_ms(urn.type_name(), verb));
        let usual_ms = action.work.verb().and_then(usual);
        let progress = Arc::new(move |message: &str| {
            let elapsed_ms = millis(began.elapsed());
            let (urn, message) = (urn.clone(), message.to_owned());
            sink.event(&Event::StepWaiting { urn, op, message, elapsed_ms, usual_ms });
        });
        let cx = Cx { place: started.place.clone(), ..Cx::new(provider.clone(), progress, timeout) };
        Ok(Verb { driver: driver.as_ref(), journal: self.journal, cx, deadline: deadline(timeout) })
    }

    fn declared(&self, urn: &Urn) -> Result<&Declared, CloudError> {
        let missing =
            || CloudError::local(ErrorKind::Other, format!("the plan has {urn}, which the program does not declare"));
        self.index.get(urn).copied().ok_or_else(missing)
    }

    fn record(&self, urn: &Urn) -> Result<Record, CloudError> {
        let missing = || CloudError::local(ErrorKind::NotFound, format!("the state has no object of {urn} any more"));
        self.journal.with(|state| state.resources.get(urn).cloned()).ok_or_else(missing)
    }

    fn wish(&self, declared: &Declared) -> Result<Wish, CloudError> {
        self.journal.with(|state| Wish::resolve(declared, &Recorded { state, index: &self.index }))
    }

    fn intent(&self, urn: &Urn, change: Change) -> (IntentId, Entry) {
        let id = self.journal.next_intent();
        let intent = Intent { id: id.clone(), urn: urn.clone(), time: Timestamp::now(), change };
        (id, Entry::Intent(intent))
    }

    async fn create(&self, action: &Action, step: &Step, started: Begun<'_>) -> Result<String, Stop> {
        let urn = &action.urn;
        let declared = self.declared(urn)?;
        let wish = self.wish(declared)?;
        if step.op == Op::Replace(ReplaceOrder::CreateBeforeDelete)
            && declared.options.delete_before_replace.is_none()
            && self.record(urn).is_ok_and(|old| wish.shares_name(declared, &old))
        {
            let what =
                "the new object has come to the name of the one that it replaces, and there can be one of a name only";
            let hint = "run `phx up` again: knowing the name, it deletes the old object first";
            return Err(CloudError::local(ErrorKind::Invalid, what).hint(hint).into());
        }
        let record = wish.new_record(declared, &step.depends_on);
        let verb = self.verb(action, started, &record.provider, declared.options.timeouts.create)?;
        let want = record.inputs.clone();
        let (intent, entry) = self.intent(urn, Change::Create { record: Box::new(record) });
        self.journal.append(vec![entry]).await?;
        let mut created = match self.create_object(&verb, &want, &intent).await {
            Ok(created) => created,
            Err(NotCreated::Refused(error)) => {
                let outcome = Outcome::Failed { error: error.to_string() };
                self.journal.append(vec![Entry::Done { intent, outcome }]).await?;
                return Err(with_import_hint(error).into());
            }
            // The intent stays open, so that the next run settles it before anything else.
            Err(NotCreated::Unclear(mut error)) => {
                error.message.push_str("; whether the object exists is not known");
                let hint = match declared.schema.identity {
                    Identity::None => {
                        "the cloud gives no way to find it again: the next `phx up` will ask you to look for it"
                    }
                    _ => "the next `phx up` finds out before it does anything else, and goes on from there",
                };
                return Err(error.hint(hint).into());
            }
            Err(NotCreated::Stopped(error)) => return Err(error.into()),
        };
        mark_secret_outputs(declared.schema, &mut created.outputs);
        let Created { id, outputs, complete } = created;
        let done = Entry::Done { intent, outcome: Outcome::Created { id: id.clone(), outputs, complete } };
        if complete {
            self.journal.append(vec![done]).await?;
        } else {
            let (finish, entry) = self.intent(urn, Change::Finish);
            self.journal.append(vec![done, entry]).await?;
            self.finish(&verb, finish, &id, &want, None).await?;
        }
        Ok(id)
    }

    /// Makes the object. Where it is not clear whether a call had an effect, the object is looked for, and the same intent is tried again.
    async fn create_object(&self, verb: &Verb<'_>, want: &ValueMap, intent: &IntentId) -> Result<Created, NotCreated> {
        let findable = verb.driver.schema().identity != Identity::None;
        let mut unclear = false;
        let mut attempt = 1;
        loop {
            let error = match verb.call(verb.driver.create(&verb.cx, want, intent)).await {
                Ok(created) => return Ok(created),
                Err(Missed::Cloud(error)) => error,
                Err(Missed::Lease(error)) => return Err(NotCreated::Stopped(error)),
            };
            let taken = error.kind == ErrorKind::AlreadyExists;
            unclear |= error.is_ambiguous();
            if !findable {
                return Err(if unclear { NotCreated::Unclear(error) } else { NotCreated::Refused(error) });
            }
            if !taken && !error.is_ambiguous() {
                // If there was an earlier attempt, it has been looked for in vain for a whole grace.
                return Err(NotCreated::Refused(error));
            }
            // A name that is taken may be taken by this very intent: by an attempt whose answer was lost, here or inside a client.
            // The latter is rare, and not worth keeping everybody waiting whose name is simply taken.
            let grace = self.settings.recovery_grace / if unclear { 1 } else { 4 };
            self.journal.held().map_err(NotCreated::Stopped)?;
            match find_until(verb.driver, &verb.cx, want, intent, Instant::now() + grace).await {
                Ok(Some(found)) => return Ok(Created { complete: false, ..found }),
                Ok(None) if taken && !unclear => return Err(NotCreated::Refused(error)),
                Ok(None) if attempt < ATTEMPTS && !taken && Instant::now() < verb.deadline => attempt += 1,
                Ok(None) => return Err(NotCreated::Unclear(error)),
                Err(other) if other.kind == ErrorKind::AlreadyExists => return Err(NotCreated::Refused(other)),
                Err(other) => return Err(NotCreated::Unclear(other)),
            }
        }
    }

    /// Does what is left after a creation. `known` is the object's record if it is not as new: what was seen to differ from its inputs may
    /// have been put right by this, so of these fields it is not known any more how they are.
    async fn finish(
        &self,
        verb: &Verb<'_>,
        intent: IntentId,
        id: &str,
        want: &ValueMap,
        known: Option<(&Urn, &Record)>,
    ) -> Result<(), Stop> {
        let outputs = match verb.repeat(|| verb.driver.finish(&verb.cx, id, want)).await {
            Ok(outputs) => marked(verb.driver, outputs),
            Err(error) => return Err(self.failed(intent, error).await),
        };
        let mut entries = vec![Entry::Done { intent, outcome: Outcome::Applied { outputs: outputs.clone() } }];
        if let Some((urn, record)) = known.filter(|(_, record)| !record.drift.is_empty()) {
            let mut record = Record { incomplete: false, ..record.clone() };
            record.outputs = outputs.unwrap_or(record.outputs);
            let drift = std::mem::take(&mut record.drift);
            let (ours, others): (ValueMap, _) = drift.into_iter().partition(|(name, _)| want.contains_key(name));
            record.drift = others;
            for (name, seen) in ours {
                // Whoever is to take a foreign tag away has to be told that it is there.
                let is_map = verb.driver.schema().field(&name).is_some_and(|f| matches!(f.kind, Kind::Map(_)));
                if let (true, Value::Map(seen), Some(Value::Map(set))) = (is_map, seen, want.get(&name)) {
                    let mut all = set.clone();
                    all.extend(seen);
                    record.drift.insert(name.clone(), Value::Map(all));
                }
                record.uncertain.insert(name.into());
            }
            entries.push(Entry::Recorded { urn: urn.clone(), record: Box::new(record) });
        }
        Ok(self.journal.append(entries).await?)
    }

    /// Records that a change failed. One that was not even tried stays open.
    async fn failed(&self, intent: IntentId, missed: Missed) -> Stop {
        let error = match missed {
            Missed::Cloud(error) => error,
            Missed::Lease(error) => return Stop::Journal(error),
        };
        let outcome = Outcome::Failed { error: error.to_string() };
        match self.journal.append(vec![Entry::Done { intent, outcome }]).await {
            Ok(()) => Stop::Failed(error),
            Err(journal) => Stop::Journal(journal),
        }
    }

    async fn update(&self, action: &Action, step: &Step, started: Begun<'_>) -> Result<String, Stop> {
        let urn = &action.urn;
        let declared = self.declared(urn)?;
        let mut record = self.record(urn)?;
        if record.incomplete {
            // As the run that created it wanted it; what this one wants comes after.
            let verb = self.verb(action, started, &record.provider, declared.options.timeouts.create)?;
            let (intent, entry) = self.intent(urn, Change::Finish);
            self.journal.append(vec![entry]).await?;
            self.finish(&verb, intent, &record.id, &record.inputs, Some((urn, &record))).await?;
            record = self.record(urn)?;
        }
        let verb = self.verb(action, started, &record.provider, declared.options.timeouts.update)?;
        let changes = self.wish(declared)?.change(declared, &step.depends_on, &record);
        self.apply(&verb, urn, &record, changes).await
    }

    /// Changes an object, or only its record if that is all that is left to change.
    async fn apply(&self, verb: &Verb<'_>, urn: &Urn, old: &Record, changes: Changes) -> Result<String, Stop> {
        let id = old.id.clone();
        let replaced = changes.replaced(verb.driver.schema());
        let Changes { fields, record } = changes;
        if fields.is_empty() {
            if record != *old {
                self.journal.append(vec![Entry::Recorded { urn: urn.clone(), record: Box::new(record) }]).await?;
            }
            return Ok(id);
        }
        if let Some(name) = replaced {
            let what = format!("{name} has come to another value than was planned, and it cannot be changed in place");
            return Err(CloudError::local(ErrorKind::Invalid, what)
                .hint("run `phx up` again to replace the object")
                .into());
        }
        let want = record.inputs.clone();
        let names: BTreeSet<String> = fields.keys().cloned().collect();
        let is_renamed = renames(verb.driver.schema(), &names);
        let change = Change::Update { fields: names, record: Box::new(record) };
        let (intent, entry) = self.intent(urn, change);
        self.journal.append(vec![entry]).await?;
        match verb.repeat(|| verb.driver.update(&verb.cx, &id, &want, &fields)).await {
            Ok(outputs) => {
                let outcome = Outcome::Applied { outputs: marked(verb.driver, outputs) };
                self.journal.append(vec![Entry::Done { intent, outcome }]).await?;
                Ok(id)
            }
            // Under which name it is now, the next run finds out before anything else.
            Err(Missed::Cloud(error)) if is_renamed => Err(Stop::Failed(error)),
            Err(error) => Err(self.failed(intent, error).await),
        }
    }

    async fn delete(&self, action: &Action, step: &Step, id: &str, started: Begun<'_>) -> Result<String, Stop> {
        let urn = &action.urn;
        // A resource may have two objects of one id: in two regions, say. Which of them is meant tells the step.
        let ends_own = matches!(step.op, Op::Delete | Op::Replace(ReplaceOrder::DeleteBeforeCreate));
        let found = self.journal.with(|state| {
            let own = state.resources.get(urn).filter(|r| r.id == id);
            let old = state.deposed.iter().find(|d| d.urn == *urn && d.record.id == id).map(|d| &d.record);
            let home = &self.program.home;
            let is_own = own.zip(old).is_some_and(|(own, old)| own.provider.is_where(&old.provider, home));
            let record = if ends_own { own.or(old) } else { old };
            record.map(|record| (record.clone(), is_own && !ends_own))
        });
        let (record, is_own) = found.ok_or_else(|| {
            CloudError::local(ErrorKind::NotFound, format!("the state has no object {id} of {urn} any more"))
        })?;
        if is_own {
            // The cloud goes by names, and the new object has come to be the old one: there is none to delete.
            self.journal.append(vec![Entry::Forgotten { urn: urn.clone(), id: id.to_owned() }]).await?;
            return Ok(String::new());
        }
        // The program's word counts before the one that was recorded.
        let declared = self.index.get(urn).and_then(|d| d.options.timeouts.delete);
        let timeout = declared.or(record.delete_timeout.map(Duration::from_secs));
        let verb = self.verb(action, started, &record.provider, timeout)?;
        let (intent, entry) = self.intent(urn, Change::Delete { id: id.to_owned() });
        self.journal.append(vec![entry]).await?;
        match verb.repeat(|| verb.driver.delete(&verb.cx, id, &record.inputs)).await {
            Ok(()) => {
                self.journal.append(vec![Entry::Done { intent, outcome: Outcome::Deleted }]).await?;
                Ok(id.to_owned())
            }
            Err(error) => Err(self.failed(intent, error).await),
        }
    }

    async fn adopt(&self, action: &Action, step: &Step, started: Begun<'_>) -> Result<String, Stop> {
        let urn = &action.urn;
        let declared = self.declared(urn)?;
        let Some(record) = step.adopted.as_deref() else {
            let what = format!("the plan adopts an object for {urn} and does not say how it was found");
            return Err(CloudError::local(ErrorKind::Other, what).into());
        };
        let verb = self.verb(action, started, &record.provider, declared.options.timeouts.update)?;
        let changes = self.wish(declared)?.change(declared, &step.depends_on, record);
        if let Some(name) = changes.replaced(verb.driver.schema()) {
            let what = format!(
                "{name} has come to another value than was planned, and it cannot be changed in place; the object was not adopted"
            );
            return Err(CloudError::local(ErrorKind::Invalid, what)
                .hint("set the field to what the object has, and run `phx up` again")
                .into());
        }
        if changes.fields.is_empty() {
            let record = Box::new(changes.record);
            self.journal.append(vec![Entry::Recorded { urn: urn.clone(), record }]).await?;
            return Ok(step.id.clone().unwrap_or_default());
        }
        self.journal.append(vec![Entry::Recorded { urn: urn.clone(), record: Box::new(record.clone()) }]).await?;
        self.apply(&verb, urn, record, changes).await
    }
}

/// When a time from now will be over. One that no clock can tell is as good as for ever.
fn deadline(timeout: Duration) -> Instant {
    const FOR_EVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or_else(|| now + FOR_EVER)
}

fn marked(driver: &dyn Driver, outputs: Option<ValueMap>) -> Option<ValueMap> {
    outputs.map(|mut outputs| {
        mark_secret_outputs(driver.schema(), &mut outputs);
        outputs
    })
}

fn with_import_hint(error: CloudError) -> CloudError {
    if error.kind == ErrorKind::AlreadyExists && error.hint.is_none() {
        return error.hint(
            "to make it this stack's, give the resource the `import` option with its id; otherwise choose another name",
        );
    }
    error
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
