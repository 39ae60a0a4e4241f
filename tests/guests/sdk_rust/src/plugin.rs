//! What the plugin does, for both versions of the crate; they differ in what `lib.rs` has.

use std::rc::Rc;
use std::time::Duration;

use log::{error, info};
use proxy_wasm::hostcalls::{define_metric, increment_metric};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, Bytes, MetricType, Status};
use std::cell::Cell;

const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// A compare-and-swap value that no key comes to have: a condition that only a key fulfils that does not exist.
const NEVER: u32 = u32::MAX;

/// What the configuration says, and what this instance has.
pub(crate) struct Plugin {
    name: String,
    pub(crate) period: Duration,
    upstream: String,
    requests: u32,
    pub(crate) ticks: u32,
    seen: Cell<usize>,
}

impl Plugin {
    pub(crate) fn configure(configuration: Option<Bytes>) -> Option<Self> {
        let configuration = configuration.unwrap_or_default();
        let text = String::from_utf8_lossy(&configuration);
        let parsed = Self::parse(&text);
        match &parsed {
            Some(plugin) => info!("configured as {}", plugin.name),
            None => error!("the configuration `{text}` is not `NAME MILLISECONDS UPSTREAM`"),
        }
        parsed
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let (name, period, upstream) = (words.next()?, words.next()?, words.next()?);
        let period: u32 = period.parse().ok()?;
        if words.next().is_some() {
            return None;
        }
        Some(Self {
            name: name.to_owned(),
            period: Duration::from_millis(period.into()),
            upstream: upstream.to_owned(),
            requests: define_metric(MetricType::Counter, "requests").ok()?,
            ticks: define_metric(MetricType::Counter, "ticks").ok()?,
            seen: Cell::new(0),
        })
    }
}

/// Adds to a metric. A counter that was defined takes that.
pub(crate) fn add_one(counter: u32) {
    if let Err(status) = increment_metric(counter, 1) {
        error!("a counter: {status:?}");
    }
}

/// Adds one to a number in the shared data.
pub(crate) fn increment(context: &dyn Context, key: &str) -> u64 {
    loop {
        let (value, cas) = context.get_shared_data(key);
        let next = number(value).unwrap_or(0) + 1;
        // Without a condition, the first write could overwrite one that another worker makes meanwhile.
        let cas = cas.unwrap_or(NEVER);
        match context.set_shared_data(key, Some(next.to_string().as_bytes()), Some(cas)) {
            Err(Status::CasMismatch) => {}
            _ => return next,
        }
    }
}

fn number(value: Option<Bytes>) -> Option<u64> {
    String::from_utf8(value?).ok()?.parse().ok()
}

/// The value of a header. Calls are made with text, and a header need not be text.
fn text(value: Option<Bytes>) -> String {
    String::from_utf8_lossy(&value.unwrap_or_default()).into_owned()
}

/// A request.
pub(crate) struct Request {
    plugin: Rc<Plugin>,
    /// Whether both bodies are replaced.
    replaces_bodies: bool,
    /// What the shared data under `x-count` says.
    count: Option<u64>,
}

impl Request {
    pub(crate) fn new(plugin: &Rc<Plugin>) -> Self {
        Self {
            plugin: Rc::clone(plugin),
            replaces_bodies: false,
            count: None,
        }
    }

    pub(crate) fn request_headers(&mut self) -> Action {
        let plugin = Rc::clone(&self.plugin);
        plugin.seen.set(plugin.seen.get() + 1);
        add_one(plugin.requests);
        let headers = self.get_http_request_headers_bytes();
        let values = headers.iter().filter(|(name, _)| name == "x-value").count();
        self.set_http_request_header("x-values", Some(&values.to_string()));
        self.add_http_request_header("x-sdk", &plugin.name);
        self.set_http_request_header("x-remove-me", None);
        if self.get_http_request_header_bytes("x-replace-me").is_some() {
            self.set_http_request_header("x-replace-me", Some("replaced"));
        }
        if self.get_http_request_header_bytes("x-body").as_deref() == Some(b"replace") {
            self.replaces_bodies = true;
            self.set_http_request_header("content-length", None);
        }
        if let Some(key) = self.get_http_request_header_bytes("x-count") {
            self.count = Some(increment(self, &text(Some(key))));
        }
        if self.get_http_request_header_bytes("x-trap").as_deref() == Some(plugin.name.as_bytes()) {
            panic!("trapped as asked");
        }
        if let Some(code) = self.get_http_request_header_bytes("x-local") {
            let code = text(Some(code)).parse().unwrap_or(500);
            let body = format!("answered by {}\n", plugin.name);
            self.send_http_response(code, vec![("x-local", &plugin.name)], Some(body.as_bytes()));
            return Action::Pause;
        }
        match self.get_http_request_header_bytes("x-call") {
            Some(path) => self.call(&text(Some(path))),
            None => Action::Continue,
        }
    }

    fn call(&self, path: &str) -> Action {
        let upstream = match self.get_http_request_header_bytes("x-upstream") {
            Some(other) => text(Some(other)),
            None => self.plugin.upstream.clone(),
        };
        let headers = vec![(":method", "GET"), (":path", path), (":authority", &upstream)];
        if self
            .dispatch_http_call(&upstream, headers, None, vec![], CALL_TIMEOUT)
            .is_err()
        {
            self.fail("not sent");
        }
        Action::Pause
    }

    fn fail(&self, reason: &str) {
        self.send_http_response(503, vec![("x-call-failure", reason)], None);
    }

    pub(crate) fn call_response(&self, headers: usize, body_size: usize) {
        if headers == 0 {
            return self.fail("no answer");
        }
        let status_code = text(self.get_http_call_response_header_bytes(":status"));
        let body = text(self.get_http_call_response_body(0, body_size));
        self.set_http_request_header("x-call-status", Some(&status_code));
        self.set_http_request_header("x-call-body", Some(&body));
        self.resume_http_request();
    }

    pub(crate) fn request_body(&self, size: usize, end_of_stream: bool) -> Action {
        match self.holds(end_of_stream) {
            Some(action) => action,
            None => {
                let body = self.get_http_request_body(0, size).unwrap_or_default();
                let changed = [b"<", body.to_ascii_uppercase().as_slice(), b">"].concat();
                self.set_http_request_body(0, size, &changed);
                Action::Continue
            }
        }
    }

    pub(crate) fn response_headers(&self) -> Action {
        self.add_http_response_header("x-sdk", &self.plugin.name);
        let seen = self.plugin.seen.get().to_string();
        self.set_http_response_header("x-seen", Some(&seen));
        let ticks = text(self.get_shared_data("ticks").0);
        self.set_http_response_header("x-ticks", Some(&ticks));
        if let Some(count) = self.count {
            self.set_http_response_header("x-count", Some(&count.to_string()));
        }
        self.set_http_response_header("server-secret", None);
        if self.replaces_bodies {
            self.set_http_response_header("content-length", None);
        }
        Action::Continue
    }

    pub(crate) fn response_body(&self, size: usize, end_of_stream: bool) -> Action {
        match self.holds(end_of_stream) {
            Some(action) => action,
            None => {
                let body = self.get_http_response_body(0, size).unwrap_or_default();
                let changed = [format!("{} bytes: ", body.len()).as_bytes(), &body].concat();
                self.set_http_response_body(0, size, &changed);
                Action::Continue
            }
        }
    }

    /// What is to be done with a body; `None` if it is whole and to be replaced.
    fn holds(&self, end_of_stream: bool) -> Option<Action> {
        match (self.replaces_bodies, end_of_stream) {
            (false, _) => Some(Action::Continue),
            (true, false) => Some(Action::Pause),
            (true, true) => None,
        }
    }

    pub(crate) fn log(&self) {
        let method = text(self.get_http_request_header_bytes(":method"));
        let path = text(self.get_http_request_header_bytes(":path"));
        let status_code = text(self.get_http_response_header_bytes(":status"));
        info!("{method} {path}: {status_code}");
    }
}
