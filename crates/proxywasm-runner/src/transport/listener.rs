//! Sockets that are listened on.

use super::{Address, BoundSocket, Socket};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
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

    /// Ends listening; returns the connections that wait to be accepted.
    pub(crate) fn into_waiting(self) -> impl Iterator<Item = (BoundSocket, Address)> {
        let bound = match self {
            Self::Tcp(listener) => listener.into_std().map(BoundListener::Tcp),
            Self::Unix(listener) => listener.into_std().map(BoundListener::Unix),
        };
        // An error says that there is none, or that it is gone.
        std::iter::from_fn(move || bound.as_ref().ok()?.accept().ok())
    }
}

// === impl BoundListener ===

impl BoundListener {
    /// The next connection, if one waits, and where it comes from.
    fn accept(&self) -> io::Result<(BoundSocket, Address)> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (socket, peer) = listener.accept()?;
                socket.set_nonblocking(true)?;
                (BoundSocket::Tcp(socket), Address::Ip(peer))
            }
            Self::Unix(listener) => {
                let (socket, peer) = listener.accept()?;
                socket.set_nonblocking(true)?;
                (BoundSocket::Unix(socket), peer.into())
            }
        })
    }

    /// Gives it to the event loop of this thread.
    pub(crate) fn into_listener(self) -> io::Result<Listener> {
        match self {
            Self::Tcp(listener) => TcpListener::from_std(listener).map(Listener::Tcp),
            Self::Unix(listener) => UnixListener::from_std(listener).map(Listener::Unix),
        }
    }
}

impl AsFd for BoundListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_is_accepted_at_the_end() {
        let bound = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        bound.set_nonblocking(true).unwrap();
        let address = bound.local_addr().unwrap();
        let listener = BoundListener::Tcp(bound).into_listener().unwrap();
        let clients = [(); 3].map(|()| std::net::TcpStream::connect(address).unwrap());
        let waiting: Vec<_> = listener.into_waiting().map(|(_, peer)| peer).collect();
        assert_eq!(
            waiting,
            clients.map(|client| Address::Ip(client.local_addr().unwrap()))
        );
        assert!(std::net::TcpStream::connect(address).is_err());
    }
}
