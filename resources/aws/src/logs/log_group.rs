//! `aws:logs:LogGroup`.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::time::Duration;

use aws_sdk_cloudwatchlogs::types::{LogGroup as Shown, LogGroupClass};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{FieldChange, Tags};
use phx_model::value::Val;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::{LogGroupName, Logs};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tags::{TagDelta, is_hidden, with_intent};
use crate::{batch, owner, wait};

/// DescribeLogGroups gives so many at once.
const PAGE: usize = 50;
/// Up to so many groups are asked for one by one, all at once.
const ONE_BY_ONE: usize = 3;
/// GetResources takes so many ARNs in one call.
const ARNS: usize = 100;
/// How long another change to the same group may take.
const UNTIL_FREE: Duration = Duration::from_secs(30);

/// A place for log streams that share retention, encryption and access.
///
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:logs:LogGroup",
    terraform = "aws_cloudwatch_log_group",
    cloudformation = "AWS::Logs::LogGroup",
    identity = NaturalKey,
    unique(log_group_name)
)]
pub struct LogGroup {
    /// The name, unique in account and region.
    #[field(replace)]
    pub log_group_name: Input<String>,
    /// For how many days events are kept: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    /// 3288 or 3653. Unset, they are kept for ever.
    pub retention_in_days: Option<Input<i32>>,
    /// The KMS key that events are encrypted with. Unset, CloudWatch Logs uses its own.
    pub kms_key_id: Option<Input<Arn>>,
    /// `STANDARD` (which it is unset), `INFREQUENT_ACCESS` or `DELIVERY`.
    #[field(replace, cloud_default)]
    pub log_group_class: Option<Input<String>>,
    /// Whether the group cannot be deleted, by phx neither, until this is set to false.
    #[field(cloud_default)]
    pub deletion_protection_enabled: Option<Input<bool>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct LogGroupOutputs {
    /// The name, by which other types refer to the group.
    pub log_group_name: LogGroupName,
    /// The ARN, without `:*` at its end. Policies about a group's streams need `phx::format!("{}:*", group.arn())`.
    pub arn: Arn,
}

impl Manage for LogGroup {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let logs = &aws.logs(cx).await?;
        let mut names: Vec<&str> = targets.iter().map(|t| t.id).collect();
        names.sort_unstable();
        names.dedup();
        let groups = describe(logs, &names).await?;
        let tags = tags_of(aws, cx, logs, targets, &groups).await?;
        let region = aws.region(cx.provider()).await?;
        let found = |target: &Target<'_>| match groups.get(target.id) {
            None => Found::Gone,
            Some(group) => match tags.get(target.id) {
                Some(Err(error)) => Found::Failed(error.clone()),
                Some(Ok(None)) => Found::Gone,
                Some(Ok(Some(tags))) => shown(target, group, tags.clone(), &region),
                None => shown(target, group, BTreeMap::new(), &region),
            },
        };
        Ok(targets.iter().map(found).collect())
    }
}
