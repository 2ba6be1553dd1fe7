//! AWS Backup.

pub mod plan;
pub mod plan_blocks;
pub mod selection;
pub mod vault;

pub use plan::Plan;
pub use plan_blocks::{AdvancedBackupSetting, CopyAction, IndexAction, Lifecycle, Rule, ScanAction, ScanSetting};
pub use selection::{Condition, ConditionParameter, Conditions, Selection};
pub use vault::Vault;

pub use crate::ids::{BackupPlanId, BackupVaultName};

use std::collections::BTreeMap;

use phx_model::CloudError;
use phx_model::driver::Registry;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::FieldChange;

use crate::call::client_token;
use crate::client::{Aws, Service};
use crate::manage;
use crate::tagged::TagMap;
use crate::tags::TagDelta;

/// AWS Backup in one place.
pub type Backup = Service<aws_sdk_backup::Client>;

/// Adds the service's types.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Vault>(registry, aws);
    manage::register::<Plan>(registry, aws);
    manage::register::<Selection>(registry, aws);
}

/// Listings give so many at once.
const PAGE: i32 = 1000;

/// What AWS Backup knows an intent's request by. It takes 50 characters.
fn request_id(intent: &IntentId) -> String {
    let mut token = client_token(intent);
    token.truncate(50);
    token
}

/// The tags of an object.
async fn tags(backup: &Backup, arn: &str) -> Result<TagMap, CloudError> {
    let pairs = crate::batch::pages(|token| async move {
        let request = backup.list_tags().resource_arn(arn).set_next_token(token);
        let answer = backup.read("ListTags", || request.clone().send()).await?;
        Ok((answer.tags.unwrap_or_default().into_iter().collect(), answer.next_token))
    });
    Ok(pairs.await?.into_iter().collect())
}

/// Changes an object's tags.
async fn update_tags(
    backup: &Backup,
    arn: &str,
    change: Option<&FieldChange<BTreeMap<String, String>>>,
) -> Result<(), CloudError> {
    let Some(change) = change else { return Ok(()) };
    let delta = TagDelta::of(change);
    // Those that go make room: an object has fifty at most.
    if !delta.remove.is_empty() {
        let keys = delta.remove.into_iter().collect();
        let request = backup.untag_resource().resource_arn(arn).set_tag_key_list(Some(keys));
        backup.write_idempotent("UntagResource", || request.clone().send()).await?;
    }
    if !delta.set.is_empty() {
        let request = backup.tag_resource().resource_arn(arn).set_tags(Some(delta.set.into_iter().collect()));
        backup.write_idempotent("TagResource", || request.clone().send()).await?;
    }
    Ok(())
}

/// A builder was not given what the API requires.
fn incomplete(error: impl std::fmt::Display) -> CloudError {
    CloudError::local(ErrorKind::Invalid, error.to_string())
}
