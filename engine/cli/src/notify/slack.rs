//! Slack's incoming webhooks, and what takes the same JSON (Mattermost, Rocket.Chat, Discord's `/slack`).

use serde_json::json;

use super::http::Url;
use super::{Env, Finding, Report, shorten};

/// As many findings as a message shows; nobody scrolls through more.
const FINDINGS: usize = 20;
/// A section's text is at most 3,000 characters long.
const SECTION: usize = 2_900;

/// `https://hooks.slack.com/…`, what follows `slack:`; without it, it is PHX_SLACK_URL.
pub(super) fn parse(rest: &str, env: &Env<'_>) -> Result<Url, String> {
    let url = match rest {
        "" => env("PHX_SLACK_URL")?
            .ok_or("--notify slack: no URL\n  hint: set PHX_SLACK_URL, or write slack:https://hooks.slack.com/…")?,
        url => url.to_owned(),
    };
    Url::parse(url.trim()).map_err(|e| format!("--notify slack: {e}\n  hint: write slack:https://hooks.slack.com/…"))
}

/// The message that a report is. `text` is all that some readers show, and what Slack shows where there is little room.
pub(super) fn message(report: &Report) -> serde_json::Result<Vec<u8>> {
    let section = |text: &str| json!({"type": "section", "text": {"type": "mrkdwn", "text": text}});
    let headline = escape(&report.headline());
    let details: Vec<String> = [
        report.lines(FINDINGS, SECTION, line),
        // Escaped, a character is five at most.
        report.error().map(|e| escape(&shorten(&e, SECTION / 5))).unwrap_or_default(),
    ]
    .into_iter()
    .filter(|part| !part.is_empty())
    .collect();

    let mut blocks = vec![section(&format!("*{headline}*"))];
    blocks.extend(details.iter().map(|part| section(part)));
    let about = format!("{} checked · {}", report.checked, report.time);
    blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": about}]}));
    let text = std::iter::once(headline).chain(details).collect::<Vec<_>>().join("\n");
    serde_json::to_vec(&json!({"text": text, "blocks": blocks}))
}

fn line(finding: &Finding) -> String {
    escape(&shorten(&finding.line(), SECTION / 5))
}

/// These three mean something to Slack: with them, a name could write to everyone (`<!channel>`).
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
