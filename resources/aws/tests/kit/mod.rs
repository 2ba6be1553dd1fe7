//! What the tests of resource types stand on: drivers as the engine sees them, against an endpoint that the test scripts, or an emulator.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, unreachable_pub)] // tests; each of them uses a part of it

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use phx_aws::Aws;
use phx_aws::permissions::{self, Verb};
use phx_model::CloudError;
use phx_model::driver::{Created, Cx, Delta, Driver, Observed, Read, ReadTarget, Registry};
use phx_model::schema::{Schema, satisfied};
use phx_model::state::{IntentId, ProviderKey};
use phx_model::value::{Value, ValueMap};
use serde_json::json;

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub struct Request {
    /// The operation: what `X-Amz-Target` or `Action` names, or method and path (`POST /clusters`).
    pub operation: String,
    /// The path and the query: `/clusters/demo?x=y`.
    pub uri: String,
    /// The body: of JSON protocols as it is, of the query protocol a map of its parameters, of others its text.
    pub body: serde_json::Value,
}

/// What the endpoint does with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The protocol's JSON.
    Json(serde_json::Value),
    /// XML, whole.
    Xml(String),
    /// The query protocol's XML: what stands inside `<Operation>Result`, which is put around it.
    Query(String),
    /// An error of a service that answers in JSON.
    JsonError(u16, &'static str),
    /// The same with what it says.
    JsonErrorSaying(u16, &'static str, &'static str),
    /// An error of a service that answers in XML.
    XmlError(u16, &'static str),
    /// It took the request, and the connection broke.
    Lost,
}

type Script = dyn Fn(&Request, usize) -> Answer + Send + Sync;

/// An endpoint that answers as a function of the request and of how many came before it.
#[derive(Clone)]
struct Endpoint {
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Endpoint")
    }
}

impl HttpConnector for Endpoint {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = read_request(&request);
        let mut seen = self.seen.lock().unwrap();
        let answer = (self.script)(&request, seen.len());
        seen.push(request.clone());
        let respond = |status: u16, kind: &'static str, body: String| {
            let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
            response.headers_mut().insert("content-type", kind);
            response.headers_mut().insert("x-amzn-requestid", "req-1");
            response
        };
        let refuse = |status: u16, code: &'static str, message: &str| {
            let body = json!({"__type": code, "message": message}).to_string();
            let mut response = respond(status, "application/json", body);
            response.headers_mut().insert("x-amzn-errortype", code);
            response
        };
        let operation = &request.operation;
        HttpConnectorFuture::ready(match answer {
            Answer::Json(body) => Ok(respond(200, "application/json", body.to_string())),
            Answer::Xml(body) => Ok(respond(200, "text/xml", body)),
            Answer::Query(inside) => {
                let body = format!(
                    "<{operation}Response><{operation}Result>{inside}</{operation}Result></{operation}Response>"
                );
                Ok(respond(200, "text/xml", body))
            }
            Answer::JsonError(status, code) => Ok(refuse(status, code, "says AWS")),
            Answer::JsonErrorSaying(status, code, message) => Ok(refuse(status, code, message)),
            Answer::XmlError(status, code) => {
                let error = format!("<Error><Code>{code}</Code><Message>says AWS</Message></Error>");
                // S3 answers with the error itself, the query protocol and Route 53 with an envelope around it.
                let body = if request.body["Version"] == "2016-11-15" {
                    // EC2 has an envelope of its own.
                    format!("<Response><Errors>{error}</Errors><RequestID>req-1</RequestID></Response>")
                } else if request.body.is_object() || request.uri.starts_with("/2013-04-01/") {
                    format!("<ErrorResponse>{error}<RequestId>req-1</RequestId></ErrorResponse>")
                } else {
                    error
                };
                Ok(respond(status, "text/xml", body))
            }
            Answer::Lost => Err(ConnectorError::io("connection reset".into())),
        })
    }
}

fn read_request(request: &HttpRequest) -> Request {
    let text = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
    let uri = request.uri();
    let uri = uri.split_once("://").map_or(uri, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..])).to_owned();
    let (mut body, mut operation) = (serde_json::Value::String(text.clone()), None);
    if let Some(target) = request.headers().get("x-amz-target") {
        operation = target.rsplit('.').next().map(str::to_owned);
    }
    if let Ok(parsed) = serde_json::from_str::<serde_json::Value>(&text) {
        body = parsed;
    } else if text.starts_with("Action=") {
        let parameters = parameters(&text);
        operation = parameters.get("Action").cloned();
        body = json!(parameters);
    }
    let path = uri.split('?').next().unwrap_or_default();
    let operation = operation.unwrap_or_else(|| format!("{} {path}", request.method()));
    Request { operation, uri, body }
}

/// A form's parameters.
pub fn parameters(body: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| {
        let (mut out, mut bytes) = (Vec::new(), text.bytes());
        while let Some(byte) = bytes.next() {
            out.push(match byte {
                b'%' => {
                    let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
                }
                b'+' => b' ',
                other => other,
            });
        }
        String::from_utf8(out).unwrap()
    };
    body.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (decode(k), decode(v))).collect()
}

/// The resource types before one endpoint.
pub struct Bench {
    seen: Arc<Mutex<Vec<Request>>>,
    /// The way to it.
    pub aws: Aws,
    registry: Registry,
    /// What every verb is told.
    pub cx: Cx,
    running: Mutex<Vec<Doing>>,
}

/// A verb at work.
struct Doing {
    what: (String, Verb),
    /// What was at work at any time since, itself included.
    beside: Vec<(String, Verb)>,
}

/// The fields of an object, from JSON.
pub fn fields(json: serde_json::Value) -> ValueMap {
    match Value::from(json) {
        Value::Map(fields) => fields,
        other => panic!("not fields: {other:?}"),
    }
}

/// An intent. Different numbers are different intents of one stack.
pub fn intent(n: u32) -> IntentId {
    IntentId(format!("0f8f6f6e-1111-4222-8333-444455556666.0f8f6f6e-1111-4222-8333-444455556666.{n}"))
}

/// The types before an endpoint that the test scripts. Account 123456789012, us-west-2.
pub fn scripted(script: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) -> Bench {
    let endpoint = Endpoint { script: Arc::new(script), seen: Arc::default() };
    let seen = endpoint.seen.clone();
    let connector = SharedHttpConnector::new(endpoint);
    let aws = Aws::builder().http_client(http_client_fn(move |_, _| connector.clone()));
    bench(
        aws.credentials("key", "secret").account_id(Some("123456789012".into())).build(),
        seen,
        Duration::from_secs(2),
    )
}

/// The types before an emulator.
pub fn emulated(url: &str) -> Bench {
    let aws = Aws::builder().endpoint(url).credentials("test", "test").region(Some("us-west-2".into())).build();
    bench(aws, Arc::default(), Duration::from_secs(30))
}

/// The types before whatever `aws` leads to: us-west-2.
pub fn over(aws: Aws) -> Bench {
    bench(aws, Arc::default(), Duration::from_secs(30))
}

fn bench(aws: Aws, seen: Arc<Mutex<Vec<Request>>>, timeout: Duration) -> Bench {
    let mut registry = Registry::new();
    phx_aws::register(&mut registry, &aws);
    // A place that is named needs nothing of the environment.
    let cx = Cx::new(ProviderKey("us-west-2".into()), Arc::new(|_| {}), timeout);
    Bench { seen, aws, registry, cx, running: Mutex::default() }
}

impl Bench {
    /// A type's driver.
    pub fn driver(&self, name: &str) -> &Arc<dyn Driver> {
        self.registry.get(name).unwrap_or_else(|| panic!("{name} is not registered"))
    }

    /// What came so far.
    pub fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// The operations that were called so far.
    pub fn operations(&self) -> Vec<String> {
        self.requests().into_iter().map(|r| r.operation).collect()
    }

    /// Does something with an object, whose every call the type's permissions must tell of.
    async fn permitted<T>(&self, name: &str, verb: Verb, doing: impl Future<Output = T>) -> T {
        // What goes on at the same time makes calls too.
        let begin = |running: &mut Vec<Doing>| {
            running.iter_mut().for_each(|other| other.beside.push((name.to_owned(), verb)));
            let at_work = running.iter().map(|other| other.what.clone());
            let beside = at_work.chain([(name.to_owned(), verb)]).collect();
            running.push(Doing { what: (name.to_owned(), verb), beside });
        };
        begin(&mut self.running.lock().unwrap());
        let before = self.aws.api_calls_by_operation();
        let done = doing.await;
        let calls = self.aws.api_calls_by_operation();
        let beside = {
            let mut running = self.running.lock().unwrap();
            let own = running.iter().position(|one| one.what == (name.to_owned(), verb)).unwrap();
            running.remove(own).beside
        };
        let told = |operation: &str| beside.iter().any(|(name, verb)| permissions::covers(name, *verb, operation));
        let made = calls.iter().filter(|(operation, n)| before.get(*operation) != Some(*n));
        let untold: Vec<&String> = made.map(|(operation, _)| operation).filter(|o| !told(o)).collect();
        assert!(untold.is_empty(), "permissions/ does not say that {name} calls {untold:?} to {verb}");
        done
    }

    /// Reads objects.
    pub async fn read(&self, name: &str, targets: &[(&str, &ValueMap)]) -> Vec<Read> {
        let targets: Vec<_> = targets.iter().map(|(id, inputs)| ReadTarget { id, inputs }).collect();
        let before = self.operations().len();
        let reading = self.driver(name).read_many(&self.cx, &targets);
        let found = self.permitted(name, Verb::Read, reading).await.unwrap();
        // An emulator's calls are not counted.
        if (99..=102).contains(&targets.len()) && !self.operations().is_empty() {
            let calls = self.operations().len() - before;
            let known: Vec<usize> = phx_aws::read_calls::of(name).iter().map(|known| known.calls).collect();
            assert!(
                known.contains(&calls),
                "{name}: reading {} takes {calls} calls; read-calls.tsv says {known:?}",
                targets.len()
            );
        }
        found
    }

    /// Creates and finishes an object.
    pub async fn create(&self, name: &str, want: &serde_json::Value, n: u32) -> Result<Created, CloudError> {
        let (driver, want) = (self.driver(name), fields(want.clone()));
        let mut made = self.permitted(name, Verb::Create, driver.create(&self.cx, &want, &intent(n))).await?;
        if !made.complete
            && let Some(outputs) = self.permitted(name, Verb::Create, driver.finish(&self.cx, &made.id, &want)).await?
        {
            made.outputs = outputs;
        }
        Ok(made)
    }

    /// Reads one object, which must be there and be as `want` says.
    pub async fn settled(&self, name: &str, id: &str, want: &serde_json::Value) -> Observed {
        let want = fields(want.clone());
        let read = self.read(name, &[(id, &want)]).await.remove(0);
        let Read::Present(observed) = read else { panic!("{name} {id} is not there: {read:?}") };
        let differing = differing(self.driver(name).schema(), &observed, &want);
        assert!(differing.is_empty(), "{name} {id} differs from what is wanted: {differing:#?}");
        observed
    }

    /// A whole life on an emulator: created, found by its intent, read back without a difference, changed to each of `changes` in turn, deleted twice. Returns
    /// the outputs that it had after its creation.
    pub async fn life(&self, name: &str, want: serde_json::Value, changes: &[serde_json::Value]) -> ValueMap {
        let made = self.create(name, &want, 1).await.unwrap_or_else(|e| panic!("{name} is not created: {e:?}"));
        let (id, driver) = (made.id.as_str(), self.driver(name));
        self.settled(name, id, &want).await;
        let wanted = fields(want.clone());
        let found = self.permitted(name, Verb::Create, driver.find(&self.cx, &wanted, &intent(1))).await;
        let found = found.unwrap_or_else(|e| panic!("{name} cannot be looked for: {e:?}"));
        assert_eq!(found.map(|f| f.id).as_deref(), Some(id), "{name} is not found by its intent");
        let mut have = want;
        for change in changes {
            self.update(name, id, &have, change).await;
            self.settled(name, id, change).await;
            have = change.clone();
        }
        // Being adopted, everything is read, without a failure.
        let all = self.read(name, &[(id, &ValueMap::new())]).await.remove(0);
        assert!(matches!(all, Read::Present(_)), "{name} {id} cannot be adopted: {all:?}");
        self.deleted(name, id, &have).await;
        made.outputs
    }

    /// Updates an object from what it was declared to be to something else.
    pub async fn update(&self, name: &str, id: &str, have: &serde_json::Value, want: &serde_json::Value) {
        let driver = self.driver(name);
        let (before, after) = (fields(have.clone()), fields(want.clone()));
        let Read::Present(observed) = self.read(name, &[(id, &before)]).await.remove(0) else {
            panic!("{name} {id} is not there");
        };
        let change = differing(driver.schema(), &observed, &after);
        for field in change.keys() {
            let schema = driver.schema().field(field).unwrap();
            assert!(!schema.replace, "{name}.{field} cannot be updated: a change replaces the object");
        }
        assert!(!change.is_empty(), "{name}: nothing changes from {have} to {want}");
        let updated = self.permitted(name, Verb::Update, driver.update(&self.cx, id, &after, &change)).await;
        updated.unwrap_or_else(|e| panic!("{name} {id} is not updated: {e:?}"));
    }

    /// Deletes an object, twice: the second time it is gone already.
    pub async fn deleted(&self, name: &str, id: &str, want: &serde_json::Value) {
        let (driver, want) = (self.driver(name), fields(want.clone()));
        for time in ["first", "second"] {
            let deleted = self.permitted(name, Verb::Delete, driver.delete(&self.cx, id, &want)).await;
            deleted.unwrap_or_else(|e| panic!("{name} {id} is not deleted the {time} time: {e:?}"));
        }
        let read = self.read(name, &[(id, &want)]).await.remove(0);
        assert!(matches!(read, Read::Gone), "{name} {id} is still there: {read:?}");
    }
}

/// The fields in which an object differs from what is wanted, as the engine would tell a driver to change them.
fn differing(schema: &Schema, observed: &Observed, want: &ValueMap) -> BTreeMap<String, Delta> {
    let mut deltas = BTreeMap::new();
    for field in schema.fields.iter().filter(|f| !f.write_only) {
        let (there, wanted) = (observed.fields.get(field.name), want.get(field.name));
        let there = there.cloned().unwrap_or(Value::Null);
        let wanted = match wanted {
            Some(wanted) => wanted.clone(),
            // What is not wished for and AWS fills in is no difference.
            None if field.cloud_default => continue,
            None => Value::Null,
        };
        if !satisfied(field, &wanted, &there) {
            deltas.insert(field.name.to_owned(), Delta { before: there, after: wanted });
        }
    }
    deltas
}
