//! Forwards everything, from every callback of an HTTP stream (Proxy-Wasm component ABI).

use proxywasm_sdk::{HttpContext, HttpPlugin, HttpStream, Plugin, PluginContext, Result, plugin};

plugin!(Forward: http(
    request_headers, request_body, request_trailers, request_metadata, response_headers, response_body, response_trailers,
    response_metadata
));

struct Forward;

impl Plugin for Forward {
    fn on_start(_plugin: &PluginContext, _configuration: &[u8]) -> Result<Self, String> {
        Ok(Self)
    }
}

impl HttpPlugin for Forward {
    type Context = Self;

    fn create_http_context(&mut self, _stream: &HttpStream) -> Self {
        Self
    }
}

impl HttpContext for Forward {}
