//! Bounds on stores and queues in the configuration file.

use super::units::Size;
use serde::Deserialize;
use wasi_kvstore::StoreSettings;
use wasi_queue::QueueSettings;

/// `stores`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoresEntry {
    stores: Option<usize>,
    keys: Option<usize>,
    key: Option<Size>,
    values: Option<Size>,
    total: Option<Size>,
}

/// `queues`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueuesEntry {
    queues: Option<usize>,
    items: Option<usize>,
    item: Option<Size>,
    total: Option<Size>,
}

// === impl StoresEntry ===

impl StoresEntry {
    pub(super) fn settings(&self) -> StoreSettings {
        let default = StoreSettings::default();
        let size = |entry: Option<Size>, default: usize| entry.map_or(default, |size| size.0);
        StoreSettings {
            stores: self.stores.unwrap_or(default.stores),
            keys: self.keys.unwrap_or(default.keys),
            key_bytes: size(self.key, default.key_bytes),
            value_bytes: size(self.values, default.value_bytes),
            bytes: size(self.total, default.bytes),
        }
    }
}

// === impl QueuesEntry ===

impl QueuesEntry {
    pub(super) fn settings(&self) -> QueueSettings {
        let default = QueueSettings::default();
        let size = |entry: Option<Size>, default: usize| entry.map_or(default, |size| size.0);
        QueueSettings {
            queues_per_scope: self.queues.unwrap_or(default.queues_per_scope),
            items: self.items.unwrap_or(default.items),
            bytes: size(self.total, default.bytes),
            item_bytes: size(self.item, default.item_bytes),
        }
    }
}
