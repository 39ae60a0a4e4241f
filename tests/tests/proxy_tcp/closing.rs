//! How streams end before their peers do it: plugins, failures, idleness, shutdown.

use crate::plugins::plugin;
use crate::{accept, connect, echo, exactly, rest, upstream};
use proxywasm_host::{FailurePolicy, PluginConfig};
use proxywasm_tests::harness::{capture_log, proxy};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// The connection was reset: its peer cannot take that for an end.
fn assert_reset(stream: &mut TcpStream) {
    let error = stream.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
}

#[test]
fn in_order_by_a_plugin() {
    // The last words of the plugin follow those of the upstream, and both connections end.
    for side in ["downstream", "upstream"] {
        let upd = format!(
            "(call $put (local.get $ctx) (i32.const 2) (i32.const -1) (i32.const 6) (i32.const 2))
             (drop (call $close_{side} (local.get $ctx))) FORWARD_"
        );
        let (listener, address) = upstream();
        let proxy = proxy()
            .tcp_upstream(address)
            .wasm("closing", &plugin(&[("upd", &upd)]))
            .start();
        let mut client = connect(proxy.address());
        client.write_all(b"hello").unwrap();
        let mut server = accept(&listener);
        assert_eq!(exactly(&mut server, 5), b"hello");
        server.write_all(b"good").unwrap();
        assert_eq!(rest(&mut client), b"goodby", "{side}");
        assert_eq!(rest(&mut server), b"", "{side}");
    }
}

#[test]
fn at_once_by_a_plugin() {
    let dnd = "(if (result i32) (i32.gt_u (local.get $size) (i32.const 3)) (then CLOSE_) (else FORWARD_))";
    let (listener, address) = upstream();
    let proxy = proxy()
        .tcp_upstream(address)
        .wasm("closing", &plugin(&[("dnd", dnd)]))
        .start();
    let mut client = connect(proxy.address());
    client.write_all(b"abc").unwrap();
    let mut server = accept(&listener);
    assert_eq!(exactly(&mut server, 3), b"abc");
    client.write_all(b"abcd").unwrap();
    assert_reset(&mut client);
    assert_reset(&mut server);
}

#[test]
fn a_client_that_is_turned_away() {
    // In order, or by reset; the upstream hears nothing of it.
    for (body, resets) in [
        ("(drop (call $close_downstream (local.get $ctx))) PAUSE_", false),
        ("CLOSE_", true),
    ] {
        let (listener, address) = upstream();
        listener.set_nonblocking(true).unwrap();
        let proxy = proxy()
            .tcp_upstream(address)
            .wasm("porter", &plugin(&[("con", body)]))
            .start();
        let mut client = connect(proxy.address());
        if resets {
            assert_reset(&mut client);
        } else {
            assert_eq!(rest(&mut client), b"");
        }
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn a_peer_that_breaks_off_breaks_the_other() {
    // Bytes that were not read, when a connection is closed, reset it.
    for chain in [
        vec![],
        vec![crate::plugins::forwarding()],
        vec![crate::plugins::done()],
    ] {
        let (listener, address) = upstream();
        let mut builder = proxy().tcp_upstream(address);
        for wasm in &chain {
            builder = builder.wasm("it", wasm);
        }
        let proxy = builder.start();
        let pair = || {
            let mut client = connect(proxy.address());
            client.write_all(b"abc").unwrap();
            let mut server = accept(&listener);
            assert_eq!(exactly(&mut server, 1), b"a");
            server.write_all(b"def").unwrap();
            assert_eq!(exactly(&mut client, 1), b"d");
            (client, server)
        };
        let (client, mut server) = pair();
        drop(client);
        exactly(&mut server, 2);
        assert_reset(&mut server);
        let (mut client, server) = pair();
        drop(server);
        exactly(&mut client, 2);
        assert_reset(&mut client);
    }
}

#[test]
fn an_upstream_that_does_not_answer() {
    let log = capture_log();
    // A port where nobody listens.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let fin = plugin(&[("con", "FORWARD_"), ("fin", "(call $log (i32.const 4))")]);
    let proxy = proxy().tcp_upstream(address).wasm("unheard", &fin).start();
    assert_reset(&mut connect(proxy.address()));
    log.wait_for(&format!("no connection to the upstream {address}"));
    let line = log.wait_for("unheard");
    assert!(line.contains("ok"), "the plugin says goodbye: {line}");
}

#[test]
fn a_plugin_that_fails() {
    let trap = plugin(&[("con", "FORWARD_"), ("dnd", "(unreachable)")]);
    for failure in [FailurePolicy::Closed, FailurePolicy::Open, FailurePolicy::Reload] {
        let config = PluginConfig {
            failure,
            ..PluginConfig::new("sick")
        };
        let proxy = proxy().tcp_upstream(echo()).wasm_with(&trap, config).start();
        let mut client = connect(proxy.address());
        client.write_all(b"abc").unwrap();
        if failure == FailurePolicy::Open {
            assert_eq!(exactly(&mut client, 3), b"abc");
        } else {
            assert_reset(&mut client);
        }
        // The next one finds a fresh instance, or none until it may be started again.
        let mut next = connect(proxy.address());
        if failure == FailurePolicy::Reload {
            assert_reset(&mut next);
        } else {
            next.write_all(b"abc").unwrap();
        }
    }
}

#[test]
fn what_is_idle_ends() {
    for chain in [vec![], vec![crate::plugins::forwarding()]] {
        let (listener, address) = upstream();
        let mut builder = proxy().tcp_upstream_within(address, Duration::from_millis(100));
        for wasm in &chain {
            builder = builder.wasm("it", wasm);
        }
        let proxy = builder.start();
        let mut client = connect(proxy.address());
        client.write_all(b"abc").unwrap();
        let mut server = accept(&listener);
        assert_eq!(exactly(&mut server, 3), b"abc");
        assert_eq!(rest(&mut client), b"");
        assert_eq!(rest(&mut server), b"");
    }
}

#[test]
fn connections_end_before_the_proxy_does() {
    let log = capture_log();
    let fin = plugin(&[("dnd", "FORWARD_"), ("fin", "(call $log (i32.const 4))")]);
    // A client that leaves in time, and one that never does.
    for (name, leaves) in [("leaving", true), ("staying", false)] {
        let proxy = proxy().tcp_upstream(echo()).wasm(name, &fin).start();
        let address = proxy.address();
        let mut client = connect(address);
        client.write_all(b"abc").unwrap();
        assert_eq!(exactly(&mut client, 3), b"abc");
        let stopping = std::thread::spawn(move || proxy.shut_down());
        while TcpStream::connect(address).is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
        // It is still served.
        client.write_all(b"def").unwrap();
        assert_eq!(exactly(&mut client, 3), b"def");
        let mut client = Some(client);
        client.take_if(|_| leaves);
        stopping.join().unwrap();
        let line = log.lines().into_iter().find(|line| line.contains(name));
        assert!(
            line.is_some_and(|line| line.contains("ok")),
            "{name}: its last callback came"
        );
    }
}
