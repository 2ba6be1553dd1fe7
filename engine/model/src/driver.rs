//! The seam to a cloud. One [`Driver`] serves one resource type; the engine knows nothing else of clouds.
//!
//! Typed implementations are written against a provider crate's own trait (`phx_aws::Manage`) and adapted to this one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::discreet::Discreet;
use crate::error::CloudError;
use crate::provider::Provider;
use crate::schema::Schema;
use crate::state::{IntentId, ProviderKey};
use crate::value::{Value, ValueMap};

/// An object to be read.
#[derive(Clone, Copy, Debug)]
pub struct ReadTarget<'a> {
    /// The cloud's id of it.
    pub id: &'a str,
    /// What phx last set on it, so that a type whose aspects cost a call each reads only those. Empty for an object that is being
    /// adopted: then everything is read.
    pub inputs: &'a ValueMap,
}

/// What reading one object found.
#[derive(Clone, Debug)]
pub enum Read {
    /// It is there.
    Present(Observed),
    /// The cloud answered, and it is not there.
    Gone,
    /// Whether it is there is not known.
    Failed(CloudError),
}

/// What the cloud says of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The fields, as the program would have to set them. Write-only fields are left out; what is unset is left out or null.
    pub fields: ValueMap,
    /// The outputs.
    pub outputs: ValueMap,
}

/// What creating an object gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Created {
    /// The cloud's id of it.
    pub id: String,
    /// The outputs, as far as they are decided.
    pub outputs: ValueMap,
    /// Whether nothing is left to do. Otherwise [`Driver::finish`] is called once this much is recorded.
    pub complete: bool,
}

/// One field's change.
#[derive(Clone, Debug, PartialEq)]
pub struct Delta {
    /// What it is now, [`Value::Null`] if nothing.
    pub before: Value,
    /// What it shall be, [`Value::Null`] to take it away.
    pub after: Value,
}

/// What a driver is told beside the object itself.
#[derive(Clone)]
pub struct Cx {
    /// Which account and region the object lives in.
    pub provider: ProviderKey,
    /// Told what is being waited for: "nat gateway is pending".
    pub progress: Progress,
    /// How long the whole verb may take. The engine enforces it; waiters use it to say how long they will wait.
    pub timeout: Duration,
    /// The step's place among those that work at the same time.
    pub place: Arc<dyn Place>,
}

impl Cx {
    /// Of a verb that nobody else waits for the place of.
    pub fn new(provider: ProviderKey, progress: Progress, timeout: Duration) -> Self {
        Self { provider, progress, timeout, place: Arc::new(Alone) }
    }

    /// Waits for something that is not phx's own work (a time to pass until the next look), and lets another step work meanwhile.
    pub async fn pause<F: Future + Send>(&self, waiting: F) -> F::Output {
        self.place.leave();
        let result = waiting.await;
        self.place.enter().await;
        result
    }
}

/// A place among the steps that work at the same time, of which there may be only so many.
#[async_trait]
pub trait Place: Send + Sync {
    /// Gives the place to another step.
    fn leave(&self);
    /// Waits for a place.
    async fn enter(&self);
}

/// There is room for everybody.
struct Alone;

#[async_trait]
impl Place for Alone {
    fn leave(&self) {}
    async fn enter(&self) {}
}

/// Receives a line about what is being waited for.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;

impl std::fmt::Debug for Cx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cx").field("provider", &self.provider).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// A resource type's verbs.
#[async_trait]
pub trait Driver: Send + Sync {
    /// What the type is.
    fn schema(&self) -> &'static Schema;

    /// Reads objects of the type, all of one provider context, with as few calls as the cloud allows. The answers are in the
    /// order of the targets. An error means that nothing is known of any of them.
    async fn read_many(&self, cx: &Cx, targets: &[ReadTarget<'_>]) -> Result<Vec<Read>, CloudError>;

    /// Makes the object come into being with one call, marked so that [`find`](Driver::find) finds it.
    async fn create(&self, cx: &Cx, want: &ValueMap, intent: &IntentId) -> Result<Created, CloudError>;

    /// Does what is left after the object exists: further settings, waiting until it can be used. Repeating it is harmless. Returns
    /// the outputs if they changed.
    async fn finish(&self, cx: &Cx, id: &str, want: &ValueMap) -> Result<Option<ValueMap>, CloudError>;

    /// Changes the fields named, and no others; `want` is the whole wish. Repeating it is harmless. Returns the outputs if they changed.
    async fn update(
        &self,
        cx: &Cx,
        id: &str,
        want: &ValueMap,
        change: &BTreeMap<String, Delta>,
    ) -> Result<Option<ValueMap>, CloudError>;

    /// Deletes the object and waits until it is gone. One that is gone already is deleted.
    async fn delete(&self, cx: &Cx, id: &str, inputs: &ValueMap) -> Result<(), CloudError>;

    /// Looks for the object that an earlier [`create`](Driver::create) with this intent made, by the type's
    /// [identity](crate::schema::Identity). `None`: the cloud knows none. An object of the same name that is not this intent's is an
    /// error of kind [`AlreadyExists`](crate::error::ErrorKind::AlreadyExists).
    async fn find(&self, cx: &Cx, want: &ValueMap, intent: &IntentId) -> Result<Option<Created>, CloudError>;
}

/// Learns what the keys of places mean that are told in every [`Cx`].
#[async_trait]
pub trait Places: Send + Sync {
    /// Says what keys mean from now on. Called before any verb; a key that needs no explanation is in no table.
    fn define(&self, providers: &BTreeMap<ProviderKey, Provider>);

    /// Makes sure that these can be worked in, before anything is changed. The error names the one that cannot.
    async fn open(&self, places: &BTreeSet<ProviderKey>) -> Result<(), CloudError>;

    /// The region of the stack's own place, where there is such a thing and it is known. The state keeps it: an object that is looked for in another
    /// one seems to be gone.
    async fn home(&self) -> Option<String> {
        None
    }

    /// Whether objects of a type are the same in all regions.
    fn is_global(&self, type_name: &str) -> bool {
        let _ = type_name;
        false
    }
}

/// The resource types that a program can use.
#[derive(Clone, Default)]
pub struct Registry {
    drivers: BTreeMap<&'static str, Arc<dyn Driver>>,
    places: Vec<Arc<dyn Places>>,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a type. A later one of the same name takes the place of an earlier one. Its errors and its progress are shown and stored with
    /// the secrets that it was called with cut out.
    pub fn add(&mut self, driver: Arc<dyn Driver>) {
        self.drivers.insert(driver.schema().type_name, Arc::new(Discreet(driver)));
    }

    /// Has a cloud told what the keys of places mean.
    pub fn add_places(&mut self, places: Arc<dyn Places>) {
        self.places.push(places);
    }

    /// The clouds that are told.
    pub fn places(&self) -> &[Arc<dyn Places>] {
        &self.places
    }

    /// The type's driver.
    pub fn get(&self, type_name: &str) -> Option<&Arc<dyn Driver>> {
        self.drivers.get(type_name)
    }

    /// All types' schemas, by name.
    pub fn schemas(&self) -> impl Iterator<Item = &'static Schema> + '_ {
        self.drivers.values().map(|d| d.schema())
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.drivers.keys()).finish()
    }
}
