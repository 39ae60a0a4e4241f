//! Certificates that change while the proxy runs.

use proxywasm_tests::harness::{
    Authority, Curl, PATIENCE, Proxy, capture_log, client_tls, proxy, server_tls,
};
use std::time::Instant;

/// Whether a client that asks for this name trusts the certificate that it gets.
fn is_served(proxy: &Proxy, authority: &Authority, name: &str) -> bool {
    let connect_to = format!("{name}:443:{}", proxy.address());
    let (ca, url) = (authority.file(), format!("https://{name}/"));
    Curl::run(&[
        "--connect-to",
        &connect_to,
        "--cacert",
        ca.to_str().unwrap(),
        &url,
    ])
    .status
        == 200
}

fn wait_until(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < PATIENCE, "it does not happen");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn of_listeners() {
    if !Curl::is_installed() {
        return;
    }
    let log = capture_log();
    let authority = Authority::new();
    let files = authority.certificate(&["a.test"]);
    let proxy = proxy().tls(server_tls(vec![files.clone()])).start();
    assert!(is_served(&proxy, &authority, "a.test"));

    authority.renew(&files, &["b.test"]);
    wait_until(|| is_served(&proxy, &authority, "b.test"));
    assert!(!is_served(&proxy, &authority, "a.test"));

    // What is none, and the key of another, change nothing.
    std::fs::write(&files.certificate, "no certificate").unwrap();
    let line = log.wait_for(&format!("{} has no certificate", files.certificate.display()));
    assert!(
        line.contains("new certificates are not used, those from before are"),
        "{line}"
    );
    assert!(is_served(&proxy, &authority, "b.test"));
    let other = authority.certificate(&["c.test"]);
    std::fs::copy(&other.certificate, &files.certificate).unwrap();
    let path = files.certificate.display();
    log.wait_for(&format!("cannot be used for the certificate in {path}"));
    assert!(is_served(&proxy, &authority, "b.test"));
    std::fs::copy(&other.key, &files.key).unwrap();
    wait_until(|| is_served(&proxy, &authority, "c.test"));
}

/// As Kubernetes does it: the files are links through one to a folder, which is put in the place of another.
#[test]
fn by_a_link_to_another_folder() {
    if !Curl::is_installed() {
        return;
    }
    let authority = Authority::new();
    let folder = authority.folder().join("mounted");
    let fill = |version: &str, name: &str| {
        let files = authority.certificate(&[name]);
        let of_version = folder.join(version);
        std::fs::create_dir_all(&of_version).unwrap();
        std::fs::copy(files.certificate, of_version.join("tls.crt")).unwrap();
        std::fs::copy(files.key, of_version.join("tls.key")).unwrap();
        std::os::unix::fs::symlink(version, folder.join("..new")).unwrap();
        std::fs::rename(folder.join("..new"), folder.join("..data")).unwrap();
    };
    fill("1", "a.test");
    let mut files = authority.certificate(&["unused.test"]);
    for (file, name) in [(&mut files.certificate, "tls.crt"), (&mut files.key, "tls.key")] {
        *file = folder.join(name);
        std::os::unix::fs::symlink(format!("..data/{name}"), &file).unwrap();
    }
    let proxy = proxy().tls(server_tls(vec![files])).start();
    assert!(is_served(&proxy, &authority, "a.test"));
    fill("2", "b.test");
    wait_until(|| is_served(&proxy, &authority, "b.test"));
}

/// The authority that is trusted of an upstream changes.
#[test]
fn of_upstreams() {
    let (old, new) = (Authority::new(), Authority::new());
    let server = proxy()
        .tls(server_tls(vec![new.certificate(&["up.test"])]))
        .start();
    let proxy = proxy()
        .tls_upstream(server.address(), client_tls(&old, "up.test"))
        .start();
    assert_eq!(proxy.client().request("GET /", &[]).status(), 502);
    std::fs::write(old.file(), new.pem()).unwrap();
    wait_until(|| proxy.client().request("GET /", &[]).status() == 200);
}
