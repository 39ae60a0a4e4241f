//! Bodies that are kept while they are sent, to be sent again.

use crate::upstream::{BoxError, RequestBody};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use thiserror::Error;

/// A body that can be sent several times, one after the other, as long as no more of it was sent than may be kept.
pub(crate) struct Replay {
    kept: Rc<RefCell<Kept>>,
    /// Frames that this one has given.
    given: usize,
    /// Which one this is.
    number: u64,
}

struct Kept {
    source: RequestBody,
    frames: Vec<Piece>,
    /// What more may be kept.
    room: usize,
    /// More was sent than may be kept.
    spent: bool,
    ended: bool,
    /// The one that was made last, which alone may read.
    last: u64,
}

#[derive(Clone)]
enum Piece {
    Data(Bytes),
    Trailers(Box<HeaderMap>),
}

/// The request is sent another time by now, or what went out cannot be sent again.
#[derive(Debug, Error)]
#[error("the body is not there any more")]
struct Gone;

// === impl Replay ===

impl Replay {
    /// It goes where trailers need not be announced.
    pub(crate) fn allow_all_trailers(&self) {
        self.kept.borrow_mut().source.allow_all_trailers();
    }

    /// Keeps so many bytes of a body that cannot be had twice by itself.
    pub(crate) fn wrap(body: RequestBody, bytes: usize) -> RequestBody {
        if body.again().is_some() {
            return body;
        }
        RequestBody::Replayed(Self {
            kept: Rc::new(RefCell::new(Kept {
                source: body,
                frames: Vec::new(),
                room: bytes,
                spent: false,
                ended: false,
                last: 0,
            })),
            given: 0,
            number: 0,
        })
    }

    /// The same body from its begin. This one can be read until the other one is.
    pub(crate) fn again(&self) -> Self {
        Self {
            kept: Rc::clone(&self.kept),
            given: 0,
            number: self.number + 1,
        }
    }

    /// Whether all of it can be had still.
    pub(crate) fn is_whole(&self) -> bool {
        !self.kept.borrow().spent
    }

    pub(crate) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut kept = self.kept.borrow_mut();
        if self.is_gone(&kept) {
            return Poll::Ready(Some(Err(Gone.into())));
        }
        kept.last = self.number;
        if let Some(piece) = kept.frames.get(self.given) {
            self.given += 1;
            return Poll::Ready(Some(Ok(piece.clone().into())));
        }
        if kept.ended {
            return Poll::Ready(None);
        }
        match std::task::ready!(Pin::new(&mut kept.source).poll_frame(context)) {
            None => {
                kept.ended = true;
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                // What broke off cannot be had again.
                kept.spent = true;
                Poll::Ready(Some(Err(error)))
            }
            Some(Ok(frame)) => {
                // Those without data say nothing, and a client could send any number of them.
                if !frame.data_ref().is_some_and(Bytes::is_empty) {
                    kept.keep(&frame);
                    self.given += 1;
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        let kept = self.kept.borrow();
        // One that is gone has to be read, and so to fail: it would pass for an empty one.
        !self.is_gone(&kept) && self.given >= kept.frames.len() && (kept.ended || kept.source.is_end_stream())
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        // Of the whole body, as long as none of it was read.
        let kept = self.kept.borrow();
        if kept.frames.is_empty() && !kept.spent {
            kept.source.size_hint()
        } else {
            SizeHint::default()
        }
    }

    /// Whether another one is read by now, or some of this one is lost.
    fn is_gone(&self, kept: &Kept) -> bool {
        self.number < kept.last || (kept.spent && self.given == 0 && self.number > 0)
    }
}

// === impl Kept ===

impl Kept {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        if self.spent {
            return;
        }
        let data = frame.data_ref();
        match self.room.checked_sub(data.map_or(0, Bytes::len)) {
            Some(room) => {
                self.room = room;
                self.frames.extend(data.cloned().map(Piece::Data));
                let trailers = frame.trailers_ref().cloned();
                self.frames
                    .extend(trailers.map(|trailers| Piece::Trailers(Box::new(trailers))));
            }
            None => {
                self.spent = true;
                self.frames = Vec::new();
            }
        }
    }
}

impl From<Piece> for Frame<Bytes> {
    fn from(piece: Piece) -> Self {
        match piece {
            Piece::Data(data) => Self::data(data),
            Piece::Trailers(trailers) => Self::trailers(*trailers),
        }
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn replay(body: &'static [u8], room: usize) -> Replay {
        Replay {
            kept: Rc::new(RefCell::new(Kept {
                source: RequestBody::Full(Bytes::from_static(body)),
                frames: Vec::new(),
                room,
                spent: false,
                ended: false,
                last: 0,
            })),
            given: 0,
            number: 0,
        }
    }

    /// The next data; nothing if the body fails.
    fn next(body: &mut Replay) -> Option<Bytes> {
        match body.poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
            _ => None,
        }
    }

    #[test]
    fn what_is_lost_fails_and_is_not_empty() {
        // How much may be kept of four bytes, and what comes the second time.
        for (room, expected) in [(4, Some("body")), (3, None)] {
            let mut first = replay(b"body", room);
            let mut second = first.again();
            assert_eq!(next(&mut first).as_deref(), Some(&b"body"[..]));
            assert!(first.is_end_stream());
            assert_eq!(first.is_whole(), expected.is_some());
            assert!(!second.is_end_stream(), "{room}");
            assert_eq!(
                next(&mut second).as_deref(),
                expected.map(str::as_bytes),
                "{room}"
            );
            assert!(next(&mut first).is_none(), "the other one is read");
        }
    }

    #[test]
    fn pieces_without_data_are_not_kept() {
        let mut body = replay(b"", 0);
        assert_eq!(next(&mut body).as_deref(), Some(&b""[..]));
        assert!(body.is_whole() && body.kept.borrow().frames.is_empty());
        assert!(body.is_end_stream() && body.again().is_end_stream());
    }
}
