//! Whole lives of what watches over an account: AWS Backup, Budgets, Cost Explorer, CloudTrail, AWS Config, GuardDuty, Security Hub, the public
//! access block, and what the tagging API tells of them.

use std::collections::BTreeMap;

use phx_model::error::ErrorKind;
use phx_model::state::ProviderKey;
use serde_json::{Value, json};

use super::kit::{fields, intent};
use super::*;

async fn open() -> (tempfile::TempDir, Sandbox) {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    (dir, sandbox)
}

const ROLE: &str = "arn:aws:iam::000000000000:role/r";

#[tokio::test]
async fn backups() {
    let (_dir, sandbox) = open().await;
    let bench = bench(&sandbox);
    let vault = json!({"backup_vault_name": "main", "encryption_key_arn": "arn:aws:kms:us-west-2:000000000000:key/1", "tags": {"a": "1"}});
    let mut changed = vault.clone();
    changed["tags"] = json!({"b": "ü"});
    bench.life("aws:backup:Vault", vault.clone(), &[changed]).await;
    bench.create("aws:backup:Vault", &json!({"backup_vault_name": "main"}), 1).await.unwrap();
    let error = bench.create("aws:backup:Vault", &vault, 2).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error:?}");

    let rule = json!({
        "rule_name": "daily", "target_backup_vault_name": "main", "schedule_expression": "cron(0 3 ? * * *)",
        "schedule_expression_timezone": "Europe/Vienna", "start_window_minutes": 60, "completion_window_minutes": 120,
        "lifecycle": {"move_to_cold_storage_after_days": 30, "delete_after_days": 120},
        "recovery_point_tags": {"kind": "daily"}, "enable_continuous_backup": false,
        "copy_actions": [{"destination_backup_vault_arn": "arn:aws:backup:eu-west-1:000000000000:backup-vault:copy",
            "lifecycle": {"delete_after_days": 10}}]});
    let plan = json!({"backup_plan_name": "daily", "tags": {"a": "1"},
        "rules": [rule, {"rule_name": "plain", "target_backup_vault_name": "main"}],
        "advanced_backup_settings": [{"resource_type": "EC2", "backup_options": {"WindowsVSS": "enabled"}}]});
    // So AWS is told that they are kept for ever.
    let kept = json!({"move_to_cold_storage_after_days": -1, "delete_after_days": -1});
    let other = json!({"backup_plan_name": "other", "tags": {"b": "2"},
        "rules": [{"rule_name": "plain", "target_backup_vault_name": "main", "lifecycle": kept}]});
    bench.life("aws:backup:Plan", plan.clone(), &[other]).await;
    for (life, continuous, why) in [
        (json!({"move_to_cold_storage_after_days": 30, "delete_after_days": 119}), false, "90 days apart"),
        (json!({"move_to_cold_storage_after_days": 30, "delete_after_days": 120}), true, "is unavailable"),
        (json!({"delete_after_days": 36}), true, "more than 35"),
        (json!({"delete_after_days": 0}), false, "less than 1"),
    ] {
        let rule = json!({"rule_name": "r", "target_backup_vault_name": "main", "lifecycle": life,
            "enable_continuous_backup": continuous});
        let plan = json!({"backup_plan_name": "p", "rules": [rule]});
        let error = bench.create("aws:backup:Plan", &plan, 9).await.unwrap_err();
        assert!(error.message.contains(why), "{plan}: {error:?}");
    }

    let id = bench.create("aws:backup:Plan", &plan, 3).await.unwrap().id;
    let again = bench.create("aws:backup:Plan", &plan, 3).await.unwrap().id;
    assert_eq!(id, again, "a request that is repeated makes one plan");
    let selection = json!({"backup_plan_id": id, "selection_name": "all", "iam_role_arn": ROLE, "resources": ["*"],
        "not_resources": ["arn:aws:ec2:*:*:instance/i-1"],
        "list_of_tags": [{"condition_type": "STRINGEQUALS", "condition_key": "backup", "condition_value": "yes"}],
        "conditions": {"string_like": [{"condition_key": "aws:ResourceTag/team", "condition_value": "a*"}]}});
    bench.life("aws:backup:Selection", selection.clone(), &[]).await;
    let selected = bench.create("aws:backup:Selection", &selection, 4).await.unwrap().id;
    let error = bench.driver("aws:backup:Plan").delete(&bench.cx, &id, &fields(plan.clone())).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InUse, "{error:?}");
    bench.deleted("aws:backup:Selection", &selected, &selection).await;
    bench.deleted("aws:backup:Plan", &id, &plan).await;
}

#[tokio::test]
async fn budgets_and_anomalies() {
    let (_dir, sandbox) = open().await;
    let bench = bench(&sandbox);
    let told = |threshold: f64, addresses: &[&str]| {
        let people: Vec<Value> =
            addresses.iter().map(|a| json!({"subscription_type": "EMAIL", "address": a})).collect();
        json!({"notification": {"notification_type": "ACTUAL", "comparison_operator": "GREATER_THAN", "threshold": threshold,
                                "threshold_type": "PERCENTAGE"}, "subscribers": people})
    };
    let want = json!({
        "budget_name": "all", "budget_type": "COST", "time_unit": "MONTHLY", "budget_limit": {"amount": "100", "unit": "USD"},
        "cost_filters": {"Service": ["Amazon Simple Storage Service"]}, "cost_types": {"include_tax": false, "use_blended": true},
        "time_period": {"start": "2026-01-01", "end": "2030-01-01T00:00:00Z"}, "tags": {"a": "1", "b": "ü"},
        "notifications_with_subscribers": [told(80.0, &["a@example.com", "b@example.com"]), told(100.0, &["a@example.com"])]});
    let mut changed = want.clone();
    changed["budget_limit"]["amount"] = json!("250.5");
    changed["tags"] = json!({"b": "2"});
    changed["notifications_with_subscribers"] =
        json!([told(80.0, &["b@example.com", "c@example.com"]), told(90.0, &["d@example.com"])]);
    let mut plain = want.clone();
    for gone in ["notifications_with_subscribers", "cost_filters", "tags"] {
        plain.as_object_mut().unwrap().remove(gone);
    }
    let outputs = bench.life("aws:budgets:Budget", want.clone(), &[changed, plain]).await;
    assert_eq!(outputs["arn"].as_str(), Some("arn:aws:budgets::000000000000:budget/all"));
    bench.create("aws:budgets:Budget", &want, 1).await.unwrap();
    let error = bench.create("aws:budgets:Budget", &want, 2).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error:?}");

    let monitor = |name: &str, tags: Value| {
        json!({"monitor_name": name, "monitor_type": "CUSTOM", "tags": tags,
               "monitor_specification": {"Tags": {"Key": "team", "Values": ["x", "y"]}}})
    };
    bench
        .life("aws:ce:AnomalyMonitor", monitor("costs", json!({"a": "1"})), &[monitor("all", json!({"b": "2"}))])
        .await;
    let services = json!({"monitor_name": "services", "monitor_type": "DIMENSIONAL", "monitor_dimension": "SERVICE"});
    let watched = bench.create("aws:ce:AnomalyMonitor", &services, 3).await.unwrap();
    let error = bench.create("aws:ce:AnomalyMonitor", &services, 4).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("LimitExceededException"), "{error:?}");
    let impact = |dollars: &str| json!({"Dimensions": {"Key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE", "Values": [dollars], "MatchOptions": ["GREATER_THAN_OR_EQUAL"]}});
    let people = |name: &str, dollars: &str, tags: Value| {
        json!({"subscription_name": name, "frequency": "DAILY", "monitor_arn_list": [watched.id], "tags": tags,
               "subscribers": [{"address": "a@example.com", "type": "EMAIL"}], "threshold_expression": impact(dollars)})
    };
    let first = people("people", "100", json!({"a": "1"}));
    bench.life("aws:ce:AnomalySubscription", first, &[people("others", "50", json!({"b": "2"}))]).await;
    bench.deleted("aws:ce:AnomalyMonitor", &watched.id, &services).await;
}

#[tokio::test]
async fn trails() {
    let (_dir, sandbox) = open().await;
    let bench = bench(&sandbox);
    let want = json!({
        "name": "main", "s3_bucket_name": "trail-logs", "s3_key_prefix": "audit", "include_global_service_events": true,
        "sns_topic_name": "arn:aws:sns:us-west-2:000000000000:t",
        "is_multi_region_trail": true, "enable_log_file_validation": true, "is_organization_trail": false,
        "cloud_watch_logs_log_group_arn": "arn:aws:logs:us-west-2:000000000000:log-group:trail:*", "cloud_watch_logs_role_arn": ROLE,
        "kms_key_id": "arn:aws:kms:us-west-2:000000000000:key/1", "is_logging": true,
        "event_selectors": [{"read_write_type": "WriteOnly", "include_management_events": true,
            "data_resources": [{"type": "AWS::S3::Object", "values": ["arn:aws:s3:::b/"]}]}],
        "insight_selectors": [{"insight_type": "ApiCallRateInsight"}], "tags": {"a": "1", "b": "ü"}});
    let mut changed = want.clone();
    changed["s3_bucket_name"] = json!("other-logs");
    changed["is_logging"] = json!(false);
    changed["is_multi_region_trail"] = json!(false);
    changed["tags"] = json!({"b": "3"});
    changed["event_selectors"] = json!([{"read_write_type": "All", "include_management_events": false}]);
    for gone in [
        "s3_key_prefix",
        "sns_topic_name",
        "kms_key_id",
        "cloud_watch_logs_log_group_arn",
        "cloud_watch_logs_role_arn",
        "insight_selectors",
    ] {
        changed.as_object_mut().unwrap().remove(gone);
    }
    bench.life("aws:cloudtrail:Trail", want, &[changed]).await;
    let advanced = json!({"name": "advanced", "s3_bucket_name": "trail-logs",
        "advanced_event_selectors": [{"name": "s3", "field_selectors": [
            {"field": "eventCategory", "equals": ["Data"]}, {"field": "resources.type", "equals": ["AWS::S3::Object"]}]}]});
    bench.life("aws:cloudtrail:Trail", advanced.clone(), &[]).await;
    bench.create("aws:cloudtrail:Trail", &advanced, 1).await.unwrap();
    let error = bench.create("aws:cloudtrail:Trail", &advanced, 2).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error:?}");
}

#[tokio::test]
async fn recorders_channels_and_rules() {
    let (_dir, sandbox) = open().await;
    let bench = bench(&sandbox);
    let recorder = json!({"name": "main", "role_arn": ROLE, "recording": true, "tags": {"a": "1"},
        "recording_group": {"all_supported": true, "include_global_resource_types": true},
        "recording_mode": {"recording_frequency": "CONTINUOUS", "recording_mode_overrides": [
            {"description": "often", "resource_types": ["AWS::EC2::Instance"], "recording_frequency": "DAILY"}]}});
    let channel = json!({"name": "main", "s3_bucket_name": "logs", "s3_key_prefix": "config",
        "sns_topic_arn": "arn:aws:sns:us-west-2:000000000000:t",
        "config_snapshot_delivery_properties": {"delivery_frequency": "Six_Hours"}});
    // Each waits for the other.
    let (made, delivered) = futures::join!(
        bench.create("aws:config:Recorder", &recorder, 1),
        bench.create("aws:config:DeliveryChannel", &channel, 2),
    );
    let (made, delivered) = (made.unwrap().id, delivered.unwrap().id);
    bench.settled("aws:config:Recorder", &made, &recorder).await;
    bench.settled("aws:config:DeliveryChannel", &delivered, &channel).await;
    let second =
        bench.create("aws:config:Recorder", &json!({"name": "second", "role_arn": ROLE}), 3).await.unwrap_err();
    assert_eq!(second.code.as_deref(), Some("MaxNumberOfConfigurationRecordersExceededException"));

    let rule = json!({
        "config_rule_name": "passwords", "description": "long ones", "scope": {"compliance_resource_types": ["AWS::IAM::User"]},
        "source": {"owner": "AWS", "source_identifier": "IAM_PASSWORD_POLICY"},
        "input_parameters": {"MinimumPasswordLength": "14"}, "maximum_execution_frequency": "Six_Hours", "tags": {"a": "1", "b": "ü"}});
    let mut changed = rule.clone();
    changed["input_parameters"] = json!({"MinimumPasswordLength": "20"});
    changed["tags"] = json!({"b": "3"});
    let plain = json!({"config_rule_name": "passwords", "source": {"owner": "AWS", "source_identifier": "IAM_PASSWORD_POLICY"}});
    bench.life("aws:config:Rule", rule.clone(), &[changed, plain]).await;
    let own = json!({"config_rule_name": "own", "source": {"owner": "CUSTOM_POLICY",
        "custom_policy_details": {"policy_runtime": "guard-2.x.x", "policy_text": "rule a { b exists }"},
        "source_details": [{"message_type": "ConfigurationItemChangeNotification"}]}});
    bench.life("aws:config:Rule", own, &[]).await;

    let mut some = recorder.clone();
    some["recording"] = json!(false);
    some["tags"] = json!({"b": "2"});
    some["recording_group"] = json!({"resource_types": ["AWS::EC2::VPC", "AWS::EC2::Subnet"]});
    let config = bench.aws.config(&bench.cx).await.unwrap();
    let held = config.delete_delivery_channel().delivery_channel_name("main").send().await.unwrap_err();
    assert!(format!("{held:?}").contains("LastDeliveryChannelDeleteFailedException"), "{held:?}");
    bench.update("aws:config:Recorder", &made, &recorder, &some).await;
    bench.settled("aws:config:Recorder", &made, &some).await;
    let other = json!({"name": "main", "s3_bucket_name": "other"});
    bench.update("aws:config:DeliveryChannel", &delivered, &channel, &other).await;
    bench.settled("aws:config:DeliveryChannel", &delivered, &other).await;
    bench.deleted("aws:config:DeliveryChannel", &delivered, &other).await;
    bench.deleted("aws:config:Recorder", &made, &some).await;
}

#[tokio::test]
async fn detectors_hubs_and_blocks() {
    let (_dir, sandbox) = open().await;
    let bench = bench(&sandbox);
    let want = json!({"enable": true, "finding_publishing_frequency": "ONE_HOUR", "tags": {"a": "1"},
        "features": [{"name": "S3_DATA_EVENTS", "status": "ENABLED"},
            {"name": "RUNTIME_MONITORING", "status": "ENABLED",
                "additional_configuration": [{"name": "EKS_ADDON_MANAGEMENT", "status": "ENABLED"}]}]});
    let changed = json!({"enable": false, "finding_publishing_frequency": "SIX_HOURS", "tags": {"b": "ü"},
        "features": [{"name": "S3_DATA_EVENTS", "status": "DISABLED"}]});
    bench.life("aws:guardduty:Detector", want.clone(), &[changed]).await;
    bench.create("aws:guardduty:Detector", &want, 1).await.unwrap();
    let error = bench.create("aws:guardduty:Detector", &want, 2).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error:?}");

    let standard = |name: &str| json!({"standards_arn": format!("arn:aws:securityhub:us-west-2::standards/{name}")});
    let error =
        bench.create("aws:securityhub:StandardsSubscription", &standard("pci-dss/v/3.2.1"), 1).await.unwrap_err();
    assert!(error.hint.as_deref().is_some_and(|h| h.contains("aws:securityhub:Account")), "{error:?}");
    let hub = json!({"enable_default_standards": false, "control_finding_generator": "SECURITY_CONTROL",
        "auto_enable_controls": false, "tags": {"a": "1"}});
    let changed = json!({"enable_default_standards": false, "control_finding_generator": "STANDARD_CONTROL",
        "auto_enable_controls": true, "tags": {"b": "2"}});
    bench.life("aws:securityhub:Account", hub.clone(), &[changed]).await;
    bench.create("aws:securityhub:Account", &hub, 1).await.unwrap();
    let outputs = bench.life("aws:securityhub:StandardsSubscription", standard("pci-dss/v/3.2.1"), &[]).await;
    assert_eq!(
        outputs["arn"].as_str(),
        Some("arn:aws:securityhub:us-west-2:000000000000:subscription/pci-dss/v/3.2.1")
    );
    let error = bench.create("aws:securityhub:StandardsSubscription", &standard("none/v/1.0.0"), 1).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error:?}");

    let block = |on: bool| json!({"block_public_acls": on, "ignore_public_acls": true, "block_public_policy": on, "restrict_public_buckets": true});
    bench.life("aws:s3:AccountPublicAccessBlock", block(true), &[block(false)]).await;
}

/// What the sandbox holds is there again after it was closed, and the tagging API tells what bears a mark.
#[tokio::test]
async fn everything_is_kept_and_told_by_its_mark() {
    let (dir, sandbox) = open().await;
    let wants = [
        ("aws:sns:Topic", json!({"name": "t", "tags": {"a": "1"}})),
        ("aws:sqs:Queue", json!({"queue_name": "q", "tags": {"a": "1"}})),
        ("aws:cloudwatch:Dashboard", json!({"dashboard_name": "d", "dashboard_body": {"widgets": []}})),
        ("aws:events:Rule", json!({"name": "r", "schedule_expression": "rate(1 day)"})),
        ("aws:backup:Vault", json!({"backup_vault_name": "v1"})),
        (
            "aws:budgets:Budget",
            json!({"budget_name": "b", "budget_type": "COST", "time_unit": "MONTHLY", "budget_limit": {"amount": "1", "unit": "USD"}}),
        ),
        (
            "aws:ce:AnomalyMonitor",
            json!({"monitor_name": "m", "monitor_type": "DIMENSIONAL", "monitor_dimension": "SERVICE"}),
        ),
        ("aws:cloudtrail:Trail", json!({"name": "trail", "s3_bucket_name": "logs"})),
        ("aws:config:Recorder", json!({"name": "default", "role_arn": ROLE})),
        ("aws:guardduty:Detector", json!({"enable": true})),
        ("aws:securityhub:Account", json!({"enable_default_standards": false})),
        ("aws:ssm:Parameter", json!({"name": "/p", "type": "SecureString", "value": "hunter2"})),
        ("aws:ec2:Vpc", json!({"cidr_block": "10.0.0.0/16"})),
        ("aws:logs:LogGroup", json!({"log_group_name": "/g"})),
        ("aws:s3:Bucket", json!({"bucket": "phx-kept"})),
    ];
    let mut made = Vec::new();
    {
        let bench = bench(&sandbox);
        for (n, (name, want)) in (100..).zip(&wants) {
            let created = bench.create(name, want, n).await.unwrap_or_else(|e| panic!("{name}: {e:?}"));
            made.push((*name, created.id, want, n));
        }
    }
    drop(sandbox);
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let bench = bench(&sandbox);
    for (name, id, want, _) in &made {
        bench.settled(name, id, want).await;
    }
    let lineage = intent(1).as_str().split('.').next().unwrap().to_owned();
    let marked =
        phx_aws::orphans::marked(&bench.aws, &BTreeSet::from([ProviderKey(REGION.into())]), &lineage).await.unwrap();
    let told: BTreeMap<&str, &str> = marked.iter().map(|m| (m.intent.as_str(), m.arn.as_str())).collect();
    for (name, id, _, n) in &made {
        let arn = told.get(intent(*n).as_str());
        assert!(arn.is_some(), "{name} {id} is not told: {told:#?}");
    }
    assert_eq!(told.len(), made.len(), "{told:#?}");
}
