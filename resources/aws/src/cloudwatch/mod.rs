//! CloudWatch: alarms and dashboards.
//!
//! Names are the program's, and the calls that make an object also overwrite one: phx looks first, and the tags say whose it is.
//!
//! AWS is spoken to in CBOR, and whoever stands in for it in JSON (`json`).

pub mod composite_alarm;
pub mod dashboard;
pub(crate) mod json;
pub mod metric_alarm;
pub mod metric_alarm_blocks;

pub use composite_alarm::CompositeAlarm;
pub use dashboard::Dashboard;
pub use metric_alarm::MetricAlarm;
pub use metric_alarm_blocks::{
    ActionConfiguration, AlarmTagsPropagation, Dimension, EvaluationCriteria, EvaluationWindow, Metric,
    MetricDataQuery, MetricStat, PromQlCriteria, WallClockWindow, WarmUpConfiguration,
};

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::operation::describe_alarms::DescribeAlarmsOutput;
use aws_sdk_cloudwatch::types::{AlarmType, Tag};
use phx_model::CloudError;
use phx_model::driver::{Cx, Registry};
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::FieldChange;

use crate::arn::Arn;
use crate::client::{Aws, Service};
use crate::tagged::TagMap;
use crate::tags::{TagDelta, with_intent};
use crate::{batch, manage};

/// CloudWatch in one place.
pub type CloudWatch = Service<aws_sdk_cloudwatch::Client>;

/// DescribeAlarms takes so many names, and gives so many alarms.
const ALARMS: usize = 100;

/// Adds the service's types.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<CompositeAlarm>(registry, aws);
    manage::register::<Dashboard>(registry, aws);
    manage::register::<MetricAlarm>(registry, aws);
}

/// An alarm's ARN, which PutMetricAlarm and PutCompositeAlarm do not answer with.
async fn alarm_arn(aws: &Aws, cx: &Cx, name: &str) -> Result<Arn, CloudError> {
    Ok(Arn::of(
        "cloudwatch",
        &aws.region(&cx.provider).await?,
        &aws.account(&cx.provider).await?,
        &format!("alarm:{name}"),
    ))
}

/// Alarms of one kind by their names: a hundred a call.
async fn describe<T>(
    cloudwatch: &CloudWatch,
    kind: AlarmType,
    names: impl IntoIterator<Item = &str>,
    of: impl Fn(DescribeAlarmsOutput) -> Option<Vec<T>> + Copy,
) -> Result<Vec<T>, CloudError> {
    let names: Vec<&str> = names.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    let kind = &kind;
    let chunks = batch::each(names.chunks(ALARMS), |names| async move {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let request = cloudwatch
            .describe_alarms()
            .set_alarm_names(Some(names))
            .alarm_types(kind.clone())
            .set_max_records(i32::try_from(ALARMS).ok());
        batch::pages(|token| {
            let request = request.clone().set_next_token(token);
            async move {
                let answer = cloudwatch.read("DescribeAlarms", || request.clone().send()).await?;
                let next = answer.next_token.clone();
                Ok((of(answer).unwrap_or_default(), next))
            }
        })
        .await
    });
    Ok(chunks.await?.into_iter().flatten().collect())
}

/// Deletes one alarm. One that is gone is deleted.
async fn delete_alarm(cloudwatch: &CloudWatch, name: &str) -> Result<(), CloudError> {
    let request = cloudwatch.delete_alarms().alarm_names(name);
    match cloudwatch.write_idempotent("DeleteAlarms", || request.clone().send()).await {
        Err(error) if error.kind != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn to_tags(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

fn created_tags(tags: &BTreeMap<String, String>, intent: &IntentId) -> Option<Vec<Tag>> {
    Some(to_tags(&with_intent(tags, intent)))
}

async fn list_tags(cloudwatch: &CloudWatch, arn: &str) -> Result<TagMap, CloudError> {
    let request = cloudwatch.list_tags_for_resource().resource_arn(arn);
    let answer = cloudwatch.read("ListTagsForResource", || request.clone().send()).await?;
    Ok(answer.tags().iter().filter_map(|t| Some((t.key.clone()?, t.value.clone().unwrap_or_default()))).collect())
}

async fn update_tags(
    cloudwatch: &CloudWatch,
    arn: &Arn,
    change: Option<&FieldChange<BTreeMap<String, String>>>,
) -> Result<(), CloudError> {
    let Some(change) = change else { return Ok(()) };
    let TagDelta { set, remove } = TagDelta::of(change);
    // Those that go make room: an object has fifty at most.
    if !remove.is_empty() {
        let keys = remove.into_iter().collect();
        let request = cloudwatch.untag_resource().resource_arn(arn.as_str()).set_tag_keys(Some(keys));
        cloudwatch.write_idempotent("UntagResource", || request.clone().send()).await?;
    }
    if !set.is_empty() {
        let request = cloudwatch.tag_resource().resource_arn(arn.as_str()).set_tags(Some(to_tags(&set)));
        cloudwatch.write_idempotent("TagResource", || request.clone().send()).await?;
    }
    Ok(())
}

/// A field in a call that replaces the whole alarm: one that the program does not set, and that it did not set before either, stays as somebody
/// else set it.
fn kept<T>(want: &mut Option<T>, change: Option<&FieldChange<T>>, there: Option<T>) {
    if want.is_none() && change.is_none() {
        *want = there;
    }
}

/// The ARNs of a list of actions, as the API takes them.
fn actions(arns: Option<&Vec<Arn>>) -> Option<Vec<String>> {
    arns.map(|arns| arns.iter().map(Arn::to_string).collect())
}

/// The ARNs of a list of actions, as a program writes them.
fn actions_of(told: &[String]) -> Option<Vec<Arn>> {
    Some(told.iter().map(Arn::new).collect()).filter(|arns: &Vec<Arn>| !arns.is_empty())
}

fn text(text: Option<&str>) -> Option<String> {
    text.filter(|t| !t.is_empty()).map(str::to_owned)
}
