//! The admin address in the configuration file.

use crate::admin::DEFAULT_ADMIN_ADDRESS;
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::net::SocketAddr;

/// `admin`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdminEntry {
    address: Option<Spanned<SocketAddr>>,
}

// === impl AdminEntry ===

impl AdminEntry {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
            .as_ref()
            .map_or(DEFAULT_ADMIN_ADDRESS, |address| address.value)
    }
}
