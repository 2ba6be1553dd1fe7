//! CloudWatch Logs.

pub mod log_group;

pub use log_group::LogGroup;

use phx_model::driver::Registry;

use crate::client::{Aws, Service};
use crate::manage;

phx_model::id_type! {
    /// A log group's name, unique in its account and region.
    LogGroupName;
}

/// CloudWatch Logs in one place.
pub type Logs = Service<aws_sdk_cloudwatchlogs::Client>;

/// Adds the service's types. A new type is named here, and nowhere else.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<LogGroup>(registry, aws);
}
