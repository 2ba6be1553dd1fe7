//! Security Hub: a region's hub and its standards. Nothing is checked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use winterbaume_core::MockResponse;

use super::ACCOUNT_ID;
use super::service::{Call, Model, Tags};
use super::shape::{fault, json_answer, limit, now_text, page, rest_json_refusal, tag_map, texts, unknown};
use super::wire::Fault;

/// Every standard, as its ARN ends, and whether it is enabled together with the hub.
/// <https://docs.aws.amazon.com/securityhub/latest/userguide/standards-reference.html>
const STANDARDS: &[(&str, bool)] = &[
    ("standards/aws-foundational-security-best-practices/v/1.0.0", true),
    ("standards/aws-resource-tagging-standard/v/1.0.0", false),
    ("ruleset/cis-aws-foundations-benchmark/v/1.2.0", true),
    ("standards/cis-aws-foundations-benchmark/v/1.4.0", false),
    ("standards/cis-aws-foundations-benchmark/v/3.0.0", false),
    ("standards/cis-aws-foundations-benchmark/v/5.0.0", false),
    ("standards/nist-800-53/v/5.0.0", false),
    ("standards/nist-800-171/v/2.0.0", false),
    ("standards/pci-dss/v/3.2.1", false),
    ("standards/pci-dss/v/4.0.1", false),
];
const PAGE: usize = 100;

#[derive(Clone, Serialize, Deserialize)]
struct Hub {
    subscribed: String,
    auto_enable_controls: bool,
    finding_generator: String,
    tags: Tags,
    /// Subscriptions by their ARNs.
    standards: BTreeMap<String, Value>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct SecurityHub {
    hub: Option<Hub>,
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new("InvalidInputException", message)
}

/// The ARN of a standard in a region. The oldest belongs to none.
fn standard(region: &str, end: &str) -> String {
    let region = if end.starts_with("ruleset/") { "" } else { region };
    format!("arn:aws:securityhub:{region}::{end}")
}

impl Hub {
    fn subscribe(&mut self, call: &Call, arn: &str, input: &Value) -> Result<Value, Fault> {
        let (end, _) = STANDARDS
            .iter()
            .find(|(end, _)| standard(&call.region, end) == arn)
            .ok_or_else(|| invalid(format!("StandardsArn {arn} is no standard in {}", call.region)))?;
        let name = end.split_once('/').map(|(_, name)| name).unwrap_or_default();
        let subscription = call.arn("securityhub", &format!("subscription/{name}"));
        let input = if input.is_null() { json!({}) } else { input.clone() };
        let shown = json!({"StandardsSubscriptionArn": subscription, "StandardsArn": arn, "StandardsInput": input,
                           "StandardsStatus": "READY", "StandardsControlsUpdatable": "READY_FOR_UPDATES"});
        Ok(self.standards.entry(subscription).or_insert(shown).clone())
    }
}

impl SecurityHub {
    fn hub(&mut self) -> Result<&mut Hub, Fault> {
        let message = format!("Account {ACCOUNT_ID} is not subscribed to AWS Security Hub");
        self.hub.as_mut().ok_or_else(|| fault(401, "InvalidAccessException", message))
    }

    fn by_arn(&mut self, call: &Call, arn: &str) -> Result<&mut Hub, Fault> {
        let hub = self.hub()?;
        if arn == call.arn("securityhub", "hub/default") {
            return Ok(hub);
        }
        Err(fault(404, "ResourceNotFoundException", format!("Resource {arn} does not exist")))
    }

    fn enable(&mut self, call: &Call, body: &Value) -> Result<Value, Fault> {
        if self.hub.is_some() {
            return Err(fault(409, "ResourceConflictException", "Account is already subscribed to Security Hub"));
        }
        let mut hub = Hub {
            subscribed: now_text(),
            auto_enable_controls: true,
            finding_generator: body["ControlFindingGenerator"].as_str().unwrap_or("SECURITY_CONTROL").to_owned(),
            tags: tag_map(&body["Tags"]),
            standards: BTreeMap::new(),
        };
        if body["EnableDefaultStandards"] != json!(false) {
            for (end, _) in STANDARDS.iter().filter(|(_, default)| *default) {
                hub.subscribe(call, &standard(&call.region, end), &Value::Null)?;
            }
        }
        self.hub = Some(hub);
        Ok(json!({}))
    }

    fn disable_standards(&mut self, body: &Value) -> Result<Value, Fault> {
        let hub = self.hub()?;
        let mut gone = Vec::new();
        for arn in texts(&body["StandardsSubscriptionArns"]) {
            let subscription = hub.standards.remove(&arn);
            let mut subscription =
                subscription.ok_or_else(|| invalid(format!("StandardsSubscriptionArn {arn} is not enabled")))?;
            subscription["StandardsStatus"] = json!("DELETING");
            gone.push(subscription);
        }
        Ok(json!({"StandardsSubscriptions": gone}))
    }
}

impl Model for SecurityHub {
    fn call(&mut self, call: &Call) -> Result<MockResponse, Fault> {
        let body = call.json()?;
        let path = call.path();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let result = match (call.method.as_str(), path.as_slice()) {
            ("POST", ["accounts"]) => self.enable(call, &body)?,
            ("GET", ["accounts"]) => {
                let own = call.arn("securityhub", "hub/default");
                let arn = call.query("HubArn").unwrap_or_else(|| own.clone());
                let hub = self.by_arn(call, &arn)?;
                json!({"HubArn": own, "SubscribedAt": hub.subscribed, "AutoEnableControls": hub.auto_enable_controls,
                       "ControlFindingGenerator": hub.finding_generator})
            }
            ("PATCH", ["accounts"]) => {
                let hub = self.hub()?;
                if let Some(on) = body["AutoEnableControls"].as_bool() {
                    hub.auto_enable_controls = on;
                }
                if let Some(generator) = body["ControlFindingGenerator"].as_str() {
                    if !["SECURITY_CONTROL", "STANDARD_CONTROL"].contains(&generator) {
                        return Err(invalid(format!("ControlFindingGenerator {generator} is none")));
                    }
                    generator.clone_into(&mut hub.finding_generator);
                }
                json!({})
            }
            ("DELETE", ["accounts"]) => {
                self.hub()?;
                self.hub = None;
                json!({})
            }
            ("POST", ["standards", "register"]) => {
                let hub = self.hub()?;
                let mut all = Vec::new();
                for request in body["StandardsSubscriptionRequests"].as_array().into_iter().flatten() {
                    let arn = request["StandardsArn"].as_str().unwrap_or_default();
                    all.push(hub.subscribe(call, arn, &request["StandardsInput"])?);
                }
                json!({"StandardsSubscriptions": all})
            }
            ("POST", ["standards", "deregister"]) => self.disable_standards(&body)?,
            ("POST", ["standards", "get"]) => {
                let wanted = texts(&body["StandardsSubscriptionArns"]);
                let all = self.hub()?.standards.iter().filter(|(arn, _)| wanted.is_empty() || wanted.contains(arn));
                let all: Vec<Value> = all.map(|(_, subscription)| subscription.clone()).collect();
                let (all, next) = page(all, body["NextToken"].as_str(), limit(&body["MaxResults"], PAGE))?;
                json!({"StandardsSubscriptions": all, "NextToken": next})
            }
            ("GET", ["standards"]) => {
                let shown = |(end, default): &(&str, bool)| {
                    let name = end.split('/').nth(1).unwrap_or_default();
                    json!({"StandardsArn": standard(&call.region, end), "Name": name, "EnabledByDefault": default})
                };
                json!({"Standards": STANDARDS.iter().map(shown).collect::<Vec<_>>()})
            }
            ("GET", ["tags", arn]) => json!({"Tags": self.by_arn(call, arn)?.tags}),
            ("POST", ["tags", arn]) => {
                self.by_arn(call, arn)?.tags.extend(tag_map(&body["Tags"]));
                json!({})
            }
            ("DELETE", ["tags", arn]) => {
                let keys = call.queries("tagKeys");
                self.by_arn(call, arn)?.tags.retain(|key, _| !keys.contains(key));
                json!({})
            }
            _ => return unknown("securityhub", call),
        };
        Ok(json_answer(result))
    }

    fn refusal(fault: &Fault, _call: &Call) -> MockResponse {
        rest_json_refusal(fault)
    }

    fn tagged(&self, region: &str) -> Vec<(String, Tags)> {
        let arn = format!("arn:aws:securityhub:{region}:{ACCOUNT_ID}:hub/default");
        self.hub.iter().map(|hub| (arn.clone(), hub.tags.clone())).collect()
    }
}
