//! The examples of `logs` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:logs:LogGroup", log_group_example::program),
    ("aws:logs:MetricFilter", metric_filter_example::program),
    ("aws:logs:ResourcePolicy", resource_policy_example::program),
    ("aws:logs:SubscriptionFilter", subscription_filter_example::program),
];

mod log_group_example {
    use phx::aws::Arn;
    use phx::aws::logs::LogGroup;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let log_group = stack.add(
            "main",
            LogGroup::new("main")
                .retention_in_days(1)
                .kms_key_id(Arn::new("arn:aws:kms:us-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"))
                .log_group_class("STANDARD")
                .tag("Name", "main"),
        )?;
        stack.export("arn", log_group.arn())?;
        Ok(())
    }
}

mod metric_filter_example {
    use phx::aws::ids::LogGroupName;
    use phx::aws::logs::{MetricFilter, MetricTransformation};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let metric_filter = stack.add(
            "main",
            MetricFilter::new(
                LogGroupName::new("main"),
                "main",
                "ERROR",
                [MetricTransformation::new("main", "main", "$.bytes")],
            )
                .apply_on_transformed_logs(true)
                .field_selection_criteria("@aws.region IN [\"us-west-2\"]")
                .emit_system_field_dimensions(["@aws.account"]),
        )?;
        stack.export("id", metric_filter.id())?;
        Ok(())
    }
}

mod resource_policy_example {
    use phx::aws::Arn;
    use phx::aws::logs::ResourcePolicy;
    use phx::model::value::Json;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let resource_policy = stack.add(
            "main",
            ResourcePolicy::new(
                Json::parse(r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}"#)?,
            )
                .policy_name("main")
                .resource_arn(Arn::new("arn:aws:lambda:us-west-2:123456789012:function:example")),
        )?;
        stack.export("id", resource_policy.id())?;
        Ok(())
    }
}

mod subscription_filter_example {
    use phx::aws::Arn;
    use phx::aws::ids::LogGroupName;
    use phx::aws::logs::SubscriptionFilter;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let subscription_filter = stack.add(
            "main",
            SubscriptionFilter::new(
                LogGroupName::new("main"),
                "main",
                "ERROR",
                Arn::new("arn:aws:lambda:us-west-2:123456789012:function:example"),
            )
                .role_arn(Arn::new("arn:aws:iam::123456789012:role/example"))
                .distribution("ByLogStream")
                .apply_on_transformed_logs(true),
        )?;
        stack.export("id", subscription_filter.id())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::logs::{MetricTransformation};
}
