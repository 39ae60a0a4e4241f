//! Where the requests of a listener go: to one upstream, or by routes.

use crate::cluster::{Cluster, Clusters};
use crate::properties::{ConnectionProperties, UpstreamProperties};
use crate::routing::{Action, Forward, PathRules, Route, RouteTable};
use crate::upstream::{RequestBody, ResponseBody, Upstream, UpstreamError};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode, request};
use proxywasm_host::FilterChain;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// Where the requests of a listener go, as one worker has it.
pub(crate) enum Destination {
    /// All to one upstream, without a look at them.
    One(Upstream),
    /// By routes.
    Routed(Box<Routed>),
}

/// Routes, and the upstreams that they name.
pub(crate) struct Routed {
    table: RouteTable,
    paths: PathRules,
    /// By their names.
    upstreams: HashMap<String, Rc<Cluster>>,
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
    /// The plugins of a request as it arrived, those of its route or else of the listener; and the name of its route, where they could
    /// ask for it.
    pub(super) fn chain<'a>(
        &'a self,
        of_listener: &'a FilterChain,
        head: &request::Parts,
    ) -> (&'a FilterChain, Option<Arc<str>>) {
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
        let name = route.filter(|_| chain.reads_properties());
        (chain, name.and_then(|route| route.name.clone()))
    }

    /// Sends a request, as plugins left it, where it belongs, or answers it. To drop the future is to cancel the request.
    ///
    /// Who asks for it is told of route and upstream.
    pub(super) async fn send(
        &self,
        request: Request<RequestBody>,
        connection: &ConnectionProperties,
        way: Option<&UpstreamProperties>,
    ) -> Result<Reply, UpstreamError> {
        match self {
            Self::One(upstream) => match upstream.send(request, way).await {
                Ok(response) => Ok(Reply::Upstream(response)),
                Err(failed) => Err(failed.error),
            },
            // Boxed, so that connections without routes have not to keep room for it.
            Self::Routed(routed) => Box::pin(routed.send(request, connection, way)).await,
        }
    }
}

// === impl Routed ===

impl Routed {
    /// Routes to some of these upstreams.
    pub(crate) fn new(table: RouteTable, paths: PathRules, upstreams: &Clusters) -> Self {
        let mut named = HashMap::new();
        for route in table.virtual_hosts().iter().flat_map(|host| &host.routes) {
            if let Action::Forward(forward) = &route.action {
                for share in forward.split.shares() {
                    let found = upstreams.get(&share.upstream).cloned();
                    named.extend(found.map(|found| (share.upstream.clone(), found)));
                }
            }
        }
        Self {
            table,
            paths,
            upstreams: named,
        }
    }

    async fn send(
        &self,
        request: Request<RequestBody>,
        connection: &ConnectionProperties,
        way: Option<&UpstreamProperties>,
    ) -> Result<Reply, UpstreamError> {
        let (mut head, body) = request.into_parts();
        // A plugin may have written another path.
        if let Err(refusal) = self.paths.apply(&mut head.uri) {
            tracing::warn!(
                path = head.uri.path(),
                "a plugin made a request whose path is refused: {refusal}"
            );
            return Ok(Reply::text(
                StatusCode::BAD_REQUEST,
                "the path is refused\n",
                body,
            ));
        }
        let route = self.table.find(&head);
        if let Some(way) = way {
            way.set_route(route.and_then(|route| route.name.clone()));
        }
        let Some(route) = route else {
            return Ok(Reply::text(
                StatusCode::NOT_FOUND,
                "there is no route for this request\n",
                body,
            ));
        };
        let answer = match &route.action {
            Action::Forward(forward) => {
                let request = Request::from_parts(head, body);
                return self.forward(route, forward, request, connection, way).await;
            }
            Action::Respond(response) => Ok(response.respond(&head.method)),
            Action::Redirect(redirect) => redirect.respond(&head, &route.matches.path),
        };
        Ok(match answer {
            Ok(mut response) => {
                route.response_headers.apply(response.headers_mut());
                Reply::Local(response, body)
            }
            Err(place) => Reply::unroutable(route, &place, body),
        })
    }

    async fn forward(
        &self,
        route: &Route,
        forward: &Forward,
        request: Request<RequestBody>,
        connection: &ConnectionProperties,
        way: Option<&UpstreamProperties>,
    ) -> Result<Reply, UpstreamError> {
        let (mut head, body) = request.into_parts();
        if let Err(path) = forward.rewrite(&mut head.uri, &mut head.headers, &route.matches.path) {
            return Ok(Reply::unroutable(route, &path, body));
        }
        route.request_headers.apply(&mut head.headers);
        let share = forward
            .split
            .next()
            .and_then(|place| forward.split.shares().get(place));
        // The configuration was checked for it.
        let Some(upstream) = share.and_then(|share| self.upstreams.get(&share.upstream)) else {
            return Ok(Reply::unroutable(route, "no upstream", body));
        };
        let source = connection.source().ip().map(|source| source.ip());
        let sending = upstream.send(Request::from_parts(head, body), source, way);
        let mut response = match forward.timeout {
            None => sending.await?,
            Some(limit) => tokio::time::timeout(limit, sending)
                .await
                .map_err(|_| UpstreamError::Timeout(limit))??,
        };
        route.response_headers.apply(response.headers_mut());
        Ok(Reply::Upstream(response))
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
