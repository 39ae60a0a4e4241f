//! A host with plugins written in the text format, driven by scripts.
//!
//! A script is a list of events, and what comes out is written the same way: `rqh` request headers, `rqb:abc` a piece of the request
//! body, `rqt` trailers, `rqm` metadata; `rsh`, `rsb:abc`, `rst`, `rsm` the same of the response. A `!` at the end is end of stream. A
//! local response shows its status (`rsh:403`). `abandoned` is [`Output::UpstreamAbandoned`], `reset:Closed` is a reset.
//!
//! Of a byte stream: `con` a new connection, `dnd:abc` data from the downstream, `dnc` the downstream has closed, `upd` and `upc` the same of the
//! upstream; what comes out is `connect`, `up:abc` data for the upstream, `closeup`, `down:abc` and `closedown`.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use proxywasm_host::*;
use std::sync::Arc;

/// A host, a chain and the log of its plugins.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) host: Host,
    pub(crate) chain: FilterChain,
    pub(crate) log: Arc<MemorySink>,
}

impl Bench {
    /// A chain of plugins from the text format.
    pub(crate) fn new(guests: &[String]) -> Self {
        Self::with(guests, |_| ())
    }

    /// The same, with changed configurations.
    pub(crate) fn with(guests: &[String], change: impl Fn(&mut PluginConfig)) -> Self {
        let modules: Vec<Vec<u8>> = guests
            .iter()
            .map(|guest| wat::parse_str(guest).unwrap())
            .collect();
        Self::of_modules(&modules, change)
    }

    /// A chain of compiled plugins.
    pub(crate) fn of_modules(modules: &[Vec<u8>], change: impl Fn(&mut PluginConfig)) -> Self {
        let engine = Engine::new(EngineSettings::default()).unwrap();
        let log = Arc::new(MemorySink::default());
        let services = Services::from(Arc::clone(&log));
        let plugins = modules.iter().enumerate().map(|(index, module)| {
            let mut config = PluginConfig::new(format!("p{index}"));
            config.log_level = LogLevel::Trace;
            change(&mut config);
            Plugin::new(&engine, engine.load(module).unwrap(), config, &services).unwrap()
        });
        let chain = FilterChain::new(plugins.collect());
        log.take();
        Self {
            host: Host::new(services),
            chain,
            log,
            engine,
        }
    }

    pub(crate) fn open(&mut self) -> StreamId {
        self.host.open(&self.chain, None)
    }

    pub(crate) fn open_bytestream(&mut self) -> StreamId {
        self.host.open_bytestream(&self.chain, None)
    }

    /// Opens a byte stream, runs a script on it and finishes it; returns what came out and what plugins logged.
    pub(crate) fn run_bytestream(&mut self, script: &str) -> (String, String) {
        let id = self.open_bytestream();
        let out = self.feed(id, script);
        self.host.finish(id);
        (out, self.trace())
    }

    /// Opens a stream, runs a script on it and finishes it; returns what came out and what plugins logged.
    pub(crate) fn run(&mut self, script: &str) -> (String, String) {
        let id = self.open();
        let out = self.feed(id, script);
        self.host.finish(id);
        (out, self.trace())
    }

    /// Runs a script on a stream and returns what came out.
    pub(crate) fn feed(&mut self, id: StreamId, script: &str) -> String {
        let mut out = Vec::new();
        out.extend(self.outputs(id));
        for event in script.split_whitespace() {
            self.event(id, event);
            out.extend(self.outputs(id));
        }
        out.join(" ")
    }

    fn event(&mut self, id: StreamId, event: &str) {
        let (event, eos) = match event.strip_suffix('!') {
            Some(event) => (event, true),
            None => (event, false),
        };
        let (kind, data) = event.split_once(':').unwrap_or((event, ""));
        let data = Bytes::copy_from_slice(data.as_bytes());
        match kind {
            "rqh" => self.host.request_headers(id, request(), eos),
            "rqb" => self.host.request_body(id, data, eos),
            "rqt" => self.host.request_trailers(id, trailers()),
            "rqm" => self.host.request_metadata(id, [("m", "1")].into_iter().collect()),
            "rsh" => self.host.response_headers(id, response(), eos),
            "rsb" => self.host.response_body(id, data, eos),
            "rst" => self.host.response_trailers(id, trailers()),
            "rsm" => self
                .host
                .response_metadata(id, [("m", "1")].into_iter().collect()),
            "con" => self.host.new_connection(id),
            "dnd" => self.host.downstream_data(id, data, eos),
            "upd" => self.host.upstream_data(id, data, eos),
            "dnc" => self.host.downstream_closed(id, CloseSource::Remote),
            "upc" => self.host.upstream_closed(id, CloseSource::Remote),
            "failed" => self.host.upstream_failed(id, 502, "upstream"),
            other => panic!("no event is called {other}"),
        }
    }

    /// What has come out of a stream.
    pub(crate) fn outputs(&mut self, id: StreamId) -> Vec<String> {
        let mut out = Vec::new();
        while let Some(output) = self.host.next_output(id) {
            out.push(show(&output));
        }
        out
    }

    /// What plugins have logged.
    pub(crate) fn trace(&self) -> String {
        self.log
            .take()
            .into_iter()
            .map(|(_, message)| message)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

pub(crate) fn request() -> http::request::Parts {
    let builder = Request::get("/path?query")
        .header("host", "example.test")
        .header("x", "1");
    builder.body(()).unwrap().into_parts().0
}

pub(crate) fn response() -> http::response::Parts {
    Response::builder()
        .status(200)
        .header("y", "2")
        .body(())
        .unwrap()
        .into_parts()
        .0
}

fn trailers() -> HeaderMap {
    [("t".parse().unwrap(), "3".parse().unwrap())]
        .into_iter()
        .collect()
}

/// One output in the notation of scripts.
pub(crate) fn show(output: &Output) -> String {
    let end = |eos: &bool| if *eos { "!" } else { "" };
    let body = |data: &Bytes| match data.is_empty() {
        true => String::new(),
        false => format!(":{}", String::from_utf8_lossy(data)),
    };
    match output {
        Output::RequestHeaders { end_of_stream, .. } => format!("rqh{}", end(end_of_stream)),
        Output::RequestBody { data, end_of_stream } => format!("rqb{}{}", body(data), end(end_of_stream)),
        Output::RequestTrailers(_) => "rqt".to_owned(),
        Output::RequestMetadata(_) => "rqm".to_owned(),
        Output::ResponseHeaders { head, end_of_stream } => match head.status.as_u16() {
            200 => format!("rsh{}", end(end_of_stream)),
            status => format!("rsh:{status}{}", end(end_of_stream)),
        },
        Output::ResponseBody { data, end_of_stream } => format!("rsb{}{}", body(data), end(end_of_stream)),
        Output::ResponseTrailers(_) => "rst".to_owned(),
        Output::ResponseMetadata(_) => "rsm".to_owned(),
        Output::ConnectUpstream => "connect".to_owned(),
        Output::UpstreamData { data, end_of_stream } => format!("up{}{}", body(data), end(end_of_stream)),
        Output::DownstreamData { data, end_of_stream } => {
            format!("down{}{}", body(data), end(end_of_stream))
        }
        Output::CloseUpstream => "closeup".to_owned(),
        Output::CloseDownstream => "closedown".to_owned(),
        Output::UpstreamAbandoned => "abandoned".to_owned(),
        Output::Reset(reason) => format!("reset:{reason:?}"),
    }
}

/// The callbacks of a stream by the names scripts use, with their parameters.
const CALLBACKS: [(&str, &str, &str); 13] = [
    (
        "rqh",
        "proxy_on_http_request_headers",
        "(param $ctx i32) (param $size i32) (param $eos i32)",
    ),
    (
        "rqb",
        "proxy_on_http_request_body",
        "(param $ctx i32) (param $size i32) (param $eos i32)",
    ),
    (
        "rqt",
        "proxy_on_http_request_trailers",
        "(param $ctx i32) (param $size i32)",
    ),
    (
        "rqm",
        "proxy_on_http_request_metadata",
        "(param $ctx i32) (param $size i32)",
    ),
    (
        "rsh",
        "proxy_on_http_response_headers",
        "(param $ctx i32) (param $size i32) (param $eos i32)",
    ),
    (
        "rsb",
        "proxy_on_http_response_body",
        "(param $ctx i32) (param $size i32) (param $eos i32)",
    ),
    (
        "rst",
        "proxy_on_http_response_trailers",
        "(param $ctx i32) (param $size i32)",
    ),
    (
        "rsm",
        "proxy_on_http_response_metadata",
        "(param $ctx i32) (param $size i32)",
    ),
    ("con", "proxy_on_new_connection", "(param $ctx i32)"),
    (
        "dnd",
        "proxy_on_downstream_data",
        "(param $ctx i32) (param $size i32) (param $eos i32)",
    ),
    (
        "upd",
        "proxy_on_upstream_data",
        "(param $ctx i32) (param $size i32) (param $eos i32)",
    ),
    (
        "dnc",
        "proxy_on_downstream_close",
        "(param $ctx i32) (param $source i32)",
    ),
    (
        "upc",
        "proxy_on_upstream_close",
        "(param $ctx i32) (param $source i32)",
    ),
];

/// A plugin of the component ABI that exports the callbacks that `bodies` names, each with an expression for what it returns. Every
/// callback logs its name, those of bodies and data their size and end-of-stream flag, those of closing the source. `extra` is added to the module.
///
/// In expressions, FORWARD, END, DONE, PAUSE, MORE, FULL and CLOSE are the actions; `$resume_request`, `$resume_response`,
/// `$close_request`, `$respond` (403 "no"), `$resume_downstream`, `$resume_upstream`, `$close_downstream`, `$close_upstream` and `$say` (logs a number) can be
/// called.
pub(crate) fn component(bodies: &[(&str, &str)], extra: &str) -> String {
    let mut callbacks = String::new();
    for (index, (short, name, parameters)) in CALLBACKS.iter().enumerate() {
        let Some((_, body)) = bodies.iter().find(|(of, _)| of == short) else {
            continue;
        };
        let log = match *short {
            "rqb" | "rsb" | "dnd" | "upd" => {
                format!("(call $trace (i32.const {index}) (local.get $size) (local.get $eos))")
            }
            "rqh" | "rsh" => format!("(call $trace (i32.const {index}) (i32.const -1) (local.get $eos))"),
            "dnc" | "upc" => format!("(call $trace (i32.const {index}) (local.get $source) (i32.const 0))"),
            _ => format!("(call $trace (i32.const {index}) (i32.const -1) (i32.const 0))"),
        };
        let result = if matches!(*short, "dnc" | "upc") {
            ""
        } else {
            "(result i32)"
        };
        callbacks.push_str(&format!(
            r#"(func (export "{name}") {parameters} {result} {log} {body})"#
        ));
    }
    let text = format!("{PRELUDE} {callbacks} {extra})");
    let actions = ["FORWARD", "END", "DONE", "PAUSE", "MORE", "FULL", "CLOSE"];
    actions.iter().enumerate().fold(text, |text, (number, name)| {
        let word = format!("{name}_");
        text.replace(&word, &format!("(i32.const {number})"))
    })
}

/// `$trace` logs `rqb5!` for callback 1, size 5, end of stream; a negative size is not shown.
const PRELUDE: &str = r#"(module
    (import "wasi-log" "log" (func $log (param i32 i32 i32) (result i32)))
    (import "wasi-http" "resume_http_request" (func $resume_request (param i32) (result i32)))
    (import "wasi-http" "resume_http_response" (func $resume_response (param i32) (result i32)))
    (import "wasi-http" "close_http_request" (func $close_request (param i32) (result i32)))
    (import "wasi-http" "close_http_response" (func $close_response (param i32) (result i32)))
    (import "wasi-http" "send_http_response" (func $send (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi-bytestream" "resume_downstream" (func $resume_downstream (param i32) (result i32)))
    (import "wasi-bytestream" "resume_upstream" (func $resume_upstream (param i32) (result i32)))
    (import "wasi-bytestream" "close_downstream" (func $close_downstream (param i32) (result i32)))
    (import "wasi-bytestream" "close_upstream" (func $close_upstream (param i32) (result i32)))
    (import "wasi-common" "get_buffer" (func $get_buffer (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi-common" "set_buffer" (func $set_buffer (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi-common" "get_map_values" (func $get_map (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi-common" "set_map_values" (func $set_map (param i32 i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 2)
    (global $other (mut i32) (i32.const 0))
    (data (i32.const 0) "rqhrqbrqtrqmrshrsbrstrsmcondndupddncupc")
    ;; 64: an iovec of 2 bytes at 80, which are "no"; 96: an iovec for the log
    (data (i32.const 64) "\50\00\00\00\02\00\00\00")
    (data (i32.const 80) "no")
    (func (export "proxy_abi_version_2021_04"))
    (func $digits (param $at i32) (param $value i32) (result i32)
        (if (i32.ge_u (local.get $value) (i32.const 10))
            (then (local.set $at (call $digits (local.get $at) (i32.div_u (local.get $value) (i32.const 10))))))
        (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $value) (i32.const 10))))
        (i32.add (local.get $at) (i32.const 1)))
    (func $print (param $end i32)
        (i32.store (i32.const 96) (i32.const 128))
        (i32.store (i32.const 100) (i32.sub (local.get $end) (i32.const 128)))
        (drop (call $log (i32.const 2) (i32.const 96) (i32.const 1))))
    (func $trace (param $callback i32) (param $size i32) (param $eos i32)
        (local $at i32)
        (memory.copy (i32.const 128) (i32.mul (local.get $callback) (i32.const 3)) (i32.const 3))
        (local.set $at (i32.const 131))
        (if (i32.ge_s (local.get $size) (i32.const 0))
            (then (local.set $at (call $digits (local.get $at) (local.get $size)))))
        (if (local.get $eos)
            (then (i32.store8 (local.get $at) (i32.const 33)) (local.set $at (i32.add (local.get $at) (i32.const 1)))))
        (call $print (local.get $at)))
    (func $say (param $number i32)
        (i32.store8 (i32.const 128) (i32.const 61))
        (call $print (call $digits (i32.const 129) (local.get $number))))
    (func $respond (param $ctx i32) (result i32)
        (call $send (local.get $ctx) (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 64) (i32.const 1) (i32.const -1)))
"#;
