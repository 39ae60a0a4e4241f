//! Servers that fail requests: what is sent again, and what is not.

use super::{Server, answers, before, counts, ok, response};
use proxywasm_tests::harness::{Client, Message, Proxy, chunked};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

#[test]
fn no_request_fails_while_servers_crash_and_come_back() {
    let mut servers = [Server::named("one"), Server::named("other")];
    let [one, other] = &servers;
    let proxy = before(&[one, other], "ejection: { failures: 5, time: 100ms }");
    let address = proxy.address();
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|number| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                let mut client = Client::connect(address);
                let mut served = 0;
                while !stop.load(Ordering::Relaxed) {
                    let response = client.request("GET /", &[]);
                    assert_eq!(response.status(), 200, "client {number}: {response:?}");
                    served += 1;
                }
                served
            })
        })
        .collect();
    for _ in 0..3 {
        for server in &mut servers {
            thread::sleep(Duration::from_millis(150));
            server.stop();
            thread::sleep(Duration::from_millis(150));
            server.start_again();
            // Until it is not left out any more.
            thread::sleep(Duration::from_millis(300));
        }
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        assert!(client.join().unwrap() > 0);
    }
    for server in &servers {
        assert!(server.seen() > 0);
    }
}

/// Requests to two servers in turn, of which the first fails, and statuses that the client gets, each for as many requests.
fn statuses(proxy: &Proxy, request: impl Fn(&mut Client) -> Message) -> Vec<u16> {
    let mut client = proxy.client();
    let mut statuses: Vec<u16> = (0..6).map(|_| request(&mut client).status()).collect();
    statuses.sort_unstable();
    statuses
}

const ALL: [u16; 6] = [200; 6];

fn half(status: u16) -> Vec<u16> {
    [[200; 3], [status; 3]].concat()
}

#[test]
fn what_is_sent_again() {
    let never_ejected = "ejection: { failures: 0 }";
    let get = |client: &mut Client| client.request("GET /", &[]);
    let post = |client: &mut Client| client.request_with_body("POST /", &[], b"body");
    let put = |client: &mut Client| client.request_with_body("PUT /", &[], b"body");
    let stream = |method: &'static str, bytes: usize| {
        move |client: &mut Client| {
            let head = format!("{method} / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n");
            let piece = vec![b'x'; bytes / 2];
            client.send(head).send(chunked(&[&piece, &piece], &[]));
            client.receive(false)
        }
    };
    let good = Server::start(|request| Some(ok(&request.body.len().to_string())));

    // The first refuses connections: nothing was sent, so anything is sent to the other one.
    let mut gone = Server::named("gone");
    gone.stop();
    let proxy = before(&[&gone, &good], never_ejected);
    assert_eq!(statuses(&proxy, get), ALL);
    assert_eq!(statuses(&proxy, post), ALL);
    assert_eq!(statuses(&proxy, stream("POST", 100_000)), ALL);
    let proxy = before(
        &[&gone, &good],
        "ejection: { failures: 0 }, retries: { attempts: 0 }",
    );
    assert_eq!(statuses(&proxy, get), half(502));

    // The first closes the connection when it has the request: what is idempotent, and still there, is sent again.
    let closes = Server::start(|_| None);
    let proxy = before(&[&closes, &good], never_ejected);
    assert_eq!(statuses(&proxy, get), ALL);
    assert_eq!(statuses(&proxy, put), ALL);
    assert_eq!(statuses(&proxy, stream("PUT", 10_000)), ALL);
    assert_eq!(statuses(&proxy, post), half(502));
    let proxy = before(
        &[&closes, &good],
        "ejection: { failures: 0 }, retries: { body: 5000 }",
    );
    assert_eq!(
        statuses(&proxy, stream("PUT", 10_000)),
        half(502),
        "more than is kept"
    );

    let proxy = before(
        &[&closes, &good],
        "ejection: { failures: 0 }, retries: { budget_min: 0, budget_percent: 0 }",
    );
    assert_eq!(statuses(&proxy, get), half(502), "there is no budget");

    // The first answers that it cannot.
    let busy = Server::start(|_| Some(response(503, "busy")));
    let proxy = before(&[&busy, &good], never_ejected);
    assert_eq!(statuses(&proxy, get), half(503), "that is an answer");
    let proxy = before(
        &[&busy, &good],
        "ejection: { failures: 0 }, retries: { statuses: [503] }",
    );
    assert_eq!(statuses(&proxy, get), ALL);
    assert_eq!(statuses(&proxy, stream("PUT", 10_000)), ALL);
    assert_eq!(statuses(&proxy, post), half(503));
    let proxy = before(
        &[&busy],
        "ejection: { failures: 0 }, retries: { statuses: [503] }",
    );
    let before_it = busy.seen();
    assert_eq!(
        answers(&proxy, 1),
        counts(&[("busy", 1)]),
        "what it says in the end"
    );
    assert_eq!(busy.seen() - before_it, 3);

    // The first does not answer.
    let hangs = Server::start(|_| {
        thread::sleep(Duration::from_secs(10));
        None
    });
    let proxy = before(
        &[&hangs, &good],
        "ejection: { failures: 0 }, retries: { per_try_timeout: 1s }",
    );
    let mut client = proxy.client();
    for _ in 0..2 {
        assert_eq!(client.request("GET /", &[]).status(), 200);
    }
}

#[test]
fn bodies_come_whole_the_second_time() {
    let closes = Server::start(|_| None);
    let good = Server::start(|request| Some(ok(&request.text())));
    let proxy = before(&[&closes, &good], "ejection: { failures: 0 }");
    let mut client = proxy.client();
    for _ in 0..4 {
        client.send("PUT / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n");
        client.send(chunked(&[b"first ", b"second ", b"third"], &[]));
        assert_eq!(client.receive(false).text(), "first second third");
    }
}
