//! The parts of `bindings.rs` that wiggle does not have: names, access to the host, linking, callbacks.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{format_ident, quote};
use wiggle_generate::names as wiggle_names;
use witx::{InterfaceFunc, Layout, WasmType};

use super::docs::{self, attributes};
use super::model::{CallbackResult, Component, callback_result, export_name, returned_value};

/// The names on the wire.
pub(crate) fn names(component: &Component) -> TokenStream {
    let module = component.module_name();
    let hostcalls = component
        .hostcalls
        .funcs()
        .map(|function| function.name.as_str().to_owned());
    let callbacks = component.callback_functions();
    let exports = callbacks.iter().map(|callback| export_name(callback));
    quote! {
        /// The module from which plugins import the hostcalls.
        pub const MODULE: &str = #module;
        /// The hostcalls, as plugins import them.
        pub const HOSTCALLS: &[&str] = &[#(#hostcalls),*];
        /// The callbacks, as plugins export them.
        pub const CALLBACKS: &[&str] = &[#(#exports),*];
    }
}

/// The trait by which the data of a store gives access to the hostcalls.
pub(crate) fn view(component: &Component) -> TokenStream {
    let module = rust_module(component);
    let host = host_trait(component);
    let view = view_trait(component);
    let docs = attributes(&format!(
        "What the data of a store must offer so that its plugins can call `{}`.",
        component.module_name()
    ));
    quote! {
        #(#docs)*
        pub trait #view: ::wasi_common::guest::GuestMemoryView {
            /// Carries out the hostcalls.
            type Host<'a>: #module::#host where Self: 'a;

            /// Whoever carries out the hostcalls, for the time of one of them.
            fn #module(&mut self) -> Self::Host<'_>;
        }
    }
}

/// The function that adds the hostcalls to a linker.
pub(crate) fn linker(component: &Component) -> TokenStream {
    let view = view_trait(component);
    let definitions = component
        .hostcalls
        .funcs()
        .map(|function| definition(component, &function));
    let docs = attributes(&format!(
        "Adds the hostcalls of `{}` to a linker.\n\nA pointer that the plugin must not use becomes a status, never a trap.\n\n\
         # Errors\nThe linker has one of these names already.",
        component.module_name()
    ));
    quote! {
        #(#docs)*
        pub fn add_to_linker<T: #view + 'static>(linker: &mut wasmtime::Linker<T>) -> wasmtime::Result<()> {
            #(#definitions)*
            Ok(())
        }
    }
}

/// The callbacks as optional typed functions; nothing for a component without any.
pub(crate) fn callbacks(component: &Component) -> anyhow::Result<TokenStream> {
    let functions = component.callback_functions();
    if functions.is_empty() {
        return Ok(quote!());
    }
    let mut fields = Vec::new();
    let mut loads = Vec::new();
    for function in &functions {
        let name = wiggle_names::func(&function.name);
        let export = export_name(function);
        let docs = attributes(&format!("`{export}`: {}", docs::function(function)));
        let (parameters, _) = function.wasm_signature();
        let parameters = parameters.iter().zip(&function.params).map(|(wasm, parameter)| {
            let signed = matches!(
                &**parameter.tref.type_(),
                witx::Type::Builtin(witx::BuiltinType::S32 | witx::BuiltinType::S64)
            );
            number(*wasm, signed)
        });
        let result = match callback_result(function)? {
            CallbackResult::None => quote!(()),
            CallbackResult::Value(_) => quote!(u32),
        };
        fields.push(quote!(#(#docs)* pub #name: Option<wasmtime::TypedFunc<(#(#parameters,)*), #result>>));
        loads.push(quote!(#name: ::wasi_common::guest::callback(&mut *store, exports, #export)?));
    }
    let docs = attributes(&format!(
        "The callbacks of `{}` that a plugin exports. Each is optional.",
        component.module_name()
    ));
    Ok(quote! {
        #(#docs)*
        #[derive(Clone, Default)]
        pub struct Callbacks { #(#fields,)* }

        impl Callbacks {
            /// Looks the callbacks up in an instance.
            ///
            /// # Errors
            /// The plugin exports something else under the name of a callback.
            pub fn load<'a>(
                store: &mut impl wasmtime::AsContextMut,
                exports: impl Into<::wasi_common::guest::Exports<'a>>,
            ) -> Result<Self, ::wasi_common::guest::CallbackTypeError> {
                let exports = exports.into();
                Ok(Self { #(#loads,)* })
            }
        }
    })
}

/// One hostcall in the body of `add_to_linker`.
fn definition(component: &Component, function: &InterfaceFunc) -> TokenStream {
    let module = rust_module(component);
    let name = function.name.as_str();
    let decode = wiggle_names::func(&function.name);
    let (parameters, _) = function.wasm_signature();
    let arguments: Vec<_> = (0..parameters.len())
        .map(|index| Ident::new(&format!("arg{index}"), Span::call_site()))
        .collect();
    let types = parameters
        .iter()
        .map(|parameter| wiggle_names::wasm_type(*parameter));
    // The place of a value that is returned comes last. wiggle writes to it after the call, when it is too late to refuse.
    let check = returned_value(function).zip(arguments.last()).map(|((_, value), place)| {
        let layout = value.mem_size_align();
        let (size, align) = (Literal::usize_unsuffixed(layout.size), Literal::usize_unsuffixed(layout.align));
        quote! {
            if let Err(status) = ::wasi_common::guest::check_return(&guest, #place as u32, #size, #align) {
                return Ok(status as i32);
            }
        }
    });
    quote! {
        linker.func_wrap(
            MODULE,
            #name,
            |mut caller: wasmtime::Caller<'_, T> #(, #arguments: #types)*| -> wasmtime::Result<i32> {
                let memory = match ::wasi_common::guest::memory(&mut caller) {
                    Ok(memory) => memory,
                    Err(status) => return Ok(status as i32),
                };
                let (bytes, data) = memory.data_and_store_mut(&mut caller);
                let mut guest = wiggle::GuestMemory::Unshared(bytes);
                #check
                let mut host = data.#module();
                #module::#decode(&mut host, &mut guest #(, #arguments)*)
                    .or_else(::wasi_common::guest::trap_or_status)
            },
        )?;
    }
}

/// The Rust type of a number that crosses the boundary. Wasm does not know signs.
fn number(wasm: WasmType, signed: bool) -> TokenStream {
    match (wasm, signed) {
        (WasmType::I32, false) => quote!(u32),
        (WasmType::I32, true) => quote!(i32),
        (WasmType::I64, false) => quote!(u64),
        (WasmType::I64, true) => quote!(i64),
        (WasmType::F32, _) => quote!(f32),
        (WasmType::F64, _) => quote!(f64),
    }
}

fn rust_module(component: &Component) -> Ident {
    format_ident!("{}", component.rust_name())
}

fn host_trait(component: &Component) -> Ident {
    wiggle_names::trait_name(&component.hostcalls.name)
}

fn view_trait(component: &Component) -> Ident {
    format_ident!("{}View", host_trait(component))
}
