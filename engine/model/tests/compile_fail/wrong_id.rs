//! A subnet's id where a VPC's is wanted.
include!("common.inc");

fn program(stack: &phx_model::Stack, range: Ipv4Cidr) -> Result<(), phx_model::stack::ProgramError> {
    let vpc = stack.add("main", Vpc::new(range))?;
    let subnet = stack.add("a", Subnet::new(vpc.id(), range))?;
    stack.add("b", Subnet::new(subnet.id(), range))?;
    Ok(())
}

fn main() {}
