//! Names and connections.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpStream;

use super::attempt::{Host, Miss, UNREACHABLE};

/// A port that accepts connections.
#[derive(Clone, Debug)]
pub(super) struct Tcp {
    pub(super) host: Host,
    pub(super) port: u16,
}

impl fmt::Display for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Tcp {
    pub(super) fn expected(&self) -> String {
        format!("port {} accepts connections", self.port)
    }

    pub(super) async fn attempt(&self) -> Result<String, Miss> {
        let stream = self.connect(&self.expected()).await?;
        Ok(match stream.peer_addr() {
            Ok(peer) if !self.host.secret && peer.ip().to_string() != self.host.name => {
                format!("{} at {}", self.expected(), peer.ip())
            }
            _ => self.expected(),
        })
    }

    /// A connection. All addresses of the name are tried.
    pub(super) async fn connect(&self, expected: &str) -> Result<TcpStream, Miss> {
        let addresses = resolve(&self.host.name, self.port).await.map_err(|e| unresolved(expected, &e))?;
        TcpStream::connect(&*addresses).await.map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::ConnectionRefused => "nothing listens there yet, or something on the way turns it down",
                _ => UNREACHABLE,
            };
            Miss::new(expected, format!("no connection: {error}")).hint(hint)
        })
    }
}

/// The addresses of a name, as the system's resolver has them.
async fn resolve(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name, port)).await?.collect();
    match addresses.is_empty() {
        true => Err(io::Error::new(io::ErrorKind::NotFound, "it has no address")),
        false => Ok(addresses),
    }
}

fn unresolved(expected: &str, error: &io::Error) -> Miss {
    Miss::new(expected, format!("the name does not resolve: {error}"))
        .hint("look at the name's record, at its zone's delegation, and whether the zone is a private one that this machine does not see")
}

/// A name that has addresses.
#[derive(Clone, Debug)]
pub(super) struct Dns {
    pub(super) name: Host,
    /// Addresses that must be among them, and whether they are secret.
    pub(super) addresses: Vec<(IpAddr, bool)>,
}

impl Dns {
    pub(super) fn expected(&self) -> String {
        if self.addresses.is_empty() {
            return "the name resolves".to_owned();
        }
        let wanted = self.addresses.iter().map(|(address, secret)| match secret {
            true => phx_model::value::REDACTED.to_owned(),
            false => address.to_string(),
        });
        format!("the name resolves to {}", wanted.collect::<Vec<_>>().join(", "))
    }

    pub(super) async fn attempt(&self) -> Result<String, Miss> {
        let expected = self.expected();
        let found = resolve(&self.name.name, 0).await.map_err(|e| unresolved(&expected, &e))?;
        let found: BTreeSet<IpAddr> = found.into_iter().map(|address| address.ip()).collect();
        // Beside a secret one, the others are kept from view as well.
        let said = match self.name.secret || self.addresses.iter().any(|(_, secret)| *secret) {
            true => "other addresses".to_owned(),
            false => found.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", "),
        };
        match self.addresses.iter().all(|(address, _)| found.contains(address)) {
            true if self.addresses.is_empty() => Ok(format!("the name resolves to {said}")),
            true => Ok(expected),
            false => Err(Miss::new(expected, format!("it resolves to {said}")).hint(
                "a resolver may keep an earlier answer for as long as the record's TTL says; .within(…) waits for that",
            )),
        }
    }
}
