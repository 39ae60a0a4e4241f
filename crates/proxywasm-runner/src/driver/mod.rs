//! One stream from its request head to its last byte.
//!
//! Three places take turns, none of which needs a task or a channel of its own:
//! - [`serve`] runs in the task of the client's connection until the response head is known;
//! - [`ResponseBody`] is polled by that task afterwards, as fast as the client reads;
//! - [`FilteredRequestBody`] is polled by the task of the upstream's connection, as fast as the upstream reads.
//!
//! They share an [`Exchange`]. Whoever is polled takes what plugins let through in its direction; if there is nothing and the
//! plugins want more, it reads from the other side and enters them. What that brings for the other direction wakes its taker.
//! So no byte is read that nobody wants, and a client that leaves takes its stream with it.

mod client;
mod client_body;
mod dispatch;
mod exchange;
mod forward;
mod lane;
mod linger;
mod of_upstream;
mod reason;
mod record;
mod recorded_body;
mod request_body;
mod response_body;
mod trailers;
mod tunnel;

pub(crate) use client::Client;
pub(crate) use client_body::ClientBody;
pub(crate) use dispatch::{Destination, Routed};
pub(crate) use exchange::Aborted;
pub(crate) use reason::Reason;
pub(crate) use record::{Observer, Record, Recording};
pub(crate) use recorded_body::RecordedBody;
pub(crate) use request_body::FilteredRequestBody;
pub(crate) use response_body::{FilteredResponseBody, ResponseBody};

use crate::figures::UpstreamFailure;
use crate::forwarding::RequestIds;
use crate::message::{self, Received, Refusal};
use crate::properties::ConnectionProperties;
use crate::settings::HttpSettings;
use crate::trace::{StreamSpan, Tracer};
use crate::upstream;
use crate::worker::Worker;
use bytes::Bytes;
use dispatch::{OnWay, Reply};
use exchange::{Driver, Waiting};
use forward::{forward, rest};
use http::header::{CONNECTION, CONTENT_TYPE, EXPECT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, request, response};
use http_body::Body;
use hyper::body::Incoming;
use proxywasm_host::FilterChain;
use recorded_body::record_body;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use trailers::Announced;
use tunnel::Tunnel;

/// What one worker does with the requests of one listener.
pub(crate) struct HttpListener {
    pub(crate) worker: Rc<Worker>,
    /// The plugins of requests whose route has none of its own.
    pub(crate) chain: FilterChain,
    pub(crate) destination: Destination,
    pub(crate) http: HttpSettings,
    pub(crate) request_ids: RequestIds,
    pub(crate) observer: Rc<Observer>,
    /// Who traces requests, if anyone does.
    pub(crate) tracer: Option<Arc<Tracer>>,
    /// How long a client may take for a piece of a body.
    pub(crate) body_timeout: Duration,
    /// Whether CONNECT goes to the upstream.
    pub(crate) allows_connect: bool,
    /// How long nothing may pass of what a connection was upgraded to.
    pub(crate) tunnel_timeout: Duration,
}

// === impl HttpListener ===

impl HttpListener {
    /// A request head as it came becomes one as plugins and routes see it.
    fn receive(
        &self,
        head: &mut request::Parts,
        connection: &ConnectionProperties,
    ) -> Result<Received, Refusal> {
        let received = message::receive_request(head, connection.is_tls(), self.allows_connect)?;
        self.http.paths.apply(&mut head.uri).map_err(Refusal::Path)?;
        self.http.forwarding.apply(
            &mut head.headers,
            connection.source().ip().map(|source| source.ip()),
            if connection.is_tls() { "https" } else { "http" },
            &self.request_ids,
        );
        Ok(received)
    }

    /// How long a client may take for each piece of a request's body. Streams of gRPC may be silent for as long as they like: over HTTP/2, pings
    /// tell whether the client is there.
    fn body_timeout(&self, version: Version, headers: &HeaderMap) -> Option<Duration> {
        let may_be_silent = version == Version::HTTP_2 && message::is_grpc(headers);
        (!may_be_silent).then_some(self.body_timeout)
    }
}

/// Answers a request.
///
/// # Errors
/// The connection has to be closed without a response.
pub(crate) async fn serve(
    listener: &HttpListener,
    client: &Client,
    request: Request<Incoming>,
) -> Result<Response<RecordedBody>, Aborted> {
    let (head, body) = request.into_parts();
    let recording = Recording::of_request(&listener.observer, &client.properties, &head);
    let is_head = head.method == Method::HEAD;
    let version = head.version;
    let response = match respond(listener, client, head, body, &recording).await {
        Ok(response) => response,
        // What is left of the connection cannot be told from the rest of this request.
        Err(Aborted::Downstream(fault)) => {
            recording.record().set_reason(Reason::ClientClosed);
            last_response(fault.status(), fault.text(), version)
        }
        Err(aborted) => {
            recording.record().set_reason(match aborted {
                Aborted::Reset(_) => Reason::Reset,
                Aborted::Over | Aborted::Downstream(_) => Reason::ClientClosed,
            });
            return Err(aborted);
        }
    };
    let (head, body) = response.into_parts();
    recording.record().answered(&head);
    let unread = is_head || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    Ok(Response::from_parts(head, record_body(body, unread, recording)))
}

async fn respond(
    listener: &HttpListener,
    client: &Client,
    mut head: request::Parts,
    body: Incoming,
    recording: &Recording,
) -> Result<Response<ResponseBody>, Aborted> {
    let record = recording.record();
    let version = head.version;
    let connection = &client.properties;
    let expects_continue = head.headers.contains_key(EXPECT);
    let received = listener.receive(&mut head, connection);
    let body = ClientBody::new(body, listener.body_timeout(version, &head.headers));
    let received = match received {
        Ok(received) => received,
        Err(refusal) => {
            record.note_headers(&head);
            record.set_reason(Reason::Refused);
            if version != Version::HTTP_2 && !expects_continue && !body.is_end_stream() {
                linger::spawn(body);
            }
            return Ok(last_response(refusal.status(), refusal.text(), version));
        }
    };
    record.note_headers(&head);
    // That of a WebSocket over HTTP/2 is GET by now.
    let method = head.method.clone();
    let (chain, route) = listener.destination.chain(&listener.chain, &head);
    if chain.plugins().is_empty() {
        return pass(listener, head, version, body, received, client, recording).await;
    }
    let span = StreamSpan::take(&mut head.extensions, record.way());
    let upgrade = received.upgrades.then(|| head.extensions.remove()).flatten();

    let way = match (record.way(), &span) {
        (Some(way), _) => Some(Arc::clone(way)),
        (None, Some(span)) => Some(span.way()),
        (None, None) => chain.reads_properties().then(Arc::default),
    };
    if let Some(way) = &way {
        way.set_route(route);
    }
    let waiting = Waiting {
        version,
        expects_continue: received.expects_continue,
        fault: body.fault(),
    };
    let body = upstream::RequestBody::Passed(body, Rc::clone(record));
    let on_way = OnWay {
        worker: &listener.worker,
        client: &waiting,
        connection,
        way: way.as_ref(),
        record,
        span: span.as_ref(),
    };
    let driver = Driver::begin(chain, on_way, head, body);
    let exchange = driver.exchange();
    let send = |request| listener.destination.send(request, on_way);
    let switched = forward(exchange, on_way, &method, received.upgrades, send).await?;
    let (head, ends) = poll_fn(|context| exchange.poll_response_head(context)).await?;
    if let Some(answer) = exchange.local_answer() {
        record.set_reason(Reason::of(answer, chain));
    }
    if let Some((downstream, upstream)) = upgrade.zip(switched)
        && message::tunnels(&head, &method)
    {
        let mut head = *head;
        message::send_response(&mut head, &method, true);
        if received.websocket {
            message::answer_websocket(&mut head);
        }
        client.upgrade(Tunnel::new(
            downstream,
            upstream,
            Some(driver),
            recording.clone(),
            listener.tunnel_timeout,
        ));
        return Ok(Response::from_parts(head, ResponseBody::Empty));
    }
    let rest = rest(exchange, ends).await;
    let mut head = *head;
    if received.websocket {
        message::answer_websocket(&mut head);
    }
    Ok(filtered_response(driver, head, ends, rest, &method, version))
}

/// The response as plugins left it.
fn filtered_response(
    driver: Driver,
    mut head: response::Parts,
    ends: bool,
    rest: Option<Bytes>,
    method: &Method,
    version: Version,
) -> Response<ResponseBody> {
    message::send_response(&mut head, method, ends);
    let body = if ends {
        driver.complete();
        ResponseBody::Empty
    } else if let Some(rest) = rest {
        driver.complete();
        ResponseBody::Full(rest)
    } else {
        let announced = Announced::of(&head.headers, version);
        ResponseBody::Filtered(FilteredResponseBody::new(driver, announced))
    };
    Response::from_parts(head, body)
}

/// Without plugins: bodies pass as they are.
async fn pass(
    listener: &HttpListener,
    mut head: request::Parts,
    version: Version,
    body: ClientBody,
    received: Received,
    client: &Client,
    recording: &Recording,
) -> Result<Response<ResponseBody>, Aborted> {
    let record = recording.record();
    let span = StreamSpan::take(&mut head.extensions, record.way());
    let span = span.as_ref();
    let ends = body.is_end_stream();
    let method = head.method.clone();
    let upgrade = received.upgrades.then(|| head.extensions.remove()).flatten();
    message::send_request(&mut head, received.upgrades);
    let waiting = Waiting {
        version,
        expects_continue: received.expects_continue,
        fault: body.fault(),
    };
    let body = if ends {
        upstream::RequestBody::Empty
    } else {
        upstream::RequestBody::Passed(body, Rc::clone(record))
    };
    let request = Request::from_parts(head, body);
    let own_way = span.filter(|_| record.way().is_none()).map(|span| span.way());
    let on_way = OnWay {
        worker: &listener.worker,
        client: &waiting,
        connection: &client.properties,
        way: record.way().or(own_way.as_ref()),
        record,
        span,
    };
    let sent = listener.destination.send(request, on_way).await;
    Ok(match sent {
        Ok(Reply::Upstream(response)) => {
            let (mut head, body) = response.into_parts();
            if message::tunnels(&head, &method)
                && let Some((downstream, upstream)) = upgrade.zip(head.extensions.remove())
            {
                client.upgrade(Tunnel::new(
                    downstream,
                    upstream,
                    None,
                    recording.clone(),
                    listener.tunnel_timeout,
                ));
            }
            message::receive_response(&mut head);
            let ends = body.is_end_stream();
            message::send_response(&mut head, &method, ends);
            if received.websocket {
                message::answer_websocket(&mut head);
            }
            Response::from_parts(
                head,
                if ends {
                    ResponseBody::Empty
                } else {
                    ResponseBody::Passed(body)
                },
            )
        }
        Ok(Reply::Local(response, unread)) => {
            if let upstream::RequestBody::Passed(unread, _) = unread
                && !received.expects_continue
            {
                linger::spawn(unread);
            }
            response.map(ResponseBody::Full)
        }
        Err(error) => {
            if let Some(fault) = waiting.fault.get() {
                return Err(Aborted::Downstream(fault));
            }
            record.set_reason(Reason::Upstream(UpstreamFailure::of(&error)));
            tracing::warn!("{error}");
            text_response(error.status(), error.text())
        }
    })
}

/// The response to a request that is refused: its connection is not used for another one.
fn last_response(status: StatusCode, text: &'static str, version: Version) -> Response<ResponseBody> {
    let mut response = text_response(status, text);
    if version != Version::HTTP_2 {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn text_response(status: StatusCode, text: &'static str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Full(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each stream and each connection has room for it, from its first request on. A future that is given away by value within another one
    /// doubles it.
    #[test]
    fn what_a_request_has_while_it_is_served_is_small() {
        fn size<A, B, C, F>(_: impl FnOnce(A, B, C) -> F) -> usize {
            size_of::<F>()
        }
        let size = size::<&HttpListener, &Client, Request<Incoming>, _>(serve);
        assert!(size <= 8 << 10, "{size}");
    }
}
