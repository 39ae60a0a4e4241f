//! The connections of one worker to one upstream.
//!
//! A connection serves one request at a time. It is leased with the request, given back when the response body is dropped, and
//! taken again only if it is ready by then. Nothing here crosses a thread, so bodies need not either.

use super::body::{RequestBody, ResponseBody, copy};
use super::connect::{ConnectError, connect};
use super::{Failed, HttpTarget, UpstreamError};
use crate::properties::ConnectionProperties;
use http::{Request, Response};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// Connections that are kept for later requests.
const MAX_IDLE: usize = 256;

/// How long they are kept: less than the minute or more after which servers close them, so that few requests meet a closing one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// The connections to one upstream.
pub(crate) struct Pool {
    target: HttpTarget,
    idle: Rc<Idle>,
}

/// A connection whose response body is being read. Dropping it gives the connection back.
pub(crate) struct Lease {
    /// There until the lease is dropped.
    connection: Option<Connection>,
    idle: Weak<Idle>,
}

/// The longest unused first.
type Idle = RefCell<VecDeque<(Instant, Connection)>>;

struct Connection {
    sender: SendRequest<RequestBody>,
    address: SocketAddr,
}

// === impl Pool ===

impl Pool {
    pub(crate) fn new(target: HttpTarget) -> Self {
        Self {
            target,
            idle: Rc::default(),
        }
    }

    /// Sends a request and waits for the response head.
    ///
    /// A kept connection may turn out to be closed. What was not sent on it goes out on a new one; so does what was sent if it can
    /// be repeated.
    pub(super) async fn send(
        &self,
        request: Request<RequestBody>,
        client: Option<&ConnectionProperties>,
    ) -> Result<Response<ResponseBody>, Failed> {
        let Some(connection) = self.take_idle() else {
            return self.send_on_new(request, client).await;
        };
        match self.send_on(connection, request, client).await {
            Ok(response) => Ok(response),
            Err(Failed {
                again: Some(request), ..
            }) => self.send_on_new(request, client).await,
            Err(failed) => Err(failed),
        }
    }

    async fn send_on_new(
        &self,
        request: Request<RequestBody>,
        client: Option<&ConnectionProperties>,
    ) -> Result<Response<ResponseBody>, Failed> {
        match self.connect().await {
            Ok(connection) => self.send_on(connection, request, client).await,
            Err(error) => Err(Failed {
                error: error.into(),
                again: Some(request),
            }),
        }
    }

    async fn send_on(
        &self,
        mut connection: Connection,
        request: Request<RequestBody>,
        client: Option<&ConnectionProperties>,
    ) -> Result<Response<ResponseBody>, Failed> {
        let copy = request.method().is_idempotent().then(|| copy(&request)).flatten();
        if let Some(client) = client {
            client.set_upstream(Some(connection.address));
        }
        match connection.sender.try_send_request(request).await {
            Ok(response) => {
                let lease = Lease {
                    connection: Some(connection),
                    idle: Rc::downgrade(&self.idle),
                };
                Ok(response.map(|body| ResponseBody::Pooled(body, lease)))
            }
            Err(mut error) => {
                let unsent = error.take_message();
                let error = error.into_error();
                let again =
                    unsent.or_else(|| copy.filter(|copy| is_closing(&error) && copy.body().is_whole()));
                Err(Failed {
                    error: UpstreamError::Exchange(error),
                    again,
                })
            }
        }
    }

    /// The connection that was used last, of those that are ready.
    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        while idle.front().is_some_and(|(since, connection)| {
            connection.sender.is_closed() || since.elapsed() > IDLE_TIMEOUT
        }) {
            idle.pop_front();
        }
        let ready = idle
            .iter()
            .rposition(|(_, connection)| connection.sender.is_ready())?;
        idle.remove(ready).map(|(_, connection)| connection)
    }

    async fn connect(&self) -> Result<Connection, ConnectError> {
        let (stream, address) =
            connect(&self.target.host, self.target.port, self.target.connect_timeout).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(ConnectError::Unusable)?;
        tokio::task::spawn_local(async move {
            // Who waits for a response is told too.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to the upstream ended");
            }
        });
        Ok(Connection { sender, address })
    }
}

/// Whether a connection was closed rather than used for something that is no HTTP: its end was read, or a reset, which comes if
/// the upstream closed before it read the request.
fn is_closing(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    error.is_incomplete_message() || error.is_canceled() || source.is_some()
}

// === impl Lease ===

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(connection) = self
            .connection
            .take()
            .filter(|connection| !connection.sender.is_closed())
        else {
            return;
        };
        if let Some(idle) = self.idle.upgrade() {
            let mut idle = idle.borrow_mut();
            if idle.len() >= MAX_IDLE {
                idle.pop_front();
            }
            idle.push_back((Instant::now(), connection));
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}
