//! S3.

pub mod account_public_access_block;
pub mod bucket;
mod bucket_acl;
mod bucket_cors;
mod bucket_events;
mod bucket_lifecycle;
pub mod bucket_policy;
mod bucket_replication;
mod bucket_settings;
pub(crate) mod control;
mod emptying;
pub mod object;
mod object_content;

pub use account_public_access_block::AccountPublicAccessBlock;
pub use bucket::Bucket;
pub use bucket_cors::{CorsConfiguration, CorsRule};
pub use bucket_events::{
    BucketLoggingStatus, LambdaFunctionConfiguration, NotificationConfiguration, PartitionedPrefix, QueueConfiguration,
    TargetGrant, TopicConfiguration,
};
pub use bucket_lifecycle::{
    LifecycleConfiguration, LifecycleExpiration, LifecycleFilter, LifecycleRule, LifecycleTransition,
    NoncurrentVersionExpiration, NoncurrentVersionTransition,
};
pub use bucket_policy::BucketPolicy;
pub use bucket_replication::{ReplicationConfiguration, ReplicationDestination, ReplicationFilter, ReplicationRule};
pub use bucket_settings::{
    ObjectLockConfiguration, PublicAccessBlockConfiguration, ServerSideEncryptionConfiguration, VersioningConfiguration,
};
pub use object::Object;

pub use crate::ids::BucketName;

use phx_model::CloudError;
use phx_model::driver::Registry;

use crate::client::{Aws, Service};
use crate::manage;

/// S3 in one place.
pub type S3 = Service<aws_sdk_s3::Client>;

/// Adds the service's types. A new type is named here, and nowhere else.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Bucket>(registry, aws);
    manage::register::<BucketPolicy>(registry, aws);
    manage::register::<Object>(registry, aws);
    manage::register::<AccountPublicAccessBlock>(registry, aws);
}

/// Another change to the same bucket, or its deletion, is under way.
fn is_aborted(error: &CloudError) -> bool {
    error.code.as_deref() == Some("OperationAborted")
}
