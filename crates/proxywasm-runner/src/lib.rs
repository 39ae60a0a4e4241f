//! `proxywasm-runner`: the reference runner of [`proxywasm_host`]: a reverse proxy for HTTP/1.1, HTTP/2 and TCP that runs Proxy-Wasm plugins in
//! its own process. The binary is called `proxywasm`; this library is what it is made of, for tests and programs that start a
//! runner themselves.
//!
//! Each worker is a thread with its own event loop, its own plugin instances and its own connections to upstreams; a request
//! never leaves its thread. [`config`] describes the configuration file, `driver` how an HTTP stream moves, `tcp` how bytes do,
//! [`routing`] which way a request goes, `cluster` to which server.
//!
//! It is no library to build another proxy on: that is `proxywasm-host`.
//!
//! # Example
//!
//! A runner without plugins before the built-in echo, on a port that the system chooses:
//!
//! ```
//! use proxywasm_host::{Services, TracingSink};
//! use proxywasm_runner::{AcceptMode, DEFAULT_OLD_STREAMS, DrainSettings, ListenerSettings, LogOptions, Runner, Settings};
//! use std::io::{Read, Write};
//! use std::num::NonZeroUsize;
//! use std::sync::Arc;
//!
//! let engine = proxywasm_host::Engine::new(Default::default())?;
//! let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
//! let listener = ListenerSettings::new(any, AcceptMode::PerWorker, Vec::new());
//! let services = Services::new(Arc::new(TracingSink));
//! let settings = Settings {
//!     workers: NonZeroUsize::MIN,
//!     listeners: vec![listener],
//!     background: Vec::new(),
//!     upstreams: Vec::new(),
//!     engine,
//!     services,
//!     remotes: Vec::new(),
//!     admin: None,
//!     old_streams: DEFAULT_OLD_STREAMS,
//!     drain: DrainSettings::default(),
//!     traces: None,
//! };
//! let runner = Runner::start(settings, &LogOptions::default())?;
//!
//! let mut client = std::net::TcpStream::connect(runner.addresses()[0].ip().unwrap())?;
//! client.write_all(b"GET /hello HTTP/1.1\r\nhost: example.test\r\nconnection: close\r\n\r\n")?;
//! let mut response = String::new();
//! client.read_to_string(&mut response)?;
//! assert!(response.starts_with("HTTP/1.1 200 OK\r\n"));
//! assert!(response.contains("GET /hello HTTP/1.1\n"));
//! runner.shut_down();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod access_log;
mod admin;
mod callouts;
pub mod cli;
mod cluster;
mod code;
pub mod config;
mod driver;
mod figures;
mod forwarding;
mod functions;
pub mod import_envoy;
pub mod inspect;
mod lifecycle;
mod listen;
mod log;
mod message;
mod node;
mod observed_body;
mod piece_timer;
mod profile;
mod properties;
mod recent;
#[cfg(feature = "redis")]
mod redis;
mod remote;
pub mod routing;
mod runner;
mod server;
mod settings;
mod shutdown;
mod tcp;
pub mod tls;
mod trace;
mod transport;
mod update;
mod upstream;
mod worker;

pub use admin::DEFAULT_ADMIN_ADDRESS;
pub use cluster::{
    Balance, Ejection, EndpointSettings, HashKey, HealthCheck, HttpCheck, Retries, UpstreamLimits,
    UpstreamSettings,
};
#[cfg(feature = "remote-code")]
pub use code::FetchError;
pub use code::{
    CodeError, CodeSource, CodeUrl, Credentials, DigestError, FetchOptions, FetchSettings, ImageReference,
    Mismatch, PluginSource, ReferenceError, Secret, Sha256, SourceError, load_code, read_all,
};
pub use forwarding::{Forwarded, ForwardingHeaders};
pub use functions::functions;
pub use listen::ListenError;
pub use log::{LogOptions, RateLimited, parse_filter};
pub use message::MalformedResponse;
pub use node::Node;
pub use remote::Remote;
pub use runner::{Hurry, Runner, StartError};
pub use server::{DEFAULT_HANDSHAKE_TIMEOUT, DEFAULT_MAX_CONNECTIONS, HttpOptions, WindowBudget};
pub use settings::{
    AcceptMode, BackgroundSettings, DEFAULT_OLD_STREAMS, HttpSettings, ListenerSettings, RunMode, Settings,
    UpstreamSettingsError, default_workers,
};
pub use shutdown::DrainSettings;
pub use trace::{TraceError, TraceSettings};
pub use transport::{Address, AddressError};
pub use update::{
    Age, Change, FailedUpdate, PluginSnapshot, Proposal, Refusal, Snapshot, Source, Subject, Update,
    UpdateError, What,
};
pub use upstream::{
    ConnectError, DEFAULT_CONNECT_TIMEOUT, DEFAULT_IDLE_TIMEOUT, Endpoint, HttpProtocol, HttpTarget,
    ProxyVersion, ResponseTimeouts, TargetError, TcpTarget, UpstreamAddress, UpstreamError, UpstreamTarget,
    UpstreamUrl,
};
