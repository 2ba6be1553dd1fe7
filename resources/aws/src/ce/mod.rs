//! Cost Explorer: what looks for anomalies among costs. It is one for all regions of an account.
//!
//! No emulator serves anomaly monitors and subscriptions: all of it follows the service model.

pub mod anomaly_monitor;
pub mod anomaly_subscription;
mod expression;

pub use anomaly_monitor::AnomalyMonitor;
pub use anomaly_subscription::{AnomalySubscription, Subscriber};

use std::collections::BTreeMap;

use aws_sdk_costexplorer::types::ResourceTag;
use phx_model::CloudError;
use phx_model::driver::Registry;
use phx_model::error::ErrorKind;
use phx_model::state::{INTENT_TAG, IntentId};
use phx_model::typed::FieldChange;

use crate::client::{Aws, Service};
use crate::tagged::TagMap;
use crate::tags::TagDelta;
use crate::{batch, manage};

/// Cost Explorer.
pub type CostExplorer = Service<aws_sdk_costexplorer::Client>;

/// Adds the service's types.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<AnomalyMonitor>(registry, aws);
    manage::register::<AnomalySubscription>(registry, aws);
}

/// A builder was not given what the API requires.
fn incomplete(error: impl std::fmt::Display) -> CloudError {
    CloudError::local(ErrorKind::Invalid, error.to_string())
}

fn to_sdk(tags: BTreeMap<String, String>) -> Result<Vec<ResourceTag>, CloudError> {
    let tag = |(key, value): (String, String)| ResourceTag::builder().key(key).value(value).build();
    tags.into_iter().map(tag).collect::<Result<_, _>>().map_err(incomplete)
}

async fn tags(ce: &CostExplorer, arn: &str) -> Result<TagMap, CloudError> {
    let request = ce.list_tags_for_resource().resource_arn(arn);
    let answer = ce.read("ListTagsForResource", || request.clone().send()).await?;
    Ok(answer.resource_tags.unwrap_or_default().into_iter().map(|t| (t.key, t.value)).collect())
}

async fn update_tags(
    ce: &CostExplorer,
    arn: &str,
    change: Option<&FieldChange<BTreeMap<String, String>>>,
) -> Result<(), CloudError> {
    let Some(change) = change else { return Ok(()) };
    let delta = TagDelta::of(change);
    // Those that go make room: an object has fifty at most.
    if !delta.remove.is_empty() {
        let keys = delta.remove.into_iter().collect();
        let request = ce.untag_resource().resource_arn(arn).set_resource_tag_keys(Some(keys));
        ce.write_idempotent("UntagResource", || request.clone().send()).await?;
    }
    if !delta.set.is_empty() {
        let request = ce.tag_resource().resource_arn(arn).set_resource_tags(Some(to_sdk(delta.set)?));
        ce.write_idempotent("TagResource", || request.clone().send()).await?;
    }
    Ok(())
}

/// Which of these objects the intent made.
async fn made_by(ce: &CostExplorer, arns: Vec<String>, intent: &IntentId) -> Result<Option<String>, CloudError> {
    let marked = batch::each(arns, |arn| async move {
        match tags(ce, &arn).await {
            Ok(tags) => Ok((tags.get(INTENT_TAG).map(String::as_str) == Some(intent.as_str())).then_some(arn)),
            // It went away between two calls.
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    });
    Ok(marked.await?.into_iter().flatten().next())
}
