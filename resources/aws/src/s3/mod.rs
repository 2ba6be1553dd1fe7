//! S3.

pub mod bucket;
mod bucket_settings;

pub use bucket::Bucket;
pub use bucket_settings::{PublicAccessBlockConfiguration, ServerSideEncryptionConfiguration, VersioningConfiguration};

use phx_model::driver::Registry;

use crate::client::{Aws, Service};
use crate::manage;

phx_model::id_type! {
    /// A bucket's name, unique in its partition of AWS.
    BucketName;
}

/// S3 in one place.
pub type S3 = Service<aws_sdk_s3::Client>;

/// Adds the service's types. A new type is named here, and nowhere else.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Bucket>(registry, aws);
}
