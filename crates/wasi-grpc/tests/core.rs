//! The rules of calls and streams, by the core alone.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test whose surroundings fail has to fail"
)]

use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use wasi_common::{
    AbiPolicy, Action, Allowed, BufferType, ByteMap, CallScope, CalloutKind, CalloutStatus, Common, Limits,
    MapType, PluginSettings, Status, UnknownAction,
};
use wasi_grpc::{Effect, Event, Grpc, Part, Target, code};

const TARGET: Target<'static> = Target {
    upstream: b"up",
    service: b"pkg.Service",
    method: b"Method",
    metadata: &[],
};

/// An instance with two plugins, of which the first executes.
struct Instance {
    common: Common,
    grpc: Grpc,
    plugins: [u32; 2],
}

impl Instance {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl Fn(&mut PluginSettings)) -> Self {
        let mut common = Common::default();
        let plugins = ["one", "two"].map(|name| {
            let mut settings = PluginSettings::new(name, AbiPolicy::COMPONENT);
            change(&mut settings);
            common.contexts.add_plugin(Arc::new(settings))
        });
        common.scope = CallScope::new(plugins[0], plugins[0], "test");
        let upstreams = BTreeSet::from(["up".to_owned(), "secret".to_owned()]);
        Self {
            common,
            grpc: Grpc::new(Arc::new(upstreams)),
            plugins,
        }
    }

    fn enter(&mut self, plugin: usize) {
        self.common.scope = CallScope::new(self.plugins[plugin], self.plugins[plugin], "test");
    }

    fn dispatch(&mut self) -> u32 {
        let message = Bytes::from("request");
        self.grpc
            .dispatch_call(&mut self.common, TARGET, message, None)
            .unwrap()
    }

    fn open(&mut self) -> u32 {
        self.grpc.open_stream(&mut self.common, TARGET).unwrap()
    }

    /// Makes callbacks until there is none to make; each returns `action`.
    fn deliver_all(&mut self, id: u32, action: Action) -> Vec<Part> {
        let mut made = Vec::new();
        while let Some(part) = self.next(id) {
            made.push(part);
            self.answered(id, action);
        }
        made
    }

    fn next(&mut self, id: u32) -> Option<Part> {
        let delivery = self.grpc.next_delivery(&mut self.common, id)?;
        assert_eq!(delivery.plugin_id, self.plugins[0]);
        Some(delivery.part)
    }

    fn answered(&mut self, id: u32, action: Action) -> bool {
        self.grpc.answered(&mut self.common, id, Ok(action))
    }

    fn effects(&mut self) -> Vec<String> {
        let effects = self.grpc.take_effects().into_iter();
        effects.map(|effect| name(&effect)).collect()
    }

    fn is_alive(&self, id: u32) -> bool {
        self.common.callouts.owner(id).is_some()
    }

    fn text(&mut self, id: u32) -> Result<String, Status> {
        let buffer = self.common.buffer(id, BufferType::GrpcMessage)?;
        let mut text = Vec::new();
        buffer.each(0, usize::MAX, |piece| {
            text.extend_from_slice(piece);
            Ok::<_, Status>(())
        })?;
        Ok(String::from_utf8(text).unwrap())
    }

    fn map(&mut self, id: u32, map: MapType) -> Result<Vec<(String, String)>, Status> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let pairs = self.common.map(id, map)?.iter();
        Ok(pairs.map(|(key, value)| (text(key), text(value))).collect())
    }
}

fn name(effect: &Effect) -> String {
    match effect {
        Effect::Open { callout_id, .. } => format!("open {callout_id}"),
        Effect::Send {
            callout_id,
            message,
            end_of_stream,
        } => format!(
            "send {callout_id} {:?}{}",
            message.as_ref().map(|message| String::from_utf8_lossy(message)),
            if *end_of_stream { " end" } else { "" }
        ),
        Effect::Resume { callout_id } => format!("resume {callout_id}"),
        Effect::Cancel { callout_id } => format!("cancel {callout_id}"),
    }
}

fn metadata(pairs: &[(&str, &str)]) -> ByteMap {
    pairs.iter().copied().collect()
}

fn message(text: &'static str) -> Event {
    Event::Message(Bytes::from(text))
}

fn end(code: u32, trailing_metadata: Option<ByteMap>) -> Event {
    Event::End {
        status: CalloutStatus {
            code,
            message: Bytes::from("why"),
        },
        trailing_metadata,
    }
}

#[test]
fn what_a_call_is_made_of() {
    let mut instance = Instance::new();
    let target = Target {
        metadata: &[(b"X-Key", b"v"), (b"raw-bin", b"\xff\x00")],
        ..TARGET
    };
    let message = Bytes::from("request");
    let timeout = Some(Duration::from_millis(7));
    let id = instance
        .grpc
        .dispatch_call(&mut instance.common, target, message.clone(), timeout);
    let Effect::Open { callout_id, request } = instance.grpc.take_effects().remove(0) else {
        panic!("nothing was opened");
    };
    assert_eq!(Ok(callout_id), id);
    assert_eq!(request.kind, CalloutKind::GrpcCall);
    assert_eq!(
        (&request.upstream[..], &request.path[..]),
        ("up", "/pkg.Service/Method")
    );
    assert_eq!(
        request.metadata.iter().collect::<Vec<_>>(),
        [(&b"x-key"[..], &b"v"[..]), (b"raw-bin", b"\xff\x00")]
    );
    assert_eq!((request.message, request.timeout), (Some(message), timeout));
    assert_eq!(request.max_message_bytes, Limits::default().callout_bytes);
}

#[test]
fn what_is_refused() {
    let change = |settings: &mut PluginSettings| {
        settings.limits.callouts = 2;
        settings.limits.callout_bytes = 8;
        settings.permissions.upstreams = Allowed::from_iter(["up", "nowhere"]);
    };
    let table: &[(&str, Target<'_>, &[u8], Status)] = &[
        (
            "unknown upstream",
            Target {
                upstream: b"nowhere",
                ..TARGET
            },
            b"",
            Status::NotFound,
        ),
        (
            "forbidden upstream",
            Target {
                upstream: b"secret",
                ..TARGET
            },
            b"",
            Status::NotAllowed,
        ),
        (
            "no upstream",
            Target {
                upstream: b"",
                ..TARGET
            },
            b"",
            Status::NotFound,
        ),
        (
            "no service",
            Target {
                service: b"",
                ..TARGET
            },
            b"",
            Status::BadArgument,
        ),
        (
            "no method",
            Target {
                method: b"",
                ..TARGET
            },
            b"",
            Status::BadArgument,
        ),
        (
            "reserved metadata",
            Target {
                metadata: &[(b"grpc-status", b"0")],
                ..TARGET
            },
            b"",
            Status::BadArgument,
        ),
        (
            "a pseudo-header",
            Target {
                metadata: &[(b":authority", b"x")],
                ..TARGET
            },
            b"",
            Status::BadArgument,
        ),
        ("a large message", TARGET, b"123456789", Status::Unavailable),
    ];
    for (what, target, message, expected) in table {
        let mut instance = Instance::with(change);
        let message = Bytes::from_static(message);
        let is_large = !message.is_empty();
        let refused = instance
            .grpc
            .dispatch_call(&mut instance.common, *target, message, None);
        assert_eq!(refused, Err(*expected), "call: {what}");
        if !is_large {
            let refused = instance.grpc.open_stream(&mut instance.common, *target);
            assert_eq!(refused, Err(*expected), "stream: {what}");
        }
        assert!(
            !instance.grpc.has_effects(),
            "{what}: a refused call does nothing"
        );
    }

    let mut instance = Instance::with(change);
    let first = instance.dispatch();
    instance.open();
    let third = instance.grpc.open_stream(&mut instance.common, TARGET);
    assert_eq!(third, Err(Status::Unavailable), "too many");
    instance.grpc.close(&mut instance.common, first, None).unwrap();
    instance.open();

    let mut instance = Instance::new();
    instance.common.scope = CallScope::default();
    let nobody = instance.grpc.open_stream(&mut instance.common, TARGET);
    assert_eq!(nobody, Err(Status::InvalidOperation), "no plugin is executing");
}

#[test]
fn how_unary_calls_end() {
    let ok = Part::CallResponse {
        status: code::OK,
        message_size: 5,
    };
    let failed = |status| Part::CallResponse {
        status,
        message_size: 0,
    };
    let table: Vec<(&str, Vec<Event>, Part, bool)> = vec![
        (
            "an answer",
            vec![
                Event::InitialMetadata(metadata(&[("a", "1")])),
                message("hello"),
                end(code::OK, Some(metadata(&[("t", "2")]))),
            ],
            ok,
            false,
        ),
        (
            "no metadata",
            vec![message("hello"), end(code::OK, None)],
            ok,
            false,
        ),
        (
            "a status alone",
            vec![end(5, Some(metadata(&[])))],
            failed(5),
            false,
        ),
        (
            "a status behind a message",
            vec![message("hello"), end(9, None)],
            failed(9),
            false,
        ),
        (
            "no message",
            vec![end(code::OK, None)],
            failed(code::INTERNAL),
            false,
        ),
        (
            "two messages",
            vec![message("hello"), message("again"), end(code::OK, None)],
            failed(code::INTERNAL),
            true,
        ),
        (
            "a message beyond the limit",
            vec![message("nine char"), end(code::OK, None)],
            failed(code::RESOURCE_EXHAUSTED),
            true,
        ),
        (
            "metadata beyond the limit",
            vec![Event::InitialMetadata(metadata(&[("a", "1"), ("b", "2")]))],
            failed(code::RESOURCE_EXHAUSTED),
            true,
        ),
    ];
    for (what, events, expected, cancelled) in table {
        let mut instance = Instance::with(|settings| {
            settings.limits.callout_bytes = 8;
            settings.limits.map.pairs = 1;
        });
        let id = instance.dispatch();
        instance.effects();
        let last = events.len() - 1;
        for (index, event) in events.into_iter().enumerate() {
            instance.grpc.receive(id, event);
            if index < last && !cancelled {
                assert_eq!(instance.next(id), None, "{what}: a unary call has one callback");
            }
        }
        assert_eq!(instance.deliver_all(id, Action::Forward), [expected], "{what}");
        let effects: Vec<String> = if cancelled {
            vec![format!("cancel {id}")]
        } else {
            vec![]
        };
        assert_eq!(instance.effects(), effects, "{what}");
        assert!(!instance.is_alive(id), "{what}");
    }
}

#[test]
fn what_can_be_read_of_a_unary_call() {
    for action in [Action::Forward, Action::Pause] {
        let mut instance = Instance::new();
        let id = instance.dispatch();
        instance
            .grpc
            .receive(id, Event::InitialMetadata(metadata(&[("a", "1")])));
        instance.grpc.receive(id, message("hello"));
        assert_eq!(
            instance.text(id),
            Err(Status::InvalidOperation),
            "before the callback"
        );
        instance
            .grpc
            .receive(id, end(code::OK, Some(metadata(&[("t", "2")]))));
        instance.next(id).unwrap();
        let read = |instance: &mut Instance| {
            let status = instance.common.callout_status(id, CalloutKind::is_grpc).cloned();
            (
                instance.text(id),
                instance.map(id, MapType::GrpcInitialMetadata),
                instance.map(id, MapType::GrpcTrailingMetadata),
                status.map(|status| (status.code, status.message)),
            )
        };
        let all = (
            Ok("hello".to_owned()),
            Ok(vec![("a".to_owned(), "1".to_owned())]),
            Ok(vec![("t".to_owned(), "2".to_owned())]),
            Ok((0, Bytes::from("why"))),
        );
        assert_eq!(read(&mut instance), all);
        instance.answered(id, action);
        if action == Action::Pause {
            assert_eq!(read(&mut instance), all, "a pause keeps it");
            let resumed = instance.grpc.resume(&mut instance.common, id);
            assert_eq!(resumed, Err(Status::BadArgument), "only streams are resumed");
            let closed = instance
                .grpc
                .close(&mut instance.common, id, Some(CalloutKind::GrpcCall));
            assert_eq!(closed, Ok(()));
            assert!(
                instance
                    .effects()
                    .iter()
                    .all(|effect| !effect.starts_with("cancel"))
            );
        }
        assert_eq!(
            instance.text(id),
            Err(Status::BadArgument),
            "{action:?}: it is over"
        );
    }
}

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

#[test]
fn closing() {
    let table = [
        (
            "a call",
            CalloutKind::GrpcCall,
            Some(CalloutKind::GrpcCall),
            Ok(()),
        ),
        (
            "a stream",
            CalloutKind::GrpcStream,
            Some(CalloutKind::GrpcStream),
            Ok(()),
        ),
        ("a call as any", CalloutKind::GrpcCall, None, Ok(())),
        ("a stream as any", CalloutKind::GrpcStream, None, Ok(())),
        (
            "a call as a stream",
            CalloutKind::GrpcCall,
            Some(CalloutKind::GrpcStream),
            Err(Status::BadArgument),
        ),
        (
            "a stream as a call",
            CalloutKind::GrpcStream,
            Some(CalloutKind::GrpcCall),
            Err(Status::BadArgument),
        ),
    ];
    for (what, kind, closed_as, expected) in table {
        let mut instance = Instance::new();
        let id = match kind {
            CalloutKind::GrpcCall => instance.dispatch(),
            _ => instance.open(),
        };
        instance.effects();
        let closed = instance.grpc.close(&mut instance.common, id, closed_as);
        assert_eq!(closed, expected, "{what}");
        let effects: Vec<String> = expected.iter().map(|()| format!("cancel {id}")).collect();
        assert_eq!(instance.effects(), effects, "{what}");
        if expected.is_ok() {
            instance.grpc.receive(id, end(0, None));
            assert_eq!(instance.next(id), None, "{what}: no callback follows");
            let again = instance.grpc.close(&mut instance.common, id, closed_as);
            assert_eq!(again, Err(Status::BadArgument), "{what}: twice");
        }
    }

    // At once: the host never hears of it.
    let mut instance = Instance::new();
    let id = instance.open();
    let other = instance.open();
    instance
        .grpc
        .send(&instance.common, id, Some(Bytes::from("x")), false)
        .unwrap();
    instance.grpc.close(&mut instance.common, id, None).unwrap();
    assert_eq!(instance.effects(), [format!("open {other}")]);

    // Within the callback.
    let mut instance = Instance::new();
    let id = instance.open();
    instance.effects();
    instance.grpc.receive(id, message("x"));
    instance.grpc.receive(id, message("y"));
    instance.next(id).unwrap();
    instance.grpc.close(&mut instance.common, id, None).unwrap();
    instance.answered(id, Action::Pause);
    assert_eq!(instance.next(id), None);
    assert_eq!(instance.effects(), [format!("cancel {id}")]);
}

#[test]
fn owners() {
    let mut instance = Instance::new();
    let id = instance.open();
    instance.enter(1);
    let Instance {
        common,
        grpc,
        plugins,
    } = &mut instance;
    let statuses = [
        grpc.send(common, id, None, true),
        grpc.resume(common, id),
        grpc.close(common, id, None),
        grpc.kind(common, id).map(|_| ()),
        common.callout_status(id, CalloutKind::is_grpc).map(|_| ()),
    ];
    assert_eq!(statuses, [Err(Status::NotAllowed); 5]);
    let http = common.callouts.open(plugins[1], 9, CalloutKind::Http).unwrap();
    assert_eq!(
        grpc.close(common, http, None),
        Err(Status::BadArgument),
        "an HTTP call"
    );

    // A plugin that goes takes its own along.
    let other = instance.open();
    instance.effects();
    let Instance {
        common,
        grpc,
        plugins,
    } = &mut instance;
    grpc.remove_plugin(common, plugins[0]);
    assert_eq!(instance.effects(), [format!("cancel {id}")]);
    assert_eq!((instance.is_alive(id), instance.is_alive(other)), (false, true));
}

#[test]
fn deadlines() {
    let late = || Event::failure(code::DEADLINE_EXCEEDED, "no answer within 1 ms");
    let mut instance = Instance::new();
    let id = instance.dispatch();
    instance.effects();
    assert!(!instance.grpc.is_complete(id));
    instance.grpc.receive(id, late());
    assert!(instance.grpc.is_complete(id));
    instance.grpc.receive(id, late());
    instance.grpc.receive(id, message("late"));
    let expected = Part::CallResponse {
        status: code::DEADLINE_EXCEEDED,
        message_size: 0,
    };
    assert_eq!(instance.deliver_all(id, Action::Forward), [expected]);

    // One that has ended in time keeps its status.
    let id = instance.dispatch();
    instance.effects();
    instance.grpc.receive(id, end(5, None));
    instance.grpc.receive(id, late());
    let expected = Part::CallResponse {
        status: 5,
        message_size: 0,
    };
    assert_eq!(instance.deliver_all(id, Action::Forward), [expected]);
    assert_eq!(instance.effects(), [""; 0]);
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
