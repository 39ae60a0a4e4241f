//! What handles HTTP streams.

use crate::action::Action;
use crate::grpc::{GrpcCall, GrpcCallResponse, GrpcStream, GrpcStreamEvent};
use crate::grpc_status::GrpcFailure;
use crate::http_call::{CallFailure, HttpCall, HttpCallEvent, HttpCallResponse};
use crate::plugin::Plugin;
use crate::status::Result;
use crate::stream::HttpStream;

/// A plugin that handles HTTP requests and their responses.
pub trait HttpPlugin: Plugin {
    /// What handles a request and its response.
    type Context: HttpContext;

    /// Makes what handles the next request.
    fn create_http_context(&mut self, stream: &HttpStream) -> Self::Context;
}

/// What handles a request and its response. A callback is only called if [`plugin!`](crate::plugin) exports
/// it.
///
/// A callback that fails closes the stream, with a line in the log: a plugin that checks requests must not
/// let one pass because it could not be checked.
pub trait HttpContext: 'static {
    /// The headers of the request are there: `num_headers` pairs. At `end_of_stream` neither a body nor
    /// trailers follow.
    ///
    /// # Errors
    /// Close the stream.
    fn on_request_headers(
        &mut self,
        stream: &HttpStream,
        num_headers: usize,
        end_of_stream: bool,
    ) -> Result<Action> {
        let _ = (stream, num_headers, end_of_stream);
        Ok(Action::Forward)
    }

    /// A part of the body of the request is there: `body_size` bytes, with those that earlier calls held. At
    /// `end_of_stream` nothing follows; after [`Action::WaitForEndOrFull`] it says that the body is complete,
    /// even if trailers follow.
    ///
    /// # Errors
    /// Close the stream.
    fn on_request_body(
        &mut self,
        stream: &HttpStream,
        body_size: usize,
        end_of_stream: bool,
    ) -> Result<Action> {
        let _ = (stream, body_size, end_of_stream);
        Ok(Action::Forward)
    }

    /// The trailers of the request are there: `num_trailers` pairs.
    ///
    /// # Errors
    /// Close the stream.
    fn on_request_trailers(&mut self, stream: &HttpStream, num_trailers: usize) -> Result<Action> {
        let _ = (stream, num_trailers);
        Ok(Action::Forward)
    }

    /// An HTTP/2 METADATA frame of the request is there: `num_elements` pairs.
    ///
    /// # Errors
    /// Close the stream.
    fn on_request_metadata(&mut self, stream: &HttpStream, num_elements: usize) -> Result<Action> {
        let _ = (stream, num_elements);
        Ok(Action::Forward)
    }

    /// The headers of the response are there: `num_headers` pairs. At `end_of_stream` neither a body nor
    /// trailers follow.
    ///
    /// # Errors
    /// Close the stream.
    fn on_response_headers(
        &mut self,
        stream: &HttpStream,
        num_headers: usize,
        end_of_stream: bool,
    ) -> Result<Action> {
        let _ = (stream, num_headers, end_of_stream);
        Ok(Action::Forward)
    }

    /// A part of the body of the response is there: `body_size` bytes, with those that earlier calls held. At
    /// `end_of_stream` nothing follows; after [`Action::WaitForEndOrFull`] it says that the body is complete,
    /// even if trailers follow.
    ///
    /// # Errors
    /// Close the stream.
    fn on_response_body(
        &mut self,
        stream: &HttpStream,
        body_size: usize,
        end_of_stream: bool,
    ) -> Result<Action> {
        let _ = (stream, body_size, end_of_stream);
        Ok(Action::Forward)
    }

    /// The trailers of the response are there: `num_trailers` pairs.
    ///
    /// # Errors
    /// Close the stream.
    fn on_response_trailers(&mut self, stream: &HttpStream, num_trailers: usize) -> Result<Action> {
        let _ = (stream, num_trailers);
        Ok(Action::Forward)
    }

    /// An HTTP/2 METADATA frame of the response is there: `num_elements` pairs.
    ///
    /// # Errors
    /// Close the stream.
    fn on_response_metadata(&mut self, stream: &HttpStream, num_elements: usize) -> Result<Action> {
        let _ = (stream, num_elements);
        Ok(Action::Forward)
    }

    /// An HTTP call that a callback of this context made is answered, or has failed. Legal actions are those of
    /// [`Plugin::on_http_call_response`].
    ///
    /// # Errors
    /// Close the stream, and the call.
    fn on_http_call_response(
        &mut self,
        stream: &HttpStream,
        call: HttpCall,
        response: Result<HttpCallResponse, CallFailure>,
    ) -> Result<Action> {
        let _ = (stream, call, response);
        Ok(Action::Forward)
    }

    /// The answer to an HTTP call that a callback of this context made goes on. Legal actions are those of
    /// [`Plugin::on_http_call_event`].
    ///
    /// # Errors
    /// Close the stream, and the call.
    fn on_http_call_event(
        &mut self,
        stream: &HttpStream,
        call: HttpCall,
        event: HttpCallEvent,
    ) -> Result<Action> {
        let _ = (stream, call, event);
        Ok(Action::Forward)
    }

    /// A unary gRPC call that a callback of this context made is answered, or has failed. Legal actions are those of
    /// [`Plugin::on_grpc_call_response`].
    ///
    /// # Errors
    /// Close the stream, and the call.
    fn on_grpc_call_response(
        &mut self,
        stream: &HttpStream,
        call: GrpcCall,
        response: Result<GrpcCallResponse, GrpcFailure>,
    ) -> Result<Action> {
        let _ = (stream, call, response);
        Ok(Action::Forward)
    }

    /// Something happens on a gRPC stream that a callback of this context opened. Legal actions are those of
    /// [`Plugin::on_grpc_stream_event`].
    ///
    /// # Errors
    /// Close both streams.
    fn on_grpc_stream_event(
        &mut self,
        stream: &HttpStream,
        grpc: GrpcStream,
        event: GrpcStreamEvent,
    ) -> Result<Action> {
        let _ = (stream, grpc, event);
        Ok(Action::Forward)
    }

    /// The stream is over. Its maps can still be read; this is the place for an access log.
    fn on_finalize(&mut self, stream: &HttpStream) {
        let _ = stream;
    }
}
