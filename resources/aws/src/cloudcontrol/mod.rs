//! The Cloud Control API: every type of the CloudFormation registry.

mod patch;
mod progress;
pub mod properties;
pub mod resource;

pub use properties::Properties;
pub use resource::Resource;

use phx_model::driver::Registry;

use crate::client::{Aws, Service};
use crate::manage;

/// The Cloud Control API in one place.
pub type CloudControl = Service<aws_sdk_cloudcontrol::Client>;

/// Adds the service's types.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Resource>(registry, aws);
}
