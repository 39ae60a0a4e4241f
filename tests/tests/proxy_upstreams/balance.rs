//! Which server gets a request.

use super::{Server, answers, before, counts, ok};
use proxywasm_tests::harness::{Client, configured};
use std::collections::BTreeMap;
use std::sync::{Arc, Barrier};
use std::thread;

#[test]
fn by_turns_and_weights() {
    let [one, other] = [Server::named("one"), Server::named("other")];
    let proxy = configured(&format!(
        "
workers: 1
listeners: [{{ address: 127.0.0.1:0, routes: [{{ upstream: it }}] }}]
upstreams:
  - name: it
    endpoints: [{{ url: 'http://{}', weight: 2 }}, {{ url: 'http://{}' }}]
",
        one.address, other.address
    ));
    assert_eq!(answers(&proxy, 30), counts(&[("one", 20), ("other", 10)]));
}

#[test]
fn by_load() {
    // Nobody is answered before four requests are there.
    let gate = Arc::new(Barrier::new(4));
    let server = |name: &'static str| {
        let gate = Arc::clone(&gate);
        Server::start(move |_| {
            gate.wait();
            Some(ok(name))
        })
    };
    let [one, other] = [server("one"), server("other")];
    let proxy = before(&[&one, &other], "balance: least_request");
    let address = proxy.address();
    let clients: Vec<_> = (0..4)
        .map(|_| thread::spawn(move || Client::connect(address).request("GET /", &[]).text()))
        .collect();
    let mut seen = BTreeMap::new();
    for client in clients {
        *seen.entry(client.join().unwrap()).or_insert(0) += 1;
    }
    assert_eq!(seen, counts(&[("one", 2), ("other", 2)]));
}

#[test]
fn by_hash() {
    let mut servers = [Server::named("0"), Server::named("1"), Server::named("2")];
    let [zero, one, two] = &servers;
    let proxy = before(
        &[zero, one, two],
        "balance: hash, hash: { header: x-user }, retries: { attempts: 1 }",
    );
    let ask = |user: usize| {
        let user = format!("user-{user}");
        proxy.client().request("GET /", &[("x-user", &user)]).text()
    };
    let first: Vec<String> = (0..30).map(ask).collect();
    for name in ["0", "1", "2"] {
        assert!(
            first.iter().any(|other| other == name),
            "nobody is sent to {name}"
        );
    }
    assert_eq!(
        (0..30).map(ask).collect::<Vec<_>>(),
        first,
        "each stays where it was"
    );
    // When a server goes, only those move that it had; when it is back, so are they.
    servers[1].stop();
    for (user, before) in first.iter().enumerate() {
        let now = ask(user);
        assert!(
            now == *before || before == "1" && now != "1",
            "{user}: {before} {now}"
        );
    }
}

#[test]
fn all_addresses_of_a_name() {
    let server = Server::named("it");
    let proxy = configured(&format!(
        "
workers: 1
listeners: [{{ address: 127.0.0.1:0, upstream: it }}]
upstreams: [{{ name: it, url: 'http://localhost:{}', resolve_interval: 50ms }}]
",
        server.address.port()
    ));
    // Where it has an IPv6 address too, nobody listens there, and the other one is tried.
    assert_eq!(answers(&proxy, 10), counts(&[("it", 10)]));
}

#[test]
fn a_name_that_nothing_has() {
    let proxy = configured(
        "
workers: 1
listeners: [{ address: 127.0.0.1:0, upstream: it }]
upstreams: [{ name: it, url: 'http://nobody.invalid:80' }]
",
    );
    let response = proxy.client().request("GET /", &[]);
    assert_eq!(
        (response.status(), response.text().as_str()),
        (503, "the upstream has no server\n")
    );
}

#[test]
fn calls_of_plugins_are_balanced() {
    let [one, other] = [Server::named("one"), Server::named("other")];
    let proxy = configured(&format!(
        "
workers: 1
listeners: [{{ address: 127.0.0.1:0, plugins: [call] }}]
upstreams:
  - name: auth
    endpoints: [{{ url: 'http://{}' }}, {{ url: 'http://{}' }}]
plugins: [{{ name: call, file: call_component.wasm, configuration: auth authz 10000 }}]
",
        one.address, other.address
    ));
    let mut client = proxy.client();
    for _ in 0..6 {
        // The plugin's second call has nowhere to go, and fails.
        assert_eq!(client.request("GET /", &[]).status(), 503);
    }
    assert_eq!((one.seen(), other.seen()), (3, 3));
}
