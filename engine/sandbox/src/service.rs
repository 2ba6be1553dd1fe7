//! What a service of the sandbox is to the emulator: it answers calls, and its state can be taken out and put back as JSON, region by region.
//!
//! Most are phx's own: [`Own`] around a [`Model`]. `services::all` names them all.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::HeaderMap;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use winterbaume_core::{MockResponse, StateViewError};

use super::ACCOUNT_ID;
use super::wire::{Fault, Params, decode};

/// Tags by their keys.
pub(super) type Tags = BTreeMap<String, String>;

/// The key of the state of a service that has one for all regions.
pub(super) const GLOBAL: &str = "us-east-1";

/// A request for a service, as far as the emulator understands it by itself.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// The region that it was signed for.
    pub(super) region: String,
    pub(super) method: String,
    pub(super) path_and_query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The operation, in the protocols that name it: JSON's target or a form's `Action`. Empty in the others, where path and method are it.
    pub(super) action: String,
    /// The parameters of a form; none in other protocols.
    pub(super) form: Params,
}

impl Call {
    /// The path without the query, its parts decoded.
    pub(super) fn path(&self) -> Vec<String> {
        let path = self.path_and_query.split('?').next().unwrap_or_default();
        path.split('/').filter(|part| !part.is_empty()).map(|part| decode(&part.replace('+', "%2B"))).collect()
    }

    /// What a query parameter says, the first time it occurs.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        self.queries(name).into_iter().next()
    }

    /// All that a query parameter says.
    pub(super) fn queries(&self, name: &str) -> Vec<String> {
        let query = self.path_and_query.split_once('?').map(|(_, query)| query).unwrap_or_default();
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.filter(|(key, _)| decode(key) == name).map(|(_, value)| decode(value)).collect()
    }

    /// The body of a JSON protocol. An empty one is an empty object.
    pub(super) fn json(&self) -> Result<Value, Fault> {
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        let parsed = serde_json::from_slice::<Map<String, Value>>(&self.body);
        parsed.map(Value::Object).map_err(|e| Fault::new("SerializationException", e.to_string()))
    }

    /// An ARN of this account in the call's region.
    pub(super) fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{ACCOUNT_ID}:{resource}", self.region)
    }
}

/// A service of the sandbox.
#[async_trait::async_trait]
pub(super) trait Service: Send + Sync {
    /// Answers a call. What the service does not know is answered with [`Fault::not_implemented`].
    async fn handle(&self, call: Call) -> MockResponse;

    /// Everything that the service holds, by region.
    async fn snapshot(&self) -> Result<BTreeMap<String, Value>, StateViewError>;

    /// Puts a snapshot in place of everything that the service holds.
    async fn restore(&self, views: BTreeMap<String, Value>) -> Result<(), StateViewError>;

    /// The objects of a region that bear tags, by ARN, for the tagging API. None for a service that this API does not know.
    async fn tagged(&self, _region: &str) -> Vec<(String, Tags)> {
        Vec::new()
    }
}

/// The state of a service that phx emulates by itself, in one region, and what can be done with it.
pub(super) trait Model: Clone + Default + Serialize + DeserializeOwned + Send + 'static {
    /// Whether there is one state for all regions. Its calls may still be told apart by their region.
    const GLOBAL: bool = false;

    /// Does what a call asks. If it is refused, nothing has changed.
    fn call(&mut self, call: &Call) -> Result<MockResponse, Fault>;

    /// A refusal in the protocol of the call.
    fn refusal(fault: &Fault, call: &Call) -> MockResponse;

    /// The objects of a region that bear tags, by ARN, for the tagging API. Of those that belong to no region this tells in [`GLOBAL`].
    fn tagged(&self, region: &str) -> Vec<(String, Tags)>;
}

/// A service that phx emulates by itself.
#[derive(Default)]
pub(super) struct Own<M>(Mutex<BTreeMap<String, M>>);

impl<M: Model> Own<M> {
    fn regions(&self) -> MutexGuard<'_, BTreeMap<String, M>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at or changes a region's state: one service does so with another's.
    pub(super) fn with<T>(&self, region: &str, act: impl FnOnce(&mut M) -> T) -> T {
        let region = if M::GLOBAL { GLOBAL } else { region };
        act(self.regions().entry(region.to_owned()).or_default())
    }
}

#[async_trait::async_trait]
impl<M: Model> Service for Own<M> {
    async fn handle(&self, call: Call) -> MockResponse {
        self.with(&call.region, |state| {
            let mut next = state.clone();
            match next.call(&call) {
                Ok(answer) => {
                    *state = next;
                    answer
                }
                Err(fault) => M::refusal(&fault, &call),
            }
        })
    }

    async fn snapshot(&self) -> Result<BTreeMap<String, Value>, StateViewError> {
        let regions = self.regions();
        regions.iter().map(|(region, state)| Ok((region.clone(), serde_json::to_value(state)?))).collect()
    }

    async fn restore(&self, views: BTreeMap<String, Value>) -> Result<(), StateViewError> {
        let states = views.into_iter().map(|(region, view)| Ok((region, serde_json::from_value(view)?)));
        *self.regions() = states.collect::<Result<_, StateViewError>>()?;
        Ok(())
    }

    async fn tagged(&self, region: &str) -> Vec<(String, Tags)> {
        let state = if M::GLOBAL { GLOBAL } else { region };
        self.regions().get(state).map(|state| state.tagged(region)).unwrap_or_default()
    }
}
