//! The fields of a resource or a block, and the code that is written for them.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{DeriveInput, Ident, Path, Type, Visibility};

use crate::attributes::{Mistakes, argument_of, doc, each_nested, is_named, named_fields, suffixed, unknown};

const ATTRIBUTES: &[&str] = &["replace", "secret", "write_only", "cloud_default", "set", "json", "normalize"];

/// What a field's type says of it.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// `Input<T>`
    Required,
    /// `Option<Input<T>>`
    Optional,
    /// `Tags`
    Tags,
}

/// One field.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    /// Its name without `r#`.
    pub(crate) name: String,
    vis: Visibility,
    doc: String,
    shape: Shape,
    /// The `T`; for tags, the field's own type.
    ty: Type,
    replace: bool,
    secret: bool,
    write_only: bool,
    cloud_default: bool,
    set: bool,
    json: bool,
    normalize: Option<Path>,
}

/// All of them, and what they are written into.
pub(crate) struct Fields {
    pub(crate) list: Vec<Field>,
    owner: Ident,
    vis: Visibility,
    model: Path,
}

/// Reads a struct's fields. `tags` are allowed in resources only.
pub(crate) fn read(
    input: &DeriveInput,
    macro_name: &str,
    model: &Path,
    tags: bool,
    mistakes: &mut Mistakes,
) -> syn::Result<Fields> {
    let mut list = Vec::new();
    for field in named_fields(input, macro_name)? {
        if let Some(field) = Field::read(field, tags, mistakes) {
            list.push(field);
        }
    }
    Ok(Fields { list, owner: input.ident.clone(), vis: input.vis.clone(), model: model.clone() })
}

impl Field {
    fn read(field: &syn::Field, tags_allowed: bool, mistakes: &mut Mistakes) -> Option<Self> {
        let ident = field.ident.clone()?;
        let name = ident.unraw().to_string();
        let (shape, ty) = if let Some(inner) = argument_of(&field.ty, "Input") {
            (Shape::Required, inner.clone())
        } else if let Some(inner) = argument_of(&field.ty, "Option").and_then(|t| argument_of(t, "Input")) {
            (Shape::Optional, inner.clone())
        } else if tags_allowed && is_named(&field.ty, "Tags") {
            (Shape::Tags, field.ty.clone())
        } else {
            let tags = if tags_allowed { ", or `Tags`" } else { "" };
            mistakes.at(
                &field.ty,
                format!("a field is an `Input<T>` (required) or an `Option<Input<T>>` (optional){tags}"),
            );
            return None;
        };
        if tags_allowed && (shape == Shape::Tags) != (name == "tags") {
            mistakes.at(
                &ident,
                "a field of the type `Tags` is called `tags`, and no other field is: default tags are added to it",
            );
        }
        if name == "new" {
            mistakes.at(&ident, "a field cannot be called `new`: its setter would be the constructor");
        }
        let mut this = Self {
            name,
            vis: field.vis.clone(),
            doc: doc(&field.attrs),
            shape,
            ty,
            replace: false,
            secret: false,
            write_only: false,
            cloud_default: false,
            set: false,
            json: false,
            normalize: None,
            ident,
        };
        each_nested(&field.attrs, "field", mistakes, |meta, _| {
            let Some(name) = meta.path.get_ident() else { return Err(unknown(meta, "field", ATTRIBUTES)) };
            match name.to_string().as_str() {
                "replace" => this.replace = true,
                "secret" => this.secret = true,
                "write_only" => this.write_only = true,
                "cloud_default" => this.cloud_default = true,
                "set" => this.set = true,
                "json" => this.json = true,
                "normalize" => this.normalize = Some(meta.value()?.call(Path::parse_mod_style)?),
                "required" => {
                    return Err(
                        meta.error("`required` is said by the type: a field that is not an `Option` is required")
                    );
                }
                "computed" => {
                    return Err(meta.error("what the cloud decides is an output: put it in the struct of outputs"));
                }
                _ => return Err(unknown(meta, "field", ATTRIBUTES)),
            }
            Ok(())
        });
        this.check(mistakes);
        Some(this)
    }

    /// Attributes that contradict the field's shape.
    fn check(&self, mistakes: &mut Mistakes) {
        let needs_option = |attribute: &str, why: &str| {
            let ty = &self.ty;
            let ty = quote!(#ty).to_string();
            format!("a `{attribute}` field must be an `Option<Input<{ty}>>`: {why}")
        };
        if self.shape == Shape::Required && self.write_only {
            mistakes.at(&self.ident, needs_option("write_only", "an object that is adopted cannot tell its value"));
        }
        if self.shape == Shape::Required && self.cloud_default {
            mistakes.at(&self.ident, needs_option("cloud_default", "the cloud fills in only what is left out"));
        }
        if self.shape == Shape::Tags
            && (self.secret || self.write_only || self.set || self.json || self.normalize.is_some())
        {
            mistakes.at(&self.ident, "tags take no attributes but `replace` and `cloud_default`");
        }
    }

    /// The doc comment, or a sentence in its place: generated items are documented too.
    fn doc_or(&self, otherwise: &str) -> String {
        if self.doc.is_empty() { otherwise.replace("{}", &self.name) } else { self.doc.clone() }
    }

    /// The type that `Val` is asked about.
    fn val(&self, model: &Path) -> TokenStream {
        match self.shape {
            Shape::Tags => quote!(#model::__private::TagMap),
            _ => {
                let ty = &self.ty;
                quote!(#ty)
            }
        }
    }

    /// The field's type once it is known, in the struct of known values.
    fn resolved(&self, model: &Path) -> TokenStream {
        let val = self.val(model);
        let known = quote_spanned!(self.ty.span()=> <#val as #model::value::Val>::Resolved);
        if self.shape == Shape::Optional { quote!(#model::__private::Option<#known>) } else { known }
    }
}

impl Fields {
    /// The constructor and the setters.
    pub(crate) fn construction(&self) -> TokenStream {
        let Self { list, owner, vis, model } = self;
        let input = quote!(#model::typed::Input);
        let hidden = |f: &Field, value: TokenStream| if f.secret { quote!(#input::secret(#value)) } else { value };
        let mut parameters = Vec::new();
        let mut values = Vec::new();
        let mut setters = Vec::new();
        for field in list {
            let (ident, ty, field_vis) = (&field.ident, &field.ty, &field.vis);
            let given = quote!(impl #model::typed::IntoInput<#ty>);
            let into = |v: TokenStream| quote!(#model::typed::IntoInput::into_input(#v));
            match field.shape {
                Shape::Required => {
                    parameters.push(quote!(#ident: #given));
                    let value = hidden(field, into(quote!(#ident)));
                    values.push(quote!(#ident: #value));
                }
                Shape::Optional => {
                    values.push(quote!(#ident: #model::__private::None));
                    let doc = field.doc_or("Sets `{}`.");
                    let value = hidden(field, into(quote!(value)));
                    setters.push(quote! {
                        #[doc = #doc]
                        #[must_use]
                        #field_vis fn #ident(mut self, value: #given) -> Self {
                            self.#ident = #model::__private::Some(#value);
                            self
                        }
                    });
                }
                Shape::Tags => {
                    values.push(quote!(#ident: #model::__private::Default::default()));
                    setters.push(quote! {
                        /// Sets all tags at once, in place of those set before.
                        #[must_use]
                        #field_vis fn #ident(mut self, tags: impl #model::__private::Into<#ty>) -> Self {
                            self.#ident = #model::__private::Into::into(tags);
                            self
                        }

                        /// Sets one tag.
                        #[must_use]
                        #field_vis fn tag(
                            mut self,
                            key: impl #model::__private::Into<#model::__private::String>,
                            value: impl #model::__private::Into<#input<#model::__private::String>>,
                        ) -> Self {
                            self.#ident.insert(key, value);
                            self
                        }
                    });
                }
            }
        }
        let doc = format!("A [`{owner}`] with what it cannot be without. Everything else is set by chained calls.");
        quote! {
            #[automatically_derived]
            impl #owner {
                #[doc = #doc]
                #[must_use]
                #[allow(clippy::too_many_arguments, clippy::new_without_default)]
                #vis fn new(#(#parameters),*) -> Self {
                    Self { #(#values),* }
                }

                #(#setters)*
            }
        }
    }

    /// The struct of known values.
    pub(crate) fn resolved_struct(&self) -> TokenStream {
        let Self { list, owner, vis, model } = self;
        let name = suffixed(owner, "Resolved");
        let fields = list.iter().map(|f| {
            let (ident, field_vis, ty) = (&f.ident, &f.vis, f.resolved(model));
            let doc = f.doc_or("`{}`");
            quote!(#[doc = #doc] #field_vis #ident: #ty)
        });
        let doc = format!("[`{owner}`] with its values known.");
        let debug = self.debug(&name, |f| f.shape == Shape::Optional);
        quote! {
            #[doc = #doc]
            #[derive(Clone, PartialEq)]
            #vis struct #name { #(#fields),* }
            #debug
        }
    }

    /// The struct of changes.
    pub(crate) fn change_struct(&self) -> TokenStream {
        let Self { list, owner, vis, model } = self;
        let name = suffixed(owner, "Change");
        let fields = list.iter().map(|f| {
            let (ident, field_vis, val) = (&f.ident, &f.vis, f.val(model));
            let doc = f.doc_or("`{}`");
            let known = quote_spanned!(f.ty.span()=> <#val as #model::value::Val>::Resolved);
            quote!(#[doc = #doc] #field_vis #ident: #model::__private::Option<#model::typed::FieldChange<#known>>)
        });
        let doc = format!("Which fields of a [`{owner}`] change, from what to what. `None`: the field stays as it is.");
        let debug = self.debug(&name, |_| true);
        quote! {
            #[doc = #doc]
            #[derive(Clone, Default)]
            #vis struct #name { #(#fields),* }
            #debug
        }
    }

    /// `Debug` that does not show secret fields. `optional` tells whether the field is an `Option` in that struct.
    fn debug(&self, name: &Ident, optional: impl Fn(&Field) -> bool) -> TokenStream {
        let model = &self.model;
        let text = name.to_string();
        let shown = self.list.iter().map(|f| {
            let (ident, field) = (&f.ident, &f.name);
            match (f.secret, optional(f)) {
                (false, _) => quote!(.field(#field, &self.#ident)),
                (true, false) => quote!(.field(#field, &#model::__private::Redacted)),
                (true, true) => quote!(.field(#field, &#model::__private::redacted(&self.#ident))),
            }
        });
        quote! {
            #[automatically_derived]
            impl #model::__private::Debug for #name {
                fn fmt(&self, f: &mut #model::__private::Formatter<'_>) -> #model::__private::FmtResult {
                    f.debug_struct(#text) #(#shown)* .finish()
                }
            }
        }
    }

    /// The schema's `&[Field]`.
    pub(crate) fn schema(&self) -> TokenStream {
        let model = &self.model;
        let fields = self.list.iter().map(|f| {
            let Field { name, doc, replace, secret, write_only, cloud_default, set, .. } = f;
            let val = f.val(model);
            let required = f.shape == Shape::Required;
            let ty = &f.ty;
            let rust = quote!(#ty).to_string().replace(' ', "");
            let normalize = match &f.normalize {
                Some(path) => quote!(#model::__private::Some(#path)),
                None => quote!(#model::__private::None),
            };
            quote! {
                #model::schema::Field {
                    name: #name,
                    kind: <#val as #model::value::Val>::KIND,
                    rust: #rust,
                    doc: #doc,
                    required: #required,
                    replace: #replace,
                    secret: #secret,
                    write_only: #write_only,
                    cloud_default: #cloud_default,
                    set: #set,
                    normalize: #normalize,
                }
            }
        });
        quote!(&[#(#fields),*])
    }

    /// Checks that only the compiler can make, since they need the field's type: `set` is for lists, `json` for documents.
    pub(crate) fn assertions(&self) -> TokenStream {
        let model = &self.model;
        let checks = self.list.iter().flat_map(|f| {
            let check = |pattern: TokenStream, message: &str| {
                let ty = &f.ty;
                quote_spanned! {ty.span()=>
                    const _: () = ::core::assert!(
                        ::core::matches!(<#ty as #model::value::Val>::KIND, #pattern),
                        #message
                    );
                }
            };
            let set =
                f.set.then(|| check(quote!(#model::schema::Kind::List(_)), "a `set` field must be a list: `Vec<…>`"));
            let json = f.json.then(|| check(quote!(#model::schema::Kind::Json), "a `json` field must be a `Json`"));
            set.into_iter().chain(json)
        });
        quote!(#(#checks)*)
    }

    /// Statements that write the fields that are set into `map`, a map of expressions, from `self`.
    pub(crate) fn write_inputs(&self) -> TokenStream {
        let model = &self.model;
        let writes = self.list.iter().map(|f| {
            let (ident, name) = (&f.ident, &f.name);
            let input = if f.secret { quote!(input.secret()) } else { quote!(input) };
            match f.shape {
                Shape::Required => quote! {
                    let input = self.#ident;
                    map.insert(#model::__private::String::from(#name), #input.into_expr());
                },
                Shape::Optional => quote! {
                    if let #model::__private::Some(input) = self.#ident {
                        map.insert(#model::__private::String::from(#name), #input.into_expr());
                    }
                },
                Shape::Tags => quote! {
                    if let #model::__private::Some(tags) = self.#ident.into_expr() {
                        map.insert(#model::__private::String::from(#name), tags);
                    }
                },
            }
        });
        quote!(#(#writes)*)
    }

    /// The struct of known values, read from `fields`, a map of values.
    pub(crate) fn read_resolved(&self) -> TokenStream {
        let model = &self.model;
        let name = suffixed(&self.owner, "Resolved");
        let reads = self.list.iter().map(|f| {
            let (ident, name, val) = (&f.ident, &f.name, f.val(model));
            let how = match f.shape {
                Shape::Required => format_ident!("required"),
                Shape::Optional => format_ident!("optional"),
                Shape::Tags => format_ident!("tags"),
            };
            let of = (f.shape != Shape::Tags).then(|| quote!(::<#val>));
            quote!(#ident: #model::__private::#how #of (fields, #name)?)
        });
        quote!(#name { #(#reads),* })
    }

    /// Statements that write the known values of `resolved` into `map`, a map of values.
    pub(crate) fn write_resolved(&self) -> TokenStream {
        let model = &self.model;
        let writes = self.list.iter().map(|f| {
            let (ident, name, val, secret) = (&f.ident, &f.name, f.val(model), f.secret);
            let value = match f.shape {
                Shape::Optional => quote!(resolved.#ident.as_ref()),
                Shape::Required => quote!(#model::__private::Some(&resolved.#ident)),
                Shape::Tags => quote!(#model::__private::Some(&resolved.#ident).filter(|tags| !tags.is_empty())),
            };
            quote!(#model::__private::write::<#val>(&mut map, #name, #value, #secret);)
        });
        quote!(#(#writes)*)
    }

    /// The struct of changes, read from `deltas`.
    pub(crate) fn read_change(&self) -> TokenStream {
        let model = &self.model;
        let name = suffixed(&self.owner, "Change");
        let reads = self.list.iter().map(|f| {
            let (ident, name, val) = (&f.ident, &f.name, f.val(model));
            quote!(#ident: #model::__private::changed::<#val>(deltas, #name)?)
        });
        quote!(#name { #(#reads),* })
    }
}
