//! An upstream over bare HTTP/2, which can also do what no gRPC server does. The method says what.

use bytes::{BufMut, Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use std::net::SocketAddr;
use std::sync::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A server, until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// What requests looked like, and how their bodies ended.
    pub(crate) seen: Mutex<mpsc::UnboundedReceiver<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
pub(crate) enum Seen {
    Head(http::request::Parts),
    /// The client has ended its direction, after these messages in their frames.
    Ended(Bytes),
    /// The client has reset the stream.
    Reset(Option<Reason>),
}

type News = mpsc::UnboundedSender<Seen>;

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (news, seen) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::spawn(connection(socket, news.clone()));
            }
        });
        Self {
            address,
            seen: Mutex::new(seen),
            task,
        }
    }

    pub(crate) async fn next_seen(&self) -> Seen {
        std::future::poll_fn(|context| self.seen.lock().unwrap().poll_recv(context))
            .await
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A message with the five bytes in front of it.
pub(crate) fn frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put_slice(message);
    frame.freeze()
}

async fn connection(socket: TcpStream, news: News) {
    let mut connection = h2::server::handshake(socket).await.unwrap();
    while let Some(Ok((request, respond))) = connection.accept().await {
        if request.uri().path() == "/s/Drop" {
            // Without a word, in the middle of the answer.
            let mut respond = respond;
            let mut stream = respond.send_response(head(), false).unwrap();
            stream.send_data(frame(b"half"), false).unwrap();
            let _flushed =
                tokio::time::timeout(std::time::Duration::from_millis(50), connection.accept()).await;
            return;
        }
        tokio::spawn(answer(request, respond, news.clone()));
    }
}

fn head() -> Response<()> {
    Response::builder()
        .header("content-type", "application/grpc")
        .body(())
        .unwrap()
}

fn trailers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(*name, HeaderValue::from_static(value));
    }
    map
}

async fn body(mut body: RecvStream, news: &News) -> Bytes {
    let mut all = BytesMut::new();
    while let Some(data) = body.data().await {
        match data {
            Ok(data) => {
                body.flow_control().release_capacity(data.len()).unwrap();
                all.extend_from_slice(&data);
            }
            Err(error) => {
                let _unheard = news.send(Seen::Reset(error.reason()));
                std::future::pending::<()>().await;
            }
        }
    }
    let all = all.freeze();
    let _unheard = news.send(Seen::Ended(all.clone()));
    all
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, news: News) {
    let (parts, request) = request.into_parts();
    let method = parts.uri.path().rsplit('/').next().unwrap().to_owned();
    let _unheard = news.send(Seen::Head(parts));
    let mut begin = |response: Response<()>| respond.send_response(response, false).unwrap();
    let ok = || trailers(&[("grpc-status", "0")]);
    match method.as_str() {
        "Echo" => {
            let message = body(request, &news).await;
            let response = Response::builder()
                .header("content-type", "application/grpc")
                .header("x-initial", "1")
                .header("raw-bin", "/wA=");
            let mut stream = begin(response.body(()).unwrap());
            stream.send_data(message, false).unwrap();
            let pairs = [
                ("grpc-status", "0"),
                ("grpc-message", "fine"),
                ("x-trailing", "2"),
            ];
            stream.send_trailers(trailers(&pairs)).unwrap();
        }
        "Pieces" => {
            let mut stream = begin(head());
            let mut both = BytesMut::from(&frame(b"one")[..]);
            both.extend_from_slice(&frame(b""));
            both.extend_from_slice(&frame(b"three"));
            for piece in both.freeze().chunks(4) {
                stream.send_data(Bytes::copy_from_slice(piece), false).unwrap();
                tokio::task::yield_now().await;
            }
            stream.send_trailers(ok()).unwrap();
        }
        "Listen" => {
            body(request, &news).await;
            begin(head()).send_trailers(ok()).unwrap();
        }
        "Deaf" => {
            // Never read, so that the window closes.
            let _stream = begin(head());
            let _request = request;
            std::future::pending::<()>().await;
        }
        "TrailersOnly" | "BadDetailsInHead" | "OkInHead" => {
            let mut response = head();
            let pairs: &[_] = match method.as_str() {
                "TrailersOnly" => &[
                    ("grpc-status", "5"),
                    ("grpc-message", "not%20there"),
                    ("x-trailing", "2"),
                ],
                "OkInHead" => &[("grpc-status", "0")],
                _ => &[("grpc-status", "3"), ("grpc-status-details-bin", "!!!")],
            };
            response.headers_mut().extend(trailers(pairs));
            respond.send_response(response, true).unwrap();
        }
        "Status" | "BadDetails" | "UnknownCode" | "BadText" => {
            let pairs: &[_] = match method.as_str() {
                "Status" => &[
                    ("grpc-status", "9"),
                    ("grpc-message", "no"),
                    ("grpc-status-details-bin", "aGk"),
                ],
                "BadDetails" => &[("grpc-status", "3"), ("grpc-status-details-bin", "!!!")],
                "BadText" => &[("grpc-status", "6"), ("grpc-message", "%ff")],
                _ => &[("grpc-status", "99")],
            };
            begin(head()).send_trailers(trailers(pairs)).unwrap();
        }
        "Large" => {
            let mut stream = begin(head());
            stream
                .send_data(Bytes::from_static(&[0, 0x3f, 0xff, 0xff, 0xff, 1]), false)
                .unwrap();
            std::future::pending::<()>().await;
        }
        "Compressed" => {
            let mut stream = begin(head());
            stream
                .send_data(Bytes::from_static(&[1, 0, 0, 0, 1, 1]), false)
                .unwrap();
            stream.send_trailers(ok()).unwrap();
        }
        "NoTrailers" => begin(head()).send_data(frame(b"x"), true).unwrap(),
        "HalfAMessage" => begin(head())
            .send_data(Bytes::from_static(&[0, 0, 0, 0, 9, 1]), true)
            .unwrap(),
        "Refuse" => respond.send_reset(Reason::REFUSED_STREAM),
        "Calm" => respond.send_reset(Reason::ENHANCE_YOUR_CALM),
        "Break" => {
            let mut stream: SendStream<Bytes> = begin(head());
            stream.send_data(frame(b"x"), false).unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            stream.send_reset(Reason::INTERNAL_ERROR);
        }
        http => {
            let status: u16 = http.parse().unwrap();
            let response = Response::builder().status(status).body(()).unwrap();
            respond.send_response(response, true).unwrap();
        }
    }
}
