//! A required field is forgotten.
include!("common.inc");

fn program(vpc: VpcId) -> Subnet {
    Subnet::new(vpc)
}

fn main() {}
