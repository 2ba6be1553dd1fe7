//! The store that seals.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use phx_model::Value;
use phx_model::key::KeyHeader;
use phx_model::state::State;
use phx_model::store::{
    Holder, Import, Kept, Lease, Operation, RolledBack, Session, Store, StoreError, Summary, Verification,
};
use phx_model::urn::StackName;

use super::key::{DataKey, KeySource};
use super::seal::{self, Refused};
use super::session::SealedSession;
use super::walk;

/// A store before another one: secrets are in plaintext here and encrypted there. It keeps nothing itself.
#[derive(Clone)]
pub struct SealedStore {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) inner: Arc<dyn Store>,
    pub(super) keys: Arc<dyn KeySource>,
    /// Those that were asked for, by name, so that nobody is asked twice in one run.
    known: Mutex<HashMap<String, Arc<DataKey>>>,
}

impl SealedStore {
    /// Seals what goes to `inner`, with keys from `keys`.
    pub fn new(inner: Arc<dyn Store>, keys: Arc<dyn KeySource>) -> Self {
        Self { shared: Arc::new(Shared { inner, keys, known: Mutex::default() }) }
    }

    /// The store behind it, for looking at a state without a key: its secrets are encrypted there.
    pub fn inner(&self) -> &Arc<dyn Store> {
        &self.shared.inner
    }

    /// Gives the stack a new data key from `new`, and encrypts all its secrets with that, as a new checkpoint. Earlier checkpoints keep theirs:
    /// going back to one goes back to its key as well.
    pub async fn rotate(
        &self,
        stack: &StackName,
        holder: &Holder,
        new: &dyn KeySource,
    ) -> Result<KeyHeader, StoreError> {
        let started = Timestamp::now();
        let session = self.shared.inner.acquire(stack, holder).await?;
        let rotated = self.rotate_in(&*session, stack, new, started).await;
        let released = session.release().await;
        let header = rotated?;
        released?;
        Ok(header)
    }

    async fn rotate_in(
        &self,
        session: &dyn Session,
        stack: &StackName,
        new: &dyn KeySource,
        started: Timestamp,
    ) -> Result<KeyHeader, StoreError> {
        let mut state = match self.shared.unsealed(stack, session.state()).await? {
            Some(state) => state,
            None => session.state().clone(),
        };
        let (header, key) = new.create(stack).await?;
        let key = Arc::new(key);
        self.shared.learn(&key);
        seal_state(&key, &mut state)?;
        state.key = Some(header.clone());
        state.serial = state.serial.checked_add(1).ok_or_else(|| StoreError::Unwritable {
            what: format!("a checkpoint of stack {stack}"),
            why: "its serial would be too large".into(),
        })?;
        session.checkpoint(&state).await?;
        let holder = &session.lease().holder;
        let operation = Operation {
            id: holder.operation.clone(),
            kind: holder.kind.clone(),
            started,
            ended: Timestamp::now(),
            result: "succeeded".to_owned(),
            summary: Summary::default(),
            serial: state.serial,
            who: holder.who.clone(),
            program_hash: String::new(),
            pace: None,
        };
        session.record(&operation).await?;
        Ok(header)
    }

    async fn session(&self, stack: &StackName, inner: Box<dyn Session>) -> Result<Box<dyn Session>, StoreError> {
        match self.shared.unsealed(stack, inner.state()).await {
            Ok(state) => Ok(Box::new(SealedSession::new(self.shared.clone(), stack.clone(), inner, state))),
            Err(error) => {
                // The key's error is the one to tell; a lease that is not given back ends by itself.
                if let Err(also) = inner.release().await {
                    tracing::warn!(%also, "the lease could not be given back");
                }
                Err(error)
            }
        }
    }
}

impl Shared {
    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<DataKey>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a key.
    pub(super) fn learn(&self, key: &Arc<DataKey>) {
        self.known().insert(key.id(), key.clone());
    }

    /// The key of a header. A key's name follows from the key, so one that is known needs no asking.
    pub(super) async fn key(&self, stack: &StackName, header: &KeyHeader) -> Result<Arc<DataKey>, StoreError> {
        if let Some(key) = self.known().get(&header.id) {
            return Ok(key.clone());
        }
        let key = Arc::new(self.keys.open(stack, header).await?);
        self.learn(&key);
        Ok(key)
    }

    /// A new key.
    pub(super) async fn new_key(&self, stack: &StackName) -> Result<(KeyHeader, Arc<DataKey>), StoreError> {
        let (header, key) = self.keys.create(stack).await?;
        let key = Arc::new(key);
        self.learn(&key);
        Ok((header, key))
    }

    /// The state with its secrets in plaintext; `None` if it has none, and is as it is.
    pub(super) async fn unsealed(&self, stack: &StackName, sealed: &State) -> Result<Option<State>, StoreError> {
        if !walk::state_has(sealed, Value::has_sealed) {
            return Ok(None);
        }
        let header = sealed.key.as_ref().ok_or_else(|| StoreError::Damaged {
            what: format!("the state of stack {stack}"),
            why: "it has encrypted secrets, and no key that they are encrypted with".into(),
            hint: HINT.into(),
        })?;
        let key = self.key(stack, header).await?;
        let mut state = sealed.clone();
        walk::state(&mut state, &mut |place, value| seal::open(&key, place, value)).map_err(not_opened)?;
        Ok(Some(state))
    }
}

const HINT: &str = "`phx state rollback` restores an earlier checkpoint";

pub(super) fn not_opened(refused: Refused) -> StoreError {
    StoreError::Damaged { what: format!("the secret at {}", refused.place), why: refused.why, hint: HINT.into() }
}

pub(super) fn not_sealed(refused: Refused) -> StoreError {
    StoreError::Unwritable { what: refused.place, why: refused.why }
}

/// Encrypts every secret of a state.
pub(super) fn seal_state(key: &DataKey, state: &mut State) -> Result<(), StoreError> {
    walk::state(state, &mut |place, value| seal::seal(key, place, value)).map_err(not_sealed)
}

#[async_trait]
impl Store for SealedStore {
    fn location(&self) -> String {
        self.shared.inner.location()
    }

    async fn stacks(&self) -> Result<Vec<StackName>, StoreError> {
        self.shared.inner.stacks().await
    }

    async fn load(&self, stack: &StackName) -> Result<Option<State>, StoreError> {
        let Some(sealed) = self.shared.inner.load(stack).await? else { return Ok(None) };
        Ok(Some(self.shared.unsealed(stack, &sealed).await?.unwrap_or(sealed)))
    }

    async fn acquire(&self, stack: &StackName, holder: &Holder) -> Result<Box<dyn Session>, StoreError> {
        let inner = self.shared.inner.acquire(stack, holder).await?;
        self.session(stack, inner).await
    }

    async fn acquire_waiting(
        &self,
        stack: &StackName,
        holder: &Holder,
        wait: Duration,
    ) -> Result<Box<dyn Session>, StoreError> {
        let inner = self.shared.inner.acquire_waiting(stack, holder, wait).await?;
        self.session(stack, inner).await
    }

    async fn break_lease(&self, stack: &StackName) -> Result<Option<Lease>, StoreError> {
        self.shared.inner.break_lease(stack).await
    }

    async fn lease(&self, stack: &StackName) -> Result<Option<Lease>, StoreError> {
        self.shared.inner.lease(stack).await
    }

    async fn history(&self, stack: &StackName) -> Result<Vec<Operation>, StoreError> {
        self.shared.inner.history(stack).await
    }

    async fn verify(&self, stack: &StackName) -> Result<Verification, StoreError> {
        self.shared.inner.verify(stack).await
    }

    async fn checkpoints(&self, stack: &StackName) -> Result<Vec<Kept>, StoreError> {
        self.shared.inner.checkpoints(stack).await
    }

    /// Going back takes no key: the state that is given back has its secrets encrypted.
    async fn rollback(&self, stack: &StackName, holder: &Holder, to: Option<u64>) -> Result<RolledBack, StoreError> {
        self.shared.inner.rollback(stack, holder, to).await
    }

    /// Takes a key only if the state's secrets are in plaintext; a state that was exported has them encrypted, and brings its own. The state that
    /// is given back has them encrypted.
    async fn import(&self, stack: &StackName, holder: &Holder, import: &Import) -> Result<RolledBack, StoreError> {
        if !walk::state_has(&import.state, Value::has_plain_secret) {
            return self.shared.inner.import(stack, holder, import).await;
        }
        let mut import = import.clone();
        if let Some(opened) = self.shared.unsealed(stack, &import.state).await? {
            import.state = opened;
        }
        let (header, key) = match &import.state.key {
            Some(header) => (header.clone(), self.shared.key(stack, header).await?),
            None => self.shared.new_key(stack).await?,
        };
        seal_state(&key, &mut import.state)?;
        import.state.key = Some(header);
        self.shared.inner.import(stack, holder, &import).await
    }
}
