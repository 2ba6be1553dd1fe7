//! Secrets Manager, by phx itself: winterbaume 0.2 knows no secrets that another service holds, loses rotation and types, and takes any label.
//!
//! Copies in other regions are states of the secret, and no secrets there. Functions that rotate are not invoked: a secret with one keeps its
//! value. A secret that is deleted with a window goes when it is over.

mod rotation;
mod versions;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use winterbaume_core::MockResponse;

use super::near::{only, seconds};
use super::service::{Call, Model, Tags};
use super::shape::{fault, json_answer, limit, page, tag_list, tags_of, text, texts, unknown};
use super::wire::{Fault, matches};
use rotation::Rotation;
pub(super) use rotation::new_password;
use versions::Version;

/// Secrets Manager in a region. Secrets by ARN.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct SecretsManager {
    secrets: BTreeMap<String, Secret>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Secret {
    name: String,
    arn: String,
    #[serde(default)]
    description: String,
    /// Empty: the service's own.
    #[serde(default)]
    key: String,
    /// The kind of a secret that a partner holds; empty for others.
    #[serde(default)]
    kind: String,
    /// The service that holds it; empty if the program does.
    #[serde(default)]
    owner: String,
    #[serde(default)]
    tags: Tags,
    /// By their ids.
    #[serde(default)]
    versions: BTreeMap<String, Version>,
    #[serde(default)]
    policy: Option<String>,
    #[serde(default)]
    rotation: Rotation,
    /// The copies' keys by their regions; empty: the service's own.
    #[serde(default)]
    copies: BTreeMap<String, String>,
    /// When it was deleted, and when it goes.
    #[serde(default)]
    deleted: Option<(i64, i64)>,
    created: i64,
    changed: i64,
}

impl Model for SecretsManager {
    fn call(&mut self, call: &Call) -> Result<MockResponse, Fault> {
        let ask = call.json()?;
        let now = seconds();
        self.secrets.retain(|_, secret| secret.deleted.is_none_or(|(_, goes)| goes > now));
        let answer = match call.action.as_str() {
            "CreateSecret" => self.create(call, &ask),
            "DescribeSecret" => self.named(&ask).map(Secret::described),
            "ListSecrets" => self.list(&ask),
            "UpdateSecret" => self.update(&ask),
            "DeleteSecret" => self.delete(&ask),
            "RestoreSecret" => self.restore(&ask),
            "TagResource" => self.tag(&ask),
            "UntagResource" => self.alive(&ask).map(|secret| {
                texts(&ask["TagKeys"]).iter().for_each(|key| drop(secret.tags.remove(key)));
                json!({})
            }),
            "GetResourcePolicy" => {
                self.named(&ask).map(|secret| with(secret.ids(), "ResourcePolicy", json!(secret.policy)))
            }
            "PutResourcePolicy" => self.put_policy(&ask),
            "DeleteResourcePolicy" => self.alive(&ask).map(|secret| {
                secret.policy = None;
                secret.ids()
            }),
            "GetSecretValue" => self.value(&ask),
            "PutSecretValue" => self.put_value(&ask),
            "ListSecretVersionIds" => self.list_versions(&ask),
            "UpdateSecretVersionStage" => self.move_label(&ask),
            "RotateSecret" => self.rotate(&ask),
            "CancelRotateSecret" => self.cancel_rotation(&ask),
            "ReplicateSecretToRegions" => self.replicate(call, &ask),
            "RemoveRegionsFromReplication" => self.alive(&ask).map(|secret| {
                texts(&ask["RemoveReplicaRegions"]).iter().for_each(|region| drop(secret.copies.remove(region)));
                with(secret.arn_only(), "ReplicationStatus", secret.replication())
            }),
            "GetRandomPassword" => versions::random_password(&ask),
            _ => unknown("secretsmanager", call),
        }?;
        Ok(json_answer(answer))
    }

    fn refusal(fault: &Fault, _call: &Call) -> MockResponse {
        fault.json()
    }

    fn tagged(&self, _region: &str) -> Vec<(String, Tags)> {
        let there = self.secrets.values().filter(|s| s.deleted.is_none() && !s.tags.is_empty());
        there.map(|secret| (secret.arn.clone(), secret.tags.clone())).collect()
    }
}

/// A refusal of what was said.
fn invalid(message: impl Into<String>) -> Fault {
    Fault::new("InvalidParameterException", message)
}

/// A refusal because of what there is.
fn not_now(message: impl Into<String>) -> Fault {
    Fault::new("InvalidRequestException", message)
}

fn with(mut answer: Value, name: &str, value: Value) -> Value {
    answer[name] = value;
    answer
}

/// A text that may be empty; `None` says nothing.
fn said(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn told(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

impl Secret {
    /// What most answers say.
    fn ids(&self) -> Value {
        json!({"ARN": self.arn, "Name": self.name})
    }

    fn arn_only(&self) -> Value {
        json!({"ARN": self.arn})
    }

    fn replication(&self) -> Value {
        let copy = |(region, key): (&String, &String)| {
            json!({
                "Region": region, "KmsKeyId": told(key).unwrap_or("alias/aws/secretsmanager"), "Status": "InSync",
                "StatusMessage": "Replication succeeded",
            })
        };
        self.copies.iter().map(copy).collect()
    }

    fn described(&self) -> Value {
        let mut answer = self.listed();
        if let Some(members) = answer.as_object_mut()
            && let Some(versions) = members.remove("SecretVersionsToStages")
        {
            members.insert("VersionIdsToStages".to_owned(), versions);
        }
        if !self.copies.is_empty() {
            answer["ReplicationStatus"] = self.replication();
        }
        answer
    }

    /// As a list tells it: without its copies.
    fn listed(&self) -> Value {
        let labels = |(id, version): (&String, &Version)| (id.clone(), json!(version.labels));
        let labels: Map<String, Value> = self.versions.iter().map(labels).collect();
        let mut answer = json!({
            "ARN": self.arn, "Name": self.name, "Description": told(&self.description), "KmsKeyId": told(&self.key),
            "Type": told(&self.kind), "OwningService": told(&self.owner), "Tags": tag_list(&self.tags, "Key", "Value"),
            "CreatedDate": self.created, "LastChangedDate": self.changed, "DeletedDate": self.deleted.map(|(at, _)| at),
        });
        if !labels.is_empty() {
            answer["SecretVersionsToStages"] = Value::Object(labels);
        }
        if !self.copies.is_empty() {
            answer["PrimaryRegion"] = json!(self.arn.split(':').nth(3));
        }
        self.rotation.show(&mut answer);
        answer
    }

    /// Refuses to change what another service holds.
    fn own(&mut self) -> Result<&mut Self, Fault> {
        match told(&self.owner) {
            None => Ok(self),
            Some(owner) => {
                Err(not_now(format!("The secret {} is managed by {owner}, and changed there only", self.name)))
            }
        }
    }
}

impl SecretsManager {
    /// A secret's ARN by its name, its ARN, or its ARN without the last six characters.
    fn arn_of(&self, id: &str) -> Option<String> {
        let is = |secret: &&Secret| {
            secret.name == id
                || secret.arn == id
                || secret.arn.rsplit_once('-').is_some_and(|(partial, _)| partial == id)
        };
        self.secrets.values().find(is).map(|secret| secret.arn.clone())
    }

    fn named(&self, ask: &Value) -> Result<&Secret, Fault> {
        let found = self.arn_of(text(ask, "SecretId")?).and_then(|arn| self.secrets.get(&arn));
        found.ok_or_else(no_secret)
    }

    /// A secret that was not deleted.
    fn alive(&mut self, ask: &Value) -> Result<&mut Secret, Fault> {
        let secret = self.named(ask)?;
        if secret.deleted.is_some() {
            return Err(not_now("You can't perform this operation on the secret because it was marked for deletion."));
        }
        let arn = secret.arn.clone();
        self.secrets.get_mut(&arn).ok_or_else(no_secret)
    }

    fn create(&mut self, call: &Call, ask: &Value) -> Result<Value, Fault> {
        let known = [
            "AddReplicaRegions",
            "ClientRequestToken",
            "Description",
            "ForceOverwriteReplicaSecret",
            "KmsKeyId",
            "Name",
            "SecretBinary",
            "SecretString",
            "Tags",
            "Type",
        ];
        only(ask, "secretsmanager:CreateSecret", &known)?;
        let name = text(ask, "Name")?;
        let fits = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-!".contains(c);
        if name.len() > 512 || !name.chars().all(fits) {
            return Err(Fault::new(
                "ValidationException",
                "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
            ));
        }
        if let Some(there) = self.secrets.values().find(|secret| secret.name == name) {
            if there.deleted.is_some() {
                return Err(not_now(
                    "You can't create this secret because a secret with this name is already scheduled for deletion.",
                ));
            }
            // The same request once more.
            let token = ask["ClientRequestToken"].as_str().unwrap_or_default();
            if there.versions.get(token).is_some_and(|version| version.holds(ask)) {
                return Ok(with(there.ids(), "VersionId", json!(token)));
            }
            return Err(Fault::new(
                "ResourceExistsException",
                format!("The operation failed because the secret {name} already exists."),
            ));
        }
        let mut secret = new_secret(&call.region, name);
        secret.description = said(&ask["Description"]).unwrap_or_default();
        secret.key = said(&ask["KmsKeyId"]).unwrap_or_default();
        secret.kind = said(&ask["Type"]).unwrap_or_default();
        secret.tags = new_tags(ask)?;
        secret.copies = copies(call, ask)?;
        let version = secret.take_value(ask)?;
        let mut answer = with(secret.ids(), "VersionId", json!(version));
        if !secret.copies.is_empty() {
            answer["ReplicationStatus"] = secret.replication();
        }
        self.secrets.insert(secret.arn.clone(), secret);
        Ok(answer)
    }

    fn list(&self, ask: &Value) -> Result<Value, Fault> {
        only(
            ask,
            "secretsmanager:ListSecrets",
            &["Filters", "IncludePlannedDeletion", "MaxResults", "NextToken", "SortOrder"],
        )?;
        let filters: Vec<(&str, Vec<String>)> = ask["Filters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|filter| (filter["Key"].as_str().unwrap_or_default(), texts(&filter["Values"])))
            .collect();
        let known = ["name", "description", "tag-key", "tag-value", "owning-service", "primary-region", "all"];
        if let Some((other, _)) = filters.iter().find(|(key, _)| !known.contains(key)) {
            return Err(invalid(format!("{other:?} is no filter of ListSecrets")));
        }
        let deleted = ask["IncludePlannedDeletion"] == json!(true);
        let wanted = |secret: &&Secret| {
            let texts = |key: &str| -> Vec<&str> {
                match key {
                    "name" => vec![&secret.name],
                    "description" => vec![&secret.description],
                    "tag-key" => secret.tags.keys().map(String::as_str).collect(),
                    "tag-value" => secret.tags.values().map(String::as_str).collect(),
                    "owning-service" => vec![&secret.owner],
                    "primary-region" => vec![secret.arn.split(':').nth(3).unwrap_or_default()],
                    _ => [&secret.name, &secret.description]
                        .into_iter()
                        .chain(secret.tags.keys())
                        .chain(secret.tags.values())
                        .map(String::as_str)
                        .collect(),
                }
            };
            // A value is the beginning of a text; with `!` before it, of none of them.
            let holds = |(key, values): &(&str, Vec<String>)| {
                values.iter().any(|value| match value.strip_prefix('!') {
                    Some(not) => !texts(key).iter().any(|text| matches(&format!("{not}*"), text)),
                    None => texts(key).iter().any(|text| matches(&format!("{value}*"), text)),
                })
            };
            (deleted || secret.deleted.is_none()) && filters.iter().all(holds)
        };
        let mut all: Vec<&Secret> = self.secrets.values().filter(wanted).collect();
        all.sort_by_key(|secret| (secret.created, secret.arn.clone()));
        if ask["SortOrder"] != "asc" {
            all.reverse();
        }
        let (all, next) = page(all, ask["NextToken"].as_str(), limit(&ask["MaxResults"], 100))?;
        Ok(json!({"SecretList": all.into_iter().map(Secret::listed).collect::<Vec<_>>(), "NextToken": next}))
    }

    fn update(&mut self, ask: &Value) -> Result<Value, Fault> {
        let known =
            ["ClientRequestToken", "Description", "KmsKeyId", "SecretBinary", "SecretId", "SecretString", "Type"];
        only(ask, "secretsmanager:UpdateSecret", &known)?;
        let secret = self.alive(ask)?.own()?;
        for (field, name) in
            [(&mut secret.description, "Description"), (&mut secret.key, "KmsKeyId"), (&mut secret.kind, "Type")]
        {
            if let Some(new) = said(&ask[name]) {
                *field = new;
            }
        }
        let version = secret.take_value(ask)?;
        secret.changed = seconds();
        Ok(with(secret.ids(), "VersionId", json!(version)))
    }

    fn delete(&mut self, ask: &Value) -> Result<Value, Fault> {
        let forced = ask["ForceDeleteWithoutRecovery"] == json!(true);
        let window = ask["RecoveryWindowInDays"].as_i64();
        if forced && window.is_some() {
            return Err(invalid("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays."));
        }
        let days = window.unwrap_or(30);
        if !(7..=30).contains(&days) {
            return Err(invalid(format!("RecoveryWindowInDays must be 7 to 30, not {days}")));
        }
        let now = seconds();
        // What is deleted already can still be deleted for ever.
        let there = self.named(ask)?;
        let secret = match there.deleted {
            Some(_) if forced => there.clone(),
            _ => self.alive(ask)?.own()?.clone(),
        };
        if !secret.copies.is_empty() {
            let regions = secret.copies.keys().cloned().collect::<Vec<_>>().join(", ");
            return Err(not_now(format!(
                "You can't delete secret {} that still has replica regions: {regions}",
                secret.name
            )));
        }
        let goes = if forced { now } else { now + days * 24 * 60 * 60 };
        if forced {
            self.secrets.remove(&secret.arn);
        } else if let Some(secret) = self.secrets.get_mut(&secret.arn) {
            secret.deleted = Some((now, goes));
        }
        Ok(with(secret.ids(), "DeletionDate", json!(goes)))
    }

    fn restore(&mut self, ask: &Value) -> Result<Value, Fault> {
        let arn = self.named(ask)?.arn.clone();
        let secret = self.secrets.get_mut(&arn).ok_or_else(no_secret)?;
        secret.deleted = None;
        Ok(secret.ids())
    }

    fn tag(&mut self, ask: &Value) -> Result<Value, Fault> {
        let new = new_tags(ask)?;
        self.alive(ask)?.tags.extend(new);
        Ok(json!({}))
    }

    fn put_policy(&mut self, ask: &Value) -> Result<Value, Fault> {
        let policy = text(ask, "ResourcePolicy")?;
        let parsed: Value = serde_json::from_str(policy).unwrap_or_default();
        if !parsed.is_object() {
            return Err(Fault::new("MalformedPolicyDocumentException", "This resource policy contains invalid Json"));
        }
        let statements = match &parsed["Statement"] {
            Value::Array(all) => all.clone(),
            one => vec![one.clone()],
        };
        let for_all = |of: &Value| of["Effect"] == "Allow" && (of["Principal"] == "*" || of["Principal"]["AWS"] == "*");
        if ask["BlockPublicPolicy"] == json!(true) && statements.iter().any(for_all) {
            return Err(Fault::new("PublicPolicyException", "The policy lets everyone in"));
        }
        let secret = self.alive(ask)?;
        secret.policy = Some(policy.to_owned());
        Ok(secret.ids())
    }

    fn replicate(&mut self, call: &Call, ask: &Value) -> Result<Value, Fault> {
        let new = copies(call, ask)?;
        let secret = self.alive(ask)?;
        if let Some(region) = new.keys().find(|region| secret.copies.contains_key(*region)) {
            return Err(invalid(format!("{region} has a replica of {} already", secret.name)));
        }
        secret.copies.extend(new);
        Ok(with(secret.arn_only(), "ReplicationStatus", secret.replication()))
    }

    /// Makes a secret that a service holds, with a value: `rds!db-…`. Returns its ARN.
    pub(super) fn make_owned(&mut self, region: &str, owned: Owned<'_>) -> String {
        let mut secret = new_secret(region, &format!("{}!{}-{}", owned.service, owned.kind, uuid::Uuid::new_v4()));
        secret.description = owned.description;
        secret.key = owned.key.unwrap_or_default().to_owned();
        secret.owner = owned.service.to_owned();
        secret.tags = owned.tags;
        secret.tags.insert("aws:secretsmanager:owningService".to_owned(), owned.service.to_owned());
        secret.rotation = Rotation::every(7);
        secret.set_value(&uuid::Uuid::new_v4().to_string(), Version::of_text(owned.value));
        let arn = secret.arn.clone();
        self.secrets.insert(arn.clone(), secret);
        arn
    }

    /// Gives a secret that a service holds another value.
    pub(super) fn set_owned(&mut self, arn: &str, value: String) {
        if let Some(secret) = self.secrets.get_mut(arn) {
            secret.set_value(&uuid::Uuid::new_v4().to_string(), Version::of_text(value));
        }
    }

    /// Takes a secret away that a service holds.
    pub(super) fn drop_owned(&mut self, arn: &str) {
        self.secrets.remove(arn);
    }
}

/// A secret that another service makes and holds.
pub(super) struct Owned<'a> {
    /// Whose it is: `rds`.
    pub(super) service: &'a str,
    /// What it is for: `db`.
    pub(super) kind: &'a str,
    pub(super) description: String,
    /// The key it is encrypted with; none: Secrets Manager's own.
    pub(super) key: Option<&'a str>,
    pub(super) tags: Tags,
    pub(super) value: String,
}

fn no_secret() -> Fault {
    fault(400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

fn new_secret(region: &str, name: &str) -> Secret {
    let end = versions::random(6, versions::LETTERS_AND_DIGITS);
    let arn = format!("arn:aws:secretsmanager:{region}:{}:secret:{name}-{end}", super::ACCOUNT_ID);
    let now = seconds();
    Secret { name: name.to_owned(), arn, created: now, changed: now, ..Secret::default() }
}

fn new_tags(ask: &Value) -> Result<Tags, Fault> {
    let tags = tags_of(&ask["Tags"], "Key", "Value");
    match tags.keys().find(|key| key.starts_with("aws:")) {
        Some(key) => Err(invalid(format!("The tag {key} begins with aws:, which is AWS's"))),
        None => Ok(tags),
    }
}

fn copies(call: &Call, ask: &Value) -> Result<BTreeMap<String, String>, Fault> {
    let all = ask["AddReplicaRegions"].as_array().into_iter().flatten();
    let copy = |copy: &Value| Some((copy["Region"].as_str()?.to_owned(), said(&copy["KmsKeyId"]).unwrap_or_default()));
    let copies: BTreeMap<String, String> = all.filter_map(copy).collect();
    if copies.contains_key(&call.region) {
        return Err(invalid(format!("Invalid replica region {}: the secret is in it", call.region)));
    }
    Ok(copies)
}
