//! Bodies and trailers.

use super::{BAD, GET, PROTOCOL_ERROR, Row, STREAM_CLOSED, get, post, row};
use proxywasm_tests::harness::frames::{DATA, END_HEADERS, END_STREAM, Fate, HEADERS, block, frame};

pub(super) fn bodies() -> Vec<Row> {
    let length = "RFC 9113, 8.1.1";
    let data = |flags, text: &str| frame(DATA, flags, 1, text);
    vec![
        row(
            "more than the length",
            length,
            post("4", &[data(END_STREAM, "abcde")]),
            BAD,
        ),
        row(
            "less than the length",
            length,
            post("6", &[data(END_STREAM, "abcde")]),
            BAD,
        ),
        row(
            "a length, and the end at once",
            length,
            {
                let headers = [&[(":method", "POST")], &GET[1..], &[("content-length", "5")]].concat();
                frame(HEADERS, END_STREAM | END_HEADERS, 1, block(&headers))
            },
            BAD,
        ),
        row(
            "a length that is none",
            length,
            post("+5", &[data(END_STREAM, "abcde")]),
            BAD,
        ),
        row(
            "a length that is empty",
            length,
            post("", &[data(END_STREAM, "abcde")]),
            BAD,
        ),
        row(
            "two lengths",
            length,
            {
                let headers = [
                    &[(":method", "POST")],
                    &GET[1..],
                    &[("content-length", "5"), ("content-length", "6")],
                ]
                .concat();
                [
                    frame(HEADERS, END_HEADERS, 1, block(&headers)),
                    data(END_STREAM, "abcde"),
                ]
                .concat()
            },
            BAD,
        ),
        row(
            "the length",
            length,
            post("5", &[data(0, "abc"), data(END_STREAM, "de")]),
            &[Fate::Answered(200)],
        ),
        row(
            "trailers that do not end the stream",
            "RFC 9113, 8.1",
            post(
                "5",
                &[
                    data(0, "abcde"),
                    frame(HEADERS, END_HEADERS, 1, block(&[("x", "y")])),
                ],
            ),
            &[
                Fate::Reset(PROTOCOL_ERROR),
                Fate::GoAway(PROTOCOL_ERROR),
                Fate::Answered(400),
            ],
        ),
        row(
            // The codec takes it off before anybody can see it.
            "trailers with a pseudo-header, which goes no further",
            "RFC 9113, 8.1",
            post(
                "5",
                &[
                    data(0, "abcde"),
                    frame(HEADERS, END_STREAM | END_HEADERS, 1, block(&[(":path", "/b")])),
                ],
            ),
            &[Fate::Answered(200)],
        ),
        row(
            "a body of a stream that has ended",
            "RFC 9113, 5.1",
            [get(&[]), data(0, "x"), data(0, "x")].concat(),
            &[
                Fate::Reset(STREAM_CLOSED),
                Fate::GoAway(STREAM_CLOSED),
                Fate::GoAway(PROTOCOL_ERROR),
                Fate::Answered(200),
            ],
        ),
    ]
}
