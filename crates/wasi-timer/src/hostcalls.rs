//! The hostcalls of wasi-timer: decode, call the core, encode.

use crate::TimerView;
use crate::bindings::wasi_timer::WasiTimer;
use crate::core::Timers;
use std::time::Duration;
use wasi_common::{Common, Status};
use wiggle::GuestMemory;

/// The state that the hostcalls of wasi-timer work on.
pub struct Host<'a> {
    common: &'a mut Common,
    timers: &'a mut Timers,
}

impl<T: TimerView> crate::bindings::WasiTimerView for T {
    type Host<'a>
        = Host<'a>
    where
        T: 'a;

    fn wasi_timer(&mut self) -> Host<'_> {
        let (common, timers) = self.timers();
        Host { common, timers }
    }
}

impl WasiTimer for Host<'_> {
    fn create_timer(&mut self, _: &mut GuestMemory<'_>, period: u32, oneoff: u32) -> Result<u32, Status> {
        let period = Duration::from_millis(u64::from(period));
        self.timers.create(self.common, period, oneoff != 0)
    }

    fn delete_timer(&mut self, _: &mut GuestMemory<'_>, timer_id: u32) -> Result<(), Status> {
        self.timers.delete(self.common, timer_id)
    }
}
