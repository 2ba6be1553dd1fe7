//! What belongs to log groups: metric filters, subscription filters and resource policies. They are kept as requests have them, which is how
//! answers show them too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::wire::Fault;

/// AWS's quotas: of metric filters and subscription filters of a group, and of resource policies of an account.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html>
const METRIC_FILTERS: usize = 100;
const SUBSCRIPTION_FILTERS: usize = 2;
const RESOURCE_POLICIES: usize = 10;
const PAGE: usize = 50;

type Answer = Result<Value, Fault>;
/// By log group, and by name.
type Filters = BTreeMap<String, BTreeMap<String, Value>>;

/// The parts of a region's log groups.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Parts {
    #[serde(default)]
    metric_filters: Filters,
    #[serde(default)]
    subscription_filters: Filters,
    /// By name, or by the ARN of the log group that has it.
    #[serde(default)]
    resource_policies: BTreeMap<String, Value>,
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new("InvalidParameterException", message)
}

fn missing(what: &str) -> Fault {
    Fault::new("ResourceNotFoundException", format!("The specified {what} does not exist."))
}

fn required<'a>(body: &'a Value, name: &str) -> Result<&'a str, Fault> {
    let text = body[name].as_str().filter(|text| !text.is_empty());
    text.ok_or_else(|| invalid(format!("{name} is required")))
}

/// A page of some items under a name, by the request's `limit` and `nextToken`.
fn page(name: &str, items: Vec<Value>, body: &Value) -> Value {
    let from = body["nextToken"].as_str().and_then(|token| token.parse().ok()).unwrap_or(0_usize);
    let limit = body["limit"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(PAGE).clamp(1, PAGE);
    let next = (items.len() > from + limit).then(|| (from + limit).to_string());
    let mut answer = json!({name: items.into_iter().skip(from).take(limit).collect::<Vec<_>>()});
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    answer
}

/// Whether a filter is one that a Describe call asks for.
fn wanted(filter: &Value, body: &Value) -> bool {
    let name = filter["filterName"].as_str().unwrap_or_default();
    let metrics = filter["metricTransformations"].as_array();
    let metric = |asked: &str, field: &str| {
        body[asked].as_str().is_none_or(|text| metrics.into_iter().flatten().any(|m| m[field] == json!(text)))
    };
    body["filterNamePrefix"].as_str().is_none_or(|prefix| name.starts_with(prefix))
        && metric("metricName", "metricName")
        && metric("metricNamespace", "metricNamespace")
}

fn put(filters: &mut Filters, body: &Value, most: usize, defaults: Value) -> Answer {
    let (group, name) = (required(body, "logGroupName")?, required(body, "filterName")?);
    if !body["filterPattern"].is_string() {
        return Err(invalid("filterPattern is required"));
    }
    let named = filters.entry(group.to_owned()).or_default();
    let made = match named.get(name) {
        Some(there) => there["creationTime"].clone(),
        None if named.len() >= most => {
            return Err(Fault::new("LimitExceededException", "Resource limit exceeded."));
        }
        None => json!(jiff::Timestamp::now().as_millisecond()),
    };
    let mut filter = match defaults {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    filter.extend(body.as_object().cloned().unwrap_or_default());
    filter.insert("creationTime".to_owned(), made);
    named.insert(name.to_owned(), Value::Object(filter));
    Ok(json!({}))
}

fn delete(filters: &mut Filters, body: &Value, what: &str) -> Answer {
    let (group, name) = (required(body, "logGroupName")?, required(body, "filterName")?);
    let gone = filters.get_mut(group).and_then(|named| named.remove(name));
    gone.map(|_| json!({})).ok_or_else(|| missing(what))
}

impl Parts {
    /// Does what a call asks, if it is about these. `exists` tells whether there is a log group of a name.
    pub(super) fn call(&mut self, action: &str, body: &Value, exists: impl Fn(&str) -> bool) -> Option<Answer> {
        if let Some(group) = body["logGroupName"].as_str()
            && !exists(group)
        {
            return Some(Err(missing("log group")));
        }
        Some(match action {
            "PutMetricFilter" => self.put_metric_filter(body),
            "DescribeMetricFilters" => {
                let group = body["logGroupName"].as_str();
                let groups =
                    self.metric_filters.iter().filter(|(name, _)| group.is_none_or(|group| group == name.as_str()));
                let found = groups.flat_map(|(_, named)| named.values()).filter(|filter| wanted(filter, body));
                Ok(page("metricFilters", found.cloned().collect(), body))
            }
            "DeleteMetricFilter" => delete(&mut self.metric_filters, body, "metric filter"),
            "PutSubscriptionFilter" => required(body, "destinationArn").map(drop).and_then(|()| {
                let defaults = json!({"distribution": "ByLogStream", "applyOnTransformedLogs": false});
                put(&mut self.subscription_filters, body, SUBSCRIPTION_FILTERS, defaults)
            }),
            "DescribeSubscriptionFilters" => required(body, "logGroupName").map(|group| {
                let named = self.subscription_filters.get(group);
                let found = named.into_iter().flat_map(BTreeMap::values).filter(|filter| wanted(filter, body));
                page("subscriptionFilters", found.cloned().collect(), body)
            }),
            "DeleteSubscriptionFilter" => delete(&mut self.subscription_filters, body, "subscription filter"),
            "PutResourcePolicy" => self.put_resource_policy(body, exists),
            "DescribeResourcePolicies" => self.describe_resource_policies(body, exists),
            "DeleteResourcePolicy" => self.delete_resource_policy(body),
            _ => return None,
        })
    }

    fn put_metric_filter(&mut self, body: &Value) -> Answer {
        let metrics = body["metricTransformations"].as_array().map(Vec::as_slice).unwrap_or_default();
        let [metric] = metrics else { return Err(invalid("A metric filter has one metric transformation")) };
        for field in ["metricName", "metricNamespace", "metricValue"] {
            required(metric, field)?;
        }
        let dimensions = metric["dimensions"].as_object().map_or(0, Map::len);
        if dimensions > 3 {
            return Err(invalid("A metric filter has three dimensions at most"));
        }
        if dimensions > 0 && !metric["defaultValue"].is_null() {
            return Err(invalid(
                "Invalid metric transformation: dimensions and default value are mutually exclusive properties.",
            ));
        }
        put(&mut self.metric_filters, body, METRIC_FILTERS, json!({"applyOnTransformedLogs": false}))
    }

    fn put_resource_policy(&mut self, body: &Value, exists: impl Fn(&str) -> bool) -> Answer {
        let document = required(body, "policyDocument")?;
        if serde_json::from_str::<Map<String, Value>>(document).is_err() {
            return Err(invalid("The policy document is not a JSON object"));
        }
        let (key, scope) = match (body["policyName"].as_str(), body["resourceArn"].as_str()) {
            (Some(name), None) => (name, "ACCOUNT"),
            (None, Some(arn)) => (arn, "RESOURCE"),
            _ => return Err(invalid("Either policyName or resourceArn is required")),
        };
        if scope == "RESOURCE" {
            group_of(key, exists)?;
        }
        let there = self.resource_policies.get(key);
        match there {
            // A change must name the revision that it changes.
            Some(there) if scope == "RESOURCE" && there["revisionId"] != body["expectedRevisionId"] => {
                let message = "The expected revision id does not match the current one";
                return Err(Fault::new("OperationAbortedException", message));
            }
            None if scope == "ACCOUNT"
                && self.resource_policies.keys().filter(|k| !k.starts_with("arn:")).count() >= RESOURCE_POLICIES =>
            {
                return Err(Fault::new("LimitExceededException", "Resource limit exceeded."));
            }
            _ => {}
        }
        let mut policy = json!({
            "policyDocument": document, "lastUpdatedTime": jiff::Timestamp::now().as_millisecond(), "policyScope": scope,
        });
        let field = if scope == "ACCOUNT" { "policyName" } else { "resourceArn" };
        policy[field] = json!(key);
        if scope == "RESOURCE" {
            policy["revisionId"] = json!(uuid::Uuid::new_v4().simple().to_string());
        }
        self.resource_policies.insert(key.to_owned(), policy.clone());
        Ok(json!({"resourcePolicy": policy, "revisionId": policy["revisionId"]}))
    }

    fn describe_resource_policies(&self, body: &Value, exists: impl Fn(&str) -> bool) -> Answer {
        let resource = body["resourceArn"].as_str();
        if let Some(arn) = resource {
            group_of(arn, exists)?;
        }
        let scope = body["policyScope"].as_str().unwrap_or(if resource.is_some() { "RESOURCE" } else { "ACCOUNT" });
        let found = self.resource_policies.iter().filter(|(key, policy)| {
            policy["policyScope"] == json!(scope) && resource.is_none_or(|arn| arn == key.as_str())
        });
        Ok(page("resourcePolicies", found.map(|(_, policy)| policy.clone()).collect(), body))
    }

    fn delete_resource_policy(&mut self, body: &Value) -> Answer {
        let key = body["policyName"].as_str().or(body["resourceArn"].as_str());
        let key = key.ok_or_else(|| invalid("Either policyName or resourceArn is required"))?;
        let there = self.resource_policies.get(key).ok_or_else(|| missing("resource policy"))?;
        if key.starts_with("arn:") && there["revisionId"] != body["expectedRevisionId"] {
            let message = "The expected revision id does not match the current one";
            return Err(Fault::new("OperationAbortedException", message));
        }
        self.resource_policies.remove(key);
        Ok(json!({}))
    }

    /// A deleted group's parts go with it.
    pub(super) fn forget(&mut self, group: &str) {
        self.metric_filters.remove(group);
        self.subscription_filters.remove(group);
        self.resource_policies.retain(|key, _| key.rsplit_once(":log-group:").is_none_or(|(_, of)| of != group));
    }

    pub(super) fn metric_filter_count(&self, group: &str) -> usize {
        self.metric_filters.get(group).map_or(0, BTreeMap::len)
    }
}

/// That the log group of an ARN is there.
fn group_of(arn: &str, exists: impl Fn(&str) -> bool) -> Result<(), Fault> {
    match arn.split_once(":log-group:") {
        Some((_, group)) if exists(group) => Ok(()),
        Some(_) => Err(missing("log group")),
        None => Err(invalid("resourceArn is not the ARN of a log group")),
    }
}
