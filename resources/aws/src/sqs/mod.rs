//! SQS.

pub mod queue;

pub use queue::{Queue, RedriveAllowPolicy, RedrivePolicy};

pub use crate::ids::QueueUrl;

use phx_model::CloudError;
use phx_model::driver::Registry;
use phx_model::error::ErrorKind;

use crate::client::{Aws, Service};
use crate::manage;

/// SQS in one place.
pub type Sqs = Service<aws_sdk_sqs::Client>;

/// Adds the service's types.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Queue>(registry, aws);
}

/// SQS has two words for it, by the protocol that it was asked in.
fn is_gone(error: &CloudError) -> bool {
    let gone = |code: &str| {
        matches!(code, "QueueDoesNotExist" | "AWS.SimpleQueueService.NonExistentQueue")
            || code.ends_with("#QueueDoesNotExist")
    };
    error.kind == ErrorKind::NotFound || error.code.as_deref().is_some_and(gone)
}

fn is_taken(error: &CloudError) -> bool {
    let taken = |code: &str| {
        matches!(code, "QueueNameExists" | "QueueAlreadyExists" | "AWS.SimpleQueueService.QueueNameExists")
    };
    error.kind == ErrorKind::AlreadyExists || error.code.as_deref().is_some_and(taken)
}

fn is_just_deleted(error: &CloudError) -> bool {
    error.code.as_deref().is_some_and(|code| code.ends_with("QueueDeletedRecently"))
}
