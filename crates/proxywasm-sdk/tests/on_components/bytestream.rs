//! Plugins of TCP streams.

use crate::harness::Guest;
use std::time::Duration;
use wasi_bytestream::{Effect, Side};
use wasi_common::{Action, CloseSource};

#[test]
fn data_is_counted_and_changed() {
    let rows: &[(&str, &[u8])] = &[("", b"Hello, "), ("count", b"Hello, "), ("upper", b"HELLO, ")];
    for (configuration, forwarded) in rows {
        let (mut guest, action) = Guest::connect("tcp_component", configuration);
        assert_eq!(action, Action::Forward);
        let (action, data) = guest.data(Side::Downstream, b"Hello, ", false);
        assert_eq!(
            (action, &data[..]),
            (Action::Forward, *forwarded),
            "{configuration}"
        );
        let (action, data) = guest.data(Side::Upstream, b"world", true);
        assert_eq!(
            (action, &data[..]),
            (Action::Forward, &b"world"[..]),
            "{configuration}"
        );
        guest.close(Side::Upstream, CloseSource::Remote);
        guest.close(Side::Downstream, CloseSource::Local);
        guest.finalize();
        assert_eq!(
            guest.lines(),
            [
                "upstream closed: Remote",
                "downstream closed: Local",
                "7 bytes from downstream, 5 from upstream"
            ],
            "{configuration}"
        );
    }
}

#[test]
fn pieces_are_held_until_a_line_is_whole() {
    let (mut guest, _) = Guest::connect("tcp_component", "lines");
    let rows: &[(&[u8], bool, Action, &[u8])] = &[
        (b"one", false, Action::WaitForMoreData, b"one"),
        (b"\ntwo", false, Action::WaitForMoreData, b"one\ntwo"),
        (b"\n", false, Action::Forward, b"> one\n> two\n"),
        (b"rest", true, Action::Forward, b"> rest"),
    ];
    for (piece, end_of_stream, action, held) in rows {
        assert_eq!(
            guest.data(Side::Downstream, piece, *end_of_stream),
            (*action, held.to_vec())
        );
    }
}

#[test]
fn connections_wait_for_a_timer() {
    let (mut guest, action) = Guest::connect("tcp_component", "delay 20");
    assert_eq!(action, Action::Pause);
    guest.pass(Duration::from_millis(19));
    assert_eq!(guest.bytestream_effects(), []);
    guest.pass(Duration::from_millis(1));
    let effects = guest.bytestream_effects();
    assert!(
        matches!(
            effects[..],
            [Effect::Resume {
                side: Side::Downstream,
                ..
            }]
        ),
        "{effects:?}"
    );
}

#[test]
fn a_plugin_can_leave_a_stream() {
    let (mut guest, action) = Guest::connect("tcp_component", "done");
    assert_eq!(action, Action::Done);
    guest.finalize();
    assert_eq!(guest.lines(), ["0 bytes from downstream, 0 from upstream"]);
}
