//! EC2 Auto Scaling.

pub mod group;
pub mod group_blocks;
mod group_convert;
mod group_update;

pub use group::Group;
pub use group_blocks::{
    AmountRange, AvailabilityZoneDistribution, AvailabilityZoneImpairmentPolicy, CapacityReservationSpecification,
    CapacityReservationTarget, CountRange, InstanceMaintenancePolicy, InstanceRequirements, InstancesDistribution,
    LaunchTemplate, LaunchTemplateOverrides, LaunchTemplateSpecification, LifecycleHookSpecification,
    MixedInstancesPolicy, TrafficSourceIdentifier,
};

pub use crate::ids::AutoScalingGroupName;

use phx_model::driver::Registry;

use crate::client::{Aws, Service};
use crate::manage;

/// EC2 Auto Scaling in one place.
pub type AutoScaling = Service<aws_sdk_autoscaling::Client>;

/// Adds the service's types.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<Group>(registry, aws);
}
