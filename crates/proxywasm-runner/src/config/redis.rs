//! The Redis or Valkey server in the configuration file.

#[cfg(feature = "redis")]
mod backends;

use super::units::{Period, Size};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
#[cfg(feature = "redis")]
use std::borrow::Cow;
use std::time::Duration;

/// A Redis or Valkey server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    not(feature = "redis"),
    allow(dead_code, reason = "such a runner only says that it cannot do it")
)]
pub(super) struct RedisEntry {
    /// `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, or `redis+unix:///PATH`.
    #[schemars(with = "String")]
    url: Spanned<String>,
    /// What all keys begin with. Default: `proxywasm`.
    #[schemars(with = "Option<String>")]
    prefix: Option<Spanned<String>>,
    /// How long a hostcall, and with it its worker, waits for the server; then it answers `unavailable`. Default: `5ms`.
    bound: Option<Period>,
    /// How long the server may be silent until the connection is given up, and made again. Default: `1s`.
    patience: Option<Period>,
    /// How much of what plugins have read is kept until the server tells that it has changed. Default: `64 MiB`.
    cache: Option<Size>,
    /// After how long items that a runner has fetched, and died with, are delivered to others; at least `3s`. Default: `15s`.
    #[schemars(with = "Option<Period>")]
    lease: Option<Spanned<Period>>,
}

/// Several probes, of which there is one each half second.
const SHORTEST_LEASE: Duration = Duration::from_secs(3);

// === impl RedisEntry ===

impl RedisEntry {
    /// What can be said without a connection.
    pub(super) fn check(&self) -> Result<(), (Location, String)> {
        if !cfg!(feature = "redis") {
            let message =
                "this runner was built without the feature `redis`: its stores and queues live in its memory";
            return Err((self.url.referenced, message.to_owned()));
        }
        // Braces would decide which part of a key says where a cluster keeps it.
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/');
        if let Some(prefix) = &self.prefix
            && (prefix.value.is_empty() || !prefix.value.bytes().all(is_plain))
        {
            let message = "`prefix` has to be made of letters, digits and any of - _ . : /";
            return Err((prefix.referenced, message.to_owned()));
        }
        if let Some(lease) = &self.lease
            && lease.value.0 < SHORTEST_LEASE
        {
            let message = "`lease` has to be at least 3s: it is renewed when the server is probed";
            return Err((lease.referenced, message.to_owned()));
        }
        Ok(())
    }

    /// The text of the file, without the address if that may hold a password: for messages, which end up in logs.
    #[cfg(feature = "redis")]
    pub(super) fn without_password<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let url = &*self.url.value;
        match url.contains('@') {
            true => text.replace(url, &"*".repeat(url.chars().count())).into(),
            false => text.into(),
        }
    }
}
