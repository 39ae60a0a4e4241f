//! `match` of a route.

use crate::routing::{HeaderMatch, PathMatch, Pattern, QueryMatch, RouteMatch, ValueMatch, whole};
use http::{HeaderName, Method};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use std::str::FromStr;

/// What an entry says, or what is wrong with it and where.
pub(in crate::config) type Compiled<T> = Result<T, (Location, String)>;

/// Which requests a route is for: those that fit all that is given. Without it, all.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MatchEntry {
    /// This path. At most one of `path`, `path_prefix` and `path_regex` can be given; default: any path.
    #[schemars(with = "Option<String>")]
    path: Option<Spanned<String>>,
    /// This path and what is below it, in whole segments: `/a` is for `/a` and `/a/b`, not for `/ab`.
    #[schemars(with = "Option<String>")]
    path_prefix: Option<Spanned<String>>,
    /// Paths that this expression describes whole.
    #[schemars(with = "Option<String>")]
    path_regex: Option<Spanned<String>>,
    /// The methods. Default: any.
    #[schemars(with = "Vec<String>")]
    methods: Vec<Spanned<String>>,
    /// Headers; each has to fit.
    headers: Vec<HeaderEntry>,
    /// Parameters of the query, as they are written; each has to fit.
    query: Vec<QueryEntry>,
}

/// One entry of `headers`. If the header has several values, one has to fit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HeaderEntry {
    /// Its name.
    #[schemars(with = "String")]
    name: Spanned<String>,
    /// The whole value. At most one of `exact`, `prefix`, `suffix`, `contains` and `regex` can be given; default: any value.
    #[schemars(with = "Option<String>")]
    exact: Option<Spanned<String>>,
    /// How the value begins.
    #[schemars(with = "Option<String>")]
    prefix: Option<Spanned<String>>,
    /// How the value ends.
    #[schemars(with = "Option<String>")]
    suffix: Option<Spanned<String>>,
    /// What the value has.
    #[schemars(with = "Option<String>")]
    contains: Option<Spanned<String>>,
    /// An expression that describes the value whole.
    #[schemars(with = "Option<String>")]
    regex: Option<Spanned<String>>,
    /// For requests that have no such header or value. Default: `false`.
    #[serde(default)]
    invert: bool,
}

/// One entry of `query`. If the parameter is there several times, one has to fit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct QueryEntry {
    /// Its name.
    name: String,
    /// The whole value. At most one of `exact` and `regex` can be given; default: any value.
    #[schemars(with = "Option<String>")]
    exact: Option<Spanned<String>>,
    /// An expression that describes the value whole.
    #[schemars(with = "Option<String>")]
    regex: Option<Spanned<String>>,
}

// === impl MatchEntry ===

impl MatchEntry {
    pub(super) fn compile(&self) -> Compiled<RouteMatch> {
        Ok(RouteMatch {
            path: self.path()?,
            methods: self.methods.iter().map(method).collect::<Result<_, _>>()?,
            headers: self
                .headers
                .iter()
                .map(HeaderEntry::compile)
                .collect::<Result<_, _>>()?,
            query: self
                .query
                .iter()
                .map(QueryEntry::compile)
                .collect::<Result<_, _>>()?,
        })
    }

    fn path(&self) -> Compiled<PathMatch> {
        let given = [&self.path, &self.path_prefix, &self.path_regex];
        if let Some(second) = given.into_iter().flatten().nth(1) {
            let message = "only one of `path`, `path_prefix` and `path_regex` can be given";
            return Err((second.referenced, message.to_owned()));
        }
        Ok(match given {
            [Some(path), _, _] => PathMatch::Exact(absolute(path)?),
            [_, Some(prefix), _] => PathMatch::Prefix(absolute(prefix)?),
            [_, _, Some(pattern)] => PathMatch::Regex(regex(pattern)?),
            [None, None, None] => PathMatch::Any,
        })
    }
}

/// A path as requests have it once they are normalised.
pub(super) fn absolute(path: &Spanned<String>) -> Compiled<String> {
    let error = |message: String| Err((path.referenced, message));
    let text = &path.value;
    if !text.starts_with('/') {
        return error(format!("`{text}` is no path: it has to begin with `/`"));
    }
    if text.contains(['?', '#']) || http::uri::PathAndQuery::try_from(text.as_str()).is_err() {
        return error(format!(
            "`{text}` is no path: it has to be as in a request, escaped and without a query"
        ));
    }
    Ok(text.clone())
}

pub(super) fn regex(pattern: &Spanned<String>) -> Compiled<Pattern> {
    whole(&pattern.value).map_err(|error| {
        (
            pattern.referenced,
            format!(
                "`{}` is no regular expression: {}",
                pattern.value,
                last_line(&error)
            ),
        )
    })
}

/// What an error of an expression comes down to; before it, it draws the expression.
pub(super) fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

fn method(name: &Spanned<String>) -> Compiled<Method> {
    let standard = name
        .value
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    let method = Method::from_str(&name.value).ok().filter(|_| standard);
    method.ok_or_else(|| {
        let message = format!("`{}` is no method: write it in upper case, as `GET`", name.value);
        (name.referenced, message)
    })
}

/// The condition that is given, of those that could be.
fn one_value(
    conditions: &[(
        &Option<Spanned<String>>,
        fn(&Spanned<String>) -> Compiled<ValueMatch>,
    )],
) -> Compiled<ValueMatch> {
    let mut given = conditions
        .iter()
        .filter_map(|(text, compile)| text.as_ref().map(|text| (text, compile)));
    let Some((text, compile)) = given.next() else {
        return Ok(ValueMatch::Present);
    };
    match given.next() {
        None => compile(text),
        Some((second, _)) => {
            let message = "there is another condition on the value already";
            Err((second.referenced, message.to_owned()))
        }
    }
}

// === impl HeaderEntry ===

impl HeaderEntry {
    fn compile(&self) -> Compiled<HeaderMatch> {
        Ok(HeaderMatch {
            name: header_name(&self.name.value, self.name.referenced)?,
            value: one_value(&[
                (&self.exact, exact),
                (&self.prefix, |text| Ok(ValueMatch::Prefix(text.value.clone()))),
                (&self.suffix, |text| Ok(ValueMatch::Suffix(text.value.clone()))),
                (&self.contains, |text| {
                    Ok(ValueMatch::Contains(text.value.clone()))
                }),
                (&self.regex, expression),
            ])?,
            invert: self.invert,
        })
    }
}

fn exact(text: &Spanned<String>) -> Compiled<ValueMatch> {
    Ok(ValueMatch::Exact(text.value.clone()))
}

fn expression(pattern: &Spanned<String>) -> Compiled<ValueMatch> {
    regex(pattern).map(ValueMatch::Regex)
}

pub(in crate::config) fn header_name(name: &str, location: Location) -> Compiled<HeaderName> {
    HeaderName::from_str(name).map_err(|_| (location, format!("`{name}` is no name of a header")))
}

// === impl QueryEntry ===

impl QueryEntry {
    fn compile(&self) -> Compiled<QueryMatch> {
        Ok(QueryMatch {
            name: self.name.clone(),
            value: one_value(&[(&self.exact, exact), (&self.regex, expression)])?,
        })
    }
}
