//! Calls functions of the embedder, and is called by it (Proxy-Wasm component ABI).
//!
//! The request header `x-function` names the function to call, each `x-parameter` is a parameter of it. Each result becomes a response header
//! `x-result`; `x-function-status` tells how the call went. The custom callback 1 gives its parameters back in reverse order, in ASCII upper
//! case.

use proxywasm_sdk::{
    Action, CustomCallback, Function, HttpContext, HttpPlugin, HttpStream, Plugin, PluginContext, Result,
    Status, Values, plugin,
};

plugin!(Caller: http(request_headers, response_headers), custom_callback);

/// The number that embedder and plugin have agreed on.
const REVERSE: u32 = 1;

struct Caller;

impl Plugin for Caller {
    fn on_start(_plugin: &PluginContext, _configuration: &[u8]) -> Result<Self, String> {
        Ok(Self)
    }

    fn on_custom_callback(&mut self, _plugin: &PluginContext, callback: CustomCallback) -> Result<()> {
        if callback.id() != REVERSE {
            return Err(Status::NOT_FOUND);
        }
        let parameters = callback.parameters()?;
        let mut results: Vec<_> = parameters.iter().map(<[u8]>::to_ascii_uppercase).collect();
        results.reverse();
        callback.set_results(&results)
    }
}

impl HttpPlugin for Caller {
    type Context = Request;

    fn create_http_context(&mut self, _stream: &HttpStream) -> Request {
        Request { results: None }
    }
}

struct Request {
    results: Option<Result<Values>>,
}

impl HttpContext for Request {
    fn on_request_headers(&mut self, stream: &HttpStream, _: usize, _: bool) -> Result<Action> {
        let headers = stream.request_headers().read(&["x-function", "x-parameter"])?;
        if let Some(name) = headers.get("x-function") {
            let parameters: Vec<_> = headers.get_all("x-parameter").collect();
            let function = Function::resolve(&String::from_utf8_lossy(name));
            self.results = Some(function.and_then(|function| function.call(&parameters)));
        }
        Ok(Action::Forward)
    }

    fn on_response_headers(&mut self, stream: &HttpStream, _: usize, _: bool) -> Result<Action> {
        let headers = stream.response_headers();
        match &self.results {
            None => {}
            Some(Ok(results)) => {
                let mut edit = headers.edit().set("x-function-status", "ok");
                for result in results {
                    edit = edit.add("x-result", result);
                }
                edit.apply()?;
            }
            Some(Err(status)) => headers.set("x-function-status", &status.to_string())?,
        }
        Ok(Action::Forward)
    }
}
