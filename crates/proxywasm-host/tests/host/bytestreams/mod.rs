//! Byte streams: what each action does in each callback, pauses, bounds, chains, how connections close, failures.

mod actions;
mod closing;
mod failures;
mod legacy;
mod pauses;

use crate::common::component;

/// Everything that a stream can see, with both ends in order.
const WHOLE: &str = "con dnd:ab upd:ef dnd:cd! upd:gh! upc dnc";
/// What the callbacks of [`WHOLE`] log.
const TRACE: &str = "con dnd2 upd2 dnd2! upd2! upc2 dnc2";

const FORWARD: [(&str, &str); 5] = [
    ("con", "FORWARD_"),
    ("dnd", "FORWARD_"),
    ("upd", "FORWARD_"),
    ("dnc", ""),
    ("upc", ""),
];

/// A plugin with all callbacks, which forward but for those named.
fn guest(bodies: &[(&str, &str)]) -> String {
    guest_with(bodies, "")
}

fn guest_with(bodies: &[(&str, &str)], extra: &str) -> String {
    let body = |name| bodies.iter().find(|(of, _)| *of == name);
    let all = FORWARD.map(|default| *body(default.0).unwrap_or(&default));
    component(&all, extra)
}

/// A plugin as of [`guest`] that remembers its first stream; when a client connects for another, it does `act` with the first one.
fn acting(act: &str, bodies: &[(&str, &str)]) -> String {
    let first = bodies
        .iter()
        .find(|(of, _)| *of == "con")
        .map_or("FORWARD_", |(_, body)| *body);
    let con = format!(
        "(if (result i32) (i32.eqz (global.get $other))
            (then (global.set $other (local.get $ctx)) {first})
            (else (call $say (call {act} (global.get $other))) FORWARD_))"
    );
    let mut all = vec![("con", con.as_str())];
    all.extend(bodies.iter().filter(|(of, _)| *of != "con"));
    guest(&all)
}
