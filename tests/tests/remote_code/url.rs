//! Code from HTTPS servers.

use super::{Kept, expect, fetch, settings, source};
use proxywasm_runner::{FetchSettings, Sha256};
use proxywasm_tests::harness::{
    Authority, Message, Origin, Proxy, capture_log, chunked, proxy, response, server_tls,
};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

const CODE: &[u8] = b"\0asm, so to say";

/// A server of HTTPS on `localhost`, before one of HTTP.
fn https(authority: &Authority, origin: &Origin) -> (Proxy, String) {
    let tls = server_tls(vec![authority.certificate(&["localhost"])]);
    let server = proxy().tls(tls).upstream(origin.address()).start();
    let base = format!("https://localhost:{}", server.address().port());
    (server, base)
}

/// What a server answers to each path.
fn site(path: &str, address: &str) -> Vec<u8> {
    let moved = |to: &str| response("302 Found", &[("location", to)], b"");
    match path {
        "/code" => response("200 OK", &[], CODE),
        "/moved" => moved("/code"),
        "/circle" => moved("/circle"),
        "/downgrade" => moved(&format!("http://{address}/code")),
        "/large" => response("200 OK", &[], &[0; 2000]),
        "/chunked" => {
            let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            answer.extend(chunked(&[&[0; 600], &[0; 600]], &[]));
            answer
        }
        "/secret" => response("401 Unauthorized", &[], b""),
        "/fault" => response("500 Internal Server Error", &[], b""),
        _ => response("404 Not Found", &[], b""),
    }
}

#[test]
fn what_servers_answer() {
    let authority = Authority::new();
    let origin = Origin::start(|request| {
        let path = request.start.split(' ').nth(1).unwrap();
        let host = request.header("host").unwrap();
        site(path, &host)
    });
    let (_server, base) = https(&authority, &origin);
    let settings = FetchSettings {
        code_bytes: 1000,
        ..settings()
    };
    let table: &[(&str, Result<&[u8], &[&str]>)] = &[
        ("/code", Ok(CODE)),
        ("/moved", Ok(CODE)),
        ("/circle", Err(&["more than 5 times"])),
        ("/downgrade", Err(&["where there is no TLS"])),
        ("/large", Err(&["more than 1000 bytes", "`max_size`"])),
        ("/chunked", Err(&["more than 1000 bytes"])),
        ("/secret", Err(&["401", "give `credentials`"])),
        ("/fault", Err(&["500"])),
        ("/nothing", Err(&["404", "there is nothing of that name"])),
    ];
    for (path, expected) in table {
        let url = format!("{base}{path}");
        let found = fetch(&source(&url, &authority), &settings);
        if let Err(error) = &found {
            assert!(error.contains(&url), "{error}");
        }
        expect(path, found, *expected);
    }
    let broken = Origin::raw(|mut reader, _| {
        let _ = Message::read_head(&mut reader);
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n1234";
        reader.get_mut().write_all(answer).unwrap();
    });
    let url = format!("http://{}/code", broken.address());
    let found = fetch(&source(&url, &authority), &settings);
    expect("what breaks off", found, Err(&["cannot fetch"]));

    // Nobody trusts the authority but who is told to.
    let mut distrusted = source(&format!("{base}/code"), &authority);
    let other = Authority::new();
    distrusted.fetch.ca = Some(other.file());
    expect(
        "another authority",
        fetch(&distrusted, &settings),
        Err(&["certificate"]),
    );
    distrusted.fetch.ca = Some("/nowhere/ca.pem".into());
    expect(
        "no authority",
        fetch(&distrusted, &settings),
        Err(&["/nowhere/ca.pem"]),
    );
    let exposed = source("http://192.0.2.1/code", &authority);
    expect(
        "without TLS",
        fetch(&exposed, &settings),
        Err(&["`plain_http: true`"]),
    );
    let wrong_host = format!("{base}/code").replace("localhost", "127.0.0.1");
    expect(
        "another name",
        fetch(&source(&wrong_host, &authority), &settings),
        Err(&["certificate"]),
    );
}

#[test]
fn servers_that_hang() {
    let authority = Authority::new();
    let origin = Origin::raw(|mut reader, requests| {
        let request = Message::read_head(&mut reader).unwrap().unwrap();
        let begins = request.start.contains("begins");
        if begins {
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n1234";
            reader.get_mut().write_all(head).unwrap();
        }
        requests.send(request).unwrap();
        std::thread::park();
    });
    let settings = FetchSettings {
        timeout: Duration::from_millis(300),
        ..settings()
    };
    for path in ["begins", "is-silent"] {
        let url = format!("http://{}/{path}", origin.address());
        let found = fetch(&source(&url, &authority), &settings);
        expect(path, found, Err(&["within 300 ms", "`timeout`"]));
    }
}

#[test]
fn pinned_code() {
    let authority = Authority::new();
    let origin = Origin::fixed(response("200 OK", &[("etag", "\"1\"")], CODE));
    let (server, base) = https(&authority, &origin);
    let kept = Kept::new();
    let mut pinned = source(&format!("{base}/code"), &authority);

    let other = Sha256::of(b"other");
    pinned.sha256 = Some(other);
    let (found, expected) = (Sha256::of(CODE).to_string(), other.to_string());
    let refused = fetch(&pinned, &kept.settings());
    expect("mismatch", refused, Err(&[&found, &expected, "it has changed"]));

    pinned.sha256 = Some(Sha256::of(CODE));
    expect("first", fetch(&pinned, &kept.settings()), Ok(CODE));
    assert_eq!(origin.received_now().count(), 2);
    expect("second", fetch(&pinned, &kept.settings()), Ok(CODE));
    assert_eq!(origin.received_now().count(), 0, "it is asked for once");

    // What is damaged is fetched again.
    let module = kept.0.join(format!("module-{}.code", Sha256::of(CODE)));
    std::fs::write(&module, "damaged").unwrap();
    expect("damaged", fetch(&pinned, &kept.settings()), Ok(CODE));
    assert_eq!(origin.received_now().count(), 1);
    assert_eq!(std::fs::read(&module).unwrap(), CODE);

    server.shut_down();
    expect("without server", fetch(&pinned, &kept.settings()), Ok(CODE));
    let offline = FetchSettings {
        offline: true,
        ..kept.settings()
    };
    expect("offline", fetch(&pinned, &offline), Ok(CODE));
    let unknown = source("https://localhost/other", &authority);
    expect(
        "offline, unknown",
        fetch(&unknown, &offline),
        Err(&["was never fetched"]),
    );
    let nothing_kept = fetch(&pinned, &settings());
    expect("nothing kept", nothing_kept, Err(&["cannot fetch"]));
}

#[test]
fn code_that_is_not_pinned() {
    let log = capture_log();
    let authority = Authority::new();
    let origin = Origin::start(|request| match request.header("if-none-match").as_deref() {
        Some("\"1\"") => b"HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n".to_vec(),
        _ => response("200 OK", &[("etag", "\"1\"")], CODE),
    });
    let (server, base) = https(&authority, &origin);
    let kept = Kept::new();
    let source = source(&format!("{base}/code?signature=secret"), &authority);
    expect("first", fetch(&source, &kept.settings()), Ok(CODE));
    expect("second", fetch(&source, &kept.settings()), Ok(CODE));
    let asked: Vec<_> = origin
        .received_now()
        .map(|request| request.header("if-none-match"))
        .collect();
    assert_eq!(asked, [None, Some("\"1\"".to_owned())]);

    server.shut_down();
    expect("without server", fetch(&source, &kept.settings()), Ok(CODE));
    let line = log.wait_for("what was fetched last is used");
    assert!(
        line.contains("WARN") && line.contains(&format!("{base}/code")),
        "{line}"
    );
    let mut strict = source.clone();
    strict.fetch.use_cached = false;
    expect("strict", fetch(&strict, &kept.settings()), Err(&["cannot fetch"]));
    assert!(
        !log.lines().iter().any(|line| line.contains("secret")),
        "a signature is a secret"
    );
}

#[test]
fn several_at_once() {
    let authority = Authority::new();
    let origin = Origin::start(|request| {
        let path = request.start.split(' ').nth(1).unwrap();
        response("200 OK", &[], path.as_bytes())
    });
    let (_server, base) = https(&authority, &origin);
    let file = authority.folder().join("file.wasm");
    std::fs::write(&file, "file").unwrap();
    let places = [
        format!("{base}/a"),
        file.to_str().unwrap().to_owned(),
        format!("{base}/b"),
        format!("{base}/a"),
        "/nowhere/file.wasm".to_owned(),
    ];
    let sources: Vec<_> = places.iter().map(|place| source(place, &authority)).collect();
    let codes = proxywasm_runner::read_all(&sources, &settings());
    let codes: Vec<_> = codes.into_iter().map(Result::ok).collect();
    let expected = [Some("/a"), Some("file"), Some("/b"), Some("/a"), None];
    assert_eq!(
        codes,
        expected.map(|code| code.map(|code| code.as_bytes().to_vec()))
    );
    assert_eq!(
        origin.received_now().count(),
        2,
        "what two plugins have is fetched once"
    );

    // Also from a thread that drives a runtime already.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let found = runtime.block_on(async { fetch(&sources[0], &settings()) });
    expect("within a runtime", found, Ok(b"/a"));
}

#[test]
fn directories_that_others_can_write() {
    let authority = Authority::new();
    let kept = Kept::new();
    std::fs::create_dir_all(&kept.0).unwrap();
    std::fs::set_permissions(&kept.0, std::fs::Permissions::from_mode(0o777)).unwrap();
    let source = source("https://localhost/code", &authority);
    let refused = fetch(&source, &kept.settings());
    expect(
        "writable",
        refused,
        Err(&["others can write the cache of remote code", "chmod 700"]),
    );
}
