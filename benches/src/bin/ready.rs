//! How long it takes until a plugin serves: compiled, and from the compile cache.
//!
//! `cargo run --release --package proxywasm-benches --bin ready [-- ROUNDS [PLUGIN.wasm[=CONFIGURATION] ...]]`. A round is what a process does that
//! starts: an engine is made, the code loaded, the plugin proved. Without plugins, one of the Rust SDK is taken, and one in the size of
//! what the Go toolchain makes. Told is the median of the rounds.

use anyhow::Context;
use proxywasm_host::{CacheSettings, Engine, EngineSettings, MemorySink, Plugin, PluginConfig, Services};
use proxywasm_tests::guests;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Functions of the large plugin, and operations in each.
const FUNCTIONS: usize = 7_600;
const OPERATIONS: usize = 24;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let mut plugins = Vec::new();
    for argument in arguments {
        let (file, configuration) = argument.split_once('=').unwrap_or((&argument, ""));
        let code = std::fs::read(file).with_context(|| format!("cannot read {file}"))?;
        let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy();
        plugins.push((name.into_owned(), code, configuration.to_owned()));
    }
    if plugins.is_empty() {
        let rust = guests::load(guests::HEADERS_LEGACY);
        plugins.push(("Rust SDK, ABI 0.2.1".to_owned(), rust, String::new()));
        plugins.push(("generated, as large as Go's".to_owned(), large()?, String::new()));
    }
    let folder = std::env::temp_dir().join(format!("proxywasm-ready-{}", std::process::id()));
    println!("| plugin | code | compiled | cold | cached | times faster |\n|---|---|---|---|---|---|");
    for (name, code, configuration) in plugins {
        let ready = |cache| ready(&code, &configuration, cache);
        let cold = median(rounds, || ready(None))?;
        // The first puts it there.
        ready(Some(folder.as_path()))?;
        let cached = median(rounds, || ready(Some(folder.as_path())))?;
        println!(
            "| {name} | {} KiB | {} KiB | {:.1} ms | {:.1} ms | {:.0} |",
            code.len() >> 10,
            taken(&folder)? >> 10,
            cold.as_secs_f64() * 1e3,
            cached.as_secs_f64() * 1e3,
            cold.as_secs_f64() / cached.as_secs_f64()
        );
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

/// What a process does until its plugin can serve.
fn ready(code: &[u8], configuration: &str, cache: Option<&Path>) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let engine = Engine::new(EngineSettings {
        ticker: false,
        cache: cache.map(CacheSettings::new),
        ..EngineSettings::default()
    })?;
    let services = Services::from(Arc::new(MemorySink::default()));
    let config = PluginConfig {
        configuration: configuration.to_owned().into(),
        ..PluginConfig::new("ready")
    };
    let loaded = engine.load_for(code, Default::default())?;
    let _plugin = Plugin::new(&engine, loaded, config, &services)?;
    Ok(start.elapsed())
}

fn median(rounds: usize, mut measure: impl FnMut() -> anyhow::Result<Duration>) -> anyhow::Result<Duration> {
    let mut times = (0..rounds)
        .map(|_| measure())
        .collect::<anyhow::Result<Vec<_>>>()?;
    times.sort();
    times.get(times.len() / 2).copied().context("no rounds")
}

/// Bytes of the files in a folder.
fn taken(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

/// A plugin that does nothing, with much code.
fn large() -> anyhow::Result<Vec<u8>> {
    let mut text =
        r#"(module (memory (export "memory") 64) (func (export "proxy_abi_version_2021_04"))"#.to_owned();
    for function in 0..FUNCTIONS {
        text.push_str("(func (param i32 i32) (result i32)");
        for operation in 0..OPERATIONS {
            let constant = function * 31 + operation * 7919;
            write!(
                text,
                "(if (i32.lt_u (local.get 0) (i32.const {constant})) (then (local.set 1 (i32.add (local.get 1)
                    (i32.load offset={operation} (i32.and (local.get 0) (i32.const 65535)))))))"
            )?;
        }
        text.push_str("(local.get 1))");
    }
    text.push(')');
    Ok(wat::parse_str(text)?)
}
