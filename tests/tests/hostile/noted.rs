//! What the codec answers or ends by itself, before there is a request: operators see it all the same.

use proxywasm_runner::HttpOptions;
use proxywasm_tests::harness::frames::{FrameStream, PING, PREFACE, SETTINGS, frame, hello};
use proxywasm_tests::harness::{Client, PATIENCE, proxy};
use serde_json::Value;
use std::time::{Duration, Instant};

const LARGE: usize = 100 << 10;

/// What a client sends to its connection, and what is noted of it.
struct Row {
    name: &'static str,
    options: fn(&mut HttpOptions),
    bytes: Vec<u8>,
    /// What has come for so long is all that comes.
    stays: bool,
    reason: &'static str,
    /// The lines of the access log.
    lines: &'static [&'static str],
    /// The class of the status under which a request is counted.
    status: Option<&'static str>,
}

impl Row {
    fn new(name: &'static str, bytes: impl Into<Vec<u8>>, reason: &'static str) -> Self {
        Self {
            name,
            options: |_| {},
            bytes: bytes.into(),
            stays: true,
            reason,
            lines: &[],
            status: None,
        }
    }

    /// It is answered, by what is no request.
    fn answered(mut self, lines: &'static [&'static str]) -> Self {
        self.lines = lines;
        self.status = Some("4xx");
        self
    }
}

fn rows() -> Vec<Row> {
    let target = format!("GET /{} HTTP/1.1\r\nhost: h\r\n\r\n", "a".repeat(LARGE));
    let header = format!("GET / HTTP/1.1\r\nhost: h\r\nx: {}\r\n\r\n", "a".repeat(LARGE));
    vec![
        Row::new("no HTTP", "nonsense\r\n\r\n", "malformed").answered(&["HTTP/1.1 - - 400 malformed"]),
        Row::new(
            "a header without a name",
            "GET / HTTP/1.1\r\n: x\r\n\r\n",
            "malformed",
        )
        .answered(&["HTTP/1.1 - - 400 malformed"]),
        Row::new(
            "behind a request",
            "GET /a HTTP/1.1\r\nhost: h\r\n\r\nGET\r\n\r\n",
            "malformed",
        )
        .answered(&["HTTP/1.1 GET /a 200 -", "HTTP/1.1 - - 400 malformed"]),
        Row::new("a large header", header, "malformed").answered(&["HTTP/1.1 - - 431 malformed"]),
        Row {
            options: |options| options.max_header_bytes = 1 << 20,
            ..Row::new("a long target", target, "malformed").answered(&["HTTP/1.1 - - 414 malformed"])
        },
        Row {
            options: |options| options.http2 = false,
            lines: &["HTTP/1.1 - - - malformed"],
            status: Some("none"),
            ..Row::new("HTTP/2 where it is not spoken", PREFACE, "malformed")
        },
        Row {
            stays: false,
            ..Row::new("half a head", "GET / HTTP/1.1\r\nhost", "broke_off")
        },
        Row {
            options: |options| options.head_timeout = Duration::from_millis(200),
            ..Row::new(
                "a head that does not end",
                "GET / HTTP/1.1\r\nhost: h\r\n",
                "timeout",
            )
        },
        Row {
            options: |options| {
                options.ping_interval = Duration::from_millis(100);
                options.ping_timeout = Duration::from_millis(100);
            },
            ..Row::new("a client that answers no ping", hello(&[]), "timeout")
        },
        Row::new(
            "a frame that may not be so long",
            [hello(&[]), frame(SETTINGS, 0, 0, [0; 5])].concat(),
            "protocol",
        ),
        Row {
            options: |options| options.max_idle_frames = 20,
            ..Row::new(
                "a flood",
                [hello(&[]), frame(PING, 0, 0, [0; 8]).repeat(100)].concat(),
                "flood",
            )
        },
    ]
}

#[test]
fn connections_that_end_for_an_error() {
    for row in rows() {
        let log = std::env::temp_dir().join(format!("proxywasm-noted-{}", std::process::id()));
        let _ = std::fs::remove_file(&log);
        let mut options = HttpOptions::default();
        (row.options)(&mut options);
        let proxy = proxy()
            .http(options)
            .admin()
            .access_log(&log, "%{protocol} %{method} %{path} %{status} %{reason}")
            .start();
        let mut client = Client::connect(proxy.address());
        client.try_send(&row.bytes);
        if row.stays {
            client.count_to_end();
        }
        drop(client);
        let count = |name: &str| {
            let page = proxy.ask("GET /metrics", "").1;
            let line = page
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name} of {page}"))
                .parse::<f64>()
                .unwrap()
        };
        let listener = format!("listener=\"{}\"", proxy.address());
        let errors = |reason: &str| {
            count(&format!(
                "proxywasm_listener_connection_errors_total{{{listener},reason=\"{reason}\"}}"
            ))
        };
        let until = Instant::now() + PATIENCE;
        while errors(row.reason) == 0.0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        for reason in ["malformed", "protocol", "flood", "timeout", "broke_off"] {
            let expected = f64::from(u8::from(reason == row.reason));
            assert_eq!(errors(reason), expected, "{}: {reason}", row.name);
        }
        let shown: Value = serde_json::from_str(&proxy.ask("GET /listeners", "").1).unwrap();
        assert_eq!(shown[0]["connection_errors"][row.reason], 1, "{}", row.name);
        if let Some(status) = row.status {
            let name = format!("proxywasm_listener_requests_total{{{listener},status=\"{status}\"}}");
            assert_eq!(count(&name), 1.0, "{}", row.name);
        }
        // All is written when it has stopped.
        proxy.shut_down();
        let written = std::fs::read_to_string(&log).unwrap_or_default();
        assert_eq!(written.lines().collect::<Vec<_>>(), row.lines, "{}", row.name);
        let _ = std::fs::remove_file(&log);
    }
}

/// A client that says good-bye, or only looks whether somebody listens, is no error.
#[test]
fn connections_that_end_in_order() {
    let proxy = proxy().admin().start();
    drop(Client::connect(proxy.address()));
    let mut client = proxy.client();
    assert_eq!(client.request("GET /", &[]).status(), 200);
    drop(client);
    let mut client = FrameStream::connect(proxy.address(), &[]);
    client.send(frame(PING, 0, 0, [0; 8]));
    while client.receive().is_some_and(|frame| frame.kind != PING) {}
    // GOAWAY, without an error.
    client.send(frame(7, 0, 0, [0; 8]));
    while client.receive().is_some() {}
    let open = format!(
        "proxywasm_listener_connections{{listener=\"{}\"}} 0",
        proxy.address()
    );
    let until = Instant::now() + PATIENCE;
    let mut page = String::new();
    while !page.contains(&open) && Instant::now() < until {
        page = proxy.ask("GET /metrics", "").1;
    }
    assert!(page.contains(&open), "{page}");
    let errors = page
        .lines()
        .filter(|line| line.starts_with("proxywasm_listener_connection_errors_total"));
    let errors: Vec<&str> = errors.filter(|line| !line.ends_with(" 0")).collect();
    assert!(errors.is_empty(), "{errors:?}");
}
