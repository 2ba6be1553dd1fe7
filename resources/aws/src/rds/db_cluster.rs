//! `aws:rds:DbCluster`.
//!
//! moto applies every change at once and forgets much of what a cluster is created with (monitoring, Performance Insights, write forwarding …).
//! What it does not serve is tested against answers in the form of the API's model.

use aws_sdk_rds::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::{Block, CloudError, Input, Outputs, Resource};

use super::db_cluster_convert as convert;
use super::db_cluster_states::{current, future_name, gone, settled, state, when_settled};
use super::db_instance_blocks::TagSpecification;
use super::describe::{name, named, same_name};
use super::{Rds, as_set, describe, is_wrong_state, lower, missing, once_assumable, tagging};
use crate::arn::Arn;
use crate::client::Aws;
use crate::ids::{
    DbClusterId, DbClusterParameterGroupName, DbParameterGroupName, DbSubnetGroupName, OptionGroupName,
    SecurityGroupId, SubnetId,
};
use crate::manage::{Created, Found, Manage, Target};
use crate::owner;

/// A database of several instances: Aurora's, whose instances are resources of their own, or a Multi-AZ one, whose instances it brings along.
///
/// A change that RDS can defer (of the engine's version, the storage …) waits for the maintenance window unless `apply_immediately` is true. While it
/// waits it counts as made.
///
/// A change of the identifier renames the cluster. Resources that refer to its outputs follow with the next `up`, since its addresses change
/// with it.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBCluster.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:rds:DbCluster",
    terraform = "aws_rds_cluster",
    cloudformation = "AWS::RDS::DBCluster",
    identity = NaturalKey,
    unique(db_cluster_identifier)
)]
pub struct DbCluster {
    /// The name, unique in account and region. RDS keeps it in lower case. A change renames the cluster.
    #[field(normalize = lower)]
    pub db_cluster_identifier: Input<String>,
    /// The engine: `aurora-postgresql`, `aurora-mysql`, `postgres`, `mysql`.
    #[field(replace)]
    pub engine: Input<String>,
    /// The engine's version, whole (`16.4`) or only its beginning (`16`). It can be deferred.
    #[field(cloud_default)]
    pub engine_version: Option<Input<String>>,
    /// `provisioned` (AWS's default) or `serverless` (Aurora Serverless v1).
    #[field(cloud_default)]
    pub engine_mode: Option<Input<String>>,
    /// Whether a change of `engine_mode` is let happen. AWS's default: no.
    #[field(write_only)]
    pub allow_engine_mode_change: Option<Input<bool>>,
    /// Whether a change of `engine_version` to another major version is let happen. AWS's default: no.
    #[field(write_only)]
    pub allow_major_version_upgrade: Option<Input<bool>>,
    /// The parameter group that the instances get when the engine goes to another major version.
    #[field(write_only)]
    pub db_instance_parameter_group_name: Option<Input<DbParameterGroupName>>,
    /// Whether the engine may run beyond its standard support: `open-source-rds-extended-support` (AWS's default) or
    /// `open-source-rds-extended-support-disabled`.
    #[field(cloud_default)]
    pub engine_lifecycle_support: Option<Input<String>>,
    /// Whether RDS brings the engine to later minor versions by itself (Multi-AZ clusters). AWS's default: yes.
    #[field(cloud_default)]
    pub auto_minor_version_upgrade: Option<Input<bool>>,
    /// The name of the first database. Unset, there is none.
    #[field(replace, cloud_default)]
    pub database_name: Option<Input<String>>,
    /// The character set of that database.
    #[field(replace, cloud_default)]
    pub character_set_name: Option<Input<String>>,
    /// The zones of the storage, three of them.
    #[field(replace, set, cloud_default)]
    pub availability_zones: Option<Input<Vec<String>>>,
    /// How large the machines of a Multi-AZ cluster are: `db.m6gd.large` … .
    #[field(cloud_default)]
    pub db_cluster_instance_class: Option<Input<String>>,
    /// The storage of a Multi-AZ cluster in GiB. It can be deferred.
    #[field(cloud_default)]
    pub allocated_storage: Option<Input<i32>>,
    /// The kind of storage: `aurora` or `aurora-iopt1`, of a Multi-AZ cluster `io1`, `io2` or `gp3`. It can be deferred.
    #[field(cloud_default)]
    pub storage_type: Option<Input<String>>,
    /// How many operations a second a Multi-AZ cluster's storage is provisioned for. It can be deferred.
    #[field(cloud_default)]
    pub iops: Option<Input<i32>>,
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
    /// The port. AWS's default is the engine's own.
    #[field(cloud_default)]
    pub port: Option<Input<i32>>,
    /// The subnet group. It decides about the VPC; unset, it is the default VPC's.
    #[field(replace, cloud_default, normalize = lower)]
    pub db_subnet_group_name: Option<Input<DbSubnetGroupName>>,
    /// The security groups. Unset, it is the VPC's default one.
    #[field(set, cloud_default)]
    pub vpc_security_group_ids: Option<Input<Vec<SecurityGroupId>>>,
    /// Whether a Multi-AZ cluster has a public address.
    #[field(replace, cloud_default)]
    pub publicly_accessible: Option<Input<bool>>,
    /// `IPV4` or `DUAL`. AWS's default: `IPV4`.
    #[field(cloud_default)]
    pub network_type: Option<Input<String>>,
    /// The cluster parameter group.
    #[field(cloud_default, normalize = lower)]
    pub db_cluster_parameter_group_name: Option<Input<DbClusterParameterGroupName>>,
    /// The option group.
    #[field(cloud_default, normalize = lower)]
    pub option_group_name: Option<Input<OptionGroupName>>,
    /// The certificate authority of a Multi-AZ cluster's certificates.
    #[field(cloud_default)]
    pub ca_certificate_identifier: Option<Input<String>>,
    /// When maintenance may happen, in UTC: `sun:05:00-sun:06:00`. AWS's default: half an hour at random.
    #[field(cloud_default, normalize = lower)]
    pub preferred_maintenance_window: Option<Input<String>>,
    /// When backups are made, in UTC: `03:00-03:30`. AWS's default: half an hour at random.
    #[field(cloud_default)]
    pub preferred_backup_window: Option<Input<String>>,
    /// For how many days backups are kept, 1 (AWS's default) to 35.
    #[field(cloud_default)]
    pub backup_retention_period: Option<Input<i32>>,
    /// How many seconds Aurora MySQL can be turned back, 0 (AWS's default) to 259200.
    #[field(cloud_default)]
    pub backtrack_window: Option<Input<i64>>,
    /// The recovery point of AWS Backup by which the cluster's backups are managed.
    #[field(cloud_default)]
    pub aws_backup_recovery_point_arn: Option<Input<Arn>>,
    /// Whether snapshots get the cluster's tags. AWS's default: no.
    #[field(cloud_default)]
    pub copy_tags_to_snapshot: Option<Input<bool>>,
    /// Tags of the automated backups that it comes with.
    #[field(write_only)]
    pub tag_specifications: Option<Input<Vec<TagSpecification>>>,
    /// Whether changes are made at once. Unset, those that RDS can defer wait for the maintenance window. When it becomes true, so are those that
    /// wait already.
    #[field(write_only)]
    pub apply_immediately: Option<Input<bool>>,
    /// Whether it cannot be deleted, by phx neither, until this is set to false. AWS's default: no.
    #[field(cloud_default)]
    pub deletion_protection: Option<Input<bool>>,
    /// Whether it is deleted without a last snapshot.
    #[field(write_only)]
    pub skip_final_snapshot: Option<Input<bool>>,
    /// The name of the snapshot that is made when it is deleted. If an earlier cluster has left one of that name behind, the cluster's own id
    /// follows it.
    #[field(write_only)]
    pub final_db_snapshot_identifier: Option<Input<String>>,
    /// Whether its automated backups go when it is deleted. AWS's default: yes.
    #[field(write_only)]
    pub delete_automated_backups: Option<Input<bool>>,
    /// The directory of AWS Managed Microsoft AD that it joins. To leave it: `none`.
    #[field(cloud_default)]
    pub domain: Option<Input<String>>,
    /// The role by which RDS calls that directory.
    #[field(cloud_default)]
    pub domain_iam_role_name: Option<Input<String>>,
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
    /// The logs that are sent to CloudWatch Logs; which there are depends on the engine: `postgresql`, `audit`, `error`, `slowquery` … .
    #[field(set)]
    pub enable_cloudwatch_logs_exports: Option<Input<Vec<String>>>,
    /// Whether statements can be sent over HTTPS (the Data API). AWS's default: no.
    #[field(cloud_default)]
    pub enable_http_endpoint: Option<Input<bool>>,
    /// Between which sizes Aurora Serverless v1 scales.
    #[field(cloud_default)]
    pub scaling_configuration: Option<Input<ServerlessV1Scaling>>,
    /// Between which sizes the instances of the class `db.serverless` scale.
    #[field(cloud_default)]
    pub serverless_v2_scaling_configuration: Option<Input<ServerlessV2Scaling>>,
    /// What only RDS Custom clusters have.
    #[field(replace, cloud_default)]
    pub rds_custom_cluster_configuration: Option<Input<CustomClusterConfiguration>>,
    /// The Oracle SID of an RDS Custom cluster.
    #[field(replace, cloud_default)]
    pub db_system_id: Option<Input<String>>,
    /// `standard` (AWS's default) or `limitless` (Aurora PostgreSQL Limitless Database).
    #[field(replace, cloud_default)]
    pub cluster_scalability_type: Option<Input<String>>,
    /// Whether it is a Limitless Database. `cluster_scalability_type` says it for new ones.
    #[field(cloud_default)]
    pub enable_limitless_database: Option<Input<bool>>,
    /// Whether readers in the cluster take writes, and pass them on (Aurora MySQL). AWS's default: no.
    #[field(cloud_default)]
    pub enable_local_write_forwarding: Option<Input<bool>>,
    /// Whether a secondary cluster of a global one takes writes, and passes them on. AWS's default: no.
    #[field(cloud_default)]
    pub enable_global_write_forwarding: Option<Input<bool>>,
    /// The global cluster that it is one of. Taken out, it leaves that and stands alone.
    pub global_cluster_identifier: Option<Input<String>>,
    /// The instance or cluster that it is a replica of, by its ARN. Taken out, it is promoted to a cluster of its own.
    pub replication_source_identifier: Option<Input<Arn>>,
    /// A signed request for an encrypted replica of another region, in GovCloud and China. It is used when the cluster is made, and never again.
    #[field(secret, write_only, cloud_default)]
    pub pre_signed_url: Option<Input<String>>,
    /// Whether it is made in the express way, with an instance, IAM authentication and an internet gateway of Aurora's.
    #[field(replace, write_only, cloud_default)]
    pub with_express_configuration: Option<Input<bool>>,
    /// The roles by which the database calls other services.
    #[field(set)]
    pub associated_roles: Option<Input<Vec<ClusterRole>>>,
    /// The tags.
    pub tags: Tags,
}

/// Between which sizes Aurora Serverless v1 scales.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ScalingConfiguration.html>
#[derive(Clone, Debug, Block)]
pub struct ServerlessV1Scaling {
    /// The smallest size in Aurora capacity units.
    #[field(cloud_default)]
    pub min_capacity: Option<Input<i32>>,
    /// The largest size in Aurora capacity units.
    #[field(cloud_default)]
    pub max_capacity: Option<Input<i32>>,
    /// Whether it pauses while nobody is connected. AWS's default: yes.
    #[field(cloud_default)]
    pub auto_pause: Option<Input<bool>>,
    /// After how many seconds it pauses, 300 (AWS's default) to 86400.
    #[field(cloud_default)]
    pub seconds_until_auto_pause: Option<Input<i32>>,
    /// What happens when no time to scale is found: `RollbackCapacityChange` (AWS's default) or `ForceApplyCapacityChange`.
    #[field(cloud_default)]
    pub timeout_action: Option<Input<String>>,
    /// For how many seconds a time to scale is looked for, 60 to 600. AWS's default: 300.
    #[field(cloud_default)]
    pub seconds_before_timeout: Option<Input<i32>>,
}

/// Between which sizes the instances of the class `db.serverless` scale.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ServerlessV2ScalingConfiguration.html>
#[derive(Clone, Debug, Block)]
pub struct ServerlessV2Scaling {
    /// The smallest size in Aurora capacity units, a multiple of 0.5 from 0.
    #[field(cloud_default)]
    pub min_capacity: Option<Input<f64>>,
    /// The largest size in Aurora capacity units, a multiple of 0.5 up to 256.
    #[field(cloud_default)]
    pub max_capacity: Option<Input<f64>>,
    /// After how many seconds an instance pauses, if `min_capacity` is 0: 300 (AWS's default) to 86400.
    #[field(cloud_default)]
    pub seconds_until_auto_pause: Option<Input<i32>>,
}

/// What only RDS Custom clusters have.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RdsCustomClusterConfiguration.html>
#[derive(Clone, Debug, Block)]
pub struct CustomClusterConfiguration {
    /// The subnet between the machines.
    pub interconnect_subnet_id: Option<Input<SubnetId>>,
    /// The transit gateway's multicast domain.
    pub transit_gateway_multicast_domain_id: Option<Input<String>>,
    /// How a replica is kept: `open-read-only` or `mounted`.
    #[field(cloud_default)]
    pub replica_mode: Option<Input<String>>,
}

/// A role by which a cluster calls another service.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_AddRoleToDBCluster.html>
#[derive(Clone, Debug, Block)]
pub struct ClusterRole {
    /// The role.
    pub role_arn: Input<Arn>,
    /// What it is for: `s3Import`, `s3Export`, `Lambda`, `SageMaker`, `Comprehend`, `Bedrock`. Aurora MySQL takes none.
    pub feature_name: Option<Input<String>>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct DbClusterOutputs {
    /// The name, by which other types refer to the cluster. It changes only when the cluster is renamed.
    pub db_cluster_identifier: DbClusterId,
    /// The ARN. It changes only when the cluster is renamed.
    pub arn: Arn,
    /// The id that it keeps for its whole life: `cluster-ABCDEFGHIJKLMNOPQRSTUVWXYZ`.
    pub db_cluster_resource_id: Option<String>,
    /// The host name to connect to for writing. It changes only when the cluster is renamed.
    pub endpoint: Option<String>,
    /// The host name to connect to for reading. It changes only when the cluster is renamed.
    pub reader_endpoint: Option<String>,
    /// The hosted zone of those names.
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
}

/// The field that a cluster is looked up by.
const NAME: &str = "db_cluster_identifier";

impl Manage for DbCluster {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let names = targets.iter().map(|t| name(t, NAME));
        let clusters = named(names, |name| current(rds, name), || describe::clusters(rds)).await?;
        let read = |target: &Target<'_>| {
            let name = name(target, NAME);
            let by_name = clusters.iter().find(|c| same_name(c.db_cluster_identifier(), name));
            let cluster = by_name.or_else(|| clusters.iter().find(|c| same_name(future_name(c), name)));
            cluster.map_or(Found::Gone, |c| shown(rds, target, c))
        };
        Ok(targets.iter().map(read).collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &DbClusterResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let name = &want.db_cluster_identifier.to_ascii_lowercase();
        let request = convert::creation(rds, want).set_tags(tagging::marked(&want.tags, intent));
        let send = || rds.write("CreateDBCluster", || request.clone().send());
        let answer = match once_assumable(cx, send).await {
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => match describe::cluster(rds, name).await? {
                // One of this name is only just going away.
                Some(cluster) if state(&cluster) == "deleting" => {
                    gone(rds, cx, name).await?;
                    once_assumable(cx, send).await?
                }
                // Perhaps this very intent's, made by a call whose answer was lost.
                _ => return Self::find(aws, cx, want, intent).await?.ok_or(taken),
            },
            answer => answer?,
        };
        let made = answer.db_cluster.as_ref().and_then(created);
        made.ok_or_else(|| rds.unexpected("CreateDBCluster", "the answer names no cluster"))
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        _: &str,
        want: &DbClusterResolved,
    ) -> Result<Option<DbClusterOutputs>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let name = &want.db_cluster_identifier.to_ascii_lowercase();
        let mut cluster = settled(rds, cx, name, &[]).await?;
        // Roles that others gave it meanwhile are not the program's to take away if it says nothing of roles.
        if let Some(wanted) = &want.associated_roles {
            let there = convert::roles_of(&cluster);
            if convert::change_roles(rds, cx, name, &there, wanted).await? {
                cluster = settled(rds, cx, name, &[]).await?;
            }
        }
        Ok(outputs(&cluster))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        _: &str,
        want: &DbClusterResolved,
        change: &DbClusterChange,
    ) -> Result<Option<DbClusterOutputs>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let new = &want.db_cluster_identifier.to_ascii_lowercase();
        let old = change.db_cluster_identifier.as_ref().and_then(|c| c.before.as_deref()).unwrap_or(new);
        let cluster = match current(rds, old).await? {
            Some(cluster) => cluster,
            // Renamed by a call whose answer was lost.
            None => current(rds, new).await?.ok_or_else(|| missing(rds, "DescribeDBClusters", old))?,
        };
        let name = cluster.db_cluster_identifier.clone().unwrap_or_else(|| old.to_owned());
        let name = name.as_str();
        convert::leave(rds, cx, name, change, &cluster).await?;
        tagging::update(rds, cluster.db_cluster_arn(), change.tags.as_ref()).await?;
        if let Some(roles) = &change.associated_roles {
            let wanted = roles.after.as_deref().unwrap_or_default();
            if convert::change_roles(rds, cx, name, &convert::roles_of(&cluster), wanted).await? {
                settled(rds, cx, name, &[]).await?;
            }
        }
        if change.enable_http_endpoint.is_some() {
            convert::change_http(rds, cx, name, want, &cluster).await?;
        }
        let Some(request) = convert::modification(rds, name, want, change, &cluster) else { return Ok(None) };
        let at_once = want.apply_immediately == Some(true);
        let request = request.apply_immediately(at_once);
        let send = || rds.write_idempotent("ModifyDBCluster", || request.clone().send());
        let answer = when_settled(rds, cx, name, || once_assumable(cx, send)).await?.db_cluster;
        // A rename that waits for the maintenance window leaves the name as it is.
        let is_renamed = at_once || same_name(answer.as_ref().and_then(|c| c.db_cluster_identifier()), new);
        let now = if is_renamed { new } else { name };
        let changes = if at_once { convert::names(change) } else { Vec::new() };
        settled(rds, cx, now, &changes).await.map(|cluster| outputs(&cluster))
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, was: Option<&DbClusterResolved>) -> Result<(), CloudError> {
        let rds = &aws.rds(cx).await?;
        let name = was.map_or(id, |was| was.db_cluster_identifier.as_str());
        let Some(cluster) = current(rds, name).await? else { return Ok(()) };
        let name = cluster.db_cluster_identifier().unwrap_or(name);
        if state(&cluster) != "deleting" {
            let skip = was.is_some_and(|was| was.skip_final_snapshot == Some(true));
            let snapshot = was.and_then(|was| was.final_db_snapshot_identifier.clone()).filter(|_| !skip);
            let request = rds
                .delete_db_cluster()
                .db_cluster_identifier(name)
                .skip_final_snapshot(skip)
                .set_final_db_snapshot_identifier(snapshot)
                .set_delete_automated_backups(was.and_then(|was| was.delete_automated_backups));
            let mut done = when_settled(rds, cx, name, || ask_to_delete(rds, name, &request)).await;
            // An earlier cluster of this name left its last snapshot behind.
            if let Some(other) = done.as_ref().err().and_then(|error| convert::other_snapshot(error, was, &cluster)) {
                (cx.progress)(&format!("there is a snapshot of the last one's name already: this one's is {other}"));
                let request = request.final_db_snapshot_identifier(other);
                done = when_settled(rds, cx, name, || ask_to_delete(rds, name, &request)).await;
            }
            done.map_err(|error| convert::explained(error, &cluster, was))?;
        }
        gone(rds, cx, name).await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &DbClusterResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let name = &want.db_cluster_identifier.to_ascii_lowercase();
        let Some(cluster) = describe::cluster(rds, name).await? else { return Ok(None) };
        owner::check(&format!("the cluster {name}"), &tagging::read(cluster.tag_list()), intent)?;
        Ok(created(&cluster).filter(|_| state(&cluster) != "deleting"))
    }
}

/// Asks for the deletion of a cluster. That it is going away already is no failure.
async fn ask_to_delete(
    rds: &Rds,
    name: &str,
    request: &aws_sdk_rds::operation::delete_db_cluster::builders::DeleteDBClusterFluentBuilder,
) -> Result<(), CloudError> {
    match rds.write_idempotent("DeleteDBCluster", || request.clone().send()).await {
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        Err(error) if is_wrong_state(&error) || error.kind == ErrorKind::AlreadyExists => {
            match describe::cluster(rds, name).await? {
                Some(cluster) if state(&cluster) == "deleting" => Ok(()),
                Some(cluster) if is_wrong_state(&error) => Err(convert::held(error, &cluster)),
                Some(_) => Err(error),
                // Asked for twice, since the first answer was lost: its last snapshot may be there by now.
                None => Ok(()),
            }
        }
        done => done.map(drop),
    }
}

fn created(cluster: &sdk::DbCluster) -> Option<Created<DbCluster>> {
    let outputs = outputs(cluster)?;
    Some(Created { id: outputs.db_cluster_identifier.to_string(), outputs, complete: false })
}

fn outputs(cluster: &sdk::DbCluster) -> Option<DbClusterOutputs> {
    Some(DbClusterOutputs {
        db_cluster_identifier: DbClusterId::new(cluster.db_cluster_identifier()?),
        arn: Arn::new(cluster.db_cluster_arn()?),
        db_cluster_resource_id: cluster.db_cluster_resource_id.clone(),
        endpoint: cluster.endpoint.clone(),
        reader_endpoint: cluster.reader_endpoint.clone(),
        hosted_zone_id: cluster.hosted_zone_id.clone(),
        port: cluster.port,
        engine_version: cluster.engine_version.clone(),
        master_user_secret_arn: cluster.master_user_secret().and_then(|s| s.secret_arn()).map(Arn::new),
    })
}

fn shown(rds: &Rds, target: &Target<'_>, cluster: &sdk::DbCluster) -> Found<DbCluster> {
    if state(cluster) == "deleting" {
        return Found::Gone;
    }
    match outputs(cluster) {
        Some(outputs) => Found::present(as_set::<DbCluster>(target, convert::fields(target, cluster)), outputs),
        None => Found::Failed(rds.unexpected("DescribeDBClusters", "the answer holds a cluster without an ARN")),
    }
}
