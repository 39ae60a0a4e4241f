//! The prebuilt plugins are those that the manifest describes: no more, no fewer, unchanged, of the ABI it
//! tells, from sources that are there.
#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proxywasm_tests::guests;
use sha2::{Digest, Sha256};

#[test]
fn every_plugin_is_what_the_manifest_describes() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (name, entry) in guests::manifest().guests {
        let wasm = guests::load(&name);
        assert_eq!(wasm.len(), entry.size, "size of {name}");
        let digest: String = Sha256::digest(&wasm)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            digest, entry.sha256,
            "SHA-256 of {name}; run `cargo xtask guests`"
        );
        let source = repository.join(&entry.source);
        assert!(
            ["Cargo.toml", "plugin.c", "plugin.cc", "go.mod", "package.json"]
                .iter()
                .any(|file| source.join(file).is_file()),
            "source of {name}: {}",
            entry.source
        );
    }
}

#[test]
fn folder_manifest_and_constants_name_the_same_plugins() {
    let manifest: BTreeSet<String> = guests::manifest().guests.into_keys().collect();
    let files: BTreeSet<String> = fs::read_dir(guests::folder())
        .expect("the folder of the plugins is there")
        .map(|entry| entry.expect("an entry of the folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .map(|path| {
            path.file_stem()
                .expect("a file has a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let constants: BTreeSet<String> = guests::ALL.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(manifest, files);
    assert_eq!(manifest, constants);
}
