//! `aws:logs:LogGroup`.

use std::collections::HashMap;
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
use crate::tagged::{self, TagMap};
use crate::tags::{TagDelta, with_intent};
use crate::{batch, owner, wait};

/// DescribeLogGroups gives so many at once.
const PAGE: usize = 50;
/// Up to so many groups are asked for one by one, all at once.
const ONE_BY_ONE: usize = 3;
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
        let arn_of = |at: usize| Some(arn(groups.get(targets[at].id)?)?.to_string());
        let ask = |_, arn: String| async move { tags_of(logs, &Arn::new(arn)).await };
        let mut tags = tagged::read(aws, cx, targets, arn_of, ask).await?;
        let found = |(at, target): (usize, &Target<'_>)| match groups.get(target.id) {
            Some(group) => tagged::with(tags.remove(&at), |tags| shown(logs, target, group, tags)),
            None => Found::Gone,
        };
        Ok(targets.iter().enumerate().map(found).collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &LogGroupResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let logs = &aws.logs(cx).await?;
        // Before the call, since after it a failure would lose the group.
        let outputs = outputs(aws, cx, &want.log_group_name).await?;
        let request = logs
            .create_log_group()
            .log_group_name(&want.log_group_name)
            .set_kms_key_id(want.kms_key_id.as_ref().map(Arn::to_string))
            .set_log_group_class(want.log_group_class.as_deref().map(LogGroupClass::from))
            .set_deletion_protection_enabled(want.deletion_protection_enabled)
            .set_tags(Some(with_intent(&want.tags, intent).into_iter().collect()));
        match once_free(cx, || logs.write("CreateLogGroup", || request.clone().send())).await {
            Ok(_) => Ok(created(want, outputs)),
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                Self::find(aws, cx, want, intent).await?.ok_or(taken)
            }
            Err(error) => Err(error),
        }
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &LogGroupResolved,
    ) -> Result<Option<LogGroupOutputs>, CloudError> {
        let logs = &aws.logs(cx).await?;
        if let Some(days) = want.retention_in_days {
            put_retention(logs, cx, id, days).await?;
        }
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _want: &LogGroupResolved,
        change: &LogGroupChange,
    ) -> Result<Option<LogGroupOutputs>, CloudError> {
        let logs = &aws.logs(cx).await?;
        match &change.retention_in_days {
            Some(FieldChange { after: Some(days), .. }) => put_retention(logs, cx, id, *days).await?,
            Some(FieldChange { after: None, .. }) => {
                let request = logs.delete_retention_policy().log_group_name(id);
                once_free(cx, || logs.write_idempotent("DeleteRetentionPolicy", || request.clone().send())).await?;
            }
            None => {}
        }
        match &change.kms_key_id {
            Some(FieldChange { after: Some(key), .. }) => {
                let request = logs.associate_kms_key().log_group_name(id).kms_key_id(key.as_str());
                once_free(cx, || logs.write_idempotent("AssociateKmsKey", || request.clone().send())).await?;
            }
            Some(FieldChange { after: None, .. }) => {
                let request = logs.disassociate_kms_key().log_group_name(id);
                once_free(cx, || logs.write_idempotent("DisassociateKmsKey", || request.clone().send())).await?;
            }
            None => {}
        }
        if let Some(change) = &change.deletion_protection_enabled {
            let enabled = change.after.unwrap_or(false);
            let request =
                logs.put_log_group_deletion_protection().log_group_identifier(id).deletion_protection_enabled(enabled);
            let send = || logs.write_idempotent("PutLogGroupDeletionProtection", || request.clone().send());
            once_free(cx, send).await?;
        }
        if let Some(change) = &change.tags {
            let arn = outputs(aws, cx, id).await?.arn;
            update_tags(logs, &arn, TagDelta::of(change)).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, was: Option<&LogGroupResolved>) -> Result<(), CloudError> {
        let logs = &aws.logs(cx).await?;
        let request = logs.delete_log_group().log_group_name(id);
        match once_free(cx, || logs.write_idempotent("DeleteLogGroup", || request.clone().send())).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            Err(error) if was.is_some_and(|was| was.deletion_protection_enabled == Some(true)) => {
                Err(error.hint("the group is protected: set deletion_protection_enabled to false first"))
            }
            Err(error) => Err(error),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &LogGroupResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let logs = &aws.logs(cx).await?;
        let Some(group) = describe_one(logs, &want.log_group_name).await? else { return Ok(None) };
        let arn = arn(&group).ok_or_else(|| nameless(logs))?;
        let tags = match tags_of(logs, &arn).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            tags => tags?,
        };
        owner::check(&format!("the log group {}", want.log_group_name), &tags, intent)?;
        let log_group_name = LogGroupName::new(&want.log_group_name);
        Ok(Some(created(want, LogGroupOutputs { log_group_name, arn })))
    }
}

fn created(want: &LogGroupResolved, outputs: LogGroupOutputs) -> Created<LogGroup> {
    Created { id: want.log_group_name.clone(), outputs, complete: want.retention_in_days.is_none() }
}

/// CreateLogGroup's answer is empty, but the ARN is known beforehand.
async fn outputs(aws: &Aws, cx: &Cx, name: &str) -> Result<LogGroupOutputs, CloudError> {
    let (region, account) = (aws.region(&cx.provider).await?, aws.account(&cx.provider).await?);
    let arn = Arn::of("logs", &region, &account, &format!("log-group:{name}"));
    Ok(LogGroupOutputs { log_group_name: LogGroupName::new(name), arn })
}

/// Repeats a change while another one to the same group is under way, as the API's documentation asks.
pub(super) async fn once_free<T, F, Fut>(cx: &Cx, call: F) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    wait::eventually(cx, UNTIL_FREE, |e| e.code.as_deref() == Some("OperationAbortedException"), call).await
}

async fn put_retention(logs: &Logs, cx: &Cx, name: &str, days: i32) -> Result<(), CloudError> {
    let request = logs.put_retention_policy().log_group_name(name).retention_in_days(days);
    once_free(cx, || logs.write_idempotent("PutRetentionPolicy", || request.clone().send())).await?;
    Ok(())
}

async fn update_tags(logs: &Logs, arn: &Arn, delta: TagDelta) -> Result<(), CloudError> {
    // Those that go make room: a group has fifty at most.
    if !delta.remove.is_empty() {
        let keys = delta.remove.into_iter().collect();
        let request = logs.untag_resource().resource_arn(arn.as_str()).set_tag_keys(Some(keys));
        logs.write_idempotent("UntagResource", || request.clone().send()).await?;
    }
    if !delta.set.is_empty() {
        let request = logs.tag_resource().resource_arn(arn.as_str()).set_tags(Some(delta.set.into_iter().collect()));
        logs.write_idempotent("TagResource", || request.clone().send()).await?;
    }
    Ok(())
}

/// Reads groups by name; `names` are sorted.
async fn describe(logs: &Logs, names: &[&str]) -> Result<HashMap<String, Shown>, CloudError> {
    let mut found = HashMap::new();
    if names.len() > ONE_BY_ONE && list(logs, names, &mut found).await? {
        return Ok(found);
    }
    let missing: Vec<&str> = names.iter().copied().filter(|name| !found.contains_key(*name)).collect();
    let asked = batch::each(missing, |name| describe_one(logs, name)).await?;
    found.extend(asked.into_iter().flatten().filter_map(by_name));
    Ok(found)
}

/// Lists the groups that begin as all of `names` do. It gives up when others turn out to own so many there that asking one by one costs
/// no more. Tells whether what was not found is not there.
async fn list(logs: &Logs, names: &[&str], found: &mut HashMap<String, Shown>) -> Result<bool, CloudError> {
    let prefix = batch::common_prefix(&names.iter().copied().collect());
    let mut token = None;
    for _ in 0..pages_worth(names.len()) {
        let (groups, next) = page(logs, prefix, token.clone()).await?;
        // The list is sorted.
        let passed = groups.last().and_then(Shown::log_group_name) > names.last().copied();
        let wanted = |name: &str| names.binary_search(&name).is_ok();
        found.extend(groups.into_iter().filter_map(by_name).filter(|(name, _)| wanted(name)));
        if next.is_none() || found.len() == names.len() {
            return Ok(true);
        }
        if passed || next == token {
            break;
        }
        token = next;
    }
    Ok(false)
}

/// How many pages a list may take: twice as many as it must, and never more than there are names.
fn pages_worth(names: usize) -> usize {
    (2 * names.div_ceil(PAGE) + 4).min(names)
}

/// One page of the groups whose names begin so.
async fn page(logs: &Logs, prefix: &str, token: Option<String>) -> Result<(Vec<Shown>, Option<String>), CloudError> {
    let prefix = Some(prefix.to_owned()).filter(|p| !p.is_empty());
    let limit = i32::try_from(PAGE).ok();
    let request = logs.describe_log_groups().set_log_group_name_prefix(prefix).set_limit(limit).set_next_token(token);
    let answer = logs.read("DescribeLogGroups", || request.clone().send()).await?;
    Ok((answer.log_groups.unwrap_or_default(), answer.next_token.filter(|t| !t.is_empty())))
}

/// Reads one group. Of all names that begin with its own, which the call asks for, it sorts first.
async fn describe_one(logs: &Logs, name: &str) -> Result<Option<Shown>, CloudError> {
    let (groups, _) = page(logs, name, None).await?;
    Ok(groups.into_iter().find(|g| g.log_group_name() == Some(name)))
}

fn by_name(group: Shown) -> Option<(String, Shown)> {
    Some((group.log_group_name.clone()?, group))
}

/// Tags of one group.
async fn tags_of(logs: &Logs, arn: &Arn) -> Result<TagMap, CloudError> {
    let request = logs.list_tags_for_resource().resource_arn(arn.as_str());
    let answer = logs.read("ListTagsForResource", || request.clone().send()).await?;
    Ok(answer.tags.unwrap_or_default().into_iter().collect())
}

/// The ARN in the form without `:*`, which older answers do not have.
fn arn(group: &Shown) -> Option<Arn> {
    let long = || group.arn().map(|arn| arn.strip_suffix(":*").unwrap_or(arn));
    group.log_group_arn().or_else(long).map(Arn::new)
}

fn nameless(logs: &Logs) -> CloudError {
    logs.unexpected("DescribeLogGroups", "the answer holds a group without an ARN")
}

fn shown(logs: &Logs, target: &Target<'_>, group: &Shown, tags: TagMap) -> Found<LogGroup> {
    match arn(group) {
        Some(arn) => {
            let outputs = LogGroupOutputs { log_group_name: LogGroupName::new(target.id), arn };
            Found::present(fields(target, group, tags), outputs)
        }
        None => Found::Failed(nameless(logs)),
    }
}

fn fields(target: &Target<'_>, group: &Shown, tags: TagMap) -> LogGroupResolved {
    // Where a policy of the account's decides, the answer tells its retention in place of the group's own, which then is not known. What is only
    // passed on is kept for two days, which nobody chooses.
    let not_its_own =
        group.retention_policy_name().is_some() || group.log_group_class() == Some(&LogGroupClass::Delivery);
    let retention_in_days = match not_its_own {
        true => target.inputs.get("retention_in_days").and_then(|days| i32::from_value(days).ok()),
        false => group.retention_in_days(),
    };
    LogGroupResolved {
        log_group_name: target.id.to_owned(),
        retention_in_days,
        kms_key_id: group.kms_key_id().map(Arn::new),
        log_group_class: group.log_group_class().map(|class| class.as_str().to_owned()),
        deletion_protection_enabled: Some(group.deletion_protection_enabled().unwrap_or(false)),
        tags,
    }
}

#[cfg(test)]
mod tests {
    use phx_model::{Value, ValueMap};

    use super::*;

    fn inputs(json: &str) -> ValueMap {
        serde_json::from_str(json).unwrap()
    }

    fn group(name: &str) -> Shown {
        Shown::builder().log_group_name(name).arn(format!("arn:aws:logs:r:1:log-group:{name}:*")).build()
    }

    #[test]
    fn a_list_may_cost_no_more_than_asking() {
        assert_eq!(pages_worth(4), 4);
        assert_eq!(pages_worth(10), 6);
        assert_eq!(pages_worth(200), 12);
        assert!(pages_worth(10_000) >= 10_000 / PAGE);
    }

    #[test]
    fn the_arn_has_no_star() {
        assert_eq!(arn(&group("g")), Some(Arn::new("arn:aws:logs:r:1:log-group:g")));
        let both = Shown::builder().arn("x:*").log_group_arn("y").build();
        assert_eq!(arn(&both), Some(Arn::new("y")));
        assert_eq!(arn(&Shown::builder().build()), None);
    }

    #[test]
    fn an_accounts_retention_does_not_look_like_the_groups() {
        let set = inputs(r#"{"retention_in_days":30}"#);
        let target = Target { id: "g", inputs: &set };
        let own = Shown::builder().retention_in_days(7).build();
        assert_eq!(fields(&target, &own, TagMap::new()).retention_in_days, Some(7));
        let governed = Shown::builder().retention_in_days(7).retention_policy_name("all").build();
        assert_eq!(fields(&target, &governed, TagMap::new()).retention_in_days, Some(30));
        let empty = ValueMap::from([("tags".to_owned(), Value::Null)]);
        let unset = Target { id: "g", inputs: &empty };
        assert_eq!(fields(&unset, &governed, TagMap::new()).retention_in_days, None);
        let passed_on = Shown::builder().retention_in_days(2).log_group_class(LogGroupClass::Delivery).build();
        assert_eq!(fields(&unset, &passed_on, TagMap::new()).retention_in_days, None);
    }
}
