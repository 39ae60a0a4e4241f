//! One connection: its socket, and how far each half of it is.

use super::relay::Lane;
use super::splice::Pipe;
use crate::transport::Stream;
use bytes::{Bytes, BytesMut};
use proxywasm_host::CloseSource;
use socket2::SockRef;
use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncWrite, Interest};
use tokio_util::io::poll_read_buf;

/// A connection.
#[derive(Debug)]
pub(super) struct Peer {
    stream: Stream,
    /// What TLS was given to write, and may not have written yet.
    unflushed: bool,
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
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            unflushed: false,
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
            block.clear();
            block.reserve(BLOCK);
            let size = ready!(poll_read_buf(Pin::new(&mut self.stream), context, block))?;
            Poll::Ready(Ok(match size {
                0 => {
                    self.note_read_end();
                    None
                }
                size if size < SMALL => Some(Bytes::copy_from_slice(block)),
                _ => Some(block.split().freeze()),
            }))
        })
    }

    /// Moves what there is to a pipe that is empty. Returns whether anything came; nothing does at the end.
    pub(super) fn poll_fill(&mut self, pipe: &mut Pipe, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let socket = self.stream.socket();
        loop {
            ready!(socket.poll_read_ready(context))?;
            match socket.try_io(Interest::READABLE, || pipe.fill(socket)) {
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
        let socket = self.stream.socket();
        loop {
            ready!(socket.poll_write_ready(context))?;
            match socket.try_io(Interest::WRITABLE, || pipe.drain(socket)) {
                Ok(_) => return Poll::Ready(Ok(())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Writes what waits.
    pub(super) fn poll_write(&mut self, lane: &mut Lane, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(lane.chunks()) {
            *slice = IoSlice::new(chunk);
            count += 1;
        }
        let slices = slices.get(..count).unwrap_or_default();
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices))?;
        lane.advance(written);
        self.unflushed = self.is_tls();
        Poll::Ready(Ok(()))
    }

    /// Whether TLS has something that the socket did not take.
    pub(super) fn is_unflushed(&self) -> bool {
        self.unflushed
    }

    /// Has TLS write what it was given.
    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    /// Tells the peer that all was written.
    pub(super) fn poll_end_writing(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(socket) => socket.shut_down(Shutdown::Write)?,
            Stream::Tls(stream) => ready!(Pin::new(stream).poll_shutdown(context))?,
        }
        self.write_end = true;
        self.closed_by.get_or_insert(CloseSource::Local);
        Poll::Ready(Ok(()))
    }

    /// Whether the bytes of its socket are not those that it stands for, and cannot be spliced.
    pub(super) fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
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
        let _ = SockRef::from(self.stream.socket()).set_linger(Some(Duration::ZERO));
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
