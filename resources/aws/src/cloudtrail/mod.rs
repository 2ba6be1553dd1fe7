//! CloudTrail.

pub mod trail;
pub mod trail_blocks;

pub use trail::Trail;
pub use trail_blocks::{AdvancedEventSelector, AdvancedFieldSelector, DataResource, EventSelector, InsightSelector};

use phx_model::driver::Registry;

use crate::client::{Aws, Service};
use crate::manage;

/// CloudTrail in one place.
pub type CloudTrail = Service<aws_sdk_cloudtrail::Client>;

/// Adds the service's types.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Trail>(registry, aws);
}
