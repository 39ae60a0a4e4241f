//! What browsers send because another site has them do so.
//!
//! A site can name the admin address in a form or a script (request forgery); then the browser says so by `Origin`. Or it can have its own
//! name resolved to the admin address (DNS rebinding), so that the browser takes it for that site's and lets it read answers; then that
//! name is in `Host`. So a request has to name the address as a number, or as `localhost`.

use crate::routing::split_port;
use http::header::{HOST, HeaderName, ORIGIN};
use http::request::Parts;
use std::net::IpAddr;

/// How a browser says on whose behalf it asks, where it does.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request is refused, if it is.
pub(super) fn refusal(head: &Parts) -> Option<&'static str> {
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    let Some(host) = host.filter(|host| is_of_this_address(host)) else {
        return Some("ask for this address by its number or as localhost, not by another name\n");
    };
    let mut origins = head.headers.get_all(ORIGIN).iter();
    let own = |origin: &str| {
        origin
            .strip_prefix("http://")
            .is_some_and(|origin| origin.eq_ignore_ascii_case(host))
    };
    let other_origin = origins.any(|origin| !origin.to_str().is_ok_and(own));
    let site = head.headers.get(SEC_FETCH_SITE);
    let other_site = site.is_some_and(|site| site != "same-origin" && site != "none");
    (other_origin || other_site).then_some("requests on behalf of another site are refused\n")
}

fn is_of_this_address(host: &str) -> bool {
    let (name, _) = split_port(host);
    let number = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    number.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    #[test]
    fn who_may_ask() {
        let table: &[(&[(&str, &str)], bool)] = &[
            (&[("host", "127.0.0.1:9901")], true),
            (&[("host", "127.0.0.1")], true),
            (&[("host", "[::1]:9901")], true),
            (&[("host", "[::1]")], true),
            (&[("host", "LocalHost:9901")], true),
            (&[], false),
            (&[("host", "")], false),
            (&[("host", "evil.test:9901")], false),
            (&[("host", "127.0.0.1.evil.test:9901")], false),
            (&[("host", "localhost.evil.test")], false),
            (
                &[("host", "127.0.0.1:9901"), ("origin", "http://127.0.0.1:9901")],
                true,
            ),
            (
                &[("host", "127.0.0.1:9901"), ("origin", "http://127.0.0.1:80")],
                false,
            ),
            (
                &[("host", "127.0.0.1:9901"), ("origin", "http://evil.test")],
                false,
            ),
            (&[("host", "127.0.0.1:9901"), ("origin", "null")], false),
            (
                &[
                    ("host", "127.0.0.1:9901"),
                    ("origin", "http://127.0.0.1:9901"),
                    ("origin", "http://evil.test"),
                ],
                false,
            ),
            (
                &[("host", "127.0.0.1:9901"), ("sec-fetch-site", "cross-site")],
                false,
            ),
            (
                &[("host", "127.0.0.1:9901"), ("sec-fetch-site", "same-site")],
                false,
            ),
            (
                &[("host", "127.0.0.1:9901"), ("sec-fetch-site", "same-origin")],
                true,
            ),
            (&[("host", "127.0.0.1:9901"), ("sec-fetch-site", "none")], true),
        ];
        for (headers, allowed) in table {
            let mut request = Request::builder();
            for (name, value) in *headers {
                request = request.header(*name, *value);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(refusal(&head).is_none(), *allowed, "{headers:?}");
        }
    }
}
