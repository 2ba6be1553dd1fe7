//! The same as the cases, without their mistakes.
include!("../common.inc");

fn program(stack: &phx_model::Stack) -> Result<(), Box<dyn std::error::Error>> {
    let range: Ipv4Cidr = "10.0.0.0/16".parse()?;
    let vpc = stack.add("main", Vpc::new(range).enable_dns_hostnames(true))?;
    let subnet = stack.add("a", Subnet::new(vpc.id(), range.subnet(4, 0)?).map_public_ip_on_launch(false))?;
    stack.add("b", Subnet::new(VpcId::new("vpc-1"), range).tag("Of", phx_model::format!("{}/{}", subnet.id(), "b")))?;
    Ok(())
}

fn main() {
    let _ = program;
}
