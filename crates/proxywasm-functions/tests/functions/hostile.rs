//! Expressions that want too much: each ends in a status, on a thread with no more stack than a worker has.

use crate::support::World;
use proxywasm_functions::MAX_SOURCE;
use std::thread;
use wasi_common::Status;

/// Runs on a stack of which a guest may have taken half.
fn on_a_small_stack(test: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let spawned = thread::Builder::new()
            .stack_size(1 << 20)
            .spawn_scoped(scope, test);
        spawned.unwrap().join().unwrap();
    });
}

#[test]
fn nested() {
    let wrapped = |open: &str, inner: &str, close: &str, times: usize| {
        [open.repeat(times), inner.to_owned(), close.repeat(times)].concat()
    };
    let most = |piece: &str| piece.repeat(MAX_SOURCE / piece.len() - 1);
    let table: Vec<String> = vec![
        wrapped("[", "1", "]", 2000),
        wrapped("{1:", "1", "}", 1000),
        wrapped("[", "1", "", 4000),
        wrapped("size(", "''", ")", 600),
        wrapped("-(", "1", ")", 1300),
        wrapped("[1].map(x, ", "x", ")", 300),
        format!("1{}", most("+1")),
        format!("{}1", most("!-")),
        format!("{}1", most("true?1:")),
        format!("{}1{}", most("true?")[..2000].to_owned(), ":1".repeat(400)),
        format!("a{}", most(".a")),
        format!("a{}", most("[0]")),
        format!("a{}", most(".a()")),
        format!("'a'{}", most("+'a'")),
        "x".repeat(MAX_SOURCE + 1),
    ];
    on_a_small_stack(|| {
        let mut world = World::new();
        for source in table {
            let refused = world.evaluate(&source);
            assert_eq!(refused, Err(Status::BadArgument), "{}", &source[..40]);
        }
        for nothing in [wrapped("(", "1", ")", 2000), format!("{}1", most("-"))] {
            assert!(world.evaluate(&nothing).is_ok(), "{}", &nothing[..40]);
        }
    });
}

#[test]
fn as_deep_as_may_be() {
    on_a_small_stack(|| {
        let mut world = World::new();
        for (open, inner, close) in [
            ("[", "1", "]"),
            ("(1 + ", "1", ")"),
            ("string(", "'a'", ")"),
            ("(true && ", "true", ")"),
            ("[1].all(x, ", "true", ")"),
            ("[1].map(x, ", "1", ")"),
            ("(false ? 1 : ", "1", ")"),
            ("{'a': ", "1", "}"),
        ] {
            let nested = |times: usize| [open.repeat(times), inner.to_owned(), close.repeat(times)].concat();
            let deepest = (1..40)
                .rev()
                .find(|times| world.evaluate(&nested(*times)).is_ok());
            assert!(deepest.is_some_and(|times| times >= 8), "{open}: {deepest:?}");
        }
        // What is wide is not deep.
        let conditions = ["request.path != ''"; 60].join(" && ");
        assert_eq!(world.evaluate(&conditions), Ok(vec![1]));
    });
}

#[test]
fn endless_and_huge() {
    let hundred = format!("[{}]", ["1"; 100].join(","));
    let chained = |start: &str, link: &str, times: usize| format!("{start}{}", link.repeat(times));
    let nested = |times: usize| {
        let inner = (0..times).map(|_| format!("{hundred}.all(x, "));
        format!("{}true{}", inner.collect::<String>(), ")".repeat(times))
    };
    let long_pattern = format!("'{}'.matches('{}')", "a".repeat(1000), "(a*)*".repeat(200));
    let large_pattern = "'a'.matches('((a{100}){100}){100}')".to_owned();
    let table = [
        nested(4),
        nested(8),
        chained("['aaaaaaaa']", ".map(x, x + x)", 20),
        chained("[[1, 2]]", ".map(x, x + x)", 20),
        chained("[[1, 2]]", ".map(x, [x, x])", 20),
        chained(
            "[{'a': 'aaaaaaaaaaaaaaaaaaaaaaaaaaaa'}]",
            ".map(x, {'a': x, 'b': x})",
            24,
        ),
        format!(
            "{hundred}.map(x, {hundred}).map(x, {hundred}).map(y, y + y).size() > 0 && {}",
            nested(3)
        ),
        format!("{hundred}.exists(x, {hundred}.all(y, {hundred}.all(z, x == y || z == y || true)) && false)"),
        format!(
            "{hundred}.filter(x, {hundred}.filter(y, {hundred}.filter(z, 'abc'.matches('a.c')).size() > 0).size() > 0)"
        ),
        // What a filter keeps and what it drops is looked at, whatever its condition costs.
        chained(
            &format!("{hundred}.map(x, {hundred} + {hundred})"),
            ".filter(x, x.size() > 0)",
            20,
        ),
        format!(
            "{hundred}.map(x, {hundred} + {hundred}).filter(x, {hundred}.filter(y, (x + x).size() > y).size() > 0).size()"
        ),
        format!("{hundred}.filter(x, {hundred}.map(y, {hundred}).filter(z, false).size() > 0).size()"),
    ];
    on_a_small_stack(|| {
        let mut world = World::new();
        for source in table {
            let refused = world.evaluate(&source);
            assert_eq!(refused, Err(Status::Unavailable), "{}", &source[..60]);
        }
        assert_eq!(world.evaluate(&large_pattern), Err(Status::InternalFailure));
        assert_eq!(world.evaluate(&long_pattern), Ok(vec![1]), "its time is linear");
        // It does not spoil the next one.
        assert_eq!(world.evaluate("1 == 1"), Ok(vec![1]));
    });
}

#[test]
fn large_properties() {
    on_a_small_stack(|| {
        let mut world = World::new();
        world.set_property("large", &"x".repeat(200_000)).unwrap();
        assert_eq!(
            world.evaluate("size(large)"),
            Ok(200_000i64.to_le_bytes().to_vec())
        );
        let often = format!("[{}].all(x, large.size() > x)", ["1"; 50].join(","));
        assert_eq!(world.evaluate(&often), Err(Status::Unavailable));
        for condition in [
            "large != ''",
            "[large].size() > x",
            "(x > 0 ? large : '').size() > x",
            "{'a': large}.size() > x",
        ] {
            let filtered = format!("[{}].filter(x, {condition})", ["1"; 50].join(","));
            assert_eq!(world.evaluate(&filtered), Err(Status::Unavailable), "{condition}");
        }
        // A key is hashed as a whole.
        let as_key = format!("[{}].all(x, {{'a': x}}[large] == 1 || true)", ["1"; 50].join(","));
        assert_eq!(world.evaluate(&as_key), Err(Status::Unavailable));
    });
}

/// Pieces of CEL, put together at random: whatever comes of it, it is a status or a value.
#[test]
fn at_random() {
    const PIECES: [&str; 48] = [
        "1",
        "-1",
        "0",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615u",
        "1.5e308",
        "'a'",
        "b'\\x00'",
        "r'\\d'",
        "'''a'''",
        "\"\\u00e9\"",
        "'\\",
        "true",
        "null",
        "request",
        "request.path",
        "x",
        "@result",
        "timestamp('9999-12-31T23:59:59Z')",
        "timestamp('0001-01-01T00:00:00Z')",
        "duration('315576000000s')",
        "duration('-315576000000s')",
        "duration('1h')",
        ".getFullYear('+99:99')",
        ".getHours('Europe/Berlin')",
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        ",",
        ":",
        "?",
        ".",
        "+",
        "-",
        "*",
        "/",
        "%",
        "==",
        "<",
        " in ",
        "&&",
        "!",
        ".map(x,",
        ".matches('('",
    ];
    const CALLS: [&str; 16] = [
        "int(",
        "uint(",
        "double(",
        "string(",
        "bytes(",
        "bool(",
        "dyn(",
        "type(",
        "size(",
        "duration(",
        "timestamp(",
        "has(",
        "optional.of(",
        "'a'.contains(",
        "[1].exists_one(x, ",
        "min(",
    ];
    on_a_small_stack(|| {
        let mut world = World::new();
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut next = |bound: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % bound as u64) as usize
        };
        let mut evaluated = 0;
        for _ in 0..ROUNDS {
            let mut source = String::new();
            for _ in 0..next(9) + 1 {
                match next(4) {
                    0 => {
                        source.push_str(CALLS[next(CALLS.len())]);
                        source.push_str(PIECES[next(PIECES.len())]);
                        source.push(')');
                    }
                    _ => source.push_str(PIECES[next(PIECES.len())]),
                }
            }
            evaluated += usize::from(world.evaluate(&source).is_ok());
        }
        assert!(
            evaluated > ROUNDS / 200,
            "only {evaluated} of them are expressions"
        );
    });
}

const ROUNDS: usize = 4000;
