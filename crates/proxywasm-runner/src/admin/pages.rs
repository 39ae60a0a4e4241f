//! What the admin address answers.

use super::{Metrics, Overrides};
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full, Limited};
use proxywasm_host::{LogLevel, METRICS_CONTENT_TYPE};
use tokio::sync::watch;

/// What is behind the paths.
pub(super) struct Pages {
    overrides: watch::Sender<Overrides>,
    metrics: Metrics,
}

type Answer = Response<Full<Bytes>>;

/// Bytes of a request's body that are read.
const MAX_BODY: usize = 1024;

/// The levels by name, as configuration files have them.
const LEVELS: [(&str, LogLevel); 6] = [
    ("trace", LogLevel::Trace),
    ("debug", LogLevel::Debug),
    ("info", LogLevel::Info),
    ("warn", LogLevel::Warn),
    ("error", LogLevel::Error),
    ("critical", LogLevel::Critical),
];

// === impl Pages ===

impl Pages {
    pub(super) fn new(overrides: watch::Sender<Overrides>, metrics: Metrics) -> Self {
        Self { overrides, metrics }
    }

    pub(super) async fn answer<B>(&self, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let (head, body) = request.into_parts();
        match (head.uri.path(), &head.method) {
            ("/log_level", &Method::GET | &Method::HEAD) => self.log_level(),
            ("/log_level", &Method::PUT) => match Limited::new(body, MAX_BODY).collect().await {
                Ok(body) => self.set_log_level(&body.to_bytes()),
                Err(_) => text(StatusCode::BAD_REQUEST, "the body cannot be read\n"),
            },
            ("/log_level", _) => not_allowed("GET, PUT"),
            ("/metrics", &Method::GET | &Method::HEAD) => {
                let mut page = text(StatusCode::OK, self.metrics.render());
                let content_type = HeaderValue::from_static(METRICS_CONTENT_TYPE);
                page.headers_mut().insert(CONTENT_TYPE, content_type);
                page
            }
            ("/metrics", _) => not_allowed("GET"),
            _ => text(StatusCode::NOT_FOUND, "there are /log_level and /metrics\n"),
        }
    }

    fn log_level(&self) -> Answer {
        let name = self.overrides.borrow().log_level.map_or("as configured", name_of);
        text(StatusCode::OK, format!("{name}\n"))
    }

    fn set_log_level(&self, body: &[u8]) -> Answer {
        let asked = body.trim_ascii();
        let level = LEVELS
            .iter()
            .find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(asked));
        let Some((name, level)) = level else {
            let names = LEVELS.map(|(name, _)| name).join(", ");
            return text(
                StatusCode::BAD_REQUEST,
                format!("the body has to be one of {names}\n"),
            );
        };
        crate::log::set_plugin_level(*level);
        self.overrides
            .send_modify(|overrides| overrides.log_level = Some(*level));
        text(StatusCode::OK, format!("{name}\n"))
    }
}

fn name_of(level: LogLevel) -> &'static str {
    let known = LEVELS.iter().find(|(_, of)| *of == level);
    known.map_or("", |(name, _)| name)
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = status;
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

fn not_allowed(methods: &'static str) -> Answer {
    let mut answer = text(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("this path takes {methods}\n"),
    );
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(methods));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::Remote;
    use proxywasm_host::MetricRegistry;
    use std::sync::Arc;

    struct Gauge;

    impl Remote for Gauge {
        fn write_metrics(&self, page: &mut String) {
            page.push_str("remote 7\n");
        }

        fn wait_until_up(&self) {}

        fn flush(&self) {}
    }

    #[tokio::test]
    async fn answers() {
        let (overrides, changes) = watch::channel(Overrides::default());
        let plugins = Arc::new(MetricRegistry::default());
        let hits = plugins.get_or_create(&"p".into(), b"hits", wasi_common::MetricType::Counter);
        hits.unwrap().increment(3).unwrap();
        let metrics = Metrics {
            plugins,
            remotes: vec![Arc::new(Gauge)],
        };
        let pages = Pages::new(overrides, metrics);
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
            (Method::GET, "/", "", 404, "there are /log_level and /metrics\n"),
            (
                Method::GET,
                "/metrics",
                "",
                200,
                "# HELP plugin_p_hits hits of p\n# TYPE plugin_p_hits counter\nplugin_p_hits 3\nremote 7\n",
            ),
            (Method::POST, "/metrics", "", 405, "this path takes GET\n"),
        ];
        for (method, path, body, status, expected) in table {
            let request = Request::builder().method(method).uri(*path);
            let request = request.body(Full::new(Bytes::from((*body).to_owned()))).unwrap();
            let answer = pages.answer(request).await;
            assert_eq!(answer.status().as_u16(), *status, "{method} {path} {body}");
            let text = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(text, *expected, "{method} {path} {body}");
        }
        assert_eq!(changes.borrow().log_level, Some(LogLevel::Debug));
    }
}
