//! A plugin that is given what to do in each callback, and a driver that answers it by a script.

use crate::callouts::{LOGGING, block};
use crate::common::{Bench, request, show};
use bytes::Bytes;
use proxywasm_host::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) struct Driver {
    pub(super) bench: Bench,
    pub(super) calls: Vec<CalloutId>,
    pub(super) streams: Vec<StreamId>,
}

/// The bodies of callbacks. In them `$call` (a timeout) makes a unary call, `$open` opens a stream, `$send` (a callout, an iovec, whether it
/// is the last) sends `ping`, or nothing with no iovec; `$id` is the last callout that was begun. `$own` is that of the callback.
#[derive(Clone, Copy)]
pub(super) struct Guest {
    pub(super) request: &'static str,
    pub(super) answer: &'static str,
    pub(super) initial: &'static str,
    pub(super) message: &'static str,
    pub(super) trailing: &'static str,
    pub(super) close: &'static str,
}

const FORWARD: &str = "(i32.const 0)";
pub(super) const PAUSE: &str = "(i32.const 3)";

/// A plugin that looks on.
pub(super) const GUEST: Guest = Guest {
    request: FORWARD,
    answer: FORWARD,
    initial: FORWARD,
    message: FORWARD,
    trailing: FORWARD,
    close: FORWARD,
};
pub(super) const UNARY: Guest = Guest {
    request: "(call $call (i32.const 0)) (i32.const 0)",
    ..GUEST
};
pub(super) const STREAM: Guest = Guest {
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
    pub(super) fn text(&self) -> String {
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
    pub(super) fn later(self, later: &str) -> Self {
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
    pub(super) fn new(guest: &Guest) -> Self {
        Self::with(&[guest], |_| ())
    }

    pub(super) fn with(guests: &[&Guest], change: impl Fn(&mut PluginConfig)) -> Self {
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
    pub(super) fn run(&mut self, script: &str) -> String {
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
                Command::GrpcCall { id, request, .. } => {
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
                Command::CancelCall { id, .. } => format!("x{}", self.number(id)),
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

    pub(super) fn wants(&mut self, number: usize) -> bool {
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
