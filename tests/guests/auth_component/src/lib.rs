//! Lets requests pass that carry the configured bearer token, and answers all others itself (Proxy-Wasm
//! component ABI).
//!
//! The configuration is the token. The path `/late-deny` is denied only when its response arrives.

use std::rc::Rc;

use proxywasm_sdk::{
    Action, HttpContext, HttpPlugin, HttpStream, Plugin, PluginContext, Response, Result, plugin,
};

plugin!(Gate: http(request_headers, response_headers));

/// The gRPC status of a request without a token.
const UNAUTHENTICATED: u8 = 16;
/// The gRPC status of a request with a wrong token.
const PERMISSION_DENIED: u8 = 7;

struct Gate {
    token: Rc<[u8]>,
}

impl Plugin for Gate {
    fn on_start(_plugin: &PluginContext, configuration: &[u8]) -> Result<Self, String> {
        // An empty token would let everybody pass who sends an empty one.
        if configuration.is_empty() {
            return Err(
                "the configuration is empty: it has to be the token that requests must carry".to_owned(),
            );
        }
        Ok(Self {
            token: configuration.into(),
        })
    }
}

impl HttpPlugin for Gate {
    type Context = Auth;

    fn create_http_context(&mut self, _stream: &HttpStream) -> Auth {
        Auth {
            token: self.token.clone(),
            deny_late: false,
        }
    }
}

struct Auth {
    token: Rc<[u8]>,
    deny_late: bool,
}

fn deny(stream: &HttpStream, message: &str) -> Result<Action> {
    stream.send_response(&Response::new(403).body(message).grpc_status(PERMISSION_DENIED))?;
    Ok(Action::Pause)
}

/// Compares in a time that does not tell how much of the token was right.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

impl HttpContext for Auth {
    fn on_request_headers(&mut self, stream: &HttpStream, _: usize, _: bool) -> Result<Action> {
        let headers = stream.request_headers();
        let found = headers.read(&["authorization", ":path"])?;
        match found
            .get("authorization")
            .and_then(|value| value.strip_prefix(b"Bearer "))
        {
            None => {
                let response = Response::new(401)
                    .header("www-authenticate", "Bearer")
                    .body("authorization required\n")
                    .grpc_status(UNAUTHENTICATED);
                stream.send_response(&response)?;
                return Ok(Action::Pause);
            }
            Some(token) if !same(token, &self.token) => return deny(stream, "forbidden\n"),
            Some(_) => {}
        }
        self.deny_late = found.get(":path") == Some(b"/late-deny");
        headers
            .edit()
            .remove("authorization")
            .set("x-auth", "ok")
            .apply()?;
        Ok(Action::Forward)
    }

    fn on_response_headers(&mut self, stream: &HttpStream, _: usize, _: bool) -> Result<Action> {
        if self.deny_late {
            deny(stream, "denied late\n")
        } else {
            Ok(Action::Forward)
        }
    }
}
