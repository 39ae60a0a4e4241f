//! Upgrades of HTTP/1.1 connections, as WebSocket makes them.

use proxywasm_tests::guests::{AUTH_COMPONENT, HEADERS_COMPONENT, HEADERS_LEGACY};
use proxywasm_tests::harness::{Authority, Origin, PATIENCE, Proxy, client_tls, proxy, server_tls};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use tungstenite::{Message, WebSocket};

/// A WebSocket server that answers each message with itself.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            thread::spawn(move || {
                let Ok(mut socket) = tungstenite::accept(stream) else {
                    return;
                };
                while let Ok(message) = socket.read() {
                    if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn open(proxy: &Proxy) -> (WebSocket<TcpStream>, tungstenite::handshake::client::Response) {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    tungstenite::client("ws://socket.test/chat", stream).unwrap()
}

fn talk(socket: &mut WebSocket<TcpStream>) {
    let large = "x".repeat(1_000_000);
    for text in ["one", "", &large] {
        socket.send(Message::text(text)).unwrap();
        assert!(socket.read().unwrap() == Message::text(text));
    }
    socket.close(None).unwrap();
    // The answer to the close, and then the end.
    while socket.read().is_ok() {}
}

#[test]
fn websockets() {
    let server = echo();
    // Plugins of the listener, and of the upstream.
    let chains: [[&[&str]; 2]; 5] = [
        [&[], &[]],
        [&[HEADERS_COMPONENT], &[]],
        [&[HEADERS_LEGACY], &[]],
        [&[], &[HEADERS_LEGACY]],
        [&[HEADERS_LEGACY], &[HEADERS_COMPONENT]],
    ];
    for chains in chains {
        let [of_listener, of_upstream] = chains;
        let proxy = proxy().upstream(server).guests(of_upstream).of_upstream();
        let proxy = proxy.guests(of_listener).start();
        for _ in 0..2 {
            let (mut socket, response) = open(&proxy);
            assert_eq!(response.status(), 101);
            let passed = response.headers().get_all("x-plugin").iter().count();
            assert_eq!(passed, chains.concat().len());
            talk(&mut socket);
        }
        proxy.shut_down();
    }
}

/// To an upstream that would choose HTTP/2, which has no upgrades.
#[test]
fn over_tls_to_the_upstream() {
    let authority = Authority::new();
    let inner = proxy()
        .upstream(echo())
        .tls(server_tls(vec![authority.certificate(&["up.test"])]))
        .start();
    let outer = proxy()
        .tls_upstream(inner.address(), client_tls(&authority, "up.test"))
        .guest(HEADERS_LEGACY, "")
        .start();
    // So that there is a connection of HTTP/2 that could be taken.
    assert_eq!(outer.client().request("GET /", &[]).status(), 502);
    let (mut socket, _) = open(&outer);
    talk(&mut socket);
}

const UPGRADE: &[(&str, &str)] = &[("connection", "upgrade"), ("upgrade", "other")];

#[test]
fn that_are_refused() {
    let refusing = Origin::fixed("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    for guests in [&[][..], &[HEADERS_COMPONENT]] {
        let proxy = proxy().upstream(refusing.address()).guests(guests).start();
        let mut client = proxy.client();
        for _ in 0..2 {
            let answer = client.request("GET /", UPGRADE);
            assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
            let request = refusing.received();
            assert_eq!(request.header("upgrade"), Some("other".to_owned()));
            assert_eq!(request.header("connection"), Some("upgrade".to_owned()));
        }
    }
    // A plugin answers first.
    let proxy = proxy().upstream(echo()).guest(AUTH_COMPONENT, "token").start();
    assert_eq!(proxy.client().request("GET /", UPGRADE).status(), 401);
}

/// An upstream that begins another protocol though nobody asked: the client must not take its bytes for a response.
#[test]
fn that_nobody_asked_for() {
    let switching = Origin::fixed(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\nbytes",
    );
    let proxy = proxy().upstream(switching.address()).start();
    let answer = proxy.client().request("GET /", &[]);
    assert_eq!(answer.status(), 502);
}
