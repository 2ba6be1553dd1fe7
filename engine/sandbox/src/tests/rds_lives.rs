//! Whole lives of RDS's types, as the engine leads them.

use phx_model::error::ErrorKind;
use serde_json::{Value, json};

use super::kit::Bench;
use super::*;

const INSTANCE: &str = "aws:rds:DbInstance";

pub(super) fn text(outputs: &phx_model::value::ValueMap, name: &str) -> String {
    outputs[name].as_str().unwrap().to_owned()
}

pub(super) fn with(base: &Value, more: Value) -> Value {
    let mut all = base.clone();
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

pub(super) fn instance(name: &str, more: Value) -> Value {
    let base = json!({
        "db_instance_identifier": name, "db_instance_class": "db.t4g.micro", "engine": "postgres", "engine_version": "16.4",
        "allocated_storage": 20, "master_username": "master", "master_user_password": "not-a-secret",
        "db_subnet_group_name": "main", "skip_final_snapshot": true,
    });
    with(&base, more)
}

/// A VPC with a subnet in each of three zones, and a subnet group of the first two. Returns the VPC and the subnets.
pub(super) async fn place(bench: &Bench) -> (String, Vec<String>) {
    let vpc = bench.create("aws:ec2:Vpc", &json!({"cidr_block": "10.0.0.0/16"}), 90).await.unwrap().id;
    let mut subnets = Vec::new();
    for (at, zone) in ["a", "b", "c"].iter().enumerate() {
        let zone = format!("{REGION}{zone}");
        let want = json!({"vpc_id": vpc, "cidr_block": format!("10.0.{at}.0/24"), "availability_zone": zone});
        subnets.push(bench.create("aws:ec2:Subnet", &want, 91).await.unwrap().id);
    }
    let group =
        json!({"db_subnet_group_name": "main", "db_subnet_group_description": "main", "subnet_ids": subnets[..2]});
    bench.create("aws:rds:DbSubnetGroup", &group, 92).await.unwrap();
    (vpc, subnets)
}

#[tokio::test]
async fn groups_live() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let bench = bench(&sandbox);
    let (_, subnets) = place(&bench).await;
    let want = |description: &str, subnets: &[String], tag: &str| {
        json!({
            "db_subnet_group_name": "Data", "db_subnet_group_description": description, "subnet_ids": subnets, "tags": {"team": tag},
        })
    };
    let changes = [want("others", &subnets[1..], "b"), want("others", &subnets, "c")];
    let outputs = bench.life("aws:rds:DbSubnetGroup", want("first", &subnets[..2], "é"), &changes).await;
    assert!(text(&outputs, "arn").ends_with(":subgrp:data"), "{outputs:?}");
    let error = bench.create("aws:rds:DbSubnetGroup", &want("one zone", &subnets[..1], "a"), 2).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("DBSubnetGroupDoesNotCoverEnoughAZs"), "{error:?}");

    // An instance keeps the subnet that it is in, and moves to another group in another VPC only.
    bench.create(INSTANCE, &instance("main", json!({})), 4).await.unwrap();
    let rds = client!(aws_sdk_rds, sandbox.http_client());
    let move_to = |subnets: &[String]| {
        rds.modify_db_subnet_group().db_subnet_group_name("main").set_subnet_ids(Some(subnets.to_vec()))
    };
    refused!(move_to(&subnets[1..]), "SubnetAlreadyInUse");
    move_to(&subnets[..]).send().await.unwrap();
    bench.create("aws:rds:DbSubnetGroup", &want("other", &subnets[1..], "a"), 5).await.unwrap();
    let moved = rds.modify_db_instance().db_instance_identifier("main").db_subnet_group_name("data");
    refused!(moved, "InvalidVPCNetworkStateFault");

    let parameters = |connections: &str| {
        json!([
            {"parameter_name": "max_connections", "parameter_value": connections},
            {"parameter_name": "work_mem", "parameter_value": "4096", "apply_method": "immediate"},
            {"parameter_name": "log_statement", "parameter_value": "ddl"},
        ])
    };
    let want = |parameters: Value, tag: &str| {
        json!({
            "db_parameter_group_name": "Main", "db_parameter_group_family": "postgres16", "description": "for tests",
            "parameters": parameters, "tags": {"team": tag},
        })
    };
    let fewer = json!([{"parameter_name": "work_mem", "parameter_value": "8192"}]);
    let changes = [want(parameters("200"), "b"), want(fewer, "b")];
    let outputs = bench.life("aws:rds:DbParameterGroup", want(parameters("100"), "a"), &changes).await;
    assert!(text(&outputs, "arn").ends_with(":pg:main"), "{outputs:?}");
    let hurried = json!([{"parameter_name": "max_connections", "parameter_value": "9", "apply_method": "immediate"}]);
    let error = bench.create("aws:rds:DbParameterGroup", &want(hurried, "a"), 3).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("InvalidParameterCombination"), "{error:?}");
}

#[tokio::test]
async fn instances_live() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let bench = bench(&sandbox);
    let (vpc, _) = place(&bench).await;
    let group = json!({"vpc_id": vpc, "group_name": "db", "description": "a group"});
    let group = bench.create("aws:ec2:SecurityGroup", &group, 93).await.unwrap().id;
    let parameters =
        json!({"db_parameter_group_name": "main", "db_parameter_group_family": "postgres16", "description": "d"});
    bench.create("aws:rds:DbParameterGroup", &parameters, 94).await.unwrap();
    let role = format!("arn:aws:iam::{ACCOUNT_ID}:role/monitoring");
    let want = instance(
        "Main",
        json!({
            "db_name": "app", "allocated_storage": 400, "max_allocated_storage": 1000, "storage_type": "gp3",
            "storage_throughput": 500, "iops": 12000,
            "storage_encrypted": true, "port": 5433, "multi_az": false, "publicly_accessible": false, "vpc_security_group_ids": [group],
            "db_parameter_group_name": "main", "backup_retention_period": 7, "preferred_backup_window": "03:00-03:30",
            "preferred_maintenance_window": "Sun:05:00-Sun:06:00", "auto_minor_version_upgrade": false, "copy_tags_to_snapshot": true,
            "deletion_protection": true, "enable_iam_database_authentication": true, "enable_cloudwatch_logs_exports": ["postgresql"],
            "ca_certificate_identifier": "rds-ca-rsa2048-g1", "availability_zone": "us-west-2a", "license_model": "postgresql-license",
            "domain": "d-1234567890", "domain_iam_role_name": "rds-domain", "monitoring_interval": 60, "monitoring_role_arn": role,
            "enable_performance_insights": true, "performance_insights_retention_period": 7, "network_type": "IPV4",
            "processor_features": [{"name": "coreCount", "value": "2"}], "dedicated_log_volume": false, "tags": {"team": "é & <b>"},
        }),
    );
    let changed = with(
        &want,
        json!({
            "db_instance_class": "db.t4g.small", "engine_version": "16.6", "allocated_storage": 500, "max_allocated_storage": 2000,
            "multi_az": true, "backup_retention_period": 14, "apply_immediately": true, "preferred_backup_window": "02:00-02:30",
            "preferred_maintenance_window": "mon:05:00-mon:06:00", "copy_tags_to_snapshot": false, "deletion_protection": false,
            "master_user_password": "not-secret-either", "enable_cloudwatch_logs_exports": ["upgrade"], "port": 5434,
            "ca_certificate_identifier": "rds-ca-ecc384-g1", "monitoring_interval": 30, "enable_iam_database_authentication": false,
            "storage_throughput": 600, "iops": 13000, "tags": {"team": "b"},
        }),
    );
    let bare = instance(
        "main",
        json!({
            "engine_version": "16.6", "db_instance_class": "db.t4g.small", "apply_immediately": true, "enable_performance_insights": false,
            "monitoring_interval": 0, "deletion_protection": false, "db_parameter_group_name": "default.postgres16",
            "allocated_storage": 500, "tags": {"team": "b"},
        }),
    );
    let outputs = bench.life(INSTANCE, want, &[changed, bare]).await;
    assert!(text(&outputs, "arn").ends_with(":db:main"), "{outputs:?}");
    assert!(text(&outputs, "address").starts_with("main."), "{outputs:?}");

    // What phx has and the sandbox has not is said, before anything is made.
    let clustered = instance("other", json!({"engine": "aurora-postgresql"}));
    let error = bench.create(INSTANCE, &clustered, 2).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported, "{error:?}");
    for (more, code) in [
        (json!({"engine_version": "99.1"}), "InvalidParameterCombination"),
        (json!({"db_instance_class": "t4g.micro"}), "InvalidParameterValue"),
        (json!({"master_user_password": "short"}), "InvalidParameterValue"),
        (json!({"manage_master_user_password": true}), "InvalidParameterCombination"),
        (json!({"db_subnet_group_name": "absent"}), "DBSubnetGroupNotFoundFault"),
        (json!({"db_parameter_group_name": "absent"}), "DBParameterGroupNotFound"),
        (json!({"multi_az": true, "availability_zone": "us-west-2a"}), "InvalidParameterCombination"),
        (json!({"monitoring_interval": 60}), "InvalidParameterCombination"),
        (json!({"enable_cloudwatch_logs_exports": ["audit"]}), "InvalidParameterCombination"),
        (json!({"vpc_security_group_ids": ["sg-0absent"]}), "InvalidParameterValue"),
        (json!({"master_username": "admin"}), "InvalidParameterValue"),
        (json!({"max_allocated_storage": 21}), "InvalidParameterCombination"),
        (json!({"storage_type": "gp3", "iops": 3000}), "InvalidParameterCombination"),
        (json!({"storage_encrypted": true, "kms_key_id": "alias/absent"}), "KMSKeyNotAccessibleFault"),
    ] {
        let error = bench.create(INSTANCE, &instance("other", more.clone()), 2).await.unwrap_err();
        assert_eq!(error.code.as_deref(), Some(code), "{more}: {error:?}");
    }
}

#[tokio::test]
async fn a_managed_password_is_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let bench = bench(&sandbox);
    place(&bench).await;
    let managed = |more: Value| {
        let base =
            json!({"master_user_password": null, "manage_master_user_password": true, "apply_immediately": true});
        let mut want = with(&instance("managed", base), more);
        want.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        want
    };
    let made = bench.create(INSTANCE, &managed(json!({})), 1).await.unwrap();
    let secret = text(&made.outputs, "master_user_secret_arn");
    let secrets = client!(aws_sdk_secretsmanager, sandbox.http_client());
    let told = secrets.describe_secret().secret_id(&secret).send().await.unwrap();
    assert_eq!((told.owning_service(), told.rotation_enabled()), (Some("rds"), Some(true)));
    assert!(told.name().unwrap().starts_with("rds!db-"), "{told:?}");
    let value = async || {
        let value = secrets.get_secret_value().secret_id(&secret).send().await.unwrap().secret_string.unwrap();
        serde_json::from_str::<Value>(&value).unwrap()
    };
    let first = value().await;
    assert_eq!(first["username"], "master");
    // Nobody else changes it.
    refused!(secrets.put_secret_value().secret_id(&secret).secret_string("mine"), "InvalidRequestException");
    refused!(secrets.delete_secret().secret_id(&secret), "InvalidRequestException");

    // But when it is rotated is the program's to say.
    let rotation = |days: i64| json!({"secret_id": secret, "rotation_rules": {"automatically_after_days": days}, "rotate_immediately": false});
    bench.life("aws:secretsmanager:RotationSchedule", rotation(30), &[rotation(60)]).await;
    assert_eq!(value().await, first);
    bench.update(INSTANCE, &made.id, &managed(json!({})), &managed(json!({"db_instance_class": "db.t4g.small"}))).await;
    let rds = client!(aws_sdk_rds, sandbox.http_client());
    let rotate = rds.modify_db_instance().db_instance_identifier("managed").rotate_master_user_password(true);
    refused!(rotate.clone(), "InvalidParameterCombination");
    rotate.apply_immediately(true).send().await.unwrap();
    assert_ne!(value().await["password"], first["password"]);

    // A password of one's own takes its place, and back.
    let own = instance(
        "managed",
        json!({"db_instance_class": "db.t4g.small", "manage_master_user_password": false, "apply_immediately": true}),
    );
    let small = managed(json!({"db_instance_class": "db.t4g.small"}));
    bench.update(INSTANCE, &made.id, &small, &own).await;
    bench.settled(INSTANCE, &made.id, &own).await;
    refused!(secrets.describe_secret().secret_id(&secret), "ResourceNotFoundException");
    bench.update(INSTANCE, &made.id, &own, &small).await;
    let there = bench.settled(INSTANCE, &made.id, &small).await;
    let secret = text(&there.outputs, "master_user_secret_arn");
    bench.deleted(INSTANCE, &made.id, &small).await;
    refused!(secrets.describe_secret().secret_id(&secret), "ResourceNotFoundException");
}

#[tokio::test]
async fn replicas_follow_and_are_promoted() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let bench = bench(&sandbox);
    place(&bench).await;
    let source = instance("source", json!({"backup_retention_period": 7, "storage_encrypted": true}));
    bench.create(INSTANCE, &source, 1).await.unwrap();
    let replica = |more: Value| {
        let base = json!({
            "db_instance_identifier": "replica", "db_instance_class": "db.t4g.small", "source_db_instance_identifier": "source",
            "publicly_accessible": false, "apply_immediately": true, "skip_final_snapshot": true, "tags": {"team": "a"},
        });
        let mut want = with(&base, more);
        want.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        want
    };
    // The backup window and the retention are no part of the request for a replica.
    let want = replica(json!({"backup_retention_period": 3, "preferred_backup_window": "04:00-04:30"}));
    let larger = with(&want, json!({"db_instance_class": "db.t4g.medium"}));
    bench.life(INSTANCE, want, &[larger]).await;

    let made = bench.create(INSTANCE, &replica(json!({})), 2).await.unwrap();
    let there = bench.settled(INSTANCE, &made.id, &replica(json!({}))).await;
    assert_eq!(there.fields["engine_version"].as_str(), Some("16.4"));
    let rds = client!(aws_sdk_rds, sandbox.http_client());
    let shown = rds.describe_db_instances().db_instance_identifier("source").send().await.unwrap();
    assert_eq!(shown.db_instances()[0].read_replica_db_instance_identifiers(), ["replica"]);
    let own = replica(json!({"source_db_instance_identifier": null}));
    bench.update(INSTANCE, &made.id, &replica(json!({})), &own).await;
    bench.settled(INSTANCE, &made.id, &own).await;
    let shown = rds.describe_db_instances().db_instance_identifier("source").send().await.unwrap();
    assert!(shown.db_instances()[0].read_replica_db_instance_identifiers().is_empty());
    bench.deleted(INSTANCE, &made.id, &own).await;

    // A key is told by its ARN, whatever it was called.
    let key = bench.create("aws:kms:Key", &json!({}), 5).await.unwrap();
    bench.create("aws:kms:Alias", &json!({"alias_name": "alias/db", "target_key_id": key.id}), 6).await.unwrap();
    let keyed =
        instance("keyed", json!({"storage_encrypted": true, "kms_key_id": "alias/db", "backup_retention_period": 7}));
    bench.create(INSTANCE, &keyed, 7).await.unwrap();
    let shown = rds.describe_db_instances().db_instance_identifier("keyed").send().await.unwrap();
    assert_eq!(shown.db_instances()[0].kms_key_id(), key.outputs["arn"].as_str());
    let of_keyed = || rds.create_db_instance_read_replica().source_db_instance_identifier("keyed");
    of_keyed().db_instance_identifier("keyed-ro").kms_key_id(&key.id).send().await.unwrap();
    // It has its source's password, and there is none if RDS manages that.
    let password = rds.modify_db_instance().db_instance_identifier("keyed-ro").master_user_password("not-a-secret");
    refused!(password, "InvalidParameterCombination");
    let managed = rds.modify_db_instance().db_instance_identifier("keyed").manage_master_user_password(true);
    managed.master_user_secret_kms_key_id("alias/db").send().await.unwrap();
    refused!(of_keyed().db_instance_identifier("more"), "InvalidParameterValue");
    // The secret keeps the key that it began with.
    let other = bench.create("aws:kms:Key", &json!({}), 8).await.unwrap();
    let managed = || rds.modify_db_instance().db_instance_identifier("keyed").manage_master_user_password(true);
    managed().master_user_secret_kms_key_id(&key.id).send().await.unwrap();
    refused!(managed().master_user_secret_kms_key_id(other.id), "InvalidParameterCombination");

    // Without backups there is no replica.
    let bare = instance("bare", json!({"backup_retention_period": 0}));
    bench.create(INSTANCE, &bare, 3).await.unwrap();
    let of_bare =
        rds.create_db_instance_read_replica().db_instance_identifier("r").source_db_instance_identifier("bare");
    refused!(of_bare, "InvalidDBInstanceState");
}

/// What is not to be applied at once waits for the maintenance window, and counts as made.
#[tokio::test]
async fn what_waits_and_what_is_renamed() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let bench = bench(&sandbox);
    place(&bench).await;
    let want = instance("main", json!({"backup_retention_period": 7}));
    let made = bench.create(INSTANCE, &want, 1).await.unwrap();
    let deferred = with(&want, json!({"db_instance_class": "db.t4g.large", "engine_version": "16.6"}));
    bench.update(INSTANCE, &made.id, &want, &deferred).await;
    bench.settled(INSTANCE, &made.id, &deferred).await;
    let rds = client!(aws_sdk_rds, sandbox.http_client());
    let shown = async || rds.describe_db_instances().send().await.unwrap().db_instances.unwrap().remove(0);
    let waiting = shown().await;
    assert_eq!(waiting.db_instance_class(), Some("db.t4g.micro"));
    assert_eq!(waiting.pending_modified_values().unwrap().db_instance_class(), Some("db.t4g.large"));
    let major = rds.modify_db_instance().db_instance_identifier("main").engine_version("17.7");
    refused!(major.clone(), "InvalidParameterCombination");
    refused!(
        rds.modify_db_instance().db_instance_identifier("main").engine_version("16.3"),
        "InvalidParameterCombination"
    );
    refused!(
        rds.modify_db_instance().db_instance_identifier("main").allocated_storage(10),
        "InvalidParameterCombination"
    );

    // With a change that is applied at once comes all that waits; and what is renamed keeps the id under which the state knows it.
    let renamed = with(&deferred, json!({"db_instance_identifier": "new", "apply_immediately": true}));
    bench.update(INSTANCE, &made.id, &deferred, &renamed).await;
    let there = bench.settled(INSTANCE, &made.id, &renamed).await;
    assert_eq!(there.outputs["db_instance_identifier"].as_str(), Some("new"));
    let now = shown().await;
    assert_eq!((now.db_instance_class(), now.engine_version()), (Some("db.t4g.large"), Some("16.6")));
    let major = rds.modify_db_instance().db_instance_identifier("new").engine_version("17.7").apply_immediately(true);
    major.allow_major_version_upgrade(true).send().await.unwrap();
    assert_eq!(shown().await.db_parameter_groups()[0].db_parameter_group_name(), Some("default.postgres17"));
    bench.deleted(INSTANCE, &made.id, &renamed).await;
}

#[tokio::test]
async fn what_is_used_or_protected_is_not_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let bench = bench(&sandbox);
    let (_, subnets) = place(&bench).await;
    let parameters =
        json!({"db_parameter_group_name": "own", "db_parameter_group_family": "mysql8.4", "description": "d"});
    bench.create("aws:rds:DbParameterGroup", &parameters, 2).await.unwrap();
    let base = instance(
        "main",
        json!({"engine": "mysql", "engine_version": "8.4", "db_parameter_group_name": "own", "deletion_protection": true}),
    );
    bench.create(INSTANCE, &base, 1).await.unwrap();
    let driver = bench.driver(INSTANCE);
    let error = driver.delete(&bench.cx, "main", &kit::fields(base.clone())).await.unwrap_err();
    assert!(error.hint.as_deref().is_some_and(|h| h.contains("deletion_protection")), "{error:?}");
    let rds = client!(aws_sdk_rds, sandbox.http_client());
    refused!(rds.delete_db_subnet_group().db_subnet_group_name("main"), "InvalidDBSubnetGroupStateFault");
    refused!(rds.delete_db_parameter_group().db_parameter_group_name("own"), "InvalidDBParameterGroupState");
    refused!(
        rds.delete_db_parameter_group().db_parameter_group_name("default.mysql8.4"),
        "InvalidDBParameterGroupState"
    );

    // A snapshot is made of it when it goes.
    let open = with(&base, json!({"deletion_protection": false, "skip_final_snapshot": false}));
    bench.update(INSTANCE, "main", &base, &open).await;
    let error = driver.delete(&bench.cx, "main", &kit::fields(open.clone())).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Invalid, Some("InvalidParameterCombination")));
    let last = with(&open, json!({"final_db_snapshot_identifier": "main-last"}));
    bench.deleted(INSTANCE, "main", &last).await;
    let snapshots = rds.describe_db_snapshots().db_instance_identifier("main").send().await.unwrap();
    assert_eq!(snapshots.db_snapshots()[0].db_snapshot_identifier(), Some("main-last"));
    bench.deleted("aws:rds:DbParameterGroup", "own", &parameters).await;
    let group =
        json!({"db_subnet_group_name": "main", "db_subnet_group_description": "main", "subnet_ids": subnets[..2]});
    bench.deleted("aws:rds:DbSubnetGroup", "main", &group).await;
}

#[tokio::test]
async fn snapshots_live_and_everything_survives() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let bench = bench(&sandbox);
    place(&bench).await;
    let want = instance("source", json!({"manage_master_user_password": true, "tags": {"a": "b"}}));
    let mut want = want;
    want.as_object_mut().unwrap().remove("master_user_password");
    let made = bench.create(INSTANCE, &want, 1).await.unwrap();
    let snapshot =
        |tag: &str| json!({"db_snapshot_identifier": "One", "db_instance_identifier": "source", "tags": {"team": tag}});
    let outputs = bench.life("aws:rds:DbSnapshot", snapshot("a"), &[snapshot("b")]).await;
    assert!(text(&outputs, "arn").ends_with(":snapshot:one"), "{outputs:?}");

    drop(sandbox);
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let again = super::bench(&sandbox);
    let there = again.settled(INSTANCE, &made.id, &want).await;
    assert_eq!(there.outputs, made.outputs);
    let secrets = client!(aws_sdk_secretsmanager, sandbox.http_client());
    let secret = text(&made.outputs, "master_user_secret_arn");
    assert!(secrets.get_secret_value().secret_id(secret).send().await.unwrap().secret_string().is_some());
}

#[tokio::test]
async fn versions_and_classes_can_be_looked_up() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let rds = client!(aws_sdk_rds, sandbox.http_client());
    let of = async |version: Option<&str>, default: bool| {
        let request = rds.describe_db_engine_versions().engine("postgres").default_only(default);
        let found = request.set_engine_version(version.map(str::to_owned)).send().await.unwrap();
        found.db_engine_versions().iter().map(|v| v.engine_version().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(of(None, false).await.len() > 10);
    assert_eq!(of(None, true).await.len(), 1);
    let sixteen = of(Some("16"), false).await;
    assert!(sixteen.len() > 1 && sixteen.iter().all(|version| version.starts_with("16.")), "{sixteen:?}");
    assert_eq!(of(Some("16"), true).await, sixteen[..1]);
    let one = rds.describe_db_engine_versions().engine("mysql").engine_version("8.4.6").send().await.unwrap();
    let [one] = one.db_engine_versions() else { panic!("{one:?}") };
    assert_eq!(one.db_parameter_group_family(), Some("mysql8.4"));
    assert!(one.valid_upgrade_target().iter().any(|target| target.engine_version() == Some("8.4.7")));
    assert!(one.exportable_log_types().contains(&"slowquery".to_owned()));

    let options = rds.describe_orderable_db_instance_options().engine("postgres").engine_version("17.7");
    let options = options.db_instance_class("db.t4g.micro").send().await.unwrap();
    let options = options.orderable_db_instance_options();
    assert!(options.iter().any(|option| option.storage_type() == Some("gp3")), "{options:?}");
    let mut pages = 0;
    let mut marker = None;
    loop {
        let page =
            rds.describe_orderable_db_instance_options().engine("mysql").set_marker(marker).send().await.unwrap();
        pages += 1;
        marker = page.marker;
        if marker.is_none() {
            break;
        }
    }
    assert!(pages > 2, "{pages}");
}
