//! What is kept for bad days: AWS Backup's vault and plan, and a bucket for exports, with a copy in another region if wanted.
//!
//! What is backed up is what bears the tag `Backup` with the plan's name. Restoring is a sequence of commands: see README.md.

use phx::aws::backup::{Condition, Lifecycle, Plan, Rule, Selection, Vault};
use phx::aws::iam::RolePolicy;
use phx::aws::iam::policy::{PolicyDocument, Statement};
use phx::aws::kms::Key;
use phx::aws::s3::{
    Bucket, LifecycleConfiguration, LifecycleExpiration, LifecycleRule, LifecycleTransition,
    NoncurrentVersionExpiration, ReplicationConfiguration, ReplicationDestination, ReplicationRule,
};
use phx::model::state::ProviderKey;
use phx::prelude::*;

use crate::platform::Platform;

/// What the rest of the platform needs.
pub(crate) struct Backups {
    /// Where recovery points are.
    pub vault: Handle<Vault>,
    /// Where exports are.
    pub bucket: Handle<Bucket>,
}

/// Declares it.
pub(crate) fn declare(scope: &Scope, platform: &Platform<'_>) -> Result<Backups> {
    let services = vec![platform.key_for(&["backup.amazonaws.com"])];
    let key = platform.key(scope, "backups", "Recovery points and exports", services)?;
    let vault =
        Vault::new(platform.name("backups")).encryption_key_arn(key.arn()).force_destroy(!platform.config.protect());
    let vault = scope.add_with("backups", vault, platform.stateful())?;
    plan(scope, platform, &vault)?;
    let bucket = bucket(scope, platform, &key)?;
    if platform.config.backups.export_snapshots {
        export_role(scope, platform, &bucket, &key)?;
    }
    Ok(Backups { vault, bucket })
}

/// When, of what, and for how long.
fn plan(scope: &Scope, platform: &Platform<'_>, vault: &Handle<Vault>) -> Result<()> {
    let config = &platform.config.backups;
    let rule = |name: &str, schedule: &str| {
        Rule::new(name, vault.backup_vault_name())
            .schedule_expression(schedule)
            .start_window_minutes(60)
            .completion_window_minutes(240)
    };
    let mut rules = vec![
        rule("daily", "cron(0 6 * * ? *)")
            .lifecycle(Lifecycle::new().delete_after_days(config.retention_days))
            .enable_continuous_backup(config.point_in_time),
    ];
    if let Some(days) = config.monthly_retention_days {
        let life = Lifecycle::new().move_to_cold_storage_after_days(30).delete_after_days(days);
        rules.push(rule("monthly", "cron(0 7 1 * ? *)").lifecycle(life).enable_continuous_backup(false));
    }
    let plan = scope.add("daily", Plan::new(platform.name("daily"), rules))?;

    let trust = PolicyDocument::assume_role_by_service("backup.amazonaws.com");
    let policies =
        ["service-role/AWSBackupServiceRolePolicyForBackup", "service-role/AWSBackupServiceRolePolicyForRestores"];
    let (role, attached) =
        platform.role_with(scope, "backup", "Makes and restores recovery points", trust, &policies)?;
    let tagged = Condition::new("STRINGEQUALS", "Backup", platform.name("daily"));
    let selection = Selection::new(plan.id(), platform.name("tagged"), role.arn()).list_of_tags([tagged]);
    let options = attached.iter().fold(Options::new(), Options::depends_on);
    scope.add_with("tagged", selection, options)?;
    Ok(())
}

/// Where exports go: seldom read after a month, gone when the recovery points are, or after a year.
fn bucket(scope: &Scope, platform: &Platform<'_>, key: &Handle<Key>) -> Result<Handle<Bucket>> {
    let mut bucket = platform.bucket("backups", key);
    if let Some(region) = &platform.config.backups.replica_region {
        bucket = bucket.replication_configuration(replica(scope, platform, key, region)?);
    }
    let (bucket, _) = platform.add_bucket(scope, "backups", bucket, lifecycle(), |_| Vec::new())?;
    Ok(bucket)
}

fn lifecycle() -> LifecycleConfiguration {
    let rule = LifecycleRule::new("Enabled")
        .id("a-year")
        .transitions([LifecycleTransition::new("STANDARD_IA").days(30), LifecycleTransition::new("GLACIER").days(90)])
        .expiration(LifecycleExpiration::new().days(365))
        .noncurrent_version_expiration(NoncurrentVersionExpiration::new().noncurrent_days(30))
        .abort_incomplete_multipart_upload_days(7);
    LifecycleConfiguration::new([rule])
}

/// A bucket in another region with a key of its own there, and the role that copies objects into it.
fn replica(
    scope: &Scope,
    platform: &Platform<'_>,
    key: &Handle<Key>,
    region: &str,
) -> Result<ReplicationConfiguration> {
    let away = |options: Options| Options { provider: ProviderKey(region.to_owned()), ..options };
    let copy = Key::new()
        .description("Copies of exports")
        .enable_key_rotation(true)
        .pending_window_in_days(if platform.config.is_production() { 30 } else { 7 })
        .tag("Name", platform.name("backups-replica"));
    let copy = scope.add_with("backups-replica", copy, away(platform.stateful()))?;
    let bucket = platform.bucket("backups-replica", &copy).lifecycle_configuration(lifecycle());
    let bucket = scope.add_with("backups-replica", bucket, away(platform.stateful()))?;

    let trust = PolicyDocument::assume_role_by_service("s3.amazonaws.com");
    let role = platform.role("backups-replica", "Copies exports to another region", trust);
    let role = scope.add("backups-replica", role)?;
    let source = phx::format!("arn:aws:s3:::{}-{}", platform.name("backups"), platform.account());
    let look = Statement::allow().actions(["s3:GetReplicationConfiguration", "s3:ListBucket"]).resource(source.clone());
    let read = Statement::allow()
        .actions(["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"])
        .resource(phx::format!("{}/*", source));
    let write = Statement::allow()
        .actions(["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"])
        .resource(phx::format!("{}/*", bucket.arn()));
    let decrypt = Statement::allow().action("kms:Decrypt").resource(key.arn());
    let encrypt = Statement::allow().actions(["kms:Encrypt", "kms:GenerateDataKey"]).resource(copy.arn());
    let policy = PolicyDocument::new().statements([look, read, write, decrypt, encrypt]);
    scope.add("backups-replica", RolePolicy::new(role.role_name(), "copy", policy))?;

    let destination =
        ReplicationDestination::new(bucket.arn()).storage_class("STANDARD_IA").replica_kms_key_id(copy.arn());
    let rule = ReplicationRule::new("Enabled", destination)
        .id("everything")
        .priority(1)
        .delete_marker_replication("Disabled")
        .sse_kms_encrypted_objects("Enabled");
    Ok(ReplicationConfiguration::new(role.arn(), [rule]))
}

/// The role with which RDS exports a snapshot to the bucket (`aws rds start-export-task`).
fn export_role(scope: &Scope, platform: &Platform<'_>, bucket: &Handle<Bucket>, key: &Handle<Key>) -> Result<()> {
    let trust = PolicyDocument::assume_role_by_service("export.rds.amazonaws.com");
    let role = platform.role("snapshot-export", "Exports snapshots of the database", trust);
    let role = scope.add("snapshot-export", role)?;
    let look = Statement::allow().actions(["s3:ListBucket", "s3:GetBucketLocation"]).resource(bucket.arn());
    let write = Statement::allow()
        .actions(["s3:PutObject*", "s3:GetObject*", "s3:DeleteObject*"])
        .resource(phx::format!("{}/snapshots/*", bucket.arn()));
    let encrypt = Statement::allow()
        .actions(["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:CreateGrant"])
        .resource(key.arn());
    let policy = PolicyDocument::new().statements([look, write, encrypt]);
    scope.add("snapshot-export", RolePolicy::new(role.role_name(), "export", policy))?;
    Ok(())
}
