//! Headers by which a proxy tells upstreams, and plugins, of the client.

use bytes::{BufMut, BytesMut};
use http::header::{FORWARDED, HOST, HeaderName, VIA};
use http::{HeaderMap, HeaderValue};
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use uuid::Builder;

/// Which headers requests get before plugins see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardingHeaders {
    /// Whether requests without an `x-request-id` get one, a random UUID.
    pub request_id: bool,
    /// What becomes of `x-forwarded-for`, `x-forwarded-proto` and `x-forwarded-host`.
    pub forwarded: Forwarded,
    /// What this proxy calls itself in `via`, if it is to (RFC 9110, section 7.6.3).
    pub via: Option<HeaderValue>,
}

/// What becomes of `x-forwarded-for`, `x-forwarded-proto` and `x-forwarded-host`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Forwarded {
    /// They tell of the client's connection, whatever the client said; `forwarded` (RFC 7239) is taken off.
    #[default]
    Replace,
    /// The address is added to those of `x-forwarded-for`; the others are set where they are missing. For proxies behind others, which are
    /// trusted.
    Append,
    /// They pass as they came.
    Off,
}

/// Makes ids of requests that nobody can guess.
#[derive(Debug, Default)]
pub(crate) struct RequestIds {
    /// A keyed hash, whose keys the system chose.
    keys: RandomState,
    count: Cell<u64>,
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

impl Default for ForwardingHeaders {
    fn default() -> Self {
        Self {
            request_id: true,
            forwarded: Forwarded::default(),
            via: None,
        }
    }
}

// === impl ForwardingHeaders ===

impl ForwardingHeaders {
    /// Puts them on the head of a request that came from `client`, by `scheme`. One over a UNIX socket has no address to tell.
    pub(crate) fn apply(
        &self,
        headers: &mut HeaderMap,
        client: Option<IpAddr>,
        scheme: &'static str,
        ids: &RequestIds,
    ) {
        if self.request_id && !headers.contains_key(X_REQUEST_ID) {
            headers.extend(ids.next().map(|id| (X_REQUEST_ID, id)));
        }
        match self.forwarded {
            Forwarded::Off => {}
            Forwarded::Replace => {
                headers.remove(FORWARDED);
                headers.remove(X_FORWARDED_HOST);
                set_host(headers);
                headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
                headers.remove(X_FORWARDED_FOR);
                if let Some(value) = client.and_then(|client| address(None, client)) {
                    headers.insert(X_FORWARDED_FOR, value);
                }
            }
            Forwarded::Append => {
                if !headers.contains_key(X_FORWARDED_HOST) {
                    set_host(headers);
                }
                headers
                    .entry(X_FORWARDED_PROTO)
                    .or_insert(HeaderValue::from_static(scheme));
                let before = joined(headers, &X_FORWARDED_FOR);
                if let Some(value) = client.and_then(|client| address(before.as_deref(), client)) {
                    headers.insert(X_FORWARDED_FOR, value);
                }
            }
        }
        if let Some(via) = &self.via {
            headers.append(VIA, via.clone());
        }
    }
}

fn set_host(headers: &mut HeaderMap) {
    if let Some(host) = headers.get(HOST).cloned() {
        headers.insert(X_FORWARDED_HOST, host);
    }
}

/// The client's address, behind those of the proxies before.
fn address(before: Option<&[u8]>, client: IpAddr) -> Option<HeaderValue> {
    use std::io::Write;

    let mut value = BytesMut::with_capacity(48).writer();
    let _ = before.map(|before| value.write_all(before).and_then(|()| value.write_all(b", ")));
    let _ = write!(value, "{}", client.to_canonical());
    HeaderValue::from_maybe_shared(value.into_inner().freeze()).ok()
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    (!values.is_empty()).then(|| values.join(&b", "[..]))
}

// === impl RequestIds ===

impl RequestIds {
    fn next(&self) -> Option<HeaderValue> {
        let count = self.count.get();
        self.count.set(count.wrapping_add(1));
        let high = self.keys.hash_one((count, 0_u8));
        let low = self.keys.hash_one((count, 1_u8));
        let id = Builder::from_random_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes());
        let mut text = BytesMut::zeroed(uuid::fmt::Hyphenated::LENGTH);
        id.into_uuid().hyphenated().encode_lower(&mut text);
        HeaderValue::from_maybe_shared(text.freeze()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use uuid::Uuid;

    #[test]
    fn headers() {
        let base = ForwardingHeaders {
            request_id: false,
            ..ForwardingHeaders::default()
        };
        let append = ForwardingHeaders {
            forwarded: Forwarded::Append,
            ..base.clone()
        };
        let off = ForwardingHeaders {
            forwarded: Forwarded::Off,
            ..base.clone()
        };
        let via = ForwardingHeaders {
            via: Some(HeaderValue::from_static("1.1 edge")),
            ..off.clone()
        };
        let came = [
            ("host", "h:1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-for", "10.0.0.2"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "other"),
            ("forwarded", "for=x"),
            ("via", "1.0 first"),
        ];
        let get = |headers: &HeaderMap, name: &str| {
            let values = headers.get_all(name).iter();
            let values: Vec<&str> = values.map(|value| value.to_str().unwrap()).collect();
            values.join("|")
        };
        // What came; for, proto, host, forwarded, via.
        let table = [
            (
                "replace",
                &base,
                &came[..],
                ["192.0.2.7", "http", "h:1", "", "1.0 first"],
            ),
            ("replace", &base, &came[..1], ["192.0.2.7", "http", "h:1", "", ""]),
            ("replace", &base, &[], ["192.0.2.7", "http", "", "", ""]),
            (
                "append",
                &append,
                &came,
                [
                    "10.0.0.1, 10.0.0.2, 192.0.2.7",
                    "https",
                    "other",
                    "for=x",
                    "1.0 first",
                ],
            ),
            (
                "append",
                &append,
                &came[..1],
                ["192.0.2.7", "http", "h:1", "", ""],
            ),
            (
                "off",
                &off,
                &came,
                ["10.0.0.1|10.0.0.2", "https", "other", "for=x", "1.0 first"],
            ),
            (
                "via",
                &via,
                &came,
                [
                    "10.0.0.1|10.0.0.2",
                    "https",
                    "other",
                    "for=x",
                    "1.0 first|1.1 edge",
                ],
            ),
        ];
        for (name, options, came, expected) in table {
            let mut headers = HeaderMap::new();
            for (name, value) in came {
                headers.append(*name, HeaderValue::from_static(value));
            }
            let client = "::ffff:192.0.2.7".parse().unwrap();
            options.apply(&mut headers, Some(client), "http", &RequestIds::default());
            let names = [
                "x-forwarded-for",
                "x-forwarded-proto",
                "x-forwarded-host",
                "forwarded",
                "via",
            ];
            assert_eq!(
                names.map(|name| get(&headers, name)),
                expected.map(str::to_owned),
                "{name} {came:?}"
            );
            assert!(!headers.contains_key(X_REQUEST_ID));
        }
    }

    #[test]
    fn request_ids() {
        let options = ForwardingHeaders::default();
        let ids = RequestIds::default();
        let mut seen = HashSet::new();
        for _ in 0..100 {
            let mut headers = HeaderMap::new();
            options.apply(&mut headers, Some(IpAddr::from([192, 0, 2, 1])), "http", &ids);
            let id = headers[X_REQUEST_ID].to_str().unwrap().to_owned();
            let parsed: Uuid = id.parse().unwrap();
            assert_eq!(parsed.get_version_num(), 4, "{id}");
            assert!(seen.insert(id));
        }
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_static("given"));
        options.apply(&mut headers, Some(IpAddr::from([192, 0, 2, 1])), "http", &ids);
        assert_eq!(headers[X_REQUEST_ID], "given");
    }
}
