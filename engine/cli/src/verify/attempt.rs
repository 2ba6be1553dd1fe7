//! A check with everything known that it asks for, ready to be tried.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use phx_model::check::{Check, Probe, Target};
use phx_model::discreet::Secrets;
use phx_model::driver::Registry;
use phx_model::error::ErrorKind;
use phx_model::expr::{EvalError, Expr};
use phx_model::state::State;
use phx_model::value::REDACTED;
use phx_model::{CloudError, Value};

use super::command::Command;
use super::http::Http;
use super::net::{Dns, Tcp};
use super::object::Object;
use super::tls::{Roots, Tls};
use super::{Recorded, Tools, missing};

/// Why an attempt did not find what it was looking for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Miss {
    /// What has to be true.
    pub(super) expected: String,
    /// What was found in its place.
    pub(super) found: String,
    /// What the reader can do.
    pub(super) hint: Option<String>,
    /// Whether another attempt can come to something else.
    pub(super) again: bool,
}

impl Miss {
    /// Something that may still change.
    pub(super) fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { expected: expected.into(), found: found.into(), hint: None, again: true }
    }

    /// Adds what the reader can do.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Trying again has no use.
    pub(super) fn final_one(mut self) -> Self {
        self.again = false;
        self
    }

    /// A cloud's refusal.
    pub(super) fn refused(expected: &str, error: &CloudError) -> Self {
        let lasting = matches!(error.kind, ErrorKind::Denied | ErrorKind::Invalid | ErrorKind::Unsupported);
        let text = CloudError { hint: None, ..error.clone() }.to_string();
        Self { hint: error.hint.clone(), again: !lasting, ..Self::new(expected, format!("it cannot be read: {text}")) }
    }
}

/// What an attempt is made with.
#[derive(Clone, Copy, Debug)]
pub(super) struct With<'a> {
    pub(super) registry: &'a Registry,
    pub(super) state: &'a State,
    pub(super) tools: &'a Tools,
    /// What must not be seen of what the other side says: taken out before it is cut short, since half a secret is not found any more.
    pub(super) secrets: &'a Secrets,
    /// How long it may take.
    pub(super) limit: Duration,
}

impl With<'_> {
    /// What the other side said, without the secrets.
    pub(super) fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        self.secrets.hide(&mut text);
        text
    }
}

/// A text that is used as it is and shown as it may be.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) plain: String,
    pub(super) secret: bool,
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secret { REDACTED } else { &self.plain })
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A host as it was given, and its name or address alone.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) secret: bool,
}

impl Host {
    /// Out of a name, an address, or a URL.
    pub(super) fn of(given: &Text) -> Result<Self, String> {
        let text = given.plain.trim();
        let secret = given.secret;
        if text.parse::<IpAddr>().is_ok() {
            return Ok(Self { name: text.to_owned(), secret });
        }
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let name = match authority.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
            Some((address, _)) => address,
            None => authority.split(':').next().unwrap_or(authority),
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(format!("{given} names no host"));
        }
        Ok(Self { name: name.to_owned(), secret })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.contains(':') {
            _ if self.secret => f.write_str(REDACTED),
            true => write!(f, "[{}]", self.name),
            false => f.write_str(&self.name),
        }
    }
}

/// A check whose parts are known.
#[derive(Debug)]
pub(super) enum Attempt {
    Object(Object),
    Tcp(Tcp),
    Tls(Tls),
    Http(Http),
    Dns(Dns),
    Command(Command),
}

/// Works out expressions, and keeps what they come to for its secrets.
struct Known<'a> {
    env: Recorded<'a>,
    values: Vec<Value>,
}

impl Known<'_> {
    fn value(&mut self, e: &Expr) -> Result<Value, String> {
        let value = e.eval(&self.env).map_err(|error: EvalError| error.to_string())?;
        if value.has_secret() {
            self.values.push(value.clone());
            // A text may be quoted in part: then it is the secret within it that must not be seen.
            e.visit(&mut |part| {
                if matches!(part, Expr::Secret(_) | Expr::Configured(_) | Expr::Ref { .. }) {
                    self.values.extend(part.eval(&self.env).ok().filter(Value::has_secret));
                }
            });
        }
        Ok(value)
    }

    fn text(&mut self, what: &str, e: &Expr) -> Result<Text, String> {
        let value = self.value(e)?;
        let secret = value.has_secret();
        let plain = match value.expose() {
            Value::String(text) => text.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Bool(yes) => yes.to_string(),
            Value::Null => return Err(format!("{what} is not set: the cloud has decided on none")),
            other => return Err(format!("{what} is {}, and has to be text", other.kind_name())),
        };
        Ok(Text { plain, secret })
    }

    fn texts<'e>(&mut self, what: &str, all: impl IntoIterator<Item = &'e Expr>) -> Result<Vec<Text>, String> {
        all.into_iter().map(|e| self.text(what, e)).collect()
    }

    fn named(&mut self, what: &str, all: &[(String, Expr)]) -> Result<Vec<(String, Text)>, String> {
        all.iter().map(|(name, e)| Ok((name.clone(), self.text(&format!("{what} {name}"), e)?))).collect()
    }

    fn host(&mut self, e: &Expr) -> Result<Host, String> {
        Host::of(&self.text("the host", e)?)
    }

    fn port(&mut self, e: &Expr) -> Result<u16, String> {
        let text = self.text("the port", e)?;
        let port = text.plain.parse().ok().filter(|port| *port > 0);
        port.ok_or_else(|| format!("{text} is not a port; a port is a number from 1 to 65535"))
    }

    fn roots(&mut self, e: Option<&Expr>) -> Result<Option<Roots>, String> {
        let Some(e) = e else { return Ok(None) };
        let text = self.text("the authorities to trust", e)?;
        Roots::parse(&text.plain).map(Some)
    }
}

impl Attempt {
    /// The check with what is recorded, and the secret values that it is made with. Without what it needs, the miss says what that is.
    pub(super) fn new(check: &Check, state: &State) -> (Vec<Value>, Result<Self, Miss>) {
        let absent = missing(check.references(), state);
        if !absent.is_empty() {
            let absent: Vec<&str> = absent.into_iter().map(|urn| urn.as_str()).collect();
            return (Vec::new(), Err(unrecorded(&absent.join(" and "))));
        }
        let mut known = Known { env: Recorded(state), values: Vec::new() };
        let attempt = Self::of(&check.probe, &mut known).map_err(|why| {
            let (why, hint) = match why.split_once("\n  hint: ") {
                Some((why, hint)) => (why.to_owned(), Some(hint.to_owned())),
                None => (why, None),
            };
            Miss { hint, ..Miss::new("a check that can be made", why).final_one() }
        });
        (known.values, attempt)
    }

    fn of(probe: &Probe, known: &mut Known<'_>) -> Result<Self, String> {
        Ok(match probe {
            Probe::Object { target, expected } => {
                let id = match target {
                    Target::Resource(_) => None,
                    Target::Existing { id, .. } => Some(known.text("the id", id)?),
                };
                let expected = expected.iter().map(|(path, condition)| {
                    condition.operands().into_iter().try_for_each(|e| known.value(e).map(drop))?;
                    Ok((path.as_str(), condition.eval(&known.env).map_err(|e| e.to_string())?))
                });
                let expected: Vec<_> = expected.collect::<Result<_, String>>()?;
                Self::Object(Object::new(target, id, expected)?)
            }
            Probe::Tcp { host, port } => Self::Tcp(Tcp { host: known.host(host)?, port: known.port(port)? }),
            Probe::Tls { host, port, server_name, days_left, roots } => Self::Tls(Tls {
                at: Tcp { host: known.host(host)?, port: known.port(port)? },
                name: server_name.as_ref().map(|e| known.host(e)).transpose()?,
                days_left: *days_left,
                roots: known.roots(roots.as_ref())?,
            }),
            Probe::Http { url, method, headers, statuses, body, answer_headers, roots } => {
                let url = known.text("the URL", url)?;
                let mut http = Http::new(url, method)?;
                http.headers = known.named("the header", headers)?;
                http.statuses = statuses.clone();
                http.body = known.texts("the text that the body contains", body)?;
                http.answer_headers = known.named("the text of the answer's header", answer_headers)?;
                http.roots = known.roots(roots.as_ref())?;
                Self::Http(http)
            }
            Probe::Dns { name, addresses } => {
                let name = known.host(name)?;
                let addresses = known.texts("an address", addresses)?;
                let addresses = addresses.iter().map(|text| {
                    let address = text.plain.trim().parse::<IpAddr>();
                    address.map(|a| (a, text.secret)).map_err(|_| format!("{text} is not an IPv4 or IPv6 address"))
                });
                Self::Dns(Dns { name, addresses: addresses.collect::<Result<_, _>>()? })
            }
            Probe::Command { argv, env, exit_code, prints } => Self::Command(Command {
                argv: known.texts("an argument", argv)?,
                env: known.named("the variable", env)?,
                exit_code: *exit_code,
                prints: known.texts("the text that is printed", prints)?,
            }),
        })
    }

    /// What is asked, in a few words.
    pub(super) fn subject(&self) -> String {
        match self {
            Self::Object(object) => object.subject(),
            Self::Tcp(tcp) => tcp.to_string(),
            Self::Tls(tls) => tls.at.to_string(),
            Self::Http(http) => http.subject(),
            Self::Dns(dns) => dns.name.to_string(),
            Self::Command(command) => command.subject(),
        }
    }

    /// Asks once. Gives what was found if that is as it has to be.
    pub(super) async fn make(&self, with: &With<'_>) -> Result<String, Miss> {
        match self {
            Self::Object(object) => object.attempt(with).await,
            Self::Tcp(tcp) => tcp.attempt().await,
            Self::Tls(tls) => tls.attempt(with.tools).await,
            Self::Http(http) => http.attempt(with).await,
            Self::Dns(dns) => dns.attempt().await,
            Self::Command(command) => command.attempt(with).await,
        }
    }

    /// An attempt that took too long.
    pub(super) fn too_late(&self, limit: Duration) -> Miss {
        let took = crate::render::duration(limit);
        let (expected, found, hint) = match self {
            Self::Object(object) => (object.expected(), "no answer", None),
            Self::Tcp(tcp) => (tcp.expected(), "no answer", Some(UNREACHABLE)),
            Self::Tls(tls) => (tls.expected(), "no answer", Some(UNREACHABLE)),
            Self::Http(http) => (http.expected(), "no answer", Some(UNREACHABLE)),
            Self::Dns(dns) => (dns.expected(), "no answer", None),
            Self::Command(command) => {
                (command.expected(), "it was still running, and was ended", Some("give it more time with .timeout(…)"))
            }
        };
        let miss = Miss::new(expected, format!("{found} after {took}"));
        match hint {
            Some(hint) => miss.hint(hint),
            None => miss,
        }
    }
}

/// What to look at when nothing answers.
pub(super) const UNREACHABLE: &str =
    "look at the security groups, the routes and the network ACLs on the way from this machine to there";

/// Something is needed that the state does not have.
pub(super) fn unrecorded(urns: &str) -> Miss {
    Miss::new("what the check refers to is recorded", format!("{urns} is not in the state"))
        .hint("`phx up` makes it, and `phx state list` shows what there is")
        .final_one()
}
