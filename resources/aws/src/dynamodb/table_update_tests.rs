use phx_model::Value;
use phx_model::value::Val;

use super::*;

fn index(json: serde_json::Value) -> GlobalSecondaryIndexResolved {
    GlobalSecondaryIndex::from_value(&Value::from(json)).unwrap()
}

fn by(name: &str, attribute: &str, read: i64) -> GlobalSecondaryIndexResolved {
    index(serde_json::json!({"index_name": name, "projection": {"projection_type": "ALL"},
        "key_schema": [{"attribute_name": attribute, "key_type": "HASH"}],
        "provisioned_throughput": {"read_capacity_units": read, "write_capacity_units": 1}}))
}

#[test]
fn an_index_that_holds_something_else_is_made_anew() {
    let there = [by("a", "x", 1), by("b", "x", 1), by("c", "x", 1)];
    let none = BTreeSet::new();
    assert_eq!(obsolete(&there, &[by("a", "x", 5), by("b", "y", 1)], &none), ["b", "c"]);
    assert_eq!(obsolete(&there, &there, &none), Vec::<&str>::new());
    let there = [by("a", "x", 1), by("b", "y", 1)];
    assert_eq!(obsolete(&there, &there, &BTreeSet::from(["y"])), ["b"]);
}

#[test]
fn an_index_that_is_slower_than_wished_is_adjusted() {
    assert_eq!(adjusted(&by("a", "x", 1), &by("a", "x", 1)).unwrap(), None);
    let update = adjusted(&by("a", "x", 1), &by("a", "x", 5)).unwrap().unwrap();
    let update = update.update().unwrap();
    assert_eq!(update.provisioned_throughput().unwrap().read_capacity_units(), 5);
    assert!(update.on_demand_throughput().is_none() && update.warm_throughput().is_none());
    let unset = GlobalSecondaryIndexResolved { provisioned_throughput: None, ..by("a", "x", 1) };
    assert_eq!(adjusted(&by("a", "x", 1), &unset).unwrap(), None);
    let limited = OnDemandThroughputResolved { max_read_request_units: Some(9), max_write_request_units: None };
    let there = GlobalSecondaryIndexResolved { on_demand_throughput: Some(limited), ..unset.clone() };
    let update = adjusted(&there, &unset).unwrap().unwrap();
    let limits = update.update().unwrap().on_demand_throughput().unwrap();
    assert_eq!(limits.max_read_request_units(), Some(-1));
}

#[test]
fn a_table_is_settled_when_all_its_parts_are() {
    let table = || sdk::TableDescription::builder().table_status(sdk::TableStatus::Active);
    assert_eq!(unsettled(&table().build()), None);
    let creating = sdk::TableDescription::builder().table_status(sdk::TableStatus::Creating).build();
    assert_eq!(unsettled(&creating), Some(Unsettled::Changing("creating".into())));
    let index =
        sdk::GlobalSecondaryIndexDescription::builder().index_name("i").index_status(sdk::IndexStatus::Creating);
    assert!(
        matches!(unsettled(&table().global_secondary_indexes(index.build()).build()), Some(Unsettled::Changing(w)) if w.contains("index i"))
    );
    let failed = sdk::ReplicaDescription::builder()
        .region_name("r")
        .replica_status(sdk::ReplicaStatus::CreationFailed)
        .replica_status_description("no role");
    assert!(
        matches!(unsettled(&table().replicas(failed.build()).build()), Some(Unsettled::Failed(w)) if w.contains("no role"))
    );
    let lost =
        sdk::TableDescription::builder().table_status(sdk::TableStatus::InaccessibleEncryptionCredentials).build();
    assert!(matches!(unsettled(&lost), Some(Unsettled::Failed(_))));
}
