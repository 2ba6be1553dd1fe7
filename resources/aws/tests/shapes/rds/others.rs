//! Clusters, groups, subscriptions, proxies and snapshots.

use phx_model::error::ErrorKind;
use phx_model::value::ValueMap;
use serde_json::{Value, json};

use super::{ACCOUNT, cluster_xml, instance_xml, instances, names, proxy, proxy_xml, said, update, with};
use crate::kit::{Answer, Request, fields, scripted};

#[tokio::test]
async fn a_cluster_is_changed_by_the_calls_that_rds_has_for_it() {
    let there = "<GlobalClusterIdentifier>world</GlobalClusterIdentifier><EngineMode>provisioned</EngineMode>
        <AssociatedRoles><DBClusterRole><RoleArn>arn:old</RoleArn><FeatureName>Lambda</FeatureName></DBClusterRole></AssociatedRoles>";
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "DescribeDBClusters" => Answer::Query(format!("<DBClusters>{}</DBClusters>", cluster_xml("main", there))),
        "ModifyDBCluster" => Answer::Query(cluster_xml("main", "")),
        _ => Answer::Query(String::new()),
    });
    let base = json!({"db_cluster_identifier": "main", "engine": "aurora-postgresql"});
    let have = with(
        base.clone(),
        json!({
            "global_cluster_identifier": "world", "associated_roles": [{"role_arn": "arn:old", "feature_name": "Lambda"}],
            "enable_cloudwatch_logs_exports": ["postgresql"],
        }),
    );
    let want = with(
        base,
        json!({
            "associated_roles": [{"role_arn": "arn:new", "feature_name": "Lambda"}], "enable_http_endpoint": true,
            "enable_cloudwatch_logs_exports": ["instance"], "engine_version": "17.2", "allow_major_version_upgrade": true,
            "db_instance_parameter_group_name": "new", "apply_immediately": true,
        }),
    );
    update(&bench, "aws:rds:DbCluster", "main", &have, &want).await.unwrap();
    let operations: Vec<String> = bench.operations().into_iter().filter(|o| o != "DescribeDBClusters").collect();
    assert_eq!(
        operations,
        [
            "RemoveFromGlobalCluster",
            "RemoveRoleFromDBCluster",
            "AddRoleToDBCluster",
            "EnableHttpEndpoint",
            "ModifyDBCluster"
        ]
    );
    let request = bench.requests().into_iter().find(|r| r.operation == "ModifyDBCluster").unwrap();
    let sent: Vec<String> = names(&request).into_iter().collect();
    assert_eq!(
        sent,
        [
            "Action",
            "AllowMajorVersionUpgrade",
            "ApplyImmediately",
            "CloudwatchLogsExportConfiguration",
            "DBClusterIdentifier",
            "DBInstanceParameterGroupName",
            "EngineVersion",
            "Version",
        ]
    );
}

#[tokio::test]
async fn a_cluster_is_read_whole() {
    let there = "<EngineVersion>16.6</EngineVersion><AutoMinorVersionUpgrade>true</AutoMinorVersionUpgrade><StorageType></StorageType>
        <AvailabilityZones><AvailabilityZone>us-west-2c</AvailabilityZone><AvailabilityZone>us-west-2a</AvailabilityZone>
        <AvailabilityZone>us-west-2b</AvailabilityZone></AvailabilityZones><Port>5432</Port>
        <MonitoringInterval>30</MonitoringInterval><MonitoringRoleArn>arn:m</MonitoringRoleArn><DatabaseInsightsMode>advanced</DatabaseInsightsMode>
        <PerformanceInsightsEnabled>true</PerformanceInsightsEnabled><PerformanceInsightsRetentionPeriod>465</PerformanceInsightsRetentionPeriod>
        <HttpEndpointEnabled>true</HttpEndpointEnabled><LocalWriteForwardingStatus>enabling</LocalWriteForwardingStatus>
        <GlobalWriteForwardingRequested>false</GlobalWriteForwardingRequested><BacktrackWindow>3600</BacktrackWindow>
        <ServerlessV2ScalingConfiguration><MinCapacity>0.5</MinCapacity><MaxCapacity>4</MaxCapacity></ServerlessV2ScalingConfiguration>
        <EnabledCloudwatchLogsExports><member>postgresql</member></EnabledCloudwatchLogsExports>
        <PendingModifiedValues><BackupRetentionPeriod>14</BackupRetentionPeriod><IAMDatabaseAuthenticationEnabled>true</IAMDatabaseAuthenticationEnabled>
        <PendingCloudwatchLogsExports><LogTypesToEnable><member>instance</member></LogTypesToEnable></PendingCloudwatchLogsExports></PendingModifiedValues>
        <MasterUserSecret><SecretArn>arn:s</SecretArn><KmsKeyId>arn:k</KmsKeyId></MasterUserSecret>";
    let bench = scripted(move |_, _| Answer::Query(format!("<DBClusters>{}</DBClusters>", cluster_xml("main", there))));
    let want = json!({
        "db_cluster_identifier": "main", "engine": "aurora-postgresql", "engine_version": "16.4", "storage_type": "aurora",
        "availability_zones": ["us-west-2a", "us-west-2b"], "port": 5432, "monitoring_interval": 30, "monitoring_role_arn": "arn:m",
        "database_insights_mode": "advanced", "enable_performance_insights": true, "performance_insights_retention_period": 465,
        "enable_http_endpoint": true, "enable_local_write_forwarding": true, "enable_global_write_forwarding": false,
        "backtrack_window": 3600, "serverless_v2_scaling_configuration": {"min_capacity": 0.5, "max_capacity": 4.0},
        "enable_cloudwatch_logs_exports": ["instance", "postgresql"], "backup_retention_period": 14,
        "enable_iam_database_authentication": true, "manage_master_user_password": true, "master_user_secret_kms_key_id": "arn:k",
    });
    bench.settled("aws:rds:DbCluster", "main", &want).await;
}

#[tokio::test]
async fn parameters_are_set_by_twenties_and_reset_by_their_difference() {
    let group = format!(
        "<DBParameterGroups><DBParameterGroup><DBParameterGroupName>main</DBParameterGroupName>
         <DBParameterGroupArn>{ACCOUNT}:pg:main</DBParameterGroupArn></DBParameterGroup></DBParameterGroups>"
    );
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "DescribeDBParameterGroups" => Answer::Query(group.clone()),
        // How each can be applied: only the first is dynamic.
        "DescribeDBParameters" => {
            let parameter = |n: usize| {
                let kind = if n == 0 { "dynamic" } else { "static" };
                format!("<Parameter><ParameterName>p{n}</ParameterName><ApplyType>{kind}</ApplyType></Parameter>")
            };
            Answer::Query(format!("<Parameters>{}</Parameters>", (0..45).map(parameter).collect::<String>()))
        }
        "CreateDBParameterGroup" => Answer::Query("<DBParameterGroup/>".into()),
        _ => Answer::Query(String::new()),
    });
    let parameter = |n: usize| json!({"parameter_name": format!("p{n}"), "parameter_value": n.to_string()});
    let want = |parameters: Vec<Value>| {
        json!({
            "db_parameter_group_name": "main", "db_parameter_group_family": "f", "description": "d", "parameters": parameters,
        })
    };
    let all = want((0..45).map(parameter).collect());
    bench.create("aws:rds:DbParameterGroup", &all, 1).await.unwrap();
    let operations = bench.operations();
    // Which can be applied at once is asked by twenties as well.
    assert_eq!(
        operations[0..4],
        ["CreateDBParameterGroup", "DescribeDBParameters", "DescribeDBParameters", "DescribeDBParameters"]
    );
    assert_eq!(operations[4..], ["ModifyDBParameterGroup"; 3]);
    let requests = bench.requests();
    let method = |request: &Request, n: usize| {
        said(request, &format!("Parameters.Parameter.{n}.ApplyMethod")).map(str::to_owned)
    };
    assert_eq!(method(&requests[4], 1).as_deref(), Some("immediate"));
    assert_eq!(method(&requests[4], 20).as_deref(), Some("pending-reboot"));
    assert_eq!(method(&requests[4], 21), None);
    assert_eq!(method(&requests[6], 5).as_deref(), Some("pending-reboot"));
    assert_eq!(method(&requests[6], 6), None);

    // One changes, and all but two are taken out.
    let mut changed = parameter(1);
    changed["parameter_value"] = json!("other");
    update(&bench, "aws:rds:DbParameterGroup", "main", &all, &want(vec![parameter(0), changed])).await.unwrap();
    let later = bench.requests().split_off(requests.len());
    let operations: Vec<&str> = later.iter().map(|r| r.operation.as_str()).collect();
    let (describe, reset) = ("DescribeDBParameters", "ResetDBParameterGroup");
    assert_eq!(operations, [describe, describe, describe, reset, reset, reset, "ModifyDBParameterGroup"]);
    assert_eq!(said(&later[3], "ResetAllParameters"), None);
    assert_eq!(said(&later[6], "Parameters.Parameter.1.ParameterValue"), Some("other"));
    assert_eq!(method(&later[6], 2), None);
}

/// A parameter that is set to the engine's default does not count as set for RDS.
#[tokio::test]
async fn a_parameter_set_to_its_default_is_read_by_its_name() {
    let bench = scripted(|request, _| {
        match (request.operation.as_str(), said(request, "Source")) {
        ("DescribeDBParameters", Some("user")) => Answer::Query(
            "<Parameters><Parameter><ParameterName>b</ParameterName><ParameterValue>2</ParameterValue><ApplyMethod>immediate</ApplyMethod>
             </Parameter></Parameters>".into(),
        ),
        ("DescribeDBParameters", _) => {
            assert_eq!(said(request, "Filters.Filter.1.Values.Value.1"), Some("a"));
            Answer::Query(
                "<Parameters><Parameter><ParameterName>a</ParameterName><ParameterValue>1</ParameterValue>
                 <ApplyMethod>pending-reboot</ApplyMethod></Parameter><Parameter><ParameterName>c</ParameterName></Parameter></Parameters>"
                    .into(),
            )
        }
        _ => Answer::Query(format!(
            "<DBParameterGroups><DBParameterGroup><DBParameterGroupName>main</DBParameterGroupName><DBParameterGroupFamily>f</DBParameterGroupFamily>
             <Description>d</Description><DBParameterGroupArn>{ACCOUNT}:pg:main</DBParameterGroupArn></DBParameterGroup></DBParameterGroups>"
        )),
    }
    });
    let want = json!({
        "db_parameter_group_name": "main", "db_parameter_group_family": "f", "description": "d",
        "parameters": [
            {"parameter_name": "a", "parameter_value": "1", "apply_method": "immediate"},
            {"parameter_name": "b", "parameter_value": "2"},
        ],
    });
    bench.settled("aws:rds:DbParameterGroup", "main", &want).await;
}

#[tokio::test]
async fn a_group_in_use_says_by_what() {
    let bench = scripted(|request, _| {
        match request.operation.as_str() {
        "DescribeDBInstances" => instances(&instance_xml(
            "main",
            "<DBSubnetGroup><DBSubnetGroupName>group</DBSubnetGroupName></DBSubnetGroup>
             <OptionGroupMemberships><OptionGroupMembership><OptionGroupName>group</OptionGroupName></OptionGroupMembership></OptionGroupMemberships>
             <DBParameterGroups><DBParameterGroup><DBParameterGroupName>group</DBParameterGroupName></DBParameterGroup></DBParameterGroups>",
        )),
        "DescribeDBClusters" => {
            let uses = "<DBClusterParameterGroup>group</DBClusterParameterGroup>";
            Answer::Query(format!("<DBClusters>{}</DBClusters>", cluster_xml("whole", uses)))
        }
        "DescribeDBSnapshots" => Answer::Query("<DBSnapshots/>".into()),
        "DeleteDBSubnetGroup" => Answer::XmlError(400, "InvalidDBSubnetGroupStateFault"),
        "DeleteOptionGroup" => Answer::XmlError(400, "InvalidOptionGroupStateFault"),
        _ => Answer::XmlError(400, "InvalidDBParameterGroupState"),
    }
    });
    for (name, holder) in [
        ("aws:rds:DbSubnetGroup", "the instance main"),
        ("aws:rds:OptionGroup", "the instance main"),
        ("aws:rds:DbParameterGroup", "the instance main"),
        ("aws:rds:DbClusterParameterGroup", "the cluster whole"),
    ] {
        let error = bench.driver(name).delete(&bench.cx, "group", &ValueMap::new()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InUse, "{name}: {error:?}");
        assert!(error.hint.as_deref().is_some_and(|h| h.contains(holder)), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn a_subnet_group_is_changed_with_its_subnets() {
    let bench = scripted(|_, _| Answer::Query("<DBSubnetGroup/>".into()));
    let have = json!({"db_subnet_group_name": "main", "db_subnet_group_description": "d", "subnet_ids": ["subnet-1", "subnet-2"]});
    let want = with(have.clone(), json!({"db_subnet_group_description": "other"}));
    update(&bench, "aws:rds:DbSubnetGroup", "main", &have, &want).await.unwrap();
    let request = bench.requests().remove(0);
    assert_eq!(request.operation, "ModifyDBSubnetGroup");
    assert_eq!(said(&request, "DBSubnetGroupDescription"), Some("other"));
    assert_eq!(said(&request, "SubnetIds.SubnetIdentifier.2"), Some("subnet-2"));
}

#[tokio::test]
async fn a_subscription_changes_step_by_step() {
    let subscription = |status: &str| {
        format!(
            "<EventSubscriptionsList><EventSubscription><CustSubscriptionId>main</CustSubscriptionId><Status>{status}</Status>
             <EventSubscriptionArn>{ACCOUNT}:es:main</EventSubscriptionArn></EventSubscription></EventSubscriptionsList>"
        )
    };
    let bench = scripted(move |request, at| match request.operation.as_str() {
        "DescribeEventSubscriptions" => Answer::Query(subscription(if at == 1 { "modifying" } else { "active" })),
        _ => Answer::Query("<EventSubscription/>".into()),
    });
    let have = json!({
        "subscription_name": "main", "sns_topic_arn": "arn:t", "source_type": "db-instance", "source_ids": ["i"],
        "event_categories": ["failover"],
    });
    let want = json!({
        "subscription_name": "main", "sns_topic_arn": "arn:t", "source_type": "db-cluster", "source_ids": ["c"], "enabled": false,
    });
    update(&bench, "aws:rds:EventSubscription", "main", &have, &want).await.unwrap();
    let changes: Vec<Request> =
        bench.requests().into_iter().filter(|r| r.operation != "DescribeEventSubscriptions").collect();
    let operations: Vec<&str> = changes.iter().map(|r| r.operation.as_str()).collect();
    assert_eq!(
        operations,
        ["RemoveSourceIdentifierFromSubscription", "ModifyEventSubscription", "AddSourceIdentifierToSubscription"]
    );
    assert_eq!(said(&changes[1], "SourceType"), Some("db-cluster"));
    assert_eq!(said(&changes[1], "Enabled"), Some("false"));
    assert_eq!(said(&changes[1], "SnsTopicArn"), None);
    assert_eq!(said(&changes[2], "SourceIdentifier"), Some("c"));
}

#[tokio::test]
async fn a_subscription_that_may_not_publish_says_so() {
    let bench = scripted(|_, _| {
        Answer::Query(
            "<EventSubscriptionsList><EventSubscription><CustSubscriptionId>main</CustSubscriptionId><Status>no-permission</Status>
             <SnsTopicArn>arn:t</SnsTopicArn></EventSubscription></EventSubscriptionsList>"
                .into(),
        )
    });
    let want = fields(json!({"subscription_name": "main", "sns_topic_arn": "arn:t"}));
    let error = bench.driver("aws:rds:EventSubscription").finish(&bench.cx, "main", &want).await.unwrap_err();
    assert!(error.hint.as_deref().is_some_and(|h| h.contains("arn:t")), "{error:?}");
}

#[tokio::test]
async fn an_option_is_read_with_what_counts_of_it() {
    let bench = scripted(|_, _| {
        Answer::Query(format!(
            "<OptionGroupsList><OptionGroup><OptionGroupName>main</OptionGroupName><OptionGroupArn>{ACCOUNT}:og:main</OptionGroupArn>
             <EngineName>oracle-ee</EngineName><MajorEngineVersion>19</MajorEngineVersion><OptionGroupDescription>d</OptionGroupDescription>
             <Options><Option><OptionName>OEM_AGENT</OptionName><Port>3872</Port><OptionVersion>13.5</OptionVersion>
             <VpcSecurityGroupMemberships><VpcSecurityGroupMembership><VpcSecurityGroupId>sg-1</VpcSecurityGroupId><Status>active</Status>
             </VpcSecurityGroupMembership></VpcSecurityGroupMemberships><OptionSettings>
             <OptionSetting><Name>OMS_HOST</Name><Value>host</Value><IsModifiable>true</IsModifiable></OptionSetting>
             <OptionSetting><Name>AS_WANTED</Name><Value>a</Value><DefaultValue>a</DefaultValue></OptionSetting>
             <OptionSetting><Name>USUAL</Name><Value>b</Value><DefaultValue>b</DefaultValue></OptionSetting>
             <OptionSetting><Name>FIXED</Name><Value>c</Value><DefaultValue>d</DefaultValue><IsModifiable>false</IsModifiable></OptionSetting>
             </OptionSettings></Option></Options></OptionGroup></OptionGroupsList>"
        ))
    });
    let want = json!({
        "option_group_name": "main", "engine_name": "oracle-ee", "major_engine_version": "19", "option_group_description": "d",
        "options": [{
            "option_name": "OEM_AGENT", "port": 3872, "vpc_security_group_memberships": ["sg-1"],
            "option_settings": [{"name": "AS_WANTED", "value": "a"}, {"name": "OMS_HOST", "value": "host"}],
        }],
    });
    let observed = bench.settled("aws:rds:OptionGroup", "main", &want).await;
    // One of them may be a password.
    assert!(!format!("{observed:?}").contains("host"), "{observed:?}");
}

#[tokio::test]
async fn a_proxy_is_changed_and_led_elsewhere() {
    let bench = scripted(|request, _| {
        match request.operation.as_str() {
        "DescribeDBProxies" => match said(request, "DBProxyName") {
            Some(name) => Answer::Query(format!("<DBProxies>{}</DBProxies>", proxy_xml(name))),
            None => panic!("all proxies are asked for"),
        },
        "DescribeDBProxyTargets" => Answer::Query(
            "<Targets><member><RdsResourceId>old</RdsResourceId><Type>TRACKED_CLUSTER</Type></member>
             <member><RdsResourceId>old-1</RdsResourceId><TrackedClusterId>old</TrackedClusterId><Type>RDS_INSTANCE</Type></member></Targets>"
                .into(),
        ),
        _ => Answer::Query(String::new()),
    }
    });
    let have = with(proxy("main"), json!({"require_tls": true, "db_cluster_identifiers": ["old"]}));
    let want = with(
        proxy("renamed"),
        json!({
            "idle_client_timeout": 60, "db_instance_identifiers": ["new"], "auth": [{"secret_arn": "arn:s", "iam_auth": "REQUIRED"}],
            "connection_pool_config": {"max_connections_percent": 50, "init_query": "SET x=1"},
        }),
    );
    update(&bench, "aws:rds:DbProxy", "main", &have, &want).await.unwrap();
    let changes: Vec<Request> = bench.requests().into_iter().filter(|r| !r.operation.starts_with("Describe")).collect();
    let operations: Vec<&str> = changes.iter().map(|r| r.operation.as_str()).collect();
    assert_eq!(
        operations,
        ["ModifyDBProxy", "ModifyDBProxyTargetGroup", "DeregisterDBProxyTargets", "RegisterDBProxyTargets"]
    );
    for (request, parameter, value) in [
        (0, "DBProxyName", "main"),
        (0, "NewDBProxyName", "renamed"),
        (0, "RequireTLS", "false"),
        (0, "IdleClientTimeout", "60"),
        (0, "Auth.member.1.IAMAuth", "REQUIRED"),
        (1, "ConnectionPoolConfig.MaxConnectionsPercent", "50"),
        (2, "DBClusterIdentifiers.member.1", "old"),
        (3, "DBInstanceIdentifiers.member.1", "new"),
    ] {
        assert_eq!(said(&changes[request], parameter), Some(value), "{parameter} {:?}", changes[request]);
    }
    assert_eq!(said(&changes[2], "DBInstanceIdentifiers.member.1"), None);
}

#[tokio::test]
async fn a_snapshot_is_waited_for() {
    let snapshot = |status: &str| {
        format!(
            "<DBSnapshots><DBSnapshot><DBSnapshotIdentifier>one</DBSnapshotIdentifier><DBSnapshotArn>{ACCOUNT}:snapshot:one</DBSnapshotArn>
             <PercentProgress>40</PercentProgress><Status>{status}</Status></DBSnapshot></DBSnapshots>"
        )
    };
    let bench = scripted(move |request, at| match (request.operation.as_str(), at) {
        ("DescribeEvents", _) => Answer::Query("<Events/>".into()),
        (_, 0) => Answer::Query(snapshot("creating")),
        (_, 1) => Answer::Query(snapshot("available")),
        _ => Answer::Query(snapshot("failed")),
    });
    let want = fields(json!({"db_snapshot_identifier": "one", "db_instance_identifier": "db"}));
    let driver = bench.driver("aws:rds:DbSnapshot");
    driver.finish(&bench.cx, "one", &want).await.unwrap();
    let error = driver.finish(&bench.cx, "one", &want).await.unwrap_err();
    assert!(error.message.contains("RDS gives no reason"), "{error:?}");
}

#[tokio::test]
async fn what_others_gave_a_cluster_is_left_alone() {
    let role = "<DBClusterRole><RoleArn>arn:others</RoleArn><FeatureName>Lambda</FeatureName></DBClusterRole>";
    let there = format!("<AssociatedRoles>{role}</AssociatedRoles>");
    let bench =
        scripted(move |_, _| Answer::Query(format!("<DBClusters>{}</DBClusters>", cluster_xml("main", &there))));
    // Aurora tells of no public address.
    let want = json!({"db_cluster_identifier": "main", "engine": "aurora-postgresql", "publicly_accessible": false});
    let driver = bench.driver("aws:rds:DbCluster");
    driver.finish(&bench.cx, "main", &fields(want)).await.unwrap();
    assert_eq!(bench.operations(), ["DescribeDBClusters"]);
    let want = json!({
        "db_cluster_identifier": "main", "engine": "aurora-postgresql", "publicly_accessible": false,
        "associated_roles": [{"role_arn": "arn:others", "feature_name": "Lambda"}],
    });
    bench.settled("aws:rds:DbCluster", "main", &want).await;
}

#[tokio::test]
async fn a_multi_az_cluster_is_not_held_by_the_instances_that_go_with_it() {
    let there = "<DBClusterInstanceClass>db.m6gd.large</DBClusterInstanceClass><DBClusterMembers><DBClusterMember>
        <DBInstanceIdentifier>main-instance-1</DBInstanceIdentifier></DBClusterMember></DBClusterMembers>";
    let bench = scripted(move |request, at| match (request.operation.as_str(), at) {
        ("DeleteDBCluster", 1) => Answer::XmlError(400, "InvalidDBClusterStateFault"),
        ("DeleteDBCluster", _) => Answer::Query(cluster_xml("main", there)),
        (_, 0..4) => {
            let modifying = cluster_xml("main", there).replace(">available<", ">modifying<");
            Answer::Query(format!("<DBClusters>{modifying}</DBClusters>"))
        }
        (_, 4) => Answer::Query(format!("<DBClusters>{}</DBClusters>", cluster_xml("main", there))),
        _ => Answer::XmlError(404, "DBClusterNotFoundFault"),
    });
    let was = json!({"db_cluster_identifier": "main", "engine": "postgres", "skip_final_snapshot": true});
    bench.driver("aws:rds:DbCluster").delete(&bench.cx, "main", &fields(was)).await.unwrap();
    assert_eq!(bench.operations().iter().filter(|o| *o == "DeleteDBCluster").count(), 2);
}

/// To replace a snapshot is to delete it first, and a new name of its instance may be all that is different.
#[tokio::test]
async fn a_snapshot_is_not_replaced_for_its_instances_name() {
    let bench = scripted(|_, _| panic!("nothing is called"));
    let field = bench.driver("aws:rds:DbSnapshot").schema().field("db_instance_identifier");
    assert!(field.is_some_and(|field| !field.replace));
    let have = json!({"db_snapshot_identifier": "one", "db_instance_identifier": "db"});
    let want = with(have.clone(), json!({"db_instance_identifier": "renamed"}));
    let error = update(&bench, "aws:rds:DbSnapshot", "one", &have, &want).await.unwrap_err();
    assert!(error.kind == ErrorKind::Invalid && error.hint.is_some(), "{error:?}");
}
