//! Prints the table of `benches/README.md`: for each scenario the time, and with `--count` the instructions, of one of what it
//! measures.
//!
//! Times are the minimum of 15 rounds; the rounds of all scenarios are interleaved, so that a noisy minute hits all alike.
//! Instructions are counted by callgrind (package `valgrind`): two lengths of the same run are counted, and their difference divided.

use anyhow::{Context, bail};
use proxywasm_benches::Scenario;
use std::collections::HashMap;
use std::process::Command;
use std::time::{Duration, Instant};

const ROUNDS: usize = 15;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => print(false),
        ["--count"] => print(true),
        // What callgrind runs.
        ["--run", name, runs] => run(name, runs.parse()?),
        _ => bail!("usage: figures [--count]"),
    }
}

/// What was measured of a scenario, for one of what it measures.
struct Figure {
    nanoseconds: f64,
    instructions: Option<f64>,
}

fn print(count: bool) -> anyhow::Result<()> {
    let scenarios = proxywasm_benches::all();
    let mut bodies: Vec<_> = scenarios.iter().map(|scenario| (scenario.setup)()).collect();
    let mut best = vec![Duration::MAX; bodies.len()];
    for _ in 0..ROUNDS {
        for ((body, scenario), best) in bodies.iter_mut().zip(&scenarios).zip(&mut best) {
            // Instances take long, so they are repeated.
            let repeats = if scenario.per_run == 1 { 100 } else { 1 };
            let begin = Instant::now();
            (0..repeats).for_each(|_| body());
            *best = (*best).min(begin.elapsed() / repeats);
        }
    }
    drop(bodies);
    let mut figures = HashMap::new();
    for (scenario, best) in scenarios.iter().zip(best) {
        let figure = Figure {
            nanoseconds: best.as_nanos() as f64 / f64::from(scenario.per_run),
            instructions: if count { instructions(scenario)? } else { None },
        };
        figures.insert(scenario.name, figure);
    }
    println!("| scenario | time | instructions |\n|---|---|---|");
    for scenario in &scenarios {
        let figure = figures.get(scenario.name).context("no such scenario")?;
        let beside = scenario.less.and_then(|less| figures.get(less));
        let time = figure.nanoseconds - beside.map_or(0.0, |beside| beside.nanoseconds);
        let others = beside.map_or(Some(0.0), |beside| beside.instructions);
        let instructions = figure.instructions.zip(others);
        let instructions =
            instructions.map_or("-".to_owned(), |(all, others)| format!("{:.0}", all - others));
        let mark = scenario.less.map_or("", |_| " *");
        println!("| {}{mark} | {time:.0} ns | {instructions} |", scenario.name);
    }
    let time = |prefix: &str| {
        let found = scenarios
            .iter()
            .find(|scenario| scenario.name.starts_with(prefix));
        found
            .and_then(|scenario| figures.get(scenario.name))
            .map(|figure| figure.nanoseconds)
            .context("no such scenario")
    };
    let (stream, bare) = (time("stream/add a header, ABI 0.2.1")?, time("crossing/five")?);
    let guest = time("crossing/the guest's part")?;
    let (get_buffer, hostcall) = (time("hostcall/get_buffer")?, time("crossing/empty hostcall")?);
    println!("\n*: the other thing that the scenario does, whose row is above, has been subtracted");
    println!(
        "stream on ABI 0.2.1 / five callbacks and a hostcall: {:.2}, of which the guest's part: {:.2}",
        stream / bare,
        guest / bare
    );
    println!("get_buffer - empty hostcall: {:.0} ns", get_buffer - hostcall);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load of the machine: {load}");
    Ok(())
}

fn run(name: &str, runs: u32) -> anyhow::Result<()> {
    let scenario = proxywasm_benches::find(name).context("no such scenario")?;
    let mut body = (scenario.setup)();
    (0..runs).for_each(|_| body());
    Ok(())
}

/// `None` where callgrind cannot run the scenario: it refuses the address space that the pooling allocator reserves.
fn instructions(scenario: &Scenario) -> anyhow::Result<Option<f64>> {
    if !scenario.is_counted {
        return Ok(None);
    }
    let (short, long) = if scenario.per_run == 1 { (20, 120) } else { (2, 12) };
    let (Some(short_count), Some(long_count)) = (counted(scenario, short)?, counted(scenario, long)?) else {
        return Ok(None);
    };
    let counted = long_count.saturating_sub(short_count) as f64;
    Ok(Some(counted / f64::from((long - short) * scenario.per_run)))
}

fn counted(scenario: &Scenario, runs: u32) -> anyhow::Result<Option<u64>> {
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--smc-check=all-non-file",
        ])
        .arg(std::env::current_exe()?)
        .args(["--run", scenario.name, &runs.to_string()])
        .output()
        .context("valgrind cannot be run; install it, or leave --count away")?;
    if !output.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .map(|(_, count)| count.trim());
    let count = collected.and_then(|count| count.parse().ok());
    count
        .map(Some)
        .with_context(|| format!("callgrind counted nothing for `{}`:\n{text}", scenario.name))
}
