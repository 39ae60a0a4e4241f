//! Traces: what a collector gets, and which context goes on.

#![cfg(test)]

mod callouts;
mod collector;
mod rotel;
mod spans;

use collector::Collector;
use proxywasm_runner::TraceSettings;
use proxywasm_tests::harness::{Origin, ProxyBuilder, proxy};

/// A trace of somebody else, with and without a wish that it be sampled.
const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const NOT_SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

fn traced(collector: &Collector, ratio: f64) -> ProxyBuilder {
    proxy().traces(TraceSettings {
        ratio,
        headers: vec![("x-key".to_owned(), "secret".to_owned())],
        service_name: "tested".to_owned(),
        ..TraceSettings::new(collector.endpoint())
    })
}

fn origin() -> Origin {
    Origin::fixed("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
}
