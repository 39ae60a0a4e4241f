//! Calls of plugins to upstreams of TLS, behind UNIX sockets, and of several servers.

use proxywasm_runner::tls::{ClientCertificates, ClientTls, ClientTlsSettings, ServerTls};
use proxywasm_runner::{
    Address, Balance, Endpoint, EndpointSettings, HashKey, HttpTarget, UpstreamAddress, UpstreamSettings,
};
use proxywasm_tests::guests::{CALL_COMPONENT, CALL_LEGACY};
use proxywasm_tests::harness::{
    Authority, GrpcServer, Message, Origin, PATIENCE, Proxy, client_tls, proxy, server_settings, server_tls,
};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// What the HTTP service answers, with the id that it was given.
fn authorizer() -> Origin {
    Origin::start(|request: &Message| {
        let id = request.header("x-request-id").unwrap_or_default();
        format!("HTTP/1.1 200 OK\r\nx-request-id: {id}\r\ncontent-length: 0\r\n\r\n").into_bytes()
    })
}

fn target(address: UpstreamAddress, tls: Option<ClientTls>) -> HttpTarget {
    HttpTarget::new(Endpoint {
        tls,
        ..Endpoint::new(address)
    })
}

/// A proxy whose plugin asks both services about each request.
fn asking(guest: &str, http: UpstreamSettings, grpc: UpstreamSettings) -> Proxy {
    proxy()
        .named_upstream(http)
        .named_upstream(grpc)
        .guest(guest, "auth authz 10000")
        .start()
}

/// The status, and the header that tells what was answered or why not.
fn check(proxy: &Proxy, id: &str) -> (u16, String) {
    let answer = proxy.client().request("GET /", &[("x-request-id", id)]);
    let why = ["x-authz-id", "x-call-failure"].iter();
    let why = why
        .filter_map(|name| answer.header(name))
        .find(|value| !value.is_empty());
    (answer.status(), why.unwrap_or_default())
}

fn socket() -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("proxywasm-calls-{number}-{}.sock", std::process::id()))
}

/// Where the front of a service listens, and as what it is an upstream of calls.
fn reached(name: &str, front: &Proxy, unix: Option<PathBuf>, tls: Option<ClientTls>) -> UpstreamSettings {
    let address = match unix {
        Some(path) => UpstreamAddress::Unix(path),
        None => front.address().into(),
    };
    UpstreamSettings::new(name, target(address, tls))
}

#[test]
fn over_tls_and_unix_sockets() {
    let authority = Authority::new();
    let mut settings = server_settings(vec![authority.certificate(&["service.test"])]);
    settings.clients = ClientCertificates::Required(authority.file());
    let server_tls = ServerTls::load(settings).unwrap();
    let shown = ClientTls::load(ClientTlsSettings {
        ca: Some(authority.file()),
        server_name: Some("service.test".to_owned()),
        certificate: Some(authority.certificate(&["plugin.test"])),
        ..ClientTlsSettings::default()
    });
    let shown = shown.unwrap();
    let (http, grpc) = (authorizer(), GrpcServer::start());
    for (over_unix, over_tls) in [(false, true), (true, false), (true, true)] {
        let paths = over_unix.then(|| (socket(), socket()));
        let front = |path: Option<&PathBuf>| {
            let front = proxy();
            let front = match path {
                Some(path) => front.listen(Address::Unix(path.clone())),
                None => front,
            };
            if over_tls {
                front.tls(server_tls.clone())
            } else {
                front
            }
        };
        let (first, second) = (
            paths.as_ref().map(|paths| &paths.0),
            paths.as_ref().map(|paths| &paths.1),
        );
        let http_front = front(first).upstream(http.address()).start();
        let grpc_front = front(second).http2_upstream(grpc.address()).start();
        let tls = || over_tls.then(|| shown.clone());
        for guest in [CALL_COMPONENT, CALL_LEGACY] {
            let proxy = asking(
                guest,
                reached("auth", &http_front, first.cloned(), tls()),
                reached("authz", &grpc_front, second.cloned(), tls()),
            );
            let what = format!("{guest} unix: {over_unix} tls: {over_tls}");
            for id in ["one", "two"] {
                assert_eq!(check(&proxy, id), (200, id.to_owned()), "{what}");
                assert_eq!(
                    grpc.received().metadata.get("x-request-id").unwrap(),
                    id,
                    "{what}"
                );
                assert_ne!(
                    http.received().header("host").unwrap(),
                    "service.test",
                    "it is the plugin's: {what}"
                );
            }
        }
    }
}

#[test]
fn servers_that_are_not_trusted() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (http, grpc) = (authorizer(), GrpcServer::start());
    let tls = || server_tls(vec![authority.certificate(&["service.test"])]);
    let http_front = proxy().tls(tls()).upstream(http.address()).start();
    let grpc_front = proxy().tls(tls()).http2_upstream(grpc.address()).start();
    let mut old = server_settings(vec![authority.certificate(&["service.test"])]);
    old.alpn = Vec::new();
    let old_front = proxy()
        .tls(ServerTls::load(old).unwrap())
        .http2_upstream(grpc.address())
        .start();
    let right = client_tls(&authority, "service.test");
    // TLS to the HTTP service; the front of the gRPC service and TLS to it; who fails, and why.
    let table = [
        (&right, &grpc_front, right.clone(), None),
        (
            &client_tls(&other, "service.test"),
            &grpc_front,
            right.clone(),
            Some(("auth: ", "UnknownIssuer")),
        ),
        (
            &client_tls(&authority, "x.test"),
            &grpc_front,
            right.clone(),
            Some(("auth: ", "not valid for name")),
        ),
        (
            &right,
            &grpc_front,
            client_tls(&other, "service.test"),
            Some(("authz: ", "UnknownIssuer")),
        ),
        (
            &right,
            &old_front,
            right.clone(),
            Some(("authz: ", "does not speak HTTP/2")),
        ),
        (
            &client_tls(&authority, "127.0.0.2"),
            &grpc_front,
            right.clone(),
            Some(("auth: ", "cannot be called")),
        ),
    ];
    for (to_http, grpc_front, to_grpc, expected) in table {
        let proxy = asking(
            CALL_COMPONENT,
            reached("auth", &http_front, None, Some(to_http.clone())),
            reached("authz", grpc_front, None, Some(to_grpc)),
        );
        let (status, why) = check(&proxy, "id");
        match expected {
            None => assert_eq!((status, why.as_str()), (200, "id")),
            Some((who, part)) => {
                assert!(
                    status == 503 && why.starts_with(who) && why.contains(part),
                    "{part}: {why}"
                );
                assert!(
                    !why.contains("127.0.0.1"),
                    "the address is not the plugin's business: {why}"
                );
            }
        }
    }
}

/// Connections that begin after authorities have changed trust the new ones.
#[test]
fn authorities_that_change() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (http, grpc) = (authorizer(), GrpcServer::start());
    let front = proxy()
        .tls(server_tls(vec![authority.certificate(&["service.test"])]))
        .upstream(http.address())
        .start();
    let file = other.folder().join("trusted.pem");
    std::fs::write(&file, other.pem()).unwrap();
    let tls = ClientTls::load(ClientTlsSettings {
        ca: Some(file.clone()),
        server_name: Some("service.test".to_owned()),
        ..ClientTlsSettings::default()
    });
    let plain = UpstreamSettings::new("authz", target(grpc.address().into(), None));
    let proxy = asking(
        CALL_COMPONENT,
        reached("auth", &front, None, Some(tls.unwrap())),
        plain,
    );
    assert_eq!(check(&proxy, "id").0, 503);
    std::fs::write(&file, authority.pem()).unwrap();
    let begun = Instant::now();
    while check(&proxy, "id").0 != 200 {
        assert!(begun.elapsed() < PATIENCE, "the new authority is not trusted");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn several_servers() {
    let origins = [authorizer(), authorizer()];
    let grpc = [GrpcServer::start(), GrpcServer::start()];
    let several = |name: &str, addresses: [SocketAddr; 2], balance: Balance| UpstreamSettings {
        endpoints: addresses
            .map(|address| EndpointSettings {
                target: target(address.into(), None),
                weight: NonZeroU32::MIN,
            })
            .into(),
        balance,
        ..UpstreamSettings::new(name, target(addresses[0].into(), None))
    };
    let addresses = [origins[0].address(), origins[1].address()];
    let of_grpc = [grpc[0].address(), grpc[1].address()];
    let by_header = || Balance::Hash(HashKey::Header("x-request-id".parse().unwrap()));
    // How servers are chosen, and the ids of ten requests; how many of them the first may get.
    let table = [
        (Balance::RoundRobin, false, vec![5]),
        (Balance::LeastRequest, false, vec![5]),
        (by_header(), true, vec![0, 10]),
    ];
    for (balance, same_id, expected) in table {
        let what = format!("{balance:?}");
        let proxy = asking(
            CALL_COMPONENT,
            several("auth", addresses, balance.clone()),
            several("authz", of_grpc, balance),
        );
        for number in 0..10 {
            let id = if same_id {
                "same".to_owned()
            } else {
                number.to_string()
            };
            assert_eq!(check(&proxy, &id), (200, id.clone()), "{what}");
        }
        let counts = origins.iter().map(|origin| origin.received_now().count());
        let counts: Vec<_> = counts.collect();
        assert_eq!(counts.iter().sum::<usize>(), 10, "{what}");
        assert!(expected.contains(&counts[0]), "{what}: {counts:?}");
    }
}
