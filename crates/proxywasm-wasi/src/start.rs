//! How an instance begins.

use wasmtime::{AsContextMut, Instance};

/// Lets an instance initialise itself, after it was instantiated and before any of its callbacks: `_initialize`, and after it
/// `main(0, 0)` or `__main_void()`, if the module exports one of that type; or else `_start`. A module with none of them has nothing to
/// do (AssemblyScript uses the start section, which runs when the module is instantiated).
///
/// # Errors
/// The guest trapped, or `_initialize` or `_start` has another type.
pub fn initialize(mut store: impl AsContextMut, instance: &Instance) -> wasmtime::Result<()> {
    let exports = |store: &mut _, name: &str| instance.get_func(store, name).is_some();
    let store = &mut store.as_context_mut();
    if exports(store, "_initialize") {
        let initialize = instance.get_typed_func::<(), ()>(&mut *store, "_initialize")?;
        initialize.call(&mut *store, ())?;
        // What else is called so is a function of the plugin's own.
        if let Ok(main) = instance.get_typed_func::<(u32, u32), u32>(&mut *store, "main") {
            main.call(store, (0, 0))?;
        } else if let Ok(main) = instance.get_typed_func::<(), u32>(&mut *store, "__main_void") {
            main.call(store, ())?;
        }
    } else if exports(store, "_start") {
        let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
        start.call(store, ())?;
    }
    Ok(())
}
