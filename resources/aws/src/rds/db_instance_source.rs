//! What a [`DbInstance`](super::DbInstance) is made of, where it is made of another's data.

use aws_sdk_rds::types as sdk;
use phx_model::CloudError;
use phx_model::error::ErrorKind;

use super::db_instance::DbInstanceResolved;
use super::db_instance_create::{Origin, keeps_name};
use super::describe::{self, same_name};
use super::{Rds, text};

/// What a copy has of its source: RDS takes neither another master user for it nor another key, nor of most engines another name of the database.
#[derive(Default)]
struct Source {
    what: String,
    /// If a copy's database cannot have another.
    db_name: Option<String>,
    master_username: Option<String>,
    encrypted: Option<bool>,
    kms_key_id: Option<String>,
}

/// Refuses, before anything is made, to make of another's data what cannot be made of it. RDS would make the copy as its source is, and the next plan
/// would replace it for the difference, with all that was written to it since: by one just like it.
///
/// A source that cannot be looked at (another region's or account's) is not judged.
pub(super) async fn check(rds: &Rds, want: &DbInstanceResolved) -> Result<(), CloudError> {
    let origin = Origin::of(want);
    let said = want.db_name.is_some()
        || want.master_username.is_some()
        || want.storage_encrypted.is_some()
        || want.kms_key_id.is_some();
    if origin == Origin::New || !said {
        return Ok(());
    }
    let source = match source(rds, want, origin).await {
        Ok(Some(source)) => source,
        Ok(None) => return Ok(()),
        // Whoever may restore may not be allowed to look, and not every endpoint knows how.
        Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Invalid | ErrorKind::Unsupported) => {
            tracing::debug!(%error, "what the instance is made of is not looked at");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let wrong = differences(want, origin, &source);
    if wrong.is_empty() {
        return Ok(());
    }
    let (name, what) = (&want.db_instance_identifier, &source.what);
    let message = format!("{name} cannot be made of {what} as the program says: {}", wrong.join("; "));
    Err(CloudError::local(ErrorKind::Invalid, message).hint(
        "leave these fields out, or set them to what the source has; for another key, copy the snapshot with that key \
         (`aws rds copy-db-snapshot --kms-key-id`) and restore the copy",
    ))
}

/// In which fields the program wants something else than the source has.
fn differences(want: &DbInstanceResolved, origin: Origin, source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    for (field, set, told) in [
        ("db_name", &want.db_name, &source.db_name),
        ("master_username", &want.master_username, &source.master_username),
    ] {
        if let (Some(set), Some(told)) = (set, told)
            && !told.is_empty()
            && !set.eq_ignore_ascii_case(told)
        {
            wrong.push(format!("{field} is {set:?}, and the source's is {told:?}"));
        }
    }
    if let (Some(set), Some(told)) = (want.storage_encrypted, source.encrypted)
        && set != told
    {
        wrong.push(format!("storage_encrypted is {set}, and the source's is {told}"));
    }
    // A replica in another region has a key of its own, and RDS judges it.
    if let Some(set) = want.kms_key_id.as_ref().filter(|_| origin != Origin::Replica) {
        // Emulators tell an empty one of what was made without.
        match source.kms_key_id.as_deref().filter(|told| !told.is_empty()) {
            Some(told) if is_other_key(set.as_str(), told) => {
                wrong.push(format!("kms_key_id is {:?}, and the source's is {told:?}", set.as_str()));
            }
            None if source.encrypted == Some(false) => {
                wrong.push(format!("kms_key_id is {:?}, and the source is not encrypted", set.as_str()));
            }
            _ => {}
        }
    }
    wrong
}

/// Whether a key that was set is surely another one than the source's. What an alias stands for is not known here.
fn is_other_key(set: &str, told: &str) -> bool {
    let is_alias = set.starts_with("alias/") || set.contains(":alias/");
    !is_alias && bare(set) != bare(told)
}

/// A key's id, also of its ARN.
fn bare(key: &str) -> &str {
    key.rsplit_once(":key/").map_or(key, |(_, id)| id)
}

/// `None`: it is not to be seen from here.
async fn source(rds: &Rds, want: &DbInstanceResolved, origin: Origin) -> Result<Option<Source>, CloudError> {
    let instance = text(want.source_db_instance_identifier.as_ref());
    match origin {
        Origin::New => Ok(None),
        Origin::Snapshot => match (text(want.db_snapshot_identifier.as_ref()), &want.db_cluster_snapshot_identifier) {
            (Some(id), _) => snapshot(rds, &id).await,
            (None, Some(id)) => cluster_snapshot(rds, id).await,
            (None, None) => Ok(None),
        },
        Origin::Replica => match (instance, text(want.source_db_cluster_identifier.as_ref())) {
            (Some(id), _) => running(rds, &id).await,
            (None, Some(id)) => cluster(rds, &id).await,
            (None, None) => Ok(None),
        },
        Origin::PointInTime => match instance {
            Some(id) => running(rds, &id).await,
            None => backup(rds, want).await,
        },
    }
}

/// What is not there is not looked at; RDS says so itself.
fn seen<T>(answer: Result<T, CloudError>) -> Result<Option<T>, CloudError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_arn(id: &str) -> bool {
    id.starts_with("arn:")
}

async fn snapshot(rds: &Rds, id: &str) -> Result<Option<Source>, CloudError> {
    // One that is named by its ARN may be shared by another account.
    let request = rds.describe_db_snapshots().db_snapshot_identifier(id).set_include_shared(is_arn(id).then_some(true));
    let answer = seen(rds.read("DescribeDBSnapshots", || request.clone().send()).await)?;
    let found = answer.and_then(|answer| answer.db_snapshots).unwrap_or_default();
    let named = |s: &sdk::DbSnapshot| same_name(s.db_snapshot_identifier(), id) || same_name(s.db_snapshot_arn(), id);
    Ok(found.into_iter().find(named).map(|snapshot| Source {
        what: format!("the snapshot {id}"),
        master_username: snapshot.master_username,
        encrypted: snapshot.encrypted,
        kms_key_id: snapshot.kms_key_id,
        ..Source::default()
    }))
}

async fn cluster_snapshot(rds: &Rds, id: &str) -> Result<Option<Source>, CloudError> {
    let request = rds
        .describe_db_cluster_snapshots()
        .db_cluster_snapshot_identifier(id)
        .set_include_shared(is_arn(id).then_some(true));
    let answer = seen(rds.read("DescribeDBClusterSnapshots", || request.clone().send()).await)?;
    let found = answer.and_then(|answer| answer.db_cluster_snapshots).unwrap_or_default();
    let named = |s: &sdk::DbClusterSnapshot| {
        same_name(s.db_cluster_snapshot_identifier(), id) || same_name(s.db_cluster_snapshot_arn(), id)
    };
    Ok(found.into_iter().find(named).map(|snapshot| Source {
        what: format!("the cluster snapshot {id}"),
        master_username: snapshot.master_username,
        encrypted: snapshot.storage_encrypted,
        kms_key_id: snapshot.kms_key_id,
        ..Source::default()
    }))
}

/// An instance that is there. One of this name that is not the one that an ARN names is another region's or account's.
async fn running(rds: &Rds, id: &str) -> Result<Option<Source>, CloudError> {
    let found = describe::instance(rds, id.rsplit(':').next().unwrap_or(id)).await?;
    let found = found.filter(|instance| !is_arn(id) || same_name(instance.db_instance_arn(), id));
    Ok(found.map(|instance| Source {
        what: format!("the instance {id}"),
        db_name: instance.db_name.filter(|_| instance.engine.as_deref().is_some_and(keeps_name)),
        master_username: instance.master_username,
        encrypted: instance.storage_encrypted,
        kms_key_id: instance.kms_key_id,
    }))
}

/// A cluster, likewise.
async fn cluster(rds: &Rds, id: &str) -> Result<Option<Source>, CloudError> {
    let found = describe::cluster(rds, id.rsplit(':').next().unwrap_or(id)).await?;
    let found = found.filter(|cluster| !is_arn(id) || same_name(cluster.db_cluster_arn(), id));
    Ok(found.map(|cluster| Source {
        what: format!("the cluster {id}"),
        master_username: cluster.master_username,
        encrypted: cluster.storage_encrypted,
        kms_key_id: cluster.kms_key_id,
        ..Source::default()
    }))
}

/// The backups of an instance that may be gone by now, or those that another region's were copied to.
async fn backup(rds: &Rds, want: &DbInstanceResolved) -> Result<Option<Source>, CloudError> {
    let arn = text(want.source_db_instance_automated_backups_arn.as_ref());
    let Some(id) = want.source_dbi_resource_id.clone().or_else(|| arn.clone()) else { return Ok(None) };
    let request = rds
        .describe_db_instance_automated_backups()
        .set_dbi_resource_id(want.source_dbi_resource_id.clone())
        .set_db_instance_automated_backups_arn(arn);
    let answer = seen(rds.read("DescribeDBInstanceAutomatedBackups", || request.clone().send()).await)?;
    let found = answer.and_then(|answer| answer.db_instance_automated_backups).unwrap_or_default();
    Ok(found.into_iter().next().map(|backup| Source {
        what: format!("the backups of {id}"),
        master_username: backup.master_username,
        encrypted: backup.encrypted,
        kms_key_id: backup.kms_key_id,
        ..Source::default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_another_one_where_that_is_sure() {
        const TOLD: &str = "arn:aws:kms:us-west-2:123456789012:key/1234abcd";
        for same in [TOLD, "1234abcd", "alias/db", "arn:aws:kms:us-west-2:123456789012:alias/db"] {
            assert!(!is_other_key(same, TOLD), "{same}");
        }
        for other in ["5678", "arn:aws:kms:us-west-2:123456789012:key/5678"] {
            assert!(is_other_key(other, TOLD), "{other}");
        }
    }
}
