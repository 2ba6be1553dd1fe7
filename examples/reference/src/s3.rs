//! The examples of `s3` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:s3:AccountPublicAccessBlock", account_public_access_block_example::program),
    ("aws:s3:Bucket", bucket_example::program),
    ("aws:s3:BucketPolicy", bucket_policy_example::program),
    ("aws:s3:Object", object_example::program),
];

mod account_public_access_block_example {
    use phx::aws::s3::AccountPublicAccessBlock;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let account_public_access_block = stack.add(
            "main",
            AccountPublicAccessBlock::new()
                .block_public_acls(true)
                .ignore_public_acls(true)
                .block_public_policy(true),
        )?;
        stack.export("id", account_public_access_block.id())?;
        Ok(())
    }
}

mod bucket_example {
    use phx::aws::s3::{Bucket, VersioningConfiguration};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let bucket = stack.add(
            "main",
            Bucket::new("main")
                .object_lock_enabled_for_bucket(true)
                .object_ownership("BucketOwnerEnforced")
                .versioning_configuration(VersioningConfiguration::new("Enabled"))
                .tag("Name", "main"),
        )?;
        stack.export("arn", bucket.arn())?;
        Ok(())
    }
}

mod bucket_policy_example {
    use phx::aws::ids::BucketName;
    use phx::aws::s3::BucketPolicy;
    use phx::model::value::Json;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let bucket_policy = stack.add(
            "main",
            BucketPolicy::new(
                BucketName::new("main"),
                Json::parse(r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}"#)?,
            )
                .confirm_remove_self_bucket_access(true),
        )?;
        stack.export("id", bucket_policy.id())?;
        Ok(())
    }
}

mod object_example {
    use phx::aws::ids::BucketName;
    use phx::aws::s3::Object;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let object = stack.add(
            "main",
            Object::new(BucketName::new("main"), "config/app.json")
                .content_base64("main")
                .content_type("application/json")
                .content_encoding("gzip")
                .tag("Name", "main"),
        )?;
        stack.export("id", object.id())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::s3::{BucketLoggingStatus, CorsConfiguration, CorsRule, LambdaFunctionConfiguration, LifecycleConfiguration, LifecycleExpiration, LifecycleFilter, LifecycleRule, LifecycleTransition, NoncurrentVersionExpiration, NoncurrentVersionTransition, NotificationConfiguration, ObjectLockConfiguration, PartitionedPrefix, PublicAccessBlockConfiguration, QueueConfiguration, ReplicationConfiguration, ReplicationDestination, ReplicationFilter, ReplicationRule, ServerSideEncryptionConfiguration, TargetGrant, TopicConfiguration, VersioningConfiguration};
}
