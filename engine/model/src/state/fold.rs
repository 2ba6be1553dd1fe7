//! Applying a journal's entries to a state.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Deposed, Entry, Intent, IntentId, Outcome, Record, State};
use crate::urn::Urn;
use crate::value::Value;

/// Resources that were renamed, while what depends on them still has their old names.
#[derive(Default)]
struct Renamed {
    /// The new names by the old ones.
    old: BTreeMap<Urn, Urn>,
    /// The new names.
    new: BTreeSet<Urn>,
}

/// Applies entries to a state one after the other, as they are read. The state is whole once this is dropped.
pub struct Fold<'s> {
    state: &'s mut State,
    // To redirect what depends on a renamed resource takes a walk through all records: one for all renames that follow each other.
    renamed: Renamed,
}

impl<'s> Fold<'s> {
    /// Begins with a state.
    pub fn of(state: &'s mut State) -> Self {
        Self { state, renamed: Renamed::default() }
    }

    /// Applies the next entry. On an error the state is as the entries before it left it.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), FoldError> {
        if !matches!(entry, Entry::Renamed { .. } | Entry::Moved { .. }) {
            self.state.redirect(&std::mem::take(&mut self.renamed));
        }
        self.state.apply_but_redirect(entry, &mut self.renamed)
    }
}

impl Drop for Fold<'_> {
    fn drop(&mut self) {
        self.state.redirect(&self.renamed);
    }
}

/// An entry that cannot follow the ones before it. The journal was damaged or written by something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// The intent is open already.
    #[error("intent {0} was written twice")]
    IntentTwice(IntentId),
    /// There is no such open intent.
    #[error("intent {0} ended and was not open")]
    NotOpen(IntentId),
    /// The outcome is not one that such an intent can have.
    #[error("intent {intent} to {change} {urn} cannot have ended as {outcome}")]
    Outcome {
        /// Which intent.
        intent: IntentId,
        /// Its resource.
        urn: Urn,
        /// What it was to do.
        change: &'static str,
        /// How it ended.
        outcome: &'static str,
    },
    /// There is no such object.
    #[error("{0} has no object {1:?}")]
    NoObject(Urn, String),
    /// The state has another key, and what is encrypted with that would be lost.
    #[error("the key {1} would take the place of the key {0}")]
    Key(String, String),
    /// The new name is taken.
    #[error("{0} cannot be renamed to {1}: that name is taken")]
    Taken(Urn, Urn),
}

impl State {
    /// Applies entries in order. On an error the state is as the entries before the bad one left it.
    pub fn fold<'a>(&mut self, entries: impl IntoIterator<Item = &'a Entry>) -> Result<(), FoldError> {
        let mut fold = Fold::of(self);
        entries.into_iter().try_for_each(|entry| fold.apply(entry))
    }

    /// Applies one entry.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), FoldError> {
        self.fold([entry])
    }

    fn apply_but_redirect(&mut self, entry: &Entry, renamed: &mut Renamed) -> Result<(), FoldError> {
        match entry {
            Entry::Began { .. } => {}
            Entry::Intent(intent) => {
                if let Change::Update { .. } | Change::Finish = intent.change
                    && !self.resources.contains_key(&intent.urn)
                {
                    return Err(FoldError::NoObject(intent.urn.clone(), String::new()));
                }
                if self.open.contains_key(&intent.id) {
                    return Err(FoldError::IntentTwice(intent.id.clone()));
                }
                self.open.insert(intent.id.clone(), intent.clone());
            }
            Entry::Done { intent: id, outcome } => {
                let intent = self.open.remove(id).ok_or_else(|| FoldError::NotOpen(id.clone()))?;
                self.settle(intent, outcome)?;
            }
            Entry::Recorded { urn, record } => {
                self.resources.insert(urn.clone(), (**record).clone());
            }
            Entry::Forgotten { urn, id } => self.remove(urn, id)?,
            Entry::Renamed { from, to } => self.rename(from, to, renamed)?,
            Entry::Moved { from, to, record, deposed } => self.move_to(from, to, record, deposed, renamed)?,
            Entry::Outputs { outputs } => self.outputs = outputs.clone(),
            Entry::Key { header } => match &self.key {
                Some(key) if key != header => return Err(FoldError::Key(key.id.clone(), header.id.clone())),
                _ => self.key = Some(header.clone()),
            },
            Entry::Secret { name, value } => {
                match value {
                    Some(value) => self.secrets.insert(name.clone(), value.clone()),
                    None => self.secrets.remove(name),
                };
            }
            Entry::Provider { key, provider } => {
                match provider {
                    Some(provider) => self.providers.insert(key.clone(), provider.clone()),
                    None => self.providers.remove(key),
                };
            }
            Entry::Took { durations } => {
                for (verb, &took) in durations {
                    // What is new counts for a quarter: one slow day does not turn the order round.
                    let usual = self.durations.entry(verb.clone()).or_insert(took);
                    *usual = (*usual - *usual / 4).saturating_add(took / 4);
                }
            }
        }
        Ok(())
    }

    fn rename(&mut self, from: &Urn, to: &Urn, renamed: &mut Renamed) -> Result<(), FoldError> {
        if self.resources.contains_key(to) {
            return Err(FoldError::Taken(from.clone(), to.clone()));
        }
        let record = self.resources.remove(from).ok_or_else(|| FoldError::NoObject(from.clone(), String::new()))?;
        self.resources.insert(to.clone(), record);
        for deposed in self.deposed.iter_mut().filter(|d| d.urn == *from) {
            deposed.urn = to.clone();
        }
        if renamed.new.contains(from) {
            // Renamed a second time, which is rare: one after the other, then.
            self.redirect(&std::mem::take(renamed));
        }
        renamed.old.insert(from.clone(), to.clone());
        renamed.new.insert(to.clone());
        Ok(())
    }

    /// Has everything that depends on a renamed resource depend on it under its new name.
    fn redirect(&mut self, renamed: &Renamed) {
        if renamed.old.is_empty() {
            return;
        }
        for record in self.resources.values_mut().chain(self.deposed.iter_mut().map(|d| &mut d.record)) {
            if record.depends_on.iter().any(|urn| renamed.old.contains_key(urn)) {
                let old = std::mem::take(&mut record.depends_on);
                record.depends_on = old.iter().map(|urn| renamed.old.get(urn).unwrap_or(urn).clone()).collect();
            }
        }
    }

    fn move_to(
        &mut self,
        from: &Urn,
        to: &Urn,
        record: &Record,
        deposed: &[Record],
        renamed: &mut Renamed,
    ) -> Result<(), FoldError> {
        let missing = |id: &str| FoldError::NoObject(from.clone(), id.to_owned());
        if self.resources.get(from).is_some_and(|r| r.id != record.id) {
            return Err(missing(&record.id));
        }
        let mut others = deposed.iter();
        for old in self.deposed.iter().filter(|d| d.urn == *from) {
            others.next().filter(|new| new.id == old.record.id).ok_or_else(|| missing(&old.record.id))?;
        }
        if let Some(more) = others.next() {
            return Err(missing(&more.id));
        }
        // The values first: the renaming then sees to what they depend on.
        if let Some(old) = self.resources.get_mut(from) {
            *old = record.clone();
        }
        for (old, new) in self.deposed.iter_mut().filter(|d| d.urn == *from).zip(deposed) {
            old.record = new.clone();
        }
        self.rename(from, to, renamed)
    }

    fn settle(&mut self, intent: Intent, outcome: &Outcome) -> Result<(), FoldError> {
        let urn = intent.urn;
        match (intent.change, outcome) {
            (Change::Create { mut record }, Outcome::Created { id, outputs, complete }) => {
                record.id = id.clone();
                record.outputs = outputs.clone();
                record.incomplete = !complete;
                if let Some(old) = self.resources.insert(urn.clone(), *record) {
                    self.deposed.push_back(Deposed { urn, record: old });
                }
            }
            (Change::Finish, Outcome::Applied { outputs }) => {
                let record = self.object(&urn)?;
                record.incomplete = false;
                if let Some(outputs) = outputs {
                    record.outputs = outputs.clone();
                }
            }
            (Change::Update { record, .. }, Outcome::Applied { outputs }) => {
                let current = self.object(&urn)?;
                let outputs = outputs.clone().unwrap_or_else(|| std::mem::take(&mut current.outputs));
                *current = Record { outputs, ..*record };
            }
            (Change::Update { fields, record: intended }, Outcome::Failed { .. } | Outcome::Abandoned) => {
                // The object may have been found gone by the time an earlier run's intent is given up.
                if let Some(record) = self.resources.get_mut(&urn) {
                    let secret = |name: &&String| intended.inputs.get(*name).is_some_and(Value::has_secret);
                    record.hidden.extend(fields.iter().filter(secret).cloned());
                    record.uncertain.extend(fields);
                }
            }
            (Change::Delete { id }, Outcome::Deleted) => self.remove(&urn, &id)?,
            (
                Change::Create { .. } | Change::Finish | Change::Delete { .. },
                Outcome::Failed { .. } | Outcome::Abandoned,
            ) => {}
            (change, outcome) => {
                return Err(FoldError::Outcome {
                    intent: intent.id,
                    urn,
                    change: change.verb(),
                    outcome: outcome.word(),
                });
            }
        }
        Ok(())
    }

    fn object(&mut self, urn: &Urn) -> Result<&mut Record, FoldError> {
        self.resources.get_mut(urn).ok_or_else(|| FoldError::NoObject(urn.clone(), String::new()))
    }

    /// Where an old object has the id of the one that superseded it (they lie in two places, or are one and the same), it is the old one that goes.
    fn remove(&mut self, urn: &Urn, id: &str) -> Result<(), FoldError> {
        if let Some(at) = self.deposed.iter().position(|d| d.urn == *urn && d.record.id == id) {
            self.deposed.remove(at);
            return Ok(());
        }
        if self.resources.get(urn).is_none_or(|own| own.id != id) {
            return Err(FoldError::NoObject(urn.clone(), id.to_owned()));
        }
        self.resources.remove(urn);
        Ok(())
    }
}
