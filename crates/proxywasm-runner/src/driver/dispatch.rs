//! Where the requests of a listener go: to one upstream, or by routes.

use super::exchange::Waiting;
use super::of_upstream;
use super::reason::Reason;
use super::record::Record;
use crate::cluster::{Cluster, Clusters};
use crate::figures::{RouteFigures, RouteName, UpstreamFailure, WorkerFigures};
use crate::properties::{ConnectionProperties, Outcome, UpstreamProperties};
use crate::routing::{Action, Forward, HeadTimeout, PathRules, Route, RouteTable};
use crate::trace::StreamSpan;
use crate::upstream::{HeadLimit, RequestBody, ResponseBody, Upstream, UpstreamError};
use crate::worker::Worker;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode, request};
use proxywasm_host::FilterChain;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

/// Where the requests of a listener go, as one worker has it.
pub(crate) enum Destination {
    /// All to one upstream, without a look at them; it is called so.
    One(Rc<Upstream>, String),
    /// By routes.
    Routed(Box<Routed>),
}

/// Routes, and the upstreams that they name.
pub(crate) struct Routed {
    table: RouteTable,
    paths: PathRules,
    /// By their names.
    upstreams: HashMap<String, Rc<Cluster>>,
    /// Of each route, by its number.
    figures: Vec<Arc<RouteFigures>>,
}

/// What a request has with it on its way to an upstream.
#[derive(Clone, Copy)]
pub(super) struct OnWay<'a> {
    pub(super) worker: &'a Rc<Worker>,
    pub(super) client: &'a Waiting,
    pub(super) connection: &'a Arc<ConnectionProperties>,
    /// What is to be told of route and upstream, where somebody asks for it.
    pub(super) way: Option<&'a Arc<UpstreamProperties>>,
    pub(super) record: &'a Rc<Record>,
    /// The span of the request, if it is traced.
    pub(super) span: Option<&'a Arc<StreamSpan>>,
}

/// What becomes of a request.
pub(super) enum Reply {
    /// The upstream answers it.
    Upstream(Response<ResponseBody>),
    /// The proxy answers it, and needs no body of it.
    Local(Response<Bytes>, RequestBody),
}

// === impl Destination ===

impl Destination {
    /// The plugins of a request as it arrived, those of its route or else of the listener; and its route, where they could ask for it.
    pub(super) fn chain<'a>(
        &'a self,
        of_listener: &'a FilterChain,
        head: &request::Parts,
    ) -> (&'a FilterChain, Option<&'a Route>) {
        let Self::Routed(routed) = self else {
            return (of_listener, None);
        };
        if !of_listener.reads_properties() && !routed.table.has_chains() {
            return (of_listener, None);
        }
        let route = routed.table.find(head);
        let chain = route
            .and_then(|route| route.chain.as_ref())
            .unwrap_or(of_listener);
        (chain, route.filter(|_| chain.reads_properties()))
    }

    /// Sends a request, as plugins left it, where it belongs, or answers it. To drop the future is to cancel the request.
    ///
    /// Who asks for it is told of route and upstream.
    pub(super) async fn send(
        &self,
        mut request: Request<RequestBody>,
        on_way: OnWay<'_>,
    ) -> Result<Reply, UpstreamError> {
        match self {
            Self::One(upstream, name) => {
                let is_told = on_way.record.way().is_some() || on_way.span.is_some();
                if let Some(way) = on_way.way.filter(|_| is_told) {
                    way.set_unnamed(name);
                }
                if let Some(span) = on_way.span {
                    span.begin_attempt(&mut request, upstream.target());
                }
                let sent = upstream
                    .send(request, HeadLimit::OfUpstream, on_way.way.map(|way| &**way))
                    .await;
                let sent = sent.map_err(|failed| failed.error);
                if let Some(span) = on_way.span {
                    match &sent {
                        Ok(response) => span.attempt_answered(response.status()),
                        Err(error) => span.attempt_failed(error),
                    }
                }
                sent.map(Reply::Upstream)
            }
            // Boxed, so that connections without routes have not to keep room for it.
            Self::Routed(routed) => Box::pin(routed.send(request, on_way)).await,
        }
    }
}

// === impl Routed ===

impl Routed {
    /// Routes to some of these upstreams.
    pub(crate) fn new(
        listener: &str,
        table: RouteTable,
        paths: PathRules,
        upstreams: &Clusters,
        figures: &WorkerFigures,
    ) -> Self {
        let mut named = HashMap::new();
        for route in table.virtual_hosts().iter().flat_map(|host| &host.routes) {
            if let Action::Forward(forward) = &route.action {
                for share in forward.split.shares() {
                    let found = upstreams.get(&share.upstream);
                    named.extend(found.map(|found| (share.upstream.clone(), found)));
                }
            }
        }
        let hosts = table.virtual_hosts().iter();
        let names = hosts.flat_map(|host| {
            let first = host.hosts.first().map(ToString::to_string).unwrap_or_default();
            host.routes.iter().map(move |route| RouteName {
                listener: listener.to_owned(),
                virtual_host: first.clone(),
                route: route.name.as_deref().unwrap_or_default().to_owned(),
            })
        });
        let figures = names.map(|name| figures.route(name)).collect();
        Self {
            table,
            paths,
            upstreams: named,
            figures,
        }
    }

    async fn send(&self, request: Request<RequestBody>, on_way: OnWay<'_>) -> Result<Reply, UpstreamError> {
        let OnWay { way, record, .. } = on_way;
        let (mut head, body) = request.into_parts();
        // A plugin may have written another path.
        if let Err(refusal) = self.paths.apply(&mut head.uri) {
            tracing::warn!(
                path = head.uri.path(),
                "a plugin made a request whose path is refused: {refusal}"
            );
            record.set_reason(Reason::Unroutable);
            return Ok(Reply::text(
                StatusCode::BAD_REQUEST,
                "the path is refused\n",
                body,
            ));
        }
        let place = self.table.place(&head);
        let route = place.and_then(|place| self.table.at(place));
        if let Some(figures) = place.and_then(|place| self.figures.get(place.number)) {
            record.set_route(figures);
        }
        if let Some(way) = way {
            way.set_route(route);
        }
        let Some(route) = route else {
            record.set_reason(Reason::NoRoute);
            tell(way, Outcome::NO_ROUTE);
            return Ok(Reply::text(
                StatusCode::NOT_FOUND,
                "there is no route for this request\n",
                body,
            ));
        };
        let answer = match &route.action {
            Action::Forward(forward) => {
                let request = Request::from_parts(head, body);
                return self.forward(route, forward, request, on_way).await;
            }
            Action::Respond(response) => Ok(response.respond(&head.method)),
            Action::Redirect(redirect) => redirect.respond(&head, &route.matches.path),
        };
        Ok(match answer {
            Ok(mut response) => {
                record.set_reason(Reason::Direct);
                route.response_headers.apply(response.headers_mut());
                tell(way, Outcome::DIRECT_RESPONSE);
                Reply::Local(response, body)
            }
            Err(place) => {
                record.set_reason(Reason::Unroutable);
                Reply::unroutable(route, &place, body)
            }
        })
    }

    async fn forward(
        &self,
        route: &Route,
        forward: &Forward,
        request: Request<RequestBody>,
        on_way: OnWay<'_>,
    ) -> Result<Reply, UpstreamError> {
        let record = on_way.record;
        let (mut head, body) = request.into_parts();
        if let Err(path) = forward.rewrite(&mut head.uri, &mut head.headers, &route.matches.path) {
            record.set_reason(Reason::Unroutable);
            return Ok(Reply::unroutable(route, &path, body));
        }
        route.request_headers.apply(&mut head.headers);
        let share = forward
            .split
            .next()
            .and_then(|place| forward.split.shares().get(place));
        // The configuration was checked for it.
        let Some(upstream) = share.and_then(|share| self.upstreams.get(&share.upstream)) else {
            record.set_reason(Reason::Unroutable);
            return Ok(Reply::unroutable(route, "no upstream", body));
        };
        let request = Request::from_parts(head, body);
        let source = on_way.connection.source().ip().map(|source| source.ip());
        let chain = &upstream.settings().chain;
        let mut response = if chain.plugins().is_empty() {
            let way = on_way.way.map(|way| &**way);
            send_in_time(upstream, forward.timeout, request, source, way, on_way.span).await?
        } else {
            let send = async |request, way: Option<Arc<UpstreamProperties>>| {
                let way = way.as_deref();
                send_in_time(upstream, forward.timeout, request, source, way, on_way.span).await
            };
            of_upstream::send(chain, route, request, on_way, send).await?
        };
        route.response_headers.apply(response.headers_mut());
        Ok(Reply::Upstream(response))
    }
}

/// Sends a request to a server of an upstream, which may take as long as the route or else the upstream says.
async fn send_in_time(
    upstream: &Cluster,
    timeout: HeadTimeout,
    request: Request<RequestBody>,
    source: Option<IpAddr>,
    way: Option<&UpstreamProperties>,
    span: Option<&Arc<StreamSpan>>,
) -> Result<Response<ResponseBody>, UpstreamError> {
    let limit = match timeout {
        HeadTimeout::OfUpstream => HeadLimit::OfUpstream,
        HeadTimeout::Never | HeadTimeout::After(_) => HeadLimit::OfSender,
    };
    let sending = upstream.send(request, source, limit, way, span.map(|span| &**span));
    match timeout {
        HeadTimeout::OfUpstream | HeadTimeout::Never => sending.await,
        HeadTimeout::After(limit) => tokio::time::timeout(limit, sending).await.unwrap_or_else(|_| {
            upstream.figures().failed(UpstreamFailure::Timeout);
            if let Some(span) = span {
                span.attempt_timed_out(limit);
            }
            Err(UpstreamError::Timeout(limit))
        }),
    }
}

fn tell(way: Option<&Arc<UpstreamProperties>>, outcome: Outcome) {
    if let Some(way) = way {
        way.set_outcome(outcome);
    }
}

// === impl Reply ===

impl Reply {
    fn text(status: StatusCode, text: &'static str, body: RequestBody) -> Self {
        let mut response = Response::new(Bytes::from_static(text.as_bytes()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
        Self::Local(response, body)
    }

    /// The route makes something of this request that cannot be.
    fn unroutable(route: &Route, made: &str, body: RequestBody) -> Self {
        tracing::warn!(
            route = route.name.as_deref(),
            made,
            "a route makes something of a request that cannot be sent"
        );
        Self::text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the route of this request leads nowhere\n",
            body,
        )
    }
}
