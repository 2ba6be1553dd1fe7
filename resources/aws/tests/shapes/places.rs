//! Other accounts by an assumed role, as it goes over the wire.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use phx_aws::Aws;
use phx_model::driver::{Cx, Places as _, Registry};
use phx_model::error::ErrorKind;
use phx_model::provider::Provider;
use phx_model::state::ProviderKey;
use serde_json::json;

use crate::kit::{self, fields, intent};

const ROLE: &str = "arn:aws:iam::210987654321:role/phx";

/// What AWS saw of one request.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    operation: String,
    /// The access key and the region that it was signed with.
    signed: (String, String),
    form: BTreeMap<String, String>,
}

/// A form's status and answer.
type Sts = dyn Fn(&BTreeMap<String, String>) -> (u16, String) + Send + Sync;

/// AWS, of which STS answers so.
#[derive(Clone)]
struct Endpoint {
    sts: Arc<Sts>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Endpoint")
    }
}

impl HttpConnector for Endpoint {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let text = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let form = kit::parameters(&text);
        let target = request.headers().get("x-amz-target").and_then(|t| t.rsplit('.').next());
        let operation = target.map(str::to_owned).or(form.get("Action").cloned()).unwrap();
        let credential = request.headers().get("authorization").unwrap().split("Credential=").nth(1).unwrap();
        let scope: Vec<&str> = credential.split(',').next().unwrap().split('/').collect();
        let signed = (scope[0].to_owned(), scope[2].to_owned());
        let (status, body) = match operation.as_str() {
            "AssumeRole" => (self.sts)(&form),
            "GetCallerIdentity" => {
                let account = if signed.0 == "key" { "123456789012" } else { "210987654321" };
                let inside =
                    format!("<Arn>arn:aws:sts::{account}:x</Arn><UserId>u</UserId><Account>{account}</Account>");
                (
                    200,
                    format!(
                        "<GetCallerIdentityResponse><GetCallerIdentityResult>{inside}</GetCallerIdentityResult></GetCallerIdentityResponse>"
                    ),
                )
            }
            _ => (200, "{}".to_owned()),
        };
        self.seen.lock().unwrap().push(Seen { operation, signed, form });
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        response.headers_mut().insert("x-amzn-requestid", "req-1");
        HttpConnectorFuture::ready(Ok(response))
    }
}

/// A session that ends then.
fn session(key: &str, ends: &str) -> (u16, String) {
    let parts =
        format!("<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>");
    let body = format!(
        "<AssumeRoleResponse><AssumeRoleResult><Credentials>{parts}<Expiration>{ends}</Expiration></Credentials>\
         <AssumedRoleUser><Arn>arn:aws:sts::210987654321:assumed-role/phx/s</Arn><AssumedRoleId>A:s</AssumedRoleId></AssumedRoleUser>\
         </AssumeRoleResult></AssumeRoleResponse>"
    );
    (200, body)
}

fn aws(
    sts: impl Fn(&BTreeMap<String, String>) -> (u16, String) + Send + Sync + 'static,
) -> (Aws, Arc<Mutex<Vec<Seen>>>) {
    let endpoint = Endpoint { sts: Arc::new(sts), seen: Arc::default() };
    let seen = endpoint.seen.clone();
    let connector = SharedHttpConnector::new(endpoint);
    let aws = Aws::builder().http_client(http_client_fn(move |_, _| connector.clone())).credentials("key", "secret");
    (aws.region(Some("us-west-2".into())).account_id(Some("123456789012".into())).build(), seen)
}

fn key(text: &str) -> ProviderKey {
    ProviderKey(text.to_owned())
}

fn provider() -> Provider {
    let role = Provider::new().region("eu-west-1").assume_role(ROLE).external_id("tenant-7");
    role.session_name("phx-dev").session_tag("team", "platform")
}

fn defined(aws: &Aws, provider: Provider) {
    aws.define(&[(key("210987654321/eu-west-1@tenant"), provider)].into());
}

async fn make(aws: &Aws, place: &str, name: &str) -> phx_model::driver::Created {
    let mut registry = Registry::new();
    phx_aws::register(&mut registry, aws);
    let cx = Cx::new(key(place), Arc::new(|_| {}), std::time::Duration::from_secs(9));
    let want = fields(json!({"log_group_name": name}));
    registry.get("aws:logs:LogGroup").unwrap().create(&cx, &want, &intent(1)).await.unwrap()
}

#[tokio::test]
async fn a_role_is_assumed_once_for_all_regions_and_services_of_its_account() {
    let (aws, seen) = aws(|_| session("theirs", "2099-01-01T00:00:00Z"));
    defined(&aws, provider());
    let made = make(&aws, "210987654321/eu-west-1@tenant", "/a").await;
    assert_eq!(made.outputs["arn"].as_str(), Some("arn:aws:logs:eu-west-1:210987654321:log-group:/a"));
    let made = make(&aws, "210987654321/us-east-1@tenant", "/b").await;
    assert_eq!(made.outputs["arn"].as_str(), Some("arn:aws:logs:us-east-1:210987654321:log-group:/b"));
    let made = make(&aws, "us-east-1", "/c").await;
    assert_eq!(made.outputs["arn"].as_str(), Some("arn:aws:logs:us-east-1:123456789012:log-group:/c"));
    aws.open(&BTreeSet::from([key("210987654321/eu-west-1@tenant"), key("210987654321/us-east-1@tenant")]))
        .await
        .unwrap();
    let seen = seen.lock().unwrap();
    let told: Vec<(&str, &str, &str)> =
        seen.iter().map(|s| (s.operation.as_str(), s.signed.0.as_str(), s.signed.1.as_str())).collect();
    assert_eq!(
        told,
        [
            ("AssumeRole", "key", "us-west-2"),
            ("CreateLogGroup", "theirs", "eu-west-1"),
            ("CreateLogGroup", "theirs", "us-east-1"),
            ("CreateLogGroup", "key", "us-east-1"),
            ("GetCallerIdentity", "theirs", "eu-west-1"),
        ]
    );
    let form = |name: &str| seen[0].form[name].as_str();
    assert_eq!((form("RoleArn"), form("RoleSessionName"), form("ExternalId")), (ROLE, "phx-dev", "tenant-7"));
    assert_eq!((form("Tags.member.1.Key"), form("Tags.member.1.Value")), ("team", "platform"));
    assert_eq!((aws.api_calls_by_operation()["sts:AssumeRole"], aws.api_calls()), (1, 5));
}

#[tokio::test]
async fn a_session_that_ends_is_renewed_and_another_role_is_another_session() {
    let soon = |form: &BTreeMap<String, String>| {
        let key = form["RoleArn"].rsplit('/').next().unwrap().to_owned();
        session(&key, "2001-01-01T00:00:00Z")
    };
    let (aws, seen) = aws(soon);
    defined(&aws, provider());
    for name in ["/a", "/b"] {
        make(&aws, "210987654321/eu-west-1@tenant", name).await;
    }
    defined(&aws, provider());
    defined(&aws, provider().assume_role("arn:aws:iam::210987654321:role/other"));
    make(&aws, "210987654321/eu-west-1@tenant", "/c").await;
    let told: Vec<String> = seen.lock().unwrap().iter().map(|s| format!("{} {}", s.operation, s.signed.0)).collect();
    let each = |role: &str| ["AssumeRole key".to_owned(), format!("CreateLogGroup {role}")];
    assert_eq!(told, [each("phx"), each("phx"), each("other")].concat());
}

#[tokio::test]
async fn a_role_that_cannot_be_assumed_is_named_with_what_aws_says() {
    let refused = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: me is not authorized</Message></Error><RequestId>req-7</RequestId></ErrorResponse>";
    let (aws, seen) = aws(|_| (403, refused.to_owned()));
    defined(&aws, provider());
    let error = aws.open(&BTreeSet::from([key("210987654321/eu-west-1@tenant")])).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Denied, Some("AccessDenied")), "{error:?}");
    let said = error.to_string();
    for part in [
        ROLE,
        "\"tenant\"",
        "sts:AssumeRole",
        "User: me is not authorized",
        "(request req-1)",
        "hint: its trust policy",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("tenant-7"), "{said}");
    assert_eq!(seen.lock().unwrap().len(), 1, "what is refused is not asked again");
    let nobody = aws.open(&BTreeSet::from([key("210987654321/eu-west-1@nobody")])).await.unwrap_err();
    assert!(nobody.to_string().contains("nothing says what the place"), "{nobody}");
    let elsewhere = aws.region(&key("999999999999/eu-west-1")).await.unwrap_err();
    assert!(elsewhere.to_string().contains("is not the stack's"), "{elsewhere}");
}
