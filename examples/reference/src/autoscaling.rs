//! The examples of `autoscaling` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:autoscaling:Group", group_example::program),
];

mod group_example {
    use phx::aws::autoscaling::{Group, LaunchTemplateSpecification};
    use phx::aws::ids::LaunchTemplateId;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let group = stack.add(
            "main",
            Group::new("main", 1, 1)
                .desired_capacity(1)
                .desired_capacity_type("units")
                .launch_template(LaunchTemplateSpecification::new().launch_template_id(LaunchTemplateId::new("lt-0a1b2c3d")))
                .tag("Name", "main"),
        )?;
        stack.export("arn", group.arn())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::autoscaling::{AmountRange, AvailabilityZoneDistribution, AvailabilityZoneImpairmentPolicy, CapacityReservationSpecification, CapacityReservationTarget, CountRange, InstanceMaintenancePolicy, InstanceRequirements, InstancesDistribution, LaunchTemplate, LaunchTemplateOverrides, LaunchTemplateSpecification, LifecycleHookSpecification, MixedInstancesPolicy, TrafficSourceIdentifier};
}
