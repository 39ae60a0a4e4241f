//! Bounds on stores and queues in the configuration file.

use super::units::Size;
use schemars::JsonSchema;
use serde::Deserialize;
use wasi_kvstore::StoreSettings;
use wasi_queue::QueueSettings;

/// Bounds on key-value stores.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StoresEntry {
    /// Stores of one VM id. Default: 1024.
    stores: Option<usize>,
    /// Keys of one store. Default: 1048576.
    keys: Option<usize>,
    /// Bytes of one key. Default: `64 KiB`.
    key: Option<Size>,
    /// Bytes of all values of one key. Default: `16 MiB`.
    values: Option<Size>,
    /// Bytes of all keys and values of one VM id. Default: `256 MiB`.
    total: Option<Size>,
}

/// Bounds on queues.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QueuesEntry {
    /// Queues of one VM id. Default: 256.
    queues: Option<usize>,
    /// Items of one queue. Default: 65536.
    items: Option<usize>,
    /// Bytes of one item. Default: `1 MiB`.
    item: Option<Size>,
    /// Bytes of all items of one queue. Default: `16 MiB`.
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
