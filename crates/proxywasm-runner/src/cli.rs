//! The command line.

mod run;

use crate::admin::DEFAULT_ADMIN_ADDRESS;
use crate::code::{CodeSource, FetchOptions, FetchSettings, PluginSource, read_all};
use crate::config::{self, ConfigFile, ConfigSource};
use crate::import_envoy;
use crate::inspect::Inspection;
use crate::lifecycle::{self, Restarts, Start, systemd};
use crate::log::{self, LogOptions, RateLimited};
use crate::runner::Runner;
use crate::settings::{
    self, AcceptMode, BackgroundSettings, DEFAULT_OLD_STREAMS, ListenerSettings, RunMode, Settings,
};
use crate::shutdown::{self, DrainSettings, Terminations};
use crate::update::Source;
use anyhow::Context;
use clap::{Args, CommandFactory, Parser, Subcommand};
use proxywasm_host::{CacheSettings, Engine, EngineError, EngineSettings, Services, TracingSink};
use run::{CommandLine, RunArguments};
use std::io::Write;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

const EXAMPLES: &str = "Examples:
  proxywasm run --plugin plugin.wasm
      listens on 127.0.0.1:8080 and answers with what the plugin let through; when the file changes, the new plugin takes over
  proxywasm run --plugin plugin.wasm --config @plugin.conf --upstream http://127.0.0.1:9000
  proxywasm init proxy.yaml && proxywasm check proxy.yaml
  proxywasm serve proxy.yaml
  proxywasm inspect plugin.wasm
  proxywasm inspect oci://ghcr.io/example/plugin:1.0
  proxywasm import-envoy envoy.yaml > proxy.yaml";

/// The arguments of `proxywasm`.
#[derive(Debug, Parser)]
#[command(
    name = "proxywasm",
    version,
    about = "A reverse proxy that runs Proxy-Wasm plugins in its own process",
    after_help = EXAMPLES
)]
pub struct Arguments {
    /// What is logged, as in the environment variable RUST_LOG, which this overrides: `info`, `debug,hyper=warn`,
    /// `warn,proxywasm::plugin=trace`
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    /// Where compiled plugins are kept, so that the next start need not compile them; comes before what the file says, and is nowhere
    /// by default. Code in it is run, so nobody else may be able to write it
    #[arg(long, global = true, value_name = "DIRECTORY")]
    cache: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves what a file configures
    Serve {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Tells whether a configuration file is in order: its plugins are compiled and started too, but nothing listens
    Check {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Fetch no code; plugins whose code was not fetched earlier are not checked
        #[arg(long)]
        offline: bool,
    },
    /// Writes a configuration file to begin with
    Init {
        /// The file, which must not be there yet
        #[arg(value_name = "FILE", default_value = "proxy.yaml")]
        file: PathBuf,
    },
    /// Prints the JSON schema of configuration files
    Schema,
    /// Asks a running proxy at its admin address whether it takes connections; the exit status says so
    Health {
        /// The admin address
        #[arg(long, value_name = "ADDRESS:PORT", default_value_t = DEFAULT_ADMIN_ADDRESS)]
        admin: SocketAddr,
        /// Asks only whether it runs
        #[arg(long)]
        live: bool,
    },
    /// Turns a bootstrap file of Envoy into a file for `serve`, on standard output, and tells on standard error what is not in it
    ImportEnvoy {
        /// The bootstrap file, in YAML or JSON
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Serves plugins without a configuration file, and takes over what changes of their files
    Run(Box<RunArguments>),
    /// Tells what a plugin is, what it imports and exports, and whether this host runs it
    Inspect {
        /// The plugin: a file, a URL, or an image as `oci://HOST/REPOSITORY[:TAG][@DIGEST]`
        #[arg(value_name = "PLUGIN")]
        plugin: CodeSource,
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        fetch: FetchArguments,
    },
}

/// How code is fetched that is not in a file.
#[derive(Debug, Clone, Args)]
struct FetchArguments {
    /// File with the certificates of the authorities that are trusted where code is fetched from; by default those of the system
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Fetch code without TLS, also from other machines
    #[arg(long)]
    plain_http: bool,
}

/// Where other settings come from while it runs.
struct Updates {
    source: Box<dyn Source>,
    watches: bool,
}

// === impl Arguments ===

impl Arguments {
    /// Does what they ask. Errors go to standard error.
    pub fn run(self) -> ExitCode {
        let done = match &self.command {
            Some(Command::Serve { file }) => lifecycle::begin(|start| self.serve(file, start)),
            Some(Command::Check { file, offline }) => self.check(file, *offline),
            Some(Command::Init { file }) => init(file),
            Some(Command::Schema) => schema(),
            Some(Command::Health { admin, live }) => {
                lifecycle::health(*admin, if *live { "/live" } else { "/ready" })
            }
            Some(Command::ImportEnvoy { file }) => import_envoy(file),
            Some(Command::Run(arguments)) => lifecycle::begin(|start| self.run_plugins(arguments, start)),
            Some(Command::Inspect { plugin, json, fetch }) => self.inspect(fetch.source(plugin), *json),
            None => help(),
        };
        done.unwrap_or_else(|error| {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        })
    }

    fn serve(&self, file: &Path, start: Start<'_>) -> anyhow::Result<ExitCode> {
        let config = ConfigFile::read(file)?;
        let (settings, mut options, shown) = self.build(&config)?;
        let filter = self.filter();
        if let Some(filter) = &filter {
            options.filter.clone_from(filter);
        }
        let source = ConfigSource::new(file, &config, filter);
        let updates = Updates {
            watches: config.watches(),
            source: Box::new(source),
        };

        serve(settings, &options, shown, start, updates)
    }

    fn check(&self, file: &Path, offline: bool) -> anyhow::Result<ExitCode> {
        let config = ConfigFile::read(file)?;
        let (config, so_far) = match offline {
            true => (config.offline(), ", as far as can be told without fetching code"),
            false => (config, ""),
        };
        self.build(&config)?;
        writeln!(std::io::stdout(), "{} is in order{so_far}", file.display())?;
        Ok(ExitCode::SUCCESS)
    }

    /// All that a file says, ready to serve, and what of it may be shown.
    fn build(&self, config: &ConfigFile) -> anyhow::Result<(Settings, LogOptions, serde_json::Value)> {
        let options = config.log_options();
        self.start_log(&options)?;
        let engine = self.engine(config.cache()?)?;
        let settings = config.build(&engine, &start_services(&options))?;
        Ok((settings, options, config.shown()))
    }

    fn run_plugins(&self, arguments: &RunArguments, start: Start<'_>) -> anyhow::Result<ExitCode> {
        let options = LogOptions::default();
        self.start_log(&options)?;
        let engine = self.engine(None)?;
        let services = Services {
            upstreams: settings::names(&arguments.call_upstream),
            ..start_services(&options)
        };
        let mut source = CommandLine::new(arguments)?;
        let plugins = source.plugins(&engine, &services, None)?;
        let listener = ListenerSettings {
            upstream: arguments.upstream.clone(),
            ..ListenerSettings::new(arguments.listen, AcceptMode::PerWorker, plugins)
        };
        let workers = arguments.workers.unwrap_or_else(settings::default_workers);
        serve(
            Settings {
                workers,
                listeners: vec![listener],
                background: Vec::new(),
                upstreams: arguments.call_upstream.clone(),
                engine,
                services,
                remotes: Vec::new(),
                admin: arguments.admin,
                drain: DrainSettings::default(),
                traces: None,
                old_streams: DEFAULT_OLD_STREAMS,
            },
            &options,
            serde_json::Value::Null,
            start,
            Updates {
                source: Box::new(source),
                watches: true,
            },
        )
    }

    fn inspect(&self, source: PluginSource, json: bool) -> anyhow::Result<ExitCode> {
        let codes = read_all(&[source], &fetch_settings());
        let code = codes
            .into_iter()
            .next()
            .context("nothing was read")?
            .map_err(whole)?;
        let engine = self.engine(None)?;
        let inspection = Inspection::of(&engine, &code);
        let mut out = std::io::stdout().lock();
        if json {
            serde_json::to_writer_pretty(&mut out, &inspection)?;
            writeln!(out)?;
        } else {
            write!(out, "{inspection}")?;
        }
        Ok(if inspection.runs() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    /// The engine, with the cache of the command line or else this one.
    fn engine(&self, cache: Option<CacheSettings>) -> Result<Engine, EngineError> {
        Engine::new(EngineSettings {
            cache: match &self.cache {
                Some(directory) => Some(CacheSettings {
                    directory: directory.clone(),
                    ..cache.unwrap_or(CacheSettings::new(directory))
                }),
                None => cache,
            },
            ..EngineSettings::default()
        })
    }

    /// The filter that comes before that of a file.
    fn filter(&self) -> Option<String> {
        let environment = || std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
        self.log.clone().or_else(environment)
    }

    fn start_log(&self, options: &LogOptions) -> anyhow::Result<()> {
        let given = self.filter();
        let filter = given.as_ref().unwrap_or(&options.filter);
        log::start(filter).with_context(|| format!("`{filter}` is no log filter"))
    }
}

// === impl FetchArguments ===

impl FetchArguments {
    fn source(&self, source: &CodeSource) -> PluginSource {
        PluginSource {
            fetch: FetchOptions {
                ca: self.ca.clone(),
                plain_http: self.plain_http,
                ..FetchOptions::default()
            },
            ..PluginSource::new(source.clone())
        }
    }
}

/// The defaults, for who asks by the command line.
fn fetch_settings() -> FetchSettings {
    let variable = std::env::var_os;
    FetchSettings::for_user(
        variable("XDG_CACHE_HOME"),
        variable("HOME"),
        variable("DOCKER_CONFIG"),
    )
}

/// What plugins reach while they are proved.
fn start_services(options: &LogOptions) -> Services {
    Services {
        functions: crate::functions(),
        ..Services::new(Arc::new(RateLimited::tracing(options)))
    }
}

/// Runs until a signal comes, or another process takes its place.
fn serve(
    settings: Settings,
    options: &LogOptions,
    shown: serde_json::Value,
    start: Start<'_>,
    updates: Updates,
) -> anyhow::Result<ExitCode> {
    let listeners = settings.listeners.clone();
    let background = settings.background.clone();
    let workers = settings.workers;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Before anybody is told that it runs: a signal that comes at once is to stop it in order, too.
    let (mut signals, mut hang_ups, mut user_signals, mut restarts) = {
        let _context = runtime.enter();
        (
            Terminations::new()?,
            shutdown::hang_ups()?,
            shutdown::user_signals()?,
            Restarts::new()?,
        )
    };
    // Each worker limits what its plugins log by itself.
    let settings = Settings {
        services: Services {
            log: Arc::new(TracingSink),
            ..settings.services
        },
        ..settings
    };
    let mut runner = Runner::start_with(start.sockets, settings, options)?;
    runner.show_configuration(shown);
    runner.update_from(updates.source, updates.watches)?;
    announce(&runner, &listeners, &background, workers);
    start.predecessor.tell_ready();
    let done = runtime.block_on(async {
        let why = {
            let mut handed_over = pin!(restarts.handed_over(|| runner.sockets()));
            loop {
                tokio::select! {
                    signal = signals.next() => break Some(signal),
                    () = runner.drain_asked() => break Some("POST /drain"),
                    () = &mut handed_over => break None,
                    Some(()) = user_signals.recv() => runner.reopen_logs(),
                    Some(()) = hang_ups.recv() => {
                        systemd::reloading();
                        runner.reloaded().await;
                        systemd::ready();
                    }
                }
            }
        };
        match why {
            Some(why) => {
                tracing::info!("{why}: stopping");
                systemd::stopping();
            }
            None => runner.has_successor(),
        }
        lifecycle::stop(runner, &mut signals).await
    });
    // What does not end is left behind.
    runtime.shutdown_background();
    Ok(done)
}

/// Tells what serves where, on standard output whatever the log filter is.
fn announce(
    runner: &Runner,
    listeners: &[ListenerSettings],
    background: &[BackgroundSettings],
    workers: NonZeroUsize,
) {
    let mut out = std::io::stdout().lock();
    for (address, listener) in runner.addresses().iter().zip(listeners) {
        // Nobody may be reading.
        let _ = writeln!(
            out,
            "listening on {}://{address}, {workers} workers, upstream: {}",
            listener.protocol(),
            listener.goes_to()
        );
        for plugin in listener.chain.plugins() {
            let _ = writeln!(out, "  plugin {}: {}", plugin.name(), plugin.code().abi());
        }
        if listener.chain.plugins().is_empty() {
            let _ = writeln!(out, "  no plugins");
        }
    }
    for BackgroundSettings { plugin, run } in background {
        let run = match run {
            RunMode::PerWorker => "in each worker",
            RunMode::PerProcess => "once",
        };
        let _ = writeln!(
            out,
            "background plugin {}: {}, {run}",
            plugin.name(),
            plugin.code().abi()
        );
    }
    if let Some(address) = runner.admin_address() {
        let _ = writeln!(out, "admin on http://{address}");
    }
    let _ = out.flush();
}

fn init(file: &Path) -> anyhow::Result<ExitCode> {
    let mut written =
        std::fs::File::create_new(file).with_context(|| format!("cannot make {}", file.display()))?;
    written.write_all(config::STARTER.as_bytes())?;
    writeln!(
        std::io::stdout(),
        "{} is written; it names a plugin, `plugin.wasm`",
        file.display()
    )?;
    Ok(ExitCode::SUCCESS)
}

fn schema() -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &config::schema())?;
    writeln!(out)?;
    Ok(ExitCode::SUCCESS)
}

fn import_envoy(file: &Path) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let import = import_envoy::import(&text).with_context(|| format!("cannot import {}", file.display()))?;
    let mut errors = std::io::stderr().lock();
    for note in import.notes {
        writeln!(errors, "{note}")?;
    }
    std::io::stdout().write_all(import.configuration.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn help() -> anyhow::Result<ExitCode> {
    Arguments::command().print_help()?;
    Ok(ExitCode::SUCCESS)
}

/// An error whose text has all that its causes say.
fn whole(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::Error::msg(error.to_string())
}
