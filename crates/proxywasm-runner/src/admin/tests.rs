//! What pages answer, without a socket.

use super::router::{MAX_BODY, answer};
use super::state::{Phase, State};
use crate::remote::Remote;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use proxywasm_host::{LogLevel, MetricRegistry};
use std::sync::Arc;

struct Gauge;

impl Remote for Gauge {
    fn write_metrics(&self, page: &mut String) {
        page.push_str("remote 7\n");
    }

    fn wait_until_up(&self) {}

    fn flush(&self) {}
}

async fn ask(state: &Arc<State>, method: &Method, path: &str, host: &str, body: &str) -> (u16, String) {
    let request = Request::builder().method(method).uri(path).header("host", host);
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let answer = answer(state, request).await;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn answers() {
    let plugins = Arc::new(MetricRegistry::default());
    let hits = plugins.get_or_create(&"p".into(), b"hits", wasi_common::MetricType::Counter);
    hits.unwrap().increment(3).unwrap();
    let state = Arc::new(State::new(plugins, vec![Arc::new(Gauge)]));
    let changes = state.overrides();
    let long = "x".repeat(MAX_BODY + 1);
    let table: &[(Method, &str, &str, u16, &str)] = &[
        (Method::GET, "/log_level", "", 200, "as configured\n"),
        (Method::PUT, "/log_level", "Debug\n", 200, "debug\n"),
        (Method::GET, "/log_level", "", 200, "debug\n"),
        (
            Method::PUT,
            "/log_level",
            "loud",
            400,
            "the body has to be one of trace, debug, info, warn, error, critical\n",
        ),
        (Method::PUT, "/log_level", &long, 400, "the body cannot be read\n"),
        (Method::GET, "/log_level", "", 200, "debug\n"),
        (
            Method::DELETE,
            "/log_level",
            "",
            405,
            "this path takes GET, PUT\n",
        ),
        (
            Method::GET,
            "/nothing",
            "",
            404,
            "there is no such page; /help lists all\n",
        ),
        (Method::POST, "/metrics", "", 405, "this path takes GET\n"),
        (Method::GET, "/live", "", 200, "alive\n"),
        (Method::GET, "/ready", "", 503, "starting\n"),
        (Method::GET, "/drain", "", 405, "this path takes POST\n"),
        (Method::POST, "/drain", "", 202, "draining\n"),
    ];
    for (method, path, body, status, expected) in table {
        let (got, text) = ask(&state, method, path, "127.0.0.1:9901", body).await;
        assert_eq!(
            (got, text.as_str()),
            (*status, *expected),
            "{method} {path} {body}"
        );
    }
    state.drain_asked().await;
    assert_eq!(changes.borrow().log_level, Some(LogLevel::Debug));

    let (status, page) = ask(&state, &Method::GET, "/metrics", "localhost", "").await;
    assert_eq!(status, 200);
    assert!(
        page.contains("# HELP plugin_p_hits hits of p\n# TYPE plugin_p_hits counter\nplugin_p_hits 3\n"),
        "{page}"
    );
    assert!(page.ends_with("remote 7\n"), "{page}");

    for (phase, status, text) in [
        (Phase::Serving, 200, "serving\n"),
        (Phase::Draining, 503, "draining\n"),
    ] {
        state.set_phase(phase);
        let answer = ask(&state, &Method::GET, "/ready", "localhost", "").await;
        assert_eq!(answer, (status, text.to_owned()));
    }
}

#[tokio::test]
async fn names_of_other_sites() {
    let state = Arc::new(State::new(Arc::default(), Vec::new()));
    state.set_phase(Phase::Serving);
    // What tells nothing of the configuration can be read by any name; nothing can be changed by one.
    let table = [
        (Method::GET, "/ready", 200),
        (Method::GET, "/live", 200),
        (Method::GET, "/metrics", 200),
        (Method::GET, "/log_level", 403),
        (Method::PUT, "/log_level", 403),
        (Method::POST, "/drain", 403),
        (Method::GET, "/help", 403),
    ];
    for (method, path, status) in table {
        let (got, text) = ask(&state, &method, path, "evil.test:9901", "debug").await;
        assert_eq!(got, status, "{method} {path}: {text}");
    }
    assert_eq!(state.overrides().borrow().log_level, None);
}

#[tokio::test]
async fn help_lists_every_page() {
    let state = Arc::new(State::new(Arc::default(), Vec::new()));
    let (status, help) = ask(&state, &Method::GET, "/help", "localhost", "").await;
    assert_eq!(status, 200);
    for page in super::pages::PAGES {
        let line = format!("{} {}", page.method, page.path);
        assert!(
            help.lines()
                .any(|listed| listed.starts_with(&line) && listed.ends_with(page.about)),
            "{line} is not in {help}"
        );
    }
}
