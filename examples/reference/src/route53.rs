//! The examples of `route53` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:route53:HostedZone", hosted_zone_example::program),
    ("aws:route53:Record", record_example::program),
];

mod hosted_zone_example {
    use phx::aws::ids::VpcId;
    use phx::aws::route53::{HostedZone, ZoneVpc};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let hosted_zone = stack.add(
            "main",
            HostedZone::new("example.com")
                .comment("An example")
                .private_zone(true)
                .vpcs([ZoneVpc::new(VpcId::new("vpc-0a1b2c3d"))])
                .tag("Name", "main"),
        )?;
        stack.export("id", hosted_zone.id())?;
        Ok(())
    }
}

mod record_example {
    use phx::aws::ids::HostedZoneId;
    use phx::aws::route53::{AliasTarget, Record};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let record = stack.add(
            "main",
            Record::new(HostedZoneId::new("main"), "www.example.com", "AAAA")
                .alias_target(AliasTarget::new(HostedZoneId::new("main"), "main", true))
                .set_identifier("main")
                .weight(255_i64),
        )?;
        stack.export("id", record.id())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::route53::{AliasTarget, CidrRoutingConfig, Coordinates, GeoLocation, GeoProximityLocation, ZoneVpc};
}
