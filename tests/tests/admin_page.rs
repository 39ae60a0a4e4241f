//! The page of the admin address in a browser.
#![cfg(test)]

use proxywasm_tests::guests;
use proxywasm_tests::harness::{Browser, Client, Origin, Proxy, capture_log, configured};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};

/// A plugin's name and a message that would be more than text, if anybody took them for HTML.
const HOSTILE: &str = "<img src=x onerror=window.broken=1>";

/// A plugin that does something at each request, in a function with such a name.
fn busy() -> Vec<u8> {
    let text = format!(
        r#"(module
            (memory (export "memory") 1)
            (func (export "proxy_abi_version_2021_04"))
            (func $busy (@name "{HOSTILE}") (local $rounds i32)
                (local.set $rounds (i32.const 100000))
                (loop $again
                    (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
                    (br_if $again (local.get $rounds))))
            (func $headers (export "proxy_on_http_request_headers") (param i32 i32 i32) (result i32) (call $busy) (i32.const 0)))"#
    );
    wat::parse_str(text).unwrap()
}

/// A plugin that fails with each request.
const BROKEN: &str = r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_2021_04"))
    (func (export "proxy_on_http_request_headers") (param i32 i32 i32) (result i32) (unreachable)))"#;

fn start() -> (Proxy, Origin) {
    let origin = Origin::fixed("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    let file = |name: &str, wasm: Vec<u8>| {
        let file = std::env::temp_dir().join(format!("proxywasm-{name}-{}.wasm", std::process::id()));
        std::fs::write(&file, wasm).unwrap();
        file
    };
    let (busy_file, broken_file) = (
        file("busy", busy()),
        file("broken", wat::parse_str(BROKEN).unwrap()),
    );
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = configured(&format!(
        r#"
workers: 1
admin: {{ address: '127.0.0.1:0' }}
listeners:
  - name: front
    address: 127.0.0.1:0
    plugins: [headers, busy, '{HOSTILE}']
    routes:
      - {{ match: {{ path: /gone }}, upstream: gone }}
      - {{ upstream: backend }}
  - {{ name: database, address: '127.0.0.1:0', protocol: tcp, upstream: 'tcp://127.0.0.1:9' }}
  - {{ name: broken, address: '127.0.0.1:0', plugins: [broken] }}
upstreams:
  - {{ name: backend, endpoints: [{{ url: 'http://{origin}' }}] }}
  - {{ name: gone, endpoints: [{{ url: 'http://{gone}' }}, {{ url: 'http://{gone}', weight: 2 }}], ejection: {{ failures: 1, time: 1h }} }}
plugins:
  - {{ name: headers, file: '{headers}' }}
  - {{ name: busy, file: '{busy}' }}
  - {{ name: broken, file: '{broken}', crash_loop: {{ failures: 1 }}, reload_back_off: 1h }}
  - {{ name: '{HOSTILE}', file: '{log}' }}
"#,
        origin = origin.address(),
        headers = guests::path(guests::HEADERS_COMPONENT).display(),
        busy = busy_file.display(),
        broken = broken_file.display(),
        log = guests::path(guests::LOG_COMPONENT).display(),
    ));
    let mut client: Client = proxy.client();
    for _ in 0..20 {
        assert_eq!(client.request("GET /", &[]).status(), 200);
    }
    for _ in 0..3 {
        assert!(client.request("GET /gone", &[("x-message", HOSTILE)]).status() >= 500);
    }
    let broken = Client::connect(proxy.addresses()[2]).request("GET /", &[]);
    assert_eq!(broken.status(), 503);
    (proxy, origin)
}

/// Writes a picture where `SCREENSHOTS` names a folder, to be looked at.
fn shoot(browser: &Browser, name: &str) {
    if let Some(folder) = std::env::var_os("SCREENSHOTS") {
        let file = std::path::Path::new(&folder).join(format!("{name}.png.base64"));
        std::fs::write(file, browser.screenshot()).unwrap();
    }
}

#[test]
fn it_shows_what_runs_and_goes_on() {
    let Some(browser) = Browser::start(1280, 1000) else {
        return;
    };
    // Without anybody who reads the log, plugins would not write any.
    let _log = capture_log();
    let (proxy, _origin) = start();
    let url = format!("http://{}/", proxy.admin_address().unwrap());
    browser.prefer("light");
    browser.open(&url);
    browser.wait_for("return document.getElementById('state').textContent === 'serving'");
    let text = |place: &str| {
        let text = browser.run(&format!("return document.getElementById('{place}').innerText"));
        text.as_str().unwrap().to_owned()
    };
    for (place, expected) in [
        ("listeners", "front"),
        ("listeners", "database"),
        ("upstreams", "backend"),
        ("upstreams", "left out"),
        ("plugins", "headers"),
        ("plugins", "running"),
        ("plugins", HOSTILE),
        ("plugins", "waiting"),
        ("plugins", "1 failure in a row; the next instance is made in"),
        ("plugins", "failed in on_http_request_headers at"),
        ("plugins", "wasm trap"),
        ("about", "version"),
        ("about", "configuration 1 since"),
    ] {
        assert!(
            text(place).contains(expected),
            "{expected} is not in {}",
            text(place)
        );
    }
    // Which callbacks they were, where somebody points at their number.
    browser.wait_for(
        "return document.querySelector('#plugins td[title*=\"on_http_request_headers: \"]') !== null",
    );
    // What comes meanwhile is seen without a reload.
    let mut client = proxy.client();
    assert_eq!(client.request("GET /", &[]).status(), 200);
    browser.wait_for("return document.getElementById('listeners').innerText.includes('24 in all')");
    // The log of a plugin, on demand.
    browser.run(
        "document.querySelectorAll('#plugins button[data-what=log]').forEach((button) => button.click())",
    );
    browser.wait_for("return document.querySelectorAll('#plugins .log div').length");
    shoot(&browser, "light");
    browser.run("document.getElementById('plugins').scrollIntoView()");
    shoot(&browser, "light-plugins");
    browser.prefer("dark");
    shoot(&browser, "dark");
    browser.resize(400, 900);
    browser.wait_for("return window.innerWidth === 400");
    let overflow = browser.run("return document.documentElement.scrollWidth - window.innerWidth");
    assert!(overflow.as_i64().unwrap() <= 0, "{overflow} pixels stick out");
    shoot(&browser, "narrow");
    browser.run("document.getElementById('plugins').scrollIntoView()");
    shoot(&browser, "narrow-plugins");
    // Nothing that a plugin or the configuration says was taken for HTML, and nothing was loaded that the policy forbids.
    assert!(browser.run("return window.broken === undefined && document.images.length === 0") == true);
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn it_draws_where_a_plugin_spends_its_time() {
    let Some(browser) = Browser::start(1280, 1000) else {
        return;
    };
    let (proxy, _origin) = start();
    browser.prefer("light");
    browser.open(&format!("http://{}/", proxy.admin_address().unwrap()));
    let button = "document.querySelector('button[data-plugin=busy][data-what=profile]')";
    browser.wait_for(&format!("return {button} !== null"));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = proxy.client();
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(client.request("GET /", &[]).status(), 200);
            }
        });
        browser.run(&format!("{button}.click()"));
        browser.wait_for("return document.querySelectorAll('.flame button').length >= 4");
        is_over.store(true, Ordering::Relaxed);
    });
    // The boxes, each after the one that called it.
    let boxes =
        browser.run("return [...document.querySelectorAll('.flame button')].map((one) => one.textContent)");
    let boxes: Vec<_> = boxes
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|name| name.as_str())
        .collect();
    assert!(
        boxes.starts_with(&["all", "on_http_request_headers", "headers", HOSTILE]),
        "{boxes:?}"
    );
    browser.run("document.querySelector('.flame').scrollIntoView({ block: 'center' })");
    shoot(&browser, "profile");
    // A click on a part shows it as wide as the whole.
    let part = "document.querySelectorAll('.flame button')[3]";
    let wide = browser.run("return document.querySelector('.flame').offsetWidth - 1");
    browser.run(&format!("{part}.click()"));
    assert_eq!(browser.run(&format!("return {part}.offsetWidth")), wide);
    shoot(&browser, "profile-part");
    // It goes when it is not wanted any more.
    browser.run(&format!("{button}.click()"));
    browser.wait_for("return document.querySelector('.flame') === null");
    assert!(browser.run("return window.broken === undefined && document.images.length === 0") == true);
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn it_tells_that_nobody_answers() {
    let Some(browser) = Browser::start(1280, 900) else {
        return;
    };
    let (proxy, _origin) = start();
    browser.open(&format!("http://{}/", proxy.admin_address().unwrap()));
    browser.wait_for("return document.getElementById('state').textContent === 'serving'");
    proxy.shut_down();
    browser.wait_for("return document.getElementById('state').textContent === 'no answer'");
    browser.wait_for("return document.getElementById('trouble').textContent.includes('does not answer')");
}
