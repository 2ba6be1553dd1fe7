//! CloudWatch Logs on moto: filters and resource policies.

use phx_tests::emulator::Emulator;
use serde_json::json;

use crate::kit;

#[tokio::test]
async fn filters_and_policies_live() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    bench.create("aws:logs:LogGroup", &json!({"log_group_name": "/app/web"}), 7).await.unwrap();

    // moto keeps no unit of its own, no field selection and no system fields.
    let filter = |pattern: &str, value: &str, dimensions: serde_json::Value| {
        let metric = json!({
            "metric_name": "Errors", "metric_namespace": "App", "metric_value": value, "unit": "Count", "dimensions": dimensions
        });
        json!({
            "log_group_name": "/app/web", "filter_name": "errors", "filter_pattern": pattern,
            "metric_transformations": [metric]
        })
    };
    let first = filter("{ $.level = \"error\" }", "1", json!({"Service": "$.service"}));
    let second = filter("", "$.count", json!({"Service": "$.service", "Zone": "$.zone"}));
    let outputs = bench.life("aws:logs:MetricFilter", first, &[second]).await;
    assert_eq!(outputs["id"].as_str(), Some("/app/web:errors"));

    moto.aws(&["kinesis", "create-stream", "--stream-name", "events", "--shard-count", "1"]);
    let stream = "arn:aws:kinesis:us-west-2:123456789012:stream/events";
    let role = "arn:aws:iam::123456789012:role/logs";
    // moto spreads events by log stream, whatever it is told.
    let filter = |pattern: &str| {
        json!({
            "log_group_name": "/app/web", "filter_name": "to-kinesis", "filter_pattern": pattern, "destination_arn": stream,
            "role_arn": role
        })
    };
    bench.life("aws:logs:SubscriptionFilter", filter(""), &[filter("ERROR")]).await;

    let policy = |action: &str| {
        json!({
            "policy_name": "route53",
            "policy_document": {"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"Service": "route53.amazonaws.com"}, "Action": action,
                "Resource": "arn:aws:logs:us-west-2:123456789012:log-group:/app/*"
            }]}
        })
    };
    bench.life("aws:logs:ResourcePolicy", policy("logs:PutLogEvents"), &[policy("logs:CreateLogStream")]).await;
}

#[tokio::test]
async fn what_is_there_and_another_is_not_overwritten() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    bench.create("aws:logs:LogGroup", &json!({"log_group_name": "g"}), 7).await.unwrap();
    let filter = |pattern: &str| {
        json!({
            "log_group_name": "g", "filter_name": "f", "filter_pattern": pattern,
            "metric_transformations": [{"metric_name": "m", "metric_namespace": "n", "metric_value": "1"}]
        })
    };
    bench.create("aws:logs:MetricFilter", &filter("a"), 1).await.unwrap();
    let error = bench.create("aws:logs:MetricFilter", &filter("b"), 2).await.unwrap_err();
    assert!(
        error.message.contains("the metric filter f of g is there already, with another filter_pattern"),
        "{error}"
    );
    // The same one is taken over.
    bench.create("aws:logs:MetricFilter", &filter("a"), 3).await.unwrap();
    bench.settled("aws:logs:MetricFilter", "g:f", &filter("a")).await;
}
