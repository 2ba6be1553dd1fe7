//! `#[derive(Resource)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{DeriveInput, Ident, LitStr, Path};

use crate::attributes::{Mistakes, doc, each_nested, model_path, suffixed, unknown};
use crate::fields;

const ATTRIBUTES: &[&str] = &["type", "identity", "terraform", "cloudformation", "unique", "vanishes_with", "crate"];
const IDENTITIES: &[&str] = &["ClientToken", "NaturalKey", "IntentTag", "None"];

/// `#[resource(…)]`.
#[derive(Default)]
struct Attributes {
    type_name: Option<LitStr>,
    identity: Option<Ident>,
    terraform: Option<LitStr>,
    cloudformation: Option<LitStr>,
    unique: Vec<Ident>,
    vanishes_with: Option<Ident>,
    model: Option<Path>,
}

impl Attributes {
    fn read(input: &DeriveInput, mistakes: &mut Mistakes) -> Self {
        let mut this = Self::default();
        each_nested(&input.attrs, "resource", mistakes, |meta, mistakes| {
            let Some(name) = meta.path.get_ident() else { return Err(unknown(meta, "resource", ATTRIBUTES)) };
            match name.to_string().as_str() {
                "type" => {
                    let value: LitStr = meta.value()?.parse()?;
                    let parts: Vec<String> = value.value().split(':').map(str::to_owned).collect();
                    let plain = |p: &String| {
                        !p.is_empty() && p.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
                    };
                    if parts.len() != 3 || !parts.iter().all(plain) {
                        mistakes.at(&value, "a type's name is `provider:service:Type`, such as `aws:ec2:Subnet`");
                    }
                    this.type_name = Some(value);
                }
                "identity" => {
                    let value = meta.value()?.call(Ident::parse_any)?;
                    if !IDENTITIES.contains(&value.to_string().as_str()) {
                        let known = IDENTITIES.join(", ");
                        mistakes.at(&value, format!("unknown identity `{value}`; the known ones are: {known}"));
                    }
                    this.identity = Some(value);
                }
                "terraform" => this.terraform = Some(meta.value()?.parse()?),
                "cloudformation" => this.cloudformation = Some(meta.value()?.parse()?),
                "unique" => meta.parse_nested_meta(|field| {
                    this.unique.push(field.path.require_ident()?.clone());
                    Ok(())
                })?,
                "vanishes_with" => meta.parse_nested_meta(|field| {
                    let field = field.path.require_ident()?;
                    if this.vanishes_with.is_some() {
                        mistakes.at(field, "an object vanishes with one other: `vanishes_with` names one field");
                    }
                    this.vanishes_with = Some(field.clone());
                    Ok(())
                })?,
                "crate" => this.model = Some(meta.value()?.call(Path::parse_mod_style)?),
                _ => return Err(unknown(meta, "resource", ATTRIBUTES)),
            }
            Ok(())
        });
        this
    }
}

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let mut mistakes = Mistakes::default();
    let attributes = Attributes::read(input, &mut mistakes);
    // After an attribute that cannot be read, those behind it are not known to be missing.
    let all_read = mistakes.is_empty();
    let model = model_path(attributes.model);
    let fields = fields::read(input, "Resource", &model, true, &mut mistakes)?;
    for name in attributes.unique.iter().chain(&attributes.vanishes_with) {
        if !fields.list.iter().any(|f| name.unraw() == f.name) {
            let known: Vec<&str> = fields.list.iter().map(|f| f.name.as_str()).collect();
            mistakes.at(
                name,
                format!("`{name}` is not a field of `{}`; its fields are: {}", input.ident, known.join(", ")),
            );
        }
    }
    if all_read && attributes.type_name.is_none() {
        mistakes.at(&input.ident, "a resource type has a name: `#[resource(type = \"aws:ec2:Subnet\", …)]`");
    }
    if all_read && attributes.identity.is_none() {
        mistakes.at(
            &input.ident,
            format!(
                "a resource type says how an object whose creation had no answer is found again: `#[resource(identity = …)]`, one of {}",
                IDENTITIES.join(", ")
            ),
        );
    }
    let (Some(type_name), Some(identity)) = (attributes.type_name, attributes.identity) else {
        return mistakes.or(TokenStream::new());
    };

    let name = &input.ident;
    let (resolved, change, outputs) = (suffixed(name, "Resolved"), suffixed(name, "Change"), suffixed(name, "Outputs"));
    let option = |text: Option<LitStr>| match text {
        Some(text) => quote!(#model::__private::Some(#text)),
        None => quote!(#model::__private::None),
    };
    let (terraform, cloudformation) = (option(attributes.terraform), option(attributes.cloudformation));
    let doc = doc(&input.attrs);
    let unique = attributes.unique.iter().map(|f| f.unraw().to_string());
    let vanishes_with = match &attributes.vanishes_with {
        Some(field) => {
            let field = field.unraw().to_string();
            quote!(#model::__private::Some(#field))
        }
        None => quote!(#model::__private::None),
    };
    let schema = fields.schema();
    let (construction, assertions) = (fields.construction(), fields.assertions());
    let (resolved_struct, change_struct) = (fields.resolved_struct(), fields.change_struct());
    let (write_inputs, read_resolved) = (fields.write_inputs(), fields.read_resolved());
    let (write_resolved, read_change) = (fields.write_resolved(), fields.read_change());
    mistakes.or(quote! {
        #construction
        #resolved_struct
        #change_struct
        #assertions

        #[automatically_derived]
        impl #model::typed::Resource for #name {
            type Resolved = #resolved;
            type Change = #change;
            type Outputs = #outputs;

            fn schema() -> &'static #model::schema::Schema {
                static SCHEMA: #model::schema::Schema = #model::schema::Schema {
                    type_name: #type_name,
                    terraform: #terraform,
                    cloudformation: #cloudformation,
                    doc: #doc,
                    identity: #model::schema::Identity::#identity,
                    unique: &[#(#unique),*],
                    vanishes_with: #vanishes_with,
                    fields: #schema,
                    outputs: <#outputs as #model::typed::OutputSet>::FIELDS,
                };
                &SCHEMA
            }

            fn into_inputs(self) -> #model::__private::ExprMap {
                let mut map = #model::__private::ExprMap::new();
                #write_inputs
                map
            }

            fn resolve(fields: &#model::value::ValueMap) -> #model::__private::Result<#resolved, #model::value::ValueError> {
                #model::__private::Ok(#read_resolved)
            }

            fn fields(resolved: &#resolved) -> #model::value::ValueMap {
                let mut map = #model::value::ValueMap::new();
                #write_resolved
                map
            }

            fn change(deltas: &#model::__private::Deltas) -> #model::__private::Result<#change, #model::value::ValueError> {
                #model::__private::only_known(<Self as #model::typed::Resource>::schema(), deltas)?;
                #model::__private::Ok(#read_change)
            }
        }
    })
}
