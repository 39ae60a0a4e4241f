//! What becomes of upstreams and the connections to them.

use crate::status;
use proxywasm_tests::harness::{ConfigFolder, Message, Origin};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A server that counts its connections, and answers with a status.
fn server(status: u16) -> (Origin, Arc<AtomicUsize>) {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let origin = Origin::raw(move |mut reader, _| {
        count.fetch_add(1, Ordering::Relaxed);
        while let Ok(Some(mut request)) = Message::read_head(&mut reader) {
            request.read_body(&mut reader);
            let answer = format!("HTTP/1.1 {status} OK\r\ncontent-length: 0\r\n\r\n");
            if reader.get_mut().write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    });
    (origin, connections)
}

#[test]
fn connections_of_those_that_stay_are_kept() {
    let (one, connections) = server(211);
    let (other, of_other) = server(221);
    let (one, other) = (one.address(), other.address());
    // The upstream of a listener, by name or by itself; how the rest changes.
    let by_name = |server, rest: &str, more: &str| {
        format!(
            "workers: 1
listeners: [{{ address: '127.0.0.1:0', upstream: u{rest} }}]
upstreams: [{{ name: u, endpoints: [{{ url: 'http://{server}' }}] }}{more}]
"
        )
    };
    let by_itself = |server, rest: &str, _: &str| {
        format!("workers: 1\nlisteners: [{{ address: '127.0.0.1:0', upstream: 'http://{server}'{rest} }}]\n")
    };
    let kinds: [&dyn Fn(std::net::SocketAddr, &str, &str) -> String; 2] = [&by_name, &by_itself];
    for text in kinds {
        connections.store(0, Ordering::Relaxed);
        of_other.store(0, Ordering::Relaxed);
        let proxy = ConfigFolder::new(&text(one, "", "")).start_quietly();
        let mut client = proxy.client();
        assert_eq!(status(&mut client), 211);
        let more = format!(", {{ name: v, endpoints: [{{ url: 'http://{other}' }}] }}");
        assert!(
            !proxy
                .update(&text(one, ", max_connections: 100", &more))
                .is_empty()
        );
        assert_eq!(status(&mut client), 211);
        assert_eq!(connections.load(Ordering::Relaxed), 1, "{}", text(one, "", ""));
        assert!(!proxy.update(&text(other, "", "")).is_empty());
        assert_eq!(status(&mut client), 221);
        assert_eq!(
            (
                connections.load(Ordering::Relaxed),
                of_other.load(Ordering::Relaxed)
            ),
            (1, 1)
        );
    }
}

/// An upstream is changed, one of its servers stays; a name is resolved before it is served.
#[test]
fn servers_that_stay_keep_their_connections() {
    let (one, connections) = server(211);
    let text = |port: u16, rest: &str| {
        format!(
            "workers: 1
listeners: [{{ address: '127.0.0.1:0', upstream: u }}]
upstreams: [{{ name: u, endpoints: [{{ url: 'http://127.0.0.1:{port}' }}]{rest} }}]
"
        )
    };
    let port = one.address().port();
    let proxy = ConfigFolder::new(&text(port, "")).start_quietly();
    let mut client = proxy.client();
    assert_eq!(status(&mut client), 211);
    assert_eq!(
        proxy.update(&text(port, ", panic_threshold: 40")),
        ["upstream u: other settings"]
    );
    assert_eq!(status(&mut client), 211);
    assert_eq!(connections.load(Ordering::Relaxed), 1);
    proxy.update(&text(port, "").replace("http://127.0.0.1", "http://localhost"));
    assert_eq!(status(&mut client), 211);
}
