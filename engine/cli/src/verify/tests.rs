//! Every kind of check against servers and commands of this machine.

use std::sync::atomic::{AtomicUsize, Ordering};

use phx_model::driver::{Created, Cx, Delta, Driver, Observed, Read, ReadTarget};
use phx_model::error::ErrorKind;
use phx_model::schema::Schema;
use phx_model::state::{IntentId, Record};
use phx_model::urn::StackName;
use phx_model::{Check, CloudError, Stack, ValueMap};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A thing in a made-up cloud.
#[derive(Clone, Debug, phx_model::Resource)]
#[resource(type = "test:unit:Database", identity = ClientToken)]
pub(super) struct Database {
    /// Its size.
    pub size: Option<phx_model::Input<i64>>,
    /// The zones, in any order.
    #[field(set)]
    pub zones: Option<phx_model::Input<Vec<String>>>,
    /// The password.
    #[field(secret)]
    pub password: Option<phx_model::Input<String>>,
}

/// What is decided of it.
#[derive(Clone, Debug, PartialEq, phx_model::Outputs)]
pub(super) struct DatabaseOutputs {
    /// How it is.
    pub status: String,
    /// Where it is.
    pub host: String,
    /// Where it is.
    pub port: i32,
    /// A secret.
    #[output(secret)]
    pub token: String,
}

/// Has one object, which is creating when it is first read and available from then on.
struct Cloud(AtomicUsize);

#[async_trait]
impl Driver for Cloud {
    fn schema(&self) -> &'static Schema {
        <Database as phx_model::Resource>::schema()
    }
    async fn read_many(&self, cx: &Cx, targets: &[ReadTarget<'_>]) -> Result<Vec<Read>, CloudError> {
        let n = self.0.fetch_add(1, Ordering::SeqCst);
        let status = if n == 0 { "creating" } else { "available" };
        assert!(cx.provider.is_home());
        Ok(targets
            .iter()
            .map(|target| match target.id {
                "db-1" => Read::Present(Observed {
                    fields: map(r#"{"size":20,"zones":["b","a"],"password":"hunter3"}"#),
                    outputs: map(&format!(r#"{{"status":"{status}","host":"x","port":1,"token":"t0ken"}}"#)),
                }),
                "denied" => Read::Failed(CloudError::local(ErrorKind::Denied, "not you").hint("ask")),
                _ => Read::Gone,
            })
            .collect())
    }
    async fn create(&self, _: &Cx, _: &ValueMap, _: &IntentId) -> Result<Created, CloudError> {
        unreachable!("checks create nothing")
    }
    async fn finish(&self, _: &Cx, _: &str, _: &ValueMap) -> Result<Option<ValueMap>, CloudError> {
        unreachable!("checks finish nothing")
    }
    async fn update(
        &self,
        _: &Cx,
        _: &str,
        _: &ValueMap,
        _: &std::collections::BTreeMap<String, Delta>,
    ) -> Result<Option<ValueMap>, CloudError> {
        unreachable!("checks update nothing")
    }
    async fn delete(&self, _: &Cx, _: &str, _: &ValueMap) -> Result<(), CloudError> {
        unreachable!("checks delete nothing")
    }
    async fn find(&self, _: &Cx, _: &ValueMap, _: &IntentId) -> Result<Option<Created>, CloudError> {
        unreachable!("checks look for nothing")
    }
}

fn map(json: &str) -> ValueMap {
    serde_json::from_str(json).unwrap()
}

fn stack() -> Stack {
    let name = |n: &str| StackName::new(n).unwrap();
    Stack::new(name("p"), name("s"), Default::default(), Default::default())
}

/// What the checks of a program come to, and the kinds of event that were told.
async fn verify(stack: Stack, state: &State) -> (Vec<Outcome>, Vec<String>) {
    let program = stack.finish();
    let mut registry = Registry::new();
    registry.add(Arc::new(Cloud(AtomicUsize::new(0))));
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = told.clone();
    let sink = move |event: &Event| {
        let json = serde_json::to_value(event).unwrap();
        heard.lock().unwrap().push(format!("{} {}", json["event"].as_str().unwrap(), json["check"].as_str().unwrap()));
    };
    let verifier = Verifier::new(&program, registry, Arc::new(sink)).in_folder("/");
    let verified = verifier.verify(state, &Interrupt::new()).await.unwrap();
    let outcomes = verifier.outcomes();
    assert_eq!(verified.passed + verified.failed, program.checks.len() as u64, "{outcomes:?}");
    let told = told.lock().unwrap().clone();
    (outcomes, told)
}

/// What one check comes to, tried once.
async fn once(check: impl Into<Check>) -> Outcome {
    within(check, Duration::ZERO).await
}

async fn within(check: impl Into<Check>, time: Duration) -> Outcome {
    let stack = stack();
    let check = Check { within: time, ..check.into() };
    stack.verify("it", check).unwrap();
    verify(stack, &State::empty("l")).await.0.remove(0)
}

#[track_caller]
fn passed(outcome: &Outcome) -> &str {
    match &outcome.verdict {
        Verdict::Passed { found } => found,
        other => panic!("{other:?}"),
    }
}

/// What was expected, what was found, and the hint.
#[track_caller]
fn failed(outcome: &Outcome) -> (&str, &str, &str) {
    match &outcome.verdict {
        Verdict::Failed { expected, found, hint } => (expected, found, hint.as_deref().unwrap_or_default()),
        other => panic!("{other:?}"),
    }
}

/// A server that answers every connection with the same text, once it has read something; the count of its connections.
async fn server(answer: &'static str, tls: Option<TlsAcceptor>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, count) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let tls = tls.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                match tls {
                    Some(tls) => {
                        let Ok(mut stream) = tls.accept(stream).await else { return };
                        let _ = stream.read(&mut request).await;
                        let _ = stream.write_all(answer.as_bytes()).await;
                        let _ = stream.shutdown().await;
                    }
                    None => {
                        let n = stream.read(&mut request).await.unwrap_or(0);
                        let answer = answer.replace("{request}", &String::from_utf8_lossy(&request[..n]));
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                }
            });
        }
    });
    (port, count)
}

fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("{}/src/verify/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn acceptor(certificate: &str) -> TlsAcceptor {
    let chain = CertificateDer::pem_slice_iter(fixture(certificate).as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(fixture("server.key").as_bytes()).unwrap();
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(crypto).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()))
}

/// A port of this machine at which nothing listens.
async fn closed_port() -> i32 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    i32::from(listener.local_addr().unwrap().port())
}

#[tokio::test]
async fn a_port_is_open_or_it_is_not() {
    let (port, _) = server("", None).await;
    for host in ["127.0.0.1", "https://127.0.0.1:1/x?y"] {
        let open = once(Check::tcp(host, i32::from(port))).await;
        assert_eq!(passed(&open), format!("port {port} accepts connections"));
        assert_eq!((open.subject.as_str(), open.attempts), (format!("127.0.0.1:{port}").as_str(), 1));
    }
    let closed = once(Check::tcp("127.0.0.1", closed_port().await)).await;
    let (expected, found, hint) = failed(&closed);
    assert!(expected.contains("accepts connections") && found.contains("refused"), "{closed:?}");
    assert!(hint.contains("nothing listens"), "{closed:?}");
    let nowhere = once(Check::tcp("no-such-host.invalid", 1)).await;
    assert!(failed(&nowhere).1.contains("does not resolve"), "{nowhere:?}");
}

#[tokio::test]
async fn what_comes_up_late_is_waited_for() {
    let port = closed_port().await;
    let check = within(Check::tcp("127.0.0.1", port), Duration::from_secs(20));
    let late = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        let listener = TcpListener::bind(("127.0.0.1", u16::try_from(port).unwrap())).await.unwrap();
        let _ = listener.accept().await;
        listener
    };
    let (outcome, _) = tokio::join!(check, late);
    passed(&outcome);
    assert!(outcome.attempts > 1, "{outcome:?}");
}

#[tokio::test]
async fn an_attempt_has_a_limit_and_so_has_the_whole() {
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let outcome = within(Check::http(url).timeout(Duration::from_millis(100)), Duration::from_secs(2)).await;
    assert_eq!(failed(&outcome).1, "no answer after 100 ms");
    assert!(outcome.attempts >= 2, "{outcome:?}");
}

#[tokio::test]
async fn names_have_addresses() {
    assert_eq!(passed(&once(Check::dns("localhost")).await).split(' ').next(), Some("the"));
    passed(&once(Check::dns("localhost").resolves_to(["127.0.0.1"])).await);
    let other = once(Check::dns("localhost").resolves_to(["192.0.2.7"])).await;
    let (expected, found, hint) = failed(&other);
    assert_eq!(expected, "the name resolves to 192.0.2.7");
    assert!(found.contains("127.0.0.1") && hint.contains("TTL"), "{other:?}");
    assert!(failed(&once(Check::dns("no-such-host.invalid")).await).1.contains("does not resolve"));
    let secret = phx_model::Input::from("192.0.2.7").secret();
    let hidden = once(Check::dns("localhost").resolves_to([secret])).await;
    assert_eq!(failed(&hidden).1, "it resolves to other addresses");
    assert!(!format!("{hidden:?}").contains("192.0.2.7"));
}

#[tokio::test]
async fn a_certificate_is_good_for_its_name_and_its_time() {
    let (port, _) = server("", Some(acceptor("good.pem"))).await;
    let port = i32::from(port);
    let trusted = |host: &str| Check::tls(host, port).roots(fixture("root.pem"));
    assert_eq!(passed(&once(trusted("localhost")).await), "a certificate that is good for localhost until 2120-01-01");
    passed(&once(trusted("127.0.0.1")).await);
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, fixture("root.pem"));
    passed(&once(Check::tls("localhost", port).roots(encoded).days_left(365)).await);

    let soon = once(trusted("localhost").days_left(60_000)).await;
    assert_eq!(failed(&soon).0, "TLS with a certificate that is good for localhost for 60000 days more");
    assert_eq!(failed(&soon).1, "it is good until 2120-01-01");
    let name = once(trusted("localhost").server_name("api.example")).await;
    assert_eq!(failed(&name).1, "its certificate is for localhost, 127.0.0.1, and not for api.example");
    let stranger = once(Check::tls("localhost", port)).await;
    let (_, found, hint) = failed(&stranger);
    assert!(
        (found.contains("authority that is not trusted") && hint.contains(".roots(PEM)"))
            || found.contains("trusts no authority"),
        "{stranger:?}"
    );
    let (expired, _) = server("", Some(acceptor("expired.pem"))).await;
    let expired = once(Check::tls("localhost", i32::from(expired)).roots(fixture("root.pem"))).await;
    assert_eq!(failed(&expired).1, "its certificate expired 2021-01-02");
    let (plain, _) = server("HTTP/1.1 400 Bad Request\r\n\r\n", None).await;
    let plain = once(Check::tls("localhost", i32::from(plain)).roots(fixture("root.pem"))).await;
    assert!(failed(&plain).1.starts_with("no TLS") && failed(&plain).2.contains("is it TLS"), "{plain:?}");
    for (roots, why) in [("x y", "neither PEM nor base64"), ("aGk=", "no certificate")] {
        let wrong = within(trusted("localhost").roots(roots), Duration::from_secs(60)).await;
        assert!(failed(&wrong).1.contains(why) && wrong.attempts == 0, "{wrong:?}");
    }
}

#[tokio::test]
async fn an_answer_over_http_is_looked_at() {
    let (port, count) = server(
        "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nX-Kind: good one\r\nConnection: close\r\n\r\nall is ready",
        None,
    )
    .await;
    let url = format!("http://127.0.0.1:{port}/healthz?deep=1");
    let check = || Check::http(url.clone());
    let plain = once(check()).await;
    assert_eq!((passed(&plain), plain.subject.as_str()), ("status 200", &*format!("GET {url}")));
    let all = check().status(200).status(204).body_contains("ready").answer_header("x-kind", "good");
    assert_eq!(passed(&once(all).await), r#"status 200 or 204, "good" in the header x-kind, "ready" in the body"#);
    assert_eq!(failed(&once(check().status(204)).await).1, "status 200: all is ready");
    let body = once(check().body_contains("happy")).await;
    assert_eq!(failed(&body).1, r#"status 200, and a body without "happy": all is ready"#);
    assert_eq!(
        failed(&once(check().answer_header("x-kind", "bad")).await).1,
        "status 200, and the header x-kind: good one"
    );
    assert_eq!(failed(&once(check().answer_header("x-none", "")).await).1, "status 200, and no header x-none");
    assert_eq!(count.load(Ordering::SeqCst), 6);

    let (port, _) =
        server("HTTP/1.1 301 Moved\r\nLocation: https://x.example/\r\nContent-Length: 0\r\n\r\n", None).await;
    let moved = once(Check::http(format!("http://localhost:{port}"))).await;
    assert_eq!(failed(&moved).1, "status 301, to https://x.example/");
    assert!(failed(&moved).2.contains("not followed"));
    let (port, _) = server("what?\n", None).await;
    assert!(failed(&once(Check::http(format!("http://localhost:{port}"))).await).1.starts_with("no answer over HTTP"));
    for (url, why) in [("http://a:b@x/", "user and a password"), ("http:///x", "URL")] {
        let wrong = within(Check::http(url), Duration::from_secs(60)).await;
        assert!(failed(&wrong).1.contains(why) && wrong.attempts == 0, "{wrong:?}");
    }
}

#[tokio::test]
async fn a_request_is_as_it_was_asked_for_and_goes_over_tls() {
    // The answer is the request.
    let (port, _) = server("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{request}", None).await;
    let url = format!("http://localhost:{port}/a?b=c");
    let host = format!("host: localhost:{port}");
    let echo = |check: phx_model::check::HttpCheck| once(check.header("x-key", "hunter2"));
    let sent = echo(Check::http(url.clone()).method("DELETE").body_contains("DELETE /a?b=c HTTP/1.1")).await;
    passed(&sent);
    passed(&echo(Check::http(url.clone()).body_contains(host).body_contains("x-key: hunter2")).await);
    passed(&echo(Check::http(url).body_contains("user-agent: phx/")).await);

    let (port, _) = server("HTTP/1.1 204 No Content\r\n\r\n", Some(acceptor("good.pem"))).await;
    let url = format!("https://localhost:{port}/");
    passed(&once(Check::http(url.clone()).roots(fixture("root.pem")).status(204)).await);
    let (other, _) = server("", Some(acceptor("other.pem"))).await;
    let other = once(Check::http(format!("https://localhost:{other}/")).roots(fixture("root.pem"))).await;
    assert_eq!(failed(&other).1, "its certificate is for other.example, and not for localhost");
}

#[tokio::test]
async fn commands_end_as_they_should() {
    let sh = |script: &str| Check::command("sh").args(["-c", script]);
    passed(&once(sh("test \"$PWD\" = / && test \"$KEY\" = v").env("KEY", "v")).await);
    passed(&once(sh("exit 7").exit_code(7)).await);
    passed(&once(sh("echo ready").prints("ready")).await);
    let wrong = once(sh("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $i; done; echo oops >&2; exit 3")).await;
    let (expected, found, _) = failed(&wrong);
    assert_eq!(expected, "exit code 0");
    assert!(found.starts_with("exit code 3, and it said:\n…\nline 4\n") && found.ends_with("line 12\noops"), "{found}");
    assert_eq!(failed(&once(sh("exit 1")).await).1, "exit code 1, and it said nothing");
    assert_eq!(failed(&once(sh("kill -9 $$")).await).1, "it was ended by signal 9, and it said nothing");
    assert_eq!(
        failed(&once(sh("echo steady").prints("ready.")).await).1,
        "exit code 0, and something else printed, and it said:\nsteady"
    );
    let none = within(Check::command("phx-no-such-command"), Duration::from_secs(60)).await;
    assert!(failed(&none).1.contains("cannot be run") && failed(&none).2.contains("PATH"), "{none:?}");
    assert_eq!(none.attempts, 1, "it will not be there later either");
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_ended_with_all_that_it_began() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alive");
    let script = format!("(sleep 1; touch {}) & sleep 100", file.display());
    let check = Check::command("sh").args(["-c", &script]).timeout(Duration::from_millis(200));
    let outcome = once(check).await;
    assert_eq!(failed(&outcome).1, "it was still running, and was ended after 200 ms");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(!file.exists(), "its child went on");
}

#[tokio::test]
async fn beside_an_emulator_commands_are_not_led_to_aws() {
    let stack = stack();
    let script =
        "test -z \"$PHX_PASSPHRASE\" && test -z \"$AWS_ACCESS_KEY_ID\" && test \"$AWS_CONFIG_FILE\" = /dev/null";
    stack.verify("it", Check::command("sh").args(["-c", script])).unwrap();
    let program = stack.finish();
    let verifier = Verifier::new(&program, Registry::new(), Arc::new(|_: &Event| {})).isolated(true);
    let verified = verifier.verify(&State::empty("l"), &Interrupt::new()).await.unwrap();
    assert_eq!(verified.passed, 1, "{:?}", verifier.outcomes());
}

#[tokio::test]
async fn an_emulators_objects_are_on_no_network() {
    let (stack, db, state) = recorded();
    stack.verify("it", Check::tcp(db.host(), closed_port().await).within(Duration::ZERO)).unwrap();
    stack.verify("own", Check::tcp("127.0.0.1", closed_port().await).within(Duration::ZERO)).unwrap();
    let verifier = Verifier::new(&stack.finish(), Registry::new(), Arc::new(|_: &Event| {})).isolated(true);
    verifier.verify(&state, &Interrupt::new()).await.unwrap();
    let outcomes = verifier.outcomes();
    assert!(failed(&outcomes[0]).2.contains("over no network"), "{outcomes:?}");
    assert!(failed(&outcomes[1]).2.contains("nothing listens"), "{outcomes:?}");
}

/// A stack with a recorded database, and its state.
fn recorded() -> (Stack, phx_model::Handle<Database>, State) {
    let stack = stack();
    let db = stack.add("db", Database::new()).unwrap();
    let mut state = State::empty("l");
    let outputs = [
        ("status".to_owned(), Value::String("old".into())),
        ("host".to_owned(), Value::String("127.0.0.1".into())),
        ("port".to_owned(), Value::Int(1)),
        ("token".to_owned(), Value::String("t0ken".into()).secret()),
    ];
    let record = Record { id: "db-1".into(), outputs: outputs.into(), ..Record::default() };
    state.resources.insert(db.urn().clone(), record);
    (stack, db, state)
}

#[tokio::test]
async fn objects_are_read_anew_and_compared() {
    let (stack, db, state) = recorded();
    let good = Check::resource(&db).field("status").equals("available").field("size").at_least(10);
    // A set has no order, and of an output and a field of one name the output counts.
    let good = good.field("zones").equals(phx_model::Input::from(["a", "b"])).field("zones[1]").equals("a");
    stack.verify("good", good).unwrap();
    stack
        .verify(
            "bad",
            Check::resource(&db).field("size").at_most(10).field("status").one_of(["x", "y"]).within(Duration::ZERO),
        )
        .unwrap();
    let secret =
        Check::resource(&db).field("password").equals("hunter2").field("token").is_unset().within(Duration::ZERO);
    stack.verify("secret", secret).unwrap();
    stack.verify("there", Check::existing::<Database>("db-1")).unwrap();
    stack.verify("gone", Check::existing::<Database>("db-2").within(Duration::ZERO)).unwrap();
    stack.verify("denied", Check::existing::<Database>("denied")).unwrap();
    let (outcomes, told) = verify(stack, &state).await;
    let [good, bad, secret, there, gone, denied] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!(passed(good), r#"status is "available", size is at least 10, zones is ["a","b"], zones[1] is "a""#);
    assert_eq!(good.urns, [db.urn().clone()]);
    assert!(failed(bad).1.starts_with("size: it is 20; status: it is \""), "{bad:?}");
    assert_eq!(failed(bad).0, r#"size is at most 10, status is one of "x", "y""#);
    assert_eq!(failed(secret).1, "password: it is (secret); token: it is (secret)");
    assert!(!format!("{outcomes:?}").contains("t0ken") && !format!("{outcomes:?}").contains("hunter3"));
    assert_eq!((passed(there), there.subject.as_str()), ("it exists", "test:unit:Database db-1"));
    assert_eq!(failed(gone).1, "it does not exist");
    assert_eq!((failed(denied).1, failed(denied).2), ("it cannot be read: not you", "ask"));
    assert_eq!(denied.attempts, 1);
    for event in ["check_started good", "check_passed good", "check_failed bad", "check_failed gone"] {
        assert!(told.iter().any(|t| t == event), "{told:?}");
    }
}

#[tokio::test]
async fn what_is_not_recorded_is_named_and_outputs_are_used() {
    let (stack, db, mut state) = recorded();
    let (port, _) = server("", None).await;
    let record = state.resources.get_mut(db.urn()).unwrap();
    record.outputs.insert("port".to_owned(), Value::Int(port.into()));
    stack.verify("open", Check::tcp(db.host(), db.port())).unwrap();
    let later = stack.add("later", Database::new()).unwrap();
    stack.verify("later", Check::tcp(later.host(), 1).within(Duration::from_secs(60))).unwrap();
    stack.verify("read", Check::resource(&later).within(Duration::from_secs(60))).unwrap();
    let wanted = stack.secret("absent").unwrap();
    stack.verify("secret", Check::command("true").env("X", wanted)).unwrap();
    let (outcomes, _) = verify(stack, &state).await;
    passed(&outcomes[0]);
    for outcome in &outcomes[1..3] {
        assert_eq!(failed(outcome).1, format!("{} is not in the state", later.urn()));
        assert!(failed(outcome).2.contains("phx up") && outcome.attempts <= 1);
    }
    assert_eq!(failed(&outcomes[3]).1, "the secret \"absent\" is not set for this stack");
    assert!(failed(&outcomes[3]).2.contains("phx secret set absent"));
}

#[tokio::test]
async fn secrets_are_not_in_what_is_told() {
    let (stack, db, state) = recorded();
    let script = "echo the token is $TOKEN and t0ken; exit 1";
    stack
        .verify("command", Check::command("sh").args(["-c", script]).env("TOKEN", db.token()).within(Duration::ZERO))
        .unwrap();
    let (port, _) = server("HTTP/1.1 500 No\r\nConnection: close\r\n\r\n{request}", None).await;
    let url = phx_model::format!("http://127.0.0.1:{}/{}", i64::from(port), db.token());
    stack.verify("url", Check::http(url).within(Duration::ZERO)).unwrap();
    let long = phx_model::Input::from("s3cret".repeat(50)).secret();
    stack.verify("argument", Check::command("false").arg(long.clone()).within(Duration::ZERO)).unwrap();
    stack
        .verify("body", Check::http(format!("http://127.0.0.1:{port}")).header("x", long).within(Duration::ZERO))
        .unwrap();
    let (outcomes, _) = verify(stack, &state).await;
    let said = format!("{outcomes:#?}");
    assert!(!said.contains("t0ken") && !said.contains("s3cret"), "{said}");
    assert_eq!(failed(&outcomes[0]).1, "exit code 1, and it said:\nthe token is (secret) and (secret)");
    assert_eq!(outcomes[1].subject, "GET (secret)");
    assert!(failed(&outcomes[1]).1.starts_with("status 500: GET /(secret) HTTP/1.1"), "{said}");
    assert_eq!(outcomes[2].subject, "false (secret)");
    assert!(failed(&outcomes[3]).1.contains("x: (secret)"), "{said}");
}

#[tokio::test]
async fn all_are_made_at_once_and_end_when_they_are_asked_to() {
    let stack = stack();
    for n in 0..PARALLEL + 4 {
        stack.verify(&format!("n{n}"), Check::command("sleep").arg("100").within(Duration::from_secs(60))).unwrap();
    }
    let program = stack.finish();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let sink = move |event: &Event| {
        if matches!(event, Event::CheckStarted { .. }) {
            tell.send(()).unwrap();
        }
    };
    let verifier = Verifier::new(&program, Registry::new(), Arc::new(sink));
    let interrupt = Interrupt::new();
    let (state, asking) = (State::empty("l"), interrupt.clone());
    let stop = async {
        for _ in 0..PARALLEL {
            told.recv().await.unwrap();
        }
        asking.drain();
    };
    let (verified, ()) = tokio::join!(verifier.verify(&state, &interrupt), stop);
    let verified = verified.unwrap();
    assert_eq!((verified.passed, verified.failed, verified.not_done), (0, 0, PARALLEL as u64 + 4));
    let tried = verifier.outcomes().iter().filter(|o| o.attempts > 0).count();
    assert_eq!(tried, PARALLEL, "no more than so many at once");
    assert!(
        Verifier::new(&Stack::finish(self::stack()), Registry::new(), Arc::new(|_: &Event| {}))
            .verify(&state, &Interrupt::new())
            .await
            .is_none()
    );
}
