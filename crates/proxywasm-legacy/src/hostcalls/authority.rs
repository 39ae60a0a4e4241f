//! The authority of a request by its older name: plugins that were written for HTTP/1.1 say `host`.

const HOST: &[u8] = b"host";
const AUTHORITY: &[u8] = b":authority";

/// The name by which the headers of a request have what a plugin calls `key`.
#[inline]
pub(super) fn name(key: &[u8]) -> &[u8] {
    if key.eq_ignore_ascii_case(HOST) {
        AUTHORITY
    } else {
        key
    }
}

/// As [`name`], of all headers of a request. Where it has both, the older one says nothing new.
pub(super) fn name_all(pairs: &mut Vec<(&[u8], &[u8])>) {
    if pairs.iter().any(|(key, _)| key.eq_ignore_ascii_case(AUTHORITY)) {
        pairs.retain(|(key, _)| !key.eq_ignore_ascii_case(HOST));
    }
    for (key, _) in pairs {
        *key = name(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        type Pairs<'a> = &'a [(&'a [u8], &'a [u8])];
        let table: [(Pairs<'_>, Pairs<'_>); 4] = [
            (&[], &[]),
            (
                &[(b"Host", b"a"), (b"x-host", b"b")],
                &[(b":authority", b"a"), (b"x-host", b"b")],
            ),
            (
                &[(b"host", b"a"), (b":authority", b"b")],
                &[(b":authority", b"b")],
            ),
            // Several by the older name stay several: no message can have them.
            (
                &[(b"host", b"a"), (b"host", b"b")],
                &[(b":authority", b"a"), (b":authority", b"b")],
            ),
        ];
        for (pairs, expected) in table {
            let mut named = pairs.to_vec();
            name_all(&mut named);
            assert_eq!(named, expected);
        }
    }
}
