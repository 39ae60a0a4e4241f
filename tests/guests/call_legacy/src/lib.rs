//! Asks an HTTP service, and then a gRPC service, whether a request may pass (Proxy-Wasm ABI 0.2.1).
//!
//! The configuration names the upstreams of both and the timeout of each call in milliseconds; without one it is `auth authz 1000`.

use std::rc::Rc;
use std::time::Duration;

use authorizer::{METHOD, SERVICE};
use log::error;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, GrpcStatusCode, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root { services: None }) });
}}

struct Root {
    services: Option<Rc<Services>>,
}

struct Services {
    http: String,
    grpc: String,
    timeout: Duration,
}

impl Services {
    fn parse(configuration: &str) -> Option<Self> {
        let mut words = configuration.split_whitespace();
        let services = Self {
            http: words.next()?.to_owned(),
            grpc: words.next()?.to_owned(),
            timeout: Duration::from_millis(words.next()?.parse().ok()?),
        };
        words.next().is_none().then_some(services)
    }
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        let text = String::from_utf8_lossy(&configuration);
        let text = if text.trim().is_empty() {
            "auth authz 1000"
        } else {
            &text
        };
        self.services = Services::parse(text).map(Rc::new);
        if self.services.is_none() {
            error!("the configuration {text:?} is not `HTTP-UPSTREAM GRPC-UPSTREAM MILLISECONDS`");
        }
        self.services.is_some()
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        let check = Check {
            services: Rc::clone(self.services.as_ref()?),
            id: String::new(),
            http_id: String::new(),
            grpc_id: String::new(),
        };
        Some(Box::new(check))
    }
}

struct Check {
    services: Rc<Services>,
    /// The id of the request, and what each service says it is.
    id: String,
    http_id: String,
    grpc_id: String,
}

/// The value of a header. Calls are made with text, and a header need not be text.
fn text(value: Option<Vec<u8>>) -> String {
    String::from_utf8_lossy(&value.unwrap_or_default()).into_owned()
}

impl Check {
    fn refuse(&self, status_code: u32, header: &str, value: &str) {
        let value = authorizer::header_value(value);
        let headers = vec![
            (header, value.as_str()),
            ("x-auth-id", &self.http_id),
            ("x-authz-id", &self.grpc_id),
        ];
        self.send_http_response(status_code, headers, None);
    }
}

impl Context for Check {
    fn on_http_call_response(&mut self, _token_id: u32, num_headers: usize, _: usize, _: usize) {
        if num_headers == 0 {
            return self.refuse(503, "x-call-failure", "auth: no answer");
        }
        self.http_id = text(self.get_http_call_response_header_bytes("x-request-id"));
        let code = text(self.get_http_call_response_header_bytes(":status"))
            .parse()
            .ok();
        match code {
            Some(200) => {}
            Some(..500) => return self.refuse(403, "x-refused-by", "auth"),
            _ => return self.refuse(503, "x-call-failure", "auth: not in order"),
        }
        let sent = self.dispatch_grpc_call(
            &self.services.grpc,
            SERVICE,
            METHOD,
            vec![("x-request-id", self.id.as_bytes())],
            Some(&authorizer::encode(self.id.as_bytes())),
            self.services.timeout,
        );
        if let Err(status) = sent {
            self.refuse(503, "x-call-failure", &format!("authz: {status:?}"));
        }
    }

    fn on_grpc_call_response(&mut self, _token_id: u32, status_code: u32, response_size: usize) {
        if status_code == GrpcStatusCode::PermissionDenied as u32 {
            return self.refuse(403, "x-refused-by", "authz");
        }
        if status_code != GrpcStatusCode::Ok as u32 {
            let (_, message) = self.get_grpc_status();
            let reason = format!("authz: {status_code}: {}", message.unwrap_or_default());
            return self.refuse(503, "x-call-failure", &reason);
        }
        let message = self
            .get_grpc_call_response_body(0, response_size)
            .unwrap_or_default();
        match authorizer::decode(&message) {
            Some(id) => self.grpc_id = String::from_utf8_lossy(id).into_owned(),
            None => return self.refuse(503, "x-call-failure", "authz: not a message of it"),
        }
        self.resume_http_request();
    }
}

impl HttpContext for Check {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        self.id = text(self.get_http_request_header_bytes("x-request-id"));
        let path = text(self.get_http_request_header_bytes(":path"));
        let headers = vec![
            (":method", "GET"),
            (":path", &path),
            (":authority", &self.services.http),
            ("x-request-id", &self.id),
        ];
        let sent = self.dispatch_http_call(&self.services.http, headers, None, vec![], self.services.timeout);
        if let Err(status) = sent {
            self.refuse(503, "x-call-failure", &format!("auth: {status:?}"));
        }
        Action::Pause
    }

    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        // What this plugin sends itself comes by here as well on some hosts; then the headers are the same.
        self.set_http_response_header("x-auth-id", Some(&self.http_id));
        self.set_http_response_header("x-authz-id", Some(&self.grpc_id));
        Action::Continue
    }
}
