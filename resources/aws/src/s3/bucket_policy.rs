//! `aws:s3:BucketPolicy`.

use std::time::Duration;

use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::value::Json;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::bucket_settings::unless;
use super::{BucketName, S3, is_aborted};
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::{batch, policy, wait};

/// How long a new bucket, or a new role that the policy names, may be unknown somewhere.
const UNTIL_KNOWN: Duration = Duration::from_secs(30);

/// Who may do what with a bucket and its objects. A bucket has one policy at most.
///
/// A policy bears no mark. One that is there already is taken over only if it says the same; another is left alone and told of.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:s3:BucketPolicy",
    terraform = "aws_s3_bucket_policy",
    cloudformation = "AWS::S3::BucketPolicy",
    identity = NaturalKey,
    unique(bucket),
    vanishes_with(bucket)
)]
pub struct BucketPolicy {
    /// The bucket.
    #[field(replace)]
    pub bucket: Input<BucketName>,
    /// The policy: a [`PolicyDocument`](crate::policy::PolicyDocument), or JSON.
    #[field(json, normalize = policy::canonical)]
    pub policy: Input<Json>,
    /// Whether a policy is set even if whoever sets it may not change it afterwards.
    #[field(write_only)]
    pub confirm_remove_self_bucket_access: Option<Input<bool>>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct BucketPolicyOutputs {
    /// The bucket's name.
    pub id: BucketName,
}

impl Manage for BucketPolicy {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let s3 = &aws.s3(cx).await?;
        batch::each(targets, |target| async {
            Ok(match get(s3, target.id).await {
                Ok(Some(policy)) => {
                    let bucket = BucketName::new(target.id);
                    let outputs = BucketPolicyOutputs { id: bucket.clone() };
                    let fields = BucketPolicyResolved { bucket, policy, confirm_remove_self_bucket_access: None };
                    Found::present(fields, outputs)
                }
                Ok(None) => Found::Gone,
                Err(error) if error.kind == ErrorKind::NotFound => Found::Gone,
                Err(error) => Found::Failed(error),
            })
        })
        .await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &BucketPolicyResolved,
        _intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let s3 = &aws.s3(cx).await?;
        let bucket = want.bucket.as_str();
        let unknown = |e: &CloudError| is_aborted(e) || e.kind == ErrorKind::NotFound;
        // A bucket that was made just now has none.
        let there = if s3.is_first_in("bucket", bucket, "policy") {
            None
        } else {
            wait::eventually(cx, UNTIL_KNOWN, unknown, || get(s3, bucket)).await?
        };
        if there.is_some_and(|there| policy::canonical(&there.0) != policy::canonical(&want.policy.0)) {
            let message = format!("the bucket {bucket} has another policy already");
            return Err(CloudError::local(ErrorKind::AlreadyExists, message)
                .hint("adopt it with `phx import`, or delete it if nothing needs it any more"));
        }
        put(s3, cx, bucket, want).await?;
        Ok(created(bucket))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &BucketPolicyResolved,
        change: &BucketPolicyChange,
    ) -> Result<Option<BucketPolicyOutputs>, CloudError> {
        let s3 = &aws.s3(cx).await?;
        if change.policy.is_some() {
            put(s3, cx, id, want).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _was: Option<&BucketPolicyResolved>) -> Result<(), CloudError> {
        let s3 = &aws.s3(cx).await?;
        let delete = || s3.write_idempotent("DeleteBucketPolicy", || s3.delete_bucket_policy().bucket(id).send());
        match wait::eventually(cx, UNTIL_KNOWN, is_aborted, delete).await {
            Err(error) if error.kind != ErrorKind::NotFound => {
                unless(ABSENT, async { Err::<(), _>(error) }).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &BucketPolicyResolved,
        _intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let s3 = &aws.s3(cx).await?;
        match get(s3, want.bucket.as_str()).await {
            Ok(there) => {
                let same = |there: Json| policy::canonical(&there.0) == policy::canonical(&want.policy.0);
                Ok(there.is_some_and(same).then(|| created(want.bucket.as_str())))
            }
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What S3 says of a bucket without a policy.
const ABSENT: &[&str] = &["NoSuchBucketPolicy"];

fn created(bucket: &str) -> Created<BucketPolicy> {
    let outputs = BucketPolicyOutputs { id: BucketName::new(bucket) };
    Created { id: bucket.to_owned(), outputs, complete: true }
}

async fn get(s3: &S3, bucket: &str) -> Result<Option<Json>, CloudError> {
    let read = s3.read("GetBucketPolicy", || s3.get_bucket_policy().bucket(bucket).send());
    let answer = unless(ABSENT, read).await?;
    Ok(answer.and_then(|a| a.policy).filter(|text| !text.is_empty()).map(|text| policy::parse(&text)))
}

async fn put(s3: &S3, cx: &Cx, bucket: &str, want: &BucketPolicyResolved) -> Result<(), CloudError> {
    let request = s3
        .put_bucket_policy()
        .bucket(bucket)
        .policy(policy::text(&want.policy))
        .set_confirm_remove_self_bucket_access(want.confirm_remove_self_bucket_access);
    let send = || s3.write_idempotent("PutBucketPolicy", || request.clone().send());
    let passing = |e: &CloudError| is_aborted(e) || e.kind == ErrorKind::NotFound || unknown_principal(e);
    wait::eventually(cx, UNTIL_KNOWN, passing, send).await?;
    Ok(())
}

/// A role that the policy names is not known yet, or does not exist.
fn unknown_principal(error: &CloudError) -> bool {
    error.code.as_deref() == Some("MalformedPolicy") && error.message.contains("Invalid principal")
}
