//! The callbacks of gRPC calls.

use crate::bindings::Callbacks;
use crate::event::Part;
use wasi_common::action::{Returned, call_for_action};
use wasmtime::StoreContextMut;

/// How a host tells a plugin of its gRPC calls; each generation of the ABI implements it.
///
/// A callback that the module does not export answers `forward`.
pub trait GrpcCallbacks<T: 'static> {
    /// A part of the answer, or all of it, has come. `plugin_id` is the plugin that made the call.
    ///
    /// # Errors
    /// The guest trapped.
    fn answer(
        &self,
        store: StoreContextMut<'_, T>,
        plugin_id: u32,
        callout_id: u32,
        part: Part,
    ) -> wasmtime::Result<Returned>;
}

impl<T: 'static> GrpcCallbacks<T> for Callbacks {
    fn answer(
        &self,
        store: StoreContextMut<'_, T>,
        _plugin_id: u32,
        callout_id: u32,
        part: Part,
    ) -> wasmtime::Result<Returned> {
        let (callback, number) = match part {
            Part::CallResponse { status, message_size } => {
                let arguments = (callout_id, status, message_size);
                return call_for_action(&self.on_grpc_call_response, store, arguments);
            }
            Part::InitialMetadata { num_elements } => {
                (&self.on_grpc_stream_response_header_metadata, num_elements)
            }
            Part::Message { size } => (&self.on_grpc_stream_response_message, size),
            Part::TrailingMetadata { num_elements } => {
                (&self.on_grpc_stream_response_trailer_metadata, num_elements)
            }
            Part::Close { status } => (&self.on_grpc_stream_close, status),
        };
        call_for_action(callback, store, (callout_id, number))
    }
}
