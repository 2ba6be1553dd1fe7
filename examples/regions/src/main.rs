//! Several regions and accounts in one program, which asks AWS what it finds there before it decides what there is to be.

use phx::aws::ec2::{Subnet, Vpc};
use phx::aws::logs::LogGroup;
use phx::aws::lookup::{AvailabilityZones, CallerIdentity, Partition};
use phx::prelude::*;
use serde::Deserialize;

/// What `dev.toml` says.
#[derive(Deserialize)]
struct Config {
    zones: usize,
    replica_region: String,
    tenant: Option<Tenant>,
}

/// An account that is managed along.
#[derive(Deserialize)]
struct Tenant {
    role: String,
    external_id: String,
    region: String,
}

fn main() -> ExitCode {
    phx::main(regions)
}

fn regions(stack: &mut Stack) -> Result<()> {
    let config: Config = stack.config()?;
    // Asked at once, before anything is declared; what was asked is not asked again.
    let usual = || AvailabilityZones::new().state("available").zone_type("availability-zone");
    let (me, here, zones) = stack.lookup_all((CallerIdentity::new(), Partition::new(), usual()))?;
    let range: Ipv4Cidr = "10.0.0.0/16".parse()?;
    network(&stack.component("network")?, range, zones.iter().take(config.zones).map(|zone| zone.name.as_str()))?;

    // The same log in two regions.
    let replica = stack.provider("replica", Provider::new().region(config.replica_region))?;
    let audit = format!("/regions/{}/audit", me.account_id);
    stack.add("audit", LogGroup::new(audit.as_str()).retention_in_days(30))?;
    stack.add_with("audit-replica", LogGroup::new(audit).retention_in_days(90), Options::new().provider(&replica))?;

    // Another account: everything below lies there, components too.
    if let Some(tenant) = config.tenant {
        let provider = Provider::new().region(tenant.region).assume_role(tenant.role).external_id(tenant.external_id);
        let there = stack.with_provider(&stack.provider("tenant", provider)?).component("tenant")?;
        let zones = there.lookup(usual())?;
        network(&there.component("network")?, range, zones.iter().take(1).map(|zone| zone.name.as_str()))?;
        let name = format!("/regions/{}/app", there.lookup(CallerIdentity::new())?.account_id);
        let logs = there.add("app", LogGroup::new(name))?;
        stack.export("tenant_log_group", logs.arn())?;
    }
    stack.export("region", here.region)?;
    Ok(())
}

/// A VPC with a subnet in each of the zones.
fn network<'a>(scope: &Scope, range: Ipv4Cidr, zones: impl Iterator<Item = &'a str>) -> Result<()> {
    let vpc = scope.add("main", Vpc::new(range))?;
    for (n, zone) in (0..).zip(zones) {
        scope.add(zone, Subnet::new(vpc.id(), range.subnet(8, n)?).availability_zone(zone))?;
    }
    Ok(())
}
