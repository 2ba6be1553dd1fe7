//! Security Hub.

pub mod account;
pub mod standards_subscription;

pub use account::Account;
pub use standards_subscription::StandardsSubscription;

use phx_model::CloudError;
use phx_model::driver::Registry;
use phx_model::error::ErrorKind;

use crate::client::{Aws, Service};
use crate::manage;

/// Security Hub in one place.
pub type SecurityHub = Service<aws_sdk_securityhub::Client>;

/// Adds the service's types.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Account>(registry, aws);
    manage::register::<StandardsSubscription>(registry, aws);
}

/// Security Hub is not enabled, and so there is nothing in it.
fn is_off(error: &CloudError) -> bool {
    error.kind == ErrorKind::NotFound
        || error.code.as_deref() == Some("InvalidAccessException") && error.message.contains("not subscribed")
}
