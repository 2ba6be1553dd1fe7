//! Attributes that the fields' types contradict.
use phx_model::{Block, Input};

#[derive(Clone, Debug, Block)]
pub struct Wrong {
    #[field(set)]
    pub not_a_list: Input<String>,
    #[field(json)]
    pub not_json: Input<String>,
}

fn main() {}
