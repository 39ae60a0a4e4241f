//! The backends on the server.

use super::RedisEntry;
use crate::redis::RedisServer;
use proxywasm_redis::{Connector, RedisSettings};
use serde_saphyr::Location;
use std::sync::Arc;
use wasi_kvstore::{RedisStoreSettings, RedisStores, StoreSettings};
use wasi_queue::{QueueSettings, RedisQueueSettings, RedisQueues};

/// The backends, and the server that they live on.
pub(in crate::config) struct Backends {
    pub(in crate::config) stores: Arc<RedisStores>,
    pub(in crate::config) queues: Arc<RedisQueues>,
    pub(in crate::config) server: Arc<RedisServer>,
}

/// What keys begin with where nothing is configured.
const DEFAULT_PREFIX: &str = "proxywasm";

// === impl RedisEntry ===

impl RedisEntry {
    /// Starts to connect. A server that is not there is no error.
    pub(in crate::config) fn start(
        &self,
        quotas: StoreSettings,
        bounds: QueueSettings,
    ) -> Result<Backends, (Location, String)> {
        let mut settings = RedisSettings::new(&*self.url.value);
        if let Some(bound) = self.bound {
            settings.bound = bound.0;
        }
        if let Some(patience) = self.patience {
            settings.patience = patience.0;
        }
        let patience = settings.patience;
        let connector =
            Connector::start(settings).map_err(|error| (self.url.referenced, error.to_string()))?;
        let prefix = self
            .prefix
            .as_ref()
            .map_or(DEFAULT_PREFIX, |prefix| &prefix.value);
        let defaults = RedisStoreSettings::default();
        let stores = RedisStoreSettings {
            prefix: format!("{prefix}:kv:"),
            quotas,
            cache_bytes: self.cache.map_or(defaults.cache_bytes, |size| size.0),
        };
        let defaults = RedisQueueSettings::default();
        let queues = RedisQueueSettings {
            prefix: format!("{prefix}:queue:"),
            bounds,
            lease: self.lease.as_ref().map_or(defaults.lease, |lease| lease.value.0),
            ..defaults
        };
        Ok(Backends {
            stores: Arc::new(RedisStores::new(connector.clone(), stores)),
            queues: Arc::new(RedisQueues::new(connector.clone(), queues)),
            server: Arc::new(RedisServer::new(connector, patience)),
        })
    }
}
