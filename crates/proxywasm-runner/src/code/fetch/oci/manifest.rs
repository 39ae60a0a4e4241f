//! Manifests of images, and where in them the module of a plugin is.

use serde::Deserialize;
use std::env::consts;

/// Manifests and indexes that are understood, as a registry is told.
pub(super) const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";

/// What a reference leads to.
pub(super) enum Document {
    Manifest(Manifest),
    Index(Index),
}

/// An image.
#[derive(Deserialize)]
pub(super) struct Manifest {
    layers: Vec<Descriptor>,
}

/// Images for several platforms.
#[derive(Deserialize)]
pub(super) struct Index {
    manifests: Vec<Descriptor>,
}

/// Something in the registry.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    media_type: String,
    pub(super) digest: String,
    #[serde(default)]
    pub(super) size: u64,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
}

/// Where the module is.
pub(super) enum Layout<'a> {
    /// A layer is the module.
    Module(&'a Descriptor),
    /// It is the file `plugin.wasm` in one of these layers, which are archives.
    Files(Vec<&'a Descriptor>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Versioned {
    schema_version: Option<u32>,
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<serde::de::IgnoredAny>,
}

/// Layers that are a module: of `wasm-to-oci` and the image specification of Proxy-Wasm, and of the CNCF.
const MODULES: [&str; 3] = [
    "application/vnd.module.wasm.content.layer.v1+wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
    "application/wasm",
];

/// Layers that are archives of files.
const ARCHIVES: [&str; 4] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
];

// === impl Document ===

impl Document {
    /// Reads what a registry answered with this type.
    pub(super) fn read(bytes: &[u8], media_type: &str) -> Result<Self, String> {
        let unreadable = |error: serde_json::Error| format!("its manifest cannot be read: {error}");
        let version: Versioned = serde_json::from_slice(bytes).map_err(unreadable)?;
        if version.schema_version != Some(2) {
            return Err("its manifest is not of version 2".to_owned());
        }
        let media_type = version.media_type.as_deref().unwrap_or(media_type);
        let is_index = media_type.contains("index") || media_type.contains("manifest.list");
        if is_index || version.manifests.is_some() {
            return serde_json::from_slice(bytes).map(Self::Index).map_err(unreadable);
        }
        serde_json::from_slice(bytes)
            .map(Self::Manifest)
            .map_err(unreadable)
    }
}

// === impl Index ===

impl Index {
    /// The digest of the image to use: one for WebAssembly, or else one for this machine, or else the only one.
    pub(super) fn choose(&self) -> Result<&str, String> {
        let platforms: Vec<_> = self.manifests.iter().map(Descriptor::platform).collect();
        let is_wasm = |platform: &(&str, &str)| platform.1.starts_with("wasm");
        let is_own = |platform: &(&str, &str)| *platform == (consts::OS, own_architecture());
        // As builders mark what belongs to an image but is none.
        let is_image = |platform: &(&str, &str)| *platform != ("unknown", "unknown");
        let images: Vec<_> = platforms.iter().filter(|platform| is_image(platform)).collect();
        let only = |platform: &(&str, &str)| images.len() == 1 && is_image(platform);
        let place = platforms
            .iter()
            .position(is_wasm)
            .or_else(|| platforms.iter().position(is_own))
            .or_else(|| platforms.iter().position(only));
        let chosen = place.and_then(|place| self.manifests.get(place));
        let chosen = chosen.map(|manifest| manifest.digest.as_str());
        let Some(digest) = chosen else {
            let names: Vec<_> = images.iter().map(|(os, arch)| format!("{os}/{arch}")).collect();
            return Err(format!(
                "it is for other platforms than `wasm` and this one: {}",
                names.join(", ")
            ));
        };
        if !crate::code::reference::is_digest(digest) {
            return Err(format!(
                "its index has the digest `{digest}`, which is not of `sha256`"
            ));
        }
        Ok(digest)
    }
}

// === impl Manifest ===

impl Manifest {
    /// Where the module is, by the types of its layers.
    pub(super) fn layout(&self) -> Result<Layout<'_>, String> {
        let of_types = |types: &[&str]| -> Vec<&Descriptor> {
            let fitting = self.layers.iter();
            fitting
                .filter(|layer| types.contains(&layer.media_type.as_str()))
                .collect()
        };
        match of_types(&MODULES).as_slice() {
            [module] => return Ok(Layout::Module(module)),
            [] => {}
            several => return Err(format!("{} of its layers are modules", several.len())),
        }
        let archives = of_types(&ARCHIVES);
        if archives.is_empty() {
            let types: Vec<_> = self
                .layers
                .iter()
                .map(|layer| layer.media_type.as_str())
                .collect();
            return Err(format!(
                "none of its layers is a module, or an archive that can be read; their types are: {}",
                types.join(", ")
            ));
        }
        Ok(Layout::Files(archives))
    }
}

// === impl Descriptor ===

impl Descriptor {
    /// Operating system and architecture; empty where they are not told.
    fn platform(&self) -> (&str, &str) {
        let platform = self.platform.as_ref();
        platform.map_or(("", ""), |platform| {
            (platform.os.as_str(), platform.architecture.as_str())
        })
    }
}

/// This machine's, as images name it.
fn own_architecture() -> &'static str {
    match consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(platforms: &[&str]) -> Result<usize, String> {
        let manifests: Vec<_> = platforms
            .iter()
            .enumerate()
            .map(|(number, platform)| {
                let (os, architecture) = platform.split_once('/').unwrap_or_default();
                serde_json::json!({
                    "digest": format!("sha256:{number:064}"),
                    "platform": { "os": os, "architecture": architecture },
                })
            })
            .collect();
        let text = serde_json::json!({ "schemaVersion": 2, "manifests": manifests }).to_string();
        let Ok(Document::Index(index)) = Document::read(text.as_bytes(), "") else {
            panic!("{text} is an index");
        };
        index
            .choose()
            .map(|digest| digest.trim_start_matches("sha256:").parse().unwrap())
    }

    #[test]
    fn platforms() {
        let own = format!("{}/{}", consts::OS, own_architecture());
        let table: &[(&[&str], Option<usize>)] = &[
            (&[&own, "wasip1/wasm"], Some(1)),
            (&["plan9/mips", &own], Some(1)),
            (&["plan9/mips"], Some(0)),
            (&["unknown/unknown", "plan9/mips"], Some(1)),
            (&[""], Some(0)),
            (&["plan9/mips", "plan9/arm"], None),
            (&["unknown/unknown"], None),
            (&[], None),
        ];
        for (platforms, expected) in table {
            assert_eq!(index(platforms).ok(), *expected, "{platforms:?}");
        }
    }
}
