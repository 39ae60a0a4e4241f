//! Header maps that plugins read and change, as a guest sees them and as they leave.

use crate::common::{Bench, component, request};
use http::request::Parts;
use proxywasm_host::Output;

/// A packed map as a data string of the text format, and its size.
fn packed(pairs: &[(&[u8], &[u8])]) -> (String, usize) {
    let mut block = (pairs.len() as u32).to_le_bytes().to_vec();
    for (name, value) in pairs {
        block.extend((name.len() as u32).to_le_bytes());
        block.extend((value.len() as u32).to_le_bytes());
    }
    for (name, value) in pairs {
        block.extend(*name);
        block.extend(*value);
    }
    (
        block.iter().map(|byte| format!("\\{byte:02x}")).collect(),
        block.len(),
    )
}

/// A plugin that removes and adds request headers in one call and logs the status.
pub(crate) fn changing(remove: &[&str], add: &[(&[u8], &[u8])]) -> String {
    let (block, size) = packed(add);
    let mut data = format!(r#"(data (i32.const 4096) "{block}")"#);
    // The iovecs: 1024 one for the block; 1032 one for each key.
    data += &iovec(1024, 4096, size);
    for (index, key) in remove.iter().enumerate() {
        let at = 2048 + 64 * index;
        data += &format!(r#"(data (i32.const {at}) "{key}")"#);
        data += &iovec(1032 + 8 * index, at, key.len());
    }
    let body = format!(
        "(call $say (call $set_map (local.get $ctx) (i32.const 0) (i32.const 1032) (i32.const {}) (i32.const 1024) (i32.const 1)))
         FORWARD_",
        remove.len()
    );
    component(&[("rqh", &body)], &data)
}

fn iovec(at: usize, start: usize, len: usize) -> String {
    let bytes = [(start as u32).to_le_bytes(), (len as u32).to_le_bytes()].concat();
    let text: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!(r#"(data (i32.const {at}) "{text}")"#)
}

/// Runs a request through a plugin: the head that leaves, or the first word of what leaves instead; and the log.
fn through(guest: String, head: Parts) -> (Result<Parts, u16>, String) {
    let mut bench = Bench::new(&[guest]);
    let id = bench.open();
    bench.host.request_headers(id, head, true);
    let mut result = Err(0);
    while let Some(output) = bench.host.next_output(id) {
        match output {
            Output::RequestHeaders { head, .. } => result = Ok(*head),
            Output::ResponseHeaders { head, .. } => result = Err(head.status.as_u16()),
            _ => {}
        }
    }
    bench.host.finish(id);
    (result, bench.trace())
}

/// The headers in order, the host header last, wherever it stood.
fn lines(head: &Parts) -> Vec<(String, Vec<u8>)> {
    let mut lines: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    lines.sort_by_key(|(name, _)| name == "host");
    lines
}

#[test]
fn changes() {
    type Pairs = &'static [(&'static [u8], &'static [u8])];
    const HOST: (&[u8], &[u8]) = (b"host", b"example.test");
    let table: &[(&str, &[&str], Pairs, Pairs)] = &[
        (
            "add",
            &[],
            &[(b"new", b"v")],
            &[(b"x", b"1"), (b"new", b"v"), HOST],
        ),
        (
            "add to what is there keeps both, in order",
            &[],
            &[(b"x", b"2"), (b"X", b"3")],
            &[(b"x", b"1"), (b"x", b"2"), (b"x", b"3"), HOST],
        ),
        (
            "names become lower case",
            &[],
            &[(b"NEW", b"V")],
            &[(b"x", b"1"), (b"new", b"V"), HOST],
        ),
        ("replace", &["X"], &[(b"x", b"2")], &[(b"x", b"2"), HOST]),
        ("remove", &["x", "absent"], &[], &[HOST]),
        (
            "an empty value",
            &[],
            &[(b"e", b"")],
            &[(b"x", b"1"), (b"e", b""), HOST],
        ),
        (
            "a value that is not UTF-8",
            &[],
            &[(b"b", b"\xff\xfe")],
            &[(b"x", b"1"), (b"b", b"\xff\xfe"), HOST],
        ),
        (
            "all regular headers",
            &["*"],
            &[(b"only", b"this")],
            &[(b"only", b"this"), HOST],
        ),
        (
            "another authority",
            &[":authority"],
            &[(b":authority", b"other.test:81")],
            &[(b"x", b"1"), (b"host", b"other.test:81")],
        ),
    ];
    for (name, remove, add, expected) in table {
        let (head, log) = through(changing(remove, add), request());
        let head = head.unwrap_or_else(|status| panic!("{name}: answered {status}"));
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, value)| (String::from_utf8(name.to_vec()).unwrap(), value.to_vec()))
            .collect();
        assert_eq!(lines(&head), expected, "{name}");
        assert_eq!(log, "rqh! =0", "{name}");
        assert_eq!(head.uri, "/path?query", "{name}");
    }
}

#[test]
fn pseudo_headers() {
    let change = |name: &'static [u8], value: &'static [u8]| {
        through(
            changing(&[std::str::from_utf8(name).unwrap()], &[(name, value)]),
            request(),
        )
        .0
    };
    assert_eq!(change(b":path", b"/new?q=1").unwrap().uri, "/new?q=1");
    assert_eq!(change(b":method", b"PATCH").unwrap().method, "PATCH");
    let broken: &[(&[u8], &[u8])] = &[
        (b":path", b""),
        (b":path", b"no-slash"),
        (b":path", b"/a b"),
        (b":path", b"http://elsewhere/"),
        (b":method", b""),
        (b":method", b"GET /x"),
        (b":authority", b"a b"),
        (b":authority", b"user@@host"),
        (b":status", b"200"),
        (b":unknown", b"x"),
    ];
    for (name, value) in broken {
        assert_eq!(
            change(name, value).map(|_| ()),
            Err(400),
            "{}: {}",
            name.escape_ascii(),
            value.escape_ascii()
        );
    }
    for name in [":path", ":method", ":authority", ":*"] {
        assert_eq!(
            through(changing(&[name], &[]), request()).0.map(|_| ()),
            Err(400),
            "without {name}"
        );
    }
    // Two of one kind.
    assert_eq!(
        through(changing(&[], &[(b":path", b"/two")]), request())
            .0
            .map(|_| ()),
        Err(400)
    );
}

#[test]
fn nothing_can_be_injected() {
    let table: &[(&[u8], &[u8])] = &[
        (b"x", b"a\r\ninjected: 1"),
        (b"x", b"a\n"),
        (b"x", b"\0"),
        (b"x", b"\x01"),
        (b"x", b"\x7f"),
        (b"x\r\ny", b"1"),
        (b"x:y", b"1"),
        (b"x y", b"1"),
        (b"", b"1"),
        (b":", b"1"),
        (b"\xff", b"1"),
        (b":path", b"/\r\n\r\nGET /"),
    ];
    for (name, value) in table {
        let (head, log) = through(changing(&[], &[(b"good", b"1"), (name, value)]), request());
        assert_eq!(
            log,
            "rqh! =4",
            "{}: {}",
            name.escape_ascii(),
            value.escape_ascii()
        );
        // Nothing of the call was done.
        assert_eq!(lines(&head.unwrap()), lines(&request()));
    }
}

#[test]
fn many_headers() {
    let pairs: Vec<(Vec<u8>, Vec<u8>)> = (0..10_000)
        .map(|index| (format!("h{index}").into_bytes(), b"v".to_vec()))
        .collect();
    let pairs: Vec<(&[u8], &[u8])> = pairs
        .iter()
        .map(|(name, value)| (&name[..], &value[..]))
        .collect();
    // The block lies behind everything else, so the memory has to be larger.
    let guest = |pairs: &[(&[u8], &[u8])]| {
        changing(&[], pairs).replace(r#"(export "memory") 2"#, r#"(export "memory") 16"#)
    };
    let (head, log) = through(guest(&pairs), request());
    assert_eq!((head.unwrap().headers.len(), log.as_str()), (10_002, "rqh! =0"));
    let more: Vec<_> = pairs.iter().chain(&pairs).copied().collect();
    let (head, log) = through(guest(&more), request());
    assert_eq!(
        (head.unwrap().headers.len(), log.as_str()),
        (2, "rqh! =10"),
        "beyond the bound: unavailable"
    );
}

#[test]
fn untouched_heads_come_out_as_they_went_in() {
    let mut head = request();
    head.extensions.insert(42u32);
    let (head, _) = through(component(&[("rqh", "FORWARD_")], ""), head);
    let head = head.unwrap();
    assert_eq!(head.extensions.get::<u32>(), Some(&42));
    assert_eq!(lines(&head), lines(&request()));
    // A change keeps what is no header.
    let mut head = request();
    head.extensions.insert(42u32);
    let (head, _) = through(changing(&[], &[(b"a", b"b")]), head);
    assert_eq!(head.unwrap().extensions.get::<u32>(), Some(&42));
}

#[test]
fn written_bodies_and_their_length() {
    // Writes "no" over the first byte of the body.
    let write = |buffer: u32| {
        format!(
            "(call $say (call $set_buffer (local.get $ctx) (i32.const {buffer}) (i32.const 0) (i32.const 1) (i32.const 64) (i32.const 1))) FORWARD_"
        )
    };
    let run = |headers: &str, body: &str, length: &str, script: &str| {
        let mut bench = Bench::new(&[component(&[("rqh", headers), ("rqb", body)], "")]);
        let id = bench.open();
        let mut head = request();
        head.headers.insert("content-length", length.parse().unwrap());
        bench.host.request_headers(id, head, false);
        let mut declared = None;
        let mut rest = Vec::new();
        let mut take = |bench: &mut Bench| {
            while let Some(output) = bench.host.next_output(id) {
                match &output {
                    Output::RequestHeaders { head, .. } => {
                        let length = head.headers.get("content-length");
                        declared = length.map(|value| value.to_str().unwrap().to_owned());
                    }
                    _ => rest.push(crate::common::show(&output)),
                }
            }
        };
        take(&mut bench);
        for event in script.split_whitespace() {
            let data = event.trim_end_matches('!').to_owned();
            bench.host.request_body(id, data.into(), event.ends_with('!'));
            take(&mut bench);
        }
        (declared, rest.join(" "))
    };
    let write = write(3);
    let full = run("FULL_", &write, "3", "ab c!");
    assert_eq!(
        full,
        (Some("4".into()), "rqb:no rqb:b rqb:c!".into()),
        "known: corrected"
    );
    let more = "(if (result i32) (local.get $eos) (then FORWARD_) (else FORWARD_))";
    let go_on = write.replace("FORWARD_", more);
    let partly = run("MORE_", &go_on, "3", "ab c!");
    assert_eq!(
        partly,
        (None, "rqb:no rqb:b rqb:no!".into()),
        "not known yet: removed"
    );
    let late = run("FORWARD_", &write, "3", "ab c!");
    assert_eq!(
        late.1, "rqb:no rqb:b reset:LengthChanged",
        "sent already: never a wrong message"
    );
    assert_eq!(
        run("END_", "FORWARD_", "3", "ab c!"),
        (Some("0".into()), String::new())
    );
}
