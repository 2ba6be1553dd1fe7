//! Text where an id is wanted.
include!("common.inc");

fn program(range: Ipv4Cidr) -> Subnet {
    Subnet::new("vpc-1", range)
}

fn main() {}
