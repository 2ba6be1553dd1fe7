//! The values of secrets, and the labels that say which is which.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Fault, Secret, SecretsManager, invalid, not_now, with};
use crate::near::{only, seconds};
use crate::shape::{limit, page, text, texts};

/// The label of the value that is told to whoever asks for the secret.
const CURRENT: &str = "AWSCURRENT";
/// The label of the one before.
const PREVIOUS: &str = "AWSPREVIOUS";

pub(super) const LETTERS_AND_DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// A value.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Version {
    #[serde(default)]
    string: Option<String>,
    /// In base64.
    #[serde(default)]
    binary: Option<String>,
    pub(super) labels: BTreeSet<String>,
    created: i64,
}

impl Version {
    pub(super) fn of_text(value: String) -> Self {
        Self { string: Some(value), labels: [CURRENT.to_owned()].into(), created: seconds(), binary: None }
    }

    /// The members of the current value, if it is one and describes a user.
    pub(super) fn user(&self) -> Option<Value> {
        let text = self.string.as_deref().filter(|_| self.labels.contains(CURRENT))?;
        serde_json::from_str::<Value>(text).ok().filter(Value::is_object)
    }

    /// Whether it is the value that a request says.
    pub(super) fn holds(&self, ask: &Value) -> bool {
        self.string.as_deref() == ask["SecretString"].as_str() && self.binary.as_deref() == ask["SecretBinary"].as_str()
    }
}

impl Secret {
    /// Keeps the value that a request says, if it says one, as the current one or with the labels that it names. Returns the version's id.
    pub(super) fn take_value(&mut self, ask: &Value) -> Result<Option<String>, Fault> {
        let (string, binary) = (&ask["SecretString"], &ask["SecretBinary"]);
        if string.is_null() && binary.is_null() {
            return Ok(None);
        }
        if !string.is_null() && !binary.is_null() {
            return Err(invalid("You can't specify both SecretString and SecretBinary"));
        }
        let id = ask["ClientRequestToken"].as_str().map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
        if !(32..=64).contains(&id.len()) {
            return Err(invalid("ClientRequestToken must be 32-64 characters long."));
        }
        let mut labels: BTreeSet<String> = texts(&ask["VersionStages"]).into_iter().collect();
        if labels.is_empty() {
            labels.insert(CURRENT.to_owned());
        }
        if let Some(there) = self.versions.get(&id) {
            if there.holds(ask) {
                return Ok(Some(id));
            }
            return Err(Fault::new(
                "ResourceExistsException",
                format!(
                    "You can't use ClientRequestToken {id} because that value is already in use for a version of secret {}.",
                    self.arn
                ),
            ));
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let version = Version { string: text(string), binary: text(binary), labels, created: seconds() };
        self.set_value(&id, version);
        Ok(Some(id))
    }

    /// Keeps a value with its labels, which the others lose.
    pub(super) fn set_value(&mut self, id: &str, version: Version) {
        let labels = version.labels.clone();
        self.versions.insert(id.to_owned(), Version { labels: BTreeSet::new(), ..version });
        for label in labels {
            self.put_label(&label, Some(id));
        }
        self.changed = seconds();
    }

    fn holder(&self, label: &str) -> Option<String> {
        self.versions.iter().find(|(_, v)| v.labels.contains(label)).map(|(id, _)| id.clone())
    }

    /// Moves a label to a version, or takes it away. The current version that loses its label becomes the previous one. A version without a
    /// label is gone: Secrets Manager deletes it by itself, at a time of its choosing.
    fn put_label(&mut self, label: &str, to: Option<&str>) {
        let from = self.holder(label);
        for version in self.versions.values_mut() {
            version.labels.remove(label);
        }
        if let Some(version) = to.and_then(|id| self.versions.get_mut(id)) {
            version.labels.insert(label.to_owned());
        }
        if label == CURRENT
            && let Some(from) = from.filter(|from| Some(from.as_str()) != to)
        {
            self.put_label(PREVIOUS, Some(&from));
        }
        let keep = to.unwrap_or_default().to_owned();
        self.versions.retain(|id, version| *id == keep || !version.labels.is_empty());
    }
}

impl SecretsManager {
    pub(super) fn value(&self, ask: &Value) -> Result<Value, Fault> {
        let secret = self.named(ask)?;
        if secret.deleted.is_some() {
            return Err(not_now("You can't perform this operation on the secret because it was marked for deletion."));
        }
        let label = ask["VersionStage"].as_str();
        let found = secret.versions.iter().find(|(id, version)| match (ask["VersionId"].as_str(), label) {
            (Some(wanted), label) => *id == wanted && label.is_none_or(|label| version.labels.contains(label)),
            (None, label) => version.labels.contains(label.unwrap_or(CURRENT)),
        });
        let Some((id, version)) = found else {
            let what = ask["VersionId"].as_str().map_or_else(
                || format!("staging label: {}", label.unwrap_or(CURRENT)),
                |id| format!("VersionId: {id}"),
            );
            let message = format!("Secrets Manager can't find the specified secret value for {what}");
            return Err(Fault::new("ResourceNotFoundException", message));
        };
        let mut answer = secret.ids();
        for (name, value) in [
            ("VersionId", json!(id)),
            ("VersionStages", json!(version.labels)),
            ("SecretString", json!(version.string)),
            ("SecretBinary", json!(version.binary)),
            ("CreatedDate", json!(version.created)),
        ] {
            answer[name] = value;
        }
        Ok(answer)
    }

    pub(super) fn put_value(&mut self, ask: &Value) -> Result<Value, Fault> {
        let known = ["ClientRequestToken", "SecretBinary", "SecretId", "SecretString", "VersionStages"];
        only(ask, "secretsmanager:PutSecretValue", &known)?;
        let secret = self.alive(ask)?.own()?;
        let id =
            secret.take_value(ask)?.ok_or_else(|| invalid("You must provide either SecretString or SecretBinary."))?;
        let labels = secret.versions.get(&id).map(|version| version.labels.clone());
        Ok(with(with(secret.ids(), "VersionId", json!(id)), "VersionStages", json!(labels)))
    }

    pub(super) fn list_versions(&self, ask: &Value) -> Result<Value, Fault> {
        let secret = self.named(ask)?;
        let shown = |(id, version): (&String, &super::Version)| json!({"VersionId": id, "VersionStages": version.labels, "CreatedDate": version.created});
        let all: Vec<Value> = secret.versions.iter().map(shown).collect();
        let (all, next) = page(all, ask["NextToken"].as_str(), limit(&ask["MaxResults"], 100))?;
        Ok(with(with(secret.ids(), "Versions", json!(all)), "NextToken", json!(next)))
    }

    pub(super) fn move_label(&mut self, ask: &Value) -> Result<Value, Fault> {
        let label = text(ask, "VersionStage")?.to_owned();
        let (from, to) = (ask["RemoveFromVersionId"].as_str(), ask["MoveToVersionId"].as_str());
        let secret = self.alive(ask)?.own()?;
        if let Some(missing) = [from, to].into_iter().flatten().find(|id| !secret.versions.contains_key(*id)) {
            let message = format!("Secrets Manager can't find the specified secret version {missing}.");
            return Err(Fault::new("ResourceNotFoundException", message));
        }
        let holder = secret.holder(&label);
        if to.is_none() && label == CURRENT {
            return Err(invalid(
                "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.",
            ));
        }
        // A label is only taken from the version that is said to have it.
        if holder.is_some() && holder.as_deref() != from && holder.as_deref() != to {
            return Err(invalid(format!(
                "The parameter RemoveFromVersionId must be the version that has the label {label}: {}",
                holder.unwrap_or_default()
            )));
        }
        secret.put_label(&label, to);
        secret.changed = seconds();
        Ok(secret.ids())
    }
}

/// Characters at random.
pub(super) fn random(length: usize, of: &str) -> String {
    let of: Vec<char> = of.chars().collect();
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let bytes = uuid::Uuid::new_v4().into_bytes();
        // The seventh and the ninth byte are not random.
        let bytes = bytes.iter().enumerate().filter(|(at, _)| ![6, 8].contains(at)).map(|(_, byte)| usize::from(*byte));
        // Every character has the same chance.
        let fair = bytes.filter(|byte| of.is_empty() || *byte < 256 - 256 % of.len());
        text.extend(fair.filter_map(|byte| of.get(byte.checked_rem(of.len())?)).take(length - text.len()));
        if of.is_empty() {
            break;
        }
    }
    text
}

/// GetRandomPassword.
pub(super) fn random_password(ask: &Value) -> Result<Value, Fault> {
    let length = ask["PasswordLength"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(32);
    if !(1..=4096).contains(&length) {
        return Err(invalid(format!("PasswordLength must be 1 to 4096, not {length}")));
    }
    let without = |name: &str| ask[name] == json!(true);
    let left_out = ask["ExcludeCharacters"].as_str().unwrap_or_default();
    let keep = |c: &char| {
        let excluded = [
            left_out.contains(*c),
            without("ExcludeNumbers") && c.is_ascii_digit(),
            without("ExcludeUppercase") && c.is_ascii_uppercase(),
            without("ExcludeLowercase") && c.is_ascii_lowercase(),
            without("ExcludePunctuation") && c.is_ascii_punctuation(),
        ];
        !excluded.contains(&true)
    };
    let space = if without("IncludeSpace") { " " } else { "" };
    let kinds: [fn(&char) -> bool; 4] =
        [char::is_ascii_digit, char::is_ascii_uppercase, char::is_ascii_lowercase, char::is_ascii_punctuation];
    let of: String = LETTERS_AND_DIGITS.chars().chain(PUNCTUATION.chars()).chain(space.chars()).filter(keep).collect();
    if of.is_empty() {
        return Err(invalid("No characters are left to make a password of"));
    }
    // One of each kind, unless it is not wished: made again until it has them.
    let each = ask["RequireEachIncludedType"] != json!(false);
    let wanted = kinds.iter().filter(|kind| of.chars().any(|c| kind(&c)));
    if each && wanted.clone().count() > length {
        return Err(invalid(format!("A password of {length} characters has no room for each kind")));
    }
    loop {
        let password = random(length, &of);
        if !each || wanted.clone().all(|kind| password.chars().any(|c| kind(&c))) {
            return Ok(json!({"RandomPassword": password}));
        }
    }
}
