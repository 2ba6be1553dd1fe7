//! `aws:s3:Bucket`.
//!
//! # Whose a bucket is
//!
//! Bucket names are everyone's, and S3 says of a bucket of the caller's own that it is there without saying who made it (in us-east-1 it even
//! reports success for creating it again, and so it is looked for first). So a bucket is created with its tags in the one request, the
//! intent's among them, and only a bucket with that tag is taken for the intent's: there is no moment at which a bucket of phx's
//! exists without it. This needs `s3:TagResource`.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-create-tag.html>
//!
//! What stands in for S3 at an address of the user's may not heed the tags of CreateBucket, and may remember those of a deleted bucket of the
//! same name. There, and only there, an empty bucket without anyone's mark that was made after the run had begun is taken for the intent's; its
//! tags are set afterwards.
//!
//! # What reading costs
//!
//! S3 tells each setting by a call of its own, and none of many buckets at once. Only settings that the program sets are read, and any of
//! these calls says whether the bucket is there; it is asked for by itself only when no setting is.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use aws_sdk_s3::types::{BucketLocationConstraint, BucketNamespace, CreateBucketConfiguration, ObjectOwnership};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::{INTENT_TAG, IntentId};
use phx_model::typed::{FieldChange, Tags};
use phx_model::{CloudError, Input, Outputs, Resource};

use super::bucket_acl::{self as acl, Acl, grantees};
use super::bucket_cors::{self as cors, CorsConfiguration};
use super::bucket_events::{
    self as events, BucketLoggingStatus, NotificationConfiguration, NotificationConfigurationResolved,
};
use super::bucket_lifecycle::{self as lifecycle, LifecycleConfiguration};
use super::bucket_replication::{self as replication, ReplicationConfiguration};
use super::bucket_settings::{
    self as settings, ObjectLockConfiguration, PublicAccessBlockConfiguration, ServerSideEncryptionConfiguration,
    VersioningConfiguration, to_tags,
};
use super::emptying::{empty, is_empty};
use super::{BucketName, S3, is_aborted};
use crate::arn::{Arn, partition};
use crate::client::Aws;
use crate::forms::set;
use crate::manage::{Created, Found, Manage, Target};
use crate::tags::{TagDelta, with_intent};
use crate::{batch, owner, wait};

/// Where S3 creates buckets when no region is named, which is the only way to name this one.
const DEFAULT_REGION: &str = "us-east-1";
/// How long a new bucket's name may be unknown somewhere, and another change to the same bucket may take.
const UNTIL_KNOWN: Duration = Duration::from_secs(30);
/// How long after its deletion a bucket's name may be taken.
const UNTIL_FREE: Duration = Duration::from_secs(120);
/// The fields that are read by calls of their own.
const SETTINGS: &[&str] = &[
    "object_lock_enabled_for_bucket",
    "object_lock_configuration",
    "acl",
    "grant_full_control",
    "grant_read",
    "grant_read_acp",
    "grant_write",
    "grant_write_acp",
    "lifecycle_configuration",
    "transition_default_minimum_object_size",
    "bucket_logging_status",
    "cors_configuration",
    "replication_configuration",
    "notification_configuration",
    "object_ownership",
    "versioning_configuration",
    "server_side_encryption_configuration",
    "public_access_block_configuration",
    "tags",
];
/// The fields that say in single grants what `acl` says in a word.
const GRANTS: &[&str] = &["grant_full_control", "grant_read", "grant_read_acp", "grant_write", "grant_write_acp"];

/// A place for objects.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:s3:Bucket",
    terraform = "aws_s3_bucket",
    cloudformation = "AWS::S3::Bucket",
    identity = NaturalKey,
    unique(bucket)
)]
pub struct Bucket {
    /// The name, unique among everyone's buckets.
    #[field(replace)]
    pub bucket: Input<String>,
    /// Whether objects can be locked against deletion. This turns versioning on in a new bucket; one that is there needs it on before. It is never
    /// turned off.
    #[field(cloud_default)]
    pub object_lock_enabled_for_bucket: Option<Input<bool>>,
    /// Who owns objects that others upload: `BucketOwnerEnforced` (which it is unset; ACLs are off), `BucketOwnerPreferred` or
    /// `ObjectWriter`.
    #[field(cloud_default)]
    pub object_ownership: Option<Input<String>>,
    /// Which namespace the name belongs to: `global` (which it is unset), or `account-regional`, where nobody else can take it; then it must end in
    /// `-ACCOUNT-REGION-an`.
    #[field(replace, cloud_default)]
    pub bucket_namespace: Option<Input<String>>,
    /// Who may use the bucket, in a word: `private` (which it is unset), `public-read`, `public-read-write`, `authenticated-read` or
    /// `log-delivery-write`. It needs an `object_ownership` with which ACLs are on.
    #[field(cloud_default)]
    pub acl: Option<Input<String>>,
    /// Who may do everything with the bucket, in place of `acl`: `id="CANONICAL-USER-ID", uri="GROUP"`. With any of these fields, who is not
    /// named may do nothing, the owner not excepted.
    #[field(cloud_default, normalize = grantees)]
    pub grant_full_control: Option<Input<String>>,
    /// Who may list the bucket's objects, written as `grant_full_control`.
    #[field(cloud_default, normalize = grantees)]
    pub grant_read: Option<Input<String>>,
    /// Who may read the bucket's ACL, written as `grant_full_control`.
    #[field(cloud_default, normalize = grantees)]
    pub grant_read_acp: Option<Input<String>>,
    /// Who may put objects into the bucket, written as `grant_full_control`.
    #[field(cloud_default, normalize = grantees)]
    pub grant_write: Option<Input<String>>,
    /// Who may change the bucket's ACL, written as `grant_full_control`.
    #[field(cloud_default, normalize = grantees)]
    pub grant_write_acp: Option<Input<String>>,
    /// Whether earlier versions are kept. Once they are, it can be suspended and not taken back.
    pub versioning_configuration: Option<Input<VersioningConfiguration>>,
    /// How new objects are encrypted. Unset, with keys that S3 manages.
    #[field(cloud_default)]
    pub server_side_encryption_configuration: Option<Input<ServerSideEncryptionConfiguration>>,
    /// What protects the bucket from being made public. Unset, everything.
    #[field(cloud_default)]
    pub public_access_block_configuration: Option<Input<PublicAccessBlockConfiguration>>,
    /// How long new objects are kept from deletion.
    pub object_lock_configuration: Option<Input<ObjectLockConfiguration>>,
    /// What becomes of objects as they grow older.
    pub lifecycle_configuration: Option<Input<LifecycleConfiguration>>,
    /// How large objects must be to be moved to another storage class: `all_storage_classes_128K` (which it is unset) or
    /// `varies_by_storage_class`. It says something only beside a `lifecycle_configuration`.
    #[field(cloud_default)]
    pub transition_default_minimum_object_size: Option<Input<String>>,
    /// Where records of access go. Unset, there are none.
    pub bucket_logging_status: Option<Input<BucketLoggingStatus>>,
    /// Which pages of other origins may use the bucket. Unset, none.
    pub cors_configuration: Option<Input<CorsConfiguration>>,
    /// What is copied to other buckets. Unset, nothing.
    pub replication_configuration: Option<Input<ReplicationConfiguration>>,
    /// Who is told of what happens to objects. Unset, nobody.
    pub notification_configuration: Option<Input<NotificationConfiguration>>,
    /// Whether S3 sends no test message to the queues, topics and functions of `notification_configuration` when that is set.
    #[field(write_only)]
    pub skip_destination_validation: Option<Input<bool>>,
    /// Whether deleting the bucket deletes what is in it, all versions included. phx's own: S3 does not know it. Unset or false, a bucket
    /// that is not empty cannot be deleted.
    #[field(write_only)]
    pub force_destroy: Option<Input<bool>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct BucketOutputs {
    /// The name, by which other types refer to the bucket.
    pub bucket: BucketName,
    /// The ARN.
    pub arn: Arn,
    /// The region that it lies in.
    pub region: String,
    /// Where it is found over HTTPS: `logs.s3.us-west-2.amazonaws.com`.
    pub bucket_regional_domain_name: String,
}

impl Manage for Bucket {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let s3 = &aws.s3(cx).await?;
        let region = &aws.region(&cx.provider).await?;
        batch::each(targets, |target| async {
            Ok(match observe(s3, region, target).await {
                Ok(fields) => Found::present(fields, outputs(target.id, region)),
                Err(error) if error.kind == ErrorKind::NotFound => Found::Gone,
                Err(error) => Found::Failed(explained(error, region)),
            })
        })
        .await
    }

    async fn create(aws: &Aws, cx: &Cx, want: &BucketResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let s3 = &aws.s3(cx).await?;
        let region = aws.region(&cx.provider).await?;
        if region == DEFAULT_REGION
            && let Some(made) = Self::find(aws, cx, want, intent).await?
        {
            return Ok(made);
        }
        let location = (region != DEFAULT_REGION).then(|| BucketLocationConstraint::from(region.as_str()));
        let configuration = CreateBucketConfiguration::builder()
            .set_location_constraint(location)
            .set_tags(Some(to_tags(&with_intent(&want.tags, intent))?))
            .build();
        let request = s3
            .create_bucket()
            .bucket(&want.bucket)
            .create_bucket_configuration(configuration)
            .set_object_lock_enabled_for_bucket(want.object_lock_enabled_for_bucket)
            .set_bucket_namespace(want.bucket_namespace.as_deref().map(BucketNamespace::from))
            .set_object_ownership(want.object_ownership.as_deref().map(ObjectOwnership::from));
        let send = || s3.write("CreateBucket", || request.clone().send());
        match wait::eventually(cx, UNTIL_FREE, is_aborted, send).await {
            Ok(_) => {
                s3.note_made("bucket", &want.bucket);
                Ok(created(want, &region))
            }
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                Self::find(aws, cx, want, intent).await?.ok_or(taken)
            }
            Err(denied) if denied.kind == ErrorKind::Denied && denied.hint.is_none() => {
                Err(denied.hint("creating a bucket with its tags needs s3:CreateBucket and s3:TagResource"))
            }
            Err(error) => Err(error),
        }
    }

    async fn finish(aws: &Aws, cx: &Cx, id: &str, want: &BucketResolved) -> Result<Option<BucketOutputs>, CloudError> {
        let s3 = &aws.s3(cx).await?;
        if !want.tags.is_empty() {
            once_known(cx, || set_missing_tags(s3, id, &want.tags)).await?;
        }
        // What S3 protects a new bucket with refuses public ACLs, and copying and locking need versions: hence the order. One setting at a time,
        // since S3 refuses two changes to one bucket at once.
        if let Some(block) = &want.public_access_block_configuration {
            once_known(cx, || settings::put_public_access_block(s3, id, block)).await?;
        }
        if let Some(acl) = &Acl::to_set(want) {
            once_known(cx, || acl::put(s3, id, acl)).await?;
        }
        if let Some(versioning) = &want.versioning_configuration {
            once_known(cx, || settings::put_versioning(s3, id, &versioning.status)).await?;
        }
        if let Some(encryption) = &want.server_side_encryption_configuration {
            once_known(cx, || settings::put_encryption(s3, id, encryption)).await?;
        }
        if let Some(lock) = &want.object_lock_configuration {
            once_versioned(cx, || settings::put_object_lock(s3, id, Some(lock))).await?;
        }
        if let Some(rules) = &want.lifecycle_configuration {
            let smallest = want.transition_default_minimum_object_size.as_deref();
            once_known(cx, || lifecycle::put(s3, id, Some(rules), smallest)).await?;
        }
        if let Some(logging) = &want.bucket_logging_status {
            once_known(cx, || events::put_logging(s3, id, Some(logging))).await?;
        }
        if let Some(rules) = &want.cors_configuration {
            once_known(cx, || cors::put(s3, id, Some(rules))).await?;
        }
        if let Some(rules) = &want.replication_configuration {
            once_versioned(cx, || replication::put(s3, id, Some(rules))).await?;
        }
        if let Some(told) = &want.notification_configuration {
            put_notification(s3, cx, id, Some(told), want.skip_destination_validation).await?;
        }
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &BucketResolved,
        change: &BucketChange,
    ) -> Result<Option<BucketOutputs>, CloudError> {
        let s3 = &aws.s3(cx).await?;
        if set(change.object_lock_enabled_for_bucket.as_ref()) == Some(&false) {
            let message = format!("objects of the bucket {id} can be locked, which is never turned off");
            return Err(CloudError::local(ErrorKind::Invalid, message)
                .hint("leave object_lock_enabled_for_bucket out, or choose another name for a new bucket"));
        }
        // Nothing is to be done for force_destroy, and fields that S3 fills in are never taken away.
        let list = Acl::of(want).filter(|_| changes_acl(change));
        let ownership = set(change.object_ownership.as_ref());
        // Once ACLs are off they cannot be set any more, and they cannot be switched off while there is one that lets others in.
        let list_first = ownership.is_some_and(|ownership| ownership == "BucketOwnerEnforced");
        if let Some(acl) = list.as_ref().filter(|_| list_first) {
            once_free(cx, || acl::put(s3, id, acl)).await?;
        }
        if let Some(ownership) = ownership {
            once_free(cx, || settings::put_ownership(s3, id, ownership)).await?;
        }
        if let Some(block) = set(change.public_access_block_configuration.as_ref()) {
            once_free(cx, || settings::put_public_access_block(s3, id, block)).await?;
        }
        if let Some(acl) = list.as_ref().filter(|_| !list_first) {
            once_free(cx, || acl::put(s3, id, acl)).await?;
        }
        // Objects are no longer copied before versions are no longer kept.
        if let Some(FieldChange { after: None, .. }) = &change.replication_configuration {
            once_free(cx, || replication::put(s3, id, None)).await?;
        }
        if let Some(change) = &change.versioning_configuration {
            // It cannot be taken back.
            let status = change.after.as_ref().map_or("Suspended", |versioning| &versioning.status);
            once_free(cx, || settings::put_versioning(s3, id, status)).await?;
        }
        if let Some(encryption) = set(change.server_side_encryption_configuration.as_ref()) {
            once_free(cx, || settings::change_encryption(s3, id, encryption)).await?;
        }
        if change.object_lock_configuration.is_some() || change.object_lock_enabled_for_bucket.is_some() {
            let put = || settings::put_object_lock(s3, id, want.object_lock_configuration.as_ref());
            once_versioned(cx, put).await?;
        }
        let smallest = want.transition_default_minimum_object_size.as_deref();
        if let Some(change) = &change.lifecycle_configuration {
            once_free(cx, || lifecycle::change(s3, id, change.after.as_ref(), smallest)).await?;
        } else if change.transition_default_minimum_object_size.is_some() {
            once_free(cx, || lifecycle::put_smallest(s3, id, smallest)).await?;
        }
        if let Some(change) = &change.bucket_logging_status {
            once_free(cx, || events::put_logging(s3, id, change.after.as_ref())).await?;
        }
        if let Some(change) = &change.cors_configuration {
            once_free(cx, || cors::put(s3, id, change.after.as_ref())).await?;
        }
        if let Some(rules) = set(change.replication_configuration.as_ref()) {
            once_versioned(cx, || replication::put(s3, id, Some(rules))).await?;
        }
        if let Some(change) = &change.notification_configuration {
            put_notification(s3, cx, id, change.after.as_ref(), want.skip_destination_validation).await?;
        }
        if let Some(change) = &change.tags {
            let delta = &TagDelta::of(change);
            once_free(cx, || change_tags(s3, id, delta)).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, was: Option<&BucketResolved>) -> Result<(), CloudError> {
        let s3 = &aws.s3(cx).await?;
        let force = was.is_some_and(|was| was.force_destroy == Some(true));
        let delete = || s3.write_idempotent("DeleteBucket", || s3.delete_bucket().bucket(id).send());
        let mut done = once_free(cx, delete).await.map(drop);
        if force && done.as_ref().is_err_and(|e| e.kind == ErrorKind::InUse) {
            // Someone may still be adding to it.
            let not_empty = |e: &CloudError| e.kind == ErrorKind::InUse || is_aborted(e);
            done = wait::eventually(cx, UNTIL_FREE, not_empty, || async {
                empty(s3, cx, id).await?;
                delete().await.map(drop)
            })
            .await;
        }
        match done {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            Err(error) if error.kind == ErrorKind::InUse && !force => {
                Err(error.hint("empty it, or set force_destroy and run `phx up` before deleting it"))
            }
            done => done,
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &BucketResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let s3 = &aws.s3(cx).await?;
        let region = aws.region(&cx.provider).await?;
        let tags = match settings::get_tags(s3, &want.bucket).await {
            Ok(tags) => tags,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind == ErrorKind::Denied && error.hint.is_none() => {
                return Err(error.hint(format!(
                    "there is a bucket {}: it is someone else's, or s3:GetBucketTagging is not allowed",
                    want.bucket
                )));
            }
            Err(error) => return Err(explained(error, &region)),
        };
        let just_made = !tags.contains_key(INTENT_TAG)
            && aws.is_stand_in("S3").await?
            && made_since(s3, &want.bucket, intent).await?
            && is_empty(s3, &want.bucket).await?;
        if !just_made {
            owner::check(&format!("the bucket {}", want.bucket), &tags, intent)?;
        }
        Ok(Some(created(want, &region)))
    }
}

fn created(want: &BucketResolved, region: &str) -> Created<Bucket> {
    let complete = want.tags.is_empty()
        && Acl::to_set(want).is_none()
        && want.versioning_configuration.is_none()
        && want.server_side_encryption_configuration.is_none()
        && want.public_access_block_configuration.is_none()
        && want.object_lock_configuration.is_none()
        && want.lifecycle_configuration.is_none()
        && want.bucket_logging_status.is_none()
        && want.cors_configuration.is_none()
        && want.replication_configuration.is_none()
        && want.notification_configuration.is_none();
    Created { id: want.bucket.clone(), outputs: outputs(&want.bucket, region), complete }
}

fn outputs(bucket: &str, region: &str) -> BucketOutputs {
    BucketOutputs {
        bucket: BucketName::new(bucket),
        arn: Arn::new(format!("arn:{}:s3:::{bucket}", partition(region))),
        region: region.to_owned(),
        bucket_regional_domain_name: format!("{bucket}.s3.{region}.{}", domain(region)),
    }
}

/// Where the endpoints of a region lie.
fn domain(region: &str) -> &'static str {
    match partition(region) {
        "aws-cn" => "amazonaws.com.cn",
        "aws-iso" => "c2s.ic.gov",
        "aws-iso-b" => "sc2s.sgov.gov",
        "aws-iso-e" => "cloud.adc-e.uk",
        "aws-iso-f" => "csp.hci.ic.gov",
        "aws-eusc" => "amazonaws.eu",
        _ => "amazonaws.com",
    }
}

async fn once_free<T, F, Fut>(cx: &Cx, call: F) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    wait::eventually(cx, UNTIL_KNOWN, is_aborted, call).await
}

/// As [`once_free`], and also while a new bucket is not known everywhere.
async fn once_known<T, F, Fut>(cx: &Cx, call: F) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    wait::eventually(cx, UNTIL_KNOWN, |e| is_aborted(e) || e.kind == ErrorKind::NotFound, call).await
}

/// As [`once_known`], for what needs versions to be kept: that they are may have been said only a moment ago.
async fn once_versioned<T, F, Fut>(cx: &Cx, call: F) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    let passing = |e: &CloudError| is_aborted(e) || e.kind == ErrorKind::NotFound || is_unversioned(e);
    wait::eventually(cx, UNTIL_KNOWN, passing, call).await
}

/// The bucket keeps no versions, as far as S3 knows.
fn is_unversioned(error: &CloudError) -> bool {
    matches!(error.code.as_deref(), Some("InvalidRequest" | "InvalidBucketState"))
        && error.message.contains("Versioning must be 'Enabled' on the bucket")
}

/// S3's ways to say that a bucket lies elsewhere are hard to understand.
fn explained(error: CloudError, region: &str) -> CloudError {
    let elsewhere = matches!(error.code.as_deref(), Some("PermanentRedirect" | "AuthorizationHeaderMalformed"))
        || error.message.contains("status 301");
    if elsewhere {
        error.hint(format!("the bucket does not lie in {region}: give it the region it lies in"))
    } else {
        error
    }
}

async fn observe(s3: &S3, region: &str, target: &Target<'_>) -> Result<BucketResolved, CloudError> {
    let id = target.id;
    let adopted = target.inputs.is_empty();
    let wants = |field| target.wants(field);
    let set = |field: &str| target.inputs.get(field);
    let grants = GRANTS.iter().any(|field| set(field).is_some());
    let alone = adopted || !SETTINGS.iter().any(|field| wants(field));
    let locking = wants("object_lock_enabled_for_bucket") || wants("object_lock_configuration");
    let ageing = wants("lifecycle_configuration") || wants("transition_default_minimum_object_size");
    let copied = set("replication_configuration");
    let told = set("notification_configuration");
    let security = async {
        futures::try_join!(
            read(adopted, alone, home(s3, id)),
            read(adopted, locking, settings::get_object_lock(s3, id)),
            read(adopted, wants("object_ownership"), settings::get_ownership(s3, id)),
            read(adopted, wants("acl") || grants, acl::get(s3, id, grants)),
            read(adopted, wants("versioning_configuration"), settings::get_versioning(s3, id)),
            read(adopted, wants("server_side_encryption_configuration"), settings::get_encryption(s3, id)),
            read(adopted, wants("public_access_block_configuration"), settings::get_public_access_block(s3, id)),
        )
    };
    let management = async {
        futures::try_join!(
            read(adopted, ageing, lifecycle::get(s3, id, set("lifecycle_configuration"))),
            read(adopted, wants("bucket_logging_status"), events::get_logging(s3, id)),
            read(adopted, wants("cors_configuration"), cors::get(s3, id)),
            read(adopted, wants("replication_configuration"), replication::get(s3, id, copied)),
            read(adopted, wants("notification_configuration"), events::get_notification(s3, id, told)),
            read(adopted, wants("tags"), settings::get_tags(s3, id)),
        )
    };
    let ((home, lock, ownership, acl, versioning, encryption, block), management) =
        futures::try_join!(security, management)?;
    let (lifecycle, logging, cors, replication, notification, tags) = management;
    if let Some(home) = home.flatten().filter(|home| home != region) {
        return Err(CloudError::local(ErrorKind::Invalid, format!("the bucket {id} lies in {home}, not in {region}"))
            .hint("give it the region it lies in"));
    }
    let (locked, retention) = lock.unzip();
    let (acl, lifecycle) = (acl.unwrap_or_default(), lifecycle.unwrap_or_default());
    // Without rules it says nothing, and S3 does not keep it.
    let unruled = set("transition_default_minimum_object_size").filter(|_| lifecycle.configuration.is_none());
    let smallest = lifecycle.smallest.or_else(|| unruled?.as_str().map(str::to_owned));
    Ok(BucketResolved {
        bucket: id.to_owned(),
        object_lock_enabled_for_bucket: locked,
        object_ownership: ownership.flatten(),
        bucket_namespace: Some(namespace(id, region).to_owned()),
        acl: acl.acl,
        grant_full_control: acl.full_control,
        grant_read: acl.read,
        grant_read_acp: acl.read_acp,
        grant_write: acl.write,
        grant_write_acp: acl.write_acp,
        versioning_configuration: versioning.flatten(),
        server_side_encryption_configuration: encryption.flatten(),
        public_access_block_configuration: block.flatten(),
        object_lock_configuration: retention.flatten(),
        lifecycle_configuration: lifecycle.configuration,
        transition_default_minimum_object_size: smallest,
        bucket_logging_status: logging.flatten(),
        cors_configuration: cors.flatten(),
        replication_configuration: replication.flatten(),
        notification_configuration: notification.flatten(),
        skip_destination_validation: None,
        force_destroy: None,
        tags: tags.unwrap_or_default(),
    })
}

/// Names in an account's own namespace, and only those, end so.
fn namespace(bucket: &str, region: &str) -> &'static str {
    let account = bucket.strip_suffix(&format!("-{region}-an")).and_then(|rest| rest.rsplit_once('-'));
    match account {
        Some((_, account)) if account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) => "account-regional",
        _ => "global",
    }
}

fn changes_acl(change: &BucketChange) -> bool {
    change.acl.is_some()
        || change.grant_full_control.is_some()
        || change.grant_read.is_some()
        || change.grant_read_acp.is_some()
        || change.grant_write.is_some()
        || change.grant_write_acp.is_some()
}

async fn put_notification(
    s3: &S3,
    cx: &Cx,
    bucket: &str,
    want: Option<&NotificationConfigurationResolved>,
    skip: Option<bool>,
) -> Result<(), CloudError> {
    let passing = |e: &CloudError| is_aborted(e) || e.kind == ErrorKind::NotFound || events::is_unvalidated(e);
    let put = wait::eventually(cx, UNTIL_KNOWN, passing, || events::put_notification(s3, bucket, want, skip));
    put.await.map_err(|error| match events::is_unvalidated(&error) {
        true => {
            error.hint("allow s3.amazonaws.com to use the queue, topic or function, and make the bucket depend on that")
        }
        false => error,
    })
}

/// A setting, if it is wanted. What is being adopted need not have all of them: not every stand-in for S3 knows them all.
async fn read<T>(
    adopted: bool,
    wanted: bool,
    setting: impl Future<Output = Result<T, CloudError>>,
) -> Result<Option<T>, CloudError> {
    if !wanted {
        return Ok(None);
    }
    match setting.await {
        Err(error) if adopted && error.kind == ErrorKind::Unsupported => Ok(None),
        answer => answer.map(Some),
    }
}

/// The region of a bucket that is there, if the endpoint tells it.
async fn home(s3: &S3, bucket: &str) -> Result<Option<String>, CloudError> {
    let answer = s3.read("HeadBucket", || s3.head_bucket().bucket(bucket).send()).await?;
    Ok(answer.bucket_region.filter(|region| !region.is_empty()))
}

/// Sets the tags of a new bucket that its creation did not set.
async fn set_missing_tags(s3: &S3, bucket: &str, want: &BTreeMap<String, String>) -> Result<(), CloudError> {
    let mut tags = settings::get_tags(s3, bucket).await?;
    if want.iter().all(|(key, value)| tags.get(key) == Some(value)) {
        return Ok(());
    }
    tags.extend(want.clone());
    settings::put_tags(s3, bucket, &tags).await
}

/// S3 sets all tags at once, so those that are not to change, such as the intent's, are sent again.
async fn change_tags(s3: &S3, bucket: &str, delta: &TagDelta) -> Result<(), CloudError> {
    let tags = changed(settings::get_tags(s3, bucket).await?, delta);
    settings::put_tags(s3, bucket, &tags).await
}

fn changed(mut tags: BTreeMap<String, String>, delta: &TagDelta) -> BTreeMap<String, String> {
    tags.retain(|key, _| !delta.remove.contains(key));
    tags.extend(delta.set.clone());
    tags
}

/// Whether a bucket is younger than the run that an intent belongs to. S3 tells whole seconds.
async fn made_since(s3: &S3, bucket: &str, intent: &IntentId) -> Result<bool, CloudError> {
    let Some(begun) = intent.begun() else { return Ok(false) };
    let answer = s3.read("ListBuckets", || s3.list_buckets().prefix(bucket).send()).await?;
    let found = answer.buckets.unwrap_or_default().into_iter().find(|b| b.name.as_deref() == Some(bucket));
    Ok(found.and_then(|b| b.creation_date).is_some_and(|made| made.secs() >= begun.as_second()))
}

#[cfg(test)]
#[path = "bucket_tests.rs"]
mod tests;
