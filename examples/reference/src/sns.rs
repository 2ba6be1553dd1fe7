//! The examples of `sns` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:sns:Subscription", subscription_example::program),
    ("aws:sns:Topic", topic_example::program),
];

mod subscription_example {
    use phx::aws::Arn;
    use phx::aws::sns::{Subscription, SubscriptionRedrivePolicy};
    use phx::model::value::Json;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let subscription = stack.add(
            "main",
            Subscription::new(Arn::new("arn:aws:sns:us-west-2:123456789012:example"), "sqs")
                .endpoint("https://example.com")
                .filter_policy(Json::parse(r#"{"event": ["made", "sold"]}"#)?)
                .redrive_policy(SubscriptionRedrivePolicy::new(Arn::new("arn:aws:sqs:us-west-2:123456789012:example"))),
        )?;
        stack.export("id", subscription.id())?;
        Ok(())
    }
}

mod topic_example {
    use phx::aws::sns::Topic;
    use phx::model::value::Json;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let topic = stack.add(
            "main",
            Topic::new("main")
                .fifo_topic(true)
                .display_name("main")
                .policy(Json::parse(r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}"#)?)
                .tag("Name", "main"),
        )?;
        stack.export("arn", topic.arn())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::sns::{SubscriptionRedrivePolicy};
}
