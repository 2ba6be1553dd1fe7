//! The states of an instance, and waiting for them.

use std::future::Future;

use aws_sdk_rds::types as sdk;
use phx_model::CloudError;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;

use super::describe::{self, same_name};
use super::{Rds, is_wrong_state};
use crate::wait::{Stage, until};

/// How often a call is repeated that found the instance in the wrong state, though it was settled just before.
const ATTEMPTS: u32 = 3;

/// What a state means for who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing is under way that others have to wait for.
    Settled,
    /// Something is.
    Changing,
    /// It will not come out of it by itself.
    Failed,
}

/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html>
fn phase(state: &str) -> Phase {
    match state {
        // Storage is optimized for hours, in which the instance works and can be changed.
        "available" | "storage-optimization" | "storage-initialization" | "storage-full" | "stopped" => Phase::Settled,
        "failed"
        | "incompatible-create"
        | "incompatible-network"
        | "incompatible-option-group"
        | "incompatible-parameters"
        | "incompatible-restore"
        | "inaccessible-encryption-credentials"
        | "inaccessible-encryption-credentials-recoverable"
        | "insufficient-capacity"
        | "restore-error"
        | "unsupported-configuration" => Phase::Failed,
        _ => Phase::Changing,
    }
}

/// The instance's state in RDS's words.
pub(super) fn state(instance: &sdk::DbInstance) -> &str {
    instance.db_instance_status().unwrap_or("in no state")
}

/// The instance of this name, or the one that will have it when a rename that is pending has happened.
pub(super) async fn current(rds: &Rds, name: &str) -> Result<Option<sdk::DbInstance>, CloudError> {
    match describe::instance(rds, name).await? {
        Some(instance) => Ok(Some(instance)),
        None => Ok(describe::instances(rds).await?.into_iter().find(|i| same_name(future_name(i), name))),
    }
}

/// The name that an instance gets in its maintenance window.
pub(super) fn future_name(instance: &sdk::DbInstance) -> Option<&str> {
    instance.pending_modified_values()?.db_instance_identifier()
}

/// What RDS has still to apply of these changes.
fn pending(instance: &sdk::DbInstance, changes: &[&'static str]) -> Vec<&'static str> {
    let Some(pending) = instance.pending_modified_values() else { return Vec::new() };
    let logs = pending.pending_cloudwatch_logs_exports();
    let all = [
        ("db_instance_class", pending.db_instance_class.is_some()),
        ("allocated_storage", pending.allocated_storage.is_some()),
        ("master_user_password", pending.master_user_password.is_some()),
        ("port", pending.port.is_some()),
        ("backup_retention_period", pending.backup_retention_period.is_some()),
        ("multi_az", pending.multi_az.is_some()),
        ("engine_version", pending.engine_version.is_some()),
        ("license_model", pending.license_model.is_some()),
        ("iops", pending.iops.is_some()),
        ("storage_throughput", pending.storage_throughput.is_some()),
        ("db_instance_identifier", pending.db_instance_identifier.is_some()),
        ("storage_type", pending.storage_type.is_some()),
        ("db_subnet_group_name", pending.db_subnet_group_name.is_some()),
        ("enable_iam_database_authentication", pending.iam_database_authentication_enabled.is_some()),
        ("engine", pending.engine.is_some()),
        (
            "enable_cloudwatch_logs_exports",
            logs.is_some_and(|l| !l.log_types_to_enable().is_empty() || !l.log_types_to_disable().is_empty()),
        ),
    ];
    all.into_iter().filter(|(name, is)| *is && changes.contains(name)).map(|(name, _)| name).collect()
}

/// Waits until nothing is under way in the instance, and none of these changes is left to be applied.
///
/// RDS begins with a change a little after it was asked for, and shows it as pending until then; so what was to be applied at once is
/// waited for by that, and not by the state alone.
pub(super) async fn settled(
    rds: &Rds,
    cx: &Cx,
    name: &str,
    changes: &[&'static str],
) -> Result<sdk::DbInstance, CloudError> {
    until(cx, &format!("db instance {name}"), || async {
        // A new one may not be listed yet, and one that is renamed is listed by neither name for a while.
        let Some(instance) = describe::instance(rds, name).await? else {
            return Ok(Stage::Waiting("not listed yet".to_owned()));
        };
        let state = state(&instance);
        match phase(state) {
            Phase::Failed => Err(failed(rds, name, state).await),
            Phase::Changing => Ok(Stage::Waiting(told(&instance))),
            Phase::Settled => {
                let pending = pending(&instance, changes);
                if pending.is_empty() {
                    return Ok(Stage::Ready(instance));
                }
                Ok(Stage::Waiting(format!("{state}, and has still to take over {}", pending.join(", "))))
            }
        }
    })
    .await
}

/// The state with what RDS tells of how far it is.
fn told(instance: &sdk::DbInstance) -> String {
    let state = state(instance);
    match instance.percent_progress() {
        Some(percent) if !percent.is_empty() && percent != "0" => format!("{state}, {percent} %"),
        _ => state.to_owned(),
    }
}

async fn failed(rds: &Rds, name: &str, state: &str) -> CloudError {
    let why = describe::reason(rds, sdk::SourceType::DbInstance, name).await;
    let hint = match state {
        "incompatible-network" => {
            "see that the subnet group's subnets have free addresses, and that its VPC resolves names"
        }
        "incompatible-parameters" => "put the parameter group right, and restart the instance",
        "incompatible-option-group" => "put the option group right: the instance does not take one of its options",
        "insufficient-capacity" => "AWS has no such instance there now: take another class or another zone",
        _ if state.starts_with("inaccessible") => "RDS cannot use the KMS key: enable it, or let RDS use it again",
        _ => "put right what RDS says; if it cannot come back, replace it: `up --replace`",
    };
    CloudError::local(ErrorKind::Other, format!("db instance {name} is {state}: {why}")).hint(hint)
}

/// Calls something that an instance lets happen only while nothing else is under way in it. Without a name there is nothing to wait for.
pub(super) async fn when_settled<T, F, Fut>(rds: &Rds, cx: &Cx, name: &str, mut call: F) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    let mut attempt = 0;
    loop {
        attempt += 1;
        match call().await {
            Err(error) if is_wrong_state(&error) && attempt < ATTEMPTS && !name.is_empty() => {
                let stopped = |i: &sdk::DbInstance| state(i) == "stopped";
                match describe::instance(rds, name).await? {
                    Some(instance) if stopped(&instance) => {
                        return Err(error.hint("the instance is stopped: start it first"));
                    }
                    // It is about something else: a cluster, a source.
                    None => return Err(error),
                    Some(_) => drop(settled(rds, cx, name, &[]).await?),
                }
            }
            done => return done,
        }
    }
}

/// Waits until a replica that is promoted is a database of its own.
pub(super) async fn promoted(rds: &Rds, cx: &Cx, name: &str) -> Result<(), CloudError> {
    until(cx, &format!("db instance {name}"), || async {
        let instance = settled(rds, cx, name, &[]).await?;
        let is_replica = instance.read_replica_source_db_instance_identifier().is_some_and(|s| !s.is_empty())
            || instance.read_replica_source_db_cluster_identifier().is_some_and(|s| !s.is_empty());
        Ok(if is_replica { Stage::Waiting("still a replica".to_owned()) } else { Stage::Ready(()) })
    })
    .await
}

/// Waits until the instance is gone.
pub(super) async fn gone(rds: &Rds, cx: &Cx, name: &str) -> Result<(), CloudError> {
    until(cx, &format!("db instance {name}"), || async {
        Ok(match describe::instance(rds, name).await? {
            None => Stage::Ready(()),
            Some(instance) => Stage::Waiting(told(&instance)),
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_that_rds_adds_are_waited_for() {
        for settled in ["available", "storage-optimization", "stopped"] {
            assert_eq!(phase(settled), Phase::Settled);
        }
        for changing in ["creating", "backing-up", "configuring-log-exports", "upgrading", "some-day"] {
            assert_eq!(phase(changing), Phase::Changing);
        }
        assert_eq!(phase("incompatible-network"), Phase::Failed);
    }

    #[test]
    fn only_what_was_asked_for_is_waited_for() {
        let values = sdk::PendingModifiedValues::builder().engine_version("16.4").multi_az(true).build();
        let instance = sdk::DbInstance::builder().pending_modified_values(values).build();
        assert_eq!(pending(&instance, &["engine_version", "iops"]), ["engine_version"]);
        assert!(pending(&instance, &[]).is_empty());
    }
}
