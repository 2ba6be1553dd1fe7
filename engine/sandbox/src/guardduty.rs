//! GuardDuty: a region's detector. It finds nothing.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use winterbaume_core::MockResponse;

use super::ACCOUNT_ID;
use super::service::{Call, Model, Tags};
use super::shape::{json_answer, now, now_text, rest_json_refusal, tag_map, unknown};
use super::wire::{Fault, request_id};

/// Features that nobody switches, those that are on and those that are off when nobody does, and the parts of those that have any.
const BASICS: &[&str] = &["CLOUD_TRAIL", "DNS_LOGS", "FLOW_LOGS"];
const ON: &[&str] =
    &["S3_DATA_EVENTS", "EKS_AUDIT_LOGS", "EBS_MALWARE_PROTECTION", "RDS_LOGIN_EVENTS", "LAMBDA_NETWORK_LOGS"];
const OFF: &[&str] = &["EKS_RUNTIME_MONITORING", "RUNTIME_MONITORING"];
const PARTS: &[(&str, &[&str])] = &[
    ("EKS_RUNTIME_MONITORING", &["EKS_ADDON_MANAGEMENT"]),
    ("RUNTIME_MONITORING", &["EKS_ADDON_MANAGEMENT", "ECS_FARGATE_AGENT_MANAGEMENT", "EC2_AGENT_MANAGEMENT"]),
];

#[derive(Clone, Serialize, Deserialize)]
struct Detector {
    id: String,
    enabled: bool,
    frequency: String,
    features: Vec<Value>,
    tags: Tags,
    created: String,
    updated: String,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct GuardDuty {
    detector: Option<Detector>,
}

fn refused(why: impl std::fmt::Display) -> Fault {
    Fault::new("BadRequestException", format!("The request is rejected because {why}"))
}

/// The features of a new detector.
fn features() -> Vec<Value> {
    let part = |name: &&str| json!({"name": name, "status": "DISABLED", "updatedAt": now()});
    let feature = |name: &&str, on: bool| {
        let parts =
            PARTS.iter().find(|(of, _)| of == name).map(|(_, parts)| parts.iter().map(part).collect::<Vec<_>>());
        json!({"name": name, "status": if on { "ENABLED" } else { "DISABLED" }, "updatedAt": now(), "additionalConfiguration": parts})
    };
    let on = BASICS.iter().chain(ON).map(|name| feature(name, true));
    on.chain(OFF.iter().map(|name| feature(name, false))).collect()
}

impl Detector {
    fn set(&mut self, body: &Value) -> Result<(), Fault> {
        if let Some(enable) = body["enable"].as_bool() {
            self.enabled = enable;
        }
        if let Some(frequency) = body["findingPublishingFrequency"].as_str() {
            if !["FIFTEEN_MINUTES", "ONE_HOUR", "SIX_HOURS"].contains(&frequency) {
                return Err(refused("an invalid or out-of-range value is specified as an input parameter."));
            }
            frequency.clone_into(&mut self.frequency);
        }
        if !body["dataSources"].is_null() {
            return Err(Fault::not_implemented("guardduty's dataSources, which features have replaced"));
        }
        for set in body["features"].as_array().into_iter().flatten() {
            switch(&mut self.features, set)?;
        }
        self.updated = now_text();
        Ok(())
    }

    fn arn(&self, region: &str) -> String {
        format!("arn:aws:guardduty:{region}:{ACCOUNT_ID}:detector/{}", self.id)
    }
}

/// Switches a feature, or a part of one, by its name.
fn switch(all: &mut [Value], set: &Value) -> Result<(), Fault> {
    let name = set["name"].as_str().unwrap_or_default();
    let status = set["status"].as_str().filter(|s| ["ENABLED", "DISABLED"].contains(s));
    let one = all.iter_mut().find(|one| one["name"] == name && !BASICS.contains(&name));
    let (Some(one), Some(status)) = (one, status) else {
        return Err(refused(format!("an invalid feature is specified as an input parameter: {name}")));
    };
    one["status"] = json!(status);
    one["updatedAt"] = now();
    for part in set["additionalConfiguration"].as_array().into_iter().flatten() {
        switch(one["additionalConfiguration"].as_array_mut().map(Vec::as_mut_slice).unwrap_or_default(), part)?;
    }
    Ok(())
}

impl GuardDuty {
    fn detector(&mut self, id: &str) -> Result<&mut Detector, Fault> {
        let there = self.detector.as_mut().filter(|d| d.id == id);
        there.ok_or_else(|| refused("the input detectorId is not owned by the current account."))
    }

    fn by_arn(&mut self, call: &Call, arn: &str) -> Result<&mut Detector, Fault> {
        let there = self.detector.as_mut().filter(|d| d.arn(&call.region) == arn);
        there.ok_or_else(|| refused("the resource is not found."))
    }

    fn create(&mut self, body: &Value) -> Result<Value, Fault> {
        if self.detector.is_some() {
            return Err(refused("a detector already exists for the current account."));
        }
        let mut detector = Detector {
            id: request_id().replace('-', ""),
            enabled: false,
            frequency: "SIX_HOURS".to_owned(),
            features: features(),
            tags: tag_map(&body["tags"]),
            created: now_text(),
            updated: now_text(),
        };
        detector.set(body)?;
        let id = detector.id.clone();
        self.detector = Some(detector);
        Ok(json!({"detectorId": id}))
    }
}

impl Model for GuardDuty {
    fn call(&mut self, call: &Call) -> Result<MockResponse, Fault> {
        let body = call.json()?;
        let path = call.path();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let result = match (call.method.as_str(), path.as_slice()) {
            ("POST", ["detector"]) => self.create(&body)?,
            ("GET", ["detector"]) => {
                json!({"detectorIds": self.detector.iter().map(|d| &d.id).collect::<Vec<_>>()})
            }
            ("GET", ["detector", id]) => {
                let d = self.detector(id)?;
                let role = "role/aws-service-role/guardduty.amazonaws.com/AWSServiceRoleForAmazonGuardDuty";
                json!({"createdAt": d.created, "updatedAt": d.updated, "findingPublishingFrequency": d.frequency,
                       "serviceRole": format!("arn:aws:iam::{ACCOUNT_ID}:{role}"), "tags": d.tags, "features": d.features,
                       "status": if d.enabled { "ENABLED" } else { "DISABLED" }})
            }
            ("POST", ["detector", id]) => {
                self.detector(id)?.set(&body)?;
                json!({})
            }
            ("DELETE", ["detector", id]) => {
                self.detector(id)?;
                self.detector = None;
                json!({})
            }
            ("GET", ["tags", arn]) => json!({"tags": self.by_arn(call, arn)?.tags}),
            ("POST", ["tags", arn]) => {
                self.by_arn(call, arn)?.tags.extend(tag_map(&body["tags"]));
                json!({})
            }
            ("DELETE", ["tags", arn]) => {
                let keys = call.queries("tagKeys");
                self.by_arn(call, arn)?.tags.retain(|key, _| !keys.contains(key));
                json!({})
            }
            _ => return unknown("guardduty", call),
        };
        Ok(json_answer(result))
    }

    fn refusal(fault: &Fault, _call: &Call) -> MockResponse {
        rest_json_refusal(fault)
    }

    fn tagged(&self, region: &str) -> Vec<(String, Tags)> {
        self.detector.iter().map(|d| (d.arn(region), d.tags.clone())).collect()
    }
}
