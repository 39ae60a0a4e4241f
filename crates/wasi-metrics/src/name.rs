//! Names as Prometheus takes them: letters, digits and underscores, no digit first.

use std::collections::BTreeSet;
use std::iter;
use wasi_common::MetricType;

/// The name under which a metric is exported, which is not in `taken`.
///
/// Its parts are joined by underscores, and whatever is no letter or digit becomes an underscore. So different names can become the same
/// text; the one that comes later then gets a hash of what it was behind it. A name with bytes that are no printable ASCII always gets
/// one: little of it is left.
pub(crate) fn unused(
    namespace: &str,
    scope: &str,
    name: &[u8],
    metric_type: MetricType,
    taken: &BTreeSet<String>,
) -> String {
    let mut plain = String::new();
    for part in [namespace.as_bytes(), scope.as_bytes(), name] {
        if !plain.is_empty() && !part.is_empty() {
            plain.push('_');
        }
        plain.extend(part.iter().map(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() => char::from(*byte),
            _ => '_',
        }));
    }
    if !plain.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        plain.insert(0, '_');
    }
    let is_free = |candidate: &str| sample_names(candidate, metric_type).all(|name| !taken.contains(&name));
    let printable = |bytes: &[u8]| bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if printable(scope.as_bytes()) && printable(name) && is_free(&plain) {
        return plain;
    }
    let mut hash = fnv1a(scope.bytes().chain(iter::once(0)).chain(name.iter().copied()));
    loop {
        let candidate = format!("{plain}_{hash:016x}");
        if is_free(&candidate) {
            return candidate;
        }
        hash = hash.wrapping_add(1);
    }
}

/// All names that the text of a metric uses. A histogram has samples under names of their own.
pub(crate) fn sample_names(exposed: &str, metric_type: MetricType) -> impl Iterator<Item = String> {
    let suffixes: &[&str] = match metric_type {
        MetricType::Counter | MetricType::Gauge => &[""],
        MetricType::Histogram => &["", "_bucket", "_sum", "_count"],
    };
    suffixes.iter().map(move |suffix| format!("{exposed}{suffix}"))
}

/// FNV-1a: the same on every machine and in every version, unlike the hashes of maps.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        use MetricType::{Counter, Histogram};
        let taken = ["p_a_b_c", "p_h_count", "p_x"].map(String::from).into();
        let table: &[(&str, &str, &[u8], MetricType, &str)] = &[
            ("p", "auth", b"requests.total", Counter, "p_auth_requests_total"),
            ("p", "my-auth", b"http/4xx", Counter, "p_my_auth_http_4xx"),
            ("p", "", b"x.y", Counter, "p_x_y"),
            ("", "", b"9lives", Counter, "_9lives"),
            ("", "", b".", Counter, "_"),
            ("p", "a", b"b.c", Counter, "p_a_b_c_3f6446fc845b6b35"),
            ("p", "a.b", b"c", Counter, "p_a_b_c_06f227b51397fbc5"),
            ("p", "", b"h", Counter, "p_h"),
            ("p", "", b"h", Histogram, "p_h_08326007b4eb2bf5"),
            ("p", "", b"\xc3\xbc", Counter, "p____d6b5f41869db6ff8"),
            ("p", "", b"a\n# TYPE", Counter, "p_a___TYPE_5abefeee700df3b3"),
        ];
        for (namespace, scope, name, metric_type, expected) in table {
            let unused = unused(namespace, scope, name, *metric_type, &taken);
            assert_eq!(unused, *expected, "{scope} {}", name.escape_ascii());
        }
    }

    #[test]
    fn a_hash_that_is_taken_too() {
        let mut taken = BTreeSet::from(["a".to_owned()]);
        for _ in 0..3 {
            let name = unused("", "", b"a", MetricType::Gauge, &taken);
            assert!(taken.insert(name));
        }
    }
}
