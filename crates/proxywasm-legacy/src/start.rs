//! How an instance of the older ABIs begins.

use crate::view::{LegacyView, Stage};
use wasmtime::{AsContextMut, Instance};

/// Lets an instance initialise itself, as [`proxywasm_wasi::initialize`] does, and opens the hostcalls to it afterwards. Until
/// then, also in the start section of the module, it may call WASI and write to the log; every other hostcall answers internal
/// failure, since there is no plugin yet to act for.
///
/// # Errors
/// The guest trapped, or its entry point has another type.
pub fn initialize<T: LegacyView + 'static>(
    mut store: impl AsContextMut<Data = T>,
    instance: &Instance,
) -> wasmtime::Result<()> {
    proxywasm_wasi::initialize(&mut store, instance)?;
    store.as_context_mut().data_mut().legacy().legacy.stage = Stage::Running;
    Ok(())
}
