//! Plugins that use stores, queues, timers, metrics, functions of the embedder and the log.

use crate::harness::{Backends, Guest};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use wasi_common::Direction::{Request, Response};
use wasi_common::{Action, LogLevel, Status};
use wasi_ffi::{CallbackError, FunctionError, FunctionRegistry};

/// What a plugin adds to the headers of a response, for a request with these headers.
fn added(guest: &mut Guest, request: &[(&str, &str)]) -> Vec<(String, String)> {
    assert_eq!(guest.headers(Request, request).0, Action::Forward);
    let (action, headers) = guest.headers(Response, &[]);
    assert_eq!(action, Action::Forward);
    headers
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn requests_are_counted_in_a_store() {
    for plugin in ["store_component", "c_component"] {
        let backends = Backends::default();
        let mut guests = [
            Guest::open_on(&backends, plugin, ""),
            Guest::open_on(&backends, plugin, ""),
        ];
        let long = "/long".repeat(100);
        for (path, turns) in [("/a", 3), ("/b", 1), (&long, 2)] {
            for turn in 0..turns {
                for (index, guest) in guests.iter_mut().enumerate() {
                    let count = (2 * turn + index + 1).to_string();
                    assert_eq!(
                        added(guest, &[(":path", path)]),
                        pairs(&[("x-count", &count)]),
                        "{plugin}"
                    );
                }
            }
        }
    }
}

#[test]
fn counts_of_several_instances_at_once_lose_nothing() {
    const TIMES: usize = 500;
    let backends = Backends::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut guest = Guest::open_on(&backends, "store_component", "");
                added(&mut guest, &[(":path", "/"), ("x-times", &TIMES.to_string())]);
            });
        }
    });
    let mut guest = Guest::open_on(&backends, "store_component", "");
    let count = added(&mut guest, &[(":path", "/"), ("x-times", "0")]);
    assert_eq!(count, pairs(&[("x-count", &(4 * TIMES).to_string())]));
}

#[test]
fn plugins_in_c_name_streams_as_they_like() {
    let mut guest = Guest::open("c_component", "");
    for count in ["1", "2", "3"] {
        assert_eq!(added(&mut guest, &[(":path", "/")]), pairs(&[("x-count", count)]));
        guest.finalize();
        guest.open_stream(wasi_common::ContextType::Http);
    }
    // What cannot be counted goes on.
    assert_eq!(added(&mut guest, &[(":path", &"/".repeat(1000))]), []);
    assert_eq!(guest.lines(), ["the request could not be counted"]);
}

#[test]
fn items_go_from_one_plugin_to_another() {
    let backends = Backends::default();
    let mut producer = Guest::open_on(&backends, "queue_component", "produce paths");
    assert_eq!(
        added(&mut producer, &[(":path", "/early")]),
        pairs(&[("x-enqueued", "not_found")])
    );
    let (mut consumer, accepted) = Guest::start_on(&backends, "queue_component", "consume paths");
    assert!(accepted);
    assert_eq!(consumer.tell_of_items(), 0);
    let long = "/long".repeat(1000);
    for path in ["/one", "", &long] {
        assert_eq!(
            added(&mut producer, &[(":path", path)]),
            pairs(&[("x-enqueued", "ok")])
        );
    }
    assert!(consumer.tell_of_items() >= 1);
    assert_eq!(
        consumer.lines(),
        ["took /one".to_owned(), "took ".to_owned(), format!("took {long}")]
    );
    assert!(backends.registry.render().contains("items 3\n"));
}

#[test]
fn the_plugin_is_called_whose_queue_has_an_item() {
    let backends = Backends::default();
    let (mut consumers, _) = Guest::start_on(&backends, "queue_component", "consume first");
    assert!(consumers.add_plugin("consume second"));
    for queue in ["first", "second"] {
        let mut producer = Guest::open_on(&backends, "queue_component", &format!("produce {queue}"));
        added(&mut producer, &[(":path", queue)]);
        consumers.tell_of_items();
        let logged = consumers.lines();
        assert_eq!(logged, [format!("took {queue}")]);
    }
}

#[test]
fn timers_fire_as_often_as_they_are_told() {
    let backends = Backends::default();
    let (mut guest, accepted) = Guest::start_on(&backends, "timer_component", "10 25 3");
    assert!(accepted);
    guest.pass(Duration::from_millis(9));
    assert_eq!(guest.lines(), [""; 0]);
    guest.pass(Duration::from_millis(100));
    assert_eq!(guest.lines(), ["time 1", "time 2", "the other timer", "time 3"]);
    let figures = backends.registry.render();
    assert!(figures.contains("periodic 3\n"), "{figures}");
    assert!(figures.contains("once 1\n"), "{figures}");

    for configuration in ["10 25", "10 25 3 4", "0 1 2", "a b c"] {
        let (guest, accepted) = Guest::start("timer_component", configuration);
        assert!(!accepted, "{configuration}");
        assert_eq!(guest.lines().len(), 1, "{configuration}");
    }
}

#[test]
fn figures_are_kept_and_read() {
    let backends = Backends::default();
    let mut guest = Guest::open_on(&backends, "metrics_component", "");
    let request = [(":path", "/12345"), ("x-create", "3")];
    assert_eq!(
        added(&mut guest, &request),
        pairs(&[("x-total", "1"), ("x-active", "1"), ("x-created", "3")])
    );
    guest.finalize();
    guest.open_stream(wasi_common::ContextType::Http);
    assert_eq!(
        added(&mut guest, &[(":path", "/")]),
        pairs(&[("x-total", "2"), ("x-active", "1")])
    );
    let figures = backends.registry.render();
    assert!(figures.contains("path_length_sum 7\n"), "{figures}");
    assert!(figures.contains("made_2 0\n"), "{figures}");
}

#[test]
fn functions_of_the_embedder_are_called() {
    let mut registry = FunctionRegistry::new();
    registry
        .register("join", |_, parameters: &[&[u8]]| {
            Ok(vec![Bytes::from(parameters.concat()), Bytes::new()])
        })
        .expect("a name of its own");
    registry
        .register("fail", |_, _: &[&[u8]]| {
            Err(FunctionError::Failed("as it does".to_owned()))
        })
        .expect("a name of its own");
    let backends = Backends {
        functions: Arc::new(registry),
        ..Backends::default()
    };
    let rows: &[(&[(&str, &str)], &[(&str, &str)])] = &[
        (
            &[
                ("x-function", "join"),
                ("x-parameter", "a"),
                ("x-parameter", "bc"),
            ],
            &[("x-function-status", "ok"), ("x-result", "abc"), ("x-result", "")],
        ),
        (
            &[("x-function", "join")],
            &[("x-function-status", "ok"), ("x-result", ""), ("x-result", "")],
        ),
        (
            &[("x-function", "fail")],
            &[("x-function-status", "internal_failure")],
        ),
        (&[("x-function", "other")], &[("x-function-status", "not_found")]),
        (&[], &[]),
    ];
    for (request, response) in rows {
        let mut guest = Guest::open_on(&backends, "ffi_component", "");
        assert_eq!(added(&mut guest, request), pairs(response), "{request:?}");
    }
}

#[test]
fn the_embedder_calls_the_plugin() {
    let (mut guest, _) = Guest::start("ffi_component", "");
    let results = guest.call(1, &[b"one", b"", b"Two"]);
    assert_eq!(results, Ok(["TWO", "", "ONE"].map(Bytes::from).to_vec()));
    assert_eq!(guest.call(1, &[]), Ok(Vec::new()));
    assert_eq!(
        guest.call(2, &[b"one"]),
        Err(CallbackError::Refused(Status::NotFound))
    );
}

#[test]
fn the_log_level_is_followed() {
    let mut guest = Guest::open("log_component", "");
    guest.headers(Request, &[]);
    assert_eq!(guest.lines().len(), 4);
    let rows = [
        (LogLevel::Trace, "Trace", 6),
        (LogLevel::Critical, "Critical", 1),
        (LogLevel::Warn, "Warn", 3),
    ];
    for (index, (level, name, lines)) in rows.into_iter().enumerate() {
        guest.set_log_level(level);
        let told = format!("lines are written from level {name} on");
        assert_eq!(guest.logged(), [(LogLevel::Critical, told)]);
        guest.headers(Request, &[]);
        assert_eq!(guest.lines().len(), lines, "{name}");
        let (_, headers) = guest.headers(Response, &[]);
        let updates = (index + 1).to_string();
        assert_eq!(
            headers,
            pairs(&[("x-log-level", name), ("x-log-updates", &updates)])
        );
    }
}
