//! Whole lives of Secrets Manager's types, as the engine leads them.

use phx_model::driver::{Delta, Read};
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "aws:secretsmanager:Secret";
const VERSION: &str = "aws:secretsmanager:SecretVersion";
const ROTATION: &str = "aws:secretsmanager:RotationSchedule";

fn policy(action: &str, principal: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": "*"}]})
}

fn with(base: &Value, more: Value) -> Value {
    let mut all = base.clone();
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

#[tokio::test]
async fn secrets() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let bench = bench(&sandbox);
    let base = json!({"name": "app/db", "force_delete_without_recovery": true, "block_public_policy": true});
    let key = |n: u32| format!("arn:aws:kms:us-west-2:{ACCOUNT_ID}:key/{n}");
    let want = with(
        &base,
        json!({
            "description": "of the database", "kms_key_id": key(1), "secret_string": "hunter2",
            "add_replica_regions": [{"region": "eu-central-1"}, {"region": "us-east-1"}],
            "resource_policy": policy("secretsmanager:GetSecretValue", ACCOUNT_ID), "tags": {"a": "b"},
        }),
    );
    let changed = json!({
        "description": "of the new database", "kms_key_id": key(2), "secret_string": "hunter2",
        "add_replica_regions": [{"region": "us-east-2"}, {"region": "us-east-1"}],
        "resource_policy": policy("secretsmanager:*", ACCOUNT_ID), "tags": {"c": "d"},
    });
    let bare = with(&base, json!({"secret_string": "hunter2"}));
    let outputs = bench.life(SECRET, want, &[with(&base, changed), bare.clone()]).await;
    let arn = outputs["arn"].as_str().unwrap();
    assert!(arn.starts_with(&format!("arn:aws:secretsmanager:us-west-2:{ACCOUNT_ID}:secret:app/db-")), "{arn}");

    // With a window in which it can be brought back, it counts as gone, and its name stays taken.
    let kept = json!({"name": "kept", "recovery_window_in_days": 7, "secret_binary": "AQID"});
    bench.life(SECRET, kept, &[]).await;
    let secrets = client!(aws_sdk_secretsmanager, sandbox.http_client());
    refused!(secrets.create_secret().name("kept"), "InvalidRequestException");
    refused!(secrets.get_secret_value().secret_id("kept"), "InvalidRequestException");
    assert!(secrets.list_secrets().send().await.unwrap().secret_list().is_empty());
    let planned = secrets.list_secrets().include_planned_deletion(true).send().await.unwrap();
    assert_eq!(planned.secret_list()[0].name(), Some("kept"));
    secrets.restore_secret().secret_id("kept").send().await.unwrap();
    let value = secrets.get_secret_value().secret_id("kept").send().await.unwrap();
    assert_eq!(value.secret_binary().unwrap().as_ref(), [1, 2, 3]);
    refused!(
        secrets.delete_secret().secret_id("kept").recovery_window_in_days(7).force_delete_without_recovery(true),
        "InvalidParameterException"
    );
    refused!(
        secrets
            .put_resource_policy()
            .secret_id("kept")
            .block_public_policy(true)
            .resource_policy(policy("*", "*").to_string()),
        "PublicPolicyException"
    );

    // A copy keeps a secret from being deleted.
    let copied = with(&bare, json!({"add_replica_regions": [{"region": "us-east-1"}]}));
    let made = bench.create(SECRET, &copied, 5).await.unwrap();
    refused!(secrets.delete_secret().secret_id(&made.id), "InvalidRequestException");
    bench.deleted(SECRET, &made.id, &copied).await;
}

#[tokio::test]
async fn a_value_is_sent_when_it_changes_and_never_read() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let bench = bench(&sandbox);
    let secrets = client!(aws_sdk_secretsmanager, sandbox.http_client());
    let want = json!({"name": "app/key", "secret_string": "one"});
    let made = bench.create(SECRET, &want, 1).await.unwrap();
    let value = async || secrets.get_secret_value().secret_id("app/key").send().await.unwrap().secret_string.unwrap();
    assert_eq!(value().await, "one");
    let secret = |text: &str| phx_model::Value::String(text.into()).secret();
    let change = Delta { before: secret("one"), after: secret("two") };
    let after = kit::fields(json!({"name": "app/key", "secret_string": "two"}));
    let driver = bench.driver(SECRET);
    driver.update(&bench.cx, &made.id, &after, &[("secret_string".to_owned(), change)].into()).await.unwrap();
    assert_eq!(value().await, "two");
    let before = secrets.get_secret_value().secret_id("app/key").version_stage("AWSPREVIOUS").send().await.unwrap();
    assert_eq!(before.secret_string(), Some("one"));
    let read = bench.read(SECRET, &[(&made.id, &after)]).await.remove(0);
    assert!(!format!("{read:?}").contains("two"));
    assert!(bench.aws.api_calls_by_operation().keys().all(|op| !op.contains("GetSecretValue")));
}

/// Whoever can read the state can read the values: nobody but its owner can.
#[cfg(unix)]
#[tokio::test]
async fn the_state_is_its_owners() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let want = json!({"name": "app/key", "secret_string": "one"});
    bench(&sandbox).create(SECRET, &want, 1).await.unwrap();
    sandbox.save().await.unwrap();
    let mode = fs::metadata(dir.path().join(STATE_FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn versions_and_rotation() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let bench = bench(&sandbox);
    let secret = bench.create(SECRET, &json!({"name": "app/db"}), 1).await.unwrap().id;
    let version =
        |value: &str, labels: Value| json!({"secret_id": secret, "secret_string": value, "version_stages": labels});
    let current = bench.create(VERSION, &version("one", json!(["AWSCURRENT"])), 2).await.unwrap();
    bench.settled(VERSION, &current.id, &version("one", json!(["AWSCURRENT"]))).await;
    // Beside the current one, a version comes and goes.
    let changes = [version("two", json!(["green"])), version("two", json!(["green", "red"]))];
    bench.life(VERSION, version("two", json!(["blue"])), &changes).await;

    // A new current one makes the old one the previous one, which is no difference to what was set.
    let next = bench.create(VERSION, &version("three", json!(["AWSCURRENT"])), 3).await.unwrap();
    bench.settled(VERSION, &next.id, &version("three", json!(["AWSCURRENT"]))).await;
    bench.settled(VERSION, &current.id, &json!({"secret_id": secret, "secret_string": "one"})).await;
    // And it can be made the current one again.
    let secrets = client!(aws_sdk_secretsmanager, sandbox.http_client());
    let id = |version: &str| version.rsplit('|').next().unwrap().to_owned();
    let moved = secrets.update_secret_version_stage().secret_id(&secret).version_stage("AWSCURRENT");
    refused!(moved.clone().move_to_version_id(id(&current.id)), "InvalidParameterException");
    refused!(moved.clone().remove_from_version_id(id(&next.id)), "InvalidParameterException");
    moved.remove_from_version_id(id(&next.id)).move_to_version_id(id(&current.id)).send().await.unwrap();
    let labels = secrets.describe_secret().secret_id(&secret).send().await.unwrap().version_ids_to_stages.unwrap();
    assert_eq!(labels[&id(&current.id)], ["AWSCURRENT"]);
    assert_eq!(labels[&id(&next.id)], ["AWSPREVIOUS"]);
    // When it is deleted, it stays the previous one: somebody may still hold its value.
    let was = kit::fields(json!({"secret_id": secret, "secret_string": "three"}));
    bench.driver(VERSION).delete(&bench.cx, &next.id, &was).await.unwrap();
    let labels = secrets.describe_secret().secret_id(&secret).send().await.unwrap().version_ids_to_stages.unwrap();
    assert_eq!(labels[&id(&next.id)], ["AWSPREVIOUS"]);
    let value = secrets.get_secret_value().secret_id("app/db").send().await.unwrap();
    assert_eq!(value.secret_string(), Some("one"));
    let again = secrets.put_secret_value().secret_id(&secret).client_request_token(id(&current.id));
    refused!(again.secret_string("another"), "ResourceExistsException");

    let rotation = |more: Value| {
        let base = json!({
            "secret_id": secret, "rotation_lambda_arn": format!("arn:aws:lambda:us-west-2:{ACCOUNT_ID}:function:f"),
            "rotate_immediately": false,
        });
        with(&base, more)
    };
    let schedule = json!({"schedule_expression": "rate(10 days)", "duration": "3h"});
    let changes = [
        rotation(json!({"rotation_rules": {"automatically_after_days": 60}})),
        rotation(json!({"rotation_rules": schedule})),
    ];
    bench.life(ROTATION, rotation(json!({"rotation_rules": {"automatically_after_days": 30}})), &changes).await;
    let nobody = secrets.rotate_secret().secret_id(&secret);
    refused!(nobody, "InvalidRequestException");
    let both = aws_sdk_secretsmanager::types::RotationRulesType::builder()
        .automatically_after_days(3)
        .schedule_expression("rate(3 days)");
    let both = secrets.rotate_secret().secret_id(&secret).rotation_lambda_arn("arn:f").rotation_rules(both.build());
    refused!(both, "InvalidParameterException");

    // What is going to be deleted has no versions and no rotation.
    bench.deleted(SECRET, &secret, &json!({"name": "app/db"})).await;
    let read =
        bench.read(VERSION, &[(&current.id, &kit::fields(version("one", json!(["AWSCURRENT"]))))]).await.remove(0);
    assert!(matches!(read, Read::Gone), "{read:?}");
}

#[tokio::test]
async fn many_secrets_are_read_from_the_list() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let bench = bench(&sandbox);
    let want = |n: u32| json!({"name": format!("s{n}"), "secret_string": "v", "description": "d", "tags": {"n": n.to_string()}});
    let mut made = Vec::new();
    for n in 0..7 {
        made.push((bench.create(SECRET, &want(n), n + 1).await.unwrap().id, kit::fields(want(n))));
    }
    let before = bench.aws.api_calls();
    let targets: Vec<_> = made.iter().map(|(id, fields)| (id.as_str(), fields)).collect();
    assert!(bench.read(SECRET, &targets).await.iter().all(|read| matches!(read, Read::Present(_))));
    assert_eq!(bench.aws.api_calls() - before, 1);
    let secrets = client!(aws_sdk_secretsmanager, sandbox.http_client());
    let filter =
        |key: &str, value: &str| aws_sdk_secretsmanager::types::Filter::builder().key(key.into()).values(value).build();
    for (key, value, count) in [("name", "s3", 1), ("name", "!s3", 6), ("tag-value", "5", 1), ("all", "d", 7)] {
        let found = secrets.list_secrets().filters(filter(key, value)).send().await.unwrap();
        assert_eq!(found.secret_list().len(), count, "{key} {value}");
    }
    let first = secrets.list_secrets().max_results(5).send().await.unwrap();
    let second = secrets.list_secrets().max_results(5).next_token(first.next_token().unwrap()).send().await.unwrap();
    assert_eq!((first.secret_list().len(), second.secret_list().len(), second.next_token()), (5, 2, None));
    let password = secrets.get_random_password().password_length(12).exclude_punctuation(true).send().await.unwrap();
    let password = password.random_password.unwrap();
    assert!(password.len() == 12 && password.bytes().all(|b| b.is_ascii_alphanumeric()), "{password}");
}
