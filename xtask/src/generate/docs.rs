//! Puts the documentation of the WITX files on generated code, which wiggle drops.

use std::collections::HashMap;

use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, ImplItemFn, Item, ItemEnum, ItemStruct, ItemTrait, TraitItem, TraitItemFn, parse_quote,
};
use wiggle_generate::names;
use witx::{InterfaceFunc, Module, NamedType, Type};

/// Columns of generated comments, without their indentation.
const LINE_WIDTH: usize = 110;

/// One `#[doc]` attribute for each line.
pub(crate) fn attributes(docs: &str) -> Vec<Attribute> {
    docs.trim_end()
        .lines()
        .map(|line| {
            let line = if line.is_empty() {
                String::new()
            } else {
                format!(" {line}")
            };
            parse_quote!(#[doc = #line])
        })
        .collect()
}

/// The documentation of a function with its parameters and its result as lists.
pub(crate) fn function(function: &InterfaceFunc) -> String {
    let mut text = paragraphs(&function.docs)
        .iter()
        .map(|line| wrapped(line, ""))
        .collect::<Vec<_>>()
        .join("\n\n");
    for (title, values) in [("Parameters", &function.params), ("Returns", &function.results)] {
        let lines: Vec<_> = values
            .iter()
            .filter(|value| !value.docs.trim().is_empty())
            .map(|value| {
                wrapped(
                    &format!("- `{}`: {}", value.name.as_str(), sentence(&value.docs)),
                    "  ",
                )
            })
            .collect();
        if !lines.is_empty() {
            text.push_str(&format!("\n\n{title}:\n{}", lines.join("\n")));
        }
    }
    text
}

/// The paragraphs of a documentation text, each on one line.
pub(crate) fn paragraphs(docs: &str) -> Vec<String> {
    docs.trim().split("\n\n").map(sentence).collect()
}

/// A text without its line breaks.
pub(crate) fn sentence(docs: &str) -> String {
    docs.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text broken into lines that fit; those behind the first start with `indent`.
pub(crate) fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.trim().is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= LINE_WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{indent}{word}")),
        }
    }
    lines.join("\n")
}

/// Documents generated types: the types themselves, their fields and cases.
pub(crate) struct TypeDocs<'a> {
    types: HashMap<String, &'a NamedType>,
}

/// Documents the generated trait of a component and its functions.
pub(crate) struct TraitDocs<'a> {
    module: &'a Module,
}

// === impl TypeDocs ===

impl<'a> TypeDocs<'a> {
    pub(crate) fn new(types: impl Iterator<Item = &'a NamedType>) -> Self {
        Self {
            types: types
                .map(|named| (names::type_(&named.name).to_string(), named))
                .collect(),
        }
    }

    fn of(&self, ident: &syn::Ident) -> Option<&'a NamedType> {
        self.types.get(&ident.to_string()).copied()
    }
}

impl VisitMut for TypeDocs<'_> {
    fn visit_item_mut(&mut self, item: &mut Item) {
        if let Item::Type(alias) = item
            && let Some(named) = self.of(&alias.ident)
        {
            alias.attrs.splice(0..0, attributes(&named.docs));
        }
        visit_mut::visit_item_mut(self, item);
    }

    fn visit_item_struct_mut(&mut self, item: &mut ItemStruct) {
        if let Some(named) = self.of(&item.ident) {
            item.attrs.splice(0..0, attributes(&named.docs));
            if let Type::Record(record) = &**named.type_() {
                for (field, member) in item.fields.iter_mut().zip(&record.members) {
                    field.attrs.splice(0..0, attributes(&member.docs));
                }
            }
        }
    }

    fn visit_item_enum_mut(&mut self, item: &mut ItemEnum) {
        if let Some(named) = self.of(&item.ident) {
            item.attrs.splice(0..0, attributes(&named.docs));
            // A number without payload can be a key and be compared.
            item.attrs
                .push(parse_quote!(#[derive(Eq, Hash, PartialOrd, Ord)]));
            if let Type::Variant(variant) = &**named.type_() {
                for (case, witx_case) in item.variants.iter_mut().zip(&variant.cases) {
                    case.attrs.splice(0..0, attributes(&witx_case.docs));
                }
            }
        }
    }

    fn visit_impl_item_fn_mut(&mut self, function: &mut ImplItemFn) {
        if let Some(field) = function.sig.ident.to_string().strip_prefix("offset_of_") {
            function.attrs.splice(
                0..0,
                attributes(&format!("Where the field `{field}` lies, in bytes.")),
            );
        }
    }
}

// === impl TraitDocs ===

impl<'a> TraitDocs<'a> {
    pub(crate) fn new(module: &'a Module) -> Self {
        Self { module }
    }

    fn of(&self, ident: &syn::Ident) -> Option<String> {
        self.module
            .funcs()
            .find(|found| names::func(&found.name) == *ident)
            .map(|found| function(&found))
    }
}

impl VisitMut for TraitDocs<'_> {
    fn visit_item_trait_mut(&mut self, item: &mut ItemTrait) {
        item.attrs.splice(0..0, attributes(&self.module.docs));
        // Only the stock linker glue of wiggle calls `set_hostcall_fuel`.
        item.items.retain(
            |item| !matches!(item, TraitItem::Fn(function) if function.sig.ident == "set_hostcall_fuel"),
        );
        visit_mut::visit_item_trait_mut(self, item);
    }

    fn visit_trait_item_fn_mut(&mut self, function: &mut TraitItemFn) {
        if let Some(docs) = self.of(&function.sig.ident) {
            function.attrs.splice(0..0, attributes(&docs));
        }
    }

    fn visit_item_fn_mut(&mut self, function: &mut syn::ItemFn) {
        let name = function.sig.ident.to_token_stream().to_string();
        let trait_name = names::trait_name(&self.module.name);
        let docs = format!(
            "Decodes the arguments, calls [`{trait_name}::{name}`] and encodes what it returns.\n\n# Errors\nA \
             [`wiggle::GuestError`] where an argument cannot be decoded or a result cannot be written."
        );
        function.attrs.splice(0..0, attributes(&docs));
    }
}
