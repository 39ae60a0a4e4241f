//! `set_envoy_filter_state`, `declare_property` and `clear_route_cache`.

use crate::messages::{DeclarePropertyArguments, SetEnvoyFilterStateArguments, WasmType, decode};
use bytes::Bytes;
use wasi_common::{Declaration, PropertyPath};
use wasi_ffi::{CallContext, FunctionError};

/// Sets the state of a filter: what all plugins of the stream read as the property `filter_state` and the name. No name means
/// anything to the host. It lives as long as the stream, whatever span is asked for; in a call for no stream, as long as the plugin.
///
/// # Errors
/// The argument is no such message, the name is empty, or the plugin has set more than it may.
pub fn set_envoy_filter_state(
    call: &mut CallContext<'_>,
    parameters: &[&[u8]],
) -> Result<Vec<Bytes>, FunctionError> {
    let arguments: SetEnvoyFilterStateArguments = decode(parameters)?;
    call.set_filter_state(arguments.path.as_bytes(), arguments.value.as_bytes())?;
    Ok(Vec::new())
}

/// Declares a property that the plugin is going to set, here or on streams: whether it can be set only once, and whether expressions take it
/// for text. It lives as long as the stream on which it is set, whatever span is asked for.
///
/// # Errors
/// The argument is no such message; the name is empty, the host's, or was declared already; the plugin has declared more than it
/// may.
pub fn declare_property(
    call: &mut CallContext<'_>,
    parameters: &[&[u8]],
) -> Result<Vec<Bytes>, FunctionError> {
    let arguments: DeclarePropertyArguments = decode(parameters)?;
    let declaration = Declaration {
        read_only: arguments.readonly,
        is_text: arguments.r#type() == WasmType::String,
    };
    call.declare_property(PropertyPath::new(arguments.name.as_bytes()), declaration)?;
    Ok(Vec::new())
}

/// Has the route chosen anew, with hosts that choose it before plugins run. Here it does nothing: who drives the stream chooses by the head that plugins
/// let go.
///
/// # Errors
/// None.
pub fn clear_route_cache(_: &mut CallContext<'_>, _: &[&[u8]]) -> Result<Vec<Bytes>, FunctionError> {
    Ok(Vec::new())
}
