//! `aws:rds:DbInstance`.
//!
//! moto applies every change at once, has no states but `available`, and forgets much of what an instance is created with (monitoring,
//! Performance Insights, network type …); ministack defers changes but knows no restoring. What neither serves is tested against answers in
//! the form of the API's model.

use aws_sdk_rds::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::db_instance_blocks::{AdditionalStorageVolume, ProcessorFeature, TagSpecification};
use super::db_instance_create::{self as making, Origin};
use super::db_instance_states::{current, future_name, gone, promoted, settled, state, when_settled};
use super::describe::{name, named, same_name};
use super::{Rds, as_set, describe, is_wrong_state, lower, missing, once_assumable, tagging};
use super::{db_instance_change as changing, db_instance_read as reading, db_instance_source as source};
use crate::arn::Arn;
use crate::client::Aws;
use crate::ids::{
    DbClusterId, DbInstanceId, DbParameterGroupName, DbSnapshotId, DbSubnetGroupName, OptionGroupName, SecurityGroupId,
};
use crate::manage::{Created, Found, Manage, Target};
use crate::owner;

/// A database server: a new one, a read replica of another, or one restored from another's backups or from a snapshot.
///
/// With `restore_time`, `use_latest_restorable_time`, `source_dbi_resource_id` or `source_db_instance_automated_backups_arn` it is restored to a
/// point in time; else, with `db_snapshot_identifier` or `db_cluster_snapshot_identifier`, from that snapshot; else, with
/// `source_db_instance_identifier` or `source_db_cluster_identifier`, it becomes a read replica; else a new, empty database. What those ways of
/// making it do not take is set as soon as it is there. A copy has the master user, the key and the database's name of its source: a program that
/// says others is refused before the copy is made, where the source can be looked at.
///
/// A change that RDS can defer (of the class, the engine's version, the storage …) waits for the maintenance window unless
/// `apply_immediately` is true. While it waits it counts as made.
///
/// A change of the identifier renames the instance. Resources that refer to its outputs follow with the next `up`, since its address changes
/// with it.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>,
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstanceReadReplica.html>,
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RestoreDBInstanceToPointInTime.html>,
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RestoreDBInstanceFromDBSnapshot.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:rds:DbInstance",
    terraform = "aws_db_instance",
    cloudformation = "AWS::RDS::DBInstance",
    identity = NaturalKey,
    unique(db_instance_identifier)
)]
pub struct DbInstance {
    /// The name, unique in account and region. RDS keeps it in lower case. A change renames the instance.
    #[field(normalize = lower)]
    pub db_instance_identifier: Input<String>,
    /// How large the machine is: `db.t4g.micro`, `db.r7g.xlarge` … . It can be deferred.
    pub db_instance_class: Input<String>,
    /// The engine: `postgres`, `mysql`, `mariadb`, `oracle-ee`, `sqlserver-se`, `aurora-postgresql` … . A new database needs it; a replica or a restored
    /// one has its source's. The only change that RDS can make is that of an Oracle database to its container edition.
    #[field(cloud_default)]
    pub engine: Option<Input<String>>,
    /// The engine's version, whole (`16.4`) or only its beginning (`16`). It can be deferred.
    #[field(cloud_default)]
    pub engine_version: Option<Input<String>>,
    /// The name of the first database (Oracle: the SID). RDS's default depends on the engine.
    #[field(replace, cloud_default)]
    pub db_name: Option<Input<String>>,
    /// The storage in GiB. It can grow only. It can be deferred.
    #[field(cloud_default)]
    pub allocated_storage: Option<Input<i32>>,
    /// Up to how many GiB RDS enlarges the storage by itself. Unset, it does not.
    pub max_allocated_storage: Option<Input<i32>>,
    /// The kind of storage: `gp2`, `gp3`, `io1`, `io2`, `standard`, `aurora` or `aurora-iopt1`. It can be deferred.
    #[field(cloud_default)]
    pub storage_type: Option<Input<String>>,
    /// How many operations a second the storage is provisioned for. It can be deferred.
    #[field(cloud_default)]
    pub iops: Option<Input<i32>>,
    /// How many MiB a second the storage is provisioned for (`gp3`). It can be deferred.
    #[field(cloud_default)]
    pub storage_throughput: Option<Input<i32>>,
    /// Volumes beside the first one (Oracle and SQL Server).
    #[field(set)]
    pub additional_storage_volumes: Option<Input<Vec<AdditionalStorageVolume>>>,
    /// Whether the database's log has a volume of its own. It takes effect with the next restart.
    #[field(cloud_default)]
    pub dedicated_log_volume: Option<Input<bool>>,
    /// Whether the storage is encrypted. AWS's default: no.
    #[field(replace, cloud_default)]
    pub storage_encrypted: Option<Input<bool>>,
    /// The key that the storage is encrypted with. Unset, it is the account's own for RDS.
    #[field(replace, cloud_default)]
    pub kms_key_id: Option<Input<Arn>>,
    /// The master user's name.
    #[field(replace, cloud_default)]
    pub master_username: Option<Input<String>>,
    /// The master user's password. A change of it is made at once.
    #[field(secret, write_only)]
    pub master_user_password: Option<Input<String>>,
    /// Whether RDS makes the password, keeps it in Secrets Manager and renews it. AWS's default: no.
    #[field(cloud_default)]
    pub manage_master_user_password: Option<Input<bool>>,
    /// The key that the managed password's secret is encrypted with. Unset, it is Secrets Manager's own.
    #[field(cloud_default)]
    pub master_user_secret_kms_key_id: Option<Input<Arn>>,
    /// Renews the managed password, each time that this becomes true. RDS does so only together with `apply_immediately`.
    #[field(write_only)]
    pub rotate_master_user_password: Option<Input<bool>>,
    /// How the master user proves who he is: `password` or `iam-db-auth`.
    #[field(write_only)]
    pub master_user_authentication_type: Option<Input<String>>,
    /// Whether database users may be IAM's. AWS's default: no.
    #[field(cloud_default)]
    pub enable_iam_database_authentication: Option<Input<bool>>,
    /// The port. A change of it restarts the database. AWS's default is the engine's own.
    #[field(cloud_default)]
    pub port: Option<Input<i32>>,
    /// The subnet group. It decides about the VPC; unset, it is the default VPC's. It can be deferred.
    #[field(cloud_default, normalize = lower)]
    pub db_subnet_group_name: Option<Input<DbSubnetGroupName>>,
    /// The security groups. Unset, it is the VPC's default one.
    #[field(set, cloud_default)]
    pub vpc_security_group_ids: Option<Input<Vec<SecurityGroupId>>>,
    /// DB security groups. They exist outside VPCs only.
    #[field(set, cloud_default)]
    pub db_security_groups: Option<Input<Vec<String>>>,
    /// Whether it has a public address. AWS's default depends on the subnet group.
    #[field(cloud_default)]
    pub publicly_accessible: Option<Input<bool>>,
    /// `IPV4` or `DUAL`. AWS's default: `IPV4`.
    #[field(cloud_default)]
    pub network_type: Option<Input<String>>,
    /// Whether it has an address of the customer's own (Outposts). AWS's default: no.
    #[field(cloud_default)]
    pub enable_customer_owned_ip: Option<Input<bool>>,
    /// The zone. Not together with `multi_az`.
    #[field(replace, cloud_default)]
    pub availability_zone: Option<Input<String>>,
    /// Whether a second instance stands by in another zone. AWS's default: no. It can be deferred.
    #[field(cloud_default)]
    pub multi_az: Option<Input<bool>>,
    /// The parameter group. A change takes effect with the next restart.
    #[field(cloud_default, normalize = lower)]
    pub db_parameter_group_name: Option<Input<DbParameterGroupName>>,
    /// The option group. It can be deferred.
    #[field(cloud_default, normalize = lower)]
    pub option_group_name: Option<Input<OptionGroupName>>,
    /// The certificate authority of its certificate: `rds-ca-rsa2048-g1` … . It can be deferred.
    #[field(cloud_default)]
    pub ca_certificate_identifier: Option<Input<String>>,
    /// Whether a change of the certificate restarts the database. AWS's default: yes.
    #[field(write_only)]
    pub certificate_rotation_restart: Option<Input<bool>>,
    /// When maintenance may happen, in UTC: `sun:05:00-sun:06:00`. AWS's default: half an hour at random.
    #[field(cloud_default, normalize = lower)]
    pub preferred_maintenance_window: Option<Input<String>>,
    /// When backups are made, in UTC: `03:00-03:30`. AWS's default: half an hour at random.
    #[field(cloud_default)]
    pub preferred_backup_window: Option<Input<String>>,
    /// For how many days backups are kept, 0 (none are made) to 35. AWS's default: 1. It can be deferred where it becomes or was 0.
    #[field(cloud_default)]
    pub backup_retention_period: Option<Input<i32>>,
    /// Where backups are kept: `region`, `outposts` or `local`. AWS's default: `region`.
    #[field(replace, cloud_default)]
    pub backup_target: Option<Input<String>>,
    /// The recovery point of AWS Backup by which the instance's backups are managed.
    #[field(cloud_default)]
    pub aws_backup_recovery_point_arn: Option<Input<Arn>>,
    /// Whether snapshots get the instance's tags. AWS's default: no.
    #[field(cloud_default)]
    pub copy_tags_to_snapshot: Option<Input<bool>>,
    /// Tags of the automated backups that it comes with.
    #[field(write_only)]
    pub tag_specifications: Option<Input<Vec<TagSpecification>>>,
    /// Whether RDS brings the engine to later minor versions by itself. AWS's default: yes.
    #[field(cloud_default)]
    pub auto_minor_version_upgrade: Option<Input<bool>>,
    /// Whether a change of `engine_version` to another major version is let happen. AWS's default: no.
    #[field(write_only)]
    pub allow_major_version_upgrade: Option<Input<bool>>,
    /// Whether the engine may run beyond its standard support: `open-source-rds-extended-support` (AWS's default) or
    /// `open-source-rds-extended-support-disabled`.
    #[field(cloud_default)]
    pub engine_lifecycle_support: Option<Input<String>>,
    /// Whether changes are made at once. Unset, those that RDS can defer wait for the maintenance window. When it becomes true, so are those that
    /// wait already.
    #[field(write_only)]
    pub apply_immediately: Option<Input<bool>>,
    /// Whether it cannot be deleted, by phx neither, until this is set to false. AWS's default: no.
    #[field(cloud_default)]
    pub deletion_protection: Option<Input<bool>>,
    /// Whether it is deleted without a last snapshot. One of a cluster, and a read replica, always is.
    #[field(write_only)]
    pub skip_final_snapshot: Option<Input<bool>>,
    /// The name of the snapshot that is made when it is deleted. If an earlier instance has left one of that name behind, the instance's own id
    /// follows it.
    #[field(write_only)]
    pub final_db_snapshot_identifier: Option<Input<String>>,
    /// Whether its automated backups go when it is deleted. AWS's default: yes.
    #[field(write_only)]
    pub delete_automated_backups: Option<Input<bool>>,
    /// The license: `license-included`, `bring-your-own-license`, `general-public-license`, `postgresql-license` or `marketplace-license`.
    #[field(cloud_default)]
    pub license_model: Option<Input<String>>,
    /// The character set (Oracle, SQL Server's collation).
    #[field(replace, cloud_default)]
    pub character_set_name: Option<Input<String>>,
    /// The national character set (Oracle): `AL16UTF16` or `UTF8`.
    #[field(replace, cloud_default)]
    pub nchar_character_set_name: Option<Input<String>>,
    /// The time zone (SQL Server, Db2).
    #[field(replace, cloud_default)]
    pub timezone: Option<Input<String>>,
    /// Whether it holds many tenant databases (Oracle). It can be deferred.
    #[field(cloud_default)]
    pub multi_tenant: Option<Input<bool>>,
    /// The Oracle SID of an RDS Custom instance.
    #[field(replace, cloud_default)]
    pub db_system_id: Option<Input<String>>,
    /// The instance profile of an RDS Custom instance. Its name begins with `AWSRDSCustom`.
    #[field(replace, cloud_default)]
    pub custom_iam_instance_profile: Option<Input<String>>,
    /// Whether RDS Custom manages the instance: `full` or `all-paused`.
    #[field(cloud_default)]
    pub automation_mode: Option<Input<String>>,
    /// For how many minutes `all-paused` lasts, 60 (AWS's default) to 1440.
    #[field(write_only)]
    pub resume_full_automation_mode_minutes: Option<Input<i32>>,
    /// The store of the key for Oracle's or SQL Server's own encryption.
    #[field(cloud_default)]
    pub tde_credential_arn: Option<Input<Arn>>,
    /// The password of that store.
    #[field(secret, write_only)]
    pub tde_credential_password: Option<Input<String>>,
    /// The directory of AWS Managed Microsoft AD that it joins. Taken out, it leaves it.
    pub domain: Option<Input<String>>,
    /// The role by which RDS calls that directory.
    pub domain_iam_role_name: Option<Input<String>>,
    /// The domain's name, of a self-managed Active Directory that it joins. Taken out, it leaves it.
    pub domain_fqdn: Option<Input<String>>,
    /// The organizational unit of that Active Directory.
    pub domain_ou: Option<Input<String>>,
    /// The secret with the user that joins that Active Directory.
    pub domain_auth_secret_arn: Option<Input<Arn>>,
    /// The addresses of that Active Directory's two domain controllers.
    #[field(set)]
    pub domain_dns_ips: Option<Input<Vec<String>>>,
    /// How many seconds lie between two points of enhanced monitoring: 0 (none, AWS's default), 1, 5, 10, 15, 30 or 60.
    #[field(cloud_default)]
    pub monitoring_interval: Option<Input<i32>>,
    /// The role by which enhanced monitoring writes to CloudWatch Logs.
    #[field(cloud_default)]
    pub monitoring_role_arn: Option<Input<Arn>>,
    /// How much Database Insights tells: `standard` (AWS's default) or `advanced`.
    #[field(cloud_default)]
    pub database_insights_mode: Option<Input<String>>,
    /// Whether Performance Insights is on. AWS's default: no.
    #[field(cloud_default)]
    pub enable_performance_insights: Option<Input<bool>>,
    /// The key that Performance Insights' data is encrypted with. Once set, AWS does not change it.
    #[field(cloud_default)]
    pub performance_insights_kms_key_id: Option<Input<Arn>>,
    /// For how many days Performance Insights' data is kept: 7 (AWS's default), a multiple of 31, or 731.
    #[field(cloud_default)]
    pub performance_insights_retention_period: Option<Input<i32>>,
    /// The logs that are sent to CloudWatch Logs; which there are depends on the engine: `postgresql`, `upgrade`, `error`, `slowquery` … .
    #[field(set)]
    pub enable_cloudwatch_logs_exports: Option<Input<Vec<String>>>,
    /// How many cores and threads the machine uses. It can be deferred.
    #[field(set, cloud_default)]
    pub processor_features: Option<Input<Vec<ProcessorFeature>>>,
    /// Gives the machine all of its class's cores and threads, when it is made and each time that this becomes true.
    #[field(write_only)]
    pub use_default_processor_features: Option<Input<bool>>,
    /// The reserved capacity that the instance runs in.
    #[field(cloud_default)]
    pub db_capacity_reservation_identifier: Option<Input<String>>,
    /// The cluster that it is one of.
    #[field(replace, normalize = lower)]
    pub db_cluster_identifier: Option<Input<DbClusterId>>,
    /// In which order it takes over the cluster when the writer fails, 0 (first) to 15. AWS's default: 1.
    #[field(cloud_default)]
    pub promotion_tier: Option<Input<i32>>,
    /// The instance that it is a replica of, or restored from. One of another region is named by its ARN: `DbInstanceId::new("arn:…")`. Taken
    /// out, a replica is promoted to a database of its own.
    #[field(normalize = lower)]
    pub source_db_instance_identifier: Option<Input<DbInstanceId>>,
    /// The Multi-AZ cluster that it is a replica of. Taken out, the replica is promoted to a database of its own.
    #[field(normalize = lower)]
    pub source_db_cluster_identifier: Option<Input<DbClusterId>>,
    /// How an Oracle or Db2 replica is kept: `open-read-only` (AWS's default) or `mounted`.
    #[field(cloud_default)]
    pub replica_mode: Option<Input<String>>,
    /// Whether a replica's storage is brought to RDS's newest arrangement. It lasts hours.
    #[field(replace, write_only, cloud_default)]
    pub upgrade_storage_config: Option<Input<bool>>,
    /// A signed request for a replica of another region, in GovCloud and China. It is used when the instance is made, and never again.
    #[field(secret, write_only, cloud_default)]
    pub pre_signed_url: Option<Input<String>>,
    /// The snapshot to restore from. One that is shared by another account is named by its ARN: `DbSnapshotId::new("arn:…")`.
    #[field(replace, write_only, cloud_default)]
    pub db_snapshot_identifier: Option<Input<DbSnapshotId>>,
    /// The snapshot of a Multi-AZ cluster to restore from, by its name or ARN.
    #[field(replace, write_only, cloud_default)]
    pub db_cluster_snapshot_identifier: Option<Input<String>>,
    /// The time to restore to: `2026-01-31T23:45:00Z`.
    #[field(replace, write_only, cloud_default)]
    pub restore_time: Option<Input<String>>,
    /// Restores to the latest time there is.
    #[field(replace, write_only, cloud_default)]
    pub use_latest_restorable_time: Option<Input<bool>>,
    /// The resource id of the instance to restore from, which may be deleted by now: `db-ABCDEFGHIJKLMNOPQRSTUVWXYZ`.
    #[field(replace, write_only, cloud_default)]
    pub source_dbi_resource_id: Option<Input<String>>,
    /// The backups to restore from, replicated from another region.
    #[field(replace, write_only, cloud_default)]
    pub source_db_instance_automated_backups_arn: Option<Input<Arn>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct DbInstanceOutputs {
    /// The name, by which other types refer to the instance. It changes only when the instance is renamed.
    pub db_instance_identifier: DbInstanceId,
    /// The ARN. It changes only when the instance is renamed.
    pub arn: Arn,
    /// The id that it keeps for its whole life: `db-ABCDEFGHIJKLMNOPQRSTUVWXYZ`.
    pub dbi_resource_id: Option<String>,
    /// The host name to connect to. It changes only when the instance is renamed.
    pub address: Option<String>,
    /// The hosted zone of that name.
    pub hosted_zone_id: Option<String>,
    /// The port to connect to.
    #[output(volatile)]
    pub port: Option<i32>,
    /// The engine's version in full.
    #[output(volatile)]
    pub engine_version: Option<String>,
    /// The secret with the master user's password, if RDS manages it.
    #[output(volatile(manage_master_user_password))]
    pub master_user_secret_arn: Option<Arn>,
    /// The host name of SQL Server's Always On listener.
    #[output(volatile)]
    pub listener_address: Option<String>,
}

impl Manage for DbInstance {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let names = targets.iter().map(|t| name(t, NAME));
        let instances = named(names, |name| current(rds, name), || describe::instances(rds)).await?;
        let read = |target: &Target<'_>| {
            let name = name(target, NAME);
            let by_name = instances.iter().find(|i| same_name(i.db_instance_identifier(), name));
            let instance = by_name.or_else(|| instances.iter().find(|i| same_name(future_name(i), name)));
            instance.map_or(Found::Gone, |i| shown(rds, target, i))
        };
        Ok(targets.iter().map(read).collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &DbInstanceResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let name = &want.db_instance_identifier.to_ascii_lowercase();
        source::check(rds, want).await?;
        let made = match make(rds, cx, want, intent).await {
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => match describe::instance(rds, name).await? {
                // One of this name is only just going away.
                Some(instance) if state(&instance) == "deleting" => {
                    gone(rds, cx, name).await?;
                    make(rds, cx, want, intent).await?
                }
                // Perhaps this very intent's, made by a call whose answer was lost.
                _ => return Self::find(aws, cx, want, intent).await?.ok_or(taken),
            },
            made => made?,
        };
        let made = made.as_ref().and_then(created);
        made.ok_or_else(|| rds.unexpected("CreateDBInstance", "the answer names no instance"))
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        _: &str,
        want: &DbInstanceResolved,
    ) -> Result<Option<DbInstanceOutputs>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let name = &want.db_instance_identifier.to_ascii_lowercase();
        let mut instance = settled(rds, cx, name, &[]).await?;
        // What the call that made it did not take.
        let inputs = Self::fields(want);
        let there = reading::fields(&Target { id: name, inputs: &inputs }, &instance);
        let change = making::left(want, &there)?;
        if let Some(request) = changing::modification(rds, name, want, &change, &instance) {
            let request = request.apply_immediately(true);
            modify(rds, cx, name, &request).await?;
            instance = settled(rds, cx, name, &changing::names(&change)).await?;
        }
        Ok(outputs(&instance))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        _: &str,
        want: &DbInstanceResolved,
        change: &DbInstanceChange,
    ) -> Result<Option<DbInstanceOutputs>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let new = &want.db_instance_identifier.to_ascii_lowercase();
        let old = change.db_instance_identifier.as_ref().and_then(|c| c.before.as_deref()).unwrap_or(new);
        let instance = match current(rds, old).await? {
            Some(instance) => instance,
            // Renamed by a call whose answer was lost.
            None => current(rds, new).await?.ok_or_else(|| missing(rds, "DescribeDBInstances", old))?,
        };
        let name = instance.db_instance_identifier.clone().unwrap_or_else(|| old.to_owned());
        let name = name.as_str();
        if changing::is_promoted(change, &instance)? {
            let request = rds
                .promote_read_replica()
                .db_instance_identifier(name)
                .set_backup_retention_period(want.backup_retention_period)
                .set_preferred_backup_window(want.preferred_backup_window.clone());
            let send = || rds.write_idempotent("PromoteReadReplica", || request.clone().send());
            when_settled(rds, cx, name, send).await?;
            promoted(rds, cx, name).await?;
        }
        tagging::update(rds, instance.db_instance_arn(), change.tags.as_ref()).await?;
        let Some(request) = changing::modification(rds, name, want, change, &instance) else { return Ok(None) };
        let at_once = want.apply_immediately == Some(true);
        let answer = modify(rds, cx, name, &request.apply_immediately(at_once)).await?;
        // A rename that waits for the maintenance window leaves the name as it is.
        let is_renamed = at_once || same_name(answer.as_ref().and_then(|i| i.db_instance_identifier()), new);
        let now = if is_renamed { new } else { name };
        let changes = if at_once { changing::names(change) } else { Vec::new() };
        settled(rds, cx, now, &changes).await.map(|instance| outputs(&instance))
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, was: Option<&DbInstanceResolved>) -> Result<(), CloudError> {
        let rds = &aws.rds(cx).await?;
        let name = was.map_or(id, |was| was.db_instance_identifier.as_str());
        let Some(instance) = current(rds, name).await? else { return Ok(()) };
        let name = instance.db_instance_identifier().unwrap_or(name);
        if state(&instance) != "deleting" {
            let request = changing::deletion(rds, name, was, &instance);
            let mut done = when_settled(rds, cx, name, || ask_to_delete(rds, name, &request)).await;
            // An earlier instance of this name left its last snapshot behind.
            if let Some(other) = done.as_ref().err().and_then(|error| changing::other_snapshot(error, was, &instance)) {
                (cx.progress)(&format!("there is a snapshot of the last one's name already: this one's is {other}"));
                let request = request.final_db_snapshot_identifier(other);
                done = when_settled(rds, cx, name, || ask_to_delete(rds, name, &request)).await;
            }
            done.map_err(|error| changing::explained(error, &instance, was))?;
        }
        gone(rds, cx, name).await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &DbInstanceResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let name = &want.db_instance_identifier.to_ascii_lowercase();
        let Some(instance) = describe::instance(rds, name).await? else { return Ok(None) };
        owner::check(&format!("the instance {name}"), &tagging::read(instance.tag_list()), intent)?;
        Ok(created(&instance).filter(|_| state(&instance) != "deleting"))
    }
}

/// The field that an instance is looked up by.
const NAME: &str = "db_instance_identifier";

/// Makes an instance in the way that the fields ask for.
async fn make(
    rds: &Rds,
    cx: &Cx,
    want: &DbInstanceResolved,
    intent: &IntentId,
) -> Result<Option<sdk::DbInstance>, CloudError> {
    let tags = tagging::marked(&want.tags, intent);
    match Origin::of(want) {
        Origin::New => {
            if want.engine.is_none() {
                let message = format!("{} is a new database, and no engine is set", want.db_instance_identifier);
                return Err(CloudError::local(ErrorKind::Invalid, message));
            }
            let request = making::creation(rds, want).set_tags(tags);
            let send = || rds.write("CreateDBInstance", || request.clone().send());
            Ok(once_assumable(cx, send).await?.db_instance)
        }
        Origin::Replica => {
            let request = making::replication(rds, want).set_tags(tags);
            let send = || rds.write("CreateDBInstanceReadReplica", || request.clone().send());
            let source = text_of_source(want);
            // A source that is changing takes no replica.
            let answer = when_settled(rds, cx, &source, || once_assumable(cx, send)).await?;
            Ok(answer.db_instance)
        }
        Origin::Snapshot => {
            let request = making::revival(rds, want).set_tags(tags);
            let send = || rds.write("RestoreDBInstanceFromDBSnapshot", || request.clone().send());
            // A snapshot that is only just being made is not waited for: it is a resource of its own, which is.
            Ok(once_assumable(cx, send).await?.db_instance)
        }
        Origin::PointInTime => {
            let request = making::restoration(rds, want)?.set_tags(tags);
            let send = || rds.write("RestoreDBInstanceToPointInTime", || request.clone().send());
            let source = text_of_source(want);
            let answer = when_settled(rds, cx, &source, || once_assumable(cx, send)).await?;
            Ok(answer.db_instance)
        }
    }
}

fn text_of_source(want: &DbInstanceResolved) -> String {
    want.source_db_instance_identifier.as_ref().map(ToString::to_string).unwrap_or_default()
}

async fn modify(
    rds: &Rds,
    cx: &Cx,
    name: &str,
    request: &aws_sdk_rds::operation::modify_db_instance::builders::ModifyDBInstanceFluentBuilder,
) -> Result<Option<sdk::DbInstance>, CloudError> {
    let send = || rds.write_idempotent("ModifyDBInstance", || request.clone().send());
    let answer = when_settled(rds, cx, name, || once_assumable(cx, send)).await;
    Ok(answer.map_err(changing::refused)?.db_instance)
}

/// Asks for the deletion of an instance. That it is going away already is no failure.
async fn ask_to_delete(
    rds: &Rds,
    name: &str,
    request: &aws_sdk_rds::operation::delete_db_instance::builders::DeleteDBInstanceFluentBuilder,
) -> Result<(), CloudError> {
    match rds.write_idempotent("DeleteDBInstance", || request.clone().send()).await {
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        // Asked for twice, since the first answer was lost: its last snapshot may be there by now.
        Err(error) if is_wrong_state(&error) || error.kind == ErrorKind::AlreadyExists => {
            match describe::instance(rds, name).await? {
                Some(instance) if state(&instance) != "deleting" => Err(error),
                _ => Ok(()),
            }
        }
        done => done.map(drop),
    }
}

fn created(instance: &sdk::DbInstance) -> Option<Created<DbInstance>> {
    let outputs = outputs(instance)?;
    Some(Created { id: outputs.db_instance_identifier.to_string(), outputs, complete: false })
}

fn outputs(instance: &sdk::DbInstance) -> Option<DbInstanceOutputs> {
    let endpoint = instance.endpoint();
    Some(DbInstanceOutputs {
        db_instance_identifier: DbInstanceId::new(instance.db_instance_identifier()?),
        arn: Arn::new(instance.db_instance_arn()?),
        dbi_resource_id: instance.dbi_resource_id.clone(),
        address: endpoint.and_then(|e| e.address.clone()),
        hosted_zone_id: endpoint.and_then(|e| e.hosted_zone_id.clone()),
        port: endpoint.and_then(sdk::Endpoint::port),
        engine_version: instance.engine_version.clone(),
        master_user_secret_arn: instance.master_user_secret().and_then(|s| s.secret_arn()).map(Arn::new),
        listener_address: instance.listener_endpoint().and_then(|e| e.address.clone()),
    })
}

fn shown(rds: &Rds, target: &Target<'_>, instance: &sdk::DbInstance) -> Found<DbInstance> {
    if state(instance) == "deleting" {
        return Found::Gone;
    }
    match outputs(instance) {
        Some(outputs) => Found::present(as_set::<DbInstance>(target, reading::fields(target, instance)), outputs),
        None => Found::Failed(rds.unexpected("DescribeDBInstances", "the answer holds an instance without an ARN")),
    }
}
