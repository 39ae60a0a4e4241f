//! Durations as Protobuf's JSON writes them, and as our file does.

/// `0.25s` as `250ms`. `None` where it is none, or 0, or finer than a microsecond.
pub(super) fn period(text: &str) -> Option<String> {
    let (whole, fraction) = text
        .strip_suffix('s')?
        .split_once('.')
        .unwrap_or((text.strip_suffix('s')?, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds: u64 = whole.parse().ok()?;
    let nanoseconds: u64 = format!("{fraction:0<9}").parse().ok()?;
    let microseconds = seconds.checked_mul(1_000_000)?.checked_add(nanoseconds / 1000)?;
    let (number, unit) = match microseconds {
        0 => return None,
        whole if whole.is_multiple_of(1_000_000) => (whole / 1_000_000, "s"),
        whole if whole.is_multiple_of(1000) => (whole / 1000, "ms"),
        whole => (whole, "us"),
    };
    nanoseconds
        .is_multiple_of(1000)
        .then(|| format!("{number}{unit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods() {
        let table = [
            ("5s", Some("5s")),
            ("0.25s", Some("250ms")),
            ("1.5s", Some("1500ms")),
            ("0.000001s", Some("1us")),
            ("0.0000001s", None),
            ("3600s", Some("3600s")),
            ("0s", None),
            ("0.0s", None),
            ("-1s", None),
            ("5", None),
            ("5ms", None),
            ("1.2.3s", None),
            ("s", None),
            ("99999999999999999999s", None),
        ];
        for (text, expected) in table {
            assert_eq!(period(text).as_deref(), expected, "{text}");
        }
    }
}
