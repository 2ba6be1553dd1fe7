//! Buckets that belong to no other component.

use phx::aws::s3::{
    Bucket, PublicAccessBlockConfiguration, ServerSideEncryptionConfiguration, VersioningConfiguration,
};
use phx::prelude::*;

use crate::config::Config;

/// Where services leave their logs: nobody outside the account sees them, and none of them is lost by being written over.
pub(crate) fn logs(scope: &Scope, config: &Config) -> Result<Handle<Bucket>> {
    let private = PublicAccessBlockConfiguration::new()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true);
    let bucket = Bucket::new(config.bucket("logs"))
        .versioning_configuration(VersioningConfiguration::new("Enabled"))
        .server_side_encryption_configuration(ServerSideEncryptionConfiguration::new("AES256"))
        .public_access_block_configuration(private);
    Ok(scope.add("logs", bucket)?)
}
