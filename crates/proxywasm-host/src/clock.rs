//! The deadline of a callback, in processor time.
//!
//! The engine's clock ticks; the first tick that finds a callback running notes the processor time its thread has used, later ones
//! compare. A callback thus costs nothing but a counter, and a worker that the kernel has not scheduled is never blamed.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use thiserror::Error;
use wasmtime::{Store, StoreContextMut, UpdateDeadline};

/// The clock of one instance.
#[derive(Debug)]
pub(crate) struct CallClock {
    /// Counts the entries into the guest.
    entry: u64,
    /// The entry that the last tick saw, and the processor time then.
    seen: Option<(u64, Duration)>,
    limit: Duration,
}

/// A callback used more processor time than it may.
#[derive(Debug, Error)]
#[error("it ran for more than {} ms of processor time, which is its limit", .limit.as_millis())]
pub(crate) struct DeadlineExceeded {
    limit: Duration,
}

// === impl CallClock ===

impl CallClock {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            entry: 0,
            seen: None,
            limit,
        }
    }

    /// The guest is entered.
    #[inline]
    pub(crate) fn enter(&mut self) {
        self.entry += 1;
    }

    /// The processor time at the first tick that found the callback running which has just returned, if one did.
    #[inline]
    pub(crate) fn seen(&self) -> Option<Duration> {
        let (entry, since) = self.seen?;
        (entry == self.entry).then_some(since)
    }

    /// Changes the limit, from the next entry on.
    pub(crate) fn set_limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    fn tick(&mut self, now: Duration) -> Result<(), DeadlineExceeded> {
        match self.seen {
            Some((entry, since)) if entry == self.entry => {
                if now.saturating_sub(since) >= self.limit {
                    return Err(DeadlineExceeded { limit: self.limit });
                }
            }
            _ => self.seen = Some((self.entry, now)),
        }
        Ok(())
    }
}

/// Lets the engine's ticks watch over a store: `seen` is called first, for whoever else wants to know what a tick finds.
pub(crate) fn watch<T: 'static>(
    store: &mut Store<T>,
    clock: fn(&mut T) -> &mut CallClock,
    seen: fn(&mut StoreContextMut<'_, T>),
) {
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |mut context| {
        seen(&mut context);
        clock(context.data_mut()).tick(thread_time())?;
        Ok(UpdateDeadline::Continue(1))
    });
}

/// The processor time that this thread has used.
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_processor_time_within_one_entry_counts() {
        let at = Duration::from_millis;
        let mut clock = CallClock::new(at(100));
        clock.enter();
        assert!(clock.tick(at(1000)).is_ok());
        assert!(clock.tick(at(1099)).is_ok());
        clock.enter();
        assert!(clock.tick(at(1150)).is_ok(), "another entry, another measure");
        assert!(clock.tick(at(1249)).is_ok());
        let error = clock.tick(at(1250)).unwrap_err();
        assert!(error.to_string().contains("100 ms"), "{error}");
    }
}
