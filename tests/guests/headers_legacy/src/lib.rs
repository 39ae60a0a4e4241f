//! Changes the headers and trailers of requests and responses (Proxy-Wasm ABI 0.2.1).

use log::info;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_http_context(|_, _| -> Box<dyn HttpContext> { Box::new(Headers) });
}}

struct Headers;

impl Context for Headers {}

impl HttpContext for Headers {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        let path = self.get_http_request_header_bytes(":path").unwrap_or_default();
        let method = self.get_http_request_header_bytes(":method").unwrap_or_default();
        info!(
            "{} {}",
            String::from_utf8_lossy(&method),
            String::from_utf8_lossy(&path)
        );

        self.add_http_request_header("x-plugin", "headers");
        self.set_http_request_header_bytes("x-request-path", Some(&path));
        self.remove_http_request_header("x-remove-me");
        if self.get_http_request_header_bytes("x-replace-me").is_some() {
            self.set_http_request_header("x-replace-me", Some("replaced"));
        }
        // A read by name sees the first value only: all of them are in the whole map.
        let values = self.get_http_request_headers_bytes();
        let count = values.iter().filter(|(name, _)| name == "x-multi").count();
        self.set_http_request_header("x-multi-count", Some(&count.to_string()));
        Action::Continue
    }

    fn on_http_request_trailers(&mut self, _num_trailers: usize) -> Action {
        self.add_http_request_trailer("x-plugin-trailer", "headers");
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        self.add_http_response_header("x-plugin", "headers");
        self.remove_http_response_header("server-secret");
        self.set_http_response_header("x-context-answered", Some("yes"));
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _num_trailers: usize) -> Action {
        self.add_http_response_trailer("x-plugin-trailer", "headers");
        Action::Continue
    }
}
