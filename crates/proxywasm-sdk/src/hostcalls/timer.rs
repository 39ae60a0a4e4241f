//! Hostcalls of wasi-timer.

use super::number;
use crate::raw::timer;
use crate::status::Result;

/// Creates a timer; the period is in milliseconds.
pub(crate) fn create(period: u32, oneoff: bool) -> Result<u32> {
    // SAFETY: the out-pointer is that of a local variable.
    number(|return_id| unsafe { timer::create_timer(period, u32::from(oneoff), return_id) })
}

pub(crate) fn delete(id: u32) -> Result<()> {
    // SAFETY: no addresses cross the boundary.
    unsafe { timer::delete_timer(id) }.into_result()
}
