//! The examples of `budgets` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:budgets:Budget", budget_example::program),
];

mod budget_example {
    use phx::aws::budgets::{Budget, Spend};
    use phx::model::value::Json;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let budget = stack.add(
            "main",
            Budget::new("main", "COST", "DAILY")
                .budget_limit(Spend::new("100", "USD"))
                .filter_expression(Json::parse(r#"{}"#)?)
                .metrics(["UnblendedCost"])
                .tag("Name", "main"),
        )?;
        stack.export("arn", budget.arn())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::budgets::{AutoAdjustData, CostTypes, HistoricalOptions, Notification, NotificationWithSubscribers, Spend, Subscriber, TimePeriod};
}
