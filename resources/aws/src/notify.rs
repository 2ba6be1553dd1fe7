//! A message to an SNS topic: how phx tells people of what it found. A topic written here is no resource of a stack's.

use std::time::Duration;

use aws_sdk_sns::types::MessageAttributeValue;
use phx_model::CloudError;
use phx_model::state::ProviderKey;

use crate::arn::Arn;
use crate::client::Aws;

/// One attempt takes no longer than this.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest subject that SNS takes.
const SUBJECT: usize = 100;

/// A topic that can be written to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Topic {
    arn: Arn,
    region: String,
}

impl Topic {
    /// The topic that an ARN names, if it names one: `arn:aws:sns:us-west-2:123456789012:alerts`.
    pub fn parse(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "sns", region, account, name] = parts.as_slice() else { return None };
        let plain = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        let account_ok = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let whole = plain(partition) && plain(region) && account_ok && plain(name);
        whole.then(|| Self { arn: Arn::new(arn), region: (*region).to_owned() })
    }

    /// Its ARN.
    pub fn arn(&self) -> &Arn {
        &self.arn
    }

    /// The region it lies in.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Whether it keeps order, and takes each message once.
    fn is_fifo(&self) -> bool {
        self.arn.as_str().ends_with(".fifo")
    }
}

/// What is told.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// One line; e-mail shows it as the subject.
    pub subject: &'a str,
    /// The text.
    pub text: &'a str,
    /// Names and values that a subscription can filter by; none may be empty.
    pub attributes: &'a [(&'a str, &'a str)],
    /// What the message is about: a FIFO topic keeps the order among messages of one group.
    pub group: &'a str,
    /// The same for the same message: a FIFO topic takes it once.
    pub key: &'a str,
}

/// Writes a message to a topic, in the topic's own region.
pub async fn publish(aws: &Aws, topic: &Topic, message: &Message<'_>) -> Result<(), CloudError> {
    let sns = aws.messages(&ProviderKey(topic.region.clone())).await?;
    let mut request =
        sns.publish().topic_arn(topic.arn.as_str()).subject(subject(message.subject)).message(message.text);
    for (name, value) in message.attributes {
        let value = MessageAttributeValue::builder().data_type("String").string_value(*value).build();
        let value = value.map_err(|e| sns.unexpected("Publish", e.to_string()))?;
        request = request.message_attributes(*name, value);
    }
    if topic.is_fifo() {
        request = request.message_group_id(message.group).message_deduplication_id(message.key);
    }
    // A topic that is not FIFO may tell it twice when an answer was lost, which is better than not at all.
    sns.write_idempotent("Publish", || request.clone().send()).await?;
    Ok(())
}

/// As SNS takes a subject: printable ASCII in one line, not too long.
fn subject(text: &str) -> String {
    let printable = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    text.trim().chars().map(printable).take(SUBJECT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_known_by_its_arn() {
        let topic = Topic::parse("arn:aws-cn:sns:cn-north-1:123456789012:alerts_of-phx").unwrap();
        assert_eq!((topic.region(), topic.is_fifo()), ("cn-north-1", false));
        assert!(Topic::parse("arn:aws:sns:us-west-2:123456789012:alerts.fifo").unwrap().is_fifo());
        for wrong in [
            "",
            "arn:aws:sqs:us-west-2:123456789012:alerts",
            "arn:aws:sns:us-west-2:123456789012",
            "arn:aws:sns::123456789012:alerts",
            "arn:aws:sns:us-west-2:12345:alerts",
            "arn:aws:sns:us-west-2:123456789012:",
            "arn:aws:sns:us-west-2:123456789012:alerts:0a1b",
            "arn:aws:sns:us-west-2:123456789012:al erts",
        ] {
            assert_eq!(Topic::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_subject_is_one_line_of_ascii() {
        assert_eq!(subject("  phx: \u{e4}\nb "), "phx: ??b");
        assert_eq!(subject(&"x".repeat(300)).len(), 100);
    }
}
