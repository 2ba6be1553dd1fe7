//! [`SubscriptionFilter`].
//!
//! No emulator keeps field selection, emitted system fields or filters of transformed logs, and none sends the test message with which AWS
//! tries a destination; those parts follow the service model and AWS's documentation alone.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_cloudwatchlogs::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::log_group::once_free;
use super::{FILTERS, LogGroupName, Logs, malformed, split};
use crate::arn::Arn;
use crate::client::Aws;
use crate::forms::off_is_unset;
use crate::manage::{Created, Found, Manage, Target};
use crate::{batch, owner, wait};

/// For so long a new role or permission may not be known where the test message is sent from.
const UNTIL_ALLOWED: Duration = Duration::from_secs(60);

/// Sends a log group's events on as they come: to Kinesis, Firehose, Lambda, or another account's destination.
///
/// A filter bears no mark: one of that name that is already there is taken over if it is just as the program wants it, and otherwise left alone.
///
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutSubscriptionFilter.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:logs:SubscriptionFilter",
    terraform = "aws_cloudwatch_log_subscription_filter",
    cloudformation = "AWS::Logs::SubscriptionFilter",
    identity = NaturalKey,
    unique(log_group_name, filter_name),
    vanishes_with(log_group_name)
)]
pub struct SubscriptionFilter {
    /// The log group.
    #[field(replace)]
    pub log_group_name: Input<LogGroupName>,
    /// The name, unique in the log group. A group has two filters at most.
    #[field(replace)]
    pub filter_name: Input<String>,
    /// Which events are sent: `ERROR`, `{ $.status = 500 }`. Empty: all.
    pub filter_pattern: Input<String>,
    /// Where they are sent: a stream, a delivery stream, a function or a destination.
    pub destination_arn: Input<Arn>,
    /// The role that may write to a stream of the same account. Not for functions and destinations.
    pub role_arn: Option<Input<Arn>>,
    /// How they are spread over a Kinesis stream's shards: `ByLogStream` (which it is unset) or `Random`.
    #[field(cloud_default)]
    pub distribution: Option<Input<String>>,
    /// Whether the events are taken as the group's transformer has changed them. Unset: no.
    #[field(normalize = off_is_unset)]
    pub apply_on_transformed_logs: Option<Input<bool>>,
    /// Which of a centralised group's events are sent by where they come from: `@aws.region IN ["us-west-2"]`.
    pub field_selection_criteria: Option<Input<String>>,
    /// System fields that are sent along: `@aws.account`, `@aws.region`.
    #[field(set)]
    pub emit_system_fields: Option<Input<Vec<String>>>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct SubscriptionFilterOutputs {
    /// Log group and filter: `/aws/eks/demo/cluster:to-kinesis`.
    pub id: String,
}

/// The filters of one log group, by name.
type Named = HashMap<String, sdk::SubscriptionFilter>;

impl Manage for SubscriptionFilter {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let logs = &aws.logs(cx).await?;
        // There is no list of all groups' filters.
        let groups: BTreeSet<&str> = targets.iter().filter_map(|t| Some(split(t.id)?.0)).collect();
        let asked = batch::each(groups, |group| async move { Ok((group, of_group(logs, group).await)) });
        let filters: HashMap<&str, Result<Named, CloudError>> = asked.await?.into_iter().collect();
        let found = |target: &Target<'_>| {
            let Some((group, name)) = split(target.id) else { return Found::Failed(malformed(target.id)) };
            match filters.get(group) {
                Some(Ok(named)) => named.get(name).map_or(Found::Gone, |filter| {
                    let outputs = SubscriptionFilterOutputs { id: target.id.to_owned() };
                    Found::present(fields(group, filter), outputs)
                }),
                Some(Err(error)) => Found::Failed(error.clone()),
                None => Found::Gone,
            }
        };
        Ok(targets.iter().map(found).collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &SubscriptionFilterResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        // PutSubscriptionFilter overwrites whatever has the name.
        if let Some(there) = Self::find(aws, cx, want, intent).await? {
            return Ok(there);
        }
        put(&aws.logs(cx).await?, cx, want).await?;
        Ok(created(want))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &SubscriptionFilterResolved,
        change: &SubscriptionFilterChange,
    ) -> Result<Option<SubscriptionFilterOutputs>, CloudError> {
        let logs = &aws.logs(cx).await?;
        let (group, name) = split(id).ok_or_else(|| malformed(id))?;
        let mut want = want.clone();
        // The whole filter is written over: what the program never set is sent as it is.
        if let Some(there) = of_group(logs, group).await?.get(name) {
            keep(&mut want, change, fields(group, there));
        }
        put(logs, cx, &want).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _was: Option<&SubscriptionFilterResolved>) -> Result<(), CloudError> {
        let logs = &aws.logs(cx).await?;
        let (group, filter) = split(id).ok_or_else(|| malformed(id))?;
        let request = logs.delete_subscription_filter().log_group_name(group).filter_name(filter);
        match once_free(cx, || logs.write_idempotent("DeleteSubscriptionFilter", || request.clone().send())).await {
            Err(error) if error.kind != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &SubscriptionFilterResolved,
        _intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let logs = &aws.logs(cx).await?;
        let group = want.log_group_name.as_str();
        let named = of_group(logs, group).await?;
        let Some(there) = named.get(&want.filter_name) else { return Ok(None) };
        let what = format!("the subscription filter {} of {group}", want.filter_name);
        owner::check_alike::<Self>(&what, want, &fields(group, there))?;
        Ok(Some(created(want)))
    }
}

fn created(want: &SubscriptionFilterResolved) -> Created<SubscriptionFilter> {
    let id = format!("{}:{}", want.log_group_name, want.filter_name);
    Created { outputs: SubscriptionFilterOutputs { id: id.clone() }, id, complete: true }
}

/// Takes over what is there and neither set by the program nor to be taken away.
fn keep(want: &mut SubscriptionFilterResolved, change: &SubscriptionFilterChange, there: SubscriptionFilterResolved) {
    macro_rules! keep {
        ($($field:ident),*) => {$(
            if change.$field.is_none() {
                want.$field = want.$field.take().or(there.$field);
            }
        )*};
    }
    keep!(distribution, field_selection_criteria, emit_system_fields);
    if change.apply_on_transformed_logs.is_none() {
        let on = there.apply_on_transformed_logs.filter(|on| *on);
        want.apply_on_transformed_logs = want.apply_on_transformed_logs.or(on);
    }
    // A role goes with its destination.
    if change.destination_arn.is_none() {
        keep!(role_arn);
    }
}

/// CloudWatch Logs tries the destination before it takes the filter, with roles and permissions that may be a moment old.
fn not_yet_allowed(error: &CloudError) -> bool {
    matches!(error.code.as_deref(), Some("InvalidParameterException" | "ValidationException"))
        && ["Could not deliver test message", "Could not execute the lambda function", "Make sure you have given"]
            .iter()
            .any(|text| error.message.contains(text))
}

async fn put(logs: &Logs, cx: &Cx, want: &SubscriptionFilterResolved) -> Result<(), CloudError> {
    let request = logs
        .put_subscription_filter()
        .log_group_name(want.log_group_name.as_str())
        .filter_name(&want.filter_name)
        .filter_pattern(&want.filter_pattern)
        .destination_arn(want.destination_arn.as_str())
        .set_role_arn(want.role_arn.as_ref().map(Arn::to_string))
        .set_distribution(want.distribution.as_deref().map(sdk::Distribution::from))
        .set_apply_on_transformed_logs(want.apply_on_transformed_logs)
        .set_field_selection_criteria(want.field_selection_criteria.clone())
        .set_emit_system_fields(want.emit_system_fields.clone());
    let put = || once_free(cx, || logs.write_idempotent("PutSubscriptionFilter", || request.clone().send()));
    wait::eventually(cx, UNTIL_ALLOWED, not_yet_allowed, put).await.map(drop)
}

/// The filters of one log group. A group that is not there has none.
async fn of_group(logs: &Logs, group: &str) -> Result<Named, CloudError> {
    let answer = batch::pages(|token| async move {
        let request = logs.describe_subscription_filters().log_group_name(group).limit(FILTERS).set_next_token(token);
        let answer = logs.read("DescribeSubscriptionFilters", || request.clone().send()).await?;
        Ok((answer.subscription_filters.unwrap_or_default(), answer.next_token))
    });
    match answer.await {
        Ok(filters) => Ok(filters.into_iter().filter_map(|f| Some((f.filter_name.clone()?, f))).collect()),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(Named::new()),
        Err(error) => Err(error),
    }
}

fn fields(group: &str, filter: &sdk::SubscriptionFilter) -> SubscriptionFilterResolved {
    SubscriptionFilterResolved {
        log_group_name: LogGroupName::new(group),
        filter_name: filter.filter_name().unwrap_or_default().to_owned(),
        filter_pattern: filter.filter_pattern().unwrap_or_default().to_owned(),
        destination_arn: Arn::new(filter.destination_arn().unwrap_or_default()),
        role_arn: filter.role_arn().filter(|r| !r.is_empty()).map(Arn::new),
        distribution: filter.distribution().map(|d| d.as_str().to_owned()),
        apply_on_transformed_logs: Some(filter.apply_on_transformed_logs),
        field_selection_criteria: filter.field_selection_criteria.clone().filter(|c| !c.is_empty()),
        emit_system_fields: filter.emit_system_fields.clone().filter(|f| !f.is_empty()),
    }
}
