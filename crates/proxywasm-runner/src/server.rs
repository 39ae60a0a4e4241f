//! Connections of clients: accepted, served, and let go.

use crate::driver::{self, HttpListener};
use crate::properties::ConnectionProperties;
use crate::shutdown::Shutdown;
use crate::tcp::{self, TcpRoute};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// How long a client may take for a request head, and how long a connection may be idle.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(60);

/// How long accepting rests when the process has no descriptors left.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// The connections of one worker.
pub(crate) struct Connections {
    /// How many there are, for whoever hands over new ones.
    load: Arc<AtomicUsize>,
    open: Cell<usize>,
    changed: tokio::sync::Notify,
    shutdown: Shutdown,
}

/// What becomes of the connections of a listener.
#[derive(Clone)]
pub(crate) enum Service {
    Http(Rc<HttpListener>),
    Tcp(Rc<TcpRoute>),
}

/// Counts one connection while it lives.
struct Counted(Rc<Connections>);

// === impl Connections ===

impl Connections {
    pub(crate) fn new(load: Arc<AtomicUsize>, shutdown: Shutdown) -> Rc<Self> {
        Rc::new(Self {
            load,
            open: Cell::new(0),
            changed: tokio::sync::Notify::new(),
            shutdown,
        })
    }

    /// Accepts until shutdown.
    pub(crate) async fn accept(self: Rc<Self>, listener: TcpListener, service: Service) {
        let mut shutdown = self.shutdown.clone();
        let mut stopped = pin!(shutdown.requested());
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut stopped => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    self.load.fetch_add(1, Ordering::Relaxed);
                    self.serve(stream, peer, &service);
                }
                Err(error) => rest_after(&error).await,
            }
        }
    }

    /// Serves a connection, in the background. The load counts it already.
    pub(crate) fn serve(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr, service: &Service) {
        self.open.set(self.open.get() + 1);
        let counted = Counted(Rc::clone(self));
        let shutdown = self.shutdown.clone();
        let service = service.clone();
        tokio::task::spawn_local(async move {
            if let Err(error) = serve(stream, peer, service, shutdown).await {
                tracing::debug!(%peer, %error, "connection ended");
            }
            drop(counted);
        });
    }

    /// Waits until all connections are gone.
    pub(crate) async fn drained(&self) {
        while self.open.get() > 0 {
            self.changed.notified().await;
        }
    }

    /// How many there are.
    pub(crate) fn open(&self) -> usize {
        self.open.get()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.load.fetch_sub(1, Ordering::Relaxed);
        self.0.open.set(self.0.open.get() - 1);
        self.0.changed.notify_one();
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

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    service: Service,
    shutdown: Shutdown,
) -> Result<(), Box<dyn std::error::Error>> {
    stream.set_nodelay(true)?;
    let properties = ConnectionProperties::new(peer, stream.local_addr()?);
    match service {
        Service::Http(listener) => serve_http(stream, properties, listener, shutdown).await?,
        // It goes on until it ends, or the worker does.
        Service::Tcp(route) => tcp::serve(route, stream, properties).await,
    }
    Ok(())
}

async fn serve_http(
    stream: TcpStream,
    properties: ConnectionProperties,
    listener: Rc<HttpListener>,
    mut shutdown: Shutdown,
) -> hyper::Result<()> {
    let properties = Arc::new(properties);
    let service = service_fn(move |request| {
        let (listener, properties) = (Rc::clone(&listener), Arc::clone(&properties));
        async move { driver::serve(&listener, &properties, request).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        result = connection.as_mut() => return result,
        () = shutdown.requested() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}
