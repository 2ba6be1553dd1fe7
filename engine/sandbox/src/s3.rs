//! S3: winterbaume's, with buckets that belong to the account instead of a region, and what AWS gives a new bucket.
//!
//! winterbaume 1.0 lets two regions have a bucket of the same name and finds none from another region, ignores CreateBucket's location,
//! tags, object ownership and object lock, leaves new buckets without their block on public access, accepts names that S3 refuses, and
//! keeps an object's chunked encoding as part of its content.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, HeaderValue};
use winterbaume_core::{FsVfs, MockRequest, MockResponse, MockService, StateViewError, StatefulService};
use winterbaume_s3::{S3Service, S3StateView};

use super::wire::{Fault, escape, response};

const SMALLEST_MOVED: &str = "x-amz-transition-default-minimum-object-size";
const SMALLEST_MOVED_BY_ITSELF: &str = "all_storage_classes_128K";

pub(super) struct S3 {
    inner: S3Service,
    account: String,
    /// Where each bucket lives.
    homes: Mutex<BTreeMap<String, String>>,
}

impl S3 {
    /// Objects' contents are files under `objects`; the rest is in the sandbox's state.
    pub(super) fn new(account: &str, objects: &Path) -> std::io::Result<Self> {
        let inner = S3Service::with_vfs(Arc::new(FsVfs::new(objects)?));
        Ok(Self { inner, account: account.to_owned(), homes: Mutex::default() })
    }

    fn homes(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn snapshot(&self) -> BTreeMap<String, S3StateView> {
        let regions: BTreeSet<String> = self.homes().values().cloned().collect();
        let mut views = BTreeMap::new();
        for region in regions {
            let view = self.inner.snapshot(&self.account, &region).await;
            views.insert(region, view);
        }
        views
    }

    pub(super) async fn restore(&self, views: BTreeMap<String, S3StateView>) -> Result<(), StateViewError> {
        self.homes().clear();
        for (region, view) in views {
            self.homes().extend(view.buckets.keys().map(|b| (b.clone(), region.clone())));
            self.inner.restore(&self.account, &region, view).await?;
        }
        Ok(())
    }

    /// `target` is the path with the bucket as its first segment, and the query.
    pub(super) async fn handle(&self, region: &str, target: &str, request: MockRequest) -> MockResponse {
        match self.call(region, target, request).await {
            Ok(response) => response,
            Err(fault) => fault.s3_xml(),
        }
    }

    async fn call(&self, region: &str, target: &str, mut request: MockRequest) -> Result<MockResponse, Fault> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
        // The SDKs add `x-id=Operation` to some requests, which is no sub-resource.
        let plain = key.is_empty() && query.split('&').all(|q| q.is_empty() || q.starts_with("x-id="));
        let home = self.homes().get(bucket).cloned();
        request.body = unchunk(&mut request.headers, request.body);
        let region = home.as_deref().unwrap_or(region);
        if bucket.is_empty() && request.method == "GET" {
            return Ok(self.list_buckets().await);
        }
        if plain && request.method == "PUT" {
            if home.is_some() {
                let message = "Your previous request to create the named bucket succeeded and you already own it.";
                return Err(Fault {
                    status: 409,
                    code: "BucketAlreadyOwnedByYou".to_owned(),
                    message: message.to_owned(),
                });
            }
            return self.create_bucket(region, bucket, request).await;
        }
        let deletes = plain && request.method == "DELETE";
        // Which objects move to another class: winterbaume takes what AWS does by itself, and says nothing of it.
        if request.headers.get(SMALLEST_MOVED).is_some_and(|size| size != SMALLEST_MOVED_BY_ITSELF) {
            return Err(Fault::not_implemented(&format!("another {SMALLEST_MOVED} than {SMALLEST_MOVED_BY_ITSELF}")));
        }
        let owned = key.is_empty() && query.split('&').any(|q| q.trim_end_matches('=') == "ownershipControls");
        if owned && request.method == "GET" {
            self.check_ownership(region, bucket).await?;
        }
        let ages = key.is_empty()
            && query.split('&').any(|q| q.trim_end_matches('=') == "lifecycle")
            && request.method != "DELETE";
        let mut response = self.send(region, target, request).await;
        if ages && response.status == 200 {
            response.headers.insert(SMALLEST_MOVED, HeaderValue::from_static(SMALLEST_MOVED_BY_ITSELF));
        }
        if deletes && response.status == 204 {
            self.homes().remove(bucket);
        }
        Ok(response)
    }

    /// A bucket whose controls were deleted has none; winterbaume answers with those of a new one.
    async fn check_ownership(&self, region: &str, bucket: &str) -> Result<(), Fault> {
        let view = self.inner.snapshot(&self.account, region).await;
        match view.buckets.get(bucket) {
            Some(there) if there.ownership_controls.is_none() => {
                let message = "The bucket ownership controls were not found";
                Err(Fault {
                    status: 404,
                    code: "OwnershipControlsNotFoundError".to_owned(),
                    message: message.to_owned(),
                })
            }
            _ => Ok(()),
        }
    }

    async fn send(&self, region: &str, target: &str, mut request: MockRequest) -> MockResponse {
        request.uri = format!("https://s3.{region}.amazonaws.com{target}");
        // winterbaume reads the region from both places.
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=sandbox/19700101/{region}/s3/aws4_request, SignedHeaders=host, Signature=0"
        );
        if let Ok(scope) = HeaderValue::from_str(&scope) {
            request.headers.insert(AUTHORIZATION, scope);
        }
        self.inner.handle(request).await
    }

    async fn create_bucket(&self, region: &str, bucket: &str, request: MockRequest) -> Result<MockResponse, Fault> {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let valid = bucket.chars().all(|c| edge(Some(c)) || c == '-' || c == '.');
        if !(valid && edge(bucket.chars().next()) && edge(bucket.chars().last()) && (3..=63).contains(&bucket.len())) {
            return Err(Fault::new("InvalidBucketName", format!("The specified bucket is not valid: {bucket}")));
        }
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let location = between(&body, "LocationConstraint").unwrap_or("us-east-1");
        if location != region {
            let message = format!(
                "The {location} location constraint is incompatible for the region specific endpoint this request was sent to ({region})."
            );
            return Err(Fault::new("IllegalLocationConstraintException", message));
        }
        let header = |name: &str| request.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let mut settings = vec![(
            "publicAccessBlock",
            "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>\
             <BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>"
                .to_owned(),
        )];
        let ownership = header("x-amz-object-ownership").unwrap_or_else(|| "BucketOwnerEnforced".to_owned());
        let rule = format!("<Rule><ObjectOwnership>{}</ObjectOwnership></Rule>", escape(&ownership));
        settings.push(("ownershipControls", format!("<OwnershipControls>{rule}</OwnershipControls>")));
        if header("x-amz-bucket-object-lock-enabled").is_some_and(|v| v.eq_ignore_ascii_case("true")) {
            settings.push((
                "versioning",
                "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>".to_owned(),
            ));
            let on =
                "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>";
            settings.push(("object-lock", on.to_owned()));
        }
        if let Some(tags) = between(&body, "Tags") {
            settings.push(("tagging", format!("<Tagging><TagSet>{tags}</TagSet></Tagging>")));
        }
        let created = self.send(region, &format!("/{bucket}"), request.clone()).await;
        if created.status != 200 {
            return Ok(created);
        }
        self.homes().insert(bucket.to_owned(), region.to_owned());
        for (setting, body) in settings {
            let request = MockRequest { body: body.into(), headers: HeaderMap::new(), ..request.clone() };
            let set = self.send(region, &format!("/{bucket}?{setting}"), request).await;
            if set.status >= 300 {
                return Ok(set);
            }
        }
        Ok(created)
    }

    async fn list_buckets(&self) -> MockResponse {
        let buckets: BTreeMap<_, _> = self.snapshot().await.into_values().flat_map(|v| v.buckets).collect();
        let mut items = String::new();
        for (name, bucket) in buckets {
            let created =
                bucket.creation_date.as_deref().and_then(|d| d.parse::<jiff::Timestamp>().ok()).unwrap_or_default();
            let created = created.strftime("%Y-%m-%dT%H:%M:%S.000Z");
            items.push_str(&format!(
                "<Bucket><Name>{name}</Name><CreationDate>{created}</CreationDate><BucketRegion>{}</BucketRegion></Bucket>",
                bucket.region
            ));
        }
        let owner = &self.account;
        let body = format!(
            "<ListAllMyBucketsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>{owner}</ID></Owner>\
             <Buckets>{items}</Buckets></ListAllMyBucketsResult>"
        );
        response(200, "application/xml", body)
    }
}

/// What stands between an element's tags.
fn between<'a>(xml: &'a str, element: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{element}>"))?;
    Some(rest.split_once(&format!("</{element}>"))?.0)
}

/// The content of a body sent in chunks, each after a line with its length in hexadecimal, perhaps a signature, and checksums at the end.
fn unchunk(headers: &mut HeaderMap, body: Bytes) -> Bytes {
    let streaming = headers.get("x-amz-content-sha256").is_some_and(|v| v.as_bytes().starts_with(b"STREAMING-"));
    if !streaming {
        return body;
    }
    headers.remove(CONTENT_ENCODING);
    let (mut rest, mut content) = (body.clone(), Vec::new());
    loop {
        let Some(line) = rest.windows(2).position(|w| w == b"\r\n") else { return body };
        let size = rest[..line].split(|b| *b == b';').next().and_then(|s| std::str::from_utf8(s).ok());
        let Some(size) = size.and_then(|s| usize::from_str_radix(s, 16).ok()) else { return body };
        rest.advance(line + 2);
        if size == 0 {
            return content.into();
        }
        if rest.len() < size + 2 {
            return body;
        }
        content.extend_from_slice(&rest[..size]);
        rest.advance(size + 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined() {
        let mut headers = HeaderMap::new();
        let body =
            Bytes::from_static(b"5;chunk-signature=0\r\nhello\r\n1\r\n!\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n");
        assert_eq!(unchunk(&mut headers, body.clone()), body, "not marked as chunked");
        headers.insert("x-amz-content-sha256", HeaderValue::from_static("STREAMING-UNSIGNED-PAYLOAD-TRAILER"));
        assert_eq!(unchunk(&mut headers, body), "hello!");
    }
}
