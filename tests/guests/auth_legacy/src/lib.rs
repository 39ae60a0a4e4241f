//! Lets requests pass that carry the configured bearer token, and answers all others itself (Proxy-Wasm ABI
//! 0.2.1).
//!
//! The configuration is the token. The path `/late-deny` is denied only when its response arrives.

use std::rc::Rc;

use log::error;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, GrpcStatusCode, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root { token: Rc::from([]) }) });
}}

struct Root {
    token: Rc<[u8]>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        // An empty token would let everybody pass who sends an empty one.
        let Some(token) = self.get_plugin_configuration().filter(|token| !token.is_empty()) else {
            error!("the configuration is empty: it has to be the token that requests must carry");
            return false;
        };
        self.token = Rc::from(token);
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Auth {
            token: self.token.clone(),
            deny_late: false,
        }))
    }
}

struct Auth {
    token: Rc<[u8]>,
    deny_late: bool,
}

impl Auth {
    /// A gRPC client reads the status from `grpc-status`, every other one from the status line.
    fn is_grpc(&self) -> bool {
        self.get_http_request_header_bytes("content-type")
            .is_some_and(|content_type| content_type.starts_with(b"application/grpc"))
    }

    fn deny_anonymous(&self) -> Action {
        let challenge = ("www-authenticate", "Bearer");
        let message = "authorization required\n";
        if self.is_grpc() {
            let metadata = vec![(challenge.0, challenge.1.as_bytes())];
            self.send_grpc_response(GrpcStatusCode::Unauthenticated, Some(message), metadata);
        } else {
            self.send_http_response(401, vec![challenge], Some(message.as_bytes()));
        }
        Action::Pause
    }

    fn deny(&self, message: &str) -> Action {
        if self.is_grpc() {
            self.send_grpc_response(GrpcStatusCode::PermissionDenied, Some(message), vec![]);
        } else {
            self.send_http_response(403, vec![], Some(message.as_bytes()));
        }
        Action::Pause
    }
}

/// Compares in a time that does not tell how much of the token was right.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

impl Context for Auth {}

impl HttpContext for Auth {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        let authorization = self.get_http_request_header_bytes("authorization");
        match authorization
            .as_deref()
            .and_then(|value| value.strip_prefix(b"Bearer "))
        {
            None => return self.deny_anonymous(),
            Some(token) if !same(token, &self.token) => return self.deny("forbidden\n"),
            Some(_) => {}
        }
        self.deny_late = self.get_http_request_header_bytes(":path").as_deref() == Some(b"/late-deny");
        self.remove_http_request_header("authorization");
        self.set_http_request_header("x-auth", Some("ok"));
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        if !self.deny_late {
            return Action::Continue;
        }
        self.deny_late = false;
        self.deny("denied late\n")
    }
}
