//! Which stream a callout was made for. The interface knows callouts of plugins only; what answers have to be told is kept here.

use core::cell::{Cell, RefCell};

use crate::contexts::Contexts;

std::thread_local! {
    /// The stream whose callback is running; 0 for none.
    static CURRENT: Cell<u32> = const { Cell::new(0) };
    /// The stream of each callout that a callback of a stream made.
    static STREAMS: RefCell<Contexts<u32>> = const { RefCell::new(Contexts::new()) };
}

/// Notes whose callback runs from now on: that of a stream, or, with 0, of a plugin.
pub(crate) fn enter(stream: u32) {
    CURRENT.set(stream);
}

/// Notes a new callout: its answer is for the stream whose callback is running.
pub(crate) fn opened(callout: u32) {
    let stream = CURRENT.get();
    if stream != 0 {
        with(|streams| streams.insert(callout, stream));
    }
}

/// The stream that a callout was made for, if it was made for one, and that one is still there.
pub(crate) fn stream(callout: u32) -> Option<u32> {
    with(|streams| streams.get_mut(callout).copied())
}

/// Forgets a callout that is over.
pub(crate) fn closed(callout: u32) {
    with(|streams| {
        streams.remove(callout);
    });
}

/// Forgets a stream that is over. What it still waits for is told to its plugin.
pub(crate) fn stream_ended(stream: u32) {
    with(|streams| streams.retain(|owner| *owner != stream));
}

/// Nothing else is called meanwhile, so it is never borrowed.
fn with<T: Default>(look: impl FnOnce(&mut Contexts<u32>) -> T) -> T {
    STREAMS.with(|streams| {
        streams
            .try_borrow_mut()
            .map_or_else(|_| T::default(), |mut streams| look(&mut streams))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_for_the_stream_that_asked() {
        enter(7);
        opened(1);
        opened(2);
        enter(8);
        opened(3);
        enter(0);
        opened(4);
        let rows = [(1, Some(7)), (2, Some(7)), (3, Some(8)), (4, None), (5, None)];
        for (callout, owner) in rows {
            assert_eq!(stream(callout), owner, "{callout}");
        }
        closed(1);
        assert_eq!(stream(1), None);
        stream_ended(7);
        assert_eq!((stream(2), stream(3)), (None, Some(8)));
    }
}
