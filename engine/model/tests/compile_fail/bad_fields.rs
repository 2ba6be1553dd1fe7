//! Fields that cannot be what their attributes say.
use phx_model::typed::Tags;
use phx_model::{Block, Input, Outputs, Resource};

#[derive(Resource)]
#[resource(type = "test:a:WriteOnly", identity = None)]
struct WriteOnly {
    #[field(write_only)]
    password: Input<String>,
}

#[derive(Resource)]
#[resource(type = "test:a:CloudDefault", identity = None)]
struct CloudDefault {
    #[field(cloud_default)]
    zone: Input<String>,
}

#[derive(Resource)]
#[resource(type = "test:a:UnknownAttribute", identity = None)]
struct UnknownAttribute {
    #[field(replaces)]
    name: Input<String>,
    #[field(required)]
    other: Input<String>,
}

#[derive(Resource)]
#[resource(type = "test:a:NotAnInput", identity = None)]
struct NotAnInput {
    plain: String,
    optional: Option<bool>,
    labels: Tags,
    tags: Input<String>,
}

#[derive(Block)]
struct TagsInBlock {
    tags: Tags,
}

#[derive(Outputs)]
struct BadOutputs {
    #[output(replace)]
    id: String,
    urn: String,
}

fn main() {}
