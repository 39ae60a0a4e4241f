//! Messages as they are, into frames and out of them.

use bytes::{Buf, BufMut, Bytes};
use futures_core::Stream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// The codec that changes nothing: messages are bytes. Servers can use it too.
#[derive(Debug, Clone, Copy, Default)]
pub struct PassThrough;

/// The messages to send, which reports each one that the connection takes.
#[derive(Debug)]
pub(super) struct Messages {
    messages: mpsc::UnboundedReceiver<Bytes>,
    sent: mpsc::UnboundedSender<usize>,
}

// === impl PassThrough ===

impl Codec for PassThrough {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for PassThrough {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, frame: &mut EncodeBuf<'_>) -> Result<(), Status> {
        frame.reserve(message.len());
        frame.put(message);
        Ok(())
    }
}

impl Decoder for PassThrough {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, frame: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        // A frame is handed over when all of it is there.
        Ok(Some(frame.copy_to_bytes(frame.remaining())))
    }
}

// === impl Messages ===

impl Messages {
    pub(super) fn new(messages: mpsc::UnboundedReceiver<Bytes>, sent: mpsc::UnboundedSender<usize>) -> Self {
        Self { messages, sent }
    }
}

impl Stream for Messages {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let message = ready!(self.messages.poll_recv(context));
        if let Some(message) = &message {
            // Who has dropped the other half does not want to know.
            let _unheard = self.sent.send(message.len());
        }
        Poll::Ready(message)
    }
}
