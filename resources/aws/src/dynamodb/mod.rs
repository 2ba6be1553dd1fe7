//! DynamoDB.

mod item_json;
pub mod table;
mod table_blocks;
mod table_convert;
pub mod table_item;
mod table_update;

pub use table::Table;
pub use table_blocks::{
    AttributeDefinition, GlobalSecondaryIndex, KeySchemaElement, LocalSecondaryIndex, OnDemandThroughput,
    PointInTimeRecoverySpecification, Projection, ProvisionedThroughput, Replica, ReplicaIndex, SseSpecification,
    StreamSpecification, TimeToLiveSpecification, WarmThroughput,
};
pub use table_item::TableItem;

pub use crate::ids::TableName;

use phx_model::CloudError;
use phx_model::driver::Registry;
use phx_model::error::ErrorKind;

use crate::client::{Aws, Service};
use crate::manage;

/// DynamoDB in one place.
pub type DynamoDb = Service<aws_sdk_dynamodb::Client>;

/// Adds the service's types.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Table>(registry, aws);
    manage::register::<TableItem>(registry, aws);
}

/// The table is not there. Some of DynamoDB's calls have a word of their own for it.
fn is_gone(error: &CloudError) -> bool {
    error.kind == ErrorKind::NotFound || error.code.as_deref() == Some("TableNotFoundException")
}

fn invalid(error: impl std::fmt::Display) -> CloudError {
    CloudError::local(ErrorKind::Invalid, error.to_string())
}
