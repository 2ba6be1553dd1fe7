//! Instances.

use std::path::Path;

use phx_model::driver::Read;
use phx_model::error::ErrorKind;
use phx_model::state::INTENT_TAG;
use serde_json::{Value, json};

use super::{instance, instance_xml, instances, names, said, tag_list, update, with};
use crate::kit::{Answer, fields, intent, scripted};

/// The parameters that AWS has for an operation, but those in `but`.
fn parameters(operation: &str, but: &[&str]) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/api-parameters.tsv");
    let text = std::fs::read_to_string(path).unwrap();
    let columns = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let of = columns.filter(|c| c[0] == "aws:rds:DbInstance" && c[1] == operation).map(|c| c[2].to_owned());
    of.filter(|parameter| !but.contains(&parameter.as_str())).collect()
}

/// An instance with everything that can be set on it but where it comes from.
fn everything() -> Value {
    let first = json!({
        "db_instance_identifier": "main", "db_instance_class": "db.r7g.large", "engine": "oracle-ee", "engine_version": "19",
        "db_name": "APP", "allocated_storage": 100, "max_allocated_storage": 200, "storage_type": "gp3", "iops": 12000,
        "storage_throughput": 500, "additional_storage_volumes": [{"volume_name": "rdsdbdata2", "allocated_storage": 200}],
        "dedicated_log_volume": true, "storage_encrypted": true, "kms_key_id": "arn:kms", "master_username": "master",
        "master_user_password": "not-a-secret", "manage_master_user_password": false, "master_user_secret_kms_key_id": "arn:kms2",
        "rotate_master_user_password": true, "master_user_authentication_type": "password",
        "enable_iam_database_authentication": true, "port": 1522, "db_subnet_group_name": "subnets",
        "vpc_security_group_ids": ["sg-1", "sg-2"], "db_security_groups": ["old"], "publicly_accessible": false,
    });
    let second = json!({
        "network_type": "DUAL", "enable_customer_owned_ip": true, "availability_zone": "us-west-2a", "multi_az": true,
        "db_parameter_group_name": "parameters", "option_group_name": "options", "ca_certificate_identifier": "rds-ca-rsa2048-g1",
        "certificate_rotation_restart": false, "preferred_maintenance_window": "sun:05:00-sun:06:00",
        "preferred_backup_window": "03:00-03:30", "backup_retention_period": 7, "backup_target": "region",
        "aws_backup_recovery_point_arn": "arn:recovery", "copy_tags_to_snapshot": true,
        "tag_specifications": [{"resource_type": "auto-backup", "tags": {"a": "1"}}], "auto_minor_version_upgrade": true,
        "allow_major_version_upgrade": true, "engine_lifecycle_support": "open-source-rds-extended-support-disabled",
        "apply_immediately": true, "deletion_protection": true, "license_model": "bring-your-own-license",
        "character_set_name": "AL32UTF8", "nchar_character_set_name": "AL16UTF16", "timezone": "UTC", "multi_tenant": true,
    });
    let third = json!({
        "db_system_id": "SID", "custom_iam_instance_profile": "AWSRDSCustomX", "automation_mode": "all-paused",
        "resume_full_automation_mode_minutes": 90, "tde_credential_arn": "arn:tde", "tde_credential_password": "not-a-secret",
        "domain": "d-1", "domain_iam_role_name": "domain", "domain_fqdn": "example.org", "domain_ou": "OU=a",
        "domain_auth_secret_arn": "arn:secret", "domain_dns_ips": ["10.0.0.1", "10.0.0.2"], "monitoring_interval": 30,
        "monitoring_role_arn": "arn:monitoring", "database_insights_mode": "advanced", "enable_performance_insights": true,
        "performance_insights_kms_key_id": "arn:kms3", "performance_insights_retention_period": 465,
        "enable_cloudwatch_logs_exports": ["alert"], "processor_features": [{"name": "coreCount", "value": "2"}],
        "db_capacity_reservation_identifier": "cr-1", "promotion_tier": 2, "replica_mode": "mounted",
        "upgrade_storage_config": true, "pre_signed_url": "https://example.org", "tags": {"team": "a"},
    });
    with(with(first, second), third)
}

#[tokio::test]
async fn every_parameter_of_an_instance_is_sent() {
    let source = |more: Value| with(everything(), more);
    let cases = [
        ("CreateDBInstance", with(everything(), json!({"db_cluster_identifier": "cluster"})), &[][..]),
        (
            "CreateDBInstanceReadReplica",
            source(json!({
                "source_db_instance_identifier": "other", "source_db_cluster_identifier": "others",
                "use_default_processor_features": true,
            })),
            &["SourceRegion"][..],
        ),
        (
            "RestoreDBInstanceToPointInTime",
            source(json!({
                "source_db_instance_identifier": "other", "restore_time": "2026-01-31T23:45:00Z", "use_latest_restorable_time": true,
                "source_dbi_resource_id": "db-A", "source_db_instance_automated_backups_arn": "arn:backups",
                "use_default_processor_features": true,
            })),
            // For Oracle only; for all, ModifyDBInstance takes them after that.
            &["ManageMasterUserPassword", "MasterUserSecretKmsKeyId"][..],
        ),
    ];
    for (operation, want, but) in cases {
        let bench = scripted(move |request, _| match request.operation.as_str() {
            describe if describe.starts_with("Describe") => instances(""),
            _ => Answer::Query(instance_xml("main", "")),
        });
        bench.driver("aws:rds:DbInstance").create(&bench.cx, &fields(want), &intent(1)).await.unwrap();
        // What it is made of is looked at before.
        let mut requests = bench.requests();
        requests.retain(|request| !request.operation.starts_with("Describe"));
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].operation, operation);
        let sent = names(&requests[0]);
        let missing: Vec<String> =
            parameters(&format!("rds:{operation}"), but).into_iter().filter(|p| !sent.contains(p)).collect();
        assert!(missing.is_empty(), "{operation} is not told {missing:?}");
    }
}

#[tokio::test]
async fn every_parameter_of_a_change_is_sent() {
    let bench = scripted(|_, _| instances(&instance_xml("old", "<AllocatedStorage>10</AllocatedStorage>")));
    let have = json!({"db_instance_identifier": "old", "db_instance_class": "db.t4g.micro"});
    // These exclude each other, and are sent by the other tests: `DisableDomain`, `UseDefaultProcessorFeatures`.
    let want = with(everything(), json!({"manage_master_user_password": true}));
    let updated = update(&bench, "aws:rds:DbInstance", "old", &have, &want).await;
    // The renamed instance is not there in this script.
    assert!(updated.is_err_and(|e| e.kind == ErrorKind::TimedOut));
    let requests = bench.requests();
    let request = requests.iter().find(|r| r.operation == "ModifyDBInstance").unwrap();
    let sent = names(request);
    let but = ["DisableDomain", "UseDefaultProcessorFeatures"];
    let missing: Vec<String> =
        parameters("rds:ModifyDBInstance", &but).into_iter().filter(|p| !sent.contains(p)).collect();
    assert!(missing.is_empty(), "ModifyDBInstance is not told {missing:?}");
    assert_eq!(said(request, "NewDBInstanceIdentifier"), Some("main"));
}

/// Everything that RDS tells of an instance is read back in the form in which a program writes it.
#[tokio::test]
async fn an_instance_is_read_whole() {
    let told = format!(
        "<EngineVersion>19.0.0.0.ru-2024-07.rur-2024-07.r1</EngineVersion><DBName>APP</DBName>
         <AllocatedStorage>150</AllocatedStorage><MaxAllocatedStorage>200</MaxAllocatedStorage><StorageType>gp3</StorageType>
         <Iops>12000</Iops><StorageThroughput>500</StorageThroughput><DedicatedLogVolume>true</DedicatedLogVolume>
         <AdditionalStorageVolumes><member><VolumeName>rdsdbdata2</VolumeName><AllocatedStorage>200</AllocatedStorage>
         <StorageType>gp3</StorageType></member></AdditionalStorageVolumes>
         <StorageEncrypted>true</StorageEncrypted><KmsKeyId>arn:kms</KmsKeyId><MasterUsername>master</MasterUsername>
         <IAMDatabaseAuthenticationEnabled>true</IAMDatabaseAuthenticationEnabled>
         <Endpoint><Address>main.rds</Address><Port>1522</Port><HostedZoneId>Z1</HostedZoneId></Endpoint>
         <DBSubnetGroup><DBSubnetGroupName>subnets</DBSubnetGroupName></DBSubnetGroup>
         <VpcSecurityGroups><VpcSecurityGroupMembership><VpcSecurityGroupId>sg-2</VpcSecurityGroupId><Status>adding</Status></VpcSecurityGroupMembership>
         <VpcSecurityGroupMembership><VpcSecurityGroupId>sg-1</VpcSecurityGroupId><Status>active</Status></VpcSecurityGroupMembership>
         <VpcSecurityGroupMembership><VpcSecurityGroupId>sg-0</VpcSecurityGroupId><Status>removing</Status></VpcSecurityGroupMembership></VpcSecurityGroups>
         <DBSecurityGroups><DBSecurityGroup><DBSecurityGroupName>old</DBSecurityGroupName><Status>active</Status></DBSecurityGroup></DBSecurityGroups>
         <PubliclyAccessible>false</PubliclyAccessible><NetworkType>DUAL</NetworkType><CustomerOwnedIpEnabled>true</CustomerOwnedIpEnabled>
         <AvailabilityZone>us-west-2b</AvailabilityZone><SecondaryAvailabilityZone>us-west-2a</SecondaryAvailabilityZone><MultiAZ>true</MultiAZ>
         <DBParameterGroups><DBParameterGroup><DBParameterGroupName>parameters</DBParameterGroupName></DBParameterGroup></DBParameterGroups>
         <OptionGroupMemberships><OptionGroupMembership><OptionGroupName>before</OptionGroupName><Status>pending-maintenance-removal</Status></OptionGroupMembership>
         <OptionGroupMembership><OptionGroupName>options</OptionGroupName><Status>pending-maintenance-apply</Status></OptionGroupMembership></OptionGroupMemberships>
         <CACertificateIdentifier>rds-ca-rsa2048-g1</CACertificateIdentifier>
         <PreferredMaintenanceWindow>sun:05:00-sun:06:00</PreferredMaintenanceWindow><PreferredBackupWindow>03:00-03:30</PreferredBackupWindow>
         <BackupRetentionPeriod>7</BackupRetentionPeriod><BackupTarget>region</BackupTarget>
         <AwsBackupRecoveryPointArn>arn:recovery</AwsBackupRecoveryPointArn><CopyTagsToSnapshot>true</CopyTagsToSnapshot>
         <AutoMinorVersionUpgrade>true</AutoMinorVersionUpgrade><EngineLifecycleSupport>open-source-rds-extended-support-disabled</EngineLifecycleSupport>
         <DeletionProtection>true</DeletionProtection><LicenseModel>bring-your-own-license</LicenseModel>
         <CharacterSetName>AL32UTF8</CharacterSetName><NcharCharacterSetName>AL16UTF16</NcharCharacterSetName><Timezone>UTC</Timezone>
         <MultiTenant>true</MultiTenant><DBSystemId>SID</DBSystemId><CustomIamInstanceProfile>AWSRDSCustomX</CustomIamInstanceProfile>
         <AutomationMode>all-paused</AutomationMode><TdeCredentialArn>arn:tde</TdeCredentialArn>
         <DomainMemberships><DomainMembership><Domain>d-1</Domain><Status>joined</Status><FQDN>example.org</FQDN><IAMRoleName>domain</IAMRoleName>
         <OU>OU=a</OU><AuthSecretArn>arn:secret</AuthSecretArn><DnsIps><member>10.0.0.2</member><member>10.0.0.1</member></DnsIps></DomainMembership></DomainMemberships>
         <MonitoringInterval>30</MonitoringInterval><MonitoringRoleArn>arn:monitoring</MonitoringRoleArn>
         <DatabaseInsightsMode>advanced</DatabaseInsightsMode><PerformanceInsightsEnabled>true</PerformanceInsightsEnabled>
         <PerformanceInsightsKMSKeyId>arn:kms3</PerformanceInsightsKMSKeyId><PerformanceInsightsRetentionPeriod>465</PerformanceInsightsRetentionPeriod>
         <EnabledCloudwatchLogsExports><member>alert</member></EnabledCloudwatchLogsExports>
         <ProcessorFeatures><ProcessorFeature><Name>coreCount</Name><Value>2</Value></ProcessorFeature></ProcessorFeatures>
         <DBCapacityReservationIdentifier>cr-1</DBCapacityReservationIdentifier><PromotionTier>2</PromotionTier><ReplicaMode>mounted</ReplicaMode>
         {}",
        tag_list(&[("team", "a"), (INTENT_TAG, "i")])
    );
    let xml = instance_xml("main", &told).replace("db.t4g.micro", "db.r7g.large").replace(">postgres<", ">oracle-ee<");
    let bench = scripted(move |_, _| instances(&xml));
    let mut want = everything();
    want.as_object_mut().unwrap().remove("master_user_secret_kms_key_id");
    let observed = bench.settled("aws:rds:DbInstance", "main", &want).await;
    assert_eq!(observed.outputs["address"].as_str(), Some("main.rds"));
}

/// What waits for the maintenance window counts as made: no plan shows it again.
#[tokio::test]
async fn pending_values_count() {
    let pending = "<EngineVersion>16.4</EngineVersion><AllocatedStorage>20</AllocatedStorage>
        <EnabledCloudwatchLogsExports><member>postgresql</member></EnabledCloudwatchLogsExports>
        <PendingModifiedValues><DBInstanceClass>db.r7g.large</DBInstanceClass><AllocatedStorage>40</AllocatedStorage><Port>5433</Port>
        <BackupRetentionPeriod>9</BackupRetentionPeriod><MultiAZ>true</MultiAZ><EngineVersion>16.6</EngineVersion>
        <LicenseModel>l</LicenseModel><Iops>4000</Iops><StorageThroughput>200</StorageThroughput><StorageType>gp3</StorageType>
        <CACertificateIdentifier>ca</CACertificateIdentifier><DBSubnetGroupName>other</DBSubnetGroupName><MultiTenant>true</MultiTenant>
        <IAMDatabaseAuthenticationEnabled>true</IAMDatabaseAuthenticationEnabled><DedicatedLogVolume>true</DedicatedLogVolume>
        <DBInstanceIdentifier>renamed</DBInstanceIdentifier><AutomationMode>full</AutomationMode>
        <ProcessorFeatures><ProcessorFeature><Name>coreCount</Name><Value>4</Value></ProcessorFeature></ProcessorFeatures>
        <PendingCloudwatchLogsExports><LogTypesToEnable><member>upgrade</member></LogTypesToEnable>
        <LogTypesToDisable><member>postgresql</member></LogTypesToDisable></PendingCloudwatchLogsExports></PendingModifiedValues>";
    let bench = scripted(move |request, _| match said(request, "DBInstanceIdentifier") {
        // It still has its old name, and is looked for by the one that it will have.
        Some("renamed") => Answer::XmlError(404, "DBInstanceNotFound"),
        _ => instances(&instance_xml("main", pending)),
    });
    let want = json!({
        "db_instance_identifier": "renamed", "db_instance_class": "db.r7g.large", "engine_version": "16.6", "allocated_storage": 40,
        "port": 5433, "backup_retention_period": 9, "multi_az": true, "license_model": "l", "iops": 4000, "storage_throughput": 200,
        "storage_type": "gp3", "ca_certificate_identifier": "ca", "db_subnet_group_name": "other", "multi_tenant": true,
        "enable_iam_database_authentication": true, "dedicated_log_volume": true, "automation_mode": "full",
        "processor_features": [{"name": "coreCount", "value": "4"}], "enable_cloudwatch_logs_exports": ["upgrade"],
    });
    bench.settled("aws:rds:DbInstance", "main", &want).await;
}

#[tokio::test]
async fn only_what_changes_is_sent_and_what_is_made_at_once_is_waited_for() {
    let bench = scripted(|request, at| match request.operation.as_str() {
        "ModifyDBInstance" => Answer::Query(instance_xml("main", "")),
        // It is available until RDS begins, and again when it is done.
        _ => instances(&instance_xml(
            "main",
            match at {
                0..=2 => {
                    "<PendingModifiedValues><DBInstanceClass>db.r7g.large</DBInstanceClass></PendingModifiedValues>"
                }
                3 => "<DBInstanceStatus>modifying</DBInstanceStatus>",
                _ => "",
            },
        )),
    });
    let have = with(instance("main"), json!({"engine_version": "16.4", "multi_az": true, "apply_immediately": true}));
    let want = with(have.clone(), json!({"db_instance_class": "db.r7g.large"}));
    update(&bench, "aws:rds:DbInstance", "main", &have, &want).await.unwrap();
    let requests = bench.requests();
    let sent: Vec<String> = names(&requests[1]).into_iter().collect();
    assert_eq!(sent, ["Action", "ApplyImmediately", "DBInstanceClass", "DBInstanceIdentifier", "Version"]);
    assert_eq!(said(&requests[1], "ApplyImmediately"), Some("true"));
    assert_eq!(requests.len(), 5, "{:?}", bench.operations());
}

#[tokio::test]
async fn a_deferred_change_is_not_waited_for_and_can_be_hurried_later() {
    let pending = "<PendingModifiedValues><DBInstanceClass>db.r7g.large</DBInstanceClass></PendingModifiedValues>";
    let bench = scripted(move |request, at| match request.operation.as_str() {
        "ModifyDBInstance" => Answer::Query(instance_xml("main", pending)),
        _ if at < 4 => instances(&instance_xml("main", pending)),
        _ => instances(&instance_xml("main", "")),
    });
    let have = instance("main");
    let want = with(have.clone(), json!({"db_instance_class": "db.r7g.large"}));
    update(&bench, "aws:rds:DbInstance", "main", &have, &want).await.unwrap();
    assert_eq!(bench.operations(), ["DescribeDBInstances", "ModifyDBInstance", "DescribeDBInstances"]);
    assert_eq!(said(&bench.requests()[1], "ApplyImmediately"), Some("false"));
    // Said alone, it applies what waits.
    let hurried = with(want.clone(), json!({"apply_immediately": true}));
    update(&bench, "aws:rds:DbInstance", "main", &want, &hurried).await.unwrap();
    let sent: Vec<String> = names(&bench.requests()[4]).into_iter().collect();
    assert_eq!(sent, ["Action", "ApplyImmediately", "DBInstanceIdentifier", "Version"]);
    // And where nothing waits nothing is sent.
    let sent = bench.operations().len();
    update(&bench, "aws:rds:DbInstance", "main", &want, &hurried).await.unwrap();
    assert_eq!(bench.operations()[sent..], ["DescribeDBInstances"]);
}

#[tokio::test]
async fn an_instance_that_changes_is_waited_for_before_it_is_changed() {
    let bench = scripted(|request, at| match (request.operation.as_str(), at) {
        ("ModifyDBInstance", 1) => Answer::XmlError(400, "InvalidDBInstanceState"),
        ("ModifyDBInstance", _) => Answer::Query(instance_xml("main", "")),
        (_, 2..=3) => instances(&instance_xml("main", "<DBInstanceStatus>backing-up</DBInstanceStatus>")),
        _ => instances(&instance_xml("main", "")),
    });
    let want = with(instance("main"), json!({"deletion_protection": true}));
    update(&bench, "aws:rds:DbInstance", "main", &instance("main"), &want).await.unwrap();
    assert_eq!(bench.operations().iter().filter(|o| *o == "ModifyDBInstance").count(), 2);
}

#[tokio::test]
async fn a_failed_instance_tells_why() {
    let bench = scripted(|request, _| {
        match request.operation.as_str() {
        "DescribeEvents" => Answer::Query(
            "<Events><Event><Message>Created</Message></Event><Event><Message>No free address in subnet-1</Message></Event></Events>".into(),
        ),
        _ => instances(&instance_xml("main", "<DBInstanceStatus>incompatible-network</DBInstanceStatus>")),
    }
    });
    let driver = bench.driver("aws:rds:DbInstance");
    let error = driver.finish(&bench.cx, "main", &fields(instance("main"))).await.unwrap_err();
    assert!(error.message.contains("incompatible-network: Created; No free address in subnet-1"), "{error:?}");
    assert!(error.hint.is_some());
}

#[tokio::test]
async fn a_name_whose_instance_is_going_away_is_waited_for() {
    let bench = scripted(|request, at| match (request.operation.as_str(), at) {
        ("CreateDBInstance", 0) => Answer::XmlError(400, "DBInstanceAlreadyExists"),
        ("CreateDBInstance", _) => Answer::Query(instance_xml("main", "<DBInstanceStatus>creating</DBInstanceStatus>")),
        (_, 1..=2) => instances(&instance_xml("main", "<DBInstanceStatus>deleting</DBInstanceStatus>")),
        _ => Answer::XmlError(404, "DBInstanceNotFound"),
    });
    let made =
        bench.driver("aws:rds:DbInstance").create(&bench.cx, &fields(instance("main")), &intent(1)).await.unwrap();
    assert_eq!((made.id.as_str(), made.complete), ("main", false));
}

#[tokio::test]
async fn a_new_database_without_an_engine_is_refused_before_anything_is_called() {
    let bench = scripted(|_, _| panic!("nothing is called"));
    let want = json!({"db_instance_identifier": "main", "db_instance_class": "db.t4g.micro"});
    let error = bench.driver("aws:rds:DbInstance").create(&bench.cx, &fields(want), &intent(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn the_last_snapshot_is_what_the_program_says() {
    let replica = "<ReadReplicaSourceDBInstanceIdentifier>other</ReadReplicaSourceDBInstanceIdentifier>";
    let member = "<DBClusterIdentifier>cluster</DBClusterIdentifier>";
    let last = json!({"final_db_snapshot_identifier": "last", "delete_automated_backups": false});
    for (more, there, skip, snapshot, backups) in [
        (last.clone(), "", "false", Some("last"), Some("false")),
        (json!({"skip_final_snapshot": true}), "", "true", None, None),
        (last.clone(), replica, "true", None, None),
        (last.clone(), member, "true", None, None),
    ] {
        let xml = instance_xml("main", there);
        let bench = scripted(move |request, at| match (request.operation.as_str(), at) {
            ("DeleteDBInstance", _) => Answer::Query(xml.clone()),
            (_, 0) => instances(&xml),
            (_, 2) => instances(&instance_xml("main", "<DBInstanceStatus>deleting</DBInstanceStatus>")),
            _ => Answer::XmlError(404, "DBInstanceNotFound"),
        });
        let was = fields(with(instance("main"), more));
        bench.driver("aws:rds:DbInstance").delete(&bench.cx, "main", &was).await.unwrap();
        let request = bench.requests().remove(1);
        assert_eq!(said(&request, "SkipFinalSnapshot"), Some(skip), "{there}");
        assert_eq!(said(&request, "FinalDBSnapshotIdentifier"), snapshot, "{there}");
        assert_eq!(said(&request, "DeleteAutomatedBackups"), backups, "{there}");
    }
}

/// The last snapshot of an earlier instance of that name is not in the way, and stays.
#[tokio::test]
async fn a_last_snapshots_name_that_is_taken_gets_the_instances_own_id() {
    let there = "<DbiResourceId>db-ABC</DbiResourceId>";
    let bench = scripted(move |request, at| match (request.operation.as_str(), at) {
        ("DeleteDBInstance", 1) => Answer::XmlError(400, "DBSnapshotAlreadyExists"),
        ("DeleteDBInstance", _) => Answer::Query(instance_xml("main", there)),
        (_, 0..=2) => instances(&instance_xml("main", there)),
        _ => Answer::XmlError(404, "DBInstanceNotFound"),
    });
    let was = fields(with(instance("main"), json!({"final_db_snapshot_identifier": "last"})));
    bench.driver("aws:rds:DbInstance").delete(&bench.cx, "main", &was).await.unwrap();
    let requests = bench.requests();
    let names: Vec<_> = requests.iter().filter_map(|r| said(r, "FinalDBSnapshotIdentifier")).collect();
    assert_eq!(names, ["last", "last-db-abc"]);
}

/// The snapshot that the first call asked for is there when it is asked again.
#[tokio::test]
async fn a_last_snapshot_that_was_made_by_a_call_whose_answer_was_lost_is_not_made_twice() {
    let bench = scripted(|request, at| match (request.operation.as_str(), at) {
        ("DeleteDBInstance", 1) => Answer::Lost,
        ("DeleteDBInstance", _) => Answer::XmlError(400, "DBSnapshotAlreadyExists"),
        (_, 0) => instances(&instance_xml("main", "<DbiResourceId>db-ABC</DbiResourceId>")),
        (_, 3) => instances(&instance_xml("main", "<DBInstanceStatus>deleting</DBInstanceStatus>")),
        _ => Answer::XmlError(404, "DBInstanceNotFound"),
    });
    let was = fields(with(instance("main"), json!({"final_db_snapshot_identifier": "last"})));
    bench.driver("aws:rds:DbInstance").delete(&bench.cx, "main", &was).await.unwrap();
    assert_eq!(bench.operations().iter().filter(|o| *o == "DeleteDBInstance").count(), 2);
}

#[tokio::test]
async fn a_deletion_whose_answer_was_lost_is_a_deletion() {
    let bench = scripted(|request, at| match (request.operation.as_str(), at) {
        ("DeleteDBInstance", 1) => Answer::Lost,
        ("DeleteDBInstance", _) => Answer::XmlError(400, "InvalidDBInstanceState"),
        (_, 0) => instances(&instance_xml("main", "")),
        (_, 3) => instances(&instance_xml("main", "<DBInstanceStatus>deleting</DBInstanceStatus>")),
        _ => Answer::XmlError(404, "DBInstanceNotFound"),
    });
    let was = fields(with(instance("main"), json!({"skip_final_snapshot": true})));
    bench.driver("aws:rds:DbInstance").delete(&bench.cx, "main", &was).await.unwrap();
}

#[tokio::test]
async fn a_replica_is_promoted_and_never_given_another_source() {
    let replica = "<ReadReplicaSourceDBInstanceIdentifier>other</ReadReplicaSourceDBInstanceIdentifier>";
    let bench = scripted(move |request, at| match request.operation.as_str() {
        "PromoteReadReplica" => Answer::Query(instance_xml("main", replica)),
        _ if at < 3 => instances(&instance_xml("main", replica)),
        _ => instances(&instance_xml("main", "")),
    });
    let have = with(instance("main"), json!({"source_db_instance_identifier": "other", "backup_retention_period": 7}));
    let other = with(have.clone(), json!({"source_db_instance_identifier": "another"}));
    let error = update(&bench, "aws:rds:DbInstance", "main", &have, &other).await.unwrap_err();
    assert!(error.hint.as_deref().is_some_and(|h| h.contains("--replace")), "{error:?}");
    let alone = with(instance("main"), json!({"backup_retention_period": 7}));
    update(&bench, "aws:rds:DbInstance", "main", &have, &alone).await.unwrap();
    let requests = bench.requests();
    let promote = requests.iter().find(|r| r.operation == "PromoteReadReplica").unwrap();
    assert_eq!(said(promote, "BackupRetentionPeriod"), Some("7"));
}

#[tokio::test]
async fn a_restored_instance_keeps_its_source_in_mind() {
    let bench = scripted(|_, _| instances(&instance_xml("main", "")));
    let want = with(
        instance("main"),
        json!({"source_db_instance_identifier": "other", "restore_time": "2026-01-31T23:45:00Z"}),
    );
    bench.settled("aws:rds:DbInstance", "main", &want).await;
}

#[tokio::test]
async fn storage_that_rds_added_is_not_taken_back_by_another_change() {
    let grown = "<AllocatedStorage>25</AllocatedStorage><MaxAllocatedStorage>100</MaxAllocatedStorage>";
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "ModifyDBInstance" => Answer::Query(instance_xml("main", grown)),
        _ => instances(&instance_xml("main", grown)),
    });
    let have = with(instance("main"), json!({"allocated_storage": 20, "max_allocated_storage": 100}));
    let faster = with(have.clone(), json!({"iops": 4000}));
    update(&bench, "aws:rds:DbInstance", "main", &have, &faster).await.unwrap();
    assert_eq!(said(&bench.requests()[1], "AllocatedStorage"), Some("25"));
    let fixed = with(instance("main"), json!({"allocated_storage": 20}));
    update(&bench, "aws:rds:DbInstance", "main", &have, &fixed).await.unwrap();
    let modify = bench.requests().into_iter().rfind(|r| r.operation == "ModifyDBInstance").unwrap();
    assert_eq!(said(&modify, "MaxAllocatedStorage"), Some("25"));
    let sent: Vec<String> = names(&modify).into_iter().collect();
    assert_eq!(sent, ["Action", "ApplyImmediately", "DBInstanceIdentifier", "MaxAllocatedStorage", "Version"]);
}

#[tokio::test]
async fn a_snapshot_is_restored_and_the_rest_is_set_when_it_is_there() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "DescribeDBInstances" => instances(&instance_xml("main", "<MonitoringInterval>0</MonitoringInterval>")),
        _ => Answer::Query(instance_xml("main", "")),
    });
    let want = with(
        instance("main"),
        json!({
            "db_snapshot_identifier": "one", "multi_az": true, "monitoring_interval": 30, "monitoring_role_arn": "arn:m",
            "master_user_password": "not-a-secret",
        }),
    );
    bench.create("aws:rds:DbInstance", &want, 1).await.unwrap();
    let requests = bench.requests();
    let operations: Vec<&str> = requests.iter().map(|r| r.operation.as_str()).collect();
    assert_eq!(
        operations,
        ["RestoreDBInstanceFromDBSnapshot", "DescribeDBInstances", "ModifyDBInstance", "DescribeDBInstances"]
    );
    assert_eq!(said(&requests[0], "DBSnapshotIdentifier"), Some("one"));
    assert_eq!(said(&requests[0], "MultiAZ"), Some("true"));
    let sent: Vec<String> = names(&requests[2]).into_iter().collect();
    assert_eq!(
        sent,
        [
            "Action",
            "ApplyImmediately",
            "DBInstanceIdentifier",
            "MasterUserPassword",
            "MonitoringInterval",
            "MonitoringRoleArn",
            "Version"
        ]
    );
}

/// Of what cannot be restored as the program says nothing is made: the next plan would replace it, with all that was written to it since.
#[tokio::test]
async fn a_copy_that_cannot_be_what_the_program_says_is_not_made() {
    const KEY: &str = "arn:aws:kms:us-west-2:123456789012:key/1234abcd";
    let told = format!("<MasterUsername>postgres</MasterUsername><KmsKeyId>{KEY}</KmsKeyId>");
    let bench = scripted(move |request, _| {
        match request.operation.as_str() {
        "DescribeDBSnapshots" => Answer::Query(format!(
            "<DBSnapshots><DBSnapshot><DBSnapshotIdentifier>one</DBSnapshotIdentifier><Encrypted>true</Encrypted>{told}
             </DBSnapshot></DBSnapshots>"
        )),
        "DescribeDBInstances" => instances(&instance_xml(
            "other",
            &format!("<DBName>app</DBName><StorageEncrypted>true</StorageEncrypted>{told}"),
        )),
        "DescribeDBInstanceAutomatedBackups" => Answer::Query(format!(
            "<DBInstanceAutomatedBackups><DBInstanceAutomatedBackup><Encrypted>true</Encrypted>{told}</DBInstanceAutomatedBackup>
             </DBInstanceAutomatedBackups>"
        )),
        _ => Answer::Query(instance_xml("main", "")),
    }
    });
    let driver = bench.driver("aws:rds:DbInstance");
    let snapshot = json!({"db_snapshot_identifier": "one"});
    let moment = json!({"source_db_instance_identifier": "other", "use_latest_restorable_time": true});
    let backups = json!({"source_dbi_resource_id": "db-A", "use_latest_restorable_time": true});
    for from in [snapshot, moment.clone(), backups] {
        for (other, said) in [
            (json!({"master_username": "phoenix"}), "master_username is \"phoenix\", and the source's is \"postgres\""),
            (json!({"kms_key_id": "arn:aws:kms:us-west-2:123456789012:key/other"}), "kms_key_id"),
            (json!({"storage_encrypted": false}), "storage_encrypted is false"),
        ] {
            let want = fields(with(with(instance("main"), from.clone()), other));
            let error = driver.create(&bench.cx, &want, &intent(1)).await.unwrap_err();
            assert!(error.kind == ErrorKind::Invalid && error.message.contains(said), "{from}: {error:?}");
            assert!(error.hint.is_some(), "{error:?}");
        }
    }
    let renamed = fields(with(with(instance("main"), moment), json!({"db_name": "another"})));
    let error = driver.create(&bench.cx, &renamed, &intent(1)).await.unwrap_err();
    assert!(error.message.contains("db_name is \"another\""), "{error:?}");
    assert!(bench.operations().iter().all(|operation| operation.starts_with("Describe")), "{:?}", bench.operations());
    // As the source is, it is made. PostgreSQL's database keeps its name: RDS takes none for it.
    let alike = json!({
        "db_snapshot_identifier": "one", "master_username": "postgres", "kms_key_id": KEY, "storage_encrypted": true, "db_name": "app",
    });
    driver.create(&bench.cx, &fields(with(instance("main"), alike)), &intent(1)).await.unwrap();
    let made = bench.requests().pop().unwrap();
    assert_eq!((made.operation.as_str(), said(&made, "DBName")), ("RestoreDBInstanceFromDBSnapshot", None));
}

/// Another copy would have them too.
#[tokio::test]
async fn what_a_copy_has_of_its_source_replaces_no_database() {
    let told = "<KmsKeyId>arn:aws:kms:us-west-2:123456789012:key/1234abcd</KmsKeyId><DBName>app</DBName>
        <MasterUsername>postgres</MasterUsername>";
    let bench = scripted(move |_, _| instances(&instance_xml("main", told)));
    let other = json!({
        "master_username": "phoenix", "db_name": "phoenix", "kms_key_id": "arn:aws:kms:us-west-2:123456789012:key/other",
    });
    for origin in [
        json!({"db_snapshot_identifier": "one"}),
        json!({"source_db_instance_identifier": "other", "restore_time": "2026-01-31T23:45:00Z"}),
    ] {
        bench.settled("aws:rds:DbInstance", "main", &with(with(instance("main"), other.clone()), origin)).await;
    }
}

/// The parameter group of the new version's family waits with the version, and RDS does not tell of it.
#[tokio::test]
async fn a_major_upgrade_that_waits_counts_as_made() {
    let group = "<DBParameterGroups><DBParameterGroup><DBParameterGroupName>main-16</DBParameterGroupName></DBParameterGroup></DBParameterGroups>";
    let now = format!("<EngineVersion>16.4</EngineVersion>{group}");
    let pending = format!("{now}<PendingModifiedValues><EngineVersion>17.2</EngineVersion></PendingModifiedValues>");
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "ModifyDBInstance" => Answer::Query(instance_xml("main", &pending)),
        _ if said(request, "DBInstanceIdentifier") == Some("main") => instances(&instance_xml("main", &pending)),
        _ => panic!("{request:?}"),
    });
    let have = with(instance("main"), json!({"engine_version": "16", "db_parameter_group_name": "main-16"}));
    let want = with(
        instance("main"),
        json!({"engine_version": "17", "db_parameter_group_name": "main-17", "allow_major_version_upgrade": true}),
    );
    update(&bench, "aws:rds:DbInstance", "main", &have, &want).await.unwrap();
    let requests = bench.requests();
    let modify = requests.iter().find(|r| r.operation == "ModifyDBInstance").unwrap();
    let sent = ["EngineVersion", "DBParameterGroupName", "AllowMajorVersionUpgrade", "ApplyImmediately"];
    let sent = sent.map(|parameter| said(modify, parameter).unwrap());
    assert_eq!(sent, ["17", "main-17", "true", "false"], "in one call, for the window");
    bench.settled("aws:rds:DbInstance", "main", &want).await;
}

#[tokio::test]
async fn tags_that_go_make_room_for_those_that_come() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "DescribeDBInstances" => instances(&instance_xml("main", "")),
        _ => Answer::Query(String::new()),
    });
    let (have, want) = (json!({"tags": {"old": "1"}}), json!({"tags": {"new": "1"}}));
    let (have, want) = (with(instance("main"), have), with(instance("main"), want));
    update(&bench, "aws:rds:DbInstance", "main", &have, &want).await.unwrap();
    assert_eq!(bench.operations(), ["DescribeDBInstances", "RemoveTagsFromResource", "AddTagsToResource"]);
}

/// A key that was named by its alias, Oracle's name in capitals, two zones of which one is not told, a user of whom nothing is told yet.
#[tokio::test]
async fn what_rds_says_in_other_words_replaces_no_database() {
    const KEY: &str = "arn:aws:kms:us-west-2:123456789012:key/1234abcd";
    let told = format!(
        "<KmsKeyId>{KEY}</KmsKeyId><StorageEncrypted>true</StorageEncrypted><DBName>APP</DBName>
         <AvailabilityZone>us-west-2b</AvailabilityZone><MultiAZ>true</MultiAZ>"
    );
    let bench = scripted(move |_, _| instances(&instance_xml("main", &told)));
    let want = |key: &str| {
        with(
            instance("main"),
            json!({
                "kms_key_id": key, "storage_encrypted": true, "db_name": "app", "availability_zone": "us-west-2a", "multi_az": true,
                "master_username": "master",
            }),
        )
    };
    for named in [KEY, "1234abcd", "alias/db", "arn:aws:kms:us-west-2:123456789012:alias/db"] {
        bench.settled("aws:rds:DbInstance", "main", &want(named)).await;
    }
    // Another key and another name are what they are.
    let other = fields(with(want("arn:aws:kms:us-west-2:123456789012:key/other"), json!({"db_name": "other"})));
    let Read::Present(seen) = bench.read("aws:rds:DbInstance", &[("main", &other)]).await.remove(0) else {
        panic!("it is not there");
    };
    assert_eq!((seen.fields["kms_key_id"].as_str(), seen.fields["db_name"].as_str()), (Some(KEY), Some("APP")));

    // An unencrypted database has no key, whatever was wished for.
    let bench = scripted(|_, _| instances(&instance_xml("main", "")));
    let Read::Present(seen) = bench.read("aws:rds:DbInstance", &[("main", &other)]).await.remove(0) else {
        panic!("it is not there");
    };
    assert!(seen.fields.get("kms_key_id").is_none(), "{seen:?}");
}
