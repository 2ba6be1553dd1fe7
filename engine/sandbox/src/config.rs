//! AWS Config: a region's recorder and delivery channel, and its rules. Nothing is recorded or evaluated.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use winterbaume_core::MockResponse;

use super::ACCOUNT_ID;
use super::service::{Call, Model, Tags};
use super::shape::{json_answer, now, page, tag_answer, tags_of, text, texts, unknown};
use super::wire::{Fault, request_id};

/// DescribeConfigRules tells so many at once.
const PAGE: usize = 25;

#[derive(Clone, Default, Serialize, Deserialize)]
struct Recorder {
    recorder: Value,
    tags: Tags,
    recording: bool,
    changed: Option<i64>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Rule {
    rule: Value,
    tags: Tags,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Config {
    recorder: Option<Recorder>,
    channel: Option<Value>,
    rules: BTreeMap<String, Rule>,
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new("InvalidParameterValueException", message)
}

fn no_recorder(name: &str) -> Fault {
    Fault::new(
        "NoSuchConfigurationRecorderException",
        format!("Cannot find configuration recorder with the specified name '{name}'."),
    )
}

fn none_available() -> Fault {
    Fault::new("NoAvailableConfigurationRecorderException", "Configuration recorder is not available.")
}

fn no_rule(name: &str) -> Fault {
    let message =
        format!("The ConfigRule '{name}' provided in the request is invalid. Please check the configRule name");
    Fault::new("NoSuchConfigRuleException", message)
}

/// A recorder with what AWS Config fills in.
fn filled(recorder: &Value) -> Value {
    let mut recorder = recorder.clone();
    let group = &mut recorder["recordingGroup"];
    if group.is_null() {
        *group = json!({"allSupported": true});
    }
    let chosen = |list: &Value| list.as_array().is_some_and(|list| !list.is_empty());
    let strategy = if chosen(&group["resourceTypes"]) {
        "INCLUSION_BY_RESOURCE_TYPES"
    } else if chosen(&group["exclusionByResourceTypes"]["resourceTypes"]) {
        "EXCLUSION_BY_RESOURCE_TYPES"
    } else {
        "ALL_SUPPORTED_RESOURCE_TYPES"
    };
    for (name, unset) in [
        ("allSupported", json!(false)),
        ("includeGlobalResourceTypes", json!(false)),
        ("resourceTypes", json!([])),
        ("exclusionByResourceTypes", json!({"resourceTypes": []})),
        ("recordingStrategy", json!({"useOnly": strategy})),
    ] {
        if group[name].is_null() {
            group[name] = unset;
        }
    }
    let mode = &mut recorder["recordingMode"];
    if mode.is_null() {
        *mode = json!({"recordingFrequency": "CONTINUOUS"});
    }
    if mode["recordingModeOverrides"].is_null() {
        mode["recordingModeOverrides"] = json!([]);
    }
    recorder["recordingScope"] = json!("PAID");
    recorder
}

impl Config {
    fn put_recorder(&mut self, call: &Call, body: &Value) -> Result<Value, Fault> {
        let mut recorder = filled(&body["ConfigurationRecorder"]);
        let name = recorder["name"].as_str().unwrap_or("default").to_owned();
        let role =
            text(&recorder, "roleARN").map_err(|_| Fault::new("InvalidRoleException", "You must provide a role"))?;
        if !role.starts_with("arn:") {
            return Err(Fault::new("InvalidRoleException", format!("{role} is no role's ARN")));
        }
        recorder["name"] = json!(name);
        match &mut self.recorder {
            Some(there) if there.recorder["name"] == name.as_str() => {
                recorder["arn"] = there.recorder["arn"].clone();
                there.recorder = recorder;
            }
            Some(there) => {
                return Err(Fault::new(
                    "MaxNumberOfConfigurationRecordersExceededException",
                    format!(
                        "Failed to put configuration recorder '{name}' because the maximum number of configuration recorders: 1 is reached: {}.",
                        there.recorder["name"]
                    ),
                ));
            }
            None => {
                let id = request_id().replace('-', "");
                recorder["arn"] = json!(call.arn("config", &format!("configuration-recorder/{name}/{}", &id[..16])));
                let tags = tags_of(&body["Tags"], "Key", "Value");
                self.recorder = Some(Recorder { recorder, tags, ..Recorder::default() });
            }
        }
        Ok(json!({}))
    }

    fn recorder(&mut self, name: &Value) -> Result<&mut Recorder, Fault> {
        let name = name.as_str().unwrap_or_default();
        self.recorder.as_mut().filter(|r| r.recorder["name"] == name).ok_or_else(|| no_recorder(name))
    }

    /// The one recorder, if it is among those that were asked for.
    fn asked(&self, body: &Value) -> Result<Vec<Recorder>, Fault> {
        let names = texts(&body["ConfigurationRecorderNames"]);
        let there = self.recorder.clone();
        if let Some(absent) = names.iter().find(|n| there.as_ref().is_none_or(|r| r.recorder["name"] != n.as_str())) {
            return Err(no_recorder(absent));
        }
        Ok(there.into_iter().collect())
    }

    fn put_channel(&mut self, body: &Value) -> Result<Value, Fault> {
        let mut channel = body["DeliveryChannel"].clone();
        text(&channel, "s3BucketName")
            .map_err(|_| Fault::new("InvalidS3KeyPrefixException", "s3BucketName must not be empty"))?;
        if self.recorder.is_none() {
            return Err(none_available());
        }
        if channel["name"].is_null() {
            channel["name"] = json!("default");
        }
        if self.channel.as_ref().is_some_and(|there| there["name"] != channel["name"]) {
            return Err(Fault::new(
                "MaxNumberOfDeliveryChannelsExceededException",
                "Failed to put delivery channel because the maximum number of delivery channels: 1 is reached.",
            ));
        }
        self.channel = Some(channel);
        Ok(json!({}))
    }

    fn no_channel(name: &str) -> Fault {
        let message = format!("Cannot find delivery channel with specified name '{name}'.");
        Fault::new("NoSuchDeliveryChannelException", message)
    }

    fn put_rule(&mut self, call: &Call, body: &Value) -> Result<Value, Fault> {
        let mut rule = body["ConfigRule"].clone();
        let name = text(&rule, "ConfigRuleName").map_err(|_| invalid("ConfigRuleName must not be empty"))?.to_owned();
        if self.recorder.is_none() {
            return Err(none_available());
        }
        if rule["Source"]["Owner"].is_null() {
            return Err(invalid("Source and its Owner must not be null"));
        }
        if rule["Source"]["Owner"] == "CUSTOM_POLICY" && rule["Source"]["CustomPolicyDetails"]["PolicyText"].is_null() {
            return Err(invalid("PolicyText must not be null for a custom policy rule"));
        }
        let parameters = rule["InputParameters"].as_str().unwrap_or("{}");
        if serde_json::from_str::<serde_json::Map<String, Value>>(parameters).is_err() {
            return Err(invalid("InputParameters is not a JSON object"));
        }
        let there = self.rules.get(&name);
        match there {
            Some(there) => {
                for kept in ["ConfigRuleArn", "ConfigRuleId"] {
                    rule[kept] = there.rule[kept].clone();
                }
            }
            None => {
                let id = format!("config-rule-{}", &request_id().replace('-', "")[..6]);
                rule["ConfigRuleArn"] = json!(call.arn("config", &format!("config-rule/{id}")));
                rule["ConfigRuleId"] = json!(id);
            }
        }
        rule["ConfigRuleState"] = json!("ACTIVE");
        if rule["EvaluationModes"].is_null() {
            rule["EvaluationModes"] = json!([{"Mode": "DETECTIVE"}]);
        }
        let tags = there.map_or_else(|| tags_of(&body["Tags"], "Key", "Value"), |there| there.tags.clone());
        self.rules.insert(name, Rule { rule, tags });
        Ok(json!({}))
    }

    fn rule(&mut self, name: &Value) -> Result<&mut Rule, Fault> {
        let name = name.as_str().unwrap_or_default();
        self.rules.get_mut(name).ok_or_else(|| no_rule(name))
    }

    fn describe_rules(&self, body: &Value) -> Result<Value, Fault> {
        let names = texts(&body["ConfigRuleNames"]);
        if let Some(absent) = names.iter().find(|name| !self.rules.contains_key(*name)) {
            return Err(no_rule(absent));
        }
        let shown = |rule: &Rule| {
            let mut rule = rule.rule.clone();
            // The text of a policy has a call of its own.
            if let Value::Object(details) = &mut rule["Source"]["CustomPolicyDetails"] {
                details.remove("PolicyText");
            }
            rule
        };
        let all = self.rules.iter().filter(|(name, _)| names.is_empty() || names.contains(name));
        let (all, next) = page(all.map(|(_, rule)| shown(rule)).collect(), body["NextToken"].as_str(), PAGE)?;
        Ok(json!({"ConfigRules": all, "NextToken": next}))
    }

    fn tags(&mut self, body: &Value) -> Result<&mut Tags, Fault> {
        let arn = body["ResourceArn"].as_str().unwrap_or_default();
        let recorder = self.recorder.as_mut().filter(|r| r.recorder["arn"] == arn).map(|r| &mut r.tags);
        let rules = &mut self.rules;
        let tags =
            recorder.or_else(|| rules.values_mut().find(|r| r.rule["ConfigRuleArn"] == arn).map(|r| &mut r.tags));
        tags.ok_or_else(|| Fault::new("ResourceNotFoundException", format!("ResourceArn {arn} does not exist")))
    }

    fn record(&mut self, call: &Call, body: &Value) -> Result<Value, Fault> {
        let start = call.action == "StartConfigurationRecorder";
        let channel = self.channel.is_some();
        let recorder = self.recorder(&body["ConfigurationRecorderName"])?;
        if start && !channel {
            let message = "Delivery channel is not available to start configuration recorder.";
            return Err(Fault::new("NoAvailableDeliveryChannelException", message));
        }
        recorder.recording = start;
        recorder.changed = now().as_i64();
        Ok(json!({}))
    }
}

impl Model for Config {
    fn call(&mut self, call: &Call) -> Result<MockResponse, Fault> {
        let body = call.json()?;
        let result = match call.action.as_str() {
            "PutConfigurationRecorder" => self.put_recorder(call, &body)?,
            "DescribeConfigurationRecorders" => {
                let all: Vec<Value> = self.asked(&body)?.into_iter().map(|r| r.recorder).collect();
                json!({"ConfigurationRecorders": all})
            }
            "DescribeConfigurationRecorderStatus" => {
                let status = |r: Recorder| {
                    let (start, stop) = if r.recording { (r.changed, None) } else { (None, r.changed) };
                    json!({"name": r.recorder["name"], "arn": r.recorder["arn"], "recording": r.recording,
                           "lastStatus": "SUCCESS", "lastStartTime": start, "lastStopTime": stop})
                };
                json!({"ConfigurationRecordersStatus": self.asked(&body)?.into_iter().map(status).collect::<Vec<_>>()})
            }
            "StartConfigurationRecorder" | "StopConfigurationRecorder" => self.record(call, &body)?,
            "DeleteConfigurationRecorder" => {
                self.recorder(&body["ConfigurationRecorderName"])?;
                self.recorder = None;
                json!({})
            }
            "PutDeliveryChannel" => self.put_channel(&body)?,
            "DescribeDeliveryChannels" => {
                let names = texts(&body["DeliveryChannelNames"]);
                let there = self.channel.as_ref();
                if let Some(absent) = names.iter().find(|n| there.is_none_or(|c| c["name"] != n.as_str())) {
                    return Err(Self::no_channel(absent));
                }
                json!({"DeliveryChannels": there.into_iter().collect::<Vec<_>>()})
            }
            "DeleteDeliveryChannel" => {
                let name = body["DeliveryChannelName"].as_str().unwrap_or_default();
                self.channel.as_ref().filter(|c| c["name"] == name).ok_or_else(|| Self::no_channel(name))?;
                if self.recorder.as_ref().is_some_and(|r| r.recording) {
                    let message = format!(
                        "Failed to delete last specified delivery channel with name '{name}', because there is a running configuration recorder."
                    );
                    return Err(Fault::new("LastDeliveryChannelDeleteFailedException", message));
                }
                self.channel = None;
                json!({})
            }
            "PutConfigRule" => self.put_rule(call, &body)?,
            "DescribeConfigRules" => self.describe_rules(&body)?,
            "DeleteConfigRule" => {
                self.rule(&body["ConfigRuleName"])?;
                self.rules.remove(body["ConfigRuleName"].as_str().unwrap_or_default());
                json!({})
            }
            "GetCustomRulePolicy" => {
                let rule = self.rule(&body["ConfigRuleName"])?;
                json!({"PolicyText": rule.rule["Source"]["CustomPolicyDetails"]["PolicyText"]})
            }
            "TagResource" | "UntagResource" | "ListTagsForResource" => {
                tag_answer(&call.action, &body, "", self.tags(&body)?)
            }
            _ => return unknown("config", call),
        };
        Ok(json_answer(result))
    }

    fn refusal(fault: &Fault, _call: &Call) -> MockResponse {
        fault.json()
    }

    fn tagged(&self, region: &str) -> Vec<(String, Tags)> {
        let mine = format!("arn:aws:config:{region}:{ACCOUNT_ID}:");
        let arn = |arn: &Value| arn.as_str().unwrap_or_default().to_owned();
        let recorder = self.recorder.iter().map(|r| (arn(&r.recorder["arn"]), r.tags.clone()));
        let rules = self.rules.values().map(|r| (arn(&r.rule["ConfigRuleArn"]), r.tags.clone()));
        recorder.chain(rules).filter(|(arn, _)| arn.starts_with(&mine)).collect()
    }
}
