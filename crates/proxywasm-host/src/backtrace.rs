//! Where in a guest something happened, by the names of its functions.
//!
//! Names come from the plugin, which may make them long, or such that they become endless when they are demangled. So each is cut where
//! it has [`NAME_BYTES`], while it is written.

use std::fmt::{self, Write};
use std::num::NonZeroUsize;
use wasmtime::{Error, FrameInfo, WasmBacktrace};

/// Frames that are looked at, from the innermost on: enough for profiles of code that does not recur.
pub(crate) const MAX_FRAMES: Option<NonZeroUsize> = NonZeroUsize::new(128);
/// Frames of them that the log shows.
const LOGGED_FRAMES: usize = 20;
/// Bytes of a function's name.
const NAME_BYTES: usize = 400;
/// Bytes of a name that is demangled. Longer ones are shown as they are.
const MANGLED_BYTES: usize = 8 << 10;

/// A failure of a guest, as the log has it: why, and where.
pub(crate) struct Failure<'a>(pub(crate) &'a Error);

/// A text that takes no more when it is full.
#[derive(Default)]
struct Bounded(String);

// === impl Failure ===

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.root_cause())?;
        let Some(backtrace) = self.0.downcast_ref::<WasmBacktrace>() else {
            return Ok(());
        };
        let frames = backtrace.frames();
        for (number, frame) in frames.iter().take(LOGGED_FRAMES).enumerate() {
            write!(f, "\n  {number:>3}: ")?;
            if let Some(offset) = frame.module_offset() {
                write!(f, "{offset:#8x} - ")?;
            }
            f.write_str(&function_name(frame))?;
        }
        if frames.len() > LOGGED_FRAMES {
            write!(f, "\n       and functions that called these")?;
        }
        Ok(())
    }
}

// === impl Bounded ===

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = NAME_BYTES.saturating_sub(self.0.len());
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        let end = (0..=room).rev().find(|end| text.is_char_boundary(*end));
        self.0.push_str(text.get(..end.unwrap_or(0)).unwrap_or_default());
        self.0.push('…');
        Err(fmt::Error)
    }
}

/// The name of the function of a frame, as its author wrote it, where it can be told; else its number.
pub(crate) fn function_name(frame: &FrameInfo) -> String {
    match frame.func_name() {
        Some(name) => readable(name),
        None => numbered(frame.func_index()),
    }
}

/// A function without a name.
pub(crate) fn numbered(function: u32) -> String {
    format!("function {function}")
}

fn readable(name: &str) -> String {
    let mut text = Bounded::default();
    // What does not fit is cut, which is no error here.
    let _cut = match demangle(name, &mut text) {
        Some(written) => written,
        None => text.write_str(name),
    };
    text.0
}

fn demangle(name: &str, text: &mut Bounded) -> Option<fmt::Result> {
    if name.len() > MANGLED_BYTES {
        return None;
    }
    if let Ok(symbol) = rustc_demangle::try_demangle(name) {
        // Without the hash at its end.
        return Some(write!(text, "{symbol:#}"));
    }
    let symbol = cpp_demangle::Symbol::new(name).ok()?;
    let options = cpp_demangle::DemangleOptions::new().no_params().no_return_type();
    let written = symbol.structured_demangle(text, &options);
    // Nothing was written of what is no name after all.
    (!text.0.is_empty()).then_some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_readable_and_bounded() {
        let long = "é".repeat(NAME_BYTES);
        // Each substitution doubles what the name says.
        let bomb = format!(
            "_Z1fI{}E{}",
            "St4pairI1aS_E",
            "vSt4pairIS0_S0_ES1_IS1_S1_E".repeat(40)
        );
        let table: &[(&str, &str)] = &[
            ("proxy_on_request_headers", "proxy_on_request_headers"),
            (
                "_ZN4core3ptr13drop_in_place17h0123456789abcdefE",
                "core::ptr::drop_in_place",
            ),
            ("_RNvCs1234_7mycrate3foo", "mycrate::foo"),
            ("_ZN3Foo3barEi", "Foo::bar"),
            (
                "main.(*ctx).OnHttpRequestHeaders",
                "main.(*ctx).OnHttpRequestHeaders",
            ),
            ("~lib/rt/itcms/__new", "~lib/rt/itcms/__new"),
            ("", ""),
        ];
        for (name, expected) in table {
            assert_eq!(readable(name), *expected, "{name}");
        }
        for name in [&long, &bomb] {
            assert!(readable(name).len() <= NAME_BYTES + "…".len());
        }
        assert!(readable(&long).ends_with("é…"));
    }
}
