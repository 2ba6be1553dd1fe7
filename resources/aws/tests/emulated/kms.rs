use phx_tests::emulator::Emulator;
use serde_json::{Value as Json, json};

use crate::kit;

fn policy(actions: Json) -> Json {
    json!({"Version": "2012-10-17", "Id": "key", "Statement": [
        {"Sid": "Own", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "kms:*", "Resource": "*"},
        {"Sid": "Use", "Effect": "Allow", "Principal": {"Service": "logs.us-west-2.amazonaws.com"}, "Action": actions, "Resource": "*"},
    ]})
}

#[tokio::test]
async fn keys_and_aliases() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let key = |more: Json| {
        let mut key = json!({"key_usage": "ENCRYPT_DECRYPT", "key_spec": "SYMMETRIC_DEFAULT", "origin": "AWS_KMS",
            "multi_region": true, "pending_window_in_days": 7});
        key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        key
    };
    // moto has no rotation periods: see shapes.
    let want = key(json!({
        "description": "for logs", "policy": policy(json!(["kms:Encrypt*", "kms:Decrypt*"])), "enabled": true,
        "enable_key_rotation": true, "tags": {"a": "b"},
    }));
    let changes = [
        key(json!({
            "description": "for all logs", "policy": policy(json!("kms:Decrypt*")), "enabled": false,
            "enable_key_rotation": false, "tags": {"c": "d"},
        })),
        key(json!({"enabled": true, "enable_key_rotation": true, "tags": {"c": "d"}})),
        key(json!({"description": "again"})),
    ];
    bench.life("aws:kms:Key", want, &changes).await;
    bench
        .life("aws:kms:Key", json!({"enabled": false, "key_usage": "SIGN_VERIFY", "key_spec": "ECC_NIST_P256"}), &[])
        .await;

    let first = bench.create("aws:kms:Key", &json!({}), 2).await.unwrap();
    let second = bench.create("aws:kms:Key", &json!({}), 3).await.unwrap();
    let alias = |key: &str| json!({"alias_name": "alias/app", "target_key_id": key});
    let arn = second.outputs["arn"].as_str().unwrap().to_owned();
    bench.life("aws:kms:Alias", alias(&first.id), &[alias(&second.id), alias(&first.id), alias(&arn)]).await;
}

#[tokio::test]
async fn rotation_periods() {
    let ministack = Emulator::ministack();
    let bench = kit::emulated(&ministack.url());
    let key = |days: i32| json!({"enable_key_rotation": true, "rotation_period_in_days": days, "description": "d"});
    let made = bench.create("aws:kms:Key", &key(90), 1).await.unwrap();
    bench.settled("aws:kms:Key", &made.id, &key(90)).await;
    bench.update("aws:kms:Key", &made.id, &key(90), &key(180)).await;
    bench.settled("aws:kms:Key", &made.id, &key(180)).await;
    bench.update("aws:kms:Key", &made.id, &key(180), &json!({"description": "d"})).await;
    bench.settled("aws:kms:Key", &made.id, &json!({"description": "d", "enable_key_rotation": false})).await;
    bench.deleted("aws:kms:Key", &made.id, &json!({})).await;
}
