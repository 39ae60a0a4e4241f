//! C, with clang, without a library: `plugin.c` on the header of the SDK.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use super::{Compiler, Folders, Module, first_line, read, run};

/// The folder of the header, relative to the repository.
const HEADER: &str = "crates/proxywasm-sdk/include";
/// Warnings are errors: the header must not give any.
const FLAGS: &[&str] = &[
    "--target=wasm32",
    "-std=c11",
    "-Oz",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-ffreestanding",
    "-nostdlib",
    "-Wl,--no-entry,--strip-all",
];

struct Clang {
    program: OsString,
    version: String,
}

/// `CLANG` of the environment, else `clang`, with its wasm linker.
pub(super) fn find() -> Option<Box<dyn Compiler>> {
    let program = env::var_os("CLANG").unwrap_or_else(|| "clang".into());
    let clang = first_line(&program, &["--version"])?;
    let linker = first_line(&program, &["--target=wasm32", "--print-prog-name=wasm-ld"])?;
    let linker = first_line(linker, &["--version"])?;
    Some(Box::new(Clang {
        program,
        version: format!("{clang}, {linker}"),
    }))
}

// === impl Clang ===

impl Compiler for Clang {
    fn build(&self, folders: &Folders, source: &Path, work: &Path) -> anyhow::Result<Module> {
        let module = work.join("plugin.wasm");
        let mut command = Command::new(&self.program);
        command
            .args(FLAGS)
            .arg("-I")
            .arg(folders.repository.join(HEADER))
            .arg("-o")
            .arg(&module)
            .arg(source.join("plugin.c"));
        run(&mut command, source)?;
        Ok(Module {
            wasm: read(&module)?,
            compiler: self.version.clone(),
        })
    }
}
