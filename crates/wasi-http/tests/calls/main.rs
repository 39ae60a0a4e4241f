//! Callouts: what is refused, what is told when, what can be read then, and how callouts end.
#![cfg(test)]

mod bounds;

use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;
use wasi_common::{
    AbiPolicy, Action, Allowed, BufferType, ByteMap, CallScope, Common, MapType, PluginSettings, Returned,
    Status, UnknownAction,
};
use wasi_http::{CallEffect, CallEvent, CallPart, CallRequest, Calls};

/// One plugin that is executing, and its callouts.
struct Bench {
    common: Common,
    calls: Calls,
    plugin_id: u32,
}

const FORWARD: Returned = Ok(Action::Forward);
const PAUSE: Returned = Ok(Action::Pause);
const CLOSE: Returned = Ok(Action::Close);

impl Bench {
    fn new(streams: bool) -> Self {
        Self::with(streams, |_| ())
    }

    fn with(streams: bool, change: impl FnOnce(&mut PluginSettings)) -> Self {
        let mut common = Common::default();
        let mut settings = PluginSettings::new("caller", AbiPolicy::COMPONENT);
        change(&mut settings);
        let plugin_id = common.contexts.add_plugin(Arc::new(settings));
        common.scope = CallScope::new(plugin_id, plugin_id, "test");
        let mut calls = Calls::new(Arc::new(BTreeSet::from(["auth".to_owned(), "other".to_owned()])));
        calls.set_streams_answers(streams);
        Self {
            common,
            calls,
            plugin_id,
        }
    }

    fn dispatch(&mut self) -> Result<u32, Status> {
        self.calls.dispatch(&mut self.common, request("auth"))
    }

    /// A callout that was sent.
    fn sent(&mut self) -> u32 {
        let id = self.dispatch().unwrap();
        self.calls.take_effects();
        id
    }

    fn next(&mut self, id: u32) -> Option<CallPart> {
        self.calls
            .next_delivery(&mut self.common, id)
            .map(|delivery| delivery.part)
    }

    fn answer(&mut self, id: u32, returned: Returned) -> bool {
        self.calls.answered(&mut self.common, id, returned)
    }

    fn map(&mut self, id: u32, map: MapType) -> Result<String, Status> {
        let map = self.common.map(id, map)?;
        Ok(map
            .iter()
            .map(|(key, value)| format!("{}={};", text(key), text(value)))
            .collect())
    }

    fn body(&mut self, id: u32) -> Result<String, Status> {
        let body = self.common.buffer(id, BufferType::HttpCallResponseBody)?;
        let mut read = Vec::new();
        body.each(0, usize::MAX, |part| {
            read.extend_from_slice(part);
            Ok::<(), Status>(())
        })?;
        Ok(text(&read))
    }

    fn status(&self, id: u32) -> Result<(u32, String), Status> {
        let status = Calls::status(&self.common, id)?;
        Ok((status.code, text(&status.message)))
    }

    fn knows(&self, id: u32) -> bool {
        self.common.callouts.owner(id).is_some()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn request(upstream: &'static str) -> CallRequest {
    CallRequest {
        upstream: Bytes::from_static(upstream.as_bytes()),
        headers: ByteMap::from_iter([(":method", "GET"), (":path", "/"), (":authority", "a")]),
        ..CallRequest::default()
    }
}

fn head() -> CallEvent {
    CallEvent::Headers(ByteMap::from_iter([(":status", "200"), ("a", "b")]))
}

fn body(text: &'static str) -> CallEvent {
    CallEvent::Body(Bytes::from_static(text.as_bytes()))
}

fn trailers() -> CallEvent {
    CallEvent::Trailers(ByteMap::from_iter([("t", "u")]))
}

fn failed() -> CallEvent {
    CallEvent::Failed("refused".to_owned())
}

#[test]
fn refusals() {
    type Change = fn(&mut PluginSettings);
    let table: [(&str, Change, Result<u32, Status>); 7] = [
        ("auth", |_| (), Ok(1)),
        ("nobody", |_| (), Err(Status::NotFound)),
        ("", |_| (), Err(Status::NotFound)),
        (
            "auth",
            |settings| settings.permissions.upstreams = Allowed::from_iter(["other"]),
            Err(Status::NotAllowed),
        ),
        (
            "other",
            |settings| settings.permissions.upstreams = Allowed::from_iter(["other"]),
            Ok(1),
        ),
        (
            "auth",
            |settings| settings.limits.callouts = 0,
            Err(Status::Unavailable),
        ),
        (
            "auth",
            |settings| settings.limits.map.pairs = 2,
            Err(Status::Unavailable),
        ),
    ];
    for (upstream, change, expected) in table {
        let mut bench = Bench::with(false, change);
        assert_eq!(
            bench.calls.dispatch(&mut bench.common, request(upstream)),
            expected,
            "{upstream}"
        );
        assert_eq!(
            bench.calls.has_effects(),
            expected.is_ok(),
            "a refused callout is not sent"
        );
    }
    // No plugin is executing: the guest initialises itself.
    let mut bench = Bench::new(false);
    bench.common.scope = CallScope::default();
    assert_eq!(bench.dispatch(), Err(Status::InvalidOperation));
}

#[test]
fn whose_callout() {
    let mut bench = Bench::new(false);
    let id = bench.sent();
    let settings = PluginSettings::new("other", AbiPolicy::COMPONENT);
    let other = bench.common.contexts.add_plugin(Arc::new(settings));
    let grpc = bench
        .common
        .callouts
        .open(bench.plugin_id, 9, wasi_common::CalloutKind::GrpcCall)
        .unwrap();
    let table = [
        (other, id, Err(Status::NotAllowed)),
        (bench.plugin_id, 0, Err(Status::BadArgument)),
        (bench.plugin_id, 99, Err(Status::BadArgument)),
        (bench.plugin_id, grpc, Err(Status::BadArgument)),
    ];
    for (plugin_id, id, expected) in table {
        bench.common.scope = CallScope::new(plugin_id, plugin_id, "test");
        assert_eq!(bench.calls.close(&mut bench.common, id), expected, "close {id}");
        assert_eq!(bench.calls.resume(&bench.common, id), expected, "resume {id}");
        assert_eq!(bench.status(id).map(|_| ()), expected, "status {id}");
    }
    assert!(bench.knows(id) && bench.knows(grpc));
}

#[test]
fn a_whole_answer() {
    let nothing = (0, 0, 0);
    let table: Vec<(Vec<CallEvent>, (u32, u32, u32), u32)> = vec![
        (vec![head(), CallEvent::End], (2, 0, 0), 0),
        (vec![head(), body("ab"), body("c"), CallEvent::End], (2, 3, 0), 0),
        (vec![head(), body("ab"), trailers()], (2, 2, 1), 0),
        (vec![head(), trailers()], (2, 0, 1), 0),
        (vec![failed()], nothing, 10),
        (vec![head(), failed()], nothing, 10),
        (vec![head(), body("ab"), failed()], nothing, 10),
    ];
    for (events, (num_headers, body_size, num_trailers), code) in table {
        let mut bench = Bench::new(false);
        let id = bench.sent();
        for event in &events {
            assert_eq!(
                bench.next(id),
                None,
                "nothing is told before all has come: {events:?}"
            );
            assert!(bench.calls.wants(id));
            bench.calls.receive(id, event.clone());
        }
        assert!(!bench.calls.wants(id));
        let expected = CallPart::Response {
            num_headers,
            body_size,
            num_trailers,
        };
        assert_eq!(
            bench.status(id),
            Err(Status::InvalidOperation),
            "it was not told yet"
        );
        assert_eq!(bench.next(id), Some(expected), "{events:?}");
        let reason = if code == 0 { "" } else { "refused" };
        assert_eq!(bench.status(id), Ok((code, reason.to_owned())));
        let unread = Err(Status::InvalidOperation);
        assert_eq!(bench.body(id).is_ok(), code == 0);
        for map in [
            MapType::HttpCallResponseHeaders,
            MapType::HttpCallResponseTrailers,
        ] {
            assert_eq!(bench.map(id, map).is_ok(), code == 0, "{events:?} {map:?}");
        }
        if code != 0 {
            assert_eq!(bench.body(id), unread);
        }
        assert!(bench.answer(id, FORWARD));
        assert_eq!(bench.next(id), None);
        assert!(!bench.knows(id) && !bench.calls.has_effects());
        assert_eq!(bench.status(id), Err(Status::BadArgument));
    }
}

#[test]
fn an_answer_as_it_comes() {
    let mut bench = Bench::new(true);
    let id = bench.sent();
    let headers = MapType::HttpCallResponseHeaders;
    assert_eq!(bench.next(id), None);
    bench.calls.receive(id, head());
    assert_eq!(
        bench.map(id, headers),
        Err(Status::InvalidOperation),
        "no callback is running"
    );
    assert_eq!(bench.next(id), Some(CallPart::Headers { num_headers: 2 }));
    assert_eq!(bench.map(id, headers).as_deref(), Ok(":status=200;a=b;"));
    assert_eq!(bench.body(id), Err(Status::InvalidOperation));
    assert_eq!(bench.next(id), None, "one callback at a time");
    assert!(bench.answer(id, FORWARD));
    assert_eq!(bench.next(id), None);
    assert!(bench.calls.wants(id));

    for piece in ["ab", "c"] {
        bench.calls.receive(id, body(piece));
        assert!(!bench.calls.wants(id), "a piece waits");
        let size = piece.len() as u32;
        assert_eq!(
            bench.next(id),
            Some(CallPart::Body {
                size,
                end_of_stream: false
            })
        );
        assert_eq!(bench.body(id).as_deref(), Ok(piece), "a piece is told once");
        assert_eq!(
            bench.map(id, headers).as_deref(),
            Ok(":status=200;a=b;"),
            "headers stay"
        );
        assert_eq!(bench.status(id), Err(Status::InvalidOperation));
        assert!(bench.answer(id, FORWARD));
        assert_eq!(
            bench.body(id),
            Err(Status::InvalidOperation),
            "no callback is running"
        );
        assert_eq!(bench.next(id), None);
    }

    bench.calls.receive(id, trailers());
    assert_eq!(bench.next(id), Some(CallPart::Trailers { num_trailers: 1 }));
    assert_eq!(
        bench.map(id, MapType::HttpCallResponseTrailers).as_deref(),
        Ok("t=u;")
    );
    assert_eq!(bench.status(id), Ok((0, String::new())));
    assert!(bench.answer(id, FORWARD));
    assert!(!bench.knows(id) && !bench.calls.has_effects());
}

#[test]
fn the_end_of_an_answer_as_it_comes() {
    let headers = |num_headers| CallPart::Headers { num_headers };
    let body_part = |size, end_of_stream| CallPart::Body { size, end_of_stream };
    let table: Vec<(Vec<CallEvent>, Vec<CallPart>, u32)> = vec![
        (
            vec![head(), CallEvent::End],
            vec![headers(2), body_part(0, true)],
            0,
        ),
        (
            vec![head(), body("ab"), CallEvent::End],
            vec![headers(2), body_part(2, false), body_part(0, true)],
            0,
        ),
        (
            vec![head(), body("ab"), trailers()],
            vec![
                headers(2),
                body_part(2, false),
                CallPart::Trailers { num_trailers: 1 },
            ],
            0,
        ),
        (vec![failed()], vec![headers(0)], 10),
        (vec![head(), failed()], vec![headers(2), body_part(0, true)], 10),
        (
            vec![head(), body("ab"), failed()],
            vec![headers(2), body_part(2, false), body_part(0, true)],
            10,
        ),
        (vec![body("ab")], vec![headers(0)], 10),
        (vec![CallEvent::End], vec![headers(0)], 10),
        (vec![CallEvent::Headers(ByteMap::new())], vec![headers(0)], 10),
        (vec![head(), head()], vec![headers(2), body_part(0, true)], 10),
    ];
    for (events, expected, code) in table {
        let mut bench = Bench::new(true);
        let id = bench.sent();
        let mut told = Vec::new();
        let mut status = None;
        for event in &events {
            bench.calls.receive(id, event.clone());
            while let Some(part) = bench.next(id) {
                told.push(part);
                status = bench.status(id).ok();
                assert!(bench.answer(id, FORWARD));
            }
        }
        assert_eq!(told, expected, "{events:?}");
        assert_eq!(status.map(|(code, _)| code), Some(code), "{events:?}");
        assert!(!bench.knows(id));
        bench.calls.receive(id, head());
        assert_eq!(bench.next(id), None, "nothing follows the end");
    }
}

#[test]
fn pauses() {
    let mut bench = Bench::new(true);
    let id = bench.sent();
    bench.calls.receive(id, head());
    bench.next(id);
    assert!(bench.answer(id, PAUSE));
    assert!(!bench.calls.wants(id), "a paused callout is not read");
    // What comes all the same waits.
    bench.calls.receive(id, body("ab"));
    bench.calls.receive(id, body("cd"));
    bench.calls.receive(id, CallEvent::End);
    assert!(bench.calls.is_complete(id));
    assert_eq!(bench.next(id), None);
    assert_eq!(
        bench.map(id, MapType::HttpCallResponseHeaders).as_deref(),
        Ok(":status=200;a=b;"),
        "what was told stays readable"
    );
    assert_eq!(
        bench.body(id),
        Err(Status::InvalidOperation),
        "what was not told is not"
    );
    assert_eq!(bench.calls.resume(&bench.common, id), Ok(()));
    assert_eq!(
        bench.calls.take_effects(),
        [CallEffect::Resume { callout_id: id }]
    );
    assert_eq!(
        bench.calls.resume(&bench.common, id),
        Err(Status::InvalidOperation)
    );
    assert_eq!(
        bench.next(id),
        Some(CallPart::Body {
            size: 4,
            end_of_stream: true
        })
    );
    // The last part can be kept too.
    assert!(bench.answer(id, PAUSE));
    assert_eq!(bench.body(id).as_deref(), Ok("abcd"));
    assert_eq!(bench.status(id), Ok((0, String::new())));
    assert_eq!(bench.calls.resume(&bench.common, id), Ok(()));
    assert_eq!(
        bench.body(id).as_deref(),
        Ok("abcd"),
        "until the callback has returned"
    );
    assert_eq!(bench.next(id), None);
    assert!(!bench.knows(id));
}

#[test]
fn a_resume_within_the_callback_cancels_its_pause() {
    for streams in [false, true] {
        let mut bench = Bench::new(streams);
        let id = bench.sent();
        assert_eq!(
            bench.calls.resume(&bench.common, id),
            Err(Status::InvalidOperation)
        );
        bench.calls.receive(id, head());
        bench.calls.receive(id, CallEvent::End);
        let last = CallPart::Body {
            size: 0,
            end_of_stream: true,
        };
        bench.next(id);
        assert_eq!(bench.calls.resume(&bench.common, id), Ok(()));
        assert_eq!(
            bench.calls.resume(&bench.common, id),
            Err(Status::InvalidOperation)
        );
        assert!(bench.answer(id, PAUSE));
        assert_eq!(bench.next(id), streams.then_some(last));
        assert_eq!(bench.knows(id), streams);
        assert!(!bench.calls.has_effects());
    }
}

#[test]
fn closing() {
    let cancel = |callout_id| vec![CallEffect::Cancel { callout_id }];
    // Before it was sent: it never is.
    let mut bench = Bench::new(true);
    let id = bench.dispatch().unwrap();
    assert_eq!(bench.calls.close(&mut bench.common, id), Ok(()));
    assert_eq!(bench.calls.take_effects(), []);
    assert_eq!(bench.calls.close(&mut bench.common, id), Err(Status::BadArgument));

    // Under way: it is cancelled.
    let id = bench.sent();
    assert_eq!(bench.calls.close(&mut bench.common, id), Ok(()));
    assert_eq!(bench.calls.take_effects(), cancel(id));
    bench.calls.receive(id, head());
    assert_eq!(bench.next(id), None, "no callback follows");

    // Within its own callback: that counts for more than what it returns.
    let id = bench.sent();
    bench.calls.receive(id, head());
    bench.next(id);
    assert_eq!(bench.calls.close(&mut bench.common, id), Ok(()));
    assert_eq!(bench.calls.take_effects(), cancel(id));
    assert!(bench.answer(id, PAUSE));
    assert!(!bench.knows(id));

    // All has come: there is nothing to cancel.
    let id = bench.sent();
    bench.calls.receive(id, failed());
    bench.next(id);
    assert_eq!(bench.calls.close(&mut bench.common, id), Ok(()));
    assert_eq!(bench.calls.take_effects(), []);
}

#[test]
fn actions() {
    let table: [(Returned, bool); 8] = [
        (CLOSE, true),
        (Ok(Action::EndStream), false),
        (Ok(Action::Done), false),
        (Ok(Action::WaitForMoreData), false),
        (Ok(Action::WaitForEndOrFull), false),
        (Err(UnknownAction(7)), false),
        (Err(UnknownAction(u32::MAX)), false),
        (FORWARD, true),
    ];
    for (returned, legal) in table {
        let mut bench = Bench::new(true);
        let id = bench.sent();
        bench.calls.receive(id, head());
        bench.next(id);
        assert_eq!(bench.answer(id, returned), legal, "{returned:?}");
        let goes_on = returned == FORWARD;
        assert_eq!(bench.knows(id), goes_on, "{returned:?}");
        let effects = if goes_on {
            vec![]
        } else {
            vec![CallEffect::Cancel { callout_id: id }]
        };
        assert_eq!(bench.calls.take_effects(), effects, "{returned:?}");
    }
}

#[test]
fn many_at_once_and_a_plugin_that_goes() {
    let mut bench = Bench::with(false, |settings| settings.limits.callouts = 3);
    let ids: Vec<u32> = (0..3).map(|_| bench.sent()).collect();
    assert_eq!(bench.dispatch(), Err(Status::Unavailable));
    let [first, second, third] = ids[..] else {
        panic!("{ids:?}")
    };
    bench.calls.receive(second, head());
    bench.calls.receive(second, CallEvent::End);
    assert_eq!(bench.next(first), None);
    assert!(bench.next(second).is_some());
    bench.answer(second, FORWARD);
    assert!(bench.dispatch().is_ok(), "one that is over leaves its place");
    bench.calls.take_effects();

    let settings = PluginSettings::new("other", AbiPolicy::COMPONENT);
    let other = bench.common.contexts.add_plugin(Arc::new(settings));
    bench.common.scope = CallScope::new(other, other, "test");
    let others = bench.sent();
    bench.calls.remove_plugin(&mut bench.common, bench.plugin_id);
    let cancelled = bench.calls.take_effects();
    assert_eq!(cancelled.len(), 3);
    assert!(!bench.knows(first) && !bench.knows(third) && bench.knows(others));
    bench.calls.receive(first, failed());
    assert_eq!(bench.next(first), None, "no callback follows");
}
