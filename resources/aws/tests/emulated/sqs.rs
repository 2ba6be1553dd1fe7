//! SQS on emulators. moto frees a deleted queue's name at once, and does not tell who may send here what was received in vain: that is in
//! shapes.

use phx_tests::emulator::Emulator;
use serde_json::json;

use crate::kit::emulated;

const QUEUE: &str = "aws:sqs:Queue";

async fn lives(bench: &crate::kit::Bench) {
    let dead = bench.create(QUEUE, &json!({"queue_name": "dead"}), 5).await.unwrap().outputs["arn"].clone();
    let dead = dead.as_str().unwrap();
    let policy = |action: &str| {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"},
            "Action": action, "Resource": "*"}]})
    };
    let want = json!({"queue_name": "jobs", "delay_seconds": 5, "maximum_message_size": 2048,
        "message_retention_period": 60, "receive_message_wait_time_seconds": 3, "visibility_timeout": 7,
        "policy": policy("sqs:SendMessage"), "redrive_policy": {"dead_letter_target_arn": dead, "max_receive_count": 4},
        "tags": {"a": "1", "b": "2"}});
    let changed = json!({"queue_name": "jobs", "delay_seconds": 0, "visibility_timeout": 30,
        "policy": policy("sqs:ReceiveMessage"), "redrive_policy": {"dead_letter_target_arn": dead, "max_receive_count": 9},
        "tags": {"b": "3"}});
    bench.life(QUEUE, want, &[changed, json!({"queue_name": "jobs", "delay_seconds": 1})]).await;
}

#[tokio::test]
async fn a_queue_lives_and_changes() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    lives(&bench).await;
    let kms = json!({"queue_name": "kms", "kms_master_key_id": "alias/aws/sqs", "kms_data_key_reuse_period_seconds": 60,
        "sqs_managed_sse_enabled": false});
    bench.life(QUEUE, kms, &[json!({"queue_name": "kms", "kms_master_key_id": "alias/other"})]).await;
    let fifo = json!({"queue_name": "jobs.fifo", "fifo_queue": true, "content_based_deduplication": true,
        "deduplication_scope": "messageGroup", "fifo_throughput_limit": "perMessageGroupId"});
    bench.life(QUEUE, fifo, &[json!({"queue_name": "jobs.fifo", "fifo_queue": true})]).await;

    // A queue that someone else made is left alone, even one with the same attributes.
    bench.create(QUEUE, &json!({"queue_name": "theirs"}), 1).await.unwrap();
    let error = bench.create(QUEUE, &json!({"queue_name": "theirs"}), 2).await.unwrap_err();
    assert_eq!(error.kind, phx_model::error::ErrorKind::AlreadyExists, "{error:?}");
}

#[tokio::test]
async fn a_queue_lives_on_ministack_too() {
    let ministack = Emulator::ministack();
    lives(&emulated(&ministack.url())).await;
}
