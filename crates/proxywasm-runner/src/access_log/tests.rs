//! What lines look like.

use super::*;
use crate::driver::Reason;
use crate::properties::{ConnectionProperties, Told};
use http::{Request, Response, StatusCode, request, response};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

/// 2000-10-10T13:55:36.007Z.
const MILLIS: u64 = 971_186_136_007;

fn head(headers: &[(&str, &[u8])]) -> request::Parts {
    let mut request = Request::get("/a%20b?c=d");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn response(headers: &[(&str, &[u8])]) -> response::Parts {
    let mut response = Response::builder().status(404);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(()).unwrap().into_parts().0
}

/// The line of a request with these headers.
fn line(format: &Format, headers: &[(&str, &[u8])]) -> String {
    let head = head(headers);
    let mut draft = Draft::of_request(&head);
    draft.began = UNIX_EPOCH + Duration::from_millis(MILLIS);
    draft.note_headers(format, &head);
    draft.note_response(format, &response(&[("x-answer", b"yes")]));
    finished(format, &draft, Some(StatusCode::NOT_FOUND))
}

fn finished(format: &Format, draft: &Draft, status: Option<StatusCode>) -> String {
    let source: SocketAddr = "[::ffff:192.0.2.1]:1000".parse().unwrap();
    let connection = ConnectionProperties::new(source.into(), source.into());
    let way = Told {
        route: Some("api".into()),
        upstream: Some("backend".to_owned()),
        attempts: Some(2),
        address: None,
    };
    format.line(&Facts {
        draft,
        duration: Duration::from_micros(1_234_567),
        status,
        received: 5,
        sent: 6,
        connection: &connection,
        way: &way,
        reason: &Reason::NoRoute,
        listener: "front",
    })
}

#[test]
fn lines_of_text() {
    let table: &[(&str, &[(&str, &[u8])], &str)] = &[
        (
            "common",
            &[],
            "192.0.2.1 - - [10/Oct/2000:13:55:36 +0000] \"GET /a%20b?c=d HTTP/1.1\" 404 6\n",
        ),
        (
            "combined",
            &[("user-agent", b"curl/8 (x)"), ("referer", b"http://a.test/")],
            "192.0.2.1 - - [10/Oct/2000:13:55:36 +0000] \"GET /a%20b?c=d HTTP/1.1\" 404 6 \"http://a.test/\" \"curl/8 (x)\"\n",
        ),
        (
            "%{time} %{duration} %{duration_ms} %{listener} %{authority} %{bytes_received} %{reason} %{client}",
            &[("host", b"a.test")],
            "2000-10-10T13:55:36.007Z 1.234567 1234 front a.test 5 no_route [::ffff:192.0.2.1]:1000\n",
        ),
        (
            "%{route}/%{upstream}/%{upstream_address}/%{attempts} %{tls_version} 100%%",
            &[],
            "api/backend/-/2 - 100%\n",
        ),
        (
            "%{request_header:X-One} %{response_header:x-answer} %{request_header:x-two}",
            &[("x-one", b"1"), ("x-one", b"2")],
            "1 yes -\n",
        ),
        // Nobody can break out of a value: not to another line, not out of its quotes, not to another column.
        (
            "\"%{user_agent}\" %{request_header:x-one} end",
            &[("user-agent", b"a\" b\\\tc\xff\xc3\xbc"), ("x-one", b"a b\t- -")],
            "\"a\\\" b\\\\\\x09c\\xFF\\xC3\\xBC\" a\\x20b\\x09-\\x20- end\n",
        ),
        ("[%{request_header:x-one}]", &[("x-one", b"")], "[-]\n"),
    ];
    for (template, headers, expected) in table {
        let format = Format::text(template).unwrap();
        assert_eq!(line(&format, headers), *expected, "{template}");
    }
}

#[test]
fn lines_of_json() {
    let fields = [
        "time",
        "status",
        "duration",
        "attempts",
        "upstream_address",
        "user_agent",
    ];
    let format = Format::json(fields).unwrap();
    let text = line(&format, &[("user-agent", b"a\"}\\\xff\tb")]);
    assert_eq!(
        text,
        "{\"time\":\"2000-10-10T13:55:36.007Z\",\"status\":404,\"duration\":1.234567,\"attempts\":2,\
         \"upstream_address\":null,\"user_agent\":\"a\\\"}\\\\\u{fffd}\\tb\"}\n"
    );
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["user_agent"], "a\"}\\\u{fffd}\tb");
    let all = Format::json(DEFAULT_JSON_FIELDS.iter().copied()).unwrap();
    let value: Value = serde_json::from_str(&line(&all, &[])).unwrap();
    assert_eq!(value.as_object().unwrap().len(), DEFAULT_JSON_FIELDS.len());
}

#[test]
fn a_stream_has_what_a_request_has_not() {
    let format = Format::text("%{protocol} %{method} %{path} %{status} %{bytes_sent}").unwrap();
    assert_eq!(finished(&format, &Draft::of_stream(), None), "TCP - - - 6\n");
    let malformed = Draft::of_malformed(Duration::from_secs(1));
    assert_eq!(
        finished(&format, &malformed, Some(StatusCode::BAD_REQUEST)),
        "HTTP/1.1 - - 400 6\n"
    );
}

#[test]
fn what_is_no_format() {
    let table = [
        ("", "there is no field in it"),
        ("hello", "there is no field in it"),
        ("%{time", "`%{` at character 0 has no `}`"),
        ("a %d", "`%` at character 2 begins neither"),
        ("%{statsu}", "did you mean `status`?"),
        ("%{request_header:a b}", "that is no name of a header"),
    ];
    for (template, expected) in table {
        let error = Format::text(template).unwrap_err().to_string();
        assert!(error.contains(expected), "{template}: {error}");
    }
    assert!(Format::json([]).is_err());
}

#[test]
fn every_field_has_a_value_of_its_own_name() {
    let documentation = include_str!("../../../../docs/OPERATIONS.md");
    for (plain, name, about) in field::Plain::ALL {
        assert!(
            documentation.contains(&format!("`{name}`")),
            "OPERATIONS.md does not have `{name}`"
        );
        assert_eq!(name.parse(), Ok(Field::Plain(*plain)), "{name}");
        assert!(!about.is_empty());
    }
}

#[test]
fn a_queue_that_is_full_drops_and_counts() {
    let (lines, taken) = std::sync::mpsc::sync_channel(2);
    let dropped = Arc::new(Counter::default());
    let queue = Queue {
        lines,
        dropped: Arc::clone(&dropped),
        writer: std::thread::current(),
    };
    for number in 0..5 {
        queue.put(number.to_string());
    }
    assert_eq!(dropped.get(), 3);
    assert_eq!(taken.try_iter().collect::<Vec<_>>(), ["0", "1"]);
    // Who wrote them is gone.
    drop(taken);
    queue.put(String::new());
    assert_eq!(dropped.get(), 4);
}
