//! Changing and deleting a [`DbInstance`](super::DbInstance).

use aws_sdk_rds::operation::delete_db_instance::builders::DeleteDBInstanceFluentBuilder as Deletion;
use aws_sdk_rds::operation::modify_db_instance::builders::ModifyDBInstanceFluentBuilder as Modification;
use aws_sdk_rds::types as sdk;
use phx_model::CloudError;
use phx_model::error::ErrorKind;
use phx_model::typed::FieldChange;

use super::db_instance::{DbInstanceChange, DbInstanceResolved};
use super::db_instance_blocks::{processor_features, specifications, volume_changes};
use super::describe::same_name;
use super::{Rds, listed, text, texts};

/// RDS takes so many characters.
const LONGEST_SNAPSHOT_NAME: usize = 255;

/// The request that makes the changes; `None` if RDS has nothing to do for them. Of values that RDS takes only together, all are sent.
pub(super) fn modification(
    rds: &Rds,
    name: &str,
    want: &DbInstanceResolved,
    change: &DbInstanceChange,
    instance: &sdk::DbInstance,
) -> Option<Modification> {
    let mut request = rds.modify_db_instance().db_instance_identifier(name);
    let mut needed = false;
    // RDS may have added to the storage by itself, and does not take it back.
    let size = want.allocated_storage.max(instance.allocated_storage);
    macro_rules! texts_of {
        ($($field:ident: $set:ident;)*) => {$(
            if let (Some(_), Some(value)) = (&change.$field, &want.$field) {
                request = request.$set(value.to_string());
                needed = true;
            }
        )*};
    }
    macro_rules! plain {
        ($($field:ident: $set:ident;)*) => {$(
            if let (Some(_), Some(value)) = (&change.$field, want.$field) {
                request = request.$set(value);
                needed = true;
            }
        )*};
    }
    texts_of! {
        engine: engine; network_type: network_type; license_model: license_model;
        db_subnet_group_name: db_subnet_group_name; db_parameter_group_name: db_parameter_group_name;
        option_group_name: option_group_name; preferred_maintenance_window: preferred_maintenance_window;
        preferred_backup_window: preferred_backup_window; engine_lifecycle_support: engine_lifecycle_support;
        aws_backup_recovery_point_arn: aws_backup_recovery_point_arn;
        db_capacity_reservation_identifier: db_capacity_reservation_identifier;
        master_user_password: master_user_password;
    }
    plain! {
        dedicated_log_volume: dedicated_log_volume; enable_iam_database_authentication: enable_iam_database_authentication;
        port: db_port_number; publicly_accessible: publicly_accessible; enable_customer_owned_ip: enable_customer_owned_ip;
        multi_az: multi_az; backup_retention_period: backup_retention_period; copy_tags_to_snapshot: copy_tags_to_snapshot;
        auto_minor_version_upgrade: auto_minor_version_upgrade; deletion_protection: deletion_protection;
        multi_tenant: multi_tenant; promotion_tier: promotion_tier;
    }
    if change.db_instance_class.is_some() {
        request = request.db_instance_class(&want.db_instance_class);
        needed = true;
    }
    if change.db_instance_identifier.is_some() && !same_name(Some(name), &want.db_instance_identifier) {
        request = request.new_db_instance_identifier(want.db_instance_identifier.to_ascii_lowercase());
        needed = true;
    }
    if change.engine_version.is_some() {
        request = request
            .set_engine_version(want.engine_version.clone())
            .set_allow_major_version_upgrade(want.allow_major_version_upgrade);
        needed = true;
    }
    if change.allocated_storage.is_some()
        || change.iops.is_some()
        || change.storage_throughput.is_some()
        || change.storage_type.is_some()
    {
        request = request
            .set_allocated_storage(if change.allocated_storage.is_some() { want.allocated_storage } else { size })
            .set_iops(want.iops)
            .set_storage_throughput(want.storage_throughput)
            .set_storage_type(change.storage_type.as_ref().and_then(|c| c.after.clone()));
        needed = true;
    }
    if change.max_allocated_storage.is_some() {
        // No room to grow is how RDS is told not to.
        request = request.set_max_allocated_storage(want.max_allocated_storage.or(size));
        needed = true;
    }
    if let Some(change) = &change.additional_storage_volumes {
        let before = change.before.as_deref().unwrap_or_default();
        let changes = volume_changes(before, change.after.as_deref().unwrap_or_default());
        needed |= !changes.is_empty();
        request = request.set_additional_storage_volumes(listed(changes));
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
        // RDS rotates it at once or not at all, which is what `apply_immediately` says to the request as a whole.
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
    if change.db_security_groups.is_some() {
        request = request.set_db_security_groups(want.db_security_groups.clone());
        needed = true;
    }
    if change.ca_certificate_identifier.is_some() {
        request = request
            .set_ca_certificate_identifier(want.ca_certificate_identifier.clone())
            .set_certificate_rotation_restart(want.certificate_rotation_restart);
        needed = true;
    }
    if change.tag_specifications.is_some() && want.tag_specifications.is_some() {
        request = request.set_tag_specifications(specifications(want.tag_specifications.as_ref()));
        needed = true;
    }
    if change.automation_mode.is_some() {
        request = request
            .set_automation_mode(want.automation_mode.as_deref().map(Into::into))
            .set_resume_full_automation_mode_minutes(want.resume_full_automation_mode_minutes);
        needed = true;
    }
    if change.tde_credential_arn.is_some() || change.tde_credential_password.is_some() {
        request = request
            .set_tde_credential_arn(text(want.tde_credential_arn.as_ref()))
            .set_tde_credential_password(want.tde_credential_password.clone());
        needed |= want.tde_credential_arn.is_some() || want.tde_credential_password.is_some();
    }
    if change.domain.is_some()
        || change.domain_iam_role_name.is_some()
        || change.domain_fqdn.is_some()
        || change.domain_ou.is_some()
        || change.domain_auth_secret_arn.is_some()
        || change.domain_dns_ips.is_some()
    {
        request = if want.domain.is_none() && want.domain_fqdn.is_none() {
            request.disable_domain(true)
        } else {
            request
                .set_domain(want.domain.clone())
                .set_domain_iam_role_name(want.domain_iam_role_name.clone())
                .set_domain_fqdn(want.domain_fqdn.clone())
                .set_domain_ou(want.domain_ou.clone())
                .set_domain_auth_secret_arn(text(want.domain_auth_secret_arn.as_ref()))
                .set_domain_dns_ips(want.domain_dns_ips.clone())
        };
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
    let defaults = change.use_default_processor_features.as_ref().is_some_and(|c| c.after == Some(true));
    if defaults {
        request = request.use_default_processor_features(true);
        needed = true;
    } else if change.processor_features.is_some() {
        request = request.set_processor_features(processor_features(want.processor_features.as_ref()));
        needed = true;
    }
    if let (Some(_), Some(mode)) = (&change.replica_mode, &want.replica_mode) {
        request = request.replica_mode(mode.as_str().into());
        needed = true;
    }
    // Said alone, it applies what is pending.
    let hurry = change.apply_immediately.as_ref().is_some_and(|c| c.after == Some(true));
    needed |= hurry
        && instance.pending_modified_values().is_some_and(|p| *p != sdk::PendingModifiedValues::builder().build());
    needed.then_some(request)
}

/// A refused change, with what to do about it.
pub(super) fn refused(error: CloudError) -> CloudError {
    if error.hint.is_none() && error.message.contains("AllowMajorVersionUpgrade") {
        return error.hint(
            "another major version has to be allowed: set allow_major_version_upgrade, and a parameter group of the new version's family unless it has RDS's own",
        );
    }
    error
}

/// The logs that begin to be sent, and those that are no longer.
pub(super) fn logs(change: &FieldChange<Vec<String>>) -> sdk::CloudwatchLogsExportConfiguration {
    let (before, after) = (change.before.as_deref().unwrap_or_default(), change.after.as_deref().unwrap_or_default());
    let minus = |a: &[String], b: &[String]| listed(a.iter().filter(|log| !b.contains(log)).cloned().collect());
    sdk::CloudwatchLogsExportConfiguration::builder()
        .set_enable_log_types(minus(after, before))
        .set_disable_log_types(minus(before, after))
        .build()
}

/// The changes that RDS may show as pending.
pub(super) fn names(change: &DbInstanceChange) -> Vec<&'static str> {
    let all = [
        ("db_instance_class", change.db_instance_class.is_some()),
        ("allocated_storage", change.allocated_storage.is_some()),
        ("master_user_password", change.master_user_password.is_some()),
        ("port", change.port.is_some()),
        ("backup_retention_period", change.backup_retention_period.is_some()),
        ("multi_az", change.multi_az.is_some()),
        ("engine_version", change.engine_version.is_some()),
        ("license_model", change.license_model.is_some()),
        ("iops", change.iops.is_some()),
        ("storage_throughput", change.storage_throughput.is_some()),
        ("db_instance_identifier", change.db_instance_identifier.is_some()),
        ("storage_type", change.storage_type.is_some()),
        ("db_subnet_group_name", change.db_subnet_group_name.is_some()),
        ("enable_iam_database_authentication", change.enable_iam_database_authentication.is_some()),
        ("engine", change.engine.is_some()),
        ("enable_cloudwatch_logs_exports", change.enable_cloudwatch_logs_exports.is_some()),
    ];
    // With `apply_immediately` comes all that waits.
    let hurry = change.apply_immediately.as_ref().is_some_and(|c| c.after == Some(true));
    all.into_iter().filter(|(_, changed)| *changed || hurry).map(|(name, _)| name).collect()
}

/// Whether the replica is to become a database of its own. Nothing else can be done in place with where its data comes from.
pub(super) fn is_promoted(change: &DbInstanceChange, instance: &sdk::DbInstance) -> Result<bool, CloudError> {
    let instances = change.source_db_instance_identifier.as_ref().map(|c| text(c.after.as_ref()));
    let clusters = change.source_db_cluster_identifier.as_ref().map(|c| text(c.after.as_ref()));
    let sources = [
        (instances, instance.read_replica_source_db_instance_identifier()),
        (clusters, instance.read_replica_source_db_cluster_identifier()),
    ];
    let mut promoted = false;
    for (wanted, there) in sources {
        match (wanted, there) {
            (Some(Some(wanted)), there) if !same_name(there, &wanted) => {
                let what = there.map_or("no replica".to_owned(), |there| format!("a replica of {there}"));
                let message = format!("the instance is {what} and cannot become one of {wanted} in place");
                return Err(CloudError::local(ErrorKind::Invalid, message)
                    .hint("`up --replace` makes a new one, with the new source's data"));
            }
            (Some(None), Some(_)) => promoted = true,
            _ => {}
        }
    }
    Ok(promoted)
}

pub(super) fn deletion(
    rds: &Rds,
    name: &str,
    was: Option<&DbInstanceResolved>,
    instance: &sdk::DbInstance,
) -> Deletion {
    // RDS makes no snapshots of these.
    let never = instance.db_cluster_identifier().is_some_and(|c| !c.is_empty())
        || instance.read_replica_source_db_instance_identifier().is_some_and(|s| !s.is_empty())
        || instance.read_replica_source_db_cluster_identifier().is_some_and(|s| !s.is_empty());
    let skip = never || was.is_some_and(|was| was.skip_final_snapshot == Some(true));
    let snapshot = was.and_then(|was| was.final_db_snapshot_identifier.clone()).filter(|_| !skip);
    rds.delete_db_instance()
        .db_instance_identifier(name)
        .skip_final_snapshot(skip)
        .set_final_db_snapshot_identifier(snapshot)
        .set_delete_automated_backups(was.and_then(|was| was.delete_automated_backups).filter(|_| !never))
}

/// Another name for the last snapshot, if the deletion was refused since there is one of the name that the program says.
pub(super) fn other_snapshot(
    error: &CloudError,
    was: Option<&DbInstanceResolved>,
    instance: &sdk::DbInstance,
) -> Option<String> {
    let wanted = was?.final_db_snapshot_identifier.as_deref()?;
    let own = instance.dbi_resource_id().filter(|id| !id.is_empty())?;
    (error.kind == ErrorKind::AlreadyExists).then(|| of_its_own(wanted, own))
}

/// The name of a last snapshot with the id of what it is of, which nothing else ever has.
pub(super) fn of_its_own(wanted: &str, id: &str) -> String {
    let room = LONGEST_SNAPSHOT_NAME.saturating_sub(id.len() + 1);
    let wanted: String = wanted.chars().take(room).collect();
    format!("{}-{}", wanted.trim_end_matches('-'), id.to_ascii_lowercase())
}

/// A refused deletion, with what to do about it.
pub(super) fn explained(error: CloudError, instance: &sdk::DbInstance, was: Option<&DbInstanceResolved>) -> CloudError {
    let named = was.is_some_and(|was| was.final_db_snapshot_identifier.is_some());
    let skipped = was.is_some_and(|was| was.skip_final_snapshot == Some(true));
    match error.kind {
        ErrorKind::AlreadyExists => {
            error.hint("there is a snapshot of that name: set another final_db_snapshot_identifier, and run `up` before")
        }
        _ if error.hint.is_some() => error,
        _ if instance.deletion_protection() == Some(true) => {
            error.hint("the instance is protected: set deletion_protection to false, and run `up` before")
        }
        ErrorKind::Invalid if !named && !skipped => error.hint(
            "set final_db_snapshot_identifier for a last snapshot, or skip_final_snapshot to lose the data, and run `up` before",
        ),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_snapshots_other_name_fits() {
        assert_eq!(of_its_own("db-final", "db-ABC"), "db-final-db-abc");
        let long = of_its_own(&format!("{}-x", "a".repeat(247)), "db-ABC");
        assert_eq!(long, format!("{}-db-abc", "a".repeat(247)));
        assert!(of_its_own(&"a".repeat(255), "db-ABC").len() <= LONGEST_SNAPSHOT_NAME);
    }

    #[test]
    fn logs_change_by_their_difference() {
        let list = |logs: &[&str]| logs.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>();
        let change = FieldChange { before: Some(list(&["a", "b"])), after: Some(list(&["b", "c"])) };
        let sent = logs(&change);
        assert_eq!((sent.enable_log_types(), sent.disable_log_types()), (&list(&["c"])[..], &list(&["a"])[..]));
    }
}
