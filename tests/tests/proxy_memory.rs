//! 100 MB each way with flat memory. A file of its own with one test, for the memory of the process is what it measures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of a test fail by panicking, as the test does"
)]
#![cfg(test)]

use proxywasm_tests::guests::{HEADERS_COMPONENT, HEADERS_LEGACY};
use proxywasm_tests::harness::{Client, Message, Origin, Proxy, proxy, resident_bytes};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const SIZE: usize = 100 << 20;

/// What the process may grow by: buffers of sockets and codecs, with room for what allocators keep; far from the bodies.
const GROWTH: usize = 16 << 20;

#[test]
fn large_bodies_stream() {
    for chain in [&[][..], &[HEADERS_LEGACY], &[HEADERS_COMPONENT]] {
        let origin = Origin::raw(|mut reader, requests| {
            while let Ok(Some(mut request)) = Message::read_head(&mut reader) {
                let length = request
                    .header("content-length")
                    .map_or(0, |length| length.parse().unwrap());
                let read = std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink()).unwrap();
                request.body = read.to_string().into_bytes();
                let download = request.start.starts_with("GET");
                requests.send(request).unwrap();
                let stream = reader.get_mut();
                let size = if download { SIZE } else { 0 };
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").unwrap();
                send_zeros(stream, size);
            }
        });
        let proxy = proxy().guests(chain).upstream(origin.address()).start();
        // What is loaded and allocated with the first request is not counted.
        proxy.client().request_with_body("POST /", &[], b"warm");
        origin.received();
        for direction in ["upload", "download"] {
            let grown = growth_while(|| match direction {
                "upload" => upload(&proxy, &origin),
                _ => download(&proxy),
            });
            assert!(grown < GROWTH, "{chain:?} {direction}: grew by {grown} bytes");
        }
    }
}

fn upload(proxy: &Proxy, origin: &Origin) {
    let mut client = proxy.client();
    client.send(format!(
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: {SIZE}\r\n\r\n"
    ));
    send_zeros(&mut client.sender(), SIZE);
    assert_eq!(client.receive(false).status(), 200);
    assert_eq!(origin.received().text(), SIZE.to_string());
}

fn download(proxy: &Proxy) {
    let mut client: Client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    let head = client.receive_head();
    assert_eq!(head.header("content-length"), Some(SIZE.to_string()));
    assert_eq!(client.count_to_end(), SIZE);
}

fn send_zeros(stream: &mut impl Write, size: usize) {
    let buffer = vec![0; 64 << 10];
    let mut left = size;
    while left > 0 {
        let piece = left.min(buffer.len());
        stream.write_all(&buffer[..piece]).unwrap();
        left -= piece;
    }
}

/// By how many bytes the resident memory of this process grew at most while something was done.
fn growth_while(work: impl FnOnce()) -> usize {
    let before = resident_bytes();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = before;
            while !done.load(Ordering::SeqCst) {
                most = most.max(resident_bytes());
                std::thread::sleep(Duration::from_millis(5));
            }
            most
        });
        work();
        done.store(true, Ordering::SeqCst);
        watch.join().unwrap().saturating_sub(before)
    })
}
