//! Between [`DbCluster`](super::DbCluster)'s fields and RDS's requests and answers.

use aws_sdk_rds::operation::create_db_cluster::builders::CreateDBClusterFluentBuilder as Creation;
use aws_sdk_rds::operation::modify_db_cluster::builders::ModifyDBClusterFluentBuilder as Modification;
use aws_sdk_rds::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::{CloudError, Value};

use super::db_cluster::{
    ClusterRole, ClusterRoleResolved, CustomClusterConfigurationResolved, DbClusterChange, DbClusterResolved,
    ServerlessV1ScalingResolved, ServerlessV2ScalingResolved,
};
use super::db_cluster_states::{is_settled, settled, state, when_settled};
use super::db_instance_blocks::specifications;
use super::db_instance_change::{logs, of_its_own};
use super::db_instance_read::{exports, is_major_upgrade, version};
use super::describe::same_name;
use super::{Rds, key, listed, once_assumable, tagging, text, texts};
use crate::arn::Arn;
use crate::forms::in_order_of;
use crate::ids::{DbClusterParameterGroupName, DbSubnetGroupName, OptionGroupName, SecurityGroupId, SubnetId};
use crate::manage::Target;

pub(super) fn creation(rds: &Rds, want: &DbClusterResolved) -> Creation {
    rds.create_db_cluster()
        .db_cluster_identifier(want.db_cluster_identifier.to_ascii_lowercase())
        .engine(&want.engine)
        .set_engine_version(want.engine_version.clone())
        .set_engine_mode(want.engine_mode.clone())
        .set_engine_lifecycle_support(want.engine_lifecycle_support.clone())
        .set_auto_minor_version_upgrade(want.auto_minor_version_upgrade)
        .set_database_name(want.database_name.clone())
        .set_character_set_name(want.character_set_name.clone())
        .set_availability_zones(want.availability_zones.clone())
        .set_db_cluster_instance_class(want.db_cluster_instance_class.clone())
        .set_allocated_storage(want.allocated_storage)
        .set_storage_type(want.storage_type.clone())
        .set_iops(want.iops)
        .set_storage_encrypted(want.storage_encrypted)
        .set_kms_key_id(text(want.kms_key_id.as_ref()))
        .set_master_username(want.master_username.clone())
        .set_master_user_password(want.master_user_password.clone())
        .set_manage_master_user_password(want.manage_master_user_password)
        .set_master_user_secret_kms_key_id(text(want.master_user_secret_kms_key_id.as_ref()))
        .set_master_user_authentication_type(want.master_user_authentication_type.as_deref().map(Into::into))
        .set_enable_iam_database_authentication(want.enable_iam_database_authentication)
        .set_port(want.port)
        .set_db_subnet_group_name(text(want.db_subnet_group_name.as_ref()))
        .set_vpc_security_group_ids(texts(want.vpc_security_group_ids.as_ref()))
        .set_publicly_accessible(want.publicly_accessible)
        .set_network_type(want.network_type.clone())
        .set_db_cluster_parameter_group_name(text(want.db_cluster_parameter_group_name.as_ref()))
        .set_option_group_name(text(want.option_group_name.as_ref()))
        .set_ca_certificate_identifier(want.ca_certificate_identifier.clone())
        .set_preferred_maintenance_window(want.preferred_maintenance_window.clone())
        .set_preferred_backup_window(want.preferred_backup_window.clone())
        .set_backup_retention_period(want.backup_retention_period)
        .set_backtrack_window(want.backtrack_window)
        .set_copy_tags_to_snapshot(want.copy_tags_to_snapshot)
        .set_tag_specifications(specifications(want.tag_specifications.as_ref()))
        .set_deletion_protection(want.deletion_protection)
        .set_domain(want.domain.clone())
        .set_domain_iam_role_name(want.domain_iam_role_name.clone())
        .set_monitoring_interval(want.monitoring_interval)
        .set_monitoring_role_arn(text(want.monitoring_role_arn.as_ref()))
        .set_database_insights_mode(want.database_insights_mode.as_deref().map(Into::into))
        .set_enable_performance_insights(want.enable_performance_insights)
        .set_performance_insights_kms_key_id(text(want.performance_insights_kms_key_id.as_ref()))
        .set_performance_insights_retention_period(want.performance_insights_retention_period)
        .set_enable_cloudwatch_logs_exports(want.enable_cloudwatch_logs_exports.clone())
        .set_enable_http_endpoint(want.enable_http_endpoint)
        .set_scaling_configuration(want.scaling_configuration.as_ref().map(scaling_v1))
        .set_serverless_v2_scaling_configuration(want.serverless_v2_scaling_configuration.as_ref().map(scaling_v2))
        .set_rds_custom_cluster_configuration(want.rds_custom_cluster_configuration.as_ref().map(custom))
        .set_db_system_id(want.db_system_id.clone())
        .set_cluster_scalability_type(want.cluster_scalability_type.as_deref().map(Into::into))
        .set_enable_limitless_database(want.enable_limitless_database)
        .set_enable_local_write_forwarding(want.enable_local_write_forwarding)
        .set_enable_global_write_forwarding(want.enable_global_write_forwarding)
        .set_global_cluster_identifier(want.global_cluster_identifier.clone())
        .set_replication_source_identifier(text(want.replication_source_identifier.as_ref()))
        .set_pre_signed_url(want.pre_signed_url.clone())
        .set_with_express_configuration(want.with_express_configuration)
}

fn scaling_v1(want: &ServerlessV1ScalingResolved) -> sdk::ScalingConfiguration {
    sdk::ScalingConfiguration::builder()
        .set_min_capacity(want.min_capacity)
        .set_max_capacity(want.max_capacity)
        .set_auto_pause(want.auto_pause)
        .set_seconds_until_auto_pause(want.seconds_until_auto_pause)
        .set_timeout_action(want.timeout_action.clone())
        .set_seconds_before_timeout(want.seconds_before_timeout)
        .build()
}

fn scaling_v2(want: &ServerlessV2ScalingResolved) -> sdk::ServerlessV2ScalingConfiguration {
    sdk::ServerlessV2ScalingConfiguration::builder()
        .set_min_capacity(want.min_capacity)
        .set_max_capacity(want.max_capacity)
        .set_seconds_until_auto_pause(want.seconds_until_auto_pause)
        .build()
}

fn custom(want: &CustomClusterConfigurationResolved) -> sdk::RdsCustomClusterConfiguration {
    sdk::RdsCustomClusterConfiguration::builder()
        .set_interconnect_subnet_id(text(want.interconnect_subnet_id.as_ref()))
        .set_transit_gateway_multicast_domain_id(want.transit_gateway_multicast_domain_id.clone())
        .set_replica_mode(want.replica_mode.as_deref().map(Into::into))
        .build()
}

/// The request that makes the changes; `None` if ModifyDBCluster has nothing to do for them. Of values that RDS takes only together, all are
/// sent.
pub(super) fn modification(
    rds: &Rds,
    name: &str,
    want: &DbClusterResolved,
    change: &DbClusterChange,
    cluster: &sdk::DbCluster,
) -> Option<Modification> {
    let mut request = rds.modify_db_cluster().db_cluster_identifier(name);
    let mut needed = false;
    macro_rules! texts_of {
        ($($field:ident),*) => {$(
            if let (Some(_), Some(value)) = (&change.$field, &want.$field) {
                request = request.$field(value.to_string());
                needed = true;
            }
        )*};
    }
    macro_rules! plain {
        ($($field:ident),*) => {$(
            if let (Some(_), Some(value)) = (&change.$field, want.$field) {
                request = request.$field(value);
                needed = true;
            }
        )*};
    }
    texts_of!(
        network_type,
        db_cluster_parameter_group_name,
        option_group_name,
        ca_certificate_identifier,
        preferred_maintenance_window,
        preferred_backup_window,
        engine_lifecycle_support,
        aws_backup_recovery_point_arn,
        db_cluster_instance_class,
        master_user_password
    );
    plain!(
        auto_minor_version_upgrade,
        enable_iam_database_authentication,
        port,
        backup_retention_period,
        backtrack_window,
        copy_tags_to_snapshot,
        deletion_protection,
        enable_limitless_database,
        enable_local_write_forwarding,
        enable_global_write_forwarding
    );
    if change.db_cluster_identifier.is_some() && !same_name(Some(name), &want.db_cluster_identifier) {
        request = request.new_db_cluster_identifier(want.db_cluster_identifier.to_ascii_lowercase());
        needed = true;
    }
    if change.engine_version.is_some() {
        request = request
            .set_engine_version(want.engine_version.clone())
            .set_allow_major_version_upgrade(want.allow_major_version_upgrade)
            .set_db_instance_parameter_group_name(text(want.db_instance_parameter_group_name.as_ref()));
        needed = true;
    }
    if change.engine_mode.is_some() {
        request = request
            .set_engine_mode(want.engine_mode.clone())
            .set_allow_engine_mode_change(want.allow_engine_mode_change);
        needed = true;
    }
    if change.allocated_storage.is_some() || change.iops.is_some() || change.storage_type.is_some() {
        request = request
            .set_allocated_storage(want.allocated_storage)
            .set_iops(want.iops)
            .set_storage_type(change.storage_type.as_ref().and_then(|c| c.after.clone()));
        needed = true;
    }
    if change.manage_master_user_password.is_some() || change.master_user_secret_kms_key_id.is_some() {
        let managed = want.manage_master_user_password;
        let kms = text(want.master_user_secret_kms_key_id.as_ref()).filter(|_| managed == Some(true));
        request = request.set_manage_master_user_password(managed).set_master_user_secret_kms_key_id(kms);
        // RDS lets go of the password only for another.
        if let (Some(false), Some(password)) = (managed, &want.master_user_password) {
            request = request.master_user_password(password);
        }
        needed |= managed.is_some();
    }
    if change.rotate_master_user_password.as_ref().is_some_and(|c| c.after == Some(true)) {
        request = request.rotate_master_user_password(true);
        needed = true;
    }
    if let (Some(_), Some(kind)) = (&change.master_user_authentication_type, &want.master_user_authentication_type) {
        request = request.master_user_authentication_type(kind.as_str().into());
        needed = true;
    }
    if change.vpc_security_group_ids.is_some() {
        request = request.set_vpc_security_group_ids(texts(want.vpc_security_group_ids.as_ref()));
        needed = true;
    }
    if change.domain.is_some() || change.domain_iam_role_name.is_some() {
        request = request.set_domain(want.domain.clone()).set_domain_iam_role_name(want.domain_iam_role_name.clone());
        needed = true;
    }
    if change.monitoring_interval.is_some() || change.monitoring_role_arn.is_some() {
        request = request
            .set_monitoring_interval(want.monitoring_interval)
            .set_monitoring_role_arn(text(want.monitoring_role_arn.as_ref()));
        needed = true;
    }
    if change.database_insights_mode.is_some()
        || change.enable_performance_insights.is_some()
        || change.performance_insights_kms_key_id.is_some()
        || change.performance_insights_retention_period.is_some()
    {
        request = request
            .set_database_insights_mode(want.database_insights_mode.as_deref().map(Into::into))
            .set_enable_performance_insights(want.enable_performance_insights)
            .set_performance_insights_kms_key_id(text(want.performance_insights_kms_key_id.as_ref()))
            .set_performance_insights_retention_period(want.performance_insights_retention_period);
        needed = true;
    }
    if let Some(change) = &change.enable_cloudwatch_logs_exports {
        request = request.cloudwatch_logs_export_configuration(logs(change));
        needed = true;
    }
    if change.enable_http_endpoint.is_some() && is_serverless_v1(cluster) {
        request = request.set_enable_http_endpoint(want.enable_http_endpoint);
        needed = true;
    }
    if let (Some(_), Some(scaling)) = (&change.scaling_configuration, &want.scaling_configuration) {
        request = request.scaling_configuration(scaling_v1(scaling));
        needed = true;
    }
    if let (Some(_), Some(scaling)) =
        (&change.serverless_v2_scaling_configuration, &want.serverless_v2_scaling_configuration)
    {
        request = request.serverless_v2_scaling_configuration(scaling_v2(scaling));
        needed = true;
    }
    // Said alone, it applies what is pending.
    let hurry = change.apply_immediately.as_ref().is_some_and(|c| c.after == Some(true));
    let none = sdk::ClusterPendingModifiedValues::builder().build();
    needed |= hurry && cluster.pending_modified_values().is_some_and(|p| *p != none);
    needed.then_some(request)
}

/// The changes that RDS may show as pending.
pub(super) fn names(change: &DbClusterChange) -> Vec<&'static str> {
    let all = [
        ("db_cluster_identifier", change.db_cluster_identifier.is_some()),
        ("master_user_password", change.master_user_password.is_some()),
        ("enable_iam_database_authentication", change.enable_iam_database_authentication.is_some()),
        ("engine_version", change.engine_version.is_some()),
        ("backup_retention_period", change.backup_retention_period.is_some()),
        ("storage_type", change.storage_type.is_some()),
        ("allocated_storage", change.allocated_storage.is_some()),
        ("iops", change.iops.is_some()),
        ("enable_cloudwatch_logs_exports", change.enable_cloudwatch_logs_exports.is_some()),
    ];
    // With `apply_immediately` comes all that waits.
    let hurry = change.apply_immediately.as_ref().is_some_and(|c| c.after == Some(true));
    all.into_iter().filter(|(_, changed)| *changed || hurry).map(|(name, _)| name).collect()
}

fn is_serverless_v1(cluster: &sdk::DbCluster) -> bool {
    cluster.engine_mode() == Some("serverless")
}

/// Switches the Data API, which has calls of its own but for Aurora Serverless v1.
pub(super) async fn change_http(
    rds: &Rds,
    cx: &Cx,
    name: &str,
    want: &DbClusterResolved,
    cluster: &sdk::DbCluster,
) -> Result<(), CloudError> {
    let (Some(arn), Some(on)) = (cluster.db_cluster_arn(), want.enable_http_endpoint) else { return Ok(()) };
    if is_serverless_v1(cluster) {
        return Ok(());
    }
    when_settled(rds, cx, name, || async move {
        if on {
            let request = rds.enable_http_endpoint().resource_arn(arn);
            rds.write_idempotent("EnableHttpEndpoint", || request.clone().send()).await.map(drop)
        } else {
            let request = rds.disable_http_endpoint().resource_arn(arn);
            rds.write_idempotent("DisableHttpEndpoint", || request.clone().send()).await.map(drop)
        }
    })
    .await
}

/// Takes the cluster out of what it is no longer to be a part of. It cannot be put into something in place.
pub(super) async fn leave(
    rds: &Rds,
    cx: &Cx,
    name: &str,
    change: &DbClusterChange,
    cluster: &sdk::DbCluster,
) -> Result<(), CloudError> {
    let refused = |what: &str| {
        let message = format!("an existing cluster cannot become {what}");
        Err(CloudError::local(ErrorKind::Invalid, message).hint("`up --replace` makes a new one"))
    };
    let global = cluster.global_cluster_identifier().filter(|g| !g.is_empty());
    match (&change.global_cluster_identifier, global) {
        (Some(change), there) if change.after.as_deref().is_some_and(|after| !same_name(there, after)) => {
            return refused("one of a global cluster, or of another one");
        }
        (Some(change), Some(global)) if change.after.is_none() => {
            let request = rds
                .remove_from_global_cluster()
                .global_cluster_identifier(global)
                .set_db_cluster_identifier(cluster.db_cluster_arn.clone());
            let send = || rds.write_idempotent("RemoveFromGlobalCluster", || request.clone().send());
            match when_settled(rds, cx, name, send).await {
                Err(error) if error.kind == ErrorKind::NotFound => {}
                done => drop(done?),
            }
            settled(rds, cx, name, &[]).await?;
        }
        _ => {}
    }
    let source = cluster.replication_source_identifier().filter(|s| !s.is_empty());
    match (&change.replication_source_identifier, source) {
        (Some(change), there) if change.after.as_ref().is_some_and(|after| there != Some(after.as_str())) => {
            refused("a replica, or one of another source")
        }
        (Some(change), Some(_)) if change.after.is_none() => {
            let request = rds.promote_read_replica_db_cluster().db_cluster_identifier(name);
            let send = || rds.write_idempotent("PromoteReadReplicaDBCluster", || request.clone().send());
            when_settled(rds, cx, name, send).await?;
            settled(rds, cx, name, &[]).await.map(drop)
        }
        _ => Ok(()),
    }
}

/// Gives the cluster roles and takes others away. Tells whether anything was to be done.
pub(super) async fn change_roles(
    rds: &Rds,
    cx: &Cx,
    name: &str,
    there: &[ClusterRoleResolved],
    want: &[ClusterRoleResolved],
) -> Result<bool, CloudError> {
    let extra: Vec<_> = there.iter().filter(|role| !want.contains(role)).collect();
    let missing: Vec<_> = want.iter().filter(|role| !there.contains(role)).collect();
    for role in &extra {
        let request = rds
            .remove_role_from_db_cluster()
            .db_cluster_identifier(name)
            .role_arn(role.role_arn.as_str())
            .set_feature_name(role.feature_name.clone());
        let send = || rds.write_idempotent("RemoveRoleFromDBCluster", || request.clone().send());
        match when_settled(rds, cx, name, send).await {
            Err(error) if error.code.as_deref() == Some("DBClusterRoleNotFound") => {}
            done => drop(done?),
        }
    }
    for role in &missing {
        let request = rds
            .add_role_to_db_cluster()
            .db_cluster_identifier(name)
            .role_arn(role.role_arn.as_str())
            .set_feature_name(role.feature_name.clone());
        let send = || rds.write_idempotent("AddRoleToDBCluster", || request.clone().send());
        match when_settled(rds, cx, name, || once_assumable(cx, send)).await {
            Err(error) if error.kind == ErrorKind::AlreadyExists => {}
            done => drop(done?),
        }
    }
    Ok(!extra.is_empty() || !missing.is_empty())
}

/// The roles that the cluster has, or is being given.
pub(super) fn roles_of(cluster: &sdk::DbCluster) -> Vec<ClusterRoleResolved> {
    let role = |role: &sdk::DbClusterRole| {
        Some(ClusterRoleResolved {
            role_arn: Arn::new(role.role_arn()?),
            feature_name: role.feature_name.clone().filter(|name| !name.is_empty()),
        })
    };
    cluster.associated_roles().iter().filter_map(role).collect()
}

/// A cluster that instances hold, in words.
pub(super) fn held(error: CloudError, cluster: &sdk::DbCluster) -> CloudError {
    let members: Vec<&str> = cluster.db_cluster_members().iter().filter_map(|m| m.db_instance_identifier()).collect();
    // A Multi-AZ cluster takes its instances along, and while something is under way in a cluster that is what it is refused for.
    if members.is_empty() || cluster.db_cluster_instance_class().is_some() || !is_settled(state(cluster)) {
        return error;
    }
    let hint = format!("delete its instances first: {}", members.join(", "));
    CloudError { kind: ErrorKind::InUse, ..error }.hint(hint)
}

/// Another name for the last snapshot, if the deletion was refused since there is one of the name that the program says.
pub(super) fn other_snapshot(
    error: &CloudError,
    was: Option<&DbClusterResolved>,
    cluster: &sdk::DbCluster,
) -> Option<String> {
    let wanted = was?.final_db_snapshot_identifier.as_deref()?;
    let own = cluster.db_cluster_resource_id().filter(|id| !id.is_empty())?;
    (error.kind == ErrorKind::AlreadyExists).then(|| of_its_own(wanted, own))
}

/// A refused deletion, with what to do about it.
pub(super) fn explained(error: CloudError, cluster: &sdk::DbCluster, was: Option<&DbClusterResolved>) -> CloudError {
    let named = was.is_some_and(|was| was.final_db_snapshot_identifier.is_some());
    let skipped = was.is_some_and(|was| was.skip_final_snapshot == Some(true));
    match error.kind {
        ErrorKind::AlreadyExists => {
            error.hint("there is a snapshot of that name: set another final_db_snapshot_identifier, and run `up` before")
        }
        _ if error.hint.is_some() => error,
        _ if cluster.deletion_protection() == Some(true) => {
            error.hint("the cluster is protected: set deletion_protection to false, and run `up` before")
        }
        ErrorKind::Invalid if !named && !skipped => error.hint(
            "set final_db_snapshot_identifier for a last snapshot, or skip_final_snapshot to lose the data, and run `up` before",
        ),
        _ => error,
    }
}

/// A cluster as a program would have to set it: with what is pending as if it had happened.
pub(super) fn fields(target: &Target<'_>, cluster: &sdk::DbCluster) -> DbClusterResolved {
    let none = sdk::ClusterPendingModifiedValues::builder().build();
    let pending = cluster.pending_modified_values().unwrap_or(&none);
    let set_text = |field: &str| target.inputs.get(field).and_then(Value::as_str);
    let domain = cluster.domain_memberships().iter().find(|m| !m.status().is_some_and(|s| s.contains("remov")));
    let said = |text: &String| !text.is_empty();
    DbClusterResolved {
        db_cluster_identifier: pending
            .db_cluster_identifier
            .clone()
            .or_else(|| cluster.db_cluster_identifier.clone())
            .unwrap_or_default(),
        engine: cluster.engine.clone().unwrap_or_default(),
        engine_version: version(
            set_text("engine_version"),
            pending.engine_version().or(cluster.engine_version()),
            cluster.auto_minor_version_upgrade() == Some(true),
        ),
        engine_mode: cluster.engine_mode.clone(),
        allow_engine_mode_change: None,
        allow_major_version_upgrade: None,
        db_instance_parameter_group_name: None,
        engine_lifecycle_support: cluster.engine_lifecycle_support.clone(),
        auto_minor_version_upgrade: cluster.auto_minor_version_upgrade,
        database_name: cluster.database_name.clone(),
        character_set_name: cluster.character_set_name.clone(),
        availability_zones: zones(target, cluster.availability_zones()),
        db_cluster_instance_class: cluster.db_cluster_instance_class.clone(),
        allocated_storage: pending.allocated_storage.or(cluster.allocated_storage),
        storage_type: storage_type(pending.storage_type().or(cluster.storage_type()), cluster),
        iops: pending.iops.or(cluster.iops),
        storage_encrypted: cluster.storage_encrypted,
        kms_key_id: key(target, "kms_key_id", cluster.kms_key_id()),
        master_username: cluster.master_username.clone(),
        master_user_password: None,
        manage_master_user_password: Some(cluster.master_user_secret().is_some()),
        master_user_secret_kms_key_id: key(
            target,
            "master_user_secret_kms_key_id",
            cluster.master_user_secret().and_then(|s| s.kms_key_id()),
        ),
        rotate_master_user_password: None,
        master_user_authentication_type: None,
        enable_iam_database_authentication: pending
            .iam_database_authentication_enabled
            .or(cluster.iam_database_authentication_enabled),
        port: cluster.port,
        db_subnet_group_name: cluster.db_subnet_group().map(DbSubnetGroupName::new),
        vpc_security_group_ids: Some(
            cluster
                .vpc_security_groups()
                .iter()
                .filter(|g| g.status() != Some("removing"))
                .filter_map(|g| g.vpc_security_group_id())
                .map(SecurityGroupId::new)
                .collect(),
        ),
        publicly_accessible: cluster.publicly_accessible,
        network_type: cluster.network_type.clone(),
        db_cluster_parameter_group_name: set_text("db_cluster_parameter_group_name")
            .filter(|_| is_major_upgrade(cluster.engine_version(), pending.engine_version()))
            .or(cluster.db_cluster_parameter_group())
            .map(DbClusterParameterGroupName::new),
        option_group_name: cluster
            .db_cluster_option_group_memberships()
            .iter()
            .find(|g| !g.status().is_some_and(|s| s.contains("remov")))
            .and_then(|g| g.db_cluster_option_group_name())
            .map(OptionGroupName::new),
        ca_certificate_identifier: cluster.certificate_details().and_then(|c| c.ca_identifier.clone()),
        preferred_maintenance_window: cluster.preferred_maintenance_window.clone(),
        preferred_backup_window: cluster.preferred_backup_window.clone(),
        backup_retention_period: pending.backup_retention_period.or(cluster.backup_retention_period),
        backtrack_window: cluster.backtrack_window,
        aws_backup_recovery_point_arn: cluster.aws_backup_recovery_point_arn().map(Arn::new),
        copy_tags_to_snapshot: cluster.copy_tags_to_snapshot,
        tag_specifications: None,
        apply_immediately: None,
        deletion_protection: cluster.deletion_protection,
        skip_final_snapshot: None,
        final_db_snapshot_identifier: None,
        delete_automated_backups: None,
        domain: domain.and_then(|m| m.domain.clone()).filter(said).or_else(|| left_domain(target)),
        domain_iam_role_name: domain.and_then(|m| m.iam_role_name.clone()).filter(said),
        monitoring_interval: cluster.monitoring_interval,
        monitoring_role_arn: cluster.monitoring_role_arn().map(Arn::new),
        database_insights_mode: cluster.database_insights_mode().map(|mode| mode.as_str().to_owned()),
        enable_performance_insights: cluster.performance_insights_enabled,
        performance_insights_kms_key_id: key(
            target,
            "performance_insights_kms_key_id",
            cluster.performance_insights_kms_key_id(),
        ),
        performance_insights_retention_period: cluster.performance_insights_retention_period,
        enable_cloudwatch_logs_exports: exports(
            cluster.enabled_cloudwatch_logs_exports(),
            pending.pending_cloudwatch_logs_exports(),
        ),
        enable_http_endpoint: cluster.http_endpoint_enabled,
        scaling_configuration: cluster.scaling_configuration_info().map(scaling_v1_of),
        serverless_v2_scaling_configuration: cluster.serverless_v2_scaling_configuration().map(scaling_v2_of),
        rds_custom_cluster_configuration: cluster.rds_custom_cluster_configuration().map(custom_of),
        db_system_id: cluster.db_system_id.clone(),
        cluster_scalability_type: cluster.cluster_scalability_type().map(|kind| kind.as_str().to_owned()),
        enable_limitless_database: cluster
            .limitless_database()
            .and_then(|l| l.status())
            .map(|status| !matches!(status.as_str(), "disabled" | "disabling" | "not-in-use")),
        enable_local_write_forwarding: cluster
            .local_write_forwarding_status()
            .map(|status| !matches!(status.as_str(), "disabled" | "disabling")),
        enable_global_write_forwarding: cluster.global_write_forwarding_requested,
        global_cluster_identifier: cluster.global_cluster_identifier.clone().filter(said),
        replication_source_identifier: cluster
            .replication_source_identifier()
            .filter(|source| !source.is_empty())
            .map(Arn::new),
        pre_signed_url: None,
        with_express_configuration: None,
        associated_roles: listed(in_order_of::<ClusterRole>(target.inputs.get("associated_roles"), roles_of(cluster))),
        tags: tagging::read(cluster.tag_list()),
    }
}

/// The zones. RDS adds some when the program names fewer than three; those count as the program's own.
fn zones(target: &Target<'_>, told: &[String]) -> Option<Vec<String>> {
    let wanted = match target.inputs.get("availability_zones").map(Value::expose) {
        Some(Value::List(zones)) => zones.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let added = !wanted.is_empty() && wanted.len() < 3 && wanted.iter().all(|zone: &String| told.contains(zone));
    listed(if added { wanted } else { told.to_vec() })
}

/// The kind of storage. Aurora leaves out the one that is usual.
fn storage_type(told: Option<&str>, cluster: &sdk::DbCluster) -> Option<String> {
    let aurora = || cluster.engine().is_some_and(|e| e.starts_with("aurora")).then_some("aurora");
    told.filter(|told| !told.is_empty()).or_else(aurora).map(str::to_owned)
}

/// To leave a directory a program says `none`, and so RDS tells of none.
fn left_domain(target: &Target<'_>) -> Option<String> {
    target.inputs.get("domain").and_then(Value::as_str).filter(|domain| *domain == "none").map(str::to_owned)
}

fn scaling_v1_of(told: &sdk::ScalingConfigurationInfo) -> ServerlessV1ScalingResolved {
    ServerlessV1ScalingResolved {
        min_capacity: told.min_capacity,
        max_capacity: told.max_capacity,
        auto_pause: told.auto_pause,
        seconds_until_auto_pause: told.seconds_until_auto_pause,
        timeout_action: told.timeout_action.clone(),
        seconds_before_timeout: told.seconds_before_timeout,
    }
}

fn scaling_v2_of(told: &sdk::ServerlessV2ScalingConfigurationInfo) -> ServerlessV2ScalingResolved {
    ServerlessV2ScalingResolved {
        min_capacity: told.min_capacity,
        max_capacity: told.max_capacity,
        seconds_until_auto_pause: told.seconds_until_auto_pause,
    }
}

fn custom_of(told: &sdk::RdsCustomClusterConfiguration) -> CustomClusterConfigurationResolved {
    CustomClusterConfigurationResolved {
        interconnect_subnet_id: told.interconnect_subnet_id().map(SubnetId::new),
        transit_gateway_multicast_domain_id: told.transit_gateway_multicast_domain_id.clone(),
        replica_mode: told.replica_mode().map(|mode| mode.as_str().to_owned()),
    }
}
