//! Streams: their order, pauses, what is sent on them.

use crate::support::{Instance, end, message, metadata};
use bytes::Bytes;
use wasi_common::{Action, CalloutKind, MapType, PluginSettings, Status, UnknownAction};
use wasi_grpc::{Event, Part};

#[test]
fn the_order_of_a_stream() {
    let initial = || Event::InitialMetadata(metadata(&[("a", "1"), ("b", "2")]));
    let got_initial = Part::InitialMetadata { num_elements: 2 };
    let table: Vec<(&str, Vec<Event>, Vec<Part>)> = vec![
        (
            "everything",
            vec![
                initial(),
                message("x"),
                message(""),
                end(0, Some(metadata(&[("t", "1")]))),
            ],
            vec![
                got_initial,
                Part::Message { size: 1 },
                Part::Message { size: 0 },
                Part::TrailingMetadata { num_elements: 1 },
                Part::Close { status: 0 },
            ],
        ),
        (
            "trailers with nothing but a status",
            vec![initial(), end(3, Some(metadata(&[])))],
            vec![
                got_initial,
                Part::TrailingMetadata { num_elements: 0 },
                Part::Close { status: 3 },
            ],
        ),
        (
            "a status alone",
            vec![end(12, None)],
            vec![Part::Close { status: 12 }],
        ),
        (
            "a break",
            vec![initial(), message("x"), end(14, None)],
            vec![got_initial, Part::Message { size: 1 }, Part::Close { status: 14 }],
        ),
        (
            "a message beyond the limit",
            vec![initial(), message("nine char"), message("late"), end(0, None)],
            vec![got_initial, Part::Close { status: 8 }],
        ),
        (
            "an event behind the end",
            vec![end(0, None), message("late"), end(1, None)],
            vec![Part::Close { status: 0 }],
        ),
    ];
    for (what, events, expected) in table {
        let limit = |settings: &mut PluginSettings| settings.limits.callout_bytes = 8;
        // All at once, and each delivered before the next comes.
        let mut instance = Instance::with(limit);
        let id = instance.open();
        for event in events.clone() {
            instance.grpc.receive(id, event);
        }
        assert_eq!(instance.deliver_all(id, Action::Forward), expected, "{what}");
        assert!(!instance.is_alive(id), "{what}");

        let mut instance = Instance::with(limit);
        let id = instance.open();
        let mut made = Vec::new();
        for event in events {
            instance.grpc.receive(id, event);
            made.extend(instance.deliver_all(id, Action::Forward));
        }
        assert_eq!(made, expected, "{what}, one by one");
    }
}

#[test]
fn a_piece_of_a_stream_is_readable_in_its_callback() {
    let mut instance = Instance::new();
    let id = instance.open();
    instance
        .grpc
        .receive(id, Event::InitialMetadata(metadata(&[("a", "1")])));
    instance.grpc.receive(id, message("x"));
    instance.grpc.receive(id, end(0, Some(metadata(&[("t", "2")]))));
    let readable = |instance: &mut Instance| {
        [
            instance.map(id, MapType::GrpcInitialMetadata).is_ok(),
            instance.text(id).is_ok(),
            instance.map(id, MapType::GrpcTrailingMetadata).is_ok(),
            instance.common.callout_status(id, CalloutKind::is_grpc).is_ok(),
        ]
    };
    for expected in [
        [true, false, false, false],
        [true, true, false, false],
        [true, false, true, false],
        [true, false, true, true],
    ] {
        let part = instance.next(id);
        assert_eq!(readable(&mut instance), expected, "{part:?}");
        instance.answered(id, Action::Pause);
        assert_eq!(readable(&mut instance), expected, "{part:?}, paused");
        if !expected[3] {
            instance.grpc.resume(&mut instance.common, id).unwrap();
            assert_eq!(readable(&mut instance), [false; 4], "{part:?}, resumed");
        }
    }
    // The pause of the last callback ends by a close, and nothing is left to cancel.
    instance.effects();
    let closed = instance
        .grpc
        .close(&mut instance.common, id, Some(CalloutKind::GrpcStream));
    assert_eq!(closed, Ok(()));
    assert_eq!(instance.effects(), [""; 0]);
    assert!(!instance.is_alive(id));
}

#[test]
fn pause_and_resume() {
    let mut instance = Instance::new();
    let id = instance.open();
    instance.effects();
    let resume = |instance: &mut Instance| instance.grpc.resume(&mut instance.common, id);
    assert_eq!(
        resume(&mut instance),
        Err(Status::InvalidOperation),
        "nothing is paused"
    );
    assert!(instance.grpc.wants(id));

    instance.grpc.receive(id, message("one"));
    assert!(!instance.grpc.wants(id), "one waits");
    instance.next(id).unwrap();
    assert!(!instance.grpc.wants(id), "not within the callback");
    instance.answered(id, Action::Pause);
    instance.grpc.receive(id, message("two"));
    assert_eq!(instance.next(id), None, "a pause holds the next message");
    assert_eq!(instance.text(id).as_deref(), Ok("one"));
    assert_eq!(resume(&mut instance), Ok(()));
    assert_eq!(resume(&mut instance), Err(Status::InvalidOperation), "twice");
    assert_eq!(instance.effects(), [format!("resume {id}")]);

    // A resume within the callback cancels its pause.
    assert_eq!(instance.next(id), Some(Part::Message { size: 3 }));
    assert_eq!(resume(&mut instance), Ok(()));
    assert_eq!(resume(&mut instance), Err(Status::InvalidOperation), "twice");
    instance.answered(id, Action::Pause);
    assert_eq!(instance.effects(), [""; 0]);
    assert!(instance.grpc.wants(id));

    // In the last callback too, after which nothing is left.
    instance.grpc.receive(id, end(0, None));
    assert!(!instance.grpc.wants(id), "nothing more comes");
    instance.next(id).unwrap();
    instance.answered(id, Action::Pause);
    assert!(instance.is_alive(id));
    assert_eq!(resume(&mut instance), Ok(()));
    assert!(!instance.is_alive(id));
}

#[test]
fn what_an_action_does() {
    let table = [
        (Ok(Action::Forward), true, ""),
        (Ok(Action::Pause), true, ""),
        (Ok(Action::Close), false, "cancel"),
        // None of these is legal.
        (Ok(Action::EndStream), false, "cancel"),
        (Ok(Action::Done), false, "cancel"),
        (Ok(Action::WaitForMoreData), false, "cancel"),
        (Ok(Action::WaitForEndOrFull), false, "cancel"),
        (Err(UnknownAction(77)), false, "cancel"),
    ];
    for (returned, alive, effect) in table {
        let mut instance = Instance::new();
        let id = instance.open();
        instance.effects();
        instance.grpc.receive(id, message("x"));
        instance.grpc.receive(id, message("y"));
        instance.next(id).unwrap();
        let legal = instance.grpc.answered(&mut instance.common, id, returned);
        assert_eq!(instance.is_alive(id), alive, "{returned:?}");
        let expected = if effect.is_empty() {
            vec![]
        } else {
            vec![format!("{effect} {id}")]
        };
        assert_eq!(instance.effects(), expected, "{returned:?}");
        assert_eq!(legal, alive || returned == Ok(Action::Close), "{returned:?}");
    }
}

#[test]
fn sending() {
    let mut instance = Instance::with(|settings| settings.limits.callout_bytes = 100);
    let id = instance.open();
    let unary = instance.dispatch();
    instance.effects();
    let send = |instance: &mut Instance, id, message: Option<&'static str>, end| {
        let sent = instance
            .grpc
            .send(&instance.common, id, message.map(Bytes::from), end);
        (sent, instance.effects())
    };
    let nothing: Vec<String> = Vec::new();
    let table = [
        (
            id,
            Some("a"),
            false,
            Ok(()),
            vec![format!("send {id} Some(\"a\")")],
        ),
        (id, None, false, Ok(()), nothing.clone()),
        // The first message and what it costs besides are waiting: 36 bytes are the most.
        (
            id,
            Some("0123456789012345678901234567890123456"),
            false,
            Err(Status::Unavailable),
            nothing.clone(),
        ),
        (
            id,
            Some("012345678901234567890123456789012345"),
            true,
            Err(Status::Unavailable),
            nothing.clone(),
        ),
        (unary, Some("a"), false, Err(Status::BadArgument), nothing.clone()),
        (99, Some("a"), false, Err(Status::BadArgument), nothing.clone()),
    ];
    for (index, (id, message, end, expected, effects)) in table.into_iter().enumerate() {
        assert_eq!(
            send(&mut instance, id, message, end),
            (expected, effects),
            "row {index}"
        );
    }
    instance.grpc.sent(id, 1);
    let fits = Some("012345678901234567890123456789012345");
    assert_eq!(
        send(&mut instance, id, fits, false).0,
        Ok(()),
        "what was sent waits no longer"
    );
    assert_eq!(send(&mut instance, id, Some(""), false).0, Ok(()));
    assert_eq!(
        send(&mut instance, id, Some(""), false).0,
        Err(Status::Unavailable),
        "empty messages count too"
    );
    assert_eq!(
        send(&mut instance, id, None, true),
        (Ok(()), vec![format!("send {id} None end")]),
        "the end costs nothing"
    );
    for (message, end) in [(Some(""), false), (None, true), (Some("a"), true)] {
        assert_eq!(
            send(&mut instance, id, message, end).0,
            Err(Status::InvalidOperation),
            "{message:?}: the direction has ended"
        );
    }
    // The upstream goes on alone.
    instance.grpc.receive(id, message("x"));
    assert_eq!(
        instance.deliver_all(id, Action::Forward),
        [Part::Message { size: 1 }]
    );

    let other = instance.open();
    instance.grpc.receive(other, end(0, None));
    assert_eq!(
        send(&mut instance, other, Some("a"), false).0,
        Err(Status::InvalidOperation),
        "the upstream has ended it"
    );
}

/// What waits to be sent counts, what was not delivered, and what a paused plugin can read still.
#[test]
fn bounds_of_all_calls_together() {
    let mut instance = Instance::with(|settings| settings.limits.callouts_bytes = 200);
    let [first, second] = [instance.open(), instance.open()];
    let unary = instance.dispatch();
    instance.effects();
    let long = |count: usize| Bytes::from("x".repeat(count));
    let send = |instance: &mut Instance, count| {
        let message = Some(long(count));
        instance.grpc.send(&instance.common, second, message, false)
    };
    // 7 bytes of the request, 100 of the message.
    instance.grpc.receive(first, Event::Message(long(100)));
    assert_eq!(send(&mut instance, 94), Err(Status::Unavailable));
    assert_eq!(instance.next(first), Some(Part::Message { size: 100 }));
    assert_eq!(
        send(&mut instance, 94),
        Err(Status::Unavailable),
        "it can be read still"
    );
    instance.grpc.receive(unary, message("a"));
    assert_eq!(send(&mut instance, 30), Ok(()), "the request has gone");
    instance.effects();
    // 100 that can be read, 1 of the unary call, 30 and the overhead of a message that wait.
    instance.grpc.receive(second, Event::Message(long(6)));
    assert_eq!(instance.effects(), [format!("cancel {second}")]);
    assert_eq!(
        instance.next(second),
        Some(Part::Close { status: 8 }),
        "RESOURCE_EXHAUSTED"
    );
    instance.answered(first, Action::Forward);
    let third = instance.open();
    let sent = instance
        .grpc
        .send(&instance.common, third, Some(long(100)), false);
    assert_eq!(sent, Ok(()), "what was read makes room");
}

/// Every history of five steps, under every choice of which callbacks pause: a plugin is told in order, nothing behind the end, and the
/// end exactly once unless it closed the stream itself.
#[test]
fn every_short_history() {
    const STEPS: usize = 5;
    const KINDS: usize = 6;
    for history in 0..KINDS.pow(STEPS as u32) {
        for pauses in 0..1_u32 << 4 {
            let mut instance = Instance::new();
            let id = instance.open();
            let (mut told, mut closed, mut ended) = (Vec::new(), false, false);
            let mut step = history;
            for _ in 0..STEPS {
                match step % KINDS {
                    0 => instance.grpc.receive(id, Event::InitialMetadata(metadata(&[]))),
                    1 => instance.grpc.receive(id, message("x")),
                    2 => {
                        instance.grpc.receive(id, end(0, Some(metadata(&[]))));
                        ended = true;
                    }
                    3 => {
                        instance.grpc.receive(id, end(14, None));
                        ended = true;
                    }
                    4 => _ = instance.grpc.resume(&mut instance.common, id),
                    _ => closed |= instance.grpc.close(&mut instance.common, id, None).is_ok(),
                }
                step /= KINDS;
                tell(&mut instance, id, pauses, &mut told);
            }
            // Whoever pauses resumes in the end.
            while instance.grpc.resume(&mut instance.common, id).is_ok() {
                tell(&mut instance, id, pauses, &mut told);
            }
            let context = format!("history {history}, pauses {pauses:04b}: {told:?}");
            let last = told.iter().position(|part| part.is_last());
            assert!(last.is_none_or(|last| last + 1 == told.len()), "{context}");
            let trailing = told
                .iter()
                .position(|part| matches!(part, Part::TrailingMetadata { .. }));
            assert!(trailing.is_none_or(|at| at + 2 >= told.len()), "{context}");
            if !closed {
                assert_eq!(last.is_some(), ended, "{context}");
                assert_eq!(instance.is_alive(id), !ended, "{context}");
            }
            let effects = instance.effects();
            let cancels = effects
                .iter()
                .filter(|effect| effect.starts_with("cancel"))
                .count();
            assert_eq!(
                cancels, 0,
                "{context}: the host has not heard of it, or the upstream has ended it"
            );
        }
    }
}

/// Makes the callbacks that are due. The n-th one pauses if that bit is set.
fn tell(instance: &mut Instance, id: u32, pauses: u32, told: &mut Vec<Part>) {
    while let Some(part) = instance.next(id) {
        let pause = pauses >> (told.len() % 4) & 1 == 1;
        told.push(part);
        instance.answered(id, if pause { Action::Pause } else { Action::Forward });
    }
}
