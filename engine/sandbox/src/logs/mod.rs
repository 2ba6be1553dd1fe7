//! CloudWatch Logs: winterbaume's, with the parts of a log group that it loses.
//!
//! winterbaume 0.2 drops the key, the class and the deletion protection that CreateLogGroup names, shows none of them in DescribeLogGroups,
//! answers with all groups where AWS pages by 50, takes any number of days for a retention, and deletes protected groups. Of filters it loses
//! dimensions, units, default values and distributions, and it knows no policies of single groups: these are phx's own (`parts`).

mod parts;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use winterbaume_cloudwatchlogs::views::LogGroupView;
use winterbaume_cloudwatchlogs::{CloudWatchLogsService, LogsStateView};
use winterbaume_core::{MockRequest, MockResponse, MockService, StateViewError, StatefulService};

pub(super) use parts::Parts;

use super::wire::{Fault, response};

const RETENTIONS: &[i64] =
    &[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

pub(super) struct Logs {
    inner: CloudWatchLogsService,
    account: String,
    /// Log groups that are not of the standard class, by `region name`.
    classes: Mutex<BTreeMap<String, String>>,
    /// By region.
    parts: Mutex<BTreeMap<String, Parts>>,
}

impl Logs {
    pub(super) fn new(account: &str) -> Self {
        Self {
            inner: CloudWatchLogsService::new(),
            account: account.to_owned(),
            classes: Mutex::default(),
            parts: Mutex::default(),
        }
    }

    pub(super) async fn snapshot(&self, region: &str) -> LogsStateView {
        self.inner.snapshot(&self.account, region).await
    }

    pub(super) async fn restore(&self, region: &str, view: LogsStateView) -> Result<(), StateViewError> {
        self.inner.restore(&self.account, region, view).await
    }

    /// Filters and policies, by region.
    pub(super) fn parts(&self) -> BTreeMap<String, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn restore_parts(&self, parts: BTreeMap<String, Parts>) {
        *self.parts.lock().unwrap_or_else(PoisonError::into_inner) = parts;
    }

    fn with_parts<T>(&self, region: &str, act: impl FnOnce(&mut Parts) -> T) -> T {
        act(self.parts.lock().unwrap_or_else(PoisonError::into_inner).entry(region.to_owned()).or_default())
    }

    pub(super) fn classes(&self) -> BTreeMap<String, String> {
        self.classes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn restore_classes(&self, classes: BTreeMap<String, String>) {
        *self.classes.lock().unwrap_or_else(PoisonError::into_inner) = classes;
    }

    pub(super) async fn handle(&self, region: &str, action: &str, mut request: MockRequest) -> MockResponse {
        request.uri = format!("https://logs.{region}.amazonaws.com/");
        let body = serde_json::from_slice::<Value>(&request.body).unwrap_or(Value::Null);
        match self.call(region, action, &body, request).await {
            Ok(response) => response,
            Err(fault) => fault.json(),
        }
    }

    async fn call(
        &self,
        region: &str,
        action: &str,
        body: &Value,
        request: MockRequest,
    ) -> Result<MockResponse, Fault> {
        let name = body["logGroupName"].as_str().unwrap_or_default();
        let key = format!("{region} {name}");
        if ["MetricFilter", "SubscriptionFilter", "ResourcePolic"].iter().any(|part| action.contains(part)) {
            let groups = self.snapshot(region).await.log_groups;
            let answer = self.with_parts(region, |parts| parts.call(action, body, |name| groups.contains_key(name)));
            if let Some(answer) = answer {
                return answer.map(|answer| response(200, "application/x-amz-json-1.1", answer.to_string()));
            }
        }
        match action {
            "CreateLogGroup" => {
                let made = self.inner.handle(request).await;
                if made.status != 200 {
                    return Ok(made);
                }
                // Looking into winterbaume's state costs a copy of all of it.
                let more = body["kmsKeyId"].is_string() || body["deletionProtectionEnabled"] == json!(true);
                let group = if more { self.snapshot(region).await.log_groups.remove(name) } else { None };
                if let Some(mut group) = group {
                    group.kms_key_id = body["kmsKeyId"].as_str().map(str::to_owned);
                    group.deletion_protection_enabled = body["deletionProtectionEnabled"] == json!(true);
                    let view =
                        serde_json::from_value(json!({"log_groups": {name: group}})).map_err(|e| unavailable(&e))?;
                    self.inner.merge(&self.account, region, view).await.map_err(|e| unavailable(&e))?;
                }
                if let Some(class) = body["logGroupClass"].as_str().filter(|c| *c != "STANDARD") {
                    self.classes.lock().unwrap_or_else(PoisonError::into_inner).insert(key, class.to_owned());
                }
                Ok(made)
            }
            "DeleteLogGroup" => {
                let groups = self.snapshot(region).await.log_groups;
                if groups.get(name).is_some_and(|g| g.deletion_protection_enabled) {
                    return Err(Fault::new(
                        "ValidationException",
                        format!("Log group {name} is protected from deletion"),
                    ));
                }
                self.classes.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
                self.with_parts(region, |parts| parts.forget(name));
                Ok(self.inner.handle(request).await)
            }
            "PutRetentionPolicy" if !body["retentionInDays"].as_i64().is_some_and(|d| RETENTIONS.contains(&d)) => {
                let message = format!("retentionInDays must be one of {RETENTIONS:?}");
                Err(Fault::new("InvalidParameterException", message))
            }
            "DescribeLogGroups" => self.describe(region, body).await,
            _ => Ok(self.inner.handle(request).await),
        }
    }

    async fn describe(&self, region: &str, body: &Value) -> Result<MockResponse, Fault> {
        let prefix = body["logGroupNamePrefix"].as_str().unwrap_or_default();
        let pattern = body["logGroupNamePattern"].as_str().unwrap_or_default();
        let identifiers = body["logGroupIdentifiers"].as_array();
        let wanted = |g: &LogGroupView| {
            let arn = g.arn.trim_end_matches(":*");
            g.name.starts_with(prefix)
                && g.name.contains(pattern)
                && identifiers.is_none_or(|i| i.iter().any(|i| i == &g.name || i == arn))
        };
        let after = body["nextToken"].as_str().unwrap_or_default();
        let limit = body["limit"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(50).clamp(1, 50);
        let groups: BTreeMap<_, _> =
            self.snapshot(region).await.log_groups.into_iter().filter(|(_, g)| wanted(g)).collect();
        let mut groups: Vec<_> = groups.into_values().filter(|g| g.name.as_str() > after).collect();
        let more = groups.len() > limit;
        groups.truncate(limit);
        let next = groups.last().filter(|_| more).map(|g| g.name.clone());
        let classes = self.classes();
        let parts = self.with_parts(region, |parts| parts.clone());
        let shown = |g: &LogGroupView| {
            let mut fields = json!({
                "logGroupName": g.name, "arn": g.arn, "logGroupArn": g.arn.trim_end_matches(":*"), "creationTime": g.creation_time,
                "metricFilterCount": parts.metric_filter_count(&g.name), "storedBytes": 0, "deletionProtectionEnabled": g.deletion_protection_enabled,
                "logGroupClass": classes.get(&format!("{region} {}", g.name)).map_or("STANDARD", String::as_str),
            });
            if let Some(days) = g.retention_in_days {
                fields["retentionInDays"] = json!(days);
            }
            if let Some(key) = &g.kms_key_id {
                fields["kmsKeyId"] = json!(key);
            }
            fields
        };
        let mut answer = json!({"logGroups": groups.iter().map(shown).collect::<Vec<_>>()});
        if let Some(next) = next {
            answer["nextToken"] = json!(next);
        }
        Ok(response(200, "application/x-amz-json-1.1", answer.to_string()))
    }
}

fn unavailable(error: &dyn std::error::Error) -> Fault {
    Fault { status: 500, code: "ServiceUnavailableException".to_owned(), message: error.to_string() }
}
