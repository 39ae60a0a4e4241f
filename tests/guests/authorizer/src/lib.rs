//! What the plugins share that ask the gRPC method `auth.Authorizer/Check`: its messages, and how a reason is put into a header.
//!
//! ```proto
//! package auth;
//! service Authorizer { rpc Check(Subject) returns (Subject); }
//! message Subject { string id = 1; }
//! ```

/// The service.
pub const SERVICE: &str = "auth.Authorizer";
/// The method.
pub const METHOD: &str = "Check";

/// Field 1, length-delimited.
const ID: u8 = 0x0a;

/// The message about an id.
pub fn encode(id: &[u8]) -> Vec<u8> {
    let mut message = vec![ID];
    let mut rest = id.len();
    while rest >= 0x80 {
        message.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    message.push(rest as u8);
    message.extend_from_slice(id);
    message
}

/// The id in a message; `None` if it is none of these.
pub fn decode(message: &[u8]) -> Option<&[u8]> {
    let mut rest = message.strip_prefix(&[ID])?;
    let mut len = 0;
    for shift in (0..28).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        rest = behind;
        len |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return (rest.len() == len).then_some(rest);
        }
    }
    None
}

/// A reason as the value of a header, which must not contain control characters.
pub fn header_value(reason: &str) -> String {
    reason
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
