//! Answers requests with what comes from an upstream, piece by piece (Proxy-Wasm component ABI).
//!
//! With the request header `x-messages: A,B,C` it opens the gRPC stream `echo.Echo/Chat` at the upstream `echo`, sends each of these texts
//! as a message, and ends its direction. Without it, it asks the upstream `files` for the path of the request. The answer is a line for
//! each event.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use proxywasm_sdk::{
    Action, GrpcMethod, GrpcStream, GrpcStreamEvent, HttpCall, HttpCallEvent, HttpContext, HttpPlugin,
    HttpRequest, HttpStream, Plugin, PluginContext, Response, Result, Timer, plugin,
};

plugin!(Reader: http(request_headers), http_call_event, grpc_stream_event, timer);

/// How long each piece of a body waits before the next one is read.
const REST: Duration = Duration::from_millis(1);

struct Reader {
    /// Calls that rest, and the timers that wake them.
    resting: Rc<RefCell<Vec<(Timer, HttpCall)>>>,
}

impl Plugin for Reader {
    fn on_start(_plugin: &PluginContext, _configuration: &[u8]) -> Result<Self, String> {
        Ok(Self {
            resting: Rc::default(),
        })
    }

    fn on_timer(&mut self, _plugin: &PluginContext, timer: Timer) {
        let mut resting = self.resting.borrow_mut();
        if let Some(at) = resting.iter().position(|(waking, _)| *waking == timer) {
            let (_, call) = resting.swap_remove(at);
            // A call that has failed meanwhile is over.
            let _ = call.resume();
        }
    }
}

impl HttpPlugin for Reader {
    type Context = Answer;

    fn create_http_context(&mut self, _stream: &HttpStream) -> Answer {
        Answer {
            resting: Rc::clone(&self.resting),
            lines: String::new(),
        }
    }
}

struct Answer {
    resting: Rc<RefCell<Vec<(Timer, HttpCall)>>>,
    lines: String,
}

impl Answer {
    fn line(&mut self, line: impl AsRef<str>) {
        self.lines.push_str(line.as_ref());
        self.lines.push('\n');
    }

    fn finish(&self, stream: &HttpStream, status_code: u16) -> Result<Action> {
        stream.send_response(&Response::new(status_code).body(&self.lines))?;
        Ok(Action::Forward)
    }
}

fn chat(messages: &[u8]) -> Result<()> {
    let grpc = GrpcMethod::new("echo", "echo.Echo", "Chat").open()?;
    for message in messages.split(|byte| *byte == b',') {
        grpc.send(message)?;
    }
    grpc.end()
}

impl HttpContext for Answer {
    fn on_request_headers(&mut self, stream: &HttpStream, _: usize, _: bool) -> Result<Action> {
        let headers = stream.request_headers().read(&[":path", "x-messages"])?;
        let begun = match headers.get("x-messages") {
            Some(messages) => chat(messages),
            None => {
                let path = headers.get(":path").unwrap_or_default();
                HttpRequest::new("files", "GET", path).dispatch().map(drop)
            }
        };
        if let Err(status) = begun {
            self.line(format!("failed: {status}"));
            self.finish(stream, 502)?;
        }
        Ok(Action::Pause)
    }

    fn on_http_call_event(
        &mut self,
        stream: &HttpStream,
        call: HttpCall,
        event: HttpCallEvent,
    ) -> Result<Action> {
        match event {
            HttpCallEvent::Headers(_) => self.line(format!("status code {}", call.status_code()?)),
            HttpCallEvent::Body(size) => {
                self.line(format!("{size} bytes"));
                // Flow control: the upstream is not read meanwhile.
                let timer = Timer::once(REST)?;
                self.resting.borrow_mut().push((timer, call));
                return Ok(Action::Pause);
            }
            HttpCallEvent::End(size) => {
                self.line(format!("{size} bytes, the last ones"));
                return self.finish(stream, 200);
            }
            HttpCallEvent::Trailers(count) => {
                self.line(format!("{count} trailers"));
                return self.finish(stream, 200);
            }
            HttpCallEvent::Failed(failure) => {
                self.line(format!("failed: {failure}"));
                return self.finish(stream, 502);
            }
        }
        Ok(Action::Forward)
    }

    fn on_grpc_stream_event(
        &mut self,
        stream: &HttpStream,
        grpc: GrpcStream,
        event: GrpcStreamEvent,
    ) -> Result<Action> {
        match event {
            GrpcStreamEvent::InitialMetadata(_) => self.line("initial metadata"),
            GrpcStreamEvent::Message(_) => {
                let message = grpc.message().read()?;
                self.line(format!("message {}", String::from_utf8_lossy(&message)));
            }
            GrpcStreamEvent::TrailingMetadata(_) => self.line("trailing metadata"),
            GrpcStreamEvent::Closed => {
                self.line("closed");
                return self.finish(stream, 200);
            }
            GrpcStreamEvent::Failed(failure) => {
                self.line(format!("failed: {failure}"));
                return self.finish(stream, 502);
            }
        }
        Ok(Action::Forward)
    }
}
