//! The admin address in the configuration file.

use crate::admin::DEFAULT_ADMIN_ADDRESS;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::net::SocketAddr;

/// The address for operators.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AdminEntry {
    /// Where operators reach it; everyone who does may use it. Default: `127.0.0.1:9901`.
    #[schemars(with = "Option<String>")]
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
