//! The callback of wasi-queue.

use crate::bindings::Callbacks;
use wasmtime::StoreContextMut;

/// How a host tells plugins of items; each generation of the ABI implements it.
pub trait QueueCallbacks<T: 'static> {
    /// An item was added to a queue that the plugin opened. The older ABIs are also told the plugin's id.
    ///
    /// # Errors
    /// The guest trapped.
    fn on_shared_queue_ready(
        &self,
        store: StoreContextMut<'_, T>,
        plugin_id: u32,
        queue_id: u32,
    ) -> wasmtime::Result<()>;
}

impl<T: 'static> QueueCallbacks<T> for Callbacks {
    fn on_shared_queue_ready(
        &self,
        store: StoreContextMut<'_, T>,
        _plugin_id: u32,
        queue_id: u32,
    ) -> wasmtime::Result<()> {
        match &self.on_shared_queue_ready {
            Some(callback) => callback.call(store, (queue_id,)),
            None => Ok(()),
        }
    }
}
