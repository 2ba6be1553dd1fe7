//! `aws:backup:Vault`.
//!
//! AWS Backup says of a vault that is not there that access to it is denied, and so vaults are listed: a list says what there is.

use aws_sdk_backup::types::BackupVaultListMember as Shown;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::{Backup, BackupVaultName, PAGE, request_id};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::{self, TagMap};
use crate::tags::with_intent;
use crate::wait::{self, Stage};
use crate::{batch, owner};

/// A place for recovery points.
///
/// <https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateBackupVault.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:backup:Vault",
    terraform = "aws_backup_vault",
    cloudformation = "AWS::Backup::BackupVault",
    identity = NaturalKey,
    unique(backup_vault_name)
)]
pub struct Vault {
    /// The name, unique in account and region: 2 to 50 letters, digits, `-` and `_`.
    #[field(replace)]
    pub backup_vault_name: Input<String>,
    /// The KMS key that recovery points are encrypted with. Unset, AWS Backup uses its own.
    #[field(replace, cloud_default)]
    pub encryption_key_arn: Option<Input<Arn>>,
    /// Whether deleting the vault deletes the recovery points in it. phx's own: AWS Backup does not know it. Unset or false, a vault that has some
    /// cannot be deleted.
    #[field(write_only)]
    pub force_destroy: Option<Input<bool>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct VaultOutputs {
    /// The name, by which other types refer to the vault.
    pub backup_vault_name: BackupVaultName,
    /// The ARN.
    pub arn: Arn,
}

impl Manage for Vault {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let backup = &aws.backup(cx).await?;
        let vaults = list(backup).await?;
        let of = |id: &str| vaults.iter().find(|v| v.backup_vault_name() == Some(id));
        let arn = |at: usize| of(targets[at].id).and_then(|v| v.backup_vault_arn.clone());
        let ask = |_, arn: String| async move { super::tags(backup, &arn).await };
        let mut tags = tagged::read(aws, cx, targets, arn, ask).await?;
        let found = |(at, target): (usize, &Target<'_>)| match of(target.id) {
            Some(vault) => tagged::with(tags.remove(&at), |tags| present(vault, tags)),
            None => Found::Gone,
        };
        Ok(targets.iter().enumerate().map(found).collect())
    }

    async fn create(aws: &Aws, cx: &Cx, want: &VaultResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let backup = &aws.backup(cx).await?;
        let request = backup
            .create_backup_vault()
            .backup_vault_name(&want.backup_vault_name)
            .set_encryption_key_arn(want.encryption_key_arn.as_ref().map(Arn::to_string))
            .creator_request_id(request_id(intent))
            .set_backup_vault_tags(Some(with_intent(&want.tags, intent).into_iter().collect()));
        let answer = match backup.write("CreateBackupVault", || request.clone().send()).await {
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                return Self::find(aws, cx, want, intent).await?.ok_or(taken);
            }
            answer => answer?,
        };
        let arn = answer
            .backup_vault_arn
            .ok_or_else(|| backup.unexpected("CreateBackupVault", "the answer names no vault"))?;
        Ok(created(&want.backup_vault_name, &arn))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &VaultResolved,
        change: &VaultChange,
    ) -> Result<Option<VaultOutputs>, CloudError> {
        let backup = &aws.backup(cx).await?;
        let arn = arn(aws, cx, id).await?;
        super::update_tags(backup, arn.as_str(), change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, was: Option<&VaultResolved>) -> Result<(), CloudError> {
        let backup = &aws.backup(cx).await?;
        let force = was.is_some_and(|was| was.force_destroy == Some(true));
        let request = backup.delete_backup_vault().backup_vault_name(id);
        let delete = || backup.write_idempotent("DeleteBackupVault", || request.clone().send());
        let mut deleted = delete().await;
        if force && deleted.as_ref().is_err_and(is_full) {
            empty(backup, cx, id).await?;
            deleted = delete().await;
        }
        match deleted {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            Err(error) if error.kind == ErrorKind::Denied => {
                let vaults = list(backup).await?;
                if vaults.iter().any(|v| v.backup_vault_name() == Some(id)) { Err(error) } else { Ok(()) }
            }
            Err(error) if is_full(&error) => {
                let hint = match force {
                    true => "recovery points under a lock stay until their time is over",
                    false => {
                        "delete its recovery points first, or set force_destroy and run `phx up` before deleting it"
                    }
                };
                Err(CloudError { kind: ErrorKind::InUse, ..error.hint(hint) })
            }
            done => done.map(drop),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &VaultResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let backup = &aws.backup(cx).await?;
        let name = want.backup_vault_name.as_str();
        let vault = list(backup).await?.into_iter().find(|v| v.backup_vault_name() == Some(name));
        let Some(arn) = vault.and_then(|v| v.backup_vault_arn) else { return Ok(None) };
        owner::check(&format!("the backup vault {name}"), &super::tags(backup, &arn).await?, intent)?;
        Ok(Some(created(name, &arn)))
    }
}

fn is_full(error: &CloudError) -> bool {
    error.message.contains("recovery point")
}

/// Deletes all recovery points of a vault, and waits until they are gone.
async fn empty(backup: &Backup, cx: &Cx, vault: &str) -> Result<(), CloudError> {
    let points = points(backup, vault).await?;
    batch::each(&points, |point| async move {
        let request = backup.delete_recovery_point().backup_vault_name(vault).recovery_point_arn(point);
        match backup.write_idempotent("DeleteRecoveryPoint", || request.clone().send()).await {
            Err(error) if error.kind != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    })
    .await?;
    wait::until(cx, &format!("the backup vault {vault}"), || async {
        Ok(match self::points(backup, vault).await?.len() {
            0 => Stage::Ready(()),
            left => Stage::Waiting(format!("deleting {left} recovery points")),
        })
    })
    .await
}

/// The ARNs of a vault's recovery points.
async fn points(backup: &Backup, vault: &str) -> Result<Vec<String>, CloudError> {
    let points = batch::pages(|token| async move {
        let request = backup.list_recovery_points_by_backup_vault().backup_vault_name(vault);
        let request = request.max_results(PAGE).set_next_token(token);
        let answer = backup.read("ListRecoveryPointsByBackupVault", || request.clone().send()).await?;
        Ok((answer.recovery_points.unwrap_or_default(), answer.next_token))
    });
    Ok(points.await?.into_iter().filter_map(|point| point.recovery_point_arn).collect())
}

async fn list(backup: &Backup) -> Result<Vec<Shown>, CloudError> {
    batch::pages(|token| async move {
        let request = backup.list_backup_vaults().max_results(PAGE).set_next_token(token);
        let answer = backup.read("ListBackupVaults", || request.clone().send()).await?;
        Ok((answer.backup_vault_list.unwrap_or_default(), answer.next_token))
    })
    .await
}

/// A vault's ARN is known by its name.
async fn arn(aws: &Aws, cx: &Cx, name: &str) -> Result<Arn, CloudError> {
    let (region, account) = (aws.region(&cx.provider).await?, aws.account(&cx.provider).await?);
    Ok(Arn::of("backup", &region, &account, &format!("backup-vault:{name}")))
}

fn created(name: &str, arn: &str) -> Created<Vault> {
    let outputs = VaultOutputs { backup_vault_name: BackupVaultName::new(name), arn: Arn::new(arn) };
    Created { id: name.to_owned(), outputs, complete: true }
}

fn present(vault: &Shown, tags: TagMap) -> Found<Vault> {
    let (Some(name), Some(arn)) = (vault.backup_vault_name(), vault.backup_vault_arn()) else {
        let name = vault.backup_vault_name().unwrap_or_default();
        let message = format!("the answer holds the backup vault {name} without an ARN");
        return Found::Failed(CloudError::local(ErrorKind::Other, message));
    };
    let fields = VaultResolved {
        backup_vault_name: name.to_owned(),
        encryption_key_arn: vault.encryption_key_arn().map(Arn::new),
        force_destroy: None,
        tags,
    };
    Found::present(fields, created(name, arn).outputs)
}
