//! What a plugin's failure does to its stream, and to nothing else.

use super::{NAME, config, named, origin};
use proxywasm_tests::guests::SDKS;
use proxywasm_tests::harness::{capture_log, proxy};

/// What a plugin leaves in the log when it gives up, besides the host's own line; C++ says nothing.
const LAST_WORDS: [&[&str]; 5] = [
    &["panicked at sdk_rust/src/plugin.rs", "trapped as asked"],
    &["panicked at sdk_rust01/", "trapped as asked"],
    &[
        "panic: trapped as asked",
        "goroutine 1 [running]:",
        "main.onRequestHeaders(",
    ],
    &[],
    &["trapped as asked at: assembly/index.ts"],
];

#[test]
fn a_trap_ends_the_instance_and_its_streams() {
    capture_log();
    for (guest, last_words) in SDKS.into_iter().zip(LAST_WORDS) {
        let origin = origin();
        let name = format!("trap-{guest}");
        let mut settings = config(guest, 0);
        settings.name.clone_from(&name);
        let proxy = proxy()
            .guest_with(guest, settings)
            .upstream(origin.address())
            .start();
        let mut client = proxy.client();
        for round in ["first", "second"] {
            let path = format!("/{guest}-{round}");
            let response = client.request(&format!("GET {path}"), &[]);
            assert_eq!(response.header("x-seen").as_deref(), Some("1"), "{path}");
            assert_eq!(
                client.request("GET /", &[("x-trap", NAME)]).status(),
                503,
                "{path}"
            );
        }
        // A fresh instance each time.
        let response = client.request("GET /last", &[]);
        assert_eq!(response.header("x-seen").as_deref(), Some("1"), "{guest}");
        let of_plugin = format!("plugin=\"{name}\"");
        let lines = capture_log().lines();
        // The host's line ends with its fields, after the backtrace.
        for words in [&["callback=\"on_http_request_headers\" stream="], last_words].concat() {
            let told = |line: &String| line.contains(&of_plugin) && line.contains(words);
            assert!(
                lines.iter().any(told),
                "{guest}: nothing logged `{words}`: {lines:#?}"
            );
        }
    }
}

/// Where one plugin of a chain gives up, the others keep their instances.
#[test]
fn a_trap_leaves_the_other_plugins_alone() {
    for guest in SDKS {
        let survivor = SDKS.into_iter().find(|other| *other != guest).unwrap();
        let proxy = proxy()
            .guest_with(survivor, named(survivor, "first", 0))
            .guest_with(guest, named(guest, "second", 0))
            .start();
        let mut client = proxy.client();
        // The first plugin of the chain is the last one that a response passes; it counts on.
        for (seen, headers, status, passed) in [
            ("1", [].as_slice(), 200, "second,first"),
            ("2", &[("x-trap", "second")], 503, "first"),
            ("3", &[], 200, "second,first"),
        ] {
            let response = client.request("GET /", headers);
            assert_eq!(response.status(), status, "{guest}");
            assert_eq!(response.header("x-sdk").as_deref(), Some(passed), "{guest}");
            assert_eq!(response.header("x-seen").as_deref(), Some(seen), "{guest}");
        }
    }
}
