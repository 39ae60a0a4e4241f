//! Requests on their way to a server of an upstream, and again to another one.

use super::admission::{Admitted, Retrying};
use super::endpoint::{Busy, Endpoint};
use super::{Cluster, Replay};
use crate::figures::UpstreamFailure;
use crate::properties::{NamedUpstream, UpstreamProperties};
use crate::trace::StreamSpan;
use crate::upstream::{Failed, HeadLimit, RequestBody, ResponseBody, UpstreamError, copy};
use http::{Request, Response, StatusCode};
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// What is counted while a response is read.
pub(crate) struct Counted {
    #[expect(dead_code, reason = "they count until dropped")]
    guards: (Admitted, Busy, Option<Retrying>),
}

/// What came of one attempt.
enum Attempt {
    Response(Response<ResponseBody>),
    Failed(Failed),
    TimedOut(Duration),
}

/// How long is waited before a server is tried a second time; then twice as long, and so on.
const FIRST_REST: Duration = Duration::from_millis(25);
const LONGEST_REST: Duration = Duration::from_millis(250);

// === impl Cluster ===

impl Cluster {
    /// Sends a request and waits for the head of a response. To drop the future is to cancel the request.
    ///
    /// With `tell`, the properties of its stream learn where it went, and with `span` its trace.
    pub(crate) async fn send(
        &self,
        request: Request<RequestBody>,
        source: Option<IpAddr>,
        limit: HeadLimit,
        tell: Option<&UpstreamProperties>,
        span: Option<&StreamSpan>,
    ) -> Result<Response<ResponseBody>, UpstreamError> {
        let settings = &self.shared.settings;
        let retries = &settings.retries;
        let admission = &self.shared.admission;
        let admitted = self.admit().await?;
        let key = self.key(request.headers(), source);
        let idempotent = request.method().is_idempotent();
        // Responses and timeouts tell that a request was sent, so it takes a second one to send it again.
        let copies = idempotent && (retries.per_try_timeout.is_some() || !retries.statuses.is_empty());
        let mut request = if idempotent && retries.attempts > 0 {
            request.map(|body| Replay::wrap(body, retries.body_bytes))
        } else {
            request
        };
        let mut tried: Vec<Rc<Endpoint>> = Vec::new();
        let mut retrying = None;
        let mut rest = FIRST_REST;
        loop {
            let Some(endpoint) = self.choose(key, &tried) else {
                return Err(self.no_endpoint());
            };
            if tried.iter().any(|other| Rc::ptr_eq(other, &endpoint)) {
                // All were tried; one that restarts needs a moment.
                tokio::time::sleep(rest).await;
                rest = (rest * 2).min(LONGEST_REST);
            }
            if let Some(tell) = tell {
                tell.set_upstream(NamedUpstream {
                    shared: Arc::clone(&self.shared),
                    endpoints: self.endpoints().len() as u64,
                    attempts: (tried.len() as u64).saturating_add(1),
                });
            }
            let busy = endpoint.begin();
            let more = (tried.len() as u64) < u64::from(retries.attempts);
            let copy = (copies && more).then(|| copy(&request)).flatten();
            if let Some(span) = span {
                span.begin_attempt(&mut request, endpoint.target());
            }
            let attempt = attempt(&endpoint, request, limit, retries.per_try_timeout, tell).await;
            if let Some(span) = span {
                attempt.tell(span);
            }
            if let Some(success) = attempt.is_success() {
                self.report(&endpoint, success);
            }
            // What is sent again, if it may be. Where no connection could be made nobody has more to do for it, so no budget is needed.
            let mut permit = |again: Option<Request<RequestBody>>, was_sent: bool| {
                let again = again.filter(|again| more && again.body().is_whole())?;
                if was_sent && retrying.is_none() {
                    retrying = Some(admission.retry(retries)?);
                }
                Some(again)
            };
            let again = match attempt {
                Attempt::Response(response) => {
                    let retried = retries.statuses.contains(&response.status());
                    match copy.filter(|_| retried).and_then(|copy| permit(Some(copy), true)) {
                        Some(again) => again,
                        None => {
                            let guards = (admitted, busy, retrying);
                            return Ok(response
                                .map(|body| ResponseBody::Counted(Box::new(body), Counted { guards })));
                        }
                    }
                }
                Attempt::Failed(Failed { error, again }) => {
                    let was_sent = !matches!(error, UpstreamError::Connect(_));
                    permit(again, was_sent).ok_or(error)?
                }
                Attempt::TimedOut(limit) => {
                    self.figures.failed(UpstreamFailure::Timeout);
                    permit(copy, true).ok_or(UpstreamError::Timeout(limit))?
                }
            };
            tracing::debug!(upstream = settings.name, endpoint = %endpoint.state, "a request is sent again");
            self.figures.retries.add(1);
            request = again;
            tried.push(endpoint);
        }
    }
}

async fn attempt(
    endpoint: &Endpoint,
    request: Request<RequestBody>,
    limit: HeadLimit,
    per_try: Option<Duration>,
    tell: Option<&UpstreamProperties>,
) -> Attempt {
    let sent = match per_try {
        None => endpoint.upstream.send(request, limit, tell).await,
        Some(per_try) => {
            let sending = endpoint.upstream.send(request, HeadLimit::OfSender, tell);
            match tokio::time::timeout(per_try, sending).await {
                Ok(sent) => sent,
                Err(_) => return Attempt::TimedOut(per_try),
            }
        }
    };
    match sent {
        Ok(response) => Attempt::Response(response),
        Err(failed) => Attempt::Failed(failed),
    }
}

// === impl Attempt ===

impl Attempt {
    /// Tells the trace of the request what came of it.
    fn tell(&self, span: &StreamSpan) {
        match self {
            Self::Response(response) => span.attempt_answered(response.status()),
            Self::Failed(failed) => span.attempt_failed(&failed.error),
            Self::TimedOut(limit) => span.attempt_timed_out(*limit),
        }
    }

    /// Whether the server did its part; nothing if it never got all of the request, for the client broke that off.
    fn is_success(&self) -> Option<bool> {
        match self {
            Self::Response(response) => Some(!matches!(
                response.status(),
                StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
            )),
            Self::Failed(failed) if failed.error.is_of_client() => None,
            Self::Failed(_) | Self::TimedOut(_) => Some(false),
        }
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted").finish_non_exhaustive()
    }
}
