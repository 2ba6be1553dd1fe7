//! SQS: queues and their attributes, in SQS's JSON protocol. No messages.

use std::collections::BTreeMap;

use http::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use winterbaume_core::MockResponse;

use super::ACCOUNT_ID;
use super::service::{Call, Model, Tags};
use super::shape::{json_answer, limit, now, page, tag_map, texts, unknown};
use super::wire::Fault;

/// Attributes that are numbers, from where to where they go, and what they are when nobody sets them.
const NUMBERS: &[(&str, i64, i64, i64)] = &[
    ("DelaySeconds", 0, 900, 0),
    ("MaximumMessageSize", 1024, 1_048_576, 1_048_576),
    ("MessageRetentionPeriod", 60, 1_209_600, 345_600),
    ("ReceiveMessageWaitTimeSeconds", 0, 20, 0),
    ("VisibilityTimeout", 0, 43200, 30),
];
const OTHERS: &[&str] = &[
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "Policy",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
];

#[derive(Clone, Default, Serialize, Deserialize)]
struct Queue {
    /// What was set.
    attributes: Tags,
    tags: Tags,
    created: i64,
    modified: i64,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Sqs {
    queues: BTreeMap<String, Queue>,
}

fn absent() -> Fault {
    Fault::new("com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist.")
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new("com.amazonaws.sqs#InvalidParameterValue", message)
}

impl Queue {
    fn fifo(&self) -> bool {
        self.attributes.get("FifoQueue").map(String::as_str) == Some("true")
    }

    /// Everything that GetQueueAttributes tells.
    fn told(&self, arn: String) -> Tags {
        let mut told: Tags =
            NUMBERS.iter().map(|(name, _, _, unset)| ((*name).to_owned(), unset.to_string())).collect();
        let mut say = |name: &str, value: &str| told.insert(name.to_owned(), value.to_owned());
        say("QueueArn", &arn);
        say("CreatedTimestamp", &self.created.to_string());
        say("LastModifiedTimestamp", &self.modified.to_string());
        for kind in ["", "Delayed", "NotVisible"] {
            say(&format!("ApproximateNumberOfMessages{kind}"), "0");
        }
        let own_key = self.attributes.contains_key("KmsMasterKeyId");
        say("SqsManagedSseEnabled", if own_key { "false" } else { "true" });
        if own_key {
            say("KmsDataKeyReusePeriodSeconds", "300");
        }
        if self.fifo() {
            say("ContentBasedDeduplication", "false");
            say("DeduplicationScope", "queue");
            say("FifoThroughputLimit", "perQueue");
        }
        told.extend(self.attributes.clone());
        told
    }
}

impl Sqs {
    fn name<'b>(&self, body: &'b Value) -> Result<&'b str, Fault> {
        let name = body["QueueUrl"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        if self.queues.contains_key(name) { Ok(name) } else { Err(absent()) }
    }

    fn queue(&mut self, body: &Value) -> Result<&mut Queue, Fault> {
        let name = self.name(body)?;
        self.queues.get_mut(name).ok_or_else(absent)
    }

    /// Whether attributes may be set so. What is empty takes one away.
    fn check(&self, call: &Call, set: &Tags, fifo: bool) -> Result<(), Fault> {
        for (name, value) in set {
            let bad = || {
                Fault::new(
                    "com.amazonaws.sqs#InvalidAttributeValue",
                    format!("Invalid value for the parameter {name}."),
                )
            };
            if let Some((_, least, most, _)) = NUMBERS.iter().find(|(known, ..)| known == name) {
                value.parse().ok().filter(|n: &i64| (least..=most).contains(&n)).ok_or_else(bad)?;
                continue;
            }
            if !OTHERS.contains(&name.as_str()) {
                return Err(Fault::new("com.amazonaws.sqs#InvalidAttributeName", format!("Unknown Attribute {name}.")));
            }
            let for_fifo = ["ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"];
            if for_fifo.contains(&name.as_str()) && !fifo && value != "false" {
                return Err(Fault::new(
                    "com.amazonaws.sqs#InvalidAttributeName",
                    format!("You can specify the {name} only when FifoQueue is set to true."),
                ));
            }
            if name.ends_with("Policy") && !value.is_empty() {
                let document: Value = serde_json::from_str(value).map_err(|_| {
                    invalid(format!("Value {value} for parameter {name} is invalid. Reason: Invalid JSON"))
                })?;
                if name == "RedrivePolicy" {
                    self.check_redrive(call, value, &document, fifo)?;
                }
            }
            let flag = matches!(name.as_str(), "FifoQueue" | "ContentBasedDeduplication" | "SqsManagedSseEnabled");
            if flag && !matches!(value.as_str(), "true" | "false") {
                return Err(bad());
            }
        }
        Ok(())
    }

    fn check_redrive(&self, call: &Call, text: &str, document: &Value, fifo: bool) -> Result<(), Fault> {
        let bad = |why: &str| invalid(format!("Value {text} for parameter RedrivePolicy is invalid. Reason: {why}"));
        let target = document["deadLetterTargetArn"].as_str().ok_or_else(|| bad("Missing deadLetterTargetArn."))?;
        let count = &document["maxReceiveCount"];
        let count = count.as_i64().or_else(|| count.as_str()?.parse().ok());
        if !count.is_some_and(|n| (1..=1000).contains(&n)) {
            return Err(bad("Invalid value for maxReceiveCount."));
        }
        let name = target.rsplit(':').next().unwrap_or_default();
        let queue = self.queues.get(name).filter(|_| target == call.arn("sqs", name));
        let queue = queue.ok_or_else(|| bad("Dead letter target does not exist."))?;
        if queue.fifo() != fifo {
            return Err(bad("Dead-letter queue must be same type of queue as the source."));
        }
        Ok(())
    }

    fn create(&mut self, call: &Call, body: &Value) -> Result<Value, Fault> {
        let name = body["QueueName"].as_str().unwrap_or_default();
        let mut attributes = tag_map(&body["Attributes"]);
        let fifo = attributes.get("FifoQueue").map(String::as_str) == Some("true");
        let plain = name.strip_suffix(".fifo").unwrap_or(name);
        let fine = plain.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if plain.is_empty() || name.len() > 80 || !fine {
            return Err(invalid(
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
            ));
        }
        if fifo != name.ends_with(".fifo") {
            return Err(invalid("The name of a FIFO queue, and of no other, must end with the suffix .fifo"));
        }
        self.check(call, &attributes, fifo)?;
        if let Some(there) = self.queues.get(name) {
            let told = there.told(call.arn("sqs", name));
            if let Some((other, _)) = attributes.iter().find(|(name, value)| told.get(*name) != Some(value)) {
                return Err(Fault::new(
                    "com.amazonaws.sqs#QueueNameExists",
                    format!("A queue already exists with the same name and a different value for attribute {other}"),
                ));
            }
        } else {
            attributes.retain(|_, value| !value.is_empty());
            let created = now().as_i64().unwrap_or_default();
            let queue = Queue { attributes, tags: tag_map(&body["tags"]), created, modified: created };
            self.queues.insert(name.to_owned(), queue);
        }
        Ok(json!({"QueueUrl": url(call, name)}))
    }

    fn set(&mut self, call: &Call, body: &Value) -> Result<Value, Fault> {
        let name = self.name(body)?;
        let set = tag_map(&body["Attributes"]);
        let fifo = self.queue(body)?.fifo();
        if set.get("FifoQueue").is_some_and(|on| (on == "true") != fifo) {
            return Err(Fault::new("com.amazonaws.sqs#InvalidAttributeName", "FifoQueue cannot be changed."));
        }
        self.check(call, &set, fifo)?;
        let queue = self.queues.get_mut(name).ok_or_else(absent)?;
        for (name, value) in set {
            if value.is_empty() {
                queue.attributes.remove(&name);
                continue;
            }
            // One kind of encryption takes the place of the other.
            match name.as_str() {
                "KmsMasterKeyId" => queue.attributes.remove("SqsManagedSseEnabled"),
                "SqsManagedSseEnabled" if value == "true" => queue.attributes.remove("KmsMasterKeyId"),
                _ => None,
            };
            queue.attributes.insert(name, value);
        }
        queue.modified = now().as_i64().unwrap_or_default();
        Ok(json!({}))
    }
}

fn url(call: &Call, name: &str) -> String {
    format!("https://sqs.{}.amazonaws.com/{ACCOUNT_ID}/{name}", call.region)
}

impl Model for Sqs {
    fn call(&mut self, call: &Call) -> Result<MockResponse, Fault> {
        if !call.headers.contains_key("x-amz-target") {
            return Err(Fault::not_implemented("sqs in its older form (a form instead of JSON)"));
        }
        let body = call.json()?;
        let result = match call.action.as_str() {
            "CreateQueue" => self.create(call, &body)?,
            "DeleteQueue" => {
                let name = self.name(&body)?;
                self.queues.remove(name);
                json!({})
            }
            "GetQueueUrl" => {
                let name = body["QueueName"].as_str().unwrap_or_default();
                self.queues.get(name).ok_or_else(absent)?;
                json!({"QueueUrl": url(call, name)})
            }
            "GetQueueAttributes" => {
                let arn = call.arn("sqs", self.name(&body)?);
                let mut told = self.queue(&body)?.told(arn);
                let wanted = texts(&body["AttributeNames"]);
                told.retain(|name, _| wanted.iter().any(|w| w == "All" || w == name));
                json!({"Attributes": told})
            }
            "SetQueueAttributes" => self.set(call, &body)?,
            "ListQueues" => {
                let prefix = body["QueueNamePrefix"].as_str().unwrap_or_default();
                let all =
                    self.queues.keys().filter(|name| name.starts_with(prefix)).map(|name| url(call, name)).collect();
                let (all, next) = page(all, body["NextToken"].as_str(), limit(&body["MaxResults"], 1000))?;
                json!({"QueueUrls": all, "NextToken": next})
            }
            "ListQueueTags" => json!({"Tags": self.queue(&body)?.tags}),
            "TagQueue" => {
                self.queue(&body)?.tags.extend(tag_map(&body["Tags"]));
                json!({})
            }
            "UntagQueue" => {
                let keys = texts(&body["TagKeys"]);
                self.queue(&body)?.tags.retain(|key, _| !keys.contains(key));
                json!({})
            }
            _ => return unknown("sqs", call),
        };
        Ok(json_answer(result))
    }

    fn refusal(fault: &Fault, _call: &Call) -> MockResponse {
        let mut response = fault.json();
        // What the older protocol calls it, for clients that go by that.
        let older = match fault.code.as_str() {
            "com.amazonaws.sqs#QueueDoesNotExist" => Some("AWS.SimpleQueueService.NonExistentQueue;Sender"),
            "com.amazonaws.sqs#QueueNameExists" => Some("QueueAlreadyExists;Sender"),
            _ => None,
        };
        if let Some(older) = older {
            response.headers.insert("x-amzn-query-error", HeaderValue::from_static(older));
        }
        response
    }

    fn tagged(&self, region: &str) -> Vec<(String, Tags)> {
        let arn = |name: &str| format!("arn:aws:sqs:{region}:{ACCOUNT_ID}:{name}");
        self.queues.iter().map(|(name, queue)| (arn(name), queue.tags.clone())).collect()
    }
}
