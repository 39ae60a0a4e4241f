//! Writes a log line of each level for each request, and follows the log level (Proxy-Wasm component ABI).
//!
//! The response header `x-log-level` tells the lowest level that the host writes, `x-log-updates` how often it has changed.

use std::cell::Cell;
use std::rc::Rc;

use proxywasm_sdk::{
    Action, HttpContext, HttpPlugin, HttpStream, Level, Plugin, PluginContext, Result, enabled, log, plugin,
};

plugin!(Lines: http(request_headers, response_headers));

const LEVELS: [Level; 6] = [
    Level::Trace,
    Level::Debug,
    Level::Info,
    Level::Warn,
    Level::Error,
    Level::Critical,
];

struct Lines {
    updates: Rc<Cell<u32>>,
}

impl Plugin for Lines {
    fn on_start(_plugin: &PluginContext, _configuration: &[u8]) -> Result<Self, String> {
        Ok(Self {
            updates: Rc::default(),
        })
    }

    fn on_log_level_update(&mut self, _plugin: &PluginContext, level: Level) {
        self.updates.update(|updates| updates + 1);
        log(
            Level::Critical,
            format_args!("lines are written from level {level:?} on"),
        );
    }
}

impl HttpPlugin for Lines {
    type Context = Request;

    fn create_http_context(&mut self, _stream: &HttpStream) -> Request {
        Request {
            updates: Rc::clone(&self.updates),
        }
    }
}

struct Request {
    updates: Rc<Cell<u32>>,
}

impl HttpContext for Request {
    fn on_request_headers(&mut self, _stream: &HttpStream, _: usize, _: bool) -> Result<Action> {
        for level in LEVELS {
            log(level, format_args!("a line of level {level:?}"));
        }
        Ok(Action::Forward)
    }

    fn on_response_headers(&mut self, stream: &HttpStream, _: usize, _: bool) -> Result<Action> {
        let lowest = LEVELS.into_iter().find(|level| enabled(*level));
        stream
            .response_headers()
            .edit()
            .set(
                "x-log-level",
                &lowest.map_or("none".to_owned(), |level| format!("{level:?}")),
            )
            .set("x-log-updates", &self.updates.get().to_string())
            .apply()?;
        Ok(Action::Forward)
    }
}
