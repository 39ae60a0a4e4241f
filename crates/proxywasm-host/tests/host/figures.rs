//! What a host counts of its plugins.

use crate::common::{Bench, component};
use proxywasm_host::figures::PluginFigures;
use proxywasm_host::{Callback, Direction, Part, Phase};
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::time::Duration;

const PAGE: u64 = 64 << 10;

fn figures(bench: &Bench) -> Arc<PluginFigures> {
    bench.host.figures().plugin("p0")
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

#[test]
fn callbacks_copies_memory_and_instances() {
    let grows = "(drop (memory.grow (i32.const 2))) FORWARD_";
    let guest = component(&[("rqh", "FORWARD_"), ("rsh", grows)], "");
    let mut bench = Bench::new(&[guest]);
    let figures = figures(&bench);
    assert_eq!(
        (figures.instances.get(), figures.starts.get()),
        (0, 0),
        "none is needed yet"
    );
    let mut callbacks = 0;
    for round in 1..=3 {
        assert_eq!(bench.run("rqh! rsh!").1, "rqh! rsh!");
        // What it logs: eight letters and signs, and nothing goes the other way.
        assert_eq!(figures.bytes_from_guest.get(), 8 * round);
        assert_eq!(figures.bytes_to_guest.get(), 0);
        assert_eq!(figures.memory_bytes.get(), (2 + 2 * round) * PAGE);
        assert_eq!((figures.instances.get(), figures.starts.get()), (1, 1));
        if round == 1 {
            callbacks = figures.callbacks.get();
        }
        assert!(callbacks >= 2);
        assert_eq!(figures.callbacks.get(), callbacks * round);
        let called = Callback::all().map(|callback| (callback, figures.callbacks.of(callback)));
        let called: Vec<_> = called.filter(|(_, count)| *count > 0).collect();
        let expected = [
            Callback::ContextCreate,
            Callback::ContextFinalize,
            Callback::Http(Phase::new(Direction::Request, Part::Headers)),
            Callback::Http(Phase::new(Direction::Response, Part::Headers)),
        ];
        assert_eq!(called, expected.map(|callback| (callback, round)));
    }
    assert_eq!((figures.traps.get(), figures.failed_starts.get()), (0, 0));
    bench.host.shut_all_down();
    assert_eq!((figures.instances.get(), figures.memory_bytes.get()), (0, 0));
}

#[test]
fn plugins_that_share_an_instance_are_told_apart() {
    let guest = component(&[("rqh", "FORWARD_")], "");
    let mut bench = Bench::new(&[guest.clone(), guest]);
    bench.run("rqh!");
    let both = ["p0", "p1"].map(|name| bench.host.figures().plugin(name));
    for figures in &both {
        assert_eq!(figures.bytes_from_guest.get(), 4);
        assert_eq!(
            (figures.instances.get(), figures.memory_bytes.get()),
            (1, 2 * PAGE)
        );
    }
}

#[test]
fn traps_take_the_instance_with_them() {
    let mut bench = Bench::new(&[component(&[("rqh", "unreachable")], "")]);
    let figures = figures(&bench);
    for round in 1..=2 {
        bench.run("rqh!");
        assert_eq!((figures.traps.get(), figures.starts.get()), (round, round));
        assert_eq!((figures.instances.get(), figures.memory_bytes.get()), (0, 0));
    }
}

#[test]
fn processor_time_is_right_on_average() {
    let spins = "(local.set $n (i32.const 60000))
        (loop $again (local.set $n (i32.sub (local.get $n) (i32.const 1))) (br_if $again (local.get $n)))
        FORWARD_";
    let guest = component(&[("rqh", spins)], "").replace(
        "(param $ctx i32) (param $size i32) (param $eos i32) (result i32) (call $trace",
        "(param $ctx i32) (param $size i32) (param $eos i32) (result i32) (local $n i32) (call $trace",
    );
    assert!(guest.contains("(local $n i32)"), "{guest}");
    let mut bench = Bench::new(&[guest]);
    let figures = figures(&bench);
    bench.run("rqh!");
    let (begun, before) = (thread_time(), figures.processor_nanos.get());
    for _ in 0..8_000 {
        bench.run("rqh!");
    }
    let spent = (thread_time() - begun).as_nanos() as f64;
    let counted = (figures.processor_nanos.get() - before) as f64;
    // Most of the time is the guest's; of so many callbacks more than a hundred are measured.
    let share = counted / spent;
    assert!((0.3..1.5).contains(&share), "{share}");
    let measured = figures.callback_times.distribution().count;
    assert!(
        measured > 50 && measured < figures.callbacks.get() / 20,
        "{measured}"
    );
}
