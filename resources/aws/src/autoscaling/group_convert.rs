//! The parts of groups to and from the SDK's structures.

use aws_sdk_autoscaling::types as sdk;

use super::group_blocks::{
    AmountRangeResolved, AvailabilityZoneDistributionResolved, AvailabilityZoneImpairmentPolicyResolved,
    CapacityReservationSpecificationResolved, CapacityReservationTargetResolved, CountRangeResolved,
    InstanceMaintenancePolicyResolved, InstanceRequirementsResolved, InstancesDistributionResolved,
    LaunchTemplateOverridesResolved, LaunchTemplateResolved, LaunchTemplateSpecificationResolved,
    LifecycleHookSpecificationResolved, MixedInstancesPolicyResolved, TrafficSourceIdentifierResolved,
};
use crate::arn::Arn;
use crate::ids::LaunchTemplateId;

fn text(text: Option<&str>) -> Option<String> {
    text.filter(|t| !t.is_empty()).map(str::to_owned)
}

fn some<T>(all: Vec<T>) -> Option<Vec<T>> {
    Some(all).filter(|all| !all.is_empty())
}

pub(super) fn to_template(want: &LaunchTemplateSpecificationResolved) -> sdk::LaunchTemplateSpecification {
    sdk::LaunchTemplateSpecification::builder()
        .set_launch_template_id(want.launch_template_id.as_ref().map(ToString::to_string))
        .set_launch_template_name(want.launch_template_name.clone())
        .set_version(want.version.clone())
        .build()
}

pub(super) fn from_template(there: &sdk::LaunchTemplateSpecification) -> LaunchTemplateSpecificationResolved {
    LaunchTemplateSpecificationResolved {
        launch_template_id: there.launch_template_id().map(LaunchTemplateId::new),
        launch_template_name: text(there.launch_template_name()),
        version: text(there.version()),
    }
}

pub(super) fn to_mixed(want: &MixedInstancesPolicyResolved) -> sdk::MixedInstancesPolicy {
    let template = &want.launch_template;
    let overrides = template.overrides.as_ref().map(|all| all.iter().map(to_override).collect());
    let template = sdk::LaunchTemplate::builder()
        .launch_template_specification(to_template(&template.launch_template_specification))
        .set_overrides(overrides)
        .build();
    sdk::MixedInstancesPolicy::builder()
        .launch_template(template)
        .set_instances_distribution(want.instances_distribution.as_ref().map(to_distribution))
        .build()
}

pub(super) fn from_mixed(there: &sdk::MixedInstancesPolicy) -> Option<MixedInstancesPolicyResolved> {
    let template = there.launch_template()?;
    Some(MixedInstancesPolicyResolved {
        launch_template: LaunchTemplateResolved {
            launch_template_specification: from_template(template.launch_template_specification()?),
            overrides: some(template.overrides().iter().map(from_override).collect()),
        },
        instances_distribution: there.instances_distribution().map(from_distribution),
    })
}

fn to_override(want: &LaunchTemplateOverridesResolved) -> sdk::LaunchTemplateOverrides {
    sdk::LaunchTemplateOverrides::builder()
        .set_instance_type(want.instance_type.clone())
        .set_weighted_capacity(want.weighted_capacity.clone())
        .set_launch_template_specification(want.launch_template_specification.as_ref().map(to_template))
        .set_instance_requirements(want.instance_requirements.as_ref().map(to_requirements))
        .set_image_id(want.image_id.clone())
        .build()
}

fn from_override(there: &sdk::LaunchTemplateOverrides) -> LaunchTemplateOverridesResolved {
    LaunchTemplateOverridesResolved {
        instance_type: text(there.instance_type()),
        weighted_capacity: text(there.weighted_capacity()),
        launch_template_specification: there.launch_template_specification().map(from_template),
        instance_requirements: there.instance_requirements().map(from_requirements),
        image_id: text(there.image_id()),
    }
}

fn to_distribution(want: &InstancesDistributionResolved) -> sdk::InstancesDistribution {
    let segment = |kinds: &Vec<String>| {
        let kinds = kinds.iter().map(|k| k.as_str().into()).collect();
        sdk::DistributionSegment::builder().set_target_capacity_types(Some(kinds)).build()
    };
    sdk::InstancesDistribution::builder()
        .set_on_demand_allocation_strategy(want.on_demand_allocation_strategy.clone())
        .set_on_demand_base_capacity(want.on_demand_base_capacity)
        .set_on_demand_percentage_above_base_capacity(want.on_demand_percentage_above_base_capacity)
        .set_spot_allocation_strategy(want.spot_allocation_strategy.clone())
        .set_spot_instance_pools(want.spot_instance_pools)
        .set_spot_max_price(want.spot_max_price.clone())
        .set_distribution_segments(want.distribution_segments.as_ref().map(|all| all.iter().map(segment).collect()))
        .build()
}

fn from_distribution(there: &sdk::InstancesDistribution) -> InstancesDistributionResolved {
    let segment = |segment: &sdk::DistributionSegment| {
        segment.target_capacity_types().iter().map(|k| k.as_str().to_owned()).collect()
    };
    InstancesDistributionResolved {
        on_demand_allocation_strategy: text(there.on_demand_allocation_strategy()),
        on_demand_base_capacity: there.on_demand_base_capacity,
        on_demand_percentage_above_base_capacity: there.on_demand_percentage_above_base_capacity,
        spot_allocation_strategy: text(there.spot_allocation_strategy()),
        spot_instance_pools: there.spot_instance_pools,
        spot_max_price: text(there.spot_max_price()),
        distribution_segments: some(there.distribution_segments().iter().map(segment).collect()),
    }
}

/// The SDK has a structure of its own for every range.
macro_rules! ranges {
    ($($to:ident, $from:ident, $sdk:ident, $range:ident;)*) => {$(
        fn $to(want: &$range) -> sdk::$sdk {
            sdk::$sdk::builder().set_min(want.min).set_max(want.max).build()
        }

        fn $from(there: &sdk::$sdk) -> $range {
            $range { min: there.min, max: there.max }
        }
    )*};
}

ranges! {
    to_cpus, from_cpus, VCpuCountRequest, CountRangeResolved;
    to_memory, from_memory, MemoryMiBRequest, CountRangeResolved;
    to_memory_per_cpu, from_memory_per_cpu, MemoryGiBPerVCpuRequest, AmountRangeResolved;
    to_interfaces, from_interfaces, NetworkInterfaceCountRequest, CountRangeResolved;
    to_storage, from_storage, TotalLocalStorageGbRequest, AmountRangeResolved;
    to_ebs, from_ebs, BaselineEbsBandwidthMbpsRequest, CountRangeResolved;
    to_accelerators, from_accelerators, AcceleratorCountRequest, CountRangeResolved;
    to_accelerator_memory, from_accelerator_memory, AcceleratorTotalMemoryMiBRequest, CountRangeResolved;
    to_network, from_network, NetworkBandwidthGbpsRequest, AmountRangeResolved;
}

/// A list of words as the SDK's enumeration.
fn words<T: for<'a> From<&'a str>>(words: Option<&Vec<String>>) -> Option<Vec<T>> {
    words.map(|all| all.iter().map(|word| T::from(word.as_str())).collect())
}

fn words_of<'a, T: 'a>(told: &'a [T], word: impl Fn(&'a T) -> &'a str) -> Option<Vec<String>> {
    some(told.iter().map(|t| word(t).to_owned()).collect())
}

fn to_requirements(want: &InstanceRequirementsResolved) -> sdk::InstanceRequirements {
    let families = want.baseline_performance_families.as_ref().map(|families| {
        let one = |family: &String| sdk::PerformanceFactorReferenceRequest::builder().instance_family(family).build();
        let references = families.iter().map(one).collect();
        let cpu = sdk::CpuPerformanceFactorRequest::builder().set_references(Some(references)).build();
        sdk::BaselinePerformanceFactorsRequest::builder().cpu(cpu).build()
    });
    sdk::InstanceRequirements::builder()
        .v_cpu_count(to_cpus(&want.v_cpu_count))
        .memory_mib(to_memory(&want.memory_mib))
        .set_cpu_manufacturers(words(want.cpu_manufacturers.as_ref()))
        .set_memory_gib_per_v_cpu(want.memory_gib_per_v_cpu.as_ref().map(to_memory_per_cpu))
        .set_excluded_instance_types(want.excluded_instance_types.clone())
        .set_instance_generations(words(want.instance_generations.as_ref()))
        .set_spot_max_price_percentage_over_lowest_price(want.spot_max_price_percentage_over_lowest_price)
        .set_max_spot_price_as_percentage_of_optimal_on_demand_price(
            want.max_spot_price_as_percentage_of_optimal_on_demand_price,
        )
        .set_on_demand_max_price_percentage_over_lowest_price(want.on_demand_max_price_percentage_over_lowest_price)
        .set_bare_metal(want.bare_metal.as_deref().map(Into::into))
        .set_burstable_performance(want.burstable_performance.as_deref().map(Into::into))
        .set_require_hibernate_support(want.require_hibernate_support)
        .set_network_interface_count(want.network_interface_count.as_ref().map(to_interfaces))
        .set_local_storage(want.local_storage.as_deref().map(Into::into))
        .set_local_storage_types(words(want.local_storage_types.as_ref()))
        .set_total_local_storage_gb(want.total_local_storage_gb.as_ref().map(to_storage))
        .set_baseline_ebs_bandwidth_mbps(want.baseline_ebs_bandwidth_mbps.as_ref().map(to_ebs))
        .set_accelerator_types(words(want.accelerator_types.as_ref()))
        .set_accelerator_count(want.accelerator_count.as_ref().map(to_accelerators))
        .set_accelerator_manufacturers(words(want.accelerator_manufacturers.as_ref()))
        .set_accelerator_names(words(want.accelerator_names.as_ref()))
        .set_accelerator_total_memory_mib(want.accelerator_total_memory_mib.as_ref().map(to_accelerator_memory))
        .set_network_bandwidth_gbps(want.network_bandwidth_gbps.as_ref().map(to_network))
        .set_allowed_instance_types(want.allowed_instance_types.clone())
        .set_baseline_performance_factors(families)
        .build()
}

fn from_requirements(there: &sdk::InstanceRequirements) -> InstanceRequirementsResolved {
    let none = CountRangeResolved { min: None, max: None };
    let references = there.baseline_performance_factors().and_then(|f| f.cpu()).map(|c| c.references());
    let families = references.unwrap_or_default().iter().filter_map(|r| r.instance_family.clone());
    InstanceRequirementsResolved {
        v_cpu_count: there.v_cpu_count().map_or_else(|| none.clone(), from_cpus),
        memory_mib: there.memory_mib().map_or(none, from_memory),
        cpu_manufacturers: words_of(there.cpu_manufacturers(), |w| w.as_str()),
        memory_gib_per_v_cpu: there.memory_gib_per_v_cpu().map(from_memory_per_cpu),
        excluded_instance_types: some(there.excluded_instance_types().to_vec()),
        instance_generations: words_of(there.instance_generations(), |w| w.as_str()),
        spot_max_price_percentage_over_lowest_price: there.spot_max_price_percentage_over_lowest_price,
        max_spot_price_as_percentage_of_optimal_on_demand_price: there
            .max_spot_price_as_percentage_of_optimal_on_demand_price,
        on_demand_max_price_percentage_over_lowest_price: there.on_demand_max_price_percentage_over_lowest_price,
        bare_metal: there.bare_metal().map(|b| b.as_str().to_owned()),
        burstable_performance: there.burstable_performance().map(|b| b.as_str().to_owned()),
        require_hibernate_support: there.require_hibernate_support,
        network_interface_count: there.network_interface_count().map(from_interfaces),
        local_storage: there.local_storage().map(|s| s.as_str().to_owned()),
        local_storage_types: words_of(there.local_storage_types(), |w| w.as_str()),
        total_local_storage_gb: there.total_local_storage_gb().map(from_storage),
        baseline_ebs_bandwidth_mbps: there.baseline_ebs_bandwidth_mbps().map(from_ebs),
        accelerator_types: words_of(there.accelerator_types(), |w| w.as_str()),
        accelerator_count: there.accelerator_count().map(from_accelerators),
        accelerator_manufacturers: words_of(there.accelerator_manufacturers(), |w| w.as_str()),
        accelerator_names: words_of(there.accelerator_names(), |w| w.as_str()),
        accelerator_total_memory_mib: there.accelerator_total_memory_mib().map(from_accelerator_memory),
        network_bandwidth_gbps: there.network_bandwidth_gbps().map(from_network),
        allowed_instance_types: some(there.allowed_instance_types().to_vec()),
        baseline_performance_families: some(families.collect()),
    }
}

pub(super) fn to_source(want: &TrafficSourceIdentifierResolved) -> sdk::TrafficSourceIdentifier {
    sdk::TrafficSourceIdentifier::builder().identifier(&want.identifier).set_type(want.r#type.clone()).build()
}

pub(super) fn from_source(there: &sdk::TrafficSourceIdentifier) -> Option<TrafficSourceIdentifierResolved> {
    Some(TrafficSourceIdentifierResolved { identifier: there.identifier.clone()?, r#type: text(there.r#type()) })
}

pub(super) fn to_hook(want: &LifecycleHookSpecificationResolved) -> sdk::LifecycleHookSpecification {
    sdk::LifecycleHookSpecification::builder()
        .lifecycle_hook_name(&want.lifecycle_hook_name)
        .lifecycle_transition(&want.lifecycle_transition)
        .set_notification_metadata(want.notification_metadata.clone())
        .set_heartbeat_timeout(want.heartbeat_timeout)
        .set_default_result(want.default_result.clone())
        .set_notification_target_arn(want.notification_target_arn.as_ref().map(Arn::to_string))
        .set_role_arn(want.role_arn.as_ref().map(Arn::to_string))
        .build()
}

pub(super) fn from_hook(there: &sdk::LifecycleHook) -> Option<LifecycleHookSpecificationResolved> {
    Some(LifecycleHookSpecificationResolved {
        lifecycle_hook_name: there.lifecycle_hook_name.clone()?,
        lifecycle_transition: there.lifecycle_transition.clone()?,
        notification_metadata: text(there.notification_metadata()),
        heartbeat_timeout: there.heartbeat_timeout,
        default_result: text(there.default_result()),
        notification_target_arn: text(there.notification_target_arn()).map(Arn::new),
        role_arn: text(there.role_arn()).map(Arn::new),
    })
}

pub(super) fn to_maintenance(want: &InstanceMaintenancePolicyResolved) -> sdk::InstanceMaintenancePolicy {
    sdk::InstanceMaintenancePolicy::builder()
        .min_healthy_percentage(want.min_healthy_percentage)
        .max_healthy_percentage(want.max_healthy_percentage)
        .build()
}

/// No policy is told as one of −1 each.
pub(super) fn from_maintenance(there: &sdk::InstanceMaintenancePolicy) -> Option<InstanceMaintenancePolicyResolved> {
    Some(InstanceMaintenancePolicyResolved {
        min_healthy_percentage: there.min_healthy_percentage.filter(|p| *p >= 0)?,
        max_healthy_percentage: there.max_healthy_percentage.filter(|p| *p >= 0)?,
    })
}

pub(super) fn to_zones(want: &AvailabilityZoneDistributionResolved) -> sdk::AvailabilityZoneDistribution {
    sdk::AvailabilityZoneDistribution::builder()
        .capacity_distribution_strategy(want.capacity_distribution_strategy.as_str().into())
        .build()
}

pub(super) fn from_zones(there: &sdk::AvailabilityZoneDistribution) -> Option<AvailabilityZoneDistributionResolved> {
    let strategy = there.capacity_distribution_strategy()?.as_str().to_owned();
    Some(AvailabilityZoneDistributionResolved { capacity_distribution_strategy: strategy })
}

pub(super) fn to_impairment(want: &AvailabilityZoneImpairmentPolicyResolved) -> sdk::AvailabilityZoneImpairmentPolicy {
    sdk::AvailabilityZoneImpairmentPolicy::builder()
        .zonal_shift_enabled(want.zonal_shift_enabled)
        .set_impaired_zone_health_check_behavior(want.impaired_zone_health_check_behavior.as_deref().map(Into::into))
        .build()
}

pub(super) fn from_impairment(
    there: &sdk::AvailabilityZoneImpairmentPolicy,
) -> Option<AvailabilityZoneImpairmentPolicyResolved> {
    Some(AvailabilityZoneImpairmentPolicyResolved {
        zonal_shift_enabled: there.zonal_shift_enabled?,
        impaired_zone_health_check_behavior: there.impaired_zone_health_check_behavior().map(|b| b.as_str().to_owned()),
    })
}

pub(super) fn to_reservations(
    want: &CapacityReservationSpecificationResolved,
) -> sdk::CapacityReservationSpecification {
    let target = want.capacity_reservation_target.as_ref().map(|target| {
        let groups = target.capacity_reservation_resource_group_arns.as_ref();
        sdk::CapacityReservationTarget::builder()
            .set_capacity_reservation_ids(target.capacity_reservation_ids.clone())
            .set_capacity_reservation_resource_group_arns(groups.map(|g| g.iter().map(Arn::to_string).collect()))
            .build()
    });
    sdk::CapacityReservationSpecification::builder()
        .set_capacity_reservation_preference(want.capacity_reservation_preference.as_deref().map(Into::into))
        .set_capacity_reservation_target(target)
        .build()
}

pub(super) fn from_reservations(
    there: &sdk::CapacityReservationSpecification,
) -> CapacityReservationSpecificationResolved {
    let target = there.capacity_reservation_target().map(|target| CapacityReservationTargetResolved {
        capacity_reservation_ids: some(target.capacity_reservation_ids().to_vec()),
        capacity_reservation_resource_group_arns: some(
            target.capacity_reservation_resource_group_arns().iter().map(Arn::new).collect(),
        ),
    });
    let said = |t: &CapacityReservationTargetResolved| {
        t.capacity_reservation_ids.is_some() || t.capacity_reservation_resource_group_arns.is_some()
    };
    CapacityReservationSpecificationResolved {
        capacity_reservation_preference: there.capacity_reservation_preference().map(|p| p.as_str().to_owned()),
        capacity_reservation_target: target.filter(said),
    }
}
