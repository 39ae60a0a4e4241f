//! gRPC through the proxy: a client and a server of tonic, and plugins between them.

use bytes::Bytes;
use futures_core::Stream;
use http::uri::PathAndQuery;
use proxywasm_tests::guests::{HEADERS_COMPONENT, HEADERS_LEGACY};
use proxywasm_tests::harness::{Authority, GrpcServer, Proxy, client_tls, proxy, server_tls};
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};
use wasi_grpc::backend::PassThrough;

/// Messages that a client streams.
struct Messages(VecDeque<Bytes>);

impl Messages {
    fn new(texts: &[&str]) -> Self {
        Self(
            texts
                .iter()
                .map(|text| Bytes::copy_from_slice(text.as_bytes()))
                .collect(),
        )
    }
}

impl Stream for Messages {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Bytes>> {
        Poll::Ready(self.0.pop_front())
    }
}

/// A call of a method to be.
async fn ready(channel: &Channel) -> Grpc<Channel> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    client
}

const CHAT: PathAndQuery = PathAndQuery::from_static("/echo.Echo/Chat");

fn text(message: &str) -> Request<Bytes> {
    Request::new(Bytes::copy_from_slice(message.as_bytes()))
}

async fn all(response: Response<Streaming<Bytes>>) -> Result<Vec<String>, Status> {
    let mut messages = response.into_inner();
    let mut texts = Vec::new();
    while let Some(message) = messages.message().await? {
        texts.push(String::from_utf8_lossy(&message).into_owned());
    }
    Ok(texts)
}

/// All four shapes of calls, an error, and what travels beside messages.
async fn call_all(channel: &Channel, plugin: bool) {
    let response = ready(channel)
        .await
        .unary(text("one"), CHAT, PassThrough)
        .await
        .unwrap();
    assert_eq!(response.get_ref(), "one");
    assert_eq!(response.metadata().get("x-served-by").unwrap(), "tonic");
    assert_eq!(response.metadata().contains_key("x-plugin"), plugin);

    let collected = Request::new(Messages::new(&["collect", "ab", "cd", "ef"]));
    let response = ready(channel)
        .await
        .client_streaming(collected, CHAT, PassThrough)
        .await
        .unwrap();
    assert_eq!(response.get_ref(), "abcdef");

    let response = ready(channel)
        .await
        .server_streaming(text("many:5"), CHAT, PassThrough)
        .await
        .unwrap();
    assert_eq!(all(response).await.unwrap(), ["1", "2", "3", "4", "5"]);

    let messages = Request::new(Messages::new(&["a", "b", "", "c"]));
    let response = ready(channel)
        .await
        .streaming(messages, CHAT, PassThrough)
        .await
        .unwrap();
    assert_eq!(all(response).await.unwrap(), ["a", "b", "", "c"]);

    // A status and metadata behind a message travel as trailers.
    let messages = Request::new(Messages::new(&["a", "fail:7:no entry"]));
    let response = ready(channel)
        .await
        .streaming(messages, CHAT, PassThrough)
        .await
        .unwrap();
    let status = all(response).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::PermissionDenied, "no entry")
    );
    assert_eq!(status.metadata().get("x-why").unwrap(), "no entry");
    assert_eq!(status.metadata().contains_key("x-plugin-trailer"), plugin);

    // One without a message has them in its head.
    let mut client = ready(channel).await;
    let response = client.unary(text("a"), PathAndQuery::from_static("/none/None"), PassThrough);
    assert_eq!(response.await.unwrap_err().code(), Code::Unimplemented);
}

async fn connect(proxy: &Proxy) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{}", proxy.address())).unwrap();
    endpoint.connect().await.unwrap()
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

#[test]
fn four_shapes_of_calls() {
    let server = GrpcServer::start();
    for guests in [
        &[][..],
        &[HEADERS_COMPONENT],
        &[HEADERS_LEGACY],
        &[HEADERS_LEGACY, HEADERS_COMPONENT],
    ] {
        let proxy = proxy().http2_upstream(server.address()).guests(guests).start();
        block_on(async { call_all(&connect(&proxy).await, !guests.is_empty()).await });
    }
    let call = server.received();
    assert_eq!(call.path, "/echo.Echo/Chat");
}

#[test]
fn authorities_pass() {
    let server = GrpcServer::start();
    let proxy = proxy()
        .http2_upstream(server.address())
        .guest(HEADERS_LEGACY, "")
        .start();
    block_on(async {
        let channel = connect(&proxy).await;
        ready(&channel)
            .await
            .unary(text("a"), CHAT, PassThrough)
            .await
            .unwrap();
    });
    let call = server.received();
    assert_eq!(call.authority, proxy.address().to_string());
    assert_eq!(call.metadata.get("x-plugin").unwrap(), "headers");
    assert_eq!(call.metadata.get("te").unwrap(), "trailers");
}

/// By way of a second proxy that speaks TLS, so that HTTP/2 is agreed on by ALPN.
#[test]
fn over_tls() {
    let authority = Authority::new();
    let server = GrpcServer::start();
    let inner = proxy()
        .http2_upstream(server.address())
        .tls(server_tls(vec![authority.certificate(&["grpc.test"])]))
        .guest(HEADERS_COMPONENT, "")
        .start();
    let outer = proxy()
        .tls_upstream(inner.address(), client_tls(&authority, "grpc.test"))
        .guest(HEADERS_LEGACY, "")
        .start();
    block_on(async { call_all(&connect(&outer).await, true).await });
}

/// On one connection of the client and one to the server.
#[test]
fn a_hundred_calls_at_once() {
    let server = GrpcServer::start();
    for guest in [HEADERS_COMPONENT, HEADERS_LEGACY] {
        let proxy = proxy().http2_upstream(server.address()).guest(guest, "").start();
        block_on(async {
            let channel = connect(&proxy).await;
            let calls: Vec<_> = (0..100)
                .map(|number| {
                    let channel = channel.clone();
                    tokio::spawn(async move {
                        let large = format!("{number}-{}", "x".repeat(20_000));
                        let texts = [large.as_str(), "second", "third"];
                        let messages = Request::new(Messages::new(&texts));
                        let response = ready(&channel).await.streaming(messages, CHAT, PassThrough).await;
                        assert_eq!(all(response.unwrap()).await.unwrap(), texts, "{number}");
                    })
                })
                .collect();
            for call in calls {
                call.await.unwrap();
            }
        });
    }
}

/// A client that gives a call up takes the upstream's with it.
#[test]
fn calls_that_are_given_up() {
    let server = GrpcServer::start();
    let proxy = proxy()
        .http2_upstream(server.address())
        .guest(HEADERS_COMPONENT, "")
        .start();
    block_on(async {
        let channel = connect(&proxy).await;
        let messages = Request::new(Messages::new(&["a", "hang"]));
        let response = ready(&channel)
            .await
            .streaming(messages, CHAT, PassThrough)
            .await
            .unwrap();
        let mut messages = response.into_inner();
        assert_eq!(messages.message().await.unwrap().unwrap(), "a");
    });
    assert_eq!(server.given_up(), "/echo.Echo/Chat");
}
