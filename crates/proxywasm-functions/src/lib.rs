//! `proxywasm-functions`: the functions that plugins of the older Proxy-Wasm ABIs know from their hosts by the name of foreign functions, to
//! be registered in a [`FunctionRegistry`].
//!
//! Names, arguments and results are those of Envoy, so that plugins which call them there call them here. Each is a function of its
//! own, which an embedder registers or not; [`register_all`] registers all. Plugins of the component ABI can call them too, by
//! wasi-ffi, with one parameter for one result.
//!
//! | name | argument | result |
//! |---|---|---|
//! | `compress` | bytes | the bytes, compressed as zlib does |
//! | `uncompress` | bytes as zlib has compressed them | the bytes |
//! | `sign` | [`messages::SignArguments`] | [`messages::SignResult`] |
//! | `verify_signature` | [`messages::VerifySignatureArguments`] | [`messages::VerifySignatureResult`] |
//! | `set_envoy_filter_state` | [`messages::SetEnvoyFilterStateArguments`] | |
//! | `declare_property` | [`messages::DeclarePropertyArguments`] | |
//! | `clear_route_cache` | | |
//! | `expr_create` | an expression in CEL | its number, 4 bytes |
//! | `expr_evaluate` | the number | the value, as that of a property |
//! | `expr_delete` | the number | |
//!
//! It is no general library of functions: what no plugin knows from a host is for the embedder to register.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use wasi_common::{AbiPolicy, CallScope, Common, PluginSettings};
//! use wasi_ffi::{FunctionRegistry, Functions};
//!
//! let mut registry = FunctionRegistry::new();
//! registry.register("compress", proxywasm_functions::compress)?;
//! registry.register("uncompress", proxywasm_functions::uncompress)?;
//! let mut functions = Functions::new(Arc::new(registry));
//!
//! // A plugin, of which a callback is running; it calls by number, as the older ABIs' codec does for it by name.
//! let mut common = Common::default();
//! let plugin_id = common.contexts.add_plugin(Arc::new(PluginSettings::new("packer", AbiPolicy::LEGACY)));
//! common.scope = CallScope::new(plugin_id, plugin_id, "proxy_on_tick");
//! let mut call = |name: &str, argument: &[u8]| {
//!     let number = functions.resolve(&common, name.as_bytes())?;
//!     let id = functions.call(&mut common, number, &[argument])?;
//!     functions.take_results(&common, id).map(|results| results.concat())
//! };
//!
//! let text = b"to be or not to be, that is the question, to be or not to be";
//! let packed = call("compress", text).unwrap();
//! assert!(packed.len() < text.len());
//! assert_eq!(call("uncompress", &packed).unwrap(), text);
//! assert_eq!(call("uncompress", b"not packed"), Err(wasi_common::Status::BadArgument));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

#[cfg(feature = "compression")]
mod compression;
#[cfg(feature = "expressions")]
mod expressions;
pub mod messages;
#[cfg(feature = "signatures")]
mod signatures;
mod state;

#[cfg(feature = "compression")]
pub use compression::{MAX_COMPRESSED, MAX_UNCOMPRESSED, compress, uncompress};
#[cfg(feature = "expressions")]
pub use expressions::{
    MAX_EXPRESSIONS, MAX_NODES, MAX_SOURCE, WORK, expr_create, expr_delete, expr_evaluate,
};
#[cfg(feature = "signatures")]
pub use signatures::{sign, verify_signature};
pub use state::{clear_route_cache, declare_property, set_envoy_filter_state};

use bytes::Bytes;
use wasi_ffi::{CallContext, FunctionError, FunctionRegistry, RegisterError};

/// A function of this crate.
pub type NamedFunction = fn(&mut CallContext<'_>, &[&[u8]]) -> Result<Vec<Bytes>, FunctionError>;

/// All functions of this crate, by the names that plugins know.
pub const ALL: &[(&str, NamedFunction)] = &[
    #[cfg(feature = "compression")]
    ("compress", compress),
    #[cfg(feature = "compression")]
    ("uncompress", uncompress),
    #[cfg(feature = "signatures")]
    ("sign", sign),
    #[cfg(feature = "signatures")]
    ("verify_signature", verify_signature),
    ("set_envoy_filter_state", set_envoy_filter_state),
    ("declare_property", declare_property),
    ("clear_route_cache", clear_route_cache),
    #[cfg(feature = "expressions")]
    ("expr_create", expr_create),
    #[cfg(feature = "expressions")]
    ("expr_evaluate", expr_evaluate),
    #[cfg(feature = "expressions")]
    ("expr_delete", expr_delete),
];

/// Registers all functions of this crate.
///
/// # Errors
/// A function of one of the names is registered already.
pub fn register_all(registry: &mut FunctionRegistry) -> Result<(), RegisterError> {
    ALL.iter()
        .try_for_each(|(name, function)| registry.register(*name, function).map(|_| ()))
}

/// The one argument of a function.
fn argument<'a>(parameters: &[&'a [u8]]) -> Result<&'a [u8], FunctionError> {
    match parameters {
        [argument] => Ok(argument),
        _ => Err(FunctionError::BadArgument(format!(
            "{} arguments are given, and one is expected",
            parameters.len()
        ))),
    }
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
