//! Asks an HTTP service, and then a gRPC service, whether a request may pass (Proxy-Wasm component ABI).
//!
//! The configuration names the upstreams of both and the timeout of each call in milliseconds; without one it is `auth authz 1000`.

use std::rc::Rc;
use std::time::Duration;

use authorizer::{METHOD, SERVICE};
use proxywasm_sdk::{
    Action, CallFailure, GrpcCall, GrpcCallResponse, GrpcFailure, GrpcMethod, GrpcStatus, HttpCall,
    HttpCallResponse, HttpContext, HttpPlugin, HttpRequest, HttpStream, Plugin, PluginContext, Response,
    Result, plugin,
};

plugin!(Authorization: http(request_headers, response_headers), http_call_response, grpc_call_response);

struct Authorization(Rc<Services>);

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

impl Plugin for Authorization {
    fn on_start(_plugin: &PluginContext, configuration: &[u8]) -> Result<Self, String> {
        let text = String::from_utf8_lossy(configuration);
        let text = if text.trim().is_empty() {
            "auth authz 1000"
        } else {
            &text
        };
        let services = Services::parse(text).ok_or_else(|| {
            format!("the configuration {text:?} is not `HTTP-UPSTREAM GRPC-UPSTREAM MILLISECONDS`")
        })?;
        Ok(Self(Rc::new(services)))
    }
}

impl HttpPlugin for Authorization {
    type Context = Check;

    fn create_http_context(&mut self, _stream: &HttpStream) -> Check {
        Check {
            services: Rc::clone(&self.0),
            asking: Asking::Nobody,
            id: Vec::new(),
            http_id: Vec::new(),
            grpc_id: Vec::new(),
        }
    }
}

/// What is on its way.
enum Asking {
    Nobody,
    Http(HttpCall),
    Grpc(GrpcCall),
}

struct Check {
    services: Rc<Services>,
    asking: Asking,
    /// The id of the request, and what each service says it is.
    id: Vec<u8>,
    http_id: Vec<u8>,
    grpc_id: Vec<u8>,
}

impl Check {
    fn ask_grpc(&mut self) -> Result<()> {
        let services = &self.services;
        let call = GrpcMethod::new(&services.grpc, SERVICE, METHOD)
            .metadata("x-request-id", &self.id)
            .timeout(services.timeout)
            .call(&authorizer::encode(&self.id))?;
        self.asking = Asking::Grpc(call);
        Ok(())
    }

    /// Answers the request in place of the upstream.
    fn refuse(&self, stream: &HttpStream, status_code: u16, header: &str, value: &str) -> Result<Action> {
        let value = authorizer::header_value(value);
        let response = Response::new(status_code)
            .header(header, &value)
            .header("x-auth-id", &self.http_id)
            .header("x-authz-id", &self.grpc_id);
        stream.send_response(&response)?;
        Ok(Action::Forward)
    }
}

impl HttpContext for Check {
    fn on_request_headers(&mut self, stream: &HttpStream, _: usize, _: bool) -> Result<Action> {
        let headers = stream.request_headers().read(&[":path", "x-request-id"])?;
        self.id = headers.get("x-request-id").unwrap_or_default().to_vec();
        let call = HttpRequest::new(
            &self.services.http,
            "GET",
            headers.get(":path").unwrap_or_default(),
        )
        .header("x-request-id", &self.id)
        .timeout(self.services.timeout)
        .dispatch();
        match call {
            Ok(call) => self.asking = Asking::Http(call),
            Err(status) => {
                self.refuse(stream, 503, "x-call-failure", &format!("auth: {status}"))?;
            }
        }
        Ok(Action::Pause)
    }

    fn on_http_call_response(
        &mut self,
        stream: &HttpStream,
        _call: HttpCall,
        response: Result<HttpCallResponse, CallFailure>,
    ) -> Result<Action> {
        self.asking = Asking::Nobody;
        let response = match response {
            Ok(response) => response,
            Err(failure) => return self.refuse(stream, 503, "x-call-failure", &format!("auth: {failure}")),
        };
        self.http_id = response.headers().get("x-request-id")?.unwrap_or_default();
        match response.status_code()? {
            200 => {}
            code @ 500.. => {
                return self.refuse(
                    stream,
                    503,
                    "x-call-failure",
                    &format!("auth: status code {code}"),
                );
            }
            _ => return self.refuse(stream, 403, "x-refused-by", "auth"),
        }
        if let Err(status) = self.ask_grpc() {
            return self.refuse(stream, 503, "x-call-failure", &format!("authz: {status}"));
        }
        Ok(Action::Forward)
    }

    fn on_grpc_call_response(
        &mut self,
        stream: &HttpStream,
        _call: GrpcCall,
        response: Result<GrpcCallResponse, GrpcFailure>,
    ) -> Result<Action> {
        self.asking = Asking::Nobody;
        match response {
            Ok(response) => match authorizer::decode(&response.message().read()?) {
                Some(id) => self.grpc_id = id.to_vec(),
                None => return self.refuse(stream, 503, "x-call-failure", "authz: not a message of it"),
            },
            Err(failure) if failure.status() == GrpcStatus::PERMISSION_DENIED => {
                return self.refuse(stream, 403, "x-refused-by", "authz");
            }
            Err(failure) => return self.refuse(stream, 503, "x-call-failure", &format!("authz: {failure}")),
        }
        stream.resume_request()?;
        Ok(Action::Forward)
    }

    fn on_response_headers(&mut self, stream: &HttpStream, _: usize, _: bool) -> Result<Action> {
        let edit = stream.response_headers().edit();
        edit.set("x-auth-id", &self.http_id)
            .set("x-authz-id", &self.grpc_id)
            .apply()?;
        Ok(Action::Forward)
    }

    fn on_finalize(&mut self, _stream: &HttpStream) {
        // The client has left: nobody needs the answer. A call that is over by now needs no closing.
        let _ = match self.asking {
            Asking::Nobody => Ok(()),
            Asking::Http(call) => call.close(),
            Asking::Grpc(call) => call.close(),
        };
    }
}
