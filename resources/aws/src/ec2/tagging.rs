//! EC2's tags.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};
use phx_model::CloudError;
use phx_model::state::{INTENT_TAG, IntentId};
use phx_model::typed::FieldChange;

use super::Ec2;
use crate::tags::{TagDelta, with_intent};

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

/// The tags to create an object with, the intent's among them.
pub(crate) fn specification(
    kind: ResourceType,
    tags: &BTreeMap<String, String>,
    intent: &IntentId,
) -> TagSpecification {
    let tags = with_intent(tags, intent).iter().map(|(k, v)| tag(k, v)).collect();
    TagSpecification::builder().resource_type(kind).set_tags(Some(tags)).build()
}

/// The tags of an answer.
pub(crate) fn read(tags: &[Tag]) -> BTreeMap<String, String> {
    tags.iter().filter_map(|t| Some((t.key()?.to_owned(), t.value().unwrap_or_default().to_owned()))).collect()
}

/// Whether the object was made by this intent. Asked of every answer, since not every endpoint heeds a filter.
pub(crate) fn has_intent(tags: &[Tag], intent: &IntentId) -> bool {
    tags.iter().any(|t| t.key() == Some(INTENT_TAG) && t.value() == Some(intent.as_str()))
}

/// Changes an object's tags, if they are to be changed. What is taken away goes first: an object has fifty tags at most.
pub(crate) async fn update(
    ec2: &Ec2,
    id: &str,
    change: Option<&FieldChange<BTreeMap<String, String>>>,
) -> Result<(), CloudError> {
    let Some(change) = change else { return Ok(()) };
    let TagDelta { set, remove } = TagDelta::of(change);
    if !remove.is_empty() {
        // Without a value: whatever it is now.
        let tags = remove.iter().map(|k| Tag::builder().key(k).build()).collect();
        let request = ec2.delete_tags().resources(id).set_tags(Some(tags));
        ec2.write_idempotent("DeleteTags", || request.clone().send()).await?;
    }
    if !set.is_empty() {
        let tags = set.iter().map(|(k, v)| tag(k, v)).collect();
        let request = ec2.create_tags().resources(id).set_tags(Some(tags));
        ec2.write_idempotent("CreateTags", || request.clone().send()).await?;
    }
    Ok(())
}
