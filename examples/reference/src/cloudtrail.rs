//! The examples of `cloudtrail` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:cloudtrail:Trail", trail_example::program),
];

mod trail_example {
    use phx::aws::cloudtrail::{InsightSelector, Trail};
    use phx::aws::ids::BucketName;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let trail = stack.add(
            "main",
            Trail::new("main", BucketName::new("main"))
                .s3_key_prefix("main")
                .sns_topic_name("main")
                .insight_selectors([InsightSelector::new("ApiCallRateInsight")])
                .tag("Name", "main"),
        )?;
        stack.export("arn", trail.arn())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::cloudtrail::{AdvancedEventSelector, AdvancedFieldSelector, DataResource, EventSelector, InsightSelector};
}
