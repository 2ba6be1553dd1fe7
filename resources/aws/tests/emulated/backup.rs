//! AWS Backup on moto, which has no UpdateBackupPlan and no selections, and reads the ARN of ListTags from the wrong place: those are in shapes.

use phx_tests::emulator::Emulator;
use serde_json::json;

use crate::kit::emulated;

#[tokio::test]
async fn vaults_and_plans_live_and_change() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    let key = "arn:aws:kms:us-west-2:123456789012:key/0f8f6f6e";
    let vault = json!({"backup_vault_name": "main", "encryption_key_arn": key});
    let made = bench.create("aws:backup:Vault", &vault, 1).await.unwrap();
    assert!(made.outputs["arn"].as_str().unwrap().ends_with(":backup-vault:main"), "{made:?}");
    bench.settled("aws:backup:Vault", &made.id, &vault).await;
    // A vault that someone else made is left alone.
    let error = bench.create("aws:backup:Vault", &vault, 2).await.unwrap_err();
    assert_eq!(error.kind, phx_model::error::ErrorKind::AlreadyExists, "{error:?}");
    bench.deleted("aws:backup:Vault", &made.id, &vault).await;

    let rule = json!({
        "rule_name": "daily", "target_backup_vault_name": "main", "schedule_expression": "cron(0 3 ? * * *)",
        "schedule_expression_timezone": "Europe/Vienna", "start_window_minutes": 60, "completion_window_minutes": 120,
        "lifecycle": {"move_to_cold_storage_after_days": 30, "delete_after_days": 120},
        "recovery_point_tags": {"kind": "daily"}, "enable_continuous_backup": false,
        "copy_actions": [{"destination_backup_vault_arn": "arn:aws:backup:eu-west-1:123456789012:backup-vault:copy",
            "lifecycle": {"delete_after_days": 10}}]});
    let plan = json!({
        "backup_plan_name": "daily",
        "rules": [rule, {"rule_name": "plain", "target_backup_vault_name": "main"}],
        "advanced_backup_settings": [{"resource_type": "EC2", "backup_options": {"WindowsVSS": "enabled"}}]});
    bench.life("aws:backup:Plan", plan, &[]).await;
}
