//! TCP connections through plugins: a connection of a client and the one to the upstream, whose bytes pass the chain in both
//! directions.
//!
//! One task drives both connections ([`driver`]). It reads a side only while the plugins want more of it and the other side takes what
//! they let through, so each peer is slowed down by the other. The end that one side sends is passed on when all before it was
//! written, and the other direction goes on.
//!
//! Once no plugin wants any more, bytes do not enter the host, nor, on Linux, this process: they move from socket to socket by a
//! pipe in the kernel ([`splice`]).

mod driver;
mod peer;
mod relay;
mod splice;

use crate::driver::{Observer, Recording};
use crate::figures::UpstreamFigures;
use crate::properties::{BytestreamProperties, ConnectionProperties};
use crate::transport::Stream;
use crate::upstream::TcpTarget;
use crate::worker::Worker;
use driver::Driver;
use proxywasm_host::{FilterChain, PropertySource};
use relay::Relay;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;

/// What one worker does with the connections of one listener.
pub(crate) struct TcpRoute {
    pub(crate) worker: Rc<Worker>,
    pub(crate) chain: FilterChain,
    pub(crate) target: TcpTarget,
    pub(crate) observer: Rc<Observer>,
    /// What is counted of the upstream, and what it is called.
    pub(crate) figures: Arc<UpstreamFigures>,
    pub(crate) upstream: String,
}

/// Serves a connection to its end.
pub(crate) async fn serve(route: Rc<TcpRoute>, downstream: Stream, properties: ConnectionProperties) {
    let preamble = match route
        .target
        .proxy_protocol
        .map(|version| properties.proxy_header(version))
    {
        None => Rc::default(),
        Some(Ok(header)) => header.into(),
        Some(Err(error)) => return tracing::warn!(%error, "the upstream cannot be told of a client"),
    };
    let properties = Arc::new(properties);
    let recording = Recording::of_stream(&route.observer, &properties);
    let upstream = recording.record().way().map_or_else(Arc::default, Arc::clone);
    if recording.record().way().is_some() {
        upstream.set_unnamed(&route.upstream);
    }
    let source = route.chain.reads_properties().then(|| {
        let properties = BytestreamProperties {
            connection: properties,
            upstream: Arc::clone(&upstream),
        };
        Box::new(properties) as Box<dyn PropertySource>
    });
    let relay = Relay::open(&route.worker, &route.chain, source);
    let mut driver = Driver::new(route, relay, downstream, upstream, preamble, recording);
    let ending = poll_fn(|context| driver.poll(context)).await;
    driver.end(ending);
}
