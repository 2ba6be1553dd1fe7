//! Any webhook: the whole report as one JSON document, signed if there is a secret to sign it with.
//!
//! `X-Phx-Signature: sha256=HEX` is the HMAC-SHA256 of `TIMESTAMP.BODY`, where `TIMESTAMP` is the header `X-Phx-Timestamp` (seconds since 1970) and
//! `BODY` the body's bytes as they came. A receiver compares it, refuses a time that is minutes away from its own, and does once what comes with
//! one `Idempotency-Key`.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde::Serialize;
use sha2::Sha256;

use super::http::Url;
use super::{Env, Finding, Report};

/// Where a document is sent to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hook {
    pub(super) url: Url,
    secret: Option<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    event: &'static str,
    project: &'a str,
    stack: &'a str,
    status: &'static str,
    checked: u64,
    drifted: Vec<Drifted<'a>>,
    error: Option<String>,
    time: Timestamp,
}

#[derive(Serialize)]
struct Drifted<'a> {
    urn: &'a str,
    #[serde(rename = "type")]
    type_name: &'a str,
    id: &'a str,
    kind: &'static str,
    fields: &'a [String],
}

impl<'a> From<&'a Finding> for Drifted<'a> {
    fn from(finding: &'a Finding) -> Self {
        Self {
            urn: &finding.urn,
            type_name: &finding.type_name,
            id: &finding.id,
            kind: finding.kind.word(),
            fields: &finding.fields,
        }
    }
}

pub(super) fn parse(url: &str, env: &Env<'_>) -> Result<Hook, String> {
    let url = Url::parse(url).map_err(|e| format!("--notify: {e}"))?;
    Ok(Hook { url, secret: env("PHX_WEBHOOK_SECRET")? })
}

/// The document that a report is.
pub(super) fn document(report: &Report) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Document {
        event: "phx.drift",
        project: &report.project,
        stack: &report.stack,
        status: report.status().word(),
        checked: report.checked,
        drifted: report.drifted.iter().map(Drifted::from).collect(),
        error: report.error(),
        time: report.time,
    })
}

impl Hook {
    /// The headers of a report's document. They are the same for every attempt to send it.
    pub(super) fn headers(
        &self,
        report: &Report,
        body: &[u8],
        now: Timestamp,
    ) -> anyhow::Result<Vec<(&'static str, String)>> {
        let timestamp = now.as_second().to_string();
        let mut headers = vec![("idempotency-key", report.key())];
        if let Some(secret) = &self.secret {
            let signed = [timestamp.as_bytes(), b".", body];
            headers.push(("x-phx-signature", format!("sha256={}", hex::encode(hmac(secret.as_bytes(), &signed)?))));
        }
        headers.push(("x-phx-timestamp", timestamp));
        Ok(headers)
    }
}

/// HMAC-SHA256 of parts in a row.
pub(super) fn hmac(key: &[u8], parts: &[&[u8]]) -> anyhow::Result<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    for part in parts {
        mac.update(part);
    }
    Ok(mac.finalize().into_bytes().to_vec())
}
