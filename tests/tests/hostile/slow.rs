//! Thousands of clients that do nothing, or next to nothing: others are served, and memory stays bounded.

use proxywasm_tests::guests::HEADERS_LEGACY;
use proxywasm_tests::harness::frames::{END_HEADERS, END_STREAM, HEADERS, block, frame, hello};
use proxywasm_tests::harness::{Authority, Proxy, proxy, resident_bytes, server_tls};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};

/// As many as there are where the system lets a process have the descriptors: two for each, for the clients are in this process too.
const WANTED: usize = 5000;
/// What a connection may cost on average, in bytes of resident memory. Those by TLS and those of HTTP/2 cost most.
const BOUND: usize = 48 << 10;

/// A way to be slow.
struct Slow {
    name: &'static str,
    by_tls: bool,
    begin: Vec<u8>,
    /// What it sends a little later, byte by byte.
    drip: &'static [u8],
    /// Whether it reads a byte at a time.
    reads: bool,
}

fn get(stream: u32, path: &str) -> Vec<u8> {
    let headers = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "h"),
    ];
    frame(HEADERS, END_HEADERS | END_STREAM, stream, block(&headers))
}

fn ways() -> Vec<Slow> {
    let slow = |name, begin: Vec<u8>, drip| Slow {
        name,
        by_tls: false,
        begin,
        drip,
        reads: false,
    };
    let stalled = [
        hello(&[(4, 0)]),
        (1..20).step_by(2).flat_map(|stream| get(stream, "/")).collect(),
    ]
    .concat();
    vec![
        slow("says nothing", Vec::new(), b""),
        slow(
            "drips a head",
            b"GET / HTTP/1.1\r\nhost: h\r\nx: ".to_vec(),
            b"yyyy",
        ),
        slow(
            "drips a body",
            b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1000\r\n\r\n".to_vec(),
            b"zzzz",
        ),
        slow(
            "drips a chunk",
            b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3e8\r\n".to_vec(),
            b"zzzz",
        ),
        Slow {
            reads: true,
            ..slow(
                "reads a byte at a time",
                b"GET / HTTP/1.1\r\nhost: h\r\n\r\n".to_vec(),
                b"",
            )
        },
        slow(
            "is idle after a request",
            b"GET / HTTP/1.1\r\nhost: h\r\n\r\n".to_vec(),
            b"",
        ),
        slow("drips a preface", b"PRI * HT".to_vec(), b"TP/2"),
        slow("has no stream", hello(&[]), b""),
        slow("has streams that it does not read", stalled, b""),
        Slow {
            by_tls: true,
            ..slow("says nothing of TLS", Vec::new(), b"")
        },
        Slow {
            by_tls: true,
            ..slow(
                "stops within TLS",
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
                b"abcd",
            )
        },
    ]
}

/// How many connections this process can have.
fn possible() -> usize {
    let raised = std::process::Command::new("prlimit")
        .args(["--pid", &std::process::id().to_string(), "--nofile=:"])
        .output();
    drop(raised);
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    let count = WANTED.min(soft.unwrap_or(1024_usize).saturating_sub(500) / 2);
    if count < WANTED {
        eprintln!("scaled down to {count} connections, for this process may have no more descriptors");
    }
    count
}

fn serves(proxy: &Proxy, when: &str) {
    for _ in 0..20 {
        assert_eq!(proxy.client().request("GET /", &[]).status(), 200, "{when}");
    }
}

#[test]
fn thousands() {
    let authority = Authority::new();
    let plain = proxy().guest(HEADERS_LEGACY, "").workers(2).start();
    let tls = proxy()
        .tls(server_tls(vec![authority.certificate(&["h"])]))
        .workers(2)
        .start();
    let count = possible();
    serves(&plain, "before");
    let before = resident_bytes();
    let ways = ways();
    let mut connections: Vec<(&Slow, TcpStream)> = Vec::with_capacity(count);
    for way in ways.iter().cycle().take(count) {
        let address = if way.by_tls {
            tls.address()
        } else {
            plain.address()
        };
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&way.begin).unwrap();
        connections.push((way, stream));
        if connections.len().is_multiple_of(1000) {
            serves(&plain, "while they come");
        }
    }
    let closed = AtomicUsize::new(0);
    for round in 0..4 {
        for (way, stream) in &mut connections {
            let dripped = match way.drip.get(round) {
                Some(byte) => stream.write_all(&[*byte]).is_ok(),
                None => !way.reads || stream.read(&mut [0]).is_ok(),
            };
            if !dripped {
                closed.fetch_add(1, Ordering::Relaxed);
            }
        }
        serves(&plain, "while they drip");
    }
    let each = resident_bytes().saturating_sub(before) / count;
    let names: Vec<_> = ways.iter().map(|way| way.name).collect();
    eprintln!(
        "{count} connections cost {each} bytes each; {} were closed; they are of {} kinds: {names:?}",
        closed.load(Ordering::Relaxed),
        names.len()
    );
    assert!(each < BOUND, "each costs {each} bytes");
    drop(connections);
    serves(&plain, "after");
}
