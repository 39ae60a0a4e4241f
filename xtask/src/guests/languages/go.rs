//! Go with its whole runtime, with the Go compiler: a module with `go.mod` and no dependencies.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use super::{Compiler, Folders, Module, first_line, read, run};

/// A C library is what Go calls a module that exports functions and is started by `_initialize`. Without symbols and with nothing
/// in it that tells where it was built, it is the same on every machine.
const FLAGS: &[&str] = &[
    "build",
    "-buildmode=c-shared",
    "-trimpath",
    "-buildvcs=false",
    "-ldflags=-s -w -buildid=",
];

/// What the environment of the machine must not change.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("GOOS", "wasip1"),
    ("GOARCH", "wasm"),
    ("GOWASM", ""),
    ("CGO_ENABLED", "0"),
    ("GOENV", "off"),
    ("GOEXPERIMENT", ""),
    ("GOFLAGS", ""),
    ("GOPROXY", "off"),
    ("GOTOOLCHAIN", "local"),
    ("GOWORK", "off"),
];

struct Go {
    program: OsString,
    version: String,
}

/// `GO` of the environment, else `go`; 1.24 is the first with exports.
pub(super) fn find() -> Option<Box<dyn Compiler>> {
    let program = env::var_os("GO").unwrap_or_else(|| "go".into());
    let version = first_line(&program, &["env", "GOVERSION"])?;
    Some(Box::new(Go { program, version }))
}

// === impl Go ===

impl Compiler for Go {
    fn build(&self, folders: &Folders, source: &Path, work: &Path) -> anyhow::Result<Module> {
        let module = work.join("plugin.wasm");
        let cache = folders.target.join("go");
        let mut command = Command::new(&self.program);
        command
            .args(FLAGS)
            .arg("-o")
            .arg(&module)
            .arg(".")
            .current_dir(source)
            .envs(ENVIRONMENT.iter().copied())
            .env("GOPATH", &cache)
            .env("GOCACHE", cache.join("cache"));
        run(&mut command, source)?;
        Ok(Module {
            wasm: read(&module)?,
            compiler: self.version.clone(),
        })
    }
}
