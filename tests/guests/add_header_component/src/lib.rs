//! Adds one request header, as the smallest plugin that changes anything (Proxy-Wasm component ABI).

use proxywasm_sdk::{Action, HttpContext, HttpPlugin, HttpStream, Plugin, PluginContext, Result, plugin};

plugin!(AddHeader: http(request_headers));

struct AddHeader;

impl Plugin for AddHeader {
    fn on_start(_plugin: &PluginContext, _configuration: &[u8]) -> Result<Self, String> {
        Ok(Self)
    }
}

impl HttpPlugin for AddHeader {
    type Context = Self;

    fn create_http_context(&mut self, _stream: &HttpStream) -> Self {
        Self
    }
}

impl HttpContext for AddHeader {
    fn on_request_headers(&mut self, stream: &HttpStream, _: usize, _: bool) -> Result<Action> {
        stream.request_headers().add("x-plugin", "add_header")?;
        Ok(Action::Forward)
    }
}
