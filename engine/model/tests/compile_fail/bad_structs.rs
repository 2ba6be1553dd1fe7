//! Structs that cannot be resource types.
use phx_model::{Block, Input, Outputs, Resource};

#[derive(Resource)]
struct Nameless {
    name: Input<String>,
}

#[derive(Resource)]
#[resource(type = "aws:Vpc", identity = Token, colour = "red")]
struct BadAttributes {
    name: Input<String>,
}

#[derive(Resource)]
#[resource(type = "test:a:Unique", identity = NaturalKey, unique(name, nmae))]
struct Unique {
    name: Input<String>,
    size: Option<Input<i64>>,
}

#[derive(Resource)]
#[resource(type = "test:a:Tuple", identity = None)]
struct Tuple(Input<String>);

#[derive(Block)]
enum Choice {
    A,
}

#[derive(Outputs)]
struct GenericOutputs<T> {
    id: T,
}

fn main() {}
