//! The examples of `events` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:events:Rule", rule_example::program),
    ("aws:events:Target", target_example::program),
];

mod rule_example {
    use phx::aws::events::Rule;
    use phx::model::value::Json;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let rule = stack.add(
            "main",
            Rule::new("main")
                .event_bus_name("default")
                .event_pattern(Json::parse(r#"{"source": ["aws.ec2"]}"#)?)
                .schedule_expression("cron(0 20 * * ? *)")
                .tag("Name", "main"),
        )?;
        stack.export("arn", rule.arn())?;
        Ok(())
    }
}

mod target_example {
    use phx::aws::Arn;
    use phx::aws::events::{InputTransformer, Target};
    use phx::aws::ids::EventRuleName;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let target = stack.add(
            "main",
            Target::new(
                EventRuleName::new("main"),
                "main",
                Arn::new("arn:aws:lambda:us-west-2:123456789012:function:example"),
            )
                .event_bus_name("default")
                .role_arn(Arn::new("arn:aws:iam::123456789012:role/example"))
                .input_transformer(InputTransformer::new("\"the instance <instance> has stopped\"")),
        )?;
        stack.export("id", target.id())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::events::{AppSyncParameters, AwsVpcConfiguration, BatchParameters, CapacityProviderStrategyItem, DeadLetterConfig, EcsParameters, HttpParameters, InputTransformer, KinesisParameters, PlacementConstraint, PlacementStrategy, RedshiftDataParameters, RetryPolicy, RunCommandTarget, SageMakerPipelineParameter, SqsParameters};
}
