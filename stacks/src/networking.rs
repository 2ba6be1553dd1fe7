//! The network: a VPC with public, private and database subnets in every zone.
//!
//! | tier | its way out | who lives there |
//! |---|---|---|
//! | public | the internet gateway | load balancers, NAT gateways |
//! | private | a NAT gateway | nodes, the bastion unless it takes SSH from outside, interface endpoints |
//! | database | none | databases |

mod endpoints;
mod tiers;

use phx::aws::ec2::{
    Eip, InternetGateway, NatGateway, NatGatewayId, Route, RouteTable, RouteTableAssociation, RouteTableId,
    SecurityGroup, SecurityGroupEgressRule, SecurityGroupIngressRule, Subnet, SubnetId, Vpc,
};
use phx::aws::route53::HostedZone;
use phx::prelude::*;

use crate::config::{Config, NatGateways};
use crate::platform::Platform;

/// What the rest of the platform needs of the network.
pub(crate) struct Network {
    /// One a zone.
    pub public_subnets: Vec<Output<SubnetId>>,
    /// The addresses of these.
    pub public_ranges: Vec<Ipv4Cidr>,
    /// One a zone.
    pub private_subnets: Vec<Output<SubnetId>>,
    /// The addresses of these.
    pub private_ranges: Vec<Ipv4Cidr>,
    /// The route tables of these, by the zone's letter.
    pub private_tables: Vec<(String, Output<RouteTableId>)>,
    /// One a zone.
    pub database_subnets: Vec<Output<SubnetId>>,
    /// The addresses of these.
    pub database_ranges: Vec<Ipv4Cidr>,
    /// Where databases have their names.
    pub zone: Handle<HostedZone>,
    /// For what talks inside the VPC only.
    pub internal: Handle<SecurityGroup>,
    /// The NAT gateways, by name.
    pub nat_gateways: Vec<(String, Output<NatGatewayId>)>,
    /// The addresses that the outside sees.
    pub nat_addresses: Vec<Output<String>>,
}

/// Declares the VPC, in which everything else lies.
pub(crate) fn vpc(scope: &Scope, config: &Config) -> Result<Handle<Vpc>> {
    let vpc = Vpc::new(config.network.cidr).enable_dns_support(true).enable_dns_hostnames(true);
    Ok(scope.add("vpc", vpc.tag("Name", config.name("vpc")))?)
}

/// Declares what is in it.
pub(crate) fn declare(scope: &Scope, platform: &Platform<'_>) -> Result<Network> {
    let config = platform.config;
    let name = |what: &str| platform.name(what);
    let range = config.network.cidr;
    let everywhere: Ipv4Cidr = "0.0.0.0/0".parse()?;
    let cluster_tag = format!("kubernetes.io/cluster/{}", config.cluster());
    let vpc = &platform.vpc;

    let gateway = scope.add("internet", InternetGateway::new().vpc_id(vpc.id()).tag("Name", name("internet")))?;
    let public_table = scope.add("public", RouteTable::new(vpc.id()).tag("Name", name("public")))?;
    scope.add(
        "public-internet",
        Route::new(public_table.id()).destination_cidr_block(everywhere).gateway_id(gateway.id()),
    )?;
    // No route but the VPC's own: nothing in these subnets reaches the internet or is reached from it.
    let database_table = scope.add("database", RouteTable::new(vpc.id()).tag("Name", name("database")))?;

    let mut network = Network {
        internal: internal_group(scope, vpc, range, &name("internal"))?,
        public_subnets: Vec::new(),
        public_ranges: Vec::new(),
        private_subnets: Vec::new(),
        private_ranges: Vec::new(),
        private_tables: Vec::new(),
        database_subnets: Vec::new(),
        database_ranges: Vec::new(),
        nat_gateways: Vec::new(),
        nat_addresses: Vec::new(),
        zone: endpoints::zone(scope, platform)?,
    };
    let mut tables = vec![public_table.id(), database_table.id()];
    let mut nat: Option<Handle<NatGateway>> = None;
    for (n, zone) in (0u32..).zip(&config.network.zones) {
        // us-west-2a is "a" in names: the region is the same for all.
        let letter = &zone[zone.len().saturating_sub(1)..];
        let subnet = |tier: &str, range: Ipv4Cidr| {
            Subnet::new(vpc.id(), range).availability_zone(zone.as_str()).tag("Name", name(&format!("{tier}-{letter}")))
        };
        // The VPC in sixteenths: 0 to 3 public, 4 to 7 database, 8 to 15 private, two of these for each zone's nodes and their pods.
        let public_range = range.subnet(4, n)?;
        let public = subnet("public", public_range)
            .map_public_ip_on_launch(true)
            .tag("kubernetes.io/role/elb", "1")
            .tag(cluster_tag.as_str(), "shared");
        let public = scope.add(&format!("public-{letter}"), public)?;
        let (private_range, database_range) = (range.subnet(3, 4 + n)?, range.subnet(4, 4 + n)?);
        let private = subnet("private", private_range)
            .tag("kubernetes.io/role/internal-elb", "1")
            .tag(cluster_tag.as_str(), "shared");
        let private = scope.add(&format!("private-{letter}"), private)?;
        let database = scope.add(&format!("database-{letter}"), subnet("database", database_range))?;

        let nat = match (&nat, config.network.nat_gateways) {
            (Some(shared), NatGateways::Single) => shared.clone(),
            _ => {
                let address = scope.add(&format!("nat-{letter}"), Eip::new().domain("vpc").tag("Name", name("nat")))?;
                network.nat_addresses.push(address.public_ip());
                let new = NatGateway::new()
                    .subnet_id(public.id())
                    .allocation_id(address.id())
                    .tag("Name", name(&format!("nat-{letter}")));
                // A NAT gateway needs the VPC's way out, though nothing in it refers to it.
                let new = scope.add_with(&format!("nat-{letter}"), new, Options::new().depends_on(&gateway))?;
                network.nat_gateways.push((format!("nat-{letter}"), new.id()));
                nat.insert(new).clone()
            }
        };
        let private_table = RouteTable::new(vpc.id()).tag("Name", name(&format!("private-{letter}")));
        let private_table = scope.add(&format!("private-{letter}"), private_table)?;
        scope.add(
            &format!("private-{letter}-internet"),
            Route::new(private_table.id()).destination_cidr_block(everywhere).nat_gateway_id(nat.id()),
        )?;
        for (tier, table, subnet) in [
            ("public", &public_table, &public),
            ("private", &private_table, &private),
            ("database", &database_table, &database),
        ] {
            let association = RouteTableAssociation::new(table.id()).subnet_id(subnet.id());
            scope.add(&format!("{tier}-{letter}"), association)?;
        }
        tables.push(private_table.id());
        network.private_tables.push((letter.to_owned(), private_table.id()));
        network.public_subnets.push(public.id());
        network.public_ranges.push(public_range);
        network.private_subnets.push(private.id());
        network.private_ranges.push(private_range);
        network.database_subnets.push(database.id());
        network.database_ranges.push(database_range);
    }
    tiers::declare(scope, platform, &network)?;
    endpoints::declare(scope, platform, &network, &tables)?;
    endpoints::flow_log(scope, platform)?;
    Ok(network)
}

/// A group for what talks inside the VPC only: HTTPS from anywhere in it, and out to anywhere in it.
fn internal_group(scope: &Scope, vpc: &Handle<Vpc>, range: Ipv4Cidr, name: &str) -> Result<Handle<SecurityGroup>> {
    let group = SecurityGroup::new(name, "Traffic inside the VPC")
        .vpc_id(vpc.id())
        .default_egress_rule(false)
        .tag("Name", name);
    let group = scope.add("internal", group)?;
    let https = SecurityGroupIngressRule::new(group.id(), "tcp")
        .from_port(443)
        .to_port(443)
        .cidr_ip(range)
        .description("HTTPS from the VPC");
    scope.add("internal-https", https)?;
    let out = SecurityGroupEgressRule::new(group.id(), "-1").cidr_ip(range).description("Anything inside the VPC");
    scope.add("internal-out", out)?;
    Ok(group)
}
