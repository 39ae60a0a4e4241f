//! Frames that have no meaning.

use super::{BROKEN, GET, PROTOCOL_ERROR, Row, STREAM_CLOSED, get, post, row};
use proxywasm_tests::harness::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Fate, GOAWAY, HEADERS, PADDED, PING, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, block, frame,
};

const FLOW_CONTROL_ERROR: u32 = 3;
const FRAME_SIZE_ERROR: u32 = 6;
const COMPRESSION_ERROR: u32 = 9;

pub(super) fn frames() -> Vec<Row> {
    let size = "RFC 9113, 4.2";
    let idle = "RFC 9113, 5.1";
    // The codec is not always as exact about the reason.
    let too_large: &[Fate] = &[Fate::GoAway(FRAME_SIZE_ERROR), Fate::GoAway(PROTOCOL_ERROR)];
    let request = block(GET);
    vec![
        row(
            "DATA on no stream",
            "RFC 9113, 6.1",
            frame(DATA, 0, 0, "x"),
            BROKEN,
        ),
        row(
            "DATA on a stream that was not opened",
            idle,
            frame(DATA, 0, 1, "x"),
            BROKEN,
        ),
        row(
            "HEADERS on no stream",
            "RFC 9113, 6.2",
            frame(HEADERS, 5, 0, &request),
            BROKEN,
        ),
        row(
            "HEADERS on a stream of the server",
            "RFC 9113, 5.1.1",
            frame(HEADERS, 5, 2, &request),
            BROKEN,
        ),
        row(
            "a stream with a lower number",
            "RFC 9113, 5.1.1",
            [frame(HEADERS, 5, 5, &request), frame(HEADERS, 5, 3, &request)].concat(),
            &[Fate::GoAway(PROTOCOL_ERROR), Fate::GoAway(STREAM_CLOSED)],
        ),
        row(
            "more padding than payload",
            "RFC 9113, 6.1",
            post("5", &[frame(DATA, PADDED, 1, [9, b'a', b'b'])]),
            BROKEN,
        ),
        row(
            "more padding than headers",
            "RFC 9113, 6.2",
            frame(HEADERS, 5 | PADDED, 1, [&[200], &request[..]].concat()),
            BROKEN,
        ),
        row(
            "a frame beyond the largest",
            size,
            frame(DATA, 0, 1, vec![0; 16_385]),
            too_large,
        ),
        row(
            "HEADERS beyond the largest",
            size,
            frame(HEADERS, 5, 1, vec![0; 20_000]),
            too_large,
        ),
        row(
            "a PING that is too short",
            "RFC 9113, 6.7",
            frame(PING, 0, 0, [0; 7]),
            too_large,
        ),
        row(
            "a PING on a stream",
            "RFC 9113, 6.7",
            frame(PING, 0, 1, [0; 8]),
            BROKEN,
        ),
        row(
            "settings on a stream",
            "RFC 9113, 6.5",
            frame(SETTINGS, 0, 1, []),
            BROKEN,
        ),
        row(
            "settings of a wrong size",
            "RFC 9113, 6.5",
            frame(SETTINGS, 0, 0, [0; 5]),
            too_large,
        ),
        row(
            "an acknowledgement with settings",
            "RFC 9113, 6.5",
            frame(SETTINGS, 1, 0, [0; 6]),
            too_large,
        ),
        row(
            "a setting out of its bounds",
            "RFC 9113, 6.5.2",
            frame(SETTINGS, 0, 0, [0, 4, 0xff, 0xff, 0xff, 0xff]),
            &[Fate::GoAway(FLOW_CONTROL_ERROR), Fate::GoAway(PROTOCOL_ERROR)],
        ),
        row(
            "RST_STREAM of a stream that was not opened",
            "RFC 9113, 6.4",
            frame(RST_STREAM, 0, 1, [0; 4]),
            BROKEN,
        ),
        row(
            "RST_STREAM of a wrong size",
            "RFC 9113, 6.4",
            frame(RST_STREAM, 0, 1, [0; 3]),
            too_large,
        ),
        row(
            "a push",
            "RFC 9113, 8.4",
            frame(5, 4, 1, [0, 0, 0, 2, 0x82]),
            BROKEN,
        ),
        row(
            "a window that grows by nothing",
            "RFC 9113, 6.9",
            frame(WINDOW_UPDATE, 0, 0, [0; 4]),
            BROKEN,
        ),
        row(
            "a window beyond the largest",
            "RFC 9113, 6.9.1",
            frame(WINDOW_UPDATE, 0, 0, [0x7f, 0xff, 0xff, 0xff]),
            &[Fate::GoAway(FLOW_CONTROL_ERROR)],
        ),
        row(
            "a window of a stream beyond the largest",
            "RFC 9113, 6.9.1",
            post("5", &[frame(WINDOW_UPDATE, 0, 1, [0x7f, 0xff, 0xff, 0xff])]),
            &[
                Fate::Reset(FLOW_CONTROL_ERROR),
                Fate::GoAway(FLOW_CONTROL_ERROR),
                Fate::Answered(400),
            ],
        ),
        row(
            "CONTINUATION without HEADERS",
            "RFC 9113, 6.10",
            frame(CONTINUATION, 4, 1, &request),
            BROKEN,
        ),
        row(
            "another frame within a block",
            "RFC 9113, 6.10",
            [frame(HEADERS, END_STREAM, 1, &request), frame(PING, 0, 0, [0; 8])].concat(),
            BROKEN,
        ),
        row(
            "CONTINUATION of another stream",
            "RFC 9113, 6.10",
            [
                frame(HEADERS, END_STREAM, 1, &request),
                frame(CONTINUATION, 4, 3, []),
            ]
            .concat(),
            BROKEN,
        ),
        row(
            "a block that has no meaning",
            "RFC 9113, 4.3",
            frame(HEADERS, 5, 1, [0xff; 20]),
            &[Fate::GoAway(COMPRESSION_ERROR), Fate::GoAway(PROTOCOL_ERROR)],
        ),
        row(
            "a block with an index of nothing",
            "RFC 9113, 4.3",
            frame(HEADERS, 5, 1, [0x80]),
            &[Fate::GoAway(COMPRESSION_ERROR), Fate::GoAway(PROTOCOL_ERROR)],
        ),
        row(
            "a frame of an unknown kind is passed over",
            "RFC 9113, 5.5",
            [frame(0x77, 0xff, 0, "x"), get(&[])].concat(),
            &[Fate::Answered(200)],
        ),
        row(
            "HEADERS over several frames",
            "RFC 9113, 6.10",
            [
                frame(HEADERS, END_STREAM, 1, &request[..9]),
                frame(CONTINUATION, 4, 1, &request[9..]),
            ]
            .concat(),
            &[Fate::Answered(200)],
        ),
        row(
            "the end of the connection",
            "RFC 9113, 6.8",
            [get(&[]), frame(GOAWAY, 0, 0, [0; 8])].concat(),
            &[Fate::Answered(200)],
        ),
        row(
            "headers beyond the limit",
            "RFC 9113, 10.5.1",
            {
                let large = "y".repeat(16_000);
                let block = block(
                    &[
                        GET,
                        &[
                            ("a", &large),
                            ("b", &large),
                            ("c", &large),
                            ("d", &large),
                            ("e", &large),
                        ],
                    ]
                    .concat(),
                );
                let mut pieces = block.chunks(16_000).peekable();
                let mut sent = frame(HEADERS, END_STREAM, 1, pieces.next().unwrap_or_default());
                while let Some(piece) = pieces.next() {
                    let flags = if pieces.peek().is_none() { END_HEADERS } else { 0 };
                    sent.extend(frame(CONTINUATION, flags, 1, piece));
                }
                sent
            },
            &[Fate::Answered(431), Fate::Reset(PROTOCOL_ERROR), Fate::GoAway(11)],
        ),
    ]
}
