//! S3 on emulators. moto wants no settings in an order, and tells neither event holds nor whether EventBridge is told: that is in shapes.

use phx_model::ValueMap;
use phx_model::driver::Read;
use phx_model::state::IntentId;
use phx_tests::emulator::Emulator;
use serde_json::{Value, json};

use crate::kit::{Bench, emulated, fields, intent};

const BUCKET: &str = "aws:s3:Bucket";
const OBJECT: &str = "aws:s3:Object";
const POLICY: &str = "aws:s3:BucketPolicy";

/// A bucket's whole life, but for its being found by its intent: moto does not heed the tags of CreateBucket.
async fn life(bench: &Bench, want: Value, changes: &[Value]) {
    let made = bench.create(BUCKET, &want, 1).await.unwrap();
    bench.settled(BUCKET, &made.id, &want).await;
    let mut have = want;
    for change in changes {
        bench.update(BUCKET, &made.id, &have, change).await;
        bench.settled(BUCKET, &made.id, change).await;
        have = change.clone();
    }
    let all = bench.read(BUCKET, &[(&made.id, &ValueMap::new())]).await.remove(0);
    assert!(matches!(all, Read::Present(_)), "{all:?}");
    bench.deleted(BUCKET, &made.id, &have).await;
}

#[tokio::test]
async fn a_bucket_that_this_run_made_is_found_without_its_mark() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() - 2000;
    let intent = IntentId(format!("0f8f6f6e-1111-4222-8333-444455556666.{now:012x}7{:019x}.1", 1));
    let want = fields(json!({"bucket": "phx-lost"}));
    bench.driver(BUCKET).create(&bench.cx, &want, &intent).await.unwrap();
    let found = bench.driver(BUCKET).find(&bench.cx, &want, &intent).await.unwrap();
    assert_eq!(found.map(|f| f.id).as_deref(), Some("phx-lost"));
}

#[tokio::test]
async fn a_buckets_settings_live_and_change() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    life(&bench, json!({"bucket": "phx-plain"}), &[json!({"bucket": "phx-plain", "tags": {"a": "1"}})]).await;
    bench.create(BUCKET, &json!({"bucket": "phx-logs"}), 2).await.unwrap();
    let logging = json!({"bucket": "phx-logs", "policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject", "Resource": "arn:aws:s3:::phx-logs/*"}]}});
    bench.create(POLICY, &logging, 3).await.unwrap();
    let want = json!({
        "bucket": "phx-settings",
        "object_ownership": "BucketOwnerPreferred",
        "bucket_namespace": "global",
        "acl": "public-read",
        "public_access_block_configuration": {"block_public_acls": false, "ignore_public_acls": false},
        "versioning_configuration": {"status": "Enabled"},
        "server_side_encryption_configuration": {"sse_algorithm": "AES256"},
        "lifecycle_configuration": {"rules": [
            {"id": "b", "status": "Enabled", "filter": {"prefix": "logs/", "tags": {"x": "1"}},
                "expiration": {"days": 30}, "transitions": [{"storage_class": "GLACIER", "days": 5}],
                "noncurrent_version_expiration": {"noncurrent_days": 3},
                "abort_incomplete_multipart_upload_days": 7},
            {"status": "Disabled", "filter": {"prefix": "a/"}, "expiration": {"date": "2035-01-01T00:00:00Z"}},
        ]},
        "bucket_logging_status": {"target_bucket": "phx-logs", "target_prefix": "access/"},
        "cors_configuration": {"cors_rules": [{"allowed_methods": ["GET", "PUT"], "allowed_origins": ["https://a"],
            "allowed_headers": ["*"], "expose_headers": ["ETag"], "max_age_seconds": 30}]},
        "tags": {"a": "1", "b": "2"},
    });
    let changed = json!({
        "bucket": "phx-settings",
        "object_ownership": "ObjectWriter",
        "acl": "private",
        "public_access_block_configuration": {"block_public_acls": true, "ignore_public_acls": true},
        "versioning_configuration": {"status": "Suspended"},
        "server_side_encryption_configuration": {"sse_algorithm": "aws:kms",
            "kms_master_key_id": "arn:aws:kms:us-west-2:123456789012:key/k", "bucket_key_enabled": true},
        "lifecycle_configuration": {"rules": [{"id": "b", "status": "Enabled", "expiration": {"days": 3}}]},
        "cors_configuration": {"cors_rules": [{"allowed_methods": ["GET"], "allowed_origins": ["*"]}]},
        "tags": {"b": "3", "c": "4"},
    });
    let bare = json!({"bucket": "phx-settings", "versioning_configuration": {"status": "Enabled"}});
    life(&bench, want, &[changed, bare]).await;
}

#[tokio::test]
async fn grants_are_told_as_they_were_written() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    let everyone = "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"";
    let want = json!({"bucket": "phx-grants", "object_ownership": "ObjectWriter",
        "public_access_block_configuration": {"block_public_acls": false, "ignore_public_acls": false},
        "grant_full_control": "id=\"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be\"", "grant_read": everyone});
    let mut less = want.clone();
    less["grant_read"] = json!("uri=http://acs.amazonaws.com/groups/global/AuthenticatedUsers");
    life(&bench, want, &[less]).await;
}

#[tokio::test]
async fn locks_and_copies_live_and_change() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    let want = json!({"bucket": "phx-locked", "object_lock_enabled_for_bucket": true,
        "object_lock_configuration": {"mode": "GOVERNANCE", "days": 3}});
    let mut longer = want.clone();
    longer["object_lock_configuration"] = json!({"mode": "GOVERNANCE", "years": 1});
    life(&bench, want, &[longer]).await;

    let copies = json!({"bucket": "phx-copies", "versioning_configuration": {"status": "Enabled"}});
    bench.create(BUCKET, &copies, 2).await.unwrap();
    let rule = |status: &str| {
        json!({"role": "arn:aws:iam::123456789012:role/copy", "rules": [{"id": "all", "priority": 1, "status": status,
            "delete_marker_replication": "Disabled", "destination": {"bucket": "arn:aws:s3:::phx-copies"}}]})
    };
    let plain = json!({"bucket": "phx-copied", "versioning_configuration": {"status": "Enabled"}});
    let (mut want, mut off) = (plain.clone(), plain.clone());
    want["replication_configuration"] = rule("Enabled");
    off["replication_configuration"] = rule("Disabled");
    life(&bench, want, &[off, plain]).await;
}

#[cfg(all(feature = "sns", feature = "sqs"))]
#[tokio::test]
async fn queues_and_topics_are_told() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    let arn = |made: phx_model::driver::Created| made.outputs["arn"].as_str().unwrap().to_owned();
    let queue = arn(bench.create("aws:sqs:Queue", &json!({"queue_name": "told"}), 2).await.unwrap());
    let topic = arn(bench.create("aws:sns:Topic", &json!({"name": "told"}), 3).await.unwrap());
    let queues = json!([{"queue_arn": queue, "events": ["s3:ObjectCreated:*"], "prefix": "in/", "suffix": ".jpg"}]);
    let want = json!({"bucket": "phx-telling", "notification_configuration": {"queue_configurations": queues,
        "topic_configurations": [{"topic_arn": topic, "events": ["s3:ObjectRemoved:Delete"], "id": "t"}]}});
    let less = json!({"bucket": "phx-telling", "notification_configuration": {"queue_configurations": queues}});
    life(&bench, want, &[less, json!({"bucket": "phx-telling", "tags": {"a": "1"}})]).await;
}

async fn fill(bench: &Bench, bucket: &str) {
    bench.create(OBJECT, &json!({"bucket": bucket, "key": "a", "content": "1"}), 7).await.unwrap();
    bench.create(OBJECT, &json!({"bucket": bucket, "key": "a/b", "content": "2"}), 8).await.unwrap();
}

#[tokio::test]
async fn a_full_bucket_is_deleted_only_by_force() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    let want = json!({"bucket": "phx-full", "versioning_configuration": {"status": "Enabled"}});
    bench.create(BUCKET, &want, 1).await.unwrap();
    fill(&bench, "phx-full").await;
    let error = bench.driver(BUCKET).delete(&bench.cx, "phx-full", &fields(want.clone())).await.unwrap_err();
    assert!(error.hint.is_some_and(|hint| hint.contains("force_destroy")), "{}", error.message);
    let mut force = want;
    force["force_destroy"] = json!(true);
    bench.deleted(BUCKET, "phx-full", &force).await;
}

#[tokio::test]
async fn an_object_lives_and_changes() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    bench.create(BUCKET, &json!({"bucket": "phx-objects"}), 2).await.unwrap();
    let want = json!({"bucket": "phx-objects", "key": "config/app.json", "content": "{\"a\": 1}",
        "content_type": "application/json", "cache_control": "max-age=60", "content_language": "en",
        "content_disposition": "inline", "content_encoding": "identity", "metadata": {"Owner": "me"},
        "server_side_encryption": "AES256", "storage_class": "STANDARD_IA", "website_redirect_location": "/x",
        "tags": {"a b": "1=2 +", "c": "3"}});
    let mut tagged = want.clone();
    tagged["tags"] = json!({"c": "4"});
    let other = json!({"bucket": "phx-objects", "key": "config/app.json", "content_base64": "//79",
        "storage_class": "STANDARD", "metadata": {"owner": "you"}, "tags": {"c": "4"}});
    let empty = json!({"bucket": "phx-objects", "key": "config/app.json"});
    bench.life(OBJECT, want.clone(), &[tagged, other, empty]).await;

    let locked = json!({"bucket": "phx-locks", "object_lock_enabled_for_bucket": true});
    bench.create(BUCKET, &locked, 3).await.unwrap();
    let held = |status: &str| json!({"bucket": "phx-locks", "key": "k", "content": "1", "object_lock_legal_hold_status": status});
    bench.life(OBJECT, held("ON"), &[held("OFF"), held("ON"), held("OFF")]).await;

    // One that someone else put there is left alone, and one that someone else changed is noticed.
    bench.create(OBJECT, &want, 1).await.unwrap();
    let error = bench.create(OBJECT, &want, 9).await.unwrap_err();
    assert_eq!(error.kind, phx_model::error::ErrorKind::AlreadyExists, "{error:?}");
    let set = fields(json!({"bucket": "phx-objects", "key": "config/app.json", "content": "{\"a\": 2}"}));
    let read = bench.read(OBJECT, &[("phx-objects/config/app.json", &set)]).await.remove(0);
    let Read::Present(seen) = read else { panic!("not there") };
    assert_eq!(seen.fields["content"].as_str(), Some("{\"a\": 1}"));
}

#[tokio::test]
async fn all_versions_of_an_object_go_and_no_other() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    let versioned = json!({"bucket": "phx-versions", "versioning_configuration": {"status": "Enabled"}});
    bench.create(BUCKET, &versioned, 1).await.unwrap();
    fill(&bench, "phx-versions").await;
    let (one, two) = (
        json!({"bucket": "phx-versions", "key": "a", "content": "1"}),
        json!({"bucket": "phx-versions", "key": "a", "content": "2"}),
    );
    bench.update(OBJECT, "phx-versions/a", &one, &two).await;
    bench.deleted(OBJECT, "phx-versions/a", &two).await;
    bench.settled(OBJECT, "phx-versions/a/b", &json!({"bucket": "phx-versions", "key": "a/b", "content": "2"})).await;
    bench.deleted(OBJECT, "phx-versions/a/b", &two).await;
    bench.deleted(BUCKET, "phx-versions", &versioned).await;
}

#[tokio::test]
async fn a_bucket_policy_lives_and_changes() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    bench.create(BUCKET, &json!({"bucket": "phx-policy"}), 2).await.unwrap();
    let policy = |action: &str| {
        json!({"bucket": "phx-policy", "policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": {"AWS": "123456789012"}, "Action": [action], "Resource": "arn:aws:s3:::phx-policy/*"}]}})
    };
    bench.life(POLICY, policy("s3:GetObject"), &[policy("s3:PutObject")]).await;

    bench.create(POLICY, &policy("s3:GetObject"), 1).await.unwrap();
    bench.create(POLICY, &policy("s3:getobject"), 2).await.unwrap();
    let error = bench.create(POLICY, &policy("s3:PutObject"), 3).await.unwrap_err();
    assert!(error.message.contains("another policy"), "{}", error.message);
    let found = bench.driver(POLICY).find(&bench.cx, &fields(policy("s3:PutObject")), &intent(3)).await.unwrap();
    assert!(found.is_none());
}

#[tokio::test]
async fn objects_live_on_ministack_too() {
    let ministack = Emulator::ministack();
    let bench = emulated(&ministack.url());
    bench.create(BUCKET, &json!({"bucket": "phx-other"}), 2).await.unwrap();
    let want = json!({"bucket": "phx-other", "key": "a", "content": "1", "content_type": "text/plain"});
    let mut other = want.clone();
    other["content"] = json!("2");
    bench.life(OBJECT, want, &[other]).await;
}
