//! `aws:sns:Topic`.
//!
//! CreateTopic with the name of a topic that is there succeeds, whosever that is, if nothing is said of it that differs. So the name is looked for first; its
//! ARN is known beforehand.

use std::time::Duration;

use aws_sdk_sns::types::Tag;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::value::Json;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::Sns;
use super::topic_attributes::{changed, fields, wished};
use crate::arn::Arn;
use crate::client::Aws;
use crate::forms::{document, empty_is_unset, off_is_unset, own, text};
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::{self, TagMap};
use crate::tags::{TagDelta, with_intent};
use crate::{batch, owner, policy, wait};

/// How long a new role that a policy names may be unknown.
const UNTIL_KNOWN: Duration = Duration::from_secs(30);

/// A topic: what is published to it goes to all who subscribe.
///
/// <https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:sns:Topic",
    terraform = "aws_sns_topic",
    cloudformation = "AWS::SNS::Topic",
    identity = NaturalKey,
    unique(name)
)]
pub struct Topic {
    /// The name, unique in account and region. A FIFO topic's ends in `.fifo`.
    #[field(replace)]
    pub name: Input<String>,
    /// Whether messages are delivered once and in their order. Unset, they are not.
    #[field(replace, normalize = off_is_unset)]
    pub fifo_topic: Option<Input<bool>>,
    /// The sender's name in e-mails and text messages.
    #[field(normalize = empty_is_unset)]
    pub display_name: Option<Input<String>>,
    /// Who may do what with the topic: a [`PolicyDocument`](crate::policy::PolicyDocument), or JSON. Unset, its owner may do everything.
    #[field(json, cloud_default, normalize = policy::canonical)]
    pub policy: Option<Input<Json>>,
    /// How deliveries to HTTP endpoints are tried again, in JSON.
    #[field(json)]
    pub delivery_policy: Option<Input<Json>>,
    /// What is hidden or kept back of messages, in JSON.
    #[field(json)]
    pub data_protection_policy: Option<Input<Json>>,
    /// How many bytes a message may have, 1024 to 1048576. Unset, 262144.
    #[field(cloud_default)]
    pub maximum_message_size: Option<Input<i32>>,
    /// The KMS key that messages are encrypted with; `alias/aws/sns` for the one that AWS manages. Unset, they are not.
    pub kms_master_key_id: Option<Input<Arn>>,
    /// What messages to HTTP endpoints are signed with: `1` (SHA-1, which it is unset) or `2` (SHA-256).
    #[field(cloud_default)]
    pub signature_version: Option<Input<String>>,
    /// Whether X-Ray is told of messages: `PassThrough` (if their sender says so, which it is unset) or `Active`.
    #[field(cloud_default)]
    pub tracing_config: Option<Input<String>>,
    /// Whether a FIFO topic takes messages with the same content for the same message. Unset, it does not.
    #[field(normalize = off_is_unset)]
    pub content_based_deduplication: Option<Input<bool>>,
    /// What a FIFO topic's throughput is limited for: `Topic` or `MessageGroup`.
    #[field(cloud_default)]
    pub fifo_throughput_scope: Option<Input<String>>,
    /// For how long a FIFO topic keeps messages, in JSON: `{"MessageRetentionPeriod": "30"}`, in days.
    #[field(json)]
    pub archive_policy: Option<Input<Json>>,
    /// The role with which deliveries to HTTP endpoints are written down.
    pub http_success_feedback_role_arn: Option<Input<Arn>>,
    /// What part of them is, in percent.
    #[field(cloud_default)]
    pub http_success_feedback_sample_rate: Option<Input<i32>>,
    /// The role with which failed deliveries to HTTP endpoints are written down.
    pub http_failure_feedback_role_arn: Option<Input<Arn>>,
    /// The role with which deliveries to Firehose are written down.
    pub firehose_success_feedback_role_arn: Option<Input<Arn>>,
    /// What part of them is, in percent.
    #[field(cloud_default)]
    pub firehose_success_feedback_sample_rate: Option<Input<i32>>,
    /// The role with which failed deliveries to Firehose are written down.
    pub firehose_failure_feedback_role_arn: Option<Input<Arn>>,
    /// The role with which deliveries to Lambda are written down.
    pub lambda_success_feedback_role_arn: Option<Input<Arn>>,
    /// What part of them is, in percent.
    #[field(cloud_default)]
    pub lambda_success_feedback_sample_rate: Option<Input<i32>>,
    /// The role with which failed deliveries to Lambda are written down.
    pub lambda_failure_feedback_role_arn: Option<Input<Arn>>,
    /// The role with which deliveries to apps are written down.
    pub application_success_feedback_role_arn: Option<Input<Arn>>,
    /// What part of them is, in percent.
    #[field(cloud_default)]
    pub application_success_feedback_sample_rate: Option<Input<i32>>,
    /// The role with which failed deliveries to apps are written down.
    pub application_failure_feedback_role_arn: Option<Input<Arn>>,
    /// The role with which deliveries to SQS are written down.
    pub sqs_success_feedback_role_arn: Option<Input<Arn>>,
    /// What part of them is, in percent.
    #[field(cloud_default)]
    pub sqs_success_feedback_sample_rate: Option<Input<i32>>,
    /// The role with which failed deliveries to SQS are written down.
    pub sqs_failure_feedback_role_arn: Option<Input<Arn>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct TopicOutputs {
    /// The ARN, by which other types refer to the topic.
    pub arn: Arn,
    /// The account that it belongs to.
    pub owner: Option<String>,
}

impl Manage for Topic {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let sns = &aws.sns(cx).await?;
        let shown = batch::each(targets, |target| async { Ok(read(sns, target).await) }).await?;
        let there = |at: usize| matches!(shown[at], Found::Present { .. }).then(|| targets[at].id.to_owned());
        let ask = |_, arn: String| async move { list_tags(sns, &arn).await };
        let mut tags = tagged::read(aws, cx, targets, there, ask).await?;
        let found = shown.into_iter().enumerate().map(|(at, found)| match found {
            Found::Present { mut fields, outputs } => tagged::with(tags.remove(&at), |tags| {
                fields.tags = tags;
                Found::Present { fields, outputs }
            }),
            other => other,
        });
        Ok(found.collect())
    }

    async fn create(aws: &Aws, cx: &Cx, want: &TopicResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let sns = &aws.sns(cx).await?;
        if let Some(made) = Self::find(aws, cx, want, intent).await? {
            return Ok(made);
        }
        let owner = aws.account(&cx.provider).await?;
        let request = sns
            .create_topic()
            .name(&want.name)
            .set_attributes(Some(wished(want)).filter(|attributes| !attributes.is_empty()))
            .set_data_protection_policy(want.data_protection_policy.as_ref().map(text))
            .set_tags(Some(to_tags(&with_intent(&want.tags, intent))?));
        let send = || sns.write("CreateTopic", || request.clone().send());
        match wait::eventually(cx, UNTIL_KNOWN, names_unknown, send).await {
            Ok(answer) => {
                let arn = answer.topic_arn.ok_or_else(|| sns.unexpected("CreateTopic", "the answer names no topic"))?;
                sns.note_made("topic", &arn);
                Ok(created(&arn, owner))
            }
            // Made by someone else since it was looked for.
            Err(error) if error.message.contains("already exists with different") => {
                let taken = CloudError { kind: ErrorKind::AlreadyExists, ..error };
                Self::find(aws, cx, want, intent).await?.ok_or(taken)
            }
            Err(error) => Err(error),
        }
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &TopicResolved,
        change: &TopicChange,
    ) -> Result<Option<TopicOutputs>, CloudError> {
        let sns = &aws.sns(cx).await?;
        for (name, value) in changed(want, change) {
            let request = sns.set_topic_attributes().topic_arn(id).attribute_name(name).attribute_value(value);
            let send = || sns.write_idempotent("SetTopicAttributes", || request.clone().send());
            wait::eventually(cx, UNTIL_KNOWN, names_unknown, send).await?;
        }
        if let Some(change) = &change.data_protection_policy {
            let document = change.after.as_ref().map(text).unwrap_or_default();
            let request = sns.put_data_protection_policy().resource_arn(id).data_protection_policy(document);
            sns.write_idempotent("PutDataProtectionPolicy", || request.clone().send()).await?;
        }
        if let Some(change) = &change.tags {
            update_tags(sns, id, TagDelta::of(change)).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _was: Option<&TopicResolved>) -> Result<(), CloudError> {
        let sns = &aws.sns(cx).await?;
        match sns.write_idempotent("DeleteTopic", || sns.delete_topic().topic_arn(id).send()).await {
            Err(error) if error.kind != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &TopicResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let sns = &aws.sns(cx).await?;
        let account = aws.account(&cx.provider).await?;
        let arn = Arn::of("sns", &aws.region(&cx.provider).await?, &account, &want.name);
        match list_tags(sns, arn.as_str()).await {
            Ok(tags) => {
                owner::check(&format!("the topic {}", want.name), &tags, intent)?;
                Ok(Some(created(arn.as_str(), account)))
            }
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn created(arn: &str, owner: String) -> Created<Topic> {
    let outputs = TopicOutputs { arn: Arn::new(arn), owner: Some(owner) };
    Created { id: arn.to_owned(), outputs, complete: true }
}

/// A role that the policy names is not known yet, or does not exist.
fn names_unknown(error: &CloudError) -> bool {
    error.kind == ErrorKind::Invalid && error.message.contains("PrincipalNotFound")
}

async fn read(sns: &Sns, target: &Target<'_>) -> Found<Topic> {
    match read_parts(sns, target).await {
        Ok(found) => found,
        Err(error) if error.kind == ErrorKind::NotFound => Found::Gone,
        Err(error) => Found::Failed(error),
    }
}

async fn read_parts(sns: &Sns, target: &Target<'_>) -> Result<Found<Topic>, CloudError> {
    let read = || sns.get_topic_attributes().topic_arn(target.id).send();
    let attributes = async {
        let answer = sns.read("GetTopicAttributes", read).await?;
        Ok(answer.attributes.unwrap_or_default())
    };
    let protection = async {
        if !target.wants("data_protection_policy") {
            return Ok(None);
        }
        let read = || sns.get_data_protection_policy().resource_arn(target.id).send();
        match sns.read("GetDataProtectionPolicy", read).await {
            Ok(answer) => Ok(document(answer.data_protection_policy())),
            // Not every kind of topic, nor every endpoint, has it: that matters to whoever set it.
            Err(error) if target.inputs.is_empty() && error.kind != ErrorKind::NotFound => {
                tracing::debug!(%error, "the topic's data protection is not known");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    };
    let (attributes, protection) = futures::try_join!(attributes, protection)?;
    let outputs = TopicOutputs { arn: Arn::new(target.id), owner: attributes.get("Owner").cloned() };
    let mut fields = fields(target.id, &attributes);
    fields.delivery_policy = own(target.inputs.get("delivery_policy"), fields.delivery_policy);
    fields.data_protection_policy = protection;
    Ok(Found::present(fields, outputs))
}

fn to_tags(tags: &TagMap) -> Result<Vec<Tag>, CloudError> {
    let tag = |(key, value): (&String, &String)| {
        let tag = Tag::builder().key(key).value(value).build();
        tag.map_err(|e| CloudError::local(ErrorKind::Invalid, e.to_string()))
    };
    tags.iter().map(tag).collect()
}

async fn list_tags(sns: &Sns, arn: &str) -> Result<TagMap, CloudError> {
    let read = sns.read("ListTagsForResource", || sns.list_tags_for_resource().resource_arn(arn).send());
    match read.await {
        Ok(answer) => Ok(answer.tags.unwrap_or_default().into_iter().map(|t| (t.key, t.value)).collect()),
        Err(error) if error.code.as_deref().is_some_and(|code| code.starts_with("ResourceNotFound")) => {
            Err(CloudError { kind: ErrorKind::NotFound, ..error })
        }
        Err(error) => Err(error),
    }
}

async fn update_tags(sns: &Sns, arn: &str, delta: TagDelta) -> Result<(), CloudError> {
    // Those that go make room: a topic has fifty at most.
    if !delta.remove.is_empty() {
        let request = sns.untag_resource().resource_arn(arn).set_tag_keys(Some(delta.remove.into_iter().collect()));
        sns.write_idempotent("UntagResource", || request.clone().send()).await?;
    }
    if !delta.set.is_empty() {
        let request = sns.tag_resource().resource_arn(arn).set_tags(Some(to_tags(&delta.set)?));
        sns.write_idempotent("TagResource", || request.clone().send()).await?;
    }
    Ok(())
}
