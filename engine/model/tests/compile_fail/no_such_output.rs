//! An output that the type does not have.
include!("common.inc");

fn program(stack: &phx_model::Stack, range: Ipv4Cidr) -> Result<(), phx_model::stack::ProgramError> {
    let vpc = stack.add("main", Vpc::new(range))?;
    stack.export("arn", vpc.arn())
}

fn main() {}
