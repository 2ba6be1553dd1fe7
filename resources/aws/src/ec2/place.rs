//! Where an object lies: many of EC2's answers do not say it, and ARNs do.

use phx_model::CloudError;
use phx_model::driver::Cx;

use crate::arn::Arn;
use crate::client::Aws;

/// Region and account.
pub(super) struct Place {
    pub(super) region: String,
    pub(super) account: String,
}

impl Place {
    pub(super) async fn of(aws: &Aws, cx: &Cx) -> Result<Self, CloudError> {
        Ok(Self { region: aws.region(&cx.provider).await?, account: aws.account(&cx.provider).await? })
    }

    /// An object's ARN.
    pub(super) fn arn(&self, kind: &str, id: &str) -> Arn {
        Arn::of("ec2", &self.region, &self.account, &format!("{kind}/{id}"))
    }
}
