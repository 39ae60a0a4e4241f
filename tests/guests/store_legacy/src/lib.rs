//! Counts requests by path, in the shared data (Proxy-Wasm ABI 0.2.1).
//!
//! The response header `x-count` tells the count. The request header `x-times: N` counts N times; with 0, the count is only read.

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, Status};

proxy_wasm::main! {{
    proxy_wasm::set_http_context(|_, _| -> Box<dyn HttpContext> { Box::new(Count { count: 0 }) });
}}

/// A compare-and-swap value that no key comes to have: a condition that only a key fulfils that does not exist.
const NEVER: u32 = u32::MAX;

struct Count {
    count: u64,
}

fn number(value: Option<&[u8]>) -> u64 {
    value
        .and_then(|value| std::str::from_utf8(value).ok()?.parse().ok())
        .unwrap_or(0)
}

impl Count {
    fn increment(&self, key: &str) -> u64 {
        loop {
            let (value, cas) = self.get_shared_data(key);
            let count = number(value.as_deref()) + 1;
            // Without a condition, the first write could overwrite one that another worker makes meanwhile.
            let cas = cas.unwrap_or(NEVER);
            match self.set_shared_data(key, Some(count.to_string().as_bytes()), Some(cas)) {
                Ok(()) => return count,
                Err(Status::CasMismatch) => {}
                Err(status) => panic!("the shared data: {status:?}"),
            }
        }
    }
}

impl Context for Count {}

impl HttpContext for Count {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        let path = self.get_http_request_header_bytes(":path").unwrap_or_default();
        let path = String::from_utf8_lossy(&path);
        let times = self.get_http_request_header_bytes("x-times");
        match times.map_or(1, |times| number(Some(&times))) {
            0 => self.count = number(self.get_shared_data(&path).0.as_deref()),
            times => {
                for _ in 0..times {
                    self.count = self.increment(&path);
                }
            }
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        self.set_http_response_header("x-count", Some(&self.count.to_string()));
        Action::Continue
    }
}
