//! `aws:sqs:Queue`.
//!
//! # Whose a queue is
//!
//! CreateQueue with the name of a queue that is there and has the same attributes succeeds, whosever that is, and leaves its tags as they are. So the name
//! is looked for first.
//!
//! # What takes its time
//!
//! A queue is deleted within a minute, and its name is free a minute after that: creating another waits for it. What is set may be told as it was
//! for a minute. Emulators do all of that at once; scripted answers test the waiting.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName as Name;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::value::Json;
use phx_model::{Block, CloudError, Input, Outputs, Resource};

use super::{QueueUrl, Sqs, is_gone, is_just_deleted, is_taken};
use crate::arn::Arn;
use crate::client::Aws;
use crate::forms::{flag, number, off_is_unset};
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::{self, TagMap};
use crate::tags::{TagDelta, with_intent};
use crate::wait::{self, Stage, until};
use crate::{batch, owner, policy};

/// How long the name of a deleted queue is taken, and some more.
const UNTIL_FREE: Duration = Duration::from_secs(90);
/// How long a new role or queue that a policy names may be unknown.
const UNTIL_KNOWN: Duration = Duration::from_secs(20);
/// How long what was set may be told as it was.
const UNTIL_TOLD: Duration = Duration::from_secs(90);

/// A queue of messages.
///
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:sqs:Queue",
    terraform = "aws_sqs_queue",
    cloudformation = "AWS::SQS::Queue",
    identity = NaturalKey,
    unique(queue_name)
)]
pub struct Queue {
    /// The name, unique in account and region. A FIFO queue's ends in `.fifo`.
    #[field(replace)]
    pub queue_name: Input<String>,
    /// Whether messages are delivered once and in their order. Unset, they are not.
    #[field(replace, normalize = off_is_unset)]
    pub fifo_queue: Option<Input<bool>>,
    /// For how many seconds messages are held back, 0 (which it is unset) to 900.
    #[field(cloud_default)]
    pub delay_seconds: Option<Input<i32>>,
    /// How many bytes a message may have, 1024 to 1048576, which it is unset.
    #[field(cloud_default)]
    pub maximum_message_size: Option<Input<i32>>,
    /// For how many seconds messages are kept, 60 to 1209600. Unset, 345600.
    #[field(cloud_default)]
    pub message_retention_period: Option<Input<i32>>,
    /// For how many seconds whoever receives waits for a message, 0 (which it is unset) to 20.
    #[field(cloud_default)]
    pub receive_message_wait_time_seconds: Option<Input<i32>>,
    /// For how many seconds a message that was received is hidden from others, 0 to 43200. Unset, 30.
    #[field(cloud_default)]
    pub visibility_timeout: Option<Input<i32>>,
    /// Who may do what with the queue: a [`PolicyDocument`](crate::policy::PolicyDocument), or JSON.
    #[field(json, normalize = policy::canonical)]
    pub policy: Option<Input<Json>>,
    /// Where messages go that were received in vain.
    pub redrive_policy: Option<Input<RedrivePolicy>>,
    /// Which queues may send here what was received in vain. Unset, all of the account and region.
    pub redrive_allow_policy: Option<Input<RedriveAllowPolicy>>,
    /// Whether messages are encrypted with keys of SQS's own, which they are if neither this nor a KMS key is set.
    #[field(cloud_default)]
    pub sqs_managed_sse_enabled: Option<Input<bool>>,
    /// The KMS key that messages are encrypted with; `alias/aws/sqs` for the one that AWS manages. Taken away, keys of SQS's own take its place.
    pub kms_master_key_id: Option<Input<Arn>>,
    /// For how many seconds SQS uses a data key again, 60 to 86400. Unset, 300.
    #[field(cloud_default)]
    pub kms_data_key_reuse_period_seconds: Option<Input<i32>>,
    /// Whether a FIFO queue takes messages with the same content for the same message. Unset, it does not.
    #[field(normalize = off_is_unset)]
    pub content_based_deduplication: Option<Input<bool>>,
    /// Where a FIFO queue looks for the same message: in the `queue` (which it is unset) or the `messageGroup`.
    #[field(cloud_default)]
    pub deduplication_scope: Option<Input<String>>,
    /// What a FIFO queue's throughput is limited for: `perQueue` (which it is unset) or `perMessageGroupId`.
    #[field(cloud_default)]
    pub fifo_throughput_limit: Option<Input<String>>,
    /// The tags.
    pub tags: Tags,
}

/// Where messages go that were received in vain.
#[derive(Clone, Debug, Block)]
pub struct RedrivePolicy {
    /// The queue that they go to. A FIFO queue's must be one too.
    pub dead_letter_target_arn: Input<Arn>,
    /// How often they are received before, 1 to 1000.
    pub max_receive_count: Input<i32>,
}

/// Which queues may send here what was received in vain.
#[derive(Clone, Debug, Block)]
pub struct RedriveAllowPolicy {
    /// `allowAll`, `denyAll` or `byQueue`.
    pub redrive_permission: Input<String>,
    /// With `byQueue`, which, up to 10.
    #[field(set)]
    pub source_queue_arns: Option<Input<Vec<Arn>>>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct QueueOutputs {
    /// The URL, by which SQS knows it.
    pub queue_url: QueueUrl,
    /// The ARN.
    pub arn: Arn,
}

type Attributes = HashMap<Name, String>;

impl Manage for Queue {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let sqs = &aws.sqs(cx).await?;
        let shown = batch::each(targets, |target| async { Ok(attributes(sqs, target.id).await) }).await?;
        let name = |at: usize| arn(shown[at].as_ref().ok()?.as_ref()?).map(|arn| arn.to_string());
        let ask = |url, _| async move { list_tags(sqs, url).await };
        let mut tags = tagged::read(aws, cx, targets, name, ask).await?;
        let found = targets.iter().zip(shown).enumerate().map(|(at, (target, answer))| match answer {
            Ok(Some(attributes)) => match arn_of(sqs, &attributes) {
                Ok(arn) => tagged::with(tags.remove(&at), |tags| {
                    let outputs = QueueOutputs { queue_url: QueueUrl::new(target.id), arn: arn.clone() };
                    Found::present(fields(&arn, &attributes, tags), outputs)
                }),
                Err(error) => Found::Failed(error),
            },
            Ok(None) => Found::Gone,
            Err(error) => Found::Failed(error),
        });
        Ok(found.collect())
    }

    async fn create(aws: &Aws, cx: &Cx, want: &QueueResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let sqs = &aws.sqs(cx).await?;
        if let Some(made) = Self::find(aws, cx, want, intent).await? {
            return Ok(made);
        }
        // Before the call, since after it a failure would lose the queue.
        let arn = Arn::of("sqs", &aws.region(&cx.provider).await?, &aws.account(&cx.provider).await?, &want.queue_name);
        let request = sqs
            .create_queue()
            .queue_name(&want.queue_name)
            .set_attributes(Some(wished(want)).filter(|attributes| !attributes.is_empty()))
            .set_tags(Some(with_intent(&want.tags, intent).into_iter().collect()));
        let send = || sqs.write("CreateQueue", || request.clone().send());
        let known = || wait::eventually(cx, UNTIL_KNOWN, names_unknown, send);
        match wait::eventually(cx, UNTIL_FREE, is_just_deleted, known).await {
            Ok(answer) => {
                let url = answer.queue_url.ok_or_else(|| sqs.unexpected("CreateQueue", "the answer names no queue"))?;
                Ok(Created { outputs: QueueOutputs { queue_url: QueueUrl::new(&url), arn }, id: url, complete: false })
            }
            Err(error) if is_taken(&error) => {
                let taken = CloudError { kind: ErrorKind::AlreadyExists, ..error };
                Self::find(aws, cx, want, intent).await?.ok_or(taken)
            }
            Err(error) => Err(error),
        }
    }

    async fn finish(aws: &Aws, cx: &Cx, id: &str, _want: &QueueResolved) -> Result<Option<QueueOutputs>, CloudError> {
        let sqs = &aws.sqs(cx).await?;
        let what = format!("queue {id}");
        let known = until(cx, &what, || async {
            Ok(match attributes(sqs, id).await? {
                Some(attributes) => Stage::Ready(attributes),
                None => Stage::Waiting("not known yet".to_owned()),
            })
        });
        let arn = arn_of(sqs, &known.await?)?;
        Ok(Some(QueueOutputs { queue_url: QueueUrl::new(id), arn }))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &QueueResolved,
        change: &QueueChange,
    ) -> Result<Option<QueueOutputs>, CloudError> {
        let sqs = &aws.sqs(cx).await?;
        let set = changed(want, change);
        if !set.is_empty() {
            let request = sqs.set_queue_attributes().queue_url(id).set_attributes(Some(set.clone()));
            let send = || sqs.write_idempotent("SetQueueAttributes", || request.clone().send());
            wait::eventually(cx, UNTIL_KNOWN, names_unknown, send).await?;
            told(sqs, cx, id, &set).await?;
        }
        if let Some(change) = &change.tags {
            update_tags(sqs, id, TagDelta::of(change)).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _was: Option<&QueueResolved>) -> Result<(), CloudError> {
        let sqs = &aws.sqs(cx).await?;
        match sqs.write_idempotent("DeleteQueue", || sqs.delete_queue().queue_url(id).send()).await {
            Err(error) if is_gone(&error) => return Ok(()),
            done => done?,
        };
        until(cx, &format!("queue {id}"), || async {
            Ok(match attributes(sqs, id).await? {
                None => Stage::Ready(()),
                Some(_) => Stage::Waiting("being deleted".to_owned()),
            })
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &QueueResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let sqs = &aws.sqs(cx).await?;
        let request = sqs.get_queue_url().queue_name(&want.queue_name);
        let url = match sqs.read("GetQueueUrl", || request.clone().send()).await {
            Ok(answer) => answer.queue_url,
            Err(error) if is_gone(&error) => None,
            Err(error) => return Err(error),
        };
        let Some(url) = url else { return Ok(None) };
        let tags = match list_tags(sqs, &url).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            tags => tags?,
        };
        let Some(attributes) = attributes(sqs, &url).await? else { return Ok(None) };
        owner::check(&format!("the queue {}", want.queue_name), &tags, intent)?;
        let outputs = QueueOutputs { queue_url: QueueUrl::new(&url), arn: arn_of(sqs, &attributes)? };
        Ok(Some(Created { id: url, outputs, complete: false }))
    }
}

/// A role or a queue that is named in a policy is not known yet, or does not exist.
fn names_unknown(error: &CloudError) -> bool {
    let policy = error.message.contains("parameter Policy") || error.message.contains("RedrivePolicy");
    error.kind == ErrorKind::Invalid && policy && !error.message.contains("JSON")
}

/// All attributes of a queue; `None` if it is not there.
async fn attributes(sqs: &Sqs, url: &str) -> Result<Option<Attributes>, CloudError> {
    let request = sqs.get_queue_attributes().queue_url(url).attribute_names(Name::All);
    match sqs.read("GetQueueAttributes", || request.clone().send()).await {
        Ok(answer) => Ok(Some(answer.attributes.unwrap_or_default())),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn arn(attributes: &Attributes) -> Option<Arn> {
    attributes.get(&Name::QueueArn).filter(|arn| !arn.is_empty()).map(Arn::new)
}

fn arn_of(sqs: &Sqs, attributes: &Attributes) -> Result<Arn, CloudError> {
    arn(attributes).ok_or_else(|| sqs.unexpected("GetQueueAttributes", "the answer names no ARN"))
}

/// Waits until SQS tells what was set. Documents may be told in another form.
async fn told(sqs: &Sqs, cx: &Cx, url: &str, set: &Attributes) -> Result<(), CloudError> {
    let plain: Vec<_> = set.iter().filter(|(_, value)| !value.starts_with('{')).collect();
    let begun = std::time::Instant::now();
    until(cx, &format!("queue {url}"), || async {
        let there = attributes(sqs, url).await?.unwrap_or_default();
        let same = |name: &Name, value: &str| {
            let there = there.get(name).map(String::as_str).unwrap_or_default();
            // What is off may be left out.
            there.eq_ignore_ascii_case(value) || (there.is_empty() && value == "false")
        };
        let late = begun.elapsed() > UNTIL_TOLD;
        Ok(if late || plain.iter().all(|(name, value)| same(name, value)) {
            Stage::Ready(())
        } else {
            Stage::Waiting("taking over its settings".to_owned())
        })
    })
    .await
}

/// Every attribute that is a field of its own, and how it is written.
fn values(want: &QueueResolved) -> [(Name, &'static str, Option<String>); 15] {
    let number = |n: Option<i32>| n.map(|n| n.to_string());
    let flag = |on: Option<bool>| on.map(|on| on.to_string());
    [
        (Name::FifoQueue, "fifo_queue", flag(want.fifo_queue.filter(|on| *on))),
        (Name::DelaySeconds, "delay_seconds", number(want.delay_seconds)),
        (Name::MaximumMessageSize, "maximum_message_size", number(want.maximum_message_size)),
        (Name::MessageRetentionPeriod, "message_retention_period", number(want.message_retention_period)),
        (
            Name::ReceiveMessageWaitTimeSeconds,
            "receive_message_wait_time_seconds",
            number(want.receive_message_wait_time_seconds),
        ),
        (Name::VisibilityTimeout, "visibility_timeout", number(want.visibility_timeout)),
        (Name::Policy, "policy", want.policy.as_ref().map(policy::text)),
        (Name::RedrivePolicy, "redrive_policy", want.redrive_policy.as_ref().map(redrive_text)),
        (Name::RedriveAllowPolicy, "redrive_allow_policy", want.redrive_allow_policy.as_ref().map(allow_text)),
        (Name::SqsManagedSseEnabled, "sqs_managed_sse_enabled", flag(want.sqs_managed_sse_enabled)),
        (Name::KmsMasterKeyId, "kms_master_key_id", want.kms_master_key_id.as_ref().map(Arn::to_string)),
        (
            Name::KmsDataKeyReusePeriodSeconds,
            "kms_data_key_reuse_period_seconds",
            number(want.kms_data_key_reuse_period_seconds),
        ),
        // A queue that is no FIFO one refuses it, even where it is off.
        (
            Name::ContentBasedDeduplication,
            "content_based_deduplication",
            flag(want.content_based_deduplication.filter(|on| *on)),
        ),
        (Name::DeduplicationScope, "deduplication_scope", want.deduplication_scope.clone()),
        (Name::FifoThroughputLimit, "fifo_throughput_limit", want.fifo_throughput_limit.clone()),
    ]
}

/// What a new queue is given.
fn wished(want: &QueueResolved) -> Attributes {
    values(want).into_iter().filter_map(|(name, _, value)| Some((name, value?))).collect()
}

/// What changes, and what is taken away.
fn changed(want: &QueueResolved, change: &QueueChange) -> Attributes {
    let changes = |field: &str| match field {
        "delay_seconds" => change.delay_seconds.is_some(),
        "maximum_message_size" => change.maximum_message_size.is_some(),
        "message_retention_period" => change.message_retention_period.is_some(),
        "receive_message_wait_time_seconds" => change.receive_message_wait_time_seconds.is_some(),
        "visibility_timeout" => change.visibility_timeout.is_some(),
        "policy" => change.policy.is_some(),
        "redrive_policy" => change.redrive_policy.is_some(),
        "redrive_allow_policy" => change.redrive_allow_policy.is_some(),
        "sqs_managed_sse_enabled" => change.sqs_managed_sse_enabled.is_some(),
        "kms_master_key_id" => change.kms_master_key_id.is_some(),
        "kms_data_key_reuse_period_seconds" => change.kms_data_key_reuse_period_seconds.is_some(),
        "content_based_deduplication" => change.content_based_deduplication.is_some(),
        "deduplication_scope" => change.deduplication_scope.is_some(),
        "fifo_throughput_limit" => change.fifo_throughput_limit.is_some(),
        _ => false,
    };
    let mut set = Attributes::new();
    for (name, field, value) in values(want) {
        if changes(field) {
            let none = if name == Name::ContentBasedDeduplication { "false" } else { "" };
            set.insert(name, value.unwrap_or_else(|| none.to_owned()));
        }
    }
    // Without its key a queue would not be encrypted at all, where one of which nothing is said has SQS's own keys.
    let key_taken = change.kms_master_key_id.as_ref().is_some_and(|key| key.after.is_none());
    if key_taken && want.sqs_managed_sse_enabled.is_none() {
        set.insert(Name::SqsManagedSseEnabled, "true".to_owned());
    }
    set
}

fn redrive_text(want: &RedrivePolicyResolved) -> String {
    serde_json::json!({
        "deadLetterTargetArn": want.dead_letter_target_arn.as_str(),
        "maxReceiveCount": want.max_receive_count,
    })
    .to_string()
}

fn redrive(text: &str) -> Option<RedrivePolicyResolved> {
    let document: serde_json::Value = serde_json::from_str(text).ok()?;
    // The number may stand in quotes.
    let count = &document["maxReceiveCount"];
    let count = count.as_i64().or_else(|| count.as_str()?.parse().ok())?;
    Some(RedrivePolicyResolved {
        dead_letter_target_arn: Arn::new(document["deadLetterTargetArn"].as_str()?),
        max_receive_count: i32::try_from(count).ok()?,
    })
}

fn allow_text(want: &RedriveAllowPolicyResolved) -> String {
    let mut document = serde_json::json!({"redrivePermission": want.redrive_permission});
    if let Some(arns) = want.source_queue_arns.as_ref().filter(|arns| !arns.is_empty()) {
        document["sourceQueueArns"] = arns.iter().map(Arn::as_str).collect();
    }
    document.to_string()
}

fn allow(text: &str) -> Option<RedriveAllowPolicyResolved> {
    let document: serde_json::Value = serde_json::from_str(text).ok()?;
    let arns: Vec<Arn> =
        document["sourceQueueArns"].as_array().into_iter().flatten().filter_map(|a| a.as_str()).map(Arn::new).collect();
    Some(RedriveAllowPolicyResolved {
        redrive_permission: document["redrivePermission"].as_str()?.to_owned(),
        source_queue_arns: Some(arns).filter(|arns| !arns.is_empty()),
    })
}

fn fields(arn: &Arn, attributes: &Attributes, tags: TagMap) -> QueueResolved {
    let text = |name: &Name| attributes.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let on = |name: &Name| flag(text(name)).filter(|on| *on);
    QueueResolved {
        queue_name: arn.as_str().rsplit(':').next().unwrap_or_default().to_owned(),
        fifo_queue: on(&Name::FifoQueue),
        delay_seconds: number(text(&Name::DelaySeconds)),
        maximum_message_size: number(text(&Name::MaximumMessageSize)),
        message_retention_period: number(text(&Name::MessageRetentionPeriod)),
        receive_message_wait_time_seconds: number(text(&Name::ReceiveMessageWaitTimeSeconds)),
        visibility_timeout: number(text(&Name::VisibilityTimeout)),
        policy: text(&Name::Policy).map(policy::parse),
        redrive_policy: text(&Name::RedrivePolicy).and_then(redrive),
        redrive_allow_policy: text(&Name::RedriveAllowPolicy).and_then(allow),
        sqs_managed_sse_enabled: flag(text(&Name::SqsManagedSseEnabled)),
        kms_master_key_id: text(&Name::KmsMasterKeyId).map(Arn::new),
        kms_data_key_reuse_period_seconds: number(text(&Name::KmsDataKeyReusePeriodSeconds)),
        content_based_deduplication: on(&Name::ContentBasedDeduplication),
        deduplication_scope: text(&Name::DeduplicationScope).map(str::to_owned),
        fifo_throughput_limit: text(&Name::FifoThroughputLimit).map(str::to_owned),
        tags,
    }
}

async fn list_tags(sqs: &Sqs, url: &str) -> Result<TagMap, CloudError> {
    match sqs.read("ListQueueTags", || sqs.list_queue_tags().queue_url(url).send()).await {
        Ok(answer) => Ok(answer.tags.unwrap_or_default().into_iter().collect()),
        Err(error) if is_gone(&error) => Err(CloudError { kind: ErrorKind::NotFound, ..error }),
        Err(error) => Err(error),
    }
}

async fn update_tags(sqs: &Sqs, url: &str, delta: TagDelta) -> Result<(), CloudError> {
    // Those that go make room: a queue has fifty at most.
    if !delta.remove.is_empty() {
        let request = sqs.untag_queue().queue_url(url).set_tag_keys(Some(delta.remove.into_iter().collect()));
        sqs.write_idempotent("UntagQueue", || request.clone().send()).await?;
    }
    if !delta.set.is_empty() {
        let request = sqs.tag_queue().queue_url(url).set_tags(Some(delta.set.into_iter().collect()));
        sqs.write_idempotent("TagQueue", || request.clone().send()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use phx_model::Value;
    use phx_model::typed::FieldChange;
    use phx_model::value::Val;

    use super::*;

    #[test]
    fn redrive_policies_come_back_as_they_were_sent() {
        let want =
            RedrivePolicyResolved { dead_letter_target_arn: Arn::new("arn:aws:sqs:r:1:d"), max_receive_count: 5 };
        assert_eq!(redrive(&redrive_text(&want)), Some(want.clone()));
        assert_eq!(redrive(r#"{"deadLetterTargetArn":"arn:aws:sqs:r:1:d","maxReceiveCount":"5"}"#), Some(want));
        assert_eq!(redrive("{}"), None);
        for json in [
            serde_json::json!({"redrive_permission": "denyAll"}),
            serde_json::json!({"redrive_permission": "byQueue", "source_queue_arns": ["arn:aws:sqs:r:1:s"]}),
        ] {
            let want = RedriveAllowPolicy::from_value(&Value::from(json)).unwrap();
            assert_eq!(allow(&allow_text(&want)), Some(want));
        }
    }

    fn want(json: serde_json::Value) -> QueueResolved {
        let Value::Map(fields) = Value::from(json) else { panic!("no map") };
        Queue::resolve(&fields).unwrap()
    }

    #[test]
    fn only_what_is_set_is_sent() {
        let attributes =
            wished(&want(serde_json::json!({"queue_name": "a.fifo", "fifo_queue": true, "delay_seconds": 0})));
        let sent: BTreeMap<&str, &str> = attributes.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(sent, BTreeMap::from([("FifoQueue", "true"), ("DelaySeconds", "0")]));
        let off = serde_json::json!({"queue_name": "a", "fifo_queue": false, "content_based_deduplication": false});
        assert!(wished(&want(off)).is_empty());
    }

    #[test]
    fn a_queue_whose_key_is_taken_away_has_sqs_own_keys() {
        let taken = QueueChange {
            kms_master_key_id: Some(FieldChange { before: Some(Arn::new("alias/app")), after: None }),
            ..Queue::change(&BTreeMap::new()).unwrap()
        };
        let sent = |json: serde_json::Value| {
            let set = changed(&want(json), &taken);
            let mut set: Vec<String> = set.iter().map(|(name, value)| format!("{}={value}", name.as_str())).collect();
            set.sort();
            set
        };
        assert_eq!(sent(serde_json::json!({"queue_name": "a"})), ["KmsMasterKeyId=", "SqsManagedSseEnabled=true"]);
        let off = serde_json::json!({"queue_name": "a", "sqs_managed_sse_enabled": false});
        assert_eq!(sent(off), ["KmsMasterKeyId="]);
    }

    #[test]
    fn every_field_that_can_be_changed_is_sent() {
        let change = Queue::change(&BTreeMap::new()).unwrap();
        let taken = QueueChange {
            redrive_policy: Some(FieldChange { before: None, after: None }),
            content_based_deduplication: Some(FieldChange { before: Some(true), after: None }),
            ..change
        };
        let set = changed(&want(serde_json::json!({"queue_name": "a"})), &taken);
        assert_eq!(set.get(&Name::RedrivePolicy).map(String::as_str), Some(""));
        assert_eq!(set.get(&Name::ContentBasedDeduplication).map(String::as_str), Some("false"));
        assert_eq!(set.len(), 2);
        let fields: Vec<&str> =
            values(&want(serde_json::json!({"queue_name": "a"}))).iter().map(|(_, field, _)| *field).collect();
        for field in Queue::schema().fields.iter().filter(|f| !matches!(f.name, "queue_name" | "tags")) {
            assert!(fields.contains(&field.name), "{}", field.name);
        }
    }
}
