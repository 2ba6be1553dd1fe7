//! CloudTrail: trails. Nothing is logged, and whether a trail's bucket, topic, key and log group let it write is not checked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use winterbaume_core::MockResponse;

use super::service::{Call, Model, Tags};
use super::shape::{Members, at, fault, json_answer, now, tag_list, tags_of, text, texts, unknown};
use super::wire::Fault;

/// A region has so many trails at most.
const TRAILS: usize = 5;
/// Texts of a trail as requests and answers have them.
const TEXTS: &[&str] =
    &["S3BucketName", "S3KeyPrefix", "CloudWatchLogsLogGroupArn", "CloudWatchLogsRoleArn", "KmsKeyId"];
/// Flags of a trail: in requests, in answers, and what they are when nobody sets them.
const FLAGS: &[(&str, &str, bool)] = &[
    ("IncludeGlobalServiceEvents", "IncludeGlobalServiceEvents", true),
    ("IsMultiRegionTrail", "IsMultiRegionTrail", false),
    ("EnableLogFileValidation", "LogFileValidationEnabled", false),
    ("IsOrganizationTrail", "IsOrganizationTrail", false),
    ("RecursiveLogging", "RecursiveLogging", true),
];

#[derive(Clone, Default, Serialize, Deserialize)]
struct Trail {
    fields: Members,
    tags: Tags,
    logging: bool,
    started: Option<i64>,
    stopped: Option<i64>,
    selectors: Option<Value>,
    advanced: Option<Value>,
    insights: Vec<Value>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct CloudTrail {
    trails: BTreeMap<String, Trail>,
}

fn absent(name: &str) -> Fault {
    fault(400, "TrailNotFoundException", format!("Unknown trail: {name}"))
}

impl Trail {
    fn set(&mut self, call: &Call, body: &Value) {
        for name in TEXTS {
            match body[*name].as_str() {
                None => {}
                Some("") => {
                    self.fields.remove(*name);
                }
                Some(value) => {
                    self.fields.insert((*name).to_owned(), json!(value));
                }
            }
        }
        if let Some(topic) = body["SnsTopicName"].as_str() {
            self.fields.remove("SnsTopicName");
            self.fields.remove("SnsTopicARN");
            if !topic.is_empty() {
                let arn = if topic.starts_with("arn:") { topic.to_owned() } else { call.arn("sns", topic) };
                self.fields.insert("SnsTopicName".to_owned(), json!(arn));
                self.fields.insert("SnsTopicARN".to_owned(), json!(arn));
            }
        }
        for (sent, told, unset) in FLAGS {
            match body[*sent].as_bool() {
                Some(on) => {
                    self.fields.insert((*told).to_owned(), json!(on));
                }
                None => {
                    self.fields.entry(*told).or_insert(json!(unset));
                }
            }
        }
    }

    fn shown(&self) -> Value {
        let mut shown = Value::Object(self.fields.clone());
        shown["HasCustomEventSelectors"] = json!(self.selectors.is_some() || self.advanced.is_some());
        shown["HasInsightSelectors"] = json!(!self.insights.is_empty());
        shown
    }

    fn arn(&self) -> &str {
        at(&self.fields, "TrailARN").as_str().unwrap_or_default()
    }

    fn selectors(&self) -> Value {
        let all = json!([{"ReadWriteType": "All", "IncludeManagementEvents": true, "DataResources": [],
                          "ExcludeManagementEventSources": []}]);
        match &self.advanced {
            Some(advanced) => json!({"TrailARN": self.arn(), "AdvancedEventSelectors": advanced}),
            None => json!({"TrailARN": self.arn(), "EventSelectors": self.selectors.clone().unwrap_or(all)}),
        }
    }
}

impl CloudTrail {
    /// A trail by its name or ARN.
    fn trail(&mut self, name: &Value) -> Result<&mut Trail, Fault> {
        let name = name.as_str().unwrap_or_default();
        let plain = name.rsplit_once(":trail/").map_or(name, |(_, name)| name);
        self.trails.get_mut(plain).ok_or_else(|| absent(name))
    }

    fn tagged(&mut self, arn: &str) -> Result<&mut Trail, Fault> {
        let message = format!("The specified resource could not be found: {arn}");
        let found = self.trails.values_mut().find(|trail| trail.arn() == arn);
        found.ok_or_else(|| Fault::new("ResourceNotFoundException", message))
    }

    fn create(&mut self, call: &Call, body: &Value) -> Result<Value, Fault> {
        let name = body["Name"].as_str().unwrap_or_default();
        let fine = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if !fine || !(3..=128).contains(&name.len()) {
            return Err(Fault::new(
                "InvalidTrailNameException",
                "Trail name must have 3 to 128 letters, digits, ., _ and -",
            ));
        }
        text(body, "S3BucketName")
            .map_err(|_| Fault::new("InvalidS3BucketNameException", "S3BucketName must not be empty"))?;
        if self.trails.contains_key(name) {
            return Err(Fault::new("TrailAlreadyExistsException", format!("Trail {name} already exists")));
        }
        if self.trails.len() >= TRAILS {
            let message = format!("A region has at most {TRAILS} trails");
            return Err(Fault::new("MaximumNumberOfTrailsExceededException", message));
        }
        let mut trail = Trail { tags: tags_of(&body["TagsList"], "Key", "Value"), ..Trail::default() };
        trail.fields.insert("Name".to_owned(), json!(name));
        trail.fields.insert("TrailARN".to_owned(), json!(call.arn("cloudtrail", &format!("trail/{name}"))));
        trail.fields.insert("HomeRegion".to_owned(), json!(call.region));
        trail.set(call, body);
        let answer = Value::Object(trail.fields.clone());
        self.trails.insert(name.to_owned(), trail);
        Ok(answer)
    }

    fn put_selectors(&mut self, body: &Value) -> Result<Value, Fault> {
        let trail = self.trail(&body["TrailName"])?;
        let given = |name: &str| Some(body[name].clone()).filter(|v| v.as_array().is_some_and(|list| !list.is_empty()));
        let (plain, advanced) = (given("EventSelectors"), given("AdvancedEventSelectors"));
        if plain.is_some() == advanced.is_some() {
            return Err(Fault::new("InvalidEventSelectorsException", "Give either event selectors or advanced ones"));
        }
        trail.selectors = plain.map(|mut selectors| {
            for selector in selectors.as_array_mut().into_iter().flatten() {
                for (name, unset) in [
                    ("ReadWriteType", json!("All")),
                    ("IncludeManagementEvents", json!(true)),
                    ("DataResources", json!([])),
                    ("ExcludeManagementEventSources", json!([])),
                ] {
                    if selector[name].is_null() {
                        selector[name] = unset;
                    }
                }
            }
            selectors
        });
        trail.advanced = advanced;
        Ok(trail.selectors())
    }
}

impl Model for CloudTrail {
    fn call(&mut self, call: &Call) -> Result<MockResponse, Fault> {
        let body = call.json()?;
        let seconds = || now().as_i64();
        let result = match call.action.as_str() {
            "CreateTrail" => self.create(call, &body)?,
            "UpdateTrail" => {
                let trail = self.trail(&body["Name"])?;
                trail.set(call, &body);
                Value::Object(trail.fields.clone())
            }
            "DeleteTrail" => {
                let name = at(&self.trail(&body["Name"])?.fields, "Name").as_str().unwrap_or_default().to_owned();
                self.trails.remove(&name);
                json!({})
            }
            "GetTrail" => json!({"Trail": self.trail(&body["Name"])?.shown()}),
            "DescribeTrails" => {
                let names = texts(&body["trailNameList"]);
                let wanted =
                    |name: &str, trail: &Trail| names.is_empty() || names.iter().any(|n| n == name || n == trail.arn());
                let all: Vec<Value> = self
                    .trails
                    .iter()
                    .filter(|(name, trail)| wanted(name, trail))
                    .map(|(_, trail)| trail.shown())
                    .collect();
                json!({"trailList": all})
            }
            "ListTrails" => {
                let shown = |(name, trail): (&String, &Trail)| json!({"Name": name, "TrailARN": trail.arn(), "HomeRegion": at(&trail.fields, "HomeRegion")});
                json!({"Trails": self.trails.iter().map(shown).collect::<Vec<_>>()})
            }
            "GetTrailStatus" => {
                let trail = self.trail(&body["Name"])?;
                json!({"IsLogging": trail.logging, "StartLoggingTime": trail.started, "StopLoggingTime": trail.stopped})
            }
            "StartLogging" => {
                let trail = self.trail(&body["Name"])?;
                (trail.logging, trail.started) = (true, seconds());
                json!({})
            }
            "StopLogging" => {
                let trail = self.trail(&body["Name"])?;
                (trail.logging, trail.stopped) = (false, seconds());
                json!({})
            }
            "PutEventSelectors" => self.put_selectors(&body)?,
            "GetEventSelectors" => self.trail(&body["TrailName"])?.selectors(),
            "PutInsightSelectors" => {
                let trail = self.trail(&body["TrailName"])?;
                trail.insights = body["InsightSelectors"].as_array().cloned().unwrap_or_default();
                json!({"TrailARN": trail.arn(), "InsightSelectors": trail.insights})
            }
            "GetInsightSelectors" => {
                let trail = self.trail(&body["TrailName"])?;
                if trail.insights.is_empty() {
                    let message = format!("Trail {} does not have Insights enabled", trail.arn());
                    return Err(Fault::new("InsightNotEnabledException", message));
                }
                json!({"TrailARN": trail.arn(), "InsightSelectors": trail.insights})
            }
            "AddTags" => {
                let trail = self.tagged(body["ResourceId"].as_str().unwrap_or_default())?;
                trail.tags.extend(tags_of(&body["TagsList"], "Key", "Value"));
                json!({})
            }
            "RemoveTags" => {
                let keys = tags_of(&body["TagsList"], "Key", "Value");
                let trail = self.tagged(body["ResourceId"].as_str().unwrap_or_default())?;
                trail.tags.retain(|key, _| !keys.contains_key(key));
                json!({})
            }
            "ListTags" => {
                let mut all = Vec::new();
                for arn in texts(&body["ResourceIdList"]) {
                    let tags = tag_list(&self.tagged(&arn)?.tags, "Key", "Value");
                    all.push(json!({"ResourceId": arn, "TagsList": tags}));
                }
                json!({"ResourceTagList": all})
            }
            _ => return unknown("cloudtrail", call),
        };
        Ok(json_answer(result))
    }

    fn refusal(fault: &Fault, _call: &Call) -> MockResponse {
        fault.json()
    }

    fn tagged(&self, _region: &str) -> Vec<(String, Tags)> {
        self.trails.values().map(|trail| (trail.arn().to_owned(), trail.tags.clone())).collect()
    }
}
