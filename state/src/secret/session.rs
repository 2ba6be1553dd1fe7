//! A stack under lease, with its secrets in plaintext on this side and encrypted on the other.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use phx_model::key::KeyHeader;
use phx_model::state::{Entry, IntentId, Record, State};
use phx_model::store::{Lease, Operation, Session, StoreError};
use phx_model::urn::StackName;
use phx_model::{Urn, Value};
use tokio::sync::Mutex;

use super::key::DataKey;
use super::seal;
use super::store::{Shared, not_opened, not_sealed, seal_state};
use super::walk;

/// A session of a [`SealedStore`](super::SealedStore).
pub(super) struct SealedSession {
    shared: Arc<Shared>,
    stack: StackName,
    inner: Box<dyn Session>,
    /// `None`: it has no secrets, and is the other side's.
    state: Option<State>,
    live: Mutex<Live>,
}

/// What the session has come to. Held over every write, so that what follows from one is known to the next.
struct Live {
    /// The stack's key, as far as it is written down.
    header: Option<KeyHeader>,
    /// A key that was made and may or may not have been written down: the write failed. It stays the one to try again with, since two keys
    /// in one journal would contradict each other.
    made: Option<KeyHeader>,
    /// Whether there may be anything encrypted on the other side.
    sealed: bool,
    /// Whose the open intents are: their results do not say.
    intents: HashMap<IntentId, Urn>,
}

impl SealedSession {
    pub(super) fn new(shared: Arc<Shared>, stack: StackName, inner: Box<dyn Session>, state: Option<State>) -> Self {
        let open = inner.state().open.values().map(|intent| (intent.id.clone(), intent.urn.clone()));
        let live =
            Live { header: inner.state().key.clone(), made: None, sealed: state.is_some(), intents: open.collect() };
        Self { shared, stack, inner, state, live: Mutex::new(live) }
    }

    /// The stack's key, which is made if there is none. `true`: it has to be written down.
    async fn key(&self, live: &mut Live) -> Result<(KeyHeader, Arc<DataKey>, bool), StoreError> {
        if let Some(header) = &live.header {
            return Ok((header.clone(), self.shared.key(&self.stack, header).await?, false));
        }
        if let Some(made) = &live.made {
            return Ok((made.clone(), self.shared.key(&self.stack, made).await?, true));
        }
        let (header, key) = self.shared.new_key(&self.stack).await?;
        live.made = Some(header.clone());
        Ok((header, key, true))
    }

    /// The entries as they are written. `None`: as they are.
    async fn sealed(&self, live: &mut Live, entries: &[Entry]) -> Result<Option<Vec<Entry>>, StoreError> {
        if entries.iter().any(|e| walk::entry_has(e, Value::has_sealed)) {
            return Err(not_read("an entry of the journal"));
        }
        let secrets = entries.iter().any(|e| walk::entry_has(e, Value::has_plain_secret));
        let renames = entries.iter().any(|e| matches!(e, Entry::Renamed { .. }));
        let needed = secrets || (renames && live.sealed);
        if !needed {
            return Ok(None);
        }
        let (header, key, new) = self.key(live).await?;
        // What is encrypted is good for one name only, so of what is renamed it has to be known how it is stored.
        let mut stored = match renames {
            // A stack that nothing was written to yet may get all of it in this batch.
            true => Some(self.shared.inner.load(&self.stack).await?.unwrap_or_else(|| self.inner.state().clone())),
            false => None,
        };
        let mut out = Vec::with_capacity(entries.len() + 1);
        if new {
            out.push(Entry::Key { header });
        }
        for entry in entries {
            let mut entry = match (entry, &stored) {
                (Entry::Renamed { from, to }, Some(state)) => moved(&key, state, from, to)?,
                (entry, _) => entry.clone(),
            };
            let urn = match &entry {
                Entry::Done { intent, .. } => live.intents.get(intent),
                _ => None,
            };
            walk::entry(&mut entry, urn.map(Urn::as_str), &mut |place, value| seal::seal(&key, place, value))
                .map_err(not_sealed)?;
            if let Some(state) = &mut stored {
                state.apply(&entry).map_err(|e| StoreError::Unwritable {
                    what: "a journal entry".into(),
                    why: format!("it does not follow from what is stored: {e}"),
                })?;
            }
            out.push(entry);
        }
        Ok(Some(out))
    }
}

/// A renaming, as it has to be written for what is stored under the old name.
fn moved(key: &DataKey, state: &State, from: &Urn, to: &Urn) -> Result<Entry, StoreError> {
    let renamed = || Entry::Renamed { from: from.clone(), to: to.clone() };
    let deposed: Vec<&Record> = state.deposed.iter().filter(|d| d.urn == *from).map(|d| &d.record).collect();
    let Some(record) = state.resources.get(from) else { return Ok(renamed()) };
    if !std::iter::once(record).chain(deposed.iter().copied()).any(|r| walk::record_has(r, Value::has_sealed)) {
        return Ok(renamed());
    }
    let opened = |record: &Record| {
        let mut record = record.clone();
        walk::record(from.as_str(), &mut record, &mut |place, value| seal::open(key, place, value))
            .map_err(not_opened)?;
        Ok::<_, StoreError>(record)
    };
    Ok(Entry::Moved {
        from: from.clone(),
        to: to.clone(),
        record: Box::new(opened(record)?),
        deposed: deposed.into_iter().map(opened).collect::<Result<_, _>>()?,
    })
}

/// Someone hands over what they cannot have read here.
fn not_read(what: &str) -> StoreError {
    StoreError::Unwritable {
        what: what.to_owned(),
        why: "it has an encrypted value that was not read with this stack's key".into(),
    }
}

#[async_trait]
impl Session for SealedSession {
    fn lease(&self) -> &Lease {
        self.inner.lease()
    }

    fn held(&self) -> Result<(), StoreError> {
        self.inner.held()
    }

    fn state(&self) -> &State {
        self.state.as_ref().unwrap_or_else(|| self.inner.state())
    }

    async fn append(&self, entries: &[Entry]) -> Result<(), StoreError> {
        let mut live = self.live.lock().await;
        for entry in entries {
            if let Entry::Intent(intent) = entry {
                live.intents.insert(intent.id.clone(), intent.urn.clone());
            }
        }
        let sealed = self.sealed(&mut live, entries).await?;
        live.sealed |= sealed.is_some();
        let written = sealed.as_deref().unwrap_or(entries);
        self.inner.append(written).await?;
        for entry in written {
            match entry {
                Entry::Done { intent, .. } => {
                    live.intents.remove(intent);
                }
                Entry::Key { header } => live.header = Some(header.clone()),
                _ => {}
            }
        }
        Ok(())
    }

    async fn checkpoint(&self, state: &State) -> Result<(), StoreError> {
        let mut live = self.live.lock().await;
        let mut state = Cow::Borrowed(state);
        // A state that comes from elsewhere brings its secrets with its own key.
        if let Some(opened) = self.shared.unsealed(&self.stack, &state).await? {
            state = Cow::Owned(opened);
        }
        if walk::state_has(&state, Value::has_plain_secret) {
            let (header, key, _) = self.key(&mut live).await?;
            let state = state.to_mut();
            seal_state(&key, state)?;
            state.key = Some(header);
            live.sealed = true;
        } else if live.header.is_some() && state.key != live.header {
            // The engine's state does not know of a key that was made here.
            state.to_mut().key.clone_from(&live.header);
        }
        self.inner.checkpoint(&state).await?;
        live.header.clone_from(&state.key);
        live.intents.extend(state.open.values().map(|intent| (intent.id.clone(), intent.urn.clone())));
        Ok(())
    }

    async fn record(&self, operation: &Operation) -> Result<(), StoreError> {
        self.inner.record(operation).await
    }

    async fn release(self: Box<Self>) -> Result<(), StoreError> {
        self.inner.release().await
    }
}
