//! Layers that are archives.

use crate::code::CodeSource;
use crate::code::fetch::FetchError;
use flate2::read::MultiGzDecoder;
use std::io::{self, Read};
use tar::Archive;

/// No module can be had from a layer.
#[derive(Debug)]
pub(super) enum Problem {
    /// It is no archive.
    Broken(io::Error),
    /// It unpacks to more than is allowed.
    TooLarge,
}

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// The file `plugin.wasm` of a layer, if it has one. Nothing is unpacked to the disk.
pub(super) fn plugin_of(layer: &[u8], limit: usize) -> Result<Option<Vec<u8>>, Problem> {
    // By what it is: what it is said to be is wrong now and then.
    if layer.starts_with(GZIP) {
        find(MultiGzDecoder::new(layer), limit)
    } else if layer.starts_with(ZSTD) {
        let reason = "it is packed with zstd, which is not supported; pack it with gzip";
        Err(Problem::Broken(io::Error::other(reason)))
    } else {
        find(layer, limit)
    }
}

fn find(packed: impl Read, limit: usize) -> Result<Option<Vec<u8>>, Problem> {
    // One byte more, by which it is seen that there is more.
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut bounded = packed.take(bound);
    let found = find_in(&mut Archive::new(&mut bounded));
    match (bounded.limit(), found) {
        (0, Ok(Some(plugin))) if plugin.len() <= limit => Ok(Some(plugin)),
        (0, _) => Err(Problem::TooLarge),
        (_, found) => found.map_err(Problem::Broken),
    }
}

fn find_in(archive: &mut Archive<impl Read>) -> io::Result<Option<Vec<u8>>> {
    for entry in archive.entries()? {
        let mut entry = entry?;
        let is_plugin = entry
            .path()?
            .file_name()
            .is_some_and(|name| name == "plugin.wasm");
        if is_plugin && entry.header().entry_type().is_file() {
            let mut content = Vec::new();
            let size = entry.size();
            entry.read_to_end(&mut content)?;
            if content.len() as u64 != size {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            return Ok(Some(content));
        }
    }
    Ok(None)
}

// === impl Problem ===

impl Problem {
    /// As what it is told.
    pub(super) fn of(self, place: &CodeSource, limit: usize) -> FetchError {
        let place = place.clone();
        match self {
            Self::TooLarge => FetchError::TooLarge { place, limit },
            Self::Broken(error) => FetchError::Image {
                place,
                reason: format!("a layer is no archive that can be read: {error}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn archives() {
        const LIMIT: usize = 64 << 10;
        let zeros = vec![0; LIMIT * 16];
        let plain = archive(&[("etc/x", b"other"), ("plugin.wasm", b"code")]);
        let mut cut = plain.clone();
        cut.truncate(plain.len() - 1024 - 510);
        // What is found, or else the part of what is said of it.
        let table: &[(&str, Vec<u8>, Result<Option<&[u8]>, &str>)] = &[
            ("plain", plain.clone(), Ok(Some(b"code"))),
            ("packed", packed(&plain), Ok(Some(b"code"))),
            (
                "in a folder",
                archive(&[("./a/plugin.wasm", b"code")]),
                Ok(Some(b"code")),
            ),
            ("another name", archive(&[("plugin.wasm.txt", b"code")]), Ok(None)),
            ("nothing", archive(&[]), Ok(None)),
            ("cut off", cut, Err("Broken")),
            ("no archive", b"x".repeat(600), Err("Broken")),
            ("zstd", ZSTD.repeat(200), Err("zstd")),
            (
                "a bomb",
                packed(&archive(&[("plugin.wasm", &zeros)])),
                Err("TooLarge"),
            ),
            (
                "a bomb before",
                packed(&archive(&[("x", &zeros), ("plugin.wasm", b"code")])),
                Err("TooLarge"),
            ),
        ];
        for (what, layer, expected) in table {
            match (plugin_of(layer, LIMIT), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.as_deref(), *expected, "{what}"),
                (Err(problem), Err(part)) => {
                    assert!(format!("{problem:?}").contains(part), "{what}: {problem:?}")
                }
                (found, expected) => panic!("{what}: {found:?} instead of {expected:?}"),
            }
        }
    }
}
