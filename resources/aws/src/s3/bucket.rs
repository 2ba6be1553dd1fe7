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

use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, Delete, ObjectIdentifier, ObjectOwnership,
};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::{INTENT_TAG, IntentId};
use phx_model::typed::{FieldChange, Tags};
use phx_model::{CloudError, Input, Outputs, Resource};

use super::bucket_settings::{self as settings, *};
use super::{BucketName, S3};
use crate::arn::{Arn, partition};
use crate::client::Aws;
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
    "object_ownership",
    "versioning_configuration",
    "server_side_encryption_configuration",
    "public_access_block_configuration",
    "tags",
];

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
    /// Whether objects can be locked against deletion. This turns versioning on.
    #[field(replace, cloud_default)]
    pub object_lock_enabled_for_bucket: Option<Input<bool>>,
    /// Who owns objects that others upload: `BucketOwnerEnforced` (which it is unset; ACLs are off), `BucketOwnerPreferred` or
    /// `ObjectWriter`.
    #[field(cloud_default)]
    pub object_ownership: Option<Input<String>>,
    /// Whether earlier versions are kept. Once they are, it can be suspended and not taken back.
    pub versioning_configuration: Option<Input<VersioningConfiguration>>,
    /// How new objects are encrypted. Unset, with keys that S3 manages.
    #[field(cloud_default)]
    pub server_side_encryption_configuration: Option<Input<ServerSideEncryptionConfiguration>>,
    /// What protects the bucket from being made public. Unset, everything.
    #[field(cloud_default)]
    pub public_access_block_configuration: Option<Input<PublicAccessBlockConfiguration>>,
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
            .set_object_ownership(want.object_ownership.as_deref().map(ObjectOwnership::from));
        let send = || s3.write("CreateBucket", || request.clone().send());
        match wait::eventually(cx, UNTIL_FREE, is_aborted, send).await {
            Ok(_) => Ok(created(want, &region)),
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
        if let Some(versioning) = &want.versioning_configuration {
            once_known(cx, || settings::put_versioning(s3, id, &versioning.status)).await?;
        }
        if let Some(encryption) = &want.server_side_encryption_configuration {
            once_known(cx, || settings::put_encryption(s3, id, encryption)).await?;
        }
        if let Some(block) = &want.public_access_block_configuration {
            once_known(cx, || settings::put_public_access_block(s3, id, block)).await?;
        }
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _want: &BucketResolved,
        change: &BucketChange,
    ) -> Result<Option<BucketOutputs>, CloudError> {
        let s3 = &aws.s3(cx).await?;
        // Nothing is to be done for force_destroy, and fields that S3 fills in are never taken away.
        if let Some(FieldChange { after: Some(ownership), .. }) = &change.object_ownership {
            once_free(cx, || settings::put_ownership(s3, id, ownership)).await?;
        }
        if let Some(change) = &change.versioning_configuration {
            // It cannot be taken back.
            let status = change.after.as_ref().map_or("Suspended", |versioning| &versioning.status);
            once_free(cx, || settings::put_versioning(s3, id, status)).await?;
        }
        if let Some(FieldChange { after: Some(encryption), .. }) = &change.server_side_encryption_configuration {
            once_free(cx, || settings::put_encryption(s3, id, encryption)).await?;
        }
        if let Some(FieldChange { after: Some(block), .. }) = &change.public_access_block_configuration {
            once_free(cx, || settings::put_public_access_block(s3, id, block)).await?;
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
            && aws.s3_is_stand_in().await?
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
        && want.versioning_configuration.is_none()
        && want.server_side_encryption_configuration.is_none()
        && want.public_access_block_configuration.is_none();
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

/// Another change to the same bucket, or its deletion, is under way.
fn is_aborted(error: &CloudError) -> bool {
    error.code.as_deref() == Some("OperationAborted")
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
    let wants = |field| target.wants(field);
    let alone = target.inputs.is_empty() || !SETTINGS.iter().any(|field| wants(field));
    let (home, lock, ownership, versioning, encryption, block, tags) = futures::try_join!(
        when(alone, home(s3, id)),
        when(wants("object_lock_enabled_for_bucket"), settings::get_object_lock(s3, id)),
        when(wants("object_ownership"), settings::get_ownership(s3, id)),
        when(wants("versioning_configuration"), settings::get_versioning(s3, id)),
        when(wants("server_side_encryption_configuration"), settings::get_encryption(s3, id)),
        when(wants("public_access_block_configuration"), settings::get_public_access_block(s3, id)),
        when(wants("tags"), settings::get_tags(s3, id)),
    )?;
    if let Some(home) = home.flatten().filter(|home| home != region) {
        return Err(CloudError::local(ErrorKind::Invalid, format!("the bucket {id} lies in {home}, not in {region}"))
            .hint("give it the region it lies in"));
    }
    Ok(BucketResolved {
        bucket: id.to_owned(),
        object_lock_enabled_for_bucket: lock,
        object_ownership: ownership.flatten(),
        versioning_configuration: versioning.flatten(),
        server_side_encryption_configuration: encryption.flatten(),
        public_access_block_configuration: block.flatten(),
        force_destroy: None,
        tags: tags.unwrap_or_default(),
    })
}

async fn when<T>(wanted: bool, read: impl Future<Output = Result<T, CloudError>>) -> Result<Option<T>, CloudError> {
    if wanted { read.await.map(Some) } else { Ok(None) }
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

/// Up to so many of a bucket's objects, with their versions and deletion markers.
async fn objects(s3: &S3, bucket: &str, most: i32) -> Result<Vec<(String, Option<String>)>, CloudError> {
    let request = s3.list_object_versions().bucket(bucket).max_keys(most);
    let answer = s3.read("ListObjectVersions", || request.clone().send()).await?;
    let versions = answer.versions.unwrap_or_default().into_iter().filter_map(|v| Some((v.key?, v.version_id)));
    let markers = answer.delete_markers.unwrap_or_default().into_iter().filter_map(|m| Some((m.key?, m.version_id)));
    Ok(versions.chain(markers).collect())
}

/// Whether a bucket is younger than the run that an intent belongs to. S3 tells whole seconds.
async fn made_since(s3: &S3, bucket: &str, intent: &IntentId) -> Result<bool, CloudError> {
    let Some(begun) = intent.begun() else { return Ok(false) };
    let answer = s3.read("ListBuckets", || s3.list_buckets().prefix(bucket).send()).await?;
    let found = answer.buckets.unwrap_or_default().into_iter().find(|b| b.name.as_deref() == Some(bucket));
    Ok(found.and_then(|b| b.creation_date).is_some_and(|made| made.secs() >= begun.as_second()))
}

async fn is_empty(s3: &S3, bucket: &str) -> Result<bool, CloudError> {
    Ok(objects(s3, bucket, 1).await?.is_empty())
}

/// Deletes everything in a bucket, a thousand at a time.
async fn empty(s3: &S3, cx: &Cx, bucket: &str) -> Result<(), CloudError> {
    let mut deleted = 0;
    loop {
        let objects = objects(s3, bucket, 1000).await?;
        if objects.is_empty() {
            return Ok(());
        }
        let count = objects.len();
        let identified = objects.into_iter().map(|(key, version)| {
            ObjectIdentifier::builder().key(key).set_version_id(version).build().map_err(settings::invalid)
        });
        let identified: Vec<ObjectIdentifier> = identified.collect::<Result<_, _>>()?;
        let delete = Delete::builder().set_objects(Some(identified)).quiet(true).build().map_err(settings::invalid)?;
        let request = s3.delete_objects().bucket(bucket).delete(delete);
        let answer = s3.write_idempotent("DeleteObjects", || request.clone().send()).await?;
        if let Some(first) = answer.errors().first() {
            let key = first.key().unwrap_or_default();
            let why = first.message().or(first.code()).unwrap_or("no reason given");
            let message = format!("{} objects cannot be deleted; {key:?}: {why}", answer.errors().len());
            let code = first.code().map(str::to_owned);
            return Err(CloudError { code, ..s3.unexpected("DeleteObjects", message) });
        }
        deleted += count;
        (cx.progress)(&format!("bucket {bucket} is being emptied: {deleted} objects deleted"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_follow_from_name_and_region() {
        let out = outputs("logs", "us-west-2");
        assert_eq!(out.arn, Arn::new("arn:aws:s3:::logs"));
        assert_eq!(out.bucket_regional_domain_name, "logs.s3.us-west-2.amazonaws.com");
        let out = outputs("logs", "cn-north-1");
        assert_eq!(out.arn, Arn::new("arn:aws-cn:s3:::logs"));
        assert_eq!(out.bucket_regional_domain_name, "logs.s3.cn-north-1.amazonaws.com.cn");
    }

    #[test]
    fn tags_that_are_not_to_change_are_kept() {
        let tags = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let delta = TagDelta { set: tags(&[("a", "2"), ("b", "1")]), remove: ["c".to_owned()].into() };
        let now = tags(&[("a", "1"), ("c", "1"), ("phx:intent", "i")]);
        assert_eq!(changed(now, &delta), tags(&[("a", "2"), ("b", "1"), ("phx:intent", "i")]));
    }

    #[test]
    fn a_bucket_without_settings_is_complete_at_once() {
        let mut want = BucketResolved {
            bucket: "logs".into(),
            object_lock_enabled_for_bucket: Some(true),
            object_ownership: Some("ObjectWriter".into()),
            versioning_configuration: None,
            server_side_encryption_configuration: None,
            public_access_block_configuration: None,
            force_destroy: Some(true),
            tags: BTreeMap::new(),
        };
        assert!(created(&want, "us-west-2").complete);
        want.versioning_configuration = Some(VersioningConfigurationResolved { status: "Enabled".into() });
        assert!(!created(&want, "us-west-2").complete);
    }

    #[test]
    fn a_bucket_elsewhere_is_explained() {
        let error = |code: Option<&str>, message: &str| CloudError {
            code: code.map(str::to_owned),
            ..CloudError::local(ErrorKind::Other, message)
        };
        for there in [error(Some("PermanentRedirect"), "use another"), error(None, "refused with status 301")] {
            assert!(explained(there, "us-west-2").hint.is_some_and(|hint| hint.contains("us-west-2")));
        }
        assert_eq!(explained(error(Some("AccessDenied"), "no"), "us-west-2").hint, None);
    }

    #[test]
    fn every_setting_that_is_read_is_a_field() {
        for field in SETTINGS {
            assert!(Bucket::schema().field(field).is_some(), "{field}");
        }
    }
}
