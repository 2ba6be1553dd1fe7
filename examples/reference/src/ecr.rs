//! The examples of `ecr` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:ecr:Repository", repository_example::program),
];

mod repository_example {
    use phx::aws::ecr::{Repository, TagMutabilityExclusion};
    use phx::model::value::Json;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let repository = stack.add(
            "main",
            Repository::new("team/web")
                .image_tag_mutability("MUTABLE")
                .image_tag_mutability_exclusion_filters([TagMutabilityExclusion::new("WILDCARD", "latest")])
                .lifecycle_policy_text(Json::parse(r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}"#)?)
                .tag("Name", "main"),
        )?;
        stack.export("arn", repository.arn())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::ecr::{EncryptionConfiguration, ImageScanningConfiguration, TagMutabilityExclusion};
}
