//! Back-pressure: who is not read from cannot send without end.

use crate::plugins::{done, forwarding, plugin};
use crate::{accept, connect, upstream};
use proxywasm_tests::harness::{proxy, socket_room};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Writes until nothing is taken any more; returns how much was.
fn fill(stream: &mut TcpStream) -> usize {
    stream.set_nonblocking(true).unwrap();
    let block = [7; 64 << 10];
    let (room, mut written, mut since) = (socket_room(), 0, Instant::now());
    while since.elapsed() < Duration::from_millis(300) {
        match stream.write(&block) {
            Ok(size) => (written, since) = (written + size, Instant::now()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(5))
            }
            Err(error) => panic!("{error}"),
        }
        assert!(written <= room, "it takes without end: {written} bytes by now");
    }
    stream.set_nonblocking(false).unwrap();
    written
}

fn drain(stream: &mut TcpStream, len: usize) {
    let (mut left, mut block) = (len, vec![0; 1 << 20]);
    while left > 0 {
        let size = stream.read(&mut block).unwrap();
        assert!(size > 0 && block[..size].iter().all(|byte| *byte == 7));
        left -= size;
    }
}

#[test]
fn a_slow_peer_slows_the_other_down() {
    for chain in [
        vec![],
        vec![done()],
        vec![forwarding()],
        vec![forwarding(), forwarding()],
    ] {
        let (listener, address) = upstream();
        let mut builder = proxy().tcp_upstream(address);
        for wasm in &chain {
            builder = builder.wasm("it", wasm);
        }
        let proxy = builder.start();
        let mut client = connect(proxy.address());
        client.write_all(&[7]).unwrap();
        let mut server = accept(&listener);
        drain(&mut server, 1);
        let there = fill(&mut client);
        let back = fill(&mut server);
        drain(&mut server, there);
        drain(&mut client, back);
    }
}

#[test]
fn a_pause_stops_reading() {
    // What comes is held until the other direction brings something.
    let upd = "(drop (call $resume_downstream (local.get $ctx))) FORWARD_";
    let (listener, address) = upstream();
    let proxy = proxy()
        .tcp_upstream(address)
        .wasm("it", &plugin(&[("dnd", "PAUSE_"), ("upd", upd)]))
        .start();
    let mut client = connect(proxy.address());
    let mut server = accept(&listener);
    let there = fill(&mut client);
    // Each piece pauses again: the server asks for one after the other.
    let (mut left, mut block) = (there, vec![0; 1 << 20]);
    while left > 0 {
        server.write_all(b".").unwrap();
        let size = server.read(&mut block).unwrap();
        left -= size;
    }
}
