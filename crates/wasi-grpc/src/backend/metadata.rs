//! Metadata on the wire: values of keys that end in `-bin` travel as base64.

use crate::request::is_binary;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use tonic::metadata::{AsciiMetadataKey, BinaryMetadataKey, BinaryMetadataValue, MetadataMap};
use wasi_common::ByteMap;

/// Base64 as gRPC has it: written without padding, read with or without.
pub(super) const STANDARD: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What belongs to the transport and is no metadata.
const TRANSPORT: [&str; 8] = [
    "content-length",
    "content-type",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-message",
    "grpc-status",
    "te",
    "trailer",
];

/// Writes the metadata of a request. What gRPC forbids has been refused before, and is left out here.
pub(super) fn write(metadata: &ByteMap, to: &mut MetadataMap) {
    for (key, value) in metadata.iter() {
        if is_binary(key) {
            if let Ok(key) = BinaryMetadataKey::from_bytes(key) {
                to.append_bin(key, BinaryMetadataValue::from_bytes(value));
            }
        } else if let (Ok(key), Ok(value)) = (AsciiMetadataKey::from_bytes(key), value.try_into()) {
            to.append(key, value);
        }
    }
}

/// Reads the metadata of an answer. A binary value that is no base64 is left out; one that several were joined to is taken apart.
pub(super) fn read(headers: &HeaderMap) -> ByteMap {
    let mut metadata = ByteMap::new();
    for (key, value) in headers {
        let key = key.as_str();
        if TRANSPORT.contains(&key) {
            continue;
        }
        let value = value.as_bytes();
        if !is_binary(key.as_bytes()) {
            metadata.append_lower(key.as_bytes(), value);
            continue;
        }
        for part in value.split(|byte| *byte == b',') {
            match STANDARD.decode(part.trim_ascii()) {
                Ok(plain) => metadata.append_lower(key.as_bytes(), &plain),
                Err(error) => tracing::debug!(key, %error, "a binary value of an upstream is no base64"),
            }
        }
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        let mut written = MetadataMap::new();
        let metadata: ByteMap = [
            (&b"key"[..], &b"one"[..]),
            (b"key", b"two"),
            (b"raw-bin", b"\xff\x00"),
            (b"none-bin", b""),
        ]
        .into_iter()
        .collect();
        write(&metadata, &mut written);
        let headers = written.into_headers();
        assert_eq!(headers.get("raw-bin").unwrap(), "/wA");
        assert_eq!(read(&headers), metadata);
    }

    #[test]
    fn what_upstreams_send() {
        let table: &[(&str, &str, &[&[u8]])] = &[
            ("plain", "value", &[b"value"]),
            ("raw-bin", "aGk", &[b"hi"]),
            ("raw-bin", "aGk=", &[b"hi"]),
            ("raw-bin", "aGk,aG8=", &[b"hi", b"ho"]),
            ("raw-bin", "aGk, aG8", &[b"hi", b"ho"]),
            ("raw-bin", "no base64!", &[]),
            ("grpc-status-details-bin", "aGk", &[b"hi"]),
            ("grpc-status", "0", &[]),
            ("grpc-message", "x", &[]),
            ("content-type", "application/grpc", &[]),
        ];
        for (key, value, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(*key, value.parse().unwrap());
            let metadata = read(&headers);
            let values: Vec<&[u8]> = metadata.iter().map(|(_, value)| value).collect();
            assert_eq!(values, *expected, "{key}: {value}");
        }
    }
}
