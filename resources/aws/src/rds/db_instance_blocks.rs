//! The groups of fields of [`DbInstance`](super::DbInstance) and [`DbCluster`](super::DbCluster).

use std::collections::BTreeMap;

use aws_sdk_rds::types as sdk;
use phx_model::{Block, Input};

/// A feature of an instance class's processor.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ProcessorFeature.html>
#[derive(Clone, Debug, Block)]
pub struct ProcessorFeature {
    /// `coreCount` or `threadsPerCore`.
    pub name: Input<String>,
    /// The number, as text.
    pub value: Input<String>,
}

/// A volume beside an instance's first one (Oracle and SQL Server).
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_AdditionalStorageVolume.html>
#[derive(Clone, Debug, Block)]
pub struct AdditionalStorageVolume {
    /// The name: `rdsdbdata2`, `rdsdbdata3` or `rdsdbdata4`.
    pub volume_name: Input<String>,
    /// Its size in GiB.
    #[field(cloud_default)]
    pub allocated_storage: Option<Input<i32>>,
    /// How many operations a second it is provisioned for.
    #[field(cloud_default)]
    pub iops: Option<Input<i32>>,
    /// Up to how many GiB RDS enlarges it by itself.
    #[field(cloud_default)]
    pub max_allocated_storage: Option<Input<i32>>,
    /// How many MiB a second it is provisioned for (`gp3`).
    #[field(cloud_default)]
    pub storage_throughput: Option<Input<i32>>,
    /// `gp3` or `io2`.
    #[field(cloud_default)]
    pub storage_type: Option<Input<String>>,
}

/// Tags of what comes into being together with a database.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_TagSpecification.html>
#[derive(Clone, Debug, Block)]
pub struct TagSpecification {
    /// What is tagged: `auto-backup` or `cluster-auto-backup`.
    pub resource_type: Input<String>,
    /// The tags.
    pub tags: Input<BTreeMap<String, String>>,
}

pub(super) fn processor_features(
    features: Option<&Vec<ProcessorFeatureResolved>>,
) -> Option<Vec<sdk::ProcessorFeature>> {
    let feature = |f: &ProcessorFeatureResolved| sdk::ProcessorFeature::builder().name(&f.name).value(&f.value).build();
    features.map(|features| features.iter().map(feature).collect())
}

pub(super) fn processor_features_of(features: &[sdk::ProcessorFeature]) -> Vec<ProcessorFeatureResolved> {
    let feature =
        |f: &sdk::ProcessorFeature| Some(ProcessorFeatureResolved { name: f.name.clone()?, value: f.value.clone()? });
    features.iter().filter_map(feature).collect()
}

pub(super) fn volumes(
    volumes: Option<&Vec<AdditionalStorageVolumeResolved>>,
) -> Option<Vec<sdk::AdditionalStorageVolume>> {
    let volume = |v: &AdditionalStorageVolumeResolved| {
        sdk::AdditionalStorageVolume::builder()
            .volume_name(&v.volume_name)
            .set_allocated_storage(v.allocated_storage)
            .set_iops(v.iops)
            .set_max_allocated_storage(v.max_allocated_storage)
            .set_storage_throughput(v.storage_throughput)
            .set_storage_type(v.storage_type.clone())
            .build()
    };
    volumes.map(|volumes| volumes.iter().map(volume).collect())
}

/// The volumes that differ from what is there, and those that are to go.
pub(super) fn volume_changes(
    before: &[AdditionalStorageVolumeResolved],
    after: &[AdditionalStorageVolumeResolved],
) -> Vec<sdk::ModifyAdditionalStorageVolume> {
    let changed = after.iter().filter(|v| !before.contains(v)).map(|v| {
        sdk::ModifyAdditionalStorageVolume::builder()
            .volume_name(&v.volume_name)
            .set_allocated_storage(v.allocated_storage)
            .set_iops(v.iops)
            .set_max_allocated_storage(v.max_allocated_storage)
            .set_storage_throughput(v.storage_throughput)
            .set_storage_type(v.storage_type.clone())
            .build()
    });
    let gone = before.iter().filter(|b| after.iter().all(|a| a.volume_name != b.volume_name));
    let gone = gone.map(|b| {
        sdk::ModifyAdditionalStorageVolume::builder().volume_name(&b.volume_name).set_for_delete(true).build()
    });
    changed.chain(gone).collect()
}

/// The volumes of an answer, as they will be when what is pending has happened.
pub(super) fn volumes_of(instance: &sdk::DbInstance) -> Vec<AdditionalStorageVolumeResolved> {
    let pending = instance.pending_modified_values().map(|p| p.additional_storage_volumes()).unwrap_or_default();
    let volume = |v: &sdk::AdditionalStorageVolumeOutput| {
        let volume_name = v.volume_name.clone()?;
        if v.storage_volume_status().is_some_and(|s| s.eq_ignore_ascii_case("deleting")) {
            return None;
        }
        let pending = pending.iter().find(|p| p.volume_name() == Some(volume_name.as_str()));
        Some(AdditionalStorageVolumeResolved {
            allocated_storage: pending.and_then(|p| p.allocated_storage).or(v.allocated_storage),
            iops: pending.and_then(|p| p.iops).or(v.iops),
            max_allocated_storage: pending.and_then(|p| p.max_allocated_storage).or(v.max_allocated_storage),
            storage_throughput: pending.and_then(|p| p.storage_throughput).or(v.storage_throughput),
            storage_type: pending.and_then(|p| p.storage_type.clone()).or_else(|| v.storage_type.clone()),
            volume_name,
        })
    };
    instance.additional_storage_volumes().iter().filter_map(volume).collect()
}

pub(super) fn specifications(
    specifications: Option<&Vec<TagSpecificationResolved>>,
) -> Option<Vec<sdk::TagSpecification>> {
    let specification = |s: &TagSpecificationResolved| {
        let tags = s.tags.iter().map(|(key, value)| sdk::Tag::builder().key(key).value(value).build());
        sdk::TagSpecification::builder().resource_type(&s.resource_type).set_tags(Some(tags.collect())).build()
    };
    specifications.map(|all| all.iter().map(specification).collect())
}
