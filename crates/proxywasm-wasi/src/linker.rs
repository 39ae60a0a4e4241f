//! How the functions come to a linker.

use crate::errno::Errno;
use crate::{WasiView, functions, refusals};
use std::collections::BTreeSet;
use wasmtime::{Linker, Module};

/// The names under which guests import WASI: that of preview 1, and an older one for the same functions.
pub const MODULES: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

/// Adds WASI preview 1 under both its names.
///
/// # Errors
/// The linker has one of the functions already.
pub fn add_to_linker<T: WasiView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    for module in MODULES {
        functions::add(linker, module)?;
        refusals::add(linker, module)?;
    }
    Ok(())
}

/// Defines what a module imports from WASI besides the functions of [`add_to_linker`]: as functions of the imported type that
/// answer `NOSYS` and say so once in the host's own log. An import that returns anything but one i32 or nothing stays undefined.
///
/// The linker is then that module's own; hosts of several modules clone a common one for each.
///
/// # Errors
/// The linker has one of the functions already, from elsewhere.
pub fn stub_unknown_imports<T: WasiView + 'static>(
    linker: &mut Linker<T>,
    module: &Module,
) -> wasmtime::Result<()> {
    let mut seen = BTreeSet::new();
    for import in module.imports() {
        let unknown = MODULES.contains(&import.module()) && !is_offered(import.name());
        // Some toolchains import one function several times.
        if unknown && seen.insert((import.module(), import.name())) {
            refusals::refuse_import(linker, &import, Errno::Nosys as i32)?;
        }
    }
    Ok(())
}

fn is_offered(name: &str) -> bool {
    functions::NAMES.contains(&name) || refusals::is_known(name)
}
