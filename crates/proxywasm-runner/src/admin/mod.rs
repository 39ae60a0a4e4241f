//! The admin address: what operators ask and change while the runner runs.
//!
//! | path | method | what |
//! |---|---|---|
//! | `/log_level` | GET | the lowest level of plugin messages that is written, or `as configured` |
//! | `/log_level` | PUT | sets it, for all plugins on all workers; the body is the name of a level |
//! | `/metrics` | GET | the metrics of plugins, and those of servers that stores and queues live on, in the text format of Prometheus |
//!
//! It speaks plain HTTP/1.1 to whoever reaches the address, so the address should be one that only operators reach. Its thread serves
//! nothing else; what it changes reaches the workers by a channel, and no request waits for it.

mod pages;

use crate::remote::Remote;
use crate::server::rest_after;
use crate::shutdown::Shutdown;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use pages::Pages;
use proxywasm_host::{LogLevel, MetricRegistry};
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// What operators have changed, for the workers to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Overrides {
    /// The level of plugin messages; `None` for that of each plugin's configuration.
    pub(crate) log_level: Option<LogLevel>,
}

/// What the page of metrics shows.
pub(crate) struct Metrics {
    pub(crate) plugins: Arc<MetricRegistry>,
    pub(crate) remotes: Vec<Arc<dyn Remote>>,
}

/// The address where nothing else is configured: this machine only.
pub const DEFAULT_ADMIN_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9901);

/// How long a client may take for a request, and a connection may be idle.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

// === impl Metrics ===

impl Metrics {
    fn render(&self) -> String {
        let mut page = self.plugins.render();
        self.remotes
            .iter()
            .for_each(|remote| remote.write_metrics(&mut page));
        page
    }
}

/// Serves until shutdown.
pub(crate) async fn serve(
    socket: TcpListener,
    overrides: watch::Sender<Overrides>,
    metrics: Metrics,
    shutdown: Shutdown,
) {
    let socket = match tokio::net::TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => return tracing::error!(%error, "the socket of the admin address cannot be used"),
    };
    let pages = Rc::new(Pages::new(overrides, metrics));
    let mut stop = shutdown.clone();
    let mut stopped = pin!(stop.requested());
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = &mut stopped => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (pages, shutdown) = (Rc::clone(&pages), shutdown.clone());
                tokio::task::spawn_local(async move {
                    if let Err(error) = connection(stream, pages, shutdown).await {
                        tracing::debug!(%peer, %error, "a connection to the admin address ended");
                    }
                });
            }
            Err(error) => rest_after(&error).await,
        }
    }
}

async fn connection(stream: TcpStream, pages: Rc<Pages>, mut shutdown: Shutdown) -> hyper::Result<()> {
    let service = service_fn(move |request| {
        let pages = Rc::clone(&pages);
        async move { Ok::<_, std::convert::Infallible>(pages.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        result = connection.as_mut() => return result,
        () = shutdown.requested() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}
