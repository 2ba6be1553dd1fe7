//! SNS on emulators. moto confirms every subscription at once, and tells a topic's tracing, signature, feedback and data protection never: that is
//! in shapes.

use phx_tests::emulator::Emulator;
use serde_json::json;

use crate::kit::emulated;

const TOPIC: &str = "aws:sns:Topic";
const SUBSCRIPTION: &str = "aws:sns:Subscription";

#[tokio::test]
async fn a_topic_lives_and_changes() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    let policy = |action: &str| {
        json!({"Version": "2012-10-17", "Statement": [{"Sid": "s", "Effect": "Allow",
            "Principal": {"AWS": "123456789012"}, "Action": action, "Resource": "*"}]})
    };
    let want = json!({"name": "alerts", "display_name": "Alerts", "policy": policy("sns:Publish"),
        "delivery_policy": {"http": {"defaultHealthyRetryPolicy": {"numRetries": 3}}},
        "kms_master_key_id": "alias/aws/sns", "tags": {"a": "1", "b": "2"}});
    let mut changed = want.clone();
    changed["display_name"] = json!("Other");
    changed["policy"] = policy("sns:Subscribe");
    changed["tags"] = json!({"b": "3"});
    bench.life(TOPIC, want, &[changed, json!({"name": "alerts", "tags": {"b": "3"}})]).await;

    let fifo = json!({"name": "alerts.fifo", "fifo_topic": true, "content_based_deduplication": true});
    bench.life(TOPIC, fifo, &[json!({"name": "alerts.fifo", "fifo_topic": true})]).await;

    // A topic that someone else made is left alone.
    bench.create(TOPIC, &json!({"name": "theirs"}), 1).await.unwrap();
    let error = bench.create(TOPIC, &json!({"name": "theirs"}), 2).await.unwrap_err();
    assert_eq!(error.kind, phx_model::error::ErrorKind::AlreadyExists, "{error:?}");
}

#[tokio::test]
async fn a_subscription_lives_and_changes() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    let topic = bench.create(TOPIC, &json!({"name": "told"}), 2).await.unwrap().id;
    let want = json!({"topic_arn": topic, "protocol": "https", "endpoint": "https://example.com/a",
        "filter_policy": {"event": ["made", {"anything-but": "x"}]}, "raw_message_delivery": true});
    let changed = json!({"topic_arn": topic, "protocol": "https", "endpoint": "https://example.com/a",
        "filter_policy": {"event": ["sold"]}, "filter_policy_scope": "MessageBody",
        "delivery_policy": {"healthyRetryPolicy": {"numRetries": 3}}});
    bench.life(SUBSCRIPTION, want, &[changed]).await;
    let plain = json!({"topic_arn": topic, "protocol": "email", "endpoint": "a@example.com"});
    let made = bench.create(SUBSCRIPTION, &plain, 1).await.unwrap();
    bench.settled(SUBSCRIPTION, &made.id, &plain).await;
    bench.deleted(SUBSCRIPTION, &made.id, &plain).await;
}

#[cfg(feature = "sqs")]
#[tokio::test]
async fn a_queue_subscribes() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    let topic = bench.create(TOPIC, &json!({"name": "told"}), 2).await.unwrap().id;
    let queue = |name: &str| json!({"queue_name": name});
    let arn = |made: phx_model::driver::Created| made.outputs["arn"].as_str().unwrap().to_owned();
    let told = arn(bench.create("aws:sqs:Queue", &queue("told"), 3).await.unwrap());
    let dead = arn(bench.create("aws:sqs:Queue", &queue("dead"), 4).await.unwrap());
    let plain = json!({"topic_arn": topic, "protocol": "sqs", "endpoint": told, "raw_message_delivery": true});
    let mut want = plain.clone();
    want["redrive_policy"] = json!({"dead_letter_target_arn": dead});
    bench.life(SUBSCRIPTION, want, &[]).await;
}
