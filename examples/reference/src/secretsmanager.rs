//! The examples of `secretsmanager` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:secretsmanager:RotationSchedule", rotation_schedule_example::program),
    ("aws:secretsmanager:Secret", secret_example::program),
    ("aws:secretsmanager:SecretVersion", secret_version_example::program),
];

mod rotation_schedule_example {
    use phx::aws::Arn;
    use phx::aws::secretsmanager::{RotationRules, RotationSchedule};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let rotation_schedule = stack.add(
            "main",
            RotationSchedule::new(
                Arn::new("arn:aws:secretsmanager:us-west-2:123456789012:secret:example-a1b2c3"),
            )
                .rotation_lambda_arn(Arn::new("arn:aws:lambda:us-west-2:123456789012:function:example"))
                .rotation_rules(RotationRules::new().automatically_after_days(1_i64))
                .rotate_immediately(true),
        )?;
        stack.export("arn", rotation_schedule.arn())?;
        Ok(())
    }
}

mod secret_example {
    use phx::aws::Arn;
    use phx::aws::secretsmanager::{ReplicaRegion, Secret};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let secret = stack.add(
            "main",
            Secret::new("main")
                .description("An example")
                .kms_key_id(Arn::new("arn:aws:kms:us-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"))
                .add_replica_regions([ReplicaRegion::new("eu-central-1")])
                .tag("Name", "main"),
        )?;
        stack.export("arn", secret.arn())?;
        Ok(())
    }
}

mod secret_version_example {
    use phx::aws::Arn;
    use phx::aws::secretsmanager::SecretVersion;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let secret_version = stack.add(
            "main",
            SecretVersion::new(Arn::new("arn:aws:secretsmanager:us-west-2:123456789012:secret:example-a1b2c3"))
                .version_stages(["AWSCURRENT"]),
        )?;
        stack.export("id", secret_version.id())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::secretsmanager::{ReplicaRegion, RotationMetadata, RotationRules};
}
