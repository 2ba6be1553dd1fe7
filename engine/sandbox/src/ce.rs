//! Cost Explorer: anomaly monitors and subscriptions. No costs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use winterbaume_core::MockResponse;

use super::ACCOUNT_ID;
use super::service::{Call, GLOBAL, Model, Tags};
use super::shape::{Members, at, json_answer, limit, members, page, tag_answer, tags_of, text, texts, unknown};
use super::wire::{Fault, request_id};

/// Lists tell so many at once.
const PAGE: usize = 100;
/// What of a subscription an update sets.
const SUBSCRIPTION: &[&str] =
    &["SubscriptionName", "Threshold", "ThresholdExpression", "Frequency", "MonitorArnList", "Subscribers"];

#[derive(Clone, Default, Serialize, Deserialize)]
struct Item {
    fields: Members,
    tags: Tags,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct CostExplorer {
    monitors: BTreeMap<String, Item>,
    subscriptions: BTreeMap<String, Item>,
}

fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

fn validation(message: impl Into<String>) -> Fault {
    Fault::new("ValidationException", message)
}

fn no_monitor(arn: &str) -> Fault {
    Fault::new("UnknownMonitorException", format!("Monitor does not exist: {arn}"))
}

fn no_subscription(arn: &str) -> Fault {
    Fault::new("UnknownSubscriptionException", format!("Subscription does not exist: {arn}"))
}

/// Everyone who is told has confirmed it.
fn subscribers(list: &Value) -> Result<Value, Fault> {
    let mut all = list.as_array().cloned().unwrap_or_default();
    if all.is_empty() {
        return Err(validation("A subscription needs a subscriber"));
    }
    all.iter_mut().for_each(|one| one["Status"] = json!("CONFIRMED"));
    Ok(json!(all))
}

impl CostExplorer {
    fn create_monitor(&mut self, body: &Value) -> Result<Value, Fault> {
        let monitor = &body["AnomalyMonitor"];
        text(monitor, "MonitorName")?;
        let dimensional = match text(monitor, "MonitorType")? {
            "DIMENSIONAL" => true,
            "CUSTOM" => false,
            other => return Err(validation(format!("MonitorType {other} is none"))),
        };
        if dimensional == monitor["MonitorDimension"].is_null() {
            return Err(validation("A DIMENSIONAL monitor, and no other, has a MonitorDimension"));
        }
        if !dimensional && monitor["MonitorSpecification"].is_null() {
            return Err(validation("A CUSTOM monitor needs a MonitorSpecification"));
        }
        let services = |item: &Item| {
            at(&item.fields, "MonitorType") == "DIMENSIONAL" && at(&item.fields, "MonitorDimension") == "SERVICE"
        };
        if dimensional && monitor["MonitorDimension"] == "SERVICE" && self.monitors.values().any(services) {
            let message = "Limit exceeded on dimensional spend monitor creation";
            return Err(Fault::new("LimitExceededException", message));
        }
        let arn = format!("arn:aws:ce::{ACCOUNT_ID}:anomalymonitor/{}", request_id());
        let mut fields = members(monitor.clone());
        fields.insert("MonitorArn".to_owned(), json!(arn));
        fields.insert("CreationDate".to_owned(), json!(today()));
        fields.insert("LastUpdatedDate".to_owned(), json!(today()));
        fields.insert("DimensionalValueCount".to_owned(), json!(0));
        self.monitors.insert(arn.clone(), Item { fields, tags: tags_of(&body["ResourceTags"], "Key", "Value") });
        Ok(json!({"MonitorArn": arn}))
    }

    fn create_subscription(&mut self, body: &Value) -> Result<Value, Fault> {
        let subscription = &body["AnomalySubscription"];
        text(subscription, "SubscriptionName")?;
        text(subscription, "Frequency")?;
        self.check_monitors(&subscription["MonitorArnList"])?;
        if !subscription["Threshold"].is_null() && !subscription["ThresholdExpression"].is_null() {
            return Err(validation("Threshold and ThresholdExpression exclude each other"));
        }
        let arn = format!("arn:aws:ce::{ACCOUNT_ID}:anomalysubscription/{}", request_id());
        let mut fields = members(subscription.clone());
        fields.insert("Subscribers".to_owned(), subscribers(&subscription["Subscribers"])?);
        fields.insert("SubscriptionArn".to_owned(), json!(arn));
        fields.insert("AccountId".to_owned(), json!(ACCOUNT_ID));
        self.subscriptions.insert(arn.clone(), Item { fields, tags: tags_of(&body["ResourceTags"], "Key", "Value") });
        Ok(json!({"SubscriptionArn": arn}))
    }

    fn check_monitors(&self, list: &Value) -> Result<(), Fault> {
        let arns = texts(list);
        if arns.is_empty() {
            return Err(validation("A subscription needs a monitor"));
        }
        arns.iter().find(|arn| !self.monitors.contains_key(*arn)).map_or(Ok(()), |arn| Err(no_monitor(arn)))
    }

    fn update_subscription(&mut self, body: &Value) -> Result<Value, Fault> {
        let arn = text(body, "SubscriptionArn")?;
        if !body["MonitorArnList"].is_null() {
            self.check_monitors(&body["MonitorArnList"])?;
        }
        let item = self.subscriptions.get_mut(arn).ok_or_else(|| no_subscription(arn))?;
        for field in SUBSCRIPTION.iter().filter(|field| !body[**field].is_null()) {
            let value = if *field == "Subscribers" { subscribers(&body[*field])? } else { body[*field].clone() };
            match *field {
                "Threshold" => item.fields.remove("ThresholdExpression"),
                "ThresholdExpression" => item.fields.remove("Threshold"),
                _ => None,
            };
            item.fields.insert((*field).to_owned(), value);
        }
        Ok(json!({"SubscriptionArn": arn}))
    }

    fn tags(&mut self, body: &Value) -> Result<&mut Tags, Fault> {
        let arn = body["ResourceArn"].as_str().unwrap_or_default();
        let item = self.monitors.get_mut(arn).or_else(|| self.subscriptions.get_mut(arn));
        let message = format!("Resource does not exist: {arn}");
        item.map(|i| &mut i.tags).ok_or_else(|| Fault::new("ResourceNotFoundException", message))
    }
}

fn shown(body: &Value, items: Vec<&Item>) -> Result<(Vec<Value>, Option<String>), Fault> {
    let all = items.into_iter().map(|item| Value::Object(item.fields.clone())).collect();
    page(all, body["NextPageToken"].as_str(), limit(&body["MaxResults"], PAGE))
}

impl Model for CostExplorer {
    const GLOBAL: bool = true;

    fn call(&mut self, call: &Call) -> Result<MockResponse, Fault> {
        let body = call.json()?;
        let result = match call.action.as_str() {
            "CreateAnomalyMonitor" => self.create_monitor(&body)?,
            "GetAnomalyMonitors" => {
                let wanted = texts(&body["MonitorArnList"]);
                if let Some(absent) = wanted.iter().find(|arn| !self.monitors.contains_key(*arn)) {
                    return Err(no_monitor(absent));
                }
                let all = self.monitors.iter().filter(|(arn, _)| wanted.is_empty() || wanted.contains(arn));
                let (all, next) = shown(&body, all.map(|(_, item)| item).collect())?;
                json!({"AnomalyMonitors": all, "NextPageToken": next})
            }
            "UpdateAnomalyMonitor" => {
                let arn = text(&body, "MonitorArn")?;
                let item = self.monitors.get_mut(arn).ok_or_else(|| no_monitor(arn))?;
                if let Some(name) = body["MonitorName"].as_str() {
                    item.fields.insert("MonitorName".to_owned(), json!(name));
                }
                json!({"MonitorArn": arn})
            }
            "DeleteAnomalyMonitor" => {
                let arn = text(&body, "MonitorArn")?;
                self.monitors.remove(arn).ok_or_else(|| no_monitor(arn))?;
                json!({})
            }
            "CreateAnomalySubscription" => self.create_subscription(&body)?,
            "GetAnomalySubscriptions" => {
                let wanted = texts(&body["SubscriptionArnList"]);
                if let Some(absent) = wanted.iter().find(|arn| !self.subscriptions.contains_key(*arn)) {
                    return Err(no_subscription(absent));
                }
                let monitor = body["MonitorArn"].as_str();
                let of = |item: &Item| {
                    monitor.is_none_or(|arn| {
                        texts(at(&item.fields, "MonitorArnList")).iter().any(|watched| watched == arn)
                    })
                };
                let all =
                    self.subscriptions.iter().filter(|(arn, i)| (wanted.is_empty() || wanted.contains(arn)) && of(i));
                let (all, next) = shown(&body, all.map(|(_, item)| item).collect())?;
                json!({"AnomalySubscriptions": all, "NextPageToken": next})
            }
            "UpdateAnomalySubscription" => self.update_subscription(&body)?,
            "DeleteAnomalySubscription" => {
                let arn = text(&body, "SubscriptionArn")?;
                self.subscriptions.remove(arn).ok_or_else(|| no_subscription(arn))?;
                json!({})
            }
            "TagResource" | "UntagResource" | "ListTagsForResource" => {
                tag_answer(&call.action, &body, "Resource", self.tags(&body)?)
            }
            _ => return unknown("ce", call),
        };
        Ok(json_answer(result))
    }

    fn refusal(fault: &Fault, _call: &Call) -> MockResponse {
        fault.json()
    }

    fn tagged(&self, region: &str) -> Vec<(String, Tags)> {
        let all = self.monitors.iter().chain(&self.subscriptions).filter(|_| region == GLOBAL);
        all.map(|(arn, item)| (arn.clone(), item.tags.clone())).collect()
    }
}
