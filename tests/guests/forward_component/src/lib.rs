//! Forwards everything, from every callback of an HTTP stream (Proxy-Wasm component ABI).

use proxywasm_sdk::{HttpContext, HttpStream, Plugin, PluginContext, Result, plugin};

plugin!(Forward);

struct Forward;

impl Plugin for Forward {
    type Http = Self;

    fn on_start(_plugin: &PluginContext, _configuration: &[u8]) -> Result<Self, String> {
        Ok(Self)
    }

    fn create_http_context(&mut self, _stream: &HttpStream) -> Self {
        Self
    }
}

impl HttpContext for Forward {}
