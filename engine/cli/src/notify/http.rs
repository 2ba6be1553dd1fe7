//! Posting a JSON document over the SDK's own HTTP client: with a limit to how long it takes, and again where that can help.

use std::fmt;
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider as Tls;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::error::display::DisplayErrorContext;
use jiff::Timestamp;

use super::shorten;
use crate::render::style::clean;

/// As much of an answer as is read, and as is shown of it.
const READ: usize = 16 * 1024;
const SHOWN: usize = 300;
/// A part of a URL shorter than this is a word of an interface, and no key.
const SECRET: usize = 6;

/// A URL whose path and query may hold a key: it is shown without them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Url {
    whole: String,
    /// `https://hooks.slack.com`
    origin: String,
    /// What it must not be told of, besides its own parts.
    secret: Option<String>,
}

impl Url {
    /// What is wrong with it is told without repeating any of it.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("{why}; expected https://HOST/…"));
        let Ok(uri) = url.parse::<http::Uri>() else { return wrong("this is not a URL") };
        let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return wrong("this is not a URL over HTTP");
        };
        if authority.as_str().contains('@') {
            return wrong("a user and a password in a URL are not sent");
        }
        if authority.host().is_empty() {
            return wrong("this URL names no host");
        }
        Ok(Self { whole: url.to_owned(), origin: format!("{scheme}://{authority}"), secret: None })
    }

    /// The same, to be called with a secret that no answer is shown with.
    pub(super) fn with_secret(mut self, secret: &str) -> Self {
        self.secret = Some(secret.to_owned());
        self
    }

    /// The whole of it, to be called and never to be shown.
    pub(super) fn whole(&self) -> &str {
        &self.whole
    }

    /// A text from the other side or from below without what is secret here. `None` if that cannot be told.
    fn hide(&self, text: &str) -> Option<String> {
        let path = self.whole.strip_prefix(&self.origin).unwrap_or(&self.whole);
        // The other side may write it in another way than it was sent.
        if path.contains('%') {
            return None;
        }
        let mut text = text.to_owned();
        let parts = path.split(['/', '?', '&', '=', ';', ':', ',']).filter(|p| p.len() >= SECRET);
        let mut secrets: Vec<&str> = parts.chain(self.secret.as_deref()).filter(|s| !s.is_empty()).collect();
        // One may be a part of another.
        secrets.sort_by_key(|s| std::cmp::Reverse(s.len()));
        for secret in secrets {
            text = text.replace(secret, "(secret)");
        }
        Some(text)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

/// How patient a [`Client`] is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// How often a request is sent at most.
    pub(super) attempts: u32,
    /// How long one attempt may take.
    pub(super) timeout: Duration,
    /// The wait before the second attempt; each later one is twice as long.
    pub(super) first_wait: Duration,
    /// The longest wait, also when the other side asks for a longer one.
    pub(super) longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: 4,
            timeout: Duration::from_secs(10),
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(30),
        }
    }
}

/// What posts.
#[derive(Debug, Default)]
pub(super) struct Client {
    patience: Patience,
}

/// Why a document was not taken.
#[derive(Debug, thiserror::Error)]
#[error("{message}{}{}", tried(.attempts), hinted(.hint))]
pub(super) struct Failure {
    message: String,
    attempts: u32,
    hint: Option<&'static str>,
}

fn tried(attempts: &u32) -> String {
    if *attempts > 1 { format!(" (tried {attempts} times)") } else { String::new() }
}

fn hinted(hint: &Option<&'static str>) -> String {
    hint.map(|h| format!("\n  hint: {h}")).unwrap_or_default()
}

/// How one attempt failed.
struct Attempt {
    message: String,
    hint: Option<&'static str>,
    /// Whether another one can help, and how long the other side asks to be left alone before.
    again: Option<Option<Duration>>,
}

impl Client {
    #[cfg(test)]
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience }
    }

    /// Posts a JSON document, until it is taken or that has no use. Every attempt sends the same, so whoever takes it can tell a repetition.
    pub(super) async fn post(
        &self,
        url: &Url,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<(), Failure> {
        let connector = Connector::builder()
            // As curl and nearly everything else: HTTPS_PROXY, NO_PROXY and their like.
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(Tls::Rustls(CryptoMode::AwsLc))
            .build();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let sent = tokio::time::timeout(self.patience.timeout, once(&connector, url, headers, &body)).await;
            let failed = match sent {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(failed)) => failed,
                Err(_) => Attempt {
                    message: format!("it did not answer within {} s", self.patience.timeout.as_secs_f32()),
                    hint: None,
                    again: Some(None),
                },
            };
            let Some(asked) = failed.again.filter(|_| attempts < self.patience.attempts) else {
                return Err(Failure { message: failed.message, attempts, hint: failed.hint });
            };
            let wait = self.wait(attempts).max(asked.unwrap_or_default()).min(self.patience.longest_wait);
            tracing::debug!(%url, attempts, ?wait, error = %failed.message, "a notification was not taken and is repeated");
            tokio::time::sleep(wait).await;
        }
    }

    fn wait(&self, attempts: u32) -> Duration {
        self.patience.first_wait.saturating_mul(1 << attempts.saturating_sub(1).min(16))
    }
}

async fn once(
    connector: &Connector,
    url: &Url,
    headers: &[(&'static str, String)],
    body: &[u8],
) -> Result<(), Attempt> {
    let request = request(url, headers, body).map_err(|message| Attempt { message, hint: None, again: None })?;
    let mut answer = connector.call(request).await.map_err(|e| {
        let what = if e.is_timeout() { "it did not answer in time" } else { "it cannot be reached" };
        Attempt {
            message: match url.hide(&DisplayErrorContext(&e).to_string()) {
                Some(why) => format!("{what}: {}", shorten(&clean(&why), SHOWN)),
                None => what.to_owned(),
            },
            hint: Some("check the host's name, the network and HTTPS_PROXY"),
            again: (!e.is_user()).then_some(None),
        }
    })?;
    let status = answer.status().as_u16();
    if answer.status().is_success() {
        return Ok(());
    }
    let said = text(&mut answer).await;
    let said = url.hide(&said).map(|s| shorten(clean(&s).trim(), SHOWN)).filter(|s| !s.is_empty());
    Err(Attempt {
        message: match said {
            Some(said) => format!("it answered with status {status}: {said}"),
            None => format!("it answered with status {status}"),
        },
        hint: match status {
            300..=399 => Some("redirects are not followed: name the URL that it leads to"),
            401 | 403 | 404 | 410 => Some("check the key or the URL: it may have been revoked"),
            _ => None,
        },
        again: (status == 429 || status >= 500).then(|| retry_after(&answer, Timestamp::now())),
    })
}

fn request(url: &Url, headers: &[(&'static str, String)], body: &[u8]) -> Result<HttpRequest, String> {
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method("POST").map_err(|_| "the method is not one of HTTP's".to_owned())?;
    request.set_uri(url.whole()).map_err(|_| "its URL is not one of HTTP's".to_owned())?;
    let common = [
        ("content-type", "application/json".to_owned()),
        ("content-length", body.len().to_string()),
        ("user-agent", concat!("phx/", env!("CARGO_PKG_VERSION")).to_owned()),
    ];
    for (name, value) in common.iter().chain(headers) {
        let inserted = request.headers_mut().try_insert(*name, value.clone());
        inserted.map_err(|_| format!("the header {name} cannot be sent"))?;
    }
    Ok(request)
}

/// The beginning of an answer's body. One that breaks off has said as much as it has.
async fn text(answer: &mut HttpResponse) -> String {
    let mut body = ByteStream::new(answer.take_body());
    let mut read = Vec::new();
    while let Some(Ok(part)) = body.next().await {
        read.extend_from_slice(&part);
        if read.len() >= READ {
            break;
        }
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// How long the other side asks to be left alone: seconds, or until a time.
fn retry_after(answer: &HttpResponse, now: Timestamp) -> Option<Duration> {
    let value = answer.headers().get("retry-after")?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_what_may_be_a_key() {
        let url = Url::parse("https://hooks.example.com:8443/services/T0/SECRETKEY?token=abcdefg").unwrap();
        assert_eq!(
            (url.to_string(), format!("{url:?}")),
            ("https://hooks.example.com:8443".to_owned(), "Url(https://hooks.example.com:8443)".to_owned())
        );
        assert_eq!(url.hide("no SECRETKEY in abcdefgh").unwrap(), "no (secret) in (secret)h");
        assert_eq!(Url::parse("https://a.example/x%20y").unwrap().hide("x y"), None);
        for wrong in
            ["", "secret", "ftp://secret/", "https://", "https://user:secret@host/", "https://se cret/", "/secret"]
        {
            let error = Url::parse(wrong).unwrap_err();
            assert!(!error.contains("secret"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_wait_is_asked_for_in_seconds_or_until_a_time() {
        let now: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        let asked = |value: &'static str| {
            let mut answer = HttpResponse::new(503u16.try_into().unwrap(), SdkBody::empty());
            answer.headers_mut().insert("retry-after", value);
            retry_after(&answer, now)
        };
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("Mon, 23 Nov 2026 08:01:30 GMT"), Some(Duration::from_secs(90)));
        assert_eq!(asked("Mon, 23 Nov 2026 07:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("soon"), None);
    }
}
