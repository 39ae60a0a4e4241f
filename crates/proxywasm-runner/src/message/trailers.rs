//! Trailers: fields that come behind a body, when all that goes by them is done.

use http::HeaderMap;

/// Takes off what may not stand in trailers (RFC 9110, section 6.5.1; RFC 9113, section 8.1): what frames or routes a message, says who sends it
/// or how it is to be taken, or concerns the connection. Whoever merged that into the head would be deceived.
pub(crate) fn strip_trailers(trailers: &mut HeaderMap) {
    if !trailers.keys().any(|name| is_forbidden(name.as_str())) {
        return;
    }
    let kept = std::mem::take(trailers);
    let mut current = None;
    for (name, value) in kept {
        // A name that repeats is told once.
        if name.is_some() {
            current = name;
        }
        if let Some(name) = current.as_ref().filter(|name| !is_forbidden(name.as_str())) {
            trailers.append(name.clone(), value);
        }
    }
}

fn is_forbidden(name: &str) -> bool {
    matches!(
        name,
        "age"
            | "authorization"
            | "cache-control"
            | "connection"
            | "content-encoding"
            | "content-length"
            | "content-range"
            | "content-type"
            | "cookie"
            | "expect"
            | "expires"
            | "forwarded"
            | "host"
            | "keep-alive"
            | "location"
            | "max-forwards"
            | "pragma"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "range"
            | "set-cookie"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "vary"
            | "www-authenticate"
    ) || name.starts_with("x-forwarded-")
        || name.starts_with("if-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_and_what_stays() {
        let mut trailers = HeaderMap::new();
        for (name, value) in [
            ("host", "h"),
            ("x", "1"),
            ("content-length", "5"),
            ("x", "2"),
            ("grpc-status", "0"),
            ("x-forwarded-for", "1"),
        ] {
            trailers.append(name, value.parse().unwrap());
        }
        strip_trailers(&mut trailers);
        let mut left: Vec<_> = trailers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        left.sort();
        assert_eq!(left, ["grpc-status: 0", "x: 1", "x: 2"]);
    }
}
