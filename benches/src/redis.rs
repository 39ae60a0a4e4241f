//! Stores and queues on a Redis server of this machine, where one is installed.

use crate::script::Abi;
use crate::world::World;
use crate::{Body, Scenario};
use proxywasm_host::{MemorySink, Services};
use proxywasm_redis::test_server::{TestServer, wait_until};
use proxywasm_redis::{Connector, RedisSettings, State};
use std::sync::Arc;
use std::time::Duration;
use wasi_kvstore::{RedisStoreSettings, RedisStores};
use wasi_queue::{QueueSettings, RedisQueueSettings, RedisQueues};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new(CACHED, || {
        on_server(
            "loop 100
            wasi-kvstore.get_shared_kvstore_key_values $s 'key' out &size &cas",
        )
    })
    .per_run(ROUND_TRIPS)
    .not_counted(),
    Scenario::new("Redis/set_shared_kvstore_key_values", || {
        on_server("loop 100\n wasi-kvstore.set_shared_kvstore_key_values $s 'key' 'sixteen_bytes_of' 0")
    })
    .per_run(ROUND_TRIPS)
    .not_counted(),
    Scenario::new(
        "Redis/get_shared_kvstore_key_values, and set_ with its compare-and-swap value",
        || {
            on_server(
                "loop 100
            wasi-kvstore.get_shared_kvstore_key_values $s 'key' out &size &cas
            wasi-kvstore.set_shared_kvstore_key_values $s 'key' 'sixteen_bytes_of' $cas",
            )
        },
    )
    .per_run(ROUND_TRIPS)
    .not_counted(),
    Scenario::new(ENQUEUE, || {
        on_server(
            "wasi-queue.open_shared_queue 'q' 0 &q
            loop 100
            wasi-queue.enqueue_shared_queue_item $q 'sixteen_bytes_of'",
        )
    })
    .per_run(ROUND_TRIPS)
    .not_counted(),
    Scenario::new(
        "Redis/dequeue_shared_queue_item, by a plugin that is not told of items",
        || {
            on_server(
                "wasi-queue.open_shared_queue 'q' 0 &q
            loop 100
            wasi-queue.enqueue_shared_queue_item $q 'sixteen_bytes_of'
            wasi-queue.dequeue_shared_queue_item $q out &size",
            )
        },
    )
    .per_run(ROUND_TRIPS)
    .less(ENQUEUE)
    .not_counted(),
];

const ENQUEUE: &str = "Redis/enqueue_shared_queue_item";
const CACHED: &str = "Redis/get_shared_kvstore_key_values, of a key that was read before";

/// What the scripts here do in one run.
const ROUND_TRIPS: u32 = 100;

/// Whether there is a server that could be started; it says so where there is none.
pub(crate) fn is_installed() -> bool {
    TestServer::start().is_some()
}

/// Hostcalls on the store `s`, or on the queue `q`, of a server that nobody else uses.
fn on_server(lines: &str) -> Body {
    let server = TestServer::start().expect("a Redis server is installed");
    let settings = RedisSettings {
        // A measurement waits for as long as it takes.
        bound: Duration::from_secs(10),
        ..RedisSettings::new(server.url())
    };
    let connector = Connector::start(settings).unwrap();
    wait_until("the connector is connected", || connector.state() == State::Up);
    let queues = RedisQueueSettings {
        // Nobody takes what is only added.
        bounds: QueueSettings {
            items: 1 << 40,
            bytes: 1 << 40,
            ..QueueSettings::default()
        },
        ..RedisQueueSettings::default()
    };
    let services = Services {
        stores: Arc::new(RedisStores::new(connector.clone(), RedisStoreSettings::default())),
        queues: Arc::new(RedisQueues::new(connector, queues)),
        ..Services::new(Arc::new(MemorySink::default()))
    };
    services.queues.open("", b"q", true).unwrap();
    let open = "@proxy_on_plugin_start 2 -> 1
        wasi-kvstore.open_shared_kvstore 'store' 1 &s
        wasi-kvstore.set_shared_kvstore_key_values $s 'key' 'sixteen_bytes_of' 0";
    let mut world = World::with(Abi::Component, &format!("{lines}\n {open}"), services);
    Box::new(move || {
        // The server lives as long as what runs on it.
        let _server = &server;
        world.call();
    })
}
