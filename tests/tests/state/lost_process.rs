//! A runner that dies, and one that comes before its server.

use crate::process::wait_until;
use crate::queues::{produce, working};
use crate::{Process, plugin};
use proxywasm_redis::test_server::TestServer;
use proxywasm_tests::guests::{QUEUE_COMPONENT, STORE_COMPONENT};
use proxywasm_tests::harness::Client;
use std::collections::BTreeSet;

#[test]
fn its_items_are_delivered_to_others() {
    let Some(server) = TestServer::start() else { return };
    let redis = format!(
        "redis: {{ url: '{}', bound: 20s, patience: 20s, lease: 3s }}\n",
        server.url()
    );
    let [first, second] = [(); 2].map(|()| working(2, QUEUE_COMPONENT, &redis));
    // It is killed in the middle of its work.
    let items = std::thread::scope(|scope| {
        let producer = scope.spawn(|| produce([second.addresses()[0]; 4], "item"));
        wait_until("both take items", || {
            first.taken().len() > 20 && second.taken().len() > 20
        });
        first.kill();
        producer.join().unwrap()
    });
    wait_until("all items are taken", || {
        let taken: BTreeSet<String> = [&first, &second]
            .iter()
            .flat_map(|runner| runner.taken())
            .collect();
        taken == items
    });
    // What one runner that lives is given, it is given once.
    let taken = second.taken();
    assert_eq!(taken.len(), taken.iter().collect::<BTreeSet<_>>().len());
}

#[test]
fn a_server_can_come_later() {
    let Some(mut server) = TestServer::start() else {
        return;
    };
    server.stop();
    let plugins = [
        plugin("consumer", QUEUE_COMPONENT, "consume jobs"),
        plugin("producer", QUEUE_COMPONENT, "produce jobs"),
        plugin("counts", STORE_COMPONENT, ""),
    ]
    .concat();
    let runner = Process::start(&format!(
        "workers: 1
redis: {{ url: '{}', bound: 20s }}
listeners:
  - {{ address: 127.0.0.1:0, plugins: [counts] }}
  - {{ address: 127.0.0.1:0, plugins: [producer] }}
background: [{{ plugin: consumer, run: per_worker }}]
plugins:
{plugins}",
        server.url()
    ));
    // The plugin opens its store when it starts, and has no chance.
    assert_eq!(runner.client().request("GET /", &[]).status(), 503);
    assert_eq!(runner.metric("proxywasm_redis_up"), 0);
    assert!(server.restart());
    wait_until("the plugin starts and counts", || {
        let answer = runner.client().request("GET /", &[]);
        answer
            .header("x-count")
            .is_some_and(|count| count.parse::<u64>().is_ok())
    });
    wait_until("a consumer has made the queue", || {
        let answer = Client::connect(runner.addresses()[1]).request("GET /item", &[]);
        answer.header("x-enqueued").as_deref() == Some("ok")
    });
    wait_until("the item is taken", || {
        runner.taken().iter().any(|item| item == "/item")
    });
    runner.stop();
}
