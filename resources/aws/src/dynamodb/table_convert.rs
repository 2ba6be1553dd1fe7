//! A table's parts, to and from the SDK's structures.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types as sdk;
use phx_model::{CloudError, Value};

use super::invalid;
use super::table_blocks::*;
use crate::arn::Arn;
use crate::forms::in_order_of;

pub(super) fn to_attributes(want: &[AttributeDefinitionResolved]) -> Result<Vec<sdk::AttributeDefinition>, CloudError> {
    let one = |a: &AttributeDefinitionResolved| {
        sdk::AttributeDefinition::builder()
            .attribute_name(&a.attribute_name)
            .attribute_type(sdk::ScalarAttributeType::from(a.attribute_type.as_str()))
            .build()
            .map_err(invalid)
    };
    want.iter().map(one).collect()
}

pub(super) fn from_attributes(there: &[sdk::AttributeDefinition]) -> Vec<AttributeDefinitionResolved> {
    let one = |a: &sdk::AttributeDefinition| AttributeDefinitionResolved {
        attribute_name: a.attribute_name().to_owned(),
        attribute_type: a.attribute_type().as_str().to_owned(),
    };
    there.iter().map(one).collect()
}

pub(super) fn to_key(want: &[KeySchemaElementResolved]) -> Result<Vec<sdk::KeySchemaElement>, CloudError> {
    let one = |k: &KeySchemaElementResolved| {
        sdk::KeySchemaElement::builder()
            .attribute_name(&k.attribute_name)
            .key_type(sdk::KeyType::from(k.key_type.as_str()))
            .build()
            .map_err(invalid)
    };
    want.iter().map(one).collect()
}

pub(super) fn from_key(there: &[sdk::KeySchemaElement]) -> Vec<KeySchemaElementResolved> {
    let one = |k: &sdk::KeySchemaElement| KeySchemaElementResolved {
        attribute_name: k.attribute_name().to_owned(),
        key_type: k.key_type().as_str().to_owned(),
    };
    there.iter().map(one).collect()
}

pub(super) fn to_projection(want: &ProjectionResolved) -> sdk::Projection {
    sdk::Projection::builder()
        .projection_type(sdk::ProjectionType::from(want.projection_type.as_str()))
        .set_non_key_attributes(want.non_key_attributes.clone().filter(|names| !names.is_empty()))
        .build()
}

fn from_projection(there: Option<&sdk::Projection>) -> ProjectionResolved {
    let names = there.map(|p| p.non_key_attributes().to_vec()).filter(|names| !names.is_empty());
    ProjectionResolved {
        projection_type: there
            .and_then(|p| p.projection_type())
            .map_or_else(|| "ALL".to_owned(), |kind| kind.as_str().to_owned()),
        non_key_attributes: names,
    }
}

pub(super) fn to_provisioned(want: &ProvisionedThroughputResolved) -> Result<sdk::ProvisionedThroughput, CloudError> {
    sdk::ProvisionedThroughput::builder()
        .read_capacity_units(want.read_capacity_units)
        .write_capacity_units(want.write_capacity_units)
        .build()
        .map_err(invalid)
}

/// Where what is used is paid for, DynamoDB tells zeros.
pub(super) fn from_provisioned(
    there: Option<&sdk::ProvisionedThroughputDescription>,
) -> Option<ProvisionedThroughputResolved> {
    let there = there?;
    let (read, write) = (there.read_capacity_units()?, there.write_capacity_units()?);
    (read > 0 || write > 0)
        .then_some(ProvisionedThroughputResolved { read_capacity_units: read, write_capacity_units: write })
}

/// The limits of something new.
pub(super) fn new_on_demand(want: &OnDemandThroughputResolved) -> sdk::OnDemandThroughput {
    sdk::OnDemandThroughput::builder()
        .set_max_read_request_units(want.max_read_request_units)
        .set_max_write_request_units(want.max_write_request_units)
        .build()
}

/// What is not wished is said too: a limit that is not sent would stay.
pub(super) fn to_on_demand(want: Option<&OnDemandThroughputResolved>) -> sdk::OnDemandThroughput {
    sdk::OnDemandThroughput::builder()
        .max_read_request_units(want.and_then(|w| w.max_read_request_units).unwrap_or(-1))
        .max_write_request_units(want.and_then(|w| w.max_write_request_units).unwrap_or(-1))
        .build()
}

pub(super) fn from_on_demand(there: Option<&sdk::OnDemandThroughput>) -> Option<OnDemandThroughputResolved> {
    let limit = |units: Option<i64>| units.filter(|units| *units >= 0);
    let limits = OnDemandThroughputResolved {
        max_read_request_units: limit(there?.max_read_request_units()),
        max_write_request_units: limit(there?.max_write_request_units()),
    };
    (limits.max_read_request_units.is_some() || limits.max_write_request_units.is_some()).then_some(limits)
}

pub(super) fn to_warm(want: &WarmThroughputResolved) -> sdk::WarmThroughput {
    sdk::WarmThroughput::builder()
        .set_read_units_per_second(want.read_units_per_second)
        .set_write_units_per_second(want.write_units_per_second)
        .build()
}

/// What is there, as the program wished it if it is enough.
pub(super) fn from_warm(
    (read, write): (Option<i64>, Option<i64>),
    wanted: Option<&Value>,
) -> Option<WarmThroughputResolved> {
    let enough = |there: Option<i64>, part: &str| {
        let wanted = match wanted.map(Value::expose) {
            Some(Value::Map(parts)) => parts.get(part).map(Value::expose),
            _ => None,
        };
        match (there, wanted) {
            (Some(there), Some(Value::Int(wanted))) if there > *wanted => Some(*wanted),
            _ => there,
        }
    };
    (read.is_some() || write.is_some()).then(|| WarmThroughputResolved {
        read_units_per_second: enough(read, "read_units_per_second"),
        write_units_per_second: enough(write, "write_units_per_second"),
    })
}

pub(super) fn to_local(want: &[LocalSecondaryIndexResolved]) -> Result<Vec<sdk::LocalSecondaryIndex>, CloudError> {
    let one = |index: &LocalSecondaryIndexResolved| {
        sdk::LocalSecondaryIndex::builder()
            .index_name(&index.index_name)
            .set_key_schema(Some(to_key(&index.key_schema)?))
            .projection(to_projection(&index.projection))
            .build()
            .map_err(invalid)
    };
    want.iter().map(one).collect()
}

pub(super) fn from_local(
    there: &[sdk::LocalSecondaryIndexDescription],
    wanted: Option<&Value>,
) -> Option<Vec<LocalSecondaryIndexResolved>> {
    let one = |index: &sdk::LocalSecondaryIndexDescription| LocalSecondaryIndexResolved {
        index_name: index.index_name().unwrap_or_default().to_owned(),
        key_schema: from_key(index.key_schema()),
        projection: from_projection(index.projection()),
    };
    let indexes = in_order_of::<LocalSecondaryIndex>(wanted, there.iter().map(one).collect());
    Some(indexes).filter(|indexes| !indexes.is_empty())
}

pub(super) fn to_global(want: &[GlobalSecondaryIndexResolved]) -> Result<Vec<sdk::GlobalSecondaryIndex>, CloudError> {
    let one = |index: &GlobalSecondaryIndexResolved| {
        sdk::GlobalSecondaryIndex::builder()
            .index_name(&index.index_name)
            .set_key_schema(Some(to_key(&index.key_schema)?))
            .projection(to_projection(&index.projection))
            .set_provisioned_throughput(index.provisioned_throughput.as_ref().map(to_provisioned).transpose()?)
            .set_on_demand_throughput(index.on_demand_throughput.as_ref().map(new_on_demand))
            .set_warm_throughput(index.warm_throughput.as_ref().map(to_warm))
            .build()
            .map_err(invalid)
    };
    want.iter().map(one).collect()
}

/// The indexes that are there. Those that are being deleted are not.
pub(super) fn from_global(
    there: &[sdk::GlobalSecondaryIndexDescription],
    wanted: Option<&Value>,
) -> Vec<GlobalSecondaryIndexResolved> {
    let warm = |name: &str| match wanted.map(Value::expose) {
        Some(Value::List(indexes)) => indexes.iter().find_map(|index| match index.expose() {
            Value::Map(parts) if parts.get("index_name").and_then(Value::as_str) == Some(name) => {
                parts.get("warm_throughput")
            }
            _ => None,
        }),
        _ => None,
    };
    let one = |index: &sdk::GlobalSecondaryIndexDescription| {
        let name = index.index_name().unwrap_or_default();
        let units = index.warm_throughput().map(|w| (w.read_units_per_second(), w.write_units_per_second()));
        GlobalSecondaryIndexResolved {
            index_name: name.to_owned(),
            key_schema: from_key(index.key_schema()),
            projection: from_projection(index.projection()),
            provisioned_throughput: from_provisioned(index.provisioned_throughput()),
            on_demand_throughput: from_on_demand(index.on_demand_throughput()),
            warm_throughput: from_warm(units.unwrap_or_default(), warm(name)),
        }
    };
    let leaving =
        |index: &&sdk::GlobalSecondaryIndexDescription| index.index_status() != Some(&sdk::IndexStatus::Deleting);
    in_order_of::<GlobalSecondaryIndex>(wanted, there.iter().filter(leaving).map(one).collect())
}

/// Whether one of these attributes is a part of an index's key.
pub(super) fn is_keyed_by(index: &GlobalSecondaryIndexResolved, attributes: &BTreeSet<&str>) -> bool {
    index.key_schema.iter().any(|key| attributes.contains(key.attribute_name.as_str()))
}

pub(super) fn to_stream(want: &StreamSpecificationResolved) -> Result<sdk::StreamSpecification, CloudError> {
    let view = want.stream_view_type.as_deref().filter(|_| want.stream_enabled).map(sdk::StreamViewType::from);
    sdk::StreamSpecification::builder()
        .stream_enabled(want.stream_enabled)
        .set_stream_view_type(view)
        .build()
        .map_err(invalid)
}

pub(super) fn from_stream(there: Option<&sdk::StreamSpecification>) -> Option<StreamSpecificationResolved> {
    there.filter(|s| s.stream_enabled()).map(|s| StreamSpecificationResolved {
        stream_enabled: true,
        stream_view_type: s.stream_view_type().map(|view| view.as_str().to_owned()),
    })
}

pub(super) fn to_sse(want: Option<&SseSpecificationResolved>) -> sdk::SseSpecification {
    let Some(want) = want.filter(|want| want.enabled) else {
        return sdk::SseSpecification::builder().enabled(false).build();
    };
    sdk::SseSpecification::builder()
        .enabled(true)
        .sse_type(want.sse_type.as_deref().map_or(sdk::SseType::Kms, sdk::SseType::from))
        .set_kms_master_key_id(want.kms_master_key_id.as_ref().map(Arn::to_string))
        .build()
}

pub(super) fn from_sse(there: Option<&sdk::SseDescription>) -> Option<SseSpecificationResolved> {
    let off = |s: &&sdk::SseDescription| s.status().is_none_or(|s| !matches!(s.as_str(), "DISABLED" | "DISABLING"));
    there.filter(off).map(|s| SseSpecificationResolved {
        enabled: true,
        sse_type: s.sse_type().map(|kind| kind.as_str().to_owned()),
        kms_master_key_id: s.kms_master_key_arn().map(Arn::new),
    })
}

/// Whether a table is encrypted as is wished.
pub(super) fn is_encrypted_so(there: &sdk::TableDescription, want: Option<&SseSpecificationResolved>) -> bool {
    match (from_sse(there.sse_description()), want.filter(|want| want.enabled)) {
        (None, None) => true,
        (Some(there), Some(want)) => {
            let key = want.kms_master_key_id.as_ref();
            key.is_none_or(|key| there.kms_master_key_id.as_ref() == Some(key))
        }
        _ => false,
    }
}

/// The copies in other regions than the table's own.
pub(super) fn from_replicas(
    there: &[sdk::ReplicaDescription],
    home: &str,
    wanted: Option<&Value>,
) -> Vec<ReplicaResolved> {
    let limit = |units: Option<i64>| units.filter(|units| *units >= 0);
    let one = |replica: &sdk::ReplicaDescription| {
        let indexes = replica.global_secondary_indexes().iter().map(|index| ReplicaIndexResolved {
            index_name: index.index_name().unwrap_or_default().to_owned(),
            read_capacity_units_override: index.provisioned_throughput_override().and_then(|p| p.read_capacity_units()),
            max_read_request_units_override: limit(
                index.on_demand_throughput_override().and_then(|o| o.max_read_request_units()),
            ),
        });
        // Every copy tells all its indexes; those that are as the table's are nothing that a program sets.
        let own = |index: &ReplicaIndexResolved| {
            index.read_capacity_units_override.is_some() || index.max_read_request_units_override.is_some()
        };
        let indexes: Vec<_> = indexes.filter(own).collect();
        ReplicaResolved {
            region_name: replica.region_name().unwrap_or_default().to_owned(),
            kms_master_key_id: replica.kms_master_key_id().map(Arn::new),
            read_capacity_units_override: replica
                .provisioned_throughput_override()
                .and_then(|p| p.read_capacity_units()),
            max_read_request_units_override: limit(
                replica.on_demand_throughput_override().and_then(|o| o.max_read_request_units()),
            ),
            table_class_override: replica
                .replica_table_class_summary()
                .and_then(|c| c.table_class())
                .map(|class| class.as_str().to_owned()),
            global_secondary_indexes: Some(indexes).filter(|indexes| !indexes.is_empty()),
        }
    };
    let other = |replica: &&sdk::ReplicaDescription| {
        replica.region_name() != Some(home) && replica.replica_status() != Some(&sdk::ReplicaStatus::Deleting)
    };
    in_order_of::<Replica>(wanted, there.iter().filter(other).map(one).collect())
}

fn read_units(units: Option<i64>) -> Option<sdk::ProvisionedThroughputOverride> {
    units.map(|units| sdk::ProvisionedThroughputOverride::builder().read_capacity_units(units).build())
}

fn request_units(units: Option<i64>) -> Option<sdk::OnDemandThroughputOverride> {
    units.map(|units| sdk::OnDemandThroughputOverride::builder().max_read_request_units(units).build())
}

fn to_replica_indexes(want: &ReplicaResolved) -> Result<Option<Vec<sdk::ReplicaGlobalSecondaryIndex>>, CloudError> {
    let one = |index: &ReplicaIndexResolved| {
        sdk::ReplicaGlobalSecondaryIndex::builder()
            .index_name(&index.index_name)
            .set_provisioned_throughput_override(read_units(index.read_capacity_units_override))
            .set_on_demand_throughput_override(request_units(index.max_read_request_units_override))
            .build()
            .map_err(invalid)
    };
    want.global_secondary_indexes.as_ref().map(|indexes| indexes.iter().map(one).collect()).transpose()
}

pub(super) fn create_replica(want: &ReplicaResolved) -> Result<sdk::ReplicationGroupUpdate, CloudError> {
    let create = sdk::CreateReplicationGroupMemberAction::builder()
        .region_name(&want.region_name)
        .set_kms_master_key_id(want.kms_master_key_id.as_ref().map(Arn::to_string))
        .set_provisioned_throughput_override(read_units(want.read_capacity_units_override))
        .set_on_demand_throughput_override(request_units(want.max_read_request_units_override))
        .set_global_secondary_indexes(to_replica_indexes(want)?)
        .set_table_class_override(want.table_class_override.as_deref().map(sdk::TableClass::from))
        .build()
        .map_err(invalid)?;
    Ok(sdk::ReplicationGroupUpdate::builder().create(create).build())
}

pub(super) fn update_replica(want: &ReplicaResolved) -> Result<sdk::ReplicationGroupUpdate, CloudError> {
    let update = sdk::UpdateReplicationGroupMemberAction::builder()
        .region_name(&want.region_name)
        .set_kms_master_key_id(want.kms_master_key_id.as_ref().map(Arn::to_string))
        .set_provisioned_throughput_override(read_units(want.read_capacity_units_override))
        .set_on_demand_throughput_override(request_units(want.max_read_request_units_override))
        .set_global_secondary_indexes(to_replica_indexes(want)?)
        .set_table_class_override(want.table_class_override.as_deref().map(sdk::TableClass::from))
        .build()
        .map_err(invalid)?;
    Ok(sdk::ReplicationGroupUpdate::builder().update(update).build())
}

pub(super) fn delete_replica(region: &str) -> Result<sdk::ReplicationGroupUpdate, CloudError> {
    let delete = sdk::DeleteReplicationGroupMemberAction::builder().region_name(region).build().map_err(invalid)?;
    Ok(sdk::ReplicationGroupUpdate::builder().delete(delete).build())
}

pub(super) fn create_witness(region: &str) -> Result<sdk::GlobalTableWitnessGroupUpdate, CloudError> {
    let create =
        sdk::CreateGlobalTableWitnessGroupMemberAction::builder().region_name(region).build().map_err(invalid)?;
    Ok(sdk::GlobalTableWitnessGroupUpdate::builder().create(create).build())
}

pub(super) fn delete_witness(region: &str) -> Result<sdk::GlobalTableWitnessGroupUpdate, CloudError> {
    let delete =
        sdk::DeleteGlobalTableWitnessGroupMemberAction::builder().region_name(region).build().map_err(invalid)?;
    Ok(sdk::GlobalTableWitnessGroupUpdate::builder().delete(delete).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_grew_warmer_is_as_it_was_wished() {
        let wanted = Value::Map([("read_units_per_second".to_owned(), Value::Int(12_000))].into());
        let warm = from_warm((Some(15_000), Some(4_000)), Some(&wanted)).unwrap();
        assert_eq!(warm.read_units_per_second, Some(12_000));
        assert_eq!(warm.write_units_per_second, Some(4_000));
        assert_eq!(from_warm((Some(11_000), None), Some(&wanted)).unwrap().read_units_per_second, Some(11_000));
        assert_eq!(from_warm((None, None), Some(&wanted)), None);
    }

    #[test]
    fn no_limit_is_nothing_set() {
        let limits = to_on_demand(None);
        assert_eq!(limits.max_read_request_units(), Some(-1));
        assert_eq!(from_on_demand(Some(&limits)), None);
        let zeros = sdk::ProvisionedThroughputDescription::builder().read_capacity_units(0).write_capacity_units(0);
        assert_eq!(from_provisioned(Some(&zeros.build())), None);
    }

    #[test]
    fn encryption_that_is_off_is_nothing_set() {
        assert_eq!(to_sse(None).enabled(), Some(false));
        let described = |status| sdk::SseDescription::builder().status(status).sse_type(sdk::SseType::Kms).build();
        assert_eq!(from_sse(Some(&described(sdk::SseStatus::Disabled))), None);
        assert!(from_sse(Some(&described(sdk::SseStatus::Updating))).is_some_and(|sse| sse.enabled));
    }

    #[test]
    fn the_tables_own_region_is_no_copy() {
        let there = ["us-west-2", "eu-west-1"].map(|r| sdk::ReplicaDescription::builder().region_name(r).build());
        let replicas = from_replicas(&there, "us-west-2", None);
        assert_eq!(replicas.iter().map(|r| r.region_name.as_str()).collect::<Vec<_>>(), ["eu-west-1"]);
    }
}
