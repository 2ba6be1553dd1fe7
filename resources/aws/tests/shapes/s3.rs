//! S3: the number of calls, lost answers, and what emulators do not do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use phx_model::ValueMap;
use phx_model::driver::{Delta, Read};
use phx_model::error::ErrorKind;
use serde_json::json;

use crate::kit::{Answer, Request, fields, intent, scripted};

const BUCKET: &str = "aws:s3:Bucket";
const OBJECT: &str = "aws:s3:Object";
const POLICY: &str = "aws:s3:BucketPolicy";
const ACCOUNT: &str = "aws:s3:AccountPublicAccessBlock";

fn xml(text: &str) -> Answer {
    Answer::Xml(text.to_owned())
}

fn tags(pairs: &[(&str, &str)]) -> Answer {
    let tags: String = pairs.iter().map(|(k, v)| format!("<Tag><Key>{k}</Key><Value>{v}</Value></Tag>")).collect();
    Answer::Xml(format!("<Tagging><TagSet>{tags}</TagSet></Tagging>"))
}

#[tokio::test]
async fn only_settings_that_matter_are_read_and_each_with_one_call() {
    let bench = scripted(|request, _| match request.uri.split('?').nth(1).unwrap_or_default() {
        "versioning" => xml("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
        "tagging" => tags(&[("a", "1")]),
        "cors" => Answer::XmlError(404, "NoSuchCORSConfiguration"),
        _ => xml(""),
    });
    let set = fields(json!({"bucket": "b", "versioning_configuration": {"status": "Enabled"}, "tags": {"a": "1"},
        "cors_configuration": {"cors_rules": [{"allowed_methods": ["GET"], "allowed_origins": ["*"]}]}}));
    let plain = fields(json!({"bucket": "b"}));
    let names: Vec<String> = (0..100).map(|n| format!("b{n}")).collect();
    let targets: Vec<(&str, &ValueMap)> = names.iter().map(|name| (name.as_str(), &set)).collect();
    let reads = bench.read(BUCKET, &targets).await;
    assert!(
        reads.iter().all(|read| matches!(read, Read::Present(seen) if !seen.fields.contains_key("cors_configuration")))
    );
    assert!(bench.requests().len() <= 300, "{} calls", bench.requests().len());

    let targets: Vec<(&str, &ValueMap)> = names.iter().map(|name| (name.as_str(), &plain)).collect();
    bench.read(BUCKET, &targets).await;
    assert!(bench.requests().len() <= 400, "{} calls", bench.requests().len());
}

#[tokio::test]
async fn an_object_takes_two_calls_and_a_policy_one() {
    let bench = scripted(|request, _| match request.uri.split('?').nth(1).unwrap_or_default() {
        query if query.starts_with("tagging") => tags(&[("a", "1")]),
        "policy" => xml(r#"{"Version":"2012-10-17","Statement":[]}"#),
        _ => xml(""),
    });
    let set = fields(json!({"bucket": "b", "key": "k", "tags": {"a": "1"}}));
    let ids: Vec<String> = (0..100).map(|n| format!("b/k{n}")).collect();
    let targets: Vec<(&str, &ValueMap)> = ids.iter().map(|id| (id.as_str(), &set)).collect();
    let reads = bench.read(OBJECT, &targets).await;
    assert!(reads.iter().all(|read| matches!(read, Read::Present(_))), "{reads:?}");
    assert!(bench.requests().len() <= 200, "{} calls", bench.requests().len());

    let set = fields(json!({"bucket": "b", "policy": {}}));
    let ids: Vec<String> = (0..100).map(|n| format!("b{n}")).collect();
    let targets: Vec<(&str, &ValueMap)> = ids.iter().map(|id| (id.as_str(), &set)).collect();
    let reads = bench.read(POLICY, &targets).await;
    assert!(reads.iter().all(|read| matches!(read, Read::Present(_))), "{reads:?}");
    assert!(bench.requests().len() <= 300, "{} calls", bench.requests().len());
}

#[tokio::test]
async fn a_setting_that_cannot_be_read_is_not_gone() {
    let denied = scripted(|_, _| Answer::XmlError(403, "AccessDenied"));
    let gone = scripted(|_, _| Answer::XmlError(404, "NoSuchBucket"));
    let set = fields(json!({"bucket": "b", "lifecycle_configuration": {"rules": []}}));
    for name in [BUCKET, POLICY] {
        let read = denied.read(name, &[("b", &set)]).await.remove(0);
        assert!(matches!(read, Read::Failed(ref e) if e.kind == ErrorKind::Denied), "{read:?}");
        assert!(matches!(gone.read(name, &[("b", &set)]).await.remove(0), Read::Gone));
    }
    let set = fields(json!({"bucket": "b", "key": "k"}));
    let read = denied.read(OBJECT, &[("b/k", &set)]).await.remove(0);
    assert!(matches!(read, Read::Failed(ref e) if e.kind == ErrorKind::Denied), "{read:?}");
}

#[tokio::test]
async fn lost_answers_are_found_again() {
    let mark = intent(1).as_str().to_owned();
    let bench = scripted(move |request, _| match request.operation.split(' ').next().unwrap_or_default() {
        "PUT" => Answer::Lost,
        _ => tags(&[("phx:intent", &mark)]),
    });
    let bucket = json!({"bucket": "b"});
    let object = json!({"bucket": "b", "key": "k", "content": "x"});
    for (name, want, id) in [(BUCKET, bucket, "b"), (OBJECT, object, "b/k")] {
        let error = bench.create(name, &want, 1).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Ambiguous, "{name}: {error:?}");
        let found = bench.driver(name).find(&bench.cx, &fields(want.clone()), &intent(1)).await.unwrap();
        assert_eq!(found.map(|f| f.id).as_deref(), Some(id), "{name}");
        let error = bench.driver(name).find(&bench.cx, &fields(want), &intent(2)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::AlreadyExists, "{name}: {error:?}");
    }
}

#[tokio::test]
async fn settings_are_set_one_after_the_other_in_an_order_that_s3_takes() {
    let bench = scripted(|request, _| match request.operation.split(' ').next().unwrap_or_default() {
        "GET" => tags(&[("a", "1")]),
        _ => xml(""),
    });
    let want = json!({"bucket": "b", "object_ownership": "ObjectWriter", "acl": "public-read", "tags": {"a": "1"},
        "public_access_block_configuration": {"block_public_acls": false, "ignore_public_acls": false,
            "block_public_policy": true, "restrict_public_buckets": true},
        "versioning_configuration": {"status": "Enabled"},
        "object_lock_configuration": {"mode": "COMPLIANCE", "days": 1, "default_event_hold_days": 4},
        "replication_configuration": {"role": "arn:aws:iam::1:role/r", "rules": [{"status": "Enabled",
            "destination": {"bucket": "arn:aws:s3:::c", "replication_time_minutes": 15, "metrics_minutes": 15}}]}});
    bench.create(BUCKET, &want, 1).await.unwrap();
    let puts: Vec<String> = bench
        .requests()
        .into_iter()
        .filter(|r| r.operation.starts_with("PUT"))
        .map(|r| r.uri.split('?').nth(1).unwrap_or_default().to_owned())
        .collect();
    assert_eq!(puts, ["", "publicAccessBlock", "acl", "versioning", "object-lock", "replication"]);
    let sent = |what: &str| {
        let requests = bench.requests();
        let request = requests.iter().find(|r| r.operation.starts_with("PUT") && r.uri.ends_with(what));
        request.unwrap().body.as_str().unwrap().to_owned()
    };
    assert!(
        sent("object-lock").contains("<DefaultEventHold><Days>4</Days></DefaultEventHold>"),
        "{}",
        sent("object-lock")
    );
    let replication = sent("replication");
    for part in ["<Priority>0</Priority>", "<Prefix></Prefix>", "<Time><Minutes>15</Minutes></Time>"] {
        assert!(
            replication.contains(part) || replication.contains(&part.replace("<Prefix></Prefix>", "<Prefix/>")),
            "{replication}"
        );
    }
}

#[tokio::test]
async fn who_is_told_is_read_in_the_programs_order() {
    let queue = |id: &str, prefix: &str| {
        format!(
            "<QueueConfiguration><Id>{id}</Id><Queue>arn:aws:sqs:r:1:q</Queue><Event>s3:ObjectCreated:*</Event><Filter><S3Key>\
             <FilterRule><Name>Prefix</Name><Value>{prefix}</Value></FilterRule></S3Key></Filter></QueueConfiguration>"
        )
    };
    let bench = scripted(move |_, _| {
        Answer::Xml(format!(
            "<NotificationConfiguration>{}{}<EventBridgeConfiguration/></NotificationConfiguration>",
            queue("made-up-1", "a/"),
            queue("made-up-2", "b/")
        ))
    });
    let wished =
        |prefix: &str| json!({"queue_arn": "arn:aws:sqs:r:1:q", "events": ["s3:ObjectCreated:*"], "prefix": prefix});
    let want = json!({"bucket": "b", "notification_configuration": {"event_bridge_enabled": true,
        "queue_configurations": [wished("b/"), wished("a/")]}});
    bench.settled(BUCKET, "b", &want).await;
}

#[tokio::test]
async fn an_account_is_protected() {
    let state = Arc::new(AtomicUsize::new(0));
    let there = state.clone();
    let bench = scripted(move |request: &Request, _| match request.operation.split(' ').next().unwrap_or_default() {
        "PUT" => {
            there.store(1, Ordering::SeqCst);
            xml("")
        }
        "DELETE" => {
            there.store(0, Ordering::SeqCst);
            xml("")
        }
        _ if there.load(Ordering::SeqCst) == 0 => Answer::XmlError(404, "NoSuchPublicAccessBlockConfiguration"),
        _ => xml(
            "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>\
             <BlockPublicPolicy>false</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>",
        ),
    });
    let want = json!({"block_public_acls": true, "ignore_public_acls": true, "restrict_public_buckets": true});
    let made = bench.create(ACCOUNT, &want, 1).await.unwrap();
    assert_eq!(made.id, "123456789012");
    let before = bench.requests().len();
    bench.settled(ACCOUNT, &made.id, &want).await;
    assert_eq!(bench.requests().len() - before, 1);
    let found = bench.driver(ACCOUNT).find(&bench.cx, &fields(want.clone()), &intent(1)).await.unwrap();
    assert!(found.is_some());
    let stricter =
        bench.driver(ACCOUNT).find(&bench.cx, &fields(json!({"block_public_policy": true})), &intent(1)).await;
    assert!(stricter.unwrap().is_none());
    bench.update(ACCOUNT, &made.id, &want, &json!({"block_public_policy": true})).await;
    let put = bench.requests().into_iter().rfind(|r| r.operation.starts_with("PUT")).unwrap();
    assert!(put.body.as_str().unwrap().contains("<BlockPublicPolicy>true</BlockPublicPolicy>"), "{:?}", put.body);
    assert!(put.body.as_str().unwrap().contains("<BlockPublicAcls>true</BlockPublicAcls>"), "{:?}", put.body);
    bench.deleted(ACCOUNT, &made.id, &want).await;
}

#[tokio::test]
async fn a_lock_is_changed_without_putting_the_object_anew() {
    let bench = scripted(|request, _| match request.operation.split(' ').next().unwrap_or_default() {
        "GET" => tags(&[("phx:intent", "i")]),
        _ => xml(""),
    });
    let want = fields(json!({"bucket": "b", "key": "k", "object_lock_mode": "GOVERNANCE",
        "object_lock_retain_until_date": "2035-01-01", "object_lock_legal_hold_status": "ON", "tags": {"a": "1"}}));
    let change = ["object_lock_retain_until_date", "object_lock_legal_hold_status", "tags"]
        .map(|field| (field.to_owned(), Delta { before: phx_model::Value::Null, after: want[field].clone() }));
    bench.driver(OBJECT).update(&bench.cx, "b/k", &want, &change.into()).await.unwrap();
    let puts: Vec<_> = bench.requests().into_iter().filter(|r| r.operation.starts_with("PUT")).collect();
    let sent = |what: &str| puts.iter().find(|r| r.uri.contains(what)).unwrap().body.as_str().unwrap().to_owned();
    assert_eq!(puts.len(), 3, "{puts:?}");
    assert!(
        sent("retention").contains("<RetainUntilDate>2035-01-01T00:00:00Z</RetainUntilDate>"),
        "{}",
        sent("retention")
    );
    assert!(sent("legal-hold").contains("<Status>ON</Status>"));
    // phx's mark stays.
    assert!(sent("tagging").contains("phx:intent") && sent("tagging").contains("<Key>a</Key>"));
}

fn change(field: &str, want: &ValueMap) -> (String, Delta) {
    (field.to_owned(), Delta { before: phx_model::Value::Null, after: want[field].clone() })
}

#[tokio::test]
async fn what_the_program_never_set_of_a_bucket_stays() {
    let bench = scripted(|request, _| match (request.operation.split(' ').next(), request.uri.split('?').nth(1)) {
        (Some("GET"), Some("lifecycle")) => xml(
            "<LifecycleConfiguration><Rule><ID>theirs</ID><Filter><Prefix>a</Prefix></Filter><Status>Enabled</Status>\
             <Expiration><Days>3</Days></Expiration></Rule></LifecycleConfiguration>",
        ),
        (Some("GET"), Some("encryption")) => xml(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm>\
             </ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled><BlockedEncryptionTypes>\
             <EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule></ServerSideEncryptionConfiguration>",
        ),
        (Some("GET"), Some("tagging")) => tags(&[("aws:cloudformation:stack-name", "s"), ("phx:intent", "i")]),
        _ => xml(""),
    });
    let want = fields(json!({"bucket": "b", "transition_default_minimum_object_size": "varies_by_storage_class",
        "server_side_encryption_configuration": {"sse_algorithm": "aws:kms", "kms_master_key_id": "arn:aws:kms:r:1:key/k"},
        "object_ownership": "BucketOwnerEnforced", "acl": "private", "tags": {"a": "1"}}));
    let changed = ["transition_default_minimum_object_size", "server_side_encryption_configuration", "tags"];
    let changed = changed.map(|field| change(field, &want));
    bench.driver(BUCKET).update(&bench.cx, "b", &want, &changed.into()).await.unwrap();
    assert!(!bench.requests().iter().any(|r| r.operation.starts_with("DELETE")), "{:?}", bench.operations());
    let sent = |what: &str| {
        let requests = bench.requests();
        let request = requests.iter().find(|r| r.operation.starts_with("PUT") && r.uri.ends_with(what));
        request.unwrap().body.as_str().unwrap().to_owned()
    };
    assert!(sent("lifecycle").contains("<ID>theirs</ID>"), "{}", sent("lifecycle"));
    for part in ["<BucketKeyEnabled>true<", "<EncryptionType>SSE-C<", "key/k"] {
        assert!(sent("encryption").contains(part), "{}", sent("encryption"));
    }
    // S3 refuses a set without those of AWS's own.
    for tag in ["aws:cloudformation:stack-name", "phx:intent", "<Key>a</Key>"] {
        assert!(sent("tagging").contains(tag), "{}", sent("tagging"));
    }

    // ACLs are off after the one, and cannot be set any more.
    let changed = ["object_ownership", "acl"].map(|field| change(field, &want));
    let before = bench.requests().len();
    bench.driver(BUCKET).update(&bench.cx, "b", &want, &changed.into()).await.unwrap();
    let calls: Vec<String> = bench.requests()[before..].iter().map(|r| r.uri.clone()).collect();
    assert!(calls.len() == 2 && calls[0].ends_with("acl") && calls[1].ends_with("ownershipControls"), "{calls:?}");
}

#[tokio::test]
async fn locking_is_turned_on_in_place_and_never_off() {
    let bench = scripted(|_, _| xml(""));
    let want = |on: bool| fields(json!({"bucket": "b", "object_lock_enabled_for_bucket": on}));
    let changed = |on: bool| [change("object_lock_enabled_for_bucket", &want(on))];
    bench.driver(BUCKET).update(&bench.cx, "b", &want(true), &changed(true).into()).await.unwrap();
    assert!(bench.requests()[0].body.as_str().unwrap().contains("<ObjectLockEnabled>Enabled</ObjectLockEnabled>"));
    let error = bench.driver(BUCKET).update(&bench.cx, "b", &want(false), &changed(false).into()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert_eq!(bench.requests().len(), 1);
}

#[tokio::test]
async fn a_content_that_the_program_never_set_is_copied() {
    let bench = scripted(|request, _| match request.operation.split(' ').next().unwrap_or_default() {
        "GET" => tags(&[("phx:intent", "i")]),
        "PUT" => xml("<CopyObjectResult><ETag>e</ETag></CopyObjectResult>"),
        _ => xml(""),
    });
    for (content, operation) in [(None, "x-id=CopyObject"), (Some("x"), "x-id=PutObject")] {
        let mut want = json!({"bucket": "b", "key": "a b", "cache_control": "no-store"});
        if let Some(content) = content {
            want["content"] = json!(content);
        }
        let want = fields(want);
        let changed = [change("cache_control", &want)];
        bench.driver(OBJECT).update(&bench.cx, "b/a b", &want, &changed.into()).await.unwrap();
        let put = bench.requests().into_iter().rfind(|r| r.operation.starts_with("PUT")).unwrap();
        assert!(put.uri.contains(operation), "{put:?}");
    }
}
