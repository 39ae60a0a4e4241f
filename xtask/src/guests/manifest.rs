//! The manifest of prebuilt plugins: what each is, what it was made from, and with what.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wasmparser::{Parser, Payload};

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
    /// Version of the ABI, as its marker tells: `0.2.1`, or `2021-04` for the component ABI.
    abi: String,
    /// Source folder, relative to the repository.
    source: String,
    /// SHA-256 of the module, in hexadecimal.
    pub(super) sha256: String,
    /// Bytes of the module.
    size: usize,
    /// What built it, if that was not the toolchain of the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) compiler: Option<String>,
}

impl Manifest {
    /// Reads the manifest of a folder.
    ///
    /// # Errors
    /// Where there is none, or none that can be read.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let text = fs::read(folder.join(MANIFEST))
            .with_context(|| format!("the plugins in {} have no manifest", folder.display()))?;
        serde_json::from_slice(&text).context("the manifest cannot be read")
    }

    /// The names of the plugins whose compiler is another one here than there: their bits cannot be compared.
    pub(super) fn of_other_compilers<'a>(&'a self, other: &Self) -> Vec<&'a str> {
        self.guests
            .iter()
            .filter(|(name, entry)| {
                other
                    .guests
                    .get(*name)
                    .is_some_and(|other| other.compiler != entry.compiler)
            })
            .map(|(name, _)| name.as_str())
            .collect()
    }

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
/// Where a plugin is not of the ABI that its name tells, or a file cannot be written.
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
    let abi = marker(&guest.wasm).with_context(|| format!("the plugin {}", guest.name))?;
    let told = match guest.name.rsplit_once('_') {
        Some((_, "legacy")) => "0.2.1",
        Some((_, "component")) => "2021-04",
        _ => &abi,
    };
    if told != abi {
        bail!(
            "the plugin {} is of ABI {abi}, and its name tells {told}",
            guest.name
        );
    }
    Ok(Entry {
        abi,
        source: guest.source.clone(),
        sha256: sha256(&guest.wasm),
        size: guest.wasm.len(),
        compiler: guest.compiler.clone(),
    })
}

/// The version of the ABI whose marker a module exports.
fn marker(wasm: &[u8]) -> anyhow::Result<String> {
    for payload in Parser::new(0).parse_all(wasm) {
        let Payload::ExportSection(exports) = payload? else {
            continue;
        };
        for export in exports {
            match export?.name.strip_prefix("proxy_abi_version_") {
                Some("2021_04") => return Ok("2021-04".to_owned()),
                Some(older) => return Ok(older.replace('_', ".")),
                None => {}
            }
        }
    }
    bail!("it exports no marker of an ABI")
}

/// The SHA-256 of a module, in hexadecimal.
pub(super) fn sha256(wasm: &[u8]) -> String {
    Sha256::digest(wasm)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
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
            compiler: None,
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

    #[test]
    fn plugins_of_another_compiler_are_not_compared() {
        let committed = manifest(&[("c", "1"), ("rust", "1")]);
        let mut rebuilt = manifest(&[("c", "2"), ("rust", "1"), ("new", "1")]);
        assert!(committed.of_other_compilers(&rebuilt).is_empty());
        if let Some(entry) = rebuilt.guests.get_mut("c") {
            entry.compiler = Some("clang".to_owned());
        }
        assert_eq!(committed.of_other_compilers(&rebuilt), ["c"]);
    }
}
