//! Plugins in the text format.

/// A plugin of the component ABI with the callbacks that are named, each with an expression for what it returns: `con` a new
/// connection, `dnd` and `upd` data (`$size`, `$eos`), `fin` the end (no result).
///
/// FORWARD, END, DONE, PAUSE, MORE, FULL and CLOSE are the actions, `$ctx` is the stream, `$first` the first stream of the
/// instance. `$log` logs a text of two bytes by its address: 0 `in`, 2 `up`, 4 `ok`, 6 `by`.
pub(crate) fn plugin(callbacks: &[(&str, &str)]) -> Vec<u8> {
    const NAMES: [(&str, &str, &str); 4] = [
        ("con", "proxy_on_new_connection", "(param $ctx i32) (result i32)"),
        (
            "dnd",
            "proxy_on_downstream_data",
            "(param $ctx i32) (param $size i32) (param $eos i32) (result i32)",
        ),
        (
            "upd",
            "proxy_on_upstream_data",
            "(param $ctx i32) (param $size i32) (param $eos i32) (result i32)",
        ),
        ("fin", "proxy_on_context_finalize", "(param $ctx i32)"),
    ];
    let mut text = PRELUDE.to_owned();
    for (short, name, signature) in NAMES {
        if let Some((_, body)) = callbacks.iter().find(|(of, _)| *of == short) {
            text += &format!(r#"(func (export "{name}") {signature} {body})"#);
        }
    }
    text.push(')');
    let actions = ["FORWARD", "END", "DONE", "PAUSE", "MORE", "FULL", "CLOSE"];
    for (number, name) in actions.into_iter().enumerate() {
        text = text.replace(&format!("{name}_"), &format!("(i32.const {number})"));
    }
    wat::parse_str(text).unwrap()
}

/// A plugin that looks at every piece and lets it go.
pub(crate) fn forwarding() -> Vec<u8> {
    plugin(&[("con", "FORWARD_"), ("dnd", "FORWARD_"), ("upd", "FORWARD_")])
}

/// A plugin that wants to see no data.
pub(crate) fn done() -> Vec<u8> {
    plugin(&[
        ("con", "DONE_"),
        ("dnd", "(unreachable)"),
        ("upd", "(unreachable)"),
    ])
}

/// A plugin that holds data until there is enough of it, or no more.
pub(crate) fn holding() -> Vec<u8> {
    let wait = "(if (result i32) (i32.or (local.get $eos) (i32.ge_u (local.get $size) (i32.const 100000))) (then FORWARD_) (else MORE_))";
    plugin(&[("dnd", wait), ("upd", wait)])
}

const PRELUDE: &str = r#"(module
    (import "wasi-log" "log" (func $wasi_log (param i32 i32 i32) (result i32)))
    (import "wasi-bytestream" "resume_downstream" (func $resume_downstream (param i32) (result i32)))
    (import "wasi-bytestream" "resume_upstream" (func $resume_upstream (param i32) (result i32)))
    (import "wasi-bytestream" "close_downstream" (func $close_downstream (param i32) (result i32)))
    (import "wasi-bytestream" "close_upstream" (func $close_upstream (param i32) (result i32)))
    (import "wasi-common" "set_buffer" (func $set_buffer (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi-common" "get_property" (func $get_property (param i32 i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "inupokby")
    (global $first (mut i32) (i32.const 0))
    (func (export "proxy_abi_version_2021_04"))
    ;; One iovec at 64, for the log and for texts.
    (func $text (param $at i32) (param $len i32) (result i32)
        (i32.store (i32.const 64) (local.get $at))
        (i32.store (i32.const 68) (local.get $len))
        (i32.const 64))
    (func $log (param $at i32)
        (drop (call $wasi_log (i32.const 2) (call $text (local.get $at) (i32.const 2)) (i32.const 1))))
    ;; Puts a text at the front (0) or the end (-1) of a buffer.
    (func $put (param $ctx i32) (param $buffer i32) (param $place i32) (param $at i32) (param $len i32)
        (drop (call $set_buffer (local.get $ctx) (local.get $buffer) (local.get $place) (i32.const 0)
            (call $text (local.get $at) (local.get $len)) (i32.const 1))))
    ;; Replaces the buffer by a property, whose path is in memory.
    (func $put_property (param $ctx i32) (param $buffer i32) (param $at i32) (param $len i32)
        (i32.store (i32.const 72) (i32.const 256))
        (i32.store (i32.const 76) (i32.const 256))
        (drop (call $get_property (local.get $ctx) (call $text (local.get $at) (local.get $len)) (i32.const 1)
            (i32.const 72) (i32.const 1) (i32.const 80)))
        (call $put (local.get $ctx) (local.get $buffer) (i32.const -1) (i32.const 256) (i32.load (i32.const 80))))
    (data (i32.const 128) "source\00addressdestination\00addressupstream\00address")
"#;
