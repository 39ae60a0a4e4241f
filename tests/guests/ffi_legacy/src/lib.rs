//! Calls functions of the embedder, and is called by it (Proxy-Wasm ABI 0.2.1).
//!
//! The request header `x-function` names the function to call, `x-parameter` is its argument. The result becomes the response header
//! `x-result`; `x-function-status` tells how the call went. Calls from the embedder are logged.

use log::info;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, Status};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root) });
}}

struct Root;

impl Context for Root {
    fn on_foreign_function(&mut self, function_id: u32, arguments_size: usize) {
        info!("function {function_id} with {arguments_size} bytes");
    }
}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request { result: None }))
    }
}

struct Request {
    result: Option<Result<Option<Vec<u8>>, Status>>,
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        if let Some(name) = self.get_http_request_header_bytes("x-function") {
            let argument = self.get_http_request_header_bytes("x-parameter");
            self.result =
                Some(self.call_foreign_function(&String::from_utf8_lossy(&name), argument.as_deref()));
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        match &self.result {
            None => {}
            Some(Ok(result)) => {
                self.set_http_response_header("x-function-status", Some("ok"));
                self.set_http_response_header_bytes("x-result", result.as_deref());
            }
            Some(Err(status)) => {
                self.set_http_response_header("x-function-status", Some(&format!("{status:?}")));
            }
        }
        Action::Continue
    }
}
