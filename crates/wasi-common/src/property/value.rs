//! Values of properties and their bytes.

use crate::map::ByteMap;
use crate::packed::{Layout, pack};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A value of a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertyValue {
    /// Bytes or text, as they are.
    Bytes(Vec<u8>),
    /// A signed integer: 8 bytes, little-endian.
    Int(i64),
    /// An unsigned integer: 8 bytes, little-endian.
    Uint(u64),
    /// 1 byte, 0 or 1.
    Bool(bool),
    /// Nanoseconds since 1970 as a signed integer.
    Timestamp(SystemTime),
    /// Nanoseconds as a signed integer.
    Duration(Duration),
    /// A map in the packed form with terminators, which is the same for both generations of the ABI here.
    Map(ByteMap),
}

// === impl PropertyValue ===

impl PropertyValue {
    /// The bytes that a plugin sees.
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Int(value) => value.to_le_bytes().to_vec(),
            Self::Uint(value) => value.to_le_bytes().to_vec(),
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
                pack(map.iter(), Layout::NulTerminated, &mut block);
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
        ];
        for (value, bytes) in table {
            assert_eq!(value.clone().into_bytes(), bytes, "{value:?}");
        }
    }
}
