//! Checks as a program writes them: a type for each kind, whose setters fit it.

use std::time::Duration;

use super::{Check, Condition, Probe, Target};
use crate::expr::Expr;
use crate::provider::ProviderRef;
use crate::typed::{AnyInput, IntoInput};
use crate::urn::Urn;

/// What every kind of check can be told.
macro_rules! every_check {
    ($($name:ident),*) => {$(
        impl $name {
            /// Tries again until so long after the first attempt began, instead of [`WITHIN`](super::WITHIN). Zero: there is one attempt.
            pub fn within(mut self, time: Duration) -> Self {
                self.within = time;
                self
            }

            /// How long one attempt may take, instead of [`Probe::timeout`].
            pub fn timeout(mut self, time: Duration) -> Self {
                self.timeout = Some(time);
                self
            }

            /// It is about this resource as well, though nothing in it refers to it: who reads of its failure is told so.
            pub fn concerns(mut self, resource: impl AsRef<Urn>) -> Self {
                self.concerns.push(resource.as_ref().clone());
                self
            }
        }

        impl From<$name> for Check {
            fn from(check: $name) -> Self {
                let (within, timeout, concerns) = (check.within, check.timeout, check.concerns.clone());
                Self { probe: check.probe(), within, timeout, concerns }
            }
        }
    )*};
}
every_check!(ObjectCheck, TcpCheck, TlsCheck, HttpCheck, DnsCheck, CommandCheck);

/// A check of an object: [`Check::resource`], [`Check::existing`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ObjectCheck {
    target: Target,
    expected: Vec<(String, Condition)>,
    within: Duration,
    timeout: Option<Duration>,
    concerns: Vec<Urn>,
}

impl ObjectCheck {
    pub(super) fn of(target: Target) -> Self {
        Self { target, expected: Vec::new(), within: super::WITHIN, timeout: None, concerns: Vec::new() }
    }

    /// Asks something of a field or an output, named as phx names it (`phx schema TYPE`), or of a part of one:
    /// `status`, `endpoint.port`, `ingress[0].cidr_ip`, `tags["kubernetes.io/cluster"]`. Of two of one name, the output is meant.
    pub fn field(self, path: impl Into<String>) -> FieldCheck {
        FieldCheck { check: self, path: path.into() }
    }

    /// Where an [existing](Check::existing) object lives, if not where the stack (or the [scope](crate::Scope::with_provider)) does. A resource's
    /// own place is known.
    pub fn provider(mut self, place: &ProviderRef) -> Self {
        if let Target::Existing { provider, .. } = &mut self.target {
            *provider = place.key().clone();
        }
        self
    }

    fn probe(self) -> Probe {
        Probe::Object { target: self.target, expected: self.expected }
    }
}

/// A field of an object, of which something is about to be asked.
#[derive(Clone, Debug)]
#[must_use]
pub struct FieldCheck {
    check: ObjectCheck,
    path: String,
}

impl FieldCheck {
    fn is(mut self, condition: Condition) -> ObjectCheck {
        self.check.expected.push((self.path, condition));
        self.check
    }

    /// It is this.
    pub fn equals(self, value: impl Into<AnyInput>) -> ObjectCheck {
        self.is(Condition::Equals(value.into().0))
    }

    /// It is anything but this.
    pub fn differs_from(self, value: impl Into<AnyInput>) -> ObjectCheck {
        self.is(Condition::DiffersFrom(value.into().0))
    }

    /// It is one of these.
    pub fn one_of<V: Into<AnyInput>>(self, values: impl IntoIterator<Item = V>) -> ObjectCheck {
        self.is(Condition::OneOf(values.into_iter().map(|value| value.into().0).collect()))
    }

    /// It is there, and neither empty text nor an empty list or map.
    pub fn is_set(self) -> ObjectCheck {
        self.is(Condition::IsSet)
    }

    /// It is not there, or it is empty.
    pub fn is_unset(self) -> ObjectCheck {
        self.is(Condition::IsUnset)
    }

    /// It is a number, and no smaller than this.
    pub fn at_least(self, number: impl Into<AnyInput>) -> ObjectCheck {
        self.is(Condition::AtLeast(number.into().0))
    }

    /// It is a number, and no larger than this.
    pub fn at_most(self, number: impl Into<AnyInput>) -> ObjectCheck {
        self.is(Condition::AtMost(number.into().0))
    }

    /// It is text with this in it, a list with this as an element, or a map with this key.
    pub fn contains(self, value: impl Into<AnyInput>) -> ObjectCheck {
        self.is(Condition::Contains(value.into().0))
    }
}

/// A check that a port accepts connections: [`Check::tcp`].
#[derive(Clone, Debug)]
#[must_use]
pub struct TcpCheck {
    host: Expr,
    port: Expr,
    within: Duration,
    timeout: Option<Duration>,
    concerns: Vec<Urn>,
}

impl TcpCheck {
    pub(super) fn of(host: Expr, port: Expr) -> Self {
        Self { host, port, within: super::WITHIN, timeout: None, concerns: Vec::new() }
    }

    fn probe(self) -> Probe {
        Probe::Tcp { host: self.host, port: self.port }
    }
}

/// A check of a certificate: [`Check::tls`].
#[derive(Clone, Debug)]
#[must_use]
pub struct TlsCheck {
    host: Expr,
    port: Expr,
    server_name: Option<Expr>,
    days_left: u32,
    roots: Option<Expr>,
    within: Duration,
    timeout: Option<Duration>,
    concerns: Vec<Urn>,
}

impl TlsCheck {
    pub(super) fn of(host: Expr, port: Expr) -> Self {
        Self {
            host,
            port,
            server_name: None,
            days_left: 0,
            roots: None,
            within: super::WITHIN,
            timeout: None,
            concerns: Vec::new(),
        }
    }

    /// The name that the certificate must be for and that is asked for, if it is not the host's.
    pub fn server_name(mut self, name: impl IntoInput<String>) -> Self {
        self.server_name = Some(name.into_input().into_expr());
        self
    }

    /// The certificate, and those that vouch for it, are good for so many days more.
    pub fn days_left(mut self, days: u32) -> Self {
        self.days_left = days;
        self
    }

    /// Trusts these authorities and no others: certificates in PEM, or PEM in base64, as an EKS cluster gives its own.
    pub fn roots(mut self, pem: impl IntoInput<String>) -> Self {
        self.roots = Some(pem.into_input().into_expr());
        self
    }

    fn probe(self) -> Probe {
        Probe::Tls {
            host: self.host,
            port: self.port,
            server_name: self.server_name,
            days_left: self.days_left,
            roots: self.roots,
        }
    }
}

/// A check of an answer over HTTP: [`Check::http`].
#[derive(Clone, Debug)]
#[must_use]
pub struct HttpCheck {
    url: Expr,
    method: String,
    headers: Vec<(String, Expr)>,
    statuses: Vec<u16>,
    body: Vec<Expr>,
    answer_headers: Vec<(String, Expr)>,
    roots: Option<Expr>,
    within: Duration,
    timeout: Option<Duration>,
    concerns: Vec<Urn>,
}

impl HttpCheck {
    pub(super) fn of(url: Expr) -> Self {
        Self {
            url,
            method: "GET".to_owned(),
            headers: Vec::new(),
            statuses: Vec::new(),
            body: Vec::new(),
            answer_headers: Vec::new(),
            roots: None,
            within: super::WITHIN,
            timeout: None,
            concerns: Vec::new(),
        }
    }

    /// Another method than `GET`. The request has no body.
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = method.into();
        self
    }

    /// A header of the request. Values here and below may be any output's: an id, an ARN, a number.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<AnyInput>) -> Self {
        self.headers.push((name.into(), value.into().0));
        self
    }

    /// The answer has this status. Said more than once: one of these.
    pub fn status(mut self, status: u16) -> Self {
        self.statuses.push(status);
        self
    }

    /// The answer's body has this text in it, within its first MiB.
    pub fn body_contains(mut self, text: impl Into<AnyInput>) -> Self {
        self.body.push(text.into().0);
        self
    }

    /// The answer has this header, with this text in its value.
    pub fn answer_header(mut self, name: impl Into<String>, text: impl Into<AnyInput>) -> Self {
        self.answer_headers.push((name.into(), text.into().0));
        self
    }

    /// Trusts these authorities and no others: certificates in PEM, or PEM in base64, as an EKS cluster gives its own.
    pub fn roots(mut self, pem: impl IntoInput<String>) -> Self {
        self.roots = Some(pem.into_input().into_expr());
        self
    }

    fn probe(self) -> Probe {
        Probe::Http {
            url: self.url,
            method: self.method,
            headers: self.headers,
            statuses: self.statuses,
            body: self.body,
            answer_headers: self.answer_headers,
            roots: self.roots,
        }
    }
}

/// A check of a name: [`Check::dns`].
#[derive(Clone, Debug)]
#[must_use]
pub struct DnsCheck {
    name: Expr,
    addresses: Vec<Expr>,
    within: Duration,
    timeout: Option<Duration>,
    concerns: Vec<Urn>,
}

impl DnsCheck {
    pub(super) fn of(name: Expr) -> Self {
        Self { name, addresses: Vec::new(), within: super::WITHIN, timeout: None, concerns: Vec::new() }
    }

    /// These IPv4 or IPv6 addresses are among the name's.
    pub fn resolves_to<I: IntoInput<String>>(mut self, addresses: impl IntoIterator<Item = I>) -> Self {
        self.addresses.extend(addresses.into_iter().map(|a| a.into_input().into_expr()));
        self
    }

    fn probe(self) -> Probe {
        Probe::Dns { name: self.name, addresses: self.addresses }
    }
}

/// A check that runs a command: [`Check::command`].
#[derive(Clone, Debug)]
#[must_use]
pub struct CommandCheck {
    argv: Vec<Expr>,
    env: Vec<(String, Expr)>,
    exit_code: i32,
    prints: Vec<Expr>,
    within: Duration,
    timeout: Option<Duration>,
    concerns: Vec<Urn>,
}

impl CommandCheck {
    pub(super) fn of(program: Expr) -> Self {
        Self {
            argv: vec![program],
            env: Vec::new(),
            exit_code: 0,
            prints: Vec::new(),
            within: super::WITHIN,
            timeout: None,
            concerns: Vec::new(),
        }
    }

    /// One more argument, which may be any output: an id, an ARN, a number. Other processes of this machine may see arguments; a secret is better off in a variable.
    pub fn arg(mut self, argument: impl Into<AnyInput>) -> Self {
        self.argv.push(argument.into().0);
        self
    }

    /// More arguments.
    pub fn args<I: Into<AnyInput>>(mut self, arguments: impl IntoIterator<Item = I>) -> Self {
        self.argv.extend(arguments.into_iter().map(|a| a.into().0));
        self
    }

    /// A variable of its environment.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<AnyInput>) -> Self {
        self.env.push((name.into(), value.into().0));
        self
    }

    /// It ends with this exit code.
    pub fn exit_code(mut self, code: i32) -> Self {
        self.exit_code = code;
        self
    }

    /// It prints this text on its standard output.
    pub fn prints(mut self, text: impl Into<AnyInput>) -> Self {
        self.prints.push(text.into().0);
        self
    }

    fn probe(self) -> Probe {
        Probe::Command { argv: self.argv, env: self.env, exit_code: self.exit_code, prints: self.prints }
    }
}
