//! One connection: its socket, and how far each half of it is.

use super::relay::Lane;
use super::splice::Pipe;
use bytes::{Bytes, BytesMut};
use proxywasm_host::CloseSource;
use socket2::SockRef;
use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// A connection.
#[derive(Debug)]
pub(super) struct Peer {
    socket: TcpStream,
    /// All of it was read.
    pub(super) read_end: bool,
    /// All was written, and the peer told so.
    pub(super) write_end: bool,
    /// It broke: nothing can be read or written.
    pub(super) broken: bool,
    /// Who began to close it.
    closed_by: Option<CloseSource>,
}

/// What is read at once.
const BLOCK: usize = 64 << 10;
/// A piece below this is copied out of the block, so that a small one that is held does not hold a large one.
const SMALL: usize = BLOCK / 4;
/// Pieces that are written at once.
const MAX_SLICES: usize = 16;
/// How long, and how much, is read of a client that was closed while it still talks: closing at once would reset the connection, and
/// what was just written to it could be lost.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1 << 20;

thread_local! {
    /// Idle connections have no memory to read into; those of a worker share it.
    static SHARED: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

// === impl Peer ===

impl Peer {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            read_end: false,
            write_end: false,
            broken: false,
            closed_by: None,
        }
    }

    /// Whether there may be something to read.
    pub(super) fn is_readable(&self) -> bool {
        !self.read_end && !self.broken
    }

    /// Whether both halves have ended.
    pub(super) fn is_over(&self) -> bool {
        self.broken || (self.read_end && self.write_end)
    }

    /// Who closed it, if anybody.
    pub(super) fn closed_by(&self) -> CloseSource {
        self.closed_by.unwrap_or(CloseSource::Local)
    }

    /// Reads a piece; none at the end.
    pub(super) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        SHARED.with_borrow_mut(|block| {
            loop {
                ready!(self.socket.poll_read_ready(context))?;
                block.clear();
                block.reserve(BLOCK);
                match self.socket.try_read_buf(block) {
                    Ok(0) => {
                        self.note_read_end();
                        return Poll::Ready(Ok(None));
                    }
                    Ok(size) if size < SMALL => return Poll::Ready(Ok(Some(Bytes::copy_from_slice(block)))),
                    Ok(_) => return Poll::Ready(Ok(Some(block.split().freeze()))),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
        })
    }

    /// Moves what there is to a pipe that is empty. Returns whether anything came; nothing does at the end.
    pub(super) fn poll_fill(&mut self, pipe: &mut Pipe, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            ready!(self.socket.poll_read_ready(context))?;
            match self.socket.try_io(Interest::READABLE, || pipe.fill(&self.socket)) {
                Ok(0) => {
                    self.note_read_end();
                    return Poll::Ready(Ok(false));
                }
                Ok(_) => return Poll::Ready(Ok(true)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Writes what a pipe has.
    pub(super) fn poll_drain(&mut self, pipe: &mut Pipe, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.socket.poll_write_ready(context))?;
            match self
                .socket
                .try_io(Interest::WRITABLE, || pipe.drain(&self.socket))
            {
                Ok(_) => return Poll::Ready(Ok(())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Writes what waits.
    pub(super) fn poll_write(&mut self, lane: &mut Lane, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.socket.poll_write_ready(context))?;
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let mut count = 0;
            for (slice, chunk) in slices.iter_mut().zip(lane.chunks()) {
                *slice = IoSlice::new(chunk);
                count += 1;
            }
            match self
                .socket
                .try_write_vectored(slices.get(..count).unwrap_or_default())
            {
                Ok(written) => {
                    lane.advance(written);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Tells the peer that all was written.
    pub(super) fn end_writing(&mut self) -> io::Result<()> {
        self.write_end = true;
        self.closed_by.get_or_insert(CloseSource::Local);
        SockRef::from(&self.socket).shutdown(Shutdown::Write)
    }

    /// It broke, or was closed by who it is connected to.
    pub(super) fn note_broken(&mut self) {
        self.broken = true;
        self.closed_by.get_or_insert(CloseSource::Remote);
    }

    /// Closes it so that its peer gets all that was written to it.
    pub(super) fn close(self) {
        if !self.is_over() {
            tokio::task::spawn_local(tokio::time::timeout(LINGER, self.discard()));
        }
    }

    /// Closes it so that its peer cannot take that for an end.
    pub(super) fn reset(self) {
        // Where that cannot be had, it is closed all the same.
        let _ = SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
    }

    fn note_read_end(&mut self) {
        self.read_end = true;
        self.closed_by.get_or_insert(CloseSource::Remote);
    }

    async fn discard(mut self) {
        let mut left = LINGER_BYTES;
        while let Ok(Some(piece)) = std::future::poll_fn(|context| self.poll_read(context)).await {
            let Some(rest) = left.checked_sub(piece.len()) else {
                return;
            };
            left = rest;
        }
    }
}
