//! The examples of `ce` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:ce:AnomalyMonitor", anomaly_monitor_example::program),
    ("aws:ce:AnomalySubscription", anomaly_subscription_example::program),
];

mod anomaly_monitor_example {
    use phx::aws::ce::AnomalyMonitor;
    use phx::model::value::Json;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let anomaly_monitor = stack.add(
            "main",
            AnomalyMonitor::new("main", "DIMENSIONAL")
                .monitor_dimension("SERVICE")
                .monitor_specification(Json::parse(r#"{}"#)?)
                .tag("Name", "main"),
        )?;
        stack.export("arn", anomaly_monitor.arn())?;
        Ok(())
    }
}

mod anomaly_subscription_example {
    use phx::aws::Arn;
    use phx::aws::ce::{AnomalySubscription, Subscriber};
    use phx::model::value::Json;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let anomaly_subscription = stack.add(
            "main",
            AnomalySubscription::new(
                "main",
                "IMMEDIATE",
                [Arn::new("arn:aws:lambda:us-west-2:123456789012:function:example")],
                [Subscriber::new("main", "EMAIL")],
            )
                .threshold(1.0)
                .threshold_expression(Json::parse(r#"{}"#)?)
                .tag("Name", "main"),
        )?;
        stack.export("arn", anomaly_subscription.arn())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::ce::{Subscriber};
}
