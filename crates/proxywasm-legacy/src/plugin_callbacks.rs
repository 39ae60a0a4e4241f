//! The callbacks that concern no stream and no callout: ticks, and calls of the embedder.

use crate::callbacks::{Callbacks, call};
use crate::view::LegacyView;
use bytes::Bytes;
use wasi_common::callout::CustomParameters;
use wasi_ffi::{CallbackError, FfiCallbacks};
use wasi_timer::{TimerCallbacks, TimerKey};
use wasmtime::StoreContextMut;

pub(crate) const ON_TICK: &str = "proxy_on_tick";
pub(crate) const ON_FOREIGN_FUNCTION: &str = "proxy_on_foreign_function";

impl<T: LegacyView + 'static> TimerCallbacks<T> for Callbacks {
    /// A plugin of these ABIs has one timer, so the callback does not name it.
    fn on_timer_ready(&self, mut store: StoreContextMut<'_, T>, timer: TimerKey) -> wasmtime::Result<()> {
        let plugin_id = timer.plugin_id;
        call(&self.on_tick, &mut store, ON_TICK, plugin_id, plugin_id)?;
        Ok(())
    }
}

impl<T: LegacyView + 'static> FfiCallbacks<T> for Callbacks {
    /// The plugin reads all parameters as one, behind each other, and has no way to give results.
    fn on_custom_callback(
        &self,
        mut store: StoreContextMut<'_, T>,
        plugin_id: u32,
        callback_id: u32,
        parameters: &[&[u8]],
    ) -> wasmtime::Result<Result<Vec<Bytes>, CallbackError>> {
        if self.on_foreign_function.is_none() {
            return Ok(Err(CallbackError::NotExported));
        }
        let block = parameters.concat();
        let Ok(size) = u32::try_from(block.len()) else {
            return Ok(Err(CallbackError::TooLarge(block.len())));
        };
        let parts = store.data_mut().legacy();
        let parameters = CustomParameters {
            plugin_id,
            callback_id,
            block: block.into(),
        };
        parts.functions.begin_callback(parts.common, parameters);
        let arguments = (plugin_id, callback_id, size);
        let called = call(
            &self.on_foreign_function,
            &mut store,
            ON_FOREIGN_FUNCTION,
            plugin_id,
            arguments,
        );
        let parts = store.data_mut().legacy();
        let results = parts.functions.end_callback(parts.common);
        called.map(|_| Ok(results))
    }
}
