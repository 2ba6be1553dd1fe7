//! `aws:rds:DbSnapshot`.

use aws_sdk_rds::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::describe::{named, picked};
use super::{Rds, arn, db_instance_states, describe, lower, missing, once_settled, tagging};
use crate::arn::Arn;
use crate::client::Aws;
use crate::ids::{DbInstanceId, DbSnapshotId};
use crate::manage::{Created, Found, Manage, Target};
use crate::owner;
use crate::wait::{Stage, until};

/// A copy of an instance's data at one time, which stays when the instance is deleted.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSnapshot.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:rds:DbSnapshot",
    terraform = "aws_db_snapshot",
    identity = NaturalKey,
    unique(db_snapshot_identifier)
)]
pub struct DbSnapshot {
    /// The name, unique in account and region. RDS keeps it in lower case.
    #[field(replace, normalize = lower)]
    pub db_snapshot_identifier: Input<String>,
    /// The instance. A snapshot never becomes one of another: a change is refused, since to replace it would be to delete the copy of the data
    /// first, and perhaps for nothing but a new name of the instance.
    #[field(normalize = lower)]
    pub db_instance_identifier: Input<DbInstanceId>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct DbSnapshotOutputs {
    /// The name, by which instances are restored from it.
    pub db_snapshot_identifier: DbSnapshotId,
    /// The ARN.
    pub arn: Arn,
    /// The instance's storage in GiB.
    pub allocated_storage: Option<i32>,
    /// The instance's engine.
    pub engine: Option<String>,
    /// The engine's version.
    pub engine_version: Option<String>,
    /// The key that the snapshot is encrypted with, if it is.
    pub kms_key_id: Option<Arn>,
}

impl Manage for DbSnapshot {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let names = targets.iter().map(|t| t.id);
        let snapshots = named(names, |name| describe::snapshot(rds, name), || describe::manual_snapshots(rds)).await?;
        let found = picked(targets, "db_snapshot_identifier", &snapshots, sdk::DbSnapshot::db_snapshot_identifier);
        Ok(found.into_iter().map(|snapshot| snapshot.map_or(Found::Gone, |s| shown(rds, s))).collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &DbSnapshotResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let instance = want.db_instance_identifier.as_str();
        let request = rds
            .create_db_snapshot()
            .db_snapshot_identifier(want.db_snapshot_identifier.to_ascii_lowercase())
            .db_instance_identifier(instance)
            .set_tags(tagging::marked(&want.tags, intent));
        // No snapshot is made of an instance that is changing.
        let send = || rds.write("CreateDBSnapshot", || request.clone().send());
        let answer = match db_instance_states::when_settled(rds, cx, instance, send).await {
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                return Self::find(aws, cx, want, intent).await?.ok_or(taken);
            }
            answer => answer?,
        };
        let snapshot = answer.db_snapshot.as_ref().and_then(created);
        snapshot.ok_or_else(|| rds.unexpected("CreateDBSnapshot", "the answer names no snapshot"))
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &DbSnapshotResolved,
    ) -> Result<Option<DbSnapshotOutputs>, CloudError> {
        let rds = &aws.rds(cx).await?;
        until(cx, &format!("db snapshot {id}"), || async move {
            let snapshot = describe::snapshot(rds, id).await?;
            let snapshot = snapshot.ok_or_else(|| missing(rds, "DescribeDBSnapshots", &format!("snapshot {id}")))?;
            match snapshot.status().unwrap_or("in no state") {
                "available" => Ok(Stage::Ready(outputs(&snapshot))),
                state if state == "failed" || state.starts_with("incompatible") => {
                    let why = describe::reason(rds, sdk::SourceType::DbSnapshot, id).await;
                    Err(CloudError::local(ErrorKind::Other, format!("db snapshot {id} is {state}: {why}"))
                        .hint("delete it, or run `up` with --replace for it, once what RDS says is put right"))
                }
                state => Ok(Stage::Waiting(match snapshot.percent_progress() {
                    Some(percent) if percent > 0 => format!("{state}, {percent} %"),
                    _ => state.to_owned(),
                })),
            }
        })
        .await
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &DbSnapshotResolved,
        change: &DbSnapshotChange,
    ) -> Result<Option<DbSnapshotOutputs>, CloudError> {
        if change.db_instance_identifier.is_some() {
            let wanted = want.db_instance_identifier.as_str();
            let message = format!("db snapshot {id} was made of another instance than {wanted}, and stays what it is");
            return Err(CloudError::local(ErrorKind::Invalid, message).hint(
                "if the instance was only renamed, leave the difference alone with `ignore_changes`; for a snapshot of another one choose \
                 another name (`up --replace` deletes this one before it makes a new one)",
            ));
        }
        let rds = &aws.rds(cx).await?;
        if change.tags.is_some() {
            let arn = arn(aws, cx, "snapshot", id).await?;
            tagging::update(rds, Some(arn.as_str()), change.tags.as_ref()).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&DbSnapshotResolved>) -> Result<(), CloudError> {
        let rds = &aws.rds(cx).await?;
        let request = rds.delete_db_snapshot().db_snapshot_identifier(id);
        match once_settled(cx, || rds.write_idempotent("DeleteDBSnapshot", || request.clone().send())).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            done => done?,
        };
        until(cx, &format!("db snapshot {id}"), || async {
            Ok(match describe::snapshot(rds, id).await? {
                None => Stage::Ready(()),
                Some(snapshot) => Stage::Waiting(snapshot.status().unwrap_or("in no state").to_owned()),
            })
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &DbSnapshotResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let name = &want.db_snapshot_identifier.to_ascii_lowercase();
        let Some(snapshot) = describe::snapshot(rds, name).await? else { return Ok(None) };
        owner::check(&format!("the snapshot {name}"), &tagging::read(snapshot.tag_list()), intent)?;
        Ok(created(&snapshot).filter(|_| snapshot.status() != Some("deleting")))
    }
}

fn created(snapshot: &sdk::DbSnapshot) -> Option<Created<DbSnapshot>> {
    let outputs = outputs(snapshot)?;
    Some(Created { id: outputs.db_snapshot_identifier.to_string(), outputs, complete: false })
}

fn outputs(snapshot: &sdk::DbSnapshot) -> Option<DbSnapshotOutputs> {
    Some(DbSnapshotOutputs {
        db_snapshot_identifier: DbSnapshotId::new(snapshot.db_snapshot_identifier()?),
        arn: Arn::new(snapshot.db_snapshot_arn()?),
        allocated_storage: snapshot.allocated_storage,
        engine: snapshot.engine.clone(),
        engine_version: snapshot.engine_version.clone(),
        kms_key_id: snapshot.kms_key_id().map(Arn::new),
    })
}

fn shown(rds: &Rds, snapshot: &sdk::DbSnapshot) -> Found<DbSnapshot> {
    if snapshot.status() == Some("deleting") {
        return Found::Gone;
    }
    let Some(outputs) = outputs(snapshot) else {
        return Found::Failed(rds.unexpected("DescribeDBSnapshots", "the answer holds a snapshot without an ARN"));
    };
    let fields = DbSnapshotResolved {
        db_snapshot_identifier: outputs.db_snapshot_identifier.to_string(),
        db_instance_identifier: DbInstanceId::new(snapshot.db_instance_identifier().unwrap_or_default()),
        tags: tagging::read(snapshot.tag_list()),
    };
    Found::present(fields, outputs)
}
