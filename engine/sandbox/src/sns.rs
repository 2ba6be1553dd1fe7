//! SNS: topics, subscriptions and their attributes. Nothing is published.
//!
//! What waits for a confirmation (by e-mail or over HTTP) waits for ever, and goes with its topic.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use winterbaume_core::MockResponse;

use super::ACCOUNT_ID;
use super::form::tree;
use super::service::{Call, Model, Tags};
use super::shape::{entries, fault, page, query_answer, tag_answer, tag_map, tags_of, text, unknown};
use super::wire::{Fault, request_id};

const XMLNS: &str = "http://sns.amazonaws.com/doc/2010-03-31/";
/// Lists tell so many at once.
const PAGE: usize = 100;
/// What of a topic may be set. The attributes about deliveries are told by their ends.
const TOPIC: &[&str] = &[
    "ArchivePolicy",
    "ContentBasedDeduplication",
    "DeliveryPolicy",
    "DisplayName",
    "FifoThroughputScope",
    "FifoTopic",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "Policy",
    "SignatureVersion",
    "TracingConfig",
];
const FEEDBACK: &[&str] = &["SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn"];
const DELIVERERS: &[&str] = &["HTTP", "Firehose", "Lambda", "Application", "SQS"];
const SUBSCRIPTION: &[&str] = &[
    "DeliveryPolicy",
    "FilterPolicy",
    "FilterPolicyScope",
    "RawMessageDelivery",
    "RedrivePolicy",
    "ReplayPolicy",
    "SubscriptionRoleArn",
];

#[derive(Clone, Default, Serialize, Deserialize)]
struct Topic {
    attributes: Tags,
    tags: Tags,
    #[serde(default)]
    protection: Option<String>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Sns {
    topics: BTreeMap<String, Topic>,
    /// Attributes by ARN.
    subscriptions: BTreeMap<String, Tags>,
}

fn invalid(what: &str) -> Fault {
    Fault::new("InvalidParameter", format!("Invalid parameter: {what}"))
}

fn no_topic() -> Fault {
    fault(404, "NotFound", "Topic does not exist")
}

fn no_resource() -> Fault {
    fault(404, "ResourceNotFound", "Resource does not exist")
}

/// Attributes of JSON must be JSON.
fn check(name: &str, value: &str) -> Result<(), Fault> {
    let document = name.ends_with("Policy") && !value.is_empty();
    if document && serde_json::from_str::<serde_json::Map<String, Value>>(value).is_err() {
        return Err(invalid(&format!("{name} Error: not a JSON object")));
    }
    if matches!(name, "FifoTopic" | "ContentBasedDeduplication" | "RawMessageDelivery")
        && !matches!(value, "true" | "false")
    {
        return Err(invalid(&format!("{name} Reason: must be true or false")));
    }
    Ok(())
}

fn is_topic_attribute(name: &str) -> bool {
    let feedback = DELIVERERS.iter().filter_map(|d| name.strip_prefix(d)).any(|end| FEEDBACK.contains(&end));
    TOPIC.contains(&name) || feedback
}

impl Sns {
    fn topic(&mut self, arn: &str) -> Result<&mut Topic, Fault> {
        self.topics.get_mut(arn).ok_or_else(no_topic)
    }

    fn tagged(&mut self, arn: &str) -> Result<&mut Topic, Fault> {
        self.topics.get_mut(arn).ok_or_else(no_resource)
    }

    fn create_topic(&mut self, call: &Call, body: &Value) -> Result<Value, Fault> {
        let name = text(body, "Name").map_err(|_| invalid("Topic Name"))?;
        let mut attributes = tag_map(&body["Attributes"]);
        for (name, value) in &attributes {
            if !is_topic_attribute(name) {
                return Err(invalid(&format!("Attributes Reason: Unknown attribute {name}")));
            }
            check(name, value)?;
        }
        let fifo = attributes.get("FifoTopic").map(String::as_str) == Some("true");
        let plain = name.strip_suffix(".fifo").unwrap_or(name);
        let fine = plain.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !fine || plain.is_empty() || name.len() > 256 || fifo != name.ends_with(".fifo") {
            return Err(invalid("Topic Name"));
        }
        if attributes.contains_key("ContentBasedDeduplication") && !fifo {
            return Err(invalid("Attributes Reason: Content-based deduplication can only be set for FIFO topics"));
        }
        let arn = call.arn("sns", name);
        let tags = tags_of(&body["Tags"], "Key", "Value");
        if let Some(there) = self.topics.get(&arn) {
            if attributes.iter().any(|(name, value)| there.attributes.get(name) != Some(value)) {
                return Err(invalid("Attributes Reason: Topic already exists with different attributes"));
            }
            if !tags.is_empty() && tags != there.tags {
                return Err(invalid("Tags Reason: Topic already exists with different tags"));
            }
        } else {
            attributes.retain(|_, value| !value.is_empty());
            let protection = body["DataProtectionPolicy"].as_str().map(str::to_owned);
            self.topics.insert(arn.clone(), Topic { attributes, tags, protection });
        }
        Ok(json!({"TopicArn": arn}))
    }

    /// As GetTopicAttributes tells them: what was set, and what SNS says of every topic.
    fn topic_attributes(&self, arn: &str, topic: &Topic) -> Tags {
        let policy = json!({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [{
            "Sid": "__default_statement_ID", "Effect": "Allow", "Principal": {"AWS": "*"},
            "Action": ["SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission", "SNS:RemovePermission",
                       "SNS:DeleteTopic", "SNS:Subscribe", "SNS:ListSubscriptionsByTopic", "SNS:Publish"],
            "Resource": arn, "Condition": {"StringEquals": {"AWS:SourceOwner": ACCOUNT_ID}}}]});
        let of_topic = |s: &&Tags| s.get("TopicArn").map(String::as_str) == Some(arn);
        let pending = |s: &&Tags| s.get("PendingConfirmation").map(String::as_str) == Some("true");
        let all = self.subscriptions.values().filter(of_topic).count();
        let waiting = self.subscriptions.values().filter(of_topic).filter(pending).count();
        let delivery = r#"{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}}"#;
        let mut told: Tags = [
            ("TopicArn", arn.to_owned()),
            ("Owner", ACCOUNT_ID.to_owned()),
            ("DisplayName", String::new()),
            ("Policy", policy.to_string()),
            ("EffectiveDeliveryPolicy", delivery.to_owned()),
            ("SubscriptionsConfirmed", (all - waiting).to_string()),
            ("SubscriptionsPending", waiting.to_string()),
            ("SubscriptionsDeleted", "0".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        if arn.ends_with(".fifo") {
            told.insert("ContentBasedDeduplication".to_owned(), "false".to_owned());
            told.insert("FifoThroughputScope".to_owned(), "Topic".to_owned());
        }
        told.extend(topic.attributes.clone());
        told
    }

    fn set_topic(&mut self, body: &Value) -> Result<Value, Fault> {
        let topic = self.topic(text(body, "TopicArn").map_err(|_| invalid("TopicArn"))?)?;
        let name = body["AttributeName"].as_str().unwrap_or_default();
        let value = body["AttributeValue"].as_str().unwrap_or_default();
        if !is_topic_attribute(name) || name == "FifoTopic" {
            return Err(invalid("AttributeName"));
        }
        check(name, value)?;
        if value.is_empty() || (name == "ArchivePolicy" && value == "{}") {
            topic.attributes.remove(name);
        } else {
            topic.attributes.insert(name.to_owned(), value.to_owned());
        }
        Ok(json!({}))
    }

    fn subscribe(&mut self, body: &Value) -> Result<Value, Fault> {
        let topic = text(body, "TopicArn").map_err(|_| invalid("TopicArn"))?;
        self.topic(topic)?;
        let protocol = body["Protocol"].as_str().unwrap_or_default();
        let endpoint = body["Endpoint"].as_str().unwrap_or_default();
        let service = |s: &str| endpoint.starts_with(&format!("arn:aws:{s}:"));
        let (fine, pending) = match protocol {
            "sqs" | "lambda" | "firehose" => (service(protocol), false),
            "application" => (service("sns"), false),
            "email" | "email-json" => (endpoint.contains('@'), true),
            "http" | "https" => (endpoint.starts_with(&format!("{protocol}://")), true),
            "sms" => (endpoint.trim_start_matches('+').chars().all(|c| c.is_ascii_digit()), false),
            _ => return Err(invalid(&format!("Amazon SNS does not support this protocol string: {protocol}"))),
        };
        if !fine || endpoint.is_empty() {
            return Err(invalid(&format!("Endpoint Reason: {endpoint:?} is none for the protocol {protocol}")));
        }
        let attributes = tag_map(&body["Attributes"]);
        for (name, value) in &attributes {
            if !SUBSCRIPTION.contains(&name.as_str()) {
                return Err(invalid(&format!("Attributes Reason: Unknown attribute {name}")));
            }
            check(name, value)?;
        }
        if protocol == "firehose" && !attributes.contains_key("SubscriptionRoleArn") {
            return Err(invalid("Attributes Reason: SubscriptionRoleArn is needed for the protocol firehose"));
        }
        let same = |s: &Tags| {
            [("TopicArn", topic), ("Protocol", protocol), ("Endpoint", endpoint)]
                .iter()
                .all(|(name, value)| s.get(*name).map(String::as_str) == Some(*value))
        };
        let there = self.subscriptions.iter().find(|(_, s)| same(s)).map(|(arn, s)| (arn.clone(), s.clone()));
        let (arn, pending) = match there {
            Some((arn, there)) => {
                if attributes.iter().any(|(name, value)| there.get(name) != Some(value)) {
                    return Err(invalid("Attributes Reason: Subscription already exists with different attributes"));
                }
                (arn, there.get("PendingConfirmation").map(String::as_str) == Some("true"))
            }
            None => {
                let arn = format!("{topic}:{}", request_id());
                let mut all: Tags = [
                    ("SubscriptionArn", arn.as_str()),
                    ("TopicArn", topic),
                    ("Protocol", protocol),
                    ("Endpoint", endpoint),
                    ("Owner", ACCOUNT_ID),
                    ("SubscriptionPrincipal", &format!("arn:aws:iam::{ACCOUNT_ID}:user/sandbox")),
                    ("PendingConfirmation", if pending { "true" } else { "false" }),
                    ("ConfirmationWasAuthenticated", if pending { "false" } else { "true" }),
                    ("RawMessageDelivery", "false"),
                ]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
                all.extend(attributes);
                self.subscriptions.insert(arn.clone(), all);
                (arn, pending)
            }
        };
        let told =
            if pending && body["ReturnSubscriptionArn"] != json!("true") { "pending confirmation" } else { &arn };
        Ok(json!({"SubscriptionArn": told}))
    }

    fn subscription(&mut self, body: &Value) -> Result<&mut Tags, Fault> {
        let arn = text(body, "SubscriptionArn").map_err(|_| invalid("SubscriptionArn"))?;
        if !arn.starts_with("arn:") {
            return Err(invalid("SubscriptionArn Reason: An ARN must have at least 6 elements, not 1"));
        }
        self.subscriptions.get_mut(arn).ok_or_else(|| fault(404, "NotFound", "Subscription does not exist"))
    }

    fn set_subscription(&mut self, body: &Value) -> Result<Value, Fault> {
        let subscription = self.subscription(body)?;
        let name = body["AttributeName"].as_str().unwrap_or_default();
        let value = body["AttributeValue"].as_str().unwrap_or_default();
        if !SUBSCRIPTION.contains(&name) {
            return Err(invalid("AttributeName"));
        }
        check(name, value)?;
        if value.is_empty() || value == "{}" {
            subscription.remove(name);
        } else {
            subscription.insert(name.to_owned(), value.to_owned());
        }
        Ok(json!({}))
    }

    fn unsubscribe(&mut self, body: &Value) -> Result<Value, Fault> {
        let subscription = self.subscription(body)?;
        if subscription.get("PendingConfirmation").map(String::as_str) == Some("true") {
            return Err(invalid("Cannot unsubscribe a subscription that is pending confirmation"));
        }
        let arn = subscription.get("SubscriptionArn").cloned().unwrap_or_default();
        self.subscriptions.remove(&arn);
        Ok(json!({}))
    }

    fn list_subscriptions(&self, topic: Option<&str>, token: Option<&str>) -> Result<Value, Fault> {
        let shown = |s: &Tags| {
            let get = |name: &str| s.get(name).map(String::as_str);
            let pending = get("PendingConfirmation") == Some("true");
            json!({"SubscriptionArn": if pending { Some("PendingConfirmation") } else { get("SubscriptionArn") },
                   "TopicArn": get("TopicArn"), "Protocol": get("Protocol"), "Endpoint": get("Endpoint"), "Owner": get("Owner")})
        };
        let of_topic = |s: &&Tags| topic.is_none_or(|t| s.get("TopicArn").map(String::as_str) == Some(t));
        let all = self.subscriptions.values().filter(of_topic).map(shown).collect();
        let (all, next) = page(all, token, PAGE)?;
        Ok(json!({"Subscriptions": all, "NextToken": next}))
    }
}

impl Model for Sns {
    fn call(&mut self, call: &Call) -> Result<MockResponse, Fault> {
        let body = Value::Object(tree(&call.form));
        let token = body["NextToken"].as_str();
        let result = match call.action.as_str() {
            "CreateTopic" => self.create_topic(call, &body)?,
            "DeleteTopic" => {
                let arn = text(&body, "TopicArn").map_err(|_| invalid("TopicArn"))?;
                self.topics.remove(arn);
                self.subscriptions.retain(|_, s| s.get("TopicArn").map(String::as_str) != Some(arn));
                json!({})
            }
            "GetTopicAttributes" => {
                let arn = text(&body, "TopicArn").map_err(|_| invalid("TopicArn"))?;
                let topic = self.topic(arn)?.clone();
                json!({"Attributes": entries(&self.topic_attributes(arn, &topic))})
            }
            "SetTopicAttributes" => self.set_topic(&body)?,
            "ListTopics" => {
                let all = self.topics.keys().map(|arn| json!({"TopicArn": arn})).collect();
                let (all, next) = page(all, token, PAGE)?;
                json!({"Topics": all, "NextToken": next})
            }
            "GetDataProtectionPolicy" => {
                let topic = self.topic(body["ResourceArn"].as_str().unwrap_or_default())?;
                json!({"DataProtectionPolicy": topic.protection})
            }
            "PutDataProtectionPolicy" => {
                let topic = self.topic(body["ResourceArn"].as_str().unwrap_or_default())?;
                let policy = body["DataProtectionPolicy"].as_str().unwrap_or_default();
                check("DataProtectionPolicy", policy)?;
                topic.protection = Some(policy.to_owned()).filter(|p| !p.is_empty());
                json!({})
            }
            "Subscribe" => self.subscribe(&body)?,
            "Unsubscribe" => self.unsubscribe(&body)?,
            "GetSubscriptionAttributes" => {
                let mut told = self.subscription(&body)?.clone();
                if told.contains_key("FilterPolicy") {
                    told.entry("FilterPolicyScope".to_owned()).or_insert_with(|| "MessageAttributes".to_owned());
                }
                json!({"Attributes": entries(&told)})
            }
            "SetSubscriptionAttributes" => self.set_subscription(&body)?,
            "ListSubscriptions" => self.list_subscriptions(None, token)?,
            "ListSubscriptionsByTopic" => {
                let arn = text(&body, "TopicArn").map_err(|_| invalid("TopicArn"))?.to_owned();
                self.topic(&arn)?;
                self.list_subscriptions(Some(&arn), token)?
            }
            "TagResource" | "UntagResource" | "ListTagsForResource" => {
                let topic = self.tagged(body["ResourceArn"].as_str().unwrap_or_default())?;
                tag_answer(&call.action, &body, "", &mut topic.tags)
            }
            _ => return unknown("sns", call),
        };
        Ok(query_answer(&call.action, XMLNS, result))
    }

    fn refusal(fault: &Fault, _call: &Call) -> MockResponse {
        fault.query_xml()
    }

    fn tagged(&self, _region: &str) -> Vec<(String, Tags)> {
        self.topics.iter().map(|(arn, topic)| (arn.clone(), topic.tags.clone())).collect()
    }
}
