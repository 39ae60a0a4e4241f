//! A runner in this process.

use super::Stopping;
use crate::guests;
use proxywasm_host::{
    Engine, EngineSettings, FilterChain, LogLevel, MemorySink, Plugin, PluginCode, PluginConfig, Services,
    TracingSink,
};
use proxywasm_runner::access_log::{AccessLogSettings, Format};
use proxywasm_runner::config::ConfigFile;
use proxywasm_runner::routing::RouteTable;
use proxywasm_runner::tls::{ClientTls, ServerTls};
use proxywasm_runner::{
    AcceptMode, Address, BackgroundSettings, DEFAULT_HANDSHAKE_TIMEOUT, DEFAULT_IDLE_TIMEOUT,
    DEFAULT_MAX_CONNECTIONS, DEFAULT_OLD_STREAMS, DrainSettings, Endpoint, Forwarded, ForwardingHeaders,
    HttpOptions, HttpProtocol, HttpSettings, HttpTarget, ListenerSettings, LogOptions, RunMode, Runner,
    Settings, TcpTarget, TraceSettings, UpstreamSettings, UpstreamTarget,
};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// Why a plugin does not start, and what it logged.
pub type Refusal = (String, Vec<(LogLevel, String)>);

/// A running proxy. Stops when dropped.
pub struct Proxy {
    pub(super) runner: Runner,
}

/// A proxy to be.
pub struct ProxyBuilder {
    plugins: Vec<Plugin>,
    plugins_of_upstream: Vec<Plugin>,
    services: Services,
    upstream: UpstreamTarget,
    accept: AcceptMode,
    workers: usize,
    admin: bool,
    background: Vec<BackgroundSettings>,
    upstreams: Vec<UpstreamSettings>,
    log: LogOptions,
    http: HttpSettings,
    address: Address,
    proxy_protocol: bool,
    tls: Option<ServerTls>,
    limits: HttpOptions,
    max_connections: NonZeroUsize,
    access_log: Option<AccessLogSettings>,
    drain: DrainSettings,
    traces: Option<TraceSettings>,
    handshake_timeout: Duration,
}

/// A proxy with one worker and no plugins, before the built-in echo.
pub fn proxy() -> ProxyBuilder {
    ProxyBuilder {
        plugins: Vec::new(),
        plugins_of_upstream: Vec::new(),
        services: Services::new(Arc::new(TracingSink)),
        upstream: UpstreamTarget::Echo,
        accept: AcceptMode::PerWorker,
        workers: 1,
        admin: false,
        background: Vec::new(),
        upstreams: Vec::new(),
        log: LogOptions::default(),
        http: HttpSettings::default(),
        address: Address::Ip(ANY),
        proxy_protocol: false,
        tls: None,
        limits: HttpOptions::default(),
        max_connections: DEFAULT_MAX_CONNECTIONS,
        access_log: None,
        drain: DrainSettings {
            // Clients that a test forgot do not keep it.
            idle: Duration::ZERO,
            ..DrainSettings::default()
        },
        traces: None,
        handshake_timeout: DEFAULT_HANDSHAKE_TIMEOUT,
    }
}

/// A port that is free.
const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A proxy as a configuration file has it. Files of plugins are relative to the folder of the sample plugins.
///
/// # Panics
/// It cannot be read, or does not start.
pub fn configured(text: &str) -> Proxy {
    let file = guests::folder().join("proxy.yaml");
    let config = ConfigFile::parse(&file, text.to_owned()).unwrap_or_else(|error| panic!("{error}"));
    let services = Services::new(Arc::new(TracingSink));
    let settings = config
        .build(engine(), &services)
        .unwrap_or_else(|error| panic!("{error}"));
    let runner = Runner::start(settings, &config.log_options()).unwrap();
    runner.show_configuration(config.shown());
    Proxy { runner }
}

// === impl ProxyBuilder ===

impl ProxyBuilder {
    /// Adds a sample plugin.
    pub fn guest(self, name: &str, configuration: &str) -> Self {
        let config = PluginConfig {
            configuration: configuration.as_bytes().to_vec().into(),
            ..PluginConfig::new(name)
        };
        self.guest_with(name, config)
    }

    /// Adds a sample plugin with other settings than the default ones.
    pub fn guest_with(self, name: &str, config: PluginConfig) -> Self {
        self.plugin(guest_code(name), config)
    }

    /// Adds sample plugins without a configuration.
    pub fn guests(self, names: &[&str]) -> Self {
        names.iter().fold(self, |builder, name| builder.guest(name, ""))
    }

    /// The plugins so far are those of the upstream, and not of the listener.
    pub fn of_upstream(mut self) -> Self {
        self.plugins_of_upstream.append(&mut self.plugins);
        self
    }

    /// Adds a plugin.
    ///
    /// # Panics
    /// It does not start.
    pub fn plugin(mut self, code: Arc<PluginCode>, config: PluginConfig) -> Self {
        match self.try_plugin(code, config) {
            Ok(plugin) => self.plugins.push(plugin),
            Err((error, logged)) => panic!("{error}; it logged {logged:?}"),
        }
        self
    }

    /// Why a sample plugin does not start with these settings, and what it logged.
    ///
    /// # Panics
    /// It starts.
    pub fn refusal(self, name: &str, config: PluginConfig) -> Refusal {
        match self.try_plugin(guest_code(name), config) {
            Ok(_) => panic!("{name} starts"),
            Err(refusal) => refusal,
        }
    }

    /// A plugin, or why it does not start, and what it logged.
    fn try_plugin(&self, code: Arc<PluginCode>, config: PluginConfig) -> Result<Plugin, Refusal> {
        let log = Arc::new(MemorySink::default());
        let services = Services {
            log: Arc::clone(&log) as _,
            ..self.services.clone()
        };
        Plugin::new(engine(), code, config, &services).map_err(|error| (error.to_string(), log.take()))
    }

    /// Makes the plugin that was added last one that runs without streams.
    ///
    /// # Panics
    /// None was added.
    pub fn in_background(mut self, run: RunMode) -> Self {
        let plugin = self.plugins.pop().unwrap();
        self.background.push(BackgroundSettings { plugin, run });
        self
    }

    /// Adds a plugin from its text.
    ///
    /// # Panics
    /// It is no plugin, or does not start.
    pub fn wasm(self, name: &str, wasm: &[u8]) -> Self {
        self.wasm_with(wasm, PluginConfig::new(name))
    }

    /// The same, with other settings than the default ones.
    ///
    /// # Panics
    /// It is no plugin, or does not start.
    pub fn wasm_with(self, wasm: &[u8], config: PluginConfig) -> Self {
        let code = engine()
            .load(wasm)
            .unwrap_or_else(|error| panic!("{}: {error}", config.name));
        self.plugin(code, config)
    }

    /// Lets plugins reach these services; to be called before plugins are added.
    pub fn services(mut self, services: Services) -> Self {
        self.services = services;
        self
    }

    /// Adds no header to requests that tells of the client, and no id.
    pub fn without_forwarding_headers(mut self) -> Self {
        self.http.forwarding = ForwardingHeaders {
            request_id: false,
            forwarded: Forwarded::Off,
            via: None,
        };
        self
    }

    /// Lets plugins log as much as they like.
    pub fn unlimited_log(mut self) -> Self {
        self.log.plugin_messages = 0;
        self
    }

    /// Sends requests to a server.
    pub fn upstream(self, address: SocketAddr) -> Self {
        self.upstream_within(address, Duration::from_secs(5))
    }

    /// Sends requests to a server, and waits so long for a connection.
    pub fn upstream_within(mut self, address: SocketAddr, connect_timeout: Duration) -> Self {
        self.upstream = UpstreamTarget::Http(HttpTarget::new(Endpoint {
            connect_timeout,
            ..Endpoint::new(address.into())
        }));
        self
    }

    /// Sends requests to a server of HTTP/2, without TLS.
    pub fn http2_upstream(mut self, address: SocketAddr) -> Self {
        self.upstream = UpstreamTarget::Http(HttpTarget {
            protocol: HttpProtocol::Http2,
            ..HttpTarget::new(Endpoint::new(address.into()))
        });
        self
    }

    /// Sends requests to a server of TLS.
    pub fn tls_upstream(mut self, address: SocketAddr, tls: ClientTls) -> Self {
        self.upstream = UpstreamTarget::Http(HttpTarget::new(Endpoint {
            tls: Some(tls),
            ..Endpoint::new(address.into())
        }));
        self
    }

    /// Sends what comes to any upstream.
    pub fn target(mut self, target: UpstreamTarget) -> Self {
        self.upstream = target;
        self
    }

    /// Listens somewhere else than on a port that is free.
    pub fn listen(mut self, address: Address) -> Self {
        self.address = address;
        self
    }

    /// Has a proxy before it say whose connections they are.
    pub fn proxy_protocol(mut self) -> Self {
        self.proxy_protocol = true;
        self
    }

    /// Has clients speak TLS.
    pub fn tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Speaks HTTP in another way than by default.
    pub fn http(mut self, options: HttpOptions) -> Self {
        self.limits = options;
        self
    }

    /// Has at most so many connections.
    ///
    /// # Panics
    /// It is none.
    pub fn max_connections(mut self, count: usize) -> Self {
        self.max_connections = NonZeroUsize::new(count).unwrap();
        self
    }

    /// Stops in another way than at once.
    pub fn drain(mut self, drain: DrainSettings) -> Self {
        self.drain = drain;
        self
    }

    /// Logs requests to a file, by a template.
    ///
    /// # Panics
    /// It is none.
    pub fn access_log(mut self, file: &Path, template: &str) -> Self {
        self.access_log = Some(AccessLogSettings {
            file: Some(file.to_owned()),
            format: Arc::new(Format::text(template).unwrap()),
        });
        self
    }

    /// Traces requests.
    pub fn traces(mut self, traces: TraceSettings) -> Self {
        self.traces = Some(traces);
        self
    }

    /// Lets clients take so long for TLS and the PROXY protocol.
    pub fn handshake_within(mut self, limit: Duration) -> Self {
        self.handshake_timeout = limit;
        self
    }

    /// Passes connections to a server as bytes.
    pub fn tcp_upstream(self, address: SocketAddr) -> Self {
        self.tcp_upstream_within(address, DEFAULT_IDLE_TIMEOUT)
    }

    /// The same, and closes connections that are idle for so long.
    pub fn tcp_upstream_within(mut self, address: SocketAddr, idle_timeout: Duration) -> Self {
        self.upstream = UpstreamTarget::Tcp(TcpTarget {
            endpoint: Endpoint::new(address.into()),
            idle_timeout,
            proxy_protocol: None,
        });
        self
    }

    /// Serves with so many threads.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Lets plugins call the server at an address, by name.
    pub fn upstream_of_calls(mut self, name: &str, address: SocketAddr) -> Self {
        let target = HttpTarget::new(Endpoint::new(address.into()));
        self.upstreams.push(UpstreamSettings::new(name, target));
        self
    }

    /// Adds an upstream that plugins call by its name.
    pub fn named_upstream(mut self, settings: UpstreamSettings) -> Self {
        self.upstreams.push(settings);
        self
    }

    /// Has an admin address.
    pub fn admin(mut self) -> Self {
        self.admin = true;
        self
    }

    /// Takes connections from one acceptor.
    pub fn one_acceptor(mut self) -> Self {
        self.accept = AcceptMode::OneAcceptor;
        self
    }

    /// Starts it on a port that is free.
    ///
    /// # Panics
    /// It does not start.
    pub fn start(mut self) -> Proxy {
        let routes = self.route_to_upstream();
        let listener = ListenerSettings {
            upstream: self.upstream,
            routes,
            http: self.http,
            proxy_protocol: self.proxy_protocol,
            tls: self.tls,
            limits: self.limits,
            max_connections: self.max_connections,
            access_log: self.access_log,
            handshake_timeout: self.handshake_timeout,
            ..ListenerSettings::new(self.address, self.accept, self.plugins)
        };
        let settings = Settings {
            workers: NonZeroUsize::new(self.workers).unwrap(),
            listeners: vec![listener],
            background: self.background,
            upstreams: self.upstreams,
            engine: engine().clone(),
            services: self.services,
            remotes: Vec::new(),
            admin: self.admin.then_some(ANY),
            old_streams: DEFAULT_OLD_STREAMS,
            drain: self.drain,
            traces: self.traces,
        };
        Proxy {
            runner: Runner::start(settings, &self.log).unwrap(),
        }
    }

    /// A route to the upstream, where that has plugins, which only one with a name can have.
    fn route_to_upstream(&mut self) -> Option<RouteTable> {
        let plugins = std::mem::take(&mut self.plugins_of_upstream);
        let (UpstreamTarget::Http(target), false) = (&self.upstream, plugins.is_empty()) else {
            return None;
        };
        self.upstreams.push(UpstreamSettings {
            chain: FilterChain::new(plugins),
            ..UpstreamSettings::new("upstream", target.clone())
        });
        Some(RouteTable::to_upstream("upstream"))
    }
}

// === impl Proxy ===

impl Proxy {
    /// The runner itself.
    pub fn runner(&self) -> &Runner {
        &self.runner
    }

    /// Its admin address, if it was asked for one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.runner.admin_address()
    }

    /// Asks its admin address: status and text of the answer.
    ///
    /// # Panics
    /// It has none, or no answer comes.
    pub fn ask(&self, request: &str, body: &str) -> (u16, String) {
        let mut client = super::Client::connect(self.admin_address().unwrap());
        let answer = client.request_with_body(request, &[("host", "localhost")], body.as_bytes());
        (answer.status(), answer.text())
    }

    /// Where it listens, if not on a UNIX socket.
    ///
    /// # Panics
    /// It does.
    pub fn address(&self) -> SocketAddr {
        self.runner.addresses()[0].ip().unwrap()
    }

    /// Where its listeners listen, in their order, but for UNIX sockets.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.runner.addresses().iter().filter_map(Address::ip).collect()
    }

    /// A connection to it.
    pub fn client(&self) -> super::Client {
        super::Client::connect(self.address())
    }

    /// Tells it to stop.
    pub fn begin_to_stop(self) -> Stopping {
        let hurry = self.runner.hurry();
        Stopping::new(self, hurry)
    }

    /// Stops it, and returns when it has.
    pub fn shut_down(self) {
        self.runner.shut_down();
    }
}

/// The engine of all proxies of a test process.
pub(super) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(EngineSettings::default()).unwrap())
}

/// The code of a plugin, compiled once in a test process.
///
/// # Panics
/// It is no plugin.
pub fn plugin_code(wasm: &[u8]) -> Arc<PluginCode> {
    static CODES: OnceLock<Mutex<HashMap<Vec<u8>, Arc<PluginCode>>>> = OnceLock::new();
    let mut codes = CODES.get_or_init(Mutex::default).lock().unwrap();
    let code = codes
        .entry(wasm.to_vec())
        .or_insert_with(|| engine().load(wasm).unwrap());
    Arc::clone(code)
}

/// The code of a sample plugin, compiled once in a test process.
fn guest_code(name: &str) -> Arc<PluginCode> {
    static CODES: OnceLock<Mutex<HashMap<String, Arc<PluginCode>>>> = OnceLock::new();
    let mut codes = CODES.get_or_init(Mutex::default).lock().unwrap();
    let code = codes.entry(name.to_owned()).or_insert_with(|| {
        engine()
            .load(&guests::load(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    });
    Arc::clone(code)
}
