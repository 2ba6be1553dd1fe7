//! DynamoDB on emulators. moto makes everything at once, and tells no warm throughput, no witnesses
//! and no copies' own rates, and starts no second stream: that is in shapes.

use phx_tests::emulator::Emulator;
use serde_json::json;

use crate::kit::emulated;

const TABLE: &str = "aws:dynamodb:Table";
const ITEM: &str = "aws:dynamodb:TableItem";

fn index(name: &str, attribute: &str, read: i64) -> serde_json::Value {
    json!({"index_name": name, "key_schema": [{"attribute_name": attribute, "key_type": "HASH"}],
        "projection": {"projection_type": "INCLUDE", "non_key_attributes": ["x", "y"]},
        "provisioned_throughput": {"read_capacity_units": read, "write_capacity_units": 1}})
}

#[tokio::test]
async fn a_table_lives_and_changes() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    let want = json!({
        "table_name": "jobs",
        "attribute_definitions": [{"attribute_name": "id", "attribute_type": "S"},
            {"attribute_name": "at", "attribute_type": "N"}, {"attribute_name": "who", "attribute_type": "S"}],
        "key_schema": [{"attribute_name": "id", "key_type": "HASH"}, {"attribute_name": "at", "key_type": "RANGE"}],
        "local_secondary_indexes": [{"index_name": "l", "key_schema": [{"attribute_name": "id", "key_type": "HASH"},
            {"attribute_name": "who", "key_type": "RANGE"}], "projection": {"projection_type": "ALL"}}],
        "global_secondary_indexes": [index("by-who", "who", 1)],
        "billing_mode": "PROVISIONED",
        "provisioned_throughput": {"read_capacity_units": 2, "write_capacity_units": 2},
        "stream_specification": {"stream_enabled": true, "stream_view_type": "NEW_IMAGE"},
        "sse_specification": {"enabled": true},
        "deletion_protection_enabled": true,
        "time_to_live_specification": {"enabled": true, "attribute_name": "until"},
        "point_in_time_recovery_specification": {"point_in_time_recovery_enabled": true},
        "tags": {"a": "1", "b": "2"},
    });
    let mut more = want.clone();
    more["global_secondary_indexes"] = json!([index("by-at", "at", 3), index("by-who", "who", 5)]);
    more["provisioned_throughput"] = json!({"read_capacity_units": 4, "write_capacity_units": 4});
    more["deletion_protection_enabled"] = json!(false);
    more["tags"] = json!({"b": "3", "c": "4"});
    let mut less = more.clone();
    less["global_secondary_indexes"] = json!([index("by-at", "at", 3)]);
    // moto goes on telling an encryption that was switched off.
    for field in ["stream_specification", "time_to_live_specification", "point_in_time_recovery_specification"] {
        less.as_object_mut().unwrap().remove(field);
    }
    let made = bench.life(TABLE, want, &[more, less]).await;
    assert!(made["stream_arn"].as_str().unwrap().contains("stream"), "{made:?}");
}

#[tokio::test]
async fn a_table_that_is_paid_by_use_lives_and_changes() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    let want = json!({
        "table_name": "used",
        "attribute_definitions": [{"attribute_name": "id", "attribute_type": "S"}],
        "key_schema": [{"attribute_name": "id", "key_type": "HASH"}],
        "billing_mode": "PAY_PER_REQUEST",
    });
    let mut policy = want.clone();
    policy["resource_policy"] = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"AWS": "123456789012"}, "Action": "dynamodb:GetItem", "Resource": "*"}]});
    let mut provisioned = want.clone();
    provisioned["billing_mode"] = json!("PROVISIONED");
    provisioned["provisioned_throughput"] = json!({"read_capacity_units": 1, "write_capacity_units": 1});
    bench.life(TABLE, want, &[policy, provisioned]).await;
}

#[tokio::test]
async fn items_live_and_change() {
    let moto = Emulator::moto();
    let bench = emulated(&moto.url());
    let table = json!({"table_name": "items", "billing_mode": "PAY_PER_REQUEST",
        "attribute_definitions": [{"attribute_name": "id", "attribute_type": "S"}],
        "key_schema": [{"attribute_name": "id", "key_type": "HASH"}]});
    bench.create(TABLE, &table, 2).await.unwrap();
    let key = json!({"id": {"S": "a/b"}});
    let want = json!({"table_name": "items", "key": key, "item": {"n": {"N": "1.50"}, "s": {"SS": ["y", "x"]},
        "b": {"B": "AQI="}, "l": {"L": [{"BOOL": true}, {"NULL": true}]}, "m": {"M": {"k": {"S": "v"}}}}});
    let bare = json!({"table_name": "items", "key": key});
    bench.life(ITEM, want.clone(), &[bare.clone(), want.clone()]).await;

    bench.create(ITEM, &want, 1).await.unwrap();
    bench.create(ITEM, &want, 2).await.unwrap();
    let error = bench.create(ITEM, &bare, 3).await.unwrap_err();
    assert_eq!(error.kind, phx_model::error::ErrorKind::AlreadyExists, "{error:?}");
    bench.deleted(TABLE, "items", &table).await;
    let gone = bench.read(ITEM, &[(r#"items/{"id":{"S":"a/b"}}"#, &crate::kit::fields(want))]).await.remove(0);
    assert!(matches!(gone, phx_model::driver::Read::Gone), "{gone:?}");
}

#[tokio::test]
async fn a_table_lives_on_ministack_too() {
    let ministack = Emulator::ministack();
    let bench = emulated(&ministack.url());
    let want = json!({"table_name": "other", "billing_mode": "PAY_PER_REQUEST",
        "attribute_definitions": [{"attribute_name": "id", "attribute_type": "S"}],
        "key_schema": [{"attribute_name": "id", "key_type": "HASH"}], "tags": {"a": "1"}});
    let mut more = want.clone();
    more["stream_specification"] = json!({"stream_enabled": true, "stream_view_type": "NEW_AND_OLD_IMAGES"});
    bench.life(TABLE, want, &[more]).await;
}
