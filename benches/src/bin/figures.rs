//! Prints the table of `benches/README.md`: for each scenario the time, and with `--count` the instructions, of one of what it
//! measures.
//!
//! Times are the minimum of 15 rounds; the rounds of all scenarios are interleaved, so that a noisy minute hits all alike.
//! Instructions are counted by callgrind (package `valgrind`): two lengths of the same run are counted, and their difference divided.

use anyhow::{Context, bail};
use proxywasm_benches::{ALL, Scenario};
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

fn print(count: bool) -> anyhow::Result<()> {
    let mut bodies: Vec<_> = ALL.iter().map(|scenario| (scenario.setup)()).collect();
    let mut best = vec![Duration::MAX; bodies.len()];
    for _ in 0..ROUNDS {
        for ((body, scenario), best) in bodies.iter_mut().zip(ALL).zip(&mut best) {
            // Instances take long, so they are repeated.
            let repeats = if scenario.per_run == 1 { 100 } else { 1 };
            let begin = Instant::now();
            (0..repeats).for_each(|_| body());
            *best = (*best).min(begin.elapsed() / repeats / scenario.per_run);
        }
    }
    println!("| scenario | time | instructions |\n|---|---|---|");
    for (scenario, time) in ALL.iter().zip(&best) {
        let instructions = if count { instructions(scenario)? } else { None };
        let instructions = instructions.map_or("-".to_owned(), |count| count.to_string());
        println!("| {} | {} ns | {instructions} |", scenario.name, time.as_nanos());
    }
    let time = |name: &str| {
        let at = ALL.iter().position(|scenario| scenario.name.starts_with(name));
        at.and_then(|at| best.get(at))
            .map(Duration::as_nanos)
            .context("no such scenario")
    };
    let (stream, bare) = (time("stream/add a header, ABI 0.2.1")?, time("crossing/five")?);
    let (get_buffer, hostcall) = (time("hostcall/get_buffer")?, time("crossing/empty hostcall")?);
    println!(
        "\nstream on ABI 0.2.1 / five callbacks and a hostcall: {:.2}",
        stream as f64 / bare as f64
    );
    println!(
        "get_buffer - empty hostcall: {} ns",
        get_buffer.saturating_sub(hostcall)
    );
    Ok(())
}

fn run(name: &str, runs: u32) -> anyhow::Result<()> {
    let scenario = ALL
        .iter()
        .find(|scenario| scenario.name == name)
        .context("no such scenario")?;
    let mut body = (scenario.setup)();
    (0..runs).for_each(|_| body());
    Ok(())
}

/// `None` where callgrind cannot run the scenario: it refuses the address space that the pooling allocator reserves.
fn instructions(scenario: &Scenario) -> anyhow::Result<Option<u64>> {
    let (short, long) = if scenario.per_run == 1 { (20, 120) } else { (2, 12) };
    let (Some(short_count), Some(long_count)) = (counted(scenario, short)?, counted(scenario, long)?) else {
        return Ok(None);
    };
    Ok(Some(
        long_count.saturating_sub(short_count) / u64::from((long - short) * scenario.per_run),
    ))
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
