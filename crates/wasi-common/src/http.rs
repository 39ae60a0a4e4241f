//! Heads and trailers of the `http` crate as sources of maps, with feature `http`.

use crate::map::ByteMap;
use crate::stream::MapSource;
use ::http::header::HOST;
use ::http::uri::PathAndQuery;
use ::http::{HeaderMap, HeaderValue, request, response};

/// A request head: `:method`, `:scheme`, `:path` and `:authority`, then the headers. The host header is `:authority` and not seen
/// besides.
impl MapSource for request::Parts {
    fn len(&self) -> usize {
        let hosts = self.headers.get_all(HOST).iter().count();
        self.headers.len() - hosts + 3 + usize::from(hosts > 0 || self.uri.authority().is_some())
    }

    fn fill(&self, map: &mut ByteMap) {
        let path = self.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        map.reserve(self.headers.len() + 4, path.len() + 32 * (self.headers.len() + 4));
        let target: [(&[u8], _); 3] = [
            (b":method", self.method.as_str().as_bytes()),
            (b":scheme", self.uri.scheme_str().unwrap_or("http").as_bytes()),
            (b":path", path.as_bytes()),
        ];
        map.extend_in_order(target.into_iter());
        let authority = authority(self).map(|authority| (&b":authority"[..], authority));
        map.extend_in_order(authority.into_iter());
        append(map, &self.headers);
    }
}

/// A response head: `:status`, then the headers.
impl MapSource for response::Parts {
    fn len(&self) -> usize {
        self.headers.len() + 1
    }

    fn fill(&self, map: &mut ByteMap) {
        map.reserve(self.headers.len() + 1, 32 * (self.headers.len() + 1));
        map.extend_in_order(std::iter::once((
            &b":status"[..],
            self.status.as_str().as_bytes(),
        )));
        append(map, &self.headers);
    }
}

/// Trailers.
impl MapSource for HeaderMap {
    fn len(&self) -> usize {
        HeaderMap::len(self)
    }

    fn fill(&self, map: &mut ByteMap) {
        append(map, self);
    }
}

/// The authority of the target, else the host header.
fn authority(head: &request::Parts) -> Option<&[u8]> {
    match head.uri.authority() {
        Some(authority) => Some(authority.as_str().as_bytes()),
        None => head.headers.get(HOST).map(HeaderValue::as_bytes),
    }
}

fn append(map: &mut ByteMap, headers: &HeaderMap) {
    let regular = headers.iter().filter(|(name, _)| *name != HOST);
    map.extend_in_order(regular.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let request = |request: ::http::request::Builder| request.body(()).unwrap().into_parts().0;
        type Expected = &'static [(&'static str, &'static str)];
        let table: Vec<(request::Parts, Expected)> = vec![
            (
                request(
                    ::http::Request::get("/a?b")
                        .header("host", "h")
                        .header("x", "1")
                        .header("x", "2"),
                ),
                &[
                    (":method", "GET"),
                    (":scheme", "http"),
                    (":path", "/a?b"),
                    (":authority", "h"),
                    ("x", "1"),
                    ("x", "2"),
                ],
            ),
            (
                request(::http::Request::post("https://u:1/").header("host", "other")),
                &[
                    (":method", "POST"),
                    (":scheme", "https"),
                    (":path", "/"),
                    (":authority", "u:1"),
                ],
            ),
            (
                request(::http::Request::options("*")),
                &[(":method", "OPTIONS"), (":scheme", "http"), (":path", "*")],
            ),
        ];
        for (head, expected) in table {
            let mut map = ByteMap::new();
            head.fill(&mut map);
            assert_eq!(map, expected.iter().copied().collect());
            assert_eq!(MapSource::len(&head), expected.len());
        }
        let (head, ()) = ::http::Response::builder()
            .status(404)
            .header("A", "b")
            .body(())
            .unwrap()
            .into_parts();
        let mut map = ByteMap::new();
        head.fill(&mut map);
        assert_eq!(map, [(":status", "404"), ("a", "b")].into_iter().collect());
        assert_eq!(MapSource::len(&head), 2);
    }
}
