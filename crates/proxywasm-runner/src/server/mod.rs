//! Connections of clients: accepted, served, and let go.

mod client_io;
mod drain;
mod ends;
mod http;
mod linger;
mod options;
mod patience;
mod preface;
mod proxy_protocol;
mod streams;
mod windows;

pub(crate) use drain::{Cut, Drain};
pub use options::{DEFAULT_HANDSHAKE_TIMEOUT, DEFAULT_MAX_CONNECTIONS, HttpOptions};
pub use windows::WindowBudget;

use crate::driver::HttpListener;
use crate::figures::ListenerFigures;
use crate::properties::ConnectionProperties;
use crate::shutdown::Phase;
use crate::tcp::{self, TcpRoute};
use crate::tls::{ServerTls, TlsSession};
use crate::transport::{Address, Listener, Socket, Stream};
use drain::Kind;
use std::cell::{Cell, RefCell};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio_rustls::{TlsAcceptor, TlsStream};

/// How long accepting rests when the process has no descriptors left.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// The connections of one worker.
pub(crate) struct Connections {
    /// How many there are, for whoever hands over new ones.
    load: Arc<AtomicUsize>,
    open: Cell<usize>,
    /// Sockets on which connections are accepted.
    accepting: Cell<usize>,
    changed: tokio::sync::Notify,
}

/// A listener, as one worker has it.
pub(crate) struct Service {
    /// How new connections are served.
    current: RefCell<Rc<Serving>>,
    /// How many connections the listener has in all workers.
    connections: Arc<AtomicUsize>,
    drain: Rc<Drain>,
}

/// What one worker does with the connections of a listener.
pub(crate) struct Serving {
    pub(crate) application: Application,
    /// Whether a proxy before this one says whose connections they are.
    pub(crate) proxy_protocol: bool,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) http: HttpOptions,
    /// How long a client may take for the header of the PROXY protocol, and again for TLS.
    pub(crate) handshake_timeout: Duration,
    /// How many connections the listener may have, in all workers.
    pub(crate) max_connections: usize,
    pub(crate) figures: Arc<ListenerFigures>,
}

/// What the bytes of a connection are.
#[derive(Clone)]
pub(crate) enum Application {
    /// Requests on connections that are open already get what is new here, too.
    Http(Rc<HttpSlot>),
    Tcp(Rc<TcpRoute>),
}

/// What requests of a listener get that come next.
pub(crate) type HttpSlot = RefCell<Rc<HttpListener>>;

/// Counts one connection while it lives.
struct Counted {
    all: Rc<Connections>,
    service: Rc<Service>,
    figures: Arc<ListenerFigures>,
}

// === impl Connections ===

impl Connections {
    pub(crate) fn new(load: Arc<AtomicUsize>) -> Rc<Self> {
        Rc::new(Self {
            load,
            open: Cell::new(0),
            accepting: Cell::new(0),
            changed: tokio::sync::Notify::new(),
        })
    }

    /// Accepts, in the background, until listening ends.
    pub(crate) fn accept(self: &Rc<Self>, listener: Listener, service: &Rc<Service>) {
        self.accepting.update(|count| count.saturating_add(1));
        let (all, service) = (Rc::clone(self), Rc::clone(service));
        tokio::task::spawn_local(async move {
            all.accept_all(listener, &service).await;
            all.accepting.update(|count| count.saturating_sub(1));
            all.changed.notify_one();
        });
    }

    async fn accept_all(self: &Rc<Self>, listener: Listener, service: &Rc<Service>) {
        let mut stopped = pin!(service.drain.reached(Phase::Closing));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut stopped => break,
            };
            match accepted {
                Ok((socket, peer)) => self.serve_accepted(socket, peer, service),
                Err(error) => rest_after(&error).await,
            }
        }
        // Who has connected already would see the connection reset.
        for (socket, peer) in listener.into_waiting() {
            match socket.into_socket() {
                Ok(socket) => self.serve_accepted(socket, peer, service),
                Err(error) => tracing::warn!(%error, "an accepted connection cannot be used"),
            }
        }
    }

    fn serve_accepted(self: &Rc<Self>, socket: Socket, peer: Address, service: &Rc<Service>) {
        self.load.fetch_add(1, Ordering::Relaxed);
        self.serve(socket, peer, service);
    }

    /// Serves a connection, in the background. The load counts it already.
    pub(crate) fn serve(self: &Rc<Self>, socket: Socket, peer: Address, service: &Rc<Service>) {
        self.open.set(self.open.get() + 1);
        let others = service.connections.fetch_add(1, Ordering::Relaxed);
        let figures = Arc::clone(&service.current().figures);
        figures.connections.add(1);
        figures.open.add(1);
        let counted = Counted {
            all: Rc::clone(self),
            service: Rc::clone(service),
            figures,
        };
        let limit = service.current().max_connections;
        if others >= limit {
            counted.figures.refused.add(1);
            tracing::debug!(%peer, limit, "a connection is closed, for there are too many");
            return;
        }
        tokio::task::spawn_local(async move {
            if let Err(error) = serve(socket, &peer, &counted.service).await {
                tracing::debug!(%peer, %error, "connection ended");
            }
            drop(counted);
        });
    }

    /// A connection that was counted is not served.
    pub(crate) fn forget(&self) {
        self.load.fetch_sub(1, Ordering::Relaxed);
    }

    /// Waits until nobody accepts any more and all connections are gone.
    pub(crate) async fn drained(&self) {
        while self.open.get() > 0 || self.accepting.get() > 0 {
            self.changed.notified().await;
        }
    }
}

// === impl Service ===

impl Service {
    pub(crate) fn new(serving: Serving, connections: Arc<AtomicUsize>, drain: Rc<Drain>) -> Rc<Self> {
        Rc::new(Self {
            current: RefCell::new(Rc::new(serving)),
            connections,
            drain,
        })
    }

    /// How new connections are served.
    pub(crate) fn current(&self) -> Rc<Serving> {
        Rc::clone(&self.current.borrow())
    }

    /// Serves connections in another way from now on. If they still are of HTTP, so are requests on those that are open.
    pub(crate) fn replace(&self, mut serving: Serving) {
        let before = self.current();
        if let (Application::Http(slot), Application::Http(new)) = (&before.application, &serving.application)
        {
            slot.replace(Rc::clone(&new.borrow()));
            serving.application = Application::Http(Rc::clone(slot));
        }
        self.current.replace(Rc::new(serving));
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.service.connections.fetch_sub(1, Ordering::Relaxed);
        self.figures.open.subtract(1);
        self.all.load.fetch_sub(1, Ordering::Relaxed);
        self.all.open.set(self.all.open.get() - 1);
        self.all.changed.notify_one();
    }
}

/// Accepting failed: for one connection, or for want of descriptors.
pub(crate) async fn rest_after(error: &io::Error) {
    if matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    ) {
        return;
    }
    tracing::warn!(%error, "cannot accept connections; trying again soon");
    tokio::time::sleep(ACCEPT_REST).await;
}

async fn serve(socket: Socket, peer: &Address, service: &Service) -> Result<(), Box<dyn std::error::Error>> {
    let (serving, drain) = (service.current(), &service.drain);
    let (stream, properties) = tokio::select! {
        biased;
        // Boxed, for it is over soon, and the connection is not.
        begun = Box::pin(prepare(socket, peer, &serving)) => begun?,
        () = drain.closes_idle() => return Ok(()),
    };
    // It may have been replaced meanwhile; what was agreed on stays.
    let latest = service.current();
    let application = match (&serving.application, &latest.application) {
        (Application::Tcp(_), Application::Tcp(latest)) => Application::Tcp(Rc::clone(latest)),
        (agreed, _) => agreed.clone(),
    };
    drop(latest);
    match application {
        Application::Http(listener) => {
            http::serve(stream, properties, listener, &serving.http, drain).await?;
        }
        // It goes on until it ends, or the worker does.
        Application::Tcp(route) => {
            let _under_way = drain.count(Kind::Tcp);
            tcp::serve(route, stream, properties).await;
        }
    }
    Ok(())
}

/// Has it agreed on what is below the application.
async fn prepare(
    mut socket: Socket,
    peer: &Address,
    service: &Serving,
) -> io::Result<(Stream, ConnectionProperties)> {
    socket.set_nodelay()?;
    let mut addresses = (peer.clone(), socket.local_address()?);
    if service.proxy_protocol {
        let told = begin(service.handshake_timeout, proxy_protocol::receive(&mut socket)).await;
        let told = told.inspect_err(|_| service.figures.failed.add(1))?;
        addresses = told.unwrap_or(addresses);
    }
    let mut properties = ConnectionProperties::new(addresses.0, addresses.1);
    let stream = match &service.tls {
        None => Stream::Plain(socket),
        Some(tls) => {
            let shaken = shake_hands(tls, socket, service.handshake_timeout).await;
            let (stream, session) = shaken.inspect_err(|_| service.figures.failed.add(1))?;
            properties.set_tls(session);
            stream
        }
    };
    Ok((stream, properties))
}

/// Has TLS agreed on.
async fn shake_hands(tls: &ServerTls, socket: Socket, limit: Duration) -> io::Result<(Stream, TlsSession)> {
    let acceptor = TlsAcceptor::from(tls.current());
    let stream = begin(limit, acceptor.accept(socket)).await?;
    let state = stream.get_ref().1;
    let session = TlsSession::new(state, state.server_name());
    Ok((Stream::Tls(Box::new(TlsStream::Server(stream))), session))
}

/// Waits for what begins a connection, not for long.
async fn begin<T>(limit: Duration, begun: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let begun = tokio::time::timeout(limit, begun).await;
    begun.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
