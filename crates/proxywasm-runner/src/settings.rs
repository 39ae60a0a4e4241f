//! What a runner is made of: validated, compiled, ready to be bound.

use crate::access_log::AccessLogSettings;
use crate::cluster::UpstreamSettings;
use crate::forwarding::ForwardingHeaders;
use crate::remote::Remote;
use crate::routing::{PathRules, RouteTable};
use crate::server::{DEFAULT_HANDSHAKE_TIMEOUT, DEFAULT_MAX_CONNECTIONS, HttpOptions};
use crate::shutdown::DrainSettings;
use crate::tls::{Reload, ServerTls};
use crate::trace::TraceSettings;
use crate::transport::Address;
use crate::upstream::{TargetError, UpstreamTarget};
use proxywasm_host::{Engine, FilterChain, Plugin, Services, Upstreams};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Everything that a [`Runner`](crate::Runner) needs. Its plugins have been compiled and started once.
#[derive(Clone)]
pub struct Settings {
    /// Threads that serve. Each has its own plugin instances.
    pub workers: NonZeroUsize,
    /// Where it listens.
    pub listeners: Vec<ListenerSettings>,
    /// Plugins that run without streams. A worker starts its own before it takes connections.
    pub background: Vec<BackgroundSettings>,
    /// The upstreams that routes and the calls of plugins name. The runner tells its plugins of these, whatever `services` has.
    pub upstreams: Vec<UpstreamSettings>,
    /// The engine that the plugins were compiled with.
    pub engine: Engine,
    /// What plugins reach, the same for all workers; but for the log, of which each worker has its own.
    pub services: Services,
    /// Servers that the services live on, of which the runner shows figures and which it gives time at the end.
    pub remotes: Vec<Arc<dyn Remote>>,
    /// The address for operators, if there is to be one; port 0 takes any that is free.
    pub admin: Option<SocketAddr>,
    /// How long streams may go on with plugins whose place others have taken by an update; then they are ended.
    pub old_streams: Duration,
    /// How it stops.
    pub drain: DrainSettings,
    /// What is traced, if anything is.
    pub traces: Option<TraceSettings>,
}

/// One address to listen on.
#[derive(Clone, PartialEq)]
pub struct ListenerSettings {
    /// What it is called in figures and logs; its address unless given.
    pub name: Option<String>,
    /// The address; port 0 takes any that is free.
    pub address: Address,
    /// The name of the sockets that it takes if the process was started with such, as by systemd, whatever their address.
    pub socket: Option<String>,
    /// How connections come to workers.
    pub accept: AcceptMode,
    /// The plugins that requests, or connections, pass.
    pub chain: FilterChain,
    /// Where they go, which says what the listener speaks.
    pub upstream: UpstreamTarget,
    /// Where requests go instead, if it has routes. What these name is in [`Settings::upstreams`], or [`ECHO`](crate::routing::ECHO).
    pub routes: Option<RouteTable>,
    /// What becomes of requests before plugins see them.
    pub http: HttpSettings,
    /// Whether a proxy before this one says by the PROXY protocol, version 1 or 2, whose connections they are. Those without its header are
    /// closed.
    pub proxy_protocol: bool,
    /// The TLS that clients speak, if they do.
    pub tls: Option<ServerTls>,
    /// How it speaks HTTP: what clients may take, and how long.
    pub limits: HttpOptions,
    /// How long a client may take for the header of the PROXY protocol, and again for TLS.
    pub handshake_timeout: Duration,
    /// The connections that it has at once in all workers; more are closed at once.
    pub max_connections: NonZeroUsize,
    /// Where its requests, or connections, are logged, if they are.
    pub access_log: Option<AccessLogSettings>,
}

/// What becomes of requests before plugins see them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpSettings {
    /// Of their paths.
    pub paths: PathRules,
    /// Of headers that tell of the client.
    pub forwarding: ForwardingHeaders,
}

/// A text is no upstream with a name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is no upstream that plugins can call: {reason}; write `NAME=http://HOST[:PORT]`")]
pub struct UpstreamSettingsError {
    text: String,
    reason: String,
}

/// How connections come to workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AcceptMode {
    /// Each worker has a socket of its own on the address, and the kernel spreads connections over them (`SO_REUSEPORT`). The
    /// cheapest for many short connections.
    #[default]
    PerWorker,
    /// One thread accepts, and hands each connection to the worker that has the fewest. The fairest for few long connections.
    OneAcceptor,
}

/// A plugin that runs without streams, on timers, queues and callouts, from start to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackgroundSettings {
    /// The plugin.
    pub plugin: Plugin,
    /// How many of it there are.
    pub run: RunMode,
}

/// How many instances of a background plugin there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunMode {
    /// One in each worker: for work that is to be shared, such as the items of a queue.
    PerWorker,
    /// One in the first worker: for what is to be done once.
    #[default]
    PerProcess,
}

/// How long streams may go on with plugins of before, unless configured otherwise.
pub const DEFAULT_OLD_STREAMS: Duration = Duration::from_secs(600);

// === impl Settings ===

impl Settings {
    /// Every plugin of a listener, of a route, of an upstream or in the background, by its name.
    pub(crate) fn plugins(&self) -> BTreeMap<String, Plugin> {
        let of_listeners = self.listeners.iter().flat_map(|listener| {
            let tables = listener.routes.iter();
            let routes = tables.flat_map(|table| table.virtual_hosts().iter().flat_map(|host| &host.routes));
            let chains = routes.filter_map(|route| route.chain.as_ref());
            chains.chain([&listener.chain]).flat_map(|chain| chain.plugins())
        });
        let upstreams = self.upstreams.iter();
        let of_upstreams = upstreams.flat_map(|upstream| upstream.chain.plugins());
        let background = self.background.iter().map(|background| &background.plugin);
        let plugins = of_listeners.chain(of_upstreams).chain(background);
        plugins
            .map(|plugin| (plugin.name().to_owned(), plugin.clone()))
            .collect()
    }

    /// What has to be read again when certificates change.
    pub(crate) fn certificates(&self) -> Vec<Arc<dyn Reload>> {
        let of_listeners = self.listeners.iter().filter_map(|listener| listener.tls.clone());
        let endpoints = self
            .listeners
            .iter()
            .filter_map(|listener| listener.upstream.endpoint());
        let named = self.upstreams.iter().flat_map(|upstream| &upstream.endpoints);
        let endpoints = endpoints.chain(named.map(|endpoint| &endpoint.target.endpoint));
        let of_upstreams = endpoints.filter_map(|endpoint| endpoint.tls.clone());
        let of_listeners = of_listeners.map(|tls| Arc::new(tls) as Arc<dyn Reload>);
        of_listeners
            .chain(of_upstreams.map(|tls| Arc::new(tls) as Arc<dyn Reload>))
            .filter(|tls| !tls.files().is_empty())
            .collect()
    }
}

// === impl ListenerSettings ===

impl ListenerSettings {
    /// A listener with a chain, before the built-in echo, without TLS.
    pub fn new(address: impl Into<Address>, accept: AcceptMode, plugins: Vec<Plugin>) -> Self {
        Self {
            name: None,
            address: address.into(),
            socket: None,
            accept,
            chain: FilterChain::new(plugins),
            upstream: UpstreamTarget::Echo,
            routes: None,
            http: HttpSettings::default(),
            proxy_protocol: false,
            tls: None,
            limits: HttpOptions::default(),
            handshake_timeout: DEFAULT_HANDSHAKE_TIMEOUT,
            max_connections: DEFAULT_MAX_CONNECTIONS,
            access_log: None,
        }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.address.to_string())
    }

    /// Whether connections pass as bytes.
    pub(crate) fn is_tcp(&self) -> bool {
        matches!((&self.routes, &self.upstream), (None, UpstreamTarget::Tcp(_)))
    }

    /// Where it goes, for people.
    pub(crate) fn goes_to(&self) -> String {
        match &self.routes {
            None => self.upstream.to_string(),
            Some(routes) => match routes.only_upstream() {
                Some(name) => name.to_owned(),
                None => "as routes say".to_owned(),
            },
        }
    }

    /// What it speaks, as the scheme of a URL.
    pub(crate) fn protocol(&self) -> &'static str {
        match (&self.upstream, &self.tls) {
            (UpstreamTarget::Echo | UpstreamTarget::Http(_), None) => "http",
            (UpstreamTarget::Echo | UpstreamTarget::Http(_), Some(_)) => "https",
            (UpstreamTarget::Tcp(_), None) => "tcp",
            (UpstreamTarget::Tcp(_), Some(_)) => "tls",
        }
    }

    /// How connections come to workers. Workers cannot share a UNIX socket as they do a port.
    pub(crate) fn accept(&self) -> AcceptMode {
        match self.address {
            Address::Ip(_) => self.accept,
            Address::Unix(_) => AcceptMode::OneAcceptor,
        }
    }
}

// === impl BackgroundSettings ===

impl BackgroundSettings {
    /// Whether it runs in the worker with this number.
    pub(crate) fn runs_in(&self, worker: usize) -> bool {
        self.run == RunMode::PerWorker || worker == 0
    }
}

// === impl UpstreamSettings ===

impl FromStr for UpstreamSettings {
    type Err = UpstreamSettingsError;

    /// `NAME=http://HOST[:PORT]`.
    fn from_str(text: &str) -> Result<Self, UpstreamSettingsError> {
        let error = |reason| UpstreamSettingsError {
            text: text.to_owned(),
            reason,
        };
        let (name, url) = text
            .split_once('=')
            .ok_or_else(|| error("it has no name".to_owned()))?;
        if name.is_empty() {
            return Err(error("its name is empty".to_owned()));
        }
        match url.parse().map_err(|why: TargetError| error(why.to_string()))? {
            UpstreamTarget::Http(target) => Ok(Self::new(name, target)),
            UpstreamTarget::Echo | UpstreamTarget::Tcp(_) => Err(error("it is no HTTP server".to_owned())),
        }
    }
}

/// The names of upstreams, as plugins are told of them.
pub(crate) fn names(upstreams: &[UpstreamSettings]) -> Arc<dyn Upstreams> {
    let names = upstreams.iter().map(|upstream| upstream.name.clone());
    Arc::new(names.collect::<BTreeSet<String>>())
}

/// As many workers as the machine and the control group of this process allow to run at once.
pub fn default_workers() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
