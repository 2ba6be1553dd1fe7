//! EventBridge on moto.

use phx_tests::emulator::Emulator;
use serde_json::json;

use crate::kit;

const QUEUE: &str = "arn:aws:sqs:us-west-2:123456789012:jobs";
const ROLE: &str = "arn:aws:iam::123456789012:role/events";

#[tokio::test]
async fn rules_live() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let first = json!({
        "name": "stopped", "event_pattern": {"source": ["aws.ec2"], "detail": {"state": ["stopped"]}}, "state": "DISABLED",
        "description": "stopped instances", "role_arn": ROLE, "tags": {"a": "1", "b": "1"}
    });
    let second = json!({
        "name": "stopped", "event_pattern": {"source": ["aws.ec2"]}, "state": "ENABLED", "description": "all of EC2",
        "role_arn": ROLE, "tags": {"a": "2", "c": "1"}
    });
    let outputs = bench.life("aws:events:Rule", first, &[second]).await;
    assert_eq!(outputs["arn"].as_str(), Some("arn:aws:events:us-west-2:123456789012:rule/stopped"));

    let nightly = |at: &str| json!({"name": "nightly", "schedule_expression": at, "event_bus_name": "default"});
    bench.life("aws:events:Rule", nightly("cron(0 20 * * ? *)"), &[nightly("rate(1 day)")]).await;

    moto.aws(&["events", "create-event-bus", "--name", "orders"]);
    let placed =
        |source: &str| json!({"name": "placed", "event_bus_name": "orders", "event_pattern": {"source": [source]}});
    let outputs = bench.life("aws:events:Rule", placed("shop"), &[placed("web")]).await;
    assert_eq!(outputs["arn"].as_str(), Some("arn:aws:events:us-west-2:123456789012:rule/orders/placed"));
}

#[tokio::test]
async fn targets_live_and_hold_their_rule() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let rule = json!({"name": "nightly", "schedule_expression": "rate(1 day)"});
    bench.create("aws:events:Rule", &rule, 7).await.unwrap();

    let plain = json!({
        "rule": "nightly", "target_id": "queue", "arn": QUEUE, "role_arn": ROLE, "input": {"do": ["this", 1]},
        "retry_policy": {"maximum_retry_attempts": 3, "maximum_event_age_in_seconds": 600},
        "dead_letter_config": {"arn": "arn:aws:sqs:us-west-2:123456789012:dead"}
    });
    let transformed = json!({
        "rule": "nightly", "target_id": "queue", "arn": QUEUE, "role_arn": ROLE,
        "input_transformer": {"input_paths_map": {"at": "$.time"}, "input_template": "\"it is <at>\""},
        "sqs_parameters": {"message_group_id": "g"}, "retry_policy": {"maximum_retry_attempts": 5}
    });
    let outputs = bench.life("aws:events:Target", plain.clone(), &[transformed]).await;
    assert_eq!(outputs["id"].as_str(), Some("nightly/queue"));

    let made = bench.create("aws:events:Target", &plain, 1).await.unwrap();
    let driver = bench.driver("aws:events:Rule");
    let error = driver.delete(&bench.cx, "nightly", &kit::fields(rule.clone())).await.unwrap_err();
    assert!(error.hint.as_deref().is_some_and(|h| h.contains("the targets queue")), "{error:?}");
    bench.deleted("aws:events:Target", &made.id, &plain).await;
    bench.deleted("aws:events:Rule", "nightly", &rule).await;
}
