//! How many calls reading takes, and how what was created is found again.

use phx_model::error::ErrorKind;
use phx_model::state::INTENT_TAG;
use serde_json::{Value, json};

use super::{
    ACCOUNT, calls_for_a_hundred, hundred, instance, instance_xml, instances, proxy, proxy_xml, tag_list, tagged, with,
};
use crate::kit::{Answer, fields, intent, scripted};

#[tokio::test]
async fn a_hundred_databases_and_snapshots_take_one_call() {
    let bench = scripted(|_, _| instances(&hundred(|name| instance_xml(name, &tag_list(&[("a", "1")])))));
    let want = |n| with(instance(&format!("o-{n:03}")), json!({"tags": {"a": "1"}}));
    assert_eq!(calls_for_a_hundred(&bench, "aws:rds:DbInstance", want).await, 1);

    let cluster = |name: &str| {
        format!(
            "<DBCluster><DBClusterIdentifier>{name}</DBClusterIdentifier><DBClusterArn>{ACCOUNT}:cluster:{name}</DBClusterArn>
             <Engine>aurora-mysql</Engine><Status>available</Status></DBCluster>"
        )
    };
    let bench = scripted(move |_, _| Answer::Query(format!("<DBClusters>{}</DBClusters>", hundred(cluster))));
    let want = |n| json!({"db_cluster_identifier": format!("o-{n:03}"), "engine": "aurora-mysql", "tags": {"a": "1"}});
    assert_eq!(calls_for_a_hundred(&bench, "aws:rds:DbCluster", want).await, 1);

    let snapshot = |name: &str| {
        format!(
            "<DBSnapshot><DBSnapshotIdentifier>{name}</DBSnapshotIdentifier><DBSnapshotArn>{ACCOUNT}:snapshot:{name}</DBSnapshotArn>
             <DBInstanceIdentifier>db</DBInstanceIdentifier><Status>available</Status></DBSnapshot>"
        )
    };
    let bench = scripted(move |_, _| Answer::Query(format!("<DBSnapshots>{}</DBSnapshots>", hundred(snapshot))));
    let want =
        |n| json!({"db_snapshot_identifier": format!("o-{n:03}"), "db_instance_identifier": "db", "tags": {"a": "1"}});
    assert_eq!(calls_for_a_hundred(&bench, "aws:rds:DbSnapshot", want).await, 1);
}

#[tokio::test]
async fn a_hundred_groups_take_a_list_and_the_tagging_api() {
    let subnet_group = |name: &str| {
        format!(
            "<DBSubnetGroup><DBSubnetGroupName>{name}</DBSubnetGroupName><DBSubnetGroupArn>{ACCOUNT}:subgrp:{name}</DBSubnetGroupArn>
             <DBSubnetGroupDescription>d</DBSubnetGroupDescription></DBSubnetGroup>"
        )
    };
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "GetResources" => tagged("subgrp"),
        _ => Answer::Query(format!("<DBSubnetGroups>{}</DBSubnetGroups>", hundred(subnet_group))),
    });
    let want = |n| {
        json!({
            "db_subnet_group_name": format!("o-{n:03}"), "db_subnet_group_description": "d", "subnet_ids": ["subnet-1"],
            "tags": {"a": "1"},
        })
    };
    assert_eq!(calls_for_a_hundred(&bench, "aws:rds:DbSubnetGroup", want).await, 2);

    let option_group = |name: &str| {
        format!(
            "<OptionGroup><OptionGroupName>{name}</OptionGroupName><OptionGroupArn>{ACCOUNT}:og:{name}</OptionGroupArn></OptionGroup>"
        )
    };
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "GetResources" => tagged("og"),
        _ => Answer::Query(format!("<OptionGroupsList>{}</OptionGroupsList>", hundred(option_group))),
    });
    let want = |n| {
        json!({
            "option_group_name": format!("o-{n:03}"), "engine_name": "mysql", "major_engine_version": "8.0",
            "option_group_description": "d", "tags": {"a": "1"},
        })
    };
    assert_eq!(calls_for_a_hundred(&bench, "aws:rds:OptionGroup", want).await, 2);

    let subscription = |name: &str| {
        format!(
            "<EventSubscription><CustSubscriptionId>{name}</CustSubscriptionId><Status>active</Status>
             <EventSubscriptionArn>{ACCOUNT}:es:{name}</EventSubscriptionArn></EventSubscription>"
        )
    };
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "GetResources" => tagged("es"),
        _ => {
            let all = hundred(subscription);
            Answer::Query(format!("<EventSubscriptionsList>{all}</EventSubscriptionsList>"))
        }
    });
    let want = |n| json!({"subscription_name": format!("o-{n:03}"), "sns_topic_arn": "arn:t", "tags": {"a": "1"}});
    assert_eq!(calls_for_a_hundred(&bench, "aws:rds:EventSubscription", want).await, 2);
}

/// RDS tells the parameters of one group at a time; they are asked for only where the program sets some.
#[tokio::test]
async fn a_hundred_parameter_groups_take_two_calls_and_one_for_each_that_sets_parameters() {
    for (name, kind, field, element) in [
        ("aws:rds:DbParameterGroup", "pg", "db_parameter_group_name", "DBParameterGroup"),
        ("aws:rds:DbClusterParameterGroup", "cluster-pg", "db_cluster_parameter_group_name", "DBClusterParameterGroup"),
    ] {
        for (parameters, calls) in [(false, 2), (true, 102)] {
            let bench = scripted(move |request, _| {
                match request.operation.as_str() {
                "GetResources" => tagged(kind),
                "DescribeDBParameters" | "DescribeDBClusterParameters" => Answer::Query(
                    "<Parameters><Parameter><ParameterName>a</ParameterName><ParameterValue>1</ParameterValue></Parameter></Parameters>".into(),
                ),
                _ => {
                    let group = |name: &str| {
                        format!(
                            "<{element}><{element}Name>{name}</{element}Name><{element}Arn>{ACCOUNT}:{kind}:{name}</{element}Arn></{element}>"
                        )
                    };
                    Answer::Query(format!("<{element}s>{}</{element}s>", hundred(group)))
                }
            }
            });
            let want = |n| {
                let mut want = json!({
                    field: format!("o-{n:03}"), "db_parameter_group_family": "f", "description": "d", "tags": {"a": "1"},
                });
                if parameters {
                    want["parameters"] = json!([{"parameter_name": "a", "parameter_value": "1"}]);
                }
                want
            };
            assert_eq!(calls_for_a_hundred(&bench, name, want).await, calls, "{name}");
        }
    }
}

#[tokio::test]
async fn a_hundred_proxies_take_two_calls_and_two_for_each_that_sets_more() {
    for (more, calls) in [(json!({}), 2), (json!({"connection_pool_config": {}, "db_cluster_identifiers": ["c"]}), 202)]
    {
        let bench = scripted(move |request, _| match request.operation.as_str() {
            "GetResources" => tagged("db-proxy"),
            "DescribeDBProxyTargetGroups" => Answer::Query(
                "<TargetGroups><member><TargetGroupName>default</TargetGroupName></member></TargetGroups>".into(),
            ),
            "DescribeDBProxyTargets" => Answer::Query("<Targets/>".into()),
            _ => Answer::Query(format!("<DBProxies>{}</DBProxies>", hundred(proxy_xml))),
        });
        let want = |n| with(with(proxy(&format!("o-{n:03}")), json!({"tags": {"a": "1"}})), more.clone());
        assert_eq!(calls_for_a_hundred(&bench, "aws:rds:DbProxy", want).await, calls);
    }
}

/// The answer to a creation is lost, and what it made is found by its name and told by its mark.
#[tokio::test]
async fn lost_answers_are_found() {
    let mark = intent(1).as_str().to_owned();
    let tags = tag_list(&[(INTENT_TAG, &mark)]);
    let cases: Vec<(&str, Value, String, String)> = vec![
        ("aws:rds:DbInstance", instance("main"), "DescribeDBInstances".into(), format!("<DBInstances>{}</DBInstances>", instance_xml("main", &tags))),
        (
            "aws:rds:DbCluster",
            json!({"db_cluster_identifier": "main", "engine": "aurora-mysql"}),
            "DescribeDBClusters".into(),
            format!(
                "<DBClusters><DBCluster><DBClusterIdentifier>main</DBClusterIdentifier><DBClusterArn>{ACCOUNT}:cluster:main</DBClusterArn>
                 <Status>creating</Status>{tags}</DBCluster></DBClusters>"
            ),
        ),
        (
            "aws:rds:DbSnapshot",
            json!({"db_snapshot_identifier": "main", "db_instance_identifier": "db"}),
            "DescribeDBSnapshots".into(),
            format!(
                "<DBSnapshots><DBSnapshot><DBSnapshotIdentifier>main</DBSnapshotIdentifier>
                 <DBSnapshotArn>{ACCOUNT}:snapshot:main</DBSnapshotArn>{tags}</DBSnapshot></DBSnapshots>"
            ),
        ),
        (
            "aws:rds:DbSubnetGroup",
            json!({"db_subnet_group_name": "main", "db_subnet_group_description": "d", "subnet_ids": ["subnet-1"]}),
            "DescribeDBSubnetGroups".into(),
            format!(
                "<DBSubnetGroups><DBSubnetGroup><DBSubnetGroupName>main</DBSubnetGroupName>
                 <DBSubnetGroupArn>{ACCOUNT}:subgrp:main</DBSubnetGroupArn></DBSubnetGroup></DBSubnetGroups>"
            ),
        ),
        (
            "aws:rds:DbParameterGroup",
            json!({"db_parameter_group_name": "main", "db_parameter_group_family": "f", "description": "d"}),
            "DescribeDBParameterGroups".into(),
            format!(
                "<DBParameterGroups><DBParameterGroup><DBParameterGroupName>main</DBParameterGroupName>
                 <DBParameterGroupArn>{ACCOUNT}:pg:main</DBParameterGroupArn></DBParameterGroup></DBParameterGroups>"
            ),
        ),
        (
            "aws:rds:DbClusterParameterGroup",
            json!({"db_cluster_parameter_group_name": "main", "db_parameter_group_family": "f", "description": "d"}),
            "DescribeDBClusterParameterGroups".into(),
            format!(
                "<DBClusterParameterGroups><DBClusterParameterGroup><DBClusterParameterGroupName>main</DBClusterParameterGroupName>
                 <DBClusterParameterGroupArn>{ACCOUNT}:cluster-pg:main</DBClusterParameterGroupArn></DBClusterParameterGroup></DBClusterParameterGroups>"
            ),
        ),
        (
            "aws:rds:OptionGroup",
            json!({
                "option_group_name": "main", "engine_name": "mysql", "major_engine_version": "8.0", "option_group_description": "d",
            }),
            "DescribeOptionGroups".into(),
            format!(
                "<OptionGroupsList><OptionGroup><OptionGroupName>main</OptionGroupName>
                 <OptionGroupArn>{ACCOUNT}:og:main</OptionGroupArn></OptionGroup></OptionGroupsList>"
            ),
        ),
        (
            "aws:rds:EventSubscription",
            json!({"subscription_name": "main", "sns_topic_arn": "arn:t"}),
            "DescribeEventSubscriptions".into(),
            format!(
                "<EventSubscriptionsList><EventSubscription><CustSubscriptionId>main</CustSubscriptionId>
                 <EventSubscriptionArn>{ACCOUNT}:es:main</EventSubscriptionArn></EventSubscription></EventSubscriptionsList>"
            ),
        ),
        ("aws:rds:DbProxy", proxy("main"), "DescribeDBProxies".into(), format!("<DBProxies>{}</DBProxies>", proxy_xml("main"))),
    ];
    for (name, want, operation, listing) in cases {
        let tags = tags.clone();
        let bench = scripted(move |request, _| match request.operation.as_str() {
            create if create.starts_with("Create") => Answer::Lost,
            describe if describe == operation => Answer::Query(listing.clone()),
            "ListTagsForResource" => Answer::Query(tags.clone()),
            other => panic!("{other} is not expected"),
        });
        let (driver, want) = (bench.driver(name), fields(want));
        let error = driver.create(&bench.cx, &want, &intent(1)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Ambiguous, "{name}: {error:?}");
        let found = driver.find(&bench.cx, &want, &intent(1)).await.unwrap();
        assert_eq!(found.map(|f| f.id).as_deref(), Some("main"), "{name}");
        // It is not another intent's.
        let error = driver.find(&bench.cx, &want, &intent(2)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::AlreadyExists, "{name}: {error:?}");
    }
}
