//! `aws:kms:Key`.
//!
//! No emulator has custom key stores, or keys that take time to be made; those parts follow the service model.

use std::future::Future;
use std::time::Duration;

use aws_sdk_kms::error::BuildError;
use aws_sdk_kms::types::{KeyMetadata, KeySpec, KeyState, KeyUsageType, OriginType, Tag};
use aws_sdk_resourcegroupstagging::types::TagFilter;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::{INTENT_TAG, IntentId};
use phx_model::typed::Tags;
use phx_model::value::Json;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::{KeyId, Kms};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::{self, TagMap};
use crate::tags::{TagDelta, with_intent};
use crate::wait::{Stage, until};
use crate::{batch, forms, policy, wait};

/// The only name that a key's policy can have.
const POLICY: &str = "default";
/// ListKeys tells of so many at once.
const PAGE: i32 = 1000;
/// How long a role that was just made may be unknown to KMS when a key's policy names it.
const UNTIL_PRINCIPAL_KNOWN: Duration = Duration::from_secs(60);

/// A key that never leaves KMS.
///
/// Deleting it schedules the deletion: AWS keeps the key for `pending_window_in_days`, during which nothing can use it and the deletion can be
/// cancelled. Such a key counts as gone.
///
/// KMS tells about one key at a time; reading takes a call for each, and one more each for its policy and its rotation.
///
/// <https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html>
#[derive(Clone, Debug, Resource)]
#[resource(type = "aws:kms:Key", terraform = "aws_kms_key", cloudformation = "AWS::KMS::Key", identity = IntentTag)]
pub struct Key {
    /// What the key is for.
    pub description: Option<Input<String>>,
    /// Who may do what with the key: a [`PolicyDocument`](crate::policy::PolicyDocument), or JSON. Unset, the account's IAM policies say.
    #[field(json, cloud_default, normalize = policy::canonical)]
    pub policy: Option<Input<Json>>,
    /// Whether a policy is taken even if it locks out whoever sets it. AWS's default: no.
    #[field(write_only)]
    pub bypass_policy_lockout_safety_check: Option<Input<bool>>,
    /// `ENCRYPT_DECRYPT` (which it is unset), `SIGN_VERIFY`, `GENERATE_VERIFY_MAC`, `KEY_AGREEMENT` or `ENCAPSULATE_DECAPSULATE`.
    #[field(replace, cloud_default)]
    pub key_usage: Option<Input<String>>,
    /// The kind of key material: `SYMMETRIC_DEFAULT` (which it is unset), `RSA_2048`, `ECC_NIST_P256`, `HMAC_256` …
    #[field(replace, cloud_default)]
    pub key_spec: Option<Input<String>>,
    /// Where the key material comes from: `AWS_KMS` (which it is unset), `EXTERNAL` (imported later), `AWS_CLOUDHSM` or `EXTERNAL_KEY_STORE`.
    #[field(replace, cloud_default)]
    pub origin: Option<Input<String>>,
    /// The custom key store that holds the key material, for the last two origins.
    #[field(replace)]
    pub custom_key_store_id: Option<Input<String>>,
    /// The key's id outside of AWS, in an external key store.
    #[field(replace)]
    pub xks_key_id: Option<Input<String>>,
    /// Whether the key can be replicated into other regions. AWS's default: no.
    #[field(replace, cloud_default)]
    pub multi_region: Option<Input<bool>>,
    /// Whether the key can be used. AWS's default: yes, unless its material is still to be imported.
    #[field(cloud_default)]
    pub enabled: Option<Input<bool>>,
    /// Whether KMS makes new key material from time to time; for symmetric keys with material of KMS's own. AWS's default: no.
    #[field(normalize = forms::off_is_unset)]
    pub enable_key_rotation: Option<Input<bool>>,
    /// After how many days it does: 90 to 2560. AWS's default: 365.
    #[field(cloud_default)]
    pub rotation_period_in_days: Option<Input<i32>>,
    /// For how many days the deletion can be cancelled: 7 to 30. AWS's default: 30.
    #[field(write_only)]
    pub pending_window_in_days: Option<Input<i32>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct KeyOutputs {
    /// The id: `1234abcd-12ab-34cd-56ef-1234567890ab`.
    pub id: KeyId,
    /// The ARN, by which other types refer to the key.
    pub arn: Arn,
}

impl Manage for Key {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let kms = &aws.kms(cx).await?;
        let looks = batch::each(targets, |target| async { Ok(look(kms, target).await) }).await?;
        let arn = |at: usize| Some(looks[at].as_ref().ok()?.as_ref()?.1.arn.to_string());
        let ask = |id, _| list_tags(kms, id);
        let mut tags = tagged::read(aws, cx, targets, arn, ask).await?;
        let found = looks.into_iter().enumerate().map(|(at, look)| match look {
            Ok(Some((fields, outputs))) => match tags.remove(&at) {
                Some(Ok(None)) => Found::Gone,
                Some(Err(error)) => Found::Failed(error),
                Some(Ok(Some(tags))) => Found::present(KeyResolved { tags, ..fields }, outputs),
                None => Found::present(fields, outputs),
            },
            Ok(None) => Found::Gone,
            Err(error) => Found::Failed(error),
        });
        Ok(found.collect())
    }

    async fn create(aws: &Aws, cx: &Cx, want: &KeyResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let kms = &aws.kms(cx).await?;
        check_period(want)?;
        // Of a symmetric key it is what AWS takes by itself. Terraform always says it, and not everybody who stands in for AWS fills it in.
        let symmetric = want.key_spec.as_deref().is_none_or(|spec| spec == "SYMMETRIC_DEFAULT");
        let by_itself = symmetric.then_some(KeyUsageType::EncryptDecrypt);
        let request = kms
            .create_key()
            .set_description(want.description.clone())
            .set_policy(want.policy.as_ref().map(policy::text))
            .set_bypass_policy_lockout_safety_check(want.bypass_policy_lockout_safety_check)
            .set_key_usage(want.key_usage.as_deref().map(KeyUsageType::from).or(by_itself))
            .set_key_spec(want.key_spec.as_deref().map(KeySpec::from))
            .set_origin(want.origin.as_deref().map(OriginType::from))
            .set_custom_key_store_id(want.custom_key_store_id.clone())
            .set_xks_key_id(want.xks_key_id.clone())
            .set_multi_region(want.multi_region)
            .set_tags(Some(to_tags(&with_intent(&want.tags, intent))?));
        let send = || kms.write("CreateKey", || request.clone().send());
        let answer =
            wait::eventually(cx, UNTIL_PRINCIPAL_KNOWN, unknown_principal, send).await.map_err(super::plain)?;
        let outputs = answer.key_metadata.as_ref().and_then(outputs);
        outputs.map(created).ok_or_else(|| kms.unexpected("CreateKey", "the answer names no key"))
    }

    async fn finish(aws: &Aws, cx: &Cx, id: &str, want: &KeyResolved) -> Result<Option<KeyOutputs>, CloudError> {
        let kms = &aws.kms(cx).await?;
        until(cx, &format!("key {id}"), || async move {
            Ok(match describe(kms, id).await? {
                None => Stage::Waiting("not known yet".to_owned()),
                Some(key) => match key.key_state() {
                    Some(state @ (KeyState::Creating | KeyState::Updating)) => {
                        Stage::Waiting(state.as_str().to_owned())
                    }
                    _ => Stage::Ready(()),
                },
            })
        })
        .await?;
        if want.enable_key_rotation == Some(true) {
            rotate(kms, cx, id, want.rotation_period_in_days).await?;
        }
        // Last, since a disabled key takes few changes.
        if want.enabled == Some(false) {
            enable(kms, cx, id, false).await?;
        }
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &KeyResolved,
        change: &KeyChange,
    ) -> Result<Option<KeyOutputs>, CloudError> {
        let kms = &aws.kms(cx).await?;
        if change.enable_key_rotation.is_some() || change.rotation_period_in_days.is_some() {
            // Before anything is changed. A key that someone else has rotated is not to stop for a period alone.
            check_period(want)?;
        }
        let enabled = change.enabled.as_ref().and_then(|c| c.after);
        if enabled == Some(true) {
            enable(kms, cx, id, true).await?;
        }
        if change.enable_key_rotation.is_some() || change.rotation_period_in_days.is_some() {
            if want.enable_key_rotation == Some(true) {
                rotate(kms, cx, id, want.rotation_period_in_days).await?;
            } else {
                let request = kms.disable_key_rotation().key_id(id);
                once(kms, cx, id, || kms.write_idempotent("DisableKeyRotation", || request.clone().send())).await?;
            }
        }
        if let Some(description) = &change.description {
            let text = description.after.clone().unwrap_or_default();
            let request = kms.update_key_description().key_id(id).description(text);
            once(kms, cx, id, || kms.write_idempotent("UpdateKeyDescription", || request.clone().send())).await?;
        }
        if let Some(document) = change.policy.as_ref().and_then(|c| c.after.as_ref()) {
            let request = kms
                .put_key_policy()
                .key_id(id)
                .policy_name(POLICY)
                .policy(policy::text(document))
                .set_bypass_policy_lockout_safety_check(want.bypass_policy_lockout_safety_check);
            let send = || kms.write_idempotent("PutKeyPolicy", || request.clone().send());
            wait::eventually(cx, UNTIL_PRINCIPAL_KNOWN, unknown_principal, send).await?;
        }
        if let Some(change) = &change.tags {
            let delta = TagDelta::of(change);
            // Those that go make room: a key has fifty at most.
            if !delta.remove.is_empty() {
                let request = kms.untag_resource().key_id(id).set_tag_keys(Some(delta.remove.into_iter().collect()));
                once(kms, cx, id, || kms.write_idempotent("UntagResource", || request.clone().send())).await?;
            }
            if !delta.set.is_empty() {
                let request = kms.tag_resource().key_id(id).set_tags(Some(to_tags(&delta.set)?));
                once(kms, cx, id, || kms.write_idempotent("TagResource", || request.clone().send())).await?;
            }
        }
        if enabled == Some(false) {
            enable(kms, cx, id, false).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, was: Option<&KeyResolved>) -> Result<(), CloudError> {
        let kms = &aws.kms(cx).await?;
        let window = was.and_then(|was| was.pending_window_in_days);
        let request = kms.schedule_key_deletion().key_id(id).set_pending_window_in_days(window);
        match kms.write_idempotent("ScheduleKeyDeletion", || request.clone().send()).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            // Scheduled already?
            Err(error) => match describe(kms, id).await {
                Ok(there) if there.as_ref().is_none_or(is_over) => Ok(()),
                _ => Err(error),
            },
        }
    }

    async fn find(aws: &Aws, cx: &Cx, _: &KeyResolved, intent: &IntentId) -> Result<Option<Created<Self>>, CloudError> {
        let kms = &aws.kms(cx).await?;
        let mut ids = match marked(aws, cx, intent).await {
            Ok(ids) => ids,
            Err(error) => {
                tracing::debug!(%error, "the key is looked for among all");
                Vec::new()
            }
        };
        // The tagging API lags behind.
        if ids.is_empty() {
            ids = marked_among_all(kms, intent).await?;
        }
        for id in ids {
            if let Some(key) = describe(kms, &id).await?.filter(|key| !is_over(key)) {
                return Ok(outputs(&key).map(created));
            }
        }
        Ok(None)
    }
}

/// KMS takes a period only of a key that it is to rotate.
fn check_period(want: &KeyResolved) -> Result<(), CloudError> {
    if want.rotation_period_in_days.is_some() && want.enable_key_rotation != Some(true) {
        let message = "a key has no rotation_period_in_days without enable_key_rotation";
        return Err(CloudError::local(ErrorKind::Invalid, message));
    }
    Ok(())
}

/// Every key is waited for, and some are set up further.
fn created(outputs: KeyOutputs) -> Created<Key> {
    Created { id: outputs.id.to_string(), outputs, complete: false }
}

fn outputs(key: &KeyMetadata) -> Option<KeyOutputs> {
    Some(KeyOutputs { id: KeyId::new(key.key_id()), arn: Arn::new(key.arn()?) })
}

/// Whether a key is gone as far as a program is concerned.
fn is_over(key: &KeyMetadata) -> bool {
    matches!(key.key_state(), Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion))
}

/// A role that the policy names is not known yet, or does not exist.
fn unknown_principal(error: &CloudError) -> bool {
    super::passing(error)
        || (error.code.as_deref() == Some("MalformedPolicyDocumentException") && error.message.contains("principal"))
}

/// A change to a key that exists. If it fails because of the key's state, that is said.
async fn once<T, F, Fut>(kms: &Kms, cx: &Cx, id: &str, call: F) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    match super::once_known(cx, call).await {
        Err(error) if error.hint.is_none() && is_about_state(&error) => {
            let state = describe(kms, id).await?.and_then(|key| Some(key.key_state()?.as_str().to_owned()));
            Err(error.hint(format!("the key's state is {}", state.as_deref().unwrap_or("not known"))))
        }
        answer => answer,
    }
}

fn is_about_state(error: &CloudError) -> bool {
    matches!(error.code.as_deref(), Some("DisabledException" | "KMSInvalidStateException"))
}

async fn enable(kms: &Kms, cx: &Cx, id: &str, on: bool) -> Result<(), CloudError> {
    if on {
        let request = kms.enable_key().key_id(id);
        once(kms, cx, id, || kms.write_idempotent("EnableKey", || request.clone().send())).await.map(drop)
    } else {
        let request = kms.disable_key().key_id(id);
        once(kms, cx, id, || kms.write_idempotent("DisableKey", || request.clone().send())).await.map(drop)
    }
}

async fn rotate(kms: &Kms, cx: &Cx, id: &str, period: Option<i32>) -> Result<(), CloudError> {
    let request = kms.enable_key_rotation().key_id(id).set_rotation_period_in_days(period);
    once(kms, cx, id, || kms.write_idempotent("EnableKeyRotation", || request.clone().send())).await.map(drop)
}

/// `None`: there is no such key.
async fn describe(kms: &Kms, id: &str) -> Result<Option<KeyMetadata>, CloudError> {
    let request = kms.describe_key().key_id(id);
    match kms.read("DescribeKey", || request.clone().send()).await {
        Ok(answer) => match answer.key_metadata {
            Some(key) => Ok(Some(key)),
            None => Err(kms.unexpected("DescribeKey", "the answer describes no key")),
        },
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Everything about one key but its tags.
async fn look(kms: &Kms, target: &Target<'_>) -> Result<Option<(KeyResolved, KeyOutputs)>, CloudError> {
    let Some(key) = describe(kms, target.id).await?.filter(|key| !is_over(key)) else { return Ok(None) };
    let outputs =
        outputs(&key).ok_or_else(|| kms.unexpected("DescribeKey", "the answer holds a key without an ARN"))?;
    let policy = async { if target.wants("policy") { key_policy(kms, target.id).await } else { Ok(None) } };
    let wants_rotation = target.wants("enable_key_rotation") || target.wants("rotation_period_in_days");
    let rotation = async { if wants_rotation { rotation(kms, target.id).await } else { Ok((None, None)) } };
    let (policy, (enable_key_rotation, rotation_period_in_days)) = match futures::try_join!(policy, rotation) {
        // It went away between two calls.
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        both => both?,
    };
    let fields = KeyResolved {
        description: key.description.clone().filter(|text| !text.is_empty()),
        policy,
        bypass_policy_lockout_safety_check: None,
        key_usage: key.key_usage().map(|u| u.as_str().to_owned()),
        key_spec: key.key_spec().map(|s| s.as_str().to_owned()),
        origin: key.origin().map(|o| o.as_str().to_owned()),
        custom_key_store_id: key.custom_key_store_id.clone(),
        xks_key_id: key.xks_key_configuration().and_then(|x| x.id.clone()),
        multi_region: Some(key.multi_region().unwrap_or(false)),
        enabled: Some(key.enabled()),
        enable_key_rotation,
        rotation_period_in_days,
        pending_window_in_days: None,
        tags: TagMap::new(),
    };
    Ok(Some((fields, outputs)))
}

async fn key_policy(kms: &Kms, id: &str) -> Result<Option<Json>, CloudError> {
    let request = kms.get_key_policy().key_id(id).policy_name(POLICY);
    let answer = kms.read("GetKeyPolicy", || request.clone().send()).await?;
    Ok(answer.policy().map(policy::parse))
}

async fn rotation(kms: &Kms, id: &str) -> Result<(Option<bool>, Option<i32>), CloudError> {
    let request = kms.get_key_rotation_status().key_id(id);
    match kms.read("GetKeyRotationStatus", || request.clone().send()).await {
        Ok(status) if status.key_rotation_enabled => Ok((Some(true), status.rotation_period_in_days)),
        Ok(_) => Ok((Some(false), None)),
        // Said of keys that cannot be rotated at all.
        Err(error) if error.code.as_deref() == Some(super::NOT_FOR_THIS_KEY) => Ok((None, None)),
        Err(error) => Err(error),
    }
}

async fn list_tags(kms: &Kms, id: &str) -> Result<TagMap, CloudError> {
    let tags = batch::pages(|marker| async move {
        let request = kms.list_resource_tags().key_id(id).set_marker(marker);
        let answer = kms.read("ListResourceTags", || request.clone().send()).await?;
        Ok((answer.tags.unwrap_or_default(), answer.next_marker.filter(|_| answer.truncated)))
    });
    Ok(tags.await?.into_iter().map(|tag| (tag.tag_key, tag.tag_value)).collect())
}

/// The ids of the keys that bear an intent's mark, as the tagging API knows them.
async fn marked(aws: &Aws, cx: &Cx, intent: &IntentId) -> Result<Vec<String>, CloudError> {
    let tagging = &aws.tagging(cx).await?;
    let filter = &TagFilter::builder().key(INTENT_TAG).values(intent.as_str()).build();
    let found = batch::pages(|token| async move {
        let request = tagging
            .get_resources()
            .tag_filters(filter.clone())
            .resource_type_filters("kms:key")
            .set_pagination_token(token);
        let answer = tagging.read("GetResources", || request.clone().send()).await?;
        Ok((answer.resource_tag_mapping_list.unwrap_or_default(), answer.pagination_token))
    });
    let ids = found.await?.into_iter().filter_map(|resource| {
        let ours = resource.tags().iter().any(|tag| tag.key() == INTENT_TAG && tag.value() == intent.as_str());
        let (_, id) = resource.resource_arn().filter(|_| ours)?.split_once(":key/")?;
        Some(id.to_owned())
    });
    Ok(ids.collect())
}

/// The same, of KMS itself: a call for each key there is. Only after a creation whose outcome is not known.
async fn marked_among_all(kms: &Kms, intent: &IntentId) -> Result<Vec<String>, CloudError> {
    let keys = batch::pages(|marker| async move {
        let request = kms.list_keys().limit(PAGE).set_marker(marker);
        let answer = kms.read("ListKeys", || request.clone().send()).await?;
        let ids = answer.keys.unwrap_or_default().into_iter().filter_map(|key| key.key_id);
        Ok((ids.collect::<Vec<_>>(), answer.next_marker.filter(|_| answer.truncated)))
    });
    let marked = batch::each(keys.await?, |id| async move {
        match list_tags(kms, &id).await {
            Ok(tags) => Ok(tags.get(INTENT_TAG).is_some_and(|mark| mark == intent.as_str()).then_some(id)),
            // AWS's own keys do not tell, nor do others' whose policies say so. Whoever made this one may also tag it.
            Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::Invalid) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    });
    Ok(marked.await?.into_iter().flatten().collect())
}

fn to_tags(tags: &TagMap) -> Result<Vec<Tag>, CloudError> {
    let tag = |(key, value): (&String, &String)| Tag::builder().tag_key(key).tag_value(value).build();
    let tags: Result<_, BuildError> = tags.iter().map(tag).collect();
    tags.map_err(|e| CloudError::local(ErrorKind::Invalid, e.to_string()))
}
