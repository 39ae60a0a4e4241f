//! Callbacks of HTTP streams.

use super::{BytestreamKind, Dispatcher, HttpKind};
use crate::action::Action;
use crate::callouts;
use crate::http::HttpContext;
use crate::plugin::Plugin;
use crate::raw::{self, Size};
use crate::status::{Result, Status};
use crate::stream::HttpStream;

impl<P: Plugin, H: HttpKind<P>, B: BytestreamKind<P>> Dispatcher<P, H, B> {
    /// `on_http_request_headers`.
    pub fn request_headers(&self, id: u32, num_headers: Size, end_of_stream: u32) -> raw::Action {
        self.http(id, "request headers", |context, stream| {
            context.on_request_headers(stream, num_headers as usize, end_of_stream != 0)
        })
    }

    /// `on_http_request_body`.
    pub fn request_body(&self, id: u32, body_size: Size, end_of_stream: u32) -> raw::Action {
        self.http(id, "request body", |context, stream| {
            context.on_request_body(stream, body_size as usize, end_of_stream != 0)
        })
    }

    /// `on_http_request_trailers`.
    pub fn request_trailers(&self, id: u32, num_trailers: Size) -> raw::Action {
        self.http(id, "request trailers", |context, stream| {
            context.on_request_trailers(stream, num_trailers as usize)
        })
    }

    /// `on_http_request_metadata`.
    pub fn request_metadata(&self, id: u32, num_elements: Size) -> raw::Action {
        self.http(id, "request metadata", |context, stream| {
            context.on_request_metadata(stream, num_elements as usize)
        })
    }

    /// `on_http_response_headers`.
    pub fn response_headers(&self, id: u32, num_headers: Size, end_of_stream: u32) -> raw::Action {
        self.http(id, "response headers", |context, stream| {
            context.on_response_headers(stream, num_headers as usize, end_of_stream != 0)
        })
    }

    /// `on_http_response_body`.
    pub fn response_body(&self, id: u32, body_size: Size, end_of_stream: u32) -> raw::Action {
        self.http(id, "response body", |context, stream| {
            context.on_response_body(stream, body_size as usize, end_of_stream != 0)
        })
    }

    /// `on_http_response_trailers`.
    pub fn response_trailers(&self, id: u32, num_trailers: Size) -> raw::Action {
        self.http(id, "response trailers", |context, stream| {
            context.on_response_trailers(stream, num_trailers as usize)
        })
    }

    /// `on_http_response_metadata`.
    pub fn response_metadata(&self, id: u32, num_elements: Size) -> raw::Action {
        self.http(id, "response metadata", |context, stream| {
            context.on_response_metadata(stream, num_elements as usize)
        })
    }

    fn http(
        &self,
        id: u32,
        callback: &str,
        call: impl FnOnce(&mut H::Context, &HttpStream) -> Result<Action>,
    ) -> raw::Action {
        callouts::enter(id);
        let action = match self.http.try_borrow_mut() {
            Ok(mut streams) => match streams.get_mut(id) {
                Some(context) => call(context, &HttpStream::new(id)),
                // Nobody has looked at this stream: it must not pass as if somebody had.
                None => Err(Status::BAD_ARGUMENT),
            },
            Err(_) => Err(Status::INVALID_OPERATION),
        };
        let action = action.unwrap_or_else(|status| {
            crate::error!("{callback}: {status}; the stream is closed");
            Action::Close
        });
        raw::Action(action as u32)
    }
}
