//! Certificates: whom this machine trusts, and what the other side shows.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Tools;
use super::attempt::{Host, Miss};
use super::net::Tcp;

const DAY: u64 = 24 * 60 * 60;

/// Authorities that are trusted.
#[derive(Clone, Debug)]
pub(super) struct Roots(Arc<RootCertStore>);

impl Roots {
    /// Those in a text: PEM, or base64 of PEM.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let decoded = match text.contains("-----BEGIN") {
            true => text.as_bytes().to_vec(),
            false => {
                let text: String = text.split_whitespace().collect();
                let decoded = base64::engine::general_purpose::STANDARD.decode(text);
                decoded.map_err(|_| "the authorities to trust are neither PEM nor base64 of PEM".to_owned())?
            }
        };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&decoded) {
            let certificate = certificate.map_err(|e| format!("the authorities to trust are no good PEM: {e}"))?;
            roots.add(certificate).map_err(|e| format!("a certificate of the authorities to trust is no good: {e}"))?;
        }
        match roots.is_empty() {
            true => Err("there is no certificate in the authorities to trust".to_owned()),
            false => Ok(Self(Arc::new(roots))),
        }
    }
}

/// The authorities that this machine trusts, read once.
#[derive(Debug, Default)]
pub(super) struct SystemRoots(OnceLock<Roots>);

impl SystemRoots {
    fn get(&self) -> Roots {
        let read = || {
            let mut roots = RootCertStore::empty();
            // Some stores have old certificates that nobody could use; the others count.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Roots(Arc::new(roots))
        };
        self.0.get_or_init(read).clone()
    }
}

/// A certificate that is good for a name.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub(super) at: Tcp,
    /// The name that it must be for, if it is not the host's.
    pub(super) name: Option<Host>,
    pub(super) days_left: u32,
    pub(super) roots: Option<Roots>,
}

impl Tls {
    fn name(&self) -> &Host {
        self.name.as_ref().unwrap_or(&self.at.host)
    }

    pub(super) fn expected(&self) -> String {
        let name = self.name();
        match self.days_left {
            0 => format!("TLS with a certificate that is good for {name}"),
            1 => format!("TLS with a certificate that is good for {name} for 1 day more"),
            days => format!("TLS with a certificate that is good for {name} for {days} days more"),
        }
    }

    pub(super) async fn attempt(&self, tools: &Tools) -> Result<String, Miss> {
        let expected = self.expected();
        let stream = self.at.connect(&expected).await?;
        let judge = Judge::new(self.roots.as_ref(), tools, self.days_left, &expected)?;
        shake_hands(stream, self.name(), judge.clone(), &[], &expected).await?;
        let seen = judge.seen();
        if let Some(ends) = seen.too_soon {
            return Err(Miss::new(expected, format!("it is good until {}", date(ends)))
                .hint("have it renewed; look at what renews it by itself and did not"));
        }
        Ok(match seen.good_until {
            Some(ends) => format!("a certificate that is good for {} until {}", self.name(), date(ends)),
            None => expected,
        })
    }
}

/// Speaks TLS over a connection.
pub(super) async fn shake_hands(
    stream: TcpStream,
    name: &Host,
    judge: Arc<Judge>,
    protocols: &[&[u8]],
    expected: &str,
) -> Result<TlsStream<TcpStream>, Miss> {
    let server = ServerName::try_from(name.name.clone())
        .map_err(|_| Miss::new(expected, format!("{name} is no name that a certificate could be for")).final_one())?;
    let config = ClientConfig::builder_with_provider(judge.crypto.clone());
    let config = config.with_safe_default_protocol_versions().map_err(|e| unusable(expected, &e))?;
    let mut config = config.dangerous().with_custom_certificate_verifier(judge).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    TlsConnector::from(Arc::new(config)).connect(server, stream).await.map_err(|error| {
        let tls = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::InvalidCertificate(why)) => refused(expected, why, name),
            Some(other) => Miss::new(expected, format!("no TLS: {other}"))
                .hint("is it TLS that is spoken at this port, from the first byte on?"),
            None => Miss::new(expected, format!("no TLS: the connection ended: {error}"))
                .hint("is it TLS that is spoken at this port, from the first byte on?"),
        }
    })
}

fn unusable(expected: &str, error: &rustls::Error) -> Miss {
    Miss::new(expected, format!("TLS cannot be used here: {error}")).final_one()
}

/// What is wrong with a certificate, in words.
fn refused(expected: &str, why: &CertificateError, name: &Host) -> Miss {
    let miss = |found: String| Miss::new(expected, found);
    match why {
        CertificateError::NotValidForNameContext { presented, .. } if !name.secret => {
            // `DnsName("api.example.com")`, `IpAddress(192.0.2.1)`
            let bare =
                |n: &String| n.trim_end_matches(')').rsplit('(').next().unwrap_or(n).trim_matches('"').to_owned();
            let names = presented.iter().map(bare).collect::<Vec<_>>();
            miss(format!("its certificate is for {}, and not for {name}", names.join(", ")))
                .hint("another certificate belongs on the listener, or the name leads somewhere else")
        }
        CertificateError::NotValidForNameContext { .. } | CertificateError::NotValidForName => {
            miss(format!("its certificate is not for {name}"))
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            miss(format!("its certificate expired {}", date(*not_after)))
                .hint("have it renewed; look at what renews it by itself and did not")
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            miss(format!("its certificate is good from {} on", date(*not_before)))
                .hint("is this machine's clock right?")
        }
        CertificateError::UnknownIssuer => miss(
            "its certificate is from an authority that is not trusted, or certificates between the two are missing"
                .into(),
        )
        .hint("if the authority is one's own, name it with .roots(PEM)"),
        other => miss(format!("its certificate is no good: {other}")),
    }
}

/// The day, in UTC.
fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).map_or_else(|_| "forever".to_owned(), |t| t.strftime("%Y-%m-%d").to_string())
}

/// Judges a certificate as any TLS client does, and looks on from there to the day on which it must still be good.
#[derive(Debug)]
pub(super) struct Judge {
    inner: Arc<WebPkiServerVerifier>,
    crypto: Arc<CryptoProvider>,
    days_left: u32,
    seen: Mutex<Seen>,
}

/// What was seen of a certificate that is good now.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    good_until: Option<UnixTime>,
    /// When it, or one that vouches for it, ends, if that is too soon.
    too_soon: Option<UnixTime>,
}

impl Judge {
    /// By these authorities, or else by those that the machine trusts.
    pub(super) fn new(roots: Option<&Roots>, tools: &Tools, days_left: u32, expected: &str) -> Result<Arc<Self>, Miss> {
        let roots = roots.cloned().unwrap_or_else(|| tools.roots.get());
        if roots.0.is_empty() {
            return Err(Miss::new(expected, "this machine trusts no authority at all, so no certificate is good")
                .hint("install the system's certificates (ca-certificates), or name a file of them in SSL_CERT_FILE")
                .final_one());
        }
        let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let inner = WebPkiServerVerifier::builder_with_provider(roots.0, crypto.clone()).build();
        let inner =
            inner.map_err(|e| Miss::new(expected, format!("certificates cannot be judged here: {e}")).final_one())?;
        Ok(Arc::new(Self { inner, crypto, days_left, seen: Mutex::default() }))
    }

    fn seen(&self) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let at = |time| self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, time);
        let verified = at(now)?;
        // The same chain judged on a later day tells when it ends.
        let ends = |time: u64| match at(UnixTime::since_unix_epoch(Duration::from_secs(time))) {
            Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
                Some(not_after)
            }
            _ => None,
        };
        let good_until = ends(u64::from(u32::MAX) * DAY);
        let too_soon = ends(now.as_secs().saturating_add(u64::from(self.days_left) * DAY));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen { good_until, too_soon };
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
