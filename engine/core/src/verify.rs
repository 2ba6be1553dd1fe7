//! What is asked of the cloud once an `up` is done: whether what the program's [checks](phx_model::check) say is true.
//!
//! Most of it is asked of networks and processes, which the engine knows nothing of: whoever runs it hands over a [`Verify`]. What the engine
//! knows is when to ask, and how an object is read.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use phx_model::driver::{Cx, Observed, Read, ReadTarget, Registry};
use phx_model::error::ErrorKind;
use phx_model::state::{ProviderKey, Record, State};
use phx_model::{CloudError, Value, ValueMap};
use serde::Serialize;

use crate::engine::Interrupt;
use crate::refresh::{mark_secret_outputs, mark_secrets};

/// Makes checks.
#[async_trait]
pub trait Verify: Send + Sync + fmt::Debug {
    /// Makes them, with what is recorded now, until the interrupt asks it to stop. `None`: there are none to make.
    async fn verify(&self, state: &State, interrupt: &Interrupt) -> Option<Verified>;
}

/// What the checks came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// How many are true.
    pub passed: u64,
    /// How many are not.
    pub failed: u64,
    /// How many were not brought to an end, since the run was asked to stop.
    pub not_done: u64,
    /// The names of those that are not true, in the order of their declaration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
    /// How long they took, in milliseconds.
    pub elapsed_ms: u64,
}

/// Reads one object as it is now, with everything marked as secret that is so by its type or by its record. Without a record, it is read whole.
pub async fn read_object(
    registry: &Registry,
    type_name: &str,
    provider: &ProviderKey,
    id: &str,
    record: Option<&Record>,
    timeout: Duration,
) -> Read {
    let Some(driver) = registry.get(type_name) else {
        let why = format!("this program has no resource type {type_name}");
        return Read::Failed(CloudError::local(ErrorKind::Invalid, why));
    };
    let nothing = ValueMap::new();
    let targets = [ReadTarget { id, inputs: record.map_or(&nothing, |r| &r.inputs) }];
    let cx = Cx::new(provider.clone(), Arc::new(|_| {}), timeout);
    let read = match tokio::time::timeout(timeout, driver.read_many(&cx, &targets)).await {
        Ok(Ok(mut answers)) => match (answers.pop(), answers.is_empty()) {
            (Some(read), true) => read,
            _ => {
                let why = "the driver was asked for one object and did not answer for one";
                Read::Failed(CloudError::local(ErrorKind::Other, why))
            }
        },
        Ok(Err(error)) => Read::Failed(error),
        Err(_) => Read::Failed(CloudError::local(ErrorKind::TimedOut, format!("reading took longer than {timeout:?}"))),
    };
    let Read::Present(Observed { mut fields, mut outputs }) = read else { return read };
    let schema = driver.schema();
    mark_secrets(schema.fields, &mut fields);
    mark_secret_outputs(schema, &mut outputs);
    if let Some(record) = record {
        // What the program keeps from view stays so, whoever has changed it.
        let hidden = record.inputs.iter().filter(|(_, v)| v.has_secret()).map(|(name, _)| name.as_str());
        for name in hidden.chain(record.hidden.iter().map(String::as_str)) {
            if let Some(value) = fields.get_mut(name) {
                *value = std::mem::replace(value, Value::Null).secret();
            }
        }
    }
    Read::Present(Observed { fields, outputs })
}
