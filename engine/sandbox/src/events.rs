//! EventBridge: rules of the default bus and their targets. No events, no buses of one's own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use winterbaume_core::MockResponse;

use super::service::{Call, Model, Tags};
use super::shape::{Members, json_answer, limit, page, tag_answer, tags_of, text, texts, unknown};
use super::wire::Fault;

/// Lists tell so many at once.
const PAGE: usize = 100;
/// A rule has so many targets at most.
const TARGETS: usize = 5;
/// What PutRule sets, all of it at once.
const FIELDS: &[&str] = &["EventPattern", "ScheduleExpression", "State", "Description", "RoleArn"];

#[derive(Clone, Default, Serialize, Deserialize)]
struct Rule {
    arn: String,
    fields: Members,
    tags: Tags,
    targets: BTreeMap<String, Value>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Events {
    rules: BTreeMap<String, Rule>,
}

fn absent(what: impl std::fmt::Display) -> Fault {
    Fault::new("ResourceNotFoundException", format!("{what} does not exist."))
}

fn validation(message: impl Into<String>) -> Fault {
    Fault::new("ValidationException", message)
}

/// There is one bus.
fn check_bus(call: &Call, body: &Value) -> Result<(), Fault> {
    match body["EventBusName"].as_str() {
        None | Some("default") => Ok(()),
        Some(bus) if bus == call.arn("events", "event-bus/default") => Ok(()),
        Some(bus) => Err(absent(format!("Event bus {bus}"))),
    }
}

impl Events {
    fn rule(&mut self, name: &str) -> Result<&mut Rule, Fault> {
        self.rules.get_mut(name).ok_or_else(|| absent(format!("Rule {name}")))
    }

    fn by_arn(&mut self, body: &Value) -> Result<&mut Rule, Fault> {
        let arn = body["ResourceARN"].as_str().unwrap_or_default();
        self.rules.values_mut().find(|rule| rule.arn == arn).ok_or_else(|| absent(arn))
    }

    fn put_rule(&mut self, call: &Call, body: &Value) -> Result<Value, Fault> {
        let name = text(body, "Name")?;
        let pattern = body["EventPattern"].as_str().filter(|p| !p.is_empty());
        let schedule = body["ScheduleExpression"].as_str().filter(|s| !s.is_empty());
        if pattern.is_none() && schedule.is_none() {
            return Err(validation("Parameter(s) EventPattern or ScheduleExpression must be specified."));
        }
        if pattern.is_some_and(|p| serde_json::from_str::<Members>(p).is_err()) {
            return Err(Fault::new(
                "InvalidEventPatternException",
                "Event pattern is not valid. Reason: not a JSON object",
            ));
        }
        let written = |s: &str| (s.starts_with("rate(") || s.starts_with("cron(")) && s.ends_with(')');
        if schedule.is_some_and(|s| !written(s)) {
            return Err(validation("Parameter ScheduleExpression is not valid."));
        }
        let arn = call.arn("events", &format!("rule/{name}"));
        let tags = tags_of(&body["Tags"], "Key", "Value");
        // Tags count only when the rule is made.
        let rule =
            self.rules.entry(name.to_owned()).or_insert_with(|| Rule { arn: arn.clone(), tags, ..Rule::default() });
        rule.fields =
            FIELDS.iter().filter_map(|field| Some(((*field).to_owned(), body.get(*field)?.clone()))).collect();
        rule.fields.retain(|_, value| !value.is_null() && value != "");
        rule.fields.entry("State").or_insert_with(|| json!("ENABLED"));
        Ok(json!({"RuleArn": arn}))
    }

    fn put_targets(&mut self, body: &Value) -> Result<Value, Fault> {
        let rule = self.rule(text(body, "Rule")?)?;
        for target in body["Targets"].as_array().into_iter().flatten() {
            let (id, arn) = (text(target, "Id")?, text(target, "Arn")?);
            if !arn.starts_with("arn:") {
                return Err(validation(format!(
                    "Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."
                )));
            }
            let inputs = ["Input", "InputPath", "InputTransformer"].iter().filter(|i| !target[**i].is_null()).count();
            if inputs > 1 {
                return Err(validation(format!(
                    "Only one of Input, InputPath, or InputTransformer must be provided for target {id}."
                )));
            }
            rule.targets.insert(id.to_owned(), target.clone());
        }
        if rule.targets.len() > TARGETS {
            return Err(Fault::new("LimitExceededException", format!("A rule has at most {TARGETS} targets.")));
        }
        Ok(json!({"FailedEntryCount": 0, "FailedEntries": []}))
    }

    fn remove_targets(&mut self, body: &Value) -> Result<Value, Fault> {
        let rule = self.rule(text(body, "Rule")?)?;
        let mut failed = Vec::new();
        for id in texts(&body["Ids"]) {
            if rule.targets.remove(&id).is_none() {
                let message = format!("Target {id} does not exist.");
                failed.push(json!({"TargetId": id, "ErrorCode": "ResourceNotFoundException", "ErrorMessage": message}));
            }
        }
        Ok(json!({"FailedEntryCount": failed.len(), "FailedEntries": failed}))
    }
}

fn shown(name: &str, rule: &Rule) -> Value {
    let mut shown = rule.fields.clone();
    shown.insert("Name".to_owned(), json!(name));
    shown.insert("Arn".to_owned(), json!(rule.arn));
    shown.insert("EventBusName".to_owned(), json!("default"));
    Value::Object(shown)
}

impl Model for Events {
    fn call(&mut self, call: &Call) -> Result<MockResponse, Fault> {
        let body = call.json()?;
        check_bus(call, &body)?;
        let token = body["NextToken"].as_str();
        let name = body["Name"].as_str().unwrap_or_default();
        let result = match call.action.as_str() {
            "PutRule" => self.put_rule(call, &body)?,
            "DescribeRule" => shown(name, self.rule(name)?),
            "DeleteRule" => {
                if self.rules.get(name).is_some_and(|rule| !rule.targets.is_empty()) {
                    return Err(validation("Rule can't be deleted since it has targets."));
                }
                self.rules.remove(name);
                json!({})
            }
            "ListRules" => {
                let prefix = body["NamePrefix"].as_str().unwrap_or_default();
                let all =
                    self.rules.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(n, r)| shown(n, r)).collect();
                let (all, next) = page(all, token, limit(&body["Limit"], PAGE))?;
                json!({"Rules": all, "NextToken": next})
            }
            "EnableRule" | "DisableRule" => {
                let state = if call.action == "EnableRule" { "ENABLED" } else { "DISABLED" };
                self.rule(name)?.fields.insert("State".to_owned(), json!(state));
                json!({})
            }
            "PutTargets" => self.put_targets(&body)?,
            "RemoveTargets" => self.remove_targets(&body)?,
            "ListTargetsByRule" => {
                let all = self.rule(text(&body, "Rule")?)?.targets.values().cloned().collect();
                let (all, next) = page(all, token, limit(&body["Limit"], PAGE))?;
                json!({"Targets": all, "NextToken": next})
            }
            "TagResource" | "UntagResource" | "ListTagsForResource" => {
                tag_answer(&call.action, &body, "", &mut self.by_arn(&body)?.tags)
            }
            _ => return unknown("events", call),
        };
        Ok(json_answer(result))
    }

    fn refusal(fault: &Fault, _call: &Call) -> MockResponse {
        fault.json()
    }

    fn tagged(&self, _region: &str) -> Vec<(String, Tags)> {
        self.rules.values().map(|rule| (rule.arn.clone(), rule.tags.clone())).collect()
    }
}
