//! Four producers and four consumers of one queue: each item is taken once.

use crate::process::wait_until;
use crate::{Process, load, on_redis, plugin};
use proxywasm_redis::test_server::TestServer;
use proxywasm_tests::guests::{QUEUE_COMPONENT, QUEUE_LEGACY};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// Items of each producer.
const ITEMS: usize = 500;

/// A runner with a consumer in each worker, and a producer before the built-in echo.
pub(crate) fn working(workers: usize, guest: &str, more: &str) -> Process {
    let plugins = [
        plugin("consumer", guest, "consume jobs"),
        plugin("producer", guest, "produce jobs"),
    ]
    .concat();
    Process::start(&format!(
        "workers: {workers}
log: {{ plugin_messages: 0 }}
{more}listeners: [{{ address: 127.0.0.1:0, accept: one_acceptor, plugins: [producer] }}]
background: [{{ plugin: consumer, run: per_worker }}]
plugins:
{plugins}"
    ))
}

/// Puts the items of four producers into the queue, and returns them.
pub(crate) fn produce(producers: impl IntoIterator<Item = SocketAddr>, name: &str) -> BTreeSet<String> {
    let path = |producer, item| format!("/{name}-{producer}-{item}");
    load(producers, ITEMS, |producer, item, client| {
        let answer = client.request(&format!("GET {}", path(producer, item)), &[]);
        assert_eq!(answer.header("x-enqueued").as_deref(), Some("ok"), "{answer:?}");
    });
    (0..4)
        .flat_map(|producer| (0..ITEMS).map(move |item| path(producer, item)))
        .collect()
}

/// Waits until as many items were taken as there are, and checks that they are these.
fn check(runners: &[&Process], expected: &BTreeSet<String>) {
    let taken = || runners.iter().flat_map(|runner| runner.taken()).collect();
    let counted = || -> u64 {
        let counts = runners
            .iter()
            .map(|runner| runner.metric("plugin_consumer_items"));
        counts.sum()
    };
    wait_until("all items are taken", || counted() >= expected.len() as u64);
    let mut items: Vec<String> = Vec::new();
    // The log comes by another way than the figures.
    wait_until("all items are logged", || {
        items = taken();
        items.len() >= expected.len()
    });
    items.sort();
    assert!(items.iter().eq(expected), "{items:#?}");
    assert_eq!(counted(), expected.len() as u64);
}

#[test]
fn in_one_process() {
    for guest in [QUEUE_COMPONENT, QUEUE_LEGACY] {
        let runner = working(4, guest, "");
        let items = produce([runner.addresses()[0]; 4], guest);
        check(&[&runner], &items);
        runner.stop();
    }
}

#[test]
fn in_two_processes() {
    for guest in [QUEUE_COMPONENT, QUEUE_LEGACY] {
        let Some(server) = TestServer::start() else { return };
        let [first, second] = [(); 2].map(|()| working(2, guest, &on_redis(&server)));
        let producers = [&first, &first, &second, &second].map(|runner| runner.addresses()[0]);
        let mut items = produce(producers, guest);
        check(&[&first, &second], &items);
        println!(
            "{guest}: {} and {} items",
            first.taken().len(),
            second.taken().len()
        );

        // One that stops in order leaves everything to the other.
        let before: Vec<String> = first.taken();
        first.stop();
        items.retain(|item| !before.contains(item));
        items.extend(produce([second.addresses()[0]; 4], "more"));
        check(&[&second], &items);
        second.stop();
    }
}
