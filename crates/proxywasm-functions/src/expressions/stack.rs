//! Room on the stack.
//!
//! Functions run within a hostcall, on the stack that the guest has used a part of, and how much of it `cel` takes for a level of nesting is not
//! for this crate to say. So what may be deep runs on a stack of its own.

use std::thread;
use wasi_ffi::FunctionError;

/// The stack, of which only what is used becomes memory.
const STACK: usize = 64 << 20;

/// Does some work on a thread of its own, and waits for it. A panic in it is an error only where panics unwind; the runner is built to
/// abort. So what is let through to here has to be what the library is known to take.
pub(super) fn with_room<R: Send>(work: impl FnOnce() -> R + Send) -> Result<R, FunctionError> {
    thread::scope(|scope| {
        let worker = thread::Builder::new()
            .name("expression".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, work)
            .map_err(|error| FunctionError::Unavailable(format!("no thread can be had: {error}")))?;
        worker
            .join()
            .map_err(|_| FunctionError::Failed("the expression could not be dealt with".to_owned()))
    })
}
