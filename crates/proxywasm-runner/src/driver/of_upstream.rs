//! The plugins of an upstream: requests pass them last, when it is decided where they go, and responses first.
//!
//! They have a stream of their own. For it, the plugins of the listener or route are the client, and the upstream with all that is tried
//! again is the server; so a request passes them once, and no limit of the upstream's time runs while they pause it.

use super::dispatch::{OnWay, Reply};
use super::exchange::{Aborted, Driver};
use super::forward::{forward, rest};
use super::reason::Reason;
use super::response_body::FilteredResponseBody;
use super::trailers::Announced;
use crate::message;
use crate::properties::UpstreamProperties;
use crate::routing::Route;
use crate::upstream::{RequestBody, ResponseBody, UpstreamError};
use bytes::Bytes;
use http::header::UPGRADE;
use http::{Method, Request, Response};
use proxywasm_host::FilterChain;
use std::future::poll_fn;
use std::sync::Arc;

/// Sends a request through these plugins, and by `send` to the upstream; what that answers comes back through them. To drop the future is
/// to cancel the request.
pub(super) async fn send<F>(
    chain: &FilterChain,
    route: &Route,
    request: Request<RequestBody>,
    on_way: OnWay<'_>,
    send: impl FnOnce(Request<RequestBody>, Option<Arc<UpstreamProperties>>) -> F,
) -> Result<Response<ResponseBody>, UpstreamError>
where
    F: Future<Output = Result<Response<ResponseBody>, UpstreamError>>,
{
    let (mut head, mut body) = request.into_parts();
    let method = head.method.clone();
    // What the client may not ask for was taken off before.
    let may_upgrade = method == Method::CONNECT || head.headers.contains_key(UPGRADE);
    message::show_scheme(&mut head, on_way.connection.is_tls());
    let own = || {
        chain.reads_properties().then(|| {
            let way = Arc::<UpstreamProperties>::default();
            way.set_route(Some(route));
            way
        })
    };
    let way = on_way.way.cloned().or_else(own);
    let told = OnWay {
        way: way.as_ref(),
        ..on_way
    };
    body.allow_all_trailers();
    let driver = Driver::begin(chain, told, head, body);
    let exchange = driver.exchange();
    let to_upstream = |request| {
        let sending = send(request, way.clone());
        async move { Ok(Reply::Upstream(sending.await?)) }
    };
    let switched = forward(exchange, told, &method, may_upgrade, to_upstream).await;
    let switched = switched.map_err(stopped)?;
    let head = poll_fn(|context| exchange.poll_response_head(context)).await;
    let (mut head, ends) = head.map_err(stopped)?;
    if let Some(answer) = exchange.local_answer() {
        on_way.record.set_reason(Reason::of(answer, chain));
    }
    let rest = rest(exchange, ends).await;
    message::send_response(&mut head, &method, ends);
    if let Some(switched) = switched.filter(|_| message::tunnels(&head, &method)) {
        head.extensions.insert(switched);
    }
    let body = if let Some(rest) = rest.or(ends.then(Bytes::new)) {
        driver.complete();
        ResponseBody::Full(rest)
    } else {
        ResponseBody::Filtered(Box::new(FilteredResponseBody::new(driver, Announced::All)))
    };
    Ok(Response::from_parts(*head, body))
}

/// There will be no response.
fn stopped(aborted: Aborted) -> UpstreamError {
    UpstreamError::Filtered(aborted.to_string())
}
