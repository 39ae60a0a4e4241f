//! Builds the plugins that are not in Rust. A language whose toolchain is missing is left out: its prebuilt plugins stay.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use super::Folders;
use super::build::{Guest, relative};
use super::manifest::{self, Manifest};

mod assemblyscript;
mod c;
mod cpp;
mod go;

/// A language that plugins are written in.
struct Language {
    name: &'static str,
    /// The file that makes a folder a plugin in this language.
    source: &'static str,
    /// What has to be installed.
    toolchain: &'static str,
    /// Looks for the toolchain.
    find: fn() -> Option<Box<dyn Compiler>>,
}

/// A toolchain that is there.
trait Compiler {
    /// Builds the plugin in a folder, with `work` to write to.
    fn build(&self, folders: &Folders, source: &Path, work: &Path) -> anyhow::Result<Module>;
}

/// A built plugin.
struct Module {
    wasm: Vec<u8>,
    /// What built it: two plugins of the same source and compiler are equal.
    compiler: String,
}

const LANGUAGES: [Language; 4] = [
    Language {
        name: "C",
        source: "plugin.c",
        toolchain: "clang with lld",
        find: c::find,
    },
    Language {
        name: "C++",
        source: "plugin.cc",
        toolchain: "zig",
        find: cpp::find,
    },
    Language {
        name: "Go",
        source: "go.mod",
        toolchain: "go",
        find: go::find,
    },
    Language {
        name: "AssemblyScript",
        source: "package.json",
        toolchain: "npm",
        find: assemblyscript::find,
    },
];

/// Builds all plugins that are not in Rust.
///
/// # Errors
/// Where a compiler fails; where there is none, and a plugin is not prebuilt as the manifest describes it.
pub(super) fn build(folders: &Folders) -> anyhow::Result<Vec<Guest>> {
    let mut guests = Vec::new();
    for language in &LANGUAGES {
        let compiler = (language.find)();
        for entry in fs::read_dir(&folders.guests)? {
            let source = entry?.path();
            if source.join(language.source).is_file() {
                guests.push(language.build(folders, compiler.as_deref(), &source)?);
            }
        }
    }
    Ok(guests)
}

/// The first line that a program prints, if it runs and succeeds.
fn first_line(program: impl AsRef<OsStr>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output
        .status
        .success()
        .then_some(text.lines().next()?.trim().to_owned())
}

/// Runs a compiler.
fn run(command: &mut Command, source: &Path) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("{name} cannot be run"))?;
    if !status.success() {
        bail!("{name} does not build {}", source.display());
    }
    Ok(())
}

/// Reads what a compiler has built.
fn read(module: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(module).with_context(|| format!("{} was not built", module.display()))
}

// === impl Language ===

impl Language {
    fn build(
        &self,
        folders: &Folders,
        compiler: Option<&dyn Compiler>,
        source: &Path,
    ) -> anyhow::Result<Guest> {
        let name = source.file_name().and_then(OsStr::to_str);
        let name = name.context("the name of a plugin is text")?.to_owned();
        let module = match compiler {
            Some(compiler) => {
                let work = folders.target.join(&name);
                fs::create_dir_all(&work)?;
                compiler.build(folders, source, &work)?
            }
            None => self.prebuilt(folders, &name)?,
        };
        Ok(Guest {
            name,
            source: relative(folders, source)?,
            wasm: module.wasm,
            compiler: Some(module.compiler),
            kept: compiler.is_none(),
        })
    }

    /// A prebuilt plugin, and what it was built with.
    fn prebuilt(&self, folders: &Folders, name: &str) -> anyhow::Result<Module> {
        let Self {
            name: language,
            toolchain,
            ..
        } = self;
        println!(
            "{name} is in {language}, and there is no {toolchain}: it is not built, the prebuilt one stays"
        );
        let manifest = Manifest::read(&folders.prebuilt)?;
        let path = folders.prebuilt.join(format!("{name}.wasm"));
        let wasm = fs::read(&path)
            .with_context(|| format!("{} cannot be read: install {toolchain}", path.display()))?;
        let entry = manifest.guests.get(name);
        match entry.and_then(|entry| Some((entry, entry.compiler.clone()?))) {
            Some((entry, compiler)) if entry.sha256 == manifest::sha256(&wasm) => {
                Ok(Module { wasm, compiler })
            }
            _ => bail!(
                "{} is not what the manifest describes: install {toolchain}",
                path.display()
            ),
        }
    }
}
