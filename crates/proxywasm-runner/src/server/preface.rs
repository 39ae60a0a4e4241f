//! HTTP/2 with prior knowledge (RFC 9113, section 3.3): a client that speaks it says so by its first bytes.

use crate::transport::Socket;
use std::io;

/// What an HTTP/2 connection begins with. No HTTP/1.1 request does: `PRI` is reserved.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Waits for the first bytes of a connection, and tells whether it is one of HTTP/2. They stay to be read.
pub(super) async fn is_http2(socket: &Socket) -> io::Result<bool> {
    let mut buffer = [0; PREFACE.len()];
    socket.look_ahead(&mut buffer, judge).await
}

fn judge(seen: &[u8], ended: bool) -> Option<bool> {
    if !PREFACE.starts_with(seen) {
        return Some(false);
    }
    if seen.len() == PREFACE.len() {
        return Some(true);
    }
    ended.then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes() {
        let table: [(&[u8], bool, Option<bool>); 8] = [
            (b"", false, None),
            (b"", true, Some(false)),
            (b"G", false, Some(false)),
            (b"P", false, None),
            (b"PO", false, Some(false)),
            (b"PRI * HTTP/2.0\r\n", false, None),
            (b"PRI * HTTP/2.0\r\n", true, Some(false)),
            (PREFACE, false, Some(true)),
        ];
        for (seen, ended, expected) in table {
            assert_eq!(judge(seen, ended), expected, "{seen:?} {ended}");
        }
    }
}
