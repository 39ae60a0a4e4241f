//! Values of properties and their bytes.

use crate::map::ByteMap;
use crate::packed::{Layout, pack, pack_map};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A value of a property.
#[derive(Debug, Clone, PartialEq)]
pub enum PropertyValue {
    /// Text, as it is; it need not be UTF-8.
    Bytes(Vec<u8>),
    /// Bytes that are no text, as they are. Only expressions tell the difference.
    Opaque(Vec<u8>),
    /// A signed integer: 8 bytes, little-endian.
    Int(i64),
    /// An unsigned integer: 8 bytes, little-endian.
    Uint(u64),
    /// 8 bytes, IEEE 754, little-endian.
    Double(f64),
    /// 1 byte, 0 or 1.
    Bool(bool),
    /// Nanoseconds since 1970 as a signed integer.
    Timestamp(SystemTime),
    /// Nanoseconds as a signed integer.
    Duration(Duration),
    /// A map in the packed form with terminators, which is the same for both generations of the ABI here.
    Map(ByteMap),
    /// Properties with their names, as a map in that form, in which each value has the form of its type.
    Struct(Vec<(Vec<u8>, PropertyValue)>),
}

// === impl PropertyValue ===

impl PropertyValue {
    /// The bytes that a plugin sees.
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) | Self::Opaque(bytes) => bytes,
            Self::Int(value) => value.to_le_bytes().to_vec(),
            Self::Uint(value) => value.to_le_bytes().to_vec(),
            Self::Double(value) => value.to_le_bytes().to_vec(),
            Self::Bool(value) => vec![u8::from(value)],
            Self::Timestamp(time) => {
                let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
                Self::Duration(since).into_bytes()
            }
            Self::Duration(duration) => i64::try_from(duration.as_nanos())
                .unwrap_or(i64::MAX)
                .to_le_bytes()
                .to_vec(),
            Self::Map(map) => {
                let mut block = Vec::new();
                pack_map(&map, Layout::NulTerminated, &mut block);
                block
            }
            Self::Struct(members) => {
                let pairs = members
                    .into_iter()
                    .map(|(name, value)| (name, value.into_bytes()));
                let pairs: Vec<_> = pairs.collect();
                let pairs = pairs.iter().map(|(name, value)| (&name[..], &value[..]));
                let mut block = Vec::new();
                pack(pairs, Layout::NulTerminated, &mut block);
                block
            }
        }
    }
}

impl From<&str> for PropertyValue {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

impl From<String> for PropertyValue {
    fn from(text: String) -> Self {
        Self::Bytes(text.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings() {
        let table: Vec<(PropertyValue, Vec<u8>)> = vec![
            ("a".into(), b"a".to_vec()),
            (PropertyValue::Int(-2), (-2i64).to_le_bytes().to_vec()),
            (PropertyValue::Uint(7), 7u64.to_le_bytes().to_vec()),
            (PropertyValue::Double(1.5), 1.5f64.to_le_bytes().to_vec()),
            (PropertyValue::Opaque(b"\xff".to_vec()), b"\xff".to_vec()),
            (PropertyValue::Bool(true), vec![1]),
            (
                PropertyValue::Duration(Duration::from_micros(3)),
                3000i64.to_le_bytes().to_vec(),
            ),
            (
                PropertyValue::Timestamp(UNIX_EPOCH + Duration::from_nanos(9)),
                9i64.to_le_bytes().to_vec(),
            ),
            (
                PropertyValue::Map([("k", "v")].into_iter().collect()),
                b"\x01\0\0\0\x01\0\0\0\x01\0\0\0k\0v\0".to_vec(),
            ),
            (
                PropertyValue::Struct(vec![(b"k".to_vec(), PropertyValue::Bool(true))]),
                b"\x01\0\0\0\x01\0\0\0\x01\0\0\0k\0\x01\0".to_vec(),
            ),
        ];
        for (value, bytes) in table {
            assert_eq!(value.clone().into_bytes(), bytes, "{value:?}");
        }
    }
}
