//! Whole lives of CloudWatch Logs' types.

use serde_json::json;

use super::*;

#[tokio::test]
async fn groups_filters_and_policies() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let (bench, c) = (bench(&sandbox), Clients::new(&sandbox));
    let group = |days: Option<u32>, tag: &str| json!({"log_group_name": "/app/life", "retention_in_days": days, "tags": {"Name": tag}});
    bench.life("aws:logs:LogGroup", group(Some(30), "é"), &[group(Some(14), "b"), group(None, "b")]).await;
    bench.create("aws:logs:LogGroup", &json!({"log_group_name": "/app/web"}), 7).await.unwrap();

    let filter = |pattern: &str, value: &str, dimensions: serde_json::Value| {
        let metric = json!({
            "metric_name": "Errors", "metric_namespace": "App", "metric_value": value, "unit": "Count", "dimensions": dimensions
        });
        json!({
            "log_group_name": "/app/web", "filter_name": "errors", "filter_pattern": pattern, "metric_transformations": [metric]
        })
    };
    let first = filter("{ $.level = \"error\" }", "1", json!({"Service": "$.service"}));
    let second = filter("", "$.count", json!({"Service": "$.service", "Zone": "$.zone"}));
    let mut third = filter("é", "1", serde_json::Value::Null);
    third["metric_transformations"][0]["default_value"] = json!(0.5);
    third["apply_on_transformed_logs"] = json!(true);
    third["field_selection_criteria"] = json!("@aws.account IN [\"1\"]");
    third["emit_system_field_dimensions"] = json!(["@aws.region"]);
    let outputs = bench.life("aws:logs:MetricFilter", first.clone(), &[second, third]).await;
    assert_eq!(outputs["id"].as_str(), Some("/app/web:errors"));
    bench.create("aws:logs:MetricFilter", &first, 1).await.unwrap();
    let groups = c.logs.describe_log_groups().log_group_name_prefix("/app/web").send().await.unwrap();
    assert_eq!(groups.log_groups()[0].metric_filter_count(), Some(1));
    refused!(c.logs.describe_metric_filters().log_group_name("/none"), "ResourceNotFoundException");

    let stream = "arn:aws:kinesis:us-west-2:000000000000:stream/events";
    let role = "arn:aws:iam::000000000000:role/logs";
    let filter = |name: &str, pattern: &str, distribution: &str| {
        json!({
            "log_group_name": "/app/web", "filter_name": name, "filter_pattern": pattern, "destination_arn": stream,
            "role_arn": role, "distribution": distribution,
        })
    };
    bench.life("aws:logs:SubscriptionFilter", filter("a", "", "ByLogStream"), &[filter("a", "ERROR", "Random")]).await;
    for name in ["a", "b"] {
        bench.create("aws:logs:SubscriptionFilter", &filter(name, "", "Random"), 2).await.unwrap();
    }
    let most = bench.create("aws:logs:SubscriptionFilter", &filter("c", "", "Random"), 3).await.unwrap_err();
    assert_eq!(most.code.as_deref(), Some("LimitExceededException"), "{most}");

    let policy = |action: &str| {
        json!({
            "policy_name": "route53",
            "policy_document": {"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"Service": "route53.amazonaws.com"}, "Action": action,
                "Resource": "arn:aws:logs:us-west-2:000000000000:log-group:/app/*"
            }]}
        })
    };
    bench.life("aws:logs:ResourcePolicy", policy("logs:PutLogEvents"), &[policy("logs:CreateLogStream")]).await;
    let of_group = |action: &str| {
        let mut policy = policy(action);
        policy.as_object_mut().unwrap().remove("policy_name");
        policy["resource_arn"] = json!("arn:aws:logs:us-west-2:000000000000:log-group:/app/web");
        policy
    };
    bench.life("aws:logs:ResourcePolicy", of_group("logs:PutLogEvents"), &[of_group("logs:CreateLogStream")]).await;

    // All of it is there again after a restart, and goes with its group.
    bench.create("aws:logs:ResourcePolicy", &policy("logs:PutLogEvents"), 4).await.unwrap();
    sandbox.save().await.unwrap();
    drop((bench, c, sandbox));
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let c = Clients::new(&sandbox);
    let filters = c.logs.describe_metric_filters().send().await.unwrap();
    assert_eq!(filters.metric_filters()[0].metric_transformations()[0].dimensions().unwrap().len(), 1);
    let filters = c.logs.describe_subscription_filters().log_group_name("/app/web").send().await.unwrap();
    assert_eq!(filters.subscription_filters()[0].distribution().unwrap().as_str(), "Random");
    assert_eq!(c.logs.describe_resource_policies().send().await.unwrap().resource_policies().len(), 1);
    c.logs.delete_log_group().log_group_name("/app/web").send().await.unwrap();
    assert!(c.logs.describe_metric_filters().send().await.unwrap().metric_filters().is_empty());
}
