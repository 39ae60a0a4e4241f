//! Traces: a span for each request, one for each plugin that took part, one for each time it was sent,
//! and for each call of a plugin; with the context of W3C (`traceparent`,
//! `tracestate`) taken from the client and passed on.
//!
//! Where no traces are configured, a request costs one look at an `Option` in a few places. Spans of requests that are sampled go to a thread
//! of their own by a bounded queue ([`export`]); what does not fit is dropped and counted.

#[cfg(feature = "opentelemetry")]
mod attempt;
mod body;
#[cfg(feature = "opentelemetry")]
mod call;
#[cfg(feature = "opentelemetry")]
mod draft;
#[cfg(feature = "opentelemetry")]
mod export;
mod settings;
#[cfg(feature = "opentelemetry")]
mod span;
#[cfg(not(feature = "opentelemetry"))]
mod stub;
#[cfg(feature = "opentelemetry")]
mod tracer;

pub(crate) use body::TracedBody;
pub use settings::{TraceError, TraceSettings};
#[cfg(feature = "opentelemetry")]
use span::OpenSpan;
#[cfg(not(feature = "opentelemetry"))]
use stub::OpenSpan;
#[cfg(not(feature = "opentelemetry"))]
pub(crate) use stub::{CallSpan, StreamSpan, Tracer};
#[cfg(feature = "opentelemetry")]
pub(crate) use {call::CallSpan, span::StreamSpan, tracer::Tracer};

use crate::driver::{self, Aborted, Client, HttpListener, RecordedBody};
use body::SpanEnd;
use http::{Request, Response};
use hyper::body::Incoming;

/// Answers a request, and traces it where that is configured.
///
/// # Errors
/// As of [`driver::serve`].
pub(crate) async fn serve(
    listener: &HttpListener,
    client: &Client,
    request: Request<Incoming>,
) -> Result<Response<TracedBody<RecordedBody>>, Aborted> {
    let (mut head, body) = request.into_parts();
    let span = listener.tracer.as_ref().map(|tracer| {
        let span = tracer.begin(client.properties(), &mut head);
        let open = OpenSpan::new(&span);
        head.extensions.insert(span);
        open
    });
    let request = Request::from_parts(head, body);
    match driver::serve(listener, client, request).await {
        Ok(response) => {
            if let Some(span) = &span {
                span.answered(response.status());
            }
            Ok(response.map(|body| TracedBody::new(body, SpanEnd(span))))
        }
        Err(aborted) => {
            if let Some(span) = &span {
                span.failed(&aborted.to_string());
            }
            Err(aborted)
        }
    }
}
