//! Counts and changes what TCP streams carry (Proxy-Wasm ABI 0.2.1).
//!
//! The configuration says what to do: `count` (also without one) counts bytes, `upper` sends ASCII letters to the upstream in upper case,
//! `lines` sends whole lines to the upstream, each with `> ` before it. At the end of each stream the counts are logged.

use log::{error, info};
use proxy_wasm::traits::{Context, RootContext, StreamContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, PeerType};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Gateway { mode: Mode::Count }) });
}}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Count,
    Upper,
    Lines,
}

struct Gateway {
    mode: Mode,
}

impl Context for Gateway {}

impl RootContext for Gateway {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        self.mode = match &configuration[..] {
            b"" | b"count" => Mode::Count,
            b"upper" => Mode::Upper,
            b"lines" => Mode::Lines,
            other => {
                let text = String::from_utf8_lossy(other);
                error!("the configuration {text:?} is none of count, upper and lines");
                return false;
            }
        };
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::StreamContext)
    }

    fn create_stream_context(&self, _context_id: u32) -> Option<Box<dyn StreamContext>> {
        Some(Box::new(Connection {
            mode: self.mode,
            from_downstream: 0,
            from_upstream: 0,
        }))
    }
}

struct Connection {
    mode: Mode,
    from_downstream: usize,
    from_upstream: usize,
}

impl Context for Connection {}

impl StreamContext for Connection {
    fn on_downstream_data(&mut self, data_size: usize, end_of_stream: bool) -> Action {
        if self.mode != Mode::Count {
            let data = self.get_downstream_data(0, data_size).unwrap_or_default();
            let changed = match self.mode {
                Mode::Lines if !data.ends_with(b"\n") && !end_of_stream => return Action::Pause,
                Mode::Lines => {
                    let lines = data.split_inclusive(|byte| *byte == b'\n');
                    lines
                        .flat_map(|line| [&b"> "[..], line])
                        .collect::<Vec<_>>()
                        .concat()
                }
                _ => data.to_ascii_uppercase(),
            };
            self.set_downstream_data(0, data_size, &changed);
        }
        self.from_downstream += data_size;
        Action::Continue
    }

    fn on_downstream_close(&mut self, peer_type: PeerType) {
        info!("downstream closed: {peer_type:?}");
    }

    fn on_upstream_data(&mut self, data_size: usize, _end_of_stream: bool) -> Action {
        self.from_upstream += data_size;
        Action::Continue
    }

    fn on_upstream_close(&mut self, peer_type: PeerType) {
        info!("upstream closed: {peer_type:?}");
    }

    fn on_log(&mut self) {
        info!(
            "{} bytes from downstream, {} from upstream",
            self.from_downstream, self.from_upstream
        );
    }
}
