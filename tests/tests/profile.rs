//! Profiles of plugins that serve.
#![cfg(test)]

use prost::Message;
use proxywasm_tests::harness::{Client, Proxy, proxy, wait_until};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Spends far more time in `hot` than in `cold`.
const BUSY: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "proxy_abi_version_2021_04"))
    (func $spin (param $rounds i32)
        (loop $again
            (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
            (br_if $again (local.get $rounds))))
    (func $hot (call $spin (i32.const 200000)))
    (func $cold (call $spin (i32.const 2000)))
    (func $headers (export "proxy_on_http_request_headers") (param i32 i32 i32) (result i32)
        (call $hot) (call $cold) (i32.const 0)))"#;

/// What of the messages of pprof this test looks at.
#[derive(Clone, PartialEq, Message)]
struct Pprof {
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(string, repeated, tag = "6")]
    strings: Vec<String>,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(int64, tag = "12")]
    period: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    locations: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    values: Vec<i64>,
}

fn busy() -> Proxy {
    let wasm = wat::parse_str(BUSY).unwrap();
    proxy()
        .wasm("busy", &wasm)
        .wasm("other", &wasm)
        .workers(2)
        .admin()
        .start()
}

fn ask(admin: SocketAddr, path: &str) -> (u16, Vec<u8>) {
    let answer = Client::connect(admin).request(&format!("GET {path}"), &[("host", "localhost")]);
    (answer.status(), answer.body.clone())
}

/// Asks while clients keep the workers busy.
fn under_load<R>(proxy: &Proxy, work: impl FnOnce() -> R) -> R {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = proxy.client();
                while !is_over.load(Ordering::Relaxed) {
                    assert_eq!(client.request("GET /", &[]).status(), 200);
                }
            });
        }
        let result = work();
        is_over.store(true, Ordering::Relaxed);
        result
    })
}

#[test]
fn time_is_where_it_is_spent() {
    let proxy = busy();
    let admin = proxy.admin_address().unwrap();
    let (folded, pprof) = under_load(&proxy, || {
        (
            ask(admin, "/plugins/busy/profile?seconds=2&format=folded"),
            ask(admin, "/plugins/busy/profile?seconds=1"),
        )
    });
    assert_eq!(folded.0, 200);
    let text = String::from_utf8(folded.1).unwrap();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for line in text.lines() {
        let (stack, count) = line.rsplit_once(' ').unwrap();
        let count: u64 = count.parse().unwrap();
        *counts.entry(stack).or_default() += count;
    }
    let of = |part: &str| {
        let found = counts.iter().filter(|(stack, _)| stack.contains(part));
        found.map(|(_, count)| count).sum::<u64>()
    };
    let hot = of("on_http_request_headers;headers;hot");
    assert!(hot > 0, "{text}");
    assert!(hot > 5 * of(";cold"), "{text}");
    // A worker may get its first stream, and so its instance, meanwhile.
    let is_root = |line: &str| line.starts_with("on_") || line.starts_with("start");
    assert!(text.lines().all(is_root), "{text}");

    assert_eq!(pprof.0, 200);
    let pprof = Pprof::decode(&*pprof.1).unwrap();
    assert!(!pprof.samples.is_empty());
    assert!(pprof.strings.iter().any(|name| name == "hot"));
    assert!(pprof.period > 0 && pprof.duration_nanos >= 1_000_000_000);
    for sample in &pprof.samples {
        assert_eq!(sample.values[1], sample.values[0] * pprof.period);
    }
}

#[test]
fn nobody_ran() {
    let proxy = busy();
    let admin = proxy.admin_address().unwrap();
    let folded = ask(admin, "/plugins/busy/profile?seconds=1&format=folded");
    assert_eq!(folded, (200, Vec::new()));
    let (status, pprof) = ask(admin, "/plugins/busy/profile?seconds=1");
    assert_eq!(status, 200);
    assert!(Pprof::decode(&*pprof).unwrap().samples.is_empty());
}

#[test]
fn what_is_refused() {
    let proxy = busy();
    let admin = proxy.admin_address().unwrap();
    for (path, status) in [
        ("/plugins/nobody/profile?seconds=1", 404),
        ("/plugins/busy/profile?seconds=0", 400),
        ("/plugins/busy/profile?seconds=61", 400),
        ("/plugins/busy/profile?format=svg", 400),
    ] {
        assert_eq!(ask(admin, path).0, status, "{path}");
    }
    let mut first = Client::connect(admin);
    first.send("GET /plugins/busy/profile?seconds=60 HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let status = || ask(admin, "/plugins/busy/profile?seconds=1").0;
    wait_until("a profile goes on", || status() == 409);
    assert_eq!(
        ask(admin, "/plugins/other/profile?seconds=1").0,
        200,
        "another one is another matter"
    );
    // A client that leaves ends it.
    drop(first);
    wait_until("the profile has ended", || status() == 200);
}
