//! RDS: databases, their groups of settings, snapshots, proxies.
//!
//! Everything has a name of the program's choosing and bears the intent's tag from its creation on, so every type is found by its name and
//! asked whose it is. Databases, clusters and proxies can be renamed in place: their id in the state stays the name that they were made
//! with, and they are looked up by the name that was last set on them.

pub mod db_cluster;
mod db_cluster_convert;
pub mod db_cluster_parameter_group;
mod db_cluster_states;
pub mod db_instance;
pub mod db_instance_blocks;
mod db_instance_change;
mod db_instance_create;
mod db_instance_read;
mod db_instance_source;
mod db_instance_states;
pub mod db_parameter_group;
pub mod db_proxy;
pub mod db_proxy_blocks;
pub mod db_snapshot;
pub mod db_subnet_group;
pub(crate) mod describe;
pub mod event_subscription;
pub mod option_group;
pub mod parameters;
pub(crate) mod tagging;

pub use db_cluster::{ClusterRole, CustomClusterConfiguration, DbCluster, ServerlessV1Scaling, ServerlessV2Scaling};
pub use db_cluster_parameter_group::DbClusterParameterGroup;
pub use db_instance::DbInstance;
pub use db_instance_blocks::{AdditionalStorageVolume, ProcessorFeature, TagSpecification};
pub use db_parameter_group::DbParameterGroup;
pub use db_proxy::DbProxy;
pub use db_proxy_blocks::{ConnectionPool, ProxyAuth};
pub use db_snapshot::DbSnapshot;
pub use db_subnet_group::DbSubnetGroup;
pub use event_subscription::EventSubscription;
pub use option_group::{OptionGroup, OptionSetting, RdsOption};
pub use parameters::Parameter;

pub use crate::ids::{
    DbClusterId, DbClusterParameterGroupName, DbInstanceId, DbParameterGroupName, DbProxyName, DbSnapshotId,
    DbSubnetGroupName, EventSubscriptionName, OptionGroupName, SecurityGroupId, SubnetId,
};

use std::future::Future;
use std::time::Duration;

use phx_model::driver::{Cx, Registry};
use phx_model::error::ErrorKind;
use phx_model::typed::Resource;
use phx_model::{CloudError, Value};

use crate::arn::Arn;
use crate::client::{Aws, Service};
use crate::manage::{self, Target};
use crate::wait;

/// RDS in one place.
pub type Rds = Service<aws_sdk_rds::Client>;

/// Adds the service's types.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<DbCluster>(registry, aws);
    manage::register::<DbClusterParameterGroup>(registry, aws);
    manage::register::<DbInstance>(registry, aws);
    manage::register::<DbParameterGroup>(registry, aws);
    manage::register::<DbProxy>(registry, aws);
    manage::register::<DbSnapshot>(registry, aws);
    manage::register::<DbSubnetGroup>(registry, aws);
    manage::register::<EventSubscription>(registry, aws);
    manage::register::<OptionGroup>(registry, aws);
}

/// How long a group may still be held by a database that was deleted just now, or by a change of its own.
const UNTIL_FREE: Duration = Duration::from_secs(5 * 60);
/// How long IAM takes to let RDS use a role that was made just now.
const UNTIL_ASSUMABLE: Duration = Duration::from_secs(2 * 60);

/// For names that RDS keeps in lower case, and for windows (`Sun:05:00-Sun:06:00`).
pub(crate) fn lower(value: &Value) -> Value {
    match value.expose() {
        Value::String(text) => Value::String(text.to_ascii_lowercase().into()),
        other => other.clone(),
    }
}

/// An optional id or ARN as text.
pub(crate) fn text<T: ToString>(value: Option<&T>) -> Option<String> {
    value.map(ToString::to_string)
}

/// Ids as texts.
pub(crate) fn texts<T: ToString>(values: Option<&Vec<T>>) -> Option<Vec<String>> {
    values.map(|values| values.iter().map(ToString::to_string).collect())
}

/// A list of an answer: an empty one is none.
pub(crate) fn listed<T>(items: Vec<T>) -> Option<Vec<T>> {
    Some(items).filter(|items| !items.is_empty())
}

/// A key as the program named it, where it named an alias or the bare id: RDS tells the key's own ARN. Which key an alias stands for later changes
/// nothing about a database that was encrypted with it before.
pub(crate) fn key(target: &Target<'_>, field: &str, told: Option<&str>) -> Option<Arn> {
    let told = told?;
    let stands_for = |set: &&str| {
        set.starts_with("alias/")
            || set.contains(":alias/")
            || told.rsplit_once(":key/").is_some_and(|(_, id)| id == *set)
    };
    let set = target.inputs.get(field).and_then(Value::as_str).filter(stands_for);
    Some(Arn::new(set.unwrap_or(told)))
}

/// The fields that say what a database's data comes from.
const ORIGINS: [&str; 9] = [
    "db_cluster_snapshot_identifier",
    "db_snapshot_identifier",
    "replication_source_identifier",
    "restore_time",
    "source_db_cluster_identifier",
    "source_db_instance_automated_backups_arn",
    "source_db_instance_identifier",
    "source_dbi_resource_id",
    "use_latest_restorable_time",
];

/// What a copy has of its source, whatever the program says.
const INHERITED: [&str; 7] = [
    "character_set_name",
    "database_name",
    "db_name",
    "kms_key_id",
    "master_username",
    "nchar_character_set_name",
    "timezone",
];

/// What RDS tells of a database; but what it cannot be changed in stands as the program set it where RDS says it in other letters (of Oracle the
/// database's name in capitals) or does not say it (an Aurora cluster's public address, the zone of an instance that is only being made): neither
/// is a ground on which a database is replaced. Nor is what a copy has of its source: another copy would have it too, and all that was written since
/// would be lost.
pub(crate) fn as_set<R: Resource>(target: &Target<'_>, told: R::Resolved) -> R::Resolved {
    let is_copy = ORIGINS.iter().any(|origin| target.inputs.get(origin).is_some_and(|set| !set.is_empty()));
    let mut fields = R::fields(&told);
    let mut changed = false;
    for field in R::schema().fields.iter().filter(|f| f.replace && !f.write_only) {
        let Some(set) = target.inputs.get(field.name).filter(|set| !set.is_empty()) else { continue };
        let stands = match fields.get(field.name).filter(|there| !there.is_empty()) {
            // A key that is not told is none: to that nobody may be blind.
            None => field.name != "kms_key_id",
            Some(there) => {
                let both = there.as_str().zip(set.as_str());
                let inherited = is_copy && INHERITED.contains(&field.name);
                both.is_some_and(|(there, set)| there != set && (inherited || there.eq_ignore_ascii_case(set)))
            }
        };
        if stands {
            fields.insert(field.name, set.clone());
            changed = true;
        }
    }
    if changed { R::resolve(&fields).unwrap_or(told) } else { told }
}

/// An object's ARN: `arn:aws:rds:us-west-2:123456789012:subgrp:main`.
pub(crate) async fn arn(aws: &Aws, cx: &Cx, kind: &str, name: &str) -> Result<Arn, CloudError> {
    let (region, account) = (aws.region(&cx.provider).await?, aws.account(&cx.provider).await?);
    Ok(Arn::of("rds", &region, &account, &format!("{kind}:{}", name.to_ascii_lowercase())))
}

/// What is asked for is not there.
pub(crate) fn missing(rds: &Rds, operation: &str, what: &str) -> CloudError {
    CloudError { kind: ErrorKind::NotFound, ..rds.unexpected(operation, format!("there is no {what}")) }
}

/// RDS says by one code that an object is in use, that it is changing, and that it is in no state for what is asked:
/// `InvalidDBInstanceState`, `InvalidDBSubnetGroupStateFault`.
pub(crate) fn is_wrong_state(error: &CloudError) -> bool {
    let of_a_state = |c: &str| c.starts_with("Invalid") && (c.ends_with("State") || c.ends_with("StateFault"));
    // What is known to be in use does not pass by itself.
    error.kind != ErrorKind::InUse && error.code.as_deref().is_some_and(of_a_state)
}

/// A role that is not known, or not assumable, yet: RDS calls it a wrong value.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_general.html#troubleshoot_general_eventual-consistency>
fn is_unknown_role(error: &CloudError) -> bool {
    let said = error.message.to_ascii_lowercase();
    error.code.as_deref() == Some("InvalidParameterValue")
        && (said.contains("iam role arn value is invalid")
            || said.contains("assume role")
            || said.contains("required permissions")
            || (said.contains("role") && said.contains("does not have permission")))
}

/// Repeats a call for a while when it fails because IAM does not let RDS use a role yet.
pub(crate) async fn once_assumable<T, F, Fut>(cx: &Cx, call: F) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    wait::eventually(cx, UNTIL_ASSUMABLE, is_unknown_role, call).await
}

/// Repeats a change to a group while another change to it, or to a database that uses it, is under way.
pub(crate) async fn once_settled<T, F, Fut>(cx: &Cx, call: F) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    wait::eventually(cx, UNTIL_FREE, is_wrong_state, call).await
}

/// Deletes a group. While nothing is found that holds it, its last user is only just going away; otherwise the error names the holders. What is
/// gone already is deleted.
pub(crate) async fn delete_group<F, Fut, H, HFut>(cx: &Cx, call: F, holders: H) -> Result<(), CloudError>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<(), CloudError>>,
    H: Fn() -> HFut,
    HFut: Future<Output = Result<Vec<String>, CloudError>>,
{
    let passing = |e: &CloudError| is_wrong_state(e) && e.hint.is_none();
    let attempt = || async {
        match call().await {
            Err(error) if is_wrong_state(&error) => {
                let holders = holders().await?;
                let hint = listed(holders).map(|h| format!("it is still used by {}", h.join(", ")));
                Err(CloudError { hint, ..error })
            }
            answer => answer,
        }
    };
    match wait::eventually(cx, UNTIL_FREE, passing, attempt).await {
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        Err(error) if is_wrong_state(&error) => Err(CloudError { kind: ErrorKind::InUse, ..error }),
        done => done,
    }
}
