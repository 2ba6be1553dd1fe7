//! The parts of a table: blocks of fields.

use phx_model::{Block, Input, Value};

use crate::arn::Arn;
use crate::forms::minus_one_is_unset;

/// An attribute by which a table or an index is sorted or found.
#[derive(Clone, Debug, Block)]
pub struct AttributeDefinition {
    /// Its name.
    pub attribute_name: Input<String>,
    /// `S` (text), `N` (number) or `B` (bytes).
    pub attribute_type: Input<String>,
}

/// A part of a key.
#[derive(Clone, Debug, Block)]
pub struct KeySchemaElement {
    /// The attribute.
    pub attribute_name: Input<String>,
    /// `HASH` (by which items are found) or `RANGE` (by which they are sorted).
    pub key_type: Input<String>,
}

/// Which attributes an index holds besides the keys.
#[derive(Clone, Debug, Block)]
pub struct Projection {
    /// `ALL`, `KEYS_ONLY` or `INCLUDE`.
    pub projection_type: Input<String>,
    /// With `INCLUDE`, the attributes.
    #[field(set)]
    pub non_key_attributes: Option<Input<Vec<String>>>,
}

/// How much can be read and written in a second, paid for whether it is or not.
#[derive(Clone, Debug, Block)]
pub struct ProvisionedThroughput {
    /// Reads of up to 4 KiB.
    pub read_capacity_units: Input<i64>,
    /// Writes of up to 1 KiB.
    pub write_capacity_units: Input<i64>,
}

/// How much can be read and written in a second at most, where what is used is paid for.
#[derive(Clone, Debug, Block)]
pub struct OnDemandThroughput {
    /// Reads of up to 4 KiB. Unset, or -1, without limit.
    #[field(normalize = minus_one_is_unset)]
    pub max_read_request_units: Option<Input<i64>>,
    /// Writes of up to 1 KiB. Unset, or -1, without limit.
    #[field(normalize = minus_one_is_unset)]
    pub max_write_request_units: Option<Input<i64>>,
}

/// How much can be read and written at once without a start. DynamoDB raises it by itself as the table is used, and it is never lowered.
#[derive(Clone, Debug, Block)]
pub struct WarmThroughput {
    /// Reads a second, of up to 4 KiB.
    #[field(cloud_default)]
    pub read_units_per_second: Option<Input<i64>>,
    /// Writes a second, of up to 1 KiB.
    #[field(cloud_default)]
    pub write_units_per_second: Option<Input<i64>>,
}

/// An index that sorts each partition by another attribute.
#[derive(Clone, Debug, Block)]
pub struct LocalSecondaryIndex {
    /// The name, unique in the table.
    pub index_name: Input<String>,
    /// The key: the table's `HASH` part, and a `RANGE` part.
    pub key_schema: Input<Vec<KeySchemaElement>>,
    /// Which attributes it holds.
    pub projection: Input<Projection>,
}

/// An index by other attributes than the table's key.
#[derive(Clone, Debug, Block)]
pub struct GlobalSecondaryIndex {
    /// The name, unique in the table.
    pub index_name: Input<String>,
    /// The key. Changing it makes the index anew.
    pub key_schema: Input<Vec<KeySchemaElement>>,
    /// Which attributes it holds. Changing it makes the index anew.
    pub projection: Input<Projection>,
    /// How much can be read and written in a second. Set if the table's `billing_mode` is `PROVISIONED`.
    #[field(cloud_default)]
    pub provisioned_throughput: Option<Input<ProvisionedThroughput>>,
    /// How much can be read and written in a second at most. Unset, without limit.
    pub on_demand_throughput: Option<Input<OnDemandThroughput>>,
    /// How much can be read and written at once without a start.
    #[field(cloud_default)]
    pub warm_throughput: Option<Input<WarmThroughput>>,
}

/// Whether changes to items can be followed.
#[derive(Clone, Debug, Block)]
pub struct StreamSpecification {
    /// Whether they can.
    pub stream_enabled: Input<bool>,
    /// What is told of a changed item: `KEYS_ONLY`, `NEW_IMAGE`, `OLD_IMAGE` or `NEW_AND_OLD_IMAGES`. Changing it makes a new stream.
    pub stream_view_type: Option<Input<String>>,
}

/// How items are encrypted.
#[derive(Clone, Debug, Block)]
pub struct SseSpecification {
    /// Whether a KMS key of the account's is used. Otherwise, one of DynamoDB's own.
    pub enabled: Input<bool>,
    /// `KMS`.
    #[field(cloud_default)]
    pub sse_type: Option<Input<String>>,
    /// The KMS key. Unset, the one that AWS manages for DynamoDB.
    #[field(cloud_default)]
    pub kms_master_key_id: Option<Input<Arn>>,
}

/// Which attribute says when an item is deleted.
#[derive(Clone, Debug, Block)]
pub struct TimeToLiveSpecification {
    /// Whether items are deleted so.
    pub enabled: Input<bool>,
    /// The attribute: a number of seconds since 1970.
    pub attribute_name: Input<String>,
}

/// Whether the table can be brought back as it was at any time of the last days.
#[derive(Clone, Debug, Block)]
pub struct PointInTimeRecoverySpecification {
    /// Whether it can.
    pub point_in_time_recovery_enabled: Input<bool>,
    /// For how many days back, 1 to 35, which it is unset.
    #[field(cloud_default)]
    pub recovery_period_in_days: Option<Input<i32>>,
}

/// The table's copy in another region.
#[derive(Clone, Debug, Block)]
pub struct Replica {
    /// The region.
    pub region_name: Input<String>,
    /// The KMS key there that items are encrypted with.
    #[field(cloud_default)]
    pub kms_master_key_id: Option<Input<Arn>>,
    /// How much can be read there in a second, if not as much as from the table itself.
    pub read_capacity_units_override: Option<Input<i64>>,
    /// How much can be read there in a second at most, if not as much as from the table itself.
    #[field(normalize = minus_one_is_unset)]
    pub max_read_request_units_override: Option<Input<i64>>,
    /// The class there, if it is not the table's.
    #[field(cloud_default)]
    pub table_class_override: Option<Input<String>>,
    /// Indexes that can be read there at other rates.
    #[field(set)]
    pub global_secondary_indexes: Option<Input<Vec<ReplicaIndex>>>,
}

/// At what rates an index of a copy can be read.
#[derive(Clone, Debug, Block)]
pub struct ReplicaIndex {
    /// The index.
    pub index_name: Input<String>,
    /// How much can be read in a second.
    pub read_capacity_units_override: Option<Input<i64>>,
    /// How much can be read in a second at most.
    #[field(normalize = minus_one_is_unset)]
    pub max_read_request_units_override: Option<Input<i64>>,
}

/// What is switched off says no more than what is not set.
pub(super) fn disabled_is_unset(value: &Value) -> Value {
    let Value::Map(parts) = value.expose() else { return value.expose().clone() };
    let flags = ["enabled", "stream_enabled", "point_in_time_recovery_enabled"];
    let off = flags.iter().any(|flag| parts.get(*flag).is_some_and(|on| on.expose() == &Value::Bool(false)));
    if off {
        return Value::Null;
    }
    let said = parts.iter().filter(|(_, part)| !part.is_empty());
    Value::Map(said.map(|(name, part)| (name.clone(), part.expose().clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_off_says_nothing() {
        let json = |text: &str| Value::from(serde_json::from_str::<serde_json::Value>(text).unwrap());
        assert_eq!(disabled_is_unset(&json(r#"{"enabled":false,"attribute_name":"t"}"#)), Value::Null);
        assert_eq!(disabled_is_unset(&json(r#"{"stream_enabled":true,"x":null}"#)), json(r#"{"stream_enabled":true}"#));
        assert_eq!(disabled_is_unset(&Value::Null), Value::Null);
    }
}
