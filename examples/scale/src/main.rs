//! The scale case: one VPC and N cells, each a security group with two ingress rules (one from a range, one from the cell before), a
//! log group with 30 days' retention and an IAM role. N = 200 makes 1,001 resources.

use phx::aws::ec2::{SecurityGroup, SecurityGroupIngressRule, Vpc};
use phx::aws::iam::Role;
use phx::aws::iam::policy::PolicyDocument;
use phx::aws::logs::LogGroup;
use phx::prelude::*;
use serde::Deserialize;

/// What `n200.toml` says.
#[derive(Deserialize)]
struct Config {
    cells: u32,
    /// For the first cell's log group alone: to see what the change of one field takes.
    #[serde(default = "retention")]
    first_retention_in_days: i32,
}

const fn retention() -> i32 {
    30
}

fn main() -> ExitCode {
    phx::main(scale)
}

fn scale(stack: &mut Stack) -> Result<()> {
    let Config { cells, first_retention_in_days } = stack.config()?;
    let range: Ipv4Cidr = "10.0.0.0/8".parse()?;
    let vpc = stack.add("main", Vpc::new(range.subnet(8, 0)?).tag("Name", "scale"))?;
    let mut peer: Option<Handle<SecurityGroup>> = None;
    for n in 0..cells {
        let cell = stack.component(&format!("cell-{n}"))?;
        let name = format!("scale-{n}");
        let group = SecurityGroup::new(name.as_str(), "One cell").vpc_id(vpc.id()).tag("Name", name.as_str());
        let group = cell.add("group", group)?;
        let https = SecurityGroupIngressRule::new(group.id(), "tcp").from_port(443).to_port(443);
        cell.add("https", https.cidr_ip(range))?;
        let gossip = SecurityGroupIngressRule::new(group.id(), "tcp").from_port(7946).to_port(7946);
        // The first cell has no other before it, and talks to itself.
        cell.add("gossip", gossip.referenced_group_id(peer.as_ref().unwrap_or(&group).id()))?;
        let days = if n == 0 { first_retention_in_days } else { retention() };
        cell.add("logs", LogGroup::new(format!("/scale/cell-{n}")).retention_in_days(days))?;
        cell.add("role", Role::new(name, PolicyDocument::assume_role_by_service("ec2.amazonaws.com")))?;
        peer = Some(group);
    }
    stack.export("vpc", vpc.id())?;
    Ok(())
}
