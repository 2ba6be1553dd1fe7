//! `phx sandbox start`, `stop`, `status` and `reset`: the sandbox as an HTTP server on 127.0.0.1.

use std::convert::Infallible;
use std::fs::{self, File};
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request as HttpRequest, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::client::{HOST_HEADER, exchange};
use super::emulator::{Request, host};
use super::{
    ACCESS_KEY_ID, ACCOUNT_ID, Here, Holder, Lock, OBJECTS_DIR, REGION, Result, SECRET_ACCESS_KEY, STATE_FILE,
    SandboxError, doing, take,
};

/// Where a server listens unless told otherwise.
pub const DEFAULT_PORT: u16 = 4599;

const LOG_FILE: &str = "sandbox.log";
/// The server's own requests. No bucket can have this name.
const OWN: &str = "/_phx/";
const TOKEN_HEADER: &str = "x-phx-token";
/// How long a server may take to come up, to answer, or to go.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// What a server says about itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Health {
    pid: u32,
    dir: PathBuf,
}

/// Whether a sandbox is in use, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// By nobody.
    Stopped,
    /// By a run of phx.
    Run {
        /// Its process.
        pid: u32,
    },
    /// By a server, which answers.
    Server {
        /// Its process.
        pid: u32,
        /// Its port on 127.0.0.1.
        port: u16,
    },
}

impl Status {
    /// The server's address.
    pub fn endpoint(&self) -> Option<String> {
        match self {
            Self::Server { port, .. } => Some(endpoint(*port)),
            _ => None,
        }
    }

    /// What to set in the environment for the aws CLI and other tools to use the server.
    pub fn exports(&self) -> Vec<(&'static str, String)> {
        let Some(endpoint) = self.endpoint() else { return Vec::new() };
        vec![
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ]
    }
}

pub(super) fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn failed(what: impl Into<String>) -> SandboxError {
    SandboxError::Server { what: what.into() }
}

/// Serves the sandbox in `dir` on 127.0.0.1 until `until` ends, a `stop` comes in, or SIGTERM or Ctrl-C; then saves it.
/// Port 0 takes any that is free. `ready` is called with the port once requests are answered.
pub async fn serve(dir: &Path, port: u16, ready: impl FnOnce(u16), until: impl Future<Output = ()>) -> Result<()> {
    let in_use = |holder: Holder| SandboxError::InUse { dir: dir.to_owned(), pid: holder.pid };
    let lock = take(dir).await?.map_err(in_use)?;
    let token = uuid::Uuid::new_v4().to_string();
    let mut holder = Holder { pid: std::process::id(), port: None, server: true, token: token.clone() };
    let here = Here::open(lock, holder.clone()).await?;

    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await;
    let listener = listener.map_err(|e| {
        failed(format!("cannot listen on 127.0.0.1:{port}: {e}\n  hint: choose another port with --port"))
    })?;
    let port = doing(|| "read the server's own address".to_owned(), listener.local_addr())?.port();
    holder.port = Some(port);
    holder.write(dir)?;
    ready(port);

    let server = Arc::new(Server { dir: dir.to_owned(), token, here, stop: Notify::new() });
    let mut connections = JoinSet::new();
    let signals = signals();
    tokio::pin!(until, signals);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut until => break,
            () = &mut signals => break,
            () = server.stop.notified() => break,
        };
        // A connection that fails before it is one is nobody's loss.
        let Ok((stream, _)) = stream else { continue };
        let shared = Arc::clone(&server);
        connections.spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&shared), request));
            // An error here is a client that went away.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    // What is being answered is answered; idle connections are cut.
    let _ =
        tokio::time::timeout(Duration::from_millis(200), async { while connections.join_next().await.is_some() {} })
            .await;
    connections.shutdown().await;
    match Arc::try_unwrap(server) {
        Ok(server) => server.here.close().await,
        Err(server) => server.here.save().await,
    }
}

struct Server {
    dir: PathBuf,
    token: String,
    here: Here,
    stop: Notify,
}

async fn answer(
    server: Arc<Server>,
    request: HttpRequest<Incoming>,
) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let path_and_query = head.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    if let Some(own) = path_and_query.strip_prefix(OWN) {
        return Ok(server.own(head.method.as_str(), own, &head.headers).await);
    }
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(e) => return Ok(plain(StatusCode::BAD_REQUEST, e.to_string())),
    };
    let request = Request {
        method: head.method.to_string(),
        host: host(&head.headers, HOST_HEADER).unwrap_or_default(),
        path_and_query,
        headers: head.headers,
        body,
    };
    let answer = server.here.emulator.handle(request).await;
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = answer.headers;
    let id = HeaderValue::from_str(&super::wire::request_id());
    response.headers_mut().extend(id.ok().map(|id| (http::HeaderName::from_static("x-amzn-requestid"), id)));
    Ok(response)
}

impl Server {
    async fn own(&self, method: &str, path: &str, headers: &HeaderMap) -> Response<Full<Bytes>> {
        if (method, path) == ("GET", "health") {
            let health = Health { pid: std::process::id(), dir: self.dir.clone() };
            return plain(
                StatusCode::OK,
                serde_json::json!({"pid": health.pid, "dir": health.dir, "account": ACCOUNT_ID}).to_string(),
            );
        }
        if headers.get(TOKEN_HEADER).is_none_or(|t| t.as_bytes() != self.token.as_bytes()) {
            return plain(StatusCode::FORBIDDEN, "not for you".to_owned());
        }
        match (method, path) {
            ("POST", "stop") => {
                self.stop.notify_one();
                plain(StatusCode::OK, String::new())
            }
            ("POST", "reset") => match self.here.reset().await {
                Ok(()) => plain(StatusCode::OK, String::new()),
                Err(e) => plain(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()),
            },
            _ => plain(StatusCode::NOT_FOUND, String::new()),
        }
    }
}

fn plain(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
}

/// Ends with the first signal that asks the process to end.
async fn signals() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut term) = signal(SignalKind::terminate()) {
            tokio::select! { _ = term.recv() => {}, _ = tokio::signal::ctrl_c() => {} }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

async fn own(port: u16, method: &str, path: &str, token: &str) -> std::result::Result<Bytes, String> {
    let mut headers = HeaderMap::new();
    headers.extend(HeaderValue::from_str(token).ok().map(|t| (http::HeaderName::from_static(TOKEN_HEADER), t)));
    let request = Request {
        method: method.to_owned(),
        host: String::new(),
        path_and_query: format!("{OWN}{path}"),
        headers,
        body: Bytes::new(),
    };
    let exchanged = tokio::time::timeout(PATIENCE, exchange(port, request)).await;
    let response = exchanged.map_err(|_| format!("no answer within {PATIENCE:?}"))?.map_err(|e| e.to_string())?;
    match response.status() {
        StatusCode::OK => Ok(response.into_body()),
        status => Err(format!("{status}: {}", String::from_utf8_lossy(response.body()))),
    }
}

/// Whether the holder is a server, answers, and is the one of this very directory: a pid or a port alone may be another's by now.
async fn ours(dir: &Path, holder: &Holder) -> std::result::Result<u16, String> {
    let port = holder.port.ok_or("it does not listen yet")?;
    let answer = own(port, "GET", "health", "").await?;
    let health: Health = serde_json::from_slice(&answer).map_err(|_| format!("127.0.0.1:{port} is not a sandbox"))?;
    let same = |a: &Path, b: &Path| fs::canonicalize(a).ok() == fs::canonicalize(b).ok();
    if health.pid == holder.pid && same(&health.dir, dir) {
        Ok(port)
    } else {
        Err(format!("127.0.0.1:{port} is the sandbox in {} of process {}", health.dir.display(), health.pid))
    }
}

/// The port of the server that has the sandbox in `dir`, which is known to be in use. A server that is just starting is waited for.
pub(super) async fn running(dir: &Path) -> Result<u16> {
    let began = Instant::now();
    loop {
        let reason = match Holder::read(dir) {
            Some(holder) if !holder.server => return Err(SandboxError::InUse { dir: dir.to_owned(), pid: holder.pid }),
            Some(holder) => match ours(dir, &holder).await {
                Ok(port) => return Ok(port),
                Err(reason) => reason,
            },
            None => "it has not said who it is".to_owned(),
        };
        if began.elapsed() > PATIENCE {
            let pid = Holder::read(dir).map_or(0, |h| h.pid);
            return Err(SandboxError::ServerSilent { dir: dir.to_owned(), pid, reason });
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Whether the sandbox in `dir` is in use, and by whom.
pub async fn status(dir: &Path) -> Result<Status> {
    if !dir.exists() || Lock::take(dir)?.is_some() {
        return Ok(Status::Stopped);
    }
    match running(dir).await {
        Ok(port) => Ok(Status::Server { pid: Holder::read(dir).map_or(0, |h| h.pid), port }),
        Err(SandboxError::InUse { pid, .. }) => Ok(Status::Run { pid }),
        Err(e) => Err(e),
    }
}

/// Starts a server for the sandbox in `dir` as a process of its own: `command`, which has to call [`serve`] on the same directory. What it
/// prints goes to `sandbox.log`. A server that is running already is left as it is. Returns when the server answers.
pub async fn start(dir: &Path, mut command: Command) -> Result<Status> {
    match status(dir).await? {
        Status::Stopped => {}
        Status::Run { pid } => return Err(SandboxError::InUse { dir: dir.to_owned(), pid }),
        running => return Ok(running),
    }
    doing(|| format!("make the directory {}", dir.display()), fs::create_dir_all(dir))?;
    let path = dir.join(LOG_FILE);
    let log = File::create(&path).and_then(|log| Ok((log.try_clone()?, log)));
    let (out, err) = doing(|| format!("make {}", path.display()), log)?;
    command.stdin(Stdio::null()).stdout(out).stderr(err);
    // Ctrl-C in this terminal is not for the server.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = {
        let spawned = command.spawn();
        doing(|| format!("start {:?}", command.get_program()), spawned)?
    };
    let began = Instant::now();
    loop {
        if let Some(holder) = Holder::read(dir).filter(|h| h.pid == child.id())
            && let Ok(port) = ours(dir, &holder).await
        {
            return Ok(Status::Server { pid: holder.pid, port });
        }
        let ended = doing(|| "wait for the sandbox server".to_owned(), child.try_wait())?;
        if ended.is_some() || began.elapsed() > PATIENCE {
            let log = fs::read_to_string(&path).unwrap_or_default();
            let how =
                ended.map_or_else(|| "did not answer in time".to_owned(), |status| format!("did not start ({status})"));
            return Err(failed(format!("{how}\n  {} says: {}", path.display(), log.trim())));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Stops the server of the sandbox in `dir`, which saves its state. False if there was none.
pub async fn stop(dir: &Path) -> Result<bool> {
    let Status::Server { pid, port } = status(dir).await? else { return Ok(false) };
    let token = Holder::read(dir).map(|h| h.token).unwrap_or_default();
    own(port, "POST", "stop", &token).await.map_err(|e| failed(format!("(process {pid}) does not stop: {e}")))?;
    let began = Instant::now();
    while Lock::take(dir)?.is_none() {
        if began.elapsed() > PATIENCE {
            return Err(failed(format!(
                "(process {pid}) was asked to stop and is still running\n  hint: end that process"
            )));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(true)
}

/// Empties the sandbox in `dir`, through its server if it has one.
pub async fn reset(dir: &Path) -> Result<()> {
    match status(dir).await? {
        Status::Stopped if !dir.exists() => Ok(()),
        Status::Stopped => match take(dir).await? {
            Ok(_lock) => clear_files(dir),
            Err(holder) => Err(SandboxError::InUse { dir: dir.to_owned(), pid: holder.pid }),
        },
        Status::Run { pid } => Err(SandboxError::InUse { dir: dir.to_owned(), pid }),
        Status::Server { port, .. } => {
            let token = Holder::read(dir).map(|h| h.token).unwrap_or_default();
            own(port, "POST", "reset", &token).await.map(drop).map_err(|e| failed(format!("did not empty itself: {e}")))
        }
    }
}

fn clear_files(dir: &Path) -> Result<()> {
    let gone = |result: std::io::Result<()>| match result {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    let what = || format!("empty the sandbox in {}", dir.display());
    doing(what, gone(fs::remove_file(dir.join(STATE_FILE))))?;
    doing(what, gone(fs::remove_dir_all(dir.join(OBJECTS_DIR))))
}

impl Here {
    /// Forgets everything, in memory and on disk.
    async fn reset(&self) -> Result<()> {
        self.emulator.clear().await.map_err(|e| failed(format!("did not empty itself: {e}")))?;
        clear_files(&self.lock.dir)?;
        let objects = self.lock.dir.join(OBJECTS_DIR);
        doing(|| format!("make the directory {}", objects.display()), fs::create_dir_all(&objects))?;
        self.emulator.set_changed();
        self.save().await
    }
}
