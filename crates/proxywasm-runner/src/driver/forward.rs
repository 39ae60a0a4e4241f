//! A request on its way from plugins to whoever answers it, and the head of the answer back to them.

use super::dispatch::{OnWay, Reply};
use super::exchange::{Aborted, Exchange};
use super::reason::Reason;
use super::request_body::FilteredRequestBody;
use super::trailers::Announced;
use crate::figures::UpstreamFailure;
use crate::message;
use crate::upstream::{self, UpstreamError};
use bytes::Bytes;
use http::{Method, Request, StatusCode, Version};
use hyper::upgrade::OnUpgrade;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

/// Lets plugins have the request, and sends what they make of it, unless they answer it. Returns the upstream's end of the connection if
/// that is upgraded. Then the host has a response, or will have all of one.
pub(super) async fn forward<F>(
    exchange: &Rc<Exchange>,
    on_way: OnWay<'_>,
    method: &Method,
    may_upgrade: bool,
    send: impl FnOnce(Request<upstream::RequestBody>) -> F,
) -> Result<Option<OnUpgrade>, Aborted>
where
    F: Future<Output = Result<Reply, UpstreamError>>,
{
    poll_fn(|context| exchange.poll_heads(context)).await?;
    let Some(request) = filtered_request(exchange, may_upgrade) else {
        return Ok(None);
    };
    if request.method() == Method::CONNECT && method != Method::CONNECT {
        tracing::warn!("a plugin made a CONNECT of another request, which is not sent");
        exchange.upstream_failed(StatusCode::BAD_REQUEST, "the request asks for no tunnel\n");
        return Ok(None);
    }
    let method = request.method().clone();
    // Not given away by value, for then its future would be kept twice.
    let sending = pin!(send(request));
    answer(exchange, on_way, &method, sending).await
}

/// The rest of a response, if it is short and here by now: the codec sends head and body at once then.
pub(super) async fn rest(exchange: &Exchange, ends: bool) -> Option<Bytes> {
    if ends {
        return None;
    }
    poll_fn(|context| Poll::Ready(exchange.poll_rest(context))).await
}

/// The request as plugins left it, unless they answer it.
fn filtered_request(exchange: &Rc<Exchange>, may_upgrade: bool) -> Option<Request<upstream::RequestBody>> {
    let (mut head, ends) = exchange.take_request_head()?;
    message::send_request(&mut head, may_upgrade);
    let body = if ends {
        upstream::RequestBody::Empty
    } else if let Some(rest) = exchange.take_request_rest() {
        upstream::RequestBody::Full(rest)
    } else {
        let announced = Announced::of(&head.headers, Version::HTTP_11);
        upstream::RequestBody::Filtered(FilteredRequestBody::new(Rc::clone(exchange), announced))
    };
    Some(Request::from_parts(*head, body))
}

/// Waits for the answer to a request, and gives the host its head or the reason why there is none, unless the host answers first.
async fn answer(
    exchange: &Exchange,
    on_way: OnWay<'_>,
    method: &Method,
    mut sending: Pin<&mut impl Future<Output = Result<Reply, UpstreamError>>>,
) -> Result<Option<OnUpgrade>, Aborted> {
    let mut switched = None;
    let sent = poll_fn(|context| {
        if let Some(answered) = exchange.answered() {
            return Poll::Ready(answered.map(|()| None));
        }
        if let Poll::Ready(sent) = sending.as_mut().poll(context) {
            return Poll::Ready(Ok(Some(sent)));
        }
        if let Some(answered) = exchange.answered() {
            // Plugins of the upstream have read the request, and so entered these.
            return Poll::Ready(answered.map(|()| None));
        }
        exchange.wait_for_response(context);
        Poll::Pending
    });
    match sent.await? {
        None => {}
        Some(Ok(reply)) => {
            let response = match reply {
                Reply::Upstream(response) => response,
                Reply::Local(response, _) => {
                    exchange.tell_details(on_way.way.map(|way| &**way));
                    response.map(upstream::ResponseBody::Full)
                }
            };
            let (mut head, body) = response.into_parts();
            if message::tunnels(&head, method) {
                switched = head.extensions.remove();
            }
            message::receive_response(&mut head);
            exchange.receive_response(head, body);
        }
        Some(Err(error)) => {
            if let Some(fault) = exchange.fault() {
                return Err(Aborted::Downstream(fault));
            }
            tracing::warn!("{error}");
            on_way
                .record
                .set_reason(Reason::Upstream(UpstreamFailure::of(&error)));
            if let Some(way) = on_way.way {
                way.set_outcome((&error).into());
                exchange.tell_details(Some(way));
            }
            exchange.upstream_failed(error.status(), error.text());
        }
    }
    Ok(switched)
}
