//! Whole streams through a host.

use crate::LOOPS;
use http::Request;
use http::request::Parts;
use proxywasm_host::{
    Engine, EngineSettings, FilterChain, Host, InstanceStrategy, MemorySink, Output, Plugin, PluginConfig,
    Services,
};
use proxywasm_tests::guests;
use std::sync::Arc;

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

fn streams(name: &str, change: impl Fn(&mut PluginConfig)) -> Box<dyn FnMut()> {
    let mut bench = Bench::new(&guests::load(name), change);
    Box::new(move || (0..LOOPS).for_each(|_| bench.stream()))
}

pub(crate) fn add_header_legacy() -> Box<dyn FnMut()> {
    streams(guests::ADD_HEADER_LEGACY, |_| ())
}

pub(crate) fn add_header_component() -> Box<dyn FnMut()> {
    streams(guests::ADD_HEADER_COMPONENT, |_| ())
}

pub(crate) fn forward_legacy() -> Box<dyn FnMut()> {
    streams(guests::FORWARD_LEGACY, |_| ())
}

pub(crate) fn forward_component() -> Box<dyn FnMut()> {
    streams(guests::FORWARD_COMPONENT, |_| ())
}

pub(crate) fn no_plugin() -> Box<dyn FnMut()> {
    let mut bench = Bench::without_plugin();
    Box::new(move || (0..LOOPS).for_each(|_| bench.stream()))
}

pub(crate) fn on_demand() -> Box<dyn FnMut()> {
    let mut bench = Bench::new(&guests::load(guests::ADD_HEADER_LEGACY), |_| ());
    Box::new(move || {
        bench.host = Host::new(bench.services.clone());
        bench.stream();
    })
}

pub(crate) fn fresh_per_stream() -> Box<dyn FnMut()> {
    let mut bench = Bench::new(&guests::load(guests::ADD_HEADER_LEGACY), |config| {
        config.instances = InstanceStrategy::FreshPerStream;
    });
    Box::new(move || bench.stream())
}
