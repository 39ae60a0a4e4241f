//! Sockets that this process was started with: by systemd, or by the process that it takes the place of.
//!
//! Both say so in the same way: descriptors from 3 on, `LISTEN_FDS` of them, with the names in `LISTEN_FDNAMES`.

use super::Name;
use crate::transport::{Address, BoundListener};
use listenfd::ListenFd;
use socket2::SockRef;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// Sockets that this process was started with, until a listener takes them.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    sockets: Vec<Given>,
    predecessor: Option<UnixStream>,
    /// What could not be taken, to be told when there is a log.
    problems: Vec<String>,
}

/// A socket that was handed over.
#[derive(Debug)]
pub(super) struct Given {
    name: Name,
    pub(super) address: Address,
    pub(super) socket: BoundListener,
    /// Whether the file of a UNIX socket is this process's to remove.
    pub(super) owns_file: bool,
}

/// The name of the connection to the process that this one takes the place of.
pub(crate) const PREDECESSOR: &str = "proxywasm-predecessor";

/// What follows the name of a UNIX socket whose file comes with it.
pub(super) const WITH_FILE: &str = ";file";

// === impl Inherited ===

impl Inherited {
    /// Takes what this process was started with, and removes what the environment says of it. To be called once, before there are other
    /// threads.
    pub(crate) fn take() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut descriptors = ListenFd::from_env();
        let mut inherited = Self::default();
        for place in 0..descriptors.len() {
            let name = names.next().unwrap_or_default();
            let taken = match name {
                PREDECESSOR => connection(&mut descriptors, place)
                    .map(|connection| inherited.predecessor = Some(connection)),
                _ => Given::take(&mut descriptors, place, name).map(|given| inherited.sockets.push(given)),
            };
            if let Err(error) = taken {
                let problem = format!("a descriptor that was handed over as `{name}` is of no use: {error}");
                inherited.problems.push(problem);
            }
        }
        inherited
    }

    /// The connection to the process that this one takes the place of, if it does.
    pub(crate) fn take_predecessor(&mut self) -> Option<UnixStream> {
        self.predecessor.take()
    }

    /// The sockets that were meant for a listener: those with its name, else those with its address.
    pub(super) fn find(&mut self, name: &Name, address: &Address) -> Vec<Given> {
        let named = self.sockets.extract_if(.., |given| given.name == *name);
        let named: Vec<_> = named.collect();
        match named.is_empty() {
            true => self
                .sockets
                .extract_if(.., |given| given.address == *address)
                .collect(),
            false => named,
        }
    }

    /// Closes what no listener has taken.
    pub(crate) fn close_rest(self) {
        for problem in self.problems {
            tracing::warn!("{problem}");
        }
        for given in self.sockets {
            tracing::warn!(
                address = %given.address,
                "a socket that was handed over is closed, for no listener has its address or its name"
            );
        }
    }
}

// === impl Given ===

impl Given {
    fn take(descriptors: &mut ListenFd, place: usize, name: &str) -> io::Result<Self> {
        let tcp = descriptors.take_tcp_listener(place);
        let (address, socket) = if let Ok(Some(socket)) = tcp {
            socket.set_nonblocking(true)?;
            (Address::Ip(socket.local_addr()?), BoundListener::Tcp(socket))
        } else {
            let socket = descriptors.take_unix_listener(place)?.ok_or_else(missing)?;
            socket.set_nonblocking(true)?;
            (socket.local_addr()?.into(), BoundListener::Unix(socket))
        };
        if !SockRef::from(&socket).is_listener()? {
            return Err(io::Error::other("it is no socket that is listened on"));
        }
        let (name, owns_file) = match name.strip_suffix(WITH_FILE) {
            Some(name) => (name, true),
            None => (name, false),
        };
        Ok(Self {
            name: Name::decode(name),
            address,
            socket,
            owns_file,
        })
    }

    /// Whether others can be bound to its address, too.
    pub(super) fn shares_port(&self) -> bool {
        SockRef::from(&self.socket).reuse_port().unwrap_or(false)
    }
}

/// A descriptor as a connection. The library knows stream sockets only as those that are listened on.
fn connection(descriptors: &mut ListenFd, place: usize) -> io::Result<UnixStream> {
    let socket = descriptors.take_unix_listener(place)?.ok_or_else(missing)?;
    Ok(UnixStream::from(OwnedFd::from(socket)))
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(name: &str) -> (Given, Address) {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Ip(socket.local_addr().unwrap());
        let given = Given {
            name: Name::decode(name),
            address: address.clone(),
            socket: BoundListener::Tcp(socket),
            owns_file: false,
        };
        (given, address)
    }

    #[test]
    fn listeners_find_their_sockets() {
        let (first, _) = given("web");
        let (second, address) = given("unknown");
        let (third, _) = given("web");
        let mut inherited = Inherited {
            sockets: vec![first, second, third],
            ..Inherited::default()
        };
        let any: Address = "127.0.0.1:0".parse().unwrap();
        assert!(inherited.find(&Name::decode("other"), &any).is_empty());
        assert_eq!(inherited.find(&Name::decode("web"), &any).len(), 2);
        let found = inherited.find(&Name::decode("other"), &address);
        assert_eq!(found.len(), 1);
        assert!(found[0].address == address && !found[0].shares_port());
        assert!(inherited.find(&Name::decode("other"), &address).is_empty());
    }
}
