//! Streams below a codec, whose bytes are looked at as they pass.

use super::{FloodGuard, Stream};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Who looks at them. It goes with the stream where that is upgraded.
pub(crate) trait Watch {
    /// So many bytes came. An error ends the connection.
    fn received(&mut self, count: usize) -> io::Result<()>;

    /// The peer took something of what is to be sent, or nothing.
    fn sent(&mut self, is_taken: bool, flood: Option<&FloodGuard>);

    /// The peer sends more frames that carry nothing than it may, so the connection ends with this error. A last word may be written.
    fn flooded(
        &mut self,
        flood: &FloodGuard,
        stream: Pin<&mut Stream>,
        context: &mut Context<'_>,
    ) -> io::Error;

    /// The codec has let go of the stream.
    fn ended(&mut self, stream: Stream);
}

/// A stream that somebody watches. Over HTTP/2, its frames are counted.
#[derive(Debug)]
pub(crate) struct Watched<W: Watch> {
    /// There until it is dropped.
    stream: Option<Stream>,
    flood: Option<FloodGuard>,
    watch: W,
}

// === impl Watched ===

impl<W: Watch> Watched<W> {
    pub(crate) fn new(stream: Stream, flood: Option<FloodGuard>, watch: W) -> Self {
        Self {
            stream: Some(stream),
            flood,
            watch,
        }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut Stream>> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Pin::new(stream))
    }

    /// Has something written, and counts what was.
    fn write(
        &mut self,
        write: impl FnOnce(Pin<&mut Stream>) -> Poll<io::Result<usize>>,
        count: impl FnOnce(&mut FloodGuard, usize),
    ) -> Poll<io::Result<usize>> {
        let written = write(self.stream()?);
        if let (Some(flood), Poll::Ready(Ok(written))) = (&mut self.flood, &written) {
            count(flood, *written);
        }
        self.watch.sent(written.is_ready(), self.flood.as_ref());
        written
    }
}

impl<W: Watch> Drop for Watched<W> {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.watch.ended(stream);
        }
    }
}

impl<W: Watch + Unpin> AsyncRead for Watched<W> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(this.stream()?.poll_read(context, buffer))?;
        let came = buffer.filled().get(before..).unwrap_or_default();
        if let (Some(flood), Some(stream)) = (&mut this.flood, &mut this.stream)
            && !flood.receive(came)
        {
            return Poll::Ready(Err(this.watch.flooded(flood, Pin::new(stream), context)));
        }
        Poll::Ready(this.watch.received(came.len()))
    }
}

impl<W: Watch + Unpin> AsyncWrite for Watched<W> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().write(
            |stream| stream.poll_write(context, bytes),
            |flood, count| flood.send(bytes.get(..count).unwrap_or_default()),
        )
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = this.stream()?.poll_flush(context);
        this.watch.sent(flushed.is_ready(), this.flood.as_ref());
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream()?.poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().write(
            |stream| stream.poll_write_vectored(context, slices),
            |flood, count| flood.send_slices(slices, count),
        )
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_write_vectored)
    }
}
