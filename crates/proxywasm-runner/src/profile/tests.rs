//! What tools are given.

use super::pprof::Proto;
use super::*;
use prost::Message;
use proxywasm_host::Stack;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

fn profile(stacks: &[(&[&str], u64)]) -> Profile {
    Profile {
        started: SystemTime::UNIX_EPOCH + Duration::from_secs(1),
        duration: Duration::from_secs(2),
        period: Duration::from_millis(3),
        stacks: stacks
            .iter()
            .map(|(frames, samples)| Stack {
                frames: frames.iter().map(|frame| Arc::from(*frame)).collect(),
                samples: *samples,
            })
            .collect(),
    }
}

/// Each sample as its frames, the innermost first, and its values.
fn read(proto: &Proto) -> Vec<(Vec<&str>, Vec<i64>)> {
    let name = |location: &u64| {
        let location = proto.locations.iter().find(|one| one.id == *location).unwrap();
        let function = location.lines[0].function;
        let function = proto.functions.iter().find(|one| one.id == function).unwrap();
        proto.strings[usize::try_from(function.name).unwrap()].as_str()
    };
    let samples = proto.samples.iter();
    samples
        .map(|sample| (sample.locations.iter().map(name).collect(), sample.values.clone()))
        .collect()
}

#[test]
fn formats() {
    let full = profile(&[
        (&["on_http_request_headers", "a", "b; c\n 1"], 5),
        (&["on_http_request_headers"], 2),
        (&["on_timer_ready", "a"], 1),
    ]);
    let folded = Format::Folded.write(&full, "p", "hash");
    assert_eq!(
        String::from_utf8(folded).unwrap(),
        "on_http_request_headers;a;b: c  1 5\non_http_request_headers 2\non_timer_ready;a 1\n"
    );

    let proto = Proto::decode(&*Format::Pprof.write(&full, "p", "hash")).unwrap();
    let millisecond = 1_000_000;
    let expected: &[(&[&str], &[i64])] = &[
        (
            &["b; c\n 1", "a", "on_http_request_headers"],
            &[5, 15 * millisecond],
        ),
        (&["on_http_request_headers"], &[2, 6 * millisecond]),
        (&["a", "on_timer_ready"], &[1, 3 * millisecond]),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(frames, values)| (frames.to_vec(), values.to_vec()))
        .collect();
    assert_eq!(read(&proto), expected);
    assert_eq!(proto.strings[0], "");
    assert_eq!(proto.functions.len(), 4, "each once: {:?}", proto.functions);
    assert_eq!(
        (proto.time_nanos, proto.duration_nanos, proto.period),
        (1000 * millisecond, 2000 * millisecond, 3 * millisecond)
    );
    let text = |place: i64| proto.strings[usize::try_from(place).unwrap()].as_str();
    let mapping = &proto.mappings[0];
    assert_eq!((text(mapping.file), text(mapping.build)), ("p", "hash"));
}

#[test]
fn nothing_was_found() {
    let empty = profile(&[]);
    assert_eq!(Format::Folded.write(&empty, "p", ""), b"");
    let proto = Proto::decode(&*Format::Pprof.write(&empty, "p", "")).unwrap();
    assert_eq!((proto.samples.len(), proto.sample_types.len()), (0, 2));
}
