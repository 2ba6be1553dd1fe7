//! `aws:cloudtrail:Trail`.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use aws_sdk_cloudtrail::types::{Tag, Trail as Shown};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{FieldChange, Tags};
use phx_model::{CloudError, Input, Outputs, Resource};

use super::CloudTrail;
use super::trail_blocks::{self as blocks, AdvancedEventSelector, EventSelector, InsightSelector};
use crate::arn::Arn;
use crate::client::Aws;
use crate::forms::{empty_is_unset, key_as_set};
use crate::ids::BucketName;
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::TagMap;
use crate::tags::{TagDelta, with_intent};
use crate::{batch, owner, wait};

/// ListTags takes so many trails in one call.
const TRAILS: usize = 20;
/// How long a role, a bucket's policy or another change to the trail may take to be known.
const UNTIL_KNOWN: Duration = Duration::from_secs(30);

/// A log of what is done in an account, written to a bucket.
///
/// <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_CreateTrail.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:cloudtrail:Trail",
    terraform = "aws_cloudtrail",
    cloudformation = "AWS::CloudTrail::Trail",
    identity = NaturalKey,
    unique(name)
)]
pub struct Trail {
    /// The name, unique in account and region: 3 to 128 letters, digits, `.`, `_` and `-`.
    #[field(replace)]
    pub name: Input<String>,
    /// The bucket, whose policy lets CloudTrail write.
    pub s3_bucket_name: Input<BucketName>,
    /// What the names of the objects in it begin with.
    #[field(normalize = empty_is_unset)]
    pub s3_key_prefix: Option<Input<String>>,
    /// The SNS topic that is told of each file, by its name or ARN.
    pub sns_topic_name: Option<Input<String>>,
    /// Whether events of global services, such as IAM, are logged. AWS's default: yes.
    #[field(cloud_default)]
    pub include_global_service_events: Option<Input<bool>>,
    /// Whether the events of all regions are logged. AWS's default: no.
    #[field(cloud_default)]
    pub is_multi_region_trail: Option<Input<bool>>,
    /// Whether digests are written by which changes to the files are noticed. AWS's default: no.
    #[field(cloud_default)]
    pub enable_log_file_validation: Option<Input<bool>>,
    /// The log group that events go to as well. The ARN ends in `:*`.
    pub cloud_watch_logs_log_group_arn: Option<Input<Arn>>,
    /// The role with which CloudTrail writes to the log group.
    pub cloud_watch_logs_role_arn: Option<Input<Arn>>,
    /// The KMS key that the files are encrypted with.
    pub kms_key_id: Option<Input<Arn>>,
    /// Whether the events of all accounts of the organization are logged. AWS's default: no.
    #[field(cloud_default)]
    pub is_organization_trail: Option<Input<bool>>,
    /// Whether what CloudTrail itself does to write the log is logged too. AWS's default: yes.
    #[field(cloud_default)]
    pub recursive_logging: Option<Input<bool>>,
    /// Whether events are logged. Unset, phx starts logging; AWS by itself would not.
    #[field(cloud_default)]
    pub is_logging: Option<Input<bool>>,
    /// Which events are logged. AWS's default: management events. In place of it there is `advanced_event_selectors`.
    #[field(cloud_default)]
    pub event_selectors: Option<Input<Vec<EventSelector>>>,
    /// Which events are logged, in the newer form.
    #[field(set, cloud_default)]
    pub advanced_event_selectors: Option<Input<Vec<AdvancedEventSelector>>>,
    /// What unusual activity is looked for.
    #[field(set)]
    pub insight_selectors: Option<Input<Vec<InsightSelector>>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct TrailOutputs {
    /// The ARN.
    pub arn: Arn,
    /// The topic that is told of each file.
    #[output(volatile)]
    pub sns_topic_arn: Option<Arn>,
}

impl Manage for Trail {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let cloudtrail = &aws.cloudtrail(cx).await?;
        let names = targets.iter().map(|t| t.id.to_owned()).collect();
        let trails = describe(cloudtrail, names).await?;
        let trails: HashMap<&str, &Shown> = trails.iter().filter_map(|t| Some((t.name()?, t))).collect();
        let arns = targets.iter().filter(|t| t.wants("tags")).filter_map(|t| trails.get(t.id)?.trail_arn.clone());
        let tags = &tags(cloudtrail, arns.collect()).await?;
        batch::each(targets, |target| {
            let trail = trails.get(target.id).copied();
            async move {
                let Some(trail) = trail else { return Ok(Found::Gone) };
                let tags = trail.trail_arn().and_then(|arn| tags.get(arn)).cloned().unwrap_or_default();
                Ok(match read(cloudtrail, target, trail, tags).await {
                    Ok(found) => found,
                    Err(error) if error.kind == ErrorKind::NotFound => Found::Gone,
                    Err(error) => Found::Failed(error),
                })
            }
        })
        .await
    }

    async fn create(aws: &Aws, cx: &Cx, want: &TrailResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let cloudtrail = &aws.cloudtrail(cx).await?;
        let request = cloudtrail
            .create_trail()
            .name(&want.name)
            .s3_bucket_name(want.s3_bucket_name.as_str())
            .set_s3_key_prefix(want.s3_key_prefix.clone())
            .set_sns_topic_name(want.sns_topic_name.clone())
            .set_include_global_service_events(want.include_global_service_events)
            .set_is_multi_region_trail(want.is_multi_region_trail)
            .set_enable_log_file_validation(want.enable_log_file_validation)
            .set_cloud_watch_logs_log_group_arn(text(want.cloud_watch_logs_log_group_arn.as_ref()))
            .set_cloud_watch_logs_role_arn(text(want.cloud_watch_logs_role_arn.as_ref()))
            .set_kms_key_id(text(want.kms_key_id.as_ref()))
            .set_is_organization_trail(want.is_organization_trail)
            .set_recursive_logging(want.recursive_logging)
            .set_tags_list(Some(to_sdk(with_intent(&want.tags, intent))?));
        let send = || cloudtrail.write("CreateTrail", || request.clone().send());
        let answer = match once_known(cx, send).await {
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                return Self::find(aws, cx, want, intent).await?.ok_or(taken);
            }
            answer => answer?,
        };
        created(&want.name, answer.trail_arn(), answer.sns_topic_arn())
            .ok_or_else(|| cloudtrail.unexpected("CreateTrail", "the answer names no trail"))
    }

    async fn finish(aws: &Aws, cx: &Cx, id: &str, want: &TrailResolved) -> Result<Option<TrailOutputs>, CloudError> {
        let cloudtrail = &aws.cloudtrail(cx).await?;
        if want.event_selectors.is_some() || want.advanced_event_selectors.is_some() {
            put_selectors(cloudtrail, cx, id, want).await?;
        }
        if want.insight_selectors.is_some() {
            put_insights(cloudtrail, cx, id, want).await?;
        }
        if want.is_logging != Some(false) {
            set_logging(cloudtrail, cx, id, true).await?;
        }
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &TrailResolved,
        change: &TrailChange,
    ) -> Result<Option<TrailOutputs>, CloudError> {
        let cloudtrail = &aws.cloudtrail(cx).await?;
        let mut outputs = None;
        if changes_trail(change) {
            let (log_group, log_role) = logs(want, change);
            let request = cloudtrail
                .update_trail()
                .name(id)
                .set_s3_bucket_name(change.s3_bucket_name.as_ref().map(|_| want.s3_bucket_name.to_string()))
                .set_s3_key_prefix(next(change.s3_key_prefix.as_ref()))
                .set_sns_topic_name(next(change.sns_topic_name.as_ref()))
                .set_include_global_service_events(flag(change.include_global_service_events.as_ref()))
                .set_is_multi_region_trail(flag(change.is_multi_region_trail.as_ref()))
                .set_enable_log_file_validation(flag(change.enable_log_file_validation.as_ref()))
                .set_cloud_watch_logs_log_group_arn(log_group)
                .set_cloud_watch_logs_role_arn(log_role)
                .set_kms_key_id(next(change.kms_key_id.as_ref()))
                .set_is_organization_trail(flag(change.is_organization_trail.as_ref()))
                .set_recursive_logging(flag(change.recursive_logging.as_ref()));
            let send = || cloudtrail.write_idempotent("UpdateTrail", || request.clone().send());
            let answer = once_known(cx, send).await?;
            outputs = created(id, answer.trail_arn(), answer.sns_topic_arn()).map(|made| made.outputs);
        }
        if change.event_selectors.is_some() || change.advanced_event_selectors.is_some() {
            put_selectors(cloudtrail, cx, id, want).await?;
        }
        if change.insight_selectors.is_some() {
            put_insights(cloudtrail, cx, id, want).await?;
        }
        if let Some(logging) = flag(change.is_logging.as_ref()) {
            set_logging(cloudtrail, cx, id, logging).await?;
        }
        if let Some(change) = &change.tags {
            update_tags(aws, cx, cloudtrail, id, TagDelta::of(change)).await?;
        }
        Ok(outputs)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&TrailResolved>) -> Result<(), CloudError> {
        let cloudtrail = &aws.cloudtrail(cx).await?;
        let request = cloudtrail.delete_trail().name(id);
        let send = || cloudtrail.write_idempotent("DeleteTrail", || request.clone().send());
        match once_known(cx, send).await {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            done => done.map(drop),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &TrailResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let cloudtrail = &aws.cloudtrail(cx).await?;
        let trails = describe(cloudtrail, vec![want.name.clone()]).await?;
        let Some(trail) = trails.iter().find(|t| t.name() == Some(want.name.as_str())) else { return Ok(None) };
        let arn = trail.trail_arn().unwrap_or_default();
        let tags = tags(cloudtrail, vec![arn.to_owned()]).await?.remove(arn).unwrap_or_default();
        owner::check(&format!("the trail {}", want.name), &tags, intent)?;
        Ok(created(&want.name, trail.trail_arn(), trail.sns_topic_arn()))
    }
}

/// Something that the trail needs, or another change to it, is not known everywhere yet.
async fn once_known<T, F, Fut>(cx: &Cx, call: F) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    let passing = |error: &CloudError| {
        matches!(
            error.code.as_deref(),
            Some(
                "ConflictException"
                    | "InvalidCloudWatchLogsRoleArnException"
                    | "InvalidCloudWatchLogsLogGroupArnException"
                    | "InsufficientS3BucketPolicyException"
                    | "InsufficientSnsTopicPolicyException"
                    | "InsufficientEncryptionPolicyException"
            )
        )
    };
    wait::eventually(cx, UNTIL_KNOWN, passing, call).await
}

/// Trails of this region by their names. What is not there is left out.
async fn describe(cloudtrail: &CloudTrail, names: Vec<String>) -> Result<Vec<Shown>, CloudError> {
    let request = cloudtrail.describe_trails().set_trail_name_list(Some(names)).include_shadow_trails(false);
    let answer = cloudtrail.read("DescribeTrails", || request.clone().send()).await?;
    Ok(answer.trail_list.unwrap_or_default())
}

/// The tags of trails, by their ARNs.
async fn tags(cloudtrail: &CloudTrail, arns: Vec<String>) -> Result<HashMap<String, TagMap>, CloudError> {
    let chunks = batch::each(arns.chunks(TRAILS), |arns| {
        batch::pages(move |token| async move {
            let request = cloudtrail.list_tags().set_resource_id_list(Some(arns.to_vec())).set_next_token(token);
            let answer = cloudtrail.read("ListTags", || request.clone().send()).await?;
            Ok((answer.resource_tag_list.unwrap_or_default(), answer.next_token))
        })
    });
    let mut tags: HashMap<String, TagMap> = HashMap::new();
    for trail in chunks.await?.into_iter().flatten() {
        let Some(arn) = trail.resource_id else { continue };
        let told = trail.tags_list.unwrap_or_default().into_iter().map(|t| (t.key, t.value.unwrap_or_default()));
        tags.entry(arn).or_default().extend(told);
    }
    Ok(tags)
}

async fn update_tags(aws: &Aws, cx: &Cx, cloudtrail: &CloudTrail, id: &str, delta: TagDelta) -> Result<(), CloudError> {
    let (region, account) = (aws.region(&cx.provider).await?, aws.account(&cx.provider).await?);
    let arn = Arn::of("cloudtrail", &region, &account, &format!("trail/{id}"));
    // Those that go make room: a trail has fifty at most.
    if !delta.remove.is_empty() {
        let tags = delta.remove.into_iter().map(|key| (key, String::new())).collect();
        // Without values, whatever they are.
        let tags = to_sdk(tags)?.into_iter().map(|mut tag| {
            tag.value = None;
            tag
        });
        let request = cloudtrail.remove_tags().resource_id(arn.as_str()).set_tags_list(Some(tags.collect()));
        let send = || cloudtrail.write_idempotent("RemoveTags", || request.clone().send());
        once_known(cx, send).await?;
    }
    if !delta.set.is_empty() {
        let request = cloudtrail.add_tags().resource_id(arn.as_str()).set_tags_list(Some(to_sdk(delta.set)?));
        let send = || cloudtrail.write_idempotent("AddTags", || request.clone().send());
        once_known(cx, send).await?;
    }
    Ok(())
}

fn to_sdk(tags: TagMap) -> Result<Vec<Tag>, CloudError> {
    let tag = |(key, value): (String, String)| Tag::builder().key(key).value(value).build();
    let tags: Result<_, _> = tags.into_iter().map(tag).collect();
    tags.map_err(|e| CloudError::local(ErrorKind::Invalid, e.to_string()))
}

async fn put_selectors(cloudtrail: &CloudTrail, cx: &Cx, id: &str, want: &TrailResolved) -> Result<(), CloudError> {
    let advanced = want.advanced_event_selectors.as_ref();
    let advanced = advanced.map(|all| all.iter().map(blocks::advanced).collect::<Result<Vec<_>, _>>());
    let selectors = want.event_selectors.as_ref().map(|all| all.iter().map(blocks::selector).collect());
    if advanced.is_none() && selectors.is_none() {
        return Ok(());
    }
    let request = cloudtrail
        .put_event_selectors()
        .trail_name(id)
        .set_event_selectors(selectors)
        .set_advanced_event_selectors(advanced.transpose()?);
    let send = || cloudtrail.write_idempotent("PutEventSelectors", || request.clone().send());
    once_known(cx, send).await.map(drop)
}

async fn put_insights(cloudtrail: &CloudTrail, cx: &Cx, id: &str, want: &TrailResolved) -> Result<(), CloudError> {
    let insights = want.insight_selectors.iter().flatten().map(blocks::insight).collect();
    let request = cloudtrail.put_insight_selectors().trail_name(id).set_insight_selectors(Some(insights));
    let send = || cloudtrail.write_idempotent("PutInsightSelectors", || request.clone().send());
    once_known(cx, send).await.map(drop)
}

async fn set_logging(cloudtrail: &CloudTrail, cx: &Cx, id: &str, logging: bool) -> Result<(), CloudError> {
    if logging {
        let request = cloudtrail.start_logging().name(id);
        let send = || cloudtrail.write_idempotent("StartLogging", || request.clone().send());
        once_known(cx, send).await.map(drop)
    } else {
        let request = cloudtrail.stop_logging().name(id);
        let send = || cloudtrail.write_idempotent("StopLogging", || request.clone().send());
        once_known(cx, send).await.map(drop)
    }
}

/// Whether anything changes that UpdateTrail sets.
fn changes_trail(change: &TrailChange) -> bool {
    change.s3_bucket_name.is_some()
        || change.s3_key_prefix.is_some()
        || change.sns_topic_name.is_some()
        || change.include_global_service_events.is_some()
        || change.is_multi_region_trail.is_some()
        || change.enable_log_file_validation.is_some()
        || change.cloud_watch_logs_log_group_arn.is_some()
        || change.cloud_watch_logs_role_arn.is_some()
        || change.kms_key_id.is_some()
        || change.is_organization_trail.is_some()
        || change.recursive_logging.is_some()
}

/// The log group and the role as UpdateTrail takes them: if one changes, it wants to be told the other as well.
fn logs(want: &TrailResolved, change: &TrailChange) -> (Option<String>, Option<String>) {
    let group = next(change.cloud_watch_logs_log_group_arn.as_ref());
    let role = next(change.cloud_watch_logs_role_arn.as_ref());
    if group.is_none() && role.is_none() {
        return (None, None);
    }
    let group = group.or_else(|| text(want.cloud_watch_logs_log_group_arn.as_ref()));
    (group, role.or_else(|| text(want.cloud_watch_logs_role_arn.as_ref())))
}

/// What a text is to become; empty to be taken away.
fn next<T: ToString>(change: Option<&FieldChange<T>>) -> Option<String> {
    change.map(|change| change.after.as_ref().map(T::to_string).unwrap_or_default())
}

fn flag(change: Option<&FieldChange<bool>>) -> Option<bool> {
    change.and_then(|change| change.after)
}

fn text(arn: Option<&Arn>) -> Option<String> {
    arn.map(Arn::to_string)
}

fn created(name: &str, arn: Option<&str>, topic: Option<&str>) -> Option<Created<Trail>> {
    let outputs = TrailOutputs { arn: Arn::new(arn?), sns_topic_arn: topic.map(Arn::new) };
    Some(Created { id: name.to_owned(), outputs, complete: false })
}

/// A trail with what takes a call for each: asked only for what the program sets.
async fn read(
    cloudtrail: &CloudTrail,
    target: &Target<'_>,
    trail: &Shown,
    tags: TagMap,
) -> Result<Found<Trail>, CloudError> {
    let made = created(target.id, trail.trail_arn(), trail.sns_topic_arn());
    let nameless = || format!("the answer holds the trail {} without an ARN", target.id);
    let made = made.ok_or_else(|| cloudtrail.unexpected("DescribeTrails", nameless()))?;
    let mut fields = fields(target, trail, tags);
    if target.wants("is_logging") {
        let request = cloudtrail.get_trail_status().name(target.id);
        let status = cloudtrail.read("GetTrailStatus", || request.clone().send()).await?;
        fields.is_logging = status.is_logging;
    }
    if target.wants("event_selectors") || target.wants("advanced_event_selectors") {
        let request = cloudtrail.get_event_selectors().trail_name(target.id);
        let answer = cloudtrail.read("GetEventSelectors", || request.clone().send()).await?;
        let selectors: Vec<_> = answer.event_selectors().iter().map(blocks::selector_of).collect();
        let advanced: Vec<_> = answer.advanced_event_selectors().iter().map(blocks::advanced_of).collect();
        fields.event_selectors = (!selectors.is_empty()).then_some(selectors);
        fields.advanced_event_selectors = (!advanced.is_empty()).then_some(advanced);
    }
    if target.wants("insight_selectors") {
        let request = cloudtrail.get_insight_selectors().trail_name(target.id);
        let insights: Vec<_> = match cloudtrail.read("GetInsightSelectors", || request.clone().send()).await {
            Ok(answer) => answer.insight_selectors().iter().filter_map(blocks::insight_of).collect(),
            Err(error) if error.code.as_deref() == Some("InsightNotEnabledException") => Vec::new(),
            Err(error) => return Err(error),
        };
        fields.insight_selectors = (!insights.is_empty()).then_some(insights);
    }
    Ok(Found::present(fields, made.outputs))
}

fn fields(target: &Target<'_>, trail: &Shown, tags: TagMap) -> TrailResolved {
    let said = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(str::to_owned);
    let arn = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(Arn::new);
    // A topic is named as the program names it.
    let by_arn = target.inputs.get("sns_topic_name").and_then(|v| v.as_str()).is_some_and(|n| n.starts_with("arn:"));
    let name = || said(trail.sns_topic_arn()).and_then(|arn| arn.rsplit(':').next().map(str::to_owned));
    TrailResolved {
        name: target.id.to_owned(),
        s3_bucket_name: BucketName::new(trail.s3_bucket_name().unwrap_or_default()),
        s3_key_prefix: said(trail.s3_key_prefix()),
        sns_topic_name: if by_arn { said(trail.sns_topic_arn()) } else { name() },
        include_global_service_events: trail.include_global_service_events(),
        is_multi_region_trail: trail.is_multi_region_trail(),
        enable_log_file_validation: Some(trail.log_file_validation_enabled().unwrap_or(false)),
        cloud_watch_logs_log_group_arn: arn(trail.cloud_watch_logs_log_group_arn()),
        cloud_watch_logs_role_arn: arn(trail.cloud_watch_logs_role_arn()),
        kms_key_id: key_as_set(target.inputs.get("kms_key_id"), trail.kms_key_id()),
        is_organization_trail: trail.is_organization_trail(),
        recursive_logging: trail.recursive_logging(),
        is_logging: None,
        event_selectors: None,
        advanced_event_selectors: None,
        insight_selectors: None,
        tags,
    }
}
