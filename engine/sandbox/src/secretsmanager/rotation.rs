//! When secrets are given new values, and by whom.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::versions::{LETTERS_AND_DIGITS, Version, random};
use super::{Fault, SecretsManager, invalid, not_now, told, with};
use crate::near::{only, seconds};

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Rotation {
    /// `None`: it never was on.
    #[serde(default)]
    on: Option<bool>,
    /// The function; empty where a service holds the secret.
    #[serde(default)]
    function: String,
    /// As they were set.
    #[serde(default)]
    rules: Value,
    /// What a partner that holds the secret has to know.
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    role: String,
    #[serde(default)]
    last: Option<i64>,
}

impl Rotation {
    /// By the service that holds the secret.
    pub(super) fn every(days: i64) -> Self {
        Self { on: Some(true), rules: json!({"AutomaticallyAfterDays": days}), ..Self::default() }
    }

    pub(super) fn show(&self, answer: &mut Value) {
        let Some(on) = self.on else { return };
        answer["RotationEnabled"] = json!(on);
        if !on {
            return;
        }
        for (name, value) in [
            ("RotationRules", self.rules.clone()),
            ("RotationLambdaARN", json!(told(&self.function))),
            ("ExternalSecretRotationMetadata", self.metadata.clone()),
            ("ExternalSecretRotationRoleArn", json!(told(&self.role))),
            ("LastRotatedDate", json!(self.last)),
        ] {
            answer[name] = value;
        }
    }
}

impl SecretsManager {
    pub(super) fn rotate(&mut self, ask: &Value) -> Result<Value, Fault> {
        let known = [
            "ClientRequestToken",
            "ExternalSecretRotationMetadata",
            "ExternalSecretRotationRoleArn",
            "RotateImmediately",
            "RotationLambdaARN",
            "RotationRules",
            "SecretId",
        ];
        only(ask, "secretsmanager:RotateSecret", &known)?;
        check(&ask["RotationRules"])?;
        let secret = self.alive(ask)?;
        let mut rotation = secret.rotation.clone();
        let text = |name: &str| ask[name].as_str().map(str::to_owned);
        if let Some(function) = text("RotationLambdaARN") {
            if !secret.owner.is_empty() {
                return Err(not_now(format!("{} is rotated by {}, and by no function", secret.name, secret.owner)));
            }
            rotation.function = function;
        }
        let held = !secret.owner.is_empty() || !secret.kind.is_empty();
        if rotation.function.is_empty() && !held {
            return Err(not_now("No Lambda rotation function ARN is associated with this secret."));
        }
        if !ask["RotationRules"].is_null() {
            rotation.rules = ask["RotationRules"].clone();
        } else if rotation.rules.is_null() {
            return Err(invalid("You must specify a rotation schedule."));
        }
        if !ask["ExternalSecretRotationMetadata"].is_null() {
            rotation.metadata = ask["ExternalSecretRotationMetadata"].clone();
        }
        if let Some(role) = text("ExternalSecretRotationRoleArn") {
            rotation.role = role;
        }
        rotation.on = Some(true);
        let at_once = ask["RotateImmediately"] != json!(false);
        if at_once && !secret.owner.is_empty() {
            rotation.last = Some(seconds());
            let now = secret.versions.values().find_map(|version| version.rotated());
            if let Some(value) = now {
                let id =
                    ask["ClientRequestToken"].as_str().map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
                secret.set_value(&id, Version::of_text(value));
            }
        }
        secret.rotation = rotation;
        Ok(with(secret.ids(), "VersionId", json!(ask["ClientRequestToken"].as_str())))
    }

    pub(super) fn cancel_rotation(&mut self, ask: &Value) -> Result<Value, Fault> {
        let secret = self.alive(ask)?;
        if secret.rotation.on != Some(true) {
            return Err(not_now(format!("Rotation is not enabled for the secret {}", secret.name)));
        }
        secret.rotation = super::Rotation { on: Some(false), ..super::Rotation::default() };
        Ok(secret.ids())
    }
}

impl Version {
    /// The same user with another password, if this is the current value of a user.
    fn rotated(&self) -> Option<String> {
        let mut user: Value = self.user()?;
        user["password"] = json!(new_password());
        Some(user.to_string())
    }
}

/// A password as RDS makes them for its users.
pub(crate) fn new_password() -> String {
    random(28, LETTERS_AND_DIGITS)
}

/// Rules are either days or a schedule.
fn check(rules: &Value) -> Result<(), Fault> {
    if rules.is_null() {
        return Ok(());
    }
    only(rules, "secretsmanager:RotateSecret", &["AutomaticallyAfterDays", "Duration", "ScheduleExpression"])?;
    match (rules["AutomaticallyAfterDays"].as_i64(), rules["ScheduleExpression"].as_str()) {
        (Some(_), Some(_)) => {
            Err(invalid("You can't specify both AutomaticallyAfterDays and ScheduleExpression in RotationRules."))
        }
        (Some(days), None) if !(1..=1000).contains(&days) => {
            Err(invalid(format!("AutomaticallyAfterDays must be 1 to 1000, not {days}")))
        }
        (None, Some(schedule)) if !(schedule.starts_with("rate(") || schedule.starts_with("cron(")) => {
            Err(invalid(format!("ScheduleExpression {schedule:?} is neither a rate nor a cron expression")))
        }
        _ => Ok(()),
    }
}
