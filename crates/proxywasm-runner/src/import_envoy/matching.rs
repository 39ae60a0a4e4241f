//! Which requests a route is for.

use super::node::Fields;
use super::output::{HeaderMatch, Match, QueryMatch};

/// The `match` of a route; nothing where it cannot be said, for less would be for more requests.
pub(super) fn import(mut fields: Fields) -> Option<Match> {
    let mut matched = Match::default();
    if let Some(prefix) = fields.text("prefix") {
        matched.path_prefix = segments(&fields, prefix);
    }
    if let Some(prefix) = fields.text("path_separated_prefix") {
        matched.path_prefix = Some(prefix);
    }
    matched.path = fields.text("path");
    if let Some(mut regex) = fields.fields("safe_regex") {
        regex.skip("google_re2");
        matched.path_regex = Some(regex.text("regex")?);
    }
    for header in fields.items("headers") {
        let header = self::header(header.fields()?)?;
        match (header.name.as_str(), &header.exact, header.invert) {
            (":method", Some(method), false) => matched.methods.push(method.clone()),
            (name, ..) if name.starts_with(':') => {
                fields.note(format!("`{name}` cannot be asked for as a header"));
                return None;
            }
            _ => matched.headers.push(header),
        }
    }
    for parameter in fields.items("query_parameters") {
        let mut parameter = parameter.fields()?;
        let name = parameter.text("name")?;
        parameter.skip("present_match");
        let (exact, regex) = match parameter.fields("string_match") {
            None => (None, None),
            Some(mut text) => match (text.text("exact"), text.fields("safe_regex")) {
                (Some(exact), None) => (Some(exact), None),
                (None, Some(mut regex)) => (None, Some(regex.text("regex")?)),
                _ => return None,
            },
        };
        matched.query.push(QueryMatch { name, exact, regex });
    }
    // What is left would make it be for fewer.
    match fields.is_empty() {
        true => Some(matched),
        false => None,
    }
}

/// Prefixes are of whole segments here.
fn segments(fields: &Fields, prefix: String) -> Option<String> {
    if prefix == "/" {
        return None;
    }
    let whole = prefix.trim_end_matches('/');
    let told = match whole.len() == prefix.len() {
        true => format!(
            "`prefix` is of whole segments here: `{prefix}` is for `{prefix}/a`, but not for `{prefix}a`"
        ),
        false => format!("`prefix` is of whole segments here: `{prefix}` is for `{whole}` as well"),
    };
    fields.note(told);
    Some(whole.to_owned())
}

fn header(mut fields: Fields) -> Option<HeaderMatch> {
    let mut header = HeaderMatch {
        name: fields.text("name")?,
        invert: fields.flag("invert_match") == Some(true),
        exact: fields.text("exact_match"),
        prefix: fields.text("prefix_match"),
        suffix: fields.text("suffix_match"),
        contains: fields.text("contains_match"),
        regex: None,
    };
    if let Some(mut regex) = fields.fields("safe_regex_match") {
        header.regex = regex.text("regex");
    }
    if let Some(mut text) = fields.fields("string_match") {
        header.exact = text.text("exact").or(header.exact);
        header.prefix = text.text("prefix").or(header.prefix);
        header.suffix = text.text("suffix").or(header.suffix);
        header.contains = text.text("contains").or(header.contains);
        if let Some(mut regex) = text.fields("safe_regex") {
            header.regex = regex.text("regex");
        }
        if !text.is_empty() {
            return None;
        }
    }
    if fields.flag("present_match") == Some(false) {
        header.invert = !header.invert;
    }
    fields.is_empty().then_some(header)
}
