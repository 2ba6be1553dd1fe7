//! What lies in a bucket, and taking it away.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use phx_model::CloudError;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;

use super::S3;
use super::bucket_settings::invalid;

/// An object's key and one of its versions, or of its deletion markers.
pub(super) type Version = (String, Option<String>);

/// Up to so many of a bucket's objects whose keys begin so, with their versions and deletion markers.
pub(super) async fn objects(
    s3: &S3,
    bucket: &str,
    prefix: Option<&str>,
    most: i32,
) -> Result<Vec<Version>, CloudError> {
    let prefix = prefix.map(str::to_owned);
    let request = s3.list_object_versions().bucket(bucket).set_prefix(prefix).max_keys(most);
    let answer = s3.read("ListObjectVersions", || request.clone().send()).await?;
    let versions = answer.versions.unwrap_or_default().into_iter().filter_map(|v| Some((v.key?, v.version_id)));
    let markers = answer.delete_markers.unwrap_or_default().into_iter().filter_map(|m| Some((m.key?, m.version_id)));
    Ok(versions.chain(markers).collect())
}

/// Whether nothing lies in a bucket.
pub(super) async fn is_empty(s3: &S3, bucket: &str) -> Result<bool, CloudError> {
    Ok(objects(s3, bucket, None, 1).await?.is_empty())
}

/// Deletes everything in a bucket, a thousand at a time.
pub(super) async fn empty(s3: &S3, cx: &Cx, bucket: &str) -> Result<(), CloudError> {
    let mut deleted = 0;
    loop {
        let objects = objects(s3, bucket, None, 1000).await?;
        if objects.is_empty() {
            return Ok(());
        }
        let count = objects.len();
        delete(s3, bucket, objects).await?;
        deleted += count;
        (cx.progress)(&format!("bucket {bucket} is being emptied: {deleted} objects deleted"));
    }
}

/// Deletes versions, up to a thousand.
pub(super) async fn delete(s3: &S3, bucket: &str, versions: Vec<Version>) -> Result<(), CloudError> {
    let identified = versions
        .into_iter()
        .map(|(key, version)| ObjectIdentifier::builder().key(key).set_version_id(version).build().map_err(invalid));
    let identified: Vec<ObjectIdentifier> = identified.collect::<Result<_, _>>()?;
    let delete = Delete::builder().set_objects(Some(identified)).quiet(true).build().map_err(invalid)?;
    let request = s3.delete_objects().bucket(bucket).delete(delete);
    let answer = s3.write_idempotent("DeleteObjects", || request.clone().send()).await?;
    let Some(first) = answer.errors().first() else { return Ok(()) };
    let key = first.key().unwrap_or_default();
    let why = first.message().or(first.code()).unwrap_or("no reason given");
    let message = format!("{} objects cannot be deleted; {key:?}: {why}", answer.errors().len());
    let code = first.code().map(str::to_owned);
    Err(CloudError { kind: ErrorKind::Other, code, ..s3.unexpected("DeleteObjects", message) })
}
