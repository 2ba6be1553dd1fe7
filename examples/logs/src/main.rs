//! Places for logs: a log group, and a private bucket that keeps earlier versions.

use phx::aws::logs::LogGroup;
use phx::aws::s3::{
    Bucket, PublicAccessBlockConfiguration, ServerSideEncryptionConfiguration, VersioningConfiguration,
};
use phx::prelude::*;
use serde::Deserialize;

/// What `dev.toml` says.
#[derive(Deserialize)]
struct Config {
    bucket: String,
    retention_in_days: i32,
}

fn main() -> ExitCode {
    phx::main(logs)
}

fn logs(stack: &mut Stack) -> Result<()> {
    let config: Config = stack.config()?;
    let private = PublicAccessBlockConfiguration::new()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true);
    let bucket = Bucket::new(config.bucket)
        .versioning_configuration(VersioningConfiguration::new("Enabled"))
        .server_side_encryption_configuration(ServerSideEncryptionConfiguration::new("AES256"))
        .public_access_block_configuration(private);
    let bucket = stack.add("archive", bucket)?;
    stack.add("live", LogGroup::new("/phx/example").retention_in_days(config.retention_in_days))?;
    stack.export("bucket", bucket.bucket())?;
    Ok(())
}
