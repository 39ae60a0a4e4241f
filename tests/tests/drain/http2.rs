//! Connections of HTTP/2.

use super::{LONG, SHORT, held, settings};
use proxywasm_tests::harness::{Client, proxy};

const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const DATA: u8 = 0;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

fn receive(client: &mut Client) -> Frame {
    let head = client.receive_bytes(9);
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    Frame {
        kind: head[3],
        flags: head[4],
        stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
        payload: client.receive_bytes(usize::try_from(length).unwrap()),
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// `GET / HTTP/2` with authority `h`, and nothing more.
fn get(stream: u32) -> Vec<u8> {
    frame(1, 0x5, stream, &[0x82, 0x86, 0x84, 0x41, 1, b'h'])
}

/// The last stream that a frame says will be answered.
fn last_stream(goaway: &Frame) -> u32 {
    u32::from_be_bytes(goaway.payload[..4].try_into().unwrap())
}

/// Reads until a frame of a kind, and acknowledges what has to be but pings.
fn until(client: &mut Client, wanted: impl Fn(&Frame) -> bool) -> Frame {
    loop {
        let frame = receive(client);
        if wanted(&frame) {
            return frame;
        }
        if frame.kind == SETTINGS && frame.flags & ACK == 0 {
            client.send(self::frame(SETTINGS, ACK, 0, &[]));
        }
    }
}

#[test]
fn streams_are_answered_until_the_client_knows() {
    let (origin, release) = held();
    let proxy = proxy()
        .upstream(origin.address())
        .drain(settings(SHORT, LONG, LONG))
        .start();
    let mut client = proxy.client();
    client.send(HELLO).send(get(1));
    origin.received();
    let stopping = proxy.begin_to_stop();
    let first = until(&mut client, |frame| frame.kind == GOAWAY);
    assert_eq!(last_stream(&first), (1 << 31) - 1, "nothing is refused yet");
    let ping = until(&mut client, |frame| frame.kind == PING && frame.flags & ACK == 0);
    // What a client sends that does not know yet.
    client.send(get(3));
    origin.received();
    client.send(frame(PING, ACK, 0, &ping.payload));
    let second = until(&mut client, |frame| frame.kind == GOAWAY);
    assert_eq!(last_stream(&second), 3);
    for _ in 0..2 {
        release.send(()).unwrap();
    }
    let mut answered = Vec::new();
    while answered.len() < 2 {
        let ended = until(&mut client, |frame| {
            frame.flags & END_STREAM != 0 && frame.stream != 0
        });
        answered.push(ended.stream);
    }
    answered.sort_unstable();
    assert_eq!(answered, [1, 3]);
    assert!(client.is_closed());
    stopping.end();
}

#[test]
fn a_new_connection_may_send_its_first_request() {
    let proxy = proxy().drain(settings(LONG, LONG, LONG)).start();
    let address = proxy.address();
    let mut open = proxy.client();
    open.send(HELLO).send(get(1));
    until(&mut open, |frame| {
        frame.kind == DATA && frame.flags & END_STREAM != 0
    });
    let stopping = proxy.begin_to_stop();
    until(&mut open, |frame| frame.kind == GOAWAY);
    let mut late = Client::connect(address);
    late.send(HELLO);
    until(&mut late, |frame| {
        frame.kind == SETTINGS && frame.flags & ACK != 0
    });
    late.send(get(1));
    let goaway = until(&mut late, |frame| frame.kind == GOAWAY);
    assert_eq!(last_stream(&goaway), (1 << 31) - 1);
    until(&mut late, |frame| {
        frame.kind == DATA && frame.flags & END_STREAM != 0
    });
    stopping.cut_short();
}

#[test]
fn connections_without_streams_are_closed() {
    let proxy = proxy().drain(settings(LONG, LONG, SHORT)).start();
    let mut client = proxy.client();
    client.send(HELLO);
    until(&mut client, |frame| {
        frame.kind == SETTINGS && frame.flags & ACK != 0
    });
    let stopping = proxy.begin_to_stop();
    let ping = until(&mut client, |frame| frame.kind == PING);
    client.send(frame(PING, ACK, 0, &ping.payload));
    let last = until(&mut client, |frame| frame.kind == GOAWAY);
    assert_eq!(last_stream(&last), 0);
    assert!(client.is_closed());
    stopping.cut_short();
}
