//! The ways of making a [`DbInstance`].

use std::collections::BTreeMap;

use aws_sdk_rds::operation::create_db_instance::builders::CreateDBInstanceFluentBuilder as Creation;
use aws_sdk_rds::operation::create_db_instance_read_replica::builders::CreateDBInstanceReadReplicaFluentBuilder as Replication;
use aws_sdk_rds::operation::restore_db_instance_from_db_snapshot::builders::RestoreDBInstanceFromDBSnapshotFluentBuilder as Revival;
use aws_sdk_rds::operation::restore_db_instance_to_point_in_time::builders::RestoreDBInstanceToPointInTimeFluentBuilder as Restoration;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use phx_model::driver::Delta;
use phx_model::error::ErrorKind;
use phx_model::schema::satisfied;
use phx_model::{CloudError, Resource};

use super::db_instance::{DbInstance, DbInstanceChange, DbInstanceResolved};
use super::db_instance_blocks::{processor_features, specifications, volumes};
use super::{Rds, text, texts};

/// The ways of making an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    New,
    Replica,
    PointInTime,
    Snapshot,
}

impl Origin {
    pub(super) fn of(want: &DbInstanceResolved) -> Self {
        if want.restore_time.is_some()
            || want.use_latest_restorable_time == Some(true)
            || want.source_dbi_resource_id.is_some()
            || want.source_db_instance_automated_backups_arn.is_some()
        {
            Self::PointInTime
        } else if want.db_snapshot_identifier.is_some() || want.db_cluster_snapshot_identifier.is_some() {
            Self::Snapshot
        } else if want.source_db_instance_identifier.is_some() || want.source_db_cluster_identifier.is_some() {
            Self::Replica
        } else {
            Self::New
        }
    }

    /// The fields that the call does not take, and ModifyDBInstance does.
    fn left(self) -> &'static [&'static str] {
        match self {
            Self::New => &["automation_mode", "aws_backup_recovery_point_arn"],
            Self::Replica => &[
                "automation_mode",
                "aws_backup_recovery_point_arn",
                "backup_retention_period",
                "db_security_groups",
                "engine_lifecycle_support",
                "engine_version",
                "license_model",
                "manage_master_user_password",
                "master_user_authentication_type",
                "master_user_password",
                "master_user_secret_kms_key_id",
                "multi_tenant",
                "preferred_backup_window",
                "preferred_maintenance_window",
                "promotion_tier",
                "tde_credential_arn",
            ],
            Self::PointInTime => &[
                "automation_mode",
                "aws_backup_recovery_point_arn",
                "database_insights_mode",
                "db_security_groups",
                "enable_performance_insights",
                "engine_version",
                "manage_master_user_password",
                "master_user_authentication_type",
                "master_user_password",
                "master_user_secret_kms_key_id",
                "monitoring_interval",
                "monitoring_role_arn",
                "multi_tenant",
                "performance_insights_kms_key_id",
                "performance_insights_retention_period",
                "preferred_maintenance_window",
                "promotion_tier",
                "replica_mode",
            ],
            Self::Snapshot => &[
                "automation_mode",
                "aws_backup_recovery_point_arn",
                "database_insights_mode",
                "db_security_groups",
                "enable_performance_insights",
                "engine_version",
                // The call takes these two for Oracle only.
                "manage_master_user_password",
                "master_user_authentication_type",
                "master_user_password",
                "master_user_secret_kms_key_id",
                "max_allocated_storage",
                "monitoring_interval",
                "monitoring_role_arn",
                "multi_tenant",
                "performance_insights_kms_key_id",
                "performance_insights_retention_period",
                "preferred_maintenance_window",
                "promotion_tier",
                "replica_mode",
            ],
        }
    }
}

/// What of a new instance is not yet as it is wished to be, since the call that made it did not take it.
pub(super) fn left(want: &DbInstanceResolved, there: &DbInstanceResolved) -> Result<DbInstanceChange, CloudError> {
    let (wanted, there) = (DbInstance::fields(want), DbInstance::fields(there));
    let mut deltas = BTreeMap::new();
    for name in Origin::of(want).left() {
        let (Some(after), Some(field)) = (wanted.get(*name), DbInstance::schema().field(name)) else { continue };
        let before = there.get(*name).cloned().unwrap_or_default();
        if field.write_only || !satisfied(field, after, &before) {
            deltas.insert((*name).to_owned(), Delta { before, after: after.clone() });
        }
    }
    DbInstance::change(&deltas).map_err(|e| CloudError::local(ErrorKind::Invalid, e.to_string()))
}

pub(super) fn creation(rds: &Rds, want: &DbInstanceResolved) -> Creation {
    rds.create_db_instance()
        .db_instance_identifier(want.db_instance_identifier.to_ascii_lowercase())
        .db_instance_class(&want.db_instance_class)
        .set_engine(want.engine.clone())
        .set_engine_version(want.engine_version.clone())
        .set_db_name(want.db_name.clone())
        .set_allocated_storage(want.allocated_storage)
        .set_max_allocated_storage(want.max_allocated_storage)
        .set_storage_type(want.storage_type.clone())
        .set_iops(want.iops)
        .set_storage_throughput(want.storage_throughput)
        .set_additional_storage_volumes(volumes(want.additional_storage_volumes.as_ref()))
        .set_dedicated_log_volume(want.dedicated_log_volume)
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
        .set_db_security_groups(want.db_security_groups.clone())
        .set_publicly_accessible(want.publicly_accessible)
        .set_network_type(want.network_type.clone())
        .set_enable_customer_owned_ip(want.enable_customer_owned_ip)
        .set_availability_zone(want.availability_zone.clone())
        .set_multi_az(want.multi_az)
        .set_db_parameter_group_name(text(want.db_parameter_group_name.as_ref()))
        .set_option_group_name(text(want.option_group_name.as_ref()))
        .set_ca_certificate_identifier(want.ca_certificate_identifier.clone())
        .set_preferred_maintenance_window(want.preferred_maintenance_window.clone())
        .set_preferred_backup_window(want.preferred_backup_window.clone())
        .set_backup_retention_period(want.backup_retention_period)
        .set_backup_target(want.backup_target.clone())
        .set_copy_tags_to_snapshot(want.copy_tags_to_snapshot)
        .set_tag_specifications(specifications(want.tag_specifications.as_ref()))
        .set_auto_minor_version_upgrade(want.auto_minor_version_upgrade)
        .set_engine_lifecycle_support(want.engine_lifecycle_support.clone())
        .set_deletion_protection(want.deletion_protection)
        .set_license_model(want.license_model.clone())
        .set_character_set_name(want.character_set_name.clone())
        .set_nchar_character_set_name(want.nchar_character_set_name.clone())
        .set_timezone(want.timezone.clone())
        .set_multi_tenant(want.multi_tenant)
        .set_db_system_id(want.db_system_id.clone())
        .set_custom_iam_instance_profile(want.custom_iam_instance_profile.clone())
        .set_tde_credential_arn(text(want.tde_credential_arn.as_ref()))
        .set_tde_credential_password(want.tde_credential_password.clone())
        .set_domain(want.domain.clone())
        .set_domain_iam_role_name(want.domain_iam_role_name.clone())
        .set_domain_fqdn(want.domain_fqdn.clone())
        .set_domain_ou(want.domain_ou.clone())
        .set_domain_auth_secret_arn(text(want.domain_auth_secret_arn.as_ref()))
        .set_domain_dns_ips(want.domain_dns_ips.clone())
        .set_monitoring_interval(want.monitoring_interval)
        .set_monitoring_role_arn(text(want.monitoring_role_arn.as_ref()))
        .set_database_insights_mode(want.database_insights_mode.as_deref().map(Into::into))
        .set_enable_performance_insights(want.enable_performance_insights)
        .set_performance_insights_kms_key_id(text(want.performance_insights_kms_key_id.as_ref()))
        .set_performance_insights_retention_period(want.performance_insights_retention_period)
        .set_enable_cloudwatch_logs_exports(want.enable_cloudwatch_logs_exports.clone())
        .set_processor_features(processor_features(want.processor_features.as_ref()))
        .set_db_capacity_reservation_identifier(want.db_capacity_reservation_identifier.clone())
        .set_db_cluster_identifier(text(want.db_cluster_identifier.as_ref()))
        .set_promotion_tier(want.promotion_tier)
}

pub(super) fn replication(rds: &Rds, want: &DbInstanceResolved) -> Replication {
    rds.create_db_instance_read_replica()
        .db_instance_identifier(want.db_instance_identifier.to_ascii_lowercase())
        .set_source_db_instance_identifier(text(want.source_db_instance_identifier.as_ref()))
        .set_source_db_cluster_identifier(text(want.source_db_cluster_identifier.as_ref()))
        .db_instance_class(&want.db_instance_class)
        .set_replica_mode(want.replica_mode.as_deref().map(Into::into))
        .set_upgrade_storage_config(want.upgrade_storage_config)
        .set_pre_signed_url(want.pre_signed_url.clone())
        .set_allocated_storage(want.allocated_storage)
        .set_max_allocated_storage(want.max_allocated_storage)
        .set_storage_type(want.storage_type.clone())
        .set_iops(want.iops)
        .set_storage_throughput(want.storage_throughput)
        .set_additional_storage_volumes(volumes(want.additional_storage_volumes.as_ref()))
        .set_dedicated_log_volume(want.dedicated_log_volume)
        .set_kms_key_id(text(want.kms_key_id.as_ref()))
        .set_enable_iam_database_authentication(want.enable_iam_database_authentication)
        .set_port(want.port)
        .set_db_subnet_group_name(text(want.db_subnet_group_name.as_ref()))
        .set_vpc_security_group_ids(texts(want.vpc_security_group_ids.as_ref()))
        .set_publicly_accessible(want.publicly_accessible)
        .set_network_type(want.network_type.clone())
        .set_enable_customer_owned_ip(want.enable_customer_owned_ip)
        .set_availability_zone(want.availability_zone.clone())
        .set_multi_az(want.multi_az)
        .set_db_parameter_group_name(text(want.db_parameter_group_name.as_ref()))
        .set_option_group_name(text(want.option_group_name.as_ref()))
        .set_ca_certificate_identifier(want.ca_certificate_identifier.clone())
        .set_backup_target(want.backup_target.clone())
        .set_copy_tags_to_snapshot(want.copy_tags_to_snapshot)
        .set_tag_specifications(specifications(want.tag_specifications.as_ref()))
        .set_auto_minor_version_upgrade(want.auto_minor_version_upgrade)
        .set_deletion_protection(want.deletion_protection)
        .set_custom_iam_instance_profile(want.custom_iam_instance_profile.clone())
        .set_domain(want.domain.clone())
        .set_domain_iam_role_name(want.domain_iam_role_name.clone())
        .set_domain_fqdn(want.domain_fqdn.clone())
        .set_domain_ou(want.domain_ou.clone())
        .set_domain_auth_secret_arn(text(want.domain_auth_secret_arn.as_ref()))
        .set_domain_dns_ips(want.domain_dns_ips.clone())
        .set_monitoring_interval(want.monitoring_interval)
        .set_monitoring_role_arn(text(want.monitoring_role_arn.as_ref()))
        .set_database_insights_mode(want.database_insights_mode.as_deref().map(Into::into))
        .set_enable_performance_insights(want.enable_performance_insights)
        .set_performance_insights_kms_key_id(text(want.performance_insights_kms_key_id.as_ref()))
        .set_performance_insights_retention_period(want.performance_insights_retention_period)
        .set_enable_cloudwatch_logs_exports(want.enable_cloudwatch_logs_exports.clone())
        .set_processor_features(processor_features(want.processor_features.as_ref()))
        .set_use_default_processor_features(want.use_default_processor_features)
        .set_db_capacity_reservation_identifier(want.db_capacity_reservation_identifier.clone())
}

/// The name that the database of a copy gets. Of engines whose databases keep theirs, RDS takes none: "DBName must be null when Restoring for this
/// Engine".
fn new_name(want: &DbInstanceResolved) -> Option<String> {
    want.db_name.clone().filter(|_| !want.engine.as_deref().is_some_and(keeps_name))
}

/// Whether a copy's database has the name that it has in the source.
pub(super) fn keeps_name(engine: &str) -> bool {
    matches!(engine, "mariadb" | "mysql" | "postgres")
}

pub(super) fn restoration(rds: &Rds, want: &DbInstanceResolved) -> Result<Restoration, CloudError> {
    let parse = |time: &String| {
        DateTime::from_str(time, Format::DateTimeWithOffset).map_err(|e| {
            CloudError::local(ErrorKind::Invalid, format!("restore_time {time:?} is no time: {e}"))
                .hint("write it as 2026-01-31T23:45:00Z")
        })
    };
    let restore_time = want.restore_time.as_ref().map(parse).transpose()?;
    Ok(rds
        .restore_db_instance_to_point_in_time()
        .target_db_instance_identifier(want.db_instance_identifier.to_ascii_lowercase())
        .set_source_db_instance_identifier(text(want.source_db_instance_identifier.as_ref()))
        .set_source_dbi_resource_id(want.source_dbi_resource_id.clone())
        .set_source_db_instance_automated_backups_arn(text(want.source_db_instance_automated_backups_arn.as_ref()))
        .set_restore_time(restore_time)
        .set_use_latest_restorable_time(want.use_latest_restorable_time)
        .db_instance_class(&want.db_instance_class)
        .set_engine(want.engine.clone())
        .set_db_name(new_name(want))
        .set_allocated_storage(want.allocated_storage)
        .set_max_allocated_storage(want.max_allocated_storage)
        .set_storage_type(want.storage_type.clone())
        .set_iops(want.iops)
        .set_storage_throughput(want.storage_throughput)
        .set_additional_storage_volumes(volumes(want.additional_storage_volumes.as_ref()))
        .set_dedicated_log_volume(want.dedicated_log_volume)
        .set_enable_iam_database_authentication(want.enable_iam_database_authentication)
        .set_port(want.port)
        .set_db_subnet_group_name(text(want.db_subnet_group_name.as_ref()))
        .set_vpc_security_group_ids(texts(want.vpc_security_group_ids.as_ref()))
        .set_publicly_accessible(want.publicly_accessible)
        .set_network_type(want.network_type.clone())
        .set_enable_customer_owned_ip(want.enable_customer_owned_ip)
        .set_availability_zone(want.availability_zone.clone())
        .set_multi_az(want.multi_az)
        .set_db_parameter_group_name(text(want.db_parameter_group_name.as_ref()))
        .set_option_group_name(text(want.option_group_name.as_ref()))
        .set_ca_certificate_identifier(want.ca_certificate_identifier.clone())
        .set_preferred_backup_window(want.preferred_backup_window.clone())
        .set_backup_retention_period(want.backup_retention_period)
        .set_backup_target(want.backup_target.clone())
        .set_copy_tags_to_snapshot(want.copy_tags_to_snapshot)
        .set_tag_specifications(specifications(want.tag_specifications.as_ref()))
        .set_auto_minor_version_upgrade(want.auto_minor_version_upgrade)
        .set_engine_lifecycle_support(want.engine_lifecycle_support.clone())
        .set_deletion_protection(want.deletion_protection)
        .set_license_model(want.license_model.clone())
        .set_custom_iam_instance_profile(want.custom_iam_instance_profile.clone())
        .set_tde_credential_arn(text(want.tde_credential_arn.as_ref()))
        .set_tde_credential_password(want.tde_credential_password.clone())
        .set_domain(want.domain.clone())
        .set_domain_iam_role_name(want.domain_iam_role_name.clone())
        .set_domain_fqdn(want.domain_fqdn.clone())
        .set_domain_ou(want.domain_ou.clone())
        .set_domain_auth_secret_arn(text(want.domain_auth_secret_arn.as_ref()))
        .set_domain_dns_ips(want.domain_dns_ips.clone())
        .set_enable_cloudwatch_logs_exports(want.enable_cloudwatch_logs_exports.clone())
        .set_processor_features(processor_features(want.processor_features.as_ref()))
        .set_use_default_processor_features(want.use_default_processor_features)
        .set_db_capacity_reservation_identifier(want.db_capacity_reservation_identifier.clone()))
}

pub(super) fn revival(rds: &Rds, want: &DbInstanceResolved) -> Revival {
    rds.restore_db_instance_from_db_snapshot()
        .set_db_snapshot_identifier(text(want.db_snapshot_identifier.as_ref()))
        .set_db_cluster_snapshot_identifier(want.db_cluster_snapshot_identifier.clone())
        .db_instance_identifier(want.db_instance_identifier.to_ascii_lowercase())
        .db_instance_class(&want.db_instance_class)
        .set_engine(want.engine.clone())
        .set_db_name(new_name(want))
        .set_allocated_storage(want.allocated_storage)
        .set_storage_type(want.storage_type.clone())
        .set_iops(want.iops)
        .set_storage_throughput(want.storage_throughput)
        .set_additional_storage_volumes(volumes(want.additional_storage_volumes.as_ref()))
        .set_dedicated_log_volume(want.dedicated_log_volume)
        .set_enable_iam_database_authentication(want.enable_iam_database_authentication)
        .set_port(want.port)
        .set_db_subnet_group_name(text(want.db_subnet_group_name.as_ref()))
        .set_vpc_security_group_ids(texts(want.vpc_security_group_ids.as_ref()))
        .set_publicly_accessible(want.publicly_accessible)
        .set_network_type(want.network_type.clone())
        .set_enable_customer_owned_ip(want.enable_customer_owned_ip)
        .set_availability_zone(want.availability_zone.clone())
        .set_multi_az(want.multi_az)
        .set_db_parameter_group_name(text(want.db_parameter_group_name.as_ref()))
        .set_option_group_name(text(want.option_group_name.as_ref()))
        .set_ca_certificate_identifier(want.ca_certificate_identifier.clone())
        .set_preferred_backup_window(want.preferred_backup_window.clone())
        .set_backup_retention_period(want.backup_retention_period)
        .set_backup_target(want.backup_target.clone())
        .set_copy_tags_to_snapshot(want.copy_tags_to_snapshot)
        .set_tag_specifications(specifications(want.tag_specifications.as_ref()))
        .set_auto_minor_version_upgrade(want.auto_minor_version_upgrade)
        .set_engine_lifecycle_support(want.engine_lifecycle_support.clone())
        .set_deletion_protection(want.deletion_protection)
        .set_license_model(want.license_model.clone())
        .set_custom_iam_instance_profile(want.custom_iam_instance_profile.clone())
        .set_tde_credential_arn(text(want.tde_credential_arn.as_ref()))
        .set_tde_credential_password(want.tde_credential_password.clone())
        .set_domain(want.domain.clone())
        .set_domain_iam_role_name(want.domain_iam_role_name.clone())
        .set_domain_fqdn(want.domain_fqdn.clone())
        .set_domain_ou(want.domain_ou.clone())
        .set_domain_auth_secret_arn(text(want.domain_auth_secret_arn.as_ref()))
        .set_domain_dns_ips(want.domain_dns_ips.clone())
        .set_enable_cloudwatch_logs_exports(want.enable_cloudwatch_logs_exports.clone())
        .set_processor_features(processor_features(want.processor_features.as_ref()))
        .set_use_default_processor_features(want.use_default_processor_features)
        .set_db_capacity_reservation_identifier(want.db_capacity_reservation_identifier.clone())
}

#[cfg(test)]
mod tests {
    use phx_model::{Value, ValueMap};

    use super::*;

    fn resolved(json: &str) -> DbInstanceResolved {
        let mut fields: ValueMap = serde_json::from_str(json).unwrap();
        fields.insert("db_instance_identifier", Value::String("db".into()));
        fields.insert("db_instance_class", Value::String("db.t4g.micro".into()));
        DbInstance::resolve(&fields).unwrap()
    }

    #[test]
    fn the_fields_choose_how_an_instance_is_made() {
        for (fields, origin) in [
            (r#"{"engine":"postgres"}"#, Origin::New),
            (r#"{"source_db_instance_identifier":"main"}"#, Origin::Replica),
            (r#"{"source_db_cluster_identifier":"main"}"#, Origin::Replica),
            (r#"{"source_db_instance_identifier":"main","use_latest_restorable_time":true}"#, Origin::PointInTime),
            (r#"{"db_snapshot_identifier":"one"}"#, Origin::Snapshot),
            (r#"{"source_dbi_resource_id":"db-A","restore_time":"2026-01-31T23:45:00Z"}"#, Origin::PointInTime),
        ] {
            assert_eq!(Origin::of(&resolved(fields)), origin, "{fields}");
        }
    }

    #[test]
    fn fields_that_are_left_exist_and_can_be_changed() {
        for origin in [Origin::New, Origin::Replica, Origin::PointInTime, Origin::Snapshot] {
            for name in origin.left() {
                let field = DbInstance::schema().field(name).unwrap_or_else(|| panic!("{name}"));
                assert!(!field.replace, "{name}");
            }
        }
    }

    #[test]
    fn what_the_creation_did_not_take_is_left() {
        let want = resolved(
            r#"{"source_db_instance_identifier":"main","backup_retention_period":7,"engine_version":"16","multi_az":true}"#,
        );
        let there = resolved(r#"{"backup_retention_period":0,"engine_version":"16"}"#);
        let left = left(&want, &there).unwrap();
        assert_eq!(left.backup_retention_period.unwrap().after, Some(7));
        assert!(left.engine_version.is_none() && left.multi_az.is_none());
    }
}
