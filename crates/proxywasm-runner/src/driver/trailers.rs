//! Trailers: over HTTP/1.1, only those go out that the head announced.

use http::header::TRAILER;
use http::{HeaderMap, HeaderValue, Version};
use std::time::{Duration, Instant};

/// The trailers that can go out behind a head.
#[derive(Debug)]
pub(super) enum Announced {
    All,
    /// Those that it announced.
    Only(Vec<HeaderValue>),
}

// === impl Announced ===

impl Announced {
    pub(super) fn of(headers: &HeaderMap, version: Version) -> Self {
        match version {
            Version::HTTP_2 => Self::All,
            _ => Self::Only(headers.get_all(TRAILER).iter().cloned().collect()),
        }
    }

    /// The trailers that can go out; `None` if there are none. What was not announced is logged.
    pub(super) fn sendable(&self, trailers: HeaderMap, direction: &'static str) -> Option<HeaderMap> {
        let Self::Only(announcements) = self else {
            return (!trailers.is_empty()).then_some(trailers);
        };
        let mut sendable = HeaderMap::with_capacity(trailers.len());
        let mut dropped = Vec::new();
        let mut current = None;
        for (name, value) in trailers {
            // A name that repeats is told once.
            if name.is_some() {
                current = name;
            }
            let Some(name) = &current else { continue };
            if contains(announcements, name.as_str()) {
                sendable.append(name.clone(), value);
            } else {
                dropped.push(name.clone());
            }
        }
        if !dropped.is_empty() {
            tell(direction, &dropped);
        }
        (!sendable.is_empty()).then_some(sendable)
    }
}

fn contains(announcements: &[HeaderValue], name: &str) -> bool {
    announcements
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|announced| announced.trim().eq_ignore_ascii_case(name))
}

/// At most one line a second on each thread: a plugin may well do it in every stream.
fn tell(direction: &'static str, dropped: &[http::HeaderName]) {
    thread_local!(static LAST: std::cell::Cell<Option<Instant>> = const { std::cell::Cell::new(None) });
    let now = Instant::now();
    let due = LAST
        .get()
        .is_none_or(|last| now.duration_since(last) >= Duration::from_secs(1));
    if due {
        LAST.set(Some(now));
        tracing::warn!(
            direction,
            ?dropped,
            "trailers were dropped: over HTTP/1.1, only those go out that the `trailer` header announced"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announced_ones_go_out() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter();
            let mut map = HeaderMap::new();
            pairs.for_each(|(name, value)| {
                map.append(*name, HeaderValue::from_static(value));
            });
            map
        };
        let trailers = headers(&[("a", "1"), ("b", "2"), ("b", "3"), ("c", "4")]);
        let table = [
            (headers(&[]), None),
            (headers(&[("trailer", "A")]), Some(headers(&[("a", "1")]))),
            (
                headers(&[("trailer", "x, b"), ("trailer", "c")]),
                Some(headers(&[("b", "2"), ("b", "3"), ("c", "4")])),
            ),
            (headers(&[("trailer", "x")]), None),
        ];
        for (head, expected) in table {
            assert_eq!(
                Announced::of(&head, Version::HTTP_11).sendable(trailers.clone(), "request"),
                expected,
                "{head:?}"
            );
            assert_eq!(
                Announced::of(&head, Version::HTTP_2).sendable(trailers.clone(), "request"),
                Some(trailers.clone()),
                "{head:?}"
            );
        }
    }
}
