//! Rewrites the bodies of requests and responses, as the request header `x-body` asks (Proxy-Wasm ABI 0.2.1).
//!
//! `rewrite` replaces a body by its ASCII upper case and a line with its length, `wrap` puts `<` before and
//! `>` behind it. Without the header nothing is touched, nor held.

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_http_context(|_, _| -> Box<dyn HttpContext> { Box::new(Body::default()) });
}}

/// The end of a body, whatever its size: a start beyond the end appends.
const END: usize = u32::MAX as usize;

#[derive(Clone, Copy, Default, PartialEq)]
enum Mode {
    #[default]
    Untouched,
    Rewrite,
    Wrap,
}

impl Mode {
    fn of(header: Option<&[u8]>) -> Self {
        match header {
            Some(b"rewrite") => Self::Rewrite,
            Some(b"wrap") => Self::Wrap,
            _ => Self::Untouched,
        }
    }
}

#[derive(Default)]
struct Body {
    mode: Mode,
    request_held: bool,
    response_held: bool,
}

fn rewritten(body: &[u8]) -> Vec<u8> {
    let mut content = body.to_ascii_uppercase();
    content.extend_from_slice(format!("\n<{} bytes>", body.len()).as_bytes());
    content
}

impl Body {
    fn change_request(&self) {
        match self.mode {
            Mode::Untouched => {}
            Mode::Rewrite => {
                let body = self.get_http_request_body(0, END).unwrap_or_default();
                self.set_http_request_body(0, END, &rewritten(&body));
            }
            Mode::Wrap => {
                self.set_http_request_body(0, 0, b"<");
                self.set_http_request_body(END, 0, b">");
            }
        }
    }

    fn change_response(&self) {
        match self.mode {
            Mode::Untouched => {}
            Mode::Rewrite => {
                let body = self.get_http_response_body(0, END).unwrap_or_default();
                self.set_http_response_body(0, END, &rewritten(&body));
            }
            Mode::Wrap => {
                self.set_http_response_body(0, 0, b"<");
                self.set_http_response_body(END, 0, b">");
            }
        }
    }
}

impl Context for Body {}

impl HttpContext for Body {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        self.mode = Mode::of(self.get_http_request_header_bytes("x-body").as_deref());
        if self.mode != Mode::Untouched {
            self.remove_http_request_header("content-length");
        }
        Action::Continue
    }

    fn on_http_request_body(&mut self, _body_size: usize, end_of_stream: bool) -> Action {
        if self.mode == Mode::Untouched {
            return Action::Continue;
        }
        self.request_held = !end_of_stream;
        if self.request_held {
            return Action::Pause;
        }
        self.change_request();
        Action::Continue
    }

    // With trailers no piece of the body is marked as the last: they are its end.
    fn on_http_request_trailers(&mut self, _num_trailers: usize) -> Action {
        if self.request_held {
            self.request_held = false;
            self.change_request();
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        if self.mode != Mode::Untouched {
            self.remove_http_response_header("content-length");
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, _body_size: usize, end_of_stream: bool) -> Action {
        if self.mode == Mode::Untouched {
            return Action::Continue;
        }
        self.response_held = !end_of_stream;
        if self.response_held {
            return Action::Pause;
        }
        self.change_response();
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _num_trailers: usize) -> Action {
        if self.response_held {
            self.response_held = false;
            self.change_response();
        }
        Action::Continue
    }
}
