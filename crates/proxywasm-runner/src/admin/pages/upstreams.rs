//! `/upstreams`: the servers of each upstream, whether they are well, and what was asked of them.

use super::shown::{Durations, Statuses, statuses};
use crate::admin::answer::{Answer, json};
use crate::admin::router::Call;
use crate::cluster::{EndpointHealth, Shared};
use crate::figures::{UpstreamFailure, UpstreamTotals};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
struct Upstream<'a> {
    name: &'a str,
    /// None are known of the upstream of a listener that has no name.
    endpoints: Option<Vec<EndpointHealth>>,
    pending: usize,
    ejections: u64,
    active: u64,
    connections: u64,
    retries: u64,
    /// Responses.
    requests: Statuses,
    errors: BTreeMap<&'static str, u64>,
    durations: Durations,
}

pub(super) fn show(call: &Call) -> Answer {
    let inventory = call.state.inventory();
    let totals = call.state.figures.totals();
    let named = inventory.upstreams.iter().map(|shared| {
        let counted = totals.upstreams.get(shared.name());
        Upstream::of(shared.name(), Some(shared), counted)
    });
    // Those that listeners have for themselves have been asked, or are not of interest.
    let is_named = |name: &str| inventory.upstreams.iter().any(|shared| shared.name() == name);
    let unnamed = totals.upstreams.iter();
    let unnamed = unnamed
        .filter(|(name, _)| !is_named(name) && *name != crate::routing::ECHO)
        .map(|(name, counted)| Upstream::of(name, None, Some(counted)));
    json(&named.chain(unnamed).collect::<Vec<_>>())
}

// === impl Upstream ===

impl<'a> Upstream<'a> {
    fn of(name: &'a str, shared: Option<&Shared>, counted: Option<&UpstreamTotals>) -> Self {
        let errors = counted.map(|totals| totals.errors).unwrap_or_default();
        let names = UpstreamFailure::ALL.into_iter().map(UpstreamFailure::name);
        Self {
            name,
            endpoints: shared.map(Shared::health),
            pending: shared.map_or(0, Shared::pending),
            ejections: shared.map_or(0, Shared::ejections),
            active: counted.map_or(0, |totals| totals.active),
            connections: counted.map_or(0, |totals| totals.open),
            retries: counted.map_or(0, |totals| totals.retries),
            requests: counted.map_or_else(Statuses::new, |totals| statuses(totals.requests.statuses)),
            errors: names.zip(errors).collect(),
            durations: counted.map_or_else(Durations::default, |totals| (&totals.requests.durations).into()),
        }
    }
}
