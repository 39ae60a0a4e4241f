//! What a TCP plugin costs a proxy: bytes a second through the runner, beside a plain copy loop, all in one run.
//!
//! `cargo run --release --package proxywasm-benches --bin tcp [-- ROUNDS SECONDS]`. One worker, one connection that sends as fast as it is
//! taken; the rounds of all proxies are interleaved. Besides the throughput, the processor time that the proxy's thread takes for a
//! gibibyte is told (from `/proc`, Linux only).

use anyhow::Context;
use proxywasm_tests::harness::{Proxy, proxy};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A proxy that was measured.
struct Measured {
    name: &'static str,
    address: SocketAddr,
    /// The name of its thread.
    thread: String,
    /// Of each round: bytes a second, and processor seconds for a gibibyte.
    rounds: Vec<(f64, f64)>,
    _proxy: Option<Proxy>,
}

/// What goes through at once.
const BLOCK: usize = 256 << 10;
/// Says done to every connection, or forwards every piece.
const DONE: &str = r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_2021_04"))
    (func (export "proxy_on_new_connection") (param i32) (result i32) (i32.const 2))
    (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) (unreachable)))"#;
const FORWARD: &str = r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_2021_04"))
    (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_upstream_data") (param i32 i32 i32) (result i32) (i32.const 0)))"#;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(Ok(7), |text| text.parse())?;
    let seconds: f64 = arguments.next().map_or(Ok(1.0), |text| text.parse())?;
    let (sink, received) = sink()?;
    let mut all = vec![
        plain("copy loop of tokio, 8 KiB", "copy-8", 8 << 10, sink)?,
        plain("copy loop of tokio, 64 KiB", "copy-64", 64 << 10, sink)?,
        runner("runner, no plugin", None, sink)?,
        runner("runner, a plugin that is done at once", Some(DONE), sink)?,
        runner("runner, a plugin that forwards each piece", Some(FORWARD), sink)?,
    ];
    for _ in 0..rounds {
        for measured in &mut all {
            let round = measure(measured, &received, Duration::from_secs_f64(seconds))?;
            measured.rounds.push(round);
        }
    }
    println!(
        "| proxy | GiB/s | of the copy loop (8 KiB) | of the copy loop (64 KiB) | processor s/GiB |\n|---|---|---|---|---|"
    );
    for measured in &all {
        let speed = median(measured.rounds.iter().map(|(speed, _)| *speed));
        let processor = median(measured.rounds.iter().map(|(_, processor)| *processor));
        let ratio = |to: usize| {
            let to = all.get(to).map(|plain| &plain.rounds);
            let pairs = measured.rounds.iter().zip(to.into_iter().flatten());
            median(pairs.map(|((speed, _), (plain, _))| speed / plain))
        };
        println!(
            "| {} | {:.2} | {:.2} | {:.2} | {processor:.2} |",
            measured.name,
            speed / (1u64 << 30) as f64,
            ratio(0),
            ratio(1)
        );
    }
    Ok(())
}

/// A server that reads and drops, and how much it was.
fn sink() -> anyhow::Result<(SocketAddr, Arc<AtomicU64>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let received = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&received);
    thread::spawn(move || {
        let mut block = vec![0; BLOCK];
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            while let Ok(size @ 1..) = stream.read(&mut block) {
                count.fetch_add(size as u64, Ordering::Relaxed);
            }
        }
    });
    Ok((address, received))
}

/// What one would write without a host of plugins.
fn plain(name: &'static str, thread: &str, block: usize, upstream: SocketAddr) -> anyhow::Result<Measured> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new().name(thread.to_owned()).spawn(move || {
        let serve = async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            loop {
                let (mut downstream, _) = listener.accept().await?;
                tokio::spawn(async move {
                    let mut upstream = tokio::net::TcpStream::connect(upstream).await?;
                    tokio::io::copy_bidirectional_with_sizes(&mut downstream, &mut upstream, block, block)
                        .await
                });
            }
        };
        let served: std::io::Result<()> = runtime.block_on(serve);
        if let Err(error) = served {
            eprintln!("the copy loop ended: {error}");
        }
    })?;
    Ok(Measured {
        name,
        address,
        thread: thread.to_owned(),
        rounds: Vec::new(),
        _proxy: None,
    })
}

fn runner(name: &'static str, plugin: Option<&str>, upstream: SocketAddr) -> anyhow::Result<Measured> {
    let mut builder = proxy().tcp_upstream(upstream);
    if let Some(text) = plugin {
        builder = builder.wasm("it", &wat::parse_str(text)?);
    }
    let proxy = builder.start();
    Ok(Measured {
        name,
        address: proxy.address(),
        thread: "worker-0".to_owned(),
        rounds: Vec::new(),
        _proxy: Some(proxy),
    })
}

/// Sends for a while; returns bytes a second, and processor seconds for a gibibyte.
fn measure(measured: &Measured, received: &AtomicU64, time: Duration) -> anyhow::Result<(f64, f64)> {
    let mut client = TcpStream::connect(measured.address)?;
    let block = vec![7; BLOCK];
    let before = (processor_time(&measured.thread), received.load(Ordering::Relaxed));
    let begin = Instant::now();
    while begin.elapsed() < time {
        client.write_all(&block).context("the proxy broke off")?;
    }
    let bytes = (received.load(Ordering::Relaxed) - before.1) as f64;
    let elapsed = begin.elapsed().as_secs_f64();
    let processor = processor_time(&measured.thread) - before.0;
    drop(client);
    // What is still on its way is not to fall into the next round.
    thread::sleep(Duration::from_millis(100));
    Ok((bytes / elapsed, processor / bytes * (1u64 << 30) as f64))
}

/// Processor seconds of all threads of a name: of the proxies that have the same, only one is at work at a time.
fn processor_time(thread: &str) -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let tasks = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let of_name = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    let ticks = of_name.filter_map(|stat| {
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // utime and stime, fields 14 and 15 of proc(5).
        let time = |field: usize| fields.get(field)?.parse::<f64>().ok();
        (name == thread).then(|| Some(time(11)? + time(12)?))?
    });
    ticks.sum::<f64>() / TICKS_PER_SECOND
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
