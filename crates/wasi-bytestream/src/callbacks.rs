//! The callbacks of TCP streams.

use crate::bindings::Callbacks;
use crate::core::{Phase, Side};
use wasi_common::action::call_for_action;
use wasi_common::{CloseSource, Returned};
use wasmtime::StoreContextMut;

/// How a host hands what happens on a stream to a plugin; each generation of the ABI implements it.
///
/// A callback that the module does not export answers `forward`.
pub trait BytestreamCallbacks<T: 'static> {
    /// Whether the module has a callback for a phase.
    fn exports(&self, phase: Phase) -> bool;

    /// A client has connected.
    ///
    /// # Errors
    /// The guest trapped.
    fn new_connection(&self, store: StoreContextMut<'_, T>, context_id: u32) -> wasmtime::Result<Returned>;

    /// Data has come from `side`; `size` bytes are what the plugin can read, with `end_of_stream` nothing follows.
    ///
    /// # Errors
    /// The guest trapped.
    fn data(
        &self,
        store: StoreContextMut<'_, T>,
        side: Side,
        context_id: u32,
        size: u32,
        end_of_stream: bool,
    ) -> wasmtime::Result<Returned>;

    /// The connection to `side` is closed.
    ///
    /// # Errors
    /// The guest trapped.
    fn closed(
        &self,
        store: StoreContextMut<'_, T>,
        side: Side,
        context_id: u32,
        source: CloseSource,
    ) -> wasmtime::Result<()>;
}

impl<T: 'static> BytestreamCallbacks<T> for Callbacks {
    fn exports(&self, phase: Phase) -> bool {
        match phase {
            Phase::NewConnection => self.on_new_connection.is_some(),
            Phase::DownstreamData => self.on_downstream_data.is_some(),
            Phase::UpstreamData => self.on_upstream_data.is_some(),
            Phase::UpstreamClose => self.on_upstream_close.is_some(),
            Phase::DownstreamClose => self.on_downstream_close.is_some(),
        }
    }

    fn new_connection(&self, store: StoreContextMut<'_, T>, context_id: u32) -> wasmtime::Result<Returned> {
        call_for_action(&self.on_new_connection, store, (context_id,))
    }

    fn data(
        &self,
        store: StoreContextMut<'_, T>,
        side: Side,
        context_id: u32,
        size: u32,
        end_of_stream: bool,
    ) -> wasmtime::Result<Returned> {
        let callback = match side {
            Side::Downstream => &self.on_downstream_data,
            Side::Upstream => &self.on_upstream_data,
        };
        call_for_action(callback, store, (context_id, size, u32::from(end_of_stream)))
    }

    fn closed(
        &self,
        store: StoreContextMut<'_, T>,
        side: Side,
        context_id: u32,
        source: CloseSource,
    ) -> wasmtime::Result<()> {
        let callback = match side {
            Side::Downstream => &self.on_downstream_close,
            Side::Upstream => &self.on_upstream_close,
        };
        match callback {
            Some(callback) => callback.call(store, (context_id, source as u32)),
            None => Ok(()),
        }
    }
}
