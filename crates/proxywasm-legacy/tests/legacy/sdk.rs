//! Plugins built with the SDK for Rust, as they come.

use crate::support::{Guest, settings, text};
use std::path::Path;
use wasi_common::stream::Piece;
use wasi_common::{Action, ContextType, Direction};
use wasi_context::{ConfigurationSizes, LifecycleCallbacks};
use wasi_http::{Effect, HttpCallbacks};
use wasmtime::AsContextMut;

/// A sample plugin, started with a configuration; its stream has been created.
fn plugin(name: &str, configuration: &'static str) -> (Guest, bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/prebuilt");
    let wasm = std::fs::read(folder.join(name)).unwrap();
    let mut settings = settings("sample");
    settings.configuration = configuration.into();
    let sizes = ConfigurationSizes {
        plugin: settings.configuration.len() as u32,
        vm: settings.vm_configuration.len() as u32,
    };
    let mut guest = Guest::new(&wasm, settings);
    let (callbacks, plugin_id, context_id) = (&guest.callbacks, guest.plugin_id, guest.context_id);
    let started = callbacks
        .start_plugin(guest.store.as_context_mut(), plugin_id, sizes)
        .unwrap();
    if started {
        let kind = ContextType::Http;
        callbacks
            .create_context(guest.store.as_context_mut(), context_id, plugin_id, kind)
            .unwrap();
    }
    (guest, started)
}

fn headers(guest: &mut Guest, direction: Direction) -> wasmtime::Result<Action> {
    let (callbacks, context_id) = (&guest.callbacks, guest.context_id);
    let returned = callbacks.headers(guest.store.as_context_mut(), direction, context_id, 5, false)?;
    Ok(returned.unwrap())
}

fn map(guest: &mut Guest, direction: Direction) -> Vec<(String, String)> {
    let stream = guest
        .store
        .data_mut()
        .common
        .streams
        .get_mut(guest.stream)
        .unwrap();
    text(stream.map(direction, Piece::Headers).read().iter())
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(k, v)| (k.to_string(), v.to_string()))
        .collect()
}

#[test]
fn a_whole_stream() {
    let (mut guest, started) = plugin("headers_legacy.wasm", "");
    assert!(started);
    guest.put(
        Direction::Request,
        Piece::Headers,
        &[
            (":method", "GET"),
            (":path", "/a?b"),
            ("x-multi", "1"),
            ("x-remove-me", "x"),
            ("x-multi", "2"),
            ("x-replace-me", "x"),
        ],
    );
    assert_eq!(headers(&mut guest, Direction::Request).unwrap(), Action::Forward);
    let expected = pairs(&[
        (":method", "GET"),
        (":path", "/a?b"),
        ("x-multi", "1"),
        ("x-multi", "2"),
        ("x-plugin", "headers"),
        ("x-request-path", "/a?b"),
        ("x-replace-me", "replaced"),
        ("x-multi-count", "2"),
    ]);
    assert_eq!(map(&mut guest, Direction::Request), expected);
    let logged = guest.sink.take();
    assert!(
        logged.iter().any(|(_, message)| message == "GET /a?b"),
        "{logged:?}"
    );

    guest.put(
        Direction::Response,
        Piece::Headers,
        &[(":status", "200"), ("server-secret", "s")],
    );
    assert_eq!(headers(&mut guest, Direction::Response).unwrap(), Action::Forward);
    let expected = pairs(&[
        (":status", "200"),
        ("x-plugin", "headers"),
        ("x-context-answered", "yes"),
    ]);
    assert_eq!(map(&mut guest, Direction::Response), expected);
    let (callbacks, context_id) = (&guest.callbacks, guest.context_id);
    assert!(
        callbacks
            .finalize_context(guest.store.as_context_mut(), context_id)
            .unwrap()
    );
}

#[test]
fn configuration() {
    let table: &[(&str, bool, &[(&str, &str)])] = &[
        ("A: b\nc:d", true, &[(":status", "200"), ("a", "b"), ("c", "d")]),
        ("", true, &[(":status", "200"), ("x-configuration", "empty")]),
        ("nonsense", false, &[]),
    ];
    for (configuration, accepted, expected) in table {
        let (mut guest, started) = plugin("configuration_legacy.wasm", configuration);
        assert_eq!(started, *accepted, "{configuration:?}");
        if started {
            guest.put(Direction::Response, Piece::Headers, &[(":status", "200")]);
            headers(&mut guest, Direction::Response).unwrap();
            let mut expected = pairs(expected);
            expected.extend(pairs(&[("x-plugin-name", "sample"), ("x-property-path", "/a")]));
            assert_eq!(
                map(&mut guest, Direction::Response),
                expected,
                "{configuration:?}"
            );
        }
    }
}

#[test]
fn local_responses() {
    let table = [
        (None, Action::Pause, Some(401)),
        (Some("Bearer wrong"), Action::Pause, Some(403)),
        (Some("Bearer token"), Action::Forward, None),
    ];
    for (authorization, action, status) in table {
        let (mut guest, _) = plugin("auth_legacy.wasm", "token");
        let authorization = authorization.map(|value| ("authorization", value));
        let mut request = vec![(":method", "GET"), (":path", "/")];
        request.extend(authorization);
        guest.put(Direction::Request, Piece::Headers, &request);
        assert_eq!(headers(&mut guest, Direction::Request).unwrap(), action);
        let statuses: Vec<_> = guest
            .store
            .data_mut()
            .http
            .take_effects()
            .into_iter()
            .map(|effect| match effect {
                Effect::Respond { response, .. } => response.status,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(statuses.first().copied(), status);
    }
}

#[test]
fn bodies() {
    for (mode, expected) in [
        ("rewrite", "ABCDEF\n<6 bytes>"),
        ("wrap", "<abcdef>"),
        ("", "abcdef"),
    ] {
        let (mut guest, _) = plugin("body_legacy.wasm", "");
        guest.put(Direction::Request, Piece::Headers, &[("x-body", mode)]);
        assert_eq!(headers(&mut guest, Direction::Request).unwrap(), Action::Forward);
        let context_id = guest.context_id;
        let mut body = |end_of_stream| {
            let store = guest.store.as_context_mut();
            let callbacks = &guest.callbacks;
            callbacks
                .body(store, Direction::Request, context_id, 6, end_of_stream)
                .unwrap()
        };
        let waits = if mode.is_empty() {
            Action::Forward
        } else {
            Action::WaitForMoreData
        };
        assert_eq!(body(false), Ok(waits), "{mode}");
        assert_eq!(body(true), Ok(Action::Forward), "{mode}");
        assert_eq!(guest.body(Direction::Request), expected, "{mode}");
    }
}

/// What the SDK does not expect it answers with a panic; that is an error here and nothing worse.
#[test]
fn a_panic() {
    let (mut guest, _) = plugin("headers_legacy.wasm", "");
    // There are no response headers to change.
    assert!(headers(&mut guest, Direction::Response).is_err());
    let logged = guest.sink.take();
    assert!(
        logged.iter().any(|(_, message)| message.contains("panicked")),
        "{logged:?}"
    );
}
