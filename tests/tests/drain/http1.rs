//! Connections of HTTP/1.1.

use super::{LONG, SHORT, held, settings};
use proxywasm_tests::guests::HEADERS_LEGACY;
use proxywasm_tests::harness::{Curl, proxy};

#[test]
fn clients_are_told_while_connections_are_accepted() {
    for guests in [&[][..], &[HEADERS_LEGACY]] {
        for workers in [1, 2] {
            let proxy = proxy()
                .guests(guests)
                .workers(workers)
                .drain(settings(LONG, LONG, LONG))
                .start();
            let address = proxy.address();
            let mut client = proxy.client();
            let before = client.request("GET /", &[]);
            assert_eq!((before.status(), before.header("connection")), (200, None));
            let stopping = proxy.begin_to_stop();
            stopping.wait_until_told();
            let after = client.request("GET /", &[]);
            let told = Some("close".to_owned());
            assert_eq!((after.status(), after.header("connection")), (200, told));
            assert!(client.is_closed());
            if Curl::is_installed() {
                let answer = Curl::run(&[&format!("http://{address}/")]);
                assert_eq!(answer.status, 200, "{answer:?}");
                assert!(answer.head.contains("connection: close"), "{answer:?}");
            }
            stopping.cut_short();
        }
    }
}

#[test]
fn idle_connections_are_closed() {
    let proxy = proxy().drain(settings(LONG, LONG, SHORT)).start();
    let mut used = proxy.client();
    used.request("GET /", &[]);
    let mut fresh = proxy.client();
    let stopping = proxy.begin_to_stop();
    assert!(used.is_closed());
    assert!(fresh.is_closed());
    stopping.cut_short();
}

#[test]
fn one_acceptor_hands_over_who_has_connected() {
    let proxy = proxy()
        .one_acceptor()
        .workers(2)
        .drain(settings(SHORT, LONG, LONG))
        .start();
    let mut clients: Vec<_> = (0..20).map(|_| proxy.client()).collect();
    let stopping = proxy.begin_to_stop();
    stopping.wait_until_closed();
    for client in &mut clients {
        let answer = client.request("GET /", &[]);
        assert_eq!(answer.header("connection").as_deref(), Some("close"));
    }
    stopping.end();
}

#[test]
fn a_request_under_way_is_answered() {
    let (origin, release) = held();
    let proxy = proxy()
        .upstream(origin.address())
        .guest(HEADERS_LEGACY, "")
        .drain(settings(SHORT, LONG, SHORT))
        .start();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    origin.received();
    let stopping = proxy.begin_to_stop();
    stopping.wait_until_closed();
    release.send(()).unwrap();
    let answer = client.receive(false);
    assert_eq!((answer.status(), answer.text().as_str()), (200, "done"));
    assert_eq!(answer.header("connection").as_deref(), Some("close"));
    stopping.end();
}
