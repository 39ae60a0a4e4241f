//! `/upstreams`: the servers of each upstream, and whether they are well.

use crate::admin::answer::{Answer, json};
use crate::admin::router::Call;
use crate::cluster::{EndpointHealth, Shared};
use serde::Serialize;

#[derive(Serialize)]
struct Upstream<'a> {
    name: &'a str,
    endpoints: Vec<EndpointHealth>,
}

pub(super) fn show(call: &Call) -> Answer {
    let inventory = call.state.inventory();
    let upstreams: Vec<_> = inventory
        .upstreams
        .iter()
        .map(|shared| Upstream::of(shared))
        .collect();
    json(&upstreams)
}

// === impl Upstream ===

impl<'a> Upstream<'a> {
    fn of(shared: &'a Shared) -> Self {
        Self {
            name: shared.name(),
            endpoints: shared.health(),
        }
    }
}
