//! HTTP callouts: plugins that call, and a driver that answers by a script.
//!
//! A script is a list of events. `rqh` opens a stream and sends its request headers, `end1` finishes stream 1. `1h` is the head of the
//! answer to callout 1, `1b:abc` a piece of its body, `1t` its trailers, `1e` its end, `1f` its failure. `late` is a deadline an hour
//! from now, `down` shuts all plugins down. Callouts and streams are numbered from 1 as they appear.
//!
//! What happens is written the same way: `>1` callout 1 is to be sent, `x1` to be cancelled, `r1` to be read on; `s1=rqh!` an output of
//! stream 1; anything else is what the plugin logs: `R1:2,3,0` a whole answer of callout 1 with 2 headers, 3 bytes and no trailers,
//! `H1:2`, `B1:3`, `B1:3!`, `T1:1` its parts, `=4` a status, `"abc"` a body, `10"reason"` how a callout ended.

mod answers;
mod bounds;

use crate::common::{Bench, request, show};
use proxywasm_host::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Driver {
    bench: Bench,
    calls: Vec<CalloutId>,
    streams: Vec<StreamId>,
    /// For which stream each callout is.
    origins: Vec<Option<CalloutOrigin>>,
    /// Whether each that was cancelled was late.
    late: Vec<bool>,
}

/// The bodies of callbacks, and what is called in them:
/// `$call` (an upstream, a head, a timeout) dispatches, `$await` (a stream) dispatches and remembers for which stream, `$stream` (a
/// callout) says which that was. AUTH, OTHER and NOBODY are upstreams, GET and BAD are heads.
struct Guest {
    start: &'static str,
    request: &'static str,
    /// `None` where the module does not export the callback.
    whole: Option<&'static str>,
    headers: Option<&'static str>,
    body: Option<&'static str>,
    trailers: Option<&'static str>,
}

const FORWARD: &str = "(i32.const 0)";
const PAUSE: &str = "(i32.const 3)";
/// Calls AUTH and lets the request wait for the answer.
const ASK: &str = "(call $await (local.get $ctx)) (i32.const 3)";
const RESUME: &str = "(drop (call $resume_request (call $stream (local.get $id)))) (i32.const 0)";

/// A plugin that wants answers whole.
const WHOLE: Guest = Guest {
    start: "",
    request: FORWARD,
    whole: Some(FORWARD),
    headers: None,
    body: None,
    trailers: None,
};

/// A plugin that wants answers as they come.
const STREAMING: Guest = Guest {
    whole: None,
    headers: Some(FORWARD),
    body: Some(FORWARD),
    trailers: Some(FORWARD),
    ..WHOLE
};

impl Guest {
    fn text(&self) -> String {
        let mut callbacks = String::new();
        let table = [
            (
                "",
                "(param $a i32) (param $b i32) (param $c i32)",
                self.whole,
                "(call $whole (local.get $id) (local.get $a) (local.get $b) (local.get $c))",
            ),
            (
                "_headers",
                "(param $a i32)",
                self.headers,
                "(call $part (i32.const 72) (local.get $id) (local.get $a) (i32.const 0))",
            ),
            (
                "_body",
                "(param $a i32) (param $eos i32)",
                self.body,
                "(call $part (i32.const 66) (local.get $id) (local.get $a) (local.get $eos))",
            ),
            (
                "_trailers",
                "(param $a i32)",
                self.trailers,
                "(call $part (i32.const 84) (local.get $id) (local.get $a) (i32.const 0))",
            ),
        ];
        for (suffix, parameters, body, log) in table {
            if let Some(body) = body {
                callbacks += &format!(
                    r#"(func (export "proxy_on_http_call_response{suffix}") (param $id i32) {parameters} (result i32) {log} {body})"#
                );
            }
        }
        let get = packed(&[
            (":method", "POST"),
            (":path", "/check"),
            (":authority", "auth.test"),
        ]);
        let bad = packed(&[(":method", "POST"), (":authority", "auth.test")]);
        let trailers = packed(&[("t", "1")]);
        format!(
            r#"(module {IMPORTS}
            (memory (export "memory") 1)
            (global $id (mut i32) (i32.const 0))
            {}{}{}{}{}{}{}
            (func (export "proxy_abi_version_2021_04"))
            {LOGGING} {HELPERS}
            (func (export "proxy_on_plugin_start") (param $plugin i32) (param i32) (result i32) {} (i32.const 1))
            (func (export "proxy_on_http_request_headers") (param $ctx i32) (param i32 i32) (result i32) {})
            {callbacks})"#,
            block(16, 600, b"auth"),
            block(24, 610, b"other"),
            block(32, 620, b"nobody"),
            block(40, 700, &get),
            block(48, 900, &bad),
            block(56, 630, b"ping"),
            block(64, 1000, &trailers),
            self.start,
            self.request,
        )
        .replace("AUTH", "(i32.const 16)")
        .replace("OTHER", "(i32.const 24)")
        .replace("NOBODY", "(i32.const 32)")
        .replace("GET", "(i32.const 40)")
        .replace("BAD", "(i32.const 48)")
    }
}

/// Bytes in memory, and an iovec of them.
pub(crate) fn block(iovec: usize, at: usize, bytes: &[u8]) -> String {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("\\{byte:02x}")).collect() };
    let place = [(at as u32).to_le_bytes(), (bytes.len() as u32).to_le_bytes()].concat();
    format!(
        r#"(data (i32.const {iovec}) "{}") (data (i32.const {at}) "{}")"#,
        hex(&place),
        hex(bytes)
    )
}

fn packed(pairs: &[(&str, &str)]) -> Vec<u8> {
    let number = |number: usize| (number as u32).to_le_bytes();
    let mut packed = number(pairs.len()).to_vec();
    for (key, value) in pairs {
        packed.extend([number(key.len()), number(value.len())].concat());
    }
    pairs
        .iter()
        .for_each(|(key, value)| packed.extend([key.as_bytes(), value.as_bytes()].concat()));
    packed
}

const IMPORTS: &str = r#"
    (import "wasi-log" "log" (func $log (param i32 i32 i32) (result i32)))
    (import "wasi-common" "get_buffer" (func $get_buffer (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi-common" "set_buffer" (func $set_buffer (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi-common" "get_map_values" (func $get_map (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi-http" "resume_http_request" (func $resume_request (param i32) (result i32)))
    (import "wasi-http" "send_http_response" (func $send (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi-http" "dispatch_http_call" (func $dispatch (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi-http" "close_http_call" (func $close_call (param i32) (result i32)))
    (import "wasi-http" "resume_http_call" (func $resume_call (param i32) (result i32)))
    (import "wasi-http" "get_callout_status" (func $get_status (param i32 i32 i32 i32 i32) (result i32)))
"#;

/// Text for the log: `$print` takes its end, and it begins at 128; `$say` logs a number behind `=`. 96 is the iovec of a line.
pub(crate) const LOGGING: &str = r#"
    (func $digits (param $at i32) (param $value i32) (result i32)
        (if (i32.ge_u (local.get $value) (i32.const 10))
            (then (local.set $at (call $digits (local.get $at) (i32.div_u (local.get $value) (i32.const 10))))))
        (call $char (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $value) (i32.const 10)))))
    (func $char (param $at i32) (param $char i32) (result i32)
        (i32.store8 (local.get $at) (local.get $char))
        (i32.add (local.get $at) (i32.const 1)))
    (func $print (param $end i32)
        (i32.store (i32.const 96) (i32.const 128))
        (i32.store (i32.const 100) (i32.sub (local.get $end) (i32.const 128)))
        (drop (call $log (i32.const 2) (i32.const 96) (i32.const 1))))
    (func $say (param $number i32)
        (call $print (call $digits (call $char (i32.const 128) (i32.const 61)) (local.get $number))))
"#;

/// 80: an id that is returned, 84: a size, 88: a code; 104: an iovec of 1 KiB at 2048; from 8192 on
/// the streams of callouts.
const HELPERS: &str = r#"
    (data (i32.const 104) "\00\08\00\00\00\04\00\00")
    (func $whole (param $id i32) (param $a i32) (param $b i32) (param $c i32) (local $at i32)
        (local.set $at (call $char (call $digits (call $char (i32.const 128) (i32.const 82)) (local.get $id)) (i32.const 58)))
        (local.set $at (call $char (call $digits (local.get $at) (local.get $a)) (i32.const 44)))
        (local.set $at (call $char (call $digits (local.get $at) (local.get $b)) (i32.const 44)))
        (call $print (call $digits (local.get $at) (local.get $c))))
    (func $part (param $letter i32) (param $id i32) (param $a i32) (param $eos i32) (local $at i32)
        (local.set $at (call $digits (call $char (i32.const 128) (local.get $letter)) (local.get $id)))
        (local.set $at (call $digits (call $char (local.get $at) (i32.const 58)) (local.get $a)))
        (if (local.get $eos) (then (local.set $at (call $char (local.get $at) (i32.const 33)))))
        (call $print (local.get $at)))
    ;; Logs the text of a size at 2048, in quotes, behind a number if it is not negative.
    (func $quote (param $number i32) (param $size i32) (local $at i32)
        (local.set $at (i32.const 128))
        (if (i32.ge_s (local.get $number) (i32.const 0))
            (then (local.set $at (call $digits (local.get $at) (local.get $number)))))
        (local.set $at (call $char (local.get $at) (i32.const 34)))
        (memory.copy (local.get $at) (i32.const 2048) (local.get $size))
        (call $print (call $char (i32.add (local.get $at) (local.get $size)) (i32.const 34))))
    (func $read_body (param $id i32) (local $status i32)
        (local.set $status (call $get_buffer (local.get $id) (i32.const 5) (i32.const 0) (i32.const -1)
            (i32.const 104) (i32.const 1) (i32.const 84)))
        (if (local.get $status)
            (then (call $say (local.get $status)))
            (else (call $quote (i32.const -1) (i32.load (i32.const 84))))))
    (func $read_status (param $id i32) (local $status i32)
        (local.set $status
            (call $get_status (local.get $id) (i32.const 88) (i32.const 104) (i32.const 1) (i32.const 84)))
        (if (local.get $status)
            (then (call $say (local.get $status)))
            (else (call $quote (i32.load (i32.const 88)) (i32.load (i32.const 84))))))
    (func $call (param $upstream i32) (param $head i32) (param $timeout i32) (local $status i32)
        (local.set $status (call $dispatch (local.get $upstream) (i32.const 1) (local.get $head) (i32.const 1)
            (i32.const 56) (i32.const 1) (i32.const 64) (i32.const 1) (local.get $timeout) (i32.const 80)))
        (if (local.get $status)
            (then (call $say (local.get $status)))
            (else (global.set $id (i32.load (i32.const 80))))))
    (func $place (param $id i32) (result i32) (i32.add (i32.const 8192) (i32.shl (local.get $id) (i32.const 2))))
    (func $await (param $ctx i32)
        (call $call AUTH GET (i32.const 0))
        (i32.store (call $place (global.get $id)) (local.get $ctx)))
    (func $stream (param $id i32) (result i32) (i32.load (call $place (local.get $id))))
    (func $respond (param $ctx i32)
        (call $say (call $send (local.get $ctx) (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const -1))))
"#;

impl Driver {
    fn new(guest: &Guest) -> Self {
        Self::with(&[guest], |_| ())
    }

    fn with(guests: &[&Guest], change: impl Fn(&mut PluginConfig)) -> Self {
        let engine = Engine::new(EngineSettings::default()).unwrap();
        let log = Arc::new(MemorySink::default());
        let services = Services {
            upstreams: Arc::new(BTreeSet::from(["auth".to_owned(), "other".to_owned()])),
            ..Services::from(Arc::clone(&log))
        };
        let plugins = guests.iter().enumerate().map(|(index, guest)| {
            let mut config = PluginConfig::new(format!("p{index}"));
            config.permissions.upstreams = ["auth", "nobody"].into_iter().collect();
            change(&mut config);
            let code = engine.load(&wat::parse_str(guest.text()).unwrap()).unwrap();
            Plugin::new(&engine, code, config, &services).unwrap()
        });
        let chain = FilterChain::new(plugins.collect());
        log.take();
        let bench = Bench {
            engine,
            host: Host::new(services),
            chain,
            log,
        };
        Self {
            bench,
            calls: Vec::new(),
            streams: Vec::new(),
            origins: Vec::new(),
            late: Vec::new(),
        }
    }

    /// Runs a script and returns what happens.
    fn run(&mut self, script: &str) -> String {
        let mut seen = Vec::new();
        for event in script.split_whitespace() {
            self.event(event);
            self.collect(&mut seen);
        }
        seen.join(" ")
    }

    fn event(&mut self, event: &str) {
        let host = &mut self.bench.host;
        match event {
            "rqh" => {
                let id = host.open(&self.bench.chain, None);
                self.streams.push(id);
                host.request_headers(id, request(), true);
            }
            "late" => host.handle_deadline(Instant::now() + Duration::from_secs(3600)),
            "down" => host.shut_all_down(),
            event if event.starts_with("end") => {
                let number: usize = event["end".len()..].parse().unwrap();
                host.finish(self.streams[number - 1]);
            }
            event => {
                let at = event.find(|c: char| !c.is_ascii_digit()).unwrap();
                let number: usize = event[..at].parse().unwrap();
                host.http_call_event(self.calls[number - 1], answer(&event[at..]));
            }
        }
    }

    fn collect(&mut self, seen: &mut Vec<String>) {
        seen.extend(self.bench.log.take().into_iter().map(|(_, message)| message));
        while let Some(command) = self.bench.host.next_command() {
            seen.push(match command {
                Command::HttpCall { id, request, origin } => {
                    self.origins.push(origin);
                    assert!(!self.calls.contains(&id), "an id names one callout");
                    assert_eq!(request.body, "ping");
                    self.calls.push(id);
                    format!(">{}", self.calls.len())
                }
                Command::CancelCall { id, late } => {
                    self.late.push(late);
                    format!("x{}", self.number(id))
                }
                Command::ReadCall(id) => format!("r{}", self.number(id)),
                other => panic!("{other:?}"),
            });
        }
        while self.bench.host.next_ready().is_some() {}
        for (index, id) in self.streams.iter().enumerate() {
            while let Some(output) = self.bench.host.next_output(*id) {
                seen.push(format!("s{}={}", index + 1, show(&output)));
            }
        }
    }

    fn number(&self, id: CalloutId) -> usize {
        self.calls.iter().position(|of| *of == id).unwrap() + 1
    }

    fn wants(&mut self, number: usize) -> bool {
        self.bench.host.wants_call(self.calls[number - 1])
    }
}

fn answer(event: &str) -> CallEvent {
    match event.split_once(':').unwrap_or((event, "")) {
        ("h", _) => CallEvent::Headers([(":status", "200"), ("a", "b")].into_iter().collect()),
        ("b", data) => CallEvent::Body(data.to_owned().into()),
        ("t", _) => CallEvent::Trailers([("t", "1")].into_iter().collect()),
        ("e", _) => CallEvent::End,
        ("f", _) => CallEvent::Failed("refused".to_owned()),
        other => panic!("no event is called {other:?}"),
    }
}
