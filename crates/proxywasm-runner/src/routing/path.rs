//! Request paths in one spelling, so that nobody gets past a route, or a plugin that looks at paths, by another one.
//!
//! RFC 3986, section 6.2.2: escapes of characters that need none are decoded, the others are in upper case, and dot segments are
//! taken out. What a server behind might take for a slash is refused unless configured otherwise.

use http::Uri;
use http::uri::PathAndQuery;
use thiserror::Error;

/// What becomes of the path of a request before plugins and routes see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathRules {
    /// Whether paths are brought into one spelling at all. Without it they pass as they came.
    pub normalize: bool,
    /// Whether several slashes become one.
    pub merge_slashes: bool,
    /// What becomes of `%2F`, `%5C` and `\`.
    pub escaped_slashes: EscapedSlashes,
}

/// What becomes of what servers take for a slash, or do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EscapedSlashes {
    /// The request is answered with 400.
    #[default]
    Refuse,
    /// They stay as they are, and separate no segments here.
    Keep,
    /// They become slashes.
    Decode,
}

/// A path that has no spelling that is safe to pass on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PathRefusal {
    /// `%` without two hexadecimal digits behind it.
    #[error("its path has a `%` that is no escape")]
    Escape,
    /// `%00`.
    #[error("its path has a NUL")]
    Nul,
    /// A slash that is escaped, or a backslash.
    #[error("its path has an escaped slash, or a backslash")]
    Slash,
}

impl Default for PathRules {
    fn default() -> Self {
        Self {
            normalize: true,
            merge_slashes: true,
            escaped_slashes: EscapedSlashes::Refuse,
        }
    }
}

// === impl PathRules ===

impl PathRules {
    /// Changes the path of a request target, where it needs that. The rest of it stays.
    ///
    /// # Errors
    /// The request is to be refused.
    pub(crate) fn apply(self, uri: &mut Uri) -> Result<(), PathRefusal> {
        if !self.normalize || !self.concern(uri.path()) {
            return Ok(());
        }
        let mut path = self.rewrite(uri.path())?;
        if let Some(query) = uri.query() {
            path.push('?');
            path.push_str(query);
        }
        if let Ok(path) = PathAndQuery::try_from(path) {
            let mut parts = uri.clone().into_parts();
            parts.path_and_query = Some(path);
            if let Ok(changed) = Uri::from_parts(parts) {
                *uri = changed;
            }
        }
        Ok(())
    }

    /// Whether anything of the path may have to be changed; most have nothing.
    fn concern(self, path: &str) -> bool {
        let mut after_slash = false;
        path.starts_with('/')
            && path.bytes().any(|byte| {
                let found = match byte {
                    b'%' | b'\\' => true,
                    b'.' => after_slash,
                    b'/' => after_slash && self.merge_slashes,
                    _ => false,
                };
                after_slash = byte == b'/';
                found
            })
    }

    fn rewrite(self, path: &str) -> Result<String, PathRefusal> {
        let decoded = self.decode(path)?;
        let mut segments: Vec<&str> = Vec::new();
        // A path that ends in a dot segment ends in a slash without it.
        let mut open = false;
        for segment in decoded.split('/').skip(1) {
            open = false;
            match segment {
                "." => open = true,
                ".." => {
                    segments.pop();
                    open = true;
                }
                "" if self.merge_slashes => open = true,
                segment => segments.push(segment),
            }
        }
        let mut path = String::with_capacity(decoded.len());
        for segment in &segments {
            path.push('/');
            path.push_str(segment);
        }
        if open || path.is_empty() {
            path.push('/');
        }
        Ok(path)
    }

    fn decode(self, path: &str) -> Result<String, PathRefusal> {
        let mut decoded = String::with_capacity(path.len());
        let mut rest = path.chars();
        while let Some(character) = rest.next() {
            match character {
                '%' => {
                    let byte = rest
                        .next()
                        .zip(rest.next())
                        .and_then(|(high, low)| Some(high.to_digit(16)? << 4 | low.to_digit(16)?))
                        .and_then(|value| u8::try_from(value).ok())
                        .ok_or(PathRefusal::Escape)?;
                    match byte {
                        0 => return Err(PathRefusal::Nul),
                        b'/' | b'\\' => match self.escaped_slashes {
                            EscapedSlashes::Refuse => return Err(PathRefusal::Slash),
                            EscapedSlashes::Keep => push_escape(&mut decoded, byte),
                            EscapedSlashes::Decode => decoded.push('/'),
                        },
                        b'-' | b'.' | b'_' | b'~' => decoded.push(char::from(byte)),
                        _ if byte.is_ascii_alphanumeric() => decoded.push(char::from(byte)),
                        _ => push_escape(&mut decoded, byte),
                    }
                }
                '\\' => match self.escaped_slashes {
                    EscapedSlashes::Refuse => return Err(PathRefusal::Slash),
                    EscapedSlashes::Keep => decoded.push('\\'),
                    EscapedSlashes::Decode => decoded.push('/'),
                },
                character => decoded.push(character),
            }
        }
        Ok(decoded)
    }
}

fn push_escape(text: &mut String, byte: u8) {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    text.push('%');
    for digit in [byte >> 4, byte & 15] {
        text.extend(DIGITS.get(usize::from(digit)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        use PathRefusal::{Escape, Nul, Slash};
        // What came, and what becomes of it where slashes that are escaped are refused, kept, decoded.
        let table = [
            ("/", [Ok("/"); 3]),
            ("/a/b?c=%2F/../d", [Ok("/a/b?c=%2F/../d"); 3]),
            ("/a/../admin", [Ok("/admin"); 3]),
            ("/a/./b", [Ok("/a/b"); 3]),
            ("/a/..", [Ok("/"); 3]),
            ("/a/.", [Ok("/a/"); 3]),
            ("/../../a", [Ok("/a"); 3]),
            ("/a/b/../../..//", [Ok("/"); 3]),
            ("/a/%2e%2E/admin?x", [Ok("/admin?x"); 3]),
            ("/a/.%2e/admin", [Ok("/admin"); 3]),
            ("/%61dmin", [Ok("/admin"); 3]),
            ("/a%c3%a9%3b", [Ok("/a%C3%A9%3B"); 3]),
            ("//admin", [Ok("/admin"); 3]),
            ("/a//b///", [Ok("/a/b/"); 3]),
            ("/a/...", [Ok("/a/..."); 3]),
            ("/a/.hidden/..b", [Ok("/a/.hidden/..b"); 3]),
            ("/%252e%252e/a", [Ok("/%252e%252e/a"); 3]),
            ("/a%2fb", [Err(Slash), Ok("/a%2Fb"), Ok("/a/b")]),
            ("/a/..%2fadmin", [Err(Slash), Ok("/a/..%2Fadmin"), Ok("/admin")]),
            (
                "/a%5C..%5cadmin",
                [Err(Slash), Ok("/a%5C..%5Cadmin"), Ok("/admin")],
            ),
            ("/a\\..\\admin", [Err(Slash), Ok("/a\\..\\admin"), Ok("/admin")]),
            ("/a%00", [Err(Nul); 3]),
            ("/a%", [Err(Escape); 3]),
            ("/a%2", [Err(Escape); 3]),
            ("/a%zz", [Err(Escape); 3]),
            ("*", [Ok("*"); 3]),
            ("https://h:1/a/../b?c", [Ok("https://h:1/b?c"); 3]),
        ];
        let slashes = [
            EscapedSlashes::Refuse,
            EscapedSlashes::Keep,
            EscapedSlashes::Decode,
        ];
        for (text, expected) in table {
            for (escaped_slashes, expected) in slashes.into_iter().zip(expected) {
                let rules = PathRules {
                    escaped_slashes,
                    ..PathRules::default()
                };
                let mut uri: Uri = text.parse().unwrap();
                let result = rules.apply(&mut uri).map(|()| uri.to_string());
                assert_eq!(
                    result.as_deref(),
                    expected.as_ref().copied(),
                    "{text} {escaped_slashes:?}"
                );
                // What is normal stays as it is.
                let again = rules.apply(&mut uri).map(|()| uri.to_string());
                assert_eq!(again, result, "{text} again");
            }
        }
    }

    #[test]
    fn switches() {
        let table = [
            (false, false, "//a/../%62", "//a/../%62"),
            (true, false, "//a//../%62", "//a/b"),
            (true, true, "//a//../%62", "/b"),
        ];
        for (normalize, merge_slashes, text, expected) in table {
            let rules = PathRules {
                normalize,
                merge_slashes,
                ..PathRules::default()
            };
            let mut uri = Uri::from(PathAndQuery::from_static(text));
            rules.apply(&mut uri).unwrap();
            assert_eq!(uri.path(), expected, "{text}");
        }
    }
}
