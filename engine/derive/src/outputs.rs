//! `#[derive(Outputs)]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{DeriveInput, Ident, Type, Visibility};

use crate::attributes::{Mistakes, argument_of, doc, each_nested, named_fields, only_crate, suffixed, unknown};

const ATTRIBUTES: &[&str] = &["secret", "volatile"];

/// One output.
struct Output<'a> {
    ident: &'a Ident,
    name: String,
    vis: &'a Visibility,
    doc: String,
    /// The type, without an `Option` around it.
    ty: &'a Type,
    optional: bool,
    secret: bool,
    volatile: bool,
    /// The fields whose changes change it; empty for those that any may change.
    follows: Vec<String>,
}

fn read<'a>(input: &'a DeriveInput, mistakes: &mut Mistakes) -> syn::Result<Vec<Output<'a>>> {
    let mut list = Vec::new();
    for field in named_fields(input, "Outputs")? {
        let Some(ident) = &field.ident else { continue };
        let name = ident.unraw().to_string();
        if name == "urn" {
            mistakes.at(ident, "an output cannot be called `urn`: `handle.urn()` is the resource's own name");
        }
        let inner = argument_of(&field.ty, "Option");
        let (mut secret, mut volatile, mut follows) = (false, false, Vec::new());
        each_nested(&field.attrs, "output", mistakes, |meta, _| {
            if meta.path.is_ident("secret") {
                secret = true;
            } else if meta.path.is_ident("volatile") {
                volatile = true;
                if meta.input.peek(syn::token::Paren) {
                    meta.parse_nested_meta(|field| {
                        follows.push(field.path.require_ident()?.unraw().to_string());
                        Ok(())
                    })?;
                }
            } else {
                return Err(unknown(meta, "output", ATTRIBUTES));
            }
            Ok(())
        });
        list.push(Output {
            ident,
            name,
            vis: &field.vis,
            doc: doc(&field.attrs),
            ty: inner.unwrap_or(&field.ty),
            optional: inner.is_some(),
            secret,
            volatile,
            follows,
        });
    }
    Ok(list)
}

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let mut mistakes = Mistakes::default();
    let model = only_crate(&input.attrs, "outputs", &mut mistakes);
    let list = read(input, &mut mistakes)?;

    let (name, vis) = (&input.ident, &input.vis);
    let handles = suffixed(name, "Handles");
    let handles_doc = format!("Typed references to the outputs of one resource: see [`{name}`].");
    let methods = list.iter().map(|o| {
        let Output { ident, name, vis, doc, ty, .. } = o;
        let doc = if doc.is_empty() { format!("`{name}`") } else { doc.clone() };
        quote! {
            #[doc = #doc]
            #[must_use]
            #vis fn #ident(&self) -> #model::typed::Output<#ty> {
                #model::typed::Output::reference(&self.urn, #name)
            }
        }
    });
    let schema = list.iter().map(|o| {
        let Output { name, doc, ty, secret, volatile, follows, .. } = o;
        quote! {
            #model::schema::OutputField {
                name: #name,
                kind: <#ty as #model::value::Val>::KIND,
                doc: #doc,
                secret: #secret,
                volatile: #volatile,
                follows: &[#(#follows),*],
            }
        }
    });
    let writes = list.iter().map(|o| {
        let Output { ident, name, ty, secret, .. } = o;
        let value =
            if o.optional { quote!(self.#ident.as_ref()) } else { quote!(#model::__private::Some(&self.#ident)) };
        quote!(#model::__private::write::<#ty>(&mut map, #name, #value, #secret);)
    });
    let reads = list.iter().map(|o| {
        let Output { ident, name, ty, .. } = o;
        let how = if o.optional { quote!(optional) } else { quote!(required) };
        // At the type's place, so that a type which is not its own known form is pointed at.
        quote_spanned!(ty.span()=> #ident: #model::__private::#how::<#ty>(values, #name)?)
    });
    mistakes.or(quote! {
        #[doc = #handles_doc]
        #[derive(Clone, Debug)]
        #vis struct #handles {
            #[allow(dead_code)]
            urn: #model::Urn,
        }

        #[automatically_derived]
        impl #handles {
            #(#methods)*
        }

        #[automatically_derived]
        impl #model::typed::OutputSet for #name {
            type Handles = #handles;
            const FIELDS: &'static [#model::schema::OutputField] = &[#(#schema),*];

            fn handles(urn: &#model::Urn) -> #handles {
                #handles { urn: #model::__private::Clone::clone(urn) }
            }

            fn to_values(&self) -> #model::value::ValueMap {
                let mut map = #model::value::ValueMap::new();
                #(#writes)*
                map
            }

            fn from_values(values: &#model::value::ValueMap) -> #model::__private::Result<Self, #model::value::ValueError> {
                #model::__private::Ok(Self { #(#reads),* })
            }
        }
    })
}
