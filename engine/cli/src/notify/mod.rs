//! Telling people and machines of drift: PagerDuty, Slack and what takes the same JSON, any webhook, an SNS topic.
//!
//! | target | when | again |
//! |---|---|---|
//! | [`pagerduty`] | always: drift and errors open an incident, their absence closes it | one incident a stack, by its key |
//! | [`slack`], [`sns`] | drift or an error: nobody reads that all is well | |
//! | [`webhook`] | always: a machine can tell the difference | one idempotency key a report |
//!
//! A report names fields and never holds their values, so that no secret can leave by this way. What is secret in a target (a key, most of a
//! URL) is in none of its errors.

mod http;
mod pagerduty;
mod slack;
mod sns;
mod webhook;

use std::fmt;

use anyhow::Context as _;
use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use jiff::Timestamp;
use phx_aws::Aws;
use phx_aws::notify::Topic;
use sha2::{Digest, Sha256};

use self::http::{Client, Url};
use crate::render::style::clean;

/// As much of an error as is told.
const ERROR: usize = 1_000;
/// As many fields of one finding as are named.
const FIELDS: usize = 10;

/// What a look at one stack found.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// The project.
    pub(crate) project: String,
    /// The stack.
    pub(crate) stack: String,
    /// What is not as it was left.
    pub(crate) drifted: Vec<Finding>,
    /// How many resources were looked at.
    pub(crate) checked: u64,
    /// Why the look failed, or did not see everything.
    pub(crate) error: Option<String>,
    /// When it was.
    pub(crate) time: Timestamp,
}

/// One object that is not as it was left.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// The resource's URN; empty for an orphan, which has none.
    pub(crate) urn: String,
    /// Its type.
    pub(crate) type_name: String,
    /// What the cloud calls it.
    pub(crate) id: String,
    /// What is the matter with it.
    pub(crate) kind: Kind,
    /// The fields that differ: their names and nothing of their values.
    pub(crate) fields: Vec<String>,
}

/// What is the matter with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It differs from what was set.
    Changed,
    /// It is not there.
    Missing,
    /// It bears the stack's mark, and no state knows it.
    Orphan,
}

/// Who is told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target(Place);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    PagerDuty(pagerduty::Service),
    Slack(Url),
    Webhook(webhook::Hook),
    Sns(Topic),
}

/// The target that a `--notify` names, with the keys that it takes from the environment. What is wrong is told without repeating the URL, most
/// of which may be secret.
pub(crate) fn parse(url: &str) -> Result<Target, String> {
    parse_with(url, &env)
}

/// `--notify URL` on the command line. clap's own words for a wrong value repeat it, and it may hold a key.
#[derive(Clone, Debug)]
pub(crate) struct UrlParser;

impl TypedValueParser for UrlParser {
    type Value = Target;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Target, clap::Error> {
        let parsed = value.to_str().ok_or_else(|| "--notify: this is not valid UTF-8".to_owned()).and_then(parse);
        parsed.map_err(|message| command.clone().error(ErrorKind::ValueValidation, message))
    }
}

/// A variable of the environment; an empty one is as good as none.
fn env(name: &str) -> Result<Option<String>, String> {
    match std::env::var(name) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("{name} is not valid UTF-8")),
    }
}

/// What the environment says of a name.
type Env<'a> = dyn Fn(&str) -> Result<Option<String>, String> + 'a;

fn parse_with(url: &str, env: &Env<'_>) -> Result<Target, String> {
    let url = url.trim();
    let place = match url.split_once(':') {
        Some(("pagerduty", rest)) => Place::PagerDuty(pagerduty::parse(rest, env)?),
        Some(("slack", rest)) => Place::Slack(slack::parse(rest, env)?),
        Some(("http" | "https", _)) => Place::Webhook(webhook::parse(url, env)?),
        Some(("sns", arn)) => Place::Sns(sns::parse(arn)?),
        Some(("arn", _)) => Place::Sns(sns::parse(url)?),
        // What stands there may be a key that was pasted without its scheme.
        _ => {
            return Err("--notify: this is none of pagerduty://KEY, slack:https://…, https://… and arn:aws:sns:…\n  hint: `pagerduty:` takes its key from PHX_PAGERDUTY_KEY, `slack:` its URL from PHX_SLACK_URL"
                .to_owned());
        }
    };
    Ok(Target(place))
}

/// Tells a target what was found, if it is one that wants to know.
pub(crate) async fn send(target: &Target, report: &Report, aws: &Aws) -> anyhow::Result<()> {
    deliver(target, report, aws, &Client::default(), Timestamp::now())
        .await
        .with_context(|| format!("notifying {target} of {}/{}", report.project, report.stack))
}

async fn deliver(target: &Target, report: &Report, aws: &Aws, client: &Client, now: Timestamp) -> anyhow::Result<()> {
    match &target.0 {
        Place::PagerDuty(service) => client.post(service.url(), &[], service.event(report)?).await?,
        Place::Webhook(hook) => {
            let body = webhook::document(report)?;
            client.post(&hook.url, &hook.headers(report, &body, now)?, body).await?;
        }
        Place::Slack(_) | Place::Sns(_) if report.status() == Status::Clean => {}
        Place::Slack(url) => client.post(url, &[], slack::message(report)?).await?,
        Place::Sns(topic) => sns::publish(aws, topic, report).await?,
    }
    Ok(())
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::PagerDuty(service) if service.is_pagerduty() => f.write_str("PagerDuty"),
            Place::PagerDuty(service) => write!(f, "PagerDuty at {}", service.url()),
            Place::Slack(url) => write!(f, "Slack at {url}"),
            Place::Webhook(hook) => write!(f, "the webhook at {}", hook.url),
            Place::Sns(topic) => write!(f, "the SNS topic {}", topic.arn()),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

/// A report in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Clean,
    Drifted,
    Failed,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Drifted => "drifted",
            Self::Failed => "failed",
        }
    }
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::Orphan => "orphan",
        }
    }
}

impl Report {
    fn status(&self) -> Status {
        match (&self.error, self.drifted.is_empty()) {
            (Some(_), _) => Status::Failed,
            (None, false) => Status::Drifted,
            (None, true) => Status::Clean,
        }
    }

    /// The error as it may be shown anywhere: without colours or control characters, and not too long.
    fn error(&self) -> Option<String> {
        let plain = |e: &String| shorten(&clean(&anstream::adapter::strip_str(e.trim()).to_string()), ERROR);
        self.error.as_ref().map(plain)
    }

    fn count(&self, kind: Kind) -> usize {
        self.drifted.iter().filter(|f| f.kind == kind).count()
    }

    /// `2 changed, 1 missing`.
    fn counts(&self) -> String {
        let count = |kind: Kind| match self.count(kind) {
            0 => None,
            n => Some(format!("{n} {}", kind.word())),
        };
        [Kind::Changed, Kind::Missing, Kind::Orphan].into_iter().filter_map(count).collect::<Vec<_>>().join(", ")
    }

    /// All of it in one line.
    fn headline(&self) -> String {
        let stack = format!("{}/{}", self.project, self.stack);
        match (self.status(), self.drifted.is_empty()) {
            (Status::Clean, _) => format!("phx: {stack} is as it was left"),
            (Status::Drifted, _) => format!("phx: {stack} has drifted: {}", self.counts()),
            (Status::Failed, true) => format!("phx: {stack} could not be checked for drift"),
            (Status::Failed, false) => {
                format!("phx: {stack} has drifted: {}; not all of it could be checked", self.counts())
            }
        }
    }

    /// A line for each finding, not more than `most` of them and not longer than `length` bytes together; a last one says how many are left out.
    fn lines(&self, most: usize, length: usize, line: impl Fn(&Finding) -> String) -> String {
        // Room for the last line.
        let length = length.saturating_sub(40);
        let mut text = String::new();
        let mut told = 0;
        for finding in self.drifted.iter().take(most) {
            let line = line(finding);
            if text.len() + line.len() + 1 > length {
                break;
            }
            text.push_str(&line);
            text.push('\n');
            told += 1;
        }
        match self.drifted.len() - told {
            0 => {}
            n if told == 0 => text.push_str(&format!("{n} findings\n")),
            n => text.push_str(&format!("… and {n} more\n")),
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// The same for every attempt to tell of this look, and another for every other.
    fn key(&self) -> String {
        let mut hash = Sha256::new();
        // Lengths, so that no two pairs of names run into each other.
        for part in [self.project.as_str(), &self.stack, &self.time.to_string()] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        hex::encode(hash.finalize())
    }
}

impl Finding {
    /// What it is called: its URN, or what the cloud calls it if it has none.
    fn name(&self) -> &str {
        if self.urn.is_empty() { &self.id } else { &self.urn }
    }

    /// `tags.Owner, policy and 3 more`; empty if no field is named.
    fn fields(&self) -> String {
        let mut text = self.fields.iter().take(FIELDS).map(String::as_str).collect::<Vec<_>>().join(", ");
        if self.fields.len() > FIELDS {
            text.push_str(&format!(" and {} more", self.fields.len() - FIELDS));
        }
        text
    }

    /// Itself in one line.
    fn line(&self) -> String {
        let fields = self.fields();
        match (self.kind, fields.is_empty()) {
            (Kind::Changed, false) => format!("~ {} changed: {fields}", self.name()),
            (Kind::Changed, true) => format!("~ {} changed", self.name()),
            (Kind::Missing, _) => format!("- {} missing", self.name()),
            (Kind::Orphan, _) => format!("? {} in no state", self.name()),
        }
    }
}

/// The fields that paths lie in, each once: a path into a set ends in the member itself (`groups[sg-1]`), which is a value.
pub(crate) fn fields<'a>(paths: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut fields: Vec<String> = paths.into_iter().map(|path| field(path).to_owned()).collect();
    fields.dedup();
    fields
}

/// A path up to the member that it ends in, if it ends in one. A place in a list that leads on to a part of it (`rules[0].status`) is no value.
fn field(path: &str) -> &str {
    let mut from = 0;
    while let Some(at) = path[from..].find('[').map(|at| from + at) {
        let digits = path[at + 1..].bytes().take_while(u8::is_ascii_digit).count();
        let end = at + 1 + digits;
        if digits == 0 || !path[end..].starts_with("].") {
            return &path[..at];
        }
        from = end;
    }
    path
}

/// A text of at most so many bytes; one that was cut ends in `…`.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most.saturating_sub('…'.len_utf8())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests;
