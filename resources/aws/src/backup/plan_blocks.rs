//! The parts of a backup plan, and their forms in the API.

use std::collections::BTreeMap;

use aws_sdk_backup::types as sdk;
use phx_model::{Block, CloudError, Input};

use super::{BackupVaultName, incomplete};
use crate::arn::Arn;
use crate::forms;

/// One rule of a plan: when it backs up, where to, and for how long.
#[derive(Clone, Debug, Block)]
pub struct Rule {
    /// The name, unique in the plan.
    pub rule_name: Input<String>,
    /// The vault that recovery points go to.
    pub target_backup_vault_name: Input<BackupVaultName>,
    /// A logically air-gapped vault that recovery points go to as well.
    pub target_logically_air_gapped_backup_vault_arn: Option<Input<Arn>>,
    /// When a backup starts, as a CRON expression: `cron(0 5 ? * * *)`, which AWS takes if it is not set.
    #[field(cloud_default)]
    pub schedule_expression: Option<Input<String>>,
    /// The time zone of the schedule. AWS's default: `Etc/UTC`.
    #[field(cloud_default)]
    pub schedule_expression_timezone: Option<Input<String>>,
    /// How many minutes after its time a backup may still start, at least 60. AWS's default: 480.
    #[field(cloud_default)]
    pub start_window_minutes: Option<Input<i64>>,
    /// How many minutes after its start a backup must be complete. AWS's default: 10080.
    #[field(cloud_default)]
    pub completion_window_minutes: Option<Input<i64>>,
    /// When recovery points go to cold storage and when they are deleted. Unset, they are kept for ever.
    pub lifecycle: Option<Input<Lifecycle>>,
    /// The tags of the recovery points.
    pub recovery_point_tags: Option<Input<BTreeMap<String, String>>>,
    /// Where copies of the recovery points go.
    #[field(set)]
    pub copy_actions: Option<Input<Vec<CopyAction>>>,
    /// Whether recovery to any point in time is possible. AWS's default: no.
    #[field(cloud_default)]
    pub enable_continuous_backup: Option<Input<bool>>,
    /// Of which resource types' recovery points an index is made.
    pub index_actions: Option<Input<Vec<IndexAction>>>,
    /// How recovery points are scanned for malware.
    #[field(set)]
    pub scan_actions: Option<Input<Vec<ScanAction>>>,
}

/// When recovery points move to cold storage, and when they are deleted.
#[derive(Clone, Debug, Block)]
pub struct Lifecycle {
    /// After how many days they move to cold storage.
    pub move_to_cold_storage_after_days: Option<Input<i64>>,
    /// After how many days they are deleted: at least 90 more than until cold storage.
    pub delete_after_days: Option<Input<i64>>,
    /// Whether those resource types that have an archive tier use it. AWS's default: no.
    #[field(normalize = forms::off_is_unset)]
    pub opt_in_to_archive_for_supported_resources: Option<Input<bool>>,
    /// The event after which they are deleted: `DELETE_AFTER_COPY`.
    pub delete_after_event: Option<Input<String>>,
}

/// A copy of recovery points.
#[derive(Clone, Debug, Block)]
pub struct CopyAction {
    /// The vault that the copy goes to.
    pub destination_backup_vault_arn: Input<Arn>,
    /// The life of the copy. Unset, it is kept for ever.
    pub lifecycle: Option<Input<Lifecycle>>,
}

/// An index of recovery points.
#[derive(Clone, Debug, Block)]
pub struct IndexAction {
    /// The types: `EBS`, `S3`.
    #[field(set)]
    pub resource_types: Option<Input<Vec<String>>>,
}

/// A scan of recovery points.
#[derive(Clone, Debug, Block)]
pub struct ScanAction {
    /// Who scans: `GUARDDUTY`.
    pub malware_scanner: Input<String>,
    /// `FULL_SCAN` or `INCREMENTAL_SCAN`.
    pub scan_mode: Input<String>,
}

/// Options for one type of resource.
#[derive(Clone, Debug, Block)]
pub struct AdvancedBackupSetting {
    /// The type: `EC2`.
    pub resource_type: Input<String>,
    /// Options and their values: `WindowsVSS` is `enabled` or `disabled`.
    pub backup_options: Option<Input<BTreeMap<String, String>>>,
}

/// Scanning for malware.
#[derive(Clone, Debug, Block)]
pub struct ScanSetting {
    /// Who scans: `GUARDDUTY`.
    pub malware_scanner: Input<String>,
    /// Of which resource types recovery points are scanned: `EBS`, `EC2`, `S3`, or `ALL`.
    #[field(set)]
    pub resource_types: Input<Vec<String>>,
    /// The role that the scanner takes on.
    pub scanner_role_arn: Input<Arn>,
}

pub(super) fn rule(want: &RuleResolved) -> Result<sdk::BackupRuleInput, CloudError> {
    let copies = |copies: &Vec<CopyActionResolved>| copies.iter().map(copy).collect::<Result<Vec<_>, _>>();
    sdk::BackupRuleInput::builder()
        .rule_name(&want.rule_name)
        .target_backup_vault_name(want.target_backup_vault_name.as_str())
        .set_target_logically_air_gapped_backup_vault_arn(
            want.target_logically_air_gapped_backup_vault_arn.as_ref().map(Arn::to_string),
        )
        .set_schedule_expression(want.schedule_expression.clone())
        // Said even if it is what AWS takes by itself: Terraform always says it, and not everybody who stands in for AWS fills it in.
        .schedule_expression_timezone(want.schedule_expression_timezone.as_deref().unwrap_or("Etc/UTC"))
        .set_start_window_minutes(want.start_window_minutes)
        .set_completion_window_minutes(want.completion_window_minutes)
        .set_lifecycle(want.lifecycle.as_ref().map(lifecycle))
        .set_recovery_point_tags(want.recovery_point_tags.clone().map(|tags| tags.into_iter().collect()))
        .set_copy_actions(want.copy_actions.as_ref().map(copies).transpose()?)
        .set_enable_continuous_backup(want.enable_continuous_backup)
        .set_index_actions(want.index_actions.as_ref().map(|actions| actions.iter().map(index).collect()))
        .set_scan_actions(want.scan_actions.as_ref().map(|actions| actions.iter().map(scan).collect()))
        .build()
        .map_err(incomplete)
}

/// Rules as they are wanted, with the parts that the program leaves to AWS, or to somebody else, as they are there.
pub(super) fn with_what_is_left_alone(want: &[RuleResolved], there: &[RuleResolved]) -> Vec<RuleResolved> {
    let one = |want: &RuleResolved| {
        let mut rule = want.clone();
        if let Some(there) = there.iter().find(|there| there.rule_name == rule.rule_name) {
            rule.schedule_expression = rule.schedule_expression.or_else(|| there.schedule_expression.clone());
            let zone = || there.schedule_expression_timezone.clone();
            rule.schedule_expression_timezone = rule.schedule_expression_timezone.or_else(zone);
            rule.start_window_minutes = rule.start_window_minutes.or(there.start_window_minutes);
            rule.completion_window_minutes = rule.completion_window_minutes.or(there.completion_window_minutes);
            rule.enable_continuous_backup = rule.enable_continuous_backup.or(there.enable_continuous_backup);
        }
        rule
    };
    want.iter().map(one).collect()
}

pub(super) fn rule_of(rule: &sdk::BackupRule) -> RuleResolved {
    let copies: Vec<_> = rule.copy_actions().iter().map(copy_of).collect();
    let indexes: Vec<_> = rule.index_actions().iter().map(index_of).collect();
    let scans: Vec<_> = rule.scan_actions().iter().filter_map(scan_of).collect();
    RuleResolved {
        rule_name: rule.rule_name.clone(),
        target_backup_vault_name: BackupVaultName::new(&rule.target_backup_vault_name),
        target_logically_air_gapped_backup_vault_arn: rule.target_logically_air_gapped_backup_vault_arn().map(Arn::new),
        schedule_expression: rule.schedule_expression.clone(),
        schedule_expression_timezone: rule.schedule_expression_timezone.clone(),
        start_window_minutes: rule.start_window_minutes,
        completion_window_minutes: rule.completion_window_minutes,
        lifecycle: rule.lifecycle().map(lifecycle_of).filter(is_set),
        recovery_point_tags: rule
            .recovery_point_tags
            .clone()
            .map(|tags| tags.into_iter().collect::<BTreeMap<_, _>>())
            .filter(|tags| !tags.is_empty()),
        copy_actions: (!copies.is_empty()).then_some(copies),
        enable_continuous_backup: Some(rule.enable_continuous_backup.unwrap_or(false)),
        index_actions: (!indexes.is_empty()).then_some(indexes),
        scan_actions: (!scans.is_empty()).then_some(scans),
    }
}

/// Whether a life cycle says anything: AWS may tell one that does not.
fn is_set(lifecycle: &LifecycleResolved) -> bool {
    lifecycle.move_to_cold_storage_after_days.is_some()
        || lifecycle.delete_after_days.is_some()
        || lifecycle.delete_after_event.is_some()
        || lifecycle.opt_in_to_archive_for_supported_resources == Some(true)
}

fn lifecycle(want: &LifecycleResolved) -> sdk::Lifecycle {
    sdk::Lifecycle::builder()
        .set_move_to_cold_storage_after_days(want.move_to_cold_storage_after_days)
        .set_delete_after_days(want.delete_after_days)
        .set_opt_in_to_archive_for_supported_resources(want.opt_in_to_archive_for_supported_resources)
        .set_delete_after_event(want.delete_after_event.as_deref().map(sdk::LifecycleDeleteAfterEvent::from))
        .build()
}

fn lifecycle_of(lifecycle: &sdk::Lifecycle) -> LifecycleResolved {
    LifecycleResolved {
        move_to_cold_storage_after_days: lifecycle.move_to_cold_storage_after_days,
        delete_after_days: lifecycle.delete_after_days,
        opt_in_to_archive_for_supported_resources: lifecycle.opt_in_to_archive_for_supported_resources,
        delete_after_event: lifecycle.delete_after_event().map(|e| e.as_str().to_owned()),
    }
}

fn copy(want: &CopyActionResolved) -> Result<sdk::CopyAction, CloudError> {
    sdk::CopyAction::builder()
        .destination_backup_vault_arn(want.destination_backup_vault_arn.as_str())
        .set_lifecycle(want.lifecycle.as_ref().map(lifecycle))
        .build()
        .map_err(incomplete)
}

fn copy_of(copy: &sdk::CopyAction) -> CopyActionResolved {
    CopyActionResolved {
        destination_backup_vault_arn: Arn::new(&copy.destination_backup_vault_arn),
        lifecycle: copy.lifecycle().map(lifecycle_of).filter(is_set),
    }
}

fn index(want: &IndexActionResolved) -> sdk::IndexAction {
    sdk::IndexAction::builder().set_resource_types(want.resource_types.clone()).build()
}

fn index_of(index: &sdk::IndexAction) -> IndexActionResolved {
    IndexActionResolved { resource_types: index.resource_types.clone().filter(|types| !types.is_empty()) }
}

fn scan(want: &ScanActionResolved) -> sdk::ScanAction {
    sdk::ScanAction::builder()
        .malware_scanner(want.malware_scanner.as_str().into())
        .scan_mode(want.scan_mode.as_str().into())
        .build()
}

fn scan_of(scan: &sdk::ScanAction) -> Option<ScanActionResolved> {
    Some(ScanActionResolved {
        malware_scanner: scan.malware_scanner()?.as_str().to_owned(),
        scan_mode: scan.scan_mode()?.as_str().to_owned(),
    })
}

pub(super) fn setting(want: &AdvancedBackupSettingResolved) -> sdk::AdvancedBackupSetting {
    sdk::AdvancedBackupSetting::builder()
        .resource_type(&want.resource_type)
        .set_backup_options(want.backup_options.clone().map(|options| options.into_iter().collect()))
        .build()
}

pub(super) fn setting_of(setting: &sdk::AdvancedBackupSetting) -> Option<AdvancedBackupSettingResolved> {
    Some(AdvancedBackupSettingResolved {
        resource_type: setting.resource_type()?.to_owned(),
        backup_options: setting.backup_options.clone().map(|options| options.into_iter().collect()),
    })
}

pub(super) fn scan_setting(want: &ScanSettingResolved) -> sdk::ScanSetting {
    sdk::ScanSetting::builder()
        .malware_scanner(want.malware_scanner.as_str().into())
        .set_resource_types(Some(want.resource_types.clone()))
        .scanner_role_arn(want.scanner_role_arn.as_str())
        .build()
}

pub(super) fn scan_setting_of(setting: &sdk::ScanSetting) -> Option<ScanSettingResolved> {
    Some(ScanSettingResolved {
        malware_scanner: setting.malware_scanner()?.as_str().to_owned(),
        resource_types: setting.resource_types().to_vec(),
        scanner_role_arn: Arn::new(setting.scanner_role_arn()?),
    })
}
