//! AWS Backup: vaults, plans and selections. No backups are made, so that no vault has recovery points.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use winterbaume_core::MockResponse;

use super::ACCOUNT_ID;
use super::service::{Call, Model, Tags};
use super::shape::{Members, at, json_answer, limit, now, page, rest_json_refusal, tag_map, text, texts, unknown};
use super::wire::{Fault, request_id};

const PAGE: usize = 1000;

#[derive(Clone, Default, Serialize, Deserialize)]
struct Vault {
    fields: Members,
    tags: Tags,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Plan {
    fields: Members,
    plan: Value,
    tags: Tags,
    selections: BTreeMap<String, Value>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Backup {
    vaults: BTreeMap<String, Vault>,
    plans: BTreeMap<String, Plan>,
    /// The key that AWS Backup has for a region.
    key: Option<String>,
}

fn absent(what: impl std::fmt::Display) -> Fault {
    Fault::new("ResourceNotFoundException", format!("Cannot find {what}"))
}

fn taken(message: impl Into<String>) -> Fault {
    Fault::new("AlreadyExistsException", message)
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new("InvalidParameterValueException", message)
}

fn id(kind: &Value) -> &str {
    kind.as_str().unwrap_or_default()
}

/// Refuses a life that no recovery point can have: what is in cold storage stays there for 90 days, and continuous backups are kept for 35 at most.
fn check_life(rule: &Value) -> Result<(), Fault> {
    // With -1 it is never moved, and never deleted.
    let days = |name: &str| rule["Lifecycle"][name].as_i64().filter(|days| *days != -1);
    let (cold, end) = (days("MoveToColdStorageAfterDays"), days("DeleteAfterDays"));
    let continuous = rule["EnableContinuousBackup"] == json!(true);
    let most = if continuous { 35 } else { 36_500 };
    let why = if continuous && cold.is_some() {
        "MoveToColdStorageAfterDays is unavailable".to_owned()
    } else if end.is_some_and(|end| !(1..=most).contains(&end)) {
        format!("DeleteAfterDays cannot be less than 1 or more than {most} days")
    } else if cold.zip(end).is_some_and(|(cold, end)| end.saturating_sub(cold) < 90) {
        "DeleteAfterDays cannot be less than 90 days apart from MoveToColdStorageAfterDays".to_owned()
    } else {
        return Ok(());
    };
    let name = rule["RuleName"].as_str().unwrap_or_default();
    Err(invalid(format!("Error in rule {name} : Invalid lifecycle. {why}")))
}

/// A plan with what AWS Backup fills in. Rules keep their ids by their names.
fn filled(plan: &Value, before: &Value) -> Result<Value, Fault> {
    text(plan, "BackupPlanName").map_err(|_| invalid("BackupPlanName must not be empty"))?;
    let mut plan = plan.clone();
    let rules = plan["Rules"].as_array_mut().filter(|rules| !rules.is_empty());
    let rules = rules.ok_or_else(|| invalid("A backup plan needs at least one rule"))?;
    for rule in rules {
        let name = text(rule, "RuleName").map_err(|_| invalid("RuleName must not be empty"))?.to_owned();
        text(rule, "TargetBackupVaultName").map_err(|_| invalid("TargetBackupVaultName must not be empty"))?;
        let old = before["Rules"].as_array().into_iter().flatten().find(|old| old["RuleName"] == name.as_str());
        check_life(rule)?;
        let Value::Object(rule) = rule else { continue };
        rule.retain(|_, value| !value.is_null());
        let known = old.map_or_else(|| json!(request_id()), |old| old["RuleId"].clone());
        rule.entry("RuleId").or_insert(known);
        rule.entry("ScheduleExpression").or_insert_with(|| json!("cron(0 5 ? * * *)"));
        rule.entry("ScheduleExpressionTimezone").or_insert_with(|| json!("Etc/UTC"));
        rule.entry("StartWindowMinutes").or_insert_with(|| json!(480));
        rule.entry("CompletionWindowMinutes").or_insert_with(|| json!(10080));
        rule.entry("EnableContinuousBackup").or_insert_with(|| json!(false));
    }
    Ok(plan)
}

impl Backup {
    fn create_vault(&mut self, call: &Call, name: &str, body: &Value) -> Result<Value, Fault> {
        let fine = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !fine || !(2..=50).contains(&name.len()) {
            return Err(invalid("Invalid vault name"));
        }
        if self.vaults.contains_key(name) {
            return Err(taken(format!("Backup vault with the same name already exists: {name}")));
        }
        let arn = call.arn("backup", &format!("backup-vault:{name}"));
        let key = self.key.get_or_insert_with(|| call.arn("kms", &format!("key/{}", request_id()))).clone();
        let key = body["EncryptionKeyArn"].as_str().map_or(key, str::to_owned);
        let fields = json!({"BackupVaultName": name, "BackupVaultArn": arn, "EncryptionKeyArn": key, "CreationDate": now(),
                            "CreatorRequestId": body["CreatorRequestId"], "NumberOfRecoveryPoints": 0, "Locked": false,
                            "VaultType": "BACKUP_VAULT", "VaultState": "AVAILABLE"});
        let Value::Object(fields) = fields else { return Err(invalid("Invalid vault")) };
        self.vaults.insert(name.to_owned(), Vault { fields, tags: tag_map(&body["BackupVaultTags"]) });
        Ok(json!({"BackupVaultName": name, "BackupVaultArn": arn, "CreationDate": now()}))
    }

    fn vaults(&mut self, call: &Call, name: &str, body: &Value) -> Result<Value, Fault> {
        let absent = || absent(format!("Backup vault {name}"));
        match call.method.as_str() {
            "PUT" => self.create_vault(call, name, body),
            "GET" => Ok(Value::Object(self.vaults.get(name).ok_or_else(absent)?.fields.clone())),
            "DELETE" => {
                self.vaults.remove(name).ok_or_else(absent)?;
                Ok(json!({}))
            }
            _ => unknown("backup", call),
        }
    }

    fn create_plan(&mut self, call: &Call, body: &Value) -> Result<Value, Fault> {
        let plan = filled(&body["BackupPlan"], &Value::Null)?;
        let request = &body["CreatorRequestId"];
        if !request.is_null() && self.plans.values().any(|p| at(&p.fields, "CreatorRequestId") == request) {
            return Err(taken("Backup plan with the same plan document and creator request id already exists."));
        }
        let plan_id = request_id();
        let fields = json!({"BackupPlanId": plan_id, "BackupPlanArn": call.arn("backup", &format!("backup-plan:{plan_id}")),
                            "VersionId": request_id(), "CreationDate": now(), "CreatorRequestId": request,
                            "BackupPlanName": plan["BackupPlanName"]});
        let Value::Object(fields) = fields.clone() else { return Err(invalid("Invalid plan")) };
        let answer = Value::Object(fields.clone());
        let tags = tag_map(&body["BackupPlanTags"]);
        self.plans.insert(plan_id, Plan { fields, plan, tags, selections: BTreeMap::new() });
        Ok(answer)
    }

    fn plan(&mut self, plan_id: &str) -> Result<&mut Plan, Fault> {
        self.plans.get_mut(plan_id).ok_or_else(|| absent(format!("Backup plan with ID {plan_id}")))
    }

    fn plans(&mut self, call: &Call, plan_id: &str, body: &Value) -> Result<Value, Fault> {
        let plan = self.plan(plan_id)?;
        match call.method.as_str() {
            "GET" => {
                let mut shown = Value::Object(plan.fields.clone());
                shown["BackupPlan"] = plan.plan.clone();
                Ok(shown)
            }
            "POST" => {
                plan.plan = filled(&body["BackupPlan"], &plan.plan)?;
                plan.fields.insert("VersionId".to_owned(), json!(request_id()));
                plan.fields.insert("BackupPlanName".to_owned(), plan.plan["BackupPlanName"].clone());
                Ok(Value::Object(plan.fields.clone()))
            }
            "DELETE" => {
                if !plan.selections.is_empty() {
                    let message = "Related backup plan selections must be deleted prior to backup plan deletion";
                    return Err(Fault::new("InvalidRequestException", message));
                }
                let mut gone = Value::Object(plan.fields.clone());
                gone["DeletionDate"] = now();
                self.plans.remove(plan_id);
                Ok(gone)
            }
            _ => unknown("backup", call),
        }
    }

    fn selections(
        &mut self,
        call: &Call,
        plan_id: &str,
        selection: Option<&str>,
        body: &Value,
    ) -> Result<Value, Fault> {
        let plan = self.plan(plan_id)?;
        let known = |selections: &BTreeMap<String, Value>, id: &str| {
            selections.get(id).cloned().ok_or_else(|| absent(format!("Backup selection with ID {id}")))
        };
        match (call.method.as_str(), selection) {
            ("PUT", None) => {
                let selection = &body["BackupSelection"];
                for needed in ["SelectionName", "IamRoleArn"] {
                    text(selection, needed).map_err(|_| invalid(format!("{needed} must not be empty")))?;
                }
                let request = &body["CreatorRequestId"];
                let same = |s: &Value| !request.is_null() && s["CreatorRequestId"] == *request;
                if plan.selections.values().any(same) {
                    return Err(taken("Backup selection with the same creator request id already exists."));
                }
                let selection_id = request_id();
                let shown = json!({"BackupPlanId": plan_id, "SelectionId": selection_id, "CreationDate": now(),
                                   "CreatorRequestId": request, "BackupSelection": selection});
                plan.selections.insert(selection_id, shown.clone());
                Ok(shown)
            }
            ("GET", None) => {
                let shown = |s: &Value| {
                    json!({"SelectionId": s["SelectionId"], "SelectionName": s["BackupSelection"]["SelectionName"],
                           "BackupPlanId": s["BackupPlanId"], "CreationDate": s["CreationDate"],
                           "CreatorRequestId": s["CreatorRequestId"], "IamRoleArn": s["BackupSelection"]["IamRoleArn"]})
                };
                let all = plan.selections.values().map(shown).collect();
                let (all, next) = list(call, all)?;
                Ok(json!({"BackupSelectionsList": all, "NextToken": next}))
            }
            ("GET", Some(id)) => known(&plan.selections, id),
            ("DELETE", Some(id)) => {
                known(&plan.selections, id)?;
                plan.selections.remove(id);
                Ok(json!({}))
            }
            _ => unknown("backup", call),
        }
    }

    fn tags(&mut self, arn: &str) -> Result<&mut Tags, Fault> {
        let vault = self.vaults.values_mut().find(|v| id(at(&v.fields, "BackupVaultArn")) == arn).map(|v| &mut v.tags);
        let plans = &mut self.plans;
        let tags = vault
            .or_else(|| plans.values_mut().find(|p| id(at(&p.fields, "BackupPlanArn")) == arn).map(|p| &mut p.tags));
        tags.ok_or_else(|| absent(arn))
    }
}

fn list(call: &Call, all: Vec<Value>) -> Result<(Vec<Value>, Option<String>), Fault> {
    let most = limit(&json!(call.query("maxResults")), PAGE);
    page(all, call.query("nextToken").as_deref(), most)
}

impl Model for Backup {
    fn call(&mut self, call: &Call) -> Result<MockResponse, Fault> {
        let body = call.json()?;
        let path = call.path();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let result = match (call.method.as_str(), path.as_slice()) {
            ("GET", ["backup-vaults"]) => {
                let all = self.vaults.values().map(|vault| Value::Object(vault.fields.clone())).collect();
                let (all, next) = list(call, all)?;
                json!({"BackupVaultList": all, "NextToken": next})
            }
            (_, ["backup-vaults", name]) => self.vaults(call, name, &body)?,
            ("PUT", ["backup", "plans"]) => self.create_plan(call, &body)?,
            ("GET", ["backup", "plans"]) => {
                let all = self.plans.values().map(|plan| Value::Object(plan.fields.clone())).collect();
                let (all, next) = list(call, all)?;
                json!({"BackupPlansList": all, "NextToken": next})
            }
            (_, ["backup", "plans", plan]) => self.plans(call, plan, &body)?,
            (_, ["backup", "plans", plan, "selections"]) => self.selections(call, plan, None, &body)?,
            (_, ["backup", "plans", plan, "selections", id]) => self.selections(call, plan, Some(id), &body)?,
            ("GET", ["tags", arn]) => json!({"Tags": self.tags(arn)?}),
            ("POST", ["tags", arn]) => {
                self.tags(arn)?.extend(tag_map(&body["Tags"]));
                json!({})
            }
            ("POST", ["untag", arn]) => {
                let keys = texts(&body["TagKeyList"]);
                self.tags(arn)?.retain(|key, _| !keys.contains(key));
                json!({})
            }
            _ => return unknown("backup", call),
        };
        Ok(json_answer(result))
    }

    fn refusal(fault: &Fault, _call: &Call) -> MockResponse {
        rest_json_refusal(fault)
    }

    fn tagged(&self, region: &str) -> Vec<(String, Tags)> {
        let arn = |kind: &str, id: &str| format!("arn:aws:backup:{region}:{ACCOUNT_ID}:{kind}:{id}");
        let vaults = self.vaults.iter().map(|(name, vault)| (arn("backup-vault", name), vault.tags.clone()));
        let plans = self.plans.iter().map(|(id, plan)| (arn("backup-plan", id), plan.tags.clone()));
        vaults.chain(plans).collect()
    }
}
