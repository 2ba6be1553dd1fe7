//! DynamoDB: the number of calls, lost answers, waiting, and what emulators do not tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use phx_model::ValueMap;
use phx_model::driver::Read;
use phx_model::error::ErrorKind;
use serde_json::{Value, json};

use crate::kit::{Answer, fields, intent, scripted};

const TABLE: &str = "aws:dynamodb:Table";
const ITEM: &str = "aws:dynamodb:TableItem";

fn arn(name: &str) -> String {
    format!("arn:aws:dynamodb:us-west-2:123456789012:table/{name}")
}

/// A table as DescribeTable tells it, with some parts of its own.
fn table(name: &str, parts: Value) -> Value {
    let mut table = json!({"TableName": name, "TableArn": arn(name), "TableStatus": "ACTIVE", "TableId": "id",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
        "ProvisionedThroughput": {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0, "NumberOfDecreasesToday": 0}});
    table.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    table
}

fn want(parts: Value) -> Value {
    let mut want = json!({"table_name": "t", "billing_mode": "PAY_PER_REQUEST",
        "attribute_definitions": [{"attribute_name": "id", "attribute_type": "S"}],
        "key_schema": [{"attribute_name": "id", "key_type": "HASH"}]});
    want.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    want
}

fn index(name: &str, status: &str) -> Value {
    json!({"IndexName": name, "IndexStatus": status, "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"}, "WarmThroughput": {"ReadUnitsPerSecond": 15000, "WriteUnitsPerSecond": 4000}})
}

fn wished(name: &str) -> Value {
    json!({"index_name": name, "key_schema": [{"attribute_name": "id", "key_type": "HASH"}],
        "projection": {"projection_type": "ALL"}})
}

#[tokio::test]
async fn a_hundred_tables_take_little_more_than_a_hundred_calls() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "DescribeTable" => {
            Answer::Json(json!({"Table": table(request.body["TableName"].as_str().unwrap(), json!({}))}))
        }
        "GetResources" => {
            let arns = request.body["ResourceARNList"].as_array().unwrap();
            let tags = json!([{"Key": "a", "Value": "1"}, {"Key": "phx:intent", "Value": "i"}]);
            let told: Vec<Value> = arns.iter().map(|arn| json!({"ResourceARN": arn, "Tags": tags})).collect();
            Answer::Json(json!({"ResourceTagMappingList": told}))
        }
        other => panic!("{other}"),
    });
    let set = fields(want(json!({"tags": {"a": "1"}})));
    let names: Vec<String> = (0..100).map(|n| format!("t{n}")).collect();
    let targets: Vec<(&str, &ValueMap)> = names.iter().map(|name| (name.as_str(), &set)).collect();
    let reads = bench.read(TABLE, &targets).await;
    assert!(reads.iter().all(|r| matches!(r, Read::Present(seen) if seen.fields["tags"] == set["tags"])), "{reads:?}");
    assert!(bench.requests().len() <= 101, "{} calls", bench.requests().len());
}

#[tokio::test]
async fn a_lost_table_is_found_by_its_mark() {
    let mark = intent(1).as_str().to_owned();
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "CreateTable" => Answer::Lost,
        "DescribeTable" => Answer::Json(json!({"Table": table("t", json!({"TableStatus": "CREATING"}))})),
        "ListTagsOfResource" => Answer::Json(json!({"Tags": [{"Key": "phx:intent", "Value": mark}]})),
        other => panic!("{other}"),
    });
    let error = bench.create(TABLE, &want(json!({})), 1).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous, "{error:?}");
    let (driver, wanted) = (bench.driver(TABLE), fields(want(json!({}))));
    let found = driver.find(&bench.cx, &wanted, &intent(1)).await.unwrap().unwrap();
    assert!(!found.complete && found.id == "t");
    assert_eq!(driver.find(&bench.cx, &wanted, &intent(2)).await.unwrap_err().kind, ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn a_name_that_is_being_freed_is_waited_for() {
    let state = Arc::new(AtomicUsize::new(0));
    let bench = scripted(move |request, _| match (request.operation.as_str(), state.load(Ordering::SeqCst)) {
        ("CreateTable", 0) => Answer::JsonError(400, "ResourceInUseException"),
        ("DescribeTable", 0) => {
            state.store(1, Ordering::SeqCst);
            Answer::Json(json!({"Table": table("t", json!({"TableStatus": "DELETING"}))}))
        }
        ("DescribeTable", 1) => {
            state.store(2, Ordering::SeqCst);
            Answer::JsonError(400, "ResourceNotFoundException")
        }
        ("CreateTable", _) => Answer::Json(json!({"TableDescription": table("t", json!({}))})),
        _ => Answer::Json(json!({"Table": table("t", json!({}))})),
    });
    bench.create(TABLE, &want(json!({})), 1).await.unwrap();
    assert_eq!(bench.operations().iter().filter(|o| *o == "CreateTable").count(), 2);
}

/// What UpdateTable was asked, by the names of what stands in the requests.
fn updates(requests: Vec<crate::kit::Request>) -> Vec<Value> {
    let updates = requests.into_iter().filter(|r| r.operation == "UpdateTable").map(|mut r| {
        r.body.as_object_mut().unwrap().remove("TableName");
        r.body
    });
    updates.collect()
}

#[tokio::test]
async fn indexes_change_one_at_a_time_and_each_is_waited_for() {
    let state = Arc::new(AtomicUsize::new(0));
    let seen = state.clone();
    let bench = scripted(move |request, n| match request.operation.as_str() {
        "UpdateTable" => {
            seen.fetch_add(1, Ordering::SeqCst);
            Answer::Json(json!({"TableDescription": table("t", json!({}))}))
        }
        // Every other look finds the last change still under way.
        _ => {
            let busy = if n % 2 == 0 { "UPDATING" } else { "ACTIVE" };
            let indexes = match seen.load(Ordering::SeqCst) {
                0 => vec![index("old", "ACTIVE"), index("kept", "ACTIVE")],
                1 => vec![index("kept", busy)],
                _ => vec![index("kept", "ACTIVE"), index("new", if n % 2 == 0 { "CREATING" } else { "ACTIVE" })],
            };
            Answer::Json(json!({"Table": table("t", json!({"GlobalSecondaryIndexes": indexes}))}))
        }
    });
    let before = want(json!({"global_secondary_indexes": [wished("old"), wished("kept")]}));
    let mut kept = wished("kept");
    kept["warm_throughput"] = json!({"read_units_per_second": 12000, "write_units_per_second": 4000});
    let after = want(json!({"global_secondary_indexes": [wished("new"), kept]}));
    bench.update(TABLE, "t", &before, &after).await;
    let asked: Vec<Value> = updates(bench.requests());
    assert_eq!(asked.len(), 2, "{asked:#?}");
    assert_eq!(asked[0]["GlobalSecondaryIndexUpdates"], json!([{"Delete": {"IndexName": "old"}}]));
    assert_eq!(asked[1]["GlobalSecondaryIndexUpdates"][0]["Create"]["IndexName"], "new");
    assert!(asked[1]["AttributeDefinitions"].is_array());
    // Warmer than wished is as wished.
    bench.settled(TABLE, "t", &after).await;
    assert_eq!(state.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn strong_copies_are_made_in_one_call_and_others_one_by_one() {
    for (parts, calls) in [
        (
            json!({"replicas": [{"region_name": "us-east-1"}], "global_table_witnesses": ["us-east-2"], "multi_region_consistency": "STRONG"}),
            1,
        ),
        (json!({"replicas": [{"region_name": "eu-west-1"}, {"region_name": "eu-west-2"}]}), 2),
    ] {
        let bench = scripted(|request, _| match request.operation.as_str() {
            "CreateTable" | "UpdateTable" => Answer::Json(json!({"TableDescription": table("t", json!({}))})),
            _ => Answer::Json(json!({"Table": table("t", json!({}))})),
        });
        bench.create(TABLE, &want(parts), 1).await.unwrap();
        let asked = updates(bench.requests());
        assert_eq!(asked.len(), calls, "{asked:#?}");
        if calls == 1 {
            assert_eq!(asked[0]["MultiRegionConsistency"], "STRONG");
            assert_eq!(asked[0]["ReplicaUpdates"], json!([{"Create": {"RegionName": "us-east-1"}}]));
            assert_eq!(asked[0]["GlobalTableWitnessUpdates"], json!([{"Create": {"RegionName": "us-east-2"}}]));
        }
    }
}

#[tokio::test]
async fn copies_are_read_and_taken_away_before_the_table() {
    let state = Arc::new(AtomicUsize::new(0));
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "UpdateTable" => {
            state.fetch_add(1, Ordering::SeqCst);
            Answer::Json(json!({"TableDescription": table("t", json!({}))}))
        }
        "DeleteTable" => {
            state.store(9, Ordering::SeqCst);
            Answer::Json(json!({"TableDescription": table("t", json!({}))}))
        }
        _ if state.load(Ordering::SeqCst) == 9 => Answer::JsonError(400, "ResourceNotFoundException"),
        _ if state.load(Ordering::SeqCst) == 1 => Answer::Json(json!({"Table": table("t", json!({}))})),
        _ => Answer::Json(
            json!({"Table": table("t", json!({"Replicas": [{"RegionName": "us-west-2", "ReplicaStatus": "ACTIVE"},
            {"RegionName": "eu-west-1", "ReplicaStatus": "ACTIVE", "OnDemandThroughputOverride": {"MaxReadRequestUnits": 5},
                "GlobalSecondaryIndexes": [{"IndexName": "i"}], "ReplicaTableClassSummary": {"TableClass": "STANDARD"}}]}))}),
        ),
    });
    let want = want(json!({"replicas": [{"region_name": "eu-west-1", "max_read_request_units_override": 5}]}));
    bench.settled(TABLE, "t", &want).await;
    bench.deleted(TABLE, "t", &want).await;
    assert_eq!(updates(bench.requests()), [json!({"ReplicaUpdates": [{"Delete": {"RegionName": "eu-west-1"}}]})]);
}

#[tokio::test]
async fn what_is_set_already_is_not_set_again() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "CreateTable" => Answer::Json(json!({"TableDescription": table("t", json!({}))})),
        "DescribeTimeToLive" => {
            Answer::Json(json!({"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLING", "AttributeName": "u"}}))
        }
        "UpdateContinuousBackups" => {
            Answer::Json(json!({"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED"}}))
        }
        _ => Answer::Json(json!({"Table": table("t", json!({}))})),
    });
    let want = want(json!({"time_to_live_specification": {"enabled": true, "attribute_name": "u"},
        "point_in_time_recovery_specification": {"point_in_time_recovery_enabled": true, "recovery_period_in_days": 7}}));
    bench.create(TABLE, &want, 1).await.unwrap();
    assert!(!bench.operations().contains(&"UpdateTimeToLive".to_owned()));
    let requests = bench.requests();
    let recovery = requests.iter().find(|r| r.operation == "UpdateContinuousBackups").unwrap();
    assert_eq!(recovery.body["PointInTimeRecoverySpecification"]["RecoveryPeriodInDays"], 7);
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let bench = scripted(|_, _| Answer::Json(json!({"Table": table("t", json!({"DeletionProtectionEnabled": true}))})));
    let error = bench.driver(TABLE).delete(&bench.cx, "t", &fields(want(json!({})))).await.unwrap_err();
    assert!(error.hint.unwrap().contains("deletion_protection_enabled"));
    let change = [(
        "tags".to_owned(),
        phx_model::driver::Delta { before: phx_model::Value::Null, after: phx_model::Value::Null },
    )];
    for (kind, attribute, message) in [("N", "id", "cannot be changed"), ("S", "other", "no key")] {
        let wrong = json!([{"attribute_name": attribute, "attribute_type": kind}]);
        let wrong = fields(want(json!({"attribute_definitions": wrong})));
        let error = bench.driver(TABLE).update(&bench.cx, "t", &wrong, &change.clone().into()).await.unwrap_err();
        assert!(error.message.contains(message), "{error:?}");
    }
}

#[tokio::test]
async fn a_hundred_items_take_one_call_and_what_is_left_over_another() {
    let bench = scripted(|request, n| {
        let keys = request.body["RequestItems"]["items"]["Keys"].as_array().unwrap().clone();
        // Of the first hundred, DynamoDB leaves some for later, and one is not there.
        let (now, later) = if n == 0 { keys.split_at(60) } else { (&keys[..keys.len()], &[][..]) };
        let there: Vec<&Value> = now.iter().filter(|key| key["id"]["S"] != "7").collect();
        let later = if later.is_empty() { json!({}) } else { json!({"items": {"Keys": later}}) };
        Answer::Json(json!({"Responses": {"items": there}, "UnprocessedKeys": later}))
    });
    let ids: Vec<String> = (0..100).map(|n| format!(r#"items/{{"id":{{"S":"{n}"}}}}"#)).collect();
    let set = fields(json!({"table_name": "items", "key": {"id": {"S": "0"}}}));
    let targets: Vec<(&str, &ValueMap)> = ids.iter().map(|id| (id.as_str(), &set)).collect();
    let reads = bench.read(ITEM, &targets).await;
    assert!(matches!(reads[7], Read::Gone));
    assert_eq!(reads.iter().filter(|r| matches!(r, Read::Present(_))).count(), 99);
    assert!(bench.requests().len() <= 2, "{} calls", bench.requests().len());
}

#[tokio::test]
async fn a_lost_item_is_found_if_it_is_what_was_wished() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "PutItem" => Answer::Lost,
        _ => {
            Answer::Json(json!({"Responses": {"items": [{"id": {"S": "a"}, "n": {"N": "1"}}]}, "UnprocessedKeys": {}}))
        }
    });
    let item = |n: &str| json!({"table_name": "items", "key": {"id": {"S": "a"}}, "item": {"n": {"N": n}}});
    let error = bench.create(ITEM, &item("1"), 1).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous, "{error:?}");
    let intent = intent(1);
    assert!(bench.driver(ITEM).find(&bench.cx, &fields(item("1.0")), &intent).await.unwrap().is_some());
    assert!(bench.driver(ITEM).find(&bench.cx, &fields(item("2")), &intent).await.unwrap().is_none());
}

#[tokio::test]
async fn a_stream_that_shall_tell_something_else_is_ended_first() {
    let state = Arc::new(AtomicUsize::new(0));
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "UpdateTable" => {
            state.fetch_add(1, Ordering::SeqCst);
            Answer::Json(json!({"TableDescription": table("t", json!({}))}))
        }
        _ => {
            let stream = match state.load(Ordering::SeqCst) {
                0 => {
                    json!({"StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"}, "LatestStreamArn": "arn:1"})
                }
                1 => json!({"LatestStreamArn": "arn:1"}),
                _ => {
                    json!({"StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}, "LatestStreamArn": "arn:2"})
                }
            };
            Answer::Json(json!({"Table": table("t", stream)}))
        }
    });
    let stream = |view: &str| want(json!({"stream_specification": {"stream_enabled": true, "stream_view_type": view}}));
    bench.update(TABLE, "t", &stream("NEW_IMAGE"), &stream("KEYS_ONLY")).await;
    let asked: Vec<Value> = updates(bench.requests()).into_iter().map(|u| u["StreamSpecification"].clone()).collect();
    assert_eq!(asked, [json!({"StreamEnabled": false}), json!({"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"})]);
    let seen = bench.settled(TABLE, "t", &stream("KEYS_ONLY")).await;
    assert_eq!(seen.outputs["stream_arn"].as_str(), Some("arn:2"));
}

#[tokio::test]
async fn copies_that_the_program_never_named_stay() {
    let bench = scripted(|_, _| {
        let table = table("t", json!({"Replicas": [{"RegionName": "eu-west-1", "ReplicaStatus": "ACTIVE"}]}));
        Answer::Json(json!({"Table": table, "TableDescription": table}))
    });
    let driver = bench.driver(TABLE);
    let change = |parts: Value| {
        let field = parts.as_object().unwrap().keys().next().unwrap().clone();
        let want = fields(want(parts));
        let delta = phx_model::driver::Delta { before: phx_model::Value::Null, after: want[field.as_str()].clone() };
        (want, [(field, delta)])
    };
    let (want_witness, witness) = change(json!({"global_table_witnesses": ["us-east-2"]}));
    driver.update(&bench.cx, "t", &want_witness, &witness.into()).await.unwrap();
    let called = json!({"GlobalTableWitnessUpdates": [{"Create": {"RegionName": "us-east-2"}}]});
    assert_eq!(updates(bench.requests()), [called]);
    // How copies agree is chosen when they are made.
    let (want_strong, strong) = change(json!({"multi_region_consistency": "STRONG"}));
    let error = driver.update(&bench.cx, "t", &want_strong, &strong.into()).await.unwrap_err();
    assert!(error.message.contains("copies in eu-west-1"), "{error:?}");
    let error = driver.delete(&bench.cx, "t", &fields(want(json!({})))).await.unwrap_err();
    assert!(error.message.contains("does not name, in eu-west-1"), "{error:?}");
    assert_eq!(updates(bench.requests()).len(), 1);
}

/// A table with an index by another attribute.
fn indexed(kind: &str, there: bool) -> Value {
    let mut by = index("by", "ACTIVE");
    by["KeySchema"] = json!([{"AttributeName": "at", "KeyType": "HASH"}]);
    let indexes = if there { vec![by] } else { vec![] };
    let attributes =
        json!([{"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "at", "AttributeType": kind}]);
    table("t", json!({"AttributeDefinitions": attributes, "GlobalSecondaryIndexes": indexes}))
}

#[tokio::test]
async fn an_index_by_an_attribute_that_gets_another_type_is_made_anew() {
    let state = Arc::new(AtomicUsize::new(0));
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "UpdateTable" => {
            state.fetch_add(1, Ordering::SeqCst);
            Answer::Json(json!({"TableDescription": table("t", json!({}))}))
        }
        _ => Answer::Json(json!({"Table": match state.load(Ordering::SeqCst) {
            0 => indexed("S", true),
            1 => table("t", json!({})),
            _ => indexed("N", true),
        }})),
    });
    let mut by = wished("by");
    by["key_schema"] = json!([{"attribute_name": "at", "key_type": "HASH"}]);
    let want = |kind: &str| {
        want(json!({"global_secondary_indexes": [by], "attribute_definitions":
            [{"attribute_name": "id", "attribute_type": "S"}, {"attribute_name": "at", "attribute_type": kind}]}))
    };
    bench.update(TABLE, "t", &want("S"), &want("N")).await;
    let asked: Vec<Value> = updates(bench.requests());
    assert_eq!(asked.len(), 2, "{asked:#?}");
    assert_eq!(asked[0]["GlobalSecondaryIndexUpdates"], json!([{"Delete": {"IndexName": "by"}}]));
    assert_eq!(asked[1]["GlobalSecondaryIndexUpdates"][0]["Create"]["IndexName"], "by");
    assert_eq!(asked[1]["AttributeDefinitions"][1]["AttributeType"], "N");
    bench.settled(TABLE, "t", &want("N")).await;
}

#[tokio::test]
async fn an_index_that_the_program_never_named_is_not_made_anew() {
    let bench = scripted(|_, _| Answer::Json(json!({"Table": indexed("S", true)})));
    let retyped = fields(want(json!({"attribute_definitions":
        [{"attribute_name": "id", "attribute_type": "S"}, {"attribute_name": "at", "attribute_type": "N"}]})));
    let delta =
        phx_model::driver::Delta { before: phx_model::Value::Null, after: retyped["attribute_definitions"].clone() };
    let change = [("attribute_definitions".to_owned(), delta)];
    let error = bench.driver(TABLE).update(&bench.cx, "t", &retyped, &change.into()).await.unwrap_err();
    assert!(
        error.kind == ErrorKind::Invalid && error.message.contains("at is a part of the key of the index by"),
        "{error:?}"
    );
    assert!(updates(bench.requests()).is_empty());
}

#[tokio::test]
async fn what_a_lost_call_has_changed_is_not_changed_again() {
    let key = "arn:aws:kms:us-west-2:123456789012:key/k";
    let bench = scripted(move |_, _| {
        let there = json!({"BillingModeSummary": {"BillingMode": "PROVISIONED"},
            "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
            "SSEDescription": {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": key}});
        Answer::Json(json!({"Table": table("t", there)}))
    });
    let set = json!({"billing_mode": "PROVISIONED", "sse_specification": {"enabled": true, "kms_master_key_id": key},
        "provisioned_throughput": {"read_capacity_units": 5, "write_capacity_units": 5}});
    let want = fields(want(set));
    let change = ["billing_mode", "provisioned_throughput", "sse_specification"].map(|field| {
        let delta = phx_model::driver::Delta { before: phx_model::Value::Null, after: want[field].clone() };
        (field.to_owned(), delta)
    });
    bench.driver(TABLE).update(&bench.cx, "t", &want, &change.into()).await.unwrap();
    assert!(updates(bench.requests()).is_empty(), "{:?}", bench.operations());

    // Nor is a key that was named by an alias another one.
    let alias = json!({"enabled": true, "kms_master_key_id": "alias/app"});
    let mut by_alias = json!({"table_name": "t", "sse_specification": alias});
    by_alias["key_schema"] = json!([{"attribute_name": "id", "key_type": "HASH"}]);
    bench.settled(TABLE, "t", &by_alias).await;
}
