use phx::aws::ec2::{
    Eip, InternetGateway, NatGateway, Route, RouteTable, RouteTableAssociation, Subnet, SubnetId, Vpc,
};
use phx::aws::logs::LogGroup;
use phx::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    environment: String,
    range: Ipv4Cidr,
    zones: Vec<String>,
}

pub(crate) fn program(stack: &mut Stack) -> Result<()> {
    let config: Config = stack.config()?;
    let private_subnets = network(&stack.component("network")?, &config)?;
    stack.export("private_subnets", private_subnets)?;
    Ok(())
}

fn network(scope: &Scope, config: &Config) -> Result<Vec<Output<SubnetId>>> {
    let name = |what: &str| format!("phoenix-{}-{what}", config.environment);
    let everywhere: Ipv4Cidr = "0.0.0.0/0".parse()?;

    let vpc = Vpc::new(config.range).enable_dns_hostnames(true).tag("Name", name("vpc"));
    let vpc = scope.add("vpc", vpc)?;
    let internet = scope.add("internet", InternetGateway::new().vpc_id(vpc.id()))?;
    let public_table = scope.add("public", RouteTable::new(vpc.id()))?;
    let route = Route::new(public_table.id()).destination_cidr_block(everywhere).gateway_id(internet.id());
    scope.add("public-internet", route)?;

    let mut private_subnets = Vec::new();
    for (n, zone) in (0..).zip(&config.zones) {
        let public = Subnet::new(vpc.id(), config.range.subnet(4, n)?)
            .availability_zone(zone.as_str())
            .map_public_ip_on_launch(true)
            .tag("Name", name(&format!("public-{zone}")));
        let public = scope.add(&format!("public-{zone}"), public)?;
        let association = RouteTableAssociation::new(public_table.id()).subnet_id(public.id());
        scope.add(&format!("public-{zone}"), association)?;

        let address = scope.add(&format!("nat-{zone}"), Eip::new().domain("vpc"))?;
        let nat = NatGateway::new().subnet_id(public.id()).allocation_id(address.id());
        let nat = scope.add_with(&format!("nat-{zone}"), nat, Options::new().depends_on(&internet))?;

        let private = Subnet::new(vpc.id(), config.range.subnet(3, 4 + n)?)
            .availability_zone(zone.as_str())
            .tag("Name", name(&format!("private-{zone}")));
        let private = scope.add(&format!("private-{zone}"), private)?;
        let table = scope.add(&format!("private-{zone}"), RouteTable::new(vpc.id()))?;
        let route = Route::new(table.id()).destination_cidr_block(everywhere).nat_gateway_id(nat.id());
        scope.add(&format!("private-{zone}-internet"), route)?;
        let association = RouteTableAssociation::new(table.id()).subnet_id(private.id());
        scope.add(&format!("private-{zone}"), association)?;
        private_subnets.push(private.id());
    }

    let logs = LogGroup::new(format!("/phoenix/{}/flow-logs", config.environment)).retention_in_days(365);
    scope.add_with("flow-logs", logs, Options::new().protect(true))?;
    Ok(private_subnets)
}
