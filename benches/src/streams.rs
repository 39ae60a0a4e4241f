//! Whole streams through a host.

use crate::{Body, LOOPS, Scenario};
use http::Request;
use http::request::Parts;
use proxywasm_host::{
    Engine, EngineSettings, FilterChain, Host, InstanceStrategy, MemorySink, Output, Plugin, PluginConfig,
    Services,
};
use proxywasm_tests::guests;
use std::sync::Arc;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("stream/add a header, ABI 0.2.1, Rust SDK", add_header_legacy),
    Scenario::new(
        "stream/add a header, component ABI, our SDK",
        add_header_component,
    ),
    Scenario::new("stream/forward everything, ABI 0.2.1, Rust SDK", forward_legacy),
    Scenario::new(
        "stream/forward everything, component ABI, our SDK",
        forward_component,
    ),
    Scenario::new("stream/no plugin", no_plugin),
    Scenario::new("instance/on demand, started, one stream", on_demand).per_run(1),
    Scenario::new("instance/fresh per stream, pooled, started", fresh_per_stream).per_run(1),
];

/// A host and a chain.
pub(crate) struct Bench {
    host: Host,
    chain: FilterChain,
    services: Services,
    /// The head of every request; it comes back with the output.
    pub(crate) head: Option<Parts>,
}

/// A request head with so many headers.
pub(crate) fn head(headers: usize) -> Parts {
    let request = Request::get("/path?query").header("host", "example.test");
    let request = (1..headers).fold(request, |request, index| {
        request.header(format!("header-{index}"), "a value of some bytes")
    });
    request.body(()).unwrap().into_parts().0
}

impl Bench {
    /// A chain of one plugin.
    pub(crate) fn new(module: &[u8], change: impl Fn(&mut PluginConfig)) -> Self {
        let mut bench = Self::without_plugin();
        let engine = Engine::new(EngineSettings::default()).unwrap();
        let mut config = PluginConfig::new("bench");
        change(&mut config);
        let plugin = Plugin::new(&engine, engine.load(module).unwrap(), config, &bench.services).unwrap();
        bench.chain = FilterChain::new(vec![plugin]);
        bench
    }

    fn without_plugin() -> Self {
        let services = Services::from(Arc::new(MemorySink::default()));
        Self {
            host: Host::new(services.clone()),
            chain: FilterChain::new(Vec::new()),
            services,
            head: Some(head(3)),
        }
    }

    /// A request without a body: created, its headers forwarded, and finished.
    pub(crate) fn stream(&mut self) {
        let id = self.host.open(&self.chain, None);
        self.host.request_headers(id, self.head.take().unwrap(), true);
        while let Some(output) = self.host.next_output(id) {
            if let Output::RequestHeaders { mut head, .. } = output {
                head.headers.remove("x-plugin");
                self.head = Some(*head);
            }
        }
        assert!(self.head.is_some(), "the request is forwarded");
        self.host.finish(id);
    }
}

fn streams(name: &str, change: impl Fn(&mut PluginConfig)) -> Body {
    let mut bench = Bench::new(&guests::load(name), change);
    Box::new(move || (0..LOOPS).for_each(|_| bench.stream()))
}

fn add_header_legacy() -> Body {
    streams(guests::ADD_HEADER_LEGACY, |_| ())
}

fn add_header_component() -> Body {
    streams(guests::ADD_HEADER_COMPONENT, |_| ())
}

fn forward_legacy() -> Body {
    streams(guests::FORWARD_LEGACY, |_| ())
}

fn forward_component() -> Body {
    streams(guests::FORWARD_COMPONENT, |_| ())
}

fn no_plugin() -> Body {
    let mut bench = Bench::without_plugin();
    Box::new(move || (0..LOOPS).for_each(|_| bench.stream()))
}

fn on_demand() -> Body {
    let mut bench = Bench::new(&guests::load(guests::ADD_HEADER_LEGACY), |_| ());
    Box::new(move || {
        bench.host = Host::new(bench.services.clone());
        bench.stream();
    })
}

fn fresh_per_stream() -> Body {
    let mut bench = Bench::new(&guests::load(guests::ADD_HEADER_LEGACY), |config| {
        config.instances = InstanceStrategy::FreshPerStream;
    });
    Box::new(move || bench.stream())
}
