//! SNS: topics and subscriptions. Messages of phx's own are the business of `crate::notify`, which has a feature of its own.

pub mod subscription;
pub mod topic;
mod topic_attributes;

pub use subscription::{Subscription, SubscriptionRedrivePolicy};
pub use topic::Topic;

use phx_model::driver::Registry;

use crate::client::{Aws, Service};
use crate::manage;

/// SNS in one place.
pub type Sns = Service<aws_sdk_sns::Client>;

/// Adds the service's types.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Topic>(registry, aws);
    manage::register::<Subscription>(registry, aws);
}
