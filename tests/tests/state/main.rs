//! What outlives a request, with real plugins in runners of their own: stores, queues, timers; in the memory of a runner and on Redis.
//!
//! Tests with Redis start a server of their own. Where none is installed they say so and pass.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has to fail, and says why"
)]

mod clocks;
mod counting;
mod lost_process;
mod outage;
mod process;
mod queues;
mod restart;

use process::Process;
use proxywasm_redis::test_server::TestServer;
use proxywasm_tests::guests;
use proxywasm_tests::harness::Client;
use std::net::SocketAddr;

/// The part of a configuration that puts stores and queues on a server. No request is given up, however slow the machine: what is
/// counted has to be exact.
fn on_redis(server: &TestServer) -> String {
    format!(
        "redis: {{ url: '{}', bound: 20s, patience: 20s, lease: 60s }}\n",
        server.url()
    )
}

/// An entry of `plugins`.
fn plugin(name: &str, guest: &str, configuration: &str) -> String {
    let file = guests::path(guest);
    let file = file.display();
    // Many turns in one callback take their time in a build for tests; and some trap at each refusal while a server is away.
    format!(
        "  - {{ name: {name}, file: '{file}', configuration: '{configuration}', deadlines: {{ callback: 10s }}, crash_loop: {{ failures: 4000000000 }} }}\n"
    )
}

/// One request for each client at a time, as many as each is to make, all clients at once.
fn load(
    clients: impl IntoIterator<Item = SocketAddr>,
    requests: usize,
    request: impl Fn(usize, usize, &mut Client) + Sync,
) {
    // All are connected before the first request, so that an acceptor spreads them over the workers.
    let mut clients: Vec<Client> = clients.into_iter().map(Client::connect).collect();
    std::thread::scope(|scope| {
        for (number, client) in clients.iter_mut().enumerate() {
            let request = &request;
            scope.spawn(move || (0..requests).for_each(|turn| request(number, turn, client)));
        }
    });
}

/// What the sample plugin `store_*` answers: the count, or why there is none.
fn count(client: &mut Client, path: &str, times: usize) -> Result<u64, String> {
    let times = times.to_string();
    let answer = client.request(&format!("GET {path}"), &[("x-times", &times)]);
    assert_eq!(answer.status(), 200, "{answer:?}");
    let count = answer
        .header("x-count")
        .unwrap_or_else(|| panic!("no count: {answer:?}"));
    count.parse().map_err(|_| count)
}
