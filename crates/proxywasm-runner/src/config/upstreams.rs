//! Upstreams in the configuration file: servers that plugins can call.

use super::units::Period;
use crate::settings::UpstreamSettings;
use crate::upstream::{HttpTarget, UpstreamTarget};
use http::uri::Authority;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_saphyr::{Location, Spanned};
use std::str::FromStr;

/// A server that plugins can call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamEntry {
    /// The name by which plugins call it.
    name: Spanned<String>,
    /// `http://HOST[:PORT]`.
    url: UrlEntry,
    /// What gRPC calls name in `:authority`. Default: the address. HTTP calls name what the plugin gives.
    authority: Option<Spanned<String>>,
    /// How long a connection may take; then the call fails. Default: `5s`.
    connect_timeout: Option<Period>,
}

/// `url` of an upstream.
#[derive(Debug)]
struct UrlEntry(HttpTarget);

/// What is wrong with upstreams, and where.
pub(super) fn check(entries: &[UpstreamEntry]) -> Result<(), (Location, String)> {
    for (index, entry) in entries.iter().enumerate() {
        let name = &entry.name;
        if name.value.is_empty() {
            return Err((name.referenced, "an upstream needs a name".to_owned()));
        }
        let mut others = entries.iter().take(index);
        if others.any(|other| other.name.value == name.value) {
            let message = format!("two upstreams are called `{}`; names have to differ", name.value);
            return Err((name.referenced, message));
        }
        if let Some(authority) = &entry.authority
            && let Err(error) = Authority::from_str(&authority.value)
        {
            let message = format!(
                "`{}` is no authority: {error}; write `HOST` or `HOST:PORT`",
                authority.value
            );
            return Err((authority.referenced, message));
        }
    }
    Ok(())
}

// === impl UpstreamEntry ===

impl UpstreamEntry {
    pub(super) fn name(&self) -> &str {
        &self.name.value
    }

    pub(super) fn settings(&self) -> UpstreamSettings {
        let mut target = self.url.0.clone();
        if let Some(period) = self.connect_timeout {
            target.connect_timeout = period.0;
        }
        UpstreamSettings {
            name: self.name.value.clone(),
            target,
            authority: self.authority.as_ref().map(|authority| authority.value.clone()),
        }
    }
}

// === impl UrlEntry ===

impl<'de> Deserialize<'de> for UrlEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.parse().map_err(de::Error::custom)? {
            UpstreamTarget::Http(target) => Ok(Self(target)),
            UpstreamTarget::Echo | UpstreamTarget::Tcp(_) => Err(de::Error::custom(format!(
                "plugins cannot call `{text}`; write `http://HOST[:PORT]`"
            ))),
        }
    }
}
