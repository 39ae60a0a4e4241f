//! What streams and instances take: resident bytes of this process, before and after many of them (from `/proc`, Linux only).
//!
//! `cargo run --release --package proxywasm-benches --bin memory`. The streams are those of a host without sockets: what a connection
//! takes is the same with and without plugins. Without a plugin the driver holds the head of the request, which is counted there too.

use anyhow::Context;
use http::Request;
use proxywasm_host::{
    Engine, EngineSettings, FilterChain, Host, InstanceStrategy, MemorySink, Output, Plugin, PluginConfig,
    Services,
};
use proxywasm_tests::guests::{self, ADD_HEADER_COMPONENT, ADD_HEADER_LEGACY, CALL_COMPONENT, CALL_LEGACY};
use std::collections::BTreeSet;
use std::sync::Arc;

const FIRST_STREAMS: usize = 5000;
const STREAMS: usize = 20_000;
const FIRST_INSTANCES: usize = 100;
const INSTANCES: usize = 200;

/// What was measured stays, so that what comes after does not take its memory.
#[derive(Default)]
struct World {
    hosts: Vec<Host>,
    outputs: Vec<Output>,
}

/// Pauses every request, and does nothing else.
const PAUSE: &str = r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_2021_04"))
    (func (export "proxy_on_http_request_headers") (param i32 i32 i32) (result i32) (i32.const 3)))"#;

fn main() -> anyhow::Result<()> {
    let engine = Engine::new(EngineSettings::default())?;
    let upstreams: BTreeSet<String> = ["auth", "authz"].map(str::to_owned).into();
    let services = Services {
        upstreams: Arc::new(upstreams),
        ..Services::new(Arc::new(MemorySink::default()))
    };
    let plugin = |wasm: &[u8], change: &dyn Fn(&mut PluginConfig)| -> anyhow::Result<Plugin> {
        let mut config = PluginConfig::new("it");
        config.limits.callouts = FIRST_STREAMS + STREAMS;
        change(&mut config);
        Ok(Plugin::new(&engine, engine.load(wasm)?, config, &services)?)
    };

    let mut world = World::default();

    println!("| a stream that is held | resident bytes |\n|---|---|");
    let none = streams(&FilterChain::new(Vec::new()), &services, &mut world)?;
    println!("| no plugin: its head is with the driver | {none} |");
    let plugins = [
        ("a plugin that pauses it", wat::parse_str(PAUSE)?),
        (
            "one that waits for a call, ABI 0.2.1, Rust SDK",
            guests::load(CALL_LEGACY),
        ),
        (
            "one that waits for a call, component ABI, our SDK",
            guests::load(CALL_COMPONENT),
        ),
    ];
    for (name, wasm) in plugins {
        let chain = FilterChain::new(vec![plugin(&wasm, &|_| ())?]);
        let bytes = streams(&chain, &services, &mut world)?;
        println!("| {name} | {bytes} ({:+} above none) |", bytes - none);
    }

    println!("\n| an idle instance | resident bytes |\n|---|---|");
    for (name, guest) in [
        ("ABI 0.2.1, Rust SDK", ADD_HEADER_LEGACY),
        ("component ABI, our SDK", ADD_HEADER_COMPONENT),
    ] {
        let wasm = guests::load(guest);
        let shared: Vec<Plugin> = (0..FIRST_INSTANCES + INSTANCES)
            .map(|number| plugin(&wasm, &|config| config.vm_id = number.to_string()))
            .collect::<anyhow::Result<_>>()?;
        println!(
            "| {name}, shared | {} |",
            instances(shared.iter(), &services, &mut world)?
        );
        let fresh = plugin(&wasm, &|config| {
            config.instances = InstanceStrategy::FreshPerStream
        })?;
        let fresh = instances(std::iter::repeat(&fresh), &services, &mut world)?;
        println!("| {name}, fresh per stream | {fresh} |");
    }
    Ok(())
}

/// What one of many streams takes that have got no further than their chain lets them. What is not measured comes first, so that it
/// takes what compilers have left free in the memory of this process.
fn streams(chain: &FilterChain, services: &Services, world: &mut World) -> anyhow::Result<i64> {
    let mut host = Host::new(services.clone());
    open(&mut host, chain, FIRST_STREAMS, &mut world.outputs)?;
    let before = resident()?;
    open(&mut host, chain, STREAMS, &mut world.outputs)?;
    let after = resident()?;
    world.hosts.push(host);
    Ok((after - before) / STREAMS as i64)
}

fn open(
    host: &mut Host,
    chain: &FilterChain,
    streams: usize,
    outputs: &mut Vec<Output>,
) -> anyhow::Result<()> {
    outputs.reserve(2 * streams);
    for _ in 0..streams {
        let request = Request::get("/path?query")
            .header("host", "example.test")
            .header("user-agent", "a client of some kind")
            .header("accept", "*/*")
            .body(())?;
        let id = host.open(chain, None);
        host.request_headers(id, request.into_parts().0, true);
        while let Some(output) = host.next_output(id) {
            let passes = matches!(output, Output::RequestHeaders { .. });
            anyhow::ensure!(passes, "it is held or passes, but {output:?}");
            outputs.push(output);
        }
        while host.next_command().is_some() {}
    }
    Ok(())
}

/// What one of many instances takes that have served a stream each.
fn instances<'a>(
    mut plugins: impl Iterator<Item = &'a Plugin>,
    services: &Services,
    world: &mut World,
) -> anyhow::Result<i64> {
    let mut host = Host::new(services.clone());
    let mut start = |count: usize| {
        for plugin in plugins.by_ref().take(count) {
            host.open(&FilterChain::new(vec![plugin.clone()]), None);
        }
    };
    start(FIRST_INSTANCES);
    let before = resident()?;
    start(INSTANCES);
    let after = resident()?;
    world.hosts.push(host);
    Ok((after - before) / INSTANCES as i64)
}

fn resident() -> anyhow::Result<i64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes: i64 = line
        .and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok())
        .context("no VmRSS")?;
    Ok(kibibytes << 10)
}
