//! Sockets to listen on, bound before any thread is started.

use crate::settings::{AcceptMode, ListenerSettings};
use crate::transport::{Address, BoundListener};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// An address cannot be listened on.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {error}")]
pub struct ListenError {
    address: Address,
    #[source]
    error: io::Error,
}

/// The sockets of one listener.
#[derive(Debug)]
pub(crate) struct Sockets {
    /// The address, with the port that was chosen.
    pub(crate) address: Address,
    /// One for each worker, or one for the acceptor.
    pub(crate) sockets: Vec<BoundListener>,
}

/// The file of a UNIX socket. It goes when this does.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

// === impl Sockets ===

impl Sockets {
    /// Binds what a listener needs on a runner with so many workers.
    pub(crate) fn bind(listener: &ListenerSettings, workers: usize) -> Result<Self, ListenError> {
        let count = match listener.accept() {
            AcceptMode::PerWorker => workers,
            AcceptMode::OneAcceptor => 1,
        };
        let bound = match &listener.address {
            Address::Ip(address) => bind(*address, count).map(|(address, sockets)| Self {
                address: Address::Ip(address),
                sockets: sockets.into_iter().map(BoundListener::Tcp).collect(),
            }),
            Address::Unix(path) => bind_unix(path).map(|socket| Self {
                address: listener.address.clone(),
                sockets: vec![BoundListener::Unix(socket)],
            }),
        };
        bound.map_err(|error| ListenError {
            address: listener.address.clone(),
            error,
        })
    }

    /// What is to be removed at the end.
    pub(crate) fn file(&self) -> Option<SocketFile> {
        self.address.path().map(|path| SocketFile(path.to_owned()))
    }
}

// === impl SocketFile ===

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(path = %self.0.display(), %error, "the file of a socket stays");
        }
    }
}

/// Binds the admin address. Returns it with the port that was chosen.
pub(crate) fn bind_admin(address: SocketAddr) -> Result<(SocketAddr, TcpListener), ListenError> {
    let bound = bind_one(address, false).and_then(|socket| Ok((socket.local_addr()?, socket)));
    bound.map_err(|error| ListenError {
        address: Address::Ip(address),
        error,
    })
}

fn bind(address: SocketAddr, count: usize) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    if count > 1 {
        // Two processes could share a port without knowing. A plain socket shares with nobody, so it finds out.
        bind_one(address, false)?;
    }
    let first = bind_one(address, count > 1)?;
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..count {
        sockets.push(bind_one(address, true)?);
    }
    Ok((address, sockets))
}

fn bind_one(address: SocketAddr, share: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Binds a path. The file of a socket that nobody listens on any more is in the way, and removed.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket
        && UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    {
        std::fs::remove_file(path)?;
    }
    let socket = UnixListener::bind(path)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_a_port_and_runners_do_not() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let (address, sockets) = bind(any, 3).unwrap();
        assert_eq!(sockets.len(), 3);
        for socket in &sockets {
            assert_eq!(socket.local_addr().unwrap(), address);
        }
        for count in [1, 2] {
            assert_eq!(bind(address, count).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        }
    }
}
