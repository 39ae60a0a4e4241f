//! Who asks for code.

use super::{expect, fetch, settings, source};
use proxywasm_runner::{Credentials, FetchSettings, Secret};
use proxywasm_tests::harness::{Access, Authority, Origin, Registry, basic, proxy, response, server_tls};

const CODE: &[u8] = b"\0asm, so to say";

/// Where secrets of a test are: in a folder that goes with it.
fn secret(authority: &Authority, text: &str) -> Secret {
    let path = authority.folder().join(format!("secret-{text}"));
    std::fs::write(&path, format!("{text}\n")).unwrap();
    Secret::File(path)
}

#[test]
fn at_registries() {
    let authority = Authority::new();
    let registry = Registry::start(&authority);
    registry.push(
        "q/p",
        "v1",
        "application/vnd.wasm.config.v0+json",
        &[("application/wasm", CODE.to_vec())],
    );
    let place = format!("oci://{}", registry.reference("q/p:v1"));
    let host = registry.reference("");
    let docker = |entry: &str| {
        Some(format!(
            r#"{{"auths":{{"{}":{entry}}}}}"#,
            host.trim_end_matches('/')
        ))
    };
    let login = format!(r#"{{"auth":"{}"}}"#, basic("u", "p").trim_start_matches("Basic "));
    let user = |password: &str| Credentials::Password {
        user: "u".to_owned(),
        password: secret(&authority, password),
    };
    let token = |token: &str| Credentials::Token(secret(&authority, token));
    let refused: Result<&[u8], &[&str]> = Err(&["401", "`credentials`"]);
    // What is demanded; what is configured; the file of Docker.
    let table = [
        (Access::Open, Credentials::Default, None, Ok(CODE)),
        (Access::AnyToken, Credentials::Default, None, Ok(CODE)),
        (Access::AnyToken, user("p"), None, Ok(CODE)),
        (Access::Basic("u", "p"), user("p"), None, Ok(CODE)),
        (Access::Basic("u", "p"), user("x"), None, refused),
        (Access::Basic("u", "p"), Credentials::Default, None, refused),
        (
            Access::Basic("u", "p"),
            Credentials::Default,
            docker(&login),
            Ok(CODE),
        ),
        (Access::UserToken("u", "p"), user("p"), None, Ok(CODE)),
        (Access::UserToken("u", "p"), user("x"), None, refused),
        (Access::UserToken("u", "p"), Credentials::Default, None, refused),
        (
            Access::UserToken("u", "p"),
            Credentials::Default,
            docker(&login),
            Ok(CODE),
        ),
        // What is configured comes first.
        (Access::UserToken("u", "p"), user("x"), docker(&login), refused),
        (
            Access::RefreshToken("r"),
            Credentials::Default,
            docker(r#"{"identitytoken":"r"}"#),
            Ok(CODE),
        ),
        (
            Access::RefreshToken("r"),
            Credentials::Default,
            docker(r#"{"identitytoken":"x"}"#),
            refused,
        ),
        (Access::Bearer("t"), token("t"), None, Ok(CODE)),
        (Access::Bearer("t"), token("x"), None, refused),
        (
            Access::Bearer("t"),
            Credentials::Default,
            docker(r#"{"registrytoken":"t"}"#),
            Ok(CODE),
        ),
        (
            Access::Open,
            Credentials::Default,
            Some("no JSON, but a secret".to_owned()),
            Err(&["it is no configuration of Docker"]),
        ),
    ];
    for (number, (access, credentials, docker, expected)) in table.into_iter().enumerate() {
        let what = format!("{access:?} with {credentials:?} and {docker:?}");
        registry.demand(access);
        let config = authority.folder().join(format!("docker-{number}.json"));
        if let Some(docker) = &docker {
            std::fs::write(&config, docker).unwrap();
        }
        let settings = FetchSettings {
            // A file that is not there is no error: Docker need not be used here.
            docker_config: Some(config),
            ..settings()
        };
        let mut source = source(&place, &authority);
        source.fetch.credentials = credentials;
        let found = fetch(&source, &settings);
        if let Err(error) = &found {
            assert!(!error.contains("a secret"), "{error}");
        }
        expect(&what, found, expected);
    }

    let mut source = source(&place, &authority);
    source.fetch.credentials = Credentials::Token(Secret::Environment("PROXYWASM_TESTS_NONE".to_owned()));
    let unset = fetch(&source, &settings());
    expect("unset", unset, Err(&["`PROXYWASM_TESTS_NONE`", "is not set"]));
    source.fetch.credentials = Credentials::Token(Secret::File("/nowhere/token".into()));
    expect("no file", fetch(&source, &settings()), Err(&["/nowhere/token"]));
}

/// They are for the server that is configured, not for another one that it sends to.
#[test]
fn at_servers() {
    let authority = Authority::new();
    let elsewhere = Origin::fixed(response("200 OK", &[], CODE));
    let second = proxy()
        .tls(server_tls(vec![authority.certificate(&["localhost"])]))
        .upstream(elsewhere.address())
        .start();
    let location = format!("https://localhost:{}/code", second.address().port());
    let origin = Origin::fixed(response("302 Found", &[("location", &location)], b""));
    let first = proxy()
        .tls(server_tls(vec![authority.certificate(&["localhost"])]))
        .upstream(origin.address())
        .start();
    let place = format!("https://localhost:{}/code", first.address().port());
    let table = [
        (Credentials::Default, None),
        (
            Credentials::Password {
                user: "u".to_owned(),
                password: secret(&authority, "p"),
            },
            Some(basic("u", "p")),
        ),
        (
            Credentials::Token(secret(&authority, "t")),
            Some("Bearer t".to_owned()),
        ),
    ];
    for (credentials, shown) in table {
        let mut source = source(&place, &authority);
        source.fetch.credentials = credentials;
        expect("redirected", fetch(&source, &settings()), Ok(CODE));
        assert_eq!(origin.received().header("authorization"), shown);
        assert_eq!(elsewhere.received().header("authorization"), None);
    }
}
