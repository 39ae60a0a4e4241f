//! What becomes of the requests of a listener before plugins see them, in the configuration file.

use crate::forwarding::{Forwarded, ForwardingHeaders};
use crate::routing::{EscapedSlashes, PathRules};
use crate::settings::HttpSettings;
use http::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

/// `headers` of a listener: those by which upstreams and plugins learn of the client.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HeadersEntry {
    /// Whether requests without an `x-request-id` get one, a random UUID. Default: `true`.
    request_id: bool,
    /// What becomes of `x-forwarded-for`, `x-forwarded-proto` and `x-forwarded-host`. Default: `replace`.
    forwarded: ForwardedEntry,
    /// What this proxy calls itself in the `via` header of requests. Default: nothing, and there is no `via`.
    #[schemars(with = "Option<String>")]
    via: Option<Spanned<String>>,
}

/// `forwarded` of `headers`.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ForwardedEntry {
    /// They tell of the client's connection, whatever the client said; its `forwarded` is taken off.
    #[default]
    Replace,
    /// The client's address is added to those that came, the others are set where they are missing: behind proxies that are trusted.
    Append,
    /// They pass as they came.
    Off,
}

/// `paths` of a listener: what becomes of paths before plugins and routes see them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PathsEntry {
    /// Whether `.` and `..` are taken out of paths and needless escapes decoded, so that there is one way to write a path. Default: `true`.
    normalize: bool,
    /// Whether several slashes become one. Default: `true`.
    merge_slashes: bool,
    /// What becomes of `%2F`, `%5C` and `\`, which some servers take for slashes. Default: `refuse`.
    escaped_slashes: EscapedSlashesEntry,
}

/// `escaped_slashes` of `paths`.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum EscapedSlashesEntry {
    /// The request is answered with 400.
    #[default]
    Refuse,
    /// They stay, and separate no segments here.
    Keep,
    /// They become slashes.
    Decode,
}

/// The settings of a listener.
pub(super) fn settings(
    headers: &HeadersEntry,
    paths: &PathsEntry,
) -> Result<HttpSettings, (Location, String)> {
    Ok(HttpSettings {
        paths: PathRules {
            normalize: paths.normalize,
            merge_slashes: paths.merge_slashes,
            escaped_slashes: paths.escaped_slashes.into(),
        },
        forwarding: ForwardingHeaders {
            request_id: headers.request_id,
            forwarded: headers.forwarded.into(),
            via: headers.via.as_ref().map(via).transpose()?,
        },
    })
}

fn via(name: &Spanned<String>) -> Result<HeaderValue, (Location, String)> {
    // A token, or a host and a port.
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:[]".contains(&byte);
    let text = Some(&name.value).filter(|name| !name.is_empty() && name.bytes().all(fits));
    text.and_then(|text| HeaderValue::from_str(&format!("1.1 {text}")).ok())
        .ok_or_else(|| {
            let message = format!(
                "`{}` is no name for `via`: write letters, digits, `-` and `.`",
                name.value
            );
            (name.referenced, message)
        })
}

impl Default for HeadersEntry {
    fn default() -> Self {
        Self {
            request_id: true,
            forwarded: ForwardedEntry::default(),
            via: None,
        }
    }
}

impl Default for PathsEntry {
    fn default() -> Self {
        Self {
            normalize: true,
            merge_slashes: true,
            escaped_slashes: EscapedSlashesEntry::default(),
        }
    }
}

impl From<ForwardedEntry> for Forwarded {
    fn from(entry: ForwardedEntry) -> Self {
        match entry {
            ForwardedEntry::Replace => Self::Replace,
            ForwardedEntry::Append => Self::Append,
            ForwardedEntry::Off => Self::Off,
        }
    }
}

impl From<EscapedSlashesEntry> for EscapedSlashes {
    fn from(entry: EscapedSlashesEntry) -> Self {
        match entry {
            EscapedSlashesEntry::Refuse => Self::Refuse,
            EscapedSlashesEntry::Keep => Self::Keep,
            EscapedSlashesEntry::Decode => Self::Decode,
        }
    }
}
