//! RDS's types on moto and ministack.

use phx_tests::emulator::Emulator;
use serde_json::{Value, json};

use crate::kit;

fn text(outputs: &phx_model::value::ValueMap, name: &str) -> String {
    outputs[name].as_str().unwrap().to_owned()
}

/// The instance that most tests begin with.
fn instance(name: &str) -> Value {
    json!({
        "db_instance_identifier": name, "db_instance_class": "db.t4g.micro", "engine": "postgres", "engine_version": "16.4",
        "allocated_storage": 20, "master_username": "master", "master_user_password": "not-a-secret",
    })
}

fn with(mut base: Value, more: Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        base[name] = value.clone();
    }
    base
}

/// Two subnets of a new VPC.
#[cfg(feature = "ec2")]
async fn subnets(bench: &kit::Bench) -> [String; 2] {
    let vpc = bench.create("aws:ec2:Vpc", &json!({"cidr_block": "10.0.0.0/16"}), 90).await.unwrap();
    let mut ids = Vec::new();
    for (at, zone) in ["us-west-2a", "us-west-2b"].iter().enumerate() {
        let want = json!({"vpc_id": vpc.id, "cidr_block": format!("10.0.{at}.0/24"), "availability_zone": zone});
        ids.push(bench.create("aws:ec2:Subnet", &want, 91).await.unwrap().id);
    }
    ids.try_into().unwrap()
}

#[tokio::test]
async fn parameter_groups() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    // Upper case is kept as lower case. moto knows nothing of how a parameter can be applied, so it is said where it matters.
    let parameters = |connections: &str| {
        json!([
            {"parameter_name": "max_connections", "parameter_value": connections, "apply_method": "pending-reboot"},
            {"parameter_name": "work_mem", "parameter_value": "4096", "apply_method": "immediate"},
            {"parameter_name": "log_statement", "parameter_value": "ddl"},
        ])
    };
    let want = |connections: &str, tag: &str| {
        json!({
            "db_parameter_group_name": "Main", "db_parameter_group_family": "postgres16", "description": "for tests",
            "parameters": parameters(connections), "tags": {"team": tag},
        })
    };
    // moto cannot reset a parameter: none is taken out here.
    let outputs = bench.life("aws:rds:DbParameterGroup", want("100", "a"), &[want("200", "b")]).await;
    assert_eq!(text(&outputs, "db_parameter_group_name"), "main");
    assert!(text(&outputs, "arn").ends_with(":pg:main"), "{outputs:?}");

    let bare =
        json!({"db_parameter_group_name": "bare", "db_parameter_group_family": "mysql8.4", "description": "bare"});
    bench.life("aws:rds:DbParameterGroup", bare, &[]).await;

    let want = |connections: &str, tag: &str| {
        json!({
            "db_cluster_parameter_group_name": "main", "db_parameter_group_family": "aurora-postgresql16",
            "description": "for tests", "parameters": parameters(connections), "tags": {"team": tag},
        })
    };
    let outputs = bench.life("aws:rds:DbClusterParameterGroup", want("100", "a"), &[want("200", "b")]).await;
    assert!(text(&outputs, "arn").ends_with(":cluster-pg:main"), "{outputs:?}");
}

#[tokio::test]
async fn option_groups_and_subscriptions() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    // moto keeps neither port nor version nor security groups of an option.
    let option = |name: &str, value: &str| json!({"option_name": name, "option_settings": [{"name": "SERVER_AUDIT_EVENTS", "value": value}]});
    let want = |options: Value, tag: &str| {
        json!({
            "option_group_name": "main", "engine_name": "mysql", "major_engine_version": "8.0",
            "option_group_description": "for tests", "options": options, "apply_immediately": true, "tags": {"team": tag},
        })
    };
    let outputs = bench
        .life(
            "aws:rds:OptionGroup",
            want(json!([option("MARIADB_AUDIT_PLUGIN", "CONNECT"), option("OTHER", "1")]), "a"),
            &[want(json!([option("MARIADB_AUDIT_PLUGIN", "QUERY")]), "b"), want(json!([]), "b")],
        )
        .await;
    assert!(text(&outputs, "arn").ends_with(":og:main"), "{outputs:?}");

    // moto cannot change a subscription; its tags it can.
    let want = |tag: &str| {
        json!({
            "subscription_name": "main", "sns_topic_arn": "arn:aws:sns:us-west-2:123456789012:alarms",
            "source_type": "db-instance", "event_categories": ["failover", "backup"], "source_ids": ["db-1"],
            "enabled": false, "tags": {"team": tag},
        })
    };
    let outputs = bench.life("aws:rds:EventSubscription", want("a"), &[want("b")]).await;
    assert!(text(&outputs, "arn").ends_with(":es:main"), "{outputs:?}");
}

#[cfg(feature = "ec2")]
#[tokio::test]
async fn subnet_groups() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let subnet_ids = subnets(&bench).await;
    // moto deletes a group that is modified: only its tags are changed here.
    let want = |tag: &str| {
        json!({
            "db_subnet_group_name": "Main", "db_subnet_group_description": "for tests", "subnet_ids": subnet_ids,
            "tags": {"team": tag},
        })
    };
    let outputs = bench.life("aws:rds:DbSubnetGroup", want("a"), &[want("b")]).await;
    assert!(text(&outputs, "arn").ends_with(":subgrp:main"), "{outputs:?}");

    let ministack = Emulator::ministack();
    let bench = kit::emulated(&ministack.url());
    let subnet_ids = subnets(&bench).await;
    let want = |description: &str| {
        json!({
            "db_subnet_group_name": "main", "db_subnet_group_description": description, "subnet_ids": subnet_ids,
            "tags": {"team": "a"},
        })
    };
    bench.life("aws:rds:DbSubnetGroup", want("one"), &[want("another")]).await;
}

#[tokio::test]
async fn instances() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let group =
        json!({"db_parameter_group_name": "main", "db_parameter_group_family": "postgres16", "description": "d"});
    bench.create("aws:rds:DbParameterGroup", &group, 80).await.unwrap();
    // moto forgets what it is created with of: monitoring, Performance Insights, network type, promotion tier, dedicated log volume. It does
    // not tell a changed port.
    let want = with(
        instance("Main"),
        json!({
            "db_name": "app", "max_allocated_storage": 100, "storage_type": "gp3", "storage_throughput": 125, "iops": 3000,
            "storage_encrypted": true, "port": 5433, "multi_az": false, "publicly_accessible": false,
            "db_parameter_group_name": "main", "backup_retention_period": 7, "preferred_backup_window": "03:00-03:30",
            "preferred_maintenance_window": "Sun:05:00-Sun:06:00", "auto_minor_version_upgrade": false,
            "copy_tags_to_snapshot": true, "deletion_protection": true, "enable_iam_database_authentication": true,
            "enable_cloudwatch_logs_exports": ["postgresql"], "ca_certificate_identifier": "rds-ca-rsa2048-g1",
            "availability_zone": "us-west-2a", "license_model": "postgresql-license", "skip_final_snapshot": true,
            "domain": "d-1234567890", "domain_iam_role_name": "rds-domain", "tags": {"team": "a"},
        }),
    );
    let changed = with(
        want.clone(),
        json!({
            "db_instance_class": "db.t4g.small", "engine_version": "16.6", "allocated_storage": 30,
            "max_allocated_storage": 200, "multi_az": true, "backup_retention_period": 14, "apply_immediately": true,
            "preferred_backup_window": "02:00-02:30", "preferred_maintenance_window": "mon:05:00-mon:06:00",
            "copy_tags_to_snapshot": false, "deletion_protection": false, "master_user_password": "not-secret-either",
            "enable_cloudwatch_logs_exports": ["upgrade"], "tags": {"team": "b"},
        }),
    );
    let outputs = bench.life("aws:rds:DbInstance", want, &[changed]).await;
    assert!(text(&outputs, "arn").ends_with(":db:main"), "{outputs:?}");
    assert!(text(&outputs, "address").starts_with("main."), "{outputs:?}");

    // The version's beginning is enough, and the password can be RDS's.
    let managed = json!({
        "db_instance_identifier": "managed", "db_instance_class": "db.t4g.micro", "engine": "mysql", "engine_version": "8.0.39",
        "allocated_storage": 20, "master_username": "master", "manage_master_user_password": true,
        "final_db_snapshot_identifier": "managed-last",
    });
    let outputs = bench.life("aws:rds:DbInstance", managed, &[]).await;
    assert!(text(&outputs, "master_user_secret_arn").contains(":secretsmanager:"), "{outputs:?}");
    // The snapshot was made when it was deleted.
    let snapshots = moto.aws(&["rds", "describe-db-snapshots"]);
    assert_eq!(snapshots["DBSnapshots"][0]["DBSnapshotIdentifier"], "managed-last");
}

/// What is renamed keeps the id under which the state knows it.
#[tokio::test]
async fn databases_are_renamed_in_place() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let cluster = json!({
        "db_cluster_identifier": "old", "engine": "aurora-postgresql", "engine_version": "16.4", "master_username": "master",
        "master_user_password": "not-a-secret", "skip_final_snapshot": true, "apply_immediately": true,
    });
    let instance = with(instance("old"), json!({"skip_final_snapshot": true, "apply_immediately": true}));
    for (name, field, want) in [
        ("aws:rds:DbInstance", "db_instance_identifier", instance),
        ("aws:rds:DbCluster", "db_cluster_identifier", cluster),
    ] {
        let made = bench.create(name, &want, 1).await.unwrap();
        let renamed = with(want.clone(), json!({field: "new"}));
        bench.update(name, &made.id, &want, &renamed).await;
        let there = bench.settled(name, &made.id, &renamed).await;
        assert_eq!(there.outputs[field].as_str(), Some("new"));
        bench.deleted(name, &made.id, &renamed).await;
    }
}

#[tokio::test]
async fn replicas_restored_instances_and_snapshots() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let source = with(instance("source"), json!({"backup_retention_period": 7, "skip_final_snapshot": true}));
    bench.create("aws:rds:DbInstance", &source, 1).await.unwrap();

    let snapshot =
        |tag: &str| json!({"db_snapshot_identifier": "One", "db_instance_identifier": "source", "tags": {"team": tag}});
    let outputs = bench.life("aws:rds:DbSnapshot", snapshot("a"), &[snapshot("b")]).await;
    assert!(text(&outputs, "arn").ends_with(":snapshot:one"), "{outputs:?}");

    // The backup window and the retention are no part of the request for a replica.
    let replica = |class: &str| {
        json!({
            "db_instance_identifier": "replica", "db_instance_class": class, "source_db_instance_identifier": "source",
            "backup_retention_period": 3, "preferred_backup_window": "04:00-04:30", "publicly_accessible": false,
            "apply_immediately": true, "tags": {"team": "a"},
        })
    };
    bench.life("aws:rds:DbInstance", replica("db.t4g.small"), &[replica("db.t4g.medium")]).await;

    let restored = |class: &str| {
        json!({
            "db_instance_identifier": "restored", "db_instance_class": class, "source_db_instance_identifier": "source",
            "use_latest_restorable_time": true, "preferred_maintenance_window": "tue:05:00-tue:06:00",
            "master_user_password": "not-a-secret", "apply_immediately": true, "skip_final_snapshot": true,
            "tags": {"team": "a"},
        })
    };
    bench.life("aws:rds:DbInstance", restored("db.t4g.small"), &[restored("db.t4g.medium")]).await;
    let kept = json!({"db_snapshot_identifier": "kept", "db_instance_identifier": "source"});
    bench.create("aws:rds:DbSnapshot", &kept, 5).await.unwrap();
    let revived = json!({
        "db_instance_identifier": "revived", "db_instance_class": "db.t4g.large", "db_snapshot_identifier": "kept",
        "preferred_maintenance_window": "tue:05:00-tue:06:00", "backup_retention_period": 5, "skip_final_snapshot": true,
        "tags": {"team": "a"},
    });
    bench.life("aws:rds:DbInstance", revived, &[]).await;
    bench.deleted("aws:rds:DbInstance", "source", &source).await;
}

#[tokio::test]
async fn deletion_is_explained() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let protected = with(instance("main"), json!({"deletion_protection": true, "skip_final_snapshot": true}));
    bench.create("aws:rds:DbInstance", &protected, 1).await.unwrap();
    let driver = bench.driver("aws:rds:DbInstance");
    let error = driver.delete(&bench.cx, "main", &kit::fields(protected)).await.unwrap_err();
    assert!(error.hint.as_deref().is_some_and(|h| h.contains("deletion_protection")), "{error:?}");
    // An object of that name that is another's is not taken over.
    let error = driver.create(&bench.cx, &kit::fields(instance("main")), &kit::intent(2)).await.unwrap_err();
    assert!(error.message.contains("an earlier step of this stack"), "{error:?}");
}

#[cfg(feature = "ec2")]
#[tokio::test]
async fn clusters_and_proxies() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let subnet_ids = subnets(&bench).await;
    let group = json!({
        "db_subnet_group_name": "main", "db_subnet_group_description": "for tests", "subnet_ids": subnet_ids,
    });
    bench.create("aws:rds:DbSubnetGroup", &group, 80).await.unwrap();
    // moto forgets what a cluster is created with of: monitoring, Performance Insights, Data API, log exports of a change.
    let cluster = |name: &str| {
        json!({
            "db_cluster_identifier": name, "engine": "aurora-postgresql", "engine_version": "16.4", "engine_mode": "provisioned",
            "database_name": "app", "master_username": "master", "master_user_password": "not-a-secret",
            "db_subnet_group_name": "main", "port": 5433, "backup_retention_period": 7,
            "preferred_backup_window": "03:00-03:30", "preferred_maintenance_window": "Sun:05:00-Sun:06:00",
            "storage_encrypted": true, "copy_tags_to_snapshot": true, "deletion_protection": true,
            "enable_iam_database_authentication": true, "enable_cloudwatch_logs_exports": ["postgresql"],
            "serverless_v2_scaling_configuration": {"min_capacity": 0.5, "max_capacity": 4.0},
            "associated_roles": [{"role_arn": "arn:aws:iam::123456789012:role/import", "feature_name": "s3Import"}],
            "network_type": "IPV4", "skip_final_snapshot": true, "tags": {"team": "a"},
        })
    };
    let changed = with(
        cluster("main"),
        json!({
            "engine_version": "16.6", "backup_retention_period": 14, "deletion_protection": false,
            "copy_tags_to_snapshot": false, "preferred_backup_window": "02:00-02:30", "apply_immediately": true,
            "serverless_v2_scaling_configuration": {"min_capacity": 1.0, "max_capacity": 8.0}, "tags": {"team": "b"},
        }),
    );
    let outputs = bench.life("aws:rds:DbCluster", cluster("main"), &[changed]).await;
    assert!(text(&outputs, "arn").ends_with(":cluster:main"), "{outputs:?}");

    // A cluster with an instance in it is not deleted.
    let whole = with(cluster("whole"), json!({"deletion_protection": false}));
    bench.create("aws:rds:DbCluster", &whole, 2).await.unwrap();
    let member = json!({
        "db_instance_identifier": "whole-1", "db_instance_class": "db.serverless", "engine": "aurora-postgresql",
        "db_cluster_identifier": "whole", "tags": {"team": "a"},
    });
    bench.create("aws:rds:DbInstance", &member, 3).await.unwrap();
    bench.settled("aws:rds:DbInstance", "whole-1", &member).await;
    let error = bench.driver("aws:rds:DbCluster").delete(&bench.cx, "whole", &kit::fields(whole.clone())).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind, phx_model::error::ErrorKind::InUse, "{error:?}");
    assert!(error.hint.as_deref().is_some_and(|h| h.contains("whole-1")), "{error:?}");

    let secret = "arn:aws:secretsmanager:us-west-2:123456789012:secret:db-a1b2c3";
    // moto cannot change a proxy; its tags it can, and where it leads to.
    let proxy = |members: Value, tag: &str| {
        with(
            json!({
                "db_proxy_name": "main", "engine_family": "POSTGRESQL",
                "role_arn": "arn:aws:iam::123456789012:role/proxy", "vpc_subnet_ids": subnet_ids,
                "auth": [{"auth_scheme": "SECRETS", "secret_arn": secret, "iam_auth": "REQUIRED", "description": "d"}],
                "require_tls": true, "idle_client_timeout": 600, "debug_logging": false,
                "connection_pool_config": {
                    "max_connections_percent": 80, "max_idle_connections_percent": 20, "connection_borrow_timeout": 60,
                    "session_pinning_filters": ["EXCLUDE_VARIABLE_SETS"],
                },
                "tags": {"team": tag},
            }),
            members,
        )
    };
    let outputs = bench
        .life(
            "aws:rds:DbProxy",
            proxy(json!({"db_cluster_identifiers": ["whole"]}), "a"),
            &[proxy(json!({"db_instance_identifiers": ["whole-1"]}), "b"), proxy(json!({}), "b")],
        )
        .await;
    assert!(text(&outputs, "arn").contains(":db-proxy:"), "{outputs:?}");
    bench.deleted("aws:rds:DbInstance", "whole-1", &member).await;
    bench.deleted("aws:rds:DbCluster", "whole", &whole).await;
}

/// ministack defers what is not to be applied at once, as AWS does.
#[tokio::test]
async fn a_deferred_change_counts_as_made() {
    let ministack = Emulator::ministack();
    let bench = kit::emulated(&ministack.url());
    let want = with(instance("main"), json!({"backup_retention_period": 7, "skip_final_snapshot": true}));
    let made = bench.create("aws:rds:DbInstance", &want, 1).await.unwrap();
    bench.settled("aws:rds:DbInstance", &made.id, &want).await;
    let deferred = with(want.clone(), json!({"db_instance_class": "db.t4g.large"}));
    bench.update("aws:rds:DbInstance", &made.id, &want, &deferred).await;
    // Nothing of it has happened, and nothing of it is to be done again.
    bench.settled("aws:rds:DbInstance", &made.id, &deferred).await;
    let shown = ministack.aws(&["rds", "describe-db-instances"]);
    assert_eq!(shown["DBInstances"][0]["DBInstanceClass"], "db.t4g.micro", "{shown}");
    bench.deleted("aws:rds:DbInstance", &made.id, &deferred).await;
}

/// The second emulator: other states, other leniences.
#[tokio::test]
async fn lives_on_ministack() {
    let ministack = Emulator::ministack();
    let bench = kit::emulated(&ministack.url());
    let group = |tag: &str| {
        json!({
            "db_parameter_group_name": "main", "db_parameter_group_family": "postgres16", "description": "d", "tags": {"team": tag},
        })
    };
    bench.life("aws:rds:DbParameterGroup", group("a"), &[group("b")]).await;
    // ministack loses log exports.
    let want = with(
        instance("main"),
        json!({
            "backup_retention_period": 7, "publicly_accessible": false, "deletion_protection": true, "storage_encrypted": true,
            "copy_tags_to_snapshot": true, "skip_final_snapshot": true, "apply_immediately": true, "tags": {"team": "a"},
        }),
    );
    let changed = with(
        want.clone(),
        json!({
            "db_instance_class": "db.t4g.large", "allocated_storage": 40, "backup_retention_period": 3, "multi_az": true,
            "deletion_protection": false, "copy_tags_to_snapshot": false, "tags": {"team": "b"},
        }),
    );
    bench.life("aws:rds:DbInstance", want, &[changed]).await;
    let source = with(instance("source"), json!({"skip_final_snapshot": true}));
    bench.create("aws:rds:DbInstance", &source, 1).await.unwrap();
    let snapshot = json!({"db_snapshot_identifier": "one", "db_instance_identifier": "source", "tags": {"team": "a"}});
    bench.life("aws:rds:DbSnapshot", snapshot, &[]).await;
    let cluster = |days: i32| {
        json!({
            "db_cluster_identifier": "main", "engine": "aurora-postgresql", "master_username": "master",
            "master_user_password": "not-a-secret", "backup_retention_period": days, "skip_final_snapshot": true,
            "apply_immediately": true, "tags": {"team": "a"},
        })
    };
    bench.life("aws:rds:DbCluster", cluster(3), &[cluster(5)]).await;
}
