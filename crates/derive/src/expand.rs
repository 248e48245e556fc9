//! From an enum to its `impl Message`: a function from syntax to syntax, with no state.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, Data, DeriveInput, Error, Fields, Ident, Path, Result, Variant, parse_quote, spanned::Spanned};

/// What the derive expands to.
pub(crate) fn message(input: &DeriveInput) -> Result<TokenStream> {
    if let Some(mark) = marks(&input.attrs).next() {
        return Err(Error::new_spanned(mark, "a key is a field: write #[key] inside a variant, before the field"));
    }
    let Data::Enum(data) = &input.data else {
        return Err(Error::new(
            input.ident.span(),
            "a message is an enum: give this its variants, or one variant that holds it",
        ));
    };
    if data.variants.is_empty() {
        return Err(Error::new(input.ident.span(), "an enum without variants can never be sent; add a variant"));
    }
    let root = root(input)?;
    let (name, vis) = (&input.ident, &input.vis);
    let mut generics = input.generics.clone();
    generics.make_where_clause().predicates.push(parse_quote!(Self: ::core::marker::Send + 'static));
    let (bounds, arguments, conditions) = generics.split_for_impl();
    let (plain_bounds, _, plain_conditions) = input.generics.split_for_impl();
    let names = data.variants.iter().map(|variant| variant.ident.to_string());
    let (mut tags, mut keys, mut constants) = (Vec::new(), Vec::new(), Vec::new());
    for (number, variant) in (0_u32..).zip(&data.variants) {
        let ident = &variant.ident;
        let constant = format_ident!("TAG_{}", screaming(ident), span = ident.span());
        let doc = format!("The tag of `{ident}`.");
        constants.push(quote! {
            #[doc = #doc]
            #[allow(dead_code, reason = "one constant per variant, used or not")]
            #vis const #constant: #root::Tag<Self> = #root::Tag::new(#number);
        });
        tags.push(quote!(Self::#ident { .. } => #root::Tag::new(#number)));
        keys.extend(key(variant, &root)?);
    }
    Ok(quote! {
        impl #bounds #root::Message for #name #arguments #conditions {
            const TAGS: &'static [&'static str] = &[#(#names),*];

            fn tag(&self) -> #root::Tag<Self> {
                match self { #(#tags),* }
            }

            #[allow(unreachable_patterns, reason = "every variant may have a key")]
            fn key(&self) -> ::core::option::Option<#root::Key<'_>> {
                match self { #(#keys,)* _ => ::core::option::Option::None }
            }
        }

        impl #plain_bounds #name #arguments #plain_conditions {
            #(#constants)*
        }
    })
}

/// The arm that gives a variant's key, if one of its fields is marked.
fn key(variant: &Variant, root: &Path) -> Result<Option<TokenStream>> {
    if let Some(mark) = marks(&variant.attrs).next() {
        return Err(Error::new_spanned(mark, "a key is a field: write #[key] inside the variant, before the field"));
    }
    let mut fields = variant.fields.iter().enumerate().filter(|(_, field)| marks(&field.attrs).next().is_some());
    let Some((place, field)) = fields.next() else { return Ok(None) };
    if let Some(second) = fields.next().and_then(|(_, field)| marks(&field.attrs).next()) {
        return Err(Error::new_spanned(
            second,
            "a variant has one key: mark one field only, or one that stands for both",
        ));
    }
    for mark in marks(&field.attrs) {
        mark.meta.require_path_only()?;
    }
    let ident = &variant.ident;
    let pattern = match (&variant.fields, &field.ident) {
        (Fields::Named(_), Some(name)) => quote!(Self::#ident { #name: key, .. }),
        _ => {
            let before = (0..place).map(|_| quote!(_));
            quote!(Self::#ident(#(#before,)* key, ..))
        }
    };
    // An error about the field's type is shown at the field.
    let as_key = quote_spanned!(field.ty.span()=> #root::AsKey::as_key(key));
    Ok(Some(quote!(#pattern => ::core::option::Option::Some(#as_key))))
}

fn marks(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("key"))
}

/// The crate that has `Message`: as the attribute says, or the facade.
fn root(input: &DeriveInput) -> Result<Path> {
    let mut root: Path = parse_quote!(::freeboard::mailbox);
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("message")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("crate") {
                root = meta.value()?.call(Path::parse_mod_style)?;
                Ok(())
            } else {
                Err(meta.error("unknown: write #[message(crate = path)]"))
            }
        })?;
    }
    Ok(root)
}

/// `VoiceAck` as `VOICE_ACK`.
fn screaming(ident: &Ident) -> String {
    let text = ident.to_string();
    let text = text.strip_prefix("r#").unwrap_or(&text);
    let mut name = String::new();
    let mut before_is_small = false;
    for letter in text.chars() {
        if letter.is_uppercase() && before_is_small {
            name.push('_');
        }
        before_is_small = letter.is_lowercase() || letter.is_ascii_digit();
        name.extend(letter.to_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    //! Names only; what the derive accepts and refuses is in `tests/it`.
    use super::*;

    #[test]
    fn variant_names_become_constants() {
        let name = |text: &str| screaming(&Ident::new(text, proc_macro2::Span::call_site()));
        assert_eq!(["Ack", "VoiceAck", "HTTPGet", "V2Ack"].map(name), ["ACK", "VOICE_ACK", "HTTPGET", "V2_ACK"]);
    }
}
