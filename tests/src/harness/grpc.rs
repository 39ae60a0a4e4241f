//! A gRPC server over tonic, whose services pass bytes through.

use super::PATIENCE;
use bytes::Bytes;
use futures_core::Stream;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll};
use std::thread;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tonic::metadata::MetadataMap;
use tonic::server::{Grpc, StreamingService};
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status, Streaming};
use wasi_grpc::backend::PassThrough;

/// A server on a thread of its own. It goes away, in the middle of whatever it does, when it is dropped or told to.
///
/// `auth.Authorizer/Check` answers a message with itself, `echo.Echo/Chat` each message of a stream. Both take a message, or for `Check` the
/// metadata `x-request-id`, that begins with one of these words for more:
///
/// - `fail:CODE:TEXT`: ends the call with this status, and the metadata `x-why: TEXT`.
/// - `hang`: answers nothing more.
/// - `break`: ends the call well, whatever it owes.
/// - `die`: the server goes away.
/// - `flood`: answers with 1000 messages of 64 KiB, as far as the client takes them.
/// - `large:N`: answers with a message of N bytes.
/// - `many:N`: answers with N messages, `1` to `N`.
/// - `collect`: from now on answers nothing until the client has ended its direction, and then with all of it in one message.
pub struct GrpcServer {
    address: SocketAddr,
    calls: Receiver<GrpcCall>,
    given_up: Receiver<String>,
    flooded: Arc<AtomicUsize>,
    stop: Arc<Notify>,
    thread: Option<thread::JoinHandle<()>>,
}

/// A call that a server got.
pub struct GrpcCall {
    /// `/package.Service/Method`.
    pub path: String,
    /// The metadata that came first.
    pub metadata: MetadataMap,
    /// What the client calls the server.
    pub authority: String,
}

/// All services.
#[derive(Clone)]
struct Services {
    calls: Sender<GrpcCall>,
    given_up: Sender<String>,
    flooded: Arc<AtomicUsize>,
    stop: Arc<Notify>,
}

/// The method of one call.
struct Method {
    services: Services,
    path: String,
}

/// The messages of an answer.
struct Answers(mpsc::Receiver<Result<Bytes, Status>>);

type Answer = mpsc::Sender<Result<Bytes, Status>>;
type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

// === impl GrpcServer ===

impl GrpcServer {
    /// A server at an address of its own.
    ///
    /// # Panics
    /// The system gives no socket or no thread.
    pub fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap())
    }

    /// A server at an address, of one that has gone.
    ///
    /// # Panics
    /// The system gives no socket or no thread.
    pub fn start_at(address: SocketAddr) -> Self {
        let (calls, received) = channel();
        let (given_up, has_given_up) = channel();
        let (ready, is_ready) = channel();
        let stop = Arc::new(Notify::new());
        let flooded = Arc::new(AtomicUsize::new(0));
        let services = Services {
            calls,
            given_up,
            flooded: Arc::clone(&flooded),
            stop: Arc::clone(&stop),
        };
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind(address).await.unwrap();
                ready.send(listener.local_addr().unwrap()).unwrap();
                let stop = Arc::clone(&services.stop);
                let serve = Server::builder().serve_with_incoming(services, Incoming(listener));
                tokio::select! {
                    served = serve => served.unwrap(),
                    () = stop.notified() => {}
                }
            });
            runtime.shutdown_background();
        });
        Self {
            address: is_ready.recv_timeout(PATIENCE).unwrap(),
            calls: received,
            given_up: has_given_up,
            flooded,
            stop,
            thread: Some(thread),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next call that it got.
    ///
    /// # Panics
    /// It gets none.
    pub fn received(&self) -> GrpcCall {
        self.calls.recv_timeout(PATIENCE).expect("a call")
    }

    /// Waits until a client has given a call up that was not over, and returns its path.
    ///
    /// # Panics
    /// None does.
    pub fn given_up(&self) -> String {
        self.given_up
            .recv_timeout(PATIENCE)
            .expect("a call that is given up")
    }

    /// How many calls were given up besides.
    pub fn given_up_now(&self) -> usize {
        self.given_up.try_iter().count()
    }

    /// How many messages clients have taken that asked for a `flood`.
    pub fn flooded(&self) -> usize {
        self.flooded.load(Ordering::Relaxed)
    }

    /// Waits until it has gone by itself, which `die` makes it do.
    pub fn gone(mut self) {
        let thread = self.thread.take().into_iter();
        thread.for_each(|thread| thread.join().unwrap());
    }

    fn shut_down(&mut self) {
        self.stop.notify_one();
        let thread = self.thread.take().into_iter();
        thread.for_each(|thread| drop(thread.join()));
    }
}

impl Drop for GrpcServer {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// Connections.
struct Incoming(TcpListener);

impl Stream for Incoming {
    type Item = std::io::Result<tokio::net::TcpStream>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_accept(context).map(|accepted| {
            let stream = accepted.map(|(stream, _)| stream);
            stream.iter().for_each(|stream| stream.set_nodelay(true).unwrap());
            Some(stream)
        })
    }
}

impl tower_service::Service<http::Request<tonic::body::Body>> for Services {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let authority = request
            .uri()
            .authority()
            .map_or("", |authority| authority.as_str());
        let path = request.uri().path().to_owned();
        // Nobody listens once the test is over.
        let _unheard = self.calls.send(GrpcCall {
            path: path.clone(),
            metadata: MetadataMap::from_headers(request.headers().clone()),
            authority: authority.to_owned(),
        });
        let method = Method {
            services: self.clone(),
            path,
        };
        let mut grpc = Grpc::new(PassThrough).max_decoding_message_size(usize::MAX);
        Box::pin(async move { Ok(grpc.streaming(method, request).await) })
    }
}

impl StreamingService<Bytes> for Method {
    type Response = Bytes;
    type ResponseStream = Answers;
    type Future = BoxFuture<Result<Response<Answers>, Status>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let (services, path) = (self.services.clone(), self.path.clone());
        Box::pin(async move {
            if !matches!(path.as_str(), "/auth.Authorizer/Check" | "/echo.Echo/Chat") {
                return Err(Status::unimplemented(path));
            }
            // The proxy gives every request one.
            let id = request.metadata().get("x-request-id");
            let id = id.filter(|_| path == "/auth.Authorizer/Check");
            let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
            let (answer, answers) = mpsc::channel(1);
            tokio::spawn(async move {
                let talk = talk(&services, &id, request.into_inner(), &answer);
                tokio::select! {
                    status = talk => if let Err(status) = status {
                        let _gone = answer.send(Err(status)).await;
                    },
                    () = answer.closed() => {
                        let _unheard = services.given_up.send(path);
                    }
                }
            });
            let mut response = Response::new(Answers(answers));
            response
                .metadata_mut()
                .insert("x-served-by", "tonic".parse().unwrap());
            Ok(response)
        })
    }
}

/// Answers messages until the client has ended its direction, or has asked for something else.
async fn talk(
    services: &Services,
    id: &str,
    mut messages: Streaming<Bytes>,
    answer: &Answer,
) -> Result<(), Status> {
    let mut collected: Option<Vec<u8>> = None;
    while let Some(message) = messages.message().await? {
        if let Some(collected) = &mut collected {
            collected.extend_from_slice(&message);
            continue;
        }
        let text = if id.is_empty() {
            String::from_utf8_lossy(&message).into_owned()
        } else {
            id.to_owned()
        };
        let mut words = text.split(':');
        let number = |words: &mut std::str::Split<'_, char>| words.next().unwrap().parse::<usize>().unwrap();
        let answers = match words.next().unwrap_or_default() {
            "fail" => {
                let code = Code::from_i32(words.next().unwrap().parse().unwrap());
                let why = words.next().unwrap_or_default();
                let mut metadata = MetadataMap::new();
                metadata.insert("x-why", why.parse().unwrap());
                return Err(Status::with_metadata(code, why, metadata));
            }
            "hang" => return std::future::pending().await,
            "break" => return Ok(()),
            "die" => {
                services.stop.notify_one();
                return std::future::pending().await;
            }
            "flood" => {
                for _ in 0..1000 {
                    if answer.send(Ok(Bytes::from_static(&[0; 64 << 10]))).await.is_err() {
                        break;
                    }
                    services.flooded.fetch_add(1, Ordering::Relaxed);
                }
                Vec::new()
            }
            "large" => vec![Bytes::from(vec![b'x'; number(&mut words)])],
            "many" => (1..=number(&mut words))
                .map(|number| Bytes::from(number.to_string()))
                .collect(),
            "collect" => {
                collected = Some(Vec::new());
                continue;
            }
            _ => vec![message],
        };
        for message in answers {
            let _gone = answer.send(Ok(message)).await;
        }
    }
    if let Some(collected) = collected {
        let _gone = answer.send(Ok(collected.into())).await;
    }
    Ok(())
}

impl Stream for Answers {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}
