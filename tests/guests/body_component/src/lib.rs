//! Rewrites the bodies of requests and responses, as the request header `x-body` asks (Proxy-Wasm component
//! ABI).
//!
//! `rewrite` replaces a body by its ASCII upper case and a line with its length, `wrap` puts `<` before and
//! `>` behind it. Without the header nothing is touched, nor held.

use proxywasm_sdk::{
    Action, Buffer, HttpContext, HttpPlugin, HttpStream, Map, Plugin, PluginContext, Result, plugin,
};

plugin!(Bodies: http(request_headers, request_body, response_headers, response_body));

struct Bodies;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Untouched,
    Rewrite,
    Wrap,
}

struct Body {
    mode: Mode,
}

impl Plugin for Bodies {
    fn on_start(_plugin: &PluginContext, _configuration: &[u8]) -> Result<Self, String> {
        Ok(Self)
    }
}

impl HttpPlugin for Bodies {
    type Context = Body;

    fn create_http_context(&mut self, _stream: &HttpStream) -> Body {
        Body {
            mode: Mode::Untouched,
        }
    }
}

impl Body {
    /// Headers go on at once; the length that they promise is no longer right.
    fn headers(&self, headers: &Map) -> Result<Action> {
        if self.mode == Mode::Untouched {
            // The body of this direction is of no interest: the host need not copy it.
            return Ok(Action::Done);
        }
        headers.remove("content-length")?;
        Ok(Action::Forward)
    }

    fn body(&self, body: &Buffer, body_size: usize, complete: bool) -> Result<Action> {
        if !complete {
            return Ok(Action::WaitForEndOrFull);
        }
        match self.mode {
            Mode::Untouched => {}
            Mode::Rewrite => {
                let mut content = body.read_range(0, body_size)?;
                content.make_ascii_uppercase();
                content.extend_from_slice(format!("\n<{body_size} bytes>").as_bytes());
                body.replace(&content)?;
            }
            Mode::Wrap => {
                body.prepend("<")?;
                body.append(">")?;
            }
        }
        Ok(Action::Forward)
    }
}

impl HttpContext for Body {
    fn on_request_headers(&mut self, stream: &HttpStream, _: usize, _: bool) -> Result<Action> {
        let headers = stream.request_headers();
        self.mode = match headers.get("x-body")?.as_deref() {
            Some(b"rewrite") => Mode::Rewrite,
            Some(b"wrap") => Mode::Wrap,
            _ => Mode::Untouched,
        };
        self.headers(&headers)
    }

    fn on_request_body(
        &mut self,
        stream: &HttpStream,
        body_size: usize,
        end_of_stream: bool,
    ) -> Result<Action> {
        self.body(&stream.request_body(), body_size, end_of_stream)
    }

    fn on_response_headers(&mut self, stream: &HttpStream, _: usize, _: bool) -> Result<Action> {
        self.headers(&stream.response_headers())
    }

    fn on_response_body(
        &mut self,
        stream: &HttpStream,
        body_size: usize,
        end_of_stream: bool,
    ) -> Result<Action> {
        self.body(&stream.response_body(), body_size, end_of_stream)
    }
}
