//! Background plugins.

use crate::common::{request, show};
use proxywasm_host::*;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A host, its plugins and what they log.
struct Bench {
    host: Host,
    plugins: Vec<Plugin>,
    services: Services,
    log: Arc<MemorySink>,
}

impl Bench {
    /// Plugins called `p0`, `p1`, ...
    fn new(guests: &[String], change: impl Fn(&mut PluginConfig)) -> Self {
        let engine = Engine::new(EngineSettings::default()).unwrap();
        let log = Arc::new(MemorySink::default());
        let services = Services::from(Arc::clone(&log));
        let plugins = guests.iter().enumerate().map(|(index, guest)| {
            let mut config = PluginConfig::new(format!("p{index}"));
            config.configuration = format!("{index}").into();
            change(&mut config);
            let code = engine.load(&wat::parse_str(guest).unwrap()).unwrap();
            Plugin::new(&engine, code, config, &services).unwrap()
        });
        let plugins = plugins.collect();
        log.take();
        Self {
            host: Host::new(services.clone()),
            plugins,
            services,
            log,
        }
    }

    fn keep_running(&mut self, plugin: usize) {
        self.host.keep_running(&self.plugins[plugin]);
    }

    /// Puts an item into the queue `q`, and delivers it.
    fn send(&mut self, item: &str) {
        let queue = self.services.queues.open("", b"q", false).unwrap();
        queue.enqueue(item.as_bytes()).unwrap();
        self.host.handle_wake();
    }

    fn log(&self) -> String {
        let messages = self.log.take().into_iter().map(|(_, message)| message);
        messages.collect::<Vec<_>>().join(" ")
    }

    /// Whether the host wants to be called after so many seconds, or up to half as many more, since a time after which it was called
    /// last.
    fn is_due_after(&self, since: Instant, seconds: f64) -> bool {
        let deadline = self.host.next_deadline().unwrap();
        let latest = deadline.duration_since(since).as_secs_f64();
        let earliest = deadline.duration_since(since.max(Instant::now())).as_secs_f64();
        latest >= seconds && earliest <= 1.5 * seconds
    }

    /// Calls the host at its next deadline.
    fn pass_deadline(&mut self) {
        let deadline = self.host.next_deadline().unwrap();
        self.host.handle_deadline(deadline);
    }
}

/// A plugin that logs `start` and the number in its configuration when it starts, and opens the queue `q`. Of an item it logs what it is,
/// and then does as the item says: `trap`. Request headers and its end are logged as `headers` and `end`.
fn guest(start: &str) -> String {
    format!(
        r#"(module
        (import "wasi-queue" "open_shared_queue" (func $open (param i32 i32 i32 i32) (result i32)))
        (import "wasi-queue" "dequeue_shared_queue_item" (func $dequeue (param i32 i32 i32 i32) (result i32)))
        (import "wasi-common" "get_buffer" (func $get_buffer (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (import "wasi-log" "log" (func $log (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "qstart?headersend")
        ;; Iovecs: 32 `q`; 40 `start` and the number; 48 `headers`; 56 `end`; 64 the place of an item at 512; 72 the item
        (data (i32.const 32) "\00\00\00\00\01\00\00\00\01\00\00\00\06\00\00\00\07\00\00\00\07\00\00\00\0e\00\00\00\03\00\00\00")
        (data (i32.const 64) "\00\02\00\00\08\00\00\00\00\02\00\00\00\00\00\00")
        ;; 80: the place of the number
        (data (i32.const 80) "\06\00\00\00\01\00\00\00")
        (func (export "proxy_abi_version_2021_04"))
        (func $say (param $iovec i32) (drop (call $log (i32.const 2) (local.get $iovec) (i32.const 1))))
        (func (export "proxy_on_plugin_start") (param $plugin i32) (param $size i32) (result i32)
            (drop (call $get_buffer (local.get $plugin) (i32.const 0) (i32.const 0) (i32.const -1)
                (i32.const 80) (i32.const 1) (i32.const 88)))
            (call $say (i32.const 40))
            (drop (call $open (i32.const 32) (i32.const 1) (i32.const 1) (i32.const 96)))
            {start})
        (func (export "proxy_on_plugin_shutdown") (param i32) (result i32) (call $say (i32.const 56)) (i32.const 1))
        (func (export "proxy_on_http_request_headers") (param i32 i32 i32) (result i32)
            (call $say (i32.const 48)) (i32.const 0))
        (func (export "proxy_on_shared_queue_ready") (param $queue i32)
            (drop (call $dequeue (local.get $queue) (i32.const 64) (i32.const 1) (i32.const 76)))
            (call $say (i32.const 72))
            (if (i32.eq (i32.load (i32.const 512)) (i32.const 0x70617274)) (then unreachable))))"#
    )
}

fn outputs(host: &mut Host, stream: StreamId) -> Vec<String> {
    std::iter::from_fn(|| host.next_output(stream))
        .map(|output| show(&output))
        .collect()
}

fn well() -> String {
    guest("(i32.const 1)")
}

#[test]
fn it_lives_without_streams() {
    for instances in [InstanceStrategy::Shared, InstanceStrategy::FreshPerStream] {
        let mut bench = Bench::new(&[well()], |config| config.instances = instances);
        bench.keep_running(0);
        bench.keep_running(0);
        assert_eq!(bench.log(), "start0", "once, and at once");
        assert_eq!(bench.host.next_deadline(), None);
        bench.send("one");
        bench.send("two");
        assert_eq!(bench.log(), "one two");
        bench.host.shut_down(&bench.plugins[0].clone());
        assert_eq!(bench.log(), "end");
        bench.send("three");
        assert_eq!((bench.log(), bench.host.next_deadline()), (String::new(), None));
        bench.keep_running(0);
        bench.host.handle_wake();
        assert_eq!(bench.log(), "start0 three");
    }
}

#[test]
fn after_a_trap_it_is_started_again() {
    let mut bench = Bench::new(&[well()], |_| ());
    bench.keep_running(0);
    bench.log();
    // Each failure doubles the time, up to a minute, and up to half of it is added.
    for seconds in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
        let since = Instant::now();
        bench.send("trap");
        assert_eq!(bench.log(), "trap");
        bench.send("item");
        assert_eq!(bench.log(), "", "it is not there");
        assert!(bench.is_due_after(since, seconds), "{seconds}");
        bench.pass_deadline();
        bench.host.handle_wake();
        assert_eq!(bench.log(), "start0 item", "nothing was lost");
        assert_eq!(bench.host.next_deadline(), None);
    }
}

#[test]
fn one_that_does_not_start_is_tried_again() {
    // It starts once, when it proves itself: the queue `q` of the host is not empty afterwards.
    let refuses = guest(
        "(i32.eqz (i32.eqz (call $dequeue (i32.load (i32.const 96)) (i32.const 64) (i32.const 1) (i32.const 76))))",
    );
    let mut bench = Bench::new(&[refuses], |_| ());
    let queue = bench.services.queues.open("", b"q", true).unwrap();
    let fill = || queue.enqueue(b"x").unwrap();
    fill();
    let mut since = Instant::now();
    bench.keep_running(0);
    for seconds in [1.0, 2.0, 4.0] {
        assert_eq!(bench.log(), "start0");
        assert!(bench.is_due_after(since, seconds), "{seconds}");
        fill();
        since = bench.host.next_deadline().unwrap();
        bench.pass_deadline();
    }
    bench.log();
    while queue.take().is_ok() {}
    bench.pass_deadline();
    assert_eq!(
        (bench.log(), bench.host.next_deadline()),
        ("start0".to_owned(), None)
    );
}

#[test]
fn several_in_one_host() {
    // The first two share an instance, the third has one of its own.
    let own = well().replace("\"qstart?", "\"rstart?");
    let mut bench = Bench::new(&[well(), well(), own], |_| ());
    (0..3).for_each(|plugin| bench.keep_running(plugin));
    assert_eq!(bench.log(), "start0 start1 start2");
    bench.send("trap");
    assert_eq!(bench.log(), "trap");
    bench.pass_deadline();
    bench.pass_deadline();
    let mut started: Vec<String> = bench.log().split(' ').map(str::to_owned).collect();
    started.sort();
    assert_eq!(
        started,
        ["start0", "start1"],
        "who shares an instance loses it too"
    );
    assert_eq!(bench.host.next_deadline(), None);
    let second = bench.plugins[1].clone();
    bench.host.shut_down(&second);
    assert_eq!(bench.log(), "end");
    bench.send("trap");
    bench.pass_deadline();
    assert_eq!(bench.log(), "trap start0", "the second is not kept any longer");
    bench.host.shut_all_down();
    assert_eq!(bench.log(), "end end");
    assert_eq!(bench.host.next_deadline(), None);
}

#[test]
fn one_that_waits_is_not_started_after_its_end() {
    let mut bench = Bench::new(&[well()], |_| ());
    bench.keep_running(0);
    bench.send("trap");
    bench.log();
    assert!(bench.host.next_deadline().is_some());
    bench.host.shut_down(&bench.plugins[0].clone());
    bench
        .host
        .handle_deadline(Instant::now() + Duration::from_secs(100));
    assert_eq!((bench.log(), bench.host.next_deadline()), (String::new(), None));
}

#[test]
fn one_that_is_kept_again_while_it_ends_is_started_again() {
    // The first one puts its end off; alone in its instance, or with the second one.
    let slow = well().replace(
        "(call $say (i32.const 56)) (i32.const 1))",
        "(call $say (i32.const 56)) (i32.const 0))",
    );
    for others in [0, 1] {
        let mut bench = Bench::new(&[slow.clone(), slow.clone()], |_| ());
        (0..=others).for_each(|plugin| bench.keep_running(plugin));
        bench.log();
        let first = bench.plugins[0].clone();
        bench.host.shut_down(&first);
        assert_eq!(bench.log(), "end");
        bench.keep_running(0);
        assert_eq!(bench.log(), "", "it has not ended yet");
        bench.pass_deadline();
        assert!(!bench.host.is_ending(), "it is not waited for any longer");
        while bench.host.next_deadline().is_some() {
            bench.pass_deadline();
        }
        assert_eq!(bench.log(), "start0", "with {others} others");
    }
}

/// Streams need not wait for the back-off, and a stream's plugin in the same instance does not start the other one.
#[test]
fn streams_of_the_same_instance() {
    let mut bench = Bench::new(&[well(), well()], |_| ());
    bench.keep_running(0);
    bench.send("trap");
    bench.log();
    let chain = FilterChain::new(vec![bench.plugins[1].clone()]);
    let stream = bench.host.open(&chain, None);
    bench.host.request_headers(stream, request(), true);
    assert_eq!(bench.log(), "start1 headers");
    assert_eq!(outputs(&mut bench.host, stream), ["rqh!"]);
    bench.pass_deadline();
    assert_eq!(bench.log(), "start0");
    bench.send("trap");
    assert_eq!(
        outputs(&mut bench.host, stream),
        ["abandoned", "rsh:503", "rsb:Service Unavailable\n!"]
    );
    bench.host.finish(stream);
    assert_eq!(bench.log(), "trap");
    assert!(bench.host.next_deadline().is_some());
}
