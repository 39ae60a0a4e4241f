//! C++ on wasi-libc and libc++, with zig, which brings both and clang: `plugin.cc`.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use super::{Compiler, Folders, Module, first_line, read, run};

/// A reactor is a library: it is started by `_initialize`. The host allocates with `malloc`.
const FLAGS: &[&str] = &[
    "c++",
    "-target",
    "wasm32-wasi",
    "-mexec-model=reactor",
    "-std=c++20",
    "-Oz",
    "-flto",
    "-fno-exceptions",
    "-fno-rtti",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-g0",
    "-s",
    "-Wl,--export=malloc",
];

struct Zig {
    program: OsString,
    version: String,
}

/// `ZIG` of the environment, else `zig`, else the name that it has as a Python package.
pub(super) fn find() -> Option<Box<dyn Compiler>> {
    let programs = match env::var_os("ZIG") {
        Some(program) => vec![program],
        None => vec!["zig".into(), "python-zig".into()],
    };
    programs.into_iter().find_map(|program| {
        let version = first_line(&program, &["version"])?;
        Some(Box::new(Zig { program, version }) as _)
    })
}

// === impl Zig ===

impl Compiler for Zig {
    fn build(&self, folders: &Folders, source: &Path, work: &Path) -> anyhow::Result<Module> {
        let module = work.join("plugin.wasm");
        let cache = folders.target.join("zig");
        let mut command = Command::new(&self.program);
        command
            .args(FLAGS)
            .arg("-o")
            .arg(&module)
            .arg("plugin.cc")
            .current_dir(source)
            .env("ZIG_GLOBAL_CACHE_DIR", &cache)
            .env("ZIG_LOCAL_CACHE_DIR", &cache);
        run(&mut command, source)?;
        Ok(Module {
            wasm: read(&module)?,
            compiler: format!("zig {}", self.version),
        })
    }
}
