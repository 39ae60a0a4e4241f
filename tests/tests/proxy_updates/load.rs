//! Updates under load.

use crate::counter;
use proxywasm_tests::harness::{Client, ConfigFolder};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Stops the clients when it goes.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Clients that never cease, on connections that stay and on new ones, while everything changes twenty times: each request is answered by
/// some version.
#[test]
fn no_request_fails() {
    let text = |round: u32| {
        let accept = ["per_worker", "one_acceptor"][round as usize % 2];
        let extra = match round % 3 {
            0 => String::new(),
            _ => format!("  - {{ address: '127.0.0.1:0', accept: {accept} }}\n"),
        };
        format!(
            "
workers: 2
listeners:
  - {{ address: '127.0.0.1:0', plugins: [p, stays] }}
{extra}plugins:
  - {{ name: p, file: p.wasm, configuration: '{}' }}
  - {{ name: stays, file: stays.wasm }}
",
            round
        )
    };
    let pass = |round: u32| {
        format!(
            r#"(module (memory (export "memory") 1) (global (export "g") i32 (i32.const {round}))
            (func (export "proxy_abi_version_2021_04"))
            (func (export "proxy_on_http_request_headers") (param i32 i32 i32) (result i32) (i32.const 0)))"#
        )
    };
    let folder = ConfigFolder::new(&text(0));
    folder.put_wat("p.wasm", &pass(0));
    // Its count is in the hundreds, so statuses would not do; it only has to live on.
    folder.put_wat("stays.wasm", &pass(1000));
    folder.put_wat("counter.wasm", &counter(210));
    let proxy = folder.start_quietly();
    let address = proxy.address();
    let stop = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        // Also where an assertion fails.
        let stops = Stops(&stop);
        for kept in [true, true, false, false] {
            let (stop, answered) = (&stop, &answered);
            scope.spawn(move || {
                let mut client = Client::connect(address);
                while !stop.load(Ordering::Relaxed) {
                    if !kept {
                        client = Client::connect(address);
                    }
                    let answer = client.request_with_body("POST /", &[], b"abc");
                    assert_eq!((answer.status(), answer.text().as_str()), (200, "abc"));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 1..=20 {
            let before = answered.load(Ordering::Relaxed);
            if round % 2 == 0 {
                proxy.folder().put_wat("p.wasm", &pass(round));
            }
            let changes = proxy.update(&text(round));
            assert!(!changes.is_empty(), "{round}");
            proxywasm_tests::harness::wait_until("requests go on", || {
                answered.load(Ordering::Relaxed) > before + 8
            });
        }
        drop(stops);
    });
    assert_eq!(proxy.generation(), 21);
    let snapshot = proxy.runner().snapshot();
    let stays = snapshot
        .plugins
        .iter()
        .find(|plugin| plugin.plugin.name() == "stays");
    assert_eq!(stays.unwrap().generation, 1);
    proxywasm_tests::harness::wait_until("the old ones are gone", || {
        proxy.runner().snapshot().plugins.len() == 2
    });
}
