//! How instances begin, and what they may import besides.

use crate::support::Guest;

/// A guest that notes in the global `order` which of its entry points ran.
fn noting(exports: &str) -> String {
    format!(
        r#"(module
            (memory (export "memory") 1)
            (global $order (export "order") (mut i32) (i32.const 0))
            (func $note (param $digit i32)
                (global.set $order (i32.add (i32.mul (global.get $order) (i32.const 10)) (local.get $digit))))
            {exports})"#
    )
}

const INITIALIZE: &str = r#"(func (export "_initialize") (call $note (i32.const 1)))"#;
const MAIN: &str =
    r#"(func (export "main") (param i32 i32) (result i32) (call $note (i32.const 2)) (i32.const 0))"#;
const MAIN_VOID: &str =
    r#"(func (export "__main_void") (result i32) (call $note (i32.const 3)) (i32.const 0))"#;
const OTHER_MAIN: &str = r#"(func (export "main") (param i64) (call $note (i32.const 5)))"#;
const START: &str = r#"(func (export "_start") (call $note (i32.const 4)))"#;

#[test]
fn entry_points() {
    let table = [
        (vec![], 0),
        (vec![INITIALIZE], 1),
        (vec![INITIALIZE, MAIN], 12),
        (vec![INITIALIZE, MAIN_VOID], 13),
        (vec![INITIALIZE, MAIN, MAIN_VOID, START], 12),
        (vec![START], 4),
        (vec![START, MAIN], 4),
        (vec![MAIN], 0),
        (vec![INITIALIZE, OTHER_MAIN], 1),
        (vec![INITIALIZE, OTHER_MAIN, MAIN_VOID], 13),
    ];
    for (exports, order) in table {
        let mut guest = Guest::new(&noting(&exports.concat())).unwrap();
        proxywasm_wasi::initialize(&mut guest.store, &guest.instance).unwrap();
        let global = guest.instance.get_global(&mut guest.store, "order").unwrap();
        assert_eq!(global.get(&mut guest.store).i32(), Some(order), "{exports:?}");
    }
}

#[test]
fn entry_points_that_fail() {
    let table = [
        r#"(func (export "_initialize") unreachable)"#,
        r#"(func (export "_initialize") (param i32))"#,
        r#"(func (export "_start") (result i32) (i32.const 0))"#,
        r#"(func (export "_initialize")) (func (export "main") (param i32 i32) (result i32) unreachable)"#,
    ];
    for exports in table {
        let mut guest = Guest::new(&noting(exports)).unwrap();
        assert!(
            proxywasm_wasi::initialize(&mut guest.store, &guest.instance).is_err(),
            "{exports}"
        );
    }
}

#[test]
fn unknown_imports() {
    // Functions of a later toolchain; the first is imported twice, as some toolchains do.
    let mut guest = Guest::new(
        r#"(module
            (import "wasi_snapshot_preview1" "proc_raise" (func $raise (param i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_raise" (func $again (param i32) (result i32)))
            (import "wasi_unstable" "new" (func $new (param i64 f64)))
            (memory (export "memory") 1)
            (func (export "raise") (result i32) (call $raise (i32.const 1)))
            (func (export "again") (result i32) (call $again (i32.const 1)))
            (func (export "new") (call $new (i64.const 1) (f64.const 1))))"#,
    )
    .unwrap();
    assert_eq!(guest.call("raise", &[]).unwrap(), 52);
    assert_eq!(guest.call("again", &[]).unwrap(), 52);
    assert_eq!(guest.call("new", &[]).unwrap(), 0);

    let refused = [
        (r#"(import "wasi_unstable" "odd" (func (result i64)))"#, "odd"),
        (r#"(import "wasi_unstable" "two" (func (result i32 i32)))"#, "two"),
        (r#"(import "wasi_unstable" "memory" (memory 1))"#, "memory"),
        (
            r#"(import "wasi_unstable" "fd_write" (func (param i64)))"#,
            "fd_write",
        ),
        (r#"(import "env" "mine" (func))"#, "mine"),
    ];
    for (import, name) in refused {
        let error = Guest::new(&format!("(module {import})")).err().unwrap();
        assert!(format!("{error:#}").contains(name), "{error:#}");
    }
}
