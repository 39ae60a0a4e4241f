//! SHA-256 digests, by which code is pinned and cached.

use sha2::Digest as _;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The SHA-256 of some bytes. As text 64 hexadecimal digits, which `sha256:` may stand before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256([u8; 32]);

/// A text is no SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no SHA-256: it has 64 hexadecimal digits, and `sha256:` may stand before them")]
pub struct DigestError(String);

// === impl Sha256 ===

impl Sha256 {
    /// That of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl FromStr for Sha256 {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let error = || DigestError(text.to_owned());
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(error());
        }
        let mut digest = [0; 32];
        for (place, byte) in digest.iter_mut().enumerate() {
            let pair = digits.get(place * 2..place * 2 + 2).ok_or_else(error)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| error())?;
        }
        Ok(Self(digest))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Sha256::of(b"").to_string(), of_nothing);
        let table = [
            (of_nothing.to_owned(), true),
            (format!("sha256:{of_nothing}"), true),
            (of_nothing.to_uppercase(), true),
            (format!("sha512:{of_nothing}"), false),
            (format!("{of_nothing}0"), false),
            (of_nothing.replace('e', "g"), false),
            (of_nothing.replace("e3", "ä"), false),
            (String::new(), false),
        ];
        for (text, expected) in table {
            let parsed: Option<Sha256> = text.parse().ok();
            assert_eq!(parsed, expected.then_some(Sha256::of(b"")), "{text}");
        }
    }
}
