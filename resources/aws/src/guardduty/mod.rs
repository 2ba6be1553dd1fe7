//! GuardDuty.

pub mod detector;

pub use detector::{AdditionalConfiguration, Detector, Feature};

pub use crate::ids::DetectorId;

use phx_model::driver::Registry;

use crate::client::{Aws, Service};
use crate::manage;

/// GuardDuty in one place.
pub type GuardDuty = Service<aws_sdk_guardduty::Client>;

/// Adds the service's types.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Detector>(registry, aws);
}
