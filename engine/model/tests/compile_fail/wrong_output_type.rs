//! An output of text where a truth value is wanted.
include!("common.inc");

fn program(stack: &phx_model::Stack, range: Ipv4Cidr) -> Result<Subnet, phx_model::stack::ProgramError> {
    let vpc = stack.add("main", Vpc::new(range))?;
    Ok(Subnet::new(vpc.id(), range).map_public_ip_on_launch(vpc.owner()))
}

fn main() {}
