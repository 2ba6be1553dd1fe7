//! The examples of `config` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:config:DeliveryChannel", delivery_channel_example::program),
    ("aws:config:Recorder", recorder_example::program),
    ("aws:config:Rule", rule_example::program),
];

mod delivery_channel_example {
    use phx::aws::config::{DeliveryChannel, SnapshotDelivery};
    use phx::aws::ids::BucketName;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let delivery_channel = stack.add(
            "main",
            DeliveryChannel::new(BucketName::new("main"))
                .name("default")
                .s3_key_prefix("main")
                .config_snapshot_delivery_properties(SnapshotDelivery::new("One_Hour")),
        )?;
        stack.export("id", delivery_channel.id())?;
        Ok(())
    }
}

mod recorder_example {
    use phx::aws::Arn;
    use phx::aws::config::Recorder;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let recorder = stack.add(
            "main",
            Recorder::new(Arn::new("arn:aws:iam::123456789012:role/example"))
                .name("default")
                .recording(true)
                .tag("Name", "main"),
        )?;
        stack.export("id", recorder.id())?;
        Ok(())
    }
}

mod rule_example {
    use phx::aws::config::{Rule, Scope, Source};
    use phx::model::value::Json;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let rule = stack.add(
            "main",
            Rule::new("main", Source::new("AWS"))
                .description("An example")
                .scope(Scope::new().compliance_resource_types(["main"]))
                .input_parameters(Json::parse(r#"{}"#)?)
                .tag("Name", "main"),
        )?;
        stack.export("id", rule.id())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::config::{CustomPolicyDetails, EvaluationMode, ExclusionByResourceTypes, RecordingGroup, RecordingMode, RecordingModeOverride, RecordingStrategy, Scope, SnapshotDelivery, Source, SourceDetail};
}
