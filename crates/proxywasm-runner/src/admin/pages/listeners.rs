//! `/listeners`: where the runner listens, and what came there.

use super::shown::{Durations, Statuses, statuses};
use crate::admin::answer::{Answer, json};
use crate::admin::inventory::ListenerItem;
use crate::admin::router::Call;
use crate::figures::{BadEnd, Totals};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

#[derive(Serialize)]
struct Listener<'a> {
    name: String,
    address: String,
    protocol: &'static str,
    upstream: String,
    plugins: Vec<&'a str>,
    connections: usize,
    max_connections: usize,
    accepted: u64,
    refused: u64,
    failed: u64,
    /// Connections of HTTP that ended for an error, by the reason.
    connection_errors: BTreeMap<&'static str, u64>,
    /// Requests, or TCP streams, that are over.
    requests: Statuses,
    durations: Durations,
    received_bytes: u64,
    sent_bytes: u64,
}

pub(super) fn show(call: &Call) -> Answer {
    let inventory = call.state.inventory();
    let totals = call.state.figures.totals();
    let listeners = inventory.listeners.iter();
    json(
        &listeners
            .map(|item| Listener::of(item, &totals))
            .collect::<Vec<_>>(),
    )
}

// === impl Listener ===

impl<'a> Listener<'a> {
    fn of(item: &'a ListenerItem, totals: &Totals) -> Self {
        let plugins = item.settings.chain.plugins().iter();
        let name = item.settings.name();
        let counted = totals.listeners.get(&name);
        let bad_ends = counted.map(|totals| totals.bad_ends).unwrap_or_default();
        let reasons = BadEnd::ALL.into_iter().map(BadEnd::name);
        let count = |figure: fn(&crate::figures::ListenerTotals) -> u64| counted.map_or(0, figure);
        Self {
            address: item.address.to_string(),
            protocol: item.settings.protocol(),
            upstream: item.settings.goes_to(),
            plugins: plugins.map(|plugin| plugin.name()).collect(),
            connections: item.connections.load(Ordering::Relaxed),
            max_connections: item.settings.max_connections.get(),
            accepted: count(|totals| totals.connections),
            refused: count(|totals| totals.refused),
            failed: count(|totals| totals.failed),
            connection_errors: reasons.zip(bad_ends).collect(),
            requests: counted.map_or_else(Statuses::new, |totals| statuses(totals.requests.statuses)),
            durations: counted.map_or_else(Durations::default, |totals| (&totals.requests.durations).into()),
            received_bytes: count(|totals| totals.received),
            sent_bytes: count(|totals| totals.sent),
            name,
        }
    }
}
