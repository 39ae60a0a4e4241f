//! Names on the server.

use std::fmt::Write as _;

/// A number that nobody else has, for names that are never used again. `None` where the system has no randomness.
pub fn random_id() -> Option<u128> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).ok()?;
    Some(u128::from_le_bytes(random))
}

/// Bytes of any kind as a part of a name: without colons, braces and other signs that mean something there.
pub fn escape(part: &[u8]) -> String {
    let mut escaped = String::with_capacity(part.len());
    for byte in part {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => escaped.push(char::from(*byte)),
            // Writing to a string does not fail.
            _ => _ = write!(escaped, "%{byte:02x}"),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let table: [(&[u8], &str); 4] = [
            (b"", ""),
            (b"vm-1_a.B", "vm-1_a.B"),
            (b"a:{b}%", "a%3a%7bb%7d%25"),
            (b"\0\xff", "%00%ff"),
        ];
        for (part, expected) in table {
            assert_eq!(escape(part), expected);
        }
        assert_ne!(random_id(), random_id());
    }
}
