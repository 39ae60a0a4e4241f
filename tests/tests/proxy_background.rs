//! Plugins that run without streams in a running proxy: they are told of what streams put into queues, in whichever worker.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of a test fail by panicking, as the test does"
)]
#![cfg(test)]

use proxywasm_runner::RunMode;
use proxywasm_tests::guests::{QUEUE_COMPONENT, QUEUE_LEGACY};
use proxywasm_tests::harness::{ProxyBuilder, capture_log, proxy};
use std::collections::BTreeMap;
use std::thread;

/// Logs `start` when it starts, and each item of the queue `q`. After the item `/trap` it traps.
const CONSUMER: &str = r#"(module
    (import "wasi-queue" "open_shared_queue" (func $open (param i32 i32 i32 i32) (result i32)))
    (import "wasi-queue" "dequeue_shared_queue_item" (func $dequeue (param i32 i32 i32 i32) (result i32)))
    (import "wasi-log" "log" (func $log (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "qstart")
    ;; Iovecs: 16 the name, 24 `start`, 32 the place for an item at 512, 40 the item
    (data (i32.const 16) "\00\00\00\00\01\00\00\00\01\00\00\00\05\00\00\00\00\02\00\00\00\02\00\00\00\02\00\00")
    (func (export "proxy_abi_version_2021_04"))
    (func (export "proxy_on_plugin_start") (param i32 i32) (result i32)
        (drop (call $log (i32.const 2) (i32.const 24) (i32.const 1)))
        (i32.eqz (call $open (i32.const 16) (i32.const 1) (i32.const 1) (i32.const 64))))
    (func (export "proxy_on_shared_queue_ready") (param $queue i32)
        (if (i32.eqz (call $dequeue (local.get $queue) (i32.const 32) (i32.const 1) (i32.const 44)))
            (then
                (drop (call $log (i32.const 2) (i32.const 40) (i32.const 1)))
                (if (i32.eq (i32.load (i32.const 512)) (i32.const 0x6172742f)) (then unreachable))))))"#;

/// Puts the path of each request into the queue `q`.
const PRODUCER: &str = r#"(module
    (import "wasi-queue" "open_shared_queue" (func $open (param i32 i32 i32 i32) (result i32)))
    (import "wasi-queue" "enqueue_shared_queue_item" (func $enqueue (param i32 i32 i32) (result i32)))
    (import "wasi-common" "get_property" (func $property (param i32 i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "qrequest\00path")
    (data (i32.const 16) "\00\00\00\00\01\00\00\00\01\00\00\00\0c\00\00\00\00\02\00\00\00\02\00\00\00\02\00\00")
    (func (export "proxy_abi_version_2021_04"))
    (func $check (param $status i32) (if (local.get $status) (then unreachable)))
    (func (export "proxy_on_http_request_headers") (param $context i32) (param i32 i32) (result i32)
        (call $check (call $open (i32.const 16) (i32.const 1) (i32.const 0) (i32.const 64)))
        (call $check (call $property (local.get $context) (i32.const 24) (i32.const 1)
            (i32.const 32) (i32.const 1) (i32.const 44)))
        (call $check (call $enqueue (i32.load (i32.const 64)) (i32.const 40) (i32.const 1)))
        (i32.const 0)))"#;

/// Three workers, a producer before the built-in echo, and a consumer in the background.
fn three_workers(consumer: &str, run: RunMode) -> ProxyBuilder {
    proxy()
        .workers(3)
        .wasm(consumer, &wat::parse_str(CONSUMER).unwrap())
        .in_background(run)
        .wasm("producer", &wat::parse_str(PRODUCER).unwrap())
}

/// What a plugin has logged, and how often.
fn messages(plugin: &str) -> BTreeMap<String, usize> {
    let of = format!("plugin=\"{plugin}\"");
    let mut messages = BTreeMap::new();
    for line in capture_log().lines().iter().filter(|line| line.contains(&of)) {
        let message = line
            .split("plugin: ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        *messages
            .entry(message.unwrap_or_default().to_owned())
            .or_default() += 1;
    }
    messages
}

#[test]
fn items_of_all_workers_are_taken_once() {
    capture_log();
    for (plugin, run, instances) in [("once", RunMode::PerProcess, 1), ("many", RunMode::PerWorker, 3)] {
        let proxy = three_workers(plugin, run).start();
        let address = proxy.address();
        let clients: Vec<_> = (0..6)
            .map(|client| {
                thread::spawn(move || {
                    let mut connection = proxywasm_tests::harness::Client::connect(address);
                    for request in 0..10 {
                        let answer = connection.request(&format!("GET /{plugin}-{client}-{request}"), &[]);
                        assert_eq!(answer.status(), 200);
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        for item in 0..60 {
            capture_log().wait_for(&format!("/{plugin}-{}-{} ", item / 10, item % 10));
        }
        proxy.shut_down();
        let mut messages = messages(plugin);
        assert_eq!(messages.remove("start"), Some(instances), "{plugin}");
        assert_eq!(messages.len(), 60, "{messages:?}");
        assert!(messages.values().all(|count| *count == 1), "{messages:?}");
    }
}

#[test]
fn one_that_trapped_is_started_again() {
    capture_log();
    let proxy = three_workers("traps", RunMode::PerProcess).start();
    let mut client = proxy.client();
    for path in ["/trap", "/traps-next"] {
        assert_eq!(client.request(&format!("GET {path}"), &[]).status(), 200);
    }
    capture_log().wait_for("/traps-next");
    assert_eq!(messages("traps").get("start"), Some(&2));
    proxy.shut_down();
}

/// The sample plugins, also where producer and consumer are of different generations.
#[test]
fn generations_share_queues() {
    capture_log();
    for consumer in [QUEUE_COMPONENT, QUEUE_LEGACY] {
        for producer in [QUEUE_COMPONENT, QUEUE_LEGACY] {
            let proxy = proxy()
                .workers(2)
                .guest(consumer, "consume jobs")
                .in_background(RunMode::PerWorker)
                .guest(producer, "produce jobs")
                .start();
            for number in 0..4 {
                let path = format!("/{consumer}-{producer}-{number}");
                let answer = proxy.client().request(&format!("GET {path}"), &[]);
                assert_eq!(answer.header("x-enqueued").as_deref(), Some("ok"), "{path}");
                let line = capture_log().wait_for(&format!("took {path} "));
                assert!(line.contains(&format!("plugin=\"{consumer}\"")), "{line}");
            }
            proxy.shut_down();
        }
    }
}
