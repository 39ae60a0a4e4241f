//! The manifest of prebuilt plugins: what each is, what it was made from, and with what.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::build::Guest;

/// Name of the manifest's file, beside the plugins.
pub(super) const MANIFEST: &str = "MANIFEST.json";

/// The manifest.
#[derive(Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) toolchain: ToolchainIdentity,
    /// By name.
    pub(super) guests: BTreeMap<String, Entry>,
}

/// What two builds must have in common to be compared bit by bit.
#[derive(PartialEq, Serialize, Deserialize)]
pub(super) struct ToolchainIdentity {
    /// What `rustc --version` says.
    pub(super) rustc: String,
    /// Where the standard library for wasm32 came from.
    pub(super) standard_library: String,
    /// Name and version of the linker.
    pub(super) linker: String,
}

/// One plugin.
#[derive(PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Version of the ABI: `0.2.1`, or `2021-04` for the component ABI.
    abi: String,
    /// Source folder, relative to the repository.
    source: String,
    /// SHA-256 of the module, in hexadecimal.
    sha256: String,
    /// Bytes of the module.
    size: usize,
}

impl Manifest {
    /// The names of the plugins that are not the same here and there.
    pub(super) fn differences<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let mut names: Vec<_> = self
            .guests
            .keys()
            .chain(other.guests.keys())
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| self.guests.get(*name) != other.guests.get(*name));
        names
    }
}

impl fmt::Display for ToolchainIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, standard library {}, {}",
            self.rustc, self.standard_library, self.linker
        )
    }
}

/// Replaces all plugins in a folder, and the manifest.
///
/// # Errors
/// Where the name of a plugin does not tell its ABI, or a file cannot be written.
pub(super) fn write(
    folder: &Path,
    toolchain: ToolchainIdentity,
    guests: &[Guest],
) -> anyhow::Result<Manifest> {
    let mut manifest = Manifest {
        toolchain,
        guests: BTreeMap::new(),
    };
    for guest in guests {
        manifest.guests.insert(guest.name.clone(), entry(guest)?);
    }
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    for guest in guests {
        fs::write(folder.join(format!("{}.wasm", guest.name)), &guest.wasm)?;
        println!("{:>8} bytes  {}", guest.wasm.len(), guest.name);
    }
    let mut text = serde_json::to_string_pretty(&manifest)?;
    text.push('\n');
    fs::write(folder.join(MANIFEST), text)?;
    Ok(manifest)
}

fn entry(guest: &Guest) -> anyhow::Result<Entry> {
    let abi = match guest.name.rsplit_once('_') {
        Some((_, "legacy")) => "0.2.1",
        Some((_, "component")) => "2021-04",
        _ => bail!(
            "the plugin {} must be named after its ABI: ..._legacy or ..._component",
            guest.name
        ),
    };
    let digest = Sha256::digest(&guest.wasm);
    Ok(Entry {
        abi: abi.to_owned(),
        source: guest.source.clone(),
        sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        size: guest.wasm.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Entry, Manifest, ToolchainIdentity};

    fn manifest(guests: &[(&str, &str)]) -> Manifest {
        let toolchain = ToolchainIdentity {
            rustc: String::new(),
            standard_library: String::new(),
            linker: String::new(),
        };
        let entry = |sha256: &str| Entry {
            abi: "0.2.1".to_owned(),
            source: String::new(),
            sha256: sha256.to_owned(),
            size: 1,
        };
        let guests = guests
            .iter()
            .map(|(name, sha256)| ((*name).to_owned(), entry(sha256)))
            .collect();
        Manifest { toolchain, guests }
    }

    #[test]
    fn changed_missing_and_new_plugins_differ() {
        let committed = manifest(&[("changed", "1"), ("missing", "1"), ("same", "1")]);
        let rebuilt = manifest(&[("changed", "2"), ("new", "1"), ("same", "1")]);
        assert_eq!(committed.differences(&rebuilt), ["changed", "missing", "new"]);
        assert!(committed.differences(&committed).is_empty());
    }
}
