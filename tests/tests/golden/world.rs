//! A runner with the probe, servers behind it, and what the probe reports.
//!
//! The words of `setup`:
//!
//! | word | what it does |
//! |---|---|
//! | `0.1.0`, `0.2.0` | the version of the ABI, by the marker of the module |
//! | `hold_headers` | a pause in a headers callback holds the headers alone |
//! | `chain` | a second probe behind the first, which takes its script from `x-probe-b` |
//! | `open` | the failure policy |
//! | `held=N` | how many bytes of a body the probe may hold |
//! | `only=NAME,NAME` | the hostcalls that it may make |
//! | `off=CALLBACK` | a callback that is switched off |
//! | `alone` | a runner of its own, whose plugin's own callbacks are reported too |
//! | `stop` | the same, and the runner is stopped at the end |
//!
//! Upstreams for calls of the probe: `service` answers like the upstream of requests, `refused` is a port without a server, `grpc` is a
//! gRPC server.

use crate::outcome::{Outcome, full_len, line, quote, shorten};
use crate::table::Case;
use proxywasm_host::{Direction, FailurePolicy, HeadersPause, LogSink, Part, Phase, PluginConfig, Services};
use proxywasm_tests::guests::{self, PROBE_LEGACY};
use proxywasm_tests::harness::{GrpcServer, Message, Origin, PATIENCE, Proxy, chunked, plugin_code, proxy};
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How a runner is made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Setup {
    words: Vec<String>,
    config: String,
    tcp: bool,
}

/// A runner and what is around it.
pub(crate) struct World {
    setup: Setup,
    proxy: Option<Proxy>,
    address: SocketAddr,
    origin: Origin,
    service: Origin,
    _grpc: GrpcServer,
    reports: Arc<Reports>,
}

/// What the probe has reported: lines `CASE|TEXT`.
#[derive(Default)]
pub(crate) struct Reports {
    lines: Mutex<Vec<String>>,
    added: Condvar,
}

// === impl Setup ===

impl Setup {
    pub(crate) fn parse(words: &str, config: &str, tcp: bool) -> Self {
        Self {
            words: words.split_whitespace().map(str::to_owned).collect(),
            config: config.to_owned(),
            tcp,
        }
    }

    /// Whether no other case may use the runner.
    pub(crate) fn is_alone(&self) -> bool {
        self.tcp || self.has("alone") || self.has("stop")
    }

    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word)
    }

    fn value(&self, name: &str) -> Option<&str> {
        let value = |word: &'_ String| word.strip_prefix(name).map(str::len);
        let word = self.words.iter().find(|word| value(word).is_some())?;
        word.strip_prefix(name)
    }

    fn plugin(&self) -> PluginConfig {
        let mut config = PluginConfig {
            root_id: "root".to_owned(),
            vm_id: "vm".to_owned(),
            vm_configuration: "vm settings".into(),
            configuration: self.config.clone().into_bytes().into(),
            ..PluginConfig::new("probe")
        };
        // Cases share a proxy, and many of them fail on purpose.
        config.crash_loop.failures = u32::MAX;
        if self.has("hold_headers") {
            config.headers_pause = HeadersPause::HoldHeaders;
        }
        if self.has("open") {
            config.failure = FailurePolicy::Open;
        }
        if let Some(held) = self.value("held=") {
            config.limits.held_body_bytes = held.parse().unwrap();
        }
        if let Some(names) = self.value("only=") {
            config.allowed_hostcalls = Some(names.split(',').map(str::to_owned).collect());
        }
        if let Some(phase) = self.value("off=") {
            let phase = match phase {
                "request_body" => Phase::new(Direction::Request, Part::Body),
                "response_headers" => Phase::new(Direction::Response, Part::Headers),
                other => panic!("{other} cannot be switched off"),
            };
            config.callbacks_off = [phase].into_iter().collect();
        }
        config
    }

    /// The probe, with the marker of the version.
    fn module(&self) -> Vec<u8> {
        let mut wasm = guests::load(PROBE_LEGACY);
        let version = ["0.1.0", "0.2.0"].into_iter().find(|version| self.has(version));
        if let Some(version) = version {
            let marker =
                |version: &str| format!("proxy_abi_version_{}", version.replace('.', "_")).into_bytes();
            let (old, new) = (marker("0.2.1"), marker(version));
            let at = wasm.windows(old.len()).position(|window| window == old).unwrap();
            wasm[at..at + new.len()].copy_from_slice(&new);
        }
        wasm
    }
}

// === impl World ===

impl World {
    pub(crate) fn start(setup: &Setup) -> Self {
        let reports = Arc::new(Reports::default());
        let origin = if setup.tcp {
            Origin::raw(echo)
        } else {
            Origin::raw(serve)
        };
        let service = Origin::raw(serve);
        let grpc = GrpcServer::start();
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let code = plugin_code(&setup.module());
        let mut builder = proxy()
            .services(Services::new(Arc::clone(&reports) as _))
            .unlimited_log()
            .without_forwarding_headers()
            .upstream_of_calls("service", service.address())
            .upstream_of_calls("refused", nobody)
            .upstream_of_calls("grpc", grpc.address())
            .plugin(Arc::clone(&code), setup.plugin());
        if setup.has("chain") {
            let second = PluginConfig {
                configuration: "name b".into(),
                ..setup.plugin()
            };
            builder = builder.plugin(code, second);
        }
        let builder = match setup.tcp {
            true => builder.tcp_upstream(origin.address()),
            false => builder.upstream(origin.address()),
        };
        let proxy = builder.start();
        Self {
            setup: setup.clone(),
            address: proxy.address(),
            proxy: Some(proxy),
            origin,
            service,
            _grpc: grpc,
            reports,
        }
    }

    /// Lets a case happen. Where its outcome is to be written nobody knows when it is complete: then it gets some time.
    pub(crate) fn run(&mut self, case: &Case, writes: bool) -> Outcome {
        static CASES: AtomicUsize = AtomicUsize::new(1);
        let number = CASES.fetch_add(1, Ordering::Relaxed);
        let visits = case.visits();
        let name = |index: usize| match index {
            0 => format!("c{number}"),
            _ => format!("c{number}#{}", index + 1),
        };
        let client: Vec<String> = thread::scope(|scope| {
            let mut threads = Vec::new();
            for (index, visit) in visits.iter().enumerate() {
                match visit.after() {
                    Some(text) => self.reports.wait_for(&format!("c{number}"), text),
                    None => threads
                        .iter()
                        .for_each(|thread: &thread::ScopedJoinHandle<'_, String>| {
                            while !thread.is_finished() {
                                thread::sleep(Duration::from_millis(1));
                            }
                        }),
                }
                let (address, reports) = (self.address, &self.reports);
                threads.push(scope.spawn(move || visit.make(address, &name(index), reports)));
            }
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        if self.setup.has("stop") {
            self.proxy.take().into_iter().for_each(Proxy::shut_down);
        }
        let expected = if writes {
            None
        } else {
            Some(full_len(&case.outcome().report))
        };
        let prefix = if self.setup.is_alone() {
            String::new()
        } else {
            format!("c{number}")
        };
        let mut lines = self.reports.settled(&prefix, expected);
        // Of several clients each by itself: which of two is done first is a matter of time.
        if visits.len() > 1 {
            lines.sort_by_key(|line| line.split('|').next().map(str::to_owned));
        }
        let report = lines.iter().map(|line| match line.split_once('|') {
            Some((case, text)) => match case.split_once('#') {
                Some((_, number)) => format!("{number}: {text}"),
                None => text.to_owned(),
            },
            None => line.clone(),
        });
        let expected = case.outcome().upstream;
        let expected = expected
            .iter()
            .filter(|line| !line.starts_with("service: "))
            .count();
        let upstream = self.requests(if writes { 0 } else { expected });
        Outcome {
            report: shorten(report.collect()),
            upstream,
            client,
        }
    }

    /// The requests that the upstreams got. Whether they get one that breaks off is a matter of time, hence such ones are left out.
    fn requests(&self, expected: usize) -> Vec<String> {
        let shown = |message: Message| match message.start.as_str() {
            "TCP" => format!(
                "{} {}",
                quote(&message.body),
                if message.complete { "end" } else { "reset" }
            ),
            _ => line(&message),
        };
        let whole = |message: &Message| match message.start.as_str() {
            "TCP" => true,
            // Who asks for that gives up.
            start => message.complete && !start.contains("/hang"),
        };
        let (mut requests, start) = (Vec::new(), Instant::now());
        loop {
            requests.extend(self.origin.received_now().filter(whole).map(shown));
            if requests.len() >= expected || start.elapsed() > PATIENCE {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        // Two streams reach the upstream in any order.
        requests.sort();
        let called = self.service.received_now().filter(whole);
        requests.extend(called.map(|message| format!("service: {}", line(&message))));
        requests
    }
}

/// Serves by the path of each request.
fn serve(mut reader: BufReader<TcpStream>, seen: Sender<Message>) {
    while let Ok(Some(mut request)) = Message::read_head(&mut reader) {
        request.read_body(&mut reader);
        let path = request.start.split(' ').nth(1).unwrap_or_default().to_owned();
        let body = request.body.clone();
        let _unheard = seen.send(request);
        let mut parts = path.trim_start_matches('/').split('/');
        let fixed = |status: &str, body: &[u8]| {
            let head = format!(
                "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nx-up: 1\r\n\r\n",
                body.len()
            );
            [head.as_bytes(), body].concat()
        };
        let in_chunks = |chunks: &[&[u8]], trailers: &[(&str, &str)]| {
            let trailer = if trailers.is_empty() {
                ""
            } else {
                "trailer: x-t\r\n"
            };
            let head = format!("HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n{trailer}x-up: 1\r\n\r\n");
            [head.as_bytes(), &chunked(chunks, trailers)].concat()
        };
        let answer = match parts.next().unwrap_or_default() {
            "chunks" => in_chunks(&[b"abc", b"de"], &[]),
            "trailers" => in_chunks(&[b"abc"], &[("x-t", "1")]),
            "status" => match parts.next().unwrap_or_default() {
                status @ ("204" | "304") => format!("HTTP/1.1 {status} x\r\nx-up: 1\r\n\r\n").into_bytes(),
                status => fixed(status, b"no"),
            },
            "bytes" => fixed(
                "200",
                &vec![b'x'; parts.next().unwrap_or_default().parse().unwrap_or(0)],
            ),
            "pieces" => {
                let count = parts.next().unwrap_or_default().parse().unwrap_or(0);
                in_chunks(&vec![&[b'x'; 800][..]; count], &[])
            }
            "echo" => fixed("200", &body),
            "multi" => b"HTTP/1.1 200 x\r\nx-m: 1\r\nx-m: 2\r\ncontent-length: 2\r\n\r\nok".to_vec(),
            "cut" => b"HTTP/1.1 200 x\r\ncontent-length: 10\r\n\r\nabc".to_vec(),
            "gone" => Vec::new(),
            "hang" => {
                let _gone = reader.read(&mut [0]);
                return;
            }
            _ => fixed("200", b"ok"),
        };
        let sent = reader.get_mut().write_all(&answer);
        if sent.is_err() || matches!(path.as_str(), "/cut" | "/gone") {
            return;
        }
    }
}

/// Sends back what comes, until it ends or says `bye`.
fn echo(mut reader: BufReader<TcpStream>, seen: Sender<Message>) {
    let mut message = Message {
        start: "TCP".to_owned(),
        ..Message::default()
    };
    let mut piece = [0; 1 << 16];
    loop {
        match reader.get_mut().read(&mut piece) {
            Ok(0) => {
                message.complete = true;
                break;
            }
            Ok(read) => {
                message.body.extend_from_slice(&piece[..read]);
                let _gone = reader.get_mut().write_all(&piece[..read]);
                if message.body.ends_with(b"bye") {
                    message.complete = true;
                    break;
                }
            }
            Err(_) => break,
        }
    }
    let _unheard = seen.send(message);
}

// === impl Reports ===

impl Reports {
    /// Waits until a case has reported a text, at most as long as anything may take: what lacks then is seen in the outcome.
    pub(crate) fn wait_for(&self, case: &str, text: &str) {
        let case = case.split('#').next().unwrap_or_default();
        self.wait_until(PATIENCE, |lines| {
            lines
                .iter()
                .any(|line| line.starts_with(case) && line.contains(text))
        });
    }

    /// The lines of a case once it is over: when it has as many as expected, or when all its streams have ended and nothing more comes.
    fn settled(&self, prefix: &str, expected: Option<usize>) -> Vec<String> {
        let of_case = |line: &&String| {
            let rest = line.strip_prefix(prefix);
            rest.is_some_and(|rest| prefix.is_empty() || rest.starts_with(['|', '#']))
        };
        match expected {
            Some(expected) => {
                self.wait_until(PATIENCE, |lines| lines.iter().filter(of_case).count() >= expected)
            }
            None => {
                self.wait_until(Duration::from_millis(700), |lines| {
                    let count = |text: &str| {
                        lines
                            .iter()
                            .filter(of_case)
                            .filter(|line| line.contains(text))
                            .count()
                    };
                    count("context_create(stream") == count("delete(stream")
                });
                let patience = Duration::from_millis(1500);
                self.wait_until(patience, |lines| {
                    let count = |text: &str| {
                        lines
                            .iter()
                            .filter(of_case)
                            .filter(|line| line.contains(text))
                            .count()
                    };
                    count("$call = ok $call") <= count("http_call_response(")
                });
                thread::sleep(Duration::from_millis(150));
            }
        }
        self.lines
            .lock()
            .unwrap()
            .iter()
            .filter(of_case)
            .cloned()
            .collect()
    }

    fn wait_until(&self, patience: Duration, done: impl Fn(&[String]) -> bool) {
        let start = Instant::now();
        let mut lines = self.lines.lock().unwrap();
        while !done(&lines) {
            let Some(left) = patience.checked_sub(start.elapsed()) else {
                return;
            };
            lines = self.added.wait_timeout(lines, left).unwrap().0;
        }
    }
}

impl LogSink for Reports {
    fn write(&self, record: &proxywasm_host::Record<'_>) {
        if record.message.contains('|') {
            self.lines.lock().unwrap().push(record.message.to_owned());
            self.added.notify_all();
        }
    }
}
