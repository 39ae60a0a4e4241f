//! TCP streams through a host.

use crate::script::Abi;
use crate::world::World;
use crate::{Body, LOOPS, Scenario};
use bytes::Bytes;
use proxywasm_host::{CloseSource, FilterChain, Host, StreamId};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("bytestream/a stream with a piece each way, no plugin", || {
        streams(None)
    }),
    Scenario::new(
        "bytestream/a stream with a piece each way, component ABI, all callbacks",
        || streams(Some((Abi::Component, COMPONENT))),
    ),
    Scenario::new(
        "bytestream/a stream with a piece each way, ABI 0.2.1, all callbacks",
        || streams(Some((Abi::Legacy, LEGACY))),
    ),
    Scenario::new("bytestream/a piece, no plugin", || pieces(None)),
    Scenario::new(DATA, || {
        pieces(Some((Abi::Component, "@proxy_on_downstream_data 3 -> 0")))
    }),
    Scenario::new(
        "wasi-bytestream/resume_downstream, in the callback that pauses",
        || {
            pieces(Some((
                Abi::Component,
                "@proxy_on_downstream_data 3 -> 3\n wasi-bytestream.resume_downstream arg0",
            )))
        },
    )
    .less(DATA),
    Scenario::new(UPSTREAM_DATA, || {
        upstream_pieces("@proxy_on_upstream_data 3 -> 0")
    }),
    Scenario::new(
        "wasi-bytestream/resume_upstream, in the callback that pauses",
        || upstream_pieces("@proxy_on_upstream_data 3 -> 3\n wasi-bytestream.resume_upstream arg0"),
    )
    .less(UPSTREAM_DATA),
    Scenario::new(
        "wasi-bytestream/a stream that close_downstream ends at its first piece",
        || closed_streams("@proxy_on_downstream_data 3 -> 0\n wasi-bytestream.close_downstream arg0"),
    ),
    Scenario::new(
        "wasi-bytestream/a stream that close_upstream ends at its first piece",
        || closed_streams("@proxy_on_downstream_data 3 -> 0\n wasi-bytestream.close_upstream arg0"),
    ),
    Scenario::new(LEGACY_DATA, || {
        pieces(Some((Abi::Legacy, "@proxy_on_downstream_data 3 -> 0")))
    }),
    Scenario::new(
        "ABI 0.2.1/proxy_continue_stream, in the callback that pauses",
        || {
            pieces(Some((
                Abi::Legacy,
                "@proxy_on_downstream_data 3 -> 1\n env.proxy_continue_stream 2",
            )))
        },
    )
    .less(LEGACY_DATA),
];

const DATA: &str = "wasi-bytestream/on_downstream_data, a piece forwarded";
const UPSTREAM_DATA: &str = "wasi-bytestream/on_upstream_data, a piece forwarded";
const LEGACY_DATA: &str = "ABI 0.2.1/proxy_on_downstream_data, a piece forwarded";

const COMPONENT: &str = "@proxy_on_new_connection 1 -> 0
    @proxy_on_downstream_data 3 -> 0
    @proxy_on_upstream_data 3 -> 0
    @proxy_on_downstream_close 2
    @proxy_on_upstream_close 2";
const LEGACY: &str = "@proxy_on_new_connection 1 -> 0
    @proxy_on_downstream_data 3 -> 0
    @proxy_on_upstream_data 3 -> 0
    @proxy_on_downstream_connection_close 2
    @proxy_on_upstream_connection_close 2";

const PIECE: Bytes = Bytes::from_static(b"a piece of data that has a little more than forty bytes");

/// A host and a chain of at most one plugin.
fn host(plugin: Option<(Abi, &str)>) -> (Host, FilterChain) {
    let (abi, script) = plugin.unwrap_or((Abi::Component, ""));
    let world = World::new(abi, script);
    let chain = match plugin {
        Some(_) => world.chain(),
        None => FilterChain::new(Vec::new()),
    };
    (world.host, chain)
}

fn outputs(host: &mut Host, id: StreamId) -> usize {
    std::iter::from_fn(|| host.next_output(id)).count()
}

/// Whole streams: connected, a piece each way, both ends, closed.
fn streams(plugin: Option<(Abi, &str)>) -> Body {
    let (mut host, chain) = host(plugin);
    Box::new(move || {
        for _ in 0..LOOPS {
            let id = host.open_bytestream(&chain, None);
            host.new_connection(id);
            host.downstream_data(id, PIECE, true);
            host.upstream_data(id, PIECE, true);
            assert!(
                outputs(&mut host, id) >= 3,
                "it is connected, and the pieces go on"
            );
            host.downstream_closed(id, CloseSource::Remote);
            host.upstream_closed(id, CloseSource::Remote);
            outputs(&mut host, id);
            host.finish(id);
        }
    })
}

/// Pieces on a stream that goes on.
fn pieces(plugin: Option<(Abi, &str)>) -> Body {
    let (mut host, chain) = host(plugin);
    let id = connected(&mut host, &chain);
    Box::new(move || {
        for _ in 0..LOOPS {
            host.downstream_data(id, PIECE, false);
            assert_eq!(outputs(&mut host, id), 1, "the piece goes on");
        }
    })
}

fn upstream_pieces(script: &str) -> Body {
    let (mut host, chain) = host(Some((Abi::Component, script)));
    let id = connected(&mut host, &chain);
    Box::new(move || {
        for _ in 0..LOOPS {
            host.upstream_data(id, PIECE, false);
            assert_eq!(outputs(&mut host, id), 1, "the piece goes on");
        }
    })
}

/// Streams that a plugin closes.
fn closed_streams(script: &str) -> Body {
    let (mut host, chain) = host(Some((Abi::Component, script)));
    Box::new(move || {
        for _ in 0..LOOPS {
            let id = connected(&mut host, &chain);
            host.downstream_data(id, PIECE, false);
            assert!(outputs(&mut host, id) >= 2, "both connections are closed");
            host.finish(id);
        }
    })
}

fn connected(host: &mut Host, chain: &FilterChain) -> StreamId {
    let id = host.open_bytestream(chain, None);
    host.new_connection(id);
    outputs(host, id);
    id
}
