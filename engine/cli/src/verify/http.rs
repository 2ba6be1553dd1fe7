//! Requests over HTTP/1.1, straight to the host: a check tells whether this machine reaches it.

use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::attempt::{Host, Miss, Text, With};
use super::net::Tcp;
use super::tls::{Judge, Roots, shake_hands};
use crate::notify::shorten;
use crate::render::style::clean;

/// As much of a body as is read.
const READ: usize = 1024 * 1024;
/// As much of it as is shown.
const SHOWN: usize = 200;
/// How long the end of a body is waited for once its head has come and nothing is wanted of it but a look.
const LOOK: Duration = Duration::from_secs(1);

/// An answer as it should be.
#[derive(Debug)]
pub(super) struct Http {
    url: Text,
    uri: Uri,
    at: Tcp,
    method: Method,
    pub(super) headers: Vec<(String, Text)>,
    pub(super) statuses: Vec<u16>,
    pub(super) body: Vec<Text>,
    pub(super) answer_headers: Vec<(String, Text)>,
    pub(super) roots: Option<Roots>,
}

impl Http {
    /// A request for a URL.
    pub(super) fn new(url: Text, method: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("{url} {why}"));
        let Ok(uri) = url.plain.trim().parse::<Uri>() else { return wrong("is not a URL") };
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return wrong("is not a URL over HTTP; it begins with http:// or https://"),
        };
        let authority = uri.authority().map(|a| a.as_str()).unwrap_or_default();
        if authority.contains('@') {
            return Err("a user and a password in a URL are not sent\n  hint: set the header Authorization".to_owned());
        }
        let host = Host::of(&Text { plain: authority.to_owned(), secret: url.secret })?;
        let at = Tcp { host, port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }) };
        let method = method.parse().map_err(|_| format!("{method:?} is not a method"))?;
        let (headers, statuses, body, answer_headers) = Default::default();
        Ok(Self { url, uri, at, method, headers, statuses, body, answer_headers, roots: None })
    }

    pub(super) fn subject(&self) -> String {
        format!("{} {}", self.method, self.url)
    }

    pub(super) fn expected(&self) -> String {
        let mut parts = vec![match &self.statuses[..] {
            [] => "a status from 200 to 299".to_owned(),
            some => format!("status {}", some.iter().map(u16::to_string).collect::<Vec<_>>().join(" or ")),
        }];
        parts.extend(self.answer_headers.iter().map(|(name, text)| format!("{} in the header {name}", quoted(text))));
        parts.extend(self.body.iter().map(|text| format!("{} in the body", quoted(text))));
        parts.join(", ")
    }

    pub(super) async fn attempt(&self, with: &With<'_>) -> Result<String, Miss> {
        let expected = self.expected();
        let request = self.request().map_err(|why| Miss::new(expected.clone(), why).final_one())?;
        let stream = self.at.connect(&expected).await?;
        if self.uri.scheme_str() == Some("https") {
            let judge = Judge::new(self.roots.as_ref(), with.tools, 0, &expected)?;
            let stream = shake_hands(stream, &self.at.host, judge, &[b"http/1.1"], &expected).await?;
            self.ask(stream, request, &expected, with).await
        } else {
            self.ask(stream, request, &expected, with).await
        }
    }

    fn request(&self) -> Result<Request<Empty<Bytes>>, String> {
        let target = self.uri.path_and_query().map_or("/", |p| p.as_str());
        let mut request = Request::builder().method(self.method.clone()).uri(target);
        let given = |name: &HeaderName| self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name.as_str()));
        if !given(&HOST) {
            request = request.header(HOST, self.uri.authority().map(|a| a.as_str()).unwrap_or_default());
        }
        if !given(&USER_AGENT) {
            request = request.header(USER_AGENT, concat!("phx/", env!("CARGO_PKG_VERSION")));
        }
        for (name, text) in &self.headers {
            let mut value = HeaderValue::from_str(&text.plain)
                .map_err(|_| format!("{text} cannot be the value of the header {name}"))?;
            value.set_sensitive(text.secret);
            request = request.header(name, value);
        }
        request.body(Empty::new()).map_err(|e| format!("the request cannot be made: {e}"))
    }

    async fn ask(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        request: Request<Empty<Bytes>>,
        expected: &str,
        with: &With<'_>,
    ) -> Result<String, Miss> {
        let broken = |e: hyper::Error| {
            Miss::new(expected, format!("no answer over HTTP: {}", with_causes(&e)))
                .hint("is it HTTP that is spoken at this port?")
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // It works for as long as this attempt does.
        let asking = async {
            let answer = sender.send_request(request).await.map_err(broken)?;
            self.judge(answer, expected, with).await
        };
        tokio::pin!(connection, asking);
        let mut open = true;
        loop {
            tokio::select! {
                biased;
                outcome = &mut asking => return outcome,
                // Its error reaches the one who asks.
                _ = &mut connection, if open => open = false,
            }
        }
    }

    async fn judge(&self, answer: Response<Incoming>, expected: &str, with: &With<'_>) -> Result<String, Miss> {
        let status = answer.status().as_u16();
        let right = match &self.statuses[..] {
            [] => (200..=299).contains(&status),
            some => some.contains(&status),
        };
        if !right {
            let to = answer.headers().get(LOCATION).and_then(|v| v.to_str().ok()).filter(|_| !self.url.secret);
            let to = to.filter(|_| (300..=399).contains(&status)).map(|to| format!(", to {}", short(to, with)));
            let text = tokio::time::timeout(LOOK, text(answer.into_body())).await.ok().and_then(Result::ok);
            let said = self.excerpt(text.as_deref().unwrap_or_default(), with);
            let miss = Miss::new(expected, format!("status {status}{}{said}", to.as_deref().unwrap_or_default()));
            return Err(match status {
                300..=399 => {
                    miss.hint("redirects are not followed: check the URL that it leads to, or expect the status")
                }
                401 | 403 => {
                    miss.hint("does the request need a header (Authorization), or another network to come from?")
                }
                502..=504 => {
                    miss.hint("the balancer or gateway answers, and what is behind it does not: look at its targets")
                }
                _ => miss,
            });
        }
        for (name, wanted) in &self.answer_headers {
            let values: Vec<_> =
                answer.headers().get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
            if values.iter().any(|value| value.contains(wanted.plain.as_str())) {
                continue;
            }
            let found = match &values[..] {
                [] => format!("status {status}, and no header {name}"),
                _ if wanted.secret => format!("status {status}, and another header {name}"),
                some => format!("status {status}, and the header {name}: {}", short(&some.join(", "), with)),
            };
            return Err(Miss::new(expected, found));
        }
        if !self.body.is_empty() {
            let body = text(answer.into_body()).await;
            let body = body
                .map_err(|e| Miss::new(expected, format!("status {status}, and half a body: {}", with_causes(&e))))?;
            if let Some(wanted) = self.body.iter().find(|wanted| !body.contains(wanted.plain.as_str())) {
                let found =
                    format!("status {status}, and a body without {}{}", quoted(wanted), self.excerpt(&body, with));
                return Err(Miss::new(expected, found));
            }
        }
        Ok(match self.body.is_empty() && self.answer_headers.is_empty() {
            true => format!("status {status}"),
            false => expected.to_owned(),
        })
    }

    /// The beginning of a body, to be shown. Where a secret was looked for, what is there may be near to it.
    fn excerpt(&self, body: &str, with: &With<'_>) -> String {
        let text = body.trim();
        match text.is_empty() || self.body.iter().any(|t| t.secret) {
            true => String::new(),
            false => format!(": {}", short(text, with)),
        }
    }
}

/// The beginning of what the other side says, without secrets, and on one line.
fn short(text: &str, with: &With<'_>) -> String {
    let text = with.hide(text).split_whitespace().collect::<Vec<_>>().join(" ");
    shorten(&clean(&text), SHOWN)
}

fn quoted(text: &Text) -> String {
    if text.secret { text.to_string() } else { format!("{:?}", text.plain) }
}

/// The beginning of a body.
async fn text(mut body: Incoming) -> Result<String, hyper::Error> {
    let mut read: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            read.extend_from_slice(&data);
        }
        if read.len() >= READ {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&read).into_owned())
}

/// An error and what caused it: hyper's own words alone say little.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said
}
