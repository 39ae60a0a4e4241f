//! Plugins of ABI 0.2.1: the same streams by another codec.

use crate::common::Bench;
use crate::legacy::legacy;

const GO: &str = "(i32.const 0)";
const PAUSE: &str = "(i32.const 1)";

/// A plugin with all callbacks, which go on but for those named, and tell numbers: that of bytes, who closed.
fn guest(bodies: &[(&str, &str)]) -> String {
    let told = "(call $say (local.get $n))";
    let default = |name: &str| match name {
        "nc" | "do" => GO.to_owned(),
        "dd" | "ud" => format!("{told} {GO}"),
        "dc" | "uc" => told.to_owned(),
        _ => String::new(),
    };
    let all = ["nc", "dd", "ud", "dc", "uc", "do", "lo", "de"].map(|name| {
        let body = bodies.iter().find(|(of, _)| *of == name);
        (
            name,
            body.map_or_else(|| default(name), |(_, body)| (*body).to_owned()),
        )
    });
    let all: Vec<(&str, &str)> = all.iter().map(|(name, body)| (*name, body.as_str())).collect();
    legacy(&all)
}

#[test]
fn streams() {
    let done = ("do", "(i32.const 1)");
    let resume = format!("(call $say (call $continue (i32.const 2))) {PAUSE}");
    let close = |side: u32, action: &str| format!("(call $say (call $close (i32.const {side}))) {action}");
    let wait =
        format!("(call $say (local.get $n)) (if (result i32) (local.get $eos) (then {GO}) (else {PAUSE}))");
    let (close_down, close_up) = (close(2, GO), close(3, PAUSE));
    let close_at_once = close(2, PAUSE);
    let answer = format!("(call $respond) {GO}");
    let table: [(&str, &str, &str, &str, &str); 11] = [
        (
            "",
            "",
            "con dnd:ab upd:c dnd! upd! upc dnc",
            "connect up:ab down:c up! down! closedown",
            "nc dd =2 ud =1 dd =0 ud =0 uc =2 dc =2 do lo de",
        ),
        // A pause of a new connection holds all of it; a resume in the same callback wins.
        ("nc", PAUSE, "con dnd:ab", "", "nc dc =1 do lo de"),
        (
            "nc",
            &resume,
            "con dnd:ab",
            "connect up:ab",
            "nc =0 dd =2 uc =1 dc =1 do lo de",
        ),
        // A pause of data holds it, and the callback comes with all that is held, until it goes on.
        (
            "dd",
            &wait,
            "con dnd:ab dnd:cd dnd!",
            "connect up:ab up:cd!",
            "nc dd =2 dd =4 dd =4 uc =1 dc =1 do lo de",
        ),
        (
            "ud",
            &wait,
            "con upd:ab upd:c!",
            "connect down:ab down:c!",
            "nc ud =2 ud =3 uc =1 dc =1 do lo de",
        ),
        (
            "dd",
            PAUSE,
            "con dnd:ab!",
            "connect",
            "nc dd uc =1 dc =1 do lo de",
        ),
        // Closing one side closes the stream, in order.
        (
            "dd",
            &close_down,
            "con dnd:ab",
            "connect up:ab up! closeup down! closedown",
            "nc dd =0 uc =1 dc =1 do lo de",
        ),
        (
            "dd",
            &close_up,
            "con dnd:ab",
            "connect up! closeup down! closedown",
            "nc dd =0 uc =1 dc =1 do lo de",
        ),
        (
            "nc",
            &close_at_once,
            "con dnd:ab",
            "closedown",
            "nc =0 dc =1 do lo de",
        ),
        // Nobody can be answered.
        (
            "dd",
            &answer,
            "con dnd:ab",
            "connect up:ab",
            "nc dd =0 uc =1 dc =1 do lo de",
        ),
        (
            "ud",
            "(unreachable)",
            "con upd:ab",
            "connect reset:PluginFailed",
            "nc ud",
        ),
    ];
    for (callback, body, script, out, trace) in table {
        let mut bench = Bench::new(&[guest(&[(callback, body), done])]);
        let (ran, seen) = bench.run_bytestream(script);
        let pieces = |text: &str| text.replace("up:ab up:cd!", "up:abcd!");
        assert_eq!(pieces(&ran), pieces(out), "{body} in {callback}: {script}");
        assert_eq!(seen, trace, "{body} in {callback}: {script}");
        assert_eq!(bench.host.streams(), 0);
    }
}

#[test]
fn the_end_can_be_put_off() {
    let mut bench = Bench::new(&[guest(&[("do", GO)])]);
    let id = bench.open_bytestream();
    bench.feed(id, "con dnd:a! upd:b! upc dnc");
    bench.host.finish(id);
    assert_eq!(bench.trace(), "nc dd =1 ud =1 uc =2 dc =2 do");
    assert!(bench.host.is_ending() && bench.host.streams() == 1);
    let until = bench.host.next_deadline().unwrap();
    bench.host.handle_deadline(until);
    assert_eq!((bench.trace().as_str(), bench.host.streams()), ("lo de", 0));
}

#[test]
fn both_generations_in_one_chain() {
    let component = super::guest(&[("dnd", "MORE_")]);
    let mut bench = Bench::new(&[guest(&[("do", "(i32.const 1)")]), component]);
    assert_eq!(
        bench.run_bytestream("con dnd:ab dnd:c! upd:d! upc dnc"),
        (
            "connect up:ab up:c! down:d! closedown".into(),
            "nc con dd =2 dnd2 dd =1 dnd3! upd1! ud =1 upc2 uc =2 dc =2 dnc2 do lo de".into()
        )
    );
}
