//! gRPC callouts: plugins that call and open streams, and a driver that answers by a script.
//!
//! A script is a list of events. `rqh` opens a stream and sends its request headers, `end1` finishes stream 1. `1i` is the metadata that
//! begins the answer to callout 1, `1m:abc` a message, `1e` its end with metadata, `1e:5` one with status 5 and without metadata, `1s:3`
//! says that a message of 3 bytes has been sent. `late` is a deadline an hour from now, `down` shuts all plugins down.
//!
//! What happens is written the same way: `>1` a unary call or `>>1` a stream is to be begun, `1<abc` a message to be sent, with `!` the
//! last thing, `x1` a callout to be cancelled, `r1` to be read on; `s1=rqh!` an output of stream 1. The rest is what the plugin logs:
//! `A1:0,3` the answer to a unary call with its status and size, `I1:2`, `M1:3`, `T1:1`, `C1:0` the callbacks of a stream, `=4` a
//! status, `"abc"` a message, `5"reason"` how a callout ended.

use crate::callouts::{LOGGING, block};
use crate::common::{Bench, request, show};
use bytes::Bytes;
use proxywasm_host::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Driver {
    bench: Bench,
    calls: Vec<CalloutId>,
    streams: Vec<StreamId>,
}

/// The bodies of callbacks. In them `$call` (a timeout) makes a unary call, `$open` opens a stream, `$send` (a callout, an iovec, whether it
/// is the last) sends `ping`, or nothing with no iovec; `$id` is the last callout that was begun. `$own` is that of the callback.
#[derive(Clone, Copy)]
struct Guest {
    request: &'static str,
    answer: &'static str,
    initial: &'static str,
    message: &'static str,
    trailing: &'static str,
    close: &'static str,
}

const FORWARD: &str = "(i32.const 0)";
const PAUSE: &str = "(i32.const 3)";

/// A plugin that looks on.
const GUEST: Guest = Guest {
    request: FORWARD,
    answer: FORWARD,
    initial: FORWARD,
    message: FORWARD,
    trailing: FORWARD,
    close: FORWARD,
};
const UNARY: Guest = Guest {
    request: "(call $call (i32.const 0)) (i32.const 0)",
    ..GUEST
};
const STREAM: Guest = Guest {
    request: "(call $open) (i32.const 0)",
    ..GUEST
};

const IMPORTS: &str = r#"
    (import "wasi-log" "log" (func $log (param i32 i32 i32) (result i32)))
    (import "wasi-common" "get_buffer" (func $get_buffer (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi-http" "resume_http_request" (func $resume_request (param i32) (result i32)))
    (import "wasi-grpc" "dispatch_grpc_call"
        (func $dispatch (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi-grpc" "open_grpc_stream" (func $open_stream (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi-grpc" "send_grpc_stream_message" (func $send_message (param i32 i32 i32 i32) (result i32)))
    (import "wasi-grpc" "close_grpc_call" (func $close_call (param i32) (result i32)))
    (import "wasi-grpc" "close_grpc_stream" (func $close_stream (param i32) (result i32)))
    (import "wasi-grpc" "resume_grpc_stream" (func $resume (param i32) (result i32)))
    (import "wasi-grpc" "get_callout_status" (func $get_status (param i32 i32 i32 i32 i32) (result i32)))
"#;

/// 80: an id that is returned, 84: a size, 88: a code; 104: an iovec of 1 KiB at 2048; from 8192 on the streams of callouts.
const HELPERS: &str = r#"
    (data (i32.const 104) "\00\08\00\00\00\04\00\00")
    (func $tell (param $letter i32) (param $id i32) (param $a i32) (param $b i32) (local $at i32)
        (local.set $at (call $digits (call $char (i32.const 128) (local.get $letter)) (local.get $id)))
        (local.set $at (call $digits (call $char (local.get $at) (i32.const 58)) (local.get $a)))
        (if (i32.ge_s (local.get $b) (i32.const 0))
            (then (local.set $at (call $digits (call $char (local.get $at) (i32.const 44)) (local.get $b)))))
        (call $print (local.get $at)))
    ;; Logs the text of a size at 2048, in quotes, behind a number if it is not negative.
    (func $quote (param $number i32) (param $size i32) (local $at i32)
        (local.set $at (i32.const 128))
        (if (i32.ge_s (local.get $number) (i32.const 0))
            (then (local.set $at (call $digits (local.get $at) (local.get $number)))))
        (local.set $at (call $char (local.get $at) (i32.const 34)))
        (memory.copy (local.get $at) (i32.const 2048) (local.get $size))
        (call $print (call $char (i32.add (local.get $at) (local.get $size)) (i32.const 34))))
    (func $read (param $id i32) (local $status i32)
        (local.set $status (call $get_buffer (local.get $id) (i32.const 6) (i32.const 0) (i32.const -1)
            (i32.const 104) (i32.const 1) (i32.const 84)))
        (if (local.get $status)
            (then (call $say (local.get $status)))
            (else (call $quote (i32.const -1) (i32.load (i32.const 84))))))
    (func $why (param $id i32) (local $status i32)
        (local.set $status
            (call $get_status (local.get $id) (i32.const 88) (i32.const 104) (i32.const 1) (i32.const 84)))
        (if (local.get $status)
            (then (call $say (local.get $status)))
            (else (call $quote (i32.load (i32.const 88)) (i32.load (i32.const 84))))))
    (func $begun (param $status i32)
        (if (local.get $status)
            (then (call $say (local.get $status)))
            (else (global.set $id (i32.load (i32.const 80))))))
    (func $call (param $timeout i32)
        (call $begun (call $dispatch (i32.const 16) (i32.const 1) (i32.const 40) (i32.const 1) (i32.const 48) (i32.const 1)
            (i32.const 0) (i32.const 0) (i32.const 56) (i32.const 1) (local.get $timeout) (i32.const 80))))
    (func $open_at (param $upstream i32)
        (call $begun (call $open_stream (local.get $upstream) (i32.const 1) (i32.const 40) (i32.const 1) (i32.const 48)
            (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 80))))
    (func $open (call $open_at (i32.const 16)))
    (func $send (param $id i32) (param $iovecs i32) (param $end i32)
        (call $say (call $send_message (local.get $id) (i32.const 56) (local.get $iovecs) (local.get $end))))
    (func $place (param $id i32) (result i32) (i32.add (i32.const 8192) (i32.shl (local.get $id) (i32.const 2))))
    (func $keep (param $ctx i32) (i32.store (call $place (global.get $id)) (local.get $ctx)))
    (func $kept (param $id i32) (result i32) (i32.load (call $place (local.get $id))))
"#;

impl Guest {
    fn text(&self) -> String {
        let callback = |name: &str, letter: u8, body: &str| {
            format!(
                r#"(func (export "proxy_on_grpc_{name}") (param $own i32) (param $a i32) (result i32)
                    (call $tell (i32.const {letter}) (local.get $own) (local.get $a) (i32.const -1)) {body})"#
            )
        };
        let callbacks = [
            callback("stream_response_header_metadata", b'I', self.initial),
            callback("stream_response_message", b'M', self.message),
            callback("stream_response_trailer_metadata", b'T', self.trailing),
            callback("stream_close", b'C', self.close),
        ];
        format!(
            r#"(module {IMPORTS}
            (memory (export "memory") 1)
            (global $id (mut i32) (i32.const 0))
            {}{}{}{}{}{}
            (func (export "proxy_abi_version_2021_04"))
            {LOGGING} {HELPERS} {}
            (func (export "proxy_on_grpc_call_response") (param $own i32) (param $a i32) (param $b i32) (result i32)
                (call $tell (i32.const 65) (local.get $own) (local.get $a) (local.get $b)) {})
            (func (export "proxy_on_http_request_headers") (param $ctx i32) (param i32 i32) (result i32) {}))"#,
            block(16, 600, b"auth"),
            block(24, 610, b"other"),
            block(32, 620, b"nobody"),
            block(40, 630, b"pkg.S"),
            block(48, 640, b"M"),
            block(56, 650, b"ping"),
            callbacks.concat(),
            self.answer,
            self.request,
        )
    }

    /// Another request of the plugin does this, once something was begun.
    fn later(self, later: &str) -> Self {
        let first = self.request;
        let request =
            format!("(if (result i32) (global.get $id) (then {later} (i32.const 0)) (else {first}))");
        Self {
            request: Box::leak(request.into_boxed_str()),
            ..self
        }
    }
}

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
                let id = self.calls[number - 1];
                match event[at..].split_once(':') {
                    Some(("s", bytes)) => host.grpc_sent(id, bytes.parse().unwrap()),
                    _ => host.grpc_event(id, answer(&event[at..])),
                }
            }
        }
    }

    fn collect(&mut self, seen: &mut Vec<String>) {
        seen.extend(self.bench.log.take().into_iter().map(|(_, message)| message));
        while let Some(command) = self.bench.host.next_command() {
            seen.push(match command {
                Command::GrpcCall { id, request } => {
                    assert!(!self.calls.contains(&id), "an id names one callout");
                    assert_eq!((&request.upstream[..], &request.path[..]), ("auth", "/pkg.S/M"));
                    self.calls.push(id);
                    match &request.message {
                        Some(message) => {
                            assert_eq!(message, "ping");
                            assert!(request.timeout.is_some(), "the upstream is told the time");
                            format!(">{}", self.calls.len())
                        }
                        None => format!(">>{}", self.calls.len()),
                    }
                }
                Command::GrpcSend {
                    id,
                    message,
                    end_of_stream,
                } => {
                    let text = message.map(|message| String::from_utf8(message.to_vec()).unwrap());
                    let end = if end_of_stream { "!" } else { "" };
                    format!("{}<{}{end}", self.number(id), text.unwrap_or_default())
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

fn answer(event: &str) -> GrpcEvent {
    let metadata = |pairs: &[(&str, &str)]| pairs.iter().copied().collect();
    let status = |code, message: &'static str| CalloutStatus {
        code,
        message: Bytes::from(message),
    };
    match event.split_once(':').unwrap_or((event, "")) {
        ("i", _) => GrpcEvent::InitialMetadata(metadata(&[("a", "1"), ("b", "2")])),
        ("m", text) => GrpcEvent::Message(Bytes::copy_from_slice(text.as_bytes())),
        ("e", "") => GrpcEvent::End {
            status: status(0, ""),
            trailing_metadata: Some(metadata(&[("t", "1")])),
        },
        ("e", code) => GrpcEvent::End {
            status: status(code.parse().unwrap(), "why"),
            trailing_metadata: None,
        },
        other => panic!("no event is called {other:?}"),
    }
}

#[test]
fn answers() {
    let table: &[(&str, Guest, &str, &str)] = &[
        (
            "a unary call has one callback",
            Guest {
                answer: "(call $read (local.get $own)) (call $why (local.get $own)) (i32.const 0)",
                ..UNARY
            },
            "rqh 1i 1m:abc 1e 1e",
            r#">1 s1=rqh! A1:0,3 "abc" 0"""#,
        ),
        (
            "also where it fails",
            Guest {
                answer: "(call $read (local.get $own)) (call $why (local.get $own)) (i32.const 0)",
                ..UNARY
            },
            "rqh 1i 1m:abc 1e:7",
            r#">1 s1=rqh! A1:7,0 "" 7"why""#,
        ),
        (
            "it lets the request go on that waits for it",
            Guest {
                request: "(call $call (i32.const 0)) (call $keep (local.get $ctx)) (i32.const 3)",
                answer: "(call $say (call $resume_request (call $kept (local.get $own)))) (i32.const 0)",
                ..GUEST
            },
            "rqh 1m:abc 1e",
            ">1 A1:0,3 =0 s1=rqh!",
        ),
        (
            "the order of a stream",
            Guest {
                message: "(call $read (local.get $own)) (i32.const 0)",
                close: "(call $read (local.get $own)) (call $why (local.get $own)) (i32.const 0)",
                ..STREAM
            },
            "rqh 1i 1m:abc 1m: 1e 1m:late",
            r#">>1 s1=rqh! I1:2 M1:3 "abc" M1:0 "" T1:1 C1:0 =6 0"""#,
        ),
        (
            "a stream that fails at once",
            Guest {
                close: "(call $why (local.get $own)) (i32.const 0)",
                ..STREAM
            },
            "rqh 1e:14 1i",
            r#">>1 s1=rqh! C1:14 14"why""#,
        ),
        (
            "a stream outlives the request that opened it",
            STREAM,
            "rqh end1 1i 1m:abc 1e",
            ">>1 s1=rqh! I1:2 M1:3 T1:1 C1:0",
        ),
        (
            "a call from within the callback of another",
            Guest {
                answer: "(if (i32.eq (local.get $own) (i32.const 1)) (then (call $call (i32.const 0)))) (i32.const 0)",
                ..UNARY
            },
            "rqh 1m:a 1e 2m:b 2e",
            ">1 s1=rqh! A1:0,1 >2 A2:0,1",
        ),
    ];
    for (name, guest, script, expected) in table {
        assert_eq!(Driver::new(guest).run(script), *expected, "{name}");
    }
    // A module without any of the callbacks.
    let text = UNARY.text().replace("proxy_on_grpc", "nothing");
    let mut driver = Driver::new(&UNARY);
    let code = driver.bench.engine.load(&wat::parse_str(text).unwrap()).unwrap();
    let services = Services {
        upstreams: Arc::new(BTreeSet::from(["auth".to_owned()])),
        ..Services::from(Arc::clone(&driver.bench.log))
    };
    let plugin = Plugin::new(&driver.bench.engine, code, PluginConfig::new("silent"), &services).unwrap();
    driver.bench.chain = FilterChain::new(vec![plugin]);
    assert_eq!(driver.run("rqh 1m:abc 1e"), ">1 s1=rqh!");
    assert_eq!(driver.bench.host.callouts(), 0);
}

#[test]
fn each_action_in_each_callback() {
    const WHOLE: &str = "1i 1m:abc 1e";
    let callbacks: [(&str, fn(&mut Guest) -> &mut &'static str); 4] = [
        ("I1:2", |guest| &mut guest.initial),
        ("M1:3", |guest| &mut guest.message),
        ("T1:1", |guest| &mut guest.trailing),
        ("C1:0", |guest| &mut guest.close),
    ];
    let told = ["I1:2", "M1:3", "T1:1", "C1:0"];
    for (index, (callback, body)) in callbacks.iter().enumerate() {
        for action in [0, 1, 2, 3, 4, 5, 6, 77] {
            let mut guest = STREAM;
            *body(&mut guest) = Box::leak(format!("(i32.const {action})").into_boxed_str());
            let mut driver = Driver::new(&guest.later("(call $say (call $resume (i32.const 1)))"));
            driver.run("rqh");
            let seen = driver.run(WHOLE);
            let ends = index >= 2;
            let expected = match action {
                0 => told.join(" "),
                3 => told[..=index].join(" "),
                // What the upstream has ended is not cancelled.
                _ if ends => told[..=index].join(" "),
                _ => format!("{} x1", told[..=index].join(" ")),
            };
            assert_eq!(seen, expected, "{action} in {callback}");
            // What a pause holds comes when it ends; the last callback's keeps the callout, and no other action does.
            let resumed = driver.run("rqh");
            let expected = match (action, index) {
                (3, 3) => "=0 s2=rqh!".to_owned(),
                (3, _) => format!("=0 {} s2=rqh!", told[index + 1..].join(" ")),
                _ => "=4 s2=rqh!".to_owned(),
            };
            assert_eq!(resumed, expected, "{action} in {callback}");
            assert_eq!(driver.bench.host.callouts(), 0);
        }
    }
    for action in [0, 1, 2, 3, 4, 5, 6, 77] {
        let guest = Guest {
            answer: Box::leak(format!("(i32.const {action})").into_boxed_str()),
            ..UNARY
        };
        let mut driver = Driver::new(&guest.later(
            "(call $read (i32.const 1)) (call $say (call $resume (i32.const 1))) (call $say (call $close_call (i32.const 1)))",
        ));
        assert_eq!(driver.run("rqh 1m:abc 1e"), ">1 s1=rqh! A1:0,3", "{action}");
        let expected = match action {
            3 => r#""abc" =4 =0 s2=rqh!"#,
            _ => "=4 =4 =4 s2=rqh!",
        };
        assert_eq!(driver.run("rqh"), expected, "{action}");
    }
}

#[test]
fn pauses_closes_and_sending() {
    let table: Vec<(&str, Guest, &str, &str)> = vec![
        (
            "a paused message stays readable, and the next comes when it is resumed",
            Guest {
                message: "(select (i32.const 3) (i32.const 0) (i32.eq (local.get $a) (i32.const 3)))",
                ..STREAM
            }
            .later("(call $read (i32.const 1)) (call $say (call $resume (i32.const 1)))"),
            "rqh 1m:abc 1m:de 1m:f rqh 1e",
            r#">>1 s1=rqh! M1:3 "abc" =0 M1:2 M1:1 r1 s2=rqh! T1:1 C1:0"#,
        ),
        (
            "a resume in the callback that pauses",
            Guest {
                message: "(call $say (call $resume (local.get $own))) (i32.const 3)",
                ..STREAM
            },
            "rqh 1m:abc 1m:de",
            ">>1 s1=rqh! M1:3 =0 M1:2 =0",
        ),
        (
            "close while it is under way",
            STREAM.later("(call $say (call $close_stream (i32.const 1)))"),
            "rqh 1i rqh 1m:abc 1e rqh",
            ">>1 s1=rqh! I1:2 =0 x1 s2=rqh! =4 s3=rqh!",
        ),
        (
            "close of a unary call under way",
            UNARY.later("(call $say (call $close_call (i32.const 1)))"),
            "rqh 1i rqh 1m:abc 1e rqh",
            ">1 s1=rqh! =0 x1 s2=rqh! =4 s3=rqh!",
        ),
        (
            "close in its own callback",
            Guest {
                message: "(call $say (call $close_stream (local.get $own))) (call $read (local.get $own)) (i32.const 3)",
                ..STREAM
            },
            "rqh 1m:abc 1m:de 1e",
            ">>1 s1=rqh! M1:3 =0 =4 x1",
        ),
        (
            "close in its last callback",
            Guest {
                close: "(call $say (call $close_stream (local.get $own))) (i32.const 0)",
                ..STREAM
            },
            "rqh 1e:0",
            ">>1 s1=rqh! C1:0 =0",
        ),
        (
            "messages at once and from callbacks, then the end alone",
            Guest {
                request: "(call $open) (call $send (global.get $id) (i32.const 1) (i32.const 0)) (i32.const 0)",
                message: "(call $send (local.get $own) (i32.const 1) (i32.const 0)) \
                    (call $send (local.get $own) (i32.const 0) (i32.const 1)) \
                    (call $send (local.get $own) (i32.const 1) (i32.const 0)) (i32.const 0)",
                ..GUEST
            },
            "rqh 1m:abc 1m:de 1e",
            "=0 >>1 1<ping s1=rqh! M1:3 =0 =0 =6 1<ping 1<! M1:2 =6 =6 =6 T1:1 C1:0",
        ),
        (
            "the end with the last message; the upstream goes on",
            Guest {
                request: "(call $open) (call $send (global.get $id) (i32.const 1) (i32.const 1)) (i32.const 0)",
                ..GUEST
            },
            "rqh 1i 1m:abc 1e",
            "=0 >>1 1<ping! s1=rqh! I1:2 M1:3 T1:1 C1:0",
        ),
        (
            "nothing is sent on what the upstream has ended",
            Guest {
                trailing: "(call $send (local.get $own) (i32.const 1) (i32.const 0)) (i32.const 0)",
                ..STREAM
            },
            "rqh 1e",
            ">>1 s1=rqh! T1:1 =6 C1:0",
        ),
        (
            "what waits to be sent is bounded until it has left",
            STREAM.later("(call $send (i32.const 1) (i32.const 1) (i32.const 0))"),
            "rqh rqh rqh rqh 1s:4 rqh rqh",
            ">>1 s1=rqh! =0 1<ping s2=rqh! =0 1<ping s3=rqh! =10 s4=rqh! =0 1<ping s5=rqh! =10 s6=rqh!",
        ),
    ];
    for (name, guest, script, expected) in table {
        let mut driver = Driver::with(&[&guest], |config| config.limits.callout_bytes = 100);
        assert_eq!(driver.run(script), expected, "{name}");
    }
}

#[test]
fn refusals() {
    let table: &[(&str, &str, &str)] = &[
        ("an unknown upstream", "(call $open_at (i32.const 32))", "=2"),
        ("one that policy forbids", "(call $open_at (i32.const 24))", "=3"),
        (
            "one outside of the memory",
            "(call $open_at (i32.const 131072))",
            "=5",
        ),
        (
            "a third one",
            "(call $open) (call $call (i32.const 0)) (call $open)",
            "=10",
        ),
        (
            "close of nothing",
            "(call $say (call $close_stream (i32.const 9)))",
            "=4",
        ),
        (
            "close of a call as a stream",
            "(call $call (i32.const 0)) (call $say (call $close_stream (global.get $id)))",
            "=4",
        ),
        (
            "close of a stream as a call",
            "(call $open) (call $say (call $close_call (global.get $id)))",
            "=4",
        ),
        (
            "resume of nothing",
            "(call $say (call $resume (i32.const 9)))",
            "=4",
        ),
        (
            "resume of what is under way",
            "(call $open) (call $say (call $resume (global.get $id)))",
            "=6",
        ),
        (
            "a message on nothing",
            "(call $send (i32.const 9) (i32.const 1) (i32.const 0))",
            "=4",
        ),
        (
            "a message on a call",
            "(call $call (i32.const 0)) (call $send (global.get $id) (i32.const 1) (i32.const 0))",
            "=4",
        ),
        ("status of nothing", "(call $why (i32.const 9))", "=4"),
        (
            "status of what is under way",
            "(call $open) (call $why (global.get $id))",
            "=6",
        ),
        (
            "message of what is under way",
            "(call $open) (call $read (global.get $id))",
            "=6",
        ),
        (
            "close before the host has heard of it",
            "(call $open) (call $say (call $close_stream (global.get $id)))",
            "=0",
        ),
    ];
    for (name, code, expected) in table {
        let guest = Guest {
            request: Box::leak(format!("{code} (i32.const 0)").into_boxed_str()),
            ..GUEST
        };
        let mut driver = Driver::with(&[&guest], |config| config.limits.callouts = 2);
        let seen = driver.run("rqh");
        assert!(seen.starts_with(expected), "{name}: {seen}");
        let begun = code.matches("$open)").count() + code.matches("$call (").count();
        let kept = if *expected == "=0" { 0 } else { begun.min(2) };
        assert_eq!(driver.bench.host.callouts(), kept, "{name}");
        assert_eq!(driver.calls.len(), kept, "{name}: a refused callout is not begun");
    }
}

#[test]
fn flow_control() {
    let guest = Guest {
        message: PAUSE,
        ..STREAM
    };
    let mut driver = Driver::new(&guest.later("(drop (call $resume (i32.const 1)))"));
    driver.run("rqh");
    assert!(driver.wants(1));
    driver.run("1i");
    assert!(driver.wants(1));
    driver.run("1m:abc");
    assert!(!driver.wants(1), "a paused stream is not read");
    assert_eq!(driver.run("rqh"), "r1 s2=rqh!");
    assert!(driver.wants(1));
    driver.run("1m:de 1e");
    assert!(!driver.wants(1), "all has come");
    // A unary answer is read on until it has come.
    let mut driver = Driver::new(&UNARY);
    driver.run("rqh 1i 1m:abc");
    assert!(driver.wants(1));
    driver.run("1e");
    assert!(!driver.wants(1));
}

#[test]
fn deadlines() {
    let why = "(call $why (local.get $own)) (i32.const 0)";
    let table: &[(&str, Guest, &str, &str)] = &[
        (
            "no answer in the time that the plugin gave",
            Guest {
                request: "(call $call (i32.const 1500)) (i32.const 0)",
                answer: why,
                ..GUEST
            },
            "rqh 1i 1m:abc late 1e",
            r#">1 s1=rqh! A1:4,0 4"no answer within 1500 ms" x1"#,
        ),
        (
            "or in that of the host",
            Guest { answer: why, ..UNARY },
            "rqh late",
            r#">1 s1=rqh! A1:4,0 4"no answer within 7000 ms" x1"#,
        ),
        (
            "streams have no end of their own",
            STREAM,
            "rqh late 1i 1e:0",
            ">>1 s1=rqh! I1:2 C1:0",
        ),
        (
            "several at once",
            Guest {
                request: "(call $call (i32.const 0)) (call $call (i32.const 0)) (i32.const 0)",
                ..GUEST
            },
            "rqh 1m:a 1e late",
            ">1 >2 s1=rqh! A1:0,1 A2:4,0 x2",
        ),
    ];
    for (name, guest, script, expected) in table {
        let mut driver = Driver::with(&[guest], |config| {
            config.resources.callout_time = Duration::from_secs(7)
        });
        assert_eq!(driver.run(script), *expected, "{name}");
        assert_eq!(driver.bench.host.next_deadline(), None, "{name}");
    }
}

#[test]
fn bounds_of_messages() {
    let table: &[(&str, Guest, &str, &str)] = &[
        (
            "the largest",
            STREAM,
            "rqh 1m:abcde 1e:0",
            ">>1 s1=rqh! M1:5 C1:0",
        ),
        (
            "a byte more",
            STREAM,
            "rqh 1m:abcdef 1m:g 1e:0",
            ">>1 s1=rqh! C1:8 x1",
        ),
        (
            "of a unary call",
            UNARY,
            "rqh 1m:abcdef 1e:0",
            ">1 s1=rqh! A1:8,0 x1",
        ),
        (
            "two for a unary call",
            UNARY,
            "rqh 1m:a 1m:b 1e:0",
            ">1 s1=rqh! A1:13,0 x1",
        ),
    ];
    for (name, guest, script, expected) in table {
        let mut driver = Driver::with(&[guest], |config| config.limits.callout_bytes = 5);
        assert_eq!(driver.run(script), *expected, "{name}");
        assert_eq!(driver.bench.host.callouts(), 0, "{name}");
    }
}

#[test]
fn many_streams() {
    let mut driver = Driver::new(&Guest {
        request: "(call $open) (call $keep (local.get $ctx)) (i32.const 3)",
        message: "(call $send (local.get $own) (i32.const 1) (i32.const 0)) (i32.const 0)",
        close: "(drop (call $resume_request (call $kept (local.get $own)))) (i32.const 0)",
        ..GUEST
    });
    for number in 1..=50 {
        assert_eq!(driver.run("rqh"), format!(">>{number}"));
    }
    // In an order that is neither that of the streams nor its reverse, and intermixed.
    let order: Vec<usize> = (0..50).map(|index| index * 7 % 50 + 1).collect();
    for number in &order {
        assert_eq!(driver.run(&format!("{number}i")), format!("I{number}:2"));
    }
    for number in order.iter().rev() {
        let text = "m".repeat(*number);
        assert_eq!(
            driver.run(&format!("{number}m:{text}")),
            format!("M{number}:{number} =0 {number}<ping")
        );
    }
    for number in order {
        assert_eq!(
            driver.run(&format!("{number}e:0")),
            format!("C{number}:0 s{number}=rqh!")
        );
    }
    assert_eq!(driver.bench.host.callouts(), 0);
}

#[test]
fn instances_that_go() {
    // A trap in each callback: all callouts of the instance are cancelled, and a fresh one takes over.
    let trap = "(unreachable)";
    let table: &[(Guest, &str, &str)] = &[
        (
            Guest {
                answer: trap,
                ..UNARY
            },
            "1m:a 1e",
            "A1:0,1",
        ),
        (
            Guest {
                initial: trap,
                ..STREAM
            },
            "1i",
            "I1:2",
        ),
        (
            Guest {
                message: trap,
                ..STREAM
            },
            "1m:abc",
            "M1:3",
        ),
        (
            Guest {
                trailing: trap,
                ..STREAM
            },
            "1e",
            "T1:1",
        ),
        (
            Guest {
                close: trap,
                ..STREAM
            },
            "1e:3",
            "C1:3",
        ),
    ];
    for (guest, script, told) in table {
        let mut driver = Driver::new(guest);
        let begun = driver.run("rqh rqh");
        let cancelled = match script.contains('e') {
            true => "x2",
            false => "x1 x2",
        };
        assert!(begun.contains("2 s2=rqh!"), "{begun}");
        let seen = driver.run(script);
        assert!(seen.starts_with(&format!("{told} {cancelled}")), "{told}: {seen}");
        assert_eq!(driver.run("2i 2m:abc 2e"), "", "{told}: nothing more is told");
        assert_eq!(driver.bench.host.callouts(), 0);
        assert!(driver.run("rqh").contains('3'), "a fresh instance takes over");
    }
    // What a callback asked for that then trapped does not happen.
    let mut driver = Driver::new(&Guest {
        request: "(call $open) (call $send (global.get $id) (i32.const 1) (i32.const 0)) (unreachable)",
        ..GUEST
    });
    assert!(!driver.run("rqh").contains('>'));
    // Instances of one stream go with it.
    let mut driver = Driver::with(&[&STREAM], |config| {
        config.instances = InstanceStrategy::FreshPerStream
    });
    assert_eq!(driver.run("rqh rqh end1"), ">>1 s1=rqh! >>2 s2=rqh! x1");
    assert_eq!(driver.run("1i"), "");
    assert!(driver.wants(2) && !driver.wants(1));
    // A plugin that is shut down.
    let mut driver = Driver::new(&STREAM);
    assert_eq!(driver.run("rqh end1 down 1i 1e"), ">>1 s1=rqh! x1");
}

#[test]
fn plugins_of_one_instance_are_apart() {
    let touch = Guest {
        request: "(call $say (call $close_stream (i32.const 1))) (call $say (call $resume (i32.const 1))) \
            (call $send (i32.const 1) (i32.const 1) (i32.const 0)) (call $why (i32.const 1)) (call $read (i32.const 1)) \
            (call $open) (i32.const 0)",
        ..GUEST
    };
    let mut driver = Driver::with(&[&touch, &touch], |_| ());
    assert_eq!(
        driver.run("rqh 1e:0 2e:0"),
        "=4 =4 =4 =4 =4 =3 =3 =3 =3 =3 >>1 >>2 s1=rqh! C1:0 C2:0"
    );
}
