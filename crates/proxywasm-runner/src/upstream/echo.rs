//! The built-in upstream: it answers with what it got, so that a first look at a plugin needs nothing else.

use super::RequestBody;
use super::body::BoxError;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRAILER};
use http::{HeaderValue, Method, Request, Response, request};
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The body of an echo: the head of the request as text, or the request's body as it comes.
#[derive(Debug)]
pub(crate) struct EchoBody(RequestBody);

/// Answers a request.
pub(super) fn respond(request: Request<RequestBody>) -> Response<EchoBody> {
    let (head, body) = request.into_parts();
    if body.is_end_stream() {
        return describe(&head);
    }
    let mut response = Response::new(EchoBody(body));
    for name in [CONTENT_TYPE, CONTENT_LENGTH, TRAILER] {
        for value in head.headers.get_all(&name) {
            response.headers_mut().append(&name, value.clone());
        }
    }
    response
}

fn describe(head: &request::Parts) -> Response<EchoBody> {
    let mut text = Vec::with_capacity(256);
    for part in [
        head.method.as_str().as_bytes(),
        b" ",
        head.uri.to_string().as_bytes(),
        b" HTTP/1.1\n",
    ] {
        text.extend_from_slice(part);
    }
    for (name, value) in &head.headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"] {
            text.extend_from_slice(part);
        }
    }
    let length = HeaderValue::from(text.len());
    let body = if head.method == Method::HEAD {
        RequestBody::Empty
    } else {
        RequestBody::Full(text.into())
    };
    let mut response = Response::new(EchoBody(body));
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CONTENT_LENGTH, length);
    response
}

// === impl EchoBody ===

impl Body for EchoBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
