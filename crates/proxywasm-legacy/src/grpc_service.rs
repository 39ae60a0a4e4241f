//! The description of a gRPC upstream that plugins may give in place of its name: a serialized `envoy.config.core.v3.GrpcService`.

/// The name in field `envoy_grpc.cluster_name`, if `message` is such a description and has one.
///
/// A name is text, and text can look like a message of unknown fields; so only what names a cluster is taken for one.
pub(crate) fn cluster_name(message: &[u8]) -> Option<&[u8]> {
    const ENVOY_GRPC: u64 = 1;
    const CLUSTER_NAME: u64 = 1;
    let envoy_grpc = text_field(message, ENVOY_GRPC)?;
    text_field(envoy_grpc, CLUSTER_NAME).filter(|name| !name.is_empty())
}

/// The last length-delimited field of a number. `None` also where the message is malformed.
fn text_field(mut message: &[u8], number: u64) -> Option<&[u8]> {
    let mut found = None;
    while !message.is_empty() {
        let key = varint(&mut message)?;
        match key & 7 {
            0 => {
                varint(&mut message)?;
            }
            1 => message = message.get(8..)?,
            2 => {
                let len = usize::try_from(varint(&mut message)?).ok()?;
                let (content, rest) = message.split_at_checked(len)?;
                message = rest;
                if key >> 3 == number {
                    found = Some(content);
                }
            }
            5 => message = message.get(4..)?,
            // Groups are gone from the language, and nothing else is a type.
            _ => return None,
        }
    }
    found
}

/// A number in groups of seven bits, the lowest first.
fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for group in 0..10 {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << (7 * group);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `envoy_grpc { cluster_name: "ab" authority: "x" } timeout { seconds: 1 }`.
    const WHOLE: &[u8] = b"\x0a\x07\x0a\x02ab\x12\x01x\x1a\x02\x08\x01";

    #[test]
    fn names() {
        let table: &[(&[u8], Option<&[u8]>)] = &[
            (WHOLE, Some(b"ab")),
            (b"\x0a\x04\x0a\x02ab", Some(b"ab")),
            // The last one counts; fields of all types are passed over.
            (b"\x0a\x03\x0a\x01a\x0a\x03\x0a\x01b", Some(b"b")),
            (
                b"\x20\xff\x01\x29\0\0\0\0\0\0\0\0\x35\0\0\0\0\x0a\x03\x0a\x01a",
                Some(b"a"),
            ),
            // No cluster.
            (b"", None),
            (b"\x0a\x00", None),
            (b"\x0a\x02\x0a\x00", None),
            (b"\x12\x04\x0a\x02ab", None),
            // Names, of which the second is a message of one unknown field.
            (b"grpc-service", None),
            (b"b\x03abc", None),
            (b"cluster_1", None),
            // Malformed.
            (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", None),
            (b"\x0a\x7f\x0a\x02ab", None),
            (b"\x0b\x0a\x02ab", None),
        ];
        for (message, expected) in table {
            assert_eq!(cluster_name(message), *expected, "{message:02x?}");
        }
    }

    #[test]
    fn a_message_that_is_cut_names_nothing_else() {
        for len in 0..WHOLE.len() {
            let name = cluster_name(&WHOLE[..len]);
            // The description is complete before the timeout begins.
            assert_eq!(name, (len == 9).then_some(&b"ab"[..]), "{len}");
        }
    }
}
