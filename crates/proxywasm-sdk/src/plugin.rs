//! What a plugin implements.

use crate::action::Action;
use crate::status::Result;
use crate::stream::{HttpStream, PluginContext};

/// A plugin: what one configuration of the module is made into.
pub trait Plugin: Sized + 'static {
    /// What handles a request and its response.
    type Http: HttpContext;

    /// Starts the plugin.
    ///
    /// # Errors
    /// Says why the configuration is refused: the text is logged, and the plugin is not used.
    fn on_start(plugin: &PluginContext, configuration: &[u8]) -> Result<Self, String>;

    /// Makes what handles the next request.
    fn create_http_context(&mut self, stream: &HttpStream) -> Self::Http;

    /// Finishes. False puts it off until [`PluginContext::complete_shutdown`], or until the host's patience
    /// ends.
    fn on_shutdown(&mut self, plugin: &PluginContext) -> bool {
        let _ = plugin;
        true
    }
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

    /// The stream is over. Its maps can still be read; this is the place for an access log.
    fn on_finalize(&mut self, stream: &HttpStream) {
        let _ = stream;
    }
}
