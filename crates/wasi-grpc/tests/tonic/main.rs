//! The connection against an upstream over bare HTTP/2.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test whose surroundings fail has to fail"
)]

mod server;

use bytes::Bytes;
use server::{Seen, Server, frame};
use std::time::Duration;
use wasi_common::{ByteMap, CalloutKind, CalloutStatus};
use wasi_grpc::backend::{Address, AddressError, Call, GrpcClient};
use wasi_grpc::{Event, Request, code};

fn request(kind: CalloutKind, method: &str) -> Request {
    Request {
        kind,
        upstream: "up".to_owned(),
        path: format!("/s/{method}"),
        metadata: ByteMap::new(),
        message: (kind == CalloutKind::GrpcCall).then(|| Bytes::from("hello")),
        timeout: None,
        max_message_bytes: 1 << 20,
    }
}

fn upstream(server: &Server) -> GrpcClient {
    let uri = format!("http://{}", server.address).parse().unwrap();
    GrpcClient::new(&Address::new(uri)).unwrap()
}

async fn all(call: &mut Call) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = call.incoming.next().await {
        events.push(event);
    }
    events
}

fn initial(pairs: &[(&str, &str)]) -> Event {
    Event::InitialMetadata(pairs.iter().copied().collect())
}

fn message(text: &'static str) -> Event {
    Event::Message(Bytes::from(text))
}

fn end(code: u32, message: &'static str, trailing: &[(&str, &str)]) -> Event {
    Event::End {
        status: CalloutStatus {
            code,
            message: Bytes::from(message),
        },
        trailing_metadata: Some(trailing.iter().copied().collect()),
    }
}

#[tokio::test]
async fn what_upstreams_answer() {
    let server = Server::start().await;
    let upstream = upstream(&server);
    let table: Vec<(&str, Vec<Event>)> = vec![
        (
            "Pieces",
            vec![
                initial(&[]),
                message("one"),
                message(""),
                message("three"),
                end(0, "", &[]),
            ],
        ),
        ("TrailersOnly", vec![end(5, "not there", &[("x-trailing", "2")])]),
        ("OkInHead", vec![end(0, "", &[])]),
        (
            "Status",
            vec![initial(&[]), end(9, "no", &[("grpc-status-details-bin", "hi")])],
        ),
        ("BadDetails", vec![initial(&[]), end(3, "", &[])]),
        ("BadDetailsInHead", vec![end(3, "", &[])]),
        ("UnknownCode", vec![initial(&[]), end(2, "", &[])]),
    ];
    for (method, expected) in table {
        let mut call = upstream.call(&request(CalloutKind::GrpcCall, method));
        assert_eq!(all(&mut call).await, expected, "{method}");
    }
    let mut call = upstream.call(&request(CalloutKind::GrpcCall, "BadText"));
    let events = all(&mut call).await;
    assert!(
        matches!(&events[1], Event::End { status, .. } if status.code == 6),
        "{events:?}"
    );
}

#[tokio::test]
async fn how_calls_fail() {
    let server = Server::start().await;
    let upstream = upstream(&server);
    let table: &[(&str, Vec<Event>, u32, &str)] = &[
        ("Large", vec![initial(&[])], code::RESOURCE_EXHAUSTED, "too large"),
        ("Compressed", vec![initial(&[])], code::INTERNAL, "compress"),
        (
            "NoTrailers",
            vec![initial(&[]), message("x")],
            code::UNKNOWN,
            "grpc-status",
        ),
        ("HalfAMessage", vec![initial(&[])], code::INTERNAL, "EOF"),
        ("Refuse", vec![], code::UNAVAILABLE, "refused stream"),
        ("Calm", vec![], code::RESOURCE_EXHAUSTED, ""),
        (
            "Break",
            vec![initial(&[]), message("x")],
            code::INTERNAL,
            "internal error",
        ),
        ("Drop", vec![initial(&[]), message("half")], code::UNAVAILABLE, ""),
        ("503", vec![initial(&[])], code::UNAVAILABLE, "503"),
        ("404", vec![initial(&[])], 12, "404"),
        ("500", vec![initial(&[])], code::UNKNOWN, "500"),
    ];
    for (method, before, expected, part) in table {
        let mut call = upstream.call(&request(CalloutKind::GrpcCall, method));
        let mut events = all(&mut call).await;
        let Some(Event::End {
            status,
            trailing_metadata,
        }) = events.pop()
        else {
            panic!("{method}: {events:?}");
        };
        let text = String::from_utf8(status.message.to_vec()).unwrap();
        assert_eq!(status.code, *expected, "{method}: {text}");
        assert!(text.contains(part), "{method}: {text}");
        assert_eq!(trailing_metadata, None, "{method}");
        assert_eq!(events, *before, "{method}");
        // The connection is still good, or made again.
        let mut echo = upstream.call(&request(CalloutKind::GrpcCall, "Echo"));
        assert_eq!(
            all(&mut echo).await.get(1),
            Some(&message("hello")),
            "after {method}"
        );
    }
}

#[tokio::test]
async fn an_upstream_that_is_not_there() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let upstream = GrpcClient::new(&Address::new(format!("http://{address}").parse().unwrap())).unwrap();
    for attempt in 0..3 {
        let mut call = upstream.call(&request(CalloutKind::GrpcStream, "Echo"));
        match &all(&mut call).await[..] {
            [
                Event::End {
                    status,
                    trailing_metadata: None,
                },
            ] => {
                assert_eq!(status.code, code::UNAVAILABLE, "{attempt}");
                let text = String::from_utf8_lossy(&status.message);
                assert!(text.contains("refused"), "{text}");
            }
            other => panic!("{attempt}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_goes_out() {
    let server = Server::start().await;
    let address = Address {
        authority: Some("service.test:80".to_owned()),
        ..Address::new(format!("http://{}", server.address).parse().unwrap())
    };
    let upstream = GrpcClient::new(&address).unwrap();
    let mut request = request(CalloutKind::GrpcCall, "Echo");
    request.metadata = [(&b"x-key"[..], &b"v"[..]), (b"raw-bin", b"\xff\x00")]
        .into_iter()
        .collect();
    request.timeout = Some(Duration::from_secs(5));
    let mut call = upstream.call(&request);
    let events = all(&mut call).await;

    let Seen::Head(head) = server.next_seen().await else {
        panic!("no head");
    };
    assert_eq!(head.uri.authority().unwrap(), "service.test:80");
    assert_eq!((head.method.as_str(), head.uri.path()), ("POST", "/s/Echo"));
    for (name, value) in [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("x-key", "v"),
        ("raw-bin", "/wA"),
        // A little longer than the host waits.
        ("grpc-timeout", "5100000u"),
    ] {
        assert_eq!(head.headers.get(name).unwrap(), value, "{name}");
    }
    match server.next_seen().await {
        Seen::Ended(body) => assert_eq!(body, frame(b"hello")),
        other => panic!("{other:?}"),
    }
    let expected = [(&b"x-initial"[..], &b"1"[..]), (b"raw-bin", b"\xff\x00")];
    assert_eq!(
        events,
        [
            Event::InitialMetadata(expected.into_iter().collect()),
            message("hello"),
            end(0, "", &[("x-trailing", "2")]),
        ]
    );
}

#[tokio::test]
async fn sending_ends_by_itself_only() {
    let server = Server::start().await;
    let upstream = upstream(&server);
    let mut call = upstream.call(&request(CalloutKind::GrpcStream, "Listen"));
    call.outgoing.send(Some(Bytes::from("a")), false);
    call.outgoing.send(Some(Bytes::new()), false);
    call.outgoing.send(None, true);
    call.outgoing.send(Some(Bytes::from("late")), false);
    assert_eq!(all(&mut call).await, [initial(&[]), end(0, "", &[])]);
    assert_eq!((call.sent.next().await, call.sent.next().await), (1, 0));
    assert!(matches!(server.next_seen().await, Seen::Head(_)));
    match server.next_seen().await {
        Seen::Ended(body) => assert_eq!(body, [frame(b"a"), frame(b"")].concat()),
        other => panic!("{other:?}"),
    }

    // A call that is dropped has not ended well, whichever half goes first.
    for outgoing_first in [true, false] {
        let mut call = upstream.call(&request(CalloutKind::GrpcStream, "Listen"));
        call.outgoing.send(Some(Bytes::from("a")), false);
        tokio::select! {
            _ = call.incoming.next() => panic!("the upstream listens"),
            seen = server.next_seen() => assert!(matches!(seen, Seen::Head(_))),
        }
        let Call {
            outgoing, incoming, ..
        } = call;
        if outgoing_first {
            drop(outgoing);
            drop(incoming);
        } else {
            drop(incoming);
            drop(outgoing);
        }
        match server.next_seen().await {
            Seen::Reset(reason) => assert_eq!(reason, Some(h2::Reason::CANCEL)),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_the_upstream_does_not_read_is_not_reported_as_sent() {
    let server = Server::start().await;
    let upstream = upstream(&server);
    let mut call = upstream.call(&request(CalloutKind::GrpcStream, "Deaf"));
    const MESSAGES: usize = 64;
    for _ in 0..MESSAGES {
        call.outgoing.send(Some(Bytes::from(vec![0; 32 << 10])), false);
    }
    assert_eq!(call.incoming.next().await, Some(initial(&[])));
    let mut sent = 0;
    while tokio::time::timeout(Duration::from_millis(200), call.sent.next())
        .await
        .is_ok()
    {
        sent += 1;
    }
    assert!((1..MESSAGES / 2).contains(&sent), "{sent}");
}

#[tokio::test]
async fn addresses() {
    let table = [
        ("http://127.0.0.1:1", None, true),
        ("http://name.test", Some("other"), true),
        ("https://127.0.0.1:1", None, false),
        ("/path", None, false),
        ("http://127.0.0.1:1", Some("no authority"), false),
    ];
    for (uri, authority, expected) in table {
        let address = Address {
            authority: authority.map(str::to_owned),
            ..Address::new(uri.parse().unwrap())
        };
        let made: Result<GrpcClient, AddressError> = GrpcClient::new(&address);
        assert_eq!(made.is_ok(), expected, "{uri} {authority:?}");
    }
}
