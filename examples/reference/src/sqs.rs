//! The examples of `sqs` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:sqs:Queue", queue_example::program),
];

mod queue_example {
    use phx::aws::Arn;
    use phx::aws::sqs::{Queue, RedrivePolicy};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let queue = stack.add(
            "main",
            Queue::new("main")
                .fifo_queue(true)
                .delay_seconds(900)
                .redrive_policy(RedrivePolicy::new(Arn::new("arn:aws:sqs:us-west-2:123456789012:example"), 1))
                .tag("Name", "main"),
        )?;
        stack.export("arn", queue.arn())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::sqs::{RedriveAllowPolicy, RedrivePolicy};
}
