//! HTTP callouts: plugins that call, and a driver that answers by a script.
//!
//! A script is a list of events. `rqh` opens a stream and sends its request headers, `end1` finishes stream 1. `1h` is the head of the
//! answer to callout 1, `1b:abc` a piece of its body, `1t` its trailers, `1e` its end, `1f` its failure. `late` is a deadline an hour
//! from now, `down` shuts all plugins down. Callouts and streams are numbered from 1 as they appear.
//!
//! What happens is written the same way: `>1` callout 1 is to be sent, `x1` to be cancelled, `r1` to be read on; `s1=rqh!` an output of
//! stream 1; anything else is what the plugin logs: `R1:2,3,0` a whole answer of callout 1 with 2 headers, 3 bytes and no trailers,
//! `H1:2`, `B1:3`, `B1:3!`, `T1:1` its parts, `=4` a status, `"abc"` a body, `10"reason"` how a callout ended.

use crate::common::{Bench, request, show};
use proxywasm_host::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Driver {
    bench: Bench,
    calls: Vec<CalloutId>,
    streams: Vec<StreamId>,
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
                Command::HttpCall { id, request } => {
                    assert!(!self.calls.contains(&id), "an id names one callout");
                    assert_eq!(request.body, "ping");
                    self.calls.push(id);
                    format!(">{}", self.calls.len())
                }
                Command::CancelCall(id) => format!("x{}", self.number(id)),
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

#[test]
fn answers() {
    let table: &[(&str, Guest, &str, &str)] = &[
        (
            "a whole answer resumes the request",
            Guest {
                request: ASK,
                whole: Some(
                    "(call $read_body (local.get $id)) (call $read_status (local.get $id)) \
                    (drop (call $resume_request (call $stream (local.get $id)))) (i32.const 0)",
                ),
                ..WHOLE
            },
            "rqh 1h 1b:ab 1b:c 1t 1e",
            r#">1 R1:2,3,1 "abc" 0"" s1=rqh!"#,
        ),
        (
            "a failure is told with its reason",
            Guest {
                request: ASK,
                whole: Some(
                    "(call $read_body (local.get $id)) (call $read_status (local.get $id)) \
                    (call $respond (call $stream (local.get $id))) (i32.const 0)",
                ),
                ..WHOLE
            },
            "rqh 1h 1b:ab 1f",
            r#">1 R1:0,0,0 =6 10"refused" =0 s1=abandoned s1=rsh:403!"#,
        ),
        (
            "no callback for answers: they are dropped",
            Guest {
                request: "(call $call AUTH GET (i32.const 0)) (i32.const 0)",
                whole: None,
                ..WHOLE
            },
            "rqh 1h 1b:ab 1e 1e",
            ">1 s1=rqh!",
        ),
        (
            "an answer as it comes",
            Guest {
                request: ASK,
                body: Some("(call $read_body (local.get $id)) (i32.const 0)"),
                trailers: Some(RESUME),
                ..STREAMING
            },
            "rqh 1h 1b:ab 1b:c 1t",
            r#">1 H1:2 B1:2 "ab" B1:1 "c" T1:1 s1=rqh!"#,
        ),
        (
            "only headers are wanted",
            Guest {
                request: ASK,
                headers: Some(RESUME),
                body: None,
                trailers: None,
                ..STREAMING
            },
            "rqh 1h 1b:ab 1b:c 1t",
            ">1 H1:2 s1=rqh!",
        ),
        (
            "an answer as it comes that breaks off",
            Guest {
                request: ASK,
                body: Some("(call $read_status (local.get $id)) (i32.const 0)"),
                ..STREAMING
            },
            "rqh 1h 1b:ab 1f 1b:more",
            r#">1 H1:2 B1:2 =6 B1:0! 10"refused""#,
        ),
        (
            "an answer as it comes that never comes",
            Guest {
                request: ASK,
                headers: Some("(call $read_status (local.get $id)) (i32.const 0)"),
                ..STREAMING
            },
            "rqh 1f 1h",
            r#">1 H1:0 10"refused""#,
        ),
        (
            "a stream that is gone when the answer comes",
            Guest {
                request: ASK,
                whole: Some(
                    "(call $say (call $resume_request (call $stream (local.get $id)))) (i32.const 0)",
                ),
                ..WHOLE
            },
            "rqh end1 1h 1e",
            ">1 R1:2,0,0 =4",
        ),
        (
            "a call from within the callback of another",
            Guest {
                request: ASK,
                whole: Some(
                    "(if (i32.eq (local.get $id) (i32.const 1)) \
                    (then (call $await (call $stream (local.get $id)))) \
                    (else (drop (call $resume_request (call $stream (local.get $id)))))) (i32.const 0)",
                ),
                ..WHOLE
            },
            "rqh 1h 1e 2h 2e",
            ">1 R1:2,0,0 >2 R2:2,0,0 s1=rqh!",
        ),
        (
            "a call from the start of the plugin; the instance that proved it sent none",
            Guest {
                start: "(call $call AUTH GET (i32.const 0))",
                ..WHOLE
            },
            "rqh 1h 1e",
            ">1 s1=rqh! R1:2,0,0",
        ),
    ];
    for (name, guest, script, expected) in table {
        assert_eq!(Driver::new(guest).run(script), *expected, "{name}");
    }
}

#[test]
fn pauses_and_closes() {
    // The stream of the first callout's request acts on it when another request comes.
    let second = |text: &'static str, guest: Guest| (text, guest);
    let table: Vec<(&str, (&'static str, Guest), &str, &str)> = vec![
        (
            "a paused answer stays readable, and goes on when it is resumed",
            second(
                "(call $read_body (i32.const 1)) (call $say (call $resume_call (i32.const 1))) (i32.const 0)",
                Guest {
                    body: Some(PAUSE),
                    ..STREAMING
                },
            ),
            "rqh 1h 1b:ab rqh 1b:c 1e",
            r#">1 s1=rqh! H1:2 B1:2 "ab" =0 r1 s2=rqh! B1:1"#,
        ),
        (
            "what came while it was paused is told at once",
            second(
                "(call $say (call $resume_call (i32.const 1))) (i32.const 0)",
                Guest {
                    headers: Some(PAUSE),
                    ..STREAMING
                },
            ),
            "rqh 1h 1b:ab 1b:cd 1t rqh",
            ">1 s1=rqh! H1:2 =0 B1:4 T1:1 s2=rqh!",
        ),
        (
            "a whole answer can be kept",
            second(
                "(call $read_body (i32.const 1)) (call $say (call $resume_call (i32.const 1))) (i32.const 0)",
                Guest {
                    whole: Some(PAUSE),
                    ..WHOLE
                },
            ),
            "rqh 1h 1b:ab 1e late rqh rqh",
            r#">1 s1=rqh! R1:2,2,0 "ab" =0 s2=rqh! =4 =4 s3=rqh!"#,
        ),
        (
            "close while it is under way",
            second(
                "(call $say (call $close_call (i32.const 1))) (i32.const 0)",
                STREAMING,
            ),
            "rqh 1h rqh 1b:ab 1e rqh",
            ">1 s1=rqh! H1:2 =0 x1 s2=rqh! =4 s3=rqh!",
        ),
        (
            "close in its own callback",
            second(
                "(i32.const 0)",
                Guest {
                    headers: Some(
                        "(call $say (call $close_call (local.get $id))) (call $read_status (local.get $id)) (i32.const 3)",
                    ),
                    ..STREAMING
                },
            ),
            "rqh 1h 1b:ab 1e",
            ">1 s1=rqh! H1:2 =0 =4 x1",
        ),
        (
            "the action close",
            second(
                "(i32.const 0)",
                Guest {
                    headers: Some("(i32.const 6)"),
                    ..STREAMING
                },
            ),
            "rqh 1h 1b:ab 1e",
            ">1 s1=rqh! H1:2 x1",
        ),
        (
            "an action that is not legal",
            second(
                "(i32.const 0)",
                Guest {
                    headers: Some("(i32.const 4)"),
                    ..STREAMING
                },
            ),
            "rqh 1h 1b:ab 1e",
            ">1 s1=rqh! H1:2 x1",
        ),
        (
            "no action at all",
            second(
                "(i32.const 0)",
                Guest {
                    headers: Some("(i32.const 77)"),
                    ..STREAMING
                },
            ),
            "rqh 1h 1b:ab 1e",
            ">1 s1=rqh! H1:2 x1",
        ),
        (
            "a resume in the callback that pauses",
            second(
                "(i32.const 0)",
                Guest {
                    headers: Some("(call $say (call $resume_call (local.get $id))) (i32.const 3)"),
                    ..STREAMING
                },
            ),
            "rqh 1h 1b:ab 1e",
            ">1 s1=rqh! H1:2 =0 B1:2 B1:0!",
        ),
        (
            "answers cannot be written to, nor read by a wrong name",
            second(
                "(i32.const 0)",
                Guest {
                    whole: Some(
                        "(call $say (call $set_buffer (local.get $id) (i32.const 5) (i32.const 0) (i32.const 0) \
                            (i32.const 56) (i32.const 1))) \
                        (call $say (call $get_buffer (local.get $id) (i32.const 6) (i32.const 0) (i32.const -1) \
                            (i32.const 104) (i32.const 1) (i32.const 84))) \
                        (call $say (call $get_map (local.get $id) (i32.const 6) (i32.const 0) (i32.const 0) \
                            (i32.const 104) (i32.const 1) (i32.const 84))) \
                        (call $say (call $get_map (local.get $id) (i32.const 0) (i32.const 0) (i32.const 0) \
                            (i32.const 104) (i32.const 1) (i32.const 84))) (i32.const 0)",
                    ),
                    ..WHOLE
                },
            ),
            "rqh 1h 1e",
            ">1 s1=rqh! R1:2,0,0 =6 =4 =0 =4",
        ),
    ];
    for (name, (later, mut guest), script, expected) in table {
        let request = format!(
            "(if (result i32) (global.get $id) (then {later}) (else (call $call AUTH GET (i32.const 0)) (i32.const 0)))"
        );
        guest.request = Box::leak(request.into_boxed_str());
        assert_eq!(Driver::new(&guest).run(script), expected, "{name}");
    }
}

#[test]
fn refusals() {
    let table: &[(&str, &str, &str)] = &[
        (
            "an unknown upstream",
            "(call $call NOBODY GET (i32.const 0))",
            "=2",
        ),
        (
            "one that policy forbids",
            "(call $call OTHER GET (i32.const 0))",
            "=3",
        ),
        (
            "a head without a path",
            "(call $call AUTH BAD (i32.const 0))",
            "=4",
        ),
        (
            "a head outside of the memory",
            "(call $call AUTH (i32.const 131072) (i32.const 0))",
            "=5",
        ),
        (
            "a third one",
            "(call $await (local.get $ctx)) (call $await (local.get $ctx)) (call $await (local.get $ctx))",
            "=10",
        ),
        (
            "close of nothing",
            "(call $say (call $close_call (i32.const 9)))",
            "=4",
        ),
        (
            "resume of nothing",
            "(call $say (call $resume_call (i32.const 9)))",
            "=4",
        ),
        ("status of nothing", "(call $read_status (i32.const 9))", "=4"),
        (
            "resume of what is under way",
            "(call $await (local.get $ctx)) (call $say (call $resume_call (global.get $id)))",
            "=6",
        ),
        (
            "status of what is under way",
            "(call $await (local.get $ctx)) (call $read_status (global.get $id))",
            "=6",
        ),
        (
            "body of what is under way",
            "(call $await (local.get $ctx)) (call $read_body (global.get $id))",
            "=6",
        ),
        (
            "close before it was sent",
            "(call $await (local.get $ctx)) (call $say (call $close_call (global.get $id)))",
            "=0",
        ),
    ];
    for (name, code, expected) in table {
        let code: &'static str = Box::leak(format!("{code} (i32.const 0)").into_boxed_str());
        let mut driver = Driver::with(
            &[&Guest {
                request: code,
                ..WHOLE
            }],
            |config| config.limits.callouts = 2,
        );
        let seen = driver.run("rqh");
        let sent = seen.matches('>').count();
        assert!(seen.starts_with(expected), "{name}: {seen}");
        assert_eq!(driver.bench.host.callouts(), sent, "{name}");
        let kept = code.matches("$await").count().min(2) - code.matches("$close_call (global").count();
        assert_eq!(sent, kept, "{name}: a refused callout is not sent");
    }
}

#[test]
fn many_in_parallel() {
    let mut driver = Driver::new(&Guest {
        request: ASK,
        whole: Some(RESUME),
        ..WHOLE
    });
    for number in 1..=50 {
        assert_eq!(driver.run("rqh"), format!(">{number}"));
    }
    // In an order that is neither that of the calls nor its reverse; each answer belongs to its stream.
    let order: Vec<usize> = (0..50).map(|index| index * 7 % 50 + 1).collect();
    for number in &order {
        driver.run(&format!("{number}h"));
    }
    for number in order {
        assert_eq!(
            driver.run(&format!("{number}e")),
            format!("R{number}:2,0,0 s{number}=rqh!")
        );
    }
    assert_eq!(driver.bench.host.callouts(), 0);
}

#[test]
fn flow_control() {
    let mut driver = Driver::new(&Guest {
        request: "(if (result i32) (global.get $id) (then (drop (call $resume_call (i32.const 1))) (i32.const 0)) \
            (else (call $call AUTH GET (i32.const 0)) (i32.const 0)))",
        body: Some(PAUSE),
        ..STREAMING
    });
    driver.run("rqh");
    assert!(driver.wants(1));
    driver.run("1h");
    assert!(driver.wants(1));
    driver.run("1b:ab");
    assert!(!driver.wants(1), "a paused callout is not read");
    assert_eq!(driver.run("rqh"), "r1 s2=rqh!");
    assert!(driver.wants(1));
    driver.run("1b:cd 1e");
    assert!(!driver.wants(1), "all has come");
    // A whole answer is read on until it has come.
    let mut driver = Driver::new(&Guest {
        request: ASK,
        ..WHOLE
    });
    driver.run("rqh 1h 1b:ab");
    assert!(driver.wants(1));
    driver.run("1e");
    assert!(!driver.wants(1));
}

#[test]
fn deadlines() {
    let table: &[(&str, Guest, &str, &str)] = &[
        (
            "no answer in the time that the plugin gave",
            Guest {
                request: "(call $call AUTH GET (i32.const 1500)) (i32.const 0)",
                whole: Some("(call $read_status (local.get $id)) (i32.const 0)"),
                ..WHOLE
            },
            "rqh 1h 1b:ab late 1e",
            r#">1 s1=rqh! R1:0,0,0 10"no answer within 1500 ms" x1"#,
        ),
        (
            "or in that of the host",
            Guest {
                request: "(call $call AUTH GET (i32.const 0)) (i32.const 0)",
                headers: Some("(call $read_status (local.get $id)) (i32.const 0)"),
                ..STREAMING
            },
            "rqh late",
            r#">1 s1=rqh! H1:0 10"no answer within 7000 ms" x1"#,
        ),
        (
            "a paused answer that is not complete is late too, and told when it is resumed",
            Guest {
                request: "(if (result i32) (global.get $id) (then (drop (call $resume_call (i32.const 1))) (i32.const 0)) \
                    (else (call $call AUTH GET (i32.const 0)) (i32.const 0)))",
                headers: Some(PAUSE),
                body: Some("(call $read_status (local.get $id)) (i32.const 0)"),
                ..STREAMING
            },
            "rqh 1h late rqh",
            r#">1 s1=rqh! H1:2 x1 B1:0! 10"no answer within 7000 ms" s2=rqh!"#,
        ),
        (
            "several at once",
            Guest {
                request: "(call $await (local.get $ctx)) (call $await (local.get $ctx)) (i32.const 0)",
                ..WHOLE
            },
            "rqh 1h 1e late",
            ">1 >2 s1=rqh! R1:2,0,0 R2:0,0,0 x2",
        ),
    ];
    for (name, guest, script, expected) in table {
        let mut driver = Driver::with(&[guest], |config| {
            config.resources.callout_time = Duration::from_secs(7)
        });
        assert_eq!(driver.run(script), *expected, "{name}");
        assert_eq!(driver.bench.host.next_deadline(), None, "{name}");
    }
    let mut driver = Driver::new(&Guest {
        request: ASK,
        whole: Some(PAUSE),
        ..WHOLE
    });
    driver.run("rqh");
    let deadline = driver.bench.host.next_deadline().unwrap();
    assert!(deadline > Instant::now() + Duration::from_secs(20));
    driver
        .bench
        .host
        .handle_deadline(deadline - Duration::from_millis(1));
    assert_eq!(driver.run("1h 1e"), "R1:2,0,0");
    assert_eq!(
        driver.bench.host.next_deadline(),
        None,
        "what is complete is not late, paused or not"
    );
}

#[test]
fn bounds_of_answers() {
    let mut driver = Driver::with(
        &[&Guest {
            request: ASK,
            whole: Some("(call $read_status (local.get $id)) (i32.const 0)"),
            ..WHOLE
        }],
        |config| config.limits.callout_bytes = 5,
    );
    assert_eq!(
        driver.run("rqh 1h 1b:abc 1b:def 1b:ghi 1e"),
        r#">1 R1:0,0,0 10"the body of the answer is larger than 5 bytes" x1"#
    );
}

#[test]
fn a_chain_in_which_two_plugins_ask() {
    let asks = Guest {
        request: ASK,
        whole: Some(RESUME),
        ..WHOLE
    };
    // Instances of their own: both callouts are the first of theirs.
    let mut driver = Driver::with(&[&asks, &asks], |config| config.vm_id = config.name.clone());
    assert_eq!(driver.run("rqh 1h 1e 2h 2e"), ">1 R1:2,0,0 >2 R1:2,0,0 s1=rqh!");
    // One instance: they do not get each other's answers, nor may they touch them.
    let touch = Guest {
        request: "(call $say (call $close_call (i32.const 1))) (call $say (call $resume_call (i32.const 1))) \
            (call $await (local.get $ctx)) (i32.const 3)",
        whole: Some(RESUME),
        ..WHOLE
    };
    let mut driver = Driver::with(&[&touch, &touch], |_| ());
    assert_eq!(
        driver.run("rqh 1f 2f"),
        "=4 =4 >1 R1:0,0,0 =4 =4 >2 R2:0,0,0 s1=rqh!"
    );
}

#[test]
fn instances_that_go() {
    const TRAP: &str = "(unreachable)";
    let failure = |failure| move |config: &mut PluginConfig| config.failure = failure;
    // A trap in the answer: the stream that waited for it gets the failure policy, and so does every other; all callouts are cancelled.
    let guest = Guest {
        request: ASK,
        whole: Some(TRAP),
        ..WHOLE
    };
    let table = [
        (
            FailurePolicy::Closed,
            "R1:2,0,0 x2 s1=abandoned s1=rsh:503 s1=rsb:Service Unavailable\n! s2=abandoned s2=rsh:503 s2=rsb:Service Unavailable\n!",
        ),
        (FailurePolicy::Open, "R1:2,0,0 x2 s1=rqh! s2=rqh!"),
    ];
    for (policy, expected) in table {
        let mut driver = Driver::with(&[&guest], failure(policy));
        assert_eq!(driver.run("rqh rqh"), ">1 >2");
        assert_eq!(driver.run("1h 1e"), expected, "{policy:?}");
        assert_eq!(
            driver.run("2h 2e"),
            "",
            "no callback for a callout of an instance that is gone"
        );
        assert_eq!(driver.bench.host.callouts(), 0);
        assert_eq!(driver.run("rqh"), ">3", "a fresh instance takes over");
    }
    // A callout that a callback made which then trapped is not sent.
    let mut driver = Driver::new(&Guest {
        request: "(call $await (local.get $ctx)) (unreachable)",
        ..WHOLE
    });
    assert!(!driver.run("rqh").contains('>'));
    // Instances of one stream go with it.
    let mut driver = Driver::with(&[&guest], |config| {
        config.instances = InstanceStrategy::FreshPerStream
    });
    assert_eq!(driver.run("rqh rqh end1"), ">1 >2 x1");
    assert_eq!(driver.run("1h 1e"), "");
    assert!(driver.wants(2) && !driver.wants(1));
    // A plugin that is shut down.
    let mut driver = Driver::new(&Guest {
        request: "(call $await (local.get $ctx)) (i32.const 0)",
        ..WHOLE
    });
    assert_eq!(driver.run("rqh end1 down 1h 1e"), ">1 s1=rqh! x1");
    assert_eq!(driver.bench.host.next_deadline(), None);
}
