//! What the numbers mean that callbacks return.
//!
//! ABI 0.2.1 has two actions, 0 to go on and 1 to pause; the C++ and AssemblyScript SDKs let a plugin return the finer ones of Envoy.
//! What is no action at all pauses: that loses nothing, and is what hosts of these ABIs do.

use crate::view::HeadersPause;
use wasi_common::Action;

/// What a callback for a body, or for data, returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BodyAction {
    /// How the stream goes on.
    pub(crate) action: Action,
    /// Whether what the plugin was given is dropped first.
    pub(crate) discard: bool,
}

/// The action of a headers callback.
///
/// - 0, continue: the headers go on.
/// - 1, stop iteration: see [`HeadersPause`]. Headers that end the message have no body to wait for, hence pause.
/// - 2, continue and end stream: the headers go on and end the message.
/// - 3, stop all and buffer, 4, stop all and watermark: pause. They differ in what happens when the buffer is full; here reading
///   stops in both cases, so it never is.
pub(crate) fn headers(number: u32, end_of_stream: bool, pause: HeadersPause) -> Action {
    match number {
        0 => Action::Forward,
        1 if pause == HeadersPause::HoldHeaders && !end_of_stream => Action::WaitForMoreData,
        2 => Action::EndStream,
        _ => Action::Pause,
    }
}

/// The action of a callback for a body, or for data.
///
/// - 0, continue: what is held goes on.
/// - 1, stop and buffer: it is held, and the callback comes again with more. Nothing comes after the end, hence then pause.
/// - 2, stop and watermark: the same; here the bound of the buffer decides alone.
/// - 3, stop and no buffer: as 1, but the plugin has taken the bytes, and they are dropped. It puts its own in at the end.
pub(crate) fn body(number: u32, end_of_stream: bool) -> BodyAction {
    let action = match number {
        0 => Action::Forward,
        _ if end_of_stream => Action::Pause,
        _ => Action::WaitForMoreData,
    };
    BodyAction {
        action,
        discard: number == 3,
    }
}

/// The action of a trailers callback: 0 goes on, everything else pauses.
pub(crate) fn trailers(number: u32) -> Action {
    go_on_or_pause(number)
}

/// The action of the callback for a new connection: 0 goes on, everything else pauses. (That for data is as one for a body.)
pub(crate) fn new_connection(number: u32) -> Action {
    go_on_or_pause(number)
}

fn go_on_or_pause(number: u32) -> Action {
    match number {
        0 => Action::Forward,
        _ => Action::Pause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        use Action::{EndStream, Forward, Pause, WaitForMoreData};
        // The number; headers that stop all, hold, hold at the end; body, body at the end, discard; trailers.
        let table = [
            (0, [Forward, Forward, Forward], [Forward, Forward], false, Forward),
            (
                1,
                [Pause, WaitForMoreData, Pause],
                [WaitForMoreData, Pause],
                false,
                Pause,
            ),
            (
                2,
                [EndStream, EndStream, EndStream],
                [WaitForMoreData, Pause],
                false,
                Pause,
            ),
            (3, [Pause, Pause, Pause], [WaitForMoreData, Pause], true, Pause),
            (4, [Pause, Pause, Pause], [WaitForMoreData, Pause], false, Pause),
            (
                u32::MAX,
                [Pause, Pause, Pause],
                [WaitForMoreData, Pause],
                false,
                Pause,
            ),
        ];
        for (number, of_headers, of_body, discard, of_trailers) in table {
            let got = [
                headers(number, false, HeadersPause::StopAll),
                headers(number, false, HeadersPause::HoldHeaders),
                headers(number, true, HeadersPause::HoldHeaders),
            ];
            assert_eq!(got, of_headers, "headers {number}");
            for (end_of_stream, action) in [false, true].into_iter().zip(of_body) {
                assert_eq!(
                    body(number, end_of_stream),
                    BodyAction { action, discard },
                    "body {number}"
                );
            }
            assert_eq!(trailers(number), of_trailers, "trailers {number}");
            assert_eq!(new_connection(number), of_trailers, "new connection {number}");
        }
    }
}
