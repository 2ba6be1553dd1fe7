//! A topic's attributes, which SNS keeps as text: from fields and back.

use std::collections::HashMap;

use super::topic::{TopicChange, TopicResolved};
use crate::arn::Arn;
use crate::forms::{document, flag, number, text};
use crate::policy;

/// Attributes by SNS's names.
type Attributes = HashMap<String, String>;

/// An attribute: SNS's name, its value if it is set, whether it changes, and what takes it away.
struct Attribute {
    name: &'static str,
    value: Option<String>,
    changes: bool,
    none: &'static str,
}

fn attributes(want: &TopicResolved, change: Option<&TopicChange>) -> Vec<Attribute> {
    let on = |on: Option<bool>| on.map(|on| on.to_string());
    let rate = |rate: Option<i32>| rate.map(|rate| rate.to_string());
    let arn = |arn: &Option<Arn>| arn.as_ref().map(Arn::to_string);
    macro_rules! attribute {
        ($name:literal, $field:ident, $none:literal, $value:expr) => {
            Attribute { name: $name, value: $value, changes: change.is_some_and(|c| c.$field.is_some()), none: $none }
        };
    }
    vec![
        attribute!("FifoTopic", fifo_topic, "false", on(want.fifo_topic.filter(|on| *on))),
        attribute!("DisplayName", display_name, "", want.display_name.clone()),
        attribute!("Policy", policy, "", want.policy.as_ref().map(policy::text)),
        attribute!("DeliveryPolicy", delivery_policy, "", want.delivery_policy.as_ref().map(text)),
        attribute!(
            "MaximumMessageSize",
            maximum_message_size,
            "262144",
            want.maximum_message_size.map(|size| size.to_string())
        ),
        attribute!("KmsMasterKeyId", kms_master_key_id, "", arn(&want.kms_master_key_id)),
        attribute!("SignatureVersion", signature_version, "1", want.signature_version.clone()),
        attribute!("TracingConfig", tracing_config, "PassThrough", want.tracing_config.clone()),
        attribute!(
            "ContentBasedDeduplication",
            content_based_deduplication,
            "false",
            // A topic that is no FIFO one refuses it, even where it is off.
            on(want.content_based_deduplication.filter(|on| *on))
        ),
        attribute!("FifoThroughputScope", fifo_throughput_scope, "Topic", want.fifo_throughput_scope.clone()),
        attribute!("ArchivePolicy", archive_policy, "{}", want.archive_policy.as_ref().map(text)),
        attribute!(
            "HTTPSuccessFeedbackRoleArn",
            http_success_feedback_role_arn,
            "",
            arn(&want.http_success_feedback_role_arn)
        ),
        attribute!(
            "HTTPSuccessFeedbackSampleRate",
            http_success_feedback_sample_rate,
            "0",
            rate(want.http_success_feedback_sample_rate)
        ),
        attribute!(
            "HTTPFailureFeedbackRoleArn",
            http_failure_feedback_role_arn,
            "",
            arn(&want.http_failure_feedback_role_arn)
        ),
        attribute!(
            "FirehoseSuccessFeedbackRoleArn",
            firehose_success_feedback_role_arn,
            "",
            arn(&want.firehose_success_feedback_role_arn)
        ),
        attribute!(
            "FirehoseSuccessFeedbackSampleRate",
            firehose_success_feedback_sample_rate,
            "0",
            rate(want.firehose_success_feedback_sample_rate)
        ),
        attribute!(
            "FirehoseFailureFeedbackRoleArn",
            firehose_failure_feedback_role_arn,
            "",
            arn(&want.firehose_failure_feedback_role_arn)
        ),
        attribute!(
            "LambdaSuccessFeedbackRoleArn",
            lambda_success_feedback_role_arn,
            "",
            arn(&want.lambda_success_feedback_role_arn)
        ),
        attribute!(
            "LambdaSuccessFeedbackSampleRate",
            lambda_success_feedback_sample_rate,
            "0",
            rate(want.lambda_success_feedback_sample_rate)
        ),
        attribute!(
            "LambdaFailureFeedbackRoleArn",
            lambda_failure_feedback_role_arn,
            "",
            arn(&want.lambda_failure_feedback_role_arn)
        ),
        attribute!(
            "ApplicationSuccessFeedbackRoleArn",
            application_success_feedback_role_arn,
            "",
            arn(&want.application_success_feedback_role_arn)
        ),
        attribute!(
            "ApplicationSuccessFeedbackSampleRate",
            application_success_feedback_sample_rate,
            "0",
            rate(want.application_success_feedback_sample_rate)
        ),
        attribute!(
            "ApplicationFailureFeedbackRoleArn",
            application_failure_feedback_role_arn,
            "",
            arn(&want.application_failure_feedback_role_arn)
        ),
        attribute!(
            "SQSSuccessFeedbackRoleArn",
            sqs_success_feedback_role_arn,
            "",
            arn(&want.sqs_success_feedback_role_arn)
        ),
        attribute!(
            "SQSSuccessFeedbackSampleRate",
            sqs_success_feedback_sample_rate,
            "0",
            rate(want.sqs_success_feedback_sample_rate)
        ),
        attribute!(
            "SQSFailureFeedbackRoleArn",
            sqs_failure_feedback_role_arn,
            "",
            arn(&want.sqs_failure_feedback_role_arn)
        ),
    ]
}

/// What a new topic is given.
pub(super) fn wished(want: &TopicResolved) -> Attributes {
    attributes(want, None).into_iter().filter_map(|a| Some((a.name.to_owned(), a.value?))).collect()
}

/// What changes, and what is taken away. It is set one after the other.
pub(super) fn changed(want: &TopicResolved, change: &TopicChange) -> Vec<(&'static str, String)> {
    let changes = attributes(want, Some(change)).into_iter().filter(|a| a.changes);
    changes.map(|a| (a.name, a.value.unwrap_or_else(|| a.none.to_owned()))).collect()
}

/// The fields, without those that have calls of their own.
pub(super) fn fields(arn: &str, attributes: &Attributes) -> TopicResolved {
    let get = |name: &str| attributes.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let on = |name: &str| flag(get(name)).filter(|on| *on);
    let role = |name: &str| get(name).map(Arn::new);
    // An empty document is none.
    let json = |name: &str| document(get(name)).filter(|document| !document.0.is_empty());
    TopicResolved {
        name: arn.rsplit(':').next().unwrap_or_default().to_owned(),
        fifo_topic: on("FifoTopic"),
        display_name: get("DisplayName").map(str::to_owned),
        policy: get("Policy").map(policy::parse),
        delivery_policy: json("DeliveryPolicy"),
        data_protection_policy: None,
        maximum_message_size: number(get("MaximumMessageSize")),
        kms_master_key_id: role("KmsMasterKeyId"),
        signature_version: get("SignatureVersion").map(str::to_owned),
        tracing_config: get("TracingConfig").map(str::to_owned),
        content_based_deduplication: on("ContentBasedDeduplication"),
        fifo_throughput_scope: get("FifoThroughputScope").map(str::to_owned),
        archive_policy: json("ArchivePolicy"),
        http_success_feedback_role_arn: role("HTTPSuccessFeedbackRoleArn"),
        http_success_feedback_sample_rate: number(get("HTTPSuccessFeedbackSampleRate")),
        http_failure_feedback_role_arn: role("HTTPFailureFeedbackRoleArn"),
        firehose_success_feedback_role_arn: role("FirehoseSuccessFeedbackRoleArn"),
        firehose_success_feedback_sample_rate: number(get("FirehoseSuccessFeedbackSampleRate")),
        firehose_failure_feedback_role_arn: role("FirehoseFailureFeedbackRoleArn"),
        lambda_success_feedback_role_arn: role("LambdaSuccessFeedbackRoleArn"),
        lambda_success_feedback_sample_rate: number(get("LambdaSuccessFeedbackSampleRate")),
        lambda_failure_feedback_role_arn: role("LambdaFailureFeedbackRoleArn"),
        application_success_feedback_role_arn: role("ApplicationSuccessFeedbackRoleArn"),
        application_success_feedback_sample_rate: number(get("ApplicationSuccessFeedbackSampleRate")),
        application_failure_feedback_role_arn: role("ApplicationFailureFeedbackRoleArn"),
        sqs_success_feedback_role_arn: role("SQSSuccessFeedbackRoleArn"),
        sqs_success_feedback_sample_rate: number(get("SQSSuccessFeedbackSampleRate")),
        sqs_failure_feedback_role_arn: role("SQSFailureFeedbackRoleArn"),
        tags: std::collections::BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use phx_model::Value;
    use phx_model::typed::{FieldChange, Resource};

    use super::*;
    use crate::sns::Topic;

    fn topic(json: serde_json::Value) -> TopicResolved {
        let Value::Map(fields) = Value::from(json) else { panic!("no map") };
        Topic::resolve(&fields).unwrap()
    }

    #[test]
    fn what_was_sent_comes_back() {
        let want = topic(serde_json::json!({"name": "t.fifo", "fifo_topic": true, "display_name": "T",
            "archive_policy": {"MessageRetentionPeriod": "30"}, "http_success_feedback_sample_rate": 5,
            "sqs_failure_feedback_role_arn": "arn:aws:iam::1:role/r", "content_based_deduplication": true}));
        assert_eq!(fields("arn:aws:sns:r:1:t.fifo", &wished(&want)), want);
        let off = serde_json::json!({"name": "t", "fifo_topic": false, "content_based_deduplication": false});
        assert!(wished(&topic(off)).is_empty());
    }

    #[test]
    fn what_is_taken_away_is_sent_as_nothing() {
        let none = Topic::change(&BTreeMap::new()).unwrap();
        let change = TopicChange {
            display_name: Some(FieldChange { before: Some("T".into()), after: None }),
            archive_policy: Some(FieldChange { before: None, after: None }),
            ..none
        };
        let sent = changed(&topic(serde_json::json!({"name": "t"})), &change);
        assert_eq!(sent, [("DisplayName", String::new()), ("ArchivePolicy", "{}".to_owned())]);
    }

    #[test]
    fn every_field_is_an_attribute() {
        let names: Vec<String> = attributes(&topic(serde_json::json!({"name": "t"})), None)
            .into_iter()
            .map(|a| a.name.to_ascii_lowercase())
            .collect();
        let own = ["name", "data_protection_policy", "tags"];
        for field in Topic::schema().fields.iter().filter(|f| !own.contains(&f.name)) {
            assert!(names.contains(&field.name.replace('_', "")), "{}", field.name);
        }
    }
}
