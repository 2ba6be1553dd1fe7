//! AWS Budgets. It is one for all regions of an account.

pub mod budget;
pub mod budget_blocks;
mod expression;
mod notifications;

pub use budget::Budget;
pub use budget_blocks::{
    AutoAdjustData, CostTypes, HistoricalOptions, Notification, NotificationWithSubscribers, Spend, Subscriber,
    TimePeriod,
};

use phx_model::CloudError;
use phx_model::driver::Registry;
use phx_model::error::ErrorKind;

use crate::client::{Aws, Service};
use crate::manage;

/// AWS Budgets.
pub type Budgets = Service<aws_sdk_budgets::Client>;

/// Adds the service's types.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Budget>(registry, aws);
}

/// A builder was not given what the API requires.
fn incomplete(error: impl std::fmt::Display) -> CloudError {
    CloudError::local(ErrorKind::Invalid, error.to_string())
}
