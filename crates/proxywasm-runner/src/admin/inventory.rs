//! What is served, as pages show it. It is replaced as a whole when the configuration is.

use crate::cluster::Shared;
use crate::settings::{ListenerSettings, Settings};
use crate::transport::Address;
use crate::update::Age;
use proxywasm_host::Plugin;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// What is served.
#[derive(Default)]
pub(crate) struct Inventory {
    /// The number of the version that is served, and since when; none before the first.
    pub(super) version: Option<Age>,
    pub(super) listeners: Vec<ListenerItem>,
    pub(super) upstreams: Vec<Arc<Shared>>,
    /// Every plugin of a chain, of a route or in the background, by its name.
    pub(super) plugins: BTreeMap<String, Plugin>,
}

/// A listener.
pub(super) struct ListenerItem {
    /// Where it listens, with the port that was chosen.
    pub(super) address: Address,
    pub(super) settings: ListenerSettings,
    /// How many connections it has in all workers.
    pub(super) connections: Arc<AtomicUsize>,
}

// === impl Inventory ===

impl Inventory {
    /// What `settings` say. Addresses and numbers of connections are those of its listeners, in their order.
    pub(crate) fn new(
        version: Age,
        settings: &Settings,
        addresses: &[Address],
        connections: &[Arc<AtomicUsize>],
        upstreams: &[Arc<Shared>],
    ) -> Self {
        let listeners = settings.listeners.iter().zip(addresses).zip(connections);
        let listeners = listeners.map(|((settings, address), connections)| ListenerItem {
            address: address.clone(),
            settings: settings.clone(),
            connections: Arc::clone(connections),
        });
        Self {
            version: Some(version),
            listeners: listeners.collect(),
            upstreams: upstreams.to_vec(),
            plugins: settings.plugins(),
        }
    }
}
