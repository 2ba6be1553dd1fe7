//! `phx drift --watch`: a small process that looks again and again, and says over HTTP what it has found.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::exit::{Exit, describe};
use super::super::ui::Ui;
use super::metrics::Metrics;
use super::{Look, Outcome, tell};

/// From so many failed rounds in a row on, something is wrong with this process or its surroundings.
const UNHEALTHY: u32 = 3;
/// How many connections are served at once, and for how long each.
const CONNECTIONS: usize = 64;
const CONNECTION: Duration = Duration::from_secs(30);

/// What is served.
#[derive(Debug, Default)]
struct Served {
    metrics: Metrics,
    rounds: u64,
    /// Rounds in a row in which some look failed.
    failed: u32,
    /// What failed in the last one, as names: reasons are in the log.
    failing: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<Served>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Served> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks again and again until it is asked to stop.
pub(super) async fn watch(look: &Look<'_>, interval: Duration) -> anyhow::Result<Exit> {
    let shared = Shared::default();
    if let Some(path) = &look.args.metrics {
        shared.lock().metrics = Metrics::read_file(path)?;
    }
    let listener = TcpListener::bind(look.args.listen)
        .await
        .with_context(|| format!("listening on {}\n  hint: choose another address with --listen", look.args.listen))?;
    let address = listener.local_addr().context("asking for the server's own address")?;
    Ui::note(&format!("serving /metrics and /healthz on http://{address}\n"));
    let mut server = JoinSet::new();
    server.spawn(serve(listener, shared.clone()));
    loop {
        let began = Instant::now();
        let round = look.round().await;
        if look.interrupt.is_draining() {
            break;
        }
        let first = shared.lock().rounds == 0;
        match round {
            Ok(outcomes) => ended(look, &shared, outcomes)?,
            // What stands in the way of the very first round is most likely a mistake in the command.
            Err(error) if first => return Err(error),
            Err(error) => {
                Ui::note(&describe(&error));
                failed(&shared);
            }
        }
        if let Some(path) = &look.args.metrics {
            let written = shared.lock().metrics.write_file(path);
            if let Err(error) = written {
                Ui::note(&describe(&error));
            }
        }
        tokio::select! {
            biased;
            () = look.interrupt.draining() => break,
            () = tokio::time::sleep_until(began + interval) => {}
        }
    }
    server.shutdown().await;
    Ok(Exit::Done)
}

/// A round has come to its end: what it found takes the place of what was known, and is told.
fn ended(look: &Look<'_>, shared: &Shared, outcomes: Vec<Outcome>) -> anyhow::Result<()> {
    {
        let mut served = shared.lock();
        served.metrics.replace(outcomes.iter().map(|outcome| outcome.metrics(look.project)));
        served.rounds += 1;
        served.failing =
            outcomes.iter().filter(|o| o.failure().is_some()).map(|outcome| outcome.stack.to_string()).collect();
        served.failed = if served.failing.is_empty() { 0 } else { served.failed.saturating_add(1) };
    }
    if look.cx.ui.json {
        let stacks: Vec<_> = outcomes.iter().map(Outcome::json).collect();
        look.cx.ui.text(&format!("{}\n", json!({ "time": Timestamp::now(), "stacks": stacks })))?;
    }
    for outcome in outcomes {
        if let Some(error) = tell(&look.cx.ui, outcome) {
            Ui::note(&describe(&error));
        }
    }
    Ok(())
}

/// A round could not even begin. What was known stays, marked as out of date.
fn failed(shared: &Shared) {
    let mut served = shared.lock();
    served.rounds += 1;
    served.failed = served.failed.saturating_add(1);
    served.failing = vec!["the whole round".to_owned()];
    served.metrics.fail();
}

async fn serve(listener: TcpListener, shared: Shared) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS {
            connections.join_next().await;
        }
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            // Most likely there are too many open files; that passes.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let shared = shared.clone();
        connections.spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let response = answer(request.method(), request.uri().path(), &shared);
                async move { Ok::<_, Infallible>(response) }
            });
            // An error here is a client that went away, or that took too long.
            let _ =
                tokio::time::timeout(CONNECTION, http1::Builder::new().serve_connection(TokioIo::new(stream), service))
                    .await;
        });
    }
}

fn answer(method: &Method, path: &str, shared: &Shared) -> Response<Full<Bytes>> {
    let (status, body) = match (method, path) {
        (&Method::GET | &Method::HEAD, "/metrics") => (StatusCode::OK, shared.lock().metrics.text()),
        (&Method::GET | &Method::HEAD, "/healthz") => health(&shared.lock()),
        (_, "/metrics" | "/healthz") => (StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "there are /metrics and /healthz\n".to_owned()),
    };
    let kind = if path == "/metrics" && status == StatusCode::OK {
        "text/plain; version=0.0.4; charset=utf-8"
    } else {
        "text/plain; charset=utf-8"
    };
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn health(served: &Served) -> (StatusCode, String) {
    match (served.rounds, served.failed) {
        (0, _) => (StatusCode::OK, "ok: the first round is under way\n".to_owned()),
        (_, 0) => (StatusCode::OK, "ok\n".to_owned()),
        (_, n) => {
            let status = if n >= UNHEALTHY { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
            let rounds = crate::render::count(u64::from(n), "round");
            (status, format!("{rounds} in a row failed, the last one for: {}\n", served.failing.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    async fn get(shared: &Shared, path: &str) -> (u16, String) {
        let response = answer(&Method::GET, path, shared);
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn it_is_unhealthy_after_three_failed_rounds_and_well_again_after_a_good_one() {
        let shared = Shared::default();
        assert_eq!(get(&shared, "/healthz").await.0, 200);
        for (round, status) in [(1, 200), (2, 200), (3, 503), (4, 503)] {
            failed(&shared);
            assert_eq!(get(&shared, "/healthz").await.0, status, "after round {round}");
        }
        shared.lock().failed = 0;
        assert_eq!(get(&shared, "/healthz").await, (200, "ok\n".to_owned()));
        assert_eq!(get(&shared, "/metrics").await, (200, String::new()));
        assert_eq!(get(&shared, "/").await.0, 404);
        assert_eq!(answer(&Method::POST, "/metrics", &shared).status().as_u16(), 405);
    }
}
