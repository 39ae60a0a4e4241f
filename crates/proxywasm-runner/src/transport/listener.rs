//! Sockets that are listened on.

use super::{Address, Socket};
use std::io;
use tokio::net::{TcpListener, UnixListener};

/// A socket that is listened on.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The same before an event loop knows it.
#[derive(Debug)]
pub(crate) enum BoundListener {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

// === impl Listener ===

impl Listener {
    /// The next connection, and where it comes from.
    pub(crate) async fn accept(&self) -> io::Result<(Socket, Address)> {
        match self {
            Self::Tcp(listener) => {
                let (socket, peer) = listener.accept().await?;
                Ok((Socket::Tcp(socket), peer.into()))
            }
            Self::Unix(listener) => {
                let (socket, peer) = listener.accept().await?;
                let peer = std::os::unix::net::SocketAddr::from(peer);
                Ok((Socket::Unix(socket), peer.into()))
            }
        }
    }
}

// === impl BoundListener ===

impl BoundListener {
    /// Gives it to the event loop of this thread.
    pub(crate) fn into_listener(self) -> io::Result<Listener> {
        match self {
            Self::Tcp(listener) => TcpListener::from_std(listener).map(Listener::Tcp),
            Self::Unix(listener) => UnixListener::from_std(listener).map(Listener::Unix),
        }
    }
}
