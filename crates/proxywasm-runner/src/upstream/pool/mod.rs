//! The connections of one worker to one upstream.
//!
//! A connection of HTTP/1.1 serves one request at a time. It is leased with the request, given back when the response body is dropped,
//! and taken again only if it is ready by then. One of HTTP/2 is shared by the requests of the worker, and while the first is made, all
//! wait for it. Nothing here crosses a thread, so bodies need not either.

mod body;
mod connection;
mod guard;
mod lease;
mod places;

pub(crate) use body::PooledBody;
use lease::Lease;
pub(crate) use places::Places;

use super::body::{RequestBody, ResponseBody, copy};
use super::connect::ConnectError;
use super::count::Active;
use super::patience::{HeadLimit, ResponseTimeouts, Silence, send_body, within};
use super::target::{HttpProtocol, HttpTarget};
use super::{Failed, UpstreamError};
use crate::figures::UpstreamFigures;
use crate::message;
use crate::properties::UpstreamProperties;
use connection::{Connection, Http1, Http2};
use http::header::UPGRADE;
use http::{Method, Request, Response, StatusCode};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// How long connections are kept: less than the minute or more after which servers close them, so that few requests meet a closing
/// one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// The connections to one upstream.
pub(crate) struct Pool {
    target: HttpTarget,
    idle: Rc<Idle>,
    /// Those of HTTP/2.
    shared: RefCell<Vec<Http2>>,
    /// Who holds the permit makes a connection that others may share.
    connecting: Semaphore,
    /// Whether a connection that is made will be one of HTTP/2, as far as is known.
    multiplexes: Cell<bool>,
    figures: Option<Arc<UpstreamFigures>>,
    /// How many there may be, if that is limited.
    places: Option<Arc<Places>>,
    /// Whether unused connections are closed when places are wanted.
    makes_room: Cell<bool>,
}

/// Connections of HTTP/1.1, the longest unused first.
pub(crate) type Idle = RefCell<VecDeque<(Instant, Http1)>>;

// === impl Pool ===

impl Pool {
    pub(crate) fn new(
        target: HttpTarget,
        figures: Option<Arc<UpstreamFigures>>,
        places: Option<Arc<Places>>,
    ) -> Self {
        let multiplexes = match target.protocol {
            HttpProtocol::Auto => target.endpoint.tls.is_some(),
            HttpProtocol::Http1 => false,
            HttpProtocol::Http2 => true,
        };
        Self {
            target,
            idle: Rc::default(),
            shared: RefCell::default(),
            connecting: Semaphore::new(1),
            multiplexes: Cell::new(multiplexes),
            figures,
            places,
            makes_room: Cell::new(false),
        }
    }

    /// Where its connections go.
    pub(super) fn target(&self) -> &HttpTarget {
        &self.target
    }

    /// Sends a request and waits for the response head.
    ///
    /// A kept connection may turn out to be closed. What was not sent on it goes out on a new one; so does what was sent if it can
    /// be repeated.
    pub(super) async fn send(
        &self,
        request: Request<RequestBody>,
        limit: HeadLimit,
        properties: Option<&UpstreamProperties>,
    ) -> Result<Response<ResponseBody>, Failed> {
        let active = self.figures.as_ref().map(Active::new);
        let connects = request.method() == Method::CONNECT;
        let upgrades = connects || request.headers().contains_key(UPGRADE);
        let response = match self.kept(upgrades) {
            None => self.send_on_new(request, upgrades, limit, properties).await?,
            Some(connection) => match self.send_on(connection, request, limit, properties).await {
                Ok(response) => response,
                Err(Failed {
                    again: Some(request), ..
                }) => self.send_on_new(request, upgrades, limit, properties).await?,
                Err(failed) => return Err(failed),
            },
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS && !upgrades {
            return Err(Failed {
                error: UpstreamError::Switched,
                again: None,
            });
        }
        Ok(response.map(|body| ResponseBody::Pooled(body.counted(active))))
    }

    async fn send_on_new(
        &self,
        request: Request<RequestBody>,
        upgrades: bool,
        limit: HeadLimit,
        properties: Option<&UpstreamProperties>,
    ) -> Result<Response<PooledBody>, Failed> {
        // What is upgraded leaves HTTP, and so has to have its connection for itself.
        let connection = match self.target.protocol {
            HttpProtocol::Auto if upgrades => self.open(HttpProtocol::Http1).await,
            _ if self.multiplexes.get() => self.connect_for_all().await,
            protocol => self.open(protocol).await,
        };
        match connection {
            Ok(connection) => self.send_on(connection, request, limit, properties).await,
            Err(error) => {
                if let Some(properties) = properties {
                    properties.set_failure(&error);
                }
                Err(Failed {
                    error: error.into(),
                    again: Some(request),
                })
            }
        }
    }

    async fn send_on(
        &self,
        connection: Connection,
        request: Request<RequestBody>,
        limit: HeadLimit,
        properties: Option<&UpstreamProperties>,
    ) -> Result<Response<PooledBody>, Failed> {
        let timeouts = self.timeouts(&connection, &request);
        let limit = timeouts.head.filter(|_| limit == HeadLimit::OfUpstream);
        let idempotent = request.method().is_idempotent();
        let copy = (idempotent || matches!(connection, Connection::Http2(_)))
            .then(|| copy(&request))
            .flatten();
        if let Some(properties) = properties {
            properties.set(Arc::clone(connection.properties()));
        }
        let (head, body) = request.into_parts();
        let (body, turn) = send_body(body);
        let request = Request::from_parts(head, body);
        let (sent, lease) = match connection {
            Connection::Http1(mut connection) => {
                let sent = {
                    let sending = pin!(connection.send(request));
                    within(limit, turn.as_deref(), sending).await
                };
                let lease = Lease::Exclusive {
                    connection: matches!(sent, Ok(Ok(_))).then_some(connection),
                    idle: Rc::downgrade(&self.idle),
                    places: self.places.clone(),
                };
                (sent, lease)
            }
            Connection::Http2(mut connection) => {
                let lease = connection.streams.take();
                let sent = {
                    let sending = pin!(connection.send(request));
                    within(limit, turn.as_deref(), sending).await
                };
                if let Ok(Err((error, _))) = &sent
                    && is_going_away(error)
                {
                    connection.streams.note_closing();
                }
                (sent, Lease::Shared(lease))
            }
        };
        match sent {
            Ok(Ok(response)) => {
                let checked = message::check_response(&response);
                let silence = Silence::new(timeouts.body, turn);
                let response = response.map(|body| PooledBody::new(body, silence, lease));
                match checked {
                    Ok(()) => Ok(response),
                    Err(malformed) => {
                        // What follows on its connection may be the rest of it.
                        response.into_body().discard();
                        Err(Failed {
                            error: malformed.into(),
                            again: None,
                        })
                    }
                }
            }
            Ok(Err((error, unsent))) => {
                let repeats = was_refused(&error) || idempotent && is_closing(&error);
                let again = unsent.or_else(|| copy.filter(|copy| repeats && copy.body().is_whole()));
                Err(Failed {
                    error: UpstreamError::Exchange(error),
                    again,
                })
            }
            Err(limit) => Err(Failed {
                error: UpstreamError::Timeout(limit),
                again: None,
            }),
        }
    }

    /// How long the server may take. Streams of gRPC may be silent for as long as they like: over HTTP/2, pings tell whether the server is there.
    fn timeouts(&self, connection: &Connection, request: &Request<RequestBody>) -> ResponseTimeouts {
        match connection {
            Connection::Http2(_) if message::is_grpc(request.headers()) => ResponseTimeouts::NEVER,
            _ => self.target.timeouts,
        }
    }

    /// A connection that is there: one of HTTP/2 that takes a request more, or the one of HTTP/1.1 that was used last, of those that
    /// are ready. A request that upgrades its connection gets one of HTTP/1.1, if it can be had.
    fn kept(&self, upgrades: bool) -> Option<Connection> {
        if (!upgrades || self.target.protocol == HttpProtocol::Http2)
            && let Some(connection) = self.shared()
        {
            return Some(Connection::Http2(connection));
        }
        let mut idle = self.idle.borrow_mut();
        while idle.front().is_some_and(|(since, connection)| {
            connection.sender.is_closed() || since.elapsed() > IDLE_TIMEOUT
        }) {
            idle.pop_front();
        }
        let ready = idle
            .iter()
            .rposition(|(_, connection)| connection.sender.is_ready())?;
        idle.remove(ready)
            .map(|(_, connection)| Connection::Http1(connection))
    }

    fn shared(&self) -> Option<Http2> {
        let mut shared = self.shared.borrow_mut();
        if shared.is_empty() {
            return None;
        }
        shared.retain(|connection| !connection.is_closed());
        shared.iter().find(|connection| connection.is_usable()).cloned()
    }

    /// Makes a connection, as soon as there is a place for it.
    async fn open(&self, protocol: HttpProtocol) -> Result<Connection, ConnectError> {
        let place = match &self.places {
            None => None,
            Some(places) => {
                self.make_room(places);
                let limit = self.target.endpoint.connect_timeout;
                let place = tokio::time::timeout(limit, places.take()).await.ok().flatten();
                Some(place.ok_or_else(|| ConnectError::NoPlace {
                    upstream: self.target.endpoint.address.clone(),
                    limit,
                })?)
            }
        };
        Connection::open(&self.target, protocol, self.figures.as_ref(), place).await
    }

    /// Has connections closed that nobody uses when somebody waits for a place, in another worker maybe.
    fn make_room(&self, places: &Arc<Places>) {
        if self.makes_room.replace(true) {
            return;
        }
        let (places, idle) = (Arc::clone(places), Rc::downgrade(&self.idle));
        tokio::task::spawn_local(async move {
            loop {
                places.wanted().await;
                let Some(idle) = idle.upgrade() else { return };
                let unused = idle.borrow_mut().pop_front();
                drop(unused);
            }
        });
    }

    /// Makes a connection that others may share, unless somebody else has just made one.
    async fn connect_for_all(&self) -> Result<Connection, ConnectError> {
        let limit = self.target.endpoint.connect_timeout;
        let permit = tokio::time::timeout(limit, self.connecting.acquire()).await;
        let _permit = permit.map_err(|_| ConnectError::Timeout {
            upstream: self.target.endpoint.address.clone(),
            limit,
        })?;
        if let Some(connection) = self.shared() {
            return Ok(Connection::Http2(connection));
        }
        let connection = self.open(self.target.protocol).await?;
        match &connection {
            Connection::Http2(connection) => self.shared.borrow_mut().push(connection.clone()),
            // Who waits makes one of its own.
            Connection::Http1(_) => self.multiplexes.set(false),
        }
        Ok(connection)
    }
}

/// Whether a connection was closed rather than used for something that is no HTTP: its end was read, or a reset, which comes if
/// the upstream closed before it read the request.
fn is_closing(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error);
    let broke = source.is_some_and(|source| {
        source.is::<std::io::Error>() || source.downcast_ref::<h2::Error>().is_some_and(h2::Error::is_io)
    });
    error.is_incomplete_message() || error.is_canceled() || broke || is_going_away(error)
}

/// Whether the server has said that it did nothing about a request (RFC 9113, section 8.7).
fn was_refused(error: &hyper::Error) -> bool {
    h2_error(error).is_some_and(|error| error.reason() == Some(h2::Reason::REFUSED_STREAM))
}

/// Whether the server has said that it takes no more requests on this connection.
fn is_going_away(error: &hyper::Error) -> bool {
    h2_error(error).is_some_and(h2::Error::is_go_away)
}

/// What HTTP/2 says of an error.
pub(super) fn h2_error(error: &hyper::Error) -> Option<&h2::Error> {
    std::error::Error::source(error).and_then(|source| source.downcast_ref())
}
