//! `cargo xtask guests`: builds the sample plugins of the tests from `tests/guests` and keeps the built ones,
//! with a manifest, in `tests/guests/prebuilt`, so that the tests need no wasm toolchain. See
//! `docs/GUESTS.md`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use manifest::Manifest;
use toolchain::Toolchain;

mod build;
mod languages;
mod manifest;
mod toolchain;

/// Arguments of `cargo xtask guests`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Leave the prebuilt plugins alone: rebuild them elsewhere and compare, or, if the toolchain differs
    /// from the manifest's, run the tests on the rebuilt ones.
    #[arg(long)]
    check: bool,
}

/// The folders that the task works in.
struct Folders {
    /// The root of this repository.
    repository: PathBuf,
    /// The workspace of the plugins.
    guests: PathBuf,
    /// The committed plugins and their manifest.
    prebuilt: PathBuf,
    /// Where cargo builds the plugins.
    target: PathBuf,
    /// Where `--check` puts its plugins.
    rebuilt: PathBuf,
}

impl Folders {
    fn of_repository() -> anyhow::Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let repository = here.parent().context("xtask lies in the repository")?.to_owned();
        let guests = repository.join("tests/guests");
        let target = repository.join("target/guests");
        Ok(Self {
            prebuilt: guests.join("prebuilt"),
            rebuilt: target.join("rebuilt"),
            repository,
            guests,
            target,
        })
    }
}

/// Builds the plugins; replaces the prebuilt ones, or checks them.
///
/// # Errors
/// Where the toolchain cannot build for wasm32, a plugin does not build or names a folder of this machine, or
/// the check fails.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let folders = Folders::of_repository()?;
    let toolchain = Toolchain::find(&folders)?;
    let guests = build::build(&folders, &toolchain)?;
    let output = if arguments.check {
        &folders.rebuilt
    } else {
        &folders.prebuilt
    };
    let manifest = manifest::write(output, toolchain.identity(), &guests)?;
    if arguments.check {
        let kept: Vec<&str> = guests
            .iter()
            .filter(|guest| guest.kept)
            .map(|guest| guest.name.as_str())
            .collect();
        check(&folders, &manifest, &kept)
    } else {
        Ok(())
    }
}

/// Compares the plugins that were rebuilt with the committed ones; `kept` were not, for want of a toolchain.
fn check(folders: &Folders, rebuilt: &Manifest, kept: &[&str]) -> anyhow::Result<()> {
    let committed = Manifest::read(&folders.prebuilt)?;
    if !kept.is_empty() {
        println!("not rebuilt, for want of a toolchain: {}", kept.join(", "));
    }
    if committed.toolchain == rebuilt.toolchain {
        let others = committed.of_other_compilers(rebuilt);
        if !others.is_empty() {
            println!(
                "built with another compiler, and not compared: {}",
                others.join(", ")
            );
        }
        let mut differences = committed.differences(rebuilt);
        differences.retain(|name| !others.contains(name));
        if !differences.is_empty() {
            bail!(
                "prebuilt plugins are stale: {}; run `cargo xtask guests`",
                differences.join(", ")
            );
        }
        println!(
            "{} prebuilt plugins are what their sources give",
            rebuilt.guests.len() - others.len() - kept.len()
        );
        return Ok(());
    }
    println!(
        "the prebuilt plugins are of {}, this toolchain is {}: hashes are not comparable, running the tests on the rebuilt plugins",
        committed.toolchain, rebuilt.toolchain
    );
    let status = Command::new(build::cargo())
        .args(["test", "--package", "proxywasm-tests"])
        .current_dir(&folders.repository)
        .env("PROXYWASM_GUESTS", &folders.rebuilt)
        // They choose the compiler of the plugins; the tests are built with the usual one.
        .env_remove("RUSTC")
        .env_remove("RUSTC_BOOTSTRAP")
        .status()
        .context("cargo cannot be run")?;
    if !status.success() {
        bail!(
            "the tests fail on the plugins rebuilt in {}",
            folders.rebuilt.display()
        );
    }
    Ok(())
}
