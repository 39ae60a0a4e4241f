//! Text that clients chose, in lines that programs read.

use std::fmt::Write;

/// Adds bytes to a line of text. What ends a line or a value, and what is no printable ASCII, becomes `\xHH`, so nobody can make a line
/// look like two, or a value like several: outside of quotes a blank is such an end, too. Nothing at all is written as `-` there.
pub(super) fn push_text(line: &mut String, bytes: &[u8], quoted: bool) {
    if bytes.is_empty() && !quoted {
        line.push('-');
        return;
    }
    for byte in bytes {
        match byte {
            b'"' | b'\\' => {
                line.push('\\');
                line.push(char::from(*byte));
            }
            b' ' if quoted => line.push(' '),
            b'!'..=b'~' => line.push(char::from(*byte)),
            byte => {
                // Writing to a string does not fail.
                let _ = write!(line, "\\x{byte:02X}");
            }
        }
    }
}

/// Adds bytes as a string of JSON. What is no UTF-8 becomes U+FFFD.
pub(super) fn push_json(line: &mut String, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match serde_json::to_string(&text) {
        Ok(string) => line.push_str(&string),
        Err(_) => line.push_str("null"),
    }
}
