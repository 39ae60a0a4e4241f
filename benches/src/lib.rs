//! What is measured: each cost of the host as a scenario, run by criterion (`cargo bench`), by the minimum of rounds within one run
//! and by counted instructions (`cargo run --release --package proxywasm-benches --bin figures`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot be set up has to stop, and nothing here is controlled by a peer"
)]

mod raw;
mod streams;

/// One cost.
pub struct Scenario {
    /// Its name, `group/what`.
    pub name: &'static str,
    /// How many of the thing that is measured one run of the body does.
    pub per_run: u32,
    /// Makes the body. What it prepares is not measured.
    pub setup: fn() -> Box<dyn FnMut()>,
}

/// Every scenario.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "crossing/empty callback",
        per_run: LOOPS,
        setup: raw::empty_crossings,
    },
    Scenario {
        name: "crossing/empty hostcall",
        per_run: LOOPS,
        setup: raw::empty_hostcalls,
    },
    Scenario {
        name: "crossing/five callbacks and a hostcall",
        per_run: LOOPS,
        setup: raw::five_crossings_and_a_hostcall,
    },
    Scenario {
        name: "crossing/the guest's part of a stream that adds a header, ABI 0.2.1",
        per_run: LOOPS,
        setup: raw::guest_alone,
    },
    Scenario {
        name: "hostcall/get_buffer, one iovec",
        per_run: LOOPS,
        setup: raw::get_buffer,
    },
    Scenario {
        name: "hostcall/get_map_values, 20 headers",
        per_run: LOOPS,
        setup: raw::get_map_values,
    },
    Scenario {
        name: "hostcall/proxy_get_header_map_pairs, 20 headers",
        per_run: LOOPS,
        setup: raw::get_header_map_pairs,
    },
    Scenario {
        name: "stream/add a header, ABI 0.2.1, Rust SDK",
        per_run: LOOPS,
        setup: streams::add_header_legacy,
    },
    Scenario {
        name: "stream/add a header, component ABI, our SDK",
        per_run: LOOPS,
        setup: streams::add_header_component,
    },
    Scenario {
        name: "stream/forward everything, ABI 0.2.1, Rust SDK",
        per_run: LOOPS,
        setup: streams::forward_legacy,
    },
    Scenario {
        name: "stream/forward everything, component ABI, our SDK",
        per_run: LOOPS,
        setup: streams::forward_component,
    },
    Scenario {
        name: "stream/no plugin",
        per_run: LOOPS,
        setup: streams::no_plugin,
    },
    Scenario {
        name: "instance/on demand, started, one stream",
        per_run: 1,
        setup: streams::on_demand,
    },
    Scenario {
        name: "instance/fresh per stream, pooled, started",
        per_run: 1,
        setup: streams::fresh_per_stream,
    },
];

/// Repetitions within one run, so that the clock costs nothing.
pub const LOOPS: u32 = 1000;
