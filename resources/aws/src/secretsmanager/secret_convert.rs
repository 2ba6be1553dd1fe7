//! Secrets between the forms of programs and of the API.

use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::primitives::Blob;
use aws_sdk_secretsmanager::types::{ReplicaRegionType, ReplicationStatusType, SecretListEntry, Tag};
use phx_model::schema::satisfied;
use phx_model::typed::{FieldChange, Resource};
use phx_model::{CloudError, Value};

use super::secret::{ReplicaRegionResolved, Secret, SecretChange, SecretResolved};
use crate::arn::Arn;
use crate::manage::Target;
use crate::tagged::TagMap;
use crate::tags::is_hidden;

/// The key that a secret has which names none.
const OWN_KEY: &str = "alias/aws/secretsmanager";

/// What both kinds of answers tell of a secret.
pub(super) struct Shown {
    name: String,
    description: Option<String>,
    kms_key_id: Option<String>,
    kind: Option<String>,
    tags: TagMap,
    copies: Vec<ReplicationStatusType>,
}

impl Shown {
    /// From a list, which does not tell copies.
    pub(super) fn listed(secret: &SecretListEntry) -> Self {
        Self {
            name: secret.name.clone().unwrap_or_default(),
            description: secret.description.clone(),
            kms_key_id: secret.kms_key_id.clone(),
            kind: secret.r#type.clone(),
            tags: from_tags(secret.tags()),
            copies: Vec::new(),
        }
    }

    /// From an answer about one.
    pub(super) fn described(secret: &DescribeSecretOutput) -> Self {
        Self {
            name: secret.name.clone().unwrap_or_default(),
            description: secret.description.clone(),
            kms_key_id: secret.kms_key_id.clone(),
            kind: secret.r#type.clone(),
            tags: from_tags(secret.tags()),
            copies: secret.replication_status().to_vec(),
        }
    }
}

/// The fields that programs set.
pub(super) fn fields(shown: Shown, target: &Target<'_>) -> SecretResolved {
    let text = |text: Option<String>| text.filter(|t| !t.is_empty());
    let copies: Vec<ReplicaRegionResolved> = shown.copies.iter().filter_map(|c| copy(c, target)).collect();
    SecretResolved {
        name: shown.name,
        description: text(shown.description),
        // The service's own key is named by some answers, and is meant by none.
        kms_key_id: text(shown.kms_key_id)
            .filter(|key| !key.ends_with(OWN_KEY) || target.wants("kms_key_id"))
            .map(Arn::new),
        secret_string: None,
        secret_binary: None,
        r#type: text(shown.kind),
        add_replica_regions: Some(copies).filter(|all| target.wants("add_replica_regions") && !all.is_empty()),
        force_overwrite_replica_secret: None,
        resource_policy: None,
        block_public_policy: None,
        recovery_window_in_days: None,
        force_delete_without_recovery: None,
        tags: shown.tags,
    }
}

fn copy(copy: &ReplicationStatusType, target: &Target<'_>) -> Option<ReplicaRegionResolved> {
    let region = copy.region.clone()?;
    let other = copy.kms_key_id().filter(|key| !key.is_empty() && !key.ends_with(OWN_KEY));
    // The service's own key is that of a copy which names none; and where the program names it, that is no reason to make another copy.
    let named = || key_set(target, &region).filter(|key| key.ends_with(OWN_KEY));
    let kms_key_id = other.or_else(named).map(Arn::new);
    Some(ReplicaRegionResolved { region, kms_key_id })
}

/// The key that the program names for the copy in a region.
fn key_set<'t>(target: &Target<'t>, region: &str) -> Option<&'t str> {
    let Some(Value::List(copies)) = target.inputs.get("add_replica_regions").map(Value::expose) else { return None };
    copies.iter().find_map(|copy| match copy.expose() {
        Value::Map(copy) if copy.get("region").and_then(Value::as_str) == Some(region) => {
            copy.get("kms_key_id").and_then(Value::as_str)
        }
        _ => None,
    })
}

/// Whether a list tells what phx last set. It lags behind, so what it tells otherwise may be old.
pub(super) fn is_as_set(shown: &Shown, target: &Target<'_>) -> bool {
    if target.inputs.is_empty() {
        return true;
    }
    let set = |name: &str| target.inputs.get(name).unwrap_or(&Value::Null).clone();
    let text = |text: &Option<String>| {
        text.clone().filter(|t| !t.is_empty()).map_or(Value::Null, |text| Value::String(text.into()))
    };
    let tags = shown.tags.iter().filter(|(key, _)| !is_hidden(key));
    let tags = Value::Map(tags.map(|(k, v)| (k.clone(), Value::String(v.clone().into()))).collect());
    let key = shown.kms_key_id.clone().filter(|key| !key.ends_with(OWN_KEY) || target.wants("kms_key_id"));
    let told = [
        ("description", text(&shown.description)),
        ("kms_key_id", text(&key)),
        ("type", text(&shown.kind)),
        ("tags", tags),
    ];
    let schema = Secret::schema();
    told.iter().all(|(name, told)| schema.field(name).is_none_or(|field| satisfied(field, &set(name), told)))
}

/// What UpdateSecret is to change.
#[derive(Default)]
pub(super) struct Update {
    /// Empty: none.
    pub(super) description: Option<String>,
    /// Empty: the service's own.
    pub(super) kms_key_id: Option<String>,
    /// Empty: none.
    pub(super) r#type: Option<String>,
    /// A new value.
    pub(super) secret_string: Option<String>,
    /// A new value.
    pub(super) secret_binary: Option<Blob>,
}

/// `None`: nothing that UpdateSecret changes. A value that is taken out of the program stays; the one that stays in it is what the program wants.
pub(super) fn update(want: &SecretResolved, change: &SecretChange) -> Result<Option<Update>, CloudError> {
    let text = |change: &Option<FieldChange<String>>| change.as_ref().map(|c| c.after.clone().unwrap_or_default());
    let revalued = change.secret_string.is_some() || change.secret_binary.is_some();
    let update = Update {
        description: text(&change.description),
        kms_key_id: change.kms_key_id.as_ref().map(|c| c.after.as_ref().map_or_else(String::new, Arn::to_string)),
        r#type: text(&change.r#type),
        secret_string: want.secret_string.clone().filter(|_| revalued),
        secret_binary: want.secret_binary.as_deref().filter(|_| revalued).map(super::binary).transpose()?,
    };
    let nothing = update.description.is_none()
        && update.kms_key_id.is_none()
        && update.r#type.is_none()
        && update.secret_string.is_none()
        && update.secret_binary.is_none();
    Ok((!nothing).then_some(update))
}

/// Regions as the API takes them.
pub(super) fn regions(regions: &[ReplicaRegionResolved]) -> Vec<ReplicaRegionType> {
    let one = |r: &ReplicaRegionResolved| {
        let key = r.kms_key_id.as_ref().map(Arn::to_string);
        ReplicaRegionType::builder().region(&r.region).set_kms_key_id(key).build()
    };
    regions.iter().map(one).collect()
}

/// Tags as the API takes them.
pub(super) fn to_tags(tags: &TagMap) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// Tags as the API tells them.
pub(super) fn from_tags(tags: &[Tag]) -> TagMap {
    tags.iter().filter_map(|t| Some((t.key.clone()?, t.value.clone().unwrap_or_default()))).collect()
}

#[cfg(test)]
mod tests {
    use phx_model::ValueMap;

    use super::*;

    fn shown() -> Shown {
        let tags = [("a", "1"), ("phx:intent", "i")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        Shown {
            name: "db".into(),
            description: Some(String::new()),
            kms_key_id: Some("arn:aws:kms:r:1:alias/aws/secretsmanager".into()),
            kind: None,
            tags: tags.into(),
            copies: Vec::new(),
        }
    }

    #[test]
    fn a_list_is_trusted_where_it_tells_what_was_set() {
        let is = |json: &str| {
            let inputs: ValueMap = serde_json::from_str(json).unwrap();
            is_as_set(&shown(), &Target { id: "x", inputs: &inputs })
        };
        assert!(is(r#"{"name":"db","tags":{"a":"1"}}"#));
        assert!(is("{}"), "an adopted one is taken as it is");
        assert!(!is(r#"{"name":"db","tags":{"a":"2"}}"#));
        assert!(!is(r#"{"name":"db","tags":{"a":"1"},"description":"new"}"#));
        assert!(!is(r#"{"name":"db","tags":{"a":"1"},"kms_key_id":"arn:aws:kms:r:1:key/k"}"#));
    }

    #[test]
    fn the_services_own_key_is_no_key_unless_it_was_set() {
        let with: ValueMap =
            serde_json::from_str(r#"{"kms_key_id":"arn:aws:kms:r:1:alias/aws/secretsmanager"}"#).unwrap();
        let without: ValueMap = serde_json::from_str(r#"{"name":"db"}"#).unwrap();
        assert!(fields(shown(), &Target { id: "x", inputs: &with }).kms_key_id.is_some());
        assert!(fields(shown(), &Target { id: "x", inputs: &without }).kms_key_id.is_none());
    }

    #[test]
    fn a_value_is_sent_only_if_it_changes() {
        let want = SecretResolved {
            secret_string: Some("hunter2".into()),
            ..fields(shown(), &Target { id: "x", inputs: &ValueMap::new() })
        };
        let none = SecretChange::default();
        assert!(update(&want, &none).unwrap().is_none());
        let described = FieldChange { before: Some("old".to_owned()), after: None };
        let sent = update(&want, &SecretChange { description: Some(described), ..none.clone() }).unwrap().unwrap();
        assert_eq!((sent.description.as_deref(), sent.secret_string), (Some(""), None));
        let valued = FieldChange { before: Some("old".to_owned()), after: Some("hunter2".to_owned()) };
        let sent = update(&want, &SecretChange { secret_string: Some(valued), ..none }).unwrap().unwrap();
        assert_eq!(sent.secret_string.as_deref(), Some("hunter2"));
    }
}
