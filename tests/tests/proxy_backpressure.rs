//! Nobody is sent more than he reads: the proxy holds what its buffers hold, and then reads no more.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of a test fail by panicking, as the test does"
)]
#![cfg(test)]

use proxywasm_tests::guests::HEADERS_COMPONENT;
use proxywasm_tests::harness::{Message, Origin, proxy, socket_room};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const CHAINS: &[&[&str]] = &[&[], &[HEADERS_COMPONENT]];

#[test]
fn a_reader_that_does_not_read_stops_the_sender() {
    let room = socket_room();
    let size = 2 * room;
    for chain in CHAINS {
        let sent = Arc::new(AtomicUsize::new(0));
        let sending = Arc::clone(&sent);
        let origin = Origin::raw(move |mut reader, _| {
            Message::read_head(&mut reader).unwrap();
            let stream = reader.get_mut();
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").unwrap();
            while sending.load(Ordering::SeqCst) < size && stream.write_all(&[0; 1 << 16]).is_ok() {
                sending.fetch_add(1 << 16, Ordering::SeqCst);
            }
        });
        let proxy = proxy().guests(chain).upstream(origin.address()).start();
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
        client.receive_head();
        let sent = when_it_rests(&sent);
        assert!(
            sent < room,
            "{chain:?}: {sent} bytes are on the way to a client that reads nothing"
        );
        assert_eq!(
            client.receive_bytes(size).len(),
            size,
            "{chain:?}: all of it comes once it reads"
        );
    }
}

#[test]
fn an_origin_that_does_not_read_stops_the_client() {
    let room = socket_room();
    let size = 2 * room;
    for chain in CHAINS {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let wait = std::sync::Mutex::new(wait);
        let origin = Origin::raw(move |mut reader, requests| {
            let mut request = Message::read_head(&mut reader).unwrap().unwrap();
            wait.lock().unwrap().recv().unwrap();
            request.read_body(&mut reader);
            reader
                .get_mut()
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .unwrap();
            requests.send(request).unwrap();
        });
        let proxy = proxy().guests(chain).upstream(origin.address()).start();
        let mut client = proxy.client();
        client.send(format!(
            "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: {size}\r\n\r\n"
        ));
        let sent = Arc::new(AtomicUsize::new(0));
        let (mut sender, sending) = (client.sender(), Arc::clone(&sent));
        sender.set_write_timeout(None).unwrap();
        let thread = std::thread::spawn(move || {
            while sending.load(Ordering::SeqCst) < size {
                sender.write_all(&[0; 1 << 16]).unwrap();
                sending.fetch_add(1 << 16, Ordering::SeqCst);
            }
        });
        let taken = when_it_rests(&sent);
        assert!(
            taken < room,
            "{chain:?}: {taken} bytes were taken from the client"
        );
        go.send(()).unwrap();
        assert_eq!(client.receive(false).status(), 200, "{chain:?}");
        assert_eq!(origin.received().body.len(), size);
        thread.join().unwrap();
    }
}

/// The count once it has stopped rising: the buffers on the way are full, and nothing moves any more.
fn when_it_rests(count: &AtomicUsize) -> usize {
    let mut last = 0;
    loop {
        std::thread::sleep(Duration::from_millis(300));
        let now = count.load(Ordering::SeqCst);
        if now == last && now > 0 {
            return now;
        }
        last = now;
    }
}
