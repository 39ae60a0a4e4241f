//! The callbacks of HTTP callouts.

use crate::bindings::Callbacks;
use crate::calls::CallPart;
use wasi_common::Returned;
use wasi_common::action::call_for_action;
use wasmtime::StoreContextMut;

/// How a host hands the answer to a callout to its plugin; each generation of the ABI implements it.
///
/// A callback that the module does not export answers `forward`.
pub trait HttpCallCallbacks<T: 'static> {
    /// Whether the module wants answers in parts, as they come, rather than whole.
    fn streams_answers(&self) -> bool;

    /// A part of the answer, or all of it, has come. `plugin_id` is the plugin that made the callout.
    ///
    /// # Errors
    /// The guest trapped.
    fn answer(
        &self,
        store: StoreContextMut<'_, T>,
        plugin_id: u32,
        callout_id: u32,
        part: CallPart,
    ) -> wasmtime::Result<Returned>;
}

impl<T: 'static> HttpCallCallbacks<T> for Callbacks {
    fn streams_answers(&self) -> bool {
        self.on_http_call_response_headers.is_some()
    }

    fn answer(
        &self,
        store: StoreContextMut<'_, T>,
        _plugin_id: u32,
        callout_id: u32,
        part: CallPart,
    ) -> wasmtime::Result<Returned> {
        match part {
            CallPart::Response {
                num_headers,
                body_size,
                num_trailers,
            } => {
                let arguments = (callout_id, num_headers, body_size, num_trailers);
                call_for_action(&self.on_http_call_response, store, arguments)
            }
            CallPart::Headers { num_headers } => call_for_action(
                &self.on_http_call_response_headers,
                store,
                (callout_id, num_headers),
            ),
            CallPart::Body { size, end_of_stream } => {
                let arguments = (callout_id, size, u32::from(end_of_stream));
                call_for_action(&self.on_http_call_response_body, store, arguments)
            }
            CallPart::Trailers { num_trailers } => call_for_action(
                &self.on_http_call_response_trailers,
                store,
                (callout_id, num_trailers),
            ),
        }
    }
}
