//! Attributes that the fields' types contradict.
use phx_model::{Block, Input, Outputs};

#[derive(Clone, Debug, Block)]
pub struct Wrong {
    #[field(set)]
    pub not_a_list: Input<String>,
    #[field(json)]
    pub not_json: Input<String>,
}

/// Its known form is another type, so an output cannot be of it.
#[derive(Clone, Debug, Block)]
pub struct Part {
    pub size: Input<i64>,
}

#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct PartOutputs {
    pub part: Part,
}

fn main() {}
