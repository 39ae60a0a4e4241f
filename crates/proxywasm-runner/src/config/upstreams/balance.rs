//! How an upstream chooses a server, in the configuration file.

use crate::cluster::{Balance, HashKey};
use crate::config::routes::{Compiled, header_name};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

/// `balance` of an upstream. Each worker chooses by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum BalanceEntry {
    /// One after the other, by weights.
    RoundRobin,
    /// The one with the fewest requests for its weight.
    LeastRequest,
    /// The same for the same key, which `hash` names. When a server goes, only its keys move. Requests without the key go round robin.
    Hash,
}

/// `hash` of an upstream. It has one field.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HashEntry {
    /// The name of a header, whose value is the key.
    #[schemars(with = "Option<String>")]
    header: Option<Spanned<String>>,
    /// The name of a cookie, whose value is the key.
    cookie: Option<String>,
    /// `true`: the address of the client is the key. The calls of plugins have none.
    #[serde(default)]
    source: bool,
}

pub(super) fn compile(
    balance: Option<&Spanned<BalanceEntry>>,
    hash: Option<&Spanned<HashEntry>>,
) -> Compiled<Balance> {
    let balance = balance.map(|entry| (entry.value, entry.referenced));
    match (balance, hash) {
        (Some((BalanceEntry::Hash, _)), Some(hash)) => key(hash).map(Balance::Hash),
        (Some((BalanceEntry::Hash, location)), None) => {
            Err((location, "`balance: hash` needs a `hash`".to_owned()))
        }
        (_, Some(hash)) => Err((hash.referenced, "`hash` is for `balance: hash`".to_owned())),
        (Some((BalanceEntry::LeastRequest, _)), None) => Ok(Balance::LeastRequest),
        (Some((BalanceEntry::RoundRobin, _)) | None, None) => Ok(Balance::RoundRobin),
    }
}

fn key(hash: &Spanned<HashEntry>) -> Compiled<HashKey> {
    match &hash.value {
        HashEntry {
            header: Some(name),
            cookie: None,
            source: false,
        } => header_name(&name.value, name.referenced).map(HashKey::Header),
        HashEntry {
            header: None,
            cookie: Some(name),
            source: false,
        } => Ok(HashKey::Cookie(name.clone())),
        HashEntry {
            header: None,
            cookie: None,
            source: true,
        } => Ok(HashKey::Source),
        _ => {
            let message = "a `hash` needs one of `header`, `cookie` and `source`";
            Err((hash.referenced, message.to_owned()))
        }
    }
}
