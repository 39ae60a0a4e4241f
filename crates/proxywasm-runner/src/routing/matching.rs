//! Which requests a route is for.

use http::{HeaderMap, HeaderName, Method, request};
use regex::Regex;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use thiserror::Error;

/// The requests that a route is for: those that fit all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RouteMatch {
    /// The path.
    pub path: PathMatch,
    /// The methods; none for any.
    pub methods: Vec<Method>,
    /// Headers.
    pub headers: Vec<HeaderMatch>,
    /// Parameters of the query.
    pub query: Vec<QueryMatch>,
}

/// Which paths. The query is no part of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PathMatch {
    /// Any.
    #[default]
    Any,
    /// This one.
    Exact(String),
    /// This one and what is below it, in whole segments: `/a` is for `/a` and `/a/b`, not for `/ab`.
    Prefix(String),
    /// Those that a regular expression describes whole.
    Regex(Pattern),
}

/// Which values of a header. If it has several, one has to fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderMatch {
    /// The name.
    pub name: HeaderName,
    /// Its values.
    pub value: ValueMatch,
    /// For the requests that have no such header or value.
    pub invert: bool,
}

/// Which values of a query parameter, as they are written: nothing is decoded. If it has several, one has to fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryMatch {
    /// The name.
    pub name: String,
    /// Its values.
    pub value: ValueMatch,
}

/// Which texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueMatch {
    /// Any.
    Present,
    /// This one.
    Exact(String),
    /// Those that begin so.
    Prefix(String),
    /// Those that end so.
    Suffix(String),
    /// Those that have it.
    Contains(String),
    /// Those that a regular expression describes whole.
    Regex(Pattern),
}

/// Which hosts, whatever their port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// This one, in lower case.
    Exact(String),
    /// Those that end so: `.example.test`, in lower case.
    Suffix(String),
    /// Any.
    Any,
}

/// A text is no pattern of hosts.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no host: write `example.test`, `*.example.test` or `*`, without a port")]
pub struct HostPatternError(String);

/// A compiled regular expression. Those are equal that were written alike.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

/// Compiled expressions take at most so much memory.
const REGEX_BYTES: usize = 1 << 20;

/// Compiles an expression that has to describe a text whole.
///
/// # Errors
/// It is none, or too large.
pub fn whole(pattern: &str) -> Result<Pattern, regex::Error> {
    // Alone first, so that `a)(b` cannot become one by what is put around it, and errors show what was written.
    part(pattern)?;
    part(&format!("^(?:{pattern})$"))
}

/// Compiles an expression that describes a part of a text.
///
/// # Errors
/// As of [`whole`].
pub fn part(pattern: &str) -> Result<Pattern, regex::Error> {
    let regex = regex::RegexBuilder::new(pattern).size_limit(REGEX_BYTES).build();
    regex.map(Pattern)
}

// === impl Pattern ===

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl Deref for Pattern {
    type Target = Regex;

    fn deref(&self) -> &Regex {
        &self.0
    }
}

// === impl RouteMatch ===

impl RouteMatch {
    /// Whether a request fits.
    pub(crate) fn fits(&self, head: &request::Parts) -> bool {
        self.path.fits(head.uri.path())
            && (self.methods.is_empty() || self.methods.contains(&head.method))
            && self.headers.iter().all(|header| header.fits(&head.headers))
            && self
                .query
                .iter()
                .all(|query| query.fits(head.uri.query().unwrap_or_default()))
    }

    /// Whether each request that fits the other one fits this, as far as that can be told from how they are written.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.path.covers(&other.path)
            && (self.methods.is_empty()
                || (!other.methods.is_empty()
                    && other.methods.iter().all(|method| self.methods.contains(method))))
            && self.headers.iter().all(|header| {
                let mut others = other.headers.iter();
                others.any(|other| {
                    header.name == other.name
                        && header.invert == other.invert
                        && header.value.same(&other.value)
                })
            })
            && self.query.iter().all(|query| {
                let mut others = other.query.iter();
                others.any(|other| query.name == other.name && query.value.same(&other.value))
            })
    }
}

// === impl PathMatch ===

impl PathMatch {
    fn fits(&self, path: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => path == exact,
            Self::Prefix(prefix) => behind(path, prefix).is_some(),
            Self::Regex(regex) => regex.is_match(path),
        }
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (_, Self::Any) => matches!(self, Self::Prefix(prefix) if prefix == "/"),
            (Self::Regex(regex), Self::Regex(other)) => regex.as_str() == other.as_str(),
            (Self::Prefix(prefix), Self::Regex(_)) => prefix == "/",
            (_, Self::Exact(path)) => self.fits(path),
            (Self::Prefix(prefix), Self::Prefix(other)) => behind(other, prefix).is_some(),
            (Self::Exact(_) | Self::Regex(_), Self::Prefix(_)) | (Self::Exact(_), Self::Regex(_)) => false,
        }
    }
}

/// What is behind a prefix of whole segments: nothing, or something that begins with a slash. `None` if the path has not the prefix.
pub(super) fn behind<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix)
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

// === impl HeaderMatch ===

impl HeaderMatch {
    fn fits(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(&self.name).iter();
        let found = values.any(|value| self.value.fits(value.as_bytes()));
        found != self.invert
    }
}

// === impl QueryMatch ===

impl QueryMatch {
    fn fits(&self, query: &str) -> bool {
        query.split('&').any(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            name == self.name && self.value.fits(value.as_bytes())
        })
    }
}

// === impl ValueMatch ===

impl ValueMatch {
    fn fits(&self, value: &[u8]) -> bool {
        match self {
            Self::Present => true,
            Self::Exact(text) => value == text.as_bytes(),
            Self::Prefix(text) => value.starts_with(text.as_bytes()),
            Self::Suffix(text) => value.ends_with(text.as_bytes()),
            Self::Contains(text) => {
                text.is_empty() || value.windows(text.len()).any(|window| window == text.as_bytes())
            }
            Self::Regex(regex) => std::str::from_utf8(value).is_ok_and(|value| regex.is_match(value)),
        }
    }

    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Present, Self::Present) => true,
            (Self::Exact(one), Self::Exact(other))
            | (Self::Prefix(one), Self::Prefix(other))
            | (Self::Suffix(one), Self::Suffix(other))
            | (Self::Contains(one), Self::Contains(other)) => one == other,
            (Self::Regex(one), Self::Regex(other)) => one.as_str() == other.as_str(),
            _ => false,
        }
    }
}

// === impl HostPattern ===

impl FromStr for HostPattern {
    type Err = HostPatternError;

    fn from_str(text: &str) -> Result<Self, HostPatternError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let (suffix, rest) = match text.strip_prefix('*') {
            Some(rest) => (true, rest.strip_prefix('.').unwrap_or("")),
            None => (false, text),
        };
        let is_address = rest.starts_with('[') && rest.ends_with(']');
        let is_host = !rest.is_empty()
            && http::uri::Authority::from_str(rest).is_ok()
            && !rest.contains(['@', '*'])
            && (is_address || !rest.contains(':'));
        match (is_host, suffix) {
            (false, _) => Err(HostPatternError(text.to_owned())),
            (true, false) => Ok(Self::Exact(rest.to_ascii_lowercase())),
            (true, true) => Ok(Self::Suffix(format!(".{}", rest.to_ascii_lowercase()))),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
            Self::Any => f.write_str("*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_of_whole_segments() {
        let table = [
            ("/", "/", Some("/")),
            ("/", "/a/b", Some("/a/b")),
            ("/a", "/a", Some("")),
            ("/a", "/a/", Some("/")),
            ("/a", "/a/b", Some("/b")),
            ("/a/", "/a/b", Some("/b")),
            ("/a/", "/a", Some("")),
            ("/a", "/ab", None),
            ("/a", "/", None),
            ("/a/b", "/a", None),
        ];
        for (prefix, path, expected) in table {
            assert_eq!(behind(path, prefix), expected, "{prefix} {path}");
        }
    }

    #[test]
    fn what_covers_what() {
        let path = |text: &str| match text.split_at(1) {
            ("=", path) => PathMatch::Exact(path.to_owned()),
            ("~", path) => PathMatch::Regex(whole(path).unwrap()),
            (_, "") => PathMatch::Any,
            (_, path) => PathMatch::Prefix(path.to_owned()),
        };
        let table = [
            ("*", "=/a", true),
            ("*", "~/a.*", true),
            ("^/", "*", true),
            ("^/", "~/a.*", true),
            ("^/a", "^/a/b", true),
            ("^/a", "=/a", true),
            ("^/a", "^/ab", false),
            ("^/a", "*", false),
            ("^/a/b", "^/a", false),
            ("=/a", "=/a", true),
            ("=/a", "^/a", false),
            ("~/a.*", "=/ab", true),
            ("~/a.*", "~/a.*", true),
            ("~/a.*", "^/ab", false),
        ];
        for (one, other, expected) in table {
            assert_eq!(path(one).covers(&path(other)), expected, "{one} {other}");
        }
        let with = |methods: &[Method], header: Option<&str>| RouteMatch {
            methods: methods.to_vec(),
            headers: Vec::from_iter(header.map(|value| HeaderMatch {
                name: HeaderName::from_static("x"),
                value: ValueMatch::Exact(value.to_owned()),
                invert: false,
            })),
            ..RouteMatch::default()
        };
        let table = [
            (with(&[], None), with(&[Method::GET], Some("1")), true),
            (with(&[Method::GET], None), with(&[], None), false),
            (
                with(&[Method::GET, Method::PUT], None),
                with(&[Method::GET], None),
                true,
            ),
            (
                with(&[Method::GET], None),
                with(&[Method::GET, Method::PUT], None),
                false,
            ),
            (with(&[], Some("1")), with(&[], Some("1")), true),
            (with(&[], Some("1")), with(&[], Some("2")), false),
            (with(&[], Some("1")), with(&[], None), false),
        ];
        for (one, other, expected) in table {
            assert_eq!(one.covers(&other), expected, "{one:?} {other:?}");
        }
    }

    #[test]
    fn host_patterns() {
        let table = [
            ("*", Some(HostPattern::Any)),
            (
                "Example.Test",
                Some(HostPattern::Exact("example.test".to_owned())),
            ),
            (
                "*.Example.test",
                Some(HostPattern::Suffix(".example.test".to_owned())),
            ),
            ("[::1]", Some(HostPattern::Exact("[::1]".to_owned()))),
            ("127.0.0.1", Some(HostPattern::Exact("127.0.0.1".to_owned()))),
            ("", None),
            ("*.", None),
            ("*x.test", None),
            ("a.*.test", None),
            ("a:80", None),
            ("a b", None),
            ("u@a", None),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse().ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn expressions_are_bounded_and_whole() {
        assert!(whole("a)|(b").is_err());
        assert!(whole("(a{1000}){1000}").is_err(), "it would take too much memory");
        assert!(whole("a|b").unwrap().is_match("b"));
        assert!(!whole("a|b").unwrap().is_match("ab"));
    }
}
