//! KMS's keys and aliases, by phx itself: winterbaume 0.2 brings a cipher for each kind of key along, where all that is needed is what keys are
//! called, how they are set, and data keys (`cipher`).
//!
//! A key's state is immediate. Symmetric keys encrypt and decrypt; nothing is signed, and no other service's data is encrypted. Custom key
//! stores, grants, replicas and imported material do not exist. A key whose deletion is scheduled goes when its day has come.

mod cipher;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use winterbaume_core::MockResponse;

use super::ACCOUNT_ID;
use super::near::{only, seconds};
use super::service::{Call, Model, Tags};
use super::shape::{json_answer, limit, members, page, tag_list, tags_of, text, texts, unknown};
use super::wire::Fault;

/// KMS in a region.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Kms {
    keys: BTreeMap<String, Key>,
    /// The keys' ids by the aliases' names.
    aliases: BTreeMap<String, Alias>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Key {
    /// As DescribeKey shows it, without the state.
    fields: Map<String, Value>,
    state: State,
    /// When it is going to be deleted, in seconds of Unix time.
    #[serde(default)]
    deleted_at: Option<i64>,
    /// After how many days it is rotated, if it is.
    #[serde(default)]
    rotation: Option<i64>,
    /// What it encrypts with, in hexadecimal digits.
    #[serde(default = "cipher::material")]
    material: String,
    policy: String,
    #[serde(default)]
    tags: Tags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Enabled,
    Disabled,
    PendingDeletion,
    PendingImport,
}

#[derive(Clone, Serialize, Deserialize)]
struct Alias {
    key: String,
    made: i64,
    changed: i64,
}

/// The kinds of key material, with what they are for: the first is what a key without a usage is for, unless there are more.
/// <https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html>
const SPECS: &[(&[&str], &[&str])] = &[
    (&["SYMMETRIC_DEFAULT"], &["ENCRYPT_DECRYPT"]),
    (&["RSA_2048", "RSA_3072", "RSA_4096"], &["ENCRYPT_DECRYPT", "SIGN_VERIFY"]),
    (&["ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521"], &["SIGN_VERIFY", "KEY_AGREEMENT"]),
    (&["ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519", "ML_DSA_44", "ML_DSA_65", "ML_DSA_87"], &["SIGN_VERIFY"]),
    (&["HMAC_224", "HMAC_256", "HMAC_384", "HMAC_512"], &["GENERATE_VERIFY_MAC"]),
    (&["ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"], &["ENCAPSULATE_DECAPSULATE"]),
];
const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";
/// After how many days a key is rotated that says nothing else.
const ROTATION: i64 = 365;
/// For how many days a deletion can be cancelled that says nothing else.
const WINDOW: i64 = 30;

impl Model for Kms {
    fn call(&mut self, call: &Call) -> Result<MockResponse, Fault> {
        let ask = call.json()?;
        self.forget_deleted();
        let answer = match call.action.as_str() {
            "CreateKey" => self.create(call, &ask),
            "DescribeKey" => self.named(&ask, true).map(|(_, key)| json!({"KeyMetadata": key.shown()})),
            "ListKeys" => self.list_keys(&ask),
            "EnableKey" => self.set_state(&ask, State::Enabled),
            "DisableKey" => self.set_state(&ask, State::Disabled),
            "ScheduleKeyDeletion" => self.schedule_deletion(&ask),
            "CancelKeyDeletion" => self.cancel_deletion(&ask),
            "UpdateKeyDescription" => self.change(&ask).map(|key| {
                key.fields.insert("Description".to_owned(), ask["Description"].clone());
                json!({})
            }),
            "GetKeyPolicy" => policy_name(&ask)
                .and_then(|()| self.named(&ask, false))
                .map(|(_, key)| json!({"Policy": key.policy, "PolicyName": "default"})),
            "PutKeyPolicy" => self.put_policy(&ask),
            "ListKeyPolicies" => {
                self.named(&ask, false).map(|_| json!({"PolicyNames": ["default"], "Truncated": false}))
            }
            "EnableKeyRotation" => self.enable_rotation(&ask),
            "DisableKeyRotation" => self.rotatable(&ask).map(|key| {
                key.rotation = None;
                json!({})
            }),
            "GetKeyRotationStatus" => self.rotation_status(&ask),
            "TagResource" => self.tag(&ask),
            "UntagResource" => self.change(&ask).map(|key| {
                texts(&ask["TagKeys"]).iter().for_each(|name| drop(key.tags.remove(name)));
                json!({})
            }),
            "ListResourceTags" => self
                .named(&ask, false)
                .map(|(_, key)| json!({"Tags": tag_list(&key.tags, "TagKey", "TagValue"), "Truncated": false})),
            "CreateAlias" => self.create_alias(call, &ask),
            "UpdateAlias" => self.update_alias(call, &ask),
            "DeleteAlias" => {
                let name = Self::own_name(&ask)?;
                self.aliases.remove(name).map(|_| json!({})).ok_or_else(|| no_alias(call, name))
            }
            "ListAliases" => self.list_aliases(call, &ask),
            "Encrypt" => self.encrypt(&ask),
            "Decrypt" => self.decrypt(&ask),
            "GenerateDataKey" => self.generate_data_key(&ask),
            _ => unknown("kms", call),
        }?;
        Ok(json_answer(answer))
    }

    fn refusal(fault: &Fault, _call: &Call) -> MockResponse {
        fault.json()
    }

    fn tagged(&self, _region: &str) -> Vec<(String, Tags)> {
        let gone = |key: &&Key| key.state != State::PendingDeletion && !key.tags.is_empty();
        self.keys.values().filter(gone).map(|key| (key.arn().to_owned(), key.tags.clone())).collect()
    }
}

impl Key {
    fn arn(&self) -> &str {
        self.fields.get("Arn").and_then(Value::as_str).unwrap_or_default()
    }

    fn is(&self, field: &str, value: &str) -> bool {
        self.fields.get(field).and_then(Value::as_str) == Some(value)
    }

    fn shown(&self) -> Value {
        let mut fields = self.fields.clone();
        fields.insert("KeyState".to_owned(), json!(self.state));
        fields.insert("Enabled".to_owned(), json!(self.state == State::Enabled));
        if let Some(at) = self.deleted_at {
            fields.insert("DeletionDate".to_owned(), json!(at));
        }
        Value::Object(fields)
    }

    /// Whether KMS can make new material for it.
    fn is_rotatable(&self) -> bool {
        self.is("KeySpec", SYMMETRIC) && self.is("Origin", "AWS_KMS")
    }
}

impl Kms {
    /// The key of AWS's own that a service encrypts with when it is told no other: `alias/aws/rds`. It is made when it is first asked for.
    pub(super) fn own_key_of(&mut self, region: &str, service: &str) -> String {
        let alias = format!("alias/aws/{service}");
        if let Some(key) = self.aliases.get(&alias).and_then(|alias| self.keys.get(&alias.key)) {
            return key.arn().to_owned();
        }
        let description = format!("Default key that protects my {service} data when no other key is defined");
        let asked = json!({"Description": description});
        let (id, mut key) = new_key(region, &asked, (SYMMETRIC, "ENCRYPT_DECRYPT", "AWS_KMS"));
        key.fields.insert("KeyManager".to_owned(), json!("AWS"));
        key.rotation = Some(ROTATION);
        let arn = key.arn().to_owned();
        self.keys.insert(id.clone(), key);
        let now = seconds();
        self.aliases.insert(alias, Alias { key: id, made: now, changed: now });
        arn
    }

    /// The ARN of a key by whatever it may be called, if a service can encrypt with it now.
    pub(super) fn usable(&mut self, region: &str, name: &str) -> Option<String> {
        self.forget_deleted();
        if let Some(service) = name.strip_prefix("alias/aws/") {
            return Some(self.own_key_of(region, service));
        }
        let key = self.keys.get(self.id(name, true)?)?;
        (key.state == State::Enabled && key.is("KeySpec", SYMMETRIC)).then(|| key.arn().to_owned())
    }

    fn forget_deleted(&mut self) {
        let now = seconds();
        self.keys.retain(|_, key| key.deleted_at.is_none_or(|at| at > now));
        let keys = &self.keys;
        self.aliases.retain(|_, alias| keys.contains_key(&alias.key));
    }

    /// A key's id by what it may be called.
    fn id<'s>(&'s self, name: &'s str, by_alias: bool) -> Option<&'s str> {
        let bare = name.rsplit_once(":key/").map_or(name, |(_, id)| id);
        let alias = name.rsplit_once(":alias/").map_or_else(|| name.to_owned(), |(_, alias)| format!("alias/{alias}"));
        let named = self.aliases.get(&alias).filter(|_| by_alias).map(|alias| alias.key.as_str());
        named.or_else(|| self.keys.contains_key(bare).then_some(bare))
    }

    fn named<'s>(&'s self, ask: &'s Value, by_alias: bool) -> Result<(&'s str, &'s Key), Fault> {
        let name = text(ask, "KeyId")?;
        let found = self.id(name, by_alias).and_then(|id| Some((id, self.keys.get(id)?)));
        found.ok_or_else(|| Fault::new("NotFoundException", format!("Key '{name}' does not exist")))
    }

    /// A key that can be changed: not one that is going to be deleted.
    fn change(&mut self, ask: &Value) -> Result<&mut Key, Fault> {
        let (id, key) = self.named(ask, false)?;
        if key.is("KeyManager", "AWS") {
            return Err(Fault::new("AccessDeniedException", format!("{} is a key of AWS's own", key.arn())));
        }
        if key.state == State::PendingDeletion {
            return Err(Fault::new("KMSInvalidStateException", format!("{} is pending deletion.", key.arn())));
        }
        let id = id.to_owned();
        self.keys.get_mut(&id).ok_or_else(|| Fault::new("NotFoundException", format!("Key '{id}' does not exist")))
    }

    fn create(&mut self, call: &Call, ask: &Value) -> Result<Value, Fault> {
        only(
            ask,
            "kms:CreateKey",
            &[
                "BypassPolicyLockoutSafetyCheck",
                "CustomerMasterKeySpec",
                "Description",
                "KeySpec",
                "KeyUsage",
                "MultiRegion",
                "Origin",
                "Policy",
                "Tags",
            ],
        )?;
        // The older name of the same.
        let spec = ask["KeySpec"].as_str().or(ask["CustomerMasterKeySpec"].as_str()).unwrap_or(SYMMETRIC);
        let usages = SPECS.iter().find(|(specs, _)| specs.contains(&spec)).map(|(_, usages)| *usages);
        let usages = usages.ok_or_else(|| invalid(format!("KeySpec {spec} is not one of KMS's")))?;
        let usage = ask["KeyUsage"].as_str().unwrap_or("ENCRYPT_DECRYPT");
        if !usages.contains(&usage) {
            return Err(invalid(format!("KeyUsage {usage} is not compatible with KeySpec {spec}")));
        }
        let origin = ask["Origin"].as_str().unwrap_or("AWS_KMS");
        if !["AWS_KMS", "EXTERNAL"].contains(&origin) {
            return Err(Fault::not_implemented(&format!("kms:CreateKey with the origin {origin}")));
        }
        let (id, mut key) = new_key(&call.region, ask, (spec, usage, origin));
        if let Some(policy) = ask["Policy"].as_str() {
            key.policy = document(policy)?;
        }
        key.tags = tags(ask)?;
        let shown = key.shown();
        self.keys.insert(id, key);
        Ok(json!({"KeyMetadata": shown}))
    }

    fn list_keys(&self, ask: &Value) -> Result<Value, Fault> {
        let keys = self.keys.iter().map(|(id, key)| json!({"KeyId": id, "KeyArn": key.arn()}));
        listed("Keys", keys.collect(), ask)
    }

    fn set_state(&mut self, ask: &Value, state: State) -> Result<Value, Fault> {
        let key = self.change(ask)?;
        if key.state == State::PendingImport {
            return Err(Fault::new("KMSInvalidStateException", format!("{} is pending import.", key.arn())));
        }
        key.state = state;
        Ok(json!({}))
    }

    fn schedule_deletion(&mut self, ask: &Value) -> Result<Value, Fault> {
        let days = ask["PendingWindowInDays"].as_i64().unwrap_or(WINDOW);
        if !(7..=30).contains(&days) {
            return Err(invalid(format!("PendingWindowInDays must be 7 to 30, not {days}")));
        }
        let key = self.change(ask)?;
        let at = seconds() + days * 24 * 60 * 60;
        (key.state, key.deleted_at) = (State::PendingDeletion, Some(at));
        Ok(json!({
            "KeyId": key.arn(), "DeletionDate": at, "KeyState": "PendingDeletion", "PendingWindowInDays": days,
        }))
    }

    fn cancel_deletion(&mut self, ask: &Value) -> Result<Value, Fault> {
        let (id, key) = self.named(ask, false)?;
        if key.state != State::PendingDeletion {
            return Err(Fault::new("KMSInvalidStateException", format!("{} is not pending deletion.", key.arn())));
        }
        let id = id.to_owned();
        let Some(key) = self.keys.get_mut(&id) else { return Ok(json!({})) };
        (key.state, key.deleted_at) = (State::Disabled, None);
        Ok(json!({"KeyId": key.arn()}))
    }

    fn put_policy(&mut self, ask: &Value) -> Result<Value, Fault> {
        policy_name(ask)?;
        let policy = document(text(ask, "Policy")?)?;
        self.change(ask)?.policy = policy;
        Ok(json!({}))
    }

    /// A key whose rotation can be changed.
    fn rotatable(&mut self, ask: &Value) -> Result<&mut Key, Fault> {
        let key = self.change(ask)?;
        if !key.is_rotatable() {
            return Err(not_for_this_key(key));
        }
        if key.state == State::Disabled {
            return Err(Fault::new("DisabledException", format!("{} is disabled.", key.arn())));
        }
        Ok(key)
    }

    fn enable_rotation(&mut self, ask: &Value) -> Result<Value, Fault> {
        let key = self.rotatable(ask)?;
        let days = ask["RotationPeriodInDays"].as_i64().or(key.rotation).unwrap_or(ROTATION);
        if !(90..=2560).contains(&days) {
            return Err(invalid(format!("RotationPeriodInDays must be 90 to 2560, not {days}")));
        }
        key.rotation = Some(days);
        Ok(json!({}))
    }

    fn rotation_status(&self, ask: &Value) -> Result<Value, Fault> {
        let (_, key) = self.named(ask, false)?;
        if !key.is_rotatable() {
            return Err(not_for_this_key(key));
        }
        let on = key.rotation.filter(|_| key.state != State::PendingDeletion);
        let mut answer = json!({"KeyId": key.arn(), "KeyRotationEnabled": on.is_some()});
        if let Some(days) = on {
            answer["RotationPeriodInDays"] = json!(days);
            answer["NextRotationDate"] = json!(seconds() + days * 24 * 60 * 60);
        }
        Ok(answer)
    }

    fn tag(&mut self, ask: &Value) -> Result<Value, Fault> {
        let new = tags(ask)?;
        self.change(ask)?.tags.extend(new);
        Ok(json!({}))
    }

    /// An alias's name that a program may take.
    fn own_name(ask: &Value) -> Result<&str, Fault> {
        let name = text(ask, "AliasName")?;
        let fits = |c: char| c.is_ascii_alphanumeric() || "/_-".contains(c);
        match name.strip_prefix("alias/") {
            Some(own) if own.starts_with("aws/") => {
                Err(Fault::new("NotAuthorizedException", "Aliases that begin with alias/aws/ are AWS's"))
            }
            Some(own) if !own.is_empty() && own.chars().all(fits) => Ok(name),
            Some(_) => Err(Fault::new("InvalidAliasNameException", format!("{name} is not a name of an alias"))),
            None => Err(invalid("Alias must start with the prefix \"alias/\". Please see the documentation")),
        }
    }

    /// The key that an alias shall stand for.
    fn target(&self, ask: &Value) -> Result<(String, &Key), Fault> {
        let name = text(ask, "TargetKeyId")?;
        let found = self.id(name, false).and_then(|id| Some((id.to_owned(), self.keys.get(id)?)));
        let (id, key) = found.ok_or_else(|| Fault::new("NotFoundException", format!("Key '{name}' does not exist")))?;
        if key.state == State::PendingDeletion {
            return Err(Fault::new("KMSInvalidStateException", format!("{} is pending deletion.", key.arn())));
        }
        Ok((id, key))
    }

    fn create_alias(&mut self, call: &Call, ask: &Value) -> Result<Value, Fault> {
        let name = Self::own_name(ask)?;
        if self.aliases.contains_key(name) {
            let arn = call.arn("kms", name);
            return Err(Fault::new("AlreadyExistsException", format!("An alias with the name {arn} already exists")));
        }
        let (key, _) = self.target(ask)?;
        let now = seconds();
        self.aliases.insert(name.to_owned(), Alias { key, made: now, changed: now });
        Ok(json!({}))
    }

    fn update_alias(&mut self, call: &Call, ask: &Value) -> Result<Value, Fault> {
        let name = Self::own_name(ask)?;
        let there = self.aliases.get(name).ok_or_else(|| no_alias(call, name))?;
        let (id, key) = self.target(ask)?;
        let now_for = self.keys.get(&there.key);
        let alike = |field: &str| now_for.is_none_or(|now| now.fields.get(field) == key.fields.get(field));
        if !alike("KeyUsage") || now_for.is_some_and(|now| now.is("KeySpec", SYMMETRIC) != key.is("KeySpec", SYMMETRIC))
        {
            return Err(invalid("the alias's present key and the new one must be of one kind and for one use"));
        }
        if let Some(alias) = self.aliases.get_mut(name) {
            (alias.key, alias.changed) = (id, seconds());
        }
        Ok(json!({}))
    }

    fn list_aliases(&self, call: &Call, ask: &Value) -> Result<Value, Fault> {
        let of = match ask["KeyId"].as_str() {
            Some(_) => Some(self.named(ask, false)?.0),
            None => None,
        };
        let chosen = self.aliases.iter().filter(|(_, alias)| of.is_none_or(|id| alias.key == id));
        let shown = chosen.map(|(name, alias)| {
            json!({
                "AliasName": name, "AliasArn": call.arn("kms", name), "TargetKeyId": alias.key,
                "CreationDate": alias.made, "LastUpdatedDate": alias.changed,
            })
        });
        listed("Aliases", shown.collect(), ask)
    }
}

fn new_key(region: &str, ask: &Value, (spec, usage, origin): (&str, &str, &str)) -> (String, Key) {
    let id = uuid::Uuid::new_v4();
    let multi = ask["MultiRegion"] == json!(true);
    let id = if multi { format!("mrk-{}", id.simple()) } else { id.to_string() };
    let arn = format!("arn:aws:kms:{region}:{ACCOUNT_ID}:key/{id}");
    let mut fields = json!({
        "AWSAccountId": ACCOUNT_ID, "KeyId": id, "Arn": arn, "CreationDate": seconds(), "Description": ask["Description"].as_str().unwrap_or_default(),
        "KeyUsage": usage, "KeySpec": spec, "CustomerMasterKeySpec": spec, "Origin": origin, "KeyManager": "CUSTOMER", "MultiRegion": multi,
    });
    if multi {
        let primary = json!({"Arn": arn, "Region": region});
        fields["MultiRegionConfiguration"] =
            json!({"MultiRegionKeyType": "PRIMARY", "PrimaryKey": primary, "ReplicaKeys": []});
    }
    if spec == SYMMETRIC {
        fields["EncryptionAlgorithms"] = json!([SYMMETRIC]);
    }
    let state = if origin == "EXTERNAL" { State::PendingImport } else { State::Enabled };
    let statement = json!({
        "Sid": "Enable IAM User Permissions", "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT_ID}:root")},
        "Action": "kms:*", "Resource": "*",
    });
    let policy = json!({"Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement]}).to_string();
    let fields = members(fields);
    let material = cipher::material();
    (id, Key { fields, state, deleted_at: None, rotation: None, material, policy, tags: Tags::new() })
}

fn tags(ask: &Value) -> Result<Tags, Fault> {
    let tags = tags_of(&ask["Tags"], "TagKey", "TagValue");
    match tags.keys().find(|name| name.starts_with("aws:")) {
        Some(name) => Err(Fault::new("TagException", format!("The tag {name} begins with aws:, which is AWS's"))),
        None => Ok(tags),
    }
}

fn document(policy: &str) -> Result<String, Fault> {
    let parsed = serde_json::from_str::<Map<String, Value>>(policy).ok().filter(|p| p.contains_key("Statement"));
    let bad = || Fault::new("MalformedPolicyDocumentException", "The policy is not a JSON object with statements");
    parsed.map(|_| policy.to_owned()).ok_or_else(bad)
}

fn policy_name(ask: &Value) -> Result<(), Fault> {
    match ask["PolicyName"].as_str() {
        None | Some("default") => Ok(()),
        Some(other) => Err(Fault::new("NotFoundException", format!("No such policy exists: {other}"))),
    }
}

fn not_for_this_key(key: &Key) -> Fault {
    Fault::new("UnsupportedOperationException", format!("{} cannot be rotated", key.arn()))
}

fn no_alias(call: &Call, name: &str) -> Fault {
    Fault::new("NotFoundException", format!("Alias {} is not found.", call.arn("kms", name)))
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new("ValidationException", message)
}

/// A page, in KMS's form.
fn listed(name: &str, all: Vec<Value>, ask: &Value) -> Result<Value, Fault> {
    let (all, next) = page(all, ask["Marker"].as_str(), limit(&ask["Limit"], 1000))?;
    Ok(json!({name: all, "Truncated": next.is_some(), "NextMarker": next}))
}
