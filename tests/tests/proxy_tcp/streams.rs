//! Bytes in both directions, ends of each, and pauses.

use crate::plugins::{done, forwarding, holding, plugin};
use crate::{accept, connect, echo, exactly, random, rest, upstream};
use proxywasm_tests::harness::proxy;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;

/// Chains that change nothing.
fn chains() -> [Vec<Vec<u8>>; 6] {
    [
        vec![],
        vec![done()],
        vec![forwarding()],
        vec![holding()],
        vec![forwarding(), holding(), forwarding()],
        vec![done(), holding()],
    ]
}

/// Sends in the background and reads at once, to the end.
fn exchange(client: &mut TcpStream, sent: &[u8]) -> Vec<u8> {
    let mut writer = client.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            // Pieces of all sizes.
            let (mut left, mut size) = (sent, 1);
            while !left.is_empty() {
                let (now, later) = left.split_at(size.min(left.len()));
                writer.write_all(now).unwrap();
                (left, size) = (later, size * 3 % 300_007);
            }
            writer.shutdown(Shutdown::Write).unwrap();
        });
        rest(client)
    })
}

#[test]
fn every_byte_arrives_both_ways() {
    let upstream = echo();
    let sent = random(9 << 20, 7);
    for (number, chain) in chains().into_iter().enumerate() {
        let mut builder = proxy().tcp_upstream(upstream);
        for wasm in &chain {
            builder = builder.wasm("it", wasm);
        }
        let proxy = builder.start();
        let mut client = connect(proxy.address());
        let received = exchange(&mut client, &sent);
        // No assert_eq: nobody wants to read nine mebibytes.
        assert_eq!(received.len(), sent.len(), "chain {number}");
        assert!(received == sent, "chain {number}");
    }
}

#[test]
fn sample_plugins_of_both_generations() {
    let sent = b"Hello, World\n".repeat(30_000);
    let lines = b"> Hello, World\n".repeat(30_000);
    let upper = sent.to_ascii_uppercase();
    // The chain with its configurations, and what the echo returns.
    let table: [(&[(&str, &str)], &[u8]); 9] = [
        (&[("tcp_component", "count")], &sent),
        (&[("tcp_legacy", "count")], &sent),
        (&[("tcp_component", "upper")], &upper),
        (&[("tcp_legacy", "upper")], &upper),
        (&[("tcp_component", "lines")], &lines),
        (&[("tcp_legacy", "lines")], &lines),
        (&[("tcp_component", "done")], &sent),
        (&[("tcp_component", "delay 50")], &sent),
        (
            &[
                ("tcp_legacy", "count"),
                ("tcp_component", "delay 50"),
                ("tcp_legacy", "upper"),
                ("tcp_component", "done"),
            ],
            &upper,
        ),
    ];
    for (chain, expected) in table {
        let mut builder = proxy().tcp_upstream(echo());
        for (name, configuration) in chain {
            builder = builder.guest(name, configuration);
        }
        let proxy = builder.start();
        for _ in 0..2 {
            let received = exchange(&mut connect(proxy.address()), &sent);
            assert!(received == expected, "{chain:?}: {} bytes", received.len());
        }
    }
}

#[test]
fn many_connections_over_several_workers() {
    let proxy = proxy()
        .tcp_upstream(echo())
        .wasm("first", &holding())
        .wasm("second", &forwarding())
        .workers(2)
        .start();
    let address: SocketAddr = proxy.address();
    thread::scope(|scope| {
        for number in 0..60u64 {
            scope.spawn(move || {
                for round in 0..5 {
                    let sent = random((number * 997 + round) as usize, number + 1);
                    assert!(exchange(&mut connect(address), &sent) == sent, "{number} {round}");
                }
            });
        }
    });
}

#[test]
fn each_direction_has_an_end_of_its_own() {
    for chain in chains() {
        let (listener, address) = upstream();
        let mut builder = proxy().tcp_upstream(address);
        for wasm in &chain {
            builder = builder.wasm("it", wasm);
        }
        let proxy = builder.start();

        // The client has said all, and is answered.
        let mut client = connect(proxy.address());
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut server = accept(&listener);
        assert_eq!(rest(&mut server), b"question");
        server.write_all(b"a long ").unwrap();
        server.write_all(b"answer").unwrap();
        drop(server);
        assert_eq!(rest(&mut client), b"a long answer");

        // The server has said all, and listens on.
        let mut client = connect(proxy.address());
        client.write_all(b"hello").unwrap();
        let mut server = accept(&listener);
        server.write_all(b"banner").unwrap();
        server.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut client), b"banner");
        client.write_all(b", and more").unwrap();
        drop(client);
        assert_eq!(rest(&mut server), b"hello, and more");
    }
}

#[test]
fn the_upstream_is_not_dialled_while_a_plugin_pauses() {
    // The first client waits until there is a second one.
    let con = "(if (result i32) (i32.eqz (global.get $first))
        (then (global.set $first (local.get $ctx)) PAUSE_)
        (else (drop (call $resume_downstream (global.get $first))) CLOSE_))";
    for legacy in [false, true] {
        let (listener, address) = upstream();
        listener.set_nonblocking(true).unwrap();
        let mut builder = proxy()
            .tcp_upstream(address)
            .wasm("gate", &plugin(&[("con", con)]));
        if legacy {
            builder = builder.guest("tcp_legacy", "count");
        }
        let proxy = builder.start();
        let mut client = connect(proxy.address());
        client.write_all(b"early").unwrap();
        // As long as it takes for another connection to be served by the same worker.
        let kind = || listener.accept().unwrap_err().kind();
        for _ in 0..20 {
            assert_eq!(kind(), std::io::ErrorKind::WouldBlock);
            thread::sleep(std::time::Duration::from_millis(5));
        }
        let other = connect(proxy.address());
        listener.set_nonblocking(false).unwrap();
        let mut server = accept(&listener);
        server.set_nonblocking(false).unwrap();
        assert_eq!(exactly(&mut server, 5), b"early");
        server.write_all(b"late").unwrap();
        drop(server);
        assert_eq!(rest(&mut client), b"late");
        drop(other);
    }
}

#[test]
fn plugins_know_the_peers() {
    // From the upstream's first byte on, all three addresses are known.
    let upd = "
        (call $put_property (local.get $ctx) (i32.const 2) (i32.const 128) (i32.const 14))
        (call $put_property (local.get $ctx) (i32.const 2) (i32.const 142) (i32.const 19))
        (call $put_property (local.get $ctx) (i32.const 2) (i32.const 161) (i32.const 16))
        FORWARD_";
    let upstream = echo();
    let proxy = proxy()
        .tcp_upstream(upstream)
        .wasm("it", &plugin(&[("upd", upd)]))
        .start();
    let mut client = connect(proxy.address());
    client.write_all(b":").unwrap();
    let expected = format!(":{}{}{upstream}", client.local_addr().unwrap(), proxy.address());
    assert_eq!(
        String::from_utf8(exactly(&mut client, expected.len())).unwrap(),
        expected
    );
}
