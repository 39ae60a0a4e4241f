//! `expr_create`, `expr_evaluate`, `expr_delete`: values and statuses.

use crate::support::World;
use proxywasm_functions::MAX_EXPRESSIONS;
use wasi_common::Status;

fn int(value: i64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

#[test]
fn values() {
    let yes = || vec![1];
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("1 + 2 * 3", int(7)),
        ("7u", int(7)),
        ("1.5", 1.5f64.to_le_bytes().to_vec()),
        ("'a' + 'b'", b"ab".to_vec()),
        ("b'\\xff'", b"\xff".to_vec()),
        ("null", vec![]),
        ("duration('2s')", int(2_000_000_000)),
        ("timestamp('1970-01-01T00:00:01Z')", int(1_000_000_000)),
        (
            "['a', 'b']",
            b"\x02\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0a\0\0b\0\0".to_vec(),
        ),
        ("{'k': true}", b"\x01\0\0\0\x01\0\0\0\x01\0\0\0k\0\x01\0".to_vec()),
        ("request.path", b"/cart/7?full=1".to_vec()),
        ("request['method']", b"GET".to_vec()),
        ("request.headers['x-many']", b"a,b".to_vec()),
        ("request.headers_bytes > 10", yes()),
        (
            "request.url_path.startsWith('/cart') && request.host == 'shop.test'",
            yes(),
        ),
        ("request.path.matches('^/cart/[0-9]+')", yes()),
        ("matches(request.path, 'x{3}')", vec![0]),
        ("response.code in [404, 410]", yes()),
        ("response.size", int(12)),
        ("has(request.headers) && !has(request.referer)", yes()),
        (
            "has(request.referer) ? request.referer : 'none'",
            b"none".to_vec(),
        ),
        ("request.headers.exists(name, name == 'user-agent')", yes()),
        ("request.headers.all(name, size(name) > 3)", yes()),
        (
            "request.headers.filter(name, name.startsWith('x'))",
            b"\x01\0\0\0\x06\0\0\0\0\0\0\0x-many\0\0".to_vec(),
        ),
        ("[1, 2, 3].map(x, x * x) == [1, 4, 9]", yes()),
        ("[1, 2, 3].exists_one(x, x == 2)", yes()),
        ("size(request) > 8", yes()),
        ("plugin_name", b"p0".to_vec()),
        ("mine", b"set".to_vec()),
        ("string(mine)", b"set".to_vec()),
        ("filter_state['wasm.mine'] == b'set'", yes()),
        ("type(1) == int", yes()),
    ];
    let mut world = World::new();
    world.set_property("mine", "set").unwrap();
    for (source, expected) in table {
        assert_eq!(world.evaluate(source), Ok(expected), "{source}");
    }
}

#[test]
fn refusals() {
    let table = [
        ("", Status::BadArgument),
        ("1 +", Status::BadArgument),
        ("\u{0}", Status::BadArgument),
        ("a.b.C{x: 1}", Status::BadArgument),
        ("nothing", Status::InternalFailure),
        ("request.nothing", Status::InternalFailure),
        ("request.referer", Status::InternalFailure),
        ("request.path + 1", Status::InternalFailure),
        ("1 / 0", Status::InternalFailure),
        ("9223372036854775807 + 1", Status::InternalFailure),
        ("-9223372036854775808 / -1", Status::InternalFailure),
        ("nothing(1)", Status::InternalFailure),
        ("'a'.matches('(')", Status::InternalFailure),
        ("{1: 2}", Status::InternalFailure),
        ("@cost(1, 2)", Status::BadArgument),
    ];
    let mut world = World::new();
    for (source, status) in table {
        assert_eq!(world.evaluate(source), Err(status), "{source}");
    }
    assert_eq!(world.call("expr_create", b"'\xff'"), Err(Status::BadArgument));
}

#[test]
fn numbers() {
    let mut world = World::with(|settings| settings.limits.handles = 2);
    let first = world.call("expr_create", b"request.method").unwrap();
    let second = world.call("expr_create", b"plugin_name").unwrap();
    assert_ne!(first, second);
    assert_eq!(world.call("expr_create", b"1"), Err(Status::Unavailable));
    for _ in 0..2 {
        assert_eq!(world.call("expr_evaluate", &first).unwrap(), b"GET");
    }
    world.enter(1);
    assert_eq!(
        world.call("expr_evaluate", &first),
        Err(Status::NotFound),
        "it is another plugin's"
    );
    world.call("expr_delete", &second).unwrap();
    world.enter(0);
    assert_eq!(world.call("expr_evaluate", &second).unwrap(), b"p0");
    world.call("expr_delete", &second).unwrap();
    world.call("expr_delete", &second).unwrap();
    assert_eq!(world.call("expr_evaluate", &second), Err(Status::NotFound));
    for wrong in [&b""[..], b"\x01", b"\x01\0\0\0\0"] {
        assert_eq!(
            world.call("expr_evaluate", wrong),
            Err(Status::BadArgument),
            "{wrong:?}"
        );
        assert_eq!(
            world.call("expr_delete", wrong),
            Err(Status::BadArgument),
            "{wrong:?}"
        );
    }
    world.enter_root(0);
    assert_eq!(
        world.call("expr_evaluate", &first),
        Err(Status::InternalFailure),
        "there is no stream"
    );
    let plugin_id = world.ids[0].0;
    world.functions.remove_plugin(plugin_id);
    assert_eq!(
        world.call("expr_evaluate", &first),
        Err(Status::NotFound),
        "it went with the plugin"
    );
}

#[test]
fn how_many() {
    let mut world = World::new();
    for _ in 0..MAX_EXPRESSIONS {
        world.call("expr_create", b"1").unwrap();
    }
    assert_eq!(world.call("expr_create", b"1"), Err(Status::Unavailable));
}
