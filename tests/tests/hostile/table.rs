//! What a row of a table is, and how it is tried.

use proxywasm_tests::guests::{HEADERS_COMPONENT, HEADERS_LEGACY};
use proxywasm_tests::harness::{Client, Message, Origin, Proxy, proxy};

/// The chains that each row passes.
pub(crate) const CHAINS: &[&[&str]] = &[&[], &[HEADERS_LEGACY], &[HEADERS_COMPONENT]];

/// Bytes of an HTTP/1.1 client, and what comes of them.
pub(crate) struct Row {
    /// What they are.
    pub(crate) name: &'static str,
    /// The section that asks for the outcome.
    pub(crate) section: &'static str,
    pub(crate) sent: Vec<u8>,
    pub(crate) outcome: Outcome,
}

/// What comes of them.
pub(crate) enum Outcome {
    /// Such a status, and the connection ends. No whole request reaches the upstream.
    Refused(u16),
    /// The connection ends with such a status or without one.
    RefusedOrClosed(u16),
    /// The upstream gets one request, as these lines say, and the connection serves on.
    Passes(Passed),
    /// The same, but the connection ends behind the response.
    PassesOnce(Passed),
}

/// What a request looks like that reaches the upstream.
pub(crate) struct Passed {
    /// The request line.
    pub(crate) start: &'static str,
    /// Headers and their values; none if it has to be missing.
    pub(crate) headers: &'static [(&'static str, Option<&'static str>)],
    pub(crate) body: &'static str,
}

pub(crate) fn row(
    name: &'static str,
    section: &'static str,
    sent: impl Into<Vec<u8>>,
    outcome: Outcome,
) -> Row {
    Row {
        name,
        section,
        sent: sent.into(),
        outcome,
    }
}

pub(crate) fn passed(
    start: &'static str,
    headers: &'static [(&'static str, Option<&'static str>)],
    body: &'static str,
) -> Passed {
    Passed { start, headers, body }
}

/// An upstream that answers all, and keeps what reached it.
pub(crate) fn recording() -> Origin {
    Origin::fixed("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
}

/// What came whole to the upstream before a request that is sent now.
pub(crate) fn reached(proxy: &Proxy, origin: &Origin) -> Vec<Message> {
    assert_eq!(proxy.client().request("GET /next", &[]).status(), 200);
    let mut before = Vec::new();
    loop {
        let request = origin.received();
        if request.start == "GET /next HTTP/1.1" {
            return before
                .into_iter()
                .filter(|request: &Message| request.complete)
                .collect();
        }
        before.push(request);
    }
}

/// Tries all rows with each chain.
pub(crate) fn try_all(rows: &[Row]) {
    for chain in CHAINS {
        let origin = recording();
        let proxy = proxy()
            .upstream(origin.address())
            .without_forwarding_headers()
            .guests(chain)
            .start();
        for row in rows {
            try_one(row, &proxy, &origin, chain);
        }
        proxy.shut_down();
    }
}

fn try_one(row: &Row, proxy: &Proxy, origin: &Origin, chain: &[&str]) {
    let what = format!("{} ({}) with {chain:?}", row.name, row.section);
    let mut client = proxy.client();
    client.try_send(&row.sent);
    let answer = client.try_receive(false);
    let status = answer.as_ref().map(Message::status);
    match &row.outcome {
        Outcome::Refused(expected) => {
            assert_eq!(status, Some(*expected), "{what}: {answer:?}");
            assert!(client.is_closed(), "{what}: the connection serves on");
            assert_eq!(reached(proxy, origin), [], "{what}");
        }
        Outcome::RefusedOrClosed(expected) => {
            assert!(
                status.is_none_or(|status| status == *expected),
                "{what}: {answer:?}"
            );
            assert!(client.is_closed(), "{what}: the connection serves on");
            assert_eq!(reached(proxy, origin), [], "{what}");
        }
        Outcome::Passes(passed) => {
            assert_eq!(status, Some(200), "{what}: {answer:?}");
            serves_on(&mut client, &what);
            let requests = reached(proxy, origin);
            assert_eq!(requests.len(), 2, "{what}: {requests:?}");
            check(passed, &requests[0], &what);
        }
        Outcome::PassesOnce(passed) => {
            assert_eq!(status, Some(200), "{what}: {answer:?}");
            assert!(client.is_closed(), "{what}: the connection serves on");
            let requests = reached(proxy, origin);
            assert_eq!(requests.len(), 1, "{what}: {requests:?}");
            check(passed, &requests[0], &what);
        }
    }
}

fn serves_on(client: &mut Client, what: &str) {
    let sent = client.try_send("GET /again HTTP/1.1\r\nhost: h\r\n\r\n");
    let answer = client.try_receive(false);
    assert!(
        sent && answer.is_some_and(|answer| answer.status() == 200),
        "{what}: the connection ended"
    );
}

fn check(passed: &Passed, request: &Message, what: &str) {
    assert_eq!(request.start, passed.start, "{what}");
    assert_eq!(request.text(), passed.body, "{what}");
    for (name, value) in passed.headers {
        assert_eq!(
            request.header(name).as_deref(),
            *value,
            "{what}: {name}: {request:?}"
        );
    }
}
