//! PagerDuty, by its Events API v2: drift opens an incident, and the first look that finds none closes it.

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::http::Url;
use super::{Env, Report, Status, shorten};

/// Where PagerDuty takes events.
const ENDPOINT: &str = "https://events.pagerduty.com/v2/enqueue";
/// The longest summary and the longest key that it takes.
const SUMMARY: usize = 1_024;
const KEY: usize = 255;
/// As many findings as an incident shows.
const FINDINGS: usize = 50;
/// As long as they may be: PagerDuty takes events of 512 kB.
const LENGTH: usize = 64 * 1_024;

/// An integration of a PagerDuty service.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Service {
    routing_key: String,
    url: Url,
}

#[derive(Serialize)]
struct Event<'a> {
    routing_key: &'a str,
    event_action: &'static str,
    dedup_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Payload<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'static str>,
}

#[derive(Serialize)]
struct Payload<'a> {
    summary: String,
    source: String,
    severity: &'static str,
    timestamp: Timestamp,
    component: &'a str,
    group: &'a str,
    class: &'static str,
    custom_details: Details,
}

#[derive(Serialize)]
struct Details {
    checked: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    drifted: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// `//KEY?endpoint=URL`, what follows `pagerduty:`; without a key it is PHX_PAGERDUTY_KEY.
pub(super) fn parse(rest: &str, env: &Env<'_>) -> Result<Service, String> {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (key, query) = rest.split_once('?').map_or((rest, None), |(key, query)| (key, Some(query)));
    let endpoint = match query {
        None => ENDPOINT,
        Some(query) => query
            .strip_prefix("endpoint=")
            .ok_or("--notify pagerduty: the only parameter is ?endpoint=URL, for another place that takes events")?,
    };
    let url = Url::parse(endpoint).map_err(|e| format!("--notify pagerduty: endpoint: {e}"))?;
    let key = match key.trim_end_matches('/') {
        "" => env("PHX_PAGERDUTY_KEY")?
            .ok_or("--notify pagerduty: no routing key\n  hint: set PHX_PAGERDUTY_KEY, or write pagerduty://KEY")?,
        key => key.to_owned(),
    };
    let key = key.trim();
    if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        return Err("--notify pagerduty: this is not a routing key\n  hint: it is the integration key of an Events API v2 integration, 32 letters and digits".to_owned());
    }
    Ok(Service { routing_key: key.to_owned(), url: url.with_secret(key) })
}

impl Service {
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Whether it is PagerDuty itself that is called.
    pub(super) fn is_pagerduty(&self) -> bool {
        self.url.whole() == ENDPOINT
    }

    /// The event that a report is.
    pub(super) fn event(&self, report: &Report) -> serde_json::Result<Vec<u8>> {
        let severity = match report.status() {
            Status::Clean => None,
            Status::Drifted => Some("warning"),
            Status::Failed => Some("error"),
        };
        let payload = severity.map(|severity| Payload {
            summary: shorten(&report.headline(), SUMMARY),
            source: format!("{}/{}", report.project, report.stack),
            severity,
            timestamp: report.time,
            component: &report.stack,
            group: &report.project,
            class: "drift",
            custom_details: Details {
                checked: report.checked,
                drifted: report.lines(FINDINGS, LENGTH, super::Finding::line),
                error: report.error(),
            },
        });
        serde_json::to_vec(&Event {
            routing_key: &self.routing_key,
            event_action: if payload.is_some() { "trigger" } else { "resolve" },
            dedup_key: dedup_key(report),
            client: payload.is_some().then_some("phx"),
            payload,
        })
    }
}

/// The same for every look at one stack, so that there is one incident however often it is found.
fn dedup_key(report: &Report) -> String {
    let key = format!("phx-drift/{}/{}", report.project, report.stack);
    if key.len() <= KEY { key } else { format!("phx-drift/{}", hex::encode(Sha256::digest(&key))) }
}
