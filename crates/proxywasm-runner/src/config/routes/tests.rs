//! What the configuration of routes may say, and where it says what is wrong.

use crate::config::ConfigFile;
use std::path::Path;

fn error_of(text: &str) -> String {
    let error = ConfigFile::parse(Path::new("file"), text.to_owned()).err();
    error.map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn routes_are_checked() {
    // A list of routes; what the caret points at, and what is wrong there.
    let table = [
        ("[{ upstream: echo }]", None),
        (
            "[{ upstream: backend, timeout: 1s, rewrite: { host: 'h:1', path: /x } }]",
            None,
        ),
        (
            "[{ match: { path_prefix: /a }, upstream: echo, rewrite: { path_prefix: /b } }]",
            None,
        ),
        (
            "[{ upstream: echo, rewrite: { path_regex: { pattern: '^/(.*)', replacement: '/x/$1' } } }]",
            None,
        ),
        (
            "[{ split: [{ upstream: echo, weight: 1 }, { upstream: backend, weight: 2 }] }]",
            None,
        ),
        ("[{ redirect: { scheme: https } }]", None),
        (
            "[{ respond: { status: 404, body: no, headers: { x-y: z } } }]",
            None,
        ),
        (
            "[{ match: { path: /a, methods: [GET], headers: [{ name: x, exact: y }], query: [{ name: q }] }, upstream: echo }]",
            None,
        ),
        (
            "[{ match: { path: /a }, upstream: echo }, { upstream: echo }]",
            None,
        ),
        (
            "[{ name: x }]",
            Some(("{ name", "a route needs one of `upstream`")),
        ),
        (
            "[{ upstream: echo, respond: { status: 200 } }]",
            Some(("{ status", "a route has only one of")),
        ),
        (
            "[{ upstream: unknown }]",
            Some((
                "unknown",
                "no upstream is called `unknown`; defined are `backend`",
            )),
        ),
        (
            "[{ split: [{ upstream: unknown, weight: 1 }] }]",
            Some(("unknown", "no upstream is called `unknown`")),
        ),
        ("[{ split: [] }]", Some(("[]", "a split needs an upstream"))),
        (
            "[{ split: [{ upstream: echo, weight: 0 }] }]",
            Some(("weight: 0", "")),
        ),
        (
            "[{ match: { path: a }, upstream: echo }]",
            Some(("a }", "it has to begin with `/`")),
        ),
        (
            "[{ match: { path: '/a?b' }, upstream: echo }]",
            Some(("'/a?b'", "without a query")),
        ),
        (
            "[{ match: { path: /a, path_prefix: /b }, upstream: echo }]",
            Some(("/b", "only one of `path`")),
        ),
        (
            "[{ match: { path_regex: '/(' }, upstream: echo }]",
            Some(("'/('", "`/(` is no regular expression: unclosed group")),
        ),
        (
            "[{ match: { path_regex: '(a{1000}){1000}' }, upstream: echo }]",
            Some(("'(a{", "is no regular expression")),
        ),
        (
            "[{ match: { methods: [get] }, upstream: echo }]",
            Some(("get]", "`get` is no method")),
        ),
        (
            "[{ match: { headers: [{ name: 'x y' }] }, upstream: echo }]",
            Some(("'x y'", "`x y` is no name of a header")),
        ),
        (
            "[{ match: { headers: [{ name: x, exact: a, prefix: b }] }, upstream: echo }]",
            Some(("b }] }", "there is another condition")),
        ),
        (
            "[{ match: { headers: [{ name: x, regex: '[' }] }, upstream: echo }]",
            Some(("'['", "is no regular expression")),
        ),
        (
            "[{ upstream: echo, rewrite: { path_prefix: /b } }]",
            Some(("/b", "needs a `path_prefix` in `match`")),
        ),
        (
            "[{ upstream: echo, rewrite: { host: 'a b' } }]",
            Some(("'a b'", "is no host")),
        ),
        (
            "[{ respond: { status: 200 }, timeout: 1s }]",
            Some(("1s", "`timeout` is for routes with `upstream`")),
        ),
        (
            "[{ respond: { status: 100 } }]",
            Some(("100", "the status 100 cannot be used here")),
        ),
        (
            "[{ respond: { status: 204, body: x } }]",
            Some(("204", "has no body")),
        ),
        (
            "[{ redirect: { status: 200, path: /a } }]",
            Some(("200", "the status 200 cannot be used here")),
        ),
        (
            "[{ redirect: {} }]",
            Some(("{} }", "a redirect needs a `scheme`")),
        ),
        (
            "[{ upstream: echo, request_headers: { set: { host: x } } }]",
            Some(("x }", "it is changed by `host` of `rewrite`")),
        ),
        (
            "[{ upstream: echo, response_headers: { remove: [content-length] } }]",
            Some(("content-length", "it is the connection's")),
        ),
        (
            "[{ upstream: echo, plugins: [unknown] }]",
            Some(("unknown", "no plugin is called `unknown`")),
        ),
        (
            "[{ upstream: echo }, { match: { path: /a }, upstream: backend }]",
            Some((
                "{ match",
                "this route is never taken: all its requests fit the one of line 1",
            )),
        ),
        (
            "[{ match: { path_prefix: /a }, upstream: echo }, { match: { path: /a/b, methods: [GET] }, upstream: backend }]",
            Some(("{ match: { path: ", "never taken")),
        ),
    ];
    for (routes, expected) in table {
        let text = format!(
            "listeners: [{{ address: 127.0.0.1:0, routes: {routes} }}]\nupstreams: [{{ name: backend, url: 'http://h:1' }}]\n"
        );
        check(&text, routes, expected);
    }
}

#[test]
fn virtual_hosts_are_checked() {
    let table = [
        (
            "[{ hosts: [a.test, '*.b.test'], routes: [{ upstream: echo }] }, { hosts: ['*'], routes: [{ upstream: echo }] }]",
            None,
        ),
        (
            "[{ hosts: ['a:80'], routes: [] }]",
            Some(("'a:80'", "is no host: write")),
        ),
        (
            "[{ hosts: [a.test, A.Test], routes: [] }]",
            Some(("A.Test", "the host `a.test` has routes already")),
        ),
        (
            "[{ hosts: ['*'], routes: [] }, { hosts: ['*'], routes: [] }]",
            Some(("'*'", "the host `*` has routes already")),
        ),
    ];
    for (hosts, expected) in table {
        let text = format!("listeners: [{{ address: 127.0.0.1:0, virtual_hosts: {hosts} }}]\n");
        check(&text, hosts, expected);
    }
}

#[test]
fn listeners_have_one_way_to_say_where_requests_go() {
    let table = [
        ("upstream: backend", None),
        (
            "upstream: unknown",
            Some(("unknown", "no upstream is called `unknown`")),
        ),
        (
            "upstream: echo, routes: [{ upstream: echo }]",
            Some(("echo,", "`upstream` and `routes` cannot both be given")),
        ),
        (
            "protocol: tcp, upstream: 'tcp://h:1', routes: [{ upstream: echo }]",
            Some(("127.0.0.1:0", "routes are for listeners with `protocol: http`")),
        ),
        (
            "upstream: backend, connect_timeout: 1s",
            Some(("1s", "is given where the upstream is")),
        ),
        (
            "headers: { via: edge, forwarded: append, request_id: false }",
            None,
        ),
        ("headers: { via: 'a b' }", Some(("'a b'", "is no name for `via`"))),
        (
            "paths: { normalize: true, merge_slashes: false, escaped_slashes: keep }",
            None,
        ),
        ("paths: { escaped_slashes: maybe }", Some(("maybe", "maybe"))),
    ];
    for (rest, expected) in table {
        let text = format!(
            "listeners: [{{ address: 127.0.0.1:0, {rest} }}]\nupstreams: [{{ name: backend, url: 'http://h:1' }}]\n"
        );
        check(&text, rest, expected);
    }
}

/// Checks what is said of a text, and what the caret points at.
fn check(text: &str, row: &str, expected: Option<(&str, &str)>) {
    let shown = error_of(text);
    let Some((pointed_at, message)) = expected else {
        return assert_eq!(shown, "", "{row}");
    };
    assert!(shown.contains(message), "{row}: {shown}");
    let column = shown
        .strip_prefix("file:1:")
        .and_then(|rest| rest.split(':').next()?.parse::<usize>().ok());
    let place = column.and_then(|column| text.get(column - 1..));
    assert!(
        place.is_some_and(|place| place.starts_with(pointed_at)),
        "{row}: {shown}"
    );
}
