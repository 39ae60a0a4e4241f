//! Counts requests by path, in a store that all workers share (Proxy-Wasm component ABI).
//!
//! The configuration is the name of the store, `counters` without one. The response header `x-count` tells the count. The request header
//! `x-times: N` counts N times; with 0, the count is only read.

use proxywasm_sdk::{
    Action, HttpContext, HttpPlugin, HttpStream, Plugin, PluginContext, Result, Store, plugin,
};

plugin!(Counts: http(request_headers, response_headers));

struct Counts {
    store: Store,
}

impl Plugin for Counts {
    fn on_start(_plugin: &PluginContext, configuration: &[u8]) -> Result<Self, String> {
        let name = match std::str::from_utf8(configuration) {
            Ok("") => "counters",
            Ok(name) => name,
            Err(error) => return Err(format!("the configuration is not the name of a store: {error}")),
        };
        let store = Store::open_or_create(name).map_err(|status| format!("the store {name}: {status}"))?;
        Ok(Self { store })
    }
}

impl HttpPlugin for Counts {
    type Context = Count;

    fn create_http_context(&mut self, _stream: &HttpStream) -> Count {
        Count {
            store: self.store,
            count: String::new(),
        }
    }
}

struct Count {
    store: Store,
    /// The count, or why there is none.
    count: String,
}

impl Count {
    fn count(&self, path: &[u8], times: u32) -> Result<u64> {
        if times == 0 {
            let entry = self.store.get(path)?;
            return Ok(number(entry.as_ref().and_then(|entry| entry.value())));
        }
        let mut count = 0;
        for _ in 0..times {
            self.store.update(path, |value| {
                count = number(value) + 1;
                count.to_string().into_bytes()
            })?;
        }
        Ok(count)
    }
}

fn number(value: Option<&[u8]>) -> u64 {
    value
        .and_then(|value| std::str::from_utf8(value).ok()?.parse().ok())
        .unwrap_or(0)
}

impl HttpContext for Count {
    fn on_request_headers(&mut self, stream: &HttpStream, _: usize, _: bool) -> Result<Action> {
        let headers = stream.request_headers().read(&[":path", "x-times"])?;
        let times = headers
            .get("x-times")
            .map_or(1, |times| number(Some(times)) as u32);
        self.count = match self.count(headers.get(":path").unwrap_or_default(), times) {
            Ok(count) => count.to_string(),
            Err(status) => status.to_string(),
        };
        Ok(Action::Forward)
    }

    fn on_response_headers(&mut self, stream: &HttpStream, _: usize, _: bool) -> Result<Action> {
        stream.response_headers().set("x-count", &self.count)?;
        Ok(Action::Forward)
    }
}
