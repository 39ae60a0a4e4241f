//! Counts and changes what TCP streams carry (Proxy-Wasm component ABI).
//!
//! The configuration says what to do: `count` (also without one) counts bytes, `upper` sends ASCII letters to the upstream in upper case,
//! `lines` sends whole lines to the upstream, each with `> ` before it, `delay N` connects to the upstream after N milliseconds, `done` does not
//! look at any data. At the end of each stream the counts are logged.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use proxywasm_sdk::{
    Action, Bytestream, BytestreamContext, BytestreamPlugin, CloseSource, Plugin, PluginContext, Result,
    Timer, info, plugin,
};

plugin!(Gateway: bytestream(
    new_connection, downstream_data, downstream_close, upstream_data, upstream_close
), timer);

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Count,
    Upper,
    Lines,
    Delay(Duration),
    Done,
}

impl Mode {
    fn parse(text: &str) -> Option<Self> {
        Some(match text.split_once(' ') {
            Some(("delay", millis)) => Self::Delay(Duration::from_millis(millis.parse().ok()?)),
            None if matches!(text, "" | "count") => Self::Count,
            None if text == "upper" => Self::Upper,
            None if text == "lines" => Self::Lines,
            None if text == "done" => Self::Done,
            _ => return None,
        })
    }
}

/// Streams that wait for a timer.
type Waiting = Rc<RefCell<Vec<(Timer, Bytestream)>>>;

struct Gateway {
    mode: Mode,
    waiting: Waiting,
}

impl Plugin for Gateway {
    fn on_start(_plugin: &PluginContext, configuration: &[u8]) -> Result<Self, String> {
        let text = String::from_utf8_lossy(configuration);
        let mode = Mode::parse(&text).ok_or_else(|| {
            format!("the configuration {text:?} is none of count, upper, lines, delay N and done")
        })?;
        Ok(Self {
            mode,
            waiting: Waiting::default(),
        })
    }

    fn on_timer(&mut self, _plugin: &PluginContext, timer: Timer) {
        let mut waiting = self.waiting.borrow_mut();
        if let Some(at) = waiting.iter().position(|(waking, _)| *waking == timer) {
            let (_, stream) = waiting.swap_remove(at);
            // A stream that is over needs no waking.
            let _ = stream.resume_downstream();
        }
    }
}

impl BytestreamPlugin for Gateway {
    type Context = Connection;

    fn create_bytestream_context(&mut self, _stream: &Bytestream) -> Connection {
        Connection {
            mode: self.mode,
            waiting: Rc::clone(&self.waiting),
            from_downstream: 0,
            from_upstream: 0,
        }
    }
}

struct Connection {
    mode: Mode,
    waiting: Waiting,
    from_downstream: usize,
    from_upstream: usize,
}

impl BytestreamContext for Connection {
    fn on_new_connection(&mut self, stream: &Bytestream) -> Result<Action> {
        match self.mode {
            Mode::Done => Ok(Action::Done),
            Mode::Delay(delay) => {
                self.waiting.borrow_mut().push((Timer::once(delay)?, *stream));
                Ok(Action::Pause)
            }
            _ => Ok(Action::Forward),
        }
    }

    fn on_downstream_data(
        &mut self,
        stream: &Bytestream,
        data_size: usize,
        end_of_stream: bool,
    ) -> Result<Action> {
        let held = stream.downstream_data();
        match self.mode {
            Mode::Upper => held.replace(&held.read()?.to_ascii_uppercase())?,
            Mode::Lines => {
                let data = held.read()?;
                if !data.ends_with(b"\n") && !end_of_stream {
                    return Ok(Action::WaitForMoreData);
                }
                let lines = data.split_inclusive(|byte| *byte == b'\n');
                held.replace(
                    &lines
                        .flat_map(|line| [&b"> "[..], line])
                        .collect::<Vec<_>>()
                        .concat(),
                )?;
            }
            _ => {}
        }
        self.from_downstream += data_size;
        Ok(Action::Forward)
    }

    fn on_downstream_close(&mut self, _stream: &Bytestream, source: CloseSource) {
        info!("downstream closed: {source:?}");
    }

    fn on_upstream_data(&mut self, _: &Bytestream, data_size: usize, _: bool) -> Result<Action> {
        self.from_upstream += data_size;
        Ok(Action::Forward)
    }

    fn on_upstream_close(&mut self, _stream: &Bytestream, source: CloseSource) {
        info!("upstream closed: {source:?}");
    }

    fn on_finalize(&mut self, stream: &Bytestream) {
        self.waiting.borrow_mut().retain(|(_, waiting)| waiting != stream);
        info!(
            "{} bytes from downstream, {} from upstream",
            self.from_downstream, self.from_upstream
        );
    }
}
