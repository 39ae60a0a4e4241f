//! Changes the headers and trailers of requests and responses (Proxy-Wasm component ABI).

use proxywasm_sdk::{
    Action, HttpContext, HttpPlugin, HttpStream, Plugin, PluginContext, Result, info, plugin,
};

plugin!(Headers: http(request_headers, request_trailers, response_headers, response_trailers));

struct Headers;

impl Plugin for Headers {
    fn on_start(_plugin: &PluginContext, _configuration: &[u8]) -> Result<Self, String> {
        Ok(Self)
    }
}

impl HttpPlugin for Headers {
    type Context = Self;

    fn create_http_context(&mut self, _stream: &HttpStream) -> Self {
        Self
    }
}

impl HttpContext for Headers {
    fn on_request_headers(&mut self, stream: &HttpStream, _: usize, _: bool) -> Result<Action> {
        let headers = stream.request_headers();
        // One hostcall reads all that is of interest, another one makes all changes.
        let found = headers.read(&[":method", ":path", "x-replace-me", "x-multi"])?;
        let path = found.get(":path").unwrap_or_default();
        let method = found.get(":method").unwrap_or_default();
        info!(
            "{} {}",
            String::from_utf8_lossy(method),
            String::from_utf8_lossy(path)
        );

        let count = found.get_all("x-multi").count().to_string();
        let mut edit = headers
            .edit()
            .add("x-plugin", "headers")
            .set("x-request-path", path)
            .remove("x-remove-me")
            .set("x-multi-count", &count);
        if found.get("x-replace-me").is_some() {
            edit = edit.set("x-replace-me", "replaced");
        }
        edit.apply()?;
        Ok(Action::Forward)
    }

    fn on_request_trailers(&mut self, stream: &HttpStream, _: usize) -> Result<Action> {
        stream.request_trailers().add("x-plugin-trailer", "headers")?;
        Ok(Action::Forward)
    }

    fn on_response_headers(&mut self, stream: &HttpStream, _: usize, _: bool) -> Result<Action> {
        stream
            .response_headers()
            .edit()
            .add("x-plugin", "headers")
            .remove("server-secret")
            .set("x-context-answered", "yes")
            .apply()?;
        Ok(Action::Forward)
    }

    fn on_response_trailers(&mut self, stream: &HttpStream, _: usize) -> Result<Action> {
        stream.response_trailers().add("x-plugin-trailer", "headers")?;
        Ok(Action::Forward)
    }
}
