//! The admin address: what operators ask and change while the runner runs.
//!
//! [`pages`] has a file for each page, and one table of all of them ([`pages::PAGES`]), which is also what `/help` shows. A new page is a file
//! and a line there. What pages show and change is in [`State`]. [`guard`] refuses what other sites make a browser send, [`answer`] makes
//! answers.
//!
//! It speaks plain HTTP/1.1 to whoever reaches the address, so the address should be one that only operators reach. Its thread serves
//! nothing else; what it changes reaches the workers by a channel, and no request waits for it. It goes on until the last worker has
//! stopped, so that those who watch see how a shutdown goes.

mod answer;
mod guard;
mod inventory;
mod pages;
mod router;
mod state;

pub(crate) use inventory::Inventory;
pub(crate) use state::{Overrides, Phase, State};

use crate::server::rest_after;
use crate::shutdown::{self, Shutdown};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// The address where nothing else is configured: this machine only.
pub const DEFAULT_ADMIN_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9901);

/// How long a client may take for a request, and a connection may be idle.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves until shutdown.
pub(crate) async fn serve(socket: TcpListener, state: Arc<State>, shutdown: Shutdown) {
    let socket = match tokio::net::TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => return tracing::error!(%error, "the socket of the admin address cannot be used"),
    };
    let mut stop = shutdown.clone();
    let mut stopped = pin!(stop.reached(shutdown::Phase::Gone));
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = &mut stopped => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (state, shutdown) = (Arc::clone(&state), shutdown.clone());
                tokio::task::spawn_local(async move {
                    if let Err(error) = connection(stream, state, shutdown).await {
                        tracing::debug!(%peer, %error, "a connection to the admin address ended");
                    }
                });
            }
            Err(error) => rest_after(&error).await,
        }
    }
}

async fn connection(stream: TcpStream, state: Arc<State>, mut shutdown: Shutdown) -> hyper::Result<()> {
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, std::convert::Infallible>(router::answer(&state, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        result = connection.as_mut() => return result,
        () = shutdown.reached(shutdown::Phase::Gone) => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

#[cfg(test)]
mod tests;
