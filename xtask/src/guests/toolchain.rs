//! Which compiler builds the plugins, and where it has the standard library from.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use super::Folders;
use super::manifest::ToolchainIdentity;

/// The target of the plugins.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// Where the standard library for the target comes from.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum StandardLibrary {
    /// It came with the compiler.
    Shipped,
    /// Cargo builds it from its sources (`-Zbuild-std`).
    Built,
}

/// A compiler that can build plugins.
pub(super) struct Toolchain {
    version: String,
    linker_version: String,
    /// The folder the compiler is installed in.
    pub(super) sysroot: PathBuf,
    pub(super) standard_library: StandardLibrary,
}

impl Toolchain {
    /// Looks at the compiler that cargo will use: `RUSTC` of the environment, else `rustc`.
    ///
    /// # Errors
    /// Where it has no standard library for wasm32 and cannot build one; the message says what to install.
    pub(super) fn find(folders: &Folders) -> anyhow::Result<Self> {
        let rustc = Rustc {
            program: env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()),
            folder: &folders.guests,
        };
        let version = rustc.ask(&["--version"])?;
        let sysroot = PathBuf::from(rustc.ask(&["--print", "sysroot"])?);
        let libraries = PathBuf::from(rustc.ask(&["--print", "target-libdir", "--target", TARGET])?);
        let standard_library = if has_standard_library(&libraries) {
            StandardLibrary::Shipped
        } else {
            may_build_standard_library(&version, &sysroot)?;
            StandardLibrary::Built
        };
        let host = rustc.ask(&["-vV"])?;
        let host = host
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .context("rustc names no host")?;
        Ok(Self {
            linker_version: linker_version(&sysroot, host)?,
            version,
            sysroot,
            standard_library,
        })
    }

    /// What decides whether two builds can be compared bit by bit.
    pub(super) fn identity(&self) -> ToolchainIdentity {
        let standard_library = match self.standard_library {
            StandardLibrary::Shipped => "shipped with the compiler",
            StandardLibrary::Built => "built from its sources",
        };
        ToolchainIdentity {
            rustc: self.version.clone(),
            standard_library: standard_library.to_owned(),
            linker: self.linker_version.clone(),
        }
    }
}

struct Rustc<'a> {
    program: OsString,
    /// Rustup chooses the toolchain by the folder it is called in.
    folder: &'a Path,
}

impl Rustc<'_> {
    fn ask(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let name = self.program.to_string_lossy();
        let output = Command::new(&self.program)
            .args(arguments)
            .current_dir(self.folder)
            .output()
            .with_context(|| format!("the compiler {name} cannot be run"))?;
        if !output.status.success() {
            bail!(
                "{name} {} failed: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }
}

fn has_standard_library(libraries: &Path) -> bool {
    libraries.read_dir().is_ok_and(|mut entries| {
        entries.any(|entry| {
            entry.is_ok_and(|entry| {
                let name = entry.file_name();
                name.to_string_lossy().starts_with("libstd-")
            })
        })
    })
}

fn may_build_standard_library(version: &str, sysroot: &Path) -> anyhow::Result<()> {
    const REMEDY: &str =
        "run `rustup target add wasm32-unknown-unknown`, or see docs/GUESTS.md for compilers without rustup";
    let unstable =
        env::var_os("RUSTC_BOOTSTRAP").is_some() || version.contains("nightly") || version.contains("-dev");
    if !unstable {
        bail!(
            "{version} has no standard library for {TARGET}, and a stable compiler does not build one: {REMEDY}"
        );
    }
    let sources = sysroot.join("lib/rustlib/src/rust/library/std/Cargo.toml");
    if !sources.is_file() {
        bail!(
            "{version} has neither the standard library for {TARGET} nor its sources at {}: run `rustup component add rust-src`, {REMEDY}",
            sources.display()
        );
    }
    Ok(())
}

fn linker_version(sysroot: &Path, host: &str) -> anyhow::Result<String> {
    let linker = env::var_os("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER").map_or_else(
        || sysroot.join("lib/rustlib").join(host).join("bin/rust-lld"),
        PathBuf::from,
    );
    let output = Command::new(&linker).args(["-flavor", "wasm", "--version"]).output().with_context(|| {
        format!(
            "the linker {} cannot be run; CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER names another one (see docs/GUESTS.md)",
            linker.display()
        )
    })?;
    // Name and number; what follows tells where it was built.
    let version = String::from_utf8(output.stdout)?;
    Ok(version.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}
