//! The parts of groups, as blocks of fields.

use phx_model::{Block, Input};

use crate::arn::Arn;
use crate::ids::LaunchTemplateId;

/// What instances are launched from. Either the id or the name is set.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateSpecification {
    /// The launch template.
    #[field(cloud_default)]
    pub launch_template_id: Option<Input<LaunchTemplateId>>,
    /// The launch template's name.
    #[field(cloud_default)]
    pub launch_template_name: Option<Input<String>>,
    /// Its version: a number, `$Latest`, or `$Default`, which is AWS's default.
    #[field(cloud_default)]
    pub version: Option<Input<String>>,
}

/// Instances of several types, on demand and spot.
#[derive(Clone, Debug, Block)]
pub struct MixedInstancesPolicy {
    /// What they are launched from.
    pub launch_template: Input<LaunchTemplate>,
    /// How many of which kind.
    #[field(cloud_default)]
    pub instances_distribution: Option<Input<InstancesDistribution>>,
}

/// A launch template, and which types take the place of its own.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplate {
    /// The launch template.
    pub launch_template_specification: Input<LaunchTemplateSpecification>,
    /// The types, the preferred ones first; or what a type must have.
    pub overrides: Option<Input<Vec<LaunchTemplateOverrides>>>,
}

/// What instances of a group may be in place of what the launch template says.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateOverrides {
    /// The type. Not with `instance_requirements`.
    pub instance_type: Option<Input<String>>,
    /// How much an instance of it counts.
    pub weighted_capacity: Option<Input<String>>,
    /// Another launch template for it.
    pub launch_template_specification: Option<Input<LaunchTemplateSpecification>>,
    /// What a type must have, in place of naming one.
    pub instance_requirements: Option<Input<InstanceRequirements>>,
    /// Another image for it.
    pub image_id: Option<Input<String>>,
}

/// How many instances are on demand and how many spot, and which types are launched first.
#[derive(Clone, Debug, Block)]
pub struct InstancesDistribution {
    /// `prioritized` or `lowest-price`.
    #[field(cloud_default)]
    pub on_demand_allocation_strategy: Option<Input<String>>,
    /// How many are on demand before any is spot. AWS's default: 0.
    #[field(cloud_default)]
    pub on_demand_base_capacity: Option<Input<i32>>,
    /// Of the others, how many of a hundred are on demand. AWS's default: 100.
    #[field(cloud_default)]
    pub on_demand_percentage_above_base_capacity: Option<Input<i32>>,
    /// `price-capacity-optimized`, `capacity-optimized`, `capacity-optimized-prioritized` or `lowest-price`.
    #[field(cloud_default)]
    pub spot_allocation_strategy: Option<Input<String>>,
    /// Over how many of the cheapest types `lowest-price` spreads, 1 to 20.
    #[field(cloud_default)]
    pub spot_instance_pools: Option<Input<i32>>,
    /// The highest price an hour. AWS's default: that of instances on demand.
    #[field(cloud_default)]
    pub spot_max_price: Option<Input<String>>,
    /// For each part of the group the kinds of capacity that are tried, in this order: `on-demand-capacity-reservation`, `capacity-block`,
    /// `interruptible-capacity-reservation`, `on-demand`.
    #[field(cloud_default)]
    pub distribution_segments: Option<Input<Vec<Vec<String>>>>,
}

/// From and to, in whole numbers.
#[derive(Clone, Debug, Block)]
pub struct CountRange {
    /// At least.
    pub min: Option<Input<i32>>,
    /// At most.
    pub max: Option<Input<i32>>,
}

/// From and to.
#[derive(Clone, Debug, Block)]
pub struct AmountRange {
    /// At least.
    pub min: Option<Input<f64>>,
    /// At most.
    pub max: Option<Input<f64>>,
}

/// What an instance type must have.
#[derive(Clone, Debug, Block)]
pub struct InstanceRequirements {
    /// Virtual processors.
    pub v_cpu_count: Input<CountRange>,
    /// Memory in MiB.
    pub memory_mib: Input<CountRange>,
    /// `intel`, `amd`, `amazon-web-services`, `apple`.
    #[field(set, cloud_default)]
    pub cpu_manufacturers: Option<Input<Vec<String>>>,
    /// Memory for each virtual processor in GiB.
    #[field(cloud_default)]
    pub memory_gib_per_v_cpu: Option<Input<AmountRange>>,
    /// Types that it must not be, with `*` for anything: `r*`, `m5.8xlarge`.
    #[field(set, cloud_default)]
    pub excluded_instance_types: Option<Input<Vec<String>>>,
    /// `current`, `previous`.
    #[field(set, cloud_default)]
    pub instance_generations: Option<Input<Vec<String>>>,
    /// How many percent more than the cheapest one a spot instance may cost.
    #[field(cloud_default)]
    pub spot_max_price_percentage_over_lowest_price: Option<Input<i32>>,
    /// How many percent of the cheapest one on demand a spot instance may cost.
    #[field(cloud_default)]
    pub max_spot_price_as_percentage_of_optimal_on_demand_price: Option<Input<i32>>,
    /// How many percent more than the cheapest one an instance on demand may cost.
    #[field(cloud_default)]
    pub on_demand_max_price_percentage_over_lowest_price: Option<Input<i32>>,
    /// Bare metal: `included`, `excluded` or `required`.
    #[field(cloud_default)]
    pub bare_metal: Option<Input<String>>,
    /// Burstable performance: `included`, `excluded` or `required`.
    #[field(cloud_default)]
    pub burstable_performance: Option<Input<String>>,
    /// Whether it must be able to hibernate.
    #[field(cloud_default)]
    pub require_hibernate_support: Option<Input<bool>>,
    /// Network interfaces.
    #[field(cloud_default)]
    pub network_interface_count: Option<Input<CountRange>>,
    /// Volumes of its own: `included`, `excluded` or `required`.
    #[field(cloud_default)]
    pub local_storage: Option<Input<String>>,
    /// `hdd`, `ssd`.
    #[field(set, cloud_default)]
    pub local_storage_types: Option<Input<Vec<String>>>,
    /// Volumes of its own in GB.
    #[field(cloud_default)]
    pub total_local_storage_gb: Option<Input<AmountRange>>,
    /// Bandwidth to EBS in Mbit/s.
    #[field(cloud_default)]
    pub baseline_ebs_bandwidth_mbps: Option<Input<CountRange>>,
    /// `gpu`, `fpga`, `inference`, `media`.
    #[field(set, cloud_default)]
    pub accelerator_types: Option<Input<Vec<String>>>,
    /// Accelerators.
    #[field(cloud_default)]
    pub accelerator_count: Option<Input<CountRange>>,
    /// `nvidia`, `amd`, `amazon-web-services`, `xilinx`, `habana`.
    #[field(set, cloud_default)]
    pub accelerator_manufacturers: Option<Input<Vec<String>>>,
    /// `a100`, `t4`, `inferentia` … .
    #[field(set, cloud_default)]
    pub accelerator_names: Option<Input<Vec<String>>>,
    /// The accelerators' memory in MiB.
    #[field(cloud_default)]
    pub accelerator_total_memory_mib: Option<Input<CountRange>>,
    /// Bandwidth of the network in Gbit/s.
    #[field(cloud_default)]
    pub network_bandwidth_gbps: Option<Input<AmountRange>>,
    /// Types that it must be one of, with `*` for anything.
    #[field(set, cloud_default)]
    pub allowed_instance_types: Option<Input<Vec<String>>>,
    /// Families whose processors it must match: `c6i`.
    #[field(set, cloud_default)]
    pub baseline_performance_families: Option<Input<Vec<String>>>,
}

/// What sends traffic to a group's instances.
#[derive(Clone, Debug, Block)]
pub struct TrafficSourceIdentifier {
    /// A target group's ARN, a classic load balancer's name, or a VPC Lattice target group's ARN.
    pub identifier: Input<String>,
    /// `elb`, `elbv2` or `vpc-lattice`.
    #[field(cloud_default)]
    pub r#type: Option<Input<String>>,
}

/// What must be done before an instance serves, or before it is terminated.
#[derive(Clone, Debug, Block)]
pub struct LifecycleHookSpecification {
    /// The name, unique in the group.
    pub lifecycle_hook_name: Input<String>,
    /// `autoscaling:EC2_INSTANCE_LAUNCHING` or `autoscaling:EC2_INSTANCE_TERMINATING`.
    pub lifecycle_transition: Input<String>,
    /// What is told besides.
    pub notification_metadata: Option<Input<String>>,
    /// How many seconds it is waited for, 30 to 7200. AWS's default: 3600.
    #[field(cloud_default)]
    pub heartbeat_timeout: Option<Input<i32>>,
    /// What happens after that: `CONTINUE` or `ABANDON`, which is AWS's default.
    #[field(cloud_default)]
    pub default_result: Option<Input<String>>,
    /// The queue or topic that is told.
    pub notification_target_arn: Option<Input<Arn>>,
    /// The role that may tell it.
    pub role_arn: Option<Input<Arn>>,
}

/// How many instances stay in service while others are replaced, of a hundred.
#[derive(Clone, Debug, Block)]
pub struct InstanceMaintenancePolicy {
    /// At least: 0 to 100.
    pub min_healthy_percentage: Input<i32>,
    /// At most: 100 to 200.
    pub max_healthy_percentage: Input<i32>,
}

/// How instances are spread over zones.
#[derive(Clone, Debug, Block)]
pub struct AvailabilityZoneDistribution {
    /// `balanced-best-effort`, `balanced-only` or `reservations-then-balanced`.
    pub capacity_distribution_strategy: Input<String>,
}

/// What happens while a zone is impaired.
#[derive(Clone, Debug, Block)]
pub struct AvailabilityZoneImpairmentPolicy {
    /// Whether zonal shifts take instances out of it.
    pub zonal_shift_enabled: Input<bool>,
    /// What becomes of unhealthy instances there: `ReplaceUnhealthy` or `IgnoreUnhealthy`.
    #[field(cloud_default)]
    pub impaired_zone_health_check_behavior: Option<Input<String>>,
}

/// Which reserved capacity instances use.
#[derive(Clone, Debug, Block)]
pub struct CapacityReservationSpecification {
    /// `capacity-reservations-only`, `capacity-reservations-first`, `none` or `default`.
    #[field(cloud_default)]
    pub capacity_reservation_preference: Option<Input<String>>,
    /// Which reservations.
    pub capacity_reservation_target: Option<Input<CapacityReservationTarget>>,
}

/// Reserved capacity. One of the two is set.
#[derive(Clone, Debug, Block)]
pub struct CapacityReservationTarget {
    /// The reservations.
    #[field(set)]
    pub capacity_reservation_ids: Option<Input<Vec<String>>>,
    /// Groups of reservations.
    #[field(set)]
    pub capacity_reservation_resource_group_arns: Option<Input<Vec<Arn>>>,
}
