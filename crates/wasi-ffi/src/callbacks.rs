//! The callback of wasi-ffi.

use crate::FfiView;
use crate::bindings::Callbacks;
use bytes::Bytes;
use thiserror::Error;
use wasi_common::Status;
use wasi_common::callout::CustomParameters;
use wasi_common::packed::pack_list;
use wasmtime::StoreContextMut;

/// How a host calls plugins on behalf of the embedder; each generation of the ABI implements it.
pub trait FfiCallbacks<T: 'static> {
    /// Calls a plugin. The number is agreed between the embedder and the plugin; the results are what the plugin has set.
    ///
    /// # Errors
    /// The guest trapped.
    fn on_custom_callback(
        &self,
        store: StoreContextMut<'_, T>,
        plugin_id: u32,
        callback_id: u32,
        parameters: &[&[u8]],
    ) -> wasmtime::Result<Result<Vec<Bytes>, CallbackError>>;
}

/// Why a plugin did not do what a custom callback asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CallbackError {
    /// The module has no such callback.
    #[error("the plugin takes no custom callbacks: its module exports no function for them")]
    NotExported,
    /// The plugin refused.
    #[error("the plugin refused the custom callback: {0:?}")]
    Refused(Status),
    /// The plugin returned a number that is no status.
    #[error("the plugin returned {0} from the custom callback, which is no status")]
    UnknownStatus(u32),
    /// The parameters are larger than what fits into a plugin's memory.
    #[error(
        "the parameters of the custom callback have {0} bytes, and a plugin can address no more than 4294967295"
    )]
    TooLarge(usize),
}

impl<T: FfiView + 'static> FfiCallbacks<T> for Callbacks {
    fn on_custom_callback(
        &self,
        mut store: StoreContextMut<'_, T>,
        plugin_id: u32,
        callback_id: u32,
        parameters: &[&[u8]],
    ) -> wasmtime::Result<Result<Vec<Bytes>, CallbackError>> {
        let Some(callback) = &self.on_custom_callback else {
            return Ok(Err(CallbackError::NotExported));
        };
        let mut block = Vec::new();
        pack_list(parameters.iter().copied(), &mut block);
        let Ok(size) = u32::try_from(block.len()) else {
            return Ok(Err(CallbackError::TooLarge(block.len())));
        };
        let (common, functions) = store.data_mut().functions();
        let parameters = CustomParameters {
            plugin_id,
            callback_id,
            block: block.into(),
        };
        functions.begin_callback(common, parameters);
        let returned = callback.call(&mut store, (callback_id, size));
        let (common, functions) = store.data_mut().functions();
        let results = functions.end_callback(common);
        let number = returned?;
        Ok(match Status::try_from(number) {
            Ok(Status::Ok) => Ok(results),
            Ok(status) => Err(CallbackError::Refused(status)),
            Err(_) => Err(CallbackError::UnknownStatus(number)),
        })
    }
}
