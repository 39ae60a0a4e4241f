//! Sockets to listen on, bound before any thread is started.

use crate::settings::{AcceptMode, ListenerSettings};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};
use thiserror::Error;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// An address cannot be listened on.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {error}")]
pub struct ListenError {
    address: SocketAddr,
    #[source]
    error: io::Error,
}

/// The sockets of one listener.
#[derive(Debug)]
pub(crate) struct Sockets {
    /// The address, with the port that was chosen.
    pub(crate) address: SocketAddr,
    /// One for each worker, or one for the acceptor.
    pub(crate) sockets: Vec<TcpListener>,
}

// === impl Sockets ===

impl Sockets {
    /// Binds what a listener needs on a runner with so many workers.
    pub(crate) fn bind(listener: &ListenerSettings, workers: usize) -> Result<Self, ListenError> {
        let count = match listener.accept {
            AcceptMode::PerWorker => workers,
            AcceptMode::OneAcceptor => 1,
        };
        bind(listener.address, count).map_err(|error| ListenError {
            address: listener.address,
            error,
        })
    }
}

/// Binds the admin address. Returns it with the port that was chosen.
pub(crate) fn bind_admin(address: SocketAddr) -> Result<(SocketAddr, TcpListener), ListenError> {
    let bound = bind_one(address, false).and_then(|socket| Ok((socket.local_addr()?, socket)));
    bound.map_err(|error| ListenError { address, error })
}

fn bind(address: SocketAddr, count: usize) -> io::Result<Sockets> {
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
    Ok(Sockets { address, sockets })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_a_port_and_runners_do_not() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let sockets = bind(any, 3).unwrap();
        assert_eq!(sockets.sockets.len(), 3);
        for socket in &sockets.sockets {
            assert_eq!(socket.local_addr().unwrap(), sockets.address);
        }
        for count in [1, 2] {
            assert_eq!(
                bind(sockets.address, count).unwrap_err().kind(),
                io::ErrorKind::AddrInUse
            );
        }
    }
}
