//! `proxywasm run`: plugins of the command line, which are read again when their files change.

use super::{FetchArguments, fetch_settings, whole};
use crate::cluster::UpstreamSettings;
use crate::code::{CodeSource, compile_all, read_all};
use crate::log::LogOptions;
use crate::settings::Settings;
use crate::update::{Proposal, Reading, Refusal, Source, known_code, proving};
use crate::upstream::UpstreamTarget;
use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use proxywasm_host::{Engine, FilterChain, InstanceStrategy, Plugin, PluginConfig, Services};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// The arguments of `proxywasm run`.
#[derive(Debug, Clone, Args)]
pub(super) struct RunArguments {
    /// The plugin: a file, a URL, or an image as `oci://HOST/REPOSITORY[:TAG][@DIGEST]`; several make a chain in this order
    #[arg(long, value_name = "PLUGIN", required = true)]
    plugin: Vec<CodeSource>,
    #[command(flatten)]
    fetch: FetchArguments,
    /// The configuration of each plugin in turn: a text, or @FILE for what is in a file, which is read again when it changes
    #[arg(long, value_name = "TEXT|@FILE")]
    config: Vec<String>,
    /// The name of each plugin in turn, for logs and properties; by default that of its file
    #[arg(long)]
    name: Vec<String>,
    /// Which plugin of a module that holds several, for each in turn
    #[arg(long)]
    root_id: Vec<String>,
    /// Where requests go: `echo` answers with what it got; with `tcp://HOST:PORT` connections pass as bytes
    #[arg(long, value_name = "URL|echo", default_value = "echo")]
    pub(super) upstream: UpstreamTarget,
    /// A server that plugins can call, and the name by which they call it; can be given several times
    #[arg(long, value_name = "NAME=URL")]
    pub(super) call_upstream: Vec<UpstreamSettings>,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub(super) listen: SocketAddr,
    /// Threads that serve; by default as many as the machine lets this process use
    #[arg(long)]
    pub(super) workers: Option<NonZeroUsize>,
    /// Where operators ask and change the log level; by default nowhere
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) admin: Option<SocketAddr>,
}

/// The command line, as the source of plugins and their updates.
#[derive(Debug)]
pub(super) struct CommandLine {
    arguments: RunArguments,
    names: Vec<String>,
    configurations: Vec<Configuration>,
}

/// The configuration of a plugin.
#[derive(Debug)]
struct Configuration {
    /// What was read last.
    bytes: Bytes,
    /// Where it can be read again.
    file: Option<PathBuf>,
}

// === impl CommandLine ===

impl CommandLine {
    pub(super) fn new(arguments: &RunArguments) -> anyhow::Result<Self> {
        for (given, option) in [
            (&arguments.config, "--config"),
            (&arguments.name, "--name"),
            (&arguments.root_id, "--root-id"),
        ] {
            anyhow::ensure!(
                given.len() <= arguments.plugin.len(),
                "there are more {option} than --plugin"
            );
        }
        let configurations = arguments.config.iter().map(|text| Configuration::of(text));
        Ok(Self {
            names: arguments.names()?,
            configurations: configurations.collect::<Result<_, _>>()?,
            arguments: arguments.clone(),
        })
    }

    /// The plugins, compiled and proved. With those that are served, what has not changed is taken from these.
    pub(super) fn plugins(
        &mut self,
        engine: &Engine,
        services: &Services,
        served: Option<&[Plugin]>,
    ) -> anyhow::Result<Vec<Plugin>> {
        let reading = served.map_or_else(Reading::first, |_| Reading::again());
        if served.is_some() {
            for configuration in &mut self.configurations {
                configuration.read_again()?;
            }
        }
        let served = served.unwrap_or_default();
        let arguments = &self.arguments;
        let sources = arguments
            .plugin
            .iter()
            .map(|plugin| arguments.fetch.source(plugin));
        let read: Vec<_> = read_all(&sources.collect::<Vec<_>>(), &fetch_settings())
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(whole)?;
        let codes = arguments.plugin.iter().zip(read);
        let codes = codes.map(|(source, code)| (source, code, InstanceStrategy::Shared));
        let codes =
            compile_all(engine, codes.collect(), &known_code(served)).map_err(|(_, error)| whole(error))?;
        let mut plugins = Vec::new();
        for (index, (name, code)) in self.names.iter().zip(codes).enumerate() {
            let configuration = self.configurations.get(index);
            let config = PluginConfig {
                configuration: configuration
                    .map(|configuration| configuration.bytes.clone())
                    .unwrap_or_default(),
                root_id: arguments.root_id.get(index).cloned().unwrap_or_default(),
                ..PluginConfig::new(name)
            };
            let plugin = reading.plugin(served.get(index), engine, code, config, services);
            plugins.push(plugin.map_err(whole)?);
        }
        Ok(plugins)
    }
}

impl Source for CommandLine {
    fn read(&mut self, served: &Settings, log: &LogOptions) -> Result<Proposal, Refusal> {
        let chain = served.listeners.first().map(|listener| listener.chain.plugins());
        let plugins = self
            .plugins(
                &served.engine,
                &proving(served, log),
                Some(chain.unwrap_or_default()),
            )
            .map_err(|error| Refusal::Other(format!("{error:#}")))?;
        let mut settings = served.clone();
        for listener in &mut settings.listeners {
            listener.chain = FilterChain::new(plugins.clone());
        }
        Ok(Proposal {
            settings,
            log: log.clone(),
            restart: Vec::new(),
            shown: serde_json::Value::Null,
        })
    }

    fn files(&self) -> Vec<PathBuf> {
        let codes = self.arguments.plugin.iter().filter_map(|plugin| match plugin {
            CodeSource::File(file) => Some(file),
            CodeSource::Url(_) | CodeSource::Oci(_) => None,
        });
        let configurations = self.configurations.iter();
        let configurations = configurations.filter_map(|configuration| configuration.file.as_ref());
        codes.chain(configurations).cloned().collect()
    }
}

// === impl RunArguments ===

impl RunArguments {
    /// What the plugins are called, each in its own way.
    fn names(&self) -> anyhow::Result<Vec<String>> {
        let mut names: Vec<String> = Vec::new();
        for (index, plugin) in self.plugin.iter().enumerate() {
            let name = match self.name.get(index) {
                Some(name) => name.clone(),
                None => {
                    let first = plugin.short_name();
                    let others = (2_usize..).map(|number| format!("{first}-{number}"));
                    let mut all = std::iter::once(first.clone()).chain(others);
                    all.find(|name| !names.contains(name)).unwrap_or_default()
                }
            };
            anyhow::ensure!(
                !names.contains(&name),
                "two plugins are called `{name}`; names have to differ"
            );
            names.push(name);
        }
        Ok(names)
    }
}

// === impl Configuration ===

impl Configuration {
    /// Of an argument, which names a file where it begins with `@`.
    fn of(argument: &str) -> anyhow::Result<Self> {
        let Some(file) = argument.strip_prefix('@') else {
            return Ok(Self {
                bytes: Bytes::copy_from_slice(argument.as_bytes()),
                file: None,
            });
        };
        let file = PathBuf::from(file);
        let mut configuration = Self {
            bytes: Bytes::new(),
            file: Some(file.clone()),
        };
        configuration.read_again()?;
        // A pipe has no second reading.
        configuration.file = Some(file).filter(|file| file.is_file());
        Ok(configuration)
    }

    fn read_again(&mut self) -> anyhow::Result<()> {
        if let Some(file) = &self.file {
            let bytes = std::fs::read(file);
            let bytes = bytes.with_context(|| format!("cannot read the configuration {}", file.display()))?;
            self.bytes = bytes.into();
        }
        Ok(())
    }
}
