//! The configuration file: YAML, JSON or TOML, read and validated whole before anything is bound.
//!
//! The types are the documentation: each field of the file is a field of one of them, with what it means and its default.
//! The JSON schema and `docs/CONFIGURATION.md` are made of them. `${NAME}` and `${NAME:-default}` in a value without quotes stand for environment variables.
//!
//! ```yaml
//! listeners:
//!   - address: 127.0.0.1:8080
//!     plugins: [headers]
//!     upstream: http://127.0.0.1:9000
//!
//! plugins:
//!   - name: headers
//!     file: headers.wasm
//!     configuration: { x-added: yes }
//! ```

mod access_log;
mod admin;
mod background;
mod cache;
mod code;
mod diagnostic;
mod drain;
mod http;
mod limits;
mod listener;
mod node;
mod plugin;
mod redact;
mod redis;
mod reference;
mod routes;
mod source;
mod starter;
mod stores;
mod tls;
mod toml;
mod traces;
mod units;
mod updates;
mod upstreams;
mod url;

pub use diagnostic::Diagnostic;
pub use reference::{reference, schema};
pub use source::ConfigSource;
pub use starter::STARTER;

use crate::log::LogOptions;
use crate::remote::Remote;
use crate::routing::RouteTable;
use crate::settings::{BackgroundSettings, HttpSettings, ListenerSettings, Settings};
use crate::update::proving;
use admin::AdminEntry;
use background::BackgroundEntry;
use cache::CacheEntry;
use code::RemoteCodeEntry;
use drain::DrainEntry;
use listener::ListenerEntry;
use node::NodeEntry;
use plugin::PluginEntry;
use proxywasm_host::{CacheSettings, Engine, FilterChain, Plugin, Services};
use redis::RedisEntry;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stores::{QueuesEntry, StoresEntry};
use traces::TracesEntry;
use updates::UpdatesEntry;
use upstreams::UpstreamEntry;
use wasi_kvstore::InProcessStores;
use wasi_queue::InProcessQueues;

/// A configuration file that was read; nothing is compiled or bound yet.
#[derive(Debug)]
pub struct ConfigFile {
    path: PathBuf,
    text: String,
    root: Root,
    offline: bool,
}

/// A configuration file of `proxywasm serve`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Root {
    /// How many threads serve, each with plugin instances of its own. Default: as many as the machine lets this process use.
    workers: Option<NonZeroUsize>,
    /// What is logged.
    #[serde(default)]
    log: LogEntry,
    /// Where it listens. May be empty where a plugin runs in the background.
    #[schemars(with = "Vec<ListenerEntry>")]
    listeners: Spanned<Vec<ListenerEntry>>,
    /// Plugins that run without streams, on timers, queues and callouts. Default: none.
    #[serde(default)]
    background: Vec<BackgroundEntry>,
    /// The plugins that listeners and `background` name. Default: none.
    #[serde(default)]
    plugins: Vec<PluginEntry>,
    /// The address for operators: a page to look at, figures, readiness, the log level; see OPERATIONS.md. Default: there is none.
    admin: Option<AdminEntry>,
    /// Which requests are traced, and where spans go. Default: nothing is traced.
    #[schemars(with = "Option<TracesEntry>")]
    traces: Option<Spanned<TracesEntry>>,
    /// How it ends when it is asked to.
    #[serde(default)]
    drain: DrainEntry,
    /// The Redis or Valkey server on which stores, shared data and queues live, for all runners that use it. Default: they live in
    /// this process.
    redis: Option<RedisEntry>,
    /// Where compiled plugins are kept, so that the next start need not compile them. Default: nowhere.
    #[schemars(with = "Option<CacheEntry>")]
    cache: Option<Spanned<CacheEntry>>,
    /// How the code of plugins is fetched from URLs and registries.
    #[serde(default)]
    remote_code: RemoteCodeEntry,
    /// Bounds on key-value stores and shared data. Past one, a write answers `unavailable`.
    #[serde(default)]
    stores: StoresEntry,
    /// Bounds on queues. Past one, a write answers `unavailable`.
    #[serde(default)]
    queues: QueuesEntry,
    /// Who this runner is, for plugins that ask for the properties of `node`. Default: nothing is known.
    node: Option<NodeEntry>,
    /// How it is updated while it runs.
    #[serde(default)]
    updates: UpdatesEntry,
    /// Servers that routes go to, and that plugins can call: by HTTP/1.1, and by gRPC over HTTP/2. Default: none.
    #[serde(default)]
    upstreams: Vec<UpstreamEntry>,
}

/// What is logged.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LogEntry {
    /// What is logged, as in the environment variable `RUST_LOG`, which comes first; `--log` comes before both. Default: `info`.
    #[schemars(with = "Option<String>")]
    filter: Option<Spanned<String>>,
    /// How many messages a second each plugin may log on each worker; what is more is dropped and counted. 0 for no limit.
    /// Default: 100.
    plugin_messages: Option<u32>,
}

/// What a file can name as `${NAME}`. What is not UTF-8 cannot stand in one.
fn environment() -> HashMap<String, String> {
    let variables = std::env::vars_os();
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

// === impl ConfigFile ===

impl ConfigFile {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, is neither YAML nor JSON (nor TOML, where its name ends with `.toml`), or has a field that is unknown, missing or
    /// of the wrong type.
    pub fn read(path: &Path) -> Result<Self, Diagnostic> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Diagnostic::whole(path, format!("cannot read the configuration: {error}")))?;
        match path.extension().is_some_and(|extension| extension == "toml") {
            true => {
                let (path, text) = toml::as_yaml(path, &text)?;
                Self::parse(&path, text)
            }
            false => Self::parse(path, text),
        }
    }

    /// Reads a text, YAML or JSON; `path` is for messages, and the folder that plugin files are relative to.
    ///
    /// # Errors
    /// As of [`ConfigFile::read`].
    pub fn parse(path: &Path, text: String) -> Result<Self, Diagnostic> {
        let options = serde_saphyr::Options::default().with_properties(environment());
        let root: Root = serde_saphyr::from_str_with_options(&text, options)
            .map_err(|error| Diagnostic::from_yaml(path, &text, &error))?;
        let file = Self {
            path: path.to_owned(),
            text,
            root,
            offline: false,
        };
        file.check()?;
        Ok(file)
    }

    /// What it says, to be shown: without its secrets. What stands for an environment variable stays as it is written.
    pub fn shown(&self) -> serde_json::Value {
        redact::shown(&self.text)
    }

    /// What it says about the log.
    pub fn log_options(&self) -> LogOptions {
        let mut options = LogOptions::default();
        if let Some(filter) = &self.root.log.filter {
            options.filter.clone_from(&filter.value);
        }
        if let Some(rate) = self.root.log.plugin_messages {
            options.plugin_messages = rate;
        }
        options
    }

    /// Where it says that compiled plugins are kept.
    ///
    /// # Errors
    /// It names no directory, and there is no default.
    pub fn cache(&self) -> Result<Option<CacheSettings>, Diagnostic> {
        let Some(entry) = &self.root.cache else {
            return Ok(None);
        };
        let settings = entry.value.settings(self.folder());
        settings
            .map(Some)
            .map_err(|message| self.at(entry.referenced, message))
    }

    /// Fetches no code: plugins whose code was never fetched are left out of what is built, with a warning. For checking a file only.
    pub fn offline(mut self) -> Self {
        self.offline = true;
        self
    }

    /// Fetches and compiles the plugins, starts each on a throw-away instance, and puts everything together. Stores and queues are those that the
    /// file configures, whatever `services` has.
    ///
    /// # Errors
    /// A plugin's code cannot be read or fetched, is no plugin that this host runs, or does not start; the address of a server is none.
    pub fn build(&self, engine: &Engine, services: &Services) -> Result<Settings, Diagnostic> {
        // A server is connected to while plugins compile.
        let (services, remotes) = self.with_state(services)?;
        let services = Services {
            properties: self.root.node.as_ref().map(|node| Arc::new(node.settings()) as _),
            ..services
        };
        let settings = self.assemble(engine, services, remotes, None)?;
        settings.remotes.iter().for_each(|remote| remote.wait_until_up());
        Ok(settings)
    }

    /// The same for a runner that serves already: state, services and what has not changed of its plugins are taken from there.
    ///
    /// # Errors
    /// As of [`ConfigFile::build`].
    pub fn rebuild(&self, served: &Settings) -> Result<Settings, Diagnostic> {
        let known: Vec<Plugin> = served.plugins().into_values().collect();
        let services = proving(served, &self.log_options());
        let settings = self.assemble(&served.engine, services, served.remotes.clone(), Some(&known))?;
        Ok(Settings {
            services: served.services.clone(),
            ..settings
        })
    }

    /// Puts everything together. Plugins that are among those that are known are not made again.
    fn assemble(
        &self,
        engine: &Engine,
        services: Services,
        remotes: Vec<Arc<dyn Remote>>,
        known: Option<&[Plugin]>,
    ) -> Result<Settings, Diagnostic> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let upstreams = self
            .root
            .upstreams
            .iter()
            .map(|entry| entry.settings(Some(folder)));
        let mut upstreams: Vec<_> = upstreams
            .collect::<Result<_, _>>()
            .map_err(|(location, message)| self.at(location, message))?;
        let services = Services {
            upstreams: crate::settings::names(&upstreams),
            ..services
        };
        let plugins = self.plugins(engine, &services, known)?;
        for (upstream, entry) in upstreams.iter_mut().zip(&self.root.upstreams) {
            upstream.chain = FilterChain::new(chosen(entry.plugins(), &plugins));
        }
        let mut listeners = Vec::new();
        for entry in &self.root.listeners.value {
            let tls = entry
                .load_tls(folder)
                .map_err(|(location, message)| self.at(location, message))?;
            let access_log = entry
                .access_log(folder)
                .map_err(|(location, message)| self.at(location, message))?;
            let limits = entry
                .http_options()
                .map_err(|(location, message)| self.at(location, message))?;
            listeners.push(ListenerSettings {
                upstream: entry
                    .upstream_target(folder)
                    .map_err(|(location, message)| self.at(location, message))?,
                socket: entry.socket.clone(),
                proxy_protocol: entry.proxy_protocol,
                routes: self.route_table(entry, &plugins)?,
                http: self.http_settings(entry)?,
                tls,
                name: entry.name.as_ref().map(|name| name.value.clone()),
                access_log,
                limits,
                handshake_timeout: entry.handshake_timeout(),
                max_connections: entry.max_connections(),
                ..ListenerSettings::new(
                    entry.address.value.0.clone(),
                    entry.accept.into(),
                    chosen(&entry.plugins, &plugins),
                )
            });
        }
        let background = self.root.background.iter().filter_map(|entry| {
            Some(BackgroundSettings {
                plugin: plugins.get(entry.plugin.value.as_str())?.clone(),
                run: entry.run.into(),
            })
        });
        Ok(Settings {
            background: background.collect(),
            workers: self.root.workers.unwrap_or_else(crate::settings::default_workers),
            listeners,
            upstreams,
            engine: engine.clone(),
            services,
            remotes,
            admin: self.root.admin.as_ref().map(AdminEntry::address),
            drain: self.root.drain.settings(),
            traces: self.root.traces.as_ref().map(|entry| entry.value.settings()),
            old_streams: self.root.updates.old_streams(),
        })
    }

    /// What names of files are relative to.
    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// The services with the stores and queues of the file, and the servers that these live on.
    fn with_state(&self, services: &Services) -> Result<(Services, Vec<Arc<dyn Remote>>), Diagnostic> {
        let (stores, queues) = (self.root.stores.settings(), self.root.queues.settings());
        #[cfg(feature = "redis")]
        if let Some(entry) = &self.root.redis {
            let backends = entry.start(stores, queues).map_err(|(location, message)| {
                let text = entry.without_password(&self.text);
                Diagnostic::at(&self.path, &text, location, message)
            })?;
            let services = Services {
                stores: backends.stores,
                queues: backends.queues,
                ..services.clone()
            };
            return Ok((services, vec![backends.server]));
        }
        let services = Services {
            stores: Arc::new(InProcessStores::new(stores)),
            queues: Arc::new(InProcessQueues::new(queues)),
            ..services.clone()
        };
        Ok((services, Vec::new()))
    }

    /// What types cannot say.
    fn check(&self) -> Result<(), Diagnostic> {
        let root = &self.root;
        if let Some(filter) = &root.log.filter
            && let Err(error) = crate::log::parse_filter(&filter.value)
        {
            return Err(self.at(filter.referenced, error.to_string()));
        }
        if let Some(traces) = &root.traces {
            traces
                .value
                .check(traces.referenced)
                .map_err(|(location, message)| self.at(location, message))?;
        }
        if let Some(redis) = &root.redis {
            redis
                .check()
                .map_err(|(location, message)| self.at(location, message))?;
        }
        if root.listeners.value.is_empty() && root.background.is_empty() {
            return Err(self.at(
                root.listeners.referenced,
                "no listener is configured; at least one is needed where no plugin runs in the background",
            ));
        }
        for (index, entry) in root.plugins.iter().enumerate() {
            let others = root.plugins.iter().take(index);
            if entry.name.value.is_empty() {
                return Err(self.at(entry.name.referenced, "a plugin needs a name"));
            }
            if others
                .into_iter()
                .any(|other| other.name.value == entry.name.value)
            {
                let message = format!(
                    "two plugins are called `{}`; names have to differ",
                    entry.name.value
                );
                return Err(self.at(entry.name.referenced, message));
            }
            entry
                .to_config()
                .map_err(|(location, message)| self.at(location, message))?;
            entry
                .source(self.folder())
                .map_err(|(location, message)| self.at(location, message))?;
        }
        upstreams::check(&root.upstreams).map_err(|(location, message)| self.at(location, message))?;
        for (index, entry) in root.listeners.value.iter().enumerate() {
            let mut others = root.listeners.value.iter().take(index);
            let address = &entry.address.value.0;
            let is_any_port = address.ip().is_some_and(|address| address.port() == 0);
            if !is_any_port && others.any(|other| other.address.value.0 == *address) {
                let message = format!("two listeners have the address {address}");
                return Err(self.at(entry.address.referenced, message));
            }
            let mut others = root.listeners.value.iter().take(index);
            if let Some(name) = &entry.name
                && others.any(|other| other.name.as_ref().is_some_and(|other| other.value == name.value))
            {
                let message = format!("two listeners are called `{}`; names have to differ", name.value);
                return Err(self.at(name.referenced, message));
            }
            entry
                .check()
                .map_err(|(location, message)| self.at(location, message))?;
            self.http_settings(entry)?;
            self.route_table(entry, &HashMap::new())?;
            for name in entry.plugins.iter().chain(entry.plugins_of_routes()) {
                self.check_plugin(name)?;
            }
        }
        for name in root.upstreams.iter().flat_map(UpstreamEntry::plugins) {
            self.check_plugin(name)?;
        }
        self.check_background()
    }

    fn check_background(&self) -> Result<(), Diagnostic> {
        for (index, entry) in self.root.background.iter().enumerate() {
            let name = &entry.plugin;
            self.check_plugin(name)?;
            let mut others = self.root.background.iter().take(index);
            if others.any(|other| other.plugin.value == name.value) {
                let message = format!("the plugin `{}` runs in the background already", name.value);
                return Err(self.at(name.referenced, message));
            }
        }
        Ok(())
    }

    fn http_settings(&self, entry: &ListenerEntry) -> Result<HttpSettings, Diagnostic> {
        http::settings(&entry.headers, &entry.paths).map_err(|(location, message)| self.at(location, message))
    }

    /// The routes of a listener; their plugins are of those that are given.
    fn route_table(
        &self,
        entry: &ListenerEntry,
        plugins: &HashMap<&str, Plugin>,
    ) -> Result<Option<RouteTable>, Diagnostic> {
        let known_upstream = |name: &Spanned<String>| {
            let mut upstreams = self.root.upstreams.iter();
            if upstreams.any(|upstream| upstream.name() == name.value) {
                return Ok(());
            }
            let known = self.root.upstreams.iter().map(UpstreamEntry::name);
            Err((name.referenced, unknown("upstream", &name.value, known)))
        };
        let chain = |names: &[Spanned<String>]| FilterChain::new(chosen(names, plugins));
        entry
            .route_table(&known_upstream, &chain)
            .map_err(|(location, message)| self.at(location, message))
    }

    /// Whether there is a plugin of this name.
    fn check_plugin(&self, name: &Spanned<String>) -> Result<(), Diagnostic> {
        let mut known = self.root.plugins.iter().map(|plugin| plugin.name.value.as_str());
        if known.clone().any(|known| known == name.value) {
            return Ok(());
        }
        let message = unknown("plugin", &name.value, &mut known);
        Err(self.at(name.referenced, message))
    }

    fn at(&self, location: Location, message: impl Into<String>) -> Diagnostic {
        Diagnostic::at(&self.path, &self.text, location, message)
    }
}

/// The plugins of these names. `check` saw that all are there.
fn chosen(names: &[Spanned<String>], plugins: &HashMap<&str, Plugin>) -> Vec<Plugin> {
    let plugins = names.iter().map(|name| plugins.get(name.value.as_str()));
    plugins.flatten().cloned().collect()
}

/// What to say of a name that nothing has; `kind` is what it should be the name of.
fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<String> = known.map(|known| format!("`{known}`")).collect();
    if known.is_empty() {
        format!("no {kind} is called `{name}`; define it under `{kind}s`")
    } else {
        format!("no {kind} is called `{name}`; defined are {}", known.join(", "))
    }
}
