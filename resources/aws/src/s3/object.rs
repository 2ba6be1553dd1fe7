//! `aws:s3:Object`.
//!
//! The content is a part of the program's fields and of the state, so it suits configuration and pages rather than large files. It is uploaded with its
//! SHA-256, which S3 keeps: a content that someone else changed is noticed without fetching it. A content that the program never set is somebody else's:
//! S3 is told to copy it when the rest of the object changes.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_s3::operation::copy_object::builders::CopyObjectFluentBuilder;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, MetadataDirective, ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockMode,
    ObjectLockRetention, ObjectLockRetentionMode, ServerSideEncryption, StorageClass, Tagging, TaggingDirective,
};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::{CloudError, Input, Outputs, Resource, Value};

use super::bucket_lifecycle::{canonical_date, date, date_text};
use super::bucket_settings::{invalid, to_tags};
use super::object_content::{self as content, Content};
use super::{BucketName, S3, emptying, is_aborted};
use crate::arn::{Arn, partition};
use crate::client::Aws;
use crate::forms::key_as_set;
use crate::manage::{Created, Found, Manage, Target};
use crate::tags::{TagDelta, with_intent};
use crate::{batch, owner, wait};

/// How long a new bucket may be unknown somewhere.
const UNTIL_KNOWN: Duration = Duration::from_secs(30);

/// An object in a bucket. Deleting it deletes all of its versions.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:s3:Object",
    terraform = "aws_s3_object",
    identity = NaturalKey,
    unique(bucket, key)
)]
pub struct Object {
    /// The bucket.
    #[field(replace)]
    pub bucket: Input<BucketName>,
    /// The key: `config/app.json`.
    #[field(replace)]
    pub key: Input<String>,
    /// What it holds, as text. Neither this nor `content_base64`: nothing, and what someone else puts there stays.
    pub content: Option<Input<String>>,
    /// What it holds, in base64, for what is not text.
    pub content_base64: Option<Input<String>>,
    /// Its media type: `application/json`. Unset, it is `binary/octet-stream`.
    #[field(cloud_default)]
    pub content_type: Option<Input<String>>,
    /// How it is encoded: `gzip`.
    pub content_encoding: Option<Input<String>>,
    /// The language that it is in: `en-US`.
    pub content_language: Option<Input<String>>,
    /// How a browser shall show it: `attachment; filename="a.pdf"`.
    pub content_disposition: Option<Input<String>>,
    /// For how long it may be kept by whoever fetches it: `max-age=3600`.
    pub cache_control: Option<Input<String>>,
    /// Where whoever fetches it from a website is sent instead.
    pub website_redirect_location: Option<Input<String>>,
    /// The program's own headers, without `x-amz-meta-`. S3 writes their names in lower case.
    #[field(normalize = lower_names)]
    pub metadata: Option<Input<BTreeMap<String, String>>>,
    /// Its storage class: `STANDARD` (which it is unset), `STANDARD_IA`, `INTELLIGENT_TIERING`, `GLACIER` …
    #[field(cloud_default)]
    pub storage_class: Option<Input<String>>,
    /// How it is encrypted: `AES256`, `aws:kms` or `aws:kms:dsse`. Unset, as its bucket says.
    #[field(cloud_default)]
    pub server_side_encryption: Option<Input<String>>,
    /// The KMS key that it is encrypted with.
    #[field(cloud_default)]
    pub ssekms_key_id: Option<Input<Arn>>,
    /// Whether a key of the bucket stands between it and KMS.
    #[field(cloud_default)]
    pub bucket_key_enabled: Option<Input<bool>>,
    /// How it is kept from deletion: `GOVERNANCE` or `COMPLIANCE`.
    #[field(cloud_default)]
    pub object_lock_mode: Option<Input<String>>,
    /// Until when it is kept from deletion: `2030-01-01T00:00:00Z`.
    #[field(cloud_default, normalize = canonical_date)]
    pub object_lock_retain_until_date: Option<Input<String>>,
    /// Whether it is kept from deletion until this is `OFF` again: `ON` or `OFF`.
    #[field(cloud_default)]
    pub object_lock_legal_hold_status: Option<Input<String>>,
    /// Its tags, up to 9: S3 takes 10, and phx needs one.
    pub tags: Tags,
}

impl Object {
    /// What it holds, of any form.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        self.content_base64(aws_smithy_types::base64::encode(bytes))
    }
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct ObjectOutputs {
    /// Bucket and key: `logs/config/app.json`.
    pub id: String,
    /// The ARN.
    pub arn: Arn,
    /// A word that changes with the content.
    #[output(volatile)]
    pub etag: Option<String>,
    /// The version, in a bucket that keeps versions.
    #[output(volatile)]
    pub version_id: Option<String>,
}

impl Manage for Object {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let s3 = &aws.s3(cx).await?;
        let region = &aws.region(&cx.provider).await?;
        batch::each(targets, |target| async {
            Ok(match read(s3, region, target).await {
                Ok(found) => found,
                Err(error) if error.kind == ErrorKind::NotFound => Found::Gone,
                Err(error) => Found::Failed(error),
            })
        })
        .await
    }

    async fn create(aws: &Aws, cx: &Cx, want: &ObjectResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let s3 = &aws.s3(cx).await?;
        let region = aws.region(&cx.provider).await?;
        let bytes = content::bytes(want)?;
        let tags = with_intent(&want.tags, intent);
        let put = || async { put(s3, want, &bytes, &tags)?.if_none_match("*").send().await };
        let send = || s3.write("PutObject", put);
        let unknown = |e: &CloudError| e.kind == ErrorKind::NotFound || is_conflict(e);
        match wait::eventually(cx, UNTIL_KNOWN, unknown, send).await {
            Ok(answer) => {
                let outputs = outputs(&region, want.bucket.as_str(), &want.key, answer.e_tag(), answer.version_id());
                Ok(Created { id: outputs.id.clone(), outputs, complete: true })
            }
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.code.as_deref() == Some("PreconditionFailed") => {
                let taken = CloudError { kind: ErrorKind::AlreadyExists, ..taken };
                Self::find(aws, cx, want, intent).await?.ok_or(taken)
            }
            Err(error) => Err(error),
        }
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &ObjectResolved,
        change: &ObjectChange,
    ) -> Result<Option<ObjectOutputs>, CloudError> {
        let s3 = &aws.s3(cx).await?;
        let (bucket, key) = split(id)?;
        let mut tags = get_tags(s3, bucket, key).await?;
        if let Some(change) = &change.tags {
            let delta = TagDelta::of(change);
            tags.retain(|key, _| !delta.remove.contains(key));
            tags.extend(delta.set);
        }
        if puts(change) {
            let mut whole = want.clone();
            let uploads = change.content.is_some() || change.content_base64.is_some();
            if !uploads {
                // What is not said with it would be taken away, and the program may never have set it.
                let there = head(s3, bucket, key).await?;
                keep(&mut whole, change, fields(bucket, key, there, Content::default(), BTreeMap::new()));
            }
            let (etag, version) = if uploads || want.content.is_some() || want.content_base64.is_some() {
                let bytes = content::bytes(want)?;
                let put = || async { put(s3, &whole, &bytes, &tags)?.send().await };
                let answer = s3.write_idempotent("PutObject", put).await?;
                (answer.e_tag, answer.version_id)
            } else {
                // What it holds is not the program's.
                let request = copy(s3, &whole, &tags)?;
                let answer = s3.write_idempotent("CopyObject", || request.clone().send()).await?;
                (answer.copy_object_result.and_then(|copied| copied.e_tag), answer.version_id)
            };
            let region = aws.region(&cx.provider).await?;
            return Ok(Some(outputs(&region, bucket, key, etag.as_deref(), version.as_deref())));
        }
        if change.tags.is_some() {
            let tagging = Tagging::builder().set_tag_set(Some(to_tags(&tags)?)).build().map_err(invalid)?;
            let request = s3.put_object_tagging().bucket(bucket).key(key).tagging(tagging);
            s3.write_idempotent("PutObjectTagging", || request.clone().send()).await?;
        }
        if change.object_lock_mode.is_some() || change.object_lock_retain_until_date.is_some() {
            let retention = ObjectLockRetention::builder()
                .set_mode(want.object_lock_mode.as_deref().map(ObjectLockRetentionMode::from))
                .set_retain_until_date(until(want)?)
                .build();
            let request = s3.put_object_retention().bucket(bucket).key(key).retention(retention);
            s3.write_idempotent("PutObjectRetention", || request.clone().send()).await?;
        }
        if let Some(status) = crate::forms::set(change.object_lock_legal_hold_status.as_ref()) {
            let status = ObjectLockLegalHoldStatus::from(status.as_str());
            let hold = ObjectLockLegalHold::builder().status(status).build();
            let request = s3.put_object_legal_hold().bucket(bucket).key(key).legal_hold(hold);
            s3.write_idempotent("PutObjectLegalHold", || request.clone().send()).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _was: Option<&ObjectResolved>) -> Result<(), CloudError> {
        let s3 = &aws.s3(cx).await?;
        let (bucket, key) = split(id)?;
        match delete_versions(s3, bucket, key).await {
            // Whoever may not list versions may delete the object all the same.
            Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Unsupported) => {
                tracing::debug!(%error, "the object's versions are left");
                let request = s3.delete_object().bucket(bucket).key(key);
                match s3.write_idempotent("DeleteObject", || request.clone().send()).await {
                    Err(error) if error.kind != ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                }
            }
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            Err(error) => {
                Err(error
                    .hint("an object that is locked can be deleted when its retention ends and no legal hold is on"))
            }
            Ok(()) => Ok(()),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &ObjectResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let s3 = &aws.s3(cx).await?;
        let region = aws.region(&cx.provider).await?;
        let (bucket, key) = (want.bucket.as_str(), want.key.as_str());
        let found = async {
            let tags = get_tags(s3, bucket, key).await?;
            owner::check(&format!("the object {bucket}/{key}"), &tags, intent)?;
            head(s3, bucket, key).await
        };
        match found.await {
            Ok(head) => {
                let outputs = outputs(&region, bucket, key, head.e_tag(), head.version_id());
                Ok(Some(Created { id: outputs.id.clone(), outputs, complete: true }))
            }
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A condition on the object was asked for while another request changed it; S3's documentation asks to repeat the call.
fn is_conflict(error: &CloudError) -> bool {
    is_aborted(error) || error.code.as_deref() == Some("ConditionalRequestConflict")
}

/// Bucket and key of an id. Bucket names have no slash.
fn split(id: &str) -> Result<(&str, &str), CloudError> {
    id.split_once('/').filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty()).ok_or_else(|| {
        CloudError::local(ErrorKind::Invalid, format!("{id:?} names no object"))
            .hint("write it as BUCKET/KEY: logs/config/app.json")
    })
}

fn outputs(region: &str, bucket: &str, key: &str, etag: Option<&str>, version: Option<&str>) -> ObjectOutputs {
    ObjectOutputs {
        id: format!("{bucket}/{key}"),
        arn: Arn::new(format!("arn:{}:s3:::{bucket}/{key}", partition(region))),
        etag: etag.map(|etag| etag.trim_matches('"').to_owned()),
        version_id: version.filter(|version| *version != "null").map(str::to_owned),
    }
}

fn until(want: &ObjectResolved) -> Result<Option<DateTime>, CloudError> {
    want.object_lock_retain_until_date.as_deref().map(date).transpose()
}

type PutError = aws_sdk_s3::error::SdkError<
    aws_sdk_s3::operation::put_object::PutObjectError,
    aws_smithy_runtime_api::client::orchestrator::HttpResponse,
>;

/// What both requests that put an object say of it beside its content. They are of types of their own, with the same setters.
macro_rules! described {
    ($request:expr, $want:expr, $until:expr) => {{
        let want = $want;
        $request
            .set_content_type(want.content_type.clone())
            .set_content_encoding(want.content_encoding.clone())
            .set_content_language(want.content_language.clone())
            .set_content_disposition(want.content_disposition.clone())
            .set_cache_control(want.cache_control.clone())
            .set_website_redirect_location(want.website_redirect_location.clone())
            .set_metadata(want.metadata.clone().map(|metadata| metadata.into_iter().collect()))
            .set_storage_class(want.storage_class.as_deref().map(StorageClass::from))
            .set_server_side_encryption(want.server_side_encryption.as_deref().map(ServerSideEncryption::from))
            .set_ssekms_key_id(want.ssekms_key_id.as_ref().map(Arn::to_string))
            .set_bucket_key_enabled(want.bucket_key_enabled)
            .set_object_lock_mode(want.object_lock_mode.as_deref().map(ObjectLockMode::from))
            .set_object_lock_retain_until_date($until)
            .set_object_lock_legal_hold_status(
                want.object_lock_legal_hold_status.as_deref().map(ObjectLockLegalHoldStatus::from),
            )
    }};
}

/// A request that puts the object. Its body can be sent only once, so it is made anew for each repetition.
fn put(
    s3: &S3,
    want: &ObjectResolved,
    bytes: &[u8],
    tags: &BTreeMap<String, String>,
) -> Result<PutObjectFluentBuilder, PutError> {
    let until = until(want).map_err(|e| PutError::construction_failure(e.to_string()))?;
    let request = s3
        .put_object()
        .bucket(want.bucket.as_str())
        .key(&want.key)
        .body(ByteStream::from(bytes.to_vec()))
        // Its name is said too: S3 asks for it where an object is locked.
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .checksum_sha256(content::checksum(bytes))
        .tagging(tagging(tags));
    Ok(described!(request, want, until))
}

/// A request that puts the object anew with what it holds.
fn copy(
    s3: &S3,
    want: &ObjectResolved,
    tags: &BTreeMap<String, String>,
) -> Result<CopyObjectFluentBuilder, CloudError> {
    let request = s3
        .copy_object()
        .bucket(want.bucket.as_str())
        .key(&want.key)
        .copy_source(format!("{}/{}", want.bucket, coded(&want.key, b"/")))
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .metadata_directive(MetadataDirective::Replace)
        .tagging_directive(TaggingDirective::Replace)
        .tagging(tagging(tags));
    Ok(described!(request, want, until(want)?))
}

/// Takes over what is there and neither set by the program nor to be taken away.
fn keep(whole: &mut ObjectResolved, change: &ObjectChange, there: ObjectResolved) {
    macro_rules! keep {
        ($($field:ident),*) => {$(
            if change.$field.is_none() {
                whole.$field = whole.$field.take().or(there.$field);
            }
        )*};
    }
    keep!(content_type, content_encoding, content_language, content_disposition, cache_control);
    keep!(website_redirect_location, metadata, storage_class);
}

/// Whether a change needs the object to be put anew.
fn puts(change: &ObjectChange) -> bool {
    change.content.is_some()
        || change.content_base64.is_some()
        || change.content_type.is_some()
        || change.content_encoding.is_some()
        || change.content_language.is_some()
        || change.content_disposition.is_some()
        || change.cache_control.is_some()
        || change.website_redirect_location.is_some()
        || change.metadata.is_some()
        || change.storage_class.is_some()
        || change.server_side_encryption.is_some()
        || change.ssekms_key_id.is_some()
        || change.bucket_key_enabled.is_some()
}

/// Tags as a header holds them: a query.
fn tagging(tags: &BTreeMap<String, String>) -> String {
    tags.iter().map(|(key, value)| format!("{}={}", coded(key, b""), coded(value, b""))).collect::<Vec<_>>().join("&")
}

/// Text as a URL holds it. What stands in `plain` may stand there as it is.
fn coded(text: &str, plain: &[u8]) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            byte if plain.contains(&byte) => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

async fn get_tags(s3: &S3, bucket: &str, key: &str) -> Result<BTreeMap<String, String>, CloudError> {
    let send = || s3.get_object_tagging().bucket(bucket).key(key).send();
    let answer = s3.read("GetObjectTagging", send).await?;
    Ok(answer.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

async fn head(s3: &S3, bucket: &str, key: &str) -> Result<HeadObjectOutput, CloudError> {
    let request = s3.head_object().bucket(bucket).key(key).checksum_mode(ChecksumMode::Enabled);
    s3.read("HeadObject", || request.clone().send()).await
}

async fn read(s3: &S3, region: &str, target: &Target<'_>) -> Result<Found<Object>, CloudError> {
    let (bucket, key) = split(target.id)?;
    let tags = async { if target.wants("tags") { get_tags(s3, bucket, key).await } else { Ok(BTreeMap::new()) } };
    let (head, tags) = futures::try_join!(head(s3, bucket, key), tags)?;
    let content = content::read(s3, bucket, key, &head, target.inputs).await?;
    let outputs = outputs(region, bucket, key, head.e_tag(), head.version_id());
    let encrypted_with = key_as_set(target.inputs.get("ssekms_key_id"), head.ssekms_key_id());
    let fields = fields(bucket, key, head, content, tags);
    Ok(Found::present(ObjectResolved { ssekms_key_id: encrypted_with, ..fields }, outputs))
}

fn fields(
    bucket: &str,
    key: &str,
    head: HeadObjectOutput,
    content: Content,
    tags: BTreeMap<String, String>,
) -> ObjectResolved {
    // Some clients send their way of sending as an encoding, and not all stand-ins for S3 take it off.
    let encoding = head.content_encoding.map(|coded| {
        let codings = coded.split(',').map(str::trim).filter(|c| !c.is_empty() && *c != "aws-chunked");
        codings.collect::<Vec<_>>().join(",")
    });
    ObjectResolved {
        bucket: BucketName::new(bucket),
        key: key.to_owned(),
        content: content.text,
        content_base64: content.base64,
        content_type: head.content_type,
        content_encoding: encoding.filter(|coded| !coded.is_empty()),
        content_language: head.content_language,
        content_disposition: head.content_disposition,
        cache_control: head.cache_control,
        website_redirect_location: head.website_redirect_location,
        metadata: head
            .metadata
            .map(|metadata| metadata.into_iter().collect())
            .filter(|m: &BTreeMap<_, _>| !m.is_empty()),
        // S3 does not say it of the usual one.
        storage_class: Some(head.storage_class.map_or("STANDARD".to_owned(), |class| class.as_str().to_owned())),
        server_side_encryption: head.server_side_encryption.map(|how| how.as_str().to_owned()),
        ssekms_key_id: head.ssekms_key_id.map(Arn::new),
        bucket_key_enabled: Some(head.bucket_key_enabled.unwrap_or(false)),
        object_lock_mode: head.object_lock_mode.map(|mode| mode.as_str().to_owned()),
        object_lock_retain_until_date: head.object_lock_retain_until_date.as_ref().and_then(date_text),
        object_lock_legal_hold_status: head.object_lock_legal_hold_status.map(|status| status.as_str().to_owned()),
        tags,
    }
}

/// Deletes all versions of an object. Of all keys that begin with its own, which is what can be listed, it sorts first.
async fn delete_versions(s3: &S3, bucket: &str, key: &str) -> Result<(), CloudError> {
    loop {
        let listed = emptying::objects(s3, bucket, Some(key), 1000).await?;
        let own: Vec<_> = listed.into_iter().filter(|(listed, _)| listed == key).collect();
        if own.is_empty() {
            return Ok(());
        }
        emptying::delete(s3, bucket, own).await?;
    }
}

/// Headers' names have no case.
fn lower_names(value: &Value) -> Value {
    match value.expose() {
        Value::Map(headers) => Value::Map(
            headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.expose().clone())).collect(),
        ),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_bucket_and_key() {
        assert_eq!(split("logs/a/b").unwrap(), ("logs", "a/b"));
        for bad in ["logs", "logs/", "/a", ""] {
            assert_eq!(split(bad).unwrap_err().kind, ErrorKind::Invalid, "{bad}");
        }
    }

    #[test]
    fn tags_are_a_query() {
        let tags = [("a b", "1&2=3"), ("phx:intent", "x.y.1")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(tagging(&tags.into()), "a%20b=1%262%3D3&phx%3Aintent=x.y.1");
    }

    #[test]
    fn what_the_program_never_set_is_kept_and_what_it_takes_away_is_not() {
        let object = |json: serde_json::Value| {
            let Value::Map(fields) = Value::from(json) else { panic!("no map") };
            Object::resolve(&fields).unwrap()
        };
        let mut whole = object(serde_json::json!({"bucket": "b", "key": "k", "cache_control": "no-store"}));
        let there = object(serde_json::json!({"bucket": "b", "key": "k", "cache_control": "max-age=60",
            "content_type": "text/html", "content_language": "en"}));
        let change = ObjectChange {
            content_language: Some(phx_model::typed::FieldChange { before: Some("en".into()), after: None }),
            ..ObjectChange::default()
        };
        keep(&mut whole, &change, there);
        assert_eq!(whole.cache_control.as_deref(), Some("no-store"));
        assert_eq!(whole.content_type.as_deref(), Some("text/html"));
        assert_eq!(whole.content_language, None);
        assert_eq!(coded("a b/c?", b"/"), "a%20b/c%3F");
    }

    #[test]
    fn headers_have_no_case() {
        let map = |key: &str| Value::Map([(key.to_owned(), Value::String("1".into()))].into());
        assert_eq!(lower_names(&map("Owner")), map("owner"));
    }
}
