//! A store in an emulator, reached through an HTTP client that breaks what it is told to.
#![allow(dead_code, clippy::unwrap_used)] // each test file uses its part

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use aws_types::region::Region;
use phx_model::urn::ProjectName;
use phx_state::s3::InitOptions;
use phx_state::{S3Store, S3Url};
use phx_tests::emulator::Emulator;
use tokio::sync::Notify;

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives and is answered.
    Passes,
    /// It never arrives.
    Lost,
    /// It arrives, and its answer does not.
    AnswerLost,
    /// It is answered with this status, and has no effect.
    Refused(u16),
    /// It arrives, and is answered with this status.
    DoneAndRefused(u16),
    /// It arrives after so many milliseconds.
    Late(u64),
    /// It arrives, and half of the answer's body does not.
    Cut,
    /// It is throttled, in the service's own words.
    Throttled,
    /// It is refused with this code, in the service's own words.
    Says(&'static str),
    /// The process ends before it is sent.
    Crash,
    /// It arrives, and the process ends before its answer.
    CrashAfter,
}

/// Says what becomes of a request: its number from 0, and what it is (`PUT` or a DynamoDB operation's name).
pub(crate) type Decide = Arc<dyn Fn(u64, &str) -> Fate + Send + Sync>;

/// An HTTP client before a real one.
#[derive(Clone)]
pub(crate) struct Wire {
    real: SharedHttpClient,
    decide: Arc<Mutex<Decide>>,
    sent: Arc<AtomicU64>,
    log: Arc<Mutex<Vec<String>>>,
    /// Told when the process is to end.
    pub(crate) crashed: Arc<Notify>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    pub(crate) fn new() -> Self {
        Self {
            real: Builder::new().build_http(),
            decide: Arc::new(Mutex::new(Arc::new(|_, _| Fate::Passes))),
            sent: Arc::default(),
            log: Arc::default(),
            crashed: Arc::default(),
        }
    }

    /// Decides anew, counting requests from 0.
    pub(crate) fn decide(&self, decide: impl Fn(u64, &str) -> Fate + Send + Sync + 'static) {
        let mut current = self.decide.lock().unwrap();
        *current = Arc::new(decide);
        self.sent.store(0, Ordering::SeqCst);
        self.log.lock().unwrap().clear();
    }

    pub(crate) fn pass_all(&self) {
        self.decide(|_, _| Fate::Passes);
    }

    /// How many requests there were since it was last decided.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// Which they were.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let real = self.real.http_connector(settings, components);
        SharedHttpConnector::new(Line { wire: self.clone(), real })
    }
}

#[derive(Debug)]
struct Line {
    wire: Wire,
    real: SharedHttpConnector,
}

fn reset() -> ConnectorError {
    ConnectorError::io(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into())
}

fn throttled(json: bool) -> HttpResponse {
    let (status, body) = if json {
        (400, r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow down"}"#)
    } else {
        (503, "<Error><Code>SlowDown</Code><Message>slow down</Message></Error>")
    };
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
}

fn said(json: bool, code: &str) -> HttpResponse {
    let (status, body) = if json {
        (400_u16, format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"so it says"}}"#))
    } else {
        (404_u16, format!("<Error><Code>{code}</Code><Message>so it says</Message></Error>"))
    };
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
}

fn refusal(status: u16) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from("{}"))
}

impl HttpConnector for Line {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let what = request.headers().get("x-amz-target").and_then(|t| t.split('.').nth(1)).unwrap_or(request.method());
        let what = what.to_owned();
        let n = self.wire.sent.fetch_add(1, Ordering::SeqCst);
        let decide = Arc::clone(&*self.wire.decide.lock().unwrap());
        let fate = decide(n, &what);
        self.wire.log.lock().unwrap().push(format!("{what} {} {fate:?}", request.uri()));
        let (real, crashed) = (self.real.clone(), Arc::clone(&self.wire.crashed));
        let json = request.headers().get("x-amz-target").is_some();
        HttpConnectorFuture::new(async move {
            match fate {
                Fate::Passes => real.call(request).await,
                Fate::Lost => Err(reset()),
                Fate::AnswerLost => {
                    drain(real.call(request).await?).await;
                    Err(reset())
                }
                Fate::Refused(status) => Ok(refusal(status)),
                Fate::DoneAndRefused(status) => {
                    drain(real.call(request).await?).await;
                    Ok(refusal(status))
                }
                Fate::Late(ms) => {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    real.call(request).await
                }
                Fate::Throttled => Ok(throttled(json)),
                Fate::Says(code) => Ok(said(json, code)),
                Fate::Crash | Fate::CrashAfter => {
                    if fate == Fate::CrashAfter {
                        drain(real.call(request).await?).await;
                    }
                    crashed.notify_one();
                    std::future::pending().await
                }
                Fate::Cut => {
                    let mut answer = real.call(request).await?;
                    let body = drain_body(answer.take_body()).await;
                    let half = body[..body.len() / 2].to_vec();
                    Ok(answer.map(|_| SdkBody::from(half.clone())))
                }
            }
        })
    }
}

async fn drain(mut answer: HttpResponse) {
    drain_body(answer.take_body()).await;
}

async fn drain_body(body: SdkBody) -> Vec<u8> {
    aws_sdk_s3::primitives::ByteStream::new(body).collect().await.map(|b| b.to_vec()).unwrap_or_default()
}

/// The SDK's configuration for an emulator, with nothing of the environment in it.
pub(crate) fn config(emulator: &str, client: impl HttpClient + 'static) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
        .region(Region::new("us-west-2"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "test")))
        .http_client(client)
        .endpoint_url(emulator)
        .build()
}

/// A store of its own in an emulator, by its bucket's name.
pub(crate) fn store(emulator: &str, bucket: &str, parameters: &str, wire: &Wire) -> S3Store {
    let url = S3Url::parse(&format!("s3://{bucket}/team/phx?table={bucket}-table{parameters}")).unwrap();
    S3Store::new(&url, ProjectName::new("demo").unwrap(), &config(emulator, wire.clone())).unwrap()
}

/// An emulator that the tests that run side by side in a process share, each with a bucket and table of its own. It ends with the last of them.
pub(crate) fn shared(name: &str) -> Arc<Emulator> {
    static RUNNING: Mutex<BTreeMap<String, Weak<Emulator>>> = Mutex::new(BTreeMap::new());
    let mut running = RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(found) = running.get(name).and_then(Weak::upgrade) {
        return found;
    }
    let started = Arc::new(if name == "moto" { Emulator::moto() } else { Emulator::ministack() });
    running.insert(name.to_owned(), Arc::downgrade(&started));
    started
}

/// The name of a bucket that nobody else has.
pub(crate) fn fresh(name: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("phx-{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst))
}

/// A store with its bucket and table made.
pub(crate) struct Ready {
    pub(crate) store: S3Store,
    pub(crate) wire: Wire,
    pub(crate) bucket: String,
    parameters: String,
    pub(crate) emulator: Arc<Emulator>,
}

impl Ready {
    /// In the emulator of this name, with these parameters of the URL (`&ttl=2s`).
    pub(crate) async fn new(emulator: &str, name: &str, parameters: &str) -> Self {
        let (emulator, wire, bucket) = (shared(emulator), Wire::new(), fresh(name));
        let store = store(&emulator.url(), &bucket, parameters, &wire);
        store.init(&InitOptions::default()).await.unwrap();
        Self { store, wire, bucket, parameters: parameters.to_owned(), emulator }
    }

    /// To look at things or change them by hand, as somebody with the console would.
    pub(crate) fn by_hand(&self) -> ByHand {
        ByHand::new(&self.emulator, &self.bucket)
    }

    /// The same store as another process sees it: with a connection of its own that nobody breaks.
    pub(crate) fn other(&self) -> S3Store {
        self.over(&Wire::new())
    }

    /// The same store over another connection.
    pub(crate) fn over(&self, wire: &Wire) -> S3Store {
        store(&self.emulator.url(), &self.bucket, &self.parameters, wire)
    }
}

/// Somebody with the console.
pub(crate) struct ByHand {
    pub(crate) table: aws_sdk_dynamodb::Client,
    pub(crate) bucket: aws_sdk_s3::Client,
    name: String,
}

impl ByHand {
    pub(crate) fn new(emulator: &Emulator, bucket: &str) -> Self {
        let config = config(&emulator.url(), Wire::new());
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        Self {
            table: aws_sdk_dynamodb::Client::new(&config),
            bucket: aws_sdk_s3::Client::from_conf(s3),
            name: bucket.to_owned(),
        }
    }

    /// The objects' keys.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let found = self.bucket.list_objects_v2().bucket(&self.name).send().await.unwrap();
        found.contents.unwrap_or_default().into_iter().map(|o| o.key.unwrap()).collect()
    }

    pub(crate) async fn get(&self, key: &str) -> Vec<u8> {
        let found = self.bucket.get_object().bucket(&self.name).key(key).send().await.unwrap();
        found.body.collect().await.unwrap().to_vec()
    }

    pub(crate) async fn put(&self, key: &str, text: &str) {
        let body = aws_sdk_s3::primitives::ByteStream::from(text.as_bytes().to_vec());
        self.bucket.put_object().bucket(&self.name).key(key).body(body).send().await.unwrap();
    }

    /// The items, by their sort keys.
    pub(crate) async fn items(&self) -> BTreeMap<String, HashMap<String, AttributeValue>> {
        let mut pages = self.table.scan().table_name(format!("{}-table", self.name)).into_paginator().items().send();
        let mut items = BTreeMap::new();
        while let Some(item) = pages.next().await {
            let item = item.unwrap();
            items.insert(item["sk"].as_s().unwrap().clone(), item);
        }
        items
    }

    /// Everything there is, in a form for a file.
    pub(crate) async fn dump(&self) -> serde_json::Value {
        let mut items = serde_json::Map::new();
        for (sort, item) in self.items().await {
            let attributes = item.into_iter().filter(|(name, _)| name != "pk" && name != "sk").map(|(name, value)| {
                let value = match value {
                    AttributeValue::S(text) => serde_json::json!({ "S": text }),
                    AttributeValue::N(number) => serde_json::json!({ "N": number }),
                    AttributeValue::Bool(is) => serde_json::json!({ "BOOL": is }),
                    other => panic!("{name}: {other:?}"),
                };
                (name, value)
            });
            items.insert(sort, attributes.collect::<BTreeMap<_, _>>().into_iter().collect());
        }
        let mut objects = serde_json::Map::new();
        for key in self.keys().await {
            let text = String::from_utf8(self.get(&key).await).unwrap();
            objects.insert(key.strip_prefix("team/phx/demo/dev/").unwrap().to_owned(), text.into());
        }
        serde_json::json!({ "items": items, "objects": objects })
    }

    /// Puts everything of a file in place.
    pub(crate) async fn restore(&self, dump: &serde_json::Value) {
        for (sort, attributes) in dump["items"].as_object().unwrap() {
            let mut put = self.table.put_item().table_name(format!("{}-table", self.name));
            put = put.item("pk", self.partition()).item("sk", AttributeValue::S(sort.clone()));
            for (name, value) in attributes.as_object().unwrap() {
                let text = || value.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
                put = put.item(
                    name,
                    match value.as_object().unwrap().keys().next().unwrap().as_str() {
                        "S" => AttributeValue::S(text()),
                        "N" => AttributeValue::N(text()),
                        _ => AttributeValue::Bool(value["BOOL"].as_bool().unwrap()),
                    },
                );
            }
            put.send().await.unwrap();
        }
        for (name, text) in dump["objects"].as_object().unwrap() {
            self.put(&format!("team/phx/demo/dev/{name}"), text.as_str().unwrap()).await;
        }
    }

    fn partition(&self) -> AttributeValue {
        AttributeValue::S(format!("{}/team/phx/demo/dev", self.name))
    }

    /// Changes one attribute of an item.
    pub(crate) async fn set(&self, sort: &str, attribute: &str, value: AttributeValue) {
        let update = self.table.update_item().table_name(format!("{}-table", self.name));
        let update = update.key("pk", self.partition()).key("sk", AttributeValue::S(sort.to_owned()));
        let update = update.update_expression("SET #a = :v").expression_attribute_names("#a", attribute);
        update.expression_attribute_values(":v", value).send().await.unwrap();
    }

    /// Removes an item.
    pub(crate) async fn remove(&self, sort: &str) {
        let remove = self.table.delete_item().table_name(format!("{}-table", self.name));
        remove.key("pk", self.partition()).key("sk", AttributeValue::S(sort.to_owned())).send().await.unwrap();
    }
}
