//! Settling the intents that an earlier run left open: finding out what became of each, and recording it, before anything else is done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use phx_model::driver::{Created, Cx, Driver, Read, ReadTarget, Registry};
use phx_model::error::ErrorKind;
use phx_model::schema::{Identity, Schema};
use phx_model::state::{Change, Entry, Intent, IntentId, Outcome, Record};
use phx_model::{CloudError, Urn, ValueMap};
use tokio::time::Instant;

use crate::engine::{EngineError, Settings};
use crate::events::{Event, EventSink};
use crate::journal::{Journal, JournalError};
use crate::refresh::mark_secret_outputs;

/// How long is waited between two looks, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What is needed to settle intents.
pub(crate) struct Recovery<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) journal: &'a Journal,
    pub(crate) sink: &'a dyn EventSink,
    pub(crate) settings: &'a Settings,
    /// The objects that the program says are to be adopted: the user's answer where the cloud has none.
    pub(crate) imports: BTreeMap<&'a Urn, &'a str>,
    /// Nothing may be changed in the cloud.
    pub(crate) only_look: bool,
}

/// Why an intent stays open.
enum Open {
    Unsettled(Box<Intent>),
    Failed(Urn, &'static str, CloudError),
    UnknownType(Urn),
    Journal(JournalError),
}

impl From<JournalError> for Open {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl Recovery<'_> {
    /// Settles every open intent, all of them at once, and returns the resources that they were about. Those that could be settled are, also
    /// if others could not.
    pub(crate) async fn run(&self) -> Result<BTreeSet<Urn>, EngineError> {
        let open: Vec<Intent> = self.journal.with(|state| state.open.values().cloned().collect());
        let touched = open.iter().map(|intent| intent.urn.clone()).collect();
        let settled = futures::future::join_all(open.into_iter().map(|intent| self.settle(intent))).await;
        let (mut unsettled, mut failed) = (Vec::new(), Vec::new());
        for open in settled.into_iter().filter_map(Result::err) {
            match open {
                Open::Unsettled(intent) => unsettled.push(*intent),
                Open::Failed(urn, change, error) => failed.push((urn, change, error)),
                Open::UnknownType(urn) => {
                    return Err(EngineError::UnknownType { type_name: urn.type_name().to_owned(), urn });
                }
                Open::Journal(error) => return Err(error.into()),
            }
        }
        if !failed.is_empty() {
            return Err(EngineError::RecoveryFailed(failed));
        }
        if !unsettled.is_empty() {
            return Err(EngineError::Unsettled(unsettled));
        }
        Ok(touched)
    }

    async fn settle(&self, intent: Intent) -> Result<(), Open> {
        let (outcome, words) = match &intent.change {
            Change::Create { record } => self.settle_create(&intent, record).await?,
            Change::Finish => (Outcome::Abandoned, "its creation is not finished; that is done again".to_owned()),
            Change::Update { fields, record } => self.settle_update(&intent, fields, record).await?,
            Change::Delete { id } => (Outcome::Abandoned, format!("whether {id} is gone shows when it is read")),
        };
        let mut entries = vec![Entry::Done { intent: intent.id.clone(), outcome: outcome.clone() }];
        if let (Change::Update { fields, record }, Outcome::Applied { outputs: Some(outputs) }) =
            (&intent.change, &outcome)
        {
            // The name tells that the change was begun, and not that it came to its end: what else of it arrived shows when the object is read,
            // and what cannot be read is sent again.
            let mut record = Record { outputs: outputs.clone(), ..(**record).clone() };
            record.uncertain.extend(fields.iter().cloned());
            entries.push(Entry::Recorded { urn: intent.urn.clone(), record: Box::new(record) });
        }
        self.journal.append(entries).await?;
        let change = intent.change.verb();
        self.sink.event(&Event::Recovered { urn: intent.urn, change, outcome: words });
        Ok(())
    }

    /// What became of a change shows when the object is read. Where it is found by what changed, as a database is by its name, it is looked for
    /// under both: one that was renamed would be taken for gone, and another made in its place.
    async fn settle_update(
        &self,
        intent: &Intent,
        fields: &BTreeSet<String>,
        record: &Record,
    ) -> Result<(Outcome, String), Open> {
        let urn = &intent.urn;
        let driver = self.registry.get(urn.type_name()).ok_or_else(|| Open::UnknownType(urn.clone()))?;
        let changed = fields.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let as_read = (Outcome::Abandoned, format!("whether the change of {changed} arrived shows when it is read"));
        let old = self.journal.with(|state| state.resources.get(urn).cloned());
        let Some(old) = old.filter(|_| renames(driver.schema(), fields)) else { return Ok(as_read) };
        let cx = Cx::new(record.provider.clone(), Arc::new(|_| {}), self.settings.timeout);
        // While the one name is given up for the other, there may be neither for a moment, however long ago the change was begun.
        let deadline = Instant::now() + self.settings.recovery_grace;
        let mut pause = FIRST_PAUSE;
        loop {
            for inputs in [&old.inputs, &record.inputs] {
                let read = driver.read_many(&cx, &[ReadTarget { id: &old.id, inputs }]).await;
                match read.map(|mut read| read.pop()) {
                    Ok(Some(Read::Gone)) => {}
                    Ok(Some(Read::Present(_))) if inputs == &old.inputs => return Ok(as_read),
                    Ok(Some(Read::Present(mut found))) => {
                        mark_secret_outputs(driver.schema(), &mut found.outputs);
                        let outcome = Outcome::Applied { outputs: Some(found.outputs) };
                        return Ok((outcome, format!("the change of {changed} arrived")));
                    }
                    Ok(Some(Read::Failed(error))) | Err(error) => {
                        return Err(Open::Failed(urn.clone(), intent.change.verb(), error));
                    }
                    Ok(None) => return Ok(as_read),
                }
            }
            let now = Instant::now();
            if now >= deadline {
                return Ok(as_read);
            }
            tokio::time::sleep(pause.min(deadline - now)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn settle_create(&self, intent: &Intent, record: &Record) -> Result<(Outcome, String), Open> {
        let urn = &intent.urn;
        let driver = self.registry.get(urn.type_name()).ok_or_else(|| Open::UnknownType(urn.clone()))?;
        let identity = driver.schema().identity;
        if identity == Identity::None {
            return self.answered(urn).ok_or_else(|| Open::Unsettled(Box::new(intent.clone())));
        }
        if identity == Identity::ClientToken && self.only_look {
            // To find it means to send the request again, and that may create it.
            return Ok((Outcome::Abandoned, "whether it was created, `up` finds out first of all".to_owned()));
        }
        let cx = Cx::new(record.provider.clone(), Arc::new(|_| {}), self.settings.timeout);
        let deadline = Instant::now() + grace_left(intent.time, Timestamp::now(), self.settings.recovery_grace);
        // With a client token, looking for it means sending the request that creates it.
        self.journal.held()?;
        match find_until(driver.as_ref(), &cx, &record.inputs, &intent.id, deadline).await {
            Ok(Some(mut found)) => {
                let words = format!("found {} and recorded it", found.id);
                mark_secret_outputs(driver.schema(), &mut found.outputs);
                Ok((Outcome::Created { id: found.id, outputs: found.outputs, complete: false }, words))
            }
            Ok(None) => Ok((Outcome::Abandoned, "it was not created".to_owned())),
            // The name is someone else's, or what the object was to be part of is not there any more; then neither is the object.
            Err(error) if matches!(error.kind, ErrorKind::AlreadyExists | ErrorKind::NotFound) => {
                Ok((Outcome::Abandoned, format!("it was not created: {}", error.message)))
            }
            Err(error) => Err(Open::Failed(urn.clone(), intent.change.verb(), error)),
        }
    }

    /// What became of a creation by the `import` option, where nothing else can tell. An id that was the resource's before is no answer: the option has
    /// stayed in the program since then.
    fn answered(&self, urn: &Urn) -> Option<(Outcome, String)> {
        let id = *self.imports.get(urn)?;
        let (own, known) = self.journal.with(|state| {
            let own = state.resources.get(urn);
            let old = state.deposed.iter().filter(|d| d.urn == *urn).map(|d| &d.record);
            (own.is_some(), own.into_iter().chain(old).any(|record| record.id == id))
        });
        let words = format!("the program says that it is {id}");
        match (known, own) {
            (true, _) => None,
            // It was to take the place of an object, and only what the resource has none of is adopted.
            (false, true) => {
                let (id, outputs) = (id.to_owned(), ValueMap::new());
                Some((Outcome::Created { id, outputs, complete: false }, words))
            }
            (false, false) => Some((Outcome::Abandoned, words)),
        }
    }
}

/// Whether a change of these fields gives an object another name, by which it is found from then on.
pub(crate) fn renames(schema: &Schema, fields: &BTreeSet<String>) -> bool {
    fields.iter().any(|field| schema.unique.contains(&field.as_str()))
}

/// How much longer an object of an intent may take to show itself. A clock that runs ahead or behind costs at most one grace.
fn grace_left(begun: Timestamp, now: Timestamp, grace: Duration) -> Duration {
    let age = Duration::try_from(now.duration_since(begun)).unwrap_or(Duration::ZERO);
    grace.saturating_sub(age)
}

/// Looks for the object of a create until it is found or the deadline is over, at least once. What may be different the next time (no answer,
/// too many calls) is tried again as well.
pub(crate) async fn find_until(
    driver: &dyn Driver,
    cx: &Cx,
    want: &ValueMap,
    intent: &IntentId,
    deadline: Instant,
) -> Result<Option<Created>, CloudError> {
    let mut pause = FIRST_PAUSE;
    loop {
        let found = match tokio::time::timeout(cx.timeout, driver.find(cx, want, intent)).await {
            Ok(found) => found,
            Err(_) => {
                Err(CloudError::local(ErrorKind::TimedOut, format!("looking for it took longer than {:?}", cx.timeout)))
            }
        };
        let may_change = match &found {
            Ok(found) => found.is_none(),
            Err(error) => error.is_ambiguous() || matches!(error.kind, ErrorKind::Throttled | ErrorKind::Unreachable),
        };
        let now = Instant::now();
        if !may_change || now >= deadline {
            return found;
        }
        tokio::time::sleep(pause.min(deadline - now)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grace_is_never_longer_than_itself_whatever_the_clocks_say() {
        let grace = Duration::from_secs(10);
        let now = Timestamp::from_second(1_000_000).unwrap();
        let left = |begun: i64| grace_left(Timestamp::from_second(begun).unwrap(), now, grace);
        assert_eq!(left(1_000_000), grace);
        assert_eq!(left(999_997), Duration::from_secs(7));
        assert_eq!(left(0), Duration::ZERO);
        assert_eq!(left(2_000_000), grace, "begun in the future");
    }
}
