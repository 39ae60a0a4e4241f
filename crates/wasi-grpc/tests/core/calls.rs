//! What is refused, how unary calls end, and whose calls are whose.

use crate::support::{Instance, TARGET, end, message, metadata};
use bytes::Bytes;
use std::time::Duration;
use wasi_common::{Action, Allowed, CallScope, CalloutKind, Limits, MapType, PluginSettings, Status};
use wasi_grpc::{Effect, Event, Part, Target, code};

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
