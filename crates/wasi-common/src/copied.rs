//! How many bytes hostcalls take out of guests and put into them, for whoever counts.
//!
//! A thread runs one callback at a time, so its sums are those of the callback that is running. They are the thread's, for then the many
//! places that move bytes need not be told where to count, and it costs an addition.

use std::cell::Cell;

/// Bytes that were moved.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Out of the guest's memory.
    pub from_guest: u64,
    /// Into it.
    pub to_guest: u64,
}

thread_local! {
    static COPIED: Cell<Copied> = const {
        Cell::new(Copied {
            from_guest: 0,
            to_guest: 0,
        })
    };
}

/// So many bytes were read from a guest.
#[inline]
pub fn note_from_guest(bytes: usize) {
    let mut copied = COPIED.get();
    copied.from_guest = copied.from_guest.wrapping_add(bytes as u64);
    COPIED.set(copied);
}

/// So many bytes were written to a guest.
#[inline]
pub fn note_to_guest(bytes: usize) {
    let mut copied = COPIED.get();
    copied.to_guest = copied.to_guest.wrapping_add(bytes as u64);
    COPIED.set(copied);
}

/// What this thread has moved since it was asked last.
#[inline]
pub fn take() -> Copied {
    COPIED.take()
}
