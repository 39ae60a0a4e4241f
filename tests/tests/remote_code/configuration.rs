//! Plugins whose code is elsewhere, as configuration files have them.

use super::Kept;
use proxywasm_runner::Sha256;
use proxywasm_runner::config::ConfigFile;
use proxywasm_tests::guests;
use proxywasm_tests::harness::{Authority, Origin, Registry, configured, response, tar_gz};
use std::path::Path;

#[test]
fn plugins_serve() {
    let authority = Authority::new();
    let code = guests::load(guests::ADD_HEADER_COMPONENT);
    let registry = Registry::start(&authority);
    registry.push(
        "q/p",
        "v1",
        "application/vnd.oci.image.config.v1+json",
        &[(
            "application/vnd.oci.image.layer.v1.tar+gzip",
            tar_gz(&[("plugin.wasm", &code)]),
        )],
    );
    let origin = Origin::fixed(response("200 OK", &[], &code));
    let kept = Kept::new();
    let text = format!(
        "
listeners:
  - address: 127.0.0.1:0
    plugins: [image, url]
    upstream: echo
remote_code: {{ directory: {directory} }}
plugins:
  - name: image
    code: {{ oci: '{image}', ca: {ca}, sha256: '{sha256}' }}
  - name: url
    code: {{ url: 'http://{url}/p.wasm' }}
",
        directory = kept.0.display(),
        image = registry.reference("q/p:v1"),
        ca = authority.file().display(),
        sha256 = Sha256::of(&code),
        url = origin.address(),
    );
    let proxy = configured(&text);
    let response = proxy.client().request("GET /", &[]);
    assert_eq!(response.status(), 200, "{response:?}");
    assert_eq!(
        response.text().matches("x-plugin").count(),
        2,
        "{}",
        response.text()
    );
}

#[test]
fn what_is_wrong() {
    let table = [
        ("{}", "exactly one of `file`, `url` and `oci`"),
        ("{ file: a.wasm, url: 'https://a.test/p' }", "exactly one of"),
        ("{ url: 'ftp://a.test/p' }", "neither `https` nor `http`"),
        ("{ url: 'http://a.test/p' }", "set `plain_http: true`"),
        ("{ oci: 'q/p' }", "names no registry"),
        ("{ oci: 'a.test/P' }", "lowercase"),
        ("{ file: a.wasm, sha256: 12 }", "64 hexadecimal digits"),
        ("{ file: a.wasm, ca: ca.pem }", "it is for `url` and `oci`"),
        ("{ url: 'https://a.test/p', credentials: {} }", "`username` with"),
        (
            "{ url: 'https://a.test/p', credentials: { username: u } }",
            "`username` with",
        ),
        (
            "{ url: 'https://a.test/p', credentials: { username: u, password_env: A, password_file: b } }",
            "not in both",
        ),
        (
            "{ url: 'https://a.test/p', credentials: { token_env: A, username: u } }",
            "`username` with",
        ),
    ];
    for (code, expected) in table {
        let text = format!(
            "listeners: [{{ address: '127.0.0.1:0', plugins: [p], upstream: echo }}]\nplugins:\n  - name: p\n    code: {code}\n"
        );
        let error = ConfigFile::parse(Path::new("proxy.yaml"), text).err();
        let message = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains(expected), "{code}: {message}");
        assert!(
            message.contains("proxy.yaml:"),
            "{code}: it says where: {message}"
        );
    }
    let text = "listeners: [{ address: '127.0.0.1:0', upstream: echo }]\nplugins: [{ name: p }]\n";
    let error = ConfigFile::parse(Path::new("proxy.yaml"), text.to_owned()).err();
    assert!(error.is_some_and(|error| error.to_string().contains("give it `file` or `code`")));
}

#[test]
fn documentation() {
    let page = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/PLUGIN-CODE.md"));
    let text = std::fs::read_to_string(page).unwrap();
    let blocks = text.split("```yaml\n").skip(1);
    let blocks: Vec<&str> = blocks.filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        let whole = format!("{block}\nlisteners: [{{ address: 127.0.0.1:0 }}]\n");
        if let Err(error) = ConfigFile::parse(page, whole) {
            panic!("{error}");
        }
    }
}
