//! What becomes of the requests of a route: upstreams, redirects, answers, and what is changed on the way.

use super::matching::{Compiled, absolute, header_name, last_line};
use crate::config::units::Limit;
use crate::routing::{
    Action, DirectResponse, Forward, HeadTimeout, HeaderEdits, PathMatch, PathRewrite, Redirect, Share,
    Split, part,
};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use std::collections::BTreeMap;
use std::num::NonZeroU32;

/// One entry of `split`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShareEntry {
    /// The name of the upstream, or `echo`.
    #[schemars(with = "String")]
    pub(super) upstream: Spanned<String>,
    /// How many requests it gets of as many as all weights sum up to; at least 1.
    weight: NonZeroU32,
}

/// What an upstream gets other than what came. At most one of `path`, `path_prefix` and `path_regex` can be given.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RewriteEntry {
    /// The whole path; the query stays.
    #[schemars(with = "Option<String>")]
    path: Option<Spanned<String>>,
    /// What the prefix becomes that `match` has as `path_prefix`.
    #[schemars(with = "Option<String>")]
    path_prefix: Option<Spanned<String>>,
    /// A part of the path that an expression finds becomes another.
    path_regex: Option<RegexEntry>,
    /// The `host` header.
    #[schemars(with = "Option<String>")]
    host: Option<Spanned<String>>,
}

/// `path_regex` of `rewrite`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RegexEntry {
    /// The expression; the first part of the path that it describes is replaced.
    #[schemars(with = "String")]
    pattern: Spanned<String>,
    /// What that part becomes; `$1` or `${name}` stand for groups of the expression.
    replacement: String,
}

/// Another place for requests of a route. What is not given stays as in the request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RedirectEntry {
    /// 301, 302, 303, 307 or 308. Default: 308, which keeps the method.
    #[schemars(with = "Option<u16>")]
    status: Option<Spanned<u16>>,
    /// `http` or `https`.
    scheme: Option<SchemeEntry>,
    /// The host, and the port if there is to be one.
    #[schemars(with = "Option<String>")]
    host: Option<Spanned<String>>,
    /// The whole path.
    #[schemars(with = "Option<String>")]
    path: Option<Spanned<String>>,
    /// What the prefix becomes that `match` has as `path_prefix`.
    #[schemars(with = "Option<String>")]
    path_prefix: Option<Spanned<String>>,
    /// Whether the query is left out. Default: `false`.
    #[serde(default)]
    strip_query: bool,
}

/// `scheme` of `redirect`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum SchemeEntry {
    Http,
    Https,
}

/// An answer to the requests of a route.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RespondEntry {
    /// 200 to 599.
    #[schemars(with = "u16")]
    status: Spanned<u16>,
    /// The body. Default: none.
    #[serde(default)]
    body: String,
    /// Headers. Default: `content-type: text/plain; charset=utf-8` if there is a body.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    headers: BTreeMap<String, Spanned<String>>,
}

/// What becomes of headers: first some are taken off, then some set, then some added.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HeaderEditsEntry {
    /// The names of those to take off.
    #[schemars(with = "Vec<String>")]
    remove: Vec<Spanned<String>>,
    /// Those that are to have this one value.
    #[schemars(with = "BTreeMap<String, String>")]
    set: BTreeMap<String, Spanned<String>>,
    /// Those that get a value more.
    #[schemars(with = "BTreeMap<String, String>")]
    add: BTreeMap<String, Spanned<String>>,
}

/// To some upstreams.
pub(super) fn forward(
    shares: Vec<Share>,
    rewrite: Option<&RewriteEntry>,
    timeout: Option<Limit>,
    matched: &PathMatch,
) -> Compiled<Action> {
    let none = RewriteEntry::default();
    let rewrite = rewrite.unwrap_or(&none);
    Ok(Action::Forward(Forward {
        split: Split::new(shares),
        path: rewrite.path(matched)?,
        host: rewrite.host.as_ref().map(host).transpose()?,
        timeout: match timeout {
            None => HeadTimeout::OfUpstream,
            Some(Limit(None)) => HeadTimeout::Never,
            Some(Limit(Some(limit))) => HeadTimeout::After(limit),
        },
    }))
}

/// A host and maybe a port, as a `host` header has it.
fn host(text: &Spanned<String>) -> Compiled<HeaderValue> {
    let authority = text.value.parse::<http::uri::Authority>().ok();
    authority
        .filter(|authority| !authority.as_str().contains('@'))
        .and_then(|authority| HeaderValue::from_str(authority.as_str()).ok())
        .ok_or_else(|| {
            let message = format!("`{}` is no host; write `HOST` or `HOST:PORT`", text.value);
            (text.referenced, message)
        })
}

fn replaced_prefix(text: &Spanned<String>, matched: &PathMatch) -> Compiled<PathRewrite> {
    if !matches!(matched, PathMatch::Prefix(_)) {
        let message = "`path_prefix` needs a `path_prefix` in `match`, which it replaces";
        return Err((text.referenced, message.to_owned()));
    }
    absolute(text).map(PathRewrite::Prefix)
}

fn status<T: Into<u16> + Copy>(
    entry: &Spanned<T>,
    fits: impl Fn(u16) -> bool,
    known: &str,
) -> Compiled<StatusCode> {
    let number = entry.value.into();
    let status = StatusCode::from_u16(number).ok().filter(|_| fits(number));
    status.ok_or_else(|| {
        (
            entry.referenced,
            format!("the status {number} cannot be used here; write {known}"),
        )
    })
}

// === impl ShareEntry ===

impl ShareEntry {
    pub(super) fn share(&self) -> Share {
        Share {
            upstream: self.upstream.value.clone(),
            weight: self.weight.get(),
        }
    }
}

// === impl RewriteEntry ===

impl RewriteEntry {
    fn path(&self, matched: &PathMatch) -> Compiled<PathRewrite> {
        let pattern = self.path_regex.as_ref().map(|entry| &entry.pattern);
        let given = [self.path.as_ref(), self.path_prefix.as_ref(), pattern];
        if let Some(second) = given.into_iter().flatten().nth(1) {
            let message = "only one of `path`, `path_prefix` and `path_regex` can be given";
            return Err((second.referenced, message.to_owned()));
        }
        match (&self.path, &self.path_prefix, &self.path_regex) {
            (Some(path), _, _) => absolute(path).map(PathRewrite::Full),
            (_, Some(prefix), _) => replaced_prefix(prefix, matched),
            (_, _, Some(entry)) => {
                let regex = part(&entry.pattern.value).map_err(|error| {
                    let text = &entry.pattern.value;
                    let message = format!("`{text}` is no regular expression: {}", last_line(&error));
                    (entry.pattern.referenced, message)
                })?;
                Ok(PathRewrite::Regex(regex, entry.replacement.clone()))
            }
            (None, None, None) => Ok(PathRewrite::Keep),
        }
    }
}

// === impl RedirectEntry ===

impl RedirectEntry {
    pub(super) fn compile(&self, location: Location, matched: &PathMatch) -> Compiled<Action> {
        let path = match (&self.path, &self.path_prefix) {
            (Some(_), Some(second)) => {
                let message = "only one of `path` and `path_prefix` can be given";
                return Err((second.referenced, message.to_owned()));
            }
            (Some(path), None) => PathRewrite::Full(absolute(path)?),
            (None, Some(prefix)) => replaced_prefix(prefix, matched)?,
            (None, None) => PathRewrite::Keep,
        };
        if matches!(path, PathRewrite::Keep) && self.scheme.is_none() && self.host.is_none() {
            let message = "a redirect needs a `scheme`, a `host`, a `path` or a `path_prefix`: it would lead to where it comes from";
            return Err((location, message.to_owned()));
        }
        let known = "301, 302, 303, 307 or 308";
        let fits = |number| matches!(number, 301 | 302 | 303 | 307 | 308);
        let given = self.status.as_ref().map(|entry| status(entry, fits, known));
        Ok(Action::Redirect(Redirect {
            status: given.unwrap_or(Ok(StatusCode::PERMANENT_REDIRECT))?,
            scheme: self.scheme.map(|scheme| match scheme {
                SchemeEntry::Http => "http".to_owned(),
                SchemeEntry::Https => "https".to_owned(),
            }),
            host: self
                .host
                .as_ref()
                .map(|text| host(text).map(|_| text.value.clone()))
                .transpose()?,
            path,
            strip_query: self.strip_query,
        }))
    }
}

// === impl RespondEntry ===

impl RespondEntry {
    pub(super) fn compile(&self) -> Compiled<Action> {
        let mut headers = HeaderMap::new();
        headers.extend(pairs(&self.headers)?);
        if !self.body.is_empty() && !headers.contains_key(CONTENT_TYPE) {
            headers.insert(
                CONTENT_TYPE,
                HeaderValue::from_static("text/plain; charset=utf-8"),
            );
        }
        let status = status(&self.status, |number| (200..600).contains(&number), "200 to 599")?;
        if !self.body.is_empty() && matches!(status.as_u16(), 204 | 304) {
            let message = format!("a response with status {} has no body", status.as_u16());
            return Err((self.status.referenced, message));
        }
        Ok(Action::Respond(DirectResponse {
            status,
            headers,
            body: Bytes::copy_from_slice(self.body.as_bytes()),
        }))
    }
}

// === impl HeaderEditsEntry ===

impl HeaderEditsEntry {
    pub(super) fn compile(&self) -> Compiled<HeaderEdits> {
        Ok(HeaderEdits {
            remove: self
                .remove
                .iter()
                .map(|name| editable(&name.value, name.referenced))
                .collect::<Result<_, _>>()?,
            set: pairs(&self.set)?,
            add: pairs(&self.add)?,
        })
    }
}

fn pairs(entries: &BTreeMap<String, Spanned<String>>) -> Compiled<Vec<(HeaderName, HeaderValue)>> {
    let pair = |(name, value): (&String, &Spanned<String>)| {
        let text = HeaderValue::from_str(&value.value).map_err(|_| {
            let message = format!("the value of `{name}` has a character that no header can have");
            (value.referenced, message)
        })?;
        Ok((editable(name, value.referenced)?, text))
    };
    entries.iter().map(pair).collect()
}

/// The name of a header that is nobody's but the configuration's.
fn editable(name: &str, location: Location) -> Compiled<HeaderName> {
    let parsed = header_name(name, location)?;
    let hint = match parsed {
        HOST => "it is changed by `host` of `rewrite`",
        CONTENT_LENGTH | TRANSFER_ENCODING | CONNECTION => "it is the connection's",
        _ => return Ok(parsed),
    };
    Err((location, format!("`{name}` cannot be given here: {hint}")))
}
