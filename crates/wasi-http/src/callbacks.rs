//! The callbacks of HTTP streams.

use crate::bindings::Callbacks;
use crate::core::{Part, Phase};
use wasi_common::action::call_for_action;
use wasi_common::{Direction, Returned};
use wasmtime::StoreContextMut;

/// How a host hands the parts of a stream to a plugin; each generation of the ABI implements it.
///
/// A callback that the module does not export answers `forward`.
pub trait HttpCallbacks<T: 'static> {
    /// Whether the module has a callback for a phase.
    fn exports(&self, phase: Phase) -> bool;

    /// Headers have come.
    ///
    /// # Errors
    /// The guest trapped.
    fn headers(
        &self,
        store: StoreContextMut<'_, T>,
        direction: Direction,
        context_id: u32,
        num_headers: u32,
        end_of_stream: bool,
    ) -> wasmtime::Result<Returned>;

    /// A piece of the body has come; `size` is what the plugin can read.
    ///
    /// # Errors
    /// The guest trapped.
    fn body(
        &self,
        store: StoreContextMut<'_, T>,
        direction: Direction,
        context_id: u32,
        size: u32,
        end_of_stream: bool,
    ) -> wasmtime::Result<Returned>;

    /// Trailers have come, which end the message.
    ///
    /// # Errors
    /// The guest trapped.
    fn trailers(
        &self,
        store: StoreContextMut<'_, T>,
        direction: Direction,
        context_id: u32,
        num_trailers: u32,
    ) -> wasmtime::Result<Returned>;

    /// An HTTP/2 METADATA frame has come.
    ///
    /// # Errors
    /// The guest trapped.
    fn metadata(
        &self,
        store: StoreContextMut<'_, T>,
        direction: Direction,
        context_id: u32,
        num_elements: u32,
    ) -> wasmtime::Result<Returned>;
}

impl<T: 'static> HttpCallbacks<T> for Callbacks {
    fn exports(&self, phase: Phase) -> bool {
        match (phase.direction, phase.part) {
            (Direction::Request, Part::Headers) => self.on_http_request_headers.is_some(),
            (Direction::Request, Part::Body) => self.on_http_request_body.is_some(),
            (Direction::Request, Part::Trailers) => self.on_http_request_trailers.is_some(),
            (Direction::Request, Part::Metadata) => self.on_http_request_metadata.is_some(),
            (Direction::Response, Part::Headers) => self.on_http_response_headers.is_some(),
            (Direction::Response, Part::Body) => self.on_http_response_body.is_some(),
            (Direction::Response, Part::Trailers) => self.on_http_response_trailers.is_some(),
            (Direction::Response, Part::Metadata) => self.on_http_response_metadata.is_some(),
        }
    }

    fn headers(
        &self,
        store: StoreContextMut<'_, T>,
        direction: Direction,
        context_id: u32,
        num_headers: u32,
        end_of_stream: bool,
    ) -> wasmtime::Result<Returned> {
        let callback = match direction {
            Direction::Request => &self.on_http_request_headers,
            Direction::Response => &self.on_http_response_headers,
        };
        call_for_action(
            callback,
            store,
            (context_id, num_headers, u32::from(end_of_stream)),
        )
    }

    fn body(
        &self,
        store: StoreContextMut<'_, T>,
        direction: Direction,
        context_id: u32,
        size: u32,
        end_of_stream: bool,
    ) -> wasmtime::Result<Returned> {
        let callback = match direction {
            Direction::Request => &self.on_http_request_body,
            Direction::Response => &self.on_http_response_body,
        };
        call_for_action(callback, store, (context_id, size, u32::from(end_of_stream)))
    }

    fn trailers(
        &self,
        store: StoreContextMut<'_, T>,
        direction: Direction,
        context_id: u32,
        num_trailers: u32,
    ) -> wasmtime::Result<Returned> {
        let callback = match direction {
            Direction::Request => &self.on_http_request_trailers,
            Direction::Response => &self.on_http_response_trailers,
        };
        call_for_action(callback, store, (context_id, num_trailers))
    }

    fn metadata(
        &self,
        store: StoreContextMut<'_, T>,
        direction: Direction,
        context_id: u32,
        num_elements: u32,
    ) -> wasmtime::Result<Returned> {
        let callback = match direction {
            Direction::Request => &self.on_http_request_metadata,
            Direction::Response => &self.on_http_response_metadata,
        };
        call_for_action(callback, store, (context_id, num_elements))
    }
}
