//! Valid bytes of clients, changed at random: whatever comes of them, the next client is served.
//!
//! `HOSTILE_ROUNDS` says how many are tried, `HOSTILE_SEED` which.

use super::table::CHAINS;
use proxywasm_runner::HttpOptions;
use proxywasm_tests::harness::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PADDED, PING, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, block, frame, hello,
};
use proxywasm_tests::harness::{chunked, proxy};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

const ROUNDS: u64 = 400;

/// Numbers that look random (xorshift), the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }
}

fn corpus() -> Vec<Vec<u8>> {
    let text = |text: &str| text.as_bytes().to_vec();
    let post = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/a?b"),
        (":authority", "h"),
        ("content-length", "5"),
    ];
    let get = block(&post[..4]);
    vec![
        text("GET /a/../b?c=d HTTP/1.1\r\nhost: h:80\r\nuser-agent: x\r\naccept: */*\r\ncookie: a=b\r\n\r\n"),
        text("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nabcdeGET / HTTP/1.1\r\nhost: h\r\n\r\n"),
        [
            text("POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\ntrailer: x\r\nte: trailers\r\n\r\n"),
            chunked(&[b"one", b"two"], &[("x", "y")]),
        ]
        .concat(),
        text("GET http://h/ HTTP/1.1\r\nhost: h\r\nconnection: keep-alive, x\r\nx: y\r\nexpect: 100-continue\r\n\r\n"),
        text("GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\r\n"),
        [
            hello(&[(4, 65_535)]),
            frame(HEADERS, END_HEADERS, 1, block(&post)),
            frame(DATA, PADDED, 1, b"\x02abc\0\0"),
            frame(DATA, END_STREAM, 1, "de"),
            frame(WINDOW_UPDATE, 0, 0, [0, 0, 0, 9]),
            frame(PING, 0, 0, [1; 8]),
            frame(HEADERS, END_HEADERS | END_STREAM, 3, &get),
            frame(RST_STREAM, 0, 3, [0, 0, 0, 8]),
        ]
        .concat(),
        [
            hello(&[]),
            frame(SETTINGS, 1, 0, []),
            frame(PRIORITY, 0, 5, [0, 0, 0, 0, 9]),
            frame(HEADERS, END_STREAM, 1, &get[..12]),
            frame(CONTINUATION, END_HEADERS, 1, &get[12..]),
            frame(HEADERS, END_HEADERS, 3, block(&post[..4])),
            frame(DATA, 0, 3, "abc"),
            frame(HEADERS, END_HEADERS | END_STREAM, 3, block(&[("x", "y")])),
        ]
        .concat(),
    ]
}

/// Changes some of the bytes: replaced, turned, taken out, put in twice, cut off, or with those of another one in their place.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    const NASTY: &[u8] = b"\0\r\n :\t,;/@[]%\x7f\x80\xff0-+";
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len());
        let end = (at + 1 + numbers.below(12)).min(bytes.len());
        match numbers.below(8) {
            0 => bytes[at] = NASTY[numbers.below(NASTY.len())],
            1 => bytes[at] ^= 1 << numbers.below(8),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            4 => bytes.truncate(at.max(1)),
            5 => bytes.insert(at, NASTY[numbers.below(NASTY.len())]),
            6 => bytes[at] = u8::try_from(numbers.below(256)).unwrap(),
            _ => {
                let from = numbers.below(other.len());
                bytes.splice(at..end, other[from..].iter().take(60).copied());
            }
        }
        if bytes.is_empty() {
            bytes.push(b'G');
        }
    }
}

/// Sends bytes in one or two pieces, and reads a little of what comes.
fn send(address: SocketAddr, bytes: &[u8], numbers: &mut Numbers) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    let (first, second) = bytes.split_at(numbers.below(bytes.len()));
    let sent = stream.write_all(first).and_then(|()| stream.write_all(second));
    if sent.is_ok() && numbers.below(2) == 0 {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let _ = stream.read(&mut [0; 4096]);
}

fn variable(name: &str, otherwise: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(otherwise, |value| value.parse().unwrap())
}

#[test]
fn at_random() {
    let rounds = variable("HOSTILE_ROUNDS", ROUNDS);
    let seed = variable("HOSTILE_SEED", 0x9e37_79b9_7f4a_7c15);
    let options = HttpOptions {
        connect: true,
        ..HttpOptions::default()
    };
    let corpus = corpus();
    for chain in CHAINS {
        let proxy = proxy().http(options.clone()).guests(chain).start();
        let mut numbers = Numbers(seed);
        for round in 0..rounds {
            let mut bytes = corpus[numbers.below(corpus.len())].clone();
            let other = &corpus[numbers.below(corpus.len())];
            mutate(&mut bytes, other, &mut numbers);
            send(proxy.address(), &bytes, &mut numbers);
            if round.is_multiple_of(20) {
                let status = proxy.client().request("GET /", &[]).status();
                assert_eq!(status, 200, "round {round} of seed {seed} with {chain:?}");
            }
        }
        assert_eq!(proxy.client().request("GET /", &[]).status(), 200);
        proxy.shut_down();
    }
}
