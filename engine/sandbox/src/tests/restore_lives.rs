//! Databases that are restored: from snapshots, and to a moment.

use aws_sdk_rds::primitives::DateTime;
use serde_json::{Value, json};

use super::rds_lives::{instance, place, text, with};
use super::*;

const INSTANCE: &str = "aws:rds:DbInstance";

/// A copy, which has everything of its source that it does not say.
fn copy(more: Value) -> Value {
    let base = json!({
        "db_instance_identifier": "copy", "db_instance_class": "db.t4g.micro", "db_subnet_group_name": "main", "apply_immediately": true,
        "skip_final_snapshot": true,
    });
    with(&base, more)
}

/// A source with everything that a copy takes over, and things that it does not.
fn source(key: &str) -> Value {
    instance(
        "source",
        json!({
            "db_name": "app", "allocated_storage": 50, "max_allocated_storage": 100, "storage_encrypted": true, "kms_key_id": key,
            "backup_retention_period": 7, "port": 5433, "multi_az": true, "copy_tags_to_snapshot": true,
            "enable_cloudwatch_logs_exports": ["postgresql"], "tags": {"team": "data"},
        }),
    )
}

async fn shown(rds: &aws_sdk_rds::Client, name: &str) -> aws_sdk_rds::types::DbInstance {
    let answer = rds.describe_db_instances().db_instance_identifier(name).send().await.unwrap();
    answer.db_instances.unwrap().remove(0)
}

/// A copy of [`source`] as RDS makes it.
fn assert_like_its_source(copy: &aws_sdk_rds::types::DbInstance, key: &str) {
    assert_eq!((copy.engine(), copy.engine_version()), (Some("postgres"), Some("16.4")));
    assert_eq!((copy.master_username(), copy.db_name()), (Some("master"), Some("app")));
    assert_eq!((copy.storage_encrypted(), copy.kms_key_id()), (Some(true), Some(key)));
    assert_eq!((copy.allocated_storage(), copy.backup_retention_period()), (Some(50), Some(7)));
    assert_eq!(copy.endpoint().and_then(|e| e.port()), Some(5433));
    // As in a new one.
    assert_eq!((copy.multi_az(), copy.max_allocated_storage()), (Some(false), None));
    assert!(copy.enabled_cloudwatch_logs_exports().is_empty() && copy.master_user_secret().is_none(), "{copy:?}");
    assert_eq!(copy.db_parameter_groups()[0].db_parameter_group_name(), Some("default.postgres16"));
}

#[tokio::test]
async fn a_database_comes_back_from_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let bench = bench(&sandbox);
    place(&bench).await;
    let key = bench.create("aws:kms:Key", &json!({}), 1).await.unwrap();
    let arn = text(&key.outputs, "arn");
    let first = source(&arn);
    bench.create(INSTANCE, &first, 2).await.unwrap();
    let snapshot = json!({"db_snapshot_identifier": "one", "db_instance_identifier": "source"});
    bench.create("aws:rds:DbSnapshot", &snapshot, 3).await.unwrap();

    // With a last snapshot the source goes, and the copies live on without it. A name is one snapshot's.
    let rds = client!(aws_sdk_rds, sandbox.http_client());
    let taken = rds.delete_db_instance().db_instance_identifier("source").final_db_snapshot_identifier("One");
    let error = taken.send().await.unwrap_err().into_service_error();
    assert!(error.is_db_snapshot_already_exists_fault(), "{error:?}");
    assert_eq!(shown(&rds, "source").await.db_instance_status(), Some("available"), "it is still there");
    let last = with(&first, json!({"skip_final_snapshot": false, "final_db_snapshot_identifier": "last"}));
    bench.deleted(INSTANCE, "source", &last).await;

    let of = |snapshot: &str| json!({"db_snapshot_identifier": snapshot});
    bench.life(INSTANCE, copy(with(&of("one"), json!({"manage_master_user_password": true}))), &[]).await;
    let made = bench.create(INSTANCE, &copy(of("last")), 4).await.unwrap();
    bench.settled(INSTANCE, &made.id, &copy(of("last"))).await;
    assert_like_its_source(&shown(&rds, "copy").await, &arn);

    let restore = || rds.restore_db_instance_from_db_snapshot().db_instance_identifier("more");
    let placed = || restore().db_snapshot_identifier("last").db_subnet_group_name("main");
    refused!(restore().db_snapshot_identifier("absent"), "DBSnapshotNotFound");
    refused!(placed().db_instance_identifier("copy"), "DBInstanceAlreadyExists");
    refused!(placed().engine("mysql"), "InvalidParameterCombination");
    refused!(placed().db_name("app"), "InvalidParameterValue");
    refused!(placed().allocated_storage(20), "InvalidParameterValue");
    refused!(placed().manage_master_user_password(true), "InvalidParameterCombination");
    refused!(restore().db_snapshot_identifier("last"), "InvalidSubnet");
    // Without tags it has its source's; those of phx's own are among them.
    let plain = placed().send().await.unwrap().db_instance.unwrap();
    assert!(plain.tag_list().iter().any(|tag| tag.value() == Some("data")), "{plain:?}");

    // Whoever loses the key loses the data.
    bench.deleted("aws:kms:Key", &key.id, &json!({})).await;
    refused!(placed().db_instance_identifier("late"), "KMSKeyNotAccessibleFault");
    rds.delete_db_snapshot().db_snapshot_identifier("last").send().await.unwrap();
    refused!(placed().db_instance_identifier("late"), "DBSnapshotNotFound");
}

#[tokio::test]
async fn a_database_comes_back_as_it_was_at_a_moment() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let bench = bench(&sandbox);
    place(&bench).await;
    let arn = text(&bench.create("aws:kms:Key", &json!({}), 1).await.unwrap().outputs, "arn");
    let first = source(&arn);
    bench.create(INSTANCE, &first, 2).await.unwrap();
    let rds = client!(aws_sdk_rds, sandbox.http_client());
    let now = || jiff::Timestamp::now().as_second();
    assert!(shown(&rds, "source").await.latest_restorable_time().is_some_and(|last| last.secs() <= now()));

    let latest = json!({"source_db_instance_identifier": "source", "use_latest_restorable_time": true});
    let managed =
        copy(with(&latest, json!({"manage_master_user_password": true, "db_instance_class": "db.t4g.small"})));
    let larger = with(&managed, json!({"max_allocated_storage": 200, "multi_az": true}));
    let outputs = bench.life(INSTANCE, managed, &[larger]).await;
    // RDS takes the password over after the copy was made, and not with the call that makes it.
    assert!(outputs["master_user_secret_arn"].as_str().is_some_and(|arn| arn.contains("rds!db-")), "{outputs:?}");
    let at = jiff::Timestamp::from_second(now()).unwrap().to_string();
    let timed = copy(json!({"source_db_instance_identifier": "source", "restore_time": at}));
    bench.create(INSTANCE, &timed, 3).await.unwrap();
    bench.settled(INSTANCE, "copy", &timed).await;
    let copied = shown(&rds, "copy").await;
    assert_like_its_source(&copied, &arn);
    let original = shown(&rds, "source").await;
    assert_ne!(copied.dbi_resource_id(), original.dbi_resource_id());
    assert!(!copied.tag_list().iter().any(|tag| tag.value() == Some("data")), "tags are not taken over");

    let restore = || {
        let request = rds.restore_db_instance_to_point_in_time().target_db_instance_identifier("more");
        request.db_subnet_group_name("main")
    };
    let of = |name: &str| restore().source_db_instance_identifier(name);
    refused!(of("source"), "InvalidParameterCombination");
    let both = of("source").use_latest_restorable_time(true).restore_time(DateTime::from_secs(now()));
    refused!(both, "InvalidParameterCombination");
    refused!(of("absent").use_latest_restorable_time(true), "DBInstanceNotFound");
    refused!(of("source").restore_time(DateTime::from_secs(now() + 3600)), "InvalidParameterValue");
    refused!(of("source").restore_time(DateTime::from_secs(now() - 3600)), "InvalidParameterValue");
    let taken = of("source").use_latest_restorable_time(true).target_db_instance_identifier("copy");
    refused!(taken, "DBInstanceAlreadyExists");
    bench.create(INSTANCE, &instance("bare", json!({"backup_retention_period": 0})), 4).await.unwrap();
    refused!(of("bare").use_latest_restorable_time(true), "PointInTimeRestoreNotEnabled");

    // What is gone comes back too, if its backups were kept, until they are deleted.
    let kept = with(&first, json!({"delete_automated_backups": false}));
    bench.deleted(INSTANCE, "source", &kept).await;
    bench.deleted(INSTANCE, "copy", &timed).await;
    refused!(of("source").use_latest_restorable_time(true), "DBInstanceNotFound");
    let id = original.dbi_resource_id().unwrap();
    let backups = async || {
        let answer = rds.describe_db_instance_automated_backups().dbi_resource_id(id).send().await.unwrap();
        answer.db_instance_automated_backups.unwrap_or_default()
    };
    assert_eq!(backups().await[0].status(), Some("retained"));
    let gone = copy(json!({"source_dbi_resource_id": id, "use_latest_restorable_time": true}));
    bench.create(INSTANCE, &gone, 5).await.unwrap();
    bench.settled(INSTANCE, "copy", &gone).await;
    assert_like_its_source(&shown(&rds, "copy").await, &arn);
    rds.delete_db_instance_automated_backup().dbi_resource_id(id).send().await.unwrap();
    assert!(backups().await.is_empty());
    let late = restore().source_dbi_resource_id(id).use_latest_restorable_time(true);
    refused!(late, "DBInstanceAutomatedBackupNotFound");
}
