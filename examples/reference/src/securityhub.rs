//! The examples of `securityhub` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:securityhub:Account", account_example::program),
    ("aws:securityhub:StandardsSubscription", standards_subscription_example::program),
];

mod account_example {
    use phx::aws::securityhub::Account;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let account = stack.add(
            "main",
            Account::new()
                .enable_default_standards(true)
                .control_finding_generator("SECURITY_CONTROL")
                .auto_enable_controls(true)
                .tag("Name", "main"),
        )?;
        stack.export("arn", account.arn())?;
        Ok(())
    }
}

mod standards_subscription_example {
    use phx::aws::Arn;
    use phx::aws::securityhub::StandardsSubscription;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let standards_subscription = stack.add(
            "main",
            StandardsSubscription::new(Arn::new("arn:aws:lambda:us-west-2:123456789012:function:example")),
        )?;
        stack.export("arn", standards_subscription.arn())?;
        Ok(())
    }
}
