//! What RDS tells of a [`DbInstance`](super::DbInstance), as its fields.

use aws_sdk_rds::types as sdk;
use phx_model::Value;

use super::db_instance::DbInstanceResolved;
use super::db_instance_blocks::{AdditionalStorageVolume, processor_features_of, volumes_of};
use super::describe::same_name;
use super::{key, listed, tagging};
use crate::arn::Arn;
use crate::forms::in_order_of;
use crate::ids::{
    DbClusterId, DbInstanceId, DbParameterGroupName, DbSubnetGroupName, OptionGroupName, SecurityGroupId,
};
use crate::manage::Target;

/// An instance as a program would have to set it: with what is pending as if it had happened.
pub(super) fn fields(target: &Target<'_>, instance: &sdk::DbInstance) -> DbInstanceResolved {
    let none = sdk::PendingModifiedValues::builder().build();
    let pending = instance.pending_modified_values().unwrap_or(&none);
    let set = |field: &str| target.inputs.get(field).filter(|v| !v.is_empty());
    let set_text = |field: &str| set(field).and_then(Value::as_str);
    let domain = instance.domain_memberships().iter().find(|m| !m.status().is_some_and(|s| s.contains("remov")));
    // A managed directory brings its own name and addresses along.
    let managed = domain.is_some_and(|m| m.domain().is_some_and(|d| d.starts_with("d-")));
    let own = |field: &str| !managed || set(field).is_some();
    // An instance of a cluster shows the logs that the cluster sends.
    let is_member = instance.db_cluster_identifier().is_some_and(|id| !id.is_empty());
    let max_allocated_storage = instance.max_allocated_storage;
    let zone = instance.availability_zone.clone();
    let multi_az = pending.multi_az.or(instance.multi_az) == Some(true);
    let wanted_zone =
        set_text("availability_zone").filter(|z| multi_az || instance.secondary_availability_zone() == Some(z));
    let awaited = set_text("db_parameter_group_name")
        .filter(|_| is_major_upgrade(instance.engine_version(), pending.engine_version()));
    DbInstanceResolved {
        db_instance_identifier: pending
            .db_instance_identifier
            .clone()
            .or_else(|| instance.db_instance_identifier.clone())
            .unwrap_or_default(),
        db_instance_class: pending
            .db_instance_class
            .clone()
            .or_else(|| instance.db_instance_class.clone())
            .unwrap_or_default(),
        engine: pending.engine.clone().or_else(|| instance.engine.clone()),
        engine_version: version(
            set_text("engine_version"),
            pending.engine_version().or(instance.engine_version()),
            instance.auto_minor_version_upgrade() == Some(true),
        ),
        db_name: instance.db_name.clone(),
        allocated_storage: size(
            set("allocated_storage"),
            pending.allocated_storage.or(instance.allocated_storage),
            max_allocated_storage,
        ),
        max_allocated_storage,
        storage_type: pending.storage_type.clone().or_else(|| instance.storage_type.clone()),
        iops: pending.iops.or(instance.iops),
        storage_throughput: pending.storage_throughput.or(instance.storage_throughput),
        additional_storage_volumes: listed(in_order_of::<AdditionalStorageVolume>(
            target.inputs.get("additional_storage_volumes"),
            volumes_of(instance),
        )),
        dedicated_log_volume: pending.dedicated_log_volume.or(instance.dedicated_log_volume),
        storage_encrypted: instance.storage_encrypted,
        kms_key_id: key(target, "kms_key_id", instance.kms_key_id()),
        master_username: instance.master_username.clone(),
        master_user_password: None,
        manage_master_user_password: Some(instance.master_user_secret().is_some()),
        master_user_secret_kms_key_id: key(
            target,
            "master_user_secret_kms_key_id",
            instance.master_user_secret().and_then(|s| s.kms_key_id()),
        ),
        rotate_master_user_password: None,
        master_user_authentication_type: None,
        enable_iam_database_authentication: pending
            .iam_database_authentication_enabled
            .or(instance.iam_database_authentication_enabled),
        port: pending
            .port
            .or_else(|| instance.endpoint().and_then(sdk::Endpoint::port))
            .or(instance.db_instance_port)
            .filter(|port| *port != 0),
        db_subnet_group_name: pending
            .db_subnet_group_name()
            .or_else(|| instance.db_subnet_group().and_then(|g| g.db_subnet_group_name()))
            .map(DbSubnetGroupName::new),
        vpc_security_group_ids: Some(
            instance
                .vpc_security_groups()
                .iter()
                .filter(|g| g.status() != Some("removing"))
                .filter_map(|g| g.vpc_security_group_id())
                .map(SecurityGroupId::new)
                .collect(),
        ),
        db_security_groups: listed(
            instance
                .db_security_groups()
                .iter()
                .filter(|g| g.status() != Some("removing"))
                .filter_map(|g| g.db_security_group_name.clone())
                .collect(),
        ),
        publicly_accessible: instance.publicly_accessible,
        network_type: instance.network_type.clone(),
        enable_customer_owned_ip: instance.customer_owned_ip_enabled,
        // After a failover the two zones have changed places, and while a new standby is made it is in none. Nobody chooses the zones of two
        // instances: RDS would refuse to make what takes the place of these.
        availability_zone: wanted_zone.map(str::to_owned).or(zone),
        multi_az: pending.multi_az.or(instance.multi_az),
        db_parameter_group_name: awaited
            .or_else(|| instance.db_parameter_groups().first().and_then(|g| g.db_parameter_group_name()))
            .map(DbParameterGroupName::new),
        // While a change of it is deferred, both are told.
        option_group_name: instance
            .option_group_memberships()
            .iter()
            .find(|g| !g.status().is_some_and(|s| s.contains("remov")))
            .and_then(|g| g.option_group_name())
            .map(OptionGroupName::new),
        ca_certificate_identifier: pending
            .ca_certificate_identifier
            .clone()
            .or_else(|| instance.ca_certificate_identifier.clone()),
        certificate_rotation_restart: None,
        preferred_maintenance_window: instance.preferred_maintenance_window.clone(),
        preferred_backup_window: instance.preferred_backup_window.clone(),
        backup_retention_period: pending.backup_retention_period.or(instance.backup_retention_period),
        backup_target: instance.backup_target.clone(),
        aws_backup_recovery_point_arn: instance.aws_backup_recovery_point_arn().map(Arn::new),
        copy_tags_to_snapshot: instance.copy_tags_to_snapshot,
        tag_specifications: None,
        auto_minor_version_upgrade: instance.auto_minor_version_upgrade,
        allow_major_version_upgrade: None,
        engine_lifecycle_support: instance.engine_lifecycle_support.clone(),
        apply_immediately: None,
        deletion_protection: instance.deletion_protection,
        skip_final_snapshot: None,
        final_db_snapshot_identifier: None,
        delete_automated_backups: None,
        license_model: pending.license_model.clone().or_else(|| instance.license_model.clone()),
        character_set_name: instance.character_set_name.clone(),
        nchar_character_set_name: instance.nchar_character_set_name.clone(),
        timezone: instance.timezone.clone(),
        multi_tenant: pending.multi_tenant.or(instance.multi_tenant),
        db_system_id: instance.db_system_id.clone(),
        custom_iam_instance_profile: instance.custom_iam_instance_profile.clone(),
        automation_mode: pending.automation_mode().or(instance.automation_mode()).map(|mode| mode.as_str().to_owned()),
        resume_full_automation_mode_minutes: None,
        tde_credential_arn: instance.tde_credential_arn().map(Arn::new),
        tde_credential_password: None,
        domain: domain.and_then(|m| m.domain.clone()).filter(|d| !d.is_empty() && (managed || set("domain").is_some())),
        domain_iam_role_name: domain.and_then(|m| m.iam_role_name.clone()).filter(|name| !name.is_empty()),
        domain_fqdn: domain.and_then(|m| m.fqdn.clone()).filter(|_| own("domain_fqdn")),
        domain_ou: domain.and_then(|m| m.ou.clone()).filter(|_| own("domain_ou")),
        domain_auth_secret_arn: domain
            .and_then(|m| m.auth_secret_arn())
            .filter(|_| own("domain_auth_secret_arn"))
            .map(Arn::new),
        domain_dns_ips: domain.and_then(|m| listed(m.dns_ips().to_vec())).filter(|_| own("domain_dns_ips")),
        monitoring_interval: instance.monitoring_interval,
        monitoring_role_arn: instance.monitoring_role_arn().map(Arn::new),
        database_insights_mode: instance.database_insights_mode().map(|mode| mode.as_str().to_owned()),
        enable_performance_insights: instance.performance_insights_enabled,
        performance_insights_kms_key_id: key(
            target,
            "performance_insights_kms_key_id",
            instance.performance_insights_kms_key_id(),
        ),
        performance_insights_retention_period: instance.performance_insights_retention_period,
        enable_cloudwatch_logs_exports: exports(
            instance.enabled_cloudwatch_logs_exports(),
            pending.pending_cloudwatch_logs_exports(),
        )
        .filter(|_| !is_member || set("enable_cloudwatch_logs_exports").is_some()),
        processor_features: listed(processor_features_of(if pending.processor_features().is_empty() {
            instance.processor_features()
        } else {
            pending.processor_features()
        })),
        use_default_processor_features: None,
        db_capacity_reservation_identifier: pending
            .db_capacity_reservation_identifier
            .clone()
            .or_else(|| instance.db_capacity_reservation_identifier.clone()),
        db_cluster_identifier: instance.db_cluster_identifier().filter(|id| !id.is_empty()).map(DbClusterId::new),
        promotion_tier: instance.promotion_tier,
        source_db_instance_identifier: source(target, instance.read_replica_source_db_instance_identifier())
            .map(DbInstanceId::new),
        source_db_cluster_identifier: instance
            .read_replica_source_db_cluster_identifier()
            .filter(|id| !id.is_empty())
            .map(DbClusterId::new),
        replica_mode: instance.replica_mode().map(|mode| mode.as_str().to_owned()),
        upgrade_storage_config: None,
        pre_signed_url: None,
        db_snapshot_identifier: None,
        db_cluster_snapshot_identifier: None,
        restore_time: None,
        use_latest_restorable_time: None,
        source_dbi_resource_id: None,
        source_db_instance_automated_backups_arn: None,
        tags: tagging::read(instance.tag_list()),
    }
}

/// What the instance's data comes from. RDS does not tell what an instance was restored from, and names a source in the same region by its
/// name even where the program said its ARN.
fn source(target: &Target<'_>, told: Option<&str>) -> Option<String> {
    let set = |field: &str| target.inputs.get(field).filter(|v| !v.is_empty());
    let wanted = set("source_db_instance_identifier").and_then(Value::as_str);
    let restored = set("restore_time").is_some()
        || set("use_latest_restorable_time").is_some()
        || set("source_dbi_resource_id").is_some()
        || set("source_db_instance_automated_backups_arn").is_some();
    match (wanted, told.filter(|t| !t.is_empty())) {
        (Some(wanted), _) if restored => Some(wanted.to_owned()),
        (Some(wanted), Some(told)) if same_name(wanted.rsplit(':').next(), told) => Some(wanted.to_owned()),
        (_, told) => told.map(str::to_owned),
    }
}

/// The engine's version, as the program wrote it if that means the same: RDS completes `16` to `16.4`, and brings 16.4 to 16.6 by itself if it is
/// let.
pub(super) fn version(wanted: Option<&str>, told: Option<&str>, upgrades: bool) -> Option<String> {
    let told = told?;
    let as_wanted = wanted.is_some_and(|wanted| {
        let completed = told.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'));
        completed || (upgrades && is_later_minor(wanted, told))
    });
    if as_wanted { wanted.map(str::to_owned) } else { Some(told.to_owned()) }
}

/// Whether a change to another major version waits for the maintenance window. With it waits the parameter group of the new version's family that was
/// asked for together with it, and RDS does not tell of that.
pub(super) fn is_major_upgrade(now: Option<&str>, pending: Option<&str>) -> bool {
    now.zip(pending).is_some_and(|(now, pending)| now != pending && !is_later_minor(now, pending))
}

/// Whether two versions differ in their last number only, in which the second is later.
fn is_later_minor(a: &str, b: &str) -> bool {
    match (a.rsplit_once('.'), b.rsplit_once('.')) {
        (Some((major, a)), Some((same, b))) if major == same => {
            matches!((a.parse::<u32>(), b.parse::<u32>()), (Ok(a), Ok(b)) if b > a)
        }
        _ => false,
    }
}

/// The storage. What RDS added by itself, as it was told it may, is not the program's to take back.
fn size(wanted: Option<&Value>, told: Option<i32>, limit: Option<i32>) -> Option<i32> {
    let wanted = match wanted.map(Value::expose) {
        Some(Value::Int(size)) => i32::try_from(*size).ok(),
        _ => None,
    };
    match (wanted, told, limit) {
        (Some(wanted), Some(told), Some(limit)) if wanted < told && told <= limit => Some(wanted),
        _ => told,
    }
}

/// The logs that are sent when what is pending has happened.
pub(super) fn exports(sent: &[String], pending: Option<&sdk::PendingCloudwatchLogsExports>) -> Option<Vec<String>> {
    let mut logs = sent.to_vec();
    if let Some(pending) = pending {
        logs.retain(|log| !pending.log_types_to_disable().contains(log));
        logs.extend(pending.log_types_to_enable().iter().filter(|log| !sent.contains(log)).cloned());
    }
    listed(logs)
}

#[cfg(test)]
mod tests {
    use phx_model::ValueMap;

    use super::*;

    #[test]
    fn a_version_is_told_as_the_program_wrote_it_if_it_means_the_same() {
        for (wanted, told, upgrades, shown) in [
            (None, "16.4", true, "16.4"),
            (Some("16"), "16.4", false, "16"),
            (Some("8.0"), "8.0.39", false, "8.0"),
            (Some("1"), "16.4", false, "16.4"),
            (Some("16.4"), "16.6", true, "16.4"),
            (Some("16.4"), "16.6", false, "16.6"),
            (Some("16.6"), "16.4", true, "16.4"),
            (Some("15.4"), "16.6", true, "16.6"),
            (Some("19.0.0.0.ru-1"), "19.0.0.0.ru-2", true, "19.0.0.0.ru-2"),
        ] {
            assert_eq!(version(wanted, Some(told), upgrades).as_deref(), Some(shown), "{wanted:?} {told}");
        }
    }

    #[test]
    fn another_major_version_is_told_from_a_later_minor_one() {
        for (now, pending, major) in [
            ("16.4", Some("17.2"), true),
            ("8.0.39", Some("8.4.3"), true),
            ("16.4", Some("16.6"), false),
            ("8.0.39", Some("8.0.40"), false),
            ("16.4", None, false),
        ] {
            assert_eq!(is_major_upgrade(Some(now), pending), major, "{now} {pending:?}");
        }
    }

    #[test]
    fn storage_that_rds_added_by_itself_is_no_difference() {
        let wanted = Value::Int(20);
        assert_eq!(size(Some(&wanted), Some(25), Some(100)), Some(20));
        assert_eq!(size(Some(&wanted), Some(25), None), Some(25));
        assert_eq!(size(Some(&wanted), Some(10), Some(100)), Some(10));
        assert_eq!(size(None, Some(25), Some(100)), Some(25));
    }

    #[test]
    fn logs_that_are_pending_count_as_sent() {
        let list = |logs: &[&str]| logs.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>();
        let pending =
            sdk::PendingCloudwatchLogsExports::builder().log_types_to_enable("c").log_types_to_disable("a").build();
        assert_eq!(exports(&list(&["a", "b"]), Some(&pending)), Some(list(&["b", "c"])));
    }

    #[test]
    fn a_source_is_told_as_the_program_wrote_it() {
        let inputs = |json: &str| serde_json::from_str::<ValueMap>(json).unwrap();
        let told = |inputs: &ValueMap, told: Option<&str>| source(&Target { id: "db", inputs }, told);
        let arn = inputs(r#"{"source_db_instance_identifier":"arn:aws:rds:us-west-2:1:db:main"}"#);
        assert_eq!(told(&arn, Some("main")).as_deref(), Some("arn:aws:rds:us-west-2:1:db:main"));
        assert_eq!(told(&arn, Some("other")).as_deref(), Some("other"));
        assert_eq!(told(&arn, None), None);
        let restored = inputs(r#"{"source_db_instance_identifier":"main","use_latest_restorable_time":true}"#);
        assert_eq!(told(&restored, None).as_deref(), Some("main"));
    }
}
