//! A small network: a VPC, a subnet in each zone, and a security group that lets HTTPS in.

use phx::aws::ec2::{SecurityGroup, SecurityGroupIngressRule, Subnet, Vpc};
use phx::prelude::*;
use serde::Deserialize;

/// What `dev.toml` says.
#[derive(Deserialize)]
struct Config {
    cidr: Ipv4Cidr,
    zones: Vec<String>,
}

fn main() -> ExitCode {
    phx::main(network)
}

fn network(stack: &mut Stack) -> Result<()> {
    let config: Config = stack.config()?;
    let vpc = stack.add("main", Vpc::new(config.cidr).enable_dns_hostnames(true).tag("Name", "quickstart"))?;
    for (n, zone) in (0..).zip(&config.zones) {
        let subnet = Subnet::new(vpc.id(), config.cidr.subnet(4, n)?).availability_zone(zone.as_str());
        stack.add(zone, subnet)?;
    }
    let web = stack.add("web", SecurityGroup::new("quickstart-web", "HTTPS from anywhere").vpc_id(vpc.id()))?;
    let anywhere: Ipv4Cidr = "0.0.0.0/0".parse()?;
    stack.add(
        "web-https",
        SecurityGroupIngressRule::new(web.id(), "tcp").from_port(443).to_port(443).cidr_ip(anywhere),
    )?;
    stack.export("vpc", vpc.id())?;
    Ok(())
}
