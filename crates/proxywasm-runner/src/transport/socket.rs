//! Sockets of both kinds.

use super::Address;
use rustix::net::RecvFlags;
use socket2::SockRef;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A connection as the system gives it.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection that no event loop knows, on its way between two.
#[derive(Debug)]
pub(crate) enum BoundSocket {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

// === impl Socket ===

impl Socket {
    /// Where it was accepted, or what it goes out from.
    pub(crate) fn local_address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(socket) => socket.local_addr().map(Address::Ip),
            Self::Unix(socket) => socket
                .local_addr()
                .map(|address| std::os::unix::net::SocketAddr::from(address).into()),
        }
    }

    /// Has small writes sent at once.
    pub(crate) fn set_nodelay(&self) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.set_nodelay(true),
            // They always are.
            Self::Unix(_) => Ok(()),
        }
    }

    pub(crate) fn into_bound(self) -> io::Result<BoundSocket> {
        match self {
            Self::Tcp(socket) => socket.into_std().map(BoundSocket::Tcp),
            Self::Unix(socket) => socket.into_std().map(BoundSocket::Unix),
        }
    }

    /// Ends one or both directions.
    pub(crate) fn shut_down(&self, how: Shutdown) -> io::Result<()> {
        SockRef::from(self).shutdown(how)
    }

    pub(crate) fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.poll_read_ready(context),
            Self::Unix(socket) => socket.poll_read_ready(context),
        }
    }

    pub(crate) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.poll_write_ready(context),
            Self::Unix(socket) => socket.poll_write_ready(context),
        }
    }

    /// Does something with the socket; where that would block, it is known not to be ready any more.
    pub(crate) fn try_io<R>(&self, interest: Interest, io: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        match self {
            Self::Tcp(socket) => socket.try_io(interest, io),
            Self::Unix(socket) => socket.try_io(interest, io),
        }
    }

    /// Looks at what has come, without taking it or waiting for it.
    pub(crate) fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (_, seen) = rustix::net::recv(self.as_fd(), buffer, RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
        Ok(seen)
    }

    /// Looks at what comes first, without taking it, until `judge` has an answer. It is asked again each time more has come, and told
    /// whether nothing more will.
    pub(crate) async fn look_ahead<T>(
        &self,
        buffer: &mut [u8],
        mut judge: impl FnMut(&[u8], bool) -> Option<T>,
    ) -> io::Result<T> {
        loop {
            let ready = match self {
                Self::Tcp(socket) => socket.ready(Interest::READABLE).await?,
                Self::Unix(socket) => socket.ready(Interest::READABLE).await?,
            };
            let ended = ready.is_read_closed();
            let looked = self.try_io(Interest::READABLE, || {
                let (_, seen) = rustix::net::recv(self.as_fd(), &mut *buffer, RecvFlags::PEEK)?;
                let full = seen == buffer.len();
                judge(buffer.get(..seen).unwrap_or_default(), ended || full || seen == 0)
                    .ok_or_else(|| io::ErrorKind::WouldBlock.into())
            });
            match looked {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                looked => return looked,
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_read(context, buffer),
            Self::Unix(socket) => Pin::new(socket).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_write(context, bytes),
            Self::Unix(socket) => Pin::new(socket).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_shutdown(context),
            Self::Unix(socket) => Pin::new(socket).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_write_vectored(context, slices),
            Self::Unix(socket) => Pin::new(socket).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

// === impl BoundSocket ===

impl BoundSocket {
    /// Gives it to the event loop of this thread.
    pub(crate) fn into_socket(self) -> io::Result<Socket> {
        match self {
            Self::Tcp(socket) => TcpStream::from_std(socket).map(Socket::Tcp),
            Self::Unix(socket) => UnixStream::from_std(socket).map(Socket::Unix),
        }
    }
}
