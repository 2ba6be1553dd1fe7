//! The examples of `cloudwatch` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:cloudwatch:CompositeAlarm", composite_alarm_example::program),
    ("aws:cloudwatch:Dashboard", dashboard_example::program),
    ("aws:cloudwatch:MetricAlarm", metric_alarm_example::program),
];

mod composite_alarm_example {
    use phx::aws::Arn;
    use phx::aws::cloudwatch::CompositeAlarm;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let composite_alarm = stack.add(
            "main",
            CompositeAlarm::new("main", "ALARM(\"errors\") AND NOT ALARM(\"deploying\")")
                .alarm_description("An example")
                .actions_enabled(true)
                .ok_actions([Arn::new("arn:aws:sns:us-west-2:123456789012:example")])
                .tag("Name", "main"),
        )?;
        stack.export("arn", composite_alarm.arn())?;
        Ok(())
    }
}

mod dashboard_example {
    use phx::aws::cloudwatch::Dashboard;
    use phx::model::value::Json;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let dashboard = stack.add(
            "main",
            Dashboard::new("main", Json::parse(r#"{}"#)?)
                .tag("Name", "main"),
        )?;
        stack.export("arn", dashboard.arn())?;
        Ok(())
    }
}

mod metric_alarm_example {
    use phx::aws::cloudwatch::{Dimension, MetricAlarm};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let metric_alarm = stack.add(
            "main",
            MetricAlarm::new("main")
                .alarm_description("An example")
                .actions_enabled(true)
                .dimensions([Dimension::new("InstanceId", "main")])
                .tag("Name", "main"),
        )?;
        stack.export("arn", metric_alarm.arn())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::cloudwatch::{ActionConfiguration, AlarmTagsPropagation, Dimension, EvaluationCriteria, EvaluationWindow, Metric, MetricDataQuery, MetricStat, PromQlCriteria, WallClockWindow, WarmUpConfiguration};
}
