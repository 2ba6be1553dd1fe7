//! The derive macros of phx: from a struct of fields to a resource type.
//!
//! [`Resource`](macro@Resource) and [`Block`](macro@Block) read a struct whose fields are `Input<T>` (required), `Option<Input<T>>` (optional) or, in a
//! resource and named `tags`, `Tags`. They write the constructor, the setters, the struct of known values and the
//! schema. [`Outputs`](macro@Outputs) reads the struct of what the cloud decides and writes typed references to it.
//!
//! The generated code is small and calls `phx_model::__private` for everything that is not about the struct's shape, since a provider crate
//! holds hundreds of types.
#![forbid(unsafe_code)]

mod attributes;
mod block;
mod fields;
mod outputs;
mod resource;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct of fields a resource type.
///
/// Attributes of the struct, `#[resource(…)]`:
///
/// | attribute | meaning |
/// |---|---|
/// | `type = "aws:ec2:Subnet"` | the type's name; required |
/// | `identity = IntentTag` | how an object whose creation had no answer is found again: a variant of `phx_model::schema::Identity`; required |
/// | `terraform = "aws_subnet"` | Terraform's name |
/// | `cloudformation = "AWS::EC2::Subnet"` | CloudFormation's name |
/// | `unique(vpc_id, cidr_block)` | the fields whose values no two living objects may share |
/// | `vanishes_with(bucket)` | the field that names the object of which this is a part: deleted with it, it needs no call of its own |
/// | `crate = phx::model` | where `phx-model` is found, if the crate does not depend on it by that name |
///
/// Attributes of a field, `#[field(…)]`: `replace`, `secret`, `write_only`, `cloud_default`, `set`, `json`,
/// `normalize = path::to::function`; see `phx_model::schema::Field` for what they mean. `set` and `json` are checked against the field's type.
///
/// For a struct `Subnet` it writes `Subnet::new(required…)`, a setter per optional field, `SubnetResolved`, `SubnetChange` and the
/// implementation of `phx_model::Resource`, whose outputs are `SubnetOutputs`.
#[proc_macro_derive(Resource, attributes(resource, field))]
pub fn derive_resource(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    resource::expand(&input).unwrap_or_else(|e| e.to_compile_error()).into()
}

/// Makes a struct the outputs of a resource type: what the cloud decides.
///
/// A field's type is a value or an `Option` of one. Attributes of a field, `#[output(…)]`: `secret` (kept from view and encrypted in state) and
/// `volatile` (an update of the object may change it; `volatile(size, kind)`: one that changes one of these fields). `#[outputs(crate = path)]` as for [`Resource`](macro@Resource).
///
/// For a struct `SubnetOutputs` it writes `SubnetOutputsHandles`, with a method per output that gives a typed reference
/// to it, and the implementation of `phx_model::typed::OutputSet`.
#[proc_macro_derive(Outputs, attributes(outputs, output))]
pub fn derive_outputs(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    outputs::expand(&input).unwrap_or_else(|e| e.to_compile_error()).into()
}

/// Makes a struct a group of fields that can stand inside a resource: an `Input<Encryption>`, an `Input<Vec<Rule>>`.
///
/// Attributes of a field are those of [`Resource`](macro@Resource). `#[block(crate = path)]` as for [`Resource`](macro@Resource).
///
/// For a struct `Encryption` it writes `Encryption::new(required…)`, a setter per optional field, `EncryptionResolved` and the
/// implementation of `phx_model::Val`.
#[proc_macro_derive(Block, attributes(block, field))]
pub fn derive_block(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    block::expand(&input).unwrap_or_else(|e| e.to_compile_error()).into()
}
