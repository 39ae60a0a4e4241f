//! Tests of finding routes.

use super::*;
use http::{HeaderName, Method, Request};

fn head(method: Method, target: &str, headers: &[(&str, &str)]) -> request::Parts {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn route(name: &str, matches: RouteMatch) -> Route {
    Route {
        name: Some(name.into()),
        ..Route::new(matches, Action::Forward(Forward::to(ECHO)))
    }
}

fn path(path: PathMatch) -> RouteMatch {
    RouteMatch {
        path,
        ..RouteMatch::default()
    }
}

fn found(table: &RouteTable, head: &request::Parts) -> Option<String> {
    let name = table.find(head)?.name.as_deref();
    name.map(str::to_owned)
}

#[test]
fn virtual_hosts() {
    let host = |patterns: &[&str], name| VirtualHost {
        hosts: patterns.iter().map(|pattern| pattern.parse().unwrap()).collect(),
        routes: vec![route(name, RouteMatch::default())],
    };
    let table = RouteTable::new(vec![
        host(&["a.test", "[::1]"], "a"),
        host(&["*.test"], "suffix"),
        host(&["*.b.test", "a.test"], "longer suffix"),
        host(&["*"], "any"),
    ]);
    let rows = [
        ("a.test", "a"),
        ("A.Test:8080", "a"),
        ("a.test.", "a"),
        ("[::1]:80", "a"),
        ("[::1]", "a"),
        ("c.test", "suffix"),
        ("x.b.test", "longer suffix"),
        ("x.y.b.test:1", "longer suffix"),
        ("b.test", "suffix"),
        (".test", "any"),
        ("test", "any"),
        ("other", "any"),
        ("", "any"),
    ];
    for (host, expected) in rows {
        let head = head(Method::GET, "/", &[("host", host)]);
        assert_eq!(found(&table, &head).as_deref(), Some(expected), "{host:?}");
    }
    assert_eq!(
        found(&table, &head(Method::GET, "/", &[])).as_deref(),
        Some("any"),
        "HTTP/1.0 needs no host"
    );
    let closed = RouteTable::new(vec![host(&["a.test"], "a")]);
    assert_eq!(found(&closed, &head(Method::GET, "/", &[("host", "b")])), None);
}

#[test]
fn routes() {
    let header = |name: &'static str, value, invert| HeaderMatch {
        name: HeaderName::from_static(name),
        value,
        invert,
    };
    let text = str::to_owned;
    let table = RouteTable::new(vec![VirtualHost {
        hosts: vec![HostPattern::Any],
        routes: vec![
            route("exact", path(PathMatch::Exact(text("/a")))),
            route(
                "post",
                RouteMatch {
                    methods: vec![Method::POST, Method::PUT],
                    ..path(PathMatch::Prefix(text("/a")))
                },
            ),
            route("prefix", path(PathMatch::Prefix(text("/a")))),
            route("regex", path(PathMatch::Regex(whole("/u/\\d+|/v").unwrap()))),
            route(
                "header",
                RouteMatch {
                    headers: vec![
                        header("x-one", ValueMatch::Exact(text("1")), false),
                        header("x-two", ValueMatch::Present, true),
                    ],
                    ..RouteMatch::default()
                },
            ),
            route(
                "values",
                RouteMatch {
                    headers: vec![
                        header("x-begin", ValueMatch::Prefix(text("ab")), false),
                        header("x-end", ValueMatch::Suffix(text("yz")), false),
                        header("x-has", ValueMatch::Contains(text("mn")), false),
                        header("x-regex", ValueMatch::Regex(whole("[0-9]+").unwrap()), false),
                    ],
                    ..RouteMatch::default()
                },
            ),
            route(
                "query",
                RouteMatch {
                    query: vec![
                        QueryMatch {
                            name: text("q"),
                            value: ValueMatch::Exact(text("1")),
                        },
                        QueryMatch {
                            name: text("flag"),
                            value: ValueMatch::Present,
                        },
                    ],
                    ..RouteMatch::default()
                },
            ),
        ],
    }]);
    let values = [
        ("x-begin", "abc"),
        ("x-end", "xyz"),
        ("x-has", "lmno"),
        ("x-regex", "42"),
    ];
    let but_one = [
        ("x-begin", "abc"),
        ("x-end", "xyz"),
        ("x-has", "lmno"),
        ("x-regex", "4x"),
    ];
    let rows: &[(Method, &str, &[(&str, &str)], Option<&str>)] = &[
        (Method::GET, "/a", &[], Some("exact")),
        (Method::POST, "/a?x", &[], Some("exact")),
        (Method::POST, "/a/b", &[], Some("post")),
        (Method::GET, "/a/b", &[], Some("prefix")),
        (Method::GET, "/ab", &[], None),
        (Method::GET, "/A", &[], None),
        (Method::GET, "/u/17", &[], Some("regex")),
        (Method::GET, "/v", &[], Some("regex")),
        (Method::GET, "/u/17/x", &[], None),
        (Method::GET, "/", &[("x-one", "1")], Some("header")),
        (
            Method::GET,
            "/",
            &[("x-one", "0"), ("x-one", "1")],
            Some("header"),
        ),
        (Method::GET, "/", &[("x-one", "1"), ("x-two", "")], None),
        (Method::GET, "/", &[("x-one", "11")], None),
        (Method::GET, "/", &values, Some("values")),
        (Method::GET, "/", &but_one, None),
        (Method::GET, "/?flag&q=1", &[], Some("query")),
        (Method::GET, "/?q=2&q=1&flag=x", &[], Some("query")),
        (Method::GET, "/?q=1", &[], None),
        (Method::GET, "/?q=11&flag", &[], None),
    ];
    for (method, target, headers, expected) in rows {
        let head = head(method.clone(), target, headers);
        assert_eq!(
            found(&table, &head).as_deref(),
            *expected,
            "{method} {target} {headers:?}"
        );
    }
}
