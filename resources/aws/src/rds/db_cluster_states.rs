//! The states of a cluster, and waiting for them.

use std::future::Future;

use aws_sdk_rds::types as sdk;
use phx_model::CloudError;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;

use super::describe::{self, same_name};
use super::{Rds, is_wrong_state};
use crate::wait::{Stage, until};

/// How often a call is repeated that found the cluster in the wrong state, though it was settled just before.
const ATTEMPTS: u32 = 3;

/// The cluster's state in RDS's words.
pub(super) fn state(cluster: &sdk::DbCluster) -> &str {
    cluster.status().unwrap_or("in no state")
}

/// Whether the cluster will not come out of a state by itself.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/accessing-monitoring.html>
fn is_failed(state: &str) -> bool {
    matches!(
        state,
        "failed"
            | "cloning-failed"
            | "migration-failed"
            | "incompatible-network"
            | "incompatible-parameters"
            | "insufficient-capacity"
            | "inaccessible-encryption-credentials"
            | "inaccessible-encryption-credentials-recoverable"
    )
}

pub(super) fn is_settled(state: &str) -> bool {
    matches!(state, "available" | "stopped" | "storage-optimization" | "scaling-storage")
}

/// The name that a cluster gets in its maintenance window.
pub(super) fn future_name(cluster: &sdk::DbCluster) -> Option<&str> {
    cluster.pending_modified_values()?.db_cluster_identifier()
}

/// The cluster of this name, or the one that will have it when a rename that is pending has happened.
pub(super) async fn current(rds: &Rds, name: &str) -> Result<Option<sdk::DbCluster>, CloudError> {
    match describe::cluster(rds, name).await? {
        Some(cluster) => Ok(Some(cluster)),
        None => Ok(describe::clusters(rds).await?.into_iter().find(|c| same_name(future_name(c), name))),
    }
}

/// What RDS has still to apply of these changes.
fn pending(cluster: &sdk::DbCluster, changes: &[&'static str]) -> Vec<&'static str> {
    let Some(pending) = cluster.pending_modified_values() else { return Vec::new() };
    let logs = pending.pending_cloudwatch_logs_exports();
    let all = [
        ("db_cluster_identifier", pending.db_cluster_identifier.is_some()),
        ("master_user_password", pending.master_user_password.is_some()),
        ("enable_iam_database_authentication", pending.iam_database_authentication_enabled.is_some()),
        ("engine_version", pending.engine_version.is_some()),
        ("backup_retention_period", pending.backup_retention_period.is_some()),
        ("storage_type", pending.storage_type.is_some()),
        ("allocated_storage", pending.allocated_storage.is_some()),
        ("iops", pending.iops.is_some()),
        (
            "enable_cloudwatch_logs_exports",
            logs.is_some_and(|l| !l.log_types_to_enable().is_empty() || !l.log_types_to_disable().is_empty()),
        ),
    ];
    all.into_iter().filter(|(name, is)| *is && changes.contains(name)).map(|(name, _)| name).collect()
}

fn told(cluster: &sdk::DbCluster) -> String {
    match cluster.percent_progress() {
        Some(percent) if !percent.is_empty() && percent != "0" => format!("{}, {percent} %", state(cluster)),
        _ => state(cluster).to_owned(),
    }
}

/// Waits until nothing is under way in the cluster, and none of these changes is left to be applied. RDS begins with a change a little
/// after it was asked for, and shows it as pending until then.
pub(super) async fn settled(
    rds: &Rds,
    cx: &Cx,
    name: &str,
    changes: &[&'static str],
) -> Result<sdk::DbCluster, CloudError> {
    until(cx, &format!("db cluster {name}"), || async {
        let Some(cluster) = describe::cluster(rds, name).await? else {
            return Ok(Stage::Waiting("not listed yet".to_owned()));
        };
        let state = state(&cluster);
        if is_failed(state) {
            let why = describe::reason(rds, sdk::SourceType::DbCluster, name).await;
            return Err(CloudError::local(ErrorKind::Other, format!("db cluster {name} is {state}: {why}"))
                .hint("put right what RDS says; if it cannot come back, replace it: `up --replace`"));
        }
        if !is_settled(state) {
            return Ok(Stage::Waiting(told(&cluster)));
        }
        let pending = pending(&cluster, changes);
        if pending.is_empty() {
            return Ok(Stage::Ready(cluster));
        }
        Ok(Stage::Waiting(format!("{state}, and has still to take over {}", pending.join(", "))))
    })
    .await
}

/// Calls something that a cluster lets happen only while nothing else is under way in it.
pub(super) async fn when_settled<T, F, Fut>(rds: &Rds, cx: &Cx, name: &str, mut call: F) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    let mut attempt = 0;
    loop {
        attempt += 1;
        match call().await {
            Err(error) if is_wrong_state(&error) && attempt < ATTEMPTS => match describe::cluster(rds, name).await? {
                Some(cluster) if state(&cluster) == "stopped" => {
                    return Err(error.hint("the cluster is stopped: start it first"));
                }
                // It is about something else: an instance, a source.
                None => return Err(error),
                Some(_) => drop(settled(rds, cx, name, &[]).await?),
            },
            done => return done,
        }
    }
}

/// Waits until the cluster is gone.
pub(super) async fn gone(rds: &Rds, cx: &Cx, name: &str) -> Result<(), CloudError> {
    until(cx, &format!("db cluster {name}"), || async {
        Ok(match describe::cluster(rds, name).await? {
            None => Stage::Ready(()),
            Some(cluster) => Stage::Waiting(told(&cluster)),
        })
    })
    .await
}
