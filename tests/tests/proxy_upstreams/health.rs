//! Servers that are left out, and used again.

use super::{Server, answers, before, counts, ok, response, until};
use proxywasm_tests::harness::Message;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn checks_over_http() {
    let well = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&well);
    let one = Server::start(move |request: &Message| {
        Some(match (request.start.as_str(), told.load(Ordering::Relaxed)) {
            ("GET /health HTTP/1.1", true) => response(204, ""),
            ("GET /health HTTP/1.1", false) => response(500, ""),
            _ => ok("one"),
        })
    });
    let other = Server::named("other");
    let proxy = before(
        &[&one, &other],
        "health_check: { path: /health, interval: 50ms, timeout: 50ms, unhealthy_after: 2, healthy_after: 2 }, ejection: { failures: 0 }",
    );
    let only_other = || answers(&proxy, 4) == counts(&[("other", 4)]);
    let both = || answers(&proxy, 4) == counts(&[("one", 2), ("other", 2)]);
    until("both are well", both);
    well.store(false, Ordering::Relaxed);
    until("one is not well", only_other);
    well.store(true, Ordering::Relaxed);
    until("both are well again", both);
}

#[test]
fn checks_of_connections() {
    let mut one = Server::named("one");
    let other = Server::named("other");
    let proxy = before(
        &[&one, &other],
        "health_check: { interval: 50ms, timeout: 50ms, unhealthy_after: 1, healthy_after: 1 }, ejection: { failures: 0 }",
    );
    let both = || answers(&proxy, 4) == counts(&[("one", 2), ("other", 2)]);
    until("both are there", both);
    one.stop();
    until("one is gone", || answers(&proxy, 4) == counts(&[("other", 4)]));
    one.start_again();
    until("both are there again", both);
}

#[test]
fn failures_in_a_row() {
    let one = Server::start(|_| Some(response(503, "busy")));
    let [other, third] = [Server::named("other"), Server::named("third")];
    let proxy = before(&[&one, &other, &third], "ejection: { failures: 2, time: 1h }");
    assert_eq!(
        answers(&proxy, 30),
        counts(&[("busy", 2), ("other", 14), ("third", 14)])
    );
    assert_eq!(one.seen(), 2);
}

#[test]
fn when_most_have_failed_all_are_used() {
    let mut one = Server::named("one");
    let mut other = Server::named("other");
    one.stop();
    other.stop();
    let proxy = before(
        &[&one, &other],
        "ejection: { failures: 1, time: 1h }, retries: { attempts: 0 }",
    );
    let mut client = proxy.client();
    for _ in 0..4 {
        assert_eq!(client.request("GET /", &[]).status(), 502);
    }
    one.start_again();
    other.start_again();
    assert_eq!(answers(&proxy, 4), counts(&[("one", 2), ("other", 2)]));
}
