//! A provider context is what `stack.provider(…)` gives, and no text that looks like one; and the answer to a lookup is of its own type.
use phx_model::{Lookup, Options, Stack};
use serde::Serialize;

#[derive(Serialize)]
struct Zones {}

impl Lookup for Zones {
    const NAME: &'static str = "test:net:Zones";
    type Answer = Vec<String>;
}

fn by_name() -> Options {
    Options::new().provider("us-east-1")
}

fn another_type(stack: &Stack) -> String {
    stack.lookup(Zones {}).unwrap()
}

fn main() {}
