//! The callback of wasi-timer.

use crate::bindings::Callbacks;
use crate::core::TimerKey;
use wasmtime::StoreContextMut;

/// How a host tells plugins that a timer has fired; each generation of the ABI implements it.
pub trait TimerCallbacks<T: 'static> {
    /// A timer has fired: what stands between [`Timers::begin`](crate::Timers::begin) and [`Timers::end`](crate::Timers::end).
    ///
    /// # Errors
    /// The guest trapped.
    fn on_timer_ready(&self, store: StoreContextMut<'_, T>, timer: TimerKey) -> wasmtime::Result<()>;
}

impl<T: 'static> TimerCallbacks<T> for Callbacks {
    fn on_timer_ready(&self, store: StoreContextMut<'_, T>, timer: TimerKey) -> wasmtime::Result<()> {
        match &self.on_timer_ready {
            Some(callback) => callback.call(store, (timer.timer_id,)),
            None => Ok(()),
        }
    }
}
