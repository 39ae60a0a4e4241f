//! One entry: compiled code behind a header by which damage, and code for somebody else, is found out.
//!
//! It is 16 bytes that say what it is, the SHA-256 of key and code, and the code as wasmtime serialises it.

use sha2::{Digest, Sha256};
use std::hash::{Hash, Hasher};
use wasmtime::{Engine, Module};

/// What an entry is for.
pub(super) struct Key {
    name: String,
    id: [u8; 32],
}

/// A [`Hasher`] of which the whole hash can be had.
struct Sha256Hasher(Sha256);

/// What an entry begins with; the number changes with the form of entries.
const MAGIC: &[u8; 16] = b"proxywasm-code-1";
const HEADER: usize = MAGIC.len() + 32;

// === impl Key ===

impl Key {
    /// The key of code with this SHA-256, compiled by this engine.
    pub(super) fn new(engine: &Engine, code: &[u8; 32]) -> Self {
        // It covers settings, wasmtime's version, the target and the features of the processor.
        let mut hasher = Sha256Hasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let engine: [u8; 32] = hasher.0.finalize().into();
        let id = Sha256::new().chain_update(code).chain_update(engine).finalize();
        Self {
            name: format!("{}-{}{}", hex(code), hex(engine.iter().take(8)), super::SUFFIX),
            id: id.into(),
        }
    }

    /// The name of its file.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn digest(&self, code: &[u8]) -> [u8; 32] {
        Sha256::new()
            .chain_update(self.id)
            .chain_update(code)
            .finalize()
            .into()
    }
}

/// What stands before the code in an entry.
pub(super) fn header(key: &Key, code: &[u8]) -> Vec<u8> {
    [MAGIC.as_slice(), &key.digest(code)].concat()
}

/// The module of an entry, or why it is not used.
pub(super) fn open(engine: &Engine, key: &Key, entry: &[u8]) -> Result<Module, String> {
    let (header, code) = entry
        .split_at_checked(HEADER)
        .ok_or("it is shorter than a header")?;
    let (magic, digest) = header.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err("it is no entry of this version of the cache".to_owned());
    }
    if digest != key.digest(code) {
        return Err("it is damaged, or was made for something else".to_owned());
    }
    // SAFETY: these bytes are an unmodified output of `Module::serialize`. They were read from a directory that nobody but the user of
    // this process can write (`PrivateDirectory::open`), under whose hand only this cache writes entries; and what was written is what was
    // read, by the digest. It is for this engine: the digest covers the key, and with it the engine's compatibility hash. They are
    // copied from memory, so that nothing which happens to the file from now on matters.
    unsafe { Module::deserialize(engine, code) }.map_err(|error| format!("{error:#}"))
}

fn hex<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> String {
    bytes.into_iter().map(|byte| format!("{byte:02x}")).collect()
}

// === impl Sha256Hasher ===

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Of no use here: the caller takes the whole hash.
    fn finish(&self) -> u64 {
        let hash: [u8; 32] = self.0.clone().finalize().into();
        hash.iter()
            .take(8)
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}
