//! What becomes of the requests of a route.

use super::matching::{PathMatch, Pattern, behind};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, LOCATION};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, request};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What becomes of the requests of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// They go to an upstream.
    Forward(Forward),
    /// They are answered with another place.
    Redirect(Redirect),
    /// They are answered.
    Respond(DirectResponse),
}

/// How requests go to upstreams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// To which.
    pub split: Split,
    /// With what path.
    pub path: PathRewrite,
    /// With what `host`, if not the client's.
    pub host: Option<HeaderValue>,
    /// How long the head of a response may take before the client gets 504.
    pub timeout: HeadTimeout,
}

/// How long the head of a response may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeadTimeout {
    /// As long as the upstream says, for each attempt.
    #[default]
    OfUpstream,
    /// As long as it takes.
    Never,
    /// So long, with all that is tried again.
    After(Duration),
}

/// Upstreams that share requests by weights: of as many requests as the weights sum up to, each gets exactly its part. Clones, and so
/// all workers, count together.
#[derive(Debug, Clone)]
pub struct Split {
    shares: Vec<Share>,
    total: u64,
    /// Spreads the parts: neighbours of a round go to different upstreams where they can.
    step: u64,
    count: Arc<AtomicU64>,
}

/// An upstream and its part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Its name, or `echo` for the built-in one.
    pub upstream: String,
    /// How many requests of as many as all weights sum up to.
    pub weight: u32,
}

/// What becomes of a path. The query stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PathRewrite {
    /// Nothing.
    #[default]
    Keep,
    /// It is replaced.
    Full(String),
    /// The prefix that the route matched is replaced.
    Prefix(String),
    /// What an expression finds first is replaced; `$1` or `${name}` stand for its groups.
    Regex(Pattern, String),
}

/// Another place. What is not said stays as in the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: StatusCode,
    /// `http` or `https`.
    pub scheme: Option<String>,
    /// The host, and the port if there is to be one. With a scheme alone it is the request's, without its port.
    pub host: Option<String>,
    /// The path.
    pub path: PathRewrite,
    /// Whether the query is left out.
    pub strip_query: bool,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectResponse {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// What becomes of the headers of a message: some are taken off, then some set, then some added.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderEdits {
    /// Those to take off.
    pub remove: Vec<HeaderName>,
    /// Those that are to have this one value.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Those that get a value more.
    pub add: Vec<(HeaderName, HeaderValue)>,
}

// === impl Split ===

/// The same parts; how far their rounds are does not count.
impl PartialEq for Split {
    fn eq(&self, other: &Self) -> bool {
        self.shares == other.shares
    }
}

impl Eq for Split {}

impl Split {
    /// All to one.
    pub fn one(upstream: impl Into<String>) -> Self {
        Self::new(vec![Share {
            upstream: upstream.into(),
            weight: 1,
        }])
    }

    /// To several. Those of weight 0 get nothing.
    pub fn new(shares: Vec<Share>) -> Self {
        let total: u64 = shares.iter().map(|share| u64::from(share.weight)).sum();
        // About the golden section of the round, and prime to its length, so that each place comes once in a round.
        let mut step = (total * 618 / 1000).max(1);
        while gcd(step, total) > 1 {
            step += 1;
        }
        Self {
            shares,
            total,
            step,
            count: Arc::default(),
        }
    }

    /// The upstreams and their parts.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// The upstream, if there is only one.
    pub(crate) fn only(&self) -> Option<&str> {
        match self.shares.as_slice() {
            [share] => Some(&share.upstream),
            _ => None,
        }
    }

    /// The place of the upstream, among the shares, that the next request goes to.
    pub(crate) fn next(&self) -> Option<usize> {
        if self.shares.len() <= 1 {
            return self.shares.first().map(|_| 0);
        }
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let total = self.total.max(1);
        // Weights may be so large that the product is no `u64`.
        let product = u128::from(count % total) * u128::from(self.step);
        let mut place = u64::try_from(product % u128::from(total)).unwrap_or_default();
        self.shares.iter().position(|share| {
            let weight = u64::from(share.weight);
            let found = place < weight;
            place = place.saturating_sub(weight);
            found
        })
    }
}

fn gcd(mut one: u64, mut other: u64) -> u64 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

// === impl PathRewrite ===

impl PathRewrite {
    /// What a target becomes; `None` if it stays. `matched` is what the route was found by.
    ///
    /// # Errors
    /// What comes out is no path; it is in the error, but for the query, which may hold secrets.
    fn apply(&self, uri: &Uri, matched: &PathMatch) -> Result<Option<PathAndQuery>, String> {
        let path = match self {
            Self::Keep => return Ok(None),
            Self::Full(path) => path.clone(),
            Self::Prefix(replacement) => {
                let PathMatch::Prefix(prefix) = matched else {
                    return Ok(None);
                };
                let rest = behind(uri.path(), prefix).unwrap_or_default();
                let replacement = replacement.strip_suffix('/').unwrap_or(replacement);
                match (replacement, rest) {
                    ("", "") => "/".to_owned(),
                    _ => format!("{replacement}{rest}"),
                }
            }
            Self::Regex(regex, replacement) => regex.replace(uri.path(), replacement).into_owned(),
        };
        if !path.starts_with('/') {
            return Err(path);
        }
        let made = match uri.query() {
            Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
            None => PathAndQuery::try_from(path.as_str()),
        };
        made.map(Some).map_err(|_| path)
    }
}

// === impl Forward ===

impl Forward {
    /// All to one upstream, as it is.
    pub fn to(upstream: impl Into<String>) -> Self {
        Self {
            split: Split::one(upstream),
            path: PathRewrite::Keep,
            host: None,
            timeout: HeadTimeout::default(),
        }
    }

    /// Makes a request what the upstream is to get.
    ///
    /// # Errors
    /// The path that comes out is none.
    pub(crate) fn rewrite(
        &self,
        uri: &mut Uri,
        headers: &mut HeaderMap,
        matched: &PathMatch,
    ) -> Result<(), String> {
        if let Some(path) = self.path.apply(uri, matched)? {
            *uri = Uri::from(path);
        }
        if let Some(host) = &self.host {
            headers.insert(HOST, host.clone());
        }
        Ok(())
    }
}

// === impl Redirect ===

impl Redirect {
    /// The answer to a request.
    ///
    /// # Errors
    /// The place that comes out is none.
    pub(crate) fn respond(
        &self,
        head: &request::Parts,
        matched: &PathMatch,
    ) -> Result<Response<Bytes>, String> {
        let rewritten = self.path.apply(&head.uri, matched)?;
        let path = rewritten.as_ref().or(head.uri.path_and_query());
        let mut target = path.map_or("/", PathAndQuery::as_str);
        if self.strip_query {
            target = target.split('?').next().unwrap_or(target);
        }
        let own = head.headers.get(HOST).and_then(|host| host.to_str().ok());
        let place = match (&self.scheme, &self.host) {
            (None, None) => target.to_owned(),
            // Without a scheme, it is that of the request.
            (None, Some(host)) => format!("//{host}{target}"),
            (Some(scheme), Some(host)) => format!("{scheme}://{host}{target}"),
            (Some(scheme), None) => {
                let host = own.ok_or("a place without a host")?;
                format!("{scheme}://{}{target}", super::split_port(host).0)
            }
        };
        // Browsers take what begins with two slashes, of either kind, for a host.
        let place = match (&self.scheme, &self.host) {
            (None, None) => format!("/{}", place.trim_start_matches(['/', '\\'])),
            _ => place,
        };
        let location = HeaderValue::from_str(&place).map_err(|_| place)?;
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = self.status;
        response.headers_mut().insert(LOCATION, location);
        Ok(response)
    }
}

// === impl DirectResponse ===

impl DirectResponse {
    pub(crate) fn respond(&self, method: &Method) -> Response<Bytes> {
        let body = if method == Method::HEAD {
            Bytes::new()
        } else {
            self.body.clone()
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.clone_from(&self.headers);
        if !self.body.is_empty() {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        }
        response
    }
}

// === impl HeaderEdits ===

impl HeaderEdits {
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name.clone(), value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::matching::part;

    #[test]
    fn splits_are_exact_and_spread() {
        for weights in [
            &[1][..],
            &[1, 1],
            &[9, 1],
            &[0, 3],
            &[7, 2, 1],
            &[50, 50],
            &[1, 99],
        ] {
            let shares = weights.iter().map(|weight| Share {
                upstream: String::new(),
                weight: *weight,
            });
            let split = Split::new(shares.collect());
            let total: u32 = weights.iter().sum();
            for _ in 0..3 {
                let mut counts = vec![0; weights.len()];
                for _ in 0..total {
                    counts[split.next().unwrap()] += 1;
                }
                assert_eq!(counts, weights);
            }
        }
        let split = Split::new(vec![
            Share {
                upstream: "a".to_owned(),
                weight: 50,
            },
            Share {
                upstream: "b".to_owned(),
                weight: 50,
            },
        ]);
        let places: Vec<_> = (0..100).map(|_| split.next().unwrap()).collect();
        let longest = places.chunk_by(|one, other| one == other).map(<[_]>::len).max();
        assert!(longest <= Some(3), "{places:?}");
    }

    #[test]
    fn redirects_do_not_lead_to_other_hosts() {
        let redirect = Redirect {
            status: StatusCode::FOUND,
            scheme: None,
            host: None,
            path: PathRewrite::Prefix("/".to_owned()),
            strip_query: false,
        };
        let table = [
            ("/old/a?b", Some("/a?b")),
            ("/old", Some("/")),
            ("/old//other.test", Some("/other.test")),
            ("/old/\\other.test", Some("/other.test")),
            ("/old/\\/other.test?//x", Some("/other.test?//x")),
        ];
        for (target, expected) in table {
            let request = http::Request::get(target).body(()).unwrap();
            let matched = PathMatch::Prefix("/old".to_owned());
            let response = redirect.respond(&request.into_parts().0, &matched).ok();
            let location = response.map(|response| response.headers()[LOCATION].clone());
            assert_eq!(
                location.as_ref().and_then(|location| location.to_str().ok()),
                expected,
                "{target}"
            );
        }
        let to_https = Redirect {
            scheme: Some("https".to_owned()),
            ..redirect
        };
        let request = http::Request::get("/old").body(()).unwrap();
        let matched = PathMatch::Any;
        assert!(
            to_https.respond(&request.into_parts().0, &matched).is_err(),
            "nobody knows to which host"
        );
    }

    #[test]
    fn paths_are_rewritten() {
        let prefix = || PathMatch::Prefix("/api".to_owned());
        let table = [
            (PathRewrite::Keep, PathMatch::Any, "/a?b", Ok(None)),
            (
                PathRewrite::Full("/x".to_owned()),
                PathMatch::Any,
                "/a?b=/c",
                Ok(Some("/x?b=/c")),
            ),
            (
                PathRewrite::Prefix("/v2/".to_owned()),
                prefix(),
                "/api/a?b",
                Ok(Some("/v2/a?b")),
            ),
            (
                PathRewrite::Prefix("/v2".to_owned()),
                prefix(),
                "/api",
                Ok(Some("/v2")),
            ),
            (
                PathRewrite::Prefix("/".to_owned()),
                prefix(),
                "/api/a",
                Ok(Some("/a")),
            ),
            (
                PathRewrite::Prefix("/".to_owned()),
                prefix(),
                "/api",
                Ok(Some("/")),
            ),
            (
                PathRewrite::Regex(part("^/u/(\\d+)").unwrap(), "/users/$1/x".to_owned()),
                PathMatch::Any,
                "/u/17/y",
                Ok(Some("/users/17/x/y")),
            ),
            (
                PathRewrite::Regex(part("^/").unwrap(), String::new()),
                PathMatch::Any,
                "/a",
                Err("a"),
            ),
        ];
        for (rewrite, matched, target, expected) in table {
            let uri: Uri = target.parse().unwrap();
            let result = rewrite.apply(&uri, &matched);
            assert_eq!(
                result
                    .as_ref()
                    .map(|path| path.as_ref().map(PathAndQuery::as_str)),
                expected.as_ref().map(|path| *path).map_err(|text| {
                    assert_eq!(result.as_ref().unwrap_err(), text);
                    result.as_ref().unwrap_err()
                }),
                "{rewrite:?} {target}"
            );
        }
    }
}
