//! An SNS topic: e-mail, text messages, queues and functions, by whoever has subscribed.

use phx_aws::Aws;
use phx_aws::notify::{Message, Topic};
use phx_model::CloudError;
use sha2::{Digest, Sha256};

use super::{Finding, Report};

/// SNS takes messages of 256 kB.
const LENGTH: usize = 128 * 1_024;
/// As many findings as are named.
const FINDINGS: usize = 200;
/// The longest name that a group of messages has.
const GROUP: usize = 128;

pub(super) fn parse(arn: &str) -> Result<Topic, String> {
    Topic::parse(arn)
        .ok_or_else(|| "--notify: this is not an SNS topic's ARN; expected arn:aws:sns:REGION:ACCOUNT:NAME".to_owned())
}

pub(super) async fn publish(aws: &Aws, topic: &Topic, report: &Report) -> Result<(), CloudError> {
    let attributes =
        [("project", report.project.as_str()), ("stack", report.stack.as_str()), ("status", report.status().word())];
    let message = Message {
        subject: &report.headline(),
        text: &text(report),
        attributes: &attributes,
        group: &group(report),
        key: &report.key(),
    };
    phx_aws::notify::publish(aws, topic, &message).await
}

/// The same for every look at one stack.
fn group(report: &Report) -> String {
    let group = format!("phx-drift-{}-{}", report.project, report.stack);
    if group.len() <= GROUP { group } else { format!("phx-drift-{}", hex::encode(Sha256::digest(&group))) }
}

/// The message that a report is, for people.
pub(super) fn text(report: &Report) -> String {
    let parts = [
        report.headline(),
        report.lines(FINDINGS, LENGTH, Finding::line),
        report.error().unwrap_or_default(),
        format!("{} checked at {}", report.checked, report.time),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}
