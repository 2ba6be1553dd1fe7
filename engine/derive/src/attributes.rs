//! Reading what is common to the three macros: doc comments, the shape of the struct, mistakes collected instead of one at a time.

use proc_macro2::Span;
use quote::ToTokens;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Data, DeriveInput, Expr, Field, Fields, GenericArgument, Lit, Meta, Path, PathArguments, Token, Type,
};

/// Mistakes, so that all of them are shown at once.
#[derive(Default)]
pub(crate) struct Mistakes(Option<syn::Error>);

impl Mistakes {
    /// Notes a mistake.
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// Notes a mistake at a piece of source.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    /// Whether there are none so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The value, or all the mistakes.
    pub(crate) fn or<T>(self, value: T) -> syn::Result<T> {
        self.0.map_or(Ok(value), Err)
    }
}

/// Reads every attribute of one name: `#[field(…)]`. An error ends the reading of that attribute; a mistake that is noted does not.
pub(crate) fn each_nested(
    attributes: &[Attribute],
    name: &str,
    mistakes: &mut Mistakes,
    mut read: impl FnMut(&ParseNestedMeta<'_>, &mut Mistakes) -> syn::Result<()>,
) {
    for attribute in attributes.iter().filter(|a| a.path().is_ident(name)) {
        if let Err(error) = attribute.parse_nested_meta(|meta| read(&meta, mistakes)) {
            mistakes.push(error);
        }
    }
}

/// The mistake of an attribute that does not exist.
pub(crate) fn unknown(meta: &ParseNestedMeta<'_>, on: &str, known: &[&str]) -> syn::Error {
    let name = meta.path.to_token_stream().to_string();
    meta.error(format!("unknown {on} attribute `{name}`; the known ones are: {}", known.join(", ")))
}

/// Where `phx_model` is found: what `crate = path` says, or its own name.
pub(crate) fn model_path(given: Option<Path>) -> Path {
    given.unwrap_or_else(|| syn::parse_quote!(::phx_model))
}

/// Reads `#[outputs(crate = path)]` or `#[block(crate = path)]`, which take nothing else.
pub(crate) fn only_crate(attributes: &[Attribute], name: &str, mistakes: &mut Mistakes) -> Path {
    let mut path = None;
    each_nested(attributes, name, mistakes, |meta, _| {
        if meta.path.is_ident("crate") {
            path = Some(meta.value()?.call(Path::parse_mod_style)?);
            return Ok(());
        }
        Err(unknown(meta, name, &["crate"]))
    });
    model_path(path)
}

/// The doc comment as text, without the space that follows `///`.
pub(crate) fn doc(attributes: &[Attribute]) -> String {
    let lines: Vec<String> = attributes
        .iter()
        .filter(|a| a.path().is_ident("doc"))
        .filter_map(|a| match &a.meta {
            Meta::NameValue(pair) => match &pair.value {
                Expr::Lit(literal) => match &literal.lit {
                    Lit::Str(text) => Some(text.value()),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        })
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned())
        .collect();
    lines.join("\n").trim().to_owned()
}

/// The fields of a struct that can be derived for: named, and without generic parameters.
pub(crate) fn named_fields<'a>(
    input: &'a DeriveInput,
    macro_name: &str,
) -> syn::Result<&'a Punctuated<Field, Token![,]>> {
    let refuse = |why: &str| Err(syn::Error::new(input.ident.span(), format!("derive({macro_name}) {why}")));
    if !input.generics.params.is_empty() {
        return refuse("does not take generic parameters: a resource type is one type of object");
    }
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Ok(&fields.named),
            _ => refuse("needs named fields"),
        },
        _ => refuse("needs a struct with named fields"),
    }
}

/// `Outer<T>`'s `T`, by the last part of the type's path.
pub(crate) fn argument_of<'a>(ty: &'a Type, outer: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|s| s.ident == outer)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match (arguments.args.len(), arguments.args.first()) {
        (1, Some(GenericArgument::Type(inner))) => Some(inner),
        _ => None,
    }
}

/// Whether the type is called so and takes no arguments.
pub(crate) fn is_named(ty: &Type, name: &str) -> bool {
    match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|s| s.ident == name && s.arguments.is_none()),
        _ => false,
    }
}

/// An identifier of the same place with something after it: `SubnetResolved`.
pub(crate) fn suffixed(ident: &syn::Ident, suffix: &str) -> syn::Ident {
    syn::Ident::new(&format!("{ident}{suffix}"), Span::call_site().located_at(ident.span()))
}
