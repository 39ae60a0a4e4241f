//! Spans at a collector that others have made: Rotel, of the PyPI package `rotel`, if its `rotel-agent` is on the path.

use super::origin;
use proxywasm_runner::TraceSettings;
use proxywasm_tests::guests::HEADERS_COMPONENT;
use proxywasm_tests::harness::{PATIENCE, proxy};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

/// A running collector that prints what it gets. Stops when dropped.
struct Rotel {
    process: Child,
    http: SocketAddr,
    lines: Receiver<String>,
}

impl Rotel {
    /// Starts one; `None`, and a message, where none is installed.
    fn start() -> Option<Self> {
        // Ports that were free a moment ago.
        let [http, grpc] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [http, grpc] = [http, grpc].map(|port| port.local_addr().unwrap());
        let spawned = Command::new("rotel-agent")
            .args(["start", "--exporter", "blackhole"])
            .args(["--debug-log", "traces", "--debug-log-verbosity", "detailed"])
            .args(["--otlp-http-endpoint", &http.to_string()])
            .args(["--otlp-grpc-endpoint", &grpc.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut process) = spawned else {
            eprintln!("skipped: rotel-agent is not installed");
            return None;
        };
        let (sender, lines) = channel();
        let output = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || {
            let all = output.lines().map_while(Result::ok);
            all.map_while(|line| sender.send(line).ok()).for_each(drop);
        });
        let rotel = Self { process, http, lines };
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(http).is_err() {
            assert!(Instant::now() < until, "rotel-agent does not start");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Some(rotel)
    }

    /// The lines up to the one that has this in it, without what is around them.
    fn lines_to(&self, end: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            let found = line.contains(end);
            lines.push(line.split_whitespace().collect::<Vec<_>>().join(" "));
            if found {
                return lines;
            }
        }
        panic!("no line has {end:?}: {lines:#?}");
    }
}

impl Drop for Rotel {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_collector_that_is_not_ours_reads_them() {
    let Some(collector) = Rotel::start() else { return };
    let origin = origin();
    let proxy = proxy()
        .traces(TraceSettings {
            ratio: 1.0,
            service_name: "tested".to_owned(),
            ..TraceSettings::new(format!("http://{}/v1/traces", collector.http))
        })
        .guest(HEADERS_COMPONENT, "")
        .upstream(origin.address())
        .start();
    let headers = [("user-agent", "tester")];
    assert_eq!(proxy.client().request("GET /a", &headers).status(), 200);
    let context = origin.received().header("traceparent").unwrap();
    let [_, trace, span, _] = context.split('-').collect::<Vec<_>>()[..] else {
        panic!("{context}");
    };
    // The server's span is the last one, and has this attribute.
    let lines = collector.lines_to("user_agent.original");
    for expected in [
        "-> service.name: Str(tested)",
        &format!("Name : plugin {HEADERS_COMPONENT}"),
        "Kind : SPAN_KIND_INTERNAL",
        "Kind : SPAN_KIND_CLIENT",
        "Kind : SPAN_KIND_SERVER",
        &format!("Trace ID : {trace}"),
        &format!("ID : {span}"),
        &format!("-> url.full: Str(http://{}/a)", origin.address()),
    ] {
        assert!(
            lines.iter().any(|line| line == expected),
            "{expected} of {lines:#?}"
        );
    }
    proxy.shut_down();
}
