//! The settings of a bucket that have calls of their own: as blocks of fields, and to and from the SDK's structures.

use std::collections::BTreeMap;
use std::future::Future;

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::types::{
    BlockedEncryptionTypes, BucketVersioningStatus, DefaultRetention, EncryptionType, EventHoldDuration,
    ObjectLockConfiguration as Lock, ObjectLockEnabled, ObjectLockRetentionMode, ObjectLockRule, ObjectOwnership,
    OwnershipControls, OwnershipControlsRule, PublicAccessBlockConfiguration as PublicAccessBlock,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration as Encryption,
    ServerSideEncryptionRule, Tag, Tagging, VersioningConfiguration as Versioning,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use phx_model::error::ErrorKind;
use phx_model::{Block, CloudError, Input};

use super::S3;
use crate::arn::Arn;

/// Whether a bucket keeps an object's earlier versions.
#[derive(Clone, Debug, Block)]
pub struct VersioningConfiguration {
    /// `Enabled` or `Suspended`.
    pub status: Input<String>,
}

impl VersioningConfiguration {
    /// Earlier versions are kept.
    #[must_use]
    pub fn enabled() -> Self {
        Self::new("Enabled")
    }
}

/// How new objects are encrypted whose upload says nothing of it.
#[derive(Clone, Debug, Block)]
pub struct ServerSideEncryptionConfiguration {
    /// `AES256`, `aws:kms` or `aws:kms:dsse`.
    pub sse_algorithm: Input<String>,
    /// The KMS key; unset, with `aws:kms`, the one that AWS manages for S3.
    pub kms_master_key_id: Option<Input<Arn>>,
    /// Whether one key for the bucket stands between it and KMS, which makes for fewer calls to KMS.
    #[field(cloud_default)]
    pub bucket_key_enabled: Option<Input<bool>>,
    /// Kinds of encryption that uploads must not use: `SSE-C`, or `NONE` for no such restriction.
    #[field(set, cloud_default)]
    pub blocked_encryption_types: Option<Input<Vec<String>>>,
}

impl ServerSideEncryptionConfiguration {
    /// Encrypted with keys that S3 manages.
    #[must_use]
    pub fn aes256() -> Self {
        Self::new("AES256")
    }

    /// Encrypted with a KMS key, by way of a key for the bucket.
    #[must_use]
    pub fn kms(key: impl Into<Input<Arn>>) -> Self {
        Self::new("aws:kms").kms_master_key_id(key).bucket_key_enabled(true)
    }
}

/// What protects a bucket from being made public. S3 sets all four for a new bucket.
#[derive(Clone, Debug, Block)]
pub struct PublicAccessBlockConfiguration {
    /// Refuses new public ACLs.
    #[field(cloud_default)]
    pub block_public_acls: Option<Input<bool>>,
    /// Takes no notice of public ACLs.
    #[field(cloud_default)]
    pub ignore_public_acls: Option<Input<bool>>,
    /// Refuses a public bucket policy.
    #[field(cloud_default)]
    pub block_public_policy: Option<Input<bool>>,
    /// Lets only the account itself and AWS's services use a bucket with a public policy.
    #[field(cloud_default)]
    pub restrict_public_buckets: Option<Input<bool>>,
}

impl PublicAccessBlockConfiguration {
    /// All of it.
    #[must_use]
    pub fn all() -> Self {
        Self::new()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
    }
}

/// How long new objects are kept from deletion unless their upload says otherwise. Setting it turns the locking of objects on, which the
/// bucket's versioning must precede, and which is never turned off.
#[derive(Clone, Debug, Block)]
pub struct ObjectLockConfiguration {
    /// `GOVERNANCE` (who is allowed to may delete them all the same) or `COMPLIANCE` (nobody may).
    pub mode: Option<Input<String>>,
    /// For so many days. Either this or `years` is set where `mode` is.
    pub days: Option<Input<i32>>,
    /// For so many years.
    pub years: Option<Input<i32>>,
    /// For how many days an event hold keeps new objects.
    pub default_event_hold_days: Option<Input<i32>>,
    /// For how many years an event hold keeps new objects.
    pub default_event_hold_years: Option<Input<i32>>,
}

/// The answer, or `None` if it is one of the codes with which S3 says that a bucket has no such setting.
pub(super) async fn unless<T>(
    absent: &[&str],
    answer: impl Future<Output = Result<T, CloudError>>,
) -> Result<Option<T>, CloudError> {
    match answer.await {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.code.as_deref().is_some_and(|code| absent.contains(&code)) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn invalid(error: impl std::fmt::Display) -> CloudError {
    CloudError::local(ErrorKind::Invalid, error.to_string())
}

pub(super) async fn get_versioning(
    s3: &S3,
    bucket: &str,
) -> Result<Option<VersioningConfigurationResolved>, CloudError> {
    let status = s3
        .read("GetBucketVersioning", || async {
            match s3.get_bucket_versioning().bucket(bucket).send().await {
                Ok(answer) => Ok(answer.status.map(|status| status.as_str().to_owned())),
                Err(SdkError::ServiceError(e)) => {
                    versioning_by_operation(e.raw()).ok_or_else(|| SdkError::ServiceError(e))
                }
                Err(e) => Err(e),
            }
        })
        .await?;
    // A bucket that never had it says nothing.
    Ok(status.map(|status| VersioningConfigurationResolved { status }))
}

/// Whether an answer's root has the name that stand-ins for S3 give it.
pub(super) fn is_named_by_operation(answer: &HttpResponse, operation: &str) -> bool {
    let text = answer.body().bytes().and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
    answer.status().is_success() && text.contains(&format!("<{operation}Response"))
}

/// Services that stand in for S3 name the root of this answer after the operation; the SDK takes only `VersioningConfiguration`, which is
/// what S3 says (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html>). `None`: it is another answer.
fn versioning_by_operation(answer: &HttpResponse) -> Option<Option<String>> {
    if !is_named_by_operation(answer, "GetBucketVersioning") {
        return None;
    }
    let text = std::str::from_utf8(answer.body().bytes()?).ok()?;
    let status = text.split_once("<Status>").and_then(|(_, rest)| rest.split_once("</Status>"));
    Some(status.map(|(status, _)| status.to_owned()))
}

pub(super) async fn put_versioning(s3: &S3, bucket: &str, status: &str) -> Result<(), CloudError> {
    let versioning = Versioning::builder().status(BucketVersioningStatus::from(status)).build();
    let request = s3.put_bucket_versioning().bucket(bucket).versioning_configuration(versioning);
    s3.write_idempotent("PutBucketVersioning", || request.clone().send()).await?;
    Ok(())
}

pub(super) async fn get_encryption(
    s3: &S3,
    bucket: &str,
) -> Result<Option<ServerSideEncryptionConfigurationResolved>, CloudError> {
    let read = s3.read("GetBucketEncryption", || s3.get_bucket_encryption().bucket(bucket).send());
    let answer = unless(&["ServerSideEncryptionConfigurationNotFoundError"], read).await?;
    Ok(answer.and_then(|a| a.server_side_encryption_configuration).as_ref().and_then(from_encryption))
}

pub(super) async fn put_encryption(
    s3: &S3,
    bucket: &str,
    want: &ServerSideEncryptionConfigurationResolved,
) -> Result<(), CloudError> {
    let encryption = to_encryption(want)?;
    let request = s3.put_bucket_encryption().bucket(bucket).server_side_encryption_configuration(encryption);
    s3.write_idempotent("PutBucketEncryption", || request.clone().send()).await?;
    Ok(())
}

/// Sets what is wished of a bucket that has been encrypted before; parts that are not stay as they are, and what is not sent would not.
pub(super) async fn change_encryption(
    s3: &S3,
    bucket: &str,
    want: &ServerSideEncryptionConfigurationResolved,
) -> Result<(), CloudError> {
    let mut want = want.clone();
    if (want.bucket_key_enabled.is_none() || want.blocked_encryption_types.is_none())
        && let Some(there) = get_encryption(s3, bucket).await?
    {
        let blocked = there.blocked_encryption_types.filter(|kinds| !kinds.is_empty());
        want.blocked_encryption_types = want.blocked_encryption_types.or(blocked);
        // Not every way to encrypt takes a key for the bucket.
        if want.sse_algorithm == there.sse_algorithm {
            want.bucket_key_enabled = want.bucket_key_enabled.or(there.bucket_key_enabled);
        }
    }
    put_encryption(s3, bucket, &want).await
}

pub(super) async fn get_public_access_block(
    s3: &S3,
    bucket: &str,
) -> Result<Option<PublicAccessBlockConfigurationResolved>, CloudError> {
    let read = s3.read("GetPublicAccessBlock", || s3.get_public_access_block().bucket(bucket).send());
    let answer = unless(&["NoSuchPublicAccessBlockConfiguration"], read).await?;
    Ok(answer.and_then(|a| a.public_access_block_configuration).as_ref().map(from_block))
}

/// Sets what is wished; parts that are not stay as they are.
pub(super) async fn put_public_access_block(
    s3: &S3,
    bucket: &str,
    want: &PublicAccessBlockConfigurationResolved,
) -> Result<(), CloudError> {
    let now = if is_whole(want) { None } else { get_public_access_block(s3, bucket).await? };
    let block = to_block(want, now.as_ref());
    let request = s3.put_public_access_block().bucket(bucket).public_access_block_configuration(block);
    s3.write_idempotent("PutPublicAccessBlock", || request.clone().send()).await?;
    Ok(())
}

pub(super) async fn get_ownership(s3: &S3, bucket: &str) -> Result<Option<String>, CloudError> {
    let send = || s3.get_bucket_ownership_controls().bucket(bucket).send();
    let read = s3.read("GetBucketOwnershipControls", send);
    let answer = unless(&["OwnershipControlsNotFoundError"], read).await?;
    let rule = answer.and_then(|a| a.ownership_controls).and_then(|c| c.rules.into_iter().next());
    Ok(rule.map(|rule| rule.object_ownership.as_str().to_owned()))
}

pub(super) async fn put_ownership(s3: &S3, bucket: &str, ownership: &str) -> Result<(), CloudError> {
    let rule = OwnershipControlsRule::builder().object_ownership(ObjectOwnership::from(ownership));
    let controls = OwnershipControls::builder().rules(rule.build().map_err(invalid)?).build().map_err(invalid)?;
    let request = s3.put_bucket_ownership_controls().bucket(bucket).ownership_controls(controls);
    match s3.write_idempotent("PutBucketOwnershipControls", || request.clone().send()).await {
        Err(error) if error.code.as_deref() == Some("InvalidBucketAclWithObjectOwnership") => {
            Err(error.hint("the bucket's ACL lets others in: set acl to private together with object_ownership"))
        }
        answer => answer.map(drop),
    }
}

/// Whether objects can be locked, and for how long they are if nothing else is said.
pub(super) async fn get_object_lock(
    s3: &S3,
    bucket: &str,
) -> Result<(bool, Option<ObjectLockConfigurationResolved>), CloudError> {
    let send = || s3.get_object_lock_configuration().bucket(bucket).send();
    let read = s3.read("GetObjectLockConfiguration", send);
    let answer = unless(&["ObjectLockConfigurationNotFoundError"], read).await?;
    let configuration = answer.and_then(|a| a.object_lock_configuration);
    let enabled = configuration.as_ref().and_then(|c| c.object_lock_enabled()).is_some_and(|e| e.as_str() == "Enabled");
    let retention = configuration.as_ref().and_then(|c| c.rule()).and_then(|rule| rule.default_retention());
    Ok((enabled, retention.map(from_retention)))
}

/// Sets the retention of new objects, or takes it away. What is locked stays locked.
pub(super) async fn put_object_lock(
    s3: &S3,
    bucket: &str,
    want: Option<&ObjectLockConfigurationResolved>,
) -> Result<(), CloudError> {
    let rule = want.map(|want| ObjectLockRule::builder().default_retention(to_retention(want)).build());
    let configuration = Lock::builder().object_lock_enabled(ObjectLockEnabled::Enabled).set_rule(rule).build();
    let request = s3.put_object_lock_configuration().bucket(bucket).object_lock_configuration(configuration);
    s3.write_idempotent("PutObjectLockConfiguration", || request.clone().send()).await?;
    Ok(())
}

fn to_retention(want: &ObjectLockConfigurationResolved) -> DefaultRetention {
    let (days, years) = (want.default_event_hold_days, want.default_event_hold_years);
    let hold = (days.is_some() || years.is_some())
        .then(|| EventHoldDuration::builder().set_days(days).set_years(years).build());
    DefaultRetention::builder()
        .set_mode(want.mode.as_deref().map(ObjectLockRetentionMode::from))
        .set_days(want.days)
        .set_years(want.years)
        .set_default_event_hold(hold)
        .build()
}

fn from_retention(retention: &DefaultRetention) -> ObjectLockConfigurationResolved {
    let hold = retention.default_event_hold();
    ObjectLockConfigurationResolved {
        mode: retention.mode().map(|mode| mode.as_str().to_owned()),
        days: retention.days().filter(|days| *days > 0),
        years: retention.years().filter(|years| *years > 0),
        default_event_hold_days: hold.and_then(|h| h.days()),
        default_event_hold_years: hold.and_then(|h| h.years()),
    }
}

pub(super) async fn get_tags(s3: &S3, bucket: &str) -> Result<BTreeMap<String, String>, CloudError> {
    let read = s3.read("GetBucketTagging", || s3.get_bucket_tagging().bucket(bucket).send());
    let answer = unless(&["NoSuchTagSet"], read).await?;
    let tags = answer.map(|a| a.tag_set).unwrap_or_default();
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

/// Sets all tags. AWS's own, which CloudFormation gives to buckets, must be among them just as they are: S3 refuses to take them away.
pub(super) async fn put_tags(s3: &S3, bucket: &str, tags: &BTreeMap<String, String>) -> Result<(), CloudError> {
    if tags.is_empty() {
        let send = || s3.delete_bucket_tagging().bucket(bucket).send();
        s3.write_idempotent("DeleteBucketTagging", send).await?;
        return Ok(());
    }
    let tagging = Tagging::builder().set_tag_set(Some(to_tags(tags)?)).build().map_err(invalid)?;
    let request = s3.put_bucket_tagging().bucket(bucket).tagging(tagging);
    s3.write_idempotent("PutBucketTagging", || request.clone().send()).await?;
    Ok(())
}

pub(super) fn to_tags<'a>(tags: impl IntoIterator<Item = (&'a String, &'a String)>) -> Result<Vec<Tag>, CloudError> {
    tags.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build().map_err(invalid)).collect()
}

fn to_encryption(want: &ServerSideEncryptionConfigurationResolved) -> Result<Encryption, CloudError> {
    let by_default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(ServerSideEncryption::from(want.sse_algorithm.as_str()))
        .set_kms_master_key_id(want.kms_master_key_id.as_ref().map(Arn::to_string))
        .build()
        .map_err(invalid)?;
    let blocked = want.blocked_encryption_types.as_ref().map(|kinds| {
        let kinds = kinds.iter().map(|kind| EncryptionType::from(kind.as_str())).collect();
        BlockedEncryptionTypes::builder().set_encryption_type(Some(kinds)).build()
    });
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(by_default)
        .set_bucket_key_enabled(want.bucket_key_enabled)
        .set_blocked_encryption_types(blocked)
        .build();
    Encryption::builder().rules(rule).build().map_err(invalid)
}

/// A bucket's encryption has one rule, whatever the API's form allows.
fn from_encryption(encryption: &Encryption) -> Option<ServerSideEncryptionConfigurationResolved> {
    let rule = encryption.rules().first()?;
    let by_default = rule.apply_server_side_encryption_by_default()?;
    let blocked = rule.blocked_encryption_types();
    Some(ServerSideEncryptionConfigurationResolved {
        sse_algorithm: by_default.sse_algorithm().as_str().to_owned(),
        kms_master_key_id: by_default.kms_master_key_id().map(Arn::new),
        bucket_key_enabled: rule.bucket_key_enabled(),
        blocked_encryption_types: blocked
            .map(|b| b.encryption_type().iter().map(|kind| kind.as_str().to_owned()).collect()),
    })
}

fn is_whole(want: &PublicAccessBlockConfigurationResolved) -> bool {
    want.block_public_acls.is_some()
        && want.ignore_public_acls.is_some()
        && want.block_public_policy.is_some()
        && want.restrict_public_buckets.is_some()
}

/// What is not wished stays as it is. Of a bucket that blocks nothing, nothing more is blocked than is wished.
fn to_block(
    want: &PublicAccessBlockConfigurationResolved,
    now: Option<&PublicAccessBlockConfigurationResolved>,
) -> PublicAccessBlock {
    type Block = PublicAccessBlockConfigurationResolved;
    let part = |part: fn(&Block) -> Option<bool>| part(want).or_else(|| now.and_then(part)).unwrap_or(false);
    PublicAccessBlock::builder()
        .block_public_acls(part(|b| b.block_public_acls))
        .ignore_public_acls(part(|b| b.ignore_public_acls))
        .block_public_policy(part(|b| b.block_public_policy))
        .restrict_public_buckets(part(|b| b.restrict_public_buckets))
        .build()
}

fn from_block(block: &PublicAccessBlock) -> PublicAccessBlockConfigurationResolved {
    PublicAccessBlockConfigurationResolved {
        block_public_acls: Some(block.block_public_acls().unwrap_or(false)),
        ignore_public_acls: Some(block.ignore_public_acls().unwrap_or(false)),
        block_public_policy: Some(block.block_public_policy().unwrap_or(false)),
        restrict_public_buckets: Some(block.restrict_public_buckets().unwrap_or(false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encryption_comes_back_as_it_was_sent() {
        let plain = ServerSideEncryptionConfigurationResolved {
            sse_algorithm: "AES256".into(),
            kms_master_key_id: None,
            bucket_key_enabled: None,
            blocked_encryption_types: None,
        };
        let full = ServerSideEncryptionConfigurationResolved {
            sse_algorithm: "aws:kms".into(),
            kms_master_key_id: Some(Arn::new("arn:aws:kms:r:1:key/k")),
            bucket_key_enabled: Some(true),
            blocked_encryption_types: Some(vec!["SSE-C".into()]),
        };
        for want in [plain, full] {
            assert_eq!(from_encryption(&to_encryption(&want).unwrap()), Some(want));
        }
    }

    #[test]
    fn retention_comes_back_as_it_was_sent() {
        let want = ObjectLockConfigurationResolved {
            mode: Some("COMPLIANCE".into()),
            days: None,
            years: Some(2),
            default_event_hold_days: Some(5),
            default_event_hold_years: None,
        };
        assert_eq!(from_retention(&to_retention(&want)), want);
    }

    #[test]
    fn parts_of_the_block_that_are_not_wished_stay() {
        let want = PublicAccessBlockConfigurationResolved {
            block_public_acls: Some(false),
            ignore_public_acls: None,
            block_public_policy: Some(true),
            restrict_public_buckets: None,
        };
        let now = PublicAccessBlock::builder().block_public_acls(true).ignore_public_acls(true).build();
        let merged = from_block(&to_block(&want, Some(&from_block(&now))));
        assert_eq!(
            merged,
            PublicAccessBlockConfigurationResolved {
                block_public_acls: Some(false),
                ignore_public_acls: Some(true),
                block_public_policy: Some(true),
                restrict_public_buckets: Some(false),
            }
        );
        assert!(!is_whole(&want) && is_whole(&merged));
        assert_eq!(from_block(&to_block(&want, None)).ignore_public_acls, Some(false));
    }

    #[tokio::test]
    async fn only_the_code_for_absent_is_absent() {
        let error = |code: &str| CloudError { code: Some(code.into()), ..CloudError::local(ErrorKind::Other, "no") };
        let answer = |result: Result<i32, CloudError>| unless(&["NoSuchTagSet"], async { result });
        assert_eq!(answer(Ok(1)).await.unwrap(), Some(1));
        assert_eq!(answer(Err(error("NoSuchTagSet"))).await.unwrap(), None);
        assert_eq!(answer(Err(error("AccessDenied"))).await.unwrap_err(), error("AccessDenied"));
        assert_eq!(answer(Err(error("NoSuchBucket"))).await.unwrap_err(), error("NoSuchBucket"));
    }
}
