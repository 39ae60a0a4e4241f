//! The callbacks of wasi-context.

use crate::bindings::Callbacks;
use wasi_common::ContextType;
use wasmtime::StoreContextMut;

/// How a host drives the life of plugins and streams; each generation of the ABI implements it.
pub trait LifecycleCallbacks<T: 'static> {
    /// A plugin begins. Returns whether it accepts its configuration.
    ///
    /// # Errors
    /// The guest trapped.
    fn start_plugin(
        &self,
        store: StoreContextMut<'_, T>,
        plugin_id: u32,
        sizes: ConfigurationSizes,
    ) -> wasmtime::Result<bool>;

    /// A plugin is to end. Returns whether it has nothing left to do; otherwise it says so later.
    ///
    /// # Errors
    /// The guest trapped.
    fn shut_plugin_down(&self, store: StoreContextMut<'_, T>, plugin_id: u32) -> wasmtime::Result<bool>;

    /// The last callback of a plugin; only the older ABIs have one.
    ///
    /// # Errors
    /// The guest trapped.
    fn delete_plugin(&self, store: StoreContextMut<'_, T>, plugin_id: u32) -> wasmtime::Result<()>;

    /// A stream begins. Returns the id by which the plugin wants to know it; 0 keeps `context_id`.
    ///
    /// # Errors
    /// The guest trapped.
    fn create_context(
        &self,
        store: StoreContextMut<'_, T>,
        context_id: u32,
        plugin_id: u32,
        kind: ContextType,
    ) -> wasmtime::Result<u32>;

    /// A stream has ended. Returns whether the plugin is done with it; only the older ABIs can put that off.
    ///
    /// # Errors
    /// The guest trapped.
    fn finalize_context(&self, store: StoreContextMut<'_, T>, context_id: u32) -> wasmtime::Result<bool>;

    /// The plugin has finished a stream whose end it had put off.
    ///
    /// # Errors
    /// The guest trapped.
    fn finish_context(&self, store: StoreContextMut<'_, T>, context_id: u32) -> wasmtime::Result<()>;
}

/// Bytes of the configurations that a plugin can read when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigurationSizes {
    /// The plugin's.
    pub plugin: u32,
    /// The instance's, which only the older ABIs know.
    pub vm: u32,
}

impl<T: 'static> LifecycleCallbacks<T> for Callbacks {
    fn start_plugin(
        &self,
        store: StoreContextMut<'_, T>,
        plugin_id: u32,
        sizes: ConfigurationSizes,
    ) -> wasmtime::Result<bool> {
        match &self.on_plugin_start {
            Some(callback) => Ok(callback.call(store, (plugin_id, sizes.plugin))? != 0),
            None => Ok(true),
        }
    }

    fn shut_plugin_down(&self, store: StoreContextMut<'_, T>, plugin_id: u32) -> wasmtime::Result<bool> {
        match &self.on_plugin_shutdown {
            Some(callback) => Ok(callback.call(store, (plugin_id,))? != 0),
            None => Ok(true),
        }
    }

    fn delete_plugin(&self, _: StoreContextMut<'_, T>, _: u32) -> wasmtime::Result<()> {
        Ok(())
    }

    fn create_context(
        &self,
        store: StoreContextMut<'_, T>,
        context_id: u32,
        plugin_id: u32,
        kind: ContextType,
    ) -> wasmtime::Result<u32> {
        match &self.on_context_create {
            Some(callback) => callback.call(store, (context_id, plugin_id, kind as u32)),
            None => Ok(0),
        }
    }

    fn finalize_context(&self, store: StoreContextMut<'_, T>, context_id: u32) -> wasmtime::Result<bool> {
        if let Some(callback) = &self.on_context_finalize {
            callback.call(store, (context_id,))?;
        }
        Ok(true)
    }

    fn finish_context(&self, _: StoreContextMut<'_, T>, _: u32) -> wasmtime::Result<()> {
        Ok(())
    }
}
