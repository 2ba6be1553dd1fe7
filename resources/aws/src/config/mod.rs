//! AWS Config.

pub mod delivery_channel;
pub mod recorder;
pub mod rule;
pub mod rule_blocks;

pub use delivery_channel::{DeliveryChannel, SnapshotDelivery};
pub use recorder::{
    ExclusionByResourceTypes, Recorder, RecordingGroup, RecordingMode, RecordingModeOverride, RecordingStrategy,
};
pub use rule::Rule;
pub use rule_blocks::{CustomPolicyDetails, EvaluationMode, Scope, Source, SourceDetail};

use std::collections::BTreeMap;

use aws_sdk_config::types::Tag;
use phx_model::CloudError;
use phx_model::driver::Registry;
use phx_model::error::ErrorKind;
use phx_model::typed::FieldChange;

use crate::client::{Aws, Service};
use crate::tagged::TagMap;
use crate::tags::TagDelta;
use crate::{batch, manage};

/// AWS Config in one place.
pub type Config = Service<aws_sdk_config::Client>;

/// Adds the service's types.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Recorder>(registry, aws);
    manage::register::<DeliveryChannel>(registry, aws);
    manage::register::<Rule>(registry, aws);
}

/// The name of what has none.
const DEFAULT: &str = "default";

/// A builder was not given what the API requires.
fn incomplete(error: impl std::fmt::Display) -> CloudError {
    CloudError::local(ErrorKind::Invalid, error.to_string())
}

/// A field in a call that replaces the whole object: one that the program does not set, and that it did not set before either, stays as somebody
/// else set it.
fn kept<T>(want: &mut Option<T>, change: Option<&FieldChange<T>>, there: Option<T>) {
    if want.is_none() && change.is_none() {
        *want = there;
    }
}

fn to_sdk(tags: BTreeMap<String, String>) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

async fn tags(config: &Config, arn: &str) -> Result<TagMap, CloudError> {
    let tags = batch::pages(|token| async move {
        let request = config.list_tags_for_resource().resource_arn(arn).set_next_token(token);
        let answer = config.read("ListTagsForResource", || request.clone().send()).await?;
        Ok((answer.tags.unwrap_or_default(), answer.next_token))
    });
    let pair = |tag: Tag| Some((tag.key?, tag.value.unwrap_or_default()));
    Ok(tags.await?.into_iter().filter_map(pair).collect())
}

async fn update_tags(
    config: &Config,
    arn: &str,
    change: Option<&FieldChange<BTreeMap<String, String>>>,
) -> Result<(), CloudError> {
    let Some(change) = change else { return Ok(()) };
    let delta = TagDelta::of(change);
    // Those that go make room: an object has fifty at most.
    if !delta.remove.is_empty() {
        let keys = delta.remove.into_iter().collect();
        let request = config.untag_resource().resource_arn(arn).set_tag_keys(Some(keys));
        config.write_idempotent("UntagResource", || request.clone().send()).await?;
    }
    if !delta.set.is_empty() {
        let request = config.tag_resource().resource_arn(arn).set_tags(Some(to_sdk(delta.set)));
        config.write_idempotent("TagResource", || request.clone().send()).await?;
    }
    Ok(())
}
