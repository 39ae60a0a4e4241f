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

/// Streams that are open at once: what plugins may call at once bounds them.
const STREAMS: usize = 1000;
const INSTANCES: usize = 200;

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
        change(&mut config);
        Ok(Plugin::new(&engine, engine.load(wasm)?, config, &services)?)
    };

    println!("| a stream that is held | resident bytes |\n|---|---|");
    let none = streams(&FilterChain::new(Vec::new()), &services)?;
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
        let bytes = streams(&chain, &services)?;
        println!("| {name} | {bytes} ({:+} above none) |", bytes - none);
    }

    println!("\n| an idle instance | resident bytes |\n|---|---|");
    for (name, guest) in [
        ("ABI 0.2.1, Rust SDK", ADD_HEADER_LEGACY),
        ("component ABI, our SDK", ADD_HEADER_COMPONENT),
    ] {
        let wasm = guests::load(guest);
        let shared: Vec<Plugin> = (0..INSTANCES)
            .map(|number| plugin(&wasm, &|config| config.vm_id = number.to_string()))
            .collect::<anyhow::Result<_>>()?;
        println!("| {name}, shared | {} |", instances(shared.iter(), &services)?);
        let fresh = plugin(&wasm, &|config| {
            config.instances = InstanceStrategy::FreshPerStream
        })?;
        let fresh = instances(std::iter::repeat_n(&fresh, INSTANCES), &services)?;
        println!("| {name}, fresh per stream | {fresh} |");
    }
    Ok(())
}

/// What one of many streams takes that have got no further than their chain lets them.
fn streams(chain: &FilterChain, services: &Services) -> anyhow::Result<i64> {
    let mut host = Host::new(services.clone());
    let mut kept = Vec::with_capacity(2 * STREAMS);
    // The first ones make the instance and grow its tables; the memory of the process does not shrink for them later.
    let mut open = |host: &mut Host| -> anyhow::Result<()> {
        let request = Request::get("/path?query")
            .header("host", "example.test")
            .header("user-agent", "a client of some kind")
            .header("accept", "*/*")
            .body(())?;
        let id = host.open(chain, None);
        host.request_headers(id, request.into_parts().0, true);
        while let Some(output) = host.next_output(id) {
            anyhow::ensure!(
                matches!(output, Output::RequestHeaders { .. }),
                "it is held or passes: {output:?}"
            );
            kept.push(output);
        }
        while host.next_command().is_some() {}
        Ok(())
    };
    (0..10).try_for_each(|_| open(&mut host))?;
    let before = resident()?;
    (0..STREAMS - 10).try_for_each(|_| open(&mut host))?;
    let after = resident()?;
    Ok((after - before) / (STREAMS as i64 - 10))
}

/// What one of many instances takes that have served a stream each.
fn instances<'a>(plugins: impl Iterator<Item = &'a Plugin>, services: &Services) -> anyhow::Result<i64> {
    let mut host = Host::new(services.clone());
    let before = resident()?;
    for plugin in plugins {
        host.open(&FilterChain::new(vec![plugin.clone()]), None);
    }
    Ok((resident()? - before) / INSTANCES as i64)
}

fn resident() -> anyhow::Result<i64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes: i64 = line
        .and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok())
        .context("no VmRSS")?;
    Ok(kibibytes << 10)
}
