//! Checks: what has to be true once `up` has done its work, beyond that every call succeeded.
//!
//! A check is data, like everything that a program declares: here is what is asked, and whoever runs the program asks it (`phx` does, after
//! `up` and for `phx verify`). Its parts are [`Input`]s, so that it may be about a database's endpoint or a cluster's authority; they are worked
//! out from the outputs that are recorded once everything is.
//!
//! ```
//! use std::time::Duration;
//! use phx_model::{Check, Stack};
//!
//! fn program(stack: &mut Stack) -> Result<(), Box<dyn std::error::Error>> {
//!     stack.verify("api", Check::http("https://api.example.com/healthz").status(200).within(Duration::from_secs(60)))?;
//!     stack.verify("name", Check::dns("api.example.com").resolves_to(["192.0.2.7"]))?;
//!     stack.verify("tool", Check::command("kubectl").args(["get", "nodes"]).env("KUBECONFIG", "kubeconfig.json"))?;
//!     Ok(())
//! }
//! # let [p, s] = ["p", "s"].map(|n| phx_model::urn::StackName::new(n).unwrap());
//! # let mut stack = Stack::new(p, s, Default::default(), Default::default());
//! # program(&mut stack).unwrap();
//! # assert_eq!(stack.finish().checks.len(), 3);
//! ```

mod build;
pub mod condition;
mod declare;
pub mod path;

use std::collections::BTreeSet;
use std::time::Duration;

pub use build::{CommandCheck, DnsCheck, FieldCheck, HttpCheck, ObjectCheck, TcpCheck, TlsCheck};
pub use condition::Condition;
pub(crate) use declare::declared;
pub use path::Path;

use crate::expr::Expr;
use crate::state::ProviderKey;
use crate::typed::{AnyInput, IntoInput, Resource};
use crate::urn::Urn;

/// How long a check is tried again where the program says nothing: what was just made may take a moment until it answers.
pub const WITHIN: Duration = Duration::from_secs(10);

/// Something that has to be true after `up`.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What is asked.
    pub probe: Probe,
    /// Until when a failed attempt is followed by another, from the first one's beginning on. Zero: there is one attempt.
    pub within: Duration,
    /// How long one attempt may take; `None`: as long as [`Probe::timeout`] says.
    pub timeout: Option<Duration>,
    /// The resources that it is about, beside those that it refers to.
    pub concerns: Vec<Urn>,
}

/// A check of a program, with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct DeclaredCheck {
    /// The name, with the component path: `networking/api`.
    pub name: String,
    /// The check.
    pub check: Check,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// An object exists, and its fields and outputs are as they should be.
    Object {
        /// Which one.
        target: Target,
        /// What must be true of it.
        expected: Vec<(String, Condition)>,
    },
    /// Something accepts connections at a port.
    Tcp {
        /// A host name, an address, or a URL whose host is meant.
        host: Expr,
        /// The port.
        port: Expr,
    },
    /// Something speaks TLS at a port, with a certificate that is good for the name.
    Tls {
        /// A host name, an address, or a URL whose host is meant.
        host: Expr,
        /// The port.
        port: Expr,
        /// The name that the certificate must be for, if it is not the host's.
        server_name: Option<Expr>,
        /// For how many days more the certificate and those that vouch for it must be good.
        days_left: u32,
        /// The authorities that are trusted, in PEM or base64 of PEM; `None`: those of the system.
        roots: Option<Expr>,
    },
    /// A request over HTTP is answered as it should be.
    Http {
        /// The URL.
        url: Expr,
        /// `GET`, `HEAD`, ….
        method: String,
        /// The headers of the request.
        headers: Vec<(String, Expr)>,
        /// The statuses that are right; none: all from 200 to 299.
        statuses: Vec<u16>,
        /// Texts that the body must contain.
        body: Vec<Expr>,
        /// Headers that the answer must have, with a text that the value must contain.
        answer_headers: Vec<(String, Expr)>,
        /// The authorities that are trusted, in PEM or base64 of PEM; `None`: those of the system.
        roots: Option<Expr>,
    },
    /// A name has addresses.
    Dns {
        /// The name.
        name: Expr,
        /// Addresses that must be among them.
        addresses: Vec<Expr>,
    },
    /// A command ends as it should.
    Command {
        /// The program and its arguments.
        argv: Vec<Expr>,
        /// Variables of the environment, beside those of phx itself.
        env: Vec<(String, Expr)>,
        /// The exit code that is right.
        exit_code: i32,
        /// Texts that its standard output must contain.
        prints: Vec<Expr>,
    },
}

/// An object to be read.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A resource of the program.
    Resource(Urn),
    /// Any object that a resource type can read.
    Existing {
        /// The type.
        type_name: &'static str,
        /// The cloud's id of it.
        id: Expr,
        /// Where it lives, if not where the stack does.
        provider: ProviderKey,
    },
}

impl Probe {
    /// What kind of check it is, in one word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Object { .. } => "resource",
            Self::Tcp { .. } => "tcp",
            Self::Tls { .. } => "tls",
            Self::Http { .. } => "http",
            Self::Dns { .. } => "dns",
            Self::Command { .. } => "command",
        }
    }

    /// Whether it reaches for something over a network, by its name or address.
    pub fn is_of_the_network(&self) -> bool {
        matches!(self, Self::Tcp { .. } | Self::Tls { .. } | Self::Http { .. } | Self::Dns { .. })
    }

    /// How long one attempt may take where the program says nothing.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(match self {
            Self::Tcp { .. } | Self::Tls { .. } | Self::Http { .. } | Self::Dns { .. } => 10,
            Self::Object { .. } | Self::Command { .. } => 60,
        })
    }

    /// All expressions in it.
    pub fn expressions(&self) -> Vec<&Expr> {
        fn values<K>(pairs: &[(K, Expr)]) -> impl Iterator<Item = &Expr> {
            pairs.iter().map(|(_, value)| value)
        }
        match self {
            Self::Object { target, expected } => {
                let id = match target {
                    Target::Resource(_) => None,
                    Target::Existing { id, .. } => Some(id),
                };
                id.into_iter().chain(expected.iter().flat_map(|(_, condition)| condition.operands())).collect()
            }
            Self::Tcp { host, port } => vec![host, port],
            Self::Tls { host, port, server_name, days_left: _, roots } => {
                [host, port].into_iter().chain(server_name).chain(roots).collect()
            }
            Self::Http { url, method: _, headers, statuses: _, body, answer_headers, roots } => std::iter::once(url)
                .chain(values(headers))
                .chain(body)
                .chain(values(answer_headers))
                .chain(roots)
                .collect(),
            Self::Dns { name, addresses } => std::iter::once(name).chain(addresses).collect(),
            Self::Command { argv, env, exit_code: _, prints } => argv.iter().chain(values(env)).chain(prints).collect(),
        }
    }
}

impl Check {
    /// A check of something, to be tried for a moment.
    pub fn new(probe: Probe) -> Self {
        Self { probe, within: WITHIN, timeout: None, concerns: Vec::new() }
    }

    /// A resource of this program: its object exists, and what is asked of its fields and outputs is true of them as the cloud has them now.
    pub fn resource(resource: impl AsRef<Urn>) -> ObjectCheck {
        ObjectCheck::of(Target::Resource(resource.as_ref().clone()))
    }

    /// Any existing object, whoever made it, by its type and the cloud's id of it: `Check::existing::<Vpc>("vpc-0a1b")`. Types that phx has no
    /// struct for are read over Cloud Control (`Check::existing::<phx::aws::cloudcontrol::Resource>(…)`).
    pub fn existing<R: Resource>(id: impl Into<AnyInput>) -> ObjectCheck {
        let type_name = R::schema().type_name;
        ObjectCheck::of(Target::Existing { type_name, id: id.into().0, provider: ProviderKey::default() })
    }

    /// Something accepts connections at a port of a host. The host is a name, an address, or a URL whose host is meant.
    pub fn tcp(host: impl IntoInput<String>, port: impl IntoInput<i32>) -> TcpCheck {
        TcpCheck::of(host.into_input().into_expr(), port.into_input().into_expr())
    }

    /// Something speaks TLS at a port of a host, with a certificate that is good for the host's name now. The host is a name, an address, or a
    /// URL whose host is meant.
    pub fn tls(host: impl IntoInput<String>, port: impl IntoInput<i32>) -> TlsCheck {
        TlsCheck::of(host.into_input().into_expr(), port.into_input().into_expr())
    }

    /// A GET of a URL (`http://` or `https://`) is answered with a status from 200 to 299. Redirects are not followed, and no proxy is used: the
    /// check tells whether this machine reaches the host.
    pub fn http(url: impl IntoInput<String>) -> HttpCheck {
        HttpCheck::of(url.into_input().into_expr())
    }

    /// A name has addresses, as this machine's resolver sees it.
    pub fn dns(name: impl IntoInput<String>) -> DnsCheck {
        DnsCheck::of(name.into_input().into_expr())
    }

    /// A command ends with exit code 0. It is run in the project's folder, without a shell and without anything on its standard input, and has
    /// phx's own environment but for the passphrase of the state.
    pub fn command(program: impl IntoInput<String>) -> CommandCheck {
        CommandCheck::of(program.into_input().into_expr())
    }

    /// The same, where an existing object lies in a place of the scope's if the check names none.
    pub(crate) fn at(mut self, scope: &ProviderKey) -> Self {
        if let Probe::Object { target: Target::Existing { provider, .. }, .. } = &mut self.probe
            && provider.is_home()
        {
            *provider = scope.clone();
        }
        self
    }

    /// The resources that it is about: those that it refers to, and those that it was said to concern.
    pub fn urns(&self) -> BTreeSet<&Urn> {
        let mut urns: BTreeSet<&Urn> = self.concerns.iter().collect();
        if let Probe::Object { target: Target::Resource(urn), .. } = &self.probe {
            urns.insert(urn);
        }
        urns.extend(self.references());
        urns
    }

    /// The resources whose outputs are in its expressions.
    pub fn references(&self) -> BTreeSet<&Urn> {
        self.probe.expressions().into_iter().flat_map(Expr::references).collect()
    }

    /// How long one attempt may take.
    pub fn attempt_timeout(&self) -> Duration {
        self.timeout.unwrap_or_else(|| self.probe.timeout())
    }
}

#[cfg(test)]
mod tests;
