//! How long a server is waited for.

use super::body::{BoxError, RequestBody};
use crate::observed_body::{BodyObserver, ObservedBody, PolledFrame};
use crate::piece_timer::PieceTimer;
use http::StatusCode;
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use thiserror::Error;
use tokio::time::{Instant, sleep};

/// How long a server may take. `None` is for as long as it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseTimeouts {
    /// For the head of a response once it has all of the request, and before that for each piece of the request's body. Where the sender of a
    /// request says how long the head may take, as a route can, that holds instead.
    pub head: Option<Duration>,
    /// For the next piece of a response's body, once it is wanted and while no piece of the request passes.
    pub body: Option<Duration>,
}

/// Who says how long the head of a response may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadLimit {
    /// The upstream.
    OfUpstream,
    /// Who sends the request, and lets go of it in time.
    OfSender,
}

/// Since when it is the server that is waited for within a request: to take a piece, or to answer what it has. Nothing while the next
/// piece is waited for, from the client or a plugin.
#[derive(Debug)]
pub(super) struct Turn(Cell<Option<Instant>>);

/// The body of a request, which tells whose turn it is.
pub(super) type SentBody = ObservedBody<RequestBody, TurnObserver>;

/// Notes whose turn it is, of a body that comes piece by piece.
#[derive(Debug)]
pub(super) struct TurnObserver(Option<Rc<Turn>>);

/// Runs while a piece of a response is waited for.
#[derive(Debug)]
pub(super) struct Silence {
    timer: PieceTimer,
    request: Option<Rc<Turn>>,
}

/// Nothing came of a response's body for too long.
#[derive(Debug, Error)]
#[error("the upstream has sent nothing of a response for {} ms", .0.as_millis())]
pub(super) struct Silent(Duration);

/// What a client gets, if it has no head yet, for a response whose body ended with this error.
pub(crate) fn broke_off(error: &BoxError) -> (StatusCode, &'static str) {
    if error.is::<Silent>() {
        let text = "the rest of the upstream's response did not come in time\n";
        (StatusCode::GATEWAY_TIMEOUT, text)
    } else {
        (
            StatusCode::BAD_GATEWAY,
            "the response of the upstream broke off\n",
        )
    }
}

/// A body that is to be sent from now on. It is the server's turn.
pub(super) fn send_body(body: RequestBody) -> (SentBody, Option<Rc<Turn>>) {
    let in_pieces = match &body {
        RequestBody::Empty | RequestBody::Full(_) => false,
        RequestBody::Passed(..) | RequestBody::Filtered(_) | RequestBody::Replayed(_) => true,
    };
    let turn = in_pieces.then(|| Rc::new(Turn(Cell::new(Some(Instant::now())))));
    (ObservedBody::new(body, TurnObserver(turn.clone())), turn)
}

/// Waits for the head of a response, for so long while it is the server's turn.
pub(super) async fn within<T>(
    limit: Option<Duration>,
    turn: Option<&Turn>,
    mut sending: Pin<&mut impl Future<Output = T>>,
) -> Result<T, Duration> {
    let Some(limit) = limit else {
        return Ok(sending.await);
    };
    let mut timer = pin!(sleep(limit));
    poll_fn(|context| {
        if let Poll::Ready(sent) = sending.as_mut().poll(context) {
            return Poll::Ready(Ok(sent));
        }
        loop {
            ready!(timer.as_mut().poll(context));
            match turn.and_then(|turn| turn.ends_later(limit)) {
                Some(end) => timer.as_mut().reset(end),
                None => return Poll::Ready(Err(limit)),
            }
        }
    })
    .await
}

// === impl ResponseTimeouts ===

impl ResponseTimeouts {
    /// As long as it takes.
    pub const NEVER: Self = Self {
        head: None,
        body: None,
    };
}

impl Default for ResponseTimeouts {
    fn default() -> Self {
        Self {
            head: Some(Duration::from_secs(60)),
            body: Some(Duration::from_secs(300)),
        }
    }
}

// === impl Turn ===

impl Turn {
    /// When the server's time is over, unless it is already. It has all of it while it is not its turn.
    fn ends_later(&self, limit: Duration) -> Option<Instant> {
        let now = Instant::now();
        let end = self.0.get().unwrap_or(now) + limit;
        (end > now).then_some(end)
    }

    fn is_of_server(&self) {
        self.0.set(Some(Instant::now()));
    }

    fn is_of_client(&self) {
        self.0.set(None);
    }
}

// === impl TurnObserver ===

impl BodyObserver<RequestBody> for TurnObserver {
    fn polled(&mut self, answer: &PolledFrame<RequestBody>, _body: &RequestBody) {
        match &self.0 {
            None => {}
            Some(turn) if answer.is_pending() => turn.is_of_client(),
            Some(turn) => turn.is_of_server(),
        }
    }
}

impl Drop for TurnObserver {
    /// Nothing more is sent, whether or not that was all.
    fn drop(&mut self) {
        if let Some(turn) = self.0.take_if(|turn| turn.0.get().is_none()) {
            turn.is_of_server();
        }
    }
}

// === impl Silence ===

impl Silence {
    /// Of the response to a request whose body is still under way, maybe.
    pub(super) fn new(limit: Option<Duration>, request: Option<Rc<Turn>>) -> Self {
        Self {
            timer: PieceTimer::new(limit),
            request,
        }
    }

    /// Something came.
    pub(super) fn stop(&mut self) {
        self.timer.stop();
    }

    /// Ready when the server was silent for too long, and took nothing either.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Silent> {
        loop {
            let limit = ready!(self.timer.poll(context));
            let end = self.request.as_ref().and_then(|turn| turn.ends_later(limit));
            match end {
                Some(end) => self.timer.put_off(end),
                None => return Poll::Ready(Silent(limit)),
            }
        }
    }
}
