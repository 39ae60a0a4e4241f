//! `/listeners`: where the runner listens.

use crate::admin::answer::{Answer, json};
use crate::admin::inventory::ListenerItem;
use crate::admin::router::Call;
use serde::Serialize;
use std::sync::atomic::Ordering;

#[derive(Serialize)]
struct Listener<'a> {
    address: String,
    protocol: &'static str,
    upstream: String,
    plugins: Vec<&'a str>,
    connections: usize,
    max_connections: usize,
}

pub(super) fn show(call: &Call) -> Answer {
    let inventory = call.state.inventory();
    let listeners: Vec<_> = inventory.listeners.iter().map(Listener::of).collect();
    json(&listeners)
}

// === impl Listener ===

impl<'a> Listener<'a> {
    fn of(item: &'a ListenerItem) -> Self {
        let plugins = item.settings.chain.plugins().iter();
        Self {
            address: item.address.to_string(),
            protocol: item.settings.protocol(),
            upstream: item.settings.goes_to(),
            plugins: plugins.map(|plugin| plugin.name()).collect(),
            connections: item.connections.load(Ordering::Relaxed),
            max_connections: item.settings.max_connections.get(),
        }
    }
}
