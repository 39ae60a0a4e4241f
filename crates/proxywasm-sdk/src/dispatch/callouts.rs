//! Callbacks of calls and streams to upstreams: they go to the context that made the call, or else to the plugin.

use super::{BytestreamKind, Dispatcher, HttpKind};
use crate::action::Action;
use crate::bytestream::{Bytestream, BytestreamContext};
use crate::callouts;
use crate::grpc::{GrpcCall, GrpcStream, GrpcStreamEvent};
use crate::http::HttpContext;
use crate::http_call::{HttpCall, HttpCallEvent};
use crate::plugin::Plugin;
use crate::raw::{self, Size};
use crate::status::Result;
use crate::stream::{HttpStream, PluginContext};

/// Whether a callback of a callout can be its last one.
#[derive(Clone, Copy, PartialEq)]
enum Last {
    Yes,
    No,
}

impl<P: Plugin, H: HttpKind<P>, B: BytestreamKind<P>> Dispatcher<P, H, B> {
    /// `on_http_call_response`.
    pub fn http_call_response(
        &self,
        id: u32,
        num_headers: Size,
        body_size: Size,
        num_trailers: Size,
    ) -> raw::Action {
        let call = HttpCall::new(id);
        let response = call.response(num_headers as usize, body_size as usize, num_trailers as usize);
        self.callout(
            id,
            Last::Yes,
            response,
            |context, stream, response| context.on_http_call_response(stream, call, response),
            |context, stream, response| context.on_http_call_response(stream, call, response),
            |plugin, context, response| plugin.on_http_call_response(context, call, response),
        )
    }

    /// `on_http_call_response_headers`.
    pub fn http_call_headers(&self, id: u32, num_headers: Size) -> raw::Action {
        if num_headers == 0 {
            return self.http_call_event(id, Last::Yes, HttpCallEvent::Failed(HttpCall::new(id).lost()));
        }
        self.http_call_event(id, Last::No, HttpCallEvent::Headers(num_headers as usize))
    }

    /// `on_http_call_response_body`.
    pub fn http_call_body(&self, id: u32, body_size: Size, end_of_stream: u32) -> raw::Action {
        let body_size = body_size as usize;
        if end_of_stream == 0 {
            return self.http_call_event(id, Last::No, HttpCallEvent::Body(body_size));
        }
        let end = HttpCall::new(id)
            .failure()
            .map_or(HttpCallEvent::End(body_size), HttpCallEvent::Failed);
        self.http_call_event(id, Last::Yes, end)
    }

    /// `on_http_call_response_trailers`.
    pub fn http_call_trailers(&self, id: u32, num_trailers: Size) -> raw::Action {
        self.http_call_event(id, Last::Yes, HttpCallEvent::Trailers(num_trailers as usize))
    }

    /// `on_grpc_call_response`.
    pub fn grpc_call_response(&self, id: u32, status: u32, message_size: Size) -> raw::Action {
        let call = GrpcCall::new(id);
        self.callout(
            id,
            Last::Yes,
            call.response(status, message_size as usize),
            |context, stream, response| context.on_grpc_call_response(stream, call, response),
            |context, stream, response| context.on_grpc_call_response(stream, call, response),
            |plugin, context, response| plugin.on_grpc_call_response(context, call, response),
        )
    }

    /// `on_grpc_stream_response_header_metadata`.
    pub fn grpc_stream_initial_metadata(&self, id: u32, num_elements: Size) -> raw::Action {
        let event = GrpcStreamEvent::InitialMetadata(num_elements as usize);
        self.grpc_stream_event(id, Last::No, event)
    }

    /// `on_grpc_stream_response_message`.
    pub fn grpc_stream_message(&self, id: u32, message_size: Size) -> raw::Action {
        self.grpc_stream_event(id, Last::No, GrpcStreamEvent::Message(message_size as usize))
    }

    /// `on_grpc_stream_response_trailer_metadata`.
    pub fn grpc_stream_trailing_metadata(&self, id: u32, num_elements: Size) -> raw::Action {
        let event = GrpcStreamEvent::TrailingMetadata(num_elements as usize);
        self.grpc_stream_event(id, Last::No, event)
    }

    /// `on_grpc_stream_close`.
    pub fn grpc_stream_close(&self, id: u32, status: u32) -> raw::Action {
        self.grpc_stream_event(id, Last::Yes, GrpcStream::new(id).end_event(status))
    }

    fn http_call_event(&self, id: u32, last: Last, event: HttpCallEvent) -> raw::Action {
        let call = HttpCall::new(id);
        self.callout(
            id,
            last,
            event,
            |context, stream, event| context.on_http_call_event(stream, call, event),
            |context, stream, event| context.on_http_call_event(stream, call, event),
            |plugin, context, event| plugin.on_http_call_event(context, call, event),
        )
    }

    fn grpc_stream_event(&self, id: u32, last: Last, event: GrpcStreamEvent) -> raw::Action {
        let grpc = GrpcStream::new(id);
        self.callout(
            id,
            last,
            event,
            |context, stream, event| context.on_grpc_stream_event(stream, grpc, event),
            |context, stream, event| context.on_grpc_stream_event(stream, grpc, event),
            |plugin, context, event| plugin.on_grpc_stream_event(context, grpc, event),
        )
    }

    /// Calls whoever made the callout `id`.
    fn callout<E>(
        &self,
        id: u32,
        last: Last,
        event: E,
        http: impl FnOnce(&mut H::Context, &HttpStream, E) -> Result<Action>,
        bytestream: impl FnOnce(&mut B::Context, &Bytestream, E) -> Result<Action>,
        plugin: impl FnOnce(&mut P, &PluginContext, E) -> Result<Action>,
    ) -> raw::Action {
        let owner = callouts::stream(id);
        let action = match owner {
            Some(stream) => {
                callouts::enter(stream);
                self.of_stream(stream, event, http, bytestream)
            }
            // A plugin that is gone gets no answers; then there is nothing to go on with.
            None => self
                .executing(|receiver, context| plugin(receiver, context, event))
                .unwrap_or(Ok(Action::Close)),
        };
        let action = action.unwrap_or_else(|status| {
            crate::error!("callout {id}: {status}; it is closed");
            Action::Close
        });
        if action == Action::Close || (last == Last::Yes && action != Action::Pause) {
            callouts::closed(id);
        }
        raw::Action(action as u32)
    }

    /// Calls the context of a stream. If that fails, the stream is closed as well: it may wait for the answer.
    fn of_stream<E>(
        &self,
        id: u32,
        event: E,
        http: impl FnOnce(&mut H::Context, &HttpStream, E) -> Result<Action>,
        bytestream: impl FnOnce(&mut B::Context, &Bytestream, E) -> Result<Action>,
    ) -> Result<Action> {
        if let Ok(mut streams) = self.http.try_borrow_mut()
            && let Some(context) = streams.get_mut(id)
        {
            let stream = HttpStream::new(id);
            return http(context, &stream, event).inspect_err(|_| {
                // What is closed already needs no closing.
                let _ = stream.close_request();
            });
        }
        if let Ok(mut streams) = self.bytestreams.try_borrow_mut()
            && let Some(context) = streams.get_mut(id)
        {
            let stream = Bytestream::new(id);
            return bytestream(context, &stream, event).inspect_err(|_| {
                let _ = stream.close_downstream();
                let _ = stream.close_upstream();
            });
        }
        Ok(Action::Close)
    }
}
