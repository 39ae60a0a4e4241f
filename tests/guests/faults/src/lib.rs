//! What the plugins that misbehave on demand share (Proxy-Wasm ABI 0.2.1): where to do it is chosen by a
//! request header, or by the configuration for the start of the plugin.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

/// A way to misbehave.
#[derive(Clone, Copy)]
pub struct Fault {
    /// The request header whose value names the callback to misbehave in: `request_headers` (or `1`),
    /// `request_body`, `request_trailers`, `response_headers`, `response_body`, `response_trailers`, `log`,
    /// `done`.
    pub header: &'static str,
    /// The configuration with which the plugin misbehaves while it starts.
    pub on_start: &'static [u8],
    /// Misbehaves; is given the name of the callback.
    pub commit: fn(&str),
}

/// Makes the root context of a plugin with this fault.
pub fn root(fault: Fault) -> Box<dyn RootContext> {
    Box::new(Root { fault })
}

struct Root {
    fault: Fault,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        if self.get_plugin_configuration().as_deref() == Some(self.fault.on_start) {
            (self.fault.commit)("configure");
        }
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream {
            fault: self.fault,
            callback: Vec::new(),
        }))
    }
}

struct Stream {
    fault: Fault,
    /// The callback that the request asked for; empty for none.
    callback: Vec<u8>,
}

impl Stream {
    fn enter(&self, callback: &str) {
        if self.callback == callback.as_bytes() {
            (self.fault.commit)(callback);
        }
    }
}

impl Context for Stream {
    fn on_done(&mut self) -> bool {
        self.enter("done");
        true
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        self.callback = match self.get_http_request_header_bytes(self.fault.header) {
            Some(value) if value == b"1" => b"request_headers".to_vec(),
            value => value.unwrap_or_default(),
        };
        self.enter("request_headers");
        Action::Continue
    }

    fn on_http_request_body(&mut self, _body_size: usize, _end_of_stream: bool) -> Action {
        self.enter("request_body");
        Action::Continue
    }

    fn on_http_request_trailers(&mut self, _num_trailers: usize) -> Action {
        self.enter("request_trailers");
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        self.enter("response_headers");
        Action::Continue
    }

    fn on_http_response_body(&mut self, _body_size: usize, _end_of_stream: bool) -> Action {
        self.enter("response_body");
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _num_trailers: usize) -> Action {
        self.enter("response_trailers");
        Action::Continue
    }

    fn on_log(&mut self) {
        self.enter("log");
    }
}
