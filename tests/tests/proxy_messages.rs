//! Messages of every shape through the proxy, without plugins and with the headers plugin on both ABIs, of the listener and of the
//! upstream, between a client and an origin that show what is on the wire.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of a test fail by panicking, as the test does"
)]
#![cfg(test)]

use proxywasm_tests::guests::{HEADERS_COMPONENT, HEADERS_LEGACY};
use proxywasm_tests::harness::{Message, Origin, PATIENCE, Proxy, ProxyBuilder, chunked, proxy};
use std::io::Write;
use std::time::{Duration, Instant};

/// The chains that each message passes: that of the listener, that of the upstream.
const CHAINS: &[[&[&str]; 2]] = &[
    [&[], &[]],
    [&[HEADERS_LEGACY], &[]],
    [&[HEADERS_COMPONENT], &[]],
    [&[HEADERS_LEGACY, HEADERS_COMPONENT], &[]],
    [&[], &[HEADERS_COMPONENT]],
    [&[HEADERS_COMPONENT], &[HEADERS_LEGACY, HEADERS_COMPONENT]],
];

/// A proxy with these chains.
fn with_chains(chains: &[&[&str]; 2]) -> ProxyBuilder {
    let [of_listener, of_upstream] = chains;
    proxy().guests(of_upstream).of_upstream().guests(of_listener)
}

fn each_chain(test: impl Fn(&Proxy, &Origin, &[&str]), origin: impl Fn() -> Origin) {
    for chains in CHAINS {
        let origin = origin();
        let proxy = with_chains(chains).upstream(origin.address()).start();
        test(&proxy, &origin, &chains.concat());
        proxy.shut_down();
    }
}

/// The plugin adds a header for each time it is in the chain.
fn mark(chain: &[&str]) -> Option<String> {
    (!chain.is_empty()).then(|| vec!["headers"; chain.len()].join(","))
}

fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nserver-secret: abc\r\n\r\n{body}",
        body.len()
    )
    .into()
}

#[test]
fn get() {
    let test = |proxy: &Proxy, origin: &Origin, chain: &[&str]| {
        let headers = [
            ("x-multi", "1"),
            ("x-multi", "2"),
            ("x-remove-me", "1"),
            ("x-empty", ""),
        ];
        let response = proxy.client().request("GET /path?query", &headers);
        let request = origin.received();
        assert_eq!(request.start, "GET /path?query HTTP/1.1");
        assert_eq!(request.header("host").as_deref(), Some("example.test"));
        assert_eq!(request.header("x-multi").as_deref(), Some("1,2"));
        assert_eq!(request.header("x-empty").as_deref(), Some(""));
        assert_eq!(request.header("content-length"), None);
        assert_eq!(request.header("transfer-encoding"), None);
        assert_eq!(request.header("x-plugin"), mark(chain));
        assert_eq!(request.header("x-remove-me").is_some(), chain.is_empty());
        assert_eq!(
            request.header("x-multi-count").as_deref(),
            (!chain.is_empty()).then_some("2")
        );

        assert_eq!(
            (response.status(), response.text().as_str(), response.complete),
            (200, "hello", true)
        );
        assert_eq!(response.header("content-length").as_deref(), Some("5"));
        assert_eq!(response.header("x-plugin"), mark(chain));
        assert_eq!(response.header("server-secret").is_some(), chain.is_empty());
    };
    each_chain(test, || Origin::fixed(ok("hello")));
}

#[test]
fn head() {
    let test = |proxy: &Proxy, origin: &Origin, chain: &[&str]| {
        let mut client = proxy.client();
        let response = client.request("HEAD /", &[]);
        assert_eq!(origin.received().start, "HEAD / HTTP/1.1");
        assert_eq!(response.status(), 200);
        assert_eq!(response.header("content-length").as_deref(), Some("12345"));
        assert_eq!(response.header("x-plugin"), mark(chain));
        // Nothing of a body came, so the connection serves on.
        assert_eq!(client.request("HEAD /again", &[]).status(), 200);
    };
    each_chain(test, || {
        Origin::fixed("HTTP/1.1 200 OK\r\ncontent-length: 12345\r\n\r\n")
    });
}

#[test]
fn post_with_content_length() {
    let test = |proxy: &Proxy, origin: &Origin, chain: &[&str]| {
        for body in ["", "x", &"0123456789".repeat(30_000)] {
            let response = proxy.client().request_with_body("POST /", &[], body.as_bytes());
            let request = origin.received();
            assert_eq!(request.header("content-length"), Some(body.len().to_string()));
            assert_eq!(request.header("transfer-encoding"), None);
            assert_eq!(
                (request.text() == body, request.complete),
                (true, true),
                "{chain:?} {}",
                body.len()
            );
            assert_eq!((response.status(), response.text().as_str()), (200, "hello"));
        }
    };
    each_chain(test, || Origin::fixed(ok("hello")));
}

#[test]
fn chunked_upload_with_trailers() {
    let test = |proxy: &Proxy, origin: &Origin, chain: &[&str]| {
        let mut client = proxy.client();
        let head = "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\
                    trailer: x-sum, x-plugin-trailer\r\nte: trailers\r\n\r\n";
        client
            .send(head)
            .send(chunked(&[b"one ", b"two"], &[("x-sum", "42")]));
        assert_eq!(client.receive(false).status(), 200);
        let request = origin.received();
        assert_eq!((request.text().as_str(), request.complete), ("one two", true));
        assert_eq!(request.header("transfer-encoding").as_deref(), Some("chunked"));
        assert_eq!(request.header("content-length"), None);
        assert_eq!(request.header("te").as_deref(), Some("trailers"));
        assert_eq!(request.trailer("x-sum").as_deref(), Some("42"));
        assert_eq!(request.trailer("x-plugin-trailer"), mark(chain));
    };
    each_chain(test, || Origin::fixed(ok("hello")));
}

#[test]
fn chunked_response_with_trailers() {
    let answer = || {
        let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\
                           trailer: x-sum, x-plugin-trailer\r\n\r\n"
            .to_vec();
        answer.extend(chunked(
            &[b"one ", b"two"],
            &[("x-sum", "42"), ("x-unannounced", "1")],
        ));
        Origin::fixed(answer)
    };
    let test = |proxy: &Proxy, _: &Origin, chain: &[&str]| {
        let mut client = proxy.client();
        let response = client.request("GET /", &[("te", "trailers")]);
        assert_eq!((response.text().as_str(), response.complete), ("one two", true));
        assert_eq!(response.header("transfer-encoding").as_deref(), Some("chunked"));
        assert_eq!(response.trailer("x-sum").as_deref(), Some("42"));
        assert_eq!(response.trailer("x-plugin-trailer"), mark(chain));
        assert_eq!(response.trailer("x-unannounced"), None);
        // To a client that takes none, on the same connection.
        let response = client.request("GET /", &[]);
        assert_eq!(
            (
                response.text().as_str(),
                response.trailers.len(),
                response.complete
            ),
            ("one two", 0, true)
        );
    };
    each_chain(test, answer);
}

#[test]
fn chunks_are_not_held_back() {
    // The origin sends a chunk and waits until the test has it; then the next, which ends the body.
    let origin = || {
        Origin::raw(|mut reader, requests| {
            let request = Message::read_head(&mut reader).unwrap().unwrap();
            let mut stream = reader.into_inner();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
                .unwrap();
            requests.send(request).unwrap();
            let mut acknowledged = [0; 1];
            std::io::Read::read_exact(&mut stream, &mut acknowledged).unwrap();
            stream.write_all(b"3\r\ntwo\r\n0\r\n\r\n").unwrap();
        })
    };
    let test = |proxy: &Proxy, origin: &Origin, chain: &[&str]| {
        let mut client = proxy.client();
        client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\n");
        assert_eq!(
            client.receive_head().status(),
            200,
            "{chain:?}: the response begins before the request ends"
        );
        origin.received();
        assert_eq!(client.receive_bytes(8), b"3\r\none\r\n", "{chain:?}");
        client.send("!");
        assert_eq!(client.receive_bytes(13), b"3\r\ntwo\r\n0\r\n\r\n", "{chain:?}");
    };
    each_chain(test, origin);
}

#[test]
fn statuses_without_a_body() {
    for status in ["204 No Content", "304 Not Modified"] {
        let test = |proxy: &Proxy, _: &Origin, chain: &[&str]| {
            let mut client = proxy.client();
            for _ in 0..2 {
                let response = client.request("GET /", &[]);
                assert!(status.starts_with(&response.status().to_string()));
                assert_eq!(response.header("etag").as_deref(), Some("\"x\""));
                assert_eq!(response.header("transfer-encoding"), None);
                assert_eq!(response.header("x-plugin"), mark(chain));
            }
        };
        each_chain(test, || {
            Origin::fixed(format!("HTTP/1.1 {status}\r\netag: \"x\"\r\n\r\n"))
        });
    }
}

#[test]
fn expect_continue() {
    let test = |proxy: &Proxy, origin: &Origin, chain: &[&str]| {
        let mut client = proxy.client();
        client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n");
        assert_eq!(client.receive(false).status(), 100, "{chain:?}");
        client.send("12345");
        assert_eq!(client.receive(false).status(), 200, "{chain:?}");
        let request = origin.received();
        assert_eq!(
            (request.text().as_str(), request.header("expect")),
            ("12345", None)
        );
    };
    each_chain(test, || Origin::fixed(ok("hello")));
}

#[test]
fn connections_are_kept_on_both_sides() {
    let test = |proxy: &Proxy, origin: &Origin, _: &[&str]| {
        let mut client = proxy.client();
        for number in 0..5 {
            let response = client.request_with_body(&format!("POST /{number}"), &[], b"body");
            assert_eq!(response.text(), "same connection");
            origin.received();
        }
        // Pipelined.
        client.send("GET /a HTTP/1.1\r\nhost: h\r\n\r\nGET /b HTTP/1.1\r\nhost: h\r\n\r\n");
        assert_eq!(client.receive(false).text(), "same connection");
        assert_eq!(client.receive(false).text(), "same connection");
    };
    let origin = || {
        let connections = std::sync::atomic::AtomicUsize::new(0);
        Origin::raw(move |mut reader, requests| {
            let number = connections.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let text = if number == 0 {
                "same connection"
            } else {
                "another connection"
            };
            while let Ok(Some(mut request)) = Message::read_head(&mut reader) {
                request.read_body(&mut reader);
                requests.send(request).unwrap();
                reader.get_mut().write_all(&ok(text)).unwrap();
            }
        })
    };
    each_chain(test, origin);
}

#[test]
fn an_origin_that_closes_kept_connections_costs_no_request() {
    // It closes each connection after its first response, without having said so.
    let origin = || {
        Origin::raw(|mut reader, _| {
            let mut request = Message::read_head(&mut reader).unwrap().unwrap();
            request.read_body(&mut reader);
            reader.get_mut().write_all(&ok("hello")).unwrap();
        })
    };
    let test = |proxy: &Proxy, _: &Origin, chain: &[&str]| {
        let mut client = proxy.client();
        for number in 0..20 {
            assert_eq!(client.request("GET /", &[]).status(), 200, "{chain:?} {number}");
        }
    };
    each_chain(test, origin);
}

#[test]
fn old_clients() {
    let test = |proxy: &Proxy, origin: &Origin, chain: &[&str]| {
        let mut client = proxy.client();
        client.send("GET / HTTP/1.0\r\nhost: h\r\n\r\n");
        let response = client.receive(false);
        assert_eq!(
            (response.status(), response.text().as_str()),
            (200, "one two"),
            "{chain:?}"
        );
        assert_eq!(response.header("transfer-encoding"), None);
        assert!(client.is_closed());
        assert_eq!(origin.received().start, "GET / HTTP/1.1");
    };
    let answer = || {
        let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        answer.extend(chunked(&[b"one ", b"two"], &[]));
        Origin::fixed(answer)
    };
    each_chain(test, answer);
}

#[test]
fn what_concerns_one_connection_stays_there() {
    let test = |proxy: &Proxy, origin: &Origin, _: &[&str]| {
        let headers = [
            ("connection", "keep-alive, x-hop"),
            ("keep-alive", "timeout=5"),
            ("x-hop", "1"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "x"),
            ("te", "gzip"),
            ("upgrade", "websocket"),
        ];
        let response = proxy.client().request("GET http://target.test/x", &headers);
        let request = origin.received();
        assert_eq!(request.start, "GET /x HTTP/1.1");
        assert_eq!(request.header("host").as_deref(), Some("target.test"));
        for (name, _) in headers {
            assert_eq!(request.header(name), None, "{name}");
        }
        for name in ["x-hop", "keep-alive", "proxy-authenticate", "upgrade"] {
            assert_eq!(response.header(name), None, "{name}");
        }
        assert_eq!(response.text(), "hello");
    };
    let origin = || {
        Origin::fixed(
            "HTTP/1.1 200 OK\r\nconnection: x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\nproxy-authenticate: x\r\n\
             upgrade: h2c\r\ncontent-length: 5\r\n\r\nhello",
        )
    };
    each_chain(test, origin);
}

#[test]
fn no_request_hides_in_another() {
    let test = |proxy: &Proxy, origin: &Origin, chain: &[&str]| {
        // Both framings: the length is not passed on.
        let mut client = proxy.client();
        client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n");
        client.send(chunked(&[b"GET /hidden HTTP/1.1\r\n\r\n"], &[]));
        if client
            .try_receive(false)
            .is_some_and(|response| response.status() == 200)
        {
            let request = origin.received();
            assert_eq!(request.header("content-length"), None, "{chain:?}");
            assert_eq!(request.text(), "GET /hidden HTTP/1.1\r\n\r\n");
        }
        let refused = [
            "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcde",
            "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: gzip\r\n\r\nabcde",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
            "CONNECT h:80 HTTP/1.1\r\nhost: h:80\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: h\r\nbad header: x\r\n\r\n",
        ];
        for request in refused {
            let response = proxy.client().send(request).try_receive(false);
            let refused = response.is_none_or(|response| (400..500).contains(&response.status()));
            assert!(refused, "{chain:?} {request:?}");
        }
        assert_eq!(proxy.client().request("GET /after", &[]).status(), 200);
        assert_eq!(
            origin.received().start,
            "GET /after HTTP/1.1",
            "{chain:?}: the origin got none of them"
        );
    };
    each_chain(test, || Origin::fixed(ok("hello")));
}

#[test]
fn a_client_that_leaves_takes_its_request_with_it() {
    let origin = || {
        Origin::raw(|mut reader, requests| {
            let mut request = Message::read_head(&mut reader).unwrap().unwrap();
            requests.send(request.clone()).unwrap();
            // Ends when the connection does, long before the body would.
            request.read_body(&mut reader);
            requests.send(request).unwrap();
        })
    };
    let test = |proxy: &Proxy, origin: &Origin, chain: &[&str]| {
        let mut client = proxy.client();
        client
            .send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1000000\r\n\r\n")
            .send(vec![b'x'; 1000]);
        assert!(!origin.received().complete);
        drop(client);
        let start = Instant::now();
        assert!(!origin.received().complete, "{chain:?}");
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "{chain:?}: {:?}",
            start.elapsed()
        );
    };
    each_chain(test, origin);
}

#[test]
fn a_client_that_leaves_while_it_is_answered_stops_the_origin() {
    let origin = || {
        Origin::raw(|mut reader, requests| {
            let request = Message::read_head(&mut reader).unwrap().unwrap();
            let stream = reader.get_mut();
            stream.set_write_timeout(Some(PATIENCE)).unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000000\r\n\r\n")
                .unwrap();
            while stream.write_all(&[b'x'; 64 << 10]).is_ok() {}
            requests.send(request).unwrap();
        })
    };
    let test = |proxy: &Proxy, origin: &Origin, _: &[&str]| {
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
        assert_eq!(client.receive_head().status(), 200);
        client.receive_bytes(100_000);
        drop(client);
        origin.received();
    };
    each_chain(test, origin);
}

#[test]
fn an_origin_that_breaks_off_is_no_complete_response() {
    let answers = [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ];
    for answer in answers {
        let origin = || {
            Origin::raw(move |mut reader, _| {
                Message::read_head(&mut reader).unwrap();
                reader.get_mut().write_all(answer.as_bytes()).unwrap();
            })
        };
        let test = |proxy: &Proxy, _: &Origin, chain: &[&str]| {
            let response = proxy.client().request("GET /", &[]);
            assert_eq!(
                (response.status(), response.complete),
                (200, false),
                "{chain:?} {answer}"
            );
        };
        each_chain(test, origin);
    }
}

#[test]
fn origins_that_cannot_be_had() {
    // Nobody listens on a port that was free a moment ago.
    let refusing = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let closing = Origin::raw(|mut reader, _| drop(Message::read_head(&mut reader)));
    let garbage = Origin::fixed("this is no HTTP\r\n\r\n");
    // A queue of connections that is full: the kernel answers no more.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    socket.listen(0).unwrap();
    let silent = socket.local_addr().unwrap().as_socket().unwrap();
    let patience = Duration::from_millis(300);
    let mut queue = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&silent, patience) {
        queue.push(stream);
    }
    let table = [
        (refusing, 502),
        (closing.address(), 502),
        (garbage.address(), 502),
        (silent, 504),
    ];
    for chains in CHAINS {
        let chain = &chains.concat();
        for (address, status) in table {
            let proxy = with_chains(chains).upstream_within(address, patience).start();
            let mut client = proxy.client();
            let response = client.request("GET /", &[]);
            assert_eq!(
                (response.status(), response.complete),
                (status, true),
                "{chain:?} {address}"
            );
            assert_eq!(
                response.header("x-plugin"),
                mark(chain),
                "plugins see it like any response"
            );
            assert!(!response.body.is_empty());
            let response = client.request("HEAD /", &[]);
            assert_eq!(response.status(), status, "the connection serves on");
        }
    }
}
