//! Floods over HTTP/2 (RFC 9113, section 10.5): frames without number that cost the proxy work and its client nothing.

use proxywasm_runner::HttpOptions;
use proxywasm_tests::guests::HEADERS_LEGACY;
use proxywasm_tests::harness::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Fate, FrameStream, HEADERS, PADDED, PING, PRIORITY,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame, hello,
};
use proxywasm_tests::harness::{Origin, proxy};
use std::io::Write;

const ENHANCE_YOUR_CALM: u32 = 11;
const PROTOCOL_ERROR: u32 = 1;
/// More than any limit allows.
const MANY: usize = 20_000;

fn request(stream: u32, flags: u8) -> Vec<u8> {
    let headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "h"),
    ];
    frame(HEADERS, END_HEADERS | flags, stream, block(&headers))
}

/// What comes first, and what comes again and again.
fn floods() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let open = request(1, 0);
    let unfinished = frame(HEADERS, END_STREAM, 1, block(&[(":method", "GET")]));
    vec![
        ("SETTINGS", Vec::new(), frame(SETTINGS, 0, 0, [])),
        (
            "SETTINGS that change something",
            Vec::new(),
            frame(SETTINGS, 0, 0, [0, 4, 0, 0, 0xff, 0xff]),
        ),
        ("PING", Vec::new(), frame(PING, 0, 0, [0; 8])),
        ("answers to no PING", Vec::new(), frame(PING, 1, 0, [0; 8])),
        (
            "PRIORITY of streams that are not there",
            Vec::new(),
            frame(PRIORITY, 0, 99, [0, 0, 0, 0, 1]),
        ),
        (
            "WINDOW_UPDATE of the connection, by 1",
            Vec::new(),
            frame(WINDOW_UPDATE, 0, 0, [0, 0, 0, 1]),
        ),
        (
            "WINDOW_UPDATE of a stream, by 1",
            open.clone(),
            frame(WINDOW_UPDATE, 0, 1, [0, 0, 0, 1]),
        ),
        ("empty DATA", open.clone(), frame(DATA, 0, 1, [])),
        ("DATA of padding", open, frame(DATA, PADDED, 1, [3, 0, 0, 0])),
        (
            "empty CONTINUATION",
            unfinished.clone(),
            frame(CONTINUATION, 0, 1, []),
        ),
        (
            "CONTINUATION with headers",
            unfinished,
            frame(CONTINUATION, 0, 1, block(&[("x", "y")])),
        ),
        ("frames of an unknown kind", Vec::new(), frame(0x77, 0, 0, [])),
    ]
}

#[test]
fn of_one_kind() {
    // The upstream answers nothing, so that nothing is earned.
    let silent = Origin::raw(|reader, _| {
        std::thread::sleep(std::time::Duration::from_secs(3600));
        drop(reader);
    });
    for chain in [&[][..], &[HEADERS_LEGACY]] {
        let proxy = proxy().upstream(silent.address()).guests(chain).start();
        let served = proxy_that_serves(chain);
        for (name, first, again) in floods() {
            let mut client = FrameStream::connect(proxy.address(), &[]);
            client.send(first);
            let mut sender = client.sender();
            let flood = again.repeat(MANY);
            let sending = std::thread::spawn(move || {
                // It is closed before all is sent.
                let _ = sender.write_all(&flood);
            });
            let fate = client.fate(77);
            sending.join().unwrap();
            assert!(
                matches!(
                    fate,
                    Fate::GoAway(ENHANCE_YOUR_CALM | PROTOCOL_ERROR) | Fate::Closed
                ),
                "{name}: {fate:?}"
            );
            assert_eq!(served.client().request("GET /", &[]).status(), 200, "{name}");
        }
    }
}

/// Another listener would do, but the harness has one for each proxy.
fn proxy_that_serves(chain: &[&str]) -> proxywasm_tests::harness::Proxy {
    proxy().guests(chain).start()
}

/// What clients of all kinds send is no flood: two WINDOW_UPDATE and a reset for each response.
#[test]
fn what_is_none() {
    let options = HttpOptions {
        max_idle_frames: 20,
        ..HttpOptions::default()
    };
    let proxy = proxy().http(options).start();
    let mut client = FrameStream::connect(proxy.address(), &[]);
    for stream in (1..1000).step_by(2) {
        client.send(request(stream, END_STREAM));
        let more = [0, 0, 4, 0];
        client.send(frame(WINDOW_UPDATE, 0, 0, more));
        client.send(frame(WINDOW_UPDATE, 0, stream, more));
        while client
            .receive()
            .is_some_and(|frame| frame.stream != stream || frame.flags & END_STREAM == 0)
        {}
        assert!(client.send(frame(PING, 0, 0, [0; 8])), "stream {stream}");
    }
    client.send(request(1001, END_STREAM));
    assert!(matches!(client.fate(1001), Fate::Answered(_)));
}

/// Streams that are opened and reset once they are seen, so that the limit for those that are not does not count them.
#[test]
fn resets_of_requests_that_are_under_way() {
    let silent = Origin::raw(|reader, _| {
        std::thread::sleep(std::time::Duration::from_secs(3600));
        drop(reader);
    });
    let proxy = proxy().upstream(silent.address()).start();
    let mut client = FrameStream::connect(proxy.address(), &[]);
    let mut ended = false;
    for stream in (1..20_001).step_by(2) {
        // The answer to a PING behind it says that it was seen.
        let sent = client.send([request(stream, END_STREAM), frame(PING, 0, 0, [0; 8])].concat());
        let answered = sent && std::iter::from_fn(|| client.receive()).any(|frame| frame.kind == PING);
        if !answered || !client.send(frame(RST_STREAM, 0, stream, [0, 0, 0, 8])) {
            ended = true;
            break;
        }
    }
    assert!(ended, "it may go on for ever");
}

/// More streams than there may be: those beyond are refused (RFC 9113, section 5.1.2).
#[test]
fn more_streams_than_allowed() {
    let silent = Origin::raw(|reader, _| {
        std::thread::sleep(std::time::Duration::from_secs(3600));
        drop(reader);
    });
    let options = HttpOptions {
        max_streams: 10,
        ..HttpOptions::default()
    };
    let proxy = proxy().upstream(silent.address()).http(options).start();
    let mut client = FrameStream::connect(proxy.address(), &[]);
    let requests: Vec<u8> = (1..41)
        .step_by(2)
        .flat_map(|stream| request(stream, END_STREAM))
        .collect();
    client.send(requests);
    let fate = client.fate(21);
    assert!(
        matches!(fate, Fate::Reset(7) | Fate::GoAway(PROTOCOL_ERROR)),
        "{fate:?}"
    );
}

/// A client that opens streams and no window: what it asks for is not kept for it, and others are served.
#[test]
fn windows_that_stay_closed() {
    let large = vec![b'x'; 4 << 20];
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", large.len());
    let origin = Origin::fixed([head.as_bytes(), &large].concat());
    let options = HttpOptions {
        write_timeout: std::time::Duration::from_millis(500),
        ..HttpOptions::default()
    };
    let proxy = proxy().upstream(origin.address()).http(options).start();
    let mut client = FrameStream::silent(proxy.address());
    // Windows of nothing for all streams.
    client.send(hello(&[(4, 0)]));
    let requests: Vec<u8> = (1..129)
        .step_by(2)
        .flat_map(|stream| request(stream, END_STREAM))
        .collect();
    client.send(requests);
    assert_eq!(client.fate(1), Fate::Answered(200));
    assert_eq!(proxy.client().request("GET /", &[]).status(), 200);
    // Those that nobody takes are reset.
    assert_eq!(client.fate(1), Fate::Reset(8));
    assert_eq!(proxy.client().request("GET /", &[]).status(), 200);
}
