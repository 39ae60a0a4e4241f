//! Builds the plugins in C with clang. Where there is none, the prebuilt ones stay.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use super::Folders;
use super::build::Guest;
use super::manifest::{self, Manifest};

/// The source of a plugin in C, in its folder.
const SOURCE: &str = "plugin.c";
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

/// Builds all plugins in C.
///
/// # Errors
/// Where clang fails; where there is no clang, and a plugin is not prebuilt as the manifest describes it.
pub(super) fn build(folders: &Folders) -> anyhow::Result<Vec<Guest>> {
    let compiler = Compiler::find();
    let mut guests = Vec::new();
    for entry in fs::read_dir(&folders.guests)? {
        let folder = entry?.path();
        if !folder.join(SOURCE).is_file() {
            continue;
        }
        let name = folder
            .file_name()
            .and_then(|name| name.to_str())
            .context("the name of a plugin is text")?;
        let (wasm, identity) = match &compiler {
            Some(compiler) => (compiler.build(folders, &folder, name)?, compiler.identity.clone()),
            None => {
                println!("there is no clang with lld: {name} is not built, the prebuilt one stays");
                prebuilt(folders, name)?
            }
        };
        guests.push(Guest {
            name: name.to_owned(),
            source: super::build::relative(folders, &folder)?,
            wasm,
            compiler: Some(identity),
        });
    }
    Ok(guests)
}

/// A prebuilt plugin, and what it was built with.
fn prebuilt(folders: &Folders, name: &str) -> anyhow::Result<(Vec<u8>, String)> {
    let manifest = Manifest::read(&folders.prebuilt)?;
    let path = folders.prebuilt.join(format!("{name}.wasm"));
    let wasm = fs::read(&path)
        .with_context(|| format!("{} cannot be read: install clang and lld", path.display()))?;
    let entry = manifest.guests.get(name);
    match entry.and_then(|entry| Some((entry, entry.compiler.clone()?))) {
        Some((entry, compiler)) if entry.sha256 == manifest::sha256(&wasm) => Ok((wasm, compiler)),
        _ => bail!(
            "{} is not what the manifest describes: install clang and lld",
            path.display()
        ),
    }
}

/// A clang that builds for wasm32.
struct Compiler {
    program: OsString,
    identity: String,
}

impl Compiler {
    /// `CLANG` of the environment, else `clang`.
    fn find() -> Option<Self> {
        let program = env::var_os("CLANG").unwrap_or_else(|| "clang".into());
        let clang = first_line(&program, "--version")?;
        let linker = Command::new(&program)
            .args(["--target=wasm32", "--print-prog-name=wasm-ld"])
            .output()
            .ok()?;
        let linker = String::from_utf8(linker.stdout).ok()?;
        let linker = first_line(linker.trim().as_ref(), "--version")?;
        Some(Self {
            program,
            identity: format!("{clang}, {linker}"),
        })
    }

    fn build(&self, folders: &Folders, folder: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
        fs::create_dir_all(&folders.target)?;
        let output = folders.target.join(format!("{name}.wasm"));
        let status = Command::new(&self.program)
            .args(FLAGS)
            .arg("-I")
            .arg(folders.repository.join(HEADER))
            .arg("-o")
            .arg(&output)
            .arg(folder.join(SOURCE))
            .status()
            .context("clang cannot be run")?;
        if !status.success() {
            bail!("{} does not build", folder.join(SOURCE).display());
        }
        fs::read(&output).with_context(|| format!("{} was not built", output.display()))
    }
}

fn first_line(program: &std::ffi::OsStr, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output
        .status
        .success()
        .then_some(text.lines().next()?.trim().to_owned())
}
