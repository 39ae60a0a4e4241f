//! AssemblyScript, with npm: a package whose script `build` makes `plugin.wasm`, with the compiler and the SDK that its lock file pins.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde::Deserialize;

use super::{Compiler, Folders, Module, first_line, read, run};

/// What a package consists of; it is copied, so that nothing is installed in the source folder.
const FILES: [&str; 2] = ["package.json", "package-lock.json"];
const SOURCES: &str = "assembly";
const COMPILER: &str = "node_modules/assemblyscript";

struct Npm {
    program: OsString,
}

/// A lock file.
#[derive(Deserialize)]
struct Lock {
    packages: BTreeMap<String, Package>,
}

#[derive(Deserialize)]
struct Package {
    #[serde(default)]
    version: String,
}

/// `NPM` of the environment, else `npm`.
pub(super) fn find() -> Option<Box<dyn Compiler>> {
    let program = env::var_os("NPM").unwrap_or_else(|| "npm".into());
    first_line(&program, &["--version"])?;
    Some(Box::new(Npm { program }))
}

// === impl Npm ===

impl Compiler for Npm {
    fn build(&self, _folders: &Folders, source: &Path, work: &Path) -> anyhow::Result<Module> {
        for file in FILES {
            fs::copy(source.join(file), work.join(file))
                .with_context(|| format!("{} has no {file}", source.display()))?;
        }
        let sources = work.join(SOURCES);
        fs::create_dir_all(&sources)?;
        for entry in fs::read_dir(source.join(SOURCES))? {
            let entry = entry?;
            fs::copy(entry.path(), sources.join(entry.file_name()))?;
        }
        let npm = |arguments: &[&str]| {
            run(
                Command::new(&self.program).args(arguments).current_dir(work),
                source,
            )
        };
        npm(&["ci", "--ignore-scripts", "--no-audit", "--no-fund"])?;
        npm(&["run", "--silent", "build"])?;
        let lock: Lock = serde_json::from_slice(&fs::read(work.join("package-lock.json"))?)?;
        let compiler = lock.packages.get(COMPILER);
        let compiler =
            compiler.with_context(|| format!("the lock file of {} has no compiler", source.display()))?;
        Ok(Module {
            wasm: read(&work.join("plugin.wasm"))?,
            compiler: format!("AssemblyScript {}", compiler.version),
        })
    }
}
