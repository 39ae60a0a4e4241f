//! How an instance begins.

use wasmtime::{AsContextMut, Instance};

/// Lets an instance initialise itself, after it was instantiated and before any of its callbacks: `_initialize`, and after it
/// `main(0, 0)` or `__main_void()` if the module exports one; or else `_start`. A module with none of them has nothing to do
/// (AssemblyScript uses the start section, which runs when the module is instantiated).
///
/// # Errors
/// The guest trapped, or one of these exports has another type.
pub fn initialize(mut store: impl AsContextMut, instance: &Instance) -> wasmtime::Result<()> {
    let mut exports = |name: &str| instance.get_func(&mut store, name).is_some();
    if exports("_initialize") {
        let (main, main_void) = (exports("main"), exports("__main_void"));
        let initialize = instance.get_typed_func::<(), ()>(&mut store, "_initialize")?;
        initialize.call(&mut store, ())?;
        if main {
            let main = instance.get_typed_func::<(u32, u32), u32>(&mut store, "main")?;
            main.call(&mut store, (0, 0))?;
        } else if main_void {
            let main = instance.get_typed_func::<(), u32>(&mut store, "__main_void")?;
            main.call(&mut store, ())?;
        }
    } else if exports("_start") {
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
        start.call(&mut store, ())?;
    }
    Ok(())
}
