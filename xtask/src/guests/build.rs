//! Builds the plugins, those in Rust with cargo, in a way that no folder of this machine is named in them.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde::Deserialize;

use super::Folders;
use super::languages;
use super::toolchain::{StandardLibrary, TARGET, Toolchain};

/// A built plugin.
pub(super) struct Guest {
    /// The name of its package.
    pub(super) name: String,
    /// Its source folder, relative to the repository, with `/`.
    pub(super) source: String,
    /// The module.
    pub(super) wasm: Vec<u8>,
    /// What built it, if that was not the compiler of the manifest.
    pub(super) compiler: Option<String>,
    /// Whether it was not built, for want of a toolchain: it is the prebuilt one.
    pub(super) kept: bool,
}

/// The cargo that runs this task, else the one in the path.
pub(super) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Builds all plugins; sorted by name.
///
/// # Errors
/// Where cargo or another compiler fails, or a plugin names a folder of this machine.
pub(super) fn build(folders: &Folders, toolchain: &Toolchain) -> anyhow::Result<Vec<Guest>> {
    let machine = Machine::look(folders, toolchain)?;
    let mut command = Command::new(cargo());
    command
        .args([
            "build",
            "--release",
            "--locked",
            "--target",
            TARGET,
            "--target-dir",
        ])
        .arg(&folders.target)
        .current_dir(&folders.guests)
        .env("CARGO_ENCODED_RUSTFLAGS", machine.rustflags()?);
    if toolchain.standard_library == StandardLibrary::Built {
        command.arg("-Zbuild-std=std,panic_abort");
    }
    if !command.status().context("cargo cannot be run")?.success() {
        bail!("the plugins in {} do not build", folders.guests.display());
    }
    let built = folders.target.join(TARGET).join("release");
    let mut guests = Vec::new();
    for package in packages(folders)? {
        let module = built.join(format!("{}.wasm", package.name));
        let wasm = fs::read(&module).with_context(|| format!("{} was not built", module.display()))?;
        let folder = package
            .manifest_path
            .parent()
            .context("a manifest lies in a folder")?;
        guests.push(Guest {
            source: relative(folders, folder)?,
            name: package.name,
            wasm,
            compiler: None,
            kept: false,
        });
    }
    guests.extend(languages::build(folders)?);
    for guest in &guests {
        if let Some(path) = machine.path_in(&guest.wasm) {
            bail!(
                "{} contains the path {path}, which names this machine: it needs another remapped prefix",
                guest.name
            );
        }
    }
    guests.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(guests)
}

/// A folder of the repository as the manifest names it.
pub(super) fn relative(folders: &Folders, folder: &Path) -> anyhow::Result<String> {
    let folder = folder.strip_prefix(&folders.repository)?;
    Ok(folder.to_string_lossy().replace('\\', "/"))
}

/// The folders whose paths must not get into a plugin.
struct Machine {
    repository: PathBuf,
    sysroot: PathBuf,
    cargo_home: PathBuf,
    home: Option<PathBuf>,
}

impl Machine {
    fn look(folders: &Folders, toolchain: &Toolchain) -> anyhow::Result<Self> {
        let home = env::home_dir();
        let cargo_home = env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(home.as_ref()?.join(".cargo")))
            .context("neither CARGO_HOME nor a home folder is known")?;
        Ok(Self {
            repository: folders.repository.clone(),
            sysroot: toolchain.sysroot.clone(),
            cargo_home,
            home,
        })
    }

    /// Compiler flags that give every source folder a name of its own on all machines. They replace
    /// `RUSTFLAGS` of the environment.
    fn rustflags(&self) -> anyhow::Result<OsString> {
        let mut prefixes = vec![(self.repository.clone(), "")];
        let library = self.sysroot.join("lib/rustlib/src/rust");
        prefixes.extend(library.canonicalize().ok().map(|path| (path, "rust")));
        prefixes.push((library, "rust"));
        // One folder for each registry or mirror.
        if let Ok(registries) = self.cargo_home.join("registry/src").read_dir() {
            for registry in registries {
                prefixes.push((registry?.path(), "crates"));
            }
        }
        let mut flags = OsString::new();
        for (index, (path, name)) in prefixes.iter().enumerate() {
            if index > 0 {
                flags.push("\x1f");
            }
            flags.push("--remap-path-prefix=");
            flags.push(path);
            flags.push("=");
            flags.push(name);
        }
        Ok(flags)
    }

    /// The first path of this machine, or of anybody's home, that occurs in the module.
    fn path_in(&self, wasm: &[u8]) -> Option<String> {
        let known = [
            Some(&self.repository),
            Some(&self.sysroot),
            Some(&self.cargo_home),
            self.home.as_ref(),
        ];
        let known = known
            .into_iter()
            .flatten()
            .filter(|path| **path != *Path::new("/"));
        let known = known.map(|path| path.to_string_lossy().into_owned());
        let usual = ["/home/", "/Users/", "\\Users\\", ".cargo", "registry"].map(str::to_owned);
        known.chain(usual).find(|path| {
            let path = path.as_bytes();
            wasm.windows(path.len()).any(|window| window == path)
        })
    }
}

/// A package of the workspace of the plugins, as `cargo metadata` describes it.
#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// The packages that are plugins, and not libraries of them.
fn packages(folders: &Folders) -> anyhow::Result<Vec<Package>> {
    let output = Command::new(cargo())
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(&folders.guests)
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be run")?;
    if !output.status.success() {
        bail!("cargo metadata failed in {}", folders.guests.display());
    }
    let Metadata { mut packages } = serde_json::from_slice(&output.stdout)?;
    packages.retain(|package| {
        package
            .targets
            .iter()
            .any(|target| target.crate_types.iter().any(|crate_type| crate_type == "cdylib"))
    });
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::Machine;

    #[test]
    fn paths_of_the_machine_are_found_and_remapped_ones_are_not() {
        let machine = Machine {
            repository: "/srv/proxy".into(),
            sysroot: "/opt/rust".into(),
            cargo_home: "/var/cargo".into(),
            home: Some("/".into()),
        };
        let rows = [
            ("headers_legacy/src/lib.rs", None),
            ("rust/library/alloc/src/rc.rs crates/log-0.4.35/src/lib.rs", None),
            ("at /srv/proxy/crates/x.rs", Some("/srv/proxy")),
            ("/opt/rust/lib/rustlib", Some("/opt/rust")),
            ("/var/cargo/git/checkouts", Some("/var/cargo")),
            ("/home/somebody/x.rs", Some("/home/")),
            ("x/registry/src/y", Some("registry")),
        ];
        for (text, found) in rows {
            assert_eq!(machine.path_in(text.as_bytes()).as_deref(), found, "{text}");
        }
    }
}
