//! Standard output and standard error as log messages.
//!
//! A message is what a guest writes until a write ends a line. Some runtimes write a line in many pieces (Go does so when it panics), and each would be a
//! message of its own otherwise.

use crate::WasiView;
use crate::errno::Errno;
use wasi_common::LogLevel;

/// Where a guest writes to.
#[derive(Clone, Copy)]
pub(crate) enum Output {
    Standard,
    Error,
}

/// What a guest has written to each of a line that has not ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unfinished {
    standard: Vec<u8>,
    error: Vec<u8>,
}

/// Bytes of a line that are kept until it ends; a longer one is several messages.
const MAX_UNFINISHED_BYTES: usize = 8 << 10;

/// Logs what a guest has written of lines that it has not ended. To be called when a callback, or the start of an instance, is over, however it
/// ended: nobody can tell whether the guest will ever end its line.
#[inline]
pub fn end_lines<T: WasiView>(data: &mut T) {
    for output in [Output::Standard, Output::Error] {
        let line = std::mem::take(data.wasi().unfinished.of(output));
        if !line.is_empty() {
            // What a log does not take is lost, as it is for a guest that does not look at the result.
            let _ = log(data, output, &line);
        }
    }
}

/// Logs what a guest writes, or keeps it until it ends the line.
pub(crate) fn write<T: WasiView>(data: &mut T, output: Output, bytes: &[u8]) -> Result<(), Errno> {
    let (text, ends) = match bytes.strip_suffix(b"\n") {
        Some(text) => (text, true),
        None => (bytes, false),
    };
    let line = data.wasi().unfinished.of(output);
    let ends = ends || line.len().saturating_add(text.len()) > MAX_UNFINISHED_BYTES;
    if ends && line.is_empty() {
        return log(data, output, text);
    }
    line.extend_from_slice(text);
    if !ends {
        return Ok(());
    }
    let mut line = std::mem::take(line);
    let logged = log(data, output, &line);
    line.clear();
    *data.wasi().unfinished.of(output) = line;
    logged
}

fn log<T: WasiView>(data: &mut T, output: Output, line: &[u8]) -> Result<(), Errno> {
    if line.is_empty() {
        return Ok(());
    }
    let level = match output {
        Output::Standard => LogLevel::Info,
        Output::Error => LogLevel::Error,
    };
    let (common, log) = data.log();
    log.write(common, level, line).map_err(|_| Errno::Io)
}

// === impl Unfinished ===

impl Unfinished {
    fn of(&mut self, output: Output) -> &mut Vec<u8> {
        match output {
            Output::Standard => &mut self.standard,
            Output::Error => &mut self.error,
        }
    }
}
