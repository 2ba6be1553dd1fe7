//! `#[derive(Block)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use crate::attributes::{Mistakes, only_crate, suffixed};
use crate::fields;

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let mut mistakes = Mistakes::default();
    let model = only_crate(&input.attrs, "block", &mut mistakes);
    let fields = fields::read(input, "Block", &model, false, &mut mistakes)?;

    let name = &input.ident;
    let resolved = suffixed(name, "Resolved");
    let expected = format!("a {name}");
    let schema = fields.schema();
    let (construction, assertions, resolved_struct) =
        (fields.construction(), fields.assertions(), fields.resolved_struct());
    let (write_inputs, read_resolved, write_resolved) =
        (fields.write_inputs(), fields.read_resolved(), fields.write_resolved());
    mistakes.or(quote! {
        #construction
        #resolved_struct
        #assertions

        #[automatically_derived]
        impl #model::value::Val for #name {
            type Resolved = #resolved;
            const KIND: #model::schema::Kind = {
                const FIELDS: &[#model::schema::Field] = #schema;
                #model::schema::Kind::Block(FIELDS)
            };

            fn into_expr(self) -> #model::Expr {
                let mut map = #model::__private::ExprMap::new();
                #write_inputs
                #model::Expr::Map(map)
            }

            fn from_value(value: &#model::Value) -> #model::__private::Result<#resolved, #model::value::ValueError> {
                let fields = #model::__private::block(value, #expected)?;
                #model::__private::Ok(#read_resolved)
            }

            fn to_value(resolved: &#resolved) -> #model::Value {
                let mut map = #model::value::ValueMap::new();
                #write_resolved
                #model::Value::Map(map)
            }
        }
    })
}
