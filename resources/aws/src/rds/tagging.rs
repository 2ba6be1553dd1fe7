//! RDS's tags.

use aws_sdk_rds::types::Tag;
use phx_model::CloudError;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::FieldChange;

use super::Rds;
use crate::owner;
use crate::tagged::TagMap;
use crate::tags::{TagDelta, with_intent};

fn to_sdk(tags: &TagMap) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// The tags to create an object with, the intent's among them.
pub(crate) fn marked(tags: &TagMap, intent: &IntentId) -> Option<Vec<Tag>> {
    Some(to_sdk(&with_intent(tags, intent)))
}

/// The tags of an answer.
pub(crate) fn read(tags: &[Tag]) -> TagMap {
    tags.iter().filter_map(|t| Some((t.key()?.to_owned(), t.value().unwrap_or_default().to_owned()))).collect()
}

/// The tags of one object.
pub(crate) async fn list(rds: &Rds, arn: &str) -> Result<TagMap, CloudError> {
    let request = rds.list_tags_for_resource().resource_name(arn);
    let answer = rds.read("ListTagsForResource", || request.clone().send()).await?;
    Ok(read(answer.tag_list()))
}

/// Passes if the object that bears the wanted name was made by this intent, and fails if it went away meanwhile.
pub(crate) async fn check(rds: &Rds, what: &str, arn: Option<&str>, intent: &IntentId) -> Result<bool, CloudError> {
    let Some(arn) = arn else { return Ok(false) };
    match list(rds, arn).await {
        Ok(tags) => owner::check(what, &tags, intent).map(|()| true),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Changes an object's tags, if they are to be changed.
pub(crate) async fn update(
    rds: &Rds,
    arn: Option<&str>,
    change: Option<&FieldChange<TagMap>>,
) -> Result<(), CloudError> {
    let (Some(arn), Some(change)) = (arn, change) else { return Ok(()) };
    let TagDelta { set, remove } = TagDelta::of(change);
    // Those that go make room: an object has fifty at most.
    if !remove.is_empty() {
        let keys = remove.into_iter().collect();
        let request = rds.remove_tags_from_resource().resource_name(arn).set_tag_keys(Some(keys));
        rds.write_idempotent("RemoveTagsFromResource", || request.clone().send()).await?;
    }
    if !set.is_empty() {
        let request = rds.add_tags_to_resource().resource_name(arn).set_tags(Some(to_sdk(&set)));
        rds.write_idempotent("AddTagsToResource", || request.clone().send()).await?;
    }
    Ok(())
}
