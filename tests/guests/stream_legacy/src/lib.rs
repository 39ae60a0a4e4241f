//! Answers requests with what comes from a gRPC stream, message by message (Proxy-Wasm ABI 0.2.1).
//!
//! It opens `echo.Echo/Chat` at the upstream `echo`, sends each text of the request header `x-messages: A,B,C` as a message, and ends its
//! direction. The answer is a line for each event.

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

proxy_wasm::main! {{
    proxy_wasm::set_http_context(|_, _| -> Box<dyn HttpContext> { Box::new(Answer { lines: String::new() }) });
}}

struct Answer {
    lines: String,
}

impl Answer {
    fn line(&mut self, line: impl AsRef<str>) {
        self.lines.push_str(line.as_ref());
        self.lines.push('\n');
    }
}

impl Context for Answer {
    fn on_grpc_stream_initial_metadata(&mut self, _token_id: u32, _num_elements: u32) {
        self.line("initial metadata");
    }

    fn on_grpc_stream_message(&mut self, _token_id: u32, message_size: usize) {
        let message = self.get_grpc_stream_message(0, message_size).unwrap_or_default();
        self.line(format!("message {}", String::from_utf8_lossy(&message)));
    }

    fn on_grpc_stream_trailing_metadata(&mut self, _token_id: u32, _num_elements: u32) {
        self.line("trailing metadata");
    }

    fn on_grpc_stream_close(&mut self, _token_id: u32, status_code: u32) {
        let http_status = if status_code == 0 {
            self.line("closed");
            200
        } else {
            let (_, message) = self.get_grpc_status();
            self.line(format!("failed: {status_code}: {}", message.unwrap_or_default()));
            502
        };
        self.send_http_response(http_status, vec![], Some(self.lines.as_bytes()));
    }
}

impl HttpContext for Answer {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        let messages = self
            .get_http_request_header_bytes("x-messages")
            .unwrap_or_default();
        match self.open_grpc_stream("echo", "echo.Echo", "Chat", vec![]) {
            Ok(stream) => {
                for message in messages.split(|byte| *byte == b',') {
                    self.send_grpc_stream_message(stream, Some(message), false);
                }
                self.send_grpc_stream_message(stream, None, true);
            }
            Err(status) => {
                let body = format!("failed: {status:?}\n");
                self.send_http_response(502, vec![], Some(body.as_bytes()));
            }
        }
        Action::Pause
    }
}
