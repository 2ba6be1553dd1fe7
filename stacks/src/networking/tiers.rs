//! The network ACLs: what each tier of subnets lets in and out, whatever security groups allow.

use phx::aws::ec2::{NetworkAcl, NetworkAclEntry, PortRange};
use phx::prelude::*;

use super::Network;
use crate::platform::Platform;

const TCP: &str = "6";
const UDP: &str = "17";
const ANY: &str = "-1";
/// Where answers arrive: the ports from which clients ask.
const EPHEMERAL: (i32, i32) = (1024, 65535);
const POSTGRES: (i32, i32) = (5432, 5432);
const SSH: (i32, i32) = (22, 22);

/// The rules of one tier, numbered in the order in which they are added, each direction for itself.
struct Rules(Vec<NetworkAclEntry>);

impl Rules {
    fn allow(&mut self, egress: bool, protocol: &str, ports: Option<(i32, i32)>, range: Ipv4Cidr) {
        let number = 100 + 10 * i32::try_from(self.0.len()).unwrap_or(0);
        let entry = NetworkAclEntry::new(number, egress, "allow", protocol).cidr_block(range);
        self.0.push(match ports {
            Some((from, to)) => entry.port_range(PortRange::new(from, to)),
            None => entry,
        });
    }

    fn inward(&mut self, protocol: &str, ports: impl Into<Option<(i32, i32)>>, range: Ipv4Cidr) {
        self.allow(false, protocol, ports.into(), range);
    }

    fn outward(&mut self, protocol: &str, ports: impl Into<Option<(i32, i32)>>, range: Ipv4Cidr) {
        self.allow(true, protocol, ports.into(), range);
    }
}

/// Declares one for each tier.
pub(super) fn declare(scope: &Scope, platform: &Platform<'_>, network: &Network) -> Result<()> {
    let everywhere: Ipv4Cidr = "0.0.0.0/0".parse()?;
    let inside = platform.config.network.cidr;

    // Load balancers answer the world, and NAT gateways get the world's answers.
    let mut public = Rules(Vec::new());
    for port in [80, 443] {
        public.inward(TCP, (port, port), everywhere);
    }
    // Nodes get the answers that a NAT gateway hands on.
    let mut private = Rules(Vec::new());
    for tier in [&mut public, &mut private] {
        tier.inward(ANY, None, inside);
        tier.inward(TCP, EPHEMERAL, everywhere);
        tier.inward(UDP, EPHEMERAL, everywhere);
        tier.outward(ANY, None, everywhere);
    }
    // Who comes by the VPN asks on ports of every number, as who is inside.
    for networks in platform.config.vpn_routes() {
        private.inward(ANY, None, *networks);
    }
    // Databases are asked by the private subnets, answer them, and talk to one another. There is nobody else but a bastion in a public one.
    let mut asking = network.private_ranges.clone();
    if let Some(bastion) = platform.config.bastion()
        && let Some(range) = bastion.ssh_cidr
    {
        let tier = if bastion.is_public() { &mut public } else { &mut private };
        tier.inward(TCP, SSH, range);
        if bastion.is_public() {
            asking.extend(network.public_ranges.first());
        }
    }
    let mut database = Rules(Vec::new());
    for subnet in &asking {
        database.inward(TCP, POSTGRES, *subnet);
        database.outward(TCP, EPHEMERAL, *subnet);
    }
    for subnet in &network.database_ranges {
        database.inward(ANY, None, *subnet);
        database.outward(ANY, None, *subnet);
    }

    for (tier, rules, subnets) in [
        ("public", public, &network.public_subnets),
        ("private", private, &network.private_subnets),
        ("database", database, &network.database_subnets),
    ] {
        let acl = NetworkAcl::new(platform.vpc.id())
            .entries(rules.0)
            .subnet_ids(subnets.clone())
            .tag("Name", platform.name(tier));
        scope.add(tier, acl)?;
    }
    Ok(())
}
