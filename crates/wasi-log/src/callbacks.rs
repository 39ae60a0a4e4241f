//! The callback of wasi-log.

use crate::bindings::Callbacks;
use wasi_common::LogLevel;
use wasmtime::StoreContextMut;

/// How a host tells plugins of the log; each generation of the ABI implements it.
pub trait LogCallbacks<T: 'static> {
    /// The lowest level that is written has changed. Called once for each instance.
    ///
    /// # Errors
    /// The guest trapped.
    fn on_log_level_update(&self, store: StoreContextMut<'_, T>, level: LogLevel) -> wasmtime::Result<()>;
}

impl<T: 'static> LogCallbacks<T> for Callbacks {
    fn on_log_level_update(&self, store: StoreContextMut<'_, T>, level: LogLevel) -> wasmtime::Result<()> {
        match &self.on_log_level_update {
            Some(callback) => callback.call(store, (level as u32,)),
            None => Ok(()),
        }
    }
}
