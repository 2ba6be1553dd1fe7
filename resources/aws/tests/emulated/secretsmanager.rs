use phx_model::driver::Read;
use phx_tests::emulator::Emulator;
use serde_json::{Value as Json, json};

use crate::kit;

fn policy(action: &str) -> Json {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": action, "Resource": "*"}]})
}

#[tokio::test]
async fn secrets() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    // moto knows no types of secrets, and keeps a description that is to be cleared: see shapes.
    let secret = |more: Json| {
        let mut secret = json!({"name": "app/db", "force_delete_without_recovery": true, "block_public_policy": true});
        secret.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        secret
    };
    let key = |n: u32| format!("arn:aws:kms:us-west-2:123456789012:key/{n}");
    let want = secret(json!({
        "description": "of the database", "kms_key_id": key(1), "secret_string": "hunter2",
        "add_replica_regions": [{"region": "eu-central-1"}, {"region": "us-east-1"}],
        "resource_policy": policy("secretsmanager:GetSecretValue"), "tags": {"a": "b"},
    }));
    let changes = [
        secret(json!({
            "description": "of the new database", "kms_key_id": key(2), "secret_string": "hunter2",
            "add_replica_regions": [{"region": "us-east-2"}, {"region": "us-east-1"}],
            "resource_policy": policy("secretsmanager:*"), "tags": {"c": "d"},
        })),
        secret(
            json!({"description": "of the new database", "kms_key_id": key(2), "secret_string": "hunter2", "tags": {"c": "d"}}),
        ),
    ];
    bench.life("aws:secretsmanager:Secret", want, &changes).await;

    // With a window in which it can be brought back, it counts as gone, and its name stays taken.
    let kept = json!({"name": "kept", "recovery_window_in_days": 7, "secret_binary": "AQID"});
    bench.life("aws:secretsmanager:Secret", kept, &[]).await;
}

#[tokio::test]
async fn a_value_is_sent_when_it_changes_and_never_read() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let want = json!({"name": "app/key", "secret_string": "one"});
    let made = bench.create("aws:secretsmanager:Secret", &want, 1).await.unwrap();
    let value = || moto.aws(&["secretsmanager", "get-secret-value", "--secret-id", "app/key"])["SecretString"].clone();
    assert_eq!(value(), "one");
    let driver = bench.driver("aws:secretsmanager:Secret");
    let change = phx_model::driver::Delta { before: "one".into_secret(), after: "two".into_secret() };
    let after = kit::fields(json!({"name": "app/key", "secret_string": "two"}));
    driver.update(&bench.cx, &made.id, &after, &[("secret_string".to_owned(), change)].into()).await.unwrap();
    assert_eq!(value(), "two");
    let read = bench.read("aws:secretsmanager:Secret", &[(&made.id, &after)]).await.remove(0);
    assert!(!format!("{read:?}").contains("two"));
    assert!(bench.aws.api_calls_by_operation().keys().all(|op| !op.contains("GetSecretValue")));
}

trait IntoSecret {
    fn into_secret(self) -> phx_model::Value;
}

impl IntoSecret for &str {
    fn into_secret(self) -> phx_model::Value {
        phx_model::Value::String(self.into()).secret()
    }
}

#[tokio::test]
async fn versions_and_rotation() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let secret = bench.create("aws:secretsmanager:Secret", &json!({"name": "app/db"}), 1).await.unwrap().id;
    let version =
        |value: &str, stages: Json| json!({"secret_id": secret, "secret_string": value, "version_stages": stages});

    let name = "aws:secretsmanager:SecretVersion";
    let current = bench.create(name, &version("one", json!(["AWSCURRENT"])), 2).await.unwrap();
    bench.settled(name, &current.id, &version("one", json!(["AWSCURRENT"]))).await;
    // Beside the current one, a version comes and goes.
    let changes = [version("two", json!(["green"])), version("two", json!(["green", "red"]))];
    bench.life(name, version("two", json!(["blue"])), &changes).await;

    // A new current one makes the old one the previous one, which is no difference to what was set.
    let next = bench.create(name, &version("three", json!(["AWSCURRENT"])), 3).await.unwrap();
    bench.settled(name, &next.id, &version("three", json!(["AWSCURRENT"]))).await;
    bench.settled(name, &current.id, &json!({"secret_id": secret, "secret_string": "one"})).await;
    // When it is deleted, it stays until the next one comes: somebody may still hold its value.
    let was = kit::fields(json!({"secret_id": secret, "secret_string": "one"}));
    bench.driver(name).delete(&bench.cx, &current.id, &was).await.unwrap();
    let previous = ["secretsmanager", "get-secret-value", "--secret-id", "app/db", "--version-stage", "AWSPREVIOUS"];
    assert_eq!(moto.aws(&previous)["SecretString"], "one");
    let value = moto.aws(&["secretsmanager", "get-secret-value", "--secret-id", "app/db"]);
    assert_eq!(value["SecretString"], "three");

    // moto knows days only, and cancels only what a function does: see shapes for the rest.
    let name = "aws:secretsmanager:RotationSchedule";
    let rotation = |days: i64| {
        json!({
            "secret_id": secret, "rotation_rules": {"automatically_after_days": days}, "rotate_immediately": false,
        })
    };
    let made = bench.create(name, &rotation(30), 4).await.unwrap();
    bench.settled(name, &made.id, &rotation(30)).await;
    bench.update(name, &made.id, &rotation(30), &rotation(60)).await;
    bench.settled(name, &made.id, &rotation(60)).await;

    let name = "aws:secretsmanager:SecretVersion";
    // What is going to be deleted has no versions and no rotation.
    let next_want = version("three", json!(["AWSCURRENT"]));
    bench.deleted("aws:secretsmanager:Secret", &secret, &json!({"name": "app/db"})).await;
    let read = bench.read(name, &[(&next.id, &kit::fields(next_want))]).await.remove(0);
    assert!(matches!(read, Read::Gone), "{read:?}");
}

#[tokio::test]
async fn what_moto_keeps() {
    let ministack = Emulator::ministack();
    let bench = kit::emulated(&ministack.url());
    let secret = |more: Json| {
        let mut secret = json!({"name": "app/db", "force_delete_without_recovery": true, "secret_string": "hunter2"});
        secret.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        secret
    };
    let name = "aws:secretsmanager:Secret";
    bench.life(name, secret(json!({"description": "d"})), &[secret(json!({}))]).await;

    let made = bench.create(name, &secret(json!({})), 2).await.unwrap();
    let rotation = |rate: &str| {
        json!({
            "secret_id": made.id, "rotation_lambda_arn": "arn:aws:lambda:us-west-2:123456789012:function:f",
            "rotation_rules": {"schedule_expression": rate, "duration": "3h"}, "rotate_immediately": false,
        })
    };
    // It cannot cancel a rotation: see shapes.
    let name = "aws:secretsmanager:RotationSchedule";
    let scheduled = bench.create(name, &rotation("rate(10 days)"), 3).await.unwrap();
    bench.settled(name, &scheduled.id, &rotation("rate(10 days)")).await;
    bench.update(name, &scheduled.id, &rotation("rate(10 days)"), &rotation("rate(20 days)")).await;
    bench.settled(name, &scheduled.id, &rotation("rate(20 days)")).await;
}
