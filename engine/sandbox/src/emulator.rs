//! The services together: which of them a request is for, and their state as one document.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use winterbaume_cloudwatchlogs::LogsStateView;
use winterbaume_core::{MockRequest, MockResponse, StateViewError};
use winterbaume_s3::S3StateView;

use super::ec2::{self, Ec2};
use super::iam::Iam;
use super::logs::{self, Logs};
use super::s3::S3;
use super::service::{Call, Own, Service, Tags};
use super::wire::{Fault, Params, decode};
use super::{ACCOUNT_ID, REGION};
use super::{services, sts, tagging};

/// The form of [`Document`]. A newer one is refused.
pub(super) const FORMAT: u32 = 2;

/// What `sandbox.json` holds.
#[derive(Serialize, Deserialize)]
pub(super) struct Document {
    pub(super) format: u32,
    #[serde(default)]
    ec2: BTreeMap<String, ec2::Region>,
    #[serde(default)]
    logs: BTreeMap<String, LogsStateView>,
    #[serde(default)]
    log_group_classes: BTreeMap<String, String>,
    #[serde(default)]
    log_parts: BTreeMap<String, logs::Parts>,
    #[serde(default)]
    s3: BTreeMap<String, S3StateView>,
    /// The other services' state, by service and region.
    #[serde(default)]
    services: BTreeMap<String, BTreeMap<String, Value>>,
}

/// A request, wherever it came from.
pub(super) struct Request {
    pub(super) method: String,
    /// The host that the client meant to talk to.
    pub(super) host: String,
    pub(super) path_and_query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The emulated account.
pub(super) struct Emulator {
    ec2: Arc<Ec2>,
    iam: Arc<Own<Iam>>,
    logs: Logs,
    s3: S3,
    services: BTreeMap<&'static str, Arc<dyn Service>>,
    /// The regions that requests have named.
    regions: Mutex<BTreeSet<String>>,
    changed: AtomicBool,
}

impl Emulator {
    /// `objects` is where the contents of S3's objects are kept.
    pub(super) fn new(objects: &Path) -> std::io::Result<Self> {
        // winterbaume keeps the account's id in one place for the whole process.
        winterbaume_core::set_default_account_id(ACCOUNT_ID);
        let ec2 = Arc::new(Ec2::default());
        let iam = Arc::new(Own::<Iam>::default());
        let mut services = services::all(&ec2);
        services.insert("iam", Arc::clone(&iam) as Arc<dyn Service>);
        Ok(Self {
            iam,
            logs: Logs::new(ACCOUNT_ID),
            s3: S3::new(ACCOUNT_ID, objects)?,
            services,
            ec2,
            regions: Mutex::default(),
            changed: AtomicBool::new(false),
        })
    }

    pub(super) async fn snapshot(&self) -> Result<Document, StateViewError> {
        let mut logs = BTreeMap::new();
        let regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for region in regions {
            let view = self.logs.snapshot(&region).await;
            logs.insert(region, view);
        }
        let mut services = BTreeMap::new();
        for (name, service) in &self.services {
            services.insert((*name).to_owned(), service.snapshot().await?);
        }
        Ok(Document {
            format: FORMAT,
            ec2: self.ec2.snapshot(),
            logs,
            log_group_classes: self.logs.classes(),
            log_parts: self.logs.parts(),
            s3: self.s3.snapshot().await,
            services,
        })
    }

    pub(super) async fn restore(&self, mut document: Document) -> Result<(), StateViewError> {
        for (name, service) in &self.services {
            service.restore(document.services.remove(*name).unwrap_or_default()).await?;
        }
        self.ec2.restore(document.ec2);
        self.regions.lock().unwrap_or_else(PoisonError::into_inner).extend(document.logs.keys().cloned());
        for (region, view) in document.logs {
            self.logs.restore(&region, view).await?;
        }
        self.logs.restore_classes(document.log_group_classes);
        self.logs.restore_parts(document.log_parts);
        self.s3.restore(document.s3).await
    }

    /// Forgets everything.
    pub(super) async fn clear(&self) -> Result<(), StateViewError> {
        let now = self.snapshot().await?;
        let logs: BTreeMap<_, _> = now.logs.into_keys().map(|region| (region, json!({}))).collect();
        let s3: BTreeMap<_, _> = now.s3.into_keys().map(|region| (region, json!({}))).collect();
        let empty = json!({"format": FORMAT, "logs": logs, "s3": s3});
        self.restore(serde_json::from_value(empty)?).await
    }

    /// Whether anything may have changed since this was last asked.
    pub(super) fn take_changed(&self) -> bool {
        self.changed.swap(false, Ordering::AcqRel)
    }

    /// A save failed, or state was put in from elsewhere: there is something to save.
    pub(super) fn set_changed(&self) {
        self.changed.store(true, Ordering::Release);
    }

    /// The objects of a region that bear tags, by ARN. Of those that belong to no region one region tells.
    async fn tagged(&self, region: &str) -> Vec<(String, Tags)> {
        let mut all = self.ec2.tagged(ACCOUNT_ID, region);
        let groups = self.logs.snapshot(region).await.log_groups.into_values();
        all.extend(groups.map(|g| (g.arn.trim_end_matches(":*").to_owned(), g.tags.into_iter().collect())));
        let buckets = self.s3.snapshot().await.remove(region).map(|view| view.buckets).unwrap_or_default();
        all.extend(buckets.into_iter().map(|(name, b)| (format!("arn:aws:s3:::{name}"), b.tags.into_iter().collect())));
        for service in self.services.values() {
            all.extend(service.tagged(region).await);
        }
        all
    }

    pub(super) async fn handle(&self, request: Request) -> MockResponse {
        let address = Address::of(&request);
        let service = address.service.as_str();
        let region = address.region.as_str();
        self.regions.lock().unwrap_or_else(PoisonError::into_inner).insert(region.to_owned());
        let target = request.headers.get("x-amz-target").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let operation = target.rsplit('.').next().unwrap_or_default();
        let form = Params::parse(if target.is_empty() && service != "s3" { &request.body } else { b"" });
        let action = form.get("Action").unwrap_or(operation);
        let reads = ["Describe", "Get", "List"].iter().any(|verb| action.starts_with(verb))
            || (action.is_empty() && ["GET", "HEAD"].contains(&request.method.as_str()));
        // The account's settings of S3 are signed for as S3 is, and told by their path.
        let service = match service {
            "s3" if request.path_and_query.starts_with("/v20180820/") => "s3control",
            other => other,
        };
        if let Some(known) = self.services.get(service) {
            let action = action.to_owned();
            let Request { method, path_and_query, headers, body, .. } = request;
            let region = region.to_owned();
            let call = Call { region, method, path_and_query, headers, body, action, form };
            let response = known.handle(call).await;
            if !reads {
                self.set_changed();
            }
            return response;
        }
        if (service, action) == ("tagging", "GetResources") {
            return tagging::resources(&request.body, self.tagged(region).await).unwrap_or_else(|fault| fault.json());
        }
        let forwarded =
            MockRequest { method: request.method, uri: String::new(), headers: request.headers, body: request.body };
        let response = match service {
            "ec2" => self.ec2.handle(ACCOUNT_ID, region, &forwarded.body, &self.iam),
            "logs" => self.logs.handle(region, operation, forwarded).await,
            "s3" => self.s3.handle(region, &address.s3_target(&request.path_and_query), forwarded).await,
            "sts" => self.iam.with(region, |iam| sts::handle(iam, &forwarded.headers, &form)),
            _ => not_implemented(service, action, &forwarded.headers),
        };
        if !reads {
            self.set_changed();
        }
        response
    }
}

/// In the form in which the client expects its errors.
fn not_implemented(service: &str, action: &str, headers: &HeaderMap) -> MockResponse {
    let what = if action.is_empty() { service.to_owned() } else { format!("{service}:{action}") };
    let fault = Fault::not_implemented(if what.is_empty() { "a request that names no service" } else { &what });
    let content_type = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if content_type.contains("x-www-form-urlencoded") {
        return fault.query_xml();
    }
    let mut response = fault.json();
    response.headers.insert("x-amzn-errortype", HeaderValue::from_static("NotImplemented"));
    response
}

/// Whom a request is for.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    service: String,
    region: String,
    /// The bucket, if it is in the host name.
    bucket: Option<String>,
}

impl Address {
    /// Every signed request names region and service in its signature's scope, wherever it is sent; a request without a signature is known by
    /// its host.
    fn of(request: &Request) -> Self {
        let header = request.headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok());
        let in_header = header.and_then(|h| h.split("Credential=").nth(1)).map(str::to_owned);
        let scope = in_header.or_else(|| {
            let query = request.path_and_query.split_once('?')?.1;
            query.split('&').find_map(|q| q.strip_prefix("X-Amz-Credential=")).map(decode)
        });
        let mut parts =
            scope.as_deref().and_then(|s| s.split([',', '&']).next()).unwrap_or_default().split('/').skip(2);
        let (region, service) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());

        let host = request.host.split(':').next().unwrap_or_default();
        let labels: Vec<&str> = host.strip_suffix(".amazonaws.com").map(|h| h.split('.').collect()).unwrap_or_default();
        let at = labels.iter().position(|l| *l == "s3" || l.starts_with("s3-"));
        let service = match (service, at) {
            ("", Some(_)) => "s3",
            ("", None) => labels.first().copied().unwrap_or_default(),
            (signed, _) => signed,
        };
        let bucket = at.filter(|at| *at > 0).map(|at| labels[..at].join("."));
        let region = if region.is_empty() {
            labels.iter().skip(1).find(|l| l.contains('-')).copied().unwrap_or(REGION)
        } else {
            region
        };
        Self { service: service.to_owned(), region: region.to_owned(), bucket }
    }

    fn s3_target(&self, path_and_query: &str) -> String {
        match &self.bucket {
            Some(bucket) => format!(
                "/{bucket}{}",
                path_and_query.strip_prefix("/?").map_or(path_and_query.to_owned(), |q| format!("?{q}"))
            ),
            None => path_and_query.to_owned(),
        }
    }
}

/// The host that a request was sent to, as its headers have it.
pub(super) fn host(headers: &HeaderMap, name: &str) -> Option<String> {
    let named = headers.get(name).or_else(|| headers.get(HOST));
    named.and_then(|v| v.to_str().ok()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str, path: &str, authorization: &str) -> Address {
        let mut headers = HeaderMap::new();
        if !authorization.is_empty() {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
        }
        Address::of(&Request {
            method: "GET".to_owned(),
            host: host.to_owned(),
            path_and_query: path.to_owned(),
            headers,
            body: Bytes::new(),
        })
    }

    #[test]
    fn the_signature_decides_and_the_host_is_second() {
        let signed =
            "AWS4-HMAC-SHA256 Credential=phx/20260101/eu-west-1/ec2/aws4_request, SignedHeaders=host, Signature=0";
        let cases = [
            ("127.0.0.1:4599", "/", signed, "ec2", "eu-west-1", None),
            ("sts.us-east-2.amazonaws.com", "/", "", "sts", "us-east-2", None),
            ("iam.amazonaws.com", "/", "", "iam", REGION, None),
            ("a.b.s3.us-east-2.amazonaws.com", "/k", "", "s3", "us-east-2", Some("a.b")),
            (
                "127.0.0.1:1",
                "/b/k?X-Amz-Credential=x%2F2%2Fus-east-2%2Fs3%2Faws4_request&y=1",
                "",
                "s3",
                "us-east-2",
                None,
            ),
            ("localhost", "/", "", "", REGION, None),
        ];
        for (host, path, authorization, service, region, bucket) in cases {
            let expected =
                Address { service: service.into(), region: region.into(), bucket: bucket.map(str::to_owned) };
            assert_eq!(address(host, path, authorization), expected, "{host}{path}");
        }
    }

    #[test]
    fn a_bucket_in_the_host_becomes_the_first_part_of_the_path() {
        let address = address("b.s3.us-west-2.amazonaws.com", "/", "");
        assert_eq!(address.s3_target("/"), "/b/");
        assert_eq!(address.s3_target("/?tagging"), "/b?tagging");
        assert_eq!(address.s3_target("/k/l?x"), "/b/k/l?x");
    }
}
