//! Systems Manager.

pub mod parameter;
mod parameter_read;

pub use parameter::Parameter;

pub use crate::ids::ParameterName;

use phx_model::driver::Registry;

use crate::client::{Aws, Service};
use crate::manage;

/// Systems Manager in one place.
pub type Ssm = Service<aws_sdk_ssm::Client>;

/// Adds the service's types. A new type is named here, and nowhere else.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Parameter>(registry, aws);
}
