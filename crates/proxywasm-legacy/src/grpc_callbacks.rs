//! The callbacks of gRPC calls.

use crate::callbacks::{Callbacks, Optional, call};
use crate::view::LegacyView;
use wasi_common::guest::{CallbackTypeError, Exports, callback};
use wasi_common::{Action, Returned};
use wasi_grpc::{GrpcCallbacks, Part, code};
use wasmtime::{AsContextMut, StoreContextMut};

/// The callbacks of a module for gRPC calls, each if it exports it. All take the plugin, the call and a number.
pub(crate) struct Grpc {
    on_receive_initial_metadata: Optional<(u32, u32, u32), ()>,
    on_receive: Optional<(u32, u32, u32), ()>,
    on_receive_trailing_metadata: Optional<(u32, u32, u32), ()>,
    on_close: Optional<(u32, u32, u32), ()>,
}

const ON_RECEIVE_INITIAL_METADATA: &str = "proxy_on_grpc_receive_initial_metadata";
const ON_RECEIVE: &str = "proxy_on_grpc_receive";
const ON_RECEIVE_TRAILING_METADATA: &str = "proxy_on_grpc_receive_trailing_metadata";
/// As the SDK for AssemblyScript calls it.
const ON_TRAILING_METADATA: &str = "proxy_on_grpc_trailing_metadata";
const ON_CLOSE: &str = "proxy_on_grpc_close";

// === impl Grpc ===

impl Grpc {
    pub(crate) fn load(
        mut store: impl AsContextMut,
        exports: Exports<'_>,
    ) -> Result<Self, CallbackTypeError> {
        let on_receive_trailing_metadata = match callback(&mut store, exports, ON_RECEIVE_TRAILING_METADATA)?
        {
            Some(callback) => Some(callback),
            None => callback(&mut store, exports, ON_TRAILING_METADATA)?,
        };
        Ok(Self {
            on_receive_initial_metadata: callback(&mut store, exports, ON_RECEIVE_INITIAL_METADATA)?,
            on_receive: callback(&mut store, exports, ON_RECEIVE)?,
            on_receive_trailing_metadata,
            on_close: callback(&mut store, exports, ON_CLOSE)?,
        })
    }
}

impl<T: LegacyView + 'static> GrpcCallbacks<T> for Callbacks {
    /// The plugin's own context is the effective one. A unary call that went well is told as its message, another as its end; there
    /// is no action to return.
    fn answer(
        &self,
        mut store: StoreContextMut<'_, T>,
        plugin_id: u32,
        callout_id: u32,
        part: Part,
    ) -> wasmtime::Result<Returned> {
        let grpc = &self.grpc;
        let (callback, name, number) = match part {
            Part::CallResponse {
                status: code::OK,
                message_size: size,
            }
            | Part::Message { size } => (&grpc.on_receive, ON_RECEIVE, size),
            Part::CallResponse { status, .. } | Part::Close { status } => (&grpc.on_close, ON_CLOSE, status),
            Part::InitialMetadata { num_elements } => (
                &grpc.on_receive_initial_metadata,
                ON_RECEIVE_INITIAL_METADATA,
                num_elements,
            ),
            Part::TrailingMetadata { num_elements } => (
                &grpc.on_receive_trailing_metadata,
                ON_RECEIVE_TRAILING_METADATA,
                num_elements,
            ),
        };
        store.data_mut().legacy().legacy.callout = Some(callout_id);
        let arguments = (plugin_id, callout_id, number);
        let called = call(callback, &mut store, name, plugin_id, arguments);
        store.data_mut().legacy().legacy.callout = None;
        called.map(|_| Ok(Action::Forward))
    }
}
