//! Sockets to listen on: bound, or handed over to this process, before any thread is started.

mod held;
mod inherited;
mod name;

pub(crate) use held::Held;
pub(crate) use inherited::{Inherited, PREDECESSOR};
pub(crate) use name::Name;

use crate::settings::{AcceptMode, ListenerSettings};
use crate::transport::{Address, BoundListener};
use inherited::Given;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
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
    /// As many as there are workers or more, or those of acceptors.
    pub(crate) sockets: Vec<BoundListener>,
    /// How connections come to workers. With sockets of others it may not be as configured.
    pub(crate) accept: AcceptMode,
    /// What is to be removed at the end.
    pub(crate) file: Option<SocketFile>,
    /// For another process that takes the place of this one.
    pub(crate) held: Vec<Held>,
}

/// The file of a UNIX socket. It goes when this does.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

// === impl Sockets ===

impl Sockets {
    /// Takes what was handed over for a listener, or binds what it needs on a runner with so many workers.
    pub(crate) fn open(
        listener: &ListenerSettings,
        name: &Name,
        workers: usize,
        inherited: &mut Inherited,
    ) -> Result<Self, ListenError> {
        let given = inherited.find(name, &listener.address);
        let opened = match given.first().map(|first| first.address.clone()) {
            Some(address) => Ok(Self::adopt(address, given, listener, workers)),
            None => Self::bind(listener, workers),
        };
        let opened = opened.and_then(|opened| opened.hold(name));
        opened.map_err(|error| ListenError {
            address: listener.address.clone(),
            error,
        })
    }

    fn bind(listener: &ListenerSettings, workers: usize) -> io::Result<Self> {
        let accept = listener.accept();
        let (address, sockets) = match &listener.address {
            Address::Ip(address) => {
                let (address, sockets) = match accept {
                    AcceptMode::PerWorker => bind(*address, workers)?,
                    AcceptMode::OneAcceptor => bind(*address, 1)?,
                };
                let sockets = sockets.into_iter().map(BoundListener::Tcp);
                (Address::Ip(address), sockets.collect())
            }
            Address::Unix(path) => (
                listener.address.clone(),
                vec![BoundListener::Unix(bind_unix(path)?)],
            ),
        };
        Ok(Self {
            file: address.path().map(|path| SocketFile(path.to_owned())),
            address,
            sockets,
            accept,
            held: Vec::new(),
        })
    }

    /// All that were handed over are listened on, for connections may wait in each. What is missing for all workers to have one is bound.
    fn adopt(address: Address, given: Vec<Given>, listener: &ListenerSettings, workers: usize) -> Self {
        let owns_file = given.iter().any(|given| given.owns_file);
        let can_share = given.iter().all(Given::shares_port);
        let mut sockets: Vec<_> = given.into_iter().map(|given| given.socket).collect();
        let mut accept = listener.accept();
        if accept == AcceptMode::PerWorker && sockets.len() < workers {
            let more = match address.ip().filter(|_| can_share) {
                Some(address) => (sockets.len()..workers)
                    .map(|_| bind_one(address, true))
                    .collect(),
                None => Err(io::Error::other("it does not share its port (SO_REUSEPORT)")),
            };
            match more {
                Ok(more) => {
                    let more: Vec<_> = more;
                    sockets.extend(more.into_iter().map(BoundListener::Tcp));
                }
                Err(reason) => {
                    tracing::info!(%address, "one thread accepts for all workers on a socket that was handed over: {reason}");
                    accept = AcceptMode::OneAcceptor;
                }
            }
        }
        Self {
            file: address
                .path()
                .filter(|_| owns_file)
                .map(|path| SocketFile(path.to_owned())),
            address,
            sockets,
            accept,
            held: Vec::new(),
        }
    }

    fn hold(mut self, name: &Name) -> io::Result<Self> {
        let with_file = self.file.is_some();
        let held = self
            .sockets
            .iter()
            .map(|socket| Held::new(name, with_file, socket.as_fd()));
        self.held = held.collect::<io::Result<_>>()?;
        Ok(self)
    }
}

// === impl SocketFile ===

impl SocketFile {
    /// Leaves the file to another process.
    pub(crate) fn leave(mut self) {
        self.0 = PathBuf::new();
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.0.as_os_str().is_empty() {
            return;
        }
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(path = %self.0.display(), %error, "the file of a socket stays");
        }
    }
}

/// Takes what was handed over for the admin address, or binds it. Returns it with the port that was chosen.
pub(crate) fn open_admin(
    address: SocketAddr,
    inherited: &mut Inherited,
) -> Result<(SocketAddr, TcpListener, Held), ListenError> {
    let name = Name::of_admin(address);
    let given = inherited.find(&name, &Address::Ip(address)).into_iter().next();
    let opened = match given.map(|given| given.socket) {
        Some(BoundListener::Tcp(socket)) => Ok(socket),
        _ => bind_one(address, false),
    };
    let opened = opened.and_then(|socket| {
        let held = Held::new(&name, false, socket.as_fd())?;
        Ok((socket.local_addr()?, socket, held))
    });
    opened.map_err(|error| ListenError {
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
